//! The client of a command, made from the options, the environment and the profile.

use std::env;

use openrouter_kit::OpenRouter;
use openrouter_kit::models::Secret;

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
        let mut builder = OpenRouter::builder()
            .env()
            .user_agent(concat!("openrouter-kit-cli/", env!("CARGO_PKG_VERSION")))
            .timeout(global.timeout);
        if let Some(url) = global.base_url.as_ref().or(profile.base_url.as_ref()) {
            builder = builder.server_url(url);
        }
        if global.dry_run {
            // The request is complete without a key; nothing is looked up or asked for.
            builder = builder.api_key("dry-run").hook(PrintRequest);
        } else if let Some((key, KeySource::Store(_))) = key(global, &config)? {
            builder = builder.api_key(key.into_exposed());
        }
        if global.verbose {
            builder = builder.hook(ShowAttempts);
        }
        Ok(Self { client: builder.build()?, config, profile, json: global.json })
    }
}

/// Returns the profile in use. One that was chosen by name must exist, in the configuration or with a key.
fn profile(global: &Global, config: &Config) -> Result<Profile, Failure> {
    let (name, is_chosen) = config.profile_name(global.profile.as_deref());
    match config.profiles.get(&name) {
        Some(profile) => Ok(profile.clone()),
        None if !is_chosen || keys::load(&name)?.is_some() => Ok(Profile::default()),
        None => Err(Failure::Usage(format!(
            "there is no profile {name:?}; run `openrouter auth login --profile {name}`, or add it to the configuration"
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
