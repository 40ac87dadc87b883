//! Helpers for the Responses API.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::media::{Kind, Media, bytes_of, data_url, media_parts, save};
use super::responses_stream::ResponsesAccumulator;
use super::text::{ParseError, parse, parse_arguments};
use super::{holds_error, retyped, whole_stream};
use crate::Error;
use crate::core::wire::{self, IntoText, Root};
use crate::core::{StreamItem, base64};
use crate::models::responses::{
    EasyInputMessageContent, InputAudioInputAudio, InputAudioInputAudioFormat, OutputImageGenerationCallItem,
    ResponsesToolChoiceFunction,
};
use crate::models::*;

impl Root for ResponsesResult {
    /// A failed response carries its error in a body of status 200.
    #[inline]
    fn reports_error(&self) -> bool {
        self.error.is_some() || holds_error(&self.extra)
    }

    #[inline]
    fn from_events(events: &[&str]) -> Option<Self> {
        let mut answer = ResponsesAccumulator::new();
        whole_stream(events)?.iter().for_each(|event| answer.push(event));
        answer.finish()
    }
}

impl StreamItem for ResponsesStreamEvent {
    const END_IS_MARKED: bool = true;

    #[inline]
    fn is_terminal(&self) -> bool {
        match self {
            Self::Completed(_) | Self::Incomplete(_) | Self::Failed(_) => true,
            // An event that does not match its type still ends the stream.
            Self::Unrecognized(kept) => {
                matches!(kept.tag("type"), Some("response.completed" | "response.incomplete" | "response.failed"))
            }
            _ => false,
        }
    }

    #[inline]
    fn reports_error(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Error(_) => true,
            Self::Unrecognized(kept) => {
                matches!(kept.tag("type"), Some("error" | "response.error" | "response.failed"))
                    || kept.tag("type").is_none() && kept.json().find("error").is_some_and(|error| !error.is_null())
            }
            _ => false,
        }
    }

    /// The event that ends a stream has the whole response.
    #[inline]
    fn from_response(json: &str) -> Vec<Json> {
        let event = || {
            let is_cut =
                wire::decode_to(json, |response: &ResponsesResult| response.status == ResponsesStatus::Incomplete)?;
            Some(Json::from([
                ("type", if is_cut { "response.incomplete" } else { "response.completed" }.into()),
                ("response", Json::parse(json).ok()?),
            ]))
        };
        event().into_iter().collect()
    }
}

/// Converts the model's output to input of the next request: the same JSON. Only the arguments of a
/// function call, if missing or sent as JSON instead of a string, which servers reject, become a
/// string: `{}` or that JSON.
impl From<&OutputItem> for InputItem {
    #[inline]
    fn from(item: &OutputItem) -> Self {
        match item {
            OutputItem::FunctionCall(_) | OutputItem::Reasoning(_) => Self::from(item.clone()),
            item => retyped(item),
        }
    }
}

/// Converts the model's output to input of the next request, like the conversion of a reference: the same JSON, unchanged.
/// Items whose types are the same are not copied.
impl From<OutputItem> for InputItem {
    #[inline]
    fn from(item: OutputItem) -> Self {
        match item {
            OutputItem::FunctionCall(mut call) => {
                if !wire::is_present(&*call, "arguments") && !call.name.is_empty() {
                    "{}".clone_into(&mut call.arguments);
                }
                call.extra.remove("arguments");
                Self::FunctionCall(call)
            }
            OutputItem::Reasoning(item) => Self::Reasoning(item),
            item => retyped(&item),
        }
    }
}

impl InputItem {
    /// Creates a user message: text, or parts ([`InputContentPart`]).
    ///
    /// ```
    /// use openrouter_kit::models::{InputContentPart, InputItem, ResponsesRequest};
    ///
    /// let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input([
    ///     InputItem::system("You are brief."),
    ///     InputItem::user([
    ///         InputContentPart::text("What is this?"),
    ///         InputContentPart::image_url("https://example.com/cat.png"),
    ///     ]),
    /// ]);
    /// # let _ = request;
    /// ```
    #[inline]
    pub fn user(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(MessageRole::User).content(content).into()
    }

    /// Creates a system message: instructions that take precedence over the user's.
    #[inline]
    pub fn system(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(MessageRole::System).content(content).into()
    }

    /// Creates a developer message: a system message by the name that newer models use.
    #[inline]
    pub fn developer(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(MessageRole::Developer).content(content).into()
    }

