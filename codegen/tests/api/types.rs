//! Every type has the members, values and branches of the document, under names that stand for them, and nothing that the
//! document names is left untyped.

use std::collections::{BTreeMap, BTreeSet};

use openrouter_kit::core::wire::Json;
use serde_json::{Value, json};

use crate::document::{Document, Sampler, document, kind};
use crate::registry::TYPES;
use crate::shown;
use crate::support::{Known, Seen};

/// A schema and its place in the document.
pub(crate) struct Place<'a> {
    pub(crate) name: String,
    pub(crate) schema: &'a Value,
}

/// All places of the document.
pub(crate) fn places(document: &Document) -> Vec<Place<'_>> {
    let mut list = Vec::new();
    for (name, schema) in document.components() {
        descend(document, name.clone(), schema, &mut list);
    }
    for stated in document.operations() {
        for parameter in &stated.parameters {
            let name = format!("{}({})", stated.id, parameter["name"].as_str().unwrap());
            descend(document, name, &parameter["schema"], &mut list);
        }
        // A multipart form is not JSON; the tests of operations send it.
        let bodies = stated.operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (_, content) in bodies.filter(|(media_type, _)| !media_type.starts_with("multipart/")) {
            descend(document, format!("{}.request", stated.id), &content["schema"], &mut list);
        }
        for (_, response) in stated.operation["responses"].as_object().into_iter().flatten() {
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let is_stream = media_type.contains("event-stream");
                let part = if is_stream { "event" } else { "response" };
                let data = &document.follow(&content["schema"])["properties"]["data"];
                let schema = if is_stream && !data.is_null() { data } else { &content["schema"] };
                descend(document, format!("{}.{part}", stated.id), schema, &mut list);
            }
        }
    }
    list
}

fn descend<'a>(document: &'a Document, name: String, schema: &'a Value, list: &mut Vec<Place<'a>>) {
    list.push(Place { name: name.clone(), schema });
    if schema["$ref"].is_string() {
        return;
    }
    if let Some(part) = document.only_part(schema) {
        return descend(document, name, part, list);
    }
    let branches = document.branches(schema);
    for branch in &branches {
        // Lists and numbers have no names of their own.
        let is_named = branches.len() > 1 && !matches!(kind(branch), "array" | "number" | "integer" | "boolean");
        let step = if is_named { format!("|{}", branch_name(document, branch)) } else { String::new() };
        // Of several lists, only one of objects has a type for its elements.
        if kind(branch) == "array" && matches!(kind(&branch["items"]), "array" | "number" | "integer" | "string") {
            continue;
        }
        descend(document, format!("{name}{step}"), branch, list);
    }
    for (member, property) in document.properties(schema) {
        descend(document, format!("{name}.{member}"), property, list);
    }
    if schema["items"].is_object() {
        descend(document, format!("{name}[]"), &schema["items"], list);
    }
    if schema["additionalProperties"].is_object() {
        descend(document, format!("{name}{{}}"), &schema["additionalProperties"], list);
    }
}

/// The name of a branch in places: the one value of its tag, or of another member; else the first member, or the kind.
fn branch_name<'a>(document: &'a Document, branch: &'a Value) -> &'a str {
    let properties = document.properties(branch);
    let one = |(_, property): &(&str, &'a Value)| match &texts(document, property)[..] {
        [only] => Some(*only),
        _ => None,
    };
    let tag = properties.iter().find(|(name, _)| *name == "type").and_then(one);
    let first = || properties.first().map(|(name, _)| *name);
    tag.or_else(|| properties.iter().find_map(one)).or_else(first).unwrap_or_else(|| kind(branch))
}

/// The texts that a schema lists, through references.
fn texts<'a>(document: &'a Document, schema: &'a Value) -> Vec<&'a str> {
    let schema = document.follow(document.only_part(schema).unwrap_or(schema));
    let listed = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    listed.filter_map(Value::as_str).collect()
}

/// Whether null is a value of a schema.
fn is_nullable(document: &Document, schema: &Value) -> bool {
    let own = document.follow(schema);
    let lists_null =
        |value: &Value| value.as_array().is_some_and(|list| list.iter().any(|v| v == "null" || v.is_null()));
    let branches = ["oneOf", "anyOf"].iter().filter_map(|word| own[*word].as_array()).flatten();
    let parts = own["allOf"].as_array().into_iter().flatten();
    let only = document.only_part(own);
    schema["nullable"] == true
        || own["nullable"] == true
        || lists_null(&own["type"])
        || lists_null(&own["enum"])
        || parts.into_iter().any(|part| part["nullable"] == true)
        || branches.into_iter().chain(only).any(|branch| branch["type"] == "null" || is_nullable(document, branch))
        || says_nothing(own)
}

