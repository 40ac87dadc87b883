//! The content of one call, read from its files on demand.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use openrouter_kit::serde_json::{self, Value};
use serde::Serialize;

use super::index::Fields;
use super::json::Raw;
use super::lines::Lines;
use super::messages::{self, Message, Streamed};

/// Only this much of a body is read.
pub(crate) const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// How many events of an attempt are kept.
const MOST_EVENTS: usize = 100_000;

/// What was recorded of a call. Times are in milliseconds from the start of its first attempt.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Recorded {
    pub(crate) attempts: Vec<Attempt>,
    /// When the call ended.
    pub(crate) end: Option<f64>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Attempt {
    pub(crate) number: u64,
    pub(crate) at: f64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    #[serde(skip)]
    pub(crate) is_stream: bool,
    pub(crate) request: Option<Body>,
    pub(crate) head: Option<Head>,
    pub(crate) events: Vec<Event>,
    pub(crate) response: Option<Body>,
    pub(crate) failed: Option<Failed>,
    /// The time of its last line.
    pub(crate) end: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Head {
    pub(crate) at: f64,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

/// A server-sent event.
#[derive(Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) at: f64,
    /// Its lines, without the blank one that ends it.
    pub(crate) text: String,
}

impl Event {
    pub(crate) fn data(&self) -> String {
        messages::data_of_events(&self.text).collect::<Vec<_>>().join("\n")
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    pub(crate) at: f64,
    pub(crate) error: String,
    /// The wait before the next attempt.
    pub(crate) wait: Option<f64>,
    pub(crate) reason: Option<String>,
}

/// The body of a request or a response.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Body {
    pub(crate) text: String,
    /// Whether the text is base64, because the body is not UTF-8.
    pub(crate) base64: bool,
    /// Its length in bytes, if known.
    pub(crate) length: Option<u64>,
    /// Why it is incomplete.
    pub(crate) missing: Option<&'static str>,
}

const CUT: &str = "cut off";

impl Body {
    /// Reads the member `body` of a line.
    fn of(body: Raw<'_>, recording: &Path) -> Self {
        if let Some(text) = body.string() {
            let length = (!body.is_cut).then_some(text.len() as u64);
            return Self { text, base64: false, length, missing: body.is_cut.then_some(CUT) };
        }
        if let Some(base64) = body.member("base64") {
            let text = base64.string().unwrap_or_default();
            let length = (text.trim_end_matches('=').len() as u64) * 3 / 4;
            return Self { text, base64: true, length: Some(length), missing: base64.is_cut.then_some(CUT) };
        }
        let length = body.member("length").and_then(Raw::count);
        let missing = |missing| Self { length, missing: Some(missing), ..Self::default() };
        let Some(hash) = body.member("sha256").and_then(Raw::string) else {
            return missing("its content was not recorded");
        };
        match read_value(recording, &hash) {
            Ok((text, is_cut)) => Self { text, base64: false, length, missing: is_cut.then_some(CUT) },
            Err(_) => missing("its file in `values` cannot be read"),
        }
    }

    /// Cuts the text to a length.
    fn limit(&mut self, limit: usize) {
        if super::cut(&mut self.text, limit) {
            self.missing = Some(CUT);
        }
    }

    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        if self.base64 { None } else { serde_json::from_str(&self.text).ok() }
    }
}

/// Reads a value from its file, or the beginning of it.
fn read_value(recording: &Path, hash: &str) -> io::Result<(String, bool)> {
    // Neither the name nor a symbolic link may lead to another file.
    let path = recording.parent().unwrap_or(Path::new("")).join("values").join(hash);
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash || !fs::symlink_metadata(&path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    let length = File::open(path)?.take(LONGEST_BODY as u64 + 1).read_to_end(&mut bytes)?;
    bytes.truncate(LONGEST_BODY);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), length > LONGEST_BODY))
}

