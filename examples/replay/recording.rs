//! Reads recordings, one JSON file per exchange.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use openrouter_kit::core::wire::Json;
use openrouter_kit::mock::Answer;
use serde_json::Value;

/// One recorded exchange.
#[derive(Clone, Debug)]
pub struct Recording {
    pub id: String,
    /// `chat`, `responses`, `messages`, `embeddings`, `rerank`, `images`, `audio`, `models`, `generation`, or anything
    /// else.
    pub api: String,
    pub provider: String,
    /// `stream`, `unary` or `error`.
    pub kind: String,
    pub status: u16,
    pub method: String,
    /// The path with its query; empty if it was not recorded.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The sizes of the chunks in which the body arrived; empty if unknown.
    pub chunks: Vec<usize>,
    /// The body of the request.
    pub request: Option<Json>,
    /// Identifies exchanges that belong together: the source and the place in it.
    #[allow(dead_code, reason = "the test of conversations asks for it")]
    pub source: (String, u64),
}

/// Reads all recordings in a folder, in the order of their names. Also returns what could not be read.
pub fn read_folder(folder: &Path) -> std::io::Result<(Vec<Recording>, Vec<String>)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut recordings = Vec::new();
    let mut unreadable = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read(&file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match text.map_err(|error| error.to_string()).and_then(|text| Recording::parse(&name, &text)) {
            Ok(recording) => recordings.push(recording),
            Err(why) => unreadable.push(format!("{name}: {why}")),
        }
    }
    Ok((recordings, unreadable))
}

impl Recording {
    /// Reads a recording. Only `body` is required; `name` is the default for the id.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let json = Json::parse(text).map_err(|error| error.to_string())?;
        if !json.is_object() {
            return Err("not a JSON object".to_owned());
        }
        let text = |member: &str| json.get(member).and_then(|value| value.as_str().map(str::to_owned));
        let body = text("body").ok_or("`body` is not text")?;
        let number = |member: &str| json.get(member).and_then(|value| value.as_u64());
        let status = number("status").and_then(|status| u16::try_from(status).ok());
        let status = status.filter(|status| (200..600).contains(status)).unwrap_or(200);
        let kind = text("kind").unwrap_or_else(|| if status >= 400 { "error" } else { "unary" }.to_owned());
        let request = json.get("request").filter(|request| request.is_object()).cloned();
        let headers = json.get("response_headers").map(|headers| headers.to_value());
        let headers = headers.as_ref().and_then(Value::as_object).into_iter().flatten();
        Ok(Self {
            id: text("id").unwrap_or_else(|| name.to_owned()),
            api: text("api").unwrap_or_else(|| "other".to_owned()),
            provider: text("provider").unwrap_or_else(|| "unknown".to_owned()),
            kind,
            status,
            method: text("method").unwrap_or_else(|| "POST".to_owned()),
            path: text("path").unwrap_or_default(),
            headers: headers.map(|(name, value)| (name.clone(), header_text(value))).collect(),
            body: Bytes::from(body),
            chunks: json.get("chunk_bytes").and_then(|sizes| sizes.deserialize().ok()).unwrap_or_default(),
            request,
            source: (
                format!("{} {}", text("source_repo").unwrap_or_default(), text("source_path").unwrap_or_default()),
                number("source_index").unwrap_or_default(),
            ),
        })
    }

    pub fn is_stream(&self) -> bool {
        self.kind == "stream" && self.status < 300
    }

    /// Whether the request asked for a stream; the response may still be an error.
    pub fn asks_for_stream(&self) -> bool {
        let asked = || self.request.as_ref().and_then(|request| request.get("stream"));
        self.is_stream() || self.status >= 300 && asked().is_some_and(|stream| stream.as_text() == "true")
    }

    pub fn body_text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// Returns the response of the server: status, headers, and the exact bytes in their chunks.
    pub fn answer(&self) -> Answer {
        let answer = if self.is_stream() {
            Answer::chunks(self.cut())
        } else {
            Answer::bytes(self.status, self.body.clone()).header("content-type", "application/json")
        };
        // The framing and coding of the body belong to the recorded connection, not to this one.
        let of_connection = [
            "content-length",
            "transfer-encoding",
            "content-encoding",
            "connection",
            "keep-alive",
            "upgrade",
            "trailer",
        ];
        let headers = self.headers.iter().filter(|(name, value)| {
            let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
            fits && !name.is_empty() && !of_connection.contains(&name.to_ascii_lowercase().as_str())
        });
        headers.fold(answer.with_status(self.status), |answer, (name, value)| answer.header(name, value.as_bytes()))
    }

    /// Returns the body in its chunks. If they are unknown, it is split without regard to events.
    fn cut(&self) -> Vec<Bytes> {
        const SIZE: usize = 1009;
        let known = self.chunks.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size)) == Some(self.body.len());
        let sizes = if known { self.chunks.clone() } else { vec![SIZE; self.body.len().div_ceil(SIZE)] };
        let mut rest = self.body.clone();
        sizes.into_iter().map(|size| rest.split_to(size.min(rest.len()))).collect()
    }
}

/// Repeated headers are recorded as a list.
fn header_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(header_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
