//! Helpers for the Chat API.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::chat_stream::{ChatAccumulator, parts, text_of_parts};
use super::media::{Kind, Media, bytes_of, data_url, media_parts, save};
use super::text::{ParseError, parse, parse_arguments};
use super::{holds, holds_error, objects, whole_stream};
use crate::Error;
use crate::core::wire::{self, IntoText, Root};
use crate::core::{StreamItem, base64};
use crate::models::chat::{
    ChatAssistantImage, ChatContentFileFile, ChatContentVideoInput, ChatFunctionToolFunction,
    ChatFunctionToolFunctionFunction, ChatNamedToolChoiceFunction,
};
use crate::models::*;

impl Root for ChatResult {
    /// An error is next to the choices, or in each of them.
    #[inline]
    fn reports_error(&self) -> bool {
        let failed = self.choices.iter().filter(|choice| holds_error(&choice.extra)).count();
        holds_error(&self.extra) || failed > 0 && failed == self.choices.len()
    }

    #[inline]
    fn from_events(events: &[&str]) -> Option<Self> {
        let mut answer = ChatAccumulator::new();
        whole_stream(events)?.iter().for_each(|chunk| answer.push(chunk));
        Some(answer.finish()).filter(|answer| !answer.choices.is_empty())
    }
}

impl StreamItem for ChatStreamChunk {
    const END_IS_MARKED: bool = true;

    /// Returns whether a choice has finished, or this is the chunk with the usage, which is last.
    /// More chunks may follow.
    #[inline]
    fn is_terminal(&self) -> bool {
        let has_finished = |choice: &ChatStreamChoice| {
            let native = choice.native_finish_reason.as_deref().unwrap_or_default();
            let is_told = match &choice.finish_reason {
                Some(reason) => is_told(reason.as_str()),
                None => holds(&choice.extra, "finish_reason"),
            };
            is_told || !native.is_empty()
        };
        // Some servers report the usage of the prompt at the start.
        let is_used = || self.usage.as_ref().is_some_and(|usage| usage.completion_tokens > 0);
        self.choices.iter().any(has_finished) || self.choices.is_empty() && is_used()
    }

    #[inline]
    fn reports_error(&self) -> bool {
        self.error.is_some() || holds_error(&self.extra) || self.choices.iter().any(|choice| holds_error(&choice.extra))
    }

    /// A single chunk whose deltas are the messages.
    #[inline]
    fn from_response(json: &str) -> Vec<Json> {
        let chunk = || {
            wire::decode_to(json, |answer: &ChatResult| !answer.choices.is_empty())
                .filter(|has_choices| *has_choices)?;
            let mut members: BTreeMap<String, Json> = wire::decode(json).ok()?;
            let mut choices = objects(members.get("choices")?);
            for choice in &mut choices {
                if let Some(message) = choice.remove("message") {
                    choice.insert("delta".to_owned(), message);
                }
            }
            members.insert("choices".to_owned(), Json::of(&choices).ok()?);
            members.insert("object".to_owned(), "chat.completion.chunk".into());
            Json::of(&members).ok()
        };
        chunk().into_iter().collect()
    }
}

/// Returns whether a string is not empty. Some servers send an empty one instead of null.
#[inline]
pub(super) fn is_told(word: &str) -> bool {
    !word.trim_ascii().is_empty()
}

/// Converts the assistant's turn to a message of the next request, with its reasoning, its tool
/// calls and everything that this version does not know, unchanged. What servers reject is
/// corrected: a missing or empty role becomes `assistant`; an empty list of tool calls is omitted;
/// the arguments of a tool call are always a string, `{}` if missing.
impl From<ChatChoice> for ChatMessage {
    #[inline]
    fn from(choice: ChatChoice) -> Self {
        let mut message = choice.message;
        if message.extra.get("role").is_some_and(|role| role.as_text() == "\"\"") {
            message.extra.remove("role");
        }
        // The role is the only field that is always written.
        message.extra.set_absent(0);
        message.extra.forget_exact("tool_calls");
        message.tool_calls = message.tool_calls.filter(|calls| !calls.is_empty());
        for call in message.tool_calls.iter_mut().flatten() {
            let function = &mut call.function;
            if !wire::is_present(function, "arguments") {
                "{}".clone_into(&mut function.arguments);
                function.extra.remove("arguments");
            }
            function.extra.forget_exact("arguments");
        }
        Self::from(message)
    }
}

