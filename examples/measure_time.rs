//! A hook that measures how long each attempt takes until its response begins, including failed attempts.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::Error;
use openrouter_kit::core::body::Body;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::ChatRequest;

mod support;

#[derive(Debug)]
struct Timing;

impl Timing {
    fn note(context: &HookContext, outcome: &str) {
        println!(
            "after {:?}: attempt {} of {}: {outcome}",
            context.elapsed(),
            context.attempt(),
            context.operation_id()
        );
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
    // The local server fails once, so that there is a retry to see.
    let play = |server: &MockServer| {
        server.answer(Answer::error(503, "No provider is available"));
        server.answer(support::says("Hello!"));
    };
    let client = support::builder(play).await.hook(Timing).build()?;
    client.chat().send(ChatRequest::new("Say hello.").model("openai/gpt-4o-mini")).await?;
    Ok(())
}
