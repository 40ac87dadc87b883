//! What a tool returns, and how it fails.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::run::Run;
use crate::core::wire::IntoText;
use crate::errors::{LONGEST, OneLine};
use crate::models::responses::{InputFile, InputImage, InputText, ToolCallOutput, ToolCallOutputPart};
use crate::models::{ImageDetail, Json};

/// What a tool gives to the model.
///
/// A handler rarely makes one: what it returns becomes one. A `String`, and anything else that serializes as a JSON string,
/// is sent as that text, an empty one as `(empty)`; `()` as `ok`; every other value as its JSON. Content parts need [`ToolOutput::parts`].
///
/// ```
/// use openrouter_kit::agent::ToolOutput;
///
/// let picture = ToolOutput::image_url("https://example.com/map.png");
/// let both = ToolOutput::text("The map of the area").with(picture);
/// # let _ = both;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ToolOutput(Returned);

/// What stands for an output without content.
const EMPTY: &str = "(empty)";

/// What a tool can return: an output, or what the run has to wait for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Returned {
    Output(ToolCallOutput),
    Question(String),
    Paused(Box<Run>),
}

impl ToolOutput {
    /// Returns an output of this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Returned::Output(ToolCallOutput::Text(text.into())))
    }

    /// Returns an output of this JSON.
    pub fn json(json: impl Into<Json>) -> Self {
        let json = json.into();
        Self::text(json.as_str().unwrap_or(json.as_text()))
    }

    /// Returns an output of content parts: text, images and files.
    pub fn parts(parts: impl IntoIterator<Item = impl Into<ToolCallOutputPart>>) -> Self {
        Self(Returned::Output(ToolCallOutput::List(parts.into_iter().map(Into::into).collect())))
    }

    /// Returns an output of an image by its URL, which may be a `data:` URL.
    pub fn image_url(url: impl Into<String>) -> Self {
        Self::parts([InputImage::new(ImageDetail::Auto).image_url(url)])
    }

    /// Returns an output of a file: its name and its content as a `data:` URL.
    pub fn file(filename: impl Into<String>, data: impl Into<String>) -> Self {
        Self::parts([InputFile::new().filename(filename).file_data(data)])
    }

    /// Asks the program a question, which it may put to a person. The run pauses when the other calls of the round have
    /// finished, and the call is pending with [`CallState::NeedsAnswer`](super::CallState::NeedsAnswer) until
    /// [`Run::answer`](super::Run::answer) gives its output.
    pub fn question(question: impl Into<String>) -> Self {
        Self(Returned::Question(question.into()))
    }

    /// Returns the run of a subagent that has paused or was stopped, from a tool that runs an agent as
    /// [`Tool::from_agent`](super::Tool::from_agent) does. The run above pauses too, and keeps this one in its call as
    /// [`ToolCall::subagent`](super::ToolCall::subagent). Once its calls are decided, the tool is called again and finds it
    /// in [`ToolContext::subagent`](super::ToolContext::subagent), to resume it.
    pub fn paused(run: impl Into<Run>) -> Self {
        Self(Returned::Paused(Box::new(run.into())))
    }

    /// Appends another output as further content parts. A question or a paused run replaces everything else.
    #[must_use]
    pub fn with(self, other: impl Into<Self>) -> Self {
        let parts = |output| match output {
            ToolCallOutput::Text(text) => vec![InputText::new(text).into()],
            ToolCallOutput::List(parts) => parts,
            ToolCallOutput::Unrecognized(kept) => vec![ToolCallOutputPart::Unrecognized(kept)],
        };
        match (self.0, other.into().0) {
            (Returned::Output(first), Returned::Output(second)) => {
                let mut all = parts(first);
                all.extend(parts(second));
                Self(Returned::Output(ToolCallOutput::List(all)))
            }
            (Returned::Output(_), wait) | (wait, _) => Self(wait),
        }
    }

    /// Converts what a handler returned.
    pub(super) fn of<T: Serialize + 'static>(value: T) -> Result<Self, ToolError> {
        let mut value = Some(value);
        let any: &mut dyn Any = &mut value;
        if let Some(output) = any.downcast_mut::<Option<Self>>().and_then(Option::take) {
            return Ok(output);
        }
        if any.is::<Option<()>>() {
            return Ok(Self::text("ok"));
        }
        let json = value.as_ref().map(Json::of).transpose();
        let json = json.map_err(|error| ToolError::new(format!("the output cannot be written as JSON: {error}")))?;
        Ok(Self::json(json.unwrap_or_else(|| Json::from("ok"))))
    }

    /// What was returned. Some providers refuse an empty output.
    pub(super) fn into_returned(self) -> Returned {
        let is_empty = match &self.0 {
            Returned::Output(ToolCallOutput::Text(text)) => text.is_empty(),
            Returned::Output(ToolCallOutput::List(parts)) => parts.is_empty(),
            _ => false,
        };
        if is_empty { Returned::Output(EMPTY.into()) } else { self.0 }
    }
}

