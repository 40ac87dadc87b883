//! The command line of the generator; see `CONTRIBUTING.md`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use codegen::diff::Changes;
use codegen::emit::Files;
use codegen::surface::{self, Surface};
use codegen::{Failure, Generated, understand, update};

const USAGE: &str = "\
Writes the generated parts of openrouter-kit.

  cargo run -p codegen -- update FILE [--from OLD] take a new document: write the tree and the features, say what changes
                                                   for users (since OLD, or since the tree) and what is left to do
  cargo run -p codegen -- --spec FILE              write src/models, src/funcs, src/sdk, docs/sdks
  cargo run -p codegen -- --spec FILE --check      say what would change, exit 1 if anything would
  cargo run -p codegen -- --spec FILE --out DIR    write below DIR instead of the tree
  cargo run -p codegen -- diff OLD NEW             what changes for users of the crate, exit 1 if programs may break
  cargo run -p codegen -- docs --missing           places without a sentence, by the file in codegen/docs to write it in
  cargo run -p codegen -- docs --stale             sentences without a place

Without --spec the document is the one at ../shared/spec/openapi-2026-10-30.yaml next to the repository, if it exists.";

#[expect(clippy::print_stderr, reason = "a command-line program")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(Outcome { text, clean }) => {
            // Whoever reads the list may stop early.
            let _ = writeln!(std::io::stdout(), "{text}");
            if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

struct Outcome {
    text: String,
    clean: bool,
}

fn run(arguments: &[String]) -> Result<Outcome, Failure> {
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).map(PathBuf::from);
    let usual = codegen::home().join("../../shared/spec/openapi-2026-10-30.yaml");
    let spec = || {
        let given = value("--spec").or_else(|| usual.exists().then_some(usual));
        given.ok_or_else(|| Failure::new(format!("--spec FILE is missing\n\n{USAGE}")))
    };
    match arguments.first().map(String::as_str) {
        Some("diff") => {
            let [_, old, new] = arguments else { return Err(Failure::new(USAGE)) };
            let changes =
                Changes::between(&understand(Path::new(old))?.surface(), &understand(Path::new(new))?.surface());
            Ok(Outcome { text: changes.text(), clean: !changes.breaks() })
        }
        Some("update") => {
            let [_, new, options @ ..] = arguments else { return Err(Failure::new(USAGE)) };
            let root = codegen::home().join("..");
            let old = match options {
                [] => Surface::load(&root.join(surface::FILE))?,
                [from, old] if from == "--from" => understand(Path::new(old))?.surface(),
                _ => return Err(Failure::new(USAGE)),
            };
            let generated = understand(Path::new(new))?;
            let report = update::report(&old, &generated, &root);
            if !generated.undecided().is_empty() {
                let text = format!("{report}\n\nnothing is written yet: write the lines above and run this again");
                return Ok(Outcome { text, clean: false });
            }
            let written = write(&generated, &root, true)?;
            Ok(Outcome { text: format!("{report}\n\n{}", written.text), ..written })
        }
        Some("docs") => {
            let generated = understand(&spec()?)?;
            if flag("--missing") {
                let missing = generated.prose.missing(&generated.api);
                let count: usize = missing.values().map(BTreeSet::len).sum();
                let file = |(name, places): (&String, &BTreeSet<String>)| {
                    let places: String = places.iter().map(|place| format!("  {place}\n")).collect();
                    format!("codegen/docs/{name}.yaml:\n{places}")
                };
                let text: String = missing.iter().map(file).collect();
                return Ok(Outcome { text: format!("{text}{count} places"), clean: count == 0 });
            }
            let list = match flag("--stale") {
                true => generated.prose.stale(&generated.api, &generated.document),
                false => return Err(Failure::new(USAGE)),
            };
            Ok(Outcome { text: format!("{}{} places", lines(&list), list.len()), clean: list.is_empty() })
        }
        Some(first) if first.starts_with("--") && first != "--help" => {
            let spec = spec()?;
            let generated = understand(&spec)?;
            let root = codegen::home().join("..");
            match value("--out") {
                Some(folder) => write(&generated, &folder, false),
                None if flag("--check") => check(&generated, &root),
                None => write(&generated, &root, true),
            }
        }
        _ => Err(Failure::new(USAGE)),
    }
}

