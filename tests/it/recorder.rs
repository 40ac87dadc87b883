//! Recordings: what is in them, what is not, and that the local server replays them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use openrouter_kit::core::{Call, EventStream, OpenRouterCore, Parts, RetryConfig};
use openrouter_kit::devtools::{Content, Recorder, VERSION};
use openrouter_kit::http::Method;
use openrouter_kit::mock::{Answer, Event, Fault, MockServer, Place};
use serde_json::{Value, json};

use crate::a_limit::tokio;
use crate::support::{POST, Thing, child, impatient, post, soon, stream};

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("openrouter-kit-recorder-{:016x}", fastrand::u64(..))))
    }

    fn recordings(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
        paths.sort();
        paths
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

fn recorded(server: &MockServer, recorder: &Recorder) -> OpenRouterCore {
    impatient(server.url()).hook(recorder.clone()).build().unwrap()
}

/// What a stream gives: its events, and the kind of its error.
async fn read(call: Call<EventStream<Thing>>) -> Vec<String> {
    let mut stream = match soon(call).await {
        Ok(stream) => stream,
        Err(error) => return vec![format!("{:?}", error.status())],
    };
    let mut all = Vec::new();
    while let Some(event) = soon(stream.next()).await {
        all.push(match event {
            Ok(event) => event.0.to_string(),
            Err(error) => format!("{:?} {}", error.status(), error.is_connection()),
        });
    }
    all
}

fn events() -> [Value; 3] {
    [json!({"n": 1, "text": "é\u{1f600}"}), json!({"n": 2}), json!({"type": "completed", "usage": {"cost": 0.5}})]
}

#[tokio::test]
async fn a_recording_has_every_line_of_calls_at_the_same_time() {
    let folder = Folder::new();
    let server = MockServer::start().await;
    server.answer(Answer::stream(events()).always());
    let recorder = Recorder::new(&folder.0);
    let core = recorded(&server, &recorder);
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(read(stream(&core)))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().len(), 3);
    }
    recorder.flush();
    let path = recorder.path().unwrap();
    assert_eq!(folder.recordings(), [path.as_path()]);
    let lines = lines(&path);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["n"], number, "{line}");
    }
    assert_eq!((&lines[0]["kind"], &lines[0]["version"]), (&json!("file"), &json!(VERSION)));
    assert_eq!(lines[0]["pid"], std::process::id());
    let mut calls: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for line in &lines[1..] {
        calls.entry(line["call"].as_u64().unwrap()).or_default().push(line);
    }
    assert_eq!(calls.len(), 8);
    for lines in calls.values() {
        let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!((kinds[0], kinds[1], *kinds.last().unwrap()), ("request", "response", "end"));
        let text: String =
            lines.iter().filter(|line| line["kind"] == "events").map(|line| line["body"].as_str().unwrap()).collect();
        assert!(text.contains("é\u{1f600}") && text.ends_with("data: [DONE]\n\n"), "{text}");
        let times: Vec<_> = lines.iter().map(|line| line["at"].as_f64().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        let end = lines.last().unwrap();
        assert_eq!((&end["outcome"], &end["events"], &end["cost"]), (&json!("completed"), &json!(3), &json!("0.5")));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn recordings_are_for_their_owner_and_not_for_git() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"text": "x".repeat(300_000)})));
    let recorder = Recorder::new(&folder.0);
    post(&recorded(&server, &recorder)).await.unwrap();
    recorder.flush();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder.0), mode(&folder.0.join("values"))), (0o700, 0o700));
    assert_eq!(std::fs::read_to_string(folder.0.join(".gitignore")).unwrap(), "*\n");
    let values: Vec<_> =
        std::fs::read_dir(folder.0.join("values")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(values.len(), 1);
    for path in values.iter().chain(&folder.recordings()).chain([&folder.0.join(".gitignore")]) {
        assert_eq!(mode(path), 0o600, "{path:?}");
    }
}

