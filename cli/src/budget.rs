//! A limit for what prompts may cost (`--max-cost`), enforced before each call by the limit of tokens it gets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openrouter_kit::OpenRouter;
use openrouter_kit::agent::{Run, RunHook};
use openrouter_kit::errors::HookError;
use openrouter_kit::helpers::{Consumption, ModelId, Usd};
use openrouter_kit::hooks::HookFuture;
use openrouter_kit::models::responses::{ResponsesInput, ToolCallOutput, ToolCallOutputPart};
use openrouter_kit::models::{
    ChatContentPart, ChatMessage, ChatMessageContent, InputItem, Model, ProviderPreferencesMaxPrice, ResponsesRequest,
    ResponsesResult,
};
use openrouter_kit::serde_json;

use crate::client::Context;
use crate::exit::Failure;
use crate::output;
use crate::response::Prompt;

/// Fields of a request that cannot raise its cost beyond its tokens.
const HARMLESS: [&str; 15] = [
    "frequency_penalty",
    "max_completion_tokens",
    "max_output_tokens",
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

/// How a call is kept within a budget.
struct Bound {
    tokens: u64,
    max_price: ProviderPreferencesMaxPrice,
}

impl Budget {
    pub(crate) const fn new(limit: Usd) -> Self {
        Self { limit, spent: Usd::ZERO, reserved: Usd::ZERO }
    }

    /// What may still be spent.
    pub(crate) fn left(&self) -> Usd {
        self.limit - self.spent - self.reserved
    }

    /// Limits a prompt so that it cannot cost more than what is left, by the prices of its models.
    pub(crate) async fn apply(&mut self, prompt: &mut Prompt, context: &Context) -> Result<(), Failure> {
        check(prompt)?;
        let asked = take_limit(prompt);
        let models = find_all(&models_of(prompt), &context.client).await?;
        let Bound { tokens, max_price } = self.reserve(length(&prompt.request)?, &models, asked)?;
        let request = &mut prompt.request;
        request.max_tokens = i64::try_from(tokens).ok();
        request.provider = Some(request.provider.take().unwrap_or_default().max_price(max_price));
        Ok(())
    }

    /// Reserves what a request of this length can cost at most.
    ///
    /// No tokenizer makes more tokens than there are bytes, so the length of the request bounds the cost of the prompt.
    /// What remains pays for the response, and endpoints with higher prices are excluded.
    fn reserve(&mut self, length: usize, models: &[Model], asked: Option<u64>) -> Result<Bound, Failure> {
        let prompt_tokens = length as u64 + TEMPLATE_TOKENS;
        let left = self.left();
        let mut most_tokens = u64::MAX;
        let mut max_price = (Usd::ZERO, Usd::ZERO);
        for model in models {
            let cost = |tokens| cost(model, prompt_tokens, tokens);
            most_tokens = most_tokens.min(affordable(left, model, cost)?);
            let price = |text: &str| text.parse().unwrap_or(Usd::ZERO).per_million();
            max_price.0 = max_price.0.max(price(&model.pricing.prompt));
            max_price.1 = max_price.1.max(price(&model.pricing.completion));
        }
        if most_tokens < FEWEST_TOKENS {
            let text = format!("the prompt alone may cost all of the ${left} that are left; raise --max-cost");
            return Err(Failure::Cost(text));
        }
        let tokens = asked.map_or(most_tokens, |asked| asked.min(most_tokens));
        for model in models {
            self.reserved = self.reserved.max(cost(model, prompt_tokens, tokens)?);
        }
        output::hint(format_args!("at most {tokens} tokens and ${}", self.reserved));
        let (prompt, completion) = (max_price.0.to_string(), max_price.1.to_string());
        Ok(Bound { tokens, max_price: ProviderPreferencesMaxPrice::new().prompt(prompt).completion(completion) })
    }

    /// Counts what a call cost. If that is unknown, it counts as the most that it can have been.
    pub(crate) fn count(&mut self, cost: Option<f64>) {
        self.spent += cost.and_then(Usd::from_f64).unwrap_or(self.reserved);
        self.reserved = Usd::ZERO;
    }
}

/// Keeps each model call of a run with tools within a budget.
#[derive(Clone, Debug)]
pub(crate) struct RunBudget {
    state: Arc<Mutex<Budget>>,
    client: OpenRouter,
    models: Vec<String>,
    /// The limit of tokens that the user set.
    asked: Option<u64>,
}

impl RunBudget {
    pub(crate) fn new(budget: Budget, prompt: &mut Prompt, context: &Context) -> Result<Self, Failure> {
        check(prompt)?;
        let (state, client) = (Arc::new(Mutex::new(budget)), context.client.clone());
        Ok(Self { state, client, models: models_of(prompt), asked: take_limit(prompt) })
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn left(&self) -> Usd {
        self.budget().left()
    }

    /// The budget after the run. A call that was broken off counts as the most that it can have cost.
    pub(crate) fn end(&self) -> Budget {
        let mut budget = self.budget();
        budget.count(None);
        *budget
    }

    async fn bound(&self, request: &mut ResponsesRequest) -> Result<(), Failure> {
        let is_text = |part: &ToolCallOutputPart| matches!(part, ToolCallOutputPart::InputText(_));
        let is_bounded = |item: &InputItem| match item {
            InputItem::FunctionCallOutput(output) => match &output.output {
                ToolCallOutput::Text(_) => true,
                ToolCallOutput::List(parts) => parts.iter().all(is_text),
                _ => false,
            },
            _ => true,
        };
        if let Some(ResponsesInput::List(items)) = &request.input
            && !items.iter().all(is_bounded)
        {
            let text = "--max-cost cannot bound the cost of images and files that a tool returns; leave it out";
            return Err(Failure::Cost(text.to_owned()));
        }
        let models = find_all(&self.models, &self.client).await?;
        let length = length(request)?;
        let mut budget = self.budget();
        // A call before this one that failed.
        budget.count(None);
        let Bound { tokens, max_price } = budget.reserve(length, &models, self.asked)?;
        request.max_output_tokens = i64::try_from(tokens).ok();
        request.provider = Some(request.provider.take().unwrap_or_default().max_price(max_price));
        Ok(())
    }
}

impl RunHook for RunBudget {
    fn before_model<'a>(&'a self, _: &'a Run, request: &'a mut ResponsesRequest) -> HookFuture<'a, ()> {
        Box::pin(async { self.bound(request).await.map_err(HookError::new) })
    }

    fn after_model<'a>(&'a self, _: &'a Run, response: &'a mut ResponsesResult) -> HookFuture<'a, ()> {
        self.budget().count(response.usage.as_ref().and_then(|usage| usage.cost));
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The length of a request in bytes, with its tools and its schema.
fn length(request: &impl serde::Serialize) -> Result<usize, Failure> {
    serde_json::to_vec(request).map(|bytes| bytes.len()).map_err(|error| Failure::Other(error.to_string()))
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
    if prompt.request.tools.is_some() {
        return Err(Failure::Usage("--max-cost cannot bound the cost of web searches; leave out --web".to_owned()));
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

async fn find_all(ids: &[String], client: &OpenRouter) -> Result<Vec<Model>, Failure> {
    let mut models = Vec::new();
    for id in ids {
        if id.ends_with(":online") {
            let text = format!("--max-cost cannot bound the cost of {id}, which searches the web; leave out `:online`");
            return Err(Failure::Usage(text));
        }
        let id: ModelId = id.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
        models.push(client.models().get(id.author(), id.slug()).await?.data);
    }
    Ok(models)
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

/// Takes the limit of tokens that the user set out of the options; the one of the budget replaces it.
fn take_limit(prompt: &mut Prompt) -> Option<u64> {
    let is_limit = |name: &str| ["max_tokens", "max_completion_tokens", "max_output_tokens"].contains(&name);
    let limits = prompt.options.iter().filter(|(name, _)| is_limit(name));
    let least = limits.filter_map(|(_, value)| value.as_u64()).min();
    prompt.options.retain(|(name, _)| !is_limit(name));
    least
}
