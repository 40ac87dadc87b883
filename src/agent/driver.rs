//! Drives a run: makes its model calls, runs its tools, and saves it in between.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::builder::Agent;
use super::call::ToolCall;
use super::context::{Data, Reader};
use super::event::Event;
use super::held::Held;
use super::limits::{Limit, OnLimit};
use super::meter::Meter;
use super::outcome::{AgentError, AgentErrorKind, Outcome};
use super::response::open_calls;
use super::run::{NextStep, Run};
use super::running::StopHandle;
use super::status::{RunError, RunStatus, StopReason};
use super::tool::{Tool, name_of};
use super::usage::Usage;
use crate::Error;
use crate::core::time::Instant;
use crate::core::within::within;
use crate::funcs;
use crate::models::responses::{ResponsesInput, ResponsesResult, ResponsesStreamEvent, ResponsesToolChoice};
use crate::models::{ResponsesRequest, ToolChoiceMode};

/// What a run uses while it runs: time, and what its subagents use.
#[derive(Clone)]
pub(super) struct Clock {
    began: Instant,
    /// How long the run had been active before.
    active_before: Duration,
    meter: Arc<Meter>,
}

impl Clock {
    /// Brings what the run knows of time and subagents up to date.
    fn note(&self, run: &mut Run) {
        let active = self.active_before.saturating_add(self.began.elapsed());
        run.turn.active_ms = u64::try_from(active.as_millis()).unwrap_or(u64::MAX);
        run.add_usage(self.meter.used().less(run.turn_usage()));
    }
}

/// A run in the future that drives it. When that is dropped, the run is left to whoever may ask for it.
pub(super) struct Driven {
    run: Run,
    /// `None` before the first poll.
    clock: Option<Clock>,
    /// The run was saved for the last time.
    is_over: bool,
    left: Option<Left>,
}

/// Where a run is left when its future is dropped: the run, and whether it was saved for the last time.
pub(super) type Left = Arc<Mutex<Option<(Run, bool)>>>;

impl Driven {
    pub(super) const fn new(run: Run, left: Option<Left>) -> Self {
        Self { run, clock: None, is_over: false, left }
    }

    fn take(mut self) -> Run {
        self.left = None;
        std::mem::replace(&mut self.run, Run::nothing())
    }
}

impl Deref for Driven {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl DerefMut for Driven {
    fn deref_mut(&mut self) -> &mut Run {
        &mut self.run
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let Some(left) = self.left.take() else { return };
        if let Some(clock) = &self.clock {
            clock.note(&mut self.run);
        }
        let run = std::mem::replace(&mut self.run, Run::nothing());
        *left.lock().unwrap_or_else(PoisonError::into_inner) = Some((run, self.is_over));
    }
}

/// What a run needs while it runs.
pub(super) struct Driver {
    pub(super) agent: Agent,
    pub(super) run_id: Arc<str>,
    held: Option<Held>,
    pub(super) data: Arc<Data>,
    pub(super) reader: Option<Reader>,
    clock: Clock,
    pub(super) meter: Arc<Meter>,
    pub(super) stops: Vec<StopHandle>,
    /// The calls whose subagents have paused or stopped in this drive. They go on when the run is resumed.
    pub(super) paused: Vec<String>,
    /// The names of the tools in the last request; `None` before the first.
    pub(super) offered: Option<Vec<String>>,
    /// The tools of the sources, as of the last request.
    supplied: Vec<Tool>,
}

impl Driver {
    pub(super) fn new(
        agent: Agent,
        held: Option<Held>,
        data: Arc<Data>,
        reader: Option<Reader>,
        stops: Vec<StopHandle>,
        meter: Arc<Meter>,
        run: &Run,
    ) -> Self {
        let clock = Clock { began: Instant::now(), active_before: run.active_time(), meter: Arc::clone(&meter) };
        Self {
            agent,
            run_id: run.id().into(),
            held,
            data,
            reader,
            clock,
            meter,
            stops,
            paused: Vec::new(),
            offered: None,
            supplied: Vec::new(),
        }
    }

