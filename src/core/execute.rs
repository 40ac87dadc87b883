//! The one path of every call, whatever its operation and types: key → hooks → transport → status →
//! hooks → retry.
//!
//! A call is a loop over attempts. Each attempt builds the request anew (`request`), since hooks
//! and key sources may change it, sends it with the transport, and turns the outcome into a value
//! or an error (`accept`, `error_for_status`). `decide` in `retry.rs` then says whether there is
//! another attempt.
//!
//! Two rules keep this correct. The API key is only added for the origin of the server URL,
//! whatever a hook does to the request. And a request that the server may have processed is only
//! repeated if the operation or the call allows it, so the error of an attempt has to know how far
//! the exchange had progressed.
//!
//! There are no type parameters here: the code exists once in the program, whatever the number of
//! operations.

use std::borrow::Cow;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::uri::Authority;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;

use super::body::Body;
use super::client::{Inner, OpenRouterCore};
use super::exchange::{Exchange, Expected, Progress};
use super::head::Head;
use super::hidden::{self, hide_values, is_harmless};
use super::incoming::{Collected, End, Incoming};
use super::key::Key;
use super::operation::{Authentication, OperationRef, Parts, Payload};
use super::options::Options;
use super::retry::{Failure, RetryConfig};
use super::runtime;
use super::server_url::ServerUrl;
use super::time::{self, Instant, sleep};
use super::timeouts::Timeouts;
use super::transport::{CONNECT_TIMEOUT, ConnectTimeout, Connecting};
use super::within::within;
use crate::errors::{
    ApiError, Error, Extent, ResponseValidationError, TimeoutError, TimeoutPhase, UnexpectedError, coding, is_page,
};
use crate::hooks::{HookContext, Hooks, RequestInput, Retry, RetryReason};

const METADATA: HeaderName = HeaderName::from_static("x-openrouter-metadata");

/// How long the body of an error is read, in total. The status is already known, and the body
/// nearly always arrives with the head; after this time, what has arrived is used as the body.
const ERROR_BODY: Duration = Duration::from_secs(5);

/// How long hooks may take to end what they began, once the time of the whole call is up.
const LAST_HOOKS: Duration = Duration::from_secs(1);

/// Sends a request, with all its attempts.
pub(crate) async fn execute(
    core: OpenRouterCore,
    parts: Parts,
    options: Options,
    expected: Expected,
) -> Result<Exchange, Error> {
    let operation = parts.operation().clone();
    if let Err(reason) = runtime::current() {
        let error = Error::invalid("runtime", reason).of_operation(operation.id());
        return Err(error.of_function(operation.function()));
    }
    let total = options.timeouts.total;
    let began = Instant::now();
    let attempts = AtomicU32::new(0);
    let progress = || Progress {
        function: operation.function(),
        attempts: attempts.load(Ordering::Relaxed),
        began,
        is_repeatable: operation.is_repeatable(),
    };
    let plan = match Plan::new(core.inner(), parts, options, expected) {
        Ok(plan) => plan,
        Err(error) => return Err(progress().add_to(error.of_operation(operation.id()))),
    };
    let mut hooks = plan.hooks(began);
    let outcome = {
        // Pinned here: as an argument, it would take up its size twice.
        let running = pin!(plan.run(&mut hooks, began, &attempts));
        within(total, running).await
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        // Boxed, since it is rare.
        Err(limit) => Box::pin(plan.expire(&mut hooks, limit)).await,
    };
    match outcome {
        Ok(exchange) => Ok(Exchange { progress: progress(), call: hooks.call().cloned(), ..exchange }),
        Err(error) => {
            let error = progress().add_to(error.of_operation(operation.id()));
            if let Some(call) = hooks.call() {
                call.failed(&error);
            }
            Err(error)
        }
    }
}

/// Everything that all attempts of a call have in common.
struct Plan<'a> {
    client: &'a Inner,
    operation: OperationRef,
    url: Uri,
    headers: HeaderMap,
    payload: Payload,
    expected: Expected,
    timeouts: Timeouts,
    /// `None` if the configuration of the client is used.
    retry_config: Option<Box<RetryConfig>>,
    /// `None` if the key of the client is used.
    key: Option<Key>,
    extensions: Extensions,
    repeatable: bool,
    wants_metadata: bool,
    base_url: Option<String>,
}

