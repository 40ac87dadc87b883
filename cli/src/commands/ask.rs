//! `ask`: one prompt, one response.

use std::io::{self, IsTerminal};

use clap::{Args, CommandFactory};
use openrouter_kit::helpers::Usd;
use openrouter_kit::models::{ChatContentPart, ChatMessage, ChatRequest, ChatResult, ProviderPreferences};
use openrouter_kit::serde_json::{self, Value};

use crate::attachment;
use crate::budget::Budget;
use crate::cli::{Cli, Global};
use crate::client::Context;
use crate::exit::Failure;
use crate::format::parse_dollars;
use crate::output;
use crate::response::{self, Prompt, Reply};
use crate::run::{self, Ran, Show};
use crate::schema::Schema;
use crate::session::{Session, SessionArgs};
use crate::suggest;
use crate::tools::{ToolArgs, Toolbox};

/// The model if nothing names another: OpenRouter chooses one by the prompt.
const DEFAULT_MODEL: &str = "openrouter/auto";

#[derive(Args, Clone, Debug)]
pub(crate) struct AskArgs {
    /// What to ask, in quotes. Text from standard input and `-f` goes before it.
    pub(crate) prompt: Option<String>,

    #[command(flatten)]
    pub(crate) model: ModelArgs,

    /// Add a text file to the prompt; `-` is standard input.
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) files: Vec<String>,

    /// Attach an image, PDF, recording or video: a path, a URL, or `-` for standard input.
    #[arg(short, long = "attach", value_name = "FILE|URL")]
    pub(crate) attachments: Vec<String>,

    /// Require JSON that matches a schema: a file, JSON, or fields such as 'name, age int, tags [str]'.
    #[arg(long, value_name = "SCHEMA", conflicts_with_all = ["jsonl", "extract"])]
    pub(crate) schema: Option<String>,

    /// Print each event of the response as a line of JSON.
    #[arg(long, conflicts_with_all = ["json", "no_stream", "extract"])]
    pub(crate) jsonl: bool,

    /// Print the response when it is complete instead of streaming it.
    #[arg(long)]
    pub(crate) no_stream: bool,

    /// Print only the first code block of the response.
    #[arg(short = 'x', long)]
    pub(crate) extract: bool,

    /// Show tokens and cost on standard error.
    #[arg(short, long)]
    pub(crate) usage: bool,

    /// Hide the model's reasoning.
    #[arg(short = 'R', long)]
    pub(crate) hide_reasoning: bool,

    #[command(flatten)]
    pub(crate) session: SessionArgs,

    #[command(flatten)]
    pub(crate) tools: ToolArgs,
}

/// Which model is asked, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// Model to ask, such as openai/gpt-5 or an alias; repeat it for fallbacks [env: OPENROUTER_MODEL].
    #[arg(short, long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,

    /// Use the model whose name contains these words.
    #[arg(short, long, value_name = "WORDS", conflicts_with = "models")]
    pub(crate) query: Option<String>,

    /// System prompt.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) system: Option<String>,

    /// Set a field of the request, such as temperature=0.2; values are JSON or text.
    #[arg(short, long = "option", value_name = "NAME=VALUE", value_parser = parse_option)]
    pub(crate) options: Vec<(String, Value)>,

    /// Maximum cost in US dollars: the response is kept short enough, or the prompt is refused.
    #[arg(long, value_name = "USD", value_parser = parse_dollars)]
    pub(crate) max_cost: Option<Usd>,
}

impl ModelArgs {
    /// Returns the models to use, in order.
    pub(crate) async fn models(&self, context: &Context) -> Result<Vec<String>, Failure> {
        if let Some(words) = &self.query {
            let model = suggest::find(words, context).await?;
            output::hint(format_args!("using {model}"));
            return Ok(vec![model]);
        }
        if !self.models.is_empty() {
            return Ok(self.models.iter().map(|model| context.config.model(model)).collect());
        }
        let of_environment = std::env::var("OPENROUTER_MODEL").ok().filter(|model| !model.is_empty());
        let model = of_environment.or_else(|| context.profile.model.clone());
        Ok(vec![context.config.model(model.as_deref().unwrap_or(DEFAULT_MODEL))])
    }

    /// Returns a request to these models, still without messages.
    pub(crate) fn prompt(&self, models: &[String]) -> Prompt {
        let mut request = ChatRequest::new(Vec::<ChatMessage>::new());
        request.model = models.first().cloned();
        request.models = models.get(1..).filter(|fallbacks| !fallbacks.is_empty()).map(<[_]>::to_vec);
        Prompt { request, options: self.options.clone() }
    }

