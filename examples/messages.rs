//! Speaks Anthropic's Messages protocol: a system prompt, a conversation, and the cost.
//!
//! Features: `messages`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::Answer;
use openrouter_kit::models::{MessagesMessageParam, MessagesRequest};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        for text in ["Air scatters blue light.", "The light's way through the air is longer."] {
            let content = [json!({"type": "text", "text": text})];
            let usage = json!({"input_tokens": 20, "output_tokens": 9, "cost": 0.0002});
            server.answer(Answer::json(
                200,
                json!({"id": "msg_1", "type": "message", "role": "assistant", "content": content, "usage": usage}),
            ));
        }
    })
    .await?;
    let mut messages = Vec::new();
    for question in ["Why is the sky blue?", "And red at sunset?"] {
        messages.push(MessagesMessageParam::user(question));
        let request = MessagesRequest::new("anthropic/claude-sonnet-4.5")
            .system("Answer in one sentence.")
            .messages(messages.clone())
            .max_tokens(200);
        let result = client.messages().create(request).await?;
        println!("{} (${:.4})", result.text(), result.cost().unwrap_or_default());
        messages.push(MessagesMessageParam::from(result));
    }
    Ok(())
}
