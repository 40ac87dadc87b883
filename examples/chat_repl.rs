//! A chat on the command line: keeps the history, streams each reply, and adds up the cost.
//!
//! Features: `chat`.
//!
//! Type `/forget` to start over; end with Ctrl-D.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::helpers::Usd;
use openrouter_kit::models::{ChatMessage, ChatRequest};

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|_| {}).await?;
    let system = ChatMessage::system("You are a helpful assistant. Keep it short.");
    let mut request = ChatRequest::new([system]).model("openai/gpt-4o-mini");
    let mut cost = Usd::ZERO;
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.trim() {
            "" => continue,
            "/forget" => request.messages.truncate(1),
            question => {
                request.messages.push(ChatMessage::user(question));
                let mut texts = client.chat().stream(&request).await?.text_deltas();
                while let Some(text) = texts.next().await {
                    print!("{}", text?);
                    std::io::stdout().flush().ok();
                }
                let result = texts.finish().await?;
                cost += result.cost().and_then(Usd::from_f64).unwrap_or_default();
                request.messages.extend(result.to_message());
                println!("\n({} messages, ${cost})", request.messages.len());
            }
        }
    }
    Ok(())
}
