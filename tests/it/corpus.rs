//! Recorded exchanges, replayed through the local server: nothing is lost and nothing fails.
//!
//! The recordings in `tests/recordings` were made by hand and show each oddity once. If a folder
//! with recorded traffic is next to the repository, all of it is replayed too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::a_limit::tokio;
use crate::fuzz::checks::is_named;
use crate::replay::recording::{Recording, read_folder};
use crate::replay::report::Counts;
use crate::replay::{self, Classes, Report};
use crate::support::recorded_folders;
use openrouter_kit::core::wire::{self, Json, Untyped, Wire};
use openrouter_kit::models::*;
use serde_json::{Value, json};

/// The source of the recordings that were made by hand.
const BY_HAND: &str = "by hand";

/// The folders with recordings that are there, each with its recordings.
fn folders() -> Vec<(PathBuf, Vec<Recording>)> {
    let read = |folder: PathBuf| {
        let (recordings, unreadable) = read_folder(&folder).unwrap();
        assert_eq!(unreadable, Vec::<String>::new());
        (folder, recordings)
    };
    recorded_folders().into_iter().map(read).collect()
}

fn recordings() -> Vec<Recording> {
    folders().into_iter().flat_map(|(_, recordings)| recordings).collect()
}

fn assert_nothing_is_lost(report: &Report) {
    let failed: Vec<_> = report.failed().map(|verdict| format!("{} {:#?}", verdict.id, verdict.notes)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let members = report.verdicts.iter().flat_map(|verdict| &verdict.members);
    let named: Vec<_> = members.filter(|member| is_named(member.type_name, &member.name)).collect();
    assert!(named.is_empty(), "the API document names these members, but they have no field: {named:#?}");
    let counts = report.counts();
    for classes in [counts.events, counts.requests] {
        assert_eq!(classes.typed + classes.untyped_members + classes.kept, classes.count);
    }
    assert_eq!((counts.events.lost, counts.aborted, counts.requests.lost), (0, 0, 0));
}

#[tokio::test]
async fn nothing_recorded_is_lost_or_aborted() {
    for (folder, recordings) in folders() {
        let report = replay::replay(&recordings).await;
        eprintln!("{}: {:?}", folder.display(), report.counts());
        assert!(report.counts().exchanges > 0);
        assert_nothing_is_lost(&report);
    }
}

#[tokio::test]
async fn of_a_thousand_events_of_openrouter_999_have_only_members_with_fields() {
    let recordings = recordings().into_iter().filter(|recording| !recording.source.0.starts_with(BY_HAND));
    let own: Vec<_> = recordings.filter(|recording| recording.provider == "openrouter").collect();
    let report = replay::replay(&own).await;
    let Counts { events, .. } = report.counts();
    assert!(events.with_untyped_members * 1000 <= events.count, "{report}");
    // Less than one in five hundred matches no type at all.
    assert!(events.kept * 500 <= events.count, "{report}");
}

#[test]
fn the_replay_knows_every_operation_of_the_crate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/funcs");
    let mut functions = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let names = text.split(".with_function(\"").skip(1).filter_map(|rest| rest.split_once('"'));
        functions.extend(names.map(|(name, _)| name.to_owned()));
    }
    functions.sort();
    let mut known: Vec<_> = replay::operations::functions().map(str::to_owned).collect();
    known.sort();
    assert!(known.len() > 100);
    assert_eq!(known, functions);
}

#[test]
fn a_path_finds_the_function_that_names_it_most_exactly() {
    let find = |method: &str, path: &str, api: &str| {
        let recording = json!({"body": "{}", "method": method, "path": path, "api": api}).to_string();
        replay::operations::name_of(&Recording::parse("file", &recording).unwrap())
    };
    assert_eq!(find("GET", "/api/v1/models/count", "other"), Some("models_count"));
    assert_eq!(find("GET", "/api/v1/models/acme/parrot/endpoints?a=b", "models"), Some("endpoints_list"));
    assert_eq!(find("DELETE", "https://example.com/api/v1/keys/abc", "other"), Some("api_keys_delete"));
    assert_eq!(find("POST", "/deployments/parrot/chat/completions", "chat"), Some("chat_send"));
    assert_eq!(find("POST", "", "rerank"), Some("rerank_rerank"));
    // An operation that the crate lacks is not taken for another, whatever its last part or its
    // body is.
    for (method, path) in [("GET", "/api/v1/else/models"), ("PUT", "/api/v1/models"), ("GET", "/api/v1/"), ("GET", "")]
    {
        assert_eq!(find(method, path, "other"), None, "{method} {path}");
    }
}

