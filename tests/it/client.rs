//! The options of a client: what they do, what is rejected, and that no secret is shown.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{LIST, LOGIN, Script, Thing, answer, child, get, post};
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::transport::{HyperTransport, Roots};
use openrouter_kit::core::{Call, ClientBuilder, ClientConfig, Parts, RetryConfig};
use openrouter_kit::errors::{Error, HookError};
use openrouter_kit::hooks::Hook;

const OK: &str = r#"{"id":"one"}"#;

/// The option that `build` rejects, and the whole message with its causes.
#[track_caller]
fn refused(builder: ClientBuilder<OpenRouterCore>) -> (&'static str, String) {
    let error = builder.build().unwrap_err();
    let Error::InvalidRequest(invalid) = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains(invalid.argument()), "{error}");
    (invalid.argument(), format!("{error} {error:?}"))
}

fn builder() -> ClientBuilder<OpenRouterCore> {
    OpenRouterCore::builder()
}

#[test]
fn a_client_is_shared_between_threads_and_cheap_to_clone() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<OpenRouterCore>();
    assert_eq!(size_of::<OpenRouterCore>(), size_of::<usize>());
}

#[tokio::test]
async fn a_builder_is_cloned_with_all_its_options() {
    let script = Script::new([answer(200, "{}"), answer(200, "{}")]);
    let one =
        builder().api_key("sk-one").server_url("https://one.example/v1").app_title("One").transport(script.clone());
    let two = one.clone().app_title("Two");
    for builder in [one, two] {
        get(&builder.build().unwrap()).await.unwrap();
    }
    for (sent, title) in script.sent().iter().zip(["One", "Two"]) {
        assert_eq!(sent.url, "https://one.example/v1/things/one");
        assert_eq!(sent.headers["authorization"], "Bearer sk-one");
        assert_eq!(sent.headers["x-openrouter-title"], title);
    }
}

#[test]
fn keys_that_cannot_be_one_are_refused_and_not_shown() {
    for key in [
        "",
        "  ",
        "\n",
        "sk-\nsecret",
        "sk-\rsecret",
        "sk secret",
        "sk-secret\0",
        "sk-secret\u{200b}",
        "sk-sécret",
        "Bearer",
        "Bearer ",
    ] {
        let (option, message) = refused(builder().api_key(key));
        assert_eq!(option, "api_key");
        assert!(!message.contains("secret") && !message.contains("sécret"), "{message}");
    }
    assert!(OpenRouterCore::new("").is_err());
}

#[tokio::test]
async fn a_key_is_sent_as_bearer_and_one_that_says_so_as_it_is() {
    for (key, header) in [
        ("sk-1", "Bearer sk-1"),
        ("Bearer sk-1", "Bearer sk-1"),
        ("bearer sk-1", "bearer sk-1"),
        ("BEARER sk-1", "BEARER sk-1"),
        ("sk-1\n", "Bearer sk-1"),
        (" \tsk-1\r\n\n", "Bearer sk-1"),
        ("Bearer  sk-1\n", "Bearer sk-1"),
    ] {
        let script = Script::new([answer(200, OK)]);
        post(&script.client().api_key(key).build().unwrap()).await.unwrap();
        assert_eq!(script.sent()[0].headers["authorization"], header);
    }
}

#[tokio::test]
async fn a_missing_key_is_an_error_once_an_operation_needs_it() {
    let script = Script::new([answer(200, OK), answer(200, OK), answer(200, OK)]);
    let core = builder().transport(script.clone()).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert!(error.to_string().contains("OPENROUTER_API_KEY"), "{error}");
    assert!(script.sent().is_empty());
    let list: Call<Thing> = Call::new(&core, Parts::new(&LIST));
    list.await.unwrap();
    // A call may set its own.
    post(&core).header("Authorization", "Bearer own").await.unwrap();
    assert_eq!(script.sent()[1].headers["authorization"], "Bearer own");
}

