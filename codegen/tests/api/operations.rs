//! Every operation is called as a function and as a method, with all that it takes and with only what it requires.

use std::collections::{BTreeMap, BTreeSet};

use openrouter_kit::OpenRouter;
use openrouter_kit::core::wire::Json;
use openrouter_kit::mock::{Answer, Event, MockServer, RecordedRequest};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::document::{Document, Stated, document};
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

fn case(document: &Document, stated: &Stated<'_>, all: bool) -> Case {
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
        let value = match document.sample(&parameter["schema"]) {
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
fn answer(document: &Document, stated: &Stated<'_>, stream: bool) -> (Answer, Vec<Value>) {
    if stream {
        let mut event = document.sample(event_schema(document, stated).unwrap());
        // An event with an error is no value of the stream.
        event.as_object_mut().unwrap().remove("error");
        return (Answer::stream([Event::data(&event), Event::data(&event)]), vec![event.clone(), event]);
    }
    if let Some((status, _, content)) = success(stated, "json") {
        let value = content.get("example").cloned().unwrap_or_else(|| document.sample(&content["schema"]));
        return (Answer::json(status, value.clone()), vec![value]);
    }
    if let Some((status, media_type, _)) = success(stated, "") {
        let media_type = media_type.replace('*', "mpeg");
        return (Answer::bytes(status, "some bytes").header("content-type", media_type), vec![json!("some bytes")]);
    }
    (Answer::status(200), Vec::new())
}

fn check(stated: &Stated<'_>, function: &str, case: &Case, request: &RecordedRequest, body: &Body) {
    let place = format!("{function} ({} {})", stated.method, stated.path);
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

/// The bodies an operation is called with: the document's example and a made-up one, or the parts of a form.
fn bodies(document: &Document, stated: &Stated<'_>, function: &str, stream: bool, all: bool) -> Vec<(Given, Body)> {
    let plain = |value: Value| match value {
        Value::String(text) => text,
        Value::Array(list) => list[0].as_str().unwrap().to_owned(),
        other => other.to_string(),
    };
    if let Some(schema) = body_schema(stated, "application/x-www-form-urlencoded") {
        let value = document.sample(schema);
        let members = value.as_object().unwrap().clone().into_iter();
        let pairs = members.map(|(name, value)| (name, plain(value))).collect();
        return vec![(Given { values: BTreeMap::new(), body: Some(value.to_string()) }, Body::Pairs(pairs))];
    }
    if function.ends_with("_multipart") || body_schema(stated, "application/json").is_none() {
        let Some(schema) = body_schema(stated, "multipart/form-data") else {
            return vec![(Given::default(), Body::None)];
        };
        let required = document.required(schema);
        let parts = document.properties(schema).into_iter().filter(|(name, _)| all || required.contains(name));
        let parts: BTreeMap<String, String> =
            parts.map(|(name, schema)| (name.to_owned(), plain(document.sample(schema)))).collect();
        return vec![(Given { values: parts.clone(), body: None }, Body::Form(parts))];
    }
    let schema = body_schema(stated, "application/json").unwrap();
    let content = &stated.operation["requestBody"]["content"]["application/json"];
    let examples = content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
    let mut values: Vec<Value> = content.get("example").into_iter().chain(examples).cloned().collect();
    values.push(document.sample(schema));
    let streams = document.properties(schema).iter().any(|(name, _)| *name == "stream")
        && event_schema(document, stated).is_some();
    let with_stream = |mut value: Value| {
        if streams {
            value["stream"] = json!(stream);
        }
        value
    };
    values
        .into_iter()
        .map(|value| (Given { values: BTreeMap::new(), body: Some(value.to_string()) }, Body::Json(with_stream(value))))
        .collect()
}

async fn call_both_ways(document: &Document, stated: &Stated<'_>, function: &str, calling: Calling) -> usize {
    let server = MockServer::start().await;
    let client = OpenRouter::builder().api_key("sk-or-test").server_url(server.url()).build().unwrap();
    let stream = event_schema(document, stated).is_some() && function.ends_with("stream");
    let mut calls = 0;
    for all in [true, false] {
        let case = case(document, stated, all);
        for (with_body, body) in bodies(document, stated, function, stream, all) {
            let mut given = case.given.clone();
            given.values.extend(with_body.values);
            given.body = with_body.body;
            for (way, outcome) in calling(&client, &given).into_iter().enumerate() {
                let (answer, expected) = answer(document, stated, stream);
                server.answer(answer);
                let values = outcome.await.unwrap_or_else(|error| panic!("{function}, way {way}: {error}"));
                assert_eq!(values.len(), expected.len(), "{function}, way {way}");
                for (value, expected) in values.iter().zip(expected) {
                    let difference = Json::from(expected).difference(value);
                    assert_eq!(difference.map(|at| at.to_string()), None, "{function}, way {way}: the answer differs");
                }
                let requests = server.requests();
                calls += 1;
                assert_eq!(requests.len(), calls, "{function}, way {way}");
                check(stated, function, &case, requests.last().unwrap(), &body);
            }
        }
    }
    calls
}

#[tokio::test]
async fn every_operation_does_what_the_document_says_called_either_way() {
    let document = document();
    let mut calls = 0;
    let mut functions = 0;
    for stated in document.operations() {
        let own: Vec<_> = OPERATIONS.iter().filter(|(id, ..)| *id == stated.id).collect();
        let media_types = stated.operation["requestBody"]["content"].as_object().map_or(0, |content| content.len());
        let ways = media_types.max(1) + usize::from(event_schema(document, &stated).is_some());
        // The official SDKs know the Responses as `beta.responses`, the document's tag as `responses`.
        let names = if stated.id == "createResponses" { 2 } else { 1 };
        assert_eq!(own.len(), names * ways, "{}: one function for each way to send and to answer", stated.id);
        for (_, function, calling) in own {
            calls += call_both_ways(document, &stated, function, *calling).await;
            functions += 1;
        }
    }
    println!("{functions} functions, {calls} calls");
    if document.whole {
        assert_eq!(functions, OPERATIONS.len(), "functions of operations that the document does not have");
    }
}

#[test]
fn every_operation_of_the_document_is_described_and_has_a_function() {
    let document = document();
    if !document.whole {
        println!("skipped: the API document is not at hand");
        return;
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/funcs");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let code: String = files.flat_map(|text| text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<_>>()).collect();
    let mut missing = Vec::new();
    for Stated { id, method, path, .. } in document.operations() {
        let is_described = code.contains(&format!("Operation::new(\"{id}\",Method::{method},\"{path}\""));
        let mut functions = OPERATIONS.iter().filter(|(own, ..)| *own == id);
        if !is_described || !functions.any(|(_, function, _)| code.contains(&format!("pubfn{function}"))) {
            missing.push(format!("{id}: {method} {path}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
