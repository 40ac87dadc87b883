//! The messages of requests, responses and streams in one form for all protocols: chat, Responses and Messages. Other
//! operations have the text that they send or receive, if any.

use std::collections::BTreeMap;

use openrouter_kit::serde_json::{self, Value};
use serde::Serialize;

use super::json::Raw;

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// The name of a tool or a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    // Reasoning comes before the text that it leads to.
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Image,
    File,
    Audio,
    Refusal,
    /// JSON of an unknown form.
    Other,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Reasoning => "reasoning",
            Self::ToolCall => "tool call",
            Self::ToolResult => "tool result",
            Self::Image => "image",
            Self::File => "file",
            Self::Audio => "audio",
            Self::Refusal => "refusal",
            Self::Other => "other",
        }
    }
}

impl Part {
    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, name: None, text: text.into() }
    }

    fn named(kind: Kind, name: Option<&Value>, text: impl Into<String>) -> Self {
        let name = name.and_then(Value::as_str).filter(|name| !name.is_empty());
        Self { name: name.map(str::to_owned), ..Self::new(kind, text) }
    }
}

/// Returns a string as it is, and any other value as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns a URL for display; of a data URL, only its type and size.
fn url(value: &Value) -> String {
    let url = value.as_str().or_else(|| value.get("url")?.as_str()).unwrap_or_default();
    match url.strip_prefix("data:").and_then(|data| data.split_once(',')) {
        Some((kind, data)) => size(kind.trim_end_matches(";base64"), data),
        None => url.to_owned(),
    }
}

/// Describes base64 data by type and size.
fn size(kind: &str, data: &str) -> String {
    let kind = if kind.is_empty() { "data" } else { kind };
    format!("{kind}, {} bytes", data.trim_end_matches('=').len() * 3 / 4)
}

/// Adds the parts of the `content` of a message.
fn content(content: &Value, parts: &mut Vec<Part>) {
    match content {
        Value::Null => {}
        Value::String(text) => parts.push(Part::new(Kind::Text, text)),
        Value::Array(items) => items.iter().for_each(|item| self::content(item, parts)),
        Value::Object(item) => {
            let member = |name: &str| item.get(name).unwrap_or(&Value::Null);
            let text = |name: &str| member(name).as_str().unwrap_or_default();
            parts.push(match text("type") {
                "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text" => {
                    Part::new(Kind::Text, text("text"))
                }
                "refusal" => Part::new(Kind::Refusal, text("refusal")),
                "image_url" | "input_image" => Part::new(Kind::Image, url(member("image_url"))),
                "image" | "document" => {
                    let source = member("source");
                    let kind = if text("type") == "image" { Kind::Image } else { Kind::File };
                    let media = source.get("media_type").and_then(Value::as_str).unwrap_or_default();
                    match source.get("data").and_then(Value::as_str) {
                        Some(data) => Part::named(kind, item.get("title"), size(media, data)),
                        None => Part::named(kind, item.get("title"), url(source)),
                    }
                }
                "file" | "input_file" => {
                    let file = item.get("file").unwrap_or(content);
                    let data = file.get("file_data").or_else(|| file.get("file_url")).unwrap_or(member("file_id"));
                    Part::named(Kind::File, file.get("filename"), url(data))
                }
                "input_audio" => {
                    let audio = member("input_audio");
                    let of = |name: &str| audio.get(name).and_then(Value::as_str).unwrap_or_default();
                    Part::new(Kind::Audio, size(of("format"), of("data")))
                }
                "thinking" => Part::new(Kind::Reasoning, text("thinking")),
                "tool_use" | "server_tool_use" => Part::named(Kind::ToolCall, item.get("name"), shown(member("input"))),
                "tool_result" => {
                    let mut inner = Vec::new();
                    self::content(member("content"), &mut inner);
                    let text: Vec<_> = inner.into_iter().map(|part| part.text).collect();
                    Part::named(Kind::ToolResult, item.get("tool_use_id"), text.join("\n"))
                }
                _ => Part::new(Kind::Other, content.to_string()),
            });
        }
        other => parts.push(Part::new(Kind::Other, other.to_string())),
    }
}

/// Reads a message of chat or Messages.
fn message(message: &Value) -> Message {
    let member = |name: &str| message.get(name).unwrap_or(&Value::Null);
    let role = member("role").as_str().unwrap_or("assistant").to_owned();
    let mut parts = Vec::new();
    if let Some(text) = member("reasoning").as_str().filter(|text| !text.is_empty()) {
        parts.push(Part::new(Kind::Reasoning, text));
    }
    content(member("content"), &mut parts);
    if role == "tool" {
        for part in &mut parts {
            part.kind = Kind::ToolResult;
            part.name = member("tool_call_id").as_str().map(str::to_owned);
        }
    }
    if let Some(text) = member("refusal").as_str().filter(|text| !text.is_empty()) {
        parts.push(Part::new(Kind::Refusal, text));
    }
    for call in member("tool_calls").as_array().into_iter().flatten() {
        let function = call.get("function").unwrap_or(call);
        let arguments = function.get("arguments").map(shown).unwrap_or_default();
        parts.push(Part::named(Kind::ToolCall, function.get("name"), arguments));
    }
    for image in member("images").as_array().into_iter().flatten() {
        parts.push(Part::new(Kind::Image, url(image.get("image_url").unwrap_or(image))));
    }
    Message { role, parts }
}

