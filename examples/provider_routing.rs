//! Chooses providers by price and data policy, with fallback models, and shows which model responded.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::models::routing::ProviderPreferencesMaxPrice;
use openrouter_kit::models::{ChatRequest, ProviderPreferences, ProviderSort};

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        server.answer(support::says("Hello!"));
    })
    .await?;
    let provider = ProviderPreferences::new()
        .sort(ProviderSort::Throughput)
        .ignore(["Example Cloud"])
        .data_collection("deny")
        .require_parameters(true)
        // US dollars per million tokens; if no provider is cheap enough, the call fails.
        .max_price(ProviderPreferencesMaxPrice::new().prompt(0.5).completion(2));
    let request = ChatRequest::new("Say hello.")
        .models(["openai/gpt-4o-mini", "google/gemini-2.5-flash-lite"])
        .provider(provider)
        .max_tokens(50);
    let result = client.chat().send(request).await?;
    println!("{} responded for ${:.7}", result.model, result.cost().unwrap_or_default());
    Ok(())
}