    /// Creates a message of the assistant that the program has written. A response is sent back
    /// with [`ResponsesResult::to_input`], which keeps all of it.
    #[inline]
    pub fn assistant(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(MessageRole::Assistant).content(content).into()
    }

    /// Creates the result of the function call with this `call_id`: text (usually JSON), or parts.
    #[inline]
    pub fn function_call_output(call_id: impl Into<String>, output: impl Into<ToolCallOutput>) -> Self {
        FunctionCallOutputItem::new(call_id, output).into()
    }
}

/// Creates a user message.
impl<T: IntoText> From<T> for InputItem {
    #[inline]
    fn from(text: T) -> Self {
        Self::user(text.into_text())
    }
}

impl InputContentPart {
    /// Creates a text part.
    #[inline]
    pub fn text(text: impl Into<String>) -> Self {
        InputText::new(text).into()
    }

    /// Creates an image part by URL, or inline as a `data:` URL. The model decides how much detail
    /// it looks at.
    #[inline]
    pub fn image_url(url: impl Into<String>) -> Self {
        InputImage::new(ImageDetail::Auto).image_url(url).into()
    }

    /// Creates an audio part from base64 and its format, `mp3` or `wav`.
    #[inline]
    pub fn input_audio(base64: impl Into<String>, format: impl Into<InputAudioInputAudioFormat>) -> Self {
        InputAudio::new(InputAudioInputAudio::new(base64, format)).into()
    }

    /// Creates a video part by URL, or inline as a `data:` URL.
    #[inline]
    pub fn video_url(url: impl Into<String>) -> Self {
        InputVideo::new(url).into()
    }

    /// Creates a document part from its name and its content as a `data:` URL.
    #[inline]
    pub fn file(filename: impl Into<String>, data: impl Into<String>) -> Self {
        InputFile::new().filename(filename).file_data(data).into()
    }

    /// Creates a document part by URL.
    #[inline]
    pub fn file_url(url: impl Into<String>) -> Self {
        InputFile::new().file_url(url).into()
    }
}

impl ResponsesToolChoice {
    /// Makes the model call this function.
    #[inline]
    pub fn function(name: impl Into<String>) -> Self {
        ResponsesToolChoiceFunction::new(name).into()
    }
}

media_parts! {
    InputContentPart
    /// ```no_run
    /// use openrouter_kit::models::{InputContentPart, InputItem, ResponsesRequest};
    ///
    /// let question = [
    ///     InputContentPart::text("What is this?"),
    ///     InputContentPart::image_path("cat.png")?,
    /// ];
    /// let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input(InputItem::user(question));
    /// # let _ = request;
    /// # Ok::<(), openrouter_kit::Error>(())
    /// ```
}

impl ResponsesTextFormat {
    /// Requires the model to respond with JSON that matches this schema, which has a name for the
    /// model.
    #[inline]
    pub fn json_schema(name: impl Into<String>, schema: impl Into<JsonObject>) -> Self {
        FormatJsonSchemaConfig::new(name, schema).into()
    }
}

/// Converts a format to text settings.
impl From<ResponsesTextFormat> for TextExtendedConfig {
    #[inline]
    fn from(format: ResponsesTextFormat) -> Self {
        Self::new().format(format)
    }
}

impl ResponsesStreamEvent {
    /// Returns the text that this event adds to the response; `None` if it adds none.
    ///
    /// ```no_run
    /// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::ResponsesRequest;
    ///
    /// let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Hello");
    /// let mut events = client.responses().stream(request).await?;
    /// while let Some(event) = events.next().await {
    ///     print!("{}", event?.text().unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::OutputTextDelta(event) => Some(&*event.delta).filter(|text| !text.is_empty()),
            _ => None,
        }
    }
}

impl ResponsesTool {
    /// Creates a function that the model may call, with the JSON schema of its parameters.
    ///
    /// ```
    /// use openrouter_kit::models::{ResponsesRequest, ResponsesTool};
    /// use openrouter_kit::serde_json::json;
    ///
    /// let weather = ResponsesTool::function(
    ///     "get_current_weather",
    ///     json!({"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}),
    /// )
    /// .description("The weather at a place, now");
    /// let request = ResponsesRequest::new()
    ///     .model("openai/gpt-4o-mini")
    ///     .input("How is the weather in Rome?")
    ///     .temperature(0.7)
    ///     .top_p(0.9)
    ///     .tools([weather]);
    /// # let _ = request;
    /// ```
    #[inline]
    pub fn function(name: impl Into<String>, parameters: impl Into<JsonObject>) -> ResponsesFunctionTool {
        ResponsesFunctionTool::new(name).parameters(parameters)
    }
}

