//! Our own words for what the document names, by place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Failure;
use crate::model::{Api, Kind, Type};
use crate::node::Node;

/// All sentences, by place: `ChatRequest.top_k`, `getModels(category)`, `createKeys.request.name`, `Status=done`.
#[derive(Debug, Default)]
pub struct Prose {
    sentences: BTreeMap<String, String>,
}

impl Prose {
    /// Reads all files of a folder.
    pub fn load(folder: &Path) -> Result<Self, Failure> {
        let mut sentences = BTreeMap::new();
        let read = |error| Failure::new(format!("cannot read {}: {error}", folder.display()));
        let mut files: Vec<_> =
            std::fs::read_dir(folder).map_err(read)?.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
            for (key, text) in Node::load(file)?.members() {
                if sentences.insert(key.clone(), text.to_string()).is_some() {
                    return Err(Failure::new(format!(
                        "`{key}` is described twice, the second time in {}",
                        file.display()
                    )));
                }
            }
        }
        Ok(Self { sentences })
    }

    /// The sentence for a place.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.sentences.get(key).map(String::as_str)
    }

    /// The sentence for a type: by its name if it has several places, otherwise by its place.
    pub fn of_type(&self, ty: &Type) -> Option<&str> {
        let by_name = if ty.places.is_empty() { None } else { self.get(&ty.name) };
        by_name.or_else(|| self.get(&ty.key))
    }

    /// Places without a description, by the file to write it in: operations, parameters, types and their members.
    pub fn missing(&self, api: &Api) -> BTreeMap<String, BTreeSet<String>> {
        let mut missing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (key, file) in places(api).into_iter().filter(|(key, _)| !self.sentences.contains_key(key)) {
            missing.entry(file).or_default().insert(key);
        }
        missing
    }

    /// Sentences for places that the document does not have any more.
    pub fn stale(&self, api: &Api, document: &Node) -> Vec<String> {
        let mut known: BTreeSet<String> = places(api).into_keys().collect();
        for ty in &api.types {
            if !ty.places.is_empty() {
                known.insert(ty.name.clone());
            }
            if let Kind::Enum(values) = &ty.kind {
                known.extend(values.iter().map(|value| format!("{}={}", ty.key, value.wire)));
            }
        }
        let exists = |key: &str| {
            let owner = key.split(['.', '[', '{', '|', '(', '=']).next().unwrap_or(key);
            document.get("components").and_then(|c| c.get("schemas")?.get(owner)).is_some()
                || api.operations.iter().any(|operation| operation.id == owner)
        };
        let gone = |key: &&String| !known.contains(*key) && !exists(key);
        self.sentences.keys().filter(gone).cloned().collect()
    }
}

/// Every described place and its file: the namespace, or the file that the type is shared in.
fn places(api: &Api) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for operation in &api.operations {
        let file = &operation.namespace;
        keys.insert(operation.id.clone(), file.clone());
        let parameters = operation.path_parameters.iter().chain(&operation.required_query).chain(&operation.headers);
        keys.extend(parameters.map(|field| (field.key.clone(), file.clone())));
    }
    for ty in &api.types {
        let file = ty.module.split('/').next().unwrap_or_default();
        let fields = match &ty.kind {
            Kind::Struct(own) => own.fields.as_slice(),
            Kind::Parameters(fields) | Kind::Form(fields) => fields.as_slice(),
            _ => &[],
        };
        keys.extend(fields.iter().map(|field| (field.key.clone(), file.to_owned())));
        let component = !ty.key.contains(['.', '[', '{', '|', '(', '=']);
        if component && !matches!(ty.kind, Kind::Form(_) | Kind::Parameters(_)) {
            keys.insert(ty.key.clone(), file.to_owned());
        }
    }
    keys
}
