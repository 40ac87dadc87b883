//! The operations for the local server: what each requires, and a sample of its response, made of the schemas and examples
//! of the document.

use super::Files;
use crate::node::Node;
use crate::references::METHODS;

/// Where the operations stand.
pub const FILE: &str = "src/mock/operations.json";

/// The headings and sentences of the document are not copied: an example text of more words is replaced.
const WORDS: usize = 4;

/// Deeper than this, bodies are not checked and samples are empty.
const DEEPEST: usize = 8;

/// A PNG of one pixel.
const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/// Writes the operations, one on each line.
pub fn emit(document: &Node, files: &mut Files) {
    let schemas = Schemas { document };
    let mut lines = Vec::new();
    for (path, item) in document.get("paths").map_or(&[][..], Node::members) {
        for (method, operation) in item.members().iter().filter(|(name, _)| METHODS.contains(&name.as_str())) {
            lines.push(schemas.operation(path, method, operation).to_json());
        }
    }
    files.insert(FILE.to_owned(), format!("[\n{}\n]\n", lines.join(",\n")));
}

struct Schemas<'a> {
    document: &'a Node,
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

/// The first schema of success: status, media type, and its schema.
fn successes(operation: &Node) -> impl Iterator<Item = (&str, Option<(&str, &Node)>)> {
    let responses = operation.get("responses").map_or(&[][..], Node::members);
    responses.iter().filter(|(status, _)| status.starts_with('2')).flat_map(|(status, response)| {
        let content = response.get("content").map_or(&[][..], Node::members);
        let own = content.iter().map(|(media_type, media)| Some((media_type.as_str(), media)));
        let nothing = content.is_empty().then_some(None);
        own.chain(nothing).map(|content| (status.as_str(), content))
    })
}

impl<'a> Schemas<'a> {
    fn operation(&self, path: &str, method: &str, operation: &'a Node) -> Node {
        let mut members = vec![
            ("id".to_owned(), text(operation.text_of("operationId").unwrap_or_default())),
            ("method".to_owned(), text(&method.to_uppercase())),
            ("path".to_owned(), text(path)),
        ];
        let mut add = |name: &str, value: Node| members.push((name.to_owned(), value));
        let needs_key = operation.get("responses").is_some_and(|responses| responses.get("401").is_some())
            && operation.get("security").is_none_or(|security| !security.elements().is_empty());
        add("key", Node::Bool(needs_key));
        let query: Vec<_> = operation.get("parameters").map_or(&[][..], Node::elements).iter().collect();
        let query: Vec<_> = query.into_iter().filter(|parameter| parameter.text_of("in") == Some("query")).collect();
        let required = query.iter().filter(|parameter| parameter.is_true("required"));
        let required: Vec<_> = required.filter_map(|parameter| parameter.text_of("name")).map(text).collect();
        if !required.is_empty() {
            add("query", Node::List(required));
        }
        let bodies = operation.get("requestBody").and_then(|body| body.get("content")).map_or(&[][..], Node::members);
        let bodies = bodies.iter().filter_map(|(media_type, media)| {
            Some((media_type.clone(), self.shape(media.get("schema")?, 0).unwrap_or(Node::Map(Vec::new()))))
        });
        let bodies: Vec<_> = bodies.collect();
        if !bodies.is_empty() {
            add("bodies", Node::Map(bodies));
        }
        let json = successes(operation).find_map(|(status, content)| {
            Some((status, content.filter(|(media_type, _)| media_type.contains("json"))?))
        });
        if let Some((status, (_, media))) = json {
            add("status", Node::Number(status.to_owned()));
            let schema = media.get("schema").unwrap_or(&Node::Null);
            let sample = self.sample("", schema, media.get("example"), 0);
            if let Some(page) = page(&query, &sample) {
                add("page", page);
            }
            let echo = self.echo(operation, schema);
            if !echo.is_empty() {
                add("echo", Node::List(echo));
            }
            add("sample", sample);
        } else if let Some((status, content)) = successes(operation).next() {
            add("status", Node::Number(status.to_owned()));
            if let Some((media_type, _)) = content {
                add("file", text(media_type));
            }
        }
        let stream =
            successes(operation).find_map(|(_, content)| content.filter(|(name, _)| *name == "text/event-stream"));
        if let Some((_, media)) = stream {
            let events = media.get("schema").map(|schema| self.events(schema)).unwrap_or_default();
            add("events", Node::List(events));
        }
        Node::Map(members)
    }

