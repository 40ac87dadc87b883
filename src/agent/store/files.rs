//! Runs in files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{
    Hold, Lease, RunQuery, RunState, RunSummary, Store, StoreError, StoreFuture, blocking, failed, json_of, run_of,
};
use crate::agent::run::Run;
use crate::agent::stored::stored_struct;

/// How many numbers of earlier revisions stay taken; see [`Folder::commit`].
const KEPT: u64 = 64;

/// How long a deletion may take.
const DELETION: Duration = Duration::from_secs(60);

/// After which time a file that never got its name is one of a process that has died.
const ABANDONED: Duration = Duration::from_secs(600);

/// How often a file may be replaced while it is looked for.
const LOOKS: usize = 1000;

/// A store in a folder, with a folder for each run and in it one file with the current revision.
///
/// A save writes a new file and gives it its name only when it is complete and on the disk, so that a run is there as it was
/// before or as it is afterwards, whatever happens. Several processes of one machine may share the folder. It must be on a
/// file system with hard links. Files and folders are readable for their owner only.
///
/// A lease lasts by the clock of the machine, with the modification time of the file as its start.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// Creates a store in this folder, which is made when the first run is saved.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn run(&self, id: &str) -> Result<Folder, StoreError> {
        // An id may come from outside, and becomes the name of a folder.
        let is_safe = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if id.is_empty() || id.len() > 128 || !id.chars().all(is_safe) {
            return Err(failed(format!("{id:?} cannot be the name of a file; use letters, digits, - and _")));
        }
        Ok(Folder { id: id.to_owned(), path: self.folder.join(id) })
    }

    async fn with<T: Send + 'static>(
        &self,
        id: &str,
        work: impl FnOnce(Folder) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folder = self.run(id)?;
        blocking(move || work(folder)).await
    }
}

impl Store for FileStore {
    fn load<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Run> {
        Box::pin(self.with(id, |folder| {
            let mut current = folder.current()?;
            run_of(&current.run()?, current.revision)
        }))
    }

    fn save<'a>(&'a self, run: &'a Run, hold: Hold<'a>) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let (json, revision, state) = (json_of(run)?, run.revision(), RunState::of(run));
            let (before, after) = (hold.before().cloned(), hold.after().cloned());
            self.with(run.id(), move |folder| {
                match folder.current() {
                    Ok(current) if current.revision != revision => return Err(folder.conflict()),
                    Ok(current) => current.check(before.as_ref())?,
                    Err(StoreError::NotFound { .. }) if revision == 0 => folder.make()?,
                    Err(error) => return Err(error),
                }
                folder.commit(revision, Head::new(state, after.as_ref()), &json)
            })
            .await
        })
    }

    fn claim<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, Run> {
        let lease = lease.clone();
        Box::pin(self.with(id, move |folder| {
            let (json, revision) = folder.claim(&lease)?;
            folder.tidy();
            run_of(&json, revision)
        }))
    }

    fn renew<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        let token = lease.token().to_owned();
        Box::pin(self.with(id, move |folder| {
            let current = folder.current()?;
            if current.head.lease.as_ref().is_none_or(|lease| lease.token != token) {
                return Err(StoreError::LeaseLost { id: folder.id });
            }
            let file = OpenOptions::new().append(true).open(&current.path).map_err(failed)?;
            file.set_modified(SystemTime::now()).map_err(failed)
        }))
    }

    fn list<'a>(&'a self, query: &'a RunQuery) -> StoreFuture<'a, Vec<RunSummary>> {
        let (store, query) = (self.clone(), query.clone());
        Box::pin(blocking(move || {
            let mut runs = Vec::new();
            for name in names(&store.folder)? {
                let Ok(folder) = store.run(&name) else { continue };
                let current = match folder.current() {
                    Ok(current) => current,
                    // It was deleted in the meantime, or never saved.
                    Err(StoreError::NotFound { .. }) => continue,
                    Err(error) => return Err(error),
                };
                let lease = current.live_lease();
                let is_selected = query.state.is_none_or(|state| state == current.head.state);
                if is_selected && !(query.is_free && lease.is_some()) {
                    let summary = RunSummary::new(name, current.revision, current.head.state, current.touched);
                    runs.push(match lease {
                        Some((lease, left)) => summary.leased(&lease.owner, left),
                        None => summary,
                    });
                }
            }
            runs.sort_by(|a, b| (a.touched, &a.id).cmp(&(b.touched, &b.id)));
            runs.truncate(query.limit);
            Ok(runs)
        }))
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(self.with(id, |folder| {
            // Nobody saves it any more, and it is gone at once for others, who might otherwise see half of it.
            folder.claim(&Lease::new("deletion", DELETION))?;
            let gone = folder.path.with_extension(format!("{:016x}.deleted", fastrand::u64(..)));
            fs::rename(&folder.path, &gone).map_err(failed)?;
            fs::remove_dir_all(gone).map_err(failed)
        }))
    }
}

/// The names in a folder; none if the folder does not exist.
fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    names.collect::<io::Result<_>>().map_err(failed)
}

/// The first line of a file; the run is the second.
struct Head {
    state: RunState,
    lease: Option<StoredLease>,
}

stored_struct!(Head as "head" { state, lease });

struct StoredLease {
    token: String,
    owner: String,
    period_ms: u64,
}

stored_struct!(StoredLease as "lease" { token, owner, period_ms });

