//! Connections stay correct across runtimes, blocking programs, servers that close or write at the wrong moment, and
//! early responses.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use crate::a_limit::tokio;
use crate::network::{ask, chain, post, soon};
use ::tokio::runtime::{Builder, Runtime};
use http_body_util::BodyExt;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{HyperTransport, Transport, TransportErrorKind};
use socket2::SockRef;

fn transport() -> HyperTransport {
    HyperTransport::builder().no_proxy().build().unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server that runs `serve` on a separate thread for each connection.
fn serve(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1/responses", listener.local_addr().unwrap());
    let serve = Arc::new(serve);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    url
}

/// Reads one request whose body is `question`. Returns `false` if the client closed the connection instead.
fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    while !read.ends_with(b"\r\n\r\nquestion") {
        match stream.read(&mut part) {
            Ok(count @ 1..) => read.extend_from_slice(&part[..count]),
            _ => return false,
        }
    }
    true
}

fn answer(stream: &mut TcpStream, text: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
    stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
}

/// A server that responds to every request with `ok`.
fn ok_server() -> String {
    serve(|mut stream| {
        while read_request(&mut stream) {
            answer(&mut stream, "ok");
        }
    })
}

#[test]
fn two_live_runtimes_take_turns_with_one_client() {
    let (transport, url) = (transport(), ok_server());
    let runtimes = [current_thread(), current_thread()];
    for _ in 0..20 {
        for runtime in &runtimes {
            assert_eq!(runtime.block_on(ask(&transport, &url)).unwrap(), "ok");
        }
    }
}

#[test]
fn a_runtime_of_threads_and_one_of_the_current_thread_share_a_client() {
    let (transport, url) = (transport(), ok_server());
    let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let current = current_thread();
    for _ in 0..20 {
        for runtime in [&threads, &current] {
            assert_eq!(runtime.block_on(ask(&transport, &url)).unwrap(), "ok");
        }
    }
}

