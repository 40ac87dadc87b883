//! What a later version of the API may bring, at every place of the document: nothing of it is lost.
//!
//! The places and the values are made from the document's schemas by a walk of its own. Each place is tried with the type
//! the registry has for the nearest schema with a name.

use std::collections::BTreeMap;

use openrouter_kit::core::wire::Json;
use serde_json::{Value, json};

use crate::document::{Document, document, kind};
use crate::registry::TYPES;
use crate::support::Known;

const TEXT: &str = "something of tomorrow";

/// What is changed in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    UnknownValueOfEnum,
    UnknownTag,
    MissingTag,
    BrokenBranch,
    OtherKindOfValue,
    UnknownMember,
    AbsentMember,
    NullMember,
    MismatchMember,
}

/// A value that differs from what the document says in one place.
struct Variation {
    change: Change,
    place: String,
    value: Value,
}

/// Walks a schema together with a value of it.
struct Walk<'a> {
    document: &'a Document,
    root: Value,
    variations: Vec<Variation>,
}

impl<'a> Walk<'a> {
    fn add(&mut self, change: Change, pointer: &str, at: &str, value: Value) {
        let mut root = self.root.clone();
        *root.pointer_mut(pointer).unwrap() = value;
        self.variations.push(Variation { change, place: format!("{pointer}{at}"), value: root });
    }

    fn here(&self, pointer: &str) -> Value {
        self.root.pointer(pointer).unwrap().clone()
    }

    /// Notes every change at this place and below. Schemas with a name of their own are walked by themselves.
    fn schema(&mut self, schema: &'a Value, pointer: &str) {
        let schema = self.document.only_part(schema).unwrap_or(schema);
        if schema["$ref"].is_string() && !pointer.is_empty() {
            return;
        }
        let schema = self.document.follow(schema);
        let branches = self.document.branches(schema);
        let texts =
            schema["enum"].as_array().map_or(0, |values| values.iter().filter(|value| value.is_string()).count());
        let of_texts =
            branches.len() > 1 && branches.iter().all(|branch| self.document.follow(branch)["enum"].is_array());
        if branches.len() > 1 && !of_texts && is_any_text(self.document, schema) {
            // Nothing but text fits it, whatever comes.
        } else if texts > 1 || of_texts {
            self.add(Change::UnknownValueOfEnum, pointer, "", json!(TEXT));
        } else if branches.len() > 1 {
            self.union(schema, &branches, pointer);
        } else if let [only] = branches.as_slice() {
            self.schema(only, pointer);
        } else if !self.document.properties(schema).is_empty() {
            self.object(schema, pointer);
        } else if kind(schema) == "array" && self.here(pointer)[0] != Value::Null {
            self.schema(&schema["items"], &format!("{pointer}/0"));
        } else if schema["additionalProperties"].as_object().is_some_and(|of| !of.is_empty()) {
            self.schema(&schema["additionalProperties"], &format!("{pointer}/some entry"));
        }
    }

    fn object(&mut self, schema: &'a Value, pointer: &str) {
        let object = self.here(pointer);
        let mut with_more = object.clone();
        with_more[TEXT] = json!({"any": [1, null, "text", {"deep": 1.50}]});
        self.add(Change::UnknownMember, pointer, "", with_more);
        for (name, property) in self.document.properties(schema) {
            let Some(value) = object.get(name) else { continue };
            let mut without = object.clone();
            without.as_object_mut().unwrap().remove(name);
            self.add(Change::AbsentMember, pointer, name, without);
            for (change, other) in [(Change::NullMember, Value::Null), (Change::MismatchMember, mismatch(value))] {
                let mut changed = object.clone();
                changed[name] = other;
                self.add(change, pointer, name, changed);
            }
            self.schema(property, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")));
        }
    }

    fn union(&mut self, schema: &'a Value, branches: &[&'a Value], pointer: &str) {
        let before = self.here(pointer);
        self.add(Change::OtherKindOfValue, pointer, "", json!([[{"any": TEXT}]]));
        self.add(Change::OtherKindOfValue, pointer, "", json!(12345678901234567890_u64));
        self.add(Change::UnknownTag, pointer, "", json!({"type": TEXT, "role": TEXT, "data": [1]}));
        self.add(Change::MissingTag, pointer, "", json!({"data": [TEXT]}));
        for branch in branches {
            let value = self.document.small_sample(branch);
            let declared = schema["discriminator"]["propertyName"].as_str();
            let constants = self
                .document
                .properties(branch)
                .into_iter()
                .filter(|(_, property)| is_constant(self.document, property));
            let tag = declared.or_else(|| constants.map(|(name, _)| name).next());
            *self.root.pointer_mut(pointer).unwrap() = value.clone();
            if let (Some(tag), true) = (tag, value.is_object()) {
                let mut unknown = value.clone();
                unknown[tag] = json!(TEXT);
                self.add(Change::UnknownTag, pointer, tag, unknown);
                let mut missing = value.clone();
                missing.as_object_mut().unwrap().remove(tag);
                self.add(Change::MissingTag, pointer, tag, missing);
            }
            for name in self.document.required(branch).into_iter().filter(|name| Some(*name) != tag) {
                let mut broken = value.clone();
                broken[name] = mismatch(&value[name]);
                self.add(Change::BrokenBranch, pointer, name, broken);
            }
            self.schema(branch, pointer);
        }
        *self.root.pointer_mut(pointer).unwrap() = before;
    }
}

