//! A single API call: a request with its options, sent when awaited.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::call_output::CallOutput;
use super::client::OpenRouterCore;
use super::event_stream::{EventStream, StreamItem};
use super::exchange::{Exchange, Expected};
use super::execute::execute;
use super::hidden::Headers;
use super::key::Key;
use super::operation::{Parameters, Parts};
use super::options::Options;
use super::query::QueryValue;
use super::raw_events::RawEvents;
use super::retry::RetryConfig;
use super::server_url::ServerUrl;
use super::timeouts::Timeouts;
use super::wire::{Json, Root};
use crate::errors::Error;

/// A request with its client and options, before it is sent.
pub(crate) struct Draft {
    pub(crate) core: OpenRouterCore,
    pub(crate) parts: Parts,
    pub(crate) options: Options,
}

/// The future of a request that is being sent. It is the same type for every operation.
type Sending = Pin<Box<dyn Future<Output = Result<Exchange, Error>> + Send>>;

impl Draft {
    /// Returns the same request without its body, to be sent again.
    pub(crate) fn copy(&mut self) -> Self {
        Self { core: self.core.clone(), parts: self.parts.copy(), options: self.options.clone() }
    }

    /// Starts or continues to send the request. Without type parameters, so that it is compiled
    /// once.
    fn poll(
        &mut self,
        sending: &mut Option<Sending>,
        expected: Expected,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Exchange, Error>> {
        let future = sending.get_or_insert_with(|| {
            let (parts, options) = (self.parts.take(), mem::take(&mut self.options));
            Box::pin(execute(self.core.clone(), parts, options, expected))
        });
        let outcome = ready!(future.as_mut().poll(cx));
        *sending = None;
        Poll::Ready(outcome)
    }
}

/// A request and its options. It is a future that sends the request when it is awaited.
///
/// The methods set options for this call, which override those of the client. They have an effect
/// until the call is first polled. If arguments are invalid, one of them is reported as
/// [`Error::InvalidRequest`] when the call is awaited, before anything is sent.
///
/// A call owns its client, so it can be joined with others, buffered, and spawned:
///
/// ```no_run
/// # #[cfg(feature = "chat")]
/// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::models::{ChatMessage, ChatRequest};
///
/// let ask = |text: &str| client.chat().send(ChatRequest::new([ChatMessage::user(text)]).model("openai/gpt-4o-mini"));
/// let task = tokio::spawn(ask("What is a future?"));
/// let results = futures_util::future::try_join_all([ask("What is a task?"), ask("What is a thread?")]).await?;
/// println!("{:?} {:?}", task.await??.text(), results[0].text());
/// # Ok(())
/// # }
/// ```
///
/// If an operation has optional parameters, `P` is their type, and [`params`](Self::params) sets
/// them.
///
/// Dropping a call that was polled, or the stream it returned, closes the connection (HTTP/1.1) or
/// resets the stream (HTTP/2) at once, so many providers stop generating and billing.
#[must_use = "a call sends nothing unless awaited"]
pub struct Call<T, P = ()> {
    draft: Box<Draft>,
    sending: Option<Sending>,
    expected: Expected,
    read: fn(Exchange) -> Result<T, Error>,
    params: PhantomData<fn(P)>,
}

impl<T: CallOutput> Call<T> {
    /// Creates a call that sends `parts` with the options of the client.
    pub fn new(core: &OpenRouterCore, parts: Parts) -> Self {
        let options = Options { timeouts: core.inner().timeouts, ..Options::default() };
        Self::from_draft(Draft { core: core.clone(), parts, options })
    }

    pub(crate) fn from_draft(draft: Draft) -> Self {
        let draft = Box::new(draft);
        Self { draft, sending: None, expected: T::EXPECTED, read: T::from_exchange, params: PhantomData }
    }
}

impl<T, P: Parameters> Call<T, P> {
    /// Sets the optional parameters of the operation. Those that are left out take the defaults of
    /// the server.
    ///
    /// ```no_run
    /// # #[cfg(feature = "models")]
    /// # async fn list(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::ModelsListParams;
    ///
    /// let all = client.models().list().await?;
    /// let some = client.models().list().params(ModelsListParams::new().category("programming")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn params(mut self, params: impl Borrow<P>) -> Call<T> {
        self.draft.parts = params.borrow().write(self.draft.parts.take());
        self.taking()
    }
}

