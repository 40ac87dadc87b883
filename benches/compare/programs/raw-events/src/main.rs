//! The same call as that of `minimal`, without the types of the API: the events are texts.

use std::io::Write;

use openrouter_kit::http::Method;
use openrouter_kit::serde_json::json;
use openrouter_kit::{Error, OpenRouterCore};

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let core = OpenRouterCore::from_env()?;
        let request = json!({"model": "openai/gpt-4o-mini", "input": "Hi", "stream": true});
        let mut events = core.request(Method::POST, "/responses").json(request).events().await?;
        while let Some(event) = events.next().await {
            print!("{}", event?.data());
            let _ = std::io::stdout().flush();
        }
        Ok(())
    })
}
