//! The default transport: HTTP on hyper, with connection reuse, proxies and TLS.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::PROXY_AUTHORIZATION;
use http::uri::Scheme;
use http::{Method, Request, Response, Uri, Version};
use tokio::runtime::{Handle, Id, is_rt_shutdown_err};
#[cfg(feature = "http2")]
use tokio::sync::watch;

use super::connect::{Connector, DialOptions};
#[cfg(feature = "http2")]
use super::dial::{Dial, Progress};
use super::error::{Cause, ConnectError, Failed, TransportBuildError, TransportError, TransportErrorKind, sources};
use super::http1::Http1;
#[cfg(feature = "http2")]
use super::http2::Http2;
use super::pool::{Connection, Pool};
use super::proxy::{Proxies, Proxy};
use super::tls::TlsOptions;
use super::{CONNECT_TIMEOUT, ConnectTimeout, Connecting, Cryptography, Roots, Transport, TransportFuture};
use crate::core::body::Body;
use crate::core::runtime;
use crate::core::within::within;

pub(super) const NO_TLS: &str = "https:// is not built in: enable the feature `tls` of openrouter-kit (or `tls-ring` or \
                                 `tls-aws-lc-rs` together with `roots-bundled` or `roots-platform`)";

/// The default [`Transport`]: HTTP/1.1 and HTTP/2 over TCP and TLS, with connection reuse and
/// proxies.
///
/// A clone is cheap and shares the connections.
///
/// - **Runtimes:** a connection is used only in the Tokio runtime it was made in, and ends with it.
///   One transport can serve any number of runtimes, even concurrently. Outside a runtime, or in
///   one without timers or I/O, requests fail with an error.
/// - **Idle connections** are checked at the socket before they are reused: one that the server
///   closed or wrote to in the meantime is replaced, even if the program blocked its thread all
///   that time.
/// - **HTTP/2** is used if [`http2`](HyperTransportBuilder::http2) asks for it and the server
///   offers it in the TLS handshake (ALPN). Calls share a connection up to the server's stream
///   limit; then another one is made. Concurrent first calls share one handshake. A connection that
///   carries requests is pinged every 30 seconds and abandoned if no reply arrives within 10
///   seconds, so a vanished peer does not block later requests.
/// - **HTTP/1.1** connections have no task: whoever waits for a call or reads its body moves their
///   bytes.
/// - **TCP** connections send at once (`TCP_NODELAY`) and are kept alive with probes after 60 idle
///   seconds.
/// - **TLS** certificates are always verified, against the bundled roots or those chosen with
///   [`roots`](HyperTransportBuilder::roots), and those added with
///   [`root_certificate`](HyperTransportBuilder::root_certificate). Without any TLS feature only
///   `http://` works.
/// - **Proxies** come from the environment; see [`proxy`](HyperTransportBuilder::proxy). For
///   `https://` the proxy sees the target's host and port and nothing of the request; for `http://`
///   it is handed the request as it is, the API key too.
/// - **Lost connections:** a request that was given a reused connection which turned out to be
///   closed before anything was sent is sent on another. Nothing else is repeated here.
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
pub struct HyperTransport(Arc<Inner>);

struct Inner {
    connector: Connector,
    connect_timeout: Duration,
    /// HTTP/2 is offered to servers.
    #[cfg(feature = "http2")]
    http2: bool,
    pool: Arc<Pool>,
}

impl HyperTransport {
    /// Creates a transport with the default of every option.
    ///
    /// # Errors
    /// See [`HyperTransportBuilder::build`].
    pub fn new() -> Result<Self, TransportBuildError> {
        Self::builder().build()
    }

    /// Starts building a transport.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    /// Checks what can be checked before a connection is made, and adds what only the transport
    /// knows.
    fn prepare(&self, request: &mut Request<Body>) -> Result<(), Cause> {
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
        let proxy = self.0.connector.proxies().of(uri).map_err(str::to_owned)?;
        let authorization = proxy.as_deref().and_then(Proxy::authorization).filter(|_| !is_https).cloned();
        if let Some(authorization) = authorization {
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
            .field("connect_timeout", &self.0.connect_timeout)
            .field("proxies", self.0.connector.proxies())
            .finish_non_exhaustive()
    }
}

impl Transport for HyperTransport {
    fn send(&self, mut request: Request<Body>) -> TransportFuture<'_> {
        Box::pin(async move {
            self.prepare(&mut request).map_err(|cause| TransportError::new(TransportErrorKind::Request, cause))?;
            self.0.exchange(request).await
        })
    }
}