    /// Runs to the end, a pause or an error.
    pub(super) async fn drive(mut self, mut run: Driven) -> Result<Outcome, AgentError> {
        run.clock = Some(self.clock.clone());
        if let Some(held) = &self.held
            && let Err(error) = held.save(&mut run).await
        {
            return Err(AgentError::new(AgentErrorKind::Store(error), run.take()));
        }
        let left = self.agent.settings.limits.time_limit().map(|most| most.saturating_sub(run.active_time()));
        let held = self.held.clone();
        // Boxed, since it is large and moved several times.
        let (id, work) = (Arc::clone(&self.run_id), within(left, Box::pin(self.advance(&mut run))));
        let result = match &held {
            Some(held) => held.during(&id, work).await.map_err(AgentErrorKind::Store),
            None => Ok(work.await),
        };
        let result = match result {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                // What was under way has been dropped.
                run.halt(&format!(
                    "{} was reached before this call finished; it may have had its effect.",
                    Limit::Time
                ));
                run.stop(StopReason::Limit(Limit::Time));
                match &held {
                    Some(held) => held.regain(&mut run).await.map_err(AgentErrorKind::Store),
                    None => Ok(()),
                }
            }
            Err(kind) => Err(kind),
        };
        self.note(&mut run);
        let result = match (result, run.status()) {
            (Ok(()), RunStatus::Stopped(StopReason::Limit(limit)))
                if self.agent.settings.limits.action() == OnLimit::Error =>
            {
                Err(AgentErrorKind::Limit(*limit))
            }
            (result, _) => result,
        };
        match result {
            Ok(()) => match self.save_last(&mut run).await {
                Ok(()) => {
                    run.is_over = true;
                    self.emit(|| Event::RunEnded { status: run.status().clone(), usage: run.usage() }).await;
                    Ok(Outcome::of(run.take()))
                }
                Err(kind) => Err(AgentError::new(kind, run.take())),
            },
            Err(kind) => {
                // The first error is the one to report.
                if !matches!(kind, AgentErrorKind::Checkpoint(_) | AgentErrorKind::Store(_)) {
                    let _ = self.save_last(&mut run).await;
                }
                Err(AgentError::new(kind, run.take()))
            }
        }
    }

    async fn advance(&mut self, run: &mut Run) -> Result<(), AgentErrorKind> {
        let settings = Arc::clone(&self.agent.settings);
        self.refresh_tools()?;
        run.reopen(|name| self.tools().any(|tool| tool.is_repeatable && tool.name() == name));
        loop {
            self.note(run);
            match run.next_step(&settings.limits) {
                NextStep::RunTools if run.calls().iter().any(|call| self.can_run(call)) => self.run_tools(run).await?,
                // A subagent was stopped.
                NextStep::RunTools => run.stop(StopReason::Requested),
                NextStep::CallModel { .. } if self.stops.iter().any(StopHandle::is_stopped) => {
                    run.stop(StopReason::Requested);
                }
                NextStep::CallModel { is_final } => self.call_model(run, is_final).await?,
                NextStep::Wait | NextStep::End => return Ok(()),
            }
        }
    }

    /// Returns whether a call must run now.
    pub(super) fn can_run(&self, call: &ToolCall) -> bool {
        call.is_ready() && !self.paused.iter().any(|id| id == call.id())
    }

