//! When a request is retried, and after how long. The decision is a pure function; the clock and
//! the randomness are arguments.
//!
//! See [`RetryConfig`] for the rules.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::retry_hints::TRANSIENT;
use crate::errors::{Error, TimeoutPhase};

/// Whether failed requests are retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryStrategy {
    /// No request is retried.
    None,
    /// A request that failed temporarily is retried after a growing delay.
    Backoff,
}

/// When a failed request is retried, and after how long. It is set for a client or for one call.
///
/// The names are those of the official SDKs. The rules are stricter, so that no work is paid for
/// twice and no outage is made worse:
///
/// - **A request that the server has not processed** is retried, whatever the method: the
///   connection could not be established, or it closed before the request was sent; the server
///   rejected the request (429, 503, 529); or an edge network could not reach the server (521, 522,
///   523, 525, 526, 530).
/// - **A request that may have been processed** is retried only if it is idempotent (GET, PUT,
///   DELETE, and a POST that only reads, such as `analytics().query_analytics`). Any other POST is
///   not, since it may have been processed and charged, unless the call allows it
///   ([`repeat_received`](super::Call::repeat_received)). This covers a connection lost after the
///   request was sent, a timeout, a response body that was cut off, and an intermediary that lost
///   the server or gave up waiting for it (408, 504, 520, 524, 527). (The official SDKs repeat a
///   POST.) A stream that has begun is never retried.
/// - **500 and 502** are retried, whatever the method, if the body is an error in the format of the
///   API, an object that contains an object `error`: then the API itself reports that the request
///   failed. An HTML page, plain text or an empty body comes from a gateway that does not know:
///   such a request may have been processed. The same applies to any other status from 500 on that
///   [`status_codes`](Self::status_codes) lists.
/// - **Statuses** that are not in [`status_codes`](Self::status_codes) are not retried (the
///   official SDKs retry all of 5xx, and neither 408 nor 429), nor is an error whose
///   `error.availability.retryable` is false, nor a daily limit without a reset time.
/// - **The delay** before retry *n* is drawn at random from the upper half of `initial_interval *
///   exponent^(n-1)`, and at most `max_interval`. (The official SDKs compute `initial_interval *
///   n^exponent` with *n* from 0 and add up to a second.) If the server sends a delay or the reset
///   time of a limit ([`ApiError::retry_after`](crate::errors::ApiError::retry_after)) and it is
///   longer, that delay applies, even beyond `max_interval`.
/// - **The end**: no retry is made after [`max_attempts`](Self::max_attempts), nor if its delay
///   would end later than [`max_elapsed_time`](Self::max_elapsed_time) after the call began; the
///   last error is returned at once.
/// - **An error inside a successful response**, in the body or in an event of a stream, is not
///   retried: the server accepted the request and started to process it.
/// - **A repeated DELETE** whose first response was lost may report 404, since the first one
///   worked.
/// - **The budget**: all calls of a client, with its clones, share a stock of 100 retries. Each
///   retry takes one and each call that succeeds gives back a tenth; a call that is dropped while
///   it waits returns its retry. In an outage, once the budget is used up, calls are not retried,
///   so load is not multiplied.
///
/// ```
/// use std::time::Duration;
/// use openrouter_kit::core::RetryConfig;
///
/// let patient = RetryConfig::backoff().max_attempts(6).max_elapsed_time(Duration::from_secs(600));
/// let never = RetryConfig::none();
/// # assert_ne!(patient, never);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Whether requests are retried at all. Default: [`RetryStrategy::Backoff`].
    pub strategy: RetryStrategy,
    /// The maximum delay before the first retry. Default: 500 ms, as in the official SDKs.
    pub initial_interval: Duration,
    /// The maximum delay before any retry, unless the server asks for more. Default: 8 s (official
    /// SDKs: 60 s).
    pub max_interval: Duration,
    /// The factor by which each delay exceeds the one before, from 1 to 10. Default: 2 (official
    /// SDKs: 1.5, as a power).
    pub exponent: f64,
    /// How long after the start of a call a retry may still begin. Default: 2 minutes (official
    /// SDKs: 1 hour). A request that failed after that, such as by the default limit for the head
    /// of the response, is not retried.
    pub max_elapsed_time: Duration,
    /// The maximum number of attempts, including the first one; at least 1. Default: 3 (official
    /// SDKs: no limit).
    pub max_attempts: u32,
    /// Whether connection errors and timeouts are retried, by the rules above. Default: `true`.
    pub retry_connection_errors: bool,
    /// The statuses that are retried, each from 400 to 599. Default: 408, 429, 500, 502 to 504, 520
    /// to 527, 529, 530.
    ///
    /// Listing a status does not allow repeating a POST that may have been processed;
    /// [`repeat_received`](super::Call::repeat_received) does.
    pub status_codes: Vec<u16>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self::backoff()
    }
}

