//! An HTTP/1.1 connection and the response bodies it carries.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use tokio::runtime::Id;

use super::error::{Failed, TransportError};
use super::pool::Pool;
use super::socket::SocketState;
use super::stream::{Connected, Stream};
use crate::core::body::Body;

/// The maximum size of a connection's buffers, and so of a response head. An idle connection keeps
/// its buffers, and larger ones do not speed up downloads.
const BUFFER: usize = 64 * 1024;

/// A connection that carries one exchange after the other.
///
/// It is driven by its current user: first the call, then the response body. No background task
/// runs between the socket and the reader, and dropping either closes the connection at once. An
/// idle connection is not driven; [`is_open`](Self::is_open) finds out what happened to it in the
/// meantime.
pub(super) struct Http1 {
    sender: SendRequest<Body>,
    connection: Connection<Stream, Body>,
    origin: Uri,
    host: HeaderValue,
    is_proxied: bool,
    socket: Arc<SocketState>,
    runtime: Id,
    /// How long the server keeps it idle, if announced.
    keep_alive: Duration,
}

impl Http1 {
    /// Starts HTTP on a new connection to the origin of `uri`.
    pub(super) async fn new(connected: Connected, uri: &Uri, runtime: Id) -> hyper::Result<Box<Self>> {
        let Connected { stream, socket, is_proxied, .. } = connected;
        let (sender, connection) = http1::Builder::new().max_buf_size(BUFFER).handshake(stream).await?;
        let (origin, host) = (uri.clone(), host_of(uri));
        let keep_alive = Duration::MAX;
        Ok(Box::new(Self { sender, connection, origin, host, is_proxied, socket, runtime, keep_alive }))
    }

    /// Returns a URI of the origin it connects to.
    pub(super) const fn origin(&self) -> &Uri {
        &self.origin
    }

    /// Returns the runtime that drives its socket.
    pub(super) const fn runtime(&self) -> Id {
        self.runtime
    }

    /// Returns how long the server keeps it idle, if announced.
    pub(super) const fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// Returns whether an idle connection can carry a request: the server has neither closed it nor
    /// written to it.
    pub(super) fn is_open(&mut self) -> bool {
        let socket = self.socket.clone();
        let driven = socket.look(|| self.drive(&mut Context::from_waker(Waker::noop())));
        driven.is_pending() && self.sender.is_ready()
    }

    /// Closes an idle connection cleanly, as far as that can be done without waiting.
    pub(super) fn close(mut self: Box<Self>) {
        drop(self.sender);
        let _ = Pin::new(&mut self.connection).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Does what can be done without waiting. Ready when the connection has ended.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Pin::new(&mut self.connection).poll(cx)
    }

    /// Sends `request` for `uri` and waits for the head of the response. When the end of the body
    /// was read, the connection goes to `pool`.
    pub(super) async fn send(
        mut self: Box<Self>,
        mut request: Request<Body>,
        uri: &Uri,
        pool: &Arc<Pool>,
    ) -> Result<Response<Body>, Failed> {
        *request.uri_mut() = if self.is_proxied { uri.clone() } else { path_of(uri) };
        request.headers_mut().entry(HOST).or_insert_with(|| self.host.clone());
        let mut answer = pin!(self.sender.try_send_request(request));
        let socket = self.socket.clone();
        let written = socket.written();
        let mut exchange = Driven { connection: Some(self), failure: None };
        let answer = poll_fn(|cx| {
            // Before the response is awaited: this sends the request and reads the response.
            exchange.drive(cx);
            answer.as_mut().poll(cx)
        });
        let answer = answer.await.map_err(|error| Failed { is_unsent: socket.written() == written, error })?;
        if let (Some(connection), Some(limit)) = (&mut exchange.connection, keep_alive(answer.headers())) {
            connection.keep_alive = limit;
        }
        Ok(answer.map(|body| {
            let mut body = Http1Body { body, exchange, pool: pool.clone() };
            if body.body.is_end_stream() {
                body.give_back();
            }
            Body::received(body)
        }))
    }
}

/// Returns how long a connection may be idle according to the header `Keep-Alive: timeout=SECONDS`,
/// minus a second for the latency of the next request.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    let value = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    let timeout = value.split(',').find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(timeout.trim().parse::<u64>().ok()?.saturating_sub(1)))
}

/// Returns the value of the header `Host`, without the default port of the scheme.
fn host_of(uri: &Uri) -> HeaderValue {
    let default_port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let host = uri.host().unwrap_or_default();
    let value = match uri.port_u16().filter(|port| *port != default_port) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    value.unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Returns the form of a URL that the server itself expects (RFC 9112, section 3.2.1).
fn path_of(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into()
}

/// A connection while it is in use.
struct Driven {
    /// `None` when it has ended, or was returned to the pool.
    connection: Option<Box<Http1>>,
    /// Why it ended, if hyper reports that to no one else.
    failure: Option<hyper::Error>,
}

impl Driven {
    /// Does what can be done without waiting. A connection that has ended is dropped, so that hyper
    /// notifies those waiting for it.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && let Poll::Ready(end) = connection.drive(cx)
        {
            self.failure = end.err();
            self.connection = None;
        }
    }
}

/// The body of a response, which drives its connection as it is read.
struct Http1Body {
    body: Incoming,
    exchange: Driven,
    pool: Arc<Pool>,
}

impl Http1Body {
    fn give_back(&mut self) {
        if let Some(connection) = self.exchange.connection.take()
            && connection.sender.is_ready()
        {
            self.pool.put(connection);
        }
    }
}

impl HttpBody for Http1Body {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        let this = self.get_mut();
        let mut frame = Pin::new(&mut this.body).poll_frame(cx);
        if frame.is_pending() {
            this.exchange.drive(cx);
            frame = Pin::new(&mut this.body).poll_frame(cx);
        }
        if let Poll::Ready(None) = frame {
            this.give_back();
        }
        frame.map_err(|error| {
            this.exchange.connection = None;
            TransportError::body(this.exchange.failure.take().unwrap_or(error))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
