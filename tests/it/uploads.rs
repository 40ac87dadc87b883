//! How files are uploaded: what a form looks like on the wire, how long it is, and when it is sent again.

use std::collections::VecDeque;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, Step, Thing};
use bytes::Bytes;
use http::Method;
use http_body::{Body, Frame};
use openrouter_kit::core::transport::TransportErrorKind;
use openrouter_kit::core::{
    Call, FilePart, Multipart, OpenRouterCore, Operation, Parts, RetryConfig, TransferProgress,
};
use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer, RecordedRequest};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

static UPLOAD: Operation = Operation::new("uploadThing", Method::POST, "/things");

fn upload(core: &OpenRouterCore, form: Multipart) -> Call<Thing> {
    Call::new(core, Parts::new(&UPLOAD).multipart(form))
}

fn client(url: &str) -> OpenRouterCore {
    let soon = RetryConfig::backoff().initial_interval(Duration::from_millis(1));
    OpenRouterCore::builder().api_key("k").server_url(url).retry_config(soon).build().unwrap()
}

/// Sends one form to a server that takes it, and returns what arrived.
async fn sent(form: Multipart) -> RecordedRequest {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({"id": "file"})));
    upload(&client(&server.url()), form).await.unwrap();
    server.requests().remove(0)
}

/// One part of a form, as a server reads it.
#[derive(Debug, PartialEq)]
struct Received {
    name: String,
    file_name: Option<String>,
    media_type: Option<String>,
    content: Vec<u8>,
}

fn field(name: &str, content: &str) -> Received {
    Received { name: name.to_owned(), file_name: None, media_type: None, content: content.into() }
}

fn file(name: &str, file_name: &str, media_type: &str, content: impl Into<Vec<u8>>) -> Received {
    Received {
        name: name.to_owned(),
        file_name: Some(file_name.to_owned()),
        media_type: Some(media_type.to_owned()),
        content: content.into(),
    }
}

