//! What a model writes, in the form that each protocol has for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::random::{Random, hash};
use super::{Answer, Event, RecordedRequest};

/// 2026-01-01, so that the same request gets the same response.
const CREATED: u64 = 1_767_225_600;

/// The longest piece of text in an event, in letters.
const PIECE: usize = 20;

/// What a model writes: reasoning, text and tool calls, in that order.
///
/// It adapts to the request: to `POST /chat/completions`, `/responses` and `/messages` in their formats, whole or streamed,
/// with the model that was asked for. Each part is optional; the constructors begin with the most common ones.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::mock::{Fault, MockServer, Place, Reply};
/// use openrouter_kit::serde_json::json;
///
/// let server = MockServer::start().await;
/// server.reply(Reply::tool_call("weather", json!({"city": "Rome"})));
/// server.reply(Reply::text("It is sunny in Rome.").reasoning("The tool says so.").cost(0.002));
/// // The third response breaks off.
/// server.reply(Reply::text("It is").sent(|answer| answer.fault(Fault::Reset, Place::InBody)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Reply {
    reasoning: String,
    text: Option<String>,
    /// Names with arguments.
    calls: Vec<(String, String)>,
    tokens: Option<(u64, u64)>,
    cost: Option<f64>,
    pause: Duration,
    sent: Option<Arc<dyn Fn(Answer) -> Answer + Send + Sync>>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("reasoning", &self.reasoning)
            .field("text", &self.text)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

impl Reply {
    fn new(text: Option<String>) -> Self {
        Self {
            reasoning: String::new(),
            text,
            calls: Vec::new(),
            tokens: None,
            cost: None,
            pause: Duration::ZERO,
            sent: None,
        }
    }

    /// Writes this text. A stream has it in pieces of a word.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Some(text.into()))
    }

    /// Calls a tool with these arguments: a JSON value, or a text that is sent as it is, valid JSON or not.
    pub fn tool_call(name: &str, arguments: impl fmt::Display) -> Self {
        Self::new(None).and_tool_call(name, arguments)
    }

    /// Calls another tool in the same reply.
    pub fn and_tool_call(mut self, name: &str, arguments: impl fmt::Display) -> Self {
        self.calls.push((name.to_owned(), arguments.to_string()));
        self
    }

    /// Thinks before it writes.
    pub fn reasoning(mut self, text: impl Into<String>) -> Self {
        self.reasoning = text.into();
        self
    }

    /// Sets the tokens of the prompt and of the reply. Otherwise they are estimated.
    pub const fn tokens(mut self, input: u64, output: u64) -> Self {
        self.tokens = Some((input, output));
        self
    }

    /// Sets the cost in US dollars. Otherwise the tokens cost as much as those of a small model.
    pub const fn cost(mut self, dollars: f64) -> Self {
        self.cost = Some(dollars);
        self
    }

    /// Waits before each event of a stream.
    pub const fn paced(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Changes how the reply is sent: adds a header, a pause or a fault.
    pub fn sent(mut self, change: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> Self {
        self.sent = Some(Arc::new(change));
        self
    }

    /// Returns the answer to one request; a 404 if it is not to one of the three operations.
    #[must_use]
    pub fn answer_to(&self, request: &RecordedRequest) -> Answer {
        let body = request.json().to_value();
        let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
        let written = Written::new(self, &body, hash(&request.body));
        let answer = match (request.method.as_str(), request.operation_path(), stream) {
            ("POST", "/chat/completions", false) => Answer::json(200, written.chat()),
            ("POST", "/chat/completions", true) => self.stream(written.chat_chunks(), true),
            ("POST", "/responses", false) => Answer::json(200, written.response("completed")),
            ("POST", "/responses", true) => self.stream(written.response_events(), true),
            ("POST", "/messages", false) => Answer::json(200, written.message()),
            ("POST", "/messages", true) => self.stream(written.message_events(), false),
            (method, path, _) => {
                let why = "a reply of a model is for POST /chat/completions, /responses and /messages";
                return Answer::error(404, &format!("The mock server has no answer to {method} {path}: {why}"));
            }
        };
        let answer = answer.header("x-generation-id", written.id);
        self.sent.as_ref().map_or(answer.clone(), |change| change(answer))
    }

    fn stream(&self, events: Vec<Value>, done: bool) -> Answer {
        let paused = |event: Event| event.after(self.pause);
        let comment = std::iter::once(Event::comment("OPENROUTER PROCESSING"));
        let events = events.into_iter().map(|event| match event.get("type").and_then(Value::as_str) {
            // Those of `/messages` have names.
            Some(name) if !done => paused(Event::named(name, &event)),
            _ => paused(Event::from(event)),
        });
        if done { Answer::stream(comment.chain(events)) } else { Answer::events(comment.chain(events)) }
    }
}

/// A reply to one request.
struct Written<'a> {
    reply: &'a Reply,
    model: String,
    random: Random,
    id: String,
    input_tokens: u64,
    output_tokens: u64,
}

