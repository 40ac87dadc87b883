//! Asks a question about an image file: `vision [FILE]`.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::models::{ChatContentPart, ChatMessage, ChatRequest};

mod support;

const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/sky.png");

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        server.answer(support::says("A clear blue sky, brighter toward the horizon."));
    })
    .await?;
    let picture = std::env::args().nth(1).unwrap_or_else(|| PICTURE.to_owned());
    let question = [ChatContentPart::text("What is in this picture?"), ChatContentPart::image_path(picture)?];
    let request = ChatRequest::new(ChatMessage::user(question)).model("openai/gpt-4o-mini");
    let result = client.chat().send(request).await?;
    println!("{}", result.text().unwrap_or_default());
    Ok(())
}
