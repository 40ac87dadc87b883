//! HTTP/1.1 to the byte, so that it can also go wrong to the byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::Framing;
use super::connection::{Connection, Gone};
use super::{Answer, Fault, Place, RecordedRequest, Shared, http2};

/// A head of a request that is larger is refused.
const MAX_HEAD: usize = 1024 * 1024;

/// One thing the server does to answer.
pub(super) enum Step {
    /// Writes the bytes at once, this many times.
    Write(Bytes, u64),
    Pause(Duration),
    Reset,
    Stall,
    /// Closes in order. An answer without it leaves the connection open for the next request.
    Close,
}

/// What the server does to send `answer`.
pub(super) fn steps(answer: &Answer) -> Vec<Step> {
    let mut steps = Vec::new();
    pause(&mut steps, answer.delay);
    for status in &answer.interim {
        steps.push(Step::Write(status_line(*status).into_iter().chain(*b"\r\n").collect(), 1));
    }
    let place = answer.fault.map(|(_, place)| place);
    let mut head = head(answer);
    match place {
        Some(Place::BeforeHead) => head.clear(),
        Some(Place::InHead) => head.truncate(head.len() / 2),
        _ => {}
    }
    // A small body goes out together with its head, as servers do it.
    let parts = if may_have_body(answer.status) { answer.parts_until_fault() } else { Vec::new() };
    let one_write = answer.framing == Framing::ContentLength
        && answer.fault.is_none()
        && parts.iter().all(|part| part.times == 1 && part.pause.is_zero());
    if one_write {
        head.extend(parts.iter().flat_map(|part| part.bytes.iter()));
        steps.push(Step::Write(head.into(), 1));
    } else {
        if !head.is_empty() {
            steps.push(Step::Write(head.into(), 1));
        }
        for part in parts {
            pause(&mut steps, part.pause);
            let bytes = match answer.framing {
                Framing::Chunked => chunk(&part.bytes, part.announced),
                Framing::ContentLength | Framing::CloseDelimited => part.bytes,
            };
            steps.push(Step::Write(bytes, part.times));
        }
        if answer.fault.is_none() && answer.framing == Framing::Chunked && may_have_body(answer.status) {
            steps.push(Step::Write(Bytes::from_static(b"0\r\n\r\n"), 1));
        }
    }
    match answer.fault.map(|(fault, _)| fault) {
        Some(Fault::Reset | Fault::ResetStream | Fault::RefuseStream) => steps.push(Step::Reset),
        Some(Fault::Stall) => steps.push(Step::Stall),
        Some(Fault::Close | Fault::GoAway) => steps.push(Step::Close),
        None if answer.closing || answer.framing == Framing::CloseDelimited || says_close(answer) => {
            steps.push(Step::Close);
        }
        None => {}
    }
    steps
}

fn pause(steps: &mut Vec<Step>, duration: Duration) {
    if !duration.is_zero() {
        steps.push(Step::Pause(duration));
    }
}

fn status_line(status: u16) -> Vec<u8> {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    format!("HTTP/1.1 {status} {reason}\r\n").into_bytes()
}

/// Whether answers of this status have a body (RFC 9110, 6.4.1).
const fn may_have_body(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

fn says_close(answer: &Answer) -> bool {
    answer.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("connection") && value == b"close")
}

