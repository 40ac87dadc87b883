//! Comfort for the Chat API.

use super::holds_error;
use crate::core::StreamItem;
use crate::core::wire::Root;
use crate::models::{ChatAssistantMessage, ChatChoice, ChatMessages, ChatResult, ChatStreamChunk};

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

/// The assistant's turn as a message of the next request, with its reasoning, its tool calls and all that this version does
/// not know, unchanged. Where no role came, or an empty one, it is `assistant`.
impl From<ChatChoice> for ChatMessages {
    fn from(choice: ChatChoice) -> Self {
        let mut message = choice.message;
        if message.extra.get("role").is_some_and(|role| role.as_text() == "\"\"") {
            message.extra.remove("role");
        }
        // The role is the only member that is always written.
        message.extra.set_absent(0);
        Self::from(message)
    }
}

/// The assistant's turn as a message of the next request, see the conversion by value.
impl From<&ChatChoice> for ChatMessages {
    fn from(choice: &ChatChoice) -> Self {
        Self::from(choice.clone())
    }
}

impl ChatResult {
    /// The message of the first choice; `None` where there is no choice.
    pub fn message(&self) -> Option<&ChatAssistantMessage> {
        self.choices.first().map(|choice| &choice.message)
    }

    /// The turn of the first choice as a message of the next request, unchanged; `None` where there is no choice.
    pub fn to_message(&self) -> Option<ChatMessages> {
        self.choices.first().map(ChatMessages::from)
    }
}
