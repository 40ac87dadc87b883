//! Error responses of the server, in any of the forms that servers of these protocols use.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AsHeaderName, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{ApiErrorKind, CallInfo, LONGEST, LONGEST_WORD, OneLine};
use crate::core::head::Head;
use crate::core::hidden;
use crate::core::retry_hints::{Hints, TRANSIENT, may_be_processed};
use crate::core::sse::SseDecoder;
use crate::core::wire::Json;

/// The advice for errors of an unknown kind.
const SEE_BODY: &str = "see `body()` for the whole response";

/// How many bytes of a body are parsed as an error. A response may be much longer; an error never
/// is.
const LARGEST_ERROR: usize = 1024 * 1024;

impl ApiErrorKind {
    /// Returns the kind of an error identifier: one of OpenRouter's error types, or of the
    /// protocols and servers behind it. The same identifier occurs as `rate_limit`,
    /// `rate_limit_error`, `RATE_LIMIT`, `RateLimitError` and `RateLimitException`.
    fn from_word(word: &str) -> Option<Self> {
        let word = snake_case(word);
        let word = ["_error", "_exception"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(&word);
        Some(match word {
            "bad_request"
            | "context_length_exceeded"
            | "empty_image_file"
            | "failed_precondition"
            | "failed_to_download_image"
            | "image_download_failed"
            | "image_file_not_found"
            | "image_file_too_large"
            | "image_not_found"
            | "image_parse"
            | "image_too_large"
            | "image_too_small"
            | "invalid_argument"
            | "invalid_base64_image"
            | "invalid_grant"
            | "invalid_image"
            | "invalid_image_format"
            | "invalid_image_mode"
            | "invalid_image_url"
            | "invalid_parameter"
            | "invalid_prompt"
            | "invalid_request"
            | "invalid_scope"
            | "max_tokens_exceeded"
            | "out_of_range"
            | "precondition_failed"
            | "refusal"
            | "string_too_long"
            | "token_limit_exceeded"
            | "unsupported_grant_type"
            | "unsupported_image_format"
            | "unsupported_image_media_type"
            | "validation" => Self::BadRequest,
            "authentication"
            | "expired_token"
            | "incorrect_api_key"
            | "invalid_api_key"
            | "invalid_authentication"
            | "invalid_client"
            | "invalid_token"
            | "unauthenticated"
            | "unauthorized" => Self::Unauthorized,
            "access_denied"
            | "bio_policy"
            | "content_filter"
            | "content_policy_violation"
            | "cyber_policy"
            | "data_residency_mismatch"
            | "forbidden"
            | "image_content_policy_violation"
            | "misalignment_policy_violation"
            | "permission"
            | "permission_denied"
            | "unauthorized_client" => Self::Forbidden,
            "deployment_not_found" | "model_not_found" | "no_endpoints" | "not_found" | "resource_not_found" => {
                Self::NotFound
            }
            "aborted" | "already_exists" | "conflict" => Self::Conflict,
            "gone" | "model_deprecated" => Self::Gone,
            "deadline_exceeded"
            | "model_timeout"
            | "provider_timeout"
            | "request_timeout"
            | "timed_out"
            | "timeout"
            | "upstream_timeout"
            | "vector_store_timeout" => Self::RequestTimeout,
            "gateway_time_out" | "gateway_timeout" => Self::GatewayTimeout,
            "payload_too_large" | "request_entity_too_large" | "request_too_large" => Self::PayloadTooLarge,
            "unprocessable" | "unprocessable_entity" => Self::UnprocessableEntity,
            // OpenAI's identifier for a lack of credits, which comes with this status.
            "insufficient_quota"
            | "quota_exceeded"
            | "rate_limit"
            | "rate_limit_exceeded"
            | "rate_limit_reached"
            | "rate_limited"
            | "requests"
            | "resource_exhausted"
            | "service_quota_exceeded"
            | "slow_down"
            | "throttled"
            | "throttling"
            | "tokens"
            | "too_many_requests" => Self::TooManyRequests,
            _ if is_lack_of_credits(word) => Self::PaymentRequired,
            "cancelled" | "client_closed_request" => Self::ClientClosedRequest,
            "api" | "internal" | "internal_failure" | "internal_server" | "model" | "server" => Self::InternalServer,
            "bad_gateway" | "provider" | "provider_unavailable" | "upstream" | "upstream_unavailable" => {
                Self::BadGateway
            }
            "capacity_exhausted"
            | "model_not_ready"
            | "model_unavailable"
            | "no_capacity"
            | "service_unavailable"
            | "temporarily_unavailable"
            | "unavailable" => Self::ServiceUnavailable,
            "capacity_exceeded"
            | "engine_overloaded"
            | "model_overloaded"
            | "overloaded"
            | "provider_overloaded"
            | "server_busy"
            | "server_overloaded" => Self::ProviderOverloaded,
            _ => return None,
        })
    }

    /// What the caller can do about it.
    const fn advice(self) -> &'static str {
        match self {
            Self::BadRequest | Self::UnsupportedMediaType | Self::UnprocessableEntity => "correct the request",
            Self::Unauthorized => "check the API key",
            Self::PaymentRequired => "add credits or raise the limit of the key",
            Self::Forbidden => "check the permissions of the key, the guardrails and the content",
            Self::NotFound => "check the model, the identifier and the provider preferences",
            Self::Conflict => "read the resource again and repeat the change",
            Self::Gone => "use another model or resource",
            Self::PayloadTooLarge => "send less",
            Self::TooManyRequests => "send fewer requests, or wait",
            Self::ClientClosedRequest => "keep the connection open for longer, including in gateways in between",
            Self::RequestTimeout
            | Self::GatewayTimeout
            | Self::InternalServer
            | Self::BadGateway
            | Self::ServiceUnavailable
            | Self::EdgeNetworkTimeout
            | Self::ProviderOverloaded => "try again later or allow fallback models",
            // Also for kinds that a later version of the document adds.
            _ => SEE_BODY,
        }
    }

