//! Signing users in: the pair of PKCE, the address for the user, and the exchange of the code.

use std::collections::HashSet;

use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::ExchangeAuthCodeForApiKeyRequest;
use openrouter_kit::oauth::{self, CreateAuthorizationUrlRequest};
use openrouter_kit::{OpenRouter, OpenRouterCore};
use serde_json::json;

use crate::a_limit::tokio;

/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn core() -> OpenRouterCore {
    OpenRouterCore::builder().build().unwrap()
}

#[track_caller]
fn is_mistake<T: std::fmt::Debug>(outcome: Result<T, Error>, argument: &str) -> String {
    let Err(Error::InvalidRequest(error)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.argument(), argument);
    error.to_string()
}

#[test]
fn the_challenge_is_the_one_of_the_standard() {
    let pair = oauth::create_sha256_code_challenge(Some(VERIFIER.into())).unwrap();
    assert_eq!(pair.code_challenge, CHALLENGE);
    assert_eq!(pair.code_verifier.expose(), VERIFIER);
    let longest = "a".repeat(128);
    assert!(oauth::create_sha256_code_challenge(Some(longest.into())).is_ok());
}

#[test]
fn without_a_verifier_a_new_one_is_made_each_time() {
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let pair = oauth::create_sha256_code_challenge(None).unwrap();
        let verifier = pair.code_verifier.expose().clone();
        assert_eq!(verifier.len(), 43, "32 bytes in base64url");
        assert!(verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let again = oauth::create_sha256_code_challenge(Some(pair.code_verifier)).unwrap();
        assert_eq!(again.code_challenge, pair.code_challenge);
        assert!(seen.insert(verifier));
    }
}

#[test]
fn a_verifier_outside_the_standard_is_refused_and_not_shown() {
    for verifier in ["a".repeat(42), "a".repeat(129), String::new(), "secret!".repeat(10), "ü".repeat(50)] {
        let outcome = oauth::create_sha256_code_challenge(Some(verifier.clone().into()));
        let message = is_mistake(outcome, "code_verifier");
        assert!(message.contains("43 to 128"), "{message}");
        assert!(verifier.is_empty() || !message.contains(&verifier), "{message}");
    }
}

#[test]
fn the_address_has_what_the_page_needs() {
    let request = CreateAuthorizationUrlRequest::new("http://localhost:3000/call back?a=b&c".replace(' ', "%20"));
    let url = oauth::create_authorization_url(&core(), request).unwrap();
    let expected = "https://openrouter.ai/auth?callback_url=http%3A%2F%2Flocalhost%3A3000%2Fcall%2520back%3Fa%3Db%26c";
    assert_eq!(url, expected);

    let request = CreateAuthorizationUrlRequest::new("https://example.com").code_challenge(CHALLENGE).limit(2.5);
    let url = oauth::create_authorization_url(&core(), request).unwrap();
    let expected = format!(
        "https://openrouter.ai/auth?callback_url=https%3A%2F%2Fexample.com&code_challenge={CHALLENGE}\
         &code_challenge_method=S256&limit=2.5"
    );
    assert_eq!(url, expected);

    let plain = "a.b_c~d-".repeat(6);
    let request = CreateAuthorizationUrlRequest::new("app://callback")
        .code_challenge(plain.as_str())
        .code_challenge_method("plain");
    let url = oauth::create_authorization_url(&core(), request).unwrap();
    assert!(url.ends_with(&format!("&code_challenge={plain}&code_challenge_method=plain")), "{url}");
}

#[test]
fn the_page_is_on_the_host_of_the_server_url() {
    let client = OpenRouter::builder().server_url("http://localhost:8080/gateway/v1").build().unwrap();
    let request = CreateAuthorizationUrlRequest::new("https://example.com/");
    let url = client.oauth().create_authorization_url(request).unwrap();
    assert_eq!(url, "http://localhost:8080/auth?callback_url=https%3A%2F%2Fexample.com%2F");
}

#[test]
fn a_key_may_be_limited_to_nothing() {
    let request = CreateAuthorizationUrlRequest::new("https://example.com").limit(0.0);
    let url = oauth::create_authorization_url(&core(), request).unwrap();
    assert_eq!(url, "https://openrouter.ai/auth?callback_url=https%3A%2F%2Fexample.com&limit=0");
}

#[test]
fn arguments_that_cannot_be_right_are_refused() {
    let create = |request| oauth::create_authorization_url(&core(), request);
    for callback in
        ["", "/callback", "example.com", "https://", "https://exa mple.com", "https://a\nb", "https://:443/callback"]
    {
        is_mistake(create(CreateAuthorizationUrlRequest::new(callback)), "callback_url");
    }
    let request = || CreateAuthorizationUrlRequest::new("https://example.com");
    for limit in [-1.0, f64::NAN, f64::INFINITY] {
        is_mistake(create(request().limit(limit)), "limit");
    }
    is_mistake(create(request().code_challenge_method("S256")), "code_challenge_method");
    // A verifier instead of its hash would reveal the secret; if its length shows it, it is rejected.
    let secret = "secret".repeat(10);
    let message = is_mistake(create(request().code_challenge(secret.as_str())), "code_challenge");
    assert!(!message.contains("secret"), "{message}");
    is_mistake(create(request().code_challenge("short").code_challenge_method("plain")), "code_challenge");
}

#[test]
fn debug_shows_no_secret() {
    let pair = oauth::create_sha256_code_challenge(Some(VERIFIER.into())).unwrap();
    let request = CreateAuthorizationUrlRequest::new("https://example.com").code_challenge(VERIFIER);
    let text = format!("{pair:?} {request:?}");
    assert!(!text.contains(VERIFIER) && text.contains(CHALLENGE), "{text}");
}

#[tokio::test]
async fn the_code_is_exchanged_for_a_key_with_the_verifier() {
    let server = MockServer::start().await;
    server.on("POST", "/auth/keys", Answer::json(200, json!({"key": "sk-or-v1-new", "user_id": "user_1"})));
    let client = OpenRouter::builder().server_url(server.url()).build().unwrap();
    let pair = client.oauth().create_sha256_code_challenge(None).unwrap();
    let verifier = pair.code_verifier.expose().clone();
    let request =
        ExchangeAuthCodeForApiKeyRequest::new("code").code_challenge_method("S256").code_verifier(pair.code_verifier);
    let answer = client.oauth().exchange_auth_code_for_api_key(request).await.unwrap();
    assert_eq!(answer.key.expose(), "sk-or-v1-new");
    let sent = server.requests().remove(0).json();
    assert_eq!(sent, json!({"code": "code", "code_challenge_method": "S256", "code_verifier": verifier}));
}
