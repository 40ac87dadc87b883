//! How a request reaches the server: the [`Transport`] trait and the default on hyper.

#[cfg(feature = "transport")]
mod connect;
#[cfg(feature = "transport")]
mod default;
#[cfg(feature = "http2")]
mod dial;
mod error;
#[cfg(feature = "transport")]
mod http1;
#[cfg(feature = "http2")]
mod http2;
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
mod stream;
#[cfg(feature = "transport")]
#[cfg_attr(not(feature = "_tls"), path = "no_tls.rs")]
mod tls;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(feature = "transport")]
pub(crate) use self::default::runtime_is_gone;
#[cfg(feature = "transport")]
pub use self::default::{HyperTransport, HyperTransportBuilder};
#[cfg(feature = "transport")]
pub use self::error::TransportBuildError;
pub(crate) use self::error::{Cause, advice};
pub use self::error::{TransportError, TransportErrorKind};
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;
pub use self::service::ServiceTransport;
use super::body::Body;

/// The default limit for making a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The future of [`Transport::send`].
pub type TransportFuture<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Body>, TransportError>> + Send + 'a>>;

/// Sends one HTTP request and returns the head of the response; the body is read from it later.
///
/// The default is [`HyperTransport`]. Implement it to record, to replay, to route through something
/// of your own, or to wrap the default. The request is complete: absolute URI, all headers, body. A
/// transport does not retry, does not follow redirects and does not judge the status; the layers
/// above do. Dropping the future or the body must abandon the exchange at once.
///
/// A transport that records what is sent, on top of another one:
///
/// ```
/// use openrouter_kit::core::body::Body;
/// use openrouter_kit::core::transport::{Transport, TransportFuture};
/// use openrouter_kit::http;
///
/// #[derive(Debug)]
/// struct Recorded<T>(T);
///
/// impl<T: Transport> Transport for Recorded<T> {
///     fn send(&self, request: http::Request<Body>) -> TransportFuture<'_> {
///         println!("{} {}", request.method(), request.uri().path());
///         self.0.send(request)
///     }
/// }
/// ```
pub trait Transport: Send + Sync + fmt::Debug + 'static {
    /// Sends `request`.
    ///
    /// # Errors
    /// A [`TransportError`] whose [`kind`](TransportError::kind) says whether the server may have
    /// received the request.
    fn send(&self, request: http::Request<Body>) -> TransportFuture<'_>;
}

/// Certificate authorities that a client trusts; see [`HyperTransportBuilder::roots`].
///
/// ```
/// # #[cfg(all(feature = "tls", feature = "roots-platform"))]
/// # fn main() -> Result<(), openrouter_kit::Error> {
/// use openrouter_kit::OpenRouter;
/// use openrouter_kit::core::transport::Roots;
///
/// // Also trust what the operating system trusts, such as the authority of a company.
/// let client = OpenRouter::builder().roots([Roots::Bundled, Roots::Platform]).build()?;
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "tls", feature = "roots-platform")))]
/// # fn main() {}
/// ```
#[cfg(feature = "transport")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Roots {
    /// Mozilla's list, compiled into the program (feature `roots-bundled`).
    Bundled,
    /// The authorities that the operating system trusts (feature `roots-platform`).
    Platform,
}

/// An implementation of the cryptography of TLS; see [`HyperTransportBuilder::cryptography`].
#[cfg(feature = "transport")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cryptography {
    /// ring (feature `tls-ring`).
    Ring,
    /// AWS-LC (feature `tls-aws-lc-rs`).
    AwsLcRs,
}

/// The connect timeout of one call, as an extension of its request ([`http::Request::extensions`]).
/// It overrides the limit of the transport.
///
/// A custom [`Transport`] reads it to respect
/// [`Call::connect_timeout`](crate::core::Call::connect_timeout):
///
/// ```
/// use std::time::Duration;
///
/// use openrouter_kit::core::body::Body;
/// use openrouter_kit::core::transport::ConnectTimeout;
/// use openrouter_kit::http::Request;
///
/// fn connect_limit(request: &Request<Body>) -> Duration {
///     request.extensions().get::<ConnectTimeout>().map_or(Duration::from_secs(10), |limit| limit.0)
/// }
/// # assert_eq!(connect_limit(&Request::new(Body::empty())), Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTimeout(pub Duration);

/// Whether a request waits for a connection, as an extension of the request. [`HyperTransport`]
/// keeps it up to date; with another transport it never waits.
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
