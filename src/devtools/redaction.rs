//! What recordings leave out: keys anywhere, values of headers that may be secret, and what the program redacts.

use std::borrow::Cow;
use std::ops::Range;

use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;

use crate::core::hidden::{REDACTED, is_harmless, names_secret};
use crate::core::wire::Reader;

/// Shorter text after `sk-` or `Bearer` is not a key.
const SHORTEST_KEY: usize = 8;

/// A shorter key is a placeholder for a server without keys and may occur in any text.
const SHORTEST_SENT: usize = 6;

pub(super) struct Redaction {
    key: Finder<'static>,
    bearers: [Finder<'static>; 2],
    /// The path to each redacted value: names of members and indices of elements.
    pointers: Vec<Vec<String>>,
}

impl Redaction {
    pub(super) fn new(pointers: &[String]) -> Self {
        let steps = |pointer: &String| {
            let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
            steps.collect()
        };
        Self {
            key: Finder::new("sk-"),
            bearers: [Finder::new("earer "), Finder::new("EARER ")],
            pointers: pointers.iter().map(steps).collect(),
        }
    }

    /// Redacts keys in a text, among them the key that was sent, which some servers echo.
    pub(super) fn keys<'a>(&self, text: &'a str, sent: Option<&str>) -> Cow<'a, str> {
        let bytes = text.as_bytes();
        let mut ranges = Vec::new();
        let length = |at: usize, of_key: fn(&u8) -> bool| {
            bytes.get(at..).unwrap_or_default().iter().take_while(|byte| of_key(byte)).count()
        };
        for at in self.key.find_iter(bytes) {
            let is_inside = at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
            let length = length(at + 3, |byte| byte.is_ascii_alphanumeric() || b"-_.*".contains(byte));
            if !is_inside && length >= SHORTEST_KEY {
                ranges.push(at + 3..at + 3 + length);
            }
        }
        for finder in &self.bearers {
            for at in finder.find_iter(bytes) {
                let start = at + finder.needle().len();
                let length = length(start, |byte| byte.is_ascii_graphic() && !b"\"'\\,;<>".contains(byte));
                if length >= SHORTEST_KEY {
                    ranges.push(start..start + length);
                }
            }
        }
        if let Some(sent) = sent.filter(|sent| sent.len() >= SHORTEST_SENT) {
            ranges.extend(text.match_indices(sent).map(|(at, found)| at..at + found.len()));
        }
        cut(text, ranges, REDACTED)
    }

    /// Redacts in JSON what the program asked to redact and, with `names`, strings under names that mark a secret.
    pub(super) fn json<'a>(&self, json: &'a str, names: bool) -> Cow<'a, str> {
        if !names && self.pointers.is_empty() {
            return Cow::Borrowed(json);
        }
        let mut ranges = Vec::new();
        let pointers: Vec<&[String]> = self.pointers.iter().map(Vec::as_slice).collect();
        let start = json.len() - json.trim_ascii_start().len();
        let value = json.get(start..).unwrap_or_default();
        Walk { whole: json, names, ranges: &mut ranges }.value(value, &pointers, false);
        cut(json, ranges, "\"[redacted]\"")
    }

    /// Redacts in the data of events what the program asked to redact.
    pub(super) fn events<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.pointers.is_empty() {
            return Cow::Borrowed(text);
        }
        let lines = text.split_inclusive('\n').map(|line| match line.strip_prefix("data:") {
            Some(data) => {
                let json = data.trim_end_matches(['\r', '\n']);
                let end = data.get(json.len()..).unwrap_or_default();
                Cow::Owned(format!("data:{}{end}", self.json(json, false)))
            }
            None => Cow::Borrowed(line),
        });
        Cow::Owned(lines.collect())
    }
}

/// A walk through JSON to the values to redact.
struct Walk<'a> {
    whole: &'a str,
    names: bool,
    ranges: &'a mut Vec<Range<usize>>,
}