/// Whether any value fits a schema.
fn says_nothing(schema: &Value) -> bool {
    ["type", "enum", "const", "properties", "items", "oneOf", "anyOf", "allOf"]
        .iter()
        .all(|word| schema.get(word).is_none())
}

/// The kinds of JSON values that a schema allows, without null.
fn kinds<'a>(document: &'a Document, schema: &'a Value) -> BTreeSet<&'a str> {
    let schema = document.follow(document.only_part(schema).unwrap_or(schema));
    let schema = document.only_part(schema).map_or(schema, |part| document.follow(part));
    let branches = document.branches(schema);
    if !branches.is_empty() {
        return branches.into_iter().flat_map(|branch| kinds(document, branch)).collect();
    }
    let listed = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const")).map(kind_of);
    let stated = match &schema["type"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let mut kinds: BTreeSet<&str> = if stated.is_empty() { listed.collect() } else { stated.into_iter().collect() };
    kinds.remove("null");
    match kinds.is_empty() {
        true if !document.properties(schema).is_empty() => BTreeSet::from(["object"]),
        true => BTreeSet::from(["array", "boolean", "number", "object", "string"]),
        false => kinds,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What the tests find.
#[derive(Default)]
struct Findings {
    wrong: BTreeSet<String>,
    types: BTreeSet<&'static str>,
    members: BTreeSet<(&'static str, String)>,
    values: BTreeSet<(&'static str, String)>,
    branches: BTreeSet<(&'static str, String)>,
}

impl Findings {
    fn check(&mut self, known: Known, place: &str, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.insert(format!("{} at {place}: {}", known.name, what()));
        }
    }

    /// Reads a value that the document describes: all of it is typed, in the fields that its names say, and written back.
    fn read(&mut self, known: Known, place: &str, value: &Value) -> Option<Seen> {
        let json = Json::from(value.clone());
        let seen = match (known.look)(json.as_text(), true) {
            Ok(seen) => seen,
            Err(error) => {
                self.check(known, place, false, || format!("{error}: {value}"));
                return None;
            }
        };
        self.check(known, place, seen.untyped.is_empty(), || format!("untyped: {:?}", seen.untyped));
        let difference = json.difference(&seen.written).map(|at| at.to_string());
        self.check(known, place, difference.is_none(), || format!("is written with another {difference:?}"));
        if seen.untyped.is_empty() {
            let difference = shown::compare(&seen.shown, value).err();
            self.check(known, place, difference.is_none(), || difference.unwrap_or_default());
        }
        Some(seen)
    }

    fn object(&mut self, document: &Document, known: Known, place: &str, schema: &Value) {
        let is_patched = PATCHED.contains(&place);
        let required = document.required(schema);
        let stated: BTreeMap<&str, String> = document
            .properties(schema)
            .into_iter()
            .map(|(name, property)| {
                let is_required = required.contains(&name);
                let texts = texts(document, property);
                let is_constant = is_required || ["type", "role", "_shape"].contains(&name);
                let presence = match (is_required, is_nullable(document, property)) {
                    _ if texts.len() == 1 && is_constant => json!(texts[0]).to_string(),
                    (true, false) => "Required".to_owned(),
                    (true, true) => "Nullable".to_owned(),
                    (false, true) if is_patched => "Patched".to_owned(),
                    (false, _) => "Optional".to_owned(),
                };
                (name, presence)
            })
            .collect();
        let own: BTreeMap<&str, String> = (known.members)().into_iter().collect();
        let whole = Sampler::small(document, 0).value(schema);
        let seen = (known.look)(&whole.to_string(), true);
        let options = seen.and_then(|seen| shown::compare(&seen.shown, &whole)).unwrap_or_default();
        for (name, presence) in &stated {
            self.members.insert((known.name, (*name).to_owned()));
            self.check(known, place, own.get(name) == Some(presence), || {
                format!("`{name}` is {presence}, and not {:?}", own.get(name))
            });
            let is_option = options.get(*name).copied();
            self.check(known, place, is_option.is_none_or(|is_option| is_option == (presence != "Required")), || {
                format!("`{name}` is {presence}, but its field is not")
            });
        }
        for (name, property) in document.properties(schema) {
            let value = Sampler::small(document, 0).value(property);
            let mut object = Sampler::least(document).value(schema);
            object[name] = value.clone();
            // A text that the document lists is a value of an enum.
            let items = &property["items"];
            let listed = if items.is_object() && !is_nullable(document, items) { items } else { property };
            let listed = texts(document, listed);
            let seen = (known.look)(&object.to_string(), true);
            let is_text = |seen: &Seen| listed.iter().any(|text| seen.shown.contains(&format!("\"{text}\"")));
            self.check(known, place, !seen.is_ok_and(|seen| is_text(&seen)), || format!("`{name}` is any text"));
            // A value of a kind that the document does not allow does not fit.
            let kinds = kinds(document, property);
            let others = [json!({"not": {"what": ["is", "expected"]}}), json!("something else"), json!([[{"not": 1}]])];
            let Some(other) = others.into_iter().find(|other| !kinds.contains(kind_of(other))) else { continue };
            object[name] = other;
            let seen = (known.look)(&object.to_string(), false);
            let fits = seen.is_ok_and(|seen| seen.untyped.is_empty());
            self.check(known, place, !fits, || format!("`{name}` takes values of other kinds than {kinds:?}"));
        }
        for name in own.keys().filter(|name| !stated.contains_key(*name)) {
            self.check(known, place, false, || format!("the document has no `{name}`"));
        }
    }

    fn branch(
        &mut self,
        document: &Document,
        known: Known,
        place: &str,
        branch: &Value,
        types: &BTreeMap<&str, Known>,
    ) {
        if texts(document, branch).len() > 1 {
            for text in texts(document, branch) {
                self.read(known, place, &json!(text));
            }
            return;
        }
        let of = branch["$ref"].as_str().and_then(|path| path.rsplit('/').next()).and_then(|name| types.get(name));
        for (sampler, is_whole) in [(Sampler::small(document, 0), true), (Sampler::least(document), false)] {
            let value = sampler.value(branch);
            // A branch with any tag describes the tags of tomorrow.
            if value.as_object().is_some_and(|object| object.len() == 1)
                && document
                    .properties(branch)
                    .iter()
                    .any(|(name, tag)| *name == "type" && texts(document, tag).is_empty())
            {
                let seen = (known.look)(&value.to_string(), true);
                if seen.is_ok_and(|seen| seen.shown.starts_with("Unrecognized")) {
                    continue;
                }
            }
            let Some(seen) = self.read(known, place, &value) else { continue };
            let (variant, inner) = seen.shown.split_once('(').unwrap_or((&seen.shown, ""));
            self.branches.insert((known.name, variant.to_owned()));
            // What it requires may fit several branches.
            if let Some(of) = of.filter(|_| is_whole && inner.starts_with(char::is_uppercase)) {
                self.check(known, place, inner.starts_with(&format!("{} {{", of.name)), || {
                    format!("the branch {} is read as {}", of.name, inner.split(' ').next().unwrap_or_default())
                });
            }
        }
    }
}

/// The types in which absent and null mean different things.
const PATCHED: &[&str] = &[
    "UpdateBYOKKeyRequest",
    "UpdateGuardrailRequest",
    "UpdateObservabilityDestinationRequest",
    "UpdateWorkspaceRequest",
    "updateKeys.request",
];

#[test]
fn every_type_has_the_members_values_and_branches_of_the_document() {
    let types: BTreeMap<&str, Known> = TYPES.iter().copied().collect();
    let document = document();
    let mut found = Findings::default();
    for Place { name: place, schema } in places(document) {
        let Some(known) = types.get(place.as_str()).copied() else { continue };
        if schema["$ref"].is_string() {
            continue;
        }
        found.types.insert(known.name);
        let schema = document.follow(document.only_part(schema).unwrap_or(schema));
        for text in texts(document, schema) {
            found.values.insert((known.name, text.to_owned()));
            found.read(known, &place, &json!(text));
        }
        let branches = document.branches(schema);
        for branch in &branches {
            found.branch(document, known, &place, branch, &types);
        }
        if branches.is_empty() && !document.properties(schema).is_empty() {
            found.object(document, known, &place, schema);
        }
        for round in 0..Sampler::ROUNDS {
            found.read(known, &place, &Sampler::small(document, round).value(schema));
        }
        found.read(known, &place, &Sampler::whole(document, 0).value(schema));
        found.read(known, &place, &Sampler::least(document).value(schema));
    }
    let Findings { wrong, types: tested, members, values, branches } = found;
    println!("{} types, {} members, {} values, {} branches", tested.len(), members.len(), values.len(), branches.len());
    let missed: Vec<_> =
        TYPES.iter().filter(|(_, known)| !tested.contains(known.name)).map(|(place, _)| place).collect();
    assert!(missed.is_empty(), "{} types at places that the document does not have: {missed:?}", missed.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}
