//! A local server that speaks OpenRouter's protocol, for the tests of programs.
//!
//! [`MockServer::start`] listens on a free port of the loopback interface and needs no configuration. It sends the
//! [`Answer`]s and [`Reply`]s that a test queues, records the requests it gets, and breaks off, stalls or misbehaves on
//! demand ([`Answer::fault`]). Without anything queued it is a small demonstration: `POST /responses`, `/chat/completions`
//! and `/messages` get a friendly text, whole or streamed as the request asks.
//!
//! ```
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! use openrouter_kit::mock::{Answer, Fault, MockServer, Place, Reply};
//! use openrouter_kit::serde_json::json;
//!
//! let server = MockServer::start().await;
//! server.reply(Reply::text("Hello")); // whole or streamed, to any of the three operations of models
//! server.reply(Reply::tool_call("weather", json!({"city": "Rome"})));
//! server.answer(Answer::error(429, "Slow down").header("retry-after", "1"));
//! server.answer(Answer::json(200, json!({"id": "gen-1", "status": "completed"})));
//! server.answer(Answer::stream([json!({"type": "response.created"})]).fault(Fault::Reset, Place::InEvent));
//! server.on("GET", "/models", Answer::json(200, json!({"data": []})).always());
//!
//! let client = server.client(); // or: server.url(), "http://127.0.0.1:49152/api/v1"
//! // ... let the program talk to it ...
//! assert_eq!(server.requests().len(), 0);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

mod answer;
mod connection;
mod demo;
mod http1;
#[cfg(feature = "http2")]
mod http2;
#[cfg(not(feature = "http2"))]
#[path = "no_http2.rs"]
mod http2;
mod queue;
mod random;
#[cfg(feature = "devtools")]
mod replay;
mod reply;
mod request;

pub use answer::{Answer, Event, Fault, Place};
pub use reply::Reply;
pub use request::RecordedRequest;

use crate::core::ClientBuilder;
use crate::core::transport::HyperTransport;
use crate::sdk::OpenRouter;
use connection::Connection;
use queue::{Prepared, Queue};

/// The path of OpenRouter's API on its host; [`MockServer::url`] ends with it.
const BASE_PATH: &str = "/api/v1";

/// How many connections may wait to be accepted. The system may lower it.
const BACKLOG: u32 = 8192;

/// An in-process server. Dropping it stops it: its tasks close the connections and free the port as soon as the runtime
/// runs again.
///
/// It lives on the tokio runtime that is current at the start, and is used through `&self`, from any thread.
pub struct MockServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Arc<Mutex<JoinSet<()>>>,
    accepting: AbortHandle,
}

/// What the connections share.
struct Shared {
    queue: Mutex<Queue>,
    requests: Mutex<Vec<RecordedRequest>>,
    recording: AtomicBool,
    counts: Mutex<Counts>,
}

/// What has happened, and who waits for it. Whoever waits gets every state, so that none is missed.
#[derive(Default)]
struct Counts {
    now: Connections,
    waiting: Vec<mpsc::UnboundedSender<Connections>>,
}

/// What has happened at a [`MockServer`] so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// Connections that were accepted.
    pub opened: usize,
    /// Connections of those that are closed, by either side.
    pub closed: usize,
    /// Requests that arrived complete.
    pub requests: usize,
}

