//! Names that do not move. The types of a document are compared with those of the tree, by how they are used and by what
//! they are. Where the document took a schema out of its place, put it in, renamed or moved it, it is brought back into the
//! form that the tree was written from. So types keep their names, and all decisions and sentences their places.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::lower::Lowering;
use crate::node::Node;
use crate::references::METHODS;
use crate::surface::{Item, Surface};

/// How a document is brought back into the known form.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Move {
    /// The component has another name.
    Rename(String, String),
    /// The component was no component: its schema stands where it is used.
    Inline(String),
    /// The schema at the place is this component.
    Extract(String, String),
}

/// Brings a document closer to the known form. Returns whether that changed it.
pub fn settle(document: &mut Node, known: &Surface, now: &Surface, places: &BTreeMap<String, Vec<String>>) -> bool {
    let before = document.clone();
    for step in moves(known, now, places) {
        match step {
            Move::Rename(from, to) => rename(document, &from, &to),
            Move::Inline(name) => inline(document, &name),
            Move::Extract(place, name) => extract(document, &place, &name),
        }
    }
    *document != before
}

/// The known types that are missing, each with the type of the document that is most like it, if any is.
pub fn missing<'a>(known: &'a Surface, now: &'a Surface) -> BTreeMap<&'a str, Option<&'a str>> {
    let likely = |item: &Item| {
        let others = now.types.iter().filter(|(name, _)| !known.types.contains_key(*name));
        let scored = others.map(|(name, other)| (likeness(item, other), name.as_str()));
        scored.filter(|(score, _)| *score >= 0.5).max_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, name)| name)
    };
    let gone = known.types.iter().filter(|(name, _)| !now.types.contains_key(*name));
    gone.map(|(name, item)| (name.as_str(), likely(item))).collect()
}

/// From 0 for types that have nothing in common to 1 for types with the same parts.
fn likeness(one: &Item, two: &Item) -> f64 {
    if one.what != two.what || one.constants_of_struct() != two.constants_of_struct() {
        return 0.0;
    }
    let (one, two) = (one.wires(), two.wires());
    let (shared, least) = (one.intersection(&two).count(), one.len().min(two.len()));
    let all = one.union(&two).count();
    match u32::try_from(least).unwrap_or(u32::MAX) {
        0 => f64::from(u8::from(all == 0)),
        // Additions on one side count half: documents grow.
        _ => (ratio(shared, least) + ratio(shared, all)) / 2.0,
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap_or(u32::MAX)) / f64::from(u32::try_from(whole).unwrap_or(u32::MAX))
}

/// The types of the document and the known types that stand at their places, from the operations down.
fn by_use<'a>(known: &'a Surface, now: &'a Surface) -> Vec<(&'a str, &'a str)> {
    let mut open: VecDeque<(&str, &str)> = VecDeque::new();
    let is_stream = |name: &str| name.ends_with("stream");
    for (name, function) in &now.functions {
        let same =
            known.functions.iter().find(|(other, old)| old.id == function.id && is_stream(other) == is_stream(name));
        if let Some((_, old)) = same {
            open.extend(now.mentioned(&function.signature).zip(known.mentioned(&old.signature)));
        }
    }
    open.extend(now.types.keys().filter(|name| known.types.contains_key(*name)).map(|name| (&**name, &**name)));
    let mut pairs = Vec::new();
    let mut seen = BTreeSet::new();
    while let Some(pair) = open.pop_front() {
        let (Some(new), Some(old)) = (now.types.get(pair.0), known.types.get(pair.1)) else { continue };
        if !seen.insert(pair) || (pair.0 != pair.1 && likeness(new, old) < 0.5) {
            continue;
        }
        pairs.push(pair);
        for (name, part) in &new.parts {
            let same = |(other, old): &(&String, &crate::surface::Part)| {
                if part.wire.is_empty() { *other == name } else { old.wire == part.wire }
            };
            if let Some((_, old)) = old.parts.iter().find(same) {
                open.extend(now.mentioned(&part.ty).zip(known.mentioned(&old.ty)));
            }
        }
        if new.what == "union" {
            // Variants without a tag may be named by their types.
            let free = |item: &Item, other: &Item| -> Vec<String> {
                let gone =
                    item.parts.iter().filter(|(name, part)| part.wire.is_empty() && !other.parts.contains_key(*name));
                gone.map(|(_, part)| part.ty.clone()).collect()
            };
            for (ours, theirs) in
                free(new, old).iter().flat_map(|one| free(old, new).into_iter().map(move |two| (one.clone(), two)))
            {
                let named = |surface: &'a Surface, text: &str| {
                    let name = surface.mentioned(text).next().map(str::to_owned);
                    name.and_then(|name| surface.types.get_key_value(&name)).map(|(name, _)| name.as_str())
                };
                open.extend(named(now, &ours).zip(named(known, &theirs)));
            }
        }
    }
    pairs
}

