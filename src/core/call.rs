//! A call: one request with its options, sent by `.await`, and what it answers with.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::client::{OpenRouterCore, ServerUrl, Timeouts};
use super::event_stream::{EventStream, StreamItem};
use super::execute::{Exchange, Expected, execute};
use super::hidden::Headers;
use super::operation::Parts;
use super::raw_events::RawEvents;
use super::retry::RetryConfig;
use super::sse::SseDecoder;
use super::wire::{self, Json, Root};
use crate::errors::{ApiError, Error, ResponseValidationError};

/// What a call may answer with: a model type (a JSON body), an [`EventStream`], a
/// [`Download`](super::Download), or `()` where the body says nothing; [`RawEvents`] and [`Bytes`] for raw calls.
///
/// It is implemented for these and cannot be implemented outside of this crate.
pub trait Answer: sealed::FromExchange {}

impl<T: sealed::FromExchange> Answer for T {}

pub(crate) mod sealed {
    use crate::core::execute::{Exchange, Expected};
    use crate::errors::Error;

    pub trait FromExchange: Sized {
        #[doc(hidden)]
        const EXPECTED: Expected;

        #[doc(hidden)]
        fn from_exchange(exchange: Exchange) -> Result<Self, Error>;
    }
}

impl<T: Root> sealed::FromExchange for T {
    const EXPECTED: Expected = Expected::Json;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        let decoded = exchange.text().and_then(|text| wire::decode::<T>(text));
        match decoded {
            Ok(value) if !value.reports_error() => Ok(value),
            Ok(_) => Err(exchange.into_api_error()),
            Err(_) if exchange.is_error_body() => Err(exchange.into_api_error()),
            Err(error) => match exchange.events()? {
                Some(events) => T::from_events(&events.iter().map(String::as_str).collect::<Vec<_>>()),
                None => exchange.text().ok().and_then(wire::decode_inside),
            }
            .ok_or_else(|| exchange.into_misfit(error)),
        }
    }
}

impl sealed::FromExchange for Bytes {
    const EXPECTED: Expected = Expected::Json;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        Ok(exchange.body.as_bytes().cloned().unwrap_or_default())
    }
}

impl sealed::FromExchange for () {
    const EXPECTED: Expected = Expected::Nothing;

    fn from_exchange(_: Exchange) -> Result<Self, Error> {
        Ok(())
    }
}

/// The options of one call.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) timeouts: Timeouts,
    pub(crate) retry_config: Option<RetryConfig>,
    pub(crate) retry_codes: Option<Vec<u16>>,
    pub(crate) repeat_received: bool,
    pub(crate) server: Option<ServerUrl>,
    pub(crate) extra_body: Vec<(String, Json)>,
    pub(crate) metadata: bool,
}

/// A request that is ready to be sent; `.await` sends it.
///
/// The methods set options for this call alone; they win over those of the client. A mistake in an argument is kept, and
/// `.await` returns the first one as [`Error::InvalidRequest`] before anything is sent.
///
/// Dropping the future, or the stream it answers with, closes the connection (HTTP/1.1) or resets the stream (HTTP/2) at
/// once, which makes many providers stop and bill no more.
#[must_use = "nothing is sent before the call is awaited"]
pub struct Call<'a, T> {
    core: &'a OpenRouterCore,
    parts: Parts,
    options: Options,
    answer: PhantomData<fn() -> T>,
}

impl<'a, T> Call<'a, T> {
    /// A call of `parts` by `core`, without options of its own.
    pub fn new(core: &'a OpenRouterCore, parts: Parts) -> Self {
        let options = Options {
            timeouts: core.inner().timeouts,
            retry_config: None,
            retry_codes: None,
            repeat_received: false,
            server: None,
            extra_body: Vec::new(),
            metadata: false,
        };
        Self::from_parts(core, parts, options)
    }

    pub(crate) const fn from_parts(core: &'a OpenRouterCore, parts: Parts, options: Options) -> Self {
        Self { core, parts, options, answer: PhantomData }
    }

    pub(crate) fn into_parts(self) -> (&'a OpenRouterCore, Parts, Options) {
        (self.core, self.parts, self.options)
    }

