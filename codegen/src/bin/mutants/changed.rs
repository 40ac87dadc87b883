//! The copy of the crate with all mutants that compile.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::edits::{self, Changed};
use crate::{Failure, Mutant};

/// The reason for which a mutant is not compiled, by name: the code of the compiler's error, or one of these.
pub(crate) type Refused = BTreeMap<String, String>;

/// The compiler accepts the mutant, but not the condition for it.
pub(crate) const FORM: &str = "form";

/// The code belongs to another platform or to other features.
pub(crate) const ABSENT: &str = "absent";

pub(crate) struct Crate<'a> {
    folder: &'a Path,
    mutants: &'a [Mutant],
    pub(crate) refused: Refused,
    files: HashMap<&'a str, Changed>,
}

impl<'a> Crate<'a> {
    pub(crate) fn new(folder: &'a Path, mutants: &'a [Mutant], refused: Refused) -> Self {
        Self { folder, mutants, refused, files: HashMap::new() }
    }

    /// Writes the mutants into the files and refuses those that the compiler refuses. `sources` are the files without them.
    pub(crate) fn compile(&mut self, sources: &'a BTreeMap<String, String>) -> Result<(), Failure> {
        loop {
            let before = self.refused.len();
            self.write(sources)?;
            let output = self.cargo(&["check", "--lib"])?;
            let messages: Vec<Value> = messages(&output).map(|mut line| line["message"].take()).collect();
            if output.status.success() {
                self.refuse_absent(&messages);
                return Ok(());
            }
            let errors: Vec<&Value> = messages.iter().filter(|message| message["level"] == "error").collect();
            errors.iter().for_each(|error| self.refuse_at(error));
            let count = self.refused.len() - before;
            if count == 0 {
                let texts = errors.iter().filter_map(|error| error["rendered"].as_str());
                return Err(format!("the changed crate does not compile:\n{}", texts.collect::<String>()).into());
            }
            println!("{count} mutants do not compile");
        }
    }

    fn write(&mut self, sources: &'a BTreeMap<String, String>) -> Result<(), Failure> {
        for (file, source) in sources {
            let mutants = self.mutants.iter().enumerate();
            let mutants: Vec<_> = mutants
                .filter(|(_, mutant)| mutant.file == *file && !self.refused.contains_key(&mutant.name))
                .collect();
            let changed = edits::change(source, &mutants).map_err(|error| format!("{file}: {error}"))?;
            fs::write(self.folder.join(file), &changed.code)?;
            changed.impossible.iter().for_each(|id| self.refuse(*id, "let"));
            changed.unplaced.iter().for_each(|id| self.refuse(*id, FORM));
            self.files.insert(file, changed);
        }
        Ok(())
    }

    fn refuse(&mut self, id: usize, reason: &str) {
        self.refused.entry(self.mutants[id].name.clone()).or_insert_with(|| reason.to_owned());
    }

    /// Refuses the mutants that an error is about: the one whose own code is wrong, or else all of the innermost changed
    /// code around it, or else all in it.
    fn refuse_at(&mut self, error: &Value) {
        let code = error["code"]["code"].as_str().unwrap_or("error");
        let mut spans: Vec<&Value> = error["spans"].as_array().into_iter().flatten().collect();
        spans.sort_by_key(|span| span["is_primary"] != true);
        for span in spans {
            let Some(file) = span["file_name"].as_str().and_then(|file| self.files.get(file)) else { continue };
            let [start, end] = ["byte_start", "byte_end"].map(|name| span[name].as_u64().unwrap_or(0) as usize);
            if let Some((_, id)) = file.alternatives.iter().find(|(range, _)| range.start <= start && end <= range.end)
            {
                return self.refuse(*id, code);
            }
            let around = file.edits.iter().filter(|(range, _)| range.start <= start && end <= range.end);
            let within = file.edits.iter().filter(|(range, _)| start <= range.start && range.end <= end);
            let ids: Vec<usize> = match around.min_by_key(|(range, _)| range.len()) {
                Some((_, ids)) => ids.clone(),
                None => within.flat_map(|(_, ids)| ids.clone()).collect(),
            };
            // A missing arm is what the mutant does, and not its condition.
            let reason = if code == "E0004" { code } else { FORM };
            ids.iter().for_each(|id| self.refuse(*id, reason));
            if !ids.is_empty() {
                return;
            }
        }
    }

    /// Refuses the mutants whose condition was not compiled: the compiler warns of each one, since it is deprecated.
    fn refuse_absent(&mut self, messages: &[Value]) {
        let warnings = messages.iter().filter(|message| message["code"]["code"] == "deprecated");
        let id = |span: &Value| {
            let code = &self.files.get(span["file_name"].as_str()?)?.code;
            let digits = code.get(span["byte_end"].as_u64()? as usize..)?.strip_prefix('(')?.split(')').next()?;
            digits.parse::<usize>().ok()
        };
        let compiled: BTreeSet<usize> =
            warnings.filter_map(|message| message["spans"].as_array()).flatten().filter_map(id).collect();
        for id in (0..self.mutants.len()).filter(|id| !compiled.contains(id)) {
            self.refuse(id, ABSENT);
        }
    }

    /// Builds the tests and returns their programs.
    pub(crate) fn build(&self) -> Result<Vec<PathBuf>, Failure> {
        let output = self.cargo(&["test", "--lib", "--test", "it", "--no-run"])?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let tests = messages(&output).filter(|line| line["profile"]["test"] == true);
        Ok(tests.filter_map(|line| line["executable"].as_str().map(PathBuf::from)).collect())
    }

    fn cargo(&self, arguments: &[&str]) -> std::io::Result<Output> {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).args(["-q", "-p", "openrouter-kit", "--all-features", "--message-format", "json"]);
        cargo.env("CARGO_TARGET_DIR", self.folder.join("target")).env("RUSTFLAGS", "--cap-lints=warn");
        // The condition in functions that the compiler may call is not stable.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
        cargo.current_dir(self.folder).output()
    }
}

fn messages(output: &Output) -> impl Iterator<Item = Value> {
    output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}
