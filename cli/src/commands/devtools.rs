//! `devtools`: recorded calls in the browser, in the terminal, and exported for other programs.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use openrouter_kit::helpers::Usd;
use openrouter_kit::serde_json::json;
use tokio::net::TcpListener;

use crate::cli::Global;
use crate::commands::auth::open_browser;
use crate::devtools::detail::{self, Attempt, Recorded};
use crate::devtools::export::{self, Format};
use crate::devtools::filter::{self, Filter, Sort};
use crate::devtools::index::{Call, Index};
use crate::devtools::messages::{Kind, Message};
use crate::devtools::server::Viewer;
use crate::devtools::time;
use crate::exit::Failure;
use crate::format::{parse_dollars, parse_duration};
use crate::output::{self, Column, Table};

/// One more than that of other viewers.
const USUAL_PORT: u16 = 4984;

/// Look at the calls that programs recorded.
///
/// Programs that use the Rust SDK with its feature `devtools` record their calls if OPENROUTER_DEVTOOLS=1 is set, and
/// so does this command. Without a subcommand, a local page shows the calls, and new ones as they are recorded.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DevtoolsArgs {
    #[command(subcommand)]
    command: Option<DevtoolsCommand>,
    #[command(flatten)]
    folder: Folder,
    /// Port to listen on; 0 for any free one [default: 4984, or any free one].
    #[arg(long)]
    port: Option<u16>,
    /// Open the page in the browser.
    #[arg(long)]
    open: bool,
}

#[derive(Debug, Subcommand)]
enum DevtoolsCommand {
    /// List calls, one per line.
    List(ListArgs),
    /// Show one call: timing, attempts, messages, cost.
    Show(ShowArgs),
    /// Export calls as HAR, OTLP, a recording, curl commands, Rust programs or tests.
    Export(ExportArgs),
}

#[derive(Args, Clone, Debug)]
struct Folder {
    /// Directory of recordings, or a single recording.
    #[arg(value_name = "DIR", env = "OPENROUTER_DEVTOOLS_DIR", default_value = ".openrouter/devtools")]
    path: PathBuf,
}

#[derive(Args, Clone, Debug)]
struct FolderOption {
    /// Directory of recordings, or a single recording.
    #[arg(long, value_name = "DIR", env = "OPENROUTER_DEVTOOLS_DIR", default_value = ".openrouter/devtools")]
    dir: PathBuf,
}

/// Which calls to take.
#[derive(Args, Debug)]
struct Selection {
    #[command(flatten)]
    folder: FolderOption,
    /// Words and conditions, such as `weather model:gpt is:error -op:models`; see below.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Only calls whose model contains this text.
    #[arg(long, value_name = "TEXT")]
    model: Option<String>,
    /// Only calls with this status: 429, 5xx, or `error` for 400 and above.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only calls of this time (30m, 2h, 3d), or since a date (2026-11-26).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only calls that cost more than this many US dollars.
    #[arg(long, value_name = "DOLLARS", value_parser = parse_dollars)]
    cost: Option<Usd>,
    /// Only calls that took longer than this.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    slow: Option<std::time::Duration>,
    /// Only calls with this text in the last prompt, the beginning of the response, the error or a name.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    #[arg(long, value_enum, default_value = "time")]
    sort: Sort,
    /// Only the first of that order.
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Args, Debug)]
#[command(after_help = format!("Names in filters: {}", filter::NAMES))]
struct ListArgs {
    #[command(flatten)]
    selection: Selection,
    /// Print each call as a line of JSON.
    #[arg(long, conflicts_with = "json")]
    jsonl: bool,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// Id from the list, generation id (gen-...), or `last`.
    id: String,
    #[command(flatten)]
    folder: FolderOption,
    /// Show the events of streams and when they arrived.
    #[arg(long)]
    events: bool,
    /// Show bodies as sent and received, instead of messages.
    #[arg(long)]
    raw: bool,
}

