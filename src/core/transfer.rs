//! What uploads and downloads share: progress, and which files they accept.

use std::fmt;
use std::fs::{FileType, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The progress of an upload or a download; see
/// [`FilePart::on_progress`](super::FilePart::on_progress) and
/// [`Download::on_progress`](super::Download::on_progress).
///
/// ```no_run
/// # async fn run(file: openrouter_kit::core::Download) -> Result<(), openrouter_kit::Error> {
/// let file = file.on_progress(|progress| match progress.total {
///     Some(total) => println!("{} of {total} bytes", progress.bytes),
///     None => println!("{} bytes", progress.bytes),
/// });
/// file.save_to("video.mp4").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// The number of bytes transferred so far.
    pub bytes: u64,
    /// The size of the whole file in bytes, if known.
    pub total: Option<u64>,
}

/// A progress callback of the program. Clones share it, but each counts separately.
#[derive(Clone)]
pub(super) struct Reporter {
    /// The lock only makes it [`Sync`]; it is never contended.
    report: Arc<Mutex<dyn FnMut(TransferProgress) + Send>>,
    bytes: u64,
    total: Option<u64>,
}

impl Reporter {
    pub(super) fn new(report: impl FnMut(TransferProgress) + Send + 'static) -> Self {
        Self { report: Arc::new(Mutex::new(report)), bytes: 0, total: None }
    }

    /// Returns a clone that starts at zero, for a transfer of `total` bytes.
    pub(super) fn starting(&self, bytes: u64, total: Option<u64>) -> Self {
        Self { report: self.report.clone(), bytes, total }
    }

    pub(super) fn add(&mut self, length: usize) {
        self.bytes += length as u64;
        let progress = TransferProgress { bytes: self.bytes, total: self.total };
        (self.report.lock().unwrap_or_else(PoisonError::into_inner))(progress);
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("bytes", &self.bytes).field("total", &self.total).finish_non_exhaustive()
    }
}

/// Returns the metadata of the regular file at `path`, following links. This is checked before a
/// file is opened, because opening a FIFO waits for its other end.
///
/// # Errors
/// Returns the system's error, or one that names the file type if it is not a regular file.
pub(super) fn regular_file(path: &Path) -> io::Result<Metadata> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let kind = kind(metadata.file_type());
    Err(io::Error::other(format!("it is {kind}, not a regular file; pass the path of a regular file")))
}

fn kind(file: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file.is_fifo() {
            return "a FIFO";
        }
        if file.is_socket() {
            return "a socket";
        }
        if file.is_char_device() || file.is_block_device() {
            return "a device";
        }
    }
    if file.is_dir() { "a directory" } else { "something else" }
}
