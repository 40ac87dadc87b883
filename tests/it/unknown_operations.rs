//! Operations that the crate does not know: method and path at run time, and the responses in any form.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, answer};
use openrouter_kit::core::body::Body;
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
use openrouter_kit::http::{Method, Request};
use openrouter_kit::mock::{Answer, Fault, MockServer, Place};
use openrouter_kit::serde_json::{Value, json};
use openrouter_kit::{OpenRouter, RetryConfig};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Eval {
    id: String,
    runs: u32,
}

async fn server(answers: impl IntoIterator<Item = Answer>) -> (MockServer, OpenRouter) {
    let server = MockServer::start().await;
    for answer in answers {
        server.answer(answer);
    }
    let soon = RetryConfig::backoff().initial_interval(Duration::from_millis(1)).max_interval(Duration::from_millis(1));
    let client = server.client_builder().retry_config(soon).build().unwrap();
    (server, client)
}

#[tokio::test]
async fn an_unknown_operation_takes_and_returns_json() {
    let (server, client) = server([Answer::json(201, json!({"id": "e1", "runs": 0, "big": 1e300}))]).await;
    let call =
        client.request(Method::POST, "/evals").query("a b", "c&d").query("n", 2).json(json!({"name": "Weather"}));
    let eval = call.await.unwrap();
    assert_eq!(eval.to_value()["id"], "e1");
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/evals"));
    assert_eq!(request.query.as_str(), "a%20b=c%26d&n=2");
    assert_eq!(request.json(), json!({"name": "Weather"}));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("authorization").is_some());
}

