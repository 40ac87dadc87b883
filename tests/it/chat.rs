//! Chat: requests and responses that are easy to read, streams joined, turns sent back.

use std::collections::BTreeMap;

use openrouter_kit::Error;
use openrouter_kit::core::wire::{Json, decode, decode_event};
use openrouter_kit::helpers::ChatAccumulator;
use openrouter_kit::mock::{Answer, Fault, MockServer, Place};
use openrouter_kit::models::*;
use serde_json::{Value, json};

use crate::a_limit::tokio;

fn request() -> ChatRequest {
    ChatRequest::new(["Hi"]).model("m")
}

async fn stream(events: Vec<Value>) -> openrouter_kit::EventStream<ChatStreamChunk> {
    let server = MockServer::start().await;
    server.answer(Answer::stream(events));
    let client = server.client();
    client.chat().stream(request()).await.unwrap()
}

async fn collected(events: Vec<Value>) -> ChatResult {
    stream(events).await.collect().await.unwrap()
}

/// A chunk with one choice.
fn chunk(delta: Value) -> Value {
    json!({"id": "gen-1", "object": "chat.completion.chunk", "created": 7, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn end() -> Value {
    json!({"id": "gen-1", "object": "chat.completion.chunk", "created": 7, "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
}

/// The message that these deltas make, as JSON.
async fn message(deltas: Vec<Value>) -> Value {
    let events = deltas.into_iter().map(chunk).chain([end()]).collect();
    let result = collected(events).await;
    serde_json::to_value(result.message().unwrap()).unwrap()
}

/// Name, arguments and id of the calls that these pieces make.
async fn calls(pieces: Vec<Value>) -> Vec<(String, String, String)> {
    let deltas = pieces.into_iter().map(|piece| json!({"tool_calls": [piece]})).map(chunk);
    let result = collected(deltas.chain([end()]).collect()).await;
    let triple = |call: &ChatToolCall| (call.function.name.clone(), call.function.arguments.clone(), call.id.clone());
    result.tool_calls().iter().map(triple).collect()
}

fn call(name: &str, arguments: &str, id: &str) -> (String, String, String) {
    (name.into(), arguments.into(), id.into())
}

fn same(one: &impl serde::Serialize, two: &Value) {
    let difference = Json::of(one).unwrap().difference(&Json::from(two.clone()));
    assert!(difference.is_none(), "differs at {}: {}", difference.unwrap(), Json::of(one).unwrap());
}

#[tokio::test]
async fn the_example_of_the_documentation_is_short() {
    let server = MockServer::start().await;
    let weather = ChatFunctionTool::function(
        "get_current_weather",
        json!({"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}),
    )
    .description("The weather at a place")
    .strict(true);
    let request = ChatRequest::new([ChatMessage::system("Be brief"), ChatMessage::user("How is the weather in Rome?")])
        .model("openai/gpt-4o-mini")
        .temperature(0.7)
        .top_p(0.9)
        .tools([weather]);
    server.client().chat().send(request).await.unwrap();
    assert_eq!(
        server.requests()[0].json(),
        json!({
            "model": "openai/gpt-4o-mini", "temperature": 0.7, "top_p": 0.9, "stream": false,
            "messages": [
                {"role": "system", "content": "Be brief"},
                {"role": "user", "content": "How is the weather in Rome?"},
            ],
            "tools": [{"type": "function", "function": {
                "name": "get_current_weather", "description": "The weather at a place", "strict": true,
                "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
            }}],
        })
    );
}

#[test]
fn a_message_is_text_or_parts() {
    let messages = vec![
        ChatMessage::user([
            ChatContentPart::text("What is this?"),
            ChatContentPart::image_url("https://example.com/cat.png"),
            ChatContentPart::input_audio("AAAA", "wav"),
            ChatContentPart::file("a.pdf", "data:application/pdf;base64,AAAA"),
            ChatContentPart::video_url("https://example.com/cat.mp4"),
        ]),
        ChatMessage::developer("Be brief"),
        ChatMessage::assistant("A cat."),
        ChatMessage::tool("call_1", "{}"),
        "Sure?".into(),
    ];
    same(
        &messages,
        &json!([
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
                {"type": "video_url", "video_url": {"url": "https://example.com/cat.mp4"}},
            ]},
            {"role": "developer", "content": "Be brief"},
            {"role": "assistant", "content": "A cat."},
            {"role": "tool", "tool_call_id": "call_1", "content": "{}"},
            {"role": "user", "content": "Sure?"},
        ]),
    );
}

#[tokio::test]
async fn a_stream_becomes_the_answer_it_would_have_been() {
    let mut usage = end();
    usage["choices"] = json!([]);
    usage["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5});
    usage["provider"] = json!("P");
    let result = collected(vec![
        chunk(json!({"role": "assistant", "content": ""})),
        chunk(json!({"content": "Hel"})),
        chunk(json!({"content": "lo"})),
        end(),
        usage,
    ])
    .await;
    same(
        &result,
        &json!({"id": "gen-1", "object": "chat.completion", "created": 7, "model": "m", "provider": "P",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5}}),
    );
    assert_eq!(result.text().as_deref(), Some("Hello"));
    assert_eq!(result.cost(), Some(0.5));
}

#[tokio::test]
async fn the_text_comes_piece_by_piece() {
    let mut other = chunk(json!({"content": "other"}));
    other["choices"][0]["index"] = json!(1);
    let events = vec![
        chunk(json!({"content": ""})),
        chunk(json!({"content": "Hel"})),
        other,
        chunk(json!({"reasoning": "hm"})),
        chunk(json!({"content": [{"type": "text", "text": "lo"}]})),
        end(),
    ];
    let mut texts = stream(events).await.text_deltas();
    let mut pieces = Vec::new();
    while let Some(text) = texts.next().await {
        pieces.push(text.unwrap());
    }
    assert_eq!(pieces, ["Hel", "lo"]);
}

#[tokio::test]
async fn a_broken_stream_is_an_error_and_an_accumulator_keeps_what_came() {
    let server = MockServer::start().await;
    server.answer(
        Answer::stream([chunk(json!({"content": "Hel"})), chunk(json!({"content": "lo"}))])
            .fault(Fault::Close, Place::BeforeEnd),
    );
    server.answer(Answer::events([openrouter_kit::mock::Event::data(chunk(json!({"content": "Hel"})))]));
    let client = server.client();
    let mut events = client.chat().stream(request()).await.unwrap();
    let mut answer = ChatAccumulator::new();
    while let Some(Ok(event)) = events.next().await {
        answer.push(&event);
    }
    assert_eq!(answer.snapshot().text().as_deref(), Some("Hello"));
    assert_eq!(answer.finish().choices[0].finish_reason, None);
    let error = client.chat().stream(request()).await.unwrap().collect().await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)), "{error}");
}

#[tokio::test]
async fn a_stream_is_complete_with_its_usage_or_with_a_native_finish_reason() {
    let usage = |count: i64| {
        json!({"id": "gen-1", "created": 7, "model": "m", "choices": [],
            "usage": {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}})
    };
    let mut native = chunk(json!({"content": "lo"}));
    native["choices"][0]["native_finish_reason"] = json!("STOP");
    let mut unfinished = native.clone();
    unfinished["choices"][0]["native_finish_reason"] = json!("");
    let start = || chunk(json!({"content": "Hel"}));
    for (events, is_complete) in [
        (vec![start(), usage(4)], true),
        (vec![start(), native], true),
        (vec![start(), unfinished], false),
        (vec![usage(0), start()], false),
    ] {
        let server = MockServer::start().await;
        // Without `[DONE]`.
        server.answer(Answer::events(events.iter().map(openrouter_kit::mock::Event::data)));
        let outcome = server.client().chat().stream(request()).await.unwrap().collect().await;
        assert_eq!(outcome.is_ok(), is_complete, "{events:?}");
    }
}

#[tokio::test]
async fn a_finish_reason_of_an_unknown_form_ends_a_stream_too() {
    let mut last = end();
    last["choices"][0]["finish_reason"] = json!({"kind": "stop"});
    let server = MockServer::start().await;
    // Without `[DONE]`.
    server.answer(Answer::events([chunk(json!({"content": "Hello"})), last].map(openrouter_kit::mock::Event::data)));
    let result = server.client().chat().stream(request()).await.unwrap().collect().await.unwrap();
    assert_eq!(result.text().as_deref(), Some("Hello"));
    assert_eq!(result.choices[0].finish_reason, None);
}

#[tokio::test]
async fn a_stream_without_choices_still_tells_its_id_and_what_it_cost() {
    let mut chunk = json!({"id": "gen-1", "created": 7, "model": "m", "choices": []});
    let result = collected(vec![chunk.clone()]).await;
    assert_eq!((result.id.as_str(), result.cost()), ("gen-1", None));
    chunk["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3, "cost": 0.25});
    let result = collected(vec![chunk]).await;
    assert_eq!((result.id.as_str(), result.cost(), result.choices.len()), ("gen-1", Some(0.25), 0));
}

#[tokio::test]
async fn keep_alives_in_a_stream_that_was_not_requested_are_skipped() {
    let body = [chunk(json!({"content": "Hel"})), chunk(json!({"content": "lo"})), end()];
    let body: String = body.iter().map(|chunk| format!("data: : processing\n\ndata: \n\ndata: {chunk}\n\n")).collect();
    let server = MockServer::start().await;
    server.answer(Answer::bytes(200, body + "data: [DONE]\n\n").header("content-type", "text/event-stream"));
    let result = server.client().chat().send(request()).await.unwrap();
    assert_eq!(result.text().as_deref(), Some("Hello"));
}

#[tokio::test]
async fn a_message_that_is_only_repeated_whole_is_the_answer_and_deltas_take_precedence() {
    let with_message = |delta: Value, text: &str| {
        let mut chunk = chunk(delta);
        chunk["choices"][0]["message"] = json!({"role": "assistant", "content": text});
        chunk
    };
    for (events, text) in [
        (vec![with_message(json!({}), "Hello"), end()], "Hello"),
        (vec![with_message(json!({"content": "Hel"}), "Hel"), chunk(json!({"content": "lo"})), end()], "Hello"),
    ] {
        assert_eq!(collected(events).await.text().as_deref(), Some(text));
    }
}

#[tokio::test]
async fn the_log_probabilities_of_all_chunks_are_in_the_answer() {
    let piece = |text: &str| {
        let token = json!({"token": text, "logprob": -0.5, "bytes": null, "top_logprobs": []});
        let mut chunk = chunk(json!({"content": text}));
        chunk["choices"][0]["logprobs"] = json!({"content": [token], "refusal": null});
        chunk
    };
    let result = collected(vec![piece("Hel"), piece("lo"), end()]).await;
    let probabilities = result.choices[0].logprobs.as_ref().unwrap().content.as_ref().unwrap();
    assert_eq!(probabilities.iter().map(|token| &*token.token).collect::<Vec<_>>(), ["Hel", "lo"]);
}

#[tokio::test]
async fn an_error_in_the_stream_is_the_error_of_the_collected_answer() {
    let error = json!({"id": "gen-1", "error": {"code": 502, "message": "no"}, "choices": []});
    let error = stream(vec![chunk(json!({"content": "a"})), error]).await.collect().await.unwrap_err();
    assert_eq!(error.as_api().unwrap().message(), "no");
}

#[tokio::test]
async fn several_choices_stay_apart_and_in_order() {
    let piece = |index: i64, text: &str| {
        let mut chunk = chunk(json!({"content": text}));
        chunk["choices"][0]["index"] = json!(index);
        chunk
    };
    let result = collected(vec![piece(1, "b"), piece(0, "a"), piece(1, "B"), piece(0, "A"), end()]).await;
    let texts: Vec<_> = result.choices.iter().map(|choice| (choice.index, choice.text().unwrap())).collect();
    assert_eq!(texts, [(0, "aA".into()), (1, "bB".into())]);
}

#[tokio::test]
async fn a_finish_reason_may_come_twice() {
    let result = collected(vec![chunk(json!({"content": "a"})), end(), end()]).await;
    assert_eq!(result.choices[0].finish_reason, Some(ChatFinishReason::Stop));
    assert_eq!(result.text().as_deref(), Some("a"));
}

#[tokio::test]
async fn pieces_of_tool_calls_are_joined_by_their_index() {
    let joined = calls(vec![
        json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}),
        json!({"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}),
        json!({"index": 0, "function": {"arguments": "{\"x\":"}}),
        json!({"index": 1, "function": {"arguments": "{}"}}),
        json!({"index": 0, "function": {"arguments": "1}"}}),
    ])
    .await;
    assert_eq!(joined, [call("f", "{\"x\":1}", "a"), call("g", "{}", "b")]);
}

#[tokio::test]
async fn another_id_is_another_call_though_the_index_be_the_same() {
    let joined = calls(vec![
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}}),
        json!({"index": 0, "id": "b", "function": {"name": "f", "arguments": "{\"x\""}}),
        json!({"index": 0, "function": {"arguments": ":2}"}}),
    ])
    .await;
    assert_eq!(joined, [call("f", "{\"x\":1}", "a"), call("f", "{\"x\":2}", "b")]);
}