fn lines(list: &[String]) -> String {
    list.iter().map(|line| format!("{line}\n")).collect()
}

/// The folders that hold nothing but generated files.
const FOLDERS: &[&str] = &["src/models", "src/funcs", "src/sdk", "docs/sdks", "tests/reference"];

/// All files for the tree at `root`.
fn files(generated: &Generated, root: &Path) -> Result<Files, Failure> {
    let mut files = generated.files()?;
    // A folder to try a version in has no other documents.
    if root.join("README.md").exists() {
        codegen::emit::llms::emit(root, &mut files)?;
    }
    Ok(files)
}

fn write(generated: &Generated, root: &Path, strict: bool) -> Result<Outcome, Failure> {
    let undecided = generated.undecided();
    if strict && !undecided.is_empty() {
        let count = generated.equal.len();
        let text =
            format!("to be decided before the tree is written:\n{}{count} groups of equal types", lines(&undecided));
        return Err(Failure::new(text));
    }
    let failed = |error: std::io::Error| Failure::new(format!("cannot write below {}: {error}", root.display()));
    let files = files(generated, root)?;
    for folder in FOLDERS {
        let _ = std::fs::remove_dir_all(root.join(folder));
    }
    for (name, text) in &files {
        let path = root.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(&path, text).map_err(failed)?;
    }
    let manifest = root.join("Cargo.toml");
    if let Ok(text) = std::fs::read_to_string(&manifest) {
        std::fs::write(&manifest, update::manifest(&text, &generated.features())).map_err(failed)?;
    }
    let size: usize = files.values().map(|text| text.lines().count()).sum();
    let mut text = format!(
        "{} operations, {} types ({} equal to another without a reason), {} files, {size} lines",
        generated.api.operations.len(),
        generated.api.types.len(),
        generated.equal.len(),
        files.len()
    );
    for note in undecided {
        text.push_str(&format!("\nnote: {note}"));
    }
    for remark in generated.unused.iter().chain(&generated.remarks) {
        text.push_str(&format!("\nremark: {remark}"));
    }
    Ok(Outcome { text, clean: true })
}

fn check(generated: &Generated, root: &Path) -> Result<Outcome, Failure> {
    let mut differences = Vec::new();
    let files = files(generated, root)?;
    for (name, text) in &files {
        match std::fs::read_to_string(root.join(name)) {
            Err(_) => differences.push(format!("{name} is missing")),
            Ok(old) if old != *text => {
                let line = old.lines().zip(text.lines()).position(|(a, b)| a != b);
                let line = line.unwrap_or_else(|| old.lines().count().min(text.lines().count())) + 1;
                differences.push(format!("{name}:{line} differs"));
            }
            Ok(_) => {}
        }
    }
    for folder in FOLDERS {
        superfluous(root, Path::new(folder), &files, &mut differences);
    }
    differences.extend(generated.undecided());
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    if update::manifest(&manifest, &generated.features()) != manifest {
        differences.push("Cargo.toml: the features of namespaces differ".to_owned());
    }
    Ok(match differences.is_empty() {
        true => Outcome { text: format!("{} files are as the generator writes them", files.len()), clean: true },
        false => Outcome { text: format!("{}{} differences", lines(&differences), differences.len()), clean: false },
    })
}

fn superfluous(root: &Path, folder: &Path, files: &Files, differences: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = folder.join(entry.file_name());
        if entry.path().is_dir() {
            superfluous(root, &name, files, differences);
        } else if !files.contains_key(&name.to_string_lossy().replace('\\', "/")) {
            differences.push(format!("{} is not written by the generator", name.display()));
        }
    }
}
