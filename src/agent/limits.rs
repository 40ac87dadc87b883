//! What a run may use, and what happens at a limit.

use std::fmt;
use std::time::Duration;

use super::stored::stored_enum;
use super::usage::Usage;
use crate::helpers::Usd;

/// What a turn of a run may use. A turn begins with new input and ends with [`Outcome::Done`](super::Outcome::Done);
/// pausing, resuming and continuing after an error do not start the count again.
///
/// A model call is sent only while everything used so far is below its limit. The response counts at once, so that a run
/// passes a limit of tokens or cost by at most one call, the one that reached it (with subagents in parallel, by those that
/// were under way then). With [`cost_per_call`](Self::cost_per_call), it does not pass the limit of cost at all, as long as no
/// call costs more than that. Limits of calls and of time are never passed.
///
/// ```
/// use std::time::Duration;
/// use openrouter_kit::agent::Limits;
///
/// let limits = Limits::new().model_calls(10).cost("0.50".parse()?).time(Duration::from_secs(120));
/// # let _ = limits;
/// # Ok::<(), openrouter_kit::helpers::ParseUsdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    model_calls: Option<u64>,
    tool_calls: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cost: Option<Usd>,
    cost_per_call: Usd,
    time: Option<Duration>,
    on_limit: OnLimit,
}

/// The limit of model calls unless another is set.
const MODEL_CALLS: u64 = 20;

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// Setters of optional limits.
macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub const fn $field(mut self, most: $type) -> Self {
            self.$field = Some(most);
            self
        }
    )*};
}

impl Limits {
    /// Returns the default limits: 20 model calls, and [`OnLimit::FinalAnswer`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            model_calls: Some(MODEL_CALLS),
            tool_calls: None,
            input_tokens: None,
            output_tokens: None,
            total_tokens: None,
            cost: None,
            cost_per_call: Usd::ZERO,
            time: None,
            on_limit: OnLimit::FinalAnswer,
        }
    }

    /// Returns limits that allow everything, for a run that only its other settings bound.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { model_calls: None, ..Self::new() }
    }

    limits! {
        /// Sets how many model calls may be sent, those of subagents included.
        model_calls: u64,
        /// Sets how many tool calls may be started. A call beyond the limit is not run, and the model is
        /// informed.
        tool_calls: u64,
        /// Sets how many tokens may be sent to the model, cached ones included.
        input_tokens: u64,
        /// Sets how many tokens the model may generate.
        output_tokens: u64,
        /// Sets how many tokens may be used in both directions.
        total_tokens: u64,
        /// Sets how much the model calls may cost, as the server reports it. A call whose cost the server
        /// does not report counts as free, unless [`cost_per_call`](Self::cost_per_call) is set; [`Usage::calls_without_cost`]
        /// says how many there were.
        cost: Usd,
        /// Sets how long the run may take, including model calls and tools, without the time between pausing and
        /// resuming. When it runs out, what is under way is dropped, without a final response.
        time: Duration,
    }

    /// Sets the most that a single model call is expected to cost. A call is then sent only if the cost so far and this
    /// amount together are within the limit of cost. A call whose cost is unknown, or which is still under way in a subagent,
    /// counts as this amount.
    #[must_use]
    pub const fn cost_per_call(mut self, most: Usd) -> Self {
        self.cost_per_call = most;
        self
    }

    /// Sets what happens at a limit.
    #[must_use]
    pub const fn on_limit(mut self, on_limit: OnLimit) -> Self {
        self.on_limit = on_limit;
        self
    }

    pub(super) const fn action(&self) -> OnLimit {
        self.on_limit
    }

    pub(super) const fn time_limit(&self) -> Option<Duration> {
        self.time
    }

    /// Whether another tool call may be started.
    pub(super) fn allows_tool_call(&self, used: &Usage) -> bool {
        self.tool_calls.is_none_or(|most| used.tool_calls < most)
    }

    /// Whether another model call may be sent after `used` and `time`; `largest` is what one call has used at most.
    pub(super) fn check(&self, used: &Usage, largest: &Usage, time: Duration) -> Room {
        let reached = |limit: Option<u64>, used: u64| limit.is_some_and(|most| used >= most);
        let tokens = [
            (Limit::InputTokens, self.input_tokens, used.input_tokens, largest.input_tokens),
            (Limit::OutputTokens, self.output_tokens, used.output_tokens, largest.output_tokens),
            (Limit::TotalTokens, self.total_tokens, used.total_tokens(), largest.total_tokens()),
        ];
        if self.time.is_some_and(|most| time >= most) {
            return Room::Nothing(Limit::Time);
        }
        if reached(self.model_calls, used.model_calls) {
            return Room::Nothing(Limit::ModelCalls);
        }
        if let Some((limit, ..)) = tokens.iter().find(|(_, limit, used, _)| reached(*limit, *used)) {
            return Room::Nothing(*limit);
        }
        // What is not known yet, or never will be, counts as expected.
        let spent = used.cost + self.cost_per_call * used.calls_without_cost;
        if self.cost.is_some_and(|most| spent >= most || spent + self.cost_per_call > most) {
            return Room::Nothing(Limit::Cost);
        }
        if self.on_limit != OnLimit::FinalAnswer {
            return Room::Enough;
        }
        // The next call, and after it the final answer, each as large as the largest call so far.
        if reached(self.model_calls, used.model_calls.saturating_add(1)) {
            return Room::OneCall(Limit::ModelCalls);
        }
        let two = |used: u64, largest: u64| used.saturating_add(largest.saturating_mul(2));
        let is_scarce = |limit: Option<u64>, used, largest| limit.is_some_and(|most| two(used, largest) > most);
        if let Some((limit, ..)) = tokens.iter().find(|(_, limit, used, largest)| is_scarce(*limit, *used, *largest)) {
            return Room::OneCall(*limit);
        }
        let per_call = largest.cost.max(self.cost_per_call);
        if self.cost.is_some_and(|most| spent + per_call + per_call > most) {
            return Room::OneCall(Limit::Cost);
        }
        Room::Enough
    }
}

