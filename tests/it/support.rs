//! What several tests need: a model type, operations, and a transport that follows a script.

#![allow(dead_code, unreachable_pub, reason = "no test needs all of it")]

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use openrouter_kit::RetryConfig;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{Transport, TransportError, TransportErrorKind, TransportFuture};
use openrouter_kit::core::wire::{DecodeError, Json, Reader, Root, Sealed, Wire, Writer};
use openrouter_kit::core::{
    Authentication, Call, ClientBuilder, EventStream, OpenRouterCore, Operation, Parts, StreamItem,
};
use tokio::time::Instant;

/// The folders with recorded exchanges: the one of the repository, and recorded traffic if it is next to the repository.
pub fn recorded_folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/recordings", "../shared/corpus", "../shared/corpus-extra"].map(|folder| root.join(folder));
    let (present, missing): (Vec<_>, Vec<_>) = folders.into_iter().partition(|folder| folder.exists());
    static NOTE: Once = Once::new();
    if !missing.is_empty() {
        // The test harness keeps what `eprintln!` prints, and the run should say what it did not test.
        let text = "skipped: there is no recorded traffic in ../shared/corpus and ../shared/corpus-extra; 3 tests of \
                    collected streams did not run, and 10 ran over the exchanges in tests/recordings only\n";
        NOTE.call_once(|| drop(std::io::stderr().write_all(text.as_bytes())));
    }
    present
}

/// The files of recorded traffic, if it is next to the repository.
pub fn recorded_traffic() -> Vec<PathBuf> {
    let folders = recorded_folders();
    let folder = folders.iter().find(|folder| folder.ends_with("shared/corpus"));
    let files = folder.into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
}

/// Any JSON object, as a model type.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing(pub Json);

impl Thing {
    pub fn of(value: serde_json::Value) -> Self {
        Self(Json::from(value))
    }

    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.as_text().to_owned())
    }
}

impl Sealed for Thing {}

impl Wire for Thing {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = Self::missing();
        let mut json = Json::missing();
        json.read(reader)?;
        // A model with a required member that has the wrong type.
        if !json.is_object() || json.get("mismatch").is_some() {
            return openrouter_kit::core::wire::decode::<bool>("0").map(drop);
        }
        self.0 = json;
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn missing() -> Self {
        Self::of(serde_json::json!({}))
    }

    fn is_missing(&self) -> bool {
        *self == Self::missing()
    }
}

impl Root for Thing {
    fn reports_error(&self) -> bool {
        self.0.get("error").is_some_and(|error| !error.is_null())
    }
}

impl StreamItem for Thing {
    const END_IS_MARKED: bool = true;

    fn is_terminal(&self) -> bool {
        self.get("type").as_deref() == Some("\"completed\"")
    }

    fn reports_error(&self) -> bool {
        Root::reports_error(self)
    }
}

pub static POST: Operation = Operation::new("createThing", Method::POST, "/things").with_metadata_header();
pub static GET: Operation = Operation::new("getThing", Method::GET, "/things/{id}");
pub static LIST: Operation =
    Operation::new("listThings", Method::GET, "/things").with_authentication(Authentication::Optional);
pub static LOGIN: Operation = Operation::new("login", Method::POST, "/login").with_authentication(Authentication::None);

pub fn body() -> Thing {
    Thing::of(serde_json::json!({"model": "a/b"}))
}

/// A paid request, whose repetition costs.
pub fn post(core: &OpenRouterCore) -> Call<Thing> {
    Call::new(core, Parts::new(&POST).json(&body()).stream(false))
}

pub fn stream(core: &OpenRouterCore) -> Call<EventStream<Thing>> {
    Call::new(core, Parts::new(&POST).json(&body()).stream(true))
}

/// A request that may be repeated.
pub fn get(core: &OpenRouterCore) -> Call<Thing> {
    Call::new(core, Parts::new(&GET).path("id", "one"))
}

/// What a [`Script`] does with one request.
#[derive(Debug)]
pub enum Step {
    Answer(Response<Body>),
    Late(Duration, Response<Body>),
    Fail(TransportErrorKind),
    Never,
}

pub fn answer(status: u16, body: &str) -> Step {
    Step::Answer(response(status, body))
}

pub fn with_header(status: u16, name: &'static str, value: &str) -> Step {
    let mut response = response(status, "{}");
    response.headers_mut().insert(name, value.parse().unwrap());
    Step::Answer(response)
}

