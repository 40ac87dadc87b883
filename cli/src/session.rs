//! Conversations on disk: a file of JSON lines for each, with one message a line.

use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use openrouter_kit::models::ChatMessage;
use openrouter_kit::serde_json;
use serde::{Deserialize, Serialize};

use crate::config::{create_private_dir, data_dir, open_private, write_private};
use crate::exit::Failure;
use crate::output;
use crate::response::Reply;

/// The name of the conversation that has none.
const UNNAMED: &str = "last";

/// A line of the file.
#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    message: ChatMessage,
    /// The model that wrote the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    /// The id of the generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// A conversation that may be saved.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` if nothing is saved.
    path: Option<PathBuf>,
    /// The file holds another conversation, which this one replaces.
    is_new: bool,
    entries: Vec<Entry>,
}

/// Which conversation a command belongs to.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SessionArgs {
    /// Continue the conversation that was saved last.
    #[arg(short, long = "continue", conflicts_with = "session")]
    pub(crate) continue_last: bool,

    /// Start or continue the conversation of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,

    /// Do not save the conversation.
    #[arg(long)]
    pub(crate) no_save: bool,
}

impl Session {
    pub(crate) fn open(args: &SessionArgs, saves: bool) -> Result<Self, Failure> {
        let saves = saves && !args.no_save;
        if let Some(name) = &args.session {
            let path = path(name)?;
            let entries = read(&path)?;
            return Ok(Self { path: Some(path).filter(|_| saves), is_new: false, entries });
        }
        if args.continue_last {
            let Some(path) = last()? else {
                let text = "no conversation to continue; start one without `-c`";
                return Err(Failure::Usage(text.to_owned()));
            };
            let entries = read(&path)?;
            return Ok(Self { path: Some(path).filter(|_| saves), is_new: false, entries });
        }
        let path = if saves { Some(path(UNNAMED)?) } else { None };
        Ok(Self { path, is_new: true, entries: Vec::new() })
    }

    /// The messages so far.
    pub(crate) fn messages(&self) -> impl ExactSizeIterator<Item = &ChatMessage> {
        self.entries.iter().map(|entry| &entry.message)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a turn: the messages that were sent and the response to them. Adds nothing if the response is empty.
    pub(crate) fn add(&mut self, sent: Vec<ChatMessage>, reply: Reply) -> Result<(), Failure> {
        let Reply { messages, model, cost, id } = reply;
        if messages.is_empty() {
            return Ok(());
        }
        let plain = |message| Entry { message, model: None, cost: None, id: None };
        let mut entries: Vec<_> = sent.into_iter().chain(messages).map(plain).collect();
        if let Some(last) = entries.last_mut() {
            last.model = Some(model).filter(|model| !model.is_empty());
            last.cost = cost;
            last.id = Some(id).filter(|id| !id.is_empty());
        }
        let lines = lines(&entries)?;
        self.entries.append(&mut entries);
        match &self.path {
            Some(path) if std::mem::take(&mut self.is_new) => write_private(path, &lines),
            Some(path) => append(path, &lines),
            None => Ok(()),
        }
    }

    /// Keeps only the first messages.
    pub(crate) fn truncate(&mut self, length: usize) -> Result<(), Failure> {
        if length >= self.entries.len() {
            return Ok(());
        }
        self.entries.truncate(length);
        match &self.path {
            Some(path) => write_private(path, &lines(&self.entries)?),
            None => Ok(()),
        }
    }

    /// Saves the whole conversation under a name, and every further turn.
    pub(crate) fn save_as(&mut self, name: &str) -> Result<(), Failure> {
        let path = path(name)?;
        write_private(&path, &lines(&self.entries)?)?;
        (self.path, self.is_new) = (Some(path), false);
        Ok(())
    }
}

fn lines(entries: &[Entry]) -> Result<String, Failure> {
    let line = |entry| serde_json::to_string(entry).map(|json| json + "\n");
    entries.iter().map(line).collect::<Result<_, _>>().map_err(|error| Failure::Other(error.to_string()))
}

/// Appends lines with one write, after the end of a line.
fn append(path: &Path, lines: &str) -> Result<(), Failure> {
    let is_torn = last_byte(path).is_some_and(|last| last != b'\n');
    let lines = if is_torn { format!("\n{lines}") } else { lines.to_owned() };
    path.parent()
        .map_or(Ok(()), create_private_dir)
        .and_then(|()| open_private(path, true)?.write_all(lines.as_bytes()))
        .map_err(|error| Failure::io(path.display(), error))
}

fn last_byte(path: &Path) -> Option<u8> {
    let mut file = fs::File::open(path).ok()?;
    file.seek(SeekFrom::End(-1)).ok()?;
    let mut last = [0];
    file.read_exact(&mut last).ok()?;
    last.first().copied()
}

fn directory() -> Result<PathBuf, Failure> {
    Ok(data_dir()?.join("sessions"))
}

fn path(name: &str) -> Result<PathBuf, Failure> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(is_allowed) {
        let advice = "use at most 100 letters, digits, `-`, `_` and `.`";
        return Err(Failure::Usage(format!("{name:?} cannot be the name of a session; {advice}")));
    }
    Ok(directory()?.join(format!("{name}.jsonl")))
}

/// The conversation that was saved last.
fn last() -> Result<Option<PathBuf>, Failure> {
    let directory = directory()?;
    let files = match fs::read_dir(&directory) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io(directory.display(), error)),
    };
    let paths = files.flatten().map(|file| file.path());
    let conversations = paths.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    Ok(conversations.max_by_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok()))
}

/// Reads a conversation; one that does not exist is empty. A last line that was torn by a crash is left out.
fn read(path: &Path) -> Result<Vec<Entry>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::io(path.display(), error)),
    };
    let mut entries = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        match serde_json::from_slice::<Entry>(line) {
            Ok(entry) => entries.push(entry),
            Err(_) => output::note(format_args!("{}: line {} is damaged and left out", path.display(), index + 1)),
        }
    }
    Ok(entries)
}
