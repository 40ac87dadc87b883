//! An agent for scripts: takes its task from the arguments, prints each event as a line of JSON, and ends with a result
//! that has a schema: `headless_agent TASK`.
//!
//! Features: `agent`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::agent::{Event, Limits, Tool, ToolError};
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::{Value, json};

mod support;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Pattern {
    /// The end of the names of the files, such as `.rs`
    suffix: String,
}

/// Counts files of this folder. Errors of the system are not for the model to see.
async fn count_files(pattern: Pattern) -> Result<String, ToolError> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    let names = std::fs::read_dir(folder)?.flatten().map(|entry| entry.file_name());
    let count = names.filter(|name| name.to_string_lossy().ends_with(&pattern.suffix)).count();
    Ok(format!("{count} files"))
}

#[derive(schemars::JsonSchema, serde::Deserialize, serde::Serialize)]
struct Report {
    answer: String,
    /// From 0 to 1
    confidence: f64,
}

/// A line of the log; `None` for events that are of no use there.
fn line(event: &Event) -> Option<Value> {
    Some(match event {
        Event::ToolStarted(call) => json!({"event": "tool", "name": call.name(), "arguments": call.arguments()}),
        Event::ToolFinished { call, error } => {
            json!({"event": "tool_done", "name": call.name(), "error": error.as_ref().map(ToString::to_string)})
        }
        Event::StepFinished { step, summary } => {
            json!({"event": "step", "number": step, "model": summary.model, "cost": summary.usage.cost.to_string()})
        }
        _ => return None,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let task = std::env::args().nth(1).unwrap_or_else(|| "How many images are there?".to_owned());
    let client = support::client(play).await?;
    let agent = client
        .agent("openai/gpt-4o-mini")
        .tool(Tool::new("count_files", "Counts files by the end of their names", count_files))
        .limits(Limits::new().model_calls(10).cost("0.05".parse()?))
        .output::<Report>();

    let mut events = agent.run(task).stream();
    while let Some(event) = events.next().await {
        if let Some(line) = line(&event?) {
            println!("{line}");
        }
    }
    // An error makes the program exit with 1; it says which limit was reached or what did not match the schema.
    let report: Report = events.finish().await?.parse()?;
    println!("{}", json!({"event": "result", "result": report}));
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    server.answer(support::calls(&[("call_1", "count_files", json!({"suffix": ".png"}))]));
    server.answer(support::writes(r#"{"answer": "There is one image.", "confidence": 0.9}"#));
}
