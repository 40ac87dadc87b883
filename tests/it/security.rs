//! What `SECURITY.md` promises: where the API key goes and where it is never shown, what a header
//! may contain, how much memory a server can make a client use. Redirects are in
//! `tests/it/redirects.rs`, proxies in `tests/it/proxy.rs`, certificates in `tests/it/tls.rs` and
//! `tests/it/faults.rs`.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{GET, KEY, POST, Thing, body, impatient, post, serve, soon, stream};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use openrouter_kit::core::body::Body;
use openrouter_kit::core::transport::{HyperTransport, Transport, TransportError, TransportErrorKind, TransportFuture};
use openrouter_kit::core::wire::{self, Json};
use openrouter_kit::core::{Call, ClientConfig, Download, Parts};
use openrouter_kit::errors::{Error, HookError};
use openrouter_kit::hooks::{Hook, HookContext, HookFuture, RequestInput};
use openrouter_kit::mock::{Answer, ClosedPort, Fault, MockServer, Place};
use openrouter_kit::{OpenRouter, OpenRouterCore, RetryConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What no output may contain: the key, and other secrets that the tests use.
const SECRETS: [&str; 3] = ["5ec2e7", "5econd", "9assw0rd"];

#[track_caller]
fn no_secret(shown: &str) {
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[track_caller]
fn no_secret_in(shown: &impl Debug) {
    no_secret(&format!("{shown:?} {shown:#?}"));
}

/// The texts of an error and everything below it, for people and for programmers.
fn all_texts(error: &Error) -> String {
    let chain = std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| (*error).source());
    chain.map(|error| format!("{error} {error:?} {error:#?}\n")).collect()
}

// --- Where the key goes ----------------------------------------------------------------------

#[tokio::test]
async fn the_key_goes_to_the_server_of_the_client() {
    let (server, core) = serve([Answer::json(200, json!({}))]).await;
    post(&core).await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

#[tokio::test]
async fn the_key_goes_to_another_server_only_if_the_call_names_it() {
    let (server, core) = serve([]).await;
    let (other, _) = serve([Answer::json(200, json!({}))]).await;
    post(&core).server_url(other.url()).await.unwrap();
    assert_eq!(other.requests()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(server.connections().opened, 0);
}

#[tokio::test]
async fn no_path_parameter_can_name_another_host_or_path() {
    for hostile in [
        "@evil.example",
        "//evil.example",
        "..",
        ".",
        "../../keys",
        "a/../b",
        "a?b",
        "a#b",
        "%2e%2e",
        "\\..\\",
        "a\r\nHost: evil",
    ] {
        let (server, core) = serve([Answer::json(200, json!({}))]).await;
        let call: Call<Thing> = Call::new(&core, Parts::new(&GET).path("id", hostile));
        match call.await {
            Ok(_) => {
                let request = &server.requests()[0];
                let parameter = request.path.strip_prefix("/api/v1/things/").unwrap();
                assert!(
                    !parameter.contains(['/', '?', '#', '\\', '@']) && request.query.is_empty(),
                    "{}",
                    request.path
                );
                let decoded = percent_encoding::percent_decode_str(parameter).decode_utf8().unwrap();
                assert_eq!(decoded, hostile);
            }
            Err(error) => assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}"),
        }
    }
}

#[cfg(feature = "_tls")]
#[tokio::test]
async fn a_proxy_on_the_way_to_https_sees_no_key() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://name:9assw0rd@{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let mut head = vec![0; 4096];
        let length = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        // What follows is the beginning of the TLS handshake.
        let mut rest = vec![0; 4096];
        let more = stream.read(&mut rest).await.unwrap();
        [&head[..length], &rest[..more]].concat()
    });
    let core = OpenRouterCore::builder().api_key(KEY).server_url("https://openrouter.invalid/api/v1").proxy(proxy);
    let core = core.retry_config(RetryConfig::none()).build().unwrap();

    let error = soon(post(&core)).await.unwrap_err();

    no_secret(&all_texts(&error));
    let seen = String::from_utf8_lossy(&seen.await.unwrap()).into_owned();
    assert!(seen.starts_with("CONNECT openrouter.invalid:443 HTTP/1.1\r\n"), "{seen}");
    assert!(!seen.contains("5ec2e7") && !seen.contains("a/b") && !seen.contains("/things"), "{seen}");
}