impl<'a> Plan<'a> {
    /// Checks everything; from here on nothing is wrong with the arguments.
    fn new(client: &'a Inner, parts: Parts, options: Options, expected: Expected) -> Result<Self, Error> {
        let operation = parts.operation().clone();
        let own_server = match operation.server().filter(|_| client.server.is_default()) {
            Some(server) if options.server.is_none() => Some(Box::new(ServerUrl::parse(server)?)),
            _ => options.server,
        };
        let server = own_server.as_deref().unwrap_or(&client.server);
        let request = parts.finish(options.extra_body)?;
        options.timeouts.check()?;
        if options.metadata && !operation.metadata_header() {
            return Err(Error::invalid("metadata", "is not supported by this operation; leave it out"));
        }
        if let Some(config) = &options.retry_config {
            config.check()?;
        }
        let url = server.join(&request.target).map_err(|error| {
            let message = format!("{:?} is not a valid URL path", hidden::url(&request.target));
            UnexpectedError::new(operation.id(), message, error)
        })?;

        let mut headers = client.headers.clone();
        if options.key.is_some() {
            headers.remove(AUTHORIZATION);
        }
        headers.insert(ACCEPT, expected.media_type());
        if let Some(media_type) = &request.payload.media_type {
            headers.insert(CONTENT_TYPE, media_type.clone());
        }
        if options.metadata {
            headers.insert(METADATA, HeaderValue::from_static("enabled"));
        }
        headers.extend(request.headers);
        let key = options.key.as_ref().unwrap_or(&client.key);
        let wants_key = operation.authentication() == Authentication::Required;
        if wants_key && !key.is_set() && !headers.contains_key(AUTHORIZATION) {
            return Err(Error::missing_key());
        }
        Ok(Self {
            client,
            repeatable: options.repeat_received || operation.is_repeatable(),
            operation,
            url,
            headers,
            payload: request.payload,
            expected,
            timeouts: options.timeouts,
            retry_config: options.retry_config,
            key: options.key,
            extensions: options.extensions,
            wants_metadata: options.metadata,
            base_url: own_server.map(|server| server.as_str().to_owned()),
        })
    }

    /// Sends the request until it succeeds or the retry configuration says to stop. The attempts
    /// are counted in `attempts`.
    async fn run(&self, hooks: &mut Hooks, began: Instant, attempts: &AtomicU32) -> Result<Exchange, Error> {
        let retry_config = self.retry_config();
        let mut attempt = 1;
        let mut retry = None;
        let mut last: Option<Error> = None;
        loop {
            attempts.store(attempt, Ordering::Relaxed);
            hooks.begin(attempt, retry);
            let outcome = self.attempt(hooks).await;
            hooks.over();
            let mut error = match (outcome, last) {
                (Ok(exchange), _) => {
                    self.client.budget.succeeded();
                    return Ok(exchange);
                }
                // This attempt sent nothing, but those before it did.
                (Err(error @ Error::InvalidRequest(_)), Some(last)) => {
                    attempts.store(attempt - 1, Ordering::Relaxed);
                    hooks.attempt_failed(&error, None);
                    return Err(last.with_failed_repeat(error));
                }
                (Err(error), _) => error,
            };
            let failure = Failure::of(&error);
            let wait = retry_config.decide(attempt, began.elapsed(), failure, self.repeatable, fastrand::f64());
            let decided = match wait {
                Some(_) if !self.payload.can_repeat() => {
                    error = error.with_spent_body();
                    None
                }
                Some(wait) => self.client.budget.take().map(|taken| (wait, taken)),
                None => None,
            };
            let wait = decided.as_ref().map(|(wait, _)| *wait);
            retry = wait.and_then(|wait| Some(Retry { wait, reason: RetryReason::of(&error)? }));
            hooks.attempt_failed(&error, retry);
            let Some((wait, taken)) = decided else { return Err(error) };
            last = Some(error);
            sleep(wait).await;
            taken.spend();
            attempt += 1;
        }
    }

    /// Ends a call whose time is up. Hooks that saw an attempt begin also see it end, if they do
    /// not take long.
    async fn expire(&self, hooks: &mut Hooks, limit: Duration) -> Result<Exchange, Error> {
        let expired = || Error::from(TimeoutError::new(self.operation.id(), TimeoutPhase::Total, limit));
        if !hooks.is_under_way() {
            return Err(expired());
        }
        let outcome = within(Some(LAST_HOOKS), pin!(self.settle(hooks, Err(expired())))).await;
        let outcome = outcome.unwrap_or_else(|_| Err(expired()));
        if let Err(error) = &outcome {
            hooks.attempt_failed(error, None);
        }
        outcome
    }

