//! What a tool knows about its call.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::event::Event;
use super::meter::Meter;
use super::run::Run;
use super::running::StopHandle;
use crate::models::Json;

/// Values by their types, shared by the tool calls of a run.
#[derive(Clone, Default)]
pub(super) struct Data(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Data {
    pub(super) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(id, value)| (*id, Arc::clone(value))));
    }

    fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.0.len())
    }
}

/// The events that the reader of a run has not taken yet.
#[derive(Clone, Default)]
pub(super) struct Reader {
    queue: Arc<Mutex<VecDeque<Event>>>,
    /// For the run of a subagent: the calls that it runs in, the outermost first.
    calls: Vec<String>,
}

impl Reader {
    pub(super) fn push(&self, event: Event) {
        let event = self
            .calls
            .iter()
            .rev()
            .fold(event, |event, call_id| Event::Subagent { call_id: call_id.clone(), event: Box::new(event) });
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    pub(super) fn pop(&self) -> Option<Event> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The same reader for what happens in a call.
    pub(super) fn within(mut self, call_id: &str) -> Self {
        self.calls.push(call_id.to_owned());
        self
    }

    /// Whether it is the reader of this run and not of one above.
    pub(super) const fn is_own(&self) -> bool {
        self.calls.is_empty()
    }
}

/// What a tool knows about its call. A handler that wants it takes it as its second argument.
#[derive(Clone)]
pub struct ToolContext {
    pub(super) call_id: Arc<str>,
    pub(super) tool: Arc<str>,
    pub(super) run_id: Arc<str>,
    pub(super) step: usize,
    pub(super) data: Arc<Data>,
    pub(super) reader: Option<Reader>,
    pub(super) meter: Arc<Meter>,
    /// The handles that stop the run.
    pub(super) stops: Vec<StopHandle>,
    pub(super) subagent: Option<Box<Run>>,
}

impl ToolContext {
    /// Returns the id of the call. It is unique within the run, and the same when a call is repeated after a crash, so that
    /// together with [`run_id`](Self::run_id) it can be an idempotency key.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Returns the name of the tool.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Returns the id of the run.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns how many model calls the run had made when the model made this call.
    pub const fn step(&self) -> usize {
        self.step
    }

    /// Returns the value of type `T` that was given to the run with [`AgentRun::data`](super::AgentRun::data), or to the
    /// agent with [`Agent::data`](super::Agent::data).
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.data.get()
    }

    /// Returns the run of the subagent with which the call paused, for a tool that returned [`ToolOutput::paused`] and is now
    /// to [resume](super::Agent::resume) it; `None` if the call runs for the first time.
    ///
    /// [`ToolOutput::paused`]: super::ToolOutput::paused
    pub fn subagent(&self) -> Option<&Run> {
        self.subagent.as_deref()
    }

    /// Reports progress to the reader of the run's events, as [`Event::ToolProgress`]. Nothing happens if no one reads them.
    pub fn progress(&self, progress: impl Into<Json>) {
        if let Some(reader) = &self.reader {
            reader.push(Event::ToolProgress { call_id: self.call_id.as_ref().to_owned(), progress: progress.into() });
        }
    }
}

impl fmt::Debug for ToolContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolContext")
            .field("run_id", &self.run_id)
            .field("call_id", &self.call_id)
            .field("tool", &self.tool)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}
