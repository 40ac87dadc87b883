//! Lets a cheap model ask a strong one for advice while it works, a tool that OpenRouter runs, and prints the advice.
//!
//! Features: `responses`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::responses::OutputItem;
use openrouter_kit::models::server_tools::{AdvisorServerToolConfig, AdvisorServerToolOpenRouter};
use openrouter_kit::models::{ResponsesRequest, ResponsesTool};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let settings = AdvisorServerToolConfig::new()
        .model("anthropic/claude-opus-4.5")
        .instructions("Point out bugs. Be brief.")
        .max_completion_tokens(300);
    let request = ResponsesRequest::new()
        .model("openai/gpt-4o-mini")
        .instructions("Review the code. Ask your advisor about everything you are not sure of.")
        .input("fn mean(numbers: &[f64]) -> f64 { numbers.iter().sum::<f64>() / numbers.len() as f64 }")
        .tools([ResponsesTool::from(AdvisorServerToolOpenRouter::new().parameters(settings))]);
    let response = client.responses().send(request).await?;

    for item in &response.output {
        if let OutputItem::OpenRouterAdvisor(consultation) = item {
            let model = consultation.model.as_deref().unwrap_or("the advisor");
            println!("{model} was asked: {}", consultation.prompt.as_deref().unwrap_or_default());
            println!("{model} advised: {}", consultation.advice.as_deref().unwrap_or_default());
        }
    }
    println!("{}", response.output_text());
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let consultation = json!({"type": "openrouter:advisor", "id": "adv_1", "status": "completed",
        "model": "anthropic/claude-opus-4.5", "prompt": "Is division by zero possible here?",
        "advice": "Yes: an empty slice gives NaN."});
    let part = json!({"type": "output_text", "text": "Handle an empty slice: the mean is NaN.", "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [part]});
    server.answer(Answer::json(200, json!({"id": "gen-1", "status": "completed", "output": [consultation, message]})));
}