    const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout
                | Self::TooManyRequests
                | Self::InternalServer
                | Self::BadGateway
                | Self::ServiceUnavailable
                | Self::GatewayTimeout
                | Self::EdgeNetworkTimeout
                | Self::ProviderOverloaded
        )
    }
}

/// The server responded with an error.
///
/// It is read from a response with an error status, from a response with status 200 whose body is
/// an error, or from an event of a stream. All the forms that servers of these protocols use are
/// read; fields that are missing are `None`.
///
/// ```no_run
/// # #[cfg(feature = "chat")]
/// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
/// # -> Result<(), openrouter_kit::Error> {
/// use openrouter_kit::Error;
/// use openrouter_kit::errors::ApiErrorKind;
///
/// match client.chat().send(&request).await {
///     Err(Error::Api(error)) if error.kind() == ApiErrorKind::PaymentRequired => {
///         println!("add credits");
///     }
///     Err(Error::Api(error)) => println!("{}: {}", error.status(), error.message()),
///     outcome => println!("{:?}", outcome?.text()),
/// }
/// # Ok(())
/// # }
/// ```
pub struct ApiError {
    pub(super) call: CallInfo,
    kind: ApiErrorKind,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// The body, or `Null` if it is not JSON.
    json: Json,
    message: String,
    code: Option<String>,
    error_type: Option<String>,
    retry_after: Option<Duration>,
    /// Whether the kind, the status, or the status in the body of a success means a temporary
    /// failure.
    is_transient: bool,
    /// The key that was sent, which some servers echo in their messages.
    pub(super) authorization: Option<HeaderValue>,
}

