//! The kinds of errors, one for each status that the document or the overlay names.

use super::{Context, Files, HEADER, escape};

/// Writes `src/errors/kind.rs`.
pub fn emit(context: &Context<'_>, files: &mut Files) {
    let mut variants = String::new();
    let mut arms = String::new();
    for (status, kind) in context.error_kinds {
        variants.push_str(&format!("    /// {status}: {}.\n    {},\n", escape(&kind.what), kind.name));
        arms.push_str(&format!("            {status} => Self::{},\n", kind.name));
    }
    let text = format!(
        "{HEADER}//! Kinds of API errors.\n\n\
         /// The kind of an API error, named like the error types of the official SDKs.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\n#[non_exhaustive]\npub enum ApiErrorKind {{\n{variants}    \
         /// Any other status; [`ApiError::status`](super::ApiError::status) and [`ApiError::code`](super::ApiError::code) \
         say which.\n    Other,\n}}\n\n\
         impl ApiErrorKind {{\n    /// Returns the kind of an HTTP status.\n    \
         pub const fn from_status(status: u16) -> Self {{\n        match status {{\n{arms}            \
         _ => Self::Other,\n        }}\n    }}\n}}\n"
    );
    files.insert("src/errors/kind.rs".to_owned(), text);
}
