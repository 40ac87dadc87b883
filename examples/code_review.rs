//! Reviews a diff from standard input and prints its findings: `git diff | code_review`.
//!
//! Features: `chat`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::{IsTerminal, Read};

use openrouter_kit::mock::MockServer;
use openrouter_kit::models::{ChatMessage, ChatRequest};
use openrouter_kit::serde_json::json;

mod support;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Review {
    findings: Vec<Finding>,
}

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Finding {
    file: String,
    line: u32,
    severity: Severity,
    /// What is wrong and how to fix it, in one sentence
    text: String,
}

#[derive(Debug, PartialEq, schemars::JsonSchema, serde::Deserialize)]
enum Severity {
    Error,
    Warning,
    Note,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let mut diff = String::new();
    if !std::io::stdin().is_terminal() {
        std::io::stdin().read_to_string(&mut diff)?;
    }
    let messages =
        [ChatMessage::system("You review changes of Rust code. Report real defects only."), ChatMessage::user(diff)];
    let request = ChatRequest::new(messages).model("anthropic/claude-sonnet-4.5").json_schema_of::<Review>();
    let review: Review = client.chat().send(request).await?.parse()?;
    for Finding { file, line, severity, text } in &review.findings {
        println!("{file}:{line}: {severity:?}: {text}");
    }
    let errors = review.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    println!("{} findings, errors among them: {errors}", review.findings.len());
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let finding = |line: u32, severity: &str, text: &str| json!({"file": "src/lib.rs", "line": line, "severity": severity, "text": text});
    let findings = [
        finding(12, "Error", "The index may be out of bounds; use `get`."),
        finding(40, "Note", "The variable `x` is not used."),
    ];
    server.answer(support::says(&json!({"findings": findings}).to_string()));
}
