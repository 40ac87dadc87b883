//! How a run ends.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::call::{PendingCall, ToolCall};
use super::limits::Limit;
use super::output::ToolOutput;
use super::run::Run;
use super::status::{RunError, RunStatus, StopReason};
use super::store::StoreError;
use super::usage::Usage;
use crate::Error;
use crate::errors::{Chain, HookError};
use crate::helpers::ParseError;
use crate::models::Json;

/// How a run ended: with a final text, because calls wait for decisions, or because it was stopped.
///
/// ```no_run
/// # use openrouter_kit::agent::{Agent, Outcome};
/// # async fn run(agent: Agent) -> Result<(), Box<dyn std::error::Error>> {
/// match agent.run("Book a table for two.").await? {
///     Outcome::Done(done) => println!("{} ({} dollars)", done.text(), done.run().usage().cost),
///     Outcome::Paused(mut paused) => {
///         for call in paused.pending_mut() {
///             call.approve()?;
///         }
///         println!("{}", agent.resume(paused).await?.text()?);
///     }
///     Outcome::Stopped(stopped) => println!("stopped: {}", stopped.reason()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an outcome may be a pause or a stop instead of a text"]
pub enum Outcome {
    /// The model has given its final text, or a tool that [ends the run](super::Tool::ends_run) its output.
    Done(Done),
    /// Tool calls wait for decisions.
    Paused(Paused),
    /// The run ended without a final text.
    Stopped(Stopped),
}

impl Outcome {
    /// The outcome that a run has.
    pub(super) fn of(run: Run) -> Self {
        match run.status().clone() {
            RunStatus::Stopped(reason) => Self::Stopped(Stopped { run, reason }),
            RunStatus::Done => Self::Done(Done { run }),
            _ => Self::Paused(Paused { run }),
        }
    }

    /// Returns the final text.
    ///
    /// # Errors
    /// [`Unfinished`] if the run is not done, or ended with something other than text, such as an image. So an empty text is
    /// never returned.
    pub fn text(&self) -> Result<&str, Unfinished> {
        match self {
            Self::Done(done) if !done.text().is_empty() => Ok(done.text()),
            Self::Done(_) => Err(Unfinished("the final response has no text; see `Run::items`".to_owned())),
            Self::Paused(paused) => Err(Unfinished(match paused.pending().next() {
                Some(call) => format!("the call `{}` of `{}` waits for a decision", call.id(), call.name()),
                None => "the run is not finished".to_owned(),
            })),
            Self::Stopped(stopped) => Err(Unfinished(stopped.reason().to_string())),
        }
    }

    /// Reads the final text as a value; see [`Agent::output`](super::Agent::output).
    ///
    /// # Errors
    /// [`Unfinished`] as [`text`](Self::text) returns it, or if the text is not such a value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Unfinished> {
        parse(self.text()?).map_err(|error| Unfinished(error.to_string()))
    }

    /// Returns the run: its history, steps and usage.
    pub const fn run(&self) -> &Run {
        match self {
            Self::Done(done) => done.run(),
            Self::Paused(paused) => paused.run(),
            Self::Stopped(stopped) => stopped.run(),
        }
    }

    /// Returns the run, to resume it or to add input.
    pub fn into_run(self) -> Run {
        match self {
            Self::Done(Done { run }) | Self::Paused(Paused { run }) | Self::Stopped(Stopped { run, .. }) => run,
        }
    }

    /// Returns what the run has used in total.
    pub fn usage(&self) -> Usage {
        self.run().usage()
    }
}

/// Reads text of the model as a value, with the errors that the model understands.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ParseError> {
    crate::helpers::parse(text, || "the answer".to_owned())
}

/// A run with its final text.
#[derive(Clone, Debug)]
pub struct Done {
    run: Run,
}

impl Done {
    /// Returns the final text. It is empty only if the model responded with an image without text.
    pub fn text(&self) -> &str {
        self.run.text().unwrap_or_default()
    }

    /// Returns the limit because of which the final text was written without tools, if any.
    pub const fn limit(&self) -> Option<Limit> {
        self.run.limit()
    }

    /// Returns the run.
    pub const fn run(&self) -> &Run {
        &self.run
    }
}

/// A run whose calls wait for decisions.
#[derive(Clone, Debug)]
pub struct Paused {
    run: Run,
}

impl Paused {
    /// Returns the calls that wait.
    pub fn pending(&self) -> impl Iterator<Item = &ToolCall> {
        self.run.pending()
    }

