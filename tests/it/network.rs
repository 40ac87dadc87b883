//! What the tests of the transport share: requests, and a server written by hand, so that each byte and each moment of
//! closing is the test's own choice.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use http_body_util::BodyExt;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{HyperTransport, Transport, TransportError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A secret that must reach nobody but the server.
pub(crate) const KEY: &str = "sk-or-v1-secret";

/// Fails the test if `future` takes unreasonably long.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it takes too long")
}

/// Lets this much time pass at once, and then lets the tasks run that waited for it.
pub(crate) async fn jump(time: Duration) {
    // New tasks begin to wait.
    run_tasks().await;
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    run_tasks().await;
}

/// Lets the tasks run that can do something now.
pub(crate) async fn run_tasks() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

/// A POST with the key and a body.
pub(crate) fn post(url: &str) -> http::Request<Body> {
    http::Request::post(url).header("authorization", format!("Bearer {KEY}")).body(Body::from("question")).unwrap()
}

/// Sends [`post`] and reads the whole response.
pub(crate) async fn ask(transport: &HyperTransport, url: &str) -> Result<String, TransportError> {
    let response = soon(transport.send(post(url))).await?;
    let bytes = soon(response.into_body().collect()).await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Reads one request: head and body unchanged. Empty if the client closed the connection instead.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut part = [0; 4096];
        match soon(stream.read(&mut part)).await {
            Ok(count @ 1..) => read.extend_from_slice(&part[..count]),
            _ => return text,
        }
    }
}

/// Reads requests and responds to each with `text`, until the client closes the connection.
pub(crate) async fn answer_all(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> Vec<String> {
    let mut requests = Vec::new();
    loop {
        let request = read_request(&mut stream).await;
        if request.is_empty() {
            return requests;
        }
        requests.push(request);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// The texts of an error and of everything below it.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
