//! The program on a terminal.

use std::process::Command;

use nix::sys::wait::WaitStatus;
use openrouter_kit::mock::{Answer, Event, Fault, Place};
use openrouter_kit::serde_json::json;
use rexpect::session::{PtySession, spawn_command};

use crate::support::{World, chunk, last_chunk, model, streamed};

/// Long enough for the slowest machine; a test that passes never waits for it.
const LIMIT: Option<u64> = Some(60_000);

fn open(command: Command) -> PtySession {
    spawn_command(command, LIMIT).unwrap()
}

fn code(session: &PtySession) -> i32 {
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => code,
        other => panic!("the program ended with {other:?}"),
    }
}

#[test]
fn an_interrupt_ends_the_program_and_the_call() {
    let world = World::new();
    world.server.answer(Answer::events([chunk(json!({"content": "Hel"}))]).fault(Fault::Stall, Place::BeforeEnd));
    let mut session = open(world.command(&["hello"]));
    session.send_control('d').unwrap();
    session.exp_string("Hel").unwrap();
    session.send_control('c').unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 130);
    world.block_on(world.server.all_closed());
}

#[test]
fn reasoning_is_shown_beside_the_response_and_control_characters_are_not() {
    let world = World::new();
    let pieces =
        [chunk(json!({"reasoning": "Thinking"})), chunk(json!({"content": "Red \u{1b}[31m."})), last_chunk("stop")];
    world.server.answer(Answer::stream(pieces.clone())).answer(Answer::stream(pieces));
    let shown = open(world.command(&["hello"])).exp_eof().unwrap();
    assert!(shown.contains("Thinking") && shown.contains("[31m.") && !shown.contains("\u{1b}[31m"), "{shown:?}");
    let shown = open(world.command(&["hello", "-R"])).exp_eof().unwrap();
    assert!(!shown.contains("Thinking"), "{shown:?}");
}

#[test]
fn colors_are_left_out_on_request() {
    let world = World::new();
    let mut session = open(world.command(&["x", "-c"]));
    let shown = session.exp_eof().unwrap();
    assert!(shown.contains("\u{1b}[31m") && shown.contains("error:"), "{shown:?}");
    assert_eq!(code(&session), 2);
    let mut command = world.command(&["x", "-c"]);
    command.env("NO_COLOR", "1");
    let shown = open(command).exp_eof().unwrap();
    assert!(shown.starts_with("error: no conversation"), "{shown:?}");
}

#[test]
fn a_table_has_a_header_and_fits_the_terminal() {
    let world = World::new();
    let models = [model("a/a-model-with-a-name-that-is-much-longer-than-most-terminals-are-wide", "0.000001", "0")];
    world.server.on("GET", "/models", Answer::json(200, json!({"data": models})));
    let mut command = world.command(&["models"]);
    command.env("NO_COLOR", "1");
    // The terminal of the test gives each byte as a character.
    let bytes: Vec<u8> = open(command).exp_eof().unwrap().chars().map(|letter| letter as u8).collect();
    let shown = String::from_utf8(bytes).unwrap();
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[0].starts_with("MODEL") && lines[0].trim_end().ends_with("$/M OUT"), "{shown}");
    assert!(lines[1].contains('…') && lines[1].chars().count() <= 80, "{shown}");
    assert_eq!(lines[2], "1 model");
}

#[test]
fn a_file_is_not_written_to_a_terminal() {
    let world = World::new();
    let mut session = open(world.command(&["speech", "Hello", "-m", "a/b"]));
    assert!(session.exp_eof().unwrap().contains("-o FILE"));
    assert_eq!((code(&session), world.server.connections().opened), (2, 0));
}

#[test]
fn deleting_a_key_is_confirmed() {
    let world = World::new();
    let key =
        json!({"data": {"hash": "h", "name": "ci", "label": "sk-or-v1-abc...def", "usage": 0, "disabled": false}});
    world.server.on("GET", "/keys/h", Answer::json(200, key).always());
    world.server.on("DELETE", "/keys/h", Answer::json(200, json!({"deleted": true})));
    let mut session = open(world.command(&["keys", "delete", "h"]));
    session.exp_string("Delete the key \"ci\"").unwrap();
    session.send_line("n").unwrap();
    session.exp_string("nothing was deleted").unwrap();
    assert_eq!(code(&session), 1);
    let mut session = open(world.command(&["keys", "delete", "h"]));
    session.exp_string("[y/N]").unwrap();
    session.send_line("y").unwrap();
    session.exp_string("deleted h").unwrap();
    assert_eq!(code(&session), 0);
}

