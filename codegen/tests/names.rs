//! Names that do not move: documents that say the same in another form, derived from the one at hand, make the same types.
#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "in a test a panic is a finding")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use codegen::node::Node;
use codegen::overlay::Overlay;
use codegen::prose::Prose;
use codegen::surface::Surface;
use codegen::understand_node;

const PREFIX: &str = "#/components/schemas/";

fn overlay() -> Overlay {
    Overlay::load(&codegen::home().join("overlay")).unwrap()
}

fn surface(document: Node) -> Surface {
    understand_node(document, &overlay(), Prose::default()).unwrap_or_else(|failure| panic!("{failure}")).surface()
}

/// The whole document without its prose.
fn document() -> Node {
    Node::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/facts.json")).unwrap()
}

fn schemas(document: &mut Node) -> &mut Vec<(String, Node)> {
    let Some(Node::Map(members)) = document.get_mut("components").and_then(|components| components.get_mut("schemas"))
    else {
        panic!("no schemas")
    };
    members
}

fn reference(name: &str) -> Node {
    Node::Map(vec![("$ref".to_owned(), Node::Text(format!("{PREFIX}{name}")))])
}

fn everywhere(node: &mut Node, change: &mut impl FnMut(&mut Node)) {
    match node {
        Node::Map(members) => members.iter_mut().for_each(|(_, value)| everywhere(value, change)),
        Node::List(list) => list.iter_mut().for_each(|value| everywhere(value, change)),
        _ => {}
    }
    change(node);
}

/// Makes every `nth` inline object, union or enum of a property a component of its own.
fn extracted(document: &Node, nth: usize, offset: usize) -> Node {
    let mut document = document.clone();
    let mut taken = Vec::new();
    let mut count = offset;
    everywhere(&mut document, &mut |node| {
        let Some(Node::Map(properties)) = node.get_mut("properties") else { return };
        for (_, schema) in properties {
            let inline = ["properties", "oneOf", "anyOf", "enum"].iter().any(|word| schema.get(word).is_some());
            // A constant is the sign of its object and never shared.
            let constant = schema.get("enum").is_some_and(|values| values.elements().len() < 2);
            if inline && !constant {
                count += 1;
                if count.is_multiple_of(nth) {
                    let name = format!("Extracted{count}Schema");
                    taken.push((name.clone(), std::mem::replace(schema, reference(&name))));
                }
            }
        }
    });
    schemas(&mut document).extend(taken);
    document
}

/// Puts the schemas of components where they are referred to, unless they lead back to themselves.
fn inlined(document: &Node, names: &BTreeSet<String>) -> Node {
    let mut document = document.clone();
    for name in names {
        let target = format!("{PREFIX}{name}");
        let Some((_, mut schema)) = schemas(&mut document).iter().find(|(own, _)| own == name).cloned() else {
            continue;
        };
        let mut leads_back = false;
        everywhere(&mut schema, &mut |node| leads_back |= node.text_of("$ref") == Some(&target));
        if leads_back {
            continue;
        }
        everywhere(&mut document, &mut |node| {
            if node.text_of("$ref") == Some(&target) {
                *node = schema.clone();
            }
            if let Some(Node::Map(mapping)) = node.get_mut("mapping") {
                mapping.retain(|(_, to)| to.text() != Some(&target));
            }
        });
        schemas(&mut document).retain(|(own, _)| own != name);
    }
    document
}

fn renamed(document: &Node, names: &BTreeMap<String, String>) -> Node {
    let mut document = document.clone();
    for (name, _) in schemas(&mut document) {
        if let Some(new) = names.get(name) {
            name.clone_from(new);
        }
    }
    everywhere(&mut document, &mut |node| {
        if let Some(new) = node.text().and_then(|text| names.get(text.strip_prefix(PREFIX)?)) {
            *node = Node::Text(format!("{PREFIX}{new}"));
        }
    });
    document
}

/// What differs from the tree: names that are gone or new, and parts of types that have another name or type.
fn differences(now: &Surface) -> Vec<String> {
    let known = overlay().known;
    let changes = codegen::diff::Changes::between(&known, now);
    changes.text().lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect()
}

fn component_names(document: &mut Node) -> Vec<String> {
    schemas(document).iter().map(|(name, _)| name.clone()).collect()
}

#[test]
fn a_type_keeps_its_name_when_its_schema_becomes_a_component() {
    let document = document();
    for (nth, offset) in [(1, 0), (2, 1), (7, 3)] {
        let differences = differences(&surface(extracted(&document, nth, offset)));
        assert!(differences.is_empty(), "{nth}: {}\n{}", differences.len(), differences.join("\n"));
    }
}

#[test]
fn a_type_keeps_its_name_when_its_component_is_renamed() {
    let mut document = document();
    let names = component_names(&mut document).into_iter().enumerate();
    let names = names.filter(|(at, _)| at % 3 == 0).map(|(at, name)| (name, format!("Other{at}Name"))).collect();
    let differences = differences(&surface(renamed(&document, &names)));
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn a_type_keeps_its_name_when_its_component_is_inlined() {
    let mut document = document();
    let names = component_names(&mut document);
    for offset in [0, 7, 13] {
        let chosen = names.iter().skip(offset).step_by(25).cloned().collect();
        let differences = differences(&surface(inlined(&document, &chosen)));
        assert!(differences.is_empty(), "{offset}: {}\n{}", differences.len(), differences.join("\n"));
    }
}

#[test]
fn a_type_keeps_its_name_when_its_place_moves() {
    let mut document = document();
    let Some((_, request)) = schemas(&mut document).iter_mut().find(|(name, _)| name == "ChatRequest") else {
        panic!("no ChatRequest")
    };
    let properties = request.get_mut("properties").unwrap();
    let reasoning = properties.remove("reasoning").unwrap();
    let options = Node::Map(vec![
        ("type".to_owned(), Node::Text("object".to_owned())),
        ("properties".to_owned(), Node::Map(vec![("reasoning".to_owned(), reasoning)])),
    ]);
    properties.set("options", options);
    let surface = surface(document);
    let options = surface.types.get("ChatRequestOptions").unwrap();
    assert_eq!(options.parts.get("reasoning").unwrap().ty, "Option<ChatRequestReasoning>");
}

#[test]
fn members_that_are_new_or_required_rename_nothing() {
    let mut document = document();
    for (at, (_, schema)) in schemas(&mut document).iter_mut().enumerate() {
        if let Some(properties) = schema.get_mut("properties") {
            properties.set("brand_new", Node::parse("{type: string}").unwrap());
            if let Some(Node::List(required)) = schema.get_mut("required").filter(|_| at % 2 == 0) {
                required.push(Node::Text("brand_new".to_owned()));
            }
        }
    }
    let (known, now) = (overlay().known, surface(document));
    let gone: Vec<_> = known.types.keys().filter(|name| !now.types.contains_key(*name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}
