//! `models`: what there is, what it can do and what it costs.

use clap::{Args, Subcommand, ValueEnum};
use openrouter_kit::helpers::{Consumption, ModelId, ModelNeeds, Usd};
use openrouter_kit::models::{Model, ModelSort, ModelsListParams, PercentileStats, PublicEndpoint};

use crate::client::Context;
use crate::exit::Failure;
use crate::format::{parse_dollars, parse_tokens, per_million, tokens};
use crate::output::{self, Column, Table};
use crate::suggest;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the models that meet all conditions (the default action).
    List(Filter),
    /// List the models whose name or id has these words.
    Search {
        /// Words to look for.
        #[arg(required = true)]
        words: Vec<String>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Show one model.
    Show {
        /// Id of the model, such as openai/gpt-5.
        model: String,
    },
    /// List the providers of one model with their prices and speed.
    Endpoints {
        /// Id of the model, such as openai/gpt-5.
        model: String,
        /// Order of the list.
        #[arg(long, value_enum)]
        sort: Option<EndpointOrder>,
    },
    /// List the cheapest models for a kind of call, with what the call would cost.
    Cheapest {
        #[command(flatten)]
        filter: Filter,
        /// Tokens of the prompt.
        #[arg(long, value_name = "TOKENS", default_value = "1k", value_parser = parse_tokens)]
        prompt_tokens: i64,
        /// Tokens of the response.
        #[arg(long, value_name = "TOKENS", default_value = "1k", value_parser = parse_tokens)]
        completion_tokens: i64,
        /// Number of models to list.
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
        count: usize,
    },
}

/// Conditions on models.
#[derive(Args, Clone, Debug, Default)]
struct Filter {
    /// Only models that can call tools.
    #[arg(long)]
    tools: bool,
    /// Only models that accept images.
    #[arg(long)]
    vision: bool,
    /// Only models that accept this kind of input: text, image, file, audio or video.
    #[arg(long, value_name = "KIND")]
    input: Vec<String>,
    /// Only models that produce this kind of output: text, image, audio, embeddings and others.
    #[arg(long, value_name = "KIND")]
    output: Vec<String>,
    /// Only models that accept this parameter, such as structured_outputs or reasoning.
    #[arg(long, value_name = "NAME")]
    parameter: Vec<String>,
    /// Only models with at least this context length.
    #[arg(long, value_name = "TOKENS", value_parser = parse_tokens)]
    context: Option<i64>,
    /// Only models whose prompt costs at most this, in US dollars per million tokens.
    #[arg(long, value_name = "USD", value_parser = parse_dollars)]
    max_price: Option<Usd>,
    /// Only models that cost nothing.
    #[arg(long, conflicts_with = "max_price")]
    free: bool,
    /// Order of the list.
    #[arg(long, value_enum)]
    sort: Option<Order>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    Price,
    Throughput,
    Latency,
    Context,
    Newest,
    Popular,
    Intelligence,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EndpointOrder {
    Price,
    Throughput,
    Latency,
}

impl Filter {
    fn needs(&self) -> ModelNeeds {
        let mut needs = ModelNeeds::new().context_length(self.context.unwrap_or_default());
        for parameter in self.parameters() {
            needs = needs.parameter(parameter);
        }
        for kind in self.inputs() {
            needs = needs.input(kind);
        }
        for kind in &self.output {
            needs = needs.output(kind.as_str());
        }
        needs
    }

    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.tools.then_some("tools").into_iter().chain(self.parameter.iter().map(String::as_str))
    }

    fn inputs(&self) -> impl Iterator<Item = &str> {
        self.vision.then_some("image").into_iter().chain(self.input.iter().map(String::as_str))
    }

    /// The highest price of a token of the prompt.
    fn highest_price(&self) -> Option<Usd> {
        if self.free { Some(Usd::ZERO) } else { self.max_price }
    }