impl MockServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If the system refuses a socket on the loopback interface, and outside of a tokio runtime.
    #[expect(clippy::panic, reason = "a test has no use for an error of this kind")]
    pub async fn start() -> Self {
        match Self::bind((Ipv4Addr::LOCALHOST, 0)).await {
            Ok(server) => server,
            Err(error) => panic!("the mock server cannot listen on 127.0.0.1: {error}"),
        }
    }

    /// Starts a server on a port of your choice, for programs that cannot be given its URL.
    ///
    /// ```
    /// # async fn test() -> std::io::Result<()> {
    /// use openrouter_kit::mock::MockServer;
    ///
    /// let server = MockServer::bind(([127, 0, 0, 1], 8080)).await?;
    /// assert_eq!(server.url(), "http://127.0.0.1:8080/api/v1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the address cannot be used, because another program listens on it for example.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn bind(address: impl Into<SocketAddr>) -> io::Result<Self> {
        let listener = listen(address.into())?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            requests: Mutex::default(),
            recording: AtomicBool::new(true),
            counts: Mutex::default(),
        });
        let tasks = Arc::<Mutex<JoinSet<()>>>::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), Arc::clone(&tasks))).abort_handle();
        Ok(Self { address, shared, tasks, accepting })
    }

    /// The server URL for a client: `http://127.0.0.1:<port>/api/v1`.
    pub fn url(&self) -> String {
        format!("http://{}{BASE_PATH}", self.address)
    }

    /// The address the server listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a client that talks to this server, with default options.
    ///
    /// ```
    /// # #[cfg(feature = "responses")]
    /// # async fn test() -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::{mock::MockServer, models::ResponsesRequest};
    ///
    /// let server = MockServer::start().await;
    /// let client = server.client();
    /// let response = client.responses().send(ResponsesRequest::new().input("Hello")).await?;
    /// assert_eq!(server.requests().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the default transport cannot be built, such as without any trusted certificate on the system.
    #[expect(clippy::panic, reason = "a test has no use for an error of this kind")]
    pub fn client(&self) -> OpenRouter {
        match self.client_builder().build() {
            Ok(client) => client,
            Err(error) => panic!("the client of the mock server cannot be built: {error:?}"),
        }
    }

    /// Starts building a client that talks to this server: with its URL, a dummy key, and without the proxies of the
    /// environment. Set further options and call `build()`.
    ///
    /// ```
    /// # async fn test(server: openrouter_kit::mock::MockServer) -> Result<(), openrouter_kit::Error> {
    /// let client = server.client_builder().app_title("My program").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_builder(&self) -> ClientBuilder<OpenRouter> {
        let builder = OpenRouter::builder().api_key("a-key-for-the-local-server").server_url(self.url());
        let transport = HyperTransport::builder().no_proxy();
        // Requests to this server need no TLS, so any choice that is built in will do.
        #[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring")))]
        let transport = transport.cryptography(crate::core::transport::Cryptography::AwsLcRs);
        #[cfg(all(feature = "roots-platform", not(feature = "roots-bundled")))]
        let transport = transport.roots([crate::core::transport::Roots::Platform]);
        match transport.build() {
            Ok(transport) => builder.transport(transport),
            // Building the client then reports the same error.
            Err(_) => builder,
        }
    }

    /// Queues an answer. Requests get the answers in the order they were queued, whatever they ask for; each answer is
    /// given once, unless [`times`](Answer::times) says otherwise.
    ///
    /// When all are used up, requests get a 404 that says so.
    pub fn answer(&self, answer: Answer) -> &Self {
        lock(&self.shared.queue).push(answer);
        self
    }

    /// Queues what a model writes, in the same queue as [`answer`](Self::answer).
    pub fn reply(&self, reply: Reply) -> &Self {
        lock(&self.shared.queue).push_reply(reply);
        self
    }

    /// Makes the answers to requests for which nothing is queued.
    ///
    /// ```
    /// # async fn test(server: openrouter_kit::mock::MockServer) {
    /// use openrouter_kit::mock::Reply;
    ///
    /// server.respond_with(|request| match request.json()["model"].as_str() {
    ///     Some("a/model") => Reply::text("Hello").answer_to(request),
    ///     _ => Reply::text("Goodbye").answer_to(request),
    /// });
    /// # }
    /// ```
    pub fn respond_with(&self, respond: impl Fn(&RecordedRequest) -> Answer + Send + Sync + 'static) -> &Self {
        lock(&self.shared.queue).respond_with(Arc::new(respond));
        self
    }

    /// Queues an answer for one method and path, such as `("POST", "/responses")`. The path is the one after `/api/v1`,
    /// or the whole path of the request; its query does not matter.
    ///
    /// These answers come before those of [`answer`](Self::answer).
    pub fn on(&self, method: &str, path: &str, answer: Answer) -> &Self {
        lock(&self.shared.queue).push_route(method, path, answer);
        self
    }

    /// The requests that arrived so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Whether requests are kept for [`requests`](Self::requests); they are unless this turned it off. A benchmark turns
    /// it off, so that memory does not grow. The counts go on.
    pub fn record(&self, on: bool) -> &Self {
        self.shared.recording.store(on, Ordering::Relaxed);
        self
    }

    /// What has happened so far: connections opened and closed, requests received.
    pub fn connections(&self) -> Connections {
        lock(&self.shared.counts).now
    }

    /// Waits until `condition` holds, and returns the counts it held for. It checks after each single change, so that it sees
    /// every state from now on.
    ///
    /// ```
    /// # async fn test(server: openrouter_kit::mock::MockServer) {
    /// server.wait_until(|counts| counts.requests == 3).await;
    /// # }
    /// ```
    pub async fn wait_until(&self, mut condition: impl FnMut(&Connections) -> bool) -> Connections {
        let (sender, mut states) = mpsc::unbounded_channel();
        let mut state = {
            let mut counts = lock(&self.shared.counts);
            counts.waiting.push(sender);
            counts.now
        };
        while !condition(&state) {
            // The sender lives as long as `self`, so that waiting cannot fail.
            state = states.recv().await.unwrap_or(state);
        }
        state
    }

    /// Waits until every connection that was opened is closed again; until one was opened, that is not the case.
    pub async fn all_closed(&self) -> Connections {
        self.wait_until(|counts| counts.opened > 0 && counts.opened == counts.closed).await
    }

    /// Serves a connection made elsewhere: one end of a [`tokio::io::duplex`], or a TLS stream after its handshake. It
    /// speaks HTTP/2 if the client begins with it (feature `http2`). A [`Fault::Reset`] on it is a plain close.
    pub fn attach(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        serve(stream, |_| {}, &self.shared, &self.tasks);
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.accepting.abort();
        lock(&self.tasks).abort_all();
    }
}

