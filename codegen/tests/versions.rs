//! Other versions of the document, derived from the one at hand (or from the golden documents if there is none): the
//! generator understands each of them without a decision by a person.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use codegen::diff::Changes;
use codegen::node::Node;
use codegen::overlay::Overlay;
use codegen::prose::Prose;
use codegen::{Generated, understand_node};

/// The documents the versions are derived from.
fn documents() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let whole = here.join("../../shared/spec/openapi-2026-10-30.yaml");
    let golden = ["names", "older_form", "unions", "recursion", "operations", "served"];
    let golden = golden.iter().map(|name| here.join(format!("tests/golden/{name}.yaml")));
    golden.chain(whole.exists().then_some(whole)).collect()
}

fn understood(document: Node) -> Generated {
    let overlay = Overlay::load(&codegen::home().join("overlay")).unwrap();
    understand_node(document, &overlay, Prose::default()).unwrap_or_else(|failure| panic!("{failure}"))
}

/// The names of the types.
fn types(generated: &Generated) -> BTreeSet<&str> {
    generated.api.types.iter().map(|ty| ty.name.as_str()).collect()
}

/// The same choices on every run.
struct Choice(u64);

impl Choice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

/// Changes every map of a tree, from the inside out.
fn everywhere(node: &mut Node, change: &mut impl FnMut(&mut Node)) {
    match node {
        Node::Map(members) => {
            members.iter_mut().for_each(|(_, value)| everywhere(value, change));
            change(node);
        }
        Node::List(list) => list.iter_mut().for_each(|value| everywhere(value, change)),
        _ => {}
    }
}

fn shuffled(document: &Node, seed: u64) -> Node {
    let mut choice = Choice(seed);
    let mut document = document.clone();
    everywhere(&mut document, &mut |node| {
        let Node::Map(members) = node else { return };
        choice.shuffle(members);
        for (name, value) in members {
            if let Node::List(list) = value
                && matches!(name.as_str(), "oneOf" | "anyOf" | "enum" | "required" | "parameters" | "type")
            {
                choice.shuffle(list);
            }
        }
    });
    document
}

/// Takes away a part of the operations and of the schemas, and all references to these.
fn smaller(document: &Node, seed: u64) -> Node {
    let mut choice = Choice(seed);
    let mut document = document.clone();
    for (_, item) in entries(document.get_mut("paths").unwrap()) {
        entries(item).retain(|(method, _)| method == "parameters" || method == "servers" || !choice.one_in(3));
    }
    let schemas = document.get_mut("components").and_then(|components| components.get_mut("schemas")).unwrap();
    entries(schemas).retain(|_| !choice.one_in(3));
    let left: BTreeSet<String> = schemas.members().iter().map(|(name, _)| name.clone()).collect();
    let gone = |node: &Node| {
        let schema = node.text_of("$ref").and_then(|reference| reference.strip_prefix("#/components/schemas/"));
        schema.is_some_and(|name| !left.contains(name))
    };
    everywhere(&mut document, &mut |node| {
        if gone(node) {
            *node = Node::parse("{type: object}").unwrap();
        }
    });
    document
}

fn entries(node: &mut Node) -> &mut Vec<(String, Node)> {
    let Node::Map(members) = node else { panic!("a map") };
    members
}

/// Null in the way of OpenAPI 3.0, no mappings, some ranges instead of statuses.
fn older(document: &Node) -> Node {
    let mut document = document.clone();
    everywhere(&mut document, &mut |node| {
        if let Some(Node::List(types)) = node.get("type")
            && let [Node::Text(one), Node::Text(null)] = types.as_slice()
            && null == "null"
        {
            let one = Node::Text(one.clone());
            node.set("type", one);
            node.set("nullable", Node::Bool(true));
        }
        if let Some(discriminator) = node.get_mut("discriminator") {
            discriminator.remove("mapping");
        }
        if let Some(value) = node.remove("const") {
            node.set("enum", Node::List(vec![value]));
        }
        if let Some(answer) = node.get("responses").and_then(|responses| responses.get("400")).cloned()
            && let Some(responses) = node.get_mut("responses")
        {
            responses.remove("400");
            responses.set("4XX", answer);
        }
    });
    document
}

