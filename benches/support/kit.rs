//! The calls of this crate that are measured.

use std::hint::black_box;
use std::net::SocketAddr;

use openrouter_kit::OpenRouterCore;
use openrouter_kit::agent::{Agent, Tool};
use openrouter_kit::core::EventStream;
use openrouter_kit::core::wire;
use openrouter_kit::funcs;
use openrouter_kit::hooks::Hook;
use openrouter_kit::models::{ChatRequest, InputItem, ResponsesRequest, ResponsesStreamEvent, ResponsesTool};
use tokio::runtime::Runtime;

/// Everything runs on one thread.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client whose calls get the answer of this name.
pub fn client(address: SocketAddr, answer: &str) -> OpenRouterCore {
    OpenRouterCore::builder().api_key("key").server_url(format!("http://{address}/{answer}")).build().unwrap()
}

/// The same with a hook.
pub fn client_with(address: SocketAddr, answer: &str, hook: impl Hook) -> OpenRouterCore {
    let url = format!("http://{address}/{answer}");
    OpenRouterCore::builder().api_key("key").server_url(url).hook(hook).build().unwrap()
}

pub fn responses_request() -> ResponsesRequest {
    wire::decode(r#"{"model":"m","input":"Hi"}"#).unwrap()
}

pub fn chat_request() -> ChatRequest {
    wire::decode(r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#).unwrap()
}

/// Reads a Responses stream to its end and counts the events.
pub async fn responses_events(core: &OpenRouterCore) -> usize {
    count(funcs::responses_stream(core, responses_request()).await.unwrap()).await
}

/// Counts the events up to the end.
pub async fn count(mut stream: EventStream<ResponsesStreamEvent>) -> usize {
    let mut count = 0;
    while let Some(event) = stream.next().await {
        black_box(event.unwrap());
        count += 1;
    }
    count
}

/// Reads a chat stream to its end and counts the chunks.
pub async fn chat_events(core: &OpenRouterCore) -> usize {
    let mut stream = funcs::chat_stream(core, chat_request()).await.unwrap();
    let mut count = 0;
    while let Some(chunk) = stream.next().await {
        black_box(chunk.unwrap());
        count += 1;
    }
    count
}

fn parameters() -> serde_json::Value {
    serde_json::json!({"type": "object", "properties": {}})
}

/// An agent with a tool that does nothing.
pub fn agent(core: &OpenRouterCore) -> Agent {
    let nothing = Tool::with_schema("nothing", "Does nothing", parameters(), async || {});
    Agent::new(core, "m").tool(nothing).max_concurrent(10)
}

/// Two model calls, and ten tool calls between them.
pub async fn run_agent(agent: &Agent) {
    assert_eq!(agent.run("Hi").await.unwrap().text(), Ok("Done."));
}

/// What the agent sends, but for the input.
pub fn request_with_tool() -> ResponsesRequest {
    let nothing = ResponsesTool::function("nothing", parameters()).description("Does nothing");
    ResponsesRequest::new().model("m").tools([nothing])
}

/// The same without an agent.
pub async fn run_by_hand(core: &OpenRouterCore, request: &ResponsesRequest) {
    let mut items = vec![InputItem::user("Hi")];
    loop {
        let request = request.clone().input(items.clone());
        let response = funcs::responses_stream(core, request).await.unwrap().collect().await.unwrap();
        items.extend(response.to_input());
        let outputs = response.function_calls().map(|call| {
            call.parse_arguments::<serde_json::Value>().unwrap();
            InputItem::function_call_output(&call.call_id, "ok")
        });
        let outputs: Vec<InputItem> = outputs.collect();
        if outputs.is_empty() {
            assert_eq!(response.output_text(), "Done.");
            break;
        }
        items.extend(outputs);
    }
}
