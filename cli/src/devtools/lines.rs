//! Reads the lines of a file from any offset, whatever their length.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use memchr::memchr;

/// How much is read at once.
const BLOCK: usize = 256 * 1024;

/// A complete line.
pub(crate) struct Line<'a> {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Its length, including the line feed.
    pub(crate) length: u64,
    /// Its text, or the beginning of it if the line exceeds the limit.
    pub(crate) head: &'a [u8],
}

impl Line<'_> {
    pub(crate) const fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// A reader of lines. Its memory is bounded by the limit for a line, not by the file.
pub(crate) struct Lines {
    file: File,
    /// Where the next line begins.
    offset: u64,
    /// How much of a line is kept.
    limit: usize,
    buffer: Vec<u8>,
    /// The part of the buffer that has not been returned yet.
    start: usize,
    end: usize,
}

impl Lines {
    pub(crate) fn new(mut file: File, offset: u64, limit: usize) -> io::Result<Self> {
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, offset, limit, buffer: Vec::new(), start: 0, end: 0 })
    }

    /// Returns the next line; `None` at the end of the file, even after the beginning of a line that is still being
    /// written.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut searched = 0;
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', unread.get(searched..).unwrap_or_default()) {
                let (offset, start, length) = (self.offset, self.start, searched + at);
                self.start += length + 1;
                self.offset += length as u64 + 1;
                let head = self.buffer.get(start..start + length).unwrap_or_default();
                return Ok(Some(Line { offset, length: length as u64 + 1, head }));
            }
            searched = unread.len();
            if searched >= self.limit {
                return self.cut();
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Appends to the buffer; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < self.end + BLOCK {
            self.buffer.resize(self.end + BLOCK, 0);
        }
        let read = self.file.read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
        self.end += read;
        Ok(read > 0)
    }

    /// Returns the beginning of a line that exceeds the limit, and skips the rest.
    fn cut(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut length = (self.end - self.start) as u64;
        let mut block = vec![0; BLOCK];
        loop {
            let read = self.file.read(&mut block)?;
            if read == 0 {
                return Ok(None);
            }
            if let Some(at) = memchr(b'\n', block.get(..read).unwrap_or_default()) {
                length += at as u64 + 1;
                break;
            }
            length += read as u64;
        }
        let (offset, start, end) = (self.offset, self.start, self.start + self.limit);
        self.offset += length;
        self.file.seek(SeekFrom::Start(self.offset))?;
        (self.start, self.end) = (0, 0);
        Ok(Some(Line { offset, length, head: self.buffer.get(start..end).unwrap_or_default() }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(content: &[u8], offset: u64, limit: usize) -> Vec<(u64, u64, usize)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut lines = Lines::new(file, offset, limit).unwrap();
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push((line.offset, line.length, line.head.len()));
        }
        read
    }

    #[test]
    fn long_lines_are_cut_and_torn_ones_left() {
        let long = BLOCK * 3 + 17;
        let content = [b"one\n", vec![b'x'; long].as_slice(), b"\n\nlast\ntorn"].concat();
        let after = 4 + long as u64 + 1;
        let whole = [(0, 4, 3), (4, long as u64 + 1, long), (after, 1, 0), (after + 1, 5, 4)];
        assert_eq!(read(&content, 0, usize::MAX), whole);
        let cut = [(0, 4, 3), (4, long as u64 + 1, 100), (after, 1, 0), (after + 1, 5, 4)];
        assert_eq!(read(&content, 0, 100), cut);
        assert_eq!(read(&content, after, 100), cut.split_at(2).1);
        assert_eq!(read(&vec![b'x'; long], 0, 100), []);
    }
}
