//! The server of the viewer: the page, and the recorded calls as JSON.
//!
//! Recordings contain prompts, and any web page can send requests to servers on the same computer. So the `Host` and,
//! if there is one, the `Origin` of a request must be this server, and recorded data requires the token, which is in
//! the fragment of the URL, the part that browsers do not send. Everything is read-only.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use openrouter_kit::serde_json::{self, Value, json};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::detail::{self, LONGEST_BODY};
use super::export::{self, Format};
use super::filter::{Filter, Sort};
use super::index::{Call, Index};
use super::messages;
use super::totals::totals;

/// How often the files are checked for new lines.
const PAUSE: Duration = Duration::from_millis(300);

/// The pause between parts of large files.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

/// How often the stream of events repeats the version if nothing changes, to notice that a page is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many calls are returned at once.
const MOST_CALLS: usize = 500;

/// How much of a body or a message is returned, unless the request sets a limit.
const SHOWN: usize = 256 * 1024;

/// Nothing remote, nothing inline, and no strings as markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const PAGE: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("/call.js", "text/javascript; charset=utf-8", include_str!("page/call.js")),
    ("/compare.js", "text/javascript; charset=utf-8", include_str!("page/compare.js")),
    ("/dom.js", "text/javascript; charset=utf-8", include_str!("page/dom.js")),
    ("/plots.js", "text/javascript; charset=utf-8", include_str!("page/plots.js")),
];

/// The state of the server.
pub(crate) struct Viewer {
    index: Mutex<Index>,
    /// The version of the index.
    version: watch::Sender<u64>,
    token: String,
    /// The accepted values of the header `Host`.
    hosts: [String; 2],
}

type Answer = Response<Either<Full<Bytes>, Live>>;

