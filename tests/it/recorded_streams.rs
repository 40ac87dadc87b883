//! Recorded streams, cut at every byte and into chunks of every size: the collected response is the same, a cut stream
//! never looks complete, and the pieces add up to the whole response.
//!
//! The recordings in `tests/recordings` are always used. If directories with recorded traffic exist next to the
//! repository, they are used as well.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::a_limit::tokio;
use crate::replay::expected::{self, Stream};
use crate::replay::recording::{Recording, read_folder};
use crate::support::recorded_folders;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{Transport, TransportError, TransportErrorKind, TransportFuture};
use openrouter_kit::core::wire::{self, Json, Wire};
use openrouter_kit::core::{Call, EventStream, Operation, Parts, StreamItem};
use openrouter_kit::helpers::{ChatAccumulator, MessagesAccumulator, ResponsesAccumulator};
use openrouter_kit::models::*;
use serde_json::{Value, json};

static STREAM: Operation = Operation::new("stream", Method::POST, "/stream");

/// The recorded streams of the protocols that can be collected.
fn streams() -> Vec<Recording> {
    let read = |folder: &PathBuf| read_folder(folder).unwrap().0;
    let mut streams: Vec<_> = recorded_folders().iter().flat_map(read).collect();
    streams.retain(|stream| stream.is_stream() && matches!(&*stream.api, "chat" | "responses" | "messages"));
    streams
}

/// A transport without a network that responds with the given body.
#[derive(Clone, Debug, Default)]
struct Tape(Arc<Mutex<Option<Chunks>>>);

impl Transport for Tape {
    fn send(&self, _: Request<Body>) -> TransportFuture<'_> {
        let body = Body::wrap(self.0.lock().unwrap().take().expect("one body for each request"));
        let response = Response::builder().header("content-type", "text/event-stream").body(body).unwrap();
        Box::pin(async { Ok(response) })
    }
}

/// A body that arrives in chunks and then ends, cleanly or not.
#[derive(Debug)]
struct Chunks {
    chunks: VecDeque<Bytes>,
    breaks_off: bool,
}

impl Chunks {
    fn of(body: &Bytes, size: usize) -> Self {
        let starts = (0..body.len()).step_by(size);
        let chunks = starts.map(|start| body.slice(start..body.len().min(start + size))).collect();
        Self { chunks, breaks_off: false }
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        match self.chunks.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None if self.breaks_off => {
                Poll::Ready(Some(Err(TransportError::new(TransportErrorKind::Body, "the connection is lost"))))
            }
            None => Poll::Ready(None),
        }
    }
}

/// The outcome of a stream.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// The events as JSON and the errors as text.
    items: Vec<Result<String, String>>,
    /// What the accumulator of the protocol made of the events.
    collected: String,
}

/// An accumulator of any protocol.
trait Collects<T>: Default {
    fn push(&mut self, event: &T);

    fn json(self) -> String;
}

macro_rules! collects {
    ($($accumulator:ident $event:ident)*) => {$(
        impl Collects<$event> for $accumulator {
            fn push(&mut self, event: &$event) {
                self.push(event);
            }

            fn json(self) -> String {
                text(&self.finish())
            }
        }
    )*};
}

collects! {
    ChatAccumulator ChatStreamChunk
    ResponsesAccumulator ResponsesStreamEvent
    MessagesAccumulator MessagesStreamEvent
}

fn text<T: Wire>(value: &T) -> String {
    String::from_utf8(wire::encode(value).unwrap()).unwrap()
}

struct Player {
    tape: Tape,
    core: OpenRouterCore,
}

impl Player {
    fn new() -> Self {
        let tape = Tape::default();
        let core = OpenRouterCore::builder().api_key("k").transport(tape.clone()).build().unwrap();
        Self { tape, core }
    }

    async fn play(&self, api: &str, body: Chunks) -> Outcome {
        *self.tape.0.lock().unwrap() = Some(body);
        match api {
            "chat" => self.collect::<ChatStreamChunk, ChatAccumulator>().await,
            "responses" => self.collect::<ResponsesStreamEvent, ResponsesAccumulator>().await,
            _ => self.collect::<MessagesStreamEvent, MessagesAccumulator>().await,
        }
    }

