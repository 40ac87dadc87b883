//! Schemas for the strict mode of providers, which guarantees that the model follows them.

use serde_json::{Map, Value};

/// Keywords that OpenAI's strict mode does not accept, and that only restrict the type further:
/// without them, a response still matches.
const LEFT_OUT: [&str; 8] =
    ["default", "examples", "uniqueItems", "minLength", "maxLength", "minProperties", "maxProperties", "deprecated"];

/// Keywords that OpenAI's strict mode cannot express. A type that needs them is sent with its plain
/// schema.
const NOT_STRICT: [&str; 11] = [
    "allOf",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "prefixItems",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
];

/// Converts a schema for strict mode: every object names all its properties, requires them and
/// allows no other.
///
/// # Errors
/// The part of the schema, after `path`, that makes this impossible, such as a map.
pub(crate) fn make_strict(schema: &mut Value, path: &str) -> Result<(), String> {
    let place = if path.is_empty() { "the schema" } else { path };
    let Value::Object(members) = schema else { return Err(format!("{place} is not an object")) };
    members.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    if !has_type(members, "string") {
        take(members, "format");
    }
    if let Some(variants) = take(members, "oneOf") {
        members.insert("anyOf".into(), variants);
    }
    if members.len() > 1
        && let Some(reference) = take(members, "$ref")
    {
        members.insert("anyOf".into(), Value::Array(vec![Map::from_iter([("$ref".into(), reference)]).into()]));
    }
    if let Some(name) = members.keys().find(|name| NOT_STRICT.contains(&name.as_str())) {
        return Err(format!("{place} has `{name}`"));
    }
    const SAYING: [&str; 6] = ["type", "anyOf", "enum", "const", "$ref", "properties"];
    if !SAYING.iter().any(|name| members.contains_key(*name)) {
        return Err(format!("{place} has no type"));
    }
    if has_type(members, "object") || members.contains_key("properties") {
        if members.get("additionalProperties").is_some_and(|further| *further != Value::Bool(false)) {
            return Err(format!("{place} has `additionalProperties`"));
        }
        let properties = members.entry("properties").or_insert_with(|| Map::new().into());
        let Value::Object(properties) = properties else {
            return Err(format!("the `properties` of {place} are not an object"));
        };
        let required = properties.keys().cloned().map(Value::from).collect();
        make_all_strict(properties, path)?;
        members.insert("required".into(), Value::Array(required));
        members.insert("additionalProperties".into(), Value::Bool(false));
    }
    for name in ["anyOf", "items"] {
        match members.get_mut(name) {
            Some(Value::Array(schemas)) => {
                schemas.iter_mut().try_for_each(|schema| make_strict(schema, &joined(path, name)))?;
            }
            Some(schema) => make_strict(schema, &joined(path, name))?,
            None => {}
        }
    }
    match members.get_mut("$defs") {
        Some(Value::Object(schemas)) => make_all_strict(schemas, &joined(path, "$defs")),
        _ => Ok(()),
    }
}

fn make_all_strict(schemas: &mut Map<String, Value>, path: &str) -> Result<(), String> {
    schemas.iter_mut().try_for_each(|(name, schema)| make_strict(schema, &joined(path, name)))
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Removes a field; the others keep their order.
fn take(members: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let value = members.get_mut(name)?.take();
    members.retain(|other, _| other != name);
    Some(value)
}

fn has_type(members: &Map<String, Value>, wanted: &str) -> bool {
    match members.get("type") {
        Some(Value::Array(types)) => types.iter().any(|name| name == wanted),
        Some(name) => name == wanted,
        None => false,
    }
}
