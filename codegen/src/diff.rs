//! What changes for the users of the crate from one version of the document to another.

use std::collections::{BTreeMap, BTreeSet};

use crate::emit::funcs::functions;
use crate::model::{Api, Field, Kind, Presence, Struct, Type, Union};

/// The changes, sorted by weight: what breaks programs, what is renamed, what is new.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Programs may have to be changed.
    pub breaking: BTreeSet<String>,
    /// The old name, the new name: the structure is the same.
    pub renamed: BTreeSet<String>,
    /// New things. No program is concerned.
    pub added: BTreeSet<String>,
}

impl Changes {
    /// What changes from `old` to `new`.
    pub fn between(old: &Api, new: &Api) -> Self {
        let mut changes = Self::default();
        let renamed = renamed(old, new);
        changes.functions(old, new, &renamed);
        changes.types(old, new, &renamed);
        changes.renamed.extend(renamed.into_iter().map(|(old, new)| format!("type {old} -> {new}")));
        changes
    }

    /// One line a change, under a heading for each kind.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (title, list) in [("breaking", &self.breaking), ("renamed", &self.renamed), ("added", &self.added)] {
            if !list.is_empty() {
                text.push_str(&format!("{title}:\n"));
                text.extend(list.iter().map(|line| format!("  {line}\n")));
            }
        }
        text.push_str(&format!(
            "{} breaking, {} renamed, {} added",
            self.breaking.len(),
            self.renamed.len(),
            self.added.len()
        ));
        text
    }

    fn functions(&mut self, old: &Api, new: &Api, renamed: &BTreeMap<String, String>) {
        let (before, after) = (signatures(old, renamed), signatures(new, &BTreeMap::new()));
        for (name, (id, signature)) in &before {
            match after.get(name) {
                Some((_, now)) if now == signature => {}
                Some((_, now)) => self.note_breaking(format!("fn {name}: {signature} -> {now}")),
                None => {
                    let moved = after.iter().find(|(other, (other_id, _))| {
                        other_id == id
                            && !before.contains_key(*other)
                            && other.ends_with("stream") == name.ends_with("stream")
                    });
                    self.note_breaking(match moved {
                        Some((to, _)) => format!("fn {name}: moved to {to}"),
                        None => format!("fn {name}: removed"),
                    });
                }
            }
        }
        let ids: BTreeSet<&String> = before.values().map(|(id, _)| id).collect();
        let added = after.iter().filter(|(name, (id, _))| !before.contains_key(*name) && !ids.contains(id));
        self.added.extend(added.map(|(name, (_, signature))| format!("fn {name}: {signature}")));
    }

    fn note_breaking(&mut self, line: String) {
        self.breaking.insert(line);
    }

    fn types(&mut self, old: &Api, new: &Api, renamed: &BTreeMap<String, String>) {
        let to = |name: &str| renamed.get(name).map_or_else(|| name.to_owned(), Clone::clone);
        for ty in &old.types {
            match new.find(&to(&ty.name)) {
                None => self.note_breaking(format!("type {}: removed", ty.name)),
                Some(now) => self.one_type(ty, now, renamed),
            }
        }
        let known: BTreeSet<String> = old.types.iter().map(|ty| to(&ty.name)).collect();
        let added = new.types.iter().filter(|ty| !known.contains(&ty.name));
        self.added.extend(added.map(|ty| format!("type {}", ty.name)));
    }

    fn one_type(&mut self, old: &Type, new: &Type, renamed: &BTreeMap<String, String>) {
        let name = &new.name;
        match (&old.kind, &new.kind) {
            (Kind::Struct(before), Kind::Struct(after)) => {
                self.fields(name, &before.fields, &after.fields, renamed);
                self.required(old, new, before, after);
            }
            (Kind::Parameters(before), Kind::Parameters(after)) | (Kind::Form(before), Kind::Form(after)) => {
                self.fields(name, before, after, renamed);
            }
            (Kind::Enum(before), Kind::Enum(after)) => {
                let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) = (
                    before.iter().map(|value| (&value.rust, value.wire.clone())).collect(),
                    after.iter().map(|value| (&value.rust, value.wire.clone())).collect(),
                );
                self.parts("value", name, &before, &after);
            }
            (Kind::Union(before), Kind::Union(after)) => {
                let (before, after) = (variants(before, renamed), variants(after, &BTreeMap::new()));
                self.parts("variant", name, &before, &after);
            }
            (Kind::Alias(before), Kind::Alias(after)) => {
                let (before, after) = (with_names(&before.rust(), renamed), after.rust());
                if before != after {
                    self.note_breaking(format!("type {name}: {before} -> {after}"));
                }
            }
            (before, after) => self.note_breaking(format!("type {name}: {} -> {}", word(before), word(after))),
        }
    }

    fn fields(&mut self, name: &str, before: &[Field], after: &[Field], renamed: &BTreeMap<String, String>) {
        let list = |fields: &[Field], renamed: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            fields.iter().map(|field| (field.rust.clone(), with_names(&field_type(field), renamed))).collect()
        };
        let (before, after) = (list(before, renamed), list(after, &BTreeMap::new()));
        self.parts(
            "field",
            name,
            &before.iter().map(|(k, v)| (k, v.clone())).collect(),
            &after.iter().map(|(k, v)| (k, v.clone())).collect(),
        );
    }

    /// What `new` of a type takes.
    fn required(&mut self, old: &Type, new: &Type, before: &Struct, after: &Struct) {
        if !old.request || !new.request {
            return;
        }
        let list = |own: &Struct| -> Vec<String> {
            let required = own.fields.iter().filter(|field| field.presence == Presence::Required);
            required.map(|field| field.rust.clone()).collect()
        };
        let (before, after) = (list(before), list(after));
        if before != after {
            let text = format!("fn {}::new({}) -> new({})", new.name, before.join(", "), after.join(", "));
            self.note_breaking(text);
        }
    }

    fn parts<N: AsRef<str> + Ord>(
        &mut self,
        what: &str,
        owner: &str,
        before: &BTreeMap<N, String>,
        after: &BTreeMap<N, String>,
    ) {
        for (name, was) in before {
            let place = format!("{what} {owner}.{}", name.as_ref());
            match after.get(name) {
                None => self.note_breaking(format!("{place}: removed")),
                Some(is) if is != was => self.note_breaking(format!("{place}: {was} -> {is}")),
                Some(_) => {}
            }
        }
        let added = after.iter().filter(|(name, _)| !before.contains_key(name));
        self.added.extend(added.map(|(name, is)| format!("{what} {owner}.{}: {is}", name.as_ref())));
    }
}

