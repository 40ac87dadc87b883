//! Draws mutants of the generated code and reports which of them the tests of the generated code kill.
//!
//! A mutant changes one thing: a name, a value, a kind, a path, where a setter writes. The tests run in a copy of the
//! repository, without the API document next to it. They report failures by type or by function. So several mutants
//! share a run if none can be taken for another: each is in a type or in an operation of its own, and no changed type
//! holds another one. A mutant is killed by a failure of its own type or operation only.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The most mutants in one run.
const BATCH: usize = 16;

/// The longest time that a run may take.
const LIMIT: Duration = Duration::from_secs(1200);

type Failure = Box<dyn std::error::Error>;

/// The lines of a file by its path.
type Sources = BTreeMap<String, Vec<String>>;

/// One change of the code.
#[derive(Clone, Debug)]
struct Mutant {
    /// What is changed: `name`, `value`, `path`.
    kind: &'static str,
    file: String,
    /// The lines that are replaced, by index.
    edits: Vec<(usize, String)>,
    /// The type, or the functions, that the tests must report.
    owners: BTreeSet<String>,
}

impl Mutant {
    fn place(&self) -> String {
        let line = self.edits.first().map_or(0, |(line, _)| line + 1);
        let code = self.edits.iter().map(|(_, text)| text.trim()).collect::<Vec<_>>().join(" ");
        format!("{:<11} {}:{line}: {code}", self.kind, self.file)
    }

    fn is_of_function(&self) -> bool {
        self.owners.iter().all(|owner| owner.starts_with(|c: char| c.is_ascii_lowercase()))
    }
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Killed,
    Survived,
    /// The compiler, or a test that does not end, refuses it.
    Refused,
}

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [count, seed] = [numbers.first().copied().unwrap_or(100), numbers.get(1).copied().unwrap_or(1)];
    match run(count, seed) {
        Ok(survivors) => ExitCode::from(u8::from(survivors > 0)),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Draws the mutants and tries them. Returns how many survive.
fn run(count: u64, seed: u64) -> Result<usize, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let tree = copy(&root)?;
    let sources = sources(&tree)?;
    let all = mutants(&sources);
    let types = Types::of(&sources);
    let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
    all.iter().for_each(|mutant| *by_kind.entry(mutant.kind).or_default() += 1);
    say(&format!("{} mutants are possible: {by_kind:?}", all.len()));
    let drawn = draw(all, count, seed);
    let check = Check { root, tree, sources };
    let (_, passes) = check.tests(&[])?;
    if !passes {
        return Err("the tests fail without a mutant".into());
    }
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let mut batches = types.batches(drawn);
    batches.sort_by_key(|batch| std::cmp::Reverse(batch.len()));
    say(&format!("{} runs", batches.len()));
    for batch in batches {
        for (mutant, fate) in check.fates(&batch)? {
            *fates.entry(fate).or_default() += 1;
            say(&format!("{:<9} {}", format!("{fate:?}").to_lowercase(), mutant.place()));
        }
    }
    check.tests(&[]).map(drop)?;
    let count = |fate| fates.get(&fate).copied().unwrap_or_default();
    let [killed, survived, refused] = [Fate::Killed, Fate::Survived, Fate::Refused].map(count);
    say(&format!("seed {seed}: {killed} killed, {survived} survived, {refused} do not compile"));
    Ok(survived)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Copies the files of the repository to a place without the API document next to it.
fn copy(root: &Path) -> Result<PathBuf, Failure> {
    let tree = root.join("target/mutants/tree");
    let listed = Command::new("git").args(["ls-files"]).current_dir(root).output()?;
    for file in String::from_utf8(listed.stdout)?.lines() {
        let target = tree.join(file);
        let Ok(content) = std::fs::read(root.join(file)) else { continue };
        // A file that is written again is compiled again.
        if std::fs::read(&target).is_ok_and(|present| present == content) {
            continue;
        }
        target.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(target, content)?;
    }
    Ok(tree)
}

/// The generated files.
fn sources(tree: &Path) -> Result<Sources, Failure> {
    let mut sources = Sources::new();
    let mut folders = vec![tree.join("src/models"), tree.join("src/funcs"), tree.join("src/sdk")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            if text.starts_with("// @generated") {
                let name = path.strip_prefix(tree)?.display().to_string();
                sources.insert(name, text.lines().map(str::to_owned).collect());
            }
        }
    }
    Ok(sources)
}

