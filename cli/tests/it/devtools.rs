//! Recordings in the terminal: lists, one call, exports, and the server that replays them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use openrouter_kit::mock::Answer;
use openrouter_kit::serde_json::{self, Value, json};

use crate::support::{Ran, World, finish};

/// A recording of four calls: a stream that was retried, one that failed, and one that has no end.
pub(crate) const WEATHER: &str = include_str!("../recordings/weather-1.jsonl");

/// What the exports of the first call are. They are compiled, and the test is run.
#[allow(dead_code, unused_qualifications, clippy::print_stdout, reason = "they are programs of their own")]
mod exported {
    mod rust {
        include!("exported/rust.rs");
    }
    mod test {
        include!("exported/test.rs");
    }
}

fn devtools(world: &World, args: &[&str]) -> Ran {
    let (command, args) = args.split_first().unwrap();
    world.run(&[&["devtools", command, "--dir", "recordings"], args].concat())
}

fn world() -> World {
    let world = World::new();
    world.write("recordings/weather-1.jsonl", WEATHER);
    world
}

fn ids(ran: &Ran) -> Vec<String> {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout.lines().map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn calls_are_listed_in_their_order_or_by_what_they_cost() {
    let world = world();
    let ran = devtools(&world, &["list"]);
    assert_eq!(ids(&ran), ["weather-1", "weather-2", "weather-3", "weather-4"]);
    let first = ran.stdout.lines().next().unwrap();
    assert_eq!(
        first,
        "2026-11-26 09:00:00\tweather-1\t/chat/completions\topenai/gpt-4o-mini\t200 (2 attempts)\t250 ms\t190 ms\t27\t\
         $0.0000072\tIs it sunny in \"Lisbon\"?"
    );
    assert_eq!(ids(&devtools(&world, &["list", "--sort", "cost", "-n", "2"])), ["weather-1", "weather-2"]);
    assert_eq!(ids(&devtools(&world, &["list", "--sort", "retries", "-n", "1"])), ["weather-1"]);
    let ran = devtools(&world, &["list", "--jsonl", "-n", "1", "--sort", "cost"]);
    let call: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&call["id"], &call["cost"], &call["retrying"]),
        (&json!("weather-1"), &json!("0.0000072"), &json!(71.5))
    );
    assert_eq!(call["response"], "It is sunny in Lisbon.");
    assert_eq!(devtools(&world, &["list", "--json"]).stdout.matches("\"id\"").count(), 4);
}

#[test]
fn filters_choose_calls_by_what_they_name() {
    let world = world();
    for (filter, found) in [
        ("model:gpt", &["1"][..]),
        ("op:embed", &["2"]),
        ("is:error", &["3"]),
        ("is:retried", &["1"]),
        ("is:stream", &["1"]),
        ("is:unfinished", &["4"]),
        ("status:2xx", &["1", "2"]),
        ("cost:>0.000001", &["1"]),
        ("cost:<0.000001", &["2"]),
        ("time:>200ms", &["1"]),
        ("first:>0.1", &["1"]),
        ("tokens:2", &["2"]),
        ("attempts>1", &["1"]),
        ("LISBON", &["1"]),
        ("\"sunny in\"", &["1"]),
        ("refused", &["3"]),
        ("-lisbon -is:error", &["2", "4"]),
        ("since:2026-11-26T09:00:05Z", &["3", "4"]),
        ("run:weather gen-weather-1", &["1"]),
        ("nothing", &[]),
    ] {
        let ids: Vec<_> = ids(&devtools(&world, &["list", "--", filter]));
        let found: Vec<_> = found.iter().map(|number| format!("weather-{number}")).collect();
        assert_eq!(ids, found, "{filter}");
    }
    for args in [["--model", "GPT-4o"], ["--slow", "0.2"], ["--cost", "0.000001"], ["--text", "sunny in \"lis"]] {
        assert_eq!(ids(&devtools(&world, &[&["list"], &args[..]].concat())), ["weather-1"], "{args:?}");
    }
    assert_eq!(ids(&devtools(&world, &["list", "--status", "200", "--since", "2020-01-01"])).len(), 2);
    for (wrong, advice) in [
        ("modell:x", "model:"),
        ("cost:>much", "cost:>2"),
        ("status:bad", "status:429"),
        ("is:odd", "is:error"),
        ("since:soon", "2026-11-26"),
    ] {
        let ran = devtools(&world, &["list", wrong]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(advice), "{}", ran.stderr);
    }
}

