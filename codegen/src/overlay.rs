//! The decisions of people: repairs of the document, names, rules for unions, places of operations.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Failure;
use crate::model::{Condition, ErrorKind};
use crate::node::Node;
use crate::surface::Surface;

/// All overlays, and which of their entries were used.
#[derive(Debug, Default)]
pub struct Overlay {
    /// Repairs of the document.
    patches: Vec<Node>,
    /// New names by place.
    names: BTreeMap<String, String>,
    /// How the branches of a union are distinguished, by place.
    unions: BTreeMap<String, Node>,
    /// What is decided about operations, by id.
    operations: BTreeMap<String, Node>,
    /// Types that are equal and stay apart, each with its reason.
    pub equal: Option<Node>,
    /// Namespaces and modules.
    pub modules: Option<Node>,
    /// The kinds of errors by status.
    pub errors: BTreeMap<u16, ErrorKind>,
    /// Patterns of the places of fields that hold secrets, though their names do not say so.
    secrets: BTreeSet<String>,
    /// Patterns of the places of fields that hold no secrets, though their names say so.
    public: BTreeSet<String>,
    /// Types whose members tell absent from null.
    patched: BTreeSet<String>,
    /// The surface of the tree, whose names stay.
    pub known: Surface,
    /// Optional fields that the server reads only before all others.
    first: BTreeSet<String>,
    /// Entries that were looked up with success.
    used: RefCell<BTreeSet<String>>,
}

impl Overlay {
    /// Reads the overlays of a folder.
    pub fn load(folder: &Path) -> Result<Self, Failure> {
        let read = |name: &str| Node::load(&folder.join(name));
        let texts = |node: &Node| {
            let entries = node.members().iter();
            entries.map(|(key, value)| (key.clone(), value.to_string())).collect::<BTreeMap<_, _>>()
        };
        let maps = |node: Node| node.members().iter().cloned().collect::<BTreeMap<_, _>>();
        let fields = read("fields.yaml")?;
        let list =
            |name: &str| fields.get(name).map_or(&[][..], Node::members).iter().map(|(key, _)| key.clone()).collect();
        Ok(Self {
            patches: read("spec.yaml")?.elements().to_vec(),
            names: texts(&read("names.yaml")?),
            unions: maps(read("unions.yaml")?),
            operations: maps(read("operations.yaml")?),
            equal: Some(read("equal.yaml")?),
            modules: Some(read("modules.yaml")?),
            errors: error_kinds(&read("errors.yaml")?)?,
            secrets: list("secrets"),
            public: list("public"),
            patched: list("patched"),
            known: Surface::load(&folder.join("api.txt"))?,
            first: list("first"),
            used: RefCell::default(),
        })
    }

    fn note(&self, file: &str, key: &str) {
        self.used.borrow_mut().insert(format!("{file}: {key}"));
    }

    /// Applies the repairs to the document. A repair whose location or schema does not exist is left for
    /// [`unused`](Self::unused).
    pub fn repair(&self, document: &mut Node) -> Result<(), Failure> {
        for patch in &self.patches {
            let at = patch.text_of("at").ok_or_else(|| Failure::new("overlay/spec.yaml: an entry without `at`"))?;
            if !refers_to_known(patch, document) {
                continue;
            }
            let extracted = patch.text_of("extract").map(|name| (name, format!("components/schemas/{name}")));
            if extracted.as_ref().is_some_and(|(_, path)| find_mut(document, path).is_some()) {
                continue;
            }
            let Some(path) = resolved(document, at, patch.get("replace").is_none()) else { continue };
            let Some(place) = find_mut(document, &path) else { continue };
            if let Some(expected) = patch.get("expect")
                && !contains(place, expected)
            {
                continue;
            }
            let added = patch.get("add").map(|addition| place.add(addition));
            if added == Some(false) {
                continue;
            }
            self.note("spec.yaml", at);
            for (name, value) in patch.get("set").map_or(&[][..], Node::members) {
                place.set(name, value.clone());
            }
            for name in patch.texts_of("remove") {
                place.remove(name);
            }
            if let Some(value) = patch.get("replace") {
                *place = value.clone();
            }
            if let Some((name, path)) = extracted {
                let reference = Node::Map(vec![("$ref".to_owned(), Node::Text(format!("#/{path}")))]);
                let schema = place.clone();
                if let Some(place) = find_mut(document, at) {
                    *place = reference;
                }
                if let Some(schemas) = find_mut(document, "components/schemas") {
                    schemas.set(name, schema);
                }
            }
        }
        Ok(())
    }

    /// The name somebody gave to the type at this place.
    pub fn name(&self, key: &str) -> Option<&str> {
        let name = self.names.get(key)?;
        self.note("names.yaml", key);
        Some(name)
    }

