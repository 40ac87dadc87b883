//! Streamed text and the whole response from one object, and JSON as it is written.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use openrouter_kit::helpers::{PartialJson, TextEvent, TextStream};
use openrouter_kit::mock::{Answer, Event, Fault, MockServer, Place};
use openrouter_kit::models::*;
use openrouter_kit::{Error, EventStream, OpenRouter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::a_limit::tokio;

async fn client(answer: Answer) -> OpenRouter {
    let server = MockServer::start().await;
    server.answer(answer);
    let client = server.client();
    // It runs as long as the runtime of the test.
    std::mem::forget(server);
    client
}

async fn chat(answer: Answer) -> EventStream<ChatStreamChunk> {
    client(answer).await.chat().stream(ChatRequest::new([ChatMessage::user("Hi")]).model("m")).await.unwrap()
}

async fn responses(events: impl IntoIterator<Item = Value>) -> EventStream<ResponsesStreamEvent> {
    let client = client(Answer::stream(events)).await;
    client.responses().stream(ResponsesRequest::new().model("m").input("Hi")).await.unwrap()
}

fn chunk(index: i64, delta: Value) -> Value {
    json!({"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": null}]})
}

fn said(text: &str) -> Value {
    chunk(0, json!({"content": text}))
}

fn end() -> Value {
    let mut end = chunk(0, json!({}));
    end["choices"][0]["finish_reason"] = json!("stop");
    end["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.25});
    end
}

async fn pieces<E: TextEvent>(texts: &mut TextStream<E>) -> Vec<String> {
    let mut pieces = Vec::new();
    while let Some(text) = texts.next().await {
        pieces.push(text.unwrap());
    }
    pieces
}

#[tokio::test]
async fn chat_gives_text_and_then_cost_tool_calls_and_the_message() {
    let call = json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
        "function": {"name": "f", "arguments": "{}"}}]});
    let chunks = [chunk(0, json!({"reasoning": "hm"})), said("Hel"), said("lo"), chunk(0, call), end()];
    let mut texts = chat(Answer::stream(chunks)).await.text_deltas();
    assert_eq!(pieces(&mut texts).await, ["Hel", "lo"]);
    let result = texts.finish().await.unwrap();
    assert_eq!(result.text().as_deref(), Some("Hello"));
    assert_eq!(result.reasoning_text().as_deref(), Some("hm"));
    assert_eq!(result.cost(), Some(0.25));
    assert_eq!(result.tool_calls()[0].id, "call_1");
    assert!(result.to_message().is_some());
}

#[tokio::test]
async fn responses_give_text_and_then_cost_calls_and_input_items() {
    let call = json!({"type": "function_call", "id": "fc", "call_id": "call_1", "name": "f", "arguments": "{}"});
    let usage = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cost": 0.5,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}});
    let mut texts = responses([
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "a", "delta": "Hi"}),
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "item_id": "a", "text": "Hi"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": call}),
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "usage": usage, "output": []}}),
    ])
    .await
    .text_deltas();
    assert_eq!(pieces(&mut texts).await, ["Hi"]);
    let response = texts.finish().await.unwrap();
    assert_eq!(response.output_text(), "Hi");
    assert_eq!(response.cost(), Some(0.5));
    assert_eq!(response.function_calls().next().unwrap().call_id, "call_1");
    assert_eq!(response.to_input().len(), 2);
}

#[tokio::test]
async fn messages_give_text_and_then_cost_and_tool_uses() {
    let events = [
        json!({"type": "message_start", "message": {"id": "msg", "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 0}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_start", "index": 1, "content_block":
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7, "cost": 0.5}}),
        json!({"type": "message_stop"}),
    ];
    let client = client(Answer::events(events)).await;
    let stream = client.messages().stream(MessagesRequest::new("m").messages(["Hi"])).await.unwrap();
    let mut texts = stream.text_deltas();
    assert_eq!(pieces(&mut texts).await, ["Hi"]);
    let message = texts.finish().await.unwrap();
    assert_eq!((message.text().as_str(), message.cost()), ("Hi", Some(0.5)));
    assert_eq!(message.tool_uses().next().unwrap().id, "toolu_1");
}

#[tokio::test]
async fn a_program_that_stops_reading_has_what_arrived() {
    let mut texts = chat(Answer::stream([said("one "), said("two "), said("three"), end()])).await.text_deltas();
    assert!(texts.snapshot().is_none());
    assert_eq!(texts.next().await.unwrap().unwrap(), "one ");
    assert_eq!(texts.next().await.unwrap().unwrap(), "two ");
    assert_eq!(texts.snapshot().unwrap().text().as_deref(), Some("one two "));
    assert_eq!(texts.finish().await.unwrap().text().as_deref(), Some("one two three"), "or reads the rest");
    assert_eq!(texts.finish().await.unwrap().cost(), Some(0.25), "as often as it likes");
}

