//! Uploads: files, and the `multipart/form-data` body (RFC 7578) that carries them.
//!
//! A file is opened for each attempt and read in pieces while it is sent, one piece ahead of the
//! connection. Names are escaped as browsers do it. The boundary is random, so it does not have to
//! be searched for in the content.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use super::body::Body;
use super::query::QueryValue;
use super::transfer::{Reporter, TransferProgress, regular_file};
use crate::errors::{Cause, InvalidRequestError};

/// A file to upload: its name, its media type and where its content comes from.
///
/// ```
/// use openrouter_kit::core::FilePart;
///
/// let from_memory = FilePart::from_bytes("notes.txt", "Remember the milk.");
/// let from_disk = FilePart::from_path("recordings/interview.mp3");
/// let with_type = FilePart::from_bytes("export", vec![0x25, 0x50, 0x44, 0x46]).media_type("application/pdf");
/// ```
///
/// The media type is guessed from the extension of the name unless [`media_type`](Self::media_type)
/// sets it. If neither is known, it is `application/octet-stream`.
pub struct FilePart {
    name: String,
    media_type: Option<String>,
    content: PartContent,
    reporter: Option<Reporter>,
}

/// Where the content of a part comes from.
enum PartContent {
    Bytes(Bytes),
    Path(PathBuf),
    /// Taken out when it is sent. The lock only makes it [`Sync`]; it is never contended.
    Stream(Mutex<Option<Body>>, Option<u64>),
}

impl FilePart {
    const fn new(name: String, content: PartContent) -> Self {
        Self { name, media_type: None, content, reporter: None }
    }

    /// Creates a file with this name and its content in memory.
    ///
    /// ```
    /// use openrouter_kit::core::FilePart;
    ///
    /// let part = FilePart::from_bytes("notes.txt", "The content of the file.");
    /// ```
    pub fn from_bytes(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self::new(name.into(), PartContent::Bytes(content.into()))
    }

    /// Creates a part from a file on disk, named by the last component of its path.
    ///
    /// It is opened when the call is sent, once for each attempt, and read as it is sent, never
    /// whole in memory. If it cannot be read the call fails with
    /// [`Error::InvalidRequest`](crate::Error::InvalidRequest) and nothing is sent. The same
    /// applies to anything that is not a regular file, such as a directory, a device or a FIFO, and
    /// to files that the system generates on read, such as those in `/proc`: send their content
    /// with [`stream`](Self::from_stream) or [`bytes`](Self::from_bytes).
    ///
    /// ```
    /// use openrouter_kit::core::FilePart;
    ///
    /// // The server sees the name `speech.wav`, whatever the name of the file is.
    /// let part = FilePart::from_path("/tmp/recording-17").name("speech.wav");
    /// ```
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::new(name, PartContent::Path(path))
    }

    /// Creates a file with this name whose content is read from `body` as it is sent.
    ///
    /// It can be read only once: **a call with such a part is never sent again**, whatever its
    /// retry configuration says. Its length is the exact one that `body` reports
    /// ([`http_body::Body::size_hint`]) or the one set with [`length`](Self::length). Without a
    /// length the request is sent with chunked encoding, which not every server accepts.
    ///
    /// ```
    /// use http_body_util::Full;
    /// use openrouter_kit::core::FilePart;
    ///
    /// let part = FilePart::from_stream("data.jsonl", Full::new(bytes::Bytes::from_static(b"{}\n")));
    /// ```
    pub fn from_stream<B>(name: impl Into<String>, body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let length = body.size_hint().exact();
        Self::new(name.into(), PartContent::Stream(Mutex::new(Some(Body::wrap(body))), length))
    }

    /// Sets the name that is sent to the server, such as `speech.wav`. Some operations take the
    /// format from its extension.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the media type, such as `audio/wav`.
    ///
    /// ```
    /// use openrouter_kit::core::FilePart;
    ///
    /// let part = FilePart::from_bytes("speech", vec![0_u8; 4]).media_type("audio/wav");
    /// ```
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// Sets a function that is called for each chunk of the file that is handed to the connection,
    /// of at most 64 KiB unless it is a [`stream`](Self::from_stream). It runs between two writes,
    /// so it must not block. If the request is sent again, progress restarts at zero.
    ///
    /// ```
    /// use openrouter_kit::core::FilePart;
    ///
    /// let file = FilePart::from_path("recordings/interview.mp3")
    ///     .on_progress(|progress| println!("{} of {:?} bytes", progress.bytes, progress.total));
    /// ```
    #[must_use]
    pub fn on_progress(mut self, report: impl FnMut(TransferProgress) + Send + 'static) -> Self {
        self.reporter = Some(Reporter::new(report));
        self
    }

    /// Sets the length in bytes of a [`stream`](Self::from_stream) that does not know its own. If
    /// the stream yields another number of bytes, the upload fails. Content in memory and files
    /// keep their own length.
    ///
    /// With a length, the request is sent with `Content-Length` instead of chunked encoding, which
    /// some servers do not accept.
    #[must_use]
    pub fn length(mut self, length: u64) -> Self {
        if let PartContent::Stream(_, known) = &mut self.content {
            *known = Some(length);
        }
        self
    }
}