#[tokio::test]
async fn a_recording_is_replayed_with_the_same_events_and_errors() {
    let folder = Folder::new();
    let server = MockServer::start().await;
    let file: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    server.answer(Answer::stream(events()).header("x-generation-id", "gen-7"));
    server.answer(Answer::stream(events()).cut_into(7));
    server.answer(Answer::error(503, "busy")).answer(Answer::stream(events()));
    server.answer(Answer::stream(events()).fault(Fault::Reset, Place::InBody));
    server.answer(Answer::stream([Event::data(json!({"error": {"code": 502, "message": "no"}}))]));
    server.answer(Answer::error(400, "wrong"));
    server.answer(Answer::status(500).fault(Fault::Reset, Place::BeforeHead));
    server.on("GET", "/file", Answer::bytes(200, file.clone()));
    let recorder = Recorder::new(&folder.0);
    let calls = async |core: &OpenRouterCore| {
        let mut all = Vec::new();
        for _ in 0..7 {
            all.push(read(stream(core)).await);
        }
        let file = core.request(Method::GET, "/file").download().await.unwrap().collect().await.unwrap();
        (all, file)
    };
    let first = calls(&recorded(&server, &recorder)).await;
    assert_eq!((first.0[0].len(), first.0[3].last().unwrap().as_str(), first.1.len()), (3, "None true", file.len()));
    recorder.flush();
    let replay = MockServer::replay(recorder.path().unwrap()).await.unwrap();
    let second = calls(&impatient(replay.url()).build().unwrap()).await;
    assert_eq!(first, second);
    // Large values are stored once.
    assert_eq!(std::fs::read_dir(folder.0.join("values")).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_no_recording_is_refused() {
    let folder = Folder::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("a.jsonl");
    for (text, reason) in [
        ("", "empty"),
        ("{\"kind\":\"file\",\"version\":99}\n{\"kind\":\"request\"}\n", "version 1"),
        ("nonsense\n", "line 1"),
        (
            "{\"kind\":\"file\",\"version\":1}\n{\"kind\":\"request\",\"call\":1,\"attempt\":1}\n{\"kind\":\"body\",\"call\":1,\"attempt\":1,\"body\":{\"length\":3}}\n",
            "content",
        ),
        (
            "{\"kind\":\"file\",\"version\":1}\n{\"kind\":\"request\",\"call\":1,\"attempt\":1}\n{\"kind\":\"body\",\"call\":1,\"attempt\":1,\"body\":{\"sha256\":\"../../secret\"}}\n",
            "content",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = MockServer::replay(&path).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(MockServer::replay(folder.0.join("none")).await.is_err());
    // A torn last line is nothing.
    std::fs::write(&path, "{\"kind\":\"file\",\"version\":1}\n{\"kind\":\"requ").unwrap();
    MockServer::replay(&path).await.unwrap();
}

#[tokio::test]
async fn no_key_is_in_a_recording() {
    const KEY: &str = "sk-or-v1-0123456789abcdef";
    const OTHER: &str = "sk-proj-fedcba9876543210";
    let folder = Folder::new();
    let server = MockServer::start().await;
    let echo =
        json!({"key": KEY, "text": format!("your key {OTHER}, Bearer own-token-123"), "password": "pass-word-1"});
    server.answer(Answer::json(200, echo.clone()).header("set-cookie", "cookie-secret-1"));
    server.answer(Answer::stream([echo.clone(), json!({"type": "completed", "text": "own-token-123"})]));
    server.answer(Answer::stream([echo.clone()]).cut_into(5));
    server.answer(Answer::error(401, &format!("no such key: {KEY} own-token-123")));
    let recorder = Recorder::new(&folder.0).redact("/marked").redact("/text");
    let core = impatient(server.url())
        .api_key(KEY)
        .header("x-gateway", "header-secret-1")
        .hook(recorder.clone())
        .build()
        .unwrap();
    let request = Thing::of(json!({"marked": "marked-secret", "api_key": "body-secret-1", "user": "me", "text": KEY}));
    let call = || Parts::new(&POST).json(&request);
    Call::<Thing>::new(&core, call()).query("api_key", "query-secret-1").await.unwrap();
    read(Call::new(&core, call()).api_key("own-token-123")).await;
    read(Call::new(&core, call())).await;
    read(Call::new(&core, call()).api_key("own-token-123")).await;
    recorder.flush();
    let text = std::fs::read_to_string(recorder.path().unwrap()).unwrap();
    for secret in [
        "0123456789abcdef",
        "fedcba9876543210",
        "own-token-123",
        "cookie-secret-1",
        "header-secret-1",
        "marked-secret",
        "body-secret-1",
        "query-secret-1",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains(r#"\"user\":\"me\""#), "the rest is there: {text}");
    let whole = lines(&recorder.path().unwrap());
    assert!(!of_kind(&whole, "body")[0]["body"].as_str().unwrap().contains("pass-word-1"));
}

#[tokio::test]
async fn content_is_recorded_as_much_as_asked_for() {
    for (content, has_lengths) in [(Content::Lengths, true), (Content::None, false)] {
        let folder = Folder::new();
        let server = MockServer::start().await;
        server.answer(Answer::stream(events())).answer(Answer::json(200, json!({"text": "a secret"})));
        let recorder = Recorder::new(&folder.0).content(content);
        let core = recorded(&server, &recorder);
        read(stream(&core)).await;
        post(&core).await.unwrap();
        recorder.flush();
        let text = std::fs::read_to_string(recorder.path().unwrap()).unwrap();
        assert!(!text.contains("a secret") && !text.contains("a/b") && !text.contains('é'), "{text}");
        assert_eq!(text.contains("\"length\""), has_lengths, "{text}");
        assert_eq!(of_kind(&lines(&recorder.path().unwrap()), "end").len(), 2);
    }
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_counted_and_the_call_goes_on() {
    let folder = Folder::new();
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"text": "x".repeat(100_000)})).times(2));
    let recorder = Recorder::new(&folder.0).max_queue(2_000);
    let core = recorded(&server, &recorder);
    for _ in 0..2 {
        post(&core).await.unwrap();
    }
    recorder.flush();
    let lines = lines(&recorder.path().unwrap());
    let dropped: u64 = of_kind(&lines, "dropped").iter().map(|line| line["messages"].as_u64().unwrap()).sum();
    assert!(dropped >= 2, "{lines:?}");
}

#[tokio::test]
async fn a_recorder_that_cannot_write_fails_no_call() {
    let folder = Folder::new();
    std::fs::write(&folder.0, "a file").unwrap();
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({})).times(2));
    let recorder = Recorder::new(folder.0.join("below"));
    let core = recorded(&server, &recorder);
    post(&core).await.unwrap();
    post(&core).await.unwrap();
    recorder.flush();
    assert_eq!(recorder.path(), None);
    std::fs::remove_file(&folder.0).unwrap();
}

#[tokio::test]
async fn a_large_recording_goes_on_in_another_file_and_old_ones_are_deleted() {
    let folder = Folder::new();
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"text": "x".repeat(5_000)})).always());
    let recorder = Recorder::new(&folder.0).max_file(10_000).max_files(3);
    let core = recorded(&server, &recorder);
    for _ in 0..12 {
        post(&core).await.unwrap();
        recorder.flush();
    }
    let recordings = folder.recordings();
    assert_eq!(recordings.len(), 3, "{recordings:?}");
    let mut last = None;
    for path in &recordings {
        let lines = lines(path);
        assert_eq!(lines[0]["kind"], "file");
        assert!(std::fs::metadata(path).unwrap().len() < 30_000);
        let numbers: Vec<u64> = lines.iter().map(|line| line["n"].as_u64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
        last = last.max(numbers.last().copied());
    }
    assert!(last > Some(36), "{last:?}");
}