fn head(answer: &Answer) -> Vec<u8> {
    let mut head = status_line(answer.status);
    for (name, value) in &answer.headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    let framed = answer
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding"));
    if may_have_body(answer.status) && !framed {
        match answer.framing {
            Framing::ContentLength => {
                head.extend_from_slice(format!("content-length: {}\r\n", answer.body_size()).as_bytes());
            }
            Framing::Chunked => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Framing::CloseDelimited => head.extend_from_slice(b"connection: close\r\n"),
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn chunk(bytes: &[u8], announced: usize) -> Bytes {
    let mut chunk = format!("{announced:x}\r\n").into_bytes();
    chunk.extend_from_slice(bytes);
    if bytes.len() == announced {
        chunk.extend_from_slice(b"\r\n");
    }
    chunk.into()
}

/// Answers the requests of a connection until either side closes it.
pub(super) async fn serve<S>(mut connection: Connection<S>, shared: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    loop {
        let head = match read_head(&mut connection).await {
            Ok(Start::Request(head)) => head,
            Ok(Start::Http2) => return http2::serve(connection, shared).await,
            Ok(Start::Malformed) => {
                let answer = Answer::error(400, "The mock server cannot read this request").then_close();
                let _ = play(&mut connection, &steps(&answer)).await;
                return connection.close().await;
            }
            Err(Gone) => return,
        };
        let Ok(body) = read_body(&mut connection, &head).await else { return };
        let prepared = shared.take(RecordedRequest::new(head.method, &head.target, head.headers, body));
        match play(&mut connection, &prepared.steps).await {
            Ok(Next::Request) if head.keep_alive => {}
            Ok(Next::Request | Next::Close) => return connection.close().await,
            Ok(Next::Reset) => return connection.reset_at_close().set(),
            Err(Gone) => return,
        }
    }
}

/// What comes after an answer.
enum Next {
    Request,
    Close,
    Reset,
}

async fn play<S>(connection: &mut Connection<S>, steps: &[Step]) -> Result<Next, Gone>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for step in steps {
        match step {
            Step::Write(bytes, times) => {
                for _ in 0..*times {
                    connection.write(bytes).await?;
                }
            }
            Step::Pause(duration) => connection.pause(*duration).await?,
            Step::Stall => return Err(connection.stall().await),
            Step::Reset => return Ok(Next::Reset),
            Step::Close => return Ok(Next::Close),
        }
    }
    Ok(Next::Request)
}

/// How a connection goes on.
enum Start {
    Request(Head),
    Http2,
    Malformed,
}

struct Head {
    method: Method,
    target: String,
    headers: HeaderMap,
    keep_alive: bool,
}

async fn read_head<S>(connection: &mut Connection<S>) -> Result<Start, Gone>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let end = loop {
        if let Some(end) = memmem::find(&connection.buffer, b"\r\n\r\n") {
            break end;
        }
        if connection.buffer.len() > MAX_HEAD {
            return Ok(Start::Malformed);
        }
        connection.fill().await?;
    };
    if connection.buffer.starts_with(b"PRI * HTTP/2.0\r\n") {
        return Ok(Start::Http2);
    }
    let head = connection.buffer.split_to(end + 4);
    Ok(parse_head(&head).map_or(Start::Malformed, Start::Request))
}

fn parse_head(head: &BytesMut) -> Option<Head> {
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let method = Method::from_bytes(words.next()?.as_bytes()).ok()?;
    let target = words.next()?.to_owned();
    let version = words.next()?;
    let mut headers = HeaderMap::with_capacity(16);
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_bytes(value.trim().as_bytes()).ok()?,
        );
    }
    let closes = headers.get("connection").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    Some(Head { method, target, headers, keep_alive: version == "HTTP/1.1" && !closes })
}

/// The body of a request. One whose framing cannot be read is as one that does not come.
async fn read_body<S>(connection: &mut Connection<S>, head: &Head) -> Result<Bytes, Gone>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if head.headers.contains_key("expect") {
        connection.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    if head.headers.contains_key("transfer-encoding") {
        let mut body = Vec::new();
        loop {
            let size = read_line(connection).await?;
            let digits = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| Gone)?;
            if size == 0 {
                while !read_line(connection).await?.is_empty() {}
                return Ok(body.into());
            }
            body.extend_from_slice(&connection.take(size).await?);
            read_line(connection).await?;
        }
    }
    match head.headers.get("content-length") {
        Some(length) => {
            let length = length.to_str().ok().and_then(|length| length.parse().ok()).ok_or(Gone)?;
            connection.take(length).await
        }
        None => Ok(Bytes::new()),
    }
}

async fn read_line<S>(connection: &mut Connection<S>) -> Result<String, Gone>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        if let Some(length) = memmem::find(&connection.buffer, b"\r\n") {
            let line = connection.take(length + 2).await?;
            return Ok(String::from_utf8_lossy(line.get(..length).unwrap_or_default()).into_owned());
        }
        connection.fill().await?;
    }
}
