//! A history that is independent of the protocols, and how fields are moved into it and out of it.
//!
//! Each protocol has a reader to [`History`] and a writer from it. A reader takes the fields it
//! knows out of an object, and a writer takes the attributes it can represent out of a part;
//! whatever is left over on either side is a [`Loss`]. So nothing can be dropped by being
//! forgotten.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Loss;
use crate::core::wire::{Json, Unrecognized, Wire, decode};

pub(super) const NO_PLACE: &str = "the other protocol cannot represent it";
pub(super) const UNKNOWN: &str = "this version of the crate does not know what it means";
pub(super) const ORDER: &str = "the other protocol cannot keep its position; it comes earlier";
pub(super) const BOUNDARY: &str = "the other protocol joins it with what precedes it";

/// The protocol that a history was read from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Source {
    Chat,
    Messages,
    Responses,
}

pub(super) struct History {
    pub(super) source: Source,
    pub(super) turns: Vec<Turn>,
    losses: Vec<Loss>,
}

/// A turn of a conversation, or the result of one tool call.
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) at: String,
    pub(super) attributes: Attributes,
    /// Whether the content was one string.
    pub(super) is_text: bool,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

pub(super) struct Part {
    pub(super) kind: Kind,
    /// The whole value in the source, for a protocol that cannot represent such a part.
    pub(super) source: Json,
    pub(super) at: String,
    pub(super) attributes: Attributes,
    /// The number of the item it was in, for reasoning, whose items have several pieces.
    pub(super) item: usize,
}

/// The kind of a part. The order is that within a chat message.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Summary,
    Thinking,
    Encrypted,
    Text,
    Image,
    Audio,
    Video,
    File,
    Refusal,
    Call,
}

impl Kind {
    /// Returns where the part is in a chat message: reasoning comes before the content, and calls
    /// come after it.
    pub(super) fn stage(self) -> u8 {
        match self {
            Self::Summary | Self::Thinking | Self::Encrypted => 0,
            Self::Refusal => 2,
            Self::Call => 3,
            _ => 1,
        }
    }

    pub(super) fn is_reasoning(self) -> bool {
        self.stage() == 0
    }
}

/// Named values, each with where it was found.
#[derive(Default)]
pub(super) struct Attributes(BTreeMap<&'static str, (String, Json)>);

impl Attributes {
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name).map(|(_, value)| value)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).map(|(_, value)| value)
    }

    pub(super) fn insert(&mut self, name: &'static str, at: impl Into<String>, value: impl Into<Json>) {
        self.0.insert(name, (at.into(), value.into()));
    }

    /// Moves an attribute that the other does not have yet.
    pub(super) fn move_to(&mut self, name: &'static str, other: &mut Self) {
        if let Some(value) = self.0.remove(name) {
            let left = match other.0.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(value);
                    None
                }
                Entry::Occupied(_) => Some(value),
            };
            self.0.extend(left.map(|value| (name, value)));
        }
    }

    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        self.0.keys().all(|name| names.contains(name))
    }
}

impl History {
    pub(super) fn new(source: Source) -> Self {
        Self { source, turns: Vec::new(), losses: Vec::new() }
    }

    pub(super) fn lose(&mut self, at: impl Into<String>, value: Json, reason: &'static str) {
        self.losses.push(Loss { path: at.into(), value, reason, is_bookkeeping: false });
    }

    /// Reports the attributes that were not converted.
    pub(super) fn lose_rest(&mut self, attributes: Attributes) {
        for (name, (path, value)) in attributes.0 {
            let is_bookkeeping = matches!(name, "id" | "index" | "status");
            self.losses.push(Loss { path, value, reason: NO_PLACE, is_bookkeeping });
        }
    }

    /// Reports a part that cannot be represented, and what it has from the item around it.
    pub(super) fn lose_part(&mut self, part: Part) {
        let Part { at, source, mut attributes, .. } = part;
        attributes.0.retain(|_, (path, _)| !path.starts_with(&at));
        self.lose(at, source, NO_PLACE);
        self.lose_rest(attributes);
    }

    /// Reports the fields of an object that are not known. Null and empty lists say nothing.
    pub(super) fn lose_unknown(&mut self, object: Object) {
        for (name, value) in object.members {
            if !value.is_null() && value.as_array().is_none_or(|elements| !elements.is_empty()) {
                self.lose(format!("{}.{name}", object.at), value, UNKNOWN);
            }
        }
    }

    /// Returns the losses, in the order of the source.
    pub(super) fn into_losses(self) -> Vec<Loss> {
        let mut losses = self.losses;
        losses.sort_by_cached_key(|loss| sortable(&loss.path));
        losses
    }
}

/// Returns a path whose numbers sort by their value.
fn sortable(path: &str) -> Vec<(usize, String)> {
    let steps = path.split(['[', ']', '.']).filter(|step| !step.is_empty());
    steps.map(|step| (step.parse().unwrap_or(usize::MAX), step.to_owned())).collect()
}

impl Turn {
    pub(super) fn new(role: Role, at: impl Into<String>) -> Self {
        Self { role, at: at.into(), attributes: Attributes::default(), is_text: false, parts: Vec::new() }
    }
}

