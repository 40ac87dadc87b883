//! Sends a question twice: first streams the text as it is written, then waits for the whole response.
//!
//! Features: `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::models::{ResponsesRequest, ResponsesUsage};

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|_| {}).await?;
    let request = ResponsesRequest::new()
        .model("openai/gpt-4o-mini")
        .input("Why is the sky blue? Answer in two sentences.")
        .max_output_tokens(200);

    println!("Streamed:");
    let mut texts = client.responses().stream(&request).await?.text_deltas();
    while let Some(text) = texts.next().await {
        print!("{}", text?);
        std::io::stdout().flush().ok();
    }
    print_usage(texts.finish().await?.usage.as_ref());

    println!("\nWhole:");
    let response = client.responses().send(request).await?;
    print!("{}", response.output_text());
    print_usage(response.usage.as_ref());
    Ok(())
}

fn print_usage(usage: Option<&ResponsesUsage>) {
    let Some(usage) = usage else { return println!() };
    let cost = usage.cost.unwrap_or_default();
    println!("\n{} tokens in, {} out, {cost:.7} US dollars", usage.input_tokens, usage.output_tokens);
}
