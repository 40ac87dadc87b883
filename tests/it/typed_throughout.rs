//! Values that programs send and receive have a field for each member: nothing of them is in `extra`.

use openrouter_kit::core::wire::{self, Json, Wire};
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
