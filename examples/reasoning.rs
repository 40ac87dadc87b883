//! Streams a reasoning model, and shows its reasoning separately from the text.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::ChatRequest;
use openrouter_kit::models::chat::ChatRequestReasoning;
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let request = ChatRequest::new("What is 17 times 23?")
        .model("anthropic/claude-sonnet-4.5")
        .reasoning(ChatRequestReasoning::new().effort("low"));
    let mut events = client.chat().stream(request).await?.text_deltas();
    let mut is_thinking = false;
    while let Some(chunk) = events.next_event().await {
        let chunk = chunk?;
        if let Some(thought) = chunk.choices.first().and_then(|choice| choice.delta.reasoning.as_deref()) {
            print!("{}{thought}", if is_thinking { "" } else { "(" });
            is_thinking = true;
        }
        if let Some(text) = chunk.text() {
            print!("{}{text}", if is_thinking { ")\n" } else { "" });
            is_thinking = false;
        }
        std::io::stdout().flush().ok();
    }
    println!();
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let deltas = [
        json!({"reasoning": "17 times 20 is 340, "}),
        json!({"reasoning": "17 times 3 is 51."}),
        json!({"content": "It is "}),
        json!({"content": "391."}),
    ];
    let mut chunks: Vec<_> = deltas.map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})).into();
    chunks.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
    server.answer(Answer::stream(chunks));
}
