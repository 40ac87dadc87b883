//! `rerank`: documents by their relevance to a query.

use clap::Args;
use openrouter_kit::models::CreateRerankRequest;

use crate::client::Context;
use crate::commands::embed::lines;
use crate::exit::Failure;
use crate::output::{self, Column, Table};

#[derive(Args, Debug)]
pub(crate) struct RerankArgs {
    /// Search query.
    query: String,
    /// Documents to sort [default: the lines of standard input].
    documents: Vec<String>,
    /// Model, see `openrouter models --output rerank`.
    #[arg(short, long)]
    model: String,
    /// Number of documents to return.
    #[arg(short = 'n', long, value_name = "COUNT")]
    top: Option<u32>,
}

pub(crate) async fn run(args: RerankArgs, context: Context) -> Result<(), Failure> {
    let documents = lines(args.documents)?;
    let mut request = CreateRerankRequest::new(documents.clone(), context.config.model(&args.model), args.query);
    request.top_n = args.top.map(i64::from);
    let response = context.client.rerank().rerank(request).with_response().await?;
    if context.json {
        return output::body(&response.body);
    }
    let mut table = Table::new([("SCORE", Column::Number), ("DOCUMENT", Column::Text)]);
    for result in &response.value.results {
        let document = usize::try_from(result.index).ok().and_then(|index| documents.get(index));
        table.row([format!("{:.4}", result.relevance_score), document.cloned().unwrap_or_default()]);
    }
    table.print()
}
