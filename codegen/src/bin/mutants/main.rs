//! Runs the mutants that cargo-mutants lists, compiled together.
//!
//! cargo-mutants builds the crate once for each mutant, which takes days for thousands of them. Here all are compiled into one
//! copy of the crate, each behind the question whether it is chosen. Every test runs alone once, which shows the mutants it
//! reaches. Then the tests of each mutant run, the most specific ones first, until one fails.
//!
//! ```text
//! cargo mutants --list --json … > LIST
//! cargo run -p codegen --bin mutants -- LIST COPY [TEXT]
//! ```
//!
//! COPY is a folder for the changed crate and for `results.txt`. A later run with the same folder leaves out what was killed.
//! With TEXT, only mutants are run whose name contains it.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a check of this repository, which prints and may end with a panic"
)]

mod changed;
mod edits;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::{env, fs};

use serde_json::Value;

use crate::changed::{ABSENT, Crate, FORM, Refused};
use crate::run::Test;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A change that cargo-mutants would make.
struct Mutant {
    name: String,
    file: String,
    /// What is changed: `FnValue`, `BinaryOperator`, `MatchArm`.
    genre: String,
    replacement: String,
    /// The bytes that are replaced.
    span: Range<usize>,
}

fn main() -> ExitCode {
    match run_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run_all() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (list, folder, text) = match arguments.as_slice() {
        [list, folder] => (list, folder, ""),
        [list, folder, text] => (list, folder, text.as_str()),
        _ => return Err("usage: mutants LIST COPY [TEXT]".into()),
    };
    fs::create_dir_all(folder)?;
    let folder = &fs::canonicalize(folder)?;
    copy(folder)?;
    let list: Vec<Value> = serde_json::from_slice(&fs::read(list)?)?;
    let mut sources = BTreeMap::new();
    for file in list.iter().filter_map(|entry| entry["file"].as_str()) {
        sources.insert(file.to_owned(), fs::read_to_string(folder.join(file))?);
    }
    let mutants: Vec<Mutant> = list.iter().map(|entry| mutant(entry, &sources)).collect();
    switch(folder, mutants.len())?;

    // By name, since numbers change with the list.
    let known = folder.join("refused.json");
    let mut refused: Refused =
        fs::read(&known).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
    refused.retain(|name, _| names.contains(name.as_str()));
    let mut changed = Crate::new(folder, &mutants, refused);
    changed.compile(&sources)?;
    fs::write(&known, serde_json::to_vec_pretty(&changed.refused)?)?;

    let tests = run::record(&changed.build()?, folder)?;
    println!("{} tests pass alone", tests.len());
    let mut reaching: Vec<Vec<&Test>> = mutants.iter().map(|_| Vec::new()).collect();
    for test in &tests {
        test.reached.iter().for_each(|id| reaching[*id].push(test));
    }

    let results = folder.join("results.txt");
    let earlier = fs::read_to_string(&results).unwrap_or_default();
    let killed: BTreeSet<&str> =
        earlier.lines().filter_map(|line| Some(line.strip_prefix("killed ")?.split_once(" | ")?.0)).collect();
    let is_left = |mutant: &Mutant| {
        !changed.refused.contains_key(&mutant.name)
            && !killed.contains(mutant.name.as_str())
            && mutant.name.contains(text)
    };
    let left: Vec<usize> = (0..mutants.len()).filter(|id| is_left(&mutants[*id])).collect();
    println!("{} mutants, {} of them killed before, {} to run", mutants.len(), killed.len(), left.len());
    let results = Mutex::new(fs::OpenOptions::new().create(true).append(true).open(&results)?);
    let survivors = Mutex::new(0);
    run::in_parallel(left.len(), |index| {
        let id = left[index];
        let (name, tests) = (&mutants[id].name, &reaching[id]);
        let line = match run::first_failure(id, tests, folder)? {
            Some(failed) => format!("killed {name} | {failed}"),
            None if tests.is_empty() => format!("unreached {name} | "),
            None => format!("survived {name} | {} tests", tests.len()),
        };
        if !line.starts_with("killed") {
            println!("{line}");
            *survivors.lock().map_err(|_| "a thread failed")? += 1;
        }
        Ok(writeln!(results.lock().map_err(|_| "a thread failed")?, "{line}")?)
    })?;
    let refused = |reason: &str| changed.refused.values().filter(|other| *other == reason).count();
    let (form, absent) = (refused(FORM), refused(ABSENT));
    let wrong = changed.refused.len() - form - absent;
    println!(
        "{} mutants: {} survived now, {wrong} do not compile, {absent} are in code that is not compiled, {form} cannot be \
         compiled together with the others",
        mutants.len(),
        survivors.into_inner()?,
    );
    Ok(())
}

/// Copies what is committed. The recorded traffic and the API document next to the repository stay behind.
fn copy(folder: &Path) -> Result<(), Failure> {
    let copied = Command::new("sh").args(["-c", "git archive HEAD | tar -x -m -C \"$0\""]).arg(folder).status()?;
    if copied.success() { Ok(()) } else { Err("the repository could not be copied".into()) }
}

/// Reads an entry of the list.
fn mutant(entry: &Value, sources: &BTreeMap<String, String>) -> Mutant {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let source = &sources[&text("file")];
    let lines = edits::lines(source);
    let [start, end] = ["start", "end"].map(|name| {
        let [line, column] = ["line", "column"].map(|part| entry["span"][name][part].as_u64().unwrap_or(1) as usize);
        edits::offset(source, &lines, line - 1, column - 1)
    });
    Mutant {
        name: text("name"),
        file: text("file"),
        genre: text("genre"),
        replacement: text("replacement"),
        span: start..end,
    }
}

/// Adds the module that knows which mutant is chosen.
fn switch(folder: &Path, count: usize) -> Result<(), Failure> {
    let root = folder.join("src/lib.rs");
    let features = "#![feature(core_intrinsics, const_eval_select)]\n#![allow(internal_features)]";
    fs::write(&root, format!("{features}\n{}\nmod mutants;\n", fs::read_to_string(&root)?))?;
    fs::write(folder.join("src/mutants.rs"), include_str!("switch.rs").replace("COUNT]", &format!("{count}]")))?;
    Ok(())
}
