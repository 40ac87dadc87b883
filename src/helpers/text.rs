//! The text of answers: in pieces, and as values of the program.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::core::wire::Json;
use crate::core::{EventStream, StreamItem, hidden};
use crate::errors::{Chain, LONGEST_WORD, OneLine};

/// Replaces half of a surrogate pair in a text.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The text of a streamed answer, piece by piece.
///
/// Made by `text_deltas()` of an [`EventStream`]. It ends when the stream does, and gives the errors of the stream.
/// Everything that is no text (reasoning, tool calls, usage) is passed over; to have that too, read the events and feed an
/// accumulator.
///
/// ```no_run
/// # use openrouter_kit::{Error, core::StreamItem, helpers::TextDeltas};
/// # async fn print<T: StreamItem>(mut texts: TextDeltas<T>) -> Result<(), Error> {
/// while let Some(text) = texts.next().await {
///     print!("{}", text?);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a stream closes its connection"]
pub struct TextDeltas<T> {
    events: EventStream<T>,
    text: TextOf<T>,
    /// The source of the first text: deltas, or something with the whole text. Other sources repeat it.
    source: Option<u8>,
    /// U+FFFD for half of a surrogate pair that waits for the other half.
    held: String,
    half: Half,
}

/// The text of an event, and the original JSON string if the text only approximates it.
pub(super) type TextOf<T> = fn(T, &mut Option<u8>) -> Option<(String, Option<Json>)>;

/// The text of one of several equivalent sources, if it is the one that had text first.
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

    /// The text that a piece completes; a character split in two is returned only once its second half has arrived.
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

/// The first half of a character split in two, at the end of a text that arrives in pieces. The text has U+FFFD instead
/// until the second half arrives.
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

    /// Appends a piece to the text. `exact` is the original JSON string, if the piece only approximates it.
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
            // A backslash after another one does not start an escape.
            let is_escape = before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0;
            code_unit(last).filter(|unit| is_escape && (0xD800..0xDC00).contains(unit))
        });
    }
}

/// The UTF-16 code unit of an escape of the form `\uXXXX`.
fn code_unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
}

/// A text of the model that is not the value that was wanted.
///
/// The message names the location that does not fit and shows the start of the text. The whole text is in
/// [`text`](Self::text); the reason is the [`source`](std::error::Error::source).
pub struct ParseError {
    what: String,
    text: String,
    /// Excludes the name of a missing field.
    path: String,
    source: serde_json::Error,
}

impl ParseError {
    /// What the model wrote, whole.
    #[inline]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in the JSON the text does not fit, as in `steps[0].title`; empty for the whole text. For a missing field,
    /// this is where it was expected.
    #[inline]
    pub fn path(&self) -> String {
        let mut path = self.path.clone();
        if let Some(field) = self.missing_field() {
            let dot = if path.is_empty() { "" } else { "." };
            path = format!("{path}{dot}{field}");
        }
        path
    }

    /// The field that the type requires but the text lacks.
    #[inline]
    fn missing_field(&self) -> Option<String> {
        let message = self.source.to_string();
        Some(message.strip_prefix("missing field `")?.split_once('`')?.0.to_owned())
    }
}

impl fmt::Display for ParseError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine::new(&hidden::text(&self.what), LONGEST_WORD, "").fmt(f)?;
        if self.text.trim().is_empty() {
            return f.write_str(" is empty; expected JSON");
        }
        f.write_str(match self.source.classify() {
            serde_json::error::Category::Eof => " ends before its JSON is complete",
            serde_json::error::Category::Syntax => " is not JSON",
            _ if self.missing_field().is_some() => " lacks a field",
            _ => " does not fit the requested type",
        })?;
        let path = self.path();
        if !path.is_empty() {
            write!(f, ", at `{}`", OneLine::new(&hidden::text(&path), LONGEST_WORD, "path()"))?;
        }
        write!(f, "; it starts: {}", OneLine::new(&hidden::text(&self.text), 2 * LONGEST_WORD, "text()"))
    }
}

impl fmt::Debug for ParseError {
    /// The message and its cause, on one line.
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Chain(self), f)
    }
}

