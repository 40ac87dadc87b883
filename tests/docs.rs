//! What the documents say: the programs of a reference page run, and links lead somewhere.

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

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = Vec::new();
    markdown(home, &mut documents);
    for folder in
        ["docs", "docs/migrating", "docs/sdks", "examples", "skills/openrouter-kit", "skills/openrouter-kit/references"]
    {
        markdown(&home.join(folder), &mut documents);
    }
    let mut links = 0;
    for document in &documents {
        // Text in backticks is not a link: the pages show text patterns.
        let text: String = std::fs::read_to_string(document).unwrap().split('`').step_by(2).collect();
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let defined =
            text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).map(|(_, target)| target);
        for target in inline.chain(defined) {
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

#[test]
fn every_relative_link_of_a_guide_leads_somewhere_in_rustdoc_too() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(home.join("src/guide.rs")).unwrap();
    let pages: Vec<_> = guide.split("\"../docs/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(pages.len() > 10);
    for page in pages {
        let text = std::fs::read_to_string(home.join("docs").join(page)).unwrap();
        let prose: String = text.split('`').step_by(2).collect();
        for target in prose.split("](").skip(1) {
            assert!(target.starts_with(['#', 'h']), "{page}: define the link to {}", target.lines().next().unwrap());
        }
        for name in text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).map(|(name, _)| name) {
            let is_relative = name.contains(".md") || name.starts_with("../");
            assert!(
                !is_relative || guide.contains(&format!("\n[{name}]: ")),
                "{page}: src/guide.rs does not define {name}"
            );
        }
    }
}

/// The programs of `docs/lines.md` by their headings, with the number of lines inside of `program`, without the value that
/// it returns at its end.
#[test]
fn the_lines_of_user_code_are_those_of_the_programs() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lines.md")).unwrap();
    let mut sections = page.split("\n## ");
    let table = sections.next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| [")?.split_once("]("));
    let stated: Vec<_> =
        rows.map(|(task, rest)| (task, rest.split(" | ").nth(1).unwrap().trim_end_matches(" |"))).collect();
    let counted: Vec<_> = sections
        .map(|section| {
            let (task, rest) = section.split_once('\n').unwrap();
            let (_, body) = rest.split_once("async fn program(").unwrap();
            let (body, _) = body.split_once("\n}").unwrap();
            (task, (body.lines().count() - 2).to_string())
        })
        .collect();
    assert_eq!(stated, counted.iter().map(|(task, lines)| (*task, lines.as_str())).collect::<Vec<_>>());
    assert!(counted.len() > 4);

    // The guide of agents says so of the same program.
    assert!(counted.contains(&("Agent with two tools, streamed", "9".to_owned())));
    let (_, agent) = page.split_once("\n## Agent with two tools, streamed\n").unwrap();
    let program = &agent[agent.find("async fn program(").unwrap()..];
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/agents.md")).unwrap();
    assert!(guide.contains("it takes [nine lines of code]") && guide.contains(program.split_once("\n}").unwrap().0));
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
}

#[test]
fn every_page_with_a_program_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join("src").join(name)).unwrap();
    let compiled = read("documents.rs") + &read("guide.rs");
    let mut pages = Vec::new();
    markdown(root, &mut pages);
    markdown(&root.join("docs"), &mut pages);
    for page in pages {
        if std::fs::read_to_string(&page).unwrap().contains("\n```rust") {
            let path = page.strip_prefix(root).unwrap().display().to_string().replace('\\', "/");
            assert!(
                compiled.contains(&format!("\"../{path}\"")),
                "neither src/documents.rs nor src/guide.rs compiles {}",
                page.display()
            );
        }
    }
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

#[test]
fn the_skill_for_coding_agents_is_short_and_links_all_its_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills/openrouter-kit");
    let skill = std::fs::read_to_string(folder.join("SKILL.md")).unwrap();
    assert!(skill.starts_with("---\nname: openrouter-kit\ndescription: "));
    assert!(skill.lines().count() <= 250);
    let mut pages = Vec::new();
    markdown(&folder.join("references"), &mut pages);
    assert!(!pages.is_empty());
    for page in pages {
        let link = format!("(references/{})", page.file_name().unwrap().to_string_lossy());
        assert!(skill.contains(&link), "{link}");
    }
}

#[test]
fn the_pictures_show_what_the_documents_say() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(home.join(path)).unwrap();
    let measured = read("docs/performance.md").replace(['*', ','], "");
    let chart = read("docs/pictures/performance.svg");
    let texts = chart.split("</text>").filter_map(|text| text.rsplit('>').next());
    let numbers: Vec<_> = texts.filter(|text| text.parse::<f64>().is_ok()).collect();
    assert!(numbers.len() > 10);
    for number in numbers {
        assert!(measured.contains(&format!(" {number} ")), "{number} is outdated: run scripts/pictures.py");
    }
    let line = "12 tokens in, 28 out, 0.0000186 US dollars";
    assert!(read("examples/README.md").contains(line) && read("docs/pictures/quickstart.svg").contains(line));
}
