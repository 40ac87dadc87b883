//! A hook that rate-limits a client.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::{Mutex as FairMutex, OwnedSemaphorePermit, Semaphore};

use super::context::HookContext;
use super::observer::{CallEnd, Observer};
use super::{Hook, HookFuture, RequestInput};
use crate::core::time::{self, Instant, sleep};
use crate::core::usd::Usd;
use crate::errors::HookError;

/// The time over which requests and tokens are counted.
const WINDOW: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A hook that limits a client: concurrent calls, requests and tokens per minute, and dollars per
/// day.
///
/// Calls wait in the order in which they were made. A call that is dropped while it waits leaves
/// the queue, and one that is dropped later frees its slot. Waiting counts toward the time limit of
/// the whole call and toward [`Timeouts::hook`](crate::core::Timeouts::hook), which ends waits of
/// more than 10 minutes by default.
///
/// Clones share the limits, so that several clients can stay within them together.
///
/// ```no_run
/// # #[cfg(feature = "_tls")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::OpenRouter;
/// use openrouter_kit::hooks::Limiter;
///
/// let limiter = Limiter::new().calls(8).requests_per_minute(100).tokens_per_minute(200_000).dollars_per_day("5.00".parse()?);
/// let client = OpenRouter::builder().env().hook(limiter.clone()).build()?;
/// println!("{} dollars spent today", limiter.spent_today());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "_tls"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Limiter {
    calls: Option<Arc<Semaphore>>,
    requests: Option<usize>,
    tokens: Option<u64>,
    dollars: Option<Usd>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Its holder waits until one more request is allowed; the others queue for it.
    turn: FairMutex<()>,
    spent: Mutex<Spent>,
    /// The same moment on the clock that timers follow and as the time since 1970.
    began: (Instant, Duration),
}

/// What has been used so far.
#[derive(Default)]
struct Spent {
    /// When the requests of the last minute began.
    requests: VecDeque<Instant>,
    /// When calls of the last minute ended, and how many tokens they took.
    tokens: VecDeque<(Instant, u64)>,
    /// The day since 1970, in UTC, and its cost.
    day: u64,
    dollars: Usd,
}

/// The slots that a call holds until it has ended.
#[derive(Default)]
struct Places(Mutex<Vec<OwnedSemaphorePermit>>);

impl Limiter {
    /// Creates a limiter without limits.
    #[must_use]
    pub fn new() -> Self {
        let since_1970 = time::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shared = Shared { turn: FairMutex::new(()), spent: Mutex::default(), began: (Instant::now(), since_1970) };
        Self { calls: None, requests: None, tokens: None, dollars: None, shared: Arc::new(shared) }
    }

    /// Sets how many calls may be in progress at once, at least one. A call is in progress until
    /// its response was read: a stream until it ends or is dropped.
    #[must_use]
    pub fn calls(mut self, calls: usize) -> Self {
        self.calls = Some(Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS))));
        self
    }

    /// Sets how many requests may start within any 60 seconds, at least one. Retries count.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: usize) -> Self {
        self.requests = Some(requests.max(1));
        self
    }

    /// Sets the number of tokens, input and output together, after which no more requests start
    /// within 60 seconds. Tokens are known only when a call has ended, so calls in progress may
    /// exceed the limit.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens.max(1));
        self
    }

    /// Sets the number of dollars per day after which requests fail with
    /// [`Error::Hook`](crate::Error::Hook), until midnight UTC. The cost of a call is known only
    /// when it has ended, so calls in progress may exceed the limit; the cost of a stream that is
    /// dropped before its end is never known. The count starts at zero with the program.
    #[must_use]
    pub const fn dollars_per_day(mut self, dollars: Usd) -> Self {
        self.dollars = Some(dollars);
        self
    }

    /// Returns the cost of the calls that ended today.
    #[must_use]
    pub fn spent_today(&self) -> Usd {
        self.spent_on(self.today()).dollars
    }

    /// Returns the day since 1970, by the clock that timers follow.
    fn today(&self) -> u64 {
        let (began, since_1970) = self.shared.began;
        since_1970.saturating_add(began.elapsed()).as_secs() / DAY.as_secs()
    }

    fn spent_on(&self, day: u64) -> MutexGuard<'_, Spent> {
        let mut spent = lock(&self.shared.spent);
        if spent.day != day {
            (spent.day, spent.dollars) = (day, Usd::ZERO);
        }
        spent
    }

    /// Waits until a request may start, and counts it.
    async fn admit(&self, context: &HookContext) -> Result<(), HookError> {
        if let Some(calls) = self.calls.as_ref().filter(|_| context.attempt() == 1) {
            let place = Arc::clone(calls).acquire_owned().await.map_err(HookError::new)?;
            lock(&context.state::<Places>().0).push(place);
        }
        let _turn = self.shared.turn.lock().await;
        loop {
            let spent = self.spent_on(self.today()).dollars;
            if let Some(limit) = self.dollars.filter(|limit| spent >= *limit) {
                return Err(HookError::new(format!(
                    "the calls of today cost {spent} dollars, which reaches the limit of {limit}; raise it or wait until midnight UTC"
                )));
            }
            let Some(wait) = self.wait(Instant::now()) else { return Ok(()) };
            sleep(wait).await;
        }
    }

    /// Returns how long it takes until another request may start; `None` if it starts now, and is
    /// counted.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let mut spent = lock(&self.shared.spent);
        let is_old = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        while spent.requests.front().is_some_and(|at| is_old(*at)) {
            spent.requests.pop_front();
        }
        while spent.tokens.front().is_some_and(|(at, _)| is_old(*at)) {
            spent.tokens.pop_front();
        }
        // The wait is computed again once the oldest ones no longer count.
        let count = spent.requests.len();
        let request = spent.requests.front().filter(|_| self.requests.is_some_and(|limit| count >= limit));
        let sum = spent.tokens.iter().map(|(_, tokens)| *tokens).fold(0, u64::saturating_add);
        let tokens = spent.tokens.front().filter(|_| self.tokens.is_some_and(|limit| sum >= limit));
        let newest = request.copied().max(tokens.map(|(at, _)| *at));
        let wait = newest.map(|at| WINDOW.saturating_sub(now.saturating_duration_since(at)));
        if wait.is_none() && self.requests.is_some() {
            spent.requests.push_back(now);
        }
        wait
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("free_calls", &self.calls.as_ref().map(|calls| calls.available_permits()))
            .field("requests_per_minute", &self.requests)
            .field("tokens_per_minute", &self.tokens)
            .field("dollars_per_day", &self.dollars)
            .field("spent_today", &self.spent_today())
            .finish()
    }
}

impl Hook for Limiter {
    fn before_create_request<'a>(&'a self, context: &'a HookContext, _: &'a mut RequestInput) -> HookFuture<'a, ()> {
        Box::pin(self.admit(context))
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

impl Observer for Limiter {
    fn call_end(&self, _: &HookContext, end: &CallEnd<'_>) {
        let mut spent = self.spent_on(self.today());
        if let Some(cost) = end.usage.cost {
            spent.dollars += cost;
        }
        if self.tokens.is_some() {
            spent.tokens.push_back((Instant::now(), end.usage.total_tokens()));
        }
    }
}

/// A panic elsewhere leaves what is behind these locks usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
