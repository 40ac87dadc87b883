//! Runs in a SQLite database.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::{
    Hold, Lease, RunQuery, RunState, RunSummary, Store, StoreError, StoreFuture, blocking, failed, json_of, run_of,
};
use crate::agent::run::Run;

/// The version of the tables.
const VERSION: i64 = 1;

/// How long an operation waits for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS openrouter_kit_schema (version INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS openrouter_kit_runs (
        id TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        state TEXT NOT NULL,
        run TEXT NOT NULL,
        lease_token TEXT,
        lease_owner TEXT,
        lease_until INTEGER,
        touched INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS openrouter_kit_runs_by_state ON openrouter_kit_runs (state, touched);
";

/// A store in a SQLite database, for one process or several of one machine. Cloning it is cheap.
///
/// It has tables of its own, `openrouter_kit_runs` and `openrouter_kit_schema`, so that the database may have others. A new
/// file is readable for its owner only. What blocks runs on threads for it.
#[derive(Clone)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
}

impl SqliteStore {
    /// Opens the database at this path, and makes it and its tables if they are not there.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it cannot be opened, or its tables are of a later version of the crate.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        blocking(move || {
            let connection = open(&path)?;
            Ok(Self { path, connection: Arc::new(Mutex::new(connection)) })
        })
        .await
    }

    /// Runs a transaction. One that writes takes the lock at once, since one that takes it later may fail instead of waiting.
    async fn with<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(behavior).map_err(failed)?;
            let result = work(&transaction)?;
            transaction.commit().map_err(failed)?;
            Ok(result)
        })
        .await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    #[cfg(unix)]
    if path != Path::new(":memory:") {
        // SQLite would make it readable for everybody.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(failed)?;
    }
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    // Readers do not wait for writers; and what was committed is on the disk.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute_batch(TABLES).map_err(failed)?;
    let version = transaction.query_row("SELECT max(version) FROM openrouter_kit_schema", [], |row| row.get(0));
    match version.map_err(failed)? {
        None => {
            let sql = "INSERT INTO openrouter_kit_schema (version) VALUES (?1)";
            transaction.execute(sql, [VERSION]).map_err(failed)?;
        }
        Some(VERSION) => {}
        Some(other) => {
            return Err(failed(format!("the tables have version {other}; this version of the crate knows {VERSION}")));
        }
    }
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

/// A row without its run.
struct Found {
    revision: i64,
    token: Option<String>,
    owner: Option<String>,
    until: Option<i64>,
}

impl Found {
    fn of(transaction: &Transaction<'_>, id: &str) -> Result<Self, StoreError> {
        let sql = "SELECT revision, lease_token, lease_owner, lease_until FROM openrouter_kit_runs WHERE id = ?1";
        let found = transaction.query_row(sql, [id], |row| {
            Ok(Self { revision: row.get(0)?, token: row.get(1)?, owner: row.get(2)?, until: row.get(3)? })
        });
        found.optional().map_err(failed)?.ok_or_else(|| StoreError::NotFound { id: id.to_owned() })
    }

    /// Checks that nobody but this lease has the run.
    fn check(&self, id: &str, own: Option<&str>) -> Result<(), StoreError> {
        let is_live = self.until.is_some_and(|until| until > now());
        if is_live && self.token.as_deref() != own {
            return Err(StoreError::Leased { id: id.to_owned(), owner: self.owner.clone().unwrap_or_default() });
        }
        Ok(())
    }
}

/// A lease as columns: token, owner, until.
fn columns(lease: Option<&Lease>) -> (Option<&str>, Option<&str>, Option<i64>) {
    let until = |lease: &Lease| now().saturating_add(lease.period_ms());
    (lease.map(Lease::token), lease.map(Lease::owner), lease.map(until))
}

/// A row of the list: id, revision, state, owner, when it was touched, what is left of the lease.
type Listed = (String, i64, String, Option<String>, i64, Option<i64>);

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

