//! A model that uses a tool: ask, run what it calls, send the results back, until it responds.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::OpenRouter;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{InputItem, ResponsesRequest, ResponsesTool};
use openrouter_kit::serde_json::{Value, json};

mod support;

type Failure = Box<dyn std::error::Error>;

/// A model that calls tools without end is stopped after this many rounds.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let client = support::client(play).await?;
    println!("{}", answer(&client, "What is the weather like in Lisbon?").await?);
    Ok(())
}

async fn answer(client: &OpenRouter, question: &str) -> Result<String, Failure> {
    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": false,
    });
    let weather = ResponsesTool::function("get_current_weather", parameters)
        .description("The weather in a city at this moment")
        .strict(true);
    let mut items = vec![InputItem::user(question)];

    for _ in 0..ROUNDS {
        let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input(items.clone()).tools([weather.clone()]);
        let response = client.responses().send(request).await?;
        // The whole output goes back unchanged, with the reasoning, which some models require.
        items.extend(response.to_input());
        let results: Vec<_> = response
            .function_calls()
            .map(|call| {
                // An error goes back to the model as well, so that it can correct the call.
                let result =
                    call.parse_arguments().map_or_else(|error| error.to_string(), |value| run(&call.name, &value));
                println!("{}({}) -> {result}", call.name, call.arguments);
                InputItem::function_call_output(&call.call_id, result)
            })
            .collect();
        if results.is_empty() {
            return Ok(response.output_text());
        }
        items.extend(results);
    }
    Err("the model did not finish".into())
}

fn run(tool: &str, arguments: &Value) -> String {
    match (tool, arguments["city"].as_str()) {
        ("get_current_weather", Some(city)) => format!("{city}: 24 °C, sunny, wind from the north"),
        ("get_current_weather", None) => "the city is missing".to_owned(),
        (other, _) => format!("there is no tool {other}"),
    }
}

/// What the local server responds.
fn play(server: &MockServer) {
    let answer = |id: &str, item: Value| Answer::json(200, json!({"id": id, "status": "completed", "output": [item]}));
    let call = json!({
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "get_current_weather",
        "arguments": "{\"city\":\"Lisbon\"}",
    });
    let text = json!({"type": "output_text", "text": "It is sunny in Lisbon, at 24 °C.", "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [text]});
    server.answer(answer("gen-1", call)).answer(answer("gen-2", message));
}
