//! Responses: requests and responses that are easy to read, streams joined, items sent back.

use std::collections::BTreeMap;

use openrouter_kit::Error;
use openrouter_kit::core::wire::{Json, decode, decode_event};
use openrouter_kit::helpers::ResponsesAccumulator;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::responses::ResponsesToolChoiceWebSearchPreview;
use openrouter_kit::models::*;
use serde_json::{Value, json};

use crate::a_limit::tokio;

async fn stream(events: Vec<Value>) -> openrouter_kit::EventStream<ResponsesStreamEvent> {
    let server = MockServer::start().await;
    server.answer(Answer::stream(events));
    let client = server.client();
    client.beta().responses().stream(ResponsesRequest::new().model("m").input("Hi")).await.unwrap()
}

#[track_caller]
fn same(one: &impl serde::Serialize, two: &Value) {
    let difference = Json::of(one).unwrap().difference(&Json::from(two.clone()));
    assert!(difference.is_none(), "differs at {}: {}", difference.unwrap(), Json::of(one).unwrap());
}

fn response(status: &str, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output,
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cost": 0.5,
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}})
}

fn answer(output: Value) -> ResponsesResult {
    decode(&response("completed", output).to_string()).unwrap()
}

fn text_item(id: &str, text: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn call_item(arguments: &str) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments,
        "status": "completed"})
}

#[tokio::test]
async fn the_example_of_the_documentation_is_short() {
    let server = MockServer::start().await;
    let weather = ResponsesTool::function(
        "get_current_weather",
        json!({"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}),
    )
    .description("The weather at a place");
    let request = ResponsesRequest::new()
        .model("anthropic/claude-4.5-sonnet-20250929")
        .input([InputItem::user("Hello, how are you?")])
        .temperature(0.7)
        .top_p(0.9)
        .tools([weather]);
    server.client().beta().responses().send(request).await.unwrap();
    assert_eq!(
        server.requests()[0].json(),
        json!({
            "model": "anthropic/claude-4.5-sonnet-20250929", "temperature": 0.7, "top_p": 0.9, "stream": false,
            "input": [{"type": "message", "role": "user", "content": "Hello, how are you?"}],
            "tools": [{"type": "function", "name": "get_current_weather", "description": "The weather at a place",
                "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}],
        })
    );
}

#[test]
fn input_is_text_an_item_or_a_list_of_items() {
    let input = |input: ResponsesInput| ResponsesRequest::new().input(input);
    same(&input("Hi".into()), &json!({"input": "Hi"}));
    same(
        &input(InputItem::user("Hi").into()),
        &json!({"input": [{"type": "message", "role": "user", "content": "Hi"}]}),
    );
    let list = vec![
        InputItem::system("Be brief"),
        InputItem::developer("Be kind"),
        InputItem::user([
            InputContentPart::text("What is this?"),
            InputContentPart::image_url("https://example.com/cat.png"),
            InputContentPart::input_audio("AAAA", "wav"),
            InputContentPart::video_url("https://example.com/cat.mp4"),
            InputContentPart::file("a.pdf", "data:application/pdf;base64,AAAA"),
            InputContentPart::file_url("https://example.com/a.pdf"),
        ]),
        InputItem::assistant("A cat."),
        InputItem::function_call_output("call_1", "{}"),
        "Sure?".into(),
    ];
    same(
        &input(list.into()),
        &json!({"input": [
            {"type": "message", "role": "system", "content": "Be brief"},
            {"type": "message", "role": "developer", "content": "Be kind"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "detail": "auto", "image_url": "https://example.com/cat.png"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "input_video", "video_url": "https://example.com/cat.mp4"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                {"type": "input_file", "file_url": "https://example.com/a.pdf"},
            ]},
            {"type": "message", "role": "assistant", "content": "A cat."},
            {"type": "function_call_output", "call_id": "call_1", "output": "{}"},
            {"type": "message", "role": "user", "content": "Sure?"},
        ]}),
    );
}

#[test]
fn the_hosted_web_search_is_a_tool_choice_under_each_of_its_names() {
    for name in ["web_search_preview", "web_search_preview_2025_03_11"] {
        let choice = ResponsesToolChoiceWebSearchPreview::new(name);
        let request = ResponsesRequest::new().input("Hi").tool_choice(choice.clone());
        same(&request, &json!({"input": "Hi", "tool_choice": {"type": name}}));

        let mut body = response("completed", json!([]));
        body["tool_choice"] = json!({"type": name});
        let answer: ResponsesResult = decode(&body.to_string()).unwrap();
        assert_eq!(answer.tool_choice, ResponsesToolChoice::WebSearchPreview(choice));
        same(&answer, &body);
    }
    let unheard = json!({"type": "web_search_preview_2099"});
    let choice: ResponsesToolChoice = decode(&unheard.to_string()).unwrap();
    assert!(matches!(choice, ResponsesToolChoice::Unrecognized(_)), "{choice:?}");
    same(&choice, &unheard);
}

#[test]
fn the_text_the_calls_and_the_cost_of_an_answer_are_at_hand() {
    let answer = answer(json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "short"}], "encrypted_content": "e"},
        text_item("m1", "Hel"),
        {"type": "openrouter:unheard", "x": 1},
        call_item("{\"x\":1}"),
        text_item("m2", "lo"),
    ]));
    assert_eq!(answer.output_text(), "Hello");
    assert_eq!(answer.reasoning_text(), "short");
    assert_eq!(answer.cost(), Some(0.5));
    let calls: Vec<_> = answer.function_calls().collect();
    assert_eq!(calls.len(), 1);
    let arguments: BTreeMap<String, i64> = calls[0].parse_arguments().unwrap();
    assert_eq!(arguments["x"], 1);
}