/// A random choice that is the same for a seed on every machine.
fn draw(all: Vec<Mutant>, count: u64, seed: u64) -> Vec<Mutant> {
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let mut kinds: BTreeMap<&str, Vec<Mutant>> = BTreeMap::new();
    all.into_iter().for_each(|mutant| kinds.entry(mutant.kind).or_default().push(mutant));
    // Each kind in turn, so that the many names do not crowd out the few headers.
    let mut drawn = Vec::new();
    while (drawn.len() as u64) < count && !kinds.is_empty() {
        for mutants in kinds.values_mut() {
            let at = usize::try_from(random() % mutants.len() as u64).unwrap_or_default();
            drawn.push(mutants.swap_remove(at));
        }
        kinds.retain(|_, mutants| !mutants.is_empty());
    }
    drawn.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    drawn
}

/// Which types hold which.
struct Types(BTreeMap<String, BTreeSet<String>>);

impl Types {
    fn of(sources: &Sources) -> Self {
        let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut open: Option<String> = None;
        for line in sources.iter().filter(|(file, _)| file.starts_with("src/models")).flat_map(|(_, lines)| lines) {
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            if let ["pub", "struct" | "enum" | "type", name, ..] = words.as_slice() {
                open = Some((*name).to_owned());
            }
            if let Some(name) = open.as_ref().filter(|_| !line.trim_start().starts_with('/')) {
                let of = held.entry(name.clone()).or_default();
                of.extend(words.into_iter().filter(|word| word != name).map(str::to_owned));
            }
            if line.starts_with('}') || line.ends_with(';') {
                open = None;
            }
        }
        Self(held)
    }

    fn holds(&self, outer: &str, inner: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![outer];
        while let Some(name) = open.pop() {
            let Some(of) = self.0.get(name).filter(|_| seen.insert(name)) else { continue };
            if of.contains(inner) {
                return true;
            }
            open.extend(of.iter().map(String::as_str));
        }
        false
    }

    fn can_share(&self, one: &Mutant, other: &Mutant) -> bool {
        // Another type of a field is often refused by the compiler, which would stop the others.
        if [one, other].iter().any(|mutant| ["kind", "optional"].contains(&mutant.kind)) {
            return false;
        }
        let apart = |a: &String, b: &String| a != b && !self.holds(a, b) && !self.holds(b, a);
        one.is_of_function() == other.is_of_function()
            && one.owners.iter().all(|owner| other.owners.iter().all(|of_other| apart(owner, of_other)))
    }

    /// Groups of mutants that cannot be taken for each other.
    fn batches(&self, mutants: Vec<Mutant>) -> Vec<Vec<Mutant>> {
        let mut batches: Vec<Vec<Mutant>> = Vec::new();
        for mutant in mutants {
            let fits = |batch: &&mut Vec<Mutant>| {
                batch.len() < BATCH && batch.iter().all(|other| self.can_share(other, &mutant))
            };
            match batches.iter_mut().find(fits) {
                Some(batch) => batch.push(mutant),
                None => batches.push(vec![mutant]),
            }
        }
        batches
    }
}

/// The copy of the repository, in which mutants are tried.
struct Check {
    root: PathBuf,
    tree: PathBuf,
    sources: Sources,
}

impl Check {
    /// Tries mutants together; those that do not compile are found by halves.
    fn fates(&self, mutants: &[Mutant]) -> Result<Vec<(Mutant, Fate)>, Failure> {
        let (output, _) = self.tests(mutants)?;
        let Some(output) = output else {
            let [first, second] = match mutants {
                [] => return Ok(Vec::new()),
                [only] => return Ok(vec![(only.clone(), Fate::Refused)]),
                several => <[&[Mutant]; 2]>::from(several.split_at(several.len() / 2)),
            };
            let mut fates = self.fates(first)?;
            fates.extend(self.fates(second)?);
            return Ok(fates);
        };
        let failed: BTreeSet<&str> = output.lines().filter_map(|line| line.split([':', ' ']).next()).collect();
        let fate = |mutant: &Mutant| match mutant.owners.iter().any(|owner| failed.contains(owner.as_str())) {
            true => Fate::Killed,
            false => Fate::Survived,
        };
        Ok(mutants.iter().map(|mutant| (mutant.clone(), fate(mutant))).collect())
    }

