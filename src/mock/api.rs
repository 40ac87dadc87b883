//! The whole API, answered plausibly.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::operation::{Found, Operation, find};
use super::random::{Random, hash};
use super::{Answer, Fault, Place, RecordedRequest, Reply, samples, structured};

/// Between two events of a stream: fast enough not to wait for, slow enough to see.
const PAUSE: Duration = Duration::from_millis(15);

/// How long a slow response takes to begin.
const SLOW: Duration = Duration::from_secs(10);

/// OpenRouter's API without models: each operation gets a response in the form that the API has for it.
///
/// Models reflect the prompt, write JSON if the request has a schema, and call a tool if the request requires it. Lists
/// have pages, and what a request creates, names or changes is in its response; nothing is kept between requests.
/// Requests are checked: an unknown path gets a 404, another method a 405, a body without a required field a 400, and a
/// missing key a 401. The header `x-mock-status` asks for an error (`x-mock-status: 429`), and `x-mock-fault` for an
/// [`ApiFault`] (`x-mock-fault: cut`).
///
/// A [`MockServer`](super::MockServer) without anything queued answers like this. To set options, or to answer some
/// requests with it:
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::mock::{Answer, ApiFault, MockApi, MockServer};
///
/// let server = MockServer::start().await;
/// let api = MockApi::new().seed(7).fault(ApiFault::Status(429), 0.1);
/// server.on("GET", "/credits", Answer::error(403, "Management key required"));
/// server.respond_with(move |request| api.answer(request));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct MockApi {
    pause: Duration,
    seed: u64,
    faults: Vec<(ApiFault, f64)>,
    /// Requests so far.
    count: AtomicU64,
}

impl Default for MockApi {
    fn default() -> Self {
        Self { pause: PAUSE, seed: 0, faults: Vec::new(), count: AtomicU64::new(0) }
    }
}

/// What goes wrong with a response of a [`MockApi`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiFault {
    /// An error with this status; written `429`.
    Status(u16),
    /// The connection is reset in the middle of the response; written `cut`.
    Cut,
    /// The response begins after 10 seconds; written `slow`.
    Slow,
    /// No response; the connection stays open; written `stall`.
    Stall,
}

impl FromStr for ApiFault {
    type Err = ParseApiFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cut" => Ok(Self::Cut),
            "slow" => Ok(Self::Slow),
            "stall" => Ok(Self::Stall),
            status => match status.parse() {
                Ok(status @ 400..=599) => Ok(Self::Status(status)),
                _ => Err(ParseApiFaultError(())),
            },
        }
    }
}

/// A text that is not an [`ApiFault`].
#[derive(Debug)]
pub struct ParseApiFaultError(());

impl fmt::Display for ParseApiFaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a status from 400 to 599, `cut`, `slow` or `stall`")
    }
}

impl std::error::Error for ParseApiFaultError {}

impl MockApi {
    /// Returns the API without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits before each event of a stream; 15 ms by default.
    pub const fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Chooses other identifiers and other requests for faults. The same seed and requests make the same responses.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets something go wrong with a part of the requests, such as 0.1 for one in ten.
    pub fn fault(mut self, fault: ApiFault, share: f64) -> Self {
        self.faults.push((fault, share));
        self
    }

    /// Returns the answer to one request.
    pub fn answer(&self, request: &RecordedRequest) -> Answer {
        let fault = self.fault_of(request);
        if let Some(ApiFault::Status(status)) = fault {
            let answer = error(request, status, "This error was asked for");
            return if matches!(status, 429 | 503) { answer.header("retry-after", "1") } else { answer };
        }
        let answer = match find(request.method.as_str(), request.operation_path()) {
            Found::Operation(operation, parameters) => self.answer_of(operation, &parameters, request),
            Found::OtherMethods(methods) => {
                let message = format!("{} is not a method of this path; use {methods}", request.method);
                error(request, 405, &message).header("allow", methods)
            }
            Found::Nothing => error(request, 404, &format!("Not found: {} {}", request.method, request.path)),
        };
        match fault {
            Some(ApiFault::Cut) => answer.fault(Fault::Reset, Place::InBody),
            Some(ApiFault::Slow) => answer.delayed(SLOW),
            Some(ApiFault::Stall) => answer.fault(Fault::Stall, Place::BeforeHead),
            _ => answer,
        }
    }

    /// Returns the operation that a request calls by its name in the API, such as `sendChatCompletionRequest`.
    pub fn operation(request: &RecordedRequest) -> Option<&'static str> {
        match find(request.method.as_str(), request.operation_path()) {
            Found::Operation(operation, _) => Some(&operation.id),
            _ => None,
        }
    }

    fn fault_of(&self, request: &RecordedRequest) -> Option<ApiFault> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let asked = request.header("x-mock-status").or_else(|| request.header("x-mock-fault"));
        if let Some(fault) = asked.and_then(|text| text.parse().ok()) {
            return Some(fault);
        }
        let chance = Random::new(self.seed).value(count) as f64 / u64::MAX as f64;
        let mut sum = 0.0;
        let fault = self.faults.iter().find(|(_, share)| {
            sum += share;
            chance < sum
        });
        fault.map(|(fault, _)| *fault)
    }

    fn answer_of(&self, operation: &Operation, parameters: &[(&str, String)], request: &RecordedRequest) -> Answer {
        let key = request.header("authorization").or_else(|| request.header("x-api-key"));
        if operation.key && key.is_none_or(|key| key.trim_start_matches("Bearer").trim().is_empty()) {
            return error(request, 401, "Missing Authentication header");
        }
        let body = match operation.check(request) {
            Ok(body) => body,
            Err(message) => return error(request, 400, &message),
        };
        let random = Random::new(self.seed ^ hash(&request.body) ^ hash(request.path.as_bytes()));
        match (operation.method.as_str(), operation.path.as_str()) {
            ("POST", "/chat/completions" | "/responses" | "/messages") => self.reply(&body).answer_to(request),
            _ => samples::Asked { operation, parameters, request, body: &body, random, pause: self.pause }.answer(),
        }
    }

    /// What a model writes to a prompt.
    fn reply(&self, body: &Value) -> Reply {
        let asked = body.get("input").or_else(|| body.get("messages")).map(last_text).unwrap_or_default();
        let asked = shortened(&asked);
        let reply = if let Some((name, parameters)) = structured::required_tool(body) {
            Reply::tool_call(name, structured::sample(parameters))
        } else if let Some(schema) = structured::schema_of(body) {
            Reply::text(structured::sample(schema).to_string())
        } else {
            let mut text = "Hello! This is the local server that comes with openrouter-kit. ".to_owned();
            if !asked.is_empty() {
                text.push_str(&format!("You asked: \"{asked}\" "));
            }
            text.push_str("Set OPENROUTER_API_KEY, and a model will answer.");
            let output = text.split_inclusive(' ').count() as u64;
            Reply::text(text).tokens(asked.chars().count().div_ceil(4).max(1) as u64, output)
        };
        reply.paced(self.pause).seeded(self.seed)
    }
}

/// An error in the form of the API, which is another one for `/messages`.
fn error(request: &RecordedRequest, status: u16, message: &str) -> Answer {
    if request.operation_path() != "/messages" {
        return Answer::error(status, message);
    }
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    Answer::json(status, json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": null}))
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
