//! A long run with a ceiling of cost: saved at each step, resumed after a crash without doing anything twice, and ended
//! with a final text before the ceiling is passed.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use openrouter_kit::OpenRouter;
use openrouter_kit::agent::{Agent, Checkpoint, Limits, Outcome, Run, Tool, ToolCall};
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::{self, json};

mod support;

type Failure = Box<dyn std::error::Error>;

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Topic {
    topic: String,
}

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct Page {
    title: String,
}

async fn search(topic: Topic) -> String {
    println!("  searched: {}", topic.topic);
    format!("Three sources about {}.", topic.topic)
}

/// The whole run is in this file at any time. Renaming replaces it in one step.
fn save_to(file: PathBuf) -> impl Checkpoint {
    move |run: &Run| {
        let (file, json) = (file.clone(), serde_json::to_vec(run));
        async move {
            let new = file.with_extension("new");
            tokio::fs::write(&new, json?).await?;
            tokio::fs::rename(new, file).await
        }
    }
}

fn agent(client: &OpenRouter, folder: &Path, crashes: bool) -> Result<Agent, Failure> {
    // A search may be repeated. A page must not be published twice, so it is asked about after a crash.
    let search = Tool::new("search", "Searches for sources", search).repeatable();
    let folder = folder.to_owned();
    let state = folder.join("run.json");
    let publish = Tool::new("publish", "Publishes a page", move |page: Page| {
        let file = folder.join(&page.title);
        async move {
            tokio::fs::write(file, "published").await?;
            if crashes {
                println!("  published \"{}\", and the power fails", page.title);
                std::process::abort();
            }
            Ok::<_, io::Error>("published")
        }
    });
    let limits = Limits::new().model_calls(100).cost("0.005".parse()?);
    Ok(client.agent("openai/gpt-4o-mini").tools([search, publish]).limits(limits).checkpoint(save_to(state)))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if let Some(folder) = std::env::args().nth(1) {
        let client = support::client(play_start).await?;
        agent(&client, Path::new(&folder), true)?.run("Research tea, and publish what you find.").await?.text()?;
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("long-run-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("first process:");
    Command::new(std::env::current_exe()?).arg(&folder).status()?;

    println!("second process:");
    let client = support::client(play_rest).await?;
    let run: Run = serde_json::from_slice(&std::fs::read(folder.join("run.json"))?)?;
    let agent = agent(&client, &folder, false)?;
    let mut outcome = agent.resume(run).await?;
    // What had begun is asked about, not repeated.
    while let Outcome::Paused(mut paused) = outcome {
        for call in paused.pending().cloned().collect::<Vec<ToolCall>>() {
            let page: Page = call.parse_arguments()?;
            println!("  had begun: {}({})", call.name(), call.arguments());
            match folder.join(page.title).exists() {
                true => paused.answer(call.id(), "published")?,
                false => paused.approve(call.id())?,
            }
        }
        outcome = agent.resume(paused).await?;
    }
    println!("{}", outcome.text()?);
    if let Outcome::Done(done) = &outcome {
        let (usage, limit) = (outcome.usage(), done.limit());
        let limit = limit.map_or("no limit".to_owned(), |limit| limit.to_string());
        println!("{} model calls, {} dollars, ended by {limit}", usage.model_calls, usage.cost);
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What the local server of the first process responds.
fn play_start(server: &MockServer) {
    server.answer(support::calls(&[("call_1", "search", json!({"topic": "green tea"}))]));
    server.answer(support::calls(&[("call_2", "publish", json!({"title": "green-tea"}))]));
}

/// What that of the second one responds: it would search for ever.
fn play_rest(server: &MockServer) {
    server.answer(support::calls(&[("call_3", "search", json!({"topic": "black tea"}))]));
    server.answer(support::calls(&[("call_4", "search", json!({"topic": "white tea"}))]));
    server.answer(support::writes("The page about green tea is published; black and white tea have three sources each."));
}