    /// Runs the tests with these mutants. Returns what they report, unless they do not compile or do not end, and whether
    /// they pass.
    fn tests(&self, mutants: &[Mutant]) -> Result<(Option<String>, bool), Failure> {
        for (file, lines) in &self.sources {
            let mut lines = lines.clone();
            for (line, text) in mutants.iter().filter(|mutant| mutant.file == *file).flat_map(|mutant| &mutant.edits) {
                if let Some(place) = lines.get_mut(*line) {
                    place.clone_from(text);
                }
            }
            let text = lines.join("\n") + "\n";
            let path = self.tree.join(file);
            if std::fs::read_to_string(&path)? != text {
                std::fs::write(path, text)?;
            }
        }
        let mut child = Command::new("cargo")
            .args(["test", "-q", "-p", "codegen", "--test", "api", "--"])
            .args(match mutants {
                [] => &[][..],
                [first, ..] if first.is_of_function() => &["operations"],
                _ => &["made", "types"],
            })
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut pipe = child.stdout.take().ok_or("no output of the tests")?;
        let reader = std::thread::spawn(move || {
            let mut output = String::new();
            pipe.read_to_string(&mut output).map(|_| output)
        });
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if began.elapsed() > LIMIT {
                child.kill()?;
                return Ok((None, false));
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        let output = reader.join().map_err(|_| "the output of the tests cannot be read")??;
        Ok((output.contains("test result:").then_some(output), status.success()))
    }
}

/// The place of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Outside,
    /// The fields of a struct.
    Fields,
    Struct,
    Enum,
    Union,
    Query,
    Impl,
    Operation,
    Function,
}

/// All mutants of the generated code.
fn mutants(sources: &Sources) -> Vec<Mutant> {
    let functions = functions_of_types(sources);
    let built: BTreeSet<&str> =
        sources.values().flatten().filter_map(|line| argument(line, "wire_setters!(")).collect();
    let mut list = Vec::new();
    for (file, lines) in sources {
        let mut block = Block::Outside;
        let mut owner = String::new();
        for (index, line) in lines.iter().enumerate() {
            let begun = begin(line);
            if let Some((own, name)) = begun {
                block = own;
                owner = name.to_owned();
            }
            let owners = match functions.get(&owner) {
                Some(functions) => functions.clone(),
                None => BTreeSet::from([argument(line, "funcs::").unwrap_or(&owner).to_owned()]),
            };
            let is_prose = line.trim_start().starts_with(['/', '#']);
            if !is_prose && block != Block::Outside {
                let is_built = built.contains(owner.as_str()) || functions.contains_key(&owner);
                for (kind, edits) in changes(block, index, lines, is_built) {
                    let edits = edits.into_iter().map(|(offset, text)| (index + offset, text)).collect();
                    list.push(Mutant { kind, file: file.clone(), edits, owners: owners.clone() });
                }
            }
            if line.starts_with(['}', ')']) || block == Block::Operation && line.ends_with(';') {
                block = Block::Outside;
            }
        }
    }
    list
}

/// The word behind a mark in a line.
fn argument<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let rest = line.split_once(mark)?.1;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|word| !word.is_empty())
}

/// The block that a line begins, and its owner: a type, or a function.
fn begin(line: &str) -> Option<(Block, &str)> {
    let marks = [
        ("pub struct ", Block::Fields),
        ("wire_struct!(", Block::Struct),
        ("wire_enum!(", Block::Enum),
        ("wire_union!(", Block::Union),
        ("wire_text!(", Block::Impl),
        ("impl Parameters for ", Block::Query),
        ("static ", Block::Operation),
        ("pub fn ", Block::Function),
        ("    pub fn ", Block::Function),
    ];
    if let Some((mark, block)) = marks.iter().find(|(mark, _)| line.starts_with(mark)) {
        // A method of a model belongs to its type.
        return argument(line, mark).filter(|_| !mark.starts_with(' ')).map(|name| (*block, name));
    }
    let rest = line.strip_prefix("impl")?;
    let of = rest.split_once(" for ").map_or(rest.trim_start(), |(_, of)| of);
    of.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(|name| (Block::Impl, name))
}