#[tokio::test]
async fn an_id_may_be_repeated_or_empty_in_later_pieces() {
    let repeated = calls(vec![
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}),
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}),
    ])
    .await;
    assert_eq!(repeated, [call("f", "{\"x\":1}", "a")]);
    let empty = calls(vec![
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}),
        json!({"index": 0, "id": "", "function": {"name": null, "arguments": ":1}"}}),
    ])
    .await;
    assert_eq!(empty, repeated);
}

#[tokio::test]
async fn calls_without_ids_are_told_apart_by_their_arguments() {
    let joined = calls(vec![
        json!({"index": 0, "function": {"name": "f", "arguments": "{\"x\":\"}\"}"}}),
        json!({"index": 0, "function": {"name": "f", "arguments": "{\"x\":2}"}}),
        json!({"index": 0, "function": {"name": "g", "arguments": "{}"}}),
    ])
    .await;
    assert_eq!(joined, [call("f", "{\"x\":\"}\"}", ""), call("f", "{\"x\":2}", ""), call("g", "{}", "")]);
}

#[tokio::test]
async fn the_index_of_a_tool_call_may_be_missing() {
    let joined = calls(vec![
        json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":"}}),
        json!({"index": null, "function": {"arguments": "1}"}}),
        json!({"id": "b", "function": {"name": "g", "arguments": {"y": 2}}}),
    ])
    .await;
    assert_eq!(joined, [call("f", "{\"x\":1}", "a"), call("g", "{\"y\":2}", "b")]);
}

