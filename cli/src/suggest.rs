//! Finding models by what the user typed.

use std::time::Duration;

use openrouter_kit::RetryConfig;
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::models::Model;

use crate::client::Context;
use crate::exit::Failure;
use crate::output;

/// Names that are less similar than this are not worth showing.
const LEAST_SIMILARITY: f64 = 0.6;

/// Returns the model whose id and name contain all words; the one with the shortest id if there are several.
pub(crate) async fn find(words: &str, context: &Context) -> Result<String, Failure> {
    let models = context.client.models().list().await?.data;
    let words: Vec<_> = words.split_whitespace().map(str::to_lowercase).collect();
    let matches = |model: &&Model| {
        let text = format!("{} {}", model.id, model.name).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    match models.iter().filter(matches).min_by_key(|model| model.id.len()) {
        Some(model) => Ok(model.id.clone()),
        None => Err(Failure::Usage(format!("no model has {} in its name; see `openrouter models`", words.join(" ")))),
    }
}

/// Shows the models with names like those of a request that failed, if the model was not found.
pub(crate) async fn similar(requested: &[&str], error: &Error, context: &Context) {
    let Error::Api(error) = error else { return };
    let is_unknown = error.availability().is_some_and(|reason| reason.code() == Some("model_not_found"))
        || matches!(error.kind(), ApiErrorKind::BadRequest | ApiErrorKind::NotFound)
            && ["not a valid model", "No endpoints found", "model not found"]
                .iter()
                .any(|text| error.message().to_lowercase().contains(&text.to_lowercase()));
    if !is_unknown {
        return;
    }
    // It is a hint; if it is not available at once, the error is enough.
    let list = context.client.models().list().timeout(Duration::from_secs(5)).retry_config(RetryConfig::none());
    let Ok(models) = list.await else { return };
    for name in requested {
        let names = nearest(name, models.data.iter().map(|model| model.id.as_str()));
        if !names.is_empty() && !names.contains(name) {
            output::note(format_args!("models with names like {name:?}: {}", names.join(", ")));
        }
    }
}

/// The names that are most like the one given, with and without the author.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let similarity = |other: &str| {
        let slug = other.split_once('/').map_or(other, |(_, slug)| slug);
        strsim::normalized_damerau_levenshtein(name, other).max(strsim::normalized_damerau_levenshtein(name, slug))
    };
    let mut found: Vec<_> = names.map(|other| (similarity(other), other)).collect();
    found.retain(|(similarity, _)| *similarity >= LEAST_SIMILARITY);
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_suggested_by_likeness() {
        let names = ["openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-sonnet-5", "a/b"];
        assert_eq!(nearest("openai/gpt4o-mini", names.into_iter()).first(), Some(&"openai/gpt-4o-mini"));
        assert_eq!(nearest("claude-sonet-5", names.into_iter()), ["anthropic/claude-sonnet-5"]);
        assert!(nearest("zzzzzzzz", names.into_iter()).is_empty());
    }
}