/// The path of the value at a position in a JSON text, given as line from 1 and byte in the line.
#[inline]
fn path_at(text: &str, line: usize, column: usize) -> String {
    let lines: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let before = text.as_bytes().get(..lines + column).unwrap_or(text.as_bytes());
    // A bracket itself belongs to the value around it. A missing field is reported at the end of its object.
    let (before, closed) = match before {
        [before @ .., b'{' | b'['] => (before, false),
        [before @ .., b'}' | b']'] => (before, true),
        _ => (before, false),
    };
    /// The open brackets, with the member or element being read in each.
    enum Open<'a> {
        Object(&'a str),
        Array(usize),
    }
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at = 0;
    let mut string = "";
    while let Some(byte) = before.get(at) {
        let start = at + 1;
        at = start;
        match byte {
            b'"' => {
                while let Some(byte) = before.get(at).filter(|byte| **byte != b'"') {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
                string = text.get(start..at).unwrap_or_default();
                at += 1;
            }
            b':' => {
                if let Some(Open::Object(name)) = open.last_mut() {
                    *name = string;
                }
            }
            b',' => {
                if let Some(Open::Array(index)) = open.last_mut() {
                    *index += 1;
                }
            }
            b'{' => open.push(Open::Object("")),
            b'[' => open.push(Open::Array(0)),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
    }
    if closed {
        open.pop();
    }
    let mut path = String::new();
    for step in open {
        match step {
            Open::Object("") => {}
            Open::Object(name) if path.is_empty() => path.push_str(name),
            Open::Object(name) => path.extend([".", name]),
            Open::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

impl std::error::Error for ParseError {
    #[inline]
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Parses model output as a value; `what` names it in the error. A code fence around the whole text is removed.
#[allow(dead_code, reason = "each namespace with answers of text uses it")]
#[inline]
pub(super) fn parse<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T, ParseError> {
    let read =
        |text| serde_json::from_str(text).map_err(|source| (path_at(text, source.line(), source.column()), source));
    // The fenced content is what the model meant, and what errors refer to.
    let outcome = read(text).or_else(|error| in_fence(text).map_or(Err(error), read));
    outcome.map_err(|(path, source)| ParseError { what: what(), text: text.to_owned(), path, source })
}

/// The content of a code fence around the whole text, without its language name.
#[allow(dead_code, reason = "each namespace with answers of text uses it")]
fn in_fence(text: &str) -> Option<&str> {
    let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    let fence = ["```", "~~~"].into_iter().find(|fence| text.starts_with(fence))?;
    let marks = |letter| fence.starts_with(letter);
    let inner = text.trim_start_matches(marks).strip_suffix(fence)?.trim_end_matches(marks);
    Some(inner.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "+-_.".contains(letter)))
}

/// Parses the arguments of a call. A model may leave them empty for a tool without parameters, which counts as `{}`;
/// some servers send an empty list.
#[allow(dead_code, reason = "each namespace with tool calls uses it")]
#[inline]
pub(super) fn parse_arguments<T: DeserializeOwned>(arguments: &str, tool: &str) -> Result<T, ParseError> {
    let text = if matches!(arguments.trim_ascii(), "" | "[]") { "{}" } else { arguments };
    parse(text, || format!("what the model passed to the tool `{tool}`"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "reading is what is tested")]
    struct Plan {
        title: String,
        steps: Vec<Step>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "reading is what is tested")]
    struct Step {
        name: String,
        minutes: u32,
    }

    #[test]
    fn the_place_that_does_not_fit_is_named() {
        for (text, path, message) in [
            (r#"{"steps": []}"#, "title", "lacks a field, at `title`"),
            (
                r#"{"title": "a", "steps": [{"name": "b", "minutes": 1}, {"minutes": 2}]}"#,
                "steps[1].name",
                "lacks a field, at `steps[1].name`",
            ),
            (
                "{\n  \"title\": \"a \\\" b\",\n  \"steps\": [\n    {\"name\": \"b\", \"minutes\": \"3\"}\n  ]\n}",
                "steps[0].minutes",
                "does not fit the requested type, at `steps[0].minutes`",
            ),
            (r#"{"title": "a", "steps": {}}"#, "steps", "does not fit the requested type, at `steps`"),
            (r#"{"title": ["#, "title", "at `title`"),
            (r#"{"title": "a", "steps": [{"name": "b", "#, "steps[0].name", "ends before its JSON is complete"),
            ("I cannot do that.", "", "is not JSON; it starts: I cannot do that."),
            ("[]", "", "the answer"),
            ("", "", "the answer is empty"),
            ("{\"a\\\"b\": {\"c\": x", "a\\\"b.c", "is not JSON"),
        ] {
            let error = parse::<Plan>(text, || "the answer".to_owned()).unwrap_err();
            assert_eq!(error.path(), path, "{text}: {error:?}");
            assert!(error.to_string().contains(message), "{error}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }

    #[test]
    fn what_the_model_wrote_is_shown_on_one_bounded_line() {
        let text = format!("no\u{1b}[31m\n{}", "x".repeat(10_000));
        let error = parse::<Plan>(&text, || "the answer".to_owned()).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(shown.len() < 600 && !shown.contains(['\u{1b}', '\n']) && shown.contains("`text()`"), "{shown}");
        }
    }
}
