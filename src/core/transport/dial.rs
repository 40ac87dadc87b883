//! A connection attempt that several calls wait for.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::error::{Cause, ConnectError};

/// An attempt to make a connection, for all calls that could share it. A server may allow many
/// calls on one HTTP/2 connection, so a burst of first calls needs one TLS handshake instead of one
/// each.
///
/// A task makes the connection, so that dropping one call does not affect the others. The task ends
/// when no call is waiting anymore.
pub(super) struct Dial {
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

#[derive(Clone)]
pub(super) enum Progress {
    Dialing,
    /// The connection is in the pool and has room for one call.
    Connected,
    /// The server has announced how many calls it allows, or connecting failed.
    Done(Result<(), Arc<ConnectError>>),
}

impl Dial {
    /// Starts an attempt.
    pub(super) fn new<F>(handle: &Handle, attempt: impl FnOnce(watch::Sender<Progress>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, progress) = watch::channel(Progress::Dialing);
        Self { progress, task: handle.spawn(attempt(sender)).abort_handle() }
    }

    /// Returns whether the attempt is finished.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::Done(_)) || self.progress.has_changed().is_err()
    }

    /// Waits for what `take` returns once there is a connection. Returns `None` if other calls were
    /// faster.
    pub(super) async fn wait<T>(&self, mut take: impl FnMut() -> Option<T>) -> Result<Option<T>, Cause> {
        let mut progress = self.progress.clone();
        loop {
            if progress.changed().await.is_err() {
                return Err("the Tokio runtime was shut down".into());
            }
            let news = progress.borrow_and_update().clone();
            if let Progress::Done(Err(error)) = news {
                return Err(error.into());
            }
            match take() {
                Some(connection) => return Ok(Some(connection)),
                None if matches!(news, Progress::Done(_)) => return Ok(None),
                None => {}
            }
        }
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.task.abort();
    }
}