#[tokio::test]
async fn members_without_a_field_are_told_by_type_and_name_without_secrets() {
    let exchange = |id: &str, usage: Value| {
        let body = json!({"id": "gen-1", "object": "chat.completion", "created": 1, "model": "acme/parrot",
            "system_fingerprint": null, "choices": [], "usage": usage});
        let request = json!({"model": "acme/parrot", "messages": [], "new.member": {"a": 1}, "new_token": "secret-1"});
        let recording = json!({"id": id, "api": "chat", "body": body.to_string(), "request": request});
        Recording::parse("file", &recording.to_string()).unwrap()
    };
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    let mut newer = usage.clone();
    newer["seconds"] = json!("x".repeat(100));
    let recordings = [exchange("one", usage), exchange("two", newer.clone()), exchange("three", newer)];
    let report = replay::replay(&recordings).await.to_string();
    let lines: Vec<Vec<&str>> = report.lines().map(|line| line.split_whitespace().collect()).collect();
    let short = format!("\"{}…", "x".repeat(59));
    assert!(lines.contains(&vec!["response", "ChatUsage.seconds", "2", "two", &short]), "{report}");
    assert!(lines.contains(&vec!["request", "ChatRequest.new.member", "3", "one", "{\"a\":1}"]), "{report}");
    assert!(report.contains("ChatRequest.new_token") && !report.contains("secret-1"), "{report}");
    assert!(report.ends_with(
        "requests 3 typed 0 untyped members 3 kept 0 lost 0\n\
         exchanges 3 events 3 typed 1 untyped members 2 kept 0 lost 0 aborted 0\n"
    ));
}

