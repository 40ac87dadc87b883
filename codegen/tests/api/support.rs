//! How the registry hands values over and takes answers back.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use openrouter_kit::core::wire::{Json, Root, Wire, decode, decode_event, encode, untyped};
use openrouter_kit::core::{Download, Page, StreamItem};
use openrouter_kit::{Call, Error, EventStream, OpenRouter};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A type of the crate.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    /// The name in Rust.
    pub(crate) name: &'static str,
    /// Reads a JSON text as the type, as the client does it, and writes it again; with the `Debug` form if that is wanted.
    pub(crate) look: fn(&str, bool) -> Result<Seen, String>,
    /// The members of an object, each with how it may be absent or with its constant value.
    pub(crate) members: fn() -> Vec<(&'static str, String)>,
}

/// A value that was read.
pub(crate) struct Seen {
    pub(crate) written: Json,
    /// The `Debug` form.
    pub(crate) shown: String,
    /// The parts that no type describes.
    pub(crate) untyped: Vec<String>,
    /// The members that do not fit their fields.
    pub(crate) mismatches: usize,
}

impl Known {
    pub(crate) const fn of<T: Wire>(name: &'static str) -> Self {
        Self { name, look: look::<T>, members: T::members }
    }
}

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

fn look<T: Wire>(json: &str, show: bool) -> Result<Seen, String> {
    let value: T = decode_event(json).map_err(|error| error.to_string())?;
    Ok(Seen {
        written: written(&value)?,
        shown: if show { format!("{value:?}") } else { String::new() },
        untyped: untyped(&value).into_iter().map(|part| format!("{} ({:?})", part.path, part.kind)).collect(),
        mismatches: value.extra().map_or(0, |extra| extra.mismatches().count()),
    })
}

pub(crate) fn written<T: Wire>(value: &T) -> Result<Json, String> {
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

/// The members of an object, from which a value of a type is built.
pub(crate) struct Members<'a>(pub(crate) &'a Map<String, Value>);

impl Members<'_> {
    /// The member of this name as the type of its field.
    pub(crate) fn get<T: Wire>(&self, name: &str) -> T {
        let value = self.0.get(name).unwrap_or_else(|| panic!("the document has no `{name}`"));
        decode(&value.to_string()).unwrap_or_else(|error| panic!("`{name}`: {error}"))
    }
}

/// A type that is built: with what it requires, with all that it may have, and from a JSON value.
pub(crate) type Build = fn(&Members<'_>) -> [Json; 3];

/// A value with all that may be set, and one from JSON, by the side of one with what is required.
pub(crate) fn built<T: Wire + From<Value>>(members: &Members<'_>, least: T, set: impl FnOnce(T) -> T) -> [Json; 3] {
    let from_value = T::from(Value::Object(members.0.clone()));
    [written(&least), written(&set(least)), written(&from_value)].map(Result::unwrap)
}

/// Makes a value of nothing.
pub(crate) type Make = fn() -> Value;

/// A way from JSON to JSON through a conversion or a method.
pub(crate) type Convert = fn(&str) -> Value;

pub(crate) fn value_of<T: Wire>(value: &T) -> Value {
    written(value).unwrap().to_value()
}

/// Reads a branch and makes the union of it.
pub(crate) fn converted<S: Wire, U: Wire + From<S>>(json: &str) -> Value {
    value_of(&U::from(decode::<S>(json).unwrap()))
}

/// Reads a list of one element and makes the union of an array with it.
pub(crate) fn of_array<S: Wire, U: Wire + From<[S; 1]>>(json: &str) -> Value {
    value_of(&U::from([decode::<Vec<S>>(json).unwrap().remove(0)]))
}

/// Reads a list of one element and makes the union of the element.
pub(crate) fn of_element<S: Wire, U: Wire + From<S>>(json: &str) -> Value {
    value_of(&U::from(decode::<Vec<S>>(json).unwrap().remove(0)))
}

/// Makes a value of a text.
pub(crate) fn of_text<U: Wire + for<'a> From<&'a str>>(text: &str) -> Value {
    value_of(&U::from(text))
}

/// What a method of a union returns.
pub(crate) fn read<U: Wire>(json: &str, method: impl FnOnce(&U) -> Value) -> Value {
    method(&decode(json).unwrap())
}

pub(crate) fn to_value(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// A union with a mark.
pub(crate) fn marked<U: Wire, M: Wire>(json: &str, method: impl FnOnce(U, M) -> U) -> Value {
    value_of(&method(decode(json).unwrap(), decode(MARK).unwrap()))
}

/// A mark of prompt caching.
pub(crate) const MARK: &str = r#"{"type": "ephemeral"}"#;

/// What a list says about its page.
pub(crate) fn page<T: Page<Item: Wire>>(json: &str) -> Value {
    let page: T = decode(json).unwrap();
    let mut seen = json!({"length": page.length(), "cursor": page.cursor(), "has_more": page.has_more()});
    seen["items"] = page.into_items().iter().map(value_of).collect();
    seen
}
