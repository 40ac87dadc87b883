//! The id of a model in its parts.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::errors::{LONGEST_WORD, OneLine};

/// The id of a model, such as `openai/gpt-5` or `openai/gpt-5:nitro`, for the operations that take
/// author and slug separately.
///
/// ```no_run
/// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::helpers::ModelId;
///
/// let id: ModelId = "openai/gpt-5".parse()?;
/// let model = client.models().get(id.author(), id.slug()).await?.data;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId {
    author: String,
    slug: String,
}

impl ModelId {
    /// Returns the part before the slash: the maker of the model, or `openrouter` for a router.
    pub fn author(&self) -> &str {
        &self.author
    }

    /// Returns the part after the slash, with the variant if there is one (`gpt-5:nitro`).
    pub fn slug(&self) -> &str {
        &self.slug
    }
}

impl FromStr for ModelId {
    type Err = ParseModelIdError;

    fn from_str(text: &str) -> Result<Self, ParseModelIdError> {
        match text.split_once('/') {
            Some((author, slug)) if !author.is_empty() && !slug.is_empty() && !slug.contains('/') => {
                Ok(Self { author: author.to_owned(), slug: slug.to_owned() })
            }
            _ => Err(ParseModelIdError(text.to_owned())),
        }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.author, self.slug)
    }
}

/// A text that is not the id of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseModelIdError(String);

impl fmt::Display for ParseModelIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = OneLine::new(&self.0, LONGEST_WORD, "");
        write!(f, "{shown:?} is not the id of a model; write author and slug, such as `openai/gpt-5`")
    }
}

impl Error for ParseModelIdError {}
