//! What a run has used: calls, tokens and money.

use std::ops::{Add, AddAssign};

use super::stored::stored_struct;
use crate::helpers::Usd;
use crate::models::responses::ResponsesUsage;

/// What the model calls and tool calls of a step or of a run have used.
///
/// A model call that failed or was cut off counts with unknown cost, since the server may have charged for it. A call
/// that was certainly not sent does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Model calls that were sent.
    pub model_calls: u64,
    /// Tool calls that were started.
    pub tool_calls: u64,
    /// Tokens sent to the model, cached ones included.
    pub input_tokens: u64,
    /// Tokens the model generated, reasoning included.
    pub output_tokens: u64,
    /// Input tokens that were read from the prompt cache.
    pub cached_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// The sum of the costs that the server reported, exactly as reported.
    pub cost: Usd,
    /// Model calls whose cost is not in [`cost`](Self::cost), because the server did not report it or no response arrived.
    pub calls_without_cost: u64,
}

stored_struct!(Usage as "usage" {
    model_calls, tool_calls, input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost, calls_without_cost,
});

impl Usage {
    /// The usage of a model call before anything is known about it.
    pub(super) const fn of_unknown_call() -> Self {
        Self { model_calls: 1, calls_without_cost: 1, ..Self::zero() }
    }

    /// The usage of a model call, as far as its response reports it.
    pub(super) fn of_call(usage: Option<&ResponsesUsage>) -> Self {
        let Some(usage) = usage else { return Self::of_unknown_call() };
        let count = |tokens: i64| u64::try_from(tokens).unwrap_or_default();
        let cost = usage.cost.and_then(Usd::from_f64);
        Self {
            model_calls: 1,
            tool_calls: 0,
            input_tokens: count(usage.input_tokens),
            output_tokens: count(usage.output_tokens),
            cached_tokens: count(usage.input_tokens_details.cached_tokens),
            reasoning_tokens: count(usage.output_tokens_details.reasoning_tokens),
            cost: cost.unwrap_or_default(),
            calls_without_cost: cost.is_none().into(),
        }
    }

    pub(super) const fn zero() -> Self {
        Self {
            model_calls: 0,
            tool_calls: 0,
            input_tokens: 0,
            output_tokens: 0,
            cached_tokens: 0,
            reasoning_tokens: 0,
            cost: Usd::ZERO,
            calls_without_cost: 0,
        }
    }

    /// The greater of each number.
    pub(super) fn max(&self, other: &Self) -> Self {
        Self {
            model_calls: self.model_calls.max(other.model_calls),
            tool_calls: self.tool_calls.max(other.tool_calls),
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            cached_tokens: self.cached_tokens.max(other.cached_tokens),
            reasoning_tokens: self.reasoning_tokens.max(other.reasoning_tokens),
            cost: self.cost.max(other.cost),
            calls_without_cost: self.calls_without_cost.max(other.calls_without_cost),
        }
    }

    /// This usage without a part of it.
    pub(super) fn less(self, part: Self) -> Self {
        Self {
            model_calls: self.model_calls.saturating_sub(part.model_calls),
            tool_calls: self.tool_calls.saturating_sub(part.tool_calls),
            input_tokens: self.input_tokens.saturating_sub(part.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(part.output_tokens),
            cached_tokens: self.cached_tokens.saturating_sub(part.cached_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_sub(part.reasoning_tokens),
            cost: self.cost - part.cost,
            calls_without_cost: self.calls_without_cost.saturating_sub(part.calls_without_cost),
        }
    }

    /// Returns the tokens in both directions.
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            model_calls: self.model_calls.saturating_add(other.model_calls),
            tool_calls: self.tool_calls.saturating_add(other.tool_calls),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            cost: self.cost + other.cost,
            calls_without_cost: self.calls_without_cost.saturating_add(other.calls_without_cost),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::zero(), Add::add)
    }
}
