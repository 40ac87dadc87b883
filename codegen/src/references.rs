//! Parameters, bodies, responses and whole paths that the document defines once and refers to.

use crate::Failure;
use crate::node::Node;

/// The methods of a path.
pub const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Resolves the references in operations, and copies the parameters of a path into its operations, so that each
/// operation is self-contained. References to schemas stay: they are the names of types.
pub fn inline(document: &mut Node) -> Result<(), Failure> {
    let whole = document.clone();
    let Some(Node::Map(paths)) = document.get_mut("paths") else { return Ok(()) };
    let mut failures = Vec::new();
    for (path, item) in paths {
        if let Err(failure) = inline_path(item, &whole) {
            failures.extend(failure.at(path).0);
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure(failures)) }
}

fn inline_path(item: &mut Node, document: &Node) -> Result<(), Failure> {
    follow(item, document)?;
    let shared = parameters(item, document)?;
    item.remove("parameters");
    let Node::Map(members) = item else { return Ok(()) };
    for (_, operation) in members.iter_mut().filter(|(name, _)| METHODS.contains(&name.as_str())) {
        let own = parameters(operation, document)?;
        let replaced = |parameter: &&Node| own.iter().any(|other| is_same(other, parameter));
        let all: Vec<Node> = shared.iter().filter(|one| !replaced(one)).chain(&own).cloned().collect();
        if !all.is_empty() {
            operation.set("parameters", Node::List(all));
        }
        if let Some(body) = operation.get_mut("requestBody") {
            follow(body, document)?;
        }
        if let Some(Node::Map(responses)) = operation.get_mut("responses") {
            for (_, response) in responses {
                follow(response, document)?;
            }
        }
    }
    Ok(())
}

/// The parameters of a path or an operation, without references.
fn parameters(node: &Node, document: &Node) -> Result<Vec<Node>, Failure> {
    let mut list = node.get("parameters").map_or(&[][..], Node::elements).to_vec();
    list.iter_mut().try_for_each(|parameter| follow(parameter, document))?;
    Ok(list)
}

/// Whether two parameters are the same one: an operation may redefine a parameter of its path.
fn is_same(one: &Node, other: &Node) -> bool {
    ["name", "in"].iter().all(|member| one.text_of(member) == other.text_of(member))
}

/// Replaces a reference with what it refers to.
fn follow(node: &mut Node, document: &Node) -> Result<(), Failure> {
    // A longer chain is circular.
    for _ in 0..16 {
        let Some(reference) = node.text_of("$ref") else { return Ok(()) };
        let Some(target) = at(document, reference) else {
            return Err(Failure::new(format!("the document has no `{reference}`; add it in overlay/spec.yaml")));
        };
        let mut target = target.clone();
        // Siblings of a reference override what it refers to.
        for (name, value) in node.members().iter().filter(|(name, _)| name != "$ref") {
            target.set(name, value.clone());
        }
        *node = target;
    }
    Err(Failure::new("a reference leads back to itself; repair it in overlay/spec.yaml"))
}

/// What a reference within the document points to.
fn at<'a>(document: &'a Node, reference: &str) -> Option<&'a Node> {
    let steps = reference.strip_prefix("#/")?.split('/');
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).try_fold(document, |node, step| node.get(&step))
}
