//! Values that programs send and receive have a typed field for each JSON field: none of them is in
//! `extra`.

use std::collections::BTreeSet;

use crate::replay::expected::Stream;
use crate::replay::recording::read_folder;
use crate::support::recorded_folders;
use openrouter_kit::core::wire::{self, Json, Wire};
use openrouter_kit::helpers::{ChatAccumulator, MessagesAccumulator, ResponsesAccumulator};
use openrouter_kit::models::responses::OutputItem;
use openrouter_kit::models::routing::ProviderPreferencesMaxPrice;
use openrouter_kit::models::shared::PriceLimit;
use openrouter_kit::models::*;
use serde_json::{Value, json};

/// Reads a value as a type that describes all of it and writes it unchanged.
fn typed<T: Wire>(json: &Value) -> T {
    let value: T = wire::decode(&json.to_string()).unwrap();
    assert_eq!(wire::untyped(&value), [], "{json}");
    let back = Json::parse(String::from_utf8(wire::encode(&value).unwrap()).unwrap()).unwrap();
    assert_eq!(Json::from(json.clone()).difference(&back), None);
    value
}

#[test]
fn each_item_of_an_output_has_its_type_in_the_next_input_too() {
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{}",
        "status": "completed", "namespace": "math"});
    let InputItem::FunctionCall(call) = InputItem::from(typed::<OutputItem>(&call)) else { panic!() };
    assert_eq!((call.call_id.as_str(), call.name.as_str()), ("call_1", "add"));
    for item in [
        json!({"type": "mcp_call", "id": "m", "name": "n", "arguments": "{}", "server_label": "s", "output": "o",
            "status": "completed"}),
        json!({"type": "mcp_list_tools", "id": "m", "server_label": "s", "tools": []}),
        json!({"type": "mcp_approval_request", "id": "m", "name": "n", "arguments": "{}", "server_label": "s"}),
        json!({"type": "tool_search_output", "id": "t", "tools": [], "status": "completed"}),
        json!({"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "s"}]}),
        json!({"type": "web_search_call", "id": "w", "status": "completed",
            "action": {"type": "search", "query": "q"}}),
    ] {
        let sent = InputItem::from(typed::<OutputItem>(&item));
        assert_eq!(wire::untyped(&sent), [], "{item}");
    }
}

#[test]
fn each_block_of_a_response_has_its_type_in_the_next_request_too() {
    let caller = json!({"type": "direct"});
    for block in [
        json!({"type": "tool_use", "id": "t", "name": "n", "input": {}, "caller": caller}),
        json!({"type": "server_tool_use", "id": "t", "name": "web_search", "input": {}, "caller": caller}),
        json!({"type": "web_search_tool_result", "tool_use_id": "t", "content": [], "caller": caller}),
        json!({"type": "web_fetch_tool_result", "tool_use_id": "t", "caller": caller,
            "content": {"type": "web_fetch_tool_result_error", "error_code": "unavailable"}}),
        json!({"type": "code_execution_tool_result", "tool_use_id": "t",
            "content": {"type": "code_execution_tool_result_error", "error_code": "unavailable"}}),
        json!({"type": "container_upload", "file_id": "f"}),
    ] {
        let received: MessagesContentBlock = typed(&block);
        assert_eq!(wire::untyped(&MessagesContentBlockParam::from(&received)), [], "{block}");
    }
}

#[test]
fn a_price_limit_is_a_number_or_text() {
    let request = json!({"model": "acme/parrot", "messages": [],
        "provider": {"max_price": {"prompt": 0.5, "completion": "1.5", "image": 2}}});
    let request: ChatRequest = typed(&request);
    let limits = request.provider.and_then(|provider| provider.max_price).unwrap();
    assert_eq!(limits.prompt, Some(PriceLimit::Number(0.5)));
    let built = ProviderPreferencesMaxPrice::new().prompt(0.5).completion("1.5").image(2);
    assert_eq!(built, limits);
}

#[test]
fn what_programs_send_beyond_the_document_is_typed() {
    let request = json!({"model": "acme/parrot", "messages": [{"role": "assistant", "content": null, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "n", "arguments": "{}"},
             "cache_control": {"type": "ephemeral"}}]}],
        "transforms": ["middle-out"], "verbosity": "low", "include_reasoning": true});
    typed::<ChatRequest>(&request);
    typed::<ResponsesRequest>(&json!({"input": "hi", "client_metadata": {"session_id": "s"}}));
}

/// The events of each recorded stream of a protocol, with the name of the recording.
fn streams(api: &str) -> Vec<(String, Vec<String>)> {
    let recordings = recorded_folders().into_iter().flat_map(|folder| read_folder(&folder).unwrap().0);
    let streams = recordings.filter(|recording| recording.is_stream() && recording.api == api);
    let events = |body: &str| Stream::read(body).events.into_iter().map(|event| event.data).collect();
    streams.map(|stream| (stream.id.clone(), events(stream.body_text()))).collect()
}