pub fn response(status: u16, body: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// A request as the transport saw it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub method: Method,
    pub url: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub connect_timeout: Option<Duration>,
}

/// A transport without a network.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: Arc::new(Mutex::new(steps.into_iter().collect())), sent: Arc::default() }
    }

    pub fn add(&self, step: Step) {
        self.steps.lock().unwrap().push_back(step);
    }

    /// Forgets the steps that are left.
    pub fn clear(&self) {
        self.steps.lock().unwrap().clear();
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// The times from one request to the next.
    pub fn waits(&self) -> Vec<Duration> {
        let sent = self.sent();
        sent.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }

    pub fn client(&self) -> ClientBuilder<OpenRouterCore> {
        OpenRouterCore::builder().api_key("sk-or-v1-secret").transport(self.clone())
    }

    pub fn core(&self) -> OpenRouterCore {
        self.client().build().unwrap()
    }
}

impl Transport for Script {
    fn send(&self, request: Request<Body>) -> TransportFuture<'_> {
        use openrouter_kit::core::transport::ConnectTimeout;
        let sent = Sent {
            at: Instant::now(),
            method: request.method().clone(),
            url: request.uri().clone(),
            headers: request.headers().clone(),
            body: request.body().as_bytes().cloned().unwrap_or_default(),
            connect_timeout: request.extensions().get::<ConnectTimeout>().map(|limit| limit.0),
        };
        self.sent.lock().unwrap().push(sent);
        let step = self.steps.lock().unwrap().pop_front().expect("a step for each request");
        Box::pin(async move {
            match step {
                Step::Answer(response) => Ok(response),
                Step::Late(wait, response) => {
                    tokio::time::sleep(wait).await;
                    Ok(response)
                }
                Step::Fail(kind) => Err(TransportError::new(kind, "as the script says")),
                Step::Never => std::future::pending().await,
            }
        })
    }
}

/// A body that yields each chunk after a wait, and then ends or is cut off.
pub fn slow_body(chunks: Vec<(Duration, &'static str)>, end: Option<TransportErrorKind>) -> Body {
    Body::wrap(Slow { chunks: chunks.into(), end, timer: None })
}

struct Slow {
    chunks: VecDeque<(Duration, &'static str)>,
    end: Option<TransportErrorKind>,
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, TransportError>>> {
        use std::task::{Poll, ready};
        let Some(&(wait, chunk)) = self.chunks.front() else {
            return Poll::Ready(self.end.take().map(|kind| Err(TransportError::new(kind, "as the script says"))));
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        self.chunks.pop_front();
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(chunk.as_bytes())))))
    }
}

/// The data of the events of a recorded stream.
pub fn recorded_events(body: &str) -> Vec<serde_json::Value> {
    let body = body.replace("\r\n", "\n");
    let data = body.split("\n\n").map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    });
    data.filter_map(|data| serde_json::from_str(&data).ok()).collect()
}

/// Runs one ignored test of this program in a separate process, without the variables that this
/// crate reads. Those of this process belong to all tests.
pub fn child(test: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    let is_read = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.starts_with("OPENROUTER_") || name.ends_with("_PROXY") || name == "REQUEST_METHOD"
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_read(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Fails the test if `future` takes unreasonably long.
pub async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs")
}

/// A key that must not be shown anywhere.
pub const KEY: &str = "sk-or-v1-5ec2e7";

/// A client without a proxy, whose waits between attempts are too short to notice.
#[cfg(feature = "transport")]
pub fn impatient(url: impl AsRef<str>) -> ClientBuilder<OpenRouterCore> {
    let millisecond = Duration::from_millis(1);
    OpenRouterCore::builder()
        .api_key(KEY)
        .server_url(url)
        .transport(openrouter_kit::core::transport::HyperTransport::builder().no_proxy().build().unwrap())
        .retry_config(RetryConfig::backoff().initial_interval(millisecond).max_interval(millisecond))
}

/// A local server that gives these responses, and an [`impatient`] client of it.
#[cfg(feature = "mock")]
pub async fn serve(
    answers: impl IntoIterator<Item = openrouter_kit::mock::Answer>,
) -> (openrouter_kit::mock::MockServer, OpenRouterCore) {
    let server = openrouter_kit::mock::MockServer::start().await;
    for answer in answers {
        server.answer(answer);
    }
    let core = impatient(server.url()).build().unwrap();
    (server, core)
}
