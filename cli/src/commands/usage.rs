//! `usage`: what was spent, by day, model or provider.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use openrouter_kit::models::{ActivityItem, AnalyticsGetUserActivityParams};

use crate::client::Context;
use crate::exit::Failure;
use crate::format::{date, parse_days, rounded};
use crate::output::{self, Column, Table};

#[derive(Args, Debug)]
pub(crate) struct UsageArgs {
    /// What to group by.
    #[arg(long, value_enum, default_value = "day")]
    by: Group,
    /// Only the most recent days, such as 7d; at most 30d.
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    since: Option<u64>,
    /// Only calls with the key of this hash, see `openrouter keys list`.
    #[arg(long, value_name = "HASH")]
    key: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Group {
    Day,
    Model,
    Provider,
    /// The key that was used (with a management key; one request for each).
    Key,
}

/// The sums of some rows.
#[derive(Default)]
struct Sums {
    requests: i64,
    prompt: i64,
    completion: i64,
    cost: f64,
}

impl Sums {
    fn add(&mut self, item: &ActivityItem) {
        self.requests += item.requests;
        self.prompt += item.prompt_tokens;
        self.completion += item.completion_tokens;
        self.cost += item.usage;
    }
}

pub(crate) async fn run(args: UsageArgs, context: Context) -> Result<(), Failure> {
    let first_day = args.since.map(date);
    let mut sums = BTreeMap::<String, Sums>::new();
    if let Group::Key = args.by {
        // Rows do not name their key, so that each key is asked for.
        let keys = context.client.api_keys().list().items().collect().await?;
        for key in keys.iter().filter(|key| args.key.as_ref().is_none_or(|hash| *hash == key.hash)) {
            let items = activity(Some(&key.hash), first_day.as_deref(), &context).await?;
            items.iter().for_each(|item| sums.entry(format!("{} {}", key.name, key.label)).or_default().add(item));
        }
    } else {
        let items = activity(args.key.as_deref(), first_day.as_deref(), &context).await?;
        if context.json {
            return output::json(&items);
        }
        for item in &items {
            let name = match args.by {
                Group::Model => &item.model,
                Group::Provider => &item.provider_name,
                Group::Day | Group::Key => &item.date,
            };
            sums.entry(name.clone()).or_default().add(item);
        }
    }
    print(args.by, sums, context.json)
}

async fn activity(key: Option<&str>, first_day: Option<&str>, context: &Context) -> Result<Vec<ActivityItem>, Failure> {
    let mut params = AnalyticsGetUserActivityParams::new();
    params.api_key_hash = key.map(str::to_owned);
    let mut items = context.client.analytics().get_user_activity().params(params).await?.data;
    items.retain(|item| first_day.is_none_or(|first| item.date.as_str() >= first));
    Ok(items)
}

fn print(by: Group, sums: BTreeMap<String, Sums>, json: bool) -> Result<(), Failure> {
    let mut rows: Vec<_> = sums.into_iter().collect();
    if !matches!(by, Group::Day) {
        rows.sort_by(|(_, one), (_, other)| other.cost.total_cmp(&one.cost));
    }
    if json {
        let value = |(name, sums): &(String, Sums)| {
            openrouter_kit::serde_json::json!({
                "name": name, "requests": sums.requests, "prompt_tokens": sums.prompt,
                "completion_tokens": sums.completion, "usage": sums.cost,
            })
        };
        return output::json(&rows.iter().map(value).collect::<Vec<_>>());
    }
    let title = match by {
        Group::Day => "DAY",
        Group::Model => "MODEL",
        Group::Provider => "PROVIDER",
        Group::Key => "KEY",
    };
    let mut table = Table::new([
        (title, Column::Text),
        ("REQUESTS", Column::Number),
        ("PROMPT", Column::Number),
        ("COMPLETION", Column::Number),
        ("COST", Column::Number),
    ]);
    let total: f64 = rows.iter().map(|(_, sums)| sums.cost).sum();
    for (name, sums) in rows {
        let Sums { requests, prompt, completion, cost } = sums;
        table.row([name, requests.to_string(), prompt.to_string(), completion.to_string(), rounded(cost)]);
    }
    table.print()?;
    output::hint(format_args!("{} in total", rounded(total)));
    Ok(())
}