impl fmt::Debug for FilePart {
    /// Prints where the content comes from, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilePart")
            .field("name", &self.name)
            .field("media_type", &self.media_type)
            .field("content", &self.content)
            .finish()
    }
}

impl fmt::Debug for PartContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Path(path) => path.fmt(f),
            Self::Stream(_, Some(length)) => write!(f, "stream of {length} bytes"),
            Self::Stream(_, None) => f.write_str("stream"),
        }
    }
}

/// Same as [`FilePart::from_path`].
impl From<PathBuf> for FilePart {
    fn from(path: PathBuf) -> Self {
        Self::from_path(path)
    }
}

/// Same as [`FilePart::from_path`].
impl From<&Path> for FilePart {
    fn from(path: &Path) -> Self {
        Self::from_path(path)
    }
}

/// Same as [`FilePart::from_bytes`] with the name `file`. If the operation takes the format from
/// the extension, set a name with one.
impl From<Vec<u8>> for FilePart {
    fn from(content: Vec<u8>) -> Self {
        Self::from_bytes("file", content)
    }
}

/// A form with files, as generated functions describe it.
///
/// Its body is streamed: content in memory is not copied, and files are read as they are sent. It
/// has a length if all its parts have one.
///
/// The types of forms in [`models`](crate::models), such as `FilesUploadForm`, are converted to it;
/// a program needs it only for an operation that this crate does not know.
///
/// ```
/// use openrouter_kit::core::{FilePart, Multipart};
///
/// let form = Multipart::new()
///     .text("purpose", Some("assistants"))
///     .file("file", Some(FilePart::from_bytes("notes.txt", "content")));
/// ```
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    parts: Vec<Part>,
    invalid: Option<InvalidRequestError>,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    /// From the delimiter to the empty line.
    head: String,
    content: PartContent,
    reporter: Option<Reporter>,
}

impl Multipart {
    /// Creates a form without parts.
    pub fn new() -> Self {
        // Long enough not to occur in the content by chance, and unknown to the author of the
        // content.
        let boundary = format!("openrouter-kit-{:032x}", fastrand::u128(..));
        Self { boundary, parts: Vec::new(), invalid: None }
    }

    /// Adds a field, if there is a value.
    #[must_use]
    pub fn text(mut self, name: &'static str, value: Option<impl QueryValue>) -> Self {
        match value.as_ref().map(QueryValue::query_text) {
            Some(Some(text)) => self.field(name, &text),
            Some(None) => {
                self.keep(InvalidRequestError::new(name, "is not a finite number; pass one, or leave it out"))
            }
            None => {}
        }
        self
    }

    /// Adds a field for each of the values, all of the same name.
    #[must_use]
    pub fn text_list<T: AsRef<str>>(mut self, name: &'static str, values: Option<Vec<T>>) -> Self {
        for value in values.iter().flatten() {
            self.field(name, value.as_ref());
        }
        self
    }

    /// Adds a file, if there is one.
    #[must_use]
    pub fn file(mut self, name: &'static str, file: Option<FilePart>) -> Self {
        if let Some(file) = file {
            self.attach(name, file);
        }
        self
    }

    fn field(&mut self, name: &'static str, text: &str) {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n", escaped(name));
        self.push(name, head, PartContent::Bytes(Bytes::copy_from_slice(text.as_bytes())), None);
    }

