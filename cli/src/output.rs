//! Writing to standard output and standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use console::{Term, style};
use openrouter_kit::core::{Download, TransferProgress};
use openrouter_kit::core::{RawEvents, StreamItem};
use openrouter_kit::serde_json;
use serde::Serialize;

use crate::exit::Failure;

/// Writes a piece of a response and makes it visible at once.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = match io::stdout().is_terminal() {
        // Control characters in the output of a model could take over the terminal.
        true => out.write_all(visible(text).as_bytes()),
        false => out.write_all(text.as_bytes()),
    };
    written.and_then(|()| out.flush()).map_err(Failure::output)
}

/// Writes a line.
pub(crate) fn line(line: impl Display) -> Result<(), Failure> {
    text(&format!("{line}\n"))
}

/// Prints each event as a line of JSON. An error among them is printed, too, and then returned.
pub(crate) async fn events<T: StreamItem>(mut events: RawEvents<T>) -> Result<(), Failure> {
    while let Some(event) = events.next().await {
        let event = event?;
        if event.is_done() {
            continue;
        }
        line(event.data())?;
        if event.is_error()
            && let Some(Err(error)) = events.typed(&event)
        {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Writes bytes as they are, and a line break after text that lacks one.
pub(crate) fn body(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let end: &[u8] = if bytes.ends_with(b"\n") || bytes.is_empty() { b"" } else { b"\n" };
    out.write_all(bytes).and_then(|()| out.write_all(end)).and_then(|()| out.flush()).map_err(Failure::output)
}

/// Writes bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::output)
}

/// Writes a value as a line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?;
    body(json.as_bytes())
}

/// Writes a line to standard error.
pub(crate) fn note(note: impl Display) {
    // A program whose standard error is closed still does its work.
    let _ = writeln!(io::stderr(), "{note}");
}

/// Writes a line to standard error if a person is likely to read it.
pub(crate) fn hint(text: impl Display) {
    if io::stderr().is_terminal() {
        note(style(text).for_stderr().dim());
    }
}

/// Writes a piece of dimmed text to standard error, without a line break.
pub(crate) fn aside(text: &str) {
    let mut err = io::stderr();
    let text = if err.is_terminal() { visible(text) } else { text.to_owned() };
    let _ = write!(err, "{}", style(text).for_stderr().dim()).and_then(|()| err.flush());
}

/// Shows what went wrong on standard error.
pub(crate) fn error(error: impl Display) {
    note(format_args!("{} {error}", style("error:").for_stderr().red().bold()));
}

/// Replaces control characters, except those that lay out text, by visible ones.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
            letter => letter,
        })
        .collect()
}

/// Text on one line in which nothing is invisible and nothing can control the terminal.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for letter in text.chars() {
        match letter {
            '\n' | '\t' | '\r' => line.extend(letter.escape_default()),
            letter if letter.is_control() || is_invisible(letter) => line.extend(letter.escape_unicode()),
            letter => line.push(letter),
        }
    }
    line
}

/// The beginning of a text, on one line.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = one_line(text);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}... ({} bytes)", line.get(..end).unwrap_or_default(), text.len()),
        None => line,
    }
}

/// Characters that change the direction of text, or that nobody sees.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A number with its noun, which gets an `s` unless it is one.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What marks a text that was cut off, in the characters that the terminal is likely to have.
fn ellipsis() -> &'static str {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| std::env::var(name).ok());
    let locale = locale.into_iter().find(|value| !value.is_empty()).unwrap_or_default().to_lowercase();
    if cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8") { "…" } else { "..." }
}

/// How a column of a [`Table`] is laid out.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Column {
    /// Text, cut off if the table is too wide.
    Text,
    /// Numbers, aligned to the right.
    Number,
}

