//! How streams of events are read, how they end, and what their errors are, over a real socket.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{POST, Thing, body, get, post, stream};
use bytes::Bytes;
use futures_core::Stream;
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::wire::{DecodeError, Json, Reader, Sealed, Wire, Writer};
use openrouter_kit::core::{Call, EventStream, Parts, StreamItem};
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, Event, Fault, MockServer, Place};
use serde_json::json;

async fn server(answer: Answer) -> (MockServer, OpenRouterCore) {
    let server = MockServer::start().await;
    server.answer(answer);
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    (server, core)
}

/// All items of a stream: the member `n` of each event, or its error.
async fn items<T: StreamItem + Number>(mut events: EventStream<T>) -> Vec<Result<i64, Error>> {
    let mut items = Vec::new();
    while let Some(item) = events.next().await {
        items.push(item.map(|event| event.number()));
    }
    assert!(events.next().await.is_none(), "a stream that is over stays over");
    items
}

trait Number {
    fn number(&self) -> i64;
}

impl Number for Thing {
    fn number(&self) -> i64 {
        self.get("n").unwrap_or_else(|| "-1".to_owned()).parse().unwrap()
    }
}

fn numbers(items: &[Result<i64, Error>]) -> Vec<i64> {
    items.iter().filter_map(|item| item.as_ref().ok().copied()).collect()
}

#[track_caller]
fn is_incomplete(item: Option<&Result<i64, Error>>) -> bool {
    matches!(item, Some(Err(Error::Connection(error))) if error.is_incomplete())
}

/// An event of a protocol whose streams may just end.
#[derive(Clone, Debug, PartialEq)]
struct Loose(Json);

impl Sealed for Loose {}

impl Wire for Loose {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read(reader)
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn missing() -> Self {
        Self(Json::missing())
    }

    fn is_missing(&self) -> bool {
        *self == Self::missing()
    }
}

impl StreamItem for Loose {
    const END_IS_MARKED: bool = false;

    fn is_terminal(&self) -> bool {
        false
    }

    fn reports_error(&self) -> bool {
        false
    }
}

impl Number for Loose {
    fn number(&self) -> i64 {
        self.0.get("n").unwrap().as_text().parse().unwrap()
    }
}

fn loose(core: &OpenRouterCore) -> Call<EventStream<Loose>> {
    Call::new(core, Parts::new(&POST).json(&body()).stream(true))
}

#[tokio::test]
async fn events_come_in_order_until_done() {
    let (server, core) = server(Answer::stream((0..50).map(|n| json!({"n": n})))).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), (0..50).collect::<Vec<_>>());
    assert_eq!(events.len(), 50);
    let request = &server.requests()[0];
    assert_eq!(request.json(), json!({"model": "a/b", "stream": true}));
    assert_eq!(request.header("accept"), Some("text/event-stream"));
}

#[tokio::test]
async fn where_the_bytes_are_cut_makes_no_difference() {
    let text = "event: a\r\ndata: {\"n\":1,\"text\":\"é\"}\r\n\r\n: comment\n\ndata: {\"n\":2}\n\ndata: {\ndata: \"n\":3}\n\ndata: [DONE]\n\n";
    for size in 1..text.len() {
        let (_server, core) = server(Answer::chunks(vec![Bytes::from_static(text.as_bytes())]).cut_into(size)).await;
        let events = items(stream(&core).await.unwrap()).await;
        assert_eq!(numbers(&events), [1, 2, 3], "in chunks of {size}");
        assert_eq!(events.len(), 3, "in chunks of {size}");
    }
}

#[tokio::test]
async fn a_stream_is_a_stream() {
    let (_server, core) = server(Answer::stream([json!({"n": 7})])).await;
    let mut events = stream(&core).await.unwrap();
    let event = std::future::poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await;
    assert_eq!(event.unwrap().unwrap().number(), 7);
}

