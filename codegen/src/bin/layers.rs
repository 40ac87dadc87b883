//! Checks that the imports of the crate follow its layers, and that no files of the core import each other in a circle of
//! more than two.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a check of this repository, which prints and may end with a panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

/// Each layer, the paths it consists of, and the layers it may import.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("wire", &["core::wire", "core::hidden", "core::base64"], &[]),
    ("runtime", &["core", "devtools", "errors", "hooks"], &["wire"]),
    ("models", &["models"], &["wire"]),
    ("funcs", &["funcs"], &["models", "runtime", "wire"]),
    ("helpers", &["helpers"], &["models", "runtime", "wire"]),
    ("sdk", &["sdk"], &["funcs", "models", "runtime", "wire"]),
    ("agent", &["agent"], &["sdk", "funcs", "helpers", "models", "runtime", "wire"]),
    ("oauth", &["oauth"], &["sdk", "models", "runtime", "wire"]),
    ("mock", &["mock"], &["sdk", "models", "runtime", "wire"]),
    ("blocking", &["blocking"], &[]),
];

/// The names of the runtime that a layer may import although it may not import the runtime.
const NAMES: &[(&str, &[&str])] = &[(
    "models",
    &["core::FilePart", "core::Multipart", "core::Page", "core::Parameters", "core::Parts", "core::QueryValue"],
)];

/// The layers of generated code, which import the runtime only by the names that `core` and `errors` export.
const GENERATED: &[&str] = &["models", "funcs", "sdk"];

/// The folders whose files have no circle of more than two.
const FILES: &[&str] = &["core::", "errors", "hooks"];

/// A module in a file of its own.
#[derive(Default)]
struct Module {
    /// What it imports, as absolute paths.
    imports: BTreeSet<String>,
    /// The names it exports from other modules, with their absolute paths.
    exports: BTreeMap<String, String>,
}

fn main() -> ExitCode {
    let mut modules = BTreeMap::new();
    read(Path::new("src"), "", &mut modules);
    let mut errors = Vec::new();
    for (layer, _, allowed) in LAYERS {
        let names = NAMES.iter().find(|(name, _)| name == layer).map_or(&[][..], |(_, names)| *names);
        println!("{layer} imports {}", [*allowed, names].concat().join(", "));
        for (module, Module { imports, .. }) in modules.iter().filter(|(module, _)| layer_of(module) == Some(layer)) {
            for import in imports {
                let Some(target) = layer_of(&resolve(import, &modules)) else { continue };
                if target != *layer && !allowed.contains(&target) && !names.contains(&import.as_str()) {
                    errors.push(format!("{module} imports {import}, which is of the layer {target}"));
                }
                let name = import.strip_prefix("core::").and_then(|rest| rest.split("::").next());
                let is_internal = name.is_some_and(|name| !modules["core"].exports.contains_key(name));
                if GENERATED.contains(layer) && target == "runtime" && is_internal {
                    errors.push(format!("{module} imports {import}, which core does not export"));
                }
            }
        }
    }
    let edges: BTreeMap<&str, BTreeSet<String>> = modules
        .iter()
        .filter(|(module, _)| is_checked(module))
        .map(|(name, module)| {
            let targets = module.imports.iter().map(|import| resolve(import, &modules));
            (name.as_str(), targets.filter(|target| target != name && is_checked(target)).collect())
        })
        .collect();
    println!("{} files of {} have no circle of more than two", edges.len(), FILES.join(", "));
    for circle in circles(&edges).iter().filter(|circle| circle.len() > 2) {
        errors.push(format!("a circle of {} files: {}", circle.len(), circle.join(", ")));
    }
    for error in &errors {
        eprintln!("{error}");
    }
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn is_in(module: &str, path: &str) -> bool {
    module.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || path.ends_with("::"))
}

fn is_checked(module: &str) -> bool {
    FILES.iter().any(|path| is_in(module, path)) && layer_of(module) == Some("runtime")
}

fn layer_of(module: &str) -> Option<&'static str> {
    let of = |(layer, paths, _): &(&'static str, &[&str], &[&str])| {
        paths.iter().any(|path| is_in(module, path)).then_some(*layer)
    };
    LAYERS.iter().find_map(of)
}

