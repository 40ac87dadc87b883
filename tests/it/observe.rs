//! What hooks and their observers see of calls: each attempt that began, and the end of each call.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response};
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::wire::Json;
use openrouter_kit::core::{Call, Download, EventStream, OpenRouterCore, Parts, RetryConfig};
use openrouter_kit::errors::{Error, HookError, TimeoutPhase};
use openrouter_kit::helpers::Usd;
use openrouter_kit::hooks::{
    CallEnd, CallUsage, Hook, HookContext, HookFuture, Limiter, Observer, Outcome, RequestInput, Retry, RetryReason,
};
use tokio::time::Instant;

use crate::a_limit::tokio;
use crate::support::{POST, Script, Step, Thing, answer, body, get, post, response, slow_body, stream};

const OK: &str = r#"{"id":"one"}"#;
const SECOND: Duration = Duration::from_secs(1);

/// What an observer received at the end of a call.
#[derive(Clone, Debug, PartialEq)]
struct End {
    outcome: String,
    attempts: u32,
    status: Option<u16>,
    elapsed: Duration,
    time_to_head: Option<Duration>,
    time_to_first_event: Option<Duration>,
    events: u64,
    bytes_sent: u64,
    bytes_received: u64,
    generation_id: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    finish_reasons: Vec<String>,
    usage: CallUsage,
}

/// Keeps all it sees.
#[derive(Clone, Debug, Default)]
struct Watch {
    points: Arc<Mutex<Vec<String>>>,
    ends: Arc<Mutex<Vec<End>>>,
}

impl Watch {
    fn note(&self, point: impl Into<String>) {
        self.points.lock().unwrap().push(point.into());
    }

    fn points(&self) -> Vec<String> {
        std::mem::take(&mut *self.points.lock().unwrap())
    }

    /// The one end that was reported.
    #[track_caller]
    fn end(&self) -> End {
        let mut ends = std::mem::take(&mut *self.ends.lock().unwrap());
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends.remove(0)
    }

    fn core(&self, script: &Script) -> OpenRouterCore {
        script.client().hook(self.clone()).build().unwrap()
    }
}

impl Hook for Watch {
    fn before_create_request<'a>(&'a self, context: &'a HookContext, _: &'a mut RequestInput) -> HookFuture<'a, ()> {
        self.note(format!("begin {}", context.attempt()));
        Box::pin(async { Ok(()) })
    }

    fn after_success<'a>(&'a self, _: &'a HookContext, response: Response<Body>) -> HookFuture<'a, Response<Body>> {
        self.note(format!("after_success {}", response.status().as_u16()));
        Box::pin(async { Ok(response) })
    }

    fn after_error<'a>(
        &'a self,
        _: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        match &failure {
            Ok(response) => self.note(format!("after_error {}", response.status().as_u16())),
            Err(error) => self.note(format!("after_error {}", kind(error))),
        }
        Box::pin(async { failure })
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

impl Observer for Watch {
    fn request(&self, _: &HookContext, request: &Request<Body>) {
        self.note(format!("request {}", request.uri().path()));
    }

    fn response(&self, _: &HookContext, response: &Response<Body>) {
        self.note(format!("response {}", response.status().as_u16()));
    }

    fn chunk(&self, _: &HookContext, chunk: &Bytes) {
        self.note(format!("chunk {}", chunk.len()));
    }

    fn attempt_failed(&self, _: &HookContext, error: &Error, retry: Option<Retry>) {
        let retry = retry.map(|retry| retry.reason);
        self.note(format!("attempt_failed {} {retry:?}", kind(error)));
    }

    fn call_end(&self, _: &HookContext, end: &CallEnd<'_>) {
        let outcome = match end.outcome {
            Outcome::Completed => "completed".to_owned(),
            Outcome::Failed(error) => kind(error),
            Outcome::Dropped => "dropped".to_owned(),
            other => format!("{other:?}"),
        };
        self.note(format!("call_end {outcome}"));
        self.ends.lock().unwrap().push(End {
            outcome,
            attempts: end.attempts,
            status: end.status.map(|status| status.as_u16()),
            elapsed: end.elapsed,
            time_to_head: end.time_to_head,
            time_to_first_event: end.time_to_first_event,
            events: end.events,
            bytes_sent: end.bytes_sent,
            bytes_received: end.bytes_received,
            generation_id: end.generation_id.map(str::to_owned),
            model: end.model.map(str::to_owned),
            provider: end.provider.map(str::to_owned),
            finish_reasons: end.finish_reasons.to_vec(),
            usage: end.usage,
        });
    }
}

fn kind(error: &Error) -> String {
    match error {
        Error::Api(error) => format!("api {}", error.status().as_u16()),
        Error::Connection(_) => "connection".to_owned(),
        Error::Timeout(error) => format!("timeout {:?}", error.phase()),
        Error::InvalidRequest(error) => format!("invalid {}", error.argument()),
        Error::ResponseValidation(_) => "validation".to_owned(),
        Error::Hook(_) => "hook".to_owned(),
        _ => "other".to_owned(),
    }
}

fn download(core: &OpenRouterCore) -> Call<Download> {
    core.request(Method::GET, "/file").download()
}

