//! Tools: what the model may call, and how the calls run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::call::ToolCall;
use super::context::ToolContext;
use super::handler::{Handler, ToolFuture};
use crate::helpers::ParseError;
use crate::helpers::strict::make_strict;
use crate::models::responses::ResponsesTool;
use crate::models::{Json, JsonObject};

/// A tool that the model may call: a function of the program with its name, description and options.
///
/// ```
/// use openrouter_kit::agent::Tool;
/// use openrouter_kit::serde_json::{Value, json};
///
/// async fn weather(arguments: Value) -> String {
///     format!("It is sunny in {}.", arguments["city"])
/// }
///
/// let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
/// let tool = Tool::with_schema("get_weather", "The weather in a city", schema, weather);
/// # let _ = tool;
/// ```
///
/// With the feature `schemars`, the schema is that of the argument type: [`Tool::new`].
#[derive(Clone)]
pub struct Tool {
    pub(super) name: Arc<str>,
    pub(super) definition: ResponsesTool,
    pub(super) action: Action,
    pub(super) approval: Approval,
    pub(super) is_sequential: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) max_concurrent: usize,
    pub(super) retries: u64,
    pub(super) ends_run: bool,
    pub(super) is_repeatable: bool,
    pub(super) may_loop: bool,
    /// Why the schema cannot be strict although it has to be.
    pub(super) not_strict: Option<String>,
}

/// What a call of a tool does.
#[derive(Clone)]
pub(super) enum Action {
    /// Reads the arguments and calls the handler.
    Run(Arc<Prepare>),
    /// Reads the arguments and waits for the program.
    Wait(fn(&ToolCall) -> Result<(), ParseError>),
    /// The server runs it.
    Server,
}

type Prepare = dyn Fn(&ToolCall) -> Result<Prepared, ParseError> + Send + Sync;

/// A call whose arguments have been read.
pub(super) type Prepared = Box<dyn FnOnce(ToolContext) -> ToolFuture + Send>;

/// When a call needs approval.
#[derive(Clone)]
pub(super) enum Approval {
    Never,
    Always,
    If(Arc<dyn Fn(&ToolCall) -> bool + Send + Sync>),
}

/// How many rounds in a row the calls of a tool may fail, unless the tool says otherwise.
const RETRIES: u64 = 3;

impl Tool {
    fn of(definition: ResponsesTool, action: Action) -> Self {
        Self {
            name: name_of(&definition).into(),
            definition,
            action,
            approval: Approval::Never,
            is_sequential: false,
            timeout: None,
            max_concurrent: usize::MAX,
            retries: RETRIES,
            ends_run: false,
            is_repeatable: false,
            may_loop: false,
            not_strict: None,
        }
    }

    /// Creates a tool whose schema is that of the argument type of its handler. See [`Handler`] for what a handler can be.
    ///
    /// The schema is strict where a strict schema can express the type, so that the arguments always fit it; see
    /// [`ResponsesTool::from_type`].
    ///
    /// ```
    /// use openrouter_kit::agent::{Tool, ToolError};
    ///
    /// #[derive(schemars::JsonSchema, serde::Deserialize)]
    /// struct Place {
    ///     /// The name of the city.
    ///     city: String,
    /// }
    ///
    /// async fn weather(place: Place) -> Result<String, ToolError> {
    ///     Ok(format!("It is sunny in {}.", place.city))
    /// }
    ///
    /// let tool = Tool::new("get_weather", "The weather in a city", weather);
    /// # let _ = tool;
    /// ```
    #[cfg(feature = "schemars")]
    pub fn new<Form, H: Handler<Form>>(name: impl Into<String>, description: impl Into<String>, handler: H) -> Self
    where
        H::Args: schemars::JsonSchema,
    {
        Self::with_definition(ResponsesTool::from_type::<H::Args>(name).description(description), handler)
    }

