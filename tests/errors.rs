//! What a program learns from each error.
#![cfg(feature = "mock")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

mod support;

use std::error::Error as _;
use std::time::Duration;

use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::RetryConfig;
use openrouter_kit::core::transport::{TransportError, TransportErrorKind as Kind};
use openrouter_kit::errors::{ApiError, ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, ClosedPort, Fault, MockServer, Place};
use serde_json::json;
use support::{Script, Step, answer, get, post, response};

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
        (422, ApiErrorKind::UnprocessableEntity, false),
        (429, ApiErrorKind::TooManyRequests, true),
        (500, ApiErrorKind::InternalServer, true),
        (502, ApiErrorKind::BadGateway, true),
        (503, ApiErrorKind::ServiceUnavailable, true),
        (524, ApiErrorKind::EdgeNetworkTimeout, true),
        (529, ApiErrorKind::ProviderOverloaded, true),
        (418, ApiErrorKind::Default, false),
        (501, ApiErrorKind::Default, false),
        (504, ApiErrorKind::Default, true),
        (520, ApiErrorKind::Default, true),
        (521, ApiErrorKind::Default, true),
        (522, ApiErrorKind::Default, true),
        (523, ApiErrorKind::Default, true),
        (525, ApiErrorKind::Default, true),
        (526, ApiErrorKind::Default, true),
        (527, ApiErrorKind::Default, true),
        (528, ApiErrorKind::Default, false),
        (530, ApiErrorKind::Default, true),
        (599, ApiErrorKind::Default, false),
    ];
    for (status, kind, retryable) in kinds {
        let error = api_error_of(Answer::error(status, "what happened")).await;
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.status().as_u16(), status);
        assert_eq!(error.message(), "what happened");
        assert_eq!(error.code(), Some(status.to_string().as_str()));
        assert_eq!(error.is_retryable(), retryable, "{status}");
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
        (json!({"error": {"message": "no"}}), ApiErrorKind::Default),
        (json!({"error": "no"}), ApiErrorKind::Default),
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
        (ApiErrorKind::RequestTimeout, &["timeout", "timeout_error", "gateway_timeout", "DEADLINE_EXCEEDED"]),
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
                assert_eq!((error.kind(), error.is_retryable()), (kind, true), "{body}");
            }
        }
    }
    for word in ["invalid_request_error", "permission_error", "not_found_error", "error", "_error", "", "unmapped"] {
        assert!(!json_error_of(200, json!({"error": {"type": word}})).await.is_retryable(), "{word}");
    }
}

#[tokio::test]
async fn a_status_inside_a_success_is_as_retryable_as_the_status() {
    for (status, retryable) in
        [(408, true), (504, true), (520, true), (522, true), (530, true), (501, false), (400, false)]
    {
        for code in [json!(status), json!(status.to_string())] {
            let error = json_error_of(200, json!({"error": {"code": code, "message": "no"}})).await;
            assert_eq!(error.is_retryable(), retryable, "{status}");
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
    let error = post(&script.core()).retries(quick).await.unwrap_err();
    assert!(error.to_string().contains("; 2 attempts were made in ") && error.to_string().ends_with(" ms"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_error_tells_the_attempts_of_its_call() {
    let busy = || answer(503, "{}");
    for last in [
        answer(400, "{}"),
        answer(200, r#"{"error":{"message":"no"}}"#),
        answer(200, r#"{"misfit":1}"#),
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
        // An event that is no JSON, and then the missing end.
        ("data: x\n\ndata: {\"n\":1}\n\n", 2),
    ] {
        let mut events = response(200, body);
        events.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        let script = Script::new([answer(503, "{}"), Step::Answer(events)]);
        let mut events = support::stream(&script.core()).await.unwrap();
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
    let error = json_error_of(200, json!({"misfit": 1, "error": {"message": "no"}})).await;
    assert_eq!(error.message(), "no");
    assert_eq!(json_error_of(200, json!([{"error": {"message": "no"}}])).await.message(), "no");
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_told_with_the_body() {
    for answer in [Answer::json(200, json!({"misfit": 1})), Answer::text(200, "{\"id\":"), Answer::status(204)] {
        let Error::ResponseValidation(error) = error_of(answer).await else { panic!() };
        assert!(error.source().is_some());
        assert!(error.status().is_success());
        assert!(!format!("{error:?}").contains("misfit"), "no content in Debug");
    }
    let Error::ResponseValidation(error) = error_of(Answer::json(200, json!({"misfit": 1}))).await else { panic!() };
    assert_eq!(error.body(), r#"{"misfit":1}"#);
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
}

#[tokio::test]
async fn a_unary_body_beyond_the_limit_is_told() {
    let server = MockServer::start().await;
    server.answer(Answer::huge(200, 1 << 33));
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).max_body(100_000).build().unwrap();
    let Error::ResponseValidation(error) = post(&core).await.unwrap_err() else { panic!() };
    assert_eq!(error.body().len(), 100_000);
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
    assert!(error.source().unwrap().is::<TransportError>());
    let mut cause = error.source();
    while let Some(next) = cause.and_then(std::error::Error::source) {
        cause = Some(next);
    }
    assert!(cause.unwrap().to_string().to_lowercase().contains("refused"), "{cause:?}");
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let begun = runtime.spawn(async move { support::stream(&core).await.unwrap() });
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
}

#[tokio::test]
async fn display_never_repeats_its_source() {
    let script = Script::new([
        Step::Fail(Kind::Exchange),
        Step::Fail(Kind::ConnectTimeout),
        Step::Fail(Kind::Request),
        answer(200, r#"{"misfit":1}"#),
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