#[cfg(feature = "_tls")]
#[test]
fn no_code_of_the_transport_can_switch_verification_off() {
    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 50);
    for (path, source) in found {
        // The only ways that rustls has.
        for way in ["dangerous()", "danger::", "ServerCertVerifier", "with_custom_certificate_verifier"] {
            assert!(!source.contains(way), "{way} in {path}");
        }
    }
}

// --- Where the key is never shown ------------------------------------------------------------

/// Shows everything that a hook is given.
#[derive(Debug, Default, Clone)]
struct Spy(Arc<Mutex<String>>);

impl Spy {
    fn see(&self, shown: &dyn Debug) {
        self.0.lock().unwrap().push_str(&format!("{shown:?} {shown:#?}\n"));
    }
}

impl Hook for Spy {
    fn before_create_request<'a>(
        &'a self,
        context: &'a HookContext,
        input: &'a mut RequestInput,
    ) -> HookFuture<'a, ()> {
        self.see(context);
        self.see(input);
        Box::pin(async { Ok(()) })
    }

    fn before_request<'a>(&'a self, _: &'a HookContext, request: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        assert!(request.headers().contains_key("authorization"), "the hook sees the key itself");
        self.see(request);
        Box::pin(async { Ok(()) })
    }

    fn after_error<'a>(
        &'a self,
        _: &'a HookContext,
        outcome: Result<Response<Body>, Error>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send + 'a>> {
        self.see(&outcome);
        Box::pin(async { outcome })
    }
}

#[tokio::test]
async fn no_debug_output_shows_the_key() {
    let server = MockServer::start().await;
    server.answer(Answer::error(503, "busy")).answer(Answer::json(200, json!({"id": 1})));
    server.answer(Answer::stream([json!({"n": 0})])).answer(Answer::bytes(200, "file"));
    let spy = Spy::default();
    let builder = impatient(server.url())
        .header("Cookie", "session=5econd")
        .header("X-Api-Key", "5econd")
        .header("Proxy-Authorization", "Basic 9assw0rd")
        .hook(spy.clone());
    no_secret_in(&builder);
    let core = builder.build().unwrap();
    no_secret_in(&core);
    no_secret_in(&core.clone());
    no_secret_in(&OpenRouter::from(core.clone()));
    no_secret_in(&HyperTransport::builder().proxy("http://name:9assw0rd@proxy.example:3128"));
    no_secret_in(&HyperTransport::builder().proxy("http://name:9assw0rd@proxy.example:3128").build().unwrap());

    let parts = Parts::new(&POST).json(&body()).header("authorization", Some("Bearer 5econd"));
    no_secret_in(&parts);
    let call = post(&core).header("Authorization", "Bearer 5econd").header("api-key", "5econd");
    no_secret_in(&call);
    let call = call.with_response();
    no_secret_in(&call);
    let future = call.into_future();
    no_secret_in(&future);
    no_secret_in(&soon(future).await.unwrap());
    let mut events = soon(stream(&core)).await.unwrap();
    no_secret_in(&events);
    while events.next().await.is_some() {}
    no_secret_in(&events);
    let file: Call<Download> = Call::new(&core, Parts::new(&GET).path("id", "one"));
    no_secret_in(&soon(file).await.unwrap());

    no_secret_in(&server);
    no_secret_in(&server.requests());
    let seen = spy.0.lock().unwrap().clone();
    assert!(seen.contains("Sensitive"), "{seen}");
    no_secret(&seen);
}

#[tokio::test]
async fn no_error_shows_the_key() {
    let port = ClosedPort::new().unwrap();
    let core = impatient(port.url()).build().unwrap();
    let mut errors = vec![soon(post(&core)).await.unwrap_err()];
    for answer in [
        Answer::error(401, "No auth credentials found"),
        Answer::redirect(302, "https://evil.example/?9assw0rd"),
        Answer::json(200, json!({"error": {"message": "no"}})),
        Answer::json(200, json!([])),
        Answer::text(200, "<html>"),
        Answer::json(200, json!({})).gzipped(),
        Answer::status(200).fault(Fault::Reset, Place::BeforeHead),
        Answer::json(200, json!({"a": 1})).fault(Fault::Close, Place::InBody),
        Answer::bytes(200, "x").header("bad header", "x"),
    ] {
        let (_server, core) = serve([answer]).await;
        errors.push(soon(post(&core)).await.unwrap_err());
    }
    let (_server, core) = serve([Answer::status(200).fault(Fault::Stall, Place::BeforeHead)]).await;
    errors.push(soon(post(&core).response_timeout(Duration::from_millis(20))).await.unwrap_err());
    errors.push(post(&core).header("a b", "5econd").await.unwrap_err());
    errors.push(post(&core).header("authorization", "Bearer 5econd\r\n").await.unwrap_err());
    errors.push(post(&core).server_url("https://name:9assw0rd@host").await.unwrap_err());
    for bad in ["5ec2e7\n5ec2e7", "5ec2e7 5ec2e7", "5ec2e7é", "Bearer 5ec2e7\0"] {
        errors.push(OpenRouterCore::new(bad).unwrap_err());
        errors.push(OpenRouter::new(bad).unwrap_err());
    }
    for proxy in ["http://name:9assw0rd@", "socks4://name:9assw0rd@host", "http://name:9assw0rd@host:port"] {
        errors.push(OpenRouterCore::builder().api_key(KEY).proxy(proxy).build().unwrap_err());
    }
    assert_eq!(errors.len(), 25);
    for error in &errors {
        no_secret(&all_texts(error));
    }
}

