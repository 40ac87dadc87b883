//! Writes one JSON text.

use std::io::Write as _;

use super::error::{EncodeError, join};
use super::{DecodeError, Untyped};

/// Writes one JSON text into a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    error: Option<EncodeError>,
    /// Where the parts are noted that fit no type, if anybody asked for them.
    untyped: Option<Vec<Untyped>>,
}

/// Where a part stands in its whole.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// What a writer had written and noted before a part.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    length: usize,
    failed: bool,
    noted: usize,
}

impl Writer {
    /// A writer with nothing written.
    pub fn new() -> Self {
        Self { out: Vec::with_capacity(256), error: None, untyped: None }
    }

    /// A writer that notes the parts that fit no type; what it writes is not wanted.
    pub(crate) fn surveying() -> Self {
        Self { untyped: Some(Vec::new()), ..Self::new() }
    }

    /// The parts that fit no type.
    pub(crate) fn into_untyped(self) -> Vec<Untyped> {
        self.untyped.unwrap_or_default()
    }

    pub(crate) const fn is_surveying(&self) -> bool {
        self.untyped.is_some()
    }

    /// Notes a part that fits no type.
    pub(crate) fn note(&mut self, path: &str, error: Option<&DecodeError>) {
        if let Some(untyped) = &mut self.untyped {
            untyped.push(Untyped { path: path.to_owned(), error: error.cloned() });
        }
    }

    /// The text.
    ///
    /// # Errors
    /// The first value that JSON cannot hold.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        match self.error {
            None => Ok(self.out),
            Some(error) => Err(error),
        }
    }

    /// The text, with `null` in place of what JSON cannot hold.
    #[allow(dead_code, reason = "namespaces whose items are sent back use it")]
    pub(crate) fn finish_with_nulls(self) -> String {
        // Only whole strings and JSON are written, so that nothing is replaced here.
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Notes that a value cannot be written; the first such note counts.
    pub(crate) fn fail(&mut self, message: impl Into<String>) {
        if self.error.is_none() {
            self.error = Some(EncodeError::new(message));
        }
        self.raw("null");
    }

    /// What was written and noted so far.
    #[inline]
    pub(crate) fn before(&self) -> Before {
        let noted = self.untyped.as_ref().map_or(0, Vec::len);
        Before { length: self.out.len(), failed: self.error.is_some(), noted }
    }

    /// Tells the error and the notes since `before` that they stand at `step`.
    #[inline]
    pub(crate) fn after(&mut self, before: Before, step: Step<'_>) {
        if self.error.is_some() || self.untyped.is_some() {
            self.enter(before, step);
        }
    }

    #[cold]
    fn enter(&mut self, before: Before, step: Step<'_>) {
        let step = match step {
            Step::Member(name) => name.to_owned(),
            Step::Element(index) => format!("[{index}]"),
        };
        if let (false, Some(error)) = (before.failed, &mut self.error) {
            error.enter(&step);
        }
        for part in self.untyped.iter_mut().flatten().skip(before.noted) {
            part.path = join(&step, &part.path);
        }
    }

    /// Writes text that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// Writes a number or another thing whose text is JSON.
    pub(crate) fn display(&mut self, value: impl std::fmt::Display) {
        // Writing to a `Vec` does not fail.
        let _ = write!(self.out, "{value}");
    }

    /// Writes a string.
    pub(crate) fn string(&mut self, text: &str) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        let mut plain = text;
        while let Some(at) = plain.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20) {
            let (before, rest) = plain.as_bytes().split_at(at);
            self.out.extend_from_slice(before);
            let byte = rest.first().copied().unwrap_or_default();
            match byte {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                b'\n' => self.raw("\\n"),
                b'\r' => self.raw("\\r"),
                b'\t' => self.raw("\\t"),
                control => drop(write!(self.out, "\\u{control:04x}")),
            }
            plain = plain.get(at + 1..).unwrap_or_default();
        }
        self.out.extend_from_slice(plain.as_bytes());
        self.out.push(b'"');
    }

    /// Writes the name of a member.
    pub(crate) fn key(&mut self, name: &str) {
        self.separate();
        self.string(name);
        self.byte(b':');
    }

    /// Writes a name that needs no escapes.
    pub(crate) fn plain_key(&mut self, name: &str) {
        self.separate();
        self.out.push(b'"');
        self.raw(name);
        self.raw("\":");
    }

    /// No value ends with an opening brace, so that one says that no member was written yet.
    fn separate(&mut self) {
        if self.out.last() != Some(&b'{') {
            self.byte(b',');
        }
    }

    /// What is written since `before`.
    #[inline]
    pub(crate) fn since(&self, before: Before) -> &[u8] {
        self.out.get(before.length..).unwrap_or_default()
    }

    /// Takes back what is written and noted since `before`.
    pub(crate) fn take_back(&mut self, before: Before) {
        self.out.truncate(before.length);
        if let Some(untyped) = &mut self.untyped {
            untyped.truncate(before.noted);
        }
    }
}
