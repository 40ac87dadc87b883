//! Looks up a past call: its provider, its tokens, and its final cost.
//!
//! Features: `chat`, `generations`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::Answer;
use openrouter_kit::models::ChatRequest;
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        server.answer(support::says("Hello!").header("x-generation-id", "gen-1"));
        let data =
            json!({"id": "gen-1", "provider_name": "OpenAI", "total_cost": 0.0000024, "native_tokens_prompt": 8});
        server.on("GET", "/generation", Answer::json(200, json!({"data": data})));
    })
    .await?;
    let request = ChatRequest::new("Say hello.").model("openai/gpt-4o-mini").user("customer-17");
    let response = client.chat().send(request).with_response().await?;
    let Some(id) = response.generation_id.as_deref() else { return Ok(()) };
    // The record is written shortly after the response, so the real server may respond with 404 at first.
    let generation = client.generations().get_generation(id).await?.data;
    println!(
        "{}: {} tokens, ${:.7}",
        generation.provider_name.unwrap_or_default(),
        generation.native_tokens_prompt.unwrap_or_default(),
        generation.total_cost
    );
    Ok(())
}
