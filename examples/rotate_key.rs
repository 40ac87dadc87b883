//! Replaces the API key of a running program without interruption. Needs a management key.
//!
//! Features: `api-keys`, `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::sync::{Arc, RwLock};

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{CreateKeyRequest, ResponsesRequest, UpdateKeyRequest};
use openrouter_kit::serde_json::json;
use openrouter_kit::{Error, OpenRouter};

mod support;

/// Creates a key with a monthly limit. Returns its hash, which identifies it, and the key.
async fn create(management: &OpenRouter, name: &str) -> Result<(String, String), Error> {
    let request = CreateKeyRequest::new(name).limit(20.0).limit_reset("monthly");
    let created = management.api_keys().create(request).await?;
    println!("created {}", created.data.name);
    Ok((created.data.hash, created.key.into_exposed()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let management = support::builder(play).await.build()?;
    let (old_hash, key) = create(&management, "My program, September").await?;

    // The client asks this source for the key before each attempt.
    let current = Arc::new(RwLock::new(key));
    let source = Arc::clone(&current);
    let read = move || {
        let key = source.read().map(|key| key.clone()).map_err(|_| "the key is locked");
        async { key }
    };
    let program = support::builder(|server| {
        server.answer(support::says(""));
    })
    .await
    .api_key_source(read)
    .build()?;

    let (new_hash, key) = create(&management, "My program, October").await?;
    *current.write().map_err(|_| "the key is locked")? = key;
    program.responses().send(ResponsesRequest::new().input("Hello")).await?;

    // Disable the old key first: this can be undone if another program still uses it.
    management.api_keys().update(&old_hash, UpdateKeyRequest::new().disabled(true)).await?;
    management.api_keys().delete(&old_hash).await?;
    println!("replaced {old_hash} by {new_hash}");
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    for (hash, name) in [("hash-1", "My program, September"), ("hash-2", "My program, October")] {
        let created = json!({"data": {"hash": hash, "name": name}, "key": format!("sk-or-v1-{hash}")});
        server.on("POST", "/keys", Answer::json(201, created));
    }
    server.on("PATCH", "/keys/hash-1", Answer::json(200, json!({"data": {"hash": "hash-1", "disabled": true}})));
    server.on("DELETE", "/keys/hash-1", Answer::json(200, json!({"deleted": true})));
}
