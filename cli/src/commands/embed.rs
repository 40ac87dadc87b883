//! `embed`: vectors of texts.

use clap::Args;
use openrouter_kit::models::CreateEmbeddingsRequest;
use openrouter_kit::serde_json::json;

use crate::attachment::read_stdin;
use crate::client::Context;
use crate::exit::Failure;
use crate::format::dollars;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct EmbedArgs {
    /// Texts to embed [default: the lines of standard input].
    texts: Vec<String>,
    /// Model, see `openrouter models --output embeddings`.
    #[arg(short, long)]
    model: String,
    /// Length of the vectors.
    #[arg(long, value_name = "COUNT")]
    dimensions: Option<u32>,
    /// Show tokens and cost on standard error.
    #[arg(short, long)]
    usage: bool,
}

pub(crate) async fn run(args: EmbedArgs, context: Context) -> Result<(), Failure> {
    let texts = lines(args.texts)?;
    let mut request = CreateEmbeddingsRequest::new(texts.clone(), context.config.model(&args.model));
    request.dimensions = args.dimensions.map(i64::from);
    let response = context.client.embeddings().generate(request).with_response().await?;
    if args.usage
        && let Some(usage) = &response.value.usage
    {
        let cost = usage.cost.map_or_else(|| "cost unknown".to_owned(), dollars);
        output::note(format_args!("{} tokens, {cost}", usage.total_tokens));
    }
    if context.json {
        return output::body(&response.body);
    }
    let vectors = response.value.vectors().map_err(|error| Failure::Other(error.to_string()))?;
    for (text, vector) in texts.iter().zip(vectors) {
        output::line(json!({"text": text, "embedding": vector}))?;
    }
    Ok(())
}

/// The texts of the command line, or else the lines of standard input.
pub(crate) fn lines(texts: Vec<String>) -> Result<Vec<String>, Failure> {
    if !texts.is_empty() {
        return Ok(texts);
    }
    let text = read_stdin()?;
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    match lines.is_empty() {
        true => Err(Failure::Usage("the text is missing; write some, or pipe lines into the command".to_owned())),
        false => Ok(lines),
    }
}