    fn retry_config(&self) -> &RetryConfig {
        self.retry_config.as_deref().unwrap_or(&self.client.retry_config)
    }

    fn hooks(&self, began: Instant) -> Hooks {
        Hooks::new(self.client.hooks(), self.timeouts.hook, || {
            let base_url = self.base_url.clone().unwrap_or_else(|| self.client.server.as_str().to_owned());
            let is_stream = self.expected == Expected::Events;
            let retry_config = self.retry_config().clone();
            HookContext::new(self.operation.clone(), base_url, retry_config, self.timeouts, began).with_call(
                is_stream,
                self.wants_metadata,
                self.extensions.clone(),
            )
        })
    }

    async fn attempt(&self, hooks: &mut Hooks) -> Result<Exchange, Error> {
        let request = match self.request(hooks).await {
            Ok(request) => request,
            Err(error) => return Box::pin(self.settle(hooks, Err(error))).await,
        };
        let authorization = request.headers().get(AUTHORIZATION).cloned();
        match self.exchange(hooks, request).await {
            Ok(exchange) => Ok(Exchange { authorization, ..exchange }),
            Err(error) => Err(error.hiding(authorization)),
        }
    }

    async fn exchange(&self, hooks: &mut Hooks, request: Request<Body>) -> Result<Exchange, Error> {
        let failure = match self.send(hooks, request).await {
            Ok(response) if response.status().is_success() => match hooks.after_success(response).await {
                Ok(response) => match self.accept(response).await {
                    Err(error @ (Error::Connection(_) | Error::Timeout(_) | Error::Cancelled(_))) => Err(error),
                    outcome => return outcome,
                },
                Err(error) => Err(error),
            },
            Ok(response) => Ok(self.buffered(response).await),
            Err(error) => Err(error),
        };
        self.settle(hooks, failure).await
    }

    /// What hooks make of an attempt that failed.
    async fn settle(&self, hooks: &mut Hooks, failure: Result<Response<Body>, Error>) -> Result<Exchange, Error> {
        self.accept(hooks.after_error(failure).await?).await
    }

    /// Receives a response with a success status; any other is an error.
    async fn accept(&self, response: Response<Body>) -> Result<Exchange, Error> {
        if response.status().is_success() {
            return self.receive(response).await;
        }
        Err(self.error_for_status(self.buffered(response).await))
    }

    /// Makes the HTTP request, with the changes of the hooks and with the API key, which is only
    /// sent to the origin of the server URL.
    async fn request(&self, hooks: &mut Hooks) -> Result<Request<Body>, Error> {
        let body = match self.payload.body() {
            Some(body) => body,
            None => Box::pin(self.limited(self.payload.open())).await?,
        };
        let mut input = RequestInput::new(self.url.clone(), self.headers.clone(), body);
        hooks.before_create_request(&mut input).await?;
        let wants_key = self.operation.authentication() != Authentication::None
            && !input.headers.contains_key(AUTHORIZATION)
            && same_origin(&input.url, &self.url);
        let key = self.key.as_ref().unwrap_or(&self.client.key);
        let key = match key {
            _ if !wants_key => None,
            Key::None => None,
            Key::Fixed(key) => Some(key.clone()),
            Key::Source(source) => Some(Box::pin(self.limited(Key::ask(source))).await?),
        };
        if let Some(key) = &key {
            input.headers.insert(AUTHORIZATION, key.clone());
        }
        let mut request = Request::new(input.body);
        *request.method_mut() = self.operation.method().clone();
        *request.uri_mut() = input.url;
        *request.headers_mut() = input.headers;
        if let Some(limit) = self.timeouts.connect.filter(|_| self.timeouts.connect != self.client.transport_limit) {
            request.extensions_mut().insert(ConnectTimeout(limit));
        }
        hooks.before_request(&mut request).await?;
        let is_ours = || key.is_some() && request.headers().get(AUTHORIZATION) == key.as_ref();
        if !same_origin(request.uri(), &self.url) {
            if is_ours() {
                request.headers_mut().remove(AUTHORIZATION);
            }
            // Neither are other secrets of the program, such as a key in a custom header.
            for (name, value) in self.headers.iter().filter(|(name, _)| !is_harmless(name)) {
                if request.headers().get(name) == Some(value) {
                    request.headers_mut().remove(name);
                }
            }
        }
        // Some servers refuse a request without a length if its method usually has a body (RFC 9110, section 8.6).
        let usually_has_body = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
        if usually_has_body && request.body().is_end_stream() {
            request.headers_mut().entry(CONTENT_LENGTH).or_insert(const { HeaderValue::from_static("0") });
        }
        Ok(request)
    }

