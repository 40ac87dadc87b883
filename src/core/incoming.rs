//! The body of an answer as it comes, with the limit between two chunks.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as HttpBody;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::Body;
use crate::errors::{Error, TimeoutError, TimeoutPhase};

pub(crate) struct Incoming {
    operation_id: &'static str,
    body: Body,
    limit: Option<Duration>,
    /// Since when the next chunk is waited for.
    waiting: Option<Instant>,
    /// Made at the first wait and set anew only when it fires, not for every chunk: that would cost more than the chunk.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(crate) const fn new(operation_id: &'static str, body: Body, limit: Option<Duration>) -> Self {
        Self { operation_id, body, limit, waiting: None, timer: None }
    }

    /// Sets another limit, for the waits from now on.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = Some(limit);
        self.timer = None;
    }

    /// Gives the connection up, or back if the end of the body was read.
    pub(crate) fn close(&mut self) {
        self.body = Body::empty();
        self.timer = None;
    }

    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => {
                    self.waiting = None;
                    match frame {
                        None => return Poll::Ready(None),
                        Some(Err(error)) => {
                            return Poll::Ready(Some(Err(Error::from_transport(self.operation_id, error))));
                        }
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(chunk) if !chunk.is_empty() => return Poll::Ready(Some(Ok(chunk))),
                            // Trailers say nothing here.
                            _ => {}
                        },
                    }
                }
                Poll::Pending => {
                    let Some(limit) = self.limit else { return Poll::Pending };
                    ready!(self.poll_limit(cx, limit));
                    return Poll::Ready(Some(Err(
                        TimeoutError::new(self.operation_id, TimeoutPhase::Idle, limit).into()
                    )));
                }
            }
        }
    }

    /// Ready once the wait for the next chunk has lasted for `limit`.
    fn poll_limit(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        // A limit beyond the end of time is none.
        let Some(deadline) = since.checked_add(limit) else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Reads on to the end, or until there are more than `limit` bytes.
    pub(crate) async fn collect(&mut self, limit: usize) -> Collected {
        /// No more is reserved because of what a server says about the length.
        const LARGEST_RESERVATION: u64 = 1024 * 1024;
        let mut first = Bytes::new();
        let mut all = Vec::new();
        let mut length = 0;
        let end = loop {
            match self.chunk().await {
                None => break End::Whole,
                Some(Err(error)) => break End::Broken(error),
                Some(Ok(chunk)) if length == 0 => {
                    length = chunk.len();
                    first = chunk;
                }
                Some(Ok(chunk)) => {
                    if all.is_empty() {
                        let rest = self.body.size_hint().lower().min(LARGEST_RESERVATION);
                        all.reserve(length + chunk.len() + usize::try_from(rest).unwrap_or_default());
                        all.extend_from_slice(&first);
                    }
                    all.extend_from_slice(&chunk);
                    length = all.len();
                }
            }
            if length > limit {
                break End::TooLarge;
            }
        };
        let mut bytes = if all.is_empty() { first } else { all.into() };
        bytes.truncate(limit);
        Collected { bytes, end }
    }
}

/// What was read of a body.
pub(crate) struct Collected {
    /// At most as many bytes as the limit allows.
    pub(crate) bytes: Bytes,
    pub(crate) end: End,
}

pub(crate) enum End {
    Whole,
    TooLarge,
    Broken(Error),
}
