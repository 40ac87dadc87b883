//! Observers of calls, and what they receive.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::context::HookContext;
use crate::core::body::Body;
use crate::core::transport::TransportErrorKind;
use crate::core::usd::Usd;
use crate::errors::{Error, TimeoutPhase};

/// Code that sees how calls progress and end, and changes nothing. A hook returns one from
/// [`Hook::observer`](super::Hook::observer). Every method has a default that does nothing.
///
/// The methods run inside the call, between two reads: they must not block. The order of a call
/// with a retry:
///
/// ```text
/// request → response → chunk …       → attempt_failed (the wait begins)
/// request → response → chunk → chunk → … → call_end
/// ```
///
/// A call whose response the program reads to its end ends when the program has read it: a stream
/// with its last event, a download with its last byte. [`call_end`](Self::call_end) is called
/// exactly once for every call that reached a hook, even if the call or its stream is dropped.
///
/// ```
/// use openrouter_kit::hooks::{CallEnd, Hook, HookContext, Observer};
///
/// #[derive(Debug)]
/// struct Costs;
///
/// impl Hook for Costs {
///     fn observer(&self) -> Option<&dyn Observer> {
///         Some(self)
///     }
/// }
///
/// impl Observer for Costs {
///     fn call_end(&self, context: &HookContext, end: &CallEnd<'_>) {
///         println!("call {} of {:?} cost {:?}", context.call_id(), end.model, end.usage.cost);
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Called on every attempt when the request is handed to the transport, after all hooks. It
    /// carries the API key.
    fn request(&self, context: &HookContext, request: &Request<Body>) {
        let _ = (context, request);
    }

    /// Called on every attempt when the head of a response has arrived, whatever its status, before
    /// any hook.
    fn response(&self, context: &HookContext, response: &Response<Body>) {
        let _ = (context, response);
    }

    /// Called for each chunk of a response body, including errors, when it is read from the
    /// transport. Chunks end anywhere.
    fn chunk(&self, context: &HookContext, chunk: &Bytes) {
        let _ = (context, chunk);
    }

    /// Called when an attempt has failed, after all hooks. `retry` says how long the call waits
    /// until the next attempt and why; `None` if there is none.
    fn attempt_failed(&self, context: &HookContext, error: &Error, retry: Option<Retry>) {
        let _ = (context, error, retry);
    }

    /// Called once for every call, when it has ended.
    fn call_end(&self, context: &HookContext, end: &CallEnd<'_>) {
        let _ = (context, end);
    }
}

/// Why a request is retried, and how long the call waits before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// The wait before the attempt.
    pub wait: Duration,
    /// What ended the attempt before it.
    pub reason: RetryReason,
}

/// What ended an attempt that was followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryReason {
    /// The server responded with this error status.
    Status(StatusCode),
    /// The connection failed.
    Connection(TransportErrorKind),
    /// A time limit expired.
    Timeout(TimeoutPhase),
}

impl RetryReason {
    /// `None` for an error that is never retried.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Api(error) => Some(Self::Status(error.status())),
            Error::Connection(error) => Some(Self::Connection(error.kind())),
            Error::Timeout(error) => Some(Self::Timeout(error.phase())),
            _ => None,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// The response is complete and was decoded, or its last event or byte was read.
    Completed,
    /// The call or its stream returned this error. A stream may have continued after it.
    Failed(&'a Error),
    /// The program dropped the call, its stream or its download before the end.
    Dropped,
}

/// The end of a call: how it ended, how long it took, and what the server reported about it.
///
/// Model, provider, usage and cost are read from the JSON of the response or its events, whatever
/// the operation is, as far as the server sends them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEnd<'a> {
    /// How the call ended.
    pub outcome: Outcome<'a>,
    /// How often the request was sent.
    pub attempts: u32,
    /// The status of the last response, if one arrived.
    pub status: Option<StatusCode>,
    /// From the start of the call to its end.
    pub elapsed: Duration,
    /// From the start of the call to the head of the last response.
    pub time_to_head: Option<Duration>,
    /// From the start of the call to the first event of a stream, or to the first byte of another
    /// body.
    pub time_to_first_event: Option<Duration>,
    /// The number of events of a stream.
    pub events: u64,
    /// The size of the request bodies of all attempts, if it is known before they are sent.
    pub bytes_sent: u64,
    /// The number of bytes that were read from all response bodies.
    pub bytes_received: u64,
    /// The id of the generation, from the header `X-Generation-Id` or the response.
    pub generation_id: Option<&'a str>,
    /// The model that responded.
    pub model: Option<&'a str>,
    /// The provider that responded, such as `OpenAI`.
    pub provider: Option<&'a str>,
    /// Why the model stopped, for each choice, as the server sent it.
    pub finish_reasons: &'a [String],
    /// Tokens and cost.
    pub usage: CallUsage,
}

/// The tokens and the cost of a call, as far as the server reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallUsage {
    /// All input tokens, including those read from and written to a cache.
    pub input_tokens: Option<u64>,
    /// All output tokens, including those of reasoning.
    pub output_tokens: Option<u64>,
    /// The tokens of the input that were read from a cache.
    pub cache_read_tokens: Option<u64>,
    /// The tokens of the input that were written to a cache.
    pub cache_write_tokens: Option<u64>,
    /// The tokens of the output that are reasoning.
    pub reasoning_tokens: Option<u64>,
    /// What OpenRouter charges, exactly as it is written in the response.
    pub cost: Option<Usd>,
}

impl CallUsage {
    /// Returns the tokens of input and output together; 0 if the server reported none.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.unwrap_or_default().saturating_add(self.output_tokens.unwrap_or_default())
    }
}
