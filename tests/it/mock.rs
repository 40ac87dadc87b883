//! The mock server, byte for byte on raw sockets.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use openrouter_kit::mock::{Answer, ClosedPort, Event, Fault, MockServer, Place};
use openrouter_kit::models::Json;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::a_limit::tokio;

const REQUEST: &str = "POST /api/v1/responses HTTP/1.1\r\nhost: mock\r\ncontent-length: 2\r\n\r\n{}";
const LONG: Duration = Duration::from_secs(3600);

/// A client without an HTTP library.
struct Client<S> {
    stream: S,
}

impl Client<TcpStream> {
    async fn connect(server: &MockServer) -> Self {
        Self { stream: TcpStream::connect(server.address()).await.unwrap() }
    }

    /// Connects and sends the usual request.
    async fn ask(server: &MockServer) -> Self {
        let mut client = Self::connect(server).await;
        client.send(REQUEST).await;
        client
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// The next bytes are exactly these.
    #[track_caller]
    fn reads(&mut self, expected: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let mut read = vec![0; expected.as_ref().len()];
            let result = self.stream.read_exact(&mut read).await;
            assert_eq!(read.escape_ascii().to_string(), expected.as_ref().escape_ascii().to_string(), "{caller}");
            assert!(result.is_ok(), "{result:?} at {caller}");
        }
    }

    /// The next thing is the end, and it is this one.
    async fn ends(&mut self, fault: Fault) {
        let mut byte = [0];
        let read = self.stream.read(&mut byte);
        match fault {
            Fault::Stall => assert!(timeout(LONG, read).await.is_err(), "nothing comes and nothing closes"),
            Fault::Close => assert_eq!(read.await.unwrap(), 0),
            _ => assert_eq!(read.await.unwrap_err().kind(), ErrorKind::ConnectionReset),
        }
    }

    /// Everything up to the end of the connection.
    async fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    }
}

/// A response, read on a separate connection.
#[derive(Debug)]
struct Reply {
    head: String,
    /// The chunks of a chunked body; one for another.
    chunks: Vec<Vec<u8>>,
}

impl Reply {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
    }

    fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap_or_default()
    }

    fn has(&self, header: &str) -> bool {
        self.head.contains(&format!("\r\n{header}\r\n"))
    }

    /// The data of the events.
    fn events(&self) -> Vec<String> {
        let body = String::from_utf8(self.body()).unwrap_or_default();
        body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect()
    }
}

