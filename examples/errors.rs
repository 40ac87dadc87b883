//! Handles errors by what can be done about them: blocked by moderation, out of credits, busy, unreachable.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::errors::ApiErrorKind;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::ChatRequest;
use openrouter_kit::serde_json::json;
use openrouter_kit::{Error, RetryConfig};

mod support;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = support::builder(play).await.retry_config(RetryConfig::none()).build()?;
    for question in ["one", "two", "three", "four"] {
        match client.chat().send(ChatRequest::new(question).model("openai/gpt-4o-mini")).await {
            Ok(result) => println!("{}", result.text().unwrap_or_default()),
            Err(error) => println!("{}", advice(&error)),
        }
    }
    Ok(())
}

fn advice(error: &Error) -> String {
    match error {
        Error::Api(api) => match api.kind() {
            ApiErrorKind::Forbidden if api.metadata().is_some_and(|data| data.get("reasons").is_some()) => {
                format!("moderation refused the input: {}", api.metadata().map(ToString::to_string).unwrap_or_default())
            }
            ApiErrorKind::Unauthorized => "the key is not valid: make one at openrouter.ai/settings/keys".to_owned(),
            ApiErrorKind::PaymentRequired => "out of credits: openrouter.ai/settings/credits".to_owned(),
            ApiErrorKind::TooManyRequests => match api.retry_after() {
                Some(wait) => format!("too many requests: try again in {} s", wait.as_secs()),
                None => "too many requests: try again later".to_owned(),
            },
            _ if error.is_retryable() => format!("try again later: {error}"),
            _ => error.to_string(),
        },
        // The message says what happened and what to do.
        error => error.to_string(),
    }
}

/// What the local server responds.
fn play(server: &MockServer) {
    let metadata = json!({"reasons": ["violence"], "flagged_input": "one", "provider_name": "OpenAI"});
    let error = json!({"code": 403, "message": "The input was flagged by moderation", "metadata": metadata});
    server.answer(Answer::json(403, json!({"error": error})));
    server.answer(Answer::error(402, "Insufficient credits"));
    server.answer(Answer::error(429, "Rate limit exceeded").header("retry-after", "7"));
    server.answer(Answer::error(503, "No provider is available"));
}
