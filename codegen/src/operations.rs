//! From paths and methods to operations.

use std::collections::BTreeSet;

use crate::lower::{Lowering, Property};
use crate::model::{Answer, Body, Field, Kind, Operation, Paging, Presence, Ty, Type};
use crate::names::{snake, words};
use crate::node::Node;

/// Headers that the client sets itself.
const CLIENT_HEADERS: &[&str] =
    &["authorization", "http-referer", "x-openrouter-title", "x-title", "x-openrouter-categories"];

/// The header that asks for `openrouter_metadata`; an option of the call.
const METADATA_HEADERS: &[&str] = &["x-openrouter-metadata", "x-openrouter-experimental-metadata"];

impl Lowering<'_> {
    /// All operations of the document.
    pub fn operations(&mut self, document: &Node) -> Vec<Operation> {
        let paths: Vec<_> = document.get("paths").map_or(&[][..], Node::members).to_vec();
        let entries: Vec<_> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.members().iter().map(move |(method, operation)| (path, item, method, operation))
            })
            .filter(|(_, _, method, _)| matches!(method.as_str(), "get" | "post" | "put" | "patch" | "delete" | "head"))
            .collect();
        // Whether a body keeps its member `stream` must be known before the body is lowered.
        for (.., operation) in &entries {
            if let (Some(_), Some(name)) =
                (stream_item(operation, document), body_schema(operation).and_then(|s| s.text_of("$ref")))
            {
                self.drop_stream_member(Self::target(name));
            }
        }
        let mut operations: Vec<Operation> = Vec::new();
        for (path, item, method, operation) in entries {
            for operation in self.operation(path, item, method, operation, document) {
                if let Some(other) = operations.iter().find(|other| other.function() == operation.function()) {
                    let text = format!(
                        "its function `{}` is the one of `{}` already; add `{}: {{method: …}}` to overlay/operations.yaml",
                        operation.function(),
                        other.id,
                        operation.id
                    );
                    self.problem(&operation.id, text);
                    continue;
                }
                operations.push(operation);
            }
        }
        operations
    }

    fn operation(
        &mut self,
        path: &str,
        item: &Node,
        method: &str,
        operation: &Node,
        document: &Node,
    ) -> Vec<Operation> {
        let Some(id) = operation.text_of("operationId") else {
            self.problem(path, format!("`{method}` has no operationId; give it one in overlay/spec.yaml"));
            return Vec::new();
        };
        let rule = self.overlay.operation(id).cloned().unwrap_or(Node::Null);
        let tag = operation.texts_of("tags").first().map_or("default", |tag| *tag).to_owned();
        let modules = self.overlay.modules.as_ref();
        let of_tag = modules.and_then(|m| m.get("namespaces")).and_then(|names| names.text_of(&tag)).map(str::to_owned);
        let namespace = rule.text_of("namespace").map(str::to_owned).or(of_tag).unwrap_or_else(|| snake(&words(&tag)));
        let name = rule.text_of("method").or(operation.text_of("x-speakeasy-name-override")).unwrap_or(id);
        let name = snake(&words(name));
        let type_words = words(rule.text_of("type").unwrap_or(id));

        let mut path_parameters = Vec::new();
        let mut required_query = Vec::new();
        let mut optional_query = Vec::new();
        let mut headers = Vec::new();
        let mut metadata = false;
        let listed = [item, operation].into_iter().filter_map(|node| node.get("parameters")).flat_map(Node::elements);
        for parameter in listed.cloned().collect::<Vec<_>>() {
            let wire = parameter.text_of("name").unwrap_or_default().to_owned();
            let place = parameter.text_of("in").unwrap_or_default().to_owned();
            if place == "header" && CLIENT_HEADERS.contains(&wire.to_lowercase().as_str()) {
                continue;
            }
            if place == "header" && METADATA_HEADERS.contains(&wire.to_lowercase().as_str()) {
                metadata = true;
                continue;
            }
            let required = parameter.is_true("required");
            let property = Property {
                name: wire.clone(),
                schema: parameter.get("schema").cloned().unwrap_or(Node::Map(Vec::new())),
                key: format!("{id}({wire})"),
                owner: type_words.clone(),
            };
            let mut field = self.field(&property, required, false);
            field.deprecated |= parameter.is_true("deprecated");
            // Null cannot be written into a query.
            field.presence = if required { Presence::Required } else { Presence::Optional };
            match place.as_str() {
                "path" => path_parameters.push(field),
                "query" if required => required_query.push(field),
                "query" => optional_query.push(field),
                "header" => headers.push(field),
                other => self
                    .problem(id, format!("parameter `{wire}` stands in `{other}`, which the generator does not know")),
            }
        }
        let position = |field: &Field| path.find(&format!("{{{}}}", field.wire)).unwrap_or(usize::MAX);
        path_parameters.sort_by_key(position);
        let query = (!optional_query.is_empty()).then(|| {
            let words: Vec<_> = type_words.iter().cloned().chain(["params".to_owned()]).collect();
            self.add(&format!("{id}()"), &words, operation, Kind::Parameters(optional_query))
        });

        let (answer, success) = self.answer(id, operation, &type_words, document);
        let base = Operation {
            id: id.to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            namespace,
            name: name.clone(),
            path_parameters,
            required_query,
            query,
            headers,
            metadata,
            body: Body::None,
            answer,
            paging: self.paging(operation, &rule),
            authentication: authentication(operation, document),
            repeatable: rule.is_true("repeatable"),
            server: operation
                .get("servers")
                .map(Node::elements)
                .and_then(|s| s.first()?.text_of("url").map(str::to_owned)),
            errors: errors(operation),
            deprecated: operation.is_true("deprecated"),
            success,
        };
        self.bodies(id, operation, &type_words)
            .into_iter()
            .enumerate()
            .map(|(index, body)| {
                let name = match (&body, index) {
                    (Body::Multipart(_), 1..) => format!("{name}_multipart"),
                    (Body::Form(_), 1..) => format!("{name}_form"),
                    _ => name.clone(),
                };
                Operation { body, name, ..base.clone() }
            })
            .collect()
    }

    fn add(&mut self, key: &str, words: &[String], schema: &Node, kind: Kind) -> String {
        self.register(
            key,
            words,
            &Node::Map(vec![("operation".to_owned(), Node::Text(key.to_owned())), ("of".to_owned(), schema.clone())]),
            kind,
        )
    }

    /// What an operation takes: one function for each way to send it.
    fn bodies(&mut self, id: &str, operation: &Node, type_words: &[String]) -> Vec<Body> {
        let Some(body) = operation.get("requestBody") else { return vec![Body::None] };
        let required = body.is_true("required");
        let content: Vec<_> = body.get("content").map_or(&[][..], Node::members).to_vec();
        let mut bodies = Vec::new();
        for (media, entry) in &content {
            let schema = entry.get("schema").cloned().unwrap_or(Node::Map(Vec::new()));
            let part = |name: &str| type_words.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>();
            if media.contains("json") {
                let key = format!("{id}.request");
                let words = self.words_at(&key, part("request"));
                let used = self.lower(&schema, &key, &words);
                bodies.insert(0, Body::Json(used.ty, required));
            } else if media.contains("multipart") {
                let key = format!("{id}.multipart");
                let words = part(if content.len() > 1 { "multipart_request" } else { "request" });
                let words = self.words_at(&key, words.iter().flat_map(|word| crate::names::words(word)).collect());
                let object = self.merged(&schema, &key, &words);
                let properties = object.properties.clone();
                let mut fields: Vec<_> = properties
                    .iter()
                    .map(|property| self.field(property, object.required.contains(&property.name), false))
                    .collect();
                fields.sort_by_key(|field| field.presence != Presence::Required);
                bodies.push(Body::Multipart(self.add(&key, &words, &schema, Kind::Form(fields))));
            } else if media.contains("x-www-form-urlencoded") {
                let key = format!("{id}.request");
                let words = self.words_at(&key, part("request"));
                if !content.iter().any(|(media, _)| media.contains("json")) {
                    let used = self.lower(&schema, &key, &words);
                    bodies.push(Body::Form(used.ty));
                }
            } else {
                self.problem(id, format!("a body of type `{media}`, which the generator does not know"));
            }
        }
        if bodies.is_empty() { vec![Body::None] } else { bodies }
    }

    /// What an operation answers, and with which statuses.
    fn answer(&mut self, id: &str, operation: &Node, type_words: &[String], document: &Node) -> (Answer, Vec<String>) {
        let mut statuses = Vec::new();
        let mut json = None;
        let mut bytes = false;
        for (status, response) in operation.get("responses").map_or(&[][..], Node::members) {
            if !(status.starts_with('2') || status.starts_with('3')) {
                continue;
            }
            statuses.push(status.clone());
            for (media, entry) in response.get("content").map_or(&[][..], Node::members) {
                if media.contains("json") && json.is_none() {
                    json = entry.get("schema").cloned();
                } else if !media.contains("json") && !media.contains("event-stream") {
                    bytes = true;
                }
            }
        }
        let stream = stream_item(operation, document).map(|(schema, key)| {
            let words = match key.strip_suffix(".data") {
                Some(component) => {
                    self.words_at(&key, crate::names::join(&self.component_words(component), &words("data")))
                }
                None => self
                    .words_at(&format!("{id}.event"), type_words.iter().cloned().chain(["event".to_owned()]).collect()),
            };
            self.lower(&schema, &key, &words).ty
        });
        let json = json.map(|schema| {
            let key = format!("{id}.response");
            let words = self.words_at(&key, type_words.iter().cloned().chain(["response".to_owned()]).collect());
            self.lower(&schema, &key, &words).ty
        });
        let answer = match (json, stream) {
            (Some(json), Some(event)) => Answer::JsonOrStream(json, event),
            (Some(json), None) => Answer::Json(json),
            (None, Some(event)) => Answer::Stream(event),
            (None, None) if bytes => Answer::Bytes,
            (None, None) => Answer::Empty,
        };
        (answer, statuses)
    }

    fn paging(&self, operation: &Node, rule: &Node) -> Option<Paging> {
        let stated = operation.get("x-speakeasy-pagination").or(rule.get("paging"))?;
        match stated.text_of("type") {
            Some("cursor") => {
                let next =
                    stated.get("outputs").and_then(|outputs| outputs.text_of("nextCursor")).unwrap_or("$.cursor");
                Some(Paging::Cursor(next.trim_start_matches("$.").to_owned()))
            }
            _ => {
                let limit = operation.get("parameters").map_or(&[][..], Node::elements);
                let limit = limit.iter().find(|parameter| parameter.text_of("name") == Some("limit"));
                let default =
                    limit.and_then(|parameter| parameter.get("schema")?.get("default").map(ToString::to_string));
                Some(Paging::Offset(default.and_then(|text| text.parse().ok())))
            }
        }
    }

    /// A type that is no schema: resolves names that only rename.
    pub fn resolve(&self, ty: &Ty) -> Ty {
        match ty {
            Ty::Named(name) => match self.types.iter().find(|ty| ty.name == *name) {
                Some(Type { kind: Kind::Alias(other), .. }) => self.resolve(other),
                _ => ty.clone(),
            },
            other => other.clone(),
        }
    }
}

