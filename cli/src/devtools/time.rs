//! Points in time as milliseconds since 1970, the unit of JavaScript.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::format::civil;

const DAY: f64 = 86_400_000.0;

pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// Reads a point in time in UTC: RFC 3339 with a `Z`, or a date alone.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (date, clock) = text.trim_end_matches('Z').split_once('T').unwrap_or((text, "00:00:00"));
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years are counted from March, so that the leap day is the last of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<f64>().ok().filter(|part| (0.0..61.0).contains(part)));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    Some(days as f64 * DAY + hour * 3_600_000.0 + minute * 60_000.0 + second * 1e3)
}

/// Returns the date and the time of day in UTC, to the millisecond, as RFC 3339.
pub(crate) fn text(at: f64) -> String {
    let clock = at.rem_euclid(DAY) as u64;
    let (seconds, milliseconds) = (clock / 1_000, clock % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z", day(at))
}

/// Returns the date in UTC.
pub(crate) fn day(at: f64) -> String {
    civil((at / DAY).floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (written, at) in [
            ("1970-01-01T00:00:00.000Z", 0.0),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000.0),
            ("2026-11-26T02:59:59.250Z", 1_795_661_999_250.0),
        ] {
            assert_eq!(parse(written), Some(at), "{written}");
            assert_eq!(text(at), written);
        }
        assert_eq!(parse("2026-11-26"), parse("2026-11-26T00:00:00Z"));
        for wrong in ["", "T", "2026", "2026-13-01", "2026-11-26T99:00:00Z", "-9-9-9", "2026-11-26Tx"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