/// Converts the assistant's turn to a message of the next request, see the conversion by value.
impl From<&ChatChoice> for ChatMessage {
    #[inline]
    fn from(choice: &ChatChoice) -> Self {
        Self::from(choice.clone())
    }
}

impl ChatMessage {
    /// Creates a user message: text, or parts ([`ChatContentPart`]).
    ///
    /// ```
    /// use openrouter_kit::models::{ChatContentPart, ChatMessage};
    ///
    /// let question = ChatMessage::user("Hi");
    /// let about_a_picture = ChatMessage::user([
    ///     ChatContentPart::text("What is this?"),
    ///     ChatContentPart::image_url("https://example.com/cat.png"),
    /// ]);
    /// # let _ = (question, about_a_picture);
    /// ```
    #[inline]
    pub fn user(content: impl Into<ChatMessageContent>) -> Self {
        ChatUserMessage::new(content).into()
    }

    /// Creates a system message: instructions that take precedence over the user's.
    #[inline]
    pub fn system(content: impl Into<ChatTextContent>) -> Self {
        ChatSystemMessage::new(content).into()
    }

    /// Creates a developer message: a system message by the name that newer models use.
    #[inline]
    pub fn developer(content: impl Into<ChatTextContent>) -> Self {
        ChatDeveloperMessage::new(content).into()
    }

    /// Creates a message of the assistant that the program has written. A response is sent back
    /// with `ChatMessage::from(choice)`, which keeps all of it.
    #[inline]
    pub fn assistant(content: impl Into<ChatMessageContent>) -> Self {
        ChatAssistantMessage::new().content(content).into()
    }

    /// Creates the result of the tool call with this id: text, or parts.
    #[inline]
    pub fn tool(tool_call_id: impl Into<String>, content: impl Into<ChatMessageContent>) -> Self {
        ChatToolMessage::new(content, tool_call_id).into()
    }
}

/// Creates a user message.
impl<T: IntoText> From<T> for ChatMessage {
    #[inline]
    fn from(text: T) -> Self {
        Self::user(text.into_text())
    }
}

impl ChatContentPart {
    /// Creates a text part.
    #[inline]
    pub fn text(text: impl Into<String>) -> Self {
        ChatContentText::new(text).into()
    }

    /// Creates an image part by URL, or inline as a `data:` URL.
    #[inline]
    pub fn image_url(url: impl Into<String>) -> Self {
        ChatContentImage::new(ChatContentImageUrl::new(url)).into()
    }

    /// Creates an audio part from base64 and its format, such as `wav` or `mp3`.
    #[inline]
    pub fn input_audio(base64: impl Into<String>, format: impl Into<String>) -> Self {
        ChatContentAudio::new(InlineAudio::new(base64, format)).into()
    }

    /// Creates a video part by URL, or inline as a `data:` URL.
    #[inline]
    pub fn video_url(url: impl Into<String>) -> Self {
        ChatContentVideo::new(ChatContentVideoInput::new(url)).into()
    }

    /// Creates a document part from its name, and its URL or its content as a `data:` URL.
    #[inline]
    pub fn file(filename: impl Into<String>, data: impl Into<String>) -> Self {
        ChatContentFile::new(ChatContentFileFile::new().filename(filename).file_data(data)).into()
    }
}

impl ChatToolChoice {
    /// Makes the model call this function.
    #[inline]
    pub fn function(name: impl Into<String>) -> Self {
        ChatNamedToolChoice::new(ChatNamedToolChoiceFunction::new(name)).into()
    }
}

media_parts! {
    ChatContentPart
    /// ```no_run
    /// use openrouter_kit::models::{ChatContentPart, ChatMessage, ChatRequest};
    ///
    /// let question = [ChatContentPart::text("What is this?"), ChatContentPart::image_path("cat.png")?];
    /// let request = ChatRequest::new(ChatMessage::user(question)).model("openai/gpt-4o-mini");
    /// # let _ = request;
    /// # Ok::<(), openrouter_kit::Error>(())
    /// ```
}

impl ChatRequestResponseFormat {
    /// Requires the model to respond with JSON that matches this schema, which has a name for the
    /// model.
    #[inline]
    pub fn json_schema(name: impl Into<String>, schema: impl Into<JsonObject>) -> Self {
        ChatFormatJsonSchemaConfig::new(ChatJsonSchemaConfig::new(name).schema(schema)).into()
    }
}

