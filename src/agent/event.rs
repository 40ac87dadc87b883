//! What happens in a run, as its reader sees it.

use std::sync::Arc;

use super::call::ToolCall;
use super::output::ToolError;
use super::status::RunStatus;
use super::step::Step;
use super::usage::Usage;
use crate::models::Json;
use crate::models::responses::ResponsesStreamEvent;

/// Something that happened in a run.
///
/// The events of a model call come first, each followed by the text or the reasoning it adds; then the tool calls of the
/// round, which run in parallel. The outcome itself is what [`AgentStream::finish`](super::AgentStream::finish) returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A model call is about to be sent.
    StepStarted {
        /// The position of the step in [`Run::steps`](super::Run::steps).
        step: usize,
    },
    /// An event of the model's response, as it was received.
    Model(Box<ResponsesStreamEvent>),
    /// The next piece of the text that the model writes. It is never empty.
    TextDelta(String),
    /// The next piece of the model's reasoning, as far as it is readable.
    ReasoningDelta(String),
    /// A response is complete. Its tool calls have not started.
    StepFinished {
        /// The position of the step in [`Run::steps`](super::Run::steps).
        step: usize,
        /// The step, with its usage and cost.
        summary: Step,
    },
    /// A tool call starts to run.
    ToolStarted(ToolCall),
    /// A tool reported progress with [`ToolContext::progress`](super::ToolContext::progress).
    ToolProgress {
        /// The id of the call.
        call_id: String,
        /// What the tool reported.
        progress: Json,
    },
    /// Something happened in the run of a subagent.
    Subagent {
        /// The id of the call that runs the subagent.
        call_id: String,
        /// What happened.
        event: Box<Event>,
    },
    /// A tool call has its output. A call that was not run has one too, which says why.
    ToolFinished {
        /// The call with its output.
        call: ToolCall,
        /// Why the call failed, as the model does not see it.
        error: Option<Arc<ToolError>>,
    },
    /// A tool call waits for a decision. The run pauses once the others have finished.
    ToolPending(ToolCall),
    /// The run is done, paused or stopped. It is the last event; a run that fails ends with its error instead.
    RunEnded {
        /// How the run ended.
        status: RunStatus,
        /// What the run has used in total.
        usage: Usage,
    },
}

impl Event {
    /// Returns the text that this event adds to what the model says; `None` if it adds none.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::TextDelta(text) => Some(text),
            _ => None,
        }
    }
}