impl Inner {
    /// Sends a request on an idle connection, or on a new one.
    async fn exchange(self: &Arc<Self>, mut request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let runtime = runtime::current().map_err(|reason| {
            TransportError::new(TransportErrorKind::Request, format!("the Tokio runtime {reason}"))
        })?;
        let uri = request.uri().clone();
        let limit = request.extensions_mut().remove().map_or(self.connect_timeout, |ConnectTimeout(limit)| limit);
        let connecting = request.extensions_mut().remove::<Connecting>();
        loop {
            let (connection, is_reused) = match self.pool.take(&uri, runtime.id()) {
                Some(connection) => (connection, true),
                None => {
                    // Boxed because it is rare.
                    let connecting = Connecting::track(connecting.as_ref(), self.connect_within(limit, &uri, &runtime));
                    (Box::pin(connecting).await?, false)
                }
            };
            let sent = match connection {
                Connection::Http1(connection) => connection.send(request, &uri, &self.pool).await,
                #[cfg(feature = "http2")]
                Connection::Http2(exchange) => exchange.send(request).await,
            };
            let Failed { mut error, is_unsent } = match sent {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            match error.take_message() {
                // The connection was closed before the request was passed to it.
                Some(unsent) if is_reused => request = unsent,
                unsent => {
                    let is_unsent = is_unsent || unsent.is_some();
                    let kind = if is_unsent { TransportErrorKind::NotSent } else { TransportErrorKind::Exchange };
                    return Err(TransportError::new(kind, error.into_error()));
                }
            }
        }
    }

    async fn connect_within(
        self: &Arc<Self>,
        limit: Duration,
        uri: &Uri,
        runtime: &Handle,
    ) -> Result<Connection, TransportError> {
        let error = match within(Some(limit), pin!(self.connect(uri, runtime))).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(limit) => ConnectError::new(
                format!("making a connection took longer than the limit of {limit:?}"),
                io::Error::from(io::ErrorKind::TimedOut),
            )
            .into(),
        };
        let kind = if sources(&*error).any(is_timeout) {
            TransportErrorKind::ConnectTimeout
        } else {
            TransportErrorKind::Connect
        };
        Err(TransportError::new(kind, error))
    }

    /// Makes a connection, or waits for a shareable one that is being made.
    async fn connect(self: &Arc<Self>, uri: &Uri, runtime: &Handle) -> Result<Connection, Cause> {
        #[cfg(feature = "http2")]
        if self.http2 {
            while let Some(dial) = self.pool.dial(uri, runtime, |unsettled| self.dial(uri, runtime, unsettled)) {
                if let Some(connection) = dial.wait(|| self.pool.take(uri, runtime.id())).await? {
                    return Ok(connection);
                }
            }
        }
        match self.make(uri, runtime.id()).await? {
            Made::Http1(connection) => Ok(Connection::Http1(connection)),
            #[cfg(feature = "http2")]
            Made::Http2(connection) => {
                let exchange =
                    connection.exchange().ok_or("the server does not allow any request on a new connection")?;
                self.pool.share(uri, connection, runtime);
                Ok(Connection::Http2(exchange))
            }
        }
    }

    /// Starts a connection attempt for all calls that could share it, or waits for the limit of an
    /// unsettled connection.
    #[cfg(feature = "http2")]
    fn dial(self: &Arc<Self>, uri: &Uri, runtime: &Handle, unsettled: Option<&Http2>) -> Dial {
        let (inner, uri, handle) = (self.clone(), uri.clone(), runtime.clone());
        let unsettled = unsettled.map(Http2::settled);
        Dial::new(runtime, |progress| async move {
            let outcome = match unsettled {
                Some(settled) => {
                    settled.await;
                    Ok(())
                }
                None => inner.make_shared(&uri, &handle, &progress).await.map_err(Arc::new),
            };
            progress.send_replace(Progress::Done(outcome));
        })
    }

