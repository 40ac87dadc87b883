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

/// The response that an accumulator makes of these events, as JSON.
fn accumulated(events: &[Value]) -> Option<Value> {
    let mut accumulator = ResponsesAccumulator::new();
    for event in events {
        accumulator.push(&decode_event(&event.to_string()).unwrap());
    }
    accumulator.finish().map(|response| serde_json::to_value(response).unwrap())
}

/// The output that an accumulator makes of these events, as JSON.
fn output(events: &[Value]) -> Value {
    let response = accumulated(events).unwrap();
    assert_eq!(response.get("unrecognized_events"), None);
    response["output"].clone()
}

/// An event about a delta or a whole value of an item, with these members.
fn event(kind: &str, index: i64, id: &str, members: Value) -> Value {
    let mut event = json!({"type": kind, "sequence_number": 1, "output_index": index, "item_id": id});
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    event
}

fn text_delta(index: i64, id: &str, content_index: i64, text: &str) -> Value {
    let members = json!({"content_index": content_index, "delta": text, "logprobs": []});
    event("response.output_text.delta", index, id, members)
}

fn added(index: i64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": index, "item": item})
}

fn done(index: i64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "sequence_number": 1, "output_index": index, "item": item})
}

fn ending(kind: &str, response: Value) -> Value {
    json!({"type": format!("response.{kind}"), "sequence_number": 9, "response": response})
}

/// A message as it begins.
fn empty_item(id: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant", "status": "in_progress", "content": []})
}

/// The texts of the messages that these events make, one string for each.
fn texts(events: &[Value]) -> Vec<String> {
    let text = |item: &Value| {
        let parts = item["content"].as_array().unwrap().iter();
        parts.map(|part| part["text"].as_str().unwrap()).collect::<Vec<_>>().join("|")
    };
    output(events).as_array().unwrap().iter().map(text).collect()
}

#[test]
fn an_item_without_an_event_that_starts_it_has_the_id_of_its_deltas_and_nothing_else() {
    let cases = [
        (
            text_delta(0, "i", 0, "Hi"),
            json!({"type": "message", "role": "assistant", "id": "i",
                "content": [{"type": "output_text", "text": "Hi"}]}),
        ),
        (
            event("response.refusal.delta", 0, "i", json!({"content_index": 0, "delta": "Hi"})),
            json!({"type": "message", "role": "assistant", "id": "i",
                "content": [{"type": "refusal", "refusal": "Hi"}]}),
        ),
        (
            event("response.reasoning_text.delta", 0, "i", json!({"content_index": 0, "delta": "Hi"})),
            json!({"type": "reasoning", "id": "i", "summary": [],
                "content": [{"type": "reasoning_text", "text": "Hi"}]}),
        ),
        (
            event("response.reasoning_summary_text.delta", 0, "i", json!({"summary_index": 0, "delta": "Hi"})),
            json!({"type": "reasoning", "id": "i", "summary": [{"type": "summary_text", "text": "Hi"}]}),
        ),
        (
            event("response.function_call_arguments.delta", 0, "i", json!({"delta": "Hi"})),
            json!({"type": "function_call", "id": "i", "call_id": "", "name": "", "arguments": "Hi"}),
        ),
        (
            event("response.custom_tool_call_input.delta", 0, "i", json!({"delta": "Hi"})),
            json!({"type": "custom_tool_call", "id": "i", "call_id": "", "name": "", "input": "Hi"}),
        ),
    ];
    for (mut event, item) in cases {
        assert_eq!(output(&[event.clone()]), json!([item]));
        event["item_id"] = json!("");
        let made = output(&[event])[0].clone();
        // The calls have an optional id.
        let id = if item.get("call_id").is_some() { None } else { Some(json!("")) };
        assert_eq!(made.get("id"), id.as_ref(), "{made}");
    }
}

#[test]
fn events_are_placed_by_the_id_of_their_item_and_else_by_its_index() {
    let nameless = || json!({"type": "message", "role": "assistant", "status": "in_progress", "content": []});
    let said = |text: &str| {
        let mut item = text_item("", text);
        item.as_object_mut().unwrap().remove("id");
        item
    };
    let cases: [(Vec<Value>, &[&str]); 14] = [
        // One item, though its index changes,
        (vec![added(0, empty_item("m1")), done(1, text_item("m1", "a"))], &["a"]),
        (vec![text_delta(0, "m1", 0, "a"), done(1, text_item("m1", "a"))], &["a"]),
        // though its first events lack its id,
        (vec![text_delta(0, "", 0, "a"), done(0, text_item("m1", "a"))], &["a"]),
        (vec![added(0, nameless()), added(0, text_item("m1", "a"))], &["a"]),
        (vec![added(0, empty_item("m1")), added(0, said("a"))], &["a"]),
        // and though its end has another id.
        (vec![added(0, empty_item("m1")), text_delta(0, "m1", 0, "a"), done(0, text_item("m9", "a"))], &["a"]),
        // Two items, though both have the first index.
        (vec![added(0, text_item("m1", "a")), added(0, text_item("m2", "b"))], &["a", "b"]),
        (vec![done(0, text_item("m1", "a")), done(0, text_item("m2", "b"))], &["a", "b"]),
        (vec![done(0, text_item("m1", "a")), text_delta(0, "m2", 0, "b")], &["a", "b"]),
        (vec![done(0, text_item("m1", "a")), text_delta(0, "", 0, "b")], &["a", "b"]),
        // Two items without an id, by their index.
        (vec![text_delta(0, "", 0, "a"), done(1, said("b"))], &["a", "b"]),
        // Parts of an item, by their index, which may have gaps.
        (vec![added(0, text_item("m1", "a")), text_delta(0, "m1", 0, "b")], &["ab"]),
        (vec![text_delta(0, "m1", 3, "a"), text_delta(0, "m1", 7, "b"), text_delta(0, "m1", 3, "c")], &["ac|b"]),
        (vec![added(0, text_item("m1", "a")), text_delta(0, "m1", 1, "b"), text_delta(0, "m1", 0, "c")], &["ac|b"]),
    ];
    for (events, expected) in cases {
        assert_eq!(texts(&events), expected, "{events:#?}");
    }
}

