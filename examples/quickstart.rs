//! Sends one question twice, streamed and whole, and prints text, token usage and cost as they come.
//!
//! `cargo run --example quickstart` talks to OpenRouter if `OPENROUTER_API_KEY` is set, and to the local server that comes
//! with the crate if it is not.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::OpenRouter;
use openrouter_kit::mock::MockServer;
use openrouter_kit::models::{ResponsesRequest, ResponsesUsage};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if std::env::var("OPENROUTER_API_KEY").is_ok_and(|key| !key.is_empty()) {
        println!("OPENROUTER_API_KEY is set: talking to OpenRouter.");
        return ask(&OpenRouter::from_env()?).await;
    }
    println!("OPENROUTER_API_KEY is not set: talking to the local server that comes with the crate.");
    let server = MockServer::start().await;
    ask(&server.client()).await
}

async fn ask(client: &OpenRouter) -> Result<(), Failure> {
    let request = ResponsesRequest::new()
        .model("openai/gpt-4o-mini")
        .input("Why is the sky blue? Answer in two sentences.")
        .max_output_tokens(200);

    println!("\nStreamed:");
    let mut texts = client.responses().stream(request.clone()).await?.text_deltas();
    while let Some(text) = texts.next().await {
        print!("{}", text?);
        std::io::stdout().flush()?;
    }
    print_usage(texts.finish().await?.usage.as_ref());

    println!("\nWhole:");
    let response = client.responses().send(request).await?;
    print!("{}", response.output_text());
    print_usage(response.usage.as_ref());
    Ok(())
}

fn print_usage(usage: Option<&ResponsesUsage>) {
    let Some(usage) = usage else { return println!("\n(no usage told)") };
    print!("\n{} tokens in, {} out", usage.input_tokens, usage.output_tokens);
    match usage.cost {
        Some(cost) => println!(", {cost:.7} US dollars"),
        None => println!(", no cost told"),
    }
}
