//! The index of recorded calls: everything but their content, in memory, extended as files grow.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openrouter_kit::devtools::VERSION;
use openrouter_kit::helpers::Usd;
use serde::Serialize;

use super::json::Raw;
use super::lines::{Line, Lines};
use super::{messages, time};

/// Only this much of a line is read. Recorders store bodies above 256 KiB elsewhere.
const LONGEST_LINE: usize = 2 * 1024 * 1024;

/// How many characters of a prompt and of a response are kept for lists and filters.
const PREVIEW: usize = 200;

/// How many names are shared between calls: a recording usually has a few models and operations.
const MOST_NAMES: usize = 10_000;

/// An index of the recordings in a directory, or of a single one.
pub(crate) struct Index {
    path: PathBuf,
    pub(crate) recordings: Vec<Recording>,
    pub(crate) runs: Vec<Run>,
    /// In the order of their first lines in the files.
    pub(crate) calls: Vec<Call>,
    numbers: HashMap<(u32, u64), u32>,
    names: Names,
    /// Increases with every change.
    pub(crate) version: u64,
}

/// A file.
pub(crate) struct Recording {
    pub(crate) path: PathBuf,
    /// Its length when it was last read.
    length: u64,
    /// Where the next line begins. Behind it may be the beginning of a line.
    next: u64,
    run: Option<u32>,
    /// Why it cannot be read.
    problem: Option<String>,
    /// The number of lines that are not of the format.
    unreadable: u64,
}

/// What one recorder wrote, in one file or several.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) started: f64,
    pub(crate) pid: u64,
    pub(crate) cwd: String,
    pub(crate) branch: Option<String>,
    #[serde(rename = "crate")]
    pub(crate) version: String,
    pub(crate) content: String,
    /// The number of messages that did not fit into the queue of the recorder.
    pub(crate) dropped: u64,
    calls: u64,
    /// The file name without the number of the part.
    #[serde(skip)]
    stem: String,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Completed,
    Failed,
    Dropped,
    /// It is still running, or its process was killed.
    Unfinished,
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Unfinished => "unfinished",
        }
    }
}

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) file: u32,
    pub(crate) offset: u64,
}

/// A call with all its attempts. Times are in milliseconds, from the start of its first attempt unless stated
/// otherwise.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) run: u32,
    /// The number of the call in its process.
    pub(crate) number: u64,
    /// Where its first line begins.
    pub(crate) first: Position,
    /// Where its last line that has been read ends.
    pub(crate) last: Position,
    /// Since 1970.
    pub(crate) at: f64,
    pub(crate) operation: Arc<str>,
    pub(crate) path: Arc<str>,
    /// The model that responded or, until then, the one requested.
    pub(crate) model: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) finish: Arc<str>,
    pub(crate) is_stream: bool,
    pub(crate) has_tools: bool,
    pub(crate) outcome: Outcome,
    pub(crate) attempts: u32,
    pub(crate) status: u16,
    pub(crate) elapsed: Option<f64>,
    pub(crate) to_head: Option<f64>,
    pub(crate) to_first: Option<f64>,
    /// The time from the first attempt to the last: failed attempts and the waits after them.
    pub(crate) retrying: f64,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) cache_read_tokens: Option<u64>,
    pub(crate) cache_write_tokens: Option<u64>,
    pub(crate) reasoning_tokens: Option<u64>,
    pub(crate) cost: Option<Usd>,
    pub(crate) generation: Box<str>,
    /// The beginnings of the last message sent and of the response.
    pub(crate) prompt: Box<str>,
    pub(crate) response: Box<str>,
    pub(crate) error: Box<str>,
}

/// A call as lists show it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) id: String,
    run: &'a str,
    at: f64,
    operation: &'a str,
    path: &'a str,
    model: &'a str,
    provider: &'a str,
    outcome: Outcome,
    status: u16,
    attempts: u32,
    stream: bool,
    tools: bool,
    elapsed: Option<f64>,
    time_to_head: Option<f64>,
    time_to_first_event: Option<f64>,
    retrying: f64,
    events: u64,
    bytes_received: u64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    cost: Option<Usd>,
    finish_reasons: &'a str,
    generation_id: &'a str,
    prompt: &'a str,
    response: &'a str,
    error: &'a str,
}

