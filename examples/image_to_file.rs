//! Generates images and saves each to a file.
//!
//! Features: `images`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::Answer;
use openrouter_kit::models::ImageGenerationRequest;
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(|server| {
        let image = json!({"b64_json": "iVBORw0KGgo=", "media_type": "image/png"});
        server.answer(Answer::json(200, json!({"created": 1, "data": [image, image], "usage": {"cost": 0.04}})));
    })
    .await?;
    let request = ImageGenerationRequest::new("google/gemini-2.5-flash-image", "A lighthouse in a storm, in oil").n(2);
    let response = client.images().generate(request).await?;
    let folder = std::env::temp_dir();
    for (number, image) in response.data.iter().enumerate() {
        let file = folder.join(format!("openrouter-kit-{}-{number}.png", std::process::id()));
        let length = image.save_to(&file).await?;
        println!("picture {number}: {length} bytes in {}", file.display());
        // Remove this line to keep the images.
        std::fs::remove_file(file)?;
    }
    println!("{} pictures", response.data.len());
    Ok(())
}
