//! Code of the program around the model calls and tool calls of a run.

use std::fmt;
use std::future::{Future, ready};

use super::call::ToolCall;
use super::output::{ToolError, ToolOutput};
use super::run::Run;
use crate::hooks::HookFuture;
use crate::models::{ResponsesRequest, ResponsesResult};

/// Code of the program around the model calls and tool calls of a run: to observe, to change, and to refuse.
///
/// Hooks run in the order in which they were added. A hook that fails refuses: the model call is not sent and the run fails,
/// or the tool call is not run and the model is informed. For what surrounds each HTTP request, see
/// [`Hook`](crate::hooks::Hook).
///
/// ```
/// use openrouter_kit::agent::{Run, RunHook, ToolCall, ToolDecision};
/// use openrouter_kit::hooks::HookFuture;
///
/// #[derive(Debug)]
/// struct OnlyReading;
///
/// impl RunHook for OnlyReading {
///     fn before_tool<'a>(&'a self, _: &'a Run, call: &'a mut ToolCall) -> HookFuture<'a, ToolDecision> {
///         let decision = match call.name().starts_with("read_") {
///             true => ToolDecision::Allow,
///             false => ToolDecision::refuse("This assistant may only read."),
///         };
///         Box::pin(async { Ok(decision) })
///     }
/// }
/// ```
pub trait RunHook: Send + Sync + fmt::Debug + 'static {
    /// Runs before each model call. It may change the request.
    ///
    /// # Errors
    /// An error prevents the call; the run fails with [`AgentErrorKind::Hook`](super::AgentErrorKind::Hook).
    fn before_model<'a>(&'a self, run: &'a Run, request: &'a mut ResponsesRequest) -> HookFuture<'a, ()> {
        let _ = (run, request);
        Box::pin(ready(Ok(())))
    }

    /// Runs after each model call, before its output becomes part of the run. It may change the response.
    ///
    /// # Errors
    /// An error discards the response, whose usage is counted nevertheless; the run fails with
    /// [`AgentErrorKind::Hook`](super::AgentErrorKind::Hook).
    fn after_model<'a>(&'a self, run: &'a Run, response: &'a mut ResponsesResult) -> HookFuture<'a, ()> {
        let _ = (run, response);
        Box::pin(ready(Ok(())))
    }

    /// Runs before each tool call, whose arguments have been read and fit. It may change the arguments with
    /// [`ToolCall::set_arguments`]; they are then read again. It runs before approval is asked for, and again before an
    /// approved call runs.
    ///
    /// # Errors
    /// An error refuses the call. The model is not informed of the cause.
    fn before_tool<'a>(&'a self, run: &'a Run, call: &'a mut ToolCall) -> HookFuture<'a, ToolDecision> {
        let _ = (run, call);
        Box::pin(ready(Ok(ToolDecision::Allow)))
    }

    /// Runs after each tool call that was run. It may change what the model gets.
    ///
    /// # Errors
    /// An error replaces the output: the model is informed that the call failed.
    fn after_tool<'a>(
        &'a self,
        run: &'a Run,
        call: &'a ToolCall,
        result: &'a mut Result<ToolOutput, ToolError>,
    ) -> HookFuture<'a, ()> {
        let _ = (run, call, result);
        Box::pin(ready(Ok(())))
    }
}

/// What a hook decides about a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolDecision {
    /// The call runs, unless another hook or the tool itself decides otherwise.
    Allow,
    /// The call is not run. The model gets this text.
    Refuse(String),
    /// The call waits for approval, unless it has been approved.
    Ask,
}

impl ToolDecision {
    /// Refuses a call with a reason for the model.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self::Refuse(reason.into())
    }
}

/// Saves a run, so that it can be resumed if the program ends.
///
/// A run is saved before a model call is sent, before tool calls start, after each of them has finished, and when the run
/// ends or pauses. It does not go on before [`save`](Self::save) has returned. An error ends the run with
/// [`AgentErrorKind::Checkpoint`](super::AgentErrorKind::Checkpoint).
///
/// A closure that takes the run and returns a future is a checkpoint:
///
/// ```no_run
/// # use openrouter_kit::agent::{Agent, Run};
/// # use openrouter_kit::serde_json;
/// # fn with(agent: Agent) -> Agent {
/// agent.checkpoint(|run: &Run| {
///     let json = serde_json::to_vec(run);
///     async move { tokio::task::spawn_blocking(|| std::fs::write("run.json", json?)).await? }
/// })
/// # }
/// ```
pub trait Checkpoint: Send + Sync + 'static {
    /// Saves the run.
    ///
    /// # Errors
    /// Why it could not be saved.
    fn save<'a>(&'a self, run: &'a Run) -> CheckpointFuture<'a>;
}

/// The future of [`Checkpoint::save`].
pub type CheckpointFuture<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send + 'a>>;

impl<F, R, E> Checkpoint for F
where
    F: Fn(&Run) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn save<'a>(&'a self, run: &'a Run) -> CheckpointFuture<'a> {
        let saving = self(run);
        Box::pin(async { saving.await.map_err(Into::into) })
    }
}
