//! Every operation is called as a function and as a method, with all that it takes and with only what it requires.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use openrouter_kit::OpenRouter;
use openrouter_kit::core::RetryConfig;
use openrouter_kit::core::wire::Json;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture, RequestInput};
use openrouter_kit::mock::{Answer, Event, MockServer, RecordedRequest};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::document::{Document, Sampler, Stated, document};
use crate::registry::OPERATIONS;
use crate::support::{Calling, Given};

/// Headers that are options of the client or of a call and no arguments.
const OPTIONS: &[&str] = &["http-referer", "x-openrouter-categories", "x-openrouter-metadata", "x-openrouter-title"];

/// What an operation is called with and what must arrive.
struct Case {
    given: Given,
    query: BTreeSet<(String, String)>,
    headers: Vec<(String, String)>,
    path: String,
}

fn case(document: &Document, stated: &Stated<'_>, all: bool, round: usize) -> Case {
    let sampler = Sampler::whole(document, round);
    let mut given = Given::default();
    let mut case =
        Case { given: Given::default(), query: BTreeSet::new(), headers: Vec::new(), path: stated.path.to_owned() };
    for parameter in &stated.parameters {
        let name = parameter["name"].as_str().unwrap();
        let required = parameter["required"] == true;
        let place = parameter["in"].as_str().unwrap();
        if !(required || all) || OPTIONS.contains(&name.to_lowercase().as_str()) {
            continue;
        }
        let value = match sampler.value(&parameter["schema"]) {
            Value::String(text) => text,
            Value::Array(list) => list[0].as_str().map_or_else(|| list[0].to_string(), str::to_owned),
            other => other.to_string(),
        };
        // Headers hold ASCII.
        let value = if place == "header" { value.replace(|c: char| !c.is_ascii(), "") } else { value };
        match place {
            "path" => case.path = case.path.replace(&format!("{{{name}}}"), &value),
            "query" => drop(case.query.insert((name.to_owned(), value.clone()))),
            "header" => case.headers.push((name.to_owned(), value.clone())),
            other => panic!("{}: a parameter in {other}", stated.id),
        }
        given.values.insert(name.to_owned(), value);
    }
    case.given = given;
    case
}

/// The schema of the body of this media type.
fn body_schema<'a>(stated: &Stated<'a>, media_type: &str) -> Option<&'a Value> {
    Some(&stated.operation["requestBody"]["content"].get(media_type)?["schema"])
}

/// The first answer of success: its status, media type and content.
fn success<'a>(stated: &Stated<'a>, wanted: &str) -> Option<(u16, &'a str, &'a Value)> {
    let responses = stated.operation["responses"].as_object().unwrap();
    responses.iter().filter(|(status, _)| status.starts_with('2')).find_map(|(status, response)| {
        let content = response["content"].as_object()?;
        let found = content.iter().find(|(media_type, _)| media_type.contains(wanted))?;
        Some((status.parse().unwrap(), found.0.as_str(), found.1))
    })
}

/// The schema of one event of the stream, where the document describes it.
fn event_schema<'a>(document: &'a Document, stated: &Stated<'a>) -> Option<&'a Value> {
    let (_, _, content) = success(stated, "event-stream")?;
    document.properties(&content["schema"]).into_iter().find(|(name, _)| *name == "data").map(|(_, data)| data)
}

/// An answer and the values that must come out of it.
fn answer(document: &Document, stated: &Stated<'_>, stream: bool, round: usize) -> (Answer, Vec<Value>) {
    // A value with an error is not a value of the operation.
    let sample = |schema: &Value| {
        let mut value = Sampler::small(document, round).value(schema);
        value.as_object_mut().unwrap().remove("error");
        value
    };
    if stream {
        let event = sample(event_schema(document, stated).unwrap());
        return (Answer::stream([Event::data(&event), Event::data(&event)]), vec![event.clone(), event]);
    }
    if let Some((status, _, content)) = success(stated, "json") {
        let value = sample(&content["schema"]);
        return (Answer::json(status, value.clone()), vec![value]);
    }
    if let Some((status, media_type, _)) = success(stated, "") {
        let media_type = media_type.replace('*', "mpeg");
        return (Answer::bytes(status, "some bytes").header("content-type", media_type), vec![json!("some bytes")]);
    }
    (Answer::status(200), Vec::new())
}

