//! The operations of the API, as the generator knows them, and what they require of a request.

use std::borrow::Cow;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::RecordedRequest;

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let list = serde_json::from_str(include_str!("operations.json"));
    let list: Vec<Value> = list.unwrap_or_default();
    list.into_iter().map(Operation::new).collect()
});

/// An operation of the API.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    /// Whether it needs a key.
    pub(super) key: bool,
    facts: Value,
}

/// What a request asks for.
pub(super) enum Found {
    /// An operation, and the parameters in its path.
    Operation(&'static Operation, Vec<(&'static str, String)>),
    /// A path with other methods.
    OtherMethods(String),
    Nothing,
}

/// Finds the operation of a request.
pub(super) fn find(method: &str, path: &str) -> Found {
    let matching = OPERATIONS.iter().filter_map(|operation| Some((operation, parameters(&operation.path, path)?)));
    // `/files/new` is more than `/files/{id}`.
    let fewest = matching.clone().map(|(_, parameters)| parameters.len()).min();
    let mut matching = matching.filter(|(_, parameters)| Some(parameters.len()) == fewest);
    if let Some((operation, parameters)) = matching.clone().find(|(operation, _)| operation.method == method) {
        return Found::Operation(operation, parameters);
    }
    let methods: Vec<_> = matching.by_ref().map(|(operation, _)| operation.method.as_str()).collect();
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods.join(", ")) }
}

/// The parameters of a path that fits a pattern such as `/files/{file_id}`.
fn parameters<'a>(pattern: &'a str, path: &str) -> Option<Vec<(&'a str, String)>> {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (expected, segment) in pattern.into_iter().zip(path) {
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if segment.is_empty() => return None,
            Some(name) => parameters.push((name, percent_decode_str(segment).decode_utf8_lossy().into_owned())),
            None if expected == segment => {}
            None => return None,
        }
    }
    Some(parameters)
}

/// The value of a parameter in the query of a request.
pub(super) fn query(request: &RecordedRequest, name: &str) -> Option<String> {
    pairs(&request.query).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

/// The pairs of a query or a form.
fn pairs(text: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let decoded = |text: &str| Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned());
    text.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

impl Operation {
    fn new(facts: Value) -> Self {
        let text = |name: &str| facts.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = facts.get("key") == Some(&Value::Bool(true));
        Self { id: text("id"), method: text("method"), path: text("path"), key, facts }
    }

    /// What the generator knows of the operation under this name.
    pub(super) fn fact(&self, name: &str) -> Option<&Value> {
        self.facts.get(name)
    }

    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fact(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Checks the query and the body of a request. Returns the body if it is JSON.
    pub(super) fn check(&self, request: &RecordedRequest) -> Result<Value, String> {
        if let Some(missing) = self.texts("query").find(|name| query(request, name).is_none()) {
            return Err(format!("The parameter `{missing}` is required in the query"));
        }
        let Some(bodies) = self.fact("bodies").and_then(Value::as_object) else { return Ok(Value::Null) };
        let media_type = request.header("content-type").unwrap_or("application/json");
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let Some(shape) = bodies.get(media_type) else {
            let types: Vec<_> = bodies.keys().map(String::as_str).collect();
            return Err(format!("The body is {media_type}; send {}", types.join(" or ")));
        };
        let required = || shape.as_object().into_iter().flatten().filter_map(|(name, _)| name.strip_suffix('!'));
        let text = String::from_utf8_lossy(&request.body);
        let missing = match media_type {
            "multipart/form-data" => required().find(|name| !text.contains(&format!("name=\"{name}\""))),
            "application/x-www-form-urlencoded" => required().find(|name| !pairs(&text).any(|(own, _)| own == *name)),
            _ => {
                let body =
                    serde_json::from_str(&text).map_err(|error| format!("The body is not valid JSON: {error}"))?;
                check(shape, &body, "")?;
                return Ok(body);
            }
        };
        missing.map_or(Ok(Value::Null), |name| Err(format!("The field `{name}` is required")))
    }
}

/// Checks a value against the shape that the generator wrote for it.
fn check(shape: &Value, value: &Value, place: &str) -> Result<(), String> {
    let wrong = |expected: &str| match place {
        "" => Err(format!("The body must be of type {expected}")),
        _ => Err(format!("The field `{place}` must be of type {expected}")),
    };
    match shape {
        Value::Object(members) => {
            let Some(value) = value.as_object() else { return wrong("object") };
            for (name, shape) in members {
                let own = name.trim_end_matches('!');
                let place = if place.is_empty() { own.to_owned() } else { format!("{place}.{own}") };
                match value.get(own) {
                    Some(Value::Null) if own == name => {}
                    Some(value) => check(shape, value, &place)?,
                    None if own == name => {}
                    None => return Err(format!("The field `{place}` is required")),
                }
            }
        }
        Value::Array(items) => {
            let Some(values) = value.as_array() else { return wrong("array") };
            for (item, (index, value)) in items.first().iter().cycle().zip(values.iter().enumerate()) {
                check(item, value, &format!("{place}[{index}]"))?;
            }
        }
        kind => {
            let kind = kind.as_str().unwrap_or_default();
            let fits = match kind.trim_end_matches('?') {
                _ if value.is_null() => kind.ends_with('?') || kind == "any",
                "string" => value.is_string(),
                "integer" => {
                    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
                }
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                _ => true,
            };
            if !fits {
                return wrong(kind.trim_end_matches('?'));
            }
        }
    }
    Ok(())
}
