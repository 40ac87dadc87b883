//! The default transport over TLS: whom it trusts, what it reports about whom it does not, HTTP/2 by agreement.

use std::time::Duration;

use crate::a_limit::tokio;
use crate::certificates::{Authority, acceptor, only_tls12};
use crate::network::{KEY, answer_all, ask, chain, post, read_request};
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::transport::{
    ConnectTimeout, HyperTransport, Roots, Transport, TransportError, TransportErrorKind,
};
use openrouter_kit::core::{Call, Operation, Parts, RetryConfig};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

fn transport(authority: &Authority) -> HyperTransport {
    HyperTransport::builder().no_proxy().root_certificate(authority.pem()).build().unwrap()
}

/// Takes one TLS connection for `serve`; `None` if the handshake failed. The URL names the host
/// `localhost`.
async fn serve_one<F, T>(
    acceptor: TlsAcceptor,
    serve: impl FnOnce(TlsStream<TcpStream>) -> F + Send + 'static,
) -> (tokio::task::JoinHandle<Option<T>>, String)
where
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/api/v1/responses", listener.local_addr().unwrap().port());
    let task = tokio::spawn(async move {
        let stream = listener.accept().await.unwrap().0;
        match acceptor.accept(stream).await {
            Ok(stream) => Some(serve(stream).await),
            Err(_) => None,
        }
    });
    (task, url)
}

#[tokio::test]
async fn a_server_with_a_certificate_of_an_extra_root_is_trusted() {
    let authority = Authority::new();
    let (server, url) =
        serve_one(authority.server("localhost", &["http/1.1"], |_| {}), |stream| answer_all(stream, "answer")).await;
    let transport = transport(&authority);

    assert_eq!(ask(&transport, &url).await.unwrap(), "answer");
    assert_eq!(ask(&transport, &url).await.unwrap(), "answer");

    drop(transport);
    let requests = server.await.unwrap().unwrap();
    assert_eq!(requests.len(), 2, "both on one connection");
    assert!(requests[0].contains(KEY));
}

