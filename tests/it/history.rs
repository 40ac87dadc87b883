//! Conversions between the histories of chat, responses and messages: what converts comes back equal, and what is lost is
//! named. Generated histories come from a seed that a failure names.

use std::collections::BTreeSet;
use std::path::Path;

use crate::replay::recording::read_folder;
use fastrand::Rng;
use openrouter_kit::core::wire::{self, Json, Wire};
use openrouter_kit::helpers::history::{self, Loss, Lossy, MessagesHistory};
use openrouter_kit::models::*;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Api {
    Chat,
    Messages,
    Responses,
}

use Api::{Chat, Messages, Responses};

const PAIRS: [(Api, Api); 6] = [
    (Chat, Responses),
    (Chat, Messages),
    (Responses, Chat),
    (Responses, Messages),
    (Messages, Chat),
    (Messages, Responses),
];

// --- Conversions of JSON ---------------------------------------------------------------------

fn read<T: Wire>(value: &Value) -> T {
    wire::decode(&value.to_string()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn written<T: Wire>(value: &T) -> Value {
    serde_json::from_slice(&wire::encode(value).unwrap()).unwrap()
}

fn read_history(value: &Value) -> MessagesHistory {
    MessagesHistory { system: value.get("system").map(read), messages: read(&value["messages"]) }
}

fn written_history(history: &MessagesHistory) -> Value {
    let mut value = json!({"messages": written(&history.messages)});
    if let Some(system) = &history.system {
        value["system"] = written(system);
    }
    value
}

type Converted = Result<Value, (Value, Vec<Loss>)>;

fn converted<T>(result: Result<T, Lossy<T>>, written: impl Fn(&T) -> Value) -> Converted {
    match result {
        Ok(history) => Ok(written(&history)),
        Err(lossy) => {
            let losses = lossy.losses().to_vec();
            assert!(!losses.is_empty());
            Err((written(&lossy.into_history()), losses))
        }
    }
}

fn convert((from, to): (Api, Api), value: &Value) -> Converted {
    match (from, to) {
        (Chat, Responses) => converted(history::chat_to_responses(&read::<Vec<ChatMessage>>(value)), written),
        (Chat, _) => converted(history::chat_to_messages(&read::<Vec<ChatMessage>>(value)), written_history),
        (Responses, Chat) => converted(history::responses_to_chat(&read::<Vec<InputItem>>(value)), written),
        (Responses, _) => converted(history::responses_to_messages(&read::<Vec<InputItem>>(value)), written_history),
        (Messages, Chat) => converted(history::messages_to_chat(&read_history(value)), written),
        (Messages, _) => converted(history::messages_to_responses(&read_history(value)), written),
    }
}

// --- Equivalent forms ------------------------------------------------------------------------

/// The history with one form instead of those that are equivalent.
fn plain(api: Api, mut value: Value) -> Value {
    drop_nulls(&mut value);
    match api {
        Chat => value.as_array_mut().unwrap().iter_mut().for_each(plain_chat),
        Responses => value.as_array_mut().unwrap().iter_mut().for_each(plain_item),
        Messages => value = plain_messages(value),
    }
    value
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn remove_if(value: &mut Value, name: &str, is: &Value) {
    if value.get(name) == Some(is) {
        value.as_object_mut().unwrap().remove(name);
    }
}

/// Content as a list, absent if it is empty.
fn plain_content(holder: &mut Value, name: &str, kind: &str) {
    if let Some(text) = holder.get(name).and_then(Value::as_str) {
        holder[name] = if text.is_empty() { json!([]) } else { json!([{"type": kind, "text": text}]) };
    }
    for part in holder.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
        for empty in ["annotations", "logprobs", "citations"] {
            remove_if(part, empty, &json!([]));
        }
        remove_if(part, "detail", &json!("auto"));
        if let Some(image) = part.get_mut("image_url").filter(|image| image.is_object()) {
            remove_if(image, "detail", &json!("auto"));
        }
        if part["type"] == "input_video" && part["video_url"].is_object() {
            part["type"] = json!("video_url");
        }
    }
    remove_if(holder, name, &json!([]));
}

fn plain_arguments(holder: &mut Value) {
    let text = holder["arguments"].as_str().unwrap_or_default();
    let text = if text.trim().is_empty() { "{}" } else { text };
    let value: Value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    holder["arguments"] = value;
}

fn plain_chat(message: &mut Value) {
    plain_content(message, "content", "text");
    for name in ["reasoning", "reasoning_content"] {
        let Some(thought) = message.as_object_mut().unwrap().remove(name) else { continue };
        let has_details = message.get("reasoning_details").is_some_and(|details| details != &json!([]));
        if thought != "" && !has_details {
            message["reasoning_details"] = json!([{"type": "reasoning.text", "text": thought}]);
        }
    }
    for name in ["tool_calls", "reasoning_details"] {
        for (at, part) in message.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
            remove_if(part, "index", &json!(at));
            remove_if(part, "format", &json!("anthropic-claude-v1"));
            if name == "tool_calls" {
                plain_arguments(&mut part["function"]);
            }
        }
        remove_if(message, name, &json!([]));
    }
    if message["role"] != "tool" {
        let last = if message.get("tool_calls").is_some() { "tool_calls" } else { "content" };
        let mark = message.get("cache_control").cloned();
        if let Some(part) = message.get_mut(last).and_then(Value::as_array_mut).and_then(|list| list.last_mut())
            && let (Some(mark), None) = (mark, part.get("cache_control"))
        {
            part["cache_control"] = mark;
            message.as_object_mut().unwrap().remove("cache_control");
        }
    }
}

fn plain_item(item: &mut Value) {
    if item.get("type").is_none() {
        item["type"] = json!("message");
    }
    remove_if(item, "status", &json!("completed"));
    match item["type"].as_str().unwrap() {
        "message" => {
            let kind = if item["role"] == "assistant" { "output_text" } else { "input_text" };
            plain_content(item, "content", kind);
        }
        "function_call" => plain_arguments(item),
        "function_call_output" => plain_content(item, "output", "input_text"),
        "reasoning" => {
            remove_if(item, "id", &json!(""));
            remove_if(item, "format", &json!("anthropic-claude-v1"));
            remove_if(item, "content", &json!([]));
        }
        _ => {}
    }
}

fn plain_messages(mut history: Value) -> Value {
    let mut merged: Vec<Value> = Vec::new();
    let mut system = json!({"role": "system", "content": history.get("system").cloned().unwrap_or_default()});
    plain_content(&mut system, "content", "text");
    let messages = history["messages"].as_array_mut().unwrap();
    for message in std::iter::once(&mut system).chain(messages.iter_mut()) {
        plain_content(message, "content", "text");
        for block in message.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
            match block["type"].as_str().unwrap() {
                "tool_use" if block.get("input").is_none() => block["input"] = json!({}),
                "tool_result" => {
                    remove_if(block, "is_error", &json!(false));
                    plain_content(block, "content", "text");
                }
                "thinking" => remove_if(block, "signature", &json!("")),
                _ => {}
            }
        }
        let Some(blocks) = message.get("content").and_then(Value::as_array) else { continue };
        match merged.last_mut().filter(|last| last["role"] == message["role"]) {
            Some(last) => last["content"].as_array_mut().unwrap().extend(blocks.iter().cloned()),
            None => merged.push(message.clone()),
        }
    }
    json!(merged)
}

