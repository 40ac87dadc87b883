//! Each sentence about time limits in the documentation of `Timeouts` and `Call`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

mod support;

use std::time::Duration;

use http::Response;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::{Call, Download, OpenRouterCore, Parts, RetryConfig};
use openrouter_kit::errors::{Error, TimeoutPhase};
use support::{GET, Script, Step, answer, get, post, response, slow_body, stream};
use tokio::time::Instant;

const OK: &str = r#"{"id":"one"}"#;
const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn phase(error: &Error) -> (TimeoutPhase, Option<Duration>) {
    let Error::Timeout(error) = error else { panic!("{error:?}") };
    (error.phase(), error.limit())
}

fn events(body: Body) -> Response<Body> {
    let mut response = response(200, "");
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    *response.body_mut() = body;
    response
}

fn json(body: Body) -> Response<Body> {
    let mut response = response(200, "");
    *response.body_mut() = body;
    response
}

/// How long until the call failed, and by which limit. The clock of tokio rounds up to milliseconds.
async fn failed_after<T: std::fmt::Debug>(
    call: impl IntoFuture<Output = Result<T, Error>>,
) -> (Duration, TimeoutPhase) {
    let began = Instant::now();
    let error = call.await.unwrap_err();
    let elapsed = Duration::from_secs(began.elapsed().as_secs());
    (elapsed, phase(&error).0)
}

#[tokio::test(start_paused = true)]
async fn the_head_of_the_answer_has_ten_minutes_by_default() {
    let script = Script::new([Step::Never]);
    assert_eq!(failed_after(post(&script.core())).await, (600 * SECOND, TimeoutPhase::Response));
}

#[tokio::test(start_paused = true)]
async fn the_limit_for_the_head_of_a_client_holds_for_its_calls_and_that_of_a_call_wins() {
    let script = Script::new([Step::Never, Step::Never]);
    let core = script.client().response_timeout(5 * SECOND).build().unwrap();
    assert_eq!(failed_after(post(&core)).await, (5 * SECOND, TimeoutPhase::Response));
    assert_eq!(failed_after(post(&core).response_timeout(2 * SECOND)).await, (2 * SECOND, TimeoutPhase::Response));
}