impl<T, P> Call<T, P> {
    /// Returns the same call with other parameters that it may take.
    pub(crate) fn taking<Q>(self) -> Call<T, Q> {
        let Self { draft, sending, expected, read, .. } = self;
        Call { draft, sending, expected, read, params: PhantomData }
    }

    pub(crate) fn into_draft(self) -> Box<Draft> {
        self.draft
    }

    /// Sets the time limits, replacing those set before. The client option of the same name is
    /// [`ClientBuilder::timeouts`](super::ClientBuilder::timeouts).
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// use std::time::Duration;
    ///
    /// use openrouter_kit::core::Timeouts;
    ///
    /// let mut timeouts = Timeouts::default();
    /// timeouts.total = Some(Duration::from_secs(30));
    /// let result = client.chat().send(&request).timeouts(timeouts).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.draft.options.timeouts = timeouts;
        self
    }

    /// Sets the limit for the whole call, [`Timeouts::total`]. `None` means no limit.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// use std::time::Duration;
    ///
    /// let call = client.chat().send(&request).timeout(Duration::from_secs(60));
    /// println!("{:?}", call.await?.text());
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.draft.options.timeouts.total = limit.into();
        self
    }

    /// Sets the limit for making a connection, [`Timeouts::connect`]. `None` leaves it to the
    /// transport.
    ///
    /// A call whose limit expires while it connects was not sent, so it is retried whatever its
    /// method is.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.draft.options.timeouts.connect = limit.into();
        self
    }

    /// Sets the limit for the head of the response, [`Timeouts::response`]. `None` means no limit.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// use std::time::Duration;
    ///
    /// // A reasoning model may think for long before it responds.
    /// let result = client.chat().send(&request).response_timeout(Duration::from_secs(1800)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn response_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.draft.options.timeouts.response = limit.into();
        self
    }

    /// Sets the limit between two chunks of the body, [`Timeouts::idle`]. `None` means no limit.
    ///
    /// Keep-alives of the server count as chunks, so it does not limit how long a model may think;
    /// see [`event_timeout`](Self::event_timeout).
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.draft.options.timeouts.idle = limit.into();
        self
    }

    /// Sets the limit between two events of a stream, [`Timeouts::event`]. `None` means no limit.
    ///
    /// ```no_run
    /// # #[cfg(feature = "responses")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ResponsesRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// use std::time::Duration;
    ///
    /// // Give up a model that sends only keep-alives for a minute.
    /// let stream = client.responses().stream(&request).event_timeout(Duration::from_secs(60)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn event_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.draft.options.timeouts.event = limit.into();
        self
    }

    /// Sets the limit for each hook and the source of the API key, [`Timeouts::hook`]. `None` means
    /// no limit.
    pub fn hook_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.draft.options.timeouts.hook = limit.into();
        self
    }

    /// Sets when this request is retried, overriding the configuration of the client.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::RetryConfig;
    ///
    /// let patient = RetryConfig::backoff().max_attempts(6);
    /// let result = client.chat().send(&request).retry_config(patient).await?;
    /// let once = client.chat().send(&request).retry_config(RetryConfig::none()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry_config(mut self, retry_config: RetryConfig) -> Self {
        self.draft.options.retry_config = Some(Box::new(retry_config));
        self
    }

    /// Sets whether the request is retried even if the server may have received it, which may
    /// charge a paid operation twice. By default, such a request is retried only if its method is
    /// idempotent (GET, PUT, DELETE).
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// // A short answer that is needed: rather pay twice than go without.
    /// let result = client.chat().send(&request).repeat_received(true).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn repeat_received(mut self, allowed: bool) -> Self {
        self.draft.options.repeat_received = allowed;
        self
    }

    /// Sets the API key for this call. It overrides the key of the client, and an `Authorization`
    /// header that the client sets for every request. The rules of
    /// [`ClientBuilder::api_key`](super::ClientBuilder::api_key) apply.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// # let key_of_customer = "";
    /// let result = client.chat().send(&request).api_key(key_of_customer).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        match Key::fixed(&api_key.into()) {
            Ok(key) => self.draft.options.key = Some(key),
            Err(invalid) => self.draft.parts.keep(invalid),
        }
        self
    }

    /// Sets a header. It overrides a header of the same name that the client sets, including
    /// `Authorization`.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// let result = client.chat().send(&request).header("x-request-id", "17").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.draft.parts.set_header(name.as_ref(), value.as_ref());
        self
    }

    /// Appends a query parameter, percent-encoded. A parameter of the same name that is already
    /// there is kept.
    ///
    /// ```no_run
    /// # #[cfg(feature = "models")]
    /// # async fn list(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// let models = client.models().list().query("new_filter", "fast").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(mut self, name: impl AsRef<str>, value: impl QueryValue) -> Self {
        self.draft.parts.append_query(name.as_ref(), &value);
        self
    }

    /// Adds a field to the JSON body of this call, overriding any field of the same name. Fails if
    /// the operation has no JSON body, or if `name` is `stream`, which the method that made the
    /// call decides.
    ///
    /// A field that belongs to the request rather than to one call is added with the `extra` method
    /// of the request; it is sent whenever the request is.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::serde_json::json;
    ///
    /// let result = client.chat().send(&request).extra_body("new_field", json!({"on": true})).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn extra_body(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.draft.options.extra_body.push((name.into(), value.into()));
        self
    }

    /// Sets where this request goes, overriding the server URL of the client. The API key is sent
    /// there too.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// let result = client.chat().send(&request).server_url("https://eu.openrouter.ai/api/v1").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn server_url(mut self, server_url: impl AsRef<str>) -> Self {
        match ServerUrl::parse(server_url.as_ref()) {
            Ok(server) => self.draft.options.server = Some(Box::new(server)),
            Err(invalid) => self.draft.parts.keep(invalid),
        }
        self
    }

    /// Requests routing details, `openrouter_metadata`, in the response (header
    /// `X-OpenRouter-Metadata: enabled`). Fails for operations that do not support it.
    pub fn metadata(mut self, wanted: bool) -> Self {
        self.draft.options.metadata = wanted;
        self
    }

    /// Attaches a value that hooks can read with
    /// [`HookContext::extension`](crate::hooks::HookContext::extension), such as the tenant a call
    /// is made for. It is not sent. A value of the same type that was attached before is replaced.
    ///
    /// ```no_run
    /// # #[cfg(feature = "credits")]
    /// # async fn get(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// #[derive(Clone, Debug)]
    /// struct Tenant(u64);
    ///
    /// let credits = client.credits().get_credits().extension(Tenant(7)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn extension<E: Clone + Send + Sync + 'static>(mut self, value: E) -> Self {
        self.draft.options.extensions.insert(value);
        self
    }

    /// Also returns the status, headers, generation id and raw body. Must be the last option of the
    /// call.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// let response = client.chat().send(&request).with_response().await?;
    /// println!("{} {:?}", response.status, response.generation_id);
    /// println!("{:?}", response.value.text());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_response(self) -> CallWithResponse<T> {
        CallWithResponse(self.taking())
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<Exchange, Error>> {
        self.draft.poll(&mut self.sending, self.expected, cx)
    }

    /// Returns the same call with another response type.
    pub(super) fn returning<U: CallOutput>(self) -> Call<U> {
        Call {
            draft: self.draft,
            sending: self.sending,
            expected: U::EXPECTED,
            read: U::from_exchange,
            params: PhantomData,
        }
    }

    /// Returns the same call with a value that `read` makes of the same response.
    pub(super) fn read_with<U>(self, read: fn(Exchange) -> Result<U, Error>) -> Call<U> {
        Call { draft: self.draft, sending: self.sending, expected: self.expected, read, params: PhantomData }
    }

    pub(super) fn parts(&mut self) -> &mut Parts {
        &mut self.draft.parts
    }
}

