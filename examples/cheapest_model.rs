//! Finds the cheapest suitable model, and the price of a call before it is made.
//!
//! Features: `models`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::helpers::{Consumption, ModelNeeds};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let models = client.models().list().await?.data;
    let needs = ModelNeeds::new().parameter("tools").input("image").context_length(100_000);
    // The expected number of tokens of the prompt and of the response.
    for (price, model) in needs.cheapest(&models, Consumption::new(10_000, 1_000)).iter().take(5) {
        println!("${price} with {}", model.id);
    }
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let model = |id: &str, prompt: &str, completion: &str| {
        json!({
            "id": id,
            "context_length": 128_000,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "supported_parameters": ["tools"],
            "pricing": {"prompt": prompt, "completion": completion},
        })
    };
    let models = [model("example/large", "0.000003", "0.000015"), model("example/small", "0.0000001", "0.0000004")];
    server.answer(Answer::json(200, json!({"data": models, "total_count": 2})));
}
