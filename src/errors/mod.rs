//! Errors: one [`Error`] for every call, whose variants are distinguished by what the caller can
//! do.
//!
//! Every message is one line that names what was called, if anything was, and says what to do. The
//! cause, if any, is the [`source`](std::error::Error::source); a message never repeats it. `Debug`
//! of an [`Error`], which is what a `main` that returns it prints, is the message with all its
//! causes. No error ever shows the API key. Up to 500 characters of server text are shown, with
//! control characters escaped.

mod api;
mod kind;
mod text;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

pub use api::{ApiError, Availability};
pub(crate) use api::{coding, is_page};
pub use kind::ApiErrorKind;
pub(crate) use text::{Chain, LONGEST, LONGEST_WORD, OneLine};

use crate::core::head::Head;
use crate::core::hidden;
pub(crate) use crate::core::transport::Cause;
use crate::core::transport::{TransportError, TransportErrorKind, advice};
use crate::core::wire::DecodeError;

/// How a missing API key is reported.
const KEY_ARGUMENT: &str = "api_key";
const MISSING_KEY: &str = "is not set, and this operation needs it; set it on the builder, or OPENROUTER_API_KEY in the \
                           environment and use `from_env`";

/// The error of a call.
///
/// The variants correspond to what the caller can do; each contains an opaque struct with the
/// details. The client has already retried the request if its
/// [`RetryConfig`](crate::core::RetryConfig) allows it for this error.
/// [`is_transient`](Error::is_transient) says whether retrying later may help, and
/// [`is_retryable`](Error::is_retryable) whether it also cannot repeat anything that may be
/// charged.
///
/// ```
/// use openrouter_kit::errors::{ApiErrorKind, Error};
///
/// fn advice(error: &Error) -> &'static str {
///     match error {
///         Error::Api(answer) if answer.kind() == ApiErrorKind::PaymentRequired => "buy credits",
///         Error::Api(_) => "read the message of the server",
///         Error::InvalidRequest(_) => "correct the program",
///         error if error.is_retryable() => "try again later",
///         _ => "report it",
///     }
/// }
/// ```
///
/// The message is for programmers: it begins with the function that was called, and names options and methods.
/// `{error:#}` is the same message without them, for the people who use the program.
#[non_exhaustive]
pub enum Error {
    /// The server responded with an error, by status or inside a response with status 200.
    Api(Box<ApiError>),
    /// No response arrived, or it was cut off.
    Connection(Box<ConnectionError>),
    /// A time limit expired; [`TimeoutError::phase`] says which.
    Timeout(Box<TimeoutError>),
    /// The runtime that owns the connection was shut down during the call.
    Cancelled(Box<CancelledError>),
    /// The request or an option of the client is invalid. Nothing was sent. (If this happens only
    /// on a retry, such as when a key source fails then, it is part of the error of the attempt
    /// before.)
    InvalidRequest(Box<InvalidRequestError>),
    /// The server reported success, but the response does not match the operation.
    ResponseValidation(Box<ResponseValidationError>),
    /// A hook rejected the call, or failed.
    Hook(Box<HookError>),
    /// Something that no other variant covers, such as a redirect.
    Unexpected(Box<UnexpectedError>),
}

