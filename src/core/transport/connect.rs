//! How a connection is made: name resolution, TCP, the proxy, TLS.
//!
//! A connection is built in layers, each a function from a stream to a stream: TCP to the server or
//! to its proxy, TLS to the proxy, the tunnel through it, and TLS to the server. A layer that is
//! not needed is left out.
//!
//! Addresses are tried as RFC 8305 describes (happy eyeballs): the two address families alternate,
//! and a slow address does not delay the next one by more than [`HEAD_START`]. Errors name the
//! layer that failed, and never the credentials of a proxy.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBuf, Write};
#[cfg(feature = "socks")]
use hyper_util::client::legacy::connect::proxy::SocksV5;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::error::{Cause, ConnectError, TransportBuildError};
use super::proxy::{Proxies, Proxy, ProxyKind, bare_host};
use super::socket::Socket;
use super::stream::{Connected, Link};
#[cfg(feature = "_tls")]
use super::tls::{Tls, TlsOptions};

/// How long an address of a name is tried alone, before the next one is tried in parallel (RFC
/// 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The maximum size of the head of a proxy's response to CONNECT.
const LONGEST_PROXY_RESPONSE: usize = 16 * 1024;

/// Makes connections to the origins of URLs.
pub(super) struct Connector {
    dialer: Dialer,
    #[cfg(feature = "_tls")]
    tls: Tls<Dialer>,
}

impl Connector {
    pub(super) fn new(
        options: DialOptions,
        proxies: Proxies,
        #[cfg(feature = "_tls")] tls: &TlsOptions,
        #[cfg(feature = "_tls")] protocols: &[&[u8]],
    ) -> Result<Self, TransportBuildError> {
        let dialer = Dialer(Arc::new(Paths {
            proxies,
            #[cfg(feature = "_tls")]
            to_proxy: tls.connector(Tcp(options.clone()), &[b"http/1.1"])?,
            tcp: Tcp(options),
        }));
        Ok(Self {
            #[cfg(feature = "_tls")]
            tls: tls.connector(dialer.clone(), protocols)?,
            dialer,
        })
    }

    pub(super) fn proxies(&self) -> &Proxies {
        &self.dialer.0.proxies
    }

    /// Makes a connection to the origin of `uri`, or to the proxy that applies to it.
    pub(super) async fn connect(&self, uri: &Uri) -> Result<Connected, ConnectError> {
        #[cfg(feature = "_tls")]
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return self.tls.connect(uri).await;
        }
        let Link { stream, socket, is_proxied } = self.dialer.clone().dial(uri.clone()).await?;
        Ok(Connected { stream, socket, is_http2: false, is_proxied })
    }
}

/// Advice about a proxy, which may come from the environment.
const CHECK_PROXY: &str = "check the proxy (the option `proxy`, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`)";

fn authority(uri: &Uri) -> &str {
    uri.authority().map_or("", |authority| authority.as_str())
}

type Linking = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send>>;

/// Opens streams to servers, through a proxy if one applies.
#[derive(Clone)]
pub(super) struct Dialer(Arc<Paths>);

struct Paths {
    proxies: Proxies,
    tcp: Tcp,
    /// For proxies reached over TLS.
    #[cfg(feature = "_tls")]
    to_proxy: Tls<Tcp>,
}

