//! What programs ask for around their calls: ids in parts, kinds of errors, files of any kind, bodies of any kind.

use openrouter_kit::errors::Error;
use openrouter_kit::helpers::ModelId;
use openrouter_kit::http::Method;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{ChatContentPart, ChatRequest, ChatStreamChunk, InputContentPart};
use openrouter_kit::{OpenRouter, RetryConfig};
use serde_json::{Value, from_value, json};

use crate::a_limit::tokio;

#[test]
fn the_id_of_a_model_has_an_author_and_a_slug() {
    let id: ModelId = "openai/gpt-5:nitro".parse().unwrap();
    assert_eq!((id.author(), id.slug(), id.to_string().as_str()), ("openai", "gpt-5:nitro", "openai/gpt-5:nitro"));
    for wrong in ["", "gpt-5", "/gpt-5", "openai/", "a/b/c"] {
        let error = wrong.parse::<ModelId>().unwrap_err().to_string();
        assert!(error.contains(&format!("{wrong:?}")) && error.contains("`openai/gpt-5`"), "{error}");
    }
    let hostile = format!("\u{1b}[2J{}", "x".repeat(1_000)).parse::<ModelId>().unwrap_err().to_string();
    assert!(!hostile.contains('\u{1b}') && hostile.len() < 300, "{hostile}");
}

#[tokio::test]
async fn the_client_says_where_its_requests_go() {
    let server = MockServer::start().await;
    assert_eq!(server.client().server_url(), server.url());
    assert_eq!(OpenRouter::new("sk-or-1").unwrap().server_url(), "https://openrouter.ai/api/v1");
}

#[tokio::test]
async fn a_missing_key_is_told_apart_from_an_invalid_and_a_refused_one() {
    let server = MockServer::start().await;
    let keyless = OpenRouter::builder().server_url(server.url()).build().unwrap();
    let missing = keyless.credits().get_credits().await.unwrap_err();
    assert!(missing.is_missing_key(), "{missing}");
    let invalid = OpenRouter::new("two words").unwrap_err();
    assert!(matches!(invalid, Error::InvalidRequest(_)) && !invalid.is_missing_key(), "{invalid}");
    server.on("GET", "/credits", Answer::error(401, "no such key"));
    let refused = server.client().credits().get_credits().await.unwrap_err();
    assert!(!refused.is_missing_key(), "{refused}");
}

#[tokio::test]
async fn a_lack_of_credits_is_recognized_whatever_its_status() {
    let server = MockServer::start().await;
    let client = server.client_builder().retry_config(RetryConfig::none()).build().unwrap();
    let of_type = |status: u16, kind: &str| {
        Answer::json(status, json!({"error": {"code": status, "message": "used up", "type": kind}}))
    };
    for (answer, is_lack) in [
        (Answer::error(402, "no credits"), true),
        (of_type(429, "insufficient_quota"), true),
        (of_type(403, "billing_hard_limit_reached"), true),
        (of_type(400, "insufficient_credits"), true),
        (Answer::error(429, "slow down"), false),
        (Answer::error(403, "not allowed"), false),
        (Answer::error(500, "broken"), false),
    ] {
        let shown = format!("{answer:?}");
        server.answer(answer);
        let error = client.chat().send(ChatRequest::new("Hi")).await.unwrap_err();
        assert_eq!(error.is_out_of_credits(), is_lack, "{shown}");
        assert_eq!(error.to_string().contains("add credits"), is_lack, "{error}");
    }
}

#[tokio::test]
async fn the_alternate_form_of_an_error_names_nothing_of_the_program() {
    let server = MockServer::start().await;
    let client = server.client_builder().retry_config(RetryConfig::none()).build().unwrap();
    let long = "word ".repeat(500);
    for answer in [
        Answer::error(400, "wrong"),
        Answer::error(418, "teapot"),
        Answer::error(400, &long),
        Answer::text(200, "<html>no API</html>"),
        Answer::json(200, json!({"unknown": 1})),
        Answer::text(200, ""),
    ] {
        server.answer(answer);
        let error = client.chat().send(ChatRequest::new("Hi")).await.unwrap_err();
        let (for_programmers, for_users) = (error.to_string(), format!("{error:#}"));
        assert!(for_programmers.starts_with("chat_send: "), "{for_programmers}");
        assert!(!for_users.contains("chat_send") && !for_users.contains('`'), "{for_users}");
    }
    server.answer(Answer::error(402, "no credits"));
    let error = client.chat().send(ChatRequest::new("Hi")).await.unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "the server responded with 402 Payment Required: no credits; add credits or raise the limit of the key"
    );
}

