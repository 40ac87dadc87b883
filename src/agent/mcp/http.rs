//! Streamable HTTP, over the transports of this crate.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
    WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, HttpStatusError, SseError, StreamableHttpClient, StreamableHttpClientTransportConfig,
    StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
};
use sse_stream::Sse;

use super::{McpError, McpServer};
use crate::core::body::Body;
use crate::core::header::parse_header;
use crate::core::hidden;
use crate::core::sse::{SseDecoder, SseEvent};
use crate::core::transport::{HyperTransport, Transport, TransportError, TransportErrorKind};
use crate::errors::{Cause, InvalidRequestError};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// A connection to an MCP server over streamable HTTP that is not made yet: [`McpServer::http`]. Await it.
#[must_use = "nothing is sent before it is awaited"]
pub struct McpHttp {
    url: String,
    headers: HeaderMap,
    transport: Option<Arc<dyn Transport>>,
    invalid: Option<InvalidRequestError>,
}

impl McpHttp {
    pub(super) fn new(url: String) -> Self {
        Self { url, headers: HeaderMap::new(), transport: None, invalid: None }
    }

    /// Adds a header to every request. Its value is never shown.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match parse_header("header", name.as_ref(), value.as_ref()) {
            Ok((name, mut value)) => {
                value.set_sensitive(true);
                self.headers.insert(name, value);
            }
            Err(error) => self.invalid = self.invalid.or(Some(error)),
        }
        self
    }

    /// Sets the token that is sent as `Authorization: Bearer`. It is never shown.
    pub fn bearer_token(self, token: impl AsRef<str>) -> Self {
        self.header(AUTHORIZATION, format!("Bearer {}", token.as_ref().trim()))
    }

    /// Sets the transport, for proxies, certificates and the like. Default: a
    /// [`HyperTransport`](crate::core::transport::HyperTransport) of its own.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    async fn connect(self) -> Result<McpServer, McpError> {
        let invalid = |error: InvalidRequestError| McpError::transport("the MCP server cannot be called", error);
        if let Some(error) = self.invalid {
            return Err(invalid(error));
        }
        check_url(&self.url).map_err(invalid)?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => {
                let transport = HyperTransport::new();
                Arc::new(transport.map_err(|error| McpError::transport("the transport cannot be made", error))?)
            }
        };
        let client = HttpClient { transport, headers: Arc::new(self.headers) };
        // Headers and tokens stay here, so that nothing else can show them.
        let config = StreamableHttpClientTransportConfig::with_uri(self.url);
        let transport = StreamableHttpClientTransport::with_client(client, config);
        Ok(McpServer(Arc::new(McpServer::connect(transport).await?)))
    }
}

fn check_url(url: &str) -> Result<(), InvalidRequestError> {
    let wrong = |message: &str| InvalidRequestError::new("url", format!("is {:?}, {message}", hidden::url(url)));
    let uri = url.parse::<Uri>().map_err(|error| wrong("which is not a URL").caused_by(error))?;
    match (uri.scheme_str(), uri.authority()) {
        (_, Some(authority)) if authority.as_str().contains('@') => {
            Err(wrong("since it holds a user name or a password; set a header instead"))
        }
        (Some("http" | "https"), Some(_)) => Ok(()),
        _ => Err(wrong("which does not begin with https:// or http://")),
    }
}

impl IntoFuture for McpHttp {
    type Output = Result<McpServer, McpError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl fmt::Debug for McpHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpHttp")
            .field("url", &hidden::url(&self.url))
            .field("headers", &hidden::Headers(&self.headers))
            .finish_non_exhaustive()
    }
}

/// The requests of the protocol.
#[derive(Clone)]
struct HttpClient {
    transport: Arc<dyn Transport>,
    headers: Arc<HeaderMap>,
}

type HttpError = StreamableHttpError<TransportError>;
type Events = Pin<Box<dyn Stream<Item = Result<Sse, SseError>> + Send>>;

/// What all requests have: where they go, the session, and the headers of the protocol.
struct Target {
    url: Arc<str>,
    session: Option<Arc<str>>,
    headers: HashMap<HeaderName, HeaderValue>,
}

impl HttpClient {
    async fn send(
        &self,
        method: Method,
        target: Target,
        more: HeaderMap,
        body: Body,
    ) -> Result<Response<Body>, HttpError> {
        let request = Request::builder().method(method).uri(&*target.url).body(body);
        let mut request = request.map_err(refused)?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("openrouter-kit/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.extend(HeaderMap::clone(&self.headers));
        headers.extend(target.headers);
        headers.extend(more);
        if let Some(session) = target.session.as_deref() {
            headers.insert(SESSION_ID, text(session)?);
        }
        let sent = self.transport.send(request).await;
        let response = sent.map_err(StreamableHttpError::Client)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            let challenge = challenge.unwrap_or_default().to_owned();
            return Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(challenge)));
        }
        Ok(response)
    }
}

fn text(value: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(value).map_err(refused)
}

fn refused(error: impl Into<Cause>) -> HttpError {
    StreamableHttpError::Client(TransportError::new(TransportErrorKind::Request, error))
}

fn accepts(media_types: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(media_types))])
}

fn failed(status: StatusCode) -> HttpError {
    HttpStatusError::new(status.as_u16(), None).into()
}

/// Whether a response has this media type, whatever its parameters.
fn has_type(response: &Response<Body>, media_type: &str) -> bool {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(media_type))
}

/// A body of at most `limit` bytes.
async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, HttpError> {
    let mut collected = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(bytes) = frame.map_err(StreamableHttpError::Client)?.into_data() else { continue };
        if bytes.len() > limit - collected.len() {
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size: limit });
        }
        collected.extend_from_slice(&bytes);
    }
    Ok(collected)
}

