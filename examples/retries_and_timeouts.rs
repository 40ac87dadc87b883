//! Sets retries and time limits, for a client and for one call.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::time::Duration;

use openrouter_kit::mock::Answer;
use openrouter_kit::models::ChatRequest;
use openrouter_kit::serde_json::json;
use openrouter_kit::{Error, RetryConfig};

mod support;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let builder = support::builder(|server| {
        server.answer(Answer::error(503, "No provider is available").header("retry-after", "0"));
        server.answer(support::says("Hello!"));
        server.answer(Answer::json(200, json!({})).delayed(Duration::from_secs(60)));
    })
    .await;
    let client = builder
        .retry_config(RetryConfig::backoff().max_attempts(5).max_elapsed_time(Duration::from_secs(60)))
        .response_timeout(Duration::from_secs(30)) // until the response begins
        .idle_timeout(Duration::from_secs(60)) // between two chunks of it
        .build()?;
    let request = ChatRequest::new("Say hello.").model("openai/gpt-4o-mini");
    println!("{}", client.chat().send(&request).await?.text().unwrap_or_default());

    // For the whole call, including retries.
    let call = client.chat().send(&request).timeout(Duration::from_millis(50)).retry_config(RetryConfig::none());
    match call.await {
        Err(Error::Timeout(_)) => println!("the second call took longer than 50 ms"),
        other => println!("{}", other?.text().unwrap_or_default()),
    }
    Ok(())
}
