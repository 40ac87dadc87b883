//! Saves a model with its settings as a preset, and uses it by name: programs need no release to change their prompt.
//!
//! Features: `chat`, `presets`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{ChatMessage, ChatRequest};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;

    // Saving to an existing name creates its next version.
    let settings =
        ChatRequest::new([ChatMessage::system("You translate into French. Reply with the translation alone.")])
            .model("openai/gpt-4o-mini")
            .temperature(0.2);
    let preset = client.presets().create_presets_chat_completions("translator", settings).await?.data;
    println!("saved {} ({})", preset.slug, preset.status);

    let request = ChatRequest::new("Good morning!").model(format!("@preset/{}", preset.slug));
    let result = client.chat().send(request).await?;
    println!("{}", result.text().unwrap_or_default());
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let preset = json!({"id": "preset-1", "slug": "translator", "name": "translator", "status": "active",
        "created_at": "2026-11-26T08:00:00Z", "updated_at": "2026-11-26T08:00:00Z", "creator_user_id": null,
        "description": null, "designated_version_id": "version-1", "status_updated_at": null, "workspace_id": null,
        "designated_version": null});
    server.on("POST", "/presets/translator/chat/completions", Answer::json(200, json!({"data": preset})));
    server.on("POST", "/chat/completions", support::says("Bonjour !"));
}
