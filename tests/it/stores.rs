//! Stores of runs: what each of them promises, runs whose process is killed at every step, and workers that share runs.
//!
//! The killed processes are this test program again, at [`a_process_of_another_test`]. What a tool does is a line in a file.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use openrouter_kit::OpenRouter;
use openrouter_kit::agent::store::*;
use openrouter_kit::agent::{
    Agent, AgentErrorKind, CallState, Outcome, Run, RunHook, RunStatus, Tool, ToolCall, ToolContext, ToolDecision,
    ToolError,
};
use openrouter_kit::core::transport::HyperTransport;
use openrouter_kit::hooks::HookFuture;
use openrouter_kit::models::{ResponsesRequest, ResponsesResult};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::a_limit::tokio;
use crate::support::soon;

// --- Where the tests keep their things -------------------------------------------------------

/// A folder that is deleted at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("openrouter-kit-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A PostgreSQL server of its own, in a folder and on a socket there.
struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
}

impl Cluster {
    /// Starts a server, if the system has one.
    fn start() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        folders.extend(std::env::split_paths(&path));
        let Some(binaries) = folders.into_iter().find(|folder| folder.join("initdb").exists()) else {
            eprintln!("skipped: there is no PostgreSQL server (Debian's package postgresql)");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("openrouter-kit-{:016x}", fastrand::u64(..)));
        let cluster = Self { folder, binaries };
        let folder = cluster.folder.display().to_string();
        cluster.run("mkdir", &["-m", "755", &folder]);
        let data = format!("{folder}/data");
        cluster.run("initdb", &["-D", &data, "-A", "trust", "-U", "app", "--no-sync", "--locale=C", "-E", "UTF8"]);
        let options = format!("-k {folder} -c listen_addresses= -c max_connections=50");
        cluster.run("pg_ctl", &["-D", &data, "-w", "-l", &format!("{folder}/log"), "-o", &options, "start"]);
        Some(cluster)
    }

    /// Runs a program of PostgreSQL, which refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) {
        let own = self.binaries.join(program);
        let program = if own.exists() { own.into_os_string() } else { program.into() };
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut command = match is_root {
            true => {
                // Its folder is not in every search path.
                let places = ["/usr/sbin/runuser", "/sbin/runuser"].into_iter().find(|place| Path::new(place).exists());
                let mut command = Command::new(places.unwrap_or("runuser"));
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        let status = command.args(arguments).current_dir("/").stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
    }

    fn config(&self) -> String {
        format!("host={} user=app dbname=postgres", self.folder.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.folder.join("data").display().to_string(), "-m", "immediate", "stop"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Opens a store of this kind.
async fn open(kind: &str, place: &str) -> Arc<dyn Store> {
    match kind {
        "files" => Arc::new(FileStore::new(place)),
        "sqlite" => Arc::new(SqliteStore::open(place).await.unwrap()),
        _ => Arc::new(PostgresStore::connect(place).await.unwrap()),
    }
}

/// The kinds of stores, each with an empty one.
async fn stores(folder: &Folder, cluster: Option<&Cluster>) -> Vec<(&'static str, String)> {
    let mut stores = vec![
        ("files", folder.path("runs").display().to_string()),
        ("sqlite", folder.path("runs.sqlite").display().to_string()),
    ];
    stores.extend(cluster.map(|cluster| ("postgres", cluster.config())));
    stores
}

// --- What each store promises ----------------------------------------------------------------

const LONG: Duration = Duration::from_secs(600);

fn ids(runs: &[RunSummary]) -> Vec<&str> {
    runs.iter().map(|run| run.id.as_str()).collect()
}

#[tokio::test]
async fn a_save_of_an_outdated_run_is_refused() {
    let (folder, cluster) = (Folder::new(), Cluster::start());
    for (kind, place) in stores(&folder, cluster.as_ref()).await {
        let store = open(kind, &place).await;
        let run = Run::new("Hi");
        assert_eq!(store.save(&run, Hold::Free).await.unwrap(), 1, "{kind}");
        let again = store.save(&run, Hold::Free).await.unwrap_err();
        assert!(matches!(&again, StoreError::Conflict { id } if id == run.id()), "{kind}: {again:?}");

        let (mut one, other) = (store.load(run.id()).await.unwrap(), store.load(run.id()).await.unwrap());
        assert_eq!(one, run.clone().with_revision(1), "{kind}");
        one.add_input("And \u{0} \"you\"? 😀").unwrap();
        assert_eq!(store.save(&one, Hold::Free).await.unwrap(), 2);
        let late = store.save(&other, Hold::Free).await.unwrap_err();
        assert!(matches!(late, StoreError::Conflict { .. }), "{kind}: {late:?}");
        assert_eq!(store.load(run.id()).await.unwrap(), one.with_revision(2), "{kind}: nothing is overwritten");

        store.delete(run.id()).await.unwrap();
        for gone in [
            store.load(run.id()).await.unwrap_err(),
            store.delete(run.id()).await.unwrap_err(),
            store.save(&other, Hold::Free).await.unwrap_err(),
            store.claim(run.id(), &Lease::new("a", LONG)).await.unwrap_err(),
        ] {
            assert!(matches!(gone, StoreError::NotFound { .. }), "{kind}: {gone:?}");
        }
    }
}

#[tokio::test]
async fn a_run_is_in_one_pair_of_hands_at_a_time() {
    let (folder, cluster) = (Folder::new(), Cluster::start());
    for (kind, place) in stores(&folder, cluster.as_ref()).await {
        let store = open(kind, &place).await;
        let run = Run::new("Hi");
        let (one, other) = (Lease::new("one", LONG), Lease::new("other", LONG));
        store.save(&run, Hold::Keep(&one)).await.unwrap();
        let run = store.load(run.id()).await.unwrap();
        for refused in [
            store.claim(run.id(), &other).await.unwrap_err(),
            store.save(&run, Hold::Free).await.unwrap_err(),
            store.save(&run, Hold::Keep(&other)).await.unwrap_err(),
            store.delete(run.id()).await.unwrap_err(),
        ] {
            assert!(matches!(&refused, StoreError::Leased { owner, .. } if owner == "one"), "{kind}: {refused:?}");
        }
        store.renew(run.id(), &one).await.unwrap();
        let lost = store.renew(run.id(), &other).await.unwrap_err();
        assert!(matches!(lost, StoreError::LeaseLost { .. }), "{kind}: {lost:?}");

        // Released, it is for everybody; and who had it cannot save any more once another took it.
        assert_eq!(store.save(&run, Hold::Release(&one)).await.unwrap(), 2);
        let claimed = store.claim(run.id(), &other).await.unwrap();
        assert_eq!(claimed.revision(), 3, "{kind}: a claim counts");
        let late = store.save(&run.with_revision(2), Hold::Keep(&one)).await.unwrap_err();
        assert!(matches!(late, StoreError::Leased { .. } | StoreError::Conflict { .. }), "{kind}: {late:?}");
        let lost = store.renew(claimed.id(), &one).await.unwrap_err();
        assert!(matches!(lost, StoreError::LeaseLost { .. }), "{kind}: {lost:?}");
    }
}

#[tokio::test]
async fn an_expired_lease_can_be_taken_by_another() {
    let (folder, cluster) = (Folder::new(), Cluster::start());
    for (kind, place) in stores(&folder, cluster.as_ref()).await {
        let store = open(kind, &place).await;
        let run = Run::new("Hi");
        let (short, long) = (Lease::new("short", Duration::ZERO), Lease::new("long", LONG));
        store.save(&run, Hold::Keep(&short)).await.unwrap();
        // Nobody took it yet, so that whoever had it may go on.
        assert_eq!(store.save(&run.clone().with_revision(1), Hold::Keep(&short)).await.unwrap(), 2, "{kind}");
        assert_eq!(store.claim(run.id(), &long).await.unwrap().revision(), 3, "{kind}");
        let late = store.save(&run.with_revision(2), Hold::Keep(&short)).await.unwrap_err();
        assert!(matches!(late, StoreError::Leased { .. } | StoreError::Conflict { .. }), "{kind}: {late:?}");
    }
}

#[tokio::test]
async fn runs_are_listed_by_their_state_and_whether_they_are_free() {
    let (folder, cluster) = (Folder::new(), Cluster::start());
    for (kind, place) in stores(&folder, cluster.as_ref()).await {
        let store = open(kind, &place).await;
        assert_eq!(store.list(&RunQuery::new()).await.unwrap(), [], "{kind}");
        let before = SystemTime::now() - Duration::from_secs(5);
        let lease = Lease::new("worker 7", LONG);
        let (ready, held, mut stopped) = (Run::new("1"), Run::new("2"), Run::new("3"));
        stopped.stop(openrouter_kit::agent::StopReason::Requested);
        store.save(&ready, Hold::Free).await.unwrap();
        store.save(&held, Hold::Keep(&lease)).await.unwrap();
        store.save(&stopped, Hold::Free).await.unwrap();

        let all = store.list(&RunQuery::new()).await.unwrap();
        assert_eq!(all.len(), 3, "{kind}");
        assert!(all.iter().all(|run| run.revision == 1 && run.touched > before), "{kind}: {all:?}");
        let of_held = all.iter().find(|run| run.id == held.id()).unwrap();
        assert_eq!((of_held.owner.as_deref(), of_held.state), (Some("worker 7"), RunState::Ready), "{kind}");
        assert!(of_held.lease_left.is_some_and(|left| left <= LONG && left > LONG / 2), "{kind}: {of_held:?}");
        let query = RunQuery::new().state(RunState::Ready);
        assert_eq!(store.list(&query).await.unwrap().len(), 2, "{kind}");
        assert_eq!(ids(&store.list(&query.free()).await.unwrap()), [ready.id()], "{kind}");
        let query = RunQuery::new().state(RunState::Stopped);
        assert_eq!(ids(&store.list(&query).await.unwrap()), [stopped.id()], "{kind}");
        assert_eq!(store.list(&RunQuery::new().limit(2)).await.unwrap().len(), 2, "{kind}");
    }
}

#[tokio::test]
async fn of_many_who_save_a_revision_at_once_at_most_one_succeeds() {
    let (folder, cluster) = (Folder::new(), Cluster::start());
    for (kind, place) in stores(&folder, cluster.as_ref()).await {
        let store = open(kind, &place).await;
        let run = Run::new("Hi");
        store.save(&run, Hold::Free).await.unwrap();
        for _ in 0..5 {
            let revision = store.load(run.id()).await.unwrap().revision();
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..8 {
                // Each with a connection of its own, as processes have.
                let (store, run) = (open(kind, &place).await, run.clone().with_revision(revision));
                tasks.spawn(async move {
                    // The lease ends at once, so that others can claim the run again.
                    let lease = Lease::new(format!("worker {number}"), Duration::ZERO);
                    match number % 2 {
                        0 => (store.save(&run, Hold::Keep(&lease)).await.is_ok(), false),
                        _ => (false, store.claim(run.id(), &lease).await.is_ok()),
                    }
                });
            }
            let done = tasks.join_all().await;
            let (saved, claimed) =
                (done.iter().filter(|done| done.0).count(), done.iter().filter(|done| done.1).count());
            let now = store.load(run.id()).await.unwrap().revision();
            assert_eq!((now - revision) as usize, saved + claimed, "{kind}: each that succeeded counts");
            assert!(saved <= 1, "{kind}: {saved} saved the same revision");
            assert_eq!(claimed, 4, "{kind}: whoever claims gets what is there then");
        }
    }
}

#[tokio::test]
async fn a_file_store_takes_no_id_that_leads_out_of_its_folder() {
    let folder = Folder::new();
    let store = FileStore::new(folder.path("runs"));
    for id in ["", "..", "../x", "a/b", "/etc", "a\\b", "x.json", &"a".repeat(200)] {
        assert!(matches!(store.load(id).await.unwrap_err(), StoreError::Failed(_)), "{id}");
        let mut json = serde_json::to_value(Run::new("Hi")).unwrap();
        json["id"] = json!(id);
        let run: Run = serde_json::from_value(json).unwrap();
        assert!(matches!(store.save(&run, Hold::Free).await.unwrap_err(), StoreError::Failed(_)), "{id}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_with_runs_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let run = Run::new("Hi");
    let store = FileStore::new(folder.path("runs"));
    store.save(&run, Hold::Free).await.unwrap();
    store.save(&run.clone().with_revision(1), Hold::Free).await.unwrap();
    SqliteStore::open(folder.path("runs.sqlite")).await.unwrap().save(&run, Hold::Free).await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path("runs")), 0o700);
    assert_eq!(mode(folder.path("runs").join(run.id())), 0o700);
    for file in std::fs::read_dir(folder.path("runs").join(run.id())).unwrap() {
        assert_eq!(mode(file.unwrap().path()), 0o600);
    }
    assert_eq!(mode(folder.path("runs.sqlite")), 0o600);
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let (folder, cluster) = (Folder::new(), Cluster::start());
    let path = folder.path("runs.sqlite");
    SqliteStore::open(&path).await.unwrap();
    let sql = "UPDATE openrouter_kit_schema SET version = 2";
    rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the tables have version 2; this version of the crate knows 1");
    if let Some(cluster) = cluster {
        PostgresStore::connect(&cluster.config()).await.unwrap();
        let (client, connection) = tokio_postgres::connect(&cluster.config(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.execute(sql, &[]).await.unwrap();
        let error = PostgresStore::connect(&cluster.config()).await.unwrap_err();
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), source);
    }
}

#[tokio::test]
async fn a_postgres_store_connects_again_after_its_connection_has_closed() {
    let Some(cluster) = Cluster::start() else { return };
    let store = PostgresStore::connect(&cluster.config()).await.unwrap();
    let run = Run::new("Hi");
    store.save(&run, Hold::Free).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&cluster.config(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'app'";
    client.execute(sql, &[]).await.unwrap();
    let loaded = async {
        // The operation that finds the connection closed may fail.
        loop {
            if let Ok(run) = store.load(run.id()).await {
                break run;
            }
        }
    };
    assert_eq!(soon(loaded).await.id(), run.id());
}

// --- A model, tools, and processes that are killed -------------------------------------------

/// A server whose model calls two tools, then one more, and then says what came out. What it responds follows from the
/// request alone, so that it is the same however often a run begins again.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(respond(stream));
    }
}

async fn respond(mut stream: TcpStream) {
    let mut request = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut request).await {
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let body = end + 4..end + 4 + length.unwrap_or_default();
        if request.len() < body.end {
            continue;
        }
        let body: Value = serde_json::from_slice(&request[body]).unwrap();
        let items = body["input"].as_array().unwrap();
        let outputs: Vec<&str> = items.iter().filter_map(|item| item["output"].as_str()).collect();
        let call = |id: &str, name: &str| {
            json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id,
            "name": name, "arguments": json!({"text": id}).to_string(), "status": "completed"})
        };
        let output = match outputs.len() {
            0 => vec![call("call_a", "note"), call("call_b", "look")],
            2 => vec![call("call_c", "note")],
            _ => vec![json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": outputs.join(", "), "annotations": []}]})],
        };
        let response = json!({"id": "gen-1", "object": "response", "created_at": 1, "status": "completed",
            "model": "a/b", "output": output, "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
            "cost": 0.01}})
        .to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let response = format!("{head}\r\ncontent-length: {}\r\n\r\n{response}", response.len());
        let _ = stream.write_all(response.as_bytes()).await;
        return;
    }
}

