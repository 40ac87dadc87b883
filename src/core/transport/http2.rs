//! A connection of HTTP/2, and the body of an answer that comes over it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use super::TransportError;
use super::connect::Connected;
use crate::core::body::Body;

/// A connection that carries many exchanges at once. Each has a clone; a task of its own drives it, until the last clone is
/// gone and the last answer was read.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: SendRequest<Body>,
    /// When an exchange ended. It is shared by the clones, and so counts them too.
    last_used: Arc<Mutex<Instant>>,
}

impl Http2 {
    /// Begins HTTP on a new connection.
    pub(super) async fn new(connected: Connected) -> hyper::Result<Self> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .handshake(connected.stream)
            .await?;
        // What goes wrong with it is told to the exchanges that it carries.
        tokio::spawn(connection);
        Ok(Self { sender, last_used: Arc::new(Mutex::new(Instant::now())) })
    }

    /// Whether it can carry another request: it is still there, and was not unused for longer than `idle_timeout`.
    pub(super) fn is_open(&self, idle_timeout: Duration) -> bool {
        /// The one in the pool.
        const UNUSED: usize = 1;
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        !self.sender.is_closed() && (Arc::strong_count(&self.last_used) > UNUSED || last_used.elapsed() < idle_timeout)
    }

    /// Sends `request` and waits for the head of the answer.
    pub(super) async fn send(mut self, request: Request<Body>) -> Result<Response<Body>, TrySendError<Request<Body>>> {
        let answer = self.sender.try_send_request(request).await?;
        Ok(answer.map(|body| Body::received(Http2Body { body, _connection: self })))
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// The body of an answer.
struct Http2Body {
    body: Incoming,
    /// Tells that the connection is used.
    _connection: Http2,
}

impl HttpBody for Http2Body {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(frame) => Poll::Ready(Some(frame.map_err(TransportError::body))),
            // hyper takes a reset or GOAWAY without an error code for the end of the body. That a stream of HTTP/2 is
            // whole is told by its flag END_STREAM alone.
            None if !self.body.is_end_stream() => {
                Poll::Ready(Some(Err(TransportError::body("the server gave the stream up before its end"))))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