async fn request(server: &MockServer, method: &str, path: &str, body: &str) -> Reply {
    let mut client = Client::connect(server).await;
    let length = body.len();
    client
        .send(&format!(
            "{method} {path} HTTP/1.1\r\nauthorization: Bearer key\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        ))
        .await;
    reply(&client.rest().await)
}

fn reply(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (head, mut body) = bytes.split_at(end);
    let head = String::from_utf8(head.to_vec()).unwrap();
    let mut chunks = Vec::new();
    if !head.contains("transfer-encoding: chunked") {
        chunks.push(body.to_vec());
        return Reply { head, chunks };
    }
    loop {
        let line = body.windows(2).position(|window| window == b"\r\n").unwrap();
        let (size, rest) = body.split_at(line);
        let size = usize::from_str_radix(str::from_utf8(size).unwrap(), 16).unwrap();
        let (chunk, rest) = rest.split_at(2).1.split_at(size);
        body = rest.strip_prefix(b"\r\n").unwrap();
        if size == 0 {
            assert!(body.is_empty(), "the empty chunk is the last");
            return Reply { head, chunks };
        }
        chunks.push(chunk.to_vec());
    }
}

// --- Answers -------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn responses_come_in_the_order_they_were_queued() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"n": 1}))).answer(Answer::text(404, "two"));
    let mut client = Client::ask(&server).await;
    client.reads("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"n\":1}").await;
    client.send(REQUEST).await;
    client
        .reads("HTTP/1.1 404 Not Found\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n\r\ntwo")
        .await;
    assert_eq!(server.connections().opened, 1);
    assert_eq!(server.connections().requests, 2);
}

#[tokio::test]
async fn each_kind_of_body_is_sent_with_its_type_and_length() {
    let server = MockServer::start().await;
    server.answer(Answer::bytes(200, vec![0, 255])).answer(Answer::status(500)).answer(Answer::status(204));
    let reply = request(&server, "GET", "/", "").await;
    assert!(reply.has("content-type: application/octet-stream") && reply.has("content-length: 2"));
    assert_eq!(reply.body(), [0, 255]);
    let reply = request(&server, "GET", "/", "").await;
    assert_eq!(reply.head, "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    let reply = request(&server, "GET", "/", "").await;
    assert_eq!(reply.head, "HTTP/1.1 204 No Content\r\n\r\n");
}

#[tokio::test]
async fn an_error_has_openrouters_form() {
    let server = MockServer::start().await;
    server.answer(Answer::error(429, "Slow down").header("Retry-After", "3").header("retry-after", "5"));
    let reply = request(&server, "POST", "/api/v1/responses", "{}").await;
    assert_eq!(reply.status(), 429);
    assert_eq!(reply.json(), json!({"error": {"code": 429, "message": "Slow down"}}));
    assert!(reply.has("retry-after: 5") && !reply.has("Retry-After: 3"), "a header replaces one of its name");
}

#[tokio::test]
async fn a_redirect_names_its_location() {
    let server = MockServer::start().await;
    server.answer(Answer::redirect(307, "https://elsewhere.example/"));
    let reply = request(&server, "POST", "/api/v1/responses", "{}").await;
    assert_eq!(reply.status(), 307);
    assert!(reply.has("location: https://elsewhere.example/"));
}

#[tokio::test]
async fn a_stream_sends_each_event_as_a_chunk_and_done_at_the_end() {
    let server = MockServer::start().await;
    server.answer(Answer::stream([json!({"a": 1}), json!({"b": 2})]));
    let mut client = Client::ask(&server).await;
    client.reads("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.reads("f\r\ndata: {\"a\":1}\n\n\r\nf\r\ndata: {\"b\":2}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn events_are_sent_as_they_are_told_and_nothing_after_them() {
    let server = MockServer::start().await;
    server.answer(Answer::events([
        Event::named("ping", json!({"type": "ping"})),
        Event::comment("OPENROUTER PROCESSING"),
        Event::data("two\nlines"),
        Event::raw("data: cut"),
    ]));
    let reply = request(&server, "POST", "/api/v1/messages", "{}").await;
    let expected: [&[u8]; 4] = [
        b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
        b": OPENROUTER PROCESSING\n\n",
        b"data: two\ndata: lines\n\n",
        b"data: cut",
    ];
    assert_eq!(reply.chunks, expected);
}

#[tokio::test]
async fn chunks_keep_their_sizes() {
    let server = MockServer::start().await;
    let chunks = ["data: {\"a", "", "\":1}\n\ndata: [DO", "NE]\n\n"];
    server.answer(Answer::chunks(chunks.map(Bytes::from).to_vec()).with_status(502));
    let reply = request(&server, "POST", "/api/v1/responses", "{}").await;
    assert_eq!(reply.status(), 502);
    assert_eq!(reply.chunks, [chunks[0].as_bytes(), chunks[2].as_bytes(), chunks[3].as_bytes()]);
}

#[tokio::test]
async fn a_body_can_be_cut_into_chunks_of_one_size() {
    let server = MockServer::start().await;
    server.answer(Answer::stream(["Hello"]).cut_into(10));
    let reply = request(&server, "POST", "/api/v1/responses", "{}").await;
    let sizes: Vec<_> = reply.chunks.iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 7]);
    assert_eq!(reply.body(), b"data: Hello\n\ndata: [DONE]\n\n");
}

#[tokio::test]
async fn a_body_can_be_framed_otherwise() {
    let server = MockServer::start().await;
    server
        .answer(Answer::text(200, "one").chunked())
        .answer(Answer::events(["two"]).with_length())
        .answer(Answer::text(200, "three").close_delimited());
    let reply = request(&server, "GET", "/", "").await;
    assert_eq!(reply.chunks, [b"one"]);
    let reply = request(&server, "GET", "/", "").await;
    assert!(reply.has("content-length: 11") && !reply.has("transfer-encoding: chunked"));
    let mut client = Client::ask(&server).await;
    client.reads("HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\nthree").await;
    client.ends(Fault::Close).await;
}

#[tokio::test(start_paused = true)]
async fn pauses_come_before_the_head_and_before_events() {
    let server = MockServer::start().await;
    server.answer(
        Answer::events([Event::data("1"), Event::data("2").after(Duration::from_secs(5))])
            .delayed(Duration::from_secs(2)),
    );
    let start = Instant::now();
    let mut client = Client::ask(&server).await;
    client.reads("HTTP/1.1 200 OK\r\n").await;
    assert_eq!(start.elapsed().as_secs(), 2);
    client.reads("content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n").await;
    assert_eq!(start.elapsed().as_secs(), 2);
    client.reads("9\r\ndata: 2\n\n\r\n0\r\n\r\n").await;
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_paced_answer_waits_before_each_event() {
    let server = MockServer::start().await;
    server.answer(Answer::stream(["1", "2"]).paced(Duration::from_secs(1)));
    let start = Instant::now();
    let reply = request(&server, "POST", "/api/v1/responses", "{}").await;
    assert_eq!(reply.chunks.len(), 3);
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn an_answer_can_be_given_several_times_or_always() {
    let server = MockServer::start().await;
    server
        .answer(Answer::status(502).times(2))
        .answer(Answer::status(400).times(0))
        .answer(Answer::status(503))
        .answer(Answer::status(200).always());
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(request(&server, "GET", "/", "").await.status());
    }
    assert_eq!(statuses, [502, 502, 503, 200, 200]);
}

#[tokio::test]
async fn when_all_answers_are_used_up_requests_get_a_404_that_says_so() {
    let server = MockServer::start().await;
    server.answer(Answer::status(200));
    request(&server, "POST", "/api/v1/responses", "{}").await;
    let reply = request(&server, "POST", "/api/v1/responses", "{}").await;
    assert_eq!(reply.status(), 404);
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("no answer left for POST /api/v1/responses"), "{message}");
}

#[tokio::test]
async fn a_route_answers_its_method_and_path_and_comes_before_the_queue() {
    let server = MockServer::start().await;
    server
        .answer(Answer::text(200, "queue").always())
        .on("GET", "/models", Answer::text(200, "models"))
        .on("GET", "/models", Answer::text(200, "models again"))
        .on("post", "/elsewhere/v2/x", Answer::text(200, "whole path").always());
    let mut bodies = Vec::new();
    for (method, path) in [
        ("GET", "/api/v1/models?category=x"),
        ("POST", "/api/v1/models"),
        ("GET", "/api/v1/models"),
        ("GET", "/api/v1/models"),
        ("POST", "/elsewhere/v2/x"),
    ] {
        bodies.push(String::from_utf8(request(&server, method, path, "").await.body()).unwrap());
    }
    assert_eq!(bodies, ["models", "queue", "models again", "queue", "whole path"]);
}

#[tokio::test]
async fn interim_answers_come_before_the_answer() {
    let server = MockServer::start().await;
    server.answer(Answer::status(200).after_interim(103).after_interim(100));
    let mut client = Client::ask(&server).await;
    client.reads("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n").await;
}

#[tokio::test]
async fn white_space_may_stand_before_the_body() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"a": 1})).padded(20));
    let reply = request(&server, "POST", "/api/v1/responses", "{}").await;
    assert!(reply.body().starts_with(b"\n         \n") && reply.body().len() > 200);
    assert_eq!(reply.json(), json!({"a": 1}));
}

