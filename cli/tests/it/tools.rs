//! Prompts with tools: an MCP server that is a script of the shell, and a model that calls its tools.

use std::fs;
use std::process::Command;

use openrouter_kit::mock::Answer;
use openrouter_kit::serde_json::{self, Value, json};
use rexpect::session::{PtySession, spawn_command};

use crate::support::{KEY, World, into_closed_pipe, model, soon, streamed};

/// An MCP server with the tools `read`, `write` and `wait`. It writes down what it is called with.
const SERVER: &str = r#"#!/bin/sh
echo "key: $OPENROUTER_API_KEY" >> calls.txt
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  reply() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  tool() { printf '{"name":"%s","description":"Does %s.","inputSchema":{"type":"object"}}' "$1" "$1"; }
  case "$line" in
    *'"initialize"'*) reply '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"notes","version":"1"}}' ;;
    *'"tools/list"'*) reply "{\"tools\":[$(tool read),$(tool write),$(tool wait)]}" ;;
    *'"wait"'*) echo waiting >> calls.txt ;;
    *'"tools/call"'*)
      printf '%s\n' "$line" >> calls.txt
      case "$line" in *fail*) error=true ;; *) error=false ;; esac
      reply "{\"content\":[{\"type\":\"text\",\"text\":\"Buy milk.\\nAnd bread.\"}],\"isError\":$error}" ;;
  esac
done
"#;

fn item(value: Value) -> Value {
    json!({
        "id": "gen-7", "object": "response", "created_at": 1, "status": "completed", "model": "a/b", "output": value,
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
        "usage": {
            "input_tokens": 100, "output_tokens": 10, "total_tokens": 110, "cost": 0.001,
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
        },
    })
}

fn message(text: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({
        "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name, "arguments": arguments,
        "status": "completed",
    })
}

fn says(text: &str) -> Answer {
    Answer::json(200, item(json!([message(text)])))
}

fn calls(calls: &[(&str, &str, &str)]) -> Answer {
    let items: Vec<_> = calls.iter().map(|(id, name, arguments)| call(id, name, arguments)).collect();
    Answer::json(200, item(json!(items)))
}

/// A home directory with the MCP server in it.
fn prepared(answers: impl IntoIterator<Item = Answer>) -> World {
    let world = World::new();
    world.write("server.sh", SERVER);
    for answer in answers {
        world.server.answer(answer);
    }
    world
}

const MCP: [&str; 2] = ["--mcp", "sh server.sh"];

fn requests(world: &World) -> Vec<Value> {
    world.server.requests().iter().map(|request| request.json().to_value()).collect()
}

fn received(world: &World) -> String {
    fs::read_to_string(world.path("calls.txt")).unwrap_or_default()
}