impl<T: Root, P> Call<T, P> {
    /// Returns the body as it is received, without decoding it or looking for an error in it.
    /// Follow it with [`with_response`](Self::with_response) for the status and headers.
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// let body = client.chat().send(&request).raw().await?;
    /// println!("{} bytes of JSON", body.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn raw(self) -> Call<Bytes> {
        self.returning()
    }
}

impl<T: StreamItem, P> Call<EventStream<T>, P> {
    /// Returns the events as they are received, without decoding them: [`RawEvents`].
    ///
    /// ```no_run
    /// # #[cfg(feature = "chat")]
    /// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
    /// # -> Result<(), openrouter_kit::Error> {
    /// let mut events = client.chat().stream(&request).raw().await?;
    /// while let Some(event) = events.next().await {
    ///     print!("{}", event?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn raw(self) -> Call<RawEvents<T>> {
        self.returning()
    }
}

impl<T, P> Future for Call<T, P> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let exchange = ready!(self.poll_exchange(cx))?;
        let ending = exchange.ending(self.expected);
        Poll::Ready(match (self.read)(exchange) {
            Ok(value) => {
                ending.succeeded();
                Ok(value)
            }
            Err(error) => Err(ending.failed(error)),
        })
    }
}

impl<T, P> fmt::Debug for Call<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("parts", &self.draft.parts)
            .field("timeouts", &self.draft.options.timeouts)
            .finish_non_exhaustive()
    }
}

