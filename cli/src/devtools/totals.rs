//! Sums over calls: in total, by model, and by day.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use openrouter_kit::helpers::Usd;
use serde::Serialize;

use super::index::Call;
use super::time;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Sum {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost: Usd,
    /// In milliseconds, without the calls that have not ended.
    pub(crate) elapsed: f64,
    pub(crate) retrying: f64,
}

impl Sum {
    fn add(&mut self, call: &Call) {
        self.calls += 1;
        self.failed += u64::from(call.is_error());
        // A recording may contain any number.
        self.input_tokens = self.input_tokens.saturating_add(call.input_tokens.unwrap_or_default());
        self.output_tokens = self.output_tokens.saturating_add(call.output_tokens.unwrap_or_default());
        self.cost += call.cost.unwrap_or_default();
        self.elapsed += call.elapsed.unwrap_or_default();
        self.retrying += call.retrying;
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) sum: Sum,
}

#[derive(Debug, Serialize)]
pub(crate) struct Totals {
    pub(crate) all: Sum,
    /// The most expensive first.
    pub(crate) models: Vec<Row>,
    /// In order, in UTC.
    pub(crate) days: Vec<Row>,
}

pub(crate) fn totals(calls: &[&Call]) -> Totals {
    let (mut all, mut models, mut days) = (Sum::default(), BTreeMap::<&str, Sum>::new(), BTreeMap::<i64, Sum>::new());
    for call in calls {
        all.add(call);
        models.entry(&call.model).or_default().add(call);
        days.entry((call.at / 86_400_000.0).floor() as i64).or_default().add(call);
    }
    let mut models: Vec<_> = models.into_iter().map(|(name, sum)| Row { name: name.to_owned(), sum }).collect();
    models.sort_by_key(|row| Reverse((row.sum.cost, row.sum.calls)));
    let days = days.into_iter().map(|(day, sum)| Row { name: time::day(day as f64 * 86_400_000.0), sum }).collect();
    Totals { all, models, days }
}
