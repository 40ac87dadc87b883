//! What a client does with few features. `.ci/run` runs this with several sets of them.

#![cfg(feature = "mock")]
#![allow(
    clippy::unwrap_used,
    unused_imports,
    reason = "in a test a panic is a finding; with all features little is left"
)]

use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::transport::HyperTransport;

#[cfg(any(not(feature = "_tls"), feature = "roots-bundled", feature = "roots-platform"))]
#[tokio::test]
async fn a_call_over_http_works_with_any_features() {
    use openrouter_kit::mock::{Answer, MockServer};
    let server = MockServer::start().await;
    server.answer(Answer::json(200, serde_json::json!({"id": 1})));
    let answer = server.client().request(http::Method::GET, "/anything").await.unwrap();
    assert_eq!(answer["id"], 1);
}

/// The option that the transport refuses, and the feature that its error names.
#[allow(dead_code, reason = "with all features nothing is refused")]
fn is_refused(builder: openrouter_kit::core::transport::HyperTransportBuilder, option: &str, feature: &str) {
    let error = builder.build().unwrap_err();
    assert_eq!(error.option(), option);
    assert!(error.to_string().contains(&format!("`{feature}`")), "{error}");
}

#[cfg(not(feature = "_tls"))]
#[tokio::test]
async fn without_tls_https_and_its_options_name_the_feature() {
    use openrouter_kit::core::transport::{Cryptography, Roots};
    let core = OpenRouterCore::builder().api_key("k").build().unwrap();
    let error = core.request(http::Method::GET, "/models").await.unwrap_err();
    assert!(format!("{error:?}").contains("enable the feature `tls`"), "{error:?}");
    is_refused(HyperTransport::builder().roots([Roots::Bundled]), "roots", "tls");
    is_refused(HyperTransport::builder().cryptography(Cryptography::Ring), "cryptography", "tls");
    is_refused(HyperTransport::builder().root_certificate("a certificate"), "root_certificate", "tls");
}

#[cfg(all(feature = "tls-ring", not(feature = "roots-bundled")))]
#[test]
fn without_bundled_roots_they_must_be_chosen() {
    use openrouter_kit::core::transport::Roots;
    is_refused(HyperTransport::builder(), "roots", "roots-bundled");
    #[cfg(not(feature = "roots-platform"))]
    is_refused(HyperTransport::builder().roots([Roots::Platform]), "roots", "roots-platform");
    let error = OpenRouterCore::builder().roots([Roots::Bundled]).build().unwrap_err();
    assert!(format!("{error:?}").contains("`roots`"), "{error:?}");
}

#[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring"), feature = "roots-bundled"))]
#[test]
fn without_ring_the_cryptography_must_be_chosen() {
    use openrouter_kit::core::transport::Cryptography;
    is_refused(HyperTransport::builder(), "cryptography", "tls-ring");
    HyperTransport::builder().cryptography(Cryptography::AwsLcRs).build().unwrap();
}

#[cfg(not(feature = "http2"))]
#[test]
fn without_http_2_it_cannot_be_chosen() {
    is_refused(HyperTransport::builder().http2(true), "http2", "http2");
}

#[cfg(not(feature = "proxy-system"))]
#[test]
fn without_system_proxies_they_cannot_be_chosen() {
    is_refused(HyperTransport::builder().system_proxy(true), "system_proxy", "proxy-system");
}

#[cfg(not(feature = "socks"))]
#[test]
fn without_socks_such_a_proxy_is_refused() {
    is_refused(HyperTransport::builder().proxy("socks5://proxy.example"), "proxy", "socks");
}