/// What the limits leave for model calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A call, and a final answer after it where one is wanted.
    Enough,
    /// One call, which is the final answer.
    OneCall(Limit),
    /// No call.
    Nothing(Limit),
}

/// What happens when a limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLimit {
    /// The last call that fits the limit is made without tools, so that the model responds with what it knows. For tokens
    /// and cost, whether one or two more calls fit is judged by the largest call so far. The run is then
    /// [`Done`](super::Outcome::Done), and [`Done::limit`](super::Done::limit) names the limit.
    #[default]
    FinalAnswer,
    /// The run is [`Stopped`](super::Outcome::Stopped). With another limit it can be resumed.
    Stop,
    /// The run fails with an [`AgentError`](super::AgentError), which has the run.
    Error,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::model_calls`].
    ModelCalls,
    /// [`Limits::tool_calls`].
    ToolCalls,
    /// [`Limits::input_tokens`].
    InputTokens,
    /// [`Limits::output_tokens`].
    OutputTokens,
    /// [`Limits::total_tokens`].
    TotalTokens,
    /// [`Limits::cost`].
    Cost,
    /// [`Limits::time`].
    Time,
}

stored_enum!(Limit as "limit" {
    ModelCalls = "model_calls",
    ToolCalls = "tool_calls",
    InputTokens = "input_tokens",
    OutputTokens = "output_tokens",
    TotalTokens = "total_tokens",
    Cost = "cost",
    Time = "time",
});

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ModelCalls => "the limit of model calls",
            Self::ToolCalls => "the limit of tool calls",
            Self::InputTokens => "the limit of input tokens",
            Self::OutputTokens => "the limit of output tokens",
            Self::TotalTokens => "the limit of tokens",
            Self::Cost => "the limit of cost",
            Self::Time => "the time limit",
        })
    }
}
