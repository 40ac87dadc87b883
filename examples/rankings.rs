//! Prints the most used models, from OpenRouter's public statistics.
//!
//! Features: `datasets`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::Answer;
use openrouter_kit::models::datasets::DatasetsGetRankingsDailyParams;
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        let row =
            |model: &str, tokens: &str| json!({"date": "2026-10-01", "model_permaslug": model, "total_tokens": tokens});
        let rows = [row("example/large", "300000000"), row("example/small", "1700000000")];
        server.answer(Answer::json(200, json!({"data": rows, "meta": {"as_of": "2026-10-02"}})));
    })
    .await?;
    let days = DatasetsGetRankingsDailyParams::new().start_date("2026-10-01").end_date("2026-10-01");
    let mut rankings = client.datasets().get_rankings_daily().params(days).await?.data;
    // The numbers are text, since they may not fit 64 bits.
    rankings.sort_by_key(|row| std::cmp::Reverse(row.total_tokens.parse::<u128>().unwrap_or_default()));
    for (place, row) in rankings.iter().take(10).enumerate() {
        println!("{}. {}: {} tokens", place + 1, row.model_permaslug, row.total_tokens);
    }
    Ok(())
}
