//! The text of answers: in pieces, and as values of the program.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::core::wire::Json;
use crate::core::{EventStream, StreamItem};

/// What stands in a text for half of a character.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

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
    text: TextOf<T>,
    /// What gave the first text: deltas, or something that has the text whole. What else gives text repeats it.
    source: Option<u8>,
    /// U+FFFD for the half of a character that waits for the other half.
    held: String,
    half: Half,
}

/// The text of an event, and the JSON string that came if the text is only what comes nearest to it.
pub(super) type TextOf<T> = fn(T, &mut Option<u8>) -> Option<(String, Option<Json>)>;

/// The text of one of several sources that say the same, if it is the one that says something first.
#[allow(dead_code, reason = "each namespace with streamed text uses it")]
#[inline]
pub(super) fn tell(source: &mut Option<u8>, own: u8, text: String) -> Option<String> {
    if text.is_empty() || source.is_some_and(|source| source != own) {
        return None;
    }
    *source = Some(own);
    Some(text)
}

impl<T: StreamItem> TextDeltas<T> {
    #[allow(dead_code, reason = "each namespace with streamed text uses it")]
    pub(super) const fn new(events: EventStream<T>, text: TextOf<T>) -> Self {
        Self { events, text, source: None, held: String::new(), half: Half::none() }
    }

    /// The text that a piece makes whole; of a character that is cut in two nothing is given before its second half came.
    fn whole(&mut self, text: String, exact: Option<&Json>) -> String {
        if exact.is_none() && self.held.is_empty() {
            return text;
        }
        let mut whole = std::mem::take(&mut self.held);
        self.half.push(&mut whole, &text, exact);
        if self.half.is_open() {
            self.held.extend(whole.pop());
        }
        whole
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
                Some(Ok(event)) => {
                    let text = self.text;
                    if let Some((text, exact)) = text(event, &mut self.source) {
                        let text = self.whole(text, exact.as_ref());
                        if !text.is_empty() {
                            return Poll::Ready(Some(Ok(text)));
                        }
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.held.is_empty() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Ok(std::mem::take(&mut self.held)))),
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

/// The first half of a character that was cut in two, at the end of a text that comes in pieces. In the text U+FFFD stands
/// for it until the second half comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Half(Option<u16>);

#[allow(dead_code, reason = "each namespace with streamed text uses it")]
impl Half {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    const fn is_open(self) -> bool {
        self.0.is_some()
    }

    /// Appends a piece to the text. `exact` is the JSON string that came, if the piece is only what comes nearest to it.
    #[inline]
    pub(super) fn push(&mut self, text: &mut String, piece: &str, exact: Option<&Json>) {
        match exact {
            None if piece.is_empty() => {}
            None => {
                self.0 = None;
                text.push_str(piece);
            }
            Some(exact) => self.push_halves(text, piece, exact.as_text()),
        }
    }

    #[cold]
    fn push_halves(&mut self, text: &mut String, piece: &str, exact: &str) {
        let first = exact.get(1..7).and_then(code_unit);
        let pair = self.0.zip(first).and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
        let rest = match pair {
            Some(whole) if text.ends_with(REPLACEMENT) => {
                text.pop();
                text.push(whole);
                piece.strip_prefix(REPLACEMENT).unwrap_or(piece)
            }
            _ => piece,
        };
        text.push_str(rest);
        self.0 = exact.strip_suffix('"').and_then(|exact| {
            let (before, last) = exact.split_at_checked(exact.len().checked_sub(6)?)?;
            // A backslash behind another one begins no escape.
            let is_escape = before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0;
            code_unit(last).filter(|unit| is_escape && (0xD800..0xDC00).contains(unit))
        });
    }
}

/// The UTF-16 code unit that an escape of the form `\uXXXX` stands for.
fn code_unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
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

/// Reads what the model wrote as a value; `what` names it in the error. A code fence around the whole text is left out.
#[allow(dead_code, reason = "each namespace with answers of text uses it")]
#[inline]
pub(super) fn parse<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T, ParseError> {
    serde_json::from_str(text).or_else(|source| {
        let fenced = in_fence(text).and_then(|inner| serde_json::from_str(inner).ok());
        fenced.ok_or_else(|| ParseError { what: what(), text: text.to_owned(), source })
    })
}

/// What stands in the code fence that is the whole text, without the word that names its language.
#[allow(dead_code, reason = "each namespace with answers of text uses it")]
fn in_fence(text: &str) -> Option<&str> {
    let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    let fence = ["```", "~~~"].into_iter().find(|fence| text.starts_with(fence))?;
    let marks = |letter| fence.starts_with(letter);
    let inner = text.trim_start_matches(marks).strip_suffix(fence)?.trim_end_matches(marks);
    Some(inner.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "+-_.".contains(letter)))
}

/// Reads the arguments of a call. A model may leave them empty for a tool without parameters, which counts as `{}`; some
/// servers have an empty list then.
#[allow(dead_code, reason = "each namespace with tool calls uses it")]
#[inline]
pub(super) fn parse_arguments<T: DeserializeOwned>(arguments: &str, tool: &str) -> Result<T, ParseError> {
    let text = if matches!(arguments.trim_ascii(), "" | "[]") { "{}" } else { arguments };
    parse(text, || format!("what the model passed to the tool `{tool}`"))
}