/// Responds to a request and returns how the connection ends: without `close_notify`, with an error (RFC 8446, section 6.1).
async fn respond_until_closed(mut stream: TlsStream<TcpStream>) -> Result<usize, std::io::ErrorKind> {
    read_request(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer").await.unwrap();
    stream.read(&mut [0; 16]).await.map_err(|error| error.kind())
}

#[tokio::test]
async fn a_connection_that_is_not_kept_is_closed_by_the_rules_of_tls() {
    let authority = Authority::new();
    let (server, url) = serve_one(authority.server("localhost", &["http/1.1"], |_| {}), respond_until_closed).await;
    let builder = HyperTransport::builder().no_proxy().root_certificate(authority.pem());

    assert_eq!(ask(&builder.pool_max_idle_per_host(0).build().unwrap(), &url).await.unwrap(), "answer");

    assert_eq!(server.await.unwrap().unwrap(), Ok(0));
}

#[tokio::test]
async fn a_dropped_transport_closes_its_connections_by_the_rules_of_tls() {
    let authority = Authority::new();
    let (server, url) = serve_one(authority.server("localhost", &["http/1.1"], |_| {}), respond_until_closed).await;
    let transport = transport(&authority);
    assert_eq!(ask(&transport, &url).await.unwrap(), "answer");

    drop(transport);

    assert_eq!(server.await.unwrap().unwrap(), Ok(0));
}

#[tokio::test]
async fn an_extra_root_may_be_der_and_one_of_several_in_a_pem_text() {
    let authority = Authority::new();
    let der = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap().to_vec();
    let several = format!("{}{}", Authority::new().pem(), authority.pem());
    for root in [der, several.into_bytes()] {
        let (_server, url) =
            serve_one(authority.server("localhost", &[], |_| {}), |stream| answer_all(stream, "answer")).await;
        let transport = HyperTransport::builder().no_proxy().root_certificate(root).build().unwrap();
        assert_eq!(ask(&transport, &url).await.unwrap(), "answer");
    }
}

/// Expects that `transport` rejects the server, and returns why.
async fn refusal(transport: &HyperTransport, server: TlsAcceptor) -> String {
    let (server, url) = serve_one(server, |stream| answer_all(stream, "answer")).await;

    let error = ask(transport, &url).await.unwrap_err();

    assert_eq!(error.kind(), TransportErrorKind::Connect, "{}", chain(&error));
    assert!(chain(&error).contains("the TLS handshake with localhost failed: "), "{}", chain(&error));
    let cause = std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |error| (*error).source());
    assert_eq!(cause.filter(|cause| cause.is::<rustls::Error>()).count(), 1, "a program finds the TLS error");
    let requests = server.await.unwrap().unwrap_or_default();
    assert!(requests.is_empty(), "nothing was sent");
    chain(&error)
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let server = authority.server("localhost", &[], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let refusal = refusal(&transport(&authority), server).await;
    assert!(refusal.contains("invalid peer certificate: certificate expired"), "{refusal}");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let server = authority.server("openrouter.example", &[], |_| {});
    let refusal = refusal(&transport(&authority), server).await;
    assert!(refusal.contains("not valid for name \"localhost\""), "{refusal}");
}

#[tokio::test]
async fn an_error_of_a_certificate_says_what_to_do() {
    for (name, year, trusted, advice) in [
        ("localhost", 2100, false, "`roots-platform`"),
        ("localhost", 2100, false, "`root_certificate`"),
        ("localhost", 2020, true, "the clock of this machine"),
        ("openrouter.example", 2100, true, "check the server URL"),
    ] {
        let authority = Authority::new();
        let server = authority.server(name, &[], |params| params.not_after = date_time_ymd(year, 1, 1));
        let (_server, url) = serve_one(server, |stream| answer_all(stream, "answer")).await;
        let trusted = if trusted { transport(&authority) } else { transport(&Authority::new()) };
        let core = OpenRouterCore::builder().api_key("k").server_url(url).transport(trusted);
        let core = core.retry_config(RetryConfig::none()).build().unwrap();
        let error = Call::<()>::new(&core, Parts::new(&PING)).await.unwrap_err();
        assert!(error.to_string().contains(advice) && !error.to_string().contains("network"), "{error}");
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        read_request(&mut stream).await;
    });
    let core = OpenRouterCore::builder().api_key("k").server_url(url).transport(transport(&Authority::new()));
    let core = core.retry_config(RetryConfig::none()).build().unwrap();
    let error = Call::<()>::new(&core, Parts::new(&PING)).await.unwrap_err();
    assert!(error.to_string().contains("does not speak TLS on this port"), "{error:?}");
}

static PING: Operation = Operation::new("ping", http::Method::POST, "/ping");

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let server = Authority::new().server("localhost", &[], |_| {});
    let refusal = refusal(&transport(&Authority::new()), server).await;
    assert!(refusal.contains("invalid peer certificate: UnknownIssuer"), "{refusal}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server = acceptor(certificate.der().clone(), &key, &[]);
    let refusal = refusal(&transport(&Authority::new()), server).await;
    assert!(refusal.contains("invalid peer certificate"), "{refusal}");
}

#[tokio::test]
async fn a_server_that_only_speaks_tls_1_2_is_reached() {
    let authority = Authority::new();
    let (_server, url) = serve_one(only_tls12(&authority), |stream| answer_all(stream, "answer")).await;
    assert_eq!(ask(&transport(&authority), &url).await.unwrap(), "answer");
}

#[cfg(feature = "rustls-config")]
#[tokio::test]
async fn without_a_common_version_of_tls_the_error_names_the_feature() {
    let authority = Authority::new();
    let (_server, url) = serve_one(only_tls12(&authority), |stream| answer_all(stream, "answer")).await;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let newer = HyperTransport::builder().no_proxy().rustls_config(config).build().unwrap();
    let core = OpenRouterCore::builder().api_key("k").server_url(url).transport(newer);
    let core = core.retry_config(RetryConfig::none()).build().unwrap();

    let error = Call::<()>::new(&core, Parts::new(&PING)).await.unwrap_err();

    assert!(error.to_string().contains("no TLS version in common") && error.to_string().contains("`tls12`"), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let mut stream = listener.accept().await.unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        answer_all(stream, "plain").await
    });

    let error = ask(&transport(&Authority::new()), &url).await.unwrap_err();

    assert_eq!(error.kind(), TransportErrorKind::Connect, "{}", chain(&error));
}

