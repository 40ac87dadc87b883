//! The default transport through a proxy: what the proxy sees, what it must not see, and when it is used.

use std::process::Stdio;

use crate::a_limit::tokio;
use crate::network::{answer_all, ask, chain};
use crate::support::child;
use openrouter_kit::core::transport::{HyperTransport, TransportErrorKind};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Credentials in the form they have in a URL, and in the header.
const CREDENTIALS: &str = "us%40er:pass%3Aword";
const AUTHORIZATION: &str = "Basic dXNAZXI6cGFzczp3b3Jk";

/// A proxy that takes one connection, responds to every request itself, and reports the requests.
async fn answering_proxy() -> (tokio::task::JoinHandle<Vec<String>>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (tokio::spawn(async move { answer_all(listener.accept().await.unwrap().0, "proxied").await }), address)
}

#[tokio::test]
async fn a_plain_request_goes_to_the_proxy_with_its_whole_url() {
    let (proxy, address) = answering_proxy().await;
    let transport = HyperTransport::builder().proxy(format!("http://{CREDENTIALS}@{address}")).build().unwrap();

    assert_eq!(ask(&transport, "http://openrouter.invalid/api/v1/responses").await.unwrap(), "proxied");
    assert_eq!(ask(&transport, "http://openrouter.invalid/api/v1/responses").await.unwrap(), "proxied");

    drop(transport);
    let requests = proxy.await.unwrap();
    assert_eq!(requests.len(), 2, "both on one connection");
    for request in requests {
        assert!(request.starts_with("POST http://openrouter.invalid/api/v1/responses HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nhost: openrouter.invalid\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nproxy-authorization: {AUTHORIZATION}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn a_proxy_without_credentials_gets_none() {
    let (proxy, address) = answering_proxy().await;
    let transport = HyperTransport::builder().proxy(address).build().unwrap();

    ask(&transport, "http://openrouter.invalid/").await.unwrap();

    drop(transport);
    assert!(!proxy.await.unwrap()[0].contains("proxy-authorization"));
}

#[tokio::test]
async fn a_proxy_out_of_reach_is_a_connect_error_without_credentials() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let transport = HyperTransport::builder().proxy(format!("http://{CREDENTIALS}@{address}")).build().unwrap();

    let error = ask(&transport, "http://openrouter.invalid/").await.unwrap_err();

    assert_eq!(error.kind(), TransportErrorKind::Connect);
    assert!(chain(&error).contains(&format!("the proxy {address} could not be reached")), "{}", chain(&error));
    assert_no_secret(&format!("{} {error:?}", chain(&error)));
}

#[test]
fn credentials_are_never_printed() {
    let builder = HyperTransport::builder().proxy(format!("http://{CREDENTIALS}@proxy.invalid:3128"));
    let printed = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(printed.contains("proxy.invalid:3128"), "{printed}");
    assert_no_secret(&printed);

    let error = HyperTransport::builder().proxy(format!("socks4://{CREDENTIALS}@proxy.invalid")).build().unwrap_err();
    assert_eq!(error.option(), "proxy");
    assert_no_secret(&format!("{error} {error:?}"));
}

fn assert_no_secret(printed: &str) {
    for secret in ["us%40er", "us@er", "pass%3Aword", "pass:word", AUTHORIZATION, "dXNAZXI6cGFzczp3b3Jk"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// Runs `environment_child` in a separate process, since variables of this one belong to all tests.
async fn run_child(what: &str, url: &str, address: &str, variables: &[(&str, &str)]) {
    let mut child = Command::from(child("proxy::environment_child"));
    let child = child
        .env("TEST_ADDRESS", address)
        .env("TEST_WHAT", what)
        .env("TEST_URL", url)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = crate::network::soon(child.output()).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "run by the tests below, with an environment made for it"]
async fn environment_child() {
    let url = std::env::var("TEST_URL").unwrap();
    let address: std::net::SocketAddr = std::env::var("TEST_ADDRESS").unwrap().parse().unwrap();
    let builder = HyperTransport::builder().resolve("server.invalid", [address]);
    match std::env::var("TEST_WHAT").unwrap().as_str() {
        "default" => assert_eq!(ask(&builder.build().unwrap(), &url).await.unwrap(), "proxied"),
        "no_proxy" => assert_eq!(ask(&builder.no_proxy().build().unwrap(), &url).await.unwrap(), "proxied"),
        "unusable" => {
            let error = ask(&builder.build().unwrap(), &url).await.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Request);
            assert!(chain(&error).contains("invalid environment variable HTTP_PROXY"), "{}", chain(&error));
        }
        "system" => {
            let shown = |used| format!("{:?}", builder.clone().system_proxy(used).build().unwrap());
            assert!(shown(true).contains("system: Some"), "{}", shown(true));
            assert!(shown(false).contains("system: None"), "{}", shown(false));
        }
        "option" => {
            let transport = builder.proxy(address.to_string()).build().unwrap();
            assert_eq!(ask(&transport, &url).await.unwrap(), "proxied");
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_environment_names_the_proxy_by_default() {
    let (proxy, address) = answering_proxy().await;
    let proxy_url = format!("http://{CREDENTIALS}@{address}");
    run_child("default", "http://openrouter.invalid/", &address, &[("http_proxy", &proxy_url)]).await;
    assert!(proxy.await.unwrap()[0].contains(&format!("proxy-authorization: {AUTHORIZATION}")));
}

#[tokio::test]
async fn hosts_in_no_proxy_are_reached_directly() {
    let (server, address) = answering_proxy().await;
    let variables = [("ALL_PROXY", "http://proxy.invalid:1"), ("NO_PROXY", "server.invalid")];
    run_child("default", "http://server.invalid/path", &address, &variables).await;
    assert!(server.await.unwrap()[0].starts_with("POST /path HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_asterisk_with_a_port_in_no_proxy_means_that_port_of_every_host() {
    let (server, address) = answering_proxy().await;
    let port = address.rsplit_once(':').unwrap().1;
    let variables = [("ALL_PROXY", "http://proxy.invalid:1"), ("NO_PROXY", &format!("*:{port}"))];
    run_child("default", &format!("http://server.invalid:{port}/path"), &address, &variables).await;
    assert!(server.await.unwrap()[0].starts_with("POST /path HTTP/1.1\r\n"));

    let (proxy, address) = answering_proxy().await;
    let variables = [("ALL_PROXY", address.as_str()), ("NO_PROXY", "*:1")];
    run_child("default", "http://server.invalid:2/path", "127.0.0.1:3", &variables).await;
    assert!(proxy.await.unwrap()[0].starts_with("POST http://server.invalid:2/path HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_proxy_of_the_option_is_used_for_hosts_in_no_proxy_too() {
    let (proxy, address) = answering_proxy().await;
    run_child("option", "http://server.invalid/path", &address, &[("NO_PROXY", "*")]).await;
    assert!(proxy.await.unwrap()[0].starts_with("POST http://server.invalid/path HTTP/1.1\r\n"));
}

#[cfg(feature = "proxy-system")]
#[tokio::test]
async fn the_proxy_of_the_system_is_read_only_if_the_client_asks() {
    run_child("system", "http://server.invalid/", "127.0.0.1:1", &[]).await;
}

/// Linux has all addresses of 127.0.0.0/8, so that the port is free at one of them.
#[cfg(all(feature = "socks", target_os = "linux"))]
#[tokio::test]
async fn the_default_port_of_a_socks_proxy_is_1080() {
    use tokio::io::AsyncReadExt;
    let [.., high, low] = std::process::id().to_be_bytes();
    for (scheme, network) in [("socks5", 80), ("socks5h", 81)] {
        let host = format!("127.{network}.{high}.{low}");
        let proxy = TcpListener::bind(format!("{host}:1080")).await.unwrap();
        let greeting = tokio::spawn(async move {
            let mut greeting = [0; 3];
            proxy.accept().await.unwrap().0.read_exact(&mut greeting).await.unwrap();
            greeting
        });
        let builder = HyperTransport::builder().resolve("openrouter.invalid", [([127, 0, 0, 1], 0).into()]);
        let transport = builder.proxy(format!("{scheme}://{host}")).build().unwrap();

        let error = ask(&transport, "http://openrouter.invalid/").await.unwrap_err();

        assert_eq!(error.kind(), TransportErrorKind::Connect);
        assert_eq!(crate::network::soon(greeting).await.unwrap(), [5, 1, 0], "{}", chain(&error));
    }
}

#[tokio::test]
async fn this_machine_is_reached_without_the_proxy_of_the_environment() {
    let (server, address) = answering_proxy().await;
    run_child("default", &format!("http://{address}/path"), &address, &[("ALL_PROXY", "http://proxy.invalid:1")]).await;
    assert!(server.await.unwrap()[0].starts_with("POST /path HTTP/1.1\r\n"));
}

#[tokio::test]
async fn no_proxy_turns_the_environment_off() {
    let (server, address) = answering_proxy().await;
    let variables = [("HTTP_PROXY", "http://proxy.invalid:1")];
    run_child("no_proxy", "http://server.invalid/path", &address, &variables).await;
    assert!(server.await.unwrap()[0].starts_with("POST /path HTTP/1.1\r\n"));
}

#[tokio::test]
async fn nothing_goes_past_a_proxy_that_cannot_be_used() {
    let variables = [("HTTP_PROXY", "socks4://proxy.invalid:1")];
    run_child("unusable", "http://server.invalid/", "127.0.0.1:1", &variables).await;
}

#[cfg(feature = "_tls")]
mod tunnel {
    use crate::certificates::Authority;
    use crate::network::{KEY, read_request};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::a_limit::tokio;

    /// A proxy that responds to CONNECT with `answer` and closes the connection.
    async fn refusing_proxy(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    /// A proxy that opens a tunnel to `server` with these bytes, sent one by one.
    async fn tunnelling_proxy(server: std::net::SocketAddr, opening: &'static str) -> String {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut client = proxy.accept().await.unwrap().0;
            client.set_nodelay(true).unwrap();
            read_request(&mut client).await;
            for byte in opening.bytes() {
                client.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut server = TcpStream::connect(server).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        address
    }

    #[tokio::test]
    async fn the_head_of_a_proxy_may_have_bare_line_feeds_and_come_after_others() {
        for opening in [
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.0 200 OK\r\nx: y\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            let authority = Authority::new();
            let acceptor = authority.server("openrouter.invalid", &["http/1.1"], |_| {});
            let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let proxy = tunnelling_proxy(server.local_addr().unwrap(), opening).await;
            let server = tokio::spawn(async move {
                answer_all(acceptor.accept(server.accept().await.unwrap().0).await.unwrap(), "answer").await
            });
            let transport = HyperTransport::builder().proxy(proxy).root_certificate(authority.pem()).build().unwrap();
            assert_eq!(ask(&transport, "https://openrouter.invalid/").await.unwrap(), "answer", "{opening:?}");
            drop(transport);
            assert_eq!(crate::network::soon(server).await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn the_proxy_of_an_https_request_sees_only_host_port_and_credentials() {
        let authority = Authority::new();
        let acceptor = authority.server("openrouter.invalid", &["http/1.1"], |_| {});
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server_address = server.local_addr().unwrap();
        let server = tokio::spawn(async move {
            answer_all(acceptor.accept(server.accept().await.unwrap().0).await.unwrap(), "answer").await
        });
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy_url = format!("http://{CREDENTIALS}@{}", proxy.local_addr().unwrap());
        let proxy = tokio::spawn(async move {
            let mut client = proxy.accept().await.unwrap().0;
            let connect = read_request(&mut client).await;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(server_address).await.unwrap();
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            let forward = async {
                let mut sent = Vec::new();
                let mut part = [0; 4096];
                while let Ok(count @ 1..) = from_client.read(&mut part).await {
                    sent.extend_from_slice(&part[..count]);
                    to_server.write_all(&part[..count]).await.unwrap();
                }
                to_server.shutdown().await.unwrap();
                sent
            };
            let (tunnelled, _) = tokio::join!(forward, tokio::io::copy(&mut from_server, &mut to_client));
            (connect, tunnelled)
        });
        let transport = HyperTransport::builder().proxy(proxy_url).root_certificate(authority.pem()).build().unwrap();

        assert_eq!(ask(&transport, "https://openrouter.invalid/api/v1/responses").await.unwrap(), "answer");

        drop(transport);
        let (connect, tunnelled) = crate::network::soon(proxy).await.unwrap();
        assert_eq!(
            connect,
            format!(
                "CONNECT openrouter.invalid:443 HTTP/1.1\r\nHost: openrouter.invalid:443\r\n\
                 Proxy-Authorization: {AUTHORIZATION}\r\n\r\n"
            )
        );
        assert!(!tunnelled.is_empty());
        for hidden in [KEY, "question", "/api/v1/responses"] {
            assert!(!tunnelled.windows(hidden.len()).any(|part| part == hidden.as_bytes()), "{hidden}");
        }
        let requests = crate::network::soon(server).await.unwrap();
        assert!(requests[0].starts_with("POST /api/v1/responses HTTP/1.1\r\n"), "{}", requests[0]);
        assert!(requests[0].contains(KEY));
        assert!(!requests[0].to_lowercase().contains("proxy-authorization"), "the server does not see them");
    }

    #[tokio::test]
    async fn a_proxy_that_opens_no_tunnel_is_a_connect_error() {
        for (answer, reason) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
                "it requires valid credentials (status 407); set the username and password in the proxy URL",
            ),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "it responded with the status 403"),
            ("HTTP/1.1 403 Forbidden\nx: y\n\n", "it responded with the status 403"),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 Bad Gateway\r\n\r\n", "it responded with the status 502"),
            ("HTTP/1.1 200 OK\r\n\r\nWelcome", "it sent more than the head of its response"),
            ("HTTP/1.1 200 OK\n\nWelcome", "it sent more than the head of its response"),
            ("what is this\r\n\r\n", "it did not respond with HTTP"),
            ("HTTP/1.1 \u{1b}[3\n\n", "it did not respond with HTTP"),
            (format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(20_000)).leak(), "the head of its response is too long"),
            (
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx: {}", "x".repeat(20_000)).leak(),
                "the head of its response is too long",
            ),
            ("", "unexpected end of file"),
        ] {
            let address = refusing_proxy(answer).await;
            let transport = HyperTransport::builder()
                .proxy(format!("http://{CREDENTIALS}@{address}"))
                .root_certificate(Authority::new().pem())
                .build()
                .unwrap();

            let error = ask(&transport, "https://openrouter.invalid/").await.unwrap_err();

            assert_eq!(error.kind(), TransportErrorKind::Connect);
            let printed = chain(&error);
            let opening = format!("the proxy {address} did not open a tunnel to openrouter.invalid: ");
            assert!(printed.contains(&opening) && printed.contains(reason), "{printed}");
            assert!(!printed.contains(char::is_control), "{printed:?}");
            assert_no_secret(&format!("{printed} {error:?}"));
        }
    }
}
