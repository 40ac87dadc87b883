//! An agent: a model that calls two tools of the program, in parallel, until it has its final text.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::agent::{Event, Limits, Tool, ToolError};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::serde_json::{Value, json};

mod support;

type Failure = Box<dyn std::error::Error>;

#[derive(serde::Deserialize)]
struct Place {
    city: String,
}

async fn weather(place: Place) -> Result<Value, ToolError> {
    match place.city.as_str() {
        "Lisbon" => Ok(json!({"celsius": 24, "sky": "sunny"})),
        "Oslo" => Ok(json!({"celsius": 9, "sky": "cloudy"})),
        // The model sees this message; that of any other error it does not see.
        other => Err(ToolError::visible(format!("There is no weather station in {other}."))),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let client = support::client(play).await?;
    // With the feature `schemars`, `Tool::new` makes the schema from the type.
    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": false,
    });
    let weather = Tool::with_schema("get_current_weather", "The weather in a city at this moment", parameters, weather);
    let agent = client
        .agent("openai/gpt-4o-mini")
        .instructions("Be brief.")
        .tool(weather.strict(true))
        .limits(Limits::new().model_calls(5).cost("0.05".parse()?));

    let mut events = agent.run("Is it warmer in Lisbon or in Oslo?").stream();
    while let Some(event) = events.next().await {
        match event? {
            Event::TextDelta(text) => print!("{text}"),
            Event::ToolStarted(call) => println!("{}({})", call.name(), call.arguments()),
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    let outcome = events.finish().await?;
    // An error if the run ended with anything but a text: a limit, a refusal, a response that was cut off.
    outcome.text()?;
    let usage = outcome.usage();
    println!("\n{} model calls, {} dollars", usage.model_calls, usage.cost);
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let usage = json!({"input_tokens": 50, "output_tokens": 20, "total_tokens": 70, "cost": 0.00002,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}});
    let answer = |id: &str, output: Value| {
        Answer::json(200, json!({"id": id, "status": "completed", "output": output, "usage": usage}))
    };
    let call = |id: &str, city: &str| {
        json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "get_current_weather",
            "arguments": json!({"city": city}).to_string()})
    };
    let text = json!({"type": "output_text", "text": "It is warmer in Lisbon: 24 °C against 9 °C.", "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [text]});
    server.answer(answer("gen-1", json!([call("call_1", "Lisbon"), call("call_2", "Oslo")])));
    server.answer(answer("gen-2", json!([message])));
}
