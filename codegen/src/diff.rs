//! What changes for the users of the crate from one version of the document to another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::surface::{Item, Part, Surface, with_names};

/// The changes by weight: what breaks programs, what is gone, what is renamed, new, and deprecated.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Programs may have to be changed.
    pub breaking: BTreeSet<Change>,
    /// Functions, types and parts that are gone.
    pub removed: BTreeSet<Change>,
    /// Types with another name and the same structure.
    pub renamed: BTreeMap<String, String>,
    /// New things. No program is concerned.
    pub added: BTreeSet<Change>,
    /// What is deprecated from now on.
    pub deprecated: BTreeSet<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// `fn`, `type`, `field`, `value` or `variant`.
    pub what: &'static str,
    /// The namespace of a function, or the type.
    pub owner: String,
    /// The function or the part of the type; empty for a type.
    pub part: String,
    /// How it was and how it is.
    pub text: String,
}

impl Change {
    fn new(what: &'static str, owner: &str, part: &str, text: impl Into<String>) -> Self {
        Self { what, owner: owner.to_owned(), part: part.to_owned(), text: text.into() }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, owner, part, text } = self;
        match *what {
            "fn" => write!(f, "fn {part}")?,
            _ if part.is_empty() => write!(f, "{what} {owner}")?,
            _ => write!(f, "{what} {owner}.{part}")?,
        }
        if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
    }
}

impl Changes {
    /// What changes from `old` to `new`.
    pub fn between(old: &Surface, new: &Surface) -> Self {
        let mut changes = Self { renamed: renamed(old, new), ..Self::default() };
        changes.functions(old, new);
        changes.types(old, new);
        changes
    }

    /// Programs may have to be changed.
    pub fn breaks(&self) -> bool {
        !self.breaking.is_empty() || !self.removed.is_empty() || !self.renamed.is_empty()
    }

    /// One line a change, under a heading for each kind.
    pub fn text(&self) -> String {
        let lines = |list: &BTreeSet<Change>| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let renamed = self.renamed.iter().map(|(old, new)| format!("type {old} -> {new}")).collect();
        let lists = [
            ("breaking", lines(&self.breaking)),
            ("removed", lines(&self.removed)),
            ("renamed", renamed),
            ("added", lines(&self.added)),
            ("deprecated", lines(&self.deprecated)),
        ];
        let mut text = String::new();
        for (title, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            text.push_str(&format!("{title}:\n"));
            text.extend(list.iter().map(|line| format!("  {line}\n")));
        }
        let counts: Vec<_> = lists.iter().map(|(title, list)| format!("{} {title}", list.len())).collect();
        text + &counts.join(", ")
    }

    /// A section for CHANGELOG.md, by namespace and type.
    pub fn section(&self) -> String {
        let mut text = String::new();
        let renamed: Vec<_> = self.renamed.iter().map(|(old, new)| format!("- `{old}` is `{new}` now\n")).collect();
        let lists = [
            ("Breaking", renamed.concat() + &bullets(&self.breaking, true)),
            ("Added", bullets(&self.added, false)),
            ("Deprecated", bullets(&self.deprecated, false)),
            ("Removed", bullets(&self.removed, false)),
        ];
        for (title, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            text.push_str(&format!("### {title}\n\n{list}\n"));
        }
        text.trim_end().to_owned()
    }

    fn functions(&mut self, old: &Surface, new: &Surface) {
        let is_stream = |name: &str| name.ends_with("stream");
        for (name, before) in &old.functions {
            let change = |text: String| Change::new("fn", &before.namespace, name, text);
            let was = with_names(&before.signature, &self.renamed);
            match new.functions.get(name) {
                Some(now) => {
                    if now.signature != was {
                        self.breaking.insert(change(format!("{was}, now {}", now.signature)));
                    }
                    if now.deprecated && !before.deprecated {
                        self.deprecated.insert(change(String::new()));
                    }
                }
                None => {
                    let moved = new.functions.iter().find(|(other, now)| {
                        now.id == before.id
                            && !old.functions.contains_key(*other)
                            && is_stream(other) == is_stream(name)
                    });
                    match moved {
                        Some((to, _)) => self.breaking.insert(change(format!("moved to {to}"))),
                        None => self.removed.insert(change(String::new())),
                    };
                }
            }
        }
        let ids: BTreeSet<&String> = old.functions.values().map(|function| &function.id).collect();
        let is_new = |name: &String, id: &String| !old.functions.contains_key(name) && !ids.contains(id);
        let added = new.functions.iter().filter(|(name, now)| is_new(name, &now.id));
        self.added.extend(added.map(|(name, now)| Change::new("fn", &now.namespace, name, now.signature.clone())));
    }

