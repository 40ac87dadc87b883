//! From paths and methods to operations.

use std::collections::{BTreeMap, BTreeSet};

use crate::emit::funcs::functions;
use crate::lower::{Lowering, Property, types};
use crate::model::{Answer, Body, ErrorKind, Field, Kind, Operation, Paging, Presence, Ty, Type};
use crate::names::{identifier, pascal, snake, words};
use crate::node::Node;
use crate::overlay::Overlay;
use crate::references::METHODS;

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
            .filter(|(_, _, method, _)| METHODS.contains(&method.as_str()))
            .collect();
        // Whether a body keeps its member `stream` must be known before the body is lowered.
        for (.., operation) in &entries {
            if self.stream_item(operation).is_some() {
                let named = body_schema(operation).and_then(|schema| schema.text_of("$ref")).map(Self::target);
                let inline = operation.text_of("operationId").map(|id| format!("{id}.request"));
                if let Some(place) = named.map(str::to_owned).or(inline) {
                    self.drop_stream_member(&place);
                }
            }
        }
        let mut operations: Vec<Operation> = Vec::new();
        for (path, item, method, operation) in entries {
            operations.extend(self.operation(path, item, method, operation, document));
        }
        self.name_apart(&mut operations);
        operations
    }

    /// Operations whose functions have the same name are called by their ids.
    fn name_apart(&mut self, operations: &mut [Operation]) {
        let contested = |operations: &[Operation]| {
            let mut owners: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
            for (index, operation) in operations.iter().enumerate() {
                for function in functions(operation) {
                    owners.entry(function.name).or_default().insert(index);
                }
            }
            owners.retain(|_, indices| indices.len() > 1);
            owners
        };
        for index in contested(operations).into_values().flatten().collect::<BTreeSet<_>>() {
            let Some(operation) = operations.get_mut(index) else { continue };
            let given = self.overlay.operation(&operation.id).is_some_and(|rule| rule.get("method").is_some());
            let suffix = ["_multipart", "_form"].into_iter().find(|suffix| operation.name.ends_with(suffix));
            if !given {
                operation.name = format!("{}{}", snake(&words(&operation.id)), suffix.unwrap_or_default());
            }
        }
        for (function, indices) in contested(operations) {
            let ids: Vec<_> = indices.iter().filter_map(|index| operations.get(*index)).map(|o| o.id.clone()).collect();
            let text = format!(
                "its function is `{function}`, like that of {}; add `{}: {{method: NAME}}` to overlay/operations.yaml",
                ids.join(", "),
                ids.first().map_or("", String::as_str)
            );
            self.problem(ids.last().map_or("", String::as_str), text);
        }
    }

    fn operation(
        &mut self,
        path: &str,
        item: &Node,
        method: &str,
        operation: &Node,
        document: &Node,
    ) -> Vec<Operation> {
        let by_path = snake(&words(&format!("{method} {path}")));
        let id = operation.text_of("operationId").unwrap_or(&by_path);
        if operation.text_of("operationId").is_none() {
            self.note(path, format!("`{method}` has no operationId; give it one in overlay/spec.yaml"));
        }
        let rule = self.overlay.operation(id).cloned().unwrap_or(Node::Null);
        let tag = operation.texts_of("tags").first().map_or("default", |tag| *tag).to_owned();
        let modules = self.overlay.modules.as_ref();
        let of_tag = modules.and_then(|m| m.get("namespaces")).and_then(|names| names.text_of(&tag)).map(str::to_owned);
        let namespace = rule.text_of("namespace").map(str::to_owned).or(of_tag).unwrap_or_else(|| namespace_of(&tag));
        let name = rule.text_of("method").or(operation.text_of("x-speakeasy-name-override")).unwrap_or(id);
        let name = snake(&words(name));
        let type_words = words(rule.text_of("type").unwrap_or(id));

        let mut path_parameters = Vec::new();
        let mut required_query = Vec::new();
        let mut optional_query = Vec::new();
        let mut headers = Vec::new();
        let mut metadata = false;
        for parameter in operation.get("parameters").map_or(&[][..], Node::elements) {
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
            let mut schema = parameter.get("schema").cloned().unwrap_or(Node::Map(Vec::new()));
            if is_truth_value(&schema) {
                for word in ["enum", "oneOf", "anyOf"] {
                    schema.remove(word);
                }
                schema.set("type", Node::Text("boolean".to_owned()));
            }
            let property =
                Property { name: wire.clone(), schema, key: format!("{id}({wire})"), owner: type_words.clone() };
            let mut field = self.field(&property, required, false);
            field.deprecated |= parameter.is_true("deprecated");
            if matches!(field.rust.as_str(), "core" | "request" | "params" | "write") {
                field.rust.push_str("_parameter");
            }
            let separated = place != "query" || parameter.get("explode") == Some(&Node::Bool(false));
            field.ty = match self.plain_text(&field.ty) {
                Some(Ty::List(_)) if separated => {
                    field.facts.push("Several values are separated by commas.".to_owned());
                    Ty::String
                }
                Some(ty) => ty,
                None => {
                    field.facts.push("JSON text.".to_owned());
                    Ty::String
                }
            };
            // Null cannot be written into a query.
            field.presence = if required { Presence::Required } else { Presence::Optional };
            match place.as_str() {
                "path" => path_parameters.push(field),
                "query" if required => required_query.push(field),
                "query" => optional_query.push(field),
                "header" => headers.push(field),
                other => self.problem(
                    id,
                    format!("parameter `{wire}` is in `{other}`; take it out of the document in overlay/spec.yaml"),
                ),
            }
        }
        let position = |field: &Field| path.find(&format!("{{{}}}", field.wire)).unwrap_or(usize::MAX);
        path_parameters.sort_by_key(position);
        let query = (!optional_query.is_empty()).then(|| {
            let words = self.words_at(&format!("{id}()"), words(&format!("{namespace}_{name}_params")));
            self.add(&format!("{id}()"), &words, operation, Kind::Parameters(optional_query))
        });

        let (answer, success) = self.answer(id, operation, &type_words);
        let deprecated = operation.is_true("deprecated").then(|| {
            rule.text_of("instead").map(str::to_owned).unwrap_or_else(|| {
                let text = "is deprecated; say what to use in its place: add `{id}: {instead: TEXT}` to overlay/operations.yaml";
                self.note(id, text.replace("{id}", id));
                String::new()
            })
        });
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
            paging: self.paging(operation, &answer),
            answer,
            authentication: authentication(operation, document),
            repeatable: rule.is_true("repeatable"),
            server: operation
                .get("servers")
                .or(item.get("servers"))
                .map(Node::elements)
                .and_then(|s| s.first()?.text_of("url").map(str::to_owned)),
            stream_member: body_schema(operation).is_some_and(|schema| self.has_member(schema, "stream")),
            errors: errors(operation),
            deprecated,
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
                self.in_form = true;
                let mut fields = Vec::new();
                for property in &object.properties {
                    let mut field = self.field(property, object.required.contains(&property.name), false);
                    field.ty = match field.ty {
                        files @ Ty::List(_) if files == Ty::List(Box::new(Ty::Bytes)) => files,
                        Ty::Bytes => Ty::Bytes,
                        other => self.plain_text(&other).unwrap_or_else(|| {
                            field.facts.push("JSON text.".to_owned());
                            Ty::String
                        }),
                    };
                    if field.presence != Presence::Required {
                        field.presence = Presence::Optional;
                    }
                    fields.push(field);
                }
                self.in_form = false;
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
                let known = "JSON and forms are known; leave it out in overlay/spec.yaml";
                if content.len() == 1 {
                    self.problem(id, format!("its body is of type `{media}`: {known}"));
                } else {
                    self.note(id, format!("its body may be of type `{media}` too: {known}"));
                }
            }
        }
        if bodies.is_empty() { vec![Body::None] } else { bodies }
    }

    /// What an operation returns, and with which statuses.
    fn answer(&mut self, id: &str, operation: &Node, type_words: &[String]) -> (Answer, Vec<String>) {
        let responses = operation.get("responses").map_or(&[][..], Node::members);
        let succeeded = successes(responses);
        let statuses = succeeded.iter().map(|(status, _)| status.clone()).collect();
        let mut schemas: Vec<Node> = Vec::new();
        let mut bytes = false;
        for (_, response) in &succeeded {
            for (media, entry) in response.get("content").map_or(&[][..], Node::members) {
                if media.contains("json") {
                    let schema = entry.get("schema").cloned().unwrap_or(Node::Map(Vec::new()));
                    if !schemas.iter().any(|other| other.without_prose() == schema.without_prose()) {
                        schemas.push(schema);
                    }
                } else if !media.contains("event-stream") {
                    bytes = true;
                }
            }
        }
        // Statuses with different responses make the response one of them.
        let json = match schemas.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(Node::Map(vec![("anyOf".to_owned(), Node::List(several.to_vec()))])),
        };
        let stream = self.stream_item(operation).map(|(schema, key)| {
            let words = match key.strip_suffix(".data") {
                Some(component) => {
                    self.words_at(&key, crate::names::join(&self.component_words(component), &words("data")))
                }
                None => self
                    .words_at(&format!("{id}.event"), type_words.iter().cloned().chain(["event".to_owned()]).collect()),
            };
            self.lower(&schema, &key, &words).ty
        });
        let stream = stream.filter(|event| matches!(self.resolve(event), Ty::Named(name) if !self.is_enum(&name)));
        let json = json.map(|schema| {
            let key = format!("{id}.response");
            let words = self.words_at(&key, type_words.iter().cloned().chain(["response".to_owned()]).collect());
            let ty = self.lower(&schema, &key, &words).ty;
            match self.resolve(&ty) {
                Ty::List(_) | Ty::Json => ty,
                Ty::Named(name) if !self.is_enum(&name) => ty,
                // Text, numbers and maps do not get a response type of their own.
                _ => Ty::Json,
            }
        });
        let answer = match (json, stream) {
            (Some(json), Some(event)) => Answer::JsonOrStream(json, event),
            (Some(json), None) => Answer::Json(json),
            (None, Some(event)) => Answer::Stream(event),
            (None, None) if bytes || stream_stated(operation) => Answer::Bytes,
            (None, None) => Answer::Empty,
        };
        (answer, statuses)
    }

    /// How an operation pages: as the document states, or else inferred from its parameters and its response.
    fn paging(&self, operation: &Node, answer: &Answer) -> Option<Paging> {
        let stated = operation.get("x-speakeasy-pagination");
        let parameters = operation.get("parameters").map_or(&[][..], Node::elements);
        let parameter = |name: &str| {
            parameters.iter().find(|own| own.text_of("in") == Some("query") && own.text_of("name") == Some(name))
        };
        if stated.and_then(|stated| stated.text_of("type")) == Some("cursor") {
            let of_cursor = |input: &&Node| input.text_of("type") == Some("cursor");
            let inputs = stated.and_then(|stated| stated.get("inputs")).map_or(&[][..], Node::elements);
            let name = inputs.iter().find(of_cursor).and_then(|input| input.text_of("name"));
            let next = stated.and_then(|stated| stated.get("outputs")?.text_of("nextCursor"));
            return Some(Paging::Cursor {
                parameter: name.unwrap_or("cursor").to_owned(),
                member: next.unwrap_or("$.cursor").trim_start_matches("$.").to_owned(),
            });
        }
        let has = |name: &str| self.members_of(answer).iter().any(|field| field.wire == name);
        if stated.is_some() || (parameter("offset").is_some() && has("data")) {
            let default = parameter("limit").and_then(|own| own.get("schema")?.get("default").map(ToString::to_string));
            return Some(Paging::Offset(default.and_then(|text| text.parse().ok())));
        }
        (parameter("after").is_some() && has("data") && has("last_id"))
            .then(|| Paging::Cursor { parameter: "after".to_owned(), member: "last_id".to_owned() })
    }

    /// The members of a response that is an object.
    fn members_of(&self, answer: &Answer) -> &[Field] {
        let Answer::Json(ty) = answer else { return &[] };
        let Ty::Named(name) = self.resolve(ty) else { return &[] };
        match self.types.iter().find(|ty| ty.name == name).map(|ty| &ty.kind) {
            Some(Kind::Struct(own)) => &own.fields,
            _ => &[],
        }
    }

    /// The type behind names that only rename.
    pub fn resolve(&self, ty: &Ty) -> Ty {
        match ty {
            Ty::Named(name) => match self.types.iter().find(|ty| ty.name == *name) {
                Some(Type { kind: Kind::Alias(other), .. }) => self.resolve(other),
                _ => ty.clone(),
            },
            other => other.clone(),
        }
    }

    fn is_enum(&self, name: &str) -> bool {
        self.types.iter().any(|ty| ty.name == name && matches!(ty.kind, Kind::Enum(_)))
    }

    /// A type that can be written as one text or a list of texts; `None` for objects.
    fn plain_text(&self, ty: &Ty) -> Option<Ty> {
        match self.resolve(ty) {
            plain @ (Ty::String | Ty::Bool | Ty::Integer | Ty::Number) => Some(plain),
            Ty::Named(name) if self.is_enum(&name) => Some(Ty::Named(name)),
            Ty::Named(name) => match self.types.iter().find(|ty| ty.name == name).map(|ty| &ty.kind) {
                Some(Kind::Union(union)) => {
                    let plain: Option<Vec<Ty>> = union.variants.iter().map(|v| self.plain_text(&v.ty)).collect();
                    match plain?.iter().any(|ty| matches!(ty, Ty::List(_))) {
                        true => Some(Ty::List(Box::new(Ty::String))),
                        false => Some(Ty::String),
                    }
                }
                _ => None,
            },
            Ty::List(of) => match self.plain_text(&of)? {
                Ty::List(_) => None,
                plain => Some(Ty::List(Box::new(plain))),
            },
            Ty::Secret(of) => self.plain_text(&of),
            Ty::Json | Ty::JsonObject | Ty::Map(_) | Ty::Bytes => None,
        }
    }

    /// The schema of a streamed event and its place. A stream of plain text is none: the document states it for
    /// operations that only pass a stream through.
    fn stream_item(&self, operation: &Node) -> Option<(Node, String)> {
        let responses = operation.get("responses").map_or(&[][..], Node::members);
        let mut contents = responses
            .iter()
            .filter(|(status, _)| status.starts_with('2'))
            .filter_map(|(_, response)| response.get("content"))
            .flat_map(Node::members);
        let (_, entry) = contents.find(|(media, _)| media.contains("event-stream"))?;
        let schema = entry.get("schema")?;
        let component = schema.text_of("$ref").map(Self::target);
        let envelope = component.map_or(Some(schema), |name| self.schema(name))?;
        let place = component
            .map_or_else(|| format!("{}.event", operation.text_of("operationId").unwrap_or_default()), str::to_owned);
        let (event, place) = match (envelope.get("properties").and_then(|properties| properties.get("data")), component)
        {
            (Some(data), Some(_)) => (data, format!("{place}.data")),
            (Some(data), None) => (data, place),
            (None, _) => (schema, place),
        };
        self.is_event(event).then(|| (event.clone(), place))
    }

    /// Whether a schema is an object or one of several, through references.
    fn is_event(&self, schema: &Node) -> bool {
        let component = schema.text_of("$ref").and_then(|reference| self.schema(Self::target(reference)));
        let is_union = |schema: &Node| schema.get("oneOf").or(schema.get("anyOf")).is_some();
        is_union(component.unwrap_or(schema)) || !self.merged(schema, "", &[]).properties.is_empty()
    }

    /// Whether an object has a member of this name, through references and `allOf`.
    fn has_member(&self, schema: &Node, name: &str) -> bool {
        self.merged(schema, "", &[]).property(name).is_some()
    }
}

