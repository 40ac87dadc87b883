//! The errors of transports.

use std::error::Error as StdError;
use std::fmt;
#[cfg(feature = "transport")]
use std::sync::Arc;

#[cfg(feature = "transport")]
use crate::core::body::Body;

/// A cause of any type.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// How far an exchange had progressed when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection was made (name resolution, refused, TLS, proxy). The server has not received
    /// the request.
    Connect,
    /// No connection was made within the limit for connecting. The server has not received the
    /// request.
    ConnectTimeout,
    /// The connection was closed before any byte of the request was processed, such as an idle
    /// connection that the server closed. The server has not processed the request.
    NotSent,
    /// The connection failed after the request began to be sent and before the head of the response
    /// was complete. The server may have received the request.
    Exchange,
    /// The body of the response was cut off.
    Body,
    /// This transport cannot send the request, regardless of the network (an unsupported scheme,
    /// for example).
    Request,
}

/// The error of a transport that could not carry a request or a body. Its
/// [`source`](StdError::source) is the cause.
///
/// ```
/// use openrouter_kit::core::transport::{TransportError, TransportErrorKind};
///
/// let error = TransportError::new(TransportErrorKind::Connect, "the port is closed");
/// assert!(error.is_unsent());
/// assert_eq!(error.to_string(), "the connection could not be established");
/// ```
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Cause,
}

impl TransportError {
    /// Creates an error of this kind with its cause, which may be text.
    pub fn new(kind: TransportErrorKind, source: impl Into<Cause>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn body(source: impl Into<Cause>) -> Self {
        Self::new(TransportErrorKind::Body, source)
    }

    /// Returns how far the exchange had progressed.
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Returns `true` if the server has not processed the request, so retrying is safe.
    pub const fn is_unsent(&self) -> bool {
        matches!(
            self.kind,
            TransportErrorKind::Connect | TransportErrorKind::ConnectTimeout | TransportErrorKind::NotSent
        )
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Connect => "the connection could not be established",
            TransportErrorKind::ConnectTimeout => "the connection was not established in time",
            TransportErrorKind::NotSent => "the connection closed before the request was sent",
            TransportErrorKind::Exchange => "the connection failed before the response arrived",
            TransportErrorKind::Body => "the body was cut off",
            TransportErrorKind::Request => "the request cannot be sent",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// Returns advice for a failed connection attempt, if its cause has any.
#[cfg(feature = "transport")]
pub(crate) fn advice(error: &TransportError) -> Option<&'static str> {
    sources(error).find_map(|source| {
        source
            .downcast_ref::<ConnectError>()
            .or_else(|| {
                // Several calls may have waited for the same connection.
                source.downcast_ref::<Arc<ConnectError>>().map(|error| &**error)
            })?
            .advice()
    })
}

/// A custom transport gives no advice.
#[cfg(not(feature = "transport"))]
pub(crate) const fn advice(_error: &TransportError) -> Option<&'static str> {
    None
}

/// The error of an exchange that failed before the head of its response.
#[cfg(feature = "transport")]
pub(super) struct Failed {
    pub(super) error: ::hyper::client::conn::TrySendError<http::Request<Body>>,
    /// The server has not processed the request.
    pub(super) is_unsent: bool,
}

/// Returns the error and everything below it.
#[cfg(feature = "transport")]
pub(super) fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The error of a failed attempt to connect.
#[cfg(feature = "transport")]
#[derive(Debug)]
pub(super) struct ConnectError {
    text: String,
    source: Option<Cause>,
    advice: Option<&'static str>,
}

#[cfg(feature = "transport")]
impl ConnectError {
    pub(super) fn new(text: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self { text: text.into(), source: Some(source.into()), advice: None }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None, advice: None }
    }

    /// Adds advice to the error.
    pub(super) const fn advising(mut self, advice: &'static str) -> Self {
        self.advice = Some(advice);
        self
    }

    /// Returns advice, if there is something better than to check the network, the proxy and the
    /// server URL.
    pub(super) const fn advice(&self) -> Option<&'static str> {
        self.advice
    }
}

#[cfg(feature = "transport")]
impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(feature = "transport")]
impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The error of a [`HyperTransport`](super::HyperTransport) that could not be built.
///
/// ```
/// # #[cfg(feature = "tls")]
/// # {
/// use std::time::Duration;
///
/// use openrouter_kit::core::transport::HyperTransport;
///
/// let error = HyperTransport::builder().connect_timeout(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error.option(), "connect_timeout");
/// assert_eq!(error.to_string(), "invalid option `connect_timeout`: it must be longer than zero");
/// # }
/// ```
#[cfg(feature = "transport")]
#[derive(Debug)]
pub struct TransportBuildError {
    option: &'static str,
    reason: &'static str,
    source: Option<Cause>,
}

#[cfg(feature = "transport")]
impl TransportBuildError {
    pub(super) const fn new(option: &'static str, reason: &'static str) -> Self {
        Self { option, reason, source: None }
    }

    #[cfg(feature = "_tls")]
    pub(super) fn caused_by(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the name of the option that is not usable.
    pub const fn option(&self) -> &'static str {
        self.option
    }
}

#[cfg(feature = "transport")]
impl fmt::Display for TransportBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid option `{}`: {}", self.option, self.reason)
    }
}

#[cfg(feature = "transport")]
impl StdError for TransportBuildError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