/// A part of a reply, with its identifier.
enum Part<'a> {
    Reasoning(String, &'a str),
    Text(String, &'a str),
    Call { id: String, name: &'a str, arguments: &'a str },
}

impl<'a> Written<'a> {
    fn new(reply: &'a Reply, body: &Value, seed: u64) -> Self {
        let model = body.get("model").and_then(Value::as_str).unwrap_or("openrouter/auto").to_owned();
        let asked = ["instructions", "system", "input", "messages"].iter().filter_map(|name| body.get(*name));
        let calls = reply.calls.iter().flat_map(|(name, arguments)| [name, arguments]);
        let output = calls.chain(&reply.text).chain([&reply.reasoning]).map(|text| tokens(text)).sum();
        let (input_tokens, output_tokens) =
            reply.tokens.unwrap_or_else(|| (asked.map(tokens_of).sum::<u64>().max(1), output));
        let random = Random::new(seed);
        Self { reply, model, random, id: format!("gen-{}", random.text(0)), input_tokens, output_tokens }
    }

    fn cost(&self) -> f64 {
        self.reply.cost.unwrap_or((self.input_tokens as f64 * 0.15 + self.output_tokens as f64 * 0.6) / 1e6)
    }

    fn parts(&self) -> Vec<Part<'a>> {
        let reply = self.reply;
        let reasoning = Some(reply.reasoning.as_str()).filter(|text| !text.is_empty());
        let reasoning = reasoning.map(|text| Part::Reasoning(format!("rs_{}", self.random.text(1)), text));
        let text = reply.text.as_ref().map(|text| Part::Text(format!("msg_{}", self.random.text(2)), text));
        let calls = (3..).zip(&reply.calls).map(|(number, (name, arguments))| Part::Call {
            id: self.random.text(number),
            name,
            arguments,
        });
        reasoning.into_iter().chain(text).chain(calls).collect()
    }

    fn chat(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.reply.text, "refusal": null});
        let mut calls = Vec::new();
        for part in self.parts() {
            match part {
                Part::Reasoning(_, text) => {
                    set(&mut message, "reasoning", json!(text));
                    set(&mut message, "reasoning_details", json!([reasoning_detail(text)]));
                }
                Part::Text(..) => {}
                Part::Call { id, name, arguments } => calls.push(json!({
                    "id": format!("call_{id}"),
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                })),
            }
        }
        if !calls.is_empty() {
            set(&mut message, "tool_calls", Value::Array(calls));
        }
        let reason = self.finish_reason();
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "provider": "Local",
            "system_fingerprint": null,
            "choices": [{
                "index": 0,
                "message": message,
                "finish_reason": reason,
                "native_finish_reason": reason,
                "logprobs": null,
            }],
            "usage": self.chat_usage(),
        })
    }

    fn finish_reason(&self) -> &'static str {
        if self.reply.calls.is_empty() { "stop" } else { "tool_calls" }
    }

    fn chat_usage(&self) -> Value {
        json!({
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "completion_tokens_details": {"reasoning_tokens": tokens(&self.reply.reasoning)},
            "prompt_tokens_details": {"cached_tokens": 0},
            "cost": self.cost(),
            "is_byok": false,
        })
    }

    fn chat_chunks(&self) -> Vec<Value> {
        let mut deltas = Vec::new();
        let mut index = 0;
        for part in self.parts() {
            match part {
                Part::Reasoning(_, text) => deltas.extend(pieces(text).map(|piece| {
                    json!({
                        "role": "assistant",
                        "content": "",
                        "reasoning": piece,
                        "reasoning_details": [reasoning_detail(piece)],
                    })
                })),
                Part::Text(_, text) => {
                    deltas.extend(pieces(text).map(|piece| json!({"role": "assistant", "content": piece})));
                }
                Part::Call { id, name, arguments } => {
                    let function = json!({"name": name, "arguments": ""});
                    let id = format!("call_{id}");
                    let begin = json!({"index": index, "id": id, "type": "function", "function": function});
                    deltas.push(json!({"role": "assistant", "content": null, "tool_calls": [begin]}));
                    deltas.extend(pieces(arguments).map(|piece| {
                        json!({"tool_calls": [{"index": index, "type": "function", "function": {"arguments": piece}}]})
                    }));
                    index += 1;
                }
            }
        }
        let mut chunks: Vec<_> = deltas.into_iter().map(|delta| self.chat_chunk(delta, None)).collect();
        let mut last = self.chat_chunk(json!({"role": "assistant", "content": ""}), Some(self.finish_reason()));
        set(&mut last, "usage", self.chat_usage());
        chunks.push(last);
        chunks
    }

    fn chat_chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.model,
            "provider": "Local",
            "choices": [{
                "index": 0,
                "delta": delta,
                "finish_reason": finish_reason,
                "native_finish_reason": finish_reason,
                "logprobs": null,
            }],
        })
    }

    fn response(&self, status: &str) -> Value {
        let completed = status == "completed";
        let output: Vec<_> =
            self.parts().iter().filter(|_| completed).map(|part| part.response_item("completed")).collect();
        let usage = json!({
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": tokens(&self.reply.reasoning)},
            "total_tokens": self.input_tokens + self.output_tokens,
            "cost": self.cost(),
            "is_byok": false,
        });
        json!({
            "id": self.id,
            "object": "response",
            "created_at": CREATED,
            "completed_at": completed.then_some(CREATED + 1),
            "model": self.model,
            "status": status,
            "output": output,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "metadata": {},
            "parallel_tool_calls": true,
            "temperature": 1.0,
            "top_p": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "tool_choice": "auto",
            "tools": [],
            "usage": completed.then_some(usage),
        })
    }

    fn response_events(&self) -> Vec<Value> {
        let mut events = vec![
            json!({"type": "response.created", "response": self.response("in_progress")}),
            json!({"type": "response.in_progress", "response": self.response("in_progress")}),
        ];
        for (index, part) in self.parts().iter().enumerate() {
            let begin = part.begin().response_item("in_progress");
            events.push(json!({"type": "response.output_item.added", "output_index": index, "item": begin}));
            let mut event = |kind: &str, name: &str, value: Value| {
                let mut event =
                    json!({"type": format!("response.{kind}"), "item_id": part.item_id(), "output_index": index});
                if !matches!(part, Part::Call { .. }) {
                    set(&mut event, "content_index", json!(0));
                }
                set(&mut event, name, value);
                if kind.starts_with("output_text") {
                    set(&mut event, "logprobs", json!([]));
                }
                events.push(event);
            };
            match part {
                Part::Reasoning(_, text) => {
                    pieces(text).for_each(|piece| event("reasoning_text.delta", "delta", json!(piece)));
                    event("reasoning_text.done", "text", json!(text));
                }
                Part::Text(_, text) => {
                    event("content_part.added", "part", text_part(""));
                    pieces(text).for_each(|piece| event("output_text.delta", "delta", json!(piece)));
                    event("output_text.done", "text", json!(text));
                    event("content_part.done", "part", text_part(text));
                }
                Part::Call { name, arguments, .. } => {
                    pieces(arguments).for_each(|piece| event("function_call_arguments.delta", "delta", json!(piece)));
                    event("function_call_arguments.done", "arguments", json!(arguments));
                    if let Some(done) = events.last_mut() {
                        set(done, "name", json!(name));
                    }
                }
            }
            let end = part.response_item("completed");
            events.push(json!({"type": "response.output_item.done", "output_index": index, "item": end}));
        }
        events.push(json!({"type": "response.completed", "response": self.response("completed")}));
        for (number, event) in events.iter_mut().enumerate() {
            set(event, "sequence_number", json!(number));
        }
        events
    }

    fn message(&self) -> Value {
        let content = self.parts().iter().map(Part::message_block).collect();
        self.message_of(content, Some(self.stop_reason()), self.output_tokens)
    }

    fn message_of(&self, content: Vec<Value>, stop_reason: Option<&str>, output_tokens: u64) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "provider": "Local",
            "content": content,
            "container": null,
            "stop_details": null,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": {
                "input_tokens": self.input_tokens,
                "output_tokens": output_tokens,
                "output_tokens_details": null,
                "cache_creation": null,
                "cache_creation_input_tokens": null,
                "cache_read_input_tokens": null,
                "inference_geo": null,
                "server_tool_use": null,
                "service_tier": "standard",
                "cost": stop_reason.map(|_| self.cost()),
                "is_byok": false,
            },
        })
    }

    fn stop_reason(&self) -> &'static str {
        if self.reply.calls.is_empty() { "end_turn" } else { "tool_use" }
    }

    fn message_events(&self) -> Vec<Value> {
        let mut events = vec![json!({"type": "message_start", "message": self.message_of(Vec::new(), None, 0)})];
        for (index, part) in self.parts().iter().enumerate() {
            let block = part.begin().message_block();
            events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
            let (kind, name, text) = match part {
                Part::Reasoning(_, text) => ("thinking_delta", "thinking", text),
                Part::Text(_, text) => ("text_delta", "text", text),
                Part::Call { arguments, .. } => ("input_json_delta", "partial_json", arguments),
            };
            let delta =
                |piece| json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, name: piece}});
            events.extend(pieces(text).map(delta));
            if let Part::Reasoning(id, _) = part {
                let signature = json!({"type": "signature_delta", "signature": id});
                events.push(json!({"type": "content_block_delta", "index": index, "delta": signature}));
            }
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        let reason = self.stop_reason();
        events.push(json!({
            "type": "message_delta",
            "delta": {"container": null, "stop_details": null, "stop_reason": reason, "stop_sequence": null},
            "usage": {
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                "output_tokens_details": null,
                "cache_creation_input_tokens": null,
                "cache_read_input_tokens": null,
                "server_tool_use": null,
                "cost": self.cost(),
                "is_byok": false,
            },
        }));
        events.push(json!({"type": "message_stop"}));
        events
    }
}

