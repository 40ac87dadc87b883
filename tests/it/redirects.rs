//! Redirects are not followed, whatever they look like, so that the API key is sent nowhere that
//! the program did not name.

use crate::a_limit::tokio;
use crate::support::{GET, get, post, stream};
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::transport::HyperTransport;
use openrouter_kit::core::{Call, Download, Parts};
use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer};
use serde_json::json;

async fn redirecting(answer: Answer) -> (MockServer, OpenRouterCore) {
    let server = MockServer::start().await;
    server.answer(answer.always());
    let core = OpenRouterCore::builder()
        .api_key("sk-or-v1-secret")
        .server_url(server.url())
        .transport(HyperTransport::builder().no_proxy().build().unwrap())
        .build()
        .unwrap();
    (server, core)
}

/// Returns the message for a redirect to `location`.
async fn message_for(location: impl Into<Vec<u8>>) -> String {
    let (server, core) = redirecting(Answer::status(302).header("location", location)).await;
    let error = post(&core).await.unwrap_err();
    assert!(matches!(error, Error::Unexpected(_)), "{error:?}");
    assert_eq!(server.connections().requests, 1);
    error.to_string()
}

#[tokio::test]
async fn no_redirect_is_followed_by_any_kind_of_call() {
    for status in [301, 302, 303, 307, 308] {
        let other = MockServer::start().await;
        let (server, core) = redirecting(Answer::redirect(status, &format!("{}/things", other.url()))).await;
        let download: Call<Download> = Call::new(&core, Parts::new(&GET).path("id", "one"));
        for error in [
            post(&core).await.unwrap_err(),
            get(&core).await.unwrap_err(),
            stream(&core).await.map(drop).unwrap_err(),
            download.await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Unexpected(_)), "{error:?}");
            assert_eq!(error.status().unwrap(), status);
            assert!(error.to_string().contains("points to 127.0.0.1"), "{error}");
            assert!(!error.is_retryable());
        }
        assert_eq!(other.connections().opened, 0, "{status}");
        assert_eq!(server.connections().requests, 4, "each was sent once");
    }
}

#[tokio::test]
async fn a_redirect_within_the_host_is_not_followed_either() {
    for location in ["/elsewhere", "elsewhere", "?page=2", "../v2/things", "/login?next=https://a.example"] {
        assert!(message_for(location).await.contains("another path of the same host"), "{location}");
    }
}

#[tokio::test]
async fn the_host_is_named_and_nothing_that_may_be_secret() {
    for location in [
        "https://name:secret@evil.example:8443/secret?secret#secret",
        "http://evil.example/secret",
        "//evil.example/secret",
        "//name:secret@evil.example",
    ] {
        let text = message_for(location).await;
        assert!(text.contains("points to evil.example;"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_location_that_is_no_url_is_told_as_such() {
    for location in [&b"http://"[..], b"https://[", b"http://a b/", b"\xFF\xFE", b"//"] {
        let text = message_for(location).await;
        assert!(text.contains("an address that is not a URL"), "{text}");
    }
}

#[tokio::test]
async fn a_redirect_without_a_location_is_told_too() {
    for status in [300, 302, 304, 305, 399] {
        let (server, core) = redirecting(Answer::status(status)).await;
        let error = post(&core).await.unwrap_err();
        assert_eq!(error.status().unwrap(), status);
        assert!(error.to_string().contains("no `Location`; check the server URL"), "{error}");
        assert_eq!(server.connections().requests, 1);
    }
}

#[tokio::test]
async fn a_redirect_with_a_body_like_an_answer_is_still_none() {
    let answer = Answer::json(302, json!({"id": "good"})).header("location", "/elsewhere");
    let (_server, core) = redirecting(answer).await;
    assert!(matches!(post(&core).await.unwrap_err(), Error::Unexpected(_)));
}