#[test]
fn one_call_is_shown_with_its_attempts_and_messages() {
    let world = world();
    let ran = devtools(&world, &["show", "gen-weather-1"]);
    for (name, value) in [
        ("id", "weather-1"),
        ("lost to retries", "72 ms"),
        ("cost", "$0.0000072"),
        ("branch", "main"),
        ("from the cache", "16"),
    ] {
        let line = ran.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {ran:?}"));
        assert_eq!(line[name.len()..].trim(), value);
    }
    for part in [
        "Attempt 1: sent at 0 ms, 429 at 50 ms, failed at 51 ms",
        "waits 20 ms",
        "Attempt 2: sent at 72 ms, 200 at 171 ms, 6 events from 190 ms, ended at 250 ms",
        "  system: Answer in one sentence.",
        "  user: Is it sunny in \"Lisbon\"?",
        "  assistant: It is sunny in Lisbon.",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let events = devtools(&world, &["show", "weather-1", "--events"]).stdout;
    assert!(events.contains("230 ms  data: {\"id\"") && events.contains("250 ms  data: [DONE]"), "{events}");
    assert!(devtools(&world, &["show", "weather-2", "--raw"]).stdout.contains("\"embedding\":[0.5,0.25]"));
    let json: Value = serde_json::from_str(&devtools(&world, &["show", "last", "--json"]).stdout).unwrap();
    assert_eq!((&json["call"]["id"], &json["run"]["pid"]), (&json!("weather-4"), &json!(4711)));
    for id in ["weather-9", "", "nothing", "-", "weather-99999999999999999999"] {
        assert_eq!(devtools(&world, &["show", "--", id]).code, 2, "{id}");
    }
}

#[test]
fn exports_have_the_form_of_other_programs() {
    let world = world();
    let export = |format: &str, ids: &[&str]| {
        let ids: Vec<_> = ids.iter().flat_map(|id| ["--id", id]).collect();
        let ran = devtools(&world, &[&["export", "--format", format], ids.as_slice()].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    };
    let har: Value = serde_json::from_str(&export("har", &[])).unwrap();
    assert_eq!(har["log"]["version"], "1.2");
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[0]["startedDateTime"], "2026-11-26T09:00:00.260Z");
    assert_eq!((&entries[0]["response"]["status"], &entries[1]["response"]["status"]), (&json!(429), &json!(200)));
    assert_eq!(entries[3]["request"]["url"], "https://openrouter.ai/api/v1/models?category=programming");
    for entry in entries {
        let timings = &entry["timings"];
        let sum: f64 = ["send", "wait", "receive"].iter().map(|name| timings[name].as_f64().unwrap()).sum();
        assert!((sum - entry["time"].as_f64().unwrap()).abs() < 0.001, "{entry}");
    }
    let otlp: Value = serde_json::from_str(&export("otlp", &[])).unwrap();
    let spans = otlp["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!((spans.len(), &spans[0]["name"]), (4, &json!("chat openai/gpt-4o-mini")));
    assert_eq!(spans[0]["startTimeUnixNano"], "1795683600260000000");
    assert_eq!((spans[0]["traceId"].as_str().unwrap().len(), spans[0]["spanId"].as_str().unwrap().len()), (32, 16));
    let attribute = |span: &Value, name: &str| {
        let attributes = span["attributes"].as_array().unwrap();
        attributes.iter().find(|attribute| attribute["key"] == name).map(|attribute| attribute["value"].clone())
    };
    for (name, value) in [
        ("gen_ai.operation.name", json!({"stringValue": "chat"})),
        ("gen_ai.usage.input_tokens", json!({"intValue": "20"})),
        ("gen_ai.usage.cache_read.input_tokens", json!({"intValue": "16"})),
        ("gen_ai.response.finish_reasons", json!({"arrayValue": {"values": [{"stringValue": "stop"}]}})),
        ("gen_ai.response.time_to_first_chunk", json!({"doubleValue": 0.19})),
        ("openrouter.cost", json!({"doubleValue": 0.0000072})),
        ("openrouter.attempts", json!({"intValue": "2"})),
    ] {
        assert_eq!(attribute(&spans[0], name), Some(value), "{name}");
    }
    assert_eq!(spans[0]["events"][0]["name"], "attempt failed");
    assert_eq!((&spans[2]["status"]["code"], &spans[2]["name"]), (&json!(2), &json!("GET /models")));
    let curl = export("curl", &["weather-1"]);
    assert!(curl.starts_with("curl -X 'POST' 'https://openrouter.ai/api/v1/chat/completions' \\\n"), "{curl}");
    assert!(curl.contains("Bearer $OPENROUTER_API_KEY") && curl.contains(r#"Is it sunny in \"Lisbon\"?"#), "{curl}");
    let lines = export("jsonl", &["weather-2"]);
    let kinds: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].take()).collect();
    assert_eq!(kinds, ["file", "request", "response", "body", "end"]);
    let saved = devtools(&world, &["export", "--format", "jsonl", "--id", "weather-2", "-o", "one.jsonl"]);
    assert_eq!((saved.code, world.read("one.jsonl")), (0, lines));
    let none = devtools(&world, &["export", "nothing"]);
    assert_eq!((none.code, none.stdout.as_str()), (2, ""));
    for (format, file) in [("rust", "rust.rs"), ("test", "test.rs")] {
        let path = format!("{}/tests/it/exported/{file}", env!("CARGO_MANIFEST_DIR"));
        let exported =
            export(format, &["weather-1", "weather-2", "weather-3"]).replace("fn main()", "fn main_of_call()");
        // Each is a program, so that a file of several has to name them.
        let mut parts = exported.split("fn main_of_call()");
        let mut named = parts.next().unwrap().to_owned();
        for (number, part) in parts.enumerate() {
            named.push_str(&format!("fn main_{number}(){part}"));
        }
        if std::env::var_os("UPDATE_EXPORTED").is_some() {
            fs::write(&path, &named).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), named, "UPDATE_EXPORTED=1 writes {path} anew");
    }
}

#[test]
fn what_another_program_recorded_cannot_take_over_the_terminal() {
    let world = World::new();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\nrm -rf ~'$(id)`id`";
    let mut lines: Vec<Value> = WEATHER.lines().take(2).map(|line| serde_json::from_str(line).unwrap()).collect();
    lines[0]["cwd"] = evil.into();
    lines[0]["branch"] = evil.into();
    lines[1]["operation"] = evil.into();
    lines[1]["path"] = format!("@evil.example/{evil}").into();
    lines[1]["headers"] = json!([[evil, evil]]);
    lines[1]["body"] = json!({"model": evil, "messages": [{"role": evil, "content": evil}]}).to_string().into();
    lines.push(
        json!({"n": 2, "kind": "events", "call": 1, "attempt": 1, "at": 20, "body": format!("data: {evil}\n\n")}),
    );
    lines.push(json!({"n": 3, "kind": "end", "call": 1, "attempt": 1, "at": 30, "outcome": "failed", "error": evil,
        "provider": evil, "generation_id": evil, "finish_reasons": [evil], "cost": evil}));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    world.write("recordings/evil\u{1b}[31m-1.jsonl", text);
    world.write("recordings/broken\u{1b}[31m.jsonl", "{\"n\":0,\"kind\":\"file\",\"version\":9}\n");
    for args in [
        &["list"][..],
        &["show", "last"],
        &["show", "last", "--events"],
        &["show", "last", "--raw"],
        &["list", "is:\u{1b}[31m"],
    ] {
        let ran = devtools(&world, args);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(
                !text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t'),
                "{args:?} {text}"
            );
        }
        assert!(ran.stdout.lines().all(|line| !line.starts_with("rm -rf")), "{args:?} {}", ran.stdout);
    }
    assert!(devtools(&world, &["list"]).stderr.contains("version 9 of the format"));
    #[cfg(unix)]
    for args in [&["list"][..], &["show", "last"], &["export", "--format", "curl"], &["export", "--format", "test"]] {
        let command = world.command(&[&["devtools", args[0], "--dir", "recordings"], &args[1..]].concat());
        let shown = rexpect::session::spawn_command(command, Some(60_000)).unwrap().exp_eof().unwrap();
        assert!(shown.contains("owned") || args[0] == "list", "{shown:?}");
        for sequence in ["\u{1b}]0", "\u{1b}[2J", "\u{7}", "\u{9b}"] {
            assert!(!shown.contains(sequence), "{args:?} {shown:?}");
        }
    }
    let curl = devtools(&world, &["export", "--format", "curl"]).stdout;
    let url = curl.lines().next().unwrap();
    assert!(url.starts_with("curl -X 'POST' 'https://openrouter.ai/api/v1/@evil.example/"), "{url}");
    let program = format!("curl() {{ for word in \"$@\"; do printf '%s\\n' \"[$word]\"; done; }}\n{curl}");
    let words = finish(
        {
            let mut command = world.shell(&program);
            command.env("OPENROUTER_API_KEY", "key");
            command
        },
        b"",
    );
    assert!(words.stdout.contains("$(id)`id`") && !words.stdout.contains("uid="), "{words:?}");
    for format in ["har", "otlp"] {
        let json = devtools(&world, &["export", "--format", format]).stdout;
        assert!(serde_json::from_str::<Value>(&json).is_ok(), "{format}: {json}");
    }
}