/// What the model says at the end.
const TEXT: &str = "noted call_a, seen call_b, noted call_c";

/// What is around a run: where its model is, where its tools note what they do, and when its process dies.
#[derive(Clone)]
struct World {
    url: String,
    effects: PathBuf,
    steps: Arc<Steps>,
}

/// Counts the steps of a process, which dies at one of them.
#[derive(Debug, Default)]
struct Steps {
    seen: AtomicUsize,
    last: Option<usize>,
    is_told: bool,
}

impl Steps {
    fn step(&self) {
        let number = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_told {
            println!("step {number}");
        }
        if Some(number) == self.last {
            std::process::abort();
        }
    }
}

impl World {
    fn effect(&self, line: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.effects).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// How often each call of a tool was carried out, by the id of the run and of the call.
    fn effects(&self) -> BTreeMap<String, usize> {
        let text = std::fs::read_to_string(&self.effects).unwrap_or_default();
        let mut effects = BTreeMap::new();
        text.lines().for_each(|line| *effects.entry(line.to_owned()).or_default() += 1);
        effects
    }

    fn tool(&self, name: &str, done: &'static str) -> Tool {
        let world = self.clone();
        let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
        Tool::with_schema(name, "Does something once", schema, move |_: Value, context: ToolContext| {
            let world = world.clone();
            async move {
                world.steps.step();
                world.effect(&format!("{} {}", context.run_id(), context.call_id()));
                world.steps.step();
                Ok::<_, ToolError>(format!("{done} {}", context.call_id()))
            }
        })
    }