    fn params(&self, words: Option<String>) -> ModelsListParams {
        let mut params = ModelsListParams::new();
        let joined = |names: Vec<&str>| Some(names.join(",")).filter(|names| !names.is_empty());
        params.q = words;
        params.supported_parameters = joined(self.parameters().collect());
        params.input_modalities = joined(self.inputs().collect());
        params.output_modalities = joined(self.output.iter().map(String::as_str).collect());
        params.context = self.context;
        params.max_price = self.highest_price().map(Usd::as_f64);
        params.sort = self.sort.map(|order| match order {
            Order::Price => ModelSort::PricingLowToHigh,
            Order::Throughput => ModelSort::ThroughputHighToLow,
            Order::Latency => ModelSort::LatencyLowToHigh,
            Order::Context => ModelSort::ContextHighToLow,
            Order::Newest => ModelSort::Newest,
            Order::Popular => ModelSort::MostPopular,
            Order::Intelligence => ModelSort::IntelligenceHighToLow,
        });
        params
    }

    /// Whether a model meets what the server may not have looked at.
    fn accepts(&self, model: &Model) -> bool {
        let is_at_most = |price: &str, most: Usd| {
            price.parse::<Usd>().is_ok_and(|price| price >= Usd::ZERO && price.per_million() <= most)
        };
        let is_cheap = self.highest_price().is_none_or(|most| is_at_most(&model.pricing.prompt, most));
        let is_free = !self.free || is_at_most(&model.pricing.completion, Usd::ZERO);
        self.needs().are_met_by(model) && is_cheap && is_free
    }
}

pub(crate) async fn run(args: ModelsArgs, context: Context) -> Result<(), Failure> {
    match args.action {
        None => list(&args.filter, None, &context).await,
        Some(Action::List(filter)) => list(&filter, None, &context).await,
        Some(Action::Search { words, filter }) => list(&filter, Some(words.join(" ")), &context).await,
        Some(Action::Show { model }) => show(&model, &context).await,
        Some(Action::Endpoints { model, sort }) => endpoints(&model, sort, &context).await,
        Some(Action::Cheapest { filter, prompt_tokens, completion_tokens, count }) => {
            let count_of = |tokens| u64::try_from(tokens).unwrap_or_default();
            let consumption = Consumption::new(count_of(prompt_tokens), count_of(completion_tokens));
            cheapest(&filter, consumption, count, &context).await
        }
    }
}

async fn list(filter: &Filter, words: Option<String>, context: &Context) -> Result<(), Failure> {
    let mut models = context.client.models().list().params(filter.params(words)).await?;
    models.data.retain(|model| filter.accepts(model));
    if context.json {
        return output::json(&models);
    }
    let mut table = Table::new([
        ("MODEL", Column::Text),
        ("NAME", Column::Text),
        ("CONTEXT", Column::Number),
        ("$/M IN", Column::Number),
        ("$/M OUT", Column::Number),
    ]);
    for model in &models.data {
        table.row([
            model.id.clone(),
            model.name.clone(),
            model.context_length.map(tokens).unwrap_or_default(),
            per_million(&model.pricing.prompt),
            per_million(&model.pricing.completion),
        ]);
    }
    table.print()?;
    let count = models.data.len();
    output::hint(format_args!("{count} {}", if count == 1 { "model" } else { "models" }));
    Ok(())
}

/// Reads the id of a model. One without its author gets suggestions.
async fn read_id(model: &str, context: &Context) -> Result<ModelId, Failure> {
    if let Ok(id) = model.parse() {
        return Ok(id);
    }
    let models = context.client.models().list().await?.data;
    let similar = suggest::nearest(model, models.iter().map(|model| model.id.as_str())).join(", ");
    let similar = if similar.is_empty() { "openai/gpt-5".to_owned() } else { similar };
    Err(Failure::Usage(format!("{model:?} is not the id of a model; write one such as {similar}")))
}

