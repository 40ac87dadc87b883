//! What the generator cannot know: how streams end, how responses report errors, and the
//! convenience methods that users of an SDK expect. Everything here is handwritten, on top of the
//! generated types.
//!
//! Functions are `#[inline]` although some are long: only then is their code, and that of the types
//! they handle, compiled into just the programs that use them, and not with the crate for all.

#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, unused_imports, unused_macros, reason = "not every namespace needs all of it")
)]

#[cfg(feature = "batch")]
mod batch;
#[cfg(feature = "chat")]
mod chat;
#[cfg(feature = "chat")]
mod chat_stream;
#[cfg(feature = "containers")]
mod containers;
#[cfg(feature = "embeddings")]
mod embeddings;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "chat")]
mod gather;
#[cfg(any(
    all(feature = "chat", feature = "messages"),
    all(feature = "chat", feature = "responses"),
    all(feature = "messages", feature = "responses")
))]
pub mod history;
#[cfg(feature = "images")]
mod images;
#[cfg(any(feature = "chat", feature = "images", feature = "messages", feature = "responses"))]
#[allow(dead_code, reason = "the namespace `images` alone sends no files")]
mod media;
#[cfg(feature = "messages")]
mod messages;
#[cfg(feature = "messages")]
mod messages_stream;
#[cfg(any(feature = "endpoints", feature = "models"))]
mod model_id;
mod partial_json;
#[cfg(any(feature = "embeddings", feature = "endpoints", feature = "models"))]
mod pricing;
#[cfg(feature = "responses")]
mod responses;
#[cfg(feature = "responses")]
mod responses_stream;
#[cfg(any(
    feature = "agent",
    all(feature = "schemars", any(feature = "chat", feature = "messages", feature = "responses"))
))]
pub(crate) mod strict;
#[cfg(all(feature = "schemars", any(feature = "chat", feature = "messages", feature = "responses")))]
mod structured;
mod text;
#[cfg(any(feature = "batch", feature = "scim", feature = "video-generation"))]
mod wait;

#[cfg(feature = "batch")]
pub use batch::BatchResponse;
#[cfg(feature = "chat")]
pub use chat_stream::ChatAccumulator;
#[cfg(feature = "messages")]
pub use messages_stream::MessagesAccumulator;
#[cfg(any(feature = "endpoints", feature = "models"))]
pub use model_id::{ModelId, ParseModelIdError};
pub use partial_json::PartialJson;
#[cfg(feature = "responses")]
pub use responses_stream::ResponsesAccumulator;
pub use text::{JsonStream, ParseError, TextEvent, TextStream};
#[cfg(feature = "agent")]
pub(crate) use text::{parse, parse_arguments};
#[cfg(any(feature = "batch", feature = "scim", feature = "video-generation"))]
pub use wait::{Job, JobWait};

pub use crate::core::usd::{ParseUsdError, Usd};
#[cfg(any(feature = "embeddings", feature = "endpoints", feature = "models"))]
pub use pricing::{Consumption, ModelNeeds, PriceError};

#[cfg(any(feature = "chat", feature = "images", feature = "messages", feature = "responses"))]
use std::collections::BTreeMap;

#[cfg(any(feature = "chat", feature = "images", feature = "messages", feature = "responses"))]
use crate::core::wire::Json;
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
use crate::core::wire::Wire;
#[cfg(any(feature = "messages", feature = "responses"))]
use crate::core::wire::Writer;
use crate::models::Extra;

#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
impl crate::models::CacheControl {
    /// Returns the mark for the cache that is kept for five minutes; `ttl("1h")` keeps it for an
    /// hour.
    #[inline]
    pub fn ephemeral() -> Self {
        Self::new()
    }
}

/// Returns whether the untyped fields contain an error, as those of an error body do.
#[inline]
fn holds_error(extra: &Extra) -> bool {
    extra.reports_error()
}

#[inline]
fn holds(extra: &Extra, name: &str) -> bool {
    extra.get(name).is_some_and(|value| !value.is_null())
}

/// Converts a value to another type of the API by its JSON, for values that are received as one
/// type and sent back as another.
///
/// The conversion is lossless: every union keeps whole what matches none of its types. Only a
/// number that is not finite, which is never received, becomes null.
#[cfg(any(feature = "messages", feature = "responses"))]
#[inline]
fn retyped<T: Wire, U: Wire + From<crate::models::Unrecognized>>(value: &T) -> U {
    let mut writer = Writer::new();
    value.write(&mut writer);
    let json = writer.finish_with_nulls();
    crate::core::wire::decode(&json).unwrap_or_else(|_| U::from(Json::checked(&json).into()))
}

/// Reads the JSON of a value as another type, which keeps whatever does not match.
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
#[inline]
fn read_as<T: Wire, U: Wire>(value: &T) -> Option<U> {
    let text = String::from_utf8(crate::core::wire::encode(value).ok()?).ok()?;
    crate::core::wire::decode_event(&text).ok()
}

/// Returns the fields of an object; none if it is not one.
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
#[inline]
fn members_of<T: Wire>(value: &T) -> BTreeMap<String, Json> {
    read_as(value).unwrap_or_default()
}

/// Takes over a newer value, unless it is empty; a missing value takes an empty one too.
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
#[inline]
fn update<T: Wire>(known: &mut T, newer: &T) {
    if !newer.is_missing() && (!newer.is_blank() || known.is_missing()) && known != newer {
        known.clone_from(newer);
    }
}

/// Overwrites the known fields with those of `newer`. Null and empty values replace nothing.
#[cfg(any(feature = "messages", feature = "responses"))]
#[inline]
fn overlay(known: &mut BTreeMap<String, Json>, newer: BTreeMap<String, Json>) {
    for (name, value) in newer {
        if !value.is_blank() || !known.contains_key(&name) {
            known.insert(name, value);
        }
    }
}

/// Returns the objects of a list, by their fields.
#[cfg(any(feature = "chat", feature = "images"))]
fn objects(list: &Json) -> Vec<BTreeMap<String, Json>> {
    let elements: Vec<Json> = crate::core::wire::decode(list.as_text()).unwrap_or_default();
    elements.iter().filter_map(|element| crate::core::wire::decode(element.as_text()).ok()).collect()
}

/// Reads the data of the events of a stream; `None` if the stream is not complete.
fn whole_stream<T: crate::core::StreamItem>(events: &[&str]) -> Option<Vec<T>> {
    let mut is_complete = false;
    let mut items = Vec::new();
    for data in events.iter().map(|data| data.trim_ascii()).filter(|data| !data.is_empty() && !data.starts_with(':')) {
        if data == "[DONE]" {
            is_complete = true;
            break;
        }
        let item: T = crate::core::wire::decode_event(data).ok()?;
        is_complete |= item.is_terminal();
        items.push(item);
    }
    is_complete.then_some(items)
}
