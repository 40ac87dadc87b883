//! Sends all requests through a reqwest client that the program already has.
//!
//! Features: `reqwest`, `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::core::transport::ReqwestTransport;
use openrouter_kit::models::ResponsesRequest;

mod support;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let client = support::builder(|_| {}).await.transport(ReqwestTransport::new(http)).build()?;
    let response = client.responses().send(ResponsesRequest::new().model("openai/gpt-4o-mini").input("Hi")).await?;
    println!("{}", response.output_text());
    Ok(())
}
