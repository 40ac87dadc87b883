//! Messages: requests and responses that are easy to read, streams joined, blocks sent back.

use std::collections::BTreeMap;

use openrouter_kit::Error;
use openrouter_kit::core::wire::{Json, decode, decode_event};
use openrouter_kit::helpers::MessagesAccumulator;
use openrouter_kit::mock::{Answer, Event, MockServer};
use openrouter_kit::models::*;
use serde_json::{Value, json};

use crate::a_limit::tokio;

async fn stream(events: Vec<Value>) -> openrouter_kit::EventStream<MessagesStreamEvent> {
    let server = MockServer::start().await;
    let named = events.iter().map(|event| Event::named(event["type"].as_str().unwrap(), event));
    server.answer(Answer::events(named.collect::<Vec<_>>()));
    let client = server.client();
    client.messages().stream(MessagesRequest::new("m").messages(["Hi"])).await.unwrap()
}

async fn collected(events: Vec<Value>) -> MessagesResult {
    stream(events).await.collect().await.unwrap()
}

#[track_caller]
fn same(one: &impl serde::Serialize, two: &Value) {
    let difference = Json::of(one).unwrap().difference(&Json::from(two.clone()));
    assert!(difference.is_none(), "differs at {}: {}", difference.unwrap(), Json::of(one).unwrap());
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": null, "stop_sequence": null, "provider": "Anthropic",
        "usage": {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 4, "service_tier": "standard"}}})
}

fn block(index: i64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: i64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn end() -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"input_tokens": 0, "output_tokens": 7, "cost": 0.5}}),
        json!({"type": "message_stop"}),
    ]
}

/// The content that these events make, as JSON.
async fn content(events: Vec<Value>) -> Value {
    let events = [start()].into_iter().chain(events).chain(end()).collect();
    serde_json::to_value(collected(events).await.content).unwrap()
}

#[tokio::test]
async fn a_request_with_a_tool_is_short() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, message(json!([]))));
    let weather = MessagesRequestTool::custom(
        "get_current_weather",
        json!({"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"],
            "additionalProperties": false}),
    )
    .description("The weather at a place");
    let request = MessagesRequest::new("anthropic/claude-sonnet-4")
        .max_tokens(100)
        .system("Be brief")
        .messages([MessagesMessageParam::user("How is the weather in Rome?")])
        .temperature(0.7)
        .tools([weather]);
    server.client().messages().create(request).await.unwrap();
    assert_eq!(
        server.requests()[0].json(),
        json!({
            "model": "anthropic/claude-sonnet-4", "max_tokens": 100, "system": "Be brief", "temperature": 0.7,
            "stream": false,
            "messages": [{"role": "user", "content": "How is the weather in Rome?"}],
            "tools": [{"type": "custom", "name": "get_current_weather", "description": "The weather at a place",
                "input_schema": {"type": "object", "properties": {"location": {"type": "string"}},
                    "required": ["location"], "additionalProperties": false}}],
        })
    );
}

#[test]
fn a_message_is_text_or_blocks() {
    let messages = vec![
        MessagesMessageParam::user([
            MessagesContentBlockParam::text("What is this?"),
            MessagesContentBlockParam::image_url("https://example.com/cat.png"),
            MessagesContentBlockParam::image("AAAA", "image/png"),
            MessagesContentBlockParam::pdf("AAAA"),
            MessagesContentBlockParam::pdf_url("https://example.com/a.pdf"),
            MessagesContentBlockParam::tool_result("t1", "42"),
        ]),
        MessagesMessageParam::assistant("A cat."),
        "Sure?".into(),
    ];
    same(
        &messages,
        &json!([
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
                {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
                {"type": "tool_result", "tool_use_id": "t1", "content": "42"},
            ]},
            {"role": "assistant", "content": "A cat."},
            {"role": "user", "content": "Sure?"},
        ]),
    );
}

#[test]
fn a_schema_that_is_no_object_goes_out_as_it_is() {
    let tool = MessagesRequestTool::custom("f", json!([])).description("d");
    same(&tool, &json!({"type": "custom", "name": "f", "description": "d", "input_schema": []}));
}

fn message(content: Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "container": null,
        "stop_details": null, "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 1, "output_tokens": 2, "cost": 0.5}})
}

fn answer(content: Value) -> MessagesResult {
    decode(&message(content).to_string()).unwrap()
}

