//! An HTTP/2 connection and the response bodies it carries.
//!
//! hyper's connection is a future that someone has to poll. A task of the runtime does that, and so
//! does a call that is about to use the connection: it drives the connection once first, so that a
//! connection that the server has closed in the meantime is noticed before a request is sent on it.
//!
//! A server limits the streams of a connection. The pool counts them and opens another connection
//! at the limit, so a request never waits inside hyper, which does not say whether it was sent.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioTimer;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::error::{Failed, TransportError, sources};
use super::socket::SocketState;
use super::stream::Connected;
use crate::core::body::Body;

/// The stream limit until the server announces its own: a number that no server can announce.
const UNKNOWN_LIMIT: usize = usize::MAX - 1;

/// The connection-level window, as large as possible (RFC 9113, section 6.9.1), so that unread
/// responses do not block others. Each stream has its own window, which bounds its memory.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How many requests may be canceled at once before their streams are old.
const YOUNG_RESETS: u32 = 8;

/// How long it takes until one more request may be canceled.
const YOUNG_RESET_INTERVAL: Duration = Duration::from_millis(100);

/// The age at which a server has certainly accepted a stream.
const OLD: Duration = Duration::from_secs(1);

/// A connection that carries many exchanges at once. Tasks of the runtime drive it until the pool
/// has dropped it and the last response was read.
pub(super) struct Http2 {
    sender: SendRequest<Body>,
    driver: Arc<Driver>,
    runtime: Id,
    usage: Arc<Usage>,
}

/// The exchanges of a connection.
struct Usage {
    exchanges: AtomicUsize,
    last_used: Mutex<Instant>,
    /// When the next request may be canceled at once, as in the generic cell rate algorithm.
    next_reset: Mutex<Instant>,
}

impl Http2 {
    /// Starts HTTP/2 on a new connection.
    pub(super) async fn new(connected: Connected, runtime: Id) -> hyper::Result<Self> {
        let driver = Arc::new(Driver::new(connected.socket));
        let (sender, mut dispatch) = http2::Builder::new(Spawn(driver.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_max_send_streams(UNKNOWN_LIMIT)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(connected.stream)
            .await?;
        let of_dispatch = driver.clone();
        // Connection errors surface in the exchanges it carries.
        tokio::spawn(async move {
            let mut turned = pin!(of_dispatch.turned.notified());
            poll_fn(|cx| {
                let ended = Pin::new(&mut dispatch).poll(cx);
                while !of_dispatch.note_limit(dispatch.current_max_send_streams())
                    && turned.as_mut().poll(cx).is_ready()
                {
                    turned.set(of_dispatch.turned.notified());
                }
                ended
            })
            .await
        });
        let now = Instant::now();
        let usage = Usage { exchanges: AtomicUsize::new(0), last_used: Mutex::new(now), next_reset: Mutex::new(now) };
        Ok(Self { sender, driver, runtime, usage: Arc::new(usage) })
    }

    /// Returns the runtime that drives it.
    pub(super) const fn runtime(&self) -> Id {
        self.runtime
    }

    /// Returns whether it is open as far as known and was not unused for longer than
    /// `idle_timeout`.
    pub(super) fn is_usable(&self, idle_timeout: Duration) -> bool {
        let is_unused = || {
            self.usage.exchanges.load(Ordering::Acquire) == 0 && lock(&self.usage.last_used).elapsed() >= idle_timeout
        };
        !self.sender.is_closed() && !self.driver.has_ended.load(Ordering::Acquire) && !is_unused()
    }

    /// Returns an exchange on it, unless it already carries as many as the server allows. If the
    /// server currently allows none, one exchange waits; if it has not announced its limit, one is
    /// allowed.
    pub(super) fn exchange(&self) -> Option<Http2Exchange> {
        let limit = match self.driver.limit.load(Ordering::Relaxed) {
            UNKNOWN_LIMIT => 1,
            limit => limit.max(1),
        };
        // The pool increments this under its lock, so no other call interferes.
        (self.usage.exchanges.load(Ordering::Acquire) < limit).then(|| {
            self.usage.exchanges.fetch_add(1, Ordering::AcqRel);
            Http2Exchange { sender: self.sender.clone(), driver: self.driver.clone(), usage: self.usage.clone() }
        })
    }

    /// Returns whether the server has announced its stream limit, or the connection has ended.
    pub(super) fn is_settled(&self) -> bool {
        self.driver.is_settled()
    }

    /// Returns a future that waits until the connection [is settled](Self::is_settled).
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        let driver = self.driver.clone();
        async move {
            loop {
                let mut named = pin!(driver.named.notified());
                named.as_mut().enable();
                if driver.is_settled() {
                    return;
                }
                named.await;
            }
        }
    }
}

/// A slot for one exchange on a connection.
pub(super) struct Http2Exchange {
    sender: SendRequest<Body>,
    driver: Arc<Driver>,
    usage: Arc<Usage>,
}

impl Http2Exchange {
    /// Returns whether the connection is open, after checking its socket.
    pub(super) fn is_open(&self) -> bool {
        self.driver.is_alive()
    }