/// Reads the lines of a call at its [places](super::index::Index::places).
pub(crate) fn read(places: &[(PathBuf, u64, u64)], number: u64) -> io::Result<Recorded> {
    let mut recorded = Recorded::default();
    let mut start = None;
    for (path, begin, end) in places {
        let mut lines = Lines::new(File::open(path)?, *begin, LONGEST_BODY)?;
        while let Some(line) = lines.next()? {
            if line.offset >= *end {
                break;
            }
            // Lines of concurrent calls are in between.
            if Raw::new(line.head).member("call").and_then(Raw::count) == Some(number) {
                let fields = Fields::of(line.head);
                let at = fields.milliseconds("at").unwrap_or_default();
                recorded.add(&fields, at - *start.get_or_insert(at), path);
            }
        }
    }
    Ok(recorded)
}

fn headers(fields: &Fields<'_>) -> Vec<(String, String)> {
    fields.get("headers").and_then(Raw::read).unwrap_or_default()
}

impl Recorded {
    fn add(&mut self, fields: &Fields<'_>, at: f64, recording: &Path) {
        let kind = fields.text("kind");
        let number = fields.count("attempt").unwrap_or(1);
        if kind == "request" || !self.attempts.iter().any(|attempt| attempt.number == number) {
            self.attempts.push(Attempt { number, at, ..Attempt::default() });
        }
        let Some(attempt) = self.attempts.iter_mut().rev().find(|attempt| attempt.number == number) else { return };
        attempt.end = at;
        let body = || fields.get("body").map(|body| Body::of(body, recording));
        match &*kind {
            "request" => {
                attempt.method = fields.text("method");
                attempt.path = fields.text("path");
                attempt.query = fields.text("query");
                attempt.headers = headers(fields);
                attempt.is_stream = fields.get("stream").is_some_and(|stream| stream.text == b"true");
                attempt.request = body();
            }
            "response" => {
                let status = fields.count("status").and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
                attempt.head = Some(Head { at, status, headers: headers(fields) });
            }
            "events" => {
                let body = body().unwrap_or_default();
                let missing = body.missing.map(|missing| format!(": {missing}"));
                let events = body.text.replace("\r\n", "\n").replace('\r', "\n");
                for text in
                    events.split("\n\n").map(str::trim_end).filter(|text| !text.is_empty()).chain(missing.as_deref())
                {
                    if attempt.events.len() < MOST_EVENTS {
                        attempt.events.push(Event { at, text: text.to_owned() });
                    }
                }
            }
            "body" => attempt.response = body(),
            "failed" => {
                let reason = fields.get("reason").and_then(Raw::string);
                attempt.failed =
                    Some(Failed { at, error: fields.text("error"), wait: fields.milliseconds("wait"), reason });
            }
            "end" => self.end = Some(at),
            _ => {}
        }
    }

    /// Returns the messages sent to the model.
    pub(crate) fn input(&self) -> Vec<Message> {
        let body = self.attempts.first().and_then(|attempt| attempt.request.as_ref()?.json());
        body.map(|body| messages::of_request(&body)).unwrap_or_default()
    }

    /// Returns the messages received in the last attempt.
    pub(crate) fn output(&self) -> Vec<Message> {
        let Some(attempt) = self.attempts.last() else { return Vec::new() };
        if let Some(body) = attempt.response.as_ref().and_then(Body::json) {
            return messages::of_response(&body);
        }
        let mut streamed = Streamed::default();
        attempt.events.iter().for_each(|event| streamed.add(&event.data()));
        streamed.finish()
    }

    /// Cuts each body, and the events of each attempt, to about this many bytes.
    pub(crate) fn limit(&mut self, limit: usize) {
        for attempt in &mut self.attempts {
            attempt.request.iter_mut().for_each(|body| body.limit(limit));
            attempt.response.iter_mut().for_each(|body| body.limit(limit));
            let mut left = limit;
            let fits = attempt.events.iter().take_while(|event| {
                let fits = event.text.len() <= left;
                left = left.saturating_sub(event.text.len());
                fits
            });
            let kept = fits.count();
            if kept < attempt.events.len() {
                let text = format!(": {CUT}: {} more events", attempt.events.len() - kept);
                attempt.events.truncate(kept);
                attempt.events.push(Event { at: attempt.end, text });
            }
        }
    }
}
