//! The default transport: hyper's client with a connection pool, proxies and TLS.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::PROXY_AUTHORIZATION;
use http::uri::Scheme;
use http::{Method, Uri, Version};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection as HyperConnection, HttpConnector};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::proxy::{Proxies, Proxy};
use super::tls::Tls;
use super::{ConnectTimeout, Transport, TransportError, TransportErrorKind, TransportFuture};
use crate::core::body::Body;

type Cause = Box<dyn StdError + Send + Sync>;

pub(super) const NO_TLS: &str = "https:// is not built in: enable the feature `tls` of openrouter-kit (or `tls-ring` or \
                                 `tls-aws-lc-rs` together with `roots-bundled` or `roots-platform`)";

tokio::task_local! {
    /// The limit that the request asks for. The pool calls the connector with nothing but the target, yet does so while
    /// the request's own future is polled, so this is how a limit for one call reaches the connector.
    static CONNECT_LIMIT: Duration;
}

/// The default [`Transport`]: HTTP/1.1 and HTTP/2 over TCP and TLS, with connection reuse and proxies.
///
/// A clone is cheap and shares the connections. Connections belong to the tokio runtime they were made in.
///
/// - **HTTP/2** is used where the server offers it in the TLS handshake (ALPN) and the feature `http2` is enabled.
///   A connection that carries requests is checked with a ping every 30 seconds and given up 10 seconds later, so that a
///   peer that vanished does not hold up the requests after it.
/// - **TCP** connections send at once (`TCP_NODELAY`) and are kept alive with probes after 60 idle seconds.
/// - **TLS** certificates are always verified, against the roots of the features `roots-bundled` and `roots-platform`
///   and those given with [`root_certificate`](HyperTransportBuilder::root_certificate). The cryptography is the
///   process default of rustls where the program installed one, else that of the feature `tls-ring` or `tls-aws-lc-rs`.
///   Without any TLS feature only `http://` works.
/// - **Proxies** come from the environment; see [`proxy`](HyperTransportBuilder::proxy). For `https://` the proxy
///   sees the target's host and port and nothing of the request; for `http://` it is handed the request as it is, the API
///   key too.
/// - **Lost connections:** a request that was given a reused connection which turned out to be closed before anything was
///   sent is sent on another. Nothing else is repeated here.
///
/// A request with the extension [`ConnectTimeout`] has its own limit for connecting.
///
/// ```
/// use openrouter_kit::core::transport::HyperTransport;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = HyperTransport::builder().connect_timeout(Duration::from_secs(3)).no_proxy().build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperTransport {
    client: Client<Connector, Body>,
    network: Arc<Network>,
}

impl HyperTransport {
    /// A transport with the defaults of every option.
    ///
    /// # Errors
    /// As [`HyperTransportBuilder::build`].
    pub fn new() -> Result<Self, TransportBuildError> {
        Self::builder().build()
    }

    /// Begins a transport with options.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    /// Checks what can be checked before a connection is made, and adds what only the transport knows.
    fn prepare(&self, request: &mut http::Request<Body>) -> Result<(), Cause> {
        let uri = request.uri();
        let is_https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) => return Err(format!("the scheme `{scheme}` is not supported: use https or http").into()),
            None => return Err("the URL must be absolute: https://host/path".into()),
        };
        if uri.host().is_none_or(str::is_empty) {
            return Err("the URL has no host".into());
        }
        if is_https && !cfg!(feature = "_tls") {
            return Err(NO_TLS.into());
        }
        if request.method() == Method::CONNECT {
            return Err("the method CONNECT is not supported".into());
        }
        let proxy = self.network.proxies.of(uri).map_err(str::to_owned)?;
        if let Some(authorization) = proxy.and_then(Proxy::authorization).filter(|_| !is_https) {
            let authorization = authorization.clone();
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        // The version of the connection decides, not the one of the request.
        *request.version_mut() = Version::HTTP_11;
        Ok(())
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport")
            .field("connect_timeout", &self.network.connect_timeout)
            .field("proxies", &self.network.proxies)
            .finish_non_exhaustive()
    }
}

impl Transport for HyperTransport {
    fn send(&self, mut request: http::Request<Body>) -> TransportFuture<'_> {
        Box::pin(async move {
            self.prepare(&mut request).map_err(|cause| TransportError::new(TransportErrorKind::Request, cause))?;
            let limit = request.extensions_mut().remove::<ConnectTimeout>();
            let exchange = self.client.request(request);
            let result = match limit {
                None => exchange.await,
                Some(ConnectTimeout(limit)) => CONNECT_LIMIT.scope(limit, exchange).await,
            };
            match result {
                Ok(response) => Ok(Body::incoming(response)),
                Err(error) => Err(TransportError::new(kind_of(&error), error)),
            }
        })
    }
}

