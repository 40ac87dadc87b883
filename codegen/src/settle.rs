//! Names that do not move. The types of a document are compared with those of the tree, by how they are used and by what
//! they are. Where the document took a schema out of its place, put it in, renamed or moved it, it is brought back into the
//! form that the tree was written from. So types keep their names, and all decisions and sentences their places.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::lower::{Lowering, constant};
use crate::node::Node;
use crate::references::METHODS;
use crate::surface::{Item, Part, Surface};

/// How a document is brought back into the known form.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Move {
    /// The component has another name.
    Rename(String, String),
    /// The component was not one before: its schema was inline where it is used.
    Inline(String),
    /// The schema at the place is this component.
    Extract(String, String),
}

/// Brings a document closer to the known form. Returns whether that changed it.
pub fn settle(document: &mut Node, known: &Surface, now: &Surface, places: &BTreeMap<String, Vec<String>>) -> bool {
    let before = document.clone();
    for by_form in [false, true] {
        let (renames, others) =
            moves(known, now, places, by_form).into_iter().partition(|step| matches!(step, Move::Rename(..)));
        // What the overlay says about a component holds again once it has its name.
        for steps in [renames, others] as [Vec<Move>; 2] {
            for step in steps {
                match step {
                    Move::Rename(from, to) => rename(document, &from, &to),
                    Move::Inline(name) => inline(document, &name),
                    Move::Extract(place, name) => extract(document, &place, &name, &before),
                }
            }
            if *document != before {
                return true;
            }
        }
    }
    false
}

/// The known types that are missing, each with the type of the document that is most like it, if any is.
pub fn missing<'a>(known: &'a Surface, now: &'a Surface) -> BTreeMap<&'a str, Option<&'a str>> {
    let likely = |item: &Item| {
        let others = now.types.iter().filter(|(name, _)| !known.types.contains_key(*name));
        let scored = others.map(|(name, other)| (likeness(item, other), name.as_str()));
        scored.filter(|(score, _)| *score >= 0.3).max_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, name)| name)
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

