//! Streams of events that are passed on, or decoded on demand.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, StatusCode};

use super::call_output::sealed;
use super::event_stream::{ERROR, Kind, Seen, Source, StreamItem, read};
use super::exchange::{Exchange, Expected};
use super::sse::{self, Field, SseDecoder, SseEvent};
use super::wire::{self, DecodeError, Json, Wire};
use crate::errors::{ApiError, Error};

/// How many events before the end of a stream may be the one that completes it: usage and
/// keep-alives can follow it.
const TAIL: usize = 8;

/// A stream of events as they are received, from [`Call::raw`](super::Call::raw).
///
/// Use it to pass a stream on unchanged, or to decode only a few events of many. An event is a
/// slice of the chunk that it arrived in and is not decoded, so nothing is allocated for it unless
/// chunks cut it in two.
///
/// ```no_run
/// # use openrouter_kit::core::{RawEvents, StreamItem};
/// # use openrouter_kit::Error;
/// # async fn pass_on<T: StreamItem>(stream: RawEvents<T>, mut send: impl FnMut(&[u8])) -> Result<(), Error> {
/// let mut stream = stream.comments(true);
/// while let Some(event) = stream.next().await {
///     send(event?.as_bytes());
/// }
/// # Ok(())
/// # }
/// ```
///
/// **Events** are returned whatever their data is: errors that the server reports in an event, the
/// end mark `[DONE]`, and data that is not JSON. [`typed`](Self::typed) reads one as the
/// [`EventStream`](super::EventStream) of the operation would.
///
/// **Errors** are those of the connection and of the stream as a whole, as for `EventStream`: a
/// body that is cut off or ends too early, time limits, an event beyond the size limit, and a body
/// that is an error or a web page instead of events. The stream is complete after `[DONE]`, or if
/// one of its last 8 events is the terminal event of the protocol or an error. A single JSON value
/// instead of a stream is converted to the equivalent events.
///
/// Dropping the stream before its end closes the connection (HTTP/1.1) or resets the stream
/// (HTTP/2) at once.
#[must_use = "dropping a stream closes its connection"]
pub struct RawEvents<T> {
    source: Source,
    comments: bool,
    /// The last events, which are read only to decide whether the stream is complete.
    tail: VecDeque<RawEvent>,
    item: PhantomData<fn() -> T>,
}

impl<T> RawEvents<T> {
    /// Sets whether blocks without data are returned too: comments, which servers send as
    /// keep-alives (`: OPENROUTER PROCESSING`), and events that have only a name, an id or a time
    /// to reconnect. The default is `false`.
    pub const fn comments(mut self, wanted: bool) -> Self {
        self.comments = wanted;
        self
    }

    /// Returns the HTTP status of the response.
    pub const fn status(&self) -> StatusCode {
        self.source.head.status
    }

    /// Returns the headers of the response.
    pub const fn headers(&self) -> &HeaderMap {
        &self.source.head.headers
    }

    /// Returns the id of the generation (`X-Generation-Id`).
    pub fn generation_id(&self) -> Option<&str> {
        self.source.head.generation_id()
    }
}

impl<T: StreamItem> RawEvents<T> {
    /// Returns the next event; `None` when the stream is complete, and after its last error.
    ///
    /// It is cancel safe: a future that is dropped before it is ready has consumed nothing.
    pub async fn next(&mut self) -> Option<Result<RawEvent, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Reads an event of this stream as the [`EventStream`](super::EventStream) of the operation
    /// does. Returns `None` for the end mark and for comments.
    ///
    /// # Errors
    /// [`Error::Api`] for an event that carries an error, [`Error::ResponseValidation`] for data
    /// that is not JSON.
    pub fn typed(&self, event: &RawEvent) -> Option<Result<T, Error>> {
        let mut decoder = SseDecoder::new(usize::MAX);
        decoder.push(event.text.clone());
        let event = decoder.next()?.ok()?;
        match read(event) {
            Seen::Done | Seen::KeepAlive(_) => None,
            Seen::Item(item, _) => Some(Ok(item)),
            Seen::Error(data) => Some(Err(self.source.api_error(data))),
            Seen::Mismatch(error, data) => {
                let path = error.path().to_owned();
                Some(Err(self.source.invalid(&path, data, error.into())))
            }
        }
    }
}

impl<T: StreamItem> Stream for RawEvents<T> {
    type Item = Result<RawEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { source, comments, tail, .. } = &mut *self;
        let comments = *comments;
        let polled = source.poll_event::<T, RawEvent>(
            cx,
            |event, has_ended| see(event, has_ended, comments),
            |text| Some(RawEvent { text: text.clone() }),
            || tail.iter().any(RawEvent::ends::<T>),
        );
        if let Poll::Ready(Some(Ok(event))) = &polled
            && !(comments && event.is_comment())
        {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(event.clone());
        }
        polled
    }
}