impl Store for SqliteStore {
    fn load<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Run> {
        let id = id.to_owned();
        Box::pin(self.with(TransactionBehavior::Deferred, move |transaction| {
            let sql = "SELECT revision, run FROM openrouter_kit_runs WHERE id = ?1";
            let found = transaction.query_row(sql, [&id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
            let (revision, json) = found.optional().map_err(failed)?.ok_or(StoreError::NotFound { id })?;
            run_of(&json, revision.unsigned_abs())
        }))
    }

    fn save<'a>(&'a self, run: &'a Run, hold: Hold<'a>) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let (id, json, revision, state) = (run.id().to_owned(), json_of(run)?, run.revision(), RunState::of(run));
            let (before, after) = (hold.before().cloned(), hold.after().cloned());
            self.with(TransactionBehavior::Immediate, move |transaction| {
                match Found::of(transaction, &id) {
                    Ok(found) if found.revision.unsigned_abs() != revision => return Err(StoreError::Conflict { id }),
                    Ok(found) => found.check(&id, before.as_ref().map(Lease::token))?,
                    Err(StoreError::NotFound { .. }) if revision == 0 => {}
                    Err(error) => return Err(error),
                }
                let (token, owner, until) = columns(after.as_ref());
                let next = i64::try_from(revision).map_err(failed)? + 1;
                let sql = "INSERT OR REPLACE INTO openrouter_kit_runs
                    (id, revision, state, run, lease_token, lease_owner, lease_until, touched)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                let row = params![id, next, state.as_str(), json, token, owner, until, now()];
                transaction.execute(sql, row).map_err(failed)?;
                Ok(revision + 1)
            })
            .await
        })
    }

    fn claim<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, Run> {
        let (id, lease) = (id.to_owned(), lease.clone());
        Box::pin(self.with(TransactionBehavior::Immediate, move |transaction| {
            Found::of(transaction, &id)?.check(&id, Some(lease.token()))?;
            let (token, owner, until) = columns(Some(&lease));
            let sql = "UPDATE openrouter_kit_runs SET revision = revision + 1,
                lease_token = ?2, lease_owner = ?3, lease_until = ?4, touched = ?5 WHERE id = ?1 RETURNING revision, run";
            let row = params![id, token, owner, until, now()];
            let found = transaction.query_row(sql, row, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
            let (revision, json) = found.map_err(failed)?;
            run_of(&json, revision.unsigned_abs())
        }))
    }

    fn renew<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        let (id, lease) = (id.to_owned(), lease.clone());
        Box::pin(self.with(TransactionBehavior::Immediate, move |transaction| {
            let (token, _, until) = columns(Some(&lease));
            let sql =
                "UPDATE openrouter_kit_runs SET lease_until = ?3, touched = ?4 WHERE id = ?1 AND lease_token = ?2";
            match transaction.execute(sql, params![id, token, until, now()]).map_err(failed)? {
                0 => Err(StoreError::LeaseLost { id }),
                _ => Ok(()),
            }
        }))
    }

    fn list<'a>(&'a self, query: &'a RunQuery) -> StoreFuture<'a, Vec<RunSummary>> {
        let query = query.clone();
        Box::pin(self.with(TransactionBehavior::Deferred, move |transaction| {
            let sql = "SELECT id, revision, state, lease_owner, touched, lease_until - ?1
                FROM openrouter_kit_runs
                WHERE (?2 IS NULL OR state = ?2) AND (NOT ?3 OR lease_until IS NULL OR lease_until <= ?1)
                ORDER BY touched, id LIMIT ?4";
            let mut statement = transaction.prepare(sql).map_err(failed)?;
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let row = params![now(), query.state.map(RunState::as_str), query.is_free, limit];
            let rows = statement.query_map(row, listed).map_err(failed)?;
            let runs = rows.map(|row| {
                let (id, revision, state, owner, touched, left) = row.map_err(failed)?;
                let touched = UNIX_EPOCH + Duration::from_millis(touched.unsigned_abs());
                super::summary_of((id, revision, &state, touched), owner, left)
            });
            runs.collect()
        }))
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        let id = id.to_owned();
        Box::pin(self.with(TransactionBehavior::Immediate, move |transaction| {
            Found::of(transaction, &id)?.check(&id, None)?;
            transaction.execute("DELETE FROM openrouter_kit_runs WHERE id = ?1", [&id]).map_err(failed)?;
            Ok(())
        }))
    }
}
