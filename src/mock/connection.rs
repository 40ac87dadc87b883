//! A connection and the bytes that were read from it ahead of their use.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

/// The client is gone.
#[derive(Debug)]
pub(super) struct Gone;

pub(super) struct Connection<S> {
    stream: S,
    /// Read and not yet used.
    pub(super) buffer: BytesMut,
    /// Makes the system reset the connection when it is closed.
    reset: fn(&S),
    reset_at_close: ResetAtClose,
}

/// Turns the close of a connection into a reset, also after another owner took the connection.
#[derive(Clone, Default)]
pub(super) struct ResetAtClose(Arc<AtomicBool>);

impl ResetAtClose {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, reset: fn(&S)) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(8 * 1024), reset, reset_at_close: ResetAtClose::default() }
    }

    pub(super) fn reset_at_close(&self) -> ResetAtClose {
        self.reset_at_close.clone()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads more into the buffer.
    pub(super) async fn fill(&mut self) -> Result<(), Gone> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Gone),
            Ok(_) => Ok(()),
        }
    }

    /// Reads until `length` bytes are in the buffer, and takes them.
    pub(super) async fn take(&mut self, length: usize) -> Result<Bytes, Gone> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.stream.write_all(bytes).await.map_err(|_| Gone)?;
        // A TLS stream holds bytes back until it is flushed; a socket does not.
        self.stream.flush().await.map_err(|_| Gone)
    }

    /// Waits, and notices when the client goes away meanwhile.
    pub(super) async fn pause(&mut self, duration: Duration) -> Result<(), Gone> {
        let gone = async {
            while self.fill().await.is_ok() {}
            Gone
        };
        match timeout(duration, gone).await {
            Ok(gone) => Err(gone),
            Err(_) => Ok(()),
        }
    }

    /// Does nothing until the client goes away.
    pub(super) async fn stall(&mut self) -> Gone {
        while self.fill().await.is_ok() {
            self.buffer.clear();
        }
        Gone
    }

    /// Closes in order: what was written arrives, then the end.
    pub(super) async fn close(mut self) {
        // Bytes the client sent and nobody read would turn the close into a reset, and it may lose data by that.
        if self.stream.shutdown().await.is_ok() {
            self.stall().await;
        }
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        if self.reset_at_close.0.load(Ordering::Relaxed) {
            (self.reset)(&self.stream);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let length = self.buffer.len().min(into.remaining());
        into.put_slice(self.buffer.get(..length).unwrap_or_default());
        self.buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
