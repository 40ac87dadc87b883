//! The facts of the document for the tests of the generated code: what is on the wire, without prose, and before
//! anything is decided about Rust.

use std::fmt::Write;

use super::Files;
use crate::node::Node;
use crate::references::METHODS;

/// The file of the facts.
pub const FILE: &str = "codegen/tests/api/facts.json";

/// The longest line.
const WIDTH: usize = 120;

/// Writes the facts of a document whose references in operations are resolved.
pub fn emit(document: &Node, files: &mut Files) {
    let paths = members(document.get("paths"), |item| {
        kept(item, |name, value| match name {
            "servers" => Some(servers(value)),
            method => METHODS.contains(&method).then(|| operation(value)),
        })
    });
    let schemas = document.get("components").and_then(|components| components.get("schemas"));
    let components = Node::Map(vec![("schemas".to_owned(), members(schemas, schema))]);
    let facts = Node::Map(vec![("paths".to_owned(), paths), ("components".to_owned(), components)]);
    let mut text = String::new();
    write(&facts, 0, &mut text);
    text.push('\n');
    files.insert(FILE.to_owned(), text);
}

/// Each member of a map as `facts` has it.
fn members(node: Option<&Node>, facts: impl Fn(&Node) -> Node) -> Node {
    let members = node.map_or(&[][..], Node::members);
    Node::Map(members.iter().map(|(name, value)| (name.clone(), facts(value))).collect())
}

/// The members of a map that `facts` keeps.
fn kept(node: &Node, facts: impl Fn(&str, &Node) -> Option<Node>) -> Node {
    let kept = node.members().iter().filter_map(|(name, value)| Some((name.clone(), facts(name, value)?)));
    Node::Map(kept.collect())
}

fn operation(node: &Node) -> Node {
    kept(node, |name, value| match name {
        "operationId" | "tags" | "security" | "deprecated" => Some(value.clone()),
        name if name.starts_with("x-speakeasy-") => Some(value.clone()),
        "servers" => Some(servers(value)),
        "parameters" => Some(Node::List(value.elements().iter().map(parameter).collect())),
        "requestBody" => Some(body(value)),
        // How errors look is the same everywhere.
        "responses" => Some(Node::Map(
            value
                .members()
                .iter()
                .map(|(status, response)| {
                    let facts = if status.starts_with('2') { body(response) } else { Node::Map(Vec::new()) };
                    (status.clone(), facts)
                })
                .collect(),
        )),
        _ => None,
    })
}

fn servers(node: &Node) -> Node {
    Node::List(node.elements().iter().map(|server| only(server, &["url"])).collect())
}

fn only(node: &Node, names: &[&str]) -> Node {
    kept(node, |name, value| names.contains(&name).then(|| value.clone()))
}

fn parameter(node: &Node) -> Node {
    kept(node, |name, value| match name {
        "name" | "in" | "required" => Some(value.clone()),
        "schema" => {
            let mut facts = schema(value);
            if let Some(default) = value.get("default") {
                facts.set("default", default.clone());
            }
            Some(facts)
        }
        _ => None,
    })
}

/// The content of a request or of a response.
fn body(node: &Node) -> Node {
    kept(node, |name, value| match name {
        "required" => Some(value.clone()),
        "content" => {
            Some(members(Some(value), |media| kept(media, |name, value| (name == "schema").then(|| schema(value)))))
        }
        _ => None,
    })
}

fn schema(node: &Node) -> Node {
    kept(node, |name, value| match name {
        "$ref" | "type" | "nullable" | "enum" | "const" | "required" | "x-openrouter-type" => Some(value.clone()),
        "format" => (value.text() == Some("binary")).then(|| value.clone()),
        "discriminator" => Some(only(value, &["propertyName"])),
        "properties" => Some(members(Some(value), schema)),
        "items" | "additionalProperties" => {
            Some(if matches!(value, Node::Map(_)) { schema(value) } else { value.clone() })
        }
        "oneOf" | "anyOf" | "allOf" => Some(Node::List(value.elements().iter().map(schema).collect())),
        _ => None,
    })
}

/// Writes a value on one line if it fits, and each of its parts on a line of its own otherwise.
fn write(node: &Node, depth: usize, text: &mut String) {
    let line = node.to_json();
    let start = text.rfind('\n').map_or(0, |at| at + 1);
    let used = text.get(start..).map_or(0, |line| line.chars().count());
    let parts: Vec<(String, &Node)> = match node {
        Node::Map(members) => {
            members.iter().map(|(name, value)| (format!("{}: ", Node::Text(name.clone()).to_json()), value)).collect()
        }
        Node::List(elements) => elements.iter().map(|value| (String::new(), value)).collect(),
        _ => Vec::new(),
    };
    if parts.is_empty() || depth > 1 && used + line.chars().count() < WIDTH {
        text.push_str(&line);
        return;
    }
    let (open, close) = if matches!(node, Node::Map(_)) { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (index, (name, value)) in parts.iter().enumerate() {
        let separator = if index > 0 { "," } else { "" };
        let _ = write!(text, "{separator}\n{:indent$}{name}", "", indent = depth + 1);
        write(value, depth + 1, text);
    }
    let _ = write!(text, "\n{:depth$}{close}", "");
}