impl ResponsesResult {
    /// Returns the whole output as input of the next request, unchanged: messages, reasoning with
    /// its signatures, calls.
    #[inline]
    pub fn to_input(&self) -> Vec<InputItem> {
        self.output.iter().map(InputItem::from).collect()
    }

    /// Returns the text of the response: that of all messages, joined. Empty if it has none, such
    /// as when the model only calls functions.
    #[inline]
    pub fn output_text(&self) -> String {
        let contents = self.output.iter().filter_map(|item| match item {
            OutputItem::Message(message) => Some(&message.content),
            _ => None,
        });
        let texts = contents.flatten().filter_map(|part| match part {
            OutputMessageContentPart::OutputText(part) => Some(part.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns the function calls that the program must answer.
    #[inline]
    pub fn function_calls(&self) -> impl Iterator<Item = &OutputFunctionCallItem> {
        self.output.iter().filter_map(|item| match item {
            OutputItem::FunctionCall(call) => Some(&**call),
            _ => None,
        })
    }

    /// Returns the readable reasoning: the texts of the reasoning items, or their summaries if
    /// there is no text. Empty if there is none.
    #[inline]
    pub fn reasoning_text(&self) -> String {
        let mut text = String::new();
        for item in &self.output {
            let OutputItem::Reasoning(item) = item else { continue };
            match item.content.as_deref() {
                Some(parts) if !parts.is_empty() => text.extend(parts.iter().map(|part| part.text.as_str())),
                _ => text.extend(item.summary.iter().map(|part| part.text.as_str())),
            }
        }
        text
    }

    /// Returns the images that the model generated.
    #[inline]
    pub fn images(&self) -> impl Iterator<Item = &OutputImageGenerationCallItem> {
        self.output.iter().filter_map(|item| match item {
            OutputItem::ImageGenerationCall(call) => Some(call),
            _ => None,
        })
    }

    /// Returns what OpenRouter charged for the call, in US dollars, if the response has it.
    #[inline]
    pub fn cost(&self) -> Option<f64> {
        self.usage.as_ref()?.cost
    }

    /// Deserializes the text of the response, for responses that were requested with a schema.
    ///
    /// # Errors
    /// [`ParseError`] with the text if it is not such a value. A refusal and `incomplete_details`
    /// explain why.
    #[inline]
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        let mut text = self.output_text();
        if text.is_empty() {
            text = self.refusal();
        }
        parse(&text, || "the response".to_owned())
    }

    #[inline]
    fn refusal(&self) -> String {
        let contents = self.output.iter().filter_map(|item| match item {
            OutputItem::Message(message) => Some(&message.content),
            _ => None,
        });
        let refusals = contents.flatten().filter_map(|part| match part {
            OutputMessageContentPart::Refusal(part) => Some(part.refusal.as_str()),
            _ => None,
        });
        refusals.collect()
    }
}

impl OutputFunctionCallItem {
    /// Returns the name of the function.
    #[inline]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the arguments as the model wrote them: JSON in most cases.
    #[inline]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// Returns the id of the call, which the item with its result refers to.
    #[inline]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Deserializes the arguments. Empty ones count as `{}`.
    ///
    /// # Errors
    /// [`ParseError`] with the arguments as the model wrote them, if they are not JSON or do not
    /// match.
    #[inline]
    pub fn parse_arguments<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse_arguments(&self.arguments, &self.name)
    }
}

impl OutputImageGenerationCallItem {
    /// Returns the bytes of the image.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the item has no image yet, or no valid base64.
    #[inline]
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        bytes_of(self.result.as_deref().unwrap_or_default())
    }

    /// Writes the image to a file, as [`Download::save_to`](crate::core::Download::save_to) does,
    /// and returns its size.
    ///
    /// # Errors
    /// The errors of [`bytes`](Self::bytes), and [`Error::Unexpected`] if the file cannot be
    /// written.
    #[inline]
    pub async fn save_to(&self, path: impl AsRef<Path>) -> Result<u64, Error> {
        save(self.result.as_deref().unwrap_or_default(), path.as_ref()).await
    }
}
