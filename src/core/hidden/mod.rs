//! What `Debug`, errors and logs do not show: values of headers, queries of URLs, keys inside
//! texts.
//!
//! Headers are hidden unless they are known to be harmless: an unknown header may carry a secret.
//! Text is redacted by the form of keys, since servers and transports may echo anything.

mod names;

use std::borrow::Cow;
use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use names::names_secret;

/// Printed instead of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Whether a header is known to hold no secret. For every other header, including unknown ones,
/// only the name is shown.
pub(crate) fn is_harmless(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "accept"
            | "accept-encoding"
            | "accept-language"
            | "age"
            | "allow"
            | "anthropic-beta"
            | "anthropic-version"
            | "cache-control"
            | "cf-ray"
            | "connection"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-length"
            | "content-range"
            | "content-type"
            | "date"
            | "etag"
            | "expires"
            | "host"
            | "http-referer"
            | "last-modified"
            | "origin"
            | "request-id"
            | "retry-after"
            | "retry-after-ms"
            | "server"
            | "traceparent"
            | "transfer-encoding"
            | "upgrade"
            | "user-agent"
            | "vary"
            | "x-generation-id"
            | "x-openrouter-categories"
            | "x-openrouter-metadata"
            | "x-openrouter-title"
            | "x-request-id"
            | "x-title"
    ) || name.starts_with("x-ratelimit-")
}

/// Marks the values of all headers that may hold a secret as sensitive, so that `Debug` never
/// prints them.
pub(crate) fn hide_values(headers: &mut HeaderMap) {
    for (name, value) in headers {
        if !is_harmless(name) {
            value.set_sensitive(true);
        }
    }
}

/// Headers in a form that `Debug` may print, whether or not their values are marked as sensitive.
pub(crate) struct Headers<'a>(pub(crate) &'a HeaderMap);

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name, value: &HeaderValue| {
            let mut value = value.clone();
            value.set_sensitive(value.is_sensitive() || !is_harmless(name));
            value
        };
        f.debug_map().entries(self.0.iter().map(|(name, value)| (name, shown(name, value)))).finish()
    }
}

/// Redacts username, password, query and fragment of a URL, or of its part from the path on.
pub(crate) fn url(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = url.split_at(start);
    let user = rest.rfind('@').filter(|_| !rest.starts_with('/'));
    let query = rest.find(['?', '#']).unwrap_or(rest.len());
    // Otherwise the `@` comes after the query: in a password with an unencoded delimiter, or in an
    // email address.
    let Some(shown) = rest.get(user.unwrap_or(0)..query) else { return format!("{scheme}{REDACTED}") };
    let user = if user.is_some() { REDACTED } else { "" };
    let mark = rest.get(query..=query).unwrap_or_default();
    let query = if mark.is_empty() { "" } else { REDACTED };
    format!("{scheme}{user}{shown}{mark}{query}")
}

/// Redacts what looks like a key in untrusted text, such as a server's message: `sk-...`, what
/// follows the word `Bearer`, and what [`url`] hides of the URLs in it.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    // Most texts contain nothing of the kind.
    let is_suspicious = text.contains("sk-") || text.contains("://") || finds_bearer(text);
    if !is_suspicious {
        return Cow::Borrowed(text);
    }
    let is_delimiter = |letter: char| letter.is_whitespace() || "\"'`<>()[]{},;|\\".contains(letter);
    let mut shown = String::with_capacity(text.len());
    let mut after_bearer = false;
    for piece in text.split_inclusive(is_delimiter) {
        let word = piece.trim_end_matches(is_delimiter);
        let end = piece.get(word.len()..).unwrap_or_default();
        if after_bearer && !word.is_empty() && !word.eq_ignore_ascii_case("token") {
            shown.push_str(REDACTED);
        } else if let Some(at) = key_in(word) {
            shown.push_str(word.get(..at).unwrap_or_default());
            shown.push_str("sk-");
            shown.push_str(REDACTED);
        } else {
            shown.push_str(&if word.contains("://") { Cow::Owned(url(word)) } else { Cow::Borrowed(word) });
        }
        shown.push_str(end);
        after_bearer = finds_bearer(word) || after_bearer && word.is_empty();
    }
    Cow::Owned(shown)
}

/// Redacts text from a server as [`text`] does, and the key that was sent, which some servers echo.
pub(crate) fn echo<'a>(text: &'a str, authorization: Option<&HeaderValue>) -> Cow<'a, str> {
    /// Anything shorter is a placeholder for a server without keys, and may occur in any text.
    const SHORTEST_KEY: usize = 6;
    let sent = authorization.and_then(|value| value.to_str().ok()?.rsplit(' ').next());
    match sent.filter(|key| key.len() >= SHORTEST_KEY && text.contains(key)) {
        Some(key) => Cow::Owned(self::text(&text.replace(key, REDACTED)).into_owned()),
        None => self::text(text),
    }
}