#[test]
fn a_chat_keeps_the_conversation_and_its_cost() {
    let world = World::new();
    world.server.answer(streamed(&["Hello."])).answer(streamed(&["Again."])).answer(streamed(&["Third."]));
    let mut session = open(world.command(&["chat", "-m", "a/b", "-s", "Be brief"]));
    session.exp_string("> ").unwrap();
    session.send_line("Hi").unwrap();
    session.exp_string("Hello.").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/model c/d").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("one \\").unwrap();
    session.send_line("two").unwrap();
    session.exp_string("Again.").unwrap();
    session.exp_string("> ").unwrap();
    let request = world.last_request();
    assert_eq!(request["model"], "c/d");
    let contents: Vec<_> = request["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(contents, ["Be brief", "Hi", "Hello.", "one \ntwo"]);
    session.send_line("/retry").unwrap();
    session.exp_string("Third.").unwrap();
    session.exp_string("> ").unwrap();
    assert_eq!(world.last_request()["messages"].as_array().unwrap().len(), 4, "the response is asked for again");
    session.send_line("/cost").unwrap();
    session.exp_string("$0.00075").unwrap();
    session.send_line("/save talk").unwrap();
    session.exp_string("--session talk").unwrap();
    session.send_line("/nonsense").unwrap();
    session.exp_string("unknown command /nonsense").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/quit").unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 0);
    assert_eq!(world.read("data/openrouter/sessions/talk.jsonl").lines().count(), 5);
    assert!(world.read("data/openrouter/history.txt").contains("Hi"));
    assert_eq!(crate::support::mode(&world.path("data/openrouter/history.txt")), 0o600);
}

#[test]
fn an_interrupt_in_a_chat_stops_the_response_alone() {
    let world = World::new();
    let start = [Event::from(chunk(json!({"content": "Endless"})))];
    world.server.answer(Answer::events(start).fault(Fault::Stall, Place::BeforeEnd)).answer(streamed(&["Short."]));
    let mut session = open(world.command(&["chat"]));
    session.exp_string("> ").unwrap();
    session.send_line("Tell me everything").unwrap();
    session.exp_string("Endless").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("stopped").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("Briefly").unwrap();
    session.exp_string("Short.").unwrap();
    session.exp_string("> ").unwrap();
    assert_eq!(world.last_request()["messages"][1]["content"], "Endless", "what was shown is in the conversation");
    session.send_control('d').unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 0);
}

#[test]
fn an_error_in_a_chat_does_not_end_it() {
    let world = World::new();
    let failed = Answer::error(402, "no credits");
    world.server.answer(streamed(&["First."])).answer(failed).answer(streamed(&["Paid."]));
    let mut session = open(world.command(&["chat"]));
    session.exp_string("> ").unwrap();
    session.send_line("one").unwrap();
    session.exp_string("First.").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("two").unwrap();
    session.exp_string("no credits").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/retry").unwrap();
    session.exp_string("Paid.").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/quit").unwrap();
    session.exp_eof().unwrap();
    let messages = world.last_request()["messages"].clone();
    assert_eq!((&messages[0]["content"], &messages[2]["content"]), (&json!("one"), &json!("two")), "{messages}");
}

#[test]
fn an_interrupt_ends_a_question_to_the_user() {
    let world = World::new();
    let key =
        json!({"data": {"hash": "h", "name": "ci", "label": "sk-or-v1-abc...def", "usage": 0, "disabled": false}});
    world.server.on("GET", "/keys/h", Answer::json(200, key));
    let mut session = open(world.command(&["keys", "delete", "h"]));
    session.exp_string("[y/N]").unwrap();
    session.send_control('c').unwrap();
    session.exp_eof().unwrap();
    assert_eq!(code(&session), 130);
    assert_eq!(world.server.requests().len(), 1);
}

#[test]
fn an_interrupt_at_the_prompt_of_a_chat_drops_the_line() {
    let world = World::new();
    world.server.answer(streamed(&["Yes."]));
    let mut session = open(world.command(&["chat"]));
    session.exp_string("> ").unwrap();
    session.send("not this").unwrap();
    session.flush().unwrap();
    session.exp_string("not this").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("but this").unwrap();
    session.exp_string("Yes.").unwrap();
    assert_eq!(world.last_request()["messages"][0]["content"], "but this");
    session.send_control('d').unwrap();
    session.exp_eof().unwrap();
}

#[test]
fn an_interrupt_while_input_is_read_ends_the_program() {
    let world = World::new();
    let mut session = open(world.shell("echo ready; exec \"$openrouter\" ask -f -"));
    session.exp_string("ready").unwrap();
    session.send_control('c').unwrap();
    session.exp_eof().unwrap();
    let status = session.process().wait().unwrap();
    assert!(matches!(status, WaitStatus::Signaled(..)), "{status:?}");
    assert_eq!(world.server.connections().opened, 0);
}

#[test]
fn a_chat_whose_output_goes_to_a_file_prompts_on_the_terminal() {
    let world = World::new();
    world.server.answer(streamed(&["Hello."]));
    let mut session = open(world.shell("\"$openrouter\" chat > out.txt"));
    session.exp_string("> ").unwrap();
    session.send_line("Hi").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/quit").unwrap();
    session.exp_eof().unwrap();
    assert_eq!(world.read("out.txt"), "Hello.\n");
}
