//! A response with a success status, before it is decoded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::body::Body;
use super::head::Head;
use super::sse::SseDecoder;
use super::time::{self, Instant};
use super::wire;
use crate::errors::{ApiError, Cause, Error, ResponseValidationError};
use crate::hooks::ObservedCall;

/// What the body of a response is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// One JSON value, read whole.
    Json,
    /// Server-sent events, read afterwards.
    Events,
    /// Bytes, read afterwards.
    Bytes,
    /// Nothing: whatever arrives is read and discarded.
    Nothing,
}

impl Expected {
    pub(super) const fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json | Self::Nothing => "application/json",
            Self::Events => "text/event-stream",
            Self::Bytes => "*/*",
        })
    }
}

/// A response with a success status, whose body has been read or not, depending on [`Expected`].
#[derive(Debug)]
pub struct Exchange {
    pub(crate) head: Head,
    /// The key that was sent, for redaction in errors.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Body,
    pub(crate) progress: Progress,
    pub(crate) idle: Option<Duration>,
    pub(crate) event: Option<Duration>,
    pub(crate) max_event: usize,
    /// What hooks see of the call, if the client has any.
    pub(crate) call: Option<Arc<ObservedCall>>,
}

/// The function that made a call, how often its request was sent, and when it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(super) function: Option<&'static str>,
    pub(crate) attempts: u32,
    pub(super) began: Instant,
    /// The operation may be performed twice.
    pub(super) is_repeatable: bool,
}

impl Progress {
    /// Adds this progress to an error.
    pub(crate) fn add_to(self, error: Error) -> Error {
        error.of_function(self.function).with_progress(self.attempts, self.began.elapsed(), self.is_repeatable)
    }
}

/// The end of a call whose response arrived.
pub(super) struct Ending {
    progress: Progress,
    call: Option<Arc<ObservedCall>>,
    is_whole: bool,
}

impl Ending {
    /// Reports to hooks that the value is whole.
    #[inline]
    pub(super) fn succeeded(self) {
        if let Some(call) = self.call.filter(|_| self.is_whole) {
            call.completed();
        }
    }

    /// Adds the progress of the call to an error, and reports it to hooks.
    #[cold]
    pub(super) fn failed(self, error: Error) -> Error {
        let error = self.progress.add_to(error);
        if let Some(call) = self.call {
            call.failed(&error);
        }
        error
    }
}

impl Exchange {
    /// Returns what is left to do once the value of the call was made from this response.
    pub(super) fn ending(&self, expected: Expected) -> Ending {
        if let Some(call) = &self.call
            && let Some(json) = self.json()
        {
            call.body(json);
        }
        // Streams and downloads end later.
        let is_whole = matches!(expected, Expected::Json | Expected::Nothing);
        Ending { progress: self.progress, call: self.call.clone(), is_whole }
    }

    /// The body without what some servers put around a value: a byte order mark, stream comments,
    /// NUL bytes.
    fn value(&self) -> &[u8] {
        let body = self.body.as_bytes().map(|body| &**body).unwrap_or_default();
        let mut value = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        while let [b':', comment @ ..] = value.trim_ascii_start() {
            let end = comment.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(comment.len());
            value = comment.get(end..).unwrap_or_default();
        }
        while let [before @ .., 0] = value.trim_ascii_end() {
            value = before;
        }
        value
    }

    /// Returns the data of the events if the body is an event stream, or the error that one of them
    /// reports.
    pub(super) fn events(&self) -> Result<Option<Vec<String>>, Error> {
        let start = self.value().trim_ascii_start();
        if !["data:", "event:", "id:", "retry:"].iter().any(|field| start.starts_with(field.as_bytes())) {
            return Ok(None);
        }
        let mut decoder = SseDecoder::new(usize::MAX);
        decoder.push(self.body.as_bytes().map(|body| body.slice_ref(start)).unwrap_or_default());
        // The last event may lack its blank line.
        decoder.push(Bytes::from_static(b"\n\n"));
        let mut events = Vec::new();
        while let Some(Ok(event)) = decoder.next() {
            if event.event == "error" || ApiError::is_error_body(event.data.as_bytes()) {
                let error: Error = self.api_error(Bytes::copy_from_slice(event.data.as_bytes())).into();
                return Err(error.hiding(self.authorization.clone()));
            }
            events.push(event.data.to_owned());
        }
        Ok(Some(events))
    }

    /// The value, if the body was read and is JSON.
    pub(crate) fn json(&self) -> Option<&str> {
        self.text().ok().filter(|text| text.trim_ascii_start().starts_with(['{', '[']))
    }

    /// The value as text.
    pub(super) fn text(&self) -> Result<&str, wire::DecodeError> {
        str::from_utf8(self.value()).map_err(|_| wire::DecodeError::new("the body is not UTF-8"))
    }

    /// Returns the error that a body with a success status reports.
    pub(crate) fn into_api_error(self) -> Error {
        let body = self.body.as_bytes().cloned().unwrap_or_default();
        let error: Error = self.api_error(body.slice_ref(self.value())).with_body(body).into();
        error.hiding(self.authorization)
    }

    fn api_error(&self, body: Bytes) -> ApiError {
        ApiError::read(self.head.clone(), body, time::now())
    }

    /// Returns whether the body is an error in one of the other forms that servers use.
    pub(super) fn is_error_body(&self) -> bool {
        ApiError::is_error_body(self.value())
    }

    /// Returns the error for a body that is not the expected response.
    pub(crate) fn into_decode_error(self, error: wire::DecodeError) -> Error {
        let path = error.path().to_owned();
        self.into_invalid(path, error)
    }

    pub(super) fn into_invalid(self, path: String, error: impl Into<Cause>) -> Error {
        let body = self.body.as_bytes().cloned().unwrap_or_default();
        ResponseValidationError::new(self.head, body, &path, error.into()).into()
    }
}