    /// Returns the system prompt of the command line or the profile.
    pub(crate) fn system(&self, context: &Context) -> Option<String> {
        self.system.clone().or_else(|| context.profile.system.clone())
    }
}

/// Reads `name=value`; the value is JSON, or else text.
fn parse_option(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some(("stream", _)) => Err("whether to stream is set with --no-stream".to_owned()),
        Some((name, value)) if !name.is_empty() => {
            let json = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            Ok((name.to_owned(), json))
        }
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// Runs the command without its name. A word that is nearly a command is not sent: it would cost something.
pub(crate) async fn run_default(args: AskArgs, global: &Global) -> Result<(), Failure> {
    if let Some(word) = args.prompt.as_deref().filter(|prompt| !prompt.contains(char::is_whitespace)) {
        let command = Cli::command();
        let mut names = command.get_subcommands().map(clap::Command::get_name);
        if let Some(name) = names.find(|name| strsim::damerau_levenshtein(name, word) == 1) {
            let text = format!("{word:?} is not a command; did you mean `{name}`? To send it: openrouter ask {word:?}");
            return Err(Failure::Usage(text));
        }
    }
    run(args, global).await
}

pub(crate) async fn run(args: AskArgs, global: &Global) -> Result<(), Failure> {
    let content = content(&args)?;
    let schema = args.schema.as_deref().map(Schema::read).transpose()?;
    let context = Context::new(global)?;
    let mut session = Session::open(&args.session, context.profile.save.unwrap_or(true) && !global.dry_run)?;
    let models = args.model.models(&context).await?;
    let mut prompt = args.model.prompt(&models);

    let mut sent = Vec::new();
    // A conversation that continues has its system prompt already.
    if let Some(system) = args.model.system(&context).filter(|_| session.len() == 0 || args.model.system.is_some()) {
        sent.push(ChatMessage::system(system));
    }
    sent.push(match content {
        Content::Text(text) => ChatMessage::user(text),
        Content::Parts(parts) => ChatMessage::user(parts),
    });
    prompt.request.messages = session.messages().chain(&sent).cloned().collect();
    if let Some(schema) = &schema {
        prompt.request.response_format = Some(schema.response_format());
        prompt.request.provider = Some(ProviderPreferences::new().require_parameters(true));
    }
    args.tools.add_web(&mut prompt);
    let mut budget = args.model.max_cost.map(Budget::new);
    let (reply, outcome) = match args.tools.open(&context).await? {
        Some(mut toolbox) => {
            let ran = run_tools(&args, &mut toolbox, &prompt, schema.as_ref(), budget.as_mut(), &context).await;
            // Calls may have had their effects, so that the conversation keeps them however the run ended.
            let outcome = print(&args, &ran, schema.as_ref(), context.json);
            (ran.reply, ran.outcome.and(outcome))
        }
        None => {
            if let Some(budget) = &mut budget {
                budget.apply(&mut prompt, &context).await?;
            }
            match respond(&args, &prompt, schema.as_ref(), &context).await {
                Ok(result) => (result.as_ref().map(Reply::from).unwrap_or_default(), Ok(())),
                Err(failure) => (Reply::default(), Err(failure)),
            }
        }
    };
    session.add(sent, reply)?;
    if let Some(error) = outcome.as_ref().err().and_then(Failure::as_call) {
        let requested: Vec<_> = models.iter().map(String::as_str).collect();
        suggest::similar(&requested, error, &context).await;
    }
    outcome
}

async fn run_tools(
    args: &AskArgs,
    toolbox: &mut Toolbox,
    prompt: &Prompt,
    schema: Option<&Schema>,
    budget: Option<&mut Budget>,
    context: &Context,
) -> Ran {
    let show = if args.jsonl {
        Show::Events
    } else if context.json || args.no_stream || args.extract || schema.is_some() {
        Show::Nothing
    } else {
        Show::Text { reasoning: !args.hide_reasoning && io::stderr().is_terminal() }
    };
    let ran = toolbox.run(prompt, schema, show, budget, context).await;
    if args.usage {
        run::show_usage(&ran.run, &ran.reply);
    }
    ran
}

/// Prints what a run came to, as far as it was not shown.
fn print(args: &AskArgs, ran: &Ran, schema: Option<&Schema>, json: bool) -> Result<(), Failure> {
    if ran.outcome.is_err() || args.jsonl {
        return Ok(());
    }
    let checked = schema.zip(ran.parsed.clone()).map(|(schema, parsed)| schema.check(parsed)).transpose()?;
    let text = ran.text.as_deref().unwrap_or_default();
    match checked {
        _ if json => output::json(&ran.run),
        Some(json) => output::line(json),
        None if args.extract => output::line(first_code_block(text).unwrap_or(text).trim_end()),
        None if text.is_empty() => Ok(()),
        None => output::line(text.trim_end_matches('\n')),
    }
}

/// Sends the prompt and prints the response. Events that were printed one by one make no response.
async fn respond(
    args: &AskArgs,
    prompt: &Prompt,
    schema: Option<&Schema>,
    context: &Context,
) -> Result<Option<ChatResult>, Failure> {
    if args.jsonl {
        prompt.print_events(context).await?;
        return Ok(None);
    }
    let result = if context.json || args.no_stream || args.extract || schema.is_some() {
        let (result, body) = prompt.send(context).await?;
        if args.usage {
            response::show_usage(&result);
        }
        if let Some(schema) = schema {
            let json = schema.check(result.parse()).inspect_err(|_| response::warn(&result))?;
            if !context.json {
                output::line(json)?;
                return Ok(Some(result));
            }
        }
        let text = result.text().unwrap_or_default();
        if context.json {
            output::body(&body)?;
        } else if args.extract {
            output::line(first_code_block(&text).unwrap_or(&text).trim_end())?;
        } else if !text.is_empty() {
            output::line(text.trim_end_matches('\n'))?;
        }
        result
    } else {
        let shows_reasoning = !args.hide_reasoning && io::stderr().is_terminal();
        let result = prompt.start(context, shows_reasoning).await?.run().await?;
        if args.usage {
            response::show_usage(&result);
        }
        result
    };
    if !context.json {
        response::warn(&result);
    }
    Ok(Some(result))
}

/// What the user says.
enum Content {
    Text(String),
    Parts(Vec<ChatContentPart>),
}

/// Puts the prompt together: files, standard input if something is piped into it, the words of the command line.
fn content(args: &AskArgs) -> Result<Content, Failure> {
    let named = args.files.iter().chain(&args.attachments).filter(|source| *source == "-").count();
    if named > 1 {
        return Err(Failure::Usage("standard input can be read once; name `-` once".to_owned()));
    }
    let mut texts = Vec::new();
    for file in &args.files {
        texts.push(attachment::read_text(file)?);
    }
    if named == 0 && !io::stdin().is_terminal() {
        texts.push(attachment::read_stdin()?);
    }
    texts.extend(args.prompt.clone());
    texts.retain(|text| !text.trim().is_empty());
    let text = texts.join("\n\n");
    if args.attachments.is_empty() {
        if text.is_empty() {
            let usage =
                "the prompt is missing; write one in quotes, pipe text into the command, or see `openrouter --help`";
            return Err(Failure::Usage(usage.to_owned()));
        }
        return Ok(Content::Text(text));
    }
    let mut parts = Vec::new();
    if !text.is_empty() {
        parts.push(ChatContentPart::text(text));
    }
    for source in &args.attachments {
        parts.push(attachment::read(source)?);
    }
    Ok(Content::Parts(parts))
}

/// The content of the first fenced code block.
fn first_code_block(text: &str) -> Option<&str> {
    let mut start = None;
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        let marks = content.chars().take_while(|letter| *letter == '`').count();
        match start {
            None if marks >= 3 => start = Some((position + line.len(), marks)),
            Some((start, opened)) if marks >= opened && marks == content.len() => return text.get(start..position),
            _ => {}
        }
        position += line.len();
    }
    // A block that the response does not close ends with it.
    start.and_then(|(start, _)| text.get(start..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_code_block_is_found() {
        for (text, block) in [
            ("Here:\n```rust\nfn a() {}\n```\nand\n```\nb\n```", Some("fn a() {}\n")),
            ("````md\n```\ninner\n```\n````\n", Some("```\ninner\n```\n")),
            ("```sh\nls", Some("ls")),
            ("none `here`", None),
            ("```", Some("")),
        ] {
            assert_eq!(first_code_block(text), block, "{text}");
        }
    }

    #[test]
    fn an_option_is_json_or_text() {
        assert_eq!(parse_option("temperature=0.2"), Ok(("temperature".to_owned(), 0.2.into())));
        assert_eq!(parse_option("reasoning_effort=high"), Ok(("reasoning_effort".to_owned(), "high".into())));
        assert_eq!(parse_option("stop=[\"a=b\"]"), Ok(("stop".to_owned(), serde_json::json!(["a=b"]))));
        assert!(parse_option("a").is_err() && parse_option("=1").is_err() && parse_option("stream=false").is_err());
    }
}
