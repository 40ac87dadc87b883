//! When a request is sent again, and after how long. The decision is a pure function; clock and chance are arguments.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::errors::{Error, TimeoutPhase};

/// Whether a failed request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryStrategy {
    /// Every request is sent once.
    None,
    /// A request that failed in passing is sent again after a growing wait.
    Backoff,
}

/// When a failed request is sent again, and after how long. Set it for a client or for one call.
///
/// The names are those of the official SDKs. The rules are stricter, so that no work is paid for twice and no outage is
/// made worse:
///
/// - **A request that the server has not processed** is retried, whatever the method: no connection could be made, or
///   the connection closed before the request was sent; the server refused the request (429, 503, 529); or an edge
///   network could not reach the server (521, 522, 523, 525, 526, 530).
/// - **A request that may have been processed** is retried only if it is idempotent (GET, PUT, DELETE). A POST is not,
///   since it may have been carried out and charged, unless the call allows it
///   ([`repeat_received`](super::Call::repeat_received)). This covers a connection lost after the request was sent, a
///   timeout, a response body that broke off, and an intermediary that lost the server or gave up waiting for it (408,
///   504, 520, 524, 527). (The official SDKs repeat a POST.) A stream that has begun is never retried.
/// - **500 and 502** are retried whatever the method if the body is an error in the format of the API, an object that
///   contains an object `error`: then the API itself reports that the request failed. An HTML page, plain text or an
///   empty body comes from a gateway that does not know: such a request may have been processed. The same holds for any
///   other status from 500 on that [`status_codes`](Self::status_codes) lists.
/// - **Statuses** that are not in [`status_codes`](Self::status_codes) are not retried (the official SDKs retry all of
///   5xx, and neither 408 nor 429), nor is an error whose `error.availability.retryable` is false, nor a daily limit
///   without a reset time.
/// - **The wait** before retry *n* is drawn at random from the upper half of `initial_interval * exponent^(n-1)`, and
///   at most `max_interval`. (The official SDKs compute `initial_interval * n^exponent` with *n* from 0 and add up to a
///   second.) If the server sends a wait or the reset time of a limit
///   ([`ApiError::retry_after`](crate::errors::ApiError::retry_after)) and it is longer, that wait applies, even beyond
///   `max_interval`.
/// - **The end**: no retry is made after [`max_attempts`](Self::max_attempts), nor if its wait would end later than
///   [`max_elapsed_time`](Self::max_elapsed_time) after the call began; the last error is returned at once.
/// - **An error inside a successful answer**, in the body or in an event of a stream, is not retried: the server took the
///   request and began with it.
/// - **The budget**: all calls of a client, with its clones, share a stock of 100 retries. Each retry takes one and
///   each call that succeeds gives back a tenth; a call that is dropped while it waits returns its retry. In an outage,
///   once the budget is used up, calls are not retried, so load is not multiplied.
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
    /// Whether there are retries at all. Default: [`RetryStrategy::Backoff`].
    pub strategy: RetryStrategy,
    /// The longest wait before the first retry. Default: 500 ms, as in the official SDKs.
    pub initial_interval: Duration,
    /// The longest wait before any retry, unless the server asks for more. Default: 8 s (official SDKs: 60 s).
    pub max_interval: Duration,
    /// By how much each wait is longer than the one before; from 1 to 10. Default: 2 (official SDKs: 1.5, as a power).
    pub exponent: f64,
    /// How long after the start of a call a retry may still begin. Default: 2 minutes (official SDKs: 1 hour). A request
    /// that failed only after that, such as by the default limit for the head of the answer, is not sent again.
    pub max_elapsed_time: Duration,
    /// How often a request is sent at most, the first time included; from 1. Default: 3 (official SDKs: no limit).
    pub max_attempts: u32,
    /// Whether connection errors and time limits are retried, by the rules above. Default: true.
    pub retry_connection_errors: bool,
    /// The statuses that are retried, each from 400 to 599. Default: 408, 429, 500, 502 to 504, 520 to 527, 529, 530.
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
    /// Retries after a growing wait, with the default values.
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

    /// Every request is sent once.
    pub fn none() -> Self {
        Self { strategy: RetryStrategy::None, ..Self::backoff() }
    }

    /// Sets [`initial_interval`](Self::initial_interval).
    #[must_use]
    pub fn initial_interval(mut self, initial_interval: Duration) -> Self {
        self.initial_interval = initial_interval;
        self
    }

    /// Sets [`max_interval`](Self::max_interval).
    #[must_use]
    pub fn max_interval(mut self, max_interval: Duration) -> Self {
        self.max_interval = max_interval;
        self
    }

    /// Sets [`exponent`](Self::exponent).
    #[must_use]
    pub fn exponent(mut self, exponent: f64) -> Self {
        self.exponent = exponent;
        self
    }

    /// Sets [`max_elapsed_time`](Self::max_elapsed_time).
    #[must_use]
    pub fn max_elapsed_time(mut self, max_elapsed_time: Duration) -> Self {
        self.max_elapsed_time = max_elapsed_time;
        self
    }

    /// Sets [`max_attempts`](Self::max_attempts).
    #[must_use]
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// Sets [`retry_connection_errors`](Self::retry_connection_errors).
    #[must_use]
    pub fn retry_connection_errors(mut self, retry_connection_errors: bool) -> Self {
        self.retry_connection_errors = retry_connection_errors;
        self
    }

    /// Sets [`status_codes`](Self::status_codes).
    #[must_use]
    pub fn status_codes(mut self, status_codes: impl IntoIterator<Item = u16>) -> Self {
        self.status_codes = status_codes.into_iter().collect();
        self
    }

    /// Refuses values outside their ranges.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |message: &str| Err(Error::invalid("retry_config", message));
        if !(1.0..=10.0).contains(&self.exponent) {
            return wrong("has an `exponent` outside 1 to 10; leave it at 2 if in doubt");
        }
        if self.max_attempts == 0 {
            return wrong("has a `max_attempts` of 0; the first attempt counts, so 1 means no retry");
        }
        if self.initial_interval > self.max_interval {
            return wrong("has an `initial_interval` longer than its `max_interval`; make the first one shorter");
        }
        if self.status_codes.iter().any(|code| !(400..600).contains(code)) {
            return wrong("has a status code outside 400 to 599; only responses with an error status can be retried");
        }
        Ok(())
    }

    /// Says after which wait to send the request again, or `None` if it is not sent again.
    ///
    /// `attempt` counts from 1 and names the one that failed, `elapsed` is the time since the call began, `repeatable`
    /// says that the operation is idempotent; `jitter` is a random number from 0 to 1.
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
            Failure::Answer { status, may_be_processed, wait }
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

    /// The longest wait after attempt number `attempt`.
    fn interval(&self, attempt: u32) -> Duration {
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial_interval.as_secs_f64() * self.exponent.powi(power);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(self.max_interval)
    }
}

