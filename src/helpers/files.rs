//! Helpers for the Files API.

use crate::core::Page;
use crate::models::{FileListResponse, FileResponse};

impl Page for FileListResponse {
    type Item = FileResponse;

    #[inline]
    fn into_items(self) -> Vec<FileResponse> {
        match self {
            Self::OpenRouter(list) => list.data.into_iter().map(FileResponse::from).collect(),
            Self::OpenAi(list) => list.data.into_iter().map(FileResponse::from).collect(),
            Self::Anthropic(list) => list.data.into_iter().map(FileResponse::from).collect(),
            Self::Unrecognized(_) => Vec::new(),
        }
    }

    #[inline]
    fn length(&self) -> usize {
        match self {
            Self::OpenRouter(list) => list.data.len(),
            Self::OpenAi(list) => list.data.len(),
            Self::Anthropic(list) => list.data.len(),
            Self::Unrecognized(_) => 0,
        }
    }

    #[inline]
    fn cursor(&self) -> Option<&str> {
        match self {
            Self::OpenRouter(list) => list.cursor.as_deref(),
            Self::OpenAi(list) => list.last_id.as_deref().filter(|_| list.has_more),
            Self::Anthropic(list) => list.last_id.as_deref().filter(|_| list.has_more),
            Self::Unrecognized(_) => None,
        }
    }

    /// Files that are stored with a provider are listed its way.
    #[inline]
    fn cursor_parameter(&self) -> Option<&'static str> {
        match self {
            Self::OpenAi(_) => Some("after"),
            Self::Anthropic(_) => Some("after_id"),
            _ => None,
        }
    }
}