/// Whether a parameter is a boolean, in any of the ways the document says so: in a URL, a boolean and the string `true`
/// look the same.
fn is_truth_value(schema: &Node) -> bool {
    if let Some(branches) = schema.get("oneOf").or(schema.get("anyOf")) {
        return !branches.elements().is_empty() && branches.elements().iter().all(is_truth_value);
    }
    let texts = schema.texts_of("enum");
    types(schema).0 == ["boolean"]
        || schema.text_of("x-openrouter-type") == Some("boolean")
        || (texts.len() == 2 && texts.contains(&"true") && texts.contains(&"false"))
}

/// The namespace of a tag: a module, so no keyword.
fn namespace_of(tag: &str) -> String {
    let name = identifier(tag);
    name.strip_prefix("r#").map_or_else(|| name.clone(), |keyword| format!("{keyword}_api"))
}

/// The responses that are not errors: those with a status of success, else redirects, else the one for all statuses.
fn successes(responses: &[(String, Node)]) -> Vec<&(String, Node)> {
    let of = |start: char| -> Vec<_> { responses.iter().filter(|(status, _)| status.starts_with(start)).collect() };
    let first = [of('2'), of('3'), of('d')].into_iter().find(|list| !list.is_empty());
    first.unwrap_or_default()
}

/// Whether the document speaks of a stream, though not of its events.
fn stream_stated(operation: &Node) -> bool {
    let responses = operation.get("responses").map_or(&[][..], Node::members);
    let contents = successes(responses).into_iter().filter_map(|(_, response)| response.get("content"));
    contents.flat_map(Node::members).any(|(media, _)| media.contains("event-stream"))
}

