//! `completions`: a script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Failure;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Shell to write for.
    shell: Shell,
}

pub(crate) fn run(args: CompletionsArgs) -> Result<(), Failure> {
    // The generator panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "openrouter", &mut script);
    output::body(&script)
}