impl Error {
    /// Returns the HTTP status of the response, if one arrived.
    ///
    /// An error that the server reports inside a successful response has the status of that
    /// response, usually 200; its [`ApiError::kind`] says what it is.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Api(error) => Some(error.status()),
            Self::ResponseValidation(error) => Some(error.status),
            Self::Unexpected(error) => error.status,
            _ => None,
        }
    }

    /// Returns the operation that failed, as the API names it (`createResponses`); `None` while a
    /// client is built.
    pub fn operation_id(&self) -> Option<&'static str> {
        self.call().operation_id
    }

    /// Returns how many attempts the call had made when it failed; 0 if it failed before the first
    /// one, such as for an invalid argument.
    ///
    /// For a stream or a download that had started, this counts the attempts it took to start.
    ///
    /// ```no_run
    /// # fn log(error: &openrouter_kit::Error) {
    /// println!("failed after {} attempts in {:?}: {error}", error.attempts(), error.elapsed());
    /// # }
    /// ```
    pub fn attempts(&self) -> u32 {
        self.call().attempts
    }

    /// Returns how long the call had taken when it failed, including all attempts and the waits
    /// between them.
    pub fn elapsed(&self) -> Duration {
        self.call().elapsed
    }

    /// Returns `true` if the same request may succeed later and sending it again is safe: it was
    /// not processed, or the operation is idempotent (GET, PUT, DELETE).
    ///
    /// For a POST it is `false` after a broken connection, after a timeout other than the one for
    /// connecting, after a status such as 504, and for an error inside a successful response: the
    /// server may have processed the request and charged for it.
    /// [`is_transient`](Self::is_transient) includes these.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// match client.chat().send(&request).await {
    ///     Err(error) if error.is_retryable() => println!("queue the request: {error}"),
    ///     Err(error) if error.is_transient() => println!("check what it cost before repeating it: {error}"),
    ///     outcome => println!("{:?}", outcome?.text()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_retryable(&self) -> bool {
        let may_be_processed = match self {
            Self::Api(error) => return error.is_retryable(),
            Self::Connection(error) => !error.is_unsent(),
            Self::Timeout(error) => !error.is_unsent(),
            _ => true,
        };
        self.is_transient() && (self.call().is_repeatable || !may_be_processed)
    }

    /// Returns `true` if the same request may succeed later: the server is overloaded or failing at
    /// the moment, or the network failed. Retrying may repeat work that is charged;
    /// [`is_retryable`](Self::is_retryable) excludes that.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api(error) => error.is_transient(),
            Self::Connection(error) => error.kind() != TransportErrorKind::Request,
            Self::Timeout(_) => true,
            _ => false,
        }
    }

    /// Returns `true` if the operation needs an API key and none is set.
    ///
    /// A key that the server refuses is an [`ApiError`] of the kind
    /// [`Unauthorized`](ApiErrorKind::Unauthorized). A text that cannot be a key, such as one with
    /// spaces, is another [`Error::InvalidRequest`].
    pub fn is_missing_key(&self) -> bool {
        matches!(self, Self::InvalidRequest(error) if error.argument == KEY_ARGUMENT && error.message == MISSING_KEY)
    }

    /// Returns `true` if the account has no credits left or the key has reached its spending limit,
    /// whatever status and code the server uses for it. Retrying does not help.
    pub fn is_out_of_credits(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_out_of_credits())
    }

    /// Returns `true` for [`Error::Timeout`].
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Returns `true` for [`Error::Connection`].
    pub const fn is_connection(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// Returns the error response of the server, if this is [`Error::Api`].
    ///
    /// ```no_run
    /// # fn limit(error: &openrouter_kit::Error) -> bool {
    /// error.as_api().is_some_and(|error| error.status() == 429)
    /// # }
    /// ```
    pub fn as_api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// An operation that needs an API key, without one.
    pub(crate) fn missing_key() -> Self {
        Self::invalid(KEY_ARGUMENT, MISSING_KEY)
    }

    /// Creates an error for an invalid request, parameter or option, named by `argument`.
    pub(crate) fn invalid(argument: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        InvalidRequestError::new(argument, message).into()
    }

    /// Returns the same error with the operation in which it occurred.
    pub(crate) fn of_operation(mut self, id: &'static str) -> Self {
        let call = self.call_mut();
        call.operation_id.get_or_insert(id);
        self
    }

    /// Adds the function that made the call.
    pub(crate) fn of_function(mut self, name: Option<&'static str>) -> Self {
        self.call_mut().function = name;
        self
    }

    /// Adds how often the call had sent its request, how long it had taken, and whether repeating
    /// it is safe.
    pub(crate) fn with_progress(mut self, attempts: u32, elapsed: Duration, is_repeatable: bool) -> Self {
        let call = self.call_mut();
        (call.attempts, call.elapsed, call.is_repeatable) = (attempts, elapsed, is_repeatable);
        self
    }

    /// Returns the same error, noting that the request would have been retried but for `error`.
    pub(crate) fn with_failed_repeat(mut self, error: Self) -> Self {
        self.call_mut().failed_repeat = Some(Box::new(error));
        self
    }

    /// Returns the same error, noting that the request would have been retried but for its body.
    pub(crate) fn with_spent_body(mut self) -> Self {
        self.call_mut().is_body_spent = true;
        self
    }

    fn call(&self) -> &CallInfo {
        match self {
            Self::Api(error) => &error.call,
            Self::Connection(error) => &error.call,
            Self::Timeout(error) => &error.call,
            Self::Cancelled(error) => &error.call,
            Self::InvalidRequest(error) => &error.call,
            Self::ResponseValidation(error) => &error.call,
            Self::Hook(error) => &error.call,
            Self::Unexpected(error) => &error.call,
        }
    }

    fn call_mut(&mut self) -> &mut CallInfo {
        match self {
            Self::Api(error) => &mut error.call,
            Self::Connection(error) => &mut error.call,
            Self::Timeout(error) => &mut error.call,
            Self::Cancelled(error) => &mut error.call,
            Self::InvalidRequest(error) => &mut error.call,
            Self::ResponseValidation(error) => &mut error.call,
            Self::Hook(error) => &mut error.call,
            Self::Unexpected(error) => &mut error.call,
        }
    }

    /// Makes the error hide the key that was sent, even if the server echoes it.
    pub(crate) fn hiding(mut self, authorization: Option<HeaderValue>) -> Self {
        if let Self::Api(error) = &mut self {
            error.authorization = authorization;
        }
        self
    }

    /// Converts a failure of the transport.
    pub(crate) fn from_transport(operation_id: &'static str, source: TransportError) -> Self {
        let call = CallInfo::of(operation_id);
        if source.kind() == TransportErrorKind::ConnectTimeout {
            let phase = TimeoutPhase::Connect;
            return TimeoutError { call, phase, limit: None, is_unsent: true, source: Some(source) }.into();
        }
        #[cfg(feature = "transport")]
        if crate::core::transport::runtime_is_gone(&source) {
            return CancelledError { call, source }.into();
        }
        ConnectionError { call, source }.into()
    }
}