fn body_schema(operation: &Node) -> Option<&Node> {
    let content = operation.get("requestBody")?.get("content")?;
    content.members().iter().find(|(media, _)| media.contains("json")).and_then(|(_, entry)| entry.get("schema"))
}

fn authentication(operation: &Node, document: &Node) -> &'static str {
    let security = operation.get("security").or(document.get("security")).map_or(&[][..], Node::elements);
    let none = security.is_empty() && operation.get("security").is_some();
    let refuses = errors(operation).iter().any(|status| status == "401" || status == "4XX" || status == "default");
    match (none, refuses) {
        (true, _) => "None",
        // An operation that never returns 401 works without a key.
        (false, false) => "Optional",
        (false, true) => "Required",
    }
}

fn errors(operation: &Node) -> Vec<String> {
    let responses = operation.get("responses").map_or(&[][..], Node::members);
    let succeeded = successes(responses);
    let failed = responses.iter().filter(|entry| !succeeded.contains(entry) && !entry.0.starts_with(['2', '3']));
    failed.map(|(status, _)| status.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The kinds of errors: those of the overlay, and one for each other status of the document, named after the schema of
/// its body.
pub fn error_kinds(document: &Node, overlay: &Overlay, notes: &mut Vec<String>) -> BTreeMap<u16, ErrorKind> {
    let mut kinds = overlay.errors.clone();
    let items = document.get("paths").map_or(&[][..], Node::members).iter().flat_map(|(_, item)| item.members());
    let responses = items.filter_map(|(_, operation)| operation.get("responses")).flat_map(Node::members);
    let mut unknown: BTreeMap<u16, BTreeMap<String, usize>> = BTreeMap::new();
    for (status, response) in responses {
        let Ok(status @ 400..=599) = status.parse() else { continue };
        if kinds.contains_key(&status) {
            continue;
        }
        let names = unknown.entry(status).or_default();
        for (_, content) in response.get("content").map_or(&[][..], Node::members) {
            let schema = content.get("schema").and_then(|schema| schema.text_of("$ref")).map(Lowering::target);
            // A schema of errors in general is not named for the status.
            if let Some(name) = schema.and_then(|name| name.strip_suffix("Response")).filter(|n| !n.contains("Error")) {
                *names.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    for (status, names) in unknown {
        let usual = names.into_iter().max_by_key(|(_, count)| *count);
        let name = usual.map_or_else(|| format!("Status{status}"), |(name, _)| pascal(&words(&name)));
        notes.push(format!(
            "status {status} is new; add `{status}: {{kind: {name}, what: SENTENCE}}` to overlay/errors.yaml"
        ));
        let what = "see the API document".to_owned();
        kinds.insert(status, ErrorKind { name, what });
    }
    kinds
}
