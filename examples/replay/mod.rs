//! Replays recorded exchanges through a local server over a real socket, and compares what the crate reads with what
//! the recordings say.

#![allow(unreachable_pub, reason = "an example and a test share these modules, each as a part of itself")]

pub mod expected;
mod functions;
pub mod operations;
pub mod recording;
pub mod report;

use std::time::Duration;

use openrouter_kit::core::wire::{Extra, Json, Untyped, UntypedKind};
use openrouter_kit::core::{OpenRouterCore, RetryConfig};
use openrouter_kit::mock::MockServer;
use openrouter_kit::{Error, errors::ApiError};
use serde_json::Value;

use expected::{Failure, Stream};
use operations::{Decoded, Outcome, Played};
use recording::Recording;
pub use report::Report;

/// The result of one exchange.
///
/// An event is a server-sent event with JSON data, or a body that is not a stream.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub id: String,
    pub api: String,
    pub provider: String,
    pub events: Classes,
    /// The request, if one with a body was recorded.
    pub requests: Classes,
    /// The call or the stream failed although the recording did not.
    pub aborted: bool,
    /// The JSON fields that their type does not have.
    pub members: Vec<UntypedMember>,
    /// Why something is untyped, lost or aborted.
    pub notes: Vec<String>,
}

/// The number of values of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    pub count: usize,
    /// Typed throughout: every JSON field is known, and every value fits.
    pub typed: usize,
    /// Some JSON fields are unknown; everything else is typed.
    pub untyped_members: usize,
    /// Something matches no type and is kept unchanged.
    pub kept: usize,
    /// It did not arrive, or arrived as something else, or encodes as different JSON.
    pub lost: usize,
    /// Those of any class with an unknown JSON field.
    pub with_untyped_members: usize,
}

/// The class of a value that is not lost.
#[derive(Clone, Copy, Debug)]
struct Class {
    has_untyped_members: bool,
    is_kept: bool,
}

impl Classes {
    fn add(&mut self, class: Class) {
        self.with_untyped_members += usize::from(class.has_untyped_members);
        match class {
            Class { is_kept: true, .. } => self.kept += 1,
            Class { has_untyped_members: true, .. } => self.untyped_members += 1,
            Class { .. } => self.typed += 1,
        }
    }
}

/// A JSON field that its type does not have.
#[derive(Clone, Debug)]
pub struct UntypedMember {
    pub is_of_request: bool,
    pub type_name: &'static str,
    pub name: String,
    /// The value as printed by `Debug`, which hides secrets, shortened.
    pub example: String,
}

impl Verdict {
    fn lose(&mut self, why: impl Into<String>) {
        self.events.lost += 1;
        self.note(format!("LOST {}", why.into()));
    }

    fn lose_request(&mut self, why: &str) {
        self.requests.lost += 1;
        self.note(format!("LOST of the request: {why}"));
    }

    fn abort(&mut self, error: &Error) {
        self.aborted = true;
        let mut why = format!("ABORTED {error}");
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        self.note(why);
    }

    fn note(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.notes.contains(&why) {
            self.notes.push(why);
        }
    }

    /// An event that arrived as a value.
    fn value(&mut self, recorded: &str, decoded: &Decoded) {
        let (Ok(recorded), Ok(written)) = (Json::parse(recorded), Json::parse(&*decoded.json)) else {
            return self.lose(decoded.json.clone());
        };
        if let Some(difference) = recorded.difference(&written) {
            return self.lose(format!("{difference} differs after decoding and encoding"));
        }
        let class = self.class(&recorded, decoded, false);
        self.events.add(class);
    }

    /// Determines the class of a value and notes what is untyped in it.
    fn class(&mut self, recorded: &Json, decoded: &Decoded, is_of_request: bool) -> Class {
        let mut class = Class { has_untyped_members: false, is_kept: false };
        let whole = if is_of_request { "the request" } else { "all" };
        for Untyped { path, kind, .. } in &decoded.untyped {
            let place = if path.is_empty() { whole } else { path };
            match kind {
                UntypedKind::Member { type_name, name, .. } => {
                    class.has_untyped_members = true;
                    let (name, example) = (name.clone(), example(recorded, path, name));
                    self.members.push(UntypedMember { is_of_request, type_name, name, example });
                }
                UntypedKind::Mismatch(error) => {
                    class.is_kept = true;
                    self.note(format!("kept {place}: {error}"));
                }
                _ => {
                    class.is_kept = true;
                    self.note(format!("kept {place}: unknown variant"));
                }
            }
        }
        class
    }