/// What brings the document closer to the known form.
fn moves(known: &Surface, now: &Surface, places: &BTreeMap<String, Vec<String>>) -> BTreeSet<Move> {
    // The known type to the types of the document that are it, best first.
    let mut same: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let pairs = by_use(known, now);
    let mut note = |new: &'_ str, old: &'_ str| {
        let Some(((new, _), (old, _))) = now.types.get_key_value(new).zip(known.types.get_key_value(old)) else {
            return;
        };
        let list = same.entry(old).or_default();
        if new != old && !known.types.contains_key(new) && !list.contains(&new.as_str()) {
            list.push(new);
        }
    };
    pairs.iter().for_each(|(new, old)| note(new, old));
    // Types that are used elsewhere now: by what they are.
    let used: BTreeSet<&str> = pairs.iter().flat_map(|(new, old)| [*new, *old]).collect();
    let free = |name: &&String, other: &Surface| !used.contains(name.as_str()) && !other.types.contains_key(*name);
    for (old, item) in known.types.iter().filter(|(name, _)| free(name, now)) {
        let fits = |surface: &Surface, other: &Item| {
            let list = surface.types.iter().filter(|(_, candidate)| likeness(candidate, other) >= 0.8);
            list.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let candidates: Vec<_> = fits(now, item).into_iter().filter(|name| free(&name, known)).collect();
        if let [only] = candidates.as_slice() {
            note(only, old);
        }
    }
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (old, mut list) in same {
        let Some(item) = known.types.get(old) else { continue };
        let score = |name: &&str| now.types.get(*name).map_or(0.0, |new| likeness(item, new));
        list.sort_by(|one, two| score(two).total_cmp(&score(one)));
        // A type of the name, or else the best one, and those that are equal to it.
        let holder = now.types.get_key_value(old).map(|(name, _)| name.as_str()).or(list.first().copied());
        let equal = |new: &&str| holder.is_some_and(|holder| alike(now, holder, new));
        found.extend(list.into_iter().filter(equal).map(|new| (new, old)));
    }
    let key = |surface: &Surface, name: &str| surface.types.get(name).map(|item| item.key.clone()).unwrap_or_default();
    let keys: Vec<(String, String, &str)> = found
        .iter()
        .flat_map(|(new, old)| {
            let own = std::iter::once(key(now, new)).chain(places.get(*new).cloned().unwrap_or_default());
            own.map(|place| (place, key(known, old), *old)).collect::<Vec<_>>()
        })
        .filter(|(place, was, _)| place != was && !place.contains("()") && !place.ends_with("|string"))
        .collect();
    let mut moves = BTreeSet::new();
    for (place, was, name) in &keys {
        let comes_along = keys.iter().any(|(other, old, _)| {
            let (rest, before) = (place.strip_prefix(other.as_str()), was.strip_prefix(old.as_str()));
            rest.is_some_and(|rest| !rest.is_empty() && Some(rest) == before && !is_component(rest))
        });
        if comes_along {
            continue;
        }
        moves.insert(match (is_component(place), is_component(was)) {
            (true, true) => Move::Rename(place.clone(), was.clone()),
            (true, false) => Move::Inline(place.clone()),
            (false, true) => Move::Extract(place.clone(), was.clone()),
            (false, false) => Move::Extract(place.clone(), (*name).to_owned()),
        });
    }
    moves
}

/// Whether two types of a document have the same parts.
fn alike(surface: &Surface, one: &str, two: &str) -> bool {
    let shape = |name: &str| surface.types.get(name).map(|item| (&item.what, item.constants_of_struct(), item.wires()));
    one == two || shape(one) == shape(two)
}

fn is_component(key: &str) -> bool {
    !key.contains(['.', '[', '{', '|', '('])
}

fn schemas(document: &mut Node) -> Option<&mut Node> {
    document.get_mut("components")?.get_mut("schemas")
}

fn reference(name: &str) -> Node {
    Node::Map(vec![("$ref".to_owned(), Node::Text(format!("#/components/schemas/{name}")))])
}

/// Calls `change` with every node that refers to a component.
fn references(node: &mut Node, name: &str, change: &mut impl FnMut(&mut Node)) {
    if node
        .text_of("$ref")
        .is_some_and(|target| target.starts_with("#/components/schemas/") && Lowering::target(target) == name)
    {
        return change(node);
    }
    match node {
        Node::Map(members) => members.iter_mut().for_each(|(_, value)| references(value, name, change)),
        Node::List(list) => list.iter_mut().for_each(|value| references(value, name, change)),
        _ => {}
    }
}

/// Gives a component its known name. If that one is there too, it is the same.
fn rename(document: &mut Node, from: &str, to: &str) {
    let Some(schemas) = schemas(document) else { return };
    if schemas.get(to).is_none()
        && let Node::Map(members) = schemas
        && let Some((name, _)) = members.iter_mut().find(|(name, _)| name == from)
    {
        to.clone_into(name);
    }
    references(document, from, &mut |node| node.set("$ref", Node::Text(format!("#/components/schemas/{to}"))));
    mappings(document, from, Some(to));
}

/// Puts the schema of a component in every place that refers to it.
fn inline(document: &mut Node, name: &str) {
    let Some(mut schema) = schemas(document).and_then(|schemas| schemas.get(name)).cloned() else { return };
    let mut leads_back = false;
    references(&mut schema, name, &mut |_| leads_back = true);
    if leads_back {
        return;
    }
    references(document, name, &mut |node| {
        let beside: Vec<_> = node.members().iter().filter(|(name, _)| name != "$ref").cloned().collect();
        *node = schema.clone();
        beside.into_iter().for_each(|(name, value)| node.set(&name, value));
    });
    mappings(document, name, None);
    if let Some(schemas) = schemas(document) {
        schemas.remove(name);
    }
}

/// Makes the schema at a place a component, or refers to the one that is equal to it.
fn extract(document: &mut Node, place: &str, name: &str) {
    let present = schemas(document).and_then(|schemas| schemas.get(name)).cloned();
    let mut taken = None;
    locate(document, place, &mut |node| {
        let is_same = present.as_ref().is_none_or(|own| own.without_prose() == node.without_prose());
        if is_same && node.get("$ref").is_none() {
            taken = Some(std::mem::replace(node, reference(name)));
        }
    });
    if let (None, Some(schema), Some(schemas)) = (present, taken, schemas(document)) {
        schemas.set(name, schema);
    }
}

/// Discriminators refer to components by their names.
fn mappings(node: &mut Node, from: &str, to: Option<&str>) {
    if let Some(Node::Map(mapping)) = node.get_mut("mapping") {
        let leads = |target: &Node| target.text().is_some_and(|target| Lowering::target(target) == from);
        match to {
            Some(to) => {
                let new = Node::Text(format!("#/components/schemas/{to}"));
                mapping.iter_mut().filter(|(_, target)| leads(target)).for_each(|(_, target)| *target = new.clone());
            }
            None => mapping.retain(|(_, target)| !leads(target)),
        }
    }
    match node {
        Node::Map(members) => members.iter_mut().for_each(|(_, value)| mappings(value, from, to)),
        Node::List(list) => list.iter_mut().for_each(|value| mappings(value, from, to)),
        _ => {}
    }
}

/// Calls `change` with the schema at a place like `ChatRequest.plugins[]|web.max`.
fn locate(document: &mut Node, place: &str, change: &mut dyn FnMut(&mut Node)) {
    let at = place.find(['.', '[', '{', '|', '(']).unwrap_or(place.len());
    let (owner, steps) = place.split_at_checked(at).unwrap_or((place, ""));
    let steps = split(steps);
    if let Some(schema) = schemas(document).and_then(|schemas| schemas.get_mut(owner)) {
        descend(schema, &steps, change);
        return;
    }
    // Of an operation: the first step says which of its schemas is meant.
    let Some(Node::Map(paths)) = document.get_mut("paths") else { return };
    for (_, item) in paths {
        let Node::Map(members) = item else { continue };
        let operation = members.iter_mut().find(|(method, operation)| {
            METHODS.contains(&method.as_str()) && operation.text_of("operationId") == Some(owner)
        });
        if let Some((_, operation)) = operation {
            let part = match steps.first().map(String::as_str) {
                Some(".request" | ".multipart") => operation.get_mut("requestBody"),
                Some(".response" | ".event") => operation.get_mut("responses"),
                _ => operation.get_mut("parameters"),
            };
            if let Some(part) = part {
                in_contents(part, steps.get(1..).unwrap_or_default(), change);
            }
        }
    }
}

/// Tries every schema of a body, of responses or of parameters, until one has the place.
fn in_contents(node: &mut Node, steps: &[String], change: &mut dyn FnMut(&mut Node)) -> bool {
    if let Some(schema) = node.get_mut("schema") {
        return descend(schema, steps, change);
    }
    match node {
        Node::Map(members) => members.iter_mut().any(|(_, value)| in_contents(value, steps, change)),
        Node::List(list) => list.iter_mut().any(|value| in_contents(value, steps, change)),
        _ => false,
    }
}

/// The steps of a place: `.name`, `[]`, `{}`, `|branch`.
fn split(place: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for character in place.chars() {
        match steps.last_mut() {
            Some(step) if !matches!(character, '.' | '[' | '{' | '|' | '(') => step.push(character),
            _ => steps.push(character.to_string()),
        }
    }
    steps
}

fn descend(node: &mut Node, steps: &[String], change: &mut dyn FnMut(&mut Node)) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        change(node);
        return true;
    };
    let child = match step.as_str() {
        "[]" => node.get_mut("items"),
        "{}" => node.get_mut("additionalProperties"),
        step => step.strip_prefix('.').and_then(|name| node.get_mut("properties")?.get_mut(name)),
    };
    if child.is_some_and(|child| descend(child, rest, change)) {
        return true;
    }
    let branch = step.strip_prefix('|');
    for list in ["oneOf", "anyOf", "allOf"] {
        let Some(Node::List(parts)) = node.get_mut(list) else { continue };
        for part in parts.iter_mut().filter(|part| part.get("$ref").is_none()) {
            let rest = if branch.is_some_and(|name| is_branch(part, name)) { rest } else { steps };
            if descend(part, rest, change) {
                return true;
            }
        }
    }
    false
}

/// Whether an inline branch is called so: by its constant, or by a member.
fn is_branch(node: &Node, name: &str) -> bool {
    let properties = node.get("properties").map_or(&[][..], Node::members);
    let value = |schema: &Node| schema.text_of("const") == Some(name) || schema.texts_of("enum") == [name];
    let constants = properties.iter().any(|(_, schema)| value(schema));
    constants || properties.iter().any(|(own, _)| own == name)
}