fn events(chunks: Vec<(Duration, &'static str)>, end: Option<Kind>) -> Step {
    let mut events = response(200, "");
    events.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    events.headers_mut().insert("x-generation-id", "gen-7".parse().unwrap());
    *events.body_mut() = slow_body(chunks, end);
    Step::Late(SECOND, events)
}

async fn read(mut events: EventStream<Thing>) -> Vec<Result<Thing, Error>> {
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    all
}

// --- attempts -----------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_limit_of_the_call_ends_is_seen_to_end() {
    let watch = Watch::default();
    let script = Script::new([Step::Never]);
    let error = post(&watch.core(&script)).timeout(3 * SECOND).await.unwrap_err();
    assert_eq!(kind(&error), "timeout Total");
    assert_eq!((error.attempts(), error.elapsed()), (1, 3 * SECOND));
    let seen = [
        "begin 1",
        "request /api/v1/things",
        "after_error timeout Total",
        "attempt_failed timeout Total None",
        "call_end timeout Total",
    ];
    assert_eq!(watch.points(), seen);
    // Between two attempts none is under way.
    let script = Script::new([answer(503, "{}")]);
    post(&watch.core(&script)).timeout(Duration::from_millis(100)).await.unwrap_err();
    let seen = [
        "begin 1",
        "request /api/v1/things",
        "response 503",
        "chunk 2",
        "after_error 503",
        "attempt_failed api 503 Some(Status(503))",
        "call_end timeout Total",
    ];
    assert_eq!(watch.points(), seen);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_key_source_ends_is_seen_to_end() {
    let watch = Watch::default();
    let script = Script::new([]);
    let source = || async { Err::<String, _>(std::io::Error::other("no key")) };
    let core = script.client().api_key_source(source).hook(watch.clone()).build().unwrap();
    post(&core).await.unwrap_err();
    let expected = ["begin 1", "after_error invalid api_key_source", "attempt_failed invalid api_key_source None"];
    assert_eq!(watch.points()[..3], expected);
}

/// Fails or hangs at one point.
#[derive(Debug)]
struct Bad {
    point: &'static str,
    hangs: bool,
}

impl Bad {
    async fn at(&self, point: &str) -> Result<(), HookError> {
        match self.point == point {
            true if self.hangs => std::future::pending().await,
            true => Err(HookError::new("refused")),
            false => Ok(()),
        }
    }
}

impl Hook for Bad {
    fn before_create_request<'a>(&'a self, _: &'a HookContext, _: &'a mut RequestInput) -> HookFuture<'a, ()> {
        Box::pin(self.at("before_create_request"))
    }

    fn before_request<'a>(&'a self, _: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        Box::pin(self.at("before_request"))
    }

    fn after_success<'a>(&'a self, _: &'a HookContext, response: Response<Body>) -> HookFuture<'a, Response<Body>> {
        Box::pin(async { self.at("after_success").await.map(|()| response) })
    }

    fn after_error<'a>(
        &'a self,
        _: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        Box::pin(async {
            self.at("after_error").await?;
            failure
        })
    }
}

const POINTS: [(&str, u16); 4] =
    [("before_create_request", 200), ("before_request", 200), ("after_success", 200), ("after_error", 503)];

