//! Each sentence of the contract in the documentation of `RetryConfig`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

mod support;

use std::time::{Duration, SystemTime};

use openrouter_kit::core::RetryConfig;
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::errors::{Error, TimeoutPhase};
use support::{Script, Step, answer, get, post, response, slow_body, stream, with_header};

const OK: &str = r#"{"id":"one"}"#;

fn seconds(range: std::ops::RangeInclusive<f64>, wait: Duration) -> bool {
    // The clock of tokio counts milliseconds and rounds up.
    (*range.start()..=*range.end() + 0.002).contains(&wait.as_secs_f64())
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_a_listed_status_is_retried_whatever_the_method() {
    for status in [408, 429, 500, 502, 503, 504, 524, 529] {
        let script = Script::new([answer(status, "{}"), answer(200, OK)]);
        post(&script.core()).await.unwrap();
        assert_eq!(script.sent().len(), 2, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_another_status_is_not_retried() {
    for status in [400, 401, 402, 403, 404, 409, 410, 413, 422, 501, 505] {
        let script = Script::new([answer(status, "{}")]);
        let error = get(&script.core()).await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(script.sent().len(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_it_is_not_retryable_is_not_retried() {
    let body =
        r#"{"error":{"code":503,"message":"gone","availability":{"code":"model_deprecated","retryable":false}}}"#;
    let script = Script::new([answer(503, body)]);
    let error = post(&script.core()).await.unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_not_received_is_retried() {
    for kind in [Kind::Connect, Kind::ConnectTimeout, Kind::NotSent] {
        let script = Script::new([Step::Fail(kind), answer(200, OK)]);
        post(&script.core()).await.unwrap();
        assert_eq!(script.sent().len(), 2, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_may_have_been_received_is_not_repeated() {
    let script = Script::new([Step::Fail(Kind::Exchange)]);
    let error = post(&script.core()).await.unwrap_err();
    assert!(error.is_connection());
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_get_that_may_have_been_received_is_repeated() {
    let script = Script::new([Step::Fail(Kind::Exchange), answer(200, OK)]);
    get(&script.core()).await.unwrap();
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_allow_to_repeat_a_post_that_may_have_been_received() {
    let script = Script::new([Step::Fail(Kind::Exchange), answer(200, OK)]);
    post(&script.core()).repeat_received(true).await.unwrap();
    assert_eq!(script.sent().len(), 2);
    assert_eq!(script.sent()[0].body, script.sent()[1].body);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_that_ran_out_repeats_a_get_and_no_post() {
    let limit = Duration::from_secs(20);
    let script = Script::new([Step::Never, answer(200, OK)]);
    get(&script.core()).response_timeout(limit).await.unwrap();
    assert_eq!(script.sent().len(), 2);

    let script = Script::new([Step::Never]);
    let error = post(&script.core()).response_timeout(limit).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(error) if error.phase() == TimeoutPhase::Response));
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_broke_off_repeats_a_get_and_no_post() {
    let broken = || {
        let mut broken = response(200, "");
        *broken.body_mut() = slow_body(vec![(Duration::ZERO, r#"{"id":"#)], Some(Kind::Body));
        Step::Answer(broken)
    };
    let script = Script::new([broken(), answer(200, OK)]);
    get(&script.core()).await.unwrap();
    assert_eq!(script.sent().len(), 2);

    let script = Script::new([broken()]);
    let error = post(&script.core()).await.unwrap_err();
    assert!(matches!(error, Error::Connection(error) if error.is_incomplete()));
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_is_never_retried() {
    let mut broken = response(200, "");
    broken.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    *broken.body_mut() = slow_body(vec![(Duration::ZERO, "data: {\"n\":1}\n\n")], Some(Kind::Body));
    let script = Script::new([Step::Answer(broken)]);
    let mut events = stream(&script.core()).repeat_received(true).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().get("n").unwrap(), "1");
    assert!(events.next().await.unwrap().unwrap_err().is_connection());
    assert!(events.next().await.is_none());
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_inside_a_success_is_not_retried() {
    let script = Script::new([answer(200, r#"{"error":{"code":503,"message":"busy"}}"#)]);
    let error = post(&script.core()).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_are_drawn_from_the_upper_half() {
    let failing = || (0..6).map(|_| answer(500, "{}")).chain([answer(200, OK)]);
    let config = RetryConfig::backoff().max_attempts(7).initial_interval(Duration::from_secs(1)).exponent(3.0);
    for _ in 0..20 {
        let script = Script::new(failing());
        let core = script.client().retry_config(config.clone()).build().unwrap();
        post(&core).await.unwrap();
        let waits = script.waits();
        assert!(seconds(0.5..=1.0, waits[0]), "{waits:?}");
        assert!(seconds(1.5..=3.0, waits[1]), "{waits:?}");
        // The longest wait is 8 seconds.
        assert!(waits[2..].iter().all(|wait| seconds(4.0..=8.0, *wait)), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_the_server_names_counts_if_it_is_longer() {
    let cases: [(&str, &str, f64); 5] = [
        ("retry-after", "20", 20.0),
        ("retry-after", "1.5", 1.5),
        ("retry-after-ms", "2500", 2.5),
        // Beyond the longest interval of the backoff.
        ("retry-after", "90", 90.0),
        ("retry-after", " 3 ", 3.0),
    ];
    for (name, value, expected) in cases {
        let script = Script::new([with_header(429, name, value), answer(200, OK)]);
        post(&script.core()).await.unwrap();
        assert!(seconds(expected..=expected, script.waits()[0]), "{name}: {value}: {:?}", script.waits());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_milliseconds_comes_before_one_in_seconds() {
    let mut both = response(503, "{}");
    both.headers_mut().insert("retry-after", "60".parse().unwrap());
    both.headers_mut().insert("retry-after-ms", "4000".parse().unwrap());
    let script = Script::new([Step::Answer(both), answer(200, OK)]);
    post(&script.core()).await.unwrap();
    assert!(seconds(4.0..=4.0, script.waits()[0]), "{:?}", script.waits());
}

#[tokio::test(start_paused = true)]
async fn a_date_is_a_wait_too() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
    let script = Script::new([with_header(503, "retry-after", &date), answer(200, OK)]);
    post(&script.core()).await.unwrap();
    assert!(seconds(27.0..=30.0, script.waits()[0]), "{:?}", script.waits());
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_availability_counts() {
    let body = r#"{"error":{"code":503,"message":"busy","availability":{"retryable":true,"retry_after":12}}}"#;
    let script = Script::new([answer(503, body), answer(200, OK)]);
    post(&script.core()).await.unwrap();
    assert!(seconds(12.0..=12.0, script.waits()[0]), "{:?}", script.waits());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_short_past_or_nonsense_leaves_the_backoff() {
    let past = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH);
    for value in ["0", "-5", "soon", "", "inf", "NaN", "1e3", "0.001", "1.2.3", &past] {
        let script = Script::new([with_header(429, "retry-after", value), answer(200, OK)]);
        post(&script.core()).await.unwrap();
        assert!(seconds(0.25..=0.5, script.waits()[0]), "{value}: {:?}", script.waits());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_end_too_late_is_not_begun() {
    for value in ["121", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let script = Script::new([with_header(429, "retry-after", value)]);
        let began = tokio::time::Instant::now();
        let error = post(&script.core()).await.unwrap_err();
        assert_eq!(error.status().unwrap(), 429);
        assert!(error.as_api().unwrap().retry_after().unwrap() > Duration::from_secs(120), "{value}");
        assert_eq!(began.elapsed(), Duration::ZERO, "{value}");
        assert_eq!(script.sent().len(), 1, "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn elapsed_time_counts_from_the_start_of_the_call() {
    let config = RetryConfig::backoff().max_attempts(10).max_elapsed_time(Duration::from_secs(10));
    let late = || Step::Late(Duration::from_secs(4), response(500, "{}"));
    let script = Script::new([late(), late(), late()]);
    let core = script.client().retry_config(config).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 500);
    assert_eq!(script.sent().len(), 3, "the third answer came after 12 seconds");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_three_times_at_most_and_the_last_error_is_returned() {
    let script = Script::new([answer(500, "{}"), answer(502, "{}"), answer(503, "{}")]);
    let error = post(&script.core()).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 503);
    assert_eq!(script.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_retries_a_request_is_sent_once() {
    let script = Script::new([answer(500, "{}")]);
    let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
    post(&core).await.unwrap_err();
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn connection_errors_are_not_retried_if_the_configuration_says_so() {
    let config = RetryConfig::backoff().retry_connection_errors(false);
    for step in [Step::Fail(Kind::Connect), Step::Fail(Kind::Exchange), Step::Never] {
        let script = Script::new([step]);
        let core = script.client().retry_config(config.clone()).build().unwrap();
        get(&core).await.unwrap_err();
        assert_eq!(script.sent().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_transport_cannot_send_is_not_retried() {
    let script = Script::new([Step::Fail(Kind::Request)]);
    let error = get(&script.core()).await.unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_configuration_of_a_call_wins() {
    let script = Script::new([answer(500, "{}")]);
    post(&script.core()).retries(RetryConfig::none()).await.unwrap_err();
    assert_eq!(script.sent().len(), 1);

    let script = Script::new([answer(500, "{}"), answer(200, OK)]);
    let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
    post(&core).retries(RetryConfig::backoff()).await.unwrap();
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_statuses_of_a_call_replace_those_of_the_configuration() {
    let script = Script::new([answer(404, "{}"), answer(500, "{}")]);
    let error = post(&script.core()).retry_codes([404]).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 500);
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_with_its_clones_makes_a_hundred_retries_and_then_none() {
    let script = Script::new((0..200).map(|_| answer(500, "{}")));
    let core = script.client().retry_config(RetryConfig::backoff().max_attempts(2)).build().unwrap();
    for _ in 0..100 {
        post(&core.clone()).await.unwrap_err();
    }
    assert_eq!(script.sent().len(), 200);

    assert_eq!(retries_left(&core, &script).await, 0);
}

/// How many of ten failing calls are retried.
async fn retries_left(core: &openrouter_kit::OpenRouterCore, script: &Script) -> usize {
    let before = script.sent().len();
    for _ in 0..10 {
        script.add(answer(500, "{}"));
        script.add(answer(500, "{}"));
        post(core).await.unwrap_err();
    }
    let sent = script.sent().len() - before;
    script.clear();
    sent - 10
}

#[tokio::test(start_paused = true)]
async fn a_call_that_succeeds_gives_back_a_tenth_of_a_retry() {
    let script = Script::new((0..200).map(|_| answer(500, "{}")));
    let core = script.client().retry_config(RetryConfig::backoff().max_attempts(2)).build().unwrap();
    for _ in 0..100 {
        post(&core).await.unwrap_err();
    }
    for _ in 0..29 {
        script.add(answer(200, OK));
        post(&core).await.unwrap();
    }
    assert_eq!(retries_left(&core, &script).await, 2);
}

#[test]
fn a_configuration_outside_its_ranges_is_refused() {
    let second = Duration::from_secs(1);
    let wrong = [
        RetryConfig::backoff().exponent(0.5),
        RetryConfig::backoff().exponent(f64::NAN),
        RetryConfig::backoff().exponent(f64::INFINITY),
        RetryConfig::backoff().max_attempts(0),
        RetryConfig::backoff().initial_interval(second * 2).max_interval(second),
        RetryConfig::backoff().status_codes([200]),
        RetryConfig::backoff().status_codes([600]),
    ];
    for config in wrong {
        let error = openrouter_kit::OpenRouterCore::builder().retry_config(config.clone()).build().unwrap_err();
        let Error::InvalidRequest(error) = error else { panic!("{error:?}") };
        assert_eq!(error.argument(), "retry_config", "{config:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn extreme_intervals_do_no_harm() {
    let config = RetryConfig::backoff()
        .initial_interval(Duration::MAX)
        .max_interval(Duration::MAX)
        .max_elapsed_time(Duration::MAX)
        .max_attempts(u32::MAX);
    let script = Script::new([answer(500, "{}"), answer(200, OK)]);
    let core = script.client().retry_config(config).build().unwrap();
    // The wait is longer than any program runs: the limit for the call ends it.
    let error = post(&core).timeout(Duration::from_secs(3600)).await.unwrap_err();
    assert!(error.is_timeout());
}