    /// Sends `request` and waits for the head of the response.
    pub(super) async fn send(mut self, request: Request<Body>) -> Result<Response<Body>, Failed> {
        let head: Head = Box::pin(self.sender.try_send_request(request));
        let mut waiting = Waiting { since: Instant::now(), pending: Some((head, self)) };
        let (head, exchange) = poll_fn(|cx| waiting.poll(cx)).await;
        match head {
            Ok(head) => Ok(head.map(|body| Body::received(Http2Body { body, _exchange: exchange }))),
            Err(error) => Err(Failed { is_unsent: was_refused(error.error()), error }),
        }
    }

    /// Returns whether the stream of a request may be reset now although the server may not have
    /// accepted it yet.
    fn may_reset_young(&self) -> bool {
        let now = Instant::now();
        let mut next = lock(&self.usage.next_reset);
        let is_allowed = *next < now + YOUNG_RESET_INTERVAL * YOUNG_RESETS;
        if is_allowed {
            *next = (*next).max(now) + YOUNG_RESET_INTERVAL;
        }
        is_allowed
    }
}

impl Drop for Http2Exchange {
    fn drop(&mut self) {
        *lock(&self.usage.last_used) = Instant::now();
        self.usage.exchanges.fetch_sub(1, Ordering::AcqRel);
    }
}

type Sent = Result<Response<Incoming>, TrySendError<Request<Body>>>;
type Head = Pin<Box<dyn Future<Output = Sent> + Send>>;

/// A request whose response has not started.
struct Waiting {
    since: Instant,
    /// `None` once the response has started.
    pending: Option<(Head, Http2Exchange)>,
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Sent, Http2Exchange)> {
        let Some((mut head, exchange)) = self.pending.take() else { return Poll::Pending };
        match head.as_mut().poll(cx) {
            Poll::Ready(head) => Poll::Ready((head, exchange)),
            Poll::Pending => {
                self.pending = Some((head, exchange));
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    /// Resets the stream of a canceled request.
    ///
    /// Servers close a connection on which many streams are reset before they were accepted
    /// (CVE-2023-44487), which fails its other calls. So when many are canceled, some streams stay
    /// open until they are old or their response starts.
    fn drop(&mut self) {
        let Some((head, exchange)) = self.pending.take() else { return };
        let old = self.since + OLD;
        if old > Instant::now()
            && !exchange.may_reset_young()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                let _ = timeout_at(old, head).await;
                drop(exchange);
            });
        }
    }
}