/// The functions that take the types of parameters and of forms, by these types. Statics are owned by their functions.
fn functions_of_types(sources: &Sources) -> BTreeMap<String, BTreeSet<String>> {
    let mut list: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let models = || sources.iter().filter(|(file, _)| file.starts_with("src/models")).flat_map(|(_, lines)| lines);
    let mut open = "";
    let mut special = BTreeSet::new();
    for line in models() {
        if let Some((_, name)) = begin(line) {
            open = name;
        }
        if line.starts_with("impl Parameters for ") || line.contains("fn into_multipart") {
            special.insert(open);
        }
    }
    let mut function = "";
    for line in sources.iter().filter(|(file, _)| file.starts_with("src/funcs")).flat_map(|(_, lines)| lines) {
        match begin(line) {
            Some((Block::Function, name)) => function = name,
            Some((Block::Operation, name)) => {
                list.entry(name.to_owned()).or_default().insert(name.to_lowercase());
            }
            _ => {}
        }
        if !line.starts_with("use ") && !line.starts_with(' ') || line.contains("request:") || line.contains("Call<") {
            for word in line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| special.contains(word)) {
                list.entry(word.to_owned()).or_default().insert(function.to_owned());
            }
        }
        if line == "}" {
            function = "";
        }
    }
    list.values_mut().for_each(|functions| functions.retain(|name| !name.is_empty()));
    list.retain(|_, functions| !functions.is_empty());
    list
}

type Changes = Vec<(&'static str, Vec<(usize, String)>)>;

/// What can be changed in a line; the offsets of the changed lines count from it.
fn changes(block: Block, index: usize, lines: &[String], is_built: bool) -> Changes {
    let [line, next] = [index, index + 1].map(|index| lines.get(index).map_or("", String::as_str));
    let mut list = Changes::new();
    let mut add = |kind, text: String| {
        if text != line {
            list.push((kind, vec![(0, text)]));
        }
    };
    let literal = match block {
        Block::Struct if line.starts_with("wire_struct!") => "constant",
        Block::Struct => "name",
        Block::Enum => "value",
        Block::Union => "tag",
        Block::Query => "query",
        Block::Impl if line.contains(".text") || line.contains(".file") => "form",
        Block::Impl => "literal",
        Block::Operation => "operation",
        Block::Function if line.contains("(\"") => "argument",
        Block::Fields | Block::Outside | Block::Function => "",
    };
    if !literal.is_empty() {
        for text in with_longer_literals(line) {
            add(literal, text);
        }
    }
    match block {
        Block::Struct => {
            if let Some(field) = Field::of(line) {
                if field.wire == field.rust {
                    add("name", field.with(&format!("{}x", field.wire), field.presence));
                }
                let presence = match field.presence {
                    "Required" | "Nullable" | "Patched" => "Optional",
                    _ => "Nullable",
                };
                add("presence", field.with(field.wire, presence));
                if let Some(other) = Field::of(next) {
                    let swapped = [field.with(other.wire, field.presence), other.with(field.wire, other.presence)];
                    list.push(("swapped", swapped.into_iter().enumerate().collect()));
                }
            }
        }
        Block::Enum => {
            if let (Some((own, text)), Some((other, of_other))) = (line.split_once(" = "), next.split_once(" = ")) {
                let swapped = [format!("{own} = {of_other}"), format!("{other} = {text}")];
                list.push(("swapped", swapped.into_iter().enumerate().collect()));
            }
        }
        Block::Fields if !is_built && line.starts_with("    pub ") && !line.contains(" extra: ") => {
            for (from, to) in
                [("i64", "f64"), ("f64", "i64"), ("bool", "String"), ("String", "i64"), ("String", "Json")]
            {
                let ends = [format!(" {from},"), format!("<{from}>,")];
                if let Some(end) = ends.iter().find(|end| line.ends_with(end.as_str())) {
                    let to = if to == "Json" { "crate::core::wire::Json" } else { to };
                    add("kind", line.replace(end.as_str(), &end.replace(from, to)));
                }
            }
            if let Some((start, of)) = line.split_once(": Option<") {
                add("optional", format!("{start}: {}", of.replacen(">,", ",", 1)));
            } else if let Some((start, of)) = line.split_once(": ") {
                add("optional", format!("{start}: Option<{}>,", of.trim_end_matches(',')));
            }
        }
        Block::Impl => {
            let start = lines.iter().take(index).rposition(|line| line.starts_with("impl")).unwrap_or_default();
            let own = lines.get(start..).unwrap_or_default().split(|line| line == "}").next().unwrap_or_default();
            if let Some(field) = argument(line, "self.").filter(|_| line.contains(" = Some(")) {
                let setters = own.iter().filter(|other| other.contains(" = Some(") && *other != line);
                let same = |other: &&str| parameter(own, other) == parameter(own, field);
                if let Some(other) = setters.filter_map(|other| argument(other, "self.")).find(same) {
                    add("setter", line.replacen(&format!("self.{field}"), &format!("self.{other}"), 1));
                }
            }
            let constants = own.iter().filter(|other| other.contains(": Self = ") && *other != line);
            if let (Some(one), Some(other)) = (Given::of(line), Given::of(next)) {
                if parameter(own, one.name) == parameter(own, other.name) {
                    let swapped = [one.with(&other), other.with(&one)];
                    list.push(("swapped", swapped.into_iter().enumerate().collect()));
                }
            } else if let Some((start, _)) = line.split_once("(value) => value.").filter(|_| line.ends_with(',')) {
                add("getter", format!("{start}(_) => None,"));
            } else if line.starts_with("        Some(self.") || line.starts_with("        Some(&self.") {
                add("page", "        None".to_owned());
            } else if let Some((name, _)) = line.split_once(": Self = ")
                && let Some((_, value)) = constants.filter_map(|other| other.split_once(": Self = ")).next()
            {
                add("constructor", format!("{name}: Self = {value}"));
            }
        }
        Block::Operation => {
            for (from, to) in [("GET", "POST"), ("POST", "PUT"), ("PUT", "PATCH"), ("PATCH", "PUT"), ("DELETE", "GET")]
            {
                if line.contains(&format!("Method::{from},")) {
                    add("method", line.replace(&format!("Method::{from},"), &format!("Method::{to},")));
                }
            }
            for (from, to) in [
                ("Authentication::Optional", "Authentication::Required"),
                ("Authentication::None", "Authentication::Optional"),
                (".with_repetition()", ""),
                (".with_metadata_header()", ""),
                ("Some(", "Some(1"),
            ] {
                add("operation", line.replacen(from, to, 1));
            }
        }
        Block::Function => {
            for (from, to) in
                [(".stream(true)", ".stream(false)"), (".stream(false)", ".stream(true)"), (".json(", ".form(")]
            {
                add("media", line.replacen(from, to, 1));
            }
            let arguments = line.split_once("(self.core, ").and_then(|(_, rest)| rest.strip_suffix(')'));
            if let Some([first, second]) =
                arguments.and_then(|list| <[&str; 2]>::try_from(list.split(", ").collect::<Vec<_>>()).ok())
            {
                add("argument", line.replace(&format!("{first}, {second}"), &format!("{second}, {first}")));
            }
        }
        _ => {}
    }
    list
}

/// The type of a parameter of a method in these lines.
fn parameter<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    let types = lines.iter().filter_map(|line| line.split_once(&format!("{name}: ")));
    let mut types = types.filter(|(before, _)| before.ends_with(['(', ' ']) && !before.contains("Self {"));
    types.find_map(|(_, rest)| rest.split([',', ')']).next())
}

