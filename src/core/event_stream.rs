//! Responses that are streams of events.
//!
//! [`Source`] knows how a stream ends and breaks, independently of the type of its events; a typed
//! stream and a raw one are thin layers on top of it. It is compiled once for all types.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::call_output::sealed;
use super::exchange::{Exchange, Expected, Progress};
use super::head::Head;
use super::incoming::Incoming;
use super::sse::{SseDecoder, SseEvent};
use super::wire::{self, DecodeError, Json, Wire};
use crate::errors::{ApiError, Cause, ConnectionError, Error, Extent, ResponseValidationError};
use crate::hooks::ObservedCall;

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";

/// The name of an event that is an error, on every protocol.
pub(super) const ERROR: &str = "error";

/// The reason why a stream is incomplete.
const NO_END: &str = "the stream ended without its end mark";

/// How long to wait for the end of the body after `[DONE]`. It nearly always arrives with it, and
/// the connection can be reused only once it was read.
const END_OF_BODY: Duration = Duration::from_millis(100);

/// One event of a stream, with the rules of its protocol.
pub trait StreamItem: Wire {
    /// Whether the end of a stream is marked: by `[DONE]` or a terminal event. A stream of such a
    /// protocol that ends without the mark is incomplete.
    const END_IS_MARKED: bool;

    /// Returns `true` for the event after which the protocol sends nothing that matters, such as
    /// `response.completed`.
    fn is_terminal(&self) -> bool;

    /// Returns `true` for an event that carries an error. The stream returns [`Error::Api`] instead
    /// of it.
    fn reports_error(&self) -> bool;

    /// Turns a whole response into events, since some servers send one when a stream was requested.
    /// Returns `None` if `json` is not such a response.
    #[doc(hidden)]
    fn from_response(json: &str) -> Vec<Json> {
        let _ = json;
        Vec::new()
    }
}

/// A stream of typed events.
///
/// Read it with [`next`](Self::next), or as a [`futures_core::Stream`].
///
/// ```no_run
/// # async fn print<T: openrouter_kit::core::StreamItem>(
/// #     mut stream: openrouter_kit::core::EventStream<T>,
/// # ) -> Result<(), openrouter_kit::Error> {
/// while let Some(event) = stream.next().await {
///     println!("{:?}", event?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// **How it ends.** `None` means that the stream is complete: the event `[DONE]` arrived, or the
/// body ended after the terminal event of its protocol. (After `[DONE]`, the end of the body, which
/// makes the connection reusable, is awaited for at most 100 ms.) A body that is cut off or ends
/// too early yields [`Error::Connection`] as the last item
/// ([`is_incomplete`](ConnectionError::is_incomplete)); it never looks like the end of the stream.
///
/// **Errors.** An event that carries an error yields [`Error::Api`]. An event whose data is not
/// JSON yields [`Error::ResponseValidation`] with the data. The stream continues after both. After
/// any other error, and after an event beyond the size limit, the stream ends and its connection is
/// closed. Events without data, and those whose data is a comment, are keep-alives and are skipped.
/// A stream without a readable event is an error too.
///
/// **A single JSON value instead of a stream**, which some servers send, is converted to the
/// equivalent events.
///
/// Dropping it before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2) at
/// once.
#[must_use = "dropping a stream closes its connection"]
pub struct EventStream<T> {
    source: Source,
    item: PhantomData<fn() -> T>,
}

/// The part of a stream that does not depend on the type of its events.
pub(super) struct Source {
    pub(super) head: Head,
    progress: Progress,
    /// The key that was sent, for redaction in errors.
    authorization: Option<HeaderValue>,
    incoming: Incoming,
    decoder: SseDecoder,
    pub(super) state: State,
    /// The end mark, a terminal event or an error has arrived: the body may end now.
    marked: bool,
    /// An event or an error has been returned.
    given: bool,
    /// What hooks see of the call, if the client has any.
    call: Option<Arc<ObservedCall>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// More bytes may arrive.
    Open,
    /// The end mark has arrived; the end of the body is awaited.
    Done,
    /// The body has ended properly; whether the stream is complete is not yet decided.
    Ended,
    /// Nothing more is returned.
    Over,
}