impl fmt::Debug for MockServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockServer")
            .field("address", &self.address)
            .field("counts", &self.connections())
            .finish_non_exhaustive()
    }
}

/// A port of the loopback interface on which nobody listens: connections to it are refused, for as long as this lives.
///
/// ```
/// use openrouter_kit::mock::ClosedPort;
///
/// let port = ClosedPort::new()?;
/// println!("nobody answers at {}", port.url());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ClosedPort {
    address: SocketAddr,
    /// Bound, never listening: so no other program gets the port.
    _socket: TcpSocket,
}

impl ClosedPort {
    /// Takes a free port.
    ///
    /// # Errors
    /// Where the system refuses a socket.
    pub fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _socket: socket })
    }

    /// A server URL that refuses connections.
    pub fn url(&self) -> String {
        format!("http://{}{BASE_PATH}", self.address)
    }
}

impl Shared {
    /// Notes a request and decides what it gets.
    fn take(&self, request: RecordedRequest) -> Arc<Prepared> {
        let next = lock(&self.queue).next(&request);
        let answer = next.answer_to(&request);
        if self.recording.load(Ordering::Relaxed) {
            lock(&self.requests).push(request);
        }
        self.count(|counts| counts.requests += 1);
        answer
    }

    fn count(&self, change: impl FnOnce(&mut Connections)) {
        let mut counts = lock(&self.counts);
        change(&mut counts.now);
        let now = counts.now;
        counts.waiting.retain(|waiting| waiting.send(now).is_ok());
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Otherwise a port cannot be taken again for a minute. On Windows this would share the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: Arc<Mutex<JoinSet<()>>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Both can only fail on a connection that is already lost.
                let _ = stream.set_nodelay(true);
                let reset = |stream: &TcpStream| drop(stream.set_zero_linger());
                serve(stream, reset, &shared, &tasks);
            }
            // Out of file descriptors, say: others must get a turn to close some.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Serves a connection in its own task.
fn serve<S>(stream: S, reset: fn(&S), shared: &Arc<Shared>, tasks: &Mutex<JoinSet<()>>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shared = Arc::clone(shared);
    shared.count(|counts| counts.opened += 1);
    let mut tasks = lock(tasks);
    while tasks.try_join_next().is_some() {}
    tasks.spawn(async move {
        // Before the connection in the order of declaration, so that the count follows the close.
        let closed = CountClosed(shared);
        http1::serve(Connection::new(stream, reset), &closed.0).await;
    });
}

struct CountClosed(Arc<Shared>);

impl Drop for CountClosed {
    fn drop(&mut self) {
        self.0.count(|counts| counts.closed += 1);
    }
}

/// A panic elsewhere leaves what is behind these locks usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