    fn client(&self) -> OpenRouter {
        let transport = HyperTransport::builder().no_proxy().build().unwrap();
        OpenRouter::builder().api_key("key").server_url(&self.url).transport(transport).build().unwrap()
    }

    fn agent(&self, store: Arc<dyn Store>, lease: Duration) -> Agent {
        self.client()
            .agent("a/b")
            .tool(self.tool("note", "noted"))
            .tool(self.tool("look", "seen").repeatable())
            .hook(Watch(Arc::clone(&self.steps)))
            .store(Watched { store, steps: Arc::clone(&self.steps) })
            .lease_period(lease)
    }

    /// Decides about the calls of a run that had begun when its process died: one that was carried out gets its output, the
    /// others run again.
    fn decide(&self, run: &mut Run) {
        let pending: Vec<ToolCall> = run.pending().cloned().collect();
        assert!(!pending.is_empty());
        for call in pending {
            assert_eq!((call.state(), call.name()), (CallState::Interrupted, "note"));
            match self.effects().contains_key(&format!("{} {}", run.id(), call.id())) {
                true => run.answer(call.id(), format!("noted {}", call.id()).as_str()).unwrap(),
                false => run.approve(call.id()).unwrap(),
            }
        }
    }

    fn assert_done(&self, run: &Run, case: &str) {
        assert_eq!((run.status(), run.text()), (&RunStatus::Done, Some(TEXT)), "{case}");
        let effects = self.effects();
        for call in ["call_a", "call_c"] {
            assert_eq!(effects[&format!("{} {call}", run.id())], 1, "{case}: {call} at most once");
        }
        assert!(effects[&format!("{} call_b", run.id())] >= 1, "{case}");
    }
}