    /// An event that must be an error of the API.
    fn failure(&mut self, status: u16, recorded: &str, error: &ApiError) {
        let expected = Failure::read(status, recorded);
        let found = Failure {
            kind: error.kind(),
            code: error.code().map(str::to_owned),
            message: expected.message.as_ref().map(|_| error.message().to_owned()),
            error_type: error.error_type().map(str::to_owned),
            metadata: error.metadata().map(Json::to_value),
        };
        if error.status().as_u16() != status {
            self.lose(format!("status {} instead of {status}", error.status()));
        } else if *error.body() != recorded.as_bytes() {
            self.lose("the error has a different body");
        } else if expected != found {
            self.lose(format!("the error is {found:?}, not {expected:?}"));
        } else {
            self.events.typed += 1;
        }
    }

    fn unary(&mut self, recording: &Recording, outcome: Result<Decoded, Error>) {
        self.events.count = 1;
        let body = recording.body_text();
        let json = expected::json(body);
        let is_error_body = |json: &Value| {
            expected::is_error_body(&recording.api, json) && !expected::is_failed_job(&recording.path, json)
        };
        let is_error = recording.status >= 400 || json.as_ref().is_some_and(is_error_body);
        match outcome {
            Err(Error::Api(error)) if is_error => self.failure(recording.status, body, &error),
            Err(Error::Unexpected(_)) if (300..400).contains(&recording.status) => {
                self.events.kept += 1;
                self.note("kept all: a redirect, which is not followed");
            }
            Ok(_) if is_error => self.lose("an error arrived as a value"),
            Ok(decoded) => self.value(body, &decoded),
            // Nothing matches the operation; the error has the whole body.
            Err(Error::ResponseValidation(error)) if *error.body() == body.as_bytes() => {
                self.events.kept += 1;
                self.note(format!("kept all: {error}"));
            }
            Err(error) => {
                self.events.lost += 1;
                self.abort(&error);
            }
        }
    }

    fn stream(&mut self, recording: &Recording, outcome: Result<Vec<Result<Decoded, Error>>, Error>, api: &str) {
        let recorded = Stream::read(recording.body_text());
        self.events.count = recorded.events.iter().filter(|event| event.json().is_some()).count();
        let items = match outcome {
            Ok(items) => items,
            Err(error) => {
                self.events.lost = self.events.count;
                return self.abort(&error);
            }
        };
        let mut items = items.into_iter();
        for event in &recorded.events {
            let json = event.json();
            let is_error = expected::is_error(api, event);
            match items.next() {
                Some(Ok(_)) if is_error => self.lose("an error arrived as a value"),
                Some(Ok(decoded)) if json.is_some() => self.value(&event.data, &decoded),
                Some(Ok(_)) => self.note("an event that is not JSON arrived as a value"),
                Some(Err(Error::Api(error))) if is_error && json.is_some() => {
                    self.failure(recording.status, &event.data, &error);
                }
                Some(Err(Error::Api(_))) if is_error => {}
                // In these protocols, every event is an object. The error has the text, and the stream continues.
                Some(Err(Error::ResponseValidation(error))) if *error.body() == event.data.as_bytes() => {
                    match json.map(|json| json.is_object()) {
                        None => {}
                        Some(false) => {
                            self.events.kept += 1;
                            self.note("kept all: not an object");
                        }
                        Some(true) => {
                            self.events.kept += 1;
                            self.abort(&Error::ResponseValidation(error));
                        }
                    }
                }
                Some(Err(error)) => {
                    self.events.lost += usize::from(json.is_some());
                    self.abort(&error);
                }
                None => {
                    self.aborted = true;
                    if json.is_some() {
                        self.lose("the stream ended before this event");
                    }
                }
            }
        }
        let rest: Vec<_> = items.collect();
        match (recorded.is_complete(api), rest.as_slice()) {
            (true, []) => {}
            (false, [Err(Error::Connection(error))]) if error.is_incomplete() => {
                self.note("the recording breaks off, which the stream reports");
            }
            (false, []) => self.lose("the recording breaks off, but the stream does not report it"),
            (_, [.., Err(error)]) => self.abort(error),
            (_, [.., Ok(_)]) => self.lose("more events arrived than were recorded"),
        }
    }

    fn bytes(&mut self, recording: &Recording, outcome: Result<bytes::Bytes, Error>) {
        match outcome {
            Ok(bytes) => {
                self.events.count = 1;
                if bytes == recording.body { self.events.typed += 1 } else { self.lose("the bytes differ") }
            }
            Err(error) => self.unary(recording, Err(error)),
        }
    }
}

