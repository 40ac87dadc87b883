//! What requests look like on the wire: queries, JSON bodies with their `stream` member, forms, servers of operations.

use crate::a_limit::tokio;
use crate::support::{GET, Script, Thing, answer};
use http::Method;
use http_body::Body as _;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::wire::Json;
use openrouter_kit::core::{Call, OpenRouterCore, Operation, Parts};
use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer, RecordedRequest};
use serde_json::{Value, json};

static POST: Operation = Operation::new("createThing", Method::POST, "/things");
static ELSEWHERE: Operation =
    Operation::new("createThing", Method::POST, "/things").with_server("https://things.openrouter.ai/api/v2");

async fn send(parts: Parts) -> Result<RecordedRequest, Error> {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"id": "one"})));
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    Call::<Thing>::new(&core, parts).await?;
    Ok(server.requests().remove(0))
}

#[tokio::test]
async fn a_list_in_a_query_is_one_pair_for_each_value() {
    let none: Option<&[String]> = None;
    let parts = Parts::new(&POST)
        .query("limit", Some(5_i64))
        .query_list("tag", Some(&["a&b", "ü"]))
        .query_list("empty", Some(&[] as &[&str]))
        .query_list("none", none)
        .query_list("id[]", Some(&["1".to_owned()]));
    assert_eq!(send(parts).await.unwrap().query, "limit=5&tag=a%26b&tag=%C3%BC&id%5B%5D=1");
}

#[tokio::test]
async fn the_function_decides_the_member_stream() {
    let cases = [
        (json!({}), json!({"stream": true})),
        (json!({"model": "a/b"}), json!({"model": "a/b", "stream": true})),
        (json!({"stream": false}), json!({"stream": true})),
        (json!({"a": 1, "stream": null, "b": [2]}), json!({"a": 1, "stream": true, "b": [2]})),
        // Only the member of the body itself is meant.
        (json!({"tool": {"stream": "x"}}), json!({"tool": {"stream": "x"}, "stream": true})),
        (json!({"input": "\"stream\":false}"}), json!({"input": "\"stream\":false}", "stream": true})),
    ];
    for (body, expected) in cases {
        let request = send(Parts::new(&POST).json(&Thing::of(body)).stream(true)).await.unwrap();
        assert_eq!(request.json(), expected);
        let members = String::from_utf8(request.body.to_vec()).unwrap().matches("\"stream\":true").count();
        assert_eq!(members, 1, "the member is there once");
    }
    let request = send(Parts::new(&POST).json(&Thing::of(json!({"stream": true}))).stream(false)).await.unwrap();
    assert_eq!(request.json(), json!({"stream": false}));
}

#[tokio::test]
async fn replacing_the_member_stream_leaves_the_others_as_they_were_written() {
    let body = Thing(Json::parse(r#"{"seed":12345678901234567890,"t":1.0,"s":"é\u0001","stream":1}"#).unwrap());
    let request = send(Parts::new(&POST).json(&body).stream(true)).await.unwrap();
    assert_eq!(request.body, r#"{"seed":12345678901234567890,"t":1.0,"s":"é\u0001","stream":true}"#);
}

#[tokio::test]
async fn a_form_has_the_members_of_an_object() {
    let body = json!({"grant type": "a&b=c+d", "limit": 2.5, "on": true, "absent": null, "name": "Grüße\n\"x\""});
    let request = send(Parts::new(&POST).form(&Thing::of(body))).await.unwrap();
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let mut pairs: Vec<_> = str::from_utf8(&request.body).unwrap().split('&').collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["grant%20type=a%26b%3Dc%2Bd", "limit=2.5", "name=Gr%C3%BC%C3%9Fe%0A%22x%22", "on=true",]);
    assert_eq!(send(Parts::new(&POST).form(&Thing::of(json!({})))).await.unwrap().body, "");
}

#[tokio::test]
async fn what_a_form_cannot_hold_is_a_mistake_that_names_the_member() {
    for value in [json!([1]), json!({"b": 1})] {
        let error = send(Parts::new(&POST).form(&Thing::of(json!({"a": value})))).await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
        assert!(error.to_string().contains("has a list or an object as `a`"), "{error}");
    }
    let error = send(Parts::new(&POST).form(&Thing(Json::from(Value::from("text"))))).await.unwrap_err();
    assert!(error.to_string().contains("must be an object"), "{error}");
}

#[tokio::test]
async fn extra_members_need_a_json_body() {
    let script = Script::new([]);
    let core = script.core();
    let call = Call::<Thing>::new(&core, Parts::new(&POST).form(&crate::support::body()))
        .extra_body("a", Json::from(json!(1)));
    assert!(call.await.unwrap_err().to_string().contains("needs a JSON body"));
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn an_operation_on_its_own_server_goes_there_unless_the_program_names_one() {
    let script = Script::new((0..3).map(|_| answer(200, "{}")));
    let call = |core: &OpenRouterCore| {
        let core = core.clone();
        async move { Call::<Thing>::new(&core, Parts::new(&ELSEWHERE)).await.map(drop) }
    };
    call(&script.core()).await.unwrap();
    call(&script.client().server_url("http://localhost/gateway").build().unwrap()).await.unwrap();
    let core = script.core();
    Call::<Thing>::new(&core, Parts::new(&ELSEWHERE)).server_url("http://localhost/call").await.unwrap();
    let urls: Vec<_> = script.sent().into_iter().map(|sent| sent.url.to_string()).collect();
    let expected = [
        "https://things.openrouter.ai/api/v2/things",
        "http://localhost/gateway/things",
        "http://localhost/call/things",
    ];
    assert_eq!(urls, expected);
    assert!(script.sent().iter().all(|sent| sent.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_request_without_a_body_announces_none() {
    assert!(Body::empty().is_end_stream() && Body::from("").is_end_stream() && !Body::from("{}").is_end_stream());
    let request = send(Parts::new(&GET).path("id", "one")).await.unwrap();
    assert_eq!((request.header("content-length"), request.header("transfer-encoding")), (None, None));
    assert_eq!(request.header("content-type"), None);
}
