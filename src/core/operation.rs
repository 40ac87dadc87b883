//! Operations, and requests before they are sent. Generated functions are written in these terms.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::body::Body;
use super::header::parse_header;
use super::hidden;
use super::multipart::Multipart;
use super::query::QueryValue;
use super::wire::{self, DecodeError, Json, Reader, Wire, Writer};
use crate::errors::InvalidRequestError;

/// Whether an operation needs the API key.
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

/// How an operation is asked for its next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Paging {
    /// With the query parameters `offset` and `limit`.
    Offset {
        /// The limit if the request sets none, if the API document states it.
        default_limit: Option<u32>,
    },
    /// With the query parameter of this name, which takes the [`Page::cursor`](super::Page::cursor)
    /// of the page before.
    Cursor(&'static str),
}

/// One operation of the API: what all requests for it have in common.
///
/// Programs call an operation that this crate does not know with
/// [`OpenRouterCore::request`](super::OpenRouterCore::request). Describing it once is worth it if
/// it has many callers:
///
/// ```no_run
/// use openrouter_kit::core::wire::Json;
/// use openrouter_kit::core::{Call, Operation, OpenRouterCore, Parts};
/// use openrouter_kit::http::Method;
///
/// static GET_EVAL: Operation = Operation::new("getEval", Method::GET, "/evals/{id}");
///
/// fn get_eval(core: &OpenRouterCore, id: &str) -> Call<Json> {
///     Call::new(core, Parts::new(&GET_EVAL).path("id", id))
/// }
/// ```
#[derive(Debug)]
pub struct Operation {
    id: &'static str,
    function: Option<&'static str>,
    method: Method,
    path: Cow<'static, str>,
    repeatable: bool,
    authentication: Authentication,
    metadata_header: bool,
    server: Option<&'static str>,
    paging: Option<Paging>,
}

impl Operation {
    /// Creates the operation `id`, as the API document names it. `path` is a template that begins
    /// with `/` and may contain `{name}`.
    ///
    /// The API key is required. The request may be repeated if its method is idempotent (GET, HEAD,
    /// PUT, DELETE).
    pub const fn new(id: &'static str, method: Method, path: &'static str) -> Self {
        Self {
            id,
            function: None,
            method,
            path: Cow::Borrowed(path),
            repeatable: false,
            authentication: Authentication::Required,
            metadata_header: false,
            server: None,
            paging: None,
        }
    }

    /// Sets the name of the function that calls the operation, such as `responses_send`. Error
    /// messages start with it instead of the [`id`](Self::id).
    #[must_use]
    pub const fn with_function(mut self, name: &'static str) -> Self {
        self.function = Some(name);
        self
    }

    /// Allows repeating the request even if its method is not idempotent.
    #[must_use]
    pub const fn with_repetition(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Sets whether the operation needs the API key. Default: [`Authentication::Required`].
    #[must_use]
    pub const fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Declares that the operation supports the header `X-OpenRouter-Metadata`.
    #[must_use]
    pub const fn with_metadata_header(mut self) -> Self {
        self.metadata_header = true;
        self
    }

    /// Sets the server of the operation, which is used unless the call or the client sets a server
    /// URL.
    #[must_use]
    pub const fn with_server(mut self, server_url: &'static str) -> Self {
        self.server = Some(server_url);
        self
    }

    /// Declares that the response is a [`Page`](super::Page) of a list. The operation must not have
    /// a body.
    #[must_use]
    pub const fn with_paging(mut self, paging: Paging) -> Self {
        self.paging = Some(paging);
        self
    }

    /// Returns the name of the operation in the API document, such as `createResponses`.
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// Returns the HTTP method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the path below the server URL, with `{name}` for a parameter.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Describes a request that a program makes with
    /// [`OpenRouterCore::request`](super::OpenRouterCore::request).
    pub(super) fn of_program(method: Method, path: String) -> Self {
        let operation = Self { path: Cow::Owned(path), ..Self::new("request", method, "") };
        operation.with_function("request").with_authentication(Authentication::Optional).with_metadata_header()
    }

    pub(crate) const fn function(&self) -> Option<&'static str> {
        self.function
    }