/// Strings that many calls share.
#[derive(Default)]
struct Names(HashMap<Box<str>, Arc<str>>);

impl Names {
    fn get(&mut self, name: &str) -> Arc<str> {
        let name: String = name.chars().take(PREVIEW).collect();
        if let Some(known) = self.0.get(&*name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.as_str().into();
        if self.0.len() < MOST_NAMES {
            self.0.insert(name.into(), Arc::clone(&new));
        }
        new
    }
}

impl Index {
    /// Creates an empty index; [`update`](Self::update) reads the recordings at this path.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            recordings: Vec::new(),
            runs: Vec::new(),
            calls: Vec::new(),
            numbers: HashMap::new(),
            names: Names::default(),
            version: 0,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what was written since the last update, and returns whether anything changed.
    ///
    /// # Errors
    /// If the directory exists but cannot be listed. Files that cannot be read are [problems](Self::problems).
    pub(crate) fn update(&mut self) -> io::Result<bool> {
        let found = self.find()?;
        let length = |path: &Path| found.iter().find(|(known, _)| known == path).map(|(_, length)| *length);
        let is_gone = |known: &Recording| length(&known.path).is_none_or(|length| length < known.length);
        let version = self.version;
        if self.recordings.iter().any(is_gone) {
            // The recorder deletes its oldest files, but rarely: the rest is simply read again.
            *self = Self { version: version + 1, ..Self::new(std::mem::take(&mut self.path)) };
        }
        for (path, length) in found {
            let file = match self.recordings.iter().position(|known| known.path == path) {
                Some(file) => file,
                None => {
                    self.recordings.push(Recording {
                        path,
                        length: 0,
                        next: 0,
                        run: None,
                        problem: None,
                        unreadable: 0,
                    });
                    self.version += 1;
                    self.recordings.len() - 1
                }
            };
            if self.recordings.get(file).is_none_or(|known| known.length == length) {
                continue;
            }
            let read = self.read(file);
            if let Some(known) = self.recordings.get_mut(file) {
                known.length = length;
                known.problem = read.err().map(|error| error.to_string()).or(known.problem.take());
            }
        }
        Ok(self.version != version)
    }

    /// Lists the files with their lengths, oldest first. Symbolic links are skipped, since they may lead anywhere.
    fn find(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let paths = if self.path.is_file() {
            vec![self.path.clone()]
        } else {
            match fs::read_dir(&self.path) {
                Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            }
        };
        let mut found = Vec::new();
        for path in paths {
            let is_recording = path == self.path || path.extension().is_some_and(|extension| extension == "jsonl");
            if let Ok(metadata) = fs::symlink_metadata(&path)
                && is_recording
                && (metadata.is_file() || path == self.path)
            {
                found.push((path, metadata.len()));
            }
        }
        found.sort_by_cached_key(|(path, _)| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            match stem.rsplit_once('-').and_then(|(start, part)| Some((start.to_owned(), part.parse::<u64>().ok()?))) {
                Some((start, part)) => (start, part),
                None => (stem, 0),
            }
        });
        Ok(found)
    }

    fn read(&mut self, file: usize) -> io::Result<()> {
        let Some(known) = self.recordings.get(file).filter(|known| known.problem.is_none()) else { return Ok(()) };
        let mut lines = Lines::new(File::open(&known.path)?, known.next, LONGEST_LINE)?;
        while let Some(line) = lines.next()? {
            let is_readable = self.line(file, &line);
            if let Some(known) = self.recordings.get_mut(file) {
                known.next = line.end();
                known.unreadable += u64::from(!is_readable);
                if known.problem.is_some() {
                    return Ok(());
                }
            }
            self.version += 1;
        }
        Ok(())
    }

