//! Which types are equal but for their prose, and how those of one name become one.

use std::collections::{BTreeMap, BTreeSet};

use crate::lower::Lowering;
use crate::model::{Answer, Api, Body, Condition, Field, Kind, Operation, Ty, Type};
use crate::node::Node;
use crate::overlay::{Overlay, matches};
use crate::prose::Prose;

/// Stands between the name of a type and its place while it is not known whether it is the type of that name.
const CANDIDATE: char = '\u{1}';

/// The name of a type that may turn out to be the one called `name`.
pub fn candidate(name: &str, key: &str) -> String {
    format!("{name}{CANDIDATE}{key}")
}

/// The name without what marks a candidate.
pub fn plain(name: &str) -> &str {
    name.split(CANDIDATE).next().unwrap_or(name)
}

/// The types that are equal but for their prose: each list has at least two names.
pub fn groups(types: &[Type]) -> Vec<Vec<&Type>> {
    let classes = classes(types);
    let mut groups: BTreeMap<usize, Vec<&Type>> = BTreeMap::new();
    for ty in types {
        if let Some(class) = classes.get(ty.name.as_str()) {
            groups.entry(*class).or_default().push(ty);
        }
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

/// The class of each type. Types are assumed to be equal until something tells them apart, so that types that lead back
/// to themselves can be equal too.
fn classes(types: &[Type]) -> BTreeMap<&str, usize> {
    let by_name: BTreeMap<&str, &Type> = types.iter().map(|ty| (ty.name.as_str(), ty)).collect();
    let mut classes: BTreeMap<&str, usize> = types.iter().map(|ty| (ty.name.as_str(), 0)).collect();
    let mut count = 1;
    loop {
        let mut signatures: BTreeMap<String, usize> = BTreeMap::new();
        let mut next = BTreeMap::new();
        for ty in types {
            let signature = signature(ty, &by_name, &classes);
            let fresh = signatures.len();
            next.insert(ty.name.as_str(), *signatures.entry(signature).or_insert(fresh));
        }
        let found = signatures.len();
        classes = next;
        if found == count {
            return classes;
        }
        count = found;
    }
}

/// What distinguishes a type from others: everything but names and prose, in an order that means nothing.
fn signature(ty: &Type, types: &BTreeMap<&str, &Type>, classes: &BTreeMap<&str, usize>) -> String {
    let of = |ty: &Ty| of_use(ty, classes);
    let field = |field: &Field| format!("{} {} {:?} {}", field.wire, field.rust, field.presence, of(&field.ty));
    match &ty.kind {
        Kind::Struct(own) => {
            let constants: BTreeSet<_> = own.constants.iter().collect();
            let fields: BTreeSet<_> = own.fields.iter().map(field).collect();
            format!("struct {constants:?} {fields:?}")
        }
        Kind::Enum(values) => {
            let values: BTreeSet<_> = values.iter().map(|value| (&value.wire, &value.rust)).collect();
            format!("enum {values:?}")
        }
        Kind::Union(union) => {
            let branch = |index: &usize| union.variants.get(*index).map(|variant| of(&variant.ty));
            let tests = |(when, index): &(Vec<Condition>, usize)| format!("{when:?} {:?}", branch(index));
            let objects: Vec<_> = union.objects.iter().map(tests).collect();
            let tagged: Vec<_> =
                union.tagged.iter().map(|(value, when, index)| (value, tests(&(when.clone(), *index)))).collect();
            let shapes: BTreeSet<_> =
                union.shapes.iter().map(|(shape, of, index)| format!("{shape:?} {of:?} {:?}", branch(index))).collect();
            format!("union {} {tagged:?} {objects:?} {shapes:?}", union.tag)
        }
        // Another name for a type is that type.
        Kind::Alias(Ty::Named(name)) => match types.get(name.as_str()) {
            Some(ty) if !matches!(ty.kind, Kind::Alias(_)) => signature(ty, types, classes),
            _ => format!("alias {name}"),
        },
        Kind::Alias(ty) => format!("alias {}", of(ty)),
        Kind::Parameters(_) | Kind::Form(_) => format!("of {}", ty.key),
    }
}

/// What distinguishes a type in use from others.
fn of_use(ty: &Ty, classes: &BTreeMap<&str, usize>) -> String {
    match ty {
        Ty::Named(name) => format!("#{}", classes.get(name.as_str()).copied().unwrap_or_default()),
        Ty::List(of) => format!("list of {}", of_use(of, classes)),
        Ty::Map(of) => format!("map of {}", of_use(of, classes)),
        Ty::Secret(of) => format!("secret {}", of_use(of, classes)),
        other => other.rust(),
    }
}

impl Lowering<'_> {
    /// Makes each candidate the type of its name, if it is equal to it; otherwise one of the two gets another name on the
    /// next way through the document.
    pub fn unify(&mut self, operations: &mut [Operation]) {
        let same: BTreeMap<String, String> = {
            let classes = classes(&self.types);
            let candidates = self.types.iter().filter(|ty| ty.name.contains(CANDIDATE));
            let is_equal = |name: &str| classes.get(name) == classes.get(plain(name));
            candidates.filter(|ty| is_equal(&ty.name)).map(|ty| (ty.name.clone(), plain(&ty.name).to_owned())).collect()
        };
        let different = self.types.iter().filter(|ty| ty.name.contains(CANDIDATE) && !same.contains_key(&ty.name));
        for (name, key) in different.map(|ty| (plain(&ty.name).to_owned(), ty.key.clone())).collect::<Vec<_>>() {
            let other = self.types.iter().find(|ty| ty.name == name).map(|ty| ty.key.clone()).unwrap_or_default();
            self.clash(&name, &key, &other);
        }
        if !self.clashes.is_empty() {
            return;
        }
        let (equal, types): (Vec<Type>, Vec<Type>) =
            std::mem::take(&mut self.types).into_iter().partition(|ty| same.contains_key(&ty.name));
        self.types = types;
        for mut ty in equal {
            let Some(place) = self.types.iter().position(|own| own.name == plain(&ty.name)) else { continue };
            let component = |key: &str| self.schema(key).is_some();
            let replaces = self.types.get(place).is_some_and(|own| component(&ty.key) && !component(&own.key));
            let Some(own) = self.types.get_mut(place) else { continue };
            if replaces {
                ty.name.clone_from(&own.name);
                std::mem::swap(own, &mut ty);
            }
            own.deprecated &= ty.deprecated;
            own.others.push(ty);
        }
        let rename = |ty: &mut Ty| rename(ty, &same);
        self.types.iter_mut().for_each(|ty| uses(&mut ty.kind).into_iter().for_each(rename));
        self.used_types().for_each(rename);
        for operation in operations {
            operation_types(operation).into_iter().for_each(rename);
            if let Some(name) = operation.query.as_mut().and_then(|query| Some((same.get(query)?, query))) {
                name.1.clone_from(name.0);
            }
        }
    }
}

fn rename(ty: &mut Ty, same: &BTreeMap<String, String>) {
    match ty {
        Ty::Named(name) => {
            if let Some(own) = same.get(name) {
                name.clone_from(own);
            }
        }
        Ty::List(of) | Ty::Map(of) | Ty::Secret(of) => rename(of, same),
        _ => {}
    }
}

/// The types that a type uses.
fn uses(kind: &mut Kind) -> Vec<&mut Ty> {
    match kind {
        Kind::Struct(own) => own.fields.iter_mut().map(|field| &mut field.ty).collect(),
        Kind::Parameters(fields) | Kind::Form(fields) => fields.iter_mut().map(|field| &mut field.ty).collect(),
        Kind::Union(union) => union.variants.iter_mut().map(|variant| &mut variant.ty).collect(),
        Kind::Alias(ty) => vec![ty],
        Kind::Enum(_) => Vec::new(),
    }
}

/// The types that an operation uses.
fn operation_types(operation: &mut Operation) -> Vec<&mut Ty> {
    let Operation { path_parameters, required_query, headers, body, answer, .. } = operation;
    let fields = path_parameters.iter_mut().chain(required_query).chain(headers);
    let mut types: Vec<_> = fields.map(|field| &mut field.ty).collect();
    match body {
        Body::Json(ty, _) | Body::Form(ty) => types.push(ty),
        Body::None | Body::Multipart(_) => {}
    }
    match answer {
        Answer::Json(ty) | Answer::Stream(ty) => types.push(ty),
        Answer::JsonOrStream(ty, event) => types.extend([ty, event]),
        Answer::Empty | Answer::Bytes => {}
    }
    types
}

/// Takes the sentences of equal types for what a type has none for, and leaves only the facts that hold at all places. A
/// sentence by the name of the type goes before those of the places.
pub fn share_prose(api: &mut Api, prose: &Prose) {
    for ty in &mut api.types {
        let others = std::mem::take(&mut ty.others);
        for other in others {
            ty.places.extend(other.places);
            ty.places.insert(other.key);
            let Kind::Struct(same) = &other.kind else { continue };
            let Kind::Struct(own) = &mut ty.kind else { continue };
            for field in &mut own.fields {
                let Some(same) = same.fields.iter().find(|same| same.wire == field.wire) else { continue };
                if prose.get(&field.key).is_none() && prose.get(&same.key).is_some() {
                    field.key.clone_from(&same.key);
                }
                field.facts.retain(|fact| same.facts.contains(fact));
                field.deprecated &= same.deprecated;
            }
        }
        let Type { name, places, kind: Kind::Struct(own), .. } = ty else { continue };
        let by_name = |field: &Field| Some(format!("{name}.{}", field.wire)).filter(|key| prose.get(key).is_some());
        for field in own.fields.iter_mut().filter(|_| !places.is_empty()) {
            field.key = by_name(field).unwrap_or_else(|| field.key.clone());
        }
    }
}

/// The groups of equal types that nobody has given a reason for, each with the line to write.
pub fn without_reason(types: &[Type], overlay: &Overlay) -> Vec<String> {
    let reasons = overlay.equal.as_ref().map_or(&[][..], Node::elements);
    let mut lines = Vec::new();
    for group in groups(types) {
        let fits = |entry: &&Node, ty: &Type| entry.texts_of("types").iter().any(|pattern| matches(pattern, &ty.name));
        if let Some(entry) = reasons.iter().find(|entry| group.iter().all(|ty| fits(entry, ty))) {
            overlay.note_equal(entry);
            continue;
        }
        let places: Vec<_> = group.iter().map(|ty| format!("`{}: {}`", ty.key, ty.name)).collect();
        lines.push(format!(
            "{} are equal but for their prose; give them one name in overlay/names.yaml, or a reason in overlay/equal.yaml",
            places.join(", ")
        ));
    }
    lines
}
