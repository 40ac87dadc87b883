//! What the generator cannot know: how streams end, how answers report errors, and the comfort over models that users of an
//! SDK expect. Everything here is written by hand, on top of the generated types.

#[cfg(feature = "chat")]
mod chat;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "images")]
mod images;
#[cfg(feature = "messages")]
mod messages;
#[cfg(feature = "responses")]
mod responses;

use crate::models::Extra;

/// Whether the members beyond the typed ones hold an error, as those of an error body do.
#[allow(dead_code, reason = "each namespace with streams uses it")]
fn holds_error(extra: &Extra) -> bool {
    extra.get("error").is_some_and(|error| !error.is_null())
}
