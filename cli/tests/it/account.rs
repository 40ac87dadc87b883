//! Credits, usage, generations, keys.

use openrouter_kit::mock::Answer;
use openrouter_kit::serde_json::{Value, json};

use crate::support::World;

#[test]
fn credits_are_shown() {
    let world = World::new();
    let credits = json!({"data": {"total_credits": 20, "total_usage": 7.755}});
    world.server.on("GET", "/credits", Answer::json(200, credits).always());
    assert_eq!(world.run(&["credits"]).stdout, "left    $12.25\nbought  $20.00\nspent   $7.75\n");
    let ran = world.run(&["credits", "--json"]);
    assert_eq!(ran.stdout, "{\"data\":{\"total_credits\":20,\"total_usage\":7.755}}\n");
}

fn row(date: &str, model: &str, usage: f64) -> Value {
    json!({
        "date": date, "model": model, "model_permaslug": model, "endpoint_id": "e", "provider_name": "P",
        "usage": usage, "byok_usage_inference": 0, "requests": 2, "prompt_tokens": 100, "completion_tokens": 10,
        "reasoning_tokens": 0, "cached_tokens": 0,
    })
}

#[test]
fn usage_is_summed() {
    let world = World::new();
    let rows = [row("2020-01-01", "a/b", 1.0), row("2999-01-01", "a/b", 2.0), row("2999-01-01", "c/d", 5.0)];
    world.server.on("GET", "/activity", Answer::json(200, json!({"data": rows})).always());
    let by_day = "2020-01-01\t2\t100\t10\t$1.00\n2999-01-01\t4\t200\t20\t$7.00\n";
    assert_eq!(world.run(&["usage"]).stdout, by_day);
    assert_eq!(world.run(&["usage", "--by", "model"]).stdout, "c/d\t2\t100\t10\t$5.00\na/b\t4\t200\t20\t$3.00\n");
    assert_eq!(world.run(&["usage", "--since", "7d"]).stdout, "2999-01-01\t4\t200\t20\t$7.00\n");
    assert_eq!(world.run(&["usage", "--since", "soon"]).code, 2);
}

#[test]
fn a_generation_is_shown() {
    let world = World::new();
    let data = json!({
        "id": "gen-1", "model": "a/b", "total_cost": 0.0015, "created_at": "2026-01-01", "provider_name": "P",
        "native_tokens_prompt": 10, "native_tokens_completion": 25, "latency": 321.4, "generation_time": 2000,
        "finish_reason": "stop", "is_byok": false, "origin": "", "usage": 0.0015, "data_region": "global",
    });
    world.server.on("GET", "/generation", Answer::json(200, json!({"data": data})).always());
    let ran = world.run(&["generation", "gen-1"]);
    assert_eq!(world.server.requests()[0].query, "id=gen-1");
    for part in ["cost         $0.0015\n", "completion   25 tokens\n", "first token  321 ms\n"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

fn key(hash: &str, name: &str) -> Value {
    json!({
        "hash": hash, "name": name, "label": "sk-or-v1-abc...def", "disabled": false, "usage": 0.5, "limit": 10,
        "limit_remaining": 9.5, "created_at": "2026-01-01", "workspace_id": "w", "include_byok_in_limit": false,
        "byok_usage": 0, "byok_usage_daily": 0, "byok_usage_monthly": 0, "byok_usage_weekly": 0, "usage_daily": 0,
        "usage_monthly": 0, "usage_weekly": 0,
    })
}

#[test]
fn keys_are_listed_created_changed_and_deleted() {
    let world = World::new();
    world.server.on("GET", "/keys", Answer::json(200, json!({"data": [key("h1", "laptop")]})));
    world.server.on("GET", "/keys", Answer::json(200, json!({"data": []})).always());
    let ran = world.run(&["keys", "list"]);
    assert_eq!(ran.stdout, "laptop\tsk-or-v1-abc...def\t$0.50\t$10.00\tenabled\th1\n", "{}", ran.stderr);

    let created = json!({"data": key("h2", "ci"), "key": "sk-or-v1-new"});
    world.server.on("POST", "/keys", Answer::json(201, created).always());
    let ran = world.run(&["keys", "create", "ci", "--limit", "5", "--limit-reset", "monthly"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("sk-or-v1-new\n", 0));
    assert_eq!(world.last_request(), json!({"name": "ci", "limit": 5, "limit_reset": "monthly"}));
    let ran = world.run(&["keys", "create", "ci", "--save-as", "ci"]);
    assert!(ran.code == 0 && !ran.stdout.contains("sk-or") && !ran.stderr.contains("sk-or"), "{ran:?}");
    assert!(world.read("config/openrouter/keys.toml").contains("ci = \"sk-or-v1-new\""));

    world.server.on("PATCH", "/keys/h2", Answer::json(200, json!({"data": key("h2", "ci")})));
    world.run(&["keys", "update", "h2", "--limit", "none", "--disable"]);
    assert_eq!(world.last_request(), json!({"disabled": true, "limit": null}));

    world.server.on("GET", "/keys/h2", Answer::json(200, json!({"data": key("h2", "ci")})).always());
    let ran = world.run(&["keys", "delete", "h2"]);
    assert_eq!((ran.code, ran.stderr.contains("--yes")), (2, true), "{}", ran.stderr);
    assert!(world.server.requests().iter().all(|request| request.method != "DELETE"));
    world.server.on("DELETE", "/keys/h2", Answer::json(200, json!({"deleted": true})));
    assert_eq!(world.run(&["keys", "delete", "h2", "--yes"]).code, 0);
}
