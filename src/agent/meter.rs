//! What a run and its subagents have used together, while they run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::limits::{Limit, Limits, Room};
use super::usage::Usage;

/// The usage of the turn of a run, with that of all subagents below it.
#[derive(Debug)]
pub(super) struct Meter {
    used: Mutex<Usage>,
    /// What this run used since it started or was resumed, without its subagents.
    own: Mutex<Usage>,
    limits: Limits,
    parent: Option<Arc<Self>>,
}

impl Meter {
    pub(super) fn new(used: Usage, limits: Limits, parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { used: Mutex::new(used), own: Mutex::new(Usage::zero()), limits, parent })
    }

    fn lock(usage: &Mutex<Usage>) -> MutexGuard<'_, Usage> {
        usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn used(&self) -> Usage {
        *Self::lock(&self.used)
    }

    /// The model calls and tool calls of this run alone.
    pub(super) fn own_calls(&self) -> (u64, u64) {
        let own = Self::lock(&self.own);
        (own.model_calls, own.tool_calls)
    }

    /// Adds usage here and to all that this is a part of.
    pub(super) fn add(&self, usage: Usage) {
        *Self::lock(&self.own) += usage;
        let mut next = Some(self);
        while let Some(meter) = next {
            *Self::lock(&meter.used) += usage;
            next = meter.parent.as_deref();
        }
    }

    /// Replaces what was assumed of a call by what is known of it.
    pub(super) fn correct(&self, assumed: Usage, known: Usage) {
        let replace = |used: &Mutex<Usage>| {
            let mut used = Self::lock(used);
            *used = used.less(assumed) + known;
        };
        replace(&self.own);
        let mut next = Some(self);
        while let Some(meter) = next {
            replace(&meter.used);
            next = meter.parent.as_deref();
        }
    }

    /// The limit of a run above this one that leaves no room for another model call.
    pub(super) fn limit_above(&self) -> Option<Limit> {
        let mut next = self.parent.as_deref();
        while let Some(meter) = next {
            match meter.limits.check(&meter.used(), &Usage::zero(), Duration::ZERO) {
                Room::Enough => {}
                Room::OneCall(limit) | Room::Nothing(limit) => return Some(limit),
            }
            next = meter.parent.as_deref();
        }
        None
    }

    /// Whether the runs above this one allow another tool call.
    pub(super) fn allows_tool_call_above(&self) -> bool {
        let mut next = self.parent.as_deref();
        while let Some(meter) = next {
            if !meter.limits.allows_tool_call(&meter.used()) {
                return false;
            }
            next = meter.parent.as_deref();
        }
        true
    }
}
