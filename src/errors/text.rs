//! Untrusted text (from a server, a model, a cause) in the form in which messages show it.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use crate::core::hidden;

/// The maximum number of characters of a text that a message shows.
pub(crate) const LONGEST: usize = 500;

/// The maximum number of characters of a name or a word that a message shows.
pub(crate) const LONGEST_WORD: usize = 100;

/// A text on one line and of bounded length that cannot forge a log line, control a terminal or
/// change the text direction: such characters are escaped (`\n`, `\u{1b}`, `\u{202e}`).
///
/// It does not redact. Secrets must be redacted before, since half a key is not recognized as one.
pub(crate) struct OneLine<'a> {
    text: &'a str,
    longest: usize,
    whole: &'static str,
}

impl<'a> OneLine<'a> {
    /// Shows at most `longest` characters of `text`; `whole` names the method that returns all of
    /// it, if there is one.
    pub(crate) const fn new(text: &'a str, longest: usize, whole: &'static str) -> Self {
        Self { text, longest, whole }
    }
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut length = 0;
        for letter in self.text.chars() {
            if length >= self.longest {
                write!(f, "... (cut; it has {} bytes", self.text.len())?;
                return if self.whole.is_empty() { f.write_str(")") } else { write!(f, ", see `{}`)", self.whole) };
            }
            if is_unprintable(letter) {
                let escape = letter.escape_default();
                length += escape.len();
                escape.fmt(f)?;
            } else {
                length += 1;
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Returns whether a character is not plainly visible: control characters, line separators,
/// bidirectional marks and overrides, and zero-width characters.
fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// An error with its chain of causes, on one line and with secrets redacted. A cause that repeats
/// an earlier message is skipped.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = String::new();
        for error in std::iter::successors(Some(self.0), |error| (*error).source()) {
            let text = error.to_string();
            if shown.contains(&text) {
                continue;
            }
            let separator = if shown.is_empty() { "" } else { ": " };
            // Errors of this crate are already bounded, and may contain a text of this length.
            write!(f, "{separator}{}", OneLine::new(&hidden::text(&text), 2 * LONGEST, ""))?;
            shown.push_str(&text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        OneLine::new(text, 20, "message()").to_string()
    }

    #[test]
    fn what_is_not_to_be_seen_is_escaped() {
        for (given, expected) in [
            ("plain, ünïcödé 漢字 🦀", "plain, ünïcödé 漢字 🦀"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("a\u{1b}[31mb", r"a\u{1b}[31mb"),
            ("a\0\u{7f}\u{85}", r"a\u{0}\u{7f}\u{85}"),
            ("\u{202e}a\u{2066}b", r"\u{202e}a\u{2066}b"),
            ("\u{2028}\u{feff}", r"\u{2028}\u{feff}"),
        ] {
            assert_eq!(shown(given), expected);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(shown(&"ä".repeat(20)), "ä".repeat(20));
        assert_eq!(shown(&"ä".repeat(21)), format!("{}... (cut; it has 42 bytes, see `message()`)", "ä".repeat(20)));
        assert!(shown(&"\0".repeat(1_000_000)).len() < 100, "escapes count with all of their characters");
        assert_eq!(OneLine::new("ab", 1, "").to_string(), "a... (cut; it has 2 bytes)");
    }
}
