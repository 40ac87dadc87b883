//! The options of one call, its parameters, and what it returns.

use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{GET, LIST, POST, Script, Thing, answer, body, get, post, response, stream};
use http::Method;
use openrouter_kit::core::wire::Json;
use openrouter_kit::core::{Authentication, Call, Operation, Parts, RetryConfig, Timeouts};
use openrouter_kit::errors::Error;
use serde_json::{Value, json};

const OK: &str = r#"{"id":"one"}"#;

static TWO: Operation =
    Operation::new("two", Method::GET, "/a/{first}/b/{second}").with_authentication(Authentication::Optional);

/// What is sent for `parts`.
async fn sent(parts: Parts) -> crate::support::Sent {
    let script = Script::new([answer(200, OK)]);
    let core = script.core();
    let call: Call<Thing> = Call::new(&core, parts);
    call.await.unwrap();
    script.sent().remove(0)
}

/// The argument that is rejected, before anything is sent.
async fn refused(call: impl FnOnce(&openrouter_kit::OpenRouterCore) -> Call<Thing>) -> &'static str {
    let script = Script::new([]);
    let core = script.core();
    let error = call(&core).await.unwrap_err();
    let Error::InvalidRequest(invalid) = &error else { panic!("{error:?}") };
    assert!(error.operation_id().is_some());
    assert!(script.sent().is_empty());
    invalid.argument()
}

#[tokio::test]
async fn path_parameters_are_percent_encoded() {
    let request = sent(Parts::new(&TWO).path("first", "a/b c").path("second", "100%é?#{first}")).await;
    assert_eq!(request.url.path(), "/api/v1/a/a%2Fb%20c/b/100%25%C3%A9%3F%23%7Bfirst%7D");
    let request = sent(Parts::new(&TWO).path("first", "{second}").path("second", "A-Z.a_z~0")).await;
    assert_eq!(request.url.path(), "/api/v1/a/%7Bsecond%7D/b/A-Z.a_z~0");
    let request = sent(Parts::new(&TWO).path("first", "...").path("second", "a..")).await;
    assert_eq!(request.url.path(), "/api/v1/a/.../b/a..");
}

#[tokio::test]
async fn path_parameters_that_name_another_resource_are_refused() {
    for value in ["", ".", ".."] {
        assert_eq!(refused(|core| Call::new(core, Parts::new(&GET).path("id", value))).await, "id");
    }
    assert_eq!(refused(|core| Call::new(core, Parts::new(&GET))).await, "path");
}

#[tokio::test]
async fn query_parameters_are_appended_in_order_and_absent_ones_skipped() {
    let parts = Parts::new(&LIST)
        .query("text", Some("a b&c=d+é"))
        .query("none", None::<&str>)
        .query("owned", Some("x".to_owned()))
        .query("whole", Some(i64::MIN))
        .query("number", Some(0.5))
        .query("flag", Some(true))
        .query("empty", Some(""));
    let query = "text=a%20b%26c%3Dd%2B%C3%A9&owned=x&whole=-9223372036854775808&number=0.5&flag=true&empty=";
    assert_eq!(sent(parts).await.url.query(), Some(query));
    assert_eq!(sent(Parts::new(&LIST)).await.url.query(), None);
    for number in [f64::NAN, f64::INFINITY] {
        assert_eq!(refused(|core| Call::new(core, Parts::new(&LIST).query("n", Some(number)))).await, "n");
    }
}

