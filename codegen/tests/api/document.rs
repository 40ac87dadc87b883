//! A small reader of the document, for the expectations of these tests alone.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

/// The document.
pub(crate) struct Document {
    pub(crate) root: Value,
    /// All of it, and not the small stand-in.
    pub(crate) whole: bool,
}

/// Deeper than this a made-up value has only what is required.
const ENOUGH: usize = 8;

/// One operation as the document states it.
pub(crate) struct Stated<'a> {
    pub(crate) id: &'a str,
    pub(crate) method: String,
    pub(crate) path: &'a str,
    pub(crate) operation: &'a Value,
    pub(crate) parameters: Vec<&'a Value>,
}

/// The document these tests are about.
pub(crate) fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let whole = here.join("../../shared/spec/openapi-2026-10-30.yaml");
        let path = if whole.exists() { whole.clone() } else { here.join("tests/api/small.yaml") };
        let text = std::fs::read_to_string(&path).unwrap();
        Document { root: serde_yaml_ng::from_str(&text).unwrap(), whole: whole.exists() }
    })
}

impl Document {
    pub(crate) fn components(&self) -> &Map<String, Value> {
        self.root["components"]["schemas"].as_object().unwrap()
    }

    pub(crate) fn operations(&self) -> Vec<Stated<'_>> {
        let mut list = Vec::new();
        for (path, item) in self.root["paths"].as_object().unwrap() {
            for method in ["get", "put", "post", "patch", "delete"] {
                let operation = &item[method];
                if operation.is_null() {
                    continue;
                }
                let mut parameters = self.parameters(operation);
                // An operation may state a parameter of its path anew.
                for shared in self.parameters(item) {
                    if !parameters.iter().any(|own| own["name"] == shared["name"] && own["in"] == shared["in"]) {
                        parameters.push(shared);
                    }
                }
                list.push(Stated {
                    id: operation["operationId"].as_str().unwrap(),
                    method: method.to_uppercase(),
                    path,
                    operation,
                    parameters,
                });
            }
        }
        list
    }

    /// The parameters that a path or an operation states.
    fn parameters<'a>(&'a self, node: &'a Value) -> Vec<&'a Value> {
        node["parameters"].as_array().into_iter().flatten().map(|parameter| self.follow(parameter)).collect()
    }

    /// What stands behind references.
    pub(crate) fn follow<'a>(&'a self, mut node: &'a Value) -> &'a Value {
        while let Some(reference) = node["$ref"].as_str() {
            node = self.root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        }
        node
    }

    /// The members of an object, with those of all its parts.
    pub(crate) fn properties<'a>(&'a self, schema: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let schema = self.follow(schema);
        let mut list: Vec<(&str, &Value)> = Vec::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            for (name, property) in self.properties(part) {
                list.retain(|(other, _)| *other != name);
                list.push((name, property));
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            list.retain(|(other, _)| other != name);
            list.push((name, property));
        }
        list
    }

    pub(crate) fn required<'a>(&'a self, schema: &'a Value) -> Vec<&'a str> {
        let schema = self.follow(schema);
        let parts = schema["allOf"].as_array().into_iter().flatten();
        let mut names: Vec<&str> = parts.flat_map(|part| self.required(part)).collect();
        names.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        names
    }

    /// The branches of a union, without null.
    pub(crate) fn branches<'a>(&self, schema: &'a Value) -> Vec<&'a Value> {
        let list = ["oneOf", "anyOf"].iter().find_map(|word| schema[*word].as_array());
        list.into_iter().flatten().filter(|branch| branch["type"] != "null").collect()
    }

    /// The one part of an `allOf` that says something, if the others only describe.
    pub(crate) fn only_part<'a>(&self, schema: &'a Value) -> Option<&'a Value> {
        let parts = schema["allOf"].as_array()?;
        let says = |part: &&Value| {
            let members = part.as_object().unwrap();
            members.iter().any(|(name, value)| match name.as_str() {
                "properties" | "additionalProperties" => value.as_object().is_some_and(|own| !own.is_empty()),
                "description" | "example" | "title" | "type" | "default" => false,
                other => !other.starts_with("x-"),
            })
        };
        let telling: Vec<&Value> = parts.iter().filter(says).collect();
        match telling.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// A value of a schema with every member it may have, made up where the document has no example.
    pub(crate) fn sample(&self, schema: &Value) -> Value {
        self.sample_to(schema, 0, false)
    }

    /// A value like [`sample`](Self::sample), in which values of other components have what they require only.
    pub(crate) fn small_sample(&self, schema: &Value) -> Value {
        self.sample_to(schema, 0, true)
    }

    fn sample_to(&self, schema: &Value, depth: usize, small: bool) -> Value {
        if let Some(part) = self.only_part(schema) {
            return self.sample_to(part, depth, small);
        }
        if schema["$ref"].is_string() {
            let depth = if small && depth > 0 { ENOUGH } else { depth };
            return self.sample_to(self.follow(schema), depth, small);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema["enum"].as_array() {
            return values.iter().find(|value| !value.is_null()).cloned().unwrap_or_default();
        }
        if let Some(branch) = self.branches(schema).first() {
            return self.sample_to(branch, depth, small);
        }
        let properties = self.properties(schema);
        if !properties.is_empty() {
            let required = self.required(schema);
            let wanted = properties.into_iter().filter(|(name, _)| depth < ENOUGH || required.contains(name));
            return wanted
                .map(|(name, property)| (name.to_owned(), self.sample_to(property, depth + 1, small)))
                .collect();
        }
        match kind(schema) {
            // The document's own word for a truth value that it declares as text.
            "string" if schema["x-openrouter-type"] == "boolean" => json!("true"),
            "string" => json!(format!("text with ü, \"quotes\" & signs: {depth}")),
            "integer" => json!(schema["minimum"].as_i64().unwrap_or(0).max(3)),
            "number" => json!(1.5),
            "boolean" => json!(true),
            "array" => json!([self.sample_to(&schema["items"], depth + 1, small)]),
            "object" => match &schema["additionalProperties"] {
                Value::Object(of) if !of.is_empty() => {
                    json!({"some entry": self.sample_to(&schema["additionalProperties"], depth + 1, small)})
                }
                Value::Bool(false) => json!({}),
                _ => json!({"some entry": {"any": [1, "two", null]}}),
            },
            _ => json!({"anything": [true]}),
        }
    }
}

/// The type of a schema, null aside.
pub(crate) fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or_default(),
        one => one.as_str().unwrap_or_default(),
    }
}
