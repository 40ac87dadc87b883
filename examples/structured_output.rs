//! Gets a Rust type from a model, and shows partial values while it is being written.
//!
//! Features: `responses`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::ResponsesRequest;
use openrouter_kit::serde_json::json;

mod support;

#[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
struct Recipe {
    title: String,
    minutes: u32,
    steps: Vec<String>,
}

/// The part of a recipe that has been written so far.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Draft {
    title: String,
    steps: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let request =
        ResponsesRequest::new().model("openai/gpt-4o-mini").input("How do I bake bread?").json_schema_of::<Recipe>();

    let mut drafts = client.responses().stream(request).await?.json_values::<Draft>();
    while let Some(draft) = drafts.next().await {
        let draft = draft?;
        println!("{:?}, {} steps so far", draft.title, draft.steps.len());
    }
    let recipe: Recipe = drafts.finish().await?.parse()?;
    println!("{}: {} minutes, {} steps", recipe.title, recipe.minutes, recipe.steps.len());
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let pieces = [r#"{"title": "Bre"#, r#"ad", "minutes": 18"#, r#"0, "steps": ["Mix the dough."#, r#"", "Bake."]}"#];
    let deltas = pieces.map(|delta| json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": delta}));
    let text = json!({"type": "output_text", "text": pieces.concat(), "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [text]});
    let response = json!({"id": "gen-1", "status": "completed", "output": [message]});
    let last = json!({"type": "response.completed", "response": response});
    server.answer(Answer::stream(deltas.into_iter().chain([last])));
}
