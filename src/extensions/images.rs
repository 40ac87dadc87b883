//! Comfort for the Images API.

use crate::core::StreamItem;
use crate::models::ImageStreamEvents;

impl StreamItem for ImageStreamEvents {
    const END_IS_MARKED: bool = true;

    #[inline]
    fn is_terminal(&self) -> bool {
        match self {
            Self::ImageGenerationCompleted(_) => true,
            // What does not fit its type ends the stream all the same, and so does another kind of work.
            Self::Unrecognized(kept) => kept.tag("type").is_some_and(|tag| tag.ends_with(".completed")),
            _ => false,
        }
    }

    #[inline]
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