async fn show(name: &str, context: &Context) -> Result<(), Failure> {
    let id = read_id(&context.config.model(name), context).await?;
    let response = context.client.models().get(id.author(), id.slug()).with_response().await?;
    if context.json {
        return output::body(&response.body);
    }
    let model = response.value.data;
    let names = |list: Vec<&str>| Some(list.join(", ")).filter(|list| !list.is_empty());
    let price = |price: &str| Some(per_million(price)).map(|price| format!("${price} per million tokens"));
    output::fields([
        ("id", Some(model.id)),
        ("name", Some(model.name)),
        ("context", model.context_length.map(tokens)),
        ("max output", model.top_provider.max_completion_tokens.map(tokens)),
        ("prompt", price(&model.pricing.prompt)),
        ("completion", price(&model.pricing.completion)),
        ("cache read", model.pricing.input_cache_read.as_deref().and_then(price)),
        ("input", names(model.architecture.input_modalities.iter().map(|kind| kind.as_str()).collect())),
        ("output", names(model.architecture.output_modalities.iter().map(|kind| kind.as_str()).collect())),
        ("parameters", names(model.supported_parameters.iter().map(|name| name.as_str()).collect())),
        ("knowledge", model.knowledge_cutoff),
        ("expires", model.expiration_date),
        ("description", model.description),
    ])
}

async fn endpoints(name: &str, order: Option<EndpointOrder>, context: &Context) -> Result<(), Failure> {
    let id = read_id(&context.config.model(name), context).await?;
    let mut response = context.client.endpoints().list(id.author(), id.slug()).await?;
    let found = &mut response.data.endpoints;
    let median = |stats: &Option<PercentileStats>| stats.as_ref().map(|stats| stats.p50);
    let price = |endpoint: &PublicEndpoint| endpoint.pricing.cost(Consumption::new(1_000, 1_000)).ok();
    match order {
        None => {}
        // What has no price or measurement comes last.
        Some(EndpointOrder::Price) => found.sort_by_key(|endpoint| (price(endpoint).is_none(), price(endpoint))),
        Some(EndpointOrder::Throughput) => found.sort_by(|one, other| {
            let speed = |endpoint: &PublicEndpoint| median(&endpoint.throughput_last_30m).unwrap_or(f64::MIN);
            speed(other).total_cmp(&speed(one))
        }),
        Some(EndpointOrder::Latency) => found.sort_by(|one, other| {
            let wait = |endpoint: &PublicEndpoint| median(&endpoint.latency_last_30m).unwrap_or(f64::MAX);
            wait(one).total_cmp(&wait(other))
        }),
    }
    if context.json {
        return output::json(&response);
    }
    let mut table = Table::new([
        ("PROVIDER", Column::Text),
        ("TAG", Column::Text),
        ("CONTEXT", Column::Number),
        ("$/M IN", Column::Number),
        ("$/M OUT", Column::Number),
        ("TOKENS/S", Column::Number),
        ("LATENCY", Column::Number),
        ("UPTIME", Column::Number),
    ]);
    for endpoint in &response.data.endpoints {
        table.row([
            endpoint.provider_name.to_string(),
            endpoint.tag.clone(),
            tokens(endpoint.context_length),
            per_million(&endpoint.pricing.prompt),
            per_million(&endpoint.pricing.completion),
            median(&endpoint.throughput_last_30m).map(|speed| format!("{speed:.0}")).unwrap_or_default(),
            median(&endpoint.latency_last_30m).map(|wait| format!("{wait:.0} ms")).unwrap_or_default(),
            endpoint.uptime_last_1d.map(|share| format!("{share:.1}%")).unwrap_or_default(),
        ]);
    }
    table.print()
}

async fn cheapest(filter: &Filter, consumption: Consumption, count: usize, context: &Context) -> Result<(), Failure> {
    let mut models = context.client.models().list().params(filter.params(None)).await?.data;
    models.retain(|model| filter.accepts(model));
    let needs = filter.needs().completion_tokens(i64::try_from(consumption.completion_tokens).unwrap_or(i64::MAX));
    let mut found = needs.cheapest(&models, consumption);
    found.truncate(count);
    if context.json {
        return output::json(&found.iter().map(|(_, model)| model).collect::<Vec<_>>());
    }
    let mut table = Table::new([
        ("COST", Column::Number),
        ("MODEL", Column::Text),
        ("CONTEXT", Column::Number),
        ("$/M IN", Column::Number),
        ("$/M OUT", Column::Number),
    ]);
    for (cost, model) in found {
        table.row([
            format!("${cost}"),
            model.id.clone(),
            model.context_length.map(tokens).unwrap_or_default(),
            per_million(&model.pricing.prompt),
            per_million(&model.pricing.completion),
        ]);
    }
    table.print()
}
