//! OpenRouter on the command line.
//!
//! Standard output has what a command returns and nothing else; notes, progress and errors go to standard error.

mod approval;
mod attachment;
mod budget;
mod cli;
mod client;
mod commands;
mod config;
mod devtools;
mod dry_run;
mod exit;
mod format;
mod keys;
mod output;
mod response;
mod run;
mod schema;
mod session;
mod suggest;
mod tools;
mod trace;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::Cli;
use crate::exit::Failure;

fn main() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            if cli::is_unquoted_prompt(&error) {
                output::note("tip: put the prompt in quotes: openrouter \"Why is the sky blue?\"");
            }
            return exit::code_of_parser(&error);
        }
    };
    let outcome = cli::check(&matches).and_then(|()| {
        let cli = Cli::from_arg_matches(&matches).map_err(|error| Failure::Usage(error.to_string()))?;
        run(cli)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime cannot be started", error))?;
    let outcome = runtime.block_on(async {
        // A chat decides by itself what an interrupt stops.
        if cli.handles_interrupts() {
            return commands::run(cli).await;
        }
        // The command goes first: an interrupt while it reads its input, before anything is sent, ends the program at once.
        tokio::select! {
            biased;
            outcome = commands::run(cli) => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    });
    // A thread that still waits for input must not keep the program alive.
    runtime.shutdown_background();
    outcome
}
