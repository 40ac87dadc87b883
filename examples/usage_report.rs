//! Prints the spending by model and the remaining credits. Needs a management key.
//!
//! Features: `analytics`, `credits`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::collections::BTreeMap;

use openrouter_kit::helpers::Usd;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let mut by_model = BTreeMap::<String, (i64, Usd)>::new();
    for item in client.analytics().get_user_activity().await?.data {
        let (requests, cost) = by_model.entry(item.model).or_default();
        *requests += item.requests;
        *cost += Usd::from_f64(item.usage).unwrap_or_default();
    }
    println!("{:<30} {:>8} {:>10}", "model", "requests", "cost");
    for (model, (requests, cost)) in &by_model {
        println!("{model:<30} {requests:>8} {:>10}", format!("${cost}"));
    }
    let credits = client.credits().get_credits().await?.data;
    println!("${:.2} of ${:.2} are left", credits.total_credits - credits.total_usage, credits.total_credits);
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let day =
        |date: &str, model: &str, usage: f64| json!({"date": date, "model": model, "requests": 40, "usage": usage});
    let days = [
        day("2026-10-01", "openai/gpt-4o-mini", 0.1),
        day("2026-10-02", "openai/gpt-4o-mini", 0.2),
        day("2026-10-02", "anthropic/claude-sonnet-4.5", 1.25),
    ];
    server.on("GET", "/activity", Answer::json(200, json!({"data": days})));
    server.on("GET", "/credits", Answer::json(200, json!({"data": {"total_credits": 50.0, "total_usage": 12.5}})));
}