/// The statuses of temporary failures: a server that is busy or broken at the moment, and an edge network such as
/// Cloudflare that could not reach it.
pub(crate) const TRANSIENT: [u16; 16] =
    [408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530];

/// Whether the server may have processed a request despite this error status. `docs/errors.md` has the table.
///
/// `is_failure` says that the API itself reported the failure in its own error format, which no gateway does.
pub(crate) const fn may_be_processed(status: u16, is_failure: bool) -> bool {
    match status {
        // An intermediary gave up waiting for the server (408, 499, 504, 524), or lost it halfway (520, 527).
        408 | 499 | 504 | 520 | 524 | 527 => true,
        // The server refused the request.
        400..=499 | 503 | 529 => false,
        // The edge network never sent it: no connection, no TLS, no address.
        521 | 522 | 523 | 525 | 526 | 530 => false,
        _ => !is_failure,
    }
}

/// What a failed attempt means for the question whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server responded with an error status and perhaps a wait.
    Answer { status: u16, may_be_processed: bool, wait: Option<Duration> },
    /// The server has not received the request.
    Unsent,
    /// The server may have received the request, and its answer did not arrive whole.
    Lost,
    /// Sending it again would change nothing.
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
                Self::Answer { status: error.status().as_u16(), may_be_processed, wait }
            }
            Error::Connection(error) if error.is_unsent() => Self::Unsent,
            Error::Connection(error) if error.is_lost() => Self::Lost,
            Error::Timeout(error) if error.is_unsent() => Self::Unsent,
            Error::Timeout(error) => match error.phase() {
                TimeoutPhase::Response | TimeoutPhase::Idle | TimeoutPhase::Event => Self::Lost,
                TimeoutPhase::Connect | TimeoutPhase::Total => Self::Permanent,
            },
            _ => Self::Permanent,
        }
    }
}

