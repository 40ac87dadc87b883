//! The default transport over plain TCP: exchanges, reuse of connections, what closes them, what
//! each failure is called.

use std::future::Future;
use std::io::{Read, Write};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::network::{KEY, answer_all, ask, chain, jump, post, read_request, run_tasks, soon};
use http_body::Body as _;
use http_body_util::BodyExt;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{HyperTransport, Transport, TransportErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};

fn transport() -> HyperTransport {
    HyperTransport::builder().no_proxy().build().unwrap()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/responses", listener.local_addr().unwrap());
    (listener, url)
}

/// A server that takes one connection and passes it to `serve`.
async fn serve_one<F, T>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> (tokio::task::JoinHandle<T>, String)
where
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let (listener, url) = listen().await;
    let task = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    (task, url)
}

/// Waits until the client closes its side, however it does.
async fn until_closed(stream: &mut TcpStream) {
    let mut part = [0; 4096];
    while matches!(soon(stream.read(&mut part)).await, Ok(1..)) {}
}

#[tokio::test]
async fn a_request_arrives_whole_and_the_answer_comes_back() {
    let (server, url) = serve_one(|stream| answer_all(stream, "answer")).await;
    let transport = transport();

    assert_eq!(ask(&transport, &url).await.unwrap(), "answer");

    drop(transport);
    let requests = server.await.unwrap();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("POST /api/v1/responses HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains(&format!("authorization: Bearer {KEY}\r\n")), "{}", requests[0]);
    assert!(requests[0].contains(&url["http://".len()..url.find("/api").unwrap()]), "{}", requests[0]);
    assert!(requests[0].ends_with("\r\n\r\nquestion"), "{}", requests[0]);
}

#[tokio::test]
async fn two_calls_share_one_connection() {
    let (server, url) = serve_one(|stream| answer_all(stream, "answer")).await;
    let transport = transport();

    // The server takes no second connection, so that the second call could not succeed on another one.
    ask(&transport, &url).await.unwrap();
    ask(&transport.clone(), &url).await.unwrap();

    drop(transport);
    assert_eq!(server.await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_idle_connections_each_call_has_its_own() {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let mut counts = Vec::new();
        for _ in 0..2 {
            counts.push(answer_all(listener.accept().await.unwrap().0, "answer").await.len());
        }
        counts
    });
    let transport = HyperTransport::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();

    ask(&transport, &url).await.unwrap();
    ask(&transport, &url).await.unwrap();

    assert_eq!(server.await.unwrap(), [1, 1]);
}

#[tokio::test]
async fn with_no_time_to_be_idle_a_connection_is_closed_with_its_answer() {
    let (server, url) = serve_one(|stream| answer_all(stream, "answer")).await;
    let transport = HyperTransport::builder().no_proxy().pool_idle_timeout(Duration::ZERO).build().unwrap();

    ask(&transport, &url).await.unwrap();

    // The transport still lives.
    assert_eq!(soon(server).await.unwrap().len(), 1);
    drop(transport);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let (server, url) = serve_one(|stream| answer_all(stream, "answer")).await;
    let transport = HyperTransport::builder().no_proxy().pool_idle_timeout(Duration::from_millis(1)).build().unwrap();

    ask(&transport, &url).await.unwrap();

    assert_eq!(soon(server).await.unwrap().len(), 1);
    drop(transport);
}

/// Returns how many connections two calls make, `seconds` apart, to a server with this header in its responses.
async fn connections_after(seconds: u64, header: &'static str) -> usize {
    let (listener, url) = listen().await;
    let (accepted, mut connections) = mpsc::unbounded_channel();
    // No time limit here: the clock is about to jump.
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            accepted.send(()).unwrap();
            tokio::spawn(async move {
                let response = format!("HTTP/1.1 200 OK\r\n{header}content-length: 0\r\n\r\n");
                while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {
                    stream.write_all(response.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let transport = transport();

    ask(&transport, &url).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
    ask(&transport, &url).await.unwrap();

    std::iter::from_fn(|| connections.try_recv().ok()).count()
}

#[tokio::test]
async fn a_connection_that_was_idle_for_too_long_is_not_used() {
    for (seconds, expected) in [(49, 1), (51, 2)] {
        assert_eq!(connections_after(seconds, "").await, expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_connection_is_not_used_when_the_server_is_about_to_close_it() {
    for (seconds, header, expected) in [
        (3, "keep-alive: timeout=5\r\n", 1),
        (4, "keep-alive: timeout=5\r\n", 2),
        (4, "keep-alive: max=100, timeout=5\r\n", 2),
        (0, "keep-alive: timeout=1\r\n", 2),
        (51, "keep-alive: timeout=600\r\n", 2),
        (4, "keep-alive: timeout=soon\r\n", 1),
    ] {
        assert_eq!(connections_after(seconds, header).await, expected, "{header} after {seconds} s");
    }
}

/// A server that reports when a connection is opened and closed. It has no time limits: the clock may jump.
async fn reporting_server() -> (mpsc::UnboundedReceiver<&'static str>, String) {
    let (listener, url) = listen().await;
    let (report, reports) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            report.send("opened").unwrap();
            let report = report.clone();
            tokio::spawn(async move {
                while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
                let _ = report.send("closed");
            });
        }
    });
    (reports, url)
}

#[tokio::test]
async fn a_connection_that_is_used_again_in_time_is_kept() {
    let (mut reports, url) = reporting_server().await;
    let transport = transport();

    ask(&transport, &url).await.unwrap();
    jump(Duration::from_secs(30)).await;
    ask(&transport, &url).await.unwrap();
    // Connections that were idle for too long are closed after 50 seconds.
    jump(Duration::from_secs(40)).await;
    ask(&transport, &url).await.unwrap();

    assert_eq!(std::iter::from_fn(|| reports.try_recv().ok()).collect::<Vec<_>>(), ["opened"]);
}

#[tokio::test]
async fn an_idle_connection_is_closed_within_twice_its_time() {
    let (mut reports, url) = reporting_server().await;
    let transport = transport();

    ask(&transport, &url).await.unwrap();
    jump(Duration::from_secs(30)).await;
    ask(&transport, &url).await.unwrap();
    jump(Duration::from_secs(40)).await;
    jump(Duration::from_secs(60)).await;

    assert_eq!(soon(reports.recv()).await, Some("opened"));
    assert_eq!(soon(reports.recv()).await, Some("closed"));
    drop(transport);
}

#[tokio::test]
async fn connections_made_after_all_others_were_closed_are_closed_too() {
    let (mut reports, url) = reporting_server().await;
    let transport = HyperTransport::builder().no_proxy().pool_idle_timeout(Duration::from_millis(1)).build().unwrap();

    for _ in 0..3 {
        ask(&transport, &url).await.unwrap();
        assert_eq!(soon(reports.recv()).await, Some("opened"));
        assert_eq!(soon(reports.recv()).await, Some("closed"));
    }
}

#[tokio::test]
async fn a_dropped_transport_closes_its_connections_and_leaves_no_task() {
    let (server, url) = serve_one(|stream| async move { answer_all(stream, "answer").await.len() }).await;
    let transport = transport();
    ask(&transport, &url).await.unwrap();
    run_tasks().await;

    drop(transport);

    assert_eq!(soon(server).await.unwrap(), 1);
    soon(async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[test]
fn each_runtime_has_one_task_that_closes_its_idle_connections() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
                }
            });
        }
    });
    let transport = transport();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ended, lasting) = (runtime(), runtime());
    for runtime in [&ended, &lasting] {
        assert_eq!(runtime.block_on(ask(&transport, &url)).unwrap(), "ok");
    }
    drop(ended);

    for _ in 0..2 {
        assert_eq!(lasting.block_on(ask(&transport, &url)).unwrap(), "ok");
        assert_eq!(lasting.metrics().num_alive_tasks(), 1);
    }
}

