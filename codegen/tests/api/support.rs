//! How the registry hands values over and takes answers back.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use openrouter_kit::core::wire::{Json, Root, Wire, decode, decode_event, encode};
use openrouter_kit::core::{Download, StreamItem};
use openrouter_kit::{Call, Error, EventStream, OpenRouter};

/// Reads a JSON text as a type, as the client does it, and writes it again; with the `Debug` form where that is wanted,
/// which shows what was kept whole.
pub(crate) type RoundTrip = fn(&str, bool) -> Result<(Json, String), String>;

/// What a call answered: its values as JSON, or its bytes as one JSON string.
pub(crate) type Outcome<'a> = Pin<Box<dyn Future<Output = Result<Vec<Json>, Error>> + 'a>>;

/// An operation as a function and as a method.
pub(crate) type Both<'a> = [Outcome<'a>; 2];

/// Calls an operation both ways.
pub(crate) type Calling = for<'a> fn(&'a OpenRouter, &'a Given) -> Both<'a>;

/// What a test gives to an operation, by the names on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) body: Option<String>,
}

impl Given {
    pub(crate) fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| panic!("`{name}` is required, but the document does not say so"))
    }

    pub(crate) fn optional(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    pub(crate) fn body<T: Wire>(&self) -> T {
        decode(self.body.as_deref().expect("a body")).expect("a body of the type")
    }
}

pub(crate) fn round_trip<T: Wire>(json: &str, show: bool) -> Result<(Json, String), String> {
    let value: T = decode_event(json).map_err(|error| error.to_string())?;
    if !show {
        return Ok((written(&value)?, String::new()));
    }
    let misfits: Vec<_> = value.extra().into_iter().flat_map(|extra| extra.misfits()).collect();
    let misfits = if misfits.is_empty() { String::new() } else { format!("misfits {misfits:?} in ") };
    Ok((written(&value)?, format!("{misfits}{value:?}")))
}

fn written<T: Wire>(value: &T) -> Result<Json, String> {
    let text = encode(value).map_err(|error| error.to_string())?;
    Json::parse(String::from_utf8(text).map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

pub(crate) fn value<T: Root, P: 'static>(call: Call<T, P>) -> Outcome<'static> {
    Box::pin(async move { Ok(vec![written(&call.into_future().await?).expect("an answer that can be written")]) })
}

pub(crate) fn events<T: StreamItem, P: 'static>(call: Call<EventStream<T>, P>) -> Outcome<'static> {
    Box::pin(async move {
        let mut stream = call.into_future().await?;
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            events.push(written(&event?).expect("an event that can be written"));
        }
        Ok(events)
    })
}

pub(crate) fn bytes<P: 'static>(call: Call<Download, P>) -> Outcome<'static> {
    Box::pin(async move {
        let bytes = call.into_future().await?.collect().await?;
        Ok(vec![Json::from(String::from_utf8_lossy(&bytes).into_owned())])
    })
}

pub(crate) fn nothing<P: 'static>(call: Call<(), P>) -> Outcome<'static> {
    Box::pin(async move { call.into_future().await.map(|()| Vec::new()) })
}