impl Dialer {
    async fn dial(self, target: Uri) -> Result<Link, ConnectError> {
        let Self(paths) = self;
        let Some(proxy) = paths.proxies.of(&target).map_err(ConnectError::text)? else {
            let server = authority(&target).to_owned();
            return paths
                .tcp
                .clone()
                .dial(target)
                .await
                .map_err(|error| ConnectError::new(format!("the server {server} could not be reached"), error));
        };
        let out_of_reach = |error: Cause| {
            ConnectError::new(format!("the proxy {proxy} could not be reached"), error).advising(CHECK_PROXY)
        };
        let failed = |cause: Cause| {
            let text = format!("the proxy {proxy} did not open a tunnel to {}", authority(&target));
            ConnectError::new(text, cause).advising(CHECK_PROXY)
        };
        let mut link = match proxy.kind() {
            #[cfg(feature = "socks")]
            ProxyKind::Socks { resolves_names } => {
                let link =
                    paths.tcp.clone().dial(proxy.uri().clone()).await.map_err(|error| out_of_reach(error.into()))?;
                let address =
                    if resolves_names { None } else { Some(paths.tcp.address(&target).await.map_err(failed)?) };
                return open_socks(link, &proxy, &target, address).await.map_err(failed);
            }
            #[cfg(feature = "_tls")]
            ProxyKind::Https => {
                let Connected { stream, socket, .. } =
                    paths.to_proxy.connect(proxy.uri()).await.map_err(|error| out_of_reach(error.into()))?;
                Link::over_tls(stream, socket)
            }
            ProxyKind::Http => {
                paths.tcp.clone().dial(proxy.uri().clone()).await.map_err(|error| out_of_reach(error.into()))?
            }
        };
        if target.scheme() == Some(&Scheme::HTTPS) {
            open_tunnel(&mut link, &proxy, &target).await.map_err(failed)?;
        } else {
            link.is_proxied = true;
        }
        Ok(link)
    }
}

impl Service<Uri> for Dialer {
    type Response = Link;
    type Error = ConnectError;
    type Future = Linking;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Linking {
        Box::pin(self.clone().dial(target))
    }
}

/// How TCP connections are opened.
#[derive(Clone, Debug, Default)]
pub(super) struct DialOptions {
    /// The pinned addresses of hosts, which are not resolved.
    pub(super) resolved: Arc<Vec<(String, Vec<SocketAddr>)>>,
    /// The local address that connections are bound to.
    pub(super) local_address: Option<IpAddr>,
}

/// Makes TCP connections.
#[derive(Clone)]
pub(super) struct Tcp(DialOptions);

impl Tcp {
    async fn dial(self, uri: Uri) -> io::Result<Link> {
        Ok(Link::new(Socket::new(self.open(&uri).await?)))
    }

    async fn open(&self, uri: &Uri) -> io::Result<TcpStream> {
        let addresses = self.addresses(uri).await?;
        let stream = happy_eyeballs(interleave_families(addresses), self.0.local_address).await?;
        stream.set_nodelay(true)?;
        let probes = TcpKeepalive::new().with_time(Duration::from_secs(60));
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "linux",
            target_vendor = "apple",
            windows
        ))]
        let probes = probes.with_interval(Duration::from_secs(15)).with_retries(4);
        SockRef::from(&stream).set_tcp_keepalive(&probes)?;
        Ok(stream)
    }

    /// Returns the addresses of the host of `uri`, with its port.
    async fn addresses(&self, uri: &Uri) -> io::Result<Vec<SocketAddr>> {
        let host = bare_host(uri.host().unwrap_or_default());
        let port = port_of(uri);
        match self.0.resolved.iter().find(|(known, _)| known.eq_ignore_ascii_case(host)) {
            // Port 0 means the port of the URL.
            Some((_, addresses)) => Ok(addresses
                .iter()
                .map(|address| SocketAddr::new(address.ip(), if address.port() == 0 { port } else { address.port() }))
                .collect()),
            None => Ok(lookup_host((host, port)).await?.collect()),
        }
    }

    /// Returns the first address of the host of `uri`.
    #[cfg(feature = "socks")]
    async fn address(&self, uri: &Uri) -> Result<SocketAddr, Cause> {
        Ok(self.addresses(uri).await?.into_iter().next().ok_or("the server name has no address")?)
    }
}