/// Steps around the model calls.
#[derive(Debug)]
struct Watch(Arc<Steps>);

impl RunHook for Watch {
    fn before_model<'a>(&'a self, _: &'a Run, _: &'a mut ResponsesRequest) -> HookFuture<'a, ()> {
        self.0.step();
        Box::pin(async { Ok(()) })
    }

    fn after_model<'a>(&'a self, _: &'a Run, _: &'a mut ResponsesResult) -> HookFuture<'a, ()> {
        self.0.step();
        Box::pin(async { Ok(()) })
    }

    fn before_tool<'a>(&'a self, _: &'a Run, _: &'a mut ToolCall) -> HookFuture<'a, ToolDecision> {
        self.0.step();
        Box::pin(async { Ok(ToolDecision::Allow) })
    }
}

/// Steps around the saves of a store.
#[derive(Debug)]
struct Watched {
    store: Arc<dyn Store>,
    steps: Arc<Steps>,
}

impl Store for Watched {
    fn load<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Run> {
        self.store.load(id)
    }

    fn save<'a>(&'a self, run: &'a Run, hold: Hold<'a>) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            self.steps.step();
            let result = self.store.save(run, hold).await;
            self.steps.step();
            result
        })
    }

    fn claim<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, Run> {
        Box::pin(async move {
            let result = self.store.claim(id, lease).await;
            self.steps.step();
            result
        })
    }

    fn renew<'a>(&'a self, id: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        self.store.renew(id, lease)
    }

    fn list<'a>(&'a self, query: &'a RunQuery) -> StoreFuture<'a, Vec<RunSummary>> {
        self.store.list(query)
    }

    fn delete<'a>(&'a self, id: &'a str) -> StoreFuture<'a, ()> {
        self.store.delete(id)
    }
}

