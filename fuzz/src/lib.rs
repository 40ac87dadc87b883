//! What must hold for any input, one function for each fuzz target. They panic if it does not.
//!
//! `tests/it/fuzz.rs` of the crate runs the same functions over the seeds and over a bounded number of mutations of them, without
//! cargo-fuzz.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use openrouter_kit::core::body::Body;
use openrouter_kit::core::sse::SseDecoder;
use openrouter_kit::core::transport::{Transport, TransportFuture};
use openrouter_kit::core::wire::{self, Json, UntypedKind, Wire};
use openrouter_kit::core::{Call, Operation, Parts};
use openrouter_kit::helpers::PartialJson;
use openrouter_kit::models::{
    ChatResult, ChatStreamChunk, MessagesResult, MessagesStreamEvent, ResponsesResult, ResponsesStreamEvent,
};
use openrouter_kit::{Error, OpenRouterCore, RetryConfig};
use serde::de::IgnoredAny;

/// An event: its name, data, id and the wait it asks for.
type Event = (String, String, String, Option<Duration>);

/// Events are the same wherever the bytes are cut. The first byte says how.
pub fn sse(data: &[u8]) {
    let Some((cut, text)) = data.split_first() else { return };
    let whole = events(text, text.len().max(1), 1 << 20).0;
    assert_eq!(events(text, usize::from(*cut).max(1), 1 << 20).0, whole, "cut into pieces of {cut}");
    assert_eq!(events(text, 1, 1 << 20).0, whole, "cut into bytes");
    // With a limit the same events come up to the one that is too large.
    let (few, failed) = events(text, usize::from(*cut).max(1), 64);
    assert_eq!(few[..], whole[..few.len()]);
    assert!(failed || few == whole);
}

/// The events of `text` cut into pieces of `size` bytes, and whether one passed the limit.
fn events(text: &[u8], size: usize, limit: usize) -> (Vec<Event>, bool) {
    let mut decoder = SseDecoder::new(limit);
    let mut events = Vec::new();
    for piece in text.chunks(size) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.next() {
            let Ok(event) = event else {
                assert!(decoder.next().is_none() && decoder.finish().is_none(), "it is over");
                return (events, true);
            };
            events.push((event.event.to_owned(), event.data.to_owned(), event.id.to_owned(), event.retry));
        }
    }
    if let Some(event) = decoder.finish() {
        events.push((event.event.to_owned(), event.data.to_owned(), event.id.to_owned(), event.retry));
    }
    (events, false)
}

/// What is JSON is what serde_json takes for it, and it means the same, read whole or as it grows.
pub fn json(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut partial = PartialJson::new();
    for letter in text.chars() {
        let before = partial.value().cloned();
        let has_changed = partial.push(letter.encode_utf8(&mut [0; 4]));
        assert_eq!(has_changed, before.as_ref() != partial.value());
    }
    let read = Json::parse(text);
    let known = serde_json::from_str::<IgnoredAny>(text);
    assert_eq!(read.is_ok(), known.is_ok(), "{read:?} {known:?}");
    let Ok(json) = read else { return };
    assert_eq!(json.difference(&json), None);
    let again: Json = wire::decode(json.as_text()).expect("what was read can be read again");
    assert_eq!(json.difference(&again), None);
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return };
    assert_eq!(json.to_value(), value);
    assert!(partial.value() == Some(&value) || value.is_number(), "{partial:?}");
    if let Some(members) = value.as_object() {
        for (name, member) in members.iter().filter(|_| !has_doubles(text)) {
            assert_eq!(json.get(name).map(|member| member.to_value()).as_ref(), Some(member));
        }
    }
}

/// Whether an object somewhere in `text` may have two members of the same name.
fn has_doubles(text: &str) -> bool {
    let value = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default().to_string();
    value.matches(':').count() != text.matches(':').count()
}