/// The types of the document and the known types at their places, from the operations down.
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
        let of = target(now, pair.0);
        let is_same = |new: &Item| pair.0 == pair.1 || likeness(new, old) >= 0.5;
        if !seen.insert(pair) || !(is_same(new) || now.types.get(of).is_some_and(is_same)) {
            continue;
        }
        pairs.push(pair);
        if old.what != "alias" && of != pair.0 {
            open.push_back((of, pair.1));
        }
        for (name, part) in &new.parts {
            let is_same = |(other, old): &(&String, &Part)| {
                if part.wire.is_empty() { *other == name } else { old.wire == part.wire }
            };
            // Variants may share a tag.
            let like = |(_, old): &(&String, &Part)| {
                let types = now.mentioned(&part.ty).zip(known.mentioned(&old.ty)).next();
                types
                    .and_then(|(new, old)| Some(likeness(now.types.get(new)?, known.types.get(old)?)))
                    .unwrap_or_default()
            };
            let candidates = old.parts.iter().filter(is_same);
            if let Some((_, old)) = candidates.max_by(|one, two| like(one).total_cmp(&like(two))) {
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
fn moves(known: &Surface, now: &Surface, places: &BTreeMap<String, Vec<String>>, by_form: bool) -> BTreeSet<Move> {
    // The known type to the types of the document that are it, best first.
    let mut same: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let pairs = by_use(known, now);
    let mut note = |new: &'_ str, old: &'_ str| {
        let Some(((new, _), (old, _))) = now.types.get_key_value(new).zip(known.types.get_key_value(old)) else {
            return;
        };
        let list = same.entry(old).or_default();
        if (new == old || !known.types.contains_key(new)) && !list.contains(&new.as_str()) {
            list.push(new);
        }
    };
    pairs.iter().for_each(|(new, old)| note(new, old));
    // Types that are used elsewhere now: by what they are.
    let used: BTreeSet<&str> = pairs.iter().flat_map(|(new, old)| [*new, *old]).collect();
    let free = |name: &&String, other: &Surface| !used.contains(name.as_str()) && !other.types.contains_key(*name);
    // A tag or several parts, and no other type like it on either side.
    let telling = |item: &Item| !item.constants_of_struct().is_empty() || item.parts.len() > 2;
    let fits = |one: &Item, two: &Item| telling(one) && likeness(one, two) >= 0.7;
    let gone: Vec<_> = known.types.iter().filter(|(name, _)| by_form && free(name, now)).collect();
    let fresh: Vec<_> = now.types.iter().filter(|(name, _)| by_form && free(name, known)).collect();
    for (old, item) in &gone {
        let alike: Vec<_> = fresh.iter().filter(|(_, other)| fits(item, other)).collect();
        if let [(new, other)] = alike.as_slice()
            && gone.iter().filter(|(_, item)| fits(item, other)).count() == 1
        {
            note(new, old);
        }
    }
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (old, mut list) in same {
        let Some(item) = known.types.get(old) else { continue };
        let score = |name: &&str| {
            let Some(new) = now.types.get(*name) else { return (false, 0.0) };
            (is_component(&new.key) == is_component(&item.key), likeness(item, new))
        };
        list.sort_by(|one, two| score(two).partial_cmp(&score(one)).unwrap_or(Ordering::Equal));
        // A type of the name, or else the best one, and those that are equal to it.
        let holder = now.types.get_key_value(old).map(|(name, _)| name.as_str()).or(list.first().copied());
        let holder = holder.map(|holder| target(now, holder));
        let equal = |new: &&str| holder.is_some_and(|holder| alike(now, holder, target(now, new)));
        found.extend(list.into_iter().filter(equal).map(|new| (new, old)));
    }
    let key = |surface: &Surface, name: &str| surface.types.get(name).map(|item| item.key.clone()).unwrap_or_default();
    let keys: Vec<(String, String, &str, &str)> = found
        .iter()
        .flat_map(|(new, old)| {
            let others = places.get(*new).filter(|_| new != old).cloned().unwrap_or_default();
            let own = std::iter::once(key(now, new)).chain(others);
            own.map(|place| (place, key(known, old), *new, *old)).collect::<Vec<_>>()
        })
        .filter(|(place, was, ..)| place != was && !place.contains("()") && !place.ends_with("|string"))
        .collect();
    let present: BTreeSet<&str> = now.types.values().flat_map(components).collect();
    let at_home: BTreeSet<&str> = known.types.values().flat_map(components).collect();
    let mut moves = BTreeSet::new();
    for (place, was, new, name) in &keys {
        let comes_along = keys.iter().any(|(other, old, ..)| {
            let (rest, before) = (place.strip_prefix(other.as_str()), was.strip_prefix(old.as_str()));
            rest.is_some_and(|rest| !rest.is_empty() && Some(rest) == before && !is_component(rest))
        });
        if comes_along || at_home.contains(place.as_str()) {
            continue;
        }
        let ((root, steps), (old_root, old_steps)) = (split_root(place), split_root(was));
        // Several components may be one type: the one that is missing is meant.
        let components = known.types.get(*name).into_iter().flat_map(components).filter(|name| is_component(name));
        let missing = components.filter(|name| !present.contains(name)).map(str::to_owned).next();
        moves.insert(match (is_component(place), is_component(was)) {
            // A component that holds the type has another name.
            (false, false) if new != name && steps == old_steps => Move::Rename(root.to_owned(), old_root.to_owned()),
            (false, false) if new != name => {
                Move::Extract(place.clone(), missing.unwrap_or_else(|| (*name).to_owned()))
            }
            (false, true) => Move::Extract(place.clone(), missing.unwrap_or_else(|| was.clone())),
            (true, _) if new != name => match missing {
                Some(missing) => Move::Rename(place.clone(), missing),
                None => Move::Inline(place.clone()),
            },
            _ => continue,
        });
    }
    moves
}

/// The components that are a type.
fn components(item: &Item) -> impl Iterator<Item = &str> {
    std::iter::once(&item.key).chain(&item.aliases).map(String::as_str)
}

/// The type that another one is only a name for.
fn target<'a>(surface: &'a Surface, name: &'a str) -> &'a str {
    match surface.types.get(name) {
        Some(item) if item.what == "alias" => {
            let of = item.parts.values().find_map(|part| surface.types.get_key_value(&part.ty));
            of.map_or(name, |(name, _)| name)
        }
        _ => name,
    }
}

/// Whether two types of a document have the same parts.
fn alike(surface: &Surface, one: &str, two: &str) -> bool {
    let shape = |name: &str| surface.types.get(name).map(|item| (&item.what, item.constants_of_struct(), item.wires()));
    one == two || shape(one) == shape(two)
}

/// The component or operation of a place, and the steps from there.
fn split_root(place: &str) -> (&str, &str) {
    let at = place.find(['.', '[', '{', '|', '(']).unwrap_or(place.len());
    place.split_at_checked(at).unwrap_or((place, ""))
}

fn is_component(place: &str) -> bool {
    split_root(place).1.is_empty()
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

/// Gives a component its known name.
fn rename(document: &mut Node, from: &str, to: &str) {
    let Some(schemas) = schemas(document) else { return };
    if schemas.get(to).is_some() {
        return inline(document, from);
    }
    if let Node::Map(members) = schemas
        && let Some((name, _)) = members.iter_mut().find(|(name, _)| name == from)
    {
        to.clone_into(name);
        references(document, from, &mut |node| node.set("$ref", Node::Text(format!("#/components/schemas/{to}"))));
        mappings(document, from, Some(to));
    }
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
        let siblings: Vec<_> = node.members().iter().filter(|(name, _)| name != "$ref").cloned().collect();
        *node = schema.clone();
        siblings.into_iter().for_each(|(name, value)| node.set(&name, value));
    });
    mappings(document, name, None);
    if let Some(schemas) = schemas(document) {
        schemas.remove(name);
    }
}

/// Makes the schema at a place a component, or refers to the one that is equal to it.
fn extract(document: &mut Node, place: &str, name: &str, whole: &Node) {
    let present = schemas(document).and_then(|schemas| schemas.get(name)).cloned();
    let mut taken = None;
    locate(document, place, whole, &mut |node| {
        let (schema, siblings) = without_notes(node);
        let is_same = present.as_ref().is_none_or(|own| {
            let equal = without_notes(own).0.without_prose() == schema.without_prose();
            equal || texts(own).is_some_and(|values| texts(&schema) == Some(values))
        });
        let takes = is_same && schema.get("$ref").is_none();
        if takes {
            *node = reference(name);
            siblings.into_iter().for_each(|(name, value)| node.set(&name, value));
            taken = Some(schema);
        }
        takes
    });
    if let (None, Some(schema), Some(schemas)) = (present, taken, schemas(document)) {
        schemas.set(name, schema);
    }
}

/// The texts that a schema lists, in one list or in several branches.
fn texts(schema: &Node) -> Option<BTreeSet<&str>> {
    let branches = schema.get("oneOf").or(schema.get("anyOf")).map_or(&[][..], Node::elements);
    let mut list: BTreeSet<&str> = schema.texts_of("enum").into_iter().chain(schema.text_of("const")).collect();
    for branch in branches.iter().filter(|branch| branch.text_of("type") != Some("null")) {
        list.extend(texts(branch)?);
    }
    (!list.is_empty()).then_some(list)
}

/// A schema, and what one place says about it.
fn without_notes(node: &Node) -> (Node, Vec<(String, Node)>) {
    let Node::Map(members) = node else { return (node.clone(), Vec::new()) };
    let is_note = |name: &str| matches!(name, "nullable" | "default" | "deprecated" | "description");
    let (notes, schema) = members.iter().cloned().partition(|(name, _)| is_note(name));
    (Node::Map(schema), notes)
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

/// Calls `change` with the schemas that may be at a place like `ChatRequest.plugins[]|web.max`, until it takes one.
fn locate(document: &mut Node, place: &str, whole: &Node, change: &mut dyn FnMut(&mut Node) -> bool) {
    let (owner, steps) = split_root(place);
    let steps = split(steps);
    if let Some(schema) = schemas(document).and_then(|schemas| schemas.get_mut(owner)) {
        descend(schema, &steps, whole, change);
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
                in_contents(part, steps.get(1..).unwrap_or_default(), whole, change);
            }
        }
    }
}

