//! Lazy access to JSON: members of objects and elements of arrays as slices of the text, which may break off anywhere.

use std::borrow::Cow;

use memchr::memchr2;
use openrouter_kit::serde_json;
use serde::de::DeserializeOwned;

/// The text of a JSON value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw<'a> {
    pub(crate) text: &'a [u8],
    /// Whether the text ends before the value does.
    pub(crate) is_cut: bool,
}

impl<'a> Raw<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self { text, is_cut: false }
    }

    /// Returns the members of an object, with their names as written; none if this is not an object.
    pub(crate) fn members(self) -> Items<'a> {
        Items::of(self.text, b'{')
    }

    /// Returns the elements of an array; none if this is not an array.
    pub(crate) fn elements(self) -> impl Iterator<Item = Raw<'a>> {
        Items::of(self.text, b'[').map(|(_, value)| value)
    }

    pub(crate) fn member(self, name: &str) -> Option<Raw<'a>> {
        self.members().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    pub(crate) fn is_text(self) -> bool {
        self.text.first() == Some(&b'"')
    }

    /// Reads a string, or as much of it as there is. Invalid UTF-8 is replaced.
    pub(crate) fn string(self) -> Option<String> {
        if !self.is_text() {
            return None;
        }
        if !self.is_cut {
            return self.read();
        }
        let text = String::from_utf8_lossy(self.text);
        // The text may end inside a surrogate pair of escapes.
        (0..=12).find_map(|missing| {
            let whole = text.get(..text.len().checked_sub(missing).filter(|length| *length > 0)?)?;
            serde_json::from_str(&format!("{whole}\"")).ok()
        })
    }

    /// Deserializes the value; `None` if it is of another type.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Option<T> {
        match String::from_utf8_lossy(self.text) {
            Cow::Borrowed(text) => serde_json::from_str(text).ok(),
            Cow::Owned(text) => serde_json::from_str(&text).ok(),
        }
    }

    /// Reads a number of milliseconds. More than 30,000 years are not plausible, and would overflow plots.
    pub(crate) fn milliseconds(self) -> Option<f64> {
        str::from_utf8(self.text).ok()?.parse().ok().filter(|number| (0.0..1e15).contains(number))
    }

    pub(crate) fn count(self) -> Option<u64> {
        str::from_utf8(self.text).ok()?.parse().ok()
    }
}

/// The members of an object, or the elements of an array with empty names.
pub(crate) struct Items<'a> {
    rest: &'a [u8],
    has_names: bool,
}

impl<'a> Items<'a> {
    fn of(text: &'a [u8], open: u8) -> Self {
        let rest = text.trim_ascii_start().split_first().filter(|(first, _)| **first == open).map(|(_, rest)| rest);
        Self { rest: rest.unwrap_or_default(), has_names: open == b'{' }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn skip(&mut self, mark: u8) {
        self.rest = self.rest.trim_ascii_start();
        if self.rest.first() == Some(&mark) {
            self.take(1);
        }
        self.rest = self.rest.trim_ascii_start();
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = (&'a [u8], Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(b',');
        if matches!(self.rest.first(), None | Some(b'}' | b']')) {
            return None;
        }
        let mut name: &[u8] = b"";
        if self.has_names {
            let (length, is_cut) = length_of_string(self.rest)?;
            if is_cut {
                return None;
            }
            name = self.take(length).get(1..length - 1).unwrap_or_default();
            self.skip(b':');
        }
        let (length, is_cut) = length_of_value(self.rest)?;
        Some((name, Raw { text: self.take(length), is_cut }))
    }
}

/// Returns the length of the string at the start of a text, with its quotes, and whether it is cut off.
fn length_of_string(text: &[u8]) -> Option<(usize, bool)> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while let Some(found) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return Some((at + 1, false));
        }
        at += 2;
    }
    Some((text.len(), true))
}

fn length_of_value(text: &[u8]) -> Option<(usize, bool)> {
    match text.first()? {
        b'"' => length_of_string(text),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, 0);
            while let Some(byte) = text.get(at) {
                match byte {
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    b'"' => at += length_of_string(text.get(at..)?)?.0 - 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some((at, false));
                }
            }
            Some((text.len(), true))
        }
        _ => {
            let is_end = |byte: &u8| b",]} \t\r\n".contains(byte);
            match text.iter().position(is_end) {
                Some(0) => None,
                Some(length) => Some((length, false)),
                None => Some((text.len(), true)),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_text_that_breaks_off_anywhere() {
        let json = r#" {"n": 1, "list":[1,{"a":"]}\""},"x"], "text":"q\"é\u00e9\ud83d\ude00 \n", "last":null}"#;
        let raw = Raw::new(json.as_bytes());
        let names: Vec<_> = raw.members().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"n"[..], b"list", b"text", b"last"]);
        assert_eq!(raw.member("n").unwrap().count(), Some(1));
        assert_eq!(raw.member("text").unwrap().string().unwrap(), "q\"éé\u{1f600} \n");
        let elements: Vec<_> = raw.member("list").unwrap().elements().map(|raw| raw.text).collect();
        assert_eq!(elements, [&b"1"[..], br#"{"a":"]}\""}"#, br#""x""#]);
        let whole = raw.member("text").unwrap().string().unwrap();
        for end in 0..json.len() {
            let cut = Raw::new(&json.as_bytes()[..end]);
            for (_, value) in cut.members() {
                value.elements().for_each(drop);
            }
            if let Some(text) = cut.member("text").filter(|text| text.text.len() > 1) {
                assert!(whole.starts_with(text.string().unwrap().trim_end_matches('\u{fffd}')), "{end}");
            }
        }
        for odd in
            ["", "{", "}", "[", "nothing", "{]", "{\"a\"", "{\"a\":}", "{,,}", "[,]", "{\"a\":1 \"b\":2}", "\"\\"]
        {
            Raw::new(odd.as_bytes()).members().for_each(drop);
            Raw::new(odd.as_bytes()).elements().for_each(drop);
        }
    }
}
