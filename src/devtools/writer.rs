//! The thread that writes the files of a recorder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use memchr::memmem;

use super::files::Folder;
use super::format::{self, Line, VERSION};
use super::queue::{Batch, Message, Queue, RequestLine, What};
use super::redaction::{self, Redaction};
use super::{Content, Options};
use crate::core::base64;

/// Values larger than this are stored in separate files.
const LARGEST_INLINE: usize = 256 * 1024;

/// Of bodies larger than this, only the length is recorded.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Lines are written once they exceed this size, before more messages are handled.
const LARGEST_BATCH: usize = 1024 * 1024;

/// Starts the thread and returns the path of its first file.
pub(super) fn start(options: &Options, queue: &Arc<Queue>) -> io::Result<PathBuf> {
    let started = format::time(SystemTime::now());
    // A file name has no colon on Windows, and no need of the milliseconds.
    let second = started.get(..19).unwrap_or_default().replace(':', "-");
    let name = format!("{second}Z-{}-{:04x}", std::process::id(), fastrand::u16(..));
    let mut folder = Folder::create(&options.folder, name)?;
    let (file, path, part) = folder.next_file(options.max_files)?;
    let mut output = Output {
        folder,
        file,
        size: 0,
        line: 0,
        buffer: Vec::new(),
        redaction: Redaction::new(&options.redacted),
        options: options.clone(),
        started,
        receiving: HashMap::new(),
    };
    output.begin(part);
    output.write()?;
    let queue = Arc::clone(queue);
    std::thread::Builder::new().name("openrouter-devtools".to_owned()).spawn(move || {
        let mut batch = Batch::default();
        while let Some(dropped) = queue.take(&mut batch) {
            output.take(&mut batch, dropped);
        }
    })?;
    Ok(path)
}

struct Output {
    folder: Folder,
    file: File,
    /// The size of the file in bytes.
    size: u64,
    /// The number of the next line, through all files.
    line: u64,
    /// Lines that have not been written yet.
    buffer: Vec<u8>,
    redaction: Redaction,
    options: Options,
    started: String,
    receiving: HashMap<(u64, u32), Receiving>,
}

/// What has been received of the response of an attempt.
#[derive(Default)]
struct Receiving {
    key: Option<String>,
    is_events: bool,
    /// The body received so far, or the beginning of an event.
    bytes: Vec<u8>,
    length: u64,
    is_cut: bool,
}

impl Output {
    /// Begins a file with its first line.
    fn begin(&mut self, part: u32) {
        let content = match self.options.content {
            Content::Full => "full",
            Content::Lengths => "lengths",
            Content::None => "none",
        };
        let folder = std::env::current_dir().unwrap_or_default();
        let line = self
            .line("file")
            .raw("version", VERSION)
            .text("crate", concat!("openrouter-kit ", env!("CARGO_PKG_VERSION")))
            .raw("pid", std::process::id())
            .text("started", &self.started)
            .raw("part", part)
            .text("content", content)
            .text("cwd", &folder.to_string_lossy());
        let line = match branch(&folder) {
            Some(branch) => line.text("branch", &branch),
            None => line,
        };
        self.buffer = line.end();
    }

    /// Begins a line at the end of the buffer.
    fn line(&mut self, kind: &str) -> Line {
        let line = Line::new(std::mem::take(&mut self.buffer), self.line, kind);
        self.line += 1;
        line
    }

    fn line_of(&mut self, kind: &str, (call, attempt): (u64, u32), at: Duration) -> Line {
        self.line(kind).raw("call", call).raw("attempt", attempt).at(at)
    }

    fn take(&mut self, batch: &mut Batch, dropped: u64) {
        for message in batch.messages.drain(..) {
            if self.buffer.is_empty() && self.size > self.options.max_file {
                self.next_file();
            }
            self.message(message, &batch.text);
            if self.buffer.len() > LARGEST_BATCH {
                self.save();
            }
        }
        if dropped > 0 {
            self.buffer = self.line("dropped").raw("messages", dropped).end();
        }
        self.save();
    }

    /// Continues in a new file, or in the current one if no file can be created.
    fn next_file(&mut self) {
        if let Ok((file, _, part)) = self.folder.next_file(self.options.max_files) {
            (self.file, self.size) = (file, 0);
            self.begin(part);
        }
    }

