//! Decoding, comparing and collecting take time linear in the size of the text, whatever a server sends.
//!
//! The CPU time of this thread is measured, so that other programs do not count. A text may take four times as long as
//! eight texts of an eighth of its size; quadratic work takes eight times as long.

use std::fmt::Write as _;

use openrouter_kit::core::StreamItem;
use openrouter_kit::core::wire::{Json, Wire, decode_event, encode};
use openrouter_kit::helpers::{ChatAccumulator, MessagesAccumulator, ResponsesAccumulator};
use openrouter_kit::models::*;
use serde_json::{Value, json};

/// The CPU time of this thread, in nanoseconds.
fn clock() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The least time of several runs.
fn time(mut work: impl FnMut()) -> u64 {
    let runs = (0..2).map(|_| {
        let before = clock();
        work();
        clock() - before
    });
    runs.min().unwrap()
}

/// Fails if `work` takes more than linear time in the text that `text` makes for a number of parts.
#[track_caller]
fn in_proportion<T>(what: &str, text: impl Fn(usize) -> T, work: impl Fn(&T)) {
    const PARTS: usize = 1000;
    const TIMES: usize = 8;
    let (small, large) = (text(PARTS), text(TIMES * PARTS));
    let least = time(|| (0..TIMES).for_each(|_| work(&small)));
    let most = time(|| work(&large));
    // The clock may advance in steps of the scheduler.
    let step = 10_000_000;
    assert!(most < 4 * (least + step), "{what}: {TIMES} small texts take {least} ns, a large one {most} ns");
}

/// An object with the members that `member` writes for each number.
fn object(parts: usize, member: impl Fn(usize) -> String) -> String {
    let mut text = String::from("{\"id\":\"x\"");
    for number in 0..parts {
        write!(text, ",{}", member(number)).unwrap();
    }
    text + "}"
}

/// The member of this number, as text.
type Member = fn(usize) -> String;

/// Reads, compares and writes.
fn all_of<T: Wire>(text: &str) {
    let value: T = decode_event(text).unwrap();
    let back = String::from_utf8(encode(&value).unwrap()).unwrap();
    assert!(value == decode_event(&back).unwrap());
}

#[test]
fn objects_with_many_members_are_read_compared_and_written_in_proportion() {
    let member = |name: &'static str, value: &'static str| move |number: usize| format!("\"{name}{number}\":{value}");
    let kinds: [(&str, Member); 7] = [
        ("unknown members", |number| format!("\"a{number}\":{number}")),
        ("unknown nulls", |number| format!("\"a{number}\":1,\"b{number}\":null")),
        ("one unknown name", |number| format!("\"a\":{number}")),
        ("one known name", |number| format!("\"model\":\"{number}\"")),
        ("one known name that does not fit", |number| format!("\"choices\":{number}")),
        ("a name and its null", |number| format!("\"a{number}\":1,\"a{number}\":null")),
        ("names with escapes", |number| format!("\"\\u0061{number}\":\"\\n\"")),
    ];
    for (what, kind) in kinds {
        in_proportion(what, |parts| object(parts, kind), |text| all_of::<ChatResult>(text));
    }
    // None of it fits, and the reason is long.
    let mismatch =
        |parts| object(parts, member("a", "1")).replace("\"id\":\"x\"", &format!("\"created\":{}", "9".repeat(parts)));
    in_proportion("a long number among many members", mismatch, |text| all_of::<ChatResult>(text));
}

