//! The API document as a tree that keeps its order.

use std::fmt;
use std::path::Path;

use serde_yaml_ng::Value;

use crate::Failure;

/// One value of a YAML or JSON document. Members keep the order of the document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Named members.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads a YAML (or JSON) file.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|failure| failure.at(&path.display().to_string()))
    }

    /// Reads a YAML (or JSON) text.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let value: Value = serde_yaml_ng::from_str(text).map_err(|error| Failure::new(format!("no YAML: {error}")))?;
        Ok(Self::from(value))
    }

    /// The member `name` of a map.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The member `name`, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Map(members) => members.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Puts a member in, or another value into it.
    pub fn set(&mut self, name: &str, value: Self) {
        if let Some(place) = self.get_mut(name) {
            *place = value;
        } else if let Self::Map(members) = self {
            members.push((name.to_owned(), value));
        }
    }

    /// Adds the members or elements that are not there yet. Returns whether there were any.
    pub fn add(&mut self, addition: &Self) -> bool {
        let mut added = false;
        for (name, value) in addition.members() {
            if self.get(name).is_none() {
                self.set(name, value.clone());
                added = true;
            }
        }
        for element in addition.elements() {
            if let Self::List(elements) = self
                && !elements.contains(element)
            {
                elements.push(element.clone());
                added = true;
            }
        }
        added
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Self> {
        let Self::Map(members) = self else { return None };
        let at = members.iter().position(|(key, _)| key == name)?;
        Some(members.remove(at).1)
    }

    /// The members of a map; none for anything else.
    pub fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Map(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; none for anything else.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }

    /// The text of a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of member `name`.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Self::text)
    }

    /// The texts in the list `name`.
    pub fn texts_of(&self, name: &str) -> Vec<&str> {
        self.get(name).map_or(&[][..], Self::elements).iter().filter_map(Self::text).collect()
    }

    /// Returns `true` if member `name` is `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Self::Bool(true))
    }

    /// The value as JSON text.
    pub fn to_json(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => text.clone(),
            Self::Text(text) => quote(text),
            Self::List(list) => format!("[{}]", list.iter().map(Self::to_json).collect::<Vec<_>>().join(",")),
            Self::Map(members) => {
                let members = members.iter().map(|(name, value)| format!("{}:{}", quote(name), value.to_json()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The value of member `name`; sorted if it is a list whose order means nothing.
    fn in_order(mut self, name: &str) -> Self {
        if let Self::List(list) = &mut self
            && matches!(name, "enum" | "required" | "oneOf" | "anyOf" | "type")
        {
            list.sort_by_cached_key(Self::to_json);
        }
        self
    }

    /// The same tree without members that only explain: two schemas that differ in these alone are the same type.
    pub fn without_prose(&self) -> Self {
        match self {
            Self::List(list) => Self::List(list.iter().map(Self::without_prose).collect()),
            Self::Map(members) => {
                let mut kept: Vec<_> = members
                    .iter()
                    .filter(|(name, _)| !matches!(name.as_str(), "description" | "example" | "examples" | "title"))
                    .map(|(name, value)| (name.clone(), value.without_prose().in_order(name)))
                    .collect();
                kept.sort_by(|one, two| one.0.cmp(&two.0));
                Self::Map(kept)
            }
            other => other.clone(),
        }
    }
}

/// `text` as a JSON string, which is also a Rust string literal for the texts of an API document.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::Text(text),
            Value::Sequence(list) => Self::List(list.into_iter().map(Self::from).collect()),
            Value::Mapping(members) => Self::Map(
                members.into_iter().map(|(key, value)| (Self::from(key).to_string(), Self::from(value))).collect(),
            ),
            Value::Tagged(tagged) => Self::from(tagged.value),
        }
    }
}

impl fmt::Display for Node {
    /// Scalars as they are written in the document, the rest as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            other => f.write_str(&other.to_json()),
        }
    }
}
