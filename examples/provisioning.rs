//! Sets up a customer: a workspace, a key with a monthly limit, and a guardrail for the key. Needs a management key.
//!
//! Features: `api-keys`, `guardrails`, `workspaces`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::guardrails::BulkKeysRequest;
use openrouter_kit::models::{CreateGuardrailRequest, CreateKeyRequest, CreateWorkspaceRequest};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let workspace = client.workspaces().create(CreateWorkspaceRequest::new("Customer 17", "customer-17")).await?.data;

    let key = CreateKeyRequest::new("Customer 17").workspace_id(&*workspace.id).limit(50.0).limit_reset("monthly");
    let key = client.api_keys().create(key).await?;

    let guardrail = CreateGuardrailRequest::new("Customer 17")
        .workspace_id(&*workspace.id)
        .allowed_models(["openai/gpt-4o-mini", "google/gemini-2.5-flash-lite"])
        .enforce_zdr(true)
        .limit_usd(2.0)
        .reset_interval("daily");
    let guardrail = client.guardrails().create(guardrail).await?.data;
    client.guardrails().bulk_assign_keys(&guardrail.id, BulkKeysRequest::new([&*key.data.hash])).await?;
    // `key.key` is returned only once: store it for the customer.
    println!("{} has key {} under guardrail {}", workspace.name, key.data.hash, guardrail.id);
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let workspace = json!({"data": {"id": "workspace-1", "name": "Customer 17", "slug": "customer-17"}});
    server.on("POST", "/workspaces", Answer::json(201, workspace));
    let key = json!({"data": {"hash": "hash-1", "name": "Customer 17"}, "key": "sk-or-v1-example"});
    server.on("POST", "/keys", Answer::json(201, key));
    let guardrail = json!({"data": {"id": "guardrail-1", "name": "Customer 17"}});
    server.on("POST", "/guardrails", Answer::json(201, guardrail));
    server.on("POST", "/guardrails/guardrail-1/assignments/keys", Answer::json(200, json!({"assigned_count": 1})));
}
