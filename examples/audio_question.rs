//! Asks a question about an audio file: `audio_question [FILE]`.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::models::{ChatContentPart, ChatMessage, ChatRequest};

mod support;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/tone.wav");

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        server.answer(support::says("A steady tone at about 440 Hz, the note A."));
    })
    .await?;
    let recording = std::env::args().nth(1).unwrap_or_else(|| RECORDING.to_owned());
    let question = [ChatContentPart::text("What do you hear?"), ChatContentPart::audio_path(recording)?];
    let request = ChatRequest::new(ChatMessage::user(question)).model("openai/gpt-4o-audio-preview");
    let result = client.chat().send(request).await?;
    println!("{}", result.text().unwrap_or_default());
    Ok(())
}
