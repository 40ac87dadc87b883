//! A run: what has happened so far, and what comes next. It does no I/O.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::call::{CallState, PendingCall, ToolCall};
use super::limits::{Limit, Limits, OnLimit, Room};
use super::output::ToolOutput;
use super::response::{self, Made, Reading};
use super::status::{RunError, RunStatus, StopReason};
use super::step::{Repeat, Step, StepState, Turn};
use super::stored::{Version, stored_struct};
use super::usage::Usage;
use crate::models::responses::{ResponsesInput, ResponsesResult, ToolCallOutput};
use crate::models::{InputItem, Json, ResponsesRequest};

/// A run of an agent: its history, its tool calls, its usage, and what comes next.
///
/// A run is plain data. It is written as JSON with serde and can be continued from it, in another process and on another
/// machine, with [`Agent::resume`](super::Agent::resume). A program that makes its model calls itself can drive it without
/// an agent:
///
/// ```
/// use openrouter_kit::agent::{Limits, NextStep, Run, ToolOutput};
/// use openrouter_kit::models::ResponsesResult;
/// use openrouter_kit::serde_json::{from_value, json};
///
/// let mut run = Run::new("What is the weather in Rome?");
/// let limits = Limits::new();
/// assert_eq!(run.next_step(&limits), NextStep::CallModel { is_final: false });
/// run.begin_model_call();
/// // Send `run.items()` to the model; this is what it responds:
/// let call = json!({"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Rome\"}"});
/// let response: ResponsesResult = from_value(json!({"id": "gen-1", "status": "completed", "output": [call]}))?;
/// run.finish_model_call(response);
///
/// assert_eq!(run.next_step(&limits), NextStep::RunTools);
/// run.begin_tool_call("call_1")?;
/// run.finish_tool_call("call_1", ToolOutput::text("sunny"))?;
/// assert_eq!(run.next_step(&limits), NextStep::CallModel { is_final: false });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A history must not be sent while one of its calls has no output: [`next_step`](Self::next_step) asks for a model call only
/// when every call has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    version: Version,
    id: String,
    pub(super) status: RunStatus,
    items: Vec<InputItem>,
    pub(super) calls: Vec<ToolCall>,
    steps: Vec<Step>,
    pub(super) turn: Turn,
    text: Option<String>,
    revision: u64,
}

stored_struct!(Run as "state" { version, id, status, items, calls, steps, turn, text, revision });

/// What a run needs next; see [`Run::next_step`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStep {
    /// A model call with [`Run::items`] as input.
    CallModel {
        /// Only a final answer fits the limits: the call must be made without tools (`tool_choice: "none"`).
        is_final: bool,
    },
    /// The calls of [`Run::calls`] that are requested or approved have to be run.
    RunTools,
    /// The pending calls have to be decided.
    Wait,
    /// Nothing: the run is done or stopped.
    End,
}

impl Run {
    /// Starts a run with its input: a text of the user, or items.
    pub fn new(input: impl Into<ResponsesInput>) -> Self {
        Self { id: format!("run-{:032x}", fastrand::u128(..)), items: items_of(input.into()), ..Self::nothing() }
    }

    /// Replaces a run that was taken away.
    pub(super) const fn nothing() -> Self {
        Self {
            version: Version,
            id: String::new(),
            status: RunStatus::InProgress,
            items: Vec::new(),
            calls: Vec::new(),
            steps: Vec::new(),
            turn: Turn::new(),
            text: None,
            revision: 0,
        }
    }

    /// Returns the id of the run, which is made at random.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns how many times the run has been saved to a [`Store`](super::store::Store) or claimed there. A store refuses to
    /// save a run whose revision differs from the stored one.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Sets the revision, in a store of your own.
    #[must_use]
    pub const fn with_revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    pub(super) const fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    /// Returns how far the run has come.
    pub const fn status(&self) -> &RunStatus {
        &self.status
    }

    /// Returns the history: the input, the output of the model, and the outputs of its calls. Those of a round are added
    /// together, in the order of the calls, once the last of them is known.
    pub fn items(&self) -> &[InputItem] {
        &self.items
    }