/// Headers in which gateways, clouds and browsers receive secrets, and an unknown one.
const SECRET_HEADERS: [&str; 12] = [
    "Helicone-Auth",
    "cf-aig-authorization",
    "x-portkey-api-key",
    "x-goog-api-key",
    "x-auth-token",
    "Ocp-Apim-Subscription-Key",
    "Proxy-Authorization",
    "Cookie",
    "Set-Cookie",
    "Location",
    "Authorization",
    "x-new-thing",
];

/// Sets all of them wherever a hook can.
#[derive(Debug)]
struct Setter;

fn set_secrets(headers: &mut HeaderMap) {
    for name in SECRET_HEADERS {
        headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("Bearer 5ec2e7"));
    }
}

impl Hook for Setter {
    fn sdk_init(&self, config: &mut ClientConfig) -> Result<(), HookError> {
        set_secrets(&mut config.headers);
        config.server_url.push_str("?key=5econd");
        no_secret_in(config);
        config.server_url.truncate(config.server_url.find('?').unwrap());
        Ok(())
    }

    fn before_create_request<'a>(&'a self, _: &'a HookContext, input: &'a mut RequestInput) -> HookFuture<'a, ()> {
        set_secrets(&mut input.headers);
        let url = input.url.clone();
        input.url = format!("{url}{}key=5econd", if url.query().is_some() { '&' } else { '?' }).parse().unwrap();
        no_secret_in(input);
        input.url = url;
        Box::pin(async { Ok(()) })
    }

    fn before_request<'a>(&'a self, _: &'a HookContext, request: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        set_secrets(request.headers_mut());
        Box::pin(async { Ok(()) })
    }

    fn after_success<'a>(&'a self, _: &'a HookContext, mut response: Response<Body>) -> HookFuture<'a, Response<Body>> {
        set_secrets(response.headers_mut());
        Box::pin(async { Ok(response) })
    }
}

/// Responses of all kinds that echo secrets wherever a server can.
fn leaking_answers() -> Vec<Answer> {
    let key = format!("Incorrect API key provided: {KEY}. You sent 'Bearer 5econd' to https://a:9assw0rd@b/?c=5econd");
    let members = json!({"key": "5econd", "data": [{"headers": {"X": "5econd"}}], "Tokens": ["5econd"], "password": 5});
    let mut mismatch = members.clone();
    mismatch["mismatch"] = json!(true);
    let error = json!({"error": {"message": key, "code": KEY, "type": KEY, "metadata": {"raw": key, "more": members}}});
    let answers = vec![
        Answer::json(200, members.clone()),
        Answer::json(200, mismatch),
        Answer::json(200, error.clone()),
        Answer::json(200, json!({"availability": members, "detail": key})),
        Answer::json(401, error),
        Answer::json(400, json!({"detail": key})),
        Answer::json(422, json!({"detail": [{"loc": ["key"], "input": {"api_key": "5econd"}, "msg": key}]})),
        Answer::text(400, &key),
        Answer::text(403, format!("<title>{key}</title>")),
        Answer::text(200, &key),
        Answer::redirect(302, &format!("https://name:9assw0rd@evil.example/?{KEY}")),
    ];
    let set = |answer: Answer| SECRET_HEADERS.iter().fold(answer, |answer, name| answer.header(name, "5econd"));
    answers.into_iter().map(set).collect()
}

