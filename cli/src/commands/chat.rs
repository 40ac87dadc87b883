//! `chat`: a conversation, turn by turn.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use openrouter_kit::models::{ChatMessage, ChatResult, ResponsesTool};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, Config, Editor, Helper};

use crate::budget::Budget;
use crate::client::Context;
use crate::commands::ask::ModelArgs;
use crate::config::{create_private_dir, data_dir, open_private};
use crate::exit::Failure;
use crate::format::dollars;
use crate::output;
use crate::response::{self, Prompt, Reply};
use crate::run::Show;
use crate::session::{Session, SessionArgs};
use crate::suggest;
use crate::tools::{ToolArgs, Toolbox};

const HELP: &str = "\
/model [MODEL]   show or change the model
/system [TEXT]   show or change the system prompt
/save NAME       save the conversation under a name
/retry           ask the last question again
/tools           list the tools that the model may call
/cost            show what the conversation has cost
/quit            end the conversation (or Ctrl-D)

A line that ends with \\ continues on the next one; so does everything after \"\"\" up to the next \"\"\".
Ctrl-C stops a response.";

#[derive(Args, Debug)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    session: SessionArgs,

    /// Hide the model's reasoning.
    #[arg(short = 'R', long)]
    hide_reasoning: bool,

    #[command(flatten)]
    tools: ToolArgs,
}

/// A conversation and what belongs to it.
struct Chat {
    context: Context,
    session: Session,
    prompt: Prompt,
    system: Option<String>,
    tools: Option<Toolbox>,
    budget: Option<Budget>,
    cost: f64,
    /// The last question, if it got no response.
    failed: Option<ChatMessage>,
    shows_reasoning: bool,
}

type LineEditor = Editor<Lines, FileHistory>;

pub(crate) async fn run(args: ChatArgs, context: Context) -> Result<(), Failure> {
    let session = Session::open(&args.session, context.profile.save.unwrap_or(true))?;
    let models = args.model.models(&context).await?;
    let mut prompt = args.model.prompt(&models);
    args.tools.add_web(&mut prompt);
    // What starts the servers may take long, or forever.
    let tools = tokio::select! {
        tools = args.tools.open(&context) => tools?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted),
    };
    let mut chat = Chat {
        prompt,
        tools,
        system: args.model.system(&context),
        budget: args.model.max_cost.map(Budget::new),
        cost: 0.0,
        failed: None,
        shows_reasoning: !args.hide_reasoning && io::stderr().is_terminal(),
        session,
        context,
    };
    output::hint(format_args!("{}; /help lists the commands", models.join(", ")));

    let history = data_dir()?.join("history.txt");
    let mut editor = editor(&history)?;
    loop {
        let (returned, line) = read_line(editor).await?;
        editor = returned;
        let Some(line) = line else { break };
        // The history survives a program that is killed.
        let _ = editor.add_history_entry(&line);
        let _ = editor.append_history(&history);
        let entry = unfolded(&line);
        // A response that is interrupted ends by itself, and keeps what was shown.
        let handled = tokio::select! {
            biased;
            handled = chat.handle(&entry) => handled,
            _ = tokio::signal::ctrl_c() => {
                output::note("stopped");
                Ok(true)
            }
        };
        match handled {
            Ok(true) => {}
            Ok(false) => break,
            // The conversation goes on after an error; what was asked can be asked again.
            Err(failure @ (Failure::ClosedPipe | Failure::DryRun)) => return Err(failure),
            Err(failure) => failure.show(),
        }
    }
    Ok(())
}

fn editor(history: &PathBuf) -> Result<LineEditor, Failure> {
    let failed = |error: ReadlineError| Failure::Other(error.to_string());
    // If standard output goes elsewhere, it has the responses alone.
    let edits_elsewhere = io::stdin().is_terminal() && !io::stdout().is_terminal();
    let behavior = if edits_elsewhere { Behavior::PreferTerm } else { Behavior::Stdio };
    let config = Config::builder().auto_add_history(false).behavior(behavior).build();
    let mut editor = LineEditor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Lines));
    // Without a file for it, the history lasts as long as the conversation.
    let opened = history.parent().map_or(Ok(()), create_private_dir).and_then(|()| open_private(history, true));
    if opened.is_ok() {
        let _ = editor.load_history(history);
    }
    Ok(editor)
}