/// A strict reader of RFC 7578, which shares nothing with the writer.
fn parts_of(request: &RecordedRequest) -> Vec<Received> {
    let media_type = request.header("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/form-data; boundary=").expect("a form");
    assert!((1..=70).contains(&boundary.len()), "RFC 2046 limits boundaries to 70 characters");
    // With a line end before it, the first delimiter is like all others.
    let body = [b"\r\n", &request.body[..]].concat();
    let delimiter = format!("\r\n--{boundary}");
    let mut pieces = split(&body, delimiter.as_bytes());
    assert_eq!(pieces.remove(0), b"", "nothing is before the first part");
    assert_eq!(pieces.pop().unwrap(), b"--\r\n", "nothing is after the last delimiter");
    pieces.iter().map(|piece| part_of(piece)).collect()
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut i = 0;
    while i + at.len() <= text.len() {
        if &text[i..i + at.len()] == at {
            pieces.push(&text[start..i]);
            i += at.len();
            start = i;
        } else {
            i += 1;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn part_of(piece: &[u8]) -> Received {
    let piece = piece.strip_prefix(b"\r\n").expect("a line end after the delimiter");
    let end = piece.windows(4).position(|window| window == b"\r\n\r\n").expect("an empty line after the headers");
    let head = std::str::from_utf8(&piece[..end]).unwrap();
    let mut part = field("", "");
    part.content = piece[end + 4..].to_vec();
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(": ").expect("a header");
        match header {
            "Content-Disposition" => {
                let mut rest = value.strip_prefix("form-data").unwrap();
                while let Some(parameter) = rest.strip_prefix("; ") {
                    let (name, quoted) = parameter.split_once("=\"").unwrap();
                    let (text, after) = quoted.split_once('"').unwrap();
                    assert!(!text.contains(['\r', '\n']));
                    let text = text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
                    match name {
                        "name" => part.name = text,
                        "filename" => part.file_name = Some(text),
                        other => panic!("unknown parameter {other}"),
                    }
                    rest = after;
                }
                assert_eq!(rest, "");
            }
            "Content-Type" => part.media_type = Some(value.to_owned()),
            other => panic!("unknown header {other}"),
        }
    }
    part
}

/// A body of a known or unknown length.
struct Chunks {
    chunks: VecDeque<&'static [u8]>,
    length: Option<u64>,
}

impl Chunks {
    fn of(chunks: &[&'static [u8]]) -> Self {
        Self { chunks: chunks.iter().copied().collect(), length: None }
    }

    fn with_length(chunks: &[&'static [u8]]) -> Self {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { length: Some(length), ..Self::of(chunks) }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(self.chunks.pop_front().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk)))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("openrouter-kit-uploads-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_form_holds_its_files_and_fields_in_their_order() {
    let form = Multipart::new()
        .file("file", Some(FilePart::from_bytes("speech.wav", vec![0, 1, 2, 255])))
        .text("language", Some("en"))
        .text("note", Some("Grüße & 100 %".to_owned()))
        .text("temperature", Some(0.5))
        .text("seed", Some(-7_i64))
        .text("verbose", Some(true))
        .text("absent", None::<&str>)
        .text_list("granularities[]", Some(vec!["word", "segment"]))
        .text_list("nothing[]", None::<Vec<String>>)
        .file("second", None);
    let request = sent(form).await;
    assert_eq!(request.method, Method::POST);
    assert_eq!(
        parts_of(&request),
        [
            file("file", "speech.wav", "audio/wav", [0, 1, 2, 255]),
            field("language", "en"),
            field("note", "Grüße & 100 %"),
            field("temperature", "0.5"),
            field("seed", "-7"),
            field("verbose", "true"),
            field("granularities[]", "word"),
            field("granularities[]", "segment"),
        ]
    );
}

#[tokio::test]
async fn content_comes_from_memory_files_and_streams() {
    let folder = Folder::new();
    let large: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let form = Multipart::new()
        .file("bytes", Some(FilePart::from_bytes("a.txt", "text")))
        .file("vector", Some(FilePart::from(vec![1, 2, 3])))
        .file("path", Some(FilePart::from(folder.file("large.bin", &large))))
        .file("borrowed", Some(FilePart::from(folder.file("b.PDF", "%PDF").as_path())))
        .file("empty", Some(FilePart::from_path(folder.file("empty.md", ""))))
        .file("stream", Some(FilePart::from_stream("c.json", Chunks::of(&[b"[1,", b"", b"2]"]))))
        .file("nothing", Some(FilePart::from_stream("d.json", Chunks::of(&[]))));
    let parts = parts_of(&sent(form).await);
    let expected = [
        file("bytes", "a.txt", "text/plain", "text"),
        file("vector", "file", "application/octet-stream", [1, 2, 3]),
        file("path", "large.bin", "application/octet-stream", large),
        file("borrowed", "b.PDF", "application/pdf", "%PDF"),
        file("empty", "empty.md", "text/markdown", ""),
        file("stream", "c.json", "application/json", "[1,2]"),
        file("nothing", "d.json", "application/json", ""),
    ];
    assert!(parts == expected, "not printed: it is long");
}

#[tokio::test]
async fn names_and_media_types_are_what_the_program_sets() {
    let folder = Folder::new();
    let path = folder.file("tmp0815", "x");
    let part = FilePart::from_path(path).name("song.flac").media_type("audio/x-flac; rate=44100");
    let guessed = FilePart::from_bytes("song.unheard-of", "x").name("song.mp3");
    let form = Multipart::new().file("file", Some(part)).file("other", Some(guessed));
    let expected =
        [file("file", "song.flac", "audio/x-flac; rate=44100", "x"), file("other", "song.mp3", "audio/mpeg", "x")];
    assert_eq!(parts_of(&sent(form).await), expected);
}

#[tokio::test]
async fn the_media_type_of_a_part_follows_from_the_end_of_its_name() {
    const OFFICE: &str = "application/vnd.openxmlformats-officedocument";
    let table = [
        ("a.csv", "text/csv".to_owned()),
        ("a.docx", format!("{OFFICE}.wordprocessingml.document")),
        ("a.flac", "audio/flac".to_owned()),
        ("a.gif", "image/gif".to_owned()),
        ("a.htm", "text/html".to_owned()),
        ("a.html", "text/html".to_owned()),
        ("a.jpeg", "image/jpeg".to_owned()),
        ("A.JPG", "image/jpeg".to_owned()),
        ("a.json", "application/json".to_owned()),
        ("a.jsonl", "application/x-ndjson".to_owned()),
        ("a.ndjson", "application/x-ndjson".to_owned()),
        ("a.m4a", "audio/mp4".to_owned()),
        ("a.md", "text/markdown".to_owned()),
        ("a.mov", "video/quicktime".to_owned()),
        ("a.mp3", "audio/mpeg".to_owned()),
        ("a.mpga", "audio/mpeg".to_owned()),
        ("a.mp4", "video/mp4".to_owned()),
        ("a.ogg", "audio/ogg".to_owned()),
        ("a.oga", "audio/ogg".to_owned()),
        ("a.opus", "audio/ogg".to_owned()),
        ("a.pdf", "application/pdf".to_owned()),
        ("a.png", "image/png".to_owned()),
        ("a.pptx", format!("{OFFICE}.presentationml.presentation")),
        ("a.txt", "text/plain".to_owned()),
        ("a.wav", "audio/wav".to_owned()),
        ("a.webm", "video/webm".to_owned()),
        ("a.webp", "image/webp".to_owned()),
        ("a.xlsx", format!("{OFFICE}.spreadsheetml.sheet")),
        ("a.tar.gz", "application/octet-stream".to_owned()),
        ("png", "application/octet-stream".to_owned()),
    ];
    let form = |form: Multipart, name: &str| form.file("file", Some(FilePart::from_bytes(name, "x")));
    let parts = parts_of(&sent(table.iter().fold(Multipart::new(), |parts, (name, _)| form(parts, name))).await);
    let types = parts.into_iter().map(|part| (part.file_name.unwrap(), part.media_type.unwrap()));
    assert_eq!(types.collect::<Vec<_>>(), table.map(|(name, media_type)| (name.to_owned(), media_type)));
}

#[tokio::test]
async fn the_length_is_sent_where_every_part_has_one() {
    let folder = Folder::new();
    let form = || {
        Multipart::new()
            .text("field", Some("value"))
            .file("bytes", Some(FilePart::from_bytes("a", "abc")))
            .file("path", Some(FilePart::from_path(folder.file("b", vec![7; 200_000]))))
    };
    let known = form()
        .file("stream", Some(FilePart::from_stream("c", Chunks::with_length(&[b"ab", b"c"]))))
        .file("stated", Some(FilePart::from_stream("d", Chunks::of(&[b"ab", b"c"])).length(3)));
    let request = sent(known).await;
    assert_eq!(request.header("content-length").unwrap(), request.body.len().to_string());
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(parts_of(&request).len(), 5);

    let unknown = form().file("stream", Some(FilePart::from_stream("c", Chunks::of(&[b"ab", b"c"]))));
    let request = sent(unknown).await;
    assert_eq!(request.header("content-length"), None);
    assert_eq!(request.header("transfer-encoding"), Some("chunked"));
    assert_eq!(parts_of(&request)[3], file("stream", "c", "application/octet-stream", "abc"));
}

#[tokio::test]
async fn a_stream_is_sent_as_it_comes() {
    struct Channel(mpsc::Receiver<Bytes>);

    impl Body for Channel {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
        }
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let core = client(&format!("http://{}", listener.local_addr().unwrap()));
    let (sender, receiver) = mpsc::channel(1);
    let form = Multipart::new().file("file", Some(FilePart::from_stream("talk.wav", Channel(receiver))));
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        // The second chunk is made only once the first was received.
        for chunk in ["first chunk", "second chunk"] {
            sender.send(Bytes::from(chunk)).await.unwrap();
            read_until(&mut socket, &mut seen, chunk).await;
        }
        drop(sender);
        read_until(&mut socket, &mut seen, "\r\n0\r\n\r\n").await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(upload(&core, form).into_future(), server);
    outcome.unwrap();
}

async fn read_until(socket: &mut tokio::net::TcpStream, seen: &mut Vec<u8>, text: &str) {
    while !seen.windows(text.len()).any(|window| window == text.as_bytes()) {
        assert!(socket.read_buf(seen).await.unwrap() > 0, "the connection ended before {text:?}");
    }
}

#[tokio::test]
async fn hostile_names_stay_names() {
    let names = [
        "\"; filename=\"evil.sh",
        "a\r\nContent-Type: text/html\r\n\r\n<script>",
        "line\nline",
        "return\rreturn",
        "tab\there",
        "back\\slash\\",
        "100%22.txt",
        "../../etc/passwd",
        "日本語 🎵.mp3",
        "--boundary--",
        " ",
    ];
    for name in names {
        let form = Multipart::new().file("file", Some(FilePart::from_bytes(name, "content").media_type("text/plain")));
        let parts = parts_of(&sent(form).await);
        let [part] = &parts[..] else { panic!("{name:?} makes other parts: {parts:?}") };
        // The escape of the form does not distinguish an escaped quote from one that is part of the
        // name.
        assert_eq!(part.file_name.as_deref(), Some(name.replace("%22", "\"").as_str()));
        assert_eq!((part.media_type.as_deref(), part.content.as_slice()), (Some("text/plain"), &b"content"[..]));
    }
}

#[tokio::test]
async fn content_that_looks_like_a_form_is_content() {
    let request = sent(Multipart::new().file("file", Some(FilePart::from_bytes("a", "x")))).await;
    // An earlier form does not reveal what the next one will look like: each has its own boundary.
    let hostile = [&request.body[..], b"\r\n--\r\n\r\n"].concat();
    let form = Multipart::new()
        .file("file", Some(FilePart::from_bytes("a", hostile.clone())))
        .text("text", Some(String::from_utf8(hostile.clone()).unwrap()));
    let parts = parts_of(&sent(form).await);
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.content == hostile));
}

#[tokio::test]
async fn a_form_of_bytes_and_files_is_sent_again() {
    let folder = Folder::new();
    let server = MockServer::start().await;
    server.answer(Answer::error(503, "busy").times(2)).answer(Answer::json(200, json!({"id": "file"})));
    let form = Multipart::new()
        .file("bytes", Some(FilePart::from_bytes("a", "abc")))
        .file("path", Some(FilePart::from_path(folder.file("b", vec![7; 100_000]))));
    upload(&client(&server.url()), form).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.body == requests[0].body && parts_of(request).len() == 2));
}

#[tokio::test]
async fn a_form_with_a_stream_is_sent_once_and_the_error_says_so() {
    let server = MockServer::start().await;
    server.answer(Answer::error(503, "busy").always());
    let form = Multipart::new().file("file", Some(FilePart::from_stream("a", Chunks::of(&[b"abc"]))));
    let error = upload(&client(&server.url()), form).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(error.status().unwrap().as_u16(), 503);
    assert!(error.to_string().contains("the request was not retried, since its body is a stream"), "{error}");

    let script = Script::new([Step::Fail(TransportErrorKind::NotSent)]);
    let form = Multipart::new().file("file", Some(FilePart::from_stream("a", Chunks::of(&[b"abc"]))));
    let error = upload(&script.core(), form).await.unwrap_err();
    assert_eq!(script.sent().len(), 1);
    assert!(error.to_string().contains("the request was not retried, since its body is a stream"), "{error}");
}

#[tokio::test]
async fn an_error_that_is_never_retried_says_nothing_of_streams() {
    let server = MockServer::start().await;
    server.answer(Answer::error(402, "no credits"));
    let form = Multipart::new().file("file", Some(FilePart::from_stream("a", Chunks::of(&[b"abc"]))));
    let error = upload(&client(&server.url()), form).await.unwrap_err();
    assert!(!error.to_string().contains("stream"), "{error}");
}

/// The message of a call that must fail before anything is sent.
async fn refused(form: Multipart) -> String {
    let server = MockServer::start().await;
    let error = upload(&client(&server.url()), form).await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
    assert_eq!(server.connections().opened, 0, "nothing is sent");
    match error.source() {
        Some(source) => format!("{error} / {source}"),
        None => error.to_string(),
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_before_anything_is_sent() {
    let folder = Folder::new();
    let path = folder.0.join("missing.wav");
    let message = refused(Multipart::new().file("file", Some(FilePart::from_path(&path)))).await;
    assert!(message.starts_with("uploadThing: `file` cannot be read from"), "{message}");
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(message.contains(" / "), "the cause is the source: {message}");
}

type Notes = Arc<Mutex<Vec<(u64, Option<u64>)>>>;

/// A progress callback that records its calls.
fn noting() -> (Notes, impl FnMut(TransferProgress) + Send + 'static) {
    let reported = Notes::default();
    let notes = reported.clone();
    (reported, move |progress| notes.lock().unwrap().push((progress.bytes, progress.total)))
}

#[tokio::test]
async fn an_upload_tells_how_far_each_of_its_files_has_come() {
    let folder = Folder::new();
    let path = folder.file("large.bin", vec![7; 150_000]);
    let ((of_bytes, bytes), (of_path, report), (of_stream, stream)) = (noting(), noting(), noting());
    let form = Multipart::new()
        .file("bytes", Some(FilePart::from_bytes("a", vec![1; 150_000]).on_progress(bytes)))
        .file("path", Some(FilePart::from_path(path).on_progress(report)))
        .file("stream", Some(FilePart::from_stream("c", Chunks::of(&[b"ab", b"c"])).on_progress(stream)))
        .file("silent", Some(FilePart::from_bytes("d", vec![1; 150_000])));
    assert_eq!(parts_of(&sent(form).await).len(), 4);
    let pieces = [65_536, 131_072, 150_000].map(|bytes| (bytes, Some(150_000)));
    assert_eq!(*of_bytes.lock().unwrap(), pieces);
    assert_eq!(*of_path.lock().unwrap(), pieces);
    assert_eq!(*of_stream.lock().unwrap(), [(2, None), (3, None)]);
}

#[tokio::test]
async fn progress_begins_anew_when_a_form_is_sent_again() {
    let server = MockServer::start().await;
    server.answer(Answer::error(503, "busy")).answer(Answer::json(200, json!({"id": "file"})));
    let (reported, report) = noting();
    let form = Multipart::new().file("file", Some(FilePart::from_bytes("a", "abc").on_progress(report)));
    upload(&client(&server.url()), form).await.unwrap();
    assert_eq!(*reported.lock().unwrap(), [(3, Some(3)), (3, Some(3))]);
}

#[tokio::test]
async fn a_wrong_part_is_told_before_anything_is_sent() {
    let file = |part: FilePart| Multipart::new().file("file", Some(part));
    let cases = [
        (file(FilePart::from(Path::new("/"))), "has no file name"),
        (file(FilePart::from_bytes("", "x")), "has no file name"),
        (file(FilePart::from_bytes("a", "x").media_type("wav")), "has the media type \"wav\""),
        (file(FilePart::from_bytes("a", "x").media_type("")), "has the media type \"\""),
        (file(FilePart::from_bytes("a", "x").media_type("a/b\r\nX: y")), "has the media type"),
        (Multipart::new().text("temperature", Some(f64::NAN)), "`temperature` is not a finite number"),
    ];
    for (form, expected) in cases {
        let message = refused(form).await;
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn a_stream_of_another_length_than_told_breaks_the_upload_off() {
    for (length, expected) in [(2, "longer than the length"), (4, "shorter than the length")] {
        let server = MockServer::start().await;
        server.answer(Answer::json(200, json!({})).always());
        let part = FilePart::from_stream("a", Chunks::of(&[b"ab", b"c"])).length(length);
        let error = upload(&client(&server.url()), Multipart::new().file("file", Some(part))).await.unwrap_err();
        assert!(error.is_connection(), "{error:?}");
        let mut causes = String::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes = format!("{causes} / {error}");
            cause = error.source();
        }
        assert!(causes.contains(expected), "{causes}");
        assert!(server.requests().is_empty(), "half a request is none");
    }
}

#[test]
fn debug_shows_no_content() {
    let parts = [
        FilePart::from_bytes("a.txt", "secret text"),
        FilePart::from_stream("b.txt", Chunks::of(&[b"secret text"])),
        FilePart::from_stream("c.txt", Chunks::with_length(&[b"secret text"])),
    ];
    for part in parts {
        let text = format!("{part:?}");
        assert!(text.contains(".txt") && !text.contains("secret"), "{text}");
        let text = format!("{:?}", Parts::new(&UPLOAD).multipart(Multipart::new().file("file", Some(part))));
        assert!(!text.contains("secret text"), "{text}");
    }
}

#[cfg(feature = "stt")]
#[tokio::test]
async fn a_recording_is_uploaded_for_transcription() {
    use openrouter_kit::models::SttMultipartRequest as Request;
    let server = MockServer::start().await;
    server.on("POST", "/audio/transcriptions", Answer::json(200, json!({"text": "Hello"})));
    let client = openrouter_kit::OpenRouter::from(client(&server.url()));
    let request = Request::new("openai/whisper-1")
        .file(FilePart::from_bytes("hello.wav", "RIFF"))
        .language("en")
        .temperature(0.0)
        .response_format("verbose_json")
        .timestamp_granularities(["word", "segment"]);
    let answer = client.stt().create_transcription_multipart(request).await.unwrap();
    assert_eq!(answer.text, "Hello");
    let mut parts = parts_of(&server.requests()[0]);
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        parts,
        [
            file("file", "hello.wav", "audio/wav", "RIFF"),
            field("language", "en"),
            field("model", "openai/whisper-1"),
            field("response_format", "verbose_json"),
            field("temperature", "0"),
            field("timestamp_granularities[]", "word"),
            field("timestamp_granularities[]", "segment"),
        ]
    );
}

#[cfg(feature = "files")]
#[tokio::test]
async fn a_file_is_uploaded_from_its_path() {
    use openrouter_kit::models::FilesUploadParams;
    let folder = Folder::new();
    let path = folder.file("report.pdf", "%PDF-1.7");
    let server = MockServer::start().await;
    server.on(
        "POST",
        "/files",
        Answer::json(
            200,
            json!({"_shape": "openrouter", "id": "f1", "type": "file",
        "filename": "report.pdf", "mime_type": "application/pdf", "size_bytes": 8, "created_at": "2025-01-01T00:00:00Z",
        "downloadable": false}),
        ),
    );
    let core = client(&server.url());
    let params = FilesUploadParams::new().workspace_id("w 1");
    openrouter_kit::funcs::files_upload(&core, path).params(params).await.unwrap();
    let request = server.requests().remove(0);
    assert_eq!(request.query, "workspace_id=w%201");
    assert_eq!(parts_of(&request), [file("file", "report.pdf", "application/pdf", "%PDF-1.7")]);
}
