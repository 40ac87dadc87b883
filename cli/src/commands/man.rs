//! `man`: manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::Failure;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this directory, instead of printing the first one.
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: ManArgs) -> Result<(), Failure> {
    if let Some(directory) = args.dir {
        return clap_mangen::generate_to(Cli::command(), &directory)
            .map_err(|error| Failure::io(directory.display(), error));
    }
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page).map_err(|error| Failure::io("the page cannot be made", error))?;
    output::body(&page)
}
