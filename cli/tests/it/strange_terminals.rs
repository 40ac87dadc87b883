//! Terminals that are narrow, dumb, without color or without UTF-8, and programs that read only a part.

use std::io::Read;
use std::process::{Command, Stdio};

use nix::sys::wait::WaitStatus;
use openrouter_kit::mock::Answer;
use openrouter_kit::serde_json::{Value, json};
use rexpect::session::spawn_command;

use crate::support::{World, into_closed_pipe, mode, model, streamed};

/// Runs a command to its end on a terminal this wide; returns what it printed and its exit code.
fn on_terminal(world: &World, columns: u16, line: &str, variables: &[(&str, &str)]) -> (String, i32) {
    let mut command = world.shell(&format!("stty rows 24 cols {columns}; {line}"));
    command.env("PATH", "/usr/bin:/bin").envs(variables.iter().copied());
    run_on_terminal(command)
}

fn run_on_terminal(command: Command) -> (String, i32) {
    let mut session = spawn_command(command, Some(60_000)).unwrap();
    // The terminal of the test gives each byte as a character.
    let bytes: Vec<u8> = session.exp_eof().unwrap().chars().map(|letter| letter as u8).collect();
    let code = match session.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => code,
        other => panic!("the program ended with {other:?}"),
    };
    (String::from_utf8(bytes).unwrap().replace("\r\n", "\n"), code)
}

