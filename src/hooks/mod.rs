//! Code of the program that runs around every attempt to send a request.
//!
//! A [`Hook`] is added to a client with [`hook`](crate::core::ClientBuilder::hook); several run in the order in
//! which they were added. A client without hooks pays nothing for them.
//!
//! # When each point is reached
//!
//! ```text
//! build()      sdk_init
//! attempt 1    before_create_request → (API key is added) → before_request → the request is sent
//!              → an answer with a success status (2xx)                      → after_success
//!              → any other answer, no answer, or a body that breaks off     → after_error
//! attempt 2    the same again, if the retry configuration allows it
//! ```
//!
//! # What holds for all points
//!
//! - They are reached **on every attempt** of every call, retries included; [`HookContext::attempt`] counts them from 1.
//! - They run one after the other in the order in which the hooks were added, and each sees what the one before it left.
//! - **A hook that fails** (`Err` of [`HookError`]) ends the call with [`Error::Hook`]: the hooks after it are not asked,
//!   [`after_error`](Hook::after_error) is not called, the call is not retried, and if the request was not sent yet, it never is.
//! - Mistakes in the arguments of a call are found before the first hook, and no hook is asked.
//! - An answer with a success status whose body turns out to be an error or not to fit its type has passed
//!   [`after_success`](Hook::after_success); [`after_error`](Hook::after_error) does not see it.
//! - The time limit of the whole call includes the hooks; the others do not.
//! - Values of headers that may hold a secret are marked as sensitive, whichever hook set them, so that `Debug` of a request
//!   or response does not print them.

mod chain;

use std::fmt;
use std::future::{Future, ready};
use std::io::Write;
use std::pin::Pin;
use std::time::Duration;

use crate::core::time::Instant;
use http::header::HeaderMap;
use http::{Extensions, Request, Response, Uri};

pub(crate) use self::chain::Hooks;
use crate::core::body::Body;
use crate::core::hidden::{self, Headers};
use crate::core::operation::OperationRef;
use crate::core::{ClientConfig, Operation, RetryConfig, Timeouts};
use crate::errors::{Chain, Error, HookError, LONGEST, OneLine};

/// What the methods of a [`Hook`] answer with: a boxed future.
pub type HookFuture<'a, T, E = HookError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Code that runs around every attempt to send a request. Every method has a default that does nothing.
///
/// See the [module](self) for the order of the points and what holds for all of them.
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
/// Refuse by policy:
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
    /// **When:** once, in `build()`, once the options are valid.
    /// **May:** change the configuration of the client, wrap its transport. What it sets is checked afterwards.
    /// **On failure:** `build()` fails with [`Error::Hook`].
    ///
    /// # Errors
    /// Whatever the hook refuses.
    fn sdk_init(&self, config: &mut ClientConfig) -> Result<(), HookError> {
        let _ = config;
        Ok(())
    }

    /// **When:** on every attempt, before the HTTP request is made and before the API key is added.
    /// **May:** change URL, headers and body. If the URL then has another origin (scheme, host, port) than the server
    /// URL, the API key is not added.
    /// **On failure:** nothing is sent, the call fails with [`Error::Hook`].
    ///
    /// # Errors
    /// Whatever the hook refuses.
    fn before_create_request<'a>(
        &'a self,
        context: &'a HookContext,
        input: &'a mut RequestInput,
    ) -> HookFuture<'a, ()> {
        let _ = (context, input);
        Box::pin(ready(Ok(())))
    }

    /// **When:** on every attempt, last before sending; the request is complete, with the API key.
    /// **May:** change everything, sign it. If the URL then has another origin than before, the API key of the client is
    /// removed again.
    /// **On failure:** nothing is sent, the call fails with [`Error::Hook`].
    ///
    /// # Errors
    /// Whatever the hook refuses.
    fn before_request<'a>(&'a self, context: &'a HookContext, request: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        let _ = (context, request);
        Box::pin(ready(Ok(())))
    }

    /// **When:** on every attempt that is answered with a success status (2xx), before the body is read.
    /// **May:** replace the answer, wrap its body ([`Body::wrap`]), or refuse it. An answer that is replaced by one with
    /// another status counts as that failure: the retry configuration applies, [`after_error`](Self::after_error) is not
    /// asked.
    /// **On failure:** the call fails with [`Error::Hook`]; the connection is closed.
    ///
    /// # Errors
    /// Whatever the hook refuses.
    fn after_success<'a>(
        &'a self,
        context: &'a HookContext,
        response: Response<Body>,
    ) -> HookFuture<'a, Response<Body>> {
        let _ = context;
        Box::pin(ready(Ok(response)))
    }

    /// **When:** on every attempt that fails: `Ok` holds an answer with another status than success, its body read up to
    /// the limit for error bodies and at hand ([`Body::as_bytes`]); `Err` holds the error when there was no answer or the
    /// body of a unary answer broke off.
    /// **May:** answer with the same, with another answer or another error. An answer with a success status makes the
    /// attempt succeed, and the hooks after it are not asked. Whether to try again is then decided by what the last hook
    /// answered: by the status, or by the error.
    /// **On failure:** with [`Error::Hook`] (a [`HookError`] becomes one with `?`) the call fails with it; the hooks after
    /// it are not asked.
    ///
    /// # Errors
    /// The error it was given, or another.
    fn after_error<'a>(
        &'a self,
        context: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        let _ = context;
        Box::pin(ready(failure))
    }
}

