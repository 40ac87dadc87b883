//! How much memory a server can make a client use. A program of its own: the memory of a process is that of all its tests.
#![cfg(all(feature = "mock", target_os = "linux"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

#[path = "it/support.rs"]
mod support;

use std::time::Duration;

use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer};
use support::{impatient, post, soon, stream};

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
    let core = impatient(server.url()).max_body(4 << 20).max_event(4 << 20).build().unwrap();
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
    tokio::time::timeout(Duration::from_millis(500), events.next()).await.expect_err("comments are not events");
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

/// Responses that would take many times their length without a limit: lists of values with short text.
#[cfg(feature = "full")]
mod hostile {
    use std::fmt::Write as _;
    use std::process::{Child, Command, Output, Stdio};

    use openrouter_kit::core::wire::Root;
    use openrouter_kit::core::{Call, EventStream, Parts, StreamItem};
    use openrouter_kit::models::*;
    use support::POST;

    use super::*;

    const LENGTH: usize = 2 << 20;

    /// The memory that a response of `LENGTH` bytes may take, as documented at `max_body`.
    const PROMISED: usize = 12 * LENGTH + (128 << 20);

    /// An object with a list of as many elements as fit.
    fn list(name: &str, element: &str) -> String {
        let elements = vec![element; LENGTH / (element.len() + 1)];
        format!("{{\"id\":\"a\",\"type\":\"{name}\",\"{name}\":[{}]}}", elements.join(","))
    }

    /// An object with as many members as fit, each with a different name.
    fn members(first: &str, value: &str) -> String {
        let mut text = format!("{{{first}");
        for number in 0.. {
            if text.len() > LENGTH {
                break;
            }
            write!(text, ",\"{number:x}\":{value}").unwrap();
        }
        text + "}"
    }

    /// Runs a test of this program in a separate process, so that memory freed to the allocator does not affect other
    /// tests.
    fn start(test: &str) -> Child {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", test, "--ignored", "--nocapture"]).env("MALLOC_ARENA_MAX", "1");
        program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The peak memory of this process since the last call.
    fn peak() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Reads each text as a response and as an event.
    async fn check<T: Root, E: StreamItem>(texts: impl IntoIterator<Item = String>) {
        let server = MockServer::start().await;
        let core = impatient(server.url()).build().unwrap();
        let parts = || Parts::new(&POST);
        peak();
        let before = memory();
        for text in texts {
            let start: String = text.chars().take(60).collect();
            let within = |what: &str| {
                let grown = peak().saturating_sub(before);
                println!("{:4} MiB for {what} {start}", grown >> 20);
                assert!(grown < PROMISED, "{what} {start}: {} MiB", grown >> 20);
            };
            let event = format!("data: {text}\n\ndata: [DONE]\n\n");
            server.answer(Answer::bytes(200, text).header("content-type", "application/json"));
            drop(soon(Call::<T>::new(&core, parts())).await);
            within("a response");
            server.answer(Answer::bytes(200, event).header("content-type", "text/event-stream"));
            let mut events = soon(Call::<EventStream<E>>::new(&core, parts())).await.unwrap();
            while soon(events.next()).await.is_some() {}
            within("an event");
        }
    }

    #[test]
    fn memory_is_bounded_by_a_multiple_of_the_response_whatever_it_holds() {
        let tests = ["models_and_chat", "responses", "messages", "members_and_errors"];
        let running = tests.map(|test| start(&format!("hostile::{test}")));
        for process in running {
            let Output { status, stdout, stderr } = process.wait_with_output().unwrap();
            let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
            assert!(status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
            print!("{stdout}");
        }
    }

    #[tokio::test]
    #[ignore = "runs in a process of its own"]
    async fn models_and_chat() {
        let elements =
            ["0", "{}", "{\"id\":0}", "{\"id\":\"a\"}", "{\"pricing\":{}}", "{\"supported_parameters\":[\"\"]}"];
        check::<ModelsListResponse, ChatStreamChunk>(elements.map(|element| list("data", element))).await;
        let elements = [
            "{}",
            "{\"index\":0}",
            "{\"message\":{}}",
            "{\"message\":{\"tool_calls\":[{},{}]}}",
            "{\"delta\":{\"tool_calls\":[{},{}]}}",
            "{\"delta\":{\"content\":0}}",
        ];
        check::<ChatResult, ChatStreamChunk>(elements.map(|element| list("choices", element))).await;
    }

    #[tokio::test]
    #[ignore = "runs in a process of its own"]
    async fn responses() {
        let elements = [
            "0",
            "[]",
            "{}",
            "{\"type\":0}",
            "{\"type\":\"message\"}",
            "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\"},{\"type\":\"output_text\"}]}",
        ];
        check::<ResponsesResult, ResponsesStreamEvent>(elements.map(|element| list("output", element))).await;
        let inside = |element| format!("{{\"type\":\"response.completed\",\"response\":{}}}", list("output", element));
        check::<ResponsesResult, ResponsesStreamEvent>(elements.map(inside)).await;
    }

    #[tokio::test]
    #[ignore = "runs in a process of its own"]
    async fn messages() {
        let elements = ["0", "{}", "{\"type\":\"text\"}", "{\"type\":\"text\",\"text\":0}", "{\"type\":\"tool_use\"}"];
        check::<MessagesResult, MessagesStreamEvent>(elements.map(|element| list("content", element))).await;
    }

    #[tokio::test]
    #[ignore = "runs in a process of its own"]
    async fn members_and_errors() {
        let texts = [
            members("\"id\":\"a\"", "0"),
            // A repeated name is searched for in all of it.
            members("\"id\":\"a\",\"id\":\"b\"", "0"),
            members("\"id\":0", "\"\""),
            list("error", "0"),
            list("error", "{\"\":0}"),
            format!("[{}]", vec!["0"; LENGTH / 2].join(",")),
            format!("[{}]", vec!["{\"\":0}"; LENGTH / 7].join(",")),
        ];
        check::<ChatResult, ChatStreamChunk>(texts).await;
    }
}
