//! Answers from a recording of the module `devtools`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use super::{Answer, Fault, MockServer, Place};
use crate::core::base64;
use crate::devtools::VERSION;

impl MockServer {
    /// Starts a server that answers as the servers of a recording did: each request to an operation gets the responses that
    /// the operation got, in their order, failed attempts included. Events come in the pieces in which they arrived, without
    /// the waits between them. A response that broke off breaks off; where none arrived, the connection is reset.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// # use openrouter_kit::mock::MockServer;
    /// let server = MockServer::replay(".openrouter/devtools/2026-11-25T19-00-00Z-1-0a0b-1.jsonl").await?;
    /// let client = server.client();
    /// // ... call what the program called ...
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read or is not a recording of this version, or if a response was recorded without its content.
    pub async fn replay(recording: impl AsRef<Path>) -> io::Result<Self> {
        let recording = recording.as_ref();
        let answers = read(recording).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => io::Error::new(error.kind(), format!("{}: {error}", recording.display())),
            _ => error,
        })?;
        let server = Self::start().await;
        for (method, path, answer) in answers {
            server.on(&method, &path, answer);
        }
        Ok(server)
    }
}

/// What a recording has of an attempt.
#[derive(Default)]
struct Attempt {
    method: String,
    path: String,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    chunks: Vec<Bytes>,
    is_stream: bool,
    /// It ended before its response did.
    is_broken: bool,
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

fn read(recording: &Path) -> io::Result<Vec<(String, String, Answer)>> {
    let text = std::fs::read_to_string(recording)?;
    // A line that a crash cut off is not one.
    let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut places: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let mut version = None;
    for (number, line) in whole.lines().enumerate() {
        let line: Value =
            serde_json::from_str(line).map_err(|error| invalid(format!("line {}: {error}", number + 1)))?;
        let field = |name: &str| line.get(name).unwrap_or(&Value::Null);
        let kind = field("kind").as_str().unwrap_or_default();
        if kind == "file" {
            version = field("version").as_u64();
            continue;
        }
        if version != Some(u64::from(VERSION)) {
            return Err(invalid(format!("the file is not a recording of version {VERSION}; record it again")));
        }
        let of = (field("call").as_u64().unwrap_or_default(), field("attempt").as_u64().unwrap_or_default());
        let text = |name: &str| field(name).as_str().unwrap_or_default().to_owned();
        if kind == "request" {
            places.insert(of, attempts.len());
            let is_stream = field("stream") == true;
            attempts.push(Attempt { method: text("method"), path: text("path"), is_stream, ..Attempt::default() });
            continue;
        }
        let Some(attempt) = places.get(&of).and_then(|place| attempts.get_mut(*place)) else { continue };
        match kind {
            "response" => {
                attempt.status = field("status").as_u64().and_then(|status| u16::try_from(status).ok());
                let pairs = field("headers").as_array().into_iter().flatten();
                let pairs = pairs
                    .filter_map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned())));
                attempt.headers = pairs.collect();
            }
            "events" | "body" => attempt.chunks.push(body(field("body"), recording)?),
            "failed" => attempt.is_broken = true,
            "end" => attempt.is_broken |= field("outcome") != "completed",
            _ => {}
        }
    }
    if version.is_none() {
        return Err(invalid("the recording is empty"));
    }
    Ok(attempts.into_iter().map(|attempt| (attempt.method.clone(), attempt.path.clone(), answer(attempt))).collect())
}

/// The bytes of a body in the forms that a recording has for it.
fn body(body: &Value, recording: &Path) -> io::Result<Bytes> {
    if let Some(text) = body.as_str() {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    if let Some(text) = body.get("base64").and_then(Value::as_str) {
        let bytes = base64::decode(text).map_err(|at| invalid(format!("a body is not valid base64 at byte {at}")))?;
        return Ok(bytes.into());
    }
    // A hash, and nothing that leads elsewhere.
    match body.get("sha256").and_then(Value::as_str).filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        Some(hash) => {
            let folder = recording.parent().unwrap_or(Path::new("")).join("values");
            std::fs::read(folder.join(hash)).map(Bytes::from)
        }
        None => Err(invalid("a body was recorded without its content; record with `Content::Full`")),
    }
}

fn answer(attempt: Attempt) -> Answer {
    let Some(status) = attempt.status else {
        return Answer::status(500).fault(Fault::Reset, Place::BeforeHead);
    };
    let is_success = (200..300).contains(&status);
    let mut answer = if attempt.is_stream && is_success {
        Answer::chunks(attempt.chunks).with_status(status)
    } else {
        Answer::bytes(status, attempt.chunks.concat())
    };
    for (name, value) in attempt.headers {
        let is_framing =
            matches!(&*name, "connection" | "content-length" | "date" | "keep-alive" | "transfer-encoding");
        if !is_framing && value != "[redacted]" {
            answer = answer.header(&name, value);
        }
    }
    if attempt.is_broken && is_success { answer.chunked().fault(Fault::Reset, Place::BeforeEnd) } else { answer }
}