/// Replays all recordings, in their order.
pub async fn replay(recordings: &[Recording]) -> Report {
    // Each server remembers its requests; a new one from time to time keeps that list short.
    const A_SERVER: usize = 32;
    let mut report = Report::default();
    for recordings in recordings.chunks(A_SERVER) {
        let server = MockServer::start().await;
        let core = OpenRouterCore::builder()
            .api_key("sk-or-v1-replay")
            .server_url(server.url())
            .retry_config(RetryConfig::none())
            .idle_timeout(Duration::from_secs(30))
            .build();
        let core = match core {
            Ok(core) => core,
            Err(error) => {
                report.unreadable.push(error.to_string());
                return report;
            }
        };
        for recording in recordings {
            report.add(exchange(&server, &core, recording).await);
        }
    }
    report
}

/// Replays one recording.
async fn exchange(server: &MockServer, core: &OpenRouterCore, recording: &Recording) -> Verdict {
    let mut verdict = Verdict {
        id: recording.id.clone(),
        api: recording.api.clone(),
        provider: recording.provider.clone(),
        ..Verdict::default()
    };
    server.answer(recording.answer());
    let Played { outcome, request, is_known } = operations::play(core, recording).await;
    match is_known {
        true => check_request(server, recording, request.as_ref(), &mut verdict),
        false => verdict.note("read as any JSON: the crate has no such operation"),
    }
    match outcome {
        Outcome::Value(outcome) => verdict.unary(recording, outcome),
        Outcome::Bytes(outcome) => verdict.bytes(recording, outcome),
        Outcome::Stream(outcome) if !recording.is_stream() || expected::json(recording.body_text()).is_some() => {
            // The error arrived instead of a stream.
            let outcome = outcome.map(|_| Decoded { json: String::new(), untyped: Vec::new() });
            verdict.unary(recording, outcome);
        }
        Outcome::Stream(outcome) => verdict.stream(recording, outcome, &recording.api),
    }
    verdict
}

/// The request must be sent as recorded, except for the field `stream`, which the function sets.
fn check_request(server: &MockServer, recording: &Recording, request: Option<&Decoded>, verdict: &mut Verdict) {
    let Some(recorded) = recording.request.as_ref() else { return };
    let sent = server.requests().pop().and_then(|sent| serde_json::from_slice::<Value>(&sent.body).ok());
    let without_stream = |mut request: Value| {
        if let Some(members) = request.as_object_mut() {
            members.remove("stream");
        }
        Json::from(request)
    };
    verdict.requests.count = 1;
    let Some(request) = request else {
        // The operation takes no JSON, or the request belongs to another operation.
        if sent.is_some() {
            return verdict.lose_request("it does not fit the operation at all");
        }
        verdict.requests.kept = 1;
        return verdict.note("kept all of the request: the operation takes no JSON");
    };
    let sent = without_stream(sent.unwrap_or_default());
    if let Some(difference) = without_stream(recorded.to_value()).difference(&sent) {
        return verdict.lose_request(&difference.to_string());
    }
    let class = verdict.class(recorded, request, true);
    verdict.requests.add(class);
}

/// Returns the value of a field, shortened to one line and without secrets.
fn example(recorded: &Json, path: &str, name: &str) -> String {
    const LONGEST: usize = 60;
    let Some(value) = find(recorded, path) else { return String::new() };
    let shown = format!("{:?}", Extra::from_iter([(name, value)]));
    let shown = shown.split_once(": ").map_or("", |(_, value)| value);
    let shown = shown.strip_suffix('}').unwrap_or(shown);
    let mut short: String = shown.chars().take(LONGEST).collect();
    if short.len() < shown.len() {
        short.push('…');
    }
    short
}

/// Returns the value at a path such as `choices[0].message`.
fn find(json: &Json, path: &str) -> Option<Json> {
    // A name may contain dots and brackets: use the longest one that matches.
    let Some(path) = path.strip_prefix('[') else {
        let path = path.strip_prefix('.').unwrap_or(path);
        let ends = path.char_indices().filter(|(_, character)| ".[".contains(*character)).map(|(at, _)| at);
        return [path.len()].into_iter().chain(ends.rev()).find_map(|end| {
            let (name, rest) = path.split_at_checked(end)?;
            let value = json.get(name)?;
            if rest.is_empty() { Some(value.clone()) } else { find(value, rest) }
        });
    };
    let (index, rest) = path.split_once(']')?;
    let value = json.get(index.parse::<usize>().ok()?)?;
    if rest.is_empty() { Some(value.clone()) } else { find(value, rest) }
}