#[tokio::test]
async fn a_whole_call_that_comes_twice_is_one_call() {
    let piece = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}});
    assert_eq!(calls(vec![piece.clone(), piece]).await, [call("f", "{\"x\":1}", "a")]);
}

#[tokio::test]
async fn empty_arguments_before_the_real_ones_are_a_placeholder() {
    let joined = calls(vec![
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}),
        json!({"index": 0, "function": {"arguments": "{\"x\""}}),
        json!({"index": 0, "function": {"arguments": ":1}"}}),
    ])
    .await;
    assert_eq!(joined, [call("f", "{\"x\":1}", "a")]);
}

/// Pieces of tool calls, and the calls that they are: name, arguments and id.
type CallCase = (Vec<Value>, Vec<(&'static str, &'static str, &'static str)>);

#[tokio::test]
async fn every_piece_of_a_tool_call_joins_the_call_that_it_belongs_to() {
    let piece = |index: i64, id: &str, name: &str, arguments: &str| {
        let mut piece = json!({"index": index, "function": {"arguments": arguments}});
        for (member, text) in [("/id", id), ("/function/name", name)] {
            let (holder, member) = member.rsplit_once('/').unwrap();
            if !text.is_empty() {
                piece.pointer_mut(holder).unwrap()[member] = json!(text);
            }
        }
        piece
    };
    let cases: [CallCase; 15] = [
        // A new index with a name is a new call, even if the last one has no arguments yet.
        (vec![piece(0, "", "f", ""), piece(1, "", "g", "")], vec![("f", "", ""), ("g", "", "")]),
        // The id may come later than the name,
        (vec![piece(0, "", "f", ""), piece(0, "a", "f", "{}")], vec![("f", "{}", "a")]),
        // and the name later than the arguments.
        (vec![piece(0, "", "", "{\"x\""), piece(0, "", "f", ":1}")], vec![("f", "{\"x\":1}", "")]),
        // Complete arguments end a call, and the next one inherits the name.
        (
            vec![piece(0, "a", "f", "{}"), piece(0, "b", "", "{\"x\":1}")],
            vec![("f", "{}", "a"), ("f", "{\"x\":1}", "b")],
        ),
        (vec![piece(0, "", "f", "{}"), piece(0, "", "g", "{\"x\":1}")], vec![("f", "{}", ""), ("g", "{\"x\":1}", "")]),
        // The name may be repeated,
        (vec![piece(0, "", "f", "{\"x\""), piece(0, "", "f", ":1}")], vec![("f", "{\"x\":1}", "")]),
        // and a name differs without being another call if the id is known.
        (vec![piece(0, "a", "f", "{\"x\""), piece(0, "a", "g", ":1}")], vec![("f", "{\"x\":1}", "a")]),
        // Another name after arguments is another call,
        (vec![piece(0, "", "f", "{\"x\":"), piece(0, "", "g", "{}")], vec![("f", "{\"x\":", ""), ("g", "{}", "")]),
        // and before arguments a piece of the name.
        (vec![piece(0, "", "get_", ""), piece(0, "", "time", "{}")], vec![("get_time", "{}", "")]),
        // An id identifies its call whatever the index, and the index keeps its own call.
        (
            vec![
                piece(0, "a", "f", ""),
                piece(1, "b", "g", ""),
                piece(0, "b", "", "{}"),
                piece(0, "", "", "{\"x\":1}"),
            ],
            vec![("f", "{\"x\":1}", "a"), ("g", "{}", "b")],
        ),
        // A call may have no name, or no arguments; an id alone does not make a call.
        (vec![piece(0, "", "", "{\"x\":1}")], vec![("", "{\"x\":1}", "")]),
        (vec![piece(0, "a", "f", "")], vec![("f", "", "a")]),
        (vec![piece(0, "a", "f", "{}"), piece(1, "b", "", "")], vec![("f", "{}", "a")]),
        // Braces in a string do not end the arguments, nor does an escaped quotation mark end the string.
        (vec![piece(0, "", "f", "{\"x\":\"}"), piece(0, "", "", "\"}")], vec![("f", "{\"x\":\"}\"}", "")]),
        (vec![piece(0, "", "f", "{\"x\":\"\\\"}"), piece(0, "", "", "\"}")], vec![("f", "{\"x\":\"\\\"}\"}", "")]),
    ];
    for (pieces, expected) in cases {
        let shown = format!("{pieces:?}");
        let expected: Vec<_> = expected.into_iter().map(|(name, arguments, id)| call(name, arguments, id)).collect();
        assert_eq!(calls(pieces).await, expected, "{shown}");
    }
    let opening = vec![piece(0, "", "f", "{\"x\":\"{\"}"), piece(0, "", "", "{\"y\":1}")];
    assert_eq!(calls(opening).await, [call("f", "{\"x\":\"{\"}", ""), call("f", "{\"y\":1}", "")]);
}

#[tokio::test]
async fn unknown_members_of_tool_calls_are_kept() {
    let message = message(vec![json!({"tool_calls": [{"index": 0, "id": "a", "extra_content": {"signature": "s"},
        "function": {"name": "f", "arguments": "{}", "strict": true}}]})])
    .await;
    assert_eq!(
        message["tool_calls"],
        json!([{"id": "a", "type": "function", "extra_content": {"signature": "s"},
            "function": {"name": "f", "arguments": "{}", "strict": true}}])
    );
}

#[tokio::test]
async fn reasoning_details_are_joined_and_keep_their_signatures() {
    let detail = |value: Value| json!({"reasoning_details": [value]});
    let text = |index: i64, text: &str| {
        detail(json!({"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": index}))
    };
    let signature =
        detail(json!({"type": "reasoning.text", "signature": "s1", "format": "anthropic-claude-v1", "index": 0}));
    let message = message(vec![
        text(0, "Let "),
        text(0, "me"),
        signature,
        detail(json!({"type": "reasoning.encrypted", "data": "e1", "id": "r1", "index": 0})),
        detail(json!({"type": "reasoning.encrypted", "data": "e2", "id": "r2", "index": 0})),
        text(0, "Again"),
        detail(json!({"type": "reasoning.summary", "summary": "In ", "index": 2})),
        detail(json!({"type": "reasoning.summary", "summary": "short", "index": 2})),
        detail(json!({"type": "reasoning.new", "new": 1})),
    ])
    .await;
    assert_eq!(
        message["reasoning_details"],
        json!([
            {"type": "reasoning.text", "text": "Let me", "signature": "s1", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "e1", "id": "r1", "index": 0},
            {"type": "reasoning.encrypted", "data": "e2", "id": "r2", "index": 0},
            {"type": "reasoning.text", "text": "Again", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.summary", "summary": "In short", "index": 2},
            {"type": "reasoning.new", "new": 1},
        ])
    );
}

#[tokio::test]
async fn reasoning_details_with_another_id_or_format_stay_apart() {
    for (kind, member) in [("reasoning.text", "text"), ("reasoning.summary", "summary")] {
        let detail = |id: Value, format: Value, text: &str| {
            let mut detail = json!({"type": kind, "index": 0, "id": id, "format": format});
            detail[member] = json!(text);
            detail
        };
        for (second, texts) in [
            (detail(json!("a"), json!("f"), "2"), vec!["12"]),
            (detail(Value::Null, Value::Null, "2"), vec!["12"]),
            (detail(json!("b"), json!("f"), "2"), vec!["1", "2"]),
            (detail(json!("a"), json!("g"), "2"), vec!["1", "2"]),
        ] {
            let deltas =
                [detail(json!("a"), json!("f"), "1"), second].map(|detail| json!({"reasoning_details": [detail]}));
            let message = message(deltas.to_vec()).await;
            let details = message["reasoning_details"].as_array().unwrap();
            assert_eq!(
                details.iter().map(|detail| detail[member].as_str().unwrap()).collect::<Vec<_>>(),
                texts,
                "{kind}"
            );
        }
    }
}

#[tokio::test]
async fn a_role_that_is_not_the_assistant_is_kept() {
    let message =
        message(vec![json!({"role": "model", "content": "Hel"}), json!({"role": "model", "content": "lo"})]).await;
    assert_eq!(message, json!({"role": "model", "content": "Hello"}));
}

#[tokio::test]
async fn unknown_members_of_deltas_are_kept() {
    let message = message(vec![
        json!({"role": "", "reasoning_content": null, "channel": "analysis"}),
        json!({"reasoning_content": "Let ", "channel": "analysis", "annotations": [{"n": 1}]}),
        json!({"reasoning_content": "me \u{1f600}", "annotations": [{"n": 2}], "grounding": {"a": 1}}),
        json!({"grounding": {"b": 1}, "images": [{"type": "image_url", "image_url": {"url": "data:,"}}]}),
    ])
    .await;
    assert_eq!(
        message,
        json!({"role": "assistant", "reasoning_content": "Let me \u{1f600}", "channel": "analysis",
            "annotations": [{"n": 1}, {"n": 2}], "grounding": {"b": 1},
            "images": [{"type": "image_url", "image_url": {"url": "data:,"}}]})
    );
}

#[tokio::test]
async fn whatever_a_chunk_tells_beside_its_choices_is_in_the_answer() {
    let results = json!([{"type": "dangerous_tool_use", "status": {"type": "available", "tool_uses": {}}}]);
    let mut last = end();
    last["alignment"] = json!({"calls": []});
    last["safeguard_results"] = results.clone();
    last["of_tomorrow"] = json!([1]);
    last["choices"][0]["of_tomorrow"] = json!(2);
    let answer = collected(vec![chunk(json!({"content": "Hello"})), last]).await;
    assert!(answer.alignment.is_some() && answer.safeguard_results.is_some());
    let answer = serde_json::to_value(&answer).unwrap();
    assert_eq!((&answer["safeguard_results"], &answer["of_tomorrow"]), (&results, &json!([1])));
    assert_eq!(answer["choices"][0]["of_tomorrow"], 2);
}

#[tokio::test]
async fn images_of_deltas_are_images_of_the_message() {
    let image = json!({"images": [{"type": "image_url", "image_url": {"url": "data:,"}}]});
    let result = collected(vec![chunk(image.clone()), chunk(image), end()]).await;
    assert_eq!(result.message().unwrap().images.as_ref().unwrap().len(), 2);
}

#[tokio::test]
async fn an_image_is_saved_if_the_answer_has_its_bytes_and_not_another_address() {
    let images = |url: &str| {
        let image = json!({"type": "image_url", "image_url": {"url": url}});
        result(json!({"role": "assistant", "content": null, "images": [image]})).images().to_vec()
    };
    let path = std::env::temp_dir().join(format!("openrouter-kit-image-{:016x}.png", fastrand::u64(..)));
    assert_eq!(images("data:image/png;base64,AAECAw==")[0].save_to(&path).await.unwrap(), 4);
    assert_eq!(std::fs::read(&path).unwrap(), [0, 1, 2, 3]);
    std::fs::remove_file(&path).unwrap();
    for url in ["https://example.com/a.png", "data:text/plain,AAAA", "https://example.com/;base64,AAAA"] {
        let error = images(url)[0].bytes().unwrap_err();
        assert!(error.to_string().contains("has the URL of the image, not its bytes"), "{url}: {error}");
    }
}

#[tokio::test]
async fn annotations_of_deltas_are_annotations_of_the_message() {
    let citation =
        |url: &str| json!({"type": "url_citation", "url_citation": {"url": url, "title": "T", "start_index": 0}});
    let file =
        json!({"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": [{"type": "text", "text": "x"}]}});
    let deltas = [
        json!({"content": "See", "annotations": [citation("https://a.example")]}),
        json!({"annotations": [citation("https://b.example"), file, {"type": "of_tomorrow", "n": 1}]}),
    ];
    let result = collected(deltas.into_iter().map(chunk).chain([end()]).collect()).await;
    let annotations = result.message().unwrap().annotations.clone().unwrap();
    let [ChatAnnotation::UrlCitation(first), _, ChatAnnotation::File(file), ChatAnnotation::Unrecognized(_)] =
        annotations.as_slice()
    else {
        panic!("{annotations:?}")
    };
    assert_eq!(first.url_citation.as_ref().unwrap().url, "https://a.example");
    assert_eq!(file.file.as_ref().unwrap().hash, "h");
    // What is sent back holds them all, so that the file is not parsed again.
    let sent = serde_json::to_value(result.to_message().unwrap()).unwrap();
    assert_eq!(sent["annotations"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_content_of_parts_stays_a_content_of_parts() {
    let message = message(vec![
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]}),
        json!({"content": "Hel"}),
        json!({"content": [{"type": "text", "text": "lo"}]}),
    ])
    .await;
    assert_eq!(
        message["content"],
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Hello"}])
    );
}

#[tokio::test]
async fn text_and_parts_of_a_content_are_joined_in_their_order() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let image = || json!({"type": "image_url", "image_url": {"url": "data:,"}});
    let cited = json!({"type": "text", "text": "b", "citations": [1]});
    for (contents, expected) in [
        (vec![json!([text("Hel")]), json!("lo")], json!([text("Hello")])),
        (vec![json!([image()]), json!(""), json!("Hi")], json!([image(), text("Hi")])),
        (vec![json!([image()]), json!("")], json!([image()])),
        (vec![json!(""), json!([image()])], json!([image()])),
        (vec![json!("Hi"), json!([image()])], json!([text("Hi"), image()])),
        // What the second part has besides its text would be lost.
        (vec![json!([text("a")]), json!([cited])], json!([text("a"), cited])),
    ] {
        let shown = format!("{contents:?}");
        let deltas = contents.into_iter().map(|content| json!({"content": content})).collect();
        assert_eq!(message(deltas).await["content"], expected, "{shown}");
    }
}

fn result(message: Value) -> ChatResult {
    let choice = json!({"index": 0, "finish_reason": "stop", "message": message});
    decode(
        &json!({"id": "g", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}).to_string(),
    )
    .unwrap()
}

#[test]
fn a_turn_is_sent_back_unchanged() {
    let message = json!({"role": "assistant", "content": null, "refusal": null, "new": {"a": [1]},
        "reasoning": "hm", "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "d", "id": "r"},
            {"type": "reasoning.unheard", "x": 9007199254740993_i64},
        ],
        "tool_calls": [{"id": "a", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}}]});
    let result = result(message.clone());
    same(&result.to_message().unwrap(), &message);
    same(&ChatMessage::from(result.choices[0].clone()), &message);
    same(&ChatMessage::from(&result.choices[0]), &message);
}