    /// Waits for code of the program, at most until its time limit.
    async fn limited<T, E>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, Error>
    where
        Error: From<E>,
    {
        match within(self.timeouts.hook, pin!(future)).await {
            Ok(outcome) => Ok(outcome?),
            Err(limit) => Err(TimeoutError::new(self.operation.id(), TimeoutPhase::Hook, limit).into()),
        }
    }

    async fn send(&self, hooks: &Hooks, mut request: Request<Body>) -> Result<Response<Body>, Error> {
        hooks.request(&request);
        // A longer limit expires after the one for connecting.
        let may_pass_first = |limit| limit <= self.timeouts.connect.unwrap_or(CONNECT_TIMEOUT);
        let connecting = self.timeouts.response.filter(|limit| may_pass_first(*limit)).map(|_| Connecting::default());
        if let Some(connecting) = &connecting {
            request.extensions_mut().insert(connecting.clone());
        }
        let sent = within(self.timeouts.response, self.client.transport.send(request)).await.map_err(|limit| {
            TimeoutError::new(self.operation.id(), TimeoutPhase::Response, limit)
                .while_connecting(connecting.is_some_and(|connecting| connecting.get()))
        })?;
        let mut response = sent.map_err(|error| Error::from_transport(self.operation.id(), error))?;
        hide_values(response.headers_mut());
        Ok(hooks.response(response))
    }

    fn head(&self, status: StatusCode, headers: HeaderMap) -> Head {
        Head { operation_id: self.operation.id(), status, headers }
    }

    fn incoming(&self, body: Body) -> Incoming {
        Incoming::new(self.operation.id(), body, self.timeouts.idle)
    }

    /// The response with the body of an error, read into memory.
    async fn buffered(&self, response: Response<Body>) -> Response<Body> {
        let (head, body) = response.into_parts();
        // Boxed, since it is rare.
        let (body, _) = Box::pin(self.error_text(body)).await;
        Response::from_parts(head, body.into())
    }

    /// Returns the body of an error, cut at its size and time limits, and whether it is whole. If
    /// the body is cut off, whatever arrived is used.
    async fn error_text(&self, body: Body) -> (Bytes, bool) {
        if let Some(bytes) = body.as_bytes() {
            return (bytes.clone(), true);
        }
        let limit = self.client.limits.error_body;
        let mut read = Collected::default();
        let end = within(Some(ERROR_BODY), pin!(self.incoming(body).collect(&mut read, limit))).await;
        (read.into_bytes(limit), matches!(end, Ok(End::Whole)))
    }

    /// Returns the error for a response without a success status.
    fn error_for_status(&self, response: Response<Body>) -> Error {
        let (head, body) = response.into_parts();
        if head.status.is_client_error() || head.status.is_server_error() {
            let body = body.as_bytes().cloned().unwrap_or_default();
            let head = self.head(head.status, head.headers);
            return ApiError::read(head, body, time::now()).into();
        }
        let message = if head.status.is_redirection() && !head.headers.contains_key(LOCATION) {
            format!("the server responded with {} and no `Location`; check the server URL", head.status)
        } else if head.status.is_redirection() {
            format!(
                "the server responded with {} and points {}; redirects are not followed, so that the API key stays \
                 with the server; set `server_url` to the final address if you trust it",
                head.status,
                destination(&head.headers),
            )
        } else {
            format!("the server responded with {}, which this API does not use; check the server URL", head.status)
        };
        UnexpectedError::status(self.operation.id(), head.status, message).into()
    }