impl ApiError {
    /// Reads the error from a response. `body` may be anything. `now` is used for dates in
    /// `Retry-After`.
    pub(crate) fn read(Head { operation_id, status, headers }: Head, body: Bytes, now: SystemTime) -> Self {
        let json = tree(&body);
        let place = ErrorFields::of(&json);
        let code = place.text("code").or_else(|| place.text("status")).or_else(|| place.word());
        let error_type = place.error_type();
        let no_message = || if json.is_null() { text_of(&headers, &body) } else { String::new() };
        let message = place.message().unwrap_or_else(no_message);
        let stated = if status.is_client_error() || status.is_server_error() {
            Some(status.as_u16())
        } else {
            let number = |text: &str| text.parse().ok().filter(|status| (400..600).contains(status));
            code.as_deref().and_then(number).or_else(|| number(&place.text("status")?))
        };
        let words = [error_type.clone(), code.clone(), place.text("status"), place.error.as_str().map(str::to_owned)];
        let by_words = || words.iter().flatten().find_map(|word| ApiErrorKind::from_word(word));
        let kind = match stated.map(ApiErrorKind::from_status) {
            Some(kind) if kind != ApiErrorKind::Other || !status.is_success() => kind,
            _ => by_words().unwrap_or(ApiErrorKind::Other),
        };
        let is_transient = (kind.is_transient() || stated.is_some_and(|status| TRANSIENT.contains(&status)))
            && !words.iter().flatten().any(|word| is_lack_of_credits(&snake_case(word)));
        let mut error = Self {
            call: CallInfo::of(operation_id),
            kind,
            status,
            headers,
            body,
            message,
            code,
            error_type,
            retry_after: None,
            is_transient,
            json,
            authorization: None,
        };
        error.retry_after = error.wait(now);
        error
    }

    /// Reads the error from the final state of a job that did not succeed, with its status and the
    /// explanation, if any.
    #[allow(dead_code, reason = "not every namespace has jobs")]
    pub(crate) fn of_job(head: Head, body: Bytes, now: SystemTime, status: &str, message: Option<&str>) -> Self {
        let mut error = Self::read(head, body, now);
        // `cancelled` is the job here, not the request.
        if error.code.as_deref() == Some(status) && error.kind == ApiErrorKind::ClientClosedRequest {
            error.kind = ApiErrorKind::Other;
        }
        error.code.get_or_insert_with(|| status.to_owned());
        if let Some(message) = message.filter(|_| error.message.is_empty()) {
            message.clone_into(&mut error.message);
        }
        error
    }

    /// Returns the wait that [`retry_after`](Self::retry_after) returns.
    fn wait(&self, now: SystemTime) -> Option<Duration> {
        let of_response = self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let of_response = Hints::new(of_response.map(|(name, value)| (name, value.to_owned())));
        let of_body = self.metadata().and_then(|metadata| metadata.get("headers")?.as_object());
        let of_body =
            Hints::new(of_body.into_iter().flatten().filter_map(|(name, value)| Some((name, scalar(value)?))));
        let is_limit = matches!(
            self.kind,
            ApiErrorKind::TooManyRequests | ApiErrorKind::ServiceUnavailable | ApiErrorKind::ProviderOverloaded
        );
        let reset = || of_response.reset(now).or_else(|| of_body.reset(now)).filter(|_| is_limit);
        (of_response.retry_after(now))
            .or_else(|| self.availability()?.retry_after())
            .or_else(|| of_body.retry_after(now))
            .or_else(reset)
    }

    /// Returns the same error with the whole body, if only a part of it was parsed.
    pub(crate) fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// Returns `true` if `body` is an error in one of the forms that servers use, despite a success
    /// status.
    pub(crate) fn is_error_body(body: &[u8]) -> bool {
        if body.len() > LARGEST_ERROR {
            return false;
        }
        let json = tree(body);
        let place = ErrorFields::of(&json);
        let is = |name, text| place.root.get(name).and_then(Json::as_str) == Some(text);
        !std::ptr::eq(place.root, place.error)
            || is("type", "error")
            || is("object", "error")
            || place
                .root
                .as_object()
                .is_some_and(|mut members| members.len() == 1 && members.any(|(name, _)| name == "detail"))
    }

    /// Returns the kind of the error. Inside a successful response it follows from
    /// [`code`](Self::code) and [`error_type`](Self::error_type), otherwise from the status.
    pub const fn kind(&self) -> ApiErrorKind {
        self.kind
    }

    /// Returns the HTTP status of the response that carried the error; 200 for an error inside a
    /// successful response or a stream.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the code that the server sent: a word (`server_error`) or a number as text
    /// (`"429"`).
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the server's message; the title of the page if the response is HTML, and empty if
    /// nothing is readable.
    ///
    /// This is the server's text unchanged, which may contain a key and be long. `Display` and
    /// `Debug` of the error print up to 500 characters of it, with keys redacted and control
    /// characters escaped.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the stable identifier of the cause, the same on every protocol
    /// (`rate_limit_exceeded`). If the server does not send one, it is the error type of its
    /// protocol (`invalid_request_error`).
    pub fn error_type(&self) -> Option<&str> {
        self.error_type.as_deref()
    }

