//! A response body as it arrives, with its time limits.
//!
//! Chunks are passed on as the transport delivers them. The limits between chunks and between
//! events are checked when the body has nothing to return, so they cost nothing while data arrives.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as HttpBody;

use super::body::Body;
use super::runtime;
use super::time::{Instant, Sleep, sleep_until};
use crate::errors::{Error, TimeoutError, TimeoutPhase, UnexpectedError};

pub(crate) struct Incoming {
    operation_id: &'static str,
    body: Body,
    /// For the wait between two chunks.
    idle: Wait,
    /// For the wait between two events.
    event: Wait,
    /// When the body was last polled without having anything.
    asked: Option<Instant>,
    /// Made at the first wait and set anew only when it fires, not for every chunk: that would cost
    /// more than the chunk.
    timer: Option<Pin<Box<Sleep>>>,
}

/// A limit for a wait.
struct Wait {
    phase: TimeoutPhase,
    limit: Option<Duration>,
    since: Option<Instant>,
}

impl Wait {
    const fn new(phase: TimeoutPhase, limit: Option<Duration>) -> Self {
        Self { phase, limit, since: None }
    }
}

impl Incoming {
    pub(crate) const fn new(operation_id: &'static str, body: Body, idle: Option<Duration>) -> Self {
        let (idle, event) = (Wait::new(TimeoutPhase::Idle, idle), Wait::new(TimeoutPhase::Event, None));
        Self { operation_id, body, idle, event, asked: None, timer: None }
    }

    /// Sets the limit between two events, each of which is reported with
    /// [`event_came`](Self::event_came).
    pub(crate) const fn with_event_limit(mut self, limit: Option<Duration>) -> Self {
        self.event.limit = limit;
        self
    }

    /// Ends the wait for an event.
    pub(crate) const fn event_came(&mut self) {
        self.event.since = None;
    }

    /// Expects nothing but the end of the body, for which `limit` replaces all other limits.
    pub(crate) fn expect_end(&mut self, limit: Duration) {
        self.idle = Wait::new(TimeoutPhase::Idle, Some(limit));
        self.event.limit = None;
        self.timer = None;
    }

    /// Returns the number of remaining bytes, if known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Closes the connection, or returns it to the pool if the end of the body was read.
    pub(crate) fn close(&mut self) {
        self.body = Body::empty();
        self.timer = None;
    }

    /// Returns what is left of the body.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }

    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => {
                    self.idle.since = None;
                    match frame {
                        None => return Poll::Ready(None),
                        Some(Err(error)) => {
                            return Poll::Ready(Some(Err(Error::from_transport(self.operation_id, error))));
                        }
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(chunk) if !chunk.is_empty() => return Poll::Ready(Some(Ok(chunk))),
                            // Trailers carry nothing that is needed here.
                            _ => {}
                        },
                    }
                }
                Poll::Pending => {
                    let error = ready!(self.poll_limits(cx));
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Returns the error once a wait has reached its limit.
    ///
    /// Only time spent waiting counts, but nothing reports that a program does something else
    /// between two polls. So the timer fires several times within a limit: a waiting task is woken
    /// and polls again. If nothing polled for twice that interval, nothing was waiting, and the
    /// wait starts over.
    fn poll_limits(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        /// Tokio's timers have millisecond resolution, and a busy program polls a few milliseconds
        /// late.
        const SHORTEST_NAP: Duration = Duration::from_millis(5);
        loop {
            let now = Instant::now();
            let mut next: Option<Instant> = None;
            for wait in [&mut self.idle, &mut self.event] {
                let Some(limit) = wait.limit else { continue };
                let nap = (limit / 8).max(SHORTEST_NAP);
                if self.asked.is_some_and(|asked| now.saturating_duration_since(asked) > nap.saturating_mul(2)) {
                    wait.since = None;
                }
                let since = *wait.since.get_or_insert(now);
                // A deadline that overflows `Instant` means no limit.
                let (Some(end), Some(nap)) = (since.checked_add(limit), now.checked_add(nap)) else { continue };
                if now >= end {
                    return Poll::Ready(TimeoutError::new(self.operation_id, wait.phase, limit).into());
                }
                let wake = end.min(nap);
                next = Some(next.map_or(wake, |next| next.min(wake)));
            }
            self.asked = Some(now);
            let Some(next) = next else { return Poll::Pending };
            if self.timer.is_none()
                && let Err(reason) = runtime::current()
            {
                let message = format!("the body cannot be read here: the Tokio runtime {reason}");
                return Poll::Ready(UnexpectedError::without_source(self.operation_id, message).into());
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
            if timer.deadline() <= now {
                timer.as_mut().reset(next);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Reads to the end, or until there are more than `limit` bytes. If the future is dropped
    /// before that, `read` has what arrived so far.
    pub(crate) async fn collect(&mut self, read: &mut Collected, limit: usize) -> End {
        /// No more is reserved because of what a server says about the length.
        const LARGEST_RESERVATION: u64 = 1024 * 1024;
        loop {
            let chunk = match self.chunk().await {
                None => return End::Whole,
                Some(Err(error)) => return End::Broken(error),
                Some(Ok(chunk)) => chunk,
            };
            if read.first.is_empty() {
                read.first = chunk;
            } else {
                if read.all.is_empty() {
                    let rest = self.body.size_hint().lower().min(LARGEST_RESERVATION);
                    read.all.reserve(read.first.len() + chunk.len() + usize::try_from(rest).unwrap_or_default());
                    read.all.extend_from_slice(&read.first);
                }
                read.all.extend_from_slice(&chunk);
            }
            if read.len() > limit {
                return End::TooLarge;
            }
        }
    }
}

/// The part of a body that was read. A body that arrives in one chunk is not copied.
#[derive(Default)]
pub(crate) struct Collected {
    first: Bytes,
    /// All chunks, once there is more than one.
    all: Vec<u8>,
}

impl Collected {
    fn len(&self) -> usize {
        self.as_bytes().len()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }

    /// Returns at most the first `limit` bytes.
    pub(crate) fn into_bytes(self, limit: usize) -> Bytes {
        let mut bytes = if self.all.is_empty() { self.first } else { self.all.into() };
        bytes.truncate(limit);
        bytes
    }
}

pub(crate) enum End {
    Whole,
    TooLarge,
    Broken(Error),
}