#[tokio::test(start_paused = true)]
async fn an_attempt_that_another_hook_ends_is_seen_to_end_once() {
    for (point, status) in POINTS {
        for is_first in [true, false] {
            let watch = Watch::default();
            let script = Script::new([answer(status, "{}")]);
            let bad = Bad { point, hangs: false };
            let client = script.client();
            let client =
                if is_first { client.hook(watch.clone()).hook(bad) } else { client.hook(bad).hook(watch.clone()) };
            assert_eq!(kind(&post(&client.build().unwrap()).await.unwrap_err()), "hook");
            let points = watch.points();
            let began = points.iter().filter(|point| point.starts_with("begin")).count();
            let ended = points.iter().filter(|point| point.starts_with("after_error")).count();
            assert_eq!(began, ended, "{point} {is_first} {points:?}");
            assert_eq!(points.last().unwrap(), "call_end hook");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_success_a_hook_rejected_is_not_seen_to_end_again_during_the_wait() {
    #[derive(Debug)]
    struct Reject;
    impl Hook for Reject {
        fn after_success<'a>(&'a self, _: &'a HookContext, _: Response<Body>) -> HookFuture<'a, Response<Body>> {
            Box::pin(async { Ok(response(503, "{}")) })
        }
    }
    let watch = Watch::default();
    let script = Script::new([answer(200, OK)]);
    let core = script.client().hook(Reject).hook(watch.clone()).build().unwrap();
    post(&core).timeout(Duration::from_millis(100)).await.unwrap_err();
    let points = watch.points();
    let failed: Vec<_> = points.iter().filter(|point| point.starts_with("attempt_failed")).collect();
    assert_eq!(failed, ["attempt_failed api 503 Some(Status(503))"], "{points:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hook_sees_an_attempt_end_once_even_if_another_hook_hangs_then() {
    let (first, last) = (Watch::default(), Watch::default());
    let script = Script::new([answer(503, "{}")]);
    let bad = Bad { point: "after_error", hangs: true };
    let core = script.client().hook(first.clone()).hook(bad).hook(last.clone()).build().unwrap();
    let error = post(&core).timeout(SECOND).await.unwrap_err();
    assert_eq!(kind(&error), "timeout Total");
    for (watch, expected) in [(first, "after_error 503"), (last, "after_error timeout Total")] {
        let points = watch.points();
        let ended: Vec<_> = points.iter().filter(|point| point.starts_with("after_error")).collect();
        assert_eq!(ended, [expected], "{points:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_or_a_key_source_that_never_finishes_ends_with_its_limit() {
    for (point, status) in POINTS {
        let script = Script::new([answer(status, "{}"), answer(status, "{}")]);
        let core = script.client().hook(Bad { point, hangs: true }).build().unwrap();
        let began = Instant::now();
        let error = post(&core).await.unwrap_err();
        assert_eq!((kind(&error), began.elapsed()), ("timeout Hook".to_owned(), 600 * SECOND), "{point}");
        assert!(error.to_string().contains("hook_timeout"), "{error}");
        assert_eq!(error.attempts(), 1, "it is not retried");
        let began = Instant::now();
        post(&core).hook_timeout(2 * SECOND).await.unwrap_err();
        assert_eq!(began.elapsed(), 2 * SECOND, "{point}");
    }
    let script = Script::new([]);
    let source = || std::future::pending::<Result<String, std::io::Error>>();
    let core = script.client().api_key_source(source).build().unwrap();
    assert_eq!(kind(&post(&core).await.unwrap_err()), "timeout Hook");
    let began = Instant::now();
    let error = post(&core).hook_timeout(None).timeout(3600 * SECOND).await.unwrap_err();
    assert_eq!((kind(&error), began.elapsed()), ("timeout Total".to_owned(), 3600 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_does_not_hold_up_a_call_whose_time_is_up() {
    let script = Script::new([Step::Never]);
    let core = script.client().hook(Bad { point: "after_error", hangs: true }).build().unwrap();
    let began = Instant::now();
    let error = post(&core).timeout(5 * SECOND).await.unwrap_err();
    assert_eq!((kind(&error), began.elapsed()), ("timeout Total".to_owned(), 6 * SECOND));
}

#[test]
fn the_debug_log_has_a_line_for_each_attempt_that_began() {
    let mut command = crate::support::child("observe::debug_probe");
    let output = command.env("OPENROUTER_DEBUG", "1").env("OPENROUTER_API_KEY", "sk-secret").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = log.lines().filter(|line| line.starts_with("openrouter: ")).collect();
    // A stream that is dropped had a response.
    let expected = ["raise `timeout`", "503", "hook", "`api_key_source`", "dropped by the program", ": 200 OK after"];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, part) in lines.iter().zip(expected) {
        assert!(line.contains("attempt 1: POST") && line.contains(part), "{part} in {line}");
    }
    assert!(!log.contains("sk-secret"));
}

#[tokio::test(start_paused = true)]
#[ignore = "a part of the test of the debug log"]
async fn debug_probe() {
    let client = |script: &Script| OpenRouterCore::builder().env().transport(script.clone());
    let script = Script::new([Step::Never]);
    let _ = post(&client(&script).build().unwrap()).timeout(SECOND).await;
    // Turned into a success by another hook.
    #[derive(Debug)]
    struct Cached;
    impl Hook for Cached {
        fn after_error<'a>(
            &'a self,
            _: &'a HookContext,
            _: Result<Response<Body>, Error>,
        ) -> HookFuture<'a, Response<Body>, Error> {
            Box::pin(async { Ok(response(200, OK)) })
        }
    }
    let script = Script::new([answer(503, "{}")]);
    post(&client(&script).hook(Cached).build().unwrap()).await.unwrap();
    let hook = Bad { point: "before_create_request", hangs: false };
    let _ = post(&client(&script).hook(hook).build().unwrap()).await;
    let source = || async { Err::<String, _>(std::io::Error::other("no key")) };
    let _ = post(&client(&script).api_key_source(source).build().unwrap()).await;
    let script = Script::new([Step::Never]);
    let _ = tokio::time::timeout(SECOND, post(&client(&script).build().unwrap())).await;
    let script = Script::new([events(vec![(SECOND, "data: {}\n\n"), (SECOND, "data: [DONE]\n\n")], None)]);
    drop(stream(&client(&script).build().unwrap()).await.unwrap());
}

// --- the context --------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_call_has_an_id_and_a_state_of_its_own_on_all_attempts() {
    #[derive(Default)]
    struct Count(Mutex<(u32, Option<Arc<()>>)>);

    #[derive(Clone, Debug, Default)]
    struct Look(Arc<Mutex<Vec<(u64, u32, u32)>>>, Arc<()>);
    impl Hook for Look {
        fn before_request<'a>(&'a self, context: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
            let state = context.state::<Count>();
            let mut state = state.0.lock().unwrap();
            state.0 += 1;
            state.1 = Some(self.1.clone());
            self.0.lock().unwrap().push((context.call_id(), context.attempt(), state.0));
            Box::pin(async { Ok(()) })
        }
    }

    let look = Look::default();
    let script = Script::new([answer(503, "{}"), answer(503, "{}"), answer(200, OK), answer(200, OK)]);
    let core = script.client().hook(look.clone()).build().unwrap();
    let (one, two) = tokio::join!(post(&core), post(&core));
    one.unwrap();
    two.unwrap();
    let seen = look.0.lock().unwrap().clone();
    let ids: HashSet<u64> = seen.iter().map(|(id, ..)| *id).collect();
    assert_eq!((seen.len(), ids.len()), (4, 2), "{seen:?}");
    assert!(seen.iter().all(|(_, attempt, count)| attempt == count), "{seen:?}");
    assert_eq!(Arc::strong_count(&look.1), 2, "the state is dropped with the call");

    script.add(events(vec![(SECOND, "data: {}\n\ndata: [DONE]\n\n")], None));
    let mut events = stream(&core).await.unwrap();
    assert_eq!(Arc::strong_count(&look.1), 3);
    while events.next().await.is_some() {}
    assert_eq!(Arc::strong_count(&look.1), 2, "a stream that was read to its end is over, though it still exists");
    drop(events);
}

#[tokio::test(start_paused = true)]
async fn the_wait_before_a_retry_and_its_reason_are_told() {
    #[derive(Clone, Debug, Default)]
    struct Look(Arc<Mutex<Vec<Option<Retry>>>>);
    impl Hook for Look {
        fn before_request<'a>(&'a self, context: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
            self.0.lock().unwrap().push(context.retry());
            Box::pin(async { Ok(()) })
        }
    }
    let look = Look::default();
    let script =
        Script::new([answer(503, "{}"), Step::Fail(Kind::Connect), Step::Fail(Kind::ConnectTimeout), answer(200, OK)]);
    let config = RetryConfig::backoff().max_attempts(4);
    post(&script.client().retry_config(config).hook(look.clone()).build().unwrap()).await.unwrap();
    let seen = look.0.lock().unwrap().clone();
    assert_eq!(seen[0], None);
    let reasons: Vec<_> = seen.iter().flatten().map(|retry| retry.reason).collect();
    assert_eq!(
        reasons,
        [
            RetryReason::Status(http::StatusCode::SERVICE_UNAVAILABLE),
            RetryReason::Connection(Kind::Connect),
            RetryReason::Timeout(TimeoutPhase::Connect),
        ]
    );
    let waits: Vec<_> = seen.iter().flatten().map(|retry| retry.wait).collect();
    for (reported, waited) in waits.iter().zip(script.waits()) {
        assert!(waited.abs_diff(*reported) < Duration::from_millis(2), "{reported:?} {waited:?}");
    }
}

// --- the end of a call --------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn the_end_of_a_call_tells_how_it_went() {
    let watch = Watch::default();
    let result = r#"{"id":"gen-1","model":"a/b","provider":"Acme","choices":[{"finish_reason":"stop"}],
        "usage":{"prompt_tokens":11,"completion_tokens":7,"cost":0.00014,
        "prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},
        "completion_tokens_details":{"reasoning_tokens":5}}}"#;
    let script = Script::new([answer(503, "{}"), Step::Late(2 * SECOND, response(200, result))]);
    post(&watch.core(&script)).await.unwrap();
    let end = watch.end();
    assert_eq!((&*end.outcome, end.attempts, end.status), ("completed", 2, Some(200)));
    assert!(end.elapsed >= 2 * SECOND && end.elapsed < 4 * SECOND, "{end:?}");
    assert_eq!(end.time_to_head, Some(end.elapsed));
    assert_eq!(end.bytes_sent, 2 * r#"{"model":"a/b","stream":false}"#.len() as u64);
    assert_eq!(end.bytes_received, 2 + result.len() as u64);
    assert_eq!(end.generation_id.as_deref(), Some("gen-1"));
    assert_eq!((end.model.as_deref(), end.provider.as_deref()), (Some("a/b"), Some("Acme")));
    assert_eq!(end.finish_reasons, ["stop"]);
    let usage = end.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.reasoning_tokens), (Some(11), Some(7), Some(5)));
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(3), Some(2)));
    assert_eq!(usage.cost, Some("0.00014".parse().unwrap()));
    assert_eq!(usage.total_tokens(), 18);
}

