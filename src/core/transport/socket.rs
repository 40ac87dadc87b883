//! The TCP stream below TLS and HTTP: it can be checked while idle, and what arrived before a
//! failed write can still be read.

use std::io::{self, IoSlice, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How many bytes are read before the reader gets a turn. A server that sends faster than hyper
/// reads could otherwise keep one poll busy past any time limit.
const READ_BUDGET: usize = 1024 * 1024;

/// How many bytes one check of the socket reads at most: enough for a TLS session ticket or an
/// HTTP/2 frame.
const LOOK: usize = 512;

/// State shared by a [`Socket`] and the connection on top of it.
#[derive(Default)]
pub(super) struct SocketState {
    is_looked_at: AtomicBool,
    written: AtomicU64,
}

impl SocketState {
    /// Drives a connection with reads that go to the socket itself if Tokio reports nothing to
    /// read.
    ///
    /// Tokio learns from its driver what happened to a socket, and the driver runs only between
    /// polls. After a program has blocked the thread, a connection that was closed or written to in
    /// the meantime still looks idle. The system call always knows.
    pub(super) fn look<T>(&self, drive: impl FnOnce() -> T) -> T {
        self.is_looked_at.store(true, Ordering::Relaxed);
        let output = drive();
        self.is_looked_at.store(false, Ordering::Relaxed);
        output
    }

    /// The number of bytes that the operating system has accepted so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// A TCP stream whose write errors are reported by its reads.
///
/// A server may respond before it has read the whole request (413, 401) and close the connection.
/// The next write then fails although the response has already arrived. So a failed write is
/// treated as successful, the response is read, and the error is returned once nothing is left to
/// read.
pub(super) struct Socket {
    stream: TcpStream,
    state: Arc<SocketState>,
    write_error: Option<io::Error>,
    is_broken: bool,
    /// Bytes read since a read was last pending.
    read: usize,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, state: Arc::default(), write_error: None, is_broken: false, read: 0 }
    }

    pub(super) const fn state(&self) -> &Arc<SocketState> {
        &self.state
    }

    /// Reads without checking Tokio's readiness first.
    fn look(&self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buffer.initialize_unfilled_to(buffer.remaining().min(LOOK));
        loop {
            return match (&*SockRef::from(&self.stream)).read(room) {
                Ok(count) => {
                    buffer.advance(count);
                    Poll::Ready(Ok(()))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            };
        }
    }

    /// Records the outcome of a write of `length` bytes.
    fn wrote(&mut self, cx: &Context<'_>, outcome: io::Result<usize>, length: usize) -> io::Result<usize> {
        match outcome {
            Ok(count) => {
                self.state.written.fetch_add(count as u64, Ordering::Relaxed);
                Ok(count)
            }
            Err(error) => {
                self.write_error = Some(error);
                self.is_broken = true;
                // The reader must see it, whatever it waits for.
                cx.waker().wake_by_ref();
                Ok(length)
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read >= READ_BUDGET {
            this.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let mut polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if polled.is_pending() && (this.is_broken || this.state.is_looked_at.load(Ordering::Relaxed)) {
            polled = this.look(buffer);
        }
        let count = buffer.filled().len() - before;
        this.read = if polled.is_ready() { this.read + count } else { 0 };
        match this.write_error.take_if(|_| count == 0) {
            Some(error) => Poll::Ready(Err(error)),
            None => polled,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_broken {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes).map(|outcome| this.wrote(cx, outcome, bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if this.is_broken {
            return Poll::Ready(Ok(length));
        }
        Pin::new(&mut this.stream).poll_write_vectored(cx, slices).map(|outcome| this.wrote(cx, outcome, length))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
