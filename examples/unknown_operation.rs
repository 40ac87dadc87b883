//! Calls an operation and sets a field that this version of the crate does not know.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::http::Method;
use openrouter_kit::mock::Answer;
use openrouter_kit::models::ChatRequest;
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        server.answer(support::says("Hello!"));
        server.answer(Answer::json(200, json!({"id": "eval-1", "status": "queued"})));
    })
    .await?;
    let request = ChatRequest::new("Say hello.").model("openai/gpt-4o-mini");
    let result = client.chat().send(request).extra_body("new_field", json!({"on": true})).await?;
    println!("{}", result.text().unwrap_or_default());

    let eval = client.request(Method::POST, "/evals").json(json!({"name": "Weather"})).await?;
    println!("{eval}");
    Ok(())
}
