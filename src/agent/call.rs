//! A tool call of the model, and what has become of it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::DeserializeOwned;

use super::output::{Returned, ToolOutput};
use super::run::Run;
use super::status::RunError;
use super::stored::{stored_enum, stored_struct};
use crate::helpers::ParseError;
use crate::models::responses::{CustomToolCallOutputItem, ToolCallOutput};
use crate::models::{InputItem, Json};

/// A tool call of the model in the current round of a [`Run`](super::Run).
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub(super) id: String,
    /// The id that the model gave to the call, if it had been used before.
    pub(super) original_id: Option<String>,
    pub(super) name: String,
    pub(super) arguments: String,
    /// The call is for a custom tool, whose input is text.
    pub(super) is_custom: bool,
    pub(super) state: CallState,
    pub(super) question: Option<String>,
    /// The run of the subagent, as it was when it paused or was stopped.
    pub(super) subagent: Option<Box<Run>>,
    pub(super) output: Option<ToolCallOutput>,
    pub(super) has_failed: bool,
    /// The output ends the run, if the tool gives one.
    pub(super) ends_run: bool,
}

stored_struct!(ToolCall as "tool call" {
    id, original_id, name, arguments, is_custom, state, question, subagent, output, has_failed, ends_run,
});

/// The state of a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallState {
    /// The model made the call. Nothing has happened yet.
    Requested,
    /// The call waits for [`Run::approve`](super::Run::approve) or [`Run::reject`](super::Run::reject).
    NeedsApproval,
    /// The tool asked a question, which [`Run::answer`](super::Run::answer) answers; see
    /// [`ToolOutput::question`](super::ToolOutput::question).
    NeedsAnswer,
    /// The call is for an external tool, whose output the program gives with [`Run::answer`](super::Run::answer).
    External,
    /// The call had started when the program ended, so it may have had its effect. [`Run::approve`](super::Run::approve)
    /// repeats it, [`Run::answer`](super::Run::answer) gives its output, [`Run::reject`](super::Run::reject) abandons it.
    Interrupted,
    /// The call runs a [subagent](ToolCall::subagent), which has paused. Its own calls have to be decided, in
    /// [`Run::subagent_mut`](super::Run::subagent_mut).
    Subagent,
    /// The call was approved and has not started.
    Approved,
    /// The call has started.
    Started,
    /// The call has an output.
    Finished,
}

stored_enum!(CallState as "state of a tool call" {
    Requested = "requested",
    NeedsApproval = "needs_approval",
    NeedsAnswer = "needs_answer",
    External = "external",
    Interrupted = "interrupted",
    Subagent = "subagent",
    Approved = "approved",
    Started = "started",
    Finished = "finished",
});

impl CallState {
    /// Returns `true` if the call waits for a decision of the program; a [`Subagent`](Self::Subagent), if one of its own
    /// calls does.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::NeedsApproval | Self::NeedsAnswer | Self::External | Self::Interrupted | Self::Subagent)
    }
}

impl ToolCall {
    pub(super) fn new(id: String, name: &str, arguments: &str, is_custom: bool) -> Self {
        Self {
            id,
            original_id: None,
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            is_custom,
            state: CallState::Requested,
            question: None,
            subagent: None,
            output: None,
            has_failed: false,
            ends_run: false,
        }
    }

    /// Returns the id of the call, which is unique within the run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the id that the model gave to the call, if the run replaced it because it was missing or already used.
    pub fn original_id(&self) -> Option<&str> {
        self.original_id.as_deref()
    }