#[derive(Args, Debug)]
#[command(after_help = format!("Names in filters: {}", filter::NAMES))]
struct ExportArgs {
    #[command(flatten)]
    selection: Selection,
    /// Only this call: id from the list, generation id, or `last`. May be repeated.
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    #[arg(long, value_enum, default_value = "har")]
    format: Format,
    /// File to write to, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(args: DevtoolsArgs, global: &Global) -> Result<(), Failure> {
    match args.command {
        None => view(args).await,
        Some(DevtoolsCommand::List(args)) => list(&args, global.json),
        Some(DevtoolsCommand::Show(args)) => show(&args, global.json),
        Some(DevtoolsCommand::Export(args)) => export(&args),
    }
}

async fn view(args: DevtoolsArgs) -> Result<(), Failure> {
    let bind = |port| TcpListener::bind(("127.0.0.1", port));
    let listener = match args.port {
        Some(port) => {
            bind(port).await.map_err(|error| Failure::io(format_args!("port {port} cannot be used"), error))?
        }
        None => match bind(USUAL_PORT).await {
            Ok(listener) => listener,
            Err(_) => bind(0).await.map_err(|error| Failure::io("no port can be used", error))?,
        },
    };
    let address = listener.local_addr().map_err(|error| Failure::io("the port is unknown", error))?;
    let viewer = Viewer::new(Index::new(&args.folder.path), address.port())
        .map_err(|error| Failure::io("a token cannot be made", error))?;
    output::line(viewer.url())?;
    if !args.folder.path.exists() {
        let path = args.folder.path.display();
        output::hint(format_args!(
            "{path} does not exist yet; OPENROUTER_DEVTOOLS=1 makes programs record their calls"
        ));
    }
    output::hint("Only this address opens the page; Ctrl-C stops the server");
    if args.open {
        open_browser(&viewer.url());
    }
    match viewer.serve(listener).await {
        Ok(never) => match never {},
        Err(error) => Err(Failure::io("no more connections can be accepted", error)),
    }
}

/// Reads the recordings of a directory, which must exist.
fn read(folder: &FolderOption) -> Result<Index, Failure> {
    let path = &folder.dir;
    if !path.exists() {
        return Err(Failure::Usage(format!(
            "{} does not exist; record calls with OPENROUTER_DEVTOOLS=1, or name another directory with --dir",
            path.display()
        )));
    }
    let mut index = Index::new(path);
    while index.update().map_err(|error| Failure::io(format_args!("{} cannot be read", path.display()), error))? {}
    for problem in index.problems() {
        output::note(output::visible(&problem));
    }
    Ok(index)
}

impl Selection {
    fn filter(&self) -> Result<Filter, Failure> {
        let mut text = self.filter.join(" ");
        let named = [
            ("model:", self.model.clone()),
            ("status:", self.status.clone()),
            ("since:", self.since.clone()),
            ("cost:>", self.cost.map(|cost| cost.to_string())),
            ("time:>", self.slow.map(|slow| format!("{}s", slow.as_secs_f64()))),
            ("", self.text.clone()),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                text.push_str(&format!(" {name}\"{}\"", value.replace('"', "")));
            }
        }
        Filter::parse(&text).map_err(Failure::Usage)
    }

    fn select<'a>(&self, index: &'a Index) -> Result<Vec<&'a Call>, Failure> {
        let filter = self.filter()?;
        let mut calls: Vec<_> = index.calls.iter().filter(|call| filter.matches(index, call)).collect();
        self.sort.sort(&mut calls);
        calls.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(calls)
    }
}

fn milliseconds(time: f64) -> String {
    if time < 1e3 { format!("{time:.0} ms") } else { format!("{:.2} s", time / 1e3) }
}