    /// Returns more about the cause. Its content depends on the error: `provider_name` and `raw`
    /// for an error of a provider, `reasons` and `flagged_input` for moderation, `patterns` for a
    /// guardrail.
    ///
    /// ```no_run
    /// # fn show(error: &openrouter_kit::errors::ApiError) {
    /// let provider = error.metadata().and_then(|metadata| metadata.get("provider_name"));
    /// println!("{:?}", provider.and_then(|name| name.as_str()));
    /// # }
    /// ```
    pub fn metadata(&self) -> Option<&Json> {
        self.member("metadata")
    }

    /// Returns why the model was not available and which ones are, if the server says so.
    pub fn availability(&self) -> Option<Availability<'_>> {
        self.member("availability").filter(|value| value.is_object()).map(Availability)
    }

    /// Returns how long the server asks to wait before the next attempt, from the first of these
    /// that is present:
    ///
    /// 1. the headers `retry-after-ms` and `Retry-After`;
    /// 2. `error.availability.retry_after`;
    /// 3. the same headers in `error.metadata.headers`, which come from the provider or from a
    ///    limit of OpenRouter;
    /// 4. for an error of kind [`TooManyRequests`](ApiErrorKind::TooManyRequests),
    ///    [`ServiceUnavailable`](ApiErrorKind::ServiceUnavailable) or
    ///    [`ProviderOverloaded`](ApiErrorKind::ProviderOverloaded), the reset time of an exhausted
    ///    limit (`X-RateLimit-Reset` and its variants), as a header or in `error.metadata.headers`.
    ///
    /// Each may be a number of seconds (or milliseconds, if its name says so), a Unix timestamp in
    /// seconds or milliseconds, or an HTTP or RFC 3339 date. A time in the past is a wait of zero.
    ///
    /// ```no_run
    /// # fn later(error: &openrouter_kit::errors::ApiError) {
    /// if let Some(wait) = error.retry_after() {
    ///     println!("try again in {} s", wait.as_secs());
    /// }
    /// # }
    /// ```
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the headers of the response.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the raw body, up to the limit for error bodies (1 MiB by default); for a stream, the
    /// data of the event.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the id of the generation that failed, for `generations`.
    pub fn generation_id(&self) -> Option<&str> {
        header(&self.headers, "x-generation-id")
    }

    /// Returns the id under which the server logged the request, for its support.
    pub fn request_id(&self) -> Option<&str> {
        let from_body = || self.json.get("request_id").and_then(Json::as_str);
        header(&self.headers, "x-request-id").or_else(|| header(&self.headers, "request-id")).or_else(from_body)
    }

    /// Returns the user that the request was charged to.
    pub fn user_id(&self) -> Option<&str> {
        self.json.get("user_id").and_then(Json::as_str)
    }

    /// Returns how the request was routed, if the call requested it.
    pub fn openrouter_metadata(&self) -> Option<&Json> {
        self.json.get("openrouter_metadata").filter(|value| !value.is_null())
    }

    /// Returns `true` if the same request may succeed later and sending it again is safe; see
    /// [`Error::is_retryable`](super::Error::is_retryable).
    pub fn is_retryable(&self) -> bool {
        // The server began to process what it responded to with success.
        let may_be_processed = self.status.is_success() || self.may_be_processed();
        self.is_transient() && (self.call.is_repeatable || !may_be_processed)
    }

    /// Returns `true` if the same request may succeed later: a temporary error (408, 429, 500, 502
    /// to 504, 520 to 527, 529, 530, or an equivalent error type), unless the server says that
    /// retrying does not help or that credits are missing (`insufficient_quota`). Sending it again
    /// may repeat work that is charged.
    pub fn is_transient(&self) -> bool {
        self.availability().and_then(|availability| availability.retryable()).unwrap_or(self.is_transient)
    }

    /// Returns whether the server may have processed the request despite this error.
    pub(crate) fn may_be_processed(&self) -> bool {
        may_be_processed(self.status.as_u16(), self.is_failure())
    }

    /// Returns whether the API itself reports, in its own error format, that the request failed. An
    /// HTML page or plain text from a gateway does not count, nor does an API error that says it
    /// gave up waiting for a provider.
    fn is_failure(&self) -> bool {
        let place = ErrorFields::of(&self.json);
        let is_timeout = |word: &String| match word.parse() {
            Ok(status) => may_be_processed(status, true),
            Err(_) => matches!(
                ApiErrorKind::from_word(word),
                Some(ApiErrorKind::RequestTimeout | ApiErrorKind::ClientClosedRequest | ApiErrorKind::GatewayTimeout)
            ),
        };
        let is_own_form = place.error.is_object() && !std::ptr::eq(place.root, place.error);
        is_own_form && ![&self.code, &self.error_type].into_iter().flatten().any(is_timeout)
    }

    /// Returns `true` if the account has no credits left or the key has reached its spending limit; see
    /// [`Error::is_out_of_credits`](super::Error::is_out_of_credits).
    pub fn is_out_of_credits(&self) -> bool {
        let words = [&self.code, &self.error_type];
        self.kind == ApiErrorKind::PaymentRequired
            || words.into_iter().flatten().any(|word| is_lack_of_credits(&snake_case(word)))
            || self.lacks_credits()
    }

    /// Returns whether the limit is the account's credits, which waiting does not restore.
    pub(crate) fn lacks_credits(&self) -> bool {
        self.kind == ApiErrorKind::TooManyRequests && !self.is_transient
    }

    /// Returns whether a daily limit is used up, which does not reset within minutes.
    pub(crate) fn is_daily_limit(&self) -> bool {
        let source = self.metadata().and_then(|metadata| metadata.get("limit_source")?.as_str());
        let is_daily = |text: &str| text.contains("per-day") || text.contains("per day") || text.contains("daily");
        self.kind == ApiErrorKind::TooManyRequests && (is_daily(&self.message) || source.is_some_and(is_daily))
    }

    /// Returns what the caller can do about it.
    fn advice(&self) -> &'static str {
        match self.kind {
            _ if self.is_transient && !self.status.is_success() && self.may_be_processed() => {
                "the request may have been processed, so check before retrying"
            }
            ApiErrorKind::Other if self.is_transient => ApiErrorKind::ServiceUnavailable.advice(),
            _ if self.is_out_of_credits() => ApiErrorKind::PaymentRequired.advice(),
            kind if !kind.is_transient() && is_page(&self.headers, &self.body) => {
                "the response is an HTML page and not from the API, so check the server URL"
            }
            kind => kind.advice(),
        }
    }

    /// Returns a text from the server with keys redacted. [`OneLine`] decides how it is shown.
    fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let authorization = self.authorization.as_ref();
        // Some messages are JSON, such as those of validators that echo their input.
        match Json::parse(text).ok().filter(|_| text.starts_with(['{', '['])) {
            Some(json) => hidden::echo(&format!("{json:?}"), authorization).into_owned().into(),
            None => hidden::echo(text, authorization),
        }
    }

    fn member(&self, name: &str) -> Option<&Json> {
        ErrorFields::of(&self.json).error.get(name).filter(|value| !value.is_null())
    }
}

