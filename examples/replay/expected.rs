//! Interprets a recording without the decoders of the crate: the events of a stream, how it ends, and what an error
//! says. The replay compares the crate with this.

#![allow(clippy::indexing_slicing, reason = "a `Value` returns null for missing elements")]

use openrouter_kit::errors::ApiErrorKind;
use serde_json::Value;

/// A server-sent event with data.
#[derive(Clone, Debug)]
pub struct Event {
    pub name: String,
    pub data: String,
}

impl Event {
    /// The data, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        json(&self.data)
    }
}

/// Reads JSON. A tree cannot represent half of a surrogate pair or a number beyond `f64`; they are changed, which does
/// not matter here.
pub fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| {
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        serde_json::from_str(&tamed(text)).ok()
    })
}

fn tamed(text: &str) -> String {
    let mut out = String::new();
    let mut in_string = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => in_string = !in_string,
            '\\' => {
                let escape: String = characters.by_ref().take(1).collect();
                let digits: String = if escape == "u" { characters.by_ref().take(4).collect() } else { String::new() };
                let is_surrogate = matches!(u32::from_str_radix(&digits, 16), Ok(0xD800..=0xDFFF));
                out += &if is_surrogate { "\\ufffd".to_owned() } else { format!("\\{escape}{digits}") };
                continue;
            }
            'e' | 'E' if !in_string && out.ends_with(|last: char| last.is_ascii_digit()) => {
                out += "e0";
                let rest =
                    characters.as_str().trim_start_matches(|next: char| next.is_ascii_digit() || "+-".contains(next));
                characters = rest.chars();
                continue;
            }
            _ => {}
        }
        out.push(character);
    }
    out
}

/// A recorded stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// The events with data up to `[DONE]`.
    pub events: Vec<Event>,
    /// Whether `[DONE]` arrived.
    pub done: bool,
    /// Whether there is half an event at the end.
    pub is_cut: bool,
}

impl Stream {
    /// Reads a body, line by line.
    pub fn read(body: &str) -> Self {
        let body = body.strip_prefix('\u{feff}').unwrap_or(body).replace("\r\n", "\n").replace('\r', "\n");
        let mut stream = Self::default();
        for block in body.split("\n\n") {
            let is_last = body.ends_with(block) && !body.ends_with("\n\n");
            let mut name = String::new();
            let mut data: Vec<&str> = Vec::new();
            for line in block.split('\n') {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                match field {
                    "event" => name = value.strip_prefix(' ').unwrap_or(value).to_owned(),
                    "data" => data.push(value.strip_prefix(' ').unwrap_or(value)),
                    _ => {}
                }
            }
            let data = data.join("\n");
            if data.trim().is_empty() {
                continue;
            }
            if data == "[DONE]" {
                stream.done = true;
                break;
            }
            let event = Event { name, data };
            if is_last && event.json().is_none() {
                stream.is_cut = true;
                break;
            }
            stream.events.push(event);
        }
        stream
    }

    /// Whether the recording ends as its protocol says: by `[DONE]`, its last event, or an error.
    pub fn is_complete(&self, api: &str) -> bool {
        let is_marked = matches!(api, "chat" | "responses" | "messages" | "images");
        let is_end = |event| is_last_event(api, event) || is_error(api, event);
        self.done || !self.is_cut && (!is_marked || self.events.iter().any(is_end))
    }
}

fn is_last_event(api: &str, event: &Event) -> bool {
    let Some(json) = event.json() else { return false };
    let kind = json["type"].as_str().unwrap_or_default();
    match api {
        "chat" => {
            let is_told = |value: &Value| value.as_str().map_or(!value.is_null(), |word| !word.trim().is_empty());
            let has_finished =
                |choice: &Value| is_told(&choice["finish_reason"]) || is_told(&choice["native_finish_reason"]);
            // The chunk with the usage is the last one.
            let is_usage =
                || list(&json["choices"]).next().is_none() && json["usage"]["completion_tokens"].as_i64() > Some(0);
            list(&json["choices"]).any(has_finished) || is_usage()
        }
        "responses" => matches!(kind, "response.completed" | "response.incomplete" | "response.failed"),
        "messages" => kind == "message_stop",
        "images" => kind.ends_with(".completed"),
        _ => false,
    }
}