#[tokio::test]
async fn the_head_of_a_stream_is_at_hand() {
    let answer = Answer::stream([json!({"n": 1})]).header("x-generation-id", "gen-1").header("x-more", "yes");
    let (_server, core) = server(answer).await;
    let events = stream(&core).await.unwrap();
    assert_eq!(events.status(), 200);
    assert_eq!(events.generation_id(), Some("gen-1"));
    assert_eq!(events.headers()["x-more"], "yes");
}

#[tokio::test]
async fn an_end_after_the_terminal_event_is_complete() {
    let (_server, core) = server(Answer::events([json!({"n": 1}), json!({"n": 2, "type": "completed"})])).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1, 2]);
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn events_after_the_terminal_one_are_delivered() {
    let (_server, core) = server(Answer::stream([json!({"n": 1, "type": "completed"}), json!({"n": 2})])).await;
    assert_eq!(numbers(&items(stream(&core).await.unwrap()).await), [1, 2]);
}

#[tokio::test]
async fn an_end_without_its_mark_is_incomplete() {
    let (_server, core) = server(Answer::events([json!({"n": 1}), json!({"n": 2})])).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1, 2]);
    assert_eq!(events.len(), 3);
    assert!(is_incomplete(events.last()), "{events:?}");
}

#[tokio::test]
async fn an_empty_stream_is_incomplete() {
    let (_server, core) = server(Answer::chunks(vec![])).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(events.len(), 1);
    assert!(is_incomplete(events.last()), "{events:?}");
}

#[tokio::test]
async fn a_protocol_without_an_end_mark_may_just_end() {
    let (_server, core) = server(Answer::events([json!({"n": 1})])).await;
    let events = items(loose(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1]);
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_broken_body_is_an_error_and_what_came_before_is_not_lost() {
    for fault in [Fault::Reset, Fault::Close] {
        for place in [Place::AfterHead, Place::InBody, Place::InEvent, Place::BeforeEnd] {
            let answer = Answer::events((0..10).map(|n| json!({"n": n}))).fault(fault, place);
            let (_server, core) = server(answer).await;
            // Even where the protocol has no end mark, for the transfer has one.
            let events = items(loose(&core).await.unwrap()).await;
            assert!(is_incomplete(events.last()), "{fault:?} {place:?}: {events:?}");
            let came = numbers(&events);
            assert_eq!(came, (0..i64::try_from(came.len()).unwrap()).collect::<Vec<_>>());
            assert_eq!(events.len(), came.len() + 1);
        }
    }
}

#[tokio::test]
async fn done_without_its_blank_line_ends_the_stream() {
    for end in ["data: [DONE]", "data: [DONE]\n", "data:[DONE]\r\n"] {
        let text = format!("data: {{\"n\":1}}\n\n{end}");
        let (_server, core) = server(Answer::chunks(vec![text.into()])).await;
        let events = items(stream(&core).await.unwrap()).await;
        assert_eq!(numbers(&events), [1]);
        assert_eq!(events.len(), 1, "{end:?}");
    }
}

#[tokio::test]
async fn a_whole_event_without_its_blank_line_counts() {
    let text = "data: {\"n\":1}\n\ndata: {\"n\":2,\"type\":\"completed\"}";
    let (_server, core) = server(Answer::chunks(vec![text.into()])).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1, 2]);
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn half_an_event_at_the_end_is_an_incomplete_stream() {
    let text = "data: {\"n\":1}\n\ndata: {\"n\":2,\"ty";
    let (_server, core) = server(Answer::chunks(vec![text.into()])).await;
    let events = items(loose(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1]);
    assert_eq!(events.len(), 2);
    assert!(is_incomplete(events.last()), "{events:?}");
}

#[tokio::test]
async fn an_event_that_is_no_json_is_an_error_and_the_stream_goes_on() {
    let events = [Event::data(r#"{"n":1}"#), Event::data("<oops>"), Event::data(r#"{"n":2}"#), Event::data("[DONE]")];
    let (_server, core) = server(Answer::events(events)).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1, 2]);
    let Err(Error::ResponseValidation(error)) = &events[1] else { panic!("{events:?}") };
    assert_eq!(error.body(), "<oops>");
    assert!(error.source().is_some());
    assert_eq!(events.len(), 3);
}

