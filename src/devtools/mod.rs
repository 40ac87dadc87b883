//! Records what a program sends and receives, to look at it later or to turn it into tests.
//!
//! A [`Recorder`] is a hook that writes every call to a file: its requests, responses, errors and the events of its
//! streams with their times. It never blocks a call and never makes one fail. The format is described in
//! `docs/recordings.md`. `openrouter devtools` of the command line shows recordings, and `MockServer::replay` (feature
//! `mock`) responds from them.
//!
//! Nothing is recorded unless a program asks for it: with [`Recorder::new`], or by `OPENROUTER_DEVTOOLS=1` in the
//! environment of a client that is built with [`env`](crate::core::ClientBuilder::env). Keys are redacted, but prompts
//! and responses are recorded in full unless [`content`](Recorder::content) says otherwise: recordings are for
//! development.

mod files;
mod format;
mod queue;
mod redaction;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};

pub use self::format::VERSION;
use self::queue::{Message, Queue, What};
use crate::core::body::Body;
use crate::core::hidden;
use crate::errors::{Chain, Error};
use crate::hooks::{CallEnd, Hook, HookContext, Observer, Outcome, Retry};

/// How much of the content of requests and responses is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Everything except keys and redacted values.
    #[default]
    Full,
    /// Only the lengths of bodies and events.
    Lengths,
    /// Neither content nor lengths.
    None,
}

/// The options of a recorder.
#[derive(Clone, Debug)]
struct Options {
    folder: PathBuf,
    content: Content,
    redacted: Vec<String>,
    max_file: u64,
    max_files: usize,
    max_queue: usize,
    /// Whether a line on standard error announces the file.
    announces: bool,
}

/// A hook that records every call to a file; see the [module](self).
///
/// The recorder starts writing at its first call. Each process writes a file of its own and continues in a new one when
/// that becomes large. Dropping the last clone, which clients hold too, waits until everything is written, for at most
/// a second.
///
/// ```no_run
/// # #[cfg(feature = "_tls")]
/// # fn main() -> Result<(), openrouter_kit::Error> {
/// use openrouter_kit::OpenRouter;
/// use openrouter_kit::devtools::Recorder;
///
/// let recorder = Recorder::new("target/recordings").redact("/messages/0/content");
/// let client = OpenRouter::builder().env().hook(recorder).build()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "_tls"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Recorder {
    options: Options,
    running: Arc<OnceLock<Running>>,
}

/// A recorder that has started.
struct Running {
    queue: Arc<Queue>,
    /// `None` if no file can be written.
    path: Option<PathBuf>,
    began: Instant,
}

impl Recorder {
    /// Creates a recorder that writes to files in `folder`, which is created with a `.gitignore` and is accessible only
    /// to its owner.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let options = Options {
            folder: folder.into(),
            content: Content::Full,
            redacted: Vec::new(),
            max_file: 64 * 1024 * 1024,
            max_files: 50,
            max_queue: 32 * 1024 * 1024,
            announces: false,
        };
        Self { options, running: Arc::default() }
    }

    /// Returns the recorder that the environment asks for, which all clients of the process share: `None` unless
    /// `OPENROUTER_DEVTOOLS` is set to anything other than `0` or `false`. It writes to the folder in
    /// `OPENROUTER_DEVTOOLS_DIR`, by default `.openrouter/devtools`, and prints the path of its file to standard error
    /// when it starts.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        static SHARED: Mutex<(Weak<OnceLock<Running>>, Option<PathBuf>)> = Mutex::new((Weak::new(), None));
        let read = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        read("OPENROUTER_DEVTOOLS").filter(|value| value != "0" && value != "false")?;
        let folder = read("OPENROUTER_DEVTOOLS_DIR").unwrap_or_else(|| ".openrouter/devtools".to_owned()).into();
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recorder = Self::new(&folder);
        recorder.options.announces = true;
        match shared.0.upgrade() {
            Some(running) if shared.1.as_ref() == Some(&folder) => recorder.running = running,
            _ => *shared = (Arc::downgrade(&recorder.running), Some(folder)),
        }
        Some(recorder)
    }

    /// Sets how much of the content is recorded. Default: [`Content::Full`].
    #[must_use]
    pub const fn content(mut self, content: Content) -> Self {
        self.options.content = content;
        self
    }

    /// Redacts the value at a JSON pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) such as
    /// `/messages/0/content` in JSON bodies of requests and responses and in the data of events. `*` stands for any
    /// member or element. May be called several times.
    #[must_use]
    pub fn redact(mut self, pointer: impl Into<String>) -> Self {
        self.options.redacted.push(pointer.into());
        self
    }

    /// Sets the size in bytes beyond which a file is continued in a new one. Default: 64 MiB.
    #[must_use]
    pub const fn max_file(mut self, bytes: u64) -> Self {
        self.options.max_file = bytes;
        self
    }

    /// Sets how many files the folder may hold, at least one; the oldest are deleted. Default: 50.
    #[must_use]
    pub const fn max_files(mut self, files: usize) -> Self {
        self.options.max_files = files;
        self
    }

    /// Sets how many bytes may wait to be written. What does not fit is dropped, and the file states how much. Default:
    /// 32 MiB.
    #[must_use]
    pub const fn max_queue(mut self, bytes: usize) -> Self {
        self.options.max_queue = bytes;
        self
    }

    /// Returns the path of the first file of this recorder; `None` before the first call, or if no file can be written.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.running.get()?.path.clone()
    }

    /// Blocks until everything recorded so far is written.
    pub fn flush(&self) {
        if let Some(running) = self.running.get().filter(|running| running.path.is_some()) {
            running.queue.flush();
        }
    }

    /// Starts the recorder on its first call. One that cannot write says so once and records nothing.
    fn start(&self) -> Option<&Running> {
        let running = self.running.get_or_init(|| Running::start(&self.options));
        Some(running).filter(|running| running.path.is_some())
    }
}

