//! A program without `async`: waits for a response, then reads a stream as an iterator.
//!
//! Features: `blocking`, `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::blocking::{BlockingStream, Wait};
use openrouter_kit::models::ResponsesRequest;

mod support;

fn main() -> Result<(), openrouter_kit::Error> {
    let client = std::pin::pin!(support::client(|_| {})).wait()?;
    let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Say hello.");
    println!("{}", client.responses().send(&request).wait()?.output_text());
    for text in client.responses().stream(&request).wait()?.text_deltas().blocking_iter() {
        print!("{}", text?);
        std::io::stdout().flush().ok();
    }
    println!();
    Ok(())
}
