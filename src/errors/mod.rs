//! What can go wrong: one [`Error`] for every call, told apart by what the caller can do about it.
//!
//! Every message is one line that names what was called, if anything was, and says what to do. The cause, if any, is the
//! [`source`](std::error::Error::source); a message never repeats it. `Debug` of an [`Error`], which is what a `main`
//! that returns it prints, is the message with all its causes. No error ever shows the API key. Up to 500 characters of
//! server text are shown, with control characters escaped.

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

/// Why a call failed.
///
/// The variants say what the caller can do; each holds an opaque struct with the details. The client has already repeated
/// the request if its [`RetryConfig`](crate::core::RetryConfig) allows it for this error. Whether repeating it later may
/// help is told by [`is_transient`](Error::is_transient); whether it is also certain to repeat nothing that may be charged,
/// by [`is_retryable`](Error::is_retryable).
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
    /// No answer came, or it broke off.
    Connection(Box<ConnectionError>),
    /// A time limit ran out; [`TimeoutError::phase`] says which.
    Timeout(Box<TimeoutError>),
    /// The runtime that the connection was made in was shut down during the call.
    Cancelled(Box<CancelledError>),
    /// The request or an option of the client is wrong. Nothing was sent. (What is wrong only with a further attempt, such
    /// as a key source that fails then, is told by the error of the attempt before it.)
    InvalidRequest(Box<InvalidRequestError>),
    /// The server reported success, but the response does not match the operation.
    ResponseValidation(Box<ResponseValidationError>),
    /// A hook refused or failed.
    Hook(Box<HookError>),
    /// Something that no other variant covers, such as a redirect.
    Unexpected(Box<UnexpectedError>),
}

impl Error {
    /// The HTTP status of the answer, if one came.
    ///
    /// An error that the server reports inside a successful answer has the status of that answer, usually 200; its
    /// [`ApiError::kind`] says what it is.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Api(error) => Some(error.status()),
            Self::ResponseValidation(error) => Some(error.status),
            Self::Unexpected(error) => error.status,
            _ => None,
        }
    }

    /// The operation that failed, as the API names it (`createResponses`); `None` while a client is built.
    pub fn operation_id(&self) -> Option<&'static str> {
        self.call().operation_id
    }

    /// How many attempts the call had made when it failed; 0 if it failed before the first one, such as for an invalid
    /// argument.
    ///
    /// For a stream or a download that had started, this counts the attempts it took to start.
    pub fn attempts(&self) -> u32 {
        self.call().attempts
    }

    /// How long the call had taken when it failed, including all attempts and the waits between them.
    pub fn elapsed(&self) -> Duration {
        self.call().elapsed
    }

    /// Returns `true` if the same request may succeed later and sending it again is safe: it was not processed, or the
    /// operation is idempotent (GET, PUT, DELETE).
    ///
    /// For a POST it is `false` after a broken connection, after a timeout other than the one for connecting, after a
    /// status such as 504, and for an error inside a successful response: the server may have done the work and charged
    /// for it. [`is_transient`](Self::is_transient) includes these.
    pub fn is_retryable(&self) -> bool {
        let may_be_processed = match self {
            Self::Api(error) => return error.is_retryable(),
            Self::Connection(error) => !error.is_unsent(),
            Self::Timeout(error) => !error.is_unsent(),
            _ => true,
        };
        self.is_transient() && (self.call().is_repeatable || !may_be_processed)
    }

    /// Returns `true` if the same request may succeed later: the server is busy or broken at the moment, or the network
    /// failed. Sending it again may repeat work that is charged; [`is_retryable`](Self::is_retryable) excludes that.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api(error) => error.is_transient(),
            Self::Connection(error) => error.kind() != TransportErrorKind::Request,
            Self::Timeout(_) => true,
            _ => false,
        }
    }

    /// Returns `true` if the operation needs an API key and none is set. A key that is set but is not accepted is an
    /// [`ApiError`] of the kind [`Unauthorized`](ApiErrorKind::Unauthorized); one that cannot be a key, such as a text with
    /// spaces, is another [`Error::InvalidRequest`].
    pub fn is_missing_key(&self) -> bool {
        matches!(self, Self::InvalidRequest(error) if error.argument == KEY_ARGUMENT && error.message == MISSING_KEY)
    }

    /// Returns `true` if the account has no credits left or the key has reached its spending limit, whatever status and
    /// word the server uses for it. Repeating the request does not help.
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

    /// The answer of the server, if this is [`Error::Api`].
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

    /// An invalid request, parameter or option, named by `argument`.
    pub(crate) fn invalid(argument: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        InvalidRequestError::new(argument, message).into()
    }

    /// The same error, told of the operation it happened in.
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

    /// Adds how often the call had sent its request, how long it had taken, and whether repeating it is safe.
    pub(crate) fn with_progress(mut self, attempts: u32, elapsed: Duration, is_repeatable: bool) -> Self {
        let call = self.call_mut();
        (call.attempts, call.elapsed, call.is_repeatable) = (attempts, elapsed, is_repeatable);
        self
    }

    /// The same error, which says that the request would have been sent again but for `error`.
    pub(crate) fn with_failed_repeat(mut self, error: Self) -> Self {
        self.call_mut().failed_repeat = Some(Box::new(error));
        self
    }

    /// The same error, which says that the request would have been sent again but for its body.
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

    /// What a failure of the transport means for the caller.
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
    /// The message and its causes, on one line.
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

