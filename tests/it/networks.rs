//! The default transport in corporate networks: SOCKS and HTTPS proxies, client certificates, pinned addresses.
//! `docs/networks.md` has the table.

#[allow(dead_code, reason = "some are for other tests")]
use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::a_limit::tokio;
use crate::certificates::{Authority, client_verifying};
use crate::network::{answer_all, ask, chain, read_request, soon};
use openrouter_kit::core::transport::{HyperTransport, HyperTransportBuilder, TransportErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A TLS server for the name `openrouter.invalid`, which only a proxy can resolve.
struct Target {
    authority: Authority,
    address: SocketAddr,
}

const URL: &str = "https://openrouter.invalid/api/v1/responses";

impl Target {
    async fn start() -> Self {
        let authority = Authority::new();
        let acceptor = authority.server("openrouter.invalid", &["http/1.1"], |_| {});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, acceptor) = (listener.accept().await.unwrap().0, acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer_all(stream, "ok").await;
                    }
                });
            }
        });
        Self { authority, address }
    }

    fn builder(&self) -> HyperTransportBuilder {
        HyperTransport::builder().root_certificate(self.authority.pem())
    }
}

#[cfg(feature = "socks")]
mod socks {
    use super::*;
    use crate::a_limit::tokio;

    /// What a SOCKS5 proxy was asked: the methods that were offered, the name and the password, the destination.
    #[derive(Debug, PartialEq)]
    struct Asked {
        methods: Vec<u8>,
        credentials: Option<(String, String)>,
        destination: String,
    }

    /// A SOCKS5 proxy that connects once to `target`, whatever the request, or refuses with `reply` (RFC 1928).
    async fn proxy(target: SocketAddr, wants_credentials: bool, reply: u8) -> (JoinHandle<Asked>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            assert_eq!(stream.read_u8().await.unwrap(), 5);
            let methods = read_short(&mut stream).await;
            let method = if wants_credentials { 2 } else { 0 };
            stream.write_all(&[5, method]).await.unwrap();
            let mut credentials = None;
            if wants_credentials {
                assert_eq!(stream.read_u8().await.unwrap(), 1);
                let name = String::from_utf8(read_short(&mut stream).await).unwrap();
                let password = String::from_utf8(read_short(&mut stream).await).unwrap();
                stream
                    .write_all(&[1, u8::from((name.as_str(), password.as_str()) != ("us@er", "pass:word"))])
                    .await
                    .unwrap();
                credentials = Some((name, password));
            }
            let mut head = [0; 4];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(head[..3], [5, 1, 0]);
            let host = match head[3] {
                1 => {
                    let mut octets = [0; 4];
                    stream.read_exact(&mut octets).await.unwrap();
                    std::net::Ipv4Addr::from(octets).to_string()
                }
                3 => String::from_utf8(read_short(&mut stream).await).unwrap(),
                other => panic!("address type {other}"),
            };
            let destination = format!("{host}:{}", stream.read_u16().await.unwrap());
            stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if reply == 0 {
                let mut server = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            }
            Asked { methods, credentials, destination }
        });
        (serving, address)
    }

    async fn read_short(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(stream.read_u8().await.unwrap())];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_socks5h_proxy_looks_up_the_name_of_the_server() {
        let target = Target::start().await;
        let (proxy, address) = proxy(target.address, false, 0).await;
        let transport = target.builder().proxy(format!("socks5h://{address}")).build().unwrap();

        assert_eq!(soon(ask(&transport, URL)).await.map_err(|error| chain(&error)).unwrap(), "ok");
        assert_eq!(soon(ask(&transport, URL)).await.unwrap(), "ok");

        drop(transport);
        let asked = soon(proxy).await.unwrap();
        let expected = Asked { methods: vec![0], credentials: None, destination: "openrouter.invalid:443".to_owned() };
        assert_eq!(asked, expected, "both over one connection");
    }

    #[tokio::test]
    async fn for_a_socks5_proxy_this_side_looks_up_the_name() {
        let target = Target::start().await;
        let (proxy, address) = proxy(target.address, false, 0).await;
        let known: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let transport = target
            .builder()
            .resolve("openrouter.invalid", [known])
            .proxy(format!("socks5://{address}"))
            .build()
            .unwrap();

        assert_eq!(soon(ask(&transport, URL)).await.map_err(|error| chain(&error)).unwrap(), "ok");

        drop(transport);
        assert_eq!(soon(proxy).await.unwrap().destination, "192.0.2.1:443");
    }

    #[tokio::test]
    async fn a_socks_proxy_gets_the_credentials_and_the_server_does_not() {
        let authority = Target::start().await;
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plain_address = plain.local_addr().unwrap();
        let server = tokio::spawn(async move { answer_all(plain.accept().await.unwrap().0, "plain").await });
        let (proxy, address) = proxy(plain_address, true, 0).await;
        let transport = authority.builder().proxy(format!("socks5h://us%40er:pass%3Aword@{address}")).build().unwrap();

        assert_eq!(soon(ask(&transport, "http://openrouter.invalid:81/x")).await.unwrap(), "plain");

        drop(transport);
        let asked = soon(proxy).await.unwrap();
        assert_eq!(asked.credentials, Some(("us@er".to_owned(), "pass:word".to_owned())));
        assert_eq!(asked.destination, "openrouter.invalid:81");
        let request = soon(server).await.unwrap().remove(0);
        assert!(request.starts_with("POST /x HTTP/1.1\r\n"), "the server gets a path: {request}");
        assert!(!request.contains("proxy-authorization"), "{request}");
    }

    #[tokio::test]
    async fn a_socks_proxy_that_refuses_is_a_connect_error() {
        let target = Target::start().await;
        for (credentials, wants_credentials, reply) in [("", false, 5), ("us%40er:wrong@", true, 0), ("", true, 0)] {
            let (proxy, address) = proxy(target.address, wants_credentials, reply).await;
            let transport = target.builder().proxy(format!("socks5h://{credentials}{address}")).build().unwrap();

            let error = soon(ask(&transport, URL)).await.unwrap_err();

            assert_eq!(error.kind(), TransportErrorKind::Connect, "{}", chain(&error));
            assert!(chain(&error).contains("did not open a tunnel to openrouter.invalid"), "{}", chain(&error));
            assert!(!format!("{} {error:?}", chain(&error)).contains("wrong"), "{error:?}");
            proxy.abort();
        }
    }
}