impl fmt::Debug for Error {
    /// Prints the message and its causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Chain(self), f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Connection(error) => error.fmt(f),
            Self::Timeout(error) => error.fmt(f),
            Self::Cancelled(error) => error.fmt(f),
            Self::InvalidRequest(error) => error.fmt(f),
            Self::ResponseValidation(error) => error.fmt(f),
            Self::Hook(error) => error.fmt(f),
            Self::Unexpected(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Api(error) => error.source(),
            Self::Connection(error) => error.source(),
            Self::Timeout(error) => error.source(),
            Self::Cancelled(error) => error.source(),
            Self::InvalidRequest(error) => error.source(),
            Self::ResponseValidation(error) => error.source(),
            Self::Hook(error) => error.source(),
            Self::Unexpected(error) => error.source(),
        }
    }
}

/// Each detail converts into the variant that contains it.
macro_rules! variants {
    ($($variant:ident($detail:ident)),* $(,)?) => {$(
        impl From<$detail> for Error {
            fn from(detail: $detail) -> Self {
                Self::$variant(Box::new(detail))
            }
        }
    )*};
}

variants!(
    Api(ApiError),
    Connection(ConnectionError),
    Timeout(TimeoutError),
    Cancelled(CancelledError),
    InvalidRequest(InvalidRequestError),
    ResponseValidation(ResponseValidationError),
    Hook(HookError),
    Unexpected(UnexpectedError),
);

/// What an error knows about the call that failed.
#[derive(Debug, Default)]
struct CallInfo {
    /// `None` while a client is built.
    operation_id: Option<&'static str>,
    /// The function that made the call, if known.
    function: Option<&'static str>,
    attempts: u32,
    elapsed: Duration,
    /// The operation may be performed twice.
    is_repeatable: bool,
    /// Why the request could not be retried.
    failed_repeat: Option<Box<Error>>,
    /// The request was not retried because its body could be read only once.
    is_body_spent: bool,
}

impl CallInfo {
    const fn of(operation_id: &'static str) -> Self {
        Self {
            operation_id: Some(operation_id),
            function: None,
            attempts: 0,
            elapsed: Duration::ZERO,
            is_repeatable: false,
            failed_repeat: None,
            is_body_spent: false,
        }
    }

    /// Prints the start of every message: what was called, if known. Users of a program did not call it.
    fn begin(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return Ok(());
        }
        self.function.or(self.operation_id).map_or(Ok(()), |name| write!(f, "{name}: "))
    }

    /// Prints the end of every message: what happened with retries.
    fn end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts > 1 {
            write!(f, "; {} attempts were made in ", self.attempts)?;
            match self.elapsed.as_secs() {
                0 => write!(f, "{} ms", self.elapsed.as_millis())?,
                _ => write!(f, "{:.1} s", self.elapsed.as_secs_f64())?,
            }
        }
        if self.is_body_spent {
            f.write_str("; the request was not retried, since its body is a stream, which can be read only once")?;
        }
        if let Some(error) = &self.failed_repeat {
            write!(f, "; the request could not be retried: {}", Chain(&**error))?;
        }
        Ok(())
    }
}

