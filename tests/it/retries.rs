//! Each sentence of the contract in the documentation of `RetryConfig`.

use std::time::{Duration, SystemTime};

use crate::a_limit::tokio;
use crate::support::{GET, Script, Step, Thing, answer, get, post, response, slow_body, stream, with_header};
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::{Call, EventStream, Parts, RetryConfig};
use openrouter_kit::errors::{Error, TimeoutPhase};

const OK: &str = r#"{"id":"one"}"#;

fn seconds(range: std::ops::RangeInclusive<f64>, wait: Duration) -> bool {
    // The clock of tokio counts milliseconds and rounds up.
    (*range.start()..=*range.end() + 0.002).contains(&wait.as_secs_f64())
}

/// The rows of the tables in `docs/errors.md` that have these first columns.
fn table(header: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).unwrap();
    let (_, rows) = page.split_once(header).unwrap();
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The method of a call, and whether it allows being repeated.
const CALLS: [(&str, bool); 4] = [("GET", false), ("GET", true), ("POST", false), ("POST", true)];

/// Whether a request whose first attempt gets `step` is sent again, and its error if not.
async fn is_repeated(step: Step, (method, allowed): (&str, bool)) -> (bool, Option<Error>) {
    let script = Script::new([step, answer(200, OK)]);
    let core = script.core();
    let call = if method == "GET" { get(&core) } else { post(&core) };
    let limit = Duration::from_secs(20);
    let outcome = call.repeat_received(allowed).response_timeout(limit).idle_timeout(limit).await;
    (script.sent().len() == 2, outcome.err())
}

/// What the columns of a row for GET and POST say about a call.
fn expected(row: &[String], (method, allowed): (&str, bool)) -> bool {
    let [.., get, post, _] = row else { panic!("{row:?}") };
    let cell = if method == "GET" || allowed { get } else { post };
    assert!(cell == "yes" || cell == "no", "{row:?}");
    cell == "yes"
}

const API_ERROR: &str = r#"{"error":{"code":"server_error","message":"what happened"}}"#;

/// What gateways send instead of the API.
const NO_API_ERRORS: [&str; 6] = [
    "<html><head><title>502 Bad Gateway</title></head></html>",
    "error code: 502",
    "",
    r#"{"message":"Internal server error"}"#,
    r#"{"error":"upstream failed"}"#,
    r#"{"type":"about:blank","title":"Bad gateway","status":502}"#,
];