#[tokio::test(start_paused = true)]
async fn every_call_that_fails_ends_once_with_its_error() {
    let cases = [
        (answer(400, "{}"), "api 400"),
        (Step::Fail(Kind::Exchange), "connection"),
        (Step::Never, "timeout Response"),
        (answer(200, r#"{"error":{"code":402,"message":"no"}}"#), "api 200"),
        (answer(200, r#"{"mismatch":1}"#), "validation"),
        (answer(200, "<html>"), "validation"),
        (answer(307, ""), "other"),
    ];
    for (step, outcome) in cases {
        let watch = Watch::default();
        let error = post(&watch.core(&Script::new([step]))).await.unwrap_err();
        assert_eq!(kind(&error), outcome);
        assert_eq!(watch.end().outcome, outcome);
    }
    let watch = Watch::default();
    post(&watch.core(&Script::new([]))).header("a b", "c").await.unwrap_err();
    assert!(watch.points().is_empty(), "what is wrong in the program reaches no hook");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_its_head_ends_as_dropped() {
    for step in [Step::Never, answer(503, "{}")] {
        let watch = Watch::default();
        let core = watch.core(&Script::new([step]));
        assert!(tokio::time::timeout(Duration::from_millis(200), post(&core)).await.is_err());
        assert_eq!(watch.end().outcome, "dropped");
    }
    let watch = Watch::default();
    drop(post(&watch.core(&Script::new([]))));
    assert!(watch.points().is_empty(), "a call that was never polled did not begin");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_it_was_read() {
    let chunks = vec![
        (SECOND, ": PROCESSING\n\n"),
        (SECOND, "data: {\"id\":\"gen-1\",\"model\":\"a/b\",\"provider\":\"Acme\",\"choices\":[]}\n\n"),
        (
            SECOND,
            "data: {\"choices\":[{\"index\":1,\"finish_reason\": \"length\"},{\"index\":0,\"finish_reason\":null}]}\n\n",
        ),
        (
            SECOND,
            "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"cost\":1e-7}}\n\n",
        ),
        (SECOND, "data: [DONE]\n\n"),
    ];
    let received: u64 = chunks.iter().map(|(_, chunk)| chunk.len() as u64).sum();
    let watch = Watch::default();
    let events = stream(&watch.core(&Script::new([events(chunks, None)]))).await.unwrap();
    assert!(watch.ends.lock().unwrap().is_empty(), "it has only begun");
    assert_eq!(read(events).await.len(), 3);
    let end = watch.end();
    assert_eq!((&*end.outcome, end.events, end.bytes_received), ("completed", 3, received));
    assert_eq!((end.time_to_head, end.time_to_first_event), (Some(SECOND), Some(3 * SECOND)));
    assert_eq!(end.elapsed, 6 * SECOND);
    assert_eq!(end.generation_id.as_deref(), Some("gen-7"), "the header counts first");
    assert_eq!((end.model.as_deref(), end.provider.as_deref()), (Some("a/b"), Some("Acme")));
    assert_eq!(end.finish_reasons, ["stop", "length"]);
    assert_eq!(end.usage.cost, Some("0.0000001".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_or_reports_an_error_ends_with_it() {
    let broken = events(vec![(SECOND, "data: {\"n\":1}\n\n")], Some(Kind::Body));
    let cut = events(vec![(SECOND, "data: {\"n\":1}\n\n")], None);
    let reported = events(
        vec![(SECOND, "data: {\"error\":{\"code\":502,\"message\":\"no\"}}\n\n"), (SECOND, "data: [DONE]\n\n")],
        None,
    );
    let odd = events(vec![(SECOND, "data: {oops\n\n"), (SECOND, "data: {}\n\ndata: [DONE]\n\n")], None);
    let silent = events(vec![(400 * SECOND, "data: {}\n\n")], None);
    for (step, outcome) in [
        (broken, "connection"),
        (cut, "connection"),
        (reported, "api 200"),
        (odd, "validation"),
        (silent, "timeout Idle"),
    ] {
        let watch = Watch::default();
        let items = read(stream(&watch.core(&Script::new([step]))).await.unwrap()).await;
        let error = items.iter().find_map(|item| item.as_ref().err()).unwrap();
        assert_eq!(kind(error), outcome);
        assert_eq!(watch.end().outcome, outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_ends_as_what_it_was() {
    let unfinished = vec![(SECOND, "data: {\"n\":1}\n\n"), (SECOND, "data: [DONE]\n\n")];
    let complete = vec![(SECOND, "data: {\"type\":\"completed\"}\n\n"), (SECOND, "data: [DONE]\n\n")];
    let failed =
        vec![(SECOND, "data: {\"error\":{\"code\":502,\"message\":\"no\"}}\n\n"), (SECOND, "data: [DONE]\n\n")];
    for (chunks, outcome) in [(unfinished, "dropped"), (complete, "completed"), (failed, "api 200")] {
        let watch = Watch::default();
        let mut events = stream(&watch.core(&Script::new([events(chunks, None)]))).await.unwrap();
        let _ = events.next().await.unwrap();
        assert!(watch.ends.lock().unwrap().is_empty());
        drop(events);
        assert_eq!(watch.end().outcome, outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn no_event_of_an_unknown_protocol_completes_its_stream() {
    let chunks = vec![(SECOND, "data: {\"n\":1}\n\n"), (SECOND, "data: {\"n\":2}\n\n")];
    for (read, outcome) in [(1, "dropped"), (2, "dropped"), (3, "completed")] {
        let watch = Watch::default();
        let core = watch.core(&Script::new([events(chunks.clone(), None)]));
        let mut events: EventStream<Json> = Call::new(&core, Parts::new(&POST)).await.unwrap();
        for _ in 0..read {
            events.next().await.transpose().unwrap();
        }
        drop(events);
        assert_eq!(watch.end().outcome, outcome, "{read}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_raw_stream_and_a_json_value_in_place_of_one_are_seen_too() {
    let usage = "data: {\"model\":\"a/b\",\"usage\":{\"input_tokens\":3}}\n\n";
    for (last, outcome) in
        [("data: [DONE]\n\n", "completed"), ("data: {\"error\":{\"message\":\"no\"}}\n\n", "api 200")]
    {
        let watch = Watch::default();
        let core = watch.core(&Script::new([events(vec![(SECOND, usage), (SECOND, last)], None)]));
        let mut raw = stream(&core).raw().await.unwrap();
        while let Some(event) = raw.next().await {
            event.unwrap();
        }
        let end = watch.end();
        assert_eq!((&*end.outcome, end.model.as_deref(), end.usage.input_tokens), (outcome, Some("a/b"), Some(3)));
    }
    let watch = Watch::default();
    let core = watch.core(&Script::new([answer(200, r#"{"model":"a/b"}"#)]));
    assert_eq!(kind(&stream(&core).await.unwrap_err()), "validation");
    assert_eq!(watch.end().outcome, "validation");
}

#[tokio::test(start_paused = true)]
async fn a_download_ends_when_it_was_read_dropped_or_broken() {
    let file = |end| {
        let mut file = response(200, "");
        *file.body_mut() = slow_body(vec![(SECOND, "abc"), (SECOND, "defg")], end);
        Step::Answer(file)
    };
    for (end, dropped, outcome, received) in
        [(None, false, "completed", 7), (Some(Kind::Body), false, "connection", 7), (None, true, "dropped", 3)]
    {
        let watch = Watch::default();
        let mut file = download(&watch.core(&Script::new([file(end)]))).await.unwrap();
        if dropped {
            file.next().await.unwrap().unwrap();
            drop(file);
        } else {
            let _ = file.collect().await;
        }
        let end = watch.end();
        assert_eq!((&*end.outcome, end.bytes_received), (outcome, received));
        assert_eq!(end.time_to_first_event, Some(SECOND));
    }
    let watch = Watch::default();
    let file = download(&watch.core(&Script::new([file(None)]))).await.unwrap();
    file.save_to("/nowhere/at/all").await.unwrap_err();
    assert_eq!(watch.end().outcome, "other");
}

#[tokio::test(start_paused = true)]
async fn usage_is_found_by_its_names_whatever_the_protocol() {
    // Responses, Messages, embeddings, transcription; and resources that are not generations.
    let cases = [
        (
            r#"{"id":"r","object":"response","status":"completed","model":"m","usage":{"input_tokens":4,"output_tokens":5,"cost":0.1}}"#,
            (Some(4), Some(5)),
            Some("r"),
        ),
        (
            r#"{"id":"c","type":"message","model":"m","stop_reason":"end_turn","usage":{"input_tokens":4,"output_tokens":5,"cache_read_input_tokens":10,"cache_creation_input_tokens":1,"cost":0.1}}"#,
            (Some(15), Some(5)),
            Some("c"),
        ),
        (
            r#"{"model":"m","data":[{"embedding":[1,2]}],"usage":{"prompt_tokens":8,"total_tokens":8,"cost":"0.1"}}"#,
            (Some(8), None),
            None,
        ),
        (r#"{"model":"m","text":"hi","usage":{"input_tokens":2.0,"seconds":3,"cost":1e-1}}"#, (Some(2), None), None),
    ];
    for (body, (input, output), id) in cases {
        let watch = Watch::default();
        post(&watch.core(&Script::new([answer(200, body)]))).await.unwrap();
        let end = watch.end();
        assert_eq!((end.usage.input_tokens, end.usage.output_tokens), (input, output), "{body}");
        assert_eq!(end.usage.cost, Some("0.1".parse().unwrap()), "{body}");
        assert_eq!((end.generation_id.as_deref(), end.model.as_deref()), (id, Some("m")), "{body}");
    }
    for body in [r#"{"id":"key-1","usage":12.5}"#, r#"{"data":{"id":"gen-1","model":"m","usage":0.1}}"#, "[]", "{"] {
        let watch = Watch::default();
        let _ = get(&watch.core(&Script::new([answer(200, body)]))).raw().await;
        let end = watch.end();
        assert_eq!((end.usage, end.generation_id, end.model), (CallUsage::default(), None, None), "{body}");
    }
    // A Messages stream reports its usage in two events.
    let chunks = vec![
        (
            SECOND,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg\",\"model\":\"m\",\"usage\":{\"input_tokens\":4,\"cache_read_input_tokens\":6,\"output_tokens\":1}}}\n\n",
        ),
        (
            SECOND,
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9,\"cost\":0.2}}\n\n",
        ),
        (SECOND, "data: {\"type\":\"completed\"}\n\n"),
    ];
    let watch = Watch::default();
    read(stream(&watch.core(&Script::new([events(chunks, None)]))).await.unwrap()).await;
    let end = watch.end();
    assert_eq!((end.usage.input_tokens, end.usage.output_tokens), (Some(10), Some(9)));
    assert_eq!((end.finish_reasons, end.usage.cost), (vec!["end_turn".to_owned()], Some("0.2".parse().unwrap())));
}

#[tokio::test(start_paused = true)]
async fn the_id_and_the_finish_reasons_are_found_whatever_the_protocol() {
    let cases: [(&str, Option<&str>, &[&str]); 11] = [
        // Responses: the reason if it is incomplete, otherwise the status once it is final.
        (r#"{"id":"r","object":"response","status":"completed","model":"m"}"#, Some("r"), &["completed"]),
        (r#"{"id":"r","object":"response","status":"failed","model":"m"}"#, Some("r"), &["failed"]),
        (r#"{"id":"r","object":"response","status":"in_progress","model":"m"}"#, Some("r"), &[]),
        (r#"{"id":"r","object":"response","status":"queued","model":"m"}"#, Some("r"), &[]),
        (
            r#"{"id":"r","object":"response","status":"incomplete","incomplete_details":{"reason":"content_filter"},
                "model":"m"}"#,
            Some("r"),
            &["content_filter"],
        ),
        // Messages.
        (r#"{"id":"c","type":"message","stop_reason":"end_turn","model":"m"}"#, Some("c"), &["end_turn"]),
        // The status of another object is not a reason, and only generations have an id here.
        (r#"{"id":"b","object":"batch","status":"completed","model":"m"}"#, Some("b"), &[]),
        (r#"{"id":"g","usage":{"input_tokens":1}}"#, Some("g"), &[]),
        (r#"{"id":"key","status":"completed"}"#, None, &[]),
        // The response in an event counts, but nothing further inside.
        (r#"{"type":"x","response":{"id":"r","model":"m"}}"#, Some("r"), &[]),
        (
            r#"{"response":{"message":{"id":"deep","model":"m","stop_reason":"odd"},"delta":{"stop_reason":"odd"}}}"#,
            None,
            &[],
        ),
    ];
    for (body, id, reasons) in cases {
        let watch = Watch::default();
        post(&watch.core(&Script::new([answer(200, body)]))).await.unwrap();
        let end = watch.end();
        assert_eq!(end.generation_id.as_deref(), id, "{body}");
        assert_eq!(end.finish_reasons, reasons, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_has_a_name_of_at_most_512_bytes() {
    for (length, is_name) in [(510, true), (511, false), (600, false)] {
        let watch = Watch::default();
        let body = format!(r#"{{"model":"{}"}}"#, "m".repeat(length));
        post(&watch.core(&Script::new([answer(200, &body)]))).await.unwrap();
        assert_eq!(watch.end().model.is_some(), is_name, "{length} and two quotes");
    }
    for body in [r#"{"model":5}"#, r#"{"model":null}"#, r#"{"model":{}}"#, r#"{"model":""}"#] {
        let watch = Watch::default();
        post(&watch.core(&Script::new([answer(200, body)]))).await.unwrap();
        assert_eq!(watch.end().model, None, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_event_and_the_last_eight_short_ones_tell_about_a_stream() {
    const MEBIBYTE: usize = 1 << 20;
    let named = |name: &str, length: usize| {
        let start = format!(r#"{{"model":"{name}","pad":""#);
        format!("data: {start}{}\"}}\n\n", "x".repeat(length.saturating_sub(start.len() + 2)))
    };
    for (length, after, model) in [
        (0, 0, "late"),
        (0, 7, "late"),
        (0, 8, "first"),
        (MEBIBYTE, 0, "late"),
        (MEBIBYTE + 1, 0, "first"),
        (MEBIBYTE * 2, 0, "first"),
    ] {
        let text = format!("{}{}{}", named("first", 0), named("late", length), "data: {}\n\n".repeat(after));
        let chunks = vec![(SECOND, &*text.leak()), (SECOND, "data: [DONE]\n\n")];
        let watch = Watch::default();
        read(stream(&watch.core(&Script::new([events(chunks, None)]))).await.unwrap()).await;
        assert_eq!(watch.end().model.as_deref(), Some(model), "{length} bytes, {after} events after it");
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_of_an_observed_response_keeps_its_length_and_its_end() {
    use http_body::Body as _;

    /// What a hook sees of a body: whether it is over, and its length.
    #[derive(Clone, Debug, Default)]
    struct Look(Arc<Mutex<Vec<Seen>>>);
    type Seen = (bool, Option<u64>);
    impl Hook for Look {
        fn after_success<'a>(&'a self, _: &'a HookContext, response: Response<Body>) -> HookFuture<'a, Response<Body>> {
            let body = response.body();
            self.0.lock().unwrap().push((body.is_end_stream(), body.size_hint().exact()));
            Box::pin(async { Ok(response) })
        }
    }

    let (look, watch) = (Look::default(), Watch::default());
    for text in [OK, ""] {
        let mut received = response(200, "");
        *received.body_mut() = Body::wrap(Body::from(text));
        let script = Script::new([Step::Answer(received)]);
        let core = script.client().hook(watch.clone()).hook(look.clone()).build().unwrap();
        let _ = post(&core).await;
    }
    assert_eq!(*look.0.lock().unwrap(), [(false, Some(OK.len() as u64)), (true, Some(0))]);
}

#[tokio::test(start_paused = true)]
async fn observers_see_each_attempt_as_the_transport_does() {
    let watch = Watch::default();
    let mut slow = response(200, "");
    *slow.body_mut() = slow_body(vec![(SECOND, "{\"id\":"), (SECOND, "\"one\"}")], None);
    let script = Script::new([answer(503, "{}"), Step::Answer(slow)]);
    post(&watch.core(&script)).await.unwrap();
    assert_eq!(
        watch.points(),
        [
            "begin 1",
            "request /api/v1/things",
            "response 503",
            "chunk 2",
            "after_error 503",
            "attempt_failed api 503 Some(Status(503))",
            "begin 2",
            "request /api/v1/things",
            "response 200",
            "after_success 200",
            "chunk 6",
            "chunk 6",
            "call_end completed",
        ]
    );
}

// --- the limiter --------------------------------------------------------------------------------

fn costing(cost: &str, tokens: u32) -> Step {
    let body = format!(r#"{{"model":"m","usage":{{"prompt_tokens":{tokens},"completion_tokens":0,"cost":{cost}}}}}"#);
    Step::Answer(response(200, &body))
}

fn limited(script: &Script, limiter: &Limiter) -> OpenRouterCore {
    script.client().hook(limiter.clone()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_limiter_admits_so_many_calls_at_once_in_the_order_they_came() {
    let steps = (0..9).map(|_| Step::Late(10 * SECOND, response(200, OK)));
    let script = Script::new(steps);
    let core = limited(&script, &Limiter::new().calls(3));
    let began = Instant::now();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    for number in 0..9 {
        let (core, order) = (core.clone(), order.clone());
        calls.push(tokio::spawn(async move {
            post(&core).await.unwrap();
            order.lock().unwrap().push((number, began.elapsed().as_secs()));
        }));
        tokio::task::yield_now().await;
    }
    for call in calls {
        call.await.unwrap();
    }
    let order = order.lock().unwrap().clone();
    let expected: Vec<_> = (0..9).map(|number| (number, 10 * (number / 3 + 1))).collect();
    assert_eq!(order, expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_its_place_back() {
    let script =
        Script::new([Step::Never, answer(200, OK), events(vec![(SECOND, "data: {}\n\n")], None), answer(200, OK)]);
    let core = limited(&script, &Limiter::new().calls(1));
    let first = tokio::spawn(post(&core).into_future());
    tokio::task::yield_now().await;
    // One that waits, and is dropped there.
    assert!(tokio::time::timeout(SECOND, post(&core)).await.is_err());
    let third = tokio::spawn(post(&core).into_future());
    tokio::task::yield_now().await;
    first.abort();
    third.await.unwrap().unwrap();
    // A stream holds its place until it is dropped.
    let held = stream(&core).await.unwrap();
    assert!(tokio::time::timeout(SECOND, post(&core)).await.is_err());
    drop(held);
    post(&core).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_keeps_the_place_of_its_call_and_counts_as_a_request() {
    let script = Script::new([answer(503, "{}"), answer(200, OK), answer(200, OK)]);
    let core = limited(&script, &Limiter::new().calls(1).requests_per_minute(2));
    let (one, two) = tokio::join!(post(&core), post(&core));
    one.unwrap();
    two.unwrap();
    let waits = script.waits();
    assert!(waits[0] < SECOND && waits[0] + waits[1] >= 60 * SECOND, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limiter_spreads_requests_over_minutes() {
    let script = Script::new((0..7).map(|_| answer(200, OK)));
    let core = limited(&script, &Limiter::new().requests_per_minute(3));
    let calls = (0..7).map(|_| tokio::spawn(post(&core).into_future())).collect::<Vec<_>>();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let sent = script.sent();
    let at = |n: usize| (sent[n].at - sent[0].at).as_secs();
    assert_eq!([at(2), at(3), at(5), at(6)], [0, 60, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_counts_each_request_once_for_a_minute() {
    let script = Script::new((0..5).map(|_| answer(200, OK)));
    let core = limited(&script, &Limiter::new().requests_per_minute(2));
    for pause in [0, 30, 10, 0, 0] {
        tokio::time::sleep(pause * SECOND).await;
        post(&core).await.unwrap();
    }
    let waits: Vec<_> = script.waits().iter().map(Duration::as_secs).collect();
    assert_eq!(waits, [30, 30, 30, 30], "at 0, 30, 60, 90 and 120 seconds");
}

#[tokio::test(start_paused = true)]
async fn a_limiter_waits_until_tokens_are_a_minute_old() {
    let script = Script::new([costing("0", 60), costing("0", 50), costing("0", 1), costing("0", 1)]);
    let core = limited(&script, &Limiter::new().tokens_per_minute(100));
    post(&core).await.unwrap();
    tokio::time::sleep(20 * SECOND).await;
    for _ in 0..3 {
        post(&core).await.unwrap();
    }
    let waits: Vec<_> = script.waits().iter().map(Duration::as_secs).collect();
    assert_eq!(waits, [20, 40, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_daily_budget_is_exact_and_ends_at_midnight() {
    let limiter = Limiter::new().dollars_per_day("0.3".parse().unwrap());
    let script = Script::new((0..4).map(|_| costing("0.1", 1)));
    let core = limited(&script, &limiter);
    let noon = 36 * 3600 - SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() % (24 * 3600);
    tokio::time::sleep(Duration::from_secs(noon)).await;
    for _ in 0..3 {
        post(&core).await.unwrap();
    }
    assert_eq!(limiter.spent_today(), "0.3".parse::<Usd>().unwrap());
    let error = post(&core).await.unwrap_err();
    assert_eq!(kind(&error), "hook");
    assert!(format!("{error:?}").contains("0.3 dollars"), "{error:?}");
    assert!(!error.is_retryable());
    assert_eq!(script.sent().len(), 3);
    tokio::time::sleep((12 * 3600 - 5) * SECOND).await;
    assert_eq!(limiter.spent_today(), "0.3".parse::<Usd>().unwrap(), "just before midnight (UTC)");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(limiter.spent_today(), Usd::ZERO, "just after midnight");
    post(&core).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_limiter_is_shared_by_its_clones_and_by_clients() {
    let limiter = Limiter::new().calls(1);
    let script = Script::new([Step::Late(SECOND, response(200, OK)), Step::Late(SECOND, response(200, OK))]);
    let (one, two) = (limited(&script, &limiter), limited(&script, &limiter));
    let began = Instant::now();
    let (one, two) = tokio::join!(post(&one), post(&two));
    one.unwrap();
    two.unwrap();
    assert_eq!(began.elapsed(), 2 * SECOND);
    assert!(format!("{limiter:?}").contains("free_calls: Some(1)"), "{limiter:?}");
}

// --- over real sockets --------------------------------------------------------------------------

#[cfg(feature = "mock")]
#[tokio::test]
async fn a_stream_over_a_socket_is_seen_to_its_end() {
    use openrouter_kit::mock::{Answer, Fault, MockServer, Place};
    use serde_json::json;
    let server = MockServer::start().await;
    let events = || [json!({"model": "a/b"}), json!({"type": "completed", "usage": {"input_tokens": 1, "cost": 0.5}})];
    server.answer(Answer::stream(events()));
    server.answer(Answer::stream(events()).fault(Fault::Reset, Place::InEvent));
    server.answer(Answer::bytes(200, vec![7; 100_000]));
    let watch = Watch::default();
    let core = crate::support::impatient(server.url()).hook(watch.clone()).build().unwrap();
    let call = || Call::<EventStream<Thing>>::new(&core, Parts::new(&POST).json(&body()).stream(true));
    read(call().await.unwrap()).await;
    let end = watch.end();
    assert_eq!((&*end.outcome, end.events, end.usage.input_tokens), ("completed", 2, Some(1)));
    assert!(end.time_to_head <= end.time_to_first_event && end.time_to_first_event <= Some(end.elapsed), "{end:?}");
    read(call().await.unwrap()).await;
    assert_eq!(watch.end().outcome, "connection");
    assert_eq!(download(&core).await.unwrap().collect().await.unwrap().len(), 100_000);
    let end = watch.end();
    assert_eq!((&*end.outcome, end.bytes_received, end.status), ("completed", 100_000, Some(200)));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_end_a_hook_holds_up_has_failed_for_observers() {
    for hangs_last in [true, false] {
        let watch = Watch::default();
        let bad = Bad { point: "after_error", hangs: true };
        let client = Script::new([answer(503, "{}")]).client();
        let client =
            if hangs_last { client.hook(watch.clone()).hook(bad) } else { client.hook(bad).hook(watch.clone()) };
        post(&client.build().unwrap()).timeout(SECOND).await.unwrap_err();
        let points = watch.points();
        assert!(points.contains(&"attempt_failed timeout Total None".to_owned()), "{points:?}");
    }
}
