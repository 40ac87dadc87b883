//! A connection in the making that several calls wait for.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::connect::ConnectError;
use crate::errors::Cause;

/// The attempt to make a connection, for all calls that could share it. A server may allow many calls on a connection of
/// HTTP/2, so that a burst of first calls needs one TLS handshake and not one each.
///
/// A task makes the connection, so that a call that is given up takes it from no other. It ends when nobody waits any more.
pub(super) struct Dial {
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

#[derive(Clone)]
pub(super) enum Progress {
    Dialing,
    /// The connection is in the pool, and has a place for one call.
    Connected,
    /// The server has told how many calls it allows, or there is no connection.
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

    /// Returns whether nothing more is to be expected of it.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::Done(_)) || self.progress.has_changed().is_err()
    }

    /// Waits for what `take` finds once there is a connection. Returns `None` if others were faster.
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
