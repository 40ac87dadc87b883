//! Lets every example run without an API key.

#![allow(dead_code, unreachable_pub, reason = "an example uses some of these functions")]

use openrouter_kit::core::ClientBuilder;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::serde_json::json;
use openrouter_kit::{Error, OpenRouter};

/// Returns a client of OpenRouter if `OPENROUTER_API_KEY` is set. Otherwise starts a local server, lets `play` queue the
/// responses of the model, and returns a client of that server.
pub async fn client(play: impl FnOnce(&MockServer)) -> Result<OpenRouter, Error> {
    builder(play).await.build()
}

/// The same as a builder, for further options.
pub async fn builder(play: impl FnOnce(&MockServer)) -> ClientBuilder<OpenRouter> {
    if std::env::var("OPENROUTER_API_KEY").is_ok_and(|key| !key.is_empty()) {
        return OpenRouter::builder().env();
    }
    // Dropping the server would stop it; it is needed until the program ends.
    let server = Box::leak(Box::new(MockServer::start().await));
    play(server);
    server.client_builder()
}

/// The response of a chat model that says this.
pub fn says(text: &str) -> Answer {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10, "cost": 0.0000024});
    Answer::json(200, json!({"model": "openai/gpt-4o-mini", "choices": [choice], "usage": usage}))
}