    /// The schema that a reference names.
    fn follow(&self, mut schema: &'a Node) -> &'a Node {
        for _ in 0..16 {
            let name = schema.text_of("$ref").and_then(|reference| reference.strip_prefix("#/components/schemas/"));
            let schemas = self.document.get("components").and_then(|components| components.get("schemas"));
            match name.and_then(|name| schemas?.get(name)) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// The properties of an object with those of all its parts; later ones replace earlier ones.
    fn properties(&self, schema: &'a Node) -> Vec<(&'a str, &'a Node)> {
        let schema = self.follow(schema);
        let parts = schema.get("allOf").map_or(&[][..], Node::elements);
        let mut list: Vec<(&str, &Node)> = parts.iter().flat_map(|part| self.properties(part)).collect();
        let own = schema.get("properties").map_or(&[][..], Node::members);
        list.extend(own.iter().map(|(name, property)| (name.as_str(), property)));
        let is_last = |at: usize, name: &str| !list.iter().skip(at + 1).any(|(other, _)| *other == name);
        let last: Vec<_> = list.iter().enumerate().filter(|(at, (name, _))| is_last(*at, name)).collect();
        last.into_iter().map(|(_, property)| *property).collect()
    }

    fn required(&self, schema: &'a Node) -> Vec<&'a str> {
        let schema = self.follow(schema);
        let parts = schema.get("allOf").map_or(&[][..], Node::elements);
        let mut names: Vec<_> = parts.iter().flat_map(|part| self.required(part)).collect();
        names.extend(schema.texts_of("required"));
        names
    }

    /// The branches of a union without null, through unions in it.
    fn branches(&self, schema: &'a Node) -> Vec<&'a Node> {
        let list = ["oneOf", "anyOf"].iter().find_map(|word| schema.get(word)).map_or(&[][..], Node::elements);
        let list = list.iter().map(|branch| self.follow(branch)).filter(|branch| kind(branch) != "null");
        list.flat_map(|branch| {
            let inner = self.branches(branch);
            if inner.is_empty() { vec![branch] } else { inner }
        })
        .collect()
    }

    /// Whether the schema allows null.
    fn is_nullable(&self, schema: &'a Node) -> bool {
        let schema = self.follow(schema);
        let any = |word: &str, test: &dyn Fn(&'a Node) -> bool| {
            schema.get(word).is_some_and(|list| list.elements().iter().any(test))
        };
        schema.is_true("nullable")
            || any("type", &|name| name.text() == Some("null"))
            || any("enum", &|value| *value == Node::Null)
            || any("oneOf", &|branch| kind(branch) == "null" || self.is_nullable(branch))
            || any("anyOf", &|branch| kind(branch) == "null" || self.is_nullable(branch))
            || schema.text_of("type") == Some("null")
    }

    /// What of a body is checked: the kind of each member, `?` for null as well and `!` behind the name of one that is
    /// required. `None` if there is nothing to check.
    fn shape(&self, schema: &'a Node, depth: usize) -> Option<Node> {
        let schema = self.follow(schema);
        let null = if self.is_nullable(schema) { "?" } else { "" };
        let branches = self.branches(schema);
        if !branches.is_empty() {
            return None;
        }
        let properties = self.properties(schema);
        if !properties.is_empty() {
            let required = self.required(schema);
            let members = properties.into_iter().filter_map(|(name, property)| {
                let shape = if depth < DEEPEST { self.shape(property, depth + 1) } else { None };
                match required.contains(&name) {
                    true => Some((format!("{name}!"), shape.unwrap_or_else(|| text("any")))),
                    false => Some((name.to_owned(), shape?)),
                }
            });
            let members: Vec<_> = members.collect();
            // An object in which nothing is required may be any, and one that may be null is not looked into.
            let is_strict = members.iter().any(|(name, shape)| name.ends_with('!') || matches!(shape, Node::Map(_)));
            return match null.is_empty() && (is_strict || depth == 0) {
                true => Some(Node::Map(members)),
                false => Some(text(&format!("object{null}"))),
            };
        }
        match kind(schema) {
            "array" if null.is_empty() => {
                let items = schema.get("items").and_then(|items| self.shape(items, depth + 1));
                Some(Node::List(items.filter(|shape| matches!(shape, Node::Map(_))).into_iter().collect()))
            }
            "" | "null" => None,
            // The document declares some truth values as text.
            "string" if schema.get("x-openrouter-type").is_some() => None,
            kind => Some(text(&format!("{kind}{null}"))),
        }
    }

    /// The members of a JSON body that the response has, too, with the same schema.
    fn echo(&self, operation: &'a Node, response: &'a Node) -> Vec<Node> {
        let body = operation.get("requestBody").and_then(|body| body.get("content"));
        let Some(body) = body.and_then(|content| content.get("application/json")).and_then(|media| media.get("schema"))
        else {
            return Vec::new();
        };
        let response = self.object(response);
        let meaning = |schema: &'a Node| {
            let schema = self.follow(schema);
            let kinds = ["type", "enum", "properties", "oneOf", "anyOf", "allOf", "items", "format"]
                .map(|name| schema.get(name));
            kinds.map(|value| value.map(Node::without_prose))
        };
        let is_same = |name: &str, property: &'a Node| {
            response.iter().any(|(other, own)| *other == name && meaning(own) == meaning(property))
        };
        let members = self.properties(body).into_iter().filter(|(name, property)| is_same(name, property));
        members.map(|(name, _)| text(name)).collect()
    }

    /// The properties of what a response is about: of its member `data` if that is an object.
    fn object(&self, response: &'a Node) -> Vec<(&'a str, &'a Node)> {
        let own = self.properties(response);
        let data = own.iter().find(|(name, _)| *name == "data").map(|(_, data)| self.properties(data));
        data.filter(|data| !data.is_empty()).unwrap_or(own)
    }

    /// A sample of each event of a stream but errors.
    fn events(&self, schema: &'a Node) -> Vec<Node> {
        let properties = self.properties(schema);
        let Some((_, data)) = properties.iter().find(|(name, _)| *name == "data") else { return Vec::new() };
        let branches = self.branches(self.follow(data));
        let events = branches.into_iter().map(|branch| self.sample("", branch, None, 0));
        events.filter(|event| event.get("error").is_none()).collect()
    }

    /// A value of a schema: as far as it fits the example, and otherwise made up.
    fn sample(&self, name: &str, schema: &'a Node, example: Option<&'a Node>, depth: usize) -> Node {
        let own = schema.get("example");
        let schema = self.follow(schema);
        let examples = schema.get("examples").and_then(|list| list.elements().first());
        let mut known = [example, own, schema.get("example"), examples].into_iter().flatten();
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema.get("enum").map(Node::elements) {
            let first = values.iter().find(|value| **value != Node::Null).or(values.first());
            return known.find(|example| values.contains(example)).or(first).cloned().unwrap_or(Node::Null);
        }
        let example = known.find(|example| self.fits(schema, example, false));
        if example == Some(&Node::Null) {
            return Node::Null;
        }
        let branches = self.branches(schema);
        if let Some(first) = branches.first() {
            if example.is_none() && self.is_nullable(schema) {
                return Node::Null;
            }
            let fitting = |strict| {
                let example = example?;
                branches.iter().find(|branch| self.fits(branch, example, strict))
            };
            let branch = fitting(true).or_else(|| fitting(false)).unwrap_or(first);
            return self.sample(name, branch, example, depth);
        }
        if example.is_none() && self.is_nullable(schema) {
            return Node::Null;
        }
        let properties = self.properties(schema);
        if !properties.is_empty() {
            return self.sample_of_object(schema, &properties, example, depth);
        }
        if let Some(part) = schema.get("allOf").and_then(|parts| parts.elements().first()) {
            return self.sample(name, part, example, depth);
        }
        match kind(schema) {
            "string" => text(&sample_text(name, schema, example.and_then(Node::text))),
            "integer" | "number" => example.cloned().unwrap_or_else(|| {
                let time = name.starts_with("created") || name.ends_with("_at");
                let least = schema.get("minimum").or(schema.get("default")).filter(|value| **value != Node::Null);
                let value = if time { "1767225600" } else { "1" };
                least.filter(|_| !time).cloned().unwrap_or_else(|| Node::Number(value.to_owned()))
            }),
            "boolean" => example.cloned().unwrap_or(Node::Bool(false)),
            "array" => {
                let items = schema.get("items").unwrap_or(&Node::Null);
                let given = example.map_or(&[][..], Node::elements).iter();
                let mut list: Vec<_> =
                    given.map(|element| self.sample(name, items, Some(element), depth + 1)).collect();
                // A list of the API that is empty in the example shows nothing.
                if list.is_empty() && (example.is_none() || name == "data") && depth < DEEPEST {
                    list.push(self.sample(name, items, None, depth + 1));
                }
                Node::List(list)
            }
            "object" => {
                let of = schema.get("additionalProperties").filter(|of| matches!(of, Node::Map(_)));
                let members = example.map_or(&[][..], Node::members).iter();
                let sample = |(name, value): &'a (String, Node)| match of {
                    Some(of) => (name.clone(), self.sample(name, of, Some(value), depth + 1)),
                    None => (name.clone(), value.clone()),
                };
                Node::Map(members.map(sample).collect())
            }
            _ => example.cloned().unwrap_or(Node::Map(Vec::new())),
        }
    }

    fn sample_of_object(
        &self,
        schema: &'a Node,
        properties: &[(&'a str, &'a Node)],
        example: Option<&'a Node>,
        depth: usize,
    ) -> Node {
        let required = self.required(schema);
        let members = properties.iter().filter_map(|(name, property)| {
            let given = example.and_then(|example| example.get(name));
            let has_own = example.is_none() && property.get("example").is_some_and(|own| *own != Node::Null);
            let wanted = given.is_some() || required.contains(name) || has_own && depth < 3;
            (wanted && depth < DEEPEST * 2).then(|| ((*name).to_owned(), self.sample(name, property, given, depth + 1)))
        });
        Node::Map(members.collect())
    }

    /// Whether a value is of the kind of a schema; if `strict`, with all that the schema requires.
    fn fits(&self, schema: &'a Node, value: &Node, strict: bool) -> bool {
        let schema = self.follow(schema);
        if *value == Node::Null {
            return self.is_nullable(schema);
        }
        if let Some(values) = schema.get("enum") {
            return values.elements().contains(value);
        }
        let branches = self.branches(schema);
        if !branches.is_empty() {
            return branches.iter().any(|branch| self.fits(branch, value, strict));
        }
        let properties = self.properties(schema);
        let right_kind = match (kind(schema), value) {
            ("string", Node::Text(_)) | ("boolean", Node::Bool(_)) | ("array", Node::List(_)) => true,
            ("number", Node::Number(_)) => true,
            ("integer", Node::Number(number)) => number.parse::<i64>().is_ok(),
            ("object", Node::Map(_)) => true,
            ("", _) if properties.is_empty() => true,
            ("", Node::Map(_)) => true,
            _ => false,
        };
        let is_tag = |property: &'a Node| self.follow(property).get("enum").is_some();
        let members = properties.iter().all(|(name, property)| match value.get(name) {
            Some(member) if strict || is_tag(property) => self.fits(property, member, strict),
            _ => true,
        });
        let required = self.required(schema).iter().all(|name| value.get(name).is_some());
        let items = match schema.get("items").filter(|_| strict) {
            Some(items) => value.elements().iter().all(|element| self.fits(items, element, strict)),
            None => true,
        };
        right_kind && members && items && (required || !strict)
    }
}

/// The type of a schema, null aside.
fn kind(schema: &Node) -> &str {
    match schema.get("type") {
        Some(Node::Text(name)) => name,
        Some(Node::List(names)) => names.iter().filter_map(Node::text).find(|name| *name != "null").unwrap_or_default(),
        _ => "",
    }
}

/// How a list is asked for by pages: by an offset, or by the identifier of the last item.
fn page(query: &[&Node], sample: &Node) -> Option<Node> {
    if !matches!(sample.get("data"), Some(Node::List(_))) {
        return None;
    }
    let named = |wanted: &str| query.iter().find(|parameter| parameter.text_of("name") == Some(wanted));
    let cursor = ["cursor", "after"].into_iter().find(|name| named(name).is_some());
    let by = named("offset").map(|_| "offset").or(cursor)?;
    let limit = named("limit").and_then(|limit| limit.get("schema")?.get("default"));
    let limit = limit.cloned().unwrap_or_else(|| Node::Number("100".to_owned()));
    Some(Node::Map(vec![("by".to_owned(), text(by)), ("limit".to_owned(), limit)]))
}

/// A text: the example unless it is a sentence or looks like a secret.
fn sample_text(name: &str, schema: &Node, example: Option<&str>) -> String {
    if name.contains("b64") || name.contains("base64") {
        return IMAGE.to_owned();
    }
    if let Some(example) = example {
        let is_sentence = example.split_whitespace().count() > WORDS;
        return match example.strip_prefix("sk-or-") {
            Some(_) => "sk-or-v1-local".to_owned(),
            None if is_sentence => format!("The {} of the local server", name.replace('_', " ")),
            None => example.to_owned(),
        };
    }
    let pattern = schema.text_of("pattern").unwrap_or_default();
    let text = match schema.text_of("format").unwrap_or_default() {
        "date-time" => "2026-01-01T00:00:00Z",
        "date" => "2026-01-01",
        "uuid" => "00000000-0000-4000-8000-000000000001",
        "uri" => "https://example.com/",
        _ if pattern.contains("\\d{4}-\\d{2}") => "2026-01-01",
        _ if pattern.starts_with("^\\d") => "1",
        _ if pattern.contains("{64}") => "0000000000000000000000000000000000000000000000000000000000000001",
        _ if name.ends_with("_at") || name == "timestamp" => "2026-01-01T00:00:00Z",
        _ if name.contains("url") => "https://example.com/",
        _ if name.contains("model") => "openai/gpt-4o-mini",
        _ => return format!("local-{}", if name.is_empty() { "value" } else { name }).replace('_', "-"),
    };
    text.to_owned()
}