    /// Returns the run.
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// Returns the calls that wait, to decide each of them; see [`Run::pending_mut`].
    pub fn pending_mut(&mut self) -> impl Iterator<Item = PendingCall<'_>> {
        self.run.pending_mut()
    }

    /// Returns the run of a subagent that has paused, to decide its calls; see [`Run::subagent_mut`].
    ///
    /// # Errors
    /// Those of [`Run::subagent_mut`].
    pub fn subagent_mut(&mut self, id: &str) -> Result<&mut Run, RunError> {
        self.run.subagent_mut(id)
    }

    /// Allows a call to run; see [`Run::approve`].
    ///
    /// # Errors
    /// Those of [`Run::approve`].
    pub fn approve(&mut self, id: &str) -> Result<(), RunError> {
        self.run.approve(id)
    }

    /// Allows a call to run with other arguments; see [`Run::approve_with`].
    ///
    /// # Errors
    /// Those of [`Run::approve_with`].
    pub fn approve_with(&mut self, id: &str, arguments: impl Into<Json>) -> Result<(), RunError> {
        self.run.approve_with(id, arguments)
    }

    /// Rejects a call with a reason for the model; see [`Run::reject`].
    ///
    /// # Errors
    /// Those of [`Run::reject`].
    pub fn reject(&mut self, id: &str, reason: impl fmt::Display) -> Result<(), RunError> {
        self.run.reject(id, reason)
    }

    /// Gives a call its output; see [`Run::answer`].
    ///
    /// # Errors
    /// Those of [`Run::answer`].
    pub fn answer(&mut self, id: &str, output: impl Into<ToolOutput>) -> Result<(), RunError> {
        self.run.answer(id, output)
    }
}

/// A run that ended without a final text.
#[derive(Clone, Debug)]
pub struct Stopped {
    run: Run,
    reason: StopReason,
}

impl Stopped {
    /// Returns why the run ended.
    pub const fn reason(&self) -> &StopReason {
        &self.reason
    }

    /// Returns the run.
    pub const fn run(&self) -> &Run {
        &self.run
    }
}

macro_rules! into_run {
    ($($type:ty),*) => {$(
        impl From<$type> for Run {
            fn from(ended: $type) -> Self {
                ended.run
            }
        }
    )*};
}
into_run!(Done, Paused, Stopped);

impl From<Outcome> for Run {
    fn from(outcome: Outcome) -> Self {
        outcome.into_run()
    }
}

/// A run has no final text, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished(String);

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the run has no final text: {}", self.0)
    }
}

impl StdError for Unfinished {}

/// Why a run failed, and the run as it was then.
///
/// The run can be continued with [`Agent::resume`](super::Agent::resume), without new input: what had been paid for is kept.
#[derive(Clone)]
pub struct AgentError(Arc<(AgentErrorKind, Run)>);

/// Why a run failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentErrorKind {
    /// A model call failed, or its response broke off.
    Model(Error),
    /// A limit was reached, and [`OnLimit::Error`](super::OnLimit::Error) was chosen.
    Limit(Limit),
    /// The model called a tool that does not exist, and [`UnknownTool::Fail`](super::UnknownTool::Fail) was chosen.
    UnknownTool(String),
    /// The run or the agent cannot be used like this.
    Run(RunError),
    /// The run could not be saved, so that it must not go on.
    Checkpoint(Box<dyn StdError + Send + Sync>),
    /// The [store](super::Agent::store) has not saved the run, so that it must not go on. What it has may be newer.
    Store(StoreError),
    /// A hook refused or failed.
    Hook(HookError),
}

impl AgentError {
    pub(super) fn new(kind: AgentErrorKind, run: Run) -> Self {
        Self(Arc::new((kind, run)))
    }

    /// Returns why the run failed.
    pub fn kind(&self) -> &AgentErrorKind {
        &self.0.0
    }

    /// Returns the run as it was when it failed.
    pub fn run(&self) -> &Run {
        &self.0.1
    }

    /// Returns the run, to continue it with [`Agent::resume`](super::Agent::resume).
    pub fn into_run(self) -> Run {
        Arc::try_unwrap(self.0).map_or_else(|shared| shared.1.clone(), |(_, run)| run)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.0 {
            AgentErrorKind::Model(_) => f.write_str("a model call of the run failed; the run can be resumed"),
            AgentErrorKind::Limit(limit) => write!(f, "the run failed because {limit} is reached"),
            AgentErrorKind::UnknownTool(name) => {
                write!(f, "the model called the tool {name:?}, which the agent does not have")
            }
            AgentErrorKind::Run(error) => write!(f, "the run cannot go on: {error}"),
            AgentErrorKind::Checkpoint(_) => f.write_str("the run could not be saved, so it did not go on"),
            AgentErrorKind::Store(error) => write!(f, "the run could not be saved, so it did not go on: {error}"),
            AgentErrorKind::Hook(_) => f.write_str("a hook stopped the run"),
        }
    }
}

impl fmt::Debug for AgentError {
    /// The message and its causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Chain(self), f)
    }
}

impl StdError for AgentError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.0 {
            AgentErrorKind::Model(error) => Some(error),
            AgentErrorKind::Checkpoint(error) => Some(&**error),
            // The error of the store is part of the message.
            AgentErrorKind::Store(error) => error.source(),
            AgentErrorKind::Hook(error) => Some(error),
            _ => None,
        }
    }
}