    async fn collect<T: StreamItem, A: Collects<T>>(&self) -> Outcome {
        let call = Call::<EventStream<T>>::new(&self.core, Parts::new(&STREAM));
        let mut stream = match call.await {
            Ok(stream) => stream,
            Err(error) => return Outcome { items: vec![Err(error.to_string())], ..Outcome::default() },
        };
        let mut outcome = Outcome::default();
        let mut accumulator = A::default();
        while let Some(item) = stream.next().await {
            match item {
                Ok(event) => {
                    accumulator.push(&event);
                    outcome.items.push(Ok(text(&event)));
                }
                Err(error) => outcome.items.push(Err(error.to_string())),
            }
        }
        outcome.collected = accumulator.json();
        outcome
    }
}

#[tokio::test]
async fn what_is_collected_does_not_depend_on_the_chunks() {
    /// For a longer stream the smaller chunk sizes are skipped.
    const MOST_CHUNKS: usize = 4000;
    let player = Player::new();
    let mut played = 0;
    for stream in streams() {
        let whole = player.play(&stream.api, Chunks::of(&stream.body, usize::MAX >> 1)).await;
        for size in [1, 2, 3, 7, 64, 1000] {
            if stream.body.len() / size <= MOST_CHUNKS {
                let cut = player.play(&stream.api, Chunks::of(&stream.body, size)).await;
                assert_eq!(cut, whole, "{} in chunks of {size}", stream.id);
                played += 1;
            }
        }
    }
    eprintln!("{played} times the same");
    assert!(played > 50);
}

/// Where a body of this length is cut: at every byte, or at some of them spread over a longer one.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    /// The total read for one stream.
    const BYTES: usize = 400_000;
    let most = (2 * BYTES / length.max(1)).max(4);
    let step = if length <= most { 1 } else { length / most + 1 };
    (0..length).step_by(step)
}

#[tokio::test]
async fn a_stream_that_is_cut_at_any_byte_never_looks_complete() {
    let player = Player::new();
    let mut played = 0;
    for stream in streams() {
        let whole = player.play(&stream.api, Chunks::of(&stream.body, 1000)).await;
        for end in cuts(stream.body.len()) {
            let body = stream.body.slice(..end);
            let said = Stream::read(&String::from_utf8_lossy(&body));
            let mut chunks = Chunks::of(&body, 1000);
            chunks.breaks_off = played % 2 == 1;
            let cut = player.play(&stream.api, chunks).await;

            let place = || format!("{} cut at {end}: {:?}", stream.id, cut.items.last());
            let looks_complete = !matches!(cut.items.last(), Some(Err(_)));
            assert!(!looks_complete || said.is_complete(&stream.api), "{}", place());
            // Nothing is made up: the events are the first ones of the whole stream.
            let of_whole: Vec<_> = whole.items.iter().flatten().collect();
            let events: Vec<_> = cut.items.iter().flatten().collect();
            assert!(of_whole.starts_with(&events), "{}", place());
            played += 1;
        }
    }
    eprintln!("cut {played} times");
    assert!(played > 1000);
}

/// A stream with these events.
fn stream_of<'a>(events: impl IntoIterator<Item = &'a Value>) -> Chunks {
    let events = events.into_iter().map(|event| format!("data: {event}\n\n"));
    Chunks::of(&events.chain(["data: [DONE]\n\n".to_owned()]).collect::<String>().into(), usize::MAX >> 1)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn joined<'a>(texts: impl Iterator<Item = &'a Value>) -> String {
    texts.filter_map(Value::as_str).collect()
}

/// What the output of a response says: texts, calls of functions, reasoning.
fn said_in_output(response: &Value) -> Vec<Value> {
    let said = list(&response["output"]).map(|item| match item["type"].as_str() {
        Some("message") => {
            json!({"text": joined(list(&item["content"]).flat_map(|part| [&part["text"], &part["refusal"]]))})
        }
        Some("function_call") => json!({"call": [item["call_id"], item["name"], item["arguments"]]}),
        Some("reasoning") => json!({
            "reasoning": joined(list(&item["content"]).map(|part| &part["text"])),
            "summary": joined(list(&item["summary"]).map(|part| &part["text"])),
        }),
        _ => json!({"item": item["type"]}),
    });
    said.collect()
}