/// Where `sk-` starts in a word, if a key follows it.
fn key_in(word: &str) -> Option<usize> {
    let begins = |at: &usize| !word.get(..*at).unwrap_or_default().ends_with(char::is_alphanumeric);
    word.match_indices("sk-").map(|(at, _)| at).find(begins).filter(|at| at + "sk-".len() < word.len())
}

fn finds_bearer(text: &str) -> bool {
    text.as_bytes().windows("bearer".len()).any(|window| window.eq_ignore_ascii_case(b"bearer"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_in_any_spelling() {
        for name in [
            "key",
            "apiKey",
            "API_KEY",
            "x-api-key",
            "apikey",
            "APIKey",
            "writeKey",
            "keys",
            "access_token",
            "sessionToken",
            "authorization",
            "Authorization",
            "auth",
            "password",
            "passwd",
            "client_secret",
            "secrets",
            "dsn",
            "headers",
            "set-cookie",
            "code_verifier",
            "codeChallenge",
            "Ocp-Apim-Subscription-Key",
            "cf-aig-authorization",
            "ÄKey",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in
            ["", "author", "keyword", "keyterms", "id", "hash", "content", "type", "model", "monkeys-1", "passage"]
        {
            assert_eq!(names_secret(name), name == "monkeys-1", "{name}");
        }
    }

    #[test]
    fn urls_are_shown_without_user_query_and_fragment() {
        for (given, shown) in [
            ("https://host/path", "https://host/path"),
            ("https://host/path?", "https://host/path?"),
            ("https://host/path?key=a&b=c#d", "https://host/path?[redacted]"),
            ("https://host/#access_token=a", "https://host/#[redacted]"),
            ("https://name:pass@host:1/path?q", "https://[redacted]@host:1/path?[redacted]"),
            ("https://name:p@ss@host", "https://[redacted]@host"),
            ("https://name:p/ss@host", "https://[redacted]@host"),
            ("https://name:p?ss@host", "https://[redacted]"),
            ("https://host/path?mail=a@b&c", "https://[redacted]"),
            ("name:pass@host/path", "[redacted]@host/path"),
            ("/path/@me?q=1", "/path/@me?[redacted]"),
            ("no url", "no url"),
            ("?a", "?[redacted]"),
            ("", ""),
            ("://@", "://[redacted]@"),
        ] {
            assert_eq!(url(given), shown, "{given}");
        }
    }

    #[test]
    fn texts_are_shown_without_keys() {
        for (given, shown) in [
            ("Incorrect API key provided: sk-or-v1-0123abcd.", "Incorrect API key provided: sk-[redacted]"),
            ("key=sk-proj-a_b***c, again", "key=sk-[redacted], again"),
            ("{\"Authorization\":\"Bearer abc.def\"}", "{\"Authorization\":\"Bearer [redacted]\"}"),
            ("authorization: bearer  abc", "authorization: bearer  [redacted]"),
            ("Authorization=Bearer abc is wrong", "Authorization=Bearer [redacted] is wrong"),
            ("a Bearer token is needed", "a Bearer token is needed"),
            ("cannot load 'https://u:p@host/a?sig=b'", "cannot load 'https://[redacted]@host/a?[redacted]'"),
            ("a task-force, the disk-drive and sk- alone", "a task-force, the disk-drive and sk- alone"),
            ("ü sk-ü ü", "ü sk-[redacted] ü"),
            ("bearer", "bearer"),
        ] {
            assert_eq!(text(given), shown, "{given}");
        }
        let sent = HeaderValue::from_static("Bearer 0123abcd");
        assert_eq!(echo("no such key: '0123abcd'", Some(&sent)), "no such key: '[redacted]'");
        assert_eq!(echo("no such key: none", Some(&HeaderValue::from_static("Bearer none"))), "no such key: none");
        assert_eq!(echo("no such key: 0123abcd", None), "no such key: 0123abcd");
        assert!(matches!(text("nothing of the kind"), Cow::Borrowed(_)));
    }

    #[test]
    fn values_of_unknown_headers_are_hidden() {
        let mut headers = HeaderMap::new();
        for name in ["content-type", "x-ratelimit-limit", "set-cookie", "x-auth", "location", "x-new"] {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        let unmarked = format!("{:?}", Headers(&headers));
        hide_values(&mut headers);
        assert_eq!(format!("{headers:?}"), unmarked);
        let hidden = headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.as_str());
        assert_eq!(hidden.collect::<Vec<_>>(), ["set-cookie", "x-auth", "location", "x-new"]);
    }
}
