//! Stores of runs: so that a crash at any point loses nothing, and several workers share runs.
//!
//! An agent with a store saves each run before it sends a model call, before tools start and after each of them has finished.
//! Whatever ends the process, the run can be resumed from there: a model call in progress is made again, and a tool call that
//! had started is [interrupted](super::CallState::Interrupted): it waits for a decision instead of being repeated, unless its
//! tool is [repeatable](super::Tool::repeatable).
//!
//! ```no_run
//! # async fn run(client: openrouter_kit::OpenRouter, weather: openrouter_kit::agent::Tool)
//! #     -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use openrouter_kit::agent::store::FileStore;
//!
//! let agent = client.agent("openai/gpt-4o-mini").tool(weather).store(FileStore::new("runs"));
//! println!("{}", agent.run("What is the weather in Rome?").await?.text()?);
//!
//! // A worker, on this machine or another: it resumes what others left behind.
//! loop {
//!     let run = agent.wait_for_run(Duration::from_secs(1)).await?;
//!     println!("{:?}", run.await?.text());
//! }
//! # }
//! ```
//!
//! # Revisions and leases
//!
//! A stored run has a [revision](super::Run::revision), which each save increases. A save of a run that another process has
//! saved in the meantime fails with [`StoreError::Conflict`], so that nothing is overwritten.
//!
//! While an agent works on a run, it holds a [`Lease`] and renews it. Nobody else can claim or save the run until the lease
//! is released, which happens when the run ends or pauses, or expires because its worker has died. A worker that was wrongly
//! considered dead can no longer save, since claiming a run increases its revision, and it stops when it notices.
//!
//! # Decisions from outside
//!
//! A paused run is loaded, its calls are decided, and it is saved. It is then ready, and any worker resumes it:
//!
//! ```no_run
//! # async fn run(store: openrouter_kit::agent::store::FileStore, id: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use openrouter_kit::agent::store::{Hold, Store};
//!
//! let mut run = store.load(id).await?;
//! run.approve("call_1")?;
//! store.save(&run, Hold::Free).await?;
//! # Ok(())
//! # }
//! ```

mod files;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use files::FileStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use super::call::{CallState, ToolCall};
use super::run::Run;
use super::status::RunStatus;
use super::stored::stored_enum;

/// A place that keeps runs. Each operation is atomic, also between processes.
///
/// [`FileStore`] needs nothing but a folder, [`SqliteStore`] a file (feature `sqlite`), and [`PostgresStore`] a server
/// (feature `postgres`), which is what workers on several machines share. Another database is another implementation; the
/// JSON of a run is that of serde, and [`Run::with_revision`] sets the revision of one that was read.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Returns a run, with its revision.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Failed`] if the run cannot be read.
    fn load<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Run>;

    /// Saves a run and returns its new revision. A run of revision 0 must not be there yet; any other must be there with
    /// its revision, and not be leased by another.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Leased`], [`StoreError::NotFound`] if the run has been deleted, or
    /// [`StoreError::Failed`].
    fn save<'a>(&'a self, run: &'a Run, hold: Hold<'a>) -> StoreFuture<'a, u64>;

    /// Takes the lease of a run and increases its revision, so that whoever worked on it before can no longer save it.
    ///
    /// # Errors
    /// [`StoreError::Leased`] while another has it, [`StoreError::NotFound`], or [`StoreError::Failed`].
    fn claim<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, Run>;

    /// Makes a lease last for another period from now.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if it was released or another took it, or [`StoreError::Failed`].
    fn renew<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()>;

    /// Returns the runs that a query selects, those that have been untouched for longest first.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    fn list<'a>(&'a self, query: &'a RunQuery) -> StoreFuture<'a, Vec<RunSummary>>;

    /// Deletes a run.
    ///
    /// # Errors
    /// [`StoreError::Leased`] while somebody works on it, [`StoreError::NotFound`], or [`StoreError::Failed`].
    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()>;
}