/// Says how far the exchange had come.
fn kind_of(error: &ClientError) -> TransportErrorKind {
    // Without the facts of a connection, the request was never given to one.
    if error.is_connect() || error.connect_info().is_none() {
        return if sources(error).any(is_timeout) {
            TransportErrorKind::ConnectTimeout
        } else {
            TransportErrorKind::Connect
        };
    }
    // hyper says "canceled" only of a request that it still held whole.
    let is_unsent = sources(error).any(|source| {
        source.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) || was_refused_by_http2(source)
    });
    if is_unsent { TransportErrorKind::NotSent } else { TransportErrorKind::Exchange }
}

/// The error and everything below it.
fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// True where the server promised that it has not processed the request: a stream it refused (RFC 9113, section 8.7), or
/// one above the last it takes before it closes in an orderly way (section 6.8).
#[cfg(feature = "http2")]
fn was_refused_by_http2(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let reason = error.reason();
        error.is_remote()
            && (error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM)
                || error.is_go_away() && reason == Some(h2::Reason::NO_ERROR))
    })
}

#[cfg(not(feature = "http2"))]
fn was_refused_by_http2(_error: &(dyn StdError + 'static)) -> bool {
    false
}

/// Options of a [`HyperTransport`].
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Clone)]
pub struct HyperTransportBuilder {
    connect_timeout: Duration,
    pool_idle_timeout: Duration,
    pool_max_idle_per_host: usize,
    /// `None`: from the environment. The URL itself is not kept, since it may hold a password.
    proxies: Option<Result<Proxies, &'static str>>,
    root_certificates: Vec<Vec<u8>>,
}

impl Default for HyperTransportBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            pool_idle_timeout: Duration::from_secs(90),
            pool_max_idle_per_host: usize::MAX,
            proxies: None,
            root_certificates: Vec::new(),
        }
    }
}

impl HyperTransportBuilder {
    /// The time in which a new connection must be made: name resolution, TCP, the proxy and the TLS handshake together.
    ///
    /// Default: 10 seconds. Where a name has several addresses, each gets a part of it. A connection that is reused takes
    /// no time. Zero is refused by [`build`](Self::build).
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a connection without a request is kept. Default: 90 seconds.
    pub const fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// How many connections without a request are kept for one host. Default: no limit. With 0 each request has a
    /// connection of its own.
    pub const fn pool_max_idle_per_host(mut self, connections: usize) -> Self {
        self.pool_max_idle_per_host = connections;
        self
    }

    /// Sends every request through this HTTP proxy: `http://host:port`, or `http://name:password@host:port` with
    /// special characters of the name and the password percent-encoded. The environment is then not looked at, `NO_PROXY`
    /// included.
    ///
    /// Without this option and [`no_proxy`](Self::no_proxy) the environment decides when the transport is built:
    ///
    /// - `HTTPS_PROXY` for `https://`, `HTTP_PROXY` for `http://`, `ALL_PROXY` where these are not set. Each name may be
    ///   in lower case too; upper case comes first, and an empty variable counts as none. `HTTP_PROXY` is not read where
    ///   `REQUEST_METHOD` is set, since in a CGI program the header `Proxy` of a request arrives under this name.
    /// - `NO_PROXY` is a list, divided by commas, of whom to reach without a proxy: a host with everything under it
    ///   (`example.com`, `.example.com` and `*.example.com` mean the same), an address (`10.0.0.1`, `::1`), a network
    ///   (`10.0.0.0/8`), each but the network with `:port` if need be, or `*` for everything.
    /// - A proxy that cannot be used (`socks5://`, say) fails the requests that need it. Nothing goes past it.
    ///
    /// The port of a proxy URL without one is 80.
    pub fn proxy(mut self, url: impl AsRef<str>) -> Self {
        self.proxies = Some(Proxy::parse(url.as_ref()).map(Proxies::all));
        self
    }

    /// Uses no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxies = Some(Ok(Proxies::none()));
        self
    }

    /// Trusts these root certificates too: one certificate in DER form, or any number in PEM form. Each call adds.
    pub fn root_certificate(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(certificate.into());
        self
    }

    /// Makes the transport. With the feature `roots-platform` it reads the root certificates of the operating system.
    ///
    /// # Errors
    /// [`TransportBuildError`] where an option is not usable, where there is TLS but no root certificate to trust, or TLS
    /// but no cryptography.
    pub fn build(self) -> Result<HyperTransport, TransportBuildError> {
        if self.connect_timeout.is_zero() {
            return Err(TransportBuildError::new("connect_timeout", "it must be longer than zero"));
        }
        let proxies = match self.proxies {
            None => Proxies::from_environment(),
            Some(proxies) => proxies.map_err(|reason| TransportBuildError::new("proxy", reason))?,
        };
        let tls = Tls::new(&self.root_certificates)?;

        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_keepalive_interval(Some(Duration::from_secs(15)));
        tcp.set_keepalive_retries(Some(4));

        let network = Arc::new(Network { tcp, tls, proxies, connect_timeout: self.connect_timeout });
        let mut client = Client::builder(TokioExecutor::new());
        client
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.pool_idle_timeout)
            .pool_max_idle_per_host(self.pool_max_idle_per_host);
        #[cfg(feature = "http2")]
        client.http2_keep_alive_interval(Duration::from_secs(30)).http2_keep_alive_timeout(Duration::from_secs(10));
        Ok(HyperTransport { client: client.build(Connector(network.clone())), network })
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("pool_idle_timeout", &self.pool_idle_timeout)
            .field("pool_max_idle_per_host", &self.pool_max_idle_per_host)
            .field("proxies", &self.proxies)
            .field("root_certificates", &self.root_certificates.len())
            .finish()
    }
}

