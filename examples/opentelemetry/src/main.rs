//! Calls the local server and exports the span and metrics of the call.
//!
//! ```text
//! docker run -p 4318:4318 otel/opentelemetry-collector
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 cargo run
//! ```

use std::error::Error;

use openrouter_kit::mock::MockServer;
use openrouter_kit::models::{ChatMessage, ChatRequest};
use openrouter_kit_opentelemetry::{joining, subscriber};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let collector = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT");
    let (subscriber, exporters) = subscriber(collector.as_deref().unwrap_or("http://localhost:4318"))?;
    tracing::subscriber::set_global_default(subscriber)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let server = MockServer::start().await;
        let client = server.client_builder().tracing(joining()).build()?;
        let request = ChatRequest::new([ChatMessage::user("Hello")]).model("openai/gpt-4o-mini");
        let mut texts = client.chat().stream(request).await?.text_deltas();
        while let Some(text) = texts.next().await {
            print!("{}", text?);
        }
        println!();
        Ok::<_, openrouter_kit::Error>(())
    })?;
    exporters.shut_down()
}
