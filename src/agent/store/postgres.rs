//! Runs in a PostgreSQL database.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

use super::{Hold, Lease, RunQuery, RunState, RunSummary, Store, StoreError, StoreFuture, failed, json_of, run_of};
use crate::agent::run::Run;

/// The version of the tables.
const VERSION: i64 = 1;

/// Makes the tables. The lock makes workers that start at the same time do it one after the other.
const TABLES: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7210417338612045);
    CREATE TABLE IF NOT EXISTS openrouter_kit_schema (version bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS openrouter_kit_runs (
        id text PRIMARY KEY,
        revision bigint NOT NULL,
        state text NOT NULL,
        run text NOT NULL,
        lease_token text,
        lease_owner text,
        lease_until timestamptz,
        touched timestamptz NOT NULL
    );
    CREATE INDEX IF NOT EXISTS openrouter_kit_runs_by_state ON openrouter_kit_runs (state, touched);
    INSERT INTO openrouter_kit_schema (version)
        SELECT 1 WHERE NOT EXISTS (SELECT FROM openrouter_kit_schema);
    COMMIT;
";

type Connecting = Pin<Box<dyn Future<Output = Result<Client, StoreError>> + Send>>;

/// A store in a PostgreSQL database, which workers on several machines share. Cloning it is cheap.
///
/// It has tables of its own, `openrouter_kit_runs` and `openrouter_kit_schema`, and makes them where the search path of the
/// connection leads. Leases last by the clock of the server. It uses one connection, and makes a new one after that has
/// closed.
#[derive(Clone)]
pub struct PostgresStore {
    connect: Arc<dyn Fn() -> Connecting + Send + Sync>,
    client: Arc<Mutex<Arc<Client>>>,
}

impl PostgresStore {
    /// Connects without TLS, for a server on the same machine or in a network that is trusted. The configuration is a URL
    /// (`postgres://user:password@host/database`) or a list (`host=/run/postgresql user=app`).
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it cannot connect, or the tables are of a later version of the crate.
    pub async fn connect(config: &str) -> Result<Self, StoreError> {
        let config: tokio_postgres::Config = config.parse().map_err(failed)?;
        Self::with(move || {
            let config = config.clone();
            async move {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok::<_, tokio_postgres::Error>(client)
            }
        })
        .await
    }

    /// Connects with a function of the program, for TLS. It is called again whenever the connection has closed.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// use openrouter_kit::agent::store::PostgresStore;
    ///
    /// let store = PostgresStore::with(|| async {
    ///     // For TLS, with the connector of `tokio-postgres-rustls` or `postgres-native-tls` instead of `NoTls`.
    ///     let (client, connection) = tokio_postgres::connect("postgres://db.example.com/app", tokio_postgres::NoTls).await?;
    ///     tokio::spawn(connection);
    ///     Ok::<_, tokio_postgres::Error>(client)
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn with<F, E>(connect: impl Fn() -> F + Send + Sync + 'static) -> Result<Self, StoreError>
    where
        F: Future<Output = Result<Client, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connect = move || -> Connecting {
            let connecting = connect();
            Box::pin(async { connecting.await.map_err(failed) })
        };
        let client = connect().await?;
        client.batch_execute(TABLES).await.map_err(failed)?;
        let row = client.query_one("SELECT max(version) FROM openrouter_kit_schema", &[]).await.map_err(failed)?;
        match row.try_get(0).map_err(failed)? {
            Some(VERSION) => {}
            other => {
                let other: i64 = other.unwrap_or_default();
                return Err(failed(format!(
                    "the tables have version {other}; this version of the crate knows {VERSION}"
                )));
            }
        }
        Ok(Self { connect: Arc::new(connect), client: Arc::new(Mutex::new(Arc::new(client))) })
    }

    async fn client(&self) -> Result<Arc<Client>, StoreError> {
        let mut client = self.client.lock().await;
        if client.is_closed() {
            *client = Arc::new((self.connect)().await?);
        }
        Ok(Arc::clone(&client))
    }

    /// Why a statement changed nothing: the run is not there, another has it, or its revision is another.
    async fn refused(&self, id: &str, own: Option<&str>) -> StoreError {
        let sql = "SELECT lease_owner FROM openrouter_kit_runs
            WHERE id = $1 AND lease_until > clock_timestamp() AND lease_token IS DISTINCT FROM $2";
        let found = async {
            let client = self.client().await?;
            if let Some(row) = client.query_opt(sql, &[&id, &own]).await.map_err(failed)? {
                let owner: Option<String> = row.try_get(0).map_err(failed)?;
                return Ok(StoreError::Leased { id: id.to_owned(), owner: owner.unwrap_or_default() });
            }
            let row =
                client.query_opt("SELECT FROM openrouter_kit_runs WHERE id = $1", &[&id]).await.map_err(failed)?;
            Ok(match row {
                Some(_) => StoreError::Conflict { id: id.to_owned() },
                None => StoreError::NotFound { id: id.to_owned() },
            })
        };
        found.await.unwrap_or_else(|error: StoreError| error)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

/// A lease as columns: token, owner, period in milliseconds.
fn columns(lease: Option<&Lease>) -> (Option<&str>, Option<&str>, Option<i64>) {
    (lease.map(Lease::token), lease.map(Lease::owner), lease.map(Lease::period_ms))
}

impl Store for PostgresStore {
    fn load<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Run> {
        Box::pin(async move {
            let sql = "SELECT revision, run FROM openrouter_kit_runs WHERE id = $1";
            let row = self.client().await?.query_opt(sql, &[&id]).await.map_err(failed)?;
            let row = row.ok_or_else(|| StoreError::NotFound { id: id.to_owned() })?;
            let revision: i64 = row.try_get(0).map_err(failed)?;
            run_of(row.try_get(1).map_err(failed)?, revision.unsigned_abs())
        })
    }

    fn save<'a>(&'a self, run: &'a Run, hold: Hold<'a>) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let (id, json, state) = (run.id(), json_of(run)?, RunState::of(run).as_str());
            let revision = i64::try_from(run.revision()).map_err(failed)?;
            let own = hold.before().map(Lease::token);
            let (token, owner, period) = columns(hold.after());
            let client = self.client().await?;
            let saved = if revision == 0 {
                let sql = "INSERT INTO openrouter_kit_runs
                    (id, revision, state, run, lease_token, lease_owner, lease_until, touched)
                    VALUES ($1, 1, $2, $3, $4, $5, clock_timestamp() + $6::bigint * interval '1 millisecond',
                        clock_timestamp())
                    ON CONFLICT (id) DO NOTHING";
                client.execute(sql, &[&id, &state, &json, &token, &owner, &period]).await
            } else {
                let sql =
                    "UPDATE openrouter_kit_runs SET revision = revision + 1, state = $2, run = $3, lease_token = $4,
                        lease_owner = $5, lease_until = clock_timestamp() + $6::bigint * interval '1 millisecond',
                        touched = clock_timestamp()
                    WHERE id = $1 AND revision = $7
                        AND (lease_until IS NULL OR lease_until <= clock_timestamp() OR lease_token = $8)";
                client.execute(sql, &[&id, &state, &json, &token, &owner, &period, &revision, &own]).await
            };
            match saved.map_err(failed)? {
                0 if revision == 0 => Err(StoreError::Conflict { id: id.to_owned() }),
                0 => Err(self.refused(id, own).await),
                _ => Ok(run.revision() + 1),
            }
        })
    }

    fn claim<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, Run> {
        Box::pin(async move {
            let sql = "UPDATE openrouter_kit_runs SET revision = revision + 1, lease_token = $2, lease_owner = $3,
                    lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond', touched = clock_timestamp()
                WHERE id = $1 AND (lease_until IS NULL OR lease_until <= clock_timestamp() OR lease_token = $2)
                RETURNING revision, run";
            let (token, owner, period) = columns(Some(lease));
            let row = self.client().await?.query_opt(sql, &[&id, &token, &owner, &period]).await.map_err(failed)?;
            let Some(row) = row else { return Err(self.refused(id, token).await) };
            let revision: i64 = row.try_get(0).map_err(failed)?;
            run_of(row.try_get(1).map_err(failed)?, revision.unsigned_abs())
        })
    }

    fn renew<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let sql = "UPDATE openrouter_kit_runs SET touched = clock_timestamp(),
                    lease_until = clock_timestamp() + $3::bigint * interval '1 millisecond'
                WHERE id = $1 AND lease_token = $2";
            let (token, _, period) = columns(Some(lease));
            match self.client().await?.execute(sql, &[&id, &token, &period]).await.map_err(failed)? {
                0 => Err(StoreError::LeaseLost { id: id.to_owned() }),
                _ => Ok(()),
            }
        })
    }

    fn list<'a>(&'a self, query: &'a RunQuery) -> StoreFuture<'a, Vec<RunSummary>> {
        Box::pin(async move {
            let sql = "SELECT id, revision, state, lease_owner, touched,
                    (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint
                FROM openrouter_kit_runs
                WHERE ($1::text IS NULL OR state = $1)
                    AND (NOT $2::boolean OR lease_until IS NULL OR lease_until <= clock_timestamp())
                ORDER BY touched, id LIMIT $3";
            let state = query.state.map(RunState::as_str);
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let rows = self.client().await?.query(sql, &[&state, &query.is_free, &limit]).await.map_err(failed)?;
            let summaries = rows.iter().map(|row| {
                let revision: i64 = row.try_get(1).map_err(failed)?;
                let state: &str = row.try_get(2).map_err(failed)?;
                let touched: SystemTime = row.try_get(4).map_err(failed)?;
                let (id, owner) = (row.try_get(0).map_err(failed)?, row.try_get(3).map_err(failed)?);
                let left = row.try_get(5).map_err(failed)?;
                super::summary_of((id, revision, state, touched), owner, left)
            });
            summaries.collect()
        })
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let sql = "DELETE FROM openrouter_kit_runs
                WHERE id = $1 AND (lease_until IS NULL OR lease_until <= clock_timestamp())";
            match self.client().await?.execute(sql, &[&id]).await.map_err(failed)? {
                0 => Err(self.refused(id, None).await),
                _ => Ok(()),
            }
        })
    }
}
