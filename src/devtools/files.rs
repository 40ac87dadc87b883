//! The folder of the recordings.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// The subfolder for large values.
pub(super) const VALUES: &str = "values";

/// A folder that Git ignores and whose files only their owner can read.
pub(super) struct Folder {
    path: PathBuf,
    /// The prefix of the file names of this recorder.
    name: String,
    part: u32,
}

impl Folder {
    /// Creates the folder. `name` must be unique among recorders.
    pub(super) fn create(path: &Path, name: String) -> io::Result<Self> {
        create_folder(&path.join(VALUES))?;
        let ignore = path.join(".gitignore");
        if !ignore.exists() {
            create_file(&ignore, false)?.write_all(b"*\n")?;
        }
        Ok(Self { path: path.to_owned(), name, part: 0 })
    }

    /// Creates the next file of this recorder and deletes the oldest files so that at most `max_files` remain.
    pub(super) fn next_file(&mut self, max_files: usize) -> io::Result<(File, PathBuf, u32)> {
        self.part += 1;
        let path = self.path.join(format!("{}-{}.jsonl", self.name, self.part));
        let file = create_file(&path, true)?;
        self.clean(max_files);
        Ok((file, path, self.part))
    }

    /// Deletes old recordings, and values older than every recording that remains. What cannot be deleted stays.
    fn clean(&self, max_files: usize) {
        let mut recordings = self.files(&self.path);
        recordings.retain(|(_, path)| path.extension().is_some_and(|extension| extension == "jsonl"));
        recordings.sort();
        let surplus = recordings.len().saturating_sub(max_files.max(1));
        for (_, path) in recordings.iter().take(surplus) {
            let _ = fs::remove_file(path);
        }
        let oldest = recordings.get(surplus).and_then(|(_, path)| fs::metadata(path).ok()?.created().ok());
        if let Some(oldest) = oldest.filter(|_| surplus > 0) {
            for (modified, path) in self.files(&self.path.join(VALUES)) {
                if modified < oldest {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }

    fn files(&self, folder: &Path) -> Vec<(SystemTime, PathBuf)> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect()
    }

    /// Stores a value under its hash, unless it is there already, and returns the hash.
    pub(super) fn store(&self, value: &[u8]) -> io::Result<String> {
        let hash: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.path.join(VALUES).join(&hash);
        if !path.exists() {
            // Under a temporary name until it is complete.
            let part = path.with_extension(format!("{:016x}", fastrand::u64(..)));
            create_file(&part, false)?.write_all(value)?;
            fs::rename(&part, &path)?;
        }
        Ok(hash)
    }
}

fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a new file that only its owner can read.
fn create_file(path: &Path, appends: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true).append(appends);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
