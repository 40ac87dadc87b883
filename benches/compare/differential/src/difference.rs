//! What arrived, in a form in which only what a server may notice differs.

use std::collections::{BTreeMap, BTreeSet};

use openrouter_kit::mock::RecordedRequest;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::Run;

/// The framing of the message, which says nothing about the call.
const FRAMING: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

/// A request as a server reads it.
pub(crate) struct Request {
    method: String,
    /// Decoded, a segment each.
    path: Vec<String>,
    /// Decoded, in order of the names.
    query: BTreeMap<String, Vec<String>>,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Request {
    pub(crate) fn new(request: &RecordedRequest) -> Self {
        let mut query = BTreeMap::<String, Vec<String>>::new();
        for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.entry(decoded(name)).or_default().push(decoded(&value.replace('+', " ")));
        }
        let mut headers = BTreeMap::new();
        for (name, value) in &request.headers {
            if !FRAMING.contains(&name.as_str()) {
                headers.insert(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
            }
        }
        let mut body = request.json().to_value();
        // The boundary is any text.
        if let Some((media_type, boundary)) =
            headers.get("content-type").and_then(|value| value.split_once("; boundary="))
        {
            body = parts(&String::from_utf8_lossy(&request.body), boundary.trim_matches('"'));
            let media_type = media_type.to_owned();
            headers.insert("content-type".to_owned(), media_type);
        }
        let path = request.path.split('/').map(decoded).collect();
        Self { method: request.method.to_string(), path, query, headers, body }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The parts of a multipart body.
fn parts(body: &str, boundary: &str) -> Value {
    let delimiter = format!("--{boundary}");
    body.split(&delimiter)
        .filter_map(|part| part.split_once("\r\n\r\n"))
        .map(|(head, content)| {
            let mut lines: Vec<&str> = head.split("\r\n").filter(|line| !line.is_empty()).collect();
            lines.sort_by_key(|line| line.to_ascii_lowercase());
            json!({"head": lines.join("; ").to_ascii_lowercase(), "content": content.trim_end_matches("\r\n")})
        })
        .collect()
}

/// Something that this crate and another client do differently.
pub(crate) struct Difference {
    /// Where: `method`, `query limit`, `header accept`, `body /messages/0/role`, `requests`, `outcome`.
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

/// All differences of one case, of the first requests, of how many there were and of what came out.
pub(crate) fn between(ours: &Run, theirs: &Run) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            found.push(Difference { what: what.to_owned(), ours, theirs });
        }
    };
    compare("outcome", ours.outcome.clone(), theirs.outcome.clone());
    compare("requests", ours.requests.len().to_string(), theirs.requests.len().to_string());
    let (Some(one), Some(other)) = (ours.requests.first(), theirs.requests.first()) else { return found };
    compare("method", one.method.clone(), other.method.clone());
    compare("path", format!("{:?}", one.path), format!("{:?}", other.path));
    for name in one.query.keys().chain(other.query.keys()).collect::<BTreeSet<_>>() {
        let shown =
            |query: &BTreeMap<String, Vec<String>>| query.get(name).map_or("absent".to_owned(), |v| v.join(", "));
        compare(&format!("query {name}"), shown(&one.query), shown(&other.query));
    }
    for name in one.headers.keys().chain(other.headers.keys()).collect::<BTreeSet<_>>() {
        let shown = |headers: &BTreeMap<String, String>| headers.get(name).cloned().unwrap_or("absent".to_owned());
        compare(&format!("header {name}"), shown(&one.headers), shown(&other.headers));
    }
    in_json("", &one.body, &other.body, &mut compare);
    found
}

/// Compares two bodies: null counts as absent, and 1.0 as 1.
fn in_json(place: &str, ours: &Value, theirs: &Value, compare: &mut impl FnMut(&str, String, String)) {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let field = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                in_json(&format!("{place}/{name}"), &field(one), &field(other), compare);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                in_json(&format!("{place}/{index}"), one, other, compare);
            }
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        _ => compare(&format!("body {place}"), ours.to_string(), theirs.to_string()),
    }
}
