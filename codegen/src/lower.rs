//! From schemas to types.

use std::collections::{BTreeMap, BTreeSet};

use crate::equal::{candidate, plain};
use crate::model::{Field, Kind, Presence, Struct, Ty, Type, Value, facts};
use crate::names::{apart, element, identifier, join, pascal, spelled, variant, words};
use crate::node::Node;
use crate::overlay::Overlay;
use crate::secret_names::names_secret;

/// Names that the generated code uses for something else. A type that would have one is called `Api…`.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "AsRef", "BTreeMap", "Box", "Call", "Clone", "Copy", "Debug", "Default", "Download", "Drop", "Eq", "Err",
    "EventStream", "Extra", "FilePart", "Fn", "From", "Hash", "Into", "IntoIterator", "Iterator", "Json", "JsonObject",
    "Multipart", "None", "Ok", "OpenRouter", "OpenRouterCore", "Operation", "Option", "Page", "PartialEq", "Parts",
    "Patch", "Result", "Root", "Secret", "Self", "Send", "Some", "StreamItem", "String", "Sync", "ToOwned",
    "ToString", "Unrecognized", "Vec", "Wire",
];

/// Keywords that are understood, or that only narrow the values of a type.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "$comment", "$ref", "additionalProperties", "allOf", "anyOf", "const", "contentEncoding", "contentMediaType",
    "default", "deprecated", "description", "discriminator", "enum", "example", "examples", "exclusiveMaximum",
    "exclusiveMinimum", "externalDocs", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "multipleOf", "nullable", "oneOf", "pattern", "properties",
    "propertyNames", "readOnly", "required", "title", "type", "uniqueItems", "writeOnly", "xml",
];

/// Keywords of JSON Schema that can change what a value looks like and are not understood. Every other unknown keyword is
/// a remark, by the rules of JSON Schema: how a form shows a field, for example.
#[rustfmt::skip]
const NOT_UNDERSTOOD: &[&str] = &[
    "$anchor", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "contains", "contentSchema",
    "definitions", "dependencies", "dependentRequired", "dependentSchemas", "else", "if", "not", "patternProperties",
    "prefixItems", "then", "unevaluatedItems", "unevaluatedProperties",
];

/// Families of extensions that are understood or known to say nothing about values.
const EXTENSIONS: &[&str] = &["x-speakeasy-", "x-openrouter-", "x-fern-", "x-hidden", "x-displayName"];

/// A schema in use: its type, and whether it may be null.
#[derive(Clone, Debug)]
pub struct Use {
    /// The type.
    pub ty: Ty,
    /// Null is a value too.
    pub nullable: bool,
}

impl Use {
    pub(crate) fn plain(ty: Ty) -> Self {
        Self { ty, nullable: false }
    }
}

/// A member of an object after all parts of the object were put together.
#[derive(Clone, Debug)]
pub struct Property {
    /// The name on the wire.
    pub name: String,
    /// Its schema.
    pub schema: Node,
    /// The place where it is described: `Owner.name`.
    pub key: String,
    /// The words of the type it belongs to.
    pub owner: Vec<String>,
}

/// An object after all its parts were put together.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// The members in order; a later part of an `allOf` replaces the same member of an earlier one.
    pub properties: Vec<Property>,
    /// The names of required members.
    pub required: BTreeSet<String>,
    /// The schema of members with other names, if the document has one.
    pub others: Option<Node>,
    nullable: Vec<bool>,
}

impl Object {
    /// The member of this name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// The schema of the values of members with other names, if it says anything.
    pub(crate) fn value_schema(&self) -> Option<&Node> {
        self.others.as_ref().filter(|others| !others.members().is_empty())
    }

    fn is_nullable(&self) -> bool {
        !self.nullable.is_empty() && self.nullable.iter().all(|nullable| *nullable)
    }
}

