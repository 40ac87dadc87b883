//! The two steps of signing users in that send no request: creating the PKCE pair, and the URL to
//! send the user to. The functions are also methods of
//! [`OpenRouter::oauth`](crate::OpenRouter::oauth).

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::core::{OpenRouterCore, base64, hidden};
use crate::errors::{Error, InvalidRequestError, UnexpectedError};
use crate::models::{CodeChallengeMethod as Method, Secret};
use crate::sdk::OAuth;

/// All bytes except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters of the page on which a user authorizes the application.
///
/// It is passed to [`create_authorization_url`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CreateAuthorizationUrlRequest {
    /// Where the user goes afterwards, with the query parameter `code`: an absolute URL, `https` or
    /// on localhost.
    pub callback_url: String,
    /// The PKCE challenge, which binds the code to this program.
    ///
    /// Hidden by `Debug`, since with the method `plain` it is the secret itself.
    pub code_challenge: Option<Secret>,
    /// How the challenge was created. Default if there is a challenge: `S256`.
    pub code_challenge_method: Option<Method>,
    /// The maximum that the key may spend, in US dollars, which is shown to the user. At least 0.
    pub limit: Option<f64>,
}

impl CreateAuthorizationUrlRequest {
    /// Creates a request without a challenge and a limit. A program should set a
    /// [challenge](Self::code_challenge).
    #[inline]
    pub fn new(callback_url: impl Into<String>) -> Self {
        Self { callback_url: callback_url.into(), code_challenge: None, code_challenge_method: None, limit: None }
    }

    /// Sets `code_challenge`, the result of [`create_sha256_code_challenge`].
    #[must_use]
    #[inline]
    pub fn code_challenge(mut self, code_challenge: impl Into<Secret>) -> Self {
        self.code_challenge = Some(code_challenge.into());
        self
    }

    /// Sets `code_challenge_method`.
    #[must_use]
    #[inline]
    pub fn code_challenge_method(mut self, code_challenge_method: impl Into<Method>) -> Self {
        self.code_challenge_method = Some(code_challenge_method.into());
        self
    }

    /// Sets `limit`.
    #[must_use]
    #[inline]
    pub fn limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// The PKCE pair (RFC 7636), created by [`create_sha256_code_challenge`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateSha256CodeChallengeResponse {
    /// Part of the [URL](CreateAuthorizationUrlRequest::code_challenge) for the user. It is not a
    /// secret.
    pub code_challenge: String,
    /// Stays in the program until the code is exchanged for a key, as
    /// [`code_verifier`](crate::models::ExchangeAuthCodeForApiKeyRequest::code_verifier).
    pub code_verifier: Secret,
}

/// Returns the URL of the page on which the user authorizes the application: `/auth` on the host of
/// the server URL, by default `https://openrouter.ai/auth`. Nothing is sent; open it in the user's
/// browser.
///
/// ```
/// use openrouter_kit::OpenRouterCore;
/// use openrouter_kit::models::ExchangeAuthCodeForApiKeyRequest;
/// use openrouter_kit::oauth::{self, CreateAuthorizationUrlRequest};
///
/// # fn main() -> Result<(), openrouter_kit::Error> {
/// let core = OpenRouterCore::builder().build()?;
/// let pair = oauth::create_sha256_code_challenge(None)?;
/// let request = CreateAuthorizationUrlRequest::new("https://example.com/callback").code_challenge(pair.code_challenge);
/// let url = oauth::create_authorization_url(&core, request)?;
/// assert!(url.starts_with("https://openrouter.ai/auth?callback_url=https%3A%2F%2Fexample.com%2Fcallback"));
///
/// // Once the user is back at the callback URL with a code:
/// let exchange = ExchangeAuthCodeForApiKeyRequest::new("the code").code_challenge_method("S256").code_verifier(pair.code_verifier);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::InvalidRequest`] for a callback URL that is not absolute, an invalid challenge, a
/// method without a challenge, and a limit that is negative or not finite.
#[inline]
pub fn create_authorization_url(
    core: &OpenRouterCore,
    request: CreateAuthorizationUrlRequest,
) -> Result<String, Error> {
    let CreateAuthorizationUrlRequest { callback_url, code_challenge, code_challenge_method, limit } = request;
    let server = core.server_url();
    // Checked when the client was built.
    let server: Uri = server.parse().map_err(|error| UnexpectedError::new(None, "the server URL is invalid", error))?;
    let (scheme, host) = (server.scheme_str().unwrap_or("https"), server.authority().map_or("", |host| host.as_str()));
    check_callback(&callback_url)?;
    let encode = |text| utf8_percent_encode(text, RESERVED);
    let mut url = format!("{scheme}://{host}/auth?callback_url={}", encode(&callback_url));
    match (&code_challenge, &code_challenge_method) {
        (None, None) => {}
        (None, Some(_)) => {
            let message = "is set without a `code_challenge`; set one, or leave the method out";
            return Err(Error::invalid("code_challenge_method", message));
        }
        (Some(challenge), method) => {
            let method = method.as_ref().unwrap_or(&Method::S256);
            check_challenge(challenge.expose(), method)?;
            url.push_str(&format!("&code_challenge={}", encode(challenge.expose())));
            url.push_str(&format!("&code_challenge_method={}", encode(method.as_str())));
        }
    }
    if let Some(limit) = limit {
        if !limit.is_finite() || limit < 0.0 {
            return Err(Error::invalid("limit", format!("is {limit}; pass an amount of US dollars from 0")));
        }
        url.push_str(&format!("&limit={limit}"));
    }
    Ok(url)
}

