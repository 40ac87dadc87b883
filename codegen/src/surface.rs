//! What programs see of an API: its functions, its types and their parts, without prose. The surface of the tree is in
//! `overlay/api.txt`, so that the next document can be compared with it, and keeps the names of the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::Failure;
use crate::emit::funcs::functions;
use crate::model::{Api, Condition, Field, Kind, Presence, Type, Union};

/// The file in which the surface of the tree is kept.
pub const FILE: &str = "codegen/overlay/api.txt";

const TITLE: &str =
    "Functions, types and their parts, written by the generator. The next document is compared with them.";

/// Types that are not generated.
const FORMS: &[&str] =
    &["BTreeMap", "Box", "FilePart", "Json", "JsonObject", "Option", "Secret", "String", "Vec", "bool", "f64", "i64"];

/// All functions and types by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// The free functions.
    pub functions: BTreeMap<String, Function>,
    /// The types.
    pub types: BTreeMap<String, Item>,
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The document's `operationId`.
    pub id: String,
    /// The namespace it belongs to.
    pub namespace: String,
    /// How it is called and what it returns.
    pub signature: String,
    /// It is marked as deprecated.
    pub deprecated: bool,
}

/// One type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `struct`, `enum`, `union`, `alias`, `parameters` or `form`.
    pub what: String,
    /// The place in the document.
    pub key: String,
    /// Other components of the document that are this type.
    pub aliases: Vec<String>,
    /// The members with one value, as `type="text"`; of a union, the tag, and the conditions that tell branches apart
    /// which the tag does not.
    pub constants: String,
    /// It is marked as deprecated.
    pub deprecated: bool,
    /// The arguments of `new`, if the type has one.
    pub new: Option<String>,
    /// Fields, values or variants, by their Rust names.
    pub parts: BTreeMap<String, Part>,
}

/// One field, value or variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of a field on the wire, the text of a value, the tags of a variant.
    pub wire: String,
    /// The Rust type; empty for a value.
    pub ty: String,
    /// It is marked as deprecated.
    pub deprecated: bool,
}

impl Surface {
    /// The surface of an API.
    pub fn of(api: &Api) -> Self {
        let mut surface = Self::default();
        for operation in &api.operations {
            for function in functions(operation) {
                let arguments: Vec<_> = function.arguments.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                let known = Function {
                    id: operation.id.clone(),
                    namespace: operation.namespace.clone(),
                    signature: format!("({}) -> {}", arguments.join(", "), function.call()),
                    deprecated: operation.deprecated.is_some(),
                };
                surface.functions.insert(function.name, known);
            }
        }
        surface.types = api.types.iter().map(|ty| (ty.name.clone(), Item::of(ty))).collect();
        surface
    }

    /// Reads the file; an absent one knows nothing.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text).ok_or_else(|| {
            Failure::new(format!("{}: cannot be read; delete it and write the tree again", path.display()))
        })
    }

    /// Reads what [`text`](Self::text) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut surface = Self::default();
        let mut open = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (line, deprecated) = line.strip_suffix("\tdeprecated").map_or((line, false), |line| (line, true));
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                ["fn", name, namespace, id, signature] => {
                    let [id, namespace, signature] = [id, namespace, signature].map(|text| (*text).to_owned());
                    surface.functions.insert((*name).to_owned(), Function { id, namespace, signature, deprecated });
                }
                ["", "new", arguments] => surface.types.get_mut(&open)?.new = Some((*arguments).to_owned()),
                ["", name, wire, ty] => {
                    let part = Part { wire: (*wire).to_owned(), ty: (*ty).to_owned(), deprecated };
                    surface.types.get_mut(&open)?.parts.insert((*name).to_owned(), part);
                }
                [what, name, keys, constants] => {
                    (*name).clone_into(&mut open);
                    let [what, constants] = [what, constants].map(|text| (*text).to_owned());
                    let mut keys = keys.split(' ').map(str::to_owned);
                    let (key, aliases) = (keys.next()?, keys.collect());
                    let item = Item { what, key, aliases, constants, deprecated, new: None, parts: BTreeMap::new() };
                    surface.types.insert(open.clone(), item);
                }
                _ => return None,
            }
        }
        Some(surface)
    }

    /// The surface as a text, a line for each function, type and part.
    pub fn text(&self) -> String {
        let mut text = format!("# {TITLE}\n");
        let mark = |deprecated: bool| if deprecated { "\tdeprecated" } else { "" };
        for (name, Function { id, namespace, signature, deprecated }) in &self.functions {
            let _ = writeln!(text, "fn\t{name}\t{namespace}\t{id}\t{signature}{}", mark(*deprecated));
        }
        for (name, item) in &self.types {
            let Item { what, key, aliases, constants, deprecated, new, parts } = item;
            let keys = std::iter::once(key).chain(aliases).map(String::as_str).collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "{what}\t{name}\t{keys}\t{constants}{}", mark(*deprecated));
            if let Some(new) = new {
                let _ = writeln!(text, "\tnew\t{new}");
            }
            for (name, Part { wire, ty, deprecated }) in parts {
                let _ = writeln!(text, "\t{name}\t{}\t{ty}{}", wire.replace(['\t', '\n'], " "), mark(*deprecated));
            }
        }
        text
    }

    /// The types of this API that a Rust text mentions, in its order.
    pub fn mentioned<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| self.types.contains_key(*word))
    }
}

