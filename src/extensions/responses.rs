//! Comfort for the Responses API.

use super::{holds_error, retyped};
use crate::core::StreamItem;
use crate::core::wire::Root;
use crate::models::{InputsItem, OpenResponsesResult, OutputItems, StreamEvents};

impl Root for OpenResponsesResult {
    /// A failed response carries its error in a body of status 200.
    fn reports_error(&self) -> bool {
        self.error.is_some() || holds_error(&self.extra)
    }
}

impl StreamItem for StreamEvents {
    const END_IS_MARKED: bool = true;

    fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Incomplete(_) | Self::Failed(_))
    }

    fn reports_error(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Error(_) => true,
            Self::Unrecognized(kept) => {
                matches!(kept.tag("type").as_deref(), Some("error" | "response.error" | "response.failed"))
                    || kept.tag("type").is_none() && kept.json().get("error").is_some_and(|error| !error.is_null())
            }
            _ => false,
        }
    }
}

/// What the model put out, as input of the next request: the same JSON, nothing added and nothing left out.
impl From<&OutputItems> for InputsItem {
    fn from(item: &OutputItems) -> Self {
        retyped(item)
    }
}

/// What the model put out, as input of the next request: the same JSON, nothing added and nothing left out.
impl From<OutputItems> for InputsItem {
    fn from(item: OutputItems) -> Self {
        Self::from(&item)
    }
}

impl OpenResponsesResult {
    /// The whole output as input of the next request, unchanged: messages, reasoning with its signatures, calls.
    pub fn to_input(&self) -> Vec<InputsItem> {
        self.output.iter().map(InputsItem::from).collect()
    }
}
