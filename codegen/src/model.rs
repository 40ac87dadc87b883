//! What the generator knows after all decisions: types and operations, ready to be written down.

use std::collections::BTreeSet;

use crate::node::Node;

/// The whole API.
#[derive(Debug, Default)]
pub struct Api {
    /// All types by their Rust name, in the order they were met.
    pub types: Vec<Type>,
    /// All operations in the order of the document.
    pub operations: Vec<Operation>,
}

impl Api {
    /// The type of this Rust name.
    pub fn find(&self, name: &str) -> Option<&Type> {
        self.types.iter().find(|ty| ty.name == name)
    }
}

/// One Rust type.
#[derive(Clone, Debug)]
pub struct Type {
    /// The Rust name.
    pub name: String,
    /// Components of the document that are this type and have other names.
    pub aliases: BTreeSet<String>,
    /// The place in the document: `ChatRequest.plugins[]`.
    pub key: String,
    /// The other places of the document that are this type.
    pub places: BTreeSet<String>,
    /// Types of other places that turned out to be this one, until their prose is shared.
    pub others: Vec<Type>,
    /// What it is.
    pub kind: Kind,
    /// It is sent.
    pub request: bool,
    /// It is received.
    pub response: bool,
    /// It is the item of a stream, or part of nothing but such items.
    pub event: bool,
    /// The namespaces whose operations reach it.
    pub namespaces: BTreeSet<String>,
    /// The file it is in.
    pub module: String,
    /// The document calls it deprecated.
    pub deprecated: bool,
}

impl Type {
    /// The places that are this type, except for `key`.
    pub fn other_places(&self) -> Vec<String> {
        let others = self.others.iter().flat_map(|ty| ty.other_places().into_iter().chain([ty.key.clone()]));
        self.places.iter().cloned().chain(others).collect()
    }

    /// The public module it is in.
    pub fn home(&self) -> &str {
        self.module.split('/').next().unwrap_or_default()
    }
}

/// What a type is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// An object with named members.
    Struct(Struct),
    /// A set of texts.
    Enum(Vec<Value>),
    /// One of several types.
    Union(Union),
    /// Another name for a type.
    Alias(Ty),
    /// The optional parameters of a query.
    Parameters(Vec<Field>),
    /// A multipart form.
    Form(Vec<Field>),
}

/// An object.
#[derive(Clone, Debug, Default)]
pub struct Struct {
    /// Members with one value: wire name and JSON text.
    pub constants: Vec<(String, String)>,
    /// The other members, required ones first.
    pub fields: Vec<Field>,
}

/// A member of an object, or a parameter.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name on the wire.
    pub wire: String,
    /// The name in Rust.
    pub rust: String,
    /// The type of a value that is there.
    pub ty: Ty,
    /// It leads back to the type that holds it, and is boxed.
    pub boxed: bool,
    /// How it may be absent.
    pub presence: Presence,
    /// The place in the document that describes it.
    pub key: String,
    /// Ranges, defaults, deprecation, as sentences.
    pub facts: Vec<String>,
    /// The document calls it deprecated.
    pub deprecated: bool,
}

/// How a member may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Always there.
    Required,
    /// Always there, perhaps null.
    Nullable,
    /// Perhaps not there.
    Optional,
    /// Absent and null mean different things.
    Patched,
}

impl Field {
    /// The type as Rust writes it.
    pub fn rust_type(&self) -> String {
        if self.boxed { format!("Box<{}>", self.ty.rust()) } else { self.ty.rust() }
    }
}

/// One text of an enum.
#[derive(Clone, Debug)]
pub struct Value {
    /// The text.
    pub wire: String,
    /// The variant.
    pub rust: String,
}

/// One of several types.
#[derive(Clone, Debug, Default)]
pub struct Union {
    /// The member that determines the type of an object; empty if none does.
    pub tag: String,
    /// The branches.
    pub variants: Vec<Variant>,
    /// Value of the tag, conditions, index of the branch.
    pub tagged: Vec<(String, Vec<Condition>, usize)>,
    /// Objects without a known tag.
    pub objects: Vec<(Vec<Condition>, usize)>,
    /// What is not an object: kind, kind of the first element, index of the branch.
    pub shapes: Vec<(Shape, Option<Shape>, usize)>,
}

/// A branch of a union.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The name.
    pub rust: String,
    /// The type inside.
    pub ty: Ty,
    /// The tag's values that lead here.
    pub tags: Vec<String>,
    /// It is large and is boxed.
    pub boxed: bool,
}

/// Something that distinguishes objects with the same tag.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The member is there.
    Has(String),
    /// The member is not there.
    Lacks(String),
    /// The member is this text.
    Is(String, String),
}

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// Named members.
    Object,
}

/// A Rust type in use.
#[derive(Clone, Debug, PartialEq)]
pub enum Ty {
    /// Text.
    String,
    /// A value that must not be printed.
    Secret(Box<Ty>),
    /// A truth value.
    Bool,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// Anything.
    Json,
    /// Any object.
    JsonObject,
    /// Bytes of a file.
    Bytes,
    /// A generated type.
    Named(String),
    /// A list.
    List(Box<Ty>),
    /// A map from text.
    Map(Box<Ty>),
}