/// Rows under a header. On a terminal they are aligned and fit its width; elsewhere they are separated by tabs, whole and
/// without the header, for other programs.
pub(crate) struct Table {
    columns: Vec<(&'static str, Column)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(columns: [(&'static str, Column); N]) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        // A cell is one line, whatever a server sends.
        self.rows.push(cells.iter().map(|cell| visible(cell).replace(['\n', '\t'], " ")).collect());
    }

    pub(crate) fn print(&self) -> Result<(), Failure> {
        /// The width of a terminal that does not know its own.
        const USUAL_WIDTH: u16 = 80;
        if !io::stdout().is_terminal() {
            return text(&self.rows.iter().map(|row| format!("{}\n", row.join("\t"))).collect::<String>());
        }
        let width = Term::stdout().size_checked().map_or(0, |(_, width)| width);
        text(&self.aligned(usize::from(if width == 0 { USUAL_WIDTH } else { width }), ellipsis()))
    }

    fn aligned(&self, terminal: usize, ellipsis: &str) -> String {
        const GAP: usize = 2;
        const NARROWEST: usize = 8;
        let width_of = |index: usize, title: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| console::measure_text_width(cell));
            cells.chain([title.len()]).max().unwrap_or_default()
        };
        let mut widths: Vec<_> =
            self.columns.iter().enumerate().map(|(index, (title, _))| width_of(index, title)).collect();
        // The widest text gives way first. What is too wide nevertheless has a line for each cell.
        loop {
            let whole = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
            let texts = widths.iter_mut().zip(&self.columns).filter(|(_, (_, column))| *column == Column::Text);
            let widest = texts.map(|(width, _)| width).max();
            match widest.filter(|widest| **widest > NARROWEST) {
                _ if whole <= terminal => break,
                Some(widest) => *widest -= 1,
                None => return self.stacked(),
            }
        }
        let line = |cells: &[&str]| {
            let cells = cells.iter().zip(&widths).zip(&self.columns).map(|((cell, width), (_, column))| {
                let side = if *column == Column::Number { console::Alignment::Right } else { console::Alignment::Left };
                console::pad_str(cell, *width, side, Some(ellipsis)).into_owned()
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let titles: Vec<_> = self.columns.iter().map(|(title, _)| *title).collect();
        let mut text = format!("{}\n", style(line(&titles)).bold());
        for row in &self.rows {
            text.push_str(&line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
            text.push('\n');
        }
        text
    }

    /// The cells one below the other, with an empty line between rows.
    fn stacked(&self) -> String {
        let width = self.columns.iter().map(|(title, _)| title.len()).max().unwrap_or_default();
        let row = |row: &Vec<String>| -> String {
            let cells = self.columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            cells.map(|((title, _), cell)| format!("{title:width$}  {cell}\n")).collect()
        };
        self.rows.iter().map(row).collect::<Vec<_>>().join("\n")
    }
}

/// Writes names with their values, one a line. Fields without a value are left out.
pub(crate) fn fields<const N: usize>(fields: [(&str, Option<String>); N]) -> Result<(), Failure> {
    let known = || fields.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    let width = known().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in known() {
        line(format_args!("{name:width$}  {}", visible(value).replace('\n', " ")))?;
    }
    Ok(())
}

/// Where a generated file goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    /// Decides where a file goes, and checks it before anything is paid for.
    pub(crate) fn of(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) if path == "-" => Ok(Self::Stdout),
            None if !io::stdout().is_terminal() => Ok(Self::Stdout),
            None => Err(Failure::Usage("a file cannot be shown on a terminal; name one with `-o FILE`".to_owned())),
            Some(path) => {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                if path.is_dir() || path.file_name().is_none() || directory.is_some_and(|parent| !parent.is_dir()) {
                    let text = format!("{} cannot be written; name a file in a directory that exists", path.display());
                    return Err(Failure::Usage(text));
                }
                Ok(Self::File(path.to_owned()))
            }
        }
    }

    /// Returns the target of one of several files: `name-2.png` for the second.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        match self {
            Self::File(path) if number > 1 => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
                Self::File(path.with_file_name(format!("{stem}-{number}{}", extension.unwrap_or_default())))
            }
            _ => self.clone(),
        }
    }

    /// Writes a download as it arrives.
    pub(crate) async fn save(&self, mut download: Download) -> Result<(), Failure> {
        match self {
            Self::File(path) => {
                let bar = progress();
                let shown = bar.clone();
                let length =
                    download.on_progress(move |progress| show_progress(&shown, progress)).save_to(path).await?;
                bar.finish_and_clear();
                saved(path, length);
            }
            Self::Stdout => {
                while let Some(chunk) = download.next().await {
                    bytes(&chunk?)?;
                }
            }
        }
        Ok(())
    }
}

/// Says that a file was written.
pub(crate) fn saved(path: &Path, length: u64) {
    note(format_args!("{} ({})", path.display(), indicatif::HumanBytes(length)));
}

/// A bar for bytes on standard error; invisible if that is not a terminal.
pub(crate) fn progress() -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::no_length();
    if let Ok(style) = indicatif::ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes} {bytes_per_sec}") {
        bar.set_style(style.progress_chars("#>-"));
    }
    bar
}

/// Moves a bar.
pub(crate) fn show_progress(bar: &indicatif::ProgressBar, progress: TransferProgress) {
    if let Some(total) = progress.total {
        bar.set_length(total);
    }
    bar.set_position(progress.bytes);
}

/// A spinner on standard error for long work; invisible if that is not a terminal.
pub(crate) fn spinner() -> indicatif::ProgressBar {
    let spinner = indicatif::ProgressBar::new_spinner();
    if let Ok(style) = indicatif::ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style.tick_chars("|/-\\ "));
    }
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    spinner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_the_terminal_by_cutting_its_widest_text() {
        let mut table = Table::new([("MODEL", Column::Text), ("NAME", Column::Text), ("PRICE", Column::Number)]);
        table.row(["openai/gpt-4o-mini".to_owned(), "A name that is very long indeed".to_owned(), "0.15".to_owned()]);
        table.row(["a/b".to_owned(), "模型".to_owned(), "12.5".to_owned()]);
        let text = table.aligned(40, "…");
        assert!(text.lines().all(|line| console::measure_text_width(line) <= 40), "{text}");
        assert!(text.contains('…') && text.contains(" 0.15\n") && text.contains(" 12.5\n"), "{text}");
        assert!(table.aligned(200, "…").contains("A name that is very long indeed"));
    }

    #[test]
    fn control_characters_are_not_passed_to_a_terminal() {
        assert_eq!(visible("a\u{1b}[31m\tb\nc\r\u{9b}"), "a\u{fffd}[31m\tb\nc\u{fffd}\u{fffd}");
    }

    #[test]
    fn untrusted_text_is_one_line_without_anything_invisible() {
        assert_eq!(one_line("a\n\u{1b}[2Jb\u{202e}c\u{200b}ü"), "a\\n\\u{1b}[2Jb\\u{202e}c\\u{200b}ü");
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ä".repeat(300)), format!("{}... (600 bytes)", "ä".repeat(200)));
    }

    #[test]
    fn several_files_are_numbered() {
        let target = Target::File("a/cat.png".into());
        assert_eq!(target.numbered(1), target);
        assert_eq!(target.numbered(2), Target::File("a/cat-2.png".into()));
        assert_eq!(Target::File("cat".into()).numbered(3), Target::File("cat-3".into()));
    }
}
