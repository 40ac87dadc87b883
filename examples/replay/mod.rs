//! Replays recorded exchanges through a local server over a real socket and compares what the crate makes of them with
//! what the recordings say.

#![allow(unreachable_pub, reason = "an example and a test share these modules, each as a part of itself")]

pub mod expected;
mod operations;
pub mod recording;
mod report;

use std::time::Duration;

use openrouter_kit::core::wire::{Json, Untyped};
use openrouter_kit::core::{OpenRouterCore, RetryConfig};
use openrouter_kit::mock::MockServer;
use openrouter_kit::{Error, errors::ApiError};
use serde_json::Value;

use expected::{Failure, Stream};
use operations::{Decoded, Outcome};
use recording::Recording;
pub use report::Report;

/// What became of one exchange.
///
/// An event is a server-sent event with JSON data, or a body that is no stream. Each is either typed throughout, or kept
/// as it came in part or whole, or lost: it did not arrive, or not as what it is, or it is not the same JSON when it is
/// written again.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub id: String,
    pub api: String,
    pub provider: String,
    pub events: usize,
    pub typed: usize,
    pub kept: usize,
    pub lost: usize,
    /// The call or the stream failed although the recording did not.
    pub aborted: bool,
    /// The request did not go out as it was recorded.
    pub lost_request: bool,
    /// Why something is not typed, is lost or aborted.
    pub notes: Vec<String>,
}

