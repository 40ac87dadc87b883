//! Comfort for the Chat API.

use super::holds_error;
use crate::core::StreamItem;
use crate::core::wire::Root;
use crate::models::{ChatResult, ChatStreamChunk};

impl Root for ChatResult {
    /// An error stands beside the choices, or in every one of them.
    fn reports_error(&self) -> bool {
        let failed = self.choices.iter().filter(|choice| holds_error(&choice.extra)).count();
        holds_error(&self.extra) || failed > 0 && failed == self.choices.len()
    }
}

impl StreamItem for ChatStreamChunk {
    const END_IS_MARKED: bool = true;

    /// A choice has finished. Further chunks may follow, one with the usage for instance.
    fn is_terminal(&self) -> bool {
        self.choices.iter().any(|choice| choice.finish_reason.is_some())
    }

    fn reports_error(&self) -> bool {
        self.error.is_some() || holds_error(&self.extra) || self.choices.iter().any(|choice| holds_error(&choice.extra))
    }
}
