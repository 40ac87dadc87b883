//! Marks a long text as cacheable, and shows how many tokens of the second question came from the cache.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::chat::ChatContentText;
use openrouter_kit::models::shared::CacheControl;
use openrouter_kit::models::{ChatMessage, ChatRequest};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    // Providers cache prompts of about a thousand tokens or more. The text must come first and stay the same.
    let book = "The sky is blue because air scatters blue light. ".repeat(200);
    let system = ChatMessage::system([ChatContentText::new(book).cache_control(CacheControl::new())]);
    for question in ["Why is the sky blue?", "And at sunset?"] {
        let messages = [system.clone(), ChatMessage::user(question)];
        // Requests with the same session id go to the same provider, which has the cache.
        let request = ChatRequest::new(messages).model("anthropic/claude-sonnet-4.5").session_id("book-1");
        let result = client.chat().send(request).await?;
        let Some(usage) = result.usage else { continue };
        let details = usage.prompt_tokens_details.as_ref();
        let read = details.and_then(|details| details.cached_tokens).unwrap_or(0);
        let written = details.and_then(|details| details.cache_write_tokens).unwrap_or(0);
        println!("{} tokens: {written} written to the cache, {read} read from it", usage.prompt_tokens);
    }
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let answer = |written: u32, read: u32| {
        let details = json!({"cached_tokens": read, "cache_write_tokens": written});
        let usage = json!({"prompt_tokens": 2014, "completion_tokens": 20, "total_tokens": 2034, "prompt_tokens_details": details});
        let message = json!({"role": "assistant", "content": "Because of the air."});
        Answer::json(
            200,
            json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}),
        )
    };
    server.answer(answer(2000, 0)).answer(answer(0, 2000));
}