#[tokio::test]
async fn no_header_shows_its_value_whoever_sets_it() {
    let server = MockServer::start().await;
    for name in SECRET_HEADERS {
        server.answer(Answer::json(200, json!({"id": 1})).header("set-cookie", "5econd"));
        let spy = Spy::default();
        let builder = impatient(server.url()).header(name, "Bearer 5econd").hook(Setter).hook(spy.clone());
        no_secret_in(&builder);
        let core = builder.build().unwrap();
        no_secret_in(&core);
        no_secret_in(&Parts::new(&POST).header("x-parts", Some("5econd")).query("token", Some("5econd")));
        let call = post(&core).header(name, "Bearer 5econd").with_response();
        no_secret_in(&call);
        let response = soon(call).await.unwrap();
        no_secret_in(&response);
        no_secret_in(&response.headers);
        let seen = spy.0.lock().unwrap().clone();
        assert!(seen.to_lowercase().contains(&format!("\"{}\": sensitive", name.to_lowercase())), "{name}: {seen}");
        no_secret(&seen);
    }
    no_secret_in(&server.requests());
    let title = impatient(server.url()).app_title("My program").build().unwrap();
    assert!(format!("{title:?}").contains("My program"), "what is harmless is shown");
}

#[tokio::test]
async fn no_answer_of_a_server_shows_a_secret() {
    for answer in leaking_answers() {
        no_secret_in(&answer);
        let spy = Spy::default();
        let server = MockServer::start().await;
        server.answer(answer);
        let core = impatient(server.url()).hook(Setter).hook(spy.clone()).build().unwrap();
        match soon(post(&core).with_response()).await {
            Ok(response) => {
                assert!(!response.body.is_empty() && response.headers.contains_key("set-cookie"));
                no_secret_in(&response);
                no_secret_in(&response.value.0);
            }
            Err(error) => {
                no_secret(&all_texts(&error));
                if let Error::Api(error) = &error {
                    assert!(error.message().contains(KEY), "the text itself is at hand: {}", error.message());
                    no_secret_in(error.headers());
                    no_secret_in(&error.availability());
                }
            }
        }
        no_secret(&spy.0.lock().unwrap());
    }
}

#[tokio::test]
async fn no_event_of_a_stream_shows_a_secret() {
    let error =
        json!({"error": {"message": format!("no such key: {KEY}"), "code": 401, "metadata": {"key": "5econd"}}});
    for event in [json!({"key": "5econd", "n": 1}), json!({"mismatch": 1, "key": "5econd"}), error] {
        let (_server, core) = serve([Answer::stream([event]).header("set-cookie", "5econd")]).await;
        let mut events = soon(stream(&core)).await.unwrap();
        no_secret_in(&events);
        while let Some(event) = soon(events.next()).await {
            match event {
                Ok(event) => no_secret_in(&event),
                Err(error) => no_secret(&all_texts(&error)),
            }
        }
    }
}

#[tokio::test]
async fn a_key_of_any_form_is_hidden_in_the_errors_that_repeat_it() {
    const FOREIGN: &str = "5ec2e7foreign";
    let message = format!("unknown key {FOREIGN}");
    let inside = json!({"error": {"message": message, "code": 401}});
    let server = MockServer::start().await;
    let core = impatient(server.url()).api_key(FOREIGN).build().unwrap();
    for answer in [Answer::error(401, &message), Answer::json(200, inside.clone()), Answer::json(200, inside.clone())] {
        server.answer(answer);
    }
    server.answer(Answer::stream([inside]));
    let mut errors = vec![
        soon(post(&core)).await.unwrap_err(),
        soon(post(&core)).await.unwrap_err(),
        soon(stream(&core)).await.unwrap_err(),
    ];
    errors.push(soon(soon(stream(&core)).await.unwrap().next()).await.unwrap().unwrap_err());
    for error in errors {
        assert_eq!(error.as_api().unwrap().message(), message);
        no_secret(&all_texts(&error));
    }
    server.answer(Answer::error(401, &message));
    let core = impatient(server.url()).api_key_source(|| async { Ok::<_, Error>(FOREIGN) }).build().unwrap();
    no_secret(&all_texts(&soon(post(&core)).await.unwrap_err()));
    server.answer(Answer::error(401, &message));
    let call = post(&core).header("Authorization", format!("Bearer {FOREIGN}"));
    no_secret(&all_texts(&soon(call).await.unwrap_err()));
}