#[tokio::test(start_paused = true)]
async fn each_status_is_repeated_as_the_table_says() {
    let rows = table("| Status | Body | GET, PUT, DELETE | POST | Why |");
    for status in 400..600 {
        let of_status = |row: &&Vec<String>| row[0].split(", ").any(|listed| listed == status.to_string());
        let mut listed: Vec<_> = rows.iter().filter(of_status).collect();
        if listed.is_empty() {
            listed.extend(rows.iter().filter(|row| row[0] == "any other"));
        }
        for body in NO_API_ERRORS.into_iter().chain([API_ERROR]) {
            let of_body = |row: &&&Vec<String>| match &*row[1] {
                "any" => true,
                "an error of the API" => body == API_ERROR,
                "anything else" => body != API_ERROR,
                other => panic!("{other}"),
            };
            let [row] = listed.iter().filter(of_body).collect::<Vec<_>>()[..] else { panic!("{status} {body}") };
            for call in CALLS {
                let (repeated, error) = is_repeated(answer(status, body), call).await;
                assert_eq!(repeated, expected(row, call), "{status} {body} {call:?}");
                assert_eq!(error.is_none(), repeated);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_failure_is_repeated_as_the_table_says() {
    let stalled = |end| {
        let mut stalled = response(200, "");
        let chunks = if end { vec![] } else { vec![(Duration::from_secs(3600), "}")] };
        *stalled.body_mut() = slow_body(chunks, end.then_some(Kind::Body));
        Step::Answer(stalled)
    };
    let limit = r#"{"error":{"code":429,"message":"Rate limit exceeded: free-models-per-day"}}"#;
    let final_error = r#"{"error":{"code":503,"message":"gone","availability":{"retryable":false}}}"#;
    let steps = |failure: &str| {
        Some(match failure {
            "`Connection`, kind `Connect`" => Step::Fail(Kind::Connect),
            "`Connection`, kind `NotSent`" => Step::Fail(Kind::NotSent),
            "`Connection`, kind `Exchange`" => Step::Fail(Kind::Exchange),
            "`Connection`, kind `Body`" => stalled(true),
            "`Connection`, kind `Request`" => Step::Fail(Kind::Request),
            "`Timeout`, phase `Connect`" => Step::Fail(Kind::ConnectTimeout),
            "`Timeout`, phase `Response`" => Step::Never,
            "`Timeout`, phase `Idle`" => stalled(false),
            "`error.availability.retryable` is false" => answer(503, final_error),
            "An error with a success status" => answer(200, API_ERROR),
            "A daily limit without a reset time" => answer(429, limit),
            "A limit that resets too late" => with_header(429, "retry-after", "121"),
            // They have separate tests below and among those of streams.
            "`Timeout`, phase `Event`" | "`Timeout`, phase `Total`" => return None,
            other => panic!("{other}"),
        })
    };
    for row in table("| Failure | GET, PUT, DELETE | POST | Why |") {
        for call in CALLS {
            let Some(step) = steps(&row[0]) else { continue };
            let (repeated, error) = is_repeated(step, call).await;
            assert_eq!(repeated, expected(&row, call), "{row:?} {call:?}");
            let variant = row[0].split('`').nth(1).filter(|_| !repeated);
            assert!(error.is_none() == repeated, "{error:?}");
            match (variant, error) {
                (Some("Connection"), Some(error)) => assert!(error.is_connection(), "{error:?}"),
                (Some("Timeout"), Some(error)) => assert!(error.is_timeout(), "{error:?}"),
                _ => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_get_is_not_asked_for_again_after_a_limit() {
    let mut silent = response(200, "");
    silent.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    *silent.body_mut() = slow_body(vec![(Duration::from_secs(5), ":\n\n"); 100], None);
    let script = Script::new([Step::Answer(silent)]);
    let core = script.core();
    let call: Call<EventStream<Thing>> = Call::new(&core, Parts::new(&GET).path("id", "one"));
    let mut events = call.event_timeout(Duration::from_secs(20)).await.unwrap();
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Timeout(error) if error.phase() == TimeoutPhase::Event));
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_api_that_tells_of_a_time_limit_repeats_no_post() {
    for body in [
        r#"{"error":{"code":504,"message":"no"}}"#,
        r#"{"error":{"code":"408","message":"no"}}"#,
        r#"{"error":{"code":502,"message":"no","metadata":{"error_type":"timeout"}}}"#,
        r#"{"type":"error","error":{"type":"timeout_error","message":"no"}}"#,
        r#"{"error":{"code":"gateway_timeout","message":"no"}}"#,
        r#"{"error":{"code":"client_closed_request","message":"no"}}"#,
    ] {
        for status in [500, 502] {
            assert!(!is_repeated(answer(status, body), ("POST", false)).await.0, "{status} {body}");
            assert!(is_repeated(answer(status, body), ("POST", true)).await.0, "{status} {body}");
            assert!(is_repeated(answer(status, body), ("GET", false)).await.0, "{status} {body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_listed_still_repeats_no_post_that_may_be_processed() {
    for status in [408, 499, 501, 504, 520] {
        let script = Script::new([answer(status, ""), answer(200, OK)]);
        post(&script.core()).retry_config(RetryConfig::backoff().status_codes([status])).await.unwrap_err();
        assert_eq!(script.sent().len(), 1, "{status}");
        let script = Script::new([answer(status, ""), answer(200, OK)]);
        get(&script.core()).retry_config(RetryConfig::backoff().status_codes([status])).await.unwrap();
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
    assert!(error.is_transient() && !error.is_retryable());
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_retryable_only_if_repeating_costs_nothing() {
    type Fault = fn() -> Step;
    let faults: [(Fault, bool, bool); 9] = [
        // (what happens, whether a GET is retryable, whether a POST is)
        (|| answer(503, "{}"), true, true),
        (|| answer(429, "{}"), true, true),
        (|| answer(504, "{}"), true, false),
        (|| answer(502, "<html>"), true, false),
        (|| answer(400, "{}"), false, false),
        (|| answer(200, r#"{"error":{"code":503,"message":"busy"}}"#), true, false),
        (|| Step::Fail(Kind::Exchange), true, false),
        (|| Step::Fail(Kind::Connect), true, true),
        (|| Step::Never, true, false),
    ];
    for (index, (fault, of_get, of_post)) in faults.into_iter().enumerate() {
        let script = Script::new([fault(), fault()]);
        let core = script.client().retry_config(RetryConfig::none()).timeout(Duration::from_secs(9)).build().unwrap();
        let (get, post) = (get(&core).await.unwrap_err(), post(&core).await.unwrap_err());
        assert_eq!((get.is_retryable(), post.is_retryable()), (of_get, of_post), "{index}: {get} {post}");
        assert_eq!((get.is_transient(), post.is_transient()), (of_get, of_get), "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_waits_of_two_calls_differ() {
    let mut waits = std::collections::HashSet::new();
    for _ in 0..20 {
        let script = Script::new([answer(503, "{}"), answer(200, OK)]);
        post(&script.core()).await.unwrap();
        waits.insert(script.waits()[0]);
    }
    assert!(waits.len() > 5, "{waits:?}");
    assert!(waits.iter().min() < waits.iter().max().map(|longest| *longest * 9 / 10).as_ref(), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_are_drawn_from_the_upper_half() {
    let failing = || (0..6).map(|_| answer(503, "{}")).chain([answer(200, OK)]);
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

/// The wait in the error of a request that gets `step`; it is sent once.
async fn wait_of(step: Step) -> Option<Duration> {
    let script = Script::new([step]);
    let error = post(&script.core()).retry_config(RetryConfig::none()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 200, "{text}");
    error.as_api().unwrap().retry_after()
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// An RFC 3339 date with the given offset from UTC. `date` computes the calendar date.
fn rfc_3339(moment: Duration, offset: i64) -> String {
    let seconds = moment.as_secs().checked_add_signed(offset * 60).unwrap();
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let parts: Vec<&str> = text.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    let [_, day, month, year, time, _] = parts[..] else { panic!("{text}") };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month).unwrap() + 1;
    let zone = match offset {
        0 => "Z".to_owned(),
        _ => {
            let sign = if offset < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
        }
    };
    format!("{year}-{month:02}-{day}T{time}{zone}")
}

/// Every form of the time `wait` from now.
fn moments(wait: i64) -> Vec<String> {
    let moment = Duration::from_secs(since_1970().as_secs().checked_add_signed(wait).unwrap());
    vec![
        moment.as_secs().to_string(),
        format!("{}.0", moment.as_secs()),
        moment.as_millis().to_string(),
        moment.as_micros().to_string(),
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + moment),
        rfc_3339(moment, 0),
        rfc_3339(moment, 0).to_lowercase(),
        rfc_3339(moment, 0).replace('Z', ".000+00:00"),
        rfc_3339(moment, 330),
        rfc_3339(moment, -570),
    ]
}

const RESETS: [&str; 9] = [
    "x-ratelimit-reset",
    "X-RateLimit-Reset",
    "ratelimit-reset",
    "x-rate-limit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-input-tokens-reset",
    "x-ratelimit-requests-reset",
];

/// A response with this field as a header, and one with it in `error.metadata.headers`.
fn in_both_places(status: u16, fields: &[(&str, serde_json::Value)]) -> [Step; 2] {
    let mut head = response(status, API_ERROR);
    let mut of_body = serde_json::Map::new();
    for (name, value) in fields {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let name_of_header: http::HeaderName = name.to_lowercase().parse().unwrap();
        head.headers_mut().insert(name_of_header, text.parse().unwrap());
        of_body.insert((*name).to_owned(), value.clone());
    }
    let body = serde_json::json!({"error": {"code": status, "message": "", "metadata": {"headers": of_body}}});
    [Step::Answer(head), answer(status, &body.to_string())]
}

fn near(wait: Option<Duration>, expected: u64) -> bool {
    wait.is_some_and(|wait| wait.abs_diff(Duration::from_secs(expected)) < Duration::from_secs(3))
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_limit_is_told_in_all_its_forms_and_places() {
    for name in RESETS.into_iter().chain(["retry-after", "Retry-After", "retry-after-ms"]) {
        for wait in [40, 3 * 3600, 20 * 24 * 3600] {
            for text in moments(wait) {
                for step in in_both_places(429, &[(name, text.as_str().into())]) {
                    let wait_of = wait_of(step).await;
                    assert!(near(wait_of, wait.unsigned_abs()), "{name}: {text}: {wait_of:?}");
                }
            }
        }
        for text in moments(-90) {
            for step in in_both_places(429, &[(name, text.as_str().into())]) {
                assert_eq!(wait_of(step).await, Some(Duration::ZERO), "{name}: {text}");
            }
        }
    }
    let number = u64::try_from(since_1970().as_millis()).unwrap() + 40_000;
    for step in in_both_places(429, &[("X-RateLimit-Reset", number.into())]) {
        assert!(near(wait_of(step).await, 40), "a number is as good as a text");
    }
    for (name, text, seconds) in [
        ("x-ratelimit-reset", "40", 40.0),
        ("x-ratelimit-reset", "0", 0.0),
        ("x-ratelimit-reset-ms", "2500", 2.5),
        ("x-ratelimit-reset-tokens", "4m18.5s", 258.5),
        ("x-ratelimit-reset-requests", "12ms", 0.012),
        ("x-ratelimit-reset-requests", "1d2h", 93_600.0),
        ("retry-after", "40", 40.0),
        ("retry-after-ms", "40", 0.04),
        // In milliseconds this was in 1973; in seconds it would be in the year 5138.
        ("x-ratelimit-reset", "100000000000", 0.0),
    ] {
        for step in in_both_places(429, &[(name, text.into())]) {
            assert_eq!(wait_of(step).await, Some(Duration::from_secs_f64(seconds)), "{name}: {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_limit_may_be_any_day_of_the_year() {
    for day in 1..=4 * 365 + 1 {
        let wait = Duration::from_secs(day * 24 * 3600);
        let text = rfc_3339(since_1970() + wait, 0);
        let [step, _] = in_both_places(429, &[("x-ratelimit-reset", text.as_str().into())]);
        let wait_of = wait_of(step).await;
        assert!(near(wait_of, wait.as_secs()), "{text}: {wait_of:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_of_a_limit_that_is_nonsense_counts_as_absent() {
    for text in [
        "",
        "-5",
        "soon",
        "NaN",
        "inf",
        "1e9",
        "1.2.3",
        "5 parsecs",
        "4m18",
        "s",
        "2026-13-01T00:00:00Z",
        "2026-02-32T00:00:00Z",
        "2026-11-25",
        "2026-11-25T24:00:00Z",
        "2026-11-25T10:60:00Z",
        "2026-11-25T10:00:61Z",
        "2026-11-25T10:00:00",
        "T",
        "--T::Z",
        "0-0-0T0:0:0+:",
    ] {
        for name in ["x-ratelimit-reset", "ratelimit-reset"] {
            for step in in_both_places(429, &[(name, text.into())]) {
                assert_eq!(wait_of(step).await, None, "{name}: {text}");
            }
        }
    }
    for value in
        [serde_json::json!(null), serde_json::json!(["40"]), serde_json::json!({"a": 1}), serde_json::json!(-1)]
    {
        let [_, step] = in_both_places(429, &[("X-RateLimit-Reset", value)]);
        assert_eq!(wait_of(step).await, None);
    }
    let body = r#"{"error":{"code":429,"message":"","metadata":{"headers":"X-RateLimit-Reset: 40"}}}"#;
    assert_eq!(wait_of(answer(429, body)).await, None);
}

#[tokio::test(start_paused = true)]
async fn only_the_field_of_a_limit_with_its_reset_tells_its_end() {
    for (name, text) in [
        ("x-ratelimit-window", "60s"),
        ("x-ratelimit-limit-requests", "1h"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-limit", "0"),
        ("x-cache-reset", "40"),
        ("reset", "40"),
        ("x-retry-after", "40"),
    ] {
        for step in in_both_places(429, &[(name, text.into())]) {
            assert_eq!(wait_of(step).await, None, "{name}");
        }
        let fields = [(name, text.into()), ("x-ratelimit-reset-tokens", "10".into())];
        for step in in_both_places(429, &fields) {
            assert_eq!(wait_of(step).await, Some(Duration::from_secs(10)), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_of_a_limit_far_away_costs_one_request_and_is_not_shown() {
    for text in [
        "9".repeat(400),
        "99999999999999999999".to_owned(),
        "99999999999".to_owned(),
        "9999-12-31T23:59:59Z".to_owned(),
    ] {
        for step in in_both_places(429, &[("X-RateLimit-Reset", text.as_str().into())]) {
            let script = Script::new([step]);
            let error = post(&script.core()).await.unwrap_err();
            assert!(error.as_api().unwrap().retry_after() > Some(Duration::from_secs(365 * 24 * 3600)), "{text}");
            assert!(error.to_string().ends_with("send fewer requests, or wait"), "{error}");
            assert_eq!(script.sent().len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_with_something_left_is_not_the_one_that_was_reached() {
    let fields = |left: [&str; 2]| {
        [
            ("x-ratelimit-reset-requests", "10".into()),
            ("x-ratelimit-remaining-requests", left[0].into()),
            ("x-ratelimit-reset-tokens", "90".into()),
            ("x-ratelimit-remaining-tokens", left[1].into()),
        ]
    };
    for (left, expected) in [(["0", "5"], Some(10)), (["5", "0"], Some(90)), (["0", "0"], Some(90)), (["5", "5"], None)]
    {
        for step in in_both_places(429, &fields(left)) {
            assert_eq!(wait_of(step).await, expected.map(Duration::from_secs), "{left:?}");
        }
    }
    // An exhausted limit takes precedence over one that does not say what remains.
    let fields = [
        ("x-ratelimit-reset", "10".into()),
        ("x-ratelimit-remaining", 0.into()),
        ("x-ratelimit-reset-tokens", "90".into()),
    ];
    for step in in_both_places(429, &fields) {
        assert_eq!(wait_of(step).await, Some(Duration::from_secs(10)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_limit_counts_only_for_an_error_of_a_limit() {
    for (status, counts) in
        [(429, true), (503, true), (529, true), (400, false), (402, false), (500, false), (504, false)]
    {
        for step in in_both_places(status, &[("X-RateLimit-Reset", "40".into())]) {
            assert_eq!(wait_of(step).await.is_some(), counts, "{status}");
        }
        for step in in_both_places(status, &[("Retry-After", "40".into())]) {
            assert_eq!(wait_of(step).await, Some(Duration::from_secs(40)), "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_asked_for_comes_before_the_end_of_a_limit() {
    for step in in_both_places(429, &[("Retry-After", "3".into()), ("X-RateLimit-Reset", "40".into())]) {
        assert_eq!(wait_of(step).await, Some(Duration::from_secs(3)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_limit_is_waited_for_or_ends_the_call_at_once() {
    for step in in_both_places(429, &[("X-RateLimit-Reset", moments(40)[2].as_str().into())]) {
        let script = Script::new([step, answer(200, OK)]);
        post(&script.core()).await.unwrap();
        assert!(seconds(37.0..=40.0, script.waits()[0]), "{:?}", script.waits());
    }
    for step in in_both_places(429, &[("X-RateLimit-Reset", moments(3 * 3600)[2].as_str().into())]) {
        let script = Script::new([step]);
        let began = tokio::time::Instant::now();
        post(&script.core()).await.unwrap_err();
        assert_eq!((script.sent().len(), began.elapsed()), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_daily_limit_without_an_end_costs_one_request() {
    for body in [
        r#"{"error":{"code":429,"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock more"}}"#,
        r#"{"error":{"code":429,"message":"slow","metadata":{"limit_source":"openrouter_free_tier_daily"}}}"#,
    ] {
        let script = Script::new([answer(429, body)]);
        let error = post(&script.core()).await.unwrap_err();
        assert!(error.is_retryable(), "tomorrow");
        assert_eq!(script.sent().len(), 1);
    }
    let body = r#"{"error":{"code":429,"message":"Rate limit exceeded: free-models-per-min."}}"#;
    let script = Script::new([answer(429, body), answer(200, OK)]);
    post(&script.core()).await.unwrap();
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
    let late = || Step::Late(Duration::from_secs(4), response(503, "{}"));
    let script = Script::new([late(), late(), late()]);
    let core = script.client().retry_config(config).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 503);
    assert_eq!(script.sent().len(), 3, "the third answer came after 12 seconds");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_three_times_at_most_and_the_last_error_is_returned() {
    let script = Script::new([answer(429, "{}"), answer(529, "{}"), answer(503, "{}")]);
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
    post(&script.core()).retry_config(RetryConfig::none()).await.unwrap_err();
    assert_eq!(script.sent().len(), 1);

    let script = Script::new([answer(503, "{}"), answer(200, OK)]);
    let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
    post(&core).retry_config(RetryConfig::backoff()).await.unwrap();
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_statuses_of_a_call_replace_those_of_the_configuration() {
    let script = Script::new([answer(404, "{}"), answer(500, "{}")]);
    let error = post(&script.core()).retry_config(RetryConfig::backoff().status_codes([404])).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 500);
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_with_its_clones_makes_a_hundred_retries_and_then_none() {
    let script = Script::new((0..200).map(|_| answer(503, "{}")));
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
        script.add(answer(503, "{}"));
        script.add(answer(503, "{}"));
        post(core).await.unwrap_err();
    }
    let sent = script.sent().len() - before;
    script.clear();
    sent - 10
}

#[tokio::test(start_paused = true)]
async fn a_call_that_succeeds_gives_back_a_tenth_of_a_retry() {
    let script = Script::new((0..200).map(|_| answer(503, "{}")));
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

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_gives_its_retry_back() {
    let script = Script::new((0..150).map(|_| answer(503, "{}")));
    let core = script.client().retry_config(RetryConfig::backoff().max_attempts(2)).build().unwrap();
    // Each is dropped in its first wait; some end by their own time limit.
    for number in 0..150 {
        let limit = Duration::from_millis(100);
        match number % 2 {
            0 => drop(tokio::time::timeout(limit, post(&core).into_future()).await.unwrap_err()),
            _ => assert!(post(&core).timeout(limit).await.unwrap_err().is_timeout()),
        }
    }
    assert_eq!(script.sent().len(), 150, "no retry was made");
    assert_eq!(retries_left(&core, &script).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_waited_for_is_not_there_for_others() {
    let script = Script::new((0..250).map(|_| answer(503, "{}")));
    let core = script.client().retry_config(RetryConfig::backoff().max_attempts(2)).build().unwrap();
    let mut calls: Vec<_> = (0..150).map(|_| post(&core).into_future()).collect();
    let mut over = 0;
    for call in &mut calls {
        over += usize::from(tokio::time::timeout(Duration::ZERO, call).await.is_ok());
    }
    assert_eq!(over, 50, "a call for which no retry is left does not wait in vain");
    drop(calls);
    assert_eq!(script.sent().len(), 150);
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
    let script = Script::new([answer(503, "{}"), answer(200, OK)]);
    let core = script.client().retry_config(config).build().unwrap();
    // The wait is longer than any program runs: the limit for the call ends it.
    let error = post(&core).timeout(Duration::from_secs(3600)).await.unwrap_err();
    assert!(error.is_timeout());
}