/// Returns the content as one string, if it was one and has only its text.
pub(super) fn text_of(is_text: bool, parts: &[Part]) -> Option<Json> {
    match parts {
        [part] if is_text && part.kind == Kind::Text && part.attributes.has_only(&["text"]) => {
            part.attributes.get("text").cloned()
        }
        _ => None,
    }
}

impl Part {
    pub(super) fn new(kind: Kind, at: impl Into<String>, source: Json) -> Self {
        Self { kind, source, at: at.into(), attributes: Attributes::default(), item: 0 }
    }

    /// Creates a part with these fields of an object, each under the name of its attribute.
    pub(super) fn of(kind: Kind, object: &mut Object, names: &[(&str, &'static str)]) -> Self {
        let mut part = Self::new(kind, &object.at, object.source.clone());
        object.move_to(&mut part.attributes, names);
        part
    }

    pub(super) fn text(at: &str, text: &Json) -> Self {
        let mut part = Self::new(Kind::Text, at, text.clone());
        part.attributes.insert("text", at, text.clone());
        part
    }
}

/// The fields of an object that were not taken yet.
pub(super) struct Object {
    pub(super) at: String,
    pub(super) source: Json,
    members: BTreeMap<String, Json>,
}

impl Object {
    pub(super) fn new(at: impl Into<String>, source: &Json) -> Option<Self> {
        let members = source.as_object()?.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        Some(Self { at: at.into(), source: source.clone(), members })
    }

    /// Takes a field; `None` if it is missing or null.
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field that is a string.
    pub(super) fn take_text(&mut self, name: &str) -> Option<Json> {
        self.members.get(name)?.is_string().then(|| self.take(name))?
    }

    /// Takes a field that has this value.
    pub(super) fn take_if(&mut self, name: &str, value: impl Into<Json>) {
        if self.members.get(name) == Some(&value.into()) {
            self.members.remove(name);
        }
    }

    /// Takes a field that is an object.
    pub(super) fn take_object(&mut self, name: &str) -> Option<Self> {
        let object = Self::new(format!("{}.{name}", self.at), self.members.get(name)?)?;
        self.members.remove(name);
        Some(object)
    }

    /// Takes a field that is a list, as its elements with their paths.
    pub(super) fn take_list(&mut self, name: &str) -> Vec<(String, Json)> {
        let Some(list) = self.members.get(name).and_then(Json::as_array).map(<[Json]>::to_vec) else {
            return Vec::new();
        };
        self.members.remove(name);
        list.into_iter().enumerate().map(|(at, value)| (format!("{}.{name}[{at}]", self.at), value)).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.members.get(name)
    }

    /// Returns the fields that were not taken.
    pub(super) fn rest(self) -> Json {
        Json::from(self.members)
    }

    /// Moves fields to attributes.
    pub(super) fn move_to(&mut self, attributes: &mut Attributes, names: &[(&str, &'static str)]) {
        for (member, name) in names {
            let at = format!("{}.{member}", self.at);
            self.take(member).into_iter().for_each(|value| attributes.insert(name, &at, value));
        }
    }
}

/// An object that is being written.
#[derive(Clone, Default)]
pub(super) struct Written(BTreeMap<String, Json>);

impl Written {
    pub(super) fn of_type(name: &str) -> Self {
        Self::default().with("type", Some(name.into()))
    }

    pub(super) fn with(mut self, name: &str, value: Option<Json>) -> Self {
        self.set(name, value);
        self
    }

    pub(super) fn set(&mut self, name: &str, value: Option<Json>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Takes over attributes of a part, each under the name of its field.
    pub(super) fn taking(mut self, attributes: &mut Attributes, names: &[(&str, &str)]) -> Self {
        for (name, member) in names {
            self.set(member, attributes.take(name));
        }
        self
    }

    pub(super) fn json(self) -> Json {
        Json::from(self.0)
    }

    /// Converts the value to a type of the API. What matches none of its types is kept whole.
    pub(super) fn typed<T: Wire + From<Unrecognized>>(self) -> T {
        let json = self.json();
        decode(json.as_text()).unwrap_or_else(|_| T::from(json.into()))
    }
}

pub(super) fn list(elements: Vec<Json>) -> Json {
    crate::core::wire::json(&elements)
}

/// Returns the text of the arguments of a call; empty ones are `{}`.
pub(super) fn arguments_text(arguments: &Json) -> Json {
    match arguments.as_str() {
        Some(text) if text.trim_ascii().is_empty() => "{}".into(),
        Some(_) => arguments.clone(),
        None => arguments.as_text().into(),
    }
}

/// A piece of reasoning, as far as it decides whether the next one belongs to the same item.
pub(super) struct Piece {
    kind: Kind,
    id: Json,
    format: Json,
    is_signed: bool,
}

impl Piece {
    pub(super) fn of(part: &Part) -> Self {
        let get = |name| part.attributes.get(name).cloned().unwrap_or_default();
        Self {
            kind: part.kind,
            id: get("id"),
            format: get("format"),
            is_signed: part.attributes.get("signature").is_some(),
        }
    }

    /// Returns whether the next piece is read as one of the same item: an item has its summary
    /// first, then its text with one signature, then what is encrypted.
    pub(super) fn goes_on_with(&self, next: &Self) -> bool {
        let is_same = self.id == next.id && self.format == next.format;
        is_same
            && self.kind <= next.kind
            && self.kind != Kind::Encrypted
            && (!self.is_signed || next.kind == Kind::Encrypted)
    }
}