#[test]
fn the_model_calls_tools_and_only_its_last_text_is_printed() {
    let first = item(json!([message("Let me look."), call("c1", "read", "{\"day\":\"today\"}")]));
    let world = prepared([Answer::json(200, first), says("You need milk.")]);
    let ran = world.run(&["What do I need?", MCP[0], MCP[1], "--yes", "-m", "a/b", "-m", "c/d", "-u"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("You need milk.\n", 0), "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        "Let me look.\n[calling read {\"day\":\"today\"}]\n[read returned Buy milk.\\nAnd bread.]\n\
         a/b, 200 + 20 tokens, $0.002, 2 calls of the model, 1 of tools, gen-7\n"
    );
    let requests = requests(&world);
    let names: Vec<_> = requests[0]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["read", "write", "wait"]);
    assert_eq!((&requests[0]["model"], &requests[0]["models"]), (&json!("a/b"), &json!(["c/d"])));
    assert_eq!(requests[1]["input"].as_array().unwrap().last().unwrap()["output"], "Buy milk.\nAnd bread.");
    assert!(received(&world).contains("\"day\":\"today\""), "{}", received(&world));
    assert!(!received(&world).contains(KEY), "the server got the key of the program");
}

#[test]
fn without_a_terminal_calls_run_only_if_they_are_allowed() {
    let both = || calls(&[("c1", "read", "{}"), ("c2", "write", "{\"text\":\"x\"}")]);
    let world = prepared([both(), says("One."), both(), says("Two.")]);
    let ran = world.run(&["Go", MCP[0], MCP[1], "--allow", "re*"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("One.\n", 0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("[write was not run: it needs approval; use --allow write or --yes]"),
        "{}",
        ran.stderr
    );
    let input = requests(&world)[1]["input"].clone();
    let outputs: Vec<_> = input.as_array().unwrap().iter().filter_map(|item| item["output"].as_str()).collect();
    assert_eq!(outputs, ["Buy milk.\nAnd bread.", "The call was rejected: nobody is there to approve it"]);
    assert_eq!(received(&world).matches("tools/call").count(), 1);

    let ran = world.run(&["Go", MCP[0], MCP[1], "--allow", "read", "--allow", "write"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("Two.\n", 0), "{}", ran.stderr);
    assert_eq!(received(&world).matches("tools/call").count(), 3);
}

#[test]
fn only_the_selected_tools_are_offered() {
    let world = prepared([says("Hi.")]);
    let ran = world.run(&["Go", MCP[0], MCP[1], "--tool", "read", "--tool", "wa*"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let names: Vec<_> =
        requests(&world)[0]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["read", "wait"]);
    let ran = world.run(&["Go", MCP[0], MCP[1], "--tool", "delete"]);
    assert_eq!((ran.code, ran.stderr.contains("the tools are: read, write, wait")), (2, true), "{}", ran.stderr);
    let ran = world.run(&["Go", "--yes"]);
    assert_eq!((ran.code, ran.stderr.contains("--yes needs tools")), (2, true), "{}", ran.stderr);
    assert_eq!(world.server.requests().len(), 1);
}

#[test]
fn servers_have_names_in_the_configuration() {
    let world = prepared([calls(&[("c1", "notes_read", "{}")]), says("Done."), says("Plain.")]);
    world.write(
        "config/openrouter/config.toml",
        "[mcp.notes]\ncommand = \"sh server.sh\"\nallow = [\"read\"]\n\n[mcp.more]\ncommand = \"sh server.sh\"\n\
         tools = [\"write\"]\n\n[profiles.default]\nmcp = [\"notes\", \"more\"]\n",
    );
    let ran = world.run(&["Go"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("Done.\n", 0), "{}", ran.stderr);
    let names: Vec<_> =
        requests(&world)[0]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["notes_read", "notes_write", "notes_wait", "more_write"]);
    assert!(received(&world).contains("tools/call"), "the configuration allows it");

    world.run(&["Go", "--no-mcp"]);
    assert!(world.server.requests().last().unwrap().path.ends_with("/chat/completions"), "there are no tools");
    world.write("config/openrouter/config.toml", "[profiles.default]\nmcp = [\"gone\"]\n");
    let ran = world.run(&["Go"]);
    assert_eq!((ran.code, ran.stderr.contains("add [mcp.gone]")), (2, true), "{}", ran.stderr);
    world
        .write("config/openrouter/config.toml", "[mcp.web]\nurl = \"http://127.0.0.1:9/mcp\"\ntoken_env = \"TOKEN\"\n");
    let ran = world.run(&["Go", "--mcp", "web"]);
    assert_eq!((ran.code, ran.stderr.contains("variable TOKEN")), (2, true), "{}", ran.stderr);
}

#[test]
fn a_server_that_cannot_be_used_is_named() {
    let world = prepared([]);
    for (source, part) in [
        ("/no/such/program --x", "/no/such/program"),
        ("true", "cannot be used"),
        ("unclosed 'quote", "close all quotes"),
        ("http://127.0.0.1:9/mcp", "http://127.0.0.1:9/mcp"),
    ] {
        let ran = world.run(&["Go", "--mcp", source]);
        assert!(ran.code != 0 && ran.stderr.starts_with("error: ") && ran.stderr.contains(part), "{source}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{source}: {ran:?}");
    }
    assert_eq!(world.server.connections().opened, 0);
}

#[test]
fn a_conversation_continues_with_its_tool_calls() {
    let world = prepared([calls(&[("c1", "read", "{}")]), says("Milk."), says("Yes, milk.")]);
    world.run(&["What do I need?", MCP[0], MCP[1], "--yes", "-s", "Be brief"]);
    let lines: Vec<Value> = world
        .read("data/openrouter/sessions/last.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let roles: Vec<_> = lines.iter().map(|line| line["message"]["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant"]);
    assert_eq!(
        (&lines[4]["model"], &lines[4]["cost"], &lines[4]["id"]),
        (&json!("a/b"), &json!(0.002), &json!("gen-7"))
    );

    let ran = world.run(&["Sure?", "-c", MCP[0], MCP[1]]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("Yes, milk.\n", 0), "{}", ran.stderr);
    let input = requests(&world)[2]["input"].clone();
    let kinds: Vec<_> =
        input.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap_or("message")).collect();
    assert_eq!(kinds, ["message", "message", "function_call", "function_call_output", "message", "message"]);

    // It also continues without tools.
    world.server.answer(streamed(&["Milk!"]));
    assert_eq!(world.run(&["And now?", "-c"]).stdout, "Milk!\n");
    assert_eq!(world.last_request()["messages"][3]["role"], "tool");
}

#[test]
fn limits_end_a_run() {
    let endless = |number: usize| calls(&[(["a", "b", "c"][number], "read", &format!("{{\"n\":{number}}}"))]);
    let world = prepared([endless(0), endless(1), says("So far: milk.")]);
    let ran = world.run(&["Go", MCP[0], MCP[1], "--yes", "--max-steps", "3"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("So far: milk.\n", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("the limit of model calls is reached"), "{}", ran.stderr);
    assert_eq!(requests(&world)[2]["tool_choice"], "none");

    // A model that goes on calling tools has no response.
    let stubborn = prepared([endless(0), endless(1)]);
    let ran = stubborn.run(&["Go", MCP[0], MCP[1], "--yes", "--max-steps", "2"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", 8), "{}", ran.stderr);
    assert!(ran.stderr.contains("raise --max-steps"), "{}", ran.stderr);

    let slow = prepared([calls(&[("c1", "wait", "{}")])]);
    let ran = slow.run(&["Go", MCP[0], MCP[1], "--yes", "--max-time", "300ms"]);
    assert_eq!((ran.code, ran.stderr.contains("raise --max-time")), (8, true), "{}", ran.stderr);
    slow.server.answer(says("Fine."));
    assert_eq!(slow.run(&["Go on", "-c", MCP[0], MCP[1]]).stdout, "Fine.\n");
    let input = requests(&slow)[1]["input"].clone();
    assert!(input[2]["output"].as_str().unwrap().contains("may have had its effect"), "{input}");
    assert_eq!(world.run(&["Go", "--max-steps", "0"]).code, 2);
}

#[test]
fn a_limit_for_the_cost_bounds_every_request_of_a_run() {
    let world = prepared([calls(&[("c1", "read", "{}")]), says("Milk.")]);
    let priced = json!({"data": model("a/b", "0.000001", "0.00001")});
    world.server.on("GET", "/model/a/b", Answer::json(200, priced).always());
    let args = ["Go", MCP[0], MCP[1], "--yes", "-m", "a/b", "-o", "max_tokens=5000", "--max-cost"];
    let ran = world.run(&[&args[..], &["0.05"]].concat());
    assert_eq!((ran.stdout.as_str(), ran.code), ("Milk.\n", 0), "{}", ran.stderr);
    let posts: Vec<_> = world.server.requests().into_iter().filter(|request| request.method == "POST").collect();
    let bound = |index: usize| posts[index].json().to_value()["max_output_tokens"].as_u64().unwrap();
    assert!(bound(0) <= 5000 && bound(1) < bound(0), "{} {}", bound(0), bound(1));
    assert_eq!(posts[1].json().to_value()["provider"]["max_price"], json!({"prompt": "1", "completion": "10"}));

    let ran = world.run(&[&args[..], &["0.0001"]].concat());
    assert_eq!((ran.code, ran.stderr.contains("raise --max-cost")), (5, true), "{}", ran.stderr);
    let ran = world.run(&[&args[..], &["1", "--web"]].concat());
    assert_eq!((ran.code, ran.stderr.contains("--web")), (2, true), "{}", ran.stderr);
    assert_eq!(world.server.requests().iter().filter(|request| request.method == "POST").count(), 2);
}

#[test]
fn a_run_is_printed_in_the_forms_of_other_prompts() {
    let answers = || [calls(&[("c1", "read", "{}")]), says("```json\n{\"n\": 1}\n```")];
    let world = prepared(answers().into_iter().chain(answers()).chain(answers()).chain(answers()));
    let run = |more: &[&str]| world.run(&[&["Go", MCP[0], MCP[1], "--yes", "--no-save"], more].concat());
    let ran = run(&["--schema", "n int"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("{\"n\": 1}\n", 0), "{}", ran.stderr);
    assert_eq!(requests(&world)[1]["text"]["format"]["schema"]["properties"]["n"]["type"], "integer");
    assert_eq!(run(&["-x"]).stdout, "{\"n\": 1}\n");
    let json: Value = serde_json::from_str(&run(&["--json"]).stdout).unwrap();
    assert_eq!((json["items"].as_array().unwrap().len(), json["status"].as_str()), (4, Some("done")));
    let lines: Vec<Value> = run(&["--jsonl"]).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["type"] == "function_call_output"), "{lines:?}");
    assert_eq!(lines.last().unwrap()["type"], "response.completed");
}

#[test]
fn an_error_keeps_what_the_tools_did() {
    let world = prepared([calls(&[("c1", "write", "{}")]), Answer::error(402, "no credits")]);
    let ran = world.run(&["Go", MCP[0], MCP[1], "--yes"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", 5), "{}", ran.stderr);
    assert!(ran.stderr.contains("no credits"), "{}", ran.stderr);
    world.server.answer(says("Written."));
    assert_eq!(world.run(&["Is it done?", "-c", MCP[0], MCP[1]]).stdout, "Written.\n");
    let input = requests(&world)[2]["input"].clone();
    assert_eq!(input[2]["output"], "Buy milk.\nAnd bread.", "{input}");
}

#[test]
fn a_text_that_was_cut_off_is_printed_and_kept() {
    let mut cut = item(json!([message("Half of")]));
    cut["status"] = "incomplete".into();
    cut["incomplete_details"] = json!({"reason": "max_output_tokens"});
    let world = prepared([Answer::json(200, cut), says("Whole.")]);
    let ran = world.run(&["Go", MCP[0], MCP[1]]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("Half of\n", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("cut off"), "{}", ran.stderr);
    world.run(&["Go on", "-c", MCP[0], MCP[1]]);
    let input = requests(&world)[1]["input"].clone();
    assert_eq!(input.as_array().unwrap().len(), 3, "{input}");
}

#[test]
fn a_tool_that_fails_is_reported() {
    let world = prepared([calls(&[("c1", "read", "{\"x\":\"fail\\u001b[2J\\u202e\"}")]), says("It failed.")]);
    let ran = world.run(&["Go", MCP[0], MCP[1], "--yes"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("It failed.\n", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("[read failed: Buy milk.\\nAnd bread.]"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(['\u{1b}', '\u{202e}']), "{}", ran.stderr);
}

#[test]
fn a_dry_run_shows_the_tools_that_would_be_offered() {
    let world = prepared([]);
    let ran = world.run(&["Go", MCP[0], MCP[1], "--dry-run"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("curl ") && ran.stdout.contains("\"name\":\"write\""), "{}", ran.stdout);
    assert_eq!(world.server.connections().opened, 0);
}

#[test]
fn the_model_can_search_the_web() {
    let world = prepared([streamed(&["Sunny."]), says("Sunny.")]);
    assert_eq!(world.run(&["Weather?", "--web"]).stdout, "Sunny.\n");
    assert_eq!(world.last_request()["tools"], json!([{"type": "openrouter:web_search"}]));
    assert_eq!(world.run(&["Weather?", "--web", MCP[0], MCP[1], "--tool", "read"]).stdout, "Sunny.\n");
    let kinds: Vec<_> =
        world.last_request()["tools"].as_array().unwrap().iter().map(|tool| tool["type"].clone()).collect();
    assert_eq!(kinds, ["openrouter:web_search", "function"]);
}

fn open(command: Command) -> PtySession {
    spawn_command(command, Some(60_000)).unwrap()
}

fn code(session: &PtySession) -> i32 {
    match session.process().wait().unwrap() {
        nix::sys::wait::WaitStatus::Exited(_, code) => code,
        other => panic!("the program ended with {other:?}"),
    }
}

#[test]
fn a_person_approves_calls_one_by_one() {
    let answers = [
        calls(&[("c1", "read", "{\"a\":\"\\u001b[2J\\u202e\"}")]),
        calls(&[("c2", "write", "{}")]),
        calls(&[("c3", "write", "{\"n\":2}")]),
        calls(&[("c4", "read", "{\"n\":3}")]),
        says("Done."),
    ];
    let world = prepared(answers);
    let mut session = open(world.command(&["Go", MCP[0], MCP[1]]));
    let asked = session.exp_string("say why not: ").unwrap();
    assert!(asked.contains("The model wants to call read with {\"a\":\"\\u001b[2J\\u202e\"}"), "{asked:?}");
    session.send_line("y").unwrap();
    session.exp_string("[read returned").unwrap();
    session.exp_string("call write with {}").unwrap();
    session.exp_string("say why not: ").unwrap();
    session.send_line("a").unwrap();
    // The second call of this tool is not asked for.
    session.exp_string("[write returned").unwrap();
    session.exp_string("[write returned").unwrap();
    session.exp_string("say why not: ").unwrap();
    session.send_line("too late in the day").unwrap();
    session.exp_string("Done.").unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 0);
    let last = world.last_request()["input"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["output"], "The call was rejected: too late in the day");
    assert_eq!(received(&world).matches("tools/call").count(), 3);
}

#[test]
fn an_interrupt_stops_a_tool_at_once_and_the_conversation_stays_valid() {
    let world = prepared([calls(&[("c1", "read", "{}"), ("c2", "wait", "{}")]), says("Fine.")]);
    let mut session = open(world.command(&["Go", MCP[0], MCP[1], "--yes"]));
    session.exp_string("[read returned").unwrap();
    soon(|| received(&world).contains("waiting"));
    session.send_control('c').unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 130);
    assert_eq!(world.run(&["Go on", "-c", MCP[0], MCP[1]]).stdout, "Fine.\n");
    let input = requests(&world)[1]["input"].clone();
    let outputs: Vec<_> = input.as_array().unwrap().iter().filter_map(|item| item["output"].as_str()).collect();
    assert_eq!(outputs.len(), 2, "{input}");
    assert!(outputs[1].contains("may have had its effect"), "{input}");
}

#[test]
fn an_interrupt_at_the_approval_in_a_chat_stops_the_response_alone() {
    let world = prepared([calls(&[("c1", "write", "{}")]), calls(&[("c2", "read", "{}")]), says("Read.")]);
    let mut session = open(world.command(&["chat", MCP[0], MCP[1], "--allow", "read"]));
    session.exp_string("> ").unwrap();
    session.send_line("Write it").unwrap();
    session.exp_string("say why not: ").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("stopped").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/tools").unwrap();
    session.exp_string("read (runs without asking)  Does read.").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("Then read it").unwrap();
    session.exp_string("Read.").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/cost").unwrap();
    session.exp_string("$0.003").unwrap();
    session.send_control('d').unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 0);
    let input = requests(&world)[1]["input"].clone();
    assert_eq!(input[2]["output"], "The call was rejected: the user stopped the run", "{input}");
    assert!(!received(&world).contains("\"write\""), "{}", received(&world));
}

#[test]
fn a_closed_pipe_ends_a_run_silently() {
    let world = prepared([says("Milk.")]);
    let ran = into_closed_pipe(world.command(&["Go", MCP[0], MCP[1]]));
    assert_eq!((ran.code, ran.stderr.as_str()), (141, ""));
}

#[test]
fn a_pipe_gives_the_prompt_while_the_terminal_approves() {
    let world = prepared([calls(&[("c1", "write", "{}")]), says("Done.")]);
    let mut session =
        open(world.shell("echo 'Buy milk' | \"$openrouter\" 'Write it down' --mcp 'sh server.sh' > out.txt"));
    session.exp_string("say why not: ").unwrap();
    session.send_line("y").unwrap();
    session.exp_string("[write returned").unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 0);
    assert_eq!(world.read("out.txt"), "Done.\n");
    assert_eq!(requests(&world)[0]["input"][0]["content"], "Buy milk\n\nWrite it down");
}

#[test]
fn the_options_of_a_chat_keep_their_meaning_with_tools() {
    let world = prepared([says("Hi.")]);
    let options = ["-o", "max_tokens=9", "-o", "reasoning_effort=low", "-o", "temperature=0.5"];
    assert_eq!(world.run(&[&["Go", MCP[0], MCP[1]], &options[..]].concat()).code, 0);
    let request = world.last_request();
    assert_eq!((&request["max_output_tokens"], &request["temperature"]), (&json!(9), &json!(0.5)));
    assert_eq!(request["reasoning"], json!({"effort": "low"}));
}
