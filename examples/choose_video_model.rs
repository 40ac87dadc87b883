//! Finds the video models that fit a job, by length, resolution, shape and sound, and prints their prices.
//!
//! Features: `video-generation`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::video_generation::{VideoModel, VideoResolution};
use openrouter_kit::serde_json::json;

mod support;

/// Returns whether a model can make eight seconds of wide video in full HD, with sound.
fn fits(model: &VideoModel) -> bool {
    let durations = model.supported_durations.as_deref().unwrap_or_default();
    let resolutions = model.supported_resolutions.as_deref().unwrap_or_default();
    let shapes = model.supported_aspect_ratios.as_deref().unwrap_or_default();
    durations.contains(&8)
        && resolutions.contains(&VideoResolution::V1080p)
        && shapes.iter().any(|shape| shape.as_str() == "16:9")
        && model.generate_audio == Some(true)
}

#[tokio::main]
async fn main() -> Result<(), openrouter_kit::Error> {
    let client = support::client(play).await?;
    let models = client.video_generation().list_videos_models().await?.data;
    let suitable: Vec<_> = models.iter().filter(|model| fits(model)).collect();
    println!("{} of {} models fit", suitable.len(), models.len());
    for model in suitable {
        // Each model has its own billing units, such as a second of video with sound.
        let prices = model.pricing_skus.iter().flatten().map(|(unit, price)| format!("${price} per {unit}"));
        println!("{}: {}", model.id, prices.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

/// What the local server responds.
fn play(server: &MockServer) {
    let model = |id: &str, durations: &[i64], resolutions: &[&str], audio: bool, price: &str| {
        json!({"id": id, "canonical_slug": id, "name": id, "created": 1760000000, "generate_audio": audio,
            "supported_durations": durations, "supported_resolutions": resolutions,
            "supported_aspect_ratios": ["16:9", "9:16"], "allowed_passthrough_parameters": [],
            "pricing_skus": {"duration_seconds_with_audio": price}})
    };
    let models = [
        model("example/silent", &[4, 8], &["720p", "1080p"], false, "0.10"),
        model("example/short", &[4], &["1080p"], true, "0.20"),
        model("example/cinema", &[4, 6, 8], &["720p", "1080p", "4K"], true, "0.40"),
    ];
    server.on("GET", "/videos/models", Answer::json(200, json!({"data": models})));
}