#[tokio::test]
async fn an_operation_that_the_crate_does_not_have_is_never_typed() {
    for (path, status) in [("/api/v1/unknown", 200), ("/api/v1/else/models", 200), ("/api/v1/unknown", 404)] {
        let text = json!({"body": r#"{"data": [], "error": null}"#, "method": "GET", "path": path, "status": status});
        let report = replay::replay(&[Recording::parse("file", &text.to_string()).unwrap()]).await;
        let Counts { events, .. } = report.counts();
        assert_eq!((events.count, events.typed, events.lost), (1, usize::from(status == 404), 0), "{report}");
        assert!(report.to_string().contains("the crate has no such operation"));
    }
    // A known operation with a body of another kind is kept, and says so.
    let text = json!({"body": r#"{"result": 5}"#, "method": "GET", "path": "/api/v1/credits"}).to_string();
    let report = replay::replay(&[Recording::parse("file", &text).unwrap()]).await;
    assert_eq!(report.counts().events.kept, 1, "{report}");
}

#[tokio::test]
async fn a_job_that_failed_is_a_value_with_its_reason() {
    for body in [
        r#"{"id":"vid","polling_url":"/api/v1/videos/vid","status":"failed","error":"Content policy"}"#,
        r#"{"polling_url":"/api/v1/videos/vid","status":"failed","error":"Content policy"}"#,
    ] {
        let text = json!({"body": body, "method": "GET", "path": "/api/v1/videos/vid"}).to_string();
        let report = replay::replay(&[Recording::parse("file", &text).unwrap()]).await;
        assert_eq!((report.counts().events.typed, report.failed().count()), (1, 0), "{report}");
    }
}

#[tokio::test]
async fn the_recordings_made_by_hand_are_read_as_they_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let (recordings, _) = read_folder(&root).unwrap();
    let report = replay::replay(&recordings).await;
    for (verdict, recording) in report.verdicts.iter().zip(&recordings) {
        let text = std::fs::read_to_string(root.join(format!("{}.json", recording.id))).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let Classes { count, typed, untyped_members, .. } = verdict.events;
        let counts = [("events", count), ("typed", typed), ("untyped_members", untyped_members)];
        for (name, count) in counts {
            let expected = expected["expected"][name].as_u64().unwrap_or_default();
            assert_eq!(count as u64, expected, "{name} of {}: {:#?}", verdict.id, verdict.notes);
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_or_aborted_when_the_traffic_is_mutated() {
    let recordings = recordings();
    for seed in 0..2 {
        let mutated: Vec<_> = recordings.iter().map(|recording| mutated(recording, seed)).collect();
        let report = replay::replay(&mutated).await;
        eprintln!("seed {seed}: {:?}", report.counts());
        assert_nothing_is_lost(&report);
    }
}

/// A recording of which every event, or the body, has one thing changed.
fn mutated(recording: &Recording, seed: u64) -> Recording {
    let mut chance = Chance(
        seed ^ recording
            .id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
    );
    let mut mutate = |text: &str| match serde_json::from_str::<Value>(text) {
        Ok(mut json) if json.is_object() => {
            let raw = change(&mut json, &mut chance);
            let mut text = json.to_string();
            for (placeholder, json) in raw {
                text = text.replace(&placeholder, &json);
            }
            text
        }
        _ => text.to_owned(),
    };
    let body = recording.body_text();
    let body = match recording.is_stream() {
        false => mutate(body),
        true => {
            let lines = body.split_inclusive('\n').map(|line| match line.strip_prefix("data:") {
                Some(data) => format!("data: {}\n", mutate(data.trim())),
                None => line.to_owned(),
            });
            lines.collect()
        }
    };
    let mut recording = recording.clone();
    recording.id = format!("{} seed {seed}", recording.id);
    recording.body = body.into();
    recording.chunks.clear();
    recording
}

/// Changes one value somewhere in `json`. What serde_json's tree cannot represent is a placeholder
/// there; returns what to put in its place.
fn change(json: &mut Value, chance: &mut Chance) -> Vec<(String, String)> {
    let mut place = json;
    // Down to a random depth.
    loop {
        let inside = match &*place {
            Value::Object(members) => members.len(),
            Value::Array(elements) => elements.len(),
            _ => 0,
        };
        if inside == 0 || chance.below(4) == 0 {
            break;
        }
        let at = chance.below(inside);
        place = match place {
            Value::Object(members) => members.values_mut().nth(at).unwrap(),
            Value::Array(elements) => &mut elements[at],
            _ => unreachable!("it has something inside"),
        };
    }
    let raw = |placeholder: &str, json: &str| vec![(format!("\"{placeholder}\""), json.to_owned())];
    if let Value::Object(members) = place {
        let names: Vec<String> = members.keys().cloned().collect();
        if names.is_empty() {
            members.insert("unknown_member".to_owned(), json!({"deep": [1, null]}));
            return Vec::new();
        }
        let name = &names[chance.below(names.len())];
        let before = members[name].clone();
        match chance.below(18) {
            0..=2 => drop(members.remove(name)),
            3 => drop(members.insert(name.clone(), Value::Null)),
            4 => drop(members.insert(name.clone(), json!([null, null]))),
            5 => drop(members.insert(name.clone(), json!({"error": {"code": 502, "message": "broken"}}))),
            6 => drop(members.insert(name.clone(), json!("a_value_nobody_knows"))),
            7 => drop(members.insert(name.clone(), json!(""))),
            8 => drop(members.insert(name.clone(), json!(before.to_string()))),
            9 => drop(members.insert(name.clone(), json!(17))),
            10 => drop(members.insert(name.clone(), json!([]))),
            11 => drop(members.insert(name.clone(), json!({}))),
            12 => drop(members.insert(name.clone(), json!(true))),
            13 => drop(members.insert("unknown_member".to_owned(), json!({"deep": [1, null]}))),
            14 => {
                members.insert(name.clone(), json!("@twice@"));
                let others = ["null", "\"other\"", "5", "{\"a\":{}}", "[null]"];
                let (one, two) = (before.to_string(), others[chance.below(others.len())]);
                let (one, two) = if chance.below(2) == 0 { (one.as_str(), two) } else { (two, one.as_str()) };
                return raw("@twice@", &format!("{one},{}:{two}", json!(name)));
            }
            15 => {
                members.insert(name.clone(), json!("@number@"));
                let numbers = [
                    "18446744073709551617",
                    "-0.0",
                    "1e400",
                    "0.1000000000000000055511151231257827",
                    "123456789012345678901e-3",
                ];
                return raw("@number@", numbers[chance.below(numbers.len())]);
            }
            16 => {
                members.insert(name.clone(), json!("@deep@"));
                return raw("@deep@", &format!("{}1{}", "[".repeat(100), "]".repeat(100)));
            }
            _ => {
                members.insert(name.clone(), json!("@half@"));
                return raw("@half@", "\"half of a pair: \\ud83d\"");
            }
        }
    } else if let Value::Array(elements) = place {
        match chance.below(4) {
            0 => elements.push(Value::Null),
            1 => elements.push(json!({"error": {"code": "server_error", "message": "broken"}})),
            2 => elements.push(json!({"type": "a_type_nobody_knows", "content": 1})),
            _ => elements.clear(),
        }
    } else {
        *place = match chance.below(4) {
            0 => Value::Null,
            1 => json!({"wrong": true}),
            2 => json!(place.to_string()),
            _ => json!([place.clone()]),
        };
    }
    Vec::new()
}

/// Numbers that are the same in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % limit as u64).unwrap()
    }
}

/// A part of a response and what a program sends back for it.
struct SentBack {
    arrived: Json,
    back: Json,
    /// The parts that were typed when they arrived and are not any more.
    untyped: Vec<Untyped>,
}

impl SentBack {
    fn new<Received: Wire, Sent: Wire>(arrived: &Json, received: &Received, sent: &Sent) -> Self {
        let known = wire::untyped(received);
        let mut untyped = wire::untyped(sent);
        untyped.retain(|part| known.iter().all(|known| known.path != part.path));
        let back = Json::parse(String::from_utf8(wire::encode(sent).unwrap()).unwrap()).unwrap();
        Self { arrived: arrived.clone(), back, untyped }
    }
}

/// What an exchange put out, each as it arrived and as it is sent back.
fn sent_back(recording: &Recording) -> Vec<SentBack> {
    let mut items = Vec::new();
    let json = |value: &Value| Json::from(value.clone());
    let events: Vec<Json> = match recording.is_stream() {
        true => {
            recording.body_text().lines().filter_map(|line| Json::parse(line.strip_prefix("data:")?).ok()).collect()
        }
        false => Json::parse(recording.body_text()).into_iter().collect(),
    };
    for event in events {
        let event_value = event.to_value();
        match recording.api.as_str() {
            "responses" => {
                let done = event_value["type"] == "response.output_item.done";
                let raw: Vec<Json> = match (done, &event_value["output"], &event_value["response"]["output"]) {
                    (true, ..) => vec![json(&event_value["item"])],
                    (_, Value::Array(output), _) | (_, _, Value::Array(output)) => output.iter().map(json).collect(),
                    _ => Vec::new(),
                };
                for raw in raw {
                    let item: OutputItem = wire::decode(raw.as_text()).unwrap();
                    items.push(SentBack::new(&raw, &item, &InputItem::from(item.clone())));
                }
            }
            "chat" => {
                let Ok(result) = wire::decode::<ChatResult>(event.as_text()) else { continue };
                let raw =
                    event_value["choices"].as_array().into_iter().flatten().map(|choice| json(&choice["message"]));
                for (choice, raw) in result.choices.iter().zip(raw).filter(|(_, raw)| !raw.is_null()) {
                    items.push(SentBack::new(&raw, &choice.message, &ChatMessage::from(choice)));
                }
            }
            "messages" => {
                let Ok(result) = wire::decode::<MessagesResult>(event.as_text()) else { continue };
                let raw = event_value["content"].as_array().into_iter().flatten().map(json);
                for (block, raw) in result.content.iter().zip(raw) {
                    items.push(SentBack::new(&raw, block, &MessagesContentBlockParam::from(block)));
                }
                let turn = json(&json!({"role": "assistant", "content": event_value["content"]}));
                if event_value["content"].is_array() {
                    items.push(SentBack::new(&turn, &result, &MessagesMessageParam::from(&result)));
                }
            }
            _ => {}
        }
    }
    items
}

#[test]
fn what_arrived_is_sent_back_unchanged() {
    let mut counts = BTreeMap::<String, usize>::new();
    for recording in recordings().into_iter().filter(|recording| recording.status == 200) {
        for SentBack { arrived, back, untyped } in sent_back(&recording) {
            assert_eq!(untyped, [], "{} {arrived}", recording.id);
            let without_role = !arrived.is_object() || arrived.get("role").is_none();
            let back = match (recording.api.as_str(), without_role) {
                // The role that the server left out has to be there.
                ("chat", true) => {
                    let mut back = back.to_value();
                    assert_eq!(back.as_object_mut().unwrap().remove("role"), Some(json!("assistant")));
                    Json::from(back)
                }
                _ => back,
            };
            // Servers refuse an empty list of tool calls.
            let arrived = match arrived.get("tool_calls").is_some_and(|calls| calls.as_text() == "[]") {
                true => {
                    let mut without = arrived.to_value();
                    without.as_object_mut().unwrap().remove("tool_calls");
                    Json::from(without)
                }
                false => arrived,
            };
            assert_eq!(arrived.difference(&back), None, "{} {arrived}", recording.id);
            *counts.entry(recording.api.clone()).or_default() += 1;
        }
    }
    eprintln!("sent back unchanged: {counts:?}");
    assert!(["chat", "messages", "responses"].into_iter().all(|api| counts.contains_key(api)));
}

#[test]
fn the_next_request_that_was_recorded_carries_what_is_sent_back() {
    let mut sources = BTreeMap::<String, Vec<Recording>>::new();
    for recording in recordings() {
        sources.entry(recording.source.0.clone()).or_default().push(recording);
    }
    let mut equal = BTreeMap::<String, usize>::new();
    let mut changed = BTreeMap::<String, usize>::new();
    for (_, mut turns) in sources {
        turns.sort_by_key(|recording| recording.source.1);
        for (place, turn) in turns.iter().enumerate() {
            let Some(request) = turns.get(place + 1).and_then(|next| next.request.as_ref()) else { continue };
            let carried = carried(&turn.api, &request.to_value());
            for SentBack { arrived, back, .. } in sent_back(turn) {
                if carried.iter().any(|carried| carried.difference(&back).is_none()) {
                    *equal.entry(turn.api.clone()).or_default() += 1;
                    // And the model of the request reads it as it is.
                    round_trip(&turn.api, &back);
                } else if carried.iter().any(|carried| is_same(carried, &arrived)) {
                    *changed.entry(turn.api.clone()).or_default() += 1;
                    // The recorded client added or left out members; what it carried survives as well.
                    carried.iter().for_each(|carried| round_trip(&turn.api, carried));
                }
            }
        }
    }
    eprintln!("in the next request as they arrived: {equal:?}; changed by the client that was recorded: {changed:?}");
    assert!(["chat", "messages", "responses"].into_iter().all(|api| equal.contains_key(api)));
}

/// The items, messages or blocks of a request.
fn carried(api: &str, request: &Value) -> Vec<Json> {
    let list = |name: &str| request[name].as_array().cloned().unwrap_or_default();
    let values = match api {
        "responses" => list("input"),
        "chat" => list("messages"),
        "messages" => {
            let messages = list("messages");
            let blocks = messages.iter().flat_map(|message| message["content"].as_array().cloned().unwrap_or_default());
            blocks.chain(messages.clone()).collect()
        }
        _ => Vec::new(),
    };
    values.into_iter().map(Json::from).collect()
}

/// Whether the two are the same thing, perhaps in another form.
fn is_same(carried: &Json, arrived: &Json) -> bool {
    let (carried, arrived) = (carried.to_value(), arrived.to_value());
    let same = |path: &str| {
        carried.pointer(path).is_some_and(|value| !value.is_null() && arrived.pointer(path) == Some(value))
    };
    same("/id")
        || same("/call_id")
        || same("/signature")
        || same("/tool_calls/0/id")
        || same("/text")
        || same("/content")
}

fn round_trip(api: &str, json: &Json) {
    fn through<T: Wire>(json: &Json) -> Json {
        let value: T = wire::decode(json.as_text()).unwrap();
        Json::parse(String::from_utf8(wire::encode(&value).unwrap()).unwrap()).unwrap()
    }
    let back = match api {
        "responses" => through::<InputItem>(json),
        "chat" => through::<ChatMessage>(json),
        "messages" if json.get("role").is_some() => through::<MessagesMessageParam>(json),
        _ => through::<MessagesContentBlockParam>(json),
    };
    assert_eq!(json.difference(&back), None, "{json}");
}

#[test]
fn a_malformed_recording_is_reported() {
    for malformed in ["", "[]", "{", "{}", r#"{"body": 5}"#, "\u{0}"] {
        assert!(Recording::parse("file", malformed).is_err(), "{malformed}");
    }
    let recording =
        Recording::parse("file", r#"{"body": "", "status": "x", "response_headers": 5, "chunk_bytes": {}}"#).unwrap();
    assert_eq!((recording.status, recording.kind.as_str(), recording.api.as_str()), (200, "unary", "other"));
}

#[test]
fn the_documentation_names_tests_that_exist() {
    let page = include_str!("../../docs/recorded-traffic.md");
    let sources =
        [include_str!("corpus.rs"), include_str!("errors.rs"), include_str!("../../src/core/wire/tests.rs")].concat();
    let rules = page.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"));
    let names: Vec<_> = rules.map(|(_, name)| name).filter(|name| name.contains('_')).collect();
    assert!(names.len() > 10);
    for name in names {
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}