// --- What a history says ---------------------------------------------------------------------

/// Adds every string of a value but those that only name a kind; what is inside arguments and `data:` URLs is taken apart.
fn add_strings(value: &Value, strings: &mut BTreeSet<String>) {
    const KINDS: [&str; 9] =
        ["type", "role", "status", "detail", "media_type", "format", "mode", "reasoning", "reasoning_content"];
    match value {
        Value::Object(members) => {
            members
                .iter()
                .filter(|(name, _)| !KINDS.contains(&&***name))
                .for_each(|(_, value)| add_strings(value, strings));
            // Other strings under these names are content.
            for name in ["reasoning", "reasoning_content"] {
                if members.get("reasoning_details").is_none() {
                    members.get(name).into_iter().for_each(|value| add_strings(value, strings));
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| add_strings(value, strings)),
        Value::String(text) => match (serde_json::from_str::<Value>(text), text.split_once(";base64,")) {
            (Ok(value @ Value::Object(_)), _) => add_strings(&value, strings),
            (_, Some(("data:text/plain", data))) => {
                strings.insert(decoded(data));
            }
            (_, Some((_, data))) => {
                strings.insert(data.to_owned());
            }
            _ if text.is_empty() => {}
            _ => {
                strings.insert(text.clone());
            }
        },
        _ => {}
    }
}

fn decoded(data: &str) -> String {
    use base64::Engine;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(data).unwrap()).unwrap()
}

/// Checks that each string of the source is in what it was converted to, or in what is named as lost.
fn assert_all_is_named(source: &Value, result: &Converted, case: &str) {
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    add_strings(source, &mut before);
    let (history, losses) = match result {
        Ok(history) => (history, &[][..]),
        Err((history, losses)) => (history, &losses[..]),
    };
    add_strings(history, &mut after);
    losses.iter().for_each(|loss| add_strings(&loss.value().to_value(), &mut after));
    let missing: Vec<_> = before.difference(&after).collect();
    assert!(missing.is_empty(), "{case}: {missing:?} got lost\n{source}\n{history}\n{losses:?}");
}

/// Checks that a conversion without loss comes back equal; returns whether it was one.
fn assert_comes_back(pair: (Api, Api), source: &Value, result: &Converted, case: &str) -> bool {
    let Ok(history) = result else { return false };
    let back = convert((pair.1, pair.0), history);
    let back = back.unwrap_or_else(|(back, losses)| panic!("{case}: {losses:?}\n{source}\n{history}\n{back}"));
    let (before, after) = (plain(pair.0, source.clone()), plain(pair.0, back));
    assert_eq!(before, after, "{case}:\n{before}\n{history}\n{after}");
    true
}

// --- Generated histories ---------------------------------------------------------------------

/// Makes histories of one protocol; only of what the target can represent, if there is one.
struct Maker {
    rng: Rng,
    words: usize,
    target: Option<Api>,
}

impl Maker {
    fn is(&mut self) -> bool {
        self.rng.bool()
    }

    fn rarely(&mut self) -> bool {
        self.rng.u8(..8) == 0
    }

    fn one_of(&mut self, texts: [&'static str; 2]) -> &'static str {
        texts[usize::from(self.is())]
    }

    /// A word that occurs once.
    fn word(&mut self) -> String {
        self.words += 1;
        let odd = ["", " \"quoted\"", "\n", " é😀"][self.rng.usize(..4)];
        format!("word{}{odd}", self.words)
    }

    fn id(&mut self, start: &str) -> String {
        self.words += 1;
        format!("{start}_{}", self.words)
    }

    /// Whether this can be represented: always if the target is one of these, sometimes if there is
    /// none.
    fn may(&mut self, targets: &[Api]) -> bool {
        match self.target {
            Some(target) => targets.contains(&target) && self.is(),
            None => self.is(),
        }
    }

    fn wild(&mut self) -> bool {
        self.target.is_none() && self.rarely()
    }

    /// A value with unknown members now and then.
    fn with_unknown(&mut self, mut value: Value) -> Value {
        if self.wild() {
            value["x_unknown"] = json!({"note": self.word(), "list": [1, self.word()]});
        }
        value
    }

    fn mark(&mut self, value: &mut Value) {
        if self.may(&[Chat, Messages]) && self.rarely() {
            value["cache_control"] = json!({"type": "ephemeral"});
        }
    }

    fn pdf(&mut self) -> String {
        self.words += 1;
        format!("cGRm{:08}", self.words)
    }

    fn url(&mut self) -> String {
        self.words += 1;
        format!("https://example.com/{}", self.words)
    }

    fn arguments(&mut self) -> Value {
        json!({"a": self.word(), "n": 1.5, "deep": {"list": [true, null, self.word()]}})
    }

    fn history(&mut self, api: Api) -> Value {
        let mut turns = Vec::new();
        match api {
            Chat => self.chat(&mut turns),
            Responses => self.responses(&mut turns),
            Messages => return self.messages(),
        }
        json!(turns)
    }

    fn chat(&mut self, messages: &mut Vec<Value>) {
        if self.is() {
            let mut content = self.chat_content(true);
            if let Some(part) = content.as_array_mut().and_then(|parts| parts.last_mut()) {
                self.mark(part);
            }
            let role = if self.may(&[Responses]) { "developer" } else { "system" };
            messages.push(json!({"role": role, "content": content}));
        }
        for _ in 0..self.rng.usize(1..4) {
            let mut user = json!({"role": "user", "content": self.chat_content(false)});
            if self.wild() {
                user["name"] = json!(self.word());
            }
            self.mark(&mut user);
            if self.target == Some(Messages) && user["content"] == json!([]) {
                user["content"] = json!("x");
            }
            messages.push(self.with_unknown(user));
            if self.wild() {
                messages.push(json!({"role": "critic", "content": self.word()}));
            }
            self.chat_answer(messages);
        }
    }

    fn chat_answer(&mut self, messages: &mut Vec<Value>) {
        let mut message = json!({"role": "assistant"});
        let details: Vec<_> = (0..self.rng.usize(..3)).map(|at| self.chat_detail(at)).collect();
        if !details.is_empty() {
            message["reasoning_details"] = json!(details);
        } else if self.rarely() {
            message["reasoning"] = json!(self.word());
        }
        let count = self.rng.usize(..3);
        message["content"] = match self.rng.u8(..4) {
            0 if count > 0 => Value::Null,
            1 if count > 0 => json!(""),
            2 => json!([{"type": "text", "text": self.word()}, {"type": "text", "text": self.word()}]),
            _ => json!(self.word()),
        };
        if message["content"].is_string() && message["content"] != "" && self.may(&[Responses]) && self.rarely() {
            let citation = json!({"url": self.url(), "title": self.word(), "start_index": 0, "end_index": 3});
            message["annotations"] = json!([{"type": "url_citation", "url_citation": citation}]);
        }
        if self.may(&[Responses]) && self.rarely() {
            message["refusal"] = json!(self.word());
        }
        if self.wild() {
            message["images"] = json!([{"type": "image_url", "image_url": {"url": self.url()}}]);
        }
        if self.wild() {
            message["audio"] = json!({"id": self.id("audio"), "data": self.word(), "transcript": self.word()});
        }
        let ids: Vec<_> = (0..count).map(|_| self.id("call")).collect();
        let calls = ids.iter().enumerate().map(|(at, id)| {
            let arguments = match self.rng.u8(..4) {
                0 => String::new(),
                1 if self.target.is_none() => format!("{{broken {}", self.word()),
                2 => serde_json::to_string_pretty(&self.arguments()).unwrap(),
                _ => self.arguments().to_string(),
            };
            let mut call =
                json!({"type": "function", "id": id, "function": {"name": self.id("tool"), "arguments": arguments}});
            if self.is() {
                call["index"] = json!(at);
            }
            self.mark(&mut call);
            self.with_unknown(call)
        });
        let calls: Vec<_> = calls.collect();
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        messages.push(self.with_unknown(message));
        for id in ids {
            let content = if self.is() { json!(self.one_of(["", "done"])) } else { self.chat_result() };
            let mut result = json!({"role": "tool", "tool_call_id": id, "content": content});
            self.mark(&mut result);
            if self.wild() {
                result["name"] = json!(self.word());
            }
            messages.push(result);
        }
    }

    fn chat_result(&mut self) -> Value {
        json!([{"type": "text", "text": self.word()}, self.chat_image(), self.chat_file()])
    }

    fn chat_detail(&mut self, at: usize) -> Value {
        let format = if self.target == Some(Messages) { "anthropic-claude-v1" } else { "openai-responses-v1" };
        let mut detail = match self.rng.u8(..3) {
            0 if self.target != Some(Messages) => json!({"type": "reasoning.summary", "summary": self.word()}),
            1 => json!({"type": "reasoning.encrypted", "data": self.word(), "format": format}),
            _ if self.is() => json!({"type": "reasoning.text", "text": self.word()}),
            _ => json!({"type": "reasoning.text", "text": self.word(), "signature": self.word(), "format": format}),
        };
        if self.may(&[Responses]) {
            detail["id"] = json!(self.id("rs"));
        }
        if self.is() {
            detail["index"] = json!(at);
        }
        self.with_unknown(detail)
    }

    fn chat_image(&mut self) -> Value {
        let url = if self.is() { self.url() } else { format!("data:image/png;base64,{}", self.pdf()) };
        let mut image = json!({"type": "image_url", "image_url": {"url": url}});
        if self.is() {
            image["image_url"]["detail"] = json!(if self.may(&[Responses]) { "low" } else { "auto" });
        }
        image
    }

    fn chat_file(&mut self) -> Value {
        let mut file = match self.rng.u8(..4) {
            0 => json!({"file_data": self.url()}),
            1 => json!({"file_data": format!("data:application/pdf;base64,{}", self.pdf())}),
            2 => json!({"file_data": "data:text/plain;base64,dGV4dCBpbiBhIGZpbGU="}),
            _ => json!({"file_id": self.id("file")}),
        };
        if self.is() {
            file["filename"] = json!(self.word());
        }
        json!({"type": "file", "file": file})
    }

    fn chat_content(&mut self, only_text: bool) -> Value {
        if self.is() {
            return json!(self.word());
        }
        let parts = (0..self.rng.usize(1..4)).map(|_| {
            let mut part = match self.rng.u8(..6) {
                1 if !only_text => self.chat_image(),
                2 if !only_text => self.chat_file(),
                3 if !only_text && self.may(&[Responses]) => {
                    json!({"type": "input_audio", "input_audio": {"data": self.word(), "format": "wav"}})
                }
                4 if !only_text && self.may(&[Responses]) => {
                    json!({"type": self.one_of(["video_url", "input_video"]), "video_url": {"url": self.url()}})
                }
                5 if self.target.is_none() => json!({"type": "hologram", "hologram": self.word()}),
                _ => {
                    let mut text = json!({"type": "text", "text": self.word()});
                    if self.may(&[Responses]) && self.rarely() {
                        text["prompt_cache_breakpoint"] = json!({"mode": "explicit", "ttl": "1h"});
                    }
                    text
                }
            };
            self.mark(&mut part);
            self.with_unknown(part)
        });
        json!(parts.collect::<Vec<_>>())
    }

    fn responses(&mut self, items: &mut Vec<Value>) {
        if self.is() {
            items.push(json!({"role": "system", "content": self.word()}));
        }
        for _ in 0..self.rng.usize(1..4) {
            let mut user = json!({"type": "message", "role": "user", "content": self.item_content(false)});
            if self.wild() {
                user["id"] = json!(self.id("msg"));
            }
            items.push(self.with_unknown(user));
            self.item_answer(items);
        }
    }

    fn item_answer(&mut self, items: &mut Vec<Value>) {
        if self.is() {
            items.extend((0..self.rng.usize(1..3)).map(|_| self.item_reasoning()));
        }
        if self.is() {
            let mut part = json!({"type": "output_text", "text": self.word(), "annotations": []});
            if self.may(&[Chat]) && self.rarely() {
                part["annotations"] = json!([
                    {"type": "url_citation", "url": self.url(), "title": self.word(), "start_index": 0, "end_index": 2}
                ]);
            }
            let mut parts = vec![part];
            if self.may(&[Chat]) && self.rarely() {
                parts.push(json!({"type": "refusal", "refusal": self.word()}));
            }
            let mut message = json!({"type": "message", "role": "assistant", "content": parts, "status": "completed"});
            if self.wild() {
                message["id"] = json!(self.id("msg"));
                message["phase"] = json!("commentary");
            }
            items.push(message);
        }
        if self.wild() {
            items.push(json!({"type": "web_search_call", "id": self.id("ws"), "status": "completed",
                "action": {"type": "search", "query": self.word()}}));
        }
        let ids: Vec<_> = (0..self.rng.usize(..3)).map(|_| self.id("call")).collect();
        for id in &ids {
            let mut call = json!({"type": "function_call", "call_id": id, "name": self.id("tool"),
                "arguments": self.arguments().to_string(), "status": "completed"});
            if self.wild() {
                call["id"] = json!(self.id("fc"));
            }
            if self.wild() {
                call["namespace"] = json!(self.word());
            }
            items.push(self.with_unknown(call));
            if self.wild() {
                let text = json!({"role": "assistant", "content": self.word()});
                items.push(text);
            }
        }
        for id in ids {
            let output = if self.is() { json!(self.one_of(["", "done"])) } else { self.item_content(true) };
            items.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
        }
    }

    fn item_reasoning(&mut self) -> Value {
        let mut item = json!({"type": "reasoning", "summary": []});
        if self.target != Some(Messages) {
            item["id"] = json!(self.id("rs"));
            item["format"] = json!("openai-responses-v1");
            item["summary"] =
                (0..self.rng.usize(1..3)).map(|_| json!({"type": "summary_text", "text": self.word()})).collect();
            if self.is() {
                item["encrypted_content"] = json!(self.word());
            }
        }
        if self.target == Some(Messages) || self.is() {
            item["content"] = json!([{"type": "reasoning_text", "text": self.word()}]);
            item["signature"] = json!(self.word());
            item["format"] = json!("anthropic-claude-v1");
        }
        item["status"] = json!("completed");
        self.with_unknown(item)
    }

    fn item_content(&mut self, is_result: bool) -> Value {
        if self.is() {
            return json!(self.word());
        }
        let parts = (0..self.rng.usize(1..4)).map(|_| {
            let part = match self.rng.u8(..6) {
                1 => {
                    let url = if self.is() { self.url() } else { format!("data:image/png;base64,{}", self.pdf()) };
                    json!({"type": "input_image", "image_url": url, "detail": "auto"})
                }
                2 if self.may(&[Messages]) => {
                    json!({"type": "input_image", "file_id": self.id("file"), "detail": "auto"})
                }
                3 => json!({"type": "input_file", "file_url": self.url(), "filename": self.word()}),
                4 if !is_result && self.may(&[Chat]) => {
                    json!({"type": "input_audio", "input_audio": {"data": self.word(), "format": "mp3"}})
                }
                5 if !is_result && self.may(&[Chat]) => {
                    json!({"type": "input_video", "video_url": self.url(), "processing": "auto"})
                }
                _ => json!({"type": "input_text", "text": self.word()}),
            };
            self.with_unknown(part)
        });
        json!(parts.collect::<Vec<_>>())
    }

    fn messages(&mut self) -> Value {
        let mut messages = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let user = json!({"role": "user", "content": self.block_content()});
            messages.push(self.with_unknown(user));
            let mut blocks = Vec::new();
            for _ in 0..self.rng.usize(..3) {
                blocks.push(match self.rng.u8(..3) {
                    0 => json!({"type": "redacted_thinking", "data": self.word()}),
                    1 => json!({"type": "thinking", "thinking": self.word(), "signature": self.word()}),
                    _ => json!({"type": "thinking", "thinking": self.word(), "signature": ""}),
                });
            }
            blocks.extend((0..self.rng.usize(1..3)).map(|_| {
                let mut text = json!({"type": "text", "text": self.word()});
                self.mark(&mut text);
                text
            }));
            let ids: Vec<_> = (0..self.rng.usize(..3)).map(|_| self.id("toolu")).collect();
            for id in &ids {
                let mut call =
                    json!({"type": "tool_use", "id": id, "name": self.id("tool"), "input": self.arguments()});
                self.mark(&mut call);
                blocks.push(self.with_unknown(call));
                if self.may(&[Responses]) && self.rarely() {
                    blocks.push(json!({"type": "text", "text": self.word()}));
                }
            }
            if self.wild() {
                blocks.push(json!({"type": "server_tool_use", "id": self.id("srv"), "name": "web_search",
                    "input": {"query": self.word()}}));
            }
            messages.push(json!({"role": "assistant", "content": blocks}));
            let mut results = Vec::new();
            for id in ids {
                let mut result = json!({"type": "tool_result", "tool_use_id": id});
                match self.rng.u8(..3) {
                    0 => {}
                    1 => result["content"] = json!(""),
                    _ => result["content"] = self.block_content(),
                }
                self.mark(&mut result);
                if self.is() {
                    result["is_error"] = json!(self.wild());
                }
                results.push(result);
            }
            if !results.is_empty() {
                if self.is() {
                    results.push(json!({"type": "text", "text": self.word()}));
                }
                messages.push(json!({"role": "user", "content": results}));
            }
        }
        let mut history = json!({"messages": messages});
        if self.is() {
            let mut block = json!({"type": "text", "text": self.word()});
            self.mark(&mut block);
            history["system"] = if self.is() { json!(self.word()) } else { json!([block]) };
        }
        history
    }

    fn block_content(&mut self) -> Value {
        if self.is() {
            return json!(self.word());
        }
        let blocks = (0..self.rng.usize(1..4)).map(|_| {
            let mut block = match self.rng.u8(..6) {
                1 => {
                    let source = json!({"type": "base64", "media_type": "image/webp", "data": self.pdf()});
                    json!({"type": "image", "source": source})
                }
                2 => json!({"type": "image", "source": {"type": "url", "url": self.url()}}),
                3 => {
                    let mut document = json!({"type": "document", "source": match self.rng.u8(..4) {
                        0 => json!({"type": "base64", "media_type": "application/pdf", "data": self.pdf()}),
                        1 => json!({"type": "text", "media_type": "text/plain", "data": self.word()}),
                        2 => json!({"type": "url", "url": self.url()}),
                        _ => json!({"type": "file", "file_id": self.id("file")}),
                    }});
                    if self.is() {
                        document["title"] = json!(self.word());
                    }
                    document
                }
                4 if self.target.is_none() => {
                    json!({"type": "document", "source": {"type": "content", "content": self.word()}})
                }
                _ => json!({"type": "text", "text": self.word()}),
            };
            self.mark(&mut block);
            self.with_unknown(block)
        });
        json!(blocks.collect::<Vec<_>>())
    }
}

#[test]
fn a_history_of_what_both_sides_know_comes_back_equal() {
    for pair in PAIRS {
        for seed in 0..150 {
            let case = format!("{pair:?} seed {seed}");
            let mut maker = Maker { rng: Rng::with_seed(seed), words: 0, target: Some(pair.1) };
            let source = maker.history(pair.0);
            let result = convert(pair, &source);
            if let Err((history, losses)) = &result {
                panic!("{case}: {losses:#?}\n{source}\n{history}");
            }
            assert!(assert_comes_back(pair, &source, &result, &case));
            assert_all_is_named(&source, &result, &case);
        }
    }
}

#[test]
fn what_a_conversion_loses_is_named() {
    for pair in PAIRS {
        let mut lossy = 0;
        for seed in 0..150 {
            let case = format!("{pair:?} seed {seed}");
            let mut maker = Maker { rng: Rng::with_seed(seed), words: 0, target: None };
            let source = maker.history(pair.0);
            let result = convert(pair, &source);
            assert_all_is_named(&source, &result, &case);
            lossy += usize::from(!assert_comes_back(pair, &source, &result, &case));
            // What is left can be represented, and comes back without a further loss.
            if let Err((history, losses)) = &result {
                assert!(losses.iter().all(|loss| !loss.path().is_empty() && !loss.reason().is_empty()), "{losses:?}");
                let back = convert((pair.1, pair.0), history);
                assert!(back.is_ok(), "{case}: {back:?}\n{source}\n{history}");
            }
        }
        assert!(lossy > 40, "{pair:?}: {lossy}");
    }
}

#[test]
fn recorded_histories_come_back_equal_or_name_what_they_lose() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut counts = std::collections::BTreeMap::<String, (usize, usize)>::new();
    let folders = ["tests/recordings", "../shared/corpus", "../shared/corpus-extra"].map(|folder| root.join(folder));
    for folder in folders.iter().filter(|folder| folder.exists()) {
        for recording in read_folder(folder).unwrap().0 {
            let Some(request) = recording.request.as_ref().map(Json::to_value) else { continue };
            let (api, source) = match recording.api.as_str() {
                "chat" if request["messages"].is_array() => (Chat, request["messages"].clone()),
                "responses" if request["input"].is_array() => (Responses, request["input"].clone()),
                "messages" if request["messages"].is_array() => {
                    let mut source = json!({"messages": request["messages"]});
                    if !request["system"].is_null() {
                        source["system"] = request["system"].clone();
                    }
                    (Messages, source)
                }
                _ => continue,
            };
            for pair in PAIRS.into_iter().filter(|pair| pair.0 == api) {
                let case = format!("{pair:?} {}", recording.id);
                let result = convert(pair, &source);
                assert_all_is_named(&source, &result, &case);
                let count = counts.entry(format!("{pair:?}")).or_default();
                count.0 += 1;
                count.1 += usize::from(assert_comes_back(pair, &source, &result, &case));
                if let Err((_, losses)) = &result {
                    eprintln!("{case}: {}", losses.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
                }
            }
        }
    }
    eprintln!("{counts:#?}");
    assert!(counts.values().all(|(all, lossless)| *lossless * 2 > *all), "{counts:?}");
}

// --- Single cases ----------------------------------------------------------------------------

fn paths<T: std::fmt::Debug>(result: Result<T, Lossy<T>>) -> Vec<String> {
    result.unwrap_err().losses().iter().map(|loss| loss.path().to_owned()).collect()
}

#[test]
fn tool_calls_images_and_empty_results_have_a_place_everywhere() {
    let chat = json!([
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aWNvbg=="}},
        ]},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [
            {"type": "function", "id": "call_1", "function": {"name": "look", "arguments": "{\"deep\": true}"}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
    ]);
    let items = convert((Chat, Responses), &chat).unwrap();
    let image = json!({"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aWNvbg=="});
    assert_eq!(items[0]["content"][1], image);
    assert_eq!(items[1]["content"], "Let me look.");
    let call = json!({"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{\"deep\": true}"});
    assert_eq!(items[2], call);
    assert_eq!(items[3], json!({"type": "function_call_output", "call_id": "call_1", "output": ""}));

    let messages = convert((Chat, Messages), &chat).unwrap();
    let messages = &messages["messages"];
    let source = json!({"type": "base64", "media_type": "image/png", "data": "aWNvbg=="});
    assert_eq!(messages[0]["content"][1], json!({"type": "image", "source": source}));
    assert_eq!(messages[1]["content"][0], json!({"type": "text", "text": "Let me look."}), "the text is first");
    let call = json!({"type": "tool_use", "id": "call_1", "name": "look", "input": {"deep": true}});
    assert_eq!(messages[1]["content"][1], call);
    assert_eq!(messages[2]["content"], json!([{"type": "tool_result", "tool_use_id": "call_1", "content": ""}]));
}

#[test]
fn results_of_parallel_calls_are_one_message_of_the_messages_api() {
    let messages = [ChatMessage::user("Hi"), ChatMessage::tool("a", "1"), ChatMessage::tool("b", "2")];
    let history = history::chat_to_messages(&messages).unwrap();
    assert_eq!(history.messages.len(), 2);
    assert_eq!(history::messages_to_chat(&history).unwrap(), messages);
}

#[test]
fn a_system_message_at_the_start_is_the_system_prompt() {
    let messages = [ChatMessage::system("Be brief."), ChatMessage::user("Hi"), ChatMessage::system("Be briefer.")];
    let history = history::chat_to_messages(&messages).unwrap();
    assert_eq!(written(history.system.as_ref().unwrap()), "Be brief.");
    assert_eq!(written(&history.messages)[1], json!({"role": "system", "content": "Be briefer."}));
    assert_eq!(history::messages_to_chat(&history).unwrap(), messages);
}

#[test]
fn signatures_and_encrypted_reasoning_stay_with_their_text() {
    let details = json!([
        {"type": "reasoning.summary", "id": "rs_1", "summary": "Short", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "id": "rs_1", "data": "c2VjcmV0", "format": "openai-responses-v1", "index": 1},
        {"type": "reasoning.text", "text": "Long", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 2},
    ]);
    let chat = json!([{"role": "assistant", "content": "Hi", "reasoning_details": details}]);
    let items = convert((Chat, Responses), &chat).unwrap();
    let first = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Short"}],
        "encrypted_content": "c2VjcmV0", "format": "openai-responses-v1"});
    let second = json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Long"}],
        "signature": "c2ln", "format": "anthropic-claude-v1"});
    assert_eq!((&items[0], &items[1]), (&first, &second));
    let lost = paths(history::chat_to_messages(&read::<Vec<ChatMessage>>(&chat)));
    let all = [
        "messages[0].reasoning_details[0]",
        "messages[0].reasoning_details[1].format",
        "messages[0].reasoning_details[1].id",
    ];
    assert_eq!(lost, all);
}

