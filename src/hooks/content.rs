//! What is sent to a model and what it returns, in the form of messages of the OpenTelemetry
//! conventions: a role with parts.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::core::hidden;
use crate::core::sse::SseDecoder;

/// The messages of a larger response are not recorded.
pub(super) const LARGEST_RESPONSE: usize = 16 * 1024 * 1024;

/// Returns the messages of a request, and the instructions that are not among them.
pub(super) fn of_request(body: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(request) = serde_json::from_slice::<Value>(body) else { return (None, None) };
    let either = |names: [&str; 2]| names.iter().find_map(|name| request.get(name)).filter(|value| !value.is_null());
    let messages = either(["messages", "input"]).map(|input| match input {
        Value::Array(items) => items.iter().map(message).collect(),
        text => vec![json!({"role": "user", "parts": parts(text)})],
    });
    (messages.and_then(written), either(["instructions", "system"]).map(parts).and_then(written))
}

/// Returns the messages of a response, whole or streamed.
pub(super) fn of_response(body: &[u8]) -> Option<String> {
    let response = serde_json::from_slice(body).unwrap_or_else(|_| streamed(body));
    let list = |name| response.get(name).and_then(Value::as_array);
    let messages = if let Some(choices) = list("choices") {
        choices.iter().filter_map(|choice| choice.get("message")).map(message).collect()
    } else if let Some(items) = list("output") {
        items.iter().map(message).collect()
    } else {
        vec![json!({"role": "assistant", "parts": parts(response.get("content")?)})]
    };
    written(messages)
}