fn body_schema(operation: &Node) -> Option<&Node> {
    let content = operation.get("requestBody")?.get("content")?;
    content.members().iter().find(|(media, _)| media.contains("json")).and_then(|(_, entry)| entry.get("schema"))
}

/// The schema of a streamed event and its place. A stream of plain text is none: the document states it for operations
/// that only pass a stream through.
fn stream_item(operation: &Node, document: &Node) -> Option<(Node, String)> {
    let responses = operation.get("responses")?;
    let success = responses.members().iter().filter(|(status, _)| status.starts_with('2'));
    let mut contents = success.filter_map(|(_, response)| response.get("content")).flat_map(Node::members);
    let (_, entry) = contents.find(|(media, _)| media.contains("event-stream"))?;
    let schema = entry.get("schema")?;
    let Some(reference) = schema.text_of("$ref") else {
        let data = schema.get("properties").and_then(|properties| properties.get("data"));
        let id = operation.text_of("operationId").unwrap_or_default();
        return data.map(|data| (data.clone(), format!("{id}.event")));
    };
    let name = Lowering::target(reference);
    let envelope = document.get("components")?.get("schemas")?.get(name)?;
    match envelope.get("properties").and_then(|properties| properties.get("data")) {
        Some(data) => Some((data.clone(), format!("{name}.data"))),
        None => Some((schema.clone(), name.to_owned())),
    }
}

fn authentication(operation: &Node, document: &Node) -> &'static str {
    let security = operation.get("security").or(document.get("security")).map_or(&[][..], Node::elements);
    let none = security.is_empty() && operation.get("security").is_some();
    let refuses = errors(operation).iter().any(|status| status == "401" || status == "4XX" || status == "default");
    match (none, refuses) {
        (true, _) => "None",
        // An operation that never answers 401 works without a key.
        (false, false) => "Optional",
        (false, true) => "Required",
    }
}

fn errors(operation: &Node) -> Vec<String> {
    let responses = operation.get("responses").map_or(&[][..], Node::members).iter();
    let failed: BTreeSet<_> =
        responses.map(|(status, _)| status.clone()).filter(|s| !s.starts_with('2') && !s.starts_with('3')).collect();
    failed.into_iter().collect()
}