/// Reads an item of the input or output of the Responses API.
fn item(item: &Value) -> Message {
    let member = |name: &str| item.get(name).unwrap_or(&Value::Null);
    let role = |role: &str| role.to_owned();
    match member("type").as_str() {
        Some("function_call") => Message {
            role: role("assistant"),
            parts: vec![Part::named(Kind::ToolCall, item.get("name"), shown(member("arguments")))],
        },
        Some("function_call_output") => Message {
            role: role("tool"),
            parts: vec![Part::named(Kind::ToolResult, item.get("call_id"), shown(member("output")))],
        },
        Some("reasoning") => {
            let mut parts = Vec::new();
            content(member("summary"), &mut parts);
            content(member("content"), &mut parts);
            parts.iter_mut().for_each(|part| part.kind = Kind::Reasoning);
            Message { role: role("assistant"), parts }
        }
        _ if item.get("content").is_some() => message(item),
        _ => {
            let mut parts = Vec::new();
            content(item, &mut parts);
            Message { role: member("role").as_str().unwrap_or("user").to_owned(), parts }
        }
    }
}

/// Returns the messages of a request body.
pub(crate) fn of_request(body: &Value) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut add = |role: &str, value: &Value| {
        let mut parts = Vec::new();
        content(value, &mut parts);
        if !parts.is_empty() {
            messages.push(Message { role: role.to_owned(), parts });
        }
    };
    for (name, role) in [("system", "system"), ("instructions", "system"), ("prompt", "user"), ("query", "user")] {
        if let Some(value) = body.get(name) {
            add(role, value);
        }
    }
    if let Some(documents) = body.get("documents") {
        add("documents", documents);
    }
    match body.get("input") {
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => messages.extend(items.iter().map(item)),
        Some(input) => add("user", input),
        None => {}
    }
    messages.extend(body.get("messages").and_then(Value::as_array).into_iter().flatten().map(message));
    messages
}

/// Returns the messages of a response body.
pub(crate) fn of_response(body: &Value) -> Vec<Message> {
    let list = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut messages: Vec<Message> = list("choices")
        .map(|choice| match (choice.get("message"), choice.get("text")) {
            (None, Some(text)) => {
                Message { role: "assistant".to_owned(), parts: vec![Part::new(Kind::Text, shown(text))] }
            }
            (found, _) => message(found.unwrap_or(&Value::Null)),
        })
        .collect();
    messages.extend(list("output").map(item));
    let mut parts = Vec::new();
    list("content").for_each(|part| content(part, &mut parts));
    if let Some(text) = body.get("text").and_then(Value::as_str) {
        parts.push(Part::new(Kind::Text, text));
    }
    for data in list("data") {
        if let Some(image) = data.get("b64_json").and_then(Value::as_str) {
            parts.push(Part::new(Kind::Image, size("image", image)));
        } else if let Some(vector) = data.get("embedding").and_then(Value::as_array) {
            parts.push(Part::new(Kind::Text, format!("a vector of {} numbers", vector.len())));
        }
    }
    for result in list("results") {
        if let (Some(index), Some(score)) = (result.get("index"), result.get("relevance_score")) {
            parts.push(Part::new(Kind::Text, format!("document {index}: {score}")));
        }
    }
    if !parts.is_empty() {
        messages.push(Message { role: "assistant".to_owned(), parts });
    }
    messages.retain(|message| !message.parts.is_empty());
    messages
}

/// The message assembled from the events of a stream.
#[derive(Default)]
pub(crate) struct Streamed {
    /// By choice or output item, kind, and index, which is their order.
    parts: BTreeMap<(u64, u8, u64), Part>,
    /// The complete output, which the last event of the Responses API contains.
    whole: Option<Vec<Message>>,
}

