//! Schemas of responses and tools from Rust types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::strict::make_strict;
#[cfg(feature = "chat")]
use crate::models::chat::ChatFunctionToolFunction;
#[cfg(feature = "messages")]
use crate::models::messages::{MessagesOutputConfig, MessagesOutputConfigFormat, MessagesRequestToolCustom};
#[allow(clippy::wildcard_imports, unused_imports, reason = "a build without these namespaces has no use for them")]
use crate::models::*;

/// The schema of a type, in the form in which a model is asked for it.
struct Asked {
    name: String,
    description: Option<String>,
    schema: Value,
    is_strict: bool,
}

impl Asked {
    #[inline]
    fn of<T: JsonSchema>() -> Self {
        // Many providers do not resolve references; those that remain are of recursive types.
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        let name = T::schema_name();
        let name = name.chars().map(|letter| if allowed(letter) { letter } else { '_' }).take(64).collect();
        let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
        let mut strict = schema.clone();
        match make_strict(&mut strict, "") {
            Ok(()) => Self { name, description, schema: strict, is_strict: true },
            Err(_) => Self { name, description, schema, is_strict: false },
        }
    }
}

#[cfg(feature = "chat")]
impl ChatRequest {
    /// Requests a response that is a `T`: sets `response_format` to its JSON schema, in strict mode
    /// if the type allows it.
    ///
    /// A strict schema requires every field, in the order of the type; a field that may be missing
    /// is an `Option` and arrives as null. Maps and untyped values cannot be strict; providers then
    /// follow the schema as well as they can. `T` should be a struct: most providers require an
    /// object. Read the response with [`ChatResult::parse`].
    ///
    /// ```
    /// use openrouter_kit::models::{ChatMessage, ChatRequest};
    ///
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Weather {
    ///     place: String,
    ///     degrees: f64,
    /// }
    ///
    /// let request = ChatRequest::new([ChatMessage::user("How is the weather in Rome?")])
    ///     .model("openai/gpt-4o-mini")
    ///     .json_schema_of::<Weather>();
    /// # let _ = request;
    /// ```
    #[must_use]
    #[inline]
    pub fn json_schema_of<T: JsonSchema>(self) -> Self {
        let Asked { name, description, schema, is_strict } = Asked::of::<T>();
        let mut asked = ChatJsonSchemaConfig::new(name).schema(schema).strict(is_strict);
        asked.description = description;
        self.response_format(ChatFormatJsonSchemaConfig::new(asked))
    }
}

#[cfg(feature = "chat")]
impl ChatFunctionTool {
    /// Creates a function whose parameters are the fields of `T`. Its description is the doc
    /// comment of the type; it is strict unless the type needs a map. Read the arguments with
    /// [`ChatToolCall::parse_arguments`].
    #[inline]
    pub fn from_type<T: JsonSchema>(name: impl Into<String>) -> ChatFunctionToolFunction {
        let asked = Asked::of::<T>();
        let mut tool = Self::function(name, asked.schema).strict(asked.is_strict);
        tool.function.description = asked.description;
        tool
    }
}

#[cfg(feature = "responses")]
impl ResponsesRequest {
    /// Requests a response that is a `T`: sets the format of `text` to its JSON schema, in strict
    /// mode if the type allows it.
    ///
    /// A strict schema requires every field, in the order of the type; a field that may be missing
    /// is an `Option` and arrives as null. Maps and untyped values cannot be strict; providers then
    /// follow the schema as well as they can. `T` should be a struct: most providers require an
    /// object. Read the response with [`ResponsesResult::parse`].
    ///
    /// ```
    /// use openrouter_kit::models::ResponsesRequest;
    ///
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Weather {
    ///     place: String,
    ///     degrees: f64,
    /// }
    ///
    /// let request = ResponsesRequest::new()
    ///     .model("openai/gpt-4o-mini")
    ///     .input("How is the weather in Rome?")
    ///     .json_schema_of::<Weather>();
    /// # let _ = request;
    /// ```
    #[must_use]
    #[inline]
    pub fn json_schema_of<T: JsonSchema>(mut self) -> Self {
        let Asked { name, description, schema, is_strict } = Asked::of::<T>();
        let mut asked = FormatJsonSchemaConfig::new(name, schema).strict(is_strict);
        asked.description = description;
        self.text.get_or_insert_with(TextExtendedConfig::new).format = Some(asked.into());
        self
    }
}

#[cfg(feature = "responses")]
impl ResponsesTool {
    /// Creates a function whose parameters are the fields of `T`. Its description is the doc
    /// comment of the type; it is strict unless the type needs a map. Read the arguments with
    /// [`OutputFunctionCallItem::parse_arguments`].
    #[inline]
    pub fn from_type<T: JsonSchema>(name: impl Into<String>) -> ResponsesFunctionTool {
        let asked = Asked::of::<T>();
        let mut tool = Self::function(name, asked.schema).strict(asked.is_strict);
        tool.description = asked.description;
        tool
    }
}

#[cfg(feature = "messages")]
impl MessagesRequest {
    /// Requests a response that is a `T`: sets the format of `output_config` to its JSON schema.
    ///
    /// Every field is required; a field that may be missing is an `Option` and arrives as null. `T`
    /// should be a struct. Read the response with [`MessagesResult::parse`].
    #[must_use]
    #[inline]
    pub fn json_schema_of<T: JsonSchema>(mut self) -> Self {
        let format = MessagesOutputConfigFormat::new(Asked::of::<T>().schema);
        self.output_config.get_or_insert_with(MessagesOutputConfig::new).format = Some(format);
        self
    }
}

#[cfg(feature = "messages")]
impl MessagesRequestTool {
    /// Creates a tool whose input has the fields of `T`. Its description is the doc comment of the
    /// type. Read the input with [`AnthropicToolUseBlock::parse_input`].
    #[inline]
    pub fn from_type<T: JsonSchema>(name: impl Into<String>) -> MessagesRequestToolCustom {
        let asked = Asked::of::<T>();
        let mut tool = Self::custom(name, asked.schema);
        tool.description = asked.description;
        tool
    }
}