#[tokio::test]
async fn a_gzipped_body_says_so_and_can_be_unpacked() {
    let server = MockServer::start().await;
    server.answer(Answer::text(200, "123456789").gzipped());
    let reply = request(&server, "GET", "/", "").await;
    assert!(reply.has("content-encoding: gzip") && reply.has("content-length: 37"));
    let expected = [
        &[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF][..],
        &[0, 9, 0, !9, 0xFF],
        b"123456789",
        &[1, 0, 0, 0xFF, 0xFF],
        // The check value that the catalog of CRCs lists for this text.
        &0xCBF4_3926_u32.to_le_bytes(),
        &[9, 0, 0, 0],
    ];
    assert_eq!(reply.body(), expected.concat());
}

#[tokio::test]
async fn a_header_may_lie_about_the_length() {
    let server = MockServer::start().await;
    server.answer(Answer::text(200, "abc").header("content-length", "9"));
    let reply = request(&server, "GET", "/", "").await;
    assert!(reply.has("content-length: 9") && !reply.has("content-length: 3"));
}

// --- Nothing queued ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn without_answers_responses_are_answered_with_a_text_usage_and_cost() {
    let server = MockServer::start().await;
    let body = r#"{"model": "some/model", "input": "What is love?"}"#;
    let reply = request(&server, "POST", "/api/v1/responses", body).await;
    assert_eq!(reply.status(), 200);
    let json = reply.json();
    assert!(reply.has(&format!("x-generation-id: {}", json["id"].as_str().unwrap())));
    assert_eq!(json["status"], "completed");
    assert_eq!(json["model"], "some/model");
    assert!(json["output"][0]["content"][0]["text"].as_str().unwrap().contains("What is love?"));
    assert!(json["usage"]["output_tokens"].as_u64().unwrap() > 5);
    assert!(json["usage"]["cost"].as_f64().unwrap() > 0.0);
}