    /// Returns the calls of the current round. The round ends, and the list is empty, when all of them have an output.
    pub fn calls(&self) -> &[ToolCall] {
        &self.calls
    }

    /// Returns the calls that wait for a decision: an approval, an answer, the output of an external tool, or a decision
    /// about the calls of a [subagent](ToolCall::subagent).
    pub fn pending(&self) -> impl Iterator<Item = &ToolCall> {
        self.calls.iter().filter(|call| call.is_pending())
    }

    /// Returns the calls that wait for a decision, to decide each of them.
    ///
    /// ```
    /// # use openrouter_kit::agent::{Run, RunError};
    /// fn approve_all(run: &mut Run) -> Result<(), RunError> {
    ///     for mut call in run.pending_mut() {
    ///         match call.subagent_mut() {
    ///             Some(subagent) => approve_all(subagent)?,
    ///             None => call.approve()?,
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// # let _ = approve_all;
    /// ```
    pub fn pending_mut(&mut self) -> impl Iterator<Item = PendingCall<'_>> {
        self.calls.iter_mut().filter_map(PendingCall::of)
    }

    /// Returns the run of the subagent that a call runs and that has paused, to decide its calls. Its ids are its own: they
    /// may be those of other calls in this run.
    ///
    /// # Errors
    /// [`RunError`] if the call does not exist, or does not wait for a subagent.
    pub fn subagent_mut(&mut self, id: &str) -> Result<&mut Self, RunError> {
        let call = self.call(id)?;
        let state = call.state;
        call.paused_subagent().ok_or_else(|| RunError::NotPending { id: id.to_owned(), state })
    }

    /// Returns the model calls so far, each with its usage.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns what the whole run has used: the sum over all steps.
    pub fn usage(&self) -> Usage {
        self.steps.iter().map(|step| step.usage).sum()
    }

    /// Returns what was used since the last input. The limits are about this.
    pub fn turn_usage(&self) -> Usage {
        self.turn_steps().iter().map(|step| step.usage).sum()
    }

    fn turn_steps(&self) -> &[Step] {
        self.steps.get(self.turn.first_step..).unwrap_or_default()
    }

    /// Returns how long the run has been active since the last input, the time between pausing and resuming excluded.
    pub const fn active_time(&self) -> Duration {
        Duration::from_millis(self.turn.active_ms)
    }

    /// Returns the text that the run ended with, if it is done.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Returns the limit because of which the last model call was made without tools.
    pub const fn limit(&self) -> Option<Limit> {
        self.turn.limit
    }

    /// Adds input: the next message of a conversation. After the end of a turn, it starts the next one, whose limits count
    /// from zero.
    ///
    /// # Errors
    /// [`RunError::CallsPending`] while a call has no output, since the history could not be sent. Decide the call, or
    /// abandon it with [`end_turn`](Self::end_turn).
    pub fn add_input(&mut self, input: impl Into<ResponsesInput>) -> Result<(), RunError> {
        if let Some(call) = self.calls.iter().find(|call| call.state != CallState::Finished) {
            return Err(RunError::CallsPending { id: call.id.clone() });
        }
        self.close_round();
        if self.status.is_end() {
            self.turn = Turn { first_step: self.steps.len(), ..Turn::new() };
        }
        self.status = RunStatus::InProgress;
        self.text = None;
        self.items.extend(items_of(input.into()));
        Ok(())
    }

    /// Adds input as [`add_input`](Self::add_input) does, and returns the run.
    ///
    /// # Errors
    /// Those of [`add_input`](Self::add_input).
    pub fn with_input(mut self, input: impl Into<ResponsesInput>) -> Result<Self, RunError> {
        self.add_input(input)?;
        Ok(self)
    }

    /// Replaces the history, for example by a shorter one with a summary. For a shorter history in single model calls, see
    /// [`Agent::prepare_step`](super::Agent::prepare_step).
    ///
    /// # Errors
    /// [`RunError::CallsPending`] during a round, whose calls are in the history.
    pub fn set_items(&mut self, items: Vec<InputItem>) -> Result<(), RunError> {
        if let Some(call) = self.calls.first() {
            return Err(RunError::CallsPending { id: call.id.clone() });
        }
        self.items = items;
        Ok(())
    }

    /// Returns what comes next within these limits. It ends the run if nothing does.
    ///
    /// It adds the outputs of a finished round to the history. It must not be called during a model call.
    pub fn next_step(&mut self, limits: &Limits) -> NextStep {
        if self.status.is_end() {
            return NextStep::End;
        }
        if self.calls.iter().any(ToolCall::is_ready) {
            self.status = RunStatus::InProgress;
            return NextStep::RunTools;
        }
        if self.calls.iter().any(|call| call.state != CallState::Finished) {
            self.status = RunStatus::Paused;
            return NextStep::Wait;
        }
        self.close_round();
        if self.status.is_end() {
            return NextStep::End;
        }
        let largest = self.turn_steps().iter().fold(Usage::zero(), |most, step| most.max(&step.usage));
        let room = limits.check(&self.turn_usage(), &largest, self.active_time());
        let refused = self.turn.refused_tool_call.then_some(Limit::ToolCalls);
        let reached = match room {
            Room::Nothing(limit) => Some(limit),
            _ => refused.filter(|_| limits.action() != OnLimit::FinalAnswer),
        };
        if let Some(limit) = reached {
            self.stop(StopReason::Limit(limit));
            return NextStep::End;
        }
        self.turn.limit = match room {
            Room::OneCall(limit) => Some(limit),
            _ => refused,
        };
        NextStep::CallModel { is_final: self.turn.limit.is_some() }
    }

    /// Records that a model call is about to be sent. From here on it counts, with unknown cost until its response arrives.
    pub fn begin_model_call(&mut self) {
        self.steps.push(Step { usage: Usage::of_unknown_call(), ..Step::default() });
    }

    /// Makes the history the input of a request while `send` reads it, without copying it.
    pub(super) fn send_items<T>(
        &mut self,
        request: &mut ResponsesRequest,
        send: impl FnOnce(&ResponsesRequest) -> T,
    ) -> T {
        request.input = Some(ResponsesInput::List(std::mem::take(&mut self.items)));
        let sent = send(request);
        self.items = request.input.take().map(items_of).unwrap_or_default();
        sent
    }

    /// Notes that the tools were left as they are in the call that is about to be sent, because there are none.
    pub(super) const fn without_tools(&mut self) {
        self.turn.limit = None;
    }

    /// The step whose model call is under way.
    fn current_step(&mut self) -> Option<&mut Step> {
        self.steps.last_mut().filter(|step| step.state == StepState::Calling)
    }

    fn fail_model_call_under_way(&mut self) {
        if let Some(step) = self.current_step() {
            step.state = StepState::Failed;
        }
    }

    /// Records that the model call returned no complete response: with its usage as far as it is known, or, if it was
    /// certainly not sent (`None`), as if it had not been made.
    pub fn fail_model_call(&mut self, usage: Option<Usage>) {
        if let Some(step) = self.current_step() {
            match usage {
                Some(usage) => {
                    step.state = StepState::Failed;
                    step.usage = usage;
                }
                None => drop(self.steps.pop()),
            }
        }
    }

    /// Adds the response of the model call: its output to the history, its calls as the next round, its usage to the step. It
    /// may end the run.
    pub fn finish_model_call(&mut self, mut response: ResponsesResult) {
        let Some(step) = self.current_step() else { return };
        step.response_id = std::mem::take(&mut response.id);
        step.model = std::mem::take(&mut response.model);
        step.state = StepState::Responded;
        step.usage = Usage::of_call(response.usage.as_ref());
        let cut_off = response::cut_off(&response);
        let Reading { items, made } = Reading::of(response, &self.items);
        // An empty response is not worth keeping.
        if cut_off.is_some() || made != Made::Nothing {
            self.items.extend(items);
        }
        if let Made::Calls(_) = made {
            self.turn.is_choice_spent = true;
            self.turn.empty_responses = 0;
        }
        match (cut_off, made) {
            (Some(reason), made) => {
                if let Made::Calls(calls) = made {
                    let output = format!("This call was not run: the response was cut off ({reason}).");
                    self.items.extend(refused(calls, &output));
                }
                self.stop(StopReason::CutOff(reason));
            }
            (None, Made::Calls(calls)) => match self.turn.limit {
                Some(limit) => {
                    self.items.extend(refused(calls, &format!("This call was not run: {limit} is reached.")));
                    self.stop(StopReason::Limit(limit));
                }
                None => {
                    self.note_repeats(&calls);
                    self.calls = calls;
                }
            },
            (None, Made::Nothing) => {
                self.turn.empty_responses += 1;
                if self.turn.empty_responses > 1 {
                    self.stop(StopReason::EmptyResponse);
                }
            }
            (None, Made::Text(text)) => self.finish(text),
            (None, Made::Refusal(text)) => self.stop(StopReason::Refusal(text)),
            (None, Made::UnsupportedCall(kind)) => self.stop(StopReason::UnsupportedCall(kind)),
        }
    }

    /// Takes back that the run is done, and tells the model what is wrong with its final text.
    pub(super) fn ask_again(&mut self, message: String) {
        self.status = RunStatus::InProgress;
        self.text = None;
        self.turn.invalid_outputs += 1;
        self.items.push(InputItem::user(message));
    }

    fn note_repeats(&mut self, calls: &[ToolCall]) {
        let before = std::mem::take(&mut self.turn.repeats);
        for call in calls {
            let arguments = arguments_of(call);
            let is_same = |repeat: &&Repeat| repeat.name == call.name && repeat.arguments == arguments;
            if !self.turn.repeats.iter().any(|repeat| is_same(&repeat)) {
                let rounds = before.iter().find(is_same).map_or(0, |repeat| repeat.rounds);
                self.turn.repeats.push(Repeat { name: call.name.clone(), arguments, rounds: rounds + 1 });
            }
        }
    }

    /// In how many rounds in a row a tool was called with these arguments, the current one included.
    pub(super) fn rounds_of(&self, call: &ToolCall) -> u64 {
        let of_tool = || self.turn.repeats.iter().filter(|repeat| repeat.name == call.name);
        if of_tool().all(|repeat| repeat.rounds == 1) {
            return 1;
        }
        let arguments = arguments_of(call);
        of_tool().find(|repeat| repeat.arguments == arguments).map_or(1, |repeat| repeat.rounds)
    }

    /// Moves the outputs of a finished round into the history.
    fn close_round(&mut self) {
        if !self.turn.failures.is_empty() || self.calls.iter().any(|call| call.has_failed) {
            let names: BTreeSet<&str> = self.calls.iter().map(|call| call.name.as_str()).collect();
            let failures = names.into_iter().map(|name| (name.to_owned(), self.failed_rounds(name)));
            let failures: Vec<(String, u64)> = failures.collect();
            self.turn.failures.extend(failures);
            self.turn.failures.retain(|_, rounds| *rounds > 0);
        }
        let calls = std::mem::take(&mut self.calls);
        let last = calls.iter().find(|call| call.ends_run).and_then(|call| call.output.as_ref()).map(text_of);
        self.items.extend(calls.into_iter().map(ToolCall::into_item));
        if let Some(text) = last {
            self.finish(text);
        } else if let Some(reason) = self.turn.stop.take() {
            self.stop(reason);
        }
    }

    fn finish(&mut self, text: String) {
        self.status = RunStatus::Done;
        self.text = Some(text);
    }

    /// Ends the run without a final text. It can be resumed.
    pub fn stop(&mut self, reason: StopReason) {
        self.status = RunStatus::Stopped(reason);
        self.text = None;
    }

    /// Ends the turn and abandons what is open, so that [`add_input`](Self::add_input) takes the next message: calls that
    /// have not run are rejected with this reason, the model is informed that a call that had started may have had its
    /// effect, and a model call under way counts as failed.
    ///
    /// A run that had not ended is then stopped with [`StopReason::Requested`].
    ///
    /// ```no_run
    /// # use openrouter_kit::agent::{Agent, Outcome};
    /// # async fn run(agent: Agent) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut run = agent.run("Refund order 7.").await?.into_run();
    /// // It may wait for an approval, but the user talks about something else.
    /// run.end_turn("the user changed the subject");
    /// println!("{}", agent.resume(run.with_input("What is the weather in Rome?")?).await?.text()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn end_turn(&mut self, reason: impl fmt::Display) {
        for call in self.calls.iter_mut().filter(|call| call.state != CallState::Finished) {
            match call.state {
                CallState::Started | CallState::Interrupted => {
                    call.settle(&format!("The call was interrupted and may have had its effect: {reason}"), true);
                }
                _ => call.reject(&reason),
            }
        }
        self.fail_model_call_under_way();
        self.close_round();
        if !self.status.is_end() {
            self.stop(StopReason::Requested);
        }
    }

    /// Makes a run continue that was stopped or interrupted by an error or the end of the program. Calls that had started
    /// become pending with [`CallState::Interrupted`]; those of tools for which `is_repeatable` returns `true` run again.
    ///
    /// [`Agent::resume`](super::Agent::resume) does this.
    pub fn reopen(&mut self, is_repeatable: impl Fn(&str) -> bool) {
        if let RunStatus::Stopped(_) = self.status {
            let Turn { first_step, active_ms, is_choice_spent, .. } = self.turn;
            self.turn = Turn { first_step, active_ms, is_choice_spent, ..Turn::new() };
            self.status = RunStatus::InProgress;
        }
        self.fail_model_call_under_way();
        for call in self.calls.iter_mut().filter(|call| call.state == CallState::Started) {
            call.state = if is_repeatable(&call.name) { CallState::Approved } else { CallState::Interrupted };
        }
    }

    fn call(&mut self, id: &str) -> Result<&mut ToolCall, RunError> {
        let call = self.calls.iter_mut().find(|call| call.id == id);
        call.ok_or_else(|| RunError::UnknownCall { id: id.to_owned() })
    }

    fn pending_call(&mut self, id: &str) -> Result<PendingCall<'_>, RunError> {
        let call = self.call(id)?;
        let state = call.state;
        PendingCall::of(call).ok_or_else(|| RunError::NotPending { id: id.to_owned(), state })
    }

    /// Records that a call is about to run. From here on it counts, and counts as interrupted if the program ends before
    /// [`finish_tool_call`](Self::finish_tool_call).
    ///
    /// # Errors
    /// [`RunError::UnknownCall`] if the round has no such call, [`RunError::NotPending`] if it has started before or waits
    /// for a decision.
    pub fn begin_tool_call(&mut self, id: &str) -> Result<(), RunError> {
        let call = self.call(id)?;
        if !call.is_ready() {
            return Err(RunError::NotPending { id: id.to_owned(), state: call.state });
        }
        let has_begun = call.subagent.is_some();
        call.state = CallState::Started;
        if let Some(step) = self.steps.last_mut().filter(|_| !has_begun) {
            step.usage.tool_calls += 1;
        }
        Ok(())
    }

    /// Gives a call its output. A [question](ToolOutput::question) or a [paused run](ToolOutput::paused) makes it pending.
    ///
    /// # Errors
    /// [`RunError::UnknownCall`] if the round has no such call.
    pub fn finish_tool_call(&mut self, id: &str, output: impl Into<ToolOutput>) -> Result<&ToolCall, RunError> {
        let call = self.call(id)?;
        call.finish(output.into());
        Ok(call)
    }

    /// Gives a call an output that says why it failed.
    ///
    /// # Errors
    /// [`RunError::UnknownCall`] if the round has no such call.
    pub fn fail_tool_call(&mut self, id: &str, message: &str) -> Result<&ToolCall, RunError> {
        self.settle_tool_call(id, message, true)
    }

    /// Gives a call an output that says why it failed, or only why it was not run.
    pub(super) fn settle_tool_call(
        &mut self,
        id: &str,
        message: &str,
        has_failed: bool,
    ) -> Result<&ToolCall, RunError> {
        let call = self.call(id)?;
        call.settle(message, has_failed);
        Ok(call)
    }

    /// In how many rounds in a row calls of a tool failed and none succeeded, the current one included.
    pub(super) fn failed_rounds(&self, name: &str) -> u64 {
        let of_tool = || self.calls.iter().filter(|call| call.name == name);
        match of_tool().any(|call| call.has_failed) && of_tool().all(|call| call.has_failed) {
            true => self.turn.failures.get(name).copied().unwrap_or_default() + 1,
            false => 0,
        }
    }

    /// Gives an output to the calls that were dropped while they ran. Those that had not started stay as they are.
    pub(super) fn halt(&mut self, message: &str) {
        for call in &mut self.calls {
            if call.state == CallState::Started {
                call.settle(message, true);
            }
        }
        self.fail_model_call_under_way();
    }

    /// Makes a call wait for a decision.
    pub(super) fn suspend(&mut self, index: usize, state: CallState) {
        if let Some(call) = self.calls.get_mut(index) {
            call.state = state;
        }
    }

    /// Adds what subagents used to the current step.
    pub(super) fn add_usage(&mut self, usage: Usage) {
        if let Some(step) = self.steps.last_mut() {
            step.usage += usage;
        }
    }

    /// Allows a pending call to run; an interrupted one to run again.
    ///
    /// # Errors
    /// [`RunError`] if the call does not exist, is not pending, waits for an answer, which only [`answer`](Self::answer)
    /// gives, or for a subagent, whose calls are decided in [`subagent_mut`](Self::subagent_mut).
    pub fn approve(&mut self, id: &str) -> Result<(), RunError> {
        self.pending_call(id)?.approve()
    }

    /// Allows a pending call to run with other arguments. They are read like those of the model.
    ///
    /// # Errors
    /// Those of [`approve`](Self::approve).
    pub fn approve_with(&mut self, id: &str, arguments: impl Into<Json>) -> Result<(), RunError> {
        self.pending_call(id)?.approve_with(arguments)
    }

    /// Rejects a call that is pending or has not started. The model gets the reason. A subagent that has paused is abandoned.
    ///
    /// To abandon everything that is open, see [`end_turn`](Self::end_turn).
    ///
    /// # Errors
    /// [`RunError`] if the call does not exist, has started, or has its output.
    pub fn reject(&mut self, id: &str, reason: impl fmt::Display) -> Result<(), RunError> {
        let call = self.call(id)?;
        match call.is_ready() {
            true => call.reject(reason),
            false => self.pending_call(id)?.reject(reason),
        }
        Ok(())
    }

    /// Gives a pending call its output: the answer to its question, the output of an external tool, or what came out of an
    /// interrupted call.
    ///
    /// # Errors
    /// [`RunError`] if the call does not exist or is not pending.
    pub fn answer(&mut self, id: &str, output: impl Into<ToolOutput>) -> Result<(), RunError> {
        self.pending_call(id)?.answer(output);
        Ok(())
    }
}

/// The arguments of a call, to be compared; as text if they are not JSON.
fn arguments_of(call: &ToolCall) -> Json {
    // What models nearly always send is not read by way of serde.
    match Json::parse(call.arguments.as_str()) {
        Ok(json) if !call.is_custom && call.arguments.starts_with('{') => json,
        _ => call.parse_arguments().unwrap_or_else(|_| Json::from(call.arguments.as_str())),
    }
}

/// The items of the history that say of calls why they were not run.
fn refused<'a>(calls: Vec<ToolCall>, output: &'a str) -> impl Iterator<Item = InputItem> + 'a {
    calls.into_iter().map(move |mut call| {
        call.settle(output, false);
        call.into_item()
    })
}

fn text_of(output: &ToolCallOutput) -> String {
    match output {
        ToolCallOutput::Text(text) => text.clone(),
        other => Json::of(other).map(|json| json.as_text().to_owned()).unwrap_or_default(),
    }
}

pub(super) fn items_of(input: ResponsesInput) -> Vec<InputItem> {
    match input {
        ResponsesInput::Text(text) => vec![InputItem::user(text)],
        ResponsesInput::List(items) => items,
        ResponsesInput::Unrecognized(kept) => vec![InputItem::Unrecognized(kept)],
    }
}
