//! The options of a client.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};

use super::client::{Inner, Limits, OpenRouterCore};
use super::config::ClientConfig;
use super::header::parse_header;
use super::hidden;
use super::key::Key;
use super::retry::{RetryBudget, RetryConfig};
use super::server_url::{DEFAULT_SERVER_URL, ServerUrl};
use super::timeouts::Timeouts;
use super::transport::Transport;
#[cfg(feature = "transport")]
use super::transport::{HyperTransport, Roots};
use crate::errors::{Error, InvalidRequestError};
#[cfg(feature = "tracing")]
use crate::hooks::Tracing;
use crate::hooks::{DebugLog, Hook};

const DEFAULT_USER_AGENT: &str = concat!("openrouter-kit/", env!("CARGO_PKG_VERSION"));

const HTTP_REFERER: HeaderName = HeaderName::from_static("http-referer");
const APP_TITLE: HeaderName = HeaderName::from_static("x-openrouter-title");
const APP_CATEGORIES: HeaderName = HeaderName::from_static("x-openrouter-categories");

impl OpenRouterCore {
    /// Creates a client with this API key and the default of every other option. The environment is
    /// not read.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if the key is not valid, see [`ClientBuilder::api_key`].
    ///
    /// ```
    /// use openrouter_kit::OpenRouterCore;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let core = OpenRouterCore::new("sk-or-v1-...")?;
    /// assert_eq!(core.server_url(), "https://openrouter.ai/api/v1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(api_key: impl Into<String>) -> Result<Self, Error> {
        Self::builder().api_key(api_key).build()
    }

    /// Creates a client whose options come from the environment; see [`ClientBuilder::env`].
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if a variable is invalid. A missing API key is not an error until
    /// a call needs it.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().env().build()
    }

    /// Starts building a client.
    ///
    /// ```
    /// use openrouter_kit::OpenRouterCore;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let core = OpenRouterCore::builder().api_key("sk-or-v1-...").app_title("My app").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ClientBuilder<Self> {
        ClientBuilder::default()
    }
}

/// Builder for a client: an [`OpenRouter`](crate::OpenRouter) if it was started with
/// [`OpenRouter::builder`](crate::OpenRouter::builder), an [`OpenRouterCore`] if with
/// [`OpenRouterCore::builder`].
///
/// Setters accept any value; [`build`](Self::build) validates them and reports the first invalid
/// option.
///
/// ```
/// use std::time::Duration;
///
/// use openrouter_kit::{OpenRouter, RetryConfig};
///
/// # fn main() -> Result<(), openrouter_kit::Error> {
/// let client = OpenRouter::builder()
///     .api_key("sk-or-v1-...")
///     .app_title("My app")
///     .http_referer("https://example.com")
///     .retry_config(RetryConfig::backoff().max_attempts(5))
///     .response_timeout(Duration::from_secs(120))
///     .build()?;
///
/// // An invalid option is reported with its name.
/// let error = OpenRouter::builder().api_key("").build().unwrap_err();
/// assert!(error.to_string().starts_with("`api_key` is empty"));
/// # Ok(())
/// # }
/// ```
#[must_use = "no client is created before `build` is called"]
pub struct ClientBuilder<C> {
    settings: Settings,
    client: PhantomData<fn() -> C>,
}

/// The options, independent of the type of the client.
#[derive(Clone, Default)]
struct Settings {
    api_key: Option<String>,
    source: Key,
    server_url: Option<String>,
    http_referer: Option<String>,
    app_title: Option<String>,
    app_categories: Option<Vec<String>>,
    user_agent: Option<String>,
    headers: Vec<(String, String)>,
    retry_config: Option<RetryConfig>,
    timeouts: Timeouts,
    hooks: Vec<Arc<dyn Hook>>,
    debug: bool,
    #[cfg(feature = "devtools")]
    recorder: Option<crate::devtools::Recorder>,
    #[cfg(feature = "tracing")]
    tracing: Option<Tracing>,
    /// The first environment variable that cannot be read.
    unreadable: Option<&'static str>,
    transport: Option<Arc<dyn Transport>>,
    /// Options of the default transport.
    proxy: Option<String>,
    #[cfg(feature = "transport")]
    http2: Option<bool>,
    #[cfg(feature = "transport")]
    roots: Option<Vec<Roots>>,
    max_error_body: Option<usize>,
    max_event: Option<usize>,
    max_body: Option<usize>,
}

