//! File responses: audio, video, exports.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tokio::task::spawn_blocking;

use super::call_output::sealed;
use super::exchange::{Exchange, Expected, Progress};
use super::head::Head;
use super::incoming::Incoming;
use super::transfer::{Reporter, TransferProgress, regular_file};
use crate::errors::{Error, UnexpectedError};
use crate::hooks::ObservedCall;

/// A file response, read as it arrives.
///
/// Read it with [`next`](Self::next) or as a [`futures_core::Stream`], whole with
/// [`collect`](Self::collect), or into a file with [`save_to`](Self::save_to). A body that is cut
/// off is [`Error::Connection`], never a shorter file. Dropping it before its end closes the
/// connection (HTTP/1.1) or resets the stream (HTTP/2) at once.
///
/// ```no_run
/// # #[cfg(feature = "tts")]
/// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::SpeechRequest)
/// # -> Result<(), openrouter_kit::Error> {
/// let file = client.tts().create_speech(&request).await?;
/// println!("{:?}, {:?} bytes", file.media_type(), file.content_length());
/// file.save_to("speech.mp3").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a download closes its connection"]
pub struct Download {
    head: Head,
    progress: Progress,
    incoming: Incoming,
    length: Option<u64>,
    received: u64,
    reporter: Option<Reporter>,
    is_over: bool,
    /// What hooks see of the call, if the client has any.
    call: Option<Arc<ObservedCall>>,
}

impl Download {
    /// Returns the media type of the file (`audio/mpeg`), if the server sends it.
    pub fn media_type(&self) -> Option<&str> {
        self.head.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// Returns the size of the whole file in bytes; `None` if the server does not announce it, as
    /// with speech that is still being generated.
    ///
    /// ```no_run
    /// # fn show(file: &openrouter_kit::core::Download) {
    /// match file.content_length() {
    ///     Some(length) => println!("{length} bytes to download"),
    ///     None => println!("the size is not known yet"),
    /// }
    /// # }
    /// ```
    pub const fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Returns the HTTP status of the response.
    pub const fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Returns the headers of the response.
    pub const fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns the id of the generation (`X-Generation-Id`), if the operation generates.
    pub fn generation_id(&self) -> Option<&str> {
        self.head.generation_id()
    }

    /// Sets a function that is called for each chunk that arrives, no matter how the file is read.
    /// It runs between two reads, so it must not block.
    ///
    /// ```no_run
    /// # async fn save(file: openrouter_kit::core::Download) -> Result<(), openrouter_kit::Error> {
    /// let file = file.on_progress(|progress| match progress.total {
    ///     Some(total) => println!("{} of {total} bytes", progress.bytes),
    ///     None => println!("{} bytes", progress.bytes),
    /// });
    /// file.save_to("speech.mp3").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_progress(mut self, report: impl FnMut(TransferProgress) + Send + 'static) -> Self {
        self.reporter = Some(Reporter::new(report).starting(self.received, self.length));
        self
    }

    /// Reads the next bytes. Returns `None` at the end of the file.
    ///
    /// ```no_run
    /// # async fn play(mut file: openrouter_kit::core::Download) -> Result<(), openrouter_kit::Error> {
    /// while let Some(bytes) = file.next().await {
    ///     println!("{} bytes arrived", bytes?.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Reads the rest of the file into memory, however large it is.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Timeout`] if the body is cut off.
    ///
    /// ```no_run
    /// # async fn read(file: openrouter_kit::core::Download) -> Result<(), openrouter_kit::Error> {
    /// let bytes = file.collect().await?;
    /// println!("{} bytes", bytes.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn collect(mut self) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.freeze())
    }

    /// Writes the rest of the file to `path` and returns the number of bytes written.
    ///
    /// The bytes are written to a new file in the same directory (its name begins with a dot and
    /// ends with `.part`), which replaces `path` once it is complete and on the disk. Until then, a
    /// file at `path` stays unchanged. On an error, or if this future is dropped before the last
    /// step has begun, the new file is removed.
    ///
    /// The permissions of a file at `path` are kept, and its owner if the system allows it. A
    /// symbolic link is kept, and its target is replaced or created. Anything else, such as a
    /// directory, a device or a FIFO, is rejected before the body is read.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Timeout`] if the body is cut off, [`Error::Unexpected`] if
    /// the file cannot be written.
    ///
    /// ```no_run
    /// # async fn save(file: openrouter_kit::core::Download) -> Result<(), openrouter_kit::Error> {
    /// let length = file.save_to("speech.mp3").await?;
    /// println!("{length} bytes written");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn save_to(mut self, path: impl AsRef<Path>) -> Result<u64, Error> {
        let path = path.as_ref().to_owned();
        let (id, progress) = (self.head.operation_id, self.progress);
        let call = self.call.clone();
        let failed = |error: io::Error| {
            let error = progress.add_to(unwritable(id, &path, error).into());
            if let Some(call) = &call {
                call.failed(&error);
            }
            error
        };
        let target = path.clone();
        let mut part = blocking(move || PartFile::create(target)).await.map_err(failed)?;
        let mut length = 0;
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            length += chunk.len() as u64;
            part = blocking(move || part.file.write_all(&chunk).map(|()| part)).await.map_err(failed)?;
        }
        blocking(move || part.complete()).await.map_err(failed)?;
        Ok(length)
    }
}

