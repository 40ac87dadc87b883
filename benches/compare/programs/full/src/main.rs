//! One streaming call over HTTPS.

use std::io::Write;

use openrouter_kit::models::{ResponsesRequest, ResponsesStreamEvent};
use openrouter_kit::{Error, OpenRouterCore, funcs};

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let core = OpenRouterCore::from_env()?;
        let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Hi");
        let mut events = funcs::responses_stream(&core, request).await?;
        while let Some(event) = events.next().await {
            if let ResponsesStreamEvent::OutputTextDelta(text) = event? {
                print!("{}", text.delta);
                let _ = std::io::stdout().flush();
            }
        }
        Ok(())
    })
}
