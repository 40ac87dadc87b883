//! An answer that is a file: audio, video, an export.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tokio::task::spawn_blocking;

use super::call::{generation_id, sealed};
use super::execute::{Exchange, Expected};
use super::incoming::Incoming;
use crate::errors::{Error, UnexpectedError};

/// An answer that is a file, read as it comes.
///
/// Read it with [`next`](Self::next) or as a [`futures_core::Stream`], whole with [`collect`](Self::collect), or into a
/// file with [`save_to`](Self::save_to). A body that breaks off is [`Error::Connection`], never a shorter file. Dropping it
/// before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2) at once.
pub struct Download {
    operation_id: &'static str,
    status: StatusCode,
    headers: HeaderMap,
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
    /// They are written to `path` with `.part` at its end, which takes the place of `path` once it is complete; on an error
    /// it is removed, and a file at `path` stays as it was.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Timeout`] if the body breaks off, [`Error::Unexpected`] if the file cannot be
    /// written.
    pub async fn save_to(mut self, path: impl AsRef<Path>) -> Result<u64, Error> {
        let path = path.as_ref().to_owned();
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let written = self.write(&part).await;
        let operation_id = self.operation_id;
        blocking(operation_id, move || match written {
            Ok(length) => Ok(std::fs::rename(&part, &path).map(|()| length)?),
            Err(error) => {
                // The first error is the one to tell; a part that cannot be removed changes nothing about it.
                let _ = std::fs::remove_file(&part);
                Err(Failure::Call(error))
            }
        })
        .await
    }

    async fn write(&mut self, part: &Path) -> Result<u64, Error> {
        let part = part.to_owned();
        let mut file = blocking(self.operation_id, move || Ok(File::create(part)?)).await?;
        let mut length = 0;
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            length += chunk.len() as u64;
            file = blocking(self.operation_id, move || {
                file.write_all(&chunk)?;
                Ok(file)
            })
            .await?;
        }
        blocking(self.operation_id, move || Ok(file.sync_all()?)).await?;
        Ok(length)
    }
}

/// Why work on a file failed.
enum Failure {
    File(std::io::Error),
    Call(Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// Runs work on a file where it does not hold up the runtime.
async fn blocking<T: Send + 'static>(
    operation_id: &'static str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Error> {
    const MESSAGE: &str = "the file cannot be written; check the path, the permissions and the space left";
    match spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Failure::Call(error))) => Err(error),
        Ok(Err(Failure::File(error))) => Err(UnexpectedError::new(operation_id, MESSAGE, error).into()),
        Err(error) => Err(UnexpectedError::new(operation_id, MESSAGE, error).into()),
    }
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
        chunk
    }
}

impl sealed::FromExchange for Download {
    const EXPECTED: Expected = Expected::Bytes;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        let Exchange { operation_id, status, headers, body, idle, .. } = exchange;
        let incoming = Incoming::new(operation_id, body, idle);
        Ok(Self { operation_id, status, headers, incoming, is_over: false })
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
