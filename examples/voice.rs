//! Turns text into speech, saves it, and transcribes the recording.
//!
//! Features: `stt`, `tts`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::Answer;
use openrouter_kit::models::{FilePart, SpeechRequest, SttMultipartRequest};
use openrouter_kit::serde_json::json;

mod support;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = support::client(|server| {
        server.on("POST", "/audio/speech", Answer::bytes(200, "not really MP3").header("content-type", "audio/mpeg"));
        server.on("POST", "/audio/transcriptions", Answer::json(200, json!({"text": "Remember the milk."})));
    })
    .await?;
    let file = std::env::temp_dir().join(format!("openrouter-kit-voice-{}.mp3", std::process::id()));

    let request = SpeechRequest::new("Remember the milk.", "openai/gpt-4o-mini-tts").voice("alloy");
    let length = client.tts().create_speech(request).await?.save_to(&file).await?;
    println!("saved {length} bytes of speech");

    let request = SttMultipartRequest::new("openai/whisper-1").file(FilePart::from_path(&file)).language("en");
    let transcript = client.stt().create_transcription_multipart(request).await?;
    println!("heard: {}", transcript.text);
    std::fs::remove_file(file)?;
    Ok(())
}
