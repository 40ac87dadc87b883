//! An agent: a model, its tools, and how far a run may go.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::context::Data;
use super::hooks::{Checkpoint, RunHook};
use super::limits::Limits;
use super::run::{Run, items_of};
use super::running::AgentRun;
use super::store::{Lease, RunQuery, RunState, Store, StoreError};
use super::tool::Tool;
use crate::core::time::sleep;
use crate::core::{Call, EventStream, OpenRouterCore};
use crate::models::ResponsesRequest;
use crate::models::responses::{ResponsesInput, ResponsesStreamEvent};

/// A model with tools, and how far a run of it may go. Cloning it is cheap.
///
/// ```no_run
/// # #[cfg(feature = "schemars")]
/// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::agent::Tool;
///
/// #[derive(schemars::JsonSchema, serde::Deserialize)]
/// struct Place {
///     city: String,
/// }
///
/// async fn weather(place: Place) -> String {
///     format!("It is sunny in {}.", place.city)
/// }
///
/// let weather = Tool::new("get_weather", "The weather in a city", weather);
/// let agent = client.agent("openai/gpt-4o-mini").tool(weather);
/// println!("{}", agent.run("What is the weather in Rome?").await?.text()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Agent {
    pub(super) core: OpenRouterCore,
    pub(super) settings: Arc<Settings>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) request: ResponsesRequest,
    pub(super) tools: Vec<Tool>,
    pub(super) tool_sources: Vec<Arc<ToolSource>>,
    pub(super) limits: Limits,
    pub(super) max_concurrent: usize,
    pub(super) unknown_tool: UnknownTool,
    pub(super) data: Data,
    pub(super) prepare: Option<Arc<Prepare>>,
    pub(super) hooks: Vec<Arc<dyn RunHook>>,
    pub(super) checkpoint: Option<Arc<dyn Checkpoint>>,
    pub(super) store: Option<Arc<dyn Store>>,
    lease_period: Duration,
    pub(super) configure: Option<Arc<Configure>>,
    pub(super) check: Option<Check>,
    pub(super) output_retries: u64,
}

impl Settings {
    /// Whether a request may have another history than the run, so that it needs a copy.
    pub(super) fn may_change_history(&self) -> bool {
        self.prepare.is_some() || !self.hooks.is_empty()
    }
}

type ToolSource = dyn Fn() -> Vec<Tool> + Send + Sync;
type Prepare = dyn Fn(&Run, &mut ResponsesRequest) + Send + Sync;
type ModelCall = Call<EventStream<ResponsesStreamEvent>>;
type Configure = dyn Fn(ModelCall) -> ModelCall + Send + Sync;
/// Says what is wrong with a final text.
type Check = fn(&str) -> Result<(), crate::helpers::ParseError>;

/// What happens when the model calls a tool that does not exist or was not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownTool {
    /// The model is informed, with the names of the tools, and may try again a few times.
    #[default]
    TellModel,
    /// The run fails with [`AgentErrorKind::UnknownTool`](super::AgentErrorKind::UnknownTool).
    Fail,
}

/// How many tool calls of a round run at once, unless the agent says otherwise.
const MAX_CONCURRENT: usize = 8;

/// How long a run stays with a worker that has died.
const LEASE_PERIOD: Duration = Duration::from_secs(60);

/// How often the model is asked again for a text that fits the type of the output.
const OUTPUT_RETRIES: u64 = 2;

impl Agent {
    /// Creates an agent of this model.
    pub fn new(core: &OpenRouterCore, model: impl Into<String>) -> Self {
        Self::from_request(core, ResponsesRequest::new().model(model))
    }

    /// Creates an agent whose model calls have the fields of this request: model, sampling, reasoning, routing, server tools
    /// and so on. Its input, if any, precedes the input of each run.
    pub fn from_request(core: &OpenRouterCore, request: impl Into<ResponsesRequest>) -> Self {
        let settings = Settings {
            request: request.into(),
            tools: Vec::new(),
            tool_sources: Vec::new(),
            limits: Limits::new(),
            max_concurrent: MAX_CONCURRENT,
            unknown_tool: UnknownTool::TellModel,
            data: Data::default(),
            prepare: None,
            hooks: Vec::new(),
            checkpoint: None,
            store: None,
            lease_period: LEASE_PERIOD,
            configure: None,
            check: None,
            output_retries: OUTPUT_RETRIES,
        };
        Self { core: core.clone(), settings: Arc::new(settings) }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Changes the request that all model calls are made from.
    ///
    /// ```
    /// # fn with(agent: openrouter_kit::agent::Agent) -> openrouter_kit::agent::Agent {
    /// agent.request(|request| request.temperature(0.2).max_output_tokens(2000))
    /// # }
    /// ```
    #[must_use]
    pub fn request(self, change: impl FnOnce(ResponsesRequest) -> ResponsesRequest) -> Self {
        self.with(|settings| settings.request = change(std::mem::take(&mut settings.request)))
    }

    /// Sets the model.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        self.request(|request| request.model(model))
    }

