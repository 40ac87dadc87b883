//! Each sentence about time limits in the documentation of `Timeouts` and `Call`.

use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{GET, Script, Step, answer, get, post, response, slow_body, stream};
use http::Response;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::{Call, Download, OpenRouterCore, Parts, RetryConfig};
use openrouter_kit::errors::{Error, TimeoutPhase};
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
async fn the_response_timeout_of_a_call_wins_over_that_of_the_client() {
    let script = Script::new([Step::Never, Step::Never]);
    let core = script.client().response_timeout(5 * SECOND).build().unwrap();
    assert_eq!(failed_after(post(&core)).await, (5 * SECOND, TimeoutPhase::Response));
    assert_eq!(failed_after(post(&core).response_timeout(2 * SECOND)).await, (2 * SECOND, TimeoutPhase::Response));
}

#[tokio::test(start_paused = true)]
async fn the_limit_for_the_head_counts_from_the_start_of_an_attempt() {
    let late = |status| Step::Late(4 * SECOND, response(status, OK));
    let script = Script::new([late(503), late(503), late(200)]);
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
async fn a_stream_that_goes_on_outlives_every_limit_of_a_call() {
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
    // The body is not JSON; what counts is that it was read to its end after almost three hours.
    let error = post(&script.core()).await.unwrap_err();
    assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_total_limit_includes_retries_and_waits() {
    let script = Script::new((0..100).map(|_| Step::Late(2 * SECOND, response(503, "{}"))));
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
    let call: Call<Download> = Call::new(&core, Parts::new(&GET).path("id", "one"));
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
        ("event_timeout", builder().event_timeout(zero)),
        ("hook_timeout", builder().hook_timeout(zero)),
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

/// A response whose body goes on for an hour, a chunk each 2 seconds after the ones in `start`.
fn dripping(status: u16, media_type: &'static str, start: &[&'static str]) -> Step {
    let start = start.iter().map(|chunk| (Duration::ZERO, *chunk));
    let mut dripping = response(status, "");
    dripping.headers_mut().insert("content-type", media_type.parse().unwrap());
    *dripping.body_mut() = slow_body(start.chain((0..1800).map(|_| (2 * SECOND, " "))).collect(), None);
    Step::Answer(dripping)
}

const NO_CREDITS: &str = r#"{"error":{"code":402,"message":"no credits"}}"#;

#[tokio::test(start_paused = true)]
async fn the_body_of_an_error_has_five_seconds_in_all() {
    for idle in [None, Some(3 * SECOND), Some(300 * SECOND)] {
        let script = Script::new([dripping(402, "application/json", &[NO_CREDITS])]);
        let began = Instant::now();
        let error = post(&script.core()).idle_timeout(idle).await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), 5);
        assert_eq!(error.as_api().unwrap().message(), "no credits");
        assert_eq!(error.as_api().unwrap().body().len(), NO_CREDITS.len() + 2, "what came until then");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_for_the_body_of_an_error_is_for_each_attempt() {
    let script = Script::new([dripping(503, "text/html", &["<title>busy</title>"]), answer(200, OK)]);
    post(&script.core()).await.unwrap();
    assert!((5.0..6.0).contains(&script.waits()[0].as_secs_f64()), "{:?}", script.waits());
}

#[tokio::test(start_paused = true)]
async fn an_error_in_place_of_a_stream_has_five_seconds_in_all() {
    for (media_type, start) in [
        ("application/json", &[NO_CREDITS][..]),
        ("application/json", &["\u{feff} \n", "{ \n\"error\"", ": \"no credits\"}"]),
        ("text/html; charset=utf-8", &["<html>", "no credits"]),
        ("application/json", &["{\"type\": \"error\", \"error\": {\"message\": \"no credits\"}}"]),
    ] {
        let script = Script::new([dripping(200, media_type, start)]);
        let began = Instant::now();
        let error = stream(&script.core()).await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), 5, "{start:?}");
        let body = match &error {
            Error::Api(error) => error.body(),
            Error::ResponseValidation(error) => error.body(),
            other => panic!("{other:?}"),
        };
        assert!(body.starts_with(start.concat().as_bytes()), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_in_place_of_a_stream_that_begins_late_is_known_as_one() {
    let chunks = [" ", "{", "\"err", "or\":", "{\"code\":402", "}}"].map(|chunk| (4 * SECOND, chunk));
    let chunks = chunks.into_iter().chain((0..1000).map(|_| (SECOND, " "))).collect();
    let mut late = json(slow_body(chunks, None));
    late.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let script = Script::new([Step::Answer(late)]);
    let began = Instant::now();
    let error = stream(&script.core()).await.unwrap_err();
    assert!(began.elapsed() <= 30 * SECOND, "{:?}", began.elapsed());
    assert!(!error.is_timeout(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_encoded_unasked_has_five_seconds_in_all() {
    for is_stream in [false, true] {
        let Step::Answer(mut encoded) = dripping(200, "application/json", &["\u{1f}"]) else { panic!() };
        encoded.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        let script = Script::new([Step::Answer(encoded)]);
        let core = script.core();
        let began = Instant::now();
        let error = match is_stream {
            true => stream(&core).await.unwrap_err(),
            false => post(&core).await.unwrap_err(),
        };
        assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
        assert_eq!(began.elapsed().as_secs(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_in_place_of_a_stream_may_take_its_time() {
    let chunks = vec![(SECOND, " "), (20 * SECOND, "{\"id\":"), (20 * SECOND, "\"one\"}")];
    let mut slow = json(slow_body(chunks, None));
    slow.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let script = Script::new([Step::Answer(slow)]);
    let error = stream(&script.core()).await.unwrap_err();
    let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
    assert_eq!(error.body(), r#" {"id":"one"}"#);
}

#[tokio::test(start_paused = true)]
async fn events_under_another_type_may_take_their_time() {
    let chunks =
        vec![(SECOND, "data: {\"n\":1}\n\n"), (20 * SECOND, "data: {\"n\":2}\n\n"), (SECOND, "data: [DONE]\n\n")];
    let mut slow = events(slow_body(chunks, None));
    slow.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let script = Script::new([Step::Answer(slow)]);
    let mut events = stream(&script.core()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().get("n").unwrap(), "1");
    assert_eq!(events.next().await.unwrap().unwrap().get("n").unwrap(), "2");
    assert!(events.next().await.is_none());
}

// --- The limit between two events -------------------------------------------------------------

/// A stream of an event and then comments, one each 5 seconds.
fn commenting() -> Step {
    let comments = (0..1000).map(|n| (5 * SECOND, [": OPENROUTER PROCESSING\n\n", ":\n", "data:\n\n"][n % 3]));
    Step::Answer(events(slow_body([(5 * SECOND, "data: {\"n\":1}\n\n")].into_iter().chain(comments).collect(), None)))
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_comments_alone_ends_with_the_limit_between_two_events() {
    let script = Script::new([commenting(), commenting()]);
    let core = script.client().event_timeout(60 * SECOND).build().unwrap();
    for limit in [60, 33] {
        let call = if limit == 60 { stream(&core) } else { stream(&core).event_timeout(33 * SECOND) };
        let mut events = call.await.unwrap();
        events.next().await.unwrap().unwrap();
        let began = Instant::now();
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(phase(&error), (TimeoutPhase::Event, Some(limit * SECOND)));
        assert_eq!(began.elapsed().as_secs(), u64::from(limit));
        assert!(error.to_string().contains("event_timeout"), "{error}");
        assert!(events.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_between_two_events_counts_from_the_head_too() {
    let comments = events(slow_body(vec![(5 * SECOND, ":\n"); 1000], None));
    let script = Script::new([Step::Answer(comments)]);
    let core = script.core();
    let mut events = stream(&core).event_timeout(60 * SECOND).await.unwrap();
    let began = Instant::now();
    assert_eq!(phase(&events.next().await.unwrap().unwrap_err()).0, TimeoutPhase::Event);
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_limit_between_two_events_by_default() {
    let script = Script::new([commenting()]);
    let mut events = stream(&script.core()).await.unwrap();
    events.next().await.unwrap().unwrap();
    // It ends after 5,000 seconds, without its mark.
    assert!(events.next().await.unwrap().unwrap_err().is_connection());
}

#[tokio::test(start_paused = true)]
async fn each_event_has_the_whole_limit_between_two_events() {
    let chunks = (0..100).flat_map(|_| [(4 * SECOND, ":\n"), (4 * SECOND, "data: {\"n\":1}\n\n")]);
    let chunks = chunks.chain([(SECOND, "data: [DONE]\n\n")]).collect();
    let script = Script::new([Step::Answer(events(slow_body(chunks, None)))]);
    let mut events = stream(&script.core()).event_timeout(10 * SECOND).await.unwrap();
    while let Some(event) = events.next().await {
        event.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_ends_with_the_shorter_of_its_limits() {
    for (idle, event, expected) in [(20, 40, TimeoutPhase::Idle), (40, 20, TimeoutPhase::Event)] {
        let silent = events(slow_body(vec![(3600 * SECOND, ":\n")], None));
        let script = Script::new([Step::Answer(silent)]);
        let core = script.core();
        let mut events = stream(&core).idle_timeout(idle * SECOND).event_timeout(event * SECOND).await.unwrap();
        let began = Instant::now();
        assert_eq!(phase(&events.next().await.unwrap().unwrap_err()), (expected, Some(20 * SECOND)));
        assert_eq!(began.elapsed().as_secs(), 20);
    }
}

// --- A program that does something else in between --------------------------------------------

/// Polls for the next item once. Nothing is available yet.
async fn ask_once<T>(next: impl Future<Output = T>) {
    let mut next = std::pin::pin!(next);
    std::future::poll_fn(|cx| {
        assert!(next.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

/// A body that yields nothing until `wait` from now, whether or not it is polled.
fn silent_for(wait: Duration, then: &'static str) -> Body {
    let (at, mut then) = (Instant::now() + wait, Some(then));
    let mut timer = Box::pin(tokio::time::sleep_until(at));
    let frames = std::iter::from_fn(move || then.take());
    let mut frames = frames.map(|text| http_body::Frame::data(bytes::Bytes::from(text)));
    Body::wrap(Polled(move |cx: &mut std::task::Context<'_>| {
        timer.as_mut().poll(cx).map(|()| frames.next().map(Ok::<_, std::io::Error>))
    }))
}

struct Polled<F>(F);

impl<F> http_body::Body for Polled<F>
where
    F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<std::io::Result<http_body::Frame<bytes::Bytes>>>>
        + Unpin,
{
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::io::Result<http_body::Frame<bytes::Bytes>>>> {
        (self.0)(cx)
    }
}

const EVENT: &str = "data: {\"n\":1}\n\ndata: [DONE]\n\n";

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_soon_after_a_long_absence_is_given() {
    // The limits are 40 seconds. The program polls, is away for the first time, returns, and the event arrives after
    // the second.
    for (away, later) in
        [(600, 0), (600, 1), (600, 39), (41, 1), (40, 1), (39, 39), (39, 1), (20, 39), (11, 39), (5, 30)]
    {
        let body = silent_for((away + later) * SECOND, EVENT);
        let script = Script::new([Step::Answer(events(body))]);
        let limit = 40 * SECOND;
        let mut events = stream(&script.core()).idle_timeout(limit).event_timeout(limit).await.unwrap();
        ask_once(events.next()).await;
        tokio::time::sleep(away * SECOND).await;
        let event = events.next().await.unwrap();
        assert_eq!(event.unwrap().get("n").unwrap(), "1", "{away} {later}");
        assert!(events.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_survives_a_long_absence_too() {
    let script = Script::new([Step::Answer(json(silent_for(601 * SECOND, "bytes")))]);
    let core = script.core();
    let call: Call<Download> = Call::new(&core, Parts::new(&GET).path("id", "one"));
    let mut download = call.idle_timeout(40 * SECOND).await.unwrap();
    ask_once(download.next()).await;
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!(download.next().await.unwrap().unwrap(), "bytes");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_held_and_not_polled_does_not_wait() {
    let script = Script::new([Step::Answer(events(silent_for(610 * SECOND, EVENT)))]);
    let mut events = stream(&script.core()).idle_timeout(40 * SECOND).await.unwrap();
    let mut next = Box::pin(events.next());
    ask_once(next.as_mut()).await;
    tokio::time::sleep(600 * SECOND).await;
    next.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stall_after_an_absence_ends_after_the_whole_limit() {
    let script = Script::new([Step::Answer(events(silent_for(10_000 * SECOND, EVENT)))]);
    let mut events = stream(&script.core()).idle_timeout(40 * SECOND).await.unwrap();
    for _ in 0..3 {
        ask_once(events.next()).await;
        tokio::time::sleep(600 * SECOND).await;
    }
    let back = Instant::now();
    assert_eq!(phase(&events.next().await.unwrap().unwrap_err()), (TimeoutPhase::Idle, Some(40 * SECOND)));
    assert_eq!(back.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_other_things_while_it_waits_still_waits() {
    // The tick drops the future of the next event each time, and is due more often or less often than the timer of the
    // limit.
    for tick in [Duration::from_millis(100), SECOND, 7 * SECOND, 30 * SECOND] {
        let script = Script::new([Step::Answer(events(silent_for(10_000 * SECOND, EVENT)))]);
        let mut events = stream(&script.core()).idle_timeout(40 * SECOND).await.unwrap();
        let began = Instant::now();
        let mut ticks = tokio::time::interval(tick);
        let item = loop {
            tokio::select! {
                item = events.next() => break item,
                _ = ticks.tick() => {}
            }
        };
        assert_eq!(phase(&item.unwrap().unwrap_err()).0, TimeoutPhase::Idle);
        assert_eq!(began.elapsed().as_secs(), 40, "{tick:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_asks_at_every_quarter_of_a_limit_waits() {
    let script = Script::new([Step::Answer(events(silent_for(10_000 * SECOND, EVENT)))]);
    let mut events = stream(&script.core()).idle_timeout(40 * SECOND).await.unwrap();
    let began = Instant::now();
    for _ in 0..4 {
        ask_once(events.next()).await;
        tokio::time::advance(10 * SECOND).await;
    }
    assert_eq!(phase(&events.next().await.unwrap().unwrap_err()).0, TimeoutPhase::Idle);
    assert_eq!(began.elapsed(), 40 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn limits_of_any_length_end_a_stall() {
    for limit in [1, 2, 7, 39, 41, 100, 999, 60_000, 86_400_000].map(Duration::from_millis) {
        let script = Script::new([Step::Answer(events(silent_for(limit * 3, EVENT)))]);
        let mut events = stream(&script.core()).idle_timeout(limit).await.unwrap();
        let began = Instant::now();
        assert_eq!(phase(&events.next().await.unwrap().unwrap_err()), (TimeoutPhase::Idle, Some(limit)));
        assert!(began.elapsed() >= limit && began.elapsed() <= limit + Duration::from_millis(2), "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_limit_beyond_the_end_of_time_is_none() {
    let script = Script::new([Step::Answer(events(silent_for(10 * SECOND, EVENT)))]);
    let mut events = stream(&script.core()).event_timeout(Duration::MAX).idle_timeout(Duration::MAX).await.unwrap();
    events.next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_error_in_place_of_a_generated_file_is_known_although_its_body_does_not_end() {
    for (wait, end) in [(600, None), (1, Some(Kind::Body))] {
        let error = r#"{"error":{"code":400,"message":"voice not found"}}"#;
        let body = slow_body(vec![(SECOND, error), (wait * SECOND, " ")], end);
        let core = Script::new([Step::Answer(json(body))]).core();
        let error = Call::<Download>::new(&core, Parts::new(&crate::support::POST)).await.unwrap_err();
        assert_eq!(error.as_api().unwrap().message(), "voice not found");
    }
}
