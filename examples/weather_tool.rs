//! The smallest agent: a tool from an async function, and one line that runs it.
//!
//! Features: `agent`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::agent::Tool;
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::json;

mod support;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Place {
    /// The name of the city.
    city: String,
}

async fn weather(place: Place) -> String {
    format!("It is sunny in {}, at 24 °C.", place.city)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let weather = Tool::new("get_weather", "The weather in a city", weather);
    println!("{}", client.agent("openai/gpt-4o-mini").tool(weather).run("Do I need a coat in Rome?").await?.text()?);
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    server.answer(support::calls(&[("call_1", "get_weather", json!({"city": "Rome"}))]));
    server.answer(support::writes("No coat is needed in Rome: it is sunny, at 24 °C."));
}
