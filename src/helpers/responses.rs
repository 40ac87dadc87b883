//! Comfort for the Responses API.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::responses_stream::ResponsesAccumulator;
use super::text::{ParseError, parse, parse_arguments};
use super::{holds_error, retyped, whole_stream};
use crate::core::StreamItem;
use crate::core::wire::{self, Root};
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
            // What does not fit its type ends the stream all the same.
            Self::Unrecognized(kept) => matches!(
                kept.tag("type").as_deref(),
                Some("response.completed" | "response.incomplete" | "response.failed")
            ),
            _ => false,
        }
    }

    #[inline]
    fn reports_error(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Error(_) => true,
            Self::Unrecognized(kept) => {
                matches!(kept.tag("type").as_deref(), Some("error" | "response.error" | "response.failed"))
                    || kept.tag("type").is_none() && kept.json().get("error").is_some_and(|error| !error.is_null())
            }
            _ => false,
        }
    }

    /// The event that ends a stream has the whole response.
    #[inline]
    fn from_answer(json: &str) -> Vec<Json> {
        let event = || {
            let response = wire::decode::<ResponsesResult>(json).ok()?;
            let is_cut = response.status == ResponsesStatus::Incomplete;
            let event = [
                ("type", if is_cut { "response.incomplete" } else { "response.completed" }.into()),
                ("response", Json::new(json).ok()?),
            ];
            Json::of(&BTreeMap::from(event)).ok()
        };
        event().into_iter().collect()
    }
}

/// Converts the model's output to input of the next request: the same JSON. Only the arguments of a function call, if
/// missing or sent as JSON instead of a string, which servers refuse, become a string: `{}` or that JSON.
impl From<&OutputItem> for InputItem {
    #[inline]
    fn from(item: &OutputItem) -> Self {
        let OutputItem::FunctionCall(call) = item else { return retyped(item) };
        let is_missing = !wire::is_present(&**call, "arguments") && !call.name.is_empty();
        if !is_missing && call.extra.exact("arguments").is_none() {
            return retyped(item);
        }
        let mut call = call.clone();
        if is_missing {
            "{}".clone_into(&mut call.arguments);
        }
        call.extra.remove("arguments");
        retyped(&OutputItem::FunctionCall(call))
    }
}

/// What the model put out, as input of the next request: the same JSON, nothing added and nothing left out.
impl From<OutputItem> for InputItem {
    #[inline]
    fn from(item: OutputItem) -> Self {
        Self::from(&item)
    }
}

impl InputItem {
    /// What the user says: text, or parts ([`EasyInputMessageContentItem`]).
    ///
    /// ```
    /// use openrouter_kit::models::{EasyInputMessageContentItem, InputItem, ResponsesRequest};
    ///
    /// let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input([
    ///     InputItem::system("You are brief."),
    ///     InputItem::user([
    ///         EasyInputMessageContentItem::text("What is this?"),
    ///         EasyInputMessageContentItem::image_url("https://example.com/cat.png"),
    ///     ]),
    /// ]);
    /// # let _ = request;
    /// ```
    #[inline]
    pub fn user(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(EasyInputMessageRole::User).content(content).into()
    }

    /// How the model shall behave, above everything the user says.
    #[inline]
    pub fn system(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(EasyInputMessageRole::System).content(content).into()
    }

    /// How the model shall behave, by the name newer models have for it.
    #[inline]
    pub fn developer(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(EasyInputMessageRole::Developer).content(content).into()
    }

    /// What the model said, as written by the program. Output that came is sent back whole with
    /// [`ResponsesResult::to_input`].
    #[inline]
    pub fn assistant(content: impl Into<EasyInputMessageContent>) -> Self {
        EasyInputMessage::new(EasyInputMessageRole::Assistant).content(content).into()
    }

    /// What the function call with this `call_id` answers: text (mostly JSON), or parts.
    #[inline]
    pub fn function_call_output(call_id: impl Into<String>, output: impl Into<FunctionCallOutputItemOutput>) -> Self {
        FunctionCallOutputItem::new(call_id, output).into()
    }
}

/// A message of the user.
impl From<&str> for InputItem {
    #[inline]
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

/// A message of the user.
impl From<String> for InputItem {
    #[inline]
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

/// A single item as the whole input.
impl From<InputItem> for ResponsesInput {
    #[inline]
    fn from(item: InputItem) -> Self {
        Self::List(vec![item])
    }
}

impl EasyInputMessageContentItem {
    /// Text beside other parts.
    #[inline]
    pub fn text(text: impl Into<String>) -> Self {
        InputText::new(text).into()
    }

