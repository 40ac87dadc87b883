//! Writes the generated parts of openrouter-kit: models, functions, facade and reference pages, from OpenRouter's API
//! document and the decisions in `overlay/`.
//!
//! The way through: [`node`] loads the document, [`overlay`] repairs it, [`lower`], [`unions`] and [`operations`] decide
//! what it means in Rust ([`model`]), [`graph`] decides where it goes, [`emit`] writes it.

pub mod branches;
pub mod diff;
pub mod emit;
pub mod equal;
pub mod graph;
pub mod lower;
pub mod model;
pub mod names;
pub mod node;
pub mod operations;
pub mod overlay;
pub mod prose;
pub mod references;
#[path = "../../src/core/hidden/names.rs"]
mod secret_names;
pub mod settle;
pub mod surface;
pub mod unions;
pub mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use emit::pages::{self, Pages};
use emit::{Context, Files, facts, registry, replay};
use graph::Module;
use lower::Lowering;
use model::{Api, ErrorKind, Operation, Ty, Type};
use node::Node;
use overlay::Overlay;
use prose::Prose;
use surface::Surface;

/// Names of types above this length are refused: a reader cannot tell them apart.
const LONGEST_NAME: usize = 40;

/// How often a document is brought closer to the known form; schemas in schemas take a round each.
const ROUNDS: usize = 8;

/// Why the generator stopped. One line for each thing a person has to decide.
#[derive(Debug, Clone)]
pub struct Failure(Vec<String>);

impl Failure {
    /// A failure with one line.
    pub fn new(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }

    /// The same failure, with the place before each line.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self(self.0.into_iter().map(|line| format!("{place}: {line}")).collect())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Failure {}

/// Everything that is known about one version of the document.
#[derive(Debug)]
pub struct Generated {
    /// The repaired document.
    pub document: Node,
    /// The repaired document before it is brought into the form of the tree.
    stated: Node,
    /// The decisions.
    pub api: Api,
    /// The files of models.
    pub modules: BTreeMap<String, Module>,
    /// Our words.
    pub prose: Prose,
    /// Decisions a person should make before the tree is written: names and schemas the generator had to guess.
    pub notes: Vec<String>,
    /// Types that are equal, without a reason to stay apart: the line to write for each group.
    pub equal: Vec<String>,
    /// Overlay entries that match nothing in this document. Other versions of it may need them.
    pub unused: Vec<String>,
    /// Remarks that need no decision.
    pub remarks: Vec<String>,
    by_hand: BTreeMap<String, Vec<String>>,
    /// The types that are in `models` itself.
    front: BTreeSet<String>,
    /// The type of each component.
    components: BTreeMap<String, String>,
    error_kinds: BTreeMap<u16, ErrorKind>,
}

/// The folder of this crate, with overlays and words.
pub fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a document and decides everything about it.
pub fn understand(spec: &Path) -> Result<Generated, Failure> {
    let home = home();
    understand_node(Node::load(spec)?, &Overlay::load(&home.join("overlay"))?, Prose::load(&home.join("docs"))?)
}

/// Decides everything about a document.
pub fn understand_node(mut document: Node, overlay: &Overlay, prose: Prose) -> Result<Generated, Failure> {
    if document.get("paths").is_none_or(|paths| paths.members().is_empty()) {
        return Err(Failure::new("this is not an OpenAPI document with operations: it has no `paths`"));
    }
    overlay.repair(&mut document)?;
    references::inline(&mut document)?;
    let stated = document.clone();
    // Each way brings the document closer to the form that is known, or is the last.
    for _ in 0..ROUNDS {
        let (lowering, operations) = lower_all(&document, overlay)?;
        let places = lowering.types.iter().map(|ty| (ty.name.clone(), ty.other_places())).collect();
        let components = lowering.components();
        let api = api(lowering.types, operations, &components);
        if overlay.known.types.is_empty() || !settle::settle(&mut document, &overlay.known, &Surface::of(&api), &places)
        {
            break;
        }
        overlay.repair(&mut document)?;
    }
    let (lowering, operations) = lower_all(&document, overlay)?;
    let components = lowering.components();
    let Lowering { types, mut problems, mut notes, unreadable, passed_over, .. } = lowering;
    let mut api = api(types, operations, &components);
    equal::share_prose(&mut api, &prose);
    let equal = equal::without_reason(&api.types, overlay);
    for ty in api.types.iter().filter(|ty| ty.name.len() > LONGEST_NAME) {
        let Type { key, name, .. } = ty;
        let length = name.len();
        notes
            .push(format!("{key}: `{name}` has {length} letters; add a line for a shorter name to overlay/names.yaml"));
    }
    // What is only sent need not be distinguished.
    let received = |key: &str| api.types.iter().any(|ty| ty.key == key && ty.response);
    problems.extend(unreadable.into_iter().filter(|(key, _)| received(key)).map(|(_, text)| text));
    if !problems.is_empty() {
        problems.dedup();
        return Err(Failure(problems));
    }
    graph::box_types(&mut api);
    let empty = Node::Null;
    let rules = overlay.modules.as_ref().unwrap_or(&empty);
    let modules = graph::place(&mut api, rules);
    let mut by_hand: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (part, names) in rules.get("by_hand").map_or(&[][..], Node::members) {
        by_hand.insert(part.clone(), names.elements().iter().map(ToString::to_string).collect());
    }
    for (id, names) in rules.get("aliases").map_or(&[][..], Node::members) {
        by_hand.insert(format!("aliases of {id}"), names.elements().iter().map(ToString::to_string).collect());
    }
    let front: BTreeSet<String> = rules.texts_of("front").into_iter().map(str::to_owned).collect();
    let now = Surface::of(&api);
    for (name, likely) in settle::missing(&overlay.known, &now) {
        if front.contains(name) || rules.texts_of("pinned").contains(&name) {
            let offer = likely
                .and_then(|likely| Some((likely, &now.types.get(likely)?.key)))
                .map(|(likely, key)| format!("; if `{likely}` is the same, add `{key}: {name}` to overlay/names.yaml"));
            let offer = offer.unwrap_or_default();
            notes.push(format!("`{name}` is gone{offer}; otherwise remove it from overlay/modules.yaml"));
        }
    }
    let error_kinds = operations::error_kinds(&document, overlay, &mut notes);
    let absent = front.iter().filter(|name| api.find(name).is_none()).map(|name| format!("modules.yaml front: {name}"));
    let unused = overlay.unused().into_iter().chain(absent);
    let unused = unused.map(|entry| format!("overlay/{entry} applies to nothing here")).collect();
    let exists = |ty: &Ty| ty.named().is_none_or(|name| api.find(name).is_some());
    let components = components.into_iter().filter(|(_, ty)| exists(ty)).map(|(name, ty)| (name, ty.rust())).collect();
    let remarks = passed_over.into_iter().map(|(keyword, places)| {
        let first = places.first().map_or("", String::as_str);
        let others = match places.len() {
            1 => String::new(),
            several => format!(" and {} more", several - 1),
        };
        format!("the keyword `{keyword}` is ignored at {first}{others}")
    });
    let remarks = remarks.collect();
    Ok(Generated {
        notes,
        equal,
        unused,
        remarks,
        components,
        api,
        modules,
        prose,
        by_hand,
        front,
        document,
        stated,
        error_kinds,
    })
}

/// The types that operations reach, with the names of the components that they are.
fn api(types: Vec<Type>, operations: Vec<Operation>, components: &BTreeMap<String, Ty>) -> Api {
    let mut api = Api { types, operations };
    for (component, ty) in components {
        if let Ty::Named(name) = ty
            && let Some(own) = api.types.iter_mut().find(|own| own.name == *name)
        {
            own.aliases.insert(component.clone());
        }
    }
    graph::spread(&mut api);
    api.types.retain(|ty| !ty.namespaces.is_empty());
    api
}

/// The types and operations of a document. Names that turn out to be taken make another way through the document; each finds
/// more of them, or is the last.
fn lower_all<'a>(document: &'a Node, overlay: &'a Overlay) -> Result<(Lowering<'a>, Vec<Operation>), Failure> {
    let mut contested: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let mut lowering = Lowering::new(document, overlay, contested.clone());
        let endless = lowering.endless();
        if !endless.is_empty() {
            return Err(Failure(endless));
        }
        let mut operations = lowering.operations(document);
        lowering.unify(&mut operations);
        if lowering.clashes.is_empty() {
            return Ok((lowering, operations));
        }
        for place in lowering.clashes {
            *contested.entry(place).or_default() += 1;
        }
    }
}

