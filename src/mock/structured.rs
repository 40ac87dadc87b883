//! JSON that a request asks a model for: output with a schema, and the arguments of a tool.

use serde_json::{Map, Value, json};

/// Deeper than this, values are empty: a schema may contain itself.
const DEEPEST: usize = 16;

/// The tool that a request requires to be called, and the schema of its arguments.
pub(super) fn required_tool(body: &Value) -> Option<(&str, &Value)> {
    let choice = body.get("tool_choice")?;
    let named = choice.get("name").or_else(|| choice.get("function")?.get("name")).and_then(Value::as_str);
    let is_required = matches!(choice.as_str(), Some("required"))
        || matches!(choice.get("type").and_then(Value::as_str), Some("any" | "tool" | "function"));
    let tools = body.get("tools").and_then(Value::as_array).filter(|_| is_required)?;
    let tools = tools.iter().filter_map(|tool| {
        let function = tool.get("function").unwrap_or(tool);
        let parameters = function.get("parameters").or_else(|| function.get("input_schema")).unwrap_or(&Value::Null);
        Some((function.get("name")?.as_str()?, parameters))
    });
    let mut tools = tools.filter(|(name, _)| named.is_none_or(|wanted| wanted == *name));
    tools.next()
}

/// The schema of the output that a request asks for; `true`, which is any, if it only asks for JSON.
pub(super) fn schema_of(body: &Value) -> Option<&Value> {
    let format = body.get("response_format").or_else(|| body.get("text")?.get("format"));
    let format = format.or_else(|| body.get("output_config")?.get("format")).or_else(|| body.get("output_format"))?;
    match format.get("type").and_then(Value::as_str)? {
        "json_schema" => {
            format.get("schema").or_else(|| format.get("json_schema")?.get("schema")).or(Some(&Value::Bool(true)))
        }
        "json_object" => Some(&Value::Bool(true)),
        _ => None,
    }
}

/// A value that fits a JSON schema, as far as one is found by its types.
pub(super) fn sample(schema: &Value) -> Value {
    let value = value(schema, schema, "value", 0);
    // Without a type, the output and the arguments are objects.
    if value.is_null() { json!({}) } else { value }
}

fn value(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    let inner = |schema| value(schema, root, name, depth + 1);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?))
    {
        return inner(target);
    }
    if let Some(value) = schema.get("const").or_else(|| schema.get("enum")?.get(0)).or_else(|| schema.get("default")) {
        return value.clone();
    }
    if let Some(branches) = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(word)?.as_array()) {
        return branches.first().map(inner).unwrap_or_default();
    }
    let parts = schema.get("allOf").and_then(Value::as_array);
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("string") => Value::String(text(schema, name)),
        Some("integer") => json!(least(schema, 1.0).ceil() as i64),
        Some("number") => json!(least(schema, 1.5)),
        Some("boolean") => json!(true),
        Some("array") => {
            let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 100) as usize;
            let count = if schema.get("maxItems").and_then(Value::as_u64) == Some(0) { 0 } else { count };
            let items = schema.get("items").map(inner).unwrap_or_default();
            Value::Array(vec![items; if depth == DEEPEST { 0 } else { count }])
        }
        Some("object") | None if schema.get("properties").is_some() || parts.is_some() => {
            let mut object = Map::new();
            for part in parts.into_iter().flatten() {
                if let Value::Object(members) = inner(part) {
                    object.extend(members);
                }
            }
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let is_required = schema.get("required").and_then(Value::as_array);
                let is_required = is_required.is_some_and(|list| list.iter().any(|own| own == name));
                // What is optional ends where a schema contains itself.
                if is_required || depth < 4 {
                    object.insert(name.clone(), value(property, root, name, depth + 1));
                }
            }
            Value::Object(object)
        }
        Some("object") => json!({}),
        _ => Value::Null,
    }
}

fn least(schema: &Value, usual: f64) -> f64 {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let least = bound("minimum").or_else(|| Some(bound("exclusiveMinimum")? + 1.0));
    let most = bound("maximum").or_else(|| Some(bound("exclusiveMaximum")? - 1.0));
    let number = least.map_or(usual, |least| usual.max(least));
    most.map_or(number, |most| number.min(most))
}

fn text(schema: &Value, name: &str) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "00:00:00Z",
        Some("uuid") => "00000000-0000-4000-8000-000000000001",
        Some("uri") => "https://example.com/",
        Some("email") => "user@example.com",
        _ => name,
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    let most = bound("maxLength").unwrap_or(usize::MAX);
    let padding = bound("minLength").unwrap_or_default().min(1000).saturating_sub(text.chars().count());
    text.chars().chain(std::iter::repeat_n('x', padding)).take(most).collect()
}