/// Returns the body as JSON; `Null` if it is not JSON. It may contain what some servers put around
/// JSON: a byte order mark, NUL bytes, comments, or event framing.
fn tree(body: &[u8]) -> Json {
    let body = trimmed(body);
    // Messages may be cut in the middle of a character.
    let value = |json: &[u8]| Json::parse(String::from_utf8_lossy(json)).ok().map(bounded);
    let event = || {
        let mut events = SseDecoder::new(LARGEST_ERROR);
        events.push(Bytes::copy_from_slice(body.get(..LARGEST_ERROR).unwrap_or(body)));
        events.push(Bytes::from_static(b"\n\n"));
        match events.next() {
            Some(Ok(event)) => value(event.data.as_bytes()),
            _ => None,
        }
    };
    // Comments may be followed by JSON that is not an event.
    let after_comments = || {
        let is_comment = |line: &&[u8]| line.is_empty() || line.starts_with(b":");
        let comments: usize = body
            .split_inclusive(|byte| *byte == b'\n')
            .take_while(|line| is_comment(&line.trim_ascii()))
            .map(<[u8]>::len)
            .sum();
        value(trimmed(body.get(comments..)?))
    };
    value(body).or_else(event).or_else(after_comments).unwrap_or_default()
}

/// Reduces a value that is too large for an error to its field `error`: accessing it takes a
/// multiple of its text.
fn bounded(json: Json) -> Json {
    let is_small = |json: &Json| json.as_text().len() <= LARGEST_ERROR;
    if is_small(&json) {
        return json;
    }
    let error = json.find("error").filter(is_small);
    error.map(|error| Json::checked(&format!("{{\"error\":{error}}}"))).unwrap_or_default()
}