impl<C> ClientBuilder<C> {
    /// Sets the API key. It is sent as `Authorization: Bearer <key>`, or unchanged if it already
    /// begins with `bearer `.
    ///
    /// Surrounding whitespace is trimmed. The key may be left out; calls that need one then fail
    /// with [`Error::InvalidRequest`] before anything is sent. `build` rejects a key that is empty,
    /// has several lines, or contains anything but printable ASCII.
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().api_key("sk-or-v1-...\n").build()?;
    /// // `Debug` never prints the key.
    /// assert!(!format!("{client:?}").contains("sk-or-v1"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        self.settings.api_key = Some(api_key.into());
        self.settings.source = Key::None;
        self
    }

    /// Sets a function that is called for the API key on each attempt, for keys that change. It
    /// replaces [`api_key`](Self::api_key), and surrounding whitespace is trimmed too. If it fails,
    /// the call fails with [`Error::InvalidRequest`] and nothing is sent; if it takes longer than
    /// [`Timeouts::hook`], the call fails with [`Error::Timeout`].
    ///
    /// ```no_run
    /// # use openrouter_kit::core::OpenRouterCore;
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let core = OpenRouterCore::builder().api_key_source(|| async { std::fs::read_to_string("/run/key") }).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn api_key_source<F, R, K, E>(mut self, source: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<K, E>> + Send + 'static,
        K: Into<String>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.settings.api_key = None;
        self.settings.source = Key::Source(Arc::new(move || {
            let asked = source();
            Box::pin(async move { asked.await.map(Into::into).map_err(Into::into) })
        }));
        self
    }

    /// Sets where requests go: scheme, host and any base path. Paths are appended to it. Default:
    /// `https://openrouter.ai/api/v1`.
    ///
    /// Surrounding whitespace is trimmed, and characters not allowed in a URL path are
    /// percent-encoded. A non-ASCII host must be given in its encoded form (`xn--...`).
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().server_url("http://localhost:8080/proxy/v1/").build()?;
    /// assert_eq!(client.core().server_url(), "http://localhost:8080/proxy/v1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn server_url(mut self, server_url: impl AsRef<str>) -> Self {
        self.settings.server_url = Some(server_url.as_ref().to_owned());
        self
    }

    /// Sets the URL of the application's site, for the ranking on openrouter.ai (`HTTP-Referer`).
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().http_referer("https://example.com").app_title("Example").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn http_referer(mut self, http_referer: impl Into<String>) -> Self {
        self.settings.http_referer = Some(http_referer.into());
        self
    }

    /// Sets the name of the application, for the ranking on openrouter.ai (`X-OpenRouter-Title`).
    pub fn app_title(mut self, app_title: impl Into<String>) -> Self {
        self.settings.app_title = Some(app_title.into());
        self
    }

    /// Sets the categories of the application (`X-OpenRouter-Categories`). Each has at most 30
    /// lowercase letters, digits and hyphens.
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().app_title("My agent").app_categories(["cli-agent", "programming-app"]).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn app_categories(mut self, app_categories: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.app_categories = Some(app_categories.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the `User-Agent` header. Default: `openrouter-kit/` and the version.
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().user_agent("my-app/1.2").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.settings.user_agent = Some(user_agent.into());
        self
    }

    /// Sets a header for every request. A call can override it. `Accept` and `Content-Type` are
    /// rejected, since they differ between requests.
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().header("x-team", "search").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.settings.headers.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets when a failed request is retried. Default: [`RetryConfig::backoff`].
    ///
    /// [`Call::retry_config`](super::Call::retry_config) overrides it for one call.
    ///
    /// ```
    /// use openrouter_kit::{OpenRouter, RetryConfig};
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let without_retries = OpenRouter::builder().retry_config(RetryConfig::none()).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry_config(mut self, retry_config: RetryConfig) -> Self {
        self.settings.retry_config = Some(retry_config);
        self
    }

    /// Sets all time limits, replacing those set before.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use openrouter_kit::OpenRouter;
    /// use openrouter_kit::core::Timeouts;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let mut timeouts = Timeouts::default();
    /// timeouts.connect = Some(Duration::from_secs(3));
    /// timeouts.event = Some(Duration::from_secs(90));
    /// let client = OpenRouter::builder().timeouts(timeouts).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Sets the limit for making a connection, [`Timeouts::connect`]. `None` leaves it to the
    /// transport.
    ///
    /// A call whose limit expires while it connects was not sent, so it is retried whatever its
    /// method is.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.connect = limit.into();
        self
    }

    /// Sets the limit for the head of a response, [`Timeouts::response`]. `None` means no limit.
    ///
    /// The default of 10 minutes leaves time for a model to think before it responds. An expired
    /// limit is [`Error::Timeout`]; a POST is then not retried, since the server may have processed
    /// it.
    pub fn response_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.response = limit.into();
        self
    }

    /// Sets the limit between two chunks of a body, [`Timeouts::idle`]. `None` means no limit.
    ///
    /// It detects a connection that was lost without notice. Keep-alives of the server count as
    /// chunks, so it does not limit how long a model may think.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.idle = limit.into();
        self
    }

    /// Sets the limit between two events of a stream, [`Timeouts::event`]. `None` means no limit.
    ///
    /// It detects a model that has stalled while the server still sends keep-alives, which the
    /// limit of [`idle_timeout`](Self::idle_timeout) does not.
    pub fn event_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.event = limit.into();
        self
    }

    /// Sets the limit for each hook and the source of the API key, [`Timeouts::hook`]. `None` means
    /// no limit.
    ///
    /// It also limits opening the files of an upload, since those may be on a network drive.
    pub fn hook_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.hook = limit.into();
        self
    }

    /// Sets the limit for a whole call, [`Timeouts::total`]. `None` means no limit.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().timeout(Duration::from_secs(60)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.timeouts.total = limit.into();
        self
    }

    /// Adds a hook. Hooks run in the order in which they were added.
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    /// use openrouter_kit::hooks::Limiter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().hook(Limiter::new().calls(8).requests_per_minute(100)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.settings.hooks.push(Arc::new(hook));
        self
    }

    /// Creates a `tracing` span for each call that a subscriber is interested in. Default: no
    /// spans.
    #[cfg(feature = "tracing")]
    pub fn tracing(mut self, tracing: Tracing) -> Self {
        self.settings.tracing = Some(tracing);
        self
    }

    /// Sets the transport. Default: a [`HyperTransport`] that this client does not share.
    ///
    /// A transport may be shared by clients, which then share its connections:
    ///
    /// ```
    /// # #[cfg(feature = "tls")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use openrouter_kit::OpenRouter;
    /// use openrouter_kit::core::transport::HyperTransport;
    ///
    /// let transport = HyperTransport::new()?;
    /// let one = OpenRouter::builder().api_key("sk-or-v1-one").transport(transport.clone()).build()?;
    /// let two = OpenRouter::builder().api_key("sk-or-v1-two").transport(transport).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tls"))]
    /// # fn main() {}
    /// ```
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.settings.transport = Some(Arc::new(transport));
        self
    }

    /// Sets the proxy of the default transport; see
    /// [`HyperTransportBuilder::proxy`](super::transport::HyperTransportBuilder::proxy). Default:
    /// the proxy that the environment names. Cannot be combined with
    /// [`transport`](Self::transport), whose own options apply.
    ///
    /// ```
    /// # #[cfg(feature = "tls")]
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::OpenRouter;
    ///
    /// let client = OpenRouter::builder().proxy("http://name:password@proxy.example.com:3128").build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tls"))]
    /// # fn main() {}
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.settings.proxy = Some(url.into());
        self
    }

    /// Offers HTTP/2 to servers; see
    /// [`HyperTransportBuilder::http2`](super::transport::HyperTransportBuilder::http2). Default:
    /// `false`. Cannot be combined with [`transport`](Self::transport).
    ///
    /// ```
    /// # #[cfg(all(feature = "http2", feature = "tls"))]
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::OpenRouter;
    ///
    /// let client = OpenRouter::builder().http2(true).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "http2", feature = "tls")))]
    /// # fn main() {}
    /// ```
    #[cfg(feature = "transport")]
    pub fn http2(mut self, offered: bool) -> Self {
        self.settings.http2 = Some(offered);
        self
    }

    /// Sets the certificate authorities to trust; see
    /// [`HyperTransportBuilder::roots`](super::transport::HyperTransportBuilder::roots). Default:
    /// [`Roots::Bundled`]. Cannot be combined with [`transport`](Self::transport).
    #[cfg(feature = "transport")]
    pub fn roots(mut self, roots: impl IntoIterator<Item = Roots>) -> Self {
        self.settings.roots = Some(roots.into_iter().collect());
        self
    }

    /// Sets the maximum number of bytes read from an error body; the rest is discarded. Default: 1
    /// MiB.
    ///
    /// JSON of up to 1 MiB is searched for an error, which may take a hundred times as much memory
    /// while it is parsed.
    pub fn max_error_body(mut self, bytes: usize) -> Self {
        self.settings.max_error_body = Some(bytes);
        self
    }

    /// Sets the maximum size of one event of a stream, in bytes. A larger one ends the stream with
    /// [`Error::ResponseValidation`]. Default: 16 MiB.
    ///
    /// The memory for an event is bounded as for a [body](Self::max_body).
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// // Streamed images need room for a whole image in base64.
    /// let client = OpenRouter::builder().max_event(64 * 1024 * 1024).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.settings.max_event = Some(bytes);
        self
    }

    /// Sets the maximum size of the body of a non-streaming response, in bytes. A larger one fails
    /// the call with [`Error::ResponseValidation`]. Streams and downloads have no such limit.
    /// Default: 64 MiB, enough for ten large images or 2,048 embeddings.
    ///
    /// Whatever a server sends, decoding a response takes at most 12 times the length of its body
    /// plus 128 MiB of memory; typical responses take twice their length. A response that would
    /// take more, such as a list of a million empty objects, is refused with
    /// [`Error::ResponseValidation`].
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// let client = OpenRouter::builder().max_body(8 * 1024 * 1024).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = Some(bytes);
        self
    }

    /// Takes the options that the program has not set from the environment, as the official SDKs
    /// do. Surrounding whitespace of a variable is trimmed, and an empty variable counts as unset.
    /// A variable that is not UTF-8 is an error of [`build`](Self::build).
    ///
    /// | variable | option |
    /// | --- | --- |
    /// | `OPENROUTER_API_KEY` | [`api_key`](Self::api_key) |
    /// | `OPENROUTER_BASE_URL` | [`server_url`](Self::server_url), with the version path |
    /// | `OPENROUTER_HTTP_REFERER` | [`http_referer`](Self::http_referer) |
    /// | `OPENROUTER_APP_TITLE` | [`app_title`](Self::app_title) |
    /// | `OPENROUTER_APP_CATEGORIES` | [`app_categories`](Self::app_categories), separated by commas |
    /// | `OPENROUTER_DEBUG` | one line to standard error for each attempt, unless it is `0` or `false`: method, URL, status and time, never the key, headers or bodies |
    ///
    /// With the feature `devtools`, `OPENROUTER_DEVTOOLS=1` records calls as `Recorder::from_env`
    /// does.
    ///
    /// The order of calls does not matter: options set by the program take precedence.
    ///
    /// ```
    /// use openrouter_kit::OpenRouter;
    ///
    /// # fn main() -> Result<(), openrouter_kit::Error> {
    /// // The URL of the code takes precedence over `OPENROUTER_BASE_URL`.
    /// let client = OpenRouter::builder().env().server_url("https://eu.openrouter.ai/api/v1").build()?;
    /// assert_eq!(client.core().server_url(), "https://eu.openrouter.ai/api/v1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(mut self) -> Self {
        self.settings.read_variables(|name| std::env::var_os(name));
        #[cfg(feature = "devtools")]
        {
            self.settings.recorder = crate::devtools::Recorder::from_env();
        }
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`], which names the invalid option; [`Error::Hook`] if a hook rejects
    /// the client in [`sdk_init`](Hook::sdk_init).
    ///
    /// ```
    /// use openrouter_kit::{Error, OpenRouter};
    ///
    /// let error = OpenRouter::builder().header("Content-Type", "text/plain").build().unwrap_err();
    /// assert!(matches!(&error, Error::InvalidRequest(error) if error.argument() == "header"));
    /// ```
    pub fn build(self) -> Result<C, Error>
    where
        C: From<OpenRouterCore>,
    {
        self.settings.build().map(C::from)
    }
}

