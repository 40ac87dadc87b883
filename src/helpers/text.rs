//! The text of responses: in pieces, and deserialized.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::partial_json::PartialJson;
use crate::Error;
use crate::core::wire::Json;
use crate::core::{EventStream, StreamItem, hidden};
use crate::errors::{Chain, LONGEST_WORD, OneLine};

/// Replaces half of a surrogate pair in a text.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// An event of a stream in which a model responds: of chat, Responses or Messages.
///
/// This trait is sealed: it cannot be implemented outside of this crate.
pub trait TextEvent: StreamItem + sealed::Sealed {
    /// The whole response, as it would be without streaming.
    type Output;

    #[doc(hidden)]
    type Accumulator: Clone + Default;

    #[doc(hidden)]
    fn accumulate(&self, accumulator: &mut Self::Accumulator);

    /// Returns the response; `None` if the events contained none.
    #[doc(hidden)]
    fn output(accumulator: Self::Accumulator) -> Option<Self::Output>;

    /// Returns the text of the event. `source` is the source of the first text: deltas, or
    /// something with the whole text. Other sources repeat it.
    #[doc(hidden)]
    fn text(&self, source: &mut Option<u8>) -> Option<Piece>;
}

/// A piece of text, and the original JSON string if the text only approximates it.
pub(super) type Piece = (String, Option<Json>);

type Polled<T> = Poll<Option<Result<T, Error>>>;

pub(super) mod sealed {
    /// Implemented for the events that have text.
    pub trait Sealed {}
}

impl<E: TextEvent> EventStream<E> {
    /// Converts the stream into one of text, which also keeps the whole response.
    #[inline]
    pub fn text_deltas(self) -> TextStream<E> {
        TextStream {
            events: self,
            accumulator: E::Accumulator::default(),
            has_failed: false,
            source: None,
            held: String::new(),
            half: Half::none(),
        }
    }

    /// Converts the stream into one of values, for a model that writes JSON: each is what has
    /// arrived so far.
    #[inline]
    pub fn json_values<T: DeserializeOwned>(self) -> JsonStream<E, T> {
        JsonStream {
            texts: self.text_deltas(),
            json: PartialJson::new(),
            length: 0,
            tried: 0,
            has_changed: false,
            value: PhantomData,
        }
    }

    /// Reads the stream to its end and returns the response as it would be without streaming.
    ///
    /// # Errors
    /// Returns the first error of the stream; [`Error::Connection`] if it ended cleanly but
    /// contained no response. To keep what had arrived by then, use
    /// [`text_deltas`](Self::text_deltas) or an accumulator.
    #[inline]
    pub async fn collect(self) -> Result<E::Output, Error> {
        let mut texts = self.text_deltas();
        texts.drain().await?;
        E::output(std::mem::take(&mut texts.accumulator)).ok_or_else(|| texts.events.incomplete(NO_RESPONSE))
    }
}

/// The text of a streamed response, piece by piece, and the whole response at its end.
///
/// [`next`](Self::next) returns the text, [`finish`](Self::finish) the response with usage, cost,
/// tool calls, reasoning and the message for the history. It is also a [`futures_core::Stream`].
///
/// ```no_run
/// # use openrouter_kit::models::ChatRequest;
/// # use openrouter_kit::{Error, OpenRouter};
/// # #[cfg(feature = "chat")]
/// # async fn run(client: &OpenRouter, mut request: ChatRequest) -> Result<(), Error> {
/// let mut texts = client.chat().stream(request.clone()).await?.text_deltas();
/// while let Some(text) = texts.next().await {
///     print!("{}", text?);
/// }
/// let result = texts.finish().await?;
/// println!("\n{:?} US dollars", result.cost());
/// request.messages.extend(result.to_message());
/// # Ok(())
/// # }
/// ```
///
/// **The text** is that of the first choice if there are several; reasoning, refusals and tool
/// calls are not part of it. To show those as they arrive, read the events with
/// [`next_event`](Self::next_event), with or without the text.
///
/// **Early ends and errors.** A program may stop reading at any time: [`snapshot`](Self::snapshot)
/// is the response as far as it has arrived, after an error too. Dropping the stream closes its
/// connection, so that many providers stop generating.
#[must_use = "dropping a stream closes its connection"]
pub struct TextStream<E: TextEvent> {
    events: EventStream<E>,
    accumulator: E::Accumulator,
    /// An error was returned.
    has_failed: bool,
    source: Option<u8>,
    /// U+FFFD for half of a surrogate pair that waits for the other half.
    held: String,
    half: Half,
}

/// Why a stream that ended cleanly is incomplete.
const NO_RESPONSE: &str = "the stream contained no response";

