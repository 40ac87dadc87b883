//! Reads recordings of the SDK (feature `devtools`) for the viewer, the terminal commands and the exports.
//!
//! The files may come from anywhere. Nothing in them is trusted, and a line may have any length and any content.

pub(crate) mod detail;
pub(crate) mod export;
pub(crate) mod filter;
pub(crate) mod index;
mod json;
mod lines;
pub(crate) mod messages;
pub(crate) mod server;
pub(crate) mod time;
pub(crate) mod totals;

/// Cuts a text to at most `limit` bytes, between letters, and returns whether anything was lost.
fn cut(text: &mut String, limit: usize) -> bool {
    let is_longer = text.len() > limit;
    if is_longer {
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
    }
    is_longer
}