impl<'a> Part<'a> {
    /// The part before anything of it is written.
    fn begin(&self) -> Self {
        match self {
            Self::Reasoning(id, _) => Self::Reasoning(id.clone(), ""),
            Self::Text(id, _) => Self::Text(id.clone(), ""),
            Self::Call { id, name, .. } => Self::Call { id: id.clone(), name, arguments: "" },
        }
    }

    fn item_id(&self) -> String {
        match self {
            Self::Reasoning(id, _) | Self::Text(id, _) => id.clone(),
            Self::Call { id, .. } => format!("fc_{id}"),
        }
    }

    /// An item of the output of the Responses API.
    fn response_item(&self, status: &str) -> Value {
        let id = self.item_id();
        let begins = status == "in_progress";
        match self {
            Self::Reasoning(_, text) => {
                let content = json!([{"type": "reasoning_text", "text": text}]);
                let content = if begins { json!([]) } else { content };
                json!({"type": "reasoning", "id": id, "status": status, "summary": [], "content": content})
            }
            Self::Text(_, text) => {
                let content = if begins { json!([]) } else { json!([text_part(text)]) };
                json!({"type": "message", "id": id, "role": "assistant", "status": status, "content": content})
            }
            Self::Call { id: call, name, arguments } => json!({
                "type": "function_call",
                "id": id,
                "call_id": format!("call_{call}"),
                "name": name,
                "arguments": arguments,
                "status": status,
            }),
        }
    }