/// Returns what a raw stream makes of an event. Data that the end of the body may have cut off is
/// checked.
fn see(event: SseEvent<'_>, has_ended: bool, comments: bool) -> Seen<RawEvent> {
    let raw = || Seen::Item(RawEvent { text: event.text.clone() }, false);
    match Kind::of(event.data) {
        Kind::Done => Seen::Done,
        Kind::KeepAlive => Seen::KeepAlive(comments),
        Kind::Event if has_ended => match Json::parse(event.data) {
            Ok(_) => raw(),
            Err(error) => Seen::Mismatch(error, Bytes::copy_from_slice(event.data.as_bytes())),
        },
        Kind::Event => raw(),
    }
}

impl<T: StreamItem> sealed::FromExchange for RawEvents<T> {
    const EXPECTED: Expected = Expected::Events;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        Ok(Self {
            source: Source::new(exchange, T::from_response, true)?,
            comments: false,
            tail: VecDeque::new(),
            item: PhantomData,
        })
    }
}

impl<T> fmt::Debug for RawEvents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEvents")
            .field("status", &self.source.head.status)
            .field("generation_id", &self.generation_id())
            .field("state", &self.source.state)
            .finish_non_exhaustive()
    }
}

/// An event as it was received, from [`RawEvents`]. Cloning it copies no text.
///
/// [`as_bytes`](Self::as_bytes) and `Display` return the event with its line ends and its blank
/// line, ready to be passed on. The other methods read its fields. Text that is not UTF-8 is
/// unchanged in the bytes and has U+FFFD elsewhere.
///
/// `Debug` prints the name and the size, since the data may be private.
#[derive(Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// The lines, with comments among them, up to and including the blank line.
    text: Bytes,
}

impl RawEvent {
    /// Returns the event as it was received: its lines, with comments among them, and the blank
    /// line that ends it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Returns the event as it was received, like [`as_bytes`](Self::as_bytes), without copying.
    pub fn into_bytes(self) -> Bytes {
        self.text
    }

    /// Returns the data; several data lines are joined by a line feed. It is empty for a comment.
    pub fn data(&self) -> Cow<'_, str> {
        let mut lines = self.values(Field::Data);
        let first = lines.next().unwrap_or_default();
        let Some(second) = lines.next() else { return String::from_utf8_lossy(first) };
        let mut joined = first.to_vec();
        for line in std::iter::once(second).chain(lines) {
            joined.push(b'\n');
            joined.extend_from_slice(line);
        }
        Cow::Owned(String::from_utf8_lossy(&joined).into_owned())
    }

    /// Returns the name of the event (`response.completed`); `None` if it has none.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        self.value(Field::Event)
    }

    /// Returns the id that this event sets; `None` if it sets none.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.value(Field::Id)
    }

    /// Returns the time to wait before reconnecting that this event sets.
    pub fn retry(&self) -> Option<Duration> {
        let value = self.value(Field::Retry).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?;
        value.parse().ok().map(Duration::from_millis)
    }

    /// Returns the text of the comments in this event, each on a line.
    pub fn comment(&self) -> Option<String> {
        let comments = sse::lines(&self.text).filter_map(|line| line.strip_prefix(b":"));
        let texts: Vec<_> = comments
            .map(|text| String::from_utf8_lossy(text.strip_prefix(b" ").unwrap_or(text)).into_owned())
            .collect();
        if texts.is_empty() { None } else { Some(texts.join("\n")) }
    }

    /// Returns `true` for a block without data: a comment or another keep-alive. Such blocks are
    /// returned only if [`RawEvents::comments`] is set.
    pub fn is_comment(&self) -> bool {
        matches!(Kind::of(&self.data()), Kind::KeepAlive)
    }

    /// Returns `true` for the end mark, `[DONE]`.
    pub fn is_done(&self) -> bool {
        matches!(Kind::of(&self.data()), Kind::Done)
    }

    /// Returns `true` for an event that carries an error in any of the forms that servers use.
    /// [`RawEvents::typed`] returns the error itself, and knows the forms that only one protocol
    /// uses.
    pub fn is_error(&self) -> bool {
        self.name().as_deref() == Some(ERROR) || ApiError::is_error_body(self.data().as_bytes())
    }

    /// Decodes the data into a model, keeping what does not fit, like every event of a typed
    /// stream.
    ///
    /// # Errors
    /// [`DecodeError`] if the data is not JSON, or not an object that `T` can keep.
    pub fn decode<T: Wire>(&self) -> Result<T, DecodeError> {
        wire::decode_event(&self.data())
    }

    /// Returns whether a stream that ends after this event is complete.
    pub(super) fn ends<T: StreamItem>(&self) -> bool {
        self.is_error() || self.decode::<T>().is_ok_and(|event| event.is_terminal() || event.reports_error())
    }

    fn values(&self, wanted: Field) -> impl Iterator<Item = &[u8]> {
        sse::lines(&self.text).filter_map(move |line| {
            let (field, value) = Field::of(line);
            if field == wanted { line.get(value..) } else { None }
        })
    }

    /// The last value of a field.
    fn value(&self, field: Field) -> Option<Cow<'_, str>> {
        self.values(field).last().map(String::from_utf8_lossy)
    }
}

impl fmt::Display for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEvent").field("name", &self.name()).field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}