    /// Adds a line; `false` if it is not of the format. Unknown kinds of lines are skipped.
    fn line(&mut self, file: usize, line: &Line<'_>) -> bool {
        let fields = Fields::of(line.head);
        let Some(kind) = fields.get("kind").and_then(Raw::string) else { return false };
        if kind == "file" {
            self.file_line(file, &fields);
            return true;
        }
        let Some(run) = self.recordings.get(file).and_then(|known| known.run) else { return false };
        if kind == "dropped" {
            if let Some(run) = self.runs.get_mut(run as usize) {
                run.dropped = run.dropped.saturating_add(fields.count("messages").unwrap_or_default());
            }
            return true;
        }
        let Some(number) = fields.count("call") else { return false };
        let begins = Position { file: u32::try_from(file).unwrap_or(u32::MAX), offset: line.offset };
        let at =
            self.runs.get(run as usize).map_or(0.0, |run| run.started) + fields.milliseconds("at").unwrap_or_default();
        let new = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let index = *self.numbers.entry((run, number)).or_insert(new);
        if index == new {
            self.calls.push(Call::new((run, number), begins, at, self.names.get("")));
            self.runs.get_mut(run as usize).into_iter().for_each(|run| run.calls += 1);
        }
        if let Some(call) = self.calls.get_mut(index as usize) {
            call.last = Position { offset: line.end(), ..begins };
            call.line(&kind, &fields, at, &mut self.names);
        }
        true
    }

    /// Reads the first line of a file, which identifies the recorder.
    fn file_line(&mut self, file: usize, fields: &Fields<'_>) {
        let Some(recording) = self.recordings.get_mut(file) else { return };
        let version = fields.count("version");
        if version != Some(u64::from(VERSION)) {
            let version = version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
            recording.problem = Some(format!("version {version} of the format; this program reads {VERSION}"));
            return;
        }
        let name = recording.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let part = format!("-{}", fields.count("part").unwrap_or_default());
        let stem = name.strip_suffix(&part).unwrap_or(&name).to_owned();
        let (started, pid) = (fields.text("started"), fields.count("pid").unwrap_or_default());
        let started = time::parse(&started).unwrap_or_default();
        let known = self.runs.iter().position(|run| run.stem == stem && run.started == started && run.pid == pid);
        let run = known.unwrap_or_else(|| {
            // Recorders begin file names with the time, which would make ids long.
            let short = stem.split_once("Z-").map_or(&*stem, |(_, rest)| rest);
            let is_taken = self.runs.iter().any(|run| run.id == short);
            self.runs.push(Run {
                id: if is_taken { stem.clone() } else { short.to_owned() },
                started,
                pid,
                cwd: fields.text("cwd"),
                branch: fields.get("branch").and_then(Raw::string),
                version: fields.text("crate"),
                content: fields.text("content"),
                dropped: 0,
                calls: 0,
                stem,
            });
            self.runs.len() - 1
        });
        recording.run = u32::try_from(run).ok();
    }

    /// Describes what cannot be read or was not recorded.
    pub(crate) fn problems(&self) -> Vec<String> {
        let of_file = |recording: &Recording| {
            let name = recording.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let lines = || format!("{name}: {} lines are not readable", recording.unreadable);
            let problem = recording.problem.as_ref().map(|problem| format!("{name}: {problem}"));
            problem.or_else(|| (recording.unreadable > 0).then(lines))
        };
        let files = self.recordings.iter().filter_map(of_file);
        let dropped = self.runs.iter().filter(|run| run.dropped > 0);
        files.chain(dropped.map(|run| format!("{}: {} messages were not recorded", run.id, run.dropped))).collect()
    }

    pub(crate) fn run_of(&self, call: &Call) -> Option<&Run> {
        self.runs.get(call.run as usize)
    }

    pub(crate) fn id(&self, call: &Call) -> String {
        format!("{}-{}", self.run_of(call).map_or("", |run| &run.id), call.number)
    }

    /// Finds a call by its id, by the id of its generation, or as `last`.
    pub(crate) fn find_call(&self, id: &str) -> Option<&Call> {
        if id == "last" {
            return self.calls.iter().max_by(|one, other| one.at.total_cmp(&other.at));
        }
        let by_id = || {
            let (run, number) = id.rsplit_once('-')?;
            let run = self.runs.iter().position(|known| known.id == run)?;
            let index = self.numbers.get(&(u32::try_from(run).ok()?, number.parse().ok()?))?;
            self.calls.get(*index as usize)
        };
        by_id().or_else(|| self.calls.iter().find(|call| !id.is_empty() && *call.generation == *id))
    }