#[test]
fn the_second_half_of_a_character_completes_only_the_part_that_has_the_first() {
    let delta = |index: i64, text: &str| text_delta(0, "m1", index, "PIECE").to_string().replace("\"PIECE\"", text);
    let mut accumulator = ResponsesAccumulator::new();
    for event in [delta(0, r#""a\ud83d""#), delta(1, r#""\ude00b""#)] {
        accumulator.push(&decode_event(&event).unwrap());
    }
    assert_eq!(accumulator.finish().unwrap().output_text(), "a\u{fffd}\u{fffd}b");
}

#[test]
fn what_a_finished_item_leaves_out_is_kept_from_its_earlier_events() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
        "content": [{"type": "reasoning_text", "text": "Let me"}], "encrypted_content": "e", "signature": "s"});
    let call = json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "c", "name": "f", "input": "text"});
    let refusal = json!({"type": "message", "id": "m1", "role": "assistant", "status": "in_progress",
        "content": [{"type": "refusal", "refusal": "No."}]});
    for (item, bare) in [
        (reasoning, json!({"type": "reasoning", "id": "rs_1", "summary": [], "content": []})),
        (call, json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "", "name": "", "input": ""})),
        (
            refusal,
            json!({"type": "message", "id": "m1", "role": "assistant", "status": "in_progress",
            "content": [{"type": "refusal", "refusal": ""}]}),
        ),
    ] {
        assert_eq!(output(&[added(0, item.clone()), done(0, bare)]), json!([item]));
    }
    // And what it adds is added.
    let longer = json!({"type": "message", "id": "m1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": ""}, {"type": "output_text", "text": "b"}]});
    assert_eq!(texts(&[added(0, text_item("m1", "a")), done(0, longer)]), ["a|b"]);
}

#[test]
fn the_last_output_is_filled_in_order_if_it_has_other_ids() {
    let last = response("completed", json!([empty_item("m8"), empty_item("m9")]));
    let events = [text_delta(0, "m1", 0, "a"), text_delta(1, "m2", 0, "b"), ending("completed", last)];
    assert_eq!(texts(&events), ["a", "b"]);
}

#[test]
fn the_last_output_is_filled_by_id_if_it_has_fewer_items_than_came() {
    let last = response("completed", json!([empty_item("m2")]));
    let events = [text_delta(0, "m1", 0, "a"), text_delta(1, "m2", 0, "b"), ending("completed", last)];
    assert_eq!(texts(&events), ["b"]);
}