/// An HTTP proxy over TLS that accepts one connection and opens a tunnel to `target` on CONNECT.
async fn https_proxy(authority: &Authority, target: SocketAddr) -> (JoinHandle<String>, String) {
    let acceptor = authority.server("localhost", &["http/1.1"], |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let request = read_request(&mut stream).await;
        if request.starts_with("CONNECT ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(target).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nproxied").await.unwrap();
        }
        request
    });
    (serving, address)
}

#[tokio::test]
async fn an_https_proxy_opens_a_tunnel_inside_its_own_tls() {
    let target = Target::start().await;
    let (proxy, address) = https_proxy(&target.authority, target.address).await;
    let transport = target.builder().proxy(format!("https://us%40er:pass%3Aword@{address}")).build().unwrap();

    assert_eq!(soon(ask(&transport, URL)).await.map_err(|error| chain(&error)).unwrap(), "ok");

    drop(transport);
    let request = soon(proxy).await.unwrap();
    assert!(request.starts_with("CONNECT openrouter.invalid:443 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Proxy-Authorization: Basic dXNAZXI6cGFzczp3b3Jk\r\n"), "{request}");
}

#[tokio::test]
async fn a_plain_request_goes_to_an_https_proxy_with_its_whole_url() {
    let target = Target::start().await;
    let (proxy, address) = https_proxy(&target.authority, target.address).await;
    let transport = target.builder().proxy(format!("https://{address}")).build().unwrap();

    assert_eq!(soon(ask(&transport, "http://openrouter.invalid/x")).await.unwrap(), "proxied");

    assert!(soon(proxy).await.unwrap().starts_with("POST http://openrouter.invalid/x HTTP/1.1\r\n"));
}

#[tokio::test]
async fn the_certificate_of_an_https_proxy_is_verified() {
    let target = Target::start().await;
    let (_proxy, address) = https_proxy(&Authority::new(), target.address).await;
    let transport = target.builder().proxy(format!("https://{address}")).build().unwrap();

    let error = soon(ask(&transport, URL)).await.unwrap_err();

    assert_eq!(error.kind(), TransportErrorKind::Connect);
    assert!(chain(&error).contains("UnknownIssuer"), "{}", chain(&error));
    assert!(chain(&error).contains(&format!("the proxy {address} could not be reached")), "{}", chain(&error));
}