/// This test program again.
fn process(kind: &str, place: &str, world: &World, mode: &str, last: Option<usize>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "stores::a_process_of_another_test", "--nocapture", "--test-threads", "1"]);
    command.envs([("STORES_KIND", kind), ("STORES_PLACE", place), ("STORES_URL", &world.url), ("STORES_MODE", mode)]);
    command.env("STORES_EFFECTS", &world.effects).env("STORES_LAST", last.unwrap_or_default().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Where the processes of other tests begin. For its own part it tests nothing.
#[tokio::test]
async fn a_process_of_another_test() {
    let get = |name: &str| std::env::var(format!("STORES_{name}")).unwrap_or_default();
    let kind = get("KIND");
    if kind.is_empty() {
        return;
    }
    let last = get("LAST").parse().ok().filter(|last| *last > 0);
    let steps = Steps { last, is_told: get("MODE") == "work", ..Steps::default() };
    let world = World { url: get("URL"), effects: get("EFFECTS").into(), steps: Arc::new(steps) };
    let store = open(&kind, &get("PLACE")).await;
    if get("MODE") == "run" {
        let outcome = world.agent(store, SHORT).run("Go").await.unwrap();
        assert_eq!(outcome.text().unwrap(), TEXT);
        return;
    }
    // A worker, until it is killed.
    let agent = world.agent(Arc::clone(&store), WORK);
    loop {
        match agent.wait_for_run(Duration::from_millis(20)).await.unwrap().await {
            Ok(Outcome::Paused(paused)) => {
                let mut run = Run::from(paused);
                world.decide(&mut run);
                store.save(&run, Hold::Free).await.unwrap();
            }
            Ok(outcome) => assert_eq!(outcome.text().unwrap(), TEXT),
            // It was slow, so that another took the run.
            Err(error) => assert!(matches!(error.kind(), AgentErrorKind::Store(_)), "{error:?}"),
        }
    }
}

/// The leases of processes that are killed, after which a run waits that long.
const SHORT: Duration = Duration::from_millis(100);
const WORK: Duration = Duration::from_secs(4);

async fn world(folder: &Folder) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    tokio::spawn(serve(listener));
    World { url, effects: folder.path("effects"), steps: Arc::default() }
}