/// Whether an event reports an error, in any of the forms that the protocols have.
pub fn is_error(api: &str, event: &Event) -> bool {
    let Some(json) = event.json() else { return event.name == "error" };
    let kind = json["type"].as_str();
    event.name == "error"
        || match api {
            "chat" => {
                is_set(&json["error"])
                    || kind == Some("error")
                    || json["object"] == "error"
                    || list(&json["choices"]).any(|choice| is_set(&choice["error"]))
            }
            "responses" => match kind {
                Some(kind) => matches!(kind, "error" | "response.error" | "response.failed"),
                None => is_set(&json["error"]),
            },
            "messages" | "images" => kind.map_or_else(|| is_set(&json["error"]), |kind| kind == "error"),
            _ => false,
        }
}

/// Whether a body with a success status is an error: next to the response, instead of it, or in every choice.
pub fn is_error_body(api: &str, body: &Value) -> bool {
    let choices = &body["choices"];
    let is = |name: &str| body[name].as_str() == Some("error");
    let only_detail = body.as_object().is_some_and(|members| members.len() == 1 && members.contains_key("detail"));
    let in_choices =
        api == "chat" && list(choices).next().is_some() && list(choices).all(|choice| is_set(&choice["error"]));
    is_set(&body["error"]) || is("type") || is("object") || only_detail || in_choices
}

/// Whether a body is a failed job with its reason: the request for it succeeded. Jobs are recognized by path, since the
/// same fields are an error elsewhere.
pub fn is_failed_job(path: &str, body: &Value) -> bool {
    let is_told = |name: &&str| body[*name].is_string();
    path.split(['/', '?']).any(|segment| segment == "videos")
        && is_told(&"error")
        && ["id", "polling_url", "status"].iter().any(is_told)
}

/// What an error says.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub kind: ApiErrorKind,
    pub code: Option<String>,
    /// `None` if the body has no message.
    pub message: Option<String>,
    pub error_type: Option<String>,
    pub metadata: Option<Value>,
}

impl Failure {
    /// Reads a response with this status, or an event of a stream.
    pub fn read(status: u16, body: &str) -> Self {
        let json = json(body).unwrap_or_default();
        // A few servers return a list of one error.
        let root = json.get(0).unwrap_or(&json);
        let described = [&root["error"], choice_error(root), &root["response"]["error"], root];
        let error = described.into_iter().find(|value| is_set(value)).unwrap_or(root);
        let code = scalar(&error["code"]).or_else(|| scalar(&error["status"]));
        // The form of OAuth (RFC 6749, section 5.2).
        let description = root["error_description"].as_str().filter(|_| error.is_string());
        let code = code.or_else(|| description.and(error.as_str()).map(str::to_owned));
        let message = match error {
            Value::String(_) if description.is_some() => description.map(str::to_owned),
            Value::String(text) => Some(text.clone()),
            _ => [&error["message"], &error["detail"], &root["message"]]
                .into_iter()
                .find(|value| is_set(value))
                .map(text_or_json),
        };
        let stable = [
            &error["metadata"]["error_type"],
            &error["error_type"],
            &root["error_type"],
            &root["response"]["error_type"],
        ];
        let of_protocol = error["type"].as_str().filter(|kind| *kind != "error" && !kind.starts_with("response."));
        let error_type = stable.into_iter().find_map(Value::as_str).or(of_protocol).map(str::to_owned);
        let kind = match status {
            400.. => kind_of(status),
            _ => {
                let number = |value: Option<String>| value.and_then(|text| text.parse().ok()).map(kind_of);
                let known = |kind: &ApiErrorKind| *kind != ApiErrorKind::Other;
                let by_number = number(code.clone()).or_else(|| number(scalar(&error["status"]))).filter(known);
                let by_word = || error_type.as_deref().and_then(kind_of_word);
                by_number
                    .or_else(by_word)
                    .or_else(|| code.as_deref().and_then(kind_of_word))
                    .unwrap_or(ApiErrorKind::Other)
            }
        };
        let metadata = Some(error["metadata"].clone()).filter(is_set);
        Self { kind, code, message, error_type, metadata }
    }
}