#[tokio::test]
async fn a_body_tells_its_length_and_its_end() {
    for (head, length, is_empty) in [
        ("content-length: 0\r\n\r\n", Some(0), true),
        ("content-length: 5\r\n\r\nfirst", Some(5), false),
        ("transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n", None, false),
    ] {
        let (_server, url) = serve_one(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).await.unwrap();
            until_closed(&mut stream).await;
        })
        .await;
        let transport = transport();

        let mut body = soon(transport.send(post(&url))).await.unwrap().into_body();

        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (length, is_empty), "{head}");
        while let Some(frame) = soon(body.frame()).await {
            frame.unwrap();
        }
        assert!(length.is_none() || body.is_end_stream(), "{head}");
    }
}

#[tokio::test]
async fn an_exchange_has_no_task_of_its_own() {
    let (server, url) = serve_one(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await.unwrap();
        until_closed(&mut stream).await;
    })
    .await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();

    let mut body = soon(transport().send(post(&url))).await.unwrap().into_body();
    let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();

    assert_eq!((first.as_ref(), tasks()), (&b"first"[..], before));
    drop(body);
    soon(server).await.unwrap();
}

#[tokio::test]
async fn the_task_that_closes_idle_connections_ends_with_the_last_one() {
    let (server, url) = serve_one(|stream| async move { answer_all(stream, "answer").await.len() }).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let idle = Duration::from_millis(10);
    let transport = HyperTransport::builder().no_proxy().pool_idle_timeout(idle).build().unwrap();

    assert_eq!(soon(ask(&transport, &url)).await.unwrap(), "answer");

    assert_eq!(soon(server).await.unwrap(), 1, "the connection was closed");
    soon(async {
        while tasks() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(transport);
}

#[tokio::test]
async fn a_body_can_be_read_on_in_another_task() {
    let (go_on, may_go_on) = oneshot::channel();
    let (server, url) = serve_one(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nfirst").await.unwrap();
        may_go_on.await.unwrap();
        stream.write_all(b"second").await.unwrap();
        stream
    })
    .await;
    let transport = transport();
    let mut body = soon(transport.send(post(&url))).await.unwrap().into_body();
    let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "first");

    // The wait begins in one task and ends in another.
    let mut wait = Box::pin(async move { body.frame().await.unwrap().unwrap().into_data().unwrap() });
    std::future::poll_fn(|cx| {
        assert!(wait.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    let rest = tokio::spawn(wait);
    go_on.send(()).unwrap();

    assert_eq!(soon(rest).await.unwrap(), "second");
    soon(server).await.unwrap();
}

#[tokio::test]
async fn a_reused_connection_that_was_closed_is_replaced_without_repeating_anything() {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let mut requests = 0;
        for _ in 0..2 {
            let mut stream = listener.accept().await.unwrap().0;
            requests += usize::from(!read_request(&mut stream).await.is_empty());
            // Nothing announces that the connection closes after this response.
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
        requests
    });
    let transport = transport();

    assert_eq!(ask(&transport, &url).await.unwrap(), "ok");
    assert_eq!(ask(&transport, &url).await.unwrap(), "ok");

    assert_eq!(server.await.unwrap(), 2);
}

#[test]
fn a_transport_outlives_the_runtime_it_was_used_in() {
    let transport = transport();
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_server, url) = serve_one(|stream| answer_all(stream, "answer")).await;
            assert_eq!(ask(&transport, &url).await.unwrap(), "answer");
        });
    }
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection_at_once() {
    let (received, has_received) = oneshot::channel();
    let (server, url) = serve_one(|mut stream| async move {
        let request = read_request(&mut stream).await;
        received.send(request).unwrap();
        until_closed(&mut stream).await;
    })
    .await;
    let transport = transport();

    let mut exchange = transport.send(post(&url));
    tokio::select! {
        _ = &mut exchange => panic!("the server does not answer"),
        request = has_received => assert!(request.unwrap().ends_with("question")),
    }
    drop(exchange);

    soon(server).await.unwrap();
    drop(transport);
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection_at_once() {
    for head in ["content-length: 100\r\n\r\nfirst", "transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"] {
        let (server, url) = serve_one(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).await.unwrap();
            until_closed(&mut stream).await;
        })
        .await;
        let transport = transport();

        let mut body = soon(transport.send(post(&url))).await.unwrap().into_body();
        let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "first");
        drop(body);

        soon(server).await.unwrap();
        drop(transport);
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_connect_error() {
    let socket = TcpSocket::new_v4().unwrap();
    // Bound, so that nobody else gets the port, and never listening.
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();

    let error = ask(&transport(), &format!("http://{}/", socket.local_addr().unwrap())).await.unwrap_err();

    assert_eq!(error.kind(), TransportErrorKind::Connect);
    assert!(error.is_unsent());
    assert!(chain(&error).to_lowercase().contains("connection refused"), "{}", chain(&error));
}