#[test]
fn every_loss_is_named_with_its_path_in_the_order_of_the_source() {
    let chat = json!([
        {"role": "user", "name": "Ann", "content": [
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low", "new": 1}},
            {"type": "hologram"},
        ]},
        {"role": "assistant", "content": "Hi", "refusal": "No", "model": "acme/crow", "tool_calls": [
            {"type": "function", "id": "call_1", "function": {"name": "f", "arguments": "[1"}},
        ]},
        {"role": "oracle", "content": "Hm"},
    ]);
    let lost = paths(history::chat_to_messages(&read::<Vec<ChatMessage>>(&chat)));
    assert_eq!(
        lost,
        [
            "messages[0].content[0]",
            "messages[0].content[1].image_url.detail",
            "messages[0].content[1].image_url.new",
            "messages[0].content[2]",
            "messages[0].name",
            "messages[1].model",
            "messages[1].refusal",
            "messages[1].tool_calls[0].function.arguments",
            "messages[2]",
        ]
    );
}

#[test]
fn text_behind_a_tool_call_has_another_position_in_a_chat() {
    let blocks =
        json!([{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, {"type": "text", "text": "Wait."}]);
    let source = json!({"messages": [{"role": "assistant", "content": blocks}]});
    let (chat, losses) = convert((Messages, Chat), &source).unwrap_err();
    assert_eq!(losses[0].path(), "messages[0].content[1]");
    assert_eq!(chat[0]["content"][0]["text"], "Wait.", "it is there, but earlier");
    convert((Messages, Responses), &source).unwrap();
}

#[test]
fn two_messages_of_the_assistant_that_would_become_one_are_named() {
    let chat = json!([{"role": "assistant", "content": "One"}, {"role": "assistant", "tool_calls": [
        {"type": "function", "id": "call_1", "function": {"name": "f", "arguments": "{}"}},
    ]}]);
    assert_eq!(paths(history::chat_to_responses(&read::<Vec<ChatMessage>>(&chat))), ["messages[1]"]);
    let apart = json!([{"role": "assistant", "content": "One"}, {"role": "assistant", "content": "Two"}]);
    assert_comes_back((Chat, Responses), &apart, &convert((Chat, Responses), &apart), "two texts");
}

#[test]
fn the_output_of_a_response_converts_once_its_ids_may_be_dropped() {
    let items = json!([
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []},
        ]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "", "status": "completed"},
    ]);
    let items = read::<Vec<InputItem>>(&items);
    let lossy = history::responses_to_chat(&items).unwrap_err();
    let losses: Vec<_> = lossy.losses().iter().map(|loss| (loss.reason(), loss.is_bookkeeping())).collect();
    assert_eq!(losses, [("the other protocol cannot represent it", true); 2]);
    let text = "the history cannot be converted without loss: input[0].id: the other protocol cannot represent it; \
        input[1].id: the other protocol cannot represent it";
    assert_eq!(lossy.to_string(), text);
    let chat = lossy.accept(Loss::is_bookkeeping).unwrap();
    assert_eq!(written(&chat)[0]["content"][0]["text"], "Hi");
    assert_eq!(written(&chat)[0]["tool_calls"][0]["function"]["arguments"], "{}");
    let history = history::responses_to_messages(&items).unwrap_err().accept(Loss::is_bookkeeping).unwrap();
    assert_eq!(history.messages.len(), 1);
}