/// Resumes the run that a killed process left, and decides what is asked.
async fn resume(agent: &Agent, world: &World) -> (Run, usize) {
    // The lease of the killed process may not have expired yet.
    let run = agent.wait_for_run(LONG).await.unwrap();
    let (mut asked, mut outcome) = (0, run.await.unwrap());
    while let Outcome::Paused(paused) = outcome {
        asked += paused.pending().count();
        let mut run = Run::from(paused);
        world.decide(&mut run);
        outcome = agent.resume(run).await.unwrap();
    }
    (outcome.into_run(), asked)
}

async fn kill_at_every_step(kind: &'static str) {
    let folder = Folder::new();
    let (mut asked, mut resumed) = (0, 0);
    for last in 1.. {
        assert!(last < 100, "{kind}");
        let world = World { effects: folder.path(&format!("effects-{last}")), ..world(&folder).await };
        let place = folder.path(&format!("{kind}-{last}")).display().to_string();
        let mut child = process(kind, &place, &world, "run", Some(last));
        let status = soon(tokio::task::spawn_blocking(move || child.wait())).await.unwrap().unwrap();
        let store = open(kind, &place).await;
        let runs = store.list(&RunQuery::new()).await.unwrap();
        let case = format!("{kind}, killed at step {last}");
        let Some(run) = runs.first() else {
            // It was killed before the first save, when nothing had been done.
            assert!(last <= 1 && world.effects().is_empty(), "{case}");
            continue;
        };
        if run.state == RunState::Done {
            world.assert_done(&store.load(&run.id).await.unwrap(), &case);
            if status.success() {
                eprintln!("{kind}: {last} steps, resumed {resumed} times, asked about {asked} calls");
                assert!(last > 30 && resumed > 25 && asked > 3, "{last} {resumed} {asked}");
                return;
            }
            continue;
        }
        assert!(!status.success(), "{case}");
        let (run, questions) = soon(resume(&world.agent(store, LONG), &world)).await;
        world.assert_done(&run, &case);
        asked += questions;
        resumed += 1;
    }
}

