//! Comfort for the Images API.

use crate::core::StreamItem;
use crate::models::ImageStreamEvents;

impl StreamItem for ImageStreamEvents {
    const END_IS_MARKED: bool = true;

    fn is_terminal(&self) -> bool {
        matches!(self, Self::ImageGenerationCompleted(_))
    }

    fn reports_error(&self) -> bool {
        match self {
            Self::Error(_) => true,
            Self::Unrecognized(kept) => kept.json().get("error").is_some_and(|error| !error.is_null()),
            _ => false,
        }
    }
}
