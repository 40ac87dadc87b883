//! How a request reaches the server: the [`Transport`] trait and the default on hyper.

#[cfg(feature = "transport")]
mod connect;
#[cfg(feature = "http2")]
mod dial;
#[cfg(feature = "transport")]
mod http1;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "transport")]
mod hyper;
#[cfg(feature = "transport")]
mod pool;
#[cfg(feature = "transport")]
mod proxy;
#[cfg(feature = "reqwest")]
mod reqwest;
mod service;
#[cfg(feature = "transport")]
mod socket;
#[cfg(feature = "transport")]
#[cfg_attr(not(feature = "_tls"), path = "no_tls.rs")]
mod tls;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(feature = "transport")]
use self::connect::ConnectError;
#[cfg(feature = "transport")]
pub(crate) use self::hyper::runtime_is_gone;
#[cfg(feature = "transport")]
pub use self::hyper::{HyperTransport, HyperTransportBuilder, TransportBuildError};
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;
pub use self::service::ServiceTransport;
use super::body::Body;
use crate::errors::Cause;

/// Why an exchange failed before the head of its response.
#[cfg(feature = "transport")]
struct Failed {
    error: ::hyper::client::conn::TrySendError<http::Request<Body>>,
    /// The server has not processed the request.
    is_unsent: bool,
}

/// Returns the error and everything below it.
#[cfg(feature = "transport")]
fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The default limit for making a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

/// The future of [`Transport::send`].
pub type TransportFuture<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Body>, TransportError>> + Send + 'a>>;

/// Sends one HTTP request and answers with the head of the response; the body is read from it later.
///
/// The default is [`HyperTransport`]. Implement it to record, to replay, to route through something of your own, or to
/// wrap the default. The request is complete: absolute URI, all headers, body. A transport does not retry, does not
/// follow redirects and does not judge the status; the layers above do. Dropping the future or the body must abandon the
/// exchange at once.
pub trait Transport: Send + Sync + fmt::Debug + 'static {
    /// Sends `request`.
    ///
    /// # Errors
    /// A [`TransportError`] whose [`kind`](TransportError::kind) says whether the server may have received the request.
    fn send(&self, request: http::Request<Body>) -> TransportFuture<'_>;
}

/// The limit for making a connection that one call asks for, as an extension of its request
/// ([`http::Request::extensions`]). It replaces the limit of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTimeout(pub Duration);

/// Whether a request waits for a connection, as an extension of the request. [`HyperTransport`] keeps it up to date;
/// with another transport it never waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Connecting(Arc<AtomicBool>);

impl Connecting {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Awaits `connect` and records that it is waiting, if the request tracks it.
    #[cfg(feature = "transport")]
    async fn track<T>(tracked: Option<&Self>, connect: impl Future<Output = T>) -> T {
        let set = |is_connecting| tracked.map(|tracked| tracked.0.store(is_connecting, Ordering::Relaxed));
        set(true);
        let output = connect.await;
        set(false);
        output
    }
}

/// How far an exchange had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection was made (name resolution, refused, TLS, proxy). The server has not received the request.
    Connect,
    /// No connection was made within the limit for connecting. The server has not received the request.
    ConnectTimeout,
    /// The connection was closed before any byte of the request was processed, as when a server closes an idle
    /// connection. The server has not processed the request.
    NotSent,
    /// The connection failed after the request began to be sent and before the head of the response was complete. The
    /// server may have received the request.
    Exchange,
    /// The body of the response broke off.
    Body,
    /// The request cannot be sent by this transport, whatever the network does (a scheme that is not supported, say).
    Request,
}

/// Why a transport could not carry a request or a body. Its [`source`](StdError::source) is the cause.
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Cause,
}

impl TransportError {
    /// An error of the given kind with its cause. A text is a cause too.
    pub fn new(kind: TransportErrorKind, source: impl Into<Cause>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn body(source: impl Into<Cause>) -> Self {
        Self::new(TransportErrorKind::Body, source)
    }

    /// How far the exchange had come.
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// True where the server has not processed the request, so that sending it again repeats nothing.
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
            TransportErrorKind::Connect => "no connection could be made",
            TransportErrorKind::ConnectTimeout => "no connection was made in time",
            TransportErrorKind::NotSent => "the connection closed before the request was sent",
            TransportErrorKind::Exchange => "the connection failed before the response arrived",
            TransportErrorKind::Body => "the body broke off",
            TransportErrorKind::Request => "the request cannot be sent",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
