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
#[cfg(feature = "oauth")]
pub(crate) mod oauth;
#[cfg(feature = "responses")]
mod responses;
#[cfg(feature = "responses")]
mod responses_stream;
#[cfg(all(feature = "schemars", any(feature = "chat", feature = "messages", feature = "responses")))]
mod structured;
mod text;
#[cfg(feature = "video-generation")]
pub(crate) mod video_generation;

#[cfg(feature = "chat")]
pub use chat_stream::ChatAccumulator;
#[cfg(feature = "messages")]
pub use messages_stream::MessagesAccumulator;
#[cfg(feature = "responses")]
pub use responses_stream::ResponsesAccumulator;
pub use text::{ParseError, TextDeltas};

#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
use crate::core::wire::Wire;
#[cfg(any(feature = "messages", feature = "responses"))]
use crate::core::wire::{Json, Writer};
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
    let mut writer = Writer::new();
    value.write(&mut writer);
    let json = writer.finish_with_nulls();
    crate::core::wire::decode(&json).unwrap_or_else(|_| U::from(Json::checked(&json).into()))
}

/// Takes over a value that says something: one that is not missing.
#[cfg(any(feature = "chat", feature = "messages"))]
#[inline]
fn said<T: Wire>(known: &mut T, value: &T) {
    if !value.is_missing() && known != value {
        known.clone_from(value);
    }
}
