//! What a new document means for the tree: the section for the changelog, and what is left to do by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::Generated;
use crate::diff::{Change, Changes};
use crate::surface::Surface;

/// The handwritten code and documents that may mention generated names.
const BY_HAND: &[&str] = &[
    "README.md",
    "benches",
    "docs",
    "examples",
    "fuzz",
    "src/blocking",
    "src/core",
    "src/helpers",
    "src/mock",
    "src/oauth",
    "tests",
];

/// Folders below those that hold generated files.
const GENERATED: &[&str] = &["docs/sdks", "tests/reference"];

/// The report about the step from `old` to the new document, for the tree at `root`.
pub fn report(old: &Surface, new: &Generated, root: &Path) -> String {
    let now = new.surface();
    let changes = Changes::between(old, &now);
    let missing = new.prose.missing(&new.api);
    let sentences = missing.iter().map(|(file, places)| {
        let places: String = places.iter().map(|place| format!("  {place}\n")).collect();
        format!("codegen/docs/{file}.yaml:\n{places}")
    });
    let lines = |list: Vec<String>| list.into_iter().map(|line| line + "\n").collect::<String>();
    let parts = [
        ("For CHANGELOG.md", changes.section() + "\n"),
        ("Unions that the generator decided by itself; check the conditions", lines(unions(old, &now))),
        ("Handwritten code that mentions what changed", lines(touched(&changes, root))),
        ("Ignored", lines(new.remarks.clone())),
        ("Sentences to write", sentences.collect()),
        ("Decisions to take", lines(new.undecided())),
    ];
    let parts = parts.iter().filter(|(_, text)| !text.trim().is_empty());
    let text: String = parts.map(|(title, text)| format!("== {title}\n{text}\n")).collect();
    if text.is_empty() { "nothing changes".to_owned() } else { text.trim_end().to_owned() }
}

/// Unions that are new or distinguished in another way, if the document does not say how.
fn unions(old: &Surface, new: &Surface) -> Vec<String> {
    let decided = new.types.iter().filter(|(_, item)| item.what == "union" && item.constants.contains(':'));
    let changed = decided.filter(|(name, item)| old.types.get(*name).is_none_or(|was| was.constants != item.constants));
    changed.map(|(name, item)| format!("{name} ({}): {}", item.key, item.constants)).collect()
}

/// The files that mention what is renamed, removed or different, each with the names.
fn touched(changes: &Changes, root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for place in BY_HAND {
        collect(&root.join(place), root, &mut files);
    }
    files.sort();
    let mut lines = Vec::new();
    for (name, path) in files {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let mut found: BTreeSet<String> =
            changes.renamed.keys().filter(|old| words.contains(old.as_str())).map(|old| format!("`{old}`")).collect();
        let gone = changes.breaking.iter().chain(&changes.removed);
        found.extend(gone.filter(|change| mentions(&text, &words, change)).map(
            |Change { what, owner, part, .. }| {
                if *what == "fn" {
                    format!("`{part}`")
                } else if part.is_empty() {
                    format!("`{owner}`")
                } else {
                    format!("`{owner}.{part}`")
                }
            },
        ));
        if !found.is_empty() {
            lines.push(format!("{name}: {}", found.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }
    lines
}

/// Whether a text is about what changed. A part counts if its type is in the same file.
fn mentions(text: &str, words: &BTreeSet<&str>, change: &Change) -> bool {
    let Change { what, owner, part, .. } = change;
    match *what {
        "fn" => {
            let method = part.strip_prefix(owner.as_str()).map(|rest| rest.trim_start_matches('_')).unwrap_or_default();
            words.contains(part.as_str())
                || text.contains(&format!("{owner}()")) && text.contains(&format!(".{method}("))
        }
        _ => words.contains(owner.as_str()) && (part.is_empty() || words.contains(part.as_str())),
    }
}

fn collect(path: &Path, root: &Path, files: &mut Vec<(String, PathBuf)>) {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    if GENERATED.contains(&name.as_str()) || name.ends_with("/target") {
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        if path.extension().is_some_and(|extension| extension == "rs" || extension == "md") && path.exists() {
            files.push((name, path.to_owned()));
        }
        return;
    };
    entries.filter_map(Result::ok).for_each(|entry| collect(&entry.path(), root, files));
}

/// The line after which the features of namespaces are in `Cargo.toml`.
const NAMESPACES: &str = "# --- Namespaces of the API";

/// `Cargo.toml` with a feature for each namespace, and all of them in `full`. A feature keeps what it asks for besides:
/// the crates that its extensions need.
pub fn manifest(text: &str, features: &BTreeMap<String, Vec<String>>) -> String {
    let Some(title) = text.find(NAMESPACES) else { return text.to_owned() };
    let start = text.get(title..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| title + end + 1);
    let end = text.get(start..).and_then(|rest| rest.find("\n\n")).map_or(text.len(), |end| start + end + 1);
    let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
    let (old, after) = rest.split_at_checked(end - start).unwrap_or((rest, ""));
    let names: Vec<String> = features.keys().map(|name| format!("\"{name}\",")).collect();
    let mut own = "full = [\n".to_owned();
    let mut line = String::new();
    for name in &names {
        if line.len() + name.len() > 112 {
            own.push_str(&format!("   {line}\n"));
            line.clear();
        }
        line.push_str(&format!(" {name}"));
    }
    own.push_str(&format!("   {line}\n]\n"));
    for (name, needs) in features {
        let known =
            old.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("= [")?.strip_suffix(']'));
        let besides = known.into_iter().flat_map(|list| list.split(", ")).filter(|need| need.contains([':', '/']));
        let needs: Vec<String> =
            besides.map(str::to_owned).chain(needs.iter().map(|need| format!("\"{need}\""))).collect();
        own.push_str(&format!("{name} = [{}]\n", needs.join(", ")));
    }
    format!("{before}{own}{after}")
}