#[tokio::test]
async fn no_url_shows_its_query_its_user_or_its_fragment() {
    let (_server, core) = serve([]).await;
    for url in [
        "https://host/api?api_key=5econd",
        "https://host/api#5econd",
        "https://name:9assw0rd@host/api",
        "https://9assw0rd@host",
        "https://name:9ass/9assw0rd@host",
        "https://9assw0rd?9assw0rd@host",
        "name:9assw0rd@host",
        "ftp://host?5econd",
        "host?5econd",
        "?5econd",
        "https://ho st?5econd",
        "https://host:99999?5econd",
    ] {
        no_secret_in(&impatient(url));
        no_secret(&all_texts(&impatient(url).build().unwrap_err()));
        no_secret(&all_texts(&post(&core).server_url(url).await.unwrap_err()));
        // The scheme of a proxy may be omitted.
        match OpenRouterCore::builder().api_key(KEY).proxy(url).build() {
            Ok(core) => no_secret_in(&core),
            Err(error) => no_secret(&all_texts(&error)),
        }
    }
    let parts = Parts::new(&GET).path("id", "one").query("api_key", Some("5econd"));
    no_secret_in(&parts);
    no_secret_in(&Call::<Thing>::new(&core, parts));
    let long = "5econd".repeat(20_000);
    let error = Call::<Thing>::new(&core, Parts::new(&POST).query("q", Some(long))).await.unwrap_err();
    no_secret(&all_texts(&error));
}

/// Runs into faults with the log on. Run by the test below.
#[tokio::test]
#[ignore = "a part of another test"]
async fn probe() {
    let server = MockServer::start().await;
    server.answer(Answer::error(503, "busy")).answer(Answer::json(200, json!({"text": "private answer"})));
    server.answer(Answer::status(200).fault(Fault::Reset, Place::BeforeHead));
    server.answer(Answer::redirect(302, "https://evil.example/?9assw0rd"));
    /// A transport whose errors reveal more than they should.
    #[derive(Debug)]
    struct Talkative;

    impl Transport for Talkative {
        fn send(&self, _: Request<Body>) -> TransportFuture<'_> {
            let text = format!("{KEY} was sent to https://name:9assw0rd@host/?a=5econd as Bearer 5econd");
            Box::pin(async { Err(TransportError::new(TransportErrorKind::Exchange, text)) })
        }
    }

    let core = OpenRouterCore::builder().api_key(KEY).transport(Talkative).env().build().unwrap();
    soon(post(&core)).await.unwrap_err();
    let core = impatient(server.url()).header("Cookie", "5econd").env().build().unwrap();
    for _ in 0..3 {
        let request = Thing::of(json!({"input": "private question"}));
        let call: Call<Thing> = Call::new(&core, Parts::new(&POST).json(&request).query("q", Some("private query")));
        let _ = soon(call).await;
    }
}

#[test]
fn the_log_shows_neither_key_nor_headers_nor_bodies() {
    let output = crate::support::child("security::probe").env("OPENROUTER_DEBUG", "1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(log.lines().filter(|line| line.starts_with("openrouter: ")).count(), 5, "{log}");
    no_secret(&log);
    assert!(!log.contains("private question") && !log.contains("private answer"), "{log}");
    assert!(!log.contains("private%20query"), "{log}");
}

#[test]
fn no_panic_shows_the_key() {
    /// A transport that panics while it holds the request, which is what a bug in one may do.
    #[derive(Debug)]
    struct Panicking;

    impl Transport for Panicking {
        fn send(&self, request: Request<Body>) -> TransportFuture<'_> {
            assert!(request.headers().contains_key("authorization"));
            panic!("cannot send {request:?}");
        }
    }

    let core = OpenRouterCore::builder().api_key(KEY).transport(Panicking).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let call = std::panic::AssertUnwindSafe(|| runtime.block_on(post(&core).into_future()));
    let panic = std::panic::catch_unwind(call).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.contains("authorization"), "{message}");
    no_secret(&message);
}

// --- What a header may contain ---------------------------------------------------------------

