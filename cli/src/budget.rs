//! A limit for what prompts may cost (`--max-cost`), enforced before each call by the limit of tokens it gets.

use openrouter_kit::helpers::{Consumption, Usd};
use openrouter_kit::models::routing::ProviderPreferencesMaxPrice;
use openrouter_kit::models::{ChatContentPart, ChatMessage, ChatMessageContent, ChatResult, Model};
use openrouter_kit::serde_json;

use crate::client::Context;
use crate::exit::Failure;
use crate::output;
use crate::response::Prompt;

/// Fields of a request that cannot raise its cost beyond its tokens.
const HARMLESS: [&str; 14] = [
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "min_p",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "seed",
    "stop",
    "temperature",
    "top_a",
    "top_k",
    "top_p",
];

/// More tokens than any template puts around a prompt.
const TEMPLATE_TOKENS: u64 = 512;

/// A response that is shorter than this is of no use.
const FEWEST_TOKENS: u64 = 16;

/// What may be spent, and what was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    limit: Usd,
    spent: Usd,
    /// The most that the call under way can cost.
    reserved: Usd,
}

impl Budget {
    pub(crate) const fn new(limit: Usd) -> Self {
        Self { limit, spent: Usd::ZERO, reserved: Usd::ZERO }
    }

    /// Limits a prompt so that it cannot cost more than what is left, by the prices of its models.
    ///
    /// No tokenizer makes more tokens than there are bytes, so the length of the prompt bounds its cost. What remains
    /// pays for the response, and endpoints with higher prices are excluded.
    pub(crate) async fn apply(&mut self, prompt: &mut Prompt, context: &Context) -> Result<(), Failure> {
        let left = self.limit - self.spent;
        check(prompt)?;
        // The schema of structured output is a part of the prompt too.
        let bytes = serde_json::to_vec(&prompt.request).map_err(|error| Failure::Other(error.to_string()))?;
        let prompt_tokens = bytes.len() as u64 + TEMPLATE_TOKENS;

        let mut most_tokens = u64::MAX;
        let mut max_price = (Usd::ZERO, Usd::ZERO);
        let mut models = Vec::new();
        for id in models_of(prompt) {
            let model = find(&id, context).await?;
            let cost = |tokens| cost(&model, prompt_tokens, tokens);
            most_tokens = most_tokens.min(affordable(left, &model, cost)?);
            let price = |text: &str| text.parse().unwrap_or(Usd::ZERO).per_million();
            max_price.0 = max_price.0.max(price(&model.pricing.prompt));
            max_price.1 = max_price.1.max(price(&model.pricing.completion));
            models.push(model);
        }
        if most_tokens < FEWEST_TOKENS {
            let text = format!("the prompt alone may cost all of the ${left} that are left; raise --max-cost");
            return Err(Failure::Cost(text));
        }
        let asked = ["max_tokens", "max_completion_tokens"].map(|name| take_tokens(prompt, name));
        let tokens = asked.into_iter().flatten().fold(most_tokens, u64::min);
        self.reserved = Usd::ZERO;
        for model in &models {
            self.reserved = self.reserved.max(cost(model, prompt_tokens, tokens)?);
        }
        output::hint(format_args!("at most {tokens} tokens and ${}", self.reserved));

        let request = &mut prompt.request;
        request.max_tokens = i64::try_from(tokens).ok();
        let price =
            ProviderPreferencesMaxPrice::new().prompt(max_price.0.to_string()).completion(max_price.1.to_string());
        request.provider = Some(request.provider.take().unwrap_or_default().max_price(price));
        Ok(())
    }

    /// Counts what a call cost. If that is unknown, it counts as the most that it can have been.
    pub(crate) fn count(&mut self, result: Option<&ChatResult>) {
        self.spent += result.and_then(ChatResult::cost).and_then(Usd::from_f64).unwrap_or(self.reserved);
        self.reserved = Usd::ZERO;
    }
}

/// Refuses what costs more than its text.
fn check(prompt: &Prompt) -> Result<(), Failure> {
    let has_attachments = prompt.request.messages.iter().any(|message| match message {
        ChatMessage::User(message) => match &message.content {
            ChatMessageContent::Text(_) => false,
            ChatMessageContent::List(parts) => parts.iter().any(|part| !matches!(part, ChatContentPart::Text(_))),
            _ => true,
        },
        _ => false,
    });
    if has_attachments {
        return Err(Failure::Usage("--max-cost cannot bound the cost of attachments; leave one out".to_owned()));
    }
    if let Some((name, _)) = prompt.options.iter().find(|(name, _)| !HARMLESS.contains(&name.as_str())) {
        let text = format!("--max-cost cannot bound the cost of a request with the option {name:?}; leave one out");
        return Err(Failure::Usage(text));
    }
    Ok(())
}

fn models_of(prompt: &Prompt) -> Vec<String> {
    let request = &prompt.request;
    request.model.iter().chain(request.models.iter().flatten()).cloned().collect()
}

async fn find(id: &str, context: &Context) -> Result<Model, Failure> {
    if id.ends_with(":online") {
        let text = format!("--max-cost cannot bound the cost of {id}, which searches the web; leave out `:online`");
        return Err(Failure::Usage(text));
    }
    let Some((author, slug)) = id.split_once('/') else {
        return Err(Failure::Usage(format!("{id:?} is not a model; write one such as openai/gpt-4o-mini")));
    };
    Ok(context.client.models().get(author, slug).await?.data)
}

/// The most that a call can cost by the prices of a model: each token at the highest price that it can have.
fn cost(model: &Model, prompt_tokens: u64, completion_tokens: u64) -> Result<Usd, Failure> {
    let mut most = Usd::ZERO;
    for (written, reasoning) in [(0, 0), (prompt_tokens, completion_tokens)] {
        let mut consumption = Consumption::new(prompt_tokens, completion_tokens);
        (consumption.cache_write_tokens, consumption.reasoning_tokens) = (written, reasoning);
        let cost = model.pricing.cost(consumption).map_err(|error| {
            Failure::Usage(format!("--max-cost needs a model with a fixed price, and {} has none: {error}", model.id))
        })?;
        most = most.max(cost);
    }
    Ok(most)
}

/// How many tokens of a response the money pays for; 0 if it does not pay for the prompt.
fn affordable(left: Usd, model: &Model, cost: impl Fn(u64) -> Result<Usd, Failure>) -> Result<u64, Failure> {
    let limit = model.top_provider.max_completion_tokens.or(model.context_length).unwrap_or(1_000_000);
    let (mut low, mut high) = (0, u64::try_from(limit).unwrap_or_default());
    if cost(0)? > left {
        return Ok(0);
    }
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if cost(middle)? <= left { low = middle } else { high = middle - 1 }
    }
    Ok(low)
}

/// Takes a limit that the user set out of the options; the one of the budget replaces it.
fn take_tokens(prompt: &mut Prompt, name: &str) -> Option<u64> {
    let index = prompt.options.iter().position(|(option, _)| option == name)?;
    prompt.options.remove(index).1.as_u64()
}