#[tokio::test]
async fn the_member_stream_is_added_to_the_body() {
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    let request = sent(Parts::new(&POST).json(&body()).stream(false)).await;
    assert_eq!(text(&request.body), r#"{"model":"a/b","stream":false}"#);
    assert_eq!(request.headers["content-type"], "application/json");
    let request = sent(Parts::new(&POST).json(&Thing::of(json!({}))).stream(true)).await;
    assert_eq!(text(&request.body), r#"{"stream":true}"#);
    let request = sent(Parts::new(&LIST).stream(true)).await;
    assert!(request.body.is_empty());
    assert!(!request.headers.contains_key("content-type"));
}

#[tokio::test]
async fn the_headers_of_a_call_win() {
    let script = Script::new([answer(200, OK)]);
    let core = script.client().header("x-one", "client").header("x-two", "client").build().unwrap();
    let call = post(&core).header("X-One", "call").header("accept", "text/plain").header("authorization", "Basic x");
    call.header("x-one", "last").await.unwrap();
    let headers = &script.sent()[0].headers;
    assert_eq!(headers["x-one"], "last");
    assert_eq!(headers["x-two"], "client");
    assert_eq!(headers["accept"], "text/plain");
    assert_eq!(headers["authorization"], "Basic x");
    assert_eq!(headers.get_all("x-one").iter().count(), 1);
}

#[tokio::test]
async fn the_first_mistake_is_told_and_nothing_is_sent() {
    assert_eq!(refused(|core| get(core).header("x", "a\r\nb").server_url("nowhere")).await, "header");
    assert_eq!(refused(|core| get(core).server_url("nowhere").header("x", "a\r\nb")).await, "server_url");
    assert_eq!(refused(|core| get(core).header("a b", "c")).await, "header");
    assert_eq!(refused(|core| get(core).header("content-length", "3")).await, "header");
    assert_eq!(
        refused(|core| get(core).retry_config(RetryConfig::backoff().status_codes([200]))).await,
        "retry_config"
    );
    assert_eq!(refused(|core| get(core).timeout(Duration::ZERO)).await, "timeout");
}

#[tokio::test]
async fn members_are_added_to_the_body_and_replace_those_of_the_same_name() {
    let script = Script::new([answer(200, OK)]);
    let core = script.core();
    let big = Json::parse("123456789012345678901234567890").unwrap();
    let call = post(&core).extra_body("provider", json!({"order": ["x"]})).extra_body("model", json!("c/d"));
    call.extra_body("big", big).extra_body("quote\"", json!(null)).extra_body("provider", json!(1)).await.unwrap();
    let expected = r#"{"model":"c/d","stream":false,"provider":1,"big":123456789012345678901234567890,"quote\"":null}"#;
    assert_eq!(script.sent()[0].body, expected);
    assert!(serde_json::from_slice::<Value>(&script.sent()[0].body).is_ok());
}

#[tokio::test]
async fn members_that_cannot_be_added_are_refused() {
    assert_eq!(refused(|core| post(core).extra_body("stream", json!(true))).await, "extra_body");
    assert_eq!(refused(|core| get(core).extra_body("x", json!(true))).await, "extra_body");
}

#[tokio::test]
async fn a_call_may_go_to_another_server() {
    let script = Script::new([answer(200, OK)]);
    post(&script.core()).server_url("https://other.example/base/").await.unwrap();
    let request = &script.sent()[0];
    assert_eq!(request.url, "https://other.example/base/things");
    assert_eq!(request.headers["authorization"], "Bearer sk-or-v1-secret");
}

#[tokio::test]
async fn metadata_is_asked_for_where_the_operation_knows_it() {
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let core = script.core();
    post(&core).metadata(true).await.unwrap();
    post(&core).metadata(false).await.unwrap();
    assert_eq!(script.sent()[0].headers["x-openrouter-metadata"], "enabled");
    assert!(!script.sent()[1].headers.contains_key("x-openrouter-metadata"));
    assert_eq!(refused(|core| get(core).metadata(true)).await, "metadata");
}

#[tokio::test(start_paused = true)]
async fn with_response_tells_everything_beside_the_value() {
    let mut created = response(201, OK);
    created.headers_mut().insert("x-generation-id", "gen-1".parse().unwrap());
    let script = Script::new([answer(503, "{}"), crate::support::Step::Answer(created)]);
    let answer = post(&script.core()).with_response().await.unwrap();
    assert_eq!(answer.value.get("id").unwrap(), r#""one""#);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.generation_id.as_deref(), Some("gen-1"));
    assert_eq!(answer.body, OK);
    assert_eq!(answer.attempts, 2);
}

#[tokio::test]
async fn with_response_works_for_streams() {
    let mut events = response(200, "data: {\"n\":1}\n\ndata: [DONE]\n\n");
    events.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    events.headers_mut().insert("x-generation-id", "gen-2".parse().unwrap());
    let script = Script::new([crate::support::Step::Answer(events)]);
    let mut answer = stream(&script.core()).with_response().await.unwrap();
    assert_eq!(answer.generation_id.as_deref(), Some("gen-2"));
    assert_eq!(answer.value.generation_id(), Some("gen-2"));
    assert!(answer.body.is_empty());
    assert!(answer.value.next().await.unwrap().is_ok());
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_read_as_nothing() {
    for (status, text) in [(204, ""), (200, "ok"), (200, r#"{"data":1}"#)] {
        let script = Script::new([answer(status, text)]);
        let core = script.core();
        let call: Call<()> = Call::new(&core, Parts::new(&GET).path("id", "one"));
        call.await.unwrap();
    }
}

#[test]
fn a_call_sends_nothing_before_it_is_awaited_and_is_send() {
    fn check(_: &(impl Future + Send + Unpin)) {}
    let script = Script::new([]);
    let core = script.core();
    check(&post(&core));
    check(&stream(&core).with_response());
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn calls_can_be_spawned_joined_and_buffered() {
    use futures_util::future::{join_all, try_join_all};
    use futures_util::{StreamExt, TryStreamExt, stream};
    let script = Script::new((0..12).map(|n| answer(200, &json!({"n": n}).to_string())));
    let spawned = {
        let core = script.core();
        tokio::spawn(post(&core))
    };
    assert_eq!(spawned.await.unwrap().unwrap().get("n").unwrap(), "0");
    let core = script.core();
    assert!(join_all([get(&core), get(&core)]).await.iter().all(Result::is_ok));
    assert_eq!(try_join_all((0..3).map(|_| get(&core).with_response())).await.unwrap().len(), 3);
    let buffered = stream::iter((0..5).map(|_| post(&core))).buffer_unordered(2);
    assert_eq!(buffered.try_collect::<Vec<_>>().await.unwrap().len(), 5);
    tokio::select! {
        outcome = get(&core) => drop(outcome.unwrap()),
        () = std::future::pending() => {}
    }
    assert_eq!(script.sent().len(), 12);
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let server = openrouter_kit::mock::MockServer::start().await;
    server.answer(openrouter_kit::mock::Answer::json(200, json!({})).delayed(Duration::from_secs(3600)));
    let client = server.client();
    let mut call = Box::pin(get(client.core()));
    tokio::select! {
        _ = &mut call => panic!("the response takes an hour"),
        _ = server.wait_until(|counts| counts.requests == 1) => drop(call),
    }
    assert_eq!(server.all_closed().await.opened, 1);
}

#[tokio::test]
async fn a_call_is_sent_once_however_often_it_is_polled() {
    let script = Script::new([answer(200, OK)]);
    let core = script.core();
    let mut call = get(&core);
    (&mut call).await.unwrap();
    let error = (&mut call).await.unwrap_err();
    assert_eq!(error.to_string(), "getThing: `call` was already sent; create a new one");
    let error = call.timeout(Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(_)));
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test]
async fn a_call_can_have_its_own_key_which_overrides_that_of_the_client() {
    let script = Script::new([answer(200, OK), answer(200, OK), answer(200, OK), answer(200, OK)]);
    let core = script.client().header("authorization", "Basic client").build().unwrap();
    get(&core).api_key(" sk-or-v1-own\n").await.unwrap();
    get(&core).api_key("sk-or-v1-own").header("authorization", "Basic call").await.unwrap();
    let without = openrouter_kit::OpenRouterCore::builder().transport(script.clone()).build().unwrap();
    get(&without).api_key("sk-or-v1-own").await.unwrap();
    let none: Call<Thing> = Call::new(&core, Parts::new(&crate::support::LOGIN));
    none.api_key("sk-or-v1-own").await.unwrap();
    let sent = script.sent();
    let sent: Vec<_> =
        sent.iter().map(|sent| sent.headers.get("authorization").map(|value| value.as_bytes())).collect();
    let own = Some(&b"Bearer sk-or-v1-own"[..]);
    assert_eq!(sent, [own, Some(b"Basic call"), own, None]);
    for key in ["", "two\nlines", "with space"] {
        assert_eq!(refused(|core| get(core).api_key(key)).await, "api_key");
    }
}

#[tokio::test]
async fn the_key_of_a_call_is_never_shown() {
    const KEY: &str = "sk-or-v1-of-this-call-alone";
    let script =
        Script::new([answer(401, &json!({"error": {"code": 401, "message": format!("no {KEY}")}}).to_string())]);
    let core = script.core();
    let call = get(&core).api_key(KEY);
    assert!(!format!("{call:?}").contains("alone"));
    let error = call.await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("alone"), "{error:?}");
    assert!(script.sent()[0].headers["authorization"].is_sensitive());
}

#[tokio::test]
async fn query_parameters_of_a_call_are_appended_to_those_of_the_function() {
    let script = Script::new([answer(200, OK)]);
    let core = script.core();
    let call: Call<Thing> = Call::new(&core, Parts::new(&LIST).query("limit", Some(5)));
    call.query("a b", "c&d").query("n", 3).query("big", u64::MAX).query("half", 0.5).query("on", true).await.unwrap();
    let query = "limit=5&a%20b=c%26d&n=3&big=18446744073709551615&half=0.5&on=true";
    assert_eq!(script.sent()[0].url.query(), Some(query));
    assert_eq!(refused(|core| get(core).query("n", f64::NAN)).await, "query");
}

#[tokio::test(start_paused = true)]
async fn time_limits_can_be_set_together_and_lifted() {
    let second = Duration::from_secs(1);
    let script = Script::new([
        crate::support::Step::Late(2 * second, response(200, OK)),
        crate::support::Step::Late(2 * second, response(200, OK)),
        crate::support::Step::Late(2 * second, response(200, OK)),
    ]);
    let mut limits = Timeouts::default();
    limits.total = Some(second);
    let core = script.client().timeouts(limits).build().unwrap();
    assert!(get(&core).await.unwrap_err().is_timeout());
    get(&core).timeouts(Timeouts::default()).await.unwrap();
    get(&core).timeout(None).connect_timeout(None).response_timeout(None).await.unwrap();
}
