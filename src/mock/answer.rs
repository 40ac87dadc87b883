//! What the server responds.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::core::wire::Json;

/// One answer of a [`MockServer`](super::MockServer): status, headers, body, and how it is sent.
///
/// It begins with a constructor for the kind of body ([`json`](Self::json), [`stream`](Self::stream),
/// [`error`](Self::error), ...); the other methods change one thing each. Nothing is checked: an answer may break any rule
/// of the protocol.
///
/// `Debug` prints header names and body sizes.
#[derive(Clone)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) parts: Vec<Part>,
    pub(super) framing: Framing,
    pub(super) delay: Duration,
    pub(super) interim: Vec<u16>,
    pub(super) fault: Option<(Fault, Place)>,
    pub(super) closing: bool,
    pub(super) times: Option<usize>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &headers)
            .field("body", &format_args!("{} bytes", self.parts.iter().map(Part::size).sum::<u64>()))
            .field("framing", &self.framing)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// Bytes of a body that are written at once.
#[derive(Clone)]
pub(super) struct Part {
    /// What to wait for before.
    pub(super) pause: Duration,
    pub(super) bytes: Bytes,
    /// How often they are written.
    pub(super) times: u64,
    /// The length a chunk announces; more than `bytes` has where a fault cuts it.
    pub(super) announced: usize,
}

impl Part {
    fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { pause: Duration::ZERO, announced: bytes.len(), bytes, times: 1 }
    }

    fn size(&self) -> u64 {
        self.times.saturating_mul(self.bytes.len() as u64)
    }
}

/// How the end of the body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    ContentLength,
    Chunked,
    CloseDelimited,
}

/// What goes wrong with an [`Answer`], at a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is reset (TCP RST). On Linux the client can still read what arrived before.
    Reset,
    /// The connection is closed in order (TCP FIN), as a server does that goes down.
    Close,
    /// Nothing more is sent and the connection stays open, until the client closes it.
    Stall,
    /// HTTP/2: the stream ends with `RST_STREAM`, code `INTERNAL_ERROR`. In HTTP/1.1 the same as [`Reset`](Self::Reset).
    ResetStream,
    /// HTTP/2: the stream ends with `RST_STREAM`, code `REFUSED_STREAM`, by which a server promises that it has not
    /// processed the request. In HTTP/1.1 the same as [`Reset`](Self::Reset).
    RefuseStream,
    /// HTTP/2: the connection ends with `GOAWAY`, without an error code. In HTTP/1.1 the same as [`Close`](Self::Close).
    GoAway,
}

/// Where in an [`Answer`] a [`Fault`] happens. The request has been read completely in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Before the first byte of the head.
    BeforeHead,
    /// In the middle of the head. In HTTP/2 the same as [`BeforeHead`](Self::BeforeHead).
    InHead,
    /// After the head, before the first byte of the body.
    AfterHead,
    /// In the middle of the body; of a stream, between two events or chunks.
    InBody,
    /// In the middle of an event or chunk in the middle of the body.
    InEvent,
    /// After this many bytes of the body; [`BeforeEnd`](Self::BeforeEnd) if it has fewer.
    AfterBytes(usize),
    /// After the last byte of the body, before its end is marked: for a body of known length there is nothing left to
    /// tell, a chunked one lacks its last chunk, a stream of HTTP/2 its end.
    BeforeEnd,
}

impl Answer {
    fn new(status: u16, content_type: &str, parts: Vec<Part>, framing: Framing) -> Self {
        let mut headers = Vec::new();
        if !content_type.is_empty() {
            headers.push(("content-type".to_owned(), content_type.as_bytes().to_vec()));
        }
        Self {
            status,
            headers,
            parts,
            framing,
            delay: Duration::ZERO,
            interim: Vec::new(),
            fault: None,
            closing: false,
            times: Some(1),
        }
    }

    /// A JSON body.
    pub fn json(status: u16, body: impl Into<Json>) -> Self {
        Self::new(status, "application/json", vec![Part::new(body.into().to_string())], Framing::ContentLength)
    }