/// Returns the text of one of several equivalent sources, if it is the one that had text first.
#[inline]
pub(super) fn tell(source: &mut Option<u8>, own: u8, text: String) -> Option<String> {
    if text.is_empty() || source.is_some_and(|source| source != own) {
        return None;
    }
    *source = Some(own);
    Some(text)
}

// Nothing in it is pinned.
impl<E: TextEvent> Unpin for TextStream<E> {}

impl<E: TextEvent> TextStream<E> {
    /// Returns the next piece of text, which is never empty; `None` at the end of the stream. It is
    /// cancel safe, like [`EventStream::next`].
    #[inline]
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the next event, whose text [`next`](Self::next) then does not return; `None` at the
    /// end of the stream. It is cancel safe, like [`EventStream::next`].
    #[inline]
    pub async fn next_event(&mut self) -> Option<Result<E, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await.map(|event| Ok(event?.0))
    }

    /// Reads the rest of the stream and returns the whole response.
    ///
    /// # Errors
    /// Returns the next error of the stream; [`Error::Connection`] if the stream has already
    /// returned an error, or if it ended cleanly but contained no response.
    /// [`snapshot`](Self::snapshot) still has what arrived.
    #[inline]
    pub async fn finish(&mut self) -> Result<E::Output, Error> {
        self.drain().await?;
        self.snapshot().ok_or_else(|| self.events.incomplete(NO_RESPONSE))
    }

    /// Reads the rest of the stream.
    #[inline]
    async fn drain(&mut self) -> Result<(), Error> {
        if self.has_failed {
            return Err(self.events.incomplete("the stream returned an error before its end"));
        }
        while let Some(event) = self.next_event().await {
            event?;
        }
        Ok(())
    }

    /// Returns the response as far as it has arrived; `None` before any of it has.
    #[inline]
    pub fn snapshot(&self) -> Option<E::Output> {
        E::output(self.accumulator.clone())
    }

    /// Returns the stream of events that the text is read from, which has the status, the headers
    /// and the id of the generation.
    #[inline]
    pub const fn events(&self) -> &EventStream<E> {
        &self.events
    }

    /// Returns the next event, which is accumulated, and its text.
    #[inline]
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Polled<(E, Option<Piece>)> {
        Poll::Ready(ready!(Pin::new(&mut self.events).poll_next(cx)).map(|event| match event {
            Ok(event) => {
                event.accumulate(&mut self.accumulator);
                let text = event.text(&mut self.source);
                Ok((event, text))
            }
            Err(error) => {
                self.has_failed = true;
                Err(error)
            }
        }))
    }

    /// Returns the next event and the text that it adds, which is empty if it adds none.
    #[cfg(feature = "agent")]
    pub(crate) async fn next_event_and_text(&mut self) -> Option<Result<(E, String), Error>> {
        let (event, piece) = match poll_fn(|cx| self.poll_event(cx)).await? {
            Ok(both) => both,
            Err(error) => return Some(Err(error)),
        };
        let text = piece.map(|(text, exact)| self.whole(text, exact.as_ref())).unwrap_or_default();
        Some(Ok((event, text)))
    }

    /// Returns the whole response after the end of the stream, without copying it.
    #[cfg(feature = "agent")]
    pub(crate) fn into_output(mut self) -> Result<E::Output, Error> {
        E::output(std::mem::take(&mut self.accumulator)).ok_or_else(|| self.events.incomplete(NO_RESPONSE))
    }

    /// Returns the text that a piece completes; a character split in two is returned only once its
    /// second half has arrived.
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
}

impl<E: TextEvent> Stream for TextStream<E> {
    type Item = Result<String, Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.poll_event(cx)) {
                Some(Ok((_, Some((text, exact))))) => {
                    let text = self.whole(text, exact.as_ref());
                    if !text.is_empty() {
                        return Poll::Ready(Some(Ok(text)));
                    }
                }
                Some(Ok((_, None))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.held.is_empty() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Ok(std::mem::take(&mut self.held)))),
            }
        }
    }
}

impl<E: TextEvent> fmt::Debug for TextStream<E> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextStream").field("events", &self.events).finish_non_exhaustive()
    }
}

