//! Images, videos, speech, transcripts, embeddings, reranking.

use std::fs;

use openrouter_kit::mock::Answer;
use openrouter_kit::serde_json::json;

use crate::support::World;

#[test]
fn images_are_saved_and_numbered() {
    let world = World::new();
    let image = json!({"b64_json": "iVBORw0KGgo="});
    let answer = json!({"created": 1, "data": [image, image], "usage": {"cost": 0.04, "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
    world.server.on("POST", "/images", Answer::json(200, answer).always());
    let ran = world.run(&["image", "A cat", "-m", "a/b", "-o", "cat.png", "-n", "2", "--aspect-ratio", "16:9", "-u"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", 0), "{}", ran.stderr);
    assert_eq!(ran.stderr, "$0.04\ncat.png (8 B)\ncat-2.png (8 B)\n");
    assert_eq!(fs::read(world.path("cat-2.png")).unwrap(), b"\x89PNG\r\n\x1a\n");
    let request = world.last_request();
    assert_eq!((&request["n"], &request["aspect_ratio"]), (&json!(2), &json!("16:9")));

    let photo = world.write("photo.png", b"\x89PNG\r\n\x1a\n0000");
    world.run(&["image", "As a painting", "-m", "a/b", "-a", &photo]);
    let url = world.last_request()["input_references"][0]["image_url"]["url"].clone();
    assert!(url.as_str().unwrap().starts_with("data:image/png;base64,"), "{url}");

    let output = world.command(&["image", "A cat", "-m", "a/b"]).output().unwrap();
    assert_eq!(output.stdout, b"\x89PNG\r\n\x1a\n", "a pipe gets the bytes");
    let sent = world.server.requests().len();
    assert_eq!(world.run(&["image", "A cat", "-m", "a/b", "-o", "no/such/directory/cat.png"]).code, 2);
    assert_eq!(world.server.requests().len(), sent, "the file is checked before anything is paid for");
}

#[test]
fn a_video_is_waited_for_and_saved() {
    let world = World::new();
    let job = |status: &str| {
        let usage = json!({"cost": 0.5});
        json!({"id": "job-1", "polling_url": "https://example.com", "status": status, "usage": usage})
    };
    world.server.on("POST", "/videos", Answer::json(202, job("pending")).always());
    for status in ["pending", "in_progress", "completed"] {
        world.server.on("GET", "/videos/job-1", Answer::json(200, job(status)));
    }
    world.server.on("GET", "/videos/job-1/content", Answer::bytes(200, "a video").always());
    let args =
        ["video", "A storm", "-m", "a/b", "--wait", "-o", "storm.mp4", "--poll-interval", "1ms", "--duration", "4"];
    let ran = world.run(&args);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("openrouter video --job job-1 --wait"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("storm.mp4 (7 B)\n$0.5\n"), "{}", ran.stderr);
    assert_eq!(world.read("storm.mp4"), "a video");

    let frame = ["--first-frame", "https://example.com/a.png"];
    assert_eq!(world.run(&["video", "A storm", "-m", "a/b", frame[0], frame[1]]).stdout, "job-1\n");
    let frames = world.last_request()["frame_images"].clone();
    assert_eq!((&frames[0]["frame_type"], &frames[0]["image_url"]["url"]), (&json!("first_frame"), &json!(frame[1])));
    let mut failed = job("failed");
    failed["error"] = "too stormy".into();
    world.server.on("GET", "/videos/job-1", Answer::json(200, failed).always());
    let ran = world.run(&["video", "--job", "job-1", "--wait", "-o", "storm.mp4"]);
    assert_eq!((ran.code, ran.stderr.contains("failed: too stormy")), (1, true), "{}", ran.stderr);
    assert_eq!(world.run(&["video", "--job", "job-1"]).stdout, "failed\n");
}

#[test]
fn speech_goes_to_a_file_or_a_pipe() {
    let world = World::new();
    world.server.on(
        "POST",
        "/audio/speech",
        Answer::bytes(200, "ID3 sound").header("content-type", "audio/mpeg").always(),
    );
    let ran = world.run(&["speech", "Hello", "-m", "a/b", "-o", "hello.mp3", "--voice", "alloy", "--format", "mp3"]);
    assert_eq!((ran.stderr.as_str(), ran.code), ("hello.mp3 (9 B)\n", 0));
    assert_eq!(
        world.last_request(),
        json!({"input": "Hello", "model": "a/b", "voice": "alloy", "response_format": "mp3"})
    );
    assert_eq!(world.run_with(&["speech", "-m", "a/b"], "From a pipe").stdout, "ID3 sound");
    assert_eq!(world.last_request()["input"], "From a pipe");
}

#[test]
fn a_recording_is_transcribed() {
    let world = World::new();
    let file = world.write("talk.mp3", "ID3 sound");
    let answer = json!({"text": " Hello. ", "usage": {"cost": 0.001}});
    world.server.on("POST", "/audio/transcriptions", Answer::json(200, answer).always());
    let ran = world.run(&["transcribe", &file, "-m", "a/b", "--language", "en", "-u"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("Hello.\n", "$0.001\n", 0));
    let body = String::from_utf8_lossy(&world.server.requests()[0].body).into_owned();
    assert!(body.contains("ID3 sound") && body.contains("filename=\"talk.mp3\""), "{body}");
    assert_eq!(world.run(&["transcribe", "missing.mp3", "-m", "a/b"]).code, 2);
}

#[test]
fn embeddings_are_lines_of_json() {
    let world = World::new();
    let answer = json!({
        "object": "list", "model": "a/b", "usage": {"prompt_tokens": 2, "total_tokens": 2, "cost": 0.00001},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}, {"object": "embedding", "index": 1, "embedding": [0.25, 0.0]}],
    });
    world.server.on("POST", "/embeddings", Answer::json(200, answer).always());
    let ran = world.run_with(&["embed", "-m", "a/b", "-u"], "one\n\ntwo\n");
    assert_eq!(ran.stdout, "{\"text\":\"one\",\"embedding\":[0.5,1.0]}\n{\"text\":\"two\",\"embedding\":[0.25,0.0]}\n");
    assert_eq!(ran.stderr, "2 tokens, $0.00001\n");
    assert_eq!(world.last_request()["input"], json!(["one", "two"]));
    assert_eq!(world.run(&["embed", "-m", "a/b"]).code, 2);
}

#[test]
fn documents_are_sorted_by_relevance() {
    let world = World::new();
    let result =
        |index: usize, score: f64| json!({"index": index, "relevance_score": score, "document": {"text": "x"}});
    let answer = json!({"id": "r", "model": "a/b", "results": [result(1, 0.9), result(0, 0.125)]});
    world.server.on("POST", "/rerank", Answer::json(200, answer));
    let ran = world.run(&["rerank", "capital", "Rome is old", "Paris is a capital", "-m", "a/b", "-n", "2"]);
    assert_eq!(ran.stdout, "0.9000\tParis is a capital\n0.1250\tRome is old\n", "{}", ran.stderr);
    assert_eq!(world.last_request()["top_n"], 2);
}
