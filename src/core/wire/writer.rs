//! Writes one JSON text.

use std::io::Write as _;

use super::error::EncodeError;
use super::extra::Extra;
use super::structure::{Layout, ObjectWriter};

/// Writes one JSON text into a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    error: Option<EncodeError>,
}

impl Writer {
    /// A writer with nothing written.
    pub fn new() -> Self {
        Self { out: Vec::with_capacity(256), error: None }
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

    /// Writes what `write` writes; an error in there is told to stand at `step`.
    pub(crate) fn at(&mut self, step: impl FnOnce() -> String, write: impl FnOnce(&mut Self)) {
        let had_failed = self.error.is_some();
        write(self);
        if let (false, Some(error)) = (had_failed, &mut self.error) {
            error.enter(&step());
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

    /// Begins an object with its constant members.
    pub fn object<'a>(&'a mut self, layout: &'static Layout, extra: &'a Extra) -> ObjectWriter<'a> {
        ObjectWriter::new(self, layout, extra)
    }
}
