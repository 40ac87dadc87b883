//! The commands, one in each file.

pub(crate) mod api;
pub(crate) mod ask;
pub(crate) mod auth;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod credits;
pub(crate) mod devtools;
pub(crate) mod embed;
pub(crate) mod generation;
pub(crate) mod image;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod mock;
pub(crate) mod models;
pub(crate) mod replay;
pub(crate) mod rerank;
pub(crate) mod skill;
pub(crate) mod speech;
pub(crate) mod transcribe;
pub(crate) mod usage;
pub(crate) mod video;

use crate::cli::{Cli, Command};
use crate::client::Context;
use crate::exit::Failure;

/// Runs the command that was chosen.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let global = &cli.global;
    let context = || Context::new(global);
    match cli.command {
        None => ask::run_default(cli.ask, global).await,
        Some(Command::Ask(args)) => ask::run(args, global).await,
        Some(Command::Chat(args)) => chat::run(args, context()?).await,
        Some(Command::Models(args)) => models::run(args, context()?).await,
        Some(Command::Credits) => credits::run(context()?).await,
        Some(Command::Usage(args)) => usage::run(args, context()?).await,
        Some(Command::Generation(args)) => generation::run(args, context()?).await,
        Some(Command::Keys(args)) => keys::run(args, context()?).await,
        Some(Command::Image(args)) => image::run(args, context()?).await,
        Some(Command::Video(args)) => video::run(args, context()?).await,
        Some(Command::Speech(args)) => speech::run(args, context()?).await,
        Some(Command::Transcribe(args)) => transcribe::run(args, context()?).await,
        Some(Command::Embed(args)) => embed::run(args, context()?).await,
        Some(Command::Rerank(args)) => rerank::run(args, context()?).await,
        Some(Command::Api(args)) => api::run(args, context()?).await,
        Some(Command::Auth(args)) => auth::run(args, global).await,
        Some(Command::Config(args)) => config::run(args, global),
        Some(Command::Mock(args)) => mock::run(args).await,
        Some(Command::Skill(args)) => skill::run(args),
        Some(Command::Replay(args)) => replay::run(args).await,
        Some(Command::Devtools(args)) => devtools::run(args, global).await,
        Some(Command::Completions(args)) => completions::run(args),
        Some(Command::Man(args)) => man::run(args),
    }
}