/// What a request will be made from; see [`Hook::before_create_request`].
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
    /// Prints neither the query of the URL, nor the values of headers that may hold a secret, nor the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestInput")
            .field("url", &format_args!("{}", hidden::url(&self.url.to_string())))
            .field("headers", &Headers(&self.headers))
            .field("body", &self.body)
            .finish()
    }
}

/// Which attempt of which call a hook runs for.
#[derive(Debug)]
pub struct HookContext {
    operation: OperationRef,
    base_url: String,
    retry_config: RetryConfig,
    timeouts: Timeouts,
    is_stream: bool,
    wants_metadata: bool,
    extensions: Extensions,
    attempt: u32,
    began: Instant,
}

impl HookContext {
    pub(crate) fn new(
        operation: OperationRef,
        base_url: String,
        retry_config: RetryConfig,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            operation,
            base_url,
            retry_config,
            timeouts,
            is_stream: false,
            wants_metadata: false,
            extensions: Extensions::new(),
            attempt: 0,
            began: Instant::now(),
        }
    }

    pub(crate) fn with_call(mut self, is_stream: bool, wants_metadata: bool, extensions: Extensions) -> Self {
        (self.is_stream, self.wants_metadata, self.extensions) = (is_stream, wants_metadata, extensions);
        self
    }

    pub(crate) fn begin(&mut self, attempt: u32) {
        self.attempt = attempt;
        self.began = Instant::now();
    }

    /// Returns the name of the operation in the API document (`createResponses`), or `request` for a request made with
    /// [`OpenRouter::request`](crate::OpenRouter::request).
    pub fn operation_id(&self) -> &'static str {
        self.operation.id()
    }

    /// Returns the operation, with its method and path.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Which attempt this is, from 1.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How long ago this attempt began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The server URL of this call.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The retry configuration of this call.
    pub const fn retry_config(&self) -> &RetryConfig {
        &self.retry_config
    }

    /// The time limits of this call.
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Returns `true` if the call expects a stream of events.
    pub const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Returns `true` if the call requests `openrouter_metadata`.
    pub const fn wants_metadata(&self) -> bool {
        self.wants_metadata
    }

    /// Returns the value of type `T` that was attached to the call with
    /// [`Call::extension`](crate::core::Call::extension).
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }
}

/// Writes one line to standard error for each attempt: method, URL, status, time. Never a header, a key or a body.
#[derive(Debug)]
pub(crate) struct DebugLog;

impl DebugLog {
    fn write(context: &HookContext, outcome: &dyn fmt::Display) {
        let operation = context.operation();
        let (url, attempt, elapsed) = (context.base_url(), context.attempt(), context.elapsed());
        let (method, path) = (operation.method(), operation.path());
        let name = operation.function().unwrap_or(operation.id());
        let line = format!("openrouter: {name} attempt {attempt}: {method} {url}{path}: {outcome} after {elapsed:?}");
        // A failed log write must not affect the call. Error causes also come from hooks and transports, and may
        // contain anything.
        let _ = writeln!(std::io::stderr(), "{}", OneLine::new(&hidden::text(&line), 4 * LONGEST, ""));
    }
}

impl Hook for DebugLog {
    fn after_success<'a>(
        &'a self,
        context: &'a HookContext,
        response: Response<Body>,
    ) -> HookFuture<'a, Response<Body>> {
        Self::write(context, &response.status());
        Box::pin(ready(Ok(response)))
    }

    fn after_error<'a>(
        &'a self,
        context: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        match &failure {
            Ok(response) => Self::write(context, &response.status()),
            Err(error) => Self::write(context, &Chain(error)),
        }
        Box::pin(ready(failure))
    }
}