/// No response arrived, or it was cut off.
///
/// The [`source`](StdError::source) is the cause in the [`TransportError`] of the transport, whose
/// kind is the [`kind`](Self::kind) of this error.
///
/// ```no_run
/// # fn log(error: openrouter_kit::Error) {
/// use openrouter_kit::Error;
///
/// match error {
///     Error::Connection(error) if error.is_unsent() => println!("nothing was sent: {error}"),
///     Error::Connection(error) if error.is_incomplete() => println!("the response was cut off: {error}"),
///     error => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectionError {
    call: CallInfo,
    source: TransportError,
}

impl ConnectionError {
    /// Creates the error of a response that ended before it was complete, although its connection
    /// closed properly.
    pub(crate) fn incomplete(operation_id: &'static str, why: &'static str) -> Self {
        Self { call: CallInfo::of(operation_id), source: TransportError::new(TransportErrorKind::Body, why) }
    }

    /// Returns how far the exchange had progressed.
    pub fn kind(&self) -> TransportErrorKind {
        self.source.kind()
    }

    /// Returns `true` if the server has not processed the request, so retrying is safe.
    pub fn is_unsent(&self) -> bool {
        self.source.is_unsent()
    }

    /// Returns `true` if the server may have received the request, and its response did not arrive
    /// whole.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.kind(), TransportErrorKind::Exchange | TransportErrorKind::Body)
    }

    /// Returns `true` if a response began to arrive and ended before it was complete. What was
    /// received until then is incomplete.
    pub fn is_incomplete(&self) -> bool {
        self.kind() == TransportErrorKind::Body
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.kind() {
            TransportErrorKind::Connect | TransportErrorKind::ConnectTimeout => {
                self.call.begin(f)?;
                let advice = advice(&self.source).unwrap_or("check the network, the proxy and the server URL");
                write!(f, "the connection could not be established; {advice}")?;
                return self.call.end(f);
            }
            TransportErrorKind::NotSent => "the connection closed before the request was sent; try again",
            TransportErrorKind::Exchange => {
                "the connection failed before the response arrived; the request may have been processed, so check \
                 before retrying"
            }
            TransportErrorKind::Body if self.call.is_repeatable => {
                "the response was cut off before its end, so what arrived is incomplete; try again"
            }
            TransportErrorKind::Body => {
                "the response was cut off before its end, so what arrived is incomplete; it may be charged, so check before \
                 retrying"
            }
            TransportErrorKind::Request if f.alternate() => "this request cannot be sent; check the server URL",
            TransportErrorKind::Request => {
                "the transport cannot send this request; check the server URL and the features"
            }
        };
        self.call.begin(f)?;
        f.write_str(text)?;
        self.call.end(f)
    }
}

impl StdError for ConnectionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

/// Which time limit expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// The limit for making a connection. The server has not received the request.
    Connect,
    /// The limit for the head of the response. The server may have received the request.
    Response,
    /// The limit between two chunks of a body.
    Idle,
    /// The limit between two events of a stream: only keep-alives arrived.
    Event,
    /// The limit for code of the program: a hook, the source of the API key, or opening a file to
    /// upload.
    Hook,
    /// The limit for the whole call with its retries.
    Total,
}

/// A time limit expired.
///
/// ```no_run
/// # fn log(error: openrouter_kit::Error) {
/// use openrouter_kit::Error;
///
/// if let Error::Timeout(error) = error {
///     println!("{:?} expired after {:?}", error.phase(), error.limit());
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct TimeoutError {
    call: CallInfo,
    phase: TimeoutPhase,
    limit: Option<Duration>,
    is_unsent: bool,
    source: Option<TransportError>,
}

impl TimeoutError {
    pub(crate) const fn new(operation_id: &'static str, phase: TimeoutPhase, limit: Duration) -> Self {
        Self { call: CallInfo::of(operation_id), phase, limit: Some(limit), is_unsent: false, source: None }
    }

    /// Records that the request was still waiting for a connection.
    pub(crate) const fn while_connecting(mut self, is_connecting: bool) -> Self {
        self.is_unsent = is_connecting;
        self
    }

    /// Returns which limit expired.
    pub const fn phase(&self) -> TimeoutPhase {
        self.phase
    }

