//! Approval that survives a restart: a run pauses and is written to a file, and a second process decides and continues
//! it.
//!
//! Features: `agent`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::process::Command;

use openrouter_kit::OpenRouter;
use openrouter_kit::agent::{Agent, Outcome, Run, Tool};
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::{self, json};

mod support;

type Failure = Box<dyn std::error::Error>;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Refund {
    order: u32,
    euros: u32,
}

async fn refund(refund: Refund) -> String {
    println!("  the refund of order {} is paid: {} euros", refund.order, refund.euros);
    "paid".to_owned()
}

/// Both processes have the same agent. A run does not contain the tools, only their names.
fn agent(client: &OpenRouter) -> Agent {
    let refund = Tool::new("refund", "Refunds an order", refund).needs_approval_if(|refund: &Refund| refund.euros > 50);
    client.agent("openai/gpt-4o-mini").tool(refund)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    match std::env::args().nth(1) {
        None => start().await,
        Some(file) => decide(&file).await,
    }
}

/// The first process.
async fn start() -> Result<(), Failure> {
    let client = support::client(play_start).await?;
    println!("first process:");
    let outcome = agent(&client).run("Refund orders 7, 8 and 9: 5, 80 and 900 euros.").await?;
    let Outcome::Paused(paused) = outcome else {
        println!("{}", outcome.text()?);
        return Ok(());
    };
    for call in paused.pending() {
        println!("  waits for approval: {}({})", call.name(), call.arguments());
    }
    let file = std::env::temp_dir().join(format!("{}.json", paused.run().id()));
    std::fs::write(&file, serde_json::to_vec(paused.run())?)?;
    // Tomorrow, on another machine; here, the same program started again.
    let status = Command::new(std::env::current_exe()?).arg(&file).status()?;
    std::fs::remove_file(&file)?;
    if status.success() { Ok(()) } else { Err("the second process failed".into()) }
}

/// The second process.
async fn decide(file: &str) -> Result<(), Failure> {
    let client = support::client(play_rest).await?;
    println!("second process:");
    let mut run: Run = serde_json::from_slice(&std::fs::read(file)?)?;
    for call in run.pending_mut() {
        let refund: Refund = call.parse_arguments()?;
        match refund.euros {
            0..=100 => call.approve()?,
            _ => call.reject("More than 100 euros need a written request."),
        }
    }
    println!("{}", agent(&client).resume(run).await?.text()?);
    Ok(())
}

/// What the local server of the first process responds.
fn play_start(server: &MockServer) {
    server.answer(support::calls(&[
        ("call_1", "refund", json!({"order": 7, "euros": 5})),
        ("call_2", "refund", json!({"order": 8, "euros": 80})),
        ("call_3", "refund", json!({"order": 9, "euros": 900})),
    ]));
}

/// What the local server of the second process responds.
fn play_rest(server: &MockServer) {
    server.answer(support::writes("Orders 7 and 8 are refunded; the 900 euros of order 9 need a written request."));
}
