//! Connections that wait for their next request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::http1::Http1;
#[cfg(feature = "http2")]
use super::http2::Http2;

/// A connection that can carry a request.
pub(super) enum Connection {
    Http1(Box<Http1>),
    #[cfg(feature = "http2")]
    Http2(Http2),
}

/// The connections of a transport that carry nothing, and those that can carry more.
pub(super) struct Pool {
    idle_timeout: Duration,
    max_idle_per_host: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// One nearly always, so that looking at each is the quickest way.
    hosts: Vec<Host>,
    /// Closes what was idle for too long; it runs while something is.
    sweeper: Option<JoinHandle<()>>,
}

struct Host {
    /// A URI of its origin.
    origin: Uri,
    /// The one that was used last is the last one.
    idle: Vec<Idle>,
    #[cfg(feature = "http2")]
    http2: Option<Http2>,
}

struct Idle {
    connection: Box<Http1>,
    since: Instant,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle_per_host: usize) -> Self {
        // What may be idle for no time is not kept, so that the sweeper always has something to wait for.
        let max_idle_per_host = if idle_timeout.is_zero() { 0 } else { max_idle_per_host };
        Self { idle_timeout, max_idle_per_host, state: Mutex::default() }
    }

    /// A connection to the origin of `uri` that is open as far as can be known.
    pub(super) fn take(&self, uri: &Uri) -> Option<Connection> {
        loop {
            let idle = {
                let mut state = self.state();
                let host = state.hosts.iter_mut().find(|host| host.is_of(uri))?;
                #[cfg(feature = "http2")]
                {
                    host.http2.take_if(|http2| !http2.is_open(self.idle_timeout));
                    if let Some(http2) = &host.http2 {
                        return Some(Connection::Http2(http2.clone()));
                    }
                }
                host.idle.pop()?
            };
            let mut connection = idle.connection;
            if idle.since.elapsed() >= self.idle_timeout {
                connection.close();
            } else if connection.is_open() {
                return Some(Connection::Http1(connection));
            }
        }
    }

    /// Keeps a connection for the next request, if there is room for it.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Http1>) {
        let mut state = self.state();
        let host = state.host(connection.origin());
        if host.idle.len() >= self.max_idle_per_host {
            drop(state);
            return connection.close();
        }
        host.idle.push(Idle { connection, since: Instant::now() });
        self.sweep(&mut state);
    }

    /// Makes a new connection known to the requests to come; where there is one by now, that one is used instead.
    #[cfg(feature = "http2")]
    pub(super) fn share(self: &Arc<Self>, uri: &Uri, connection: Http2) -> Http2 {
        if self.max_idle_per_host == 0 {
            return connection;
        }
        let mut state = self.state();
        let shared = &mut state.host(uri).http2;
        match shared.as_ref().filter(|http2| http2.is_open(self.idle_timeout)) {
            Some(http2) => http2.clone(),
            None => {
                *shared = Some(connection.clone());
                self.sweep(&mut state);
                connection
            }
        }
    }

    /// Sees to it that something closes what was idle for too long.
    fn sweep(self: &Arc<Self>, state: &mut State) {
        // Where no runtime is, nothing can be done in time; the next call will do it.
        if state.sweeper.as_ref().is_none_or(JoinHandle::is_finished)
            && let Ok(runtime) = Handle::try_current()
        {
            state.sweeper = Some(runtime.spawn(sweep(Arc::downgrade(self), self.idle_timeout)));
        }
    }

    /// Closes what was idle for too long. Answers whether anything is left.
    fn close_expired(&self) -> bool {
        let mut expired = Vec::new();
        let mut state = self.state();
        for host in &mut state.hosts {
            expired.extend(host.idle.extract_if(.., |idle| idle.since.elapsed() >= self.idle_timeout));
            #[cfg(feature = "http2")]
            host.http2.take_if(|http2| !http2.is_open(self.idle_timeout));
        }
        state.hosts.retain(|host| !host.is_empty());
        let is_left = !state.hosts.is_empty();
        if !is_left {
            state.sweeper = None;
        }
        drop(state);
        expired.into_iter().for_each(|idle| idle.connection.close());
        is_left
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(pool: Weak<Pool>, idle_timeout: Duration) {
    loop {
        sleep(idle_timeout).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_expired()) {
            return;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(sweeper) = &state.sweeper {
            sweeper.abort();
        }
        for idle in state.hosts.drain(..).flat_map(|host| host.idle) {
            idle.connection.close();
        }
    }
}

impl State {
    #[expect(clippy::indexing_slicing, reason = "the index was found just now")]
    fn host(&mut self, origin: &Uri) -> &mut Host {
        let index = self.hosts.iter().position(|host| host.is_of(origin)).unwrap_or_else(|| {
            self.hosts.push(Host {
                origin: origin.clone(),
                idle: Vec::new(),
                #[cfg(feature = "http2")]
                http2: None,
            });
            self.hosts.len() - 1
        });
        &mut self.hosts[index]
    }
}

impl Host {
    fn is_of(&self, uri: &Uri) -> bool {
        // As text, which is quicker: an authority in other letters has connections of its own.
        self.origin.authority().map(Authority::as_str) == uri.authority().map(Authority::as_str)
            && self.origin.scheme() == uri.scheme()
    }

    fn is_empty(&self) -> bool {
        #[cfg(feature = "http2")]
        if self.http2.is_some() {
            return false;
        }
        self.idle.is_empty()
    }
}