    /// A block of the content of a message.
    fn message_block(&self) -> Value {
        match self {
            Self::Reasoning(id, text) => {
                json!({"type": "thinking", "thinking": text, "signature": if text.is_empty() { "" } else { id }})
            }
            Self::Text(_, text) => json!({"type": "text", "text": text, "citations": null}),
            Self::Call { id, name, arguments } => {
                let input = match *arguments {
                    "" => json!({}),
                    arguments => serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments)),
                };
                let id = format!("toolu_{id}");
                json!({"type": "tool_use", "id": id, "name": name, "input": input, "caller": {"type": "direct"}})
            }
        }
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn reasoning_detail(text: &str) -> Value {
    json!({"type": "reasoning.text", "text": text, "format": "unknown", "index": 0})
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// A text in pieces of a word, or of [`PIECE`] letters if that is shorter.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let letters = rest.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter));
        let end = letters.take(PIECE).reduce(|last, next| if last.1 == ' ' { last } else { next })?.0;
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(piece)
    })
}

/// How many tokens a text has: models make about one of four letters.
fn tokens(text: &str) -> u64 {
    text.chars().count().div_ceil(4) as u64
}

/// How many tokens the texts of a prompt have, without those that hold files.
fn tokens_of(prompt: &Value) -> u64 {
    match prompt {
        Value::String(text) if text.starts_with("data:") => 0,
        Value::String(text) => tokens(text),
        Value::Array(items) => items.iter().map(tokens_of).sum(),
        Value::Object(item) => {
            ["content", "text", "output"].iter().filter_map(|name| item.get(*name)).map(tokens_of).sum()
        }
        _ => 0,
    }
}