/// The value of JSON text that a model is writing, from [`EventStream::json_values`].
///
/// `T` is a type whose fields may be missing (`Option`, or `#[serde(default)]`), or
/// [`serde_json::Value`]. Each item is the value of what has arrived, as [`PartialJson`] describes
/// it; the last one is the whole value. The checked type is in the response:
///
/// ```no_run
/// # use openrouter_kit::models::ChatRequest;
/// # use openrouter_kit::OpenRouter;
/// #[derive(Debug, serde::Deserialize)]
/// struct Plan {
///     title: String,
///     steps: Vec<String>,
/// }
///
/// #[derive(Debug, Default, serde::Deserialize)]
/// #[serde(default)]
/// struct PartialPlan {
///     title: String,
///     steps: Vec<String>,
/// }
///
/// # #[cfg(feature = "chat")]
/// # async fn run(client: &OpenRouter, request: ChatRequest) -> Result<(), Box<dyn std::error::Error>> {
/// let mut values = client.chat().stream(request).await?.json_values::<PartialPlan>();
/// while let Some(plan) = values.next().await {
///     println!("{:?}", plan?);
/// }
/// let plan: Plan = values.finish().await?.parse()?;
/// # Ok(())
/// # }
/// ```
///
/// A value that does not match `T` yet, such as an enum whose name is incomplete, is left out. An
/// item is returned only when the value has changed, and once the text is more than 100 bytes long
/// only when it has grown by 1 %, so that the time for all items together is proportional to the
/// length of the text.
pub struct JsonStream<E: TextEvent, T> {
    texts: TextStream<E>,
    json: PartialJson,
    /// The length of the text, now and when the last item was made of it.
    length: usize,
    tried: usize,
    /// The value has changed since.
    has_changed: bool,
    value: PhantomData<fn() -> T>,
}

impl<E: TextEvent, T: DeserializeOwned> JsonStream<E, T> {
    /// Returns the next value; `None` at the end of the stream. It is cancel safe, like
    /// [`EventStream::next`].
    #[inline]
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Reads the rest of the stream and returns the whole response; see [`TextStream::finish`].
    ///
    /// # Errors
    /// Those of [`TextStream::finish`].
    #[inline]
    pub async fn finish(&mut self) -> Result<E::Output, Error> {
        self.texts.finish().await
    }

    /// Returns the response as far as it has arrived; `None` before any of it has.
    #[inline]
    pub fn snapshot(&self) -> Option<E::Output> {
        self.texts.snapshot()
    }

    /// Returns the value so far, if it is worth an item.
    #[inline]
    fn take_value(&mut self, is_end: bool) -> Option<T> {
        /// The part of the text by which it must grow for another item.
        const GROWTH: usize = 100;
        if !self.has_changed || !is_end && self.length - self.tried < self.tried / GROWTH {
            return None;
        }
        self.has_changed = false;
        self.tried = self.length;
        self.json.parse()
    }
}

impl<E: TextEvent, T: DeserializeOwned> Stream for JsonStream<E, T> {
    type Item = Result<T, Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let text = ready!(Pin::new(&mut self.texts).poll_next(cx)).transpose()?;
            if let Some(text) = &text {
                self.length += text.len();
                self.has_changed |= self.json.push(text);
            }
            let value = self.take_value(text.is_none());
            if value.is_some() || text.is_none() {
                return Poll::Ready(value.map(Ok));
            }
        }
    }
}

impl<E: TextEvent, T> fmt::Debug for JsonStream<E, T> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonStream").field("texts", &self.texts).finish_non_exhaustive()
    }
}

/// The first half of a character split in two, at the end of a text that arrives in pieces. The
/// text has U+FFFD instead until the second half arrives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Half(Option<u16>);

impl Half {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    const fn is_open(self) -> bool {
        self.0.is_some()
    }

    /// Appends a piece to the text. `exact` is the original JSON string, if the piece only
    /// approximates it.
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

/// Returns the UTF-16 code unit of an escape of the form `\uXXXX`.
fn code_unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
}

/// The error of model output that is not the requested value.
///
/// The message says what does not match and where, and shows the start of the text, so it can be
/// returned to the model as the result of its tool call. The whole text is in [`text`](Self::text).
///
/// ```
/// # #[cfg(feature = "chat")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::models::ChatResult;
///
/// let result: ChatResult = serde_json::from_str(
///     r#"{"id":"gen-1","object":"chat.completion","created":1,"model":"m","choices":[
///         {"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"[1, \"two\"]"}}]}"#,
/// )?;
/// let error = result.parse::<Vec<u8>>().unwrap_err();
/// assert_eq!((error.path().as_str(), error.text()), ("[1]", "[1, \"two\"]"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "chat"))]
/// # fn main() {}
/// ```
pub struct ParseError {
    what: String,
    text: String,
    /// Excludes the name of a missing field.
    path: String,
    source: serde_json::Error,
}