#[test]
fn odd_files_hide_nothing_that_is_readable() {
    let world = world();
    let first = WEATHER.lines().next().unwrap().replace("4711", "4712");
    // By hand, since a serializer without optimization takes seconds for it.
    let mut odd = format!("{first}\n").into_bytes();
    odd.extend_from_slice(br#"{"n":1,"kind":"request","call":1,"attempt":1,"at":1,"method":"POST","path":"/responses","operation":"huge","#);
    odd.extend_from_slice(br#""body":"{\"model\":\"a/huge\",\"input\":\""#);
    odd.resize(odd.len() + 100 * 1024 * 1024, b'x');
    odd.extend_from_slice(b"\\\"}\"}\n");
    let end = json!({"n": 2, "kind": "end", "call": 1, "attempt": 1, "at": 9, "outcome": "completed", "status": 200});
    odd.extend_from_slice(format!("{end}\nnot json\n[1]\n{{}}\n").as_bytes());
    odd.extend_from_slice(
        b"{\"n\":3,\"kind\":\"request\",\"call\":2,\"attempt\":1,\"at\":10,\"path\":\"/\xff\xfe\"}\n",
    );
    odd.extend_from_slice(
        b"{\"n\":4,\"kind\":\"later\",\"call\":2,\"attempt\":1}\n{\"n\":5,\"kind\":\"end\",\"call\":2,\"at\":",
    );
    world.write("recordings/odd-1.jsonl", odd);
    world.write("recordings/empty-1.jsonl", "");
    world.write("recordings/headless-1.jsonl", WEATHER.split_once('\n').unwrap().1);
    world.write("secret", "a secret");
    #[cfg(unix)]
    std::os::unix::fs::symlink(world.path("secret"), world.path("recordings/link.jsonl")).unwrap();
    let ran = devtools(&world, &["list", "--jsonl"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let calls: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(calls.len(), 6);
    let of = |id: &str| calls.iter().find(|call| call["id"] == id).unwrap();
    assert_eq!((&of("odd-1")["operation"], &of("odd-1")["outcome"]), (&json!("huge"), &json!("completed")));
    assert_eq!((&of("odd-2")["path"], &of("odd-2")["outcome"]), (&json!("/\u{fffd}\u{fffd}"), &json!("unfinished")));
    assert!(ran.stderr.contains("odd-1.jsonl: 3 lines are not readable"), "{}", ran.stderr);
    assert!(ran.stderr.contains("headless-1.jsonl: "), "{}", ran.stderr);
    let shown = devtools(&world, &["show", "odd-1", "--raw"]);
    assert!(shown.stdout.len() < 20 * 1024 * 1024 && shown.stdout.ends_with("(cut off)\n"), "{}", shown.stdout.len());
}

#[test]
fn values_are_read_from_their_folder_alone() {
    let world = World::new();
    let lines: Vec<&str> = WEATHER.lines().take(2).collect();
    let with = |hash: &str| {
        let mut line: Value = serde_json::from_str(lines[1]).unwrap();
        line["body"] = json!({"sha256": hash, "length": 300_000});
        format!("{}\n{line}\n", lines[0])
    };
    world.write("recordings/secret", "a secret");
    let hash = "ab".repeat(32);
    world.write(&format!("recordings/values/{hash}"), r#"{"messages":[{"role":"user","content":"a large one"}]}"#);
    world.write("recordings/weather-1.jsonl", with(&hash));
    assert!(devtools(&world, &["show", "last"]).stdout.contains("user: a large one"));
    for path in [
        "../secret",
        "..",
        "",
        "/etc/hostname",
        "%2e%2e/secret",
        &world.path("recordings/secret").display().to_string(),
    ] {
        world.write("recordings/weather-1.jsonl", with(path));
        let shown = devtools(&world, &["show", "last", "--raw"]).stdout;
        assert!(shown.contains("cannot be read") && !shown.contains("a secret"), "{shown}");
    }
    #[cfg(unix)]
    {
        let link = "cd".repeat(32);
        std::os::unix::fs::symlink(world.path("recordings/secret"), world.path(&format!("recordings/values/{link}")))
            .unwrap();
        world.write("recordings/weather-1.jsonl", with(&link));
        assert!(!devtools(&world, &["show", "last", "--raw"]).stdout.contains("a secret"));
    }
}

#[test]
fn a_recorded_prompt_is_listed_and_replayed() {
    let world = World::new();
    world.server.on(
        "POST",
        "/chat/completions",
        Answer::stream([crate::support::chunk(json!({"content": "Hello!"})), crate::support::last_chunk("stop")]),
    );
    let mut command = world.command(&["Say hello", "-m", "a/b"]);
    command.env("OPENROUTER_DEVTOOLS", "1").env("OPENROUTER_DEVTOOLS_DIR", world.path("recordings"));
    assert_eq!(finish(command, b"").code, 0);
    let ran = devtools(&world, &["list", "--jsonl"]);
    let call: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&call["prompt"], &call["response"]), (&json!("Say hello"), &json!("Hello!")));
    assert_eq!(devtools(&world, &["export", "--format", "jsonl", "-o", "hello.jsonl"]).code, 0);
    let mut replay = world.command(&["replay", "hello.jsonl"]);
    let mut replay = replay.stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(replay.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let again = world.run(&["Say hello", "-m", "a/b", "--base-url", url.trim()]);
    replay.kill().unwrap();
    replay.wait().unwrap();
    assert_eq!((again.code, again.stdout.as_str()), (0, "Hello!\n"));
    for (file, advice) in [("missing.jsonl", "missing.jsonl cannot be read"), ("secret.jsonl", "secret.jsonl")] {
        world.write("secret.jsonl", "no recording\n");
        let ran = world.run(&["replay", file]);
        assert!(ran.code == 2 && ran.stderr.contains(advice), "{ran:?}");
    }
}

#[test]
fn a_folder_without_recordings_says_how_to_make_some() {
    let world = World::new();
    let ran = world.run(&["devtools", "list"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(
        ran.stderr.contains(".openrouter/devtools does not exist; record calls with OPENROUTER_DEVTOOLS=1"),
        "{ran:?}"
    );
}
