//! Helpers for the Messages API.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::media::{Kind, Media};
use super::messages_stream::MessagesAccumulator;
use super::text::{ParseError, parse, parse_arguments};
use super::{retyped, whole_stream};
use crate::Error;
use crate::core::wire::{self, IntoText, Json, Root, Wire};
use crate::core::{StreamItem, base64};
use crate::models::messages::MessagesRequestToolChoiceTool;
use crate::models::*;
use crate::models::{
    messages::{
        AnthropicBase64ImageSource, AnthropicBase64PdfSource, AnthropicImageMimeType, MessagesRequestToolCustom,
        MessagesRequestToolCustomInputSchema, MessagesToolResultContent,
    },
    shared::UrlSource,
};

impl Root for MessagesResult {
    #[inline]
    fn from_events(events: &[&str]) -> Option<Self> {
        let mut answer = MessagesAccumulator::new();
        whole_stream(events)?.iter().for_each(|event| answer.push(event));
        answer.finish()
    }
}

impl StreamItem for MessagesStreamEvent {
    const END_IS_MARKED: bool = true;

    #[inline]
    fn is_terminal(&self) -> bool {
        match self {
            Self::MessageStop(_) => true,
            // An event that does not match its type still ends the stream.
            Self::Unrecognized(kept) => kept.tag("type") == Some("message_stop"),
            _ => false,
        }
    }

    #[inline]
    fn reports_error(&self) -> bool {
        match self {
            Self::Error(_) => true,
            Self::Unrecognized(kept) => match kept.tag("type") {
                Some(tag) => tag == "error",
                None => kept.json().find("error").is_some_and(|error| !error.is_null()),
            },
            _ => false,
        }
    }

    /// A start event with the whole message, and a stop event.
    #[inline]
    fn from_response(json: &str) -> Vec<Json> {
        let events = || {
            wire::decode_to(json, |_: &MessagesResult| ())?;
            let start = [("type", "message_start".into()), ("message", Json::parse(json).ok()?)];
            let stop = [("type", Json::from("message_stop"))];
            Some(vec![Json::from(start), Json::from(stop)])
        };
        events().unwrap_or_default()
    }
}

/// Converts a block of a response to a block of the next request: the same JSON. Only a tool use
/// without input, which servers reject, gets an empty one.
impl From<&MessagesContentBlock> for MessagesContentBlockParam {
    #[inline]
    fn from(block: &MessagesContentBlock) -> Self {
        let mut param: Self = retyped(block);
        if let Self::ToolUse(tool) = &mut param
            && tool.input.is_none()
        {
            tool.input = Some(serde_json::Map::new().into());
        }
        param
    }
}

/// Converts a block of a response to a block of the next request: the same JSON, unchanged.
impl From<MessagesContentBlock> for MessagesContentBlockParam {
    #[inline]
    fn from(block: MessagesContentBlock) -> Self {
        Self::from(&block)
    }
}

/// Converts a response to the assistant's message of the next request, with every block unchanged.
impl From<&MessagesResult> for MessagesMessageParam {
    #[inline]
    fn from(result: &MessagesResult) -> Self {
        let blocks: Vec<_> = result.content.iter().map(MessagesContentBlockParam::from).collect();
        Self::new(blocks, MessagesMessageParamRole::Assistant)
    }
}

/// Converts a response to the assistant's message of the next request, with every block unchanged.
impl From<MessagesResult> for MessagesMessageParam {
    #[inline]
    fn from(result: MessagesResult) -> Self {
        Self::from(&result)
    }
}

impl MessagesMessageParam {
    /// Creates a user message: text, or blocks ([`MessagesContentBlockParam`]).
    ///
    /// ```
    /// use openrouter_kit::models::{MessagesContentBlockParam, MessagesMessageParam, MessagesRequest};
    ///
    /// let request = MessagesRequest::new("anthropic/claude-sonnet-4").max_tokens(500).messages([
    ///     MessagesMessageParam::user([
    ///         MessagesContentBlockParam::text("What is this?"),
    ///         MessagesContentBlockParam::image_url("https://example.com/cat.png"),
    ///     ]),
    /// ]);
    /// # let _ = request;
    /// ```
    #[inline]
    pub fn user(content: impl Into<MessagesMessageParamContent>) -> Self {
        Self::new(content, MessagesMessageParamRole::User)
    }

