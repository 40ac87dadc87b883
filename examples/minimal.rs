//! The smallest useful build: one function, one namespace, no facade.
//!
//! `cargo run --example minimal --no-default-features --features responses,tls`
//!
//! What a program does not call is not in its binary, so that the functions cost only what they do. With
//! `OPENROUTER_API_KEY` set it talks to OpenRouter, else to the local server.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::funcs::responses_send;
use openrouter_kit::mock::MockServer;
use openrouter_kit::models::ResponsesRequest;
use openrouter_kit::{Error, OpenRouterCore};

// One thread is enough for a client, and spares the threads of a larger runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let server = MockServer::start().await;
    let core = match std::env::var("OPENROUTER_API_KEY") {
        Ok(key) if !key.is_empty() => OpenRouterCore::new(key)?,
        _ => server.client().core().clone(),
    };
    let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Say hello in five languages.");
    println!("{}", responses_send(&core, request).await?.output_text());
    Ok(())
}
