//! Replays a folder of recorded exchanges through a local server and reports how the crate reads them.
//!
//! Features: `full`, `mock`.
//!
//! ```text
//! cargo run --release --all-features --example replay -- DIR
//! ```
//!
//! Each file `*.json` in the folder is one exchange; `docs/recorded-traffic.md` describes the format. The report names
//! each exchange with something untyped and ends with a line of counts. The command fails if anything was lost or
//! aborted.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

#[path = "mod.rs"]
mod replay;

use std::path::Path;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: replay DIR, a directory with one JSON file per recorded exchange");
        return ExitCode::FAILURE;
    };
    let (recordings, unreadable) = match replay::recording::read_folder(Path::new(&folder)) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    };
    let mut report = replay::replay(&recordings).await;
    report.unreadable.extend(unreadable);
    print!("{report}");
    if report.failed().next().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