#[test]
fn a_turn_without_a_role_is_sent_back_as_the_assistants() {
    for role in [json!(null), json!("")] {
        let turn = result(json!({"role": role, "content": "a"})).to_message().unwrap();
        same(&turn, &json!({"role": "assistant", "content": "a"}));
    }
}

#[test]
fn the_text_of_an_answer_is_read_from_text_and_from_parts() {
    assert_eq!(result(json!({"role": "assistant", "content": "a"})).text().as_deref(), Some("a"));
    assert_eq!(result(json!({"role": "assistant", "content": null})).text(), None);
    assert_eq!(result(json!({"role": "assistant", "content": ""})).text(), None);
    let parts = json!([{"type": "text", "text": "a"}, {"type": "new"}, {"type": "text", "text": "b"}]);
    assert_eq!(result(json!({"role": "assistant", "content": parts})).text().as_deref(), Some("ab"));
}

#[test]
fn the_thinking_is_read_wherever_it_stands() {
    let text = |message: Value| result(message).reasoning_text().map(|text| text.into_owned());
    assert_eq!(text(json!({"role": "assistant", "reasoning": "a"})).as_deref(), Some("a"));
    assert_eq!(text(json!({"role": "assistant", "reasoning_content": "b"})).as_deref(), Some("b"));
    let details = json!([{"type": "reasoning.summary", "summary": "c"}, {"type": "reasoning.text", "text": "d"}]);
    assert_eq!(text(json!({"role": "assistant", "reasoning_details": details})).as_deref(), Some("cd"));
    assert_eq!(text(json!({"role": "assistant", "content": "e"})), None);
}