    /// A text, as `text/plain`; use [`header`](Self::header) for another type, such as HTML.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let parts = vec![Part::new(body.into())];
        Self::new(status, "text/plain; charset=utf-8", parts, Framing::ContentLength)
    }

    /// Any bytes, as `application/octet-stream`; use [`header`](Self::header) for another type.
    pub fn bytes(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/octet-stream", vec![Part::new(body)], Framing::ContentLength)
    }

    /// No body and no content type.
    pub fn status(status: u16) -> Self {
        Self::new(status, "", Vec::new(), Framing::ContentLength)
    }

    /// An error in OpenRouter's form: `{"error": {"code": status, "message": message}}`.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, json!({"error": {"code": status, "message": message}}))
    }

    /// A redirect to `location`, with 301, 302, 303, 307 or 308.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    /// A stream of server-sent events with `data: [DONE]` after them. Each event is one chunk.
    pub fn stream<E: Into<Event>>(events: impl IntoIterator<Item = E>) -> Self {
        let mut answer = Self::events(events);
        answer.parts.push(Event::data("[DONE]").into_part());
        answer
    }

    /// A stream of exactly these server-sent events. Each event is one chunk.
    pub fn events<E: Into<Event>>(events: impl IntoIterator<Item = E>) -> Self {
        let parts = events.into_iter().map(|event| event.into().into_part()).collect();
        Self::new(200, "text/event-stream", parts, Framing::Chunked)
    }

    /// A stream of server-sent events as these bytes, each item sent as one chunk, which clients usually read at once.
    /// Empty items are skipped: an empty chunk is the end in HTTP/1.1.
    pub fn chunks(chunks: Vec<Bytes>) -> Self {
        let parts = chunks.into_iter().filter(|chunk| !chunk.is_empty()).map(Part::new).collect();
        Self::new(200, "text/event-stream", parts, Framing::Chunked)
    }

    /// A body of `size` bytes of white space, made as it is sent.
    pub fn huge(status: u16, size: u64) -> Self {
        static BLOCK: [u8; 64 * 1024] = [b' '; 64 * 1024];
        let blocks = size / BLOCK.len() as u64;
        let rest = usize::try_from(size % BLOCK.len() as u64).unwrap_or_default();
        let mut parts = Vec::new();
        if blocks > 0 {
            parts.push(Part { times: blocks, ..Part::new(Bytes::from_static(&BLOCK)) });
        }
        if rest > 0 {
            parts.push(Part::new(vec![b' '; rest]));
        }
        Self::new(status, "application/json", parts, Framing::ContentLength)
    }

    /// A stream that begins with `start` and then sends `again` without end, until the client closes the connection. With
    /// `("data: ", "x")` that is an endless line.
    pub fn endless(start: impl Into<Bytes>, again: impl Into<Bytes>) -> Self {
        let parts = [Part::new(start), Part { times: u64::MAX, ..Part::new(again) }];
        let parts = parts.into_iter().filter(|part| !part.bytes.is_empty()).collect();
        Self::new(200, "text/event-stream", parts, Framing::Chunked)
    }

    /// Sets a header, replacing any of the same name. `content-length` and `transfer-encoding` are sent as they are set
    /// here, true or not, instead of the right ones.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(set, _)| !set.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the status, where the constructor chose 200.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Gives this answer `times` times, one after the other; once is the default.
    #[must_use]
    pub const fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Gives this answer to every request from its turn on.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Waits before the head.
    #[must_use]
    pub const fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits before each event or chunk of the body.
    #[must_use]
    pub fn paced(mut self, pause: Duration) -> Self {
        for part in &mut self.parts {
            part.pause = pause;
        }
        self
    }

    /// Sends the body in chunks of `size` bytes (at least 1), wherever the events end. Pauses set before are dropped.
    #[must_use]
    pub fn cut_into(mut self, size: usize) -> Self {
        let body = self.whole_body();
        self.parts = body.chunks(size.max(1)).map(|chunk| Part::new(body.slice_ref(chunk))).collect();
        self.framing = Framing::Chunked;
        self
    }

    /// Sends the body with `Transfer-Encoding: chunked`; streams are always sent this way.
    #[must_use]
    pub const fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Sends the body with `Content-Length`; bodies that are not streams are sent like this by default.
    #[must_use]
    pub const fn with_length(mut self) -> Self {
        self.framing = Framing::ContentLength;
        self
    }

    /// Sends the body without telling its length and ends it by closing the connection. A client cannot tell
    /// [`Fault::Close`] in such a body from its end.
    #[must_use]
    pub const fn close_delimited(mut self) -> Self {
        self.framing = Framing::CloseDelimited;
        self
    }

    /// Closes the connection after the answer without having said so, as servers close idle connections. The client finds
    /// out when it looks or when it sends its next request.
    #[must_use]
    pub const fn then_close(mut self) -> Self {
        self.closing = true;
        self
    }

    /// Sends an interim answer before this one: 100, 102 or 103. May be called several times.
    #[must_use]
    pub fn after_interim(mut self, status: u16) -> Self {
        self.interim.push(status);
        self
    }

    /// Puts `lines` empty lines before the body, as OpenRouter does to keep a connection alive.
    #[must_use]
    pub fn padded(mut self, lines: usize) -> Self {
        self.parts.insert(0, Part::new("\n         \n".repeat(lines)));
        self
    }

    /// Compresses the body with gzip (in form: nothing gets smaller) and says so, whether or not the request accepts it.
    #[must_use]
    pub fn gzipped(mut self) -> Self {
        self.parts = vec![Part::new(gzip(&self.whole_body()))];
        self.header("content-encoding", "gzip")
    }

    /// Lets `fault` happen at `place`; nothing after it is sent.
    #[must_use]
    pub const fn fault(mut self, fault: Fault, place: Place) -> Self {
        self.fault = Some((fault, place));
        self
    }

    /// The body with each part once.
    fn whole_body(&self) -> Bytes {
        self.parts.iter().flat_map(|part| part.bytes.iter().copied()).collect()
    }

    /// The size of the whole body in bytes.
    pub(super) fn body_size(&self) -> u64 {
        self.parts.iter().fold(0, |size, part| size.saturating_add(part.size()))
    }

    /// The parts of the body that are sent, the last one cut where a fault cuts it.
    pub(super) fn parts_until_fault(&self) -> Vec<Part> {
        let middle = self.parts.len() / 2;
        let mut parts = self.parts.clone();
        match self.fault.map(|(_, place)| place) {
            None | Some(Place::BeforeEnd) => {}
            Some(Place::BeforeHead | Place::InHead | Place::AfterHead) => parts.clear(),
            Some(Place::InBody) if parts.len() > 1 => parts.truncate(middle),
            Some(Place::InBody | Place::InEvent) => {
                parts.truncate(middle + 1);
                if let Some(part) = parts.last_mut() {
                    if part.times > 1 {
                        part.times /= 2;
                    } else {
                        part.bytes.truncate(part.bytes.len() / 2);
                    }
                }
            }
            Some(Place::AfterBytes(count)) => {
                let mut left = count as u64;
                parts = parts.into_iter().flat_map(|part| part.first_bytes(&mut left)).collect();
            }
        }
        parts
    }
}

