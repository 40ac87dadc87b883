//! `models`, `api`, `mock`, and what needs no server.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use openrouter_kit::mock::Answer;
use openrouter_kit::serde_json::{Value, json};

use crate::support::{World, model};

fn world_with_models() -> World {
    let world = World::new();
    let models = [
        model("a/dear", "0.00001", "0.00003"),
        model("a/cheap", "0.00000015", "0.0000006"),
        model("a/free:free", "0", "0"),
        model("openrouter/auto", "-1", "-1"),
    ];
    world.server.on("GET", "/models", Answer::json(200, json!({"data": models})).always());
    world
}

#[test]
fn models_are_listed_with_tabs_for_other_programs() {
    let world = world_with_models();
    let ran = world.run(&["models"]);
    assert_eq!(
        ran.stdout,
        "a/dear\tThe a/dear\t128k\t10\t30\n\
         a/cheap\tThe a/cheap\t128k\t0.15\t0.6\n\
         a/free:free\tThe a/free:free\t128k\t0\t0\n\
         openrouter/auto\tThe openrouter/auto\t128k\tvaries\tvaries\n"
    );
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0));
}

#[test]
fn filters_go_to_the_server_and_hold_whatever_it_does() {
    let world = world_with_models();
    let ran = world.run(&[
        "models",
        "search",
        "some",
        "words",
        "--tools",
        "--vision",
        "--context",
        "100k",
        "--max-price",
        "1",
        "--sort",
        "price",
    ]);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    let query = world.server.requests()[0].query.clone();
    for part in [
        "q=some%20words",
        "supported_parameters=tools",
        "input_modalities=image",
        "context=100000",
        "max_price=1",
        "sort=pricing-low-to-high",
    ] {
        assert!(query.contains(part), "{part}: {query}");
    }
    assert_eq!(world.run(&["models", "list", "--free"]).stdout, "a/free:free\tThe a/free:free\t128k\t0\t0\n");
    assert_eq!(world.run(&["models", "list", "--context", "1M"]).stdout, "");
    assert_eq!(world.run(&["models", "--context", "much"]).code, 2);
}

