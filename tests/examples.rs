//! Runs every example as a user without a key does, and compares its last line with `examples/README.md`.
//!
//! Their calls can be recorded, and each recording is replayed.
//!
//! `UPDATE_EXAMPLES=1 cargo test --all-features --test examples` writes the page anew.

#![cfg(all(
    feature = "full",
    feature = "mcp",
    feature = "blocking",
    feature = "devtools",
    feature = "mock",
    feature = "reqwest",
    feature = "schemars",
    feature = "tls"
))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

use http_body::Body as _;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{HyperTransport, Transport};
use openrouter_kit::mock::MockServer;
use serde_json::Value;

const HEAD: &str = "\
# Examples

Complete programs. Each runs without a key, against a local server that comes with the crate:

```sh
cargo run --all-features --example quickstart
```

With `OPENROUTER_API_KEY` set, it calls OpenRouter. `support::client` makes this choice, and the rest of the program does
not depend on it; in your own program, call `OpenRouter::from_env()?` instead. The first lines of each example name the
features it needs. The last column shows the last line that it prints without a key.
";

/// The order of the page.
const GROUPS: &[(&str, &[&str])] = &[
    ("First steps", &["quickstart", "chat_repl", "messages", "minimal", "blocking", "errors", "retries_and_timeouts"]),
    ("Output and tools", &["structured_output", "code_review", "tools_streamed", "reasoning", "web_search", "advisor"]),
    (
        "Agents",
        &[
            "weather_tool",
            "agent_loop",
            "agent_output",
            "agent_chat",
            "approval",
            "long_run",
            "subagent",
            "mcp_tools",
            "headless_agent",
        ],
    ),
    (
        "Images, documents, audio, video",
        &["vision", "pdf", "audio_question", "voice", "image_to_file", "video", "choose_video_model"],
    ),
    ("Many requests and documents", &["rag", "many_at_once", "batch"]),
    (
        "Models, providers, costs",
        &[
            "provider_routing",
            "preset",
            "free_models",
            "cheapest_model",
            "prompt_caching",
            "generation_cost",
            "usage_report",
            "rankings",
        ],
    ),
    ("Keys and accounts", &["login", "rotate_key", "provisioning"]),
    (
        "Hooks, transports, servers",
        &[
            "add_header",
            "measure_time",
            "refuse_by_policy",
            "record_to_file",
            "own_transport",
            "reqwest_client",
            "gateway",
            "unknown_operation",
        ],
    ),
];

/// Programs for work on the crate. Other tests run them.
const TOOLS: &[&str] = &["load", "replay"];

/// The input of the examples that read standard input.
const TYPED: &str = "Why is the sky blue?\nAnd at sunset?\n";

/// The file of an example, next to the folder of the test.
fn program(example: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    folder.join(example).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Builds the examples unless all are newer than the code: `cargo test` builds them, `cargo test --test examples` does not.
fn build(examples: &[&str]) {
    fn newest(path: &Path) -> SystemTime {
        let changed = path.metadata().and_then(|metadata| metadata.modified()).unwrap();
        let entries = std::fs::read_dir(path).into_iter().flatten().map(|entry| newest(&entry.unwrap().path()));
        entries.chain([changed]).max().unwrap()
    }
    // Two tests need the examples, and must not run them while the other one builds.
    static BUILD: Mutex<()> = Mutex::new(());
    let _guard = BUILD.lock().unwrap();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = newest(&home.join("src")).max(newest(&home.join("examples/support")));
    let is_new = |example: &&str| {
        let built = program(example).metadata().and_then(|metadata| metadata.modified()).ok();
        let changed = code.max(newest(&home.join("examples").join(file(home, example))));
        built.is_some_and(|built| built > changed)
    };
    if !examples.iter().all(is_new) {
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--all-features", "--examples", "--target-dir"]).arg(target);
        assert!(command.current_dir(home).status().unwrap().success(), "the examples do not compile");
    }
}

/// The examples in the order of the page.
fn examples() -> Vec<&'static str> {
    GROUPS.iter().flat_map(|(_, examples)| examples.iter().copied()).collect()
}