/// Writes bytes that are in memory to `path`, with the guarantees of [`Download::save_to`].
#[allow(dead_code, reason = "a build without images has no use for it")]
pub(crate) async fn save(path: &Path, bytes: Vec<u8>) -> Result<u64, Error> {
    let target = path.to_owned();
    let length = bytes.len() as u64;
    let written = blocking(move || {
        let mut part = PartFile::create(target)?;
        part.file.write_all(&bytes)?;
        part.complete()
    });
    written.await.map_err(|error| unwritable("", path, error))?;
    Ok(length)
}

fn unwritable(operation_id: &'static str, path: &Path, error: io::Error) -> UnexpectedError {
    match error.get_ref() {
        // An operating system error has no inner error.
        None => {
            let message = format!("cannot write {path:?}; check the path, the permissions and the free space");
            UnexpectedError::new(operation_id, message, error)
        }
        Some(reason) => UnexpectedError::without_source(operation_id, format!("cannot write {path:?}: {reason}")),
    }
}

/// A file that is not complete yet. It is removed if it is dropped before it is complete.
struct PartFile {
    file: File,
    /// Where the file is until it is complete; `None` afterwards.
    part: Option<PathBuf>,
    /// Where it goes then.
    path: PathBuf,
}

impl PartFile {
    fn create(path: PathBuf) -> io::Result<Self> {
        let (path, replaced) = match regular_file(&path) {
            Ok(replaced) => (path.canonicalize()?, Some(replaced)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (end_of_links(path)?, None),
            Err(error) => return Err(error),
        };
        let name = path.file_name().filter(|_| !ends_with_separator(&path));
        let name = name
            .ok_or_else(|| io::Error::other("the path does not end with a file name; pass the path of a file"))?
            .to_string_lossy();
        let part = path.with_file_name(part_name(&name));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if replaced.is_some() {
            private(&mut options);
        }
        let new = Self { file: options.open(&part)?, part: Some(part), path };
        if let Some(replaced) = replaced {
            inherit(&new.file, &replaced)?;
        }
        Ok(new)
    }

    fn complete(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(part) = &self.part {
            std::fs::rename(part, &self.path)?;
        }
        // Nothing is left to remove.
        self.part = None;
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // The first error is the one to report; a part that cannot be removed does not change
            // it.
            let _ = std::fs::remove_file(part);
        }
    }
}

/// The path at which opening `path` would create a file; `path` may be a dangling link.
fn end_of_links(mut path: PathBuf) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    for _ in 0..MOST_LINKS {
        let Ok(target) = path.read_link() else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("too many symbolic links; pass the path of a file"))
}

fn ends_with_separator(path: &Path) -> bool {
    path.to_string_lossy().chars().next_back().is_some_and(std::path::is_separator)
}

/// The name of the temporary file for `name`. It is unique per download, so that two downloads to
/// the same path do not collide.
fn part_name(name: &str) -> String {
    /// Names may have 255 bytes, and on some file systems fewer.
    const LONGEST: usize = 100;
    let mut part = String::from(".");
    part.extend(name.char_indices().take_while(|(at, char)| at + char.len_utf8() <= LONGEST).map(|(_, char)| char));
    part + &format!(".{:016x}.part", fastrand::u64(..))
}

/// Creates a new file that only its owner can read.
fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Gives a new file the owner and the permissions of the file that it replaces.
fn inherit(file: &File, replaced: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        // Only a privileged program may change the owner.
        let _ = fchown(file, Some(replaced.uid()), Some(replaced.gid()));
        // Content from a server must never become setuid or setgid.
        let mode = replaced.permissions().mode() & 0o777;
        file.set_permissions(std::fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, replaced);
        Ok(())
    }
}

/// Runs file work on a thread on which it does not block the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await?
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let chunk = self.incoming.poll_chunk(cx);
        match &chunk {
            Poll::Ready(Some(Ok(chunk))) => {
                self.received += chunk.len() as u64;
                if let Some(reporter) = &mut self.reporter {
                    reporter.add(chunk.len());
                }
            }
            Poll::Ready(None | Some(Err(_))) => {
                self.is_over = true;
                self.incoming.close();
            }
            Poll::Pending => {}
        }
        let progress = self.progress;
        let chunk = chunk.map_err(|error| progress.add_to(error));
        if self.is_over
            && let Some(call) = &self.call
        {
            match &chunk {
                Poll::Ready(Some(Err(error))) => call.failed(error),
                _ => call.completed(),
            }
        }
        chunk
    }
}

impl sealed::FromExchange for Download {
    const EXPECTED: Expected = Expected::Bytes;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        let Exchange { head, body, progress, idle, call, .. } = exchange;
        let incoming = Incoming::new(head.operation_id, body, idle);
        let length = incoming.length();
        Ok(Self { head, progress, incoming, length, received: 0, reporter: None, is_over: false, call })
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("status", &self.head.status)
            .field("media_type", &self.media_type())
            .field("content_length", &self.length)
            .finish_non_exhaustive()
    }
}
