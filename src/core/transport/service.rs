//! HTTP clients of other libraries as transports.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::error::{TransportError, TransportErrorKind};
use super::{Transport, TransportFuture};
use crate::core::body::Body;
use crate::errors::Cause;

/// A [`tower_service::Service`] for HTTP requests as a [`Transport`], so that a program can keep
/// its stack of layers.
///
/// The service is cloned for each request. It must neither retry nor follow redirects: the layers
/// above decide that and know what must not be charged twice. If the error of the service is a
/// [`TransportError`], its kind is kept; any other error counts as
/// [`TransportErrorKind::Exchange`], after which the server may have received the request.
///
/// ```
/// use openrouter_kit::OpenRouterCore;
/// use openrouter_kit::core::body::Body;
/// use openrouter_kit::core::transport::ServiceTransport;
/// use openrouter_kit::http;
///
/// fn client<S>(service: S) -> Result<OpenRouterCore, openrouter_kit::Error>
/// where
///     S: tower_service::Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
///     S::Future: Send,
///     S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
/// {
///     OpenRouterCore::builder().env().transport(ServiceTransport::new(service)).build()
/// }
/// ```
pub struct ServiceTransport<S>(Mutex<S>);

impl<S> ServiceTransport<S> {
    /// Returns a transport that sends every request with a clone of `service`.
    pub const fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }
}

impl<S> fmt::Debug for ServiceTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport").finish_non_exhaustive()
    }
}

impl<S, B> Transport for ServiceTransport<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Cause>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Cause>,
{
    fn send(&self, request: Request<Body>) -> TransportFuture<'_> {
        let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(|error| failed(TransportErrorKind::NotSent, error.into()))?;
            let response = service.call(request).await;
            let response = response.map_err(|error| failed(TransportErrorKind::Exchange, error.into()))?;
            Ok(response.map(Body::wrap))
        })
    }
}

fn failed(kind: TransportErrorKind, error: Cause) -> TransportError {
    match error.downcast::<TransportError>() {
        Ok(error) => *error,
        Err(error) => TransportError::new(kind, error),
    }
}