/// Reads all files below a folder.
fn read(folder: &Path, parent: &str, modules: &mut BTreeMap<String, Module>) {
    let entries = std::fs::read_dir(folder).expect("the folder of a module");
    for path in entries.map(|entry| entry.expect("an entry of a folder").path()) {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            read(&path, &join(parent, &name), modules);
            continue;
        }
        let module = match name.as_str() {
            "mod" | "lib" => parent.to_owned(),
            // Stand-ins for a module that a feature turns on, and tests.
            _ if name.starts_with("no_") || name == "tests" => continue,
            _ => join(parent, &name),
        };
        let text = std::fs::read_to_string(&path).expect("a file of UTF-8");
        modules.insert(module.clone(), parse(&text, &module));
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}::{name}") }
}

fn parse(text: &str, module: &str) -> Module {
    let text = text.split("#[cfg(test)]\n").next().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let text = lines.join("\n");
    let mut parsed = Module::default();
    for (at, _) in text.match_indices("use ") {
        let before = text[..at].rsplit('\n').next().unwrap_or_default().trim();
        let is_export = before.starts_with("pub");
        if !before.is_empty() && !is_export {
            continue;
        }
        let tree = text[at + 4..].split(';').next().unwrap_or_default();
        for path in expand(tree) {
            let (path, name) = path.split_once(" as ").map_or((path.as_str(), None), |(path, name)| (path, Some(name)));
            let exported = || is_export.then(|| join(module, path));
            let Some(path) = absolute(path, module).or_else(exported) else { continue };
            if is_export {
                parsed.exports.insert(name.unwrap_or(last(&path)).to_owned(), path.clone());
                // A re-export from below is not an import of this file.
                if is_in(&path, module) {
                    continue;
                }
            }
            parsed.imports.insert(path);
        }
    }
    // Paths in code.
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let path: String =
                text[at..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
            // A tree is read above.
            if text[at + path.len()..].starts_with(['{', '*']) {
                continue;
            }
            let path = path.trim_end_matches(':');
            if !text[..at].ends_with(['$', ':']) && path.contains("::") {
                parsed.imports.extend(absolute(path, module));
            }
        }
    }
    parsed
}

/// The paths of a tree such as `a::{b, c::{d, e}}`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((start, rest)) = tree.split_once('{') else { return vec![tree] };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match (c, parts.last_mut()) {
            (',', _) if depth == 0 => parts.push(String::new()),
            (_, Some(part)) => part.push(c),
            _ => {}
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(|part| expand(&format!("{}{part}", start.trim()))).collect()
}

/// A path inside this crate, from its root.
fn absolute(path: &str, module: &str) -> Option<String> {
    let mut from = module.to_owned();
    let mut rest = path.trim_end_matches("::self");
    if let Some(path) = rest.strip_prefix("crate::") {
        return Some(path.trim_end_matches("::*").to_owned());
    }
    let mut is_local = false;
    while let Some(path) = rest.strip_prefix("super::") {
        from = from.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned());
        (rest, is_local) = (path, true);
    }
    if let Some(path) = rest.strip_prefix("self::") {
        (rest, is_local) = (path, true);
    }
    let rest = rest.trim_end_matches("::*");
    // Names of the root export modules without `self`.
    (is_local || module.is_empty()).then(|| join(&from, rest))
}

/// The module that a path leads to, through exports.
fn resolve(path: &str, modules: &BTreeMap<String, Module>) -> String {
    if modules.contains_key(path) {
        return path.to_owned();
    }
    let mut module = path;
    while let Some((parent, name)) = module.rsplit_once("::").or((!module.is_empty()).then_some(("", module))) {
        if let Some(found) = modules.get(parent) {
            return match found.exports.get(name) {
                Some(target) if target != path => resolve(target, modules),
                _ => parent.to_owned(),
            };
        }
        module = parent;
    }
    String::new()
}

/// The groups of files that all lead to each other.
fn circles<'a>(edges: &BTreeMap<&'a str, BTreeSet<String>>) -> Vec<Vec<&'a str>> {
    let reachable: BTreeMap<&str, BTreeSet<&str>> = edges
        .keys()
        .map(|start| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![*start]);
            while let Some(module) = next.pop() {
                for target in edges.get(module).into_iter().flatten() {
                    if seen.insert(target.as_str()) {
                        next.push(target);
                    }
                }
            }
            (*start, seen)
        })
        .collect();
    let mut circles: Vec<Vec<&str>> = Vec::new();
    for module in edges.keys() {
        let leads_back = |other: &&&str| reachable[**other].contains(*module) && reachable[*module].contains(**other);
        let circle: Vec<&str> = edges.keys().filter(leads_back).copied().collect();
        if circle.first() == Some(module) {
            circles.push(circle);
        }
    }
    circles
}