/// Runs the examples at once and returns what each prints. Their calls are recorded below `recordings`, if it is given, each in
/// a folder with the name of the example.
fn run_all(examples: &[&str], recordings: Option<&Path>) -> Vec<String> {
    build(examples);
    std::thread::scope(|scope| {
        let run = |example: &&str| {
            let (example, folder) = ((*example).to_owned(), recordings.map(|folder| folder.join(example)));
            scope.spawn(move || run(&example, folder.as_deref()))
        };
        let threads: Vec<_> = examples.iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn run(example: &str, recordings: Option<&Path>) -> String {
    let program = program(example);
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OPENROUTER_")) {
        command.env_remove(name);
    }
    if let Some(folder) = recordings {
        command.env("OPENROUTER_DEVTOOLS", "1").env("OPENROUTER_DEVTOOLS_DIR", folder);
    }
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    // A program that does not read its input may have ended before.
    child.stdin.take().unwrap().write_all(TYPED.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example} failed: {failed}\nafter: {printed}");
    printed
}

/// The file of an example, below the folder of the examples.
fn file(home: &Path, example: &str) -> String {
    let files = [format!("{example}.rs"), format!("{example}/main.rs")];
    files.into_iter().find(|file| home.join("examples").join(file).exists()).unwrap()
}

fn source(home: &Path, example: &str) -> String {
    std::fs::read_to_string(home.join("examples").join(file(home, example))).unwrap()
}

/// A link to an example, and what it shows: the first paragraph of its documentation.
fn purpose(home: &Path, example: &str) -> String {
    let text = source(home, example);
    let paragraph: Vec<_> = text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
    format!("[{example}]({}) | {}", file(home, example), paragraph.join(" ").replace('|', "\\|"))
}

#[test]
fn every_example_runs_without_a_key_and_prints_what_the_page_says() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let printed = run_all(&examples(), None);
    let mut printed = printed.iter();
    let mut page = HEAD.to_owned();
    for (group, examples) in GROUPS {
        page.push_str(&format!("\n## {group}\n\n| Example | Shows | Prints |\n| --- | --- | --- |\n"));
        for example in *examples {
            let line = printed.next().unwrap().trim_end().lines().next_back().unwrap_or_default();
            page.push_str(&format!("| {} | `{}` |\n", purpose(home, example), shown(line)));
        }
    }
    page.push_str("\n## Work on the crate\n\n| Program | Does |\n| --- | --- |\n");
    for tool in TOOLS {
        page.push_str(&format!("| {} |\n", purpose(home, tool)));
    }
    let place = home.join("examples/README.md");
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::write(&place, &page).unwrap();
    }
    let written = std::fs::read_to_string(&place).unwrap_or_default();
    for (written, page) in written.lines().zip(page.lines()) {
        assert_eq!(written, page, "UPDATE_EXAMPLES=1 writes the page anew");
    }
    assert_eq!(written.len(), page.len());
}

/// A line for a table, without the times, which differ from run to run.
fn shown(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        let bare = word.trim_end_matches([':', ',']);
        let number = bare.trim_end_matches(['n', 'µ', 'm', 's']);
        let is_time = number.len() < bare.len() && number.parse::<f64>().is_ok();
        if is_time { word.replace(bare, "…") } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('`', "'")
}

#[test]
fn every_example_is_on_the_page() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<String> = std::fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut listed: Vec<&str> = examples().into_iter().chain(TOOLS.iter().copied()).collect();
    listed.sort_unstable();
    assert_eq!(files, listed);
}

#[test]
fn every_example_names_the_features_it_needs() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(home.join("Cargo.toml")).unwrap();
    for example in examples().into_iter().chain(TOOLS.iter().copied()) {
        let (_, entry) =
            manifest.split_once(&format!("[[example]]\nname = \"{example}\"\nrequired-features = [")).unwrap();
        let features = entry.split(']').next().unwrap().replace('"', "`");
        let text = source(home, example);
        assert!(text.contains(&format!("\n//! Features: {features}.\n")), "{example} needs {features}");
    }
}

