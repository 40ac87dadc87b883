//! The URL of the server.
//!
//! It is parsed and checked once, so that appending the path of an operation to it cannot fail for
//! reasons that the program could have known earlier.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::hidden;
use crate::errors::InvalidRequestError;

/// Where requests go unless an option or the environment says otherwise.
pub(super) const DEFAULT_SERVER_URL: &str = "https://openrouter.ai/api/v1";

/// Characters that people write in URL paths but a request line must not contain, besides non-ASCII
/// ones. Control characters are kept, so that they are rejected later.
const UNSAFE_IN_PATH: &AsciiSet = &AsciiSet::EMPTY
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The URL of a server, parsed once.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrl {
    text: String,
    scheme: Scheme,
    authority: Authority,
    /// The length of the path at the end of `text`.
    path: usize,
}

impl ServerUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidRequestError> {
        const OPTION: &str = "server_url";
        let wrong = |message: &str| InvalidRequestError::new(OPTION, format!("is {:?}, {message}", hidden::url(url)));
        let text = url.trim().trim_end_matches('/');
        let host = text.find("://").map_or(0, |at| at + "://".len());
        let path = text.get(host..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(text.len(), |at| host + at);
        let (host, path) = text.split_at(path);
        if !host.is_ascii() {
            return Err(wrong("whose host is not ASCII; pass its encoded form, which starts with `xn--`"));
        }
        let text = format!("{host}{}", utf8_percent_encode(path, UNSAFE_IN_PATH));
        let uri = text.parse::<Uri>().map_err(|error| {
            wrong("which is not a URL; pass one such as https://openrouter.ai/api/v1").caused_by(error)
        })?;
        let parts = uri.into_parts();
        let scheme = match parts.scheme {
            Some(scheme) if scheme == Scheme::HTTP || scheme == Scheme::HTTPS => scheme,
            Some(_) => return Err(wrong("whose scheme is not supported; use https or http")),
            None => return Err(wrong("which is not absolute; start it with https://")),
        };
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority =
            authority.ok_or_else(|| wrong("which has no host; pass one such as https://openrouter.ai/api/v1"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("which contains a user name or a password; remove them"));
        }
        if authority.as_str() != authority.host() && authority.port_u16().is_none() {
            return Err(wrong("whose port is invalid; use a number up to 65535"));
        }
        if text.contains(['?', '#']) {
            return Err(wrong("which has a query or a fragment; pass the part before it"));
        }
        // A URL without a path has the path "/" here.
        let path = parts.path_and_query.filter(|path| path != "/").map_or(0, |path| path.as_str().len());
        Ok(Self { text, scheme, authority, path })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_default(&self) -> bool {
        self.text == DEFAULT_SERVER_URL
    }

    /// Returns the URL of `target`, which begins with a slash, below this one. The two are joined,
    /// not resolved.
    pub(crate) fn join(&self, target: &str) -> Result<Uri, http::Error> {
        let base = self.text.get(self.text.len() - self.path..).unwrap_or_default();
        let mut path = String::with_capacity(base.len() + target.len());
        path.push_str(base);
        path.push_str(target);
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(path))?);
        Ok(Uri::from_parts(parts)?)
    }
}