    fn types(&mut self, old: &Surface, new: &Surface) {
        let to = |name: &String| self.renamed.get(name).unwrap_or(name).clone();
        let known: BTreeSet<String> = old.types.keys().map(to).collect();
        for (name, before) in &old.types {
            let now = self.renamed.get(name).unwrap_or(name).clone();
            match new.types.get(&now) {
                None => drop(self.removed.insert(Change::new("type", name, "", ""))),
                Some(after) => self.one_type(&now, before, after),
            }
        }
        let added = new.types.keys().filter(|name| !known.contains(*name));
        self.added.extend(added.map(|name| Change::new("type", name, "", "")));
    }

    fn one_type(&mut self, name: &str, before: &Item, after: &Item) {
        let word = |item: &Item| match item.what.as_str() {
            "enum" => "enum of texts".to_owned(),
            "union" => "enum of types".to_owned(),
            other => other.to_owned(),
        };
        if before.what != after.what {
            let text = format!("{}, now {}", word(before), word(after));
            self.breaking.insert(Change::new("type", name, "", text));
            return;
        }
        if after.deprecated && !before.deprecated {
            self.deprecated.insert(Change::new("type", name, "", ""));
        }
        let what = match before.what.as_str() {
            "enum" => "value",
            "union" => "variant",
            _ => "field",
        };
        for (part, Part { ty, deprecated, .. }) in &before.parts {
            let was = with_names(ty, &self.renamed);
            match after.parts.get(part) {
                None => drop(self.removed.insert(Change::new(what, name, part, ""))),
                Some(now) => {
                    if now.ty != was {
                        self.breaking.insert(Change::new(what, name, part, format!("{was}, now {}", now.ty)));
                    }
                    if now.deprecated && !deprecated {
                        self.deprecated.insert(Change::new(what, name, part, ""));
                    }
                }
            }
        }
        let added = after.parts.iter().filter(|(part, _)| !before.parts.contains_key(*part));
        self.added.extend(added.map(|(part, now)| Change::new(what, name, part, now.ty.clone())));
        if let (Some(was), Some(now)) = (&before.new, &after.new)
            && was != now
        {
            self.breaking.insert(Change::new("type", name, "new", format!("({was}), now ({now})")));
        }
    }
}

/// A point for each namespace and type, with its changes; new types in one point.
fn bullets(list: &BTreeSet<Change>, whole: bool) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for Change { what, owner, part, text } in list {
        let text = text.replace(", now ", "`, now `");
        let (group, line) = match *what {
            "fn" if text.starts_with("moved to ") => (
                ("functions of", owner.as_str()),
                format!("`{part}` is `{}` now", text.trim_start_matches("moved to ")),
            ),
            "fn" if whole => (("functions of", owner.as_str()), format!("`{part}`: `{text}`")),
            "fn" => (("functions of", owner.as_str()), format!("`{part}`")),
            "type" if part.is_empty() && text.is_empty() => (("types", ""), format!("`{owner}`")),
            _ if part.is_empty() => (("", owner.as_str()), format!("`{text}`")),
            _ if text.is_empty() => (("", owner.as_str()), format!("`{part}`")),
            _ => (("", owner.as_str()), format!("`{part}`: `{text}`")),
        };
        groups.entry(group).or_default().push(line);
    }
    let point = |((kind, owner), lines): (&(&str, &str), &Vec<String>)| match *kind {
        "" => format!("- `{owner}`: {}\n", lines.join(", ")),
        "types" => format!("- types: {}\n", lines.join(", ")),
        kind => format!("- {kind} `{owner}`: {}\n", lines.join(", ")),
    };
    groups.iter().map(point).collect()
}

/// Types that are gone, and the new type with the same structure, if there is exactly one of each.
fn renamed(old: &Surface, new: &Surface) -> BTreeMap<String, String> {
    let by_shape = |surface: &Surface, others: &Surface| -> BTreeMap<String, Vec<String>> {
        let mut list: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, item) in surface.types.iter().filter(|(name, _)| !others.types.contains_key(*name)) {
            list.entry(shape(surface, item)).or_default().push(name.clone());
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
fn shape(surface: &Surface, item: &Item) -> String {
    let plain = |text: &str| {
        let blank = surface.mentioned(text).map(|word| (word.to_owned(), "_".to_owned())).collect();
        with_names(text, &blank)
    };
    let parts: BTreeSet<_> = item.parts.values().map(|part| format!("{}: {}", part.wire, plain(&part.ty))).collect();
    format!("{} {} {parts:?}", item.what, item.constants_of_struct())
}
