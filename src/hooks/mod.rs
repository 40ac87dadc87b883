//! Code of the program that runs around every attempt to send a request, and code that observes how
//! calls end.
//!
//! A [`Hook`] is added to a client with [`hook`](crate::core::ClientBuilder::hook); several run in
//! the order in which they were added. Without hooks, a client has no overhead for them.
//!
//! # When each point is reached
//!
//! ```text
//! build()      sdk_init
//! attempt 1    before_create_request → (API key is added) → before_request → the request is sent
//!              → a response with a success status (2xx)                     → after_success
//!              → anything else that ends the attempt                        → after_error
//! attempt 2    the same again, if the retry configuration allows it
//! the end      call_end, if the hook has an observer
//! ```
//!
//! # What holds for all points
//!
//! - They are reached **on every attempt** of every call, retries included;
//!   [`HookContext::attempt`] counts them from 1.
//! - They run one after the other in the order in which the hooks were added, and each sees the
//!   changes of those before it.
//! - **A hook that saw an attempt begin also sees it end**: if it was called in
//!   [`before_create_request`](Hook::before_create_request), it is called in
//!   [`after_success`](Hook::after_success) or [`after_error`](Hook::after_error), even if the API
//!   key source, another hook or the time limit of the whole call ends the attempt. Only a call
//!   that the program drops ends without them; an [`Observer`] sees that too.
//! - **A hook that fails** (returns [`HookError`]) ends the call with [`Error::Hook`]: the call is
//!   not retried, and if the request was not sent yet, it never is. The hooks after it are not
//!   called at this point.
//! - **A hook that takes too long** ends the call with [`Error::Timeout`], as if it had failed
//!   ([`Timeouts::hook`](crate::core::Timeouts::hook), 10 minutes by default).
//! - Errors in the arguments of a call are reported before the first hook, and no hook is called.
//! - A response with a success status whose body turns out to be an error or does not match its
//!   type has passed [`after_success`](Hook::after_success); [`after_error`](Hook::after_error) is
//!   not called for it, but [`call_end`](Observer::call_end) is.
//! - The time limit of the whole call includes the hooks; those for connecting, the response and
//!   its body do not. Once it has expired, hooks have one more second to finish.
//! - Values of headers that may hold a secret are marked as sensitive, whichever hook set them, so
//!   that `Debug` of a request or response does not print them.

mod call;
mod chain;
#[cfg(feature = "tracing")]
mod content;
mod context;
mod debug_log;
mod limiter;
mod observer;
mod report;
#[cfg(all(feature = "agent", not(feature = "tracing")))]
#[path = "no_tracing.rs"]
mod tracing;
#[cfg(feature = "tracing")]
mod tracing;

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;

use http::header::HeaderMap;
use http::{Request, Response, Uri};

pub(crate) use self::call::ObservedCall;
pub(crate) use self::chain::Hooks;
pub use self::context::HookContext;
pub(crate) use self::debug_log::DebugLog;
pub use self::limiter::Limiter;
pub use self::observer::{CallEnd, CallUsage, Observer, Outcome, Retry, RetryReason};
#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;
#[cfg(feature = "agent")]
pub(crate) use self::tracing::{in_agent_span, in_tool_span};
use crate::core::ClientConfig;
use crate::core::body::Body;
use crate::core::hidden::{self, Headers};
use crate::errors::{Error, HookError};

