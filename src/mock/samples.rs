//! Responses made of the generator's samples and of what the request says.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::operation::{Operation, query};
use super::random::{Random, hash};
use super::{Answer, Event, RecordedRequest};
use crate::core::base64;

/// How many items lists have.
const ITEMS: usize = 5;

/// Dimensions of an embedding, unless the request says how many.
const DIMENSIONS: u64 = 16;

/// A request to an operation.
pub(super) struct Asked<'a> {
    pub(super) operation: &'a Operation,
    pub(super) parameters: &'a [(&'a str, String)],
    pub(super) request: &'a RecordedRequest,
    /// The body if it is JSON.
    pub(super) body: &'a Value,
    pub(super) random: Random,
    pub(super) pause: Duration,
}

impl Asked<'_> {
    pub(super) fn answer(&self) -> Answer {
        let status =
            self.operation.fact("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let status = status.unwrap_or(200);
        if let Some(media_type) = self.operation.fact("file").and_then(Value::as_str) {
            let (media_type, bytes) = self.file(media_type);
            return Answer::bytes(status, bytes).header("content-type", media_type);
        }
        let Some(sample) = self.operation.fact("sample") else { return Answer::status(status) };
        let events = self.operation.fact("events").and_then(Value::as_array).filter(|events| !events.is_empty());
        if let Some(events) = events.filter(|_| self.body.get("stream") == Some(&Value::Bool(true))) {
            return Answer::stream(events.iter().map(|event| Event::data(event).after(self.pause)));
        }
        let mut response = sample.clone();
        self.identify(&mut response);
        self.echo(&mut response);
        match &*self.operation.path {
            "/embeddings" => self.embed(&mut response),
            "/rerank" => self.rerank(&mut response),
            "/images" => self.images(&mut response),
            "/models/count" => set(&mut response, "/data/count", json!(ITEMS)),
            _ => {}
        }
        if let Err(message) = self.page(&mut response) {
            return Answer::error(400, &message);
        }
        Answer::json(status, response)
    }

    /// Puts in the identifiers that the request names, and others for what it creates.
    fn identify(&self, response: &mut Value) {
        let mut names: Vec<(&str, String)> =
            self.parameters.iter().map(|(name, value)| (*name, value.clone())).collect();
        // A model has one identifier of two segments.
        if let [("author", author), ("slug", slug)] = names.as_slice() {
            names = vec![("id", format!("{author}/{slug}"))];
        }
        names.extend(self.operation.texts("query").filter_map(|name| Some((name, query(self.request, name)?))));
        let last = names.len().saturating_sub(1);
        for (at, (name, value)) in names.iter().enumerate() {
            // The `id` of a file is called `file_id` in a path.
            let is_id = at == last && (name.ends_with("_id") || name.ends_with("Id"));
            let place = [*name, "id"].into_iter().take(if is_id { 2 } else { 1 }).find_map(|name| {
                let place = ["/data/", "/"].map(|start| format!("{start}{name}"));
                place.into_iter().find(|place| response.pointer(place).is_some())
            });
            let Some(place) = place else { continue };
            match response.pointer(&place) {
                Some(Value::String(old)) => replace(response, &old.clone(), value),
                Some(Value::Number(_)) => {
                    if let Ok(number) = value.parse::<u64>() {
                        set(response, &place, json!(number));
                    }
                }
                _ => {}
            }
        }
        if self.request.method == "POST" && names.is_empty() {
            for place in ["/data/id", "/data/hash", "/id"] {
                if let Some(old) = response.pointer(place).and_then(Value::as_str).map(str::to_owned) {
                    replace(response, &old, &varied(&old, self.random.value(0)));
                }
            }
        }
    }

    /// Puts in what the body says about the members of the response.
    fn echo(&self, response: &mut Value) {
        for name in self.operation.texts("echo") {
            let Some(value) = self.body.get(name) else { continue };
            let start = if response.get("data").is_some_and(Value::is_object) { "/data" } else { "" };
            if let Some(object) = response.pointer_mut(start).and_then(Value::as_object_mut) {
                object.insert(name.to_owned(), value.clone());
            }
        }
    }

    /// Fills a list that has pages, and cuts out the page that was asked for.
    fn page(&self, response: &mut Value) -> Result<(), String> {
        let Some(page) = self.operation.fact("page") else { return Ok(()) };
        let Some(samples) = response.get("data").and_then(Value::as_array).cloned() else { return Ok(()) };
        let mut items: Vec<Value> = samples.iter().cycle().take(ITEMS).cloned().collect();
        for (number, item) in items.iter_mut().enumerate().skip(samples.len()) {
            for name in ["id", "hash", "slug", "canonical_slug", "name"] {
                if let Some(Value::String(text)) = item.get_mut(name) {
                    *text = match name {
                        "name" => format!("{text} {}", number + 1),
                        _ => varied(text, Random::new(number as u64).value(hash(text.as_bytes()))),
                    };
                }
            }
        }
        let id = |item: &Value| item.get("id").and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| match query(self.request, name) {
            Some(text) => {
                text.parse::<usize>().map(Some).map_err(|_| format!("The parameter `{name}` must be a number"))
            }
            None => Ok(None),
        };
        let usual = page.get("limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
        let limit = number("limit")?.or(usual).unwrap_or(ITEMS).max(1);
        let cursor = ["cursor", "after", "after_id"].iter().find_map(|name| query(self.request, name));
        let start = match cursor {
            _ if page.get("by").and_then(Value::as_str) == Some("offset") => number("offset")?.unwrap_or_default(),
            Some(cursor) => items.iter().position(|item| id(item).as_ref() == Some(&cursor)).map_or(ITEMS, |at| at + 1),
            None => 0,
        };
        let shown: Vec<Value> = items.into_iter().skip(start).take(limit).collect();
        let has_more = start.saturating_add(limit) < ITEMS;
        let last = shown.last().and_then(id);
        let links = format!("{}?offset={}&limit={limit}", self.request.path, start.saturating_add(limit));
        set(response, "/cursor", json!(last.as_ref().filter(|_| has_more)));
        set(response, "/first_id", json!(shown.first().and_then(id)));
        set(response, "/last_id", json!(last));
        set(response, "/has_more", json!(has_more));
        set(response, "/total_count", json!(ITEMS));
        set(response, "/links/next", json!(has_more.then_some(links)));
        set(response, "/data", Value::Array(shown));
        Ok(())
    }

    fn embed(&self, response: &mut Value) {
        let inputs = match self.body.get("input") {
            Some(Value::Array(items)) if items.first().is_some_and(Value::is_number) => vec![json!(items)],
            Some(Value::Array(items)) => items.clone(),
            other => other.cloned().into_iter().collect(),
        };
        let dimensions = self.body.get("dimensions").and_then(Value::as_u64).unwrap_or(DIMENSIONS).clamp(1, 4096);
        let is_base64 = self.body.get("encoding_format").and_then(Value::as_str) == Some("base64");
        let data = inputs.iter().enumerate().map(|(index, input)| {
            let random = Random::new(hash(input.to_string().as_bytes()));
            let number = |at| (random.value(at) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0;
            let vector: Vec<f32> = (0..dimensions).map(number).collect();
            let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            let vector = vector.into_iter().map(|number| number / length);
            let embedding = match is_base64 {
                true => json!(base64::encode(&vector.flat_map(f32::to_le_bytes).collect::<Vec<_>>())),
                false => json!(vector.collect::<Vec<_>>()),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        });
        set(response, "/data", data.collect());
    }

    /// Documents are as relevant as they share words with the query.
    fn rerank(&self, response: &mut Value) {
        let text =
            |value: &Value| value.as_str().or_else(|| value.get("text")?.as_str()).unwrap_or_default().to_owned();
        let words =
            |text: &str| -> BTreeSet<String> { text.to_lowercase().split_whitespace().map(str::to_owned).collect() };
        let asked = words(&self.body.get("query").map(text).unwrap_or_default());
        let documents = self.body.get("documents").and_then(Value::as_array).into_iter().flatten();
        let mut results: Vec<_> = documents
            .enumerate()
            .map(|(index, document)| {
                let own = text(document);
                let shared = words(&own).intersection(&asked).count() as f64;
                (index, own, (shared + 0.5) / (asked.len() as f64 + 1.0))
            })
            .collect();
        results.sort_by(|one, other| other.2.total_cmp(&one.2));
        let count = self.body.get("top_n").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        let results = results.into_iter().take(count.unwrap_or(usize::MAX));
        let results = results
            .map(|(index, text, score)| json!({"index": index, "relevance_score": score, "document": {"text": text}}));
        set(response, "/results", results.collect());
    }

    fn images(&self, response: &mut Value) {
        let count = self.body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, 10) as usize;
        if let Some(image) = response.pointer("/data/0").cloned() {
            set(response, "/data", Value::Array(vec![image; count]));
        }
    }

    /// A small valid file of this type.
    fn file(&self, media_type: &str) -> (&'static str, Vec<u8>) {
        let format = self.body.get("response_format").and_then(Value::as_str);
        match (media_type, format) {
            ("video/mp4", _) => ("video/mp4", mp4()),
            ("audio/*", Some("mp3")) => ("audio/mpeg", mp3()),
            ("audio/*", Some("wav")) => ("audio/wav", wav()),
            ("audio/*", _) => ("audio/pcm", vec![0; SAMPLES * 2]),
            _ => ("application/octet-stream", b"A file of the local server\n".to_vec()),
        }
    }
}

/// Samples of silence: a tenth of a second.
const SAMPLES: usize = 2400;

/// Ten frames of silence: MPEG-1 layer III, 32 kbit/s, 44.1 kHz, mono.
fn mp3() -> Vec<u8> {
    let mut frame = vec![0xFF, 0xFB, 0x10, 0xC4];
    frame.resize(104, 0);
    frame.repeat(10)
}

/// 24 kHz, mono, 16 bits.
fn wav() -> Vec<u8> {
    let length = (SAMPLES * 2) as u32;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(24_000_u32.to_le_bytes());
    file.extend(48_000_u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(length.to_le_bytes());
    file.resize(44 + SAMPLES * 2, 0);
    file
}

/// A video without tracks.
fn mp4() -> Vec<u8> {
    let mut header = vec![0; 100];
    // Time scale, rate, volume, the unit matrix and the next track (ISO/IEC 14496-12, 8.2.2).
    let fields = [(12, 1000_u32), (20, 1 << 16), (24, 1 << 24), (36, 1 << 16), (52, 1 << 16), (68, 1 << 30), (96, 1)];
    for (at, value) in fields {
        header.splice(at..at + 4, value.to_be_bytes());
    }
    let atom = |name: &[u8], content: &[u8]| {
        let mut atom = (content.len() as u32 + 8).to_be_bytes().to_vec();
        atom.extend_from_slice(name);
        atom.extend_from_slice(content);
        atom
    };
    [atom(b"ftyp", b"isom\0\0\x02\0isomiso2mp41"), atom(b"moov", &atom(b"mvhd", &header))].concat()
}

/// Another identifier of the same form.
fn varied(id: &str, number: u64) -> String {
    let end = id.chars().rev().take_while(char::is_ascii_alphanumeric).take(8).count();
    if end < 4 {
        return format!("{id}-{}", number % 1000);
    }
    let kept = id.chars().count() - end;
    let digits = format!("{number:016x}");
    id.chars().take(kept).chain(digits.chars().take(end)).collect()
}

fn set(response: &mut Value, place: &str, value: Value) {
    if let Some(own) = response.pointer_mut(place) {
        *own = value;
    }
}

/// Replaces an identifier wherever the response has it. A short one may be a part of anything.
fn replace(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text == old || old.len() > 5 && text.contains(old) => *text = text.replace(old, new),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, old, new)),
        Value::Object(members) => members.values_mut().for_each(|item| replace(item, old, new)),
        _ => {}
    }
}