/// Returns a body without surrounding byte order mark, whitespace and NUL bytes.
fn trimmed(body: &[u8]) -> &[u8] {
    let mut body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    while let [0, rest @ ..] | [rest @ .., 0] = body {
        body = rest.trim_ascii();
    }
    body
}

/// Returns whether an identifier says that credits are missing, in which case retrying does not
/// help, whatever the status.
fn is_lack_of_credits(word: &str) -> bool {
    matches!(
        word.strip_suffix("_error").unwrap_or(word),
        "billing"
            | "billing_hard_limit_reached"
            | "billing_not_active"
            | "insufficient_balance"
            | "insufficient_credits"
            | "insufficient_funds"
            | "insufficient_quota"
            | "payment_required"
    )
}

/// Returns `RateLimitError` and `Rate limit error` as `rate_limit_error`.
fn snake_case(word: &str) -> String {
    let mut snake = String::with_capacity(word.len());
    let mut after_lowercase = false;
    for char in word.chars() {
        if after_lowercase && char.is_ascii_uppercase() {
            snake.push('_');
        }
        after_lowercase = char.is_ascii_lowercase();
        snake.push(if matches!(char, ' ' | '-') { '_' } else { char.to_ascii_lowercase() });
    }
    snake
}

/// Returns a string or a number as text.
fn scalar(value: &Json) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| number(value)))
}

/// Returns a number in its shortest form.
fn number(value: &Json) -> String {
    let is_integer = value.as_i64().is_some() || value.as_u64().is_some();
    let float = value.as_f64().filter(|_| !is_integer);
    float.map_or_else(|| value.to_string(), |float| format!("{float:?}"))
}

/// Where the parts of an error are in a body.
struct ErrorFields<'a> {
    /// The whole body, or the element of the list it is wrapped in.
    root: &'a Json,
    /// The object (or the text) that describes the error.
    error: &'a Json,
}

impl<'a> ErrorFields<'a> {
    fn of(json: &'a Json) -> Self {
        // Some servers wrap the error in a list.
        let root = json.get(0).unwrap_or(json);
        let set = |value: &'a Json| value.get("error").filter(|error| !error.is_null());
        let in_choice = || root.get("choices")?.as_array()?.iter().find_map(set);
        // `response.failed` carries the response, and the response carries the error.
        let error = set(root).or_else(in_choice).or_else(|| set(root.get("response")?)).unwrap_or(root);
        Self { root, error }
    }

    /// Returns the identifier next to a description, as in `{"error": "invalid_grant",
    /// "error_description": "..."}`.
    fn word(&self) -> Option<String> {
        self.description().and_then(Json::as_str)?;
        self.error.as_str().map(str::to_owned)
    }

    /// Returns a description of the error outside the error object.
    fn description(&self) -> Option<&'a Json> {
        ["error_description", "message"].iter().find_map(|name| self.root.get(*name))
    }

    /// Returns a string or a number as text.
    fn text(&self, name: &str) -> Option<String> {
        scalar(self.error.get(name)?)
    }

    fn message(&self) -> Option<String> {
        if let Some(text) = self.error.as_str() {
            return Some(self.description().and_then(Json::as_str).unwrap_or(text).to_owned());
        }
        let own = ["message", "detail", "title"].iter().find_map(|name| self.error.get(*name));
        let found = own.or_else(|| self.description()).or_else(|| self.root.get("errors"))?;
        if found.is_null() {
            return None;
        }
        let inside = || found.get("message").or_else(|| found.get(0)?.get("message"));
        let message = found.as_str().or_else(|| inside()?.as_str());
        Some(message.map(str::to_owned).or_else(|| scalar(found)).unwrap_or_else(|| found.to_compact()))
    }

    fn error_type(&self) -> Option<String> {
        let stable = |value: &Json| Some(value.get("error_type")?.as_str()?.to_owned());
        let of_protocol = || {
            let word = self.error.get("type")?.as_str()?;
            // An event names itself here, not the cause.
            Some(word.to_owned()).filter(|_| word != "error" && !word.starts_with("response."))
        };
        (self.error.get("metadata").and_then(stable))
            .or_else(|| stable(self.error))
            .or_else(|| stable(self.root))
            .or_else(|| stable(self.root.get("response")?))
            .or_else(of_protocol)
    }
}