impl RetryConfig {
    /// Retries after a growing delay, with the default values.
    ///
    /// ```
    /// use openrouter_kit::RetryConfig;
    ///
    /// let config = RetryConfig::backoff();
    /// assert_eq!((config.max_attempts, config.initial_interval.as_millis()), (3, 500));
    /// assert!(config.status_codes.contains(&429));
    /// ```
    pub fn backoff() -> Self {
        Self {
            strategy: RetryStrategy::Backoff,
            initial_interval: Duration::from_millis(500),
            max_interval: Duration::from_secs(8),
            exponent: 2.0,
            max_elapsed_time: Duration::from_secs(120),
            max_attempts: 3,
            retry_connection_errors: true,
            status_codes: TRANSIENT.to_vec(),
        }
    }

    /// Disables retries.
    ///
    /// ```
    /// use openrouter_kit::core::{RetryConfig, RetryStrategy};
    ///
    /// assert_eq!(RetryConfig::none().strategy, RetryStrategy::None);
    /// ```
    pub fn none() -> Self {
        Self { strategy: RetryStrategy::None, ..Self::backoff() }
    }

    /// Sets [`initial_interval`](Self::initial_interval).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use openrouter_kit::RetryConfig;
    ///
    /// // Delays of at most 100 ms, 300 ms and 900 ms.
    /// let config = RetryConfig::backoff().initial_interval(Duration::from_millis(100)).exponent(3.0).max_attempts(4);
    /// # assert_eq!(config.exponent, 3.0);
    /// ```
    #[must_use]
    pub fn initial_interval(mut self, initial_interval: Duration) -> Self {
        self.initial_interval = initial_interval;
        self
    }

    /// Sets [`max_interval`](Self::max_interval).
    ///
    /// It does not shorten a delay that the server asks for.
    #[must_use]
    pub fn max_interval(mut self, max_interval: Duration) -> Self {
        self.max_interval = max_interval;
        self
    }

    /// Sets [`exponent`](Self::exponent).
    ///
    /// With an exponent of 1, all delays have the same maximum.
    #[must_use]
    pub fn exponent(mut self, exponent: f64) -> Self {
        self.exponent = exponent;
        self
    }

    /// Sets [`max_elapsed_time`](Self::max_elapsed_time).
    ///
    /// A retry whose delay would end later is not made, so a call never waits in vain.
    #[must_use]
    pub fn max_elapsed_time(mut self, max_elapsed_time: Duration) -> Self {
        self.max_elapsed_time = max_elapsed_time;
        self
    }

    /// Sets [`max_attempts`](Self::max_attempts).
    ///
    /// The maximum includes the first attempt, so `1` means that nothing is retried.
    #[must_use]
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// Sets [`retry_connection_errors`](Self::retry_connection_errors).
    ///
    /// ```
    /// use openrouter_kit::RetryConfig;
    ///
    /// // Retry only what the server itself rejects.
    /// let config = RetryConfig::backoff().retry_connection_errors(false);
    /// # assert!(!config.retry_connection_errors);
    /// ```
    #[must_use]
    pub fn retry_connection_errors(mut self, retry_connection_errors: bool) -> Self {
        self.retry_connection_errors = retry_connection_errors;
        self
    }

    /// Sets [`status_codes`](Self::status_codes).
    ///
    /// ```
    /// use openrouter_kit::RetryConfig;
    ///
    /// // Retry only when the server is overloaded.
    /// let config = RetryConfig::backoff().status_codes([429, 503, 529]);
    /// # assert_eq!(config.status_codes, [429, 503, 529]);
    /// ```
    #[must_use]
    pub fn status_codes(mut self, status_codes: impl IntoIterator<Item = u16>) -> Self {
        self.status_codes = status_codes.into_iter().collect();
        self
    }

