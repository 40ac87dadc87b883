//! A reader over one JSON text (RFC 8259) that can step back.
//!
//! It works on the text itself and allocates only for strings with escapes. Reading a value whose
//! type turns out to be wrong is cheap to undo: a [`Mark`] is a position, and [`Reader::reset`]
//! returns to it.
//!
//! Limits hold for any input: the nesting depth, the number of fields that are kept as text, and
//! the memory of decoded values in proportion to their text ([`Reader::allocate`]).

use std::borrow::Cow;
use std::fmt;

use super::error::DecodeError;
use super::json::Json;
use super::tagged::Shape;

/// The maximum nesting depth, as in serde_json, so that every text that is kept can be turned into
/// a `serde_json::Value` later.
const MAX_DEPTH: usize = 127;

/// The memory that decoded values may take per byte of their text. Recorded responses of more than
/// 10 kB take at most 1.2.
const MEMORY_PER_BYTE: usize = 4;

/// The memory that they may always take: short texts take more per byte, and so do long lists of
/// objects with few fields present.
const FREE_MEMORY: usize = 8 * 1024 * 1024;

/// The approximate overhead of keeping a value as text.
const KEPT: usize = 32;

/// How many fields may be kept as text in total, each of which takes about 200 bytes.
const MOST_KEPT: usize = 500_000;

/// Reads one JSON text from its start.
#[derive(Clone)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many values were replaced by the nearest value that fits, or omitted from a list.
    inexact: usize,
    /// How often a field appeared again in its object.
    repetitions: usize,
    /// How much memory the remaining values may take, besides their text.
    memory: usize,
    /// How many more fields may be kept.
    kept: usize,
}

/// A position to return to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    at: usize,
    inexact: usize,
    repetitions: usize,
}

/// Reads the value of a field of this name.
type ReadMember<'f, 'a> = dyn FnMut(Cow<'a, str>, &mut Reader<'a>) -> Result<(), DecodeError> + 'f;

impl<'a> Reader<'a> {
    /// Creates a reader at the start of `text`.
    pub const fn new(text: &'a str) -> Self {
        let memory = FREE_MEMORY + text.len().saturating_mul(MEMORY_PER_BYTE);
        Self { text, at: 0, inexact: 0, repetitions: 0, memory, kept: MOST_KEPT }
    }

