//! Texts cut into deltas at every UTF-16 code unit, as by servers that count in such units: a
//! character outside the BMP, such as an emoji, is then cut in two halves, neither of which a
//! string can represent.

use std::fmt::Write as _;

use openrouter_kit::core::EventStream;
use openrouter_kit::helpers::TextEvent;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::*;
use openrouter_kit::{OpenRouterCore, funcs};
use serde_json::{Value, json};

use crate::a_limit::tokio;

const TEXTS: [&str; 5] =
    ["plain", "a\u{1f600}b", "\u{1f600}\u{1d11e}", "\"\u{1f469}\u{200d}\u{1f467}\" \\ \u{e9}", "\u{10ffff}"];

/// The text in two pieces, cut at every place, and with each unit as a piece of its own; the pieces as JSON.
fn ways_to_cut(text: &str) -> Vec<Vec<String>> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let in_two = (1..units.len()).map(|at| vec![escaped(&units[..at]), escaped(&units[at..])]);
    in_two.chain([units.chunks(1).map(escaped).collect()]).collect()
}

/// A JSON string with everything but plain characters escaped.
fn escaped(units: &[u16]) -> String {
    let mut json = String::from("\"");
    for unit in units {
        match u8::try_from(*unit) {
            Ok(byte @ (b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')) => json.push(byte.into()),
            _ => write!(json, "\\u{unit:04x}").unwrap(),
        }
    }
    json + "\""
}

/// A client of a server that sends these events for every request.
async fn serve(events: impl IntoIterator<Item = String>) -> (MockServer, OpenRouterCore) {
    let server = MockServer::start().await;
    let body: String = events.into_iter().map(|event| format!("data: {event}\n\n")).collect();
    server.answer(Answer::bytes(200, body + "data: [DONE]\n\n").header("content-type", "text/event-stream").always());
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    (server, core)
}

/// Makes an event of each piece, which replaces `PIECE`.
fn with_pieces(pieces: &[String], event: &Value) -> impl Iterator<Item = String> {
    let event = event.to_string();
    pieces.iter().map(move |piece| event.replace("\"PIECE\"", piece))
}

async fn joined<T: TextEvent>(stream: EventStream<T>) -> String {
    let mut texts = stream.text_deltas();
    let mut text = String::new();
    while let Some(piece) = texts.next().await {
        text += &piece.unwrap();
    }
    text
}

/// The message that is collected from these pieces of `delta`, and the text of the stream alone.
async fn chat(pieces: &[String], delta: Value) -> (Value, String) {
    let chunk = |delta: &Value, reason: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    };
    let end = chunk(&json!({}), json!("stop")).to_string();
    let (_server, core) = serve(with_pieces(pieces, &chunk(&delta, Value::Null)).chain([end])).await;
    let stream = async || funcs::chat_stream(&core, ChatRequest::new([ChatMessage::user("x")])).await.unwrap();
    let collected = serde_json::to_value(stream().await.collect().await.unwrap()).unwrap();
    (collected["choices"][0]["message"].clone(), joined(stream().await).await)
}

#[tokio::test]
async fn a_chat_of_cut_characters_is_whole() {
    for text in TEXTS {
        for pieces in ways_to_cut(text) {
            let (message, deltas) = chat(&pieces, json!({"content": "PIECE"})).await;
            assert_eq!((message["content"].as_str(), deltas.as_str()), (Some(text), text), "{pieces:?}");
            for member in ["reasoning", "reasoning_content", "refusal"] {
                let (message, _) = chat(&pieces, json!({member: "PIECE"})).await;
                assert_eq!(message[member], text, "{member} {pieces:?}");
            }
            let details = json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "PIECE"}]});
            let (message, _) = chat(&pieces, details).await;
            assert_eq!(message["reasoning_details"][0]["text"], text, "{pieces:?}");
        }
        let arguments = json!({"t": text}).to_string();
        for pieces in ways_to_cut(&arguments) {
            let function = json!({"name": "f", "arguments": "PIECE"});
            let call = json!({"index": 0, "id": "call", "type": "function", "function": function});
            let (message, _) = chat(&pieces, json!({"tool_calls": [call]})).await;
            assert_eq!(message["tool_calls"].as_array().map(Vec::len), Some(1), "{pieces:?}");
            assert_eq!(message["tool_calls"][0]["function"]["arguments"], arguments, "{pieces:?}");
        }
    }
}

