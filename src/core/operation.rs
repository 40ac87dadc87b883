//! What an operation is, and the request for one before it is sent. Generated functions are written in these terms.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write;

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::wire::{self, Json, Wire};
use crate::errors::InvalidRequestError;

/// Whether an operation wants the API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Authentication {
    /// A call without a key fails before anything is sent.
    Required,
    /// The key is sent if there is one.
    Optional,
    /// The key is not sent.
    None,
}

/// One operation of the API: what all requests for it have in common.
#[derive(Debug)]
pub struct Operation {
    id: &'static str,
    method: Method,
    path: &'static str,
    repeatable: bool,
    authentication: Authentication,
    metadata: bool,
}

impl Operation {
    /// The operation `id`, as the API document names it. `path` is a template that begins with `/` and may hold `{name}`.
    ///
    /// The API key is required. The request may be repeated if the method says so (GET, HEAD, PUT, DELETE).
    pub const fn new(id: &'static str, method: Method, path: &'static str) -> Self {
        Self { id, method, path, repeatable: false, authentication: Authentication::Required, metadata: false }
    }

    /// Declares that the request may be repeated although its method does not say so.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Sets whether the operation wants the API key.
    #[must_use]
    pub const fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Declares that the operation takes the header `X-OpenRouter-Metadata`.
    #[must_use]
    pub const fn with_metadata_header(mut self) -> Self {
        self.metadata = true;
        self
    }

    /// The name of the operation in the API document, such as `createResponses`.
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// The HTTP method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The path below the server URL, with `{name}` where a parameter stands.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    pub(crate) fn is_repeatable(&self) -> bool {
        self.repeatable || self.method.is_idempotent()
    }

    pub(crate) const fn wants(&self) -> Authentication {
        self.authentication
    }

    pub(crate) const fn takes_metadata_header(&self) -> bool {
        self.metadata
    }
}

/// A value that can stand in a query.
pub trait QueryValue {
    /// The text before it is percent-encoded; `None` for a number that is not finite.
    fn query_text(&self) -> Option<Cow<'_, str>>;
}

impl QueryValue for str {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl QueryValue for String {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl QueryValue for bool {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(if *self { "true" } else { "false" }))
    }
}

impl QueryValue for i64 {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(self.to_string()))
    }
}

impl QueryValue for f64 {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        self.is_finite().then(|| Cow::Owned(self.to_string()))
    }
}

impl<T: QueryValue + ?Sized> QueryValue for &T {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        (**self).query_text()
    }
}

/// All bytes but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One request, not yet sent. It keeps the first mistake; awaiting the call returns it, and nothing is sent.
pub struct Parts {
    operation: &'static Operation,
    target: Cow<'static, str>,
    headers: HeaderMap,
    json: Option<Vec<u8>>,
    mistake: Option<InvalidRequestError>,
}

impl Parts {
    /// A request for `operation` without parameters and body.
    pub fn new(operation: &'static Operation) -> Self {
        let target = Cow::Borrowed(operation.path);
        Self { operation, target, headers: HeaderMap::new(), json: None, mistake: None }
    }

    /// Fills `{name}` of the path. Every byte that is not unreserved in a URL is percent-encoded.
    ///
    /// Empty values, `.` and `..` are mistakes: they would name another resource.
    #[must_use]
    pub fn path(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.fill(name, value.as_ref());
        self
    }

    fn fill(&mut self, name: &'static str, value: &str) {
        if matches!(value, "" | "." | "..") {
            self.fail(name, format!("is {value:?}, which cannot stand in a path; give the identifier itself"));
            return;
        }
        let encoded = utf8_percent_encode(value, RESERVED).to_string();
        self.target = Cow::Owned(self.target.replacen(&format!("{{{name}}}"), &encoded, 1));
    }

