//! Raw calls: events and bodies as they are received, over a real socket.

use std::borrow::Cow;
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, Step, Thing, post, stream};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::sse::SseDecoder;
use openrouter_kit::core::{RawEvent, RawEvents};
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, Event, Fault, MockServer, Place};
use serde_json::json;

async fn server(answer: Answer) -> (MockServer, OpenRouterCore) {
    let server = MockServer::start().await;
    server.answer(answer);
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    (server, core)
}

async fn items(answer: Answer, comments: bool) -> Vec<Result<RawEvent, Error>> {
    let (_server, core) = server(answer).await;
    read(&core, comments).await
}

async fn read(core: &OpenRouterCore, comments: bool) -> Vec<Result<RawEvent, Error>> {
    let mut events = stream(core).raw().await.unwrap().comments(comments);
    let mut items = Vec::new();
    while let Some(item) = events.next().await {
        items.push(item);
    }
    assert!(events.next().await.is_none(), "a stream that is over stays over");
    items
}

fn body(text: impl Into<Bytes>) -> Answer {
    Answer::bytes(200, text).header("content-type", "text/event-stream")
}

/// The bytes of all events.
fn joined(items: &[Result<RawEvent, Error>]) -> Vec<u8> {
    items.iter().flat_map(|item| item.as_ref().unwrap().as_bytes().to_vec()).collect()
}

fn datas(items: &[Result<RawEvent, Error>]) -> Vec<String> {
    items.iter().filter_map(|item| item.as_ref().ok()).map(|event| event.data().into_owned()).collect()
}

fn is_incomplete(item: Option<&Result<RawEvent, Error>>) -> bool {
    matches!(item, Some(Err(Error::Connection(error))) if error.is_incomplete())
}

const STREAM: &str = ": OPENROUTER PROCESSING\n\nevent: a\nid: 7\nretry: 2500\ndata: {\"n\":1,  \"text\":\"é\"}\n\n\
                      : inside\ndata: {\ndata: \"n\":2}\n\nevent: ping\n\ndata: [DONE]\n\n";

#[tokio::test]
async fn bytes_are_passed_on_unchanged_wherever_they_are_cut() {
    for text in [STREAM.to_owned(), STREAM.replace('\n', "\r\n"), STREAM.replace('\n', "\r")] {
        let (server, core) = server(body(text.clone())).await;
        assert_eq!(joined(&read(&core, true).await), text.as_bytes());
        for size in 1..text.len() {
            server.answer(body(text.clone()).cut_into(size));
            let events = read(&core, true).await;
            let joined = joined(&events);
            assert_eq!(datas(&events), ["", "{\"n\":1,  \"text\":\"é\"}", "{\n\"n\":2}", "", "[DONE]"], "size {size}");
            // An event ends with the first character of a line end that is cut in two.
            let all = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
            assert_eq!(all(str::from_utf8(&joined).unwrap()), all(&text), "size {size}");
        }
    }
}

#[tokio::test]
async fn the_fields_of_an_event_are_read_on_demand() {
    let events = items(body(STREAM), true).await;
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    assert_eq!(events[0].comment().as_deref(), Some("OPENROUTER PROCESSING"));
    assert!(events[0].is_comment() && !events[0].is_done() && events[0].name().is_none());
    let event = &events[1];
    assert_eq!((event.name().as_deref(), event.id().as_deref()), (Some("a"), Some("7")));
    assert_eq!(event.retry(), Some(Duration::from_millis(2500)));
    assert_eq!(event.decode::<Thing>().unwrap(), Thing::of(json!({"n": 1, "text": "é"})));
    assert_eq!(event.to_string(), "event: a\nid: 7\nretry: 2500\ndata: {\"n\":1,  \"text\":\"é\"}\n\n");
    assert_eq!(event.clone().into_bytes(), event.as_bytes());
    assert_eq!((events[2].comment().as_deref(), events[2].id()), (Some("inside"), None));
    assert!(events[3].is_comment());
    assert_eq!(events[3].name().as_deref(), Some("ping"));
    assert!(events[4].is_done() && !events[4].is_comment() && !events[4].is_error());
    assert!(!format!("{event:?}").contains("text"), "data may be private: {event:?}");
}

#[tokio::test]
async fn blocks_without_data_are_returned_only_if_asked_for() {
    assert_eq!(datas(&items(body(STREAM), false).await).len(), 3);
}