    /// Reads the body of a success, as far as the call expects it to be read, and checks what it
    /// is. Rare paths are boxed, so that they do not enlarge every call.
    async fn receive(&self, response: Response<Body>) -> Result<Exchange, Error> {
        let (head, body) = response.into_parts();
        let mut exchange = Exchange {
            head: self.head(head.status, head.headers),
            authorization: None,
            body,
            progress: Progress {
                function: self.operation.function(),
                attempts: 0,
                began: Instant::now(),
                is_repeatable: self.operation.is_repeatable(),
            },
            idle: self.timeouts.idle,
            event: self.timeouts.event,
            max_event: self.client.limits.event,
            call: None,
        };
        if let Some(coding) = coding(&exchange.head.headers) {
            let message = format!("the body is compressed as {coding}, which was not requested");
            return Err(Box::pin(self.unexpected_body(exchange, message, Extent::Whole)).await);
        }
        match self.expected {
            Expected::Events if is_labelled_events(&exchange.head.headers) => Ok(exchange),
            Expected::Events => Box::pin(self.receive_events(exchange)).await,
            // A stored file may contain anything, even something that looks like an error.
            Expected::Bytes if self.operation.method() == Method::POST => {
                Box::pin(self.receive_generated(exchange)).await
            }
            Expected::Bytes => Ok(exchange),
            Expected::Json | Expected::Nothing => {
                let body = std::mem::take(&mut exchange.body);
                if body.as_bytes().is_some() {
                    exchange.body = body;
                    return Ok(exchange);
                }
                let mut read = Collected::default();
                let end = self.incoming(body).collect(&mut read, self.client.limits.body).await;
                exchange.body = read.into_bytes(self.client.limits.body).into();
                match end {
                    End::Whole => Ok(exchange),
                    End::Broken(error) => Err(error),
                    End::TooLarge => {
                        let message = format!("the body exceeds `max_body` ({} bytes)", self.client.limits.body);
                        Err(Box::pin(self.unexpected_body(exchange, message, Extent::Exceeds("max_body"))).await)
                    }
                }
            }
        }
    }

    /// Reads the first bytes of a body that are not whitespace; `None` if there are more than that.
    async fn read_beginning(&self, incoming: &mut Incoming, read: &mut Collected) -> Option<End> {
        while beginning(read.as_bytes()).is_empty() && read.as_bytes().len() <= self.client.limits.error_body {
            match incoming.collect(read, read.as_bytes().len()).await {
                End::TooLarge => {}
                end => return Some(end),
            }
        }
        None
    }

    /// Reads a body to its end, except that only the start is read if it starts like events.
    async fn read_unless_events(&self, incoming: &mut Incoming, read: &mut Collected) -> Option<End> {
        let end = self.read_beginning(incoming, read).await;
        if end.is_some() || is_events(read.as_bytes()) {
            return end;
        }
        Some(incoming.collect(read, self.client.limits.body).await)
    }

    /// A response that should be an event stream but is not labeled as one. Its first bytes decide:
    /// events are passed on as they arrive; everything else is read as an error.
    async fn receive_events(&self, mut exchange: Exchange) -> Result<Exchange, Error> {
        let mut incoming = self.incoming(std::mem::take(&mut exchange.body));
        let mut read = Collected::default();
        let end = loop {
            let reading = within(Some(ERROR_BODY), pin!(self.read_unless_events(&mut incoming, &mut read))).await;
            match reading {
                Ok(end) => break end,
                Err(_) if is_error_text(&exchange.head.headers, read.as_bytes()) => break None,
                // What may be a whole response, or events, may take its time.
                Err(_) => {}
            }
        };
        if is_events(read.as_bytes()) {
            exchange.body = Self::resumed(incoming, read, end)?;
            return Ok(exchange);
        }
        if matches!(end, Some(End::Whole)) && is_json_value(read.as_bytes()) {
            exchange.body = read.into_bytes(self.client.limits.body).into();
            return Ok(exchange);
        }
        let kind = media_type(&exchange.head.headers).unwrap_or("a response without a media type");
        let message = format!("expected an event stream, found {kind}");
        let extent = match end {
            Some(End::Whole) => Extent::Whole,
            Some(End::TooLarge) => Extent::Exceeds("max_body"),
            Some(End::Broken(_)) | None => Extent::Beginning,
        };
        exchange.body = read.into_bytes(self.client.limits.body).into();
        Err(self.unexpected_body(exchange, message, extent).await)
    }