    /// Creates a message of the assistant that the program has written. A response is sent back
    /// with `MessagesMessageParam::from(&result)`, which keeps all of it.
    #[inline]
    pub fn assistant(content: impl Into<MessagesMessageParamContent>) -> Self {
        Self::new(content, MessagesMessageParamRole::Assistant)
    }
}

/// Creates a user message.
impl<T: IntoText> From<T> for MessagesMessageParam {
    #[inline]
    fn from(text: T) -> Self {
        Self::user(text.into_text())
    }
}

impl MessagesContentBlockParam {
    /// Creates a text block.
    #[inline]
    pub fn text(text: impl Into<String>) -> Self {
        AnthropicTextBlockParam::new(text).into()
    }

    /// Creates an image block by URL.
    #[inline]
    pub fn image_url(url: impl Into<String>) -> Self {
        AnthropicImageBlockParam::new(UrlSource::new(url)).into()
    }

    /// Creates an image block from base64 and its media type, such as `image/png`.
    #[inline]
    pub fn image(base64: impl Into<String>, media_type: impl Into<AnthropicImageMimeType>) -> Self {
        AnthropicImageBlockParam::new(AnthropicBase64ImageSource::new(base64, media_type)).into()
    }

    /// Creates an image block from its bytes and their media type, such as `image/png`.
    #[inline]
    pub fn image_data(media_type: impl Into<AnthropicImageMimeType>, bytes: impl AsRef<[u8]>) -> Self {
        Self::image(base64::encode(bytes.as_ref()), media_type)
    }

    /// Creates an image block from its bytes, whose format is recognized.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if they are not in a known image format;
    /// [`image_data`](Self::image_data) takes any.
    #[inline]
    pub fn image_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
        Media::new("", bytes.as_ref(), Kind::Image).map(|image| Self::image(image.base64, image.media_type))
    }

    /// Creates an image block from a file, which is read immediately; its format is recognized.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if the file cannot be read or is not in a known image format.
    #[inline]
    pub fn image_path(path: impl AsRef<Path>) -> Result<Self, Error> {
        Media::read(path.as_ref(), Kind::Image).map(|image| Self::image(image.base64, image.media_type))
    }

    /// Creates a PDF block by URL.
    #[inline]
    pub fn pdf_url(url: impl Into<String>) -> Self {
        AnthropicDocumentBlockParam::new(UrlSource::new(url)).into()
    }

    /// Creates a PDF block from base64.
    #[inline]
    pub fn pdf(base64: impl Into<String>) -> Self {
        AnthropicDocumentBlockParam::new(AnthropicBase64PdfSource::new(base64)).into()
    }

    /// Creates a PDF block from its bytes.
    #[inline]
    pub fn pdf_bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::pdf(base64::encode(bytes.as_ref()))
    }

    /// Creates a PDF block from a file, which is read immediately.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if the file cannot be read or is not a PDF.
    #[inline]
    pub fn pdf_path(path: impl AsRef<Path>) -> Result<Self, Error> {
        Media::read(path.as_ref(), Kind::Pdf).map(|pdf| Self::pdf(pdf.base64))
    }

    /// Creates the result of the tool use with this id: text, or blocks.
    #[inline]
    pub fn tool_result(tool_use_id: impl Into<String>, content: impl Into<MessagesToolResultContent>) -> Self {
        MessagesToolResultBlockParam::new(tool_use_id).content(content).into()
    }
}

impl MessagesRequestToolChoice {
    /// Makes the model use this tool.
    #[inline]
    pub fn tool(name: impl Into<String>) -> Self {
        MessagesRequestToolChoiceTool::new(name).into()
    }
}