impl Settings {
    fn read_variables(&mut self, read: impl Fn(&str) -> Option<OsString>) {
        let mut unreadable = None;
        let mut read = |name| match read(name)?.into_string() {
            Ok(value) => Some(value.trim().to_owned()).filter(|value| !value.is_empty()),
            Err(_) => {
                unreadable.get_or_insert(name);
                None
            }
        };
        if self.api_key.is_none() && matches!(self.source, Key::None) {
            self.api_key = read("OPENROUTER_API_KEY");
        }
        let mut or_read = |option: &mut Option<String>, name| *option = option.take().or_else(|| read(name));
        or_read(&mut self.server_url, "OPENROUTER_BASE_URL");
        or_read(&mut self.http_referer, "OPENROUTER_HTTP_REFERER");
        or_read(&mut self.app_title, "OPENROUTER_APP_TITLE");
        if self.app_categories.is_none() {
            let list = read("OPENROUTER_APP_CATEGORIES");
            self.app_categories = list.map(|list| list.split(',').map(|name| name.trim().to_owned()).collect());
        }
        self.debug |= read("OPENROUTER_DEBUG").is_some_and(|value| value != "0" && value != "false");
        self.unreadable = self.unreadable.or(unreadable);
    }

    fn build(self) -> Result<OpenRouterCore, Error> {
        if let Some(name) = self.unreadable {
            return Err(Error::invalid(name, "is not valid UTF-8; correct or unset this environment variable"));
        }
        let key = match &self.api_key {
            Some(key) => Key::fixed(key)?,
            None => self.source.clone(),
        };
        let limits = Limits {
            error_body: limit("max_error_body", self.max_error_body, 1024 * 1024)?,
            event: limit("max_event", self.max_event, 16 * 1024 * 1024)?,
            body: limit("max_body", self.max_body, 64 * 1024 * 1024)?,
        };
        self.timeouts.check()?;
        let headers = self.headers()?;
        let (transport, transport_limit) = self.make_transport()?;
        let made = transport.clone();
        let mut config = ClientConfig {
            server_url: self.server_url.unwrap_or_else(|| DEFAULT_SERVER_URL.to_owned()),
            headers,
            retry_config: self.retry_config.unwrap_or_default(),
            timeouts: self.timeouts,
            transport,
        };
        let mut hooks = self.hooks;
        #[cfg(feature = "devtools")]
        if let Some(recorder) = self.recorder {
            hooks.push(Arc::new(recorder));
        }
        if self.debug {
            hooks.insert(0, Arc::new(DebugLog));
        }
        for hook in &hooks {
            hook.sdk_init(&mut config)?;
            hidden::hide_values(&mut config.headers);
        }
        #[cfg(feature = "tracing")]
        let traced_hooks = self.tracing.map(|tracing| {
            let tracing: Arc<dyn Hook> = Arc::new(tracing);
            std::iter::once(tracing).chain(hooks.iter().cloned()).collect()
        });
        config.retry_config.check()?;
        config.timeouts.check()?;
        let server = ServerUrl::parse(&config.server_url)?;
        let inner = Inner {
            // A transport that a hook put in its place may have a different limit.
            transport_limit: transport_limit.filter(|_| Arc::ptr_eq(&made, &config.transport)),
            transport: config.transport,
            server,
            headers: config.headers,
            key,
            retry_config: config.retry_config,
            budget: RetryBudget::new(),
            timeouts: config.timeouts,
            hooks: hooks.into(),
            #[cfg(feature = "tracing")]
            traced_hooks,
            limits,
        };
        Ok(OpenRouterCore::from_inner(inner))
    }

