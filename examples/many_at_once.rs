//! Asks many questions concurrently, a few at a time, and reads the responses in order.
//!
//! Features: `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use futures_util::{StreamExt, TryStreamExt, stream};
use openrouter_kit::models::ResponsesRequest;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|_| {}).await?;
    let calls = (1..=20).map(|number| {
        let question = format!("What is {number} times {number}?");
        client.responses().send(ResponsesRequest::new().model("openai/gpt-4o-mini").input(question))
    });
    // A call is a future that owns its client, so it can go into a stream, a task or a `join_all`.
    let responses: Vec<_> = stream::iter(calls).buffered(8).try_collect().await?;
    let cost: f64 = responses.iter().filter_map(|response| response.cost()).sum();
    println!("{} responses for ${cost:.6}", responses.len());
    Ok(())
}