impl Item {
    /// What programs see of a type.
    fn of(ty: &Type) -> Self {
        let field = |field: &Field| {
            let part = Part { wire: field.wire.clone(), ty: field_type(field), deprecated: field.deprecated };
            (field.rust.clone(), part)
        };
        let part = |wire: &str, ty: String| Part { wire: wire.to_owned(), ty, deprecated: false };
        let mut constants = String::new();
        let mut new = None;
        let (what, parts) = match &ty.kind {
            Kind::Struct(own) => {
                let list: BTreeSet<_> = own.constants.iter().map(|(name, value)| format!("{name}={value}")).collect();
                constants = list.into_iter().collect::<Vec<_>>().join(" ");
                let required = own.fields.iter().filter(|field| field.presence == Presence::Required);
                let arguments: Vec<_> = required.map(|field| field.rust.as_str()).collect();
                new = ty.request.then(|| arguments.join(", "));
                ("struct", own.fields.iter().map(field).collect())
            }
            Kind::Parameters(fields) => ("parameters", fields.iter().map(field).collect()),
            Kind::Form(fields) => ("form", fields.iter().map(field).collect()),
            Kind::Enum(values) => {
                let values = values.iter().map(|value| (value.rust.clone(), part(&value.wire, String::new())));
                ("enum", values.collect())
            }
            Kind::Union(union) => {
                constants = distinctions(union);
                let variants = union.variants.iter().map(|variant| {
                    let ty = variant.ty.rust();
                    let ty = if variant.boxed { format!("Box<{ty}>") } else { ty };
                    (variant.rust.clone(), part(&variant.tags.join(" "), ty))
                });
                ("union", variants.collect())
            }
            Kind::Alias(of) => ("alias", BTreeMap::from([("of".to_owned(), part("", of.rust()))])),
        };
        let aliases = ty.aliases.iter().filter(|name| **name != ty.key).cloned().collect();
        Self { what: what.to_owned(), key: ty.key.clone(), aliases, constants, deprecated: ty.deprecated, new, parts }
    }

    /// The members with one value.
    pub fn constants_of_struct(&self) -> &str {
        if self.what == "struct" { &self.constants } else { "" }
    }

    /// What the parts are on the wire: names, texts, tags, or the forms of variants without a tag.
    pub fn wires(&self) -> BTreeSet<String> {
        let form = |ty: &str| {
            let word = |c: char| !c.is_alphanumeric() && c != '_';
            let own = ty.split(word).filter(|word| !FORMS.contains(word)).map(|word| (word.to_owned(), String::new()));
            with_names(ty, &own.collect())
        };
        self.parts.values().map(|part| if part.wire.is_empty() { form(&part.ty) } else { part.wire.clone() }).collect()
    }
}

/// The tag of a union, and for each branch that the tag does not tell: `Branch: has id, lacks role`.
fn distinctions(union: &Union) -> String {
    let name = |index: &usize| union.variants.get(*index).map(|variant| variant.rust.clone()).unwrap_or_default();
    let when = |conditions: &[Condition]| {
        let texts = conditions.iter().map(|condition| match condition {
            Condition::Has(member) => format!("has {member}"),
            Condition::Lacks(member) => format!("lacks {member}"),
            Condition::Is(member, value) => format!("{member} is {value}"),
        });
        let texts: Vec<_> = texts.collect();
        if texts.is_empty() { "otherwise".to_owned() } else { texts.join(" and ") }
    };
    let shared = union.tagged.iter().filter(|(_, conditions, _)| !conditions.is_empty());
    let shared = shared.map(|(value, conditions, index)| format!("{}: {value}, {}", name(index), when(conditions)));
    let several = union.objects.len() > 1 || !union.tag.is_empty();
    let free = union.objects.iter().filter(|_| several);
    let free = free.map(|(conditions, index)| format!("{}: {}", name(index), when(conditions)));
    let lines = shared.chain(free).collect::<Vec<_>>().join("; ");
    format!("{} {lines}", union.tag).trim().to_owned()
}

fn field_type(field: &Field) -> String {
    match field.presence {
        Presence::Required => field.rust_type(),
        Presence::Nullable | Presence::Optional => format!("Option<{}>", field.rust_type()),
        Presence::Patched => format!("Patch<{}>", field.rust_type()),
    }
}

/// A text of Rust with the new names of renamed types.
pub fn with_names(text: &str, renamed: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(renamed.get(word).map_or(word, String::as_str));
        let mut others = after.chars();
        out.extend(others.next());
        rest = others.as_str();
    }
    out
}