#[tokio::test]
async fn an_unknown_operation_takes_and_returns_own_types() {
    let eval = Eval { id: "e1".to_owned(), runs: 3 };
    let (server, client) = server([Answer::json(200, json!(eval)), Answer::json(200, json!({"id": 1}))]).await;
    let own: Eval = client.request(Method::PUT, "/evals/{id}").path("id", "a/b ?").json(&eval).decode().await.unwrap();
    assert_eq!(own, eval);
    assert_eq!(server.requests()[0].path, "/api/v1/evals/a%2Fb%20%3F");
    let error = client.request(Method::GET, "/evals").decode::<Eval>().await.unwrap_err();
    let Error::ResponseValidation(wrong) = &error else { panic!("{error:?}") };
    assert_eq!(&wrong.body()[..], br#"{"id":1}"#);
}

#[tokio::test]
async fn an_unknown_operation_returns_events_bytes_and_files() {
    let events = Answer::stream([json!({"n": 1}), json!({"error": {"code": 429, "message": "Slow down"}})]);
    let cut = Answer::stream([json!({"n": 1}), json!({"n": 2})]).fault(Fault::Reset, Place::InEvent);
    let file = Answer::bytes(200, vec![7; 100_000]).header("content-type", "text/csv");
    let (_server, client) = server([events, cut, file, Answer::bytes(200, "")]).await;
    let run = || client.request(Method::POST, "/runs").json(json!({"stream": true}));
    let mut events = run().events().await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    assert_eq!(first.data(), r#"{"n":1}"#);
    assert!(events.typed(&first).unwrap().is_ok());
    let second = events.next().await.unwrap().unwrap();
    assert!(matches!(events.typed(&second), Some(Err(Error::Api(_)))));
    let mut events = run().events().await.unwrap();
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert!(last.unwrap().unwrap_err().is_connection());
    let file = client.request(Method::GET, "/report").download().await.unwrap();
    assert_eq!(file.media_type(), Some("text/csv"));
    assert_eq!(file.collect().await.unwrap().len(), 100_000);
    assert!(client.request(Method::DELETE, "/evals/1").raw().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_json_value_in_place_of_the_events_of_an_unknown_operation_is_one_event() {
    let whole = json!({"n": 1, "list": [2]});
    let (_server, client) = server([Answer::json(200, whole.clone())]).await;
    let mut events = client.request(Method::POST, "/runs").json(json!({"stream": true})).events().await.unwrap();
    let event = events.next().await.unwrap().unwrap();
    assert_eq!(event.data(), whole.to_string());
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn an_unknown_operation_reports_errors_like_every_other() {
    let inside = Answer::json(200, json!({"error": {"code": 402, "message": "No credits left"}}));
    let (_server, client) = server([Answer::error(404, "No such eval"), inside.clone(), inside]).await;
    let error = client.request(Method::GET, "/evals/1").await.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::NotFound);
    assert!(error.to_string().starts_with("request: "), "{error}");
    assert_eq!(error.operation_id(), Some("request"));
    for call in
        [client.request(Method::GET, "/evals/1").decode::<Value>(), client.request(Method::GET, "/evals").decode()]
    {
        assert_eq!(call.await.unwrap_err().as_api().unwrap().message(), "No credits left");
    }
}

#[tokio::test]
async fn an_unknown_operation_is_retried_as_its_method_allows() {
    for (method, status, requests) in [
        (Method::GET, 504, 2),
        (Method::PUT, 504, 2),
        (Method::DELETE, 504, 2),
        (Method::POST, 504, 1),
        (Method::PATCH, 504, 1),
        (Method::POST, 503, 2),
    ] {
        let (server, client) = server([Answer::error(status, "Late"), Answer::json(200, json!({}))]).await;
        let outcome = client.request(method.clone(), "/evals").await;
        assert_eq!(outcome.is_ok(), requests == 2, "{method} {status}");
        assert_eq!(server.requests().len(), requests, "{method} {status}");
    }
}

#[tokio::test]
async fn hooks_see_the_method_and_path_of_an_unknown_operation() {
    #[derive(Debug)]
    struct Look(Arc<Mutex<Vec<String>>>);
    impl Hook for Look {
        fn before_request<'a>(&'a self, context: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
            let operation = context.operation();
            let line = format!("{} {} {}", context.operation_id(), operation.method(), operation.path());
            self.0.lock().unwrap().push(line);
            Box::pin(async { Ok(()) })
        }
    }
    let seen = Arc::default();
    let script = Script::new([answer(503, "{}"), answer(200, "{}")]);
    let core = script.client().hook(Look(Arc::clone(&seen))).retry_config(RetryConfig::backoff()).build().unwrap();
    tokio::time::pause();
    core.request(Method::POST, "/evals/{id}").path("id", "e1").await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["request POST /evals/{id}", "request POST /evals/{id}"]);
}

#[tokio::test]
async fn a_path_that_could_lead_elsewhere_is_refused_before_sending() {
    let script = Script::new([]);
    let core = script.core();
    for path in [
        "",
        "evals",
        "https://evil.example/evals",
        "//evil.example/evals",
        "/evals/../keys",
        "/evals/..",
        "/./evals",
        "/evals//1",
        "/evals/%2e%2E/keys",
        "/evals/..%2Fkeys",
        "/evals/..%5Ckeys",
        "/evals\\..\\keys",
        "/evals?a=1",
        "/evals#a",
        "/evals/a b",
        "/evals/é",
        "/evals/%",
        "/evals/%4",
        "/evals/%zz",
        "/evals\r\nhost: evil",
        "/evals\0",
        "/evals/{id}",
    ] {
        let error = core.request(Method::GET, path).await.unwrap_err();
        let Error::InvalidRequest(wrong) = &error else { panic!("{path}: {error:?}") };
        assert_eq!(wrong.argument(), "path", "{path}");
    }
    for value in ["", ".", ".."] {
        core.request(Method::GET, "/evals/{id}").path("id", value).await.unwrap_err();
    }
    let error = core.request(Method::GET, "/evals/{id}").path("ID", "e1").await.unwrap_err();
    assert_eq!(error.to_string(), "request: `path` has no placeholder `{ID}`; add it to the path of the request");
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn a_path_is_sent_as_it_was_written() {
    let paths = ["/", "/evals/", "/evals/a%2Fb", "/a/b-c.d_e~f:g@h,i;j=k!$&'()*+", "/evals/...", "/evals/..a"];
    let script = Script::new(paths.map(|_| answer(200, "{}")));
    let core = script.core();
    for path in paths {
        core.request(Method::GET, path).await.unwrap();
    }
    for (path, sent) in paths.iter().zip(script.sent()) {
        assert_eq!(sent.url.path(), format!("/api/v1{path}"));
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_json_is_refused_before_sending() {
    let script = Script::new([]);
    let map = std::collections::BTreeMap::from([(vec![1], 1)]);
    let error = script.core().request(Method::POST, "/evals").json(map).await.unwrap_err();
    let Error::InvalidRequest(wrong) = &error else { panic!("{error:?}") };
    assert_eq!(wrong.argument(), "json");
}

#[tokio::test]
async fn the_response_of_a_known_operation_can_be_read_as_an_own_type() {
    let script = Script::new([answer(200, r#"{"id":"e1","runs":7}"#)]);
    let core = script.core();
    let response = crate::support::post(&core).decode::<Eval>().with_response().await.unwrap();
    assert_eq!((response.value.runs, response.status.as_u16()), (7, 200));
}

#[tokio::test]
async fn a_request_of_a_method_with_a_body_says_that_it_has_none() {
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let (server, client) = server([Answer::json(200, json!({}))]).await;
        client.request(method.clone(), "/jobs").await.unwrap();
        assert_eq!(server.requests()[0].header("content-length"), Some("0"), "{method}");
    }
}