/// Every event of a stream.
fn events(document: &Document, stated: &Stated<'_>) -> Vec<Value> {
    let Some(schema) = event_schema(document, stated) else { return Vec::new() };
    let schema = document.follow(schema);
    let branches = document.all_branches(schema);
    let all = if branches.is_empty() { vec![schema] } else { branches };
    let event = |schema| {
        let mut event = Sampler::small(document, 0).value(schema);
        event.as_object_mut().unwrap().remove("error");
        event.get_mut("response").and_then(Value::as_object_mut).map(|response| response.remove("error"));
        event
    };
    all.into_iter().map(event).collect()
}

fn check(stated: &Stated<'_>, case: &Case, request: &RecordedRequest, body: &Body) {
    let place = format!("{} {}", stated.method, stated.path);
    assert_eq!(request.method.as_str(), stated.method, "{place}");
    let decoded = percent_decode_str(request.path.strip_prefix("/api/v1").unwrap()).decode_utf8().unwrap();
    assert_eq!(decoded, case.path, "{place}");
    assert_eq!(request.path.matches('/').count() - 2, stated.path.matches('/').count(), "{place}: a segment was split");
    assert_eq!(pairs(&request.query), case.query, "{place}");
    for (name, value) in &case.headers {
        assert_eq!(request.header(name), Some(value.as_str()), "{place}");
    }
    let without_key = stated.operation["security"].as_array().is_some_and(Vec::is_empty);
    let key = (!without_key).then_some("Bearer sk-or-test");
    assert_eq!(request.header("authorization"), key, "{place}");
    let media_type = request.header("content-type").unwrap_or_default();
    match body {
        Body::None => assert!(request.body.is_empty(), "{place}: a body where the document has none"),
        Body::Json(expected) => {
            assert_eq!(media_type, "application/json", "{place}");
            let (sent, expected) = (request.json(), Json::from(expected.clone()));
            assert_eq!(
                expected.difference(&sent).map(|at| at.to_string()),
                None,
                "{place}: {expected} was sent as {sent}"
            );
        }
        Body::Pairs(expected) => {
            assert_eq!(media_type, "application/x-www-form-urlencoded", "{place}");
            assert_eq!(pairs(std::str::from_utf8(&request.body).unwrap()), *expected, "{place}");
        }
        Body::Form(parts) => {
            assert!(media_type.starts_with("multipart/form-data; boundary="), "{place}");
            let sent = String::from_utf8_lossy(&request.body);
            for (name, value) in parts {
                let part = sent.split("\r\n--").find(|part| part.contains(&format!("name=\"{name}\"")));
                assert!(
                    part.is_some_and(|part| part.ends_with(&format!("\r\n\r\n{value}"))),
                    "{place}: no {name} in {sent}"
                );
            }
            assert_eq!(sent.matches("name=\"").count() - sent.matches("filename=\"").count(), parts.len(), "{place}");
        }
    }
}

