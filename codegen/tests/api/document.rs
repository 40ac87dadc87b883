//! A small reader of the document's facts, for the expectations of these tests alone.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

/// The document.
pub(crate) struct Document {
    pub(crate) root: Value,
    /// The operations that stream when a member `stream` of their body asks for it. The function decides about that member, so
    /// it is taken out of the schema of the body.
    pub(crate) streaming: BTreeSet<String>,
}

/// Deeper than this a made-up value has only what is required.
const ENOUGH: usize = 8;

/// One operation as the document states it.
#[derive(Clone)]
pub(crate) struct Stated<'a> {
    pub(crate) id: &'a str,
    pub(crate) method: String,
    pub(crate) path: &'a str,
    /// Another server than that of the document.
    pub(crate) server: Option<&'a str>,
    pub(crate) operation: &'a Value,
    pub(crate) parameters: Vec<&'a Value>,
}

/// The document these tests are about.
pub(crate) fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| Document::new(serde_json::from_str(include_str!("facts.json")).unwrap()))
}

impl Document {
    pub(crate) fn new(root: Value) -> Self {
        let mut document = Self { root, streaming: BTreeSet::new() };
        let mut bodies = BTreeSet::new();
        for Stated { id, operation, .. } in document.operations() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let streams = operation["responses"].as_object().unwrap().values().any(|response| {
                response["content"].as_object().is_some_and(|content| content.contains_key("text/event-stream"))
            });
            if streams && document.follow(schema)["properties"]["stream"].is_object() {
                bodies.insert((id.to_owned(), schema["$ref"].as_str().unwrap().to_owned()));
            }
        }
        for (id, body) in bodies {
            let schema = document.root.pointer_mut(body.strip_prefix('#').unwrap()).unwrap();
            schema["properties"].as_object_mut().unwrap().remove("stream");
            document.streaming.insert(id);
        }
        document
    }

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
                    server: operation.get("servers").or(item.get("servers")).and_then(|list| list[0]["url"].as_str()),
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

    /// What references lead to.
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

    /// The branches of a union, through unions in it.
    pub(crate) fn all_branches<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let of = |branch: &'a Value| {
            let own = self.follow(branch);
            if self.branches(own).is_empty() { vec![branch] } else { self.all_branches(own) }
        };
        self.branches(schema).into_iter().flat_map(of).collect()
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

    /// A value of a schema with every member it may have.
    pub(crate) fn sample(&self, schema: &Value) -> Value {
        Sampler::whole(self, 0).value(schema)
    }

    /// A value like [`sample`](Self::sample), in which values of other components have what they require only.
    pub(crate) fn small_sample(&self, schema: &Value) -> Value {
        Sampler::small(self, 0).value(schema)
    }
}

/// Makes up values. No two texts or numbers of one sampler are equal, so that a value in the wrong place is noticed.
/// Booleans and values of enums cannot all differ: any two of them differ in some of the [`ROUNDS`](Self::ROUNDS).
pub(crate) struct Sampler<'a> {
    document: &'a Document,
    round: usize,
    count: Cell<usize>,
    small: bool,
    least: bool,
}

impl<'a> Sampler<'a> {
    pub(crate) const ROUNDS: usize = 6;

    /// Values with all members.
    pub(crate) fn whole(document: &'a Document, round: usize) -> Self {
        Self { document, round, count: Cell::new(0), small: false, least: false }
    }

    /// Values with all members, in which components have what they require only.
    pub(crate) fn small(document: &'a Document, round: usize) -> Self {
        Self { small: true, ..Self::whole(document, round) }
    }

    /// Values with what they require only.
    pub(crate) fn least(document: &'a Document) -> Self {
        Self { least: true, ..Self::small(document, 0) }
    }

    pub(crate) fn value(&self, schema: &Value) -> Value {
        self.value_at(schema, 0)
    }

    fn next(&self) -> usize {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    fn value_at(&self, schema: &Value, depth: usize) -> Value {
        if let Some(part) = self.document.only_part(schema) {
            return self.value_at(part, depth);
        }
        if schema["$ref"].is_string() {
            let depth = if self.small && depth > 0 { ENOUGH } else { depth };
            return self.value_at(self.document.follow(schema), depth);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema["enum"].as_array() {
            let values: Vec<_> = values.iter().filter(|value| !value.is_null()).collect();
            let value = values.get((self.next() >> self.round) % values.len().max(1));
            return value.map_or(Value::Null, |value| (*value).clone());
        }
        if let Some(branch) = self.document.branches(schema).first() {
            return self.value_at(branch, depth);
        }
        let properties = self.document.properties(schema);
        if !properties.is_empty() {
            let required = self.document.required(schema);
            let all = depth < ENOUGH && !self.least;
            let wanted = properties.into_iter().filter(|(name, _)| all || required.contains(name));
            return wanted.map(|(name, property)| (name.to_owned(), self.value_at(property, depth + 1))).collect();
        }
        match kind(schema) {
            // The document's own word for a truth value that it declares as text.
            "string" if schema["x-openrouter-type"] == "boolean" => json!("true"),
            "string" => json!(format!("text {} with ü, \"quotes\" & signs", self.next())),
            "integer" => json!(1000 + self.next()),
            "number" => json!(0.5 + self.next() as f64),
            "boolean" => json!((self.next() >> self.round) % 2 == 1),
            "array" => json!([self.value_at(&schema["items"], depth + 1)]),
            "object" => match &schema["additionalProperties"] {
                Value::Object(of) if !of.is_empty() => {
                    json!({"some entry": self.value_at(&schema["additionalProperties"], depth + 1)})
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