#[tokio::test]
async fn what_arrived_before_an_error_is_not_lost() {
    let broken = Answer::events([said("one "), said("two ")]).fault(Fault::Close, Place::BeforeEnd);
    let mut texts = chat(broken).await.text_deltas();
    assert_eq!(
        (texts.next().await.unwrap().unwrap(), texts.next().await.unwrap().unwrap()),
        ("one ".into(), "two ".into())
    );
    assert!(matches!(texts.next().await, Some(Err(Error::Connection(_)))));
    assert_eq!(texts.snapshot().unwrap().text().as_deref(), Some("one two "));
    let error = texts.finish().await.unwrap_err();
    assert!(matches!(&error, Error::Connection(error) if error.is_incomplete()), "never a whole response: {error}");

    let error = json!({"error": {"code": 502, "message": "provider lost"}});
    let mut texts = chat(Answer::events([said("one "), error])).await.text_deltas();
    let error = texts.finish().await.unwrap_err();
    assert_eq!(error.as_api().unwrap().message(), "provider lost");
    assert_eq!(texts.snapshot().unwrap().text().as_deref(), Some("one "));
}

#[tokio::test]
async fn a_stream_without_a_response_is_incomplete() {
    let done = json!({"id": "", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []});
    let error = chat(Answer::stream([done])).await.text_deltas().finish().await.unwrap_err();
    assert!(matches!(&error, Error::Connection(error) if error.is_incomplete()), "{error:?}");
    assert_eq!(error.operation_id(), Some("sendChatCompletionRequest"));
}

#[tokio::test]
async fn events_can_be_read_in_place_of_text_at_any_time() {
    let delta = |kind: &str, text: &str| {
        json!({"type": kind, "output_index": 0, "content_index": 0, "summary_index": 0,
        "item_id": "a", "delta": text})
    };
    let mut texts = responses([
        delta("response.reasoning_text.delta", "hm"),
        delta("response.output_text.delta", "Hi"),
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "item_id": "a", "text": "Hi"}),
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}),
    ])
    .await
    .text_deltas();
    assert!(matches!(texts.next_event().await, Some(Ok(ResponsesStreamEvent::ReasoningTextDelta(_)))));
    assert!(matches!(texts.next_event().await, Some(Ok(ResponsesStreamEvent::OutputTextDelta(_)))));
    assert!(texts.next().await.is_none(), "the text was in an event");
    assert_eq!(texts.finish().await.unwrap().output_text(), "Hi");
}

#[tokio::test]
async fn the_text_is_that_of_the_first_choice_and_the_result_has_all() {
    let chunks = [chunk(1, json!({"content": "B"})), said("A"), chunk(1, json!({"content": "b"})), end()];
    let mut texts = chat(Answer::stream(chunks)).await.text_deltas();
    assert_eq!(pieces(&mut texts).await, ["A"]);
    let result = texts.finish().await.unwrap();
    let all: Vec<_> = result.choices.iter().map(|choice| choice.message.text().unwrap().into_owned()).collect();
    assert_eq!(all, ["A", "Bb"]);
}

#[tokio::test]
async fn a_refusal_is_in_the_result() {
    let chunks = [chunk(0, json!({"refusal": "I can"})), chunk(0, json!({"refusal": "not."})), end()];
    let mut texts = chat(Answer::stream(chunks)).await.text_deltas();
    assert!(pieces(&mut texts).await.is_empty());
    assert_eq!(texts.finish().await.unwrap().choices[0].message.refusal.as_deref(), Some("I cannot."));
}

#[tokio::test]
async fn the_text_is_a_stream_for_the_adapters_of_futures() {
    let mut texts = chat(Answer::stream([said("a"), said("b"), end()])).await.text_deltas();
    let joined: String = (&mut texts).try_collect().await.unwrap();
    assert_eq!(joined, "ab");
    assert_eq!(texts.finish().await.unwrap().cost(), Some(0.25));
}

#[tokio::test]
async fn the_head_of_the_response_is_at_hand() {
    let answer = Answer::stream([said("a"), end()]).header("x-generation-id", "gen-9");
    assert_eq!(chat(answer).await.text_deltas().events().generation_id(), Some("gen-9"));
}