    /// The limit for the whole call, with retries and waits: up to the whole body, or up to the head of the answer for a
    /// stream or a download. `None` for no limit.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.timeouts.total = limit.into();
        self
    }

    /// The limit for making a connection.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.timeouts.connect = Some(limit);
        self
    }

    /// The limit for the head of the answer, from the start of an attempt. `None` for no limit.
    pub fn response_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.timeouts.response = limit.into();
        self
    }

    /// The limit between two chunks of the body. `None` for no limit.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.timeouts.idle = limit.into();
        self
    }

    /// Sets the limit between two events of a stream, [`Timeouts::event`]. `None` for no limit.
    pub fn event_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.timeouts.event = limit.into();
        self
    }

    /// When this request is sent again if it fails.
    pub fn retries(mut self, retry_config: RetryConfig) -> Self {
        self.options.retry_config = Some(retry_config);
        self
    }

    /// Sets the statuses that are retried, [`RetryConfig::status_codes`], for this call.
    pub fn retry_codes(mut self, status_codes: impl IntoIterator<Item = u16>) -> Self {
        self.options.retry_codes = Some(status_codes.into_iter().collect());
        self
    }

    /// Sets whether the request is retried even if the server may have received it, which may charge a paid operation
    /// twice. By default, such a request is retried only if its method is idempotent (GET, PUT, DELETE).
    pub fn repeat_received(mut self, allowed: bool) -> Self {
        self.options.repeat_received = allowed;
        self
    }

    /// A header for this request. It wins over one of the same name that the client sets, `Authorization` included.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.parts.set_header(name.as_ref(), value.as_ref());
        self
    }

    /// A member for the JSON body, for what the models do not know. It replaces a member of the same name. A call without
    /// a JSON body and the name `stream`, which the function decides, are mistakes.
    pub fn extra_body(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.options.extra_body.push((name.into(), value.into()));
        self
    }

    /// Where this request goes, in place of the server URL of the client. The API key goes there too.
    pub fn server_url(mut self, server_url: impl AsRef<str>) -> Self {
        match ServerUrl::parse(server_url.as_ref()) {
            Ok(server) => self.options.server = Some(server),
            Err(mistake) => self.parts.keep(mistake),
        }
        self
    }

    /// Whether the answer shall tell how it was routed, as `openrouter_metadata` (header `X-OpenRouter-Metadata:
    /// enabled`). For an operation that does not know the header it is a mistake.
    pub fn metadata(mut self, wanted: bool) -> Self {
        self.options.metadata = wanted;
        self
    }

    /// Answers with status, headers, generation id and raw body beside the value. It is the last option to be set.
    pub fn with_response(self) -> CallWithResponse<'a, T> {
        CallWithResponse(self)
    }
}

impl<'a, T: Root> Call<'a, T> {
    /// Returns the body as it is received, without decoding it or looking for an error in it. Follow it with
    /// [`with_response`](Self::with_response) for the status and headers. Set other options first.
    pub fn raw(self) -> Call<'a, Bytes> {
        Call { core: self.core, parts: self.parts, options: self.options, answer: PhantomData }
    }
}

impl<'a, T: StreamItem> Call<'a, EventStream<T>> {
    /// Returns the events as they are received, without decoding them: [`RawEvents`]. Set other options first.
    pub fn raw(self) -> Call<'a, RawEvents<T>> {
        Call { core: self.core, parts: self.parts, options: self.options, answer: PhantomData }
    }
}

impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("parts", &self.parts)
            .field("timeouts", &self.options.timeouts)
            .finish_non_exhaustive()
    }
}

impl<'a, T: Answer> IntoFuture for Call<'a, T> {
    type Output = Result<T, Error>;
    type IntoFuture = CallFuture<'a, T>;

    fn into_future(self) -> CallFuture<'a, T> {
        CallFuture {
            exchange: Box::pin(execute(self.core, self.parts, self.options, T::EXPECTED)),
            read: T::from_exchange,
        }
    }
}

/// A [`Call`] that answers with a [`Response`].
#[must_use = "nothing is sent before the call is awaited"]
pub struct CallWithResponse<'a, T>(Call<'a, T>);

impl<T> fmt::Debug for CallWithResponse<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a, T: Answer> IntoFuture for CallWithResponse<'a, T> {
    type Output = Result<Response<T>, Error>;
    type IntoFuture = CallFuture<'a, Response<T>>;

    fn into_future(self) -> CallFuture<'a, Response<T>> {
        let Call { core, parts, options, .. } = self.0;
        CallFuture { exchange: Box::pin(execute(core, parts, options, T::EXPECTED)), read: Response::from_exchange }
    }
}

/// The future of a [`Call`].
#[must_use = "futures do nothing unless polled"]
pub struct CallFuture<'a, T> {
    /// The same future for every operation and type; types appear when its outcome is read.
    exchange: Pin<Box<dyn Future<Output = Result<Exchange, Error>> + Send + 'a>>,
    read: fn(Exchange) -> Result<T, Error>,
}

