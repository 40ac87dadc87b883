//! Comfort for the Messages API.

use crate::core::StreamItem;
use crate::models::MessagesStreamEvents;

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
