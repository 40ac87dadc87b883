//! Server-sent events: a decoder without I/O, which accepts bytes in chunks of any size.
//!
//! Events that are whole in a chunk are borrowed from it, which is the common case for streams of
//! models; only the others are copied.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use memchr::memchr2;

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// A buffer that grew beyond this for one event is released after it.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Decodes the bytes of a `text/event-stream` into events, by the rules of the WHATWG ([HTML,
/// 9.2.6](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)).
///
/// [`push`](Self::push) a chunk, call [`next`](Self::next) until it returns `None`, and repeat. At
/// the end of the body, [`finish`](Self::finish) returns an event that lacks its blank line. An
/// event that lies whole in a chunk and has one data line is borrowed from the chunk; only events
/// that are cut between chunks or have several data lines are copied.
///
/// ```
/// use openrouter_kit::core::sse::SseDecoder;
///
/// let mut decoder = SseDecoder::new(16 * 1024 * 1024);
/// let mut seen = Vec::new();
/// for chunk in ["data: Hel", "lo\n\n: a comment\n\nevent: last\ndata: [DONE]\n\n"] {
///     decoder.push(chunk.into());
///     while let Some(event) = decoder.next() {
///         let event = event?;
///         seen.push((event.event.to_owned(), event.data.to_owned()));
///     }
/// }
/// assert_eq!(seen, [("".into(), "Hello".into()), ("last".into(), "[DONE]".into())]);
/// # Ok::<(), openrouter_kit::core::sse::EventTooLarge>(())
/// ```
pub struct SseDecoder {
    limit: usize,
    /// The chunk that was pushed; everything before `position` has been read.
    chunk: Bytes,
    position: usize,
    /// How many bytes of a byte order mark the stream has begun with; 3 once the beginning has been
    /// read.
    mark: usize,
    /// The line before ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Inside a comment that continues in the next chunk; none of it is kept.
    in_comment: bool,
    /// The data of an event that was copied, then the beginning of a line that continues in the
    /// next chunk.
    buffer: Vec<u8>,
    data: Data,
    fields: EventFields,
    /// The number of bytes in the lines of the event so far.
    size: usize,
    /// The event was returned: its data and name are cleared before the next one.
    lent: bool,
    /// The limit was exceeded: nothing more is read.
    failed: bool,
    /// Data that was not UTF-8, repaired.
    repaired: String,
    /// Lines that are not event fields, up to the limit; see [`outside`](Self::outside).
    outside: Vec<u8>,
    /// The text of each event is kept; see [`keeping_text`](Self::keeping_text).
    keeps_text: bool,
    /// Where in the chunk the text of the current event starts, and the part of it from earlier
    /// chunks.
    text_start: usize,
    text_begun: Vec<u8>,
    /// The text of the event that was returned.
    text: Bytes,
}

/// Where the data of the current event is.
enum Data {
    Absent,
    /// One line, in the chunk.
    Chunk(Range<usize>),
    /// Joined lines, in the buffer.
    Buffer(Range<usize>),
}

#[derive(Default)]
struct EventFields {
    event: String,
    id: String,
    retry: Option<Duration>,
}

/// One event of a stream, borrowed from the [`SseDecoder`] until it is called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SseEvent<'a> {
    /// The name of the event; empty if it has none.
    pub event: &'a str,
    /// The data; several data lines are joined by a line feed. Bytes that are not UTF-8 became
    /// U+FFFD.
    pub data: &'a str,
    /// The last id that the stream has set, in this event or before; empty if it set none.
    pub id: &'a str,
    /// The last time to wait before reconnecting that the stream has set, in this event or before.
    pub retry: Option<Duration>,
    /// The lines of the event with its blank line, if the decoder keeps them.
    pub(crate) text: &'a Bytes,
}

/// An event is larger than the limit of the decoder, which returns nothing after this error.
///
/// ```
/// use openrouter_kit::core::sse::SseDecoder;
///
/// let mut decoder = SseDecoder::new(16);
/// decoder.push("data: more than sixteen bytes\n\n".into());
/// let error = decoder.next().unwrap().unwrap_err();
/// assert_eq!(error.limit(), 16);
/// assert!(decoder.next().is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTooLarge {
    limit: usize,
}

impl EventTooLarge {
    /// Returns the limit, in bytes.
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for EventTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of the stream is larger than the limit of {} bytes", self.limit)
    }
}

impl StdError for EventTooLarge {}