    pub(crate) fn is_repeatable(&self) -> bool {
        self.repeatable || self.method.is_idempotent()
    }

    pub(crate) const fn authentication(&self) -> Authentication {
        self.authentication
    }

    pub(crate) const fn metadata_header(&self) -> bool {
        self.metadata_header
    }

    pub(crate) const fn server(&self) -> Option<&'static str> {
        self.server
    }

    pub(crate) const fn paging(&self) -> Option<Paging> {
        self.paging
    }
}

/// A reference to an operation: static if it is in the API document, shared if a program described
/// it.
#[derive(Clone, Debug)]
pub(crate) enum OperationRef {
    Static(&'static Operation),
    Shared(Arc<Operation>),
}

impl Deref for OperationRef {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        match self {
            Self::Static(operation) => operation,
            Self::Shared(operation) => operation,
        }
    }
}

/// All bytes except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request that is not sent yet. It keeps the first invalid argument; awaiting the call returns
/// that error, and nothing is sent.
///
/// Each method returns the request with one thing added, so a request is one expression:
///
/// ```
/// use openrouter_kit::core::{Operation, Parts};
/// use openrouter_kit::http::Method;
///
/// static LIST_EVALS: Operation = Operation::new("listEvals", Method::GET, "/projects/{project}/evals");
///
/// let parts = Parts::new(&LIST_EVALS)
///     .path("project", "my project")
///     .query("limit", Some(20))
///     .header("x-team", Some("search"));
/// ```
pub struct Parts {
    operation: OperationRef,
    target: Cow<'static, str>,
    headers: HeaderMap,
    content: Content,
    invalid: Option<InvalidRequestError>,
}

/// What a request carries.
pub(crate) enum Content {
    None,
    Json(Vec<u8>),
    Form(String),
    /// Any other body, with its media type.
    Bytes(HeaderValue, Bytes),
    /// Boxed, since few requests have it.
    Multipart(Box<Multipart>),
}

impl fmt::Debug for Content {
    /// Prints no content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Json(json) => write!(f, "JSON of {} bytes", json.len()),
            Self::Form(form) => write!(f, "form of {} bytes", form.len()),
            Self::Bytes(_, bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Multipart(multipart) => multipart.fmt(f),
        }
    }
}

/// The optional parameters of an operation; implemented by the types named `…Params`. See
/// [`Call::params`](super::Call::params).
pub trait Parameters {
    /// Adds the parameters that are set to the request.
    #[must_use]
    fn write(&self, parts: Parts) -> Parts;
}

impl Parts {
    /// Creates a request for `operation` without parameters and body.
    pub fn new(operation: &'static Operation) -> Self {
        Self::of_operation(OperationRef::Static(operation), Cow::Borrowed(&*operation.path))
    }

    /// Creates a request for an operation that a program described.
    pub(super) fn of_program(operation: Operation) -> Self {
        let target = operation.path.clone();
        Self::of_operation(OperationRef::Shared(Arc::new(operation)), target)
    }

    fn of_operation(operation: OperationRef, target: Cow<'static, str>) -> Self {
        Self { operation, target, headers: HeaderMap::new(), content: Content::None, invalid: None }
    }

    /// Fills `{name}` of the path. Every byte that is not unreserved in a URL is percent-encoded.
    ///
    /// Empty values, `.` and `..` are errors: they would name another resource.
    #[must_use]
    pub fn path(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.fill(name, name, value.as_ref());
        self
    }

    /// Fills a parameter of the path. Errors name `argument`.
    pub(super) fn fill(&mut self, argument: &'static str, name: &str, value: &str) {
        if matches!(value, "" | "." | "..") {
            self.fail(argument, format!("is {value:?}, which cannot be in a path; pass the identifier itself"));
            return;
        }
        let encoded = utf8_percent_encode(value, RESERVED).to_string();
        self.target = Cow::Owned(self.target.replacen(&format!("{{{name}}}"), &encoded, 1));
    }

