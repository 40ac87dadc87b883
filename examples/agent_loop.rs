//! An agent: a model that calls two tools of the program, in parallel, until it has its final text.
//!
//! Features: `agent`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::io::Write;

use openrouter_kit::agent::{Event, Limits, Tool, ToolError};
use openrouter_kit::mock::MockServer;
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
        // The model sees this message, but not those of other errors.
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
    // An error if the run did not end with text: a limit, a refusal, a response that was cut off.
    outcome.text()?;
    let usage = outcome.usage();
    println!("\n{} model calls, {} dollars", usage.model_calls, usage.cost);
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    server.answer(support::calls(&[
        ("call_1", "get_current_weather", json!({"city": "Lisbon"})),
        ("call_2", "get_current_weather", json!({"city": "Oslo"})),
    ]));
    server.answer(support::writes("It is warmer in Lisbon: 24 °C against 9 °C."));
}
