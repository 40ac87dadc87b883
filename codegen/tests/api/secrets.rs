//! No type shows a secret, in whatever form, under whatever name and at whatever place it arrives.

use std::collections::BTreeMap;

use openrouter_kit::core::wire::Json;
use serde_json::{Value, json};

use crate::document::{Document, document};
use crate::registry::{SECRETS, TYPES};
use crate::support::{Known, Seen};

const MARK: &str = "5ec2e7";

/// Names that no field of the crate has, as a later version of the API may bring them, in several spellings.
const NAMES: [&str; 12] = [
    "writeKey",
    "apikey",
    "clientSecret",
    "access_token",
    "webhook-secret",
    "Authorization",
    "auth",
    "password",
    "private_key_pem",
    "set-cookie",
    "credentials",
    "request_headers",
];

/// Maps, whose names the program chooses.
const MAPS: [&str; 4] = ["ImageConfig", "ProviderOptions", "RequestMetadata", "SupportedParameters"];

/// A secret in all forms that JSON has for it.
fn forms() -> Vec<Value> {
    vec![
        json!(MARK),
        json!([MARK]),
        json!([[MARK, 1], {"value": MARK}]),
        json!({"value": MARK, "more": {"deep": [MARK]}}),
        json!({"X-Custom": format!("sk-or-v1-{MARK}")}),
    ]
}

/// Members whose names a person would take for those of secrets, with exceptions that hold names and counts: the vault lists
/// its `secrets` without their values.
fn is_suspicious(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "password", "apikey", "api_key", "authorization", "headers", "session_token", "verifier", "challenge"]
        .iter()
        .any(|part| name.contains(part))
        && !["hash", "method", "_ids", "secret_name"].iter().any(|part| name.contains(part))
        && name != "secrets"
}

#[track_caller]
fn shows_no_mark(place: &str, value: &Value, known: &Known) {
    let json = Json::from(value.clone());
    let Ok(Seen { written, shown, .. }) = (known.look)(json.as_text(), true) else { return };
    assert!(written.as_text().contains(MARK), "{place}: {json} is lost");
    assert!(!shown.contains(MARK), "{place}: {shown}");
}

#[test]
fn no_field_that_holds_a_secret_shows_it_in_any_form() {
    assert!(SECRETS.len() > 40, "{}", SECRETS.len());
    for (member, known) in SECRETS {
        for form in forms().into_iter().chain([json!(5_627.5)]) {
            let shown = (known.look)(&json!({*member: form}).to_string(), true).map(|seen| seen.shown);
            let shown = shown.unwrap_or_default();
            assert!(!shown.contains(MARK) && !shown.contains("5627"), "{member}: {form}: {shown}");
        }
        shows_no_mark(member, &json!({*member: MARK}), known);
    }
}

#[test]
fn no_type_shows_a_secret_under_a_name_that_is_new_to_it() {
    for (place, known) in TYPES.iter().filter(|(place, _)| !MAPS.contains(place)) {
        for name in NAMES {
            for form in forms() {
                // Alone, deep inside, and in a value that is of another kind than its place.
                shows_no_mark(place, &json!({name: form}), known);
                shows_no_mark(place, &json!({"type": "new", "data": [{name: form}]}), known);
                shows_no_mark(place, &json!([{"config": {name: form}}]), known);
            }
        }
    }
}

/// Puts the mark into every text below members with suspicious names; returns how many there were.
fn mark(value: &mut Value, within: bool) -> usize {
    match value {
        Value::String(text) if within => {
            *text = MARK.to_owned();
            1
        }
        Value::Array(list) => list.iter_mut().map(|value| mark(value, within)).sum(),
        Value::Object(members) => {
            members.iter_mut().map(|(name, value)| mark(value, within || is_suspicious(name))).sum()
        }
        _ => 0,
    }
}

fn samples(document: &Document) -> BTreeMap<String, Value> {
    let mut list: BTreeMap<String, Value> =
        document.components().iter().map(|(name, schema)| (name.clone(), document.sample(schema))).collect();
    for stated in document.operations() {
        let body = &stated.operation["requestBody"]["content"]["application/json"]["schema"];
        list.insert(format!("{}.request", stated.id), document.sample(body));
        for (status, response) in stated.operation["responses"].as_object().unwrap() {
            if status.starts_with('2') {
                let schema = &response["content"]["application/json"]["schema"];
                list.insert(format!("{}.response", stated.id), document.sample(schema));
            }
        }
    }
    list
}

#[test]
fn no_value_of_the_document_shows_what_its_names_call_a_secret() {
    let types: BTreeMap<&str, Known> = TYPES.iter().copied().collect();
    let mut marked = 0;
    for (place, mut value) in samples(document()) {
        let Some(known) = types.get(place.as_str()) else { continue };
        if mark(&mut value, false) > 0 {
            marked += 1;
            shows_no_mark(&place, &value, known);
        }
    }
    assert!(marked > 25, "{marked}");
}