#[test]
fn the_pieces_and_the_whole_of_every_value_are_in_the_item() {
    let call = json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "c", "name": "f", "input": ""});
    let input =
        |kind: &str, members: Value| event(&format!("response.custom_tool_call_input.{kind}"), 0, "ct_1", members);
    let pieces =
        [added(0, call.clone()), input("delta", json!({"delta": "te"})), input("delta", json!({"delta": "xt"}))];
    assert_eq!(output(&pieces)[0]["input"], "text");
    assert_eq!(output(&pieces).as_array().unwrap().len(), 1);
    assert_eq!(output(&[added(0, call), input("done", json!({"input": "text"}))])[0]["input"], "text");

    let part = json!({"type": "output_text", "text": "Hel", "annotations": []});
    let begun = event("response.content_part.added", 0, "m1", json!({"content_index": 0, "part": part}));
    assert_eq!(texts(&[added(0, empty_item("m1")), begun, text_delta(0, "m1", 0, "lo")]), ["Hello"]);

    let citation =
        json!({"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1});
    let members = json!({"content_index": 0, "annotation_index": 0, "annotation": citation});
    let cited = event("response.output_text.annotation.added", 0, "m1", members);
    assert_eq!(output(&[text_delta(0, "m1", 0, "a"), cited])[0]["content"][0]["annotations"], json!([citation]));
}

#[test]
fn the_response_is_that_of_the_last_event_that_has_one() {
    for kind in ["created", "in_progress", "completed", "incomplete", "failed", "of_tomorrow"] {
        let mut response = response(kind, json!([text_item("m1", "a")]));
        response["error"] =
            json!(if kind == "failed" { json!({"code": "server_error", "message": "no"}) } else { json!(null) });
        let events = [ending("created", self::response("queued", json!([]))), ending(kind, response)];
        let made = accumulated(&events).unwrap();
        assert_eq!((&made["status"], &made["output"][0]["id"]), (&json!(kind), &json!("m1")));
    }
    // Without one, it has what came.
    let made = accumulated(&[text_delta(0, "m1", 0, "a")]).unwrap();
    assert_eq!((made.get("id"), made["output"].as_array().unwrap().len()), (None, 1));
    assert_eq!(accumulated(&[json!({"type": "response.of_tomorrow"})]), None);
}

#[test]
fn what_has_no_place_in_a_response_is_kept_whole() {
    let events = [
        ending("created", response("in_progress", json!([]))),
        json!({"type": "error", "code": "server_error", "message": "no", "param": null, "sequence_number": 2}),
        json!({"type": "response.of_tomorrow", "n": 1}),
        done(0, text_item("m1", "a")),
        text_delta(0, "m1", 0, "too late"),
    ];
    let kept = json!([events[1], events[2], events[4]]);
    same(&accumulated(&events).unwrap()["unrecognized_events"], &kept);
}

#[tokio::test]
async fn text_without_deltas_is_a_piece_once_it_is_whole_and_never_comes_twice() {
    let said = || response("completed", json!([text_item("m1", "Hello")]));
    let text_done =
        event("response.output_text.done", 0, "m1", json!({"content_index": 0, "text": "Hello", "logprobs": []}));
    let delta = text_delta(0, "m1", 0, "Hello");
    let item_done = done(0, text_item("m1", "Hello"));
    let (completed, incomplete) = (ending("completed", said()), ending("incomplete", said()));
    let unheard = ending("of_tomorrow", said());
    for events in [
        vec![delta, text_done.clone(), item_done.clone(), completed.clone()],
        vec![text_done, item_done.clone(), completed.clone()],
        vec![item_done, ending("completed", response("completed", json!([])))],
        vec![incomplete],
        vec![unheard.clone(), completed.clone()],
        vec![unheard],
        vec![completed],
    ] {
        let shown = format!("{events:#?}");
        let mut texts = stream(events).await.text_deltas();
        let mut pieces = Vec::new();
        while let Some(text) = texts.next().await {
            pieces.push(text.unwrap());
        }
        assert_eq!(pieces, ["Hello"], "{shown}");
    }
}

#[tokio::test]
async fn an_error_event_of_any_form_is_an_error() {
    for (event, message) in [
        (json!({"type": "error", "code": null, "message": "no", "param": null, "sequence_number": 1}), "no"),
        (json!({"type": "response.error", "error": {"message": "no"}}), "no"),
        (json!({"error": {"message": "no credits"}}), "no credits"),
    ] {
        let error = stream(vec![event.clone()]).await.collect().await.unwrap_err();
        assert_eq!(error.as_api().map(|error| error.message()), Some(message), "{event}: {error:?}");
    }
    let unknown = [json!({"error": null}), json!({"type": "response.of_tomorrow", "error": {"message": "of a tool"}})];
    let events = unknown.into_iter().chain([ending("completed", response("completed", json!([])))]);
    assert!(stream(events.collect()).await.collect().await.is_ok());
}

#[tokio::test]
async fn a_whole_response_in_place_of_a_stream_is_the_event_that_ends_one() {
    for (status, is_cut) in [("completed", false), ("incomplete", true)] {
        let server = MockServer::start().await;
        server.answer(Answer::json(200, response(status, json!([text_item("m1", "Hello")]))));
        let request = ResponsesRequest::new().model("m").input("Hi");
        let mut events = server.client().responses().stream(request).await.unwrap();
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(matches!(event, ResponsesStreamEvent::Incomplete(_)), is_cut, "{event:?}");
        assert_eq!(matches!(event, ResponsesStreamEvent::Completed(_)), !is_cut, "{event:?}");
        assert!(events.next().await.is_none());
    }
}

#[test]
fn reasoning_without_a_text_is_read_from_its_summary() {
    let summary = json!([{"type": "summary_text", "text": "In short"}]);
    for content in [json!(null), json!([])] {
        let item = json!({"type": "reasoning", "id": "rs_1", "summary": summary, "content": content});
        assert_eq!(answer(json!([item])).reasoning_text(), "In short");
    }
    let content = json!([{"type": "reasoning_text", "text": "Let me"}]);
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": summary, "content": content});
    assert_eq!(answer(json!([item])).reasoning_text(), "Let me");
}

#[tokio::test]
async fn a_generated_image_is_saved_with_its_size() {
    let item = json!({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAECAw=="});
    let result = answer(json!([item]));
    let path = std::env::temp_dir().join(format!("openrouter-kit-generated-{:016x}.png", fastrand::u64(..)));
    assert_eq!(result.images().next().unwrap().save_to(&path).await.unwrap(), 4);
    assert_eq!(std::fs::read(&path).unwrap(), [0, 1, 2, 3]);
    std::fs::remove_file(&path).unwrap();
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
