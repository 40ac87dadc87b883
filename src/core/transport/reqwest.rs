//! A reqwest client as a transport.

use http::{Request, Response};

use super::error::{TransportError, TransportErrorKind};
use super::{Transport, TransportFuture};
use crate::core::body::Body;

/// A [`reqwest::Client`] as a [`Transport`], for programs that already configure one.
///
/// Build it with `redirect(reqwest::redirect::Policy::none())` and
/// `retry(reqwest::retry::never())`: the layers above decide what is retried and where the API key
/// may go. Connections follow the rules of reqwest, not those of
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
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    fn send(&self, request: Request<Body>) -> TransportFuture<'_> {
        Box::pin(async move {
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap)).map_err(invalid)?;
            let response = self.0.execute(request).await.map_err(failed)?;
            Ok(Response::from(response).map(Body::wrap))
        })
    }

    /// In a browser the request is sent with `fetch`. Its body is collected first, since not every
    /// `fetch` accepts a stream.
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    fn send(&self, request: Request<Body>) -> TransportFuture<'_> {
        use http_body_util::{BodyExt, StreamBody};
        use send_wrapper::SendWrapper;

        // WebAssembly has a single thread, so nothing is ever sent to another one.
        Box::pin(SendWrapper::new(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let request = reqwest::Request::try_from(Request::from_parts(head, body)).map_err(invalid)?;
            let response = self.0.execute(request).await.map_err(failed)?;
            let mut head = Response::new(());
            *head.status_mut() = response.status();
            *head.headers_mut() = response.headers().clone();
            let chunks = SendWrapper::new(Frames(Box::pin(response.bytes_stream())));
            Ok(head.map(|()| Body::wrap(StreamBody::new(chunks))))
        }))
    }
}

/// Chunks as the frames of a body.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
struct Frames<S>(std::pin::Pin<Box<S>>);

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
impl<S: futures_core::Stream<Item = reqwest::Result<bytes::Bytes>>> futures_core::Stream for Frames<S> {
    type Item = Result<http_body::Frame<bytes::Bytes>, reqwest::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx).map(|chunk| chunk.map(|chunk| chunk.map(http_body::Frame::data)))
    }
}

fn invalid(error: reqwest::Error) -> TransportError {
    TransportError::new(TransportErrorKind::Request, error.without_url())
}

fn failed(error: reqwest::Error) -> TransportError {
    // A browser does not report whether there was a connection.
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    let is_connect = false;
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    let is_connect = error.is_connect();
    let kind = match is_connect {
        _ if error.is_builder() => TransportErrorKind::Request,
        true if error.is_timeout() => TransportErrorKind::ConnectTimeout,
        true => TransportErrorKind::Connect,
        false => TransportErrorKind::Exchange,
    };
    TransportError::new(kind, error.without_url())
}