/// Tries every schema of a body, of responses or of parameters, until one has the place.
fn in_contents(node: &mut Node, steps: &[String], whole: &Node, change: &mut dyn FnMut(&mut Node) -> bool) -> bool {
    if let Some(schema) = node.get_mut("schema") {
        return descend(schema, steps, whole, change);
    }
    match node {
        Node::Map(members) => members.iter_mut().any(|(_, value)| in_contents(value, steps, whole, change)),
        Node::List(list) => list.iter_mut().any(|value| in_contents(value, steps, whole, change)),
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

fn descend(node: &mut Node, steps: &[String], whole: &Node, change: &mut dyn FnMut(&mut Node) -> bool) -> bool {
    if steps.is_empty() && !is_wrapper(node) && change(node) {
        return true;
    }
    let (step, rest) = steps.split_first().map_or(("", steps), |(step, rest)| (step.as_str(), rest));
    let child = match step {
        "[]" => node.get_mut("items"),
        "{}" => node.get_mut("additionalProperties"),
        step => step.strip_prefix('.').and_then(|name| node.get_mut("properties")?.get_mut(name)),
    };
    if child.is_some_and(|child| descend(child, rest, whole, change)) {
        return true;
    }
    ["oneOf", "anyOf", "allOf"].iter().any(|list| {
        let Some(Node::List(parts)) = node.get_mut(list) else { return false };
        parts.iter_mut().filter(|part| part.get("$ref").is_none()).any(|part| {
            // A tag may have dots in it.
            let name = |count: usize| steps.get(..count).unwrap_or_default().concat();
            let is_named =
                |count: &usize| name(*count).strip_prefix('|').is_some_and(|name| is_branch(part, name, whole));
            let taken = (1..=steps.len()).find(is_named).unwrap_or_default();
            descend(part, steps.get(taken..).unwrap_or_default(), whole, change)
        })
    })
}

/// Whether a schema only says that another one may be null.
fn is_wrapper(node: &Node) -> bool {
    let null = |branch: &&Node| branch.text_of("type") != Some("null");
    ["oneOf", "anyOf", "allOf"]
        .iter()
        .any(|list| node.get(list).is_some_and(|branches| branches.elements().iter().filter(null).count() == 1))
        && node.get("properties").is_none()
}

/// Whether an inline branch is called so: by its constant, or by a member if it has no constant.
fn is_branch(node: &Node, name: &str, whole: &Node) -> bool {
    let properties = properties(node, whole);
    let has =
        |sign: &str| properties.iter().any(|(own, schema)| own == sign || schema.texts_of("enum").contains(&sign));
    let mut constants = properties.iter().filter_map(|(_, schema)| constant(schema)?.text()).peekable();
    if constants.peek().is_none() {
        return has(name);
    }
    // What distinguishes it from others of the same constant comes after it.
    let mut signs = constants.filter_map(|constant| name.strip_prefix(constant));
    signs.any(|sign| sign.is_empty() || sign.strip_prefix('_').is_some_and(has))
}

/// The members of an object, with those of the components it is made of.
fn properties<'a>(node: &'a Node, whole: &'a Node) -> Vec<&'a (String, Node)> {
    let component = |reference| whole.get("components")?.get("schemas")?.get(Lowering::target(reference));
    let node = node.text_of("$ref").and_then(component).unwrap_or(node);
    let parts = node.get("allOf").map_or(&[][..], Node::elements).iter().flat_map(|part| properties(part, whole));
    node.get("properties").map_or(&[][..], Node::members).iter().chain(parts).collect()
}