impl ChatFunctionTool {
    /// Creates a function that the model may call, with the JSON schema of its parameters.
    ///
    /// ```
    /// use openrouter_kit::models::{ChatFunctionTool, ChatMessage, ChatRequest};
    /// use openrouter_kit::serde_json::json;
    ///
    /// let weather = ChatFunctionTool::function(
    ///     "get_current_weather",
    ///     json!({"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}),
    /// )
    /// .description("The weather at a place, now");
    /// let request = ChatRequest::new([ChatMessage::user("How is the weather in Rome?")])
    ///     .model("openai/gpt-4o-mini")
    ///     .temperature(0.7)
    ///     .top_p(0.9)
    ///     .tools([weather]);
    /// # let _ = request;
    /// ```
    #[inline]
    pub fn function(name: impl Into<String>, parameters: impl Into<JsonObject>) -> ChatFunctionToolFunction {
        ChatFunctionToolFunction::new(ChatFunctionToolFunctionFunction::new(name).parameters(parameters))
    }
}

impl ChatFunctionToolFunction {
    /// Sets what the function does and when the model should call it.
    #[must_use]
    #[inline]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.function.description = Some(description.into());
        self
    }

    /// Sets whether the arguments must match the schema exactly. Providers then support only a part
    /// of JSON Schema: every field is required, and no others are allowed.
    #[must_use]
    pub const fn strict(mut self, strict: bool) -> Self {
        self.function.strict = Some(strict);
        self
    }
}

impl ChatStreamChunk {
    /// Returns the text that this chunk adds to the first choice; `None` if it adds none.
    ///
    /// ```no_run
    /// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::ChatRequest;
    ///
    /// let mut chunks = client.chat().stream(ChatRequest::new("Hello").model("openai/gpt-4o-mini")).await?;
    /// while let Some(chunk) = chunks.next().await {
    ///     print!("{}", chunk?.text().unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let delta = &self.choices.iter().find(|choice| choice.index == 0)?.delta;
        match delta.content.as_deref() {
            Some("") => None,
            Some(text) => Some(text.into()),
            // A few providers send a list of parts.
            None => text_of_parts(&parts(delta.extra.get("content")?)).map(Cow::Owned),
        }
    }

    /// Returns the readable reasoning that this chunk adds to the first choice; `None` if it adds
    /// none. It is read from the same fields as by [`ChatResult::reasoning_text`].
    #[inline]
    pub fn reasoning_text(&self) -> Option<Cow<'_, str>> {
        let delta = &self.choices.iter().find(|choice| choice.index == 0)?.delta;
        readable(delta.reasoning.as_deref(), &delta.extra, delta.reasoning_details.as_deref())
    }
}

impl ChatResult {
    /// Returns the message of the first choice; `None` if there are no choices.
    #[inline]
    pub fn message(&self) -> Option<&ChatAssistantMessage> {
        self.choices.first().map(|choice| &choice.message)
    }

    /// Returns the turn of the first choice as a message of the next request, unchanged; `None` if
    /// there are no choices.
    #[inline]
    pub fn to_message(&self) -> Option<ChatMessage> {
        self.choices.first().map(ChatMessage::from)
    }

    /// Returns the text of the first choice; `None` if it has none, such as when the model only
    /// calls tools.
    #[inline]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.message()?.text()
    }

    /// Returns the readable reasoning of the first choice.
    #[inline]
    pub fn reasoning_text(&self) -> Option<Cow<'_, str>> {
        self.message()?.reasoning_text()
    }

    /// Returns the tool calls of the first choice.
    #[inline]
    pub fn tool_calls(&self) -> &[ChatToolCall] {
        self.choices.first().map(ChatChoice::tool_calls).unwrap_or_default()
    }

    /// Returns the images of the first choice.
    ///
    /// ```no_run
    /// # async fn run(result: openrouter_kit::models::ChatResult) -> Result<(), openrouter_kit::Error> {
    /// for (number, image) in result.images().iter().enumerate() {
    ///     image.save_to(format!("{number}.png")).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn images(&self) -> &[ChatAssistantImage] {
        self.message().and_then(|message| message.images.as_deref()).unwrap_or_default()
    }

    /// Returns what OpenRouter charged for the call, in US dollars, if the response has it.
    #[inline]
    pub fn cost(&self) -> Option<f64> {
        self.usage.as_ref()?.cost
    }

    /// Deserializes the text of the first choice, for responses that were requested with a schema.
    ///
    /// # Errors
    /// [`ParseError`] with the text if it is not such a value. A refusal and a finish reason such
    /// as `length` explain why.
    #[inline]
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        let refusal = || self.message().and_then(|message| message.refusal.as_deref()).map(Cow::Borrowed);
        let text = self.text().or_else(refusal).unwrap_or_default();
        parse(&text, || "the response".to_owned())
    }
}