    /// Counts the memory of a decoded value.
    ///
    /// # Errors
    /// [`DecodeError`] once the values take far more memory than any legitimate text of this
    /// length. Nothing more can be read after that, so half a list is never taken for the whole.
    #[inline]
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let left = self.memory.checked_sub(bytes);
        self.memory = left.unwrap_or_default();
        left.map(drop).ok_or_else(too_large)
    }

    /// Counts fields that are kept as text.
    ///
    /// # Errors
    /// [`DecodeError`] once there are far more of them than in any legitimate text.
    pub(crate) fn keep(&mut self, members: usize) -> Result<(), DecodeError> {
        self.kept = self.kept.checked_sub(members).ok_or_else(too_large)?;
        Ok(())
    }

    /// Returns the next byte that is not whitespace, without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match self.text.as_bytes().get(self.at) {
            Some(&byte) if byte > b' ' => Some(byte),
            _ => self.peek_behind_white_space(),
        }
    }

    #[cold]
    fn peek_behind_white_space(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes `byte` if it is next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Returns the position of the next value. See [`reset`](Self::reset).
    #[inline]
    pub(crate) fn mark(&mut self) -> Mark {
        self.peek();
        Mark { at: self.at, inexact: self.inexact, repetitions: self.repetitions }
    }

    /// Steps back to `mark`.
    #[inline]
    pub(crate) fn reset(&mut self, mark: Mark) {
        self.at = mark.at;
        self.inexact = mark.inexact;
    }

    /// Records that a value was replaced by the nearest value that fits, or omitted from a list.
    #[cold]
    pub(crate) const fn note_inexact(&mut self) {
        self.inexact += 1;
    }

    /// Returns whether a value was altered whose original no object has kept.
    pub(crate) const fn is_inexact(&self) -> bool {
        self.inexact > 0
    }

    /// Returns whether what was read since `mark` differs from the text.
    #[inline]
    pub(crate) const fn is_inexact_since(&self, mark: Mark) -> bool {
        self.inexact != mark.inexact
    }

    /// Records that a field appeared again in its object.
    #[cold]
    pub(crate) const fn note_repetition(&mut self) {
        self.repetitions += 1;
    }

    /// Returns whether a field appeared again since `mark`.
    #[inline]
    pub(crate) const fn has_repetition_since(&self, mark: Mark) -> bool {
        self.repetitions != mark.repetitions
    }

    /// Checks that only whitespace follows.
    pub(crate) fn end(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.malformed("more text after the value")),
        }
    }

    /// Returns what kind of value is next.
    pub(crate) fn shape(&mut self) -> Option<Shape> {
        match self.peek()? {
            b'"' => Some(Shape::String),
            b'{' => Some(Shape::Object),
            b'[' => Some(Shape::Array),
            b't' | b'f' => Some(Shape::Boolean),
            b'-' | b'0'..=b'9' => Some(Shape::Number),
            _ => None,
        }
    }

    /// Takes `null` if it is next.
    #[inline]
    pub(crate) fn null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.literal("null")
    }

    /// Returns `true` before a value; takes `null` and returns `false`.
    pub(crate) fn optional(&mut self) -> Result<bool, DecodeError> {
        match self.peek() {
            None => Err(self.expected("a value")),
            Some(b'n') => Ok(!self.literal("null")),
            Some(_) => Ok(true),
        }
    }

    fn literal(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Takes the JSON string `json` if it is next, exactly.
    #[inline]
    pub(crate) fn string_is(&mut self, json: &str) -> bool {
        self.peek() == Some(b'"') && self.literal(json)
    }

    /// Takes an integer of up to 18 digits; anything else is left for [`number`](Self::number).
    #[inline]
    pub(crate) fn short_integer(&mut self) -> Option<i64> {
        let is_negative = self.peek() == Some(b'-');
        let start = self.at + usize::from(is_negative);
        let digits = self.text.as_bytes().get(start..).unwrap_or_default();
        let mut value = 0;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = digits.get(length) {
            if length == 18 {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
            length += 1;
        }
        let has_zero_in_front = length > 1 && digits.first() == Some(&b'0');
        let goes_on = matches!(digits.get(length), Some(b'.' | b'e' | b'E'));
        if length == 0 || has_zero_in_front || goes_on {
            return None;
        }
        self.at = start + length;
        Some(if is_negative { -value } else { value })
    }

    /// Takes `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(b't') if self.literal("true") => Ok(true),
            Some(b'f') if self.literal("false") => Ok(false),
            _ => Err(self.expected("a boolean")),
        }
    }

    /// Takes a number and returns its text.
    pub(crate) fn number(&mut self) -> Result<&'a str, DecodeError> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.expected("a number"));
        }
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.malformed("number without digits")),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits_required()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits_required()?;
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
    }

    fn digits_required(&mut self) -> Result<(), DecodeError> {
        let start = self.at;
        self.digits();
        if self.at == start { Err(self.malformed("incomplete number")) } else { Ok(()) }
    }

    /// Takes a string; borrowed from the text if it has no escapes.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        match self.plain_string() {
            Some(plain) => Ok(Cow::Borrowed(plain)),
            None => self.unusual_string(),
        }
    }

    /// Takes a string; half of a surrogate pair, which a `String` cannot represent, is replaced by
    /// U+FFFD.
    #[inline]
    pub(crate) fn readable_string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        match self.plain_string() {
            Some(plain) => Ok(Cow::Borrowed(plain)),
            None => self.unusual_readable_string(),
        }
    }

    /// The same for a string with escapes, or a value that is not a string.
    #[cold]
    pub(crate) fn unusual_readable_string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let mark = self.mark();
        self.unusual_string().or_else(|error| {
            self.reset(mark);
            let Some(text) = self.raw().ok().filter(|text| text.starts_with('"')) else { return Err(error) };
            self.note_inexact();
            let whole = with_whole_pairs(text);
            Reader::new(&whole).unusual_string().map(|text| Cow::Owned(text.into_owned()))
        })
    }

    /// Takes a number in quotes.
    #[cold]
    pub(crate) fn number_in_quotes(&mut self) -> Option<&'a str> {
        let mark = self.mark();
        let text = self.raw().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        let mut inside = Reader::new(text.unwrap_or_default());
        match inside.number() {
            Ok(number) if inside.end().is_ok() => {
                self.note_inexact();
                Some(number)
            }
            _ => {
                self.reset(mark);
                None
            }
        }
    }

    /// Takes a string; after an error it is empty.
    pub(crate) fn text(&mut self) -> (Cow<'a, str>, Result<(), DecodeError>) {
        match self.readable_string() {
            Ok(text) => (text, Ok(())),
            Err(error) => (Cow::Borrowed(""), Err(error)),
        }
    }

    /// Takes a string without escapes.
    #[inline]
    pub(crate) fn plain_string(&mut self) -> Option<&'a str> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let end = plain_end(self.text.as_bytes(), self.at + 1);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        let plain = self.text.get(self.at + 1..end)?;
        self.at = end + 1;
        Some(plain)
    }

    /// Takes a string with escapes, or fails on something that is not a string.
    #[cold]
    fn unusual_string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a string"));
        }
        let start = self.at + 1;
        self.at = plain_end(self.text.as_bytes(), start);
        match self.byte() {
            Some(b'\\') => self.escaped(start).map(Cow::Owned),
            _ => Err(self.broken_string()),
        }
    }

    fn broken_string(&self) -> DecodeError {
        match self.byte() {
            None => self.malformed("unterminated string"),
            Some(_) => self.malformed("control character in a string"),
        }
    }

    /// Takes the rest of a string from its first escape on.
    #[cold]
    fn escaped(&mut self, start: usize) -> Result<String, DecodeError> {
        let mut out = String::with_capacity(self.at - start + 32);
        out.push_str(self.text.get(start..self.at).unwrap_or_default());
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.broken_string()),
            }
            let plain = self.at;
            self.at = plain_end(self.text.as_bytes(), plain);
            out.push_str(self.text.get(plain..self.at).unwrap_or_default());
        }
    }

    /// Takes what follows a backslash.
    fn escape(&mut self) -> Result<char, DecodeError> {
        let byte = self.byte().ok_or_else(|| self.malformed("unterminated string"))?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4()?;
                let code = match first {
                    0xD800..=0xDBFF if self.literal("\\u") => {
                        let second = self.hex4()?;
                        if !(0xDC00..=0xDFFF).contains(&second) {
                            return Err(lone_surrogate());
                        }
                        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    _ => first,
                };
                char::from_u32(code).ok_or_else(lone_surrogate)?
            }
            _ => return Err(self.malformed("unknown escape in a string")),
        })
    }

    fn hex4(&mut self) -> Result<u32, DecodeError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| self.malformed("incomplete escape in a string"))
    }

    /// Takes a string without decoding it.
    fn skip_string(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        loop {
            self.at = plain_end(self.text.as_bytes(), self.at);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.byte() {
                        Some(b'u') => {
                            self.at += 1;
                            self.hex4()?;
                        }
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        _ => return Err(self.malformed("unknown escape in a string")),
                    }
                }
                _ => return Err(self.broken_string()),
            }
        }
    }

    /// Takes a value of any kind. Uses no stack, however deep the value is nested.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        // One bit per level: set for an object, clear for an array.
        let mut objects: u128 = 0;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    if depth == MAX_DEPTH {
                        return Err(self.malformed("nested deeper than 127 levels"));
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    if self.take(if open == b'{' { b'}' } else { b']' }) {
                        depth -= 1;
                        objects >>= 1;
                    } else {
                        if open == b'{' {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b'-' | b'0'..=b'9') => drop(self.number()?),
                Some(b't' | b'f') => drop(self.boolean()?),
                Some(b'n') if self.literal("null") => {}
                _ => return Err(self.expected("a value")),
            }
            // A value has ended: close containers until one continues.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                if self.take(b',') {
                    if object {
                        self.skip_key()?;
                    }
                    break;
                }
                if !self.take(if object { b'}' } else { b']' }) {
                    return Err(self.expected(if object { "`,` or `}`" } else { "`,` or `]`" }));
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("the name of a field"));
        }
        self.skip_string()?;
        self.colon()
    }

    #[inline]
    fn colon(&mut self) -> Result<(), DecodeError> {
        if self.take(b':') { Ok(()) } else { Err(self.expected("`:`")) }
    }

    /// Takes a value of any kind and returns its text.
    pub(crate) fn raw(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.mark().at;
        self.skip()?;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Takes a value of any kind and keeps it.
    pub(crate) fn json(&mut self) -> Result<Json, DecodeError> {
        self.allocate(KEPT)?;
        self.raw().map(Json::checked)
    }

    /// Takes the opening brace of an object.
    #[inline]
    pub(crate) fn open_object(&mut self) -> Result<(), DecodeError> {
        if self.take(b'{') { Ok(()) } else { Err(self.expected("an object")) }
    }

    /// Goes to the next field (true), or takes the closing brace (false). `first` means that none
    /// was read yet.
    #[inline]
    pub(crate) fn next_member(&mut self, first: bool) -> Result<bool, DecodeError> {
        if self.take(b'}') {
            return Ok(false);
        }
        if first || self.take(b',') { Ok(true) } else { Err(self.expected("`,` or `}`")) }
    }

    /// Takes the name of a field with its colon.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let key = self.string()?;
        self.colon()?;
        Ok(key)
    }

    /// Returns what follows the quote at which a name begins.
    #[inline]
    pub(crate) fn behind_quote(&mut self) -> Option<&'a [u8]> {
        if self.peek() == Some(b'"') { self.text.as_bytes().get(self.at + 1..) } else { None }
    }

    /// Goes to the next field and returns what follows the quote at which its name begins, or takes
    /// the closing brace and returns `None`. `first` means that none was read yet.
    #[inline]
    pub(crate) fn next_quote(&mut self, first: bool) -> Result<Option<&'a [u8]>, DecodeError> {
        // One step if there is no whitespace.
        match (first, self.text.as_bytes().get(self.at..)) {
            (false, Some([b',', b'"', behind @ ..])) => {
                self.at += 1;
                Ok(Some(behind))
            }
            (true, Some([b'"', behind @ ..])) => Ok(Some(behind)),
            _ if self.next_member(first)? => Ok(Some(self.behind_quote().unwrap_or_default())),
            _ => Ok(None),
        }
    }

    /// Takes a name that was compared after its quote, with its colon.
    #[inline]
    pub(crate) fn take_key(&mut self, length: usize) -> Result<(), DecodeError> {
        let end = self.at + length + 2;
        let is_colon = self.text.as_bytes().get(end) == Some(&b':');
        self.at = end + usize::from(is_colon);
        if is_colon { Ok(()) } else { self.colon() }
    }

    /// Takes the name of the next field with its colon, or the closing brace. `first` means that
    /// none was read yet.
    #[inline]
    pub(crate) fn next_key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, DecodeError> {
        if self.next_member(first)? { self.key().map(Some) } else { Ok(None) }
    }

    /// Reads an object field by field. It is compiled once, and used if speed does not matter.
    pub(crate) fn object(&mut self, member: &mut ReadMember<'_, 'a>) -> Result<(), DecodeError> {
        self.open_object()?;
        let mut first = true;
        while let Some(key) = self.next_key(first)? {
            member(key, self)?;
            first = false;
        }
        Ok(())
    }

    /// Reads an array element by element.
    #[inline]
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(usize, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.take(b'[') {
            return Err(self.expected("an array"));
        }
        if self.take(b']') {
            return Ok(());
        }
        for index in 0.. {
            element(index, self).map_err(|error| error.inside_element(index))?;
            if !self.take(b',') {
                return if self.take(b']') { Ok(()) } else { Err(self.expected("`,` or `]`")) };
            }
        }
        Ok(())
    }

    /// Returns the text of field `name` of the object that is next, without taking anything.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Result<Option<&'a str>, DecodeError> {
        let mut ahead = self.clone();
        if ahead.enter(name)? { ahead.raw().map(Some) } else { Ok(None) }
    }

    /// Goes to the value of field `name` of the object that is next, if it has one.
    fn enter(&mut self, name: &str) -> Result<bool, DecodeError> {
        self.open_object()?;
        let mut first = true;
        while self.next_member(first)? {
            let rest = self.behind_quote().and_then(|bytes| bytes.strip_prefix(name.as_bytes()));
            if rest.and_then(<[u8]>::first) == Some(&b'"') {
                return self.take_key(name.len()).map(|()| true);
            }
            if self.key()? == name {
                return Ok(true);
            }
            self.skip()?;
            first = false;
        }
        Ok(false)
    }

    /// Returns the string in field `name` of the object that is next, without taking anything.
    #[inline]
    pub(crate) fn find_string(&self, name: &str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        // Servers mostly send a tag as the first field.
        if let Some(first) = self.first_string(name) {
            return Ok(Some(Cow::Borrowed(first)));
        }
        let mut ahead = self.clone();
        if ahead.enter(name)? && ahead.peek() == Some(b'"') { ahead.string().map(Some) } else { Ok(None) }
    }

    /// The same for the first field, without whitespace or escapes.
    #[inline]
    fn first_string(&self, name: &str) -> Option<&'a str> {
        let key = self.text.as_bytes().get(self.at..)?.strip_prefix(br#"{""#)?;
        key.strip_prefix(name.as_bytes())?.strip_prefix(br#"":""#)?;
        let start = self.at + name.len() + 5;
        let end = plain_end(self.text.as_bytes(), start);
        if self.text.as_bytes().get(end) == Some(&b'"') { self.text.get(start..end) } else { None }
    }

    /// Returns an error at this position, where `what` was expected.
    #[cold]
    pub(crate) fn expected(&mut self, what: &str) -> DecodeError {
        let first = self.peek();
        let is_next = |word: &str| self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        let found = match first {
            None => "the end of the text",
            Some(b'n') if is_next("null") => "null",
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') if is_next("true") || is_next("false") => "a boolean",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(_) => "invalid JSON",
        };
        DecodeError::new(format!("expected {what}, found {found}"))
    }

    #[cold]
    fn malformed(&self, what: &str) -> DecodeError {
        DecodeError::new(format!("invalid JSON: {what} at byte {}", self.at.min(self.text.len())))
    }
}