#[tokio::test]
async fn text_that_is_not_utf8_stays_as_it_is() {
    let text = b"data: {\"t\":\"\xff\"}\n\ndata: [DONE]\n\n";
    let events = items(body(&text[..]), false).await;
    assert_eq!(joined(&events), text);
    assert_eq!(events[0].as_ref().unwrap().data(), "{\"t\":\"\u{fffd}\"}");
}

#[tokio::test]
async fn data_of_any_kind_is_an_event() {
    let events = items(Answer::events([Event::data("<oops>"), Event::data("[DONE]")]), false).await;
    assert_eq!(datas(&events), ["<oops>", "[DONE]"]);
    assert!(events[0].as_ref().unwrap().decode::<Thing>().is_err());
}

#[tokio::test]
async fn an_error_in_the_stream_is_an_event_that_tells_so() {
    let error = json!({"error": {"code": 429, "message": "slow down"}});
    for event in [Event::data(&error), Event::named("error", r#"{"message": "slow down"}"#)] {
        let (_server, core) = server(Answer::events([Event::data(r#"{"n":1}"#), event])).await;
        let mut events = stream(&core).raw().await.unwrap();
        let first = events.next().await.unwrap().unwrap();
        assert!(!first.is_error());
        assert_eq!(events.typed(&first).unwrap().unwrap(), Thing::of(json!({"n": 1})));
        let event = events.next().await.unwrap().unwrap();
        assert!(event.is_error());
        let Some(Err(Error::Api(error))) = events.typed(&event) else { panic!("{event}") };
        assert_eq!(error.message(), "slow down");
        assert!(events.next().await.is_none(), "its end needs no mark");
    }
}

#[tokio::test]
async fn typed_reads_what_the_typed_stream_would_return() {
    let events = [Event::comment("x"), Event::data("<oops>"), Event::data("[DONE]")];
    let (_server, core) = server(Answer::events(events)).await;
    let mut events = stream(&core).raw().await.unwrap().comments(true);
    let comment = events.next().await.unwrap().unwrap();
    assert!(events.typed(&comment).is_none());
    let oops = events.next().await.unwrap().unwrap();
    let Some(Err(Error::ResponseValidation(error))) = events.typed(&oops) else { panic!("{oops}") };
    assert_eq!(error.body(), "<oops>");
    let done = events.next().await.unwrap().unwrap();
    assert!(events.typed(&done).is_none());
}

#[tokio::test]
async fn a_broken_raw_stream_is_an_error() {
    for fault in [Fault::Reset, Fault::Close] {
        for place in [Place::AfterHead, Place::InBody, Place::InEvent, Place::BeforeEnd] {
            let events = items(Answer::events((0..10).map(|n| json!({"n": n}))).fault(fault, place), true).await;
            assert!(is_incomplete(events.last()), "{fault:?} {place:?}: {events:?}");
            assert_eq!(datas(&events).len() + 1, events.len());
        }
    }
}

#[tokio::test]
async fn a_raw_stream_without_its_end_mark_is_incomplete() {
    for text in ["data: {\"n\":1}\n\n", "data: {\"n\":1}\n\ndata: {\"n\":", ": comment\n\n", ""] {
        let events = items(body(text), false).await;
        assert!(is_incomplete(events.last()), "{text:?}: {events:?}");
        assert_eq!(datas(&events).len() + 1, events.len());
    }
}

#[tokio::test]
async fn a_raw_stream_may_end_after_its_terminal_event() {
    let events = [json!({"n": 1}), json!({"type": "completed"}), json!({"usage": 1})].map(|event| event.to_string());
    let events = events.into_iter().map(Event::data).chain([Event::comment("bye"), Event::named("ping", "")]);
    let events = items(Answer::events(events), true).await;
    assert_eq!(datas(&events), ["{\"n\":1}", "{\"type\":\"completed\"}", "{\"usage\":1}", "", ""]);
    let events = items(body("data: {\"n\":1}\n\ndata: [DONE]"), false).await;
    assert_eq!(joined(&events), b"data: {\"n\":1}\n\ndata: [DONE]\n\n", "the last blank line is added");
}

#[tokio::test]
async fn a_raw_stream_is_complete_if_one_of_its_last_8_events_is_the_terminal_one() {
    for comments in [false, true] {
        for (later, is_complete) in [(0, true), (1, true), (7, true), (8, false), (20, false)] {
            let usage = (0..later).flat_map(|n| [Event::comment("wait"), Event::data(json!({"usage": n}).to_string())]);
            let start = ["{\"n\":1}", "{\"type\":\"completed\"}"].map(Event::data);
            let items = items(Answer::events(start.into_iter().chain(usage)), comments).await;
            assert_eq!(is_incomplete(items.last()), !is_complete, "{later} events after it: {:?}", items.last());
            let datas = datas(&items).into_iter().filter(|data| !data.is_empty());
            assert_eq!(datas.count(), 2 + later, "comments are not among the 8");
        }
    }
}

#[tokio::test]
async fn half_an_event_at_the_end_of_a_raw_stream_is_not_returned() {
    for first in [r#"{"n":1}"#, r#"{"type":"completed"}"#] {
        for cut in ["data: {\"n\":", "data: {\"n\":\n", "event: a\ndata: \"x"] {
            let events = items(body(format!("data: {first}\n\n{cut}")), true).await;
            assert_eq!(datas(&events), [first], "{cut:?}");
            assert!(is_incomplete(events.last()), "{cut:?}: {events:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_stream_is_an_error_in_raw_streams_too() {
    let error = json!({"error": {"code": 402, "message": "buy credits"}}).to_string();
    let events = items(body(error.clone()), true).await;
    let Err(Error::Api(api)) = &events[0] else { panic!("{events:?}") };
    assert_eq!(api.kind(), ApiErrorKind::PaymentRequired);
    assert_eq!(events.len(), 1);
    let events = items(body("<html>\n<p>Sign in</p>\n\n</html>"), true).await;
    assert!(matches!(&events[..], [Err(Error::ResponseValidation(_))]), "{events:?}");
    let (_server, core) = server(Answer::text(200, error)).await;
    assert!(matches!(stream(&core).raw().await, Err(Error::Api(_))));
}

#[tokio::test]
async fn an_event_that_lies_whole_in_a_chunk_is_not_copied() {
    let chunk = Bytes::from("data: {\"n\":1}\n\n".repeat(100) + "data: [DONE]\n\n");
    let response = http::Response::builder().header("content-type", "text/event-stream");
    let core = Script::new([Step::Answer(response.body(chunk.clone().into()).unwrap())]).core();
    let mut events = stream(&core).raw().await.unwrap();
    let mut place = chunk.as_ptr() as usize;
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        assert_eq!(event.as_bytes().as_ptr() as usize, place);
        assert!(matches!(event.data(), Cow::Borrowed(_)));
        place += event.as_bytes().len();
    }
    assert_eq!(place, chunk.as_ptr() as usize + chunk.len());
}

/// The stream of these chunks, by a call without a network.
async fn raw(chunks: Vec<Bytes>, limit: usize) -> RawEvents<Thing> {
    let frames = futures_util::stream::iter(chunks.into_iter().map(|chunk| Ok::<_, Error>(Frame::data(chunk))));
    let response = http::Response::builder().header("content-type", "text/event-stream");
    let response = response.body(Body::wrap(StreamBody::new(frames))).unwrap();
    let core = Script::new([Step::Answer(response)]).client().max_event(limit).build().unwrap();
    stream(&core).raw().await.unwrap()
}

/// The events of `chunks` that have data, and whether the stream ended with an error.
async fn events(chunks: Vec<Bytes>) -> (Vec<String>, bool) {
    let mut events = raw(chunks, 1 << 20).await;
    let mut datas = Vec::new();
    while let Some(event) = events.next().await {
        let Ok(event) = event else { return (datas, true) };
        datas.push(event.data().into_owned());
    }
    (datas, false)
}

#[tokio::test]
async fn an_event_begins_after_the_line_end_of_the_one_before_even_if_that_is_cut_in_two() {
    let chunks = ["data: 1\r\n\r", "\ndata: 2\r\n\r\n", "data: [DONE]\r\n\r\n"].map(Bytes::from);
    let mut events = raw(chunks.into(), 1000).await;
    for text in ["data: 1\r\n\r", "data: 2\r\n\r\n", "data: [DONE]\r\n\r\n"] {
        assert_eq!(events.next().await.unwrap().unwrap().to_string(), text);
    }
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn line_ends_do_not_count_toward_the_limit_wherever_the_bytes_are_cut() {
    let mut text = "x\r\n".repeat(14) + "\r\n";
    let cut = text.len() - 2;
    text += "data: {\"n\":1}\r\n\r\ndata: [DONE]\r\n\r\n";
    let chunks = [&text[..cut], &text[cut..]].map(|chunk| Bytes::copy_from_slice(chunk.as_bytes()));
    let mut events = raw(chunks.into(), 14).await;
    assert_eq!(events.next().await.unwrap().unwrap().data(), "{\"n\":1}");
    assert!(events.next().await.unwrap().unwrap().is_done());
}

#[tokio::test]
async fn raw_events_are_those_of_the_decoder_whatever_the_text() {
    const PARTS: [&str; 14] = [
        "data: {\"n\":1}",
        "data: x",
        "data:",
        "data",
        ": comment",
        "event: e",
        "id: 1",
        "junk",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\r\n\r\n",
        "\u{feff}",
    ];
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..3000 {
        let mut text: String = (0..random.usize(..30)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
        text += "\n\n";
        let mut decoder = SseDecoder::new(1 << 20);
        decoder.push(text.clone().into());
        let mut expected = Vec::new();
        while let Some(event) = decoder.next() {
            expected.extend(
                Some(event.unwrap().data.to_owned())
                    .filter(|data| !data.trim().is_empty() && !data.trim().starts_with(":")),
            );
        }
        let chunks = text.as_bytes().chunks(random.usize(1..20)).map(Bytes::copy_from_slice).collect();
        let (datas, failed) = events(chunks).await;
        assert_eq!(datas, expected, "{text:?}");
        assert!(failed, "no event ends a stream: {text:?}");
    }
}

#[tokio::test]
async fn a_raw_event_takes_no_memory() {
    let text = "event: a\ndata: {\"n\":1}\n\n: comment\n\n".repeat(1000) + "data: [DONE]\n\n";
    let response = http::Response::builder().header("content-type", "text/event-stream");
    let core = Script::new([Step::Answer(response.body(Bytes::from(text).into()).unwrap())]).core();
    let mut events = stream(&core).raw().await.unwrap().comments(true);
    let mut read = |count: usize| {
        for _ in 0..count {
            let event = events.next().now_or_never().unwrap().unwrap().unwrap();
            assert!(event.is_comment() || event.name().as_deref() == Some("a") && !event.is_done());
        }
    };
    // The first ones make the buffers.
    read(20);
    let taken = allocation_counter::measure(|| read(1900));
    assert_eq!(taken.count_total, 0, "{taken:?}");
}

#[tokio::test]
async fn limits_hold_for_events_and_for_comments() {
    for text in ["data: ", ": ", ": x\n: "] {
        let server = MockServer::start().await;
        server.answer(
            Answer::endless(text, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx").header("content-type", "text/event-stream"),
        );
        let builder = OpenRouterCore::builder().api_key("k").server_url(server.url());
        let core = builder.max_event(10_000).build().unwrap();
        let mut events = stream(&core).raw().await.unwrap();
        let error = events.next().await.unwrap().unwrap_err();
        assert!(format!("{error:?}").contains("larger than the limit"), "{text}: {error:?}");
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn a_raw_stream_has_its_head() {
    let (_server, core) = server(Answer::stream([json!({"n": 1})]).header("x-generation-id", "gen-1")).await;
    let response = stream(&core).raw().with_response().await.unwrap();
    assert_eq!((response.status.as_u16(), response.value.generation_id()), (200, Some("gen-1")));
    assert_eq!(response.value.headers()["x-generation-id"], "gen-1");
    assert_eq!(response.value.status(), 200);
}

#[tokio::test]
async fn a_whole_body_can_be_had_without_decoding() {
    for text in ["{\"n\":  1}", "<oops>", "", "{\"error\":{\"message\":\"in a 200\"}}"] {
        let (_server, core) = server(Answer::text(200, text).header("x-more", "yes")).await;
        let response = post(&core).raw().with_response().await.unwrap();
        assert_eq!(response.value, text.as_bytes());
        assert_eq!(response.headers["x-more"], "yes");
    }
    let (_server, core) = server(Answer::error(404, "no such thing")).await;
    assert!(matches!(post(&core).raw().await, Err(Error::Api(_))));
}