impl ParseError {
    /// Returns what the model wrote, whole.
    #[inline]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the path of the mismatch in the JSON, such as `steps[0].title`; empty for the whole
    /// text. For a missing field, this is where it was expected.
    #[inline]
    pub fn path(&self) -> String {
        let mut path = self.path.clone();
        if let Some(field) = self.missing_field() {
            let dot = if path.is_empty() { "" } else { "." };
            path = format!("{path}{dot}{field}");
        }
        path
    }

    /// Returns the field that the type requires but the text lacks.
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
            _ => " does not match the requested type",
        })?;
        let path = self.path();
        if !path.is_empty() {
            write!(f, ", at `{}`", OneLine::new(&hidden::text(&path), LONGEST_WORD, "path()"))?;
        }
        if self.source.is_data() {
            let reason = self.source.to_string();
            let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
            write!(f, ": {}", OneLine::new(&hidden::text(reason), LONGEST_WORD, ""))?;
        }
        write!(f, "; it starts with {}", OneLine::new(&hidden::text(&self.text), 2 * LONGEST_WORD, "text()"))
    }
}

impl fmt::Debug for ParseError {
    /// Prints the message and its cause, on one line.
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Chain(self), f)
    }
}

/// Returns the path of the value at a position in a JSON text, given as line from 1 and byte in the
/// line.
#[inline]
fn path_at(text: &str, line: usize, column: usize) -> String {
    let lines: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let before = text.as_bytes().get(..lines + column).unwrap_or(text.as_bytes());
    // A bracket that opens belongs to the value around it.
    let before = before.strip_suffix(b"{").or_else(|| before.strip_suffix(b"[")).unwrap_or(before);
    /// The open brackets, with the field or element being read in each.
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

/// Parses model output as a value; `what` names it in the error. A code fence around the whole text
/// is removed.
#[inline]
pub(crate) fn parse<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T, ParseError> {
    let read =
        |text| serde_json::from_str(text).map_err(|source| (path_at(text, source.line(), source.column()), source));
    // The fenced content is what the model meant, and what errors refer to.
    let outcome = read(text).or_else(|error| in_fence(text).map_or(Err(error), read));
    outcome.map_err(|(path, source)| ParseError { what: what(), text: text.to_owned(), path, source })
}

/// Returns the content of a code fence around the whole text, without its language name.
fn in_fence(text: &str) -> Option<&str> {
    let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    let fence = ["```", "~~~"].into_iter().find(|fence| text.starts_with(fence))?;
    let marks = |letter| fence.starts_with(letter);
    let inner = text.trim_start_matches(marks).strip_suffix(fence)?.trim_end_matches(marks);
    Some(inner.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "+-_.".contains(letter)))
}

/// Parses the arguments of a call. A model may leave them empty for a tool without parameters,
/// which counts as `{}`; some servers send an empty list.
#[inline]
pub(crate) fn parse_arguments<T: DeserializeOwned>(arguments: &str, tool: &str) -> Result<T, ParseError> {
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
            (
                r#"{"steps": []}"#,
                "title",
                "does not match the requested type, at `title`: missing field `title`; it starts with",
            ),
            (
                r#"{"title": "a", "steps": [{"name": "b", "minutes": 1}, {"minutes": 2}]}"#,
                "steps[1].name",
                "at `steps[1].name`: missing field `name`;",
            ),
            (
                "{\n  \"title\": \"a \\\" b\",\n  \"steps\": [\n    {\"name\": \"b\", \"minutes\": \"3\"}\n  ]\n}",
                "steps[0].minutes",
                "at `steps[0].minutes`: invalid type: string \"3\", expected u32;",
            ),
            (r#"{"title": "a", "steps": {}}"#, "steps", "does not match the requested type, at `steps`"),
            (r#"{"title": ["#, "title", "at `title`"),
            (r#"{"title": "a", "steps": [{"name": "b", "#, "steps[0].name", "ends before its JSON is complete"),
            ("I cannot do that.", "", "is not JSON; it starts with I cannot do that."),
            ("[]", "", "the response"),
            ("", "", "the response is empty"),
            ("{\"a\\\"b\": {\"c\": x", "a\\\"b.c", "is not JSON"),
        ] {
            let error = parse::<Plan>(text, || "the response".to_owned()).unwrap_err();
            assert_eq!(error.path(), path, "{text}: {error:?}");
            assert!(error.to_string().contains(message), "{error}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }

    #[test]
    fn what_the_model_wrote_is_shown_on_one_bounded_line() {
        let text = format!("no\u{1b}[31m\n{}", "x".repeat(10_000));
        let error = parse::<Plan>(&text, || "the response".to_owned()).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(shown.len() < 600 && !shown.contains(['\u{1b}', '\n']) && shown.contains("`text()`"), "{shown}");
        }
    }
}