fn blocks() -> Value {
    json!([
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "Hel", "citations": [{"type": "char_location", "cited_text": "c", "document_index": 0,
            "document_title": null, "file_id": null, "start_char_index": 0, "end_char_index": 1}]},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 9007199254740993_i64}, "caller": {"type": "direct"}},
        {"type": "server_tool_use", "id": "t2", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "t2", "content": [{"type": "web_search_result", "url": "u",
            "title": "t", "encrypted_content": "e", "page_age": null}]},
        {"type": "web_fetch_tool_result", "tool_use_id": "t3", "content": {"type": "web_fetch_tool_error", "error_code": "x"}},
        {"type": "compaction", "content": "c"},
        {"type": "unheard", "x": [1, null]},
        {"type": "text", "text": "lo", "new": true},
    ])
}

#[test]
fn blocks_are_sent_back_unchanged() {
    let answer = answer(blocks());
    let turn = json!({"role": "assistant", "content": blocks()});
    same(&MessagesMessageParam::from(&answer), &turn);
    let moved: Vec<MessagesContentBlockParam> = answer.content.iter().cloned().map(Into::into).collect();
    same(&moved, &blocks());
    same(&MessagesMessageParam::from(answer), &turn);
}

#[test]
fn the_text_the_tool_uses_and_the_cost_of_an_answer_are_at_hand() {
    let answer = answer(blocks());
    assert_eq!(answer.text(), "Hello");
    assert_eq!(answer.reasoning_text(), "hm");
    assert_eq!(answer.cost(), Some(0.5));
    let uses: Vec<_> = answer.tool_uses().collect();
    assert_eq!(uses.len(), 1);
    let input: BTreeMap<String, i64> = uses[0].parse_input().unwrap();
    assert_eq!(input["x"], 9_007_199_254_740_993);
    let error = uses[0].parse_input::<BTreeMap<String, String>>().unwrap_err();
    assert!(error.text().contains("9007199254740993") && error.to_string().contains("`f`"), "{error}");
}

#[tokio::test]
async fn a_stream_becomes_the_answer_it_would_have_been() {
    let events = [
        start(),
        json!({"type": "ping"}),
        block(0, json!({"type": "text", "text": ""})),
        delta(0, json!({"type": "text_delta", "text": "Hel"})),
        delta(0, json!({"type": "text_delta", "text": "lo"})),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    let result = collected(events.into_iter().chain(end()).collect()).await;
    same(
        &result,
        &json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "provider": "Anthropic",
            "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 7, "cache_read_input_tokens": 4, "service_tier": "standard",
                "cost": 0.5}}),
    );
}

#[tokio::test]
async fn blocks_grow_by_their_deltas() {
    let citation = json!({"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": "t",
        "file_id": null, "start_char_index": 0, "end_char_index": 1});
    let content = content(vec![
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Let "})),
        delta(0, json!({"type": "thinking_delta", "thinking": "me"})),
        delta(0, json!({"type": "signature_delta", "signature": "s1"})),
        block(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "a"})),
        delta(1, json!({"type": "citations_delta", "citation": citation})),
        block(2, json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}})),
        block(3, json!({"type": "tool_use", "id": "t2", "name": "g", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"x\":"})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "12345678901234567890}"})),
        block(4, json!({"type": "compaction", "content": null})),
        delta(4, json!({"type": "compaction_delta", "content": "short"})),
        block(5, json!({"type": "mcp_tool_use", "id": "t3", "name": "h", "input": {}, "server_name": "s"})),
        delta(5, json!({"type": "input_json_delta", "partial_json": "{\"y\":1}"})),
        block(6, json!({"type": "web_search_tool_result", "tool_use_id": "t4", "content": []})),
    ])
    .await;
    assert_eq!(
        content,
        json!([
            {"type": "thinking", "thinking": "Let me", "signature": "s1"},
            {"type": "text", "text": "a", "citations": [citation]},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 12345678901234567890_u64}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
            {"type": "compaction", "content": "short"},
            {"type": "mcp_tool_use", "id": "t3", "name": "h", "input": {"y": 1}, "server_name": "s"},
            {"type": "web_search_tool_result", "tool_use_id": "t4", "content": []},
        ])
    );
}

#[tokio::test]
async fn input_that_is_no_json_stays_as_text() {
    let content = content(vec![
        block(0, json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "{\"x\":"})),
    ])
    .await;
    assert_eq!(content[0]["input"], json!("{\"x\":"));
}

#[tokio::test]
async fn what_is_unknown_is_kept_whole() {
    let unheard = [
        json!({"type": "unheard", "x": 1}),
        delta(0, json!({"type": "unheard_delta", "y": 2})),
        delta(9, json!({"type": "input_json_delta", "partial_json": "{}"})),
    ];
    let events = [start(), block(0, json!({"type": "text", "text": ""}))];
    let result = collected(events.into_iter().chain(unheard.clone()).chain(end()).collect()).await;
    same(result.extra.get("unrecognized_events").unwrap(), &json!(unheard));
    same(
        &MessagesMessageParam::from(&result),
        &json!({"role": "assistant", "content": [{"type": "text", "text": ""}]}),
    );
}