/// A store that is shared, or chosen at run time.
impl<S: Store + ?Sized> Store for Arc<S> {
    fn load<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Run> {
        (**self).load(id)
    }

    fn save<'a>(&'a self, run: &'a Run, hold: Hold<'a>) -> StoreFuture<'a, u64> {
        (**self).save(run, hold)
    }

    fn claim<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, Run> {
        (**self).claim(id, lease)
    }

    fn renew<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        (**self).renew(id, lease)
    }

    fn list<'a>(&'a self, query: &'a RunQuery) -> StoreFuture<'a, Vec<RunSummary>> {
        (**self).list(query)
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        (**self).delete(id)
    }
}

/// The future of an operation of a [`Store`].
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What happens to the lease of a run when it is saved.
#[derive(Clone, Copy, Debug)]
pub enum Hold<'a> {
    /// The run has no lease afterwards, and nobody may have one before.
    Free,
    /// The run has this lease afterwards, for a whole period.
    Keep(&'a Lease),
    /// The run was saved under this lease, which ends.
    Release(&'a Lease),
}

impl<'a> Hold<'a> {
    /// The lease that may be there before.
    pub const fn before(self) -> Option<&'a Lease> {
        match self {
            Self::Free => None,
            Self::Keep(lease) | Self::Release(lease) => Some(lease),
        }
    }

    /// The lease that is there afterwards.
    pub const fn after(self) -> Option<&'a Lease> {
        match self {
            Self::Keep(lease) => Some(lease),
            Self::Free | Self::Release(_) => None,
        }
    }
}

/// The right to work on a run for a period, which can be renewed.
#[derive(Clone, PartialEq, Eq)]
pub struct Lease {
    token: String,
    owner: String,
    period: Duration,
}

impl Lease {
    /// Creates a lease, with a name of its owner for people. It lasts a year at most.
    pub fn new(owner: impl Into<String>, period: Duration) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        Self { token: format!("{:032x}", fastrand::u128(..)), owner: owner.into(), period: period.min(YEAR) }
    }

    /// Returns what distinguishes this lease from all others, made at random.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns the name of the owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns for how long the lease lasts unless it is renewed.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// The period in milliseconds, as databases count.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    fn period_ms(&self) -> i64 {
        i64::try_from(self.period.as_millis()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("owner", &self.owner).field("period", &self.period).finish_non_exhaustive()
    }
}

/// Whether a run can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunState {
    /// The run can go on: it is in progress, or what it waited for has been decided.
    Ready,
    /// The run waits for decisions about tool calls.
    Waiting,
    /// The run has its final text.
    Done,
    /// The run ended without a final text. It goes on only if it is claimed by its id.
    Stopped,
}

stored_enum!(RunState as "state of a stored run" {
    Ready = "ready",
    Waiting = "waiting",
    Done = "done",
    Stopped = "stopped",
});

impl RunState {
    /// Returns the state of a run, in a store of your own.
    pub fn of(run: &Run) -> Self {
        match run.status() {
            RunStatus::Done => Self::Done,
            RunStatus::Stopped(_) => Self::Stopped,
            RunStatus::InProgress => Self::Ready,
            // It waits if all that is left to do is to decide.
            RunStatus::Paused => {
                let can_go_on = |call: &ToolCall| !call.is_pending() && call.state() != CallState::Finished;
                match run.pending().next().is_some() && !run.calls().iter().any(can_go_on) {
                    true => Self::Waiting,
                    false => Self::Ready,
                }
            }
        }
    }
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunQuery {
    /// Only runs in this state.
    pub state: Option<RunState>,
    /// Only runs that nobody has a lease of.
    pub is_free: bool,
    /// At most this many.
    pub limit: usize,
}

impl RunQuery {
    /// Selects all runs, at most 100.
    pub const fn new() -> Self {
        Self { state: None, is_free: false, limit: 100 }
    }

