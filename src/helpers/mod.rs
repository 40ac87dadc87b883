//! What the generator cannot know: how streams end, how answers report errors, and the comfort over models that users of an
//! SDK expect. Everything here is written by hand, on top of the generated types.
//!
//! Functions are `#[inline]` although some are long: only then is their code, and that of the types they handle, made for
//! the programs that use them alone, and not with the crate for all.

#[cfg(feature = "chat")]
mod chat;
#[cfg(feature = "chat")]
mod chat_stream;
#[cfg(feature = "embeddings")]
mod embeddings;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "chat")]
mod gather;
#[cfg(feature = "images")]
mod images;
#[cfg(feature = "messages")]
mod messages;
#[cfg(feature = "messages")]
mod messages_stream;
#[cfg(feature = "responses")]
mod responses;
#[cfg(feature = "responses")]
mod responses_stream;
#[cfg(all(feature = "schemars", any(feature = "chat", feature = "messages", feature = "responses")))]
mod structured;
mod text;
#[cfg(feature = "video-generation")]
mod video_generation;

#[cfg(feature = "chat")]
pub use chat_stream::ChatAccumulator;
#[cfg(feature = "messages")]
pub use messages_stream::MessagesAccumulator;
#[cfg(feature = "responses")]
pub use responses_stream::ResponsesAccumulator;
pub use text::{ParseError, TextDeltas};
#[cfg(feature = "video-generation")]
pub use video_generation::VideoWait;

#[cfg(any(feature = "chat", feature = "images", feature = "messages", feature = "responses"))]
use std::collections::BTreeMap;

#[cfg(any(feature = "chat", feature = "images", feature = "messages", feature = "responses"))]
use crate::core::wire::Json;
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
use crate::core::wire::Wire;
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
use crate::core::wire::Writer;
use crate::models::Extra;

/// Whether the members beyond the typed ones hold an error, as those of an error body do.
#[allow(dead_code, reason = "each namespace with streams uses it")]
#[inline]
fn holds_error(extra: &Extra) -> bool {
    extra.reports_error()
}

#[allow(dead_code, reason = "each namespace with streams uses it")]
#[inline]
fn holds(extra: &Extra, name: &str) -> bool {
    extra.get(name).is_some_and(|value| !value.is_null())
}

/// The same JSON as another type of the API, for what arrives as one type and is sent back as another.
///
/// Nothing is lost: every union keeps whole what fits none of its types. Only a number that is not finite, which never
/// arrives, becomes null.
#[cfg(any(feature = "messages", feature = "responses"))]
#[inline]
fn retyped<T: Wire, U: Wire + From<crate::models::Unrecognized>>(value: &T) -> U {
    let json = written(value);
    crate::core::wire::decode(&json).unwrap_or_else(|_| U::from(Json::checked(&json).into()))
}

/// Takes a value that is not missing, null or empty. An empty one is better than none.
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
#[inline]
fn said<T: Wire>(known: &mut T, value: &T) {
    if known != value {
        let json = written(value);
        if json != T::EMPTY && (!is_empty(&json) || *known == T::missing()) {
            known.clone_from(value);
        }
    }
}

/// The JSON of a value; empty if it is absent.
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
#[inline]
fn written<T: Wire>(value: &T) -> String {
    let mut writer = Writer::new();
    value.write(&mut writer);
    writer.finish_with_nulls()
}

/// Overwrites the known members with those of `newer`. Null and empty values replace nothing.
#[cfg(any(feature = "messages", feature = "responses"))]
#[inline]
fn overlay(known: &mut BTreeMap<String, Json>, newer: BTreeMap<String, Json>) {
    for (name, value) in newer {
        if !is_empty(value.as_text()) || !known.contains_key(&name) {
            known.insert(name, value);
        }
    }
}

/// Whether a JSON text is empty.
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
fn is_empty(json: &str) -> bool {
    matches!(json, "" | "null" | "\"\"" | "[]" | "{}")
}

/// The objects of a list, by their members.
#[cfg(any(feature = "chat", feature = "images"))]
fn objects(list: &Json) -> Vec<BTreeMap<String, Json>> {
    let elements: Vec<Json> = crate::core::wire::decode(list.as_text()).unwrap_or_default();
    elements.iter().filter_map(|element| crate::core::wire::decode(element.as_text()).ok()).collect()
}

/// Reads the data of the events of a stream; `None` if the stream is not complete.
#[allow(dead_code, reason = "each namespace with streams uses it")]
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