/// A server that accepts only clients with a certificate of `authority`.
async fn server_for_clients_of(authority: &Authority) -> String {
    let acceptor = client_verifying(authority);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            if let Ok(stream) = acceptor.accept(listener.accept().await.unwrap().0).await {
                tokio::spawn(async move { answer_all(stream, "known").await });
            }
        }
    });
    url
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let authority = Authority::new();
    let url = server_for_clients_of(&authority).await;
    let builder = HyperTransport::builder().no_proxy().root_certificate(authority.pem());

    let known = builder.clone().client_certificate(authority.client()).build().unwrap();
    assert_eq!(soon(ask(&known, &url)).await.map_err(|error| chain(&error)).unwrap(), "known");

    for unknown in [builder.clone(), builder.client_certificate(Authority::new().client())] {
        let error = soon(ask(&unknown.build().unwrap(), &url)).await.unwrap_err();
        assert!(chain(&error).contains("received fatal alert: "), "{}", chain(&error));
    }
}

#[test]
fn a_client_certificate_that_cannot_be_used_is_refused_by_name() {
    let pem = Authority::new().client();
    let (certificate, key) = pem.split_once("-----END CERTIFICATE-----\n").unwrap();
    let certificate = format!("{certificate}-----END CERTIFICATE-----\n");
    for bad in [String::new(), "text".to_owned(), certificate, key.to_owned()] {
        let error = HyperTransport::builder().client_certificate(bad).build().unwrap_err();
        assert_eq!(error.option(), "client_certificate");
    }
}

#[cfg(feature = "rustls-config")]
#[tokio::test]
async fn an_own_configuration_of_rustls_is_used() {
    let target = Target::start().await;
    let mut roots = rustls::RootCertStore::empty();
    let certificate = target.authority.der();
    roots.add(certificate).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let transport = HyperTransport::builder()
        .no_proxy()
        .resolve("openrouter.invalid", [target.address])
        .rustls_config(config)
        .build()
        .unwrap();

    assert_eq!(soon(ask(&transport, URL)).await.map_err(|error| chain(&error)).unwrap(), "ok");
}

#[tokio::test]
async fn a_pinned_address_is_used_and_the_name_is_verified() {
    let target = Target::start().await;
    let builder = target.builder().no_proxy();

    let transport = builder.clone().resolve("OpenRouter.invalid", [target.address]).build().unwrap();
    assert_eq!(soon(ask(&transport, URL)).await.map_err(|error| chain(&error)).unwrap(), "ok");

    let other = builder.resolve("other.invalid", [target.address]).build().unwrap();
    let error = soon(ask(&other, "https://other.invalid/")).await.unwrap_err();
    assert!(chain(&error).contains("not valid for name \"other.invalid\""), "{}", chain(&error));
}

#[tokio::test]
async fn connections_come_from_the_local_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        answer_all(stream, "ok").await;
        peer
    });
    let local = if cfg!(target_os = "linux") { "127.0.0.2" } else { "127.0.0.1" };
    let transport = HyperTransport::builder().no_proxy().local_address(local.parse().unwrap()).build().unwrap();

    soon(ask(&transport, &url)).await.unwrap();

    drop(transport);
    assert_eq!(soon(peer).await.unwrap().ip().to_string(), local);
}

#[test]
fn the_table_names_every_test_and_every_test_is_in_the_table() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let table = std::fs::read_to_string(format!("{folder}/docs/networks.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let named: BTreeSet<&str> =
        rows.flat_map(|row| row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
    let known: BTreeSet<String> = ["networks.rs", "proxy.rs", "tls.rs", "real_proxies.rs"]
        .iter()
        .flat_map(|file| {
            let source = std::fs::read_to_string(format!("{folder}/tests/it/{file}")).unwrap();
            let lines: Vec<_> = source.lines().map(|line| line.trim_start().to_owned()).collect();
            let functions =
                lines.windows(2).filter(|pair| pair[0].starts_with("#[tokio::test") || pair[0] == "#[test]");
            functions
                .map(|pair| {
                    pair[1].trim_start_matches("async ").trim_start_matches("fn ").split('(').next().unwrap().to_owned()
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let unknown: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let source = include_str!("networks.rs");
    let own = known.iter().filter(|name| source.contains(&format!("fn {name}(")) && !name.starts_with("the_table"));
    let missing: Vec<_> = own.filter(|name| !named.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
