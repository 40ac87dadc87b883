//! A hook that records every exchange to a file, streams as the bytes pass by.
//!
//! Headers are not recorded, and so neither is the API key.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::fs::File;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::TransportError;
use openrouter_kit::errors::HookError;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
use openrouter_kit::models::ResponsesRequest;

mod support;

#[derive(Clone, Debug)]
struct Recorder(Arc<Mutex<File>>);

impl Recorder {
    fn write(&self, bytes: &[u8]) -> Result<(), HookError> {
        let mut file = self.0.lock().map_err(|_| HookError::new("another thread failed while it recorded"))?;
        file.write_all(bytes).map_err(HookError::new)
    }
}

impl Hook for Recorder {
    fn before_request<'a>(
        &'a self,
        context: &'a HookContext,
        request: &'a mut http::Request<Body>,
    ) -> HookFuture<'a, ()> {
        let head = format!("\n>>> {} {} {}\n", context.operation_id(), request.method(), request.uri());
        let body = request.body().as_bytes().cloned().unwrap_or_default();
        Box::pin(async move { self.write(head.as_bytes()).and_then(|()| self.write(&body)) })
    }

    fn after_success<'a>(
        &'a self,
        _: &'a HookContext,
        response: http::Response<Body>,
    ) -> HookFuture<'a, http::Response<Body>> {
        let head = format!("\n<<< {}\n", response.status());
        Box::pin(async move {
            self.write(head.as_bytes())?;
            Ok(response.map(|body| Body::wrap(Recorded { body, recorder: self.clone() })))
        })
    }
}

/// A body that is recorded while it is read.
struct Recorded {
    body: Body,
    recorder: Recorder,
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(error) = self.recorder.write(data)
        {
            // The response matters more than its record.
            println!("not recorded: {error}");
        }
        Poll::Ready(frame)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("openrouter-record-{}.txt", std::process::id()));
    let recorder = Recorder(Arc::new(Mutex::new(File::create(&path)?)));
    let client = support::builder(|_| {}).await.hook(recorder).build()?;

    let mut stream =
        client.responses().stream(ResponsesRequest::new().model("openai/gpt-4o-mini").input("Hello")).await?;
    while let Some(event) = stream.next().await {
        event?;
    }
    print!("{}", std::fs::read_to_string(&path)?);
    std::fs::remove_file(&path)?;
    Ok(())
}