impl SseDecoder {
    /// Creates a decoder at the beginning of a stream, which accepts events of up to `limit` bytes.
    ///
    /// The bytes of all lines of an event count, including field names, excluding line ends and
    /// comments. Memory is bounded by the limit, however long a line or an event is.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            chunk: Bytes::new(),
            position: 0,
            mark: 0,
            after_cr: false,
            in_comment: false,
            buffer: Vec::new(),
            data: Data::Absent,
            fields: EventFields { event: String::new(), id: String::new(), retry: None },
            size: 0,
            lent: false,
            failed: false,
            repaired: String::new(),
            outside: Vec::new(),
            keeps_text: false,
            text_start: 0,
            text_begun: Vec::new(),
            text: Bytes::new(),
        }
    }

    /// Keeps the text of each event, and returns comments and other blocks without data as events
    /// too.
    pub(crate) const fn keeping_text(mut self, keeps_text: bool) -> Self {
        self.keeps_text = keeps_text;
        self
    }

    pub(crate) const fn keeps_text(&self) -> bool {
        self.keeps_text
    }

    /// Returns the text of the event that was returned last, if the decoder keeps it.
    pub(crate) const fn text(&self) -> &Bytes {
        &self.text
    }

    /// Returns the lines that are not event fields, which the specification says to ignore: an
    /// error or a whole response from a server that does not follow it. They are kept until
    /// [`forget_outside`](Self::forget_outside).
    pub(crate) fn outside(&self) -> &[u8] {
        &self.outside
    }

    #[inline]
    pub(crate) fn forget_outside(&mut self) {
        self.outside.clear();
    }

    /// Adds the next bytes of the stream. Call [`next`](Self::next) until it returns `None` before
    /// the next push, so that nothing needs to be joined.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed {
            return;
        }
        let rest = self.chunk.get(self.position..).unwrap_or_default();
        if rest.is_empty() {
            // The data of the current event was copied when `next` reached the end of the chunk,
            // unless the event was returned.
            self.forget_lent();
            self.chunk = chunk;
            self.position = 0;
            self.text_start = 0;
        } else {
            let mut joined = Vec::with_capacity(self.chunk.len() + chunk.len());
            joined.extend_from_slice(&self.chunk);
            joined.extend_from_slice(&chunk);
            self.chunk = joined.into();
        }
        if self.mark < BYTE_ORDER_MARK.len() {
            self.skip_byte_order_mark();
        }
    }

    /// Returns the next complete event, or `None` if that takes more bytes.
    ///
    /// # Errors
    /// [`EventTooLarge`] once the current event has more bytes than the limit; after that, always
    /// `None`.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend its items")]
    #[inline]
    pub fn next(&mut self) -> Option<Result<SseEvent<'_>, EventTooLarge>> {
        self.forget_lent();
        match self.read_event() {
            Ok(true) => Some(Ok(self.lend())),
            Ok(false) => None,
            Err(error) => {
                *self = Self::new(self.limit);
                self.failed = true;
                Some(Err(error))
            }
        }
    }

    /// Returns the last event if the stream ended without its blank line and it has data. Call this
    /// after [`next`](Self::next) has returned `None` for the last chunk.
    ///
    /// By the rules, such an event is not dispatched, since it may have been cut short. The caller
    /// decides.
    ///
    /// ```
    /// use openrouter_kit::core::sse::SseDecoder;
    ///
    /// let mut decoder = SseDecoder::new(1024);
    /// decoder.push("data: cut".into());
    /// assert!(decoder.next().is_none());
    /// assert_eq!(decoder.finish().map(|event| event.data), Some("cut"));
    /// ```
    pub fn finish(&mut self) -> Option<SseEvent<'_>> {
        self.forget_lent();
        if self.buffer.len() > self.line_start() {
            self.take_buffered_line();
        }
        match self.data {
            Data::Absent => None,
            _ => Some(self.lend()),
        }
    }

    /// A byte order mark may be split between chunks. What only begins like one is the start of the
    /// first line.
    fn skip_byte_order_mark(&mut self) {
        while let Some(expected) = BYTE_ORDER_MARK.get(self.mark) {
            match self.chunk.get(self.position) {
                None => return,
                Some(byte) if byte == expected => {
                    self.mark += 1;
                    self.position += 1;
                }
                Some(_) => {
                    let begun = BYTE_ORDER_MARK.get(..self.mark).unwrap_or_default();
                    self.buffer.extend_from_slice(begun);
                    self.text_begun.extend_from_slice(begun);
                    self.mark = BYTE_ORDER_MARK.len();
                }
            }
            self.text_start = self.position;
        }
    }

    /// Reads lines up to the end of an event that has data (true) or of the chunk (false).
    fn read_event(&mut self) -> Result<bool, EventTooLarge> {
        loop {
            let rest = self.chunk.get(self.position..).unwrap_or_default();
            let Some(first) = rest.first() else {
                // If it is called again before more bytes are pushed, nothing is done twice.
                if !self.chunk.is_empty() {
                    if self.keeps_text {
                        self.keep_beginning_of_text()?;
                    }
                    self.keep_data();
                    self.chunk = Bytes::new();
                    self.position = 0;
                }
                return Ok(false);
            };
            if self.after_cr {
                self.after_cr = false;
                if *first == b'\n' {
                    if self.text_start == self.position && self.text_begun.is_empty() {
                        self.text_start += 1;
                    }
                    self.position += 1;
                    continue;
                }
            }
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                self.keep_beginning_of_line()?;
                continue;
            };
            self.after_cr = rest.get(length) == Some(&b'\r');
            let line = self.position..self.position + length;
            self.position = line.end + 1;
            let begun = self.buffer.len() - self.line_start();

            if self.in_comment {
                self.in_comment = false;
            } else if begun > 0 {
                self.count(begun + length)?;
                self.buffer.extend_from_slice(self.chunk.get(line).unwrap_or_default());
                self.take_buffered_line();
            } else if length > 0 {
                self.take_line(line)?;
            } else if matches!(self.data, Data::Absent) {
                if self.keeps_text && self.take_text() {
                    return Ok(true);
                }
                self.fields.event.clear();
                self.size = 0;
            } else {
                if self.keeps_text {
                    self.take_text();
                }
                return Ok(true);
            }
        }
    }

    /// Takes the text of the event that ends here, and returns whether it has a comment or a field,
    /// and nothing else.
    #[inline(never)]
    fn take_text(&mut self) -> bool {
        if self.after_cr && self.chunk.get(self.position) == Some(&b'\n') {
            self.after_cr = false;
            self.position += 1;
        }
        let rest = self.chunk.get(self.text_start..self.position).unwrap_or_default();
        self.text = if self.text_begun.is_empty() {
            self.chunk.slice_ref(rest)
        } else {
            self.text_begun.extend_from_slice(rest);
            std::mem::take(&mut self.text_begun).into()
        };
        self.text_start = self.position;
        let mut lines = lines(&self.text).peekable();
        lines.peek().is_some()
            && lines.all(|line| line.starts_with(b":") || !matches!(Field::of(line).0, Field::Unknown))
    }

    /// Copies the text of the current event from the chunk, which is about to be replaced.
    #[inline(never)]
    fn keep_beginning_of_text(&mut self) -> Result<(), EventTooLarge> {
        self.text_begun.extend_from_slice(self.chunk.get(self.text_start..).unwrap_or_default());
        // Line ends do not count toward the limit, but they are never more than twice the rest.
        // Comments do.
        if self.text_begun.len() / 3 > self.limit { Err(EventTooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// Returns where the current line begins in the buffer.
    const fn line_start(&self) -> usize {
        match &self.data {
            Data::Buffer(range) => range.end,
            Data::Absent | Data::Chunk(_) => 0,
        }
    }

    /// Adds the bytes of a whole line to the size of the event.
    const fn count(&mut self, length: usize) -> Result<(), EventTooLarge> {
        self.size += length;
        if self.size > self.limit { Err(EventTooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// Takes a line that is whole in the chunk.
    fn take_line(&mut self, line: Range<usize>) -> Result<(), EventTooLarge> {
        let text = self.chunk.get(line.clone()).unwrap_or_default();
        if text.first() == Some(&b':') {
            return Ok(());
        }
        let (field, value) = Field::of(text);
        match (field, &self.data) {
            (Field::Data, Data::Absent) => self.data = Data::Chunk(line.start + value..line.end),
            (Field::Data, _) => {
                self.keep_data();
                self.buffer.push(b'\n');
                self.buffer.extend_from_slice(self.chunk.get(line.start + value..line.end).unwrap_or_default());
                let start = if let Data::Buffer(range) = &self.data { range.start } else { 0 };
                self.data = Data::Buffer(start..self.buffer.len());
            }
            (Field::Unknown, _) => keep_outside(&mut self.outside, text, self.limit),
            _ => self.fields.set(field, text.get(value..).unwrap_or_default()),
        }
        self.count(line.len())
    }

    /// Takes the line at the end of the buffer. Its text stays in place if it is the first line of
    /// the data.
    fn take_buffered_line(&mut self) {
        let start = self.line_start();
        let text = self.buffer.get(start..).unwrap_or_default();
        let (field, value) = Field::of(text);
        match (field, &mut self.data) {
            (Field::Data, Data::Buffer(data)) => {
                if let Some(byte) = self.buffer.get_mut(start) {
                    *byte = b'\n';
                }
                self.buffer.drain(start + 1..start + value);
                data.end = self.buffer.len();
            }
            (Field::Data, _) => self.data = Data::Buffer(start + value..self.buffer.len()),
            (Field::Unknown, _) => {
                keep_outside(&mut self.outside, text, self.limit);
                self.buffer.truncate(start);
            }
            _ => {
                self.fields.set(field, text.get(value..).unwrap_or_default());
                self.buffer.truncate(start);
            }
        }
    }

    /// Copies the data of the current event from the chunk, which is about to be replaced, or when
    /// another line is joined to it.
    fn keep_data(&mut self) {
        if let Data::Chunk(range) = &self.data {
            self.buffer.clear();
            self.buffer.extend_from_slice(self.chunk.get(range.clone()).unwrap_or_default());
            self.data = Data::Buffer(0..self.buffer.len());
        }
    }

    /// Copies the rest of the chunk, which contains no line end.
    fn keep_beginning_of_line(&mut self) -> Result<(), EventTooLarge> {
        self.keep_data();
        let rest = self.chunk.get(self.position..).unwrap_or_default();
        self.position = self.chunk.len();
        let begun = self.buffer.len() - self.line_start();
        self.in_comment |= begun == 0 && rest.first() == Some(&b':');
        if self.in_comment {
            return Ok(());
        }
        if self.size + begun + rest.len() > self.limit {
            return Err(EventTooLarge { limit: self.limit });
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    fn lend(&mut self) -> SseEvent<'_> {
        self.lent = true;
        let data = match &self.data {
            Data::Absent => None,
            Data::Chunk(range) => self.chunk.get(range.clone()),
            Data::Buffer(range) => self.buffer.get(range.clone()),
        };
        let data = data.unwrap_or_default();
        let data = match str::from_utf8(data) {
            Ok(data) => data,
            Err(_) => {
                self.repaired = String::from_utf8_lossy(data).into_owned();
                &self.repaired
            }
        };
        SseEvent { event: &self.fields.event, data, id: &self.fields.id, retry: self.fields.retry, text: &self.text }
    }

    #[inline]
    fn forget_lent(&mut self) {
        if !self.lent {
            return;
        }
        self.lent = false;
        self.data = Data::Absent;
        self.fields.event.clear();
        self.size = 0;
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_CAPACITY);
        self.repaired = String::new();
    }
}

impl fmt::Debug for SseDecoder {
    /// Prints sizes, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseDecoder")
            .field("limit", &self.limit)
            .field("pushed", &(self.chunk.len() - self.position))
            .field("kept", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

#[cold]
fn keep_outside(outside: &mut Vec<u8>, line: &[u8], limit: usize) {
    if outside.len() + line.len() < limit {
        outside.extend_from_slice(line);
        outside.push(b'\n');
    }
}

/// Returns the lines of an event that are not blank, without their ends.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Data,
    Event,
    Id,
    Retry,
    /// A field that the rules say to ignore.
    Unknown,
}

impl Field {
    const NAMES: [(Self, &'static [u8]); 4] =
        [(Self::Data, b"data"), (Self::Event, b"event"), (Self::Id, b"id"), (Self::Retry, b"retry")];

    /// Returns the field of a line that is not a comment, and where its value begins.
    #[inline]
    pub(crate) fn of(line: &[u8]) -> (Self, usize) {
        for (field, name) in Self::NAMES {
            match line.strip_prefix(name) {
                Some([]) => return (field, name.len()),
                Some([b':', b' ', ..]) => return (field, name.len() + 2),
                Some([b':', ..]) => return (field, name.len() + 1),
                _ => {}
            }
        }
        (Self::Unknown, line.len())
    }
}

impl EventFields {
    fn set(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::Event => {
                self.event.clear();
                self.event.push_str(&String::from_utf8_lossy(value));
            }
            Field::Id if !value.contains(&0) => {
                self.id.clear();
                self.id.push_str(&String::from_utf8_lossy(value));
            }
            // A number too large to represent counts as none.
            Field::Retry if value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                self.retry = milliseconds.map(Duration::from_millis).or(self.retry);
            }
            Field::Data | Field::Id | Field::Retry | Field::Unknown => {}
        }
    }
}