/// More values, members and branches, with names that are hard to have in Rust.
fn larger(document: &Node, seed: u64) -> Node {
    const HARD: &[&str] =
        &["async", "use", "box", "true", "new", "extra", "self", "userId", "user_id", "@x", "default"];
    let mut choice = Choice(seed);
    let mut document = document.clone();
    let text = |text: &str| Node::Text(text.to_owned());
    everywhere(&mut document, &mut |node| {
        if let Some(Node::List(values)) = node.get_mut("enum")
            && values.len() > 1
            && values.iter().all(|value| value.text().is_some())
        {
            values.extend(["x-y", "x_y", "X_Y", "", "<=", "self", "unrecognized", "1.5"].map(text));
        }
        if let Some(Node::Map(properties)) = node.get_mut("properties")
            && choice.one_in(3)
        {
            let name = HARD.get(choice.below(HARD.len())).unwrap();
            let forms = [
                "{type: string, enum: [a, b]}",
                "{type: object, properties: {a: {type: object, properties: {b: {type: integer, enum: [1, 2]}}}}}",
                "{anyOf: [{type: string}, {type: array, items: {type: object, properties: {c: {type: string}}}}]}",
                "{}",
            ];
            if !properties.iter().any(|(other, _)| other == name) {
                properties
                    .push(((*name).to_owned(), Node::parse(forms.get(choice.below(forms.len())).unwrap()).unwrap()));
            }
        }
        if let Some(Node::List(branches)) = node.get_mut("oneOf")
            && branches.iter().any(|branch| branch.get("$ref").is_some())
        {
            let branch =
                "{type: object, required: [type], properties: {type: {type: string, enum: [brand_new]}, a: {}}}";
            branches.push(Node::parse(branch).unwrap());
        }
    });
    document
}

#[test]
fn the_order_of_a_document_changes_nothing_in_the_set_of_its_types() {
    for path in documents() {
        let document = Node::load(&path).unwrap();
        let generated = understood(document.clone());
        let expected = types(&generated);
        for seed in 1..4 {
            let again = understood(shuffled(&document, seed));
            let differences: Vec<_> = expected.symmetric_difference(&types(&again)).copied().collect();
            assert!(differences.is_empty(), "{}: {differences:?}", path.display());
        }
    }
}

#[test]
fn smaller_older_and_larger_versions_are_understood_and_written() {
    if codegen::rustfmt_is_missing() {
        return;
    }
    for path in documents() {
        let document = Node::load(&path).unwrap();
        for seed in 1..3 {
            for version in [smaller(&document, seed), older(&smaller(&document, seed + 10)), larger(&document, seed)] {
                let generated = understood(version);
                generated.files().unwrap_or_else(|failure| panic!("{}: {failure}", path.display()));
            }
        }
    }
}

#[test]
fn every_document_at_hand_is_understood_as_it_is_served() {
    if codegen::rustfmt_is_missing() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec");
    let list = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = list(folder.clone()).chain(list(folder.join("history"))).collect();
    let documents = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut count = 0;
    for path in documents {
        let generated = understood(Node::load(path).unwrap());
        generated.files().unwrap_or_else(|failure| panic!("{}: {failure}", path.display()));
        count += 1;
    }
    if count == 0 {
        println!("skipped: no API document is at hand");
    }
}

const BEFORE: &str = "
paths:
  /cats:
    post:
      operationId: addCat
      tags: [Cats]
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Cat'}}}}
      responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Cat'}}}}}
    get:
      operationId: listCats
      tags: [Cats]
      responses: {'204': {description: none}}
components:
  schemas:
    Cat: {type: object, required: [name], properties: {name: {type: string}, age: {type: integer}, fur: {$ref: '#/components/schemas/Fur'}}}
    Fur: {type: object, properties: {color: {type: string, enum: [red, gray]}, length: {type: number}}}
";

#[test]
fn a_difference_tells_what_breaks_what_is_renamed_and_what_is_new() {
    let after = BEFORE
        .replace("required: [name]", "required: [age, name]")
        .replace("tags: [Cats]\n      responses", "tags: [Animals]\n      responses")
        .replace("Fur", "Coat")
        .replace("enum: [red, gray]", "enum: [red, white]");
    let surface = |text: &str| {
        understand_node(Node::parse(text).unwrap(), &Overlay::default(), Prose::default()).unwrap().surface()
    };
    let changes = Changes::between(&surface(BEFORE), &surface(&after));
    assert_eq!(
        changes.text(),
        "breaking:
  field Cat.age: Option<i64>, now i64
  field Coat.color: Option<FurColor>, now Option<CoatColor>
  fn cats_list_cats: moved to animals_list_cats
  type Cat.new: (name), now (name, age)
removed:
  type FurColor
renamed:
  type Fur -> Coat
added:
  type CoatColor
4 breaking, 1 removed, 1 renamed, 1 added, 0 deprecated"
    );
    let same = Changes::between(&surface(BEFORE), &surface(BEFORE));
    assert_eq!(same, Changes::default());
}
