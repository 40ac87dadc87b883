//! The rules for headers that a program sets.

use http::header::{HeaderName, HeaderValue};

use super::hidden;
use crate::errors::InvalidRequestError;

/// Checks a header that a program sets. `argument` is named in the error.
pub(crate) fn parse_header(
    argument: &'static str,
    name: &str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), InvalidRequestError> {
    let wrong = |message: String| InvalidRequestError::new(argument, message);
    // If the arguments are swapped, the value ends up as the name.
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|error| {
        wrong(format!(
            "has the name {:?}, which HTTP does not allow; use only letters, digits and hyphens",
            hidden::text(name)
        ))
        .caused_by(error)
    })?;
    if matches!(
        parsed.as_str(),
        "host" | "content-length" | "transfer-encoding" | "connection" | "upgrade" | "te" | "trailer" | "keep-alive"
    ) {
        return Err(wrong(format!("sets `{parsed}`, which the connection controls; leave it out")));
    }
    let mut value = HeaderValue::from_str(value).map_err(|error| {
        wrong(format!("sets `{parsed}` to a value with control characters; remove them")).caused_by(error)
    })?;
    value.set_sensitive(!hidden::is_harmless(&parsed));
    Ok((parsed, value))
}