/// The events of a stream, and the names of their parts that no type describes.
fn read<T: Wire>(events: &[String]) -> (Vec<T>, BTreeSet<String>) {
    let events: Vec<T> = events.iter().filter_map(|event| wire::decode_event(event).ok()).collect();
    let untyped = events.iter().flat_map(untyped_names).collect();
    (events, untyped)
}

/// The last step of the path to each part that no type describes.
fn untyped_names<T: Wire>(value: &T) -> BTreeSet<String> {
    let last = |path: String| path.rsplit('.').next().unwrap_or_default().split('[').next().unwrap().to_owned();
    let mut names: BTreeSet<_> = wire::untyped(value).into_iter().map(|part| last(part.path)).collect();
    // A whole response has neither of them: accumulators keep there what a stream has besides.
    names.retain(|name| !["unrecognized_events", "error"].contains(&name.as_str()));
    names
}

fn value<T: Wire>(model: &T) -> Value {
    Json::parse(String::from_utf8(wire::encode(model).unwrap()).unwrap()).unwrap().to_value()
}

/// The names of the members of an object that say something.
fn names(json: &Value) -> BTreeSet<String> {
    let says = |value: &Value| !(value.is_null() || *value == json!("") || *value == json!([]) || *value == json!({}));
    json.as_object().into_iter().flatten().filter(|(_, value)| says(value)).map(|(name, _)| name.clone()).collect()
}

/// Fails if a member of the events is not in what they add up to.
fn assert_collected(id: &str, part: &str, events: &BTreeSet<String>, collected: &Value) {
    let lost: Vec<_> = events.iter().filter(|name| collected[name.as_str()].is_null()).collect();
    assert!(lost.is_empty(), "{id}: {part} lost {lost:?}");
}

fn all<'a>(parts: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    parts.into_iter().flat_map(names).collect()
}

#[test]
fn a_collected_chat_has_each_member_of_its_chunks_in_its_field() {
    for (id, events) in streams("chat") {
        let (chunks, untyped) = read::<ChatStreamChunk>(&events);
        let mut accumulator = ChatAccumulator::new();
        chunks.iter().for_each(|chunk| accumulator.push(chunk));
        let result = accumulator.finish();
        assert!(untyped_names(&result).is_subset(&untyped), "{id}: {:?}", wire::untyped(&result));
        let result = value(&result);
        let values: Vec<Value> = chunks.iter().map(value).collect();
        assert_collected(&id, "usage", &all(values.iter().map(|chunk| &chunk["usage"])), &result["usage"]);
        let choices: Vec<&Value> = values.iter().flat_map(|chunk| chunk["choices"].as_array()).flatten().collect();
        for choice in result["choices"].as_array().unwrap() {
            let own = choices.iter().filter(|own| own["index"] == choice["index"]);
            let deltas = all(own.clone().map(|own| &own["delta"]));
            assert_collected(&id, "message", &deltas, &choice["message"]);
            let mut members = all(own.copied());
            members.remove("delta");
            assert_collected(&id, "choice", &members, choice);
        }
    }
}

#[test]
fn a_collected_message_has_each_member_of_its_events_in_its_field() {
    for (id, events) in streams("messages") {
        let (events, untyped) = read::<MessagesStreamEvent>(&events);
        // Several messages become one, which ends as the last of them.
        if events.iter().filter(|event| matches!(event, MessagesStreamEvent::MessageStart(_))).count() > 1 {
            continue;
        }
        let mut accumulator = MessagesAccumulator::new();
        events.iter().for_each(|event| accumulator.push(event));
        let Some(result) = accumulator.finish() else { continue };
        assert!(untyped_names(&result).is_subset(&untyped), "{id}: {:?}", wire::untyped(&result));
        let result = value(&result);
        let values: Vec<Value> = events.iter().map(value).collect();
        let ends: Vec<&Value> = values.iter().filter(|event| event["type"] == "message_delta").collect();
        assert_collected(&id, "message", &all(ends.iter().map(|event| &event["delta"])), &result);
        assert_collected(&id, "usage", &all(ends.iter().map(|event| &event["usage"])), &result["usage"]);
        let mut members = all(ends);
        members.retain(|name| !["type", "delta"].contains(&name.as_str()));
        assert_collected(&id, "message", &members, &result);
        for event in values.iter().filter(|event| event["type"] == "content_block_start") {
            let Some(at) = event["index"].as_u64() else { continue };
            let block = &result["content"][usize::try_from(at).unwrap()];
            assert_collected(&id, "block", &names(&event["content_block"]), block);
        }
    }
}

#[test]
fn a_collected_response_is_typed_if_its_events_are() {
    for (id, events) in streams("responses") {
        let (events, untyped) = read::<ResponsesStreamEvent>(&events);
        let mut accumulator = ResponsesAccumulator::new();
        events.iter().for_each(|event| accumulator.push(event));
        let Some(result) = accumulator.finish() else { continue };
        assert!(untyped_names(&result).is_subset(&untyped), "{id}: {:?}", wire::untyped(&result));
    }
}