    /// Makes a connection and puts it into the pool.
    #[cfg(feature = "http2")]
    async fn make_shared(
        &self,
        uri: &Uri,
        runtime: &Handle,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), ConnectError> {
        match self.make(uri, runtime.id()).await? {
            Made::Http1(connection) => self.pool.put(connection),
            Made::Http2(connection) => {
                let settled = connection.settled();
                self.pool.share(uri, connection, runtime);
                progress.send_replace(Progress::Connected);
                settled.await;
            }
        }
        Ok(())
    }

    async fn make(&self, uri: &Uri, runtime: Id) -> Result<Made, ConnectError> {
        let connected = self.connector.connect(uri).await?;
        #[cfg(feature = "http2")]
        if connected.is_http2 {
            return Ok(Made::Http2(Http2::new(connected, runtime).await.map_err(no_http)?));
        }
        Ok(Made::Http1(Http1::new(connected, uri, runtime).await.map_err(no_http)?))
    }
}

/// A new connection.
enum Made {
    Http1(Box<Http1>),
    #[cfg(feature = "http2")]
    Http2(Http2),
}

fn no_http(error: hyper::Error) -> ConnectError {
    ConnectError::new("the HTTP handshake failed", error)
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Returns whether an exchange failed because the runtime of its connection was shut down.
///
/// The runtime reports it with its own I/O error. hyper reports the dropped task of a connection as
/// a user error; the only other user error is a request body that fails, which has a
/// [`TransportError`] as its cause.
pub(crate) fn runtime_is_gone(error: &TransportError) -> bool {
    let mut cause = StdError::source(error);
    while let Some(error) = cause {
        cause = error.source();
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user) {
            return !cause.is_some_and(|cause| cause.is::<TransportError>());
        }
        if error.downcast_ref::<io::Error>().is_some_and(is_rt_shutdown_err) {
            return true;
        }
    }
    false
}

/// Builder for a [`HyperTransport`].
///
/// ```
/// # #[cfg(feature = "tls")]
/// # fn main() -> Result<(), openrouter_kit::core::transport::TransportBuildError> {
/// use std::time::Duration;
///
/// use openrouter_kit::core::transport::HyperTransport;
///
/// let transport = HyperTransport::builder()
///     .connect_timeout(Duration::from_secs(3))
///     .pool_max_idle_per_host(16)
///     .no_proxy()
///     .build()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tls"))]
/// # fn main() {}
/// ```
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Clone)]
pub struct HyperTransportBuilder {
    connect_timeout: Duration,
    pool_idle_timeout: Duration,
    pool_max_idle_per_host: usize,
    http2: bool,
    /// `None`: from the environment. The URL itself is not kept, since it may hold a password.
    proxies: Option<Result<Proxies, &'static str>>,
    system_proxy: bool,
    tls: TlsOptions,
    dial: DialOptions,
}

impl Default for HyperTransportBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            pool_idle_timeout: Duration::from_secs(50),
            pool_max_idle_per_host: usize::MAX,
            http2: false,
            proxies: None,
            system_proxy: false,
            tls: TlsOptions::default(),
            dial: DialOptions::default(),
        }
    }
}

impl HyperTransportBuilder {
    /// Sets the limit for making a new connection: name resolution, TCP, the proxy and the TLS
    /// handshake together.
    ///
    /// Default: 10 seconds. If a name has several addresses, the next one is tried when one fails,
    /// and in parallel after 250 ms (RFC 8305). A reused connection takes no time.
    /// [`build`](Self::build) rejects zero.
    ///
    /// [`Timeouts::connect`](crate::core::Timeouts::connect) of a client or a call overrides it.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a connection without a request is kept. Default: 50 seconds, which is below
    /// the 60 seconds of common load balancers, so that they rarely close a connection at the
    /// moment a request is sent on it. It is closed within twice that time, and not reused in the
    /// last second of a shorter time that the server announces (`Keep-Alive: timeout=5`).
    pub const fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// Offers HTTP/2 to servers (feature `http2`): many streams over one connection, which suits
    /// gateways. Default: `false`.
    pub const fn http2(mut self, offered: bool) -> Self {
        self.http2 = offered;
        self
    }

    /// Sets how many connections without a request are kept for one host. Default: no limit. With
    /// 0, each request uses a new connection.
    pub const fn pool_max_idle_per_host(mut self, connections: usize) -> Self {
        self.pool_max_idle_per_host = connections;
        self
    }

