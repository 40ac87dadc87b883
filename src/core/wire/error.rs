//! Decode and encode errors.

use std::fmt;
use std::sync::Arc;

use crate::core::hidden;

/// The error of a JSON text that cannot be read as the requested type.
///
/// ```
/// # #[cfg(feature = "chat")]
/// # {
/// use openrouter_kit::core::wire;
/// use openrouter_kit::models::ChatRequest;
///
/// let error = wire::decode::<ChatRequest>("[]").unwrap_err();
/// assert_eq!(error.to_string(), "expected an object, found an array");
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(
    /// Shared: all fields of an object that does not match have the same error.
    Arc<Inner>,
);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    /// Steps from the root, outermost first: `choices`, `[0]`, `message`.
    path: String,
    message: String,
}

impl DecodeError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { path: String::new(), message: message.into() }))
    }

    /// Returns the same error, one step further out.
    pub(crate) fn inside(mut self, step: &str) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.path = join(step, &inner.path);
        self
    }

    /// Returns the same error, inside element `index` of an array.
    pub(crate) fn inside_element(self, index: usize) -> Self {
        self.inside(&format!("[{index}]"))
    }

    /// Returns the path of the value that does not match, such as `choices[0].message.content`;
    /// empty for the whole text.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns what was expected and what was found.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

/// The error of a value that cannot be written as JSON.
///
/// ```
/// # #[cfg(feature = "chat")]
/// # {
/// use openrouter_kit::core::wire;
/// use openrouter_kit::models::{ChatMessage, ChatRequest};
///
/// let request = ChatRequest::new([ChatMessage::user("Hello")]).temperature(f64::NAN);
/// let error = wire::encode(&request).unwrap_err();
/// assert_eq!(error.path(), "temperature");
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EncodeError(Box<Inner>);

impl EncodeError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { path: String::new(), message: message.into() }))
    }

    pub(crate) fn enter(&mut self, step: &str) {
        self.0.path = join(step, &self.0.path);
    }

    /// Returns the path of the value, such as `tools[0].parameters`; empty for the whole value.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns what is wrong with the value and what to use instead.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

/// Returns the start of a server's text, short enough for a message.
pub(super) fn shortened(text: &str) -> &str {
    text.char_indices().nth(100).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

pub(super) fn join(step: &str, rest: &str) -> String {
    match rest.chars().next() {
        None => step.to_owned(),
        Some('[') => format!("{step}{rest}"),
        Some(_) => format!("{step}.{rest}"),
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "`{}`: {}", hidden::text(path), self.message),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("path", &hidden::text(&self.0.path))
            .field("message", &self.0.message)
            .finish()
    }
}

impl fmt::Debug for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodeError")
            .field("path", &hidden::text(&self.0.path))
            .field("message", &self.0.message)
            .finish()
    }
}

impl std::error::Error for DecodeError {}
impl std::error::Error for EncodeError {}