    fn attach(&mut self, name: &'static str, file: FilePart) {
        if file.name.is_empty() {
            let invalid = "has no file name, without which the server does not treat it as a file; set one with `name`";
            return self.keep(InvalidRequestError::new(name, invalid));
        }
        let media_type = file.media_type.as_deref().unwrap_or_else(|| guessed(&file.name));
        if !is_media_type(media_type) {
            let message = format!("has the media type {media_type:?}, which is not valid; write it like `audio/wav`");
            return self.keep(InvalidRequestError::new(name, message));
        }
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {media_type}\r\n",
            escaped(name),
            escaped(&file.name),
        );
        self.push(name, head, file.content, file.reporter);
    }

    fn push(&mut self, name: &'static str, headers: String, content: PartContent, reporter: Option<Reporter>) {
        let line_end = if self.parts.is_empty() { "" } else { "\r\n" };
        let head = format!("{line_end}--{}\r\n{headers}\r\n", self.boundary);
        self.parts.push(Part { name, head, content, reporter });
    }

    fn keep(&mut self, invalid: InvalidRequestError) {
        self.invalid.get_or_insert(invalid);
    }

    /// Takes the first error in its parts.
    pub(crate) fn take_error(&mut self) -> Option<InvalidRequestError> {
        self.invalid.take()
    }

    /// Returns the value of the `Content-Type` header.
    pub(crate) fn content_type(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        HeaderValue::from_str(&format!("multipart/form-data; boundary={}", self.boundary))
    }

    /// Returns `true` if [`body`](Self::body) can be called again.
    pub(crate) fn can_repeat(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part.content, PartContent::Stream(..)))
    }

    /// Returns the body to send, with its files open.
    pub(crate) async fn body(&self) -> Result<Body, InvalidRequestError> {
        let mut segments = VecDeque::with_capacity(2 * self.parts.len() + 1);
        for part in &self.parts {
            segments.push_back((Segment::Bytes(Bytes::copy_from_slice(part.head.as_bytes())), None));
            let segment = part.open().await?;
            let reporter = part.reporter.as_ref().map(|reporter| reporter.starting(0, segment.left()));
            segments.push_back((segment, reporter));
        }
        let line_end = if self.parts.is_empty() { "" } else { "\r\n" };
        segments.push_back((Segment::Bytes(format!("{line_end}--{}--\r\n", self.boundary).into()), None));
        Ok(Body::wrap(Segments(segments)))
    }
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl Part {
    async fn open(&self) -> Result<Segment, InvalidRequestError> {
        match &self.content {
            PartContent::Bytes(bytes) => Ok(Segment::Bytes(bytes.clone())),
            PartContent::Path(path) => {
                let opening = path.clone();
                let opened = spawn_blocking(move || open(&opening)).await.unwrap_or_else(|error| Err(error.into()));
                let file = opened.map_err(|error| match error.get_ref() {
                    // An operating system error has no inner error.
                    None => {
                        let message = format!("cannot be read from {path:?}; check the path and the permissions");
                        InvalidRequestError::new(self.name, message).caused_by(error)
                    }
                    Some(reason) => {
                        InvalidRequestError::new(self.name, format!("cannot be read from {path:?}: {reason}"))
                    }
                })?;
                Ok(Segment::File(file))
            }
            PartContent::Stream(body, length) => {
                let body = body.lock().unwrap_or_else(PoisonError::into_inner).take();
                let body = body.ok_or_else(|| {
                    InvalidRequestError::new(self.name, "is a stream that was already sent; pass a new one")
                })?;
                Ok(Segment::Stream(body, *length))
            }
        }
    }
}

/// Opens a file and reads its first chunk. If the system generates the file on read, the size of
/// that chunk differs from the one reported.
fn open(path: &Path) -> io::Result<FileSegment> {
    regular_file(path)?;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // An empty file has nothing to read, so one more byte is requested.
    let first = read_piece(&mut file, length.max(1))?;
    if first.len() as u64 != length.min(PIECE) {
        let message =
            format!("the system reports its size as {length} bytes, which is wrong; read it and send it with `bytes`");
        return Err(io::Error::other(message));
    }
    Ok(FileSegment { state: FileState::Read(file, first), left: length })
}

