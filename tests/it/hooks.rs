//! Each sentence of the contract in the documentation of the module `hooks` and of the trait `Hook`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, Step, answer, get, post, response, slow_body, stream, with_header};
use http::{HeaderValue, Request, Response, StatusCode};
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::{ClientConfig, RetryConfig};
use openrouter_kit::errors::{ApiErrorKind, Error, HookError};
use openrouter_kit::hooks::{Hook, HookContext, HookFuture, RequestInput};

const OK: &str = r#"{"id":"one"}"#;

type Log = Arc<Mutex<Vec<String>>>;

/// Records each point at which it is called, and fails at one if asked to.
#[derive(Clone, Debug)]
struct Note {
    name: &'static str,
    log: Log,
    /// The point, or the point and what the log says of it.
    fails_at: &'static str,
}

impl Note {
    fn new(name: &'static str, log: &Log) -> Self {
        Self { name, log: log.clone(), fails_at: "" }
    }

    fn failing(name: &'static str, log: &Log, fails_at: &'static str) -> Self {
        Self { name, log: log.clone(), fails_at }
    }

    fn at(&self, point: &'static str, detail: impl std::fmt::Display) -> Result<(), HookError> {
        self.log.lock().unwrap().push(format!("{} {point} {detail}", self.name));
        let fails = self.fails_at == point || self.fails_at == format!("{point} {detail}");
        if fails { Err(HookError::new(format!("{} refuses", self.name))) } else { Ok(()) }
    }
}

impl Hook for Note {
    fn sdk_init(&self, _: &mut ClientConfig) -> Result<(), HookError> {
        self.at("sdk_init", "")
    }

    fn before_create_request<'a>(&'a self, context: &'a HookContext, _: &'a mut RequestInput) -> HookFuture<'a, ()> {
        Box::pin(async { self.at("before_create_request", context.attempt()) })
    }

    fn before_request<'a>(&'a self, context: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        Box::pin(async { self.at("before_request", context.attempt()) })
    }

    fn after_success<'a>(&'a self, _: &'a HookContext, response: Response<Body>) -> HookFuture<'a, Response<Body>> {
        Box::pin(async move {
            self.at("after_success", response.status().as_u16())?;
            Ok(response)
        })
    }

    fn after_error<'a>(
        &'a self,
        _: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        Box::pin(async move {
            match &failure {
                Ok(response) => self.at("after_error", response.status().as_u16())?,
                Err(error) if error.is_connection() => self.at("after_error", "connection")?,
                Err(error) if error.is_timeout() => self.at("after_error", "timeout")?,
                Err(_) => self.at("after_error", "other")?,
            }
            failure
        })
    }
}

fn lines(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap()).into_iter().filter(|line| !line.contains("sdk_init")).collect()
}

#[track_caller]
fn reason(error: &Error) -> String {
    let Error::Hook(error) = error else { panic!("{error:?}") };
    std::error::Error::source(error).unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn hooks_run_at_each_point_of_every_attempt_in_the_order_they_were_added() {
    let log = Log::default();
    let script = Script::new([answer(503, "{}"), Step::Fail(Kind::Connect), answer(200, OK)]);
    let core = script.client().hook(Note::new("one", &log)).hook(Note::new("two", &log)).build().unwrap();
    post(&core).await.unwrap();
    let mut expected = Vec::new();
    for (attempt, last) in [(1, "after_error 503"), (2, "after_error connection"), (3, "after_success 200")] {
        for point in [&format!("before_create_request {attempt}"), &format!("before_request {attempt}"), last] {
            expected.extend([format!("one {point}"), format!("two {point}")]);
        }
    }
    assert_eq!(lines(&log), expected);
}

#[tokio::test]
async fn sdk_init_runs_once_in_build_and_may_change_the_configuration() {
    #[derive(Debug)]
    struct Init(Script);
    impl Hook for Init {
        fn sdk_init(&self, config: &mut ClientConfig) -> Result<(), HookError> {
            assert_eq!(config.server_url, "https://one.example/v1");
            config.server_url = "https://two.example/v2".to_owned();
            config.headers.insert("x-init", HeaderValue::from_static("yes"));
            config.retry_config = RetryConfig::none();
            config.transport = Arc::new(self.0.clone());
            Ok(())
        }
    }
    let script = Script::new([answer(500, "{}")]);
    let core = OpenRouterCore::builder().api_key("k").server_url("https://one.example/v1").hook(Init(script.clone()));
    let core = core.build().unwrap();
    post(&core).await.unwrap_err();
    let sent = script.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].url, "https://two.example/v2/things");
    assert_eq!(sent[0].headers["x-init"], "yes");
}

