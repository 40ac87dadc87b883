//! Agents: models that call tools.

mod failures;
mod limits;
mod pauses;
mod runs;
mod scripts;
mod streams;
mod subagents;
mod tools;

use openrouter_kit::agent::{Agent, Tool, ToolOutput};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::Json;
use serde_json::{Value, json};

/// A response with this output, which cost one cent.
pub(crate) fn response(output: &[Value]) -> Value {
    json!({"id": "gen-1", "object": "response", "created_at": 1, "status": "completed", "model": "a/b", "output": output,
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110, "cost": 0.01,
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}})
}

pub(crate) fn text_item(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

pub(crate) fn call_item(call_id: &str, name: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": format!("fc_{call_id}"), "call_id": call_id, "name": name,
        "arguments": arguments, "status": "completed"})
}

/// The model writes this text.
pub(crate) fn says(text: &str) -> Answer {
    Answer::json(200, response(&[text_item(text)]))
}

/// The model makes these calls: id, tool, arguments.
pub(crate) fn calls(calls: &[(&str, &str, &str)]) -> Answer {
    let items: Vec<Value> = calls.iter().map(|(id, name, arguments)| call_item(id, name, arguments)).collect();
    Answer::json(200, response(&items))
}

/// A server that gives these answers, and an agent that talks to it.
pub(crate) async fn scripted(answers: impl IntoIterator<Item = Answer>) -> (MockServer, Agent) {
    let server = MockServer::start().await;
    for answer in answers {
        server.answer(answer);
    }
    let agent = server.client().agent("a/b");
    (server, agent)
}

pub(crate) fn no_parameters() -> Value {
    json!({"type": "object", "properties": {}})
}

/// A tool that returns its arguments.
pub(crate) fn echo(name: &str) -> Tool {
    Tool::with_schema(name, "Returns what it gets", no_parameters(), async |arguments: Json| {
        ToolOutput::json(arguments)
    })
}

/// The inputs of the requests that arrived, as their items' kinds.
pub(crate) fn kinds(server: &MockServer) -> Vec<Vec<String>> {
    let requests = server.requests();
    let inputs = requests.iter().map(|request| request.json().to_value()["input"].clone());
    let role = |item: &Value| item["role"].as_str().filter(|role| *role != "assistant").map(str::to_owned);
    let kind = |item: &Value| role(item).or(item["type"].as_str().map(str::to_owned)).unwrap_or_default();
    inputs.map(|input| input.as_array().into_iter().flatten().map(kind).collect()).collect()
}

/// The outputs of calls in the last request, in order.
pub(crate) fn outputs(server: &MockServer) -> Vec<(String, Value)> {
    let requests = server.requests();
    let request = requests.last().expect("a request").json().to_value();
    let items = request["input"].as_array().expect("items").iter();
    items
        .filter(|item| item["type"] == "function_call_output")
        .map(|item| (item["call_id"].as_str().unwrap().to_owned(), item["output"].clone()))
        .collect()
}

/// No request has a call without an output, or two outputs of one call.
#[track_caller]
pub(crate) fn assert_no_call_dangles(server: &MockServer) {
    for request in server.requests() {
        let request = request.json().to_value();
        let mut open: Vec<&str> = Vec::new();
        for item in request["input"].as_array().into_iter().flatten() {
            let id = item["call_id"].as_str().unwrap_or_default();
            match item["type"].as_str() {
                Some("function_call") => {
                    assert!(!open.contains(&id), "two calls have the id {id}");
                    open.push(id);
                }
                Some("function_call_output") => {
                    let at = open.iter().position(|open| *open == id);
                    open.remove(at.unwrap_or_else(|| panic!("the output of {id} has no call")));
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "calls without an output were sent: {open:?}");
    }
}
