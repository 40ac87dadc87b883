//! Many concurrent streams through one client with random cancellations, and a check that nothing is left afterwards.
//!
//! Features: `chat`, `mock`.
//!
//! ```text
//! cargo run --release --example load --features mock -- [STREAMS] [EVENTS] [ROUNDS]
//! ```
//!
//! It needs no network and no API key: the server is in the same process. In each round, all streams are open at the
//! same time before any of them continues, and one in four is dropped in the middle. The program fails if an event is
//! missing, duplicated or out of order, or if a task or connection is left.
//!
//! The memory it prints is what the system has given to the process. The allocator keeps most of the freed memory for
//! the next round, so the number does not decrease; without a leak it levels off after some rounds.
#![allow(clippy::print_stdout, unreachable_pub, reason = "it prints figures; a test uses it as a module")]

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use openrouter_kit::mock::{Answer, Event, MockServer};
use openrouter_kit::models::{ChatMessage, ChatRequest};
use openrouter_kit::{OpenRouterCore, RetryConfig, funcs};
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The parameters of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many streams are open at the same time.
    pub streams: usize,
    /// How many events each has.
    pub events: usize,
    /// The number of rounds.
    pub rounds: usize,
    /// The seed of the random numbers.
    pub seed: u64,
}

/// The result of a round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Streams that were read to their end.
    pub whole: usize,
    /// Streams that were dropped before their end.
    pub canceled: usize,
    /// Events that arrived, each once and in order.
    pub events: usize,
    /// Connections that the server accepted.
    pub connections: usize,
    /// How long it took.
    pub time: Duration,
    /// The memory of the process while all streams were open, and after everything was closed. Zero if the system
    /// does not report it.
    pub memory: (usize, usize),
    /// Tasks of the runtime after everything was closed, beyond those that were there before.
    pub tasks: usize,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whole, canceled, events, connections, time, memory, tasks } = self;
        let rate = *events as f64 / time.as_secs_f64() / 1e3;
        let (open, after) = (memory.0 / 1024 / 1024, memory.1 / 1024 / 1024);
        write!(
            f,
            "{whole} whole, {canceled} canceled, {events} events in order, {connections} connections, {time:.2?} \
             ({rate:.0} thousand events/s), memory {open} MiB open, {after} MiB after, {tasks} tasks left"
        )
    }
}

/// Runs one round with its own client and server.
///
/// # Errors
/// Returns what is missing, duplicated, out of order, or left.
pub async fn round(plan: Plan, seed: u64) -> Result<Round, Failure> {
    let tasks_before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let server = MockServer::start().await;
    let chunk = |n: usize| json!({"id": "gen-1", "choices": [{"index": 0, "delta": {"content": n.to_string()}}]});
    let last = json!({"id": "gen-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let events = (0..plan.events).map(chunk).chain([last]).map(Event::data);
    server.record(false).answer(Answer::stream(events).always());
    let core = OpenRouterCore::builder().api_key("none").server_url(server.url()).retry_config(RetryConfig::none());
    let core = core.build()?;

    let all_open = Arc::new(Barrier::new(plan.streams + 1));
    let mut streams = JoinSet::new();
    let began = Instant::now();
    for number in 0..plan.streams {
        let (core, all_open) = (core.clone(), all_open.clone());
        let mut rng = Rng::with_seed(seed ^ number as u64);
        let canceled_after = (rng.u8(..4) == 0).then(|| rng.usize(1..plan.events));
        streams.spawn(read(core, all_open, plan.events, canceled_after));
    }
    all_open.wait().await;
    let memory_open = memory();
    let (mut whole, mut canceled, mut events) = (0, 0, 0);
    while let Some(stream) = streams.join_next().await {
        let count = stream??;
        events += count;
        *(if count == plan.events { &mut whole } else { &mut canceled }) += 1;
    }
    let time = began.elapsed();

    drop(core);
    let connections = within(server.all_closed()).await?.opened;
    drop(server);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks().saturating_sub(tasks_before);
    // Tasks that were asked to end need a turn to do so.
    let settled = async {
        while tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    within(settled).await.map_err(|_| format!("{} tasks are left", tasks()))?;
    Ok(Round { whole, canceled, events, connections, time, memory: (memory_open, memory()), tasks: tasks() })
}

/// Reads one stream and returns how many events arrived; each must be the expected one.
async fn read(
    core: OpenRouterCore,
    all_open: Arc<Barrier>,
    events: usize,
    canceled_after: Option<usize>,
) -> Result<usize, Failure> {
    let request = ChatRequest::new([ChatMessage::user("Count")]).model("test/counter");
    let mut stream = funcs::chat_stream(&core, request).await?;
    let mut next = 0;
    while let Some(event) = stream.next().await {
        let chunk = event?;
        let text = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
        let Some(text) = text else { continue };
        if text != next.to_string() {
            return Err(format!("event {text} arrived instead of {next}").into());
        }
        next += 1;
        if next == 1 {
            all_open.wait().await;
        }
        if canceled_after == Some(next) {
            return Ok(next);
        }
    }
    if next == events { Ok(next) } else { Err(format!("{next} of {events} events came").into()) }
}

async fn within<T>(future: impl Future<Output = T>) -> Result<T, tokio::time::error::Elapsed> {
    tokio::time::timeout(Duration::from_secs(30), future).await
}

/// The memory of this process in bytes, as the system counts it.
pub fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages.as_deref().and_then(|pages| pages.split(' ').nth(1)?.parse::<usize>().ok());
    resident.unwrap_or_default() * 4096
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse());
    let mut number = |default| arguments.next().unwrap_or(Ok(default));
    let plan = Plan { streams: number(2000)?, events: number(200)?, rounds: number(5)?, seed: 7 };
    println!("{} streams at the same time, {} events each, memory {} MiB", plan.streams, plan.events, memory() >> 20);
    for number in 0..plan.rounds {
        println!("round {}: {}", number + 1, round(plan, plan.seed.wrapping_add(number as u64) << 32).await?);
    }
    Ok(())
}