impl ChatChoice {
    /// Returns the text of the message; `None` if it has none, such as when the model only calls
    /// tools.
    #[inline]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.message.text()
    }

    /// Returns the tool calls of the message.
    #[inline]
    pub fn tool_calls(&self) -> &[ChatToolCall] {
        self.message.tool_calls.as_deref().unwrap_or_default()
    }
}

impl ChatAssistantMessage {
    /// Returns the text of the message; `None` if it has none. The texts of several parts are
    /// joined.
    #[inline]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self.content.as_ref()? {
            ChatMessageContent::Text(text) if text.is_empty() => None,
            ChatMessageContent::Text(text) => Some(text.into()),
            ChatMessageContent::List(parts) => text_of_parts(parts).map(Cow::Owned),
            ChatMessageContent::Unrecognized(_) => None,
        }
    }

    /// Returns the readable reasoning: `reasoning`, else `reasoning_content` as some providers name
    /// it, else the texts and summaries of the reasoning details.
    #[inline]
    pub fn reasoning_text(&self) -> Option<Cow<'_, str>> {
        readable(self.reasoning.as_deref(), &self.extra, self.reasoning_details.as_deref())
    }
}

/// The readable reasoning of a message or of a piece of one.
#[inline]
fn readable<'a>(
    reasoning: Option<&'a str>,
    extra: &'a Extra,
    details: Option<&'a [ReasoningDetail]>,
) -> Option<Cow<'a, str>> {
    let is_something = |text: &&str| !text.is_empty();
    if let Some(text) = reasoning.filter(is_something) {
        return Some(text.into());
    }
    if let Some(text) = extra.get("reasoning_content").and_then(Json::as_str).filter(is_something) {
        return Some(text.into());
    }
    let details = details.unwrap_or_default().iter().filter_map(|detail| match detail {
        ReasoningDetail::Text(detail) => detail.text.as_deref(),
        ReasoningDetail::Summary(detail) => Some(detail.summary.as_str()),
        _ => None,
    });
    let text: String = details.collect();
    (!text.is_empty()).then_some(text.into())
}

impl ChatAssistantImage {
    /// Returns the bytes of the image.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the image has a URL instead of its bytes, or is not valid base64.
    #[inline]
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        bytes_of(&self.image_url.url)
    }

    /// Writes the image to a file, as [`Download::save_to`](crate::core::Download::save_to) does,
    /// and returns its size.
    ///
    /// # Errors
    /// The errors of [`bytes`](Self::bytes), and [`Error::Unexpected`] if the file cannot be
    /// written.
    #[inline]
    pub async fn save_to(&self, path: impl AsRef<Path>) -> Result<u64, Error> {
        save(&self.image_url.url, path.as_ref()).await
    }
}

impl ChatToolCall {
    /// Returns the name of the function.
    #[inline]
    pub fn name(&self) -> &str {
        &self.function.name
    }

    /// Returns the arguments as the model wrote them: JSON in most cases.
    #[inline]
    pub fn arguments(&self) -> &str {
        &self.function.arguments
    }

    /// Returns the id of the call, which the message with its result refers to.
    #[inline]
    pub fn call_id(&self) -> &str {
        &self.id
    }

    /// Deserializes the arguments. Empty ones count as `{}`.
    ///
    /// ```
    /// # use openrouter_kit::models::{ChatToolCall, ChatToolCallFunction};
    /// # let call = ChatToolCall::new(ChatToolCallFunction::new(r#"{"location":"Rome"}"#, "get_current_weather"), "call_1");
    /// let arguments: openrouter_kit::serde_json::Value = call.parse_arguments()?;
    /// assert_eq!(arguments["location"], "Rome");
    /// # Ok::<(), openrouter_kit::helpers::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// [`ParseError`] with the arguments as the model wrote them, if they are not JSON or do not
    /// match.
    #[inline]
    pub fn parse_arguments<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse_arguments(&self.function.arguments, &self.function.name)
    }
}