impl<T> Future for CallFuture<'_, T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let exchange = ready!(self.exchange.as_mut().poll(cx))?;
        let progress = exchange.progress;
        Poll::Ready((self.read)(exchange).map_err(|error| progress.add_to(error)))
    }
}

impl<T> fmt::Debug for CallFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

/// An answer with everything that came beside its value.
///
/// `Debug` prints the size of the body instead of its content, and only the names of headers that may hold a secret
/// (`Set-Cookie`, and any not known to be harmless).
#[derive(Clone)]
#[non_exhaustive]
pub struct Response<T> {
    /// What the call answers with.
    pub value: T,
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The id of the generation (`X-Generation-Id`), where the operation generates.
    pub generation_id: Option<String>,
    /// The body as it came; empty for streams and downloads.
    pub body: Bytes,
    /// How often the request was sent.
    pub attempts: u32,
}

impl<T: Answer> Response<T> {
    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        let (status, headers, attempts) = (exchange.status, exchange.headers.clone(), exchange.progress.attempts);
        let body = match T::EXPECTED {
            Expected::Json | Expected::Nothing => exchange.body.as_bytes().cloned().unwrap_or_default(),
            Expected::Events | Expected::Bytes => Bytes::new(),
        };
        let generation_id = generation_id(&headers).map(str::to_owned);
        Ok(Self { value: T::from_exchange(exchange)?, status, headers, generation_id, body, attempts })
    }
}

impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("value", &self.value)
            .field("status", &self.status)
            .field("headers", &Headers(&self.headers))
            .field("generation_id", &self.generation_id)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("attempts", &self.attempts)
            .finish()
    }
}

pub(crate) fn generation_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-generation-id")?.to_str().ok()
}

impl Exchange {
    /// The body without what some servers put around a value: a byte order mark, stream comments, NUL bytes.
    fn value(&self) -> &[u8] {
        let body = self.body.as_bytes().map(|body| &**body).unwrap_or_default();
        let mut value = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        while let [b':', comment @ ..] = value.trim_ascii_start() {
            let end = comment.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(comment.len());
            value = comment.get(end..).unwrap_or_default();
        }
        while let [before @ .., 0] = value.trim_ascii_end() {
            value = before;
        }
        value
    }

    /// The data of the events, if the body is an event stream, or the error that one of them reports.
    fn events(&self) -> Result<Option<Vec<String>>, Error> {
        let start = self.value().trim_ascii_start();
        if !["data:", "event:", "id:", "retry:"].iter().any(|field| start.starts_with(field.as_bytes())) {
            return Ok(None);
        }
        let mut decoder = SseDecoder::new(usize::MAX);
        decoder.push(self.body.as_bytes().map(|body| body.slice_ref(start)).unwrap_or_default());
        // The last event may lack its blank line.
        decoder.push(Bytes::from_static(b"\n\n"));
        let mut events = Vec::new();
        while let Some(Ok(event)) = decoder.next() {
            if event.event == "error" || ApiError::is_error_body(event.data.as_bytes()) {
                let error: Error = self.api_error(Bytes::copy_from_slice(event.data.as_bytes())).into();
                return Err(error.hiding(self.authorization.clone()));
            }
            events.push(event.data.to_owned());
        }
        Ok(Some(events))
    }

    /// The value, if the body was read and is JSON.
    pub(crate) fn json(&self) -> Option<&str> {
        self.text().ok().filter(|text| text.trim_ascii_start().starts_with(['{', '[']))
    }

    /// The value as text.
    fn text(&self) -> Result<&str, wire::DecodeError> {
        str::from_utf8(self.value()).map_err(|_| wire::DecodeError::new("the body is not UTF-8"))
    }

    /// The error that a body with a success status reports.
    pub(crate) fn into_api_error(self) -> Error {
        let body = self.body.as_bytes().cloned().unwrap_or_default();
        let error: Error = self.api_error(body.slice_ref(self.value())).with_body(body).into();
        error.hiding(self.authorization)
    }

    fn api_error(&self, body: Bytes) -> ApiError {
        let head = (self.status, self.headers.clone());
        ApiError::read(self.operation_id, head, body, super::time::now())
    }

    /// Whether the body is an error in one of the other forms that servers have for it.
    fn is_error_body(&self) -> bool {
        ApiError::is_error_body(self.value())
    }

    /// A body that is not the expected response.
    pub(crate) fn into_misfit(self, error: wire::DecodeError) -> Error {
        let body = self.body.as_bytes().cloned().unwrap_or_default();
        let path = error.path().to_owned();
        let head = (self.status, self.headers);
        ResponseValidationError::new(self.operation_id, head, body, path, error).into()
    }
}
