//! Answers from documents: finds the nearest by embeddings, reranks them, and asks a model with the best ones.
//!
//! Features: `chat`, `embeddings`, `rerank`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{ChatMessage, ChatRequest, CreateEmbeddingsRequest, CreateRerankRequest};
use openrouter_kit::serde_json::json;

mod support;

const DOCUMENTS: [&str; 4] = [
    "Air scatters blue light more than red light.",
    "Bread is made of flour, water and yeast.",
    "At sunset, light takes a longer way through the air.",
    "Lisbon is the capital of Portugal.",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let question = "Why is the sky blue?";

    // A program embeds its documents once and stores the vectors.
    let texts: Vec<_> = DOCUMENTS.into_iter().chain([question]).collect();
    let request = CreateEmbeddingsRequest::new(texts, "openai/text-embedding-3-small");
    let mut vectors = client.embeddings().generate(request).await?.vectors()?;
    let wanted = vectors.pop().ok_or("no vector for the question")?;
    let mut nearest: Vec<_> =
        DOCUMENTS.iter().zip(&vectors).map(|(text, vector)| (similarity(vector, &wanted), *text)).collect();
    nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    nearest.truncate(3);

    let candidates: Vec<_> = nearest.iter().map(|(_, text)| *text).collect();
    let request = CreateRerankRequest::new(candidates.clone(), "cohere/rerank-v3.5", question).top_n(2);
    let ranked = client.rerank().rerank(request).await?;
    let best: Vec<_> = ranked
        .results
        .iter()
        .filter_map(|result| candidates.get(usize::try_from(result.index).ok()?))
        .copied()
        .collect();
    for text in &best {
        println!("found: {text}");
    }

    let system = ChatMessage::system(format!("Answer from these notes only:\n{}", best.join("\n")));
    let request = ChatRequest::new([system, ChatMessage::user(question)]).model("openai/gpt-4o-mini");
    println!("{}", client.chat().send(request).await?.text().unwrap_or_default());
    Ok(())
}

/// The cosine of the angle between two vectors.
fn similarity(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// What the local server responds.
fn play(server: &MockServer) {
    let vectors = [[0.9, 0.1], [0.0, 1.0], [0.8, 0.3], [0.1, 0.9], [1.0, 0.1]];
    let data: Vec<_> =
        vectors.iter().enumerate().map(|(index, vector)| json!({"index": index, "embedding": vector})).collect();
    server.on("POST", "/embeddings", Answer::json(200, json!({"data": data, "model": "text-embedding-3-small"})));
    let results = json!([{"index": 0, "relevance_score": 0.97}, {"index": 1, "relevance_score": 0.61}]);
    server.on("POST", "/rerank", Answer::json(200, json!({"model": "rerank-v3.5", "results": results})));
    server.answer(support::says("Because air scatters blue light more than red light."));
}
