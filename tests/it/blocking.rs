//! Calls and streams without `async`.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use openrouter_kit::OpenRouter;
use openrouter_kit::blocking::{BlockingStream, Wait};
use openrouter_kit::core::transport::HyperTransport;
use openrouter_kit::errors::{Error, TimeoutPhase};
use openrouter_kit::hooks::{Hook, HookContext, HookFuture, RequestInput};
use openrouter_kit::mock::{Answer, Fault, MockServer, Place};
use openrouter_kit::models::ChatRequest;
use serde_json::json;

fn chat() -> Answer {
    Answer::json(
        200,
        json!({"id": "gen-1", "model": "m", "object": "chat.completion", "created": 1, "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}},
        ]}),
    )
}

fn chunks() -> Answer {
    Answer::stream(["he", "llo"].map(|text| {
        json!({"id": "gen-1", "model": "m", "object": "chat.completion.chunk", "created": 1, "choices": [
            {"index": 0, "finish_reason": null, "delta": {"role": "assistant", "content": text}},
        ]})
    }))
}

fn request() -> ChatRequest {
    serde_json::from_value(json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})).unwrap()
}

/// The server runs in the background runtime too, because the test starts none of its own.
fn client(answers: impl IntoIterator<Item = Answer>) -> (MockServer, OpenRouter) {
    let server = MockServer::start().wait();
    for answer in answers {
        server.answer(answer);
    }
    let transport = HyperTransport::builder().no_proxy().build().unwrap();
    let client = OpenRouter::builder().api_key("key").server_url(server.url()).transport(transport).build().unwrap();
    (server, client)
}

fn asks(client: &OpenRouter) {
    let answer = client.chat().send(request()).timeout(Duration::from_secs(30)).wait().unwrap();
    assert_eq!(answer.text().as_deref(), Some("hello"));
    let texts: Result<String, Error> =
        client.chat().stream(request()).wait().unwrap().text_deltas().blocking_iter().collect();
    assert_eq!(texts.unwrap(), "hello");
    let whole = client.chat().stream(request()).wait().unwrap().collect().wait().unwrap();
    assert_eq!(whole.text().as_deref(), Some("hello"));
}

#[test]
fn calls_and_streams_work_without_a_runtime() {
    let (server, client) = client([chat(), chunks(), chunks()]);
    asks(&client);
    assert_eq!(server.connections().opened, 1, "connections are used again");
}

#[test]
fn they_work_inside_of_a_runtime() {
    let (_server, client) = client((0..2).flat_map(|_| [chat(), chunks(), chunks()]));
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    current.block_on(async { asks(&client) });
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    threads.block_on(async { tokio::spawn(async move { asks(&client) }).await.unwrap() });
}

#[test]
fn many_threads_share_a_client() {
    let (_server, client) = client([chat().times(400)]);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            thread::spawn(move || {
                for _ in 0..50 {
                    client.chat().send(request()).wait().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_stream_may_be_left_half_read() {
    let (_server, client) = client((0..20).map(|_| chunks()).chain([chat()]));
    for _ in 0..20 {
        let mut chunks = client.chat().stream(request()).wait().unwrap().blocking_iter();
        assert!(chunks.next().unwrap().is_ok());
        let rest = chunks.into_inner();
        drop(rest);
    }
    assert!(client.chat().send(request()).wait().is_ok());
}

#[test]
fn time_limits_hold() {
    let (_server, client) = client([chat().fault(Fault::Stall, Place::BeforeHead)]);
    let error = client.chat().send(request()).response_timeout(Duration::from_millis(20)).wait().unwrap_err();
    let Error::Timeout(error) = error else { panic!("{error:?}") };
    assert_eq!(error.phase(), TimeoutPhase::Response);
}

#[test]
fn a_thread_that_waits_sleeps_until_it_is_woken_by_what_it_waits_for() {
    let is_ready = Arc::new(AtomicBool::new(false));
    let mut polls = 0;
    let future = poll_fn(|cx| {
        polls += 1;
        if polls > 1 {
            assert!(is_ready.load(Ordering::SeqCst), "nothing has happened yet");
            return Poll::Ready(());
        }
        let (waker, waiting, is_ready) = (cx.waker().clone(), thread::current(), is_ready.clone());
        thread::spawn(move || {
            // Code of the program may unpark the thread for reasons of its own.
            for _ in 0..1000 {
                waiting.unpark();
                thread::yield_now();
            }
            is_ready.store(true, Ordering::SeqCst);
            waker.wake();
        });
        Poll::Pending
    });
    future.wait();
    assert_eq!(polls, 2);
}

#[test]
fn a_hook_may_block_inside_of_a_call_that_blocks() {
    #[derive(Debug)]
    struct Asking(OpenRouter);

    impl Hook for Asking {
        fn before_create_request<'a>(
            &'a self,
            _context: &'a HookContext,
            _input: &'a mut RequestInput,
        ) -> HookFuture<'a, ()> {
            Box::pin(async {
                self.0.chat().send(request()).wait().unwrap();
                Ok(())
            })
        }
    }

    let (_server, inner) = client([chat().times(10)]);
    let (server, _) = client([chat().times(10)]);
    let transport = HyperTransport::builder().no_proxy().build().unwrap();
    let builder = OpenRouter::builder().api_key("key").server_url(server.url()).transport(transport);
    let outer = builder.hook(Asking(inner)).build().unwrap();
    for _ in 0..10 {
        outer.chat().send(request()).wait().unwrap();
    }
}
