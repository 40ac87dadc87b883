//! `image`: images from a text.

use std::path::PathBuf;

use clap::Args;
use openrouter_kit::models::{ContentPartImage, ImageGenerationRequest, MediaUrl};

use crate::attachment::read_image;
use crate::client::Context;
use crate::exit::Failure;
use crate::format::dollars;
use crate::output::{self, Target};

#[derive(Args, Debug)]
pub(crate) struct ImageArgs {
    /// Description of the image.
    prompt: String,
    /// Model, see `openrouter models --output image`.
    #[arg(short, long)]
    model: String,
    /// Image to start from: a path or a URL; repeatable.
    #[arg(short, long = "attach", value_name = "FILE|URL")]
    attachments: Vec<String>,
    /// File to write; `-` is standard output. Several images are numbered.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Number of images.
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<u32>,
    /// Size in pixels, such as 1024x1024.
    #[arg(long)]
    size: Option<String>,
    /// Aspect ratio, such as 16:9.
    #[arg(long, value_name = "RATIO")]
    aspect_ratio: Option<String>,
    /// Quality, such as low or high.
    #[arg(long)]
    quality: Option<String>,
    /// Show the cost on standard error.
    #[arg(short, long)]
    usage: bool,
}

pub(crate) async fn run(args: ImageArgs, context: Context) -> Result<(), Failure> {
    let target = if context.json { None } else { Some(Target::of(args.output.as_deref())?) };
    if target == Some(Target::Stdout) && args.count.is_some_and(|count| count > 1) {
        return Err(Failure::Usage("several images need a file; name one with `-o FILE`".to_owned()));
    }
    let mut request = ImageGenerationRequest::new(context.config.model(&args.model), &args.prompt);
    let references: Vec<_> = args.attachments.iter().map(|source| read_image(source)).collect::<Result<_, _>>()?;
    if !references.is_empty() {
        let references = references.into_iter().map(|url| ContentPartImage::new(MediaUrl::new(url)));
        request.input_references = Some(references.collect());
    }
    request.n = args.count.map(i64::from);
    request.size = args.size;
    request.aspect_ratio = args.aspect_ratio.as_deref().map(Into::into);
    request.quality = args.quality.as_deref().map(Into::into);
    let spinner = output::spinner();
    spinner.set_message("generating");
    let response = context.client.images().generate(request).with_response().await?;
    spinner.finish_and_clear();
    let cost = response.value.usage.as_ref().and_then(|usage| usage.cost);
    if args.usage {
        output::note(cost.map_or_else(|| "cost unknown".to_owned(), dollars));
    }
    let Some(target) = target else { return output::body(&response.body) };
    let images = response.value.data;
    if images.is_empty() {
        return Err(Failure::Other("the response has no image".to_owned()));
    }
    for (index, image) in images.iter().enumerate() {
        match target.numbered(index + 1) {
            Target::File(path) => {
                let length = image.save_to(&path).await?;
                output::saved(&path, length);
            }
            Target::Stdout => return output::bytes(&image.bytes()?),
        }
    }
    Ok(())
}
