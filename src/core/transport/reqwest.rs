//! A client of reqwest as a transport.

use http::{Request, Response};

use super::{Transport, TransportError, TransportErrorKind, TransportFuture};
use crate::core::body::Body;

/// A [`reqwest::Client`] as a [`Transport`], for a program that has one and keeps its configuration.
///
/// Build it with `redirect(reqwest::redirect::Policy::none())` and `retry(reqwest::retry::never())`: the layers above
/// decide what is sent again and where the API key may go. Connections follow the rules of reqwest, not those of
/// [`HyperTransport`](super::HyperTransport).
///
/// ```
/// use openrouter_kit::OpenRouterCore;
/// use openrouter_kit::core::transport::ReqwestTransport;
///
/// fn client(client: reqwest::Client) -> Result<OpenRouterCore, openrouter_kit::Error> {
///     OpenRouterCore::builder().env().transport(ReqwestTransport::new(client)).build()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ReqwestTransport(reqwest::Client);

impl ReqwestTransport {
    /// Returns a transport that sends every request with `client`.
    pub const fn new(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: Request<Body>) -> TransportFuture<'_> {
        Box::pin(async move {
            let request = request.map(reqwest::Body::wrap);
            let request = reqwest::Request::try_from(request)
                .map_err(|error| TransportError::new(TransportErrorKind::Request, error.without_url()))?;
            let response = self.0.execute(request).await.map_err(|error| {
                let kind = match error.is_connect() {
                    _ if error.is_builder() => TransportErrorKind::Request,
                    true if error.is_timeout() => TransportErrorKind::ConnectTimeout,
                    true => TransportErrorKind::Connect,
                    false => TransportErrorKind::Exchange,
                };
                TransportError::new(kind, error.without_url())
            })?;
            Ok(Response::from(response).map(Body::wrap))
        })
    }
}