#[test]
fn a_file_of_any_kind_becomes_the_part_that_fits_it() {
    let kind = |name: &str, bytes: &[u8]| {
        let chat = serde_json::to_value(ChatContentPart::from_bytes(name, bytes).unwrap()).unwrap();
        let input = serde_json::to_value(InputContentPart::from_bytes(name, bytes).unwrap()).unwrap();
        (chat["type"].as_str().unwrap().to_owned(), input["type"].as_str().unwrap().to_owned())
    };
    for (name, bytes, chat, input) in [
        ("x", &b"\x89PNG\r\n\x1a\n.."[..], "image_url", "input_image"),
        ("x", b"RIFF\0\0\0\0WAVEfmt ", "input_audio", "input_audio"),
        ("x", b"\0\0\0\x18ftypmp42", "video_url", "input_video"),
        ("paper", b"%PDF-1.7", "file", "input_file"),
        ("notes.md", b"# Notes", "file", "input_file"),
        ("drawing.svg", b"<svg/>", "image_url", "input_image"),
        // The bytes decide, and not the name.
        ("photo.pdf", b"GIF89a....", "image_url", "input_image"),
    ] {
        assert_eq!(kind(name, bytes), (chat.to_owned(), input.to_owned()), "{name}");
    }
    assert!(ChatContentPart::from_bytes("x.unknown", b"hello").is_err());
    let path = std::env::temp_dir().join(format!("openrouter-kit-parts-{:016x}.mp3", fastrand::u64(..)));
    std::fs::write(&path, "ID3 sound").unwrap();
    let part = ChatContentPart::from_path(&path);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(part, Ok(ChatContentPart::InputAudio(_))), "{part:?}");
    assert!(ChatContentPart::from_path(&path).is_err(), "the file is gone");
}

#[test]
fn the_first_bytes_of_a_file_tell_its_format() {
    for (bytes, expected) in [
        (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x1cftypavis", "image/avif"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftyphevc", "image/heic"),
        (b"\0\0\0\x18ftypmif1", "image/heic"),
        (b"II*\0\x08", "image/tiff"),
        (b"MM\0*\0", "image/tiff"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"FORM\0\0\0\0AIFFCOMM", "aiff"),
        (b"FORM\0\0\0\0AIFCFVER", "aiff"),
        (b"fLaC\0\0", "flac"),
        (b"OggS\0\x02", "ogg"),
        (b"ID3\x04\0", "mp3"),
        (b"\xff\xfb\x90\0", "mp3"),
        (b"\xff\xf3\x40\0", "mp3"),
        (b"\xff\xe2\x40\0", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"\xff\xf9\x50\x80", "aac"),
        (b"\0\0\0\x1cftypM4A \0", "m4a"),
        (b"\0\0\0\x1cftypM4B \0", "m4a"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b"\0\0\x01\xba", "video/mpeg"),
        (b"\0\0\x01\xb3", "video/mpeg"),
        (b"%PDF-1.7", "application/pdf"),
    ] {
        let part = serde_json::to_value(ChatContentPart::from_bytes("no extension", bytes).unwrap()).unwrap();
        let kind = part["type"].as_str().unwrap();
        let inner = &part[kind];
        let found = match kind {
            "input_audio" => inner["format"].as_str().unwrap(),
            "file" => inner["file_data"].as_str().unwrap(),
            _ => inner["url"].as_str().unwrap(),
        };
        let found = found.strip_prefix("data:").map_or(found, |url| url.split_once(';').unwrap().0);
        assert_eq!(found, expected, "{bytes:?}");
    }
    // Neither the mark of a frame of MP3 nor of AAC.
    for bytes in [&b"\xff\xff\x90\0"[..], b"\xff\xe6\x90\0", b"\xff\x04\x90\0", b"\xff\0\0\0", b"ID", b""] {
        let error = ChatContentPart::from_bytes("no extension", bytes).unwrap_err();
        assert!(error.to_string().contains("is not in a known format"), "{bytes:?}: {error}");
    }
}

#[test]
fn the_reasoning_of_a_chunk_is_found_wherever_it_is() {
    let chunk = |delta: Value| -> ChatStreamChunk {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
        from_value(json!({"id": "gen-1", "created": 1, "model": "a/b", "choices": [choice]})).unwrap()
    };
    let text = |delta: Value| chunk(delta).reasoning_text().map(std::borrow::Cow::into_owned);
    assert_eq!(text(json!({"reasoning": "Hm."})).as_deref(), Some("Hm."));
    assert_eq!(text(json!({"reasoning_content": "Hm."})).as_deref(), Some("Hm."));
    let details = json!([{"type": "reasoning.text", "text": "Hm"}, {"type": "reasoning.summary", "summary": "."}]);
    assert_eq!(text(json!({"reasoning_details": details})).as_deref(), Some("Hm."));
    for none in [json!({"content": "Hi"}), json!({"reasoning": ""}), json!({"reasoning_content": ""})] {
        assert_eq!(text(none), None);
    }
}

#[tokio::test]
async fn a_request_carries_a_body_of_any_media_type() {
    let server = MockServer::start().await;
    server.on("PUT", "/prices", Answer::json(200, json!({"ok": true})).always());
    let client = server.client();
    client.request(Method::PUT, "/prices").body("text/csv; charset=utf-8", "a,b\n1,2\n").await.unwrap();
    let request = server.requests().last().unwrap().clone();
    assert_eq!(request.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(&request.body[..], b"a,b\n1,2\n");
    client.request(Method::PUT, "/prices").body("application/octet-stream", vec![0_u8, 255]).await.unwrap();
    assert_eq!(&server.requests().last().unwrap().body[..], [0, 255]);
    for wrong in ["csv", "", "text/csv\r\nx: y"] {
        let error = client.request(Method::PUT, "/prices").body(wrong, "x").await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(_)), "{error}");
    }
    assert_eq!(server.requests().len(), 2);
}
