//! One streaming call over HTTPS.

use std::io::Write;

use futures_util::StreamExt;
use openrouter_rs::OpenRouterClient;
use openrouter_rs::api::responses::ResponsesRequest;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = OpenRouterClient::builder().api_key(std::env::var("OPENROUTER_API_KEY")?).build()?;
        let request = ResponsesRequest::builder().model("openai/gpt-4o-mini").input("Hi".into()).build()?;
        let mut events = client.responses().stream(&request).await?;
        while let Some(event) = events.next().await {
            let event = event?;
            if event.event_type == "response.output_text.delta" {
                print!("{}", event.data["delta"].as_str().unwrap_or_default());
                std::io::stdout().flush()?;
            }
        }
        Ok(())
    })
}
