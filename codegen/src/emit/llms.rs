//! `llms.txt` and `llms-full.txt`: the documentation for language models, as links and as one text. Both are made of the
//! other documents.

use std::path::Path;

use super::Files;
use crate::Failure;

/// Where the links lead.
const BASE: &str = "https://github.com/openrouter-kit/openrouter-kit/blob/main/";

/// Pages of `docs` about the crate itself, which do not help to write programs.
const OPTIONAL: &[&str] = &[
    "error-texts",
    "faults",
    "fuzzing",
    "lines",
    "mutants",
    "performance",
    "promises",
    "recorded-traffic",
    "versions",
];

/// Adds both files. `files` has the reference pages; the other documents are read from the tree at `root`.
pub fn emit(root: &Path, files: &mut Files) -> Result<(), Failure> {
    let readme = read(root, "README.md")?;
    let (title, rest) = readme.split_once("\n\n").unwrap_or((&readme, ""));
    let mut list = format!("{title}\n\n> {}\n", first_sentence(rest));
    let mut full = format!("{}\n", readme.trim_end());

    let mut section = |heading: &str, pages: &[(String, String)], in_full: bool| {
        list.push_str(&format!("\n## {heading}\n\n"));
        for (path, text) in pages {
            let text = without_marks(text);
            list.push_str(&format!("- [{}]({BASE}{path}): {}\n", heading_of(text), first_sentence(text)));
            if in_full {
                full.push_str(&format!("\n<!-- {path} -->\n\n{}\n", text.trim_end()));
            }
        }
    };
    let skill = folder(root, "skills/openrouter-kit/references")?;
    let skill = [("skills/openrouter-kit/SKILL.md".to_owned(), read(root, "skills/openrouter-kit/SKILL.md")?)]
        .into_iter()
        .chain(skill);
    section("For coding agents", &skill.collect::<Vec<_>>(), true);
    let is_optional = |path: &str| OPTIONAL.iter().any(|name| path == format!("docs/{name}.md"));
    let (optional, guides): (Vec<_>, Vec<_>) =
        folder(root, "docs")?.into_iter().partition(|(path, _)| is_optional(path));
    section("Guides", &guides, true);
    section("Migrating", &folder(root, "docs/migrating")?, true);
    let reference = files.iter().filter(|(path, _)| path.starts_with("docs/sdks/") && !path.ends_with("README.md"));
    let reference: Vec<_> = reference.map(|(path, text)| (path.clone(), overview(text).to_owned())).collect();
    section("Reference", &reference, true);
    section("Optional", &optional, false);

    // The page of the examples is a table already.
    list.push_str("\n## Examples\n\n");
    let examples = read(root, "examples/README.md")?;
    for row in examples.lines().filter_map(|line| line.strip_prefix("| [")) {
        let Some((name, (file, what))) =
            row.split_once("](").and_then(|(name, rest)| Some((name, rest.split_once(") | ")?)))
        else {
            continue;
        };
        let what = what.split(" | ").next().unwrap_or_default().trim_end_matches(" |");
        list.push_str(&format!("- [{name}]({BASE}examples/{file}): {}\n", what.replace("\\|", "|")));
    }
    files.insert("llms.txt".to_owned(), list);
    files.insert("llms-full.txt".to_owned(), full);
    Ok(())
}

fn read(root: &Path, path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(root.join(path)).map_err(|error| Failure::new(format!("cannot read {path}: {error}")))
}

/// The pages of a folder, by path.
fn folder(root: &Path, folder: &str) -> Result<Vec<(String, String)>, Failure> {
    let failed = |error| Failure::new(format!("cannot read {folder}: {error}"));
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            let path = format!("{folder}/{name}");
            let text = read(root, &path)?;
            pages.push((path, text));
        }
    }
    pages.sort();
    Ok(pages)
}

/// A page without the comment or the settings that it begins with.
fn without_marks(text: &str) -> &str {
    let text = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map_or(text, |(_, rest)| rest);
    let text = text.strip_prefix("<!-- ").and_then(|rest| rest.split_once(" -->\n")).map_or(text, |(_, rest)| rest);
    text.trim_start()
}

/// A reference page up to its first operation: what the namespace is for, and its operations.
fn overview(page: &str) -> &str {
    let mut sections = page.match_indices("\n## ").skip(1);
    sections.next().map_or(page, |(end, _)| page.get(..end).unwrap_or(page))
}

fn heading_of(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default()
}

/// The first sentence of the text, which is neither code nor a heading, a table or a list.
fn first_sentence(text: &str) -> String {
    let mut is_code = false;
    let prose = text.lines().filter(|line| {
        is_code ^= line.starts_with("```");
        !is_code && !line.starts_with(['#', '|', '-']) && !line.starts_with("```") && !line.starts_with("[![")
    });
    let paragraph: Vec<_> = prose.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    let line = paragraph.join(" ");
    let end = line.find(". ").map_or(line.len(), |end| end + 1);
    line.get(..end).unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_described_by_its_first_sentence() {
        let page = "---\nname: x\n---\n\n# Title\n\n## Part\n\n```rust\ncode();\n\ncode();\n```\n\nOne line\nand one more. Then\nmore.\n\nLast.\n";
        let page = without_marks(page);
        assert_eq!((heading_of(page), &*first_sentence(page)), ("Title", "One line and one more."));
    }

    #[test]
    fn a_reference_page_is_shown_up_to_its_first_operation() {
        let page = "<!-- generated -->\n\n# Chat\n\n## Overview\n\n* [send](#send)\n\n## send\n\nMore.\n";
        assert_eq!(without_marks(overview(page)), "# Chat\n\n## Overview\n\n* [send](#send)\n");
    }
}
