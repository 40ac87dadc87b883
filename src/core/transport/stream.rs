//! The streams below HTTP.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected as Negotiated, Connection};
use hyper_util::rt::TokioIo;

use super::socket::{Socket, SocketState};

/// A stream of bytes in both directions, with or without TLS. It is one type for both, so that
/// hyper's state machine is compiled once; the virtual call costs little compared to the system
/// call behind it.
pub(super) type Stream = Box<dyn Duplex>;

pub(super) trait Duplex: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Duplex for T {}

/// A new connection, before HTTP.
pub(super) struct Connected {
    pub(super) stream: Stream,
    /// The state of the socket below `stream`.
    pub(super) socket: Arc<SocketState>,
    /// HTTP/2 was negotiated.
    #[cfg_attr(not(feature = "http2"), expect(dead_code, reason = "it is never agreed on"))]
    pub(super) is_http2: bool,
    /// A proxy reads the requests, which must contain the whole URL.
    pub(super) is_proxied: bool,
}

/// The stream to the server, below its TLS.
pub(super) struct Link {
    pub(super) stream: Stream,
    pub(super) socket: Arc<SocketState>,
    /// A proxy reads what is sent; false below TLS and inside a tunnel.
    pub(super) is_proxied: bool,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        let state = socket.state().clone();
        Self { stream: Box::new(TokioIo::new(socket)), socket: state, is_proxied: false }
    }

    /// Returns the same stream with TLS on top.
    #[cfg(feature = "_tls")]
    pub(super) fn over_tls(stream: Stream, socket: Arc<SocketState>) -> Self {
        Self { stream, socket, is_proxied: false }
    }
}

impl Read for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

impl Connection for Link {
    fn connected(&self) -> Negotiated {
        Negotiated::new()
    }
}
