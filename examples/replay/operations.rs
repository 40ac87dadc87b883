//! Finds the function of the crate for a recorded exchange, and calls it.

use std::cell::RefCell;
use std::pin::Pin;
use std::str::FromStr;

use bytes::Bytes;
use http::Method;
use openrouter_kit::Error;
use openrouter_kit::core::wire::{self, DecodeError, Reader, Root, Sealed, Unrecognized, Untyped, Wire, Writer};
use openrouter_kit::core::{Call, Download, EventStream, OpenRouterCore, Operation, Parts, StreamItem};

use super::functions::FUNCTIONS;
use super::recording::Recording;

/// The result of a call.
pub enum Outcome {
    /// A value or an error.
    Value(Result<Decoded, Error>),
    /// Bytes, for operations that return a file.
    Bytes(Result<Bytes, Error>),
    /// The items of a stream in order, including errors; or an error instead of the stream.
    Stream(Result<Vec<Result<Decoded, Error>>, Error>),
}

/// The decoded value, encoded as JSON again.
pub struct Decoded {
    pub json: String,
    /// The parts that no type describes.
    pub untyped: Vec<Untyped>,
}

impl Decoded {
    fn of<T: Wire>(value: &T) -> Self {
        let json = match wire::encode(value) {
            Ok(json) => String::from_utf8_lossy(&json).into_owned(),
            Err(error) => format!("cannot be encoded: {error}"),
        };
        Self { json, untyped: wire::untyped(value) }
    }
}

/// A function of the crate.
pub struct Function {
    pub name: &'static str,
    pub method: &'static str,
    /// The path relative to the server URL, with `{name}` for parameters.
    pub path: &'static str,
    pub streams: bool,
    pub call: for<'a> fn(&'a OpenRouterCore, &'a Given<'a>) -> Calling,
}

/// A call in progress.
pub type Calling = Pin<Box<dyn Future<Output = Outcome>>>;

pub fn value<T: Root, P: 'static>(call: Call<T, P>) -> Calling {
    Box::pin(async move { Outcome::Value(call.await.map(|value| Decoded::of(&value))) })
}

pub fn bytes<P: 'static>(call: Call<Download, P>) -> Calling {
    Box::pin(async move {
        Outcome::Bytes(match call.await {
            Ok(download) => download.collect().await,
            Err(error) => Err(error),
        })
    })
}

#[allow(dead_code, reason = "not every version of the API has an operation without a response body")]
pub fn nothing<P: 'static>(call: Call<(), P>) -> Calling {
    Box::pin(async move { Outcome::Bytes(call.await.map(|()| Bytes::new())) })
}

pub fn events<T: StreamItem, P: 'static>(call: Call<EventStream<T>, P>) -> Calling {
    Box::pin(async move {
        Outcome::Stream(match call.await {
            Ok(mut stream) => {
                let mut items = Vec::new();
                while let Some(item) = stream.next().await {
                    items.push(item.map(|event| Decoded::of(&event)));
                }
                Ok(items)
            }
            Err(error) => Err(error),
        })
    })
}

/// The arguments that a recording provides for a function.
pub struct Given<'a> {
    recording: &'a Recording,
    /// The path and query parameters.
    values: Vec<(&'a str, &'a str)>,
    request: RefCell<Option<Decoded>>,
}

impl Given<'_> {
    /// Returns a parameter; arbitrary text if it was not recorded.
    pub fn text(&self, name: &str) -> String {
        let value = self.values.iter().find(|(own, value)| *own == name && !value.is_empty());
        value.map_or("unknown", |(_, value)| value).to_owned()
    }

    /// Returns a parameter that is not text.
    pub fn parsed<T: FromStr + Default>(&self, name: &str) -> T {
        self.text(name).parse().unwrap_or_default()
    }

    /// Returns the request as the model of the operation; an empty one if it was not recorded.
    pub fn body<T: Wire>(&self) -> T {
        let recorded = self.recording.request.as_ref().and_then(|json| wire::decode_event::<T>(json.as_text()).ok());
        *self.request.borrow_mut() = recorded.as_ref().map(|request| {
            let mut decoded = Decoded::of(request);
            // The function asks for a stream, not its request.
            decoded.untyped.retain(|part| part.path != "stream");
            decoded
        });
        recorded.unwrap_or_else(T::missing)
    }
}

/// A recording that the crate has read.
pub struct Played {
    pub outcome: Outcome,
    /// The request as the model of the operation; `None` if it was not recorded or could not be read at all.
    pub request: Option<Decoded>,
    /// Whether the crate has the operation.
    pub is_known: bool,
}