impl<T: StreamItem> EventStream<T> {
    /// Returns the next event; `None` when the stream is complete, and after its last error.
    ///
    /// It is cancel safe: a future that is dropped before it is ready has consumed nothing.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::ChatRequest;
    ///
    /// let request = ChatRequest::new("Hello").model("openai/gpt-4o-mini");
    /// let mut chunks = client.chat().stream(request).await?;
    /// while let Some(chunk) = chunks.next().await {
    ///     println!("{:?}", chunk?.choices);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T> EventStream<T> {
    /// Returns the HTTP status of the response.
    pub const fn status(&self) -> StatusCode {
        self.source.head.status
    }

    /// Returns the headers of the response.
    pub const fn headers(&self) -> &HeaderMap {
        &self.source.head.headers
    }

    /// Returns the error of a stream that did not contain what it must contain.
    pub(crate) fn incomplete(&self, why: &'static str) -> Error {
        self.source.incomplete(why)
    }

    /// Returns the id of the generation (`X-Generation-Id`).
    ///
    /// It is known before the first event, so a program that stops reading can still look up what
    /// the stream cost.
    pub fn generation_id(&self) -> Option<&str> {
        self.source.head.generation_id()
    }
}

impl<T: StreamItem> Stream for EventStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.source.poll_event::<T, T>(cx, |event, _| read(event), |_| None, || false)
    }
}

/// The kind of an event, by its data.
pub(super) enum Kind {
    /// The end mark.
    Done,
    /// No data, or a comment instead.
    KeepAlive,
    Event,
}

impl Kind {
    #[inline]
    pub(super) fn of(data: &str) -> Self {
        match data.trim_ascii() {
            DONE => Self::Done,
            data if data.is_empty() || data.starts_with(':') => Self::KeepAlive,
            _ => Self::Event,
        }
    }
}

/// What a stream makes of an event.
pub(super) enum Seen<U> {
    /// The end mark.
    Done,
    /// A keep-alive, and whether it is returned.
    KeepAlive(bool),
    /// An event, and whether it is terminal.
    Item(U, bool),
    /// The data of an event that is an error.
    Error(Bytes),
    /// Data that is not JSON.
    Mismatch(DecodeError, Bytes),
}

/// Reads an event for a typed stream.
#[inline]
pub(super) fn read<T: StreamItem>(event: SseEvent<'_>) -> Seen<T> {
    match Kind::of(event.data) {
        Kind::Done => return Seen::Done,
        Kind::KeepAlive => return Seen::KeepAlive(false),
        Kind::Event => {}
    }
    if event.event == ERROR {
        return Seen::Error(Bytes::copy_from_slice(event.data.as_bytes()));
    }
    read_item(event.data)
}

/// Reads the data of an event. The item is read where it is returned and not moved before that,
/// since a chunk of chat has a kilobyte.
fn read_item<T: StreamItem>(data: &str) -> Seen<T> {
    let mut seen = Seen::Item(T::missing(), false);
    if let Seen::Item(item, is_terminal) = &mut seen {
        match wire::decode_event_into(data, item) {
            Ok(()) if !item.reports_error() => *is_terminal = item.is_terminal(),
            Ok(()) => seen = Seen::Error(Bytes::copy_from_slice(data.as_bytes())),
            Err(error) => seen = Seen::Mismatch(error, Bytes::copy_from_slice(data.as_bytes())),
        }
    }
    seen
}

/// Shows an event to observers.
#[cold]
#[inline(never)]
fn observe(call: &ObservedCall, event: &SseEvent<'_>) {
    if matches!(Kind::of(event.data), Kind::Event) {
        call.event(event.data);
    }
}

impl Source {
    pub(super) fn new(
        exchange: Exchange,
        from_response: fn(&str) -> Vec<Json>,
        keeps_text: bool,
    ) -> Result<Self, Error> {
        let events = exchange.json().map(from_response);
        if events.as_ref().is_some_and(Vec::is_empty) {
            let error = DecodeError::new("expected an event stream, found a JSON value that is not a response");
            return Err(exchange.into_decode_error(error));
        }
        let Exchange { head, authorization, body, progress, idle, event, max_event, call } = exchange;
        let operation_id = head.operation_id;
        let mut source = Self {
            head,
            progress,
            authorization,
            incoming: Incoming::new(operation_id, body, idle).with_event_limit(event),
            decoder: SseDecoder::new(max_event).keeping_text(keeps_text),
            state: State::Open,
            marked: false,
            given: false,
            call,
        };
        if let Some(events) = events {
            source.read_instead(&events);
        }
        Ok(source)
    }

