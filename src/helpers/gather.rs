//! Joins untyped fields that arrive in pieces.

use std::collections::BTreeMap;

use crate::core::wire::{self, Json};

/// Fields that say what something is. Every piece repeats them whole, so they are never joined.
const LABELS: [&str; 7] = ["role", "channel", "type", "id", "name", "object", "status"];

/// Untyped fields, gathered from pieces: text is joined, lists are appended, else the last value
/// counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered(BTreeMap<String, Value>);

#[derive(Clone, Debug)]
enum Value {
    /// The JSON text of a string without its quotes. Joined in this form, characters that were cut
    /// in two become whole.
    Text(String),
    List(Vec<Json>),
    Other(Json),
}

impl Gathered {
    #[inline]
    pub(super) fn push(&mut self, name: &str, json: &Json) {
        match (self.0.get_mut(name), Value::of(json)) {
            (Some(Value::Text(whole)), Value::Text(text)) if !LABELS.contains(&name) => whole.push_str(&text),
            (Some(Value::List(whole)), Value::List(list)) => whole.extend(list),
            (Some(whole), value) => *whole = value,
            (None, value) => drop(self.0.insert(name.to_owned(), value)),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(super) fn finish(self) -> impl Iterator<Item = (String, Json)> {
        self.0.into_iter().map(|(name, value)| (name, value.into_json()))
    }
}

impl Value {
    #[inline]
    fn of(json: &Json) -> Self {
        let text = json.as_text();
        if let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            return Self::Text(inner.to_owned());
        }
        match wire::decode(text) {
            Ok(list) => Self::List(list),
            Err(_) => Self::Other(json.clone()),
        }
    }

    #[inline]
    fn into_json(self) -> Json {
        match self {
            Self::Text(inner) => Json::checked(&format!("\"{inner}\"")),
            Self::List(list) => Json::of(&list).unwrap_or_default(),
            Self::Other(json) => json,
        }
    }
}
