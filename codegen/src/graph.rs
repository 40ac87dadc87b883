//! Which types are sent and received, which namespaces reach them, in which file they are, how large they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Answer, Api, Body, Field, Kind, Operation, Presence, Ty};
use crate::node::Node;
use crate::overlay::matches;

/// Namespaces with more types than this are split into files by the way the types go.
const SPLIT_ABOVE: usize = 60;

/// A variant above this size, in bytes, is boxed.
const BOX_ABOVE: usize = 160;

/// A file of models.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The features that need it; empty for always.
    pub features: BTreeSet<String>,
    /// Namespaces whose files it uses, itself excluded.
    pub needs: BTreeSet<String>,
}

/// The types that a type mentions.
pub fn mentioned(kind: &Kind) -> Vec<String> {
    let of = |ty: &Ty| ty.named().map(str::to_owned);
    match kind {
        Kind::Struct(own) => own.fields.iter().filter_map(|field| of(&field.ty)).collect(),
        Kind::Parameters(fields) | Kind::Form(fields) => fields.iter().filter_map(|field| of(&field.ty)).collect(),
        Kind::Union(union) => union.variants.iter().filter_map(|variant| of(&variant.ty)).collect(),
        Kind::Alias(ty) => of(ty).into_iter().collect(),
        Kind::Enum(_) => Vec::new(),
    }
}

/// The types an operation names itself.
struct Roots {
    sent: Vec<String>,
    received: Vec<String>,
    events: Vec<String>,
}

impl Roots {
    fn of(operation: &Operation) -> Self {
        let named = |ty: &Ty| ty.named().map(str::to_owned).into_iter().collect::<Vec<_>>();
        let mut sent: Vec<String> = operation.query.iter().cloned().collect();
        let parameters = operation.path_parameters.iter().chain(&operation.required_query).chain(&operation.headers);
        sent.extend(parameters.filter_map(|field| field.ty.named().map(str::to_owned)));
        match &operation.body {
            Body::Json(ty, _) | Body::Form(ty) => sent.extend(named(ty)),
            Body::Multipart(name) => sent.push(name.clone()),
            Body::None => {}
        }
        let (received, events) = match &operation.answer {
            Answer::Json(ty) => (named(ty), Vec::new()),
            Answer::JsonOrStream(ty, event) => (named(ty), named(event)),
            Answer::Stream(event) => (Vec::new(), named(event)),
            Answer::Empty | Answer::Bytes => (Vec::new(), Vec::new()),
        };
        Self { sent, received, events }
    }
}

/// Namespaces that are made of others: they take bodies that different other namespaces take.
fn composites(api: &Api) -> BTreeSet<String> {
    let bodies: BTreeSet<&str> = api
        .operations
        .iter()
        .filter_map(|operation| match &operation.body {
            Body::Json(Ty::Named(name), _) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let takers: Vec<&BTreeSet<String>> =
        bodies.iter().filter_map(|name| api.find(name)).map(|ty| &ty.namespaces).collect();
    let is_composite = |namespace: &&String| {
        let own: Vec<_> = takers.iter().filter(|takers| takers.contains(*namespace)).collect();
        own.iter().any(|one| own.iter().any(|two| one.difference(two).count() > 0 && two.difference(one).count() > 0))
    };
    let namespaces: BTreeSet<&String> = takers.iter().copied().flatten().collect();
    namespaces.into_iter().filter(is_composite).cloned().collect()
}

/// Fills in what the operations say about the types.
pub fn spread(api: &mut Api) {
    let index: BTreeMap<String, usize> = api.types.iter().enumerate().map(|(at, ty)| (ty.name.clone(), at)).collect();
    let edges: Vec<Vec<usize>> = api
        .types
        .iter()
        .map(|ty| mentioned(&ty.kind).iter().filter_map(|name| index.get(name).copied()).collect())
        .collect();
    let reach = |roots: &[String]| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = roots.iter().filter_map(|name| index.get(name).copied()).collect();
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(edges.get(at).into_iter().flatten());
            }
        }
        seen
    };
    let mut plain = BTreeSet::new();
    for operation in api.operations.clone() {
        let Roots { sent, received, events } = Roots::of(&operation);
        for (roots, direction) in [(sent, 0), (received, 1), (events, 2)] {
            for at in reach(&roots) {
                let Some(ty) = api.types.get_mut(at) else { continue };
                ty.namespaces.insert(operation.namespace.clone());
                match direction {
                    0 => ty.request = true,
                    1 => {
                        ty.response = true;
                        plain.insert(at);
                    }
                    _ => {
                        ty.response = true;
                        ty.event = true;
                    }
                }
            }
        }
    }
    for (at, ty) in api.types.iter_mut().enumerate() {
        ty.event &= !plain.contains(&at) && !ty.request;
    }
}

