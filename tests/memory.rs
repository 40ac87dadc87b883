//! How much memory a server can make a client use. A program of its own: the memory of a process is that of all its tests.
#![cfg(all(feature = "mock", target_os = "linux"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

mod support;

use std::future::IntoFuture;
use std::time::Duration;

use openrouter_kit::core::OpenRouterCoreBuilder;
use openrouter_kit::core::transport::HyperTransport;
use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::{OpenRouterCore, RetryConfig};
use support::{post, stream};

const KEY: &str = "sk-or-v1-5ec2e7";

fn builder(url: impl Into<String>) -> OpenRouterCoreBuilder {
    let millisecond = Duration::from_millis(1);
    OpenRouterCore::builder()
        .api_key(KEY)
        .server_url(url)
        .transport(HyperTransport::builder().no_proxy().build().unwrap())
        .retry_config(RetryConfig::backoff().initial_interval(millisecond).max_interval(millisecond))
}

async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs")
}

/// The memory of this process in bytes, as the system counts it.
fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Fails if the memory of this process grows by as much as a server sends, which is without end.
#[tokio::test]
async fn memory_stays_bounded_when_a_server_sends_without_end() {
    const BOUND: usize = 48 * 1024 * 1024;
    let before = memory();
    let bounded = |what: &str| {
        let grown = memory().saturating_sub(before);
        assert!(grown < BOUND, "{what}: {grown} bytes more");
    };

    let server = MockServer::start().await;
    let core = builder(server.url()).max_body(4 << 20).max_event(4 << 20).build().unwrap();
    server.answer(Answer::huge(503, 1 << 40).times(3));
    assert!(soon(post(&core)).await.unwrap_err().as_api().is_some());
    bounded("the body of an error");
    server.answer(Answer::huge(200, 1 << 40));
    assert!(matches!(soon(post(&core)).await, Err(Error::ResponseValidation(_))));
    bounded("a whole answer");
    for again in ["x".repeat(64 * 1024), format!("{}\n", "x".repeat(1024)), "data: x\n".repeat(1000)] {
        server.answer(Answer::endless("data: ", again));
        let mut events = soon(stream(&core)).await.unwrap();
        assert!(matches!(soon(events.next()).await, Some(Err(_))));
        bounded("an event");
    }

    // 80 MiB of events, read one by one.
    let event = format!("data: {{\"text\":\"{}\"}}\n\n", "x".repeat(64 * 1024));
    server.answer(Answer::endless("data: {\"n\":0}\n\n", event.clone()));
    let mut events = soon(stream(&core)).await.unwrap();
    for _ in 0..1280 {
        soon(events.next()).await.unwrap().unwrap();
    }
    bounded("a stream that is read");
    drop(events);

    // Comments keep a stream alive and are nothing to keep.
    server.answer(Answer::endless("data: {\"n\":0}\n\n", ": OPENROUTER PROCESSING\n\n".repeat(1000)));
    let mut events = soon(stream(&core)).await.unwrap();
    soon(events.next()).await.unwrap().unwrap();
    tokio::time::timeout(Duration::from_millis(500), events.next()).await.expect_err("comments are no events");
    bounded("comments");
    drop(events);

    // A stream that nobody reads makes the server wait.
    server.answer(Answer::endless("data: {\"n\":0}\n\n", event));
    let mut events = soon(stream(&core)).await.unwrap();
    soon(events.next()).await.unwrap().unwrap();
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    bounded("a stream that is not read");
}
