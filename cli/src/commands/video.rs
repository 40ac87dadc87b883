//! `video`: a job that takes minutes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use openrouter_kit::models::{FrameImage, FrameType, MediaUrl, VideoGenerationRequest, VideoGenerationResponse};

use crate::attachment::read_image;
use crate::client::Context;
use crate::exit::Failure;
use crate::format::{dollars, parse_duration};
use crate::output::{self, Target};

#[derive(Args, Debug)]
pub(crate) struct VideoArgs {
    /// Description of the video.
    #[arg(required_unless_present = "job")]
    prompt: Option<String>,
    /// Model, see `openrouter models --output video`.
    #[arg(short, long, required_unless_present = "job")]
    model: Option<String>,
    /// Continue with an existing job instead of starting one.
    #[arg(long, value_name = "ID", conflicts_with_all = ["prompt", "model"])]
    job: Option<String>,
    /// Wait for the video and save it, instead of printing the id of the job.
    #[arg(long)]
    wait: bool,
    /// File to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE", requires = "wait")]
    output: Option<PathBuf>,
    /// Length in seconds.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u32>,
    /// Resolution, such as 720p.
    #[arg(long)]
    resolution: Option<String>,
    /// Aspect ratio, such as 16:9.
    #[arg(long, value_name = "RATIO")]
    aspect_ratio: Option<String>,
    /// Image that the video starts with: a path or a URL.
    #[arg(long, value_name = "FILE|URL", conflicts_with = "job")]
    first_frame: Option<String>,
    /// Time between two checks of the job.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    poll_interval: Duration,
}

pub(crate) async fn run(args: VideoArgs, context: Context) -> Result<(), Failure> {
    let target = if args.wait && !context.json { Some(Target::of(args.output.as_deref())?) } else { None };
    let videos = context.client.video_generation();
    let job = match args.job {
        Some(id) if args.wait => id,
        Some(id) => {
            let response = videos.get_generation(id).with_response().await?;
            if context.json {
                return output::body(&response.body);
            }
            return output::line(response.value.status);
        }
        None => {
            let mut request =
                VideoGenerationRequest::new(context.config.model(args.model.as_deref().unwrap_or_default()));
            request.prompt = args.prompt;
            request.duration = args.duration.map(i64::from);
            request.resolution = args.resolution.as_deref().map(Into::into);
            request.aspect_ratio = args.aspect_ratio.as_deref().map(Into::into);
            if let Some(source) = &args.first_frame {
                let frame = FrameImage::new(MediaUrl::new(read_image(source)?), FrameType::FirstFrame);
                request.frame_images = Some(vec![frame]);
            }
            let response = videos.generate(request).with_response().await?;
            if !args.wait {
                return if context.json { output::body(&response.body) } else { output::line(response.value.id) };
            }
            response.value.id
        }
    };
    // What is paid for must be found again, whatever happens from here on.
    output::note(format_args!("job {job}; return to it with `openrouter video --job {job} --wait`"));
    let video = wait(&job, args.poll_interval, &context).await?;
    let Some(target) = target else { return output::json(&video) };
    target.save(videos.get_video_content(&job).await?).await?;
    if let Some(cost) = video.usage.as_ref().and_then(|usage| usage.cost) {
        output::note(dollars(cost));
    }
    Ok(())
}

/// Shows how the job goes until it is over.
async fn wait(job: &str, poll_interval: Duration, context: &Context) -> Result<VideoGenerationResponse, Failure> {
    let spinner = output::spinner();
    let mut states = context.client.video_generation().get_generation(job).until_done().poll_interval(poll_interval);
    let mut last = None;
    while let Some(state) = states.next().await {
        let state = state?;
        spinner.set_message(state.status.to_string());
        last = Some(state);
    }
    spinner.finish_and_clear();
    match last {
        Some(state) if state.status.as_str() == "completed" => Ok(state),
        Some(state) => {
            let reason = state.error.map(|error| format!(": {error}")).unwrap_or_default();
            Err(Failure::Other(format!("the job {job} is {}{reason}", state.status)))
        }
        None => Err(Failure::Other(format!("the job {job} has no state"))),
    }
}