/// No object is lost, whatever it holds. The first byte chooses the type.
pub fn models(data: &[u8]) {
    let Some((of, text)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    match of % 6 {
        0 => model::<ResponsesStreamEvent>(text),
        1 => model::<ChatStreamChunk>(text),
        2 => model::<ChatResult>(text),
        3 => model::<MessagesStreamEvent>(text),
        4 => model::<MessagesResult>(text),
        _ => model::<ResponsesResult>(text),
    }
}

fn model<T: Wire>(text: &str) {
    let Ok(before) = Json::parse(text) else {
        assert!(wire::decode_event::<T>(text).is_err(), "it is not JSON");
        return;
    };
    let Ok(value) = wire::decode_event::<T>(text) else {
        assert!(!before.is_object(), "every object is kept");
        return;
    };
    let written = String::from_utf8(wire::encode(&value).expect("what was read can be written")).expect("UTF-8");
    let after = Json::parse(&*written).expect("what is written is JSON");
    assert_eq!(before.difference(&after), None, "{written}");
    for part in wire::untyped(&value) {
        if let UntypedKind::Member { type_name, name, .. } = part.kind {
            assert!(!is_named(type_name, &name), "{type_name} has no field for {name}");
        }
    }
    assert_eq!(wire::decode_event::<T>(&written).expect("what was written can be read"), value);
}

/// Whether the API document names a member of a type. Such a member has a field; only others may be kept without one.
pub fn is_named(type_name: &str, member: &str) -> bool {
    static NAMES: OnceLock<BTreeSet<(&str, &str)>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let mut owner = "";
        let mut names = BTreeSet::new();
        for line in include_str!("../../codegen/overlay/api.txt").lines() {
            match *line.split('\t').collect::<Vec<_>>() {
                ["", _, wire, ..] => drop(names.insert((owner, wire))),
                ["struct", name, ..] => owner = name,
                _ => owner = "",
            }
        }
        names
    });
    names.contains(&(type_name, member))
}

/// No header makes a wait that panics or that nobody asked for.
pub fn retry_after(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut response = Response::new(Body::from("{}"));
    *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    let names = ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-remaining"];
    for (name, value) in names.into_iter().zip(&mut lines) {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        response.headers_mut().insert(name, value);
    }
    let has_digit = data.iter().any(u8::is_ascii_digit);
    let error = call(response).expect_err("the status says so");
    let wait = error.as_api().expect("an answer came").retry_after();
    assert!(wait.is_none() || has_digit, "{wait:?}");
    let _ = format!("{error} {error:?}");
}

/// No body of an error makes a panic. The first two bytes choose the status.
pub fn error_body(data: &[u8]) {
    let [high, low, body @ ..] = data else { return };
    let status = 200 + u16::from_be_bytes([*high, *low]) % 400;
    let mut response = Response::new(Body::from(body.to_vec()));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("between 200 and 599");
    let Err(error) = call(response) else {
        assert!((200..300).contains(&status));
        return;
    };
    let _ = format!("{error} {error:?} {error:#?} {:?}", error.status());
    let Error::Api(error) = &error else {
        assert!(status < 400, "an error status is always an error of the API");
        return;
    };
    assert_eq!(error.status(), status);
    assert_eq!(error.body(), body);
    let _ = (error.kind(), error.code(), error.message(), error.metadata(), error.error_type(), error.retry_after());
    let _ = (error.request_id(), error.user_id(), error.openrouter_metadata(), error.is_retryable());
    if let Some(availability) = error.availability() {
        let _ = (availability.code(), availability.retryable(), availability.retry_after());
        let _ = (availability.requested_models(), availability.affected_providers(), availability.fallback_models());
    }
}

static OPERATION: Operation = Operation::new("fuzz", http::Method::POST, "/fuzz");

/// What a call makes of `response`, over the real path and without a network.
fn call(response: Response<Body>) -> Result<ResponsesResult, Error> {
    let transport = Once(std::sync::Mutex::new(Some(response)));
    let core = OpenRouterCore::builder().api_key("k").transport(transport).retry_config(RetryConfig::none()).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let call: Call<ResponsesResult> = Call::new(&core, Parts::new(&OPERATION));
    runtime.block_on(call.into_future())
}

/// Answers once.
#[derive(Debug)]
struct Once(std::sync::Mutex<Option<Response<Body>>>);

impl Transport for Once {
    fn send(&self, _: Request<Body>) -> TransportFuture<'_> {
        let response = self.0.lock().expect("no panic while it was held").take();
        Box::pin(async { Ok(response.expect("one request")) })
    }
}
