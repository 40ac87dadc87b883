//! The head of a response, and the operation it belongs to.

use http::{HeaderMap, StatusCode};

/// What is known about a response before its body is read.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) operation_id: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// The id of the generation (`X-Generation-Id`), if the operation generates.
    pub(crate) fn generation_id(&self) -> Option<&str> {
        self.headers.get("x-generation-id")?.to_str().ok()
    }
}