#[tokio::test]
async fn control_characters_in_headers_are_refused_before_anything_is_sent() {
    let (server, core) = serve([]).await;
    for control in (0..0x20).chain([0x7F]).map(char::from).filter(|control| *control != '\t') {
        let value = format!("a{control}b");
        let builder = || impatient("https://openrouter.invalid");
        for refused in [
            builder().api_key(&value),
            builder().header("x-a", &value),
            builder().header(&value, "a"),
            builder().user_agent(&value),
            builder().app_title(&value),
            builder().http_referer(&value),
            builder().app_categories([&value]),
            builder().server_url(format!("https://openrouter.invalid/{value}")),
        ] {
            assert!(matches!(refused.build(), Err(Error::InvalidRequest(_))), "{control:?}");
        }
        for refused in [post(&core).header("x-a", &value), post(&core).header(&value, "a")] {
            assert!(matches!(refused.await, Err(Error::InvalidRequest(_))), "{control:?}");
        }
        let call: Call<Thing> = Call::new(&core, Parts::new(&POST).header("x-a", Some(&value)));
        assert!(matches!(call.await, Err(Error::InvalidRequest(_))), "{control:?}");
    }
    assert_eq!(server.connections().opened, 0);
}

#[tokio::test]
async fn headers_of_the_connection_cannot_be_set() {
    let (server, core) = serve([]).await;
    for name in ["Host", "Content-Length", "transfer-encoding", "Connection", "Upgrade", "TE", "Trailer", "Keep-Alive"]
    {
        assert!(matches!(post(&core).header(name, "a").await, Err(Error::InvalidRequest(_))), "{name}");
        assert!(matches!(impatient(server.url()).header(name, "a").build(), Err(Error::InvalidRequest(_))), "{name}");
    }
    assert_eq!(server.connections().opened, 0);
}

// --- Limits ----------------------------------------------------------------------------------

/// JSON nested this deep.
fn nested(depth: usize) -> String {
    let (open, close) = if depth.is_multiple_of(2) { ("{\"a\":", "}") } else { ("[", "]") };
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn json_may_be_nested_127_deep_and_no_deeper() {
    for depth in [1, 2, 126, 127] {
        let json = Json::parse(nested(depth)).unwrap();
        assert!(!json.to_value().is_null(), "{depth}");
    }
    for depth in [128, 129, 1000, 1_000_000, 1_000_001] {
        Json::parse(nested(depth)).unwrap_err();
        Json::parse("[".repeat(depth)).unwrap_err();
        wire::decode::<Thing>(&format!("{{\"a\":{}}}", nested(depth))).unwrap_err();
        wire::decode_event::<Thing>(&format!("{{\"a\":{}}}", nested(depth))).unwrap_err();
    }
}

#[tokio::test]
async fn json_nested_too_deep_is_an_error_wherever_it_comes() {
    let deep = format!("{{\"a\":{}}}", nested(100_000));
    let as_json = |status| Answer::text(status, &deep).header("content-type", "application/json");
    let events = Answer::stream([json!({"n": 0}).to_string(), deep.clone(), json!({"n": 2}).to_string()]);
    let (_server, core) = serve([as_json(200), as_json(400), events]).await;

    assert!(matches!(soon(post(&core)).await, Err(Error::ResponseValidation(_))));
    assert!(matches!(soon(post(&core)).await, Err(Error::Api(error)) if error.body().len() == deep.len()));
    let mut events = soon(stream(&core)).await.unwrap();
    soon(events.next()).await.unwrap().unwrap();
    assert!(matches!(soon(events.next()).await.unwrap(), Err(Error::ResponseValidation(_))));
    soon(events.next()).await.unwrap().unwrap();
    assert!(soon(events.next()).await.is_none());
}

#[tokio::test]
async fn the_limits_hold_to_the_byte() {
    let server = MockServer::start().await;
    let core = impatient(server.url()).max_body(100).max_error_body(100).max_event(100).build().unwrap();
    let object = |size: usize| format!("{{\"n\":\"{}\"}}", "x".repeat(size - 8));
    for (size, fits) in [(99, true), (100, true), (101, false), (5000, false)] {
        for chunked in [false, true] {
            let answer = Answer::text(200, object(size));
            server.answer(if chunked { answer.cut_into(7) } else { answer });
            assert_eq!(soon(post(&core)).await.is_ok(), fits, "{size}");
        }

        server.answer(Answer::text(400, object(size)));
        let error = soon(post(&core)).await.unwrap_err();
        assert_eq!(error.as_api().unwrap().body().len(), size.min(100));

        // `data: ` counts.
        server.answer(Answer::stream([object(size - 6)]));
        let mut events = soon(stream(&core)).await.unwrap();
        assert_eq!(soon(events.next()).await.unwrap().is_ok(), fits, "{size}");
    }
    for refused in [impatient(server.url()).max_body(0), impatient(server.url()).max_event(0)] {
        assert!(matches!(refused.build(), Err(Error::InvalidRequest(_))));
    }
}