#[test]
fn an_answer_is_read_as_a_value_or_the_error_holds_its_text() {
    let read: BTreeMap<String, i64> = answer(json!([text_item("m", "{\"x\":1}")])).parse().unwrap();
    assert_eq!(read["x"], 1);
    let refused = json!([{"type": "message", "id": "m", "role": "assistant", "status": "completed",
        "content": [{"type": "refusal", "refusal": "I will not"}]}]);
    assert_eq!(answer(refused).parse::<Value>().unwrap_err().text(), "I will not");
}

#[test]
fn output_is_sent_back_unchanged() {
    let output = json!([
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}],
            "encrypted_content": "e", "signature": "s", "format": "anthropic-claude-v1", "status": null, "new": 1},
        {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "phase": "final_answer",
            "content": [{"type": "output_text", "text": "Hi", "logprobs": [], "annotations": [
                {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2}]},
                {"type": "unheard", "x": 9007199254740993_i64}]},
        call_item("{}"),
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "shell_call", "id": "sh", "call_id": "c", "status": "completed", "action": {"commands": ["ls"]}},
        {"type": "openrouter:unheard", "x": [1, {"y": null}]},
        {"type": "function_call", "broken": true},
        {"no": "type"},
    ]);
    let answer = answer(output.clone());
    same(&answer.to_input(), &output);
    let moved: Vec<InputItem> = answer.output.into_iter().map(InputItem::from).collect();
    same(&moved, &output);
}

#[tokio::test]
async fn the_answer_of_a_stream_is_that_of_its_last_event() {
    let result = stream(vec![
        json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", json!([]))}),
        json!({"type": "response.completed", "sequence_number": 1,
            "response": response("completed", json!([text_item("m1", "Hello")]))}),
    ])
    .await
    .collect()
    .await
    .unwrap();
    assert_eq!(result.output_text(), "Hello");
    same(&result, &response("completed", json!([text_item("m1", "Hello")])));
}

