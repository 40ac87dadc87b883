//! Prices as exact numbers: what a call costs, what it would cost, and which model is cheapest.

use std::error::Error;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::usd::Usd;
#[cfg(feature = "endpoints")]
use crate::models::PublicEndpoint;
use crate::models::model_info::PricingOverride;
use crate::models::{InputModality, Model, OutputModality, PublicPricing, SupportedParameter};

/// The error of a price that a calculation needs and that is not a fixed amount.
///
/// Routers such as `openrouter/auto` have the price `-1`: what a call costs depends on the model
/// they choose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriceError {
    /// The name of the price in [`PublicPricing`].
    pub name: &'static str,
    /// What the API sent.
    pub value: String,
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value } = self;
        match value.starts_with('-') {
            true => write!(f, "the price `{name}` is {value:?}: it varies by the model that the router chooses"),
            false => write!(f, "the price `{name}` is {value:?}, which is not an amount in US dollars"),
        }
    }
}

impl Error for PriceError {}

/// What a call consumes: tokens, images and searches, expected or counted.
///
/// The usage of a chat, Responses or Messages response converts into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consumption {
    /// All tokens of the prompt, including those read from and written to the cache.
    pub prompt_tokens: u64,
    /// Prompt tokens that are read from the cache.
    pub cache_read_tokens: u64,
    /// Prompt tokens that are written to the cache.
    pub cache_write_tokens: u64,
    /// Prompt tokens that are audio.
    pub audio_tokens: u64,
    /// All generated tokens, including reasoning.
    pub completion_tokens: u64,
    /// Generated tokens that are reasoning.
    pub reasoning_tokens: u64,
    /// Images in the prompt.
    pub images: u64,
    /// Web searches.
    pub web_searches: u64,
}

impl Consumption {
    /// Creates the consumption of a call without cache, reasoning, images and searches; the fields
    /// add those.
    #[must_use]
    pub fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self { prompt_tokens, completion_tokens, ..Self::default() }
    }
}

/// Converts a count, which a server may send as a negative number.
#[cfg(any(feature = "chat", feature = "messages", feature = "responses"))]
fn count(tokens: Option<i64>) -> u64 {
    tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or_default()
}

#[cfg(feature = "chat")]
impl From<&crate::models::ChatUsage> for Consumption {
    fn from(usage: &crate::models::ChatUsage) -> Self {
        let prompt = usage.prompt_tokens_details.as_ref();
        let completion = usage.completion_tokens_details.as_ref();
        let searches = usage.server_tool_use_details.as_ref().and_then(|tools| tools.web_search_requests);
        Self {
            cache_read_tokens: count(prompt.and_then(|details| details.cached_tokens)),
            cache_write_tokens: count(prompt.and_then(|details| details.cache_write_tokens)),
            audio_tokens: count(prompt.and_then(|details| details.audio_tokens)),
            reasoning_tokens: count(completion.and_then(|details| details.reasoning_tokens)),
            web_searches: count(searches),
            ..Self::new(count(Some(usage.prompt_tokens)), count(Some(usage.completion_tokens)))
        }
    }
}

#[cfg(feature = "responses")]
impl From<&crate::models::ResponsesUsage> for Consumption {
    fn from(usage: &crate::models::ResponsesUsage) -> Self {
        let searches = usage.server_tool_use_details.as_ref().and_then(|tools| tools.web_search_requests);
        Self {
            cache_read_tokens: count(Some(usage.input_tokens_details.cached_tokens)),
            cache_write_tokens: count(usage.input_tokens_details.cache_write_tokens),
            reasoning_tokens: count(Some(usage.output_tokens_details.reasoning_tokens)),
            web_searches: count(searches),
            ..Self::new(count(Some(usage.input_tokens)), count(Some(usage.output_tokens)))
        }
    }
}

/// The Messages API counts cached tokens separately from `input_tokens`.
#[cfg(feature = "messages")]
impl From<&crate::models::MessagesUsage> for Consumption {
    fn from(usage: &crate::models::MessagesUsage) -> Self {
        let read = count(usage.cache_read_input_tokens);
        let written = count(usage.cache_creation_input_tokens);
        let prompt = count(Some(usage.input_tokens)).saturating_add(read).saturating_add(written);
        Self {
            cache_read_tokens: read,
            cache_write_tokens: written,
            ..Self::new(prompt, count(Some(usage.output_tokens)))
        }
    }
}

/// What a program needs of a model, to choose among the models that the API lists.
///
/// ```
/// # async fn choose(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::helpers::{Consumption, ModelNeeds};
///
/// let models = client.models().list().await?;
/// let needs = ModelNeeds::new().parameter("tools").input("image").context_length(200_000);
/// for (price, model) in needs.cheapest(&models.data, Consumption::new(10_000, 1_000)).into_iter().take(5) {
///     println!("${price} {}", model.id);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelNeeds {
    parameters: Vec<SupportedParameter>,
    inputs: Vec<InputModality>,
    outputs: Vec<OutputModality>,
    context_length: i64,
    completion_tokens: i64,
}

