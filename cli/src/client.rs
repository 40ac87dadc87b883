//! The client of a command, made from the options, the environment and the profile.

use std::env;
use std::time::Duration;

use openrouter_kit::models::Secret;
use openrouter_kit::{Error, OpenRouter};

use crate::cli::Global;
use crate::config::{Config, Profile};
use crate::dry_run::PrintRequest;
use crate::exit::Failure;
use crate::keys::{self, Store};
use crate::trace::ShowAttempts;

/// What a command needs to run.
pub(crate) struct Context {
    pub(crate) client: OpenRouter,
    pub(crate) config: Config,
    pub(crate) profile: Profile,
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    pub(crate) timeout: Option<Duration>,
}

/// Where the key of a call comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeySource {
    Environment,
    Store(Store),
}

impl Context {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let config = Config::load()?;
        let profile = profile(global, &config)?;
        // A dry run looks up no key and asks for none.
        let key = if global.dry_run { None } else { key(global, &config)? };
        let saved = key.filter(|(_, source)| matches!(source, KeySource::Store(_))).map(|(key, _)| key);
        Self::build(global, config, profile, saved)
    }

    /// A client for signing in to a profile, which may not exist yet.
    pub(crate) fn for_sign_in(global: &Global) -> Result<Self, Failure> {
        let config = Config::load()?;
        let profile = config.profiles.get(&config.profile_name(global.profile.as_deref()).0).cloned();
        Self::build(global, config, profile.unwrap_or_default(), None)
    }

    fn build(global: &Global, config: Config, profile: Profile, saved: Option<Secret>) -> Result<Self, Failure> {
        let mut builder = OpenRouter::builder()
            .env()
            .user_agent(concat!("openrouter-kit-cli/", env!("CARGO_PKG_VERSION")))
            .timeout(global.timeout);
        let of_environment = global.base_url.as_ref().filter(|url| !url.trim().is_empty());
        if let Some(url) = of_environment.or(profile.base_url.as_ref()) {
            builder = builder.server_url(url);
        }
        if let Some(key) = saved {
            builder = builder.api_key(key.into_exposed());
        }
        if global.dry_run {
            // The request is complete without a key.
            builder = builder.api_key("dry-run").hook(PrintRequest);
        }
        if global.verbose {
            builder = builder.hook(ShowAttempts);
        }
        let client = builder.build().map_err(|error| match &error {
            // It has another name on the command line.
            Error::InvalidRequest(invalid) if invalid.argument() == "server_url" => {
                Failure::Usage(format!("{error:#}").replace("`server_url`", "the server URL"))
            }
            _ => error.into(),
        })?;
        let Global { json, verbose, timeout, .. } = *global;
        Ok(Self { client, config, profile, json, verbose, timeout })
    }
}

/// Returns the profile in use. One that was chosen by name must exist, in the configuration or with a key.
fn profile(global: &Global, config: &Config) -> Result<Profile, Failure> {
    let (name, is_chosen) = config.profile_name(global.profile.as_deref());
    match config.profiles.get(&name) {
        Some(profile) => Ok(profile.clone()),
        None if !is_chosen || keys::load(&name)?.is_some() => Ok(Profile::default()),
        None => Err(Failure::Usage(format!(
            "unknown profile {name:?}; run `openrouter auth login --profile {name}`, or add it to the configuration"
        ))),
    }
}

/// Returns the key to use: of the profile that the command line names, or of the environment, or of the default profile.
pub(crate) fn key(global: &Global, config: &Config) -> Result<Option<(Secret, KeySource)>, Failure> {
    let of_store = |name: &str| keys::load(name).map(|found| found.map(|(key, store)| (key, KeySource::Store(store))));
    if let Some(name) = &global.profile
        && let Some(found) = of_store(name)?
    {
        return Ok(Some(found));
    }
    let of_environment = env::var("OPENROUTER_API_KEY").ok().filter(|key| !key.trim().is_empty());
    match of_environment {
        Some(key) => Ok(Some((key.into(), KeySource::Environment))),
        None => of_store(&config.profile_name(None).0),
    }
}