#[test]
fn an_error_of_a_tool_and_a_cache_mark_are_named_where_they_have_no_place() {
    let mark = json!({"type": "ephemeral"});
    let source = json!({"messages": [{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": true, "cache_control": mark},
    ]}]});
    let history = read_history(&source);
    assert_eq!(paths(history::messages_to_chat(&history)), ["messages[0].content[0].is_error"]);
    let all = ["messages[0].content[0].cache_control", "messages[0].content[0].is_error"];
    let lossy = history::messages_to_responses(&history).unwrap_err();
    assert!(lossy.losses().iter().all(|loss| !loss.is_bookkeeping()), "a model sees both");
    assert_eq!(paths::<Vec<InputItem>>(Err(lossy)), all);
}

/// The converted history, and the paths of what it lost.
fn lossy(pair: (Api, Api), source: &Value) -> (Value, Vec<String>) {
    match convert(pair, source) {
        Ok(history) => (history, Vec::new()),
        Err((history, losses)) => (history, losses.iter().map(|loss| loss.path().to_owned()).collect()),
    }
}

#[test]
fn a_content_keeps_its_form_and_its_empty_texts() {
    let text = |kind: &str, text: &str| json!({"type": kind, "text": text});
    for (content, expected) in [
        (json!("Hi"), json!("Hi")),
        (json!([text("text", "Hi")]), json!([text("output_text", "Hi")])),
        (json!([text("text", ""), text("text", "Hi")]), json!([text("output_text", ""), text("output_text", "Hi")])),
        (json!(""), json!("")),
    ] {
        let items = convert((Chat, Responses), &json!([{"role": "assistant", "content": content}])).unwrap();
        assert_eq!(items[0]["content"], expected);
    }
    let empty = json!([{"role": "user", "content": []}]);
    assert_eq!(convert((Chat, Responses), &empty).unwrap()[0]["content"], "", "a message that says nothing is kept");
    // Only the assistant may leave it out.
    let items = json!([
        {"type": "message", "role": "user", "content": []},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": []},
    ]);
    let call = json!({"type": "function", "id": "call_1", "function": {"name": "f", "arguments": "{}"}});
    let chat = json!([
        {"role": "user", "content": ""},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
    ]);
    assert_eq!(convert((Responses, Chat), &items).unwrap(), chat);
}