    /// Appends `name=value` to the query, percent-encoded, if there is a value.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: Option<impl QueryValue>) -> Self {
        match value.as_ref().map(QueryValue::query_text) {
            None => {}
            Some(Some(text)) => append_pair(self.target.to_mut(), name, &text),
            Some(None) => self.fail(name, NOT_FINITE),
        }
        self
    }

    /// Appends `name=value` with a name known at run time.
    pub(crate) fn append_query(&mut self, name: &str, value: &dyn QueryValue) {
        match value.query_text() {
            Some(text) => append_pair(self.target.to_mut(), name, &text),
            None => self.fail("query", format!("sets {name:?} to a number that is not finite; leave it out")),
        }
    }

    /// Appends `name=value` to the query for each of the values.
    #[must_use]
    pub fn query_list<T: AsRef<str>>(mut self, name: &'static str, values: Option<&[T]>) -> Self {
        for value in values.into_iter().flatten() {
            append_pair(self.target.to_mut(), name, value.as_ref());
        }
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json<T: Wire>(mut self, value: &T) -> Self {
        if let Some(json) = self.encoded(wire::encode(value)) {
            self.content = Content::Json(json);
        }
        self
    }

    fn encoded(&mut self, encoded: Result<Vec<u8>, wire::EncodeError>) -> Option<Vec<u8>> {
        encoded
            .map_err(|error| {
                let invalid = InvalidRequestError::new(
                    "request",
                    "cannot be encoded as JSON; see the source of this error for the place",
                );
                self.keep(invalid.caused_by(error));
            })
            .ok()
    }

    /// Sets a form as the body (`application/x-www-form-urlencoded`), from the fields of an object.
    /// Null fields are omitted. Lists and objects are errors, since a form cannot represent them.
    #[must_use]
    pub fn form<T: Wire>(mut self, value: &T) -> Self {
        if let Some(json) = self.encoded(wire::encode(value)) {
            match form(&json) {
                Ok(form) => self.content = Content::Form(form),
                Err(invalid) => self.keep(invalid),
            }
        }
        self
    }

    /// Sets a form with files as the body (`multipart/form-data`).
    #[must_use]
    pub fn multipart(mut self, mut multipart: Multipart) -> Self {
        if let Some(invalid) = multipart.take_error() {
            self.keep(invalid);
        }
        self.content = Content::Multipart(Box::new(multipart));
        self
    }

    /// Sets the field `stream` of the JSON body, replacing one that is there.
    #[must_use]
    pub fn stream(mut self, stream: bool) -> Self {
        if let Content::Json(json) = &mut self.content {
            set_stream(json, if stream { "true" } else { "false" });
        }
        self
    }

    /// Sets a header, if there is a value. Control characters are an error.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        if let Some(value) = value {
            self.set_header(name, value.as_ref());
        }
        self
    }

    pub(crate) const fn operation(&self) -> &OperationRef {
        &self.operation
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Sets a JSON body that is already encoded.
    pub(super) fn set_json(&mut self, json: Vec<u8>) {
        self.content = Content::Json(json);
    }

    /// Sets a body of any media type.
    pub(super) fn set_body(&mut self, media_type: HeaderValue, body: Bytes) {
        self.content = Content::Bytes(media_type, body);
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        match parse_header("header", name, value) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(invalid) => self.keep(invalid),
        }
    }

    /// Records the first error.
    pub(crate) fn keep(&mut self, invalid: InvalidRequestError) {
        self.invalid.get_or_insert(invalid);
    }

    /// Returns the finished request, with fields added to its body, or the first error.
    pub(crate) fn finish(self, extra_body: Vec<(String, Json)>) -> Result<Finished, InvalidRequestError> {
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        if let Some(open) = self.target.find('{') {
            let name = self.target.get(open..).unwrap_or_default();
            return Err(InvalidRequestError::new(
                "path",
                format!("has no value for the parameter {name}; set it with `path`"),
            ));
        }
        let mut content = self.content;
        if !extra_body.is_empty() {
            content = Content::Json(add_members(content, extra_body)?);
        }
        Ok(Finished { target: self.target, headers: self.headers, payload: Payload::new(content) })
    }

    /// Takes the request, leaving one that cannot be sent.
    pub(crate) fn take(&mut self) -> Self {
        let mut sent = Self::of_operation(self.operation.clone(), Cow::Borrowed(""));
        sent.fail("call", "was already sent; create a new one");
        std::mem::replace(self, sent)
    }

    /// Copies the request for the next page. A pending error moves to the copy, so it is reported
    /// once.
    pub(crate) fn copy(&mut self) -> Self {
        Self {
            operation: self.operation.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            content: Content::None,
            invalid: self.invalid.take(),
        }
    }

    /// Returns the value of a query parameter.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        let (_, value) = pairs(&self.target).find(|(of, _)| *of == name)?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    /// Sets a query parameter, replacing its value.
    pub(crate) fn set_query(&mut self, name: &str, value: &str) {
        let mut target = self.target.split('?').next().unwrap_or_default().to_owned();
        let mut separator = '?';
        for (other, value) in pairs(&self.target).filter(|(other, _)| *other != name) {
            let _ = write!(target, "{separator}{other}={value}");
            separator = '&';
        }
        append_pair(&mut target, name, value);
        self.target = Cow::Owned(target);
    }

    pub(super) fn fail(&mut self, argument: &'static str, message: impl Into<Cow<'static, str>>) {
        self.keep(InvalidRequestError::new(argument, message));
    }
}