impl MessagesStreamEvent {
    /// Returns the text that this event adds to the response; `None` if it adds none.
    #[inline]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::ContentBlockDelta(event) => match &event.delta {
                MessagesDelta::TextDelta(delta) => Some(&*delta.text).filter(|text| !text.is_empty()),
                _ => None,
            },
            _ => None,
        }
    }
}

impl MessagesRequestTool {
    /// Creates a tool of the program that the model may use, with the JSON schema of its input.
    ///
    /// ```
    /// use openrouter_kit::models::{MessagesMessageParam, MessagesRequest, MessagesRequestTool};
    /// use openrouter_kit::serde_json::json;
    ///
    /// let weather = MessagesRequestTool::custom(
    ///     "get_current_weather",
    ///     json!({"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}),
    /// )
    /// .description("The weather at a place, now");
    /// let request = MessagesRequest::new("anthropic/claude-sonnet-4")
    ///     .messages(["How is the weather in Rome?"])
    ///     .tools([weather]);
    /// # let _ = request;
    /// ```
    #[inline]
    pub fn custom(name: impl Into<String>, input_schema: impl Into<JsonObject>) -> MessagesRequestToolCustom {
        let schema = input_schema.into();
        let mut tool = MessagesRequestToolCustom::new(MessagesRequestToolCustomInputSchema::new(), name);
        match wire::decode_event(schema.as_text()) {
            Ok(schema) => tool.input_schema = schema,
            // A schema that is not an object is sent unchanged, and the server reports it.
            Err(_) => tool = tool_with(tool, &schema),
        }
        tool
    }
}

/// Returns the tool with a schema that does not match its type.
#[inline]
fn tool_with(tool: MessagesRequestToolCustom, schema: &Json) -> MessagesRequestToolCustom {
    let mut fitted = MessagesRequestToolCustom::missing();
    fitted.name = tool.name;
    fitted.extra.insert("type", "custom");
    fitted.extra.insert("input_schema", schema.clone());
    fitted
}

impl MessagesResult {
    /// Returns the text of the response: that of all text blocks, joined. Empty if it has none,
    /// such as when the model only uses tools.
    #[inline]
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            MessagesContentBlock::Text(block) => Some(block.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns the tool uses that the program must answer.
    #[inline]
    pub fn tool_uses(&self) -> impl Iterator<Item = &AnthropicToolUseBlock> {
        self.content.iter().filter_map(|block| match block {
            MessagesContentBlock::ToolUse(block) => Some(block),
            _ => None,
        })
    }

    /// Returns the readable thinking; empty if there is none.
    #[inline]
    pub fn reasoning_text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            MessagesContentBlock::Thinking(block) => Some(block.thinking.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns what OpenRouter charged for the call, in US dollars, if the response has it.
    #[inline]
    pub fn cost(&self) -> Option<f64> {
        self.usage.cost
    }

    /// Deserializes the text of the response, for responses that were requested with a schema.
    ///
    /// # Errors
    /// [`ParseError`] with the text if it is not such a value. A stop reason such as `max_tokens`
    /// or `refusal` explains why.
    #[inline]
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse(&self.text(), || "the response".to_owned())
    }
}

impl AnthropicToolUseBlock {
    /// Returns the name of the tool.
    #[inline]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the input as JSON text; empty if there is none.
    #[inline]
    pub fn arguments(&self) -> &str {
        self.input.as_ref().map(Json::as_text).unwrap_or_default()
    }

    /// Returns the id of the call, which the block with its result refers to.
    #[inline]
    pub fn call_id(&self) -> &str {
        &self.id
    }

    /// Deserializes the input. A missing one counts as `{}`.
    ///
    /// # Errors
    /// [`ParseError`] with the raw input if it is not such a value.
    #[inline]
    pub fn parse_input<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse_arguments(self.arguments(), &self.name)
    }
}
