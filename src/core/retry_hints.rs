//! What a response says about retrying the request.

use std::time::{Duration, SystemTime};

/// The statuses of temporary failures: a server that is overloaded or failing at the moment, and an
/// edge network such as Cloudflare that could not reach it.
pub(crate) const TRANSIENT: [u16; 16] =
    [408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530];

/// Whether the server may have processed a request despite this error status. `docs/errors.md` has
/// the table.
///
/// `is_failure` says that the API itself reported the failure in its own error format, which no
/// gateway does.
pub(crate) const fn may_be_processed(status: u16, is_failure: bool) -> bool {
    match status {
        // An intermediary gave up waiting for the server (408, 499, 504, 524), or lost it halfway
        // (520, 527).
        408 | 499 | 504 | 520 | 524 | 527 => true,
        // The server refused the request.
        400..=499 | 503 | 529 => false,
        // The edge network never sent it: no connection, no TLS, no address.
        521 | 522 | 523 | 525 | 526 | 530 => false,
        _ => !is_failure,
    }
}

/// The header fields that say when to try again, from the head of a response or from
/// `error.metadata.headers` in its body.
pub(crate) struct Hints(Vec<(String, String)>);

impl Hints {
    pub(crate) fn new<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> Self {
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Self(fields.filter(|(name, _)| name.starts_with("retry-after") || is_limit(name)).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The wait that the server asks for: `retry-after-ms`, else `Retry-After`. Anything that is
    /// neither a number nor a date is ignored.
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

    /// The wait until every exhausted limit is reset: `x-ratelimit-reset`,
    /// `x-ratelimit-reset-requests`, `ratelimit-reset`, `anthropic-ratelimit-tokens-reset` and
    /// similar names. If none is reported as exhausted, the limits that do not report what remains
    /// count.
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

/// How far from now a number may be to be read as a timestamp although its name says that it is a
/// wait.
const MONTH: Duration = Duration::from_secs(31 * 24 * 3600);

fn since_1970(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Converts seconds to a duration: zero if negative, the maximum if too large.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn number(text: &str) -> Option<f64> {
    // Digits and a point only: no sign, no exponent, no "inf" and no "nan", all of which Rust would
    // read.
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

/// Reads a number that is too large for a wait as a Unix timestamp in seconds, milliseconds,
/// microseconds or nanoseconds.
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