/// Puts types that hold themselves, and large variants, into boxes.
pub fn box_types(api: &mut Api) {
    let held: BTreeMap<String, BTreeSet<String>> =
        api.types.iter().map(|ty| (ty.name.clone(), held(&ty.kind))).collect();
    let leads_to = |from: &str, to: &str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            if name == to {
                return true;
            }
            if seen.insert(name) {
                open.extend(held.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        false
    };
    let structs: BTreeSet<String> =
        api.types.iter().filter(|ty| matches!(ty.kind, Kind::Struct(_))).map(|ty| ty.name.clone()).collect();
    for ty in &mut api.types {
        let name = &ty.name;
        let circles = |of: &Ty| directly(of).is_some_and(|other| leads_to(other, name));
        match &mut ty.kind {
            Kind::Struct(own) => {
                for field in own.fields.iter_mut().filter(|field| circles(&field.ty)) {
                    field.boxed = true;
                    // An object that must hold another of its kind would have no end.
                    if field.presence == Presence::Required && field.ty.named().is_some_and(|of| structs.contains(of)) {
                        field.presence = Presence::Nullable;
                    }
                }
            }
            Kind::Union(union) => {
                for variant in &mut union.variants {
                    variant.boxed = circles(&variant.ty);
                }
            }
            _ => {}
        }
    }
    let mut sizes = BTreeMap::new();
    let names: Vec<String> = api.types.iter().map(|ty| ty.name.clone()).collect();
    for name in &names {
        size_of(name, api, &mut sizes);
    }
    for ty in &mut api.types {
        if let Kind::Union(union) = &mut ty.kind {
            for variant in &mut union.variants {
                variant.boxed |= size(&variant.ty, &sizes) > BOX_ABOVE;
            }
        }
    }
}

/// The type that is stored in the same memory.
fn directly(ty: &Ty) -> Option<&str> {
    match ty {
        Ty::Named(name) => Some(name),
        Ty::Secret(of) => directly(of),
        _ => None,
    }
}

/// The types that are stored in the memory of a type.
fn held(kind: &Kind) -> BTreeSet<String> {
    let types: Vec<&Ty> = match kind {
        Kind::Struct(own) => own.fields.iter().map(|field| &field.ty).collect(),
        Kind::Union(union) => union.variants.iter().map(|variant| &variant.ty).collect(),
        Kind::Alias(ty) => vec![ty],
        Kind::Parameters(_) | Kind::Form(_) | Kind::Enum(_) => Vec::new(),
    };
    types.into_iter().filter_map(directly).map(str::to_owned).collect()
}

fn size_of(name: &str, api: &Api, sizes: &mut BTreeMap<String, usize>) -> usize {
    if let Some(size) = sizes.get(name) {
        return *size;
    }
    let Some(ty) = api.find(name) else { return 0 };
    // A type that leads back to this one by way of a box or list need not wait for it.
    sizes.insert(name.to_owned(), 0);
    for other in mentioned(&ty.kind) {
        size_of(&other, api, sizes);
    }
    let field = |field: &Field| {
        let numbers = usize::from(matches!(field.ty, Ty::Integer | Ty::Number)) * 8;
        if field.boxed { 8 } else { size(&field.ty, sizes) + numbers }
    };
    let own = match &ty.kind {
        Kind::Enum(_) => 16,
        Kind::Struct(own) => 16 + own.fields.iter().map(field).sum::<usize>(),
        Kind::Parameters(fields) | Kind::Form(fields) => fields.iter().map(field).sum(),
        Kind::Union(union) => {
            let variant = |ty: &Ty| Some(size(ty, sizes)).filter(|size| *size <= BOX_ABOVE).unwrap_or(8);
            8 + union.variants.iter().map(|v| variant(&v.ty)).max().unwrap_or(0).max(24)
        }
        Kind::Alias(ty) => size(ty, sizes),
    };
    sizes.insert(name.to_owned(), own);
    own
}

fn size(ty: &Ty, sizes: &BTreeMap<String, usize>) -> usize {
    match ty {
        Ty::String | Ty::List(_) | Ty::Map(_) => 24,
        Ty::Secret(of) => size(of, sizes),
        Ty::Json | Ty::JsonObject => 16,
        Ty::Bytes => 64,
        Ty::Bool => 1,
        Ty::Integer | Ty::Number => 8,
        Ty::Named(name) => sizes.get(name).copied().unwrap_or(0),
    }
}

/// Decides in which file each type is, and what each file needs. A type of one namespace is there; one of
/// several is in a shared file. Namespaces made of others (`composite`) do not make a type shared.
pub fn place(api: &mut Api, modules: &Node) -> BTreeMap<String, Module> {
    let listed = modules.texts_of("composite").into_iter().map(str::to_owned);
    let composite: BTreeSet<String> = listed.chain(composites(api)).collect();
    let namespaces: BTreeSet<String> = api.operations.iter().map(|operation| operation.namespace.clone()).collect();
    let shared: Vec<_> = modules.get("shared").map_or(&[][..], Node::members).to_vec();
    let apart = modules.texts_of("apart");
    let home = |name: &str, namespaces: &BTreeSet<String>| {
        let own: Vec<_> = namespaces.difference(&composite).collect();
        match own.as_slice() {
            [_] if namespaces.len() > 1 && apart.iter().any(|pattern| matches(pattern, name)) => "shared".to_owned(),
            [one] => (*one).clone(),
            [] => namespaces.first().cloned().unwrap_or_else(|| "shared".to_owned()),
            _ => {
                let of = shared
                    .iter()
                    .find(|(_, patterns)| patterns.elements().iter().filter_map(Node::text).any(|p| matches(p, name)));
                let shared = of.map_or("shared", |(module, _)| module);
                if namespaces.contains(shared) { format!("{shared}_shared") } else { shared.to_owned() }
            }
        }
    };
    let homes: Vec<String> = api.types.iter().map(|ty| home(&ty.name, &ty.namespaces)).collect();
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for home in &homes {
        *counts.entry(home).or_default() += 1;
    }
    let mut result: BTreeMap<String, Module> = BTreeMap::new();
    let at: BTreeMap<String, String> = api.types.iter().map(|ty| ty.name.clone()).zip(homes.clone()).collect();
    for (ty, home) in api.types.iter_mut().zip(&homes) {
        let split = counts.get(home).is_some_and(|count| *count > SPLIT_ABOVE);
        let part = match (ty.request, ty.response, ty.event) {
            (_, _, true) => "events",
            (true, false, _) => "request",
            (false, _, _) => "response",
            (true, true, _) => "content",
        };
        ty.module = if split { format!("{home}/{part}") } else { home.clone() };
        let module = result.entry(home.clone()).or_default();
        if namespaces.contains(home) {
            module.features.insert(home.clone());
        } else {
            module.features.extend(ty.namespaces.difference(&composite).cloned());
        }
        module
            .needs
            .extend(mentioned(&ty.kind).iter().filter_map(|name| at.get(name)).filter(|other| *other != home).cloned());
    }
    for namespace in &namespaces {
        let module = result.entry(namespace.clone()).or_default();
        module.features.insert(namespace.clone());
    }
    for operation in &api.operations {
        let Roots { sent, received, events } = Roots::of(operation);
        let named: Vec<String> = [sent, received, events].concat();
        if let Some(module) = result.get_mut(&operation.namespace) {
            module.needs.extend(
                named.iter().filter_map(|name| at.get(name)).filter(|other| **other != operation.namespace).cloned(),
            );
        }
    }
    // A shared file is there for every feature that needs a file that needs it.
    loop {
        let mut changed = false;
        for (name, module) in result.clone() {
            for needed in &module.needs {
                if namespaces.contains(needed) || *needed == name {
                    continue;
                }
                if let Some(other) = result.get_mut(needed) {
                    let before = other.features.len();
                    other.features.extend(module.features.iter().cloned());
                    changed |= other.features.len() != before;
                }
            }
        }
        if !changed {
            return result;
        }
    }
}