impl Verdict {
    fn lose(&mut self, why: impl Into<String>) {
        self.lost += 1;
        self.note(format!("LOST {}", why.into()));
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

    /// An event that came as a value.
    fn value(&mut self, recorded: &str, decoded: &Decoded) {
        let (Ok(recorded), Ok(written)) = (Json::parse(recorded), Json::parse(&*decoded.json)) else {
            return self.lose(decoded.json.clone());
        };
        if let Some(difference) = recorded.difference(&written) {
            return self.lose(format!("{difference} differs after decoding and encoding"));
        }
        if decoded.untyped.is_empty() {
            self.typed += 1;
            return;
        }
        self.kept += 1;
        for Untyped { path, error, .. } in &decoded.untyped {
            let path = if path.is_empty() { "all" } else { path };
            self.note(match error {
                Some(error) => format!("kept {path}: {error}"),
                None => format!("kept {path}: unknown variant"),
            });
        }
    }

    /// An event that has to be an error of the API.
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
            self.lose(format!("status {} in place of {status}", error.status()));
        } else if *error.body() != recorded.as_bytes() {
            self.lose("the body of the error is another one");
        } else if expected != found {
            self.lose(format!("the error is {found:?}, not {expected:?}"));
        } else {
            self.typed += 1;
        }
    }

    fn unary(&mut self, recording: &Recording, outcome: Result<Decoded, Error>) {
        self.events = 1;
        let body = recording.body_text();
        let json = expected::json(body);
        let is_error =
            recording.status >= 400 || json.as_ref().is_some_and(|json| expected::is_error_body(&recording.api, json));
        match outcome {
            Err(Error::Api(error)) if is_error => self.failure(recording.status, body, &error),
            Err(Error::Unexpected(_)) if (300..400).contains(&recording.status) => {
                self.kept += 1;
                self.note("kept all: a redirect, which is not followed");
            }
            Ok(_) if is_error => self.lose("an error came as a value"),
            Ok(decoded) => self.value(body, &decoded),
            // None of it matches the operation; the error has the whole body.
            Err(Error::ResponseValidation(error)) if *error.body() == body.as_bytes() => {
                self.kept += 1;
                self.note(format!("kept all: {error}"));
            }
            Err(error) => {
                self.lost += 1;
                self.abort(&error);
            }
        }
    }

    fn stream(&mut self, recording: &Recording, outcome: Result<Vec<Result<Decoded, Error>>, Error>, api: &str) {
        let recorded = Stream::read(recording.body_text());
        self.events = recorded.events.iter().filter(|event| event.json().is_some()).count();
        let items = match outcome {
            Ok(items) => items,
            Err(error) => {
                self.lost = self.events;
                return self.abort(&error);
            }
        };
        let mut items = items.into_iter();
        for event in &recorded.events {
            let json = event.json();
            let is_error = expected::is_error(api, event);
            match items.next() {
                Some(Ok(_)) if is_error => self.lose("an error came as a value"),
                Some(Ok(decoded)) if json.is_some() => self.value(&event.data, &decoded),
                Some(Ok(_)) => self.note("an event that is no JSON came as a value"),
                Some(Err(Error::Api(error))) if is_error && json.is_some() => {
                    self.failure(recording.status, &event.data, &error);
                }
                Some(Err(Error::Api(_))) if is_error => {}
                // What is no object is no event of these protocols; its text is in the error, and the stream goes on.
                Some(Err(Error::ResponseValidation(error))) if *error.body() == event.data.as_bytes() => {
                    match json.map(|json| json.is_object()) {
                        None => {}
                        Some(false) => {
                            self.kept += 1;
                            self.note("kept all: no object");
                        }
                        Some(true) => {
                            self.kept += 1;
                            self.abort(&Error::ResponseValidation(error));
                        }
                    }
                }
                Some(Err(error)) => {
                    self.lost += usize::from(json.is_some());
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
            (false, []) => self.lose("the recording breaks off, and the stream does not tell"),
            (_, [.., Err(error)]) => self.abort(error),
            (_, [.., Ok(_)]) => self.lose("more events came than were recorded"),
        }
    }

    fn bytes(&mut self, recording: &Recording, outcome: Result<bytes::Bytes, Error>) {
        match outcome {
            Ok(bytes) => {
                self.events = 1;
                if bytes == recording.body { self.typed += 1 } else { self.lose("the bytes are others") }
            }
            Err(error) => self.unary(recording, Err(error)),
        }
    }
}

/// Replays all recordings, in their order.
pub async fn replay(recordings: &[Recording]) -> Report {
    // Each server remembers the requests it got; a new one now and then keeps that short.
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
    let outcome = match operations::call(core, recording).await {
        Some(outcome) if is_foreign(recording, &outcome) => {
            verdict.note("read as any JSON: the body is of another protocol than the operation's");
            server.answer(recording.answer());
            operations::call_any(core, recording).await
        }
        Some(outcome) => {
            check_request(server, recording, &mut verdict);
            outcome
        }
        None => {
            verdict.note("read as any JSON: the crate has no such operation");
            operations::call_any(core, recording).await
        }
    };
    match outcome {
        Outcome::Value(outcome) => verdict.unary(recording, outcome),
        Outcome::Bytes(outcome) => verdict.bytes(recording, outcome),
        Outcome::Stream(outcome) if !recording.is_stream() || expected::json(recording.body_text()).is_some() => {
            // The error came in place of a stream.
            let outcome = outcome.map(|_| Decoded { json: String::new(), untyped: Vec::new() });
            verdict.unary(recording, outcome);
        }
        Outcome::Stream(outcome) => verdict.stream(recording, outcome, &recording.api),
    }
    verdict
}

/// Whether a body that the operation refused is of another protocol: no JSON at all, or an object without the member that
/// says what was asked for.
fn is_foreign(recording: &Recording, outcome: &Outcome) -> bool {
    let Outcome::Value(Err(Error::ResponseValidation(_))) = outcome else { return false };
    let Some(body) = expected::json(recording.body_text()) else { return true };
    let telling: &[&str] = match recording.api.as_str() {
        "chat" => &["choices"],
        "responses" => &["output", "status"],
        "messages" => &["content", "role"],
        "embeddings" | "images" | "models" | "generation" => &["data"],
        "rerank" => &["results"],
        "audio" => &["text"],
        _ => &["data"],
    };
    telling.iter().all(|member| body.get(member).is_none_or(Value::is_null))
}

/// The request has to go out as it was recorded; whether it asks for a stream is the function's matter.
fn check_request(server: &MockServer, recording: &Recording, verdict: &mut Verdict) {
    let Some(recorded) = recording.request.as_ref() else { return };
    let Some(sent) = server.requests().pop().and_then(|sent| serde_json::from_slice::<Value>(&sent.body).ok()) else {
        return;
    };
    let without_stream = |mut request: Value| {
        if let Some(members) = request.as_object_mut() {
            members.remove("stream");
        }
        Json::from(request)
    };
    if let Some(difference) = without_stream(recorded.to_value()).difference(&without_stream(sent)) {
        verdict.lost_request = true;
        verdict.note(format!("LOST {difference} of the request"));
    }
}