#[tokio::test]
async fn events_without_data_are_skipped() {
    let text = "data:\n\nevent: ping\ndata: \n\ndata: {\"n\":1}\n\n:\n\ndata: [DONE]\n\n";
    let (_server, core) = server(Answer::chunks(vec![text.into()])).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1]);
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn an_event_with_an_error_is_an_api_error_and_its_end_needs_no_mark() {
    let error = json!({"error": {"code": 529, "message": "busy", "metadata": {"error_type": "provider_overloaded"}}});
    let (_server, core) = server(Answer::events([json!({"n": 1}), error])).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(events.len(), 2);
    let error = events[1].as_ref().unwrap_err().as_api().unwrap();
    assert_eq!(error.kind(), ApiErrorKind::ProviderOverloaded);
    assert_eq!(error.message(), "busy");
    assert_eq!(error.error_type(), Some("provider_overloaded"));
    assert_eq!(error.status(), 200);
}

#[tokio::test]
async fn an_event_named_error_is_an_api_error_whatever_its_data() {
    for data in [r#"{"message":"busy"}"#, "busy"] {
        let (_server, core) = server(Answer::events([Event::named("error", data)])).await;
        let events = items(stream(&core).await.unwrap()).await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].as_ref().unwrap_err().as_api().unwrap().message(), "busy");
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_an_error_event() {
    let events = [json!({"n": 1}), json!({"error": {"message": "one tool failed"}}), json!({"n": 2})];
    let (_server, core) = server(Answer::stream(events)).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1, 2]);
    assert_eq!(events.len(), 3);
}

#[tokio::test]
async fn an_event_beyond_the_limit_ends_the_stream() {
    let server = MockServer::start().await;
    server.answer(Answer::endless("data: {\"n\":1}\n\ndata: ", "xxxxxxxxxxxxxxxx"));
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).max_event(64 * 1024).build().unwrap();
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1]);
    assert_eq!(events.len(), 2);
    let error = events[1].as_ref().unwrap_err();
    assert!(error.source().unwrap().to_string().contains("65536"), "{error:?}");
    server.all_closed().await;
}

#[tokio::test]
async fn a_stream_that_is_over_by_an_error_holds_no_connection() {
    let stalled = Answer::events([json!({"n": 1}), json!({"n": 2})]).fault(Fault::Stall, Place::InBody);
    let (server, core) = server(stalled).await;
    let mut events = stream(&core).idle_timeout(Duration::from_millis(20)).await.unwrap();
    events.next().await.unwrap().unwrap();
    assert!(events.next().await.unwrap().unwrap_err().is_timeout());
    server.all_closed().await;
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let (server, core) = server(Answer::endless("", "data: {\"n\":1}\n\n")).await;
    let mut events = stream(&core).await.unwrap();
    events.next().await.unwrap().unwrap();
    assert_eq!(server.connections().closed, 0);
    drop(events);
    server.all_closed().await;
}

#[tokio::test]
async fn dropping_a_call_closes_its_connection() {
    let (server, core) = server(Answer::status(200).fault(Fault::Stall, Place::BeforeHead)).await;
    {
        let mut call = Box::pin(post(&core).into_future());
        let waiting = server.wait_until(|counts| counts.requests == 1);
        tokio::select! {
            outcome = &mut call => panic!("{outcome:?}"),
            _ = waiting => {}
        }
    }
    server.all_closed().await;
}

#[tokio::test]
async fn the_connection_of_a_stream_that_was_read_to_its_end_is_used_again() {
    let (server, core) = server(Answer::stream([json!({"n": 1})]).times(5)).await;
    for _ in 0..5 {
        let mut events = stream(&core).await.unwrap();
        events.next().await.unwrap().unwrap();
        assert!(events.next().await.is_none());
    }
    assert_eq!(server.connections().opened, 1);
}

