//! Filters (words and `name:value` conditions) and sort orders.

use std::cmp::Ordering;

use memchr::memchr2_iter;

use crate::format::{parse_dollars, parse_duration};

use super::index::{Call, Index, Outcome};
use super::time;

/// The conditions, as listed in help and error messages.
pub(crate) const NAMES: &str = "model:, provider:, op:, run:, status: (429, 4xx, error), is: (error, retried, stream, \
                                tools, dropped, unfinished), cost:, time:, first:, tokens:, attempts: (with > or <), since:";

/// A conjunction of conditions.
#[derive(Debug, Default)]
pub(crate) struct Filter(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    test: Test,
    /// Whether it must not hold.
    is_negated: bool,
}

#[derive(Debug)]
enum Test {
    /// Text in lower case.
    Word(String),
    Model(String),
    Provider(String),
    Operation(String),
    Run(String),
    /// A range of statuses, inclusive.
    Status(u16, u16),
    Failed,
    Retried,
    Stream,
    Tools,
    Outcome(Outcome),
    Number(Number, Ordering, f64),
    Since(f64),
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Cost,
    Elapsed,
    First,
    Tokens,
    Attempts,
}

impl Filter {
    /// Parses a filter: words that must occur in the text of a call, and the conditions of [`NAMES`]. A minus sign
    /// negates, and quotes keep words together.
    ///
    /// # Errors
    /// A message that says what is wrong and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let conditions = words(text).into_iter().map(|word| {
            let (is_negated, word) = match word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                Some(rest) => (true, rest),
                None => (false, &*word),
            };
            Ok(Condition { test: test(word)?, is_negated })
        });
        conditions.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn matches(&self, index: &Index, call: &Call) -> bool {
        self.0.iter().all(|condition| condition.test.holds(index, call) != condition.is_negated)
    }
}

/// Splits at spaces outside quotes. A word that begins with a quote keeps it, as a mark that it is plain text.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                if word.is_empty() || word == "-" {
                    word.push('"');
                }
            }
            letter if letter.is_whitespace() && !is_quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.trim_matches(['"', '-']).is_empty());
    words
}

fn test(word: &str) -> Result<Test, String> {
    if let Some(quoted) = word.strip_prefix('"') {
        return Ok(Test::Word(quoted.to_lowercase()));
    }
    let end = word.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(word.len());
    let (name, value) = word.split_at(end);
    let Some(value) = value.strip_prefix(':').or_else(|| Some(value).filter(|value| value.starts_with(['<', '>'])))
    else {
        return Ok(Test::Word(word.to_lowercase()));
    };
    let small = value.to_lowercase();
    let number = |number, read: fn(&str) -> Option<f64>| {
        let (order, limit) = match value.split_at_checked(1) {
            Some((">", limit)) => (Ordering::Greater, limit),
            Some(("<", limit)) => (Ordering::Less, limit),
            _ => (Ordering::Equal, value),
        };
        let limit = read(limit).ok_or_else(|| format!("{word:?} is not a number to compare with; write {name}:>2"))?;
        Ok(Test::Number(number, order, limit))
    };
    let plain = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    let duration = |text: &str| parse_duration(text).ok().map(|time| time.as_secs_f64() * 1e3);
    match name {
        "model" => Ok(Test::Model(small)),
        "provider" => Ok(Test::Provider(small)),
        "op" | "operation" => Ok(Test::Operation(small)),
        "run" => Ok(Test::Run(small)),
        "status" => status(&small),
        "is" => match &*small {
            "error" | "failed" => Ok(Test::Failed),
            "retried" => Ok(Test::Retried),
            "stream" => Ok(Test::Stream),
            "tools" => Ok(Test::Tools),
            "dropped" => Ok(Test::Outcome(Outcome::Dropped)),
            "unfinished" => Ok(Test::Outcome(Outcome::Unfinished)),
            _ => Err(format!("{word:?} is unknown; write is:error, retried, stream, tools, dropped or unfinished")),
        },
        "cost" => number(Number::Cost, |text| {
            let text = text.trim_start_matches('$');
            if text == "0" { Some(0.0) } else { parse_dollars(text).ok().map(|cost| cost.as_f64()) }
        }),
        "time" => number(Number::Elapsed, duration),
        "first" => number(Number::First, duration),
        "tokens" => number(Number::Tokens, plain),
        "attempts" => number(Number::Attempts, plain),
        "since" => since(value).map(Test::Since),
        _ => Err(format!("{name:?} cannot be filtered by; use {NAMES}, or put {word:?} into quotes")),
    }
}