    /// Sets the instructions: what the model is to do and how.
    #[must_use]
    pub fn instructions(self, instructions: impl Into<String>) -> Self {
        self.request(|request| request.instructions(instructions))
    }

    /// Adds a tool. Each needs a name of its own.
    #[must_use]
    pub fn tool(self, tool: impl Into<Tool>) -> Self {
        self.with(|settings| settings.tools.push(tool.into()))
    }

    /// Adds tools.
    #[must_use]
    pub fn tools(self, tools: impl IntoIterator<Item = impl Into<Tool>>) -> Self {
        self.with(|settings| settings.tools.extend(tools.into_iter().map(Into::into)))
    }

    /// Adds tools that may change during a run. `source` is called before each model call.
    #[must_use]
    pub fn tool_source(self, source: impl Fn() -> Vec<Tool> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.tool_sources.push(Arc::new(source)))
    }

    /// Sets what a run may use. Without it, a run may make 20 model calls.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.with(|settings| settings.limits = limits)
    }

    /// Sets how many tool calls of a round may run at once; by default, 8.
    #[must_use]
    pub fn max_concurrent(self, most: usize) -> Self {
        self.with(|settings| settings.max_concurrent = most.max(1))
    }

    /// Sets what happens when the model calls a tool that does not exist.
    #[must_use]
    pub fn unknown_tool(self, action: UnknownTool) -> Self {
        self.with(|settings| settings.unknown_tool = action)
    }

    /// Provides a value to all tool calls, by its type; see [`ToolContext::data`](super::ToolContext::data).
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.with(|settings| settings.data.insert(value))
    }

    /// Sets a closure that prepares each model call. It sees the run so far and may change the request: model, offered tools,
    /// tool choice, sampling, history. The changes apply to that call only; the run keeps its own history.
    ///
    /// ```
    /// # fn with(agent: openrouter_kit::agent::Agent) -> openrouter_kit::agent::Agent {
    /// use openrouter_kit::agent::keep_last_items;
    ///
    /// agent.prepare_step(|run, request| {
    ///     if run.steps().len() > 3 {
    ///         request.model = Some("openai/gpt-4o-mini".to_owned());
    ///     }
    ///     keep_last_items(request, 40);
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn prepare_step(self, prepare: impl Fn(&Run, &mut ResponsesRequest) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.prepare = Some(Arc::new(prepare)))
    }

    /// Adds a hook.
    #[must_use]
    pub fn hook(self, hook: impl RunHook) -> Self {
        self.with(|settings| settings.hooks.push(Arc::new(hook)))
    }

    /// Sets the code that saves the run, so that it can be resumed if the program ends; see [`Checkpoint`].
    #[must_use]
    pub fn checkpoint(self, checkpoint: impl Checkpoint) -> Self {
        self.with(|settings| settings.checkpoint = Some(Arc::new(checkpoint)))
    }

    /// Sets the store of runs. Each run is saved before a model call is sent, before tools start and after each of them, so
    /// that a crash at any point loses nothing and another process can continue; see [`store`](super::store). An agent that is a tool
    /// of another needs none: its run is part of the call of that tool.
    #[must_use]
    pub fn store(self, store: impl Store) -> Self {
        self.with(|settings| settings.store = Some(Arc::new(store)))
    }

    /// Sets how long the lease of a run lasts: after that time, another worker may take over the run of a process that has
    /// died. By default, a minute. The lease is renewed three times within it while the run is awaited or its events are read.
    #[must_use]
    pub fn lease_period(self, period: Duration) -> Self {
        self.with(|settings| settings.lease_period = period.max(Duration::from_millis(100)))
    }

    /// Claims a run in the store to resume it here, for example after a crash.
    ///
    /// # Errors
    /// [`StoreError::Leased`] while another worker has it, [`StoreError::NotFound`], and whatever the store reports;
    /// [`StoreError::Failed`] if the agent has no store.
    pub async fn claim(&self, id: &str) -> Result<AgentRun, StoreError> {
        let lease = self.lease();
        let run = self.stored()?.claim(id, &lease).await?;
        Ok(AgentRun::new(self.clone(), run).with_lease(lease))
    }

    /// Takes a run that can go on and that nobody works on, the longest untouched first; `None` if there is none now. A worker
    /// that waits for one calls [`wait_for_run`](Self::wait_for_run).
    ///
    /// # Errors
    /// Whatever the store reports; [`StoreError::Failed`] if the agent has no store.
    pub async fn claim_next(&self) -> Result<Option<AgentRun>, StoreError> {
        const SEEN: usize = 20;
        let store = self.stored()?;
        let query = RunQuery::new().state(RunState::Ready).free().limit(SEEN);
        loop {
            let found = store.list(&query).await?;
            if found.is_empty() {
                return Ok(None);
            }
            for summary in found {
                match self.claim(&summary.id).await {
                    // It may have come to its end since it was listed.
                    Ok(run) if RunState::of(run.run()) == RunState::Ready => return Ok(Some(run)),
                    Ok(run) => run.give_back().await?,
                    Err(StoreError::Leased { .. } | StoreError::NotFound { .. } | StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Waits for a run that can go on and that nobody works on, and takes it. The store is asked every `interval`, and when
    /// the lease of a run expires, whose worker has died. A worker calls it again and again:
    ///
    /// ```no_run
    /// # async fn work(agent: openrouter_kit::agent::Agent) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// loop {
    ///     let run = agent.wait_for_run(Duration::from_secs(1)).await?;
    ///     println!("{:?}", run.await?.text());
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`claim_next`](Self::claim_next).
    pub async fn wait_for_run(&self, interval: Duration) -> Result<AgentRun, StoreError> {
        let query = RunQuery::new().state(RunState::Ready);
        loop {
            if let Some(run) = self.claim_next().await? {
                return Ok(run);
            }
            let leased = self.stored()?.list(&query).await?;
            let first = leased.iter().filter_map(|run| run.lease_left).min();
            sleep(first.map_or(interval, |left| left.min(interval))).await;
        }
    }

    fn stored(&self) -> Result<&dyn Store, StoreError> {
        self.settings
            .store
            .as_deref()
            .ok_or_else(|| StoreError::Failed("the agent has no store; set `Agent::store`".into()))
    }

    /// A lease of this process.
    pub(super) fn lease(&self) -> Lease {
        Lease::new(format!("process {}", std::process::id()), self.settings.lease_period)
    }

    /// Sets the options of each model call, such as its timeouts, retries and headers.
    ///
    /// ```
    /// # fn with(agent: openrouter_kit::agent::Agent) -> openrouter_kit::agent::Agent {
    /// agent.configure_calls(|call| call.header("x-title", "My agent"))
    /// # }
    /// ```
    #[must_use]
    pub fn configure_calls(self, configure: impl Fn(ModelCall) -> ModelCall + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.configure = Some(Arc::new(configure)))
    }

    /// Makes the final text a `T` in JSON, which [`Outcome::parse`](super::Outcome::parse) reads. A text that does not fit is
    /// sent back to the model with the reason, at most twice, and within the limits; see
    /// [`output_retries`](Self::output_retries).
    ///
    /// ```no_run
    /// # async fn run(agent: openrouter_kit::agent::Agent) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(Debug, schemars::JsonSchema, serde::Deserialize)]
    /// struct Answer {
    ///     city: String,
    ///     degrees: f64,
    /// }
    ///
    /// let answer: Answer = agent.output::<Answer>().run("Where is it warmest?").await?.parse()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "schemars")]
    #[must_use]
    pub fn output<T: schemars::JsonSchema + serde::de::DeserializeOwned>(self) -> Self {
        self.request(ResponsesRequest::json_schema_of::<T>)
            .with(|settings| settings.check = Some(|text| super::outcome::parse::<T>(text).map(drop)))
    }

    /// Sets how often the model may try again after a final text that does not fit the type of the output.
    #[must_use]
    pub fn output_retries(self, most: u64) -> Self {
        self.with(|settings| settings.output_retries = most)
    }

    /// Creates a run with its input: a text of the user, or items. Nothing is sent before it is awaited or its stream is read.
    pub fn run(&self, input: impl Into<ResponsesInput>) -> AgentRun {
        let mut items = self.settings.request.input.clone().map(items_of).unwrap_or_default();
        items.extend(items_of(input.into()));
        AgentRun::new(self.clone(), Run::new(items))
    }

    /// Continues a run from its current state: after a pause, an error, a limit or a crash, or with new input. Nothing is done
    /// twice; a run that is done returns its outcome at once.
    pub fn resume(&self, run: impl Into<Run>) -> AgentRun {
        AgentRun::new(self.clone(), run.into())
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("model", &self.settings.request.model)
            .field("tools", &self.settings.tools.iter().map(Tool::name).collect::<Vec<_>>())
            .field("limits", &self.settings.limits)
            .finish_non_exhaustive()
    }
}