/// The pieces of this kind in a stream of Responses, joined.
fn pieces(events: &[Value], kind: &str) -> String {
    joined(events.iter().filter(|event| event["type"] == kind).map(|event| &event["delta"]))
}

/// Whether the recording has all pieces of what the output says. Of some it was shortened, and some servers send none.
fn has_all_pieces(events: &[Value], response: &Value) -> bool {
    let items = |kind: &'static str| list(&response["output"]).filter(move |item| item["type"] == kind);
    let texts = |kind, list_name: &'static str| {
        items(kind).flat_map(move |item| list(&item[list_name])).map(|part| &part["text"])
    };
    pieces(events, "response.output_text.delta") == joined(texts("message", "content"))
        && pieces(events, "response.reasoning_text.delta") == joined(texts("reasoning", "content"))
        && pieces(events, "response.reasoning_summary_text.delta") == joined(texts("reasoning", "summary"))
        && pieces(events, "response.function_call_arguments.delta")
            == joined(items("function_call").map(|item| &item["arguments"]))
}

#[tokio::test]
async fn the_events_of_a_response_say_what_its_last_event_says_as_a_whole() {
    let player = Player::new();
    let mut compared = [0; 3];
    for stream in streams().iter().filter(|stream| stream.api == "responses") {
        let events: Vec<_> = Stream::read(stream.body_text()).events.iter().filter_map(|event| event.json()).collect();
        let has_output = |event: &&Value| list(&event["response"]["output"]).next().is_some();
        let Some(last) = events.iter().rev().find(has_output) else { continue };
        let whole = &last["response"];
        let collect = async |events: &[Value]| -> Value {
            serde_json::from_str(&player.play("responses", stream_of(events)).await.collected).unwrap()
        };
        let mut collected = collect(&events).await;
        // What else arrived besides the response.
        collected.as_object_mut().unwrap().remove("unrecognized_events");
        assert_eq!(Json::from(whole.clone()).difference(&Json::from(collected)), None, "{}", stream.id);
        compared[0] += 1;

        // The same from the events alone, if the last one leaves the output out.
        let mut events = events.clone();
        for event in events.iter_mut().filter(|event| event["response"]["output"].is_array()) {
            event["response"]["output"] = json!([]);
        }
        if events.iter().any(|event| event["type"] == "response.output_item.done") {
            assert_eq!(said_in_output(&collect(&events).await), said_in_output(whole), "{}", stream.id);
            compared[1] += 1;
        }

        // And from the pieces alone, if nothing says it as a whole.
        events.retain(|event| !event["type"].as_str().is_some_and(|kind| kind.ends_with(".done")));
        if has_all_pieces(&events, whole) {
            assert_eq!(said_in_output(&collect(&events).await), said_in_output(whole), "{}", stream.id);
            compared[2] += 1;
        }
    }
    eprintln!("{compared:?} responses compared");
    assert!(compared.iter().all(|compared| *compared > 0));
}

/// Text as such, or as a list of parts.
fn plain(content: &Value) -> String {
    content.as_str().map_or_else(|| joined(list(content).map(|part| &part["text"])), str::to_owned)
}