    /// Selects only runs in this state.
    #[must_use]
    pub const fn state(mut self, state: RunState) -> Self {
        self.state = Some(state);
        self
    }

    /// Selects only runs that nobody has a lease of.
    #[must_use]
    pub const fn free(mut self) -> Self {
        self.is_free = true;
        self
    }

    /// Selects at most this many.
    #[must_use]
    pub const fn limit(mut self, most: usize) -> Self {
        self.limit = most;
        self
    }
}

impl Default for RunQuery {
    fn default() -> Self {
        Self::new()
    }
}

/// A stored run without its history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunSummary {
    /// The id of the run.
    pub id: String,
    /// The revision of the run.
    pub revision: u64,
    /// Whether it can go on.
    pub state: RunState,
    /// Who has the lease; `None` if nobody has, or it has expired.
    pub owner: Option<String>,
    /// For how much longer the lease lasts unless it is renewed; `None` if nobody has one.
    pub lease_left: Option<Duration>,
    /// When the run was saved or its lease renewed.
    pub touched: SystemTime,
}

impl RunSummary {
    /// Creates a summary of a run without a lease, in a store of your own.
    pub fn new(id: impl Into<String>, revision: u64, state: RunState, touched: SystemTime) -> Self {
        Self { id: id.into(), revision, state, owner: None, lease_left: None, touched }
    }

    /// Sets who has the lease of the run, and for how much longer.
    #[must_use]
    pub fn leased(mut self, owner: impl Into<String>, left: Duration) -> Self {
        self.owner = Some(owner.into());
        self.lease_left = Some(left);
        self
    }
}

/// Why an operation of a [`Store`] failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// No run has this id.
    NotFound {
        /// The id.
        id: String,
    },
    /// The run has been saved or claimed by another since it was loaded.
    Conflict {
        /// The id.
        id: String,
    },
    /// Another works on the run.
    Leased {
        /// The id.
        id: String,
        /// Who has the lease.
        owner: String,
    },
    /// The lease has ended: it expired and another took it, or it was released.
    LeaseLost {
        /// The id of the run.
        id: String,
    },
    /// The store cannot do its work, or has a run that cannot be read.
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { id } => write!(f, "the store has no run {id:?}"),
            Self::Conflict { id } => write!(f, "the run {id:?} has been saved by another; load it again"),
            Self::Leased { id, owner } => {
                write!(
                    f,
                    "the run {id:?} is leased by {owner:?}; try again when it has paused or the lease has expired"
                )
            }
            Self::LeaseLost { id } => write!(f, "the lease of the run {id:?} has ended; claim the run again"),
            Self::Failed(_) => f.write_str("the store of runs failed"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Failed(error.into())
}

/// Runs code that blocks on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// The JSON of a run.
fn json_of(run: &Run) -> Result<String, StoreError> {
    serde_json::to_string(run).map_err(failed)
}

fn run_of(json: &str, revision: u64) -> Result<Run, StoreError> {
    serde_json::from_str(json).map(|run: Run| run.with_revision(revision)).map_err(failed)
}

/// The state that a column has.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn state_of(text: &str) -> Result<RunState, StoreError> {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StrDeserializer};

    let text: StrDeserializer<'_, ValueError> = text.into_deserializer();
    serde::Deserialize::deserialize(text).map_err(failed)
}

/// The summary that a row has, with what is left of the lease in milliseconds; nothing is if it has expired.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn summary_of(
    (id, revision, state, touched): (String, i64, &str, SystemTime),
    owner: Option<String>,
    left: Option<i64>,
) -> Result<RunSummary, StoreError> {
    let summary = RunSummary::new(id, revision.unsigned_abs(), state_of(state)?, touched);
    let left = left.and_then(|left| u64::try_from(left).ok()).filter(|left| *left > 0);
    Ok(match left {
        Some(left) => summary.leased(owner.unwrap_or_default(), Duration::from_millis(left)),
        None => summary,
    })
}