impl fmt::Debug for Parts {
    /// Prints neither the body, nor the query, nor the values of headers that may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("operation", &self.operation.id)
            .field("target", &hidden::url(&self.target))
            .field("headers", &self.headers)
            .field("content", &self.content)
            .field("invalid", &self.invalid)
            .finish()
    }
}

/// A request without invalid arguments.
pub(crate) struct Finished {
    /// The path and the query.
    pub(crate) target: Cow<'static, str>,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
}

/// The body of a request, made anew for each attempt.
pub(crate) struct Payload {
    pub(crate) media_type: Option<HeaderValue>,
    source: PayloadSource,
}

enum PayloadSource {
    Bytes(Bytes),
    Multipart(Box<Multipart>),
}

impl Payload {
    fn new(content: Content) -> Self {
        let of_bytes = |media_type, bytes| Self { media_type: Some(media_type), source: PayloadSource::Bytes(bytes) };
        let of_text = |media_type, text| of_bytes(HeaderValue::from_static(media_type), text);
        match content {
            Content::None => Self { media_type: None, source: PayloadSource::Bytes(Bytes::new()) },
            Content::Json(json) => of_text("application/json", json.into()),
            Content::Form(form) => of_text("application/x-www-form-urlencoded", form.into()),
            Content::Bytes(media_type, bytes) => of_bytes(media_type, bytes),
            Content::Multipart(multipart) => {
                Self { media_type: multipart.content_type().ok(), source: PayloadSource::Multipart(multipart) }
            }
        }
    }

    /// Returns `true` if the body can be made a second time.
    pub(crate) fn can_repeat(&self) -> bool {
        match &self.source {
            PayloadSource::Bytes(_) => true,
            PayloadSource::Multipart(multipart) => multipart.can_repeat(),
        }
    }

    /// Returns the body for one attempt, unless files have to be opened for it.
    pub(crate) fn body(&self) -> Option<Body> {
        match &self.source {
            PayloadSource::Bytes(bytes) => Some(bytes.clone().into()),
            PayloadSource::Multipart(_) => None,
        }
    }

    /// Returns the body for one attempt, with its files opened.
    pub(crate) async fn open(&self) -> Result<Body, InvalidRequestError> {
        match &self.source {
            PayloadSource::Bytes(bytes) => Ok(bytes.clone().into()),
            PayloadSource::Multipart(multipart) => multipart.body().await,
        }
    }
}

