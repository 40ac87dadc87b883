//! The API key.
//!
//! A key is checked when it is set, so that an unusable one fails early and is never part of an
//! error message.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;

use crate::errors::{Cause, Error, InvalidRequestError};

pub(super) type KeyFuture = Pin<Box<dyn Future<Output = Result<String, Cause>> + Send>>;

pub(crate) type KeySource = Arc<dyn Fn() -> KeyFuture + Send + Sync>;

/// Where the API key comes from.
#[derive(Clone, Default)]
pub(crate) enum Key {
    #[default]
    None,
    Fixed(HeaderValue),
    Source(KeySource),
}

impl Key {
    /// Parses a key given as text.
    pub(crate) fn fixed(key: &str) -> Result<Self, InvalidRequestError> {
        authorization("api_key", key).map(Self::Fixed)
    }

    pub(crate) const fn is_set(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Asks a source for the value of the `Authorization` header.
    pub(crate) async fn ask(source: &KeySource) -> Result<HeaderValue, Error> {
        match source().await {
            Ok(key) => Ok(authorization("api_key_source", &key)?),
            Err(cause) => {
                let invalid =
                    InvalidRequestError::new("api_key_source", "failed to return a key; see the source of this error");
                Err(invalid.caused_by(cause).into())
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Fixed(_) => "[hidden]",
            Self::Source(_) => "from a source",
        })
    }
}

/// Returns the `Authorization` header for a key. The error never contains the key.
fn authorization(option: &'static str, key: &str) -> Result<HeaderValue, InvalidRequestError> {
    let wrong = |message| Err(InvalidRequestError::new(option, message));
    // A key from a file ends with a line break.
    let key = key.trim();
    let (scheme, key) = match key.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => (scheme, key.get(7..).unwrap_or_default().trim()),
        _ if key.eq_ignore_ascii_case("bearer") => ("", ""),
        _ => ("Bearer ", key),
    };
    if key.is_empty() {
        return wrong("is empty; create a key at https://openrouter.ai/settings/keys");
    }
    if key.contains(['\n', '\r']) {
        return wrong("has more than one line; pass only the key");
    }
    if key.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return wrong(
            "contains a space, a control character or a non-ASCII character, which no key does; copy it again",
        );
    }
    let Ok(mut value) = HeaderValue::from_str(&format!("{scheme}{key}")) else {
        return wrong("is not a valid header value; copy it again");
    };
    value.set_sensitive(true);
    Ok(value)
}
