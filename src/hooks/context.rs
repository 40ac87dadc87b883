//! The attempt and the call that a hook runs for.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Extensions;

use super::observer::Retry;
use crate::core::operation::OperationRef;
use crate::core::time::Instant;
use crate::core::{Operation, RetryConfig, Timeouts};

/// The attempt and the call that a hook runs for. All points of a call receive the same one.
pub struct HookContext {
    call_id: u64,
    operation: OperationRef,
    base_url: String,
    retry_config: RetryConfig,
    timeouts: Timeouts,
    is_stream: bool,
    wants_metadata: bool,
    extensions: Extensions,
    call_began: Instant,
    attempt: AtomicU32,
    begun: Mutex<Attempt>,
    /// What hooks keep for this call.
    state: Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>,
}

#[derive(Clone, Copy)]
struct Attempt {
    began: Instant,
    retry: Option<Retry>,
}

impl HookContext {
    pub(crate) fn new(
        operation: OperationRef,
        base_url: String,
        retry_config: RetryConfig,
        timeouts: Timeouts,
        call_began: Instant,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self {
            call_id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            operation,
            base_url,
            retry_config,
            timeouts,
            is_stream: false,
            wants_metadata: false,
            extensions: Extensions::new(),
            call_began,
            attempt: AtomicU32::new(0),
            begun: Mutex::new(Attempt { began: call_began, retry: None }),
            state: Mutex::default(),
        }
    }

    pub(crate) fn with_call(mut self, is_stream: bool, wants_metadata: bool, extensions: Extensions) -> Self {
        (self.is_stream, self.wants_metadata, self.extensions) = (is_stream, wants_metadata, extensions);
        self
    }

    pub(crate) fn begin(&self, number: u32, retry: Option<Retry>) {
        self.attempt.store(number, Ordering::Relaxed);
        *lock(&self.begun) = Attempt { began: Instant::now(), retry };
    }

    /// Drops what hooks keep for this call.
    pub(crate) fn clear(&self) {
        let state = std::mem::take(&mut *lock(&self.state));
        // Outside the lock: dropping it may run code of the program.
        drop(state);
    }

    /// Returns a number that no other call of the process has, the same for all attempts of this
    /// one.
    pub const fn call_id(&self) -> u64 {
        self.call_id
    }

    /// Returns the name of the operation in the API document (`createResponses`), or `request` for
    /// a request made with [`OpenRouter::request`](crate::OpenRouter::request).
    pub fn operation_id(&self) -> &'static str {
        self.operation.id()
    }

    /// Returns the operation, with its method and path.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Returns the number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt.load(Ordering::Relaxed)
    }

    /// Returns how long the call waited before this attempt and why, or `None` in the first
    /// attempt.
    pub fn retry(&self) -> Option<Retry> {
        lock(&self.begun).retry
    }

    /// Returns how long ago this attempt began.
    pub fn elapsed(&self) -> Duration {
        lock(&self.begun).began.elapsed()
    }

    /// Returns how long ago the call began.
    pub fn call_elapsed(&self) -> Duration {
        self.call_began.elapsed()
    }

    /// Returns the server URL of this call.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Returns the retry configuration of this call.
    pub const fn retry_config(&self) -> &RetryConfig {
        &self.retry_config
    }

    /// Returns the time limits of this call.
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Returns `true` if the call expects a stream of events.
    pub const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Returns `true` if the call requests `openrouter_metadata`.
    pub const fn wants_metadata(&self) -> bool {
        self.wants_metadata
    }

    /// Returns the value of type `T` that was attached to the call with
    /// [`Call::extension`](crate::core::Call::extension).
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// Returns the value of type `T` that hooks keep for this call. The first use creates it, and
    /// it is dropped once the call has ended, however it ends. Use a type that no other hook knows.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use openrouter_kit::hooks::HookContext;
    ///
    /// #[derive(Default)]
    /// struct Seen(AtomicU32);
    ///
    /// fn count(context: &HookContext) -> u32 {
    ///     context.state::<Seen>().0.fetch_add(1, Ordering::Relaxed)
    /// }
    /// ```
    pub fn state<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut state = lock(&self.state);
        let id = TypeId::of::<T>();
        let found = state.iter().find(|(known, _)| *known == id).map(|(_, value)| Arc::clone(value));
        if let Some(found) = found.and_then(|found| found.downcast().ok()) {
            return found;
        }
        let new = Arc::new(T::default());
        state.push((id, new.clone()));
        new
    }
}

impl fmt::Debug for HookContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookContext")
            .field("call_id", &self.call_id)
            .field("operation", &self.operation)
            .field("base_url", &self.base_url)
            .field("attempt", &self.attempt())
            .field("is_stream", &self.is_stream)
            .finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves what is behind these locks usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