/// Each detail becomes the variant that holds it.
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

/// What an error says about the call that failed.
#[derive(Debug, Default)]
struct CallInfo {
    /// `None` while a client is built.
    operation_id: Option<&'static str>,
    /// The function that made the call, if known.
    function: Option<&'static str>,
    attempts: u32,
    elapsed: Duration,
    /// The operation may be carried out twice.
    is_repeatable: bool,
    /// Why the request could not be sent again.
    failed_repeat: Option<Box<Error>>,
    /// The request was not sent again because its body could be read only once.
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

    /// The start of every message: what was called, if known. Users of a program have not called it.
    fn begin(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return Ok(());
        }
        self.function.or(self.operation_id).map_or(Ok(()), |name| write!(f, "{name}: "))
    }

    /// The end of every message: what happened with retries.
    fn end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts > 1 {
            write!(f, "; {} attempts were made in ", self.attempts)?;
            match self.elapsed.as_secs() {
                0 => write!(f, "{} ms", self.elapsed.as_millis())?,
                _ => write!(f, "{:.1} s", self.elapsed.as_secs_f64())?,
            }
        }
        if self.is_body_spent {
            f.write_str("; it was not sent again, since its body is a stream, which can be read only once")?;
        }
        if let Some(error) = &self.failed_repeat {
            write!(f, "; it could not be sent again: {}", Chain(&**error))?;
        }
        Ok(())
    }
}

/// No response arrived, or it was cut off.
///
/// The [`source`](StdError::source) is the cause that the transport gave to its [`TransportError`], whose kind is the
/// [`kind`](Self::kind) of this error.
#[derive(Debug)]
pub struct ConnectionError {
    call: CallInfo,
    source: TransportError,
}

impl ConnectionError {
    /// An answer that ended before it was complete, though its connection closed in good order.
    pub(crate) fn incomplete(operation_id: &'static str, why: &'static str) -> Self {
        Self { call: CallInfo::of(operation_id), source: TransportError::new(TransportErrorKind::Body, why) }
    }

    /// How far the exchange had come.
    pub fn kind(&self) -> TransportErrorKind {
        self.source.kind()
    }

    /// True where the server has not processed the request, so that sending it again repeats nothing.
    pub fn is_unsent(&self) -> bool {
        self.source.is_unsent()
    }

    /// True where the server may have received the request, and its answer did not arrive whole.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.kind(), TransportErrorKind::Exchange | TransportErrorKind::Body)
    }

    /// True where an answer began to come and ended before it was complete. What was received until then is incomplete.
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
                write!(f, "no connection could be made; {advice}")?;
                return self.call.end(f);
            }
            TransportErrorKind::NotSent => "the connection closed before the request was sent; try again",
            TransportErrorKind::Exchange => {
                "the connection failed before the response arrived; the server may have done the work, so check before \
                 repeating it"
            }
            TransportErrorKind::Body if self.call.is_repeatable => {
                "the response was cut off before its end, so what arrived is incomplete; try again"
            }
            TransportErrorKind::Body => {
                "the response was cut off before its end, so what arrived is incomplete; the work may be charged, so check \
                 before repeating it"
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

/// Which time limit ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// The one for making a connection. The server has not received the request.
    Connect,
    /// The one for the head of the answer. The server may have received the request.
    Response,
    /// The one between two chunks of a body.
    Idle,
    /// The limit between two events of a stream: only keep-alives arrived.
    Event,
    /// The limit for code of the program: a hook, the source of the API key, or opening a file to upload.
    Hook,
    /// The one for the whole call with its retries.
    Total,
}