impl fmt::Debug for Reader<'_> {
    /// Prints sizes, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).field("length", &self.text.len()).finish_non_exhaustive()
    }
}

/// Returns a JSON string in which each half of a surrogate pair is replaced by U+FFFD.
pub(super) fn with_whole_pairs(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        whole.push_str(before);
        // A pair is twelve bytes long, another escape six or two.
        let pair = escape.get(..12).filter(|pair| Reader::new(&format!("\"{pair}\"")).string().is_ok());
        let single = escape.get(..if escape.starts_with("\\u") { 6 } else { 2 }).unwrap_or(escape);
        let taken = pair.filter(|_| escape.starts_with("\\ud") || escape.starts_with("\\uD")).unwrap_or(single);
        let is_half = Reader::new(&format!("\"{taken}\"")).string().is_err();
        whole.push_str(if is_half { "\\ufffd" } else { taken });
        rest = escape.get(taken.len()..).unwrap_or_default();
    }
    whole + rest
}

#[cold]
fn too_large() -> DecodeError {
    DecodeError::new("the decoded values would take far more memory than their text")
}

#[cold]
fn lone_surrogate() -> DecodeError {
    DecodeError::new("expected text, found half of a surrogate pair")
}

pub(super) const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Returns the high bits of the bytes that are zero. Borrows only affect bytes above a true hit, so
/// the lowest one is right.
#[inline]
pub(super) const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Returns the high bits of the bytes that end a run of plain string bytes; the lowest one is
/// right.
#[inline]
const fn stops_in(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    zero_bytes(word ^ (ONES * 0x22)) | zero_bytes(word ^ (ONES * 0x5C)) | control
}

/// Returns where the run of plain string bytes from `start` ends: at a quote, a backslash, a
/// control character, or the end.
#[inline]
pub(super) fn plain_end(bytes: &[u8], start: usize) -> usize {
    /// Long enough for vector instructions to pay off.
    const BLOCK: usize = 32;
    let is_stop = |byte: u8| (byte == b'"') | (byte == b'\\') | (byte < 0x20);

    let mut at = start;
    // Most strings are short.
    if let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let stops = stops_in(u64::from_le_bytes(*chunk));
        if stops != 0 {
            return at + (stops.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>)
        && block.iter().fold(0, |stops, byte| stops | u8::from(is_stop(*byte))) == 0
    {
        at += BLOCK;
    }
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let stops = stops_in(u64::from_le_bytes(*chunk));
        if stops != 0 {
            return at + (stops.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if is_stop(byte) {
            break;
        }
        at += 1;
    }
    at
}