#[test]
fn a_static_client_serves_240_runtimes_that_come_and_go() {
    static CLIENT: LazyLock<HyperTransport> = LazyLock::new(transport);
    let url = ok_server();
    let workers: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            thread::spawn(move || {
                for _ in 0..40 {
                    current_thread().block_on(async {
                        for _ in 0..3 {
                            assert_eq!(ask(&CLIENT, &url).await.unwrap(), "ok");
                        }
                    });
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

#[test]
fn idle_connections_close_with_their_runtime() {
    let (closed, is_closed) = mpsc::channel();
    let url = serve(move |mut stream| {
        while read_request(&mut stream) {
            answer(&mut stream, "ok");
        }
        closed.send(()).unwrap();
    });
    let transport = transport();
    let runtime = current_thread();
    runtime.block_on(ask(&transport, &url)).unwrap();

    drop(runtime);

    is_closed.recv_timeout(Duration::from_secs(10)).unwrap();
    drop(transport);
}

#[test]
fn each_runtime_closes_what_was_idle_for_too_long_there() {
    let (closed, is_closed) = mpsc::channel();
    let url = serve(move |mut stream| {
        while read_request(&mut stream) {
            answer(&mut stream, "ok");
        }
        closed.send(()).unwrap();
    });
    let transport = HyperTransport::builder().no_proxy().pool_idle_timeout(Duration::from_millis(1)).build().unwrap();
    // This runtime exists but is not driven, like one between two calls of `block_on`.
    let idle = current_thread();
    idle.block_on(ask(&transport, &url)).unwrap();
    let busy = current_thread();
    busy.block_on(async {
        ask(&transport, &url).await.unwrap();
        soon(tokio::task::spawn_blocking(move || is_closed.recv().unwrap())).await.unwrap();
    });
    drop(idle);
}

#[test]
fn a_body_that_is_read_in_another_runtime_comes_whole() {
    let url = ok_server();
    let transport = transport();
    let threads = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let body = threads.block_on(transport.send(post(&url))).unwrap().into_body();

    let bytes = current_thread().block_on(soon(body.collect())).unwrap().to_bytes();

    assert_eq!(bytes, "ok");
    // The connection was not kept for a runtime that does not drive it.
    assert_eq!(current_thread().block_on(ask(&transport, &url)).unwrap(), "ok");
    assert_eq!(threads.block_on(ask(&transport, &url)).unwrap(), "ok");
}

#[test]
fn a_body_whose_runtime_has_ended_is_an_error() {
    let url = serve(|mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst").unwrap();
        let _ = stream.read(&mut [0]);
    });
    let transport = transport();
    let ended = current_thread();
    let body = ended.block_on(transport.send(post(&url))).unwrap().into_body();
    drop(ended);

    let error = current_thread().block_on(soon(body.collect())).unwrap_err();

    assert_eq!(error.kind(), TransportErrorKind::Body, "{}", chain(&error));
}

/// Calls a server that does something to the idle connection while the program blocks its thread.
fn call_between_blocking(spoil: impl Fn(TcpStream) + Send + Sync + 'static) {
    let (answered, has_answered) = mpsc::channel();
    let (spoiled, is_spoiled) = mpsc::channel();
    let is_spoiled = is_spoiled;
    let gate = Arc::new(std::sync::Mutex::new(has_answered));
    let url = serve(move |mut stream| {
        if read_request(&mut stream) {
            answer(&mut stream, "ok");
            // The client has read the response, and now blocks.
            gate.lock().unwrap().recv().unwrap();
            spoil(stream);
            spoiled.send(()).unwrap();
        }
    });
    let transport = transport();
    let runtime = current_thread();
    runtime.block_on(async {
        for call in 0..20 {
            assert_eq!(ask(&transport, &url).await.map_err(|error| chain(&error)).unwrap(), "ok", "call {call}");
            answered.send(()).unwrap();
            // As in a program that reads a line from standard input.
            is_spoiled.recv().unwrap();
        }
    });
}

#[test]
fn a_connection_closed_while_the_program_blocks_costs_no_call() {
    call_between_blocking(drop);
}

#[test]
fn a_connection_half_closed_while_the_program_blocks_costs_no_call() {
    call_between_blocking(|stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        // Open in the other direction until the client drops it.
        thread::spawn(move || (&stream).read_to_end(&mut Vec::new()));
    });
}

#[test]
fn a_connection_reset_while_the_program_blocks_costs_no_call() {
    call_between_blocking(|stream| SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap());
}

#[test]
fn bytes_written_on_an_idle_connection_answer_no_call() {
    for stale in
        ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nSTALE", "HTTP/1.1 408 Timeout\r\nconnection: close\r\n\r\n", "x"]
    {
        call_between_blocking(move |mut stream| {
            stream.write_all(stale.as_bytes()).unwrap();
            thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        });
    }
}

#[test]
fn outside_of_a_runtime_a_call_is_an_error() {
    let transport = transport();
    let mut call = transport.send(post("http://127.0.0.1:1/"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = call.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!(error.kind(), TransportErrorKind::Request);
    assert!(chain(&error).contains("the Tokio runtime is missing: await calls inside"), "{}", chain(&error));
}

#[test]
fn in_a_runtime_without_timers_or_sockets_a_call_is_an_error() {
    let (transport, url) = (transport(), ok_server());
    let without_time = Builder::new_current_thread().enable_io().build().unwrap();
    let error = without_time.block_on(transport.send(post(&url))).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Request);
    assert!(chain(&error).contains("has its timers disabled"), "{}", chain(&error));

    let without_sockets = Builder::new_current_thread().enable_time().build().unwrap();
    let error = without_sockets.block_on(transport.send(post(&url))).unwrap_err();
    assert!(error.is_unsent());
    assert!(chain(&error).contains("the Tokio runtime has I/O disabled"), "{}", chain(&error));
}

/// The status and body of the response if the server refuses an upload after its head.
async fn refused_upload(refuse: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> (u16, String) {
    let url = serve(move |mut stream| {
        let mut read = Vec::new();
        let mut part = [0; 1024];
        while !read.windows(4).any(|end| end == b"\r\n\r\n") {
            let count = stream.read(&mut part).unwrap();
            read.extend_from_slice(&part[..count]);
        }
        stream.write_all(b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 9\r\n\r\ntoo large").unwrap();
        refuse(&mut stream);
    });
    let request = http::Request::post(url).body(Body::from(vec![b'x'; 20 * 1024 * 1024])).unwrap();
    let response = soon(transport().send(request)).await.map_err(|error| chain(&error)).unwrap();
    let status = response.status().as_u16();
    let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_early_response_is_read_although_the_upload_broke() {
    for _ in 0..40 {
        // Closing with unread bytes resets the connection.
        assert_eq!(refused_upload(|_| {}).await, (413, "too large".to_owned()));
    }
    let half_closed = refused_upload(|stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(half_closed.await, (413, "too large".to_owned()));
}

#[tokio::test]
async fn a_connection_that_broke_in_an_upload_tells_why() {
    let url = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
    });
    let request = http::Request::post(url).body(Body::from(vec![b'x'; 20 * 1024 * 1024])).unwrap();
    let error = soon(transport().send(request)).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Exchange, "{}", chain(&error));
    let chain = chain(&error).to_lowercase();
    assert!(chain.contains("reset") || chain.contains("broken pipe"), "{chain}");
}

#[tokio::test]
async fn a_response_of_more_than_100_headers_is_refused() {
    let url = serve(|mut stream| {
        let count = if read_request(&mut stream) { 101 } else { 0 };
        let headers: String = (0..count).map(|n| format!("x-header-{n}: value\r\n")).collect();
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()).unwrap();
    });
    let error = ask(&transport(), &url).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Exchange);
    assert!(chain(&error).contains("message head is too large"), "{}", chain(&error));
}

#[cfg(all(feature = "_tls", feature = "http2"))]
#[cfg(all(feature = "_tls", feature = "http2"))]
mod http2 {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use bytes::Bytes;
    use futures_util::future::join_all;
    use http_body_util::{Full, StreamBody};
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use openrouter_kit::core::transport::TransportError;
    use tokio::sync::{Notify, Semaphore};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::a_limit::tokio;
    use crate::certificates::Authority;

    /// A server of HTTP/2.
    struct Server {
        authority: Authority,
        url: String,
        connections: Arc<AtomicUsize>,
    }

    /// Runs a server on a separate thread, like one in another process.
    fn run<F: Future<Output = ()>>(serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            current_thread().block_on(async move { serve(tokio::net::TcpListener::from_std(listener).unwrap()).await });
        });
        url
    }

    type Respond = dyn Fn(usize) -> Pin<Box<dyn Future<Output = http::Response<Body>> + Send>> + Send + Sync;

    impl Server {
        /// `respond` gets the number of the connection, counted from 1.
        fn start<F>(max_streams: impl Into<Option<u32>>, respond: impl Fn(usize) -> F + Send + Sync + 'static) -> Self
        where
            F: Future<Output = http::Response<Body>> + Send + 'static,
        {
            let authority = Authority::new();
            let respond: Arc<Respond> = Arc::new(move |connection| Box::pin(respond(connection)));
            let acceptor: TlsAcceptor = authority.server("localhost", &["h2"], |_| {});
            let connections = Arc::new(AtomicUsize::new(0));
            let count = connections.clone();
            let max_streams = max_streams.into();
            let url = run(async move |listener| {
                loop {
                    let (acceptor, respond, count) = (acceptor.clone(), respond.clone(), count.clone());
                    let stream = listener.accept().await.unwrap().0;
                    tokio::spawn(async move {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let connection = count.fetch_add(1, Ordering::SeqCst) + 1;
                        let service = service_fn(move |request: http::Request<Incoming>| {
                            let respond = respond.clone();
                            async move {
                                let _ = request.into_body().collect().await;
                                Ok::<_, Infallible>(respond(connection).await)
                            }
                        });
                        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .max_concurrent_streams(max_streams)
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
            });
            Self { authority, url, connections }
        }

        fn transport(&self) -> HyperTransport {
            HyperTransport::builder().no_proxy().http2(true).root_certificate(self.authority.pem()).build().unwrap()
        }

        fn connections(&self) -> usize {
            self.connections.load(Ordering::SeqCst)
        }
    }

    fn ok() -> http::Response<Body> {
        http::Response::new(Body::from("ok"))
    }

    /// A response that starts at once and never ends.
    fn endless() -> http::Response<Body> {
        let mut first = Some(Bytes::from_static(b"first"));
        http::Response::new(Body::wrap(StreamBody::new(futures_util::stream::poll_fn(move |_| match first.take() {
            Some(first) => Poll::Ready(Some(Ok::<_, Infallible>(Frame::data(first)))),
            None => Poll::Pending,
        }))))
    }

    async fn first_chunk(transport: &HyperTransport, url: &str) -> Body {
        let mut body = transport.send(post(url)).await.map_err(|error| chain(&error)).unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
        body
    }

    #[tokio::test]
    async fn http_2_without_a_limit_all_streams_share_a_connection() {
        let server = Server::start(None, |_| async { endless() });
        let transport = server.transport();

        let bodies = soon(join_all((0..300).map(|_| first_chunk(&transport, &server.url)))).await;

        assert_eq!((bodies.len(), server.connections()), (300, 1));
    }

    #[tokio::test]
    async fn http_2_a_thousand_streams_run_at_once_against_a_limit_of_a_hundred() {
        let server = Server::start(100, |_| async { endless() });
        let transport = server.transport();

        let bodies = soon(join_all((0..1000).map(|_| first_chunk(&transport, &server.url)))).await;

        assert_eq!((bodies.len(), server.connections()), (1000, 10));
    }

    #[tokio::test]
    async fn http_2_a_server_that_allows_one_stream_serves_many_calls_at_once() {
        let server = Server::start(1, |_| async { endless() });
        let transport = server.transport();

        let bodies = soon(join_all((0..20).map(|_| first_chunk(&transport, &server.url)))).await;

        assert_eq!((bodies.len(), server.connections()), (20, 20));
    }

    #[tokio::test]
    async fn http_2_a_burst_of_first_calls_makes_one_connection() {
        let server = Server::start(1000, |_| async { ok() });
        let transport = server.transport();

        let texts = soon(join_all((0..200).map(|_| ask(&transport, &server.url)))).await;

        assert!(texts.into_iter().all(|text| text.unwrap() == "ok"));
        assert_eq!(server.connections(), 1);
    }

    #[test]
    fn session_tickets_on_an_idle_connection_do_no_harm() {
        // rustls sends its tickets after the handshake, with the first bytes that it writes.
        let authority = Authority::new();
        let acceptor = authority.server("localhost", &["http/1.1"], |_| {});
        let (accepted, connections) = mpsc::channel();
        let url = run(async move |listener| {
            loop {
                let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                accepted.send(()).unwrap();
                tokio::spawn(crate::network::answer_all(stream, "ok"));
            }
        });
        let transport =
            HyperTransport::builder().no_proxy().http2(true).root_certificate(authority.pem()).build().unwrap();
        current_thread().block_on(async {
            for _ in 0..5 {
                assert_eq!(ask(&transport, &url).await.unwrap(), "ok");
            }
        });
        assert_eq!(connections.try_iter().count(), 1);
    }

    #[tokio::test]
    async fn http_2_a_burst_to_a_server_of_http_1_makes_a_connection_for_each_call() {
        let authority = Authority::new();
        let acceptor = authority.server("localhost", &["http/1.1"], |_| {});
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            loop {
                let (acceptor, stream) = (acceptor.clone(), listener.accept().await.unwrap().0);
                tokio::spawn(async move {
                    crate::network::answer_all(acceptor.accept(stream).await.unwrap(), "ok").await;
                });
            }
        });
        let transport =
            HyperTransport::builder().no_proxy().http2(true).root_certificate(authority.pem()).build().unwrap();
        for _ in 0..2 {
            let texts = soon(join_all((0..20).map(|_| ask(&transport, &url)))).await;
            assert!(texts.into_iter().all(|text| text.unwrap() == "ok"));
        }
    }

    #[tokio::test]
    async fn http_2_a_connection_that_cannot_be_made_fails_a_burst_with_one_error() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        tokio::spawn(async move {
            loop {
                // Closed without a handshake.
                drop(listener.accept().await.unwrap());
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let transport = HyperTransport::builder().no_proxy().http2(true).build().unwrap();

        let errors = soon(join_all((0..50).map(|_| ask(&transport, &url)))).await;

        for error in errors {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Connect, "{}", chain(&error));
            assert!(chain(&error).contains("the TLS handshake with localhost failed"), "{}", chain(&error));
        }
        assert_eq!(accepted.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn http_2_a_call_given_up_while_connecting_takes_the_connection_from_no_other() {
        let server = Server::start(100, |_| async { ok() });
        let transport = server.transport();
        let mut first = transport.send(post(&server.url));
        let second = ask(&transport, &server.url);
        assert!(futures_util::poll!(&mut first).is_pending());
        drop(first);

        assert_eq!(soon(second).await.unwrap(), "ok");
        assert_eq!(soon(ask(&transport, &server.url)).await.unwrap(), "ok");
        assert!(server.connections() <= 2);
    }

    #[tokio::test]
    async fn http_2_calls_wait_for_the_limit_of_a_connection_that_is_there() {
        let (blocked, is_blocked) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let block = std::sync::Mutex::new(Some((blocked, may_go_on)));
        // The first response keeps the server from sending anything, its settings included.
        let server = Server::start(200, move |_| {
            if let Some((blocked, may_go_on)) = block.lock().unwrap().take() {
                blocked.send(()).unwrap();
                may_go_on.recv().unwrap();
            }
            async { ok() }
        });
        let transport = server.transport();
        let (of_first, url) = (transport.clone(), server.url.clone());
        let first = tokio::spawn(async move { ask(&of_first, &url).await });
        soon(is_blocked).await.unwrap();
        // Dropped while it waits, with no other call waiting.
        assert!(futures_util::poll!(&mut transport.send(post(&server.url))).is_pending());
        let mut last = Box::pin(ask(&transport, &server.url));
        assert!(futures_util::poll!(&mut last).is_pending());

        go_on.send(()).unwrap();

        assert_eq!(
            (soon(first).await.unwrap().unwrap(), soon(last).await.unwrap()),
            ("ok".to_owned(), "ok".to_owned())
        );
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn http_2_downloads_that_nobody_reads_hold_up_no_other_call() {
        let large = || http::Response::new(Body::from(vec![b'x'; 10 * 1024 * 1024]));
        let count = AtomicUsize::new(0);
        let server = Server::start(100, move |_| {
            let response = if count.fetch_add(1, Ordering::SeqCst) < 20 { large() } else { ok() };
            async { response }
        });
        let transport = server.transport();
        let mut unread = Vec::new();
        for _ in 0..20 {
            let mut body = soon(transport.send(post(&server.url))).await.unwrap().into_body();
            soon(body.frame()).await.unwrap().unwrap();
            unread.push(body);
        }

        assert_eq!(soon(ask(&transport, &server.url)).await.unwrap(), "ok");
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn http_2_a_mass_of_calls_given_up_takes_the_connection_from_no_other() {
        let (blocked, is_blocked) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let block = std::sync::Mutex::new(Some((blocked, may_go_on)));
        let calls = AtomicUsize::new(0);
        // The second response keeps the server's only thread busy.
        let server = Server::start(200, move |_| {
            if calls.fetch_add(1, Ordering::SeqCst) == 1 {
                let (blocked, may_go_on) = block.lock().unwrap().take().unwrap();
                blocked.send(()).unwrap();
                may_go_on.recv().unwrap();
            }
            async { ok() }
        });
        let transport = server.transport();
        soon(ask(&transport, &server.url)).await.unwrap();
        // No stream becomes old, however slow the machine: the clock is paused while a blocking task runs.
        tokio::time::pause();
        let (end, until_end) = mpsc::channel::<()>();
        let clock = tokio::task::spawn_blocking(move || until_end.recv());
        let (of_first, url) = (transport.clone(), server.url.clone());
        let first = tokio::spawn(async move { ask(&of_first, &url).await });
        soon(is_blocked).await.unwrap();
        for _ in 0..100 {
            let mut call = transport.send(post(&server.url));
            for _ in 0..4 {
                assert!(futures_util::poll!(&mut call).is_pending());
                tokio::task::yield_now().await;
            }
        }
        let mut last = Box::pin(ask(&transport, &server.url));
        assert!(futures_util::poll!(&mut last).is_pending());

        go_on.send(()).unwrap();

        let first = first.await.unwrap().map_err(|error| chain(&error));
        let last = last.await.map_err(|error| chain(&error));
        assert_eq!((first.unwrap(), last.unwrap()), ("ok".to_owned(), "ok".to_owned()));
        assert_eq!(server.connections(), 1);
        drop(end);
        clock.await.unwrap().unwrap_err();
    }

    #[tokio::test]
    async fn http_2_calls_given_up_at_random_moments_harm_no_other() {
        let server = Server::start(200, |_| async { ok() });
        let transport = server.transport();
        let semaphore = Semaphore::new(150);
        let mut random = 1_u32;
        let calls = (0..3000).map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (patience, transport, semaphore, url) = (random >> 28, &transport, &semaphore, &server.url);
            async move {
                let _permit = semaphore.acquire().await.unwrap();
                let mut call = Box::pin(ask(transport, url));
                if patience >= 8 {
                    return call.await.map(|text| assert_eq!(text, "ok"));
                }
                for _ in 0..patience {
                    if let Poll::Ready(outcome) = futures_util::poll!(&mut call) {
                        return outcome.map(drop);
                    }
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        });

        let outcomes: Vec<Result<(), TransportError>> = soon(join_all(calls)).await;

        let errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).map(|error| chain(&error)).collect();
        assert!(errors.is_empty(), "{} of 3000: {}", errors.len(), errors[0]);
    }

    #[test]
    fn http_2_a_body_whose_runtime_has_ended_is_an_error() {
        let server = Server::start(100, |_| async { endless() });
        let transport = server.transport();
        let ended = current_thread();
        let body = ended.block_on(first_chunk(&transport, &server.url));
        drop(ended);

        let error = current_thread().block_on(soon(body.collect())).unwrap_err();

        assert_eq!(error.kind(), TransportErrorKind::Body, "{}", chain(&error));
    }

    #[test]
    fn http_2_two_live_runtimes_take_turns_with_one_client() {
        let server = Server::start(100, |_| async { ok() });
        let transport = server.transport();
        let runtimes = [current_thread(), current_thread()];
        for _ in 0..20 {
            for runtime in &runtimes {
                assert_eq!(runtime.block_on(ask(&transport, &server.url)).unwrap(), "ok");
            }
        }
        assert_eq!(server.connections(), 2);
    }

    #[test]
    fn http_2_a_connection_closed_while_the_program_blocks_costs_no_call() {
        // The server closes the TCP connection of a served call on demand, without GOAWAY.
        let authority = Authority::new();
        let acceptor = authority.server("localhost", &["h2"], |_| {});
        let close = Arc::new(Notify::new());
        let may_close = close.clone();
        let (closed, is_closed) = mpsc::channel();
        let url = run(async move |listener| {
            loop {
                let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                let service = service_fn(async |request: http::Request<Incoming>| {
                    let _ = request.into_body().collect().await;
                    Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("ok"))))
                });
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    _ = connection => {}
                    () = may_close.notified() => {}
                }
                closed.send(()).unwrap();
            }
        });
        let transport =
            HyperTransport::builder().no_proxy().http2(true).root_certificate(authority.pem()).build().unwrap();
        current_thread().block_on(async {
            for call in 0..20 {
                let text = soon(ask(&transport, &url)).await.map_err(|error| chain(&error));
                assert_eq!(text.unwrap(), "ok", "call {call}");
                close.notify_one();
                is_closed.recv().unwrap();
            }
        });
    }
}
