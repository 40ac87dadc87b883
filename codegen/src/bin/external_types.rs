//! Compares the types of other crates in the public API with the list in `Cargo.toml`.
//!
//! A type of another crate in the API ties our version to its version, so each one is a decision. Reads the JSON that
//! rustdoc writes for the crate; `scripts/external_types.sh` makes it.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

/// The start of the list in `Cargo.toml`, in the form of the tool `cargo-check-external-types`.
const LIST: &str = "allowed_external_types = [";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (text, clean) = match arguments.as_slice() {
        [json, manifest] => match read(json).and_then(|json| Ok((json, read(manifest)?))) {
            Ok((json, manifest)) => compare(&json, &manifest),
            Err(error) => (error, false),
        },
        _ => ("usage: external_types RUSTDOC.json Cargo.toml".to_owned(), false),
    };
    // Whoever reads the list may stop early.
    let _ = writeln!(std::io::stdout(), "{text}");
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
}

fn compare(json: &str, manifest: &str) -> (String, bool) {
    let documentation: Value = match serde_json::from_str(json) {
        Ok(documentation) => documentation,
        Err(error) => return (format!("rustdoc's output cannot be read: {error}"), false),
    };
    let used = external_types(&documentation);
    let allowed: BTreeSet<String> = manifest
        .split_once(LIST)
        .and_then(|(_, list)| list.split_once(']'))
        .map(|(list, _)| list.split(',').map(|name| name.trim().trim_matches('"').to_owned()))
        .into_iter()
        .flatten()
        .filter(|name| !name.is_empty())
        .collect();
    let mut text = format!("{} types of other crates in the public API", used.len());
    for name in used.difference(&allowed) {
        text.push_str(&format!("\nnot allowed: {name}; keep it out of the API, or list it in Cargo.toml"));
    }
    for name in allowed.difference(&used) {
        text.push_str(&format!("\nlisted, but not in the API: {name}; remove it from the list in Cargo.toml"));
    }
    (text, !used.is_empty() && used == allowed)
}

/// The paths of the types and traits in public items that are neither ours nor the standard library's.
fn external_types(documentation: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for item in documentation.get("index").and_then(Value::as_object).into_iter().flat_map(|index| index.values()) {
        let Some(inner) = item.get("inner").filter(|_| item.get("crate_id") == Some(&Value::from(0))) else {
            continue;
        };
        let implementation = inner.get("impl");
        let is_automatic = |implementation: &Value| {
            implementation.get("is_synthetic") == Some(&Value::Bool(true))
                || implementation.get("blanket_impl").is_some_and(|blanket| !blanket.is_null())
        };
        if !implementation.is_some_and(is_automatic) {
            collect(inner, documentation, &mut found);
        }
    }
    found
}

fn collect(value: &Value, documentation: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let (Some(id), Some(_)) = (members.get("id").and_then(Value::as_u64), members.get("path")) {
                found.extend(external_path(id, documentation));
            }
            members.values().for_each(|value| collect(value, documentation, found));
        }
        Value::Array(elements) => elements.iter().for_each(|value| collect(value, documentation, found)),
        _ => {}
    }
}

fn external_path(id: u64, documentation: &Value) -> Option<String> {
    let entry = documentation.get("paths")?.get(id.to_string())?;
    let origin = entry.get("crate_id")?.as_u64()?;
    let name = documentation.get("external_crates")?.get(origin.to_string())?.get("name")?.as_str()?;
    if matches!(name, "std" | "core" | "alloc") {
        return None;
    }
    let path: Vec<&str> = entry.get("path")?.as_array()?.iter().filter_map(Value::as_str).collect();
    Some(path.join("::"))
}