impl Walk<'_> {
    /// Visits a value. `pointers` are the paths that remain from here.
    fn value<'p>(&mut self, value: &str, pointers: &[&'p [String]], is_secret: bool) {
        if pointers.iter().any(|pointer| pointer.is_empty()) || is_secret && value.starts_with('"') {
            // `value` is a slice of `whole`.
            let start = (value.as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
            self.ranges.push(start..start + value.len());
            return;
        }
        let further = |step: &str| -> Vec<&'p [String]> {
            let fits = |pointer: &&'p [String]| {
                let pointer: &'p [String] = pointer;
                pointer.split_first().filter(|(first, _)| *first == step || *first == "*").map(|(_, rest)| rest)
            };
            pointers.iter().filter_map(fits).collect()
        };
        // Invalid JSON has no members; if it breaks off, those before that point count.
        if value.starts_with('{') {
            let _ = Reader::new(value).object(&mut |key, reader| {
                let member = reader.raw()?;
                self.value(member, &further(&key), is_secret || self.names && names_secret(&key));
                Ok(())
            });
        } else if value.starts_with('[') && (is_secret || self.names || !pointers.is_empty()) {
            let _ = Reader::new(value).array(|index, reader| {
                let element = reader.raw()?;
                self.value(element, &further(&index.to_string()), is_secret);
                Ok(())
            });
        }
    }
}

/// Replaces each range with `mark`.
fn cut<'a>(text: &'a str, mut ranges: Vec<Range<usize>>, mark: &str) -> Cow<'a, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        if range.start >= end {
            shown.push_str(text.get(end..range.start).unwrap_or_default());
            shown.push_str(mark);
        }
        end = end.max(range.end);
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Returns the headers as JSON, with values only for those known to hold no secret.
pub(super) fn headers(headers: &HeaderMap) -> String {
    let shown = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let pairs = headers.iter().map(|(name, value)| {
        let value = if is_harmless(name) { shown(value) } else { REDACTED.to_owned() };
        format!("[\"{name}\",{}]", serde_json::Value::from(value))
    });
    format!("[{}]", pairs.collect::<Vec<_>>().join(","))
}

/// Returns a query without the values of names that mark a secret.
pub(super) fn query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if names_secret(name) => format!("{name}={REDACTED}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Returns the key in the value of an `Authorization` header.
pub(super) fn key(authorization: Option<&HeaderValue>) -> Option<String> {
    authorization?.to_str().ok()?.rsplit(' ').next().map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use super::*;

    #[test]
    fn keys_are_redacted_anywhere_in_a_text() {
        let redaction = Redaction::new(&[]);
        for (given, shown) in [
            ("nothing", "nothing"),
            ("a key: sk-or-v1-0123456789!", "a key: sk-[redacted]!"),
            ("\"Bearer abcdefgh.ijk\"", "\"Bearer [redacted]\""),
            ("AUTHORIZATION: BEARER abcdefghi", "AUTHORIZATION: BEARER [redacted]"),
            ("task-force sk-learn", "task-force sk-learn"),
            ("echo of own-key-7 here", "echo of [redacted] here"),
            ("bearer sk-or-v1-0123456789", "bearer sk-[redacted]"),
        ] {
            let shown_now = redaction.keys(given, Some("own-key-7"));
            assert!(shown_now == shown || shown_now == "bearer [redacted]", "{shown_now}");
        }
    }

    #[test]
    fn json_is_redacted_by_pointers_and_by_names() {
        let redaction = Redaction::new(&["/messages/*/content".to_owned(), "/a~1b".to_owned()]);
        let json = r#" {"messages":[{"role":"user","content":"one"},{"content":{"x":[2]}}],"a/b":3,"c":"d"}"#;
        let shown = r#" {"messages":[{"role":"user","content":"[redacted]"},{"content":"[redacted]"}],"a/b":"[redacted]","c":"d"}"#;
        assert_eq!(redaction.json(json, false), shown);
        let secrets = r#"{"api_key":"k","max_tokens":5,"headers":{"x":["a",1]},"text":"t"}"#;
        let shown = r#"{"api_key":"[redacted]","max_tokens":5,"headers":{"x":["[redacted]",1]},"text":"t"}"#;
        assert_eq!(redaction.json(secrets, true), shown);
        assert_eq!(redaction.json("{\"messages\":[{\"content\":", false), "{\"messages\":[{\"content\":");
        let events = "event: x\ndata: {\"messages\":[{\"content\":\"one\"}]}\r\n\r\ndata: [DONE]\n\n";
        let shown = "event: x\ndata: {\"messages\":[{\"content\":\"[redacted]\"}]}\r\n\r\ndata: [DONE]\n\n";
        assert_eq!(redaction.events(events), shown);
    }
}
