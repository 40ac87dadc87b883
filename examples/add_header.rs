//! A hook that adds a header to every request: a number by which the logs of several programs can be correlated.
//!
//! Features: `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::sync::atomic::{AtomicU64, Ordering};

use openrouter_kit::core::body::Body;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
use openrouter_kit::models::ResponsesRequest;

mod support;

#[derive(Debug, Default)]
struct RequestNumber(AtomicU64);

impl Hook for RequestNumber {
    fn before_request<'a>(&'a self, _: &'a HookContext, request: &'a mut http::Request<Body>) -> HookFuture<'a, ()> {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        println!("sending x-request-number: {number}");
        request.headers_mut().insert("x-request-number", number.into());
        Box::pin(async { Ok(()) })
    }
}

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::builder(|_| {}).await.hook(RequestNumber::default()).build()?;
    for _ in 0..2 {
        client.responses().send(ResponsesRequest::new().model("openai/gpt-4o-mini").input("Hello")).await?;
    }
    Ok(())
}
