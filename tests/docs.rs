//! What the documents say: the programs of a reference page run, the examples do what they tell, and links lead somewhere.

#![cfg(all(feature = "responses", feature = "chat"))]
#![allow(clippy::print_stdout, reason = "the programs of the documents print")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::{OpenRouter, OpenRouterCore};
use serde_json::json;

#[path = "reference/beta_responses.rs"]
mod beta_responses;

thread_local! {
    /// What the programs of the pages talk through. Every test has its own thread.
    static CORE: RefCell<Option<OpenRouterCore>> = const { RefCell::new(None) };
}

fn core() -> OpenRouterCore {
    CORE.with_borrow(|core| core.clone().expect("the test has started a server"))
}

fn client() -> OpenRouter {
    OpenRouter::from(core())
}

async fn server(answers: impl IntoIterator<Item = Answer>) -> MockServer {
    let server = MockServer::start().await;
    for answer in answers {
        server.answer(answer);
    }
    CORE.set(Some(server.client().core().clone()));
    server
}

fn blocked_by_guardrail() -> Answer {
    Answer::json(
        403,
        json!({
            "error": {
                "code": 403,
                "message": "A pattern that is not allowed was found",
                "metadata": {"patterns": ["ignore all previous instructions"], "error_type": "content_policy_violation"},
            },
            "openrouter_metadata": {"pipeline": [{"type": "guardrail", "data": {"action": "blocked"}}]},
        }),
    )
}

fn insufficient_permissions() -> Answer {
    Answer::error(403, "This key may not do that")
}

#[tokio::test]
async fn the_examples_of_beta_responses_run_with_the_facade_and_with_the_function() {
    let server = server([]).await;
    beta_responses::send_example_usage::main().await.unwrap();
    beta_responses::send_standalone_function::main().await.unwrap();
    beta_responses::stream_example_usage::main().await.unwrap();
    beta_responses::stream_standalone_function::main().await.unwrap();

    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    for (request, stream) in requests.iter().zip([false, false, true, true]) {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/responses"));
        assert_eq!(
            request.json(),
            json!({"model": "openai/gpt-4o-mini", "input": "Tell me a joke.", "stream": stream})
        );
    }
}

#[tokio::test]
async fn the_examples_for_a_guardrail_handle_that_and_nothing_else() {
    let server = server([
        blocked_by_guardrail(),
        blocked_by_guardrail(),
        insufficient_permissions(),
        insufficient_permissions(),
    ])
    .await;
    beta_responses::send_example_usage_guardrail_blocked::main().await.unwrap();
    beta_responses::send_standalone_function_guardrail_blocked::main().await.unwrap();
    let asked = &server.requests()[0];
    assert_eq!(asked.headers.get("x-openrouter-metadata").unwrap(), "enabled");

    let facade = beta_responses::send_example_usage_guardrail_blocked::main().await;
    let function = beta_responses::send_standalone_function_guardrail_blocked::main().await;
    for error in [facade.unwrap_err(), function.unwrap_err()] {
        assert_eq!(error.as_api().map(|error| error.kind()), Some(ApiErrorKind::Forbidden));
    }
    assert_eq!(server.requests().len(), 4, "a refusal is not retried");
}

#[tokio::test]
async fn the_examples_for_permissions_handle_that_and_nothing_else() {
    let server = server([
        insufficient_permissions(),
        insufficient_permissions(),
        blocked_by_guardrail(),
        blocked_by_guardrail(),
    ])
    .await;
    beta_responses::send_example_usage_insufficient_permissions::main().await.unwrap();
    beta_responses::send_standalone_function_insufficient_permissions::main().await.unwrap();

    let facade = beta_responses::send_example_usage_insufficient_permissions::main().await;
    let function = beta_responses::send_standalone_function_insufficient_permissions::main().await;
    for error in [facade.unwrap_err(), function.unwrap_err()] {
        let Error::Api(error) = error else { panic!("{error}") };
        assert_eq!(error.error_type(), Some("content_policy_violation"));
        assert_eq!(error.metadata().unwrap()["patterns"][0], "ignore all previous instructions");
        assert_eq!(error.openrouter_metadata().unwrap()["pipeline"][0]["type"], "guardrail");
    }
    assert_eq!(server.requests().len(), 4);
}

/// Runs an example as a user does who has no key, and answers with what it prints.
fn run(example: &str) -> String {
    // Beside the folder of the test: `cargo test` builds the examples, too.
    let folder = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    let program = folder.join(example).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is not built; run `cargo build --examples` first", program.display());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OPENROUTER_")) {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example} failed: {failed}\nafter: {printed}");
    printed
}

