//! `mock`: the whole API on a port.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use openrouter_kit::serde_json::{self, Value, json};

use crate::support::World;

/// A server that is stopped at the end.
struct Served {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Served {
    fn start(world: &World, options: &[&str]) -> Self {
        let mut command = world.command(&[&["mock", "--jsonl", "--pause", "0"], options].concat());
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Self { child, lines, url: first["url"].as_str().unwrap().to_owned() }
    }

    /// The next request that is printed.
    fn line(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn every_command_works_against_the_mock_and_each_request_is_a_line_of_json() {
    let world = World::new();
    let mut served = Served::start(&world, &[]);
    let url = served.url.clone();
    for (args, operation, part) in [
        (&["hello"][..], "sendChatCompletionRequest", "You asked: \"hello\""),
        (&["hello", "--schema", "name, born int"], "sendChatCompletionRequest", "\"born\""),
        (&["credits", "--json"], "getCredits", "total_credits"),
        (&["keys", "list", "--json"], "list", "hash"),
        (&["models", "list", "--json"], "getModels", "pricing"),
        (&["embed", "one", "-m", "a/b"], "createEmbeddings", "["),
        (&["api", "GET", "/workspaces?limit=1"], "listWorkspaces", "data"),
    ] {
        let ran = world.run(&[args, &["--base-url", &url]].concat());
        assert!(ran.code == 0 && ran.stdout.contains(part), "{args:?}: {ran:?}");
        let mut line = served.line();
        // Prices are looked up before some prompts.
        while line["operation"] != operation {
            line = served.line();
        }
        assert_eq!(line["status"], 200, "{line}");
        assert!(!line.to_string().contains("limit=1") && !line.to_string().contains("sk-or"), "{line}");
    }
}

#[test]
fn faults_of_the_mock_are_chosen_by_an_option_or_a_header() {
    let world = World::new();
    let mut served = Served::start(&world, &["--fault", "402:1"]);
    assert_eq!(world.run(&["credits", "--base-url", &served.url]).code, 5);
    let expected = json!({"method": "GET", "path": "/api/v1/credits", "operation": "getCredits", "status": 402});
    assert_eq!(served.line(), expected);
    let served = Served::start(&world, &["--host", "127.0.0.1"]);
    let args = ["api", "GET", "/credits", "-H", "x-mock-status: 401", "--base-url", &served.url];
    assert_eq!(world.run(&args).code, 4);
}

#[test]
fn wrong_options_of_the_mock_are_refused() {
    let world = World::new();
    for args in [["--fault", "200:0.5"], ["--fault", "429:7"], ["--pause", "soon"], ["--host", "example.com"]] {
        let ran = world.run(&["mock", args[0], args[1]]);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    let taken = world.server.address().port().to_string();
    let ran = world.run(&["mock", "--port", &taken]);
    assert!(ran.code == 1 && ran.stderr.contains("cannot be used"), "{ran:?}");
}
