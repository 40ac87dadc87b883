//! `speech`: text read aloud.

use std::path::PathBuf;

use clap::Args;
use openrouter_kit::models::SpeechRequest;

use crate::attachment::read_stdin;
use crate::client::Context;
use crate::exit::Failure;
use crate::output::Target;

#[derive(Args, Debug)]
pub(crate) struct SpeechArgs {
    /// Text to read aloud [default: standard input].
    text: Option<String>,
    /// Model, see `openrouter models --output speech`.
    #[arg(short, long)]
    model: String,
    /// File to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Voice; the choice depends on the model.
    #[arg(long)]
    voice: Option<String>,
    /// Format, such as mp3 or pcm.
    #[arg(long)]
    format: Option<String>,
    /// Speed; 1 is normal.
    #[arg(long)]
    speed: Option<f64>,
}

pub(crate) async fn run(args: SpeechArgs, context: Context) -> Result<(), Failure> {
    let target = Target::of(args.output.as_deref())?;
    let text = args.text.map_or_else(read_stdin, Ok)?;
    let mut request = SpeechRequest::new(text, context.config.model(&args.model));
    request.voice = args.voice;
    request.response_format = args.format.as_deref().map(Into::into);
    request.speed = args.speed;
    target.save(context.client.tts().create_speech(request).await?).await
}