impl StreamableHttpClient for HttpClient {
    type Error = TransportError;

    async fn post_message(
        &self,
        url: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        authorization: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, HttpError> {
        let limits = StreamableHttpResponseLimits::default();
        self.post_message_with_response_limits(url, message, session, authorization, headers, limits).await
    }

    async fn post_message_with_response_limits(
        &self,
        url: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, HttpError> {
        let is_request = matches!(message, JsonRpcMessage::Request(_));
        let has_session = session.is_some();
        let discovery = discovery_of(&message).filter(|_| !has_session);
        let body = Body::from(serde_json::to_vec(&message)?);
        let mut more = accepts("application/json, text/event-stream");
        more.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        let response = self.send(Method::POST, Target { url, session, headers }, more, body).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(StreamableHttpError::SessionExpired);
        }
        if status.is_success() && !is_request {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if let Some(id) = discovery
            && status.is_client_error()
            && status != StatusCode::FORBIDDEN
        {
            return refused_discovery(id, response, limits).await;
        }
        let session = response.headers().get(SESSION_ID).and_then(|value| value.to_str().ok()).map(str::to_owned);
        if status.is_success() && has_type(&response, EVENTS) {
            let events = read_events(response.into_body(), limits.max_sse_event_size);
            return Ok(StreamableHttpPostResponse::Sse(events, session));
        }
        if !has_type(&response, JSON) {
            return Err(if status.is_success() {
                let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                StreamableHttpError::UnexpectedContentType(media_type.map(str::to_owned))
            } else {
                failed(status)
            });
        }
        let body = collect(response.into_body(), limits.max_json_response_size).await?;
        match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(message @ JsonRpcMessage::Error(_)) => Ok(StreamableHttpPostResponse::Json(message, session)),
            _ if !status.is_success() => Err(failed(status)),
            message => Ok(StreamableHttpPostResponse::Json(message?, session)),
        }
    }

    async fn delete_session(
        &self,
        url: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), HttpError> {
        let target = Target { url, session: Some(session), headers };
        let response = self.send(Method::DELETE, target, HeaderMap::new(), Body::empty()).await?;
        // Servers need not support it.
        let is_done = response.status().is_success() || response.status() == StatusCode::METHOD_NOT_ALLOWED;
        if is_done { Ok(()) } else { Err(failed(response.status())) }
    }

    async fn get_stream(
        &self,
        url: Arc<str>,
        session: Option<Arc<str>>,
        last_event_id: Option<String>,
        authorization: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Events, HttpError> {
        let limit = StreamableHttpResponseLimits::default().max_sse_event_size;
        self.get_stream_with_max_sse_event_size(url, session, last_event_id, authorization, headers, limit).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        url: Arc<str>,
        session: Option<Arc<str>>,
        last_event_id: Option<String>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
        limit: usize,
    ) -> Result<Events, HttpError> {
        let mut more = accepts(EVENTS);
        if let Some(id) = last_event_id {
            more.insert(LAST_EVENT_ID, text(&id)?);
        }
        let response = self.send(Method::GET, Target { url, session, headers }, more, Body::empty()).await?;
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportSse),
            status if !status.is_success() => Err(failed(status)),
            _ if !has_type(&response, EVENTS) => Err(StreamableHttpError::ServerDoesNotSupportSse),
            _ => Ok(read_events(response.into_body(), limit)),
        }
    }
}

/// The id of a request that asks which versions of the protocol the server speaks.
fn discovery_of(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Request(request) => {
            matches!(request.request, ClientRequest::DiscoverRequest(_)).then(|| request.id.clone())
        }
        _ => None,
    }
}

/// The response of a server that does not know the request for its versions. It may have any form, and no id.
async fn refused_discovery(
    id: RequestId,
    response: Response<Body>,
    limits: StreamableHttpResponseLimits,
) -> Result<StreamableHttpPostResponse, HttpError> {
    let status = response.status();
    let body = collect(response.into_body(), limits.max_json_response_size).await.unwrap_or_default();
    let error = match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
        Ok(JsonRpcMessage::Error(error)) => error.error,
        _ => ErrorData::invalid_request(format!("HTTP {}", status.as_u16()), None),
    };
    Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(id)), None))
}

fn read_events(body: Body, limit: usize) -> Events {
    Box::pin(EventReader { body: Some(body), decoder: SseDecoder::new(limit) })
}

/// The events of a body.
struct EventReader {
    /// `None` once it has ended or failed.
    body: Option<Body>,
    decoder: SseDecoder,
}

impl Stream for EventReader {
    type Item = Result<Sse, SseError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            match this.decoder.next() {
                Some(Ok(event)) => return Poll::Ready(Some(Ok(owned(event)))),
                Some(Err(error)) => {
                    this.body = None;
                    return Poll::Ready(Some(Err(SseError::Body(Box::new(error)))));
                }
                None => {}
            }
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => this.decoder.push(frame.into_data().unwrap_or_else(|_| Bytes::new())),
                Some(Err(error)) => {
                    this.body = None;
                    return Poll::Ready(Some(Err(SseError::Body(Box::new(error)))));
                }
                None => {
                    this.body = None;
                    return Poll::Ready(this.decoder.finish().map(owned).map(Ok));
                }
            }
        }
    }
}

fn owned(event: SseEvent<'_>) -> Sse {
    let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Sse {
        event: named(event.event),
        data: Some(event.data.to_owned()),
        id: named(event.id),
        retry: event.retry.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
    }
}