#[cfg(feature = "blocking")]
#[test]
fn text_and_result_work_without_async() {
    use openrouter_kit::blocking::{BlockingStream, Wait};
    let mut texts = chat(Answer::stream([said("a"), said("b"), end()])).wait().text_deltas();
    let mut joined = String::new();
    for text in (&mut texts).blocking_iter() {
        joined += &text.unwrap();
    }
    assert_eq!((joined.as_str(), texts.finish().wait().unwrap().cost()), ("ab", Some(0.25)));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Plan {
    title: String,
    steps: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct PartialPlan {
    title: String,
    steps: Vec<String>,
}

fn in_pieces(text: &str, size: usize) -> Answer {
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(size).map(|piece| said(&piece.iter().collect::<String>()));
    Answer::stream(pieces.chain([end()]).collect::<Vec<_>>())
}

#[tokio::test]
async fn json_grows_as_a_type_and_ends_as_the_checked_one() {
    let text = r#"{"title": "Move", "steps": ["pack", "drive"]}"#;
    let mut plans = chat(in_pieces(text, 5)).await.json_values::<PartialPlan>();
    let mut titles = Vec::new();
    let mut last = PartialPlan::default();
    while let Some(plan) = plans.next().await {
        last = plan.unwrap();
        titles.push((last.title.clone(), last.steps.join(" ")));
    }
    let seen: Vec<_> = titles.iter().map(|(title, steps)| (title.as_str(), steps.as_str())).collect();
    let grown = [("", ""), ("Move", ""), ("Move", "p"), ("Move", "pack"), ("Move", "pack dri"), ("Move", "pack drive")];
    assert_eq!(seen, grown);
    let result = plans.finish().await.unwrap();
    assert_eq!(result.cost(), Some(0.25));
    let plan: Plan = result.parse().unwrap();
    assert_eq!((plan.title, plan.steps), (last.title, last.steps));
}

#[tokio::test]
async fn json_grows_as_any_value() {
    let mut values = chat(in_pieces("```json\n[1, 22, {\"a\": \"bc\"}]\n```", 1)).await.json_values::<Value>();
    let mut seen = Vec::new();
    while let Some(value) = values.next().await {
        seen.push(value.unwrap().to_string());
    }
    assert_eq!(
        seen,
        ["[]", "[1]", "[1,22]", "[1,22,{}]", r#"[1,22,{"a":""}]"#, r#"[1,22,{"a":"b"}]"#, r#"[1,22,{"a":"bc"}]"#]
    );
}

#[tokio::test]
async fn a_value_that_does_not_fit_yet_is_left_out() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mood {
        Good,
        Bad,
    }
    let mut moods = chat(in_pieces(r#"{"a": "good", "b": "bad"}"#, 1)).await.json_values::<BTreeMap<String, Mood>>();
    let mut sizes = Vec::new();
    while let Some(mood) = moods.next().await {
        sizes.push(mood.unwrap().len());
    }
    assert_eq!(sizes, [0, 1, 2]);
}

#[tokio::test]
async fn the_items_of_long_json_cost_together_no_more_than_a_few_texts() {
    let whole: Vec<String> = (0..3000).map(|n| format!("step {n}")).collect();
    let text = serde_json::to_string(&whole).unwrap();
    let mut values = chat(in_pieces(&text, 4)).await.json_values::<Vec<String>>();
    let (mut cost, mut last) = (0, Vec::new());
    while let Some(value) = values.next().await {
        last = value.unwrap();
        cost += last.iter().map(String::len).sum::<usize>();
    }
    assert_eq!(last, whole);
    assert!(cost < 110 * text.len(), "{cost} bytes for {}", text.len());
}

#[tokio::test]
async fn an_error_ends_growing_json_and_what_arrived_stays() {
    let broken = Answer::events([said("[1, 2"), said(", 3")]).fault(Fault::Close, Place::BeforeEnd);
    let mut values = chat(broken).await.json_values::<Vec<i64>>();
    assert_eq!(values.next().await.unwrap().unwrap(), [1]);
    assert_eq!(values.next().await.unwrap().unwrap(), [1, 2]);
    assert!(matches!(values.next().await, Some(Err(Error::Connection(_)))));
    assert_eq!(values.snapshot().unwrap().text().as_deref(), Some("[1, 2, 3"));
    assert!(values.next().await.is_none());
    assert!(values.finish().await.is_err());
}

#[tokio::test]
async fn text_that_is_not_json_gives_no_values_and_the_result_says_why() {
    let mut values = chat(Answer::stream([said("Sorry, I cannot."), end()])).await.json_values::<Value>();
    assert!(values.next().await.is_none());
    let error = values.finish().await.unwrap().parse::<Plan>().unwrap_err();
    assert_eq!(error.text(), "Sorry, I cannot.");
}

#[tokio::test]
async fn the_arguments_of_a_tool_call_grow_too() {
    let piece = |text: &str| chunk(0, json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}));
    let chunks = [piece("{\"city\": \"Lis"), piece("bon\"}"), end()];
    let mut stream = chat(Answer::stream(chunks)).await;
    let (mut arguments, mut seen) = (PartialJson::new(), Vec::new());
    while let Some(chunk) = stream.next().await {
        for call in chunk.unwrap().choices[0].delta.tool_calls.iter().flatten() {
            arguments.push(call.function.as_ref().unwrap().arguments.as_deref().unwrap());
            seen.push(arguments.value().unwrap()["city"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(seen, ["Lis", "Lisbon"]);
}

#[test]
fn a_parse_error_says_what_a_model_has_to_do_better() {
    let call = ChatToolCall::new(ChatToolCallFunction::new(r#"{"town": "Lisbon"}"#, "weather"), "call_1");
    #[derive(Debug, Deserialize)]
    struct Weather {
        #[expect(dead_code, reason = "reading is what is tested")]
        city: String,
    }
    let error = call.parse_arguments::<Weather>().unwrap_err();
    assert!(error.to_string().contains("missing field `city`"), "{error}");
    assert!(error.to_string().contains("weather"), "{error}");
}

#[test]
fn the_path_of_a_parse_error_is_that_of_the_value_that_does_not_fit() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "reading is what is tested")]
    struct Tour {
        title: String,
        stops: Vec<(u8, u8)>,
        days: BTreeMap<String, Plan>,
    }
    for (arguments, path) in [
        (r#"{"title": ["a"]}"#, "title"),
        (r#"{"title": {"a": 1}}"#, "title"),
        (r#"{"title": "a", "stops": [[1, 2], [3]]}"#, "stops[1]"),
        (r#"{"title": "a", "stops": [[1, 2], [3, "x"]]}"#, "stops[1][1]"),
        (r#"{"title": "a", "stops": {"a": 1}}"#, "stops"),
        (r#"{"title": "a", "stops": [], "days": {"Mon": {"title": "}"}}}"#, "days.Mon.steps"),
        (r#"{"title": "a", "stops": [], "days": []}"#, "days"),
        (r#"{"title": "a", "stops": []}"#, "days"),
        (r#"{"title": "a", "stops": ["#, "stops"),
        (r#"{"title": "a", "stops": [[1, 2], ["#, "stops[1]"),
    ] {
        let call = ChatToolCall::new(ChatToolCallFunction::new(arguments, "tour"), "call_1");
        assert_eq!(call.parse_arguments::<Tour>().unwrap_err().path(), path, "{arguments}");
    }
    let cut = ChatToolCallFunction::new(r#"{"days": {"Mon": {"title": "x}"#, "tour");
    let call = ChatToolCall::new(cut, "call_1");
    assert_eq!(call.parse_arguments::<Value>().unwrap_err().path(), "days.Mon.title");
}

#[tokio::test]
async fn text_that_comes_as_deltas_or_whole_comes_once() {
    let with_message = |mut chunk: Value| {
        chunk["choices"][0]["message"] = json!({"role": "assistant", "content": "Hello"});
        chunk
    };
    for chunks in [
        vec![said("Hello"), with_message(end())],
        // Deltas without text do not count.
        vec![said(""), with_message(end())],
        vec![with_message(end())],
    ] {
        let mut texts = chat(Answer::stream(chunks)).await.text_deltas();
        assert_eq!(pieces(&mut texts).await, ["Hello"]);
    }
}

#[tokio::test]
async fn json_longer_than_a_hundred_bytes_gives_an_item_whenever_it_has_grown_by_a_hundredth() {
    let start = |length: usize| format!("{{\"a\": \"{}", "x".repeat(length - 7));
    for (length, sizes) in
        [(90, vec![83, 84, 85, 86, 87, 88]), (150, vec![143, 144, 145, 146, 147, 148]), (250, vec![243, 245, 247, 248])]
    {
        let pieces = [said(&start(length))].into_iter().chain((0..5).map(|_| said("x"))).chain([said("\"}"), end()]);
        let mut values =
            chat(Answer::stream(pieces.collect::<Vec<_>>())).await.json_values::<BTreeMap<String, String>>();
        let mut seen = Vec::new();
        while let Some(value) = values.next().await {
            seen.push(value.unwrap()["a"].len());
        }
        assert_eq!(seen, sizes, "{length}");
    }
}

#[tokio::test]
async fn keep_alives_between_pieces_change_nothing() {
    let events = [Event::comment("OPENROUTER PROCESSING"), Event::data(said("a")), Event::data(""), Event::data(end())];
    let mut texts = chat(Answer::events(events)).await.text_deltas();
    assert_eq!(pieces(&mut texts).await, ["a"]);
}