#[tokio::test(start_paused = true)]
async fn without_answers_responses_are_streamed_if_the_request_asks_for_it() {
    let server = MockServer::start().await;
    let body = r#"{"stream": true, "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi?"}]}]}"#;
    let reply = request(&server, "POST", "/api/v1/responses", body).await;
    assert!(reply.has("content-type: text/event-stream"));
    let mut events = reply.events();
    assert_eq!(events.pop().unwrap(), "[DONE]");
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], *text);
    assert!(text.contains("Hi?"));
    assert!(last["response"]["usage"]["cost"].is_number());
    assert!((0..).zip(&events).all(|(number, event)| event["sequence_number"] == number));
}

#[tokio::test(start_paused = true)]
async fn without_answers_chats_are_answered_whole_or_streamed() {
    let server = MockServer::start().await;
    let path = "/api/v1/chat/completions";
    let reply = request(&server, "POST", path, r#"{"messages": [{"role": "user", "content": "Hi?"}]}"#).await;
    let whole = reply.json();
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert!(whole["usage"]["cost"].as_f64().unwrap() > 0.0);

    let reply =
        request(&server, "POST", path, r#"{"stream": true, "messages": [{"role": "user", "content": "Hi?"}]}"#).await;
    let mut events = reply.events();
    assert_eq!(events.pop().unwrap(), "[DONE]");
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(whole["choices"][0]["message"]["content"], *text);
    assert_eq!(events.last().unwrap()["usage"], whole["usage"]);
}

#[tokio::test]
async fn without_answers_an_unknown_path_is_a_404() {
    let server = MockServer::start().await;
    assert_eq!(request(&server, "GET", "/api/v1/credits", "").await.status(), 200);
    assert_eq!(request(&server, "GET", "/api/v1/nothing", "").await.status(), 404);
}

// --- What arrived --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn requests_are_recorded_as_they_arrived() {
    let server = MockServer::start().await;
    server.answer(Answer::status(200).always());
    let mut client = Client::connect(&server).await;
    client.send("POST /api/v1/responses?a=%20b&c HTTP/1.1\r\nHost: x\r\nX-Custom:  v \r\n").await;
    client.send("Authorization: Bearer secret\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n").await;
    client.send("4;extension\r\n\":1}\r\n0\r\ntrailer: x\r\n\r\nGET http://mock/p HTTP/1.1\r\n\r\n").await;
    server.wait_until(|counts| counts.requests == 2).await;

    let requests = server.requests();
    let first = &requests[0];
    assert_eq!((first.method.as_str(), &*first.path, &*first.query), ("POST", "/api/v1/responses", "a=%20b&c"));
    assert_eq!(first.header("x-custom"), Some("v"));
    assert_eq!(first.header("authorization"), Some("Bearer secret"));
    assert_eq!(first.json(), json!({"a": 1}));
    assert_eq!((&*requests[1].path, &*requests[1].query, requests[1].json()), ("/p", "", Json::default()));
    let debug = format!("{requests:?}");
    assert!(debug.contains("x-custom") && !debug.contains("secret"), "{debug}");
}

#[tokio::test]
async fn recording_can_be_turned_off_and_the_counts_go_on() {
    let server = MockServer::start().await;
    server.record(false).answer(Answer::status(200));
    request(&server, "GET", "/", "").await;
    assert!(server.requests().is_empty());
    assert_eq!(server.connections().requests, 1);
}

#[tokio::test]
async fn a_request_that_waits_for_leave_to_send_its_body_gets_it() {
    let server = MockServer::start().await;
    server.answer(Answer::status(200));
    let mut client = Client::connect(&server).await;
    client.send("POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n").await;
    client.reads("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("{}").await;
    client.reads("HTTP/1.1 200 OK\r\n").await;
    assert_eq!(server.requests()[0].body, "{}");
}

#[tokio::test]
async fn what_is_no_request_gets_a_400_and_the_connection_is_closed() {
    for bytes in ["hello\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "\r\n\r\n"] {
        let server = MockServer::start().await;
        let mut client = Client::connect(&server).await;
        client.send(bytes).await;
        let reply = reply(&client.rest().await);
        assert_eq!(reply.status(), 400, "{bytes:?}");
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn connections_are_counted_and_a_close_can_be_awaited() {
    let server = MockServer::start().await;
    server.answer(Answer::status(200).always());
    let first = Client::connect(&server).await;
    let second = Client::ask(&server).await;
    let counts = server.wait_until(|counts| counts.opened == 2 && counts.requests == 1).await;
    assert_eq!(counts.closed, 0);
    drop(first);
    assert_eq!(server.wait_until(|counts| counts.closed == 1).await.opened, 2);
    drop(second);
    assert_eq!(server.all_closed().await.closed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_noticed_wherever_the_server_is() {
    let answers = [
        Answer::status(200).delayed(LONG),
        Answer::events([Event::data("1").after(LONG)]),
        Answer::status(200).fault(Fault::Stall, Place::BeforeHead),
        Answer::events(["1", "2"]).fault(Fault::Stall, Place::InBody),
        Answer::endless("data: ", "x".repeat(1000)),
        Answer::huge(200, u64::MAX),
    ];
    for answer in answers {
        let server = MockServer::start().await;
        server.answer(answer.clone());
        let client = Client::ask(&server).await;
        server.wait_until(|counts| counts.requests == 1).await;
        let start = Instant::now();
        drop(client);
        server.all_closed().await;
        assert!(start.elapsed() < LONG, "{answer:?}");
    }
}

#[tokio::test]
async fn a_dropped_server_closes_its_connections_and_its_port() {
    let server = MockServer::start().await;
    server.answer(Answer::status(200).fault(Fault::Stall, Place::AfterHead));
    let address = server.address();
    let mut idle = Client::connect(&server).await;
    let mut stalled = Client::ask(&server).await;
    server.wait_until(|counts| counts.opened == 2 && counts.requests == 1).await;
    drop(server);
    assert_eq!(idle.stream.read(&mut [0]).await.unwrap(), 0);
    stalled.reads("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(stalled.stream.read(&mut [0]).await, Ok(0) | Err(_)));
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    let server = MockServer::start().await;
    server.answer(Answer::stream(["Hello"]).always());
    let mut clients = Vec::new();
    for _ in 0..400 {
        clients.push(Client::ask(&server).await);
    }
    for client in &mut clients {
        client.reads("HTTP/1.1 200 OK\r\n").await;
    }
    assert_eq!(server.connections().opened - server.connections().closed, 400);
    drop(clients);
    assert_eq!(server.all_closed().await.closed, 400);
}

#[tokio::test]
async fn a_connection_made_elsewhere_can_be_attached() {
    let server = MockServer::start().await;
    server.answer(Answer::text(200, "by pipe"));
    let (stream, end) = tokio::io::duplex(64);
    server.attach(end);
    let mut client = Client { stream };
    client.send("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert_eq!(reply(&client.rest().await).body(), b"by pipe");
    assert_eq!(server.all_closed().await.opened, 1);
}

// --- Faults --------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_closed_port_refuses_connections_for_as_long_as_it_is_held() {
    let port = ClosedPort::new().unwrap();
    let url = port.url();
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/api/v1")).unwrap().to_owned();
    assert_eq!(TcpStream::connect(&address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(std::net::TcpListener::bind(&address).is_err(), "nobody else gets the port");
    drop(port);
    std::net::TcpListener::bind(&address).unwrap();
}

/// The three things that can go wrong with a connection, each at this place after exactly these bytes.
async fn breaks_after(answer: Answer, place: Place, bytes: &str) {
    for fault in [Fault::Reset, Fault::Close, Fault::Stall] {
        let server = MockServer::start().await;
        server.answer(answer.clone().fault(fault, place));
        let mut client = Client::ask(&server).await;
        client.reads(bytes).await;
        client.ends(fault).await;
        drop(client);
        server.all_closed().await;
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn three_events() -> Answer {
    Answer::events(["1", "2", "3"])
}

#[tokio::test(start_paused = true)]
async fn the_connection_can_break_before_the_head() {
    breaks_after(three_events(), Place::BeforeHead, "").await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_can_break_in_the_head() {
    breaks_after(three_events(), Place::InHead, &HEAD[..HEAD.len() / 2]).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_can_break_after_the_head() {
    breaks_after(three_events(), Place::AfterHead, HEAD).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_can_break_between_two_events() {
    breaks_after(three_events(), Place::InBody, &format!("{HEAD}9\r\ndata: 1\n\n\r\n")).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_can_break_in_the_middle_of_an_event() {
    breaks_after(three_events(), Place::InEvent, &format!("{HEAD}9\r\ndata: 1\n\n\r\n9\r\ndata")).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_can_break_before_the_last_chunk() {
    let events = "9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n9\r\ndata: 3\n\n\r\n";
    breaks_after(three_events(), Place::BeforeEnd, &format!("{HEAD}{events}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_of_known_length_can_break_in_its_middle() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n";
    breaks_after(Answer::json(200, json!({"a": 42})), Place::InBody, &format!("{head}{{\"a\"")).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_without_length_can_break_in_its_middle() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let answer = Answer::json(200, json!({"a": 42})).close_delimited();
    breaks_after(answer, Place::InBody, &format!("{head}{{\"a\"")).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_can_break_after_any_number_of_bytes_of_the_body() {
    let body = "data: 1\n\ndata: 2\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 18\r\n\r\n";
    for count in 0..=20 {
        let answer = Answer::events(["1", "2"]).with_length();
        let expected = format!("{head}{}", &body[..count.min(body.len())]);
        breaks_after(answer, Place::AfterBytes(count), &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_body_can_break_too() {
    let server = MockServer::start().await;
    server.answer(Answer::huge(200, 1_000_000).close_delimited().fault(Fault::Close, Place::AfterBytes(200_000)));
    server.answer(Answer::huge(200, 640 * 1024).close_delimited().fault(Fault::Close, Place::InBody));
    for expected in [200_000, 320 * 1024] {
        let client = Client::ask(&server).await;
        assert_eq!(reply(&client.rest().await).body().len(), expected);
    }
}

#[tokio::test]
async fn an_idle_connection_can_close_unannounced() {
    let server = MockServer::start().await;
    server.answer(Answer::text(200, "ok").then_close());
    let mut client = Client::ask(&server).await;
    client.reads("HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\nok").await;
    client.ends(Fault::Close).await;
}

#[tokio::test]
async fn a_connection_can_be_reset_under_its_next_request() {
    let server = MockServer::start().await;
    server.answer(Answer::status(200)).answer(Answer::status(200).fault(Fault::Reset, Place::BeforeHead));
    let mut client = Client::ask(&server).await;
    client.reads("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    client.send(REQUEST).await;
    client.ends(Fault::Reset).await;
    assert_eq!(server.connections().requests, 2);
}

#[tokio::test]
async fn a_huge_body_is_as_large_as_it_says() {
    let server = MockServer::start().await;
    server.answer(Answer::huge(500, 10_000_001));
    let reply = request(&server, "GET", "/", "").await;
    assert!(reply.has("content-length: 10000001"));
    assert_eq!(reply.body().len(), 10_000_001);
}

#[tokio::test]
async fn an_endless_line_goes_on_until_the_client_leaves() {
    let server = MockServer::start().await;
    server.answer(Answer::endless("data: ", "x".repeat(1000)));
    let mut client = Client::ask(&server).await;
    client.reads(format!("{HEAD}6\r\ndata: \r\n")).await;
    for _ in 0..5000 {
        client.reads(format!("3e8\r\n{}\r\n", "x".repeat(1000))).await;
    }
    drop(client);
    server.all_closed().await;
}

#[tokio::test]
async fn waiting_sees_every_state_of_the_counts() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({})).always());
    for _ in 0..50 {
        let before = server.connections().requests;
        let core = crate::support::impatient(server.url()).build().unwrap();
        let burst = async { futures_util::future::join_all((0..6).map(|_| crate::support::get(&core))).await };
        let (counts, _) =
            tokio::join!(crate::support::soon(server.wait_until(|counts| counts.requests == before + 3)), burst);
        assert_eq!(counts.requests, before + 3);
    }
}

#[cfg(feature = "http2")]
mod http2 {
    use h2::client::SendRequest;
    use h2::{Reason, RecvStream};
    use http::Request;

    use super::*;
    use crate::a_limit::tokio;

    /// A client of HTTP/2 that needs no negotiation.
    async fn connect(server: &MockServer) -> SendRequest<Bytes> {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client.ready().await.unwrap()
    }

    async fn ask(client: &mut SendRequest<Bytes>) -> Result<http::Response<RecvStream>, h2::Error> {
        let request = Request::post("http://mock/api/v1/responses?a=b").header("authorization", "secret").body(());
        let (response, mut body) = client.send_request(request.unwrap(), false).unwrap();
        body.send_data("{}".into(), true).unwrap();
        response.await
    }

    /// The body as it arrives, and how it ends.
    async fn read(mut body: RecvStream) -> (String, Result<(), h2::Error>) {
        let mut text = String::new();
        while let Some(data) = body.data().await {
            match data {
                Ok(data) => {
                    let _ = body.flow_control().release_capacity(data.len());
                    text.push_str(&String::from_utf8_lossy(&data));
                }
                Err(error) => return (text, Err(error)),
            }
        }
        (text, Ok(()))
    }

    #[tokio::test]
    async fn a_client_that_begins_with_http_2_gets_the_same_answers() {
        let server = MockServer::start().await;
        let answer = Answer::stream(["1", "2"]).header("x-custom", "v").header("connection", "close");
        server.answer(answer).answer(Answer::huge(500, 1_000_000));
        let mut client = connect(&server).await;
        let response = ask(&mut client).await.unwrap();
        assert_eq!(response.headers()["x-custom"], "v");
        assert!(!response.headers().contains_key("connection"), "HTTP/2 knows no such header");
        let (text, end) = read(response.into_body()).await;
        assert_eq!(text, "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n");
        assert!(end.is_ok());
        let response = ask(&mut client).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(read(response.into_body()).await.0.len(), 1_000_000);

        let requests = server.requests();
        assert_eq!((&*requests[0].path, &*requests[0].query), ("/api/v1/responses", "a=b"));
        assert_eq!(requests[0].body, "{}");
        assert!(!format!("{requests:?}").contains("secret"));
        assert_eq!(server.connections().opened, 1);
    }

    #[tokio::test]
    async fn a_stream_can_be_reset_or_refused_before_its_head() {
        for (fault, reason) in
            [(Fault::ResetStream, Reason::INTERNAL_ERROR), (Fault::RefuseStream, Reason::REFUSED_STREAM)]
        {
            let server = MockServer::start().await;
            server.answer(Answer::status(200).fault(fault, Place::BeforeHead)).answer(Answer::status(204));
            let mut client = connect(&server).await;
            let error = ask(&mut client).await.unwrap_err();
            assert!(error.is_reset() && error.is_remote());
            assert_eq!(error.reason(), Some(reason));
            assert_eq!(ask(&mut client).await.unwrap().status(), 204, "the connection goes on");
        }
    }

    #[tokio::test]
    async fn a_stream_can_be_reset_after_some_events() {
        let server = MockServer::start().await;
        server.answer(three_events().fault(Fault::ResetStream, Place::InEvent));
        let mut client = connect(&server).await;
        let (text, end) = read(ask(&mut client).await.unwrap().into_body()).await;
        assert_eq!(text, "data: 1\n\ndata");
        assert_eq!(end.unwrap_err().reason(), Some(Reason::INTERNAL_ERROR));
    }

    #[tokio::test]
    async fn the_connection_can_go_away_before_the_head_or_after_some_events() {
        let server = MockServer::start().await;
        server.answer(Answer::status(200).fault(Fault::GoAway, Place::BeforeHead));
        let error = ask(&mut connect(&server).await).await.unwrap_err();
        assert!(error.is_io() || error.is_go_away(), "{error:?}");

        server.answer(three_events().fault(Fault::GoAway, Place::InBody));
        let (text, end) = read(ask(&mut connect(&server).await).await.unwrap().into_body()).await;
        assert_eq!(text, "data: 1\n\n");
        assert!(end.is_err());
        server.all_closed().await;
    }

    #[tokio::test]
    async fn the_connection_can_break_after_some_events() {
        for fault in [Fault::Reset, Fault::Close] {
            let server = MockServer::start().await;
            server.answer(three_events().fault(fault, Place::InBody));
            let (text, end) = read(ask(&mut connect(&server).await).await.unwrap().into_body()).await;
            assert_eq!(text, "data: 1\n\n");
            assert!(end.unwrap_err().is_io());
            server.all_closed().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_can_stall_while_others_go_on() {
        let server = MockServer::start().await;
        server.answer(three_events().fault(Fault::Stall, Place::InBody)).answer(Answer::text(200, "other"));
        let mut client = connect(&server).await;
        let mut stalled = ask(&mut client).await.unwrap().into_body();
        assert_eq!(stalled.data().await.unwrap().unwrap(), "data: 1\n\n");
        assert!(timeout(LONG, stalled.data()).await.is_err());
        assert_eq!(read(ask(&mut client).await.unwrap().into_body()).await.0, "other");
    }

    #[tokio::test(start_paused = true)]
    async fn interim_answers_and_pauses_work_as_in_http_1() {
        let server = MockServer::start().await;
        server.answer(Answer::stream(["1"]).after_interim(103).delayed(LONG).paced(LONG));
        let start = Instant::now();
        let response = ask(&mut connect(&server).await).await.unwrap();
        assert_eq!((response.status().as_u16(), start.elapsed().as_secs()), (200, LONG.as_secs()));
        assert!(read(response.into_body()).await.1.is_ok());
        assert_eq!(start.elapsed().as_secs(), 3 * LONG.as_secs());
    }
}
