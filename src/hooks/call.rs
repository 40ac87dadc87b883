//! A call with hooks, from its first attempt to the end of its response.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::Hook;
use super::context::HookContext;
use super::observer::{CallEnd, Observer, Outcome, Retry};
use super::report::Report;
use crate::core::body::Body;
use crate::core::transport::TransportError;
use crate::errors::Error;

/// What the hooks of a client share during a call. Everything that may still report something, such
/// as the body of the response, holds it; if the last of them is dropped before the end of the call
/// was reported, the call was dropped.
pub(crate) struct ObservedCall {
    pub(super) hooks: Arc<[Arc<dyn Hook>]>,
    pub(super) context: HookContext,
    /// Whether any hook has an observer.
    is_observed: bool,
    has_ended: AtomicBool,
    /// Outside the lock of the record, since there may be many chunks.
    bytes_received: AtomicU64,
    /// The first byte of the last response was read.
    has_first_byte: AtomicBool,
    record: Mutex<Record>,
}

#[derive(Debug)]
struct Record {
    status: Option<StatusCode>,
    time_to_head: Option<Duration>,
    time_to_first_byte: Option<Duration>,
    time_to_first_event: Option<Duration>,
    events: u64,
    bytes_sent: u64,
    generation_id: Option<String>,
    report: Report,
    /// The first error of a stream that continued after it.
    error: Option<Error>,
    is_complete: bool,
}

impl std::fmt::Debug for ObservedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObservedCall").field("context", &self.context).finish_non_exhaustive()
    }
}

impl ObservedCall {
    pub(super) fn new(hooks: &Arc<[Arc<dyn Hook>]>, context: HookContext) -> Self {
        let is_observed = hooks.iter().any(|hook| hook.observer().is_some());
        let record = Record {
            status: None,
            time_to_head: None,
            time_to_first_byte: None,
            time_to_first_event: None,
            events: 0,
            bytes_sent: 0,
            generation_id: None,
            report: Report::default(),
            error: None,
            is_complete: false,
        };
        let record = Mutex::new(record);
        Self {
            hooks: hooks.clone(),
            context,
            is_observed,
            has_ended: AtomicBool::new(false),
            bytes_received: AtomicU64::new(0),
            has_first_byte: AtomicBool::new(false),
            record,
        }
    }

    fn observers(&self) -> impl Iterator<Item = &dyn Observer> {
        self.hooks.iter().filter_map(|hook| hook.observer())
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn request(&self, request: &Request<Body>) {
        if !self.is_observed {
            return;
        }
        self.record().bytes_sent += request.body().size_hint().exact().unwrap_or_default();
        self.observers().for_each(|observer| observer.request(&self.context, request));
    }

    /// Records the head of a response, and observes its body as it is read.
    pub(super) fn response(self: &Arc<Self>, response: Response<Body>) -> Response<Body> {
        if !self.is_observed {
            return response;
        }
        let id = response.headers().get("x-generation-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let mut record = self.record();
        record.status = Some(response.status());
        record.time_to_head = Some(self.context.call_elapsed());
        record.time_to_first_byte = None;
        self.has_first_byte.store(false, Ordering::Relaxed);
        record.generation_id = id.or_else(|| record.generation_id.take());
        drop(record);
        self.observers().for_each(|observer| observer.response(&self.context, &response));
        if let Some(body) = response.body().as_bytes() {
            self.chunk(body);
            return response;
        }
        response.map(|body| Body::received(ObservedBody { body, call: self.clone() }))
    }

    fn chunk(&self, chunk: &Bytes) {
        self.bytes_received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if !chunk.is_empty() && !self.has_first_byte.load(Ordering::Relaxed) {
            self.has_first_byte.store(true, Ordering::Relaxed);
            self.record().time_to_first_byte = Some(self.context.call_elapsed());
        }
        self.observers().for_each(|observer| observer.chunk(&self.context, chunk));
    }

    pub(super) fn attempt_failed(&self, error: &Error, retry: Option<Retry>) {
        self.observers().for_each(|observer| observer.attempt_failed(&self.context, error, retry));
    }

    /// Records an event of a stream.
    pub(crate) fn event(&self, data: &str) {
        if !self.is_observed {
            return;
        }
        let mut record = self.record();
        let is_first = record.events == 0;
        record.events += 1;
        if is_first {
            record.time_to_first_event = Some(self.context.call_elapsed());
        }
        record.report.event(data, is_first);
    }

    /// Reads what the last events of a stream report. Returns the data of one that `reports_error`.
    pub(crate) fn read_last_events(&self, reports_error: impl Fn(&str) -> bool) -> Option<String> {
        if self.is_observed { self.record().report.read_last(reports_error) } else { None }
    }

    /// Records the whole body of a response that is not a stream.
    pub(crate) fn body(&self, json: &str) {
        if self.is_observed {
            self.record().report.value(json, true);
        }
    }

    /// Records an error after which the stream continues.
    pub(crate) fn error(&self, error: impl FnOnce() -> Error) {
        if self.is_observed {
            self.record().error.get_or_insert_with(error);
        }
    }

    /// Records that the response is complete, though the program may continue to read.
    pub(crate) fn is_complete(&self) {
        self.record().is_complete = true;
    }

    pub(crate) fn completed(&self) {
        let error = self.record().error.take();
        self.end(error.as_ref().map_or(Outcome::Completed, Outcome::Failed));
    }

    pub(crate) fn failed(&self, error: &Error) {
        self.end(Outcome::Failed(error));
    }

    fn end(&self, outcome: Outcome<'_>) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.is_observed {
            let mut record = self.record();
            let _ = record.report.read_last(|_| false);
            let reasons: Vec<String> = record.report.finish_reasons.values().cloned().collect();
            let end = CallEnd {
                outcome,
                attempts: self.context.attempt(),
                status: record.status,
                elapsed: self.context.call_elapsed(),
                time_to_head: record.time_to_head,
                time_to_first_event: record.time_to_first_event.or(record.time_to_first_byte),
                events: record.events,
                bytes_sent: record.bytes_sent,
                bytes_received: self.bytes_received.load(Ordering::Relaxed),
                generation_id: record.generation_id.as_deref().or(record.report.id.as_deref()),
                model: record.report.model.as_deref(),
                provider: record.report.provider.as_deref(),
                finish_reasons: &reasons,
                usage: record.report.usage(),
            };
            self.observers().for_each(|observer| observer.call_end(&self.context, &end));
        }
        self.context.clear();
    }
}

impl Drop for ObservedCall {
    fn drop(&mut self) {
        let mut record = self.record();
        let (error, is_complete) = (record.error.take(), record.is_complete);
        drop(record);
        self.end(match &error {
            Some(error) => Outcome::Failed(error),
            None if is_complete => Outcome::Completed,
            None => Outcome::Dropped,
        });
    }
}

/// A body that is observed as it is read.
struct ObservedBody {
    body: Body,
    call: Arc<ObservedCall>,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(chunk) = frame.data_ref()
        {
            self.call.chunk(chunk);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