#[tokio::test]
async fn what_sdk_init_changes_is_checked() {
    #[derive(Debug)]
    struct Wrong;
    impl Hook for Wrong {
        fn sdk_init(&self, config: &mut ClientConfig) -> Result<(), HookError> {
            config.server_url = "nowhere".to_owned();
            Ok(())
        }
    }
    let error = OpenRouterCore::builder().hook(Wrong).build().unwrap_err();
    assert!(error.to_string().contains("server_url"), "{error}");
}

#[tokio::test]
async fn build_fails_if_sdk_init_refuses_and_the_hooks_after_it_are_not_asked() {
    let log = Log::default();
    let builder = OpenRouterCore::builder().hook(Note::failing("one", &log, "sdk_init")).hook(Note::new("two", &log));
    assert_eq!(reason(&builder.build().unwrap_err()), "one refuses");
    assert_eq!(*log.lock().unwrap(), ["one sdk_init "]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_before_sending_ends_the_call_and_nothing_is_sent() {
    for point in ["before_create_request", "before_request"] {
        let log = Log::default();
        let script = Script::new([]);
        let hooks = script.client().hook(Note::failing("one", &log, point)).hook(Note::new("two", &log));
        let error = post(&hooks.build().unwrap()).await.unwrap_err();
        assert_eq!(reason(&error), "one refuses");
        assert_eq!(error.operation_id(), Some("createThing"));
        assert!(script.sent().is_empty());
        let asked = lines(&log);
        let two = |line: &&String| line.starts_with(&format!("two {point}"));
        assert_eq!(asked.iter().find(two), None, "the hooks after it are not asked at this point");
        assert!(asked.contains(&"one after_error other".to_owned()), "it sees the attempt end: {asked:?}");
        let saw_begin = asked.iter().any(|line| line.starts_with("two before_create_request"));
        assert_eq!(asked.contains(&"two after_error other".to_owned()), saw_begin, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_sees_no_attempt_end_that_it_did_not_see_begin() {
    let log = Log::default();
    let script = Script::new([answer(503, "{}")]);
    let failing = Note::failing("one", &log, "before_create_request 2");
    let core = script.client().hook(failing).hook(Note::new("two", &log)).build().unwrap();

    post(&core).await.unwrap_err();

    let asked = lines(&log);
    let second = asked.iter().position(|line| line == "one before_create_request 2").unwrap();
    assert_eq!(asked[second + 1..], ["one after_error other"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_after_an_answer_ends_the_call_without_a_retry() {
    for (point, status) in [("after_success", 200), ("after_error", 503)] {
        let log = Log::default();
        let script = Script::new([answer(status, "{}")]);
        let hooks = script.client().hook(Note::failing("one", &log, point)).hook(Note::new("two", &log));
        let error = post(&hooks.build().unwrap()).await.unwrap_err();
        assert_eq!(reason(&error), "one refuses");
        assert!(!error.is_retryable());
        assert_eq!(script.sent().len(), 1);
        let asked = lines(&log);
        assert!(asked.contains(&format!("one {point} {status}")));
        assert!(!asked.contains(&format!("two {point} {status}")), "`two` is not asked about it: {asked:?}");
        assert_eq!(asked.last().unwrap(), "two after_error other", "but it sees the attempt end");
    }
}

#[tokio::test]
async fn mistakes_in_the_arguments_are_found_before_the_first_hook() {
    let log = Log::default();
    let script = Script::new([]);
    let core = script.client().hook(Note::new("one", &log)).build().unwrap();
    for call in [
        post(&core).header("x", "a\nb"),
        post(&core).header("host", "evil.example"),
        post(&core).server_url("nowhere"),
        post(&core).api_key("two\nlines"),
        post(&core).timeout(Duration::ZERO),
        post(&core).retry_config(RetryConfig::backoff().max_attempts(0)),
    ] {
        assert!(matches!(call.await.unwrap_err(), Error::InvalidRequest(_)));
        assert!(lines(&log).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn after_error_sees_a_timeout_and_a_body_that_broke_off() {
    let log = Log::default();
    let mut broken = response(200, "");
    *broken.body_mut() = slow_body(vec![(Duration::ZERO, "{")], Some(Kind::Body));
    let script = Script::new([Step::Answer(broken), Step::Never]);
    let core = script.client().hook(Note::new("one", &log)).build().unwrap();
    post(&core).await.unwrap_err();
    assert_eq!(lines(&log)[2..], ["one after_success 200", "one after_error connection"]);
    post(&core).await.unwrap_err();
    assert_eq!(lines(&log)[2..], ["one after_error timeout"]);
}

#[tokio::test]
async fn after_error_does_not_see_an_error_inside_a_success() {
    for body in [r#"{"error":{"code":502,"message":"no"}}"#, r#"{"mismatch":1}"#] {
        let log = Log::default();
        let script = Script::new([answer(200, body)]);
        let core = script.client().hook(Note::new("one", &log)).build().unwrap();
        post(&core).await.unwrap_err();
        assert_eq!(lines(&log)[2..], ["one after_success 200"]);
    }
}

/// Does what a closure says before the request is made.
struct Change<F>(F);

impl<F> std::fmt::Debug for Change<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

impl<F: Fn(&mut RequestInput) + Send + Sync + 'static> Hook for Change<F> {
    fn before_create_request<'a>(&'a self, _: &'a HookContext, input: &'a mut RequestInput) -> HookFuture<'a, ()> {
        (self.0)(input);
        Box::pin(async { Ok(()) })
    }
}

/// Does what a closure says to the finished request.
struct Finish<F>(F);

impl<F> std::fmt::Debug for Finish<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Finish")
    }
}

impl<F: Fn(&mut Request<Body>) + Send + Sync + 'static> Hook for Finish<F> {
    fn before_request<'a>(&'a self, _: &'a HookContext, request: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        (self.0)(request);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn before_create_request_may_change_url_headers_and_body() {
    let script = Script::new([answer(200, OK)]);
    let hook = Change(|input: &mut RequestInput| {
        assert!(!input.headers.contains_key("authorization"), "the key is added later");
        assert_eq!(input.body.as_bytes().unwrap(), r#"{"model":"a/b","stream":false}"#);
        input.url = "https://openrouter.ai/api/v1/others?x=1".parse().unwrap();
        input.headers.insert("x-added", HeaderValue::from_static("yes"));
        input.body = Body::from("{}");
    });
    post(&script.client().hook(hook).build().unwrap()).await.unwrap();
    let sent = &script.sent()[0];
    assert_eq!(sent.url, "https://openrouter.ai/api/v1/others?x=1");
    assert_eq!(sent.headers["x-added"], "yes");
    assert_eq!(sent.headers["authorization"], "Bearer sk-or-v1-secret");
    assert_eq!(sent.body, "{}");
}

#[tokio::test]
async fn each_attempt_starts_from_the_request_of_the_call() {
    let script = Script::new([answer(503, "{}"), answer(200, OK)]);
    let hook = Change(|input: &mut RequestInput| {
        input.headers.append("x-added", HeaderValue::from_static("yes"));
    });
    let config = RetryConfig::backoff().initial_interval(Duration::ZERO);
    post(&script.client().retry_config(config).hook(hook).build().unwrap()).await.unwrap();
    assert_eq!(script.sent()[1].headers.get_all("x-added").iter().count(), 1);
}

#[tokio::test]
async fn the_key_is_not_added_for_another_origin() {
    for url in ["https://evil.example/api/v1", "http://openrouter.ai/api/v1", "https://openrouter.ai:8443/api/v1"] {
        let script = Script::new([answer(200, OK)]);
        let hook = Change(move |input: &mut RequestInput| input.url = url.parse().unwrap());
        post(&script.client().hook(hook).build().unwrap()).await.unwrap();
        assert!(!script.sent()[0].headers.contains_key("authorization"), "{url}");
    }
}

#[tokio::test]
async fn before_request_sees_the_complete_request_and_may_change_it() {
    let script = Script::new([answer(200, OK)]);
    let hook = Finish(|request: &mut Request<Body>| {
        assert_eq!(request.headers()["authorization"], "Bearer sk-or-v1-secret");
        assert_eq!(request.uri(), "https://openrouter.ai/api/v1/things");
        request.headers_mut().insert("x-signature", HeaderValue::from_static("abc"));
    });
    post(&script.client().hook(hook).build().unwrap()).await.unwrap();
    assert_eq!(script.sent()[0].headers["x-signature"], "abc");
}

#[tokio::test]
async fn the_key_is_removed_again_if_before_request_goes_to_another_origin() {
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let away = |request: &mut Request<Body>| *request.uri_mut() = "https://evil.example/".parse().unwrap();
    post(&script.client().hook(Finish(away)).build().unwrap()).await.unwrap();
    assert!(!script.sent()[0].headers.contains_key("authorization"));

    for url in ["http://openrouter.ai/api/v1", "https://openrouter.ai:8443/api/v1", "https://eu.openrouter.ai/api/v1"] {
        let script = Script::new([answer(200, OK)]);
        let away = move |request: &mut Request<Body>| *request.uri_mut() = url.parse().unwrap();
        post(&script.client().hook(Finish(away)).build().unwrap()).await.unwrap();
        assert!(!script.sent()[0].headers.contains_key("authorization"), "{url}");
    }

    // A key that the hook itself sets is its own business.
    let own = |request: &mut Request<Body>| {
        *request.uri_mut() = "https://other.example/".parse().unwrap();
        request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer other"));
    };
    post(&script.client().hook(Finish(own)).build().unwrap()).await.unwrap();
    assert_eq!(script.sent()[1].headers["authorization"], "Bearer other");
}

#[tokio::test]
async fn the_key_goes_to_the_same_origin_however_it_is_written() {
    for (server, url, is_same) in [
        ("https://openrouter.ai/api/v1", "https://OpenRouter.AI:443/", true),
        ("https://openrouter.ai:443/api/v1", "https://openrouter.ai/", true),
        ("http://localhost/v1", "http://localhost:80/", true),
        ("http://localhost:80/v1", "http://LOCALHOST/", true),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai:80/", false),
        ("https://openrouter.ai/api/v1", "http://openrouter.ai:443/", false),
        ("https://openrouter.ai:8443/api/v1", "http://openrouter.ai:8443/", false),
        ("http://localhost/v1", "http://localhost:443/", false),
        ("http://localhost/v1", "https://localhost:80/", false),
    ] {
        let script = Script::new([answer(200, OK), answer(200, OK)]);
        let client = || script.client().server_url(server);
        let before = Change(move |input: &mut RequestInput| input.url = url.parse().unwrap());
        let after = Finish(move |request: &mut Request<Body>| *request.uri_mut() = url.parse().unwrap());
        for client in [client().hook(before).build().unwrap(), client().hook(after).build().unwrap()] {
            post(&client).await.unwrap();
        }
        for sent in script.sent() {
            assert_eq!(sent.headers.contains_key("authorization"), is_same, "{server} and {url}");
        }
    }
}

#[tokio::test]
async fn no_secret_header_of_the_program_goes_to_another_origin() {
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let builder = || {
        let builder = script.client().header("x-api-key", "secret").header("cookie", "secret");
        builder.header("anthropic-version", "2023-06-01")
    };
    let before = Change(|input: &mut RequestInput| input.url = "https://evil.example/".parse().unwrap());
    let after = Finish(|request: &mut Request<Body>| *request.uri_mut() = "https://evil.example/".parse().unwrap());
    for client in [builder().hook(before).build().unwrap(), builder().hook(after).build().unwrap()] {
        post(&client).header("authorization", "Bearer secret").await.unwrap();
    }
    for sent in script.sent() {
        assert_eq!(sent.headers["anthropic-version"], "2023-06-01");
        for name in ["x-api-key", "cookie", "authorization"] {
            assert!(!sent.headers.contains_key(name), "{name}");
        }
    }
}

/// Returns another response.
#[derive(Debug)]
struct Replace {
    success: Option<(u16, &'static str)>,
    error: Option<(u16, &'static str)>,
}

impl Hook for Replace {
    fn after_success<'a>(&'a self, _: &'a HookContext, original: Response<Body>) -> HookFuture<'a, Response<Body>> {
        Box::pin(async move { Ok(self.success.map_or(original, |(status, body)| response(status, body))) })
    }

    fn after_error<'a>(
        &'a self,
        _: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        Box::pin(async move {
            match self.error {
                Some((status, body)) => Ok(response(status, body)),
                None => failure,
            }
        })
    }
}

#[tokio::test]
async fn after_success_may_replace_the_answer() {
    let script = Script::new([answer(200, OK)]);
    let hook = Replace { success: Some((201, r#"{"id":"two"}"#)), error: None };
    let thing = post(&script.client().hook(hook).build().unwrap()).with_response().await.unwrap();
    assert_eq!(thing.value.get("id").unwrap(), r#""two""#);
    assert_eq!(thing.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_success_replaced_by_a_failure_is_not_given_to_after_error() {
    let log = Log::default();
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let replace = Replace { success: Some((503, "{}")), error: None };
    let config = RetryConfig::backoff().max_attempts(2);
    let core = script.client().retry_config(config).hook(replace).hook(Note::new("two", &log)).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::ServiceUnavailable);
    assert_eq!(script.sent().len(), 2, "the retry configuration applies");
    let of_first_attempt = ["two before_create_request 1", "two before_request 1", "two after_success 503"];
    assert_eq!(lines(&log)[..3], of_first_attempt);
}

#[tokio::test]
async fn the_body_that_after_success_sees_is_still_to_be_read() {
    #[derive(Debug)]
    struct Wrap;
    impl Hook for Wrap {
        fn after_success<'a>(&'a self, _: &'a HookContext, response: Response<Body>) -> HookFuture<'a, Response<Body>> {
            assert!(response.body().as_bytes().is_none());
            Box::pin(async { Ok(response.map(Body::wrap)) })
        }
    }
    let mut slow = response(200, "");
    slow.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    *slow.body_mut() =
        slow_body(vec![(Duration::ZERO, "data: {\"n\":1}\n\n"), (Duration::ZERO, "data: [DONE]\n\n")], None);
    let script = Script::new([Step::Answer(slow)]);
    let mut events = stream(&script.client().hook(Wrap).build().unwrap()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().get("n").unwrap(), "1");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn after_error_may_turn_a_failure_into_a_success() {
    for step in [answer(404, "{}"), Step::Fail(Kind::Connect)] {
        let log = Log::default();
        let script = Script::new([step]);
        let replace = Replace { success: None, error: Some((200, r#"{"id":"cached"}"#)) };
        let core = script.client().hook(replace).hook(Note::new("two", &log)).build().unwrap();
        let thing = post(&core).await.unwrap();
        assert_eq!(thing.get("id").unwrap(), r#""cached""#);
        assert_eq!(script.sent().len(), 1);
        assert_eq!(lines(&log).last().unwrap(), "two after_success 200", "the hooks after it see a success");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_last_hook_answered_decides_whether_to_try_again() {
    // A 404 that becomes a 503 is retried.
    let script = Script::new([answer(404, "{}"), answer(200, OK)]);
    let replace = Replace { success: None, error: Some((503, "{}")) };
    post(&script.client().hook(replace).build().unwrap()).await.unwrap();
    assert_eq!(script.sent().len(), 2);

    // A 503 that becomes a 404 is not.
    let script = Script::new([answer(503, "{}")]);
    let replace = Replace { success: None, error: Some((404, "{}")) };
    let error = post(&script.client().hook(replace).build().unwrap()).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 404);
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test]
async fn after_error_sees_the_body_of_an_answer_up_to_the_limit() {
    #[derive(Debug)]
    struct Look;
    impl Hook for Look {
        fn after_error<'a>(
            &'a self,
            _: &'a HookContext,
            failure: Result<Response<Body>, Error>,
        ) -> HookFuture<'a, Response<Body>, Error> {
            let body = failure.as_ref().unwrap().body().as_bytes().unwrap();
            assert_eq!(body, r#"{"error":{"#);
            Box::pin(async { failure })
        }
    }
    let mut refused = response(400, "");
    *refused.body_mut() = slow_body(vec![(Duration::ZERO, r#"{"error":{"message":"no"}}"#)], None);
    let script = Script::new([Step::Answer(refused)]);
    let core = script.client().max_error_body(10).hook(Look).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().body(), r#"{"error":{"#);
}

#[tokio::test]
async fn after_error_sees_a_redirect() {
    let log = Log::default();
    let script = Script::new([with_header(307, "location", "https://evil.example/")]);
    let core = script.client().hook(Note::new("one", &log)).build().unwrap();
    post(&core).await.unwrap_err();
    assert_eq!(lines(&log)[2..], ["one after_error 307"]);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_whole_call_includes_hooks_and_those_of_the_network_do_not() {
    #[derive(Debug)]
    struct Slow;
    impl Hook for Slow {
        fn before_request<'a>(&'a self, _: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(())
            })
        }
    }
    let script = Script::new([answer(200, OK)]);
    let core = script.client().hook(Slow).build().unwrap();
    let second = Duration::from_secs(1);
    post(&core).response_timeout(second).idle_timeout(second).connect_timeout(second).await.unwrap();
    assert!(post(&core).timeout(second).await.unwrap_err().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn the_context_tells_about_the_call() {
    #[derive(Debug)]
    struct Look;
    impl Hook for Look {
        fn before_create_request<'a>(
            &'a self,
            context: &'a HookContext,
            _: &'a mut RequestInput,
        ) -> HookFuture<'a, ()> {
            assert_eq!(context.operation_id(), "createThing");
            assert_eq!(context.operation().path(), "/things");
            assert_eq!(context.base_url(), "https://one.example/v1");
            assert_eq!(context.retry_config().max_attempts, 9);
            assert_eq!(context.timeouts().total, Some(Duration::from_secs(77)));
            assert!(context.is_stream());
            assert!(context.wants_metadata());
            assert_eq!(context.elapsed(), Duration::ZERO);
            Box::pin(async { Err(HookError::new("seen")) })
        }
    }
    let script = Script::new([]);
    let core = script.client().hook(Look).build().unwrap();
    let call = stream(&core)
        .server_url("https://one.example/v1/")
        .retry_config(RetryConfig::backoff().max_attempts(9))
        .timeout(Duration::from_secs(77))
        .metadata(true);
    assert_eq!(reason(&call.await.unwrap_err()), "seen");
}

#[tokio::test(start_paused = true)]
async fn the_context_of_a_plain_call_tells_of_neither_a_stream_nor_metadata() {
    #[derive(Debug)]
    struct Look;
    impl Hook for Look {
        fn before_request<'a>(&'a self, context: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
            assert!(!context.is_stream());
            assert!(!context.wants_metadata());
            assert_eq!(context.base_url(), "https://openrouter.ai/api/v1");
            Box::pin(async { Err(HookError::new("seen")) })
        }
    }
    let core = Script::new([]).client().hook(Look).build().unwrap();
    assert_eq!(reason(&post(&core).await.unwrap_err()), "seen");
}

#[tokio::test(start_paused = true)]
async fn elapsed_counts_from_the_start_of_the_attempt() {
    #[derive(Debug)]
    struct Look(Arc<Mutex<Vec<u64>>>);
    impl Hook for Look {
        fn after_success<'a>(
            &'a self,
            context: &'a HookContext,
            response: Response<Body>,
        ) -> HookFuture<'a, Response<Body>> {
            self.0.lock().unwrap().push(context.elapsed().as_secs());
            Box::pin(async { Ok(response) })
        }
    }
    let seen = Arc::default();
    let script = Script::new([
        Step::Late(Duration::from_secs(9), response(500, "{}")),
        Step::Late(Duration::from_secs(3), response(200, OK)),
    ]);
    let core = script.client().hook(Look(Arc::clone(&seen))).build().unwrap();
    get(&core).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [3]);
}

#[tokio::test]
async fn values_of_headers_that_a_hook_sets_are_marked_as_sensitive() {
    /// Sets a header everywhere, and expects those of earlier hooks to be marked as sensitive.
    #[derive(Debug)]
    struct Set(&'static str);

    impl Set {
        fn set(&self, headers: &mut http::HeaderMap) {
            let unmarked = |(name, value): (&http::HeaderName, &HeaderValue)| {
                name.as_str().starts_with("x-secret") && !value.is_sensitive()
            };
            assert!(!headers.iter().any(unmarked), "{headers:?}");
            headers.insert(self.0, HeaderValue::from_static("value"));
        }
    }

    impl Hook for Set {
        fn sdk_init(&self, config: &mut ClientConfig) -> Result<(), HookError> {
            self.set(&mut config.headers);
            Ok(())
        }

        fn before_create_request<'a>(&'a self, _: &'a HookContext, input: &'a mut RequestInput) -> HookFuture<'a, ()> {
            self.set(&mut input.headers);
            Box::pin(async { Ok(()) })
        }

        fn before_request<'a>(&'a self, _: &'a HookContext, request: &'a mut Request<Body>) -> HookFuture<'a, ()> {
            self.set(request.headers_mut());
            Box::pin(async { Ok(()) })
        }

        fn after_success<'a>(
            &'a self,
            _: &'a HookContext,
            mut response: Response<Body>,
        ) -> HookFuture<'a, Response<Body>> {
            self.set(response.headers_mut());
            Box::pin(async { Ok(response) })
        }

        fn after_error<'a>(
            &'a self,
            _: &'a HookContext,
            failure: Result<Response<Body>, Error>,
        ) -> HookFuture<'a, Response<Body>, Error> {
            let failure = failure.map(|mut response| {
                self.set(response.headers_mut());
                response
            });
            Box::pin(async { failure })
        }
    }

    let steps = [with_header(200, "x-secret-0", "value"), with_header(404, "x-secret-0", "value")];
    let script = Script::new(steps);
    let core = script.client().hook(Set("x-secret-1")).hook(Set("x-secret-2")).build().unwrap();
    let response = post(&core).with_response().await.unwrap();
    let error = post(&core).await.unwrap_err();
    for headers in [&script.sent()[0].headers, &response.headers, error.as_api().unwrap().headers()] {
        let marked =
            headers.iter().filter(|(name, value)| name.as_str().starts_with("x-secret") && value.is_sensitive());
        assert!(marked.count() >= 2, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn data_of_a_call_is_readable_on_every_attempt() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Tenant(u32);
    #[derive(Debug)]
    struct Look(Arc<Mutex<Vec<Option<u32>>>>);
    impl Hook for Look {
        fn before_request<'a>(&'a self, context: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
            assert_eq!(context.extension::<String>(), None);
            self.0.lock().unwrap().push(context.extension().map(|Tenant(id)| *id));
            Box::pin(async { Ok(()) })
        }
    }
    let seen = Arc::default();
    let script = Script::new([answer(503, "{}"), answer(200, OK), answer(200, OK)]);
    let core = script.client().hook(Look(Arc::clone(&seen))).build().unwrap();
    post(&core).extension(Tenant(1)).extension(Tenant(7)).await.unwrap();
    post(&core).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [Some(7), Some(7), None]);
}