    /// Writes the lines. If that fails, these lines are lost and nothing else.
    fn save(&mut self) {
        // Later lines may fit again; the gap in their numbers shows that some are missing.
        let _ = self.write();
        self.buffer.clear();
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.size += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn message(&mut self, Message { call, attempt, at, what }: Message, text: &[u8]) {
        let of = (call, attempt);
        match what {
            What::Request(request) => {
                let key = redaction::key(request.key.as_ref());
                let line = self.line_of("request", of, at);
                self.request(line, &request, key.as_deref());
                self.receiving.insert(of, Receiving { key, ..Receiving::default() });
            }
            What::Response(status, headers) => {
                let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
                self.receiving.entry(of).or_default().is_events =
                    media_type.to_ascii_lowercase().contains("event-stream");
                let line = self.line_of("response", of, at);
                self.buffer = line.raw("status", status.as_u16()).raw("headers", redaction::headers(&headers)).end();
            }
            What::Chunk(chunk) => self.chunk(of, at, &chunk),
            What::ShortChunk(range) => self.chunk(of, at, text.get(range).unwrap_or_default()),
            What::Failed(error, retry) => {
                self.body(of, at);
                let line = self.line_of("failed", of, at).text("error", &error);
                self.buffer = line.members(&format::retry(retry)).end();
            }
            What::End(members) => {
                self.body(of, at);
                let line = self.line_of("end", of, at);
                self.buffer = line.members(&members).end();
            }
        }
    }

    fn request(&mut self, line: Line, request: &RequestLine, key: Option<&str>) {
        let mut line = line
            .text("operation", request.operation)
            .text("method", request.method.as_str())
            .text("path", &self.redaction.keys(&request.path, key));
        if let Some(query) = &request.query {
            line = line.text("query", &self.redaction.keys(&redaction::query(query), key));
        }
        line = line.raw("stream", request.is_stream).raw("headers", redaction::headers(&request.headers));
        self.buffer = match &request.body {
            Some(body) if !body.is_empty() => self.value(line, body, key).end(),
            _ => line.end(),
        };
    }

    fn chunk(&mut self, of: (u64, u32), at: Duration, chunk: &[u8]) {
        let receiving = self.receiving.entry(of).or_default();
        receiving.length += chunk.len() as u64;
        if self.options.content != Content::Full {
            if receiving.is_events && self.options.content == Content::Lengths {
                let length = chunk.len();
                self.buffer = self.line_of("events", of, at).raw("body", format_args!("{{\"length\":{length}}}")).end();
            }
            return;
        }
        let is_full = receiving.bytes.len() + chunk.len() > LARGEST_BODY;
        receiving.is_cut |= is_full;
        if receiving.is_cut {
            receiving.bytes = Vec::new();
            return;
        }
        if !receiving.is_events {
            receiving.bytes.extend_from_slice(chunk);
            return;
        }
        let Some(end) = end_of_events(chunk) else {
            receiving.bytes.extend_from_slice(chunk);
            return;
        };
        let (events, rest) = chunk.split_at(end);
        let key = receiving.key.take();
        let begun = std::mem::replace(&mut receiving.bytes, rest.to_vec());
        if begun.is_empty() {
            self.events(of, at, events, key.as_deref());
        } else {
            self.events(of, at, &[&begun, events].concat(), key.as_deref());
        }
        if let Some(receiving) = self.receiving.get_mut(&of) {
            receiving.key = key;
        }
    }

    /// Writes complete events.
    fn events(&mut self, of: (u64, u32), at: Duration, events: &[u8], key: Option<&str>) {
        let line = self.line_of("events", of, at);
        self.buffer = match str::from_utf8(events) {
            Ok(text) if text.len() <= LARGEST_INLINE => {
                let text = self.redaction.events(text);
                line.text("body", &self.redaction.keys(&text, key)).end()
            }
            _ => self.value(line, events, key).end(),
        };
    }

    /// Writes the rest of the response of an attempt.
    fn body(&mut self, of: (u64, u32), at: Duration) {
        let Some(Receiving { key, is_events, bytes, length, is_cut }) = self.receiving.remove(&of) else { return };
        if is_events {
            if !bytes.is_empty() {
                self.events(of, at, &bytes, key.as_deref());
            }
        } else if length > 0 && self.options.content != Content::None {
            let line = self.line_of("body", of, at);
            self.buffer = if is_cut || self.options.content == Content::Lengths {
                line.raw("body", format_args!("{{\"length\":{length}}}")).end()
            } else {
                self.value(line, &bytes, key.as_deref()).end()
            };
        }
    }

    /// Adds a body to a line: as text, as base64, or as the hash of the file that holds it.
    fn value(&self, line: Line, bytes: &[u8], key: Option<&str>) -> Line {
        let length = bytes.len();
        let length_alone = |line: Line| line.raw("body", format_args!("{{\"length\":{length}}}"));
        match self.options.content {
            Content::None => return line,
            Content::Lengths => return length_alone(line),
            Content::Full => {}
        }
        let text = str::from_utf8(bytes).ok();
        let text = text.map(|text| self.redaction.keys(&self.redaction.json(text, true), key).into_owned());
        let stored = text.as_ref().map_or(bytes, |text| text.as_bytes());
        if stored.len() > LARGEST_INLINE {
            return match self.folder.store(stored) {
                Ok(hash) => line.raw("body", format_args!("{{\"sha256\":\"{hash}\",\"length\":{length}}}")),
                Err(_) => length_alone(line),
            };
        }
        match text {
            Some(text) => line.text("body", &text),
            None => line.raw("body", format_args!("{{\"base64\":\"{}\"}}", base64::encode(bytes))),
        }
    }
}

/// Returns where the last complete event of a chunk ends; `None` if there is none.
fn end_of_events(chunk: &[u8]) -> Option<usize> {
    let end = |mark: &[u8]| memmem::rfind(chunk, mark).map(|at| at + mark.len());
    end(b"\n\n").max(end(b"\r\n\r\n")).max(end(b"\r\r"))
}

/// Returns the branch of the Git repository that the program runs in.
fn branch(folder: &std::path::Path) -> Option<String> {
    let head = folder.ancestors().find_map(|folder| std::fs::read_to_string(folder.join(".git/HEAD")).ok())?;
    Some(head.trim().strip_prefix("ref: refs/heads/")?.to_owned())
}