#[test]
fn values_are_compared_in_proportion() {
    let forth = |parts| (0..parts).map(|number| format!("\"a{number}\":[{number}]")).collect::<Vec<_>>();
    let both = |parts: usize| {
        let mut members = forth(parts);
        let one = format!("{{{}}}", members.join(","));
        members.reverse();
        (Json::parse(one).unwrap(), Json::parse(format!("{{{}}}", members.join(","))).unwrap())
    };
    in_proportion("members in another order", both, |(one, two)| assert!(one == two));
    let repeated = |parts: usize| {
        let last = "9".repeat(parts);
        let one = format!("{{{}\"a\":[{last}]}}", "\"a\":1,".repeat(parts));
        (Json::parse(one).unwrap(), Json::parse(format!("{{\"a\":[ {last}]}}")).unwrap())
    };
    in_proportion("one name many times", repeated, |(one, two)| assert!(one == two));
    let extra = |parts: usize| {
        let of = |number: usize| (format!("a{number}"), Json::of(&number).unwrap());
        ((0..parts).map(of).collect::<Extra>(), (0..parts).rev().map(of).collect::<Extra>())
    };
    in_proportion("extra members", extra, |(one, two)| assert!(one == two));
}

#[test]
fn values_that_fit_nearly_are_read_and_written_in_proportion() {
    let list = |of: fn(usize) -> String| {
        move |parts: usize| {
            format!("{{\"data\":[{{\"id\":\"a\"}},{}]}}", (0..parts).map(of).collect::<Vec<_>>().join(","))
        }
    };
    in_proportion("nulls in a list", list(|_| "null".into()), |text| all_of::<ModelsListResponse>(text));
    let odd = list(|number| format!("{{\"id\":\"{number}\",\"created\":1.5,\"supported_parameters\":[\"x\",null]}}"));
    in_proportion("inexact values", odd, |text| all_of::<ModelsListResponse>(text));
    let halves = |parts: usize| format!("{{\"id\":\"{}\"}}", "\\ud83d\\n".repeat(parts));
    in_proportion("half characters", halves, |text| all_of::<ChatResult>(text));
}

/// The events of a stream, decoded.
fn events<T: StreamItem>(list: impl IntoIterator<Item = Value>) -> Vec<T> {
    list.into_iter().map(|event| decode_event(&event.to_string()).unwrap()).collect()
}

/// The event of this number, in a stream of so many.
type Piece = Box<dyn Fn(usize, usize) -> Value>;

fn chunk(delta: &Value) -> Value {
    json!({"id": "g", "choices": [{"index": 0, "delta": delta}]})
}

fn item(number: usize, text: &str) -> Value {
    json!({"type": "message", "id": format!("m{number}"), "role": "assistant",
        "content": [{"type": "output_text", "text": text}]})
}

fn start(members: &Value) -> Value {
    let mut message = json!({"id": "m", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": 1, "output_tokens": 1}});
    message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"type": "message_start", "message": message})
}