impl Part {
    /// The first `left` bytes of this part, as whole repetitions and a cut one; `left` becomes what is still to come.
    fn first_bytes(self, left: &mut u64) -> Vec<Self> {
        let length = self.bytes.len() as u64;
        let whole = self.times.min(left.checked_div(length).unwrap_or(u64::MAX));
        let cut = if whole < self.times { *left - whole * length } else { 0 };
        *left -= whole * length + cut;
        let mut parts = Vec::new();
        if whole > 0 {
            parts.push(Self { times: whole, ..self.clone() });
        }
        if cut > 0 {
            let bytes = self.bytes.slice(..usize::try_from(cut).unwrap_or_default());
            parts.push(Self { bytes, times: 1, ..self });
        }
        parts
    }
}

/// One server-sent event of an [`Answer::stream`], or whatever replaces it.
///
/// JSON values and strings become events with that data: `Answer::stream(["Hello"])`. `Debug` prints the size.
#[derive(Clone)]
pub struct Event {
    pause: Duration,
    bytes: Bytes,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("pause", &self.pause).field("size", &self.bytes.len()).finish()
    }
}

impl Event {
    /// An event without a name. Data of several lines becomes several `data:` lines.
    pub fn data(data: impl fmt::Display) -> Self {
        Self::raw(data_lines(data))
    }

    /// An event with a name, as `/messages` sends them.
    pub fn named(name: &str, data: impl fmt::Display) -> Self {
        Self::raw(format!("event: {name}\n{}", data_lines(data)))
    }

    /// A comment, such as `OPENROUTER PROCESSING`.
    pub fn comment(text: &str) -> Self {
        Self::raw(format!(": {text}\n\n"))
    }

    /// These bytes and nothing around them.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { pause: Duration::ZERO, bytes: bytes.into() }
    }

    /// Waits before this event.
    #[must_use]
    pub const fn after(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    fn into_part(self) -> Part {
        Part { pause: self.pause, ..Part::new(self.bytes) }
    }
}

impl From<Value> for Event {
    fn from(data: Value) -> Self {
        Self::data(data)
    }
}

impl From<&str> for Event {
    fn from(data: &str) -> Self {
        Self::data(data)
    }
}

impl From<String> for Event {
    fn from(data: String) -> Self {
        Self::data(data)
    }
}

fn data_lines(data: impl fmt::Display) -> String {
    let data = data.to_string();
    let lines: String = data.split('\n').map(|line| format!("data: {line}\n")).collect();
    lines + "\n"
}

/// A gzip file (RFC 1952) of blocks that are stored as they are (RFC 1951, 3.2.4).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    for block in bytes.chunks(0xFFFF) {
        let length = block.len() as u16;
        file.push(0);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&(!length).to_le_bytes());
        file.extend_from_slice(block);
    }
    // An empty last block.
    file.extend_from_slice(&[1, 0, 0, 0xFF, 0xFF]);
    file.extend_from_slice(&crc32(bytes).to_le_bytes());
    file.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = !0;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}
