//! `config`: what is configured, and where.

use clap::{Args, Subcommand};
use openrouter_kit::serde_json::{Map, Value, json};

use crate::cli::Global;
use crate::config::{Config, config_file, without_keys};
use crate::exit::Failure;
use crate::keys;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the path of the configuration file.
    Path,
    /// Print the configuration, and where the keys of its profiles are.
    Show,
}

pub(crate) fn run(args: ConfigArgs, global: &Global) -> Result<(), Failure> {
    match args.action {
        Action::Path => output::line(config_file()?.display()),
        Action::Show => {
            let mut config = Config::load()?;
            hide_keys(&mut config);
            let (profile, _) = config.profile_name(global.profile.as_deref());
            let names = config.profiles.keys().chain([&profile]).collect::<std::collections::BTreeSet<_>>();
            let mut places = Vec::new();
            for name in names {
                let place = keys::load(name)?.map_or("none", |(_, store)| store.name());
                places.push((name, place));
            }
            if global.json {
                let places: Map<String, Value> =
                    places.iter().map(|(name, place)| ((*name).clone(), json!(place))).collect();
                return output::json(&json!({"config": config, "profile": profile, "keys": places}));
            }
            let text = toml::to_string(&config).map_err(|error| Failure::Other(error.to_string()))?;
            output::text(&text)?;
            for (name, place) in places {
                output::line(format_args!("# key of the profile {name:?}: {place}"))?;
            }
            Ok(())
        }
    }
}

/// Hides keys that were written where no keys belong.
fn hide_keys(config: &mut Config) {
    for server in config.mcp.values_mut() {
        for text in [&mut server.command, &mut server.url].into_iter().flatten() {
            *text = without_keys(text);
        }
    }
    for text in config.profiles.values_mut().filter_map(|profile| profile.system.as_mut()) {
        *text = without_keys(text);
    }
}