impl Streamed {
    /// Adds an event by its data.
    pub(crate) fn add(&mut self, data: &str) {
        let Ok(event) = serde_json::from_str::<Value>(data) else { return };
        let member = |name: &str| event.get(name).unwrap_or(&Value::Null);
        let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
        for choice in member("choices").as_array().into_iter().flatten() {
            let index = number(choice, "index");
            let delta = choice.get("delta").unwrap_or(choice);
            let mut text = |name: &str, kind| self.text((index, kind as u8, 0), kind, delta.get(name));
            text("reasoning", Kind::Reasoning);
            text("content", Kind::Text);
            text("text", Kind::Text);
            text("refusal", Kind::Refusal);
            for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                let function = call.get("function").unwrap_or(&Value::Null);
                let place = (index, Kind::ToolCall as u8, number(call, "index"));
                self.begin(place, Kind::ToolCall, function.get("name"));
                self.text(place, Kind::ToolCall, function.get("arguments"));
            }
        }
        let (output, content) = (number(&event, "output_index"), number(&event, "content_index"));
        match member("type").as_str().unwrap_or_default() {
            "response.output_text.delta" => self.text((output, 1, content), Kind::Text, event.get("delta")),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" | "response.reasoning.delta" => {
                self.text((output, 0, content), Kind::Reasoning, event.get("delta"));
            }
            "response.function_call_arguments.delta" => {
                self.text((output, 1, 0), Kind::ToolCall, event.get("delta"));
            }
            "response.output_item.added" if member("item").get("type").is_some_and(|kind| kind == "function_call") => {
                self.begin((output, 1, 0), Kind::ToolCall, member("item").get("name"));
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let messages = of_response(member("response"));
                self.whole = Some(messages).filter(|messages| !messages.is_empty());
            }
            "content_block_start" => {
                let block = member("content_block");
                if block.get("type").is_some_and(|kind| kind == "tool_use") {
                    self.begin((number(&event, "index"), 1, 0), Kind::ToolCall, block.get("name"));
                }
            }
            "content_block_delta" => {
                let (delta, place) = (member("delta"), (number(&event, "index"), 1, 0));
                self.text(place, Kind::Text, delta.get("text"));
                self.text(place, Kind::Reasoning, delta.get("thinking"));
                self.text(place, Kind::ToolCall, delta.get("partial_json"));
            }
            "transcript.text.delta" => self.text((0, 1, 0), Kind::Text, event.get("delta")),
            _ => {}
        }
    }

    fn begin(&mut self, place: (u64, u8, u64), kind: Kind, name: Option<&Value>) {
        let part = self.parts.entry(place).or_insert_with(|| Part::new(kind, ""));
        if let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) {
            part.name = Some(name.to_owned());
        }
    }

    fn text(&mut self, place: (u64, u8, u64), kind: Kind, text: Option<&Value>) {
        if let Some(text) = text.and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.begin(place, kind, None);
            self.parts.entry(place).and_modify(|part| part.text.push_str(text));
        }
    }

    pub(crate) fn finish(self) -> Vec<Message> {
        if let Some(whole) = self.whole {
            return whole;
        }
        let parts: Vec<_> = self.parts.into_values().collect();
        if parts.is_empty() { Vec::new() } else { vec![Message { role: "assistant".to_owned(), parts }] }
    }
}

/// Cuts the text of each part to a length.
pub(crate) fn limit(messages: &mut [Message], limit: usize) {
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        if super::cut(&mut part.text, limit) {
            part.text.push_str("… (cut off)");
        }
    }
}

/// Returns the data lines of server-sent events.
pub(crate) fn data_of_events(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start)
}

/// Returns the last text in the messages of a request, for lists, without parsing the rest.
pub(crate) fn last_prompt(body: Raw<'_>) -> String {
    let list = |name: &str| body.member(name).and_then(|list| list.elements().last());
    let last = list("messages").or_else(|| list("input"));
    let other = || ["input", "prompt", "query"].into_iter().find_map(|name| body.member(name)).and_then(Raw::string);
    last.map(text_of).filter(|text| !text.is_empty()).or_else(other).unwrap_or_default()
}

/// Returns the text of a message or of its content.
fn text_of(value: Raw<'_>) -> String {
    if value.is_text() {
        return value.string().unwrap_or_default();
    }
    let member = ["content", "text", "output", "arguments"].into_iter().find_map(|name| value.member(name));
    if let Some(text) = member.map(text_of).filter(|text| !text.is_empty()) {
        return text;
    }
    let texts: Vec<_> = value.elements().map(text_of).filter(|text| !text.is_empty()).collect();
    texts.join(" ")
}

/// Returns the text in a response body, for lists.
pub(crate) fn text_of_response(body: &str) -> String {
    let body = Raw::new(body.as_bytes());
    let choice = || body.member("choices")?.elements().next()?.member("message").map(text_of);
    let output = || body.member("output").map(text_of);
    let content = || body.member("content").map(text_of);
    let error = || body.member("error")?.member("message").and_then(Raw::string);
    choice().or_else(output).or_else(content).or_else(error).unwrap_or_default()
}