impl Ty {
    /// The type as Rust writes it.
    pub fn rust(&self) -> String {
        match self {
            Self::String => "String".to_owned(),
            Self::Secret(of) if **of == Self::String => "Secret".to_owned(),
            Self::Secret(of) => format!("Secret<{}>", of.rust()),
            Self::Bool => "bool".to_owned(),
            Self::Integer => "i64".to_owned(),
            Self::Number => "f64".to_owned(),
            Self::Json => "Json".to_owned(),
            Self::JsonObject => "JsonObject".to_owned(),
            Self::Bytes => "FilePart".to_owned(),
            Self::Named(name) => name.clone(),
            Self::List(of) => format!("Vec<{}>", of.rust()),
            Self::Map(of) => format!("BTreeMap<String, {}>", of.rust()),
        }
    }

    /// The generated types in it.
    pub fn named(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::List(of) | Self::Map(of) | Self::Secret(of) => of.named(),
            _ => None,
        }
    }
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The document's `operationId`.
    pub id: String,
    /// `GET` and so on.
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// The namespace: `api_keys`.
    pub namespace: String,
    /// The method of the facade: `get_current_key_metadata`.
    pub name: String,
    /// Parameters in the path, in its order.
    pub path_parameters: Vec<Field>,
    /// Parameters of the query that are required.
    pub required_query: Vec<Field>,
    /// The struct of the other parameters of the query.
    pub query: Option<String>,
    /// Parameters in headers that the caller chooses, other than the ones the client knows.
    pub headers: Vec<Field>,
    /// It takes the header `X-OpenRouter-Metadata`.
    pub metadata: bool,
    /// What it takes.
    pub body: Body,
    /// The body has a member `stream` that asks for a stream.
    pub stream_member: bool,
    /// What it returns.
    pub answer: Answer,
    /// What its pages look like.
    pub paging: Option<Paging>,
    /// The key is needed, may be left out, or is not sent.
    pub authentication: &'static str,
    /// Repeating it changes nothing, although it is not a GET, PUT or DELETE.
    pub repeatable: bool,
    /// Another server than the document's.
    pub server: Option<String>,
    /// Statuses of errors.
    pub errors: Vec<String>,
    /// What to use instead, if the document calls it deprecated.
    pub deprecated: Option<String>,
    /// The statuses of success.
    pub success: Vec<String>,
}

impl Operation {
    /// The free function: `api_keys_get_current_key_metadata`.
    pub fn function(&self) -> String {
        format!("{}_{}", self.namespace, self.name)
    }
}

/// What an operation takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON; required or not.
    Json(Ty, bool),
    /// A multipart form from this struct.
    Multipart(String),
    /// A form from this struct.
    Form(Ty),
}

/// What an operation returns.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing.
    Empty,
    /// One JSON value.
    Json(Ty),
    /// One JSON value, or a stream of events (of the second type) when asked with this member.
    JsonOrStream(Ty, Ty),
    /// A stream of events only.
    Stream(Ty),
    /// Bytes.
    Bytes,
}

/// What an error status means.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorKind {
    /// The variant of `ApiErrorKind`.
    pub name: String,
    /// Its description, without a period.
    pub what: String,
}

/// How an operation pages.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// By `offset` and `limit`; the default limit if the document states one.
    Offset(Option<i64>),
    /// By a cursor: the parameter that takes it, and the member of a page that holds the next one.
    Cursor {
        /// The parameter of the query.
        parameter: String,
        /// The member of the response.
        member: String,
    },
}

/// What the document states about a value besides its type, as sentences for the reader.
pub fn facts(schema: &Node, values_in_type: bool) -> Vec<String> {
    let number = |name: &str| schema.get(name).map(ToString::to_string);
    let mut facts = Vec::new();
    let range = match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => Some(format!("From {least} to {most}.")),
        (Some(least), None) => Some(format!("At least {least}.")),
        (None, Some(most)) => Some(format!("At most {most}.")),
        (None, None) => None,
    };
    facts.extend(range);
    match schema.get("exclusiveMinimum") {
        Some(Node::Bool(true)) => facts.push("The least value itself is not allowed.".to_owned()),
        Some(Node::Number(least)) => facts.push(format!("More than {least}.")),
        _ => {}
    }
    for (least, most, unit) in [("minLength", "maxLength", "characters"), ("minItems", "maxItems", "elements")] {
        let length = match (number(least), number(most)) {
            (Some(least), Some(most)) if least == most => Some(format!("Exactly {least} {unit}.")),
            (Some(least), Some(most)) => Some(format!("From {least} to {most} {unit}.")),
            (Some(least), None) => Some(format!("At least {least} {unit}.")),
            (None, Some(most)) => Some(format!("At most {most} {unit}.")),
            (None, None) => None,
        };
        facts.extend(
            length.map(|text| text.replace(" 1 characters", " 1 character").replace(" 1 elements", " 1 element")),
        );
    }
    if let Some(pattern) = schema.text_of("pattern") {
        facts.push(format!("Matches `{pattern}`."));
    }
    if let Some(format) = schema.text_of("format").filter(|format| !matches!(*format, "double" | "int32" | "binary")) {
        facts.push(format!("Format `{format}`."));
    }
    match schema.get("default") {
        None | Some(Node::Null) => {}
        // Long texts are prose, and prose is written in our own words.
        Some(default) if default.to_string().len() > 60 => {}
        Some(default) => facts.push(format!("Default `{default}`.")),
    }
    let values: Vec<_> =
        schema.get("enum").map_or(&[][..], Node::elements).iter().filter(|v| **v != Node::Null).collect();
    if !values_in_type && !values.is_empty() && values.len() <= 8 {
        let list = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        facts.push(if values.len() == 1 { format!("Known value: {list}.") } else { format!("Known values: {list}.") });
    }
    facts
}
