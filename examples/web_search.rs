//! Lets a model search the web, and prints the sources it cites.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::chat::ChatAnnotation;
use openrouter_kit::models::{ChatRequest, WebSearchPlugin};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let request = ChatRequest::new("What is the newest version of Rust?")
        .model("openai/gpt-4o-mini")
        .plugins([WebSearchPlugin::new().max_results(3)]);
    let result = client.chat().send(request).await?;
    println!("{}", result.text().unwrap_or_default());
    let message = result.message();
    for annotation in message.and_then(|message| message.annotations.as_deref()).unwrap_or_default() {
        if let ChatAnnotation::UrlCitation(citation) = annotation
            && let Some(source) = &citation.url_citation
        {
            println!("source: {} <{}>", source.title.as_deref().unwrap_or("untitled"), source.url);
        }
    }
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let source = json!({"url": "https://blog.rust-lang.org", "title": "Rust Blog"});
    let annotations = [json!({"type": "url_citation", "url_citation": source})];
    let message = json!({"role": "assistant", "content": "Rust 1.95.", "annotations": annotations});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    server.answer(Answer::json(200, json!({"choices": [choice]})));
}