#[tokio::test(start_paused = true)]
async fn the_limit_for_the_head_counts_from_the_start_of_an_attempt() {
    let late = |status| Step::Late(4 * SECOND, response(status, OK));
    let script = Script::new([late(500), late(500), late(200)]);
    let core = script.client().response_timeout(5 * SECOND).build().unwrap();
    post(&core).await.unwrap();
    assert_eq!(script.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_possible() {
    let script = Script::new([Step::Late(24 * 3600 * SECOND, response(200, OK))]);
    let core = script.client().response_timeout(None).idle_timeout(None).timeout(None).build().unwrap();
    post(&core).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_limit_for_the_head_does_not_count_the_body() {
    let slow = slow_body(vec![(4 * SECOND, "{"), (4 * SECOND, "}")], None);
    let script = Script::new([Step::Answer(json(slow))]);
    post(&script.core()).response_timeout(5 * SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_unary_body_that_stalls_ends_with_the_idle_limit() {
    let stalled = || slow_body(vec![(SECOND, "{"), (3600 * SECOND, "}")], None);
    let script = Script::new([Step::Answer(json(stalled())), Step::Answer(json(stalled()))]);
    let core = script.core();
    assert_eq!(failed_after(post(&core)).await, (301 * SECOND, TimeoutPhase::Idle));
    assert_eq!(failed_after(post(&core).idle_timeout(7 * SECOND)).await, (8 * SECOND, TimeoutPhase::Idle));
}

#[tokio::test(start_paused = true)]
async fn the_idle_limit_counts_from_the_head_to_the_first_chunk() {
    let stalled = slow_body(vec![(3600 * SECOND, "{}")], None);
    let script = Script::new([Step::Answer(json(stalled))]);
    let core = script.client().idle_timeout(9 * SECOND).build().unwrap();
    assert_eq!(failed_after(post(&core)).await, (9 * SECOND, TimeoutPhase::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_on_outlives_every_limit_but_its_idle_one() {
    let chunks = (0..100).map(|_| (8 * SECOND, "data: {\"n\":1}\n\n")).chain([(SECOND, "data: [DONE]\n\n")]);
    let script = Script::new([Step::Answer(events(slow_body(chunks.collect(), None)))]);
    let core = script.core();
    let call = stream(&core).timeout(5 * SECOND).response_timeout(5 * SECOND).idle_timeout(10 * SECOND);
    let mut events = call.await.unwrap();
    let mut count = 0;
    while let Some(event) = events.next().await {
        event.unwrap();
        count += 1;
    }
    assert_eq!(count, 100);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stalls_gives_what_came_and_then_the_idle_limit() {
    let chunks = vec![
        (6 * SECOND, "data: {\"n\":1}\n\n"),
        (6 * SECOND, "data: {\"n\":2}\n\n"),
        (3600 * SECOND, "data: {\"n\":3}\n\n"),
    ];
    let script = Script::new([Step::Answer(events(slow_body(chunks, None)))]);
    let mut events = stream(&script.core()).idle_timeout(10 * SECOND).await.unwrap();
    let began = Instant::now();
    assert_eq!(events.next().await.unwrap().unwrap().get("n").unwrap(), "1");
    assert_eq!(events.next().await.unwrap().unwrap().get("n").unwrap(), "2");
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(phase(&error), (TimeoutPhase::Idle, Some(10 * SECOND)));
    assert_eq!(began.elapsed().as_secs(), 22);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_comment_keeps_a_stream_alive() {
    let chunks = vec![
        (8 * SECOND, ": OPENROUTER PROCESSING\n\n"),
        (8 * SECOND, ":\n"),
        (8 * SECOND, "data: {\"n\":1}\n\n"),
        (SECOND, "data: [DONE]\n\n"),
    ];
    let script = Script::new([Step::Answer(events(slow_body(chunks, None)))]);
    let mut events = stream(&script.core()).idle_timeout(10 * SECOND).await.unwrap();
    events.next().await.unwrap().unwrap();
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn time_that_the_program_takes_between_two_events_does_not_count() {
    let chunks =
        vec![(SECOND, "data: {\"n\":1}\n\n"), (9 * SECOND, "data: {\"n\":2}\n\n"), (9 * SECOND, "data: [DONE]\n\n")];
    let script = Script::new([Step::Answer(events(slow_body(chunks, None)))]);
    let mut events = stream(&script.core()).idle_timeout(10 * SECOND).await.unwrap();
    events.next().await.unwrap().unwrap();
    tokio::time::sleep(60 * SECOND).await;
    events.next().await.unwrap().unwrap();
    tokio::time::sleep(60 * SECOND).await;
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn there_is_no_total_limit_by_default() {
    let script = Script::new([Step::Answer(json(slow_body(vec![(200 * SECOND, " "); 50], None)))]);
    // The body is no JSON; what counts is that it was read to its end after almost three hours.
    let error = post(&script.core()).await.unwrap_err();
    assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_total_limit_includes_retries_and_waits() {
    let script = Script::new((0..100).map(|_| Step::Late(2 * SECOND, response(500, "{}"))));
    let core = script.client().retry_config(RetryConfig::backoff().max_attempts(100)).timeout(9 * SECOND);
    let core = core.build().unwrap();
    assert_eq!(failed_after(post(&core)).await, (9 * SECOND, TimeoutPhase::Total));
    assert!(script.sent().len() > 1);
    assert_eq!(failed_after(post(&core).timeout(SECOND)).await, (SECOND, TimeoutPhase::Total));
}

#[tokio::test(start_paused = true)]
async fn the_total_limit_includes_a_unary_body() {
    let slow = slow_body((0..60).map(|_| (SECOND, " ")).collect(), None);
    let script = Script::new([Step::Answer(json(slow))]);
    assert_eq!(failed_after(post(&script.core()).timeout(30 * SECOND)).await, (30 * SECOND, TimeoutPhase::Total));
}

#[tokio::test(start_paused = true)]
async fn the_total_limit_ends_with_the_head_for_a_download() {
    let slow = slow_body((0..60).map(|_| (SECOND, "x")).collect(), None);
    let script = Script::new([Step::Answer(json(slow))]);
    let core = script.core();
    let call: Call<'_, Download> = Call::new(&core, Parts::new(&GET).path("id", "one"));
    let download = call.timeout(30 * SECOND).await.unwrap();
    assert_eq!(download.collect().await.unwrap().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn the_total_limit_is_not_retried() {
    let script = Script::new([Step::Never]);
    let error = get(&script.core()).timeout(SECOND).await.unwrap_err();
    assert_eq!(phase(&error), (TimeoutPhase::Total, Some(SECOND)));
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_limit_for_connecting_is_handed_to_the_transport() {
    let script = Script::new([answer(200, OK), answer(200, OK), answer(200, OK)]);
    post(&script.core()).await.unwrap();
    let core = script.client().connect_timeout(3 * SECOND).build().unwrap();
    post(&core).await.unwrap();
    post(&core).connect_timeout(2 * SECOND).await.unwrap();
    let limits: Vec<_> = script.sent().iter().map(|sent| sent.connect_timeout).collect();
    assert_eq!(limits, [None, Some(3 * SECOND), Some(2 * SECOND)]);
}

#[tokio::test(start_paused = true)]
async fn no_connection_in_time_is_a_timeout_of_connecting() {
    let script = Script::new([Step::Fail(Kind::ConnectTimeout)]);
    let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert_eq!(phase(&error).0, TimeoutPhase::Connect);
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_limit_of_zero_is_refused() {
    let zero = Duration::ZERO;
    let builder = OpenRouterCore::builder;
    let options = [
        ("connect_timeout", builder().connect_timeout(zero)),
        ("response_timeout", builder().response_timeout(zero)),
        ("idle_timeout", builder().idle_timeout(zero)),
        ("timeout", builder().timeout(zero)),
    ];
    for (name, builder) in options {
        let Error::InvalidRequest(error) = builder.build().unwrap_err() else { panic!("{name}") };
        assert_eq!(error.argument(), name);
    }
    let script = Script::new([]);
    let Error::InvalidRequest(error) = post(&script.core()).idle_timeout(zero).await.unwrap_err() else { panic!() };
    assert_eq!(error.argument(), "idle_timeout");
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_end_of_time_is_none() {
    let slow = slow_body(vec![(SECOND, "{"), (SECOND, "}")], None);
    let script = Script::new([Step::Late(SECOND, json(slow))]);
    let core = script.core();
    let call = post(&core).timeout(Duration::MAX).response_timeout(Duration::MAX).idle_timeout(Duration::MAX);
    call.connect_timeout(Duration::MAX).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_body_of_an_error_that_stalls_does_not_hide_the_error() {
    let mut refused = response(400, "");
    *refused.body_mut() = slow_body(vec![(SECOND, r#"{"error":"#), (3600 * SECOND, "x")], None);
    let script = Script::new([Step::Answer(refused)]);
    let error = post(&script.core()).idle_timeout(10 * SECOND).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 400);
    assert_eq!(error.as_api().unwrap().body(), r#"{"error":"#);
}
