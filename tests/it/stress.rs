//! Many servers that misbehave at random, and calls dropped in every state.

#[allow(dead_code, reason = "some are for other tests")]
use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use crate::a_limit::tokio;
use crate::network::{ask, chain, post, read_request, soon};
use http_body_util::BodyExt;
use openrouter_kit::core::transport::{HyperTransport, Transport};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;

fn transport() -> HyperTransport {
    HyperTransport::builder().no_proxy().build().unwrap()
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// One response of a server: what is written, in which pieces, and how it ends.
struct Plan {
    body: String,
    bytes: Vec<u8>,
    is_cut: bool,
    is_reset: bool,
    /// Only the end of the connection marks the end of the body.
    ends_with_connection: bool,
    pieces: usize,
}

impl Plan {
    fn random(random: &mut Random, marker: usize) -> Self {
        let body = format!("{marker:08} ").repeat(random.below(600));
        let framing = random.below(3);
        let mut bytes = match framing {
            0 => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes(),
            1 => {
                let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                let size = 1 + random.below(2000);
                for chunk in body.as_bytes().chunks(size) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
                bytes
            }
            _ => format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").into_bytes(),
        };
        let is_cut = random.below(3) == 0;
        if is_cut {
            bytes.truncate(random.below(bytes.len()));
        }
        // Stray bytes that belong to no response.
        if !is_cut && framing != 2 && random.below(4) == 0 {
            bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\njunk");
        }
        Self {
            body,
            bytes,
            is_cut,
            is_reset: is_cut && random.below(2) == 0,
            ends_with_connection: framing == 2,
            pieces: 1 + random.below(5),
        }
    }

    /// Writes the response and returns whether the connection stays open.
    fn serve(&self, stream: &mut TcpStream) -> bool {
        for piece in self.bytes.chunks(self.bytes.len().div_ceil(self.pieces).max(1)) {
            if stream.write_all(piece).is_err() {
                return false;
            }
            thread::yield_now();
        }
        if self.is_reset {
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        !self.is_cut && !self.ends_with_connection
    }
}

/// Reads one request with the body `question`; `false` if there is none.
fn reads_request(stream: &mut TcpStream) -> bool {
    let (mut read, mut part) = (Vec::new(), [0; 1024]);
    while !read.ends_with(b"question") {
        match stream.read(&mut part) {
            Ok(count @ 1..) => read.extend_from_slice(&part[..count]),
            _ => return false,
        }
    }
    true
}

#[tokio::test]
async fn of_3000_random_servers_none_gets_a_cut_response_accepted() {
    let mut random = Random(7);
    let (mut whole, mut failed) = (0, 0);
    let transport = transport();
    for server in 0..3000 {
        let plans: Vec<Plan> = (0..2).map(|call| Plan::random(&mut random, server * 2 + call)).collect();
        let expected: Vec<_> = plans
            .iter()
            .map(|plan| (plan.body.clone(), plan.is_cut, plan.ends_with_connection && !plan.is_reset))
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let mut connection = None;
            for plan in &plans {
                loop {
                    let mut stream = connection.take().unwrap_or_else(|| listener.accept().unwrap().0);
                    // The client may have closed the connection.
                    if reads_request(&mut stream) {
                        connection = plan.serve(&mut stream).then_some(stream);
                        break;
                    }
                }
            }
        });
        for (body, is_cut, is_ambiguous) in expected {
            match ask(&transport, &url).await {
                Ok(text) if is_cut => assert!(is_ambiguous && body.starts_with(&text), "a cut response was accepted"),
                Ok(text) => {
                    assert_eq!(text, body);
                    whole += 1;
                }
                Err(error) => {
                    assert!(is_cut, "{}", chain(&error));
                    failed += 1;
                }
            }
        }
        serving.join().unwrap();
    }
    assert!(whole > 3000 && failed > 1000, "{whole} whole, {failed} failed");
}

#[tokio::test]
async fn a_call_may_be_given_up_in_every_state() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            // Otherwise small pieces wait for acknowledgments of those before them.
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                while !read_request(&mut stream).await.is_empty() {
                    let response =
                        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
                    for piece in response.chunks(2) {
                        if stream.write_all(piece).await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
    });
    let transport = transport();
    let mut given_up = 0;
    for polls in 0.. {
        let exchange = async {
            let body = transport.send(post(&url)).await.unwrap().into_body();
            body.collect().await.unwrap().to_bytes()
        };
        let mut exchange = Box::pin(exchange);
        let mut outcome = None;
        for _ in 0..polls {
            let poll = std::future::poll_fn(|cx| Poll::Ready(exchange.as_mut().poll(cx))).await;
            if let Poll::Ready(bytes) = poll {
                outcome = Some(bytes);
                break;
            }
            tokio::task::yield_now().await;
        }
        if let Some(bytes) = outcome {
            assert_eq!(bytes, "onetwo");
            break;
        }
        drop(exchange);
        given_up += 1;
        // Dropped calls do not affect later ones.
        let text = soon(ask(&transport, &url)).await.map_err(|error| chain(&error));
        assert_eq!(text.unwrap(), "onetwo", "after {polls} polls");
    }
    assert!(given_up > 20, "{given_up} states");
}
