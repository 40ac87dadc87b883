//! Lists models that cost nothing, and asks one that the router `openrouter/free` chooses.
//!
//! Features: `chat`, `models`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{ChatRequest, ModelsListParams};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let mut models = client.models().list().params(ModelsListParams::new().max_price(0)).items();
    while let Some(model) = models.next().await {
        let model = model?;
        println!("{}, {} tokens", model.id, model.context_length.unwrap_or_default());
    }
    let result = client.chat().send(ChatRequest::new("Say hello.").model("openrouter/free")).await?;
    println!("{} says: {}", result.model, result.text().unwrap_or_default());
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let model = |id: &str| json!({"id": id, "name": id, "context_length": 131072, "pricing": {"prompt": "0", "completion": "0"}});
    let models = [model("example/small:free"), model("example/large:free")];
    server.on("GET", "/models", Answer::json(200, json!({"data": models, "total_count": 2})));
    server.answer(support::says("Hello!"));
}
