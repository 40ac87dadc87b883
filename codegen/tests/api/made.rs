//! Values that are made in Rust are the JSON that the document describes: by constructors, setters and conversions. What
//! methods read of a value is what its JSON says.

use std::collections::{BTreeMap, BTreeSet};

use openrouter_kit::core::wire::Json;
use serde_json::{Value, json};

use crate::document::{Document, Sampler, document};
use crate::registry::{BUILDS, CONSTRUCTORS, CONVERSIONS, GETTERS, MARKS, PAGES, TEXTS, TYPES};
use crate::support::{Known, MARK, Members};
use crate::types::{Place, places};

/// The schemas of a type: those of all its places.
fn schemas(document: &Document) -> BTreeMap<&'static str, Vec<&Value>> {
    let types: BTreeMap<&str, Known> = TYPES.iter().copied().collect();
    let mut schemas: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for Place { name, schema } in places(document).into_iter().filter(|place| !place.schema["$ref"].is_string()) {
        if let Some(known) = types.get(name.as_str()) {
            schemas.entry(known.name).or_default().push(document.follow(document.only_part(schema).unwrap_or(schema)));
        }
    }
    schemas
}

/// Values of each union, by the variant that they are read as.
fn values_of_variants(document: &Document) -> BTreeMap<&'static str, Vec<(String, Value)>> {
    let types: BTreeMap<&str, Known> = TYPES.iter().map(|(_, known)| (known.name, *known)).collect();
    let mut list: BTreeMap<&str, Vec<(String, Value)>> = BTreeMap::new();
    for (name, schemas) in schemas(document) {
        let Some(known) = types.get(name) else { continue };
        for branch in schemas.iter().flat_map(|schema| document.all_branches(schema)) {
            for round in 0..Sampler::ROUNDS {
                let value = Sampler::small(document, round).value(branch);
                let Ok(seen) = (known.look)(&value.to_string(), true) else { continue };
                let variant = seen.shown.split('(').next().unwrap_or_default();
                list.entry(name).or_default().push((variant.to_owned(), value));
            }
        }
    }
    list
}

/// Where two values differ, as a number and as a text.
fn difference(expected: &Value, value: &Value) -> Option<String> {
    Json::from(expected.clone()).difference(&Json::from(value.clone())).map(|at| at.to_string())
}