/// Reads up to `most` bytes, but at most one chunk.
fn read_piece(file: &mut File, most: u64) -> io::Result<Bytes> {
    let most = most.min(PIECE);
    let mut piece = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    file.take(most).read_to_end(&mut piece)?;
    Ok(piece.into())
}

/// Escapes a name to be put between quotes. RFC 7578 leaves this to the WHATWG's rules for forms:
/// quotes and line ends are percent-encoded, nothing else.
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Returns whether `text` is valid in a `Content-Type` header as a type, a subtype and parameters.
pub(super) fn is_media_type(text: &str) -> bool {
    let mut halves = text.splitn(2, '/').map(str::len);
    matches!((halves.next(), halves.next()), (Some(1..), Some(1..)))
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns the media type for the extension of a file name.
fn guessed(name: &str) -> &'static str {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "flac" => "audio/flac",
        "gif" => "image/gif",
        "htm" | "html" => "text/html",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "m4a" => "audio/mp4",
        "md" => "text/markdown",
        "mov" => "video/quicktime",
        "mp3" | "mpga" => "audio/mpeg",
        "mp4" => "video/mp4",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "txt" => "text/plain",
        "wav" => "audio/wav",
        "webm" => "video/webm",
        "webp" => "image/webp",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

/// The size of the chunks in which a file is read and sent.
const PIECE: u64 = 64 * 1024;

/// The body of a form: its segments in order, each with its progress callback.
struct Segments(VecDeque<(Segment, Option<Reporter>)>);

enum Segment {
    Bytes(Bytes),
    File(FileSegment),
    /// With the number of remaining bytes, if known.
    Stream(Body, Option<u64>),
}

impl Segment {
    /// Returns the number of bytes still to be sent.
    fn left(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File(file) => Some(file.left),
            Self::Stream(_, left) => *left,
        }
    }

    /// Returns the next bytes; `None` at the end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        match self {
            Self::Bytes(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE as usize));
                Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
            }
            Self::File(file) => file.poll_chunk(cx),
            Self::Stream(body, left) => loop {
                let chunk = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                    None if left.is_some_and(|left| left > 0) => {
                        return Poll::Ready(Some(Err(
                            "the stream is shorter than the length that was set for it".into()
                        )));
                    }
                    None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                };
                if let Some(left) = left {
                    match left.checked_sub(chunk.len() as u64) {
                        Some(less) => *left = less,
                        None => {
                            let message = "the stream is longer than the length that was set for it";
                            return Poll::Ready(Some(Err(message.into())));
                        }
                    }
                }
                if !chunk.is_empty() {
                    return Poll::Ready(Some(Ok(chunk)));
                }
            },
        }
    }
}

/// A file that is read piece by piece, on a thread where this does not block the runtime.
struct FileSegment {
    state: FileState,
    /// How much is left of the length that the file had when it was opened. What is appended later
    /// is not sent.
    left: u64,
}

enum FileState {
    /// A chunk that was read and not sent yet.
    Read(File, Bytes),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
    Over,
}

impl FileSegment {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (mut file, piece) = match std::mem::replace(&mut self.state, FileState::Over) {
            FileState::Over => return Poll::Ready(None),
            FileState::Read(file, piece) => (file, piece),
            FileState::Reading(mut reading) => match Pin::new(&mut reading).poll(cx) {
                Poll::Ready(Ok(Ok(read))) => read,
                Poll::Ready(Ok(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Pending => {
                    self.state = FileState::Reading(reading);
                    return Poll::Pending;
                }
            },
        };
        if piece.is_empty() {
            return Poll::Ready(Some(Err("the file shrank while it was sent".into())));
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        let left = self.left;
        if left > 0 {
            // The next chunk is read while this one is sent.
            self.state = FileState::Reading(spawn_blocking(move || {
                let piece = read_piece(&mut file, left)?;
                Ok((file, piece))
            }));
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

impl HttpBody for Segments {
    type Data = Bytes;
    type Error = Cause;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        while let Some((segment, reporter)) = self.0.front_mut() {
            match ready!(segment.poll_chunk(cx)) {
                Some(Ok(chunk)) => {
                    if let Some(reporter) = reporter {
                        reporter.add(chunk.len());
                    }
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                Some(Err(error)) => {
                    self.0.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                None => drop(self.0.pop_front()),
            }
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.iter().map(|(segment, _)| segment.left()).sum() {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}
