//! Numbers, amounts and times as text, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openrouter_kit::helpers::Usd;

/// An amount of US dollars as the API sends it, without the noise of binary fractions.
pub(crate) fn dollars(amount: f64) -> String {
    match Usd::from_f64(amount) {
        Some(amount) => format!("${amount}"),
        None => "unknown".to_owned(),
    }
}

/// A sum of money, to the cent unless it is less.
pub(crate) fn rounded(amount: f64) -> String {
    if amount != 0.0 && amount.abs() < 0.01 { format!("${amount:.6}") } else { format!("${amount:.2}") }
}

/// A price of one token as that of a million; `varies` for a router, which has none.
pub(crate) fn per_million(price: &str) -> String {
    match price.parse::<Usd>() {
        Ok(price) if price < Usd::ZERO => "varies".to_owned(),
        Ok(price) => price.per_million().to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// A count of tokens as models state it: `128k`, `1M`.
pub(crate) fn tokens(count: i64) -> String {
    match count {
        1_000_000.. if count % 1_000_000 < 100_000 => format!("{}M", count / 1_000_000),
        1_000_000.. => format!("{:.1}M", count as f64 / 1e6),
        1_000.. => format!("{}k", count / 1_000),
        _ => count.to_string(),
    }
}

/// Reads a count of tokens: `200000`, `200k`, `1M`.
pub(crate) fn parse_tokens(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is not a number of tokens; write one such as 200000, 200k or 1M");
    let unit = |letter: &str, size: i64| {
        let number = text.strip_suffix(letter).or_else(|| text.strip_suffix(&letter.to_lowercase()))?;
        number.parse::<i64>().ok()?.checked_mul(size)
    };
    let count = unit("K", 1_000).or_else(|| unit("M", 1_000_000)).or_else(|| text.parse().ok());
    count.filter(|count| *count >= 0).ok_or_else(wrong)
}

/// Reads a duration: seconds, or a number with a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|letter: char| letter.is_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit {
        "ms" => Some(0.001),
        "" | "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let seconds = seconds.zip(number.trim().parse::<f64>().ok()).map(|(unit, number)| unit * number);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text:?} is not a time; write seconds, or a number with a unit such as 90s, 5m or 1h"))
}

/// Reads a number of days: `7d`, `2w`.
pub(crate) fn parse_days(text: &str) -> Result<u64, String> {
    let days = |suffix: &str, days: u64| text.strip_suffix(suffix)?.parse::<u64>().ok()?.checked_mul(days);
    days("d", 1).or_else(|| days("w", 7)).ok_or_else(|| format!("{text:?} is not a number of days; write 7d or 2w"))
}

/// Reads an amount of US dollars.
pub(crate) fn parse_dollars(text: &str) -> Result<Usd, String> {
    let amount: Result<Usd, _> = text.trim_start_matches('$').parse();
    amount
        .ok()
        .filter(|amount| *amount > Usd::ZERO)
        .ok_or_else(|| format!("{text:?} is not an amount of US dollars; write one such as 0.05"))
}

/// Reads an amount of US dollars that may be zero, as the API takes it.
pub(crate) fn parse_amount(text: &str) -> Result<f64, String> {
    let amount = text.trim_start_matches('$').parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0);
    amount.ok_or_else(|| format!("{text:?} is not an amount of US dollars; write one such as 0.05"))
}

/// The date in UTC, `YYYY-MM-DD`, some days ago.
pub(crate) fn date(days_ago: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let days = (now.as_secs() / 86_400).saturating_sub(days_ago);
    civil(i64::try_from(days).unwrap_or_default())
}

/// The date of a number of days since 1970, in the Gregorian calendar.
pub(crate) fn civil(days: i64) -> String {
    // Years are counted from March, so that the leap day is the last of a year; an era is 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_tokens_are_read_and_written() {
        for (text, count) in [("200000", 200_000), ("200k", 200_000), ("128K", 128_000), ("1M", 1_000_000), ("0", 0)] {
            assert_eq!(parse_tokens(text), Ok(count));
        }
        for text in ["", "k", "-1", "1.5k", "many", "99999999999999999999k"] {
            assert!(parse_tokens(text).is_err(), "{text}");
        }
        for (count, text) in [(128_000, "128k"), (1_048_576, "1M"), (1_500_000, "1.5M"), (512, "512")] {
            assert_eq!(tokens(count), text);
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, milliseconds) in [("30", 30_000), ("1.5s", 1_500), ("2m", 120_000), ("1h", 3_600_000), ("5ms", 5)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "0", "-1", "5d", "s", "1e300h", "nan"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!((parse_days("7d"), parse_days("2w")), (Ok(7), Ok(14)));
        assert!(parse_days("7").is_err() && parse_days("99999999999999999999d").is_err());
    }

    #[test]
    fn prices_are_shown_per_million_tokens() {
        assert_eq!(per_million("0.00000015"), "0.15");
        assert_eq!(per_million("0"), "0");
        assert_eq!(per_million("-1"), "varies");
        assert_eq!(dollars(0.1 + 0.2), "$0.30000000000000004");
        assert_eq!(
            (rounded(12.345), rounded(0.000_123), rounded(0.0)),
            ("$12.35".into(), "$0.000123".into(), "$0.00".into())
        );
    }

    #[test]
    fn dates_follow_the_calendar() {
        for (days, date) in [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_783, "2026-11-26")] {
            assert_eq!(civil(days), date);
        }
    }
}
