//! Comfort for the Messages API.

use super::retyped;
use crate::core::StreamItem;
use crate::models::{
    MessagesContentBlockParam, MessagesMessageParam, MessagesMessageParamRole, MessagesResult, MessagesStreamEvents,
    OrAnthropicContentBlock,
};

impl StreamItem for MessagesStreamEvents {
    const END_IS_MARKED: bool = true;

    fn is_terminal(&self) -> bool {
        matches!(self, Self::MessageStop(_))
    }

    fn reports_error(&self) -> bool {
        match self {
            Self::Error(_) => true,
            Self::Unrecognized(kept) => match kept.tag("type").as_deref() {
                Some(tag) => tag == "error",
                None => kept.json().get("error").is_some_and(|error| !error.is_null()),
            },
            _ => false,
        }
    }
}

/// A block of an answer as a block of the next request: the same JSON, nothing added and nothing left out.
impl From<&OrAnthropicContentBlock> for MessagesContentBlockParam {
    fn from(block: &OrAnthropicContentBlock) -> Self {
        retyped(block)
    }
}

/// A block of an answer as a block of the next request: the same JSON, nothing added and nothing left out.
impl From<OrAnthropicContentBlock> for MessagesContentBlockParam {
    fn from(block: OrAnthropicContentBlock) -> Self {
        Self::from(&block)
    }
}

/// An answer as the assistant's message of the next request, with every block unchanged.
impl From<&MessagesResult> for MessagesMessageParam {
    fn from(result: &MessagesResult) -> Self {
        let blocks: Vec<_> = result.content.iter().map(MessagesContentBlockParam::from).collect();
        Self::new(blocks, MessagesMessageParamRole::Assistant)
    }
}

/// An answer as the assistant's message of the next request, with every block unchanged.
impl From<MessagesResult> for MessagesMessageParam {
    fn from(result: MessagesResult) -> Self {
        Self::from(&result)
    }
}
