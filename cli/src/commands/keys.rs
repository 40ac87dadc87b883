//! `keys`: the API keys of an account. They need a management key.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Args, Subcommand, ValueEnum};
use openrouter_kit::core::wire::Patch;
use openrouter_kit::models::{ApiKey, ApiKeysListParams, CreateKeyRequest, ResetInterval, UpdateKeyRequest};

use crate::client::Context;
use crate::exit::Failure;
use crate::format::{parse_amount, rounded};
use crate::keys as store;
use crate::output::{self, Column, Table};

#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the keys.
    List {
        /// Include disabled keys.
        #[arg(long)]
        disabled: bool,
    },
    /// Create a key and print it. It cannot be shown again.
    Create {
        /// Name of the key.
        name: String,
        /// Spending limit in US dollars.
        #[arg(long, value_name = "USD", value_parser = parse_amount)]
        limit: Option<f64>,
        /// How often the limit resets.
        #[arg(long, value_enum)]
        limit_reset: Option<Reset>,
        /// When the key expires, such as 2027-01-31T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        /// Save the key for this profile instead of printing it.
        #[arg(long, value_name = "PROFILE")]
        save_as: Option<String>,
    },
    /// Change a key.
    Update {
        /// Hash of the key, see `openrouter keys list`.
        hash: String,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        /// Spending limit in US dollars, or `none`.
        #[arg(long, value_name = "USD", value_parser = parse_limit)]
        limit: Option<Limit>,
        /// How often the limit resets.
        #[arg(long, value_enum)]
        limit_reset: Option<Reset>,
        /// Disable the key.
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Enable the key.
        #[arg(long)]
        enable: bool,
    },
    /// Delete a key. Programs that use it will stop working.
    Delete {
        /// Hash of the key, see `openrouter keys list`.
        hash: String,
        /// Do not ask for confirmation.
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reset {
    Daily,
    Weekly,
    Monthly,
    /// Never.
    None,
}

/// A limit, or that there is none.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<f64>);

fn parse_limit(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        text => parse_amount(text).map(|amount| Limit(Some(amount))).map_err(|error| format!("{error}, or none")),
    }
}

impl Reset {
    const fn interval(self) -> Option<ResetInterval> {
        match self {
            Self::Daily => Some(ResetInterval::Daily),
            Self::Weekly => Some(ResetInterval::Weekly),
            Self::Monthly => Some(ResetInterval::Monthly),
            Self::None => None,
        }
    }
}

pub(crate) async fn run(args: KeysArgs, context: Context) -> Result<(), Failure> {
    let keys = context.client.api_keys();
    match args.action {
        Action::List { disabled } => {
            let mut params = ApiKeysListParams::new();
            params.include_disabled = disabled.then_some(true);
            let found = keys.list().params(params).items().collect().await?;
            if context.json {
                return output::json(&found);
            }
            list(&found)
        }
        Action::Create { name, limit, limit_reset, expires_at, save_as } => {
            let mut request = CreateKeyRequest::new(name);
            request.limit = limit;
            request.limit_reset = limit_reset.and_then(Reset::interval);
            request.expires_at = expires_at;
            let created = keys.create(request).await?;
            if let Some(profile) = save_as {
                let store = store::save(&profile, &created.key, None)?;
                output::note(format_args!("the key of the profile {profile:?} is in {}", store.name()));
                return Ok(());
            }
            if context.json {
                return output::json(&created);
            }
            output::note(format_args!("{} ({}); it cannot be shown again:", created.data.name, created.data.hash));
            output::line(created.key.expose())
        }
        Action::Update { hash, name, limit, limit_reset, disable, enable } => {
            let mut request = UpdateKeyRequest::new();
            request.name = name;
            request.limit = limit.map_or(Patch::Keep, |Limit(limit)| limit.map_or(Patch::Clear, Patch::Set));
            request.limit_reset =
                limit_reset.map_or(Patch::Keep, |reset| reset.interval().map_or(Patch::Clear, Patch::Set));
            request.disabled = (disable || enable).then_some(disable);
            let response = keys.update(hash, request).with_response().await?;
            if context.json {
                return output::body(&response.body);
            }
            list(&[response.value.data])
        }
        Action::Delete { hash, yes } => {
            if !yes {
                let key = keys.get(&hash).await?.data;
                confirm(format!("Delete the key {:?} ({})?", key.name, key.label)).await?;
            }
            let response = keys.delete(&hash).with_response().await?;
            if context.json {
                return output::body(&response.body);
            }
            output::note(format_args!("deleted {hash}"));
            Ok(())
        }
    }
}

fn list(keys: &[ApiKey]) -> Result<(), Failure> {
    let mut table = Table::new([
        ("NAME", Column::Text),
        ("KEY", Column::Text),
        ("SPENT", Column::Number),
        ("LIMIT", Column::Number),
        ("STATE", Column::Text),
        ("HASH", Column::Text),
    ]);
    for key in keys {
        table.row([
            key.name.clone(),
            key.label.clone(),
            rounded(key.usage),
            key.limit.map(rounded).unwrap_or_default(),
            if key.disabled { "disabled" } else { "enabled" }.to_owned(),
            key.hash.clone(),
        ]);
    }
    table.print()
}

/// Asks the person at the terminal. Without a terminal, nothing is done.
async fn confirm(question: String) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage("cannot ask without a terminal; confirm with `--yes`".to_owned()));
    }
    // In a thread of its own, so that Ctrl-C is noticed.
    let asking = tokio::task::spawn_blocking(move || {
        let mut reply = String::new();
        write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stdin().lock().read_line(&mut reply)).map(|_| reply)
    });
    match asking.await {
        Ok(Ok(reply)) if matches!(reply.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::Other("nothing was deleted".to_owned())),
    }
}
