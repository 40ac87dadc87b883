//! The value of a JSON text that is still being written.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::core::wire::Json;

/// The maximum nesting depth, as in the rest of the crate.
const MAX_DEPTH: usize = 127;

/// The value of a JSON text of which only the beginning has arrived.
///
/// Push the text piece by piece; [`value`](Self::value) is what has arrived so far, as if all
/// strings, lists and objects ended there. Each value is the beginning of the next: strings and
/// lists grow, objects gain fields. What may still turn out to be something else is left out: a
/// field without a value, half of an escape, a literal that is not complete, and a number until the
/// character after it.
///
/// It takes the texts of [`TextStream`](super::TextStream) as well as the arguments of a tool call
/// that arrive in pieces.
///
/// ```
/// use openrouter_kit::helpers::PartialJson;
/// use serde_json::json;
///
/// let mut partial = PartialJson::new();
/// partial.push(r#"{"city": "Lis"#);
/// assert_eq!(partial.value(), Some(&json!({"city": "Lis"})));
/// partial.push(r#"bon", "degrees": 2"#);
/// assert_eq!(partial.value(), Some(&json!({"city": "Lisbon"})));
/// partial.push("4}");
/// assert_eq!(partial.value(), Some(&json!({"city": "Lisbon", "degrees": 24})));
/// assert!(partial.is_complete());
/// ```
///
/// A code fence around the text is skipped. Text that is not JSON adds nothing, and after it the
/// value no longer changes; parse the whole text to find out what is wrong with it. The work is
/// proportional to the length of the text, plus the depth of the value for each piece.
#[derive(Clone, Default)]
pub struct PartialJson {
    state: State,
    /// The value, which has all of the open containers between two pieces.
    root: Option<Value>,
    /// The containers that have not ended, outermost first. During a push each has its own value
    /// here.
    open: Vec<Open>,
    /// The current string without its escapes, or the characters of a number or literal.
    text: String,
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    has_changed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Only whitespace and the start of a code fence have arrived.
    #[default]
    Start,
    /// In the name of the language after the start of a code fence.
    Language,
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    CommaOrEnd,
    InKey,
    InString,
    InWord,
    Complete,
    NotJson,
}

#[derive(Clone, Copy, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    /// The digits of `\uXXXX` so far, and how many of them.
    Unicode(u16, u8),
}

#[derive(Clone)]
struct Open {
    /// An object or a list.
    container: Value,
    /// The key of the last field of an object.
    key: String,
}

impl Open {
    /// Adds a field or an element, replacing an earlier field of the same name.
    fn put(&mut self, value: Value) {
        match &mut self.container {
            Value::Object(members) => drop(members.insert(self.key.clone(), value)),
            Value::Array(elements) => elements.push(value),
            _ => {}
        }
    }

    /// Returns the last field or element.
    fn last(&mut self) -> Option<&mut Value> {
        match &mut self.container {
            Value::Object(members) => members.get_mut(&self.key),
            Value::Array(elements) => elements.last_mut(),
            _ => None,
        }
    }
}