#[test]
fn two_processes_that_are_killed_lose_at_most_a_torn_line() {
    let folder = Folder::new();
    let spawn = || {
        let mut command = child("recorder::endless_probe");
        command.env("OPENROUTER_DEVTOOLS", "1").env("OPENROUTER_DEVTOOLS_DIR", &folder.0);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    for _ in 0..3 {
        let before = folder.recordings().len();
        let mut children = [spawn(), spawn()];
        // Until both write.
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        while folder.recordings().len() < before + 2 || folder.recordings().iter().any(|path| size(path) < 20_000) {
            assert!(children.iter_mut().all(|child| child.try_wait().unwrap().is_none()), "a process has ended");
            std::thread::yield_now();
        }
        for child in &mut children {
            for _ in 0..fastrand::u32(..200_000) {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let recordings = folder.recordings();
    assert_eq!(recordings.len(), 6);
    let mut pids = BTreeSet::new();
    for path in recordings {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let (whole, _torn) = text.rsplit_once('\n').unwrap();
        let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().enumerate().all(|(number, line)| line["n"] == number), "nothing is missing in {path:?}");
        assert!(pids.insert(lines[0]["pid"].as_u64().unwrap()), "each process has its own");
        assert_eq!(of_kind(&lines, "file").len(), 1);
    }
}

#[tokio::test]
#[ignore = "a process that another test kills"]
async fn endless_probe() {
    let server = MockServer::start().await;
    server.record(false).answer(Answer::stream(events()).always());
    let core = OpenRouterCore::builder()
        .api_key("k")
        .env()
        .server_url(server.url())
        .retry_config(RetryConfig::none())
        .transport(openrouter_kit::core::transport::HyperTransport::builder().no_proxy().build().unwrap())
        .build()
        .unwrap();
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let _ = tokio::join!(read(stream(&core)), read(stream(&core)));
    }
}

#[test]
fn the_environment_turns_recording_on_and_the_end_of_the_program_loses_nothing() {
    for (value, is_on) in [("1", true), ("0", false), ("", false)] {
        let folder = Folder::new();
        let mut command = child("recorder::short_probe");
        command.env("OPENROUTER_DEVTOOLS", value).env("OPENROUTER_DEVTOOLS_DIR", &folder.0);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let recordings = folder.recordings();
        assert_eq!(recordings.len(), usize::from(is_on));
        assert_eq!(String::from_utf8_lossy(&output.stderr).contains("recording calls to"), is_on);
        for path in recordings {
            let lines = lines(&path);
            // Of both clients.
            assert_eq!(of_kind(&lines, "end").len(), 2, "{lines:?}");
        }
    }
}

#[tokio::test]
#[ignore = "a process of another test"]
async fn short_probe() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({})).times(2));
    let client = || impatient(server.url()).env().build().unwrap();
    let (one, two) = (client(), client());
    post(&one).await.unwrap();
    post(&two).await.unwrap();
}
