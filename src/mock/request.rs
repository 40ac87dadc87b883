//! What the server got.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::BASE_PATH;
use crate::core::hidden::{self, Headers};
use crate::core::wire::Json;

/// A request as it arrived at the [`MockServer`](super::MockServer).
///
/// `Debug` prints the size of the body, omits the query, and prints `Sensitive` instead of the values of headers that
/// may hold a secret (`Authorization`, `Cookie`, and any not known to be harmless).
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path as it was sent, still percent-encoded: `/api/v1/responses`.
    pub path: String,
    /// What followed the `?`, still percent-encoded; empty without one.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, without the framing of the transfer.
    pub body: Bytes,
}

impl RecordedRequest {
    pub(super) fn new(method: Method, target: &str, mut headers: HeaderMap, body: Bytes) -> Self {
        hidden::hide_values(&mut headers);
        // A client that takes this server for a proxy sends the whole URL.
        let target = target.strip_prefix("http://").map_or(target, |rest| {
            let path = rest.find('/').and_then(|start| rest.get(start..));
            path.unwrap_or("/")
        });
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path: path.to_owned(), query: query.to_owned(), headers, body }
    }

    /// The path after `/api/v1`, if it has that.
    pub(super) fn operation_path(&self) -> &str {
        self.path.strip_prefix(BASE_PATH).unwrap_or(&self.path)
    }

    /// The value of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `null` if it is something else.
    pub fn json(&self) -> Json {
        std::str::from_utf8(&self.body).ok().and_then(|text| Json::parse(text).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &format_args!("{} bytes", self.query.len()))
            .field("headers", &Headers(&self.headers))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}
