//! Small documents, one for each family of constructs, and what the generator writes for them.
//!
//! `UPDATE_GOLDEN=1 cargo test -p codegen --test golden` writes the expected texts anew; read the difference before you
//! commit it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]

use std::io::Write;
use std::path::{Path, PathBuf};

use codegen::node::Node;
use codegen::overlay::Overlay;
use codegen::prose::Prose;
use codegen::understand_node;

/// All Rust that is written for a document, or why the generator stops.
fn written_for(document: &Path) -> String {
    let document = Node::load(document).unwrap();
    let generated = match understand_node(document, &Overlay::default(), Prose::default()) {
        Ok(generated) => generated,
        Err(failure) => return format!("stops:\n{failure}\n"),
    };
    let files = generated.files().unwrap();
    let rust = files.iter().filter(|(name, _)| name.starts_with("src/models/") || name.starts_with("src/funcs/"));
    let mut text: String = generated.notes.iter().map(|note| format!("// note: {note}\n")).collect();
    text.extend(generated.equal.iter().map(|line| format!("// equal: {line}\n")));
    text.extend(generated.remarks.iter().map(|remark| format!("// remark: {remark}\n")));
    for (name, content) in rust {
        let content = content.trim_start_matches(codegen::emit::HEADER);
        text.push_str(&format!("// ==== {name}\n{content}"));
    }
    text
}

fn documents() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut list: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    list.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    list.sort();
    list
}

/// Says that a test is skipped if rustfmt is missing. Not by a macro, whose output would be captured.
fn is_skipped() -> bool {
    let is_missing = codegen::rustfmt_is_missing();
    if is_missing {
        let _ = writeln!(std::io::stderr(), "skipped: golden texts, since rustfmt is not installed");
    }
    is_missing
}

#[test]
fn each_construct_is_written_as_expected() {
    if is_skipped() {
        return;
    }
    let mut wrong = Vec::new();
    for document in documents() {
        let expected = document.with_extension("rs.txt");
        let text = written_for(&document);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&expected, &text).unwrap();
        }
        let known = std::fs::read_to_string(&expected).unwrap_or_default();
        if known != text {
            let line = known.lines().zip(text.lines()).position(|(one, two)| one != two).unwrap_or_default();
            let now = text.lines().nth(line).unwrap_or("nothing");
            wrong.push(format!("{}, line {}: now {now:?}", expected.display(), line + 1));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nif that is right: UPDATE_GOLDEN=1 cargo test -p codegen --test golden",
        wrong.join("\n")
    );
}

#[test]
fn the_same_document_is_written_the_same_way_twice() {
    if is_skipped() {
        return;
    }
    for document in documents() {
        assert_eq!(written_for(&document), written_for(&document), "{}", document.display());
    }
}
