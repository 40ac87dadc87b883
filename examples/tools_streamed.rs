//! A streamed chat with a tool: shows the text as it arrives, runs the tool, and sends back its result.
//!
//! Features: `chat`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{ChatFunctionTool, ChatMessage, ChatRequest};
use openrouter_kit::serde_json::{Value, json};

mod support;

#[derive(serde::Deserialize)]
struct Place {
    city: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(play).await?;
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let weather = ChatFunctionTool::function("weather", parameters).description("The weather in a city now");
    let mut request =
        ChatRequest::new("What is the weather like in Lisbon?").model("openai/gpt-4o-mini").tools([weather]);

    // A model that never stops calling tools is cut off after this many rounds.
    for _ in 0..5 {
        let mut texts = client.chat().stream(&request).await?.text_deltas();
        while let Some(text) = texts.next().await {
            print!("{}", text?);
            std::io::stdout().flush().ok();
        }
        let result = texts.finish().await?;
        println!();
        request.messages.extend(result.to_message());
        if result.tool_calls().is_empty() {
            return Ok(());
        }
        for call in result.tool_calls() {
            // An error is sent back to the model too, so that it can correct the call.
            let output = match call.parse_arguments::<Place>() {
                Ok(place) => format!("{}: 24 °C and sunny", place.city),
                Err(error) => error.to_string(),
            };
            println!("[{}({}) -> {output}]", call.name(), call.arguments());
            request.messages.push(ChatMessage::tool(call.call_id(), output));
        }
    }
    Err("the model did not finish".into())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let call = |part: Value| json!({"tool_calls": [part]});
    let stream = |deltas: Vec<Value>, reason: &str| {
        let mut chunks: Vec<_> =
            deltas.into_iter().map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})).collect();
        chunks.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}));
        Answer::stream(chunks)
    };
    let first = call(
        json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":"}}),
    );
    let second = call(json!({"index": 0, "function": {"arguments": " \"Lisbon\"}"}}));
    server.answer(stream(vec![json!({"content": "Let me look."}), first, second], "tool_calls"));
    server.answer(stream(vec![json!({"content": "It is sunny in Lisbon, "}), json!({"content": "at 24 °C."})], "stop"));
}