/// Returns the text in events of a stream, for lists.
pub(crate) fn text_of_events(events: &str) -> String {
    let text = |data: &str| {
        let event = Raw::new(data.as_bytes());
        let chat = || event.member("choices")?.elements().next()?.member("delta")?.member("content")?.string();
        let kind = event.member("type").and_then(Raw::string).unwrap_or_default();
        match &*kind {
            "response.output_text.delta" | "transcript.text.delta" => event.member("delta")?.string(),
            "content_block_delta" => event.member("delta")?.member("text")?.string(),
            _ => chat(),
        }
    };
    data_of_events(events).filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use openrouter_kit::serde_json::json;

    use super::*;

    fn texts(messages: &[Message]) -> Vec<String> {
        let part = |part: &Part| match &part.name {
            Some(name) => format!("{} {name}: {}", part.kind.name(), part.text),
            None => format!("{}: {}", part.kind.name(), part.text),
        };
        let message = |message: &Message| {
            let parts: Vec<_> = message.parts.iter().map(part).collect();
            format!("{} {}", message.role, parts.join("; "))
        };
        messages.iter().map(message).collect()
    }

    #[test]
    fn the_messages_of_each_protocol_are_read() {
        let chat = json!({"messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "a cat"},
        ]});
        assert_eq!(
            texts(&of_request(&chat)),
            [
                "system text: Be brief.",
                "user text: What is this?; image: image/png, 3 bytes",
                "assistant tool call look: {}",
                "tool tool result 1: a cat",
            ]
        );
        let responses = json!({"instructions": "Be brief.", "input": [
            {"role": "user", "content": "Hi"},
            {"type": "function_call", "name": "look", "arguments": "{}", "call_id": "1"},
            {"type": "function_call_output", "call_id": "1", "output": "a cat"},
        ]});
        assert_eq!(
            texts(&of_request(&responses)),
            ["system text: Be brief.", "user text: Hi", "assistant tool call look: {}", "tool tool result 1: a cat"]
        );
        let messages = json!({"system": [{"type": "text", "text": "Be brief."}], "messages": [
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "a cat"}]},
        ]});
        assert_eq!(texts(&of_request(&messages)), ["system text: Be brief.", "user tool result 1: a cat"]);
        assert_eq!(texts(&of_request(&json!({"input": ["one", "two"]}))), ["user text: one; text: two"]);
        for odd in [json!(null), json!([1]), json!({"messages": 1, "input": {"x": 1}}), json!({"messages": [1, null]})]
        {
            texts(&of_request(&odd));
            texts(&of_response(&odd));
            Streamed::default().add(&odd.to_string());
            last_prompt(Raw::new(odd.to_string().as_bytes()));
        }
    }

    #[test]
    fn the_messages_of_streams_are_put_together() {
        let streamed = |events: &[Value]| {
            let mut streamed = Streamed::default();
            events.iter().for_each(|event| streamed.add(&event.to_string()));
            streamed.add("[DONE]");
            texts(&streamed.finish())
        };
        let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
        let call = |function: Value| delta(json!({"tool_calls": [{"index": 0, "function": function}]}));
        let chat = [
            delta(json!({"reasoning": "Hm"})),
            delta(json!({"content": "Hel"})),
            delta(json!({"content": "lo"})),
            call(json!({"name": "look", "arguments": "{\"a\""})),
            call(json!({"arguments": ":1}"})),
        ];
        assert_eq!(streamed(&chat), ["assistant reasoning: Hm; text: Hello; tool call look: {\"a\":1}"]);
        let responses = [
            json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"}),
            json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "lo"}),
        ];
        assert_eq!(streamed(&responses), ["assistant text: Hello"]);
        let messages = [
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "name": "look"}}),
            json!({"type": "content_block_delta", "index": 1, "delta": {"partial_json": "{}"}}),
        ];
        assert_eq!(streamed(&messages), ["assistant text: Hello; tool call look: {}"]);
        let text = |events: &[Value]| {
            let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            text_of_events(&events)
        };
        assert_eq!([text(&chat), text(&responses), text(&messages)], ["Hello", "Hello", "Hello"]);
    }

    #[test]
    fn previews_have_the_last_text() {
        for (body, text) in [
            (json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}), "b"),
            (json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "b"}]}]}), "b"),
            (json!({"input": "b"}), "b"),
            (json!({"input": ["a", "b"]}), "b"),
            (json!({"prompt": "b"}), "b"),
            (json!({}), ""),
        ] {
            assert_eq!(last_prompt(Raw::new(body.to_string().as_bytes())), text);
        }
        for body in [
            json!({"choices": [{"message": {"content": "b"}}]}),
            json!({"output": [{"type": "message", "content": [{"type": "output_text", "text": "b"}]}]}),
            json!({"content": [{"type": "text", "text": "b"}]}),
            json!({"error": {"message": "b"}}),
        ] {
            assert_eq!(text_of_response(&body.to_string()), "b");
        }
    }
}