    /// A response that should be a generated file, such as audio. An HTML page is not one, and what
    /// starts like JSON may be an error, whatever its label says.
    async fn receive_generated(&self, mut exchange: Exchange) -> Result<Exchange, Error> {
        let limit = self.client.limits.error_body;
        let mut incoming = self.incoming(std::mem::take(&mut exchange.body));
        let mut read = Collected::default();
        let mut end = self.read_beginning(&mut incoming, &mut read).await;
        let is_page = is_page(&exchange.head.headers, read.as_bytes());
        let is_json = [b"{", b"["].iter().any(|start| beginning(read.as_bytes()).starts_with(*start));
        if end.is_none() && (is_page || is_json) {
            end = within(Some(ERROR_BODY), pin!(incoming.collect(&mut read, limit))).await.ok();
        }
        // Even if it does not end: a file has no such beginning.
        let is_error = is_json && ApiError::is_error_body(read.as_bytes());
        if is_page || is_error {
            let extent = if matches!(end, Some(End::Whole)) { Extent::Whole } else { Extent::Beginning };
            exchange.body = read.into_bytes(limit).into();
            return Err(self.unexpected_body(exchange, "expected a file, found an HTML page".to_owned(), extent).await);
        }
        exchange.body = Self::resumed(incoming, read, end)?;
        Ok(exchange)
    }

    /// The whole body, including the part already read.
    fn resumed(incoming: Incoming, read: Collected, end: Option<End>) -> Result<Body, Error> {
        let read = read.into_bytes(usize::MAX);
        match end {
            Some(End::Broken(error)) => Err(error),
            Some(End::Whole) => Ok(read.into()),
            Some(End::TooLarge) | None => Ok(Body::resumed(read, incoming.into_body())),
        }
    }

    /// A response that does not match the operation: an error with a success status, or something
    /// else. `extent` is that of a body that was read.
    async fn unexpected_body(&self, exchange: Exchange, message: String, extent: Extent) -> Error {
        let Exchange { head, body, .. } = exchange;
        let (body, is_whole) = self.error_text(body).await;
        let extent = if is_whole { extent } else { Extent::Beginning };
        if ApiError::is_error_body(&body) {
            return ApiError::read(head, body, time::now()).into();
        }
        ResponseValidationError::new(head, body, "", message.into()).with_extent(extent).into()
    }
}

/// The start of a body, after a byte order mark and whitespace.
fn beginning(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start()
}

/// Whether a body starts like events, or is too short to decide.
fn is_events(body: &[u8]) -> bool {
    let start = beginning(body);
    let fields: [&[u8]; 5] = [b"data", b"event", b"id", b"retry", b":"];
    fields.iter().any(|field| start.starts_with(field) || field.starts_with(start))
}

fn is_labelled_events(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| kind.to_ascii_lowercase().contains("event-stream"))
}

/// Whether the start of a body is an HTML page or the start of an error.
fn is_error_text(headers: &HeaderMap, body: &[u8]) -> bool {
    let start: Vec<u8> = beginning(body).iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(15).collect();
    let errors = [&br#"{"error":"#[..], br#"{"type":"error""#];
    is_page(headers, body) || errors.iter().any(|error| start.starts_with(error))
}

/// Returns whether a body is one JSON value that is not an error.
fn is_json_value(body: &[u8]) -> bool {
    let body = beginning(body);
    body.starts_with(b"{") && !ApiError::is_error_body(body)
}

fn same_origin(one: &Uri, other: &Uri) -> bool {
    let port =
        |uri: &Uri| uri.port_u16().or_else(|| if uri.scheme_str() == Some("http") { Some(80) } else { Some(443) });
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    // The same object nearly always. Authorities themselves compare byte by byte, ignoring case.
    (one.authority().map(Authority::as_str) == other.authority().map(Authority::as_str)
        && one.scheme() == other.scheme())
        || (one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other))
}

/// Returns where a redirect points, as far as a message may show it: only the host, since the rest
/// may be secret.
fn destination(headers: &HeaderMap) -> Cow<'static, str> {
    let location = headers.get(LOCATION).map_or(Ok("//"), HeaderValue::to_str).unwrap_or("//");
    let has_scheme = location.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#']));
    let absolute = match location.strip_prefix("//") {
        // The scheme of the request stays.
        Some(rest) => format!("https://{rest}"),
        None if has_scheme => location.to_owned(),
        None => return "to another path of the same host".into(),
    };
    match absolute.parse::<Uri>().ok().as_ref().and_then(Uri::host) {
        Some(host) => format!("to {host}").into(),
        None => "to an address that is not a URL".into(),
    }
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}
