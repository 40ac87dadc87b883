//! The parts of a run: its model calls, and what counts until the next input.

use std::collections::BTreeMap;

use super::limits::Limit;
use super::status::StopReason;
use super::stored::{stored_enum, stored_struct};
use super::usage::Usage;
use crate::models::Json;

/// What counts from one input to the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turn {
    /// The first of its steps.
    pub(super) first_step: usize,
    /// How long the run has been active.
    pub(super) active_ms: u64,
    /// The tool choice that forces a call has been obeyed.
    pub(super) is_choice_spent: bool,
    /// The limit of tool calls was reached.
    pub(super) refused_tool_call: bool,
    /// The limit because of which the last model call was made without tools.
    pub(super) limit: Option<Limit>,
    pub(super) empty_responses: u64,
    /// Final texts that did not fit the type of the output.
    pub(super) invalid_outputs: u64,
    /// Rounds in a row in which calls of a tool failed and none succeeded.
    pub(super) failures: BTreeMap<String, u64>,
    /// The calls of the last round.
    pub(super) repeats: Vec<Repeat>,
    /// Stops the run as soon as all calls have an output.
    pub(super) stop: Option<StopReason>,
}

stored_struct!(Turn as "turn" {
    first_step, active_ms, is_choice_spent, refused_tool_call, limit, empty_responses, invalid_outputs, failures, repeats, stop,
});

impl Turn {
    pub(super) const fn new() -> Self {
        Self {
            first_step: 0,
            active_ms: 0,
            is_choice_spent: false,
            refused_tool_call: false,
            limit: None,
            empty_responses: 0,
            invalid_outputs: 0,
            failures: BTreeMap::new(),
            repeats: Vec::new(),
            stop: None,
        }
    }
}

/// In how many rounds in a row a tool was called with the same arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Repeat {
    pub(super) name: String,
    pub(super) arguments: Json,
    pub(super) rounds: u64,
}

stored_struct!(Repeat as "repeated call" { name, arguments, rounds });

/// A model call of a run and the tool calls that followed it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The id of the response; empty if none arrived.
    pub response_id: String,
    /// The model that responded; empty if no response arrived.
    pub model: String,
    /// How the model call ended.
    pub state: StepState,
    /// What the step used, including the subagents that its tool calls ran.
    pub usage: Usage,
}

stored_struct!(Step as "step" { response_id, model, state, usage });

/// How a model call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepState {
    /// The model call is under way, or the program ended during it.
    #[default]
    Calling,
    /// The response arrived.
    Responded,
    /// No complete response arrived. The server may have charged for it.
    Failed,
}

stored_enum!(StepState as "state of a step" { Calling = "calling", Responded = "responded", Failed = "failed" });