impl Service<Uri> for Tcp {
    type Response = Link;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Link>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// Returns the port of `uri`, or the default one of its scheme.
fn port_of(uri: &Uri) -> u16 {
    let default = match uri.scheme_str() {
        Some("https") => 443,
        Some("socks5" | "socks5h") => 1080,
        _ => 80,
    };
    uri.port_u16().unwrap_or(default)
}

/// Asks the SOCKS5 proxy at the other end of `link` for a connection to `target`, or to `address`
/// instead (RFC 1928).
#[cfg(feature = "socks")]
async fn open_socks(link: Link, proxy: &Proxy, target: &Uri, address: Option<SocketAddr>) -> Result<Link, Cause> {
    let authority = address.map_or_else(
        || format!("{}:{}", target.host().unwrap_or_default(), port_of(target)),
        |address| address.to_string(),
    );
    let target = Uri::builder().scheme("https").authority(authority).path_and_query("/").build()?;
    let mut socks = SocksV5::new(proxy.uri().clone(), Made(Some(link)));
    if let Some((name, password)) = proxy.credentials() {
        socks = socks.with_auth(name.to_owned(), password.to_owned());
    }
    Ok(socks.call(target).await?)
}

/// Returns a stream that already exists.
#[cfg(feature = "socks")]
struct Made(Option<Link>);

#[cfg(feature = "socks")]
impl Service<Uri> for Made {
    type Response = Link;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Link, &'static str>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _proxy: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or("the connection was already used"))
    }
}

/// Returns the addresses with alternating families, beginning with that of the first one, which the
/// system prefers (RFC 8305, section 4).
fn interleave_families(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let prefers_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == prefers_v6);
    let mut others = others.into_iter();
    let mut turns: Vec<_> =
        preferred.into_iter().flat_map(|address| [Some(address), others.next()]).flatten().collect();
    turns.extend(others);
    turns
}

