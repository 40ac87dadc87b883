//! A long run with a cost limit: saved at each step, resumed after a crash without doing anything twice, and ended with
//! a final text before the limit is exceeded.
//!
//! Features: `agent`, `schemars`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use openrouter_kit::OpenRouter;
use openrouter_kit::agent::store::FileStore;
use openrouter_kit::agent::{Agent, Limits, Outcome, Tool};
use openrouter_kit::mock::MockServer;
use openrouter_kit::serde_json::json;

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

/// Both processes have the same agent. With `crashes`, the power fails while it publishes.
fn agent(client: &OpenRouter, folder: &Path, crashes: bool) -> Result<Agent, Failure> {
    // A search may be repeated. A page must not be published twice, so after a crash the run asks about it.
    let search = Tool::new("search", "Searches for sources", search).repeatable();
    let pages = folder.to_owned();
    let publish = Tool::new("publish", "Publishes a page", move |page: Page| {
        let file = pages.join(&page.title);
        async move {
            tokio::fs::write(file, "published").await?;
            println!("  published: {}", page.title);
            if crashes {
                std::process::exit(1);
            }
            Ok::<_, io::Error>("published")
        }
    });
    let agent = client.agent("openai/gpt-4o-mini").tools([search, publish]);
    let agent = agent.limits(Limits::new().model_calls(100).cost("0.005".parse()?));
    // How long a run waits for a process that does not return; a minute by default.
    Ok(agent.store(FileStore::new(folder.join("runs"))).lease_period(Duration::from_millis(200)))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if let Some(folder) = std::env::args().nth(1) {
        return work(Path::new(&folder)).await;
    }
    let folder = std::env::temp_dir().join(format!("long-run-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("first process:");
    let status = Command::new(std::env::current_exe()?).arg(&folder).status()?;
    println!("  ended: {status}");
    // A real model may end without publishing anything, so that nothing is left to do.
    let ended = if status.success() { Ok(()) } else { go_on(&folder).await };
    std::fs::remove_dir_all(&folder)?;
    ended
}

/// The first process.
async fn work(folder: &Path) -> Result<(), Failure> {
    let client = support::client(play_start).await?;
    println!("{}", agent(&client, folder, true)?.run("Research tea, and publish what you find.").await?.text()?);
    Ok(())
}

/// The second process: a worker that takes over the abandoned run.
async fn go_on(folder: &Path) -> Result<(), Failure> {
    println!("second process:");
    let client = support::client(play_rest).await?;
    let agent = agent(&client, folder, false)?;
    let run = agent.wait_for_run(Duration::from_secs(1)).await?;
    let mut outcome = run.await?;
    // Calls that had begun are not repeated: the run asks about them.
    while let Outcome::Paused(mut paused) = outcome {
        for call in paused.pending_mut() {
            let page: Page = call.parse_arguments()?;
            println!("  had begun: {}({})", call.name(), call.arguments());
            match folder.join(page.title).exists() {
                true => call.answer("published"),
                false => call.approve()?,
            }
        }
        outcome = agent.resume(paused).await?;
    }
    println!("{}", outcome.text()?);
    if let Outcome::Done(done) = &outcome {
        let limit = done.limit().map_or("no limit was reached".to_owned(), |limit| format!("{limit} is reached"));
        println!("{} model calls, {} dollars: {limit}", outcome.usage().model_calls, outcome.usage().cost);
    }
    Ok(())
}

/// What the local server of the first process responds.
fn play_start(server: &MockServer) {
    server.answer(support::calls(&[("call_1", "search", json!({"topic": "green tea"}))]));
    server.answer(support::calls(&[("call_2", "publish", json!({"title": "green-tea"}))]));
}

/// What the local server of the second process responds: it would search indefinitely.
fn play_rest(server: &MockServer) {
    server.answer(support::calls(&[("call_3", "search", json!({"topic": "black tea"}))]));
    server.answer(support::calls(&[("call_4", "search", json!({"topic": "white tea"}))]));
    server
        .answer(support::writes("The page about green tea is published; black and white tea have three sources each."));
}