/// A response body.
struct Http2Body {
    body: Incoming,
    /// Keeps the connection in use until it is dropped.
    _exchange: Http2Exchange,
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
            // hyper treats a reset or GOAWAY without an error code as the end of the body. Only the
            // END_STREAM flag means that an HTTP/2 stream is complete.
            None if !self.body.is_end_stream() => {
                Poll::Ready(Some(Err(TransportError::body("the server reset the stream before its end"))))
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

/// Returns whether the server promised that it has not processed the request: it refused the stream
/// (RFC 9113, section 8.7), or the stream is above the last one it processes before a graceful
/// shutdown (section 6.8).
fn was_refused(error: &hyper::Error) -> bool {
    sources(error).filter_map(|source| source.downcast_ref::<h2::Error>()).any(|error| {
        let reason = error.reason();
        error.is_remote()
            && (error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM)
                || error.is_go_away() && reason == Some(h2::Reason::NO_ERROR))
    })
}

/// Drives a connection: used by a task of the runtime and by calls that check whether the
/// connection is alive.
struct Driver {
    socket: Arc<SocketState>,
    has_started: AtomicBool,
    has_ended: AtomicBool,
    connection: Mutex<Polled>,
    /// The server's stream limit.
    limit: AtomicUsize,
    /// Notified when the server has announced its limit, and when the connection has ended.
    named: Notify,
    /// Notified after each turn of the connection until the limit is known.
    turned: Notify,
}

struct Polled {
    /// `None` before the handshake, and when the connection has ended.
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The waker of the task, which must be woken no matter who polls.
    waker: Waker,
}

impl Driver {
    fn new(socket: Arc<SocketState>) -> Self {
        Self {
            socket,
            has_started: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            connection: Mutex::new(Polled { future: None, waker: Waker::noop().clone() }),
            limit: AtomicUsize::new(UNKNOWN_LIMIT),
            named: Notify::new(),
            turned: Notify::new(),
        }
    }

    /// Drives the connection once, checking the socket, and returns whether it is still alive.
    fn is_alive(&self) -> bool {
        match self.connection.try_lock() {
            Ok(mut connection) => self.socket.look(|| self.drive(&mut connection)),
            // Its task is driving it right now.
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Poisoned(_)) => false,
        }
    }

    /// Drives the connection once and returns whether it is still alive.
    fn drive(&self, connection: &mut Polled) -> bool {
        let Polled { future, waker } = connection;
        let goes_on =
            future.as_mut().is_some_and(|future| future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        if !goes_on && future.take().is_some() {
            waker.wake_by_ref();
            self.end();
        }
        if self.limit.load(Ordering::Relaxed) == UNKNOWN_LIMIT {
            self.turned.notify_one();
        }
        goes_on
    }

    fn is_settled(&self) -> bool {
        self.limit.load(Ordering::Acquire) != UNKNOWN_LIMIT || self.has_ended.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.named.notify_waiters();
    }

    /// Records the stream limit, and returns whether the server has announced it.
    fn note_limit(&self, limit: usize) -> bool {
        if self.limit.swap(limit, Ordering::AcqRel) != limit {
            self.named.notify_waiters();
        }
        limit != UNKNOWN_LIMIT
    }
}

/// The task that drives a connection.
struct Drive(Arc<Driver>);

impl Future for Drive {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut connection = lock(&self.0.connection);
        connection.waker.clone_from(cx.waker());
        if self.0.drive(&mut connection) { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Drive {
    /// Ends the connection with its runtime.
    fn drop(&mut self) {
        lock(&self.0.connection).future = None;
        self.0.end();
    }
}

/// Spawns the futures that hyper runs for a connection.
#[derive(Clone)]
struct Spawn(Arc<Driver>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, future: F) {
        // The first one is the connection itself, the others are requests.
        if self.0.has_started.swap(true, Ordering::AcqRel) {
            tokio::spawn(future);
        } else {
            lock(&self.0.connection).future = Some(Box::pin(future));
            tokio::spawn(Drive(self.0.clone()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