/// Tries the addresses in order until one responds. The next one is tried when one has failed, and
/// in parallel once those before it have had their head start, so an address that is dead costs no
/// more than that.
async fn happy_eyeballs(addresses: Vec<SocketAddr>, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut failure = None;
    let mut turn = pin!(sleep(HEAD_START));
    poll_fn(|cx| {
        loop {
            let mut is_next_due = turn.as_mut().poll(cx).is_ready();
            let mut index = 0;
            while let Some(attempt) = attempts.get_mut(index) {
                match poll_connect(attempt, cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        drop(attempts.remove(index));
                        // What happened to the preferred address says most.
                        failure.get_or_insert(error);
                        is_next_due = true;
                    }
                    Poll::Pending => index += 1,
                }
            }
            let next = if is_next_due || attempts.is_empty() { waiting.next() } else { None };
            match next {
                Some(address) => {
                    attempts.push(Box::pin(dial(address, local)));
                    turn.as_mut().reset(Instant::now() + HEAD_START);
                }
                None if attempts.is_empty() => {
                    let unknown = || io::Error::new(io::ErrorKind::NotFound, "the server name has no address");
                    return Poll::Ready(Err(failure.take().unwrap_or_else(unknown)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

async fn dial(address: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(local) = local else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}

/// Polls an attempt to connect. Tokio panics if the runtime has no I/O driver and has no other way
/// to check.
fn poll_connect(attempt: &mut Attempt, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
    catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(cx))).unwrap_or_else(|_| {
        let error = io::Error::other("the Tokio runtime has I/O disabled: build it with `enable_all`");
        Poll::Ready(Err(error))
    })
}

/// Asks the HTTP proxy at the other end of `link` for a tunnel to the origin of `target` (RFC 9110,
/// section 9.3.6).
async fn open_tunnel(link: &mut Link, proxy: &Proxy, target: &Uri) -> Result<(), Cause> {
    let authority = format!("{}:{}", target.host().unwrap_or_default(), port_of(target));
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(authorization) = proxy.authorization() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let mut unsent = request.as_slice();
    while !unsent.is_empty() {
        let count = poll_fn(|cx| Pin::new(&mut *link).poll_write(cx, unsent)).await?;
        unsent = unsent.get(count..).unwrap_or_default();
    }
    poll_fn(|cx| Pin::new(&mut *link).poll_flush(cx)).await?;
    let mut response = Vec::new();
    let mut part = [0; 512];
    loop {
        // Informational responses precede the final one (RFC 9110, section 15.2).
        while let Some(end) = head_end(&response) {
            let rest = response.split_off(end);
            match status(&response) {
                Some([b'1', ..]) => response = rest,
                // With TLS the client speaks first, so nothing may follow this head.
                Some([b'2', ..]) if !rest.is_empty() => return Err("it sent more than the head of its response".into()),
                Some([b'2', ..]) => return Ok(()),
                Some(b"407") => {
                    let reason =
                        "it requires valid credentials (status 407); set the username and password in the proxy URL";
                    return Err(reason.into());
                }
                Some(status) => {
                    return Err(format!("it responded with the status {}", status.escape_ascii()).into());
                }
                None => return Err("it did not respond with HTTP".into()),
            }
        }
        if response.len() > LONGEST_PROXY_RESPONSE {
            return Err("the head of its response is too long".into());
        }
        let mut buffer = ReadBuf::new(&mut part);
        poll_fn(|cx| Pin::new(&mut *link).poll_read(cx, buffer.unfilled())).await?;
        if buffer.filled().is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        response.extend_from_slice(buffer.filled());
    }
}

/// Returns where the head of a response ends: after an empty line, with either line ending.
fn head_end(response: &[u8]) -> Option<usize> {
    let ends = memchr::memchr_iter(b'\n', response).map(|at| at + 1);
    let mut starts = std::iter::once(0).chain(ends.clone());
    ends.into_iter().find(|end| {
        let line = starts.next().and_then(|start| response.get(start..*end)).unwrap_or_default();
        matches!(line, b"\n" | b"\r\n")
    })
}

/// Returns the status of an HTTP/1 response.
fn status(response: &[u8]) -> Option<&[u8]> {
    let rest = response.strip_prefix(b"HTTP/1.1 ").or_else(|| response.strip_prefix(b"HTTP/1.0 "))?;
    rest.get(..3).filter(|status| status.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_sends_at_once_and_is_kept_alive_with_probes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let stream = Tcp(DialOptions::default()).open(&uri).await.unwrap();
        assert!(stream.nodelay().unwrap());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(15));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
    }

    #[test]
    fn the_families_of_addresses_take_turns_beginning_with_the_first() {
        for (given, expected) in [
            (&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"][..], &["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"][..]),
            (&["1.1.1.1:1", "[::1]:1", "[::2]:1"], &["1.1.1.1:1", "[::1]:1", "[::2]:1"]),
            (&["1.1.1.1:1", "2.2.2.2:1"], &["1.1.1.1:1", "2.2.2.2:1"]),
            (&[], &[]),
        ] {
            let turns = interleave_families(given.iter().map(|address| address.parse().unwrap()).collect());
            assert_eq!(turns.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        }
    }

    /// Returns an address that nothing listens at, for as long as the socket exists.
    fn refusing() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_address_that_refuses_the_next_is_tried_at_once() {
        let (_first, first) = refusing();
        let (_second, second) = refusing();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let before = Instant::now();

        let stream = happy_eyeballs(vec![first, second, listener.local_addr().unwrap()], None).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        assert!(before.elapsed() < HEAD_START, "the clock jumps only while nothing can be done");
    }

    #[tokio::test]
    async fn where_no_address_answers_the_error_is_that_of_the_first() {
        let (_first, first) = refusing();
        let unusable = "255.255.255.255:1".parse().unwrap();
        let error = happy_eyeballs(vec![first, unusable], None).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = happy_eyeballs(vec![unusable, first], None).await.unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(happy_eyeballs(Vec::new(), None).await.unwrap_err().to_string(), "the server name has no address");
    }

    /// Linux does not respond if the queue of a listener is full.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn beside_an_address_that_is_silent_the_next_is_tried_after_a_head_start() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(0).unwrap();
        let silent = full.local_addr().unwrap();
        let _queued = TcpStream::connect(silent).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let before = Instant::now();

        let stream = happy_eyeballs(vec![silent, listener.local_addr().unwrap()], None).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        assert_eq!(before.elapsed().as_millis() / 10, HEAD_START.as_millis() / 10);
    }
}