impl Generated {
    /// The files, formatted.
    pub fn files(&self) -> Result<Files, Failure> {
        let Self { api, prose, modules, by_hand, front, error_kinds, .. } = self;
        let pages = Pages::load(&home().join("pages"))?;
        let homes = api.types.iter().map(|ty| (ty.name.as_str(), ty.home())).collect();
        let context = Context { api, prose, modules, homes, about: &pages.about, front, by_hand, error_kinds };
        let mut files = emit::all(&context);
        registry::emit(&context, &self.components, &mut files);
        registry::emit_roots(&context, &mut files);
        facts::emit(&self.stated, &mut files);
        replay::emit(&context, &mut files);
        pages::emit(&context, &pages, &mut files);
        files.insert(surface::FILE.to_owned(), self.surface().text());
        let mut files = format_rust(files)?;
        pages::splice(&mut files);
        Ok(files)
    }

    /// What a person has to decide before the tree is written, each with the line to write.
    pub fn undecided(&self) -> Vec<String> {
        self.notes.iter().chain(&self.equal).cloned().collect()
    }

    /// What programs see of it.
    pub fn surface(&self) -> Surface {
        Surface::of(&self.api)
    }

    /// The features the crate needs: name and the features it turns on.
    pub fn features(&self) -> BTreeMap<String, Vec<String>> {
        let namespaces: Vec<_> = self.api.operations.iter().map(|operation| operation.namespace.clone()).collect();
        let mut features = BTreeMap::new();
        for namespace in &namespaces {
            let needs = self.modules.get(namespace).map(|module| module.needs.clone()).unwrap_or_default();
            let needs = needs.into_iter().filter(|other| namespaces.contains(other)).map(|other| emit::feature(&other));
            features.insert(emit::feature(namespace), needs.collect());
        }
        features
    }
}

/// A line, and the end of a line that is a module with its end replaced.
fn replaced_end(line: &str, end: &str, by: &str) -> String {
    let is_module = line.starts_with("mod ") || line.starts_with("pub mod ");
    match line.strip_suffix(end).filter(|_| is_module) {
        Some(start) => format!("{start}{by}\n"),
        None => format!("{line}\n"),
    }
}

/// Returns whether rustfmt, which formats what is written, is not installed. Tests that compare texts are then skipped.
pub fn rustfmt_is_missing() -> bool {
    let found = std::process::Command::new("rustfmt").arg("--version").output();
    found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Runs rustfmt over the Rust files, all in one process.
fn format_rust(mut files: Files) -> Result<Files, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot format the generated code: {error}"));
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let run = format!("openrouter-kit-codegen-{}-{}", std::process::id(), RUN.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(run);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let names: Vec<String> = files.keys().filter(|name| name.ends_with(".rs")).cloned().collect();
    let mut command = std::process::Command::new("rustfmt");
    command.args(["--edition", "2024", "--config", "skip_children=true"]);
    command.args(["--config-path"]).arg(home().join("..").join("rustfmt.toml"));
    for (index, name) in names.iter().enumerate() {
        // Flat names, and modules that are written in place, so that rustfmt does not look for their files.
        let path = folder.join(format!("{index}.rs"));
        let text = files.get(name).map_or("", String::as_str);
        let text: String = text.lines().map(|line| replaced_end(line, ";", " {}")).collect();
        std::fs::write(&path, text).map_err(failed)?;
        command.arg(path);
    }
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new("rustfmt, which formats the generated code, is not on the PATH: rustup component add rustfmt")
        }
        _ => failed(error),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).lines().take(30).collect::<Vec<_>>().join("\n");
        return Err(Failure::new(format!("rustfmt refuses the generated code in {}:\n{said}", folder.display())));
    }
    for (index, name) in names.iter().enumerate() {
        let text = std::fs::read_to_string(folder.join(format!("{index}.rs"))).map_err(failed)?;
        files.insert(name.clone(), text.lines().map(|line| replaced_end(line, " {}", ";")).collect());
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(files)
}