/// The retries that a client with all its clones may still make, so that an outage does not multiply load.
///
/// It holds tenths of retries: a retry takes ten of them, a call that succeeds gives one back.
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
        // The stock is full nearly always: look before writing, so that calls do not share a cache line for nothing.
        if self.0.load(Ordering::Relaxed) < Self::FULL {
            self.give(1);
        }
    }

    fn give(&self, tenths: u32) {
        let more = |stock: u32| Some(stock.saturating_add(tenths).min(Self::FULL));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

/// A retry that was taken and not yet made. If it is dropped before that, as when a call is dropped, it returns to the
/// budget.
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

/// The header fields that say when to try again, from the head of a response or from `error.metadata.headers` in its
/// body.
pub(crate) struct Hints(Vec<(String, String)>);

impl Hints {
    pub(crate) fn new<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> Self {
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Self(fields.filter(|(name, _)| name.starts_with("retry-after") || is_limit(name)).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The wait that the server asks for: `retry-after-ms`, else `Retry-After`. Anything that is neither a number nor a
    /// date is ignored.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let now = since_1970(now);
        let wait = |name, unit| {
            let text = self.get(name)?;
            let Some(number) = number(text) else { return Some(date(text)?.saturating_sub(now)) };
            Some(match moment(number) {
                // Some servers send a timestamp instead of a wait.
                Some(moment) if moment.abs_diff(now) < MONTH => moment.saturating_sub(now),
                _ => duration(number * unit),
            })
        };
        wait("retry-after-ms", 1e-3).or_else(|| wait("retry-after", 1.0))
    }

    /// The wait until every exhausted limit is reset: `x-ratelimit-reset`, `x-ratelimit-reset-requests`,
    /// `ratelimit-reset`, `anthropic-ratelimit-tokens-reset` and similar names. If none is reported as exhausted, the
    /// limits that do not report what remains count.
    pub(crate) fn reset(&self, now: SystemTime) -> Option<Duration> {
        let now = since_1970(now);
        let wait = |name: &str, text| {
            let Some(number) = number(text) else {
                return date(text).map(|date| date.saturating_sub(now)).or_else(|| Some(duration(units(text)?)));
            };
            let unit = if name.ends_with("-ms") { 1e-3 } else { 1.0 };
            Some(moment(number).map_or(duration(number * unit), |moment| moment.saturating_sub(now)))
        };
        let resets = self.0.iter().filter(|(name, _)| is_limit(name) && name.contains("reset"));
        let waits = resets.filter_map(|(name, text)| {
            let left = self.get(&name.replace("reset", "remaining")).and_then(number);
            let is_open = left.is_some_and(|left| left > 0.0);
            wait(name, text).filter(|_| !is_open).map(|wait| (left.is_some(), wait))
        });
        waits.max().map(|(_, wait)| wait)
    }
}

/// Whether a field describes a limit: what remains of it, or when it resets.
fn is_limit(name: &str) -> bool {
    name.contains("ratelimit") || name.contains("rate-limit")
}

/// How far from now a number may be to be read as a timestamp although its name says that it is a wait.
const MONTH: Duration = Duration::from_secs(31 * 24 * 3600);

fn since_1970(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Converts seconds to a duration: zero if negative, the maximum if too large.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn number(text: &str) -> Option<f64> {
    // Digits and a point only: no sign, no exponent, no "inf" and no "nan", all of which Rust would read.
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

/// Reads a number that is too large for a wait as a Unix timestamp in seconds, milliseconds, microseconds or
/// nanoseconds.
fn moment(number: f64) -> Option<Duration> {
    /// As a timestamp this is in 2001, as a wait 31 years.
    const FIRST: f64 = 1e9;
    let units = [1.0, 1e-3, 1e-6, 1e-9];
    let seconds = units.map(|unit| number * unit).into_iter().find(|seconds| *seconds < 100.0 * FIRST);
    (number >= FIRST).then(|| seconds.map_or(Duration::MAX, duration))
}

/// Parses an HTTP date or an RFC 3339 date as time since 1970.
fn date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text).map(since_1970).ok().or_else(|| rfc_3339(text))
}

/// A date such as `2026-11-25T09:30:00.5+01:00`.
fn rfc_3339(text: &str) -> Option<Duration> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (time, is_west, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, false, "00:00"),
        None => {
            let sign = time.find(['+', '-'])?;
            (time.get(..sign)?, time.get(sign..)?.starts_with('-'), time.get(sign + 1..)?)
        }
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let [hours, minutes] = numbers(offset, ':')?;
    let is_in_range = (1970.0..10_000.0).contains(&year)
        && (1.0..=12.0).contains(&month)
        && (1.0..=31.0).contains(&day)
        && hour < 24.0
        && minute < 60.0
        && second < 61.0;
    if !is_in_range {
        return None;
    }
    // Years start in March here, so that the leap day comes last.
    let year = if month < 3.0 { year - 1.0 } else { year };
    let months = (month + 9.0) % 12.0;
    let leap_days = (year / 4.0).floor() - (year / 100.0).floor() + (year / 400.0).floor();
    // March 1 of the year 0 was 719,468 days before 1970.
    let days = 365.0 * year + leap_days + ((153.0 * months + 2.0) / 5.0).floor() + day - 1.0 - 719_468.0;
    let east = (hours * 60.0 + minutes) * if is_west { -60.0 } else { 60.0 };
    Some(duration(days * 86_400.0 + hour * 3600.0 + minute * 60.0 + second - east))
}

/// Parses exactly `N` numbers with a separator between them.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[f64; N]> {
    let numbers: Option<Vec<f64>> = text.split(separator).map(number).collect();
    numbers?.try_into().ok()
}

/// Parses numbers with units as seconds: `4m18.8s`, `250ms`.
fn units(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (amount, after) = rest.split_at_checked(rest.find(|char: char| char.is_ascii_alphabetic())?)?;
        let end = after.find(|char: char| char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end)?;
        seconds += number(amount)?
            * match unit.trim() {
                "d" => 86_400.0,
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                _ => return None,
            };
        rest = next;
    }
    (!text.is_empty()).then_some(seconds)
}