impl ModelNeeds {
    /// Creates needs that every model meets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter that the model must support, such as `tools`, `structured_outputs` or
    /// `reasoning`.
    #[must_use]
    pub fn parameter(mut self, parameter: impl Into<SupportedParameter>) -> Self {
        self.parameters.push(parameter.into());
        self
    }

    /// Adds a kind of input that the model must accept, such as `image`, `file` or `audio`.
    #[must_use]
    pub fn input(mut self, modality: impl Into<InputModality>) -> Self {
        self.inputs.push(modality.into());
        self
    }

    /// Adds a kind of output that the model must produce, such as `image`.
    #[must_use]
    pub fn output(mut self, modality: impl Into<OutputModality>) -> Self {
        self.outputs.push(modality.into());
        self
    }

    /// Sets the minimum context length, in tokens. A model that does not state its length does not
    /// meet it.
    #[must_use]
    pub const fn context_length(mut self, tokens: i64) -> Self {
        self.context_length = tokens;
        self
    }

    /// Sets the minimum number of tokens that the model must be able to generate in one response. A
    /// model that states no limit meets it.
    #[must_use]
    pub const fn completion_tokens(mut self, tokens: i64) -> Self {
        self.completion_tokens = tokens;
        self
    }

    /// Returns `true` if a model meets the needs.
    #[must_use]
    pub fn are_met_by(&self, model: &Model) -> bool {
        let architecture = &model.architecture;
        self.parameters.iter().all(|parameter| model.supported_parameters.contains(parameter))
            && self.inputs.iter().all(|modality| architecture.input_modalities.contains(modality))
            && self.outputs.iter().all(|modality| architecture.output_modalities.contains(modality))
            && self.context_length <= model.context_length.unwrap_or_default()
            && model.top_provider.max_completion_tokens.is_none_or(|most| self.completion_tokens <= most)
    }

    /// Returns the models that meet the needs with what a call would cost, the cheapest first;
    /// models with equal prices keep their order. Models without fixed prices (routers) are left
    /// out.
    #[must_use]
    pub fn cheapest<'a>(
        &self,
        models: impl IntoIterator<Item = &'a Model>,
        consumption: impl Into<Consumption>,
    ) -> Vec<(Usd, &'a Model)> {
        let suitable = models.into_iter().filter(|model| self.are_met_by(model));
        by_price(suitable.map(|model| (&model.pricing, model)), consumption.into())
    }

    /// Returns the endpoints of a model that meet the needs, like [`cheapest`](Self::cheapest).
    /// What the model accepts and produces is not compared: endpoints do not state it.
    #[cfg(feature = "endpoints")]
    #[must_use]
    pub fn cheapest_endpoints<'a>(
        &self,
        endpoints: impl IntoIterator<Item = &'a PublicEndpoint>,
        consumption: impl Into<Consumption>,
    ) -> Vec<(Usd, &'a PublicEndpoint)> {
        let suitable = endpoints.into_iter().filter(|endpoint| {
            self.parameters.iter().all(|parameter| endpoint.supported_parameters.contains(parameter))
                && self.context_length <= endpoint.context_length
                && endpoint.max_completion_tokens.is_none_or(|most| self.completion_tokens <= most)
        });
        by_price(suitable.map(|endpoint| (&endpoint.pricing, endpoint)), consumption.into())
    }
}

/// Sorts by cost. Anything without a fixed price is left out.
fn by_price<'a, T>(
    priced: impl Iterator<Item = (&'a PublicPricing, &'a T)>,
    consumption: Consumption,
) -> Vec<(Usd, &'a T)> {
    let mut costs: Vec<_> =
        priced.filter_map(|(pricing, value)| Some((pricing.cost(consumption).ok()?, value))).collect();
    costs.sort_by_key(|(cost, _)| *cost);
    costs
}

impl PublicPricing {
    /// Returns what a call costs, or would cost, by these prices now.
    ///
    /// Same as [`cost_at`](Self::cost_at) with the current time.
    ///
    /// ```
    /// # async fn estimate(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
    /// use openrouter_kit::helpers::Consumption;
    ///
    /// let models = client.models().list().await?;
    /// let model = models.data.iter().find(|model| model.id == "openai/gpt-4o-mini").ok_or("no such model")?;
    /// println!("about ${}", model.pricing.cost(Consumption::new(12_000, 800))?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PriceError`] if a price that is needed is not a fixed amount.
    pub fn cost(&self, consumption: impl Into<Consumption>) -> Result<Usd, PriceError> {
        self.cost_at(consumption, crate::core::time::now())
    }