#[tokio::test]
async fn an_operation_without_authentication_gets_no_key() {
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let core = script.core();
    let login: Call<()> = Call::new(&core, Parts::new(&LOGIN));
    login.await.unwrap();
    assert!(!script.sent()[0].headers.contains_key("authorization"));
    let list: Call<()> = Call::new(&core, Parts::new(&LIST));
    list.await.unwrap();
    assert!(script.sent()[1].headers.contains_key("authorization"), "an optional key is sent if there is one");
}

#[tokio::test(start_paused = true)]
async fn a_key_source_is_asked_on_each_attempt() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let script = Script::new([answer(503, "{}"), answer(200, OK)]);
    let source = || async { Ok::<_, std::io::Error>(format!("key-{}", ASKED.fetch_add(1, Ordering::Relaxed))) };
    let core = builder().transport(script.clone()).api_key_source(source).build().unwrap();
    post(&core).await.unwrap();
    let keys: Vec<_> = script.sent().iter().map(|sent| sent.headers["authorization"].clone()).collect();
    assert_eq!(keys, ["Bearer key-0", "Bearer key-1"]);
}

#[tokio::test]
async fn a_key_of_a_file_is_sent_without_the_line_break_at_its_end() {
    let path = std::env::temp_dir().join(format!("openrouter-kit-key-{}", std::process::id()));
    std::fs::write(&path, "sk-of-a-file\n").unwrap();
    let script = Script::new([answer(200, OK)]);
    let source = {
        let path = path.clone();
        move || {
            let path = path.clone();
            async move { std::fs::read_to_string(path) }
        }
    };
    let core = builder().transport(script.clone()).api_key_source(source).build().unwrap();
    post(&core).await.unwrap();
    assert_eq!(script.sent()[0].headers["authorization"], "Bearer sk-of-a-file");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_source_that_fails_ends_the_call_before_anything_is_sent() {
    let script = Script::new([]);
    let failing = || async { Err::<String, _>(std::io::Error::other("no vault")) };
    let core = builder().transport(script.clone()).api_key_source(failing).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no vault");
    assert_eq!(error.operation_id(), Some("createThing"));

    let nonsense = || async { Ok::<_, std::io::Error>("sk-\nsecret") };
    let core = builder().transport(script.clone()).api_key_source(nonsense).build().unwrap();
    let Error::InvalidRequest(error) = post(&core).await.unwrap_err() else { panic!() };
    assert_eq!(error.argument(), "api_key_source");
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn paths_are_joined_to_the_server_url_and_not_resolved() {
    let urls = [
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/things"),
        ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1/things"),
        ("https://proxy.example", "https://proxy.example/things"),
        ("https://proxy.example/", "https://proxy.example/things"),
        ("http://127.0.0.1:8080/a/b/c", "http://127.0.0.1:8080/a/b/c/things"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1/things"),
        ("HTTPS://Proxy.Example/V1", "https://Proxy.Example/V1/things"),
        (" https://proxy.example/v1\n", "https://proxy.example/v1/things"),
        ("http://a/ü", "http://a/%C3%BC/things"),
        ("https://proxy.example/ü/a b/%C3%BC", "https://proxy.example/%C3%BC/a%20b/%C3%BC/things"),
    ];
    for (server_url, url) in urls {
        let script = Script::new([answer(200, OK)]);
        post(&script.client().server_url(server_url).build().unwrap()).await.unwrap();
        assert_eq!(script.sent()[0].url, url, "{server_url}");
    }
    assert_eq!(builder().build().unwrap().server_url(), "https://openrouter.ai/api/v1");
}

#[test]
fn server_urls_that_cannot_be_one_are_refused() {
    for url in [
        "",
        "openrouter.ai",
        "/api/v1",
        "ftp://openrouter.ai",
        "https://",
        "https:///v1",
        "https://user:secret@openrouter.ai",
        "https://openrouter.ai/v1?key=1",
        "https://openrouter.ai/v1#x",
        "https://open router.ai",
        "https://openrouter.ai/\n/v1",
        "https://bücher.example/v1",
        "https://openrouter.ai:99999/v1",
        "not a url",
    ] {
        let (option, message) = refused(builder().server_url(url));
        assert_eq!(option, "server_url", "{url}");
        assert!(!message.contains("secret"), "{message}");
    }
    let (_, message) = refused(builder().server_url("https://bücher.example/v1"));
    assert!(message.contains("xn--"), "{message}");
}

#[tokio::test]
async fn nothing_compressed_is_asked_for_unless_the_program_does() {
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let core = script.core();
    post(&core).await.unwrap();
    post(&core).header("accept-encoding", "br").await.unwrap();
    let codings: Vec<_> = script.sent().iter().map(|sent| sent.headers["accept-encoding"].clone()).collect();
    assert_eq!(codings, ["identity", "br"]);
}

/// Replaces the transport that the client made.
#[derive(Debug)]
struct Replacing(Script);

impl Hook for Replacing {
    fn sdk_init(&self, config: &mut ClientConfig) -> Result<(), HookError> {
        config.transport = std::sync::Arc::new(self.0.clone());
        Ok(())
    }
}

#[tokio::test]
async fn the_limit_for_connecting_is_told_to_a_transport_that_a_hook_sets() {
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let limit = Duration::from_secs(3);
    let core = builder().api_key("k").connect_timeout(limit).hook(Replacing(script.clone())).build().unwrap();
    post(&core).await.unwrap();
    post(&core).connect_timeout(Duration::from_secs(4)).await.unwrap();
    let limits: Vec<_> = script.sent().iter().map(|sent| sent.connect_timeout.unwrap().as_secs()).collect();
    assert_eq!(limits, [3, 4]);
}

#[tokio::test]
async fn the_program_is_told_in_headers() {
    let script = Script::new([answer(200, OK), answer(200, OK)]);
    let core = script
        .client()
        .http_referer("https://my.example")
        .app_title("Größte App")
        .app_categories(["cli-agent", "chat"])
        .user_agent("my/1")
        .header("X-Custom", "yes")
        .build()
        .unwrap();
    post(&core).await.unwrap();
    let headers = &script.sent()[0].headers;
    assert_eq!(headers["http-referer"], "https://my.example");
    assert_eq!(headers["x-openrouter-title"].as_bytes(), "Größte App".as_bytes());
    assert_eq!(headers["x-openrouter-categories"], "cli-agent,chat");
    assert_eq!(headers["user-agent"], "my/1");
    assert_eq!(headers["x-custom"], "yes");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["accept"], "application/json");

    post(&script.core()).await.unwrap();
    let headers = &script.sent()[1].headers;
    assert!(headers["user-agent"].to_str().unwrap().starts_with("openrouter-kit/"));
    assert!(!headers.contains_key("http-referer"));
}

#[test]
fn wrong_values_are_refused_with_the_name_of_the_option() {
    let none: [&str; 0] = [];
    assert!(builder().app_categories(none).build().is_ok());
    let transport = HyperTransport::builder().no_proxy().build().unwrap();
    let cases = [
        ("http_referer", builder().http_referer("a\r\nb")),
        ("http_referer", builder().http_referer("")),
        ("app_title", builder().app_title("a\nb")),
        ("app_title", builder().app_title("")),
        ("app_categories", builder().app_categories(["Upper"])),
        ("app_categories", builder().app_categories(["with space"])),
        ("app_categories", builder().app_categories([""])),
        ("app_categories", builder().app_categories(["x".repeat(31)])),
        ("user_agent", builder().user_agent("a\0")),
        ("header", builder().header("x y", "1")),
        ("header", builder().header("x", "a\r\nInjected: 1")),
        ("header", builder().header("Content-Length", "1")),
        ("header", builder().header("host", "x")),
        ("max_error_body", builder().max_error_body(0)),
        ("max_event", builder().max_event(0)),
        ("max_body", builder().max_body(0)),
        ("proxy", builder().proxy("not a proxy")),
        ("proxy", builder().proxy("http://127.0.0.1:1").transport(transport)),
        ("retry_config", builder().retry_config(RetryConfig::backoff().max_attempts(0))),
        ("timeout", builder().timeout(Duration::ZERO)),
    ];
    for (option, builder) in cases {
        assert_eq!(refused(builder).0, option);
    }
}

#[test]
fn debug_shows_no_secret() {
    let builder = builder()
        .api_key("sk-or-v1-secret")
        .header("Authorization", "Bearer secret")
        .header("X-Api-Key", "secret")
        .header("Cookie", "secret")
        .proxy("http://user:secret@127.0.0.1:1");
    assert!(!format!("{builder:?}").contains("secret"), "{builder:?}");
    let core = builder.build().unwrap();
    assert!(!format!("{core:?}").contains("secret"), "{core:?}");
    let call = post(&core).header("x-api-key", "secret").header("authorization", "secret");
    assert!(!format!("{call:?}").contains("secret"), "{call:?}");
    let source = OpenRouterCore::builder().api_key_source(|| async { Ok::<_, std::io::Error>("secret") });
    assert!(!format!("{:?}", source.build().unwrap()).contains("secret"));
}

#[tokio::test]
async fn the_key_is_marked_as_sensitive() {
    let script = Script::new([answer(200, OK)]);
    post(&script.core()).await.unwrap();
    assert!(script.sent()[0].headers["authorization"].is_sensitive());
}

/// Runs the test `probe` of this program in a process of its own with these variables, and returns what it prints.
fn with_environment(variables: &[(&str, impl AsRef<OsStr>)]) -> (String, String) {
    let output = child("client::probe").envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Sends a request with what the environment says, and prints it. Run by the tests below.
#[tokio::test]
#[ignore = "a part of other tests"]
async fn probe() {
    let script = Script::new([answer(503, "{}"), answer(200, OK)]);
    let builder =
        builder().transport(script.clone()).retry_config(RetryConfig::backoff().initial_interval(Duration::ZERO));
    let builder = if std::env::var("CODE_WINS").is_ok() {
        builder.api_key("code").server_url("https://code.example").app_title("code").env()
    } else {
        builder.env()
    };
    match builder.build() {
        Ok(core) => match get(&core).await {
            Ok(_) => {
                let sent = &script.sent()[0];
                println!("URL {}", sent.url);
                for (name, value) in &sent.headers {
                    println!("HEADER {name}: {}", value.to_str().unwrap());
                }
            }
            Err(error) => println!("CALL {error}"),
        },
        Err(error) => println!("BUILD {error}"),
    }
}

#[test]
fn the_environment_gives_what_the_code_does_not_set() {
    let variables = [
        ("OPENROUTER_API_KEY", "sk-env"),
        ("OPENROUTER_BASE_URL", "https://env.example/api/v1"),
        ("OPENROUTER_HTTP_REFERER", "https://referer.example"),
        ("OPENROUTER_APP_TITLE", "Env"),
        ("OPENROUTER_APP_CATEGORIES", "chat, cli-agent"),
    ];
    let (output, log) = with_environment(&variables);
    for line in [
        "URL https://env.example/api/v1/things/one",
        "HEADER authorization: Bearer sk-env",
        "HEADER http-referer: https://referer.example",
        "HEADER x-openrouter-title: Env",
        "HEADER x-openrouter-categories: chat,cli-agent",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
    assert!(!log.contains("openrouter:"), "no log unless it is asked for: {log}");
}

#[test]
fn white_space_around_a_variable_is_left_out() {
    let (output, _) = with_environment(&[
        ("OPENROUTER_API_KEY", "sk-env\n"),
        ("OPENROUTER_BASE_URL", " https://env.example/api/v1\r\n"),
        ("OPENROUTER_APP_TITLE", "Env\n"),
    ]);
    for line in [
        "URL https://env.example/api/v1/things/one\n",
        "HEADER authorization: Bearer sk-env\n",
        "HEADER x-openrouter-title: Env\n",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
}

#[test]
fn code_wins_over_the_environment() {
    let (output, _) = with_environment(&[
        ("CODE_WINS", "1"),
        ("OPENROUTER_API_KEY", "sk-env"),
        ("OPENROUTER_BASE_URL", "https://env.example"),
        ("OPENROUTER_APP_TITLE", "Env"),
        ("OPENROUTER_HTTP_REFERER", "https://referer.example"),
    ]);
    for line in [
        "URL https://code.example/things/one",
        "HEADER authorization: Bearer code",
        "HEADER x-openrouter-title: code",
        "HEADER http-referer: https://referer.example",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
}

#[test]
fn empty_variables_count_as_absent_and_wrong_ones_are_refused() {
    let (output, _) = with_environment(&[("OPENROUTER_API_KEY", ""), ("OPENROUTER_BASE_URL", "")]);
    assert!(output.contains("CALL getThing: `api_key` is not set"), "{output}");
    let (output, _) = with_environment(&[("OPENROUTER_API_KEY", " \n")]);
    assert!(output.contains("CALL getThing: `api_key` is not set"), "{output}");
    let (output, _) = with_environment(&[("OPENROUTER_API_KEY", "sk-\nsecret")]);
    assert!(output.contains("BUILD `api_key` has more than one line") && !output.contains("secret"), "{output}");
    let (output, _) = with_environment(&[("OPENROUTER_API_KEY", "k"), ("OPENROUTER_BASE_URL", "nowhere")]);
    assert!(output.contains("BUILD `server_url`"), "{output}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;
    let bad = OsStr::from_bytes(b"https://gateway.example/\xFF");
    for name in ["API_KEY", "BASE_URL", "HTTP_REFERER", "APP_TITLE", "APP_CATEGORIES", "DEBUG"] {
        let name = format!("OPENROUTER_{name}");
        let (output, _) = with_environment(&[("OPENROUTER_API_KEY", OsStr::new("k")), (&name, bad)]);
        assert!(output.contains(&format!("BUILD `{name}`")), "{output}");
        assert!(!output.contains("gateway"), "{output}");
    }
    // Options that the code sets are not read.
    let (output, _) = with_environment(&[("CODE_WINS", OsStr::new("1")), ("OPENROUTER_BASE_URL", bad)]);
    assert!(output.contains("URL https://code.example/things/one"), "{output}");
}

#[test]
fn a_header_that_differs_from_request_to_request_is_refused() {
    for name in ["accept", "Content-Type"] {
        let (option, message) = refused(builder().header(name, "text/plain"));
        assert_eq!(option, "header");
        assert!(message.contains(&name.to_lowercase()), "{message}");
    }
}

#[test]
fn options_of_the_default_transport_are_refused_beside_another_one() {
    for (option, builder) in [
        ("proxy", builder().proxy("http://proxy.example")),
        ("http2", builder().http2(true)),
        ("roots", builder().roots([Roots::Platform])),
    ] {
        assert_eq!(refused(builder.transport(Script::new([]))).0, option);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_cannot_be_sent_tells_the_error_of_the_one_before() {
    let asked = AtomicUsize::new(0);
    let source = move || {
        let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Ok("key") } else { Err(std::io::Error::other("no vault")) } }
    };
    let script = Script::new([answer(503, r#"{"error":{"code":503,"message":"busy"}}"#)]);
    let core = builder().transport(script.clone()).api_key_source(source).build().unwrap();
    let error = post(&core).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 503);
    assert_eq!(error.attempts(), 1);
    let message = error.to_string();
    assert!(message.contains("busy") && message.contains("the request could not be retried"), "{message}");
    assert!(message.contains("`api_key_source`") && message.contains("no vault"), "{message}");
}

#[test]
fn the_debug_log_tells_method_url_status_and_time_and_no_secret() {
    let (_, log) = with_environment(&[("OPENROUTER_API_KEY", "sk-secret"), ("OPENROUTER_DEBUG", "1")]);
    let lines: Vec<_> = log.lines().filter(|line| line.starts_with("openrouter: ")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("getThing attempt 1: GET https://openrouter.ai/api/v1/things/{id}: 503"), "{log}");
    assert!(lines[1].contains("attempt 2") && lines[1].contains("200 OK after "), "{log}");
    assert!(!log.contains("secret"));
    for off in ["0", "false", ""] {
        let (_, log) = with_environment(&[("OPENROUTER_API_KEY", "k"), ("OPENROUTER_DEBUG", off)]);
        assert!(!log.contains("openrouter: "), "{log}");
    }
}
