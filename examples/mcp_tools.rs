//! The tools of an MCP server as tools of an agent: a small server that keeps notes and runs as a separate process.
//! Deleting a note needs approval.
//!
//! Features: `mcp`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::agent::{McpServer, Outcome};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::serde_json::{self, Value, json};
use tokio::process::Command;

mod support;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // This program is also the server.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return Ok(serve()?);
    }
    let client = support::client(play).await?;

    // Any program that speaks MCP: Command::new("npx").args(["-y", "@modelcontextprotocol/server-filesystem", "."])
    let server = McpServer::stdio(Command::new(std::env::current_exe()?).arg("serve")).await?;
    // One elsewhere: McpServer::http("https://example.com/mcp").bearer_token(token).await?
    println!("{}", server.instructions().unwrap_or_default());

    let agent = client.agent("openai/gpt-4o-mini").mcp(server.tools().prefix("notes"));
    let mut outcome = agent.run("Add the note \"Buy milk\", and delete note 1.").await?;
    while let Outcome::Paused(mut paused) = outcome {
        for call in paused.pending_mut() {
            println!("approved: {}", call.name());
            call.approve()?;
        }
        outcome = agent.resume(paused).await?;
    }
    println!("{}", outcome.text()?);
    server.close().await;
    Ok(())
}

/// A server that implements only what the example needs of the protocol. Write yours with the crate `rmcp`.
fn serve() -> std::io::Result<()> {
    let mut notes = vec!["Water the plants"];
    for line in std::io::stdin().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        // Notifications have no id and get no response.
        let Some(id) = message.get("id") else { continue };
        let result = match message.get("method").and_then(Value::as_str) {
            Some("initialize") => json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "notes", "version": "1.0.0"},
                "instructions": "Notes are numbered from 1.",
            }),
            Some("tools/list") => json!({"tools": [
                {"name": "add", "description": "Adds a note", "inputSchema":
                    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
                {"name": "delete", "description": "Deletes a note", "annotations": {"destructiveHint": true}, "inputSchema":
                    {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}},
            ]}),
            Some("tools/call") => {
                match message.pointer("/params/name").and_then(Value::as_str) {
                    Some("add") => notes.push("Buy milk"),
                    _ => drop(notes.remove(0)),
                }
                json!({"content": [{"type": "text", "text": format!("{} notes", notes.len())}]})
            }
            _ => json!({}),
        };
        println!("{}", json!({"jsonrpc": "2.0", "id": id, "result": result}));
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let answer =
        |id: &str, output: Value| Answer::json(200, json!({"id": id, "status": "completed", "output": output}));
    let call = |id: &str, tool: &str, arguments: Value| {
        json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": tool,
            "arguments": arguments.to_string()})
    };
    let add = call("call_1", "notes_add", json!({"text": "Buy milk"}));
    let delete = call("call_2", "notes_delete", json!({"number": 1}));
    let text = json!({"type": "output_text", "text": "I added \"Buy milk\" and deleted note 1.", "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [text]});
    server.answer(answer("gen-1", json!([add, delete])));
    server.answer(answer("gen-2", json!([message])));
}