    /// Creates a tool with a JSON schema of its arguments. See [`Handler`] for what a handler can be.
    pub fn with_schema<Form, H: Handler<Form>>(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: impl Into<JsonObject>,
        handler: H,
    ) -> Self {
        Self::with_definition(ResponsesTool::function(name, parameters).description(description), handler)
    }

    /// Creates a tool from a complete definition, for fields that [`with_schema`](Self::with_schema) has no parameter for. The handler of a [`CustomTool`](crate::models::responses::CustomTool) takes its input as a `String`.
    pub fn with_definition<Form, H: Handler<Form>>(definition: impl Into<ResponsesTool>, handler: H) -> Self {
        let handler = Arc::new(handler);
        let prepare = move |call: &ToolCall| -> Result<Prepared, ParseError> {
            let args = call.parse_arguments()?;
            let handler = Arc::clone(&handler);
            Ok(Box::new(move |context| handler.call(args, context)))
        };
        Self::of(definition.into(), Action::Run(Arc::new(prepare)))
    }

    /// Creates a tool that the program runs outside of the run. A call of it pauses the run, and
    /// [`Run::answer`](super::Run::answer) gives its output. Its arguments must be JSON.
    pub fn external(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: impl Into<JsonObject>,
    ) -> Self {
        ResponsesTool::from(ResponsesTool::function(name, parameters).description(description)).into()
    }

    /// Creates an external tool whose arguments must fit a type, which also gives the schema; see
    /// [`external`](Self::external).
    #[cfg(feature = "schemars")]
    pub fn external_of<Args>(name: impl Into<String>, description: impl Into<String>) -> Self
    where
        Args: schemars::JsonSchema + DeserializeOwned,
    {
        let definition = ResponsesTool::from_type::<Args>(name).description(description);
        let action = Action::Wait(|call| call.parse_arguments::<Args>().map(drop));
        Self::of(definition.into(), action)
    }

    /// Creates a tool that OpenRouter runs on its servers, such as web search. Its calls are part of the response.
    pub fn server(tool: impl Into<ResponsesTool>) -> Self {
        tool.into().into()
    }

    /// Makes every call wait for approval. The arguments are read first; those that do not fit never get that far.
    #[must_use]
    pub fn needs_approval(mut self) -> Self {
        self.approval = Approval::Always;
        self
    }

    /// Makes a call wait for approval if `needed` returns `true` for its arguments, and also if they do not fit `Args`, or
    /// `needed` panics.
    ///
    /// ```
    /// # use openrouter_kit::agent::Tool;
    /// # use openrouter_kit::serde_json::json;
    /// #[derive(serde::Deserialize)]
    /// struct Transfer {
    ///     euros: u64,
    /// }
    ///
    /// async fn transfer(transfer: Transfer) -> String {
    ///     format!("{} euros were transferred.", transfer.euros)
    /// }
    ///
    /// let schema = json!({"type": "object", "properties": {"euros": {"type": "integer"}}, "required": ["euros"]});
    /// let tool = Tool::with_schema("transfer", "Transfers money", schema, transfer)
    ///     .needs_approval_if(|transfer: &Transfer| transfer.euros > 100);
    /// # let _ = tool;
    /// ```
    #[must_use]
    pub fn needs_approval_if<Args: DeserializeOwned>(
        mut self,
        needed: impl Fn(&Args) -> bool + Send + Sync + 'static,
    ) -> Self {
        let needed = move |call: &ToolCall| {
            let decide = || call.parse_arguments().map_or(true, |args| needed(&args));
            catch_unwind(AssertUnwindSafe(decide)).unwrap_or(true)
        };
        self.approval = Approval::If(Arc::new(needed));
        self
    }

    /// Makes each call wait for the earlier calls of its round, and the later ones wait for it. By default, the calls of a
    /// round run in parallel.
    #[must_use]
    pub const fn sequential(mut self) -> Self {
        self.is_sequential = true;
        self
    }

