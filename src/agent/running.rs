//! A run while it runs: as a future, and as a stream of events.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::builder::Agent;
use super::context::{Data, Reader, ToolContext};
use super::driver::{Driven, Driver, Left};
use super::event::Event;
use super::held::Held;
use super::meter::Meter;
use super::outcome::{AgentError, AgentErrorKind, Outcome};
use super::run::Run;
use super::status::{RunStatus, StopReason};
use super::store::{Lease, StoreError};
use crate::hooks::in_agent_span;

/// The future of a run.
pub type RunFuture = Pin<Box<dyn Future<Output = Result<Outcome, AgentError>> + Send>>;

/// A run that has not started. Awaiting it runs it to its end; [`stream`](Self::stream) shows what happens on the way.
///
/// It makes progress only while it is polled: nothing is sent before the first poll, and nothing after it is dropped. Dropping
/// it closes the connection of the model call and drops the tool calls at once.
#[must_use = "a run does nothing unless awaited or streamed"]
pub struct AgentRun {
    agent: Agent,
    run: Run,
    data: Data,
    stops: Vec<StopHandle>,
    /// The meter and the reader of the run that this one is a part of.
    parent: Option<(Arc<Meter>, Option<Reader>)>,
    lease: Option<Lease>,
}

impl AgentRun {
    pub(super) fn new(agent: Agent, run: Run) -> Self {
        let data = agent.settings.data.clone();
        Self { agent, run, data, stops: Vec::new(), parent: None, lease: None }
    }

    /// Sets the lease under which the run was claimed.
    pub(super) fn with_lease(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Ends the lease of a run that was claimed.
    pub(super) async fn give_back(mut self) -> Result<(), StoreError> {
        match self.held() {
            Some(held) => held.release(&mut self.run).await,
            None => Ok(()),
        }
    }

    fn held(&self) -> Option<Held> {
        let store = Arc::clone(self.agent.settings.store.as_ref()?);
        Some(Held::new(store, self.lease.clone().unwrap_or_else(|| self.agent.lease())))
    }

    /// Provides a value to the tool calls of this run, by its type; see [`ToolContext::data`].
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.data.insert(value);
        self
    }

    /// Makes this the run of a subagent, for a tool that runs an agent: its usage counts in the run that called the tool, the
    /// limits of that run hold for it too, it has its [data](ToolContext::data), its [stop handles](Self::stop_handle) stop it
    /// too, and its events are events of that run ([`Event::Subagent`]). If it pauses or is stopped, return its run as
    /// [`ToolOutput::paused`](super::ToolOutput::paused).
    pub fn within(mut self, context: &ToolContext) -> Self {
        let reader = context.reader.clone().map(|reader| reader.within(&context.call_id));
        self.parent = Some((Arc::clone(&context.meter), reader));
        self.stops.extend(context.stops.iter().cloned());
        let own = std::mem::replace(&mut self.data, (*context.data).clone());
        self.data.extend(&own);
        self
    }

    /// Lets this handle stop the run after its current step, and its subagents after theirs.
    pub fn stop_handle(mut self, handle: &StopHandle) -> Self {
        self.stops.push(handle.clone());
        self
    }

    /// Returns the run as it is before it starts.
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// Returns the events of the run as they happen. The run makes progress only while they are read.
    pub fn stream(self) -> AgentStream {
        let (reader, held, left) = (Reader::default(), self.held(), Left::default());
        let future = self.start(held.clone(), Some((reader.clone(), Left::clone(&left))));
        AgentStream { state: State::Running(future), reader, held, left, has_failed: false }
    }

    fn start(self, held: Option<Held>, stream: Option<(Reader, Left)>) -> RunFuture {
        let Self { agent, run, data, stops, parent, .. } = self;
        let (meter, reader) = parent.unzip();
        let meter = Meter::new(run.turn_usage(), agent.settings.limits, meter);
        let (own_reader, left) = stream.unzip();
        let reader = own_reader.or(reader.flatten());
        let run = Driven::new(run, left);
        Box::pin(async move {
            let (core, id, own) = (agent.core.clone(), run.id().to_owned(), Arc::clone(&meter));
            let driver = Driver::new(agent, held, Arc::new(data), reader, stops, meter, &run);
            // Boxed, since it is large and moved into the span.
            in_agent_span(&core, &id, Box::pin(driver.drive(run)), || own.own_calls()).await
        })
    }
}

impl IntoFuture for AgentRun {
    type Output = Result<Outcome, AgentError>;
    type IntoFuture = RunFuture;

    fn into_future(self) -> RunFuture {
        let held = self.held();
        self.start(held, None)
    }
}

impl fmt::Debug for AgentRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentRun").field("agent", &self.agent).field("run_id", &self.run.id()).finish_non_exhaustive()
    }
}

/// Stops a run after its current step: the tool calls under way finish, and no further model call is sent. Subagents stop
/// after their current steps too. The run is then stopped with [`StopReason::Requested`](super::StopReason::Requested) and
/// can be resumed, which resumes its subagents. To stop at once, drop the run.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// Creates a handle, for [`AgentRun::stop_handle`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the run after its current step.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if [`stop`](Self::stop) was called.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The events of a run, from [`AgentRun::stream`]. It is also a [`futures_core::Stream`].
///
/// ```no_run
/// # use openrouter_kit::agent::{Agent, AgentError, Event};
/// # async fn run(agent: Agent) -> Result<(), Box<dyn std::error::Error>> {
/// let mut events = agent.run("What is the weather in Rome?").stream();
/// while let Some(event) = events.next().await {
///     match event? {
///         Event::TextDelta(text) => print!("{text}"),
///         Event::ToolStarted(call) => println!("[{}]", call.name()),
///         _ => {}
///     }
/// }
/// println!("{} dollars", events.finish().await?.usage().cost);
/// # Ok(())
/// # }
/// ```
///
/// The last item of a run that fails is its error. Dropping the stream ends the run at once; [`stop`](Self::stop) does the
/// same and returns the run.
#[must_use = "a run makes progress only while its events are read"]
pub struct AgentStream {
    state: State,
    reader: Reader,
    held: Option<Held>,
    left: Left,
    /// The error was an item.
    has_failed: bool,
}

