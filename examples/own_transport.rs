//! A custom transport: limits how many requests are open at the same time, including streams until they end.
//!
//! Features: `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use openrouter_kit::bytes::Bytes;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{HyperTransport, Transport, TransportError, TransportFuture};
use openrouter_kit::http;
use openrouter_kit::models::ResponsesRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

mod support;

#[derive(Debug)]
struct Limited<T> {
    inner: T,
    places: Arc<Semaphore>,
}

impl<T: Transport> Transport for Limited<T> {
    fn send(&self, request: http::Request<Body>) -> TransportFuture<'_> {
        Box::pin(async move {
            // The semaphore is never closed.
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            let response = self.inner.send(request).await?;
            Ok(response.map(|body| Body::wrap(Held { body, _place: place })))
        })
    }
}

/// A body that holds its permit until it is read or dropped.
struct Held {
    body: Body,
    _place: Option<OwnedSemaphorePermit>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, TransportError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limited = Limited { inner: HyperTransport::new()?, places: Arc::new(Semaphore::new(4)) };
    let client = support::builder(|_| {}).await.transport(limited).build()?;
    let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Say hello.");
    let calls = (0..12).map(|_| client.responses().send(&request));
    let responses = futures_util::future::try_join_all(calls).await?;
    println!("{} responses, at most 4 requests at a time", responses.len());
    Ok(())
}
