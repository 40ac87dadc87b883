//! Makes the calls of a table of cases through this crate and the official SDKs, against a server that records what
//! arrives, and prints where they differ. README.md says how to run it.

use std::collections::BTreeSet;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use openrouter_kit::mock::{Answer, Event, Fault, MockServer, Place};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

mod difference;
mod ours;

use difference::{Difference, Request};

const CASES: &str = include_str!("../cases.json");
const KNOWN: &str = include_str!("../known.json");
const SDKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/official");

/// For one case, which may retry several times.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// One call, and what the server responds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Namespace and method: `api_keys.list`.
    operation: String,
    /// Parameters of the path and the query.
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    body: Option<Value>,
    /// The name that the TypeScript SDK gives to the body.
    #[serde(default)]
    typescript_body: Option<String>,
    /// One a request, and the last one for all further requests. A refusal if there are none: all clients read it.
    #[serde(default)]
    responses: Vec<Response>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    #[serde(default = "ok")]
    status: u16,
    /// The text of the body.
    #[serde(default)]
    text: Option<String>,
    /// The body as JSON.
    #[serde(default)]
    json: Option<Value>,
    /// The data of server-sent events: JSON, or a text as it is.
    #[serde(default)]
    events: Option<Vec<Value>>,
    /// Resets the connection after the last event.
    #[serde(default)]
    reset: bool,
}

const fn ok() -> u16 {
    200
}

impl Response {
    fn answer(&self) -> Answer {
        let answer = if let Some(events) = &self.events {
            Answer::events(events.iter().map(|event| {
                let data = event.as_str().map_or_else(|| event.to_string(), str::to_owned);
                Event::data(data)
            }))
        } else if let Some(json) = &self.json {
            Answer::json(self.status, json.clone())
        } else if let Some(text) = &self.text {
            Answer::text(self.status, text)
        } else {
            Answer::error(self.status, "refused")
        };
        if self.reset { answer.fault(Fault::Reset, Place::BeforeEnd) } else { answer }
    }
}

/// A difference that is meant to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// `typescript` or `python`; both if absent.
    #[serde(default)]
    client: Option<String>,
    /// Names of cases; every case if absent.
    #[serde(default)]
    cases: Vec<String>,
    /// See [`Difference::what`].
    what: Vec<String>,
    /// For the reader of the file.
    #[serde(rename = "reason")]
    _reason: String,
    /// The cases in which it was found.
    #[serde(skip)]
    found: BTreeSet<String>,
}

impl Known {
    fn is_for(&self, client: &str) -> bool {
        self.client.as_ref().is_none_or(|own| own == client)
    }

    fn covers(&self, client: &str, case: &str, what: &str) -> bool {
        self.is_for(client) && (self.cases.is_empty() || is_one_of(&self.cases, case)) && is_one_of(&self.what, what)
    }

    /// The cases that the entry names, if any, without a difference.
    fn stale(&self) -> Vec<&str> {
        if self.cases.is_empty() {
            return if self.found.is_empty() { vec!["all cases"] } else { Vec::new() };
        }
        self.cases.iter().filter(|case| !self.found.contains(*case)).map(String::as_str).collect()
    }
}

fn is_one_of(list: &[String], one: &str) -> bool {
    list.iter().any(|entry| entry == one)
}

/// What a client did in one case.
struct Run {
    requests: Vec<Request>,
    outcome: String,
}

/// An official SDK in a process of its own.
struct Sdk {
    version: String,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Killed when it is dropped.
    _process: Child,
}

impl Sdk {
    async fn start(program: &str, script: &str) -> Result<Self, String> {
        let mut process = Command::new(program)
            .arg(script)
            .current_dir(SDKS)
            // Whatever proxies the environment names, the server is on this machine.
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program} does not start: {error}"))?;
        let stdin = process.stdin.take().ok_or("no standard input")?;
        let lines = BufReader::new(process.stdout.take().ok_or("no standard output")?).lines();
        let mut sdk = Self { version: String::new(), stdin, lines, _process: process };
        sdk.version = sdk.line().await?;
        Ok(sdk)
    }

    async fn line(&mut self) -> Result<String, String> {
        match tokio::time::timeout(TIME_LIMIT, self.lines.next_line()).await {
            Ok(Ok(Some(line))) => Ok(line),
            Ok(Ok(None)) => Err("the process ended".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing came within {TIME_LIMIT:?}")),
        }
    }

    async fn run(&mut self, case: &Case, url: &str) -> Result<String, String> {
        let line = json!({
            "url": url,
            "operation": case.operation,
            "parameters": case.parameters,
            "body": case.body,
            "typescript_body": case.typescript_body,
        });
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.map_err(|error| error.to_string())?;
        self.line().await
    }
}

/// Starts a server that responds as `case` says.
async fn server(case: &Case) -> MockServer {
    let server = MockServer::start().await;
    match case.responses.split_last() {
        Some((last, first)) => {
            for response in first {
                server.answer(response.answer());
            }
            server.answer(last.answer().always());
        }
        None => {
            server.answer(Answer::error(400, "refused").always());
        }
    }
    server
}

fn recorded(server: &MockServer) -> Vec<Request> {
    server.requests().iter().map(Request::new).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("cases.json");
    let mut known: Vec<Known> = serde_json::from_str(KNOWN).expect("known.json");
    let mut own = Vec::new();
    for case in &cases {
        let server = server(case).await;
        let client = server
            .client_builder()
            .api_key("key")
            .http_referer("https://example.com")
            .app_title("Crab")
            .app_categories(["cli-agent", "creative-writing"])
            .build()
            .expect("a client");
        let outcome = ours::run(client.core(), case).await;
        own.push(Run { requests: recorded(&server), outcome });
    }

    let python = format!("{SDKS}/venv/bin/python");
    let sdks = [("typescript", "node", "differential.mjs"), ("python", &python, "differential.py")];
    let mut compared = Vec::new();
    let (mut expected, mut unexpected) = (0, 0);
    for (client, program, script) in sdks {
        let mut sdk = match Sdk::start(program, script).await {
            Ok(sdk) => sdk,
            Err(error) => {
                println!("{client}: not compared: {error}; README.md says how to install it");
                continue;
            }
        };
        for (case, own) in cases.iter().zip(&own) {
            let server = server(case).await;
            let outcome = match sdk.run(case, &server.url()).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    println!("{client}: given up in the case {:?}: {error}", case.name);
                    unexpected += 1;
                    break;
                }
            };
            let theirs = Run { requests: recorded(&server), outcome };
            for Difference { what, ours, theirs } in difference::between(own, &theirs) {
                if let Some(known) = known.iter_mut().find(|known| known.covers(client, &case.name, &what)) {
                    known.found.insert(case.name.clone());
                    expected += 1;
                } else {
                    unexpected += 1;
                    println!("{client:10} | {:40} | {what:40} | ours: {ours} | theirs: {theirs}", case.name);
                }
            }
        }
        compared.push((client, format!("{client} {}", sdk.version)));
    }

    // An entry may only be called stale if a client that it is for has run.
    for entry in known.iter().filter(|entry| compared.iter().any(|(client, _)| entry.is_for(client))) {
        for case in entry.stale() {
            println!("known.json: no difference any more: {case}: {}", entry.what.join(", "));
            unexpected += 1;
        }
    }
    let names: Vec<&str> = compared.iter().map(|(_, name)| name.as_str()).collect();
    println!(
        "{} cases, compared with {}: {unexpected} unexpected, {expected} known differences",
        cases.len(),
        if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") },
    );
    if unexpected == 0 && !names.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