/// Returns the message of a body that is not JSON: the title of an HTML page, or the text.
fn text_of(headers: &HeaderMap, body: &[u8]) -> String {
    let Some(text) = readable(headers, body) else { return String::new() };
    let text = if is_page(headers, body) { title(&text).unwrap_or_default() } else { &text };
    text.trim().to_owned()
}

/// Returns the start of a body that is neither JSON nor events but text or an HTML page, such as
/// from a website, a login or a gateway.
pub(super) fn foreign_text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Cow<'a, str>> {
    const OURS: [&str; 9] = ["{", "[", "\"", "data:", "event:", "id:", "retry:", ":", "null"];
    let text = readable(headers, trimmed(body))?;
    // A single event of a stream is reported with the label of the stream.
    let is_labelled = || {
        let kind = header(headers, CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        kind.contains("json") || kind.contains("event-stream")
    };
    let is_ours = OURS.iter().any(|start| text.starts_with(start)) || !is_page(headers, body) && is_labelled();
    (!is_ours && !text.is_empty()).then_some(text)
}

/// Returns the start of a body as text, if it is text and not compressed.
fn readable<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Cow<'a, str>> {
    let text = String::from_utf8_lossy(body.get(..8 * 1024).unwrap_or(body));
    let unreadable = text.chars().filter(|letter| *letter == char::REPLACEMENT_CHARACTER).count();
    (coding(headers).is_none() && unreadable * 8 <= text.len()).then_some(text)
}

/// Returns whether a body is HTML, or XML as sent by some gateways.
pub(crate) fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let is_html = || header(headers, CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    trimmed(body).starts_with(b"<") || is_html() && !trimmed(body).starts_with(b"{")
}

/// Returns the coding of a compressed body, such as `gzip`.
pub(crate) fn coding(headers: &HeaderMap) -> Option<&str> {
    let coding = header(headers, CONTENT_ENCODING)?.trim();
    Some(coding).filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
}

/// Returns the title of an HTML page; the tag may be in any case and have attributes.
fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower.get(start..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    page.get(start..end)
}

fn header(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = self.metadata().map(|metadata| self.shown(&metadata.to_string()).into_owned());
        let word = |word: &Option<String>| word.as_deref().map(|word| self.shown(word).into_owned());
        let (code, error_type) = (word(&self.code), word(&self.error_type));
        let line = |text| OneLine::new(text, LONGEST_WORD, "");
        f.debug_struct("ApiError")
            .field("call", &self.call)
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("code", &code.as_deref().map(line))
            .field("error_type", &error_type.as_deref().map(line))
            .field("message", &OneLine::new(&self.shown(&self.message), LONGEST, "message()"))
            .field(
                "metadata",
                &format_args!("{}", OneLine::new(metadata.as_deref().unwrap_or("None"), LONGEST, "metadata()")),
            )
            .field("retry_after", &self.retry_after)
            .field("generation_id", &self.generation_id().map(line))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A longer wait is not shown: it does not help the reader and is often wrong.
        const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 3600);
        // Whoever uses a program does not know its methods.
        let is_for_users = f.alternate();
        let method = |name| if is_for_users { "" } else { name };
        self.call.begin(f)?;
        f.write_str("the server responded with ")?;
        if self.status.is_success() {
            f.write_str("an error")?;
            if let Some(code) = &self.code {
                write!(f, " ({})", OneLine::new(&self.shown(code), LONGEST_WORD, method("code()")))?;
            }
        } else {
            f.write_str(self.status.as_str())?;
            if let Some(name) = status_name(self.status) {
                write!(f, " {name}")?;
            }
        }
        if !self.message.is_empty() {
            write!(f, ": {}", OneLine::new(&self.shown(&self.message), LONGEST, method("message()")))?;
        } else if let Some(coding) = coding(&self.headers) {
            write!(f, ", with a body compressed as {}", OneLine::new(coding, LONGEST_WORD, ""))?;
        } else if readable(&self.headers, &self.body).is_none() {
            f.write_str(", with a body that is not text")?;
        }
        // For an error that waiting does not fix, such as missing credits, no wait is suggested.
        let wait = self.retry_after.filter(|wait| self.is_retryable() && !wait.is_zero() && *wait <= LONGEST_WAIT);
        match wait {
            Some(wait) => write!(f, "; try again after {}", Wait(wait))?,
            None => match self.advice() {
                SEE_BODY if is_for_users => {}
                advice => write!(f, "; {advice}")?,
            },
        }
        self.call.end(f)
    }
}

