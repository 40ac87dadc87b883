//! Lets every example run without an API key.

#![allow(dead_code, unreachable_pub, reason = "an example uses some of these functions")]

use openrouter_kit::core::ClientBuilder;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::serde_json::{Value, json};
use openrouter_kit::{Error, OpenRouter};

/// Returns a client for OpenRouter if `OPENROUTER_API_KEY` is set. Otherwise starts a local server, lets `play` queue
/// its responses, and returns a client for that server.
pub async fn client(play: impl FnOnce(&MockServer)) -> Result<OpenRouter, Error> {
    builder(play).await.build()
}

/// Returns the builder of such a client, for further options.
pub async fn builder(play: impl FnOnce(&MockServer)) -> ClientBuilder<OpenRouter> {
    if std::env::var("OPENROUTER_API_KEY").is_ok_and(|key| !key.is_empty()) {
        return OpenRouter::builder().env();
    }
    // Dropping the server would stop it, but it is needed until the program ends.
    let server = Box::leak(Box::new(MockServer::start().await));
    play(server);
    // Other variables apply here too, such as `OPENROUTER_DEVTOOLS`.
    server.client_builder().env()
}

/// Returns the response of a chat model that says this.
pub fn says(text: &str) -> Answer {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10, "cost": 0.0000024});
    Answer::json(200, json!({"model": "openai/gpt-4o-mini", "choices": [choice], "usage": usage}))
}

/// Returns the response of a model that writes this to an agent, word by word.
pub fn writes(text: &str) -> Answer {
    let part = json!({"type": "output_text", "text": text, "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [part]});
    let deltas = text.split_inclusive(' ').map(|word| {
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "delta": word})
    });
    Answer::stream(deltas.chain([completed(&[message])]))
}

/// Returns the response of a model that calls tools of an agent: the id of each call, the tool, and the arguments.
pub fn calls(calls: &[(&str, &str, Value)]) -> Answer {
    let item = |(id, tool, arguments): &(&str, &str, Value)| {
        json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": tool,
            "arguments": arguments.to_string()})
    };
    Answer::stream([completed(&calls.iter().map(item).collect::<Vec<_>>())])
}

/// Returns the last event of a response, which costs a tenth of a cent.
fn completed(output: &[Value]) -> Value {
    let usage = json!({"input_tokens": 50, "output_tokens": 20, "total_tokens": 70, "cost": 0.001,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}});
    let response = json!({"id": "gen-1", "status": "completed", "output": output, "usage": usage});
    json!({"type": "response.completed", "response": response})
}