/// A server with something to say to every command.
fn full_world() -> World {
    let world = World::new();
    let id = "some-author/some-model-with-a-long-name";
    let server = &world.server;
    server.on("GET", "/models", Answer::json(200, json!({"data": [model(id, "0.000001", "0.00001")]})).always());
    server.on("GET", &format!("/model/{id}"), Answer::json(200, json!({"data": model(id, "0", "0")})).always());
    let endpoints = json!({"data": {
        "id": id, "name": "A", "created": 1, "description": "",
        "architecture": {"input_modalities": [], "output_modalities": []},
        "endpoints": [{
            "name": "P", "provider_name": "Some Provider", "tag": "some-provider/fp8", "model_id": id, "model_name": "A",
            "context_length": 128_000, "pricing": {"prompt": "0.000001", "completion": "0.00001"},
            "supported_parameters": [], "quantization": null, "supports_implicit_caching": false, "native_tools": {},
            "throughput_last_30m": null, "latency_last_30m": null, "max_completion_tokens": null,
            "max_prompt_tokens": null, "uptime_last_1d": 99.9,
        }],
    }});
    server.on("GET", &format!("/models/{id}/endpoints"), Answer::json(200, endpoints).always());
    let credits = json!({"data": {"total_credits": 20, "total_usage": 7}});
    server.on("GET", "/credits", Answer::json(200, credits).always());
    let activity = json!({"data": [{
        "date": "2026-01-01", "model": id, "model_permaslug": id, "endpoint_id": "e", "provider_name": "P", "usage": 1,
        "byok_usage_inference": 0, "requests": 2, "prompt_tokens": 100, "completion_tokens": 10, "reasoning_tokens": 0,
        "cached_tokens": 0,
    }]});
    server.on("GET", "/activity", Answer::json(200, activity).always());
    let keys = json!({"data": [{
        "hash": "0123456789abcdef0123456789abcdef", "name": "the key of the laptop", "label": "sk-or-v1-abc...def",
        "disabled": false, "usage": 0.5, "limit": 10,
    }]});
    server.on("GET", "/keys", Answer::json(200, keys.clone()));
    server.on("GET", "/keys", Answer::json(200, json!({"data": []})).always());
    let generation = json!({"data": {
        "id": "gen-1", "model": id, "total_cost": 0.0015, "created_at": "2026-01-01", "is_byok": false, "origin": "",
        "usage": 0.0015, "data_region": "global",
    }});
    server.on("GET", "/generation", Answer::json(200, generation).always());
    let status = json!({"data": {"label": "sk-or-v1-abc...def", "usage": 1.5, "is_free_tier": false}});
    server.on("GET", "/key", Answer::json(200, status).always());
    let ranked =
        json!({"id": "r", "model": id, "results": [{"index": 0, "relevance_score": 0.5, "document": {"text": "x"}}]});
    server.on("POST", "/rerank", Answer::json(200, ranked).always());
    let vectors =
        json!({"object": "list", "model": id, "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]});
    server.on("POST", "/embeddings", Answer::json(200, vectors).always());
    server.on("POST", "/audio/transcriptions", Answer::json(200, json!({"text": "Hello."})).always());
    server.on("POST", "/audio/speech", Answer::bytes(200, "ID3 sound").always());
    let image = json!({"created": 1, "data": [{"b64_json": "iVBORw0KGgo="}]});
    server.on("POST", "/images", Answer::json(200, image).always());
    let job = json!({"id": "job-1", "polling_url": "https://example.com", "status": "completed"});
    server.on("POST", "/videos", Answer::json(202, job.clone()).always());
    server.on("GET", "/videos/job-1", Answer::json(200, job).always());
    server.on("GET", "/videos/job-1/content", Answer::bytes(200, "a video").always());
    server.on("GET", "/things", Answer::json(200, json!({"a": 1})).always());
    world.write("talk.mp3", "ID3 sound");
    world
}

/// Every command that ends by itself, with a part of what it prints.
const COMMANDS: &[(&str, &str)] = &[
    ("models", "1 model"),
    ("models search some", "1 model"),
    ("models show some-author/some-model-with-a-long-name", "some-author"),
    ("models endpoints some-author/some-model-with-a-long-name", "PROVIDER"),
    ("models cheapest", "COST"),
    ("credits", "$13.00"),
    ("usage", "in total"),
    ("usage --by model", "MODEL"),
    ("generation gen-1", "$0.0015"),
    ("keys list", "NAME"),
    ("auth status", "sk-or-v1-abc...def"),
    ("config path", "config.toml"),
    ("config show", "# key of the"),
    ("rerank x y -m a/b", "SCORE"),
    ("embed x -m a/b", "embedding"),
    ("transcribe talk.mp3 -m a/b", "Hello."),
    ("speech Hi -m a/b -o hi.mp3", "hi.mp3 (9 B)"),
    ("image Cat -m a/b -o cat.png", "cat.png (8 B)"),
    ("video Storm -m a/b", "job-1"),
    ("video Storm -m a/b --wait -o storm.mp4", "storm.mp4 (7 B)"),
    ("api GET /things", "{\"a\":1}"),
    ("skill install --dir skills", "SKILL.md"),
    ("completions bash", "_openrouter()"),
    ("man", ".TH openrouter"),
];

#[test]
fn every_command_works_on_a_narrow_terminal_without_color_and_utf8() {
    let world = full_world();
    for (command, part) in COMMANDS {
        let variables = [("NO_COLOR", "1"), ("LANG", "C"), ("TERM", "dumb")];
        let (shown, code) = on_terminal(&world, 40, &format!("\"$openrouter\" {command}"), &variables);
        assert!(code == 0 && shown.contains(part), "{command}: {code}\n{shown}");
        assert!(!shown.contains('\u{1b}'), "{command}: colors\n{shown}");
        // What the program writes itself; the pages and scripts of others may have anything.
        assert!(shown.is_ascii(), "{command}: not ASCII\n{shown}");
    }
}

#[test]
fn every_command_works_in_a_pipe_without_notes_in_it() {
    let world = full_world();
    for (command, part) in COMMANDS {
        let args: Vec<_> = command.split(' ').collect();
        let ran = world.run(&args);
        assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{command}: {ran:?}");
        let is_header = part.chars().all(|letter| letter.is_ascii_uppercase());
        assert!(!is_header || !ran.stdout.contains(part), "{command}: a header in a pipe: {}", ran.stdout);
    }
}

#[test]
fn a_reader_that_stops_ends_every_command_silently() {
    let world = full_world();
    for (command, _) in COMMANDS.iter().filter(|(command, _)| !command.contains(" -o ")) {
        let args: Vec<_> = command.split(' ').collect();
        let ran = into_closed_pipe(world.command(&args));
        // A command without output has nothing to notice.
        assert!(ran.code == 141 || *command == "keys list" && ran.code == 0, "{command}: {ran:?}");
        assert_eq!(ran.stderr, "", "{command}");
    }
}

#[test]
fn the_api_being_down_is_an_error_of_every_command_that_needs_it() {
    let world = World::new();
    let closed = openrouter_kit::mock::ClosedPort::new().unwrap();
    let offline = ["config", "skill", "completions", "man"];
    for (command, _) in COMMANDS.iter().filter(|(command, _)| !offline.iter().any(|name| command.starts_with(name))) {
        world.write("talk.mp3", "ID3 sound");
        let mut program = world.command(&command.split(' ').collect::<Vec<_>>());
        program.env("OPENROUTER_BASE_URL", closed.url()).args(["--timeout", "200ms"]);
        let ran = crate::support::finish(program, b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (7, ""), "{command}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{command}: {}", ran.stderr);
    }
}

#[test]
fn a_table_is_as_narrow_as_the_terminal_or_has_a_line_for_each_cell() {
    let world = full_world();
    let shown = |columns, locale| {
        let variables = [("NO_COLOR", "1"), ("LC_ALL", locale)];
        on_terminal(&world, columns, "\"$openrouter\" models", &variables).0
    };
    for (locale, mark) in [("C.UTF-8", "…"), ("C", "...")] {
        let shown = shown(60, locale);
        assert!(shown.contains(mark) && shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
    }
    assert_eq!(
        shown(40, "C"),
        "MODEL    some-author/some-model-with-a-long-name\nNAME     The some-author/some-model-with-a-long-name\n\
         CONTEXT  128k\n$/M IN   1\n$/M OUT  10\n1 model\n"
    );
}

#[test]
fn a_chat_works_on_a_dumb_terminal() {
    let world = World::new();
    world.server.answer(streamed(&["Hello."]));
    let mut command = world.command(&["chat"]);
    command.env("TERM", "dumb").env("NO_COLOR", "1");
    let mut session = spawn_command(command, Some(60_000)).unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("Hi").unwrap();
    session.exp_string("Hello.").unwrap();
    session.exp_string("> ").unwrap();
    session.send_line("/quit").unwrap();
    let rest = session.exp_eof().unwrap();
    assert!(!rest.contains('\u{1b}'), "{rest:?}");
}

#[test]
fn every_file_of_the_program_is_private() {
    let world = World::new();
    world.server.answer(streamed(&["one"])).answer(streamed(&["two"]));
    let mut command = world.command(&["auth", "login", "--with-key", "--store", "file"]);
    command.env_remove("OPENROUTER_API_KEY");
    assert_eq!(crate::support::finish(command, b"sk-or-v1-saved").code, 0);
    world.run(&["hello"]);
    world.run_with(&["chat", "--session", "talk"], "hi\n");
    for name in [
        "config/openrouter/keys.toml",
        "data/openrouter/sessions/last.jsonl",
        "data/openrouter/sessions/talk.jsonl",
        "data/openrouter/history.txt",
    ] {
        assert_eq!(mode(&world.path(name)), 0o600, "{name}");
        assert_eq!(mode(world.path(name).parent().unwrap()), 0o700, "{name}");
    }
    let mut leftovers = std::fs::read_dir(world.path("config/openrouter")).unwrap();
    assert!(leftovers.all(|file| file.unwrap().file_name() == "keys.toml"), "temporary files are removed");
}

#[test]
fn keys_are_not_lost_if_the_file_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::new();
    let login = |key: &str| {
        let mut command = world.command(&["auth", "login", "--with-key", "--store", "file"]);
        command.env_remove("OPENROUTER_API_KEY");
        crate::support::finish(command, key.as_bytes())
    };
    assert_eq!(login("sk-or-v1-first").code, 0);
    let directory = world.path("config/openrouter");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o500)).unwrap();
    let is_root = std::fs::write(directory.join("probe"), "").is_ok();
    let second = login("sk-or-v1-second");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Whoever may write everywhere does not see the error.
    if !is_root {
        assert_eq!(second.code, 1, "{}", second.stderr);
        assert!(!second.stderr.contains("sk-or-v1-second"), "{}", second.stderr);
        assert_eq!(world.read("config/openrouter/keys.toml"), "default = \"sk-or-v1-first\"\n");
    }
}

#[test]
fn an_interrupt_ends_every_command_that_waits() {
    let world = World::new();
    for path in ["/models", "/credits", "/generation", "/keys"] {
        let stalled = Answer::json(200, Value::Null)
            .fault(openrouter_kit::mock::Fault::Stall, openrouter_kit::mock::Place::BeforeHead);
        world.server.on("GET", path, stalled.always());
    }
    for command in ["models", "credits", "generation gen-1", "keys list"] {
        let before = world.server.requests().len();
        let mut program = world.command(&command.split(' ').collect::<Vec<_>>());
        let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        crate::support::soon(|| world.server.requests().len() > before);
        let id = i32::try_from(child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGINT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{command}");
        let mut shown = String::new();
        child.stderr.take().unwrap().read_to_string(&mut shown).unwrap();
        assert_eq!(shown, "", "{command}");
    }
}
