//! The text of answers: in pieces, and as values of the program.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::core::{EventStream, StreamItem};

/// The text of a streamed answer, piece by piece.
///
/// Made by `text_deltas()` of an [`EventStream`]. It ends when the stream does, and gives the errors of the stream.
/// Everything that is no text (reasoning, tool calls, usage) is passed over; to have that too, read the events and feed an
/// accumulator.
///
/// ```no_run
/// # use openrouter_kit::{Error, core::StreamItem, extensions::TextDeltas};
/// # async fn print<T: StreamItem>(mut texts: TextDeltas<T>) -> Result<(), Error> {
/// while let Some(text) = texts.next().await {
///     print!("{}", text?);
/// }
/// # Ok(())
/// # }
/// ```
pub struct TextDeltas<T> {
    events: EventStream<T>,
    text: fn(T) -> Option<String>,
}

impl<T: StreamItem> TextDeltas<T> {
    #[allow(dead_code, reason = "each namespace with streamed text uses it")]
    pub(super) const fn new(events: EventStream<T>, text: fn(T) -> Option<String>) -> Self {
        Self { events, text }
    }

    /// The next piece, which is never empty; `None` at the end of the stream. It is cancel safe, like
    /// [`EventStream::next`].
    #[inline]
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T: StreamItem> Stream for TextDeltas<T> {
    type Item = Result<String, Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.events).poll_next(cx)) {
                Some(Ok(event)) => match (self.text)(event) {
                    Some(text) if !text.is_empty() => return Poll::Ready(Some(Ok(text))),
                    _ => {}
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T> fmt::Debug for TextDeltas<T> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextDeltas").field("events", &self.events).finish_non_exhaustive()
    }
}

/// A text of the model that is not the value that was wanted.
///
/// The text is in [`text`](Self::text); what was wrong with it is the [`source`](std::error::Error::source).
#[derive(Debug)]
pub struct ParseError {
    what: String,
    text: String,
    source: serde_json::Error,
}

impl ParseError {
    /// What the model wrote, whole.
    #[inline]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ParseError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        let shown: String = self.text.chars().take(SHOWN).collect();
        let more = if shown.len() < self.text.len() { " ..." } else { "" };
        match shown.is_empty() {
            true => write!(f, "{} is empty where a value was wanted", self.what),
            false => write!(f, "{} does not fit the type that was wanted: {shown}{more}", self.what),
        }
    }
}

impl std::error::Error for ParseError {
    #[inline]
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Reads what the model wrote as a value; `what` names it in the error.
#[allow(dead_code, reason = "each namespace with answers of text uses it")]
#[inline]
pub(super) fn parse<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T, ParseError> {
    serde_json::from_str(text).map_err(|source| ParseError { what: what(), text: text.to_owned(), source })
}

/// Reads the arguments of a call. A model may leave them empty for a tool without parameters, which counts as `{}`.
#[allow(dead_code, reason = "each namespace with tool calls uses it")]
#[inline]
pub(super) fn parse_arguments<T: DeserializeOwned>(arguments: &str, tool: &str) -> Result<T, ParseError> {
    let text = if arguments.trim_ascii().is_empty() { "{}" } else { arguments };
    parse(text, || format!("what the model passed to the tool `{tool}`"))
}