/// Reads a line in a thread of its own; `None` at the end of the input. An interrupt while no terminal is read ends the
/// program.
async fn read_line(mut editor: LineEditor) -> Result<(LineEditor, Option<String>), Failure> {
    let prompt = if io::stdin().is_terminal() { "> " } else { "" };
    let reading = tokio::task::spawn_blocking(move || {
        loop {
            match editor.readline(prompt) {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => return Ok((editor, Some(line))),
                // Ctrl-C at the prompt drops the line.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok((editor, None)),
                Err(error) => return Err(Failure::Other(error.to_string())),
            }
        }
    });
    tokio::select! {
        line = reading => line.map_err(|error| Failure::Other(error.to_string()))?,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

/// The text of an entry of several lines, without the marks that joined them.
fn unfolded(entry: &str) -> String {
    let text = entry.replace("\\\n", "\n");
    let text = text.trim();
    text.strip_prefix(BLOCK).and_then(|text| text.strip_suffix(BLOCK)).unwrap_or(text).trim().to_owned()
}

impl Chat {
    /// Handles an entry; `false` ends the conversation.
    async fn handle(&mut self, entry: &str) -> Result<bool, Failure> {
        let (command, rest) = entry.split_once(char::is_whitespace).unwrap_or((entry, ""));
        match (command, rest.trim()) {
            ("/quit" | "/exit", _) => return Ok(false),
            ("/help", _) => output::note(HELP),
            ("/model", "") => output::note(self.prompt.request.model.as_deref().unwrap_or_default()),
            ("/model", model) => {
                self.prompt.request.model = Some(self.context.config.model(model));
                self.prompt.request.models = None;
            }
            ("/system", "") => output::note(self.system.as_deref().unwrap_or("no system prompt")),
            ("/system", text) => self.system = Some(text.to_owned()),
            ("/save", "") => output::note("write a name: /save NAME"),
            ("/save", name) => {
                self.session.save_as(name)?;
                output::note(format_args!("saved; continue it with `openrouter chat --session {name}`"));
            }
            ("/tools", _) => self.list_tools(),
            ("/cost", _) => output::note(dollars(self.cost)),
            ("/retry", _) => self.retry().await?,
            (command, _) if command.starts_with('/') && !command.get(1..).unwrap_or_default().contains('/') => {
                output::note(format_args!("unknown command {command}; /help lists the commands"));
            }
            _ => self.ask(ChatMessage::user(entry), self.session.len()).await?,
        }
        Ok(true)
    }

    /// Asks the last question again: the one that failed, or else the one before the last response, which is replaced.
    async fn retry(&mut self) -> Result<(), Failure> {
        if let Some(question) = self.failed.clone() {
            return self.ask(question, self.session.len()).await;
        }
        let is_question = |(_, message): &(usize, &ChatMessage)| matches!(message, ChatMessage::User(_));
        let last = self.session.messages().enumerate().filter(is_question).last();
        match last.map(|(index, question)| (index, question.clone())) {
            Some((index, question)) => self.ask(question, index).await,
            None => {
                output::note("nothing to ask again");
                Ok(())
            }
        }
    }

    /// Asks a question after the first `kept` messages of the conversation. The others are dropped once there is a
    /// response.
    async fn ask(&mut self, question: ChatMessage, kept: usize) -> Result<(), Failure> {
        self.failed = Some(question.clone());
        let mut prompt = self.prompt.clone();
        let system = self.system.clone().map(ChatMessage::system);
        // The system prompt may change in the course of a conversation; the saved one counts unless there is another.
        let is_replaced = |message: &ChatMessage| system.is_some() && matches!(message, ChatMessage::System(_));
        let history = self.session.messages().take(kept).filter(|message| !is_replaced(message));
        prompt.request.messages = system.iter().chain(history).chain([&question]).cloned().collect();
        let (reply, outcome) = match &mut self.tools {
            Some(tools) => {
                let show = Show::Text { reasoning: self.shows_reasoning };
                let ran = tools.run(&prompt, None, show, self.budget.as_mut(), &self.context).await;
                self.cost += ran.run.usage().cost.as_f64();
                if let Some(text) = ran.text.filter(|_| ran.outcome.is_ok()) {
                    output::line(text.trim_end_matches('\n'))?;
                }
                (ran.reply, ran.outcome)
            }
            None => {
                if let Some(budget) = &mut self.budget {
                    budget.apply(&mut prompt, &self.context).await?;
                }
                match self.respond(&prompt).await {
                    Ok(result) => {
                        self.cost += result.as_ref().and_then(ChatResult::cost).unwrap_or_default();
                        if let Some(result) = &result {
                            response::warn(result);
                        }
                        (result.as_ref().map(Reply::from).unwrap_or_default(), Ok(()))
                    }
                    Err(failure) => (Reply::default(), Err(failure)),
                }
            }
        };
        if let Some(error) = outcome.as_ref().err().and_then(Failure::as_call) {
            let model = prompt.request.model.as_deref().unwrap_or_default();
            suggest::similar(&[model], error, &self.context).await;
        }
        if !reply.messages.is_empty() {
            self.failed = None;
            self.session.truncate(kept)?;
            let sent = system.filter(|_| kept == 0).into_iter().chain([question]).collect();
            self.session.add(sent, reply)?;
        }
        match outcome {
            // It ends the response, and not the conversation.
            Err(Failure::Interrupted) => {
                output::note("stopped");
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn list_tools(&self) {
        let Some(tools) = &self.tools else { return output::note("no tools; start the chat with --mcp") };
        for tool in tools.tools() {
            let mark = if tools.approval.is_allowed(tool.name()) { " (runs without asking)" } else { "" };
            let about = match tool.definition() {
                ResponsesTool::Function(function) => function.description.clone().unwrap_or_default(),
                _ => String::new(),
            };
            output::note(format_args!("{}{mark}  {}", output::one_line(tool.name()), output::shortened(&about)));
        }
    }

    /// Shows the response until it ends or is interrupted. What was shown by then belongs to the conversation.
    async fn respond(&mut self, prompt: &Prompt) -> Result<Option<ChatResult>, Failure> {
        let started = tokio::select! {
            started = prompt.start(&self.context, self.shows_reasoning) => started,
            _ = tokio::signal::ctrl_c() => {
                self.count(None);
                output::note("stopped");
                return Ok(None);
            }
        };
        // Only the server knows that it charged nothing.
        if matches!(&started, Err(Failure::Call(error)) if error.as_api().is_none()) {
            self.count(None);
        }
        let mut shown = started?;
        let outcome = tokio::select! {
            result = shown.run() => Some(result),
            _ = tokio::signal::ctrl_c() => None,
        };
        match outcome {
            Some(Ok(result)) => {
                self.count(Some(&result));
                Ok(Some(result))
            }
            Some(Err(failure)) => {
                self.count(None);
                Err(failure)
            }
            None => {
                shown.end_line()?;
                output::note("stopped");
                self.count(None);
                Ok(shown.so_far())
            }
        }
    }

    fn count(&mut self, result: Option<&ChatResult>) {
        if let Some(budget) = &mut self.budget {
            budget.count(result.and_then(ChatResult::cost));
        }
    }
}

/// Begins and ends an entry of several lines.
const BLOCK: &str = "\"\"\"";

/// Returns to the editor whether an entry continues on the next line.
struct Lines;

impl Validator for Lines {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let entry = context.input().trim_end_matches(' ');
        let is_open =
            entry.trim_start().starts_with(BLOCK) && (entry.len() < 2 * BLOCK.len() || !entry.ends_with(BLOCK));
        Ok(if is_open || entry.ends_with('\\') { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Lines {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..position).unwrap_or_default();
        let commands = HELP.lines().filter(|line| line.starts_with('/')).filter_map(|line| line.split(' ').next());
        let found = commands.filter(|command| typed.starts_with('/') && command.starts_with(typed));
        Ok((0, found.map(str::to_owned).collect()))
    }
}

impl Hinter for Lines {
    type Hint = String;
}

impl Highlighter for Lines {}

impl Helper for Lines {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_several_lines_are_joined() {
        assert_eq!(unfolded("a \\\nb"), "a \nb");
        assert_eq!(unfolded("\"\"\"\na\n\nb\n\"\"\""), "a\n\nb");
        assert_eq!(unfolded("  plain "), "plain");
    }
}