/// Calls a server that takes connections and never responds to the handshake.
async fn ask_silence(transport: &HyperTransport, limit: Option<Duration>) -> (Duration, TransportErrorKind) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = post(&format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port()));
    if let Some(limit) = limit {
        request.extensions_mut().insert(ConnectTimeout(limit));
    }
    let before = tokio::time::Instant::now();
    let error = transport.send(request).await.unwrap_err();
    assert!(error.is_unsent());
    // The clock is paused and jumps to the next deadline.
    (Duration::from_secs(before.elapsed().as_secs()), error.kind())
}

#[tokio::test(start_paused = true)]
async fn making_a_connection_has_a_limit_of_ten_seconds() {
    let answer = ask_silence(&transport(&Authority::new()), None).await;
    assert_eq!(answer, (Duration::from_secs(10), TransportErrorKind::ConnectTimeout));
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_option_replaces_the_default_one() {
    let transport = HyperTransport::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(3))
        .root_certificate(Authority::new().pem())
        .build();
    let answer = ask_silence(&transport.unwrap(), None).await;
    assert_eq!(answer, (Duration::from_secs(3), TransportErrorKind::ConnectTimeout));
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_call_replaces_the_one_of_the_transport() {
    for limit in [Duration::from_secs(2), Duration::from_secs(25)] {
        let answer = ask_silence(&transport(&Authority::new()), Some(limit)).await;
        assert_eq!(answer, (limit, TransportErrorKind::ConnectTimeout));
    }
}

#[tokio::test]
async fn dropping_the_future_while_connecting_closes_the_connection_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let transport = transport(&Authority::new());
    let mut exchange = transport.send(post(&format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port())));
    let mut stream = tokio::select! {
        _ = &mut exchange => panic!("the server does not answer"),
        accepted = listener.accept() => accepted.unwrap().0,
    };

    drop(exchange);

    // The outcome of the handshake may still be read; then the connection ends.
    read_request(&mut stream).await;
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn what_is_no_certificate_is_refused_by_the_name_of_the_option() {
    let empty_pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cut_pem = "-----BEGIN CERTIFICATE-----\nAAAA";
    for bad in ["", "a certificate", empty_pem, cut_pem] {
        let error = HyperTransport::builder().root_certificate(bad).build().unwrap_err();
        assert_eq!(error.option(), "root_certificate");
        assert!(error.to_string().starts_with("invalid option `root_certificate`: "), "{error}");
    }
    let error = HyperTransport::builder().root_certificate(cut_pem).build().unwrap_err();
    assert!(std::error::Error::source(&error).is_some(), "the cause is known");
}

#[test]
fn without_any_root_the_transport_is_not_built() {
    let error = HyperTransport::builder().roots([]).build().unwrap_err();
    assert_eq!(error.option(), "roots");
    HyperTransport::builder().roots([]).root_certificate(Authority::new().pem()).build().unwrap();
}

#[cfg(not(feature = "roots-bundled"))]
#[test]
fn without_the_bundled_roots_others_must_be_chosen() {
    for builder in [HyperTransport::builder(), HyperTransport::builder().root_certificate(Authority::new().pem())] {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().contains("enable the feature `roots-bundled`"), "{error}");
    }
}

/// Runs `roots_child` in a process of its own, whose system trusts only `authority`.
#[cfg(all(feature = "roots-platform", unix))]
#[tokio::test]
async fn the_roots_of_the_system_are_trusted_only_if_the_client_asks() {
    let authority = Authority::new();
    let path = std::env::temp_dir().join(format!("openrouter-kit-roots-{}.pem", std::process::id()));
    std::fs::write(&path, authority.pem()).unwrap();
    for (what, is_trusted) in [("default", false), ("bundled", false), ("platform", true), ("both", true)] {
        let server = authority.server("localhost", &[], |_| {});
        let (_server, url) = serve_one(server, |stream| answer_all(stream, "answer")).await;
        let mut child = tokio::process::Command::from(crate::support::child("tls::roots_child"));
        let child = child
            .envs([("TEST_ROOTS", what), ("TEST_URL", &url)])
            .env("SSL_CERT_FILE", &path)
            .env_remove("SSL_CERT_DIR");
        let output = crate::network::soon(child.output()).await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains(&format!("is trusted: {is_trusted}")), "{what}: {printed}");
    }
    std::fs::remove_file(path).unwrap();
}

