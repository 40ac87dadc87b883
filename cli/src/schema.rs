//! Structured output: the schema that a response has to match.

use std::fmt::Display;
use std::fs;

use boon::{CompileError, Compiler, SchemaIndex, Schemas, UrlLoader};
use openrouter_kit::core::wire::Json;
use openrouter_kit::models::{
    ChatFormatJsonSchemaConfig, ChatJsonSchemaConfig, ChatRequestResponseFormat, FormatJsonSchemaConfig,
};
use openrouter_kit::serde_json::{self, Value, json};

use crate::exit::Failure;

/// Where the compiler keeps the schema.
const LOCATION: &str = "schema.json";

/// A schema, ready to be sent and to check a response.
pub(crate) struct Schema {
    value: Value,
    /// Whether the schema keeps the rules of strict output, which is known of the short form only.
    is_strict: bool,
    compiled: Schemas,
    index: SchemaIndex,
}

/// References to other documents are not followed.
struct NoDocuments;

impl UrlLoader for NoDocuments {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("{url} is another document; put everything into one schema").into())
    }
}

impl Schema {
    /// Reads a schema: JSON, a file with JSON, or the short form `name, age int`.
    pub(crate) fn read(source: &str) -> Result<Self, Failure> {
        if source.trim_start().starts_with('{') {
            return Self::parse(source, "the schema");
        }
        match fs::read_to_string(source) {
            Ok(text) => Self::parse(&text, source),
            Err(error) if source.contains(['/', '\\']) || source.ends_with(".json") => {
                Err(Failure::Usage(format!("{source}: {error}")))
            }
            Err(_) => Self::new(short_form(source)?, true),
        }
    }

    fn parse(text: &str, name: &str) -> Result<Self, Failure> {
        let value = serde_json::from_str(text).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
        Self::new(value, false)
    }

    fn new(value: Value, is_strict: bool) -> Result<Self, Failure> {
        let (mut compiler, mut compiled) = (Compiler::new(), Schemas::new());
        compiler.use_loader(Box::new(NoDocuments));
        let invalid = |error: CompileError| {
            // The alternate form has the reasons, one a line below the first.
            let text = format!("{error:#}");
            let reasons: Vec<_> = text.lines().skip(1).map(str::trim).collect();
            let reason = if reasons.is_empty() { text.clone() } else { reasons.join("; ") };
            Failure::Usage(format!("the schema is not valid: {reason}"))
        };
        compiler.add_resource(LOCATION, value.clone()).map_err(invalid)?;
        let index = compiler.compile(LOCATION, &mut compiled).map_err(invalid)?;
        Ok(Self { value, is_strict, compiled, index })
    }

    /// Returns the schema as an option of a request.
    pub(crate) fn response_format(&self) -> ChatRequestResponseFormat {
        let mut config = ChatJsonSchemaConfig::new("response").schema(self.value.clone());
        if self.is_strict {
            config = config.strict(true);
        }
        ChatFormatJsonSchemaConfig::new(config).into()
    }

    /// Returns the schema as an option of a request with tools.
    pub(crate) fn text_format(&self) -> FormatJsonSchemaConfig {
        let mut format = FormatJsonSchemaConfig::new("response", Json::from(self.value.clone()));
        format.strict = self.is_strict.then_some(true);
        format
    }

    /// Returns the JSON of a response if it matches the schema.
    pub(crate) fn check(&self, parsed: Result<Json, impl Display>) -> Result<Json, Failure> {
        let json = parsed.map_err(|error| Failure::Mismatch(error.to_string()))?;
        match self.compiled.validate(&json.to_value(), self.index) {
            Ok(()) => Ok(json),
            Err(error) => {
                let reasons = error.to_string();
                let reasons: Vec<_> = reasons.lines().skip(1).map(str::trim).collect();
                let text = format!("the response does not match the schema: {}\n{json}", reasons.join("; "));
                Err(Failure::Mismatch(text))
            }
        }
    }
}

/// Reads `name, age int, tags [str]: what they are`: fields separated by commas or lines, all of them required.
fn short_form(source: &str) -> Result<Value, Failure> {
    let separator = if source.contains('\n') { '\n' } else { ',' };
    let mut properties = serde_json::Map::new();
    for field in source.split(separator).map(str::trim).filter(|field| !field.is_empty()) {
        let (declared, description) = field.split_once(':').map_or((field, None), |(field, text)| (field, Some(text)));
        let mut words = declared.split_whitespace();
        let name = words.next().unwrap_or_default();
        let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        let kind = words.next().unwrap_or("str");
        let element = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']'));
        let (true, Some(base), None) = (is_name, json_type(element.unwrap_or(kind)), words.next()) else {
            let advice = "name a file with a schema, or write fields such as 'name, age int, tags [str]' \
                          with the types str, int, float and bool";
            return Err(Failure::Usage(format!("{field:?} is not a field of a schema; {advice}")));
        };
        let mut property = serde_json::Map::new();
        match element {
            Some(_) => property.extend([("type".into(), "array".into()), ("items".into(), json!({"type": base}))]),
            None => property.extend([("type".into(), base.into())]),
        }
        if let Some(description) = description.map(str::trim).filter(|text| !text.is_empty()) {
            property.insert("description".to_owned(), description.into());
        }
        properties.insert(name.to_owned(), property.into());
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    if required.is_empty() {
        return Err(Failure::Usage("the schema has no fields".to_owned()));
    }
    Ok(json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false}))
}

fn json_type(name: &str) -> Option<&'static str> {
    match name {
        "str" | "string" => Some("string"),
        "int" | "integer" => Some("integer"),
        "float" | "number" => Some("number"),
        "bool" | "boolean" => Some("boolean"),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use openrouter_kit::helpers::ParseError;
    use openrouter_kit::models::ChatResult;

    use super::*;

    fn said(text: &str) -> Result<Json, ParseError> {
        let result =
            json!({"id": "gen-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]});
        serde_json::from_value::<ChatResult>(result).unwrap().parse()
    }

    #[test]
    fn the_short_form_makes_a_strict_schema() {
        let schema = short_form("name, age int, tags [str]: what others say, ok bool").unwrap();
        assert_eq!(schema["required"], json!(["name", "age", "tags", "ok"]));
        assert_eq!(schema["properties"]["age"], json!({"type": "integer"}));
        assert_eq!(schema["properties"]["tags"]["items"], json!({"type": "string"}));
        assert_eq!(schema["properties"]["tags"]["description"], "what others say");
        for wrong in ["", "a b", "a int b", "missing/file.json", "a [int"] {
            assert!(matches!(Schema::read(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn a_response_is_checked_against_the_schema() {
        let schema = Schema::read("name, age int").unwrap();
        let fitting = schema.check(said("```json\n{\"name\": \"Ada\", \"age\": 36}\n```")).unwrap();
        assert_eq!(fitting.as_text(), "{\"name\": \"Ada\", \"age\": 36}");
        for wrong in ["no JSON", "{\"name\": \"Ada\"}", "{\"name\": \"Ada\", \"age\": \"36\"}", "[]"] {
            assert!(matches!(schema.check(said(wrong)), Err(Failure::Mismatch(_))), "{wrong}");
        }
    }

    #[test]
    fn other_documents_are_not_read() {
        let Err(Failure::Usage(text)) = Schema::read(r#"{"$ref": "file:///etc/passwd"}"#) else {
            unreachable!("a reference to a file was followed")
        };
        assert!(text.contains("not valid"), "{text}");
    }
}