    pub(crate) fn summary<'a>(&'a self, call: &'a Call) -> Summary<'a> {
        Summary {
            id: self.id(call),
            run: self.run_of(call).map_or("", |run| &run.id),
            at: call.at,
            operation: &call.operation,
            path: &call.path,
            model: &call.model,
            provider: &call.provider,
            outcome: call.outcome,
            status: call.status,
            attempts: call.attempts,
            stream: call.is_stream,
            tools: call.has_tools,
            elapsed: call.elapsed,
            time_to_head: call.to_head,
            time_to_first_event: call.to_first,
            retrying: call.retrying,
            events: call.events,
            bytes_received: call.bytes,
            input_tokens: call.input_tokens,
            output_tokens: call.output_tokens,
            cache_read_tokens: call.cache_read_tokens,
            cache_write_tokens: call.cache_write_tokens,
            reasoning_tokens: call.reasoning_tokens,
            cost: call.cost,
            finish_reasons: &call.finish,
            generation_id: &call.generation,
            prompt: &call.prompt,
            response: &call.response,
            error: &call.error,
        }
    }

    /// Returns where the lines of a call are: each file, with the offsets between which they are.
    pub(crate) fn places(&self, call: &Call) -> Vec<(PathBuf, u64, u64)> {
        let (first, last) = (call.first, call.last);
        let files = self.recordings.iter().enumerate().filter(|(_, known)| known.run == Some(call.run));
        let places = files.filter_map(|(file, known)| {
            let file = u32::try_from(file).ok().filter(|file| (first.file..=last.file).contains(file))?;
            let start = if file == first.file { first.offset } else { 0 };
            let end = if file == last.file { last.offset } else { known.next };
            Some((known.path.clone(), start, end))
        });
        places.collect()
    }
}

/// The members of a line.
pub(crate) struct Fields<'a>(Vec<(&'a [u8], Raw<'a>)>);

impl<'a> Fields<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Self {
        Self(Raw::new(line).members().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<Raw<'a>> {
        self.0.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| *value)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).and_then(Raw::string).unwrap_or_default()
    }

    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.count()
    }

    pub(crate) fn milliseconds(&self, name: &str) -> Option<f64> {
        self.get(name)?.milliseconds()
    }
}

impl Call {
    fn new((run, number): (u32, u64), first: Position, at: f64, empty: Arc<str>) -> Self {
        Self {
            run,
            number,
            first,
            last: first,
            at,
            operation: Arc::clone(&empty),
            path: Arc::clone(&empty),
            model: Arc::clone(&empty),
            provider: Arc::clone(&empty),
            finish: empty,
            is_stream: false,
            has_tools: false,
            outcome: Outcome::Unfinished,
            attempts: 1,
            status: 0,
            elapsed: None,
            to_head: None,
            to_first: None,
            retrying: 0.0,
            events: 0,
            bytes: 0,
            input_tokens: None,
            output_tokens: None,
            cache_read_tokens: None,
            cache_write_tokens: None,
            reasoning_tokens: None,
            cost: None,
            generation: Box::default(),
            prompt: Box::default(),
            response: Box::default(),
            error: Box::default(),
        }
    }

