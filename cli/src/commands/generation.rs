//! `generation`: what one past call cost and how it went.

use clap::Args;

use crate::client::Context;
use crate::exit::Failure;
use crate::format::dollars;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct GenerationArgs {
    /// Id of the generation, which `-u` shows.
    id: String,
}

pub(crate) async fn run(args: GenerationArgs, context: Context) -> Result<(), Failure> {
    let response = context.client.generations().get_generation(&args.id).with_response().await?;
    if context.json {
        return output::body(&response.body);
    }
    let data = response.value.data;
    let count = |tokens: Option<i64>| tokens.map(|tokens| tokens.to_string());
    let time = |milliseconds: Option<f64>| milliseconds.map(|milliseconds| format!("{milliseconds:.0} ms"));
    output::fields([
        ("id", Some(data.id)),
        ("model", Some(data.model)),
        ("provider", data.provider_name),
        ("created", Some(data.created_at)),
        ("cost", Some(dollars(data.total_cost))),
        ("prompt", count(data.native_tokens_prompt.or(data.tokens_prompt)).map(|tokens| tokens + " tokens")),
        (
            "completion",
            count(data.native_tokens_completion.or(data.tokens_completion)).map(|tokens| tokens + " tokens"),
        ),
        (
            "reasoning",
            count(data.native_tokens_reasoning.filter(|tokens| *tokens > 0)).map(|tokens| tokens + " tokens"),
        ),
        ("first token", time(data.latency)),
        ("generation", time(data.generation_time)),
        ("finished", data.finish_reason),
        ("cancelled", data.cancelled.filter(|is_set| *is_set).map(|_| "yes".to_owned())),
    ])
}
