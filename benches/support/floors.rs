//! The least that a client of such a server can do: hyper that reads the bytes, and hyper with serde_json that reads the
//! smallest part of the JSON into borrowed fields.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use memchr::memmem::Finder;
use serde::Deserialize;
use std::net::SocketAddr;
use tokio::net::TcpStream;

const STREAM: &str = r#"{"model":"m","input":"Hi","stream":true}"#;
const WHOLE: &str = r#"{"model":"m","input":"Hi","stream":false}"#;

type Connection = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// One connection.
pub struct Floor {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

#[derive(Deserialize)]
struct TextDelta<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    delta: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ChatChunk<'a> {
    #[serde(borrow)]
    choices: Vec<ChatChoice<'a>>,
}

#[derive(Deserialize)]
struct ChatChoice<'a> {
    #[serde(borrow)]
    delta: ChatDelta<'a>,
}

#[derive(Deserialize)]
struct ChatDelta<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    output: Vec<Output<'a>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    content: Vec<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Models<'a> {
    #[serde(borrow)]
    data: Vec<Model<'a>>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// The smallest look into a JSON text; returns what was counted.
pub type Look = fn(&[u8]) -> usize;

/// One event of a Responses stream.
pub fn text_delta(json: &[u8]) -> usize {
    let event: TextDelta<'_> = serde_json::from_slice(json).unwrap();
    std::hint::black_box((&event.r#type, &event.delta));
    1
}

/// One chunk of a chat stream.
pub fn chat_chunk(json: &[u8]) -> usize {
    let chunk: ChatChunk<'_> = serde_json::from_slice(json).unwrap();
    std::hint::black_box(chunk.choices.first().map(|choice| &choice.delta.content));
    1
}

/// The text of a whole Responses answer.
pub fn response(json: &[u8]) -> usize {
    let response: Response<'_> = serde_json::from_slice(json).unwrap();
    std::hint::black_box(&response.output[0].content[0].text);
    1
}

/// The ids of a list of models.
pub fn models(json: &[u8]) -> usize {
    let models: Models<'_> = serde_json::from_slice(json).unwrap();
    models.data.iter().map(|model| usize::from(!std::hint::black_box(&model.id).is_empty())).sum()
}

impl Floor {
    /// A floor whose connection has a task, as hyper's own examples have it.
    pub async fn connect(address: SocketAddr) -> Self {
        let (floor, connection) = Self::open(address).await;
        tokio::spawn(connection);
        floor
    }

    async fn open(address: SocketAddr) -> (Self, Connection) {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        (Self { sender, host: address.to_string() }, connection)
    }

    pub async fn send(&mut self, method: &str, path: &str, body: &'static str) -> Incoming {
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("authorization", "Bearer key")
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .header("user-agent", "floor");
        let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        assert!(response.status().is_success());
        response.into_body()
    }

    /// Reads a stream and counts its events by their blank lines; with `look`, each event with JSON is read too.
    pub async fn stream(&mut self, path: &str, look: Option<Look>) -> usize {
        events(self.send("POST", path, STREAM).await, look).await
    }

    /// Reads a whole answer.
    pub async fn unary(&mut self, method: &str, path: &str, look: Option<Look>) -> usize {
        whole(self.send(method, path, WHOLE).await, look).await
    }
}

/// A floor whose connection has no task: whoever waits for something of it drives it. This is the least.
pub struct Taskless {
    floor: Floor,
    connection: Connection,
}

impl Taskless {
    pub async fn connect(address: SocketAddr) -> Self {
        let (floor, connection) = Floor::open(address).await;
        Self { floor, connection }
    }

    async fn send(&mut self, method: &str, path: &str, body: &'static str) -> TasklessBody<'_> {
        let Self { floor, connection } = self;
        let mut body = pin!(floor.send(method, path, body));
        let body = poll_fn(|cx| match body.as_mut().poll(cx) {
            Poll::Pending => {
                let _ = Pin::new(&mut *connection).poll(cx);
                body.as_mut().poll(cx)
            }
            ready => ready,
        });
        TasklessBody { body: body.await, connection }
    }

    /// As [`Floor::stream`].
    pub async fn stream(&mut self, path: &str, look: Option<Look>) -> usize {
        events(self.send("POST", path, STREAM).await, look).await
    }

    /// As [`Floor::unary`].
    pub async fn unary(&mut self, method: &str, path: &str, look: Option<Look>) -> usize {
        whole(self.send(method, path, WHOLE).await, look).await
    }
}

struct TasklessBody<'a> {
    body: Incoming,
    connection: &'a mut Connection,
}

impl Body for TasklessBody<'_> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                let _ = Pin::new(&mut *self.connection).poll(cx);
                Pin::new(&mut self.body).poll_frame(cx)
            }
            ready => ready,
        }
    }
}

async fn whole(body: impl Body<Data = Bytes, Error = hyper::Error>, look: Option<Look>) -> usize {
    let bytes = body.collect().await.unwrap().to_bytes();
    look.map_or(bytes.len(), |look| look(&bytes))
}

/// Counts the events of a stream. What is cut by the end of a chunk is copied, nothing else.
pub async fn events(mut body: impl Body<Data = Bytes, Error = hyper::Error> + Unpin, look: Option<Look>) -> usize {
    let blank_line = Finder::new(b"\n\n");
    let mut count = 0;
    let mut cut: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.unwrap().into_data() else { continue };
        if cut.is_empty() {
            let used = read(&blank_line, &chunk, look, &mut count);
            cut.extend_from_slice(&chunk[used..]);
        } else {
            cut.extend_from_slice(&chunk);
            let used = read(&blank_line, &cut, look, &mut count);
            cut.drain(..used);
        }
    }
    count
}

/// Reads the events that are whole; returns how many bytes they have.
fn read(blank_line: &Finder<'_>, bytes: &[u8], look: Option<Look>, count: &mut usize) -> usize {
    let mut start = 0;
    for end in blank_line.find_iter(bytes) {
        *count += match (look, &bytes[start + 6..end]) {
            (_, b"[DONE]") => 0,
            (Some(look), json) => look(json),
            (None, _) => 1,
        };
        start = end + 2;
    }
    start
}
