//! The smallest useful build: one function, one namespace, no facade.
//!
//! `cargo run --example minimal --no-default-features --features responses,tls`
//!
//! Only the functions that a program calls are in its binary.
#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::funcs::responses_send;
use openrouter_kit::models::ResponsesRequest;

mod support;

// One thread is enough for a client, and spares the threads of a larger runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), openrouter_kit::Error> {
    // A program of your own makes it with `OpenRouterCore::from_env()?`.
    let core = support::client(|_| {}).await?.core().clone();
    let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Say hello in five languages.");
    println!("{}", responses_send(&core, request).await?.output_text());
    Ok(())
}