/// The line with one of its literals longer, for each of them.
fn with_longer_literals(line: &str) -> Vec<String> {
    let quotes: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
    let ends = quotes.chunks(2).filter_map(|pair| pair.get(1));
    ends.filter_map(|end| line.split_at_checked(*end)).map(|(start, rest)| format!("{start}x{rest}")).collect()
}

/// A line of `wire_struct!`.
struct Field<'a> {
    rust: &'a str,
    wire: &'a str,
    presence: &'a str,
    index: &'a str,
}

impl<'a> Field<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (name, rest) = line.strip_prefix("    ")?.split_once(": ")?;
        let (presence, index) = rest.strip_suffix(',')?.split_once(" = ")?;
        let (rust, wire) = name.split_once(" as ").unwrap_or((name, name));
        Some(Self { rust, wire: wire.trim_matches('"'), presence, index })
    }

    fn with(&self, wire: &str, presence: &str) -> String {
        format!("    {} as \"{wire}\": {presence} = {},", self.rust, self.index)
    }
}

/// A line of a constructor that takes a field from the argument of its name.
struct Given<'a> {
    start: &'a str,
    name: &'a str,
    rest: &'a str,
}

impl<'a> Given<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (field, value) = line.split_once(": ")?;
        let rest = value.strip_prefix(field.trim())?;
        rest.starts_with(".into").then_some(Self { start: field, name: field.trim(), rest })
    }

    fn with(&self, other: &Self) -> String {
        format!("{}: {}{}", self.start, other.name, other.rest)
    }
}