#[test]
fn every_type_that_is_built_is_the_json_that_its_setters_name() {
    let document = document();
    let schemas = schemas(document);
    let mut wrong = BTreeSet::new();
    let mut setters = 0;
    for (name, build) in BUILDS {
        let Some(schema) = schemas.get(name).and_then(|schemas| schemas.first()) else {
            wrong.insert(format!("{name}: the document does not have it"));
            continue;
        };
        let required = document.required(schema);
        for round in 0..Sampler::ROUNDS {
            let sample = Sampler::small(document, round).value(schema);
            let Value::Object(members) = sample else { panic!("{name}: {sample}") };
            setters += if round == 0 { members.len() } else { 0 };
            // What a program does not give, but the API wants to see.
            let least: Value = members.iter().filter(|(member, _)| required.contains(&member.as_str())).fold(
                json!({}),
                |mut least, (member, value)| {
                    least[member] = value.clone();
                    least
                },
            );
            let built = std::panic::catch_unwind(|| build(&Members(&members)));
            let Ok([new, all, from_value]) = built else {
                wrong.insert(format!("{name}: cannot be built from {members:?}"));
                continue;
            };
            let whole = Value::Object(members);
            for (way, made) in [("setters", &all), ("From<Value>", &from_value)] {
                if let Some(at) = difference(&whole, &made.to_value()) {
                    wrong.insert(format!("{name}: {way}: differs at {at}: {made}"));
                }
            }
            for (member, value) in new.to_value().as_object().into_iter().flatten() {
                if !value.is_null() && whole.get(member) != Some(value) {
                    wrong.insert(format!("{name}: new: {member} is {value}"));
                }
            }
            for member in least.as_object().into_iter().flatten().map(|(member, _)| member) {
                if new.to_value().get(member).is_none() {
                    wrong.insert(format!("{name}: new: has no {member}"));
                }
            }
        }
    }
    println!("{} types are built, with {setters} members", BUILDS.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_conversion_makes_the_union_that_its_branch_is() {
    let values = values_of_variants(document());
    let mut wrong = BTreeSet::new();
    for (union, variant, convert) in CONVERSIONS {
        let own = values.get(union).into_iter().flatten();
        let mut count = 0;
        for (_, value) in own.filter(|(own, _)| own == variant) {
            count += 1;
            let text = value.to_string();
            match std::panic::catch_unwind(|| convert(&text)) {
                Err(_) => drop(wrong.insert(format!("{union}: {variant}: cannot be converted from {value}"))),
                Ok(made) => {
                    if let Some(at) = difference(value, &made) {
                        wrong.insert(format!("{union}: {variant}: differs at {at}"));
                    }
                }
            }
        }
        if count == 0 {
            wrong.insert(format!("{union}: {variant}: no value of the document is read as it"));
        }
    }
    println!("{} conversions", CONVERSIONS.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_constructor_and_text_makes_what_it_says() {
    let mut wrong = BTreeSet::new();
    let types: BTreeMap<&str, Known> = TYPES.iter().map(|(_, known)| (known.name, *known)).collect();
    for (union, tag, value, make) in CONSTRUCTORS {
        let made = make();
        let seen = types.get(union).map(|known| (known.look)(&made.to_string(), false));
        let is_typed = seen.is_none_or(|seen| seen.is_ok_and(|seen| seen.untyped.is_empty()));
        if !is_typed || made != *value && (tag.is_empty() || made[*tag] != *value) {
            wrong.insert(format!("{union}: {value}: makes {made}"));
        }
    }
    for (name, of_text) in TEXTS {
        let made = of_text("some words");
        let texts = made
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(member, value)| **value == "some words" && ["id", "text", "type"].contains(&member.as_str()));
        if made != "some words" && texts.count() != 1 {
            wrong.insert(format!("{name}: a text makes {made}"));
        }
        if let (Some(known), Some("some words")) = (types.get(name), made["text"].as_str()) {
            let seen = (known.look)(&made.to_string(), false);
            if seen.is_ok_and(|seen| !seen.untyped.is_empty()) {
                wrong.insert(format!("{name}: a text makes {made}, which has no type"));
            }
        }
    }
    println!("{} constructors, {} types that are made of a text", CONSTRUCTORS.len(), TEXTS.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_method_of_a_union_reads_or_marks_the_member_it_is_named_for() {
    let values = values_of_variants(document());
    let mut wrong = BTreeSet::new();
    for (union, member, get) in GETTERS {
        for (variant, value) in values.get(union).into_iter().flatten() {
            let expected = Json::from(value[*member].clone());
            let read = Json::from(get(&value.to_string()));
            if let Some(at) = expected.difference(&read) {
                wrong.insert(format!("{union}: {member} of {variant}: differs at `{at}`: {read}"));
            }
        }
    }
    for (union, mark) in MARKS {
        for (variant, value) in values.get(union).into_iter().flatten().filter(|(variant, _)| variant != "Unrecognized")
        {
            let mut expected = value.clone();
            expected["cache_control"] = serde_json::from_str(MARK).unwrap();
            if let Some(at) = difference(&expected, &mark(&value.to_string())) {
                wrong.insert(format!("{union}: cache_control of {variant}: differs at {at}"));
            }
        }
    }
    println!("{} methods that read, {} that mark", GETTERS.len(), MARKS.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_page_gives_its_items_and_says_where_the_next_one_begins() {
    let document = document();
    let types: BTreeMap<&str, Known> = TYPES.iter().copied().collect();
    let pages: BTreeMap<_, _> = PAGES.iter().copied().collect();
    let mut tested = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    for stated in document.operations() {
        let Some((name, page)) = types
            .get(format!("{}.response", stated.id).as_str())
            .and_then(|known| Some((known.name, pages.get(known.name)?)))
        else {
            continue;
        };
        tested.insert(name);
        let content = &stated.operation["responses"]["200"]["content"]["application/json"];
        let schema = document.follow(&content["schema"]);
        let schema = document.branches(schema).first().copied().unwrap_or(schema);
        let next = stated.operation["x-speakeasy-pagination"]["outputs"]["nextCursor"].as_str();
        let by_cursor = next.is_some() || stated.parameters.iter().any(|parameter| parameter["name"] == "after");
        let member = next.map_or("last_id", |path| path.trim_start_matches("$."));
        for round in 0..2 {
            let mut value = Sampler::small(document, round).value(schema);
            let items = value["data"].as_array().cloned().unwrap_or_default();
            value["data"] = items.iter().chain(&items).cloned().collect();
            let seen = page(&value.to_string());
            let cursor = if by_cursor { value[member].clone() } else { Value::Null };
            // A file list of OpenRouter ends with a page without a cursor.
            let has_more = if name == "FileListResponse" { Value::Null } else { value["has_more"].clone() };
            let expected = json!({"length": 2, "items": value["data"], "cursor": cursor, "has_more": has_more});
            if let Some(at) = difference(&expected, &seen) {
                wrong.insert(format!("{name}: differs at {at}: {seen}"));
            }
        }
    }
    println!("{} pages", tested.len());
    assert_eq!(tested.len(), PAGES.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}
