//! Asking the person at the terminal whether a tool call may run.

use std::fs::File;
use std::io::{self, IsTerminal};

use openrouter_kit::agent::ToolCall;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Behavior, Config, Editor};

use crate::exit::Failure;
use crate::output;
use crate::tools::matches_any;

const QUESTION: &str = "Run it? y = yes, a = always this tool, n = no, or say why not: ";

/// Which calls may run.
pub(crate) struct Approval {
    /// The tools whose calls run without asking, by name.
    allowed: Vec<String>,
}

/// What was decided about a call.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    Run,
    /// The model gets the reason.
    Refuse(String),
}

impl Approval {
    pub(crate) fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// Whether calls of this tool run without asking.
    pub(crate) fn is_allowed(&self, tool: &str) -> bool {
        matches_any(tool, &self.allowed)
    }

    /// Decides about a call, by asking if there is a terminal to ask on.
    pub(crate) async fn decide(&mut self, call: &ToolCall) -> Result<Decision, Failure> {
        let name = output::one_line(call.name());
        if self.is_allowed(call.name()) {
            return Ok(Decision::Run);
        }
        if !can_ask() {
            output::note(format_args!("[{name} was not run: it needs approval; use --allow {name} or --yes]"));
            return Ok(Decision::Refuse("nobody is there to approve it".to_owned()));
        }
        // All of the arguments: what is not seen cannot be approved.
        output::note(format_args!("\nThe model wants to call {name} with {}", output::one_line(call.arguments())));
        let reply = match ask().await? {
            Some(reply) => reply,
            None => return Err(Failure::Interrupted),
        };
        Ok(match reply.trim() {
            "y" | "Y" | "yes" => Decision::Run,
            "a" | "A" | "always" => {
                self.allowed.push(call.name().to_owned());
                Decision::Run
            }
            "" | "n" | "N" | "no" => Decision::Refuse("the user does not want it".to_owned()),
            reason => Decision::Refuse(reason.to_owned()),
        })
    }
}

/// Whether a person reads standard error and has a keyboard, even if standard input is a file.
fn can_ask() -> bool {
    let terminal = if cfg!(windows) { "CONIN$" } else { "/dev/tty" };
    io::stderr().is_terminal() && (io::stdin().is_terminal() || File::open(terminal).is_ok())
}

/// Reads a line from the terminal; `None` after Ctrl-C or Ctrl-D.
async fn ask() -> Result<Option<String>, Failure> {
    let asking = tokio::task::spawn_blocking(|| {
        // The terminal itself, since standard input and output may be files.
        let config = Config::builder().behavior(Behavior::PreferTerm).build();
        Editor::<(), _>::with_history(config, MemHistory::new()).and_then(|mut editor| editor.readline(QUESTION))
    });
    let asked = tokio::select! {
        asked = asking => asked.map_err(|error| Failure::Other(error.to_string()))?,
        // A terminal without editing reports Ctrl-C as a signal.
        _ = tokio::signal::ctrl_c() => return Ok(None),
    };
    match asked {
        Ok(reply) => Ok(Some(reply)),
        Err(ReadlineError::Interrupted | ReadlineError::Eof) => Ok(None),
        Err(error) => Err(Failure::Other(format!("the terminal cannot be read: {error}"))),
    }
}