/// The boxed future that the methods of a [`Hook`] return.
pub type HookFuture<'a, T, E = HookError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Code that runs around every attempt to send a request. Every method has a default that does
/// nothing.
///
/// See the [module](self) for the order of the points and the rules for all of them.
///
/// Add a header:
///
/// ```
/// use openrouter_kit::core::body::Body;
/// use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
/// use openrouter_kit::http;
///
/// #[derive(Debug)]
/// struct Tenant(http::HeaderValue);
///
/// impl Hook for Tenant {
///     fn before_request<'a>(
///         &'a self,
///         _: &'a HookContext,
///         request: &'a mut http::Request<Body>,
///     ) -> HookFuture<'a, ()> {
///         request.headers_mut().insert("x-tenant", self.0.clone());
///         Box::pin(async { Ok(()) })
///     }
/// }
/// ```
///
/// Measure time:
///
/// ```
/// use openrouter_kit::core::body::Body;
/// use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
/// use openrouter_kit::http;
///
/// #[derive(Debug)]
/// struct Timing;
///
/// impl Hook for Timing {
///     fn after_success<'a>(
///         &'a self,
///         context: &'a HookContext,
///         response: http::Response<Body>,
///     ) -> HookFuture<'a, http::Response<Body>> {
///         println!("{} answered after {:?}", context.operation_id(), context.elapsed());
///         Box::pin(async { Ok(response) })
///     }
/// }
/// ```
///
/// Reject by policy:
///
/// ```
/// use openrouter_kit::errors::HookError;
/// use openrouter_kit::hooks::{Hook, HookContext, HookFuture, RequestInput};
///
/// #[derive(Debug)]
/// struct NoStreams;
///
/// impl Hook for NoStreams {
///     fn before_create_request<'a>(
///         &'a self,
///         context: &'a HookContext,
///         _: &'a mut RequestInput,
///     ) -> HookFuture<'a, ()> {
///         let refused = context.is_stream();
///         Box::pin(async move {
///             if refused { Err(HookError::new("streams are not allowed here")) } else { Ok(()) }
///         })
///     }
/// }
/// ```
///
/// Record to a file:
///
/// ```
/// use std::io::Write;
/// use std::sync::Mutex;
/// use openrouter_kit::core::body::Body;
/// use openrouter_kit::errors::{Error, HookError};
/// use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
/// use openrouter_kit::http;
///
/// #[derive(Debug)]
/// struct Record(Mutex<std::fs::File>);
///
/// impl Hook for Record {
///     fn after_error<'a>(
///         &'a self,
///         context: &'a HookContext,
///         failure: Result<http::Response<Body>, Error>,
///     ) -> HookFuture<'a, http::Response<Body>, Error> {
///         let line = match &failure {
///             Ok(response) => format!("{} {}", context.operation_id(), response.status()),
///             Err(error) => error.to_string(),
///         };
///         Box::pin(async move {
///             let mut file = self.0.lock().map_err(|_| HookError::new("the recorder is broken"))?;
///             writeln!(file, "{line}").map_err(HookError::new)?;
///             failure
///         })
///     }
/// }
/// ```
pub trait Hook: Send + Sync + fmt::Debug + 'static {
    /// - **When:** once, in `build()`, once the options are valid.
    /// - **May:** change the configuration of the client, wrap its transport. Its changes are
    ///   validated afterwards.
    /// - **On failure:** `build()` fails with [`Error::Hook`].
    ///
    /// # Errors
    /// Any error rejects the configuration.
    fn sdk_init(&self, config: &mut ClientConfig) -> Result<(), HookError> {
        let _ = config;
        Ok(())
    }

    /// - **When:** on every attempt, before the HTTP request is made and before the API key is
    ///   added.
    /// - **May:** change URL, headers and body. If the URL then has another origin (scheme, host,
    ///   port) than the server URL, the API key is not added.
    /// - **On failure:** nothing is sent, the call fails with [`Error::Hook`].
    ///
    /// # Errors
    /// Any error stops the call.
    fn before_create_request<'a>(
        &'a self,
        context: &'a HookContext,
        input: &'a mut RequestInput,
    ) -> HookFuture<'a, ()> {
        let _ = (context, input);
        Box::pin(ready(Ok(())))
    }

    /// - **When:** on every attempt, last before sending; the request is complete, with the API
    ///   key.
    /// - **May:** change everything, sign it. If the URL then has another origin than before, the
    ///   API key of the client is removed again.
    /// - **On failure:** nothing is sent, the call fails with [`Error::Hook`].
    ///
    /// # Errors
    /// Any error stops the call.
    fn before_request<'a>(&'a self, context: &'a HookContext, request: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        let _ = (context, request);
        Box::pin(ready(Ok(())))
    }

    /// - **When:** on every attempt whose response has a success status (2xx), before the body is
    ///   read. The response may also be one that a hook before this one returned instead of a
    ///   failure.
    /// - **May:** replace the response, wrap its body ([`Body::wrap`]), or reject it. A response
    ///   that is replaced by one with another status counts as that failure: the retry
    ///   configuration applies, [`after_error`](Self::after_error) is not called.
    /// - **On failure:** the call fails with [`Error::Hook`]; the connection is closed.
    ///
    /// # Errors
    /// Any error stops the call.
    fn after_success<'a>(
        &'a self,
        context: &'a HookContext,
        response: Response<Body>,
    ) -> HookFuture<'a, Response<Body>> {
        let _ = context;
        Box::pin(ready(Ok(response)))
    }

    /// - **When:** on every attempt that fails after this hook saw it begin. `Ok` has a response
    ///   without a success status, its body read into memory up to the limit for error bodies
    ///   ([`Body::as_bytes`]). `Err` has the error if there was no response, the body of a unary
    ///   response was cut off, a time limit expired, or the API key source or another hook failed.
    /// - **May:** return the same, another response or another error. A response with a success
    ///   status makes the attempt succeed, and the hooks after it are called in
    ///   [`after_success`](Self::after_success). Whether to retry is then decided by what the last
    ///   hook returned: by the status, or by the error.
    /// - **On failure:** with [`Error::Hook`] (`?` converts a [`HookError`]) the call fails with
    ///   it, unless a hook after it returns something else.
    ///
    /// # Errors
    /// The error of the attempt, or another one.
    fn after_error<'a>(
        &'a self,
        context: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        let _ = context;
        Box::pin(ready(failure))
    }

    /// Returns the observer of this hook, which sees how calls progress and end: usually
    /// `Some(self)`. Called several times for each call. If no hook has an observer, the client
    /// does not inspect responses for them.
    fn observer(&self) -> Option<&dyn Observer> {
        None
    }
}

/// What a request is made from; see [`Hook::before_create_request`].
#[non_exhaustive]
pub struct RequestInput {
    /// The whole URL with its query.
    pub url: Uri,
    /// The headers, without the API key.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl RequestInput {
    pub(crate) const fn new(url: Uri, headers: HeaderMap, body: Body) -> Self {
        Self { url, headers, body }
    }
}

impl fmt::Debug for RequestInput {
    /// Prints neither the query of the URL, nor the values of headers that may hold a secret, nor
    /// the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestInput")
            .field("url", &format_args!("{}", hidden::url(&self.url.to_string())))
            .field("headers", &Headers(&self.headers))
            .field("body", &self.body)
            .finish()
    }
}