    /// Returns the transport, and the limit for connecting that it keeps by itself, if known.
    fn make_transport(&self) -> Result<(Arc<dyn Transport>, Option<Duration>), Error> {
        if let Some(transport) = &self.transport {
            let options = [
                ("proxy", self.proxy.is_some()),
                #[cfg(feature = "transport")]
                ("http2", self.http2.is_some()),
                #[cfg(feature = "transport")]
                ("roots", self.roots.is_some()),
            ];
            return match options.iter().find(|(_, is_set)| *is_set) {
                Some((option, _)) => {
                    Err(Error::invalid(option, "cannot be combined with `transport`; set it on the transport"))
                }
                None => Ok((transport.clone(), None)),
            };
        }
        self.default_transport()
    }

    #[cfg(not(feature = "transport"))]
    fn default_transport(&self) -> Result<(Arc<dyn Transport>, Option<Duration>), Error> {
        Err(Error::invalid(
            "transport",
            "is not set and no default transport is built in; set one, or enable the feature `tls`",
        ))
    }

    #[cfg(feature = "transport")]
    fn default_transport(&self) -> Result<(Arc<dyn Transport>, Option<Duration>), Error> {
        let mut builder = HyperTransport::builder();
        if let Some(limit) = self.timeouts.connect {
            builder = builder.connect_timeout(limit);
        }
        if let Some(url) = &self.proxy {
            builder = builder.proxy(url);
        }
        if let Some(offered) = self.http2 {
            builder = builder.http2(offered);
        }
        if let Some(roots) = &self.roots {
            builder = builder.roots(roots.iter().copied());
        }
        let transport = builder.build().map_err(|error| {
            InvalidRequestError::new(error.option(), "was rejected by the transport; see the source of this error")
                .caused_by(error)
        })?;
        Ok((Arc::new(transport), self.timeouts.connect))
    }

    fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::with_capacity(16);
        let user_agent = self.user_agent.as_deref().unwrap_or(DEFAULT_USER_AGENT);
        headers.insert(USER_AGENT, text("user_agent", user_agent)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // Without this header a server may choose any content coding.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(referer) = &self.http_referer {
            headers.insert(HTTP_REFERER, text("http_referer", referer)?);
        }
        if let Some(title) = &self.app_title {
            headers.insert(APP_TITLE, text("app_title", title)?);
        }
        if let Some(categories) = &self.app_categories {
            let is_category = |category: &String| {
                (1..=30).contains(&category.len())
                    && category.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            };
            if !categories.iter().all(is_category) {
                let message = "must each have 1 to 30 lowercase letters, digits and hyphens, as in `cli-agent`";
                return Err(Error::invalid("app_categories", message));
            }
            if !categories.is_empty() {
                headers.insert(APP_CATEGORIES, text("app_categories", &categories.join(","))?);
            }
        }
        for (name, value) in &self.headers {
            let (name, value) = parse_header("header", name, value)?;
            if name == ACCEPT || name == CONTENT_TYPE {
                let message = format!("sets `{name}`, which differs between requests; set it on the call");
                return Err(Error::invalid("header", message));
            }
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

impl<C> Clone for ClientBuilder<C> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), client: PhantomData }
    }
}

