//! `transcribe`: the text of a recording.

use clap::Args;
use openrouter_kit::models::{FilePart, SttMultipartRequest};

use crate::client::Context;
use crate::exit::Failure;
use crate::format::dollars;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct TranscribeArgs {
    /// Recording: a path or a URL.
    recording: String,
    /// Model, see `openrouter models --output transcription`.
    #[arg(short, long)]
    model: String,
    /// Language of the recording, such as en.
    #[arg(long)]
    language: Option<String>,
    /// Show the cost on standard error.
    #[arg(short, long)]
    usage: bool,
}

pub(crate) async fn run(args: TranscribeArgs, context: Context) -> Result<(), Failure> {
    let mut request = SttMultipartRequest::new(context.config.model(&args.model));
    request.language = args.language;
    if ["https://", "http://"].iter().any(|scheme| args.recording.starts_with(scheme)) {
        request.source_url = Some(args.recording);
    } else {
        let bar = output::progress();
        request.file = Some(FilePart::from_path(args.recording).on_progress(move |progress| {
            output::show_progress(&bar, progress);
        }));
    }
    let response = context.client.stt().create_transcription_multipart(request).with_response().await?;
    if args.usage {
        let cost = response.value.usage.as_ref().and_then(|usage| usage.cost);
        output::note(cost.map_or_else(|| "cost unknown".to_owned(), dollars));
    }
    match context.json {
        true => output::body(&response.body),
        false => output::line(response.value.text.trim()),
    }
}