    /// Returns `true` if the server has not received the request, so retrying is safe: the request
    /// was still waiting for a connection.
    pub const fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// Returns how long the limit was; `None` if the transport has its own and does not report it.
    pub const fn limit(&self) -> Option<Duration> {
        self.limit
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, option) = match self.phase {
            TimeoutPhase::Connect => {
                ("the connection was not established", "check the network or raise `connect_timeout`")
            }
            TimeoutPhase::Response if self.is_unsent => {
                ("the connection was not established", "check the network or raise `response_timeout`")
            }
            TimeoutPhase::Response => ("the response did not start", "raise `response_timeout` for slow models"),
            TimeoutPhase::Idle => ("the response stopped arriving", "try again or raise `idle_timeout`"),
            TimeoutPhase::Event => ("no event of the stream arrived", "try again or raise `event_timeout`"),
            TimeoutPhase::Hook => (
                "a hook, the API key source or opening a file did not finish",
                "raise `hook_timeout` if it may take longer",
            ),
            TimeoutPhase::Total => ("the call did not end", "raise `timeout`"),
        };
        self.call.begin(f)?;
        // Whoever uses a program does not know its options.
        let option = match self.phase {
            _ if !f.alternate() => option,
            TimeoutPhase::Connect => "check the network",
            _ => "try again, or allow more time",
        };
        match self.limit {
            Some(limit) => write!(f, "{what} within {limit:?}; {option}")?,
            None => write!(f, "{what} in time; {option}")?,
        }
        self.call.end(f)
    }
}

impl StdError for TimeoutError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().and_then(StdError::source)
    }
}

/// The runtime that owns the connection was shut down during the call.
///
/// A connection belongs to the Tokio runtime it was made in, and ends with it. A client may be used
/// in several runtimes, one after another or concurrently; each has its own connections.
#[derive(Debug)]
pub struct CancelledError {
    call: CallInfo,
    source: TransportError,
}

impl fmt::Display for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        f.write_str(
            "the Tokio runtime that owns the connection was shut down; keep it running until its responses are read",
        )?;
        self.call.end(f)
    }
}

impl StdError for CancelledError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

/// The request or an option of the client is invalid. Nothing was sent.
///
/// ```
/// use openrouter_kit::{Error, OpenRouter};
///
/// let Err(Error::InvalidRequest(error)) = OpenRouter::builder().server_url("example.com/v1").build() else {
///     panic!("the URL has no scheme");
/// };
/// assert_eq!(error.argument(), "server_url");
/// ```
#[derive(Debug)]
pub struct InvalidRequestError {
    call: CallInfo,
    argument: &'static str,
    message: Cow<'static, str>,
    source: Option<Cause>,
}

impl InvalidRequestError {
    pub(crate) fn new(argument: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { call: CallInfo::default(), argument, message: message.into(), source: None }
    }

    #[inline]
    pub(crate) fn caused_by(self, source: impl Into<Cause>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Returns the name of the invalid option, parameter or header.
    pub const fn argument(&self) -> &'static str {
        self.argument
    }
}

impl fmt::Display for InvalidRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        write!(f, "`{}` {}", self.argument, OneLine::new(&self.message, LONGEST, ""))?;
        self.call.end(f)
    }
}

impl StdError for InvalidRequestError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// The server reported success, but the response does not match the operation.
///
/// [`body`](ResponseValidationError::body) has the response, whole unless
/// [`is_truncated`](ResponseValidationError::is_truncated).
///
/// ```no_run
/// # fn log(error: openrouter_kit::Error) {
/// use openrouter_kit::Error;
///
/// if let Error::ResponseValidation(error) = error {
///     println!("{} at `{}`: {} bytes", error.status(), error.path(), error.body().len());
/// }
/// # }
/// ```
pub struct ResponseValidationError {
    call: CallInfo,
    extent: Extent,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    path: String,
    source: Cause,
}

impl ResponseValidationError {
    pub(crate) fn new(head: Head, body: Bytes, path: &str, source: Cause) -> Self {
        // The path is part of this error.
        let source = source.downcast::<DecodeError>();
        let message = |error: Box<DecodeError>| OneLine::new(error.message(), LONGEST, "").to_string();
        let source = source.map_or_else(|other| other, |error| message(error).into());
        let Head { operation_id, status, headers } = head;
        let extent = Extent::Whole;
        Self { call: CallInfo::of(operation_id), extent, status, headers, body, path: path.to_owned(), source }
    }

    /// Records how much of the response its body is.
    pub(crate) fn with_extent(self, extent: Extent) -> Self {
        Self { extent, ..self }
    }