#[test]
fn the_nulls_of_a_started_message_are_written_back() {
    let event = decode_event::<MessagesStreamEvent>(&start().to_string()).unwrap();
    let MessagesStreamEvent::MessageStart(started) = &event else { panic!("{event:?}") };
    assert_eq!((&started.message.stop_reason, &started.message.stop_sequence), (&None, &None));
    assert_eq!(serde_json::to_value(&event).unwrap(), start());

    let mut stopped = start();
    stopped["message"]["stop_reason"] = json!("end_turn");
    let event = decode_event::<MessagesStreamEvent>(&stopped.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&event).unwrap(), stopped);

    let mut bare = start();
    bare["message"].as_object_mut().unwrap().remove("stop_reason");
    let event = decode_event::<MessagesStreamEvent>(&bare.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&event).unwrap(), bare);
}

#[tokio::test]
async fn text_without_an_event_for_its_block_is_a_block() {
    let content = content(vec![delta(0, json!({"type": "text_delta", "text": "Hi"}))]).await;
    assert_eq!(content, json!([{"type": "text", "text": "Hi", "citations": null}]));
}

#[tokio::test]
async fn deltas_without_an_event_for_their_block_are_one_block_while_they_are_of_one_kind() {
    let text = |text: &str| delta(0, json!({"type": "text_delta", "text": text}));
    let thinking = |text: &str| delta(0, json!({"type": "thinking_delta", "thinking": text}));
    let content = content(vec![thinking("Let "), thinking("me"), text("Hel"), text("lo")]).await;
    assert_eq!(
        content,
        json!([
            {"type": "thinking", "thinking": "Let me", "signature": ""},
            {"type": "text", "text": "Hello", "citations": null},
        ])
    );
}

#[tokio::test]
async fn the_end_of_a_message_counts_with_its_reason_or_its_usage_alone() {
    let stop = json!({"type": "message_stop"});
    let reason = json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}});
    let result = collected(vec![start(), reason, stop.clone()]).await;
    assert_eq!(result.stop_reason.as_ref().map(|reason| reason.as_str()), Some("max_tokens"));
    assert_eq!((result.usage.output_tokens, result.cost()), (1, None));
    let usage = json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7, "cost": 0.5}});
    let result = collected(vec![start(), usage, stop]).await;
    assert_eq!((result.usage.input_tokens, result.usage.output_tokens, result.cost()), (10, 7, Some(0.5)));
}

#[test]
fn a_snapshot_shows_what_came() {
    let mut accumulator = MessagesAccumulator::new();
    assert!(accumulator.snapshot().is_none());
    for event in [start(), delta(0, json!({"type": "text_delta", "text": "Hel"}))] {
        accumulator.push(&decode_event(&event.to_string()).unwrap());
    }
    let snapshot = accumulator.snapshot().unwrap();
    assert_eq!((snapshot.id.as_str(), snapshot.text().as_str()), ("msg_1", "Hel"));
    accumulator.push(&decode_event(&delta(0, json!({"type": "text_delta", "text": "lo"})).to_string()).unwrap());
    assert_eq!(accumulator.finish().unwrap().text(), "Hello");
}

#[tokio::test]
async fn an_error_event_of_any_form_is_an_error() {
    for (event, message) in [
        (json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), "Overloaded"),
        (json!({"type": "error", "error": "Overloaded"}), "Overloaded"),
        (json!({"error": {"message": "no credits"}}), "no credits"),
    ] {
        let server = MockServer::start().await;
        server.answer(Answer::events([start(), event.clone()].map(Event::data)));
        let request = MessagesRequest::new("m").messages(["Hi"]);
        let error = server.client().messages().stream(request).await.unwrap().collect().await.unwrap_err();
        assert_eq!(error.as_api().map(|error| error.message()), Some(message), "{event}: {error:?}");
    }
    let unknown =
        [json!({"error": null}), json!({"type": "of_tomorrow", "error": {"message": "not one of the answer"}})];
    let server = MockServer::start().await;
    server.answer(Answer::events([start()].into_iter().chain(unknown).chain(end()).map(Event::data)));
    let request = MessagesRequest::new("m").messages(["Hi"]);
    assert!(server.client().messages().stream(request).await.unwrap().collect().await.is_ok());
}

