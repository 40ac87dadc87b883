//! An agent whose result is a Rust type: text that does not match it is returned to the model, which corrects it.
//!
//! Features: `agent`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::agent::Tool;
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::json;

mod support;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Route {
    from: String,
    to: String,
}

async fn fares(route: Route) -> String {
    format!("{} to {}: 49 euros at 8:10, 29 euros at 13:40", route.from, route.to)
}

#[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
struct Trip {
    to: String,
    euros: u32,
    departure: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let fares = Tool::new("get_fares", "Trains between two cities, with their fares", fares);
    let agent = client.agent("openai/gpt-4o-mini").tool(fares).output::<Trip>();

    let outcome = agent.run("What is the cheapest train from Rome to Milan?").await?;
    let trip: Trip = outcome.parse()?;
    println!("{} model calls", outcome.usage().model_calls);
    println!("to {} at {} for {} euros", trip.to, trip.departure, trip.euros);
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    server.answer(support::calls(&[("call_1", "get_fares", json!({"from": "Rome", "to": "Milan"}))]));
    server.answer(support::writes(r#"{"to": "Milan", "euros": "twenty-nine", "departure": "13:40"}"#));
    server.answer(support::writes(r#"{"to": "Milan", "euros": 29, "departure": "13:40"}"#));
}
