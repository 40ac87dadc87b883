//! Generates a video: starts the job, reports its progress, and downloads the result.
//!
//! Features: `video-generation`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::time::Duration;

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::VideoGenerationRequest;
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut poll_interval = Duration::from_secs(10);
    let client = support::client(|server| {
        poll_interval = Duration::from_millis(10);
        play(server);
    })
    .await?;
    let request = VideoGenerationRequest::new("google/veo-3.1").prompt("Waves roll onto a beach at dusk.").duration(4);
    let job = client.video_generation().generate(request).await?;

    let states = client.video_generation().get_generation(&job.id).until_done().poll_interval(poll_interval);
    let mut states = states.time_limit(Duration::from_secs(1800));
    while let Some(state) = states.next().await {
        println!("{}", state?.status);
    }

    let file = std::env::temp_dir().join(format!("openrouter-kit-{}.mp4", std::process::id()));
    let download = client.video_generation().get_video_content(&job.id).await?;
    let download = download.on_progress(|progress| println!("{} bytes of {:?}", progress.bytes, progress.total));
    let length = download.save_to(&file).await?;
    println!("saved a video of {length} bytes");
    std::fs::remove_file(file)?; // remove this line to keep the video
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let state = |status: &str| json!({"id": "job-1", "polling_url": "/videos/job-1", "status": status});
    server.on("POST", "/videos", Answer::json(202, state("pending")));
    server.on("GET", "/videos/job-1", Answer::json(200, state("in_progress")).times(2));
    server.on("GET", "/videos/job-1", Answer::json(200, state("completed")));
    server.on("GET", "/videos/job-1/content", Answer::bytes(200, vec![0; 5000]).header("content-type", "video/mp4"));
}