/// A [`Call`] that returns a [`Response`].
#[must_use = "a call sends nothing unless awaited"]
pub struct CallWithResponse<T>(Call<T>);

impl<T> fmt::Debug for CallWithResponse<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> Future for CallWithResponse<T> {
    type Output = Result<Response<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let exchange = ready!(self.0.poll_exchange(cx))?;
        let ending = exchange.ending(self.0.expected);
        Poll::Ready(match Response::from_exchange(exchange, self.0.expected, self.0.read) {
            Ok(response) => {
                ending.succeeded();
                Ok(response)
            }
            Err(error) => Err(ending.failed(error)),
        })
    }
}

/// A response with everything that arrived along with its value.
///
/// `Debug` prints the size of the body instead of its content, and only the names of headers that
/// may hold a secret (`Set-Cookie`, and any not known to be harmless).
///
/// ```no_run
/// # #[cfg(feature = "chat")]
/// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
/// # -> Result<(), openrouter_kit::Error> {
/// let response = client.chat().send(&request).with_response().await?;
/// if let Some(left) = response.headers.get("x-ratelimit-remaining") {
///     println!("{left:?} requests left after {} attempts", response.attempts);
/// }
/// println!("{:?}", response.value.text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Response<T> {
    /// The value that the call returns.
    pub value: T,
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The id of the generation (`X-Generation-Id`), if the operation generates.
    pub generation_id: Option<String>,
    /// The raw body; empty for streams and downloads.
    pub body: Bytes,
    /// How often the request was sent.
    pub attempts: u32,
}

impl<T> Response<T> {
    fn from_exchange(
        exchange: Exchange,
        expected: Expected,
        read: fn(Exchange) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let (head, attempts) = (exchange.head.clone(), exchange.progress.attempts);
        let body = match expected {
            Expected::Json | Expected::Nothing => exchange.body.as_bytes().cloned().unwrap_or_default(),
            Expected::Events | Expected::Bytes => Bytes::new(),
        };
        let generation_id = head.generation_id().map(str::to_owned);
        Ok(Self { value: read(exchange)?, status: head.status, headers: head.headers, generation_id, body, attempts })
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