/// What the choices of a chat say, assembled by hand from the chunks: text, reasoning, arguments of tools by index.
fn said_in_chunks(chunks: &[Value]) -> Vec<Value> {
    #[derive(Default)]
    struct Said {
        text: String,
        reasoning: String,
        calls: BTreeMap<i64, String>,
        reason: Option<String>,
    }
    let mut choices = BTreeMap::<i64, Said>::new();
    for choice in chunks.iter().flat_map(|chunk| list(&chunk["choices"])) {
        let said = choices.entry(choice["index"].as_i64().unwrap_or_default()).or_default();
        let delta = &choice["delta"];
        said.text += &plain(&delta["content"]);
        said.reasoning += delta["reasoning"].as_str().unwrap_or_default();
        for call in list(&delta["tool_calls"]) {
            let arguments = said.calls.entry(call["index"].as_i64().unwrap_or_default()).or_default();
            *arguments += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        said.reason = choice["finish_reason"].as_str().map(str::to_owned).or(said.reason.take());
    }
    let said = choices.into_values().map(|Said { text, reasoning, calls, reason }| {
        let calls: Vec<_> = calls.into_values().collect();
        json!({"text": text, "reasoning": reasoning, "calls": calls, "reason": reason})
    });
    said.collect()
}

fn said_in_chat(result: &Value) -> Vec<Value> {
    let said = list(&result["choices"]).map(|choice| {
        let message = &choice["message"];
        let calls: Vec<_> = list(&message["tool_calls"]).map(|call| &call["function"]["arguments"]).collect();
        let reasoning = message["reasoning"].as_str().unwrap_or_default();
        let reason = &choice["finish_reason"];
        json!({"text": plain(&message["content"]), "reasoning": reasoning, "calls": calls, "reason": reason.as_str()})
    });
    said.collect()
}

#[tokio::test]
async fn a_collected_chat_says_what_its_chunks_say() {
    let player = Player::new();
    let mut compared = 0;
    for stream in streams().iter().filter(|stream| stream.api == "chat") {
        let mut events = Stream::read(stream.body_text()).events;
        events.retain(|event| !expected::is_error("chat", event));
        let chunks: Vec<_> = events.iter().filter_map(|event| event.json()).collect();
        let collected = player.play("chat", stream_of(&chunks)).await.collected;
        let collected: Value = serde_json::from_str(&collected).unwrap();
        assert_eq!(said_in_chat(&collected), said_in_chunks(&chunks), "{}", stream.id);
        if let Some(usage) = chunks.iter().rev().map(|chunk| &chunk["usage"]).find(|usage| usage.is_object()) {
            let collected = Json::from(collected["usage"].clone());
            assert_eq!(Json::from(usage.clone()).difference(&collected), None, "{}", stream.id);
        }
        compared += 1;
    }
    eprintln!("{compared} chats compared");
    assert!(compared > 0);
}

/// What the blocks of a message say, assembled by hand from the events.
fn said_in_events(events: &[Value]) -> Vec<Value> {
    let mut blocks = Vec::<(&Value, Value, String)>::new();
    for event in events {
        match event["type"].as_str() {
            Some("content_block_start") => {
                blocks.push((&event["index"], event["content_block"].clone(), String::new()));
            }
            Some("content_block_delta") => {
                let known = blocks.iter_mut().find(|(index, ..)| *index == &event["index"]);
                let Some((_, block, input)) = known else { continue };
                let delta = &event["delta"];
                *input += delta["partial_json"].as_str().unwrap_or_default();
                for name in ["text", "thinking", "signature"] {
                    if let Some(piece) = delta[name].as_str() {
                        block[name] = Value::from(block[name].as_str().unwrap_or_default().to_owned() + piece);
                    }
                }
            }
            _ => {}
        }
    }
    let whole = blocks.into_iter().map(|(_, mut block, input)| {
        if !input.is_empty() {
            block["input"] = serde_json::from_str(&input).unwrap_or(Value::from(input));
        }
        said_in_block(&block)
    });
    whole.collect()
}

fn said_in_block(block: &Value) -> Value {
    let text = |name: &str| block[name].as_str().unwrap_or_default();
    json!([block["type"], text("text"), text("thinking"), text("signature"), block["name"], block["input"]])
}

#[tokio::test]
async fn a_collected_message_says_what_its_events_say() {
    let player = Player::new();
    let mut compared = 0;
    for stream in streams().iter().filter(|stream| stream.api == "messages") {
        let events: Vec<_> = Stream::read(stream.body_text()).events.iter().filter_map(|event| event.json()).collect();
        // Some recordings contain several messages in a row.
        if events.iter().filter(|event| event["type"] == "message_start").count() != 1 {
            continue;
        }
        let collected = player.play("messages", stream_of(&events)).await.collected;
        let collected: Value = serde_json::from_str(&collected).unwrap();
        let said: Vec<_> = list(&collected["content"]).map(said_in_block).collect();
        assert_eq!(said, said_in_events(&events), "{}", stream.id);
        compared += 1;
    }
    eprintln!("{compared} messages compared");
    assert!(compared > 0);
}
