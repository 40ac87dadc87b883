//! The tool calls of a round: which run when, and what becomes of each.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::builder::UnknownTool;
use super::call::{CallState, ToolCall};
use super::context::ToolContext;
use super::driver::Driver;
use super::event::Event;
use super::handler::ToolFuture;
use super::hooks::ToolDecision;
use super::limits::Limit;
use super::outcome::AgentErrorKind;
use super::output::{ToolError, ToolErrorKind, ToolOutput};
use super::run::Run;
use super::status::StopReason;
use super::tool::{Action, Prepared, Tool};
use super::usage::Usage;
use crate::core::within::within;
use crate::hooks::in_tool_span;

/// In how many rounds in a row a call may be repeated before the model is informed instead, and before the run stops.
const REPEATS: (u64, u64) = (3, 6);

/// How many rounds in a row may call a tool that does not exist.
const UNKNOWN_RETRIES: u64 = 3;

/// A call that runs.
struct Active {
    id: Arc<str>,
    tool: Arc<str>,
    is_sequential: bool,
    future: ToolFuture,
}

/// The events of what has happened, to be emitted once it is saved.
struct Events {
    are_read: bool,
    all: Vec<Event>,
}

impl Events {
    fn add(&mut self, event: impl FnOnce() -> Event) {
        if self.are_read {
            self.all.push(event());
        }
    }
}

/// What to do with a call.
enum Decision {
    Run(Prepared),
    Suspend(CallState),
    /// It is not run; the model gets the reason.
    Fail(ToolError),
}

impl Driver {
    /// Runs the calls of the round that can be run, in parallel as far as their tools allow.
    pub(super) async fn run_tools(&mut self, run: &mut Run) -> Result<(), AgentErrorKind> {
        if self.agent.settings.unknown_tool == UnknownTool::Fail {
            let is_unknown = |name: &str| self.tool(name).is_none() || !self.is_offered(name);
            let requested = run.calls().iter().filter(|call| call.state() == CallState::Requested);
            if let Some(call) = requested.into_iter().find(|call| is_unknown(call.name())) {
                return Err(AgentErrorKind::UnknownTool(call.name().to_owned()));
            }
        }
        let mut active: Vec<Active> = Vec::new();
        loop {
            let mut events = Events { are_read: self.reader.is_some(), all: Vec::new() };
            let mut has_changed = false;
            while active.len() < self.agent.settings.max_concurrent
                && let Some(index) = self.next_call(run, &active)
            {
                has_changed = true;
                self.start(run, index, &mut active, &mut events).await?;
            }
            if has_changed {
                // What starts now is noted first, so that it is known to have started whatever happens.
                self.save(run).await?;
            }
            self.emit_all(&mut events).await;
            if active.is_empty() {
                self.count_failures(run);
                return Ok(());
            }
            let (id, result) = next_finished(&mut active).await;
            self.finish(run, &id, result, &mut events).await?;
            self.save(run).await?;
            self.emit_all(&mut events).await;
        }
    }

    async fn emit_all(&self, events: &mut Events) {
        for event in events.all.drain(..) {
            self.emit(|| event).await;
        }
    }

    /// The next call to be looked at, in the order of the round: sequential tools run alone, others side by side.
    fn next_call(&self, run: &Run, active: &[Active]) -> Option<usize> {
        if active.iter().any(|active| active.is_sequential) {
            return None;
        }
        for (index, call) in run.calls().iter().enumerate() {
            if !self.can_run(call) {
                continue;
            }
            let Some(tool) = self.tool(call.name()) else { return Some(index) };
            if tool.is_sequential {
                return active.is_empty().then_some(index);
            }
            if active.iter().filter(|active| active.tool == tool.name).count() < tool.max_concurrent {
                return Some(index);
            }
        }
        None
    }

    fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools().find(|tool| tool.name() == name && !matches!(tool.action, Action::Server))
    }

    /// Decides about a call and carries that out.
    async fn start(
        &self,
        run: &mut Run,
        index: usize,
        active: &mut Vec<Active>,
        events: &mut Events,
    ) -> Result<(), AgentErrorKind> {
        let Some(decision) = self.decide(run, index).await else { return Ok(()) };
        let Some(call) = run.calls().get(index) else { return Ok(()) };
        match decision {
            Decision::Run(prepared) => {
                let Some(tool) = self.tool(call.name()) else { return Ok(()) };
                if call.subagent().is_none() {
                    self.meter.add(Usage { tool_calls: 1, ..Usage::zero() });
                }
                let id: Arc<str> = call.id().into();
                let context = ToolContext {
                    call_id: Arc::clone(&id),
                    tool: Arc::clone(&tool.name),
                    run_id: Arc::clone(&self.run_id),
                    step: run.steps().len(),
                    data: Arc::clone(&self.data),
                    reader: self.reader.clone(),
                    meter: Arc::clone(&self.meter),
                    stops: self.stops.clone(),
                    subagent: call.subagent.clone(),
                };
                run.begin_tool_call(&id).map_err(AgentErrorKind::Run)?;
                if let Some(call) = run.calls().get(index) {
                    events.add(|| Event::ToolStarted(call.clone()));
                }
                let future = in_tool_span(&self.agent.core, &tool.name, &id, guarded(prepared, context, tool.timeout));
                active.push(Active { id, tool: Arc::clone(&tool.name), is_sequential: tool.is_sequential, future });
            }
            Decision::Suspend(state) => {
                run.suspend(index, state);
                if let Some(call) = run.calls().get(index) {
                    events.add(|| Event::ToolPending(call.clone()));
                }
            }
            Decision::Fail(error) => {
                let id = call.id().to_owned();
                fail(run, &id, error, events)?;
            }
        }
        Ok(())
    }

    /// Decides about a call: first whether the tool exists and its arguments fit, then what hooks, approval and limits say.
    /// `None` if there is no such call.
    async fn decide(&self, run: &mut Run, index: usize) -> Option<Decision> {
        let call = run.calls.get_mut(index)?;
        let is_approved = matches!(call.state(), CallState::Approved | CallState::Subagent);
        let Some(tool) = self.tool(call.name()).filter(|tool| is_approved || self.is_offered(&tool.name)) else {
            return Some(Decision::Fail(self.unknown(call.name())));
        };
        call.ends_run = tool.ends_run;
        let call = run.calls().get(index)?;
        let rounds = run.rounds_of(call);
        if !tool.may_loop && !is_approved && rounds >= REPEATS.0 {
            if rounds >= REPEATS.1 {
                run.turn.stop = Some(StopReason::Loop(tool.name().to_owned()));
            }
            return Some(Decision::Fail(ToolError::of_kind(
                ToolErrorKind::Refused,
                format!(
                    "This call was not run: it repeats the call of the {} rounds before, with the same arguments. Use the \
                     earlier result, or do something else.",
                    rounds - 1
                ),
            )));
        }
        let mut prepared = match prepare(tool, call) {
            Ok(prepared) => prepared,
            Err(error) => return Some(Decision::Fail(error)),
        };
        let mut is_asked = false;
        for hook in &self.agent.settings.hooks {
            let mut call = run.calls().get(index)?.clone();
            let decision = hook.before_tool(run, &mut call).await;
            let known = run.calls.get_mut(index)?;
            let has_changed = known.arguments != call.arguments;
            known.arguments = call.arguments;
            match decision {
                Ok(ToolDecision::Allow) => {}
                Ok(ToolDecision::Ask) => is_asked = true,
                Ok(ToolDecision::Refuse(reason)) => {
                    return Some(Decision::Fail(ToolError::of_kind(ToolErrorKind::Refused, reason)));
                }
                Err(error) => {
                    let error = ToolError::new(error).tell_model("The call was refused.");
                    return Some(Decision::Fail(error.with_kind(ToolErrorKind::Refused)));
                }
            }
            if has_changed {
                prepared = match prepare(tool, known) {
                    Ok(prepared) => prepared,
                    Err(error) => return Some(Decision::Fail(error)),
                };
            }
        }
        let call = run.calls().get(index)?;
        if !is_approved && (is_asked || tool.is_gated(call)) {
            return Some(Decision::Suspend(CallState::NeedsApproval));
        }
        let Some(prepared) = prepared else { return Some(Decision::Suspend(CallState::External)) };
        let is_allowed = self.agent.settings.limits.allows_tool_call(&self.meter.used());
        if call.subagent().is_none() && (!is_allowed || !self.meter.allows_tool_call_above()) {
            run.turn.refused_tool_call = true;
            let message = format!("This call was not run: {} is reached.", Limit::ToolCalls);
            return Some(Decision::Fail(ToolError::of_kind(ToolErrorKind::Refused, message)));
        }
        Some(Decision::Run(prepared))
    }

    /// Whether the model knows a tool from the last request; any tool, if that was made by another process.
    fn is_offered(&self, name: &str) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.iter().any(|offered| offered == name))
    }

    fn unknown(&self, name: &str) -> ToolError {
        let tools = self.tools().map(Tool::name).filter(|name| !name.is_empty() && self.is_offered(name));
        let tools = tools.collect::<Vec<_>>().join(", ");
        ToolError::of_kind(ToolErrorKind::UnknownTool, format!("There is no tool {name:?}. The tools are: {tools}."))
    }

    /// Takes in how a call ended.
    async fn finish(
        &mut self,
        run: &mut Run,
        id: &str,
        mut result: Result<ToolOutput, ToolError>,
        events: &mut Events,
    ) -> Result<(), AgentErrorKind> {
        for hook in &self.agent.settings.hooks {
            if let Some(call) = run.calls().iter().find(|call| call.id() == id)
                && let Err(error) = hook.after_tool(run, call, &mut result).await
            {
                result = Err(ToolError::new(error));
            }
        }
        match result {
            Ok(output) => {
                let call = run.finish_tool_call(id, output).map_err(AgentErrorKind::Run)?;
                if call.state() == CallState::Subagent {
                    self.paused.push(id.to_owned());
                }
                events.add(|| match call.state() {
                    CallState::Finished => Event::ToolFinished { call: call.clone(), error: None },
                    _ => Event::ToolPending(call.clone()),
                });
                Ok(())
            }
            Err(error) => fail(run, id, error, events),
        }
    }

    /// Stops the run if the calls of a tool have failed too often.
    fn count_failures(&self, run: &mut Run) {
        let exhausted = run.calls().iter().filter(|call| call.has_failed()).find(|call| {
            let retries = self.tool(call.name()).map_or(UNKNOWN_RETRIES, |tool| tool.retries);
            run.failed_rounds(call.name()) > retries
        });
        if let Some(name) = exhausted.map(|call| call.name().to_owned()) {
            run.turn.stop.get_or_insert(StopReason::ToolFailures(name));
        }
    }
}

