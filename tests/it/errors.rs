//! What a program learns from each error.

use std::error::Error as _;
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, Step, answer, get, post, response};
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::{Call, Download, Parts, RetryConfig};
use openrouter_kit::errors::{ApiError, ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, ClosedPort, Fault, MockServer, Place};
use serde_json::json;

/// The error that `answer` leads to, without retries.
async fn error_of(answer: Answer) -> Error {
    let server = MockServer::start().await;
    server.answer(answer);
    let core = OpenRouterCore::builder().api_key("sk-or-v1-secret").server_url(server.url());
    let core = core.retry_config(RetryConfig::none()).build().unwrap();
    let error = post(&core).await.unwrap_err();
    for text in [format!("{error}"), format!("{error:?}")] {
        assert!(!text.contains("secret"), "{text}");
    }
    assert_eq!(error.operation_id(), Some("createThing"));
    assert!(error.to_string().starts_with("createThing: "), "{error}");
    error
}

async fn api_error_of(answer: Answer) -> Box<ApiError> {
    match error_of(answer).await {
        Error::Api(error) => error,
        other => panic!("{other:?}"),
    }
}

async fn json_error_of(status: u16, body: serde_json::Value) -> Box<ApiError> {
    api_error_of(Answer::json(status, body)).await
}

#[tokio::test]
async fn each_status_has_its_kind() {
    let kinds = [
        (400, ApiErrorKind::BadRequest, false),
        (401, ApiErrorKind::Unauthorized, false),
        (402, ApiErrorKind::PaymentRequired, false),
        (403, ApiErrorKind::Forbidden, false),
        (404, ApiErrorKind::NotFound, false),
        (408, ApiErrorKind::RequestTimeout, true),
        (409, ApiErrorKind::Conflict, false),
        (410, ApiErrorKind::Gone, false),
        (413, ApiErrorKind::PayloadTooLarge, false),
        (415, ApiErrorKind::UnsupportedMediaType, false),
        (422, ApiErrorKind::UnprocessableEntity, false),
        (429, ApiErrorKind::TooManyRequests, true),
        (499, ApiErrorKind::ClientClosedRequest, false),
        (500, ApiErrorKind::InternalServer, true),
        (502, ApiErrorKind::BadGateway, true),
        (503, ApiErrorKind::ServiceUnavailable, true),
        (524, ApiErrorKind::EdgeNetworkTimeout, true),
        (529, ApiErrorKind::ProviderOverloaded, true),
        (418, ApiErrorKind::Other, false),
        (501, ApiErrorKind::Other, false),
        (499, ApiErrorKind::ClientClosedRequest, false),
        (504, ApiErrorKind::GatewayTimeout, true),
        (520, ApiErrorKind::Other, true),
        (521, ApiErrorKind::Other, true),
        (522, ApiErrorKind::Other, true),
        (523, ApiErrorKind::Other, true),
        (525, ApiErrorKind::Other, true),
        (526, ApiErrorKind::Other, true),
        (527, ApiErrorKind::Other, true),
        (528, ApiErrorKind::Other, false),
        (530, ApiErrorKind::Other, true),
        (599, ApiErrorKind::Other, false),
    ];
    for (status, kind, retryable) in kinds {
        let error = api_error_of(Answer::error(status, "what happened")).await;
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.status().as_u16(), status);
        assert_eq!(error.message(), "what happened");
        assert_eq!(error.code(), Some(status.to_string().as_str()));
        assert_eq!(error.is_transient(), retryable, "{status}");
        assert!(error.to_string().contains("what happened"), "{error}");
    }
}

#[tokio::test]
async fn the_form_of_openrouter_is_read() {
    let error = api_error_of(
        Answer::json(
            403,
            json!({
                "error": {
                    "code": 403,
                    "message": "Blocked by a guardrail",
                    "metadata": {"error_type": "content_policy_violation", "patterns": ["ssn"]},
                },
                "user_id": "user_1",
                "openrouter_metadata": {"strategy": "direct"},
            }),
        )
        .header("x-generation-id", "gen-1")
        .header("x-request-id", "req-1"),
    )
    .await;
    assert_eq!(error.error_type(), Some("content_policy_violation"));
    assert_eq!(error.metadata().unwrap()["patterns"], json!(["ssn"]));
    assert_eq!(error.user_id(), Some("user_1"));
    assert_eq!(error.openrouter_metadata().unwrap()["strategy"], "direct");
    assert_eq!(error.generation_id(), Some("gen-1"));
    assert_eq!(error.request_id(), Some("req-1"));
    assert_eq!(error.headers()["content-type"], "application/json");
    assert!(error.body().starts_with(b"{"));
}

#[tokio::test]
async fn the_form_of_messages_is_read() {
    let body = json!({
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded", "error_type": "provider_overloaded"},
        "request_id": "req_1",
    });
    let error = json_error_of(529, body).await;
    assert_eq!(error.error_type(), Some("provider_overloaded"));
    assert_eq!(error.request_id(), Some("req_1"));

    let body = json!({"type": "error", "error": {"type": "not_found_error", "message": "model: x"}});
    assert_eq!(json_error_of(404, body).await.error_type(), Some("not_found_error"));
}

#[tokio::test]
async fn the_form_of_responses_is_read() {
    let body = json!({
        "error": {"code": "rate_limit_exceeded", "message": "Too fast"},
        "error_type": "rate_limit_exceeded",
    });
    let error = json_error_of(429, body).await;
    assert_eq!(error.code(), Some("rate_limit_exceeded"));
    assert_eq!(error.error_type(), Some("rate_limit_exceeded"));
}