    /// Returns what a call costs by these prices at a time: each unit at its own price, special
    /// rates ([`overrides`](Self::overrides)) and the discount included.
    ///
    /// Cached and audio tokens without a price of their own cost as much as other prompt tokens,
    /// and reasoning as much as other generated tokens. What OpenRouter charged for a call is in
    /// its response (`cost()`); this calculation is for estimates and comparisons.
    ///
    /// # Errors
    /// [`PriceError`] if a price that is needed is not a fixed amount.
    pub fn cost_at(&self, consumption: impl Into<Consumption>, time: SystemTime) -> Result<Usd, PriceError> {
        let used = consumption.into();
        let rates = Rates { pricing: self, prompt_tokens: used.prompt_tokens, time: UtcTime::from(time) };
        let apart = used.cache_read_tokens.saturating_add(used.cache_write_tokens).saturating_add(used.audio_tokens);
        let of_prompt = rates.find("prompt", Some(&self.prompt), |special| special.prompt.as_ref());
        let of_completion = rates.find("completion", Some(&self.completion), |special| special.completion.as_ref());
        let cache_read =
            rates.find("input_cache_read", self.input_cache_read.as_ref(), |special| special.input_cache_read.as_ref());
        let cache_write = rates
            .find("input_cache_write", self.input_cache_write.as_ref(), |special| special.input_cache_write.as_ref());
        let audio = rates.find("audio", self.audio.as_ref(), |special| special.audio.as_ref());
        let reasoning = rates.find("internal_reasoning", self.internal_reasoning.as_ref(), |_| None).unless_zero();
        let parts = [
            of_prompt.times(used.prompt_tokens.saturating_sub(apart)),
            cache_read.or(of_prompt).times(used.cache_read_tokens),
            cache_write.or(of_prompt).times(used.cache_write_tokens),
            audio.unless_zero().or(of_prompt).times(used.audio_tokens),
            of_completion.times(used.completion_tokens.saturating_sub(used.reasoning_tokens)),
            reasoning.or(of_completion).times(used.reasoning_tokens),
            rates.find("image", self.image.as_ref(), |_| None).times(used.images),
            rates.find("request", self.request.as_ref(), |_| None).times(1),
            rates.find("web_search", self.web_search.as_ref(), |_| None).times(used.web_searches),
        ];
        let total = parts.into_iter().sum::<Result<Usd, PriceError>>()?;
        Ok(discounted(total, self.discount))
    }
}

/// The price is multiplied by `1 - discount`.
fn discounted(total: Usd, discount: Option<f64>) -> Usd {
    let share = discount.and_then(|discount| Usd::from_f64(discount.clamp(0.0, 1.0))).unwrap_or(Usd::ZERO);
    total.less(share)
}

/// The prices that apply to one call.
struct Rates<'a> {
    pricing: &'a PublicPricing,
    prompt_tokens: u64,
    time: UtcTime,
}

/// One price, which may be missing.
#[derive(Clone, Copy)]
struct Rate<'a> {
    name: &'static str,
    text: Option<&'a String>,
}

impl<'a> Rates<'a> {
    /// Finds a price: the last special rate that applies, or the base price.
    fn find(
        &self,
        name: &'static str,
        base: Option<&'a String>,
        of: impl Fn(&'a PricingOverride) -> Option<&'a String>,
    ) -> Rate<'a> {
        let special =
            self.pricing.overrides.iter().flatten().rev().filter(|special| self.applies(special)).find_map(of);
        Rate { name, text: special.or(base) }
    }

    fn applies(&self, special: &PricingOverride) -> bool {
        let has_tokens = special.min_prompt_tokens.is_none_or(|least| self.prompt_tokens as f64 > least);
        let UtcTime { clock, weekday } = self.time;
        let is_in_window = match (special.utc_start, special.utc_end) {
            (Some(start), Some(end)) if start > end => clock >= start || clock < end,
            (start, end) => start.is_none_or(|start| clock >= start) && end.is_none_or(|end| clock < end),
        };
        let is_on_day = special.utc_days.as_ref().is_none_or(|days| days.iter().any(|day| day.as_str() == weekday));
        has_tokens && is_in_window && is_on_day
    }
}

impl Rate<'_> {
    fn or(self, other: Self) -> Self {
        if self.text.is_some() { self } else { other }
    }

    /// Zero means "not billed separately" here.
    fn unless_zero(self) -> Self {
        let is_zero = |text: &&String| text.parse() == Ok(Usd::ZERO);
        Self { text: self.text.filter(|text| !is_zero(text)), ..self }
    }

    fn times(self, units: u64) -> Result<Usd, PriceError> {
        match self.text {
            Some(text) if units > 0 => match text.parse::<Usd>() {
                Ok(price) if price >= Usd::ZERO => Ok(price * units),
                _ => Err(PriceError { name: self.name, value: text.clone() }),
            },
            _ => Ok(Usd::ZERO),
        }
    }
}

/// A moment in the form that special rates use: an HHMM clock number, and the day of the week.
#[derive(Clone, Copy)]
struct UtcTime {
    clock: f64,
    weekday: &'static str,
}

impl From<SystemTime> for UtcTime {
    fn from(time: SystemTime) -> Self {
        // The first day of the Unix epoch was a Thursday.
        const WEEKDAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
        let minutes = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
        let (days, minute) = (minutes / 1440, minutes % 1440);
        let weekday = WEEKDAYS.get((days % 7) as usize).copied().unwrap_or_default();
        Self { clock: (minute / 60 * 100 + minute % 60) as f64, weekday }
    }
}
