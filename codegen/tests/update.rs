//! What `update` reports about a new document, and what it changes in `Cargo.toml`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p codegen --test update` writes the expected report anew.
#![allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]

use std::collections::BTreeMap;
use std::path::Path;

use codegen::node::Node;
use codegen::overlay::Overlay;
use codegen::prose::Prose;
use codegen::surface::Surface;
use codegen::{Generated, understand_node, update};

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
    Cat:
      type: object
      required: [name]
      properties:
        name: {type: string}
        age: {type: integer}
        color: {type: string, enum: [red, gray]}
        fur: {type: object, properties: {length: {type: number}, soft: {type: boolean}}}
";

const AFTER: &str = "
paths:
  /cats:
    post:
      operationId: addCat
      tags: [Cats]
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Cat'}}}}
      responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Cat'}}}}}
  /dogs:
    get:
      operationId: listDogs
      tags: [Dogs]
      responses: {'204': {description: none}}
components:
  schemas:
    Coat: {type: object, properties: {length: {type: number}, soft: {type: boolean}, thick: {type: boolean}}}
    Cat:
      type: object
      required: [age, name]
      properties:
        name: {type: string, deprecated: true}
        age: {type: integer}
        color: {type: string, enum: [gray, white]}
        fur: {$ref: '#/components/schemas/Coat'}
        toy:
          anyOf:
            - {type: object, required: [string], properties: {string: {type: string}}}
            - {type: object, required: [ball], properties: {ball: {type: string}}}
";

fn understood(text: &str, known: Surface) -> Generated {
    let mut overlay = Overlay::default();
    overlay.known = known;
    understand_node(Node::parse(text).unwrap(), &overlay, Prose::default()).unwrap()
}

#[test]
fn a_report_tells_users_what_changes_and_maintainers_what_to_do() {
    let old = understood(BEFORE, Surface::default()).surface();
    let new = understood(AFTER, old.clone());
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(root.join("src/helpers")).unwrap();
    std::fs::write(root.join("src/helpers/cats.rs"), "fn red() -> CatColour { CatColour::Red }").unwrap();
    std::fs::write(root.join("src/helpers/dogs.rs"), "fn cats(client: &Client) { client.cats().list_cats(); }")
        .unwrap();
    std::fs::write(root.join("src/helpers/fur.rs"), "fn soft(fur: &CatFur) -> bool { fur.soft }").unwrap();
    let report = update::report(&old, &new, &root) + "\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/update.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &report).unwrap();
    }
    assert_eq!(report, std::fs::read_to_string(golden).unwrap_or_default());
}

#[test]
fn the_same_document_changes_nothing() {
    let surface = understood(BEFORE, Surface::default()).surface();
    let again = understood(BEFORE, surface.clone());
    assert_eq!(again.surface(), surface);
    assert_eq!(Surface::parse(&surface.text()), Some(surface));
}

#[test]
fn a_type_that_is_gone_from_the_overlay_offers_the_line_to_write() {
    let old = understood(BEFORE, Surface::default()).surface();
    // The property has another name too, and the type other fields: nothing says that it is the same.
    let text = BEFORE.replace("fur: {", "coat: {").replace("soft: {type: boolean}", "thick: {type: boolean}");
    let modules = Node::parse("front: [CatFur]").unwrap();
    let mut overlay = Overlay::default();
    overlay.known = old;
    overlay.modules = Some(modules);
    let generated = understand_node(Node::parse(&text).unwrap(), &overlay, Prose::default()).unwrap();
    let expected = "`CatFur` is gone; if `CatCoat` is the same, add `Cat.coat: CatFur` to overlay/names.yaml; otherwise \
                    remove it from overlay/modules.yaml";
    assert_eq!(generated.undecided(), [expected]);
}

#[test]
fn namespaces_become_features_and_keep_the_crates_they_need() {
    let manifest = "[features]\ndefault = []\n\n# --- Namespaces of the API ---\nfull = [\"cats\", \"owls\"]\n\
                    cats = [\"dep:sha2\"]\nowls = []\n\n[dependencies]\n";
    let features = [("cats", vec![]), ("dogs", vec!["cats".to_owned()])];
    let features: BTreeMap<_, _> = features.into_iter().map(|(name, needs)| (name.to_owned(), needs)).collect();
    let expected = "[features]\ndefault = []\n\n# --- Namespaces of the API ---\nfull = [\n    \"cats\", \"dogs\",\n]\n\
                    cats = [\"dep:sha2\"]\ndogs = [\"cats\"]\n\n[dependencies]\n";
    assert_eq!(update::manifest(manifest, &features), expected);
    assert_eq!(update::manifest(expected, &features), expected);
}