impl<T: IntoText> From<T> for ToolOutput {
    fn from(text: T) -> Self {
        Self::text(text.into_text())
    }
}

impl From<Json> for ToolOutput {
    fn from(json: Json) -> Self {
        Self::json(json)
    }
}

impl From<serde_json::Value> for ToolOutput {
    fn from(value: serde_json::Value) -> Self {
        Self::json(value)
    }
}

impl From<ToolCallOutput> for ToolOutput {
    fn from(output: ToolCallOutput) -> Self {
        Self(Returned::Output(output))
    }
}

impl Serialize for ToolOutput {
    /// Writes the output as it is sent; a question as its text, a paused run as its state.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Returned::Output(output) => output.serialize(serializer),
            Returned::Question(question) => question.serialize(serializer),
            Returned::Paused(run) => run.serialize(serializer),
        }
    }
}

/// Why a tool call failed: what the program sees, and what the model sees.
///
/// Every error converts into one with `?`. Its message may contain what the model, and who talks to it, must not see, so the
/// model gets only a general sentence, unless [`tell_model`](Self::tell_model) sets another.
///
/// ```
/// use openrouter_kit::agent::ToolError;
///
/// fn read(name: &str) -> Result<String, ToolError> {
///     if name.contains('/') {
///         return Err(ToolError::new("path in a name").tell_model("A name must not contain a slash."));
///     }
///     Ok(std::fs::read_to_string(name)?) // the model sees "The tool failed."
/// }
/// # let _ = read("a/b");
/// ```
pub struct ToolError {
    kind: ToolErrorKind,
    model_text: Option<String>,
    source: Box<dyn Error + Send + Sync>,
}

/// What kind of failure a [`ToolError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolErrorKind {
    /// The handler returned an error.
    Failed,
    /// The arguments are not JSON or do not fit the type of the handler. The handler was not called.
    InvalidArguments,
    /// The model called a tool that does not exist or was not offered.
    UnknownTool,
    /// The handler did not finish within [`Tool::timeout`](super::Tool::timeout). It was dropped.
    Timeout,
    /// The handler panicked.
    Panicked,
    /// The call was rejected by a person, a hook or a limit. The handler was not called.
    Refused,
}

impl ToolError {
    /// Creates an error from its cause; a text is a cause too. The model sees a general sentence.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: ToolErrorKind::Failed, model_text: None, source: source.into() }
    }

    /// Creates an error whose message both the program and the model see.
    pub fn visible(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(message.clone()).tell_model(message)
    }

    /// Sets what the model sees.
    #[must_use]
    pub fn tell_model(mut self, text: impl Into<String>) -> Self {
        self.model_text = Some(text.into());
        self
    }

    pub(super) const fn with_kind(mut self, kind: ToolErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(super) fn of_kind(kind: ToolErrorKind, message: impl Into<String>) -> Self {
        Self::visible(message).with_kind(kind)
    }

    pub(super) fn timeout(limit: Duration) -> Self {
        Self::of_kind(ToolErrorKind::Timeout, format!("The tool did not finish within {limit:?}."))
    }

    pub(super) fn panic(payload: &(dyn Any + Send)) -> Self {
        let message = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::new(message.unwrap_or_else(|| "no message".to_owned())).with_kind(ToolErrorKind::Panicked)
    }

    /// Returns what kind of failure it is.
    pub const fn kind(&self) -> ToolErrorKind {
        self.kind
    }

    /// Returns what the model sees.
    pub fn model_text(&self) -> &str {
        self.model_text.as_deref().unwrap_or("The tool failed.")
    }

    /// Returns the cause, which the model does not see.
    pub fn source(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine::new(&self.source.to_string(), LONGEST, "source()").fmt(f)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolError")
            .field("kind", &self.kind)
            .field("model_text", &self.model_text())
            .field("source", &self.source)
            .finish()
    }
}

// Therefore `ToolError` does not implement `Error` itself.
impl<E: Error + Send + Sync + 'static> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