/// Fields cannot be lists. Keys are redacted wherever they are.
fn written(list: Vec<Value>) -> Option<String> {
    (!list.is_empty()).then(|| hidden::text(&Value::from(list).to_string()).into_owned())
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Converts a message, or an item of the Responses protocol that takes the role of one.
fn message(item: &Value) -> Value {
    let Some(role) = text(item, "role") else {
        let is_result = text(item, "type").is_some_and(|kind| kind.ends_with("_output"));
        return json!({"role": if is_result { "tool" } else { "assistant" }, "parts": [part(item)]});
    };
    let content = item.get("content").unwrap_or(&Value::Null);
    if role == "tool" {
        return json!({"role": role, "parts": [tool_result(item.get("tool_call_id"), content)]});
    }
    let reasoning = text(item, "reasoning").map(|text| json!({"type": "reasoning", "content": text}));
    let calls = item.get("tool_calls").and_then(Value::as_array).into_iter().flatten().map(|call| {
        let function = call.get("function").unwrap_or(call);
        tool_call(call.get("id"), function.get("name"), function.get("arguments"))
    });
    json!({"role": role, "parts": reasoning.into_iter().chain(parts(content)).chain(calls).collect::<Vec<_>>()})
}

fn parts(content: &Value) -> Vec<Value> {
    match content {
        Value::Null => Vec::new(),
        Value::Array(parts) => parts.iter().map(part).collect(),
        Value::String(text) if text.is_empty() => Vec::new(),
        text => vec![json!({"type": "text", "content": text})],
    }
}

/// Converts a part of a message. One that the conventions do not know stays unchanged.
fn part(part: &Value) -> Value {
    let of = |name| part.get(name);
    match text(part, "type").unwrap_or_default() {
        "text" | "input_text" | "output_text" => json!({"type": "text", "content": of("text")}),
        "refusal" => json!({"type": "text", "content": of("refusal")}),
        "thinking" => json!({"type": "reasoning", "content": of("thinking")}),
        "reasoning" => {
            let texts = ["summary", "content"].iter().filter_map(|name| part.get(name)?.as_array()).flatten();
            let texts: Vec<&str> = texts.filter_map(|part| text(part, "text")).collect();
            json!({"type": "reasoning", "content": texts.join("\n")})
        }
        "function_call" => tool_call(of("call_id"), of("name"), of("arguments")),
        "function_call_output" => tool_result(of("call_id"), of("output").unwrap_or(&Value::Null)),
        "tool_use" => tool_call(of("id"), of("name"), of("input")),
        "tool_result" => tool_result(of("tool_use_id"), of("content").unwrap_or(&Value::Null)),
        _ => part.clone(),
    }
}

fn tool_call(id: Option<&Value>, name: Option<&Value>, arguments: Option<&Value>) -> Value {
    // Most protocols send JSON as text.
    let read = arguments.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({"type": "tool_call", "id": id, "name": name, "arguments": read.as_ref().or(arguments)})
}

fn tool_result(id: Option<&Value>, result: &Value) -> Value {
    json!({"type": "tool_call_response", "id": id, "response": result})
}

/// Returns the response that the events of a stream make together, as far as its messages are
/// concerned.
fn streamed(body: &[u8]) -> Value {
    let (mut messages, mut blocks) = (BTreeMap::<u64, Map<String, Value>>::new(), BTreeMap::<u64, Value>::new());
    let mut items = Vec::new();
    let mut decoder = SseDecoder::new(LARGEST_RESPONSE);
    decoder.push(Bytes::copy_from_slice(body));
    while let Some(Ok(event)) = decoder.next() {
        let Ok(mut event) = serde_json::from_str::<Value>(event.data) else { continue };
        for choice in event.get("choices").and_then(Value::as_array).into_iter().flatten() {
            if let Some(Value::Object(delta)) = choice.get("delta") {
                append(messages.entry(index(choice)).or_default(), delta);
            }
        }
        let item = event.get_mut("item").map(Value::take).unwrap_or_default();
        match text(&event, "type").unwrap_or_default() {
            "response.output_item.done" => items.push(item),
            "content_block_start" => {
                let block = event.get("content_block").cloned().unwrap_or_default();
                blocks.insert(index(&event), block);
            }
            "content_block_delta" => {
                let (block, delta) = (blocks.entry(index(&event)).or_default(), event.get("delta"));
                for (from, to) in [("text", "text"), ("thinking", "thinking"), ("partial_json", "input")] {
                    if let (Some(more), Some(block)) =
                        (delta.and_then(|delta| text(delta, from)), block.as_object_mut())
                    {
                        append(block, &Map::from_iter([(to.to_owned(), more.into())]));
                    }
                }
            }
            _ => {}
        }
    }
    if !messages.is_empty() {
        let choices = messages.into_values().map(|mut message| {
            message.entry("role").or_insert("assistant".into());
            json!({"message": message})
        });
        json!({"choices": choices.collect::<Vec<_>>()})
    } else if !items.is_empty() {
        json!({"output": items})
    } else if !blocks.is_empty() {
        json!({"content": blocks.into_values().collect::<Vec<_>>()})
    } else {
        Value::Null
    }
}

fn index(value: &Value) -> u64 {
    value.get("index").and_then(Value::as_u64).unwrap_or_default()
}

/// Adds a delta to what was received before: texts that grow are joined, lists by the index of
/// their elements, and the rest is replaced.
fn append(whole: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (name, more) in delta {
        let grows =
            matches!(&**name, "content" | "reasoning" | "refusal" | "arguments" | "text" | "thinking" | "input");
        match (whole.get_mut(name), more) {
            (Some(Value::String(text)), Value::String(more)) if grows => text.push_str(more),
            (Some(Value::Object(object)), Value::Object(more)) => append(object, more),
            (Some(Value::Array(list)), Value::Array(more)) => {
                for element in more {
                    match list.iter_mut().find(|known| index(known) == index(element)) {
                        Some(Value::Object(known)) => {
                            element.as_object().into_iter().for_each(|more| append(known, more))
                        }
                        _ => list.push(element.clone()),
                    }
                }
            }
            (_, Value::Null) => {}
            _ => {
                whole.insert(name.clone(), more.clone());
            }
        }
    }
}
