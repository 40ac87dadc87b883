//! What goes wrong between a client and a server, one test per fault, on real sockets. `docs/faults.md` has the table.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::a_limit::tokio;
use crate::support::{GET, get, impatient, post, serve, soon, stream};
use http::Request;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{HyperTransport, TransportErrorKind};
use openrouter_kit::core::{Call, Download, FilePart, Multipart, Parts};
use openrouter_kit::errors::{ApiErrorKind, ConnectionError, Error, TimeoutError, TimeoutPhase};
use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
use openrouter_kit::mock::{Answer, ClosedPort, Event, Fault, MockServer, Place};
use openrouter_kit::{OpenRouterCore, RetryConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn good() -> Answer {
    Answer::json(200, json!({"id": "good"}))
}

fn download(core: &OpenRouterCore) -> Call<Download> {
    Call::new(core, Parts::new(&GET).path("id", "one"))
}

/// Waits until the client has closed the connection, while it is still alive.
async fn released(server: &MockServer) {
    soon(server.all_closed()).await;
}

#[track_caller]
fn connection(error: Error) -> Box<ConnectionError> {
    match error {
        Error::Connection(error) => error,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn timeout(error: Error) -> Box<TimeoutError> {
    match error {
        Error::Timeout(error) => error,
        other => panic!("{other:?}"),
    }
}

/// The error of a POST that gets `answer`. It was sent once, and its connection is closed.
async fn of_post(answer: Answer) -> Error {
    let (server, core) = serve([answer, good()]).await;
    let error = soon(post(&core)).await.unwrap_err();
    assert_eq!(server.connections().requests, 1, "a paid request is sent once");
    released(&server).await;
    error
}

/// Expects that a GET that gets `answer` is retried and then succeeds.
async fn get_is_repeated(answer: Answer) {
    let (server, core) = serve([answer, good()]).await;
    let answer = soon(get(&core)).await.unwrap();
    assert_eq!(answer.get("id").as_deref(), Some("\"good\""));
    assert_eq!(server.connections().requests, 2);
}

/// Events numbered from 0, then the end mark.
fn numbered() -> Answer {
    Answer::stream((0..4).map(|n| json!({"n": n})))
}

/// Reads a stream to its end: the numbers of its events, and its errors.
async fn read(core: &OpenRouterCore) -> (Vec<String>, Vec<Error>) {
    let (mut numbers, mut errors) = (Vec::new(), Vec::new());
    let mut events = soon(stream(core)).await.unwrap();
    while let Some(item) = soon(events.next()).await {
        match item {
            Ok(event) => numbers.push(event.get("n").unwrap()),
            Err(error) => errors.push(error),
        }
    }
    (numbers, errors)
}

/// What a stream gives that gets `answer`: the numbers of its events and its only error. It was asked for once, and its
/// connection is given up.
async fn of_stream(answer: Answer) -> (Vec<String>, Error) {
    let (server, core) = serve([answer, numbered()]).await;
    let (numbers, mut errors) = read(&core).await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(server.connections().requests, 1, "a stream that has begun is not asked for again");
    released(&server).await;
    (numbers, errors.remove(0))
}

// --- No connection ---------------------------------------------------------------------------

/// Counts attempts, for servers that cannot.
#[derive(Clone, Debug, Default)]
struct Attempts(Arc<AtomicUsize>);

impl Hook for Attempts {
    fn before_request<'a>(&'a self, _: &'a HookContext, _: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_then_told() {
    let port = ClosedPort::new().unwrap();
    let attempts = Attempts::default();
    let core = impatient(port.url()).hook(attempts.clone()).build().unwrap();

    let error = connection(soon(post(&core)).await.unwrap_err());

    assert_eq!(error.kind(), TransportErrorKind::Connect);
    assert!(error.is_unsent());
    assert_eq!(attempts.0.load(Ordering::Relaxed), 3);
}

/// Linux does not respond if the queue of a listener is full, like a host behind a firewall.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn an_address_that_is_silent_ends_with_the_limit_for_connecting() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let _queued = tokio::net::TcpStream::connect(address).await.unwrap();
    let attempts = Attempts::default();
    let core = impatient(format!("http://{address}/api/v1")).hook(attempts.clone()).build().unwrap();

    let error = timeout(post(&core).await.unwrap_err());

    assert_eq!(error.phase(), TimeoutPhase::Connect);
    assert_eq!(attempts.0.load(Ordering::Relaxed), 3, "nothing was sent, so it is tried again");
}

// --- Before the response begins --------------------------------------------------------------

#[tokio::test]
async fn a_connection_lost_before_the_head_repeats_no_paid_request() {
    for fault in [Fault::Reset, Fault::Close] {
        let error = connection(of_post(good().fault(fault, Place::BeforeHead)).await);
        assert_eq!(error.kind(), TransportErrorKind::Exchange, "{fault:?}");
        assert!(!error.is_unsent());
        get_is_repeated(good().fault(fault, Place::BeforeHead)).await;
    }
}

#[tokio::test]
async fn a_connection_lost_in_the_head_repeats_no_paid_request() {
    for fault in [Fault::Reset, Fault::Close] {
        let error = connection(of_post(good().fault(fault, Place::InHead)).await);
        assert_eq!(error.kind(), TransportErrorKind::Exchange, "{fault:?}");
        get_is_repeated(good().fault(fault, Place::InHead)).await;
    }
}

#[tokio::test]
async fn a_reused_connection_lost_after_sending_repeats_no_paid_request() {
    for fault in [Fault::Reset, Fault::Close] {
        let (server, core) = serve([good(), good().fault(fault, Place::BeforeHead), good()]).await;
        soon(post(&core)).await.unwrap();

        let error = connection(soon(post(&core)).await.unwrap_err());

        assert!(!error.is_unsent(), "{fault:?}");
        let counts = server.connections();
        assert_eq!((counts.opened, counts.requests), (1, 2), "{fault:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_closed_by_the_server_costs_nothing() {
    let (server, core) = serve([good().then_close(), good(), good().then_close(), numbered()]).await;
    soon(post(&core)).await.unwrap();
    released(&server).await;

    soon(post(&core)).await.unwrap();
    soon(post(&core)).await.unwrap();
    let (numbers, errors) = read(&core).await;

    assert_eq!((numbers.len(), errors.len()), (4, 0));
    assert_eq!(server.connections().requests, 4, "each was sent once");
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let large = |size| good().header("x-big", vec![b'x'; size]);
    let (server, core) = serve([60 * 1024, 68 * 1024, 8 * 1024 * 1024].map(large)).await;
    soon(post(&core)).await.unwrap();
    for requests in [2, 3] {
        let error = connection(soon(post(&core)).await.unwrap_err());
        assert_eq!(error.kind(), TransportErrorKind::Exchange);
        assert_eq!(server.connections().requests, requests);
        released(&server).await;
    }
}

#[tokio::test]
async fn interim_responses_without_end_end_with_the_limit_for_the_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // A separate thread: the client keeps the test's busy.
    let listener = listener.into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    let server = std::thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        // Not before the request: bytes on a connection without one close it.
        let _ = std::io::Read::read(&mut socket, &mut [0; 16]).unwrap();
        let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
        while std::io::Write::write_all(&mut socket, hints.as_bytes()).is_ok() {}
    });
    let limit = Duration::from_millis(500);
    let core = impatient(url).response_timeout(limit).build().unwrap();
    let began = Instant::now();
    let error = timeout(soon(post(&core)).await.unwrap_err());
    assert_eq!(error.phase(), TimeoutPhase::Response);
    assert!(began.elapsed() < limit * 6, "{:?}", began.elapsed());
    server.join().unwrap();
}

/// A server that responds to each connection with these bytes, and how many connections it took.
async fn answering(bytes: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(bytes).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    (url, connections)
}

#[tokio::test]
async fn an_answer_that_is_no_http_repeats_no_paid_request() {
    for bytes in [
        &b"220 mail.example ESMTP\r\n\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}xxx",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nbad header: x\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        let (url, connections) = answering(bytes).await;
        let core = impatient(url).build().unwrap();

        let error = connection(soon(post(&core)).await.unwrap_err());

        assert_eq!(error.kind(), TransportErrorKind::Exchange, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let (server, core) = serve([good().after_interim(100).after_interim(102).after_interim(103)]).await;
    assert_eq!(soon(post(&core)).await.unwrap().get("id").as_deref(), Some("\"good\""));
    assert_eq!(server.connections().requests, 1);
}

// --- Inside a whole response -----------------------------------------------------------------

#[tokio::test]
async fn a_connection_lost_after_the_head_is_an_incomplete_answer() {
    for fault in [Fault::Reset, Fault::Close] {
        let answer = || good().fault(fault, Place::AfterHead);
        assert!(connection(of_post(answer()).await).is_incomplete(), "{fault:?}");
        get_is_repeated(answer()).await;
        let (numbers, error) = of_stream(numbered().fault(fault, Place::AfterHead)).await;
        assert!(numbers.is_empty());
        assert!(connection(error).is_incomplete());
    }
}

#[tokio::test]
async fn a_connection_error_says_whether_the_request_was_sent_and_a_response_began() {
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let core = impatient(format!("http://{refused}")).build().unwrap();
    let unsent = soon(post(&core)).await.unwrap_err();
    let unanswered = of_post(good().fault(Fault::Reset, Place::BeforeHead)).await;
    let cut = of_post(good().with_length().fault(Fault::Reset, Place::InBody)).await;

    let facts = [unsent, unanswered, cut].map(|error| {
        assert!(error.is_connection() && !error.is_timeout());
        assert!(!error.is_missing_key() && !error.is_out_of_credits());
        let error = connection(error);
        (error.is_unsent(), error.is_incomplete())
    });

    assert_eq!(facts, [(true, false), (false, false), (false, true)]);
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_an_incomplete_answer() {
    for fault in [Fault::Reset, Fault::Close] {
        let answer = || good().with_length().fault(fault, Place::InBody);
        assert!(connection(of_post(answer()).await).is_incomplete(), "{fault:?}");
        get_is_repeated(answer()).await;
    }
}

#[tokio::test]
async fn a_chunked_body_without_its_end_is_an_incomplete_answer() {
    for place in [Place::InBody, Place::InEvent, Place::BeforeEnd] {
        for fault in [Fault::Reset, Fault::Close] {
            let answer = || good().chunked().fault(fault, place);
            assert!(connection(of_post(answer()).await).is_incomplete(), "{fault:?} {place:?}");
            get_is_repeated(answer()).await;
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_whole() {
    let (_server, core) = serve([good().close_delimited(), numbered().close_delimited()]).await;
    soon(post(&core)).await.unwrap();
    assert_eq!(read(&core).await.0.len(), 4);
}

#[tokio::test]
async fn a_cut_body_that_ends_with_its_connection_is_no_answer() {
    let cut = || good().close_delimited().fault(Fault::Close, Place::InBody);
    let error = of_post(cut()).await;
    let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
    assert_eq!(error.body(), "{\"id\":", "what came is at hand");
    assert!(connection(of_post(good().close_delimited().fault(Fault::Reset, Place::InBody)).await).is_incomplete());

    let (numbers, error) = of_stream(numbered().close_delimited().fault(Fault::Close, Place::InEvent)).await;
    assert_eq!(numbers, ["0", "1"]);
    assert!(connection(error).is_incomplete());
}

#[tokio::test]
async fn a_download_that_breaks_off_is_an_error_after_its_bytes() {
    for fault in [Fault::Reset, Fault::Close] {
        for answer in [Answer::bytes(200, vec![7; 4096]), Answer::bytes(200, vec![7; 4096]).chunked()] {
            let (server, core) = serve([answer.fault(fault, Place::AfterBytes(1000)), good()]).await;
            let mut file = soon(download(&core)).await.unwrap();
            let mut length = 0;
            let error = loop {
                match soon(file.next()).await.expect("no end without an error") {
                    Ok(bytes) => length += bytes.len(),
                    Err(error) => break error,
                }
            };
            assert_eq!(length, 1000, "{fault:?}");
            assert!(connection(error).is_incomplete());
            assert!(soon(file.next()).await.is_none());
            assert_eq!(server.connections().requests, 1, "a download that has begun is not asked for again");
            released(&server).await;
        }
    }
}

// --- Inside a stream -------------------------------------------------------------------------

#[tokio::test]
async fn a_stream_lost_between_two_events_gives_what_came_and_an_error() {
    for fault in [Fault::Reset, Fault::Close] {
        let (numbers, error) = of_stream(numbered().fault(fault, Place::InBody)).await;
        assert_eq!(numbers, ["0", "1"], "{fault:?}");
        assert!(connection(error).is_incomplete());
    }
}

#[tokio::test]
async fn a_stream_lost_inside_an_event_gives_what_came_and_an_error() {
    for fault in [Fault::Reset, Fault::Close] {
        let (numbers, error) = of_stream(numbered().fault(fault, Place::InEvent)).await;
        assert_eq!(numbers, ["0", "1"], "{fault:?}");
        assert!(connection(error).is_incomplete());
    }
}

#[tokio::test]
async fn a_stream_that_ends_in_order_without_its_mark_is_incomplete() {
    let (server, core) = serve([Answer::events((0..4).map(|n| json!({"n": n}))), numbered()]).await;
    let (numbers, errors) = read(&core).await;
    assert_eq!(numbers.len(), 4);
    assert!(matches!(&errors[..], [Error::Connection(error)] if error.is_incomplete()), "{errors:?}");
    assert_eq!(server.connections().requests, 1);
}

#[tokio::test]
async fn a_stream_lost_after_its_end_mark_is_complete() {
    for fault in [Fault::Reset, Fault::Close] {
        let (server, core) = serve([numbered().fault(fault, Place::BeforeEnd)]).await;
        let (numbers, errors) = read(&core).await;
        assert_eq!((numbers.len(), errors.len()), (4, 0), "{fault:?}");
        released(&server).await;
    }
}

#[tokio::test]
async fn a_line_without_end_is_cut_off_after_what_came_before_it() {
    let server = MockServer::start().await;
    server.answer(Answer::endless("data: {\"n\":0}\n\ndata: ", "x".repeat(4096)));
    let core = impatient(server.url()).max_event(64 * 1024).build().unwrap();

    let (numbers, errors) = read(&core).await;

    assert_eq!(numbers, ["0"]);
    let [Error::ResponseValidation(error)] = &errors[..] else { panic!("{errors:?}") };
    assert!(error.is_truncated() && error.to_string().contains("raise that option"), "{error}");
    assert!(error.to_string().contains("exceeds `max_event`"), "{error}");
    assert_eq!(server.connections().requests, 1);
    released(&server).await;
}

#[tokio::test]
async fn an_event_of_endless_lines_is_cut_off() {
    let server = MockServer::start().await;
    server.answer(Answer::endless("data: {\"n\":0}\n\n", "data: x\n".repeat(512)));
    let core = impatient(server.url()).max_event(64 * 1024).build().unwrap();

    let (numbers, errors) = read(&core).await;

    assert_eq!(numbers, ["0"]);
    assert!(matches!(&errors[..], [Error::ResponseValidation(_)]), "{errors:?}");
    released(&server).await;
}

#[tokio::test]
async fn an_error_event_is_the_servers_error_after_what_came_before_it() {
    let error = json!({"error": {"code": 502, "message": "upstream is gone"}});
    let (server, core) = serve([Answer::events([json!({"n": 0}), error]), numbered()]).await;
    let (numbers, errors) = read(&core).await;
    assert_eq!((numbers.len(), errors.len(), server.connections().requests), (1, 1, 1));
    let error = errors[0].as_api().unwrap();
    assert_eq!((error.kind(), error.message()), (ApiErrorKind::BadGateway, "upstream is gone"));
}

#[tokio::test]
async fn an_event_that_is_no_json_does_not_end_the_stream() {
    let answer = Answer::stream([Event::data("{\"n\":0}"), Event::data("{\"n\":"), Event::data("{\"n\":2}")]);
    let (_server, core) = serve([answer]).await;
    let (numbers, errors) = read(&core).await;
    assert_eq!(numbers, ["0", "2"]);
    assert!(matches!(&errors[..], [Error::ResponseValidation(error)] if error.body() == "{\"n\":"), "{errors:?}");
}

// --- Stalls ----------------------------------------------------------------------------------

const RESPONSE_LIMIT: Duration = Duration::from_secs(600);
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// Short enough that the call has time for another attempt.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `call` up to the stall, and then lets the clock jump from one deadline to the next.
async fn stalled<F: IntoFuture>(server: &MockServer, call: F) -> (F::Output, Duration) {
    let jump = async {
        server.wait_until(|counts| counts.requests == 1).await;
        tokio::time::pause();
        Instant::now()
    };
    let (output, since) = tokio::join!(call.into_future(), jump);
    let waited = since.elapsed();
    tokio::time::resume();
    (output, waited)
}

fn about(waited: Duration, limit: Duration) -> bool {
    waited.abs_diff(limit) < Duration::from_secs(1)
}

#[tokio::test]
async fn a_stall_before_the_head_ends_with_the_limit_for_the_head() {
    for place in [Place::BeforeHead, Place::InHead] {
        let (server, core) = serve([good().fault(Fault::Stall, place), good()]).await;
        let (outcome, waited) = stalled(&server, post(&core)).await;
        let error = timeout(outcome.unwrap_err());
        assert_eq!((error.phase(), error.limit()), (TimeoutPhase::Response, Some(RESPONSE_LIMIT)), "{place:?}");
        assert!(about(waited, RESPONSE_LIMIT), "{waited:?}");
        assert_eq!(server.connections().requests, 1, "a paid request is sent once");
        released(&server).await;

        let (server, core) = serve([good().fault(Fault::Stall, place), good()]).await;
        stalled(&server, get(&core).response_timeout(PATIENCE).idle_timeout(PATIENCE)).await.0.unwrap();
        assert_eq!(server.connections().requests, 2, "a GET is repeated");
    }
}

#[tokio::test]
async fn a_stall_in_a_body_ends_with_the_limit_between_two_chunks() {
    for place in [Place::AfterHead, Place::InBody, Place::InEvent] {
        for answer in [good().with_length(), good().chunked(), good().close_delimited()] {
            let answer = answer.fault(Fault::Stall, place);
            let (server, core) = serve([answer.clone(), good()]).await;
            let (outcome, waited) = stalled(&server, post(&core)).await;
            let error = timeout(outcome.unwrap_err());
            assert_eq!((error.phase(), error.limit()), (TimeoutPhase::Idle, Some(IDLE_LIMIT)), "{place:?}");
            assert!(about(waited, IDLE_LIMIT), "{waited:?}");
            assert_eq!(server.connections().requests, 1, "a paid request is sent once");
            released(&server).await;

            let (server, core) = serve([answer, good()]).await;
            stalled(&server, get(&core).response_timeout(PATIENCE).idle_timeout(PATIENCE)).await.0.unwrap();
            assert_eq!(server.connections().requests, 2, "a GET is repeated");
        }
    }
}

#[tokio::test]
async fn a_stall_in_a_stream_gives_what_came_and_then_the_limit_between_two_chunks() {
    for (place, expected) in [(Place::AfterHead, &[][..]), (Place::InBody, &["0", "1"]), (Place::InEvent, &["0", "1"])]
    {
        let (server, core) = serve([numbered().fault(Fault::Stall, place), numbered()]).await;
        let mut events = soon(stream(&core)).await.unwrap();
        for number in expected {
            let event = soon(events.next()).await.unwrap().unwrap();
            assert_eq!(event.get("n").as_deref(), Some(*number), "{place:?}");
        }
        let (item, waited) = stalled(&server, events.next()).await;
        let error = timeout(item.unwrap().unwrap_err());
        assert_eq!((error.phase(), error.limit()), (TimeoutPhase::Idle, Some(IDLE_LIMIT)));
        assert!(about(waited, IDLE_LIMIT), "{waited:?}");
        assert!(soon(events.next()).await.is_none());
        assert_eq!(server.connections().requests, 1);
        released(&server).await;
    }
}

#[tokio::test]
async fn a_stall_after_the_end_mark_does_not_hold_up_the_end() {
    let (server, core) = serve([numbered().fault(Fault::Stall, Place::BeforeEnd)]).await;
    let mut events = soon(stream(&core)).await.unwrap();
    for _ in 0..4 {
        soon(events.next()).await.unwrap().unwrap();
    }
    let (end, waited) = stalled(&server, events.next()).await;
    assert!(end.is_none());
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    released(&server).await;
}

/// The time limit for the body of an error.
const ERROR_BODY_LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_stall_in_the_body_of_an_error_does_not_hide_the_error() {
    let (server, core) = serve([Answer::error(400, "what is wrong").fault(Fault::Stall, Place::InBody)]).await;
    let (outcome, waited) = stalled(&server, post(&core)).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::BadRequest);
    assert!(about(waited, ERROR_BODY_LIMIT), "{waited:?}");
    released(&server).await;
}

#[tokio::test]
async fn a_body_of_an_error_that_drips_does_not_hold_up_the_error() {
    for pause in [Duration::from_millis(400), Duration::from_secs(240)] {
        let answer = Answer::error(400, "what is wrong").cut_into(1).paced(pause);
        let (server, core) = serve([answer]).await;
        let (outcome, waited) = stalled(&server, post(&core)).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::BadRequest);
        assert!(about(waited, ERROR_BODY_LIMIT), "{waited:?}");
        released(&server).await;
    }
}

#[tokio::test]
async fn an_error_in_place_of_a_stream_that_drips_does_not_hold_it_up() {
    let error = json!({"error": {"code": 402, "message": "no credits"}}).to_string();
    let page = "<html><title>Log in</title></html>";
    for (text, media_type) in [(error, "application/json"), (page.to_owned(), "text/html")] {
        let (start, rest) = text.split_at(text.len() - 1);
        let chunks =
            [start.to_owned()].into_iter().chain(std::iter::repeat_n(" ".to_owned(), 100)).chain([rest.to_owned()]);
        let answer = Answer::events(chunks.map(|chunk| Event::raw(chunk).after(Duration::from_secs(1))));
        let (server, core) = serve([answer.header("content-type", media_type)]).await;
        let (outcome, waited) = stalled(&server, stream(&core)).await;
        assert!(matches!(outcome, Err(Error::Api(_) | Error::ResponseValidation(_))), "{outcome:?}");
        assert!(about(waited, ERROR_BODY_LIMIT), "{waited:?}");
        released(&server).await;
    }
}

#[tokio::test]
async fn a_stream_of_comments_alone_ends_with_the_limit_between_two_events() {
    let comments = (0..1000).map(|_| Event::comment("OPENROUTER PROCESSING").after(Duration::from_secs(10)));
    let (server, core) = serve([Answer::events([Event::data("{\"n\":0}")].into_iter().chain(comments))]).await;
    let limit = Duration::from_secs(600);
    let mut events = soon(stream(&core).event_timeout(limit)).await.unwrap();
    soon(events.next()).await.unwrap().unwrap();
    let (item, waited) = stalled(&server, events.next()).await;
    let error = timeout(item.unwrap().unwrap_err());
    assert_eq!((error.phase(), error.limit()), (TimeoutPhase::Event, Some(limit)));
    assert!(about(waited, limit), "{waited:?}");
    assert!(soon(events.next()).await.is_none());
    assert_eq!(server.connections().requests, 1);
    released(&server).await;
}

#[tokio::test]
async fn a_program_that_was_away_gets_the_event_that_comes_when_it_is_back() {
    let away = IDLE_LIMIT * 2;
    let answer =
        Answer::stream([Event::data("{\"n\":0}"), Event::data("{\"n\":1}").after(away + Duration::from_secs(5))]);
    let (server, core) = serve([answer]).await;
    let mut events = soon(stream(&core)).await.unwrap();
    soon(events.next()).await.unwrap().unwrap();
    tokio::time::timeout(Duration::ZERO, events.next()).await.expect_err("nothing has come yet");
    let (item, _) = stalled(&server, async {
        tokio::time::sleep(away).await;
        events.next().await
    })
    .await;
    assert_eq!(item.unwrap().unwrap().get("n").as_deref(), Some("1"));
    assert!(soon(events.next()).await.is_none());
}

// --- Responses with an error status ------------------------------------------------------------

/// The error of a POST that gets `answer` each time, and how often the server saw the request.
async fn refused(answer: Answer) -> (Error, usize) {
    let (server, core) = serve([answer.always()]).await;
    let error = soon(post(&core)).await.unwrap_err();
    assert_eq!(error.attempts() as usize, server.connections().requests);
    (error, server.connections().requests)
}

/// Statuses, and how often a POST that gets them is sent: with an error of the API, and with anything else.
const STATUSES: [(u16, ApiErrorKind, usize, usize); 16] = [
    (400, ApiErrorKind::BadRequest, 1, 1),
    (401, ApiErrorKind::Unauthorized, 1, 1),
    (402, ApiErrorKind::PaymentRequired, 1, 1),
    (403, ApiErrorKind::Forbidden, 1, 1),
    (404, ApiErrorKind::NotFound, 1, 1),
    (408, ApiErrorKind::RequestTimeout, 1, 1),
    (409, ApiErrorKind::Conflict, 1, 1),
    (413, ApiErrorKind::PayloadTooLarge, 1, 1),
    (418, ApiErrorKind::Other, 1, 1),
    (422, ApiErrorKind::UnprocessableEntity, 1, 1),
    (429, ApiErrorKind::TooManyRequests, 3, 3),
    (500, ApiErrorKind::InternalServer, 3, 1),
    (502, ApiErrorKind::BadGateway, 3, 1),
    (503, ApiErrorKind::ServiceUnavailable, 3, 3),
    (524, ApiErrorKind::EdgeNetworkTimeout, 1, 1),
    (529, ApiErrorKind::ProviderOverloaded, 3, 3),
];

#[tokio::test]
async fn an_error_status_with_json_is_the_servers_error() {
    for (status, kind, times, _) in STATUSES {
        let (error, seen) = refused(Answer::error(status, "what is wrong")).await;
        let error = error.as_api().unwrap();
        assert_eq!((error.status().as_u16(), error.kind(), error.message()), (status, kind, "what is wrong"));
        assert_eq!(seen, times, "{status}");
    }
}

#[tokio::test]
async fn an_error_status_with_a_page_is_the_servers_error() {
    let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
    for (status, kind, _, times) in STATUSES {
        let (error, seen) = refused(Answer::text(status, page).header("content-type", "text/html")).await;
        let error = error.as_api().unwrap();
        assert_eq!((error.kind(), error.message()), (kind, "502 Bad Gateway"));
        assert_eq!(error.body(), page);
        assert_eq!(seen, times, "{status}");
    }
}

#[tokio::test]
async fn an_error_status_without_a_body_is_the_servers_error() {
    for (status, kind, _, times) in STATUSES {
        let (error, seen) = refused(Answer::status(status)).await;
        let error = error.as_api().unwrap();
        assert_eq!((error.kind(), error.message(), error.body().len()), (kind, "", 0));
        assert_eq!(seen, times, "{status}");
    }
}

#[tokio::test]
async fn a_gateway_that_gave_up_waiting_repeats_no_paid_request() {
    for status in [408, 504, 520, 524, 527] {
        for answer in [Answer::text(status, format!("error code: {status}")), Answer::error(status, "Gateway timeout")]
        {
            let (error, seen) = refused(answer.clone()).await;
            assert!(error.is_transient() && !error.is_retryable(), "{status}");
            assert_eq!(seen, 1, "{status}");
            assert!(error.to_string().contains("may have been processed"), "{error}");
            get_is_repeated(answer.clone()).await;

            let (server, core) = serve([answer, good()]).await;
            soon(post(&core).repeat_received(true)).await.unwrap();
            assert_eq!(server.connections().requests, 2, "the call allows it");
        }
    }
}

#[tokio::test]
async fn a_server_that_the_edge_network_cannot_reach_is_tried_again() {
    for status in [521, 522, 523, 525, 526, 530] {
        let (server, core) = serve([Answer::text(status, format!("error code: {status}")), good()]).await;
        soon(post(&core)).await.unwrap();
        assert_eq!(server.connections().requests, 2, "{status}");
        let (error, seen) = refused(Answer::text(status, format!("error code: {status}"))).await;
        assert!(error.is_retryable(), "{status}");
        assert_eq!(seen, 3);
    }
}

#[tokio::test]
async fn an_error_status_with_a_huge_body_is_cut_at_the_limit() {
    let (server, core) = serve([Answer::huge(400, 1 << 40)]).await;
    let error = soon(post(&core)).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().body().len(), 1024 * 1024);
    assert_eq!(server.connections().requests, 1);
    released(&server).await;
}

#[tokio::test]
async fn an_error_status_with_a_broken_body_is_the_servers_error() {
    for fault in [Fault::Reset, Fault::Close] {
        let error = of_post(Answer::error(400, "what is wrong").fault(fault, Place::InBody)).await;
        assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::BadRequest, "{fault:?}");
    }
}

// --- Retry-After -----------------------------------------------------------------------------

fn date(from_now: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(now.checked_add_signed(from_now).unwrap()))
}

/// How long a request waits that is rejected once with this header; `None` if it is not retried.
async fn wait_after(name: &str, value: impl Into<Vec<u8>>) -> Option<f64> {
    let refusal = Answer::error(429, "slow down").header(name, value);
    wait_after_answer(refusal).await
}

async fn wait_after_answer(refusal: Answer) -> Option<f64> {
    let (server, _) = serve([refusal, good()]).await;
    let core = impatient(server.url()).retry_config(RetryConfig::backoff()).build().unwrap();
    let since = Instant::now();
    match post(&core).await {
        Ok(_) => Some(since.elapsed().as_secs_f64()),
        Err(error) => {
            assert!(error.as_api().unwrap().retry_after().is_some_and(|wait| wait > Duration::from_secs(120)));
            assert_eq!(server.connections().requests, 1);
            assert!(since.elapsed() < Duration::from_millis(10), "it is reported at once");
            None
        }
    }
}

/// The backoff before the second attempt.
fn is_backoff(wait: Option<f64>) -> bool {
    wait.is_some_and(|wait| (0.25..0.6).contains(&wait))
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_in_all_its_forms() {
    for (name, value, seconds) in [
        ("retry-after", "7", 7.0),
        ("retry-after", " 7 ", 7.0),
        ("retry-after", "1.5", 1.5),
        ("retry-after", "0007", 7.0),
        ("retry-after", "119", 119.0),
        ("retry-after-ms", "2500", 2.5),
        ("retry-after-ms", "2500.5", 2.5),
    ] {
        let wait = wait_after(name, value).await.unwrap();
        assert!((wait - seconds).abs() < 0.1, "{name}: {value} waited {wait}");
    }
    let wait = wait_after("retry-after", date(30)).await.unwrap();
    assert!((28.0..31.0).contains(&wait), "{wait}");
    let body = json!({"error": {"code": 429, "message": "", "availability": {"retry_after": 9}}});
    let wait = wait_after_answer(Answer::json(429, body)).await.unwrap();
    assert!((wait - 9.0).abs() < 0.1, "{wait}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_is_nonsense_leaves_the_backoff() {
    for value in
        ["", "0", "0.0", "-1", "+7", "soon", "NaN", "inf", "1e9", "0x10", "7 seconds", "7,7", ".", "1.2.3", "٧"]
    {
        assert!(is_backoff(wait_after("retry-after", value).await), "{value:?}");
        assert!(is_backoff(wait_after("retry-after-ms", value).await), "{value:?}");
    }
    for value in [date(-3600), "Sun, 99 Foo 9999 99:99:99 GMT".to_owned(), "Thu, 01 Jan 1970 00:00:00 GMT".to_owned()] {
        assert!(is_backoff(wait_after("retry-after", value.clone()).await), "{value}");
    }
    assert!(is_backoff(wait_after("retry-after", [0xFF, 0xFE]).await));
    for wait in [json!(-1), json!("9"), json!(null), json!([9])] {
        let body = json!({"error": {"code": 429, "message": "", "availability": {"retry_after": wait}}});
        assert!(is_backoff(wait_after_answer(Answer::json(429, body)).await), "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_patience_is_told_at_once() {
    for value in ["121", "86400", "18446744073709551616", "99999999999999999999999999999999999999999", "1000000000.5"] {
        assert_eq!(wait_after("retry-after", value).await, None, "{value}");
    }
    assert_eq!(wait_after("retry-after", "9".repeat(1000)).await, None);
    assert_eq!(wait_after("retry-after-ms", "120001000").await, None);
    for value in [date(86_400), "Fri, 31 Dec 9999 23:59:59 GMT".to_owned()] {
        assert_eq!(wait_after("retry-after", value.clone()).await, None, "{value}");
    }
    for wait in [json!(86_400), json!(1e300)] {
        let body = json!({"error": {"code": 429, "message": "", "availability": {"retry_after": wait}}});
        assert_eq!(wait_after_answer(Answer::json(429, body)).await, None, "{wait}");
    }
}

/// A time this many seconds from now, in OpenRouter's format: milliseconds since 1970.
fn moment(from_now: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    (now.checked_add_signed(from_now).unwrap() * 1000).to_string()
}

/// An exhausted limit, with its reset time in a header and in `error.metadata.headers`.
fn limited(message: &str, reset: &str) -> [Answer; 2] {
    let headers = json!({"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset});
    let body = json!({"error": {"code": 429, "message": message, "metadata": {"headers": headers}}});
    let limited = Answer::error(429, message).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", reset);
    [limited, Answer::json(429, body)]
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_limit_is_waited_for() {
    for answer in limited("Rate limit exceeded: free-models-per-min", &moment(40)) {
        let wait = wait_after_answer(answer).await.unwrap();
        assert!((37.0..41.0).contains(&wait), "{wait}");
    }
    for answer in limited("Rate limit exceeded: free-models-per-min", &moment(-40)) {
        assert!(is_backoff(wait_after_answer(answer).await), "it has passed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_daily_limit_costs_one_request() {
    for answer in limited("Rate limit exceeded: free-models-per-day", &moment(5 * 3600)) {
        assert_eq!(wait_after_answer(answer).await, None, "the test expects one request and `retry_after()`");
    }
    // One without a reset time.
    let (error, seen) = refused(Answer::error(429, "Rate limit exceeded: free-models-per-day")).await;
    assert_eq!((error.as_api().unwrap().retry_after(), seen), (None, 1));
}

/// Signals when an attempt has failed.
#[derive(Clone, Debug, Default)]
struct Failed(Arc<tokio::sync::Notify>);

impl Hook for Failed {
    fn after_error<'a>(
        &'a self,
        _: &'a HookContext,
        outcome: Result<http::Response<Body>, Error>,
    ) -> HookFuture<'a, http::Response<Body>, Error> {
        self.0.notify_one();
        Box::pin(async { outcome })
    }
}

#[tokio::test]
async fn a_call_given_up_while_it_waits_gives_its_retry_back() {
    let busy = Answer::error(503, "busy");
    let (server, _) = serve([busy.clone().header("retry-after", "60").times(120), busy.times(2), good()]).await;
    let failed = Failed::default();
    let core = impatient(server.url()).hook(failed.clone()).build().unwrap();
    for _ in 0..120 {
        tokio::select! {
            biased;
            _ = post(&core).into_future() => panic!("it waits for a minute"),
            () = failed.0.notified() => {}
        }
    }
    assert_eq!(server.connections().requests, 120, "no retry was made");
    soon(post(&core)).await.unwrap();
    assert_eq!(server.connections().requests, 123);
}

// --- A success status that is not a success --------------------------------------------------

#[tokio::test]
async fn an_error_body_with_status_200_is_the_servers_error() {
    let body = json!({"error": {"code": 429, "message": "slow down"}});
    let (error, seen) = refused(Answer::json(200, body.clone())).await;
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::TooManyRequests);
    assert_eq!(seen, 1, "the server took the request, so it is not sent again");

    let (server, core) = serve([Answer::json(200, body)]).await;
    let error = soon(stream(&core)).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().message(), "slow down", "instead of a stream too");
    assert_eq!(server.connections().requests, 1);
}

#[tokio::test]
async fn a_page_with_status_200_is_told_with_the_page() {
    let page = Answer::text(200, "<html>Log in</html>").header("content-type", "text/html");
    let (server, core) = serve([page.always()]).await;
    for error in [soon(post(&core)).await.unwrap_err(), soon(stream(&core)).await.map(drop).unwrap_err()] {
        let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
        assert_eq!(error.body(), "<html>Log in</html>");
    }
    assert_eq!(server.connections().requests, 2, "one each");
}

#[tokio::test]
async fn an_empty_body_with_status_200_is_told() {
    let (error, seen) = refused(Answer::status(200)).await;
    assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn json_under_another_content_type_is_read() {
    for content_type in ["text/plain", "application/octet-stream", "application/problem+json", "nonsense"] {
        let (_server, core) = serve([good().header("content-type", content_type)]).await;
        assert!(soon(post(&core)).await.is_ok(), "{content_type}");
    }
    let (_server, core) = serve([numbered().header("content-type", "text/plain")]).await;
    assert_eq!(read(&core).await.0.len(), 4);
}

#[tokio::test]
async fn a_whole_answer_in_place_of_a_stream_is_told() {
    let (server, core) = serve([good()]).await;
    let error = soon(stream(&core)).await.unwrap_err();
    let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
    assert_eq!(error.body(), "{\"id\":\"good\"}");
    assert!(!error.is_truncated());
    assert_eq!(server.connections().requests, 1);
}

#[tokio::test]
async fn white_space_before_the_json_is_accepted() {
    let (_server, core) = serve([good().padded(100), Answer::error(400, "what is wrong").padded(100)]).await;
    soon(post(&core)).await.unwrap();
    assert_eq!(soon(post(&core)).await.unwrap_err().as_api().unwrap().message(), "what is wrong");
}

#[tokio::test]
async fn a_compressed_body_is_told_and_not_guessed_at() {
    let (server, core) = serve([good().gzipped(), numbered().gzipped()]).await;
    for error in [soon(post(&core)).await.unwrap_err(), soon(stream(&core)).await.map(drop).unwrap_err()] {
        let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
        assert!(error.body().starts_with(&[0x1F, 0x8B]), "the body is at hand");
    }
    assert_eq!(server.connections().requests, 2, "one each");
}

#[tokio::test]
async fn a_body_larger_than_the_limit_is_told() {
    let server = MockServer::start().await;
    server.answer(Answer::huge(200, 1 << 40));
    let core = impatient(server.url()).max_body(1024 * 1024).build().unwrap();
    let error = soon(post(&core)).await.unwrap_err();
    assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
    assert_eq!(server.connections().requests, 1);
    released(&server).await;
}

#[tokio::test]
async fn a_response_whose_values_would_take_far_more_memory_is_refused() {
    let list = |length| Answer::json(200, json!(vec![json!({}); length]));
    let (server, core) = serve([list(1000), list(1_000_000)]).await;
    let call = || -> Call<Vec<crate::support::Thing>> { Call::new(&core, Parts::new(&crate::support::POST)) };
    assert_eq!(soon(call()).await.unwrap().len(), 1000);
    let Error::ResponseValidation(error) = soon(call()).await.unwrap_err() else { panic!("another error") };
    assert!(error.source().unwrap().to_string().contains("far more memory than their text"), "{error:?}");
    assert_eq!(error.body().len(), 3_000_001);
    assert_eq!(server.connections().requests, 2, "one each");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let other = MockServer::start().await;
    let (server, core) = serve([Answer::redirect(307, &other.url()).always()]).await;
    for error in [soon(post(&core)).await.unwrap_err(), soon(stream(&core)).await.map(drop).unwrap_err()] {
        let Error::Unexpected(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains("points to 127.0.0.1"), "{error}");
    }
    assert_eq!(other.connections().opened, 0);
    assert_eq!(server.connections().requests, 2, "one each");
}

// --- Files -----------------------------------------------------------------------------------

/// A directory that is removed after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("openrouter-kit-faults-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A path of each kind that is not a regular file, with its name.
    fn odd_files(&self) -> Vec<(PathBuf, &'static str)> {
        let mut odd = vec![(self.0.clone(), "it is a directory")];
        #[cfg(unix)]
        {
            let (fifo, socket, link) = (self.0.join("fifo"), self.0.join("socket"), self.0.join("link"));
            assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            std::os::unix::fs::symlink("fifo", &link).unwrap();
            odd.extend([(fifo, "it is a FIFO"), (link, "it is a FIFO"), (socket, "it is a socket")]);
            odd.extend(["/dev/null", "/dev/zero"].map(|device| (device.into(), "it is a device")));
        }
        odd
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn upload(core: &OpenRouterCore, path: &Path) -> Call<crate::support::Thing> {
    let form = Multipart::new().file("file", Some(FilePart::from_path(path)));
    Call::new(core, Parts::new(&crate::support::POST).multipart(form))
}

#[tokio::test]
async fn a_path_to_save_to_that_is_no_regular_file_is_refused_before_the_body() {
    let folder = Folder::new();
    let (server, core) = serve([Answer::huge(200, 1 << 40).always()]).await;
    for (path, reason) in folder.odd_files() {
        let file = soon(download(&core)).await.unwrap().on_progress(|_| panic!("the body was read"));
        let error = soon(file.save_to(&path)).await.unwrap_err();
        let Error::Unexpected(error) = &error else { panic!("{error:?}") };
        let expected = format!("getThing: cannot write {path:?}: {reason}, not a regular file");
        assert!(error.to_string().starts_with(&expected), "{error}");
        released(&server).await;
    }
    for path in ["/", "..", "", "missing/.."].map(Path::new).into_iter().chain([folder.0.join("new/").as_path()]) {
        let error = soon(soon(download(&core)).await.unwrap().save_to(path)).await.unwrap_err();
        assert!(error.to_string().contains("cannot write "), "{error}");
    }
}

#[tokio::test]
async fn a_path_to_save_to_that_cannot_be_written_is_told_before_the_body() {
    let folder = Folder::new();
    let (server, core) = serve([Answer::huge(200, 1 << 40)]).await;
    let file = soon(download(&core)).await.unwrap().on_progress(|_| panic!("the body was read"));
    let error = soon(file.save_to(folder.0.join("missing/speech.mp3"))).await.unwrap_err();
    let Error::Unexpected(error) = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains("missing/speech.mp3\"; check the path"), "{error}");
    let cause = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
    released(&server).await;
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_the_file_as_it_was() {
    let folder = Folder::new();
    let path = folder.0.join("speech.mp3");
    std::fs::write(&path, "old").unwrap();
    let (_server, core) = serve([Answer::bytes(200, vec![7; 300_000]).fault(Fault::Reset, Place::InBody)]).await;
    let error = soon(soon(download(&core)).await.unwrap().save_to(&path)).await.unwrap_err();
    assert!(connection(error).is_incomplete());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_to_upload_that_is_no_regular_file_is_refused_at_once() {
    let folder = Folder::new();
    let (server, core) = serve([]).await;
    for (path, reason) in folder.odd_files() {
        let Error::InvalidRequest(error) = soon(upload(&core, &path)).await.unwrap_err() else { panic!("{path:?}") };
        let expected = format!("createThing: `file` cannot be read from {path:?}: {reason}, not a regular file");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    assert_eq!(server.connections().opened, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_to_upload_whose_size_is_wrong_is_refused() {
    let (server, core) = serve([]).await;
    for path in ["/proc/self/status", "/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"].map(Path::new) {
        let Error::InvalidRequest(error) = soon(upload(&core, path)).await.unwrap_err() else { panic!("{path:?}") };
        assert!(error.to_string().contains("cannot be read from"), "{error}");
        assert!(!path.exists() || error.to_string().contains("which is wrong"), "{error}");
    }
    assert_eq!(server.connections().opened, 0);
}

#[tokio::test]
async fn a_file_to_upload_that_is_cut_while_it_is_sent_is_never_sent_short() {
    let folder = Folder::new();
    let path = folder.0.join("large.bin");
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    let (server, core) = serve([good()]).await;
    let cut = path.clone();
    let file = FilePart::from_path(&path).on_progress(move |progress| {
        if progress.bytes < 100_000 {
            std::fs::File::options().write(true).open(&cut).unwrap().set_len(1).unwrap();
        }
    });
    let form = Multipart::new().file("file", Some(file));
    let call: Call<crate::support::Thing> = Call::new(&core, Parts::new(&crate::support::POST).multipart(form));
    let error = connection(soon(call).await.unwrap_err());
    assert!(format!("{error:?}").contains("shrank"), "{error:?}");
    assert!(server.requests().is_empty());
}

// --- TLS -------------------------------------------------------------------------------------

#[cfg(feature = "_tls")]
#[cfg(feature = "_tls")]
mod tls {
    use super::*;
    use crate::a_limit::tokio;
    use crate::certificates::{Authority, acceptor};
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tokio_rustls::TlsAcceptor;

    /// A server behind TLS, and a client that trusts `authority`.
    pub(super) async fn secure(
        authority: &Authority,
        acceptor: TlsAcceptor,
    ) -> (Arc<MockServer>, OpenRouterCore, Arc<AtomicUsize>) {
        let server = Arc::new(MockServer::start().await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/api/v1", listener.local_addr().unwrap().port());
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, mock) = (connections.clone(), server.clone());
        tokio::spawn(async move {
            loop {
                let stream = listener.accept().await.unwrap().0;
                count.fetch_add(1, Ordering::Relaxed);
                if let Ok(stream) = acceptor.accept(stream).await {
                    mock.attach(stream);
                }
            }
        });
        let transport = HyperTransport::builder().no_proxy().root_certificate(authority.pem());
        // The server decides by the protocols it agrees to.
        let transport = transport.http2(cfg!(feature = "http2")).build().unwrap();
        (server, impatient(url).transport(transport).build().unwrap(), connections)
    }

    /// Expects that a client that trusts `authority` sends nothing to a server with this certificate.
    async fn is_refused(authority: &Authority, acceptor: TlsAcceptor) {
        let (server, core, connections) = secure(authority, acceptor).await;

        let error = connection(soon(post(&core)).await.unwrap_err());

        assert_eq!(error.kind(), TransportErrorKind::Connect);
        let mut cause: &(dyn std::error::Error + 'static) = &*error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        assert!(cause.is::<rustls::Error>(), "{cause:?}");
        assert_eq!(connections.load(Ordering::Relaxed), 3, "tried again like any connection that was not made");
        assert_eq!(server.connections().requests, 0, "the key did not leave");
    }

    #[tokio::test]
    async fn an_expired_certificate_gets_no_request() {
        let authority = Authority::new();
        let expired = authority.server("localhost", &[], |params| params.not_after = date_time_ymd(2020, 1, 1));
        is_refused(&authority, expired).await;
    }

    #[tokio::test]
    async fn a_self_signed_certificate_gets_no_request() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        is_refused(&Authority::new(), acceptor(certificate.der().clone(), &key, &[])).await;
    }

    #[tokio::test]
    async fn a_certificate_of_an_unknown_authority_gets_no_request() {
        is_refused(&Authority::new(), Authority::new().server("localhost", &[], |_| {})).await;
    }

    #[tokio::test]
    async fn a_certificate_for_another_name_gets_no_request() {
        let authority = Authority::new();
        let other = authority.server("openrouter.example", &[], |_| {});
        is_refused(&authority, other).await;
    }

    #[tokio::test]
    async fn a_handshake_that_stalls_ends_with_the_limit_for_connecting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://127.0.0.1:{}/api/v1", listener.local_addr().unwrap().port());
        let transport = HyperTransport::builder().no_proxy().root_certificate(Authority::new().pem()).build().unwrap();
        let core = impatient(url).transport(transport).build().unwrap();
        let silent = async {
            let mut streams = Vec::new();
            streams.push(listener.accept().await.unwrap().0);
            tokio::time::pause();
            while streams.len() < 3 {
                streams.push(listener.accept().await.unwrap().0);
            }
            streams
        };

        let (outcome, streams) = tokio::join!(post(&core).into_future(), silent);

        assert_eq!(timeout(outcome.unwrap_err()).phase(), TimeoutPhase::Connect);
        assert_eq!(streams.len(), 3, "nothing was sent, so it is tried again");
    }

    #[tokio::test]
    async fn a_response_limit_that_passes_while_connecting_is_told_as_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://127.0.0.1:{}/api/v1", listener.local_addr().unwrap().port());
        let transport = HyperTransport::builder().no_proxy().root_certificate(Authority::new().pem()).build().unwrap();
        let core = impatient(url).transport(transport).response_timeout(Duration::from_millis(20)).build().unwrap();
        let silent = async {
            let mut streams = Vec::new();
            while streams.len() < 3 {
                streams.push(listener.accept().await.unwrap().0);
            }
            streams
        };

        let (outcome, _streams) = soon(async { tokio::join!(post(&core).into_future(), silent) }).await;

        let error = timeout(outcome.unwrap_err());
        assert_eq!((error.phase(), error.is_unsent()), (TimeoutPhase::Response, true));
        assert!(error.to_string().contains("the connection was not established within 20ms"), "{error}");
    }

    #[tokio::test]
    async fn a_connection_cut_under_tls_is_an_incomplete_answer() {
        let authority = Authority::new();
        let (server, core, _) = secure(&authority, authority.server("localhost", &["http/1.1"], |_| {})).await;
        // A close that TLS has not announced: whoever can cut the connection cannot shorten the
        // response.
        server.answer(numbered().close_delimited().fault(Fault::Reset, Place::InBody));
        let (numbers, errors) = read(&core).await;
        assert_eq!(numbers, ["0", "1"]);
        assert!(matches!(&errors[..], [Error::Connection(error)] if error.is_incomplete()), "{errors:?}");
    }
}

// --- HTTP/2 ----------------------------------------------------------------------------------

#[cfg(all(feature = "_tls", feature = "http2"))]
mod http2 {
    use super::tls::secure;
    use super::*;
    use crate::a_limit::tokio;
    use crate::certificates::Authority;

    async fn serve(answers: impl IntoIterator<Item = Answer>) -> (Arc<MockServer>, OpenRouterCore) {
        let authority = Authority::new();
        let (server, core, _) = secure(&authority, authority.server("localhost", &["h2"], |_| {})).await;
        for answer in answers {
            server.answer(answer);
        }
        (server, core)
    }

    #[tokio::test]
    async fn http_2_a_stream_reset_before_the_head_repeats_no_paid_request() {
        for fault in [Fault::ResetStream, Fault::Reset, Fault::Close] {
            let (server, core) = serve([good().fault(fault, Place::BeforeHead), good()]).await;
            let error = connection(soon(post(&core)).await.unwrap_err());
            assert_eq!(error.kind(), TransportErrorKind::Exchange, "{fault:?}");
            assert_eq!(server.connections().requests, 1);

            let (server, core) = serve([good().fault(fault, Place::BeforeHead), good()]).await;
            soon(get(&core)).await.unwrap();
            assert_eq!(server.connections().requests, 2, "a GET is repeated");
        }
    }

    #[tokio::test]
    async fn http_2_a_refused_stream_is_sent_again() {
        let (server, core) = serve([good().fault(Fault::RefuseStream, Place::BeforeHead), good()]).await;
        soon(post(&core)).await.unwrap();
        assert_eq!(server.connections().requests, 2);
    }

    #[tokio::test]
    async fn http_2_a_lost_connection_after_the_request_repeats_nothing_paid() {
        // The server has taken the request: the last stream it names is the one of the request.
        let (server, core) = serve([good().fault(Fault::GoAway, Place::BeforeHead), good()]).await;
        let error = connection(soon(post(&core)).await.unwrap_err());
        assert_eq!(error.kind(), TransportErrorKind::Exchange);
        assert_eq!(server.connections().requests, 1);
    }

    #[tokio::test]
    async fn http_2_a_body_that_is_reset_is_an_incomplete_answer() {
        for fault in [Fault::ResetStream, Fault::RefuseStream, Fault::GoAway, Fault::Reset, Fault::Close] {
            for place in [Place::AfterHead, Place::InBody, Place::InEvent, Place::BeforeEnd] {
                let (server, core) = serve([good().chunked().fault(fault, place), good()]).await;
                let error = connection(soon(post(&core)).await.unwrap_err());
                assert!(error.is_incomplete(), "{fault:?} {place:?}");
                assert_eq!(server.connections().requests, 1, "{fault:?} {place:?}");
            }
        }
    }

    #[tokio::test]
    async fn http_2_a_stream_of_events_that_is_reset_gives_what_came_and_an_error() {
        for fault in [Fault::ResetStream, Fault::RefuseStream, Fault::GoAway, Fault::Reset, Fault::Close] {
            for place in [Place::InBody, Place::InEvent] {
                let (server, core) = serve([numbered().fault(fault, place), numbered()]).await;
                let (numbers, errors) = read(&core).await;
                assert_eq!(numbers, ["0", "1"], "{fault:?} {place:?}");
                assert!(matches!(&errors[..], [Error::Connection(error)] if error.is_incomplete()), "{errors:?}");
                assert_eq!(server.connections().requests, 1);
            }
        }
    }

    #[tokio::test]
    async fn http_2_a_download_that_is_reset_is_never_a_shorter_file() {
        for fault in [Fault::ResetStream, Fault::RefuseStream, Fault::GoAway, Fault::Reset, Fault::Close] {
            let answer = Answer::bytes(200, vec![7; 4096]).chunked().fault(fault, Place::AfterBytes(1000));
            let (_server, core) = serve([answer]).await;
            let outcome = soon(soon(download(&core)).await.unwrap().collect()).await;
            assert!(connection(outcome.unwrap_err()).is_incomplete(), "{fault:?}");
        }
    }

    /// The head of a response to the first request, and the first bytes of its body.
    const BEGINNING: &[u8] = b"\0\0\x01\x01\x04\0\0\0\x01\x88\0\0\x0c\0\0\0\0\0\x01data: {}\n\n{}";

    /// `RST_STREAM` without an error code.
    const RESET: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\0";

    /// `GOAWAY` without an error code, after no stream at all.
    const GO_AWAY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

    /// A client of a server that sends [`BEGINNING`] and then `frame`.
    async fn ending_with(frame: &'static [u8]) -> OpenRouterCore {
        let authority = Authority::new();
        let acceptor = authority.server("localhost", &["h2"], |_| {});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/api/v1", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            stream.read_exact(&mut [0; 24]).await.unwrap();
            let mut head = [0; 9];
            while head[3] != 1 {
                stream.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
            }
            // An empty SETTINGS frame comes first.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            stream.write_all(BEGINNING).await.unwrap();
            stream.write_all(frame).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let transport =
            HyperTransport::builder().no_proxy().http2(true).root_certificate(authority.pem()).build().unwrap();
        impatient(url).transport(transport).build().unwrap()
    }

    #[tokio::test]
    async fn http_2_an_end_without_an_error_code_is_still_no_end() {
        for frame in [RESET, GO_AWAY] {
            let core = ending_with(frame).await;
            assert!(connection(soon(post(&core)).await.unwrap_err()).is_incomplete());

            let core = ending_with(frame).await;
            let mut events = soon(stream(&core)).await.unwrap();
            soon(events.next()).await.unwrap().unwrap();
            assert!(connection(soon(events.next()).await.unwrap().unwrap_err()).is_incomplete());

            let core = ending_with(frame).await;
            let file = soon(download(&core)).await.unwrap();
            assert!(connection(soon(file.collect()).await.unwrap_err()).is_incomplete());
        }
    }

    #[tokio::test]
    async fn http_2_a_stall_ends_with_its_limit_and_the_connection_lives_on() {
        let (server, core) = serve([good().fault(Fault::Stall, Place::BeforeHead), good()]).await;
        let error = timeout(soon(post(&core).response_timeout(Duration::from_millis(50))).await.unwrap_err());
        assert_eq!(error.phase(), TimeoutPhase::Response);
        soon(post(&core)).await.unwrap();
        let counts = server.connections();
        assert_eq!((counts.opened, counts.requests), (1, 2), "the stalled stream was reset, not its connection");
    }

    #[tokio::test]
    async fn http_2_an_idle_connection_that_goes_away_costs_nothing() {
        let (server, core) = serve([good().then_close(), good()]).await;
        soon(post(&core)).await.unwrap();
        soon(post(&core)).await.unwrap();
        assert_eq!(server.connections().requests, 2, "each was sent once");
    }
}

// --- Secrets that could be printed -------------------------------------------------------------

const SECRET: &str = "5ec2e7";

#[track_caller]
fn hides_it(shown: &impl std::fmt::Debug) {
    let shown = format!("{shown:?} {shown:#?}");
    assert!(!shown.contains(SECRET), "{shown}");
}

#[cfg(feature = "api-keys")]
#[tokio::test]
async fn a_new_key_in_a_raw_body_and_a_cookie_are_not_shown() {
    let created = json!({"key": SECRET, "data": {"hash": "h", "label": "sk-or-v1-5ec...2e7"}});
    let (_server, core) = serve([Answer::json(200, created).header("Set-Cookie", "session=5ec2e7")]).await;
    let request = openrouter_kit::models::CreateKeyRequest::new("name");
    let response = soon(openrouter_kit::funcs::api_keys_create(&core, request).with_response()).await.unwrap();

    hides_it(&response);
    hides_it(&response.headers);
    assert_eq!(response.value.key.expose(), SECRET);
    assert!(response.body.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()));
    assert_eq!(response.headers["set-cookie"], "session=5ec2e7");
}

#[tokio::test]
async fn headers_for_a_gateway_are_shown_without_values() {
    let (server, _) = serve([good()]).await;
    let names = ["helicone-auth", "cf-aig-authorization", "x-portkey-api-key", "x-goog-api-key", "x-new"];
    let core =
        names.iter().fold(impatient(server.url()), |builder, name| builder.header(*name, SECRET)).build().unwrap();
    let call = names.iter().fold(post(&core), |call, name| call.header(name, SECRET));
    hides_it(&core);
    hides_it(&call);
    let shown = format!("{core:?} {call:?}");
    assert!(names.iter().all(|name| shown.matches(name).count() == 2), "{shown}");

    soon(call).await.unwrap();
    let requests = server.requests();
    hides_it(&requests);
    assert!(names.iter().all(|name| requests[0].header(name) == Some(SECRET)));
}

#[cfg(feature = "responses")]
#[tokio::test]
async fn the_token_of_an_mcp_server_is_not_shown() {
    use openrouter_kit::models::{McpServerTool, ResponsesRequest};
    let tool = McpServerTool::new("docs")
        .authorization(SECRET)
        .headers(std::collections::BTreeMap::from([("x-team".to_owned(), SECRET.to_owned())]))
        .server_url(format!("https://mcp.example/?key={SECRET}"));
    hides_it(&tool);
    let request = ResponsesRequest::default().model("a/b").tools([tool.clone()]);
    hides_it(&request);
    let repeated = json!({"id": "r", "object": "response", "output": [], "tools": [tool]});
    let (server, core) = serve([Answer::json(200, repeated)]).await;
    let call = openrouter_kit::funcs::responses_send(&core, request);
    hides_it(&call);

    let response = soon(call.with_response()).await.unwrap();

    hides_it(&response);
    assert_eq!(serde_json::to_value(&response.value).unwrap()["tools"][0]["authorization"], SECRET);
    assert_eq!(server.requests()[0].json()["tools"][0]["authorization"], SECRET);
}

#[cfg(all(feature = "api-keys", feature = "responses"))]
#[tokio::test]
async fn a_key_in_a_form_that_was_not_expected_is_not_shown() {
    use openrouter_kit::funcs::{api_keys_create, responses_stream};
    use openrouter_kit::models::{CreateKeyRequest, ResponsesRequest};
    for member in ["key", "apiKey", "API-KEY", "client_secret", "tokens"] {
        for value in [json!(SECRET), json!([SECRET]), json!({"value": [SECRET]})] {
            let created = Answer::json(200, json!({"data": {}, "name": 1, member: value}));
            let event = json!({"type": "new", "data": {member: value}});
            let (_server, core) = serve([created, Answer::stream([event])]).await;

            let created = soon(api_keys_create(&core, CreateKeyRequest::new("name"))).await.unwrap();
            hides_it(&created);
            assert_eq!(serde_json::to_value(&created).unwrap()[member], value);

            let mut events = soon(responses_stream(&core, ResponsesRequest::default())).await.unwrap();
            let event = soon(events.next()).await.unwrap().unwrap();
            hides_it(&event);
            assert!(format!("{event:?}").contains("new"), "what is not a secret is shown: {event:?}");
        }
    }
}

#[tokio::test]
async fn a_key_in_the_query_of_a_server_url_is_not_shown() {
    let url = format!("https://host.example/api?api_key={SECRET}");
    hides_it(&impatient(&url));
    let (server, core) = serve([]).await;
    for error in [impatient(&url).build().unwrap_err(), post(&core).server_url(&url).await.unwrap_err()] {
        hides_it(&error);
        assert!(
            error.to_string().contains("https://host.example/api?") && !error.to_string().contains(SECRET),
            "{error}"
        );
        assert!(matches!(error, Error::InvalidRequest(_)));
    }
    assert_eq!(server.connections().opened, 0);
}

#[tokio::test]
async fn a_key_that_the_server_repeats_is_not_shown() {
    for key in ["sk-or-v1-5ec2e7", "gateway-5ec2e7"] {
        let message = format!("Incorrect API key provided: {key}");
        let server = MockServer::start().await;
        server.answer(Answer::error(401, &message));
        let core = impatient(server.url()).api_key(key).build().unwrap();
        let error = soon(post(&core)).await.unwrap_err();
        hides_it(&error);
        assert!(
            error.to_string().contains("Incorrect API key provided") && !error.to_string().contains(SECRET),
            "{error}"
        );
        assert_eq!(error.as_api().unwrap().message(), message);
    }
}

// --- The table -------------------------------------------------------------------------------

#[test]
fn the_table_names_every_test_and_every_test_is_in_the_table() {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Fault"));
    let named: BTreeSet<&str> = rows.filter_map(|row| row.trim_end_matches(" |").rsplit('`').nth(1)).collect();

    let mut tests = BTreeSet::new();
    let sources = ["faults.rs", "connections.rs", "stress.rs"]
        .map(|file| std::fs::read_to_string(format!("{}/tests/it/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap());
    for source in &sources {
        let mut lines = source.lines().map(str::trim_start);
        while let Some(line) = lines.next() {
            if line.starts_with("#[tokio::test") || line == "#[test]" {
                let function = lines.next().unwrap().trim_start_matches("async ").strip_prefix("fn ").unwrap();
                tests.insert(function.split('(').next().unwrap());
            }
        }
    }
    tests.remove("the_table_names_every_test_and_every_test_is_in_the_table");

    assert_eq!(named, tests);
}