fn delta_events() -> Vec<Value> {
    vec![
        json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
            "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
        json!({"type": "response.reasoning_summary_text.delta", "sequence_number": 2, "output_index": 0,
            "item_id": "rs_1", "summary_index": 0, "delta": "hm"}),
        json!({"type": "response.output_item.added", "sequence_number": 3, "output_index": 1,
            "item": {"type": "message", "id": "m1", "role": "assistant", "status": "in_progress", "content": []}}),
        json!({"type": "response.output_text.delta", "sequence_number": 4, "output_index": 1, "item_id": "m1",
            "content_index": 0, "delta": "Hel", "logprobs": []}),
        json!({"type": "response.output_text.delta", "sequence_number": 5, "output_index": 1, "item_id": "m1",
            "content_index": 0, "delta": "lo", "logprobs": []}),
        json!({"type": "response.output_item.added", "sequence_number": 6, "output_index": 2,
            "item": {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "sequence_number": 7, "output_index": 2,
            "item_id": "fc_1", "delta": "{\"x\""}),
        json!({"type": "response.function_call_arguments.delta", "sequence_number": 8, "output_index": 2,
            "item_id": "fc_1", "delta": ":1}"}),
    ]
}

#[test]
fn a_snapshot_shows_what_came() {
    let mut accumulator = ResponsesAccumulator::new();
    assert!(accumulator.snapshot().is_none());
    for event in delta_events() {
        accumulator.push(&decode_event(&event.to_string()).unwrap());
    }
    let snapshot = accumulator.snapshot().unwrap();
    assert_eq!(snapshot.output_text(), "Hello");
    assert_eq!(snapshot.reasoning_text(), "hm");
    assert_eq!(snapshot.function_calls().next().unwrap().arguments, "{\"x\":1}");
    assert_eq!(snapshot.status, ResponsesStatus::InProgress);
}

#[tokio::test]
async fn an_empty_last_output_is_filled_from_the_items_that_came() {
    let mut events = delta_events();
    events.push(json!({"type": "response.output_item.done", "sequence_number": 9, "output_index": 1,
        "item": text_item("m1", "Hello")}));
    events.push(
        json!({"type": "response.completed", "sequence_number": 10, "response": response("completed", json!([]))}),
    );
    let result = stream(events).await.collect().await.unwrap();
    same(&result.output[1], &text_item("m1", "Hello"));
    assert_eq!(result.output.len(), 3);
    assert_eq!(result.status, ResponsesStatus::Completed);
}

#[tokio::test]
async fn items_that_all_count_as_the_first_are_told_apart_by_their_ids() {
    let done = |item: Value| json!({"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": item});
    let events = vec![
        done(text_item("m1", "a")),
        done(text_item("m2", "b")),
        json!({"type": "response.completed", "sequence_number": 2, "response": response("completed", json!([]))}),
    ];
    assert_eq!(stream(events).await.collect().await.unwrap().output_text(), "ab");
}

#[tokio::test]
async fn text_without_an_event_for_its_message_is_a_message() {
    let events = vec![
        json!({"type": "response.output_text.delta", "sequence_number": 4, "output_index": 0, "item_id": "m1",
            "content_index": 0, "delta": "Hi", "logprobs": []}),
        json!({"type": "response.completed", "sequence_number": 2, "response": response("completed", json!([]))}),
    ];
    assert_eq!(stream(events).await.collect().await.unwrap().output_text(), "Hi");
}

#[tokio::test]
async fn a_stream_without_a_response_is_an_error() {
    let error = stream(vec![json!({"type": "response.unheard"})]).await.collect().await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
}

#[tokio::test]
async fn the_text_comes_piece_by_piece() {
    let mut events = delta_events();
    events.push(
        json!({"type": "response.completed", "sequence_number": 10, "response": response("completed", json!([]))}),
    );
    let mut texts = stream(events).await.text_deltas();
    let mut pieces = Vec::new();
    while let Some(text) = texts.next().await {
        pieces.push(text.unwrap());
    }
    assert_eq!(pieces, ["Hel", "lo"]);
}

#[test]
fn recorded_streams_give_the_items_that_the_last_event_holds() {
    let files = crate::support::recorded_traffic();
    let (mut streams, is_there) = (0, !files.is_empty());
    for file in files {
        let recording: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let (Some("responses"), Some("stream"), Some(body)) =
            (recording["api"].as_str(), recording["kind"].as_str(), recording["body"].as_str())
        else {
            continue;
        };
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let events = crate::support::recorded_events(body);
        let is_last = |event: &&Value| {
            matches!(event["type"].as_str(), Some("response.completed" | "response.incomplete"))
                && event["response"].is_object()
        };
        let Some(last) = events.iter().rev().find(is_last) else { continue };
        let (mut whole, mut grown, mut text) =
            (ResponsesAccumulator::new(), ResponsesAccumulator::new(), String::new());
        for event in &events {
            let read: ResponsesStreamEvent = decode_event(&event.to_string()).unwrap();
            whole.push(&read);
            if !event["type"].as_str().unwrap_or_default().ends_with(".done") && !is_last(&event) {
                grown.push(&read);
            }
            if event["type"] == "response.output_text.delta" {
                text.push_str(event["delta"].as_str().unwrap());
            }
        }
        let mut whole = whole.finish().unwrap();
        // Unknown events are next to the response.
        whole.extra.remove("unrecognized_events");
        let mut expected = last["response"].clone();
        let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
        if expected["output"].as_array().is_some_and(Vec::is_empty) {
            expected["output"] = done.map(|event| event["item"].clone()).collect();
        }
        let difference = Json::of(&whole).unwrap().difference(&Json::from(expected));
        assert!(difference.is_none(), "{name}: {}", difference.unwrap());
        // Some recordings were shortened; the numbers of their events have gaps.
        let is_complete = events.iter().enumerate().all(|(at, event)| event["sequence_number"] == at);
        assert!(!is_complete || whole.output_text() == text, "{name}");
        assert_eq!(grown.finish().unwrap().output_text(), text, "{name}: from the deltas alone");
        same(&whole.to_input(), &serde_json::to_value(&whole.output).unwrap());
        streams += 1;
    }
    println!("{streams} recorded streams");
    assert!(!is_there || streams > 50);
}

#[tokio::test]
async fn unknown_fields_of_an_earlier_version_of_an_item_are_kept() {
    let with = |mut item: Value, fields: Value| {
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item
    };
    let event = |kind: &str, index: usize, item: Value| {
        json!({"type": kind, "sequence_number": 1,
            "output_index": index, "item": item})
    };
    let (added, done) = ("response.output_item.added", "response.output_item.done");
    let events = vec![
        event(added, 0, with(text_item("m1", ""), json!({"first": 1, "both": 1}))),
        event(done, 0, with(text_item("m1", "a"), json!({"both": 2, "last": 2}))),
        event(added, 1, with(call_item(""), json!({"first": 1}))),
        event(done, 1, call_item("{}")),
        json!({"type": "response.completed", "sequence_number": 2, "response": response("completed", json!([]))}),
    ];
    let result = stream(events).await.collect().await.unwrap();
    same(&result.output[0], &with(text_item("m1", "a"), json!({"first": 1, "both": 2, "last": 2})));
    same(&result.output[1], &with(call_item("{}"), json!({"first": 1})));
}
