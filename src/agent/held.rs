//! A stored run while an agent works on it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::run::Run;
use super::store::{Hold, Lease, Store, StoreError};
use crate::core::time::{Instant, sleep};

/// The store of a run, and the lease under which it is saved.
#[derive(Clone)]
pub(super) struct Held {
    store: Arc<dyn Store>,
    lease: Lease,
}

impl Held {
    pub(super) fn new(store: Arc<dyn Store>, lease: Lease) -> Self {
        Self { store, lease }
    }

    /// Saves the run and keeps it.
    pub(super) async fn save(&self, run: &mut Run) -> Result<(), StoreError> {
        let revision = self.store.save(run, Hold::Keep(&self.lease)).await?;
        run.set_revision(revision);
        Ok(())
    }

    /// Saves the run and releases it.
    pub(super) async fn release(&self, run: &mut Run) -> Result<(), StoreError> {
        let revision = self.store.save(run, Hold::Release(&self.lease)).await?;
        run.set_revision(revision);
        Ok(())
    }

    /// Finds out the revision again after a save was dropped, which may have been carried out.
    pub(super) async fn regain(&self, run: &mut Run) -> Result<(), StoreError> {
        let revision = self.store.claim(run.id(), &self.lease).await?.revision();
        run.set_revision(revision);
        Ok(())
    }

    /// Saves and releases the run after a save was dropped, even if that was the first one.
    pub(super) async fn give_back(&self, run: &mut Run) -> Result<(), StoreError> {
        match self.regain(run).await {
            Err(StoreError::NotFound { .. }) if run.revision() == 0 => {}
            regained => regained?,
        }
        self.release(run).await
    }

    /// Does work on the run with this id, and renews the lease meanwhile. The work is dropped when the lease has ended.
    pub(super) async fn during<T>(&self, id: &str, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let (mut work, mut renewing) = (pin!(work), pin!(self.renew(id)));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            Poll::Pending => renewing.as_mut().poll(cx).map(Err),
        })
        .await
    }

    /// Renews the lease for as long as that works.
    async fn renew(&self, id: &str) -> StoreError {
        let mut renewed = Instant::now();
        loop {
            sleep(self.lease.period() / 3).await;
            let before = Instant::now();
            match self.store.renew(id, &self.lease).await {
                Ok(()) => renewed = before,
                // The store may be back before the lease expires.
                Err(StoreError::Failed(_)) if renewed.elapsed() < self.lease.period() => {}
                Err(error) => return error,
            }
        }
    }
}