/// Calls the operation of the recording.
pub async fn play(core: &OpenRouterCore, recording: &Recording) -> Played {
    let Some((function, values)) = find(recording) else {
        return Played { outcome: call_any(core, recording).await, request: None, is_known: false };
    };
    let given = Given { recording, values, request: RefCell::default() };
    let outcome = (function.call)(core, &given).await;
    Played { outcome, request: given.request.into_inner(), is_known: true }
}

/// The names of all functions.
#[allow(dead_code, reason = "the test of completeness asks for them")]
pub fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

/// The name of the function for a recording.
#[allow(dead_code, reason = "the test asks for it")]
pub fn name_of(recording: &Recording) -> Option<&'static str> {
    find(recording).map(|(function, _)| function.name)
}

/// The function for a recording, with the parameters of path and query.
fn find(recording: &Recording) -> Option<(&'static Function, Vec<(&str, &str)>)> {
    let streams = recording.asks_for_stream();
    let candidates = || FUNCTIONS.iter().filter(|function| function.streams == streams);
    let (path, query) = recording.path.split_once('?').unwrap_or((&recording.path, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let named = candidates().filter(|function| recording.method.eq_ignore_ascii_case(function.method));
    let mut found: Vec<_> =
        named.filter_map(|function| Some((function, parameters(function.path, &segments)?))).collect();
    // `/models/count` is not the model `count`.
    found.sort_by_key(|(_, parameters)| parameters.len());
    let by_protocol = || {
        // Other servers use other paths for these protocols.
        let (_, method, path) = PROTOCOLS.iter().find(|(api, ..)| *api == recording.api)?;
        let is_another = recording.path.is_empty() || recording.method.eq_ignore_ascii_case(method);
        let function = candidates().find(|function| (function.method, function.path) == (*method, *path))?;
        is_another.then(|| (function, Vec::new()))
    };
    let (function, mut parameters) = found.into_iter().next().or_else(by_protocol)?;
    parameters.extend(query.split('&').filter_map(|pair| pair.split_once('=')));
    Some((function, parameters))
}

/// The operation of each protocol.
const PROTOCOLS: &[(&str, &str, &str)] = &[
    ("chat", "POST", "/chat/completions"),
    ("responses", "POST", "/responses"),
    ("messages", "POST", "/messages"),
    ("embeddings", "POST", "/embeddings"),
    ("rerank", "POST", "/rerank"),
    ("images", "POST", "/images"),
    ("audio", "POST", "/audio/transcriptions"),
    ("models", "GET", "/models"),
    ("generation", "GET", "/generation"),
];

/// Returns the parameters in a recorded path if it is the path of the operation, alone or after the version of the API.
fn parameters<'a>(template: &'static str, segments: &[&'a str]) -> Option<Vec<(&'a str, &'a str)>> {
    let template: Vec<&str> = template.split('/').filter(|segment| !segment.is_empty()).collect();
    let (server, path) = segments.split_at_checked(segments.len().checked_sub(template.len())?)?;
    let is_version = |segment: &&str| segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(char::is_numeric));
    if !server.last().is_none_or(is_version) {
        return None;
    }
    let mut parameters = Vec::new();
    for (own, recorded) in template.into_iter().zip(path) {
        match own.strip_prefix('{').and_then(|own| own.strip_suffix('}')) {
            Some(name) => parameters.push((name, *recorded)),
            None if own == *recorded => {}
            None => return None,
        }
    }
    Some(parameters)
}

/// Calls an operation that the crate does not have, as a program would: any JSON, or events of any JSON.
async fn call_any(core: &OpenRouterCore, recording: &Recording) -> Outcome {
    static ANY: Operation = Operation::new("any", Method::POST, "/any");
    let parts = Parts::new(&ANY).json(&recording.request.clone().unwrap_or_default());
    if recording.is_stream() {
        return events(Call::<EventStream<Any>>::new(core, parts)).await;
    }
    let is_json = super::expected::json(recording.body_text()).is_some();
    if is_json || recording.status >= 300 {
        return value(Call::<Any>::new(core, parts)).await;
    }
    bytes(Call::new(core, parts)).await
}

/// Any JSON, all of it untyped.
#[derive(Clone, Debug, PartialEq)]
struct Any(Unrecognized);

impl Sealed for Any {}

impl Wire for Any {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read(reader)
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn missing() -> Self {
        Self(Unrecognized::missing())
    }

    fn is_missing(&self) -> bool {
        *self == Self::missing()
    }
}

impl Root for Any {
    fn reports_error(&self) -> bool {
        super::expected::is_error_body("", &self.0.json().to_value())
    }
}

impl StreamItem for Any {
    const END_IS_MARKED: bool = false;

    fn is_terminal(&self) -> bool {
        false
    }

    fn reports_error(&self) -> bool {
        false
    }
}