fn list(args: &ListArgs, json: bool) -> Result<(), Failure> {
    let index = read(&args.selection.folder)?;
    let calls = args.selection.select(&index)?;
    if json {
        return output::json(&calls.iter().map(|call| index.summary(call)).collect::<Vec<_>>());
    }
    if args.jsonl {
        return calls.iter().try_for_each(|call| output::json(&index.summary(call)));
    }
    let mut table = Table::new([
        ("TIME", Column::Number),
        ("ID", Column::Number),
        ("OPERATION", Column::Text),
        ("MODEL", Column::Text),
        ("STATUS", Column::Number),
        ("TOOK", Column::Number),
        ("FIRST", Column::Number),
        ("TOKENS", Column::Number),
        ("COST", Column::Number),
        ("PROMPT", Column::Text),
    ]);
    // The newest last, next to the prompt of the shell.
    let is_by_time = args.selection.sort == Sort::Time;
    let ordered: Vec<_> = if is_by_time { calls.iter().rev().collect() } else { calls.iter().collect() };
    for call in ordered {
        table.row([
            time::text(call.at).get(..19).unwrap_or_default().replace('T', " "),
            index.id(call),
            call.path.to_string(),
            call.model.to_string(),
            status(call),
            call.elapsed.map(milliseconds).unwrap_or_default(),
            call.to_first.map(milliseconds).unwrap_or_default(),
            call.tokens().map(|tokens| tokens.to_string()).unwrap_or_default(),
            call.cost.map(|cost| format!("${cost}")).unwrap_or_default(),
            call.prompt.to_string(),
        ]);
    }
    table.print()?;
    let total: Usd = calls.iter().filter_map(|call| call.cost).sum();
    output::hint(format_args!("{} of {} calls, ${total}", calls.len(), index.calls.len()));
    Ok(())
}

/// Returns the status or, without one, the outcome, and the number of attempts.
fn status(call: &Call) -> String {
    let status = match call.status {
        0 => call.outcome.name().to_owned(),
        status if call.is_error() && status < 400 => format!("{status} failed"),
        status => status.to_string(),
    };
    if call.attempts > 1 { format!("{status} ({} attempts)", call.attempts) } else { status }
}

fn find<'a>(index: &'a Index, id: &str) -> Result<&'a Call, Failure> {
    index.find_call(id).ok_or_else(|| {
        Failure::Usage(format!(
            "{} has no call {id:?}; `openrouter devtools list` lists the calls",
            index.path().display()
        ))
    })
}

fn show(args: &ShowArgs, json: bool) -> Result<(), Failure> {
    let index = read(&args.folder)?;
    let call = find(&index, &args.id)?;
    let recorded = detail::read(&index.places(call), call.number)
        .map_err(|error| Failure::io("the recording cannot be read", error))?;
    let (input, output) = (recorded.input(), recorded.output());
    if json {
        return output::json(&json!({
            "call": index.summary(call), "run": index.run_of(call), "input": input, "output": output,
            "attempts": recorded.attempts,
        }));
    }
    let text = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let count = |count: Option<u64>| count.map(|count| count.to_string());
    let run = index.run_of(call);
    output::fields([
        ("id", Some(index.id(call))),
        ("time", Some(time::text(call.at))),
        ("operation", text(&format!("{} ({})", call.operation, call.path))),
        ("model", text(&call.model)),
        ("provider", text(&call.provider)),
        ("outcome", Some(format!("{}, {}", call.outcome.name(), status(call)))),
        ("error", text(&call.error)),
        ("took", call.elapsed.map(milliseconds)),
        ("first token", call.to_first.map(milliseconds)),
        ("lost to retries", Some(call.retrying).filter(|time| *time > 0.0).map(milliseconds)),
        ("input tokens", count(call.input_tokens)),
        ("from the cache", count(call.cache_read_tokens)),
        ("output tokens", count(call.output_tokens)),
        ("reasoning tokens", count(call.reasoning_tokens)),
        ("cost", call.cost.map(|cost| format!("${cost}"))),
        ("finish reason", text(&call.finish)),
        ("generation", text(&call.generation)),
        ("process", run.map(|run| format!("{} in {}", run.pid, run.cwd))),
        ("branch", run.and_then(|run| run.branch.clone())),
    ])?;
    for attempt in &recorded.attempts {
        timeline(attempt, recorded.end)?;
        if args.events {
            for event in &attempt.events {
                line(format_args!("{:>10}  {}", milliseconds(event.at), event.text.replace('\n', "\n            ")))?;
            }
        }
    }
    if args.raw {
        raw(&recorded)
    } else {
        conversation(&input, "Sent")?;
        conversation(&output, "Received")
    }
}