impl PartialJson {
    /// Creates an empty `PartialJson`, with no value yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next piece of the text, and returns whether the value has changed.
    pub fn push(&mut self, text: &str) -> bool {
        self.has_changed = false;
        if matches!(self.state, State::Complete | State::NotJson) {
            return false;
        }
        self.take_apart();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let taken = match self.state {
                State::InKey | State::InString => self.read_string(rest, letter),
                State::InWord => self.read_word(letter),
                State::Complete | State::NotJson => break,
                _ => self.read_structure(letter),
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        self.put_together();
        self.has_changed
    }

    /// Returns the value so far; `None` before any of it has arrived.
    pub const fn value(&self) -> Option<&Value> {
        self.root.as_ref()
    }

    /// Deserializes the value so far; `None` if it does not match, or not yet. Fields that may be
    /// missing must be an `Option` or have `#[serde(default)]`.
    pub fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.value()?).ok()
    }

    /// Returns `true` once the end of the value has arrived. A top-level number has no end.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Moves each open container, and the current string, out of the one around it.
    fn take_apart(&mut self) {
        let Some(mut inner) = self.root.take() else { return };
        for at in 0..self.open.len() {
            let Some(open) = self.open.get_mut(at) else { return };
            open.container = inner;
            let is_innermost = at + 1 == self.open.len();
            if is_innermost && self.state != State::InString {
                return;
            }
            inner = self.open.get_mut(at).and_then(Open::last).map(Value::take).unwrap_or_default();
        }
        match (self.state, inner) {
            (State::InString, Value::String(text)) => self.text = text,
            (_, inner) => self.root = Some(inner),
        }
    }

    /// Moves each open container, and the current string, back into the one around it.
    fn put_together(&mut self) {
        let mut inner = match self.state {
            State::InString => Some(Value::String(std::mem::take(&mut self.text))),
            _ => None,
        };
        for open in self.open.iter_mut().rev() {
            if let (Some(inner), Some(last)) = (inner, open.last()) {
                *last = inner;
            }
            inner = Some(open.container.take());
        }
        if inner.is_some() {
            self.root = inner;
        }
    }

    /// Reads a character outside of strings, numbers and literals. Returns its length, or 0 if it
    /// must be read again.
    fn read_structure(&mut self, letter: char) -> usize {
        let state = match (self.state, letter) {
            // A fence is at least three of the same marks.
            (State::Start, '`' | '~') if self.text.chars().all(|mark| mark == letter) => {
                self.text.push(letter);
                State::Start
            }
            (State::Start, _) if !self.text.is_empty() => {
                self.state = if self.text.len() < 3 { State::NotJson } else { State::Language };
                return 0;
            }
            (State::Start, letter) if letter.is_whitespace() || letter == '\u{feff}' => State::Start,
            (State::Language, letter) if letter.is_ascii_alphanumeric() || "+-_.".contains(letter) => State::Language,
            (State::Language, _) => {
                self.state = State::Value;
                return 0;
            }
            (_, ' ' | '\t' | '\n' | '\r') => self.state,
            (State::FirstElement | State::CommaOrEnd, ']') | (State::FirstKey | State::CommaOrEnd, '}') => {
                self.end_container(letter)
            }
            (State::CommaOrEnd, ',') => match self.open.last() {
                Some(Open { container: Value::Object(_), .. }) => State::Key,
                _ => State::Value,
            },
            (State::FirstKey | State::Key, '"') => {
                self.text.clear();
                State::InKey
            }
            (State::Colon, ':') => State::Value,
            (State::Start | State::Value | State::FirstElement, letter) => self.start_value(letter),
            _ => State::NotJson,
        };
        self.state = state;
        if state == State::InWord { 0 } else { letter.len_utf8() }
    }

    fn start_value(&mut self, letter: char) -> State {
        let (container, state) = match letter {
            '{' => (Value::Object(Map::new()), State::FirstKey),
            '[' => (Value::Array(Vec::new()), State::FirstElement),
            '"' => {
                self.put(Value::Null);
                self.text.clear();
                return State::InString;
            }
            '-' | '0'..='9' | 't' | 'f' | 'n' => {
                self.text.clear();
                return State::InWord;
            }
            _ => return State::NotJson,
        };
        if self.open.len() == MAX_DEPTH {
            return State::NotJson;
        }
        self.put(Value::Null);
        self.open.push(Open { container, key: String::new() });
        state
    }

    /// Adds a value to the container around it.
    fn put(&mut self, value: Value) {
        self.has_changed = true;
        match self.open.last_mut() {
            Some(open) => open.put(value),
            None => self.root = Some(value),
        }
    }

    /// Returns the state after a value.
    const fn after_value(&self) -> State {
        if self.open.is_empty() { State::Complete } else { State::CommaOrEnd }
    }

    fn end_container(&mut self, letter: char) -> State {
        match self.open.pop() {
            Some(open) if open.container.is_object() == (letter == '}') => self.end_value(open.container),
            mismatched => {
                self.open.extend(mismatched);
                State::NotJson
            }
        }
    }

    /// Sets a value that has ended in its place, and returns the state after it.
    fn end_value(&mut self, value: Value) -> State {
        match self.open.last_mut().map(Open::last) {
            Some(Some(last)) => *last = value,
            Some(None) => {}
            None => self.root = Some(value),
        }
        self.after_value()
    }

    /// Reads a part of a string, and returns its length.
    fn read_string(&mut self, rest: &str, letter: char) -> usize {
        match (self.escape, letter) {
            (Escape::None, '\\') => self.escape = Escape::Begun,
            (Escape::None, '"') => {
                self.end_pair();
                let text = std::mem::take(&mut self.text);
                self.state = match (self.state, self.open.last_mut()) {
                    (State::InKey, Some(open)) => {
                        open.key = text;
                        State::Colon
                    }
                    _ => self.end_value(Value::String(text)),
                };
            }
            (Escape::None, letter) if letter >= ' ' => {
                let end = |byte| matches!(byte, b'"' | b'\\' | ..b' ');
                let length = rest.bytes().position(end).unwrap_or(rest.len());
                self.push_text(rest.get(..length).unwrap_or_default());
                return length;
            }
            (Escape::Begun, 'u') => self.escape = Escape::Unicode(0, 0),
            (Escape::Begun, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => {
                self.escape = Escape::None;
                self.push_text(match letter {
                    '"' => "\"",
                    '\\' => "\\",
                    '/' => "/",
                    'b' => "\u{8}",
                    'f' => "\u{c}",
                    'n' => "\n",
                    'r' => "\r",
                    _ => "\t",
                });
            }
            (Escape::Unicode(before, digits), letter) if letter.is_ascii_hexdigit() => {
                let digit = letter.to_digit(16).and_then(|digit| u16::try_from(digit).ok()).unwrap_or_default();
                let unit = before << 4 | digit;
                self.escape = Escape::Unicode(unit, digits + 1);
                if digits == 3 {
                    self.escape = Escape::None;
                    self.push_unit(unit);
                }
            }
            _ => {
                if self.state == State::InString {
                    let text = std::mem::take(&mut self.text);
                    self.end_value(Value::String(text));
                }
                self.state = State::NotJson;
            }
        }
        letter.len_utf8()
    }

    fn push_text(&mut self, text: &str) {
        self.end_pair();
        self.text.push_str(text);
        self.has_changed |= self.state == State::InString;
    }

    /// Adds a UTF-16 code unit to the string.
    fn push_unit(&mut self, unit: u16) {
        let pair = self.high.and_then(|high| char::decode_utf16([high, unit]).next()?.ok());
        if let Some(whole) = pair {
            self.high = None;
            self.push_text(whole.encode_utf8(&mut [0; 4]));
        } else if (0xD800..0xDC00).contains(&unit) {
            self.end_pair();
            self.high = Some(unit);
        } else {
            let letter = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
            self.push_text(letter.encode_utf8(&mut [0; 4]));
        }
    }

    /// Stops waiting for the second half of a surrogate pair.
    fn end_pair(&mut self) {
        if self.high.take().is_some() {
            self.text.push(char::REPLACEMENT_CHARACTER);
            self.has_changed |= self.state == State::InString;
        }
    }

    /// Reads a character of a number or a literal, or the one after it. Returns its length if it
    /// belongs to it.
    fn read_word(&mut self, letter: char) -> usize {
        let belongs = letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.');
        if belongs {
            self.text.push(letter);
        }
        let is_literal = matches!(self.text.as_str(), "true" | "false" | "null");
        if !belongs || is_literal {
            match Json::parse(std::mem::take(&mut self.text)) {
                Ok(word) => {
                    self.put(word.to_value());
                    self.state = self.after_value();
                }
                Err(_) => self.state = State::NotJson,
            }
        }
        usize::from(belongs)
    }
}

impl fmt::Debug for PartialJson {
    /// Prints the state, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartialJson").field("state", &self.state).finish_non_exhaustive()
    }
}