/// Returns the name of a status, including nonstandard ones that edge networks use.
fn status_name(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        499 => Some("Client Closed Request"),
        520 => Some("Unknown Server Error"),
        521 => Some("Server Is Down"),
        522 => Some("Connection to the Server Timed Out"),
        523 => Some("Server Is Unreachable"),
        524 => Some("Server Timed Out"),
        525 => Some("TLS Handshake with the Server Failed"),
        526 => Some("Invalid Certificate of the Server"),
        527 => Some("Connection to the Server Failed"),
        529 => Some("Overloaded"),
        530 => Some("Server Name Not Resolved"),
        _ => status.canonical_reason(),
    }
}

/// A wait in human-readable units, rounded up: `7s`, `2min 5s`, `3h 23min`.
struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        match seconds {
            ..60 => write!(f, "{seconds}s"),
            60..3600 if seconds.is_multiple_of(60) => write!(f, "{}min", seconds / 60),
            60..3600 => write!(f, "{}min {}s", seconds / 60, seconds % 60),
            _ => {
                let minutes = seconds.div_ceil(60);
                match (minutes / 60, minutes % 60) {
                    (hours, 0) => write!(f, "{hours}h"),
                    (hours, minutes) => write!(f, "{hours}h {minutes}min"),
                }
            }
        }
    }
}

impl StdError for ApiError {}

/// Why a model was not available (`error.availability`).
#[derive(Clone, Copy)]
pub struct Availability<'a>(&'a Json);

impl fmt::Debug for Availability<'_> {
    /// Prints it like [`Json`], with possible secrets hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = format!("{:?}", self.0);
        write!(f, "Availability({})", OneLine::new(&json, LONGEST, "as_json()"))
    }
}

impl<'a> Availability<'a> {
    /// Returns the reason as an identifier: `model_not_found`, `no_endpoints`,
    /// `capacity_exhausted`, `region_restricted`, ...
    pub fn code(&self) -> Option<&'a str> {
        self.text("code")
    }

    /// Returns whether the same request may succeed later.
    pub fn retryable(&self) -> Option<bool> {
        self.0.get("retryable")?.as_bool()
    }

    /// Returns how long to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.0.get("retry_after")?.as_f64()?;
        // A number too large for a `Duration` is the longest there is, as in the header.
        (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Returns the models that were requested.
    pub fn requested_models(&self) -> Vec<&'a str> {
        self.texts("requested_models")
    }

    /// Returns the providers that could not serve the request.
    pub fn affected_providers(&self) -> Vec<&'a str> {
        self.texts("affected_providers")
    }

    /// Returns models that may serve instead.
    pub fn fallback_models(&self) -> Vec<&'a str> {
        self.texts("fallback_models")
    }

    /// Returns a page that explains the reason.
    pub fn docs_url(&self) -> Option<&'a str> {
        self.text("docs_url")
    }

    /// Returns everything as JSON, including `excluded_by`, `constraint` and fields that the server
    /// adds later.
    pub const fn as_json(&self) -> &'a Json {
        self.0
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    fn texts(&self, name: &str) -> Vec<&'a str> {
        let list = self.0.get(name).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).collect()
    }
}