fn choice_error(root: &Value) -> &Value {
    list(&root["choices"]).map(|choice| &choice["error"]).find(|error| is_set(error)).unwrap_or(&Value::Null)
}

fn is_set(value: &Value) -> bool {
    !value.is_null()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn text_or_json(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The error types of the official SDKs.
fn kind_of(status: u16) -> ApiErrorKind {
    use ApiErrorKind as Kind;
    let kinds = [
        (400, Kind::BadRequest),
        (401, Kind::Unauthorized),
        (402, Kind::PaymentRequired),
        (403, Kind::Forbidden),
        (404, Kind::NotFound),
        (408, Kind::RequestTimeout),
        (409, Kind::Conflict),
        (410, Kind::Gone),
        (413, Kind::PayloadTooLarge),
        (422, Kind::UnprocessableEntity),
        (429, Kind::TooManyRequests),
        (499, Kind::ClientClosedRequest),
        (500, Kind::InternalServer),
        (502, Kind::BadGateway),
        (503, Kind::ServiceUnavailable),
        (504, Kind::GatewayTimeout),
        (524, Kind::EdgeNetworkTimeout),
        (529, Kind::ProviderOverloaded),
    ];
    kinds.into_iter().find(|(known, _)| *known == status).map_or(Kind::Other, |(_, kind)| kind)
}

/// The identifiers that mean an error status inside a successful response. They occur in snake case, camel case and
/// upper case, with and without a trailing `error`.
fn kind_of_word(word: &str) -> Option<ApiErrorKind> {
    use ApiErrorKind as Kind;
    let plain = |word: &str| {
        let letters: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        letters.to_ascii_lowercase().trim_end_matches("error").to_owned()
    };
    let kinds: [(Kind, &[&str]); 14] = [
        (
            Kind::BadRequest,
            &[
                "context_length_exceeded",
                "max_tokens_exceeded",
                "token_limit_exceeded",
                "string_too_long",
                "invalid_request",
                "invalid_prompt",
                "refusal",
                "invalid_image",
                "image_too_large",
                "image_too_small",
                "unsupported_image_format",
                "image_not_found",
                "image_download_failed",
            ],
        ),
        (Kind::Unauthorized, &["authentication", "invalid_api_key"]),
        (Kind::PaymentRequired, &["payment_required", "billing"]),
        (
            Kind::Forbidden,
            &["permission_denied", "permission", "content_policy_violation", "image_content_policy_violation"],
        ),
        (Kind::NotFound, &["not_found", "model_not_found"]),
        (Kind::RequestTimeout, &["timeout", "request_timeout"]),
        (Kind::GatewayTimeout, &["gateway_timeout"]),
        (Kind::PayloadTooLarge, &["payload_too_large", "request_too_large"]),
        (Kind::UnprocessableEntity, &["unprocessable"]),
        (Kind::TooManyRequests, &["rate_limit_exceeded", "rate_limit", "too_many_requests", "insufficient_quota"]),
        (Kind::InternalServer, &["server", "api", "internal", "internal_server"]),
        (Kind::BadGateway, &["provider_unavailable", "provider", "upstream", "bad_gateway"]),
        (Kind::ServiceUnavailable, &["service_unavailable", "unavailable"]),
        (Kind::ProviderOverloaded, &["provider_overloaded", "overloaded"]),
    ];
    let is_known = |words: &[&str]| words.iter().any(|known| plain(known) == plain(word));
    kinds.into_iter().find(|(_, words)| is_known(words)).map(|(kind, _)| kind)
}