    /// All tools, as of the last request.
    pub(super) fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.agent.settings.tools.iter().chain(&self.supplied)
    }

    /// Takes the tools that the sources have now, if they can be offered.
    fn refresh_tools(&mut self) -> Result<(), AgentErrorKind> {
        self.supplied = self.agent.settings.tool_sources.iter().flat_map(|source| source()).collect();
        if let Some((name, reason)) = self.tools().find_map(|tool| Some((tool.name(), tool.not_strict.as_ref()?))) {
            let (name, reason) = (name.to_owned(), reason.clone());
            return Err(AgentErrorKind::Run(RunError::NotStrict { name, reason }));
        }
        let mut names = BTreeSet::new();
        let again = self.tools().map(Tool::name).find(|name| !name.is_empty() && !names.insert(*name));
        again.map_or(Ok(()), |name| Err(AgentErrorKind::Run(RunError::DuplicateTool { name: name.to_owned() })))
    }

    /// Brings what the run knows of time and subagents up to date.
    pub(super) fn note(&self, run: &mut Run) {
        self.clock.note(run);
    }

    pub(super) async fn save(&self, run: &mut Run) -> Result<(), AgentErrorKind> {
        let settings = &self.agent.settings;
        if self.held.is_none() && settings.checkpoint.is_none() && settings.hooks.is_empty() {
            // Nobody sees the run before the next step.
            return Ok(());
        }
        self.note(run);
        if let Some(held) = &self.held {
            held.save(run).await.map_err(AgentErrorKind::Store)?;
        }
        self.save_checkpoint(run).await
    }

    /// Saves the run for the last time and releases its lease.
    async fn save_last(&self, run: &mut Run) -> Result<(), AgentErrorKind> {
        self.note(run);
        if let Some(held) = &self.held {
            held.release(run).await.map_err(AgentErrorKind::Store)?;
        }
        self.save_checkpoint(run).await
    }

    async fn save_checkpoint(&self, run: &Run) -> Result<(), AgentErrorKind> {
        match &self.agent.settings.checkpoint {
            Some(checkpoint) => checkpoint.save(run).await.map_err(AgentErrorKind::Checkpoint),
            None => Ok(()),
        }
    }

    /// Gives an event to the reader, and goes on once it has been taken.
    pub(super) async fn emit(&self, event: impl FnOnce() -> Event) {
        let Some(reader) = &self.reader else { return };
        reader.push(event());
        let mut is_taken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut is_taken, true) {
                return Poll::Ready(());
            }
            // The stream returns the event when this is pending, and polls again when the next one is wanted. The run of
            // a subagent may be in a task that the stream does not poll.
            if !reader.is_own() {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    async fn call_model(&mut self, run: &mut Run, is_final: bool) -> Result<(), AgentErrorKind> {
        let mut request = self.request(run, is_final).await?;
        if let Some(limit) = self.meter.limit_above() {
            run.stop(StopReason::Limit(limit));
            return Ok(());
        }
        let assumed = Usage::of_unknown_call();
        run.begin_model_call();
        self.meter.add(assumed);
        if let Err(kind) = self.save(run).await {
            run.fail_model_call(None);
            self.meter.correct(assumed, Usage::zero());
            return Err(kind);
        }
        let step = run.steps().len() - 1;
        self.emit(|| Event::StepStarted { step }).await;
        let result = self.receive(run, &mut request).await;
        let (known, result) = match result {
            Ok(mut response) => match self.after_model(run, &mut response).await {
                Ok(()) => {
                    run.finish_model_call(response);
                    (run.steps().last().map_or(assumed, |step| step.usage), Ok(()))
                }
                Err(kind) => {
                    let usage = Usage::of_call(response.usage.as_ref());
                    run.fail_model_call(Some(usage));
                    (usage, Err(kind))
                }
            },
            Err((error, usage)) => {
                run.fail_model_call(usage);
                (usage.unwrap_or_default(), Err(AgentErrorKind::Model(error)))
            }
        };
        self.meter.correct(assumed, known);
        result?;
        self.check_output(run);
        self.save(run).await?;
        self.emit(|| Event::StepFinished { step, summary: run.steps().last().cloned().unwrap_or_default() }).await;
        Ok(())
    }

    async fn after_model(&self, run: &Run, response: &mut ResponsesResult) -> Result<(), AgentErrorKind> {
        for hook in &self.agent.settings.hooks {
            hook.after_model(run, response).await.map_err(AgentErrorKind::Hook)?;
        }
        Ok(())
    }

    /// The request of the next model call.
    async fn request(&mut self, run: &mut Run, is_final: bool) -> Result<ResponsesRequest, AgentErrorKind> {
        let settings = Arc::clone(&self.agent.settings);
        let mut request = settings.request.clone();
        if settings.may_change_history() {
            request.input = Some(ResponsesInput::List(run.items().to_vec()));
        }
        self.refresh_tools()?;
        if self.tools().next().is_some() {
            request.tools.get_or_insert_default().extend(self.tools().map(|tool| tool.definition().clone()));
        }
        if run.turn.is_choice_spent && request.tool_choice.as_ref().is_some_and(is_forced) {
            request.tool_choice = None;
        }
        if let Some(prepare) = &settings.prepare {
            prepare(run, &mut request);
        }
        if is_final {
            match request.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
                // They stay in the request, so that the provider can use its cache of the prompt.
                true => request.tool_choice = Some(ToolChoiceMode::None.into()),
                false => run.without_tools(),
            }
        }
        for hook in &settings.hooks {
            hook.before_model(run, &mut request).await.map_err(AgentErrorKind::Hook)?;
        }
        let items = match &request.input {
            _ if !settings.may_change_history() => run.items(),
            Some(ResponsesInput::List(items)) => items,
            _ => &[],
        };
        if let Some((kind, id)) = open_calls(items).first() {
            return Err(AgentErrorKind::Run(RunError::DanglingCall { kind, id: (*id).to_owned() }));
        }
        self.offered = Some(request.tools.iter().flatten().map(|tool| name_of(tool).to_owned()).collect());
        Ok(request)
    }

    /// Makes a model call. An error comes with the usage that has to be assumed, if the request may have been sent.
    async fn receive(
        &self,
        run: &mut Run,
        request: &mut ResponsesRequest,
    ) -> Result<ResponsesResult, (Error, Option<Usage>)> {
        let send = |request: &ResponsesRequest| funcs::responses_stream(&self.agent.core, request);
        let mut call = match self.agent.settings.may_change_history() {
            true => send(request),
            false => run.send_items(request, send),
        };
        if let Some(configure) = &self.agent.settings.configure {
            call = configure(call);
        }
        let events = match call.await {
            Ok(events) => events,
            Err(error) => {
                let usage = may_have_cost(&error).then(Usage::of_unknown_call);
                return Err((error, usage));
            }
        };
        let mut texts = events.text_deltas();
        while let Some(event) = texts.next_event_and_text().await {
            let (event, text) = match event {
                Ok(both) => both,
                Err(error) => {
                    let usage = texts.snapshot().and_then(|response| response.usage);
                    return Err((error, Some(Usage::of_call(usage.as_ref()))));
                }
            };
            if self.reader.is_some() {
                let reasoning = reasoning_of(&event);
                self.emit(|| Event::Model(Box::new(event))).await;
                if let Some(reasoning) = reasoning {
                    self.emit(|| Event::ReasoningDelta(reasoning)).await;
                }
                if !text.is_empty() {
                    self.emit(|| Event::TextDelta(text)).await;
                }
            }
        }
        texts.into_output().map_err(|error| (error, Some(Usage::of_unknown_call())))
    }

    /// Asks the model again if its final text does not fit the type of the output.
    fn check_output(&self, run: &mut Run) {
        let (Some(check), RunStatus::Done, Some(text)) = (self.agent.settings.check, run.status(), run.text()) else {
            return;
        };
        if let Err(error) = check(text) {
            match run.turn.invalid_outputs < self.agent.settings.output_retries {
                true => {
                    run.ask_again(format!("{error}. Respond again with JSON that fits the schema, and nothing else."))
                }
                false => run.stop(StopReason::InvalidOutput(error.to_string())),
            }
        }
    }
}

/// Whether a tool choice makes the model call a tool.
fn is_forced(choice: &ResponsesToolChoice) -> bool {
    !matches!(choice, ResponsesToolChoice::Mode(ToolChoiceMode::Auto | ToolChoiceMode::None))
        && !matches!(choice, ResponsesToolChoice::AllowedTools(allowed) if allowed.mode.as_str() != "required")
}

/// Whether the server may have done the work of a call that failed before its response began.
fn may_have_cost(error: &Error) -> bool {
    match error {
        Error::Api(error) => error.may_be_processed(),
        Error::Connection(error) => !error.is_unsent(),
        Error::Timeout(error) => !error.is_unsent(),
        Error::InvalidRequest(_) => false,
        // A hook may have failed before or after the request was sent.
        _ => error.attempts() > 0,
    }
}

/// The reasoning that an event adds.
fn reasoning_of(event: &ResponsesStreamEvent) -> Option<String> {
    let text = match event {
        ResponsesStreamEvent::ReasoningTextDelta(event) => &event.delta,
        ResponsesStreamEvent::ReasoningSummaryTextDelta(event) => &event.delta,
        _ => return None,
    };
    Some(text.clone()).filter(|text| !text.is_empty())
}
