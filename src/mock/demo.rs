//! What the server answers while nobody has told it anything: a friendly text, so that a program can be tried without a
//! key.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, BASE_PATH, Event, RecordedRequest};

/// Between two words of a stream: fast enough not to wait for, slow enough to see.
const PAUSE: Duration = Duration::from_millis(15);

const GENERATION_ID: &str = "gen-local-0001";

/// 2026-01-01, so that the same request gets the same answer.
const CREATED: u64 = 1_767_225_600;

pub(super) fn answer(request: &RecordedRequest) -> Answer {
    let path = request.path.strip_prefix(BASE_PATH).unwrap_or(&request.path);
    let body = request.json().to_value();
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let demo = Demo::new(&body);
    let answer = match (request.method.as_str(), path, stream) {
        ("POST", "/responses", false) => Answer::json(200, demo.response("completed", &demo.text())),
        ("POST", "/responses", true) => demo.response_stream(),
        ("POST", "/chat/completions", false) => Answer::json(200, demo.chat()),
        ("POST", "/chat/completions", true) => demo.chat_stream(),
        (method, path, _) => {
            return Answer::error(404, &format!("The mock server was told no answer to {method} {path}"));
        }
    };
    answer.header("x-generation-id", GENERATION_ID)
}

/// An answer to one request.
struct Demo {
    model: String,
    words: Vec<String>,
    input_tokens: usize,
}

impl Demo {
    fn new(body: &Value) -> Self {
        let model = body.get("model").and_then(Value::as_str).unwrap_or("openrouter/auto").to_owned();
        let mut text = "Hello! This is the local server that comes with openrouter-kit. ".to_owned();
        let asked = body.get("input").or_else(|| body.get("messages")).map(last_text).unwrap_or_default();
        let asked = shortened(&asked);
        if !asked.is_empty() {
            text.push_str(&format!("You asked: \"{asked}\" "));
        }
        text.push_str("Set OPENROUTER_API_KEY, and a model will answer.");
        // Models of today make about a token of four characters.
        let input_tokens = asked.chars().count().div_ceil(4).max(1);
        Self { model, words: text.split_inclusive(' ').map(str::to_owned).collect(), input_tokens }
    }

    fn text(&self) -> String {
        self.words.concat()
    }

    /// A price like that of a small model, in US dollars.
    fn cost(&self) -> f64 {
        (self.input_tokens as f64 * 0.15 + self.words.len() as f64 * 0.6) / 1e6
    }

    fn response(&self, status: &str, text: &str) -> Value {
        let completed = status == "completed";
        let output = if completed { json!([self.message("completed", text)]) } else { json!([]) };
        let usage = json!({
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.words.len(),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input_tokens + self.words.len(),
            "cost": self.cost(),
            "is_byok": false,
        });
        json!({
            "id": GENERATION_ID,
            "object": "response",
            "created_at": CREATED,
            "completed_at": if completed { json!(CREATED + 1) } else { Value::Null },
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
            "usage": if completed { usage } else { Value::Null },
        })
    }

    fn message(&self, status: &str, text: &str) -> Value {
        json!({"type": "message", "id": "msg_local_0001", "role": "assistant", "status": status, "content": [part(text)]})
    }

    fn response_stream(&self) -> Answer {
        let item = "msg_local_0001";
        let text = self.text();
        let mut events = vec![
            json!({"type": "response.created", "response": self.response("in_progress", "")}),
            json!({"type": "response.in_progress", "response": self.response("in_progress", "")}),
            json!({
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {"type": "message", "id": item, "role": "assistant", "status": "in_progress", "content": []},
            }),
            json!({
                "type": "response.content_part.added",
                "item_id": item,
                "output_index": 0,
                "content_index": 0,
                "part": part(""),
            }),
        ];
        events.extend(self.words.iter().map(|word| {
            json!({
                "type": "response.output_text.delta",
                "item_id": item,
                "output_index": 0,
                "content_index": 0,
                "delta": word,
                "logprobs": [],
            })
        }));
        events.extend([
            json!({
                "type": "response.output_text.done",
                "item_id": item,
                "output_index": 0,
                "content_index": 0,
                "text": text,
                "logprobs": [],
            }),
            json!({
                "type": "response.content_part.done",
                "item_id": item,
                "output_index": 0,
                "content_index": 0,
                "part": part(&text),
            }),
            json!({"type": "response.output_item.done", "output_index": 0, "item": self.message("completed", &text)}),
            json!({"type": "response.completed", "response": self.response("completed", &text)}),
        ]);
        for (number, event) in events.iter_mut().enumerate() {
            if let Some(event) = event.as_object_mut() {
                event.insert("sequence_number".to_owned(), json!(number));
            }
        }
        streamed(events)
    }

    fn chat_usage(&self) -> Value {
        json!({
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.words.len(),
            "total_tokens": self.input_tokens + self.words.len(),
            "cost": self.cost(),
            "is_byok": false,
        })
    }

    fn chat(&self) -> Value {
        json!({
            "id": GENERATION_ID,
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "provider": "Local",
            "system_fingerprint": null,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": self.text(), "refusal": null},
                "finish_reason": "stop",
                "native_finish_reason": "stop",
                "logprobs": null,
            }],
            "usage": self.chat_usage(),
        })
    }

    fn chat_stream(&self) -> Answer {
        let mut chunks: Vec<_> = self
            .words
            .iter()
            .map(|word| self.chat_chunk(json!({"role": "assistant", "content": word}), None))
            .collect();
        let mut last = self.chat_chunk(json!({"role": "assistant", "content": ""}), Some("stop"));
        if let Some(last) = last.as_object_mut() {
            last.insert("usage".to_owned(), self.chat_usage());
        }
        chunks.push(last);
        streamed(chunks)
    }

    fn chat_chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        json!({
            "id": GENERATION_ID,
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
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn streamed(events: Vec<Value>) -> Answer {
    let start = Event::comment("OPENROUTER PROCESSING");
    let events = events.into_iter().map(|event| Event::from(event).after(PAUSE));
    Answer::stream(std::iter::once(start).chain(events))
}

/// The last text in the input of a request, which is what a user asked last.
fn last_text(input: &Value) -> String {
    match input {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.last().map(last_text).unwrap_or_default(),
        Value::Object(item) => item.get("content").or_else(|| item.get("text")).map(last_text).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Enough of a text to recognize it.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