#[test]
fn reasoning_that_repeats_its_details_is_omitted() {
    let details = json!([{"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1"}]);
    for name in ["reasoning", "reasoning_content"] {
        let chat = json!([{"role": "assistant", "content": "Hi", name: "hm", "reasoning_details": details}]);
        let items = convert((Chat, Responses), &chat).unwrap();
        assert_eq!(items[0]["content"], json!([{"type": "reasoning_text", "text": "hm"}]));
        let other = json!([{"role": "assistant", "content": "Hi", name: "other", "reasoning_details": details}]);
        assert_eq!(lossy((Chat, Responses), &other).1, [format!("messages[0].{name}")]);
    }
}

#[test]
fn citations_go_to_the_only_text_and_are_named_if_there_is_another_or_none() {
    let citation = json!({"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}});
    let text = || json!({"type": "text", "text": "Hi"});
    for (content, losses) in
        [(json!([text()]), vec![]), (json!([text(), text()]), vec![0]), (json!([]), vec![0]), (json!(null), vec![0])]
    {
        let chat = json!([{"role": "assistant", "content": content, "annotations": [citation]}]);
        let (items, lost) = lossy((Chat, Responses), &chat);
        let expected: Vec<_> = losses.iter().map(|at| format!("messages[0].annotations[{at}]")).collect();
        assert_eq!(lost, expected, "{content}");
        let flat = json!([{"type": "url_citation", "url": "https://a.example", "title": "A"}]);
        assert_eq!(items[0]["content"][0].get("annotations"), Some(&flat).filter(|_| losses.is_empty()), "{content}");
    }
}

#[test]
fn items_of_reasoning_that_would_become_one_are_named() {
    let item = |text: &str| json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]});
    assert_eq!(lossy((Responses, Chat), &json!([item("a"), item("b")])).1, ["input[1].summary[0]"]);
    let thinking = |text: &str| json!({"type": "thinking", "thinking": text, "signature": ""});
    let blocks = json!({"messages": [{"role": "assistant", "content": [thinking("a"), thinking("b")]}]});
    assert_eq!(lossy((Messages, Chat), &blocks).1, Vec::<String>::new(), "blocks stay apart");
}