impl<C> Default for ClientBuilder<C> {
    fn default() -> Self {
        Self { settings: Settings::default(), client: PhantomData }
    }
}

impl<C> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        let headers: Vec<&str> = settings.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ClientBuilder")
            .field("server_url", &settings.server_url.as_deref().map(hidden::url))
            .field("http_referer", &settings.http_referer)
            .field("app_title", &settings.app_title)
            .field("app_categories", &settings.app_categories)
            .field("headers", &headers)
            .field("retry_config", &settings.retry_config)
            .field("timeouts", &settings.timeouts)
            .field("hooks", &settings.hooks)
            .field("transport", &settings.transport)
            .finish_non_exhaustive()
    }
}

/// Returns the header value for an option.
fn text(option: &'static str, value: &str) -> Result<HeaderValue, InvalidRequestError> {
    if value.trim().is_empty() {
        return Err(InvalidRequestError::new(option, "is empty; omit the option instead"));
    }
    HeaderValue::from_bytes(value.as_bytes()).map_err(|error| {
        InvalidRequestError::new(option, "contains control characters, which headers cannot; remove them")
            .caused_by(error)
    })
}

fn limit(option: &'static str, bytes: Option<usize>, default: usize) -> Result<usize, InvalidRequestError> {
    match bytes {
        Some(0) => Err(InvalidRequestError::new(option, "is zero; pass a number of bytes above zero")),
        bytes => Ok(bytes.unwrap_or(default)),
    }
}