#[cfg(all(feature = "roots-platform", unix))]
#[tokio::test]
#[ignore = "run by the test above, with an environment made for it"]
async fn roots_child() {
    let builder = HyperTransport::builder().no_proxy();
    let builder = match std::env::var("TEST_ROOTS").unwrap().as_str() {
        "bundled" => builder.roots([Roots::Bundled]),
        "platform" => builder.roots([Roots::Platform]),
        "both" => builder.roots([Roots::Platform, Roots::Bundled]),
        _ => builder,
    };
    let answer = ask(&builder.build().unwrap(), &std::env::var("TEST_URL").unwrap()).await;
    println!("is trusted: {}", answer.is_ok());
}

#[tokio::test]
async fn the_address_in_a_url_must_be_the_one_of_the_certificate() {
    for (name, is_right) in [("127.0.0.1", true), ("localhost", false), ("127.0.0.2", false)] {
        let authority = Authority::new();
        let (_server, url) =
            serve_one(authority.server(name, &[], |_| {}), |stream| answer_all(stream, "answer")).await;
        let answer = ask(&transport(&authority), &url.replace("localhost", "127.0.0.1")).await;
        assert_eq!(answer.is_ok(), is_right, "{name}");
    }
}

#[cfg(feature = "http2")]
mod http2 {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::network::{jump, run_tasks, soon};
    use bytes::Bytes;
    use http_body::Body as _;
    use http_body_util::{BodyExt, Full};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use openrouter_kit::core::body::Body;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::mpsc;

    use super::*;
    use crate::a_limit::tokio;

    fn transport(authority: &Authority) -> HyperTransport {
        HyperTransport::builder().no_proxy().http2(true).root_certificate(authority.pem()).build().unwrap()
    }

    #[tokio::test]
    async fn it_is_spoken_where_the_server_offers_it() {
        let authority = Authority::new();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let (_server, url) =
            serve_one(authority.server("localhost", &["h2", "http/1.1"], |_| {}), async move |stream| {
                count.fetch_add(1, Ordering::Relaxed);
                let answer = service_fn(async |request: http::Request<hyper::body::Incoming>| {
                    let seen = format!("{:?} {}", request.version(), request.uri());
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    assert_eq!(body, "question");
                    Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(seen))))
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            })
            .await;
        let transport = transport(&authority);

        assert_eq!(ask(&transport, &url).await.unwrap(), format!("HTTP/2.0 {url}"));
        let (first, second) = tokio::join!(ask(&transport, &url), ask(&transport, &url));