#[test]
fn the_status_of_an_item_of_reasoning_is_lost_once_and_is_bookkeeping() {
    let text = |text: &str| json!({"type": "summary_text", "text": text});
    for summary in [json!([text("a")]), json!([text("a"), text("b")])] {
        let item = json!({"type": "reasoning", "status": "incomplete", "summary": summary});
        let (_, losses) = convert((Responses, Chat), &json!([item])).unwrap_err();
        let losses: Vec<_> = losses.iter().map(|loss| (loss.path(), loss.is_bookkeeping())).collect();
        assert_eq!(losses, [("input[0].status", true)]);
    }
}

#[test]
fn signed_and_encrypted_thinking_has_the_format_of_its_protocol() {
    let blocks = json!([
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "b", "signature": ""},
    ]);
    let chat = convert((Messages, Chat), &json!({"messages": [{"role": "assistant", "content": blocks}]})).unwrap();
    let details = json!([
        {"type": "reasoning.text", "text": "a", "signature": "s", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1"},
        {"type": "reasoning.text", "text": "b"},
    ]);
    assert_eq!(chat[0]["reasoning_details"], details);
}

#[test]
fn data_without_a_plain_media_type_has_no_place_in_the_messages_api() {
    for (url, lost) in [
        ("data:image/png;base64,AAAA", vec![]),
        ("data:;base64,AAAA", vec!["messages[0].content[0]"]),
        ("data:image/png;name=a;base64,AAAA", vec!["messages[0].content[0]"]),
        ("data:image/svg+xml,<svg/>", vec!["messages[0].content[0]"]),
    ] {
        let image = json!({"type": "image_url", "image_url": {"url": url}});
        assert_eq!(lossy((Chat, Messages), &json!([{"role": "user", "content": [image]}])).1, lost, "{url}");
    }
}

