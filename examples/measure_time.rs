//! A hook that measures how long each attempt took until its answer began, failed ones included.
//!
//! `cargo run --example measure_time` talks to the local server, which fails once, so that there is a retry to see.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::Error;
use openrouter_kit::core::body::Body;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::ResponsesRequest;
use serde_json::json;

#[derive(Debug)]
struct Timing;

impl Timing {
    fn note(context: &HookContext, outcome: &str) {
        println!("{} attempt {}: {outcome} after {:?}", context.operation_id(), context.attempt(), context.elapsed());
    }
}

impl Hook for Timing {
    fn after_success<'a>(
        &'a self,
        context: &'a HookContext,
        response: http::Response<Body>,
    ) -> HookFuture<'a, http::Response<Body>> {
        Self::note(context, response.status().as_str());
        Box::pin(async { Ok(response) })
    }

    fn after_error<'a>(
        &'a self,
        context: &'a HookContext,
        failure: Result<http::Response<Body>, Error>,
    ) -> HookFuture<'a, http::Response<Body>, Error> {
        match &failure {
            Ok(response) => Self::note(context, response.status().as_str()),
            Err(error) => Self::note(context, &error.to_string()),
        }
        Box::pin(async { failure })
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let server = MockServer::start().await;
    server.answer(Answer::error(503, "No provider is free at the moment"));
    server.answer(Answer::json(200, json!({"id": "gen-1", "status": "completed", "output": []})));
    let client = server.client_builder().hook(Timing).build()?;
    client.responses().send(ResponsesRequest::new().input("Hello")).await?;
    Ok(())
}