/// An object that is large compared with one event.
fn large(parts: usize) -> Value {
    (0..parts).map(|number| (format!("a{number}"), json!(1))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn chat_streams_are_collected_in_proportion() {
    let pieces: [(&str, Piece); 9] = [
        ("text", Box::new(|_, _| chunk(&json!({"content": "x", "reasoning": "y"})))),
        (
            "unknown members",
            Box::new(|number, _| {
                let name = format!("a{number}");
                json!({"id": "g", &name: 1, "choices": [{"index": 0, &name: 1, "message": {}, "delta": {&name: "x",
                    "same": "y"}}]})
            }),
        ),
        (
            "tool calls",
            Box::new(move |number, _| {
                chunk(&json!({"tool_calls": [{"index": number, "id": number.to_string(), "function": {"name": "f",
                        "arguments": "{}"}}]}))
            }),
        ),
        (
            "ids of one tool call",
            Box::new(|number, _| {
                chunk(&json!({"tool_calls": [{"index": number, "id": number.to_string(),
                        "function": {"arguments": "["}}]}))
            }),
        ),
        (
            "whole arguments without a name",
            Box::new(|number, parts| {
                let name = if number == 0 { "n".repeat(parts) } else { String::new() };
                chunk(&json!({"tool_calls": [{"index": 0, "function": {"name": name, "arguments": "{}1"}}]}))
            }),
        ),
        (
            "choices",
            Box::new(|number, _| json!({"id": "g", "choices": [{"index": number, "delta": {"content": "x"}}]})),
        ),
        (
            "reasoning details",
            Box::new(|number, _| {
                chunk(&json!({"reasoning_details": [{"type": "reasoning.text", "text": "x", "index": number}]}))
            }),
        ),
        (
            "usage",
            Box::new(|number, _| {
                json!({"id": "g", "choices": [], "usage": {"prompt_tokens": number,
                    "completion_tokens": 1, "total_tokens": 1}})
            }),
        ),
        ("values that fit nowhere", Box::new(|_, _| chunk(&json!({"content": 5, "tool_calls": "x"})))),
    ];
    for (what, piece) in pieces {
        in_proportion(
            what,
            |parts| events::<ChatStreamChunk>((0..parts).map(|number| piece(number, parts))),
            |events| {
                let mut answer = ChatAccumulator::new();
                events.iter().for_each(|event| answer.push(event));
                answer.finish();
            },
        );
    }
}

#[test]
fn responses_streams_are_collected_in_proportion() {
    let pieces: [(&str, Piece); 7] = [
        (
            "items",
            Box::new(move |number, _| {
                json!({"type": "response.output_item.added", "output_index": number,
                    "item": item(number, "")})
            }),
        ),
        (
            "ends of items",
            Box::new(move |number, _| {
                json!({"type": "response.output_item.done", "output_index": 0, "item": item(number,
                    "x")})
            }),
        ),
        (
            "deltas without items",
            Box::new(|number, _| {
                json!({"type": "response.output_text.delta", "item_id": number.to_string(),
                    "output_index": number, "delta": "x"})
            }),
        ),
        (
            "parts",
            Box::new(|number, _| {
                json!({"type": "response.output_text.delta", "item_id": "m", "content_index": number,
                    "delta": "x"})
            }),
        ),
        (
            "one item again and again",
            Box::new(move |number, parts| match number {
                0 => json!({"type": "response.output_text.done", "item_id": "m0", "text": "x".repeat(20 * parts)}),
                _ => json!({"type": "response.output_item.added", "output_index": 0, "item": item(0, "")}),
            }),
        ),
        (
            "one response again and again",
            Box::new(move |number, parts| {
                let response = if number == 0 { large(parts) } else { json!({"id": number.to_string()}) };
                json!({"type": "response.in_progress", "response": response})
            }),
        ),
        ("unknown events", Box::new(|number, _| json!({"type": "unheard", "n": number}))),
    ];
    for (what, piece) in pieces {
        in_proportion(
            what,
            |parts| events::<ResponsesStreamEvent>((0..parts).map(|number| piece(number, parts))),
            |events| {
                let mut answer = ResponsesAccumulator::new();
                events.iter().for_each(|event| answer.push(event));
                answer.finish();
            },
        );
    }
}

#[test]
fn messages_streams_are_collected_in_proportion() {
    let pieces: [(&str, Piece); 4] = [
        (
            "blocks",
            Box::new(|number, _| {
                json!({"type": "content_block_start", "index": number, "content_block": {"type": "text",
                    "text": "x"}})
            }),
        ),
        (
            "deltas without blocks",
            Box::new(|number, _| {
                json!({"type": "content_block_delta", "index": number, "delta": {"type": "text_delta",
                    "text": "x"}})
            }),
        ),
        ("messages", Box::new(move |_, _| start(&json!({})))),
        (
            "ends of a large message",
            Box::new(move |number, parts| match number {
                0 => start(&large(parts)),
                _ => {
                    json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                        "usage": {"output_tokens": number}})
                }
            }),
        ),
    ];
    for (what, piece) in pieces {
        in_proportion(
            what,
            |parts| events::<MessagesStreamEvent>((0..parts).map(|number| piece(number, parts))),
            |events| {
                let mut answer = MessagesAccumulator::new();
                events.iter().for_each(|event| answer.push(event));
                answer.finish();
            },
        );
    }
}
