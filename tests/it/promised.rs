//! The promises of README and SECURITY: each names its tests in docs/promises.md. And behavior that the documents promise
//! and that belongs to no other module.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::{Call, Parts, RetryConfig};
use openrouter_kit::errors::{Error, TimeoutPhase};
use openrouter_kit::mock::{Answer, Event};
use openrouter_kit::models::{ChatMessage, ChatRequest};
use serde_json::json;

use crate::a_limit::tokio;
use crate::support::{POST, Script, Step, Thing, body, get, post, response, serve, slow_body, soon, stream};

fn document(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Text without line breaks and list marks, so that a sentence is found wherever its lines are broken.
fn flat(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "-").collect::<Vec<_>>().join(" ")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of all tests that run, with how often each occurs.
fn tests() -> HashMap<String, usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["tests", "src", "codegen/tests"] {
        sources(&root.join(folder), &mut files);
    }
    let mut tests = HashMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut attributes = String::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                attributes.push_str(line);
                continue;
            }
            let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if let Some((name, _)) = function.and_then(|rest| rest.split_once('('))
                && attributes.contains("test")
                && !attributes.contains("#[ignore")
            {
                *tests.entry(name.to_owned()).or_default() += 1;
            }
            attributes.clear();
        }
    }
    tests
}

#[test]
fn every_promise_is_made_in_its_document_and_its_tests_run() {
    let tests = tests();
    let page = document("docs/promises.md");
    let mut promised = HashMap::<&str, String>::new();
    for section in page.split("\n## ").skip(1) {
        let (title, rows) = section.split_once('\n').unwrap();
        let text = flat(&document(title));
        for row in rows
            .lines()
            .filter(|row| row.starts_with("| ") && !row.starts_with("| Promise") && !row.starts_with("| ---"))
        {
            let (promise, proof) = row.trim_matches(['|', ' ']).rsplit_once(" | ").unwrap();
            assert!(text.contains(promise), "{title} does not say: {promise}");
            promised.entry(title).or_default().push_str(promise);
            let names: Vec<_> = proof.split('`').skip(1).step_by(2).collect();
            assert!(!names.is_empty(), "no test: {promise}");
            for name in names {
                assert!(tests.contains_key(name), "there is no test {name} that runs, for: {promise}");
            }
        }
    }
    // Every sentence of the promises in SECURITY.md has a row.
    let security = document("SECURITY.md");
    let (_, promises) = security.split_once("## What is promised").unwrap();
    let (promises, _) = promises.split_once("## What is not promised").unwrap();
    for item in promises.split("\n- ").skip(1).map(|item| item.split("\n\n").next().unwrap()) {
        let item = flat(item);
        let first = item.split(". ").next().unwrap().trim_end_matches('.');
        assert!(promised["SECURITY.md"].contains(first), "docs/promises.md has no row for: {first}");
    }
    let readme = document("README.md");
    for item in readme.split("\n- **").skip(1).take(4) {
        let claim = item.split("**").next().unwrap();
        assert!(promised["README.md"].contains(claim), "docs/promises.md has no row for: {claim}");
    }
}

/// A body that arrives in chunks, like from a network, so that its limits apply.
fn chunked(body: String) -> http::Response<openrouter_kit::core::body::Body> {
    let chunk: &'static str = body.leak();
    let mut response = response(200, "");
    *response.body_mut() = slow_body(vec![(Duration::ZERO, chunk)], None);
    response
}