#[tokio::test]
async fn only_half_of_a_character_is_held_back() {
    for (pieces, expected) in [
        (&[r#""a\ud83d""#, r#""\ude00b""#, r#""c""#][..], &["a", "\u{1f600}b", "c"][..]),
        (&[r#""\ude00A""#, r#""b""#], &["\u{fffd}A", "b"]),
        (&[r#""\ude00\u0041""#, r#""b""#], &["\u{fffd}A", "b"]),
        // An escaped backslash does not begin an escape.
        (&[r#""\ude00\\ud83d""#, r#""b""#], &["\u{fffd}\\ud83d", "b"]),
        (&[r#""a\ud83d""#, r#""b""#], &["a", "\u{fffd}b"]),
        (&[r#""a\ud83d""#], &["a", "\u{fffd}"]),
    ] {
        let chunk = |delta: Value, reason: Value| {
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        };
        let chunks: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        let piece = chunk(json!({"content": "PIECE"}), Value::Null);
        let chunks = with_pieces(&chunks, &piece);
        let (_server, core) = serve(chunks.chain([chunk(json!({}), json!("stop")).to_string()])).await;
        let request = ChatRequest::new([ChatMessage::user("x")]);
        let mut texts = funcs::chat_stream(&core, request).await.unwrap().text_deltas();
        let mut seen = Vec::new();
        while let Some(text) = texts.next().await {
            seen.push(text.unwrap());
        }
        assert_eq!(seen, expected, "{pieces:?}");
    }
}

/// The item that is collected from these pieces of its text, and the text of the stream alone.
async fn response(pieces: &[String], item: Value, kind: &str) -> (Value, String) {
    let response = |kind: &str, status: &str| {
        json!({"type": kind, "sequence_number": 0, "response":
            {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": status, "output": []}})
    };
    let added = json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item});
    let delta = json!({"type": kind, "sequence_number": 2, "item_id": "i", "output_index": 0, "content_index": 0,
        "summary_index": 0, "logprobs": [], "delta": "PIECE"});
    let start = [response("response.created", "in_progress").to_string(), added.to_string()];
    let end = [response("response.completed", "completed").to_string()];
    let (_server, core) = serve(start.into_iter().chain(with_pieces(pieces, &delta)).chain(end)).await;
    let stream = async || funcs::responses_stream(&core, ResponsesRequest::new()).await.unwrap();
    let collected = serde_json::to_value(stream().await.collect().await.unwrap()).unwrap();
    (collected["output"][0].clone(), joined(stream().await).await)
}

#[tokio::test]
async fn a_response_of_cut_characters_is_whole() {
    for text in TEXTS {
        for pieces in ways_to_cut(text) {
            let item =
                json!({"type": "message", "id": "i", "role": "assistant", "status": "in_progress", "content": []});
            let (item, deltas) = response(&pieces, item, "response.output_text.delta").await;
            assert_eq!((item["content"][0]["text"].as_str(), deltas.as_str()), (Some(text), text), "{pieces:?}");

            let item = json!({"type": "reasoning", "id": "i", "summary": []});
            let (item, _) = response(&pieces, item, "response.reasoning_summary_text.delta").await;
            assert_eq!(item["summary"][0]["text"], text, "{pieces:?}");
        }
        let arguments = json!({"t": text}).to_string();
        for pieces in ways_to_cut(&arguments) {
            let item = json!({"type": "function_call", "id": "i", "call_id": "call", "name": "f", "arguments": "",
                "status": "in_progress"});
            let (item, _) = response(&pieces, item, "response.function_call_arguments.delta").await;
            assert_eq!(item["arguments"], arguments, "{pieces:?}");
        }
    }
}

/// The block that is collected from these pieces of `delta`, and the text of the stream alone.
async fn message(pieces: &[String], block: Value, delta: Value) -> (Value, String) {
    let start = [
        json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
    ];
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let end = [
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ];
    let texts = |events: &[Value]| events.iter().map(Value::to_string).collect::<Vec<_>>();
    let events = texts(&start).into_iter().chain(with_pieces(pieces, &delta)).chain(texts(&end));
    let (_server, core) = serve(events).await;
    let stream = async || funcs::messages_stream(&core, MessagesRequest::new("m")).await.unwrap();
    let collected = serde_json::to_value(stream().await.collect().await.unwrap()).unwrap();
    (collected["content"][0].clone(), joined(stream().await).await)
}

#[tokio::test]
async fn a_message_of_cut_characters_is_whole() {
    for text in TEXTS {
        for pieces in ways_to_cut(text) {
            let (block, piece) = (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": "PIECE"}));
            let (block, deltas) = message(&pieces, block, piece).await;
            assert_eq!((block["text"].as_str(), deltas.as_str()), (Some(text), text), "{pieces:?}");

            let block = json!({"type": "thinking", "thinking": "", "signature": ""});
            let (block, _) = message(&pieces, block, json!({"type": "thinking_delta", "thinking": "PIECE"})).await;
            assert_eq!(block["thinking"], text, "{pieces:?}");
        }
        let input = json!({"t": text});
        for pieces in ways_to_cut(&input.to_string()) {
            let block = json!({"type": "tool_use", "id": "call", "name": "f", "input": {}});
            let piece = json!({"type": "input_json_delta", "partial_json": "PIECE"});
            let (block, _) = message(&pieces, block, piece).await;
            assert_eq!(block["input"], input, "{pieces:?}");
        }
    }
}