/// Whether a schema allows text alone, of whatever form.
fn is_any_text(document: &Document, schema: &Value) -> bool {
    let schema = document.follow(schema);
    match document.branches(schema).as_slice() {
        [] => kind(schema) == "string",
        branches => branches.iter().all(|branch| is_any_text(document, branch)),
    }
}

fn is_constant(document: &Document, schema: &Value) -> bool {
    let schema = document.follow(schema);
    schema["const"].is_string() || schema["enum"].as_array().is_some_and(|values| values.len() == 1)
}

/// A value of another kind.
fn mismatch(value: &Value) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) => json!(TEXT),
        _ => json!({"not": {"what": ["is", "expected"]}}),
    }
}

/// The schemas with a type in the registry: components, bodies and answers.
fn schemas(document: &Document) -> BTreeMap<String, &Value> {
    let mut list: BTreeMap<String, &Value> =
        document.components().iter().map(|(name, schema)| (name.clone(), schema)).collect();
    for stated in document.operations() {
        let body = &stated.operation["requestBody"]["content"]["application/json"];
        list.insert(format!("{}.request", stated.id), &body["schema"]);
        for (status, response) in stated.operation["responses"].as_object().unwrap() {
            if status.starts_with('2') {
                list.insert(format!("{}.response", stated.id), &response["content"]["application/json"]["schema"]);
            }
        }
    }
    list.retain(|_, schema| !schema.is_null());
    list
}

#[test]
fn whatever_a_later_version_brings_survives_a_round_trip() {
    let types: BTreeMap<&str, Known> = TYPES.iter().copied().collect();
    let document = document();
    let mut counts: BTreeMap<Change, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, schema) in schemas(document) {
        // A map by decision of the overlay: what does not fit its values is kept by the object that holds it.
        let Some(known) = types.get(name.as_str()).filter(|_| name != "ProviderOptions") else { continue };
        let mut walk = Walk { document, root: document.small_sample(schema), variations: Vec::new() };
        walk.schema(schema, "");
        for Variation { change, place, value } in walk.variations {
            *counts.entry(change).or_default() += 1;
            let json = Json::from(value);
            let must_show = matches!(change, Change::UnknownValueOfEnum | Change::UnknownTag);
            match (known.look)(json.as_text(), must_show) {
                Err(error) => wrong.push(format!("{name}{place}: {change:?}: {error}")),
                Ok(seen) => {
                    if let Some(at) = json.difference(&seen.written) {
                        wrong.push(format!("{name}{place}: {change:?}: differs at {at}"));
                    }
                    // Where a text is expected and an object comes, only what it consists of is shown.
                    if must_show && !seen.shown.contains(TEXT) && seen.mismatches == 0 {
                        wrong.push(format!("{name}{place}: {change:?}: is not to be seen in {}", seen.shown));
                    }
                }
            }
        }
    }
    println!("{counts:?}");
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), counts.values().sum::<usize>(), wrong.join("\n"));
    assert!(counts.len() == 9 && counts.values().all(|count| *count > 100), "{counts:?}");
}