enum State {
    Running(RunFuture),
    Ended(Box<Result<Outcome, AgentError>>),
}

impl AgentStream {
    /// Returns the next event; `None` after the end of the run. It is cancel safe.
    pub async fn next(&mut self) -> Option<Result<Event, AgentError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Runs to the end without further events and returns the outcome.
    ///
    /// # Errors
    /// The error of the run, also if it was an item of the stream before.
    pub async fn finish(mut self) -> Result<Outcome, AgentError> {
        loop {
            match self.state {
                State::Ended(result) => return *result,
                State::Running(_) => drop(self.next().await),
            }
        }
    }

    /// Stops the run at once and returns it: the connection of the model call is closed, and the tool calls are dropped. If the
    /// run has a store, it is saved and released there.
    ///
    /// The outcome is [`Stopped`](Outcome::Stopped) with [`StopReason::Requested`]. When the run is
    /// [resumed](Agent::resume), an interrupted model call is made again, and the model is informed that a tool call that had
    /// started may have had its effect. For another message instead, see [`Run::end_turn`]. If the run had ended before, its
    /// outcome is returned.
    ///
    /// ```no_run
    /// # use openrouter_kit::agent::{Agent, Event, Run};
    /// # async fn run(agent: Agent) -> Result<Run, Box<dyn std::error::Error>> {
    /// let mut events = agent.run("Compare Rome and Oslo.").stream();
    /// loop {
    ///     tokio::select! {
    ///         event = events.next() => match event {
    ///             Some(event) => print!("{}", event?.text().unwrap_or_default()),
    ///             None => break,
    ///         },
    ///         _ = tokio::signal::ctrl_c() => break,
    ///     }
    /// }
    /// // Its outcome, if it had ended; otherwise it ends here.
    /// Ok(events.stop().await?.into_run())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of a run that had failed, and one if the store has not saved the run.
    pub async fn stop(self) -> Result<Outcome, AgentError> {
        let future = match self.state {
            State::Ended(result) => return *result,
            State::Running(future) => future,
        };
        drop(future);
        // The future always leaves its run.
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (mut run, is_over) = left.unwrap_or_else(|| (Run::nothing(), true));
        if !is_over {
            run.halt("The run was stopped before this call finished; it may have had its effect.");
            if *run.status() == RunStatus::InProgress {
                run.stop(StopReason::Requested);
            }
            if let Some(held) = &self.held
                && let Err(error) = held.give_back(&mut run).await
            {
                return Err(AgentError::new(AgentErrorKind::Store(error), run));
            }
        }
        Ok(Outcome::of(run))
    }

    /// Turns the stream into one of the text that the model writes over the whole run.
    pub const fn text_deltas(self) -> AgentTextStream {
        AgentTextStream { events: self }
    }
}

impl Stream for AgentStream {
    type Item = Result<Event, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(event) = this.reader.pop() {
            return Poll::Ready(Some(Ok(event)));
        }
        if let State::Running(future) = &mut this.state {
            // It is pending with an event, too, so that it does not go on before the event is taken.
            let polled = future.as_mut().poll(cx);
            let is_pending = polled.is_pending();
            if let Poll::Ready(result) = polled {
                this.state = State::Ended(Box::new(result));
            }
            match this.reader.pop() {
                Some(event) => return Poll::Ready(Some(Ok(event))),
                None if is_pending => return Poll::Pending,
                None => {}
            }
        }
        let State::Ended(result) = &this.state else { return Poll::Pending };
        match &**result {
            Err(error) if !this.has_failed => {
                this.has_failed = true;
                Poll::Ready(Some(Err(error.clone())))
            }
            _ => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for AgentStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentStream").field("has_ended", &matches!(self.state, State::Ended(_))).finish_non_exhaustive()
    }
}

/// The text that the model writes over a whole run, from [`AgentStream::text_deltas`]. It is also a
/// [`futures_core::Stream`].
#[must_use = "a run makes progress only while its events are read"]
#[derive(Debug)]
pub struct AgentTextStream {
    events: AgentStream,
}

impl AgentTextStream {
    /// Returns the next piece of text, which is never empty; `None` after the end of the run. It is cancel safe.
    pub async fn next(&mut self) -> Option<Result<String, AgentError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Runs to the end and returns the outcome; see [`AgentStream::finish`].
    ///
    /// # Errors
    /// Those of [`AgentStream::finish`].
    pub async fn finish(self) -> Result<Outcome, AgentError> {
        self.events.finish().await
    }

    /// Stops the run at once and returns it; see [`AgentStream::stop`].
    ///
    /// # Errors
    /// Those of [`AgentStream::stop`].
    pub async fn stop(self) -> Result<Outcome, AgentError> {
        self.events.stop().await
    }
}

impl Stream for AgentTextStream {
    type Item = Result<String, AgentError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.events).poll_next(cx)) {
                Some(Ok(Event::TextDelta(text))) => return Poll::Ready(Some(Ok(text))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