    /// Returns the next item of a stream of `T`. `see` makes it from an event and from whether the
    /// body has ended; `pass` makes it from the text of an end mark or a keep-alive. `is_complete`
    /// recognizes an end that `see` did not report.
    ///
    /// No item is held while anything else is done, so the code to drop one is not needed here.
    #[inline]
    pub(super) fn poll_event<T: StreamItem, U>(
        &mut self,
        cx: &mut Context<'_>,
        see: impl Fn(SseEvent<'_>, bool) -> Seen<U>,
        pass: impl Fn(&Bytes) -> Option<U>,
        is_complete: impl Fn() -> bool,
    ) -> Poll<Option<Result<U, Error>>> {
        loop {
            match self.state {
                State::Open | State::Ended => {}
                State::Done => {
                    ready!(self.poll_end(cx));
                    return Poll::Ready(None);
                }
                State::Over => return Poll::Ready(None),
            }
            let has_ended = self.state == State::Ended;
            match self.decoder.next() {
                Some(Ok(event)) => {
                    if let Some(call) = &self.call {
                        observe(call, &event);
                    }
                    match see(event, has_ended) {
                        Seen::Done => match self.read_outside(T::from_response) {
                            Some(Ok(())) => {}
                            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                            None if self.given => {
                                self.done();
                                if let Some(item) = pass(self.decoder.text()) {
                                    return Poll::Ready(Some(Ok(item)));
                                }
                            }
                            None => {
                                let message = "the stream ended without an event";
                                let error = self.invalid("", Bytes::new(), message.into());
                                return Poll::Ready(Some(Err(self.fail(error))));
                            }
                        },
                        Seen::KeepAlive(is_returned) => {
                            if is_returned && let Some(item) = pass(self.decoder.text()) {
                                return Poll::Ready(Some(Ok(item)));
                            }
                        }
                        Seen::Item(item, is_terminal) => {
                            self.event_came();
                            if is_terminal {
                                self.mark();
                            }
                            self.decoder.forget_outside();
                            return Poll::Ready(Some(Ok(item)));
                        }
                        Seen::Error(data) => {
                            self.event_came();
                            self.mark();
                            if let Some(call) = &self.call {
                                call.error(|| self.api_error(data.clone()));
                            }
                            return Poll::Ready(Some(Err(self.api_error(data))));
                        }
                        Seen::Mismatch(error, data) => {
                            self.event_came();
                            return Poll::Ready(Some(Err(self.mismatch(error, data))));
                        }
                    }
                }
                Some(Err(error)) => {
                    let error = ResponseValidationError::new(self.head.clone(), Bytes::new(), "", error.into());
                    let error = self.progress.add_to(error.with_extent(Extent::Exceeds("max_event")).into());
                    return Poll::Ready(Some(Err(self.fail(error))));
                }
                None if self.state == State::Open => {
                    if let Err(error) = ready!(self.poll_fill(cx)) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                None => match self.read_outside(T::from_response) {
                    Some(Ok(())) => {}
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None if self.marked || !T::END_IS_MARKED || is_complete() => {
                        self.close();
                        self.completed();
                        return Poll::Ready(None);
                    }
                    None => {
                        let error = self.incomplete(NO_END);
                        return Poll::Ready(Some(Err(self.fail(error))));
                    }
                },
            }
        }
    }

    #[inline]
    const fn event_came(&mut self) {
        self.incoming.event_came();
        self.given = true;
    }

    /// Reads the next chunk into the decoder.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match ready!(self.incoming.poll_chunk(cx)) {
            Some(Ok(chunk)) => self.decoder.push(chunk),
            Some(Err(error)) => {
                let error = self.progress.add_to(error);
                return Poll::Ready(Err(self.fail(error)));
            }
            None => {
                self.state = State::Ended;
                // The last event may lack its blank line; if it is whole, it counts.
                self.decoder.push(Bytes::from_static(b"\n\n"));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Handles what the server sent outside events, once the body has ended: an error, or, if no
    /// event arrived, a whole response, whose events are returned next, or something unreadable.
    fn read_outside(&mut self, from_response: fn(&str) -> Vec<Json>) -> Option<Result<(), Error>> {
        let outside = Bytes::copy_from_slice(self.decoder.outside().trim_ascii());
        if outside.is_empty() {
            return None;
        }
        self.decoder.forget_outside();
        if ApiError::is_error_body(&outside) {
            let error = self.api_error(outside);
            return Some(Err(self.fail(error)));
        }
        if self.given {
            return None;
        }
        let events = from_response(&String::from_utf8_lossy(&outside));
        if events.is_empty() {
            let error = self.invalid("", outside, "expected an event stream".into());
            return Some(Err(self.fail(error)));
        }
        self.incoming.close();
        self.read_instead(&events);
        Some(Ok(()))
    }

    /// Reads these events instead of the body.
    fn read_instead(&mut self, events: &[Json]) {
        // A JSON string contains no raw line break.
        let lines = events.iter().map(|event| format!("data: {}\n\n", event.as_text().replace(['\n', '\r'], " ")));
        self.decoder = SseDecoder::new(usize::MAX).keeping_text(self.decoder.keeps_text());
        self.decoder.push(lines.collect::<String>().into());
        self.state = State::Ended;
        self.marked = true;
    }

    /// Notes that an error, or the event after which nothing that matters is sent, has arrived.
    fn mark(&mut self) {
        self.marked = true;
        if let Some(call) = &self.call {
            call.is_complete();
        }
    }

    /// Ends the stream with an error.
    fn fail(&mut self, error: Error) -> Error {
        self.close();
        if let Some(call) = &self.call {
            call.failed(&error);
        }
        error
    }

    /// Reports to hooks that the stream is complete. A stream that is not decoded may have reported
    /// an error at its end.
    fn completed(&self) {
        if let Some(call) = &self.call {
            if let Some(data) = call.read_last_events(|data| ApiError::is_error_body(data.as_bytes())) {
                call.error(|| self.api_error(data.into()));
            }
            call.completed();
        }
    }

    fn close(&mut self) {
        self.state = State::Over;
        self.incoming.close();
    }

    /// Called on `[DONE]`: the body should end shortly.
    fn done(&mut self) {
        self.state = State::Done;
        self.incoming.expect_end(END_OF_BODY);
        self.completed();
    }

    /// Waits for the end of the body, or for anything else that is not expected there.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = ready!(self.incoming.poll_chunk(cx));
        self.close();
        Poll::Ready(())
    }

    pub(super) fn api_error(&self, data: Bytes) -> Error {
        let error: Error = ApiError::read(self.head.clone(), data, super::time::now()).into();
        self.progress.add_to(error.hiding(self.authorization.clone()))
    }

    /// Returns the error for an event that is not JSON. At the end of the body it is half an event.
    fn mismatch(&mut self, error: DecodeError, data: Bytes) -> Error {
        if self.state == State::Ended {
            let error = self.incomplete(NO_END);
            return self.fail(error);
        }
        let path = error.path().to_owned();
        if let Some(call) = &self.call {
            call.error(|| self.invalid(&path, data.clone(), error.clone().into()));
        }
        self.invalid(&path, data, error.into())
    }

    #[cold]
    pub(super) fn invalid(&self, path: &str, data: Bytes, source: Cause) -> Error {
        self.progress.add_to(ResponseValidationError::new(self.head.clone(), data, path, source).into())
    }

    fn incomplete(&self, why: &'static str) -> Error {
        self.progress.add_to(ConnectionError::incomplete(self.head.operation_id, why).into())
    }
}

impl<T: StreamItem> sealed::FromExchange for EventStream<T> {
    const EXPECTED: Expected = Expected::Events;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        Ok(Self { source: Source::new(exchange, T::from_response, false)?, item: PhantomData })
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("status", &self.source.head.status)
            .field("generation_id", &self.generation_id())
            .field("state", &self.source.state)
            .finish_non_exhaustive()
    }
}
