//! A hook that records every call to a file, including streams as they are read.
//!
//! Features: `responses`.
//!
//! Each call is collected in its own state and written once it has ended, so that concurrent calls are not mixed.
//! Headers are not recorded, and therefore neither is the API key.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use openrouter_kit::core::body::Body;
use openrouter_kit::hooks::{CallEnd, Hook, HookContext, Observer};
use openrouter_kit::models::ResponsesRequest;

mod support;

#[derive(Debug)]
struct Recorder(Mutex<File>);

/// What was recorded of a call so far.
#[derive(Default)]
struct Transcript(Mutex<Vec<u8>>);

impl Recorder {
    fn add(context: &HookContext, bytes: &[u8]) {
        let transcript = context.state::<Transcript>();
        transcript.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}

impl Hook for Recorder {
    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

impl Observer for Recorder {
    fn request(&self, context: &HookContext, request: &http::Request<Body>) {
        let (id, attempt) = (context.call_id(), context.attempt());
        let head = format!(">>> call {id}, attempt {attempt}: {} {}\n", request.method(), request.uri().path());
        Self::add(context, head.as_bytes());
        Self::add(context, request.body().as_bytes().unwrap_or(&Bytes::new()));
    }

    fn response(&self, context: &HookContext, response: &http::Response<Body>) {
        Self::add(context, format!("\n<<< {}\n", response.status()).as_bytes());
    }

    fn chunk(&self, context: &HookContext, chunk: &Bytes) {
        Self::add(context, chunk);
    }

    fn call_end(&self, context: &HookContext, end: &CallEnd<'_>) {
        Self::add(context, format!("=== {:?} after {:?}\n\n", end.outcome, end.elapsed).as_bytes());
        let transcript = context.state::<Transcript>();
        let transcript = transcript.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&transcript);
        if let Err(error) = written {
            // The response matters more than its record.
            println!("not recorded: {error}");
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("openrouter-record-{}.txt", std::process::id()));
    let recorder = Recorder(Mutex::new(File::create(&path)?));
    let client = support::builder(|_| {}).await.hook(recorder).build()?;

    let ask = async |text: &str| {
        let mut stream =
            client.responses().stream(ResponsesRequest::new().model("openai/gpt-4o-mini").input(text)).await?;
        while let Some(event) = stream.next().await {
            event?;
        }
        Ok::<_, openrouter_kit::Error>(())
    };
    let (one, two) = tokio::join!(ask("Hello"), ask("Good evening"));
    one?;
    two?;
    print!("{}", std::fs::read_to_string(&path)?);
    std::fs::remove_file(&path)?;
    Ok(())
}