#[tokio::test]
async fn the_forms_of_other_servers_are_read() {
    let forms = [
        (json!({"detail": "Not allowed"}), "Not allowed"),
        (json!({"error": "Not allowed"}), "Not allowed"),
        (json!({"object": "error", "message": "Not allowed"}), "Not allowed"),
        (json!({"message": "Not allowed"}), "Not allowed"),
        (json!([{"error": {"message": "Not allowed"}}]), "Not allowed"),
        (json!({"detail": [{"msg": "a"}]}), r#"[{"msg":"a"}]"#),
        (json!({"error": {"message": null}}), ""),
        (json!({}), ""),
        (json!(null), "null"),
        (json!("Not allowed"), "Not allowed"),
    ];
    for (body, message) in forms {
        let error = json_error_of(400, body.clone()).await;
        assert_eq!(error.message(), message, "{body}");
        assert_eq!(error.kind(), ApiErrorKind::BadRequest);
    }
    let error = json_error_of(422, json!({"error": {"code": "Invalid input", "status": 422, "message": "x"}})).await;
    assert_eq!(error.code(), Some("Invalid input"));
}

#[tokio::test]
async fn a_page_an_empty_body_and_text_are_read() {
    let page = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body>...</body></html>";
    let error = api_error_of(Answer::text(502, page).header("content-type", "text/html")).await;
    assert_eq!(error.message(), "502 Bad Gateway");
    assert_eq!(error.body(), page);
    let error = api_error_of(Answer::status(503)).await;
    assert_eq!(error.message(), "");
    assert!(error.to_string().contains("503 Service Unavailable"), "{error}");
    assert_eq!(api_error_of(Answer::text(500, " upstream failed\n")).await.message(), "upstream failed");
    let error = api_error_of(Answer::bytes(500, vec![0xff; 10_000])).await;
    assert_eq!(error.body().len(), 10_000);
    assert!(error.message().chars().count() <= 500);
}

#[tokio::test]
async fn a_body_of_an_error_is_read_up_to_the_limit() {
    let error = api_error_of(Answer::huge(500, 1 << 33)).await;
    assert_eq!(error.body().len(), 1024 * 1024);
}

#[tokio::test]
async fn availability_is_read() {
    let body = json!({"error": {"code": 404, "message": "gone", "availability": {
        "code": "model_deprecated",
        "retryable": false,
        "retry_after": null,
        "requested_models": ["a/b"],
        "affected_providers": ["x"],
        "fallback_models": ["a/c", "a/d"],
        "constraint": {"field": "max_price", "detail": "none so cheap"},
        "docs_url": "https://openrouter.ai/docs",
    }}});
    let error = json_error_of(404, body).await;
    let availability = error.availability().unwrap();
    assert_eq!(availability.code(), Some("model_deprecated"));
    assert_eq!(availability.retryable(), Some(false));
    assert_eq!(availability.retry_after(), None);
    assert_eq!(availability.requested_models(), ["a/b"]);
    assert_eq!(availability.affected_providers(), ["x"]);
    assert_eq!(availability.fallback_models(), ["a/c", "a/d"]);
    assert_eq!(availability.docs_url(), Some("https://openrouter.ai/docs"));
    assert_eq!(availability.as_json()["constraint"]["field"], "max_price");
    assert!(json_error_of(404, json!({"error": {"availability": null}})).await.availability().is_none());
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_told() {
    let error = api_error_of(Answer::error(429, "slow down").header("retry-after", "7")).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.to_string().contains("7s"), "{error}");
}

#[tokio::test]
async fn an_error_inside_a_success_takes_its_kind_from_code_and_error_type() {
    let cases = [
        (json!({"error": {"code": 502, "message": "no"}}), ApiErrorKind::BadGateway),
        (json!({"error": {"code": "429", "message": "no"}}), ApiErrorKind::TooManyRequests),
        (json!({"error": {"code": "server_error", "message": "no"}}), ApiErrorKind::InternalServer),
        (
            json!({"error": {"code": "x", "metadata": {"error_type": "payment_required"}}}),
            ApiErrorKind::PaymentRequired,
        ),
        (json!({"error": {"message": "no"}, "error_type": "provider_overloaded"}), ApiErrorKind::ProviderOverloaded),
        (json!({"error": {"type": "overloaded_error"}}), ApiErrorKind::ProviderOverloaded),
        (json!({"error": {"code": "content_filter", "status": 400}}), ApiErrorKind::BadRequest),
        (json!({"error": {"message": "no"}}), ApiErrorKind::Other),
        (json!({"error": "no"}), ApiErrorKind::Other),
        // A status without a kind of its own leaves it to the words.
        (
            json!({"error": {"code": 520, "metadata": {"error_type": "provider_overloaded"}}}),
            ApiErrorKind::ProviderOverloaded,
        ),
    ];
    for (body, kind) in cases {
        let error = json_error_of(200, body.clone()).await;
        assert_eq!(error.kind(), kind, "{body}");
        assert_eq!(error.status(), 200);
    }
}

#[tokio::test]
async fn words_of_all_servers_stand_for_a_kind() {
    let words = [
        (
            ApiErrorKind::InternalServer,
            &[
                "internal_error",
                "internal_server_error",
                "server_error",
                "api_error",
                "INTERNAL",
                "InternalServerError",
            ][..],
        ),
        (
            ApiErrorKind::ServiceUnavailable,
            &["service_unavailable_error", "service_unavailable", "Service Unavailable"],
        ),
        (ApiErrorKind::ProviderOverloaded, &["overloaded_error", "engine_overloaded", "provider_overloaded"]),
        (ApiErrorKind::RequestTimeout, &["timeout", "timeout_error", "DEADLINE_EXCEEDED"]),
        (ApiErrorKind::GatewayTimeout, &["gateway_timeout", "GatewayTimeoutError"]),
        (ApiErrorKind::TooManyRequests, &["rate_limit_error", "rate_limit_exceeded", "too_many_requests"]),
        (ApiErrorKind::BadGateway, &["upstream_error", "provider_error", "bad_gateway", "provider_unavailable"]),
    ];
    for (kind, words) in words {
        for word in words {
            for body in [
                json!({"error": {"message": "no", "type": word}}),
                json!({"error": {"message": "no", "code": word}}),
                json!({"type": "error", "error": {"type": word, "code": null, "message": "no"}}),
                json!({"error": {"message": "no", "metadata": {"error_type": word}}}),
            ] {
                let error = json_error_of(200, body.clone()).await;
                assert_eq!((error.kind(), error.is_transient()), (kind, true), "{body}");
            }
        }
    }
    for word in [
        "invalid_request_error",
        "permission_error",
        "not_found_error",
        "client_closed_request",
        "error",
        "_error",
        "",
        "unmapped",
    ] {
        assert!(!json_error_of(200, json!({"error": {"type": word}})).await.is_transient(), "{word}");
    }
}

#[tokio::test]
async fn a_status_inside_a_success_is_as_retryable_as_the_status() {
    for (status, retryable) in
        [(408, true), (504, true), (520, true), (522, true), (530, true), (501, false), (400, false)]
    {
        for code in [json!(status), json!(status.to_string())] {
            let error = json_error_of(200, json!({"error": {"code": code, "message": "no"}})).await;
            assert_eq!(error.is_transient(), retryable, "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_the_attempts_and_the_time_of_its_call() {
    let late = |status| Step::Late(Duration::from_millis(600), response(status, "{}"));
    let script = Script::new([late(503), late(429), late(402)]);
    let error = post(&script.core()).await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    // Three attempts of 0.6 s, and two waits of 0.25 to 0.5 s and 0.5 to 1 s.
    assert!((2.55..3.31).contains(&error.elapsed().as_secs_f64()), "{:?}", error.elapsed());
    let seconds = format!("; 3 attempts were made in {:.1} s", error.elapsed().as_secs_f64());
    assert!(error.to_string().ends_with(&seconds), "{error}");

    let quick = RetryConfig::backoff().initial_interval(Duration::from_millis(20)).max_attempts(2);
    let script = Script::new([Step::Fail(Kind::Connect), Step::Fail(Kind::Connect)]);
    let error = post(&script.core()).retry_config(quick).await.unwrap_err();
    assert!(error.to_string().contains("; 2 attempts were made in ") && error.to_string().ends_with(" ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_error_tells_the_attempts_of_its_call() {
    let busy = || answer(503, "{}");
    for last in [
        answer(400, "{}"),
        answer(200, r#"{"error":{"message":"no"}}"#),
        answer(200, r#"{"mismatch":1}"#),
        answer(302, ""),
        Step::Fail(Kind::Exchange),
        Step::Fail(Kind::ConnectTimeout),
        Step::Never,
    ] {
        let script = Script::new([busy(), last]);
        let core = script.client().retry_config(RetryConfig::backoff().max_attempts(2)).build().unwrap();
        let error = post(&core).await.unwrap_err();
        assert_eq!(error.attempts(), 2, "{error}");
        assert!(error.elapsed() >= Duration::from_millis(250), "{error}");
        assert!(error.to_string().contains("; 2 attempts were made in "), "{error}");
    }

    let script = Script::new([busy(), Step::Never]);
    let error = post(&script.core()).timeout(Duration::from_secs(9)).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!((error.attempts(), error.elapsed().as_secs()), (2, 9), "the limit for the whole call too");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_stream_tells_how_it_began() {
    for (body, expected) in [
        ("data: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]\n\n", 1),
        // An event that is not JSON, and then the missing end.
        ("data: x\n\ndata: {\"n\":1}\n\n", 2),
    ] {
        let mut events = response(200, body);
        events.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        let script = Script::new([answer(503, "{}"), Step::Answer(events)]);
        let mut events = crate::support::stream(&script.core()).await.unwrap();
        let mut errors = 0;
        while let Some(item) = events.next().await {
            let Err(error) = item else { continue };
            errors += 1;
            assert_eq!(error.attempts(), 2, "{error}");
            assert!(error.elapsed() > Duration::ZERO);
        }
        assert_eq!(errors, expected);
    }
}

#[tokio::test]
async fn an_error_before_the_first_attempt_tells_of_none() {
    let script = Script::new([answer(400, "{}")]);
    let error = post(&script.core()).header("", "").await.unwrap_err();
    assert_eq!((error.attempts(), error.elapsed() < Duration::from_secs(1)), (0, true), "{error}");
    let error = post(&script.core()).await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    assert!(!error.to_string().contains("attempt"), "one attempt is not worth a word: {error}");
}

#[tokio::test]
async fn a_body_that_does_not_fit_but_reports_an_error_is_an_api_error() {
    let error = json_error_of(200, json!({"mismatch": 1, "error": {"message": "no"}})).await;
    assert_eq!(error.message(), "no");
    assert_eq!(json_error_of(200, json!([{"error": {"message": "no"}}])).await.message(), "no");
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_told_with_the_body() {
    for answer in [Answer::json(200, json!({"mismatch": 1})), Answer::text(200, "{\"id\":"), Answer::status(204)] {
        let Error::ResponseValidation(error) = error_of(answer).await else { panic!() };
        assert!(error.source().is_some());
        assert!(error.status().is_success());
        assert!(!format!("{error:?}").contains("mismatch"), "no content in Debug");
    }
    let Error::ResponseValidation(error) = error_of(Answer::json(200, json!({"mismatch": 1}))).await else { panic!() };
    assert_eq!(error.body(), r#"{"mismatch":1}"#);
}

#[tokio::test]
async fn a_type_that_no_field_identifies_is_not_looked_for_inside_other_objects() {
    let body = json!({"mismatch": 1, "result": {"n": 1}});
    let Error::ResponseValidation(error) = error_of(Answer::json(200, body.clone())).await else { panic!() };
    assert_eq!(error.body(), body.to_string().as_bytes());
}

#[tokio::test]
async fn a_page_with_a_success_status_is_told_with_the_page() {
    let page = Answer::text(200, "<html>login</html>").header("content-type", "text/html");
    let Error::ResponseValidation(error) = error_of(page).await else { panic!() };
    assert_eq!(error.body(), "<html>login</html>");
    assert_eq!(error.headers()["content-type"], "text/html");
}

#[tokio::test]
async fn a_body_that_is_compressed_unasked_is_told() {
    let Error::ResponseValidation(error) = error_of(Answer::json(200, json!({"id": 1})).gzipped()).await else {
        panic!()
    };
    assert!(error.source().unwrap().to_string().contains("gzip"), "{error:?}");
    assert!(!error.is_truncated(), "all of it was read: {error:?}");
}

#[tokio::test]
async fn a_unary_body_beyond_the_limit_is_told() {
    let server = MockServer::start().await;
    server.answer(Answer::huge(200, 1 << 33));
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).max_body(100_000).build().unwrap();
    let Error::ResponseValidation(error) = post(&core).await.unwrap_err() else { panic!() };
    assert_eq!(error.body().len(), 100_000);
    assert!(error.is_truncated() && error.to_string().contains("exceeds `max_body`; raise"), "{error}");
    assert!(error.source().unwrap().to_string().contains("max_body"), "{error:?}");
}

#[tokio::test]
async fn white_space_before_the_json_is_accepted() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"id": 1})).padded(300));
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    assert_eq!(post(&core).await.unwrap().get("id").unwrap(), "1");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_names_its_host() {
    let other = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        let error = error_of(Answer::redirect(status, &format!("{}/things", other.url()))).await;
        assert!(matches!(&error, Error::Unexpected(_)), "{error:?}");
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        assert!(!error.is_retryable());
    }
    assert_eq!(other.connections().opened, 0, "the key went nowhere else");
    let error = error_of(Answer::redirect(308, "/elsewhere")).await;
    assert!(error.to_string().contains("same host"), "{error}");
    let error = error_of(Answer::status(304)).await;
    assert_eq!(error.status().unwrap(), 304);
    assert!(error.to_string().contains("no `Location`; check the server URL"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_is_a_connection_error_with_its_cause() {
    let port = ClosedPort::new().unwrap();
    let core = OpenRouterCore::builder().api_key("k").server_url(port.url()).retry_config(RetryConfig::none());
    let error = post(&core.build().unwrap()).await.unwrap_err();
    let Error::Connection(connection) = &error else { panic!("{error:?}") };
    assert_eq!(connection.kind(), Kind::Connect);
    assert!(connection.is_unsent());
    assert!(error.is_retryable());
    let causes: Vec<_> = std::iter::successors(error.source(), |cause| (*cause).source()).collect();
    assert_eq!(causes.len(), 2, "who, and why: {error:?}");
    let host = port.url().split('/').nth(2).unwrap().to_owned();
    assert_eq!(causes[0].to_string(), format!("the server {host} could not be reached"));
    assert!(causes[1].to_string().to_lowercase().contains("refused"), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_connection_error() {
    for fault in [Fault::Reset, Fault::Close] {
        let places =
            [(Place::BeforeHead, Kind::Exchange), (Place::InHead, Kind::Exchange), (Place::InBody, Kind::Body)];
        for (place, kind) in places {
            let error = error_of(Answer::json(200, json!({"id": 1})).fault(fault, place)).await;
            let Error::Connection(connection) = &error else { panic!("{error:?}") };
            assert_eq!(connection.kind(), kind, "{fault:?} {place:?}");
            assert!(!connection.is_unsent());
        }
    }
}

#[tokio::test]
async fn an_error_body_that_breaks_off_does_not_hide_the_error() {
    let error = api_error_of(Answer::error(402, "no credits").fault(Fault::Reset, Place::InBody)).await;
    assert_eq!(error.kind(), ApiErrorKind::PaymentRequired);
}

#[tokio::test]
async fn a_connection_lost_with_its_runtime_is_cancelled() {
    let server = MockServer::start().await;
    server.answer(Answer::stream([json!({"id": 1}), json!({"id": 2})]).fault(Fault::Stall, Place::InBody));
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let begun = runtime.spawn(async move { crate::support::stream(&core).await.unwrap() });
    let mut stream = begun.await.unwrap();
    // The stream is read here, and its connection belongs to the other runtime, which ends.
    runtime.shutdown_background();
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Cancelled(_)), "{error:?}");
    assert!(error.source().is_some());
    let text = "createThing: the Tokio runtime that owns the connection was shut down; keep it running until its \
                responses are read";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn display_never_repeats_its_source() {
    let script = Script::new([
        Step::Fail(Kind::Exchange),
        Step::Fail(Kind::ConnectTimeout),
        Step::Fail(Kind::Request),
        answer(200, r#"{"mismatch":1}"#),
    ]);
    let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
    for _ in 0..4 {
        let error = get(&core).await.unwrap_err();
        let source = error.source().unwrap().to_string();
        assert!(!error.to_string().contains(&source), "{error} / {source}");
    }
}

#[test]
fn an_error_is_small_and_can_be_sent_between_threads() {
    fn check<T: std::error::Error + Send + Sync + 'static>() {}
    check::<Error>();
    assert!(size_of::<Error>() <= 16);
}

/// The error for a response, from a transport without a network.
async fn error_from(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Error {
    let mut response = response(status, "");
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    *response.body_mut() = body.to_vec().into();
    let script = Script::new([Step::Answer(response)]);
    let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
    post(&core).await.unwrap_err()
}

async fn api_error_from(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Box<ApiError> {
    match error_from(status, headers, body).await {
        Error::Api(error) => error,
        other => panic!("{other:?}"),
    }
}

/// The messages of an error and of all its causes.
fn texts(error: &Error) -> Vec<String> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| (*error).source()).map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_a_server_says_is_shown_on_one_bounded_line() {
    let attack = "a\r\nopenrouter: forged line\u{1b}[31m\0\u{202e}evil\u{2066}\u{85}\u{2028}";
    let shown = r"a\r\nopenrouter: forged line\u{1b}[31m\u{0}\u{202e}evil\u{2066}\u{85}\u{2028}";
    let word = &attack[..30];
    for (status, body) in [
        (400, json!({"error": {"message": attack, "code": word, "type": word, "metadata": {"raw": attack}}})),
        (200, json!({"error": {"message": attack, "code": word, "type": word, "metadata": {"raw": attack}}})),
        (400, json!({"error": attack})),
        (400, json!({"detail": attack})),
        (400, json!({"error": {"message": "no", "availability": {"code": attack}}})),
    ] {
        let error = api_error_from(status, &[], body.to_string().as_bytes()).await;
        let availability = format!("{:?}", error.availability());
        let is_shown = error.to_string().contains(shown) || availability != "None";
        assert!(is_shown, "{error}");
        assert!(error.message() == attack || availability != "None", "unchanged: {:?}", error.message());
        for text in [error.to_string(), format!("{error:?}"), format!("{:?}", Error::from(*error)), availability] {
            let bad = |letter: char| letter.is_control() || "\u{202e}\u{2066}\u{2028}".contains(letter);
            assert!(!text.contains(bad), "{text:?}");
        }
    }
    let error = api_error_from(502, &[("content-type", "text/plain")], attack.as_bytes()).await;
    assert!(error.to_string().contains(shown.strip_suffix(r"\u{85}\u{2028}").unwrap()), "{error}");
}

#[tokio::test]
async fn a_long_message_is_cut_and_names_the_method_that_has_all_of_it() {
    for (letter, kind) in [("x", "application/json"), ("\u{1b}", "application/json"), ("ä", "text/plain")] {
        let message = letter.repeat(300_000);
        let body =
            if kind == "text/plain" { message.clone() } else { json!({"error": {"message": message}}).to_string() };
        let error = api_error_from(400, &[("content-type", kind)], body.as_bytes()).await;
        let text = error.to_string();
        assert!(text.len() < 1300 && text.contains("`message()`"), "{} {text}", text.len());
        assert!(text.ends_with("; correct the request"), "{text}");
        assert!(error.message().len() >= 8 * 1024 && format!("{error:?}").len() < 3000);
    }
    let long = "w".repeat(10_000);
    let body = json!({"error": {"message": "no", "code": long, "type": long, "metadata": {"raw": long}}});
    let error = api_error_from(200, &[], body.to_string().as_bytes()).await;
    assert!(error.to_string().len() < 500 && format!("{error:?}").len() < 3000, "{error:?}");
    assert_eq!(error.code().unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_key_at_the_place_where_a_message_is_cut_is_hidden() {
    for before in 480..500 {
        let message = format!("{} sk-or-v1-secret sk-or-v1-0123456789abcdef", "x".repeat(before));
        let body = json!({"error": {"message": message}}).to_string();
        let error = api_error_from(400, &[], body.as_bytes()).await;
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("sk-or") && !text.contains("v1-"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_named_by_its_coding() {
    let gzip: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xabV*K-*\xce\xcc\xcf";
    for coding in ["gzip", "br", "ZSTD"] {
        let error = api_error_from(429, &[("content-encoding", coding)], gzip).await;
        assert_eq!((error.kind(), error.message()), (ApiErrorKind::TooManyRequests, ""));
        assert!(error.to_string().contains(&format!("429 Too Many Requests, with a body compressed as {coding}; ")));

        let error = error_from(200, &[("content-encoding", coding)], gzip).await;
        let Error::ResponseValidation(mismatch) = &error else { panic!("{error:?}") };
        assert_eq!(mismatch.body(), gzip);
        assert!(error.to_string().contains(coding) && !format!("{error:?}").contains('\u{fffd}'), "{error:?}");
    }
    let unlabelled = api_error_from(502, &[], gzip).await;
    assert!(unlabelled.to_string().contains("with a body that is not text"), "{unlabelled}");
    let identity = api_error_from(400, &[("content-encoding", "identity")], b"why").await;
    assert_eq!(identity.message(), "why");
}

#[tokio::test]
async fn a_page_in_place_of_json_tells_to_check_the_server_url() {
    let page = "\u{feff}<!DOCTYPE html>\n<html><head><TITLE lang=\"en\">Sign in</TITLE></head></html>";
    for kind in ["text/html", "TEXT/HTML; charset=utf-8", "text/plain", "application/json"] {
        let error = error_from(200, &[("content-type", kind)], page.as_bytes()).await;
        assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("check the server URL") && text.contains("<!DOCTYPE html>"), "{text}");
        assert!(!text.contains("newer version"), "{text}");

        let error = api_error_from(404, &[("content-type", kind)], page.as_bytes()).await;
        assert_eq!(error.message(), "Sign in");
        assert!(error.to_string().contains("check the server URL"), "{error}");
    }
    let error = error_from(200, &[("content-type", "text/plain")], b"It works!").await;
    assert!(error.to_string().contains("check the server URL") && error.to_string().ends_with("It works!"), "{error}");
    let error = error_from(200, &[], b" \n ").await;
    assert!(error.to_string().contains("the response body is empty"), "{error}");
}

#[tokio::test]
async fn what_a_model_wrote_is_not_shown_in_an_error() {
    let server = MockServer::start().await;
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    for data in ["private", "\"content\": \"private\"}"] {
        let events = format!("data: {data}\n\ndata: [DONE]\n\n");
        server.answer(Answer::text(200, events).header("content-type", "text/event-stream"));
        let error = crate::support::stream(&core).await.unwrap().next().await.unwrap().unwrap_err();
        assert!(!format!("{error:?}").contains("private"), "{error:?}");
    }
    for body in
        ["{\"mismatch\": \"private\"}", "data: {\"text\":\"private\"}", "[\"private\"]", "\"private\"", "{\"private"]
    {
        for kind in ["application/json", "text/plain", "text/event-stream"] {
            let error = error_from(200, &[("content-type", kind)], body.as_bytes()).await;
            assert!(!format!("{error} {error:?}").contains("private"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn what_stands_around_the_json_of_an_error_is_passed_over() {
    let error = r#"{"error":{"message":"no","code":402}}"#;
    for body in [
        format!("\u{feff}{error}"),
        format!("\r\n {error}\0\0\n"),
        format!("\0{error}"),
        format!(": keep-alive\n\n{error}"),
        format!(": keep-alive\r\n\r\ndata: {error}\r\n\r\n"),
        format!("event: error\ndata: {error}"),
        format!("[{error}]"),
    ] {
        assert_eq!(api_error_from(402, &[], body.as_bytes()).await.message(), "no", "{body:?}");
        assert_eq!(api_error_from(200, &[], body.as_bytes()).await.kind(), ApiErrorKind::PaymentRequired, "{body:?}");
    }
}

#[tokio::test]
async fn the_words_of_an_error_are_found_wherever_a_server_puts_them() {
    for (body, code, message) in [
        (json!({"error": "invalid_grant", "error_description": "not accepted"}), Some("invalid_grant"), "not accepted"),
        (json!({"error": "invalid_grant", "message": "not accepted"}), Some("invalid_grant"), "not accepted"),
        (json!({"error": "Model is loading"}), None, "Model is loading"),
        (json!({"detail": {"message": "not accepted"}}), None, "not accepted"),
        (json!({"errors": [{"message": "not accepted"}]}), None, "not accepted"),
        (json!({"title": "not accepted", "status": 400}), Some("400"), "not accepted"),
    ] {
        let error = api_error_from(400, &[], body.to_string().as_bytes()).await;
        assert_eq!((error.code(), error.message()), (code, message), "{body}");
    }
}

#[tokio::test]
async fn every_error_type_of_the_api_has_a_kind() {
    use ApiErrorKind::*;
    for (words, kind) in [
        (
            "context_length_exceeded max_tokens_exceeded token_limit_exceeded string_too_long invalid_request \
             invalid_prompt precondition_failed refusal invalid_image image_too_large image_too_small \
             unsupported_image_format image_not_found image_download_failed invalid_image_format \
             invalid_base64_image invalid_image_url image_parse_error invalid_image_mode image_file_too_large \
             unsupported_image_media_type empty_image_file failed_to_download_image image_file_not_found \
             INVALID_ARGUMENT FAILED_PRECONDITION ValidationException invalid_grant invalid_scope \
             unsupported_grant_type",
            BadRequest,
        ),
        ("authentication authentication_error invalid_api_key UNAUTHENTICATED", Unauthorized),
        ("payment_required billing_error insufficient_credits", PaymentRequired),
        (
            "permission_denied permission_error content_policy_violation image_content_policy_violation bio_policy \
             cyber_policy misalignment_policy_violation data_residency_mismatch AccessDeniedException",
            Forbidden,
        ),
        ("not_found not_found_error model_not_found ResourceNotFoundException DeploymentNotFound", NotFound),
        ("ALREADY_EXISTS conflict_error", Conflict),
        ("gone model_deprecated", Gone),
        ("payload_too_large request_too_large", PayloadTooLarge),
        ("unprocessable", UnprocessableEntity),
        (
            "insufficient_quota rate_limit_exceeded ThrottlingException slow_down RESOURCE_EXHAUSTED rate_limit_error",
            TooManyRequests,
        ),
        ("CANCELLED client_closed_request", ClientClosedRequest),
        ("timeout vector_store_timeout ModelTimeoutException", RequestTimeout),
        ("server server_error api_error InternalServerException INTERNAL", InternalServer),
        ("provider_unavailable upstream_error provider_error", BadGateway),
        ("temporarily_unavailable ServiceUnavailableException UNAVAILABLE capacity_exhausted", ServiceUnavailable),
        ("provider_overloaded overloaded_error server_busy engine_overloaded_error", ProviderOverloaded),
        ("unmapped something_new", Other),
    ] {
        for word in words.split(' ').filter(|word| !word.is_empty()) {
            let body = json!({"error": {"message": "no", "code": word}}).to_string();
            assert_eq!(api_error_from(200, &[], body.as_bytes()).await.kind(), kind, "{word}");
        }
    }
    for (text, kind) in [("Gateway Time-out", GatewayTimeout), ("Internal Server Error", InternalServer)] {
        let body = json!({"error": text}).to_string();
        assert_eq!(api_error_from(200, &[], body.as_bytes()).await.kind(), kind, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_credits_is_not_waited_for() {
    let body = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}"#;
    for after in ["", "1"] {
        let Step::Answer(mut response) = answer(429, body) else { panic!() };
        response.headers_mut().insert("retry-after", after.parse().unwrap());
        let script = Script::new([Step::Answer(response)]);
        let error = post(&script.core()).await.unwrap_err();
        assert!(!error.is_retryable() && error.attempts() == 1, "{error}");
        assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::TooManyRequests);
    }
    let error = api_error_from(429, &[], body.as_bytes()).await;
    assert!(error.to_string().ends_with("; add credits or raise the limit of the key"), "{error}");
}

#[tokio::test]
async fn a_wait_and_a_status_read_as_a_person_would_write_them() {
    for (wait, text) in [
        ("0", "; send fewer requests, or wait"),
        ("0.2", "; try again after 1s"),
        ("7", "; try again after 7s"),
        ("60", "; try again after 1min"),
        ("61.5", "; try again after 1min 2s"),
        ("3600", "; try again after 1h"),
        ("12151.895775397", "; try again after 3h 23min"),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "; send fewer requests, or wait"),
    ] {
        let error = api_error_from(429, &[("retry-after", wait)], b"{}").await;
        assert!(error.to_string().ends_with(text), "{wait}: {error}");
    }
    for status in [499, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 599] {
        let text = api_error_from(status, &[], b"{}").await.to_string();
        assert!(text.contains(&format!("the server responded with {status}")) && !text.contains("unknown"), "{text}");
    }
}

#[tokio::test]
async fn an_error_in_place_of_events_is_found_whatever_its_media_type() {
    let error = json!({"error": {"message": "no credits", "code": 402}}).to_string();
    let server = MockServer::start().await;
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).retry_config(RetryConfig::none());
    let core = core.build().unwrap();
    for kind in ["application/json", "Application/JSON", "text/plain", "text/html", "application/octet-stream", "x/y"] {
        for body in [error.clone(), format!("\u{feff}{error}"), format!(" \n {error}"), format!("[{error}]")] {
            server.answer(Answer::text(200, body).header("content-type", kind).cut_into(7));
            let error = crate::support::stream(&core).await.unwrap_err();
            assert_eq!(error.as_api().map(ApiError::kind), Some(ApiErrorKind::PaymentRequired), "{kind}: {error:?}");
        }
    }
    for (body, start) in [("<html><title>Log in</title></html>", "<html>"), ("upstream failed", "upstream failed")] {
        for kind in ["text/html", "TEXT/HTML", "text/plain", "x/y"] {
            server.answer(Answer::text(200, body).header("content-type", kind).cut_into(3));
            let error = crate::support::stream(&core).await.unwrap_err();
            assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
            assert!(error.to_string().contains("check the server URL") && error.to_string().contains(start), "{error}");
        }
    }
}

#[tokio::test]
async fn events_are_read_as_they_come_whatever_their_media_type() {
    let server = MockServer::start().await;
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    for kind in ["application/json", "text/plain", "TEXT/EVENT-STREAM", "x/y"] {
        let stall = Answer::stream([json!({"id": 1}), json!({"id": 2})]).fault(Fault::Stall, Place::InBody);
        server.answer(stall.header("content-type", kind));
        let mut stream = crate::support::stream(&core).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().get("id").unwrap(), "1", "{kind}");
    }
}

#[tokio::test]
async fn an_error_in_place_of_sound_is_found_whatever_its_media_type() {
    let server = MockServer::start().await;
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).retry_config(RetryConfig::none());
    let core = core.build().unwrap();
    let call = || Call::<Download>::new(&core, Parts::new(&crate::support::POST));
    let error = json!({"error": {"message": "voice not found", "code": 400}, "user_id": "u"}).to_string();
    for body in
        [error.clone(), format!(" \n{error}"), format!("[{error}]"), json!({"detail": "voice not found"}).to_string()]
    {
        for kind in ["application/json", "Application/JSON", "audio/mpeg", "text/plain"] {
            server.answer(Answer::text(200, body.clone()).header("content-type", kind).cut_into(10));
            let error = call().await.unwrap_err();
            assert_eq!(error.as_api().map(ApiError::message), Some("voice not found"), "{kind}: {error:?}");
        }
    }
    server.answer(Answer::text(200, "<html>Log in</html>").header("content-type", "audio/mpeg"));
    assert!(call().await.unwrap_err().to_string().contains("check the server URL"));
    server.answer(Answer::text(200, error).fault(Fault::Close, Place::InBody));
    assert!(call().await.unwrap_err().is_connection());
}

#[tokio::test]
async fn what_is_generated_comes_whole_however_it_begins() {
    let server = MockServer::start().await;
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    for body in [
        json!({"data": "c291bmQ="}).to_string(),
        format!("{{{}", " ".repeat(3 << 20)),
        " ".repeat(3 << 20),
        "[".to_owned(),
        String::new(),
        "\u{feff}sound".to_owned(),
    ] {
        for size in [7, 1 << 20] {
            server.answer(
                Answer::text(200, body.clone()).header("content-type", "audio/mpeg").cut_into(size.max(body.len() / 9)),
            );
            let call: Call<Download> = Call::new(&core, Parts::new(&crate::support::POST));
            assert_eq!(call.await.unwrap().collect().await.unwrap(), body);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_retryable_if_nothing_was_processed_or_the_operation_may_be_repeated() {
    let cases = [
        // The step, whether a POST and a GET are retryable, and whether the error is transient.
        (Step::Fail(Kind::Connect), true, true, true),
        (Step::Fail(Kind::ConnectTimeout), true, true, true),
        (Step::Fail(Kind::NotSent), true, true, true),
        (Step::Fail(Kind::Exchange), false, true, true),
        (Step::Fail(Kind::Body), false, true, true),
        (Step::Fail(Kind::Request), false, false, false),
        (Step::Never, false, true, true),
        (answer(503, "{}"), true, true, true),
        (answer(504, "{}"), false, true, true),
        (answer(400, "{}"), false, false, false),
        (answer(200, r#"{"error":{"code":502,"message":"no"}}"#), false, true, true),
        (answer(200, r#"{"error":{"code":402,"message":"no"}}"#), false, false, false),
        (answer(200, r#"{"mismatch":1}"#), false, false, false),
        (answer(302, ""), false, false, false),
    ];
    for (step, post_is_retryable, get_is_retryable, is_transient) in cases {
        let name = format!("{step:?}");
        let copy = match &step {
            Step::Answer(response) => {
                let body = std::str::from_utf8(response.body().as_bytes().unwrap()).unwrap();
                answer(response.status().as_u16(), body)
            }
            Step::Fail(kind) => Step::Fail(*kind),
            _ => Step::Never,
        };
        let script = Script::new([step, copy]);
        let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
        let (paid, free) = (post(&core).await.unwrap_err(), get(&core).await.unwrap_err());
        assert_eq!((paid.is_retryable(), paid.is_transient()), (post_is_retryable, is_transient), "POST {name}");
        assert_eq!((free.is_retryable(), free.is_transient()), (get_is_retryable, is_transient), "GET {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_the_status_of_the_response_if_one_arrived() {
    for (step, status) in [
        (answer(404, "{}"), Some(404)),
        (answer(200, r#"{"error":{"code":502,"message":"no"}}"#), Some(200)),
        (answer(201, r#"{"mismatch":1}"#), Some(201)),
        (answer(302, ""), Some(302)),
        (Step::Fail(Kind::Exchange), None),
        (Step::Never, None),
    ] {
        let name = format!("{step:?}");
        let core = Script::new([step]).client().retry_config(RetryConfig::none()).build().unwrap();
        let error = post(&core).await.unwrap_err();
        assert_eq!(error.status().map(|status| status.as_u16()), status, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_network_says_what_to_do_to_programmers_and_to_users() {
    let cases = [
        (
            Step::Fail(Kind::Connect),
            "the connection could not be established; check the network, the proxy and the server URL",
            "the connection could not be established; check the network, the proxy and the server URL",
        ),
        (
            Step::Fail(Kind::ConnectTimeout),
            "the connection was not established in time; check the network or raise `connect_timeout`",
            "the connection was not established in time; check the network",
        ),
        (
            Step::Fail(Kind::NotSent),
            "the connection closed before the request was sent; try again",
            "the connection closed before the request was sent; try again",
        ),
        (
            Step::Fail(Kind::Exchange),
            "the connection failed before the response arrived; the request may have been processed, so check before \
             retrying",
            "the connection failed before the response arrived; the request may have been processed, so check before \
             retrying",
        ),
        (
            Step::Fail(Kind::Body),
            "the response was cut off before its end, so what arrived is incomplete; it may be charged, so check \
             before retrying",
            "the response was cut off before its end, so what arrived is incomplete; it may be charged, so check \
             before retrying",
        ),
        (
            Step::Fail(Kind::Request),
            "the transport cannot send this request; check the server URL and the features",
            "this request cannot be sent; check the server URL",
        ),
        (
            Step::Never,
            "the response did not start within 5s; raise `response_timeout` for slow models",
            "the response did not start within 5s; try again, or allow more time",
        ),
    ];
    for (step, for_programmers, for_users) in cases {
        let core = Script::new([step]).client().retry_config(RetryConfig::none()).build().unwrap();
        let error = post(&core).response_timeout(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("createThing: {for_programmers}"));
        assert_eq!(format!("{error:#}"), for_users);
    }
    let core = Script::new([Step::Fail(Kind::Body)]).client().retry_config(RetryConfig::none()).build().unwrap();
    let error = get(&core).await.unwrap_err();
    let text = "the response was cut off before its end, so what arrived is incomplete; try again";
    assert_eq!(error.to_string(), format!("getThing: {text}"), "a GET costs nothing");
}

#[cfg(feature = "credits")]
#[tokio::test]
async fn a_value_that_does_not_fit_is_named_by_its_place() {
    let server = MockServer::start().await;
    let client = openrouter_kit::OpenRouter::builder().api_key("k").server_url(server.url()).build().unwrap();
    server.answer(Answer::json(200, json!({"data": {"total_credits": "many", "total_usage": "some"}})));
    let error = client.credits().get_credits().await.unwrap_err();
    let start = "the response does not match the operation, at `data.total_credits`";
    let for_programmers = format!("credits_get_credits: {start}; see `body()`, or try a newer version of this crate");
    assert_eq!(error.to_string(), for_programmers);
    assert_eq!(format!("{error:#}"), format!("{start}; a newer version of this program may know it"));
    let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
    assert_eq!(error.path(), "data.total_credits");
}

#[tokio::test]
async fn a_response_that_does_not_fit_says_what_to_do_to_programmers_and_to_users() {
    for (body, for_programmers, for_users) in [
        (
            r#"{"mismatch":1}"#,
            "the response does not match the operation; see `body()`",
            "the response does not match the operation; a newer version of this program may know it",
        ),
        (
            " \n ",
            "the response body is empty; check the server URL and any proxy or gateway in between",
            "the response body is empty; check the server URL and any proxy or gateway in between",
        ),
    ] {
        let error = error_from(200, &[], body.as_bytes()).await;
        assert_eq!(error.to_string(), format!("createThing: {for_programmers}"));
        assert_eq!(format!("{error:#}"), for_users);
        let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
        assert_eq!(error.path(), "");
    }
}

#[tokio::test]
async fn the_status_of_a_failure_counts_more_than_its_words() {
    for status in [400, 418, 501] {
        let body = json!({"error": {"message": "no", "code": "rate_limit_exceeded", "type": "overloaded_error"}});
        let error = json_error_of(status, body).await;
        assert_eq!(error.kind(), ApiErrorKind::from_status(status), "{status}");
        assert!(!error.is_transient(), "{status}");
    }
}

#[tokio::test]
async fn a_failure_names_its_status_and_says_what_to_do() {
    const LATER: &str = "try again later or allow fallback models";
    const CHECK: &str = "the request may have been processed, so check before retrying";
    for (status, name, advice) in [
        (400, "Bad Request", "correct the request"),
        (401, "Unauthorized", "check the API key"),
        (402, "Payment Required", "add credits or raise the limit of the key"),
        (403, "Forbidden", "check the permissions of the key, the guardrails and the content"),
        (404, "Not Found", "check the model, the identifier and the provider preferences"),
        (408, "Request Timeout", CHECK),
        (409, "Conflict", "read the resource again and repeat the change"),
        (410, "Gone", "use another model or resource"),
        (413, "Payload Too Large", "send less"),
        (415, "Unsupported Media Type", "correct the request"),
        (418, "I'm a teapot", "see `body()` for the whole response"),
        (422, "Unprocessable Entity", "correct the request"),
        (429, "Too Many Requests", "send fewer requests, or wait"),
        (499, "Client Closed Request", "keep the connection open for longer, including in gateways in between"),
        (500, "Internal Server Error", LATER),
        (501, "Not Implemented", "see `body()` for the whole response"),
        (502, "Bad Gateway", LATER),
        (503, "Service Unavailable", LATER),
        (504, "Gateway Timeout", CHECK),
        (520, "Unknown Server Error", CHECK),
        (521, "Server Is Down", LATER),
        (522, "Connection to the Server Timed Out", LATER),
        (523, "Server Is Unreachable", LATER),
        (524, "Server Timed Out", CHECK),
        (525, "TLS Handshake with the Server Failed", LATER),
        (526, "Invalid Certificate of the Server", LATER),
        (527, "Connection to the Server Failed", CHECK),
        (529, "Overloaded", LATER),
        (530, "Server Name Not Resolved", LATER),
    ] {
        let error = api_error_from(status, &[], br#"{"error":{"message":"no"}}"#).await;
        assert_eq!(error.to_string(), format!("createThing: the server responded with {status} {name}: no; {advice}"));
    }
}

#[tokio::test]
async fn json_that_is_labeled_as_a_page_is_an_error_of_the_api_and_text_is_a_page() {
    let html = [("content-type", "text/html")];
    let error = api_error_from(404, &html, br#"{"error":{"message":"no"}}"#).await;
    assert!(error.to_string().ends_with("; check the model, the identifier and the provider preferences"), "{error}");
    let error = api_error_from(404, &html, b"Nothing here").await;
    assert_eq!(error.message(), "", "a page without a title");
    let advice = "; the response is an HTML page and not from the API, so check the server URL";
    assert!(error.to_string().ends_with(advice), "{error}");
}

#[tokio::test]
async fn an_error_inside_a_success_has_at_most_one_mebibyte() {
    for (length, is_error) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let (start, end) = (r#"{"error":{"message":"no"},"mismatch":""#, r#""}"#);
        let body = format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()));
        let error = error_from(200, &[], body.as_bytes()).await;
        assert_eq!(error.as_api().is_some(), is_error, "{error:?}");
    }
}

#[tokio::test]
async fn a_number_as_a_code_is_told_as_it_was_sent() {
    for code in ["429", "-1", "18446744073709551615", "9223372036854775808"] {
        let body = format!(r#"{{"error":{{"message":"no","code":{code}}}}}"#);
        assert_eq!(api_error_from(400, &[], body.as_bytes()).await.code(), Some(code));
    }
}

#[tokio::test]
async fn the_name_of_an_event_is_not_the_type_of_an_error() {
    for (name, error_type) in
        [("error", None), ("response.failed", None), ("invalid_request_error", Some("invalid_request_error"))]
    {
        let error = api_error_from(400, &[], json!({"type": name, "message": "no"}).to_string().as_bytes()).await;
        assert_eq!((error.error_type(), error.message()), (error_type, "no"));
    }
}

/// One error of each kind, with what a program sees.
async fn all_errors() -> Vec<Error> {
    static NAMED: openrouter_kit::core::Operation =
        openrouter_kit::core::Operation::new("createThing", http::Method::POST, "/things")
            .with_function("things_create");
    let statuses =
        [400, 401, 402, 403, 404, 408, 409, 410, 412, 413, 422, 429, 499, 500, 502, 503, 504, 524, 529, 599, 302, 304];
    let mut steps: Vec<Step> =
        statuses.into_iter().map(|status| answer(status, r#"{"error":{"message":"no"}}"#)).collect();
    steps.extend(statuses.into_iter().map(|status| answer(status, "")));
    steps
        .extend(["", "{}", "{\"mismatch\":1}", "<html>", "{\"error\":{\"code\":\"x\"}}"].map(|body| answer(200, body)));
    let kinds = [Kind::Connect, Kind::ConnectTimeout, Kind::NotSent, Kind::Exchange, Kind::Body, Kind::Request];
    steps.extend(kinds.map(Step::Fail));
    steps.push(Step::Never);
    let mut errors = Vec::new();
    for step in steps {
        let script = Script::new([step]);
        let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
        let call: Call<crate::support::Thing> = Call::new(&core, Parts::new(&NAMED).json(&crate::support::body()));
        if let Err(error) = call.response_timeout(Duration::from_secs(1)).await {
            errors.push(error);
        }
    }
    let core = Script::new([]).core();
    let call = || Call::<crate::support::Thing>::new(&core, Parts::new(&NAMED).json(&crate::support::body()));
    for mistaken in [
        call().header("a b", "c"),
        call().header("host", "c"),
        call().header("a", "b\n"),
        call().extra_body("stream", true),
        call().server_url("nowhere"),
        call().timeout(Duration::ZERO),
    ] {
        errors.push(mistaken.await.unwrap_err());
    }
    errors.push(Error::from(openrouter_kit::errors::HookError::new("no\nimages")));
    errors
}

#[tokio::test(start_paused = true)]
async fn every_message_is_one_line_that_names_the_function_and_what_to_do() {
    let errors = all_errors().await;
    assert!(errors.len() > 50);
    for error in &errors {
        let text = error.to_string();
        let is_named = text.starts_with("things_create: ") || error.operation_id().is_none();
        assert!(is_named, "{text}");
        assert!(error.operation_id().is_none_or(|id| id == "createThing"), "{error:?}");
        let is_formed = text.len() < 400 && !text.contains(char::is_control) && !text.ends_with(['.', ' ', ':']);
        assert!(is_formed && (text.contains("; ") || text.contains(". ")), "it says what to do: {text}");
        for word in ["unknown status", "Some(", "  "] {
            assert!(!text.contains(word), "{word:?} in {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn debug_of_an_error_is_its_message_with_each_cause_told_once() {
    for error in all_errors().await {
        let debug = format!("{error:?}");
        assert!(debug.starts_with(&error.to_string()) && !debug.contains(char::is_control), "{debug:?}");
        let texts = texts(&error);
        for (place, text) in texts.iter().enumerate() {
            assert!(!texts[..place].iter().any(|before| before.contains(text)), "twice: {debug}");
            assert!(debug.contains(&text.replace('\n', r"\n")), "{text} in {debug}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_json_is_told_without_its_white_space() {
    let body = r#"{"error": {"code": 400, "message": { "a b" : [ "x \" y\\" , 1 ] ,  "c" : { } } } }"#;
    let Error::Api(error) = error_of(Answer::text(400, body)).await else { panic!() };
    assert_eq!(error.message(), r#"{"a b":["x \" y\\",1],"c":{}}"#);
}
