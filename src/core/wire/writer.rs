//! Writes one JSON text.

use std::fmt;
use std::io::Write as _;

use super::error::{EncodeError, join};
use super::layout::Name;
use super::reader::plain_end;
use super::{Untyped, UntypedKind};

/// Writes one JSON text into a buffer.
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
    /// The field whose value is next, if it has one: its name is written only with the first byte
    /// of the value.
    member: Option<Name>,
    error: Option<EncodeError>,
    /// The parts that match no type, if they are wanted.
    untyped: Option<Vec<Untyped>>,
}

/// The place of a part in its whole.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// What a writer had written and recorded before a part.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    length: usize,
    failed: bool,
    noted: usize,
}

impl fmt::Debug for Writer {
    /// Prints sizes, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("length", &self.out.len()).field("error", &self.error).finish_non_exhaustive()
    }
}

impl Writer {
    /// Creates a writer without text.
    pub fn new() -> Self {
        Self { out: Vec::with_capacity(256), member: None, error: None, untyped: None }
    }

    /// Creates a writer that records the parts that match no type; what it writes is not wanted.
    pub(crate) fn surveying() -> Self {
        Self { untyped: Some(Vec::new()), ..Self::new() }
    }

    /// Returns the parts that match no type.
    pub(crate) fn into_untyped(self) -> Vec<Untyped> {
        self.untyped.unwrap_or_default()
    }

    pub(crate) const fn is_surveying(&self) -> bool {
        self.untyped.is_some()
    }

    /// Records a part that matches no type.
    pub(crate) fn note(&mut self, path: &str, kind: UntypedKind) {
        if let Some(untyped) = &mut self.untyped {
            untyped.push(Untyped { path: path.to_owned(), kind });
        }
    }

    /// Returns the text.
    ///
    /// # Errors
    /// The first value that JSON cannot represent.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        match self.error {
            None => Ok(self.out),
            Some(error) => Err(error),
        }
    }

    /// Returns the text, with `null` instead of what JSON cannot represent.
    pub(crate) fn finish_with_nulls(self) -> String {
        // Only whole strings and JSON are written, so that nothing is replaced here.
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Records that a value cannot be written; the first such error counts.
    pub(crate) fn fail(&mut self, message: impl Into<String>) {
        if self.error.is_none() {
            self.error = Some(EncodeError::new(message));
        }
        self.raw("null");
    }

    /// Returns what was written and recorded so far.
    #[inline]
    pub(crate) fn before(&self) -> Before {
        let noted = self.untyped.as_ref().map_or(0, Vec::len);
        Before { length: self.out.len(), failed: self.error.is_some(), noted }
    }

    /// Adds `step` to the paths of the error and the records since `before`.
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

    /// Writes text that is already JSON.
    pub(crate) fn raw(&mut self, json: &str) {
        self.begin();
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.begin();
        self.out.push(byte);
    }

    /// Writes a number, or another value whose text is JSON.
    pub(crate) fn display(&mut self, value: impl fmt::Display) {
        self.begin();
        // Writing to a `Vec` does not fail.
        let _ = write!(self.out, "{value}");
    }

    /// Writes a string.
    pub(crate) fn string(&mut self, text: &str) {
        self.begin();
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut from = 0;
        loop {
            let stop = plain_end(bytes, from);
            self.out.extend_from_slice(bytes.get(from..stop).unwrap_or_default());
            let Some(byte) = bytes.get(stop) else { break };
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                control => drop(write!(self.out, "\\u{control:04x}")),
            }
            from = stop + 1;
        }
        self.out.push(b'"');
    }

    /// Writes the name of a field.
    pub(crate) fn key(&mut self, name: &str) {
        self.separate();
        self.string(name);
        self.byte(b':');
    }

    /// Begins a field whose name needs no escapes; it is not written if its value writes nothing.
    #[inline]
    pub(super) const fn begin_member(&mut self, name: Name) {
        self.member = Some(name);
    }

    /// Returns whether the value of the field that was begun has written something.
    #[inline]
    pub(crate) const fn has_begun(&self) -> bool {
        self.member.is_none()
    }

    /// Ends a field whose value has written nothing.
    #[inline]
    pub(crate) const fn end_absent_member(&mut self) {
        self.member = None;
    }

    /// Writes the name of the field that was begun.
    #[inline]
    fn begin(&mut self) {
        if let Some(name) = self.member.take() {
            let name = name.text();
            self.separate();
            self.out.reserve(name.len() + 3);
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
        }
    }

    /// No value ends with an opening brace, so one means that no field was written yet.
    fn separate(&mut self) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
    }

    /// Returns whether nothing was written.
    pub(super) const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Returns what was written since `before`.
    #[inline]
    pub(crate) fn since(&self, before: Before) -> &[u8] {
        self.out.get(before.length..).unwrap_or_default()
    }

    /// Writes `null` if nothing was written since `before`.
    pub(crate) fn null_if_nothing(&mut self, before: Before) {
        if self.since(before).is_empty() {
            self.raw("null");
        }
    }
}