#[test]
fn the_cheapest_models_come_with_the_cost_of_a_call() {
    let world = world_with_models();
    let ran = world.run(&["models", "cheapest", "--prompt-tokens", "10k", "--completion-tokens", "1k", "-n", "2"]);
    assert_eq!(ran.stdout, "$0\ta/free:free\t128k\t0\t0\n$0.0021\ta/cheap\t128k\t0.15\t0.6\n");
    let json: Value = serde_json::from_str(&world.run(&["models", "cheapest", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["id"], "a/free:free");
}

#[test]
fn one_model_and_its_endpoints_are_shown() {
    let world = world_with_models();
    let shown = json!({"data": model("a/cheap", "0.00000015", "0.0000006")});
    world.server.on("GET", "/model/a/cheap", Answer::json(200, shown).always());
    let ran = world.run(&["models", "show", "a/cheap"]);
    assert!(ran.stdout.starts_with("id           a/cheap\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("prompt       $0.15 per million tokens\n"), "{}", ran.stdout);

    let endpoint = |name: &str, speed: f64, price: &str| {
        json!({
            "name": name, "provider_name": name, "tag": name.to_lowercase(), "model_id": "a/cheap", "model_name": "A",
            "context_length": 128_000, "pricing": {"prompt": price, "completion": price}, "quantization": null,
            "throughput_last_30m": {"p50": speed, "p75": 1, "p90": 1, "p99": 1}, "latency_last_30m": null,
            "supported_parameters": [], "supports_implicit_caching": false, "native_tools": {},
            "max_completion_tokens": null, "max_prompt_tokens": null, "uptime_last_1d": 99.95,
        })
    };
    let endpoints = [endpoint("Slow", 10.0, "0.000001"), endpoint("Fast", 90.4, "0.000002")];
    let list = json!({"data": {
        "id": "a/cheap", "name": "A", "created": 1, "description": "", "endpoints": endpoints,
        "architecture": {"input_modalities": [], "output_modalities": []},
    }});
    world.server.on("GET", "/models/a/cheap/endpoints", Answer::json(200, list).always());
    let ran = world.run(&["models", "endpoints", "a/cheap", "--sort", "throughput"]);
    assert_eq!(ran.stdout, "Fast\tfast\t128k\t2\t2\t90\t\t100.0%\nSlow\tslow\t128k\t1\t1\t10\t\t100.0%\n");

    let ran = world.run(&["models", "show", "chaep"]);
    assert!(ran.code == 2 && ran.stderr.contains("a/cheap"), "{}", ran.stderr);
}

#[test]
fn any_operation_can_be_called() {
    let world = World::new();
    world.server.on("GET", "/things", Answer::json(200, json!({"b": 1, "a": 2})));
    let ran = world.run(&["api", "get", "/things?x=a%20b", "-q", "y=1", "-H", "x-extra: 2"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("{\"b\":1,\"a\":2}\n", 0));
    let request = &world.server.requests()[0];
    assert_eq!((request.query.as_str(), request.header("x-extra")), ("x=a%20b&y=1", Some("2")));

    let body = world.write("body.json", "{\"big\": 12345678901234567890123}");
    world.server.on("POST", "/things", Answer::error(422, "not like this"));
    let ran = world.run(&["api", "POST", "/things", "-d", &format!("@{body}")]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stdout, "{\"error\":{\"code\":422,\"message\":\"not like this\"}}\n");
    assert!(ran.stderr.contains("not like this"), "{}", ran.stderr);
    assert_eq!(String::from_utf8_lossy(&world.server.requests()[1].body), "{\"big\": 12345678901234567890123}");

    world.server.on("POST", "/events", Answer::stream([json!({"n": 1}), json!({"n": 2})]));
    let ran = world.run_with(&["api", "POST", "/events", "-d", "-"], "{\"stream\": true}");
    assert_eq!(ran.stdout, "{\"n\":1}\n{\"n\":2}\n");
    world.server.on("GET", "/file", Answer::bytes(200, vec![0_u8, 1, 2]));
    assert_eq!(world.run(&["api", "GET", "/file", "-o", "out.bin"]).code, 0);
    assert_eq!(std::fs::read(world.path("out.bin")).unwrap(), [0, 1, 2]);
    assert_eq!(world.run(&["api", "GET", "/../keys"]).code, 2);
    let ran = world.run(&["api", "GET", "/things", "-H", "x-api-key: secret", "--dry-run"]);
    assert!(ran.stdout.contains("-H 'x-api-key: [redacted]'") && !ran.stdout.contains("secret"), "{}", ran.stdout);
}

#[test]
fn completions_and_manual_pages_are_generated() {
    let world = World::new();
    for (shell, part) in [("bash", "_openrouter()"), ("zsh", "#compdef openrouter"), ("fish", "complete -c openrouter")]
    {
        let ran = world.run(&["completions", shell]);
        assert!(ran.code == 0 && ran.stdout.contains(part), "{shell}");
    }
    let page = world.run(&["man"]).stdout;
    assert!(page.contains(".TH openrouter 1") && page.contains("max\\-cost"), "{page}");
    std::fs::create_dir(world.path("man")).unwrap();
    assert_eq!(world.run(&["man", "--dir", "man"]).code, 0);
    assert!(world.path("man/openrouter-models-cheapest.1").exists());
}

#[test]
fn the_local_server_answers_on_a_port() {
    let world = World::new();
    let mut server =
        world.command(&["mock"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
    let ran = world.run(&["hello", "--base-url", url.trim()]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(ran.code == 0 && ran.stdout.contains("You asked: \"hello\""), "{ran:?}");
}

#[test]
fn an_error_in_a_stream_of_events_is_one_of_the_command() {
    let world = World::new();
    let error = json!({"error": {"code": 429, "message": "slow down"}});
    world.server.on("POST", "/events", Answer::stream([json!({"n": 1}), error]));
    let ran = world.run(&["api", "POST", "/events", "-d", "{\"stream\": true}"]);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert_eq!((ran.code, ran.stderr.contains("slow down")), (6, true), "{}", ran.stderr);
}