        assert_eq!((first.unwrap(), second.unwrap()), (format!("HTTP/2.0 {url}"), format!("HTTP/2.0 {url}")));
        assert_eq!(connections.load(Ordering::Relaxed), 1, "calls at the same time share the connection");
    }

    #[tokio::test]
    async fn it_is_not_spoken_unless_the_client_asks_for_it() {
        let authority = Authority::new();
        let (server, url) = serve_one(authority.server("localhost", &["h2", "http/1.1"], |_| {}), |stream| {
            answer_all(stream, "answer")
        })
        .await;
        let transport = super::transport(&authority);

        assert_eq!(ask(&transport, &url).await.unwrap(), "answer");

        drop(transport);
        assert!(server.await.unwrap().unwrap()[0].contains(" HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn a_server_that_offers_nothing_is_spoken_to_in_http_1() {
        let authority = Authority::new();
        let (server, url) =
            serve_one(authority.server("localhost", &[], |_| {}), |stream| answer_all(stream, "answer")).await;
        let transport = transport(&authority);

        ask(&transport, &url).await.unwrap();

        drop(transport);
        assert!(server.await.unwrap().unwrap()[0].contains(" HTTP/1.1\r\n"));
    }

    /// Sends a request to a server that responds to it with these raw frames after its settings.
    async fn kind_after(frames: &'static [u8]) -> TransportErrorKind {
        let authority = Authority::new();
        let (_server, url) = serve_one(authority.server("localhost", &["h2"], |_| {}), async move |mut stream| {
            until_headers(&mut stream).await;
            stream.write_all(&SETTINGS).await.unwrap();
            stream.write_all(frames).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let transport = transport(&authority);
        let error = ask(&transport, &url).await.unwrap_err();
        error.kind()
    }

    /// Reads the preface and all frames up to the head of the first request.
    async fn until_headers(stream: &mut TlsStream<TcpStream>) {
        stream.read_exact(&mut [0; 24]).await.unwrap();
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
            if head[3] == 1 {
                return;
            }
        }
    }

    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS_FRAME: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;

    #[tokio::test]
    async fn a_refused_stream_was_not_sent() {
        let frames = &[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 7];
        assert_eq!(kind_after(frames).await, TransportErrorKind::NotSent);
    }

    #[tokio::test]
    async fn a_stream_above_the_last_one_of_an_orderly_end_was_not_sent() {
        let frames = &[0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(kind_after(frames).await, TransportErrorKind::NotSent);
    }

    #[tokio::test]
    async fn a_stream_that_broke_for_another_reason_may_have_been_received() {
        let internal_error = &[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(kind_after(internal_error).await, TransportErrorKind::Exchange);
        let end_with_error = &[0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(kind_after(end_with_error).await, TransportErrorKind::Exchange);
        let end_with_error_before = &[0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(kind_after(end_with_error_before).await, TransportErrorKind::Exchange);
        let no_error = &[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(kind_after(no_error).await, TransportErrorKind::Exchange);
    }

    /// An empty SETTINGS frame.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    /// Makes a call, and stops the clock of the test once the server has its request. Returns the status of the response,
    /// and how long it took by that clock.
    async fn ask_paused<F: Future<Output = ()> + Send>(
        serve: impl FnOnce(TlsStream<TcpStream>) -> F + Send + 'static,
    ) -> (Result<http::StatusCode, TransportError>, Duration) {
        let authority = Authority::new();
        let (arrived, mut has_arrived) = mpsc::unbounded_channel();
        let (_server, url) = serve_one(authority.server("localhost", &["h2"], |_| {}), async move |mut stream| {
            until_headers(&mut stream).await;
            stream.write_all(&SETTINGS).await.unwrap();
            arrived.send(()).unwrap();
            serve(stream).await;
        })
        .await;
        let transport = transport(&authority);
        let call = tokio::spawn(async move { transport.send(post(&url)).await.map(|response| response.status()) });
        soon(has_arrived.recv()).await.unwrap();
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        (call.await.unwrap(), began.elapsed())
    }

    #[tokio::test]
    async fn a_connection_whose_peer_returns_no_ping_is_abandoned() {
        let (result, took) = ask_paused(async move |stream| {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;

        assert_eq!(result.unwrap_err().kind(), TransportErrorKind::Exchange);
        assert!((30..=45).contains(&took.as_secs()), "{took:?}");
    }

    #[tokio::test]
    async fn a_slow_response_of_a_peer_that_returns_pings_arrives() {
        let (result, took) = ask_paused(async move |mut stream| {
            let mut pings = 0;
            while pings < 3 {
                let mut head = [0; 9];
                stream.read_exact(&mut head).await.unwrap();
                let mut payload = vec![0; usize::from(head[2])];
                stream.read_exact(&mut payload).await.unwrap();
                if head[3] == PING && head[4] == 0 {
                    head[4] = 1;
                    stream.write_all(&[&head[..], &payload].concat()).await.unwrap();
                    pings += 1;
                }
            }
            // A HEADERS frame with the status 200, which ends the stream.
            stream.write_all(&[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;

        assert_eq!(result.unwrap(), 200);
        assert!((90..=120).contains(&took.as_secs()), "{took:?}");
    }

    /// The kind, the flags and the stream of a frame.
    async fn read_frame(stream: &mut TlsStream<TcpStream>) -> Option<(u8, u8, u32)> {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await.ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
    }

    /// Responds to a request with the status 200 and no body.
    async fn answer(stream: &mut TlsStream<TcpStream>, id: u32) {
        stream.write_all(&[0, 0, 1, HEADERS, 5]).await.unwrap();
        stream.write_all(&id.to_be_bytes()).await.unwrap();
        stream.write_all(&[0x88]).await.unwrap();
    }

    /// Accepts connections, counts them, and responds to each request: `endless` gets a body without end.
    async fn serve(authority: &Authority, max_streams: Option<u32>) -> (String, Arc<AtomicUsize>) {
        let acceptor = authority.server("localhost", &["h2"], |_| {});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            loop {
                let (acceptor, stream) = (acceptor.clone(), listener.accept().await.unwrap().0);
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let answer = service_fn(async |request: http::Request<hyper::body::Incoming>| {
                        let body = match request.uri().path() {
                            "/endless" => Body::wrap(Endless { begun: false, ended: mpsc::unbounded_channel().0 }),
                            _ => Body::from("answer"),
                        };
                        Ok::<_, Infallible>(http::Response::new(body))
                    });
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .max_concurrent_streams(max_streams)
                        .serve_connection(TokioIo::new(acceptor.accept(stream).await.unwrap()), answer)
                        .await;
                });
            }
        });
        (url, connections)
    }

    #[tokio::test]
    async fn a_response_that_was_read_makes_room_for_the_next_call() {
        let authority = Authority::new();
        let (url, connections) = serve(&authority, Some(1)).await;
        let transport = transport(&authority);

        for _ in 0..5 {
            assert_eq!(ask(&transport, &url).await.unwrap(), "answer");
        }

        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn without_idle_connections_each_call_has_its_own() {
        let authority = Authority::new();
        let (url, connections) = serve(&authority, None).await;
        let builder = HyperTransport::builder().no_proxy().http2(true).root_certificate(authority.pem());
        let transport = builder.pool_max_idle_per_host(0).build().unwrap();

        for expected in 1..=3 {
            assert_eq!(ask(&transport, &url).await.unwrap(), "answer");
            assert_eq!(connections.load(Ordering::Relaxed), expected);
        }
    }

    #[tokio::test]
    async fn a_connection_in_use_is_not_idle_and_an_unused_one_is() {
        let authority = Authority::new();
        let (url, connections) = serve(&authority, None).await;
        let transport = transport(&authority);

        let mut endless = soon(transport.send(post(&format!("{url}endless")))).await.unwrap().into_body();
        assert_eq!(soon(endless.frame()).await.unwrap().unwrap().into_data().unwrap(), "first");
        jump(Duration::from_secs(51)).await;
        ask(&transport, &url).await.unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), 1, "it is in use");

        drop(endless);
        jump(Duration::from_secs(49)).await;
        ask(&transport, &url).await.unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), 1, "it was unused for 49 seconds");

        jump(Duration::from_secs(51)).await;
        ask(&transport, &url).await.unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), 2, "it was unused for 51 seconds");
    }

    #[tokio::test]
    async fn a_connection_that_takes_long_to_make_is_shared_all_the_same() {
        let authority = Authority::new();
        let acceptor = authority.server("localhost", &["h2"], |_| {});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let (accepted, mut connections) = mpsc::unbounded_channel();
        let (go_on, may_go_on) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (acceptor, stream, mut may_go_on) =
                    (acceptor.clone(), listener.accept().await.unwrap().0, may_go_on.clone());
                accepted.send(()).unwrap();
                tokio::spawn(async move {
                    may_go_on.wait_for(|may| *may).await.unwrap();
                    let answer = service_fn(async |_request| {
                        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("answer"))))
                    });
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(acceptor.accept(stream).await.unwrap()), answer)
                        .await;
                });
            }
        });
        let builder = HyperTransport::builder().no_proxy().http2(true).root_certificate(authority.pem());
        let transport = builder.pool_idle_timeout(Duration::from_secs(3)).build().unwrap();

        let mut first = transport.send(post(&url));
        assert!(futures_util::poll!(&mut first).is_pending());
        soon(connections.recv()).await.unwrap();
        // Connections that were idle for too long are closed in the meantime.
        jump(Duration::from_secs(4)).await;
        let mut second = transport.send(post(&url));
        assert!(futures_util::poll!(&mut second).is_pending());
        go_on.send(true).unwrap();

        let (first, second) = soon(futures_util::future::join(first, second)).await;
        assert_eq!((first.unwrap().status(), second.unwrap().status()), (http::StatusCode::OK, http::StatusCode::OK));
        assert!(connections.try_recv().is_err(), "a second connection was opened");
    }

    #[tokio::test]
    async fn a_connection_that_no_call_waits_for_anymore_is_given_up_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transport = transport(&Authority::new());
        let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let mut calls = [transport.send(post(&url)), transport.send(post(&url))];
        for call in &mut calls {
            assert!(futures_util::poll!(call).is_pending());
        }
        let mut stream = soon(listener.accept()).await.unwrap().0;

        drop(calls);

        // The outcome of the handshake may still be read; then the connection ends.
        read_request(&mut stream).await;
        assert_eq!(soon(stream.read(&mut [0])).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn calls_that_wait_for_the_stream_limit_sleep_until_it_is_known() {
        #[derive(Default)]
        struct Wakes(AtomicUsize);
        impl std::task::Wake for Wakes {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let authority = Authority::new();
        let (arrived, mut has_arrived) = mpsc::unbounded_channel();
        let (go_on, may_go_on) = tokio::sync::oneshot::channel();
        let (_server, url) = serve_one(authority.server("localhost", &["h2"], |_| {}), async move |mut stream| {
            until_headers(&mut stream).await;
            arrived.send(()).unwrap();
            may_go_on.await.unwrap();
            stream.write_all(&SETTINGS).await.unwrap();
            answer(&mut stream, 1).await;
            while let Some((kind, _, id)) = read_frame(&mut stream).await {
                if kind == HEADERS {
                    answer(&mut stream, id).await;
                }
            }
        })
        .await;
        let transport = transport(&authority);
        let mut calls: Vec<_> = (0..3).map(|_| transport.send(post(&url))).collect();
        for call in &mut calls {
            assert!(futures_util::poll!(call).is_pending());
        }
        while has_arrived.try_recv().is_err() {
            assert!(futures_util::poll!(&mut calls[0]).is_pending());
            tokio::task::yield_now().await;
        }

        let wakes = Arc::new(Wakes::default());
        let waker = std::task::Waker::from(wakes.clone());
        for call in &mut calls[1..] {
            assert!(call.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);

        go_on.send(()).unwrap();
        for response in soon(futures_util::future::join_all(calls)).await {
            assert_eq!(response.unwrap().status(), 200);
        }
    }

    #[tokio::test]
    async fn a_request_that_was_not_sent_is_sent_on_another_connection_if_its_own_was_reused() {
        for is_reused in [true, false] {
            let authority = Authority::new();
            let acceptor = authority.server("localhost", &["h2"], |_| {});
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
            let (ready, mut is_ready) = mpsc::unbounded_channel();
            let (close, may_close) = std::sync::mpsc::channel();
            let (closed, is_closed) = std::sync::mpsc::channel();
            // A thread, like another process, so that it can close the connection between two steps of this one.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).unwrap();
                    let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                    stream.read_exact(&mut [0; 24]).await.unwrap();
                    stream.write_all(&SETTINGS).await.unwrap();
                    loop {
                        match read_frame(&mut stream).await.unwrap() {
                            (HEADERS, _, id) => break answer(&mut stream, id).await,
                            (SETTINGS_FRAME, 1, _) if !is_reused => break,
                            _ => {}
                        }
                    }
                    ready.send(()).unwrap();
                    may_close.recv().unwrap();
                    drop(stream);
                    closed.send(()).unwrap();
                    let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                    let answer = service_fn(async |_request| {
                        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("answer"))))
                    });
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            });
            let transport = transport(&authority);
            if is_reused {
                assert_eq!(ask(&transport, &url).await.unwrap(), "");
            }
            let mut call = Box::pin(ask(&transport, &url));
            if !is_reused {
                assert!(futures_util::poll!(&mut call).is_pending());
            }
            soon(is_ready.recv()).await.unwrap();
            run_tasks().await;

            // The connection gets the request, and closes before its task runs. Another call notices it.
            assert!(futures_util::poll!(&mut call).is_pending());
            close.send(()).unwrap();
            is_closed.recv().unwrap();
            let mut other = Box::pin(ask(&transport, &url));
            assert!(futures_util::poll!(&mut other).is_pending());
            let (result, other) = soon(futures_util::future::join(call, other)).await;

            assert_eq!(other.unwrap(), "answer");
            match result {
                Ok(text) => assert!(is_reused && text == "answer", "{text}"),
                Err(error) => {
                    assert!(!is_reused, "{}", chain(&error));
                    assert_eq!(error.kind(), TransportErrorKind::NotSent, "{}", chain(&error));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_few_new_streams_are_reset_at_once_and_old_ones_whatever_their_number() {
        let authority = Authority::new();
        let (report, mut frames) = mpsc::unbounded_channel();
        let (_server, url) = serve_one(authority.server("localhost", &["h2"], |_| {}), async move |mut stream| {
            stream.read_exact(&mut [0; 24]).await.unwrap();
            stream.write_all(&SETTINGS).await.unwrap();
            while let Some((kind, _, id)) = read_frame(&mut stream).await {
                if (kind, id) == (HEADERS, 1) {
                    answer(&mut stream, id).await;
                } else if kind == HEADERS || kind == RST_STREAM {
                    report.send(kind).unwrap();
                }
            }
        })
        .await;
        let transport = transport(&authority);
        assert_eq!(ask(&transport, &url).await.unwrap(), "");
        // The age of a stream that the server has certainly accepted.
        const OLD: Duration = Duration::from_secs(1);
        // While a blocking task runs, a paused clock stands still.
        tokio::time::pause();
        let (_end, until_end) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || until_end.recv());

        // Sends requests that get no response, and counts the resets that the server received until then.
        let mut send = async |count: usize| {
            run_tasks().await;
            let mut calls: Vec<_> = (0..count).map(|_| transport.send(post(&url))).collect();
            for call in &mut calls {
                assert!(futures_util::poll!(call).is_pending());
            }
            let (mut requests, mut resets) = (0, 0);
            while requests < count {
                match frames.recv().await.unwrap() {
                    HEADERS => requests += 1,
                    _ => resets += 1,
                }
            }
            (calls, resets)
        };
        let (new, _) = send(20).await;
        drop(new);
        let (_waiting, resets) = send(1).await;
        assert_eq!(resets, 8);
        // A timer rounds up to milliseconds.
        tokio::time::advance(OLD + Duration::from_millis(1)).await;
        let (old, later) = send(20).await;
        assert_eq!(resets + later, 20);

        tokio::time::advance(OLD).await;
        drop(old);
        let (new, resets) = send(1).await;
        assert_eq!(resets, 20);
        drop(new);
        assert_eq!(send(1).await.1, 1, "old streams do not count");
    }

    #[tokio::test]
    async fn a_body_tells_its_length_and_its_end() {
        let authority = Authority::new();
        let (url, _) = serve(&authority, None).await;
        let transport = transport(&authority);

        let mut body = soon(transport.send(post(&url))).await.unwrap().into_body();

        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(6), false));
        while let Some(frame) = soon(body.frame()).await {
            frame.unwrap();
        }
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn dropping_the_body_resets_its_stream_at_once() {
        let authority = Authority::new();
        let (ended, mut has_ended) = mpsc::unbounded_channel();
        let (_server, url) = serve_one(authority.server("localhost", &["h2"], |_| {}), async move |stream| {
            let answer = service_fn(|_request| {
                let ended = ended.clone();
                async move { Ok::<_, Infallible>(http::Response::new(Body::wrap(Endless { begun: false, ended }))) }
            });
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        })
        .await;
        let transport = transport(&authority);

        let mut body = soon(transport.send(post(&url))).await.unwrap().into_body();
        assert_eq!(soon(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "first");
        drop(body);

        soon(has_ended.recv()).await.unwrap();
    }

    /// A body with one chunk that never ends, and reports when it is dropped.
    struct Endless {
        begun: bool,
        ended: mpsc::UnboundedSender<()>,
    }

    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            if std::mem::replace(&mut self.begun, true) {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from("first")))))
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            let _ = self.ended.send(());
        }
    }
}