#[tokio::test(start_paused = true)]
async fn a_response_of_64_mib_is_read_and_a_larger_one_is_refused() {
    const MAX_BODY: usize = 64 * 1024 * 1024;
    for (length, is_read) in [(MAX_BODY, true), (MAX_BODY + 1, false)] {
        let script = Script::new([Step::Answer(chunked(" ".repeat(length)))]);
        let outcome = Call::<()>::new(&script.core(), Parts::new(&POST)).await;
        assert_eq!(outcome.is_ok(), is_read, "{length}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_16_mib_is_read_and_a_larger_one_is_refused() {
    const MAX_EVENT: usize = 16 * 1024 * 1024;
    let frame = r#"data: {"id":""}"#.len();
    for (length, is_read) in [(MAX_EVENT, true), (MAX_EVENT + 1, false)] {
        let event = format!("data: {{\"id\":\"{}\"}}\n\ndata: [DONE]\n\n", "x".repeat(length - frame));
        let mut response = chunked(event);
        response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        let mut events = stream(&Script::new([Step::Answer(response)]).core()).await.unwrap();
        let outcome = events.next().await.unwrap();
        assert_eq!(outcome.is_ok(), is_read, "{length}");
        if let Err(error) = outcome {
            let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
            assert!(error.is_truncated() && error.to_string().contains("`max_event`"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_body_in_pieces_says_that_it_is_not_whole() {
    // A stream was requested, JSON began, and its end never came.
    let mut response = response(200, "");
    *response.body_mut() = slow_body(vec![(Duration::ZERO, "{\"id\":")], Some(Kind::Body));
    let error = stream(&Script::new([Step::Answer(response)]).core()).await.unwrap_err();
    let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
    assert!(error.is_truncated() && error.body() == "{\"id\":", "{error:?}");
    assert!(error.to_string().contains("`body()` for its beginning"), "{error}");
}

#[tokio::test]
async fn a_body_without_a_coding_may_say_so() {
    let (_server, core) = serve([Answer::json(200, json!({"id": "a"})).header("content-encoding", "identity")]).await;
    assert_eq!(soon(post(&core)).await.unwrap().get("id").unwrap(), "\"a\"");
}

#[tokio::test]
async fn a_collected_chat_has_what_only_one_chunk_said() {
    let chunk = |members: serde_json::Value| {
        let mut chunk =
            json!({"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []});
        chunk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Event::from(chunk)
    };
    let (server, _) = serve([Answer::stream([
        chunk(json!({"system_fingerprint": "fp_1"})),
        chunk(json!({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]})),
        chunk(json!({"openrouter_metadata": {"requested": "m", "strategy": "direct"}})),
    ])])
    .await;
    let request = ChatRequest::new([ChatMessage::user("Hello")]);
    let answer = soon(server.client().chat().stream(request)).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.system_fingerprint.as_deref(), Some("fp_1"));
    assert!(answer.openrouter_metadata.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_ends_with_default_options() {
    for step in [
        Step::Never,
        Step::Answer({
            let mut response = response(200, "");
            *response.body_mut() = slow_body(vec![(Duration::from_secs(1_000_000), "{}")], None);
            response
        }),
    ] {
        let script = Script::new([step]);
        let error = post(&script.client().retry_config(RetryConfig::none()).build().unwrap()).await.unwrap_err();
        let Error::Timeout(error) = error else { panic!("{error:?}") };
        assert!(matches!(error.phase(), TimeoutPhase::Response | TimeoutPhase::Idle), "{error}");
    }
}

#[tokio::test]
async fn advice_fits_the_error() {
    let wait = |status, code: &str| {
        Answer::json(status, json!({"error": {"code": status, "message": "no", "type": code}}))
            .header("retry-after", "9")
    };
    for (answer, advice) in [
        (wait(402, "payment_required"), "add credits"),
        (wait(401, "authentication_error"), "check the API key"),
        (wait(400, "invalid_request_error"), "correct the request"),
        (wait(429, "rate_limit_error"), "try again after 9s"),
        (wait(504, "timeout"), "check before retrying"),
    ] {
        let (_server, core) = serve([answer]).await;
        let call: Call<Thing> = Call::new(&core, Parts::new(&POST).json(&body()));
        let error = soon(call.retry_config(RetryConfig::none())).await.unwrap_err().to_string();
        assert!(error.contains(advice), "{error}");
    }

    let cut = || {
        let mut response = response(200, "");
        *response.body_mut() = slow_body(vec![(Duration::ZERO, "{")], Some(Kind::Body));
        Script::new([Step::Answer(response)]).client().retry_config(RetryConfig::none()).build().unwrap()
    };
    let error = post(&cut()).await.unwrap_err().to_string();
    assert!(error.contains("may be charged, so check before retrying"), "{error}");
    let error = get(&cut()).await.unwrap_err().to_string();
    assert!(error.contains("try again"), "{error}");
}
