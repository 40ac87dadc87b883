//! Calls from WebAssembly with `fetch`, against the server in `server.mjs`.
#![cfg(target_family = "wasm")]

use std::time::Duration;

use openrouter_kit::OpenRouter;
use openrouter_kit::core::transport::ReqwestTransport;
use openrouter_kit::errors::{Error, TimeoutPhase};
use openrouter_kit::models::ChatRequest;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

fn client(path: &str) -> OpenRouter {
    let server = option_env!("OPENROUTER_WASM_SERVER").expect("scripts/wasm.sh sets the address");
    let transport = ReqwestTransport::new(reqwest::Client::new());
    let builder = OpenRouter::builder().api_key("sk-or-v1-secret").server_url(format!("{server}/{path}"));
    builder.transport(transport).build().unwrap()
}

fn request() -> ChatRequest {
    serde_json::from_value(json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})).unwrap()
}

#[wasm_bindgen_test]
async fn a_call_is_sent_again_after_a_refusal() {
    let answer = client("value").chat().send(request()).with_response().await.unwrap();
    assert_eq!(answer.value.text().as_deref(), Some("hello"));
    assert_eq!(answer.attempts, 2);
}

#[wasm_bindgen_test]
async fn a_stream_is_read() {
    let mut texts = client("stream").chat().stream(request()).await.unwrap().text_deltas();
    let mut all = String::new();
    while let Some(text) = texts.next().await {
        all.push_str(&text.unwrap());
    }
    assert_eq!(all, "hello");
}

#[wasm_bindgen_test]
async fn a_time_limit_holds() {
    let client = client("silence");
    let outcome = client.chat().send(request()).response_timeout(Duration::from_millis(50)).await;
    let Err(Error::Timeout(error)) = outcome else { panic!("no limit") };
    assert_eq!(error.phase(), TimeoutPhase::Response);
}