/// Gives a call the output that says why it failed.
fn fail(run: &mut Run, id: &str, error: ToolError, events: &mut Events) -> Result<(), AgentErrorKind> {
    let has_failed = error.kind() != ToolErrorKind::Refused;
    let call = run.settle_tool_call(id, error.model_text(), has_failed).map_err(AgentErrorKind::Run)?;
    events.add(|| Event::ToolFinished { call: call.clone(), error: Some(Arc::new(error)) });
    Ok(())
}

/// Reads the arguments of a call; `None` if the program runs it outside of the run.
fn prepare(tool: &Tool, call: &ToolCall) -> Result<Option<Prepared>, ToolError> {
    let invalid =
        |error: crate::helpers::ParseError| ToolError::of_kind(ToolErrorKind::InvalidArguments, error.to_string());
    match &tool.action {
        Action::Run(prepare) => prepare(call).map(Some).map_err(invalid),
        Action::Wait(read) => read(call).map(|()| None).map_err(invalid),
        Action::Server => Ok(None),
    }
}

/// Runs a call, which neither panics nor takes longer than it may.
async fn guarded(prepared: Prepared, context: ToolContext, timeout: Option<Duration>) -> Result<ToolOutput, ToolError> {
    // The handler is called by the first poll, so that its panic is caught too.
    let mut future = pin!(async move { prepared(context).await });
    let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(payload) => Poll::Ready(Err(ToolError::panic(&*payload))),
    });
    within(timeout, caught).await.unwrap_or_else(|limit| Err(ToolError::timeout(limit)))
}

/// Polls the calls until one has finished, and takes it out.
async fn next_finished(active: &mut Vec<Active>) -> (Arc<str>, Result<ToolOutput, ToolError>) {
    poll_fn(|cx| {
        for at in 0..active.len() {
            let Some(call) = active.get_mut(at) else { break };
            if let Poll::Ready(result) = call.future.as_mut().poll(cx) {
                return Poll::Ready((active.remove(at).id, result));
            }
        }
        Poll::Pending
    })
    .await
}