#[tokio::test]
async fn a_connection_lost_after_sending_is_an_exchange_error() {
    for reset in [false, true] {
        let (server, url) = serve_one(move |mut stream| async move {
            read_request(&mut stream).await;
            if reset {
                stream.set_zero_linger().unwrap();
            }
        })
        .await;

        let error = ask(&transport(), &url).await.unwrap_err();

        assert_eq!(error.kind(), TransportErrorKind::Exchange, "{}", chain(&error));
        assert!(!error.is_unsent());
        server.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_an_exchange_error() {
    let (server, url) = serve_one(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"what is this\r\n\r\n").await.unwrap();
    })
    .await;

    let error = ask(&transport(), &url).await.unwrap_err();

    assert_eq!(error.kind(), TransportErrorKind::Exchange, "{}", chain(&error));
    server.await.unwrap();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_body_error() {
    for head in ["content-length: 100\r\n\r\nfirst", "transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"] {
        let (server, url) = serve_one(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).await.unwrap();
        })
        .await;

        let error = ask(&transport(), &url).await.unwrap_err();

        assert_eq!(error.kind(), TransportErrorKind::Body, "{}", chain(&error));
        server.await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_a_request_error() {
    let transport = transport();
    for (url, reason) in [
        ("ftp://127.0.0.1/file", "the scheme `ftp` is not supported: use https or http"),
        ("/api/v1/responses", "the URL must be absolute: https://host/path"),
    ] {
        let error = ask(&transport, url).await.unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Request);
        assert_eq!(chain(&error), format!("the request cannot be sent: {reason}"));
    }

    let connect = http::Request::connect("http://127.0.0.1:1/").body(Body::empty()).unwrap();
    let error = soon(transport.send(connect)).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Request);
}

#[cfg(not(feature = "_tls"))]
#[tokio::test]
async fn https_without_tls_names_the_feature_to_enable() {
    let error = ask(&transport(), "https://127.0.0.1:1/").await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Request);
    assert!(chain(&error).contains("enable the feature `tls`"), "{}", chain(&error));

    let error = HyperTransport::builder().root_certificate("a certificate").build().unwrap_err();
    assert_eq!(error.option(), "root_certificate");
}

#[test]
fn a_limit_of_zero_for_connecting_is_refused() {
    let error = HyperTransport::builder().connect_timeout(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.option(), "connect_timeout");
    assert_eq!(error.to_string(), "invalid option `connect_timeout`: it must be longer than zero");
}