/// Writes recorded text, with control characters replaced.
fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    output::line(output::visible(&text.to_string()))
}

fn timeline(attempt: &Attempt, end: Option<f64>) -> Result<(), Failure> {
    let mut steps = vec![format!("sent at {}", milliseconds(attempt.at))];
    if let Some(head) = &attempt.head {
        steps.push(format!("{} at {}", head.status, milliseconds(head.at)));
    }
    if let Some(first) = attempt.events.first() {
        steps.push(format!("{} events from {}", attempt.events.len(), milliseconds(first.at)));
    }
    match &attempt.failed {
        Some(failed) => {
            steps.push(format!("failed at {}: {}", milliseconds(failed.at), output::one_line(&failed.error)));
            steps.extend(failed.wait.map(|wait| format!("waits {}", milliseconds(wait))));
        }
        None => steps.extend(end.map(|end| format!("ended at {}", milliseconds(end)))),
    }
    line(format_args!("\nAttempt {}: {}", attempt.number, steps.join(", ")))
}

fn raw(recorded: &Recorded) -> Result<(), Failure> {
    for attempt in &recorded.attempts {
        for (title, body) in [("Request", &attempt.request), ("Response", &attempt.response)] {
            let Some(body) = body else { continue };
            line(format_args!("\n{title} of attempt {}:", attempt.number))?;
            line(&body.text)?;
            if let Some(missing) = body.missing {
                line(format_args!("({missing})"))?;
            }
        }
    }
    Ok(())
}

fn conversation(messages: &[Message], title: &str) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    line(format_args!("\n{title}:"))?;
    for message in messages {
        for part in &message.parts {
            let kind = match (part.kind, &part.name) {
                (Kind::Text, _) => String::new(),
                (kind, Some(name)) => format!(" {} {name}", kind.name()),
                (kind, None) => format!(" {}", kind.name()),
            };
            line(format_args!(
                "  {}{}: {}",
                output::one_line(&message.role),
                output::one_line(&kind),
                part.text.replace('\n', "\n    ")
            ))?;
        }
    }
    Ok(())
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let index = read(&args.selection.folder)?;
    let calls = if args.id.is_empty() {
        // In the order in which they were made.
        let mut calls = args.selection.select(&index)?;
        calls.sort_by(|one, other| one.at.total_cmp(&other.at).then(one.number.cmp(&other.number)));
        calls
    } else {
        args.id.iter().map(|id| find(&index, id)).collect::<Result<_, _>>()?
    };
    if calls.is_empty() {
        return Err(Failure::Usage("no call matches; see `openrouter devtools list`".to_owned()));
    }
    if let Some(path) = &args.output {
        let file = File::create(path)
            .map_err(|error| Failure::io(format_args!("{} cannot be written", path.display()), error))?;
        let mut out = BufWriter::new(file);
        return export::export(args.format, &index, &calls, &mut out)
            .and_then(|()| out.flush())
            .map_err(|error| Failure::io(format_args!("{} cannot be written", path.display()), error));
    }
    if io::stdout().is_terminal() {
        let mut text = Vec::new();
        export::export(args.format, &index, &calls, &mut text).map_err(Failure::output)?;
        return output::text(&String::from_utf8_lossy(&text));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    export::export(args.format, &index, &calls, &mut out).and_then(|()| out.flush()).map_err(Failure::output)
}