const NOT_FINITE: &str = "is not a finite number; pass one, or leave it out";

/// Appends a pair to the query of `target`.
fn append_pair(target: &mut String, name: &str, value: &str) {
    let separator = if target.contains('?') { '&' } else { '?' };
    let encode = |text| utf8_percent_encode(text, RESERVED);
    // Writing to a `String` cannot fail.
    let _ = write!(target, "{separator}{}={}", encode(name), encode(value));
}

/// Returns the names and values in the query of `target`, still encoded.
fn pairs(target: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split_once('='))
}

/// Converts the fields of a JSON object to a form.
fn form(json: &[u8]) -> Result<String, InvalidRequestError> {
    let wrong = |message| InvalidRequestError::new("request", message);
    let members =
        members(json).map_err(|error| wrong("must be an object to be sent as a form".to_owned()).caused_by(error))?;
    let mut form = String::new();
    for (name, value) in &members {
        let text = match value.as_bytes().first() {
            Some(b'n') => continue,
            Some(b'"') => Reader::new(value).string().unwrap_or_default(),
            Some(b'{' | b'[') => {
                let message = format!("has a list or an object as `{name}`, which a form cannot represent; pass text");
                return Err(wrong(message));
            }
            _ => Cow::Borrowed(*value),
        };
        let separator = if form.is_empty() { "" } else { "&" };
        let encode = |text| utf8_percent_encode(text, RESERVED);
        // Writing to a `String` cannot fail.
        let _ = write!(form, "{separator}{}={}", encode(name), encode(&text));
    }
    Ok(form)
}

/// Sets the field `stream` of an object that was just encoded.
fn set_stream(json: &mut Vec<u8>, value: &str) {
    // It is nearly always absent, and looking for its name is much cheaper than reading the object.
    let is_name = |at| json.get(at..).is_some_and(|text: &[u8]| text.starts_with(b"\"stream\""));
    if memchr::memchr_iter(b'"', json).any(is_name)
        && let Ok(mut members) = members(json)
    {
        set_member(&mut members, "stream", value);
        *json = object(&members);
        return;
    }
    if json.last() == Some(&b'}') {
        json.pop();
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend_from_slice(format!("\"stream\":{value}}}").as_bytes());
    }
}

/// Sets fields of a JSON object; one of the same name is replaced in its position.
fn add_members(content: Content, added: Vec<(String, Json)>) -> Result<Vec<u8>, InvalidRequestError> {
    const ARGUMENT: &str = "extra_body";
    let wrong = |message: &'static str| InvalidRequestError::new(ARGUMENT, message);
    if added.iter().any(|(name, _)| name == "stream") {
        return Err(wrong("sets `stream`, which the method decides; call the streaming or the non-streaming one"));
    }
    let Content::Json(json) = content else {
        return Err(wrong("needs a JSON body, which this operation does not have; leave it out"));
    };
    let mut members = members(&json).map_err(|error| {
        wrong("needs a JSON object as the body, which this one is not; leave it out").caused_by(error)
    })?;
    for (name, value) in &added {
        set_member(&mut members, name, value.as_text());
    }
    Ok(object(&members))
}

/// Returns the fields of an object that was just encoded.
fn members(json: &[u8]) -> Result<Vec<(String, &str)>, DecodeError> {
    let text = std::str::from_utf8(json).map_err(|error| DecodeError::new(error.to_string()))?;
    wire::members(text)
}

fn set_member<'a>(members: &mut Vec<(String, &'a str)>, name: &str, value: &'a str) {
    match members.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.to_owned(), value)),
    }
}

/// Returns the text of an object.
fn object(members: &[(String, &str)]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.byte(b'{');
    for (name, value) in members {
        writer.key(name);
        writer.raw(value);
    }
    writer.byte(b'}');
    // Only a value that JSON cannot represent fails, and these are JSON.
    writer.finish().unwrap_or_default()
}