/// Turns schemas into types; each place of the document once.
#[derive(Debug)]
pub struct Lowering<'a> {
    document: &'a Node,
    pub(crate) overlay: &'a Overlay,
    /// The types so far.
    pub types: Vec<Type>,
    /// Rust name to the place and the schema that has it, without prose.
    names: BTreeMap<String, (String, Node)>,
    /// What each place became.
    done: BTreeMap<String, Use>,
    /// Components of whose `stream` member the function decides.
    streamed: BTreeSet<String>,
    /// Places whose short name another place has too, and how often that was found.
    contested: BTreeMap<String, usize>,
    /// Places found to be contested on this way through the document.
    pub clashes: BTreeSet<String>,
    /// Components that are being made.
    open: BTreeSet<String>,
    /// A form is made: its binary members are files.
    pub(crate) in_form: bool,
    /// Unions that cannot be read, with the reason. It matters only if such a value arrives.
    pub unreadable: Vec<(String, String)>,
    /// What could not be decided.
    pub problems: Vec<String>,
    /// What was decided, but should be seen by a person.
    pub notes: Vec<String>,
    /// Unknown keywords that were ignored, with their locations.
    pub passed_over: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Lowering<'a> {
    /// Ready for the schemas of `document`. The types at `contested` places get names that tell the whole way to them.
    pub fn new(document: &'a Node, overlay: &'a Overlay, contested: BTreeMap<String, usize>) -> Self {
        Self {
            document,
            overlay,
            types: Vec::new(),
            names: BTreeMap::new(),
            done: BTreeMap::new(),
            streamed: BTreeSet::new(),
            contested,
            clashes: BTreeSet::new(),
            open: BTreeSet::new(),
            in_form: false,
            unreadable: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            passed_over: BTreeMap::new(),
        }
    }

    /// Notes that the function decides about member `stream` of the body at this place.
    pub fn drop_stream_member(&mut self, key: &str) {
        self.streamed.insert(key.to_owned());
    }

    /// The schema of a component.
    pub fn schema(&self, name: &str) -> Option<&'a Node> {
        self.document.get("components")?.get("schemas")?.get(name)
    }

    /// The component that a `$ref` names.
    pub fn target(reference: &str) -> &str {
        reference.rsplit('/').next().unwrap_or(reference)
    }

    /// What each component that is used became.
    pub fn components(&self) -> BTreeMap<String, Ty> {
        self.done.iter().map(|(name, used)| (name.clone(), used.ty.clone())).collect()
    }

    /// The types that places of the document have become.
    pub(crate) fn used_types(&mut self) -> impl Iterator<Item = &mut Ty> {
        self.done.values_mut().map(|used| &mut used.ty)
    }

    /// The words of a component's type.
    pub fn component_words(&self, name: &str) -> Vec<String> {
        match (self.overlay.name(name), self.contested.get(name)) {
            (Some(given), None) => words(given),
            (None, None) | (Some(_), Some(1)) => words(name),
            (_, Some(_)) => words(&spelled(name)),
        }
    }

    /// The type of a component.
    pub fn component(&mut self, name: &str) -> Use {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        let words = self.component_words(name);
        let Some(schema) = self.schema(name) else {
            self.problem(name, "is referred to, but the document has no such schema; add it in overlay/spec.yaml");
            return Use::plain(Ty::Json);
        };
        if !self.open.insert(name.to_owned()) {
            // It leads back to itself. This name is right if it becomes a type of its own.
            let named = Use::plain(Ty::Named(type_name(&words)));
            self.done.insert(name.to_owned(), named.clone());
            return named;
        }
        let used = self.lower(schema, name, &words);
        self.open.remove(name);
        if let Some(assumed) = self.done.insert(name.to_owned(), used.clone())
            && plain(&assumed.ty.rust()) != plain(&used.ty.rust())
        {
            self.problem(
                name,
                "is a list or map of itself; put an object between, or `replace: {}`, in overlay/spec.yaml",
            );
        }
        used
    }

    pub(crate) fn problem(&mut self, key: &str, text: impl std::fmt::Display) {
        self.problems.push(format!("{key}: {text}"));
    }

    pub(crate) fn note(&mut self, key: &str, text: impl std::fmt::Display) {
        let text = format!("{key}: {text}");
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// The words for an inline type at `key`, unless somebody named it. One name may be given to several places; those of
    /// them that come to differ from the others have the words they would have without it.
    pub(crate) fn words_at(&self, key: &str, otherwise: Vec<String>) -> Vec<String> {
        let given = self.overlay.name(key);
        let found = self.contested.get(key).copied().unwrap_or_default();
        match (given, found - usize::from(given.is_some() && found > 0)) {
            (Some(given), _) if found == 0 => words(given),
            (_, 0) => otherwise,
            (_, 1) => long_words(key),
            _ => words(&spelled(key)),
        }
    }

    /// The type of the schema at `key`; `words` are for a type that has to be made.
    pub fn lower(&mut self, schema: &Node, key: &str, words: &[String]) -> Use {
        for (keyword, _) in schema.members() {
            let keyword = keyword.as_str();
            if NOT_UNDERSTOOD.contains(&keyword) {
                let text =
                    format!("the keyword `{keyword}` is not understood; write what it means into overlay/spec.yaml");
                self.note(key, text);
            } else if !KEYWORDS.contains(&keyword) && !EXTENSIONS.iter().any(|family| keyword.starts_with(family)) {
                self.passed_over.entry(keyword.to_owned()).or_default().insert(key.to_owned());
            }
        }
        if let Some(reference) = schema.text_of("$ref") {
            let used = self.component(Self::target(reference));
            return Use { nullable: used.nullable || schema.is_true("nullable"), ..used };
        }
        let (types, nullable) = types(schema);
        let mut used = if schema.get("allOf").is_some() {
            self.all_of(schema, key, words)
        } else if schema.get("oneOf").or(schema.get("anyOf")).is_some() {
            self.union(schema, key, words)
        } else if schema.get("enum").is_some() || schema.get("const").is_some() {
            self.values(schema, key, words)
        } else {
            match types.as_slice() {
                [] if schema.get("properties").is_some() => self.object(schema, key, words),
                ["object"] => self.object(schema, key, words),
                [] if schema.get("items").is_some() => self.list(schema, key, words),
                ["array"] => self.list(schema, key, words),
                ["string"] if self.in_form && schema.text_of("format") == Some("binary") => Use::plain(Ty::Bytes),
                ["string"] => Use::plain(Ty::String),
                ["integer"] => Use::plain(Ty::Integer),
                ["number"] | ["integer", "number"] | ["number", "integer"] => Use::plain(Ty::Number),
                ["boolean"] => Use::plain(Ty::Bool),
                // Whatever a schema does not rule out is allowed, null too.
                [] => Use { ty: Ty::Json, nullable: true },
                [_, _, ..] => Use::plain(Ty::Json),
                [other] => {
                    self.note(key, format!("the type `{other}` is not understood; repair it in overlay/spec.yaml"));
                    Use::plain(Ty::Json)
                }
            }
        };
        used.nullable |= nullable;
        used
    }

    fn list(&mut self, schema: &Node, key: &str, words: &[String]) -> Use {
        let of = match schema.get("items") {
            None => Ty::Json,
            Some(items) => {
                let key = format!("{key}[]");
                let words = self.words_at(&key, element(words, "item"));
                let used = self.lower(items, &key, &words);
                // Null among the elements has no type of its own; it is rare enough to stay as it is.
                if used.nullable { Ty::Json } else { used.ty }
            }
        };
        Use::plain(Ty::List(Box::new(of)))
    }

    /// A set of values.
    fn values(&mut self, schema: &Node, key: &str, words: &[String]) -> Use {
        let listed: Vec<_> = match schema.get("const") {
            Some(value) => vec![value],
            None => schema.get("enum").map_or(&[][..], Node::elements).iter().collect(),
        };
        let nullable = listed.iter().any(|value| **value == Node::Null);
        let listed: Vec<_> = listed.into_iter().filter(|value| **value != Node::Null).collect();
        let ty = if listed.iter().all(|value| matches!(value, Node::Text(_))) && !listed.is_empty() {
            let texts = listed.iter().filter_map(|value| value.text()).map(str::to_owned).collect();
            Ty::Named(self.enumeration(texts, schema, key, words))
        } else if listed.iter().all(|value| matches!(value, Node::Bool(_))) {
            Ty::Bool
        } else if listed.iter().all(|value| matches!(value, Node::Number(_))) {
            let fraction = |value: &&Node| value.to_string().contains(['.', 'e', 'E']);
            if listed.iter().any(fraction) { Ty::Number } else { Ty::Integer }
        } else {
            Ty::Json
        };
        Use { ty, nullable }
    }

    /// Makes an enum of texts.
    pub(crate) fn enumeration(&mut self, texts: Vec<String>, schema: &Node, key: &str, words: &[String]) -> String {
        let mut wires: Vec<&str> = Vec::new();
        for text in &texts {
            if !wires.contains(&text.as_str()) {
                wires.push(text);
            }
        }
        let mut values: Vec<Value> = Vec::new();
        for (wire, rust) in wires.iter().zip(apart(&wires, variant)) {
            let place = format!("{key}={wire}");
            let rust = self.overlay.name(&place).map_or(rust, str::to_owned);
            if let Some(other) = values.iter().find(|value| value.rust == rust) {
                let text = format!(
                    "`{}` and `{wire}` are both `{rust}`; add a line for `{place}` to overlay/names.yaml",
                    other.wire
                );
                self.problem(key, text);
                continue;
            }
            values.push(Value { wire: (*wire).to_owned(), rust });
        }
        self.register(key, words, schema, Kind::Enum(values))
    }

    /// Gives a type its name. Two schemas may have the same name only when they are the same but for their prose; whether
    /// they are is known when all are types.
    pub(crate) fn register(&mut self, key: &str, words: &[String], schema: &Node, kind: Kind) -> String {
        let mut name = type_name(words);
        let plain = schema.without_prose();
        match self.names.get(&name) {
            Some((_, other)) if *other == plain => {
                if let Some(ty) = self.types.iter_mut().find(|ty| ty.name == name && ty.key != key) {
                    ty.places.insert(key.to_owned());
                    self.overlay.note_names_below(key);
                }
                return name;
            }
            Some(_) => {
                name = candidate(&name, key);
                if self.types.iter().any(|ty| ty.name == name) {
                    return name;
                }
            }
            None => {}
        }
        if self.contested.contains_key(key) || name.strip_prefix("Api").is_some_and(|rest| rest == pascal(words)) {
            self.note(key, format!("is called `{name}`; a line for it in overlay/names.yaml can say it better"));
        }
        self.names.entry(name.clone()).or_insert((key.to_owned(), plain));
        self.types.push(Type {
            name: name.clone(),
            aliases: BTreeSet::new(),
            places: BTreeSet::new(),
            others: Vec::new(),
            key: key.to_owned(),
            kind,
            request: false,
            response: false,
            event: false,
            namespaces: BTreeSet::new(),
            module: String::new(),
            deprecated: schema.is_true("deprecated"),
        });
        name
    }

    /// Two different schemas have the same name: one gets a longer one on the next way through the document.
    pub(crate) fn clash(&mut self, name: &str, key: &str, other: &str) {
        let component = |key: &str| self.schema(key).is_some();
        // A component keeps its name, and so does the place with the shorter way.
        let steps = |key: &str| (!component(key), key.matches(['.', '[', '{', '|', '(']).count(), key.to_owned());
        let given = |key: &str| self.overlay.name(key).is_some();
        let can_yield = |key: &str| {
            let most = if component(key) { 1 } else { 2 } + usize::from(given(key));
            self.contested.get(key).is_none_or(|found| *found < most)
        };
        let (near, far) = if steps(key) < steps(other) { (key, other) } else { (other, key) };
        let mut candidates = [far, near];
        candidates.sort_by_key(|key| given(key));
        match candidates.into_iter().find(|key| can_yield(key)) {
            Some(yields) => drop(self.clashes.insert(yields.to_owned())),
            None => self.problem(
                far,
                format!("the schema at `{near}` is called `{name}` too; add a line for `{far}` to overlay/names.yaml"),
            ),
        }
    }

    /// Parts of an `allOf` that say something about the type.
    pub(crate) fn telling_parts(schema: &Node) -> Vec<&Node> {
        let says = |part: &&Node| {
            part.members().iter().any(|(name, value)| match name.as_str() {
                "properties" => !value.members().is_empty(),
                "type" | "description" | "example" | "examples" | "title" | "default" | "deprecated" | "nullable"
                | "propertyNames" => false,
                "additionalProperties" => !value.members().is_empty(),
                other => !other.starts_with("x-"),
            })
        };
        schema.get("allOf").map_or(&[][..], Node::elements).iter().filter(says).collect()
    }

    fn all_of(&mut self, schema: &Node, key: &str, words: &[String]) -> Use {
        let parts = Self::telling_parts(schema);
        let nullable = schema.get("allOf").map_or(&[][..], Node::elements).iter().any(|part| part.is_true("nullable"));
        // A reference to something that is not an object, narrowed by the other parts: the reference is the type.
        let narrowed = parts.iter().find(|part| part.get("$ref").is_some() && !self.is_object(part));
        let alone = match (parts.as_slice(), narrowed) {
            ([], _) => return Use { ty: Ty::JsonObject, nullable },
            ([part], _) if schema.get("properties").is_none() => Some(*part),
            (_, Some(part)) => Some(*part),
            ([part, ..], _) if !parts.iter().any(|part| self.is_object(part)) => Some(*part),
            _ => None,
        };
        let Some(part) = alone else {
            let used = self.object(schema, key, words);
            return Use { nullable: used.nullable || nullable, ..used };
        };
        let mut used = self.lower(part, key, words);
        used.nullable |= nullable;
        // A component that only renames another keeps its own name.
        if self.schema(key).is_some() && part.get("$ref").is_some() && pascal(words) != plain(&used.ty.rust()) {
            let name = self.register(key, words, schema, Kind::Alias(used.ty));
            return Use { ty: Ty::Named(name), nullable: used.nullable };
        }
        used
    }

    /// Whether a schema is an object with members, through references and `allOf`.
    pub(crate) fn is_object(&self, schema: &Node) -> bool {
        if let Some(reference) = schema.text_of("$ref") {
            return self.schema(Self::target(reference)).is_some_and(|target| self.is_object(target));
        }
        if let Some(parts) = schema.get("allOf") {
            return parts.elements().iter().any(|part| self.is_object(part));
        }
        schema.get("properties").is_some() || types(schema).0 == ["object"]
    }

    /// References and `allOf`s that lead back to themselves without an object between mean nothing and would never end.
    pub fn endless(&self) -> Vec<String> {
        let schemas = self.document.get("components").and_then(|c| c.get("schemas")).map_or(&[][..], Node::members);
        let leads = |schema: &Node| {
            let direct = schema.text_of("$ref").into_iter();
            let parts =
                ["allOf", "oneOf", "anyOf"].iter().flat_map(|word| schema.get(word).map_or(&[][..], Node::elements));
            let targets = direct.chain(parts.filter_map(|part| part.text_of("$ref")));
            targets.map(|reference| Self::target(reference).to_owned()).collect::<Vec<_>>()
        };
        let mut endless = Vec::new();
        for (name, schema) in schemas {
            let mut seen = BTreeSet::new();
            let mut open = leads(schema);
            while let Some(next) = open.pop() {
                if seen.insert(next.clone()) {
                    open.extend(self.schema(&next).map(leads).unwrap_or_default());
                }
            }
            if seen.contains(name) {
                endless.push(format!("{name}: is defined by itself; repair it in overlay/spec.yaml"));
            }
        }
        endless
    }

    /// Puts the parts of an object together.
    pub fn merged(&self, schema: &Node, key: &str, words: &[String]) -> Object {
        let mut object = Object::default();
        self.merge(schema, key, words, &mut object);
        object
    }

    fn merge(&self, schema: &Node, key: &str, words: &[String], object: &mut Object) {
        if let Some(reference) = schema.text_of("$ref") {
            let name = Self::target(reference);
            if let Some(target) = self.schema(name) {
                self.merge(target, name, &self.component_words(name), object);
            }
            return;
        }
        for part in Self::telling_parts(schema) {
            self.merge(part, key, words, object);
        }
        if schema.get("allOf").is_none() && schema.get("properties").is_some() {
            object.nullable.push(types(schema).1);
        }
        for (name, property) in schema.get("properties").map_or(&[][..], Node::members) {
            let property = Property {
                name: name.clone(),
                schema: property.clone(),
                key: format!("{key}.{name}"),
                owner: words.to_vec(),
            };
            match object.properties.iter_mut().find(|other| other.name == *name) {
                Some(other) => *other = property,
                None => object.properties.push(property),
            }
        }
        object.required.extend(schema.texts_of("required").into_iter().map(str::to_owned));
        if let Some(others) = schema.get("additionalProperties") {
            object.others = Some(others.clone());
        }
    }

    fn object(&mut self, schema: &Node, key: &str, words: &[String]) -> Use {
        let object = self.merged(schema, key, words);
        let nullable = object.is_nullable();
        if object.properties.is_empty() {
            let ty = match object.value_schema() {
                Some(others) => {
                    let key = format!("{key}{{}}");
                    let words = self.words_at(&key, element(words, "value"));
                    let used = self.lower(others, &key, &words);
                    match used.ty {
                        Ty::Json => Ty::JsonObject,
                        _ if used.nullable => Ty::JsonObject,
                        ty => Ty::Map(Box::new(ty)),
                    }
                }
                None => Ty::JsonObject,
            };
            return Use { ty, nullable };
        }
        // The place is taken before its members are lowered, so that types are in the order of the document.
        let name = self.register(key, words, schema, Kind::Struct(Struct::default()));
        let Some(place) = self.types.iter().position(|ty| ty.name == name && ty.key == key) else {
            return Use { ty: Ty::Named(name), nullable };
        };
        let lowered = self.members(&object, key);
        if let Some(Type { kind: Kind::Struct(own), .. }) = self.types.get_mut(place) {
            *own = lowered;
        }
        Use { ty: Ty::Named(name), nullable }
    }

    /// The members of an object: those with one value, and the fields.
    fn members(&mut self, object: &Object, key: &str) -> Struct {
        let patched = self.overlay.is_patched(key);
        let mut lowered = Struct::default();
        let names: Vec<_> = object.properties.iter().map(|property| property.name.as_str()).collect();
        for (property, rust) in object.properties.iter().zip(apart(&names, identifier)) {
            if property.name == "stream" && self.streamed.contains(key) {
                continue;
            }
            let required = object.required.contains(&property.name);
            if let Some(value) = constant(&property.schema)
                && (required || matches!(property.name.as_str(), "type" | "role" | "_shape"))
            {
                lowered.constants.push((property.name.clone(), value.to_json()));
                continue;
            }
            let mut field = self.field(property, required, patched);
            if field.rust == identifier(&property.name) {
                field.rust = rust;
            }
            if let Some(other) = lowered.fields.iter().find(|other| other.rust == field.rust) {
                let text = format!(
                    "members `{}` and `{}` are both `{}`; add a line for `{} field` to overlay/names.yaml",
                    other.wire, field.wire, field.rust, field.key
                );
                self.problem(key, text);
                continue;
            }
            lowered.fields.push(field);
        }
        let is_required = |field: &Field| matches!(field.presence, Presence::Required | Presence::Nullable);
        lowered.fields.sort_by_key(|field| (!self.overlay.is_first(&field.key), !is_required(field)));
        lowered
    }

    /// Whether a field holds a secret: by its name, unless the overlay decides. A name that only mentions one, such as
    /// the name or kind of a key, counts as one until a person decides otherwise.
    fn is_secret(&mut self, property: &Property, ty: &Ty) -> bool {
        let Property { name, key, .. } = property;
        if !names_secret(name) || !self.can_hold_secret(ty) {
            return self.overlay.secrecy(key).unwrap_or(false);
        }
        if let Some(secret) = self.overlay.secrecy(key) {
            return secret;
        }
        let is_clear = words(name).last().is_some_and(|word| names_secret(word)) && ty.named().is_none();
        if !is_clear {
            self.note(
                key,
                format!(
                    "may hold a secret; add a line `{key}: why` to overlay/fields.yaml, under `secrets` or `public`"
                ),
            );
        }
        true
    }

    /// Whether values of a type can be secrets: strings can, but numbers, booleans and enums cannot.
    fn can_hold_secret(&self, ty: &Ty) -> bool {
        match ty {
            Ty::String | Ty::Json | Ty::JsonObject | Ty::Secret(_) => true,
            Ty::Bool | Ty::Integer | Ty::Number | Ty::Bytes => false,
            Ty::List(of) | Ty::Map(of) => self.can_hold_secret(of),
            Ty::Named(name) => {
                !self.types.iter().any(|known| known.name == *name && matches!(known.kind, Kind::Enum(_)))
            }
        }
    }

    /// A member or a parameter.
    pub fn field(&mut self, property: &Property, required: bool, patched: bool) -> Field {
        let key = &property.key;
        let inline = join(&property.owner, &words(&property.name));
        let inline = self.words_at(key, inline);
        let used = self.lower(&property.schema, key, &inline);
        let ty = if self.is_secret(property, &used.ty) { Ty::Secret(Box::new(used.ty)) } else { used.ty };
        let presence = match (required, used.nullable) {
            (true, false) => Presence::Required,
            (true, true) => Presence::Nullable,
            (false, true) if patched => Presence::Patched,
            (false, _) => Presence::Optional,
        };
        let rust = self.overlay.name(&format!("{key} field")).map_or_else(|| identifier(&property.name), str::to_owned);
        // A setter of this name would shadow a method that every type has.
        let rust = if matches!(rust.as_str(), "clone" | "default" | "extra" | "from" | "into" | "new") {
            format!("{rust}_member")
        } else {
            rust
        };
        let values_in_type = matches!(ty, Ty::Named(_));
        Field {
            wire: property.name.clone(),
            rust,
            boxed: false,
            presence,
            facts: facts(&property.schema, values_in_type),
            key: key.clone(),
            deprecated: property.schema.is_true("deprecated"),
            ty,
        }
    }
}