#[test]
fn a_refusal_ends_a_chat_message() {
    let (refusal, text) = (json!({"type": "refusal", "refusal": "No"}), json!({"type": "output_text", "text": "Hi"}));
    let message = |content: Value| json!([{"type": "message", "role": "assistant", "content": content}]);
    let refused = json!({"role": "assistant", "refusal": "No"});
    let chat = |content: Value| lossy((Responses, Chat), &message(content)).0;
    let said = json!([{"type": "text", "text": "Hi"}]);
    assert_eq!(chat(json!([text, refusal])), json!([{"role": "assistant", "content": said, "refusal": "No"}]));
    assert_eq!(chat(json!([refusal, text])), json!([refused, {"role": "assistant", "content": said}]));
    assert_eq!(chat(json!([refusal, refusal])), json!([refused, refused]));
}

#[test]
fn unknown_members_that_say_nothing_are_not_lost() {
    let chat = json!([{"role": "user", "content": "Hi", "of_tomorrow": null, "list": []}]);
    assert_eq!(lossy((Chat, Responses), &chat).1, Vec::<String>::new());
    let chat = json!([{"role": "user", "content": "Hi", "of_tomorrow": 0, "list": [null]}]);
    assert_eq!(lossy((Chat, Responses), &chat).1, ["messages[0].list", "messages[0].of_tomorrow"]);
}