/// A time limit ran out.
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

    /// Which limit ran out.
    pub const fn phase(&self) -> TimeoutPhase {
        self.phase
    }

    /// Returns `true` if the server has not received the request, so retrying is safe: the request was still waiting for
    /// a connection.
    pub const fn is_unsent(&self) -> bool {
        self.is_unsent
    }

    /// How long it was; `None` where the transport keeps the limit and does not tell.
    pub const fn limit(&self) -> Option<Duration> {
        self.limit
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, option) = match self.phase {
            TimeoutPhase::Connect => ("no connection was made", "check the network or raise `connect_timeout`"),
            TimeoutPhase::Response if self.is_unsent => {
                ("no connection was made", "check the network or raise `response_timeout`")
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

/// The runtime that the connection was made in was shut down during the call.
///
/// A connection belongs to the Tokio runtime it was made in, and ends with it. A client may be used in several
/// runtimes, one after another or concurrently; each has its own connections.
#[derive(Debug)]
pub struct CancelledError {
    call: CallInfo,
    source: TransportError,
}

impl fmt::Display for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        f.write_str("the Tokio runtime that owns the connection was shut down; keep it until its responses are read")?;
        self.call.end(f)
    }
}

impl StdError for CancelledError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

/// The request or an option of the client is wrong. Nothing was sent.
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

    /// The option, parameter or header at fault, by its name.
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

    /// Where in the JSON the misfit is (`choices[0].delta.content`); empty for the whole of it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The raw body; of a stream, the data of the one event. It may be [truncated](Self::is_truncated).
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns `true` if [`body`](Self::body) is not the whole response: it has at most the beginning of a response that
    /// exceeds a size limit or did not arrive whole, and nothing of an event that exceeds `max_event`.
    pub const fn is_truncated(&self) -> bool {
        !matches!(self.extent, Extent::Whole)
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers of the answer.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// How much of a response an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// As much as arrived, or as is kept of an error.
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
    /// Shows the start of an HTML page or a text, but nothing of JSON or events, which may be model output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        if let Extent::Exceeds(option) = self.extent {
            if f.alternate() {
                f.write_str("the response is larger than this program accepts")?;
                return self.call.end(f);
            }
            write!(f, "the response exceeds `{option}`; raise that option if it should be accepted")?;
            return self.call.end(f);
        }
        let body = if self.is_truncated() { "`body()` for its beginning" } else { "`body()`" };
        let foreign = api::foreign_text(&self.headers, &self.body);
        if self.body.trim_ascii().is_empty() {
            f.write_str("the response is empty")?;
        } else if let Some(coding) = coding(&self.headers) {
            write!(f, "the response is compressed ({})", OneLine::new(coding, LONGEST_WORD, ""))?;
        } else if foreign.is_some() {
            f.write_str("the response does not come from the API")?;
        } else {
            f.write_str("the response does not match the operation")?;
        }
        if !self.path.is_empty() {
            write!(f, ", at `{}`", OneLine::new(&hidden::text(&self.path), LONGEST_WORD, "path()"))?;
        }
        match foreign {
            Some(text) => {
                f.write_str("; check the server URL, and whether it requires a login. It starts: ")?;
                let whole = if f.alternate() { "" } else { "body()" };
                OneLine::new(&hidden::text(&text), LONGEST_WORD, whole).fmt(f)?;
            }
            None if self.body.trim_ascii().is_empty() => {
                f.write_str("; check the server URL and what lies in between")?
            }
            None if f.alternate() => f.write_str("; a newer version of this program may know it")?,
            None if self.path.is_empty() => write!(f, "; see {body}")?,
            None => write!(f, "; see {body}. A newer version of this crate may know it")?,
        }
        self.call.end(f)
    }
}

impl StdError for ResponseValidationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// A hook refused or failed. Made by hooks; the [`source`](StdError::source) is what they gave.
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
    /// An error with its cause. A text is a cause too.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { call: CallInfo::default(), source: source.into() }
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.begin(f)?;
        f.write_str(match f.alternate() {
            true => "the program stopped the call",
            false => "a hook stopped the call; see the source of this error for its reason",
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