impl Viewer {
    /// Creates the viewer for a server on a port, with a new token.
    pub(crate) fn new(index: Index, port: u16) -> io::Result<Arc<Self>> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Arc::new(Self {
            index: Mutex::new(index),
            version: watch::Sender::new(0),
            token: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        }))
    }

    /// Returns the URL of the page, with the token.
    pub(crate) fn url(&self) -> String {
        let [host, _] = &self.hosts;
        format!("http://{host}/#{}", self.token)
    }

    /// Serves connections, and follows the files, until accepting fails.
    pub(crate) async fn serve(self: &Arc<Self>, listener: TcpListener) -> io::Result<Infallible> {
        let watching = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let viewer = Arc::clone(&watching);
                let is_more = tokio::task::spawn_blocking(move || viewer.update()).await;
                // In between, requests get at the index.
                tokio::time::sleep(if let Ok(true) = is_more { SHORT_PAUSE } else { PAUSE }).await;
            }
        });
        loop {
            let (stream, _) = listener.accept().await?;
            let viewer = Arc::clone(self);
            tokio::spawn(async move {
                let service = service_fn(|request| viewer.answer(request));
                let mut connection = http1::Builder::new();
                connection.timer(TokioTimer::new());
                // A browser that closes its connection is not an error.
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is new, and returns whether there is more. A directory that cannot be read now may be readable later.
    fn update(&self) -> bool {
        let mut index = self.index();
        let is_more = index.update().unwrap_or_default();
        self.version.send_if_modified(|version| std::mem::replace(version, index.version) != index.version);
        is_more
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let mut answer = match self.refusal(&request) {
            None => self.route(&request).await,
            Some(refusal) => refusal,
        };
        let headers = answer.headers_mut();
        for (name, value) in [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Ok(answer)
    }

    /// Returns the response to a request that does not come from this server's page, or that is not a GET.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Answer> {
        let headers = request.headers();
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).filter(|_| hosts.next().is_none());
        if !host.is_some_and(|host| self.hosts.iter().any(|known| known == host)) {
            return Some(error(StatusCode::MISDIRECTED_REQUEST, "the host is not this server"));
        }
        let is_own = |origin: &HeaderValue| {
            let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            origin.is_some() && origin == host
        };
        let site = headers.get("sec-fetch-site");
        if !headers.get_all(ORIGIN).iter().all(is_own)
            || !site.is_none_or(|site| site == "same-origin" || site == "none")
        {
            return Some(error(StatusCode::FORBIDDEN, "the request comes from another page"));
        }
        if request.method() != Method::GET {
            let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return Some(answer);
        }
        None
    }

    fn is_known(&self, request: &Request<Incoming>) -> bool {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let (given, token) = (given.unwrap_or_default(), self.token.as_bytes());
        // In constant time, so that the token cannot be guessed piece by piece.
        given.len() == token.len()
            && given.iter().zip(token).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }

    async fn route(self: &Arc<Self>, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if let Some((_, kind, text)) = PAGE.iter().find(|(known, _, _)| *known == path) {
            return body(StatusCode::OK, kind, *text);
        }
        let Some(path) = path.strip_prefix("/api/") else {
            return error(StatusCode::NOT_FOUND, "page not found; open the URL that `openrouter devtools` printed");
        };
        if !self.is_known(request) {
            return error(StatusCode::UNAUTHORIZED, "open the address that `openrouter devtools` printed");
        }
        if path == "live" {
            return self.live();
        }
        let (viewer, path) = (Arc::clone(self), path.to_owned());
        let query = Query::of(request.uri().query().unwrap_or_default());
        let answer = tokio::task::spawn_blocking(move || match &*path {
            "calls" => viewer.calls(&query),
            "totals" => viewer.totals(&query),
            "call" => viewer.call(&query),
            "export" => viewer.export(&query),
            _ => error(StatusCode::NOT_FOUND, "page not found; open the URL that `openrouter devtools` printed"),
        });
        answer.await.unwrap_or_else(|_| error(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be finished"))
    }

    fn calls(&self, query: &Query) -> Answer {
        let filter = match Filter::parse(query.get("q")) {
            Ok(filter) => filter,
            Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong),
        };
        let index = self.index();
        let mut calls = query.select(&index, &filter);
        Sort::parse(query.get("sort")).sort(&mut calls);
        let offset = query.number("offset").unwrap_or_default();
        let limit = query.number("limit").unwrap_or(MOST_CALLS).min(MOST_CALLS);
        let shown: Vec<_> = calls.iter().skip(offset).take(limit).map(|call| index.summary(call)).collect();
        json(&json!({
            "version": index.version,
            "folder": index.path().display().to_string(),
            "problems": index.problems(),
            "runs": index.runs,
            "total": index.calls.len(),
            "matched": calls.len(),
            "offset": offset,
            "calls": shown,
        }))
    }

    fn totals(&self, query: &Query) -> Answer {
        let filter = match Filter::parse(query.get("q")) {
            Ok(filter) => filter,
            Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong),
        };
        let index = self.index();
        let calls = query.select(&index, &filter);
        json(&serde_json::to_value(totals(&calls)).unwrap_or_default())
    }

    fn call(&self, query: &Query) -> Answer {
        let index = self.index();
        let Some(call) = index.find_call(query.get("id")) else {
            return error(
                StatusCode::NOT_FOUND,
                "call not found; its recording may have been deleted, so reload the page",
            );
        };
        let (places, number) = (index.places(call), call.number);
        let mut answer = json!({"call": index.summary(call), "run": index.run_of(call)});
        // Other requests need not wait while the files are read.
        drop(index);
        let limit = query.number("limit").unwrap_or(SHOWN).min(LONGEST_BODY);
        let mut recorded = match detail::read(&places, number) {
            Ok(recorded) => recorded,
            Err(problem) => return error(StatusCode::NOT_FOUND, &format!("the recording cannot be read: {problem}")),
        };
        for (name, mut messages) in [("input", recorded.input()), ("output", recorded.output())] {
            messages::limit(&mut messages, limit);
            if let Some(answer) = answer.as_object_mut() {
                answer.insert(name.to_owned(), json!(messages));
            }
        }
        recorded.limit(limit);
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("attempts".to_owned(), json!(recorded.attempts));
            answer.insert("end".to_owned(), json!(recorded.end));
        }
        json(&answer)
    }

    fn export(&self, query: &Query) -> Answer {
        let Some(format) = Format::parse(query.get("format")) else {
            return error(StatusCode::BAD_REQUEST, "the format is unknown");
        };
        let index = self.index();
        let Some(call) = index.find_call(query.get("id")) else {
            return error(
                StatusCode::NOT_FOUND,
                "call not found; its recording may have been deleted, so reload the page",
            );
        };
        let mut text = Vec::new();
        match export::export(format, &index, &[call], &mut text) {
            Ok(()) => body(StatusCode::OK, "text/plain; charset=utf-8", text),
            Err(problem) => error(StatusCode::NOT_FOUND, &format!("the recording cannot be read: {problem}")),
        }
    }

    /// Returns a stream of events with the version of the index.
    fn live(&self) -> Answer {
        let mut version = self.version.subscribe();
        let (events, received) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let event = format!("data: {}\n\n", *version.borrow_and_update());
                if events.send(Bytes::from(event)).await.is_err() {
                    return;
                }
                if let Ok(Err(_)) = tokio::time::timeout(HEARTBEAT, version.changed()).await {
                    return;
                }
            }
        });
        let mut answer = Response::new(Either::Right(Live(received)));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        answer
    }
}

/// The body of a stream of events.
pub(crate) struct Live(mpsc::Receiver<Bytes>);

impl Body for Live {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// The parameters of a request.
struct Query(HashMap<String, String>);

impl Query {
    fn of(query: &str) -> Self {
        let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.get(name).parse().ok()
    }

    /// Returns the calls that match a filter, of one run if the parameters name one.
    fn select<'a>(&self, index: &'a Index, filter: &Filter) -> Vec<&'a Call> {
        let run = self.get("run");
        let is_of_run = |call: &Call| run.is_empty() || index.run_of(call).is_some_and(|known| known.id == run);
        index.calls.iter().filter(|call| is_of_run(call) && filter.matches(index, call)).collect()
    }
}

fn body(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn json(value: &Value) -> Answer {
    body(StatusCode::OK, "application/json", value.to_string())
}

fn error(status: StatusCode, message: &str) -> Answer {
    body(status, "application/json", json!({"error": message}).to_string())
}
