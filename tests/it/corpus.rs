//! Recorded exchanges, replayed through the local server: nothing is lost and nothing aborts.
//!
//! The recordings in `tests/recordings` were made by hand and show each oddity once. Where a folder with recorded traffic
//! lies beside the repository, all of it is replayed too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::replay::recording::{Recording, read_folder};
use crate::replay::{self, Report};
use openrouter_kit::core::wire::{self, Json, Wire};
use openrouter_kit::models::*;
use serde_json::{Value, json};

/// The folders with recordings that are there, each with its recordings.
fn folders() -> Vec<(PathBuf, Vec<Recording>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = Vec::new();
    for folder in [root.join("tests/recordings"), root.join("../shared/corpus")] {
        if !folder.exists() {
            eprintln!("skipped: there is no folder {}", folder.display());
            continue;
        }
        let (recordings, unreadable) = read_folder(&folder).unwrap();
        assert_eq!(unreadable, Vec::<String>::new());
        folders.push((folder, recordings));
    }
    folders
}

fn recordings() -> Vec<Recording> {
    folders().into_iter().flat_map(|(_, recordings)| recordings).collect()
}

fn assert_nothing_is_lost(report: &Report) {
    let failed: Vec<_> = report.failed().map(|verdict| format!("{} {:#?}", verdict.id, verdict.notes)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let counts = report.counts();
    assert_eq!(counts.typed + counts.kept, counts.events);
    assert_eq!((counts.lost, counts.aborted, counts.requests), (0, 0, 0));
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
async fn the_recordings_made_by_hand_are_read_as_they_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let (recordings, _) = read_folder(&root).unwrap();
    let report = replay::replay(&recordings).await;
    for (verdict, recording) in report.verdicts.iter().zip(&recordings) {
        let text = std::fs::read_to_string(root.join(format!("{}.json", recording.id))).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let counts = json!({"events": verdict.events, "typed": verdict.typed});
        assert_eq!(counts, expected["expected"], "{}: {:#?}", verdict.id, verdict.notes);
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

/// Changes one value somewhere in `json`. What serde_json's tree cannot hold stands there as a placeholder; the answer
/// tells what to put in its place.
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

/// What an exchange put out, each as it arrived and as it is sent back.
fn sent_back(recording: &Recording) -> Vec<(Json, Json)> {
    let mut items = Vec::new();
    let json = |value: &Value| Json::from(value.clone());
    let of = |raw: &Json, back: Vec<u8>| (raw.clone(), Json::parse(String::from_utf8(back).unwrap()).unwrap());
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
                    items.push(of(&raw, wire::encode(&InputItem::from(item)).unwrap()));
                }
            }
            "chat" => {
                let Ok(result) = wire::decode::<ChatResult>(event.as_text()) else { continue };
                let raw =
                    event_value["choices"].as_array().into_iter().flatten().map(|choice| json(&choice["message"]));
                for (choice, raw) in result.choices.iter().zip(raw).filter(|(_, raw)| !raw.is_null()) {
                    items.push(of(&raw, wire::encode(&ChatMessage::from(choice)).unwrap()));
                }
            }
            "messages" => {
                let Ok(result) = wire::decode::<MessagesResult>(event.as_text()) else { continue };
                let raw = event_value["content"].as_array().into_iter().flatten().map(json);
                for (block, raw) in result.content.iter().zip(raw) {
                    items.push(of(&raw, wire::encode(&MessagesContentBlockParam::from(block)).unwrap()));
                }
                let turn = json(&json!({"role": "assistant", "content": event_value["content"]}));
                if event_value["content"].is_array() {
                    items.push(of(&turn, wire::encode(&MessagesMessageParam::from(&result)).unwrap()));
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
        for (arrived, back) in sent_back(&recording) {
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
            for (arrived, back) in sent_back(turn) {
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