/// A response as a program gets it.
#[derive(Debug, Default, PartialEq)]
struct Received {
    /// `None` if the connection broke before.
    status: Option<u16>,
    body: Vec<u8>,
    /// Whether the body was cut off.
    is_cut: bool,
}

/// An attempt in a recording.
struct Attempt {
    request: Value,
    received: Received,
}

/// The `body` of a line: the examples send and receive texts of moderate length only.
fn body(line: &Value) -> Vec<u8> {
    line["body"].as_str().unwrap_or_default().into()
}

/// The attempts of a recording, in the order of their requests.
fn attempts(recording: &Path) -> Vec<Attempt> {
    let text = std::fs::read_to_string(recording).unwrap();
    // A process that ends at once may leave a torn last line.
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut places = BTreeMap::new();
    for line in lines.into_iter().skip(1) {
        let of = (line["call"].as_u64().unwrap(), line["attempt"].as_u64().unwrap());
        if line["kind"] == "request" {
            places.insert(of, attempts.len());
            attempts.push(Attempt { request: line, received: Received::default() });
            continue;
        }
        // A hook may reject a call before it is sent.
        let Some(Attempt { received, .. }) = places.get(&of).map(|place: &usize| &mut attempts[*place]) else {
            continue;
        };
        match line["kind"].as_str().unwrap() {
            "response" => received.status = line["status"].as_u64().map(|status| status.try_into().unwrap()),
            "events" | "body" => received.body.extend(body(&line)),
            "failed" => received.is_cut = true,
            "end" => received.is_cut |= line["outcome"] != "completed",
            kind => panic!("{kind} is not expected in {recording:?}"),
        }
    }
    for Attempt { received, .. } in &mut attempts {
        // The response of an attempt that failed because of its status is whole.
        received.is_cut &= received.status.is_some_and(|status| status < 300);
    }
    attempts
}

/// Sends a request of a recording again.
async fn send_again(request: &Value, server: &MockServer) -> Received {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let query = if text("query").is_empty() { String::new() } else { format!("?{}", text("query")) };
    let uri = format!("{}{}{query}", server.url(), text("path"));
    let request = http::Request::builder().method(text("method")).uri(uri).body(Body::from(body(request))).unwrap();
    let transport = HyperTransport::builder().no_proxy().build().unwrap();
    let Ok(response) = transport.send(request).await else { return Received::default() };
    let mut received = Received { status: Some(response.status().as_u16()), ..Received::default() };
    let mut body = response.into_body();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame {
            Ok(frame) => received.body.extend_from_slice(frame.data_ref().unwrap()),
            Err(_) => {
                received.is_cut = true;
                break;
            }
        }
    }
    received
}

#[tokio::test]
async fn every_recording_of_an_example_is_replayed_byte_for_byte() {
    let folder = std::env::temp_dir().join(format!("openrouter-kit-examples-{}", std::process::id()));
    let examples = examples();
    run_all(&examples, Some(&folder));
    let mut count = 0;
    for example in examples {
        let files = std::fs::read_dir(folder.join(example))
            .unwrap_or_else(|error| panic!("{example} has no recording: {error}"));
        let files = files.map(|file| file.unwrap().path());
        let before = count;
        // An example may start further processes, and each has a recording of its own.
        for recording in files.filter(|path| path.extension().is_some_and(|end| end == "jsonl")) {
            let server = MockServer::replay(&recording).await.unwrap();
            for Attempt { request, received } in attempts(&recording) {
                let again = send_again(&request, &server).await;
                let text = |received: &Received| String::from_utf8_lossy(&received.body).into_owned();
                assert_eq!(text(&again), text(&received), "the body of {request} of {example}");
                assert!(again == received, "{again:?} instead of {received:?}: {request} of {example}");
                count += 1;
            }
        }
        assert!(count > before, "{example} makes no calls");
    }
    assert!(count > 90, "only {count} attempts");
    std::fs::remove_dir_all(folder).unwrap();
}
