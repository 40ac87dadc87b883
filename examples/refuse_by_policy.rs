//! A hook that refuses requests before they are sent: only some models are allowed.
//!
//! Features: `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error as _;

use openrouter_kit::Error;
use openrouter_kit::errors::HookError;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture, RequestInput};
use openrouter_kit::models::ResponsesRequest;
use openrouter_kit::serde_json::{self, Value};

mod support;

#[derive(Debug)]
struct OnlyTheseModels(Vec<&'static str>);

impl OnlyTheseModels {
    fn check(&self, input: &RequestInput) -> Result<(), HookError> {
        // A request without a body, such as the one for the list of models, does not call a model.
        let Some(body) = input.body.as_bytes().filter(|body| !body.is_empty()) else { return Ok(()) };
        let body: Value = serde_json::from_slice(body).map_err(HookError::new)?;
        match body.get("model").and_then(Value::as_str) {
            Some(model) if self.0.contains(&model) => Ok(()),
            Some(model) => Err(HookError::new(format!("the model {model} is not allowed here"))),
            None => Err(HookError::new("a request must name its model here")),
        }
    }
}

impl Hook for OnlyTheseModels {
    fn before_create_request<'a>(&'a self, _: &'a HookContext, input: &'a mut RequestInput) -> HookFuture<'a, ()> {
        let verdict = self.check(input);
        Box::pin(async { verdict })
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = support::builder(|_| {}).await.hook(OnlyTheseModels(vec!["openai/gpt-4o-mini"])).build()?;

    for model in ["openai/gpt-4o-mini", "openai/o3-pro"] {
        match client.responses().send(ResponsesRequest::new().model(model).input("Hello")).await {
            Ok(_) => println!("{model}: responded"),
            Err(Error::Hook(refusal)) => println!("{model}: {}", refusal.source().unwrap_or(&refusal)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