    /// Appends `name=value` to the query, percent-encoded, if there is a value.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: Option<impl QueryValue>) -> Self {
        if let Some(value) = &value {
            self.append(name, value.query_text());
        }
        self
    }

    fn append(&mut self, name: &'static str, text: Option<Cow<'_, str>>) {
        let Some(text) = text else {
            self.fail(name, "is not a finite number; give one, or leave it out");
            return;
        };
        let target = self.target.to_mut();
        let separator = if target.contains('?') { '&' } else { '?' };
        let encode = |text| utf8_percent_encode(text, RESERVED);
        // Writing to a `String` cannot fail.
        let _ = write!(target, "{separator}{}={}", encode(name), encode(&text));
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json<T: Wire>(mut self, value: &T) -> Self {
        self.set_json(wire::encode(value));
        self
    }

    fn set_json(&mut self, encoded: Result<Vec<u8>, wire::EncodeError>) {
        match encoded {
            Ok(json) => self.json = Some(json),
            Err(error) => {
                let mistake =
                    InvalidRequestError::new("request", "cannot be written as JSON; see the source for the place");
                self.keep(mistake.caused_by(error));
            }
        }
    }

    /// Adds the member `stream` to the JSON body.
    #[must_use]
    pub fn stream(mut self, stream: bool) -> Self {
        // The body is an object that was just encoded: it ends with its brace.
        if let Some(json) = self.json.as_mut().filter(|json| json.last() == Some(&b'}')) {
            json.pop();
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(if stream { b"\"stream\":true}" } else { b"\"stream\":false}" });
        }
        self
    }

    /// Sets a header, if there is a value. Control characters are a mistake.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        if let Some(value) = value {
            self.set_header(name, value.as_ref());
        }
        self
    }

    pub(crate) const fn operation(&self) -> &'static Operation {
        self.operation
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        match parse_header("header", name, value) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(mistake) => self.keep(mistake),
        }
    }

    /// Notes a mistake, unless there was one before.
    pub(crate) fn keep(&mut self, mistake: InvalidRequestError) {
        self.mistake.get_or_insert(mistake);
    }

    /// The finished request, with members added to its body, or the first mistake.
    pub(crate) fn finish(self, extra_body: Vec<(String, Json)>) -> Result<Finished, InvalidRequestError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if let Some(open) = self.target.find('{') {
            let name = self.target.get(open..).unwrap_or_default();
            return Err(InvalidRequestError::new("path", format!("has a parameter without a value: {name}")));
        }
        let json = if extra_body.is_empty() { self.json } else { Some(add_members(self.json, extra_body)?) };
        Ok(Finished { target: self.target, headers: self.headers, json })
    }

    fn fail(&mut self, argument: &'static str, message: impl Into<String>) {
        self.keep(InvalidRequestError::new(argument, message));
    }
}

impl fmt::Debug for Parts {
    /// Shows no body and no value of a header that may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("operation", &self.operation.id)
            .field("target", &self.target)
            .field("headers", &self.headers)
            .field("json", &self.json.as_ref().map(|json| format!("{} bytes", json.len())))
            .field("mistake", &self.mistake)
            .finish()
    }
}

/// A request with nothing wrong in it.
pub(crate) struct Finished {
    /// Path and query.
    pub(crate) target: Cow<'static, str>,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Option<Vec<u8>>,
}

/// Sets members of a JSON object; a member of the same name is replaced where it stands.
fn add_members(json: Option<Vec<u8>>, members: Vec<(String, Json)>) -> Result<Vec<u8>, InvalidRequestError> {
    const ARGUMENT: &str = "extra_body";
    let wrong = |message: &str| InvalidRequestError::new(ARGUMENT, message);
    if members.iter().any(|(name, _)| name == "stream") {
        return Err(wrong("sets `stream`, which the function decides; call the one for streams, or the other"));
    }
    let json = json.ok_or_else(|| wrong("needs a JSON body, which this operation does not have"))?;
    let Members(mut all) = serde_json::from_slice(&json)
        .map_err(|error| wrong("needs a JSON object as the body, which this is not").caused_by(error))?;
    for (name, value) in &members {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.as_text(),
            None => all.push((Cow::Borrowed(name), value.as_text())),
        }
    }
    let mut text = String::with_capacity(json.len() + 64);
    for (name, value) in &all {
        text.push(if text.is_empty() { '{' } else { ',' });
        // A string can always be written as JSON.
        text.push_str(&serde_json::to_string(name).unwrap_or_default());
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    Ok(text.into_bytes())
}

/// The members of an object in their order, values untouched.
struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &serde_json::value::RawValue>()? {
                    members.push((Cow::Owned(name), value.get()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

/// Checks a header that a program sets. `argument` is what the mistake is told of.
pub(crate) fn parse_header(
    argument: &'static str,
    name: &str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), InvalidRequestError> {
    let wrong = |message: String| InvalidRequestError::new(argument, message);
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|error| wrong(format!("has the name {name:?}, which is not allowed in HTTP")).caused_by(error))?;
    if matches!(
        parsed.as_str(),
        "host" | "content-length" | "transfer-encoding" | "connection" | "upgrade" | "te" | "trailer" | "keep-alive"
    ) {
        return Err(wrong(format!("sets `{parsed}`, which belongs to the connection; leave it out")));
    }
    let mut value = HeaderValue::from_str(value).map_err(|error| {
        wrong(format!("sets `{parsed}` to a value with control characters; remove them")).caused_by(error)
    })?;
    value.set_sensitive(is_secret(&parsed));
    Ok((parsed, value))
}

/// Headers whose values are never shown.
fn is_secret(name: &HeaderName) -> bool {
    matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie" | "x-api-key" | "api-key")
}