/// Each function: the operation and how it is called.
fn signatures(api: &Api, renamed: &BTreeMap<String, String>) -> BTreeMap<String, (String, String)> {
    let mut list = BTreeMap::new();
    for operation in &api.operations {
        for function in functions(operation) {
            let arguments: Vec<_> = function.arguments.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
            let signature = with_names(&format!("({}) -> {}", arguments.join(", "), function.answer), renamed);
            list.insert(function.name, (operation.id.clone(), signature));
        }
    }
    list
}

fn variants<'a>(union: &'a Union, renamed: &BTreeMap<String, String>) -> BTreeMap<&'a String, String> {
    let inner = |variant: &crate::model::Variant| {
        let ty = with_names(&variant.ty.rust(), renamed);
        if variant.boxed { format!("Box<{ty}>") } else { ty }
    };
    union.variants.iter().map(|variant| (&variant.rust, inner(variant))).collect()
}

fn field_type(field: &Field) -> String {
    match field.presence {
        Presence::Required => field.rust_type(),
        Presence::Nullable | Presence::Optional => format!("Option<{}>", field.rust_type()),
        Presence::Patched => format!("Patch<{}>", field.rust_type()),
    }
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Struct(_) => "struct",
        Kind::Enum(_) => "enum of texts",
        Kind::Union(_) => "enum of types",
        Kind::Alias(_) => "alias",
        Kind::Parameters(_) => "parameters",
        Kind::Form(_) => "form",
    }
}

/// A text of Rust with the new names of renamed types.
fn with_names(text: &str, renamed: &BTreeMap<String, String>) -> String {
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

/// Types that are gone, and the new type with the same structure, where there is exactly one of each.
fn renamed(old: &Api, new: &Api) -> BTreeMap<String, String> {
    let by_shape = |types: &Api, others: &Api| -> BTreeMap<String, Vec<String>> {
        let mut list: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for ty in types.types.iter().filter(|ty| others.find(&ty.name).is_none()) {
            list.entry(shape(types, ty)).or_default().push(ty.name.clone());
        }
        list
    };
    let mut after = by_shape(new, old);
    let before = by_shape(old, new).into_iter();
    before
        .filter_map(|(shape, names)| match (names.as_slice(), after.remove(&shape)?.as_slice()) {
            ([one], [other]) => Some((one.clone(), other.clone())),
            _ => None,
        })
        .collect()
}

/// The structure of a type in a text, without the names of generated types.
fn shape(api: &Api, ty: &Type) -> String {
    let plain = |text: &str| {
        let blank = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| api.find(word).is_some());
        let blank: BTreeMap<String, String> = blank.map(|word| (word.to_owned(), "_".to_owned())).collect();
        with_names(text, &blank)
    };
    let fields = |fields: &[Field]| {
        let mut list: Vec<_> =
            fields.iter().map(|field| format!("{}: {}", field.wire, plain(&field_type(field)))).collect();
        list.sort();
        list.join(", ")
    };
    match &ty.kind {
        Kind::Struct(own) => format!("struct {:?} {}", own.constants, fields(&own.fields)),
        Kind::Parameters(own) => format!("parameters {}", fields(own)),
        Kind::Form(own) => format!("form {}", fields(own)),
        Kind::Enum(values) => {
            let values: BTreeSet<_> = values.iter().map(|value| value.wire.as_str()).collect();
            format!("enum {values:?}")
        }
        Kind::Union(union) => {
            let variants: BTreeSet<_> =
                union.variants.iter().map(|v| format!("{} {:?}", plain(&v.ty.rust()), v.tags)).collect();
            format!("union {} {variants:?}", union.tag)
        }
        Kind::Alias(ty) => format!("alias {}", plain(&ty.rust())),
    }
}
