//! What a response reports about itself, found by the names of its fields: its type is not known
//! here.

use std::collections::{BTreeMap, VecDeque};

use super::observer::CallUsage;
use crate::core::usd::Usd;
use crate::core::wire::Reader;

/// How many events at the end of a stream are read. They have the usage and the finish reasons;
/// reading all events would cost as much as decoding them.
const LAST: usize = 8;

/// Longer events are not kept: they have content.
const LONGEST_EVENT: usize = 1024 * 1024;

/// What has been found so far. Later values of a stream replace earlier ones, field by field.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    /// By the index of the choice.
    pub(super) finish_reasons: BTreeMap<u64, String>,
    usage: Tokens,
    has_usage: bool,
    /// The data of the last events.
    last: VecDeque<String>,
}

/// The fields of a usage object, by the names that the protocols use.
#[derive(Debug, Default)]
struct Tokens {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
    /// The cached tokens are not part of the input, as in the Messages protocol.
    is_cache_apart: bool,
    cost: Option<Usd>,
}

impl Report {
    /// Takes the data of an event. The first one names the model.
    pub(super) fn event(&mut self, data: &str, is_first: bool) {
        if is_first {
            self.value(data, true);
        }
        if data.len() > LONGEST_EVENT {
            return;
        }
        let mut kept = if self.last.len() < LAST { String::new() } else { self.last.pop_front().unwrap_or_default() };
        kept.clear();
        kept.push_str(data);
        self.last.push_back(kept);
    }

    /// Reads the last events, and returns the data of one of them for which `is_wanted`.
    pub(super) fn read_last(&mut self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut wanted = None;
        for data in std::mem::take(&mut self.last) {
            self.value(&data, true);
            if wanted.is_none() && is_wanted(&data) {
                wanted = Some(data);
            }
        }
        wanted
    }

    /// Reads a whole response, or an object in an event that is one (`response`, `message`).
    pub(super) fn value(&mut self, json: &str, is_outer: bool) {
        let mut id = None;
        let mut status = None;
        let mut is_response = false;
        // A value that is not an object reports nothing; if an object is cut off, the fields before
        // that count.
        let _ = Reader::new(json).object(&mut |key, reader| {
            let value = reader.raw()?;
            match &*key {
                "id" => id = string(value),
                "model" => replace(&mut self.model, string(value)),
                "provider" => replace(&mut self.provider, string(value)),
                "object" => is_response = value == "\"response\"",
                "status" => status = string(value),
                "stop_reason" => self.stopped(0, string(value)),
                "usage" if value.starts_with('{') => {
                    self.has_usage = true;
                    self.usage.read(value);
                }
                "choices" => self.choices(value),
                "incomplete_details" => self.stopped(0, member(value, "reason").and_then(string)),
                "delta" if is_outer => self.stopped(0, member(value, "stop_reason").and_then(string)),
                "response" | "message" if is_outer && value.starts_with('{') => self.value(value, false),
                _ => {}
            }
            Ok(())
        });
        // Other resources have ids too.
        let is_generation = self.has_usage || self.model.is_some();
        replace(&mut self.id, id.filter(|_| is_generation));
        if is_response && self.finish_reasons.is_empty() {
            let is_over = |status: &String| !matches!(&**status, "in_progress" | "queued");
            self.stopped(0, status.filter(is_over));
        }
    }

    fn choices(&mut self, choices: &str) {
        let _ = Reader::new(choices).array(|position, reader| {
            let choice = reader.raw()?;
            let index = member(choice, "index").and_then(number).unwrap_or(position as u64);
            self.stopped(index, member(choice, "finish_reason").and_then(string));
            Ok(())
        });
    }

    fn stopped(&mut self, index: u64, reason: Option<String>) {
        self.finish_reasons.extend(reason.map(|reason| (index, reason)));
    }

    pub(super) fn usage(&self) -> CallUsage {
        let Tokens { input, output, cache_read, cache_write, reasoning, is_cache_apart, cost } = self.usage;
        let apart = if is_cache_apart { cache_read.unwrap_or_default() + cache_write.unwrap_or_default() } else { 0 };
        CallUsage {
            input_tokens: input.map(|input| input.saturating_add(apart)),
            output_tokens: output,
            cache_read_tokens: cache_read,
            cache_write_tokens: cache_write,
            reasoning_tokens: reasoning,
            cost,
        }
    }
}

impl Tokens {
    fn read(&mut self, usage: &str) {
        let _ = Reader::new(usage).object(&mut |key, reader| {
            let value = reader.raw()?;
            match &*key {
                "prompt_tokens" | "input_tokens" => replace(&mut self.input, number(value)),
                "completion_tokens" | "output_tokens" => replace(&mut self.output, number(value)),
                "cache_read_input_tokens" => {
                    self.is_cache_apart = true;
                    replace(&mut self.cache_read, number(value));
                }
                "cache_creation_input_tokens" => {
                    self.is_cache_apart = true;
                    replace(&mut self.cache_write, number(value));
                }
                "prompt_tokens_details" | "input_tokens_details" => {
                    replace(&mut self.cache_read, member(value, "cached_tokens").and_then(number));
                    replace(&mut self.cache_write, member(value, "cache_write_tokens").and_then(number));
                }
                "completion_tokens_details" | "output_tokens_details" => {
                    replace(&mut self.reasoning, member(value, "reasoning_tokens").and_then(number));
                }
                "cost" => replace(&mut self.cost, value.trim_matches('"').parse().ok()),
                _ => {}
            }
            Ok(())
        });
    }
}

fn replace<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    Reader::new(object).find(name).ok().flatten()
}

/// Longer names are not names of models.
fn string(json: &str) -> Option<String> {
    const LONGEST: usize = 512;
    if json.len() > LONGEST || !json.starts_with('"') {
        return None;
    }
    Reader::new(json).string().ok().map(|text| text.into_owned()).filter(|text| !text.is_empty())
}

fn number(json: &str) -> Option<u64> {
    json.parse().ok().or_else(|| json.parse::<f64>().ok().filter(|number| *number >= 0.0).map(|number| number as u64))
}
