//! The command line as a whole: global options and the list of commands.

use std::time::Duration;

use clap::{ArgMatches, Args, Parser, Subcommand};

use crate::commands;
use crate::commands::ask::AskArgs;
use crate::exit::Failure;

/// Talk to AI models through OpenRouter.
///
/// Without a command, the prompt is sent to a model and the response is streamed to standard output:
///
///   openrouter "Why is the sky blue?"
///   git diff | openrouter "Review this change" -m openai/gpt-5
///   openrouter "What is this?" -a photo.jpg
///
/// Only the response goes to standard output; everything else goes to standard error.
#[derive(Debug, Parser)]
#[command(name = "openrouter", version, verbatim_doc_comment, max_term_width = 100, disable_help_subcommand = true, after_long_help = MORE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) ask: AskArgs,

    #[command(flatten)]
    pub(crate) global: Global,
}

const MORE: &str = "\
Environment:
  OPENROUTER_API_KEY   key, unless --profile names one
  OPENROUTER_MODEL     model of prompts
  OPENROUTER_PROFILE   profile to use
  OPENROUTER_BASE_URL  server URL
  NO_COLOR             no colors

Exit codes:
  0 success                     5 no credits, or --max-cost
  1 any other error             6 too many requests
  2 wrong arguments or input    7 network, timeout, cut off
  3 does not match the schema   8 stopped before the response
  4 no key, or not accepted     130 Ctrl-C";

/// Options of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Profile to use for the key, the server and defaults. Its key takes precedence over the environment.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Server URL, with the version path.
    #[arg(long, global = true, value_name = "URL", env = "OPENROUTER_BASE_URL", hide_env_values = true)]
    pub(crate) base_url: Option<String>,

    /// Time limit for each call: seconds, or a number with s, m or h.
    #[arg(long, global = true, value_name = "TIME", value_parser = crate::format::parse_duration)]
    pub(crate) timeout: Option<Duration>,

    /// Print the JSON of the API instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print the request as a curl command, without the key, instead of sending it.
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,

    /// Show each attempt on standard error, with headers but without secrets.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a prompt and print the response (the default command).
    Ask(AskArgs),
    /// Have a conversation with a model.
    Chat(commands::chat::ChatArgs),
    /// List, search and compare models.
    Models(commands::models::ModelsArgs),
    /// Show credits bought, spent and left.
    Credits,
    /// Show what was spent in the last 30 days.
    Usage(commands::usage::UsageArgs),
    /// Show cost, provider and timing of one past generation.
    Generation(commands::generation::GenerationArgs),
    /// Manage API keys (with a management key).
    Keys(commands::keys::KeysArgs),
    /// Generate images.
    Image(commands::image::ImageArgs),
    /// Generate a video.
    Video(commands::video::VideoArgs),
    /// Turn text into speech.
    Speech(commands::speech::SpeechArgs),
    /// Turn speech into text.
    Transcribe(commands::transcribe::TranscribeArgs),
    /// Compute embedding vectors, as one line of JSON per text.
    Embed(commands::embed::EmbedArgs),
    /// Sort documents by relevance to a query.
    Rerank(commands::rerank::RerankArgs),
    /// Call any operation of the API.
    Api(commands::api::ApiArgs),
    /// Sign in and out.
    Auth(commands::auth::AuthArgs),
    /// Show the configuration.
    Config(commands::config::ConfigArgs),
    /// Run a local server with a plausible response for every operation of the API, to try programs without a key.
    Mock(commands::mock::MockArgs),
    /// Install the skill with which coding agents use the Rust SDK.
    Skill(commands::skill::SkillArgs),
    /// Run a local server that responds as a recording did.
    Replay(commands::replay::ReplayArgs),
    /// Look at recorded calls: in a browser, or in the terminal.
    Devtools(commands::devtools::DevtoolsArgs),
    /// Print a completion script for a shell.
    Completions(commands::completions::CompletionsArgs),
    /// Print the manual page.
    Man(commands::man::ManArgs),
}

impl Cli {
    /// Whether the command decides by itself what Ctrl-C stops.
    pub(crate) fn handles_interrupts(&self) -> bool {
        matches!(self.command, Some(Command::Chat(_)))
    }
}

/// Checks what the parser cannot: options of a prompt before a command would be ignored.
pub(crate) fn check(matches: &ArgMatches) -> Result<(), Failure> {
    use clap::parser::ValueSource::CommandLine;

    let Some((command, _)) = matches.subcommand() else { return Ok(()) };
    let ask = AskArgs::augment_args(clap::Command::new("ask"));
    for argument in ask.get_arguments() {
        if matches.value_source(argument.get_id().as_str()) == Some(CommandLine) {
            let name = argument.get_long().map_or_else(|| "the prompt".to_owned(), |long| format!("--{long}"));
            return Err(Failure::Usage(format!("{name} is before the command; put it after `{command}`")));
        }
    }
    Ok(())
}

/// Whether the arguments look like a prompt whose words are not in quotes.
pub(crate) fn is_unquoted_prompt(error: &clap::Error) -> bool {
    use clap::error::{ContextKind, ContextValue, ErrorKind};

    let is_word = |value: &ContextValue| matches!(value, ContextValue::String(word) if !word.starts_with('-'));
    error.kind() == ErrorKind::UnknownArgument && error.get(ContextKind::InvalidArg).is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_prompt_without_quotes_is_recognized() {
        for (line, is_prompt) in [("openrouter Why is it", true), ("openrouter Why --nonsense", false)] {
            let Err(error) = Cli::command().try_get_matches_from(line.split(' ')) else { continue };
            assert_eq!(is_unquoted_prompt(&error), is_prompt, "{line}");
        }
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