#[test]
fn arguments_are_read_as_a_value_or_the_error_holds_them() {
    let tool = |arguments: &str| ChatToolCall::new(ChatToolCallFunction::new(arguments, "f"), "a");
    let read: BTreeMap<String, i64> = tool(r#"{"x": 1}"#).parse_arguments().unwrap();
    assert_eq!(read["x"], 1);
    assert_eq!(tool(" ").parse_arguments::<BTreeMap<String, i64>>().unwrap().len(), 0);
    let error = tool(r#"{"x": "#).parse_arguments::<BTreeMap<String, i64>>().unwrap_err();
    assert_eq!(error.text(), r#"{"x": "#);
    let shown = error.to_string();
    assert!(shown.contains("`f`") && shown.contains(r#"{"x": "#), "{shown}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("EOF"));
}

#[test]
fn an_answer_is_read_as_a_value_or_the_error_holds_its_text() {
    let read: BTreeMap<String, i64> = result(json!({"role": "assistant", "content": "{\"x\":1}"})).parse().unwrap();
    assert_eq!(read["x"], 1);
    let refused = result(json!({"role": "assistant", "content": null, "refusal": "I will not"}));
    assert_eq!(refused.parse::<Value>().unwrap_err().text(), "I will not");
    let silent = result(json!({"role": "assistant", "content": null}));
    assert!(silent.parse::<Value>().unwrap_err().to_string().contains("empty"));
}

#[test]
fn recorded_streams_are_put_together_with_nothing_lost() {
    let files = crate::support::recorded_traffic();
    let (mut streams, is_there) = (0, !files.is_empty());
    for file in files {
        let recording: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let (Some("chat"), Some("stream"), Some(body)) =
            (recording["api"].as_str(), recording["kind"].as_str(), recording["body"].as_str())
        else {
            continue;
        };
        let events = crate::support::recorded_events(body);
        if events.iter().any(|event| event.get("error").is_some_and(|error| !error.is_null())) {
            continue;
        }
        let mut answer = ChatAccumulator::new();
        for event in &events {
            answer.push(&decode_event(&event.to_string()).unwrap());
        }
        let answer = answer.finish();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        check(&name, &events, &answer);
        streams += 1;
    }
    println!("{streams} recorded streams");
    assert!(!is_there || streams > 100);
}

/// Compares a response with what the events say, joined here in another way.
fn check(name: &str, events: &[Value], answer: &ChatResult) {
    let whole = serde_json::to_value(answer).unwrap();
    for choice in whole["choices"].as_array().unwrap() {
        let mine = |event: &Value| {
            let choices = event["choices"].as_array().cloned().unwrap_or_default();
            choices.into_iter().find(|other| other["index"] == choice["index"]).unwrap_or_default()
        };
        let deltas: Vec<Value> = events.iter().map(|event| mine(event)["delta"].clone()).collect();
        let message = &choice["message"];
        for member in ["content", "reasoning", "reasoning_content", "refusal"] {
            let joined: String = deltas.iter().filter_map(|delta| delta[member].as_str()).collect();
            if message[member].is_array() {
                continue;
            }
            assert_eq!(message[member].as_str().unwrap_or_default(), joined, "{name}: {member}");
        }
        let ids: Vec<&str> = deltas
            .iter()
            .flat_map(|delta| delta["tool_calls"].as_array().into_iter().flatten())
            .filter_map(|call| call["id"].as_str().filter(|id| !id.is_empty()))
            .fold(Vec::new(), |mut ids, id| {
                if !ids.contains(&id) {
                    ids.push(id);
                }
                ids
            });
        let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
        let joined: Vec<&str> = calls.iter().filter_map(|call| call["id"].as_str()).collect();
        assert_eq!(joined, ids, "{name}: ids");
        let whole_turn = choice["finish_reason"] == "tool_calls" && choice["native_finish_reason"] != "length";
        for call in &calls {
            let arguments = call["function"]["arguments"].as_str().unwrap();
            let fits = arguments.is_empty() || serde_json::from_str::<Value>(arguments).is_ok();
            assert!(fits || !whole_turn, "{name}: {arguments}");
        }
        let pieces = || deltas.iter().flat_map(|delta| delta["reasoning_details"].as_array().into_iter().flatten());
        let details = message["reasoning_details"].as_array().cloned().unwrap_or_default();
        for member in ["text", "summary", "data", "signature"] {
            let sent: String = pieces().filter_map(|piece| piece[member].as_str()).collect();
            let kept: String = details.iter().filter_map(|detail| detail[member].as_str()).collect();
            assert_eq!(kept, sent, "{name}: {member} of the reasoning details");
        }
        let mut reasons = events.iter().filter_map(|event| mine(event)["finish_reason"].as_str().map(str::to_owned));
        assert_eq!(choice["finish_reason"].as_str(), reasons.next_back().as_deref(), "{name}: finish reason");
    }
    let usage = events.iter().rev().find(|event| event["usage"].is_object());
    if let Some(usage) = usage.map(|event| event["usage"].clone()) {
        same(&whole["usage"], &usage);
    }
    for event in events {
        for member in event.as_object().unwrap().keys() {
            let known = ["choices", "object"].contains(&member.as_str()) || event[member].is_null();
            assert!(known || whole.get(member).is_some(), "{name}: {member}");
        }
    }
}

#[tokio::test]
async fn a_whole_response_in_place_of_a_raw_stream_is_an_event_with_its_bytes() {
    let server = MockServer::start().await;
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"});
    let result = json!({"id": "gen-1", "object": "chat.completion", "created": 7, "model": "m", "choices": [choice]});
    for answer in [Answer::json(200, result.clone()), Answer::bytes(200, result.to_string())] {
        server.answer(answer.header("x-generation-id", "gen-1"));
        let mut events = server.client().chat().stream(request()).raw().await.unwrap();
        let event = events.next().await.unwrap().unwrap();
        let data = event.as_bytes().strip_prefix(b"data: ").and_then(|bytes| bytes.strip_suffix(b"\n\n"));
        assert_eq!(data, Some(event.data().as_bytes()), "{event}");
        let chunk: ChatStreamChunk = event.decode().unwrap();
        assert_eq!(chunk.choices[0].delta.content.as_deref(), Some("Hi"));
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn a_collected_answer_keeps_what_does_not_match_exactly_but_not_the_name_of_the_chunks() {
    let mut events = [chunk(json!({"content": "a"})), end()];
    for event in &mut events {
        event["object"] = json!("chunk");
        event["created"] = json!(7.5);
        event["model"] = json!(null);
        event["new"] = json!(1);
    }
    let result = collected(events.into()).await;
    assert_eq!(result.created, 7);
    let written = serde_json::to_value(&result).unwrap();
    assert_eq!(
        (&written["object"], &written["created"], &written["new"]),
        (&json!("chat.completion"), &json!(7.5), &json!(1))
    );
}