#[tokio::test]
async fn the_content_of_several_messages_in_one_stream_is_joined() {
    let text = |text: &str| [block(0, json!({"type": "text", "text": text}))];
    let events = [start()].into_iter().chain(text("a")).chain(end()).chain([start()]).chain(text("b")).chain(end());
    assert_eq!(collected(events.collect()).await.text(), "ab");
}

#[tokio::test]
async fn a_stream_without_a_message_is_an_error() {
    let error = stream(vec![json!({"type": "message_stop"})]).await.collect().await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
}

#[tokio::test]
async fn the_text_comes_piece_by_piece() {
    let events = [
        start(),
        block(0, json!({"type": "text", "text": ""})),
        delta(0, json!({"type": "text_delta", "text": "Hel"})),
        delta(0, json!({"type": "text_delta", "text": "lo"})),
    ];
    let mut texts = stream(events.into_iter().chain(end()).collect()).await.text_deltas();
    let mut pieces = Vec::new();
    while let Some(text) = texts.next().await {
        pieces.push(text.unwrap());
    }
    assert_eq!(pieces, ["Hel", "lo"]);
}

#[tokio::test]
async fn the_text_with_which_a_block_begins_is_a_piece_too() {
    let events = [
        start(),
        block(0, json!({"type": "text", "text": "Hel"})),
        delta(0, json!({"type": "text_delta", "text": "lo"})),
        block(1, json!({"type": "thinking", "thinking": "hm", "signature": ""})),
    ];
    let mut texts = stream(events.into_iter().chain(end()).collect()).await.text_deltas();
    let mut pieces = Vec::new();
    while let Some(text) = texts.next().await {
        pieces.push(text.unwrap());
    }
    assert_eq!(pieces, ["Hel", "lo"]);
}

#[test]
fn recorded_streams_are_put_together_with_nothing_lost() {
    let files = crate::support::recorded_traffic();
    let (mut streams, is_there) = (0, !files.is_empty());
    for file in files {
        let recording: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let (Some("messages"), Some("stream"), Some(body)) =
            (recording["api"].as_str(), recording["kind"].as_str(), recording["body"].as_str())
        else {
            continue;
        };
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let events = crate::support::recorded_events(body);
        let mut accumulator = MessagesAccumulator::new();
        for event in &events {
            accumulator.push(&decode_event(&event.to_string()).unwrap());
        }
        let Some(answer) = accumulator.finish() else { panic!("{name}: no message") };
        if events.iter().filter(|event| event["type"] == "message_start").count() == 1 {
            check(&name, &events, &answer);
        }
        let turn = serde_json::to_value(MessagesMessageParam::from(&answer)).unwrap();
        same(&turn["content"], &serde_json::to_value(&answer.content).unwrap());
        streams += 1;
    }
    println!("{streams} recorded streams");
    assert!(!is_there || streams > 30);
}

/// Compares a response with what the events say, joined here in another way.
fn check(name: &str, events: &[Value], answer: &MessagesResult) {
    let whole = serde_json::to_value(answer).unwrap();
    let blocks = whole["content"].as_array().unwrap();
    let started: Vec<&Value> = events.iter().filter(|event| event["type"] == "content_block_start").collect();
    assert_eq!(blocks.len(), started.len(), "{name}: blocks");
    for (block, start) in blocks.iter().zip(started) {
        let deltas: Vec<&Value> = events
            .iter()
            .filter(|event| event["type"] == "content_block_delta" && event["index"] == start["index"])
            .map(|event| &event["delta"])
            .collect();
        for (member, piece) in [("text", "text"), ("thinking", "thinking"), ("signature", "signature")] {
            let begun = start["content_block"][member].as_str().unwrap_or_default().to_owned();
            let joined =
                deltas.iter().filter_map(|delta| delta[piece].as_str()).fold(begun, |text, piece| text + piece);
            assert_eq!(block[member].as_str().unwrap_or_default(), joined, "{name}: {member}");
        }
        let input: String = deltas.iter().filter_map(|delta| delta["partial_json"].as_str()).collect();
        if !input.is_empty() {
            assert_eq!(block["input"], serde_json::from_str::<Value>(&input).unwrap(), "{name}: input");
        }
        let citations = deltas.iter().filter(|delta| delta["citation"].is_object()).count();
        assert_eq!(block["citations"].as_array().map(Vec::len).unwrap_or_default(), citations, "{name}: citations");
    }
    if let Some(last) = events.iter().rev().find(|event| event["type"] == "message_delta") {
        assert_eq!(whole["stop_reason"], last["delta"]["stop_reason"], "{name}");
        assert_eq!(whole["usage"]["output_tokens"], last["usage"]["output_tokens"], "{name}");
    }
    assert!(whole.get("unrecognized_events").is_none(), "{name}: {}", whole["unrecognized_events"]);
}