#[tokio::test]
async fn a_body_that_does_not_end_after_done_does_not_hold_up_the_end_of_the_stream() {
    let answer =
        Answer::events([Event::data(r#"{"n":1}"#), Event::data("[DONE]")]).fault(Fault::Stall, Place::BeforeEnd);
    let (server, core) = server(answer).await;
    let events = items(stream(&core).await.unwrap()).await;
    assert_eq!(numbers(&events), [1]);
    assert_eq!(events.len(), 1);
    server.all_closed().await;
}

#[tokio::test]
async fn a_json_error_in_place_of_a_stream_is_an_api_error() {
    let (_server, core) = server(Answer::json(200, json!({"error": {"code": 402, "message": "no credits"}}))).await;
    let error = stream(&core).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::PaymentRequired);
}

#[tokio::test]
async fn a_page_or_a_json_value_in_place_of_a_stream_is_told() {
    let page = Answer::text(200, "<html>").header("content-type", "text/html; charset=utf-8");
    for (answer, body) in [(page, "<html>"), (Answer::json(200, json!({"n": 1})), r#"{"n":1}"#)] {
        let (_server, core) = server(answer).await;
        let Error::ResponseValidation(error) = stream(&core).await.unwrap_err() else { panic!() };
        assert_eq!(error.body(), body);
    }
}

/// The items of a stream of these bytes, none of whose events may be larger than `limit`.
async fn items_of(bytes: &str, limit: usize) -> Vec<Result<i64, Error>> {
    let server = MockServer::start().await;
    server.answer(Answer::bytes(200, bytes.to_owned()).header("content-type", "text/event-stream"));
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).max_event(limit).build().unwrap();
    items(stream(&core).await.unwrap()).await
}

/// The message of the error that ends these items.
#[track_caller]
fn last_message(items: &[Result<i64, Error>]) -> &str {
    items.last().unwrap().as_ref().unwrap_err().as_api().unwrap().message()
}

#[tokio::test]
async fn an_error_outside_of_events_is_read_although_earlier_events_had_unknown_fields() {
    let items = items_of("note: x\ndata: {\"n\":1}\n\n{\"error\":{\"message\":\"no credits\"}}\n\n", 1000).await;
    assert_eq!((numbers(&items), items.len(), last_message(&items)), (vec![1], 2, "no credits"));
}

#[tokio::test]
async fn what_is_outside_of_events_is_kept_if_it_is_smaller_than_the_limit() {
    let error = r#"{"error":{"message":"no credits"}}"#;
    let items = items_of(&format!("{error}\n\n"), error.len() + 1).await;
    assert_eq!((items.len(), last_message(&items)), (1, "no credits"));
    let items = items_of(&format!("{error}\n\n"), error.len()).await;
    assert!(items.len() == 1 && is_incomplete(items.last()), "{items:?}");
}

#[tokio::test]
async fn a_stream_without_a_content_type_is_read() {
    let answer = Answer::bytes(200, "data: {\"n\":1}\n\ndata: [DONE]\n\n");
    let (_server, core) = server(answer).await;
    assert_eq!(numbers(&items(stream(&core).await.unwrap()).await), [1]);
}

#[tokio::test]
async fn next_that_is_dropped_takes_nothing() {
    let (server, core) = server(Answer::stream((0..20).map(|n| json!({"n": n}))).cut_into(3)).await;
    let mut events = stream(&core).await.unwrap();
    let mut seen = Vec::new();
    loop {
        // Polled once and dropped, again and again.
        let mut next = Box::pin(events.next());
        let polled = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(next);
        match polled {
            Poll::Ready(None) => break,
            Poll::Ready(Some(event)) => seen.push(event.unwrap().number()),
            Poll::Pending => tokio::task::yield_now().await,
        }
    }
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    drop(server);
}

#[tokio::test]
async fn a_stream_shows_no_content_in_debug() {
    let (_server, core) = server(Answer::stream([json!({"n": "a secret answer"})])).await;
    let events = stream(&core).await.unwrap();
    assert!(!format!("{events:?}").contains("secret"));
}

#[tokio::test]
async fn the_connection_of_a_unary_answer_is_used_again() {
    let (server, core) = server(Answer::json(200, json!({"id": "one"})).times(3)).await;
    for _ in 0..3 {
        get(&core).await.unwrap();
    }
    assert_eq!(server.connections().opened, 1);
}
