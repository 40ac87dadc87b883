//! A chat with tools on the command line: keeps the history, shows what each turn costs, and on Ctrl-C stops only the
//! current response.
//!
//! Features: `agent`, `schemars`.
//!
//! End with Ctrl-D, or with Ctrl-C at the prompt.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;
use std::time::Duration;

use openrouter_kit::agent::{AgentError, AgentRun, Event, Outcome, Run, Tool};
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::json;
use tokio::signal::ctrl_c;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

mod support;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Topic {
    topic: String,
}

async fn look_up(topic: Topic) -> String {
    match topic.topic.as_str() {
        "scattering" => "Air scatters short waves of light more than long ones.".to_owned(),
        other => format!("There is no entry about {other}."),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let agent = client
        .agent("openai/gpt-4o-mini")
        .instructions("Be brief. Look up what you are asked about.")
        .tool(Tool::new("look_up", "Looks up a topic in the encyclopedia", look_up));

    let mut lines = lines();
    let mut conversation: Option<Run> = None;
    loop {
        print!("> ");
        std::io::stdout().flush()?;
        let line = tokio::select! { line = lines.recv() => line, _ = ctrl_c() => None };
        let Some(line) = line else { break };
        let turn = match conversation.take() {
            Some(run) => agent.resume(run.with_input(line)?),
            None => agent.run(line),
        };
        let mut run = match show(turn).await {
            Ok(outcome) => {
                if let Outcome::Stopped(stopped) = &outcome {
                    print!(" [{}]", stopped.reason());
                }
                outcome.into_run()
            }
            Err(error) => {
                print!("[{error}]");
                error.into_run()
            }
        };
        let (turn, all) = (run.turn_usage(), run.usage());
        println!("\n(${}, of ${} in {} model calls)", turn.cost, all.cost, all.model_calls);
        // After an interruption or an error, calls may be open.
        run.end_turn("the user stopped it");
        conversation = Some(run);
    }
    let cost = conversation.map(|run| run.usage().cost).unwrap_or_default();
    println!("\nin total: ${cost}");
    Ok(())
}

/// Prints a turn while it runs. Ctrl-C stops it at once: the connection is closed and the tools are dropped.
async fn show(turn: AgentRun) -> Result<Outcome, AgentError> {
    let mut events = turn.stream();
    loop {
        let event = tokio::select! { event = events.next() => event, _ = ctrl_c() => None };
        match event.transpose()? {
            Some(Event::TextDelta(text)) => print!("{text}"),
            Some(Event::ToolStarted(call)) => println!("[{} {}]", call.name(), call.arguments()),
            Some(_) => {}
            None => return events.stop().await,
        }
        std::io::stdout().flush().ok();
    }
}

/// The lines of standard input, read in a separate thread, since reading them cannot be interrupted.
fn lines() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The time that a model takes to write a word.
const PACE: Duration = Duration::from_millis(20);

/// What the local server responds.
fn play(server: &MockServer) {
    server.answer(support::calls(&[("call_1", "look_up", json!({"topic": "scattering"}))]));
    server.answer(support::writes("Because air scatters blue light more than red light.").paced(PACE));
    server.answer(support::writes("The light's way through the air is longer, so that red is left.").paced(PACE));
}
