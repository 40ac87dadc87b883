//! An agent that delegates to an agent with a cheaper model, whose cost counts toward the limits of the whole run.
//!
//! Features: `agent`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::agent::{Event, Limits, Tool};
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::json;

mod support;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Book {
    title: String,
}

async fn look_up(book: Book) -> String {
    format!("{}: first published in 1851, 135 chapters.", book.title)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let researcher = client
        .agent("openai/gpt-4o-mini")
        .instructions("Look things up. Reply with the facts alone.")
        .tool(Tool::new("look_up", "Looks up a book in the catalog", look_up))
        .limits(Limits::new().model_calls(5));
    let author = client
        .agent("anthropic/claude-sonnet-4.5")
        .instructions("Write one sentence. Leave research to your researcher.")
        .tool(Tool::from_agent("research", "Researches facts about books", researcher))
        .limits(Limits::new().cost("0.10".parse()?));

    let mut events = author.run("Introduce Moby-Dick.").stream();
    while let Some(event) = events.next().await {
        match event? {
            Event::ToolStarted(call) => println!("{}({})", call.name(), call.arguments()),
            Event::Subagent { event, .. } => {
                if let Event::ToolStarted(call) = *event {
                    println!("  {}({})", call.name(), call.arguments());
                }
            }
            _ => {}
        }
    }
    let outcome = events.finish().await?;
    println!("{}", outcome.text()?);
    for (number, step) in outcome.run().steps().iter().enumerate() {
        println!("step {number}: {} model calls, {} dollars", step.usage.model_calls, step.usage.cost);
    }
    println!("in total: {} dollars", outcome.usage().cost);
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    server.answer(support::calls(&[(
        "call_1",
        "research",
        json!({"input": "When did Moby-Dick appear? How long is it?"}),
    )]));
    server.answer(support::calls(&[("call_2", "look_up", json!({"title": "Moby-Dick"}))]));
    server.answer(support::writes("1851; 135 chapters."));
    server.answer(support::writes("In 135 chapters of 1851, Moby-Dick hunts a whale and finds everything else."));
}