impl Head {
    fn new(state: RunState, lease: Option<&Lease>) -> Self {
        let lease = lease.map(|lease| StoredLease {
            token: lease.token().to_owned(),
            owner: lease.owner().to_owned(),
            period_ms: u64::try_from(lease.period().as_millis()).unwrap_or(u64::MAX),
        });
        Self { state, lease }
    }
}

/// The folder of a run.
struct Folder {
    id: String,
    path: PathBuf,
}

/// The current revision of a run.
struct Current {
    id: String,
    revision: u64,
    path: PathBuf,
    head: Head,
    rest: BufReader<File>,
    touched: SystemTime,
}

impl Folder {
    fn conflict(&self) -> StoreError {
        StoreError::Conflict { id: self.id.clone() }
    }

    fn file(&self, revision: u64) -> PathBuf {
        self.path.join(format!("{revision:020}.json"))
    }

    fn make(&self) -> Result<(), StoreError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path).map_err(failed)?;
        self.path.parent().map_or(Ok(()), sync_folder)
    }

    /// Opens the file with the highest number. It may be replaced meanwhile, so that another look is needed.
    fn current(&self) -> Result<Current, StoreError> {
        for _ in 0..LOOKS {
            let revisions = names(&self.path)?;
            let revisions = revisions.iter().filter_map(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
            let Some(revision) = revisions.max() else { return Err(StoreError::NotFound { id: self.id.clone() }) };
            match self.read(revision) {
                Ok(Some(current)) => return Ok(current),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(format!("the current file of the run {:?} is empty", self.id)))
    }

    /// Takes the lease; returns the JSON of the run and its new revision.
    fn claim(&self, lease: &Lease) -> Result<(String, u64), StoreError> {
        loop {
            let mut current = self.current()?;
            current.check(Some(lease))?;
            let (json, state) = (current.run()?, current.head.state);
            match self.commit(current.revision, Head::new(state, Some(lease)), &json) {
                Ok(revision) => return Ok((json, revision)),
                // Another was faster, and may have the lease now.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes what processes left that died while they wrote.
    fn tidy(&self) {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "new")) {
            let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Reads the head of a file; `None` if it is only a number that is taken.
    fn read(&self, revision: u64) -> io::Result<Option<Current>> {
        let path = self.file(revision);
        let file = File::open(&path)?;
        let touched = file.metadata()?.modified()?;
        let mut rest = BufReader::new(file);
        let mut line = String::new();
        if rest.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let head = serde_json::from_str(&line)?;
        Ok(Some(Current { id: self.id.clone(), revision, path, head, rest, touched }))
    }

    /// Writes the next revision, unless it is there.
    ///
    /// A file gets its name by a hard link, which fails if the name is taken: of several writers one succeeds. The names of
    /// earlier revisions stay taken by empty files, so that a writer who is late by several revisions fails too.
    fn commit(&self, revision: u64, head: Head, json: &str) -> Result<u64, StoreError> {
        let next = revision + 1;
        let written = self.temporary(|file| {
            serde_json::to_writer(&mut *file, &head)?;
            write!(file, "\n{json}\n")?;
            file.sync_all()
        });
        let written = written.map_err(|error| self.not_found(error))?;
        let linked = fs::hard_link(&written, self.file(next));
        let _ = fs::remove_file(&written);
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(self.conflict()),
            Err(error) => return Err(self.not_found(error)),
        }
        sync_folder(&self.path)?;
        // The rest only tidies up. If it fails, there is a file too many.
        if revision > 0
            && let Ok(empty) = self.temporary(|_| Ok(()))
            && fs::rename(&empty, self.file(revision)).is_err()
        {
            let _ = fs::remove_file(empty);
        }
        if let Some(old) = next.checked_sub(KEPT) {
            let _ = fs::remove_file(self.file(old));
        }
        Ok(next)
    }

    /// Writes a file under a name of its own.
    fn temporary(&self, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<PathBuf> {
        let path = self.path.join(format!("{:032x}.new", fastrand::u128(..)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        match write(&mut file) {
            Ok(()) => Ok(path),
            Err(error) => {
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// An error, where a missing folder means that the run was deleted.
    fn not_found(&self, error: io::Error) -> StoreError {
        match error.kind() {
            ErrorKind::NotFound if !self.path.exists() => StoreError::NotFound { id: self.id.clone() },
            _ => failed(error),
        }
    }
}

impl Current {
    /// The lease that has not expired, and for how much longer it lasts.
    fn live_lease(&self) -> Option<(&StoredLease, Duration)> {
        let lease = self.head.lease.as_ref()?;
        let period = Duration::from_millis(lease.period_ms);
        // A file from the future has just been touched.
        let left = period.saturating_sub(self.touched.elapsed().unwrap_or_default());
        (!left.is_zero()).then_some((lease, left))
    }

    /// Checks that nobody but this lease has the run.
    fn check(&self, own: Option<&Lease>) -> Result<(), StoreError> {
        match self.live_lease().filter(|(lease, _)| own.is_none_or(|own| own.token() != lease.token)) {
            Some((lease, _)) => Err(StoreError::Leased { id: self.id.clone(), owner: lease.owner.clone() }),
            None => Ok(()),
        }
    }

    fn run(&mut self) -> Result<String, StoreError> {
        let mut json = String::new();
        self.rest.read_to_string(&mut json).map_err(failed)?;
        Ok(json)
    }
}

/// Makes the names in a folder last.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    if cfg!(unix) { File::open(path).and_then(|folder| folder.sync_all()).map_err(failed) } else { Ok(()) }
}
