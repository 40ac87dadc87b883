//! Prompts through pipes.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use openrouter_kit::mock::{Answer, Event, Fault, Place};
use openrouter_kit::serde_json::{self, Value, json};

use crate::support::{KEY, World, chunk, last_chunk, mode, model, ran, streamed, whole};

#[test]
fn a_prompt_without_a_command_prints_the_response_alone() {
    let world = World::new();
    world.server.answer(streamed(&["Hel", "lo."]));
    let ran = world.run(&["Say hello"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("Hello.\n", "", 0));
    let request = world.last_request();
    assert_eq!(request["model"], "openrouter/auto");
    assert_eq!(request["messages"], json!([{"role": "user", "content": "Say hello"}]));
    assert_eq!(world.server.requests()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

#[test]
fn files_and_piped_text_come_before_the_prompt() {
    let world = World::new();
    let file = world.write("notes.txt", "From a file.\n");
    world.server.answer(streamed(&["ok"]));
    let ran =
        world.run_with(&["ask", "Summarize", "-f", &file, "-s", "Be brief", "-m", "a/b", "-m", "c/d"], "Piped.\n");
    assert_eq!((ran.stdout.as_str(), ran.code), ("ok\n", 0));
    let request = world.last_request();
    assert_eq!(request["messages"][0], json!({"role": "system", "content": "Be brief"}));
    assert_eq!(request["messages"][1]["content"], format!("--- {file} ---\nFrom a file.\n\nPiped.\n\nSummarize"));
    assert_eq!((&request["model"], &request["models"]), (&json!("a/b"), &json!(["c/d"])));
}

#[test]
fn usage_is_shown_on_standard_error() {
    let world = World::new();
    world.server.answer(streamed(&["Hi"]));
    let ran = world.run(&["hello", "-u"]);
    assert_eq!(ran.stdout, "Hi\n");
    assert_eq!(ran.stderr, "a/b, Local, 5 + 2 tokens, $0.00025, gen-1\n");
}

#[test]
fn json_is_the_response_as_it_arrived() {
    let world = World::new();
    world.server.answer(
        Answer::text(200, "{ \"id\": \"gen-1\", \"new\": 1.50, \"choices\": [] }")
            .header("content-type", "application/json"),
    );
    let ran = world.run(&["hello", "--json"]);
    assert_eq!(ran.stdout, "{ \"id\": \"gen-1\", \"new\": 1.50, \"choices\": [] }\n");
    world.server.answer(streamed(&["a", "b"]));
    let ran = world.run(&["hello", "--jsonl"]);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["choices"][0]["delta"]["content"], "b");
}

#[test]
fn an_image_a_pdf_and_a_url_are_attached() {
    let world = World::new();
    let image = world.write("a.bin", b"\x89PNG\r\n\x1a\n0000");
    let paper = world.write("paper.pdf", b"%PDF-1.7 ...");
    world.server.answer(streamed(&["ok"]));
    let ran = world.run(&["What?", "-a", &image, "-a", &paper, "-a", "https://example.com/cat.jpg"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let parts = world.last_request()["messages"][0]["content"].clone();
    assert_eq!(parts[0], json!({"type": "text", "text": "What?"}));
    assert!(parts[1]["image_url"]["url"].as_str().unwrap().starts_with("data:image/png;base64,"));
    assert_eq!(parts[2]["file"]["filename"], "paper.pdf");
    assert_eq!(parts[3]["image_url"]["url"], "https://example.com/cat.jpg");

    let text = world.write("notes.xyz", "just text");
    let ran = world.run(&["What?", "-a", &text]);
    assert_eq!((ran.code, world.server.requests().len()), (2, 1));
    assert!(ran.stderr.contains("`-f`"), "{}", ran.stderr);
}

#[test]
fn options_are_sent_as_fields_of_the_request() {
    let world = World::new();
    world.server.answer(streamed(&["ok"]));
    world.run(&["x", "-o", "temperature=0.2", "-o", "reasoning_effort=high"]);
    let request = world.last_request();
    assert_eq!((&request["temperature"], &request["reasoning_effort"]), (&json!(0.2), &json!("high")));
}

#[test]
fn a_conversation_is_continued() {
    let world = World::new();
    world.server.answer(streamed(&["I am A."])).answer(streamed(&["Still A."])).answer(streamed(&["B."]));
    world.run(&["Who are you?", "-s", "Be A"]);
    world.run(&["And now?", "-c"]);
    let messages = world.last_request()["messages"].clone();
    assert_eq!(messages.as_array().unwrap().len(), 4, "{messages}");
    assert_eq!(messages[0]["role"], "system");
    assert_eq!(messages[2]["content"], "I am A.");
    assert_eq!(messages[3]["content"], "And now?");
    // A prompt without `-c` starts anew.
    world.run(&["Who are you?"]);
    assert_eq!(world.last_request()["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_named_session_is_a_private_file_of_json_lines() {
    let world = World::new();
    world.server.answer(streamed(&["one"])).answer(streamed(&["two"]));
    world.run(&["first", "--session", "work"]);
    let path = world.path("data/openrouter/sessions/work.jsonl");
    // A crash may tear the last line.
    fs::write(&path, format!("{}{{\"message\": {{\"ro", fs::read_to_string(&path).unwrap())).unwrap();
    let ran = world.run(&["second", "--session", "work"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("two\n", 0));
    assert!(ran.stderr.contains("line 3 is damaged"), "{}", ran.stderr);
    assert_eq!(world.last_request()["messages"].as_array().unwrap().len(), 3);
    let lines: Vec<_> = world.read("data/openrouter/sessions/work.jsonl").lines().map(str::to_owned).collect();
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(
        (&last["message"]["content"], &last["cost"], &last["model"]),
        (&json!("two"), &json!(0.00025), &json!("a/b"))
    );
    #[cfg(unix)]
    assert_eq!(mode(&path), 0o600);

    let ran = world.run(&["x", "--session", "../escape"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn nothing_is_saved_if_the_user_does_not_want_it() {
    let world = World::new();
    world.server.answer(streamed(&["ok"]));
    world.run(&["secret", "--no-save"]);
    assert!(!world.path("data").exists());
    assert_eq!(world.run(&["more", "-c"]).code, 2);
}

#[test]
fn structured_output_is_checked() {
    let world = World::new();
    world.server.answer(whole("```json\n{\"name\": \"Ada\", \"age\": 36}\n```")).answer(whole("{\"name\": \"Ada\"}"));
    let ran = world.run(&["Who?", "--schema", "name, age int"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("{\"name\": \"Ada\", \"age\": 36}\n", 0));
    let request = world.last_request();
    assert_eq!(request["response_format"]["json_schema"]["schema"]["properties"]["age"]["type"], "integer");
    assert_eq!(request["provider"]["require_parameters"], true);

    let file = world.write("person.json", r#"{"type": "object", "required": ["age"]}"#);
    let ran = world.run(&["Who?", "--schema", &file]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", 3));
    assert!(ran.stderr.contains("age") && ran.stderr.contains("does not match the schema"), "{}", ran.stderr);
}

#[test]
fn only_the_code_is_printed_on_request() {
    let world = World::new();
    world.server.answer(whole("Here:\n```sh\nls -l\n```\nDone."));
    assert_eq!(world.run(&["x", "-x"]).stdout, "ls -l\n");
}

#[test]
fn a_dry_run_prints_a_command_and_sends_nothing() {
    let world = World::new();
    let ran = world.run(&["Don't", "-m", "a/b", "--dry-run"]);
    let url = world.server.url();
    let expected = format!(
        "curl -X POST '{url}/chat/completions' \\\n  -H \"Authorization: Bearer $OPENROUTER_API_KEY\" \\\n  \
         -H 'content-type: application/json' \\\n  \
         --data-raw '{{\"messages\":[{{\"role\":\"user\",\"content\":\"Don'\\''t\"}}],\"model\":\"a/b\",\"stream\":true}}'\n"
    );
    assert_eq!((ran.stdout, ran.stderr.as_str(), ran.code), (expected, "", 0));
    assert_eq!(world.server.connections().opened, 0);
    let mut command = world.command(&["x", "--dry-run"]);
    command.env_remove("OPENROUTER_API_KEY");
    assert_eq!(crate::support::finish(command, b"").code, 0, "no key is needed");
}

#[test]
fn attempts_are_shown_without_the_key() {
    let world = World::new();
    let busy = Answer::error(503, "busy").header("retry-after", "0").header("set-cookie", "session=secret");
    world.server.answer(busy).answer(streamed(&["ok"]));
    let ran = world.run(&["x", "-v"]);
    assert!(!ran.stderr.contains("session=secret"), "{}", ran.stderr);
    assert_eq!((ran.stdout.as_str(), ran.code), ("ok\n", 0));
    for part in ["> POST ", "(attempt 2)", "> authorization: [redacted]", "< 503 ", "< 200 OK after "] {
        assert!(ran.stderr.contains(part), "{part} is missing: {}", ran.stderr);
    }
}

#[test]
fn exit_codes_say_what_failed() {
    let world = World::new();
    let quota = json!({"error": {"code": 429, "message": "used up", "type": "insufficient_quota"}});
    for (answer, code) in [
        (Answer::error(400, "wrong"), 1),
        (Answer::error(401, "no such key"), 4),
        (Answer::error(402, "no credits"), 5),
        (Answer::error(403, "not allowed"), 4),
        (Answer::error(404, "nothing"), 1),
        (Answer::json(429, quota), 5),
        (Answer::error(429, "slow down").header("retry-after", "9999"), 6),
        (Answer::text(504, "gateway"), 7),
        (Answer::text(200, "<html>"), 1),
        (streamed(&["partial", "never"]).fault(Fault::Close, Place::InBody), 7),
    ] {
        let shown = format!("{answer:?}");
        world.server.answer(answer);
        let ran = world.run(&["x", "--no-save"]);
        assert_eq!(ran.code, code, "{shown}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    let requests = world.server.requests().len();
    assert_eq!(requests, 10, "nothing was sent twice");
    assert_eq!(world.run(&["x", "--no-such-option"]).code, 2);
    assert_eq!(world.run(&[]).code, 2);
    assert_eq!(world.run(&["--help"]).code, 0);
    let mut command = world.command(&["x"]);
    command.env("OPENROUTER_BASE_URL", openrouter_kit::mock::ClosedPort::new().unwrap().url());
    assert_eq!(crate::support::finish(command.args(["--timeout", "200ms"]).take(), b"").code, 7);
    let mut command = world.command(&["x"]);
    command.env_remove("OPENROUTER_API_KEY");
    let ran = crate::support::finish(command, b"");
    assert_eq!((ran.code, ran.stderr.contains("openrouter auth login")), (4, true), "{}", ran.stderr);
    assert_eq!(world.server.requests().len(), requests);
}

/// Makes a builder into a command that can be given away.
trait Take {
    fn take(&mut self) -> std::process::Command;
}

impl Take for std::process::Command {
    fn take(&mut self) -> std::process::Command {
        std::mem::replace(self, std::process::Command::new("true"))
    }
}

#[test]
fn partial_text_is_followed_by_the_error() {
    let world = World::new();
    let error = json!({"error": {"code": 502, "message": "the provider failed"}, "choices": []});
    world.server.answer(Answer::stream([chunk(json!({"content": "Half"})), error]));
    let ran = world.run(&["x"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("Half\n", 1));
    assert!(ran.stderr.contains("the provider failed"), "{}", ran.stderr);
    assert!(!world.path("data/openrouter/sessions/last.jsonl").exists(), "half a turn is not saved");
}

#[test]
fn a_response_that_was_cut_off_or_refused_is_pointed_out() {
    let world = World::new();
    world.server.answer(Answer::stream([chunk(json!({"content": "Hel"})), last_chunk("length")]));
    assert!(world.run(&["x"]).stderr.contains("cut off at the limit of tokens"));
    world.server.answer(Answer::stream([chunk(json!({"refusal": "I will not"})), last_chunk("stop")]));
    let ran = world.run(&["x"]);
    assert!(ran.stderr.contains("the model refused: I will not"), "{}", ran.stderr);
}

#[test]
fn a_word_that_is_nearly_a_command_is_not_sent() {
    let world = World::new();
    let ran = world.run(&["credit"]);
    assert_eq!((ran.code, world.server.connections().opened), (2, 0));
    assert!(ran.stderr.contains("did you mean `credits`?"), "{}", ran.stderr);
    assert_eq!(world.run(&["model", "list"]).code, 2);
    let ran = world.run(&["-m", "a/b", "models", "list"]);
    assert!(ran.code == 2 && ran.stderr.contains("put it after `models`"), "{}", ran.stderr);
    assert_eq!(world.server.connections().opened, 0);
}

#[test]
fn an_unknown_model_gets_suggestions() {
    let world = World::new();
    world.server.on(
        "GET",
        "/models",
        Answer::json(200, json!({"data": [model("openai/gpt-4o-mini", "0", "0"), model("x/y", "0", "0")]})).always(),
    );
    world.server.answer(Answer::error(400, "openai/gpt4o-mini is not a valid model ID"));
    let ran = world.run(&["x", "-m", "openai/gpt4o-mini"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("models with names like \"openai/gpt4o-mini\": openai/gpt-4o-mini\n"),
        "{}",
        ran.stderr
    );

    world.server.answer(streamed(&["ok"]));
    assert_eq!(world.run(&["x", "-q", "4O mini"]).code, 0);
    assert_eq!(world.last_request()["model"], "openai/gpt-4o-mini");
    assert_eq!(world.run(&["x", "-q", "no such thing"]).code, 2);
}

#[test]
fn a_limit_for_the_cost_bounds_the_request() {
    let world = World::new();
    // $1 and $10 for a million tokens.
    let priced = json!({"data": model("a/b", "0.000001", "0.00001")});
    world.server.on("GET", "/model/a/b", Answer::json(200, priced).always());
    world.server.answer(streamed(&["ok"]));
    let ran = world.run(&["x", "-m", "a/b", "--max-cost", "0.01"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let request = world.last_request();
    let tokens = request["max_tokens"].as_u64().unwrap();
    let prompt = request["messages"].to_string().len() as f64 + 512.0;
    assert!(tokens > 900 && prompt / 1e6 + tokens as f64 / 1e5 <= 0.01, "{request}");
    assert_eq!(request["provider"]["max_price"], json!({"prompt": "1", "completion": "10"}));

    world.server.answer(streamed(&["ok"]));
    world.run(&["x", "-m", "a/b", "--max-cost", "0.01", "-o", "max_tokens=100"]);
    assert_eq!(world.last_request()["max_tokens"], 100);
    let sent = world.server.requests().len();
    assert_eq!(world.run(&["x", "-m", "a/b", "--max-cost", "0.0001"]).code, 5);
    assert_eq!(world.run(&["x", "-m", "a/b:online", "--max-cost", "1"]).code, 2);
    assert_eq!(world.run(&["x", "-m", "a/b", "--max-cost", "1", "-o", "n=4"]).code, 2);
    let asked = world.server.requests()[sent..].iter().filter(|request| request.method == "POST").count();
    assert_eq!(asked, 0, "what cannot be bounded was sent");
}

#[test]
fn a_router_has_no_price_to_be_bounded() {
    let world = World::new();
    let router = json!({"data": model("openrouter/auto", "-1", "-1")});
    world.server.on("GET", "/model/openrouter/auto", Answer::json(200, router));
    let ran = world.run(&["x", "--max-cost", "1"]);
    assert_eq!((ran.code, ran.stderr.contains("fixed price")), (2, true), "{}", ran.stderr);
}

#[test]
fn text_streams_through_a_pipe_and_a_closed_pipe_ends_it_silently() {
    let world = World::new();
    let event = format!("data: {}\n\n", chunk(json!({"content": "word "})));
    world.server.answer(Answer::endless("", event));
    let mut child =
        world.command(&["go on"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut start = [0; 10];
    stdout.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"word word ");
    drop(stdout);
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 141));
    world.block_on(world.server.all_closed());
}

#[test]
fn each_piece_is_visible_before_the_next_arrives() {
    let world = World::new();
    let pieces = [Event::from(chunk(json!({"content": "first"})))];
    world.server.answer(Answer::events(pieces).fault(Fault::Stall, Place::BeforeEnd));
    let mut child =
        world.command(&["x"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut start = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut start).unwrap();
    assert_eq!(&start, b"first");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_chat_can_be_piped() {
    let world = World::new();
    world.server.answer(streamed(&["One."])).answer(streamed(&["Two."]));
    let ran = world.run_with(&["chat", "--no-save"], "first\n/cost\nsecond");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("One.\nTwo.\n", "$0.00025\n", 0));
    assert_eq!(world.last_request()["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn a_limit_for_the_cost_holds_for_a_whole_chat() {
    let world = World::new();
    let priced = json!({"data": model("a/b", "0.000001", "0.00001")});
    world.server.on("GET", "/model/a/b", Answer::json(200, priced).always());
    let mut end = last_chunk("stop");
    end["usage"]["cost"] = json!(0.0099);
    world.server.answer(Answer::stream([chunk(json!({"content": "Dear."})), end]));
    let ran = world.run_with(&["chat", "-m", "a/b", "--max-cost", "0.01"], "first\nsecond\n");
    assert_eq!(ran.stdout, "Dear.\n");
    assert!(ran.stderr.contains("raise --max-cost"), "{}", ran.stderr);
    assert_eq!(world.server.requests().iter().filter(|request| request.method == "POST").count(), 1);
}

#[test]
fn the_cost_of_attachments_cannot_be_bounded() {
    let world = World::new();
    let ran = world.run(&["x", "-a", "https://example.com/a.png", "-m", "a/b", "--max-cost", "1"]);
    assert_eq!((ran.code, world.server.connections().opened), (2, 0), "{}", ran.stderr);
}