    /// Notes the names of all places below one whose schema is known from another.
    pub fn note_names_below(&self, key: &str) {
        let below =
            |own: &&String| own.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[', '{', '|', '=']));
        self.names.keys().filter(below).for_each(|own| self.note("names.yaml", own));
    }

    /// The rule for the union at this place.
    pub fn union(&self, key: &str) -> Option<&Node> {
        let rule = self.unions.get(key)?;
        self.note("unions.yaml", key);
        Some(rule)
    }

    /// What is decided about an operation.
    pub fn operation(&self, id: &str) -> Option<&Node> {
        let rule = self.operations.get(id)?;
        self.note("operations.yaml", id);
        Some(rule)
    }

    /// Whether the field at this location holds a secret, if the overlay decides it.
    pub fn secrecy(&self, key: &str) -> Option<bool> {
        let decided = |file, patterns: &BTreeSet<String>| {
            let mut fitting = patterns.iter().filter(|pattern| matches(pattern, key)).peekable();
            let is_decided = fitting.peek().is_some();
            fitting.for_each(|pattern| self.note(file, pattern));
            is_decided
        };
        if decided("fields.yaml secrets", &self.secrets) {
            Some(true)
        } else {
            decided("fields.yaml public", &self.public).then_some(false)
        }
    }

    /// Returns `true` for a type whose members distinguish absent from null.
    pub fn is_patched(&self, key: &str) -> bool {
        let found = self.patched.contains(key);
        if found {
            self.note("fields.yaml patched", key);
        }
        found
    }

    /// Returns `true` for a field that is written before all others.
    pub fn is_first(&self, key: &str) -> bool {
        let found = self.first.contains(key);
        if found {
            self.note("fields.yaml first", key);
        }
        found
    }

    /// Notes that an entry of `equal.yaml` applies.
    pub fn note_equal(&self, entry: &Node) {
        self.note("equal.yaml", &entry.texts_of("types").join(", "));
    }

    /// The entries that applied to nothing in this document.
    pub fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        let patches = self.patches.iter().filter_map(|patch| patch.text_of("at")).map(|at| format!("spec.yaml: {at}"));
        let reasons = self.equal.as_ref().map_or(&[][..], Node::elements);
        let equal = reasons.iter().map(|entry| format!("equal.yaml: {}", entry.texts_of("types").join(", ")));
        let entry = |file: &'static str| move |key: &String| format!("{file}: {key}");
        patches
            .chain(equal)
            .chain(self.names.keys().map(entry("names.yaml")))
            .chain(self.unions.keys().map(entry("unions.yaml")))
            .chain(self.operations.keys().map(entry("operations.yaml")))
            .chain(self.secrets.iter().map(entry("fields.yaml secrets")))
            .chain(self.public.iter().map(entry("fields.yaml public")))
            .chain(self.patched.iter().map(entry("fields.yaml patched")))
            .chain(self.first.iter().map(entry("fields.yaml first")))
            .filter(|entry| !used.contains(entry))
            .collect()
    }
}

/// The kinds of errors by status.
fn error_kinds(node: &Node) -> Result<BTreeMap<u16, ErrorKind>, Failure> {
    let kind = |(status, entry): &(String, Node)| {
        let (name, what) = (entry.text_of("kind")?, entry.text_of("what")?);
        Some((status.parse().ok()?, ErrorKind { name: name.to_owned(), what: what.to_owned() }))
    };
    let invalid =
        |status: &str| Failure::new(format!("overlay/errors.yaml: `{status}` needs a status, `kind` and `what`"));
    node.members().iter().map(|entry| kind(entry).ok_or_else(|| invalid(&entry.0))).collect()
}

/// A condition as the overlay writes it: `has id`, `lacks id`, `role is assistant`.
pub fn condition(text: &str) -> Option<Condition> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["has", member] => Some(Condition::Has((*member).to_owned())),
        ["lacks", member] => Some(Condition::Lacks((*member).to_owned())),
        [member, "is", value] => Some(Condition::Is((*member).to_owned(), (*value).to_owned())),
        _ => None,
    }
}

/// The path without references on its way, and at its end unless the reference itself is meant.
fn resolved(document: &mut Node, path: &str, through: bool) -> Option<String> {
    let steps: Vec<&str> = path.split('/').collect();
    let mut own = String::new();
    for (at, step) in steps.iter().enumerate() {
        own = if at == 0 { (*step).to_owned() } else { format!("{own}/{step}") };
        let reference = find_mut(document, &own)?.text_of("$ref").and_then(|target| target.strip_prefix("#/"));
        if let Some(target) = reference.filter(|_| through || at + 1 < steps.len()) {
            own = target.to_owned();
        }
    }
    Some(own)
}

/// The place a path like `components/schemas/Model/properties/id` leads to; `~1` means a slash, `[name=x]` for the
/// element of a list whose member `name` is `x`.
fn find_mut<'a>(node: &'a mut Node, path: &str) -> Option<&'a mut Node> {
    path.split('/').try_fold(node, |node, step| {
        let step = step.replace("~1", "/");
        if let Some((name, value)) = step.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.split_once('=')) {
            let Node::List(list) = node else { return None };
            let is_constant = |element: &Node| {
                let property = element.get("properties").and_then(|properties| properties.get(name));
                property.is_some_and(|property| property.texts_of("enum") == [value])
            };
            return list.iter_mut().find(|element| element.text_of(name) == Some(value) || is_constant(element));
        }
        node.get_mut(&step)
    })
}

/// Whether every schema that a repair refers to is in the document.
fn refers_to_known(patch: &Node, document: &mut Node) -> bool {
    match patch {
        Node::Map(members) => members.iter().all(|(name, value)| match value.text() {
            Some(reference) if name == "$ref" => find_mut(document, reference.trim_start_matches("#/")).is_some(),
            _ => refers_to_known(value, document),
        }),
        Node::List(list) => list.iter().all(|value| refers_to_known(value, document)),
        _ => true,
    }
}

/// Whether `node` has all that `expected` has.
fn contains(node: &Node, expected: &Node) -> bool {
    match expected {
        Node::Map(members) => {
            members.iter().all(|(name, value)| node.get(name).is_some_and(|own| contains(own, value)))
        }
        other => node == other,
    }
}

/// Whether a name fits a pattern in which `*` matches any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some("") => true,
        Some(part) => name.ends_with(part),
    }
}