    /// Rejects values outside their ranges.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |message: &'static str| Err(Error::invalid("retry_config", message));
        if !(1.0..=10.0).contains(&self.exponent) {
            return wrong("has an `exponent` outside 1 to 10; use the default of 2 if in doubt");
        }
        if self.max_attempts == 0 {
            return wrong("has a `max_attempts` of 0; use 1 for a single attempt without retries");
        }
        if self.initial_interval > self.max_interval {
            return wrong(
                "has an `initial_interval` longer than its `max_interval`; shorten the first or lengthen the second",
            );
        }
        if self.status_codes.iter().any(|code| !(400..600).contains(code)) {
            return wrong("has a status code outside 400 to 599; list only statuses of errors");
        }
        Ok(())
    }

    /// Returns the delay before the request is retried, or `None` if it is not retried.
    ///
    /// `attempt` is the number of the failed attempt, from 1; `elapsed` is the time since the call
    /// began; `repeatable` says that the operation is idempotent; `jitter` is a random number from
    /// 0 to 1.
    pub(crate) fn decide(
        &self,
        attempt: u32,
        elapsed: Duration,
        failure: Failure,
        repeatable: bool,
        jitter: f64,
    ) -> Option<Duration> {
        if self.strategy == RetryStrategy::None || attempt >= self.max_attempts {
            return None;
        }
        let asked = match failure {
            Failure::Response { status, may_be_processed, wait }
                if self.status_codes.contains(&status) && (repeatable || !may_be_processed) =>
            {
                wait
            }
            Failure::Unsent if self.retry_connection_errors => None,
            Failure::Lost if self.retry_connection_errors && repeatable => None,
            _ => return None,
        };
        let wait = self.interval(attempt).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        let wait = wait.max(asked.unwrap_or_default());
        (elapsed.saturating_add(wait) <= self.max_elapsed_time).then_some(wait)
    }

    /// Returns the maximum delay after attempt number `attempt`.
    fn interval(&self, attempt: u32) -> Duration {
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial_interval.as_secs_f64() * self.exponent.powi(power);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(self.max_interval)
    }
}

/// What a failed attempt means for retrying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server responded with an error status and perhaps a delay.
    Response { status: u16, may_be_processed: bool, wait: Option<Duration> },
    /// The server has not received the request.
    Unsent,
    /// The server may have received the request, and its response did not arrive whole.
    Lost,
    /// Another attempt would fail in the same way.
    Permanent,
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Api(error) => {
                let is_final = error.availability().and_then(|availability| availability.retryable()) == Some(false);
                let wait = error.retry_after();
                if is_final || error.lacks_credits() || wait.is_none() && error.is_daily_limit() {
                    return Self::Permanent;
                }
                let may_be_processed = error.may_be_processed();
                Self::Response { status: error.status().as_u16(), may_be_processed, wait }
            }
            Error::Connection(error) if error.is_unsent() => Self::Unsent,
            Error::Connection(error) if error.is_lost() => Self::Lost,
            Error::Timeout(error) if error.is_unsent() => Self::Unsent,
            Error::Timeout(error) => match error.phase() {
                TimeoutPhase::Response | TimeoutPhase::Idle | TimeoutPhase::Event => Self::Lost,
                TimeoutPhase::Connect | TimeoutPhase::Hook | TimeoutPhase::Total => Self::Permanent,
            },
            _ => Self::Permanent,
        }
    }
}

/// The retries that a client and its clones may still make, so that an outage does not multiply
/// load.
///
/// It counts tenths of retries: a retry takes ten of them, a call that succeeds gives one back.
#[derive(Debug)]
pub(crate) struct RetryBudget(AtomicU32);

impl RetryBudget {
    const FULL: u32 = 1000;
    const RETRY: u32 = 10;

    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(Self::FULL))
    }

    /// Takes one retry, if one is left. It is taken before the wait, so that no call waits in vain.
    pub(crate) fn take(&self) -> Option<TakenRetry<'_>> {
        let less = |tenths: u32| tenths.checked_sub(Self::RETRY);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok().map(|_| TakenRetry(self))
    }

    /// Counts a call that succeeded.
    pub(crate) fn succeeded(&self) {
        // The budget is nearly always full: read before writing, so that calls do not contend for a
        // cache line.
        if self.0.load(Ordering::Relaxed) < Self::FULL {
            self.give(1);
        }
    }

    fn give(&self, tenths: u32) {
        let more = |stock: u32| Some(stock.saturating_add(tenths).min(Self::FULL));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

/// A retry that was taken and not yet made. If it is dropped before that, such as with its call, it
/// returns to the budget.
#[derive(Debug)]
#[must_use = "it returns to the budget when dropped"]
pub(crate) struct TakenRetry<'a>(&'a RetryBudget);

impl TakenRetry<'_> {
    /// Counts the retry as made.
    pub(crate) fn spend(self) {
        std::mem::forget(self);
    }
}

impl Drop for TakenRetry<'_> {
    fn drop(&mut self) {
        self.0.give(RetryBudget::RETRY);
    }
}