impl Running {
    fn start(options: &Options) -> Self {
        let began = Instant::now();
        let queue = Arc::new(Queue::new(options.max_queue));
        let path = match writer::start(options, &queue) {
            Ok(path) => {
                if options.announces {
                    say(&format!("openrouter: recording calls to {}", path.display()));
                }
                Some(path)
            }
            Err(error) => {
                say(&format!(
                    "openrouter: calls are not recorded, {} cannot be used: {error}",
                    options.folder.display()
                ));
                None
            }
        };
        Self { queue, path, began }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Writes a line to standard error. A failure must not affect the program.
fn say(line: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "{line}");
}

impl Recorder {
    fn send(&self, context: &HookContext, size: usize, what: impl FnOnce() -> What) {
        if let Some(running) = self.start() {
            let (call, attempt, at) = (context.call_id(), context.attempt(), running.began.elapsed());
            running.queue.push(size, || Message { call, attempt, at, what: what() });
        }
    }
}

impl Hook for Recorder {
    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

impl Observer for Recorder {
    fn request(&self, context: &HookContext, request: &Request<Body>) {
        let body = request.body().as_bytes();
        self.send(context, body.map_or(0, Bytes::len) + 512, || {
            let path = request.uri().path();
            let base = context.base_url().parse::<http::Uri>().unwrap_or_default();
            What::Request(Box::new(queue::RequestLine {
                operation: context.operation_id(),
                method: request.method().clone(),
                path: path.strip_prefix(base.path().trim_end_matches('/')).unwrap_or(path).to_owned(),
                query: request.uri().query().map(str::to_owned),
                headers: request.headers().clone(),
                key: request.headers().get(AUTHORIZATION).cloned(),
                body: body.cloned(),
                is_stream: context.is_stream(),
            }))
        });
    }

    fn response(&self, context: &HookContext, response: &Response<Body>) {
        self.send(context, 512, || What::Response(response.status(), Box::new(response.headers().clone())));
    }

    fn chunk(&self, context: &HookContext, chunk: &Bytes) {
        if let Some(running) = self.start() {
            running.queue.push_chunk(context.call_id(), context.attempt(), running.began.elapsed(), chunk);
        }
    }

    fn attempt_failed(&self, context: &HookContext, error: &Error, retry: Option<Retry>) {
        self.send(context, 512, || What::Failed(message(error), retry));
    }

    fn call_end(&self, context: &HookContext, end: &CallEnd<'_>) {
        let outcome = match end.outcome {
            Outcome::Completed => ("completed", None),
            Outcome::Failed(error) => ("failed", Some(message(error))),
            Outcome::Dropped => ("dropped", None),
        };
        self.send(context, 512, || What::End(format::end(end, outcome)));
    }
}

fn message(error: &Error) -> String {
    hidden::text(&Chain(error).to_string()).into_owned()
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder: &Path = &self.options.folder;
        f.debug_struct("Recorder").field("folder", &folder).field("path", &self.path()).finish_non_exhaustive()
    }
}