    /// Sends every request through this proxy: `http://host:port`, or
    /// `http://name:password@host:port` with special characters in the name and the password
    /// percent-encoded. The environment, including `NO_PROXY`, is then ignored. Schemes:
    ///
    /// - `http`: an HTTP proxy; `https://` servers are reached through it with CONNECT.
    /// - `https`: the same over TLS to the proxy, whose certificate is verified like that of a
    ///   server.
    /// - `socks5`, `socks5h`: SOCKS 5 (RFC 1928, RFC 1929), with the feature `socks`. With
    ///   `socks5h` the proxy resolves server names; with `socks5` they are resolved locally.
    ///
    /// Without this option and [`no_proxy`](Self::no_proxy), the environment decides when the
    /// transport is built:
    ///
    /// - `HTTPS_PROXY` for `https://`, `HTTP_PROXY` for `http://`, `ALL_PROXY` if these are not
    ///   set. Each name may be in lowercase too; uppercase takes precedence, and an empty variable
    ///   counts as unset. `HTTP_PROXY` is not read if `REQUEST_METHOD` is set, since in a CGI
    ///   program the header `Proxy` of a request arrives under this name.
    /// - This machine itself (`localhost`, loopback addresses) is reached without a proxy.
    /// - `NO_PROXY` is a comma-separated list of what to reach without a proxy: a host with
    ///   everything under it (`example.com`, `.example.com` and `*.example.com` are equivalent), an
    ///   address (`10.0.0.1`, `::1`), a network (`10.0.0.0/8`), or `*` for everything. Hosts and
    ///   addresses may have a `:port`.
    /// - With [`system_proxy`](Self::system_proxy) the settings of macOS or Windows apply if none
    ///   of these variables is set.
    /// - A proxy that cannot be used fails the requests that need it. Nothing bypasses it.
    ///
    /// The default port is 80 for `http`, 443 for `https` and 1080 for SOCKS.
    pub fn proxy(mut self, url: impl AsRef<str>) -> Self {
        self.proxies = Some(Proxy::parse(url.as_ref()).map(Proxies::all));
        self
    }

    /// Uses no proxy, whatever the environment says.
    ///
    /// ```
    /// # #[cfg(feature = "tls")]
    /// # fn main() -> Result<(), openrouter_kit::core::transport::TransportBuildError> {
    /// use openrouter_kit::core::transport::HyperTransport;
    ///
    /// let transport = HyperTransport::builder().no_proxy().build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tls"))]
    /// # fn main() {}
    /// ```
    pub fn no_proxy(mut self) -> Self {
        self.proxies = Some(Ok(Proxies::none()));
        self
    }

    /// Uses the proxy of the operating system (macOS, Windows; feature `proxy-system`) if neither
    /// an option nor the environment names one. Default: `false`.
    pub const fn system_proxy(mut self, used: bool) -> Self {
        self.system_proxy = used;
        self
    }

    /// Sets the certificate authorities to trust, besides
    /// [`root_certificate`](Self::root_certificate). Default: [`Roots::Bundled`]. With an empty
    /// list only the certificates given by `root_certificate` are trusted.
    pub fn roots(mut self, roots: impl IntoIterator<Item = Roots>) -> Self {
        self.tls.roots = Some(roots.into_iter().collect());
        self
    }

    /// Sets the implementation of the cryptography of TLS. Default: the process default of rustls
    /// if the program installed one, or else [`Cryptography::Ring`].
    pub const fn cryptography(mut self, cryptography: Cryptography) -> Self {
        self.tls.cryptography = Some(cryptography);
        self
    }

    /// Trusts these root certificates too: one certificate in DER form, or any number in PEM form.
    /// Each call adds.
    ///
    /// ```no_run
    /// # #[cfg(feature = "tls")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use openrouter_kit::core::transport::HyperTransport;
    ///
    /// let company = std::fs::read("/etc/ssl/company.pem")?;
    /// let transport = HyperTransport::builder().root_certificate(company).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tls"))]
    /// # fn main() {}
    /// ```
    pub fn root_certificate(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.tls.extra_roots.push(certificate.into());
        self
    }

