//! A gateway: takes a request from a browser, asks a model, and passes the events on unchanged.
//!
//! `cargo run --example gateway` starts the gateway on a free port, asks it once, prints what arrives, and ends. The
//! gateway speaks just enough HTTP for that; a real one puts the same few lines into its web framework.
//!
//! When the browser goes away, writing fails, the stream is dropped, and the model stops: nobody pays for text that
//! nobody reads.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::OpenRouter;
use openrouter_kit::mock::MockServer;
use openrouter_kit::models::{ChatMessage, ChatRequest};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let server = MockServer::start().await;
    let client = match std::env::var("OPENROUTER_API_KEY") {
        Ok(key) if !key.is_empty() => OpenRouter::new(key)?,
        _ => server.client(),
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((browser, _)) = listener.accept().await {
            // All connections share one client, which is cheap to clone.
            let client = client.clone();
            tokio::spawn(async move {
                if let Err(error) = serve(browser, &client).await {
                    println!("(gave up: {error})");
                }
            });
        }
    });

    let mut browser = TcpStream::connect(address).await?;
    browser.write_all(b"GET /?Why+is+the+sky+blue HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = String::new();
    browser.read_to_string(&mut answer).await?;
    println!("{answer}");
    Ok(())
}

async fn serve(browser: TcpStream, client: &OpenRouter) -> Result<(), Failure> {
    let mut browser = BufReader::new(browser);
    let mut line = String::new();
    browser.read_line(&mut line).await?;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let question = target.trim_start_matches("/?").replace('+', " ");

    let request = ChatRequest::new([ChatMessage::user(question)]).model("openai/gpt-4o-mini");
    let mut events = match client.chat().stream(request).raw().await {
        // Comments keep the connection open while the model thinks.
        Ok(events) => events.comments(true),
        Err(error) => {
            // The browser gets the status, the log the reason.
            let status = error.status().map_or(502, |status| status.as_u16());
            browser.write_all(format!("HTTP/1.1 {status} \r\nconnection: close\r\n\r\n").as_bytes()).await?;
            return Err(error.into());
        }
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    browser.write_all(head.as_bytes()).await?;
    while let Some(event) = events.next().await {
        browser.write_all(event?.as_bytes()).await?;
        browser.flush().await?;
    }
    Ok(())
}
