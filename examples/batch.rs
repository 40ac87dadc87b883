//! Sends many requests as a batch, waits until it is done, and reads the results by id.
//!
//! Features: `batch`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::time::Duration;

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::batch::CreateBatchRequest;
use openrouter_kit::models::{ChatRequest, ChatResult};
use openrouter_kit::serde_json::{Value, json};

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let mut poll_interval = Duration::from_secs(60);
    let client = support::client(|server| {
        poll_interval = Duration::from_millis(10);
        play(server);
    })
    .await?;
    let reviews = [("first", "I would buy it again."), ("second", "It broke after a day.")];
    let requests = reviews.map(|(id, review)| {
        (id, ChatRequest::new(format!("Is this review positive? Yes or no.\n\n{review}")).model("openai/gpt-4o-mini"))
    });
    // Store the id: with it, the program can continue to wait after a restart.
    let id = client.batch().create_batches(CreateBatchRequest::chat(requests)?).await?.id;
    let batch = client.batch().get_batches(&id).until_done().poll_interval(poll_interval).await?;
    for (id, result) in batch.results_by_id::<ChatResult>() {
        match result {
            Ok(result) => println!("{id}: {}", result.text().unwrap_or_default()),
            Err(error) => println!("{id}: {error}"),
        }
    }
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let state = |status: &str, results: Value| {
        json!({
            "id": "batch-1",
            "endpoint": "/v1/chat/completions",
            "model": "openai/gpt-4o-mini",
            "status": status,
            "results": results,
        })
    };
    server.on("POST", "/batches", Answer::json(200, state("validating", Value::Null)));
    server.on("GET", "/batches/batch-1", Answer::json(200, state("in_progress", Value::Null)));
    let result = |id: &str, text: &str| {
        let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
        let body = json!({"id": "gen-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]});
        json!({"id": format!("result-{id}"), "custom_id": id, "response": {"status_code": 200, "body": body}})
    };
    let results = json!([result("first", "Yes"), result("second", "No")]);
    server.on("GET", "/batches/batch-1", Answer::json(200, state("completed", results)));
}