    /// Presents this certificate to servers that ask for one: the certificate, its chain and its
    /// private key, all in one PEM text.
    ///
    /// ```no_run
    /// # #[cfg(feature = "tls")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use openrouter_kit::core::transport::HyperTransport;
    ///
    /// let pem = std::fs::read("/etc/ssl/client.pem")?; // certificate, chain and private key
    /// let transport = HyperTransport::builder().client_certificate(pem).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tls"))]
    /// # fn main() {}
    /// ```
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.client_certificate = Some(pem.into());
        self
    }

    /// Uses this rustls configuration unchanged, except for the protocols (ALPN), which depend on
    /// [`http2`](Self::http2). It replaces [`roots`](Self::roots),
    /// [`root_certificate`](Self::root_certificate),
    /// [`client_certificate`](Self::client_certificate) and [`cryptography`](Self::cryptography).
    #[cfg(feature = "rustls-config")]
    pub fn rustls_config(mut self, config: impl Into<Arc<rustls::ClientConfig>>) -> Self {
        self.tls.config = Some(config.into());
        self
    }

    /// Connects to these addresses instead of resolving `host`. Port 0 means the port of the URL.
    /// Each call adds a host. TLS still verifies the name `host`.
    ///
    /// ```
    /// # #[cfg(feature = "tls")]
    /// # fn main() -> Result<(), openrouter_kit::core::transport::TransportBuildError> {
    /// use openrouter_kit::core::transport::HyperTransport;
    ///
    /// // Connect to a machine of the internal network under the public name.
    /// let transport = HyperTransport::builder().resolve("openrouter.ai", [([10, 0, 0, 7], 0).into()]).build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tls"))]
    /// # fn main() {}
    /// ```
    pub fn resolve(mut self, host: impl Into<String>, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Arc::make_mut(&mut self.dial.resolved).push((host.into(), addresses.into_iter().collect()));
        self
    }

    /// Makes connections from this local address.
    pub const fn local_address(mut self, address: IpAddr) -> Self {
        self.dial.local_address = Some(address);
        self
    }

    /// Builds the transport. With [`Roots::Platform`] it reads the root certificates of the
    /// operating system.
    ///
    /// # Errors
    /// [`TransportBuildError`] if an option is invalid or needs a feature that is not enabled, or
    /// if no root certificate is trusted.
    pub fn build(self) -> Result<HyperTransport, TransportBuildError> {
        if self.connect_timeout.is_zero() {
            return Err(TransportBuildError::new("connect_timeout", "it must be longer than zero"));
        }
        if self.http2 && !cfg!(feature = "http2") {
            return Err(TransportBuildError::new("http2", "HTTP/2 is not built in: enable the feature `http2`"));
        }
        if self.system_proxy && !cfg!(feature = "proxy-system") {
            let reason =
                "reading the settings of the operating system is not built in: enable the feature `proxy-system`";
            return Err(TransportBuildError::new("system_proxy", reason));
        }
        let proxies = match self.proxies {
            None => Proxies::from_environment(self.system_proxy),
            Some(proxies) => proxies.map_err(|reason| TransportBuildError::new("proxy", reason))?,
        };
        #[cfg(not(feature = "_tls"))]
        for (option, is_set) in [
            ("roots", self.tls.roots.is_some()),
            ("cryptography", self.tls.cryptography.is_some()),
            ("root_certificate", !self.tls.extra_roots.is_empty()),
            ("client_certificate", self.tls.client_certificate.is_some()),
        ] {
            if is_set {
                return Err(TransportBuildError::new(option, NO_TLS));
            }
        }

        Ok(HyperTransport(Arc::new(Inner {
            connector: Connector::new(
                self.dial,
                proxies,
                #[cfg(feature = "_tls")]
                &self.tls,
                #[cfg(feature = "_tls")]
                if self.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] },
            )?,
            connect_timeout: self.connect_timeout,
            #[cfg(feature = "http2")]
            http2: self.http2,
            pool: Arc::new(Pool::new(self.pool_idle_timeout, self.pool_max_idle_per_host)),
        })))
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("pool_idle_timeout", &self.pool_idle_timeout)
            .field("pool_max_idle_per_host", &self.pool_max_idle_per_host)
            .field("http2", &self.http2)
            .field("proxies", &self.proxies)
            .field("system_proxy", &self.system_proxy)
            .field("roots", &self.tls.roots)
            .field("cryptography", &self.tls.cryptography)
            .field("root_certificates", &self.tls.extra_roots.len())
            .field("client_certificate", &self.tls.client_certificate.is_some())
            .field("dial", &self.dial)
            .finish()
    }
}