    /// Returns the path of the mismatch in the JSON (`choices[0].delta.content`); empty for the
    /// whole value.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the raw body; for a stream, the data of the one event. It may be
    /// [truncated](Self::is_truncated).
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns `true` if [`body`](Self::body) is not the whole response: it has at most the
    /// beginning of a response that exceeds a size limit or did not arrive whole, and nothing of an
    /// event that exceeds `max_event`.
    pub const fn is_truncated(&self) -> bool {
        !matches!(self.extent, Extent::Whole)
    }

    /// Returns the status of the response.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers of the response.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// How much of a response an error contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// As much as arrived, or as much as is kept of an error.
    Beginning,
    /// Less, since it exceeds this option.
    Exceeds(&'static str),
}

impl fmt::Debug for ResponseValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseValidationError")
            .field("call", &self.call)
            .field("status", &self.status)
            .field("path", &OneLine::new(&hidden::text(&self.path), LONGEST_WORD, "path()"))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("extent", &self.extent)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ResponseValidationError {
    /// Prints the start of an HTML page or of text, but nothing of JSON or events, which may be
    /// model output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        if let Extent::Exceeds(option) = self.extent {
            if f.alternate() {
                f.write_str("the response is larger than this program accepts")?;
                return self.call.end(f);
            }
            write!(f, "the response exceeds `{option}`; raise that option to accept it")?;
            return self.call.end(f);
        }
        let body = if self.is_truncated() { "`body()` for its beginning" } else { "`body()`" };
        let foreign = api::foreign_text(&self.headers, &self.body);
        if self.body.trim_ascii().is_empty() {
            f.write_str("the response body is empty")?;
        } else if let Some(coding) = coding(&self.headers) {
            write!(f, "the response body is compressed ({})", OneLine::new(coding, LONGEST_WORD, ""))?;
        } else if foreign.is_some() {
            f.write_str("the response is not from the API")?;
        } else {
            f.write_str("the response does not match the operation")?;
        }
        if !self.path.is_empty() {
            write!(f, ", at `{}`", OneLine::new(&hidden::text(&self.path), LONGEST_WORD, "path()"))?;
        }
        match foreign {
            Some(text) => {
                f.write_str("; check the server URL and whether it requires a login; the response starts with ")?;
                let whole = if f.alternate() { "" } else { "body()" };
                OneLine::new(&hidden::text(&text), LONGEST_WORD, whole).fmt(f)?;
            }
            None if self.body.trim_ascii().is_empty() => {
                f.write_str("; check the server URL and any proxy or gateway in between")?
            }
            None if f.alternate() => f.write_str("; a newer version of this program may know it")?,
            None if self.path.is_empty() => write!(f, "; see {body}")?,
            None => write!(f, "; see {body}, or try a newer version of this crate")?,
        }
        self.call.end(f)
    }
}

impl StdError for ResponseValidationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// A hook rejected the call, or failed. It is created by hooks; the [`source`](StdError::source) is
/// their cause.
///
/// ```
/// use openrouter_kit::errors::HookError;
///
/// let refusal = HookError::new("this program may not use image models");
/// assert!(std::error::Error::source(&refusal).is_some());
/// ```
#[derive(Debug)]
pub struct HookError {
    call: CallInfo,
    source: Cause,
}

impl HookError {
    /// Creates an error with its cause, which may be text.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { call: CallInfo::default(), source: source.into() }
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        f.write_str(match f.alternate() {
            true => "the program stopped the call",
            false => "a hook stopped the call; see the source of this error",
        })?;
        self.call.end(f)
    }
}

impl StdError for HookError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// Something that no other variant of [`Error`] covers, such as a redirect.
#[derive(Debug)]
pub struct UnexpectedError {
    call: CallInfo,
    status: Option<StatusCode>,
    message: String,
    source: Option<Cause>,
}

impl UnexpectedError {
    pub(crate) fn status(operation_id: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self { call: CallInfo::of(operation_id), status: Some(status), message: message.into(), source: None }
    }

    pub(crate) fn new(
        operation_id: impl Into<Option<&'static str>>,
        message: impl Into<String>,
        source: impl Into<Cause>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::without_source(operation_id, message) }
    }

    pub(crate) fn without_source(operation_id: impl Into<Option<&'static str>>, message: impl Into<String>) -> Self {
        let call = CallInfo { operation_id: operation_id.into(), ..CallInfo::default() };
        Self { call, status: None, message: message.into(), source: None }
    }
}

impl fmt::Display for UnexpectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        OneLine::new(&self.message, LONGEST, "").fmt(f)?;
        self.call.end(f)
    }
}

impl StdError for UnexpectedError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