#[test]
fn the_quickstart_prints_a_streamed_and_a_whole_answer_with_usage_and_cost() {
    let printed = run("quickstart");
    let (before, after) = printed.split_once("Whole:").unwrap();
    assert!(before.contains("OPENROUTER_API_KEY is not set") && before.contains("Streamed:"), "{printed}");
    for part in [before, after] {
        assert!(part.contains("Hello!"), "{printed}");
        assert!(part.contains(" tokens in, ") && part.contains(" US dollars"), "{printed}");
    }
}

#[test]
fn the_hook_examples_do_what_they_tell() {
    assert!(run("add_header").contains("x-request-number: Some(\"2\")"));

    let printed = run("measure_time");
    assert!(printed.contains("createResponses attempt 1: 503 after "), "{printed}");
    assert!(printed.contains("createResponses attempt 2: 200 after "), "{printed}");

    let printed = run("refuse_by_policy");
    assert!(printed.contains("openai/gpt-4o-mini: answered"), "{printed}");
    assert!(printed.contains("openai/o3-pro: the model openai/o3-pro is not allowed here"), "{printed}");
    assert!(printed.contains("the server saw 1 request"), "{printed}");

    let printed = run("record_to_file");
    assert!(printed.contains(">>> createResponses POST ") && printed.contains("{\"input\":\"Hello\""), "{printed}");
    assert!(printed.contains("<<< 200 OK") && printed.contains("data: [DONE]"), "{printed}");
}

#[test]
fn the_other_examples_come_to_their_end() {
    assert!(run("minimal").contains("Hello!"));

    let printed = run("agent_loop");
    assert!(printed.contains("get_current_weather({\"city\":\"Lisbon\"})\n"), "{printed}");
    assert!(printed.contains("It is warmer in Lisbon: 24 °C against 9 °C.\n"), "{printed}");
    assert!(printed.ends_with("2 model calls, 0.00004 dollars\n"), "{printed}");

    let printed = run("gateway");
    assert!(printed.starts_with("HTTP/1.1 200 OK") && printed.contains("\"content\":\"Hello! \""), "{printed}");
    assert!(printed.trim_end().ends_with("data: [DONE]"), "{printed}");
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = Vec::new();
    markdown(home, &mut documents);
    for folder in ["docs", "docs/sdks"] {
        markdown(&home.join(folder), &mut documents);
    }
    let mut links = 0;
    for document in &documents {
        // Text in backticks is not a link: the pages show text patterns.
        let text: String = std::fs::read_to_string(document).unwrap().split('`').step_by(2).collect();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, _) = target.split_once('#').unwrap_or((target, ""));
            if file.is_empty() || target.contains("://") || target.contains(['<', ' ', '\n']) {
                continue;
            }
            links += 1;
            let place = document.with_file_name("").join(file);
            assert!(place.exists(), "{} links to {target}, which is not there", document.display());
        }
    }
    assert!(documents.len() > 30 && links > 100, "{} documents, {links} links", documents.len());
}

/// The programs of `docs/lines.md` by their headings, with the number of lines inside of `program`, without the value that
/// it returns at its end.
#[test]
fn the_lines_of_user_code_are_those_of_the_programs() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lines.md")).unwrap();
    let mut sections = page.split("\n## ");
    let table = sections.next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| [")?.split_once("]("));
    let told: Vec<_> =
        rows.map(|(task, rest)| (task, rest.split(" | ").nth(1).unwrap().trim_end_matches(" |"))).collect();
    let counted: Vec<_> = sections
        .map(|section| {
            let (task, rest) = section.split_once('\n').unwrap();
            let (_, body) = rest.split_once("async fn program(").unwrap();
            let (body, _) = body.split_once("\n}").unwrap();
            (task, (body.lines().count() - 2).to_string())
        })
        .collect();
    assert_eq!(told, counted.iter().map(|(task, lines)| (*task, lines.as_str())).collect::<Vec<_>>());
    assert!(counted.len() > 4);
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
}

#[test]
fn programs_of_the_documents_need_no_crate_that_their_page_does_not_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = vec![root.join("README.md")];
    pages.extend(std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        let blocks = text.split("```").skip(1).step_by(2).filter(|block| block.starts_with("rust"));
        for block in blocks {
            for line in block.lines() {
                let Some(path) = line.trim_start().strip_prefix("use ") else { continue };
                let krate = path.split([':', ';']).next().unwrap();
                let is_local = matches!(krate, "std" | "openrouter_kit" | "tokio" | "self" | "super" | "crate");
                let is_listed = text.contains(&format!("\n{} = ", krate.replace('_', "-")))
                    || text.contains(&format!("\n{krate} = "));
                assert!(is_local || is_listed, "{}: {line}", page.display());
            }
            for krate in ["http::", "bytes::", "serde_json::"] {
                let bare = block.contains(krate)
                    && !block.contains(&format!("use openrouter_kit::{}", krate.trim_end_matches(':')));
                assert!(!bare, "{} uses {krate} without a path", page.display());
            }
        }
    }
}