/// Why a [`HyperTransport`] could not be built.
#[derive(Debug)]
pub struct TransportBuildError {
    option: &'static str,
    reason: &'static str,
    source: Option<Cause>,
}

impl TransportBuildError {
    pub(super) const fn new(option: &'static str, reason: &'static str) -> Self {
        Self { option, reason, source: None }
    }

    #[cfg(feature = "_tls")]
    pub(super) fn caused_by(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The option that is not usable.
    pub const fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for TransportBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the option `{}` is not usable: {}", self.option, self.reason)
    }
}

impl StdError for TransportBuildError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Everything that making a connection needs.
struct Network {
    tcp: HttpConnector,
    tls: Tls,
    proxies: Proxies,
    connect_timeout: Duration,
}

impl Network {
    async fn connect(&self, uri: &Uri, limit: Duration) -> Result<Connection, ConnectError> {
        let proxy = self.proxies.of(uri).map_err(ConnectError::text)?;
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let mut tcp = self.tcp.clone();
        // Divides the limit between the addresses of a name, so that one dead address does not use it up.
        tcp.set_connect_timeout(Some(limit));
        let stream = match proxy {
            None => {
                tcp.call(uri.clone()).await.map_err(|error| ConnectError::new("the server is out of reach", error))?
            }
            Some(proxy) if is_https => open_tunnel(tcp, proxy, uri).await?,
            Some(proxy) => tcp
                .call(proxy.uri().clone())
                .await
                .map_err(|error| ConnectError::new(format!("the proxy {proxy} is out of reach"), error))?,
        };
        if is_https {
            self.tls.handshake(uri.host().unwrap_or_default(), stream.into_inner()).await
        } else {
            Ok(Connection::new(stream).proxied(proxy.is_some()))
        }
    }
}

async fn open_tunnel(tcp: HttpConnector, proxy: &Proxy, target: &Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
    let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
    if let Some(authorization) = proxy.authorization() {
        tunnel = tunnel.with_auth(authorization.clone());
    }
    tunnel.call(target.clone()).await.map_err(|error| {
        let target = target.authority().map_or("", |authority| authority.as_str());
        ConnectError::new(format!("the proxy {proxy} did not open a way to {target}"), error)
    })
}

/// Makes the connections of the pool.
#[derive(Clone)]
struct Connector(Arc<Network>);

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let network = self.0.clone();
        let limit = CONNECT_LIMIT.try_with(|limit| *limit).unwrap_or(network.connect_timeout);
        Box::pin(async move {
            match tokio::time::timeout(limit, network.connect(&uri, limit)).await {
                Ok(result) => result,
                Err(elapsed) => Err(ConnectError::new(
                    format!("the limit of {limit:?} for making a connection passed"),
                    io::Error::new(io::ErrorKind::TimedOut, elapsed),
                )),
            }
        })
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct ConnectError {
    text: String,
    source: Option<Cause>,
}

impl ConnectError {
    pub(super) fn new(text: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self { text: text.into(), source: Some(source.into()) }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A stream of bytes in both directions.
trait Duplex: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Duplex for T {}

/// A connection, with or without TLS. It is one type for both, so that hyper's state machine is compiled once; the
/// virtual call is small beside the system call behind it.
pub(super) struct Connection {
    stream: Box<dyn Duplex>,
    is_http2: bool,
    is_proxied: bool,
}

impl Connection {
    pub(super) fn new(stream: impl Read + Write + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), is_http2: false, is_proxied: false }
    }

    /// Whether HTTP/2 was agreed on.
    #[cfg(feature = "_tls")]
    pub(super) const fn http2(mut self, is_http2: bool) -> Self {
        self.is_http2 = is_http2;
        self
    }

    /// Whether a proxy reads the requests and needs the whole URL in them.
    const fn proxied(mut self, is_proxied: bool) -> Self {
        self.is_proxied = is_proxied;
        self
    }
}

impl HyperConnection for Connection {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_proxied);
        if self.is_http2 { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