/// Creates a PKCE pair with the method `S256`: the challenge is the SHA-256 of the verifier, in
/// base64url without padding. Nothing is sent.
///
/// Without a verifier, one is created from 32 bytes of the system's secure random source, which is
/// what a program should do.
///
/// # Errors
/// [`Error::InvalidRequest`] for a verifier that is not 43 to 128 letters, digits and `-._~` (RFC
/// 7636, section 4.1), and [`Error::Unexpected`] if the system's random source fails.
#[inline]
pub fn create_sha256_code_challenge(code_verifier: Option<Secret>) -> Result<CreateSha256CodeChallengeResponse, Error> {
    let code_verifier = match code_verifier {
        Some(verifier) => {
            check_verifier("code_verifier", verifier.expose())?;
            verifier
        }
        None => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|error| {
                UnexpectedError::new(None, "the random source of the system failed; pass a code verifier", error)
            })?;
            Secret::from(base64url(&bytes))
        }
    };
    let code_challenge = base64url(&Sha256::digest(code_verifier.expose()));
    Ok(CreateSha256CodeChallengeResponse { code_challenge, code_verifier })
}

/// Returns base64 for URLs, without padding.
#[inline]
fn base64url(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

impl OAuth<'_> {
    /// Returns the URL of the page on which the user authorizes the application.
    ///
    /// Same as [`oauth::create_authorization_url`](create_authorization_url).
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for invalid arguments.
    #[inline]
    pub fn create_authorization_url(self, request: CreateAuthorizationUrlRequest) -> Result<String, Error> {
        create_authorization_url(self.core, request)
    }

    /// Creates a PKCE pair.
    ///
    /// Same as [`oauth::create_sha256_code_challenge`](create_sha256_code_challenge).
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for an invalid verifier.
    #[inline]
    pub fn create_sha256_code_challenge(
        self,
        code_verifier: Option<Secret>,
    ) -> Result<CreateSha256CodeChallengeResponse, Error> {
        create_sha256_code_challenge(code_verifier)
    }
}

#[inline]
fn check_callback(url: &str) -> Result<(), InvalidRequestError> {
    let wrong =
        |message: &str| InvalidRequestError::new("callback_url", format!("is {:?}, {message}", hidden::url(url)));
    let uri: Uri = url.parse().map_err(|error| wrong("which is not a URL").caused_by(error))?;
    match (uri.scheme(), uri.host()) {
        (Some(_), Some(host)) if !host.is_empty() => Ok(()),
        _ => Err(wrong("which is not absolute; pass one such as https://example.com/callback")),
    }
}

/// The challenge is not shown: with the method `plain` it is the secret.
#[inline]
fn check_challenge(challenge: &str, method: &Method) -> Result<(), InvalidRequestError> {
    const ARGUMENT: &str = "code_challenge";
    if *method == Method::S256 && !matches!(base64::decode(challenge), Ok(hash) if hash.len() == 32) {
        let message = "is not a SHA-256 in base64url without padding (43 characters); create it with \
                       `create_sha256_code_challenge`";
        return Err(InvalidRequestError::new(ARGUMENT, message));
    }
    check_verifier(ARGUMENT, challenge)
}

#[inline]
fn check_verifier(argument: &'static str, verifier: &str) -> Result<(), InvalidRequestError> {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved) {
        return Ok(());
    }
    let message =
        "must be 43 to 128 letters, digits, `-`, `.`, `_` or `~` (RFC 7636); leave it out to have one created";
    Err(InvalidRequestError::new(argument, message))
}