    /// A picture by its address, or in itself as a `data:` URL; how closely the model looks is left to it.
    #[inline]
    pub fn image_url(url: impl Into<String>) -> Self {
        InputImage::new(InputImageDetail::Auto).image_url(url).into()
    }

    /// Sound: its bytes in base64, and their format, `mp3` or `wav`.
    #[inline]
    pub fn audio(base64: impl Into<String>, format: impl Into<InputAudioInputAudioFormat>) -> Self {
        InputAudio::new(InputAudioInputAudio::new(base64, format)).into()
    }

    /// A film by its address, or in itself as a `data:` URL.
    #[inline]
    pub fn video_url(url: impl Into<String>) -> Self {
        InputVideo::new(url).into()
    }

    /// A document: its name and its content as a `data:` URL.
    #[inline]
    pub fn file(filename: impl Into<String>, data: impl Into<String>) -> Self {
        InputFile::new().filename(filename).file_data(data).into()
    }

    /// A document by its address.
    #[inline]
    pub fn file_url(url: impl Into<String>) -> Self {
        InputFile::new().file_url(url).into()
    }
}

/// A part of text.
impl From<&str> for EasyInputMessageContentItem {
    #[inline]
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// A part of text.
impl From<String> for EasyInputMessageContentItem {
    #[inline]
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl ResponsesRequestTool {
    /// A function that the model may call, with the JSON schema of its parameters.
    ///
    /// ```
    /// use openrouter_kit::models::{ResponsesRequest, ResponsesRequestTool};
    /// use openrouter_kit::serde_json::json;
    ///
    /// let weather = ResponsesRequestTool::function(
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
    pub fn function(name: impl Into<String>, parameters: impl Into<JsonObject>) -> ResponsesRequestToolFunction {
        ResponsesRequestToolFunction::new(name).parameters(parameters)
    }
}

impl ResponsesResult {
    /// The whole output as input of the next request, unchanged: messages, reasoning with its signatures, calls.
    #[inline]
    pub fn to_input(&self) -> Vec<InputItem> {
        self.output.iter().map(InputItem::from).collect()
    }

    /// What the model says: the texts of all messages, joined. Empty where it says nothing, as when it only calls
    /// functions.
    #[inline]
    pub fn output_text(&self) -> String {
        let contents = self.output.iter().filter_map(|item| match item {
            OutputItem::Message(message) => Some(&message.content),
            _ => None,
        });
        let texts = contents.flatten().filter_map(|part| match part {
            OutputMessageContentItem::OutputText(part) => Some(part.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The functions that the model wants run.
    #[inline]
    pub fn function_calls(&self) -> impl Iterator<Item = &OutputFunctionCallItem> {
        self.output.iter().filter_map(|item| match item {
            OutputItem::FunctionCall(call) => Some(&**call),
            _ => None,
        })
    }

    /// The thinking, as far as it is readable: the texts of the reasoning items, or their summaries where there is no text.
    /// Empty where there is none.
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

    /// What OpenRouter charged for the call, in US dollars, where the answer tells it.
    #[inline]
    pub fn cost(&self) -> Option<f64> {
        self.usage.as_ref()?.cost
    }

    /// Reads what the model says as a value, for answers that were asked for by a schema.
    ///
    /// # Errors
    /// [`ParseError`] with the text when it is no such value. A refusal and `incomplete_details` explain why.
    #[inline]
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        let mut text = self.output_text();
        if text.is_empty() {
            text = self.refusal();
        }
        parse(&text, || "the answer".to_owned())
    }

    #[inline]
    fn refusal(&self) -> String {
        let contents = self.output.iter().filter_map(|item| match item {
            OutputItem::Message(message) => Some(&message.content),
            _ => None,
        });
        let refusals = contents.flatten().filter_map(|part| match part {
            OutputMessageContentItem::Refusal(part) => Some(part.refusal.as_str()),
            _ => None,
        });
        refusals.collect()
    }
}

impl OutputFunctionCallItem {
    /// Reads the arguments as a value. Empty ones count as `{}`.
    ///
    /// # Errors
    /// [`ParseError`] with the arguments as the model wrote them, when they are no JSON or no such value.
    #[inline]
    pub fn parse_arguments<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse_arguments(&self.arguments, &self.name)
    }
}