/// The pairs of a query or of a form.
fn pairs(text: &str) -> BTreeSet<(String, String)> {
    let decoded = |encoded: &str| percent_decode_str(&encoded.replace('+', " ")).decode_utf8().unwrap().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// What must arrive as the body.
enum Body {
    None,
    Json(Value),
    /// The pairs of a form in the form of a query.
    Pairs(BTreeSet<(String, String)>),
    /// The parts of a multipart form.
    Form(BTreeMap<String, String>),
}

/// The body that an operation is called with, or the parts of a form.
fn body(
    document: &Document,
    stated: &Stated<'_>,
    function: &str,
    stream: bool,
    all: bool,
    round: usize,
) -> (Given, Body) {
    let plain = |value: Value| match value {
        Value::String(text) => text,
        Value::Array(list) => list[0].as_str().unwrap().to_owned(),
        other => other.to_string(),
    };
    if let Some(schema) = body_schema(stated, "application/x-www-form-urlencoded") {
        let value = Sampler::whole(document, round).value(schema);
        let members = value.as_object().unwrap().clone().into_iter();
        let pairs = members.map(|(name, value)| (name, plain(value))).collect();
        return (Given { values: BTreeMap::new(), body: Some(value.to_string()) }, Body::Pairs(pairs));
    }
    if function.ends_with("_multipart") || body_schema(stated, "application/json").is_none() {
        let Some(schema) = body_schema(stated, "multipart/form-data") else {
            return (Given::default(), Body::None);
        };
        let required = document.required(schema);
        let parts = document.properties(schema).into_iter().filter(|(name, _)| all || required.contains(name));
        let sampler = Sampler::whole(document, round);
        let parts: BTreeMap<String, String> =
            parts.map(|(name, schema)| (name.to_owned(), plain(sampler.value(schema)))).collect();
        return (Given { values: parts.clone(), body: None }, Body::Form(parts));
    }
    let schema = body_schema(stated, "application/json").unwrap();
    let value =
        if all { Sampler::small(document, round).value(schema) } else { Sampler::least(document).value(schema) };
    let given = Given { values: BTreeMap::new(), body: Some(value.to_string()) };
    let mut expected = value;
    if document.streaming.contains(stated.id) {
        expected["stream"] = json!(stream);
    }
    (given, Body::Json(expected))
}

/// A hook that notes the operation of the last call.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<String>>);

impl Hook for Seen {
    fn before_create_request<'a>(&'a self, context: &'a HookContext, _: &'a mut RequestInput) -> HookFuture<'a, ()> {
        *self.0.lock().unwrap() = format!("{:?}", context.operation());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// How the document describes an operation, in the `Debug` form of an [`Operation`](openrouter_kit::core::Operation).
fn described(stated: &Stated<'_>, function: &str) -> String {
    let Stated { id, method, path, server, operation, parameters } = stated;
    let parameter = |name: &str| parameters.iter().find(|own| own["name"] == name);
    let function = function.strip_prefix("beta_").unwrap_or(function);
    // A POST that changes nothing and costs nothing.
    let repeatable = *id == "queryAnalytics";
    let authentication = match &operation["security"] {
        Value::Array(list) if list.is_empty() => "None",
        // Never a 401: works without a key.
        _ if operation["responses"].get("401").is_none() => "Optional",
        _ => "Required",
    };
    let metadata =
        ["X-OpenRouter-Metadata", "X-OpenRouter-Experimental-Metadata"].iter().any(|n| parameter(n).is_some());
    let stated = &operation["x-speakeasy-pagination"];
    let cursor = stated["inputs"].as_array().into_iter().flatten().find(|input| input["type"] == "cursor");
    let cursor = cursor.and_then(|input| input["name"].as_str());
    let after = parameter("after").filter(|_| stated.is_null()).map(|_| "after");
    let default = parameter("limit").and_then(|limit| limit["schema"]["default"].as_u64());
    let paging = match cursor.or(after) {
        Some(cursor) => format!("Some(Cursor({cursor:?}))"),
        None if parameter("offset").is_some() => format!("Some(Offset {{ default_limit: {default:?} }})"),
        None => "None".to_owned(),
    };
    format!(
        "Operation {{ id: {id:?}, function: {:?}, method: {method}, path: {path:?}, repeatable: {repeatable}, \
         authentication: {authentication}, metadata_header: {metadata}, server: {server:?}, paging: {paging} }}",
        Some(function)
    )
}

/// Calls an operation both ways, with all that it takes in several rounds and with what it requires, and once for each
/// status of an error. Returns the number of calls.
async fn call_both_ways(document: &Document, stated: &Stated<'_>, function: &str, calling: Calling) -> usize {
    let server = MockServer::start().await;
    let client = OpenRouter::builder().api_key("sk-or-test").server_url(server.url());
    let seen = Seen::default();
    let client = client.retry_config(RetryConfig::none()).hook(seen.clone()).build().unwrap();
    let stream = event_schema(document, stated).is_some() && function.ends_with("stream");
    let mut calls = 0;
    for (all, round) in (0..Sampler::ROUNDS).map(|round| (true, round)).chain([(false, 0)]) {
        let mut case = case(document, stated, all, round);
        let (with_body, body) = body(document, stated, function, stream, all, round);
        case.given.values.extend(with_body.values);
        case.given.body = with_body.body;
        for (way, outcome) in calling(&client, &case.given).into_iter().enumerate() {
            let (answer, expected) = answer(document, stated, stream, round);
            server.answer(answer);
            let values = outcome.await.unwrap_or_else(|error| panic!("way {way}: {error}"));
            assert_eq!(values.len(), expected.len(), "way {way}");
            for (value, expected) in values.iter().zip(expected) {
                let difference = Json::from(expected).difference(value);
                assert_eq!(difference.map(|at| at.to_string()), None, "way {way}: the answer differs");
            }
            let requests = server.requests();
            calls += 1;
            assert_eq!(requests.len(), calls, "way {way}");
            check(stated, &case, requests.last().unwrap(), &body);
        }
    }
    let mut case = case(document, stated, false, 0);
    let (with_body, _) = body(document, stated, function, stream, false, 0);
    case.given.values.extend(with_body.values);
    case.given.body = with_body.body;
    for event in events(document, stated).into_iter().filter(|_| stream) {
        let is_error = ["error", "response.failed"].iter().any(|tag| event["type"] == *tag);
        for outcome in calling(&client, &case.given) {
            server.answer(Answer::stream([Event::data(&event)]));
            match outcome.await {
                Ok(values) => {
                    let values: Vec<Value> = values.iter().map(Json::to_value).collect();
                    assert_eq!(values, std::slice::from_ref(&event));
                }
                Err(error) => assert!(is_error, "{}: {error}", event["type"]),
            }
            calls += 1;
        }
    }
    assert_eq!(seen.0.lock().unwrap().as_str(), described(stated, function));
    let kinds: Value = serde_yaml_ng::from_str(include_str!("../../overlay/errors.yaml")).unwrap();
    let statuses = stated.operation["responses"].as_object().unwrap().keys();
    for status in statuses.filter_map(|status| status.parse::<u16>().ok()).filter(|status| *status >= 400) {
        for outcome in calling(&client, &case.given) {
            let message = format!("what went wrong with {status}");
            server.answer(Answer::json(status, json!({"error": {"code": status, "message": message}})));
            let error = outcome.await.unwrap_err();
            let error = error.as_api().unwrap_or_else(|| panic!("{status}: {error}"));
            assert_eq!((error.status().as_u16(), error.message()), (status, message.as_str()));
            assert_eq!(format!("{:?}", error.kind()), kinds[status.to_string()]["kind"].as_str().unwrap());
            calls += 1;
        }
    }
    calls
}

#[tokio::test]
async fn every_operation_does_what_the_document_says_called_either_way() {
    let document = document();
    let (mut calls, mut wrong) = (0, Vec::new());
    let mut tested = BTreeSet::new();
    let local = LocalSet::new();
    for stated in document.operations() {
        let own: Vec<_> = OPERATIONS.iter().filter(|(id, ..)| *id == stated.id).collect();
        let media_types = stated.operation["requestBody"]["content"].as_object().map_or(0, |content| content.len());
        let ways = media_types.max(1) + usize::from(event_schema(document, &stated).is_some());
        // The official SDKs know the Responses as `beta.responses`, the document's tag as `responses`.
        let names = if stated.id == "createResponses" { 2 } else { 1 };
        assert_eq!(own.len(), names * ways, "{}: one function for each way to send and to answer", stated.id);
        for (_, function, calling) in own {
            tested.insert(*function);
            let stated = stated.clone();
            let call = local.spawn_local(async move { call_both_ways(document, &stated, function, *calling).await });
            match local.run_until(call).await {
                Ok(count) => calls += count,
                Err(panicked) => {
                    let panicked = panicked.into_panic();
                    let text = panicked.downcast_ref::<String>().map_or("panicked", String::as_str);
                    wrong.push(format!("{function}: {text}"));
                }
            }
        }
    }
    let stated = document.operations();
    let events: usize = stated.iter().map(|stated| events(document, stated).len()).sum();
    println!("{} operations, {} functions, {events} events, {calls} calls", stated.len(), tested.len());
    assert!(wrong.is_empty(), "{} functions:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(tested.len(), OPERATIONS.len(), "functions of operations that the document does not have");
}