fn status(value: &str) -> Result<Test, String> {
    let wrong = || format!("\"status:{value}\" is not a status; write status:429, status:4xx or status:error");
    if value == "error" {
        return Ok(Test::Status(400, u16::MAX));
    }
    let first = value.replace('x', "0").parse().map_err(|_| wrong())?;
    let last = value.replace('x', "9").parse().map_err(|_| wrong())?;
    Ok(Test::Status(first, last))
}

/// Parses a point in time: how long ago (`2h`, `3d`), or a date with or without a time.
pub(crate) fn since(value: &str) -> Result<f64, String> {
    let wrong = || format!("{value:?} is not a time; write how long ago (30m, 2h, 3d) or a date (2026-11-26)");
    let days = value.strip_suffix('d').and_then(|days| days.parse::<f64>().ok()).map(|days| days * 86_400_000.0);
    let ago = || parse_duration(value).ok().map(|time| time.as_secs_f64() * 1e3);
    match days.or_else(ago) {
        Some(ago) => Ok(time::now() - ago),
        None => time::parse(value).ok_or_else(wrong),
    }
}

impl Test {
    fn holds(&self, index: &Index, call: &Call) -> bool {
        match self {
            Self::Word(word) => call.texts().into_iter().any(|text| contains(text, word)),
            Self::Model(part) => contains(&call.model, part),
            Self::Provider(part) => contains(&call.provider, part),
            Self::Operation(part) => contains(&call.operation, part) || contains(&call.path, part),
            Self::Run(part) => index.run_of(call).is_some_and(|run| contains(&run.id, part)),
            Self::Status(first, last) => (*first..=*last).contains(&call.status),
            Self::Failed => call.is_error(),
            Self::Retried => call.attempts > 1,
            Self::Stream => call.is_stream,
            Self::Tools => call.has_tools,
            Self::Outcome(outcome) => call.outcome == *outcome,
            Self::Number(number, order, limit) => {
                number.of(call).is_some_and(|number| number.partial_cmp(limit) == Some(*order))
            }
            Self::Since(at) => call.at >= *at,
        }
    }
}

/// Returns whether a text contains a part in lower case, ignoring the case of the text.
fn contains(text: &str, part: &str) -> bool {
    let (text_bytes, part_bytes) = (text.as_bytes(), part.as_bytes());
    let Some(first) = part_bytes.first().filter(|_| part.is_ascii()) else {
        return text.to_lowercase().contains(part);
    };
    let is_here = |at: usize| {
        text_bytes.get(at..at + part_bytes.len()).is_some_and(|found| found.eq_ignore_ascii_case(part_bytes))
    };
    memchr2_iter(*first, first.to_ascii_uppercase(), text_bytes).any(is_here)
}

impl Number {
    fn of(self, call: &Call) -> Option<f64> {
        match self {
            Self::Cost => call.cost.map(|cost| cost.as_f64()),
            Self::Elapsed => call.elapsed,
            Self::First => call.to_first,
            Self::Tokens => call.tokens().map(|tokens| tokens as f64),
            Self::Attempts => Some(f64::from(call.attempts)),
        }
    }
}

/// The order of calls in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// Newest first.
    #[default]
    Time,
    /// Most expensive first.
    Cost,
    /// Slowest first.
    Slow,
    /// Latest first token first.
    First,
    /// Most tokens first.
    Tokens,
    /// Most time lost to attempts that failed first.
    Retries,
}

impl Sort {
    pub(crate) fn parse(name: &str) -> Self {
        <Self as clap::ValueEnum>::from_str(name, true).unwrap_or_default()
    }

    pub(crate) fn sort(self, calls: &mut [&Call]) {
        let key = |call: &Call| match self {
            Self::Time => Some(call.at),
            Self::Cost => Number::Cost.of(call),
            Self::Slow => call.elapsed,
            Self::First => call.to_first,
            Self::Tokens => Number::Tokens.of(call),
            Self::Retries => Some(call.retrying),
        };
        // Unknown values come last.
        calls.sort_by(|one, other| {
            let of = |call| key(call).unwrap_or(f64::NEG_INFINITY);
            of(other).total_cmp(&of(one)).then(other.at.total_cmp(&one.at)).then(other.number.cmp(&one.number))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_whatever_its_case() {
        for (text, part) in [("Lisbon", "lis"), ("LISBON", "bon"), ("éÉ", "éé"), ("STRASSE", "straße"), ("x", "")]
        {
            assert_eq!(contains(text, part), part != "straße", "{text} {part}");
        }
        assert!(!contains("", "a") && !contains("aaab", "ab c") && contains("aAaB", "aab"));
    }

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(words(r#"a  "b c" -"d e" model:"x y" " - "#), ["a", "\"b c", "-\"d e", "model:x y", "\" - "]);
        assert_eq!(words("\"\" - \"").len(), 0);
    }
}
