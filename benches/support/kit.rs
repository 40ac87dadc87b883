//! The calls of this crate that are measured.

use std::hint::black_box;
use std::net::SocketAddr;

use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::EventStream;
use openrouter_kit::core::wire;
use openrouter_kit::funcs;
use openrouter_kit::hooks::Hook;
use openrouter_kit::models::{ChatRequest, ResponsesRequest, ResponsesStreamEvent};
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
