//! Connections that wait for their next request.
//!
//! HTTP/1.1 connections are in the pool only while they are idle; a call takes one out and its
//! response body puts it back. HTTP/2 connections stay in the pool, and calls take one of their
//! slots. Both are kept per origin and per Tokio runtime.
//!
//! One task per runtime, the sweeper, closes connections that were idle for too long. It ends when
//! nothing is left to close, and starts again with the next connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

#[cfg(feature = "http2")]
use super::dial::Dial;
use super::http1::Http1;
#[cfg(feature = "http2")]
use super::http2::{Http2, Http2Exchange};

/// A connection that can carry a request.
pub(super) enum Connection {
    Http1(Box<Http1>),
    #[cfg(feature = "http2")]
    Http2(Http2Exchange),
}

/// The connections of a transport that carry no request, and those that can carry more.
///
/// A connection is used only in the runtime that drives its socket: in another one, a call would
/// wait for events that nobody polls for. So connections are kept per runtime, and end with it.
pub(super) struct Pool {
    idle_timeout: Duration,
    max_idle_per_host: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Nearly always one, so a linear search is fastest.
    hosts: Vec<Host>,
    /// For each runtime with hosts, the task that closes connections that were idle for too long.
    sweepers: Vec<(Id, Option<AbortHandle>)>,
}

/// The connections to one origin in one runtime.
struct Host {
    runtime: Id,
    /// A URI of its origin.
    origin: Uri,
    /// The most recently used one is the last one.
    idle: Vec<Idle>,
    #[cfg(feature = "http2")]
    http2: Vec<Http2>,
    #[cfg(feature = "http2")]
    dial: Weak<Dial>,
    /// The server last chose HTTP/1.1, so a connection serves one call at a time.
    #[cfg(feature = "http2")]
    is_http1: bool,
}

struct Idle {
    connection: Box<Http1>,
    since: Instant,
}