#[test]
fn a_text_of_the_assistant_stays_a_message_after_a_text_and_is_named_after_a_call() {
    let call = json!({"type": "function", "id": "call_1", "function": {"name": "f", "arguments": "{}"}});
    for text in ["Two", ""] {
        let chat = json!([{"role": "assistant", "content": "One"}, {"role": "assistant", "content": text}]);
        assert_eq!(convert((Chat, Responses), &chat).unwrap().as_array().unwrap().len(), 2);
        let chat = json!([{"role": "assistant", "tool_calls": [call]}, {"role": "assistant", "content": text}]);
        assert_eq!(lossy((Chat, Responses), &chat).1, ["messages[1]"], "{text:?}");
    }
}

#[test]
fn a_message_of_which_nothing_has_a_place_is_left_out_and_a_result_is_empty() {
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let drawn = json!([{"role": "assistant", "content": [image]}]);
    assert_eq!(lossy((Chat, Responses), &drawn), (json!([]), vec!["messages[0].content[0]".to_owned()]));
    let audio = json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
    let heard = json!([{"role": "tool", "tool_call_id": "call_1", "content": [audio]}]);
    let output = json!([{"type": "function_call_output", "call_id": "call_1", "output": ""}]);
    assert_eq!(lossy((Chat, Responses), &heard), (output, vec!["messages[0].content[0]".to_owned()]));
}
