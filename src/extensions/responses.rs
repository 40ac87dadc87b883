//! Comfort for the Responses API.

use super::holds_error;
use crate::core::StreamItem;
use crate::core::wire::Root;
use crate::models::{OpenResponsesResult, StreamEvents};

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
