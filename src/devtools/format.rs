//! The lines of a recording; see `docs/recordings.md`.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::hooks::{CallEnd, Retry, RetryReason};

/// The version of the format that recorders write. The first line of every file states it.
pub const VERSION: u32 = 1;

/// A line under construction: a JSON object.
pub(super) struct Line(Vec<u8>);

impl Line {
    /// Begins the line number `n`.
    pub(super) fn new(mut buffer: Vec<u8>, n: u64, kind: &str) -> Self {
        buffer.extend_from_slice(b"{\"n\":");
        buffer.extend_from_slice(n.to_string().as_bytes());
        Self(buffer).text("kind", kind)
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.string(value);
        self
    }

    fn string(&mut self, value: &str) {
        // Writing a string to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    /// Adds a value that already is JSON.
    pub(super) fn raw(mut self, name: &str, value: impl Display) -> Self {
        self.name(name);
        self.0.extend_from_slice(value.to_string().as_bytes());
        self
    }

    /// Adds a point in time as milliseconds.
    pub(super) fn at(self, at: Duration) -> Self {
        self.raw("at", format_args!("{}.{:03}", at.as_millis(), at.subsec_micros() % 1000))
    }

    /// Adds members that are written already, beginning with a comma.
    pub(super) fn members(mut self, members: &str) -> Self {
        self.0.extend_from_slice(members.as_bytes());
        self
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

/// Members of a line that need no redaction, each preceded by a comma.
#[derive(Default)]
pub(super) struct Members(String);

impl Members {
    pub(super) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.raw(name, Some(serde_json::Value::from(value)));
        }
    }

    pub(super) fn raw(&mut self, name: &str, value: Option<impl Display>) {
        use std::fmt::Write;
        if let Some(value) = value {
            // Writing to a `String` cannot fail.
            let _ = write!(self.0, ",\"{name}\":{value}");
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Returns the members of the line that ends a call.
pub(super) fn end(end: &CallEnd<'_>, (outcome, error): (&str, Option<String>)) -> String {
    let milliseconds = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
    let (mut members, usage) = (Members::default(), &end.usage);
    members.text("outcome", Some(outcome));
    members.text("error", error.as_deref());
    members.raw("attempts", Some(end.attempts));
    members.raw("status", end.status.map(|status| status.as_u16()));
    members.raw("elapsed", Some(milliseconds(end.elapsed)));
    members.raw("time_to_head", end.time_to_head.map(milliseconds));
    members.raw("time_to_first_event", end.time_to_first_event.map(milliseconds));
    members.raw("events", Some(end.events));
    members.raw("bytes_sent", Some(end.bytes_sent));
    members.raw("bytes_received", Some(end.bytes_received));
    members.text("generation_id", end.generation_id);
    members.text("model", end.model);
    members.text("provider", end.provider);
    members.raw("finish_reasons", Some(serde_json::json!(end.finish_reasons)));
    members.raw("input_tokens", usage.input_tokens);
    members.raw("output_tokens", usage.output_tokens);
    members.raw("cache_read_tokens", usage.cache_read_tokens);
    members.raw("cache_write_tokens", usage.cache_write_tokens);
    members.raw("reasoning_tokens", usage.reasoning_tokens);
    members.text("cost", usage.cost.map(|cost| cost.to_string()).as_deref());
    members.into_text()
}

/// Returns the members that say how a call continues after a failed attempt.
pub(super) fn retry(retry: Option<Retry>) -> String {
    let mut members = Members::default();
    if let Some(Retry { wait, reason }) = retry {
        members.raw("wait", Some(wait.as_millis()));
        let reason = match reason {
            RetryReason::Status(status) => status.as_str().to_owned(),
            RetryReason::Connection(_) => "connection".to_owned(),
            RetryReason::Timeout(_) => "timeout".to_owned(),
        };
        members.text("reason", Some(&reason));
    }
    members.into_text()
}

/// Formats a point in time as RFC 3339 in UTC, to the millisecond.
pub(super) fn time(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millisecond) = (since.as_secs(), since.subsec_millis());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The civil calendar by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_661_999_007, "2026-11-26T02:59:59.007Z"),
        ] {
            assert_eq!(time(UNIX_EPOCH + Duration::from_millis(milliseconds)), text);
        }
    }
}
