//! Every example of the document decodes into the type that stands for its place, and is written back equal. The examples
//! are not in the repository: these tests need the document itself, at `../shared/spec/openapi-2026-10-30.yaml`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Once;

use openrouter_kit::core::wire::Json;
use openrouter_kit::core::{OpenRouterCore, RetryConfig};
use openrouter_kit::funcs::credits_get_credits;
use openrouter_kit::mock::{Answer, MockServer};
use serde_json::Value;

use crate::document::Document;
use crate::registry::TYPES;
use crate::support::Known;

/// The examples of a schema or of a content: place, and value.
fn examples<'a>(place: &str, node: &'a Value, list: &mut Vec<(String, &'a Value)>) {
    list.extend(node.get("example").map(|value| (place.to_owned(), value)));
    match &node["examples"] {
        Value::Array(values) => list.extend(values.iter().map(|value| (place.to_owned(), value))),
        Value::Object(named) => list.extend(named.values().map(|named| (place.to_owned(), &named["value"]))),
        _ => {}
    }
}

/// The examples of components, of bodies and of answers.
fn all_examples(document: &Document) -> Vec<(String, &Value)> {
    let mut list = Vec::new();
    for (name, schema) in document.components() {
        examples(name, schema, &mut list);
    }
    for stated in document.operations() {
        let content = &stated.operation["requestBody"]["content"]["application/json"];
        examples(&format!("{}.request", stated.id), content, &mut list);
        for (status, response) in stated.operation["responses"].as_object().unwrap() {
            let content = &response["content"]["application/json"];
            let place = if status.starts_with('2') { "response" } else { status };
            examples(&format!("{}.{place}", stated.id), content, &mut list);
        }
    }
    list
}

/// The whole document, if it is at hand.
fn served() -> Option<Document> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec/openapi-2026-10-30.yaml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        // The test harness keeps what `eprintln!` prints, and the run should say what it did not test.
        static NOTE: Once = Once::new();
        let text =
            format!("skipped: there is no API document at {}, so about 1900 examples were not read\n", path.display());
        NOTE.call_once(|| drop(std::io::stderr().write_all(text.as_bytes())));
        return None;
    };
    Some(Document::new(serde_yaml_ng::from_str(&text).unwrap()))
}

#[test]
fn every_example_of_the_document_survives_a_round_trip() {
    let types: BTreeMap<&str, Known> = TYPES.iter().copied().collect();
    let Some(document) = served() else { return };
    let (mut typed, mut null, mut wrong) = (0, 0, Vec::new());
    for (place, example) in all_examples(&document) {
        let Some(known) = types.get(place.as_str()) else { continue };
        if example.is_null() {
            // Null is not a value of a type but of the members that may be null.
            null += 1;
            continue;
        }
        let json = Json::from(example.clone());
        match (known.look)(json.as_text(), true) {
            Err(error) => wrong.push(format!("{place}: {error}")),
            Ok(seen) => match json.difference(&seen.written) {
                Some(at) => wrong.push(format!("{place}: differs at {at}")),
                None if seen.shown.contains("Unrecognized(Unrecognized") || seen.mismatches > 0 => {
                    wrong.push(format!("{place}: is kept whole"))
                }
                None => typed += 1,
            },
        }
    }
    println!("{typed} examples are typed and survive a round trip, {null} are null");
    assert!(wrong.is_empty(), "{} examples do not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(typed > 750);
}

#[tokio::test]
async fn every_example_of_an_error_becomes_an_error_with_its_message() {
    let Some(document) = served() else { return };
    let server = MockServer::start().await;
    let core = OpenRouterCore::builder().api_key("sk-or-test").server_url(server.url()).build().unwrap();
    let retries = RetryConfig::none();
    let types: Vec<&str> = TYPES.iter().map(|(place, _)| *place).collect();
    let mut count = 0;
    for (place, example) in all_examples(&document) {
        let message = example["error"]["message"].as_str();
        let (false, Some(message)) = (types.contains(&place.as_str()), message) else { continue };
        let stated = place.rsplit('.').next().and_then(|status| status.parse().ok());
        let status = stated.or(example["error"]["code"].as_u64().map(|code| code as u16)).unwrap_or(400);
        server.answer(Answer::json(status, example.clone()));
        let error = credits_get_credits(&core).retry_config(retries.clone()).await.unwrap_err();
        let error = error.as_api().unwrap_or_else(|| panic!("{place}: {error}"));
        assert_eq!((error.status().as_u16(), error.message()), (status, message), "{place}");
        count += 1;
    }
    println!("{count} examples of errors");
    assert!(count > 450);
}