    /// Sets how long a call may take. A call that takes longer is dropped, and the model is informed. What the handler
    /// spawned elsewhere, such as a blocking task, goes on.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how many calls of this tool may run at once. The calls of all tools are bounded by
    /// [`Agent::max_concurrent`](super::Agent::max_concurrent).
    #[must_use]
    pub fn max_concurrent(mut self, most: usize) -> Self {
        self.max_concurrent = most.max(1);
        self
    }

    /// Sets how often the model may try again after failed calls, those with invalid arguments included. By default, it may
    /// try three times. Rounds are counted in which a call of the tool failed and none succeeded; after one too many in a row,
    /// the run is [`Stopped`](super::Outcome::Stopped).
    #[must_use]
    pub const fn retries(mut self, most: u64) -> Self {
        self.retries = most;
        self
    }

    /// Makes a successful call end the run: its output becomes the text of [`Done`](super::Outcome::Done), without another
    /// model call. The other calls of its round finish first.
    #[must_use]
    pub const fn ends_run(mut self) -> Self {
        self.ends_run = true;
        self
    }

    /// Allows a call to be repeated without asking when the program ended before it had finished. By default, such a call is
    /// pending with [`CallState::Interrupted`](super::CallState::Interrupted) when the run is resumed.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// Allows the model to call this tool with the same arguments again and again, as for polling. By default, a call that
    /// is repeated in three rounds in a row is not run but the model is informed, and at the sixth the run stops.
    #[must_use]
    pub const fn may_loop(mut self) -> Self {
        self.may_loop = true;
        self
    }

    /// Sets whether the provider forces the arguments to follow the schema. [`Tool::new`] sets it where the schema allows.
    ///
    /// A strict schema requires all properties and allows no others. A schema of your own is changed accordingly: optional
    /// properties become required, so give them a type with `null`, and what strict mode does not support but the type
    /// implies, such as `default` and `minLength`, is left out. If the schema cannot be strict, for example because of a map
    /// (`additionalProperties`) or `allOf`, a run with the tool fails with [`RunError::NotStrict`](super::RunError::NotStrict)
    /// before anything is sent.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        if let ResponsesTool::Function(definition) = &mut self.definition {
            definition.strict = Some(strict);
            self.not_strict = None;
            if strict && let Some(parameters) = &mut definition.parameters {
                let mut schema = parameters.to_value();
                match make_strict(&mut schema, "") {
                    Ok(()) => *parameters = schema.into(),
                    Err(reason) => self.not_strict = Some(reason),
                }
            }
        }
        self
    }

    /// Returns the name of the tool; an empty one for a tool that runs on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the definition that is sent to the model.
    pub const fn definition(&self) -> &ResponsesTool {
        &self.definition
    }

    /// Whether a call needs approval, whose arguments have been read.
    pub(super) fn is_gated(&self, call: &ToolCall) -> bool {
        match &self.approval {
            Approval::Never => false,
            Approval::Always => true,
            Approval::If(needed) => needed(call),
        }
    }
}

/// The name by which the model calls a tool; empty for one that runs on the server.
pub(super) fn name_of(definition: &ResponsesTool) -> &str {
    match definition {
        ResponsesTool::Function(tool) => &tool.name,
        ResponsesTool::Custom(tool) => &tool.name,
        _ => "",
    }
}

/// A tool that this program does not run: a function becomes an [external](Tool::external) tool, everything else one of the
/// [server](Tool::server).
impl From<ResponsesTool> for Tool {
    fn from(definition: ResponsesTool) -> Self {
        let is_ours = matches!(definition, ResponsesTool::Function(_) | ResponsesTool::Custom(_));
        let wait = Action::Wait(|call| call.parse_arguments::<Json>().map(drop));
        Self::of(definition, if is_ours { wait } else { Action::Server })
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("definition", &self.definition).finish_non_exhaustive()
    }
}