impl Idle {
    /// Returns whether it was idle for longer than the pool or the server allows.
    fn is_expired(&self, idle_timeout: Duration) -> bool {
        self.since.elapsed() >= idle_timeout.min(self.connection.keep_alive())
    }
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle_per_host: usize) -> Self {
        // A connection with no idle time left is not kept, so the sweeper always has something to
        // wait for.
        let max_idle_per_host = if idle_timeout.is_zero() { 0 } else { max_idle_per_host };
        Self { idle_timeout, max_idle_per_host, state: Mutex::default() }
    }

    /// Returns a connection to the origin of `uri` that `runtime` drives and that is open as far as
    /// known.
    pub(super) fn take(&self, uri: &Uri, runtime: Id) -> Option<Connection> {
        loop {
            let mut state = self.state();
            let host = state.hosts.iter_mut().find(|host| host.is_of(uri, runtime))?;
            #[cfg(feature = "http2")]
            if let Some(exchange) = host.http2_exchange(self.idle_timeout) {
                drop(state);
                if exchange.is_open() {
                    return Some(Connection::Http2(exchange));
                }
                continue;
            }
            let idle = host.idle.pop()?;
            drop(state);
            let is_expired = idle.is_expired(self.idle_timeout);
            let mut connection = idle.connection;
            if is_expired {
                connection.close();
            } else if connection.is_open() {
                return Some(Connection::Http1(connection));
            }
        }
    }

    /// Keeps a connection for the next request, if there is room for it. It is closed if it ends up
    /// in a different runtime: nothing there could close it in time.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Http1>) {
        let runtime = connection.runtime();
        let Some(handle) = Handle::try_current().ok().filter(|handle| handle.id() == runtime) else {
            return connection.close();
        };
        let mut state = self.state();
        let host = state.host(connection.origin(), runtime);
        if host.idle.len() >= self.max_idle_per_host {
            drop(state);
            return connection.close();
        }
        #[cfg(feature = "http2")]
        {
            host.is_http1 = true;
        }
        host.idle.push(Idle { connection, since: Instant::now() });
        self.sweep(state, &handle);
    }

    /// Makes a new HTTP/2 connection available to all calls.
    #[cfg(feature = "http2")]
    pub(super) fn share(self: &Arc<Self>, uri: &Uri, connection: Http2, handle: &Handle) {
        if self.max_idle_per_host == 0 {
            return;
        }
        let mut state = self.state();
        let host = state.host(uri, connection.runtime());
        host.is_http1 = false;
        host.http2.push(connection);
        self.sweep(state, handle);
    }

    /// Returns the dial to the origin of `uri` that is in progress, or else a new one from `start`,
    /// which gets a connection whose stream limit is not known yet, if there is one. Returns `None`
    /// if a connection serves one call at a time, so that each call makes its own.
    #[cfg(feature = "http2")]
    pub(super) fn dial(
        self: &Arc<Self>,
        uri: &Uri,
        handle: &Handle,
        start: impl FnOnce(Option<&Http2>) -> Dial,
    ) -> Option<Arc<Dial>> {
        if self.max_idle_per_host == 0 || uri.scheme() != Some(&http::uri::Scheme::HTTPS) {
            return None;
        }
        let mut state = self.state();
        let host = state.host(uri, handle.id());
        if host.is_http1 {
            return None;
        }
        let dial = host.dial.upgrade().filter(|dial| !dial.is_over()).unwrap_or_else(|| {
            let dial = Arc::new(start(host.http2.iter().find(|http2| !http2.is_settled())));
            host.dial = Arc::downgrade(&dial);
            dial
        });
        self.sweep(state, handle);
        Some(dial)
    }

    /// Starts the sweeper of the runtime, if there is none.
    fn sweep(self: &Arc<Self>, mut state: MutexGuard<'_, State>, handle: &Handle) {
        let runtime = handle.id();
        if state.sweepers.iter().any(|(of, _)| *of == runtime) {
            return;
        }
        state.sweepers.push((runtime, None));
        // Outside the lock: a runtime that is shutting down drops the task at once.
        drop(state);
        let sweeper = Sweeper { pool: Arc::downgrade(self), runtime };
        let task = handle.spawn(sweeper.run(self.idle_timeout)).abort_handle();
        if let Some((_, sweeper)) = self.state().sweepers.iter_mut().find(|(of, _)| *of == runtime) {
            *sweeper = Some(task);
        }
    }

    /// Closes connections of `runtime` that were idle for too long, and returns whether any is
    /// left.
    fn close_expired(&self, runtime: Id) -> bool {
        let mut expired = Vec::new();
        let mut state = self.state();
        for host in state.hosts.iter_mut().filter(|host| host.runtime == runtime) {
            expired.extend(host.idle.extract_if(.., |idle| idle.is_expired(self.idle_timeout)));
            #[cfg(feature = "http2")]
            host.http2.retain(|http2| http2.is_usable(self.idle_timeout));
        }
        state.hosts.retain(|host| host.runtime != runtime || !host.is_empty());
        let is_left = state.hosts.iter().any(|host| host.runtime == runtime);
        if !is_left {
            state.sweepers.retain(|(of, _)| *of != runtime);
        }
        drop(state);
        expired.into_iter().for_each(|idle| idle.connection.close());
        is_left
    }

    /// Drops everything that belongs to `runtime`.
    fn forget(&self, runtime: Id) {
        let mut state = self.state();
        let forgotten: Vec<_> = state.hosts.extract_if(.., |host| host.runtime == runtime).collect();
        state.sweepers.retain(|(of, _)| *of != runtime);
        // Connections are closed outside the lock.
        drop(state);
        drop(forgotten);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of a runtime that closes idle connections. When the runtime shuts down, it drops the
/// task, and its connections with it.
struct Sweeper {
    pool: Weak<Pool>,
    runtime: Id,
}

impl Sweeper {
    async fn run(mut self, idle_timeout: Duration) {
        while self.pool.upgrade().is_some() {
            sleep(idle_timeout).await;
            if self.pool.upgrade().is_some_and(|pool| !pool.close_expired(self.runtime)) {
                // The next connection may start a new sweeper at any time, so this one must not
                // touch the pool anymore.
                self.pool = Weak::new();
            }
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.forget(self.runtime);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for sweeper in state.sweepers.drain(..).filter_map(|(_, sweeper)| sweeper) {
            sweeper.abort();
        }
        for idle in state.hosts.drain(..).flat_map(|host| host.idle) {
            idle.connection.close();
        }
    }
}

impl State {
    #[expect(clippy::indexing_slicing, reason = "the index was found just now")]
    fn host(&mut self, origin: &Uri, runtime: Id) -> &mut Host {
        let index = self.hosts.iter().position(|host| host.is_of(origin, runtime)).unwrap_or_else(|| {
            self.hosts.push(Host {
                runtime,
                origin: origin.clone(),
                idle: Vec::new(),
                #[cfg(feature = "http2")]
                http2: Vec::new(),
                #[cfg(feature = "http2")]
                dial: Weak::new(),
                #[cfg(feature = "http2")]
                is_http1: false,
            });
            self.hosts.len() - 1
        });
        &mut self.hosts[index]
    }
}

impl Host {
    fn is_of(&self, uri: &Uri, runtime: Id) -> bool {
        // Compared as text, which is faster: an authority in different case gets its own
        // connections.
        self.runtime == runtime
            && self.origin.authority().map(Authority::as_str) == uri.authority().map(Authority::as_str)
            && self.origin.scheme() == uri.scheme()
    }

    /// Returns a slot on the first HTTP/2 connection that has one, so that the last ones become
    /// idle.
    #[cfg(feature = "http2")]
    fn http2_exchange(&mut self, idle_timeout: Duration) -> Option<Http2Exchange> {
        self.http2.retain(|http2| http2.is_usable(idle_timeout));
        self.http2.iter().find_map(Http2::exchange)
    }

    fn is_empty(&self) -> bool {
        #[cfg(feature = "http2")]
        if !self.http2.is_empty() || self.dial.strong_count() > 0 {
            return false;
        }
        self.idle.is_empty()
    }
}
