//! One streaming call over HTTPS.

use std::io::Write;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::responses::{CreateResponse, InputParam, ResponseStreamEvent};
use futures_util::StreamExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::with_config(OpenAIConfig::new().with_api_base("https://openrouter.ai/api/v1"));
        let request = CreateResponse {
            model: Some("openai/gpt-4o-mini".to_owned()),
            input: InputParam::Text("Hi".to_owned()),
            ..CreateResponse::default()
        };
        let mut events = client.responses().create_stream(request).await?;
        while let Some(event) = events.next().await {
            if let ResponseStreamEvent::ResponseOutputTextDelta(text) = event? {
                print!("{}", text.delta);
                std::io::stdout().flush()?;
            }
        }
        Ok(())
    })
}
