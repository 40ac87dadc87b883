//! Agents: models that call tools of the program until they have a final text, within limits, with pauses for decisions, and
//! resumable after failures.
//!
//! ```no_run
//! # #[cfg(feature = "schemars")]
//! # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
//! use openrouter_kit::agent::Tool;
//!
//! #[derive(schemars::JsonSchema, serde::Deserialize)]
//! struct Place {
//!     city: String,
//! }
//!
//! let weather = Tool::new("get_weather", "The weather in a city", async |place: Place| {
//!     format!("It is sunny in {}.", place.city)
//! });
//! let agent = client.agent("openai/gpt-4o-mini").tool(weather);
//! println!("{}", agent.run("What is the weather in Rome?").await?.text()?);
//! # Ok(())
//! # }
//! ```
//!
//! The [guide](crate::guide::agents) goes from the first tool to production. There are three layers, each usable alone:
//!
//! - [`Run`] is the loop as plain data without I/O: the history, the calls of the current round, the usage, and what comes
//!   next. It serializes as JSON.
//! - [`Agent`] is a model with its tools and limits. It drives runs: [`Agent::run`] starts one, [`Agent::resume`] continues
//!   one. A run in progress, [`AgentRun`], is a future of its [`Outcome`], or a stream of [`Event`]s.
//! - [`Tool`] is what the model may call: an async function of the program, an external tool, or a tool of the server.
//!
//! # Guarantees
//!
//! - A run ends as [`Outcome::Done`] with a text, as [`Outcome::Paused`], as [`Outcome::Stopped`] with a reason, or with an
//!   [`AgentError`] that has the run. An empty text is never a success.
//! - The model call that would pass a limit is not sent; see [`Limits`]. By default, a run may make 20 model calls.
//! - Dropping the future or stream of a run stops everything at once, and a run makes progress only while it is polled.
//! - Arguments are read before approval is requested, and a hook that fails refuses the call.
//! - The model sees the message of an error only if the tool allows it; see [`ToolError`].
//! - A history in which a call has no output is never sent.

mod builder;
mod call;
mod compact;
mod context;
mod driver;
mod event;
mod handler;
mod held;
mod hooks;
mod limits;
#[cfg(feature = "mcp")]
mod mcp;
mod meter;
mod outcome;
mod output;
mod response;
mod round;
mod run;
mod running;
mod status;
mod step;
pub mod store;
mod stored;
mod subagent;
mod tool;
mod usage;

pub use builder::{Agent, UnknownTool};
pub use call::{CallState, PendingCall, ToolCall};
pub use compact::keep_last_items;
pub use context::ToolContext;
pub use event::Event;
pub use handler::{Handler, IntoToolResult, NoArguments, ToolFuture};
pub use hooks::{Checkpoint, CheckpointFuture, RunHook, ToolDecision};
pub use limits::{Limit, Limits, OnLimit};
#[cfg(feature = "mcp")]
pub use mcp::{McpApproval, McpError, McpErrorKind, McpHttp, McpServer, McpTools};
pub use outcome::{AgentError, AgentErrorKind, Done, Outcome, Paused, Stopped, Unfinished};
pub use output::{ToolError, ToolErrorKind, ToolOutput};
pub use run::{NextStep, Run};
pub use running::{AgentRun, AgentStream, AgentTextStream, RunFuture, StopHandle};
pub use status::{RunError, RunStatus, StopReason};
pub use step::{Step, StepState};
pub use tool::Tool;
pub use usage::Usage;

use crate::core::OpenRouterCore;
use crate::models::ResponsesRequest;
use crate::sdk::OpenRouter;

/// Runs a request with tools until the model has its final text: an [`Agent`] of the request, and a run of its input.
///
/// The official SDKs have it under this name (`callModel`). It is a shortcut; [`Agent`] has limits, hooks and everything
/// else.
///
/// ```no_run
/// # async fn run(core: openrouter_kit::OpenRouterCore, weather: openrouter_kit::agent::Tool)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::agent::call_model;
/// use openrouter_kit::models::ResponsesRequest;
///
/// let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("What is the weather in Rome?");
/// println!("{}", call_model(&core, request, [weather]).await?.text()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "callModel")]
pub fn call_model(
    core: &OpenRouterCore,
    request: impl Into<ResponsesRequest>,
    tools: impl IntoIterator<Item = impl Into<Tool>>,
) -> AgentRun {
    Agent::from_request(core, request).tools(tools).run(Vec::new())
}

impl OpenRouter {
    /// Creates an agent of this model; see [`Agent`].
    pub fn agent(&self, model: impl Into<String>) -> Agent {
        Agent::new(self.core(), model)
    }

    /// Runs a request with tools until the model has its final text; see [`call_model`].
    #[doc(alias = "callModel")]
    pub fn call_model(
        &self,
        request: impl Into<ResponsesRequest>,
        tools: impl IntoIterator<Item = impl Into<Tool>>,
    ) -> AgentRun {
        call_model(self.core(), request, tools)
    }
}