    /// Returns the name of the tool.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the arguments: JSON as the model wrote it, or as it was replaced by
    /// [`Run::approve_with`](super::Run::approve_with).
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// Reads the arguments as a value. Empty ones count as `{}`.
    ///
    /// # Errors
    /// [`ParseError`] if the arguments are not JSON, or not such a value.
    pub fn parse_arguments<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        let text: Cow<'_, str> = match self.arguments.trim() {
            // Some models send it for a tool without parameters.
            "null" => "{}".into(),
            _ if self.is_custom => serde_json::Value::from(self.arguments.as_str()).to_string().into(),
            _ => self.arguments.as_str().into(),
        };
        crate::helpers::parse_arguments(&text, &self.name)
    }

    /// Returns the state of the call.
    pub const fn state(&self) -> CallState {
        self.state
    }

    /// Returns the question that the tool asked, if the state is [`CallState::NeedsAnswer`].
    pub fn question(&self) -> Option<&str> {
        self.question.as_deref()
    }

    /// Returns the run of the subagent that the call runs, if it has paused: its [pending](Run::pending) calls are those that
    /// the call waits for. To decide them, see [`Run::subagent_mut`].
    pub fn subagent(&self) -> Option<&Run> {
        self.subagent.as_deref()
    }

    /// Whether the call waits for a decision of the program.
    pub(super) fn is_pending(&self) -> bool {
        self.state.is_pending() && !self.is_decided_subagent()
    }

    /// Whether the call can be run: for the first time, or on with its subagent.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, CallState::Requested | CallState::Approved) || self.is_decided_subagent()
    }

    fn is_decided_subagent(&self) -> bool {
        let is_decided = |run: &Run| run.pending().next().is_none();
        self.state == CallState::Subagent && self.subagent().is_none_or(is_decided)
    }

    /// Returns the output of the call, as the model gets it.
    pub const fn output(&self) -> Option<&ToolCallOutput> {
        self.output.as_ref()
    }

    /// Returns `true` if the output says that the call failed or was not run.
    pub const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Replaces the arguments, in [`RunHook::before_tool`](super::RunHook::before_tool).
    pub fn set_arguments(&mut self, arguments: impl Into<Json>) {
        arguments.into().as_text().clone_into(&mut self.arguments);
    }

    /// Gives the call what the tool returned, the question that it asked, or the subagent that paused.
    pub(super) fn finish(&mut self, output: ToolOutput) {
        self.subagent = None;
        match output.into_returned() {
            Returned::Output(output) => {
                self.state = CallState::Finished;
                self.output = Some(output);
            }
            Returned::Question(question) => {
                self.state = CallState::NeedsAnswer;
                self.question = Some(question);
            }
            Returned::Paused(run) => {
                self.state = CallState::Subagent;
                self.subagent = Some(run);
            }
        }
    }

    /// Gives the call an output that says why it failed, or why it was not run.
    pub(super) fn settle(&mut self, message: &str, has_failed: bool) {
        self.finish(ToolOutput::text(message));
        self.has_failed = has_failed;
        self.ends_run = false;
    }

    /// Allows a pending call to run.
    fn approve(&mut self) -> Result<(), RunError> {
        match self.state {
            CallState::NeedsApproval | CallState::Interrupted => self.state = CallState::Approved,
            CallState::Subagent => return Err(RunError::SubagentPending { id: self.id.clone() }),
            _ => return Err(RunError::NeedsAnswer { id: self.id.clone() }),
        }
        Ok(())
    }

    /// The run of the subagent for which the call waits.
    pub(super) fn paused_subagent(&mut self) -> Option<&mut Run> {
        self.subagent.as_deref_mut().filter(|_| self.state == CallState::Subagent)
    }

    /// Gives the call an output that says that it was rejected.
    pub(super) fn reject(&mut self, reason: impl fmt::Display) {
        self.settle(&format!("The call was rejected: {reason}"), false);
    }

    /// The item of the history that has the output.
    pub(super) fn into_item(self) -> InputItem {
        let output = self.output.unwrap_or_else(|| "".into());
        if self.is_custom {
            CustomToolCallOutputItem::new(self.id, output).into()
        } else {
            InputItem::function_call_output(self.id, output)
        }
    }
}

/// A tool call that waits for a decision of the program, from [`Run::pending_mut`]. It shows what a [`ToolCall`] shows, and
/// takes one decision.
#[derive(Debug)]
#[must_use = "the call waits until it is decided"]
pub struct PendingCall<'a>(&'a mut ToolCall);

impl<'a> PendingCall<'a> {
    /// `None` if the call does not wait.
    pub(super) fn of(call: &'a mut ToolCall) -> Option<Self> {
        call.is_pending().then_some(Self(call))
    }

    /// Allows the call to run; an interrupted one to run again.
    ///
    /// # Errors
    /// [`RunError::NeedsAnswer`] if the call waits for an output, which only [`answer`](Self::answer) gives, and
    /// [`RunError::SubagentPending`] if it waits for the calls of its [subagent](Self::subagent_mut).
    pub fn approve(self) -> Result<(), RunError> {
        self.0.approve()
    }

    /// Allows the call to run with other arguments. They are read like those of the model.
    ///
    /// # Errors
    /// Those of [`approve`](Self::approve).
    pub fn approve_with(self, arguments: impl Into<Json>) -> Result<(), RunError> {
        self.0.approve()?;
        self.0.set_arguments(arguments);
        Ok(())
    }

    /// Rejects the call. The model gets the reason. A subagent that has paused is abandoned.
    pub fn reject(self, reason: impl fmt::Display) {
        self.0.reject(reason);
    }

    /// Gives the call its output: the answer to its question, the output of an external tool, or what came out of an
    /// interrupted call.
    pub fn answer(self, output: impl Into<ToolOutput>) {
        self.0.finish(output.into());
    }

    /// Returns the run of the subagent that has paused, to decide its calls; `None` if the call waits for something else.
    pub fn subagent_mut(&mut self) -> Option<&mut Run> {
        self.0.paused_subagent()
    }
}

impl Deref for PendingCall<'_> {
    type Target = ToolCall;

    fn deref(&self) -> &ToolCall {
        self.0
    }
}