    fn line(&mut self, kind: &str, fields: &Fields<'_>, at: f64, names: &mut Names) {
        let body = || fields.get("body").and_then(Raw::string).unwrap_or_default();
        match kind {
            "request" => {
                let attempt = fields.count("attempt").and_then(|attempt| u32::try_from(attempt).ok());
                self.attempts = self.attempts.max(attempt.unwrap_or_default());
                if self.attempts > 1 {
                    // What an earlier attempt received is not the response of the call.
                    self.response = Box::default();
                    self.to_first = None;
                    self.retrying = at - self.at;
                }
                if self.operation.is_empty() {
                    self.operation = names.get(&fields.text("operation"));
                    self.path = names.get(&fields.text("path"));
                    self.is_stream = fields.get("stream").is_some_and(|stream| stream.text == b"true");
                    let body = body();
                    let body = Raw::new(body.as_bytes());
                    self.model = names.get(&body.member("model").and_then(Raw::string).unwrap_or_default());
                    self.has_tools = body.member("tools").is_some_and(|tools| tools.elements().next().is_some());
                    self.prompt = preview(&messages::last_prompt(body));
                }
            }
            "response" => {
                self.status = fields.count("status").and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
                self.to_head = Some(at - self.at);
            }
            "events" => {
                self.to_first.get_or_insert(at - self.at);
                self.events = self.events.saturating_add(1);
                if self.response.chars().count() < PREVIEW {
                    let text = messages::text_of_events(&body());
                    if !text.is_empty() {
                        self.response = preview(&format!("{}{text}", self.response));
                    }
                }
            }
            "body" => self.response = preview(&messages::text_of_response(&body())),
            "failed" => {
                self.error = preview(&fields.text("error"));
            }
            "end" => self.end(fields, names),
            _ => {}
        }
    }

    fn end(&mut self, fields: &Fields<'_>, names: &mut Names) {
        self.outcome = match &*fields.text("outcome") {
            "completed" => Outcome::Completed,
            "dropped" => Outcome::Dropped,
            _ => Outcome::Failed,
        };
        self.attempts = fields.count("attempts").and_then(|count| u32::try_from(count).ok()).unwrap_or(self.attempts);
        if let Some(status) = fields.count("status").and_then(|status| u16::try_from(status).ok()) {
            self.status = status;
        }
        self.elapsed = fields.milliseconds("elapsed");
        self.to_head = fields.milliseconds("time_to_head").or(self.to_head);
        self.events = fields.count("events").unwrap_or(self.events);
        // For other calls it is the time of the first byte of the body.
        self.to_first = fields.milliseconds("time_to_first_event").filter(|_| self.events > 0);
        self.bytes = fields.count("bytes_received").unwrap_or_default();
        if let Some(model) = fields.get("model").and_then(Raw::string) {
            self.model = names.get(&model);
        }
        self.provider = names.get(&fields.text("provider"));
        let finish: Vec<String> = fields.get("finish_reasons").and_then(Raw::read).unwrap_or_default();
        self.finish = names.get(&finish.join(", "));
        self.generation = preview(&fields.text("generation_id"));
        self.input_tokens = fields.count("input_tokens");
        self.output_tokens = fields.count("output_tokens");
        self.cache_read_tokens = fields.count("cache_read_tokens");
        self.cache_write_tokens = fields.count("cache_write_tokens");
        self.reasoning_tokens = fields.count("reasoning_tokens");
        self.cost = fields.text("cost").parse().ok();
        // Errors of single attempts do not matter if the call succeeded.
        self.error = preview(&fields.text("error"));
    }

    /// Returns the texts that a word of a filter may be in.
    pub(crate) fn texts(&self) -> [&str; 8] {
        let Self { prompt, response, error, model, provider, operation, path, generation, .. } = self;
        [prompt, response, error, model, provider, operation, path, generation]
    }

    /// Returns whether anything went wrong.
    pub(crate) fn is_error(&self) -> bool {
        self.outcome == Outcome::Failed || self.status >= 400
    }

    pub(crate) fn tokens(&self) -> Option<u64> {
        match (self.input_tokens, self.output_tokens) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or_default().saturating_add(output.unwrap_or_default())),
        }
    }
}

/// Returns the beginning of a text, on one line.
fn preview(text: &str) -> Box<str> {
    let mut shown = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if length > 0 {
            shown.push(' ');
            length += 1;
        }
        for letter in word.chars() {
            if length == PREVIEW {
                return shown.into();
            }
            shown.push(letter);
            length += 1;
        }
    }
    // More pieces of a stream may follow.
    if text.ends_with(char::is_whitespace) && length > 0 && length < PREVIEW {
        shown.push(' ');
    }
    shown.into()
}
