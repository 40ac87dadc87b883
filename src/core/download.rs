//! An answer that is a file: audio, video, an export.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tokio::task::spawn_blocking;

use super::call::{generation_id, sealed};
use super::execute::{Exchange, Expected, Progress};
use super::incoming::Incoming;
use crate::errors::{Cause, Error, UnexpectedError};

/// An answer that is a file, read as it comes.
///
/// Read it with [`next`](Self::next) or as a [`futures_core::Stream`], whole with [`collect`](Self::collect), or into a
/// file with [`save_to`](Self::save_to). A body that breaks off is [`Error::Connection`], never a shorter file. Dropping it
/// before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2) at once.
pub struct Download {
    operation_id: &'static str,
    status: StatusCode,
    headers: HeaderMap,
    progress: Progress,
    incoming: Incoming,
    is_over: bool,
}

impl Download {
    /// What the file is (`audio/mpeg`), if the server tells.
    pub fn media_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// The HTTP status of the answer.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers of the answer.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The id of the generation (`X-Generation-Id`), where the operation generates.
    pub fn generation_id(&self) -> Option<&str> {
        generation_id(&self.headers)
    }

    /// The next bytes; `None` at the end of the file.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The rest of the file in memory, however large it is.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Timeout`] if the body breaks off.
    pub async fn collect(mut self) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.freeze())
    }

    /// Writes the rest of the file to `path` and answers with the number of bytes.
    ///
    /// They are written to a new file beside it (its name begins with a dot and ends with `.part`), which takes the place
    /// of `path` once it is complete and on the disk. Until then a file at `path` stays as it was. On an error, and when
    /// this future is dropped, the new file is removed.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Timeout`] if the body breaks off, [`Error::Unexpected`] if the file cannot be
    /// written.
    pub async fn save_to(mut self, path: impl AsRef<Path>) -> Result<u64, Error> {
        let path = path.as_ref().to_owned();
        let id = self.operation_id;
        let mut part = blocking(id, move || PartFile::create(path)).await?;
        let mut length = 0;
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            length += chunk.len() as u64;
            part = blocking(id, move || part.file.write_all(&chunk).map(|()| part)).await?;
        }
        blocking(id, move || part.complete()).await?;
        Ok(length)
    }
}

/// A file that is not complete yet. It is removed when it is dropped before it is.
struct PartFile {
    file: File,
    /// Where the file is until it is complete.
    part: PathBuf,
    /// Where it goes then.
    path: PathBuf,
}

impl PartFile {
    fn create(path: PathBuf) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("the path does not end with the name of a file"))?;
        let mut part = OsString::from(".");
        part.push(name);
        // So that two downloads to the same path do not meet.
        part.push(format!(".{:016x}.part", fastrand::u64(..)));
        let part = path.with_file_name(part);
        Ok(Self { file: File::create_new(&part)?, part, path })
    }

    fn complete(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.part, &self.path)?;
        // Nothing is left to remove.
        self.part = PathBuf::new();
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.part.as_os_str().is_empty() {
            // The first error is the one to tell; a part that cannot be removed changes nothing about it.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Runs work on a file where it does not hold up the runtime.
async fn blocking<T: Send + 'static>(
    operation_id: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(work).await.map_err(Cause::from).and_then(|done| done.map_err(Cause::from));
    done.map_err(|cause| {
        let message = "the file cannot be written; check the path, the permissions and the space left";
        UnexpectedError::new(operation_id, message, cause).into()
    })
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let chunk = self.incoming.poll_chunk(cx);
        if let Poll::Ready(None | Some(Err(_))) = chunk {
            self.is_over = true;
            self.incoming.close();
        }
        let progress = self.progress;
        chunk.map_err(|error| progress.add_to(error))
    }
}

impl sealed::FromExchange for Download {
    const EXPECTED: Expected = Expected::Bytes;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        let Exchange { operation_id, status, headers, body, progress, idle, .. } = exchange;
        let incoming = Incoming::new(operation_id, body, idle);
        Ok(Self { operation_id, status, headers, progress, incoming, is_over: false })
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("status", &self.status)
            .field("media_type", &self.media_type())
            .finish_non_exhaustive()
    }
}
