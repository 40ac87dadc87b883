//! What the server answers as long as nothing was queued: a friendly text, so that a program can be tried without a key.

use std::time::Duration;

use serde_json::Value;

use super::{Answer, RecordedRequest, Reply};

/// Between two events of a stream: fast enough not to wait for, slow enough to see.
const PAUSE: Duration = Duration::from_millis(15);

pub(super) fn answer(request: &RecordedRequest) -> Answer {
    let body = request.json().to_value();
    let mut text = "Hello! This is the local server that comes with openrouter-kit. ".to_owned();
    let asked = body.get("input").or_else(|| body.get("messages")).map(last_text).unwrap_or_default();
    let asked = shortened(&asked);
    if !asked.is_empty() {
        text.push_str(&format!("You asked: \"{asked}\" "));
    }
    text.push_str("Set OPENROUTER_API_KEY, and a model will answer.");
    let input = asked.chars().count().div_ceil(4).max(1) as u64;
    let output = text.split_inclusive(' ').count() as u64;
    Reply::text(text).tokens(input, output).paced(PAUSE).answer_to(request)
}

/// The last text in the input of a request, which is what a user asked last.
fn last_text(input: &Value) -> String {
    match input {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.last().map(last_text).unwrap_or_default(),
        Value::Object(item) => item.get("content").or_else(|| item.get("text")).map(last_text).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Enough of a text to recognize it.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