/// The name of a type of these words.
fn type_name(words: &[String]) -> String {
    let name = pascal(words);
    if TAKEN.contains(&name.as_str()) {
        return format!("Api{name}");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("V{name}") } else { name }
}

/// Words for an inline type that no other place has: the last step of the way first.
fn long_words(key: &str) -> Vec<String> {
    let at = key.rfind(['.', '[', '{', '|', '(', '=']).unwrap_or_default();
    let (owner, step) = key.split_at_checked(at).unwrap_or((key, ""));
    let own = match step {
        "[]" => vec!["item".to_owned()],
        "{}" => vec!["value".to_owned()],
        "()" => vec!["params".to_owned()],
        step => words(step),
    };
    own.into_iter().chain(["of".to_owned()]).chain(words(owner)).collect()
}

/// The types a schema allows, and whether null is one of them.
pub fn types(schema: &Node) -> (Vec<&str>, bool) {
    let mut types = match schema.get("type") {
        Some(Node::Text(one)) => vec![one.as_str()],
        Some(Node::List(_)) => schema.texts_of("type"),
        _ => Vec::new(),
    };
    let before = types.len();
    types.retain(|name| *name != "null");
    let nullable = before != types.len() || schema.is_true("nullable");
    (types, nullable)
}

/// The one text a schema allows.
pub fn constant(schema: &Node) -> Option<&Node> {
    let value = match (schema.get("const"), schema.get("enum").map(Node::elements)) {
        (Some(value), _) => value,
        (None, Some([value])) => value,
        _ => return None,
    };
    let nullable = types(schema).1;
    (matches!(value, Node::Text(_)) && !nullable).then_some(value)
}