#[tokio::test]
async fn a_run_in_files_survives_a_kill_at_every_step() {
    kill_at_every_step("files").await;
}

#[tokio::test]
async fn a_run_in_sqlite_survives_a_kill_at_every_step() {
    kill_at_every_step("sqlite").await;
}

#[tokio::test]
async fn workers_share_runs_over_postgres_while_they_are_killed() {
    const RUNS: usize = 24;
    let Some(cluster) = Cluster::start() else { return };
    let folder = Folder::new();
    let world = world(&folder).await;
    let place = cluster.config();
    let store = open("postgres", &place).await;
    for _ in 0..RUNS {
        store.save(&Run::new("Go"), Hold::Free).await.unwrap();
    }
    let (work, killed) = (world.clone(), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..2u64)
        .map(|number| {
            let (place, world, killed) = (place.clone(), work.clone(), Arc::clone(&killed));
            tokio::task::spawn_blocking(move || {
                let mut rng = fastrand::Rng::with_seed(number);
                for _ in 0..4 {
                    let mut child = process("postgres", &place, &world, "work", None);
                    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
                    // It is killed wherever it is then.
                    let seen = lines.take(rng.usize(10..120)).count();
                    killed.fetch_add(1, Ordering::SeqCst);
                    child.kill().unwrap();
                    child.wait().unwrap();
                    assert!(seen > 0);
                }
                process("postgres", &place, &world, "work", None)
            })
        })
        .collect();
    let finished = async {
        let query = RunQuery::new().state(RunState::Done);
        while store.list(&query).await.unwrap().len() < RUNS {
            tokio::task::yield_now().await;
        }
    };
    // A lease of a killed worker has to expire.
    tokio::time::timeout(Duration::from_secs(240), finished).await.expect("the runs do not come to their end");
    for worker in workers {
        let mut child = worker.await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(killed.load(Ordering::SeqCst), 8);
    for run in store.list(&RunQuery::new()).await.unwrap() {
        world.assert_done(&store.load(&run.id).await.unwrap(), &run.id);
    }
}

// --- An agent with a store -------------------------------------------------------------------

#[tokio::test]
async fn a_run_that_another_took_over_stops() {
    let folder = Folder::new();
    let world = world(&folder).await;
    let store: Arc<dyn Store> = Arc::new(FileStore::new(folder.path("runs")));
    let agent = world.agent(Arc::clone(&store), SHORT);
    let run = Run::new("Go");
    store.save(&run, Hold::Free).await.unwrap();
    // What the program has in its hands is older than what the store has.
    let error = agent.resume(run.clone()).await.unwrap_err();
    assert!(matches!(error.kind(), AgentErrorKind::Store(StoreError::Conflict { .. })), "{error:?}");
    assert!(world.effects().is_empty());

    let other = Lease::new("other", LONG);
    store.claim(run.id(), &other).await.unwrap();
    let error = agent.claim(run.id()).await.unwrap_err();
    let text =
        format!("the run {:?} is leased by \"other\"; try again when it has paused or the lease has expired", run.id());
    assert_eq!(error.to_string(), text);
    assert!(agent.claim_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_run_is_stopped_when_its_lease_is_lost_while_a_tool_runs() {
    let folder = Folder::new();
    let world = world(&folder).await;
    let store: Arc<dyn Store> = Arc::new(FileStore::new(folder.path("runs")));
    let thief = Arc::clone(&store);
    let schema = json!({"type": "object"});
    let steals = Tool::with_schema("note", "Never ends", schema.clone(), move |_: Value, context: ToolContext| {
        let store = Arc::clone(&thief);
        async move {
            // Another thinks that this process is dead.
            let run = store.load(context.run_id()).await.map_err(ToolError::new)?;
            store.save(&run, Hold::Free).await.unwrap_err();
            let path = context.data::<PathBuf>().unwrap().join(context.run_id());
            std::fs::remove_dir_all(path).map_err(ToolError::new)?;
            std::future::pending::<Result<String, ToolError>>().await
        }
    });
    let agent = world.client().agent("a/b").tool(steals).store(Arc::clone(&store)).lease_period(SHORT);
    let agent = agent.data(folder.path("runs"));
    let error = soon(agent.run("Go").into_future()).await.unwrap_err();
    assert!(matches!(error.kind(), AgentErrorKind::Store(StoreError::NotFound { .. })), "{error:?}");
    let states: Vec<_> = error.run().calls().iter().map(|call| (call.name().to_owned(), call.state())).collect();
    assert_eq!(states[0], ("note".to_owned(), CallState::Started));
}

#[tokio::test]
async fn a_stream_that_is_stopped_gives_its_run_back_to_the_store() {
    let folder = Folder::new();
    let world = world(&folder).await;
    let store: Arc<dyn Store> = Arc::new(FileStore::new(folder.path("runs")));
    let agent = world.agent(Arc::clone(&store), LONG);
    for read in [0, 1, 4] {
        let mut events = agent.run("Go").stream();
        for _ in 0..read {
            soon(events.next()).await.unwrap().unwrap();
        }
        let run = soon(events.stop()).await.unwrap().into_run();
        assert_eq!(
            *run.status(),
            RunStatus::Stopped(openrouter_kit::agent::StopReason::Requested),
            "after {read} events"
        );
        assert_eq!(store.load(run.id()).await.unwrap(), run, "after {read} events");
        // Nobody holds it, and no worker takes what was stopped.
        assert!(agent.claim_next().await.unwrap().is_none());
        let run = soon(agent.claim(run.id())).await.unwrap();
        // It goes on to its end; the model learns which calls may have had their effects.
        let ended = soon(run.into_future()).await.unwrap();
        assert!(ended.text().unwrap().ends_with("noted call_c"), "{:?}", ended.text());
        assert!(world.effects().values().all(|times| *times == 1), "after {read} events");
    }
}

#[tokio::test]
async fn a_run_that_waits_for_decisions_is_ready_once_they_are_saved() {
    let folder = Folder::new();
    let world = world(&folder).await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path("runs.sqlite")).await.unwrap());
    let agent = world.agent(Arc::clone(&store), LONG).tool(Tool::external("ask", "Asks", json!({"type": "object"})));
    let mut gated = Run::new("Go");
    gated.begin_model_call();
    let call = json!({"type": "function_call", "call_id": "call_x", "name": "ask", "arguments": "{}"});
    let response = serde_json::from_value(json!({"id": "gen-1", "status": "completed", "output": [call]})).unwrap();
    gated.finish_model_call(response);
    let Outcome::Paused(paused) = agent.resume(gated).await.unwrap() else { panic!("it has to ask") };
    assert!(agent.claim_next().await.unwrap().is_none(), "it waits");

    let mut run = store.load(paused.run().id()).await.unwrap();
    run.answer("call_x", "yes").unwrap();
    store.save(&run, Hold::Free).await.unwrap();
    let run = agent.claim_next().await.unwrap().expect("it is ready");
    assert!(agent.claim_next().await.unwrap().is_none(), "it is in hands");
    drop(run);
}

/// Whether the folder of a store has one file with content for a run.
fn full_files(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    files.filter(|size| *size > 0).count()
}

#[tokio::test]
async fn a_file_store_keeps_one_file_of_a_run_and_few_names() {
    let folder = Folder::new();
    let store = FileStore::new(folder.path("runs"));
    let mut run = Run::new("Hi");
    for _ in 0..100 {
        let revision = store.save(&run, Hold::Free).await.unwrap();
        run = run.with_revision(revision);
    }
    let path = folder.path("runs").join(run.id());
    assert_eq!(full_files(&path), 1);
    assert!(std::fs::read_dir(&path).unwrap().count() <= 64);
    assert_eq!(store.load(run.id()).await.unwrap(), run);
}
