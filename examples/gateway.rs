//! A gateway: accepts requests of any OpenAI client over HTTP, adds your key and rules, and passes streams through
//! unchanged.
//!
//! Features: `chat`.
//!
//! `gateway PORT` listens on that port. Without a port, it listens on a free one, sends itself a request, and exits.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::TryStreamExt;
use openrouter_kit::core::transport::HyperTransport;
use openrouter_kit::models::ChatRequest;
use openrouter_kit::{Error, OpenRouter};
use tokio::net::TcpListener;

mod support;

/// The one place for rules: who may use which model, what is recorded, what a user may spend.
fn check(request: &ChatRequest) -> Result<(), &'static str> {
    match request.model.as_deref() {
        Some(model) if model.starts_with("openai/") => Ok(()),
        _ => Err("this gateway serves models of OpenAI only"),
    }
}

async fn chat(State(client): State<OpenRouter>, Json(mut request): Json<ChatRequest>) -> Response {
    if let Err(reason) = check(&request) {
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    let is_stream = request.extra.remove("stream").and_then(|stream| stream.as_bool()).unwrap_or(false);
    if !is_stream {
        return match client.chat().send(request).raw().await {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => failed(&error),
        };
    }
    match client.chat().stream(request).raw().await {
        // Comments keep the connection open while the model thinks. If the user disconnects, the stream is dropped and
        // the model stops: nobody pays for text that nobody reads.
        Ok(events) => {
            let events = events.comments(true).map_ok(|event| event.into_bytes());
            ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// The user gets the response of the server, or a plain 502.
fn failed(error: &Error) -> Response {
    println!("failed: {error}");
    match error.as_api() {
        Some(api) => {
            (api.status(), [(header::CONTENT_TYPE, "application/json")], api.body().to_owned()).into_response()
        }
        None => StatusCode::BAD_GATEWAY.into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(|_| {}).await?;
    let port = std::env::args().nth(1).map(|port| port.parse::<u16>()).transpose()?;
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await?;
    let url = format!("http://{}/api/v1", listener.local_addr()?);
    println!("listening on {url}");
    // All connections share one client, which is cheap to clone.
    let app = Router::new().route("/api/v1/chat/completions", post(chat)).with_state(client);
    if port.is_some() {
        return Ok(axum::serve(listener, app).await?);
    }
    tokio::spawn(async { axum::serve(listener, app).await });
    let transport = HyperTransport::builder().no_proxy().build()?;
    let user = OpenRouter::builder().api_key("a-key-of-the-gateway").server_url(url).transport(transport).build()?;
    let request = ChatRequest::new("Why is the sky blue?").model("openai/gpt-4o-mini");
    println!("{}", user.chat().stream(request).await?.collect().await?.text().unwrap_or_default());
    let refused = user.chat().send(ChatRequest::new("Hello").model("example/other")).await;
    println!("{}", refused.map_or_else(|error| error.to_string(), |_| "responded".to_owned()));
    Ok(())
}
