//! Summarizes a PDF file, and chooses how its text is extracted: `pdf [FILE]`.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::models::plugins::PdfParserOptions;
use openrouter_kit::models::{ChatContentPart, ChatMessage, ChatRequest, FileParserPlugin};

mod support;

const PAPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/paper.pdf");

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(|server| {
        server.answer(support::says("The sky is blue because air scatters blue light."));
    })
    .await?;
    let file = std::env::args().nth(1).unwrap_or_else(|| PAPER.to_owned());
    let question = [ChatContentPart::text("Summarize this in one sentence."), ChatContentPart::file_path(file)?];
    // Without this plugin OpenRouter chooses the parser; `mistral-ocr` also reads scanned pages.
    let parser = FileParserPlugin::new().pdf(PdfParserOptions::new().engine("mistral-ocr"));
    let request = ChatRequest::new(ChatMessage::user(question)).model("openai/gpt-4o-mini").plugins([parser]);
    let result = client.chat().send(request).await?;
    println!("{}", result.text().unwrap_or_default());
    Ok(())
}
