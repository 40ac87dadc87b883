//! The smallest useful build: one function, one namespace, no facade.
//!
//! Features: `responses`.
//!
//! `cargo run --example minimal --no-default-features --features responses,tls`
//!
//! The binary contains only the functions that the program calls.
#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::funcs::responses_send;
use openrouter_kit::models::ResponsesRequest;

mod support;

// A client needs only one thread.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), openrouter_kit::Error> {
    // In your own program, use `OpenRouterCore::from_env()?`.
    let core = support::client(|_| {}).await?.core().clone();
    let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Say hello in five languages.");
    println!("{}", responses_send(&core, request).await?.output_text());
    Ok(())
}
