//! The configuration file, profiles, and where files are.
//!
//! A setting is taken from the first of: the command line, the environment, the profile.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// The name of the profile that is used unless another is chosen.
const DEFAULT_PROFILE: &str = "default";

/// `config.toml`. Keys are never in it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The profile that is used unless another is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    /// Short names of models.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) aliases: BTreeMap<String, String>,
    /// MCP servers, by the names that `--mcp` and profiles use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) mcp: BTreeMap<String, McpConfig>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// Defaults that belong together.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The model of prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system: Option<String>,
    /// The server URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// Whether conversations are saved so that `-c` can continue them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) save: Option<bool>,
    /// The names of the MCP servers whose tools prompts may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mcp: Vec<String>,
}

/// An MCP server: a command or a URL.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct McpConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// The environment variable with the token for the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_env: Option<String>,
    /// Only these tools are offered, by the names that the server gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<String>,
    /// Calls of these tools run without asking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow: Vec<String>,
}

impl Config {
    /// Reads the file; without one, everything has its default.
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = config_file()?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::io(path.display(), error)),
        };
        // The whole error shows the line, which may hold a key by accident.
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            let line = error.span().and_then(|span| text.get(..span.start)).map(|text| text.lines().count().max(1));
            let line = line.map(|line| format!(", near line {line}")).unwrap_or_default();
            Failure::Usage(format!("{}{line}: {}", path.display(), without_keys(error.message())))
        })
    }

    /// Returns the name of the profile to use, and whether it was chosen or is the default.
    pub(crate) fn profile_name(&self, chosen: Option<&str>) -> (String, bool) {
        let of_environment = || env::var("OPENROUTER_PROFILE").ok().filter(|name| !name.is_empty());
        let chosen = chosen.map(str::to_owned).or_else(of_environment).or_else(|| self.profile.clone());
        let is_chosen = chosen.is_some();
        (chosen.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()), is_chosen)
    }

    /// Returns a model by its alias; `alias:nitro` keeps the variant.
    pub(crate) fn model(&self, name: &str) -> String {
        let (alias, variant) = name.split_once(':').map_or((name, None), |(alias, variant)| (alias, Some(variant)));
        match (self.aliases.get(alias), variant) {
            (Some(model), Some(variant)) => format!("{model}:{variant}"),
            (Some(model), None) => model.clone(),
            (None, _) => name.to_owned(),
        }
    }
}

/// Replaces everything that looks like a key.
pub(crate) fn without_keys(text: &str) -> String {
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let mut parts = text.split("sk-");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("sk-…");
        shown.push_str(part.trim_start_matches(is_key));
    }
    shown
}

/// Returns the file of the configuration.
pub(crate) fn config_file() -> Result<PathBuf, Failure> {
    Ok(config_dir()?.join("config.toml"))
}

/// Returns the directory of the configuration and of keys.
pub(crate) fn config_dir() -> Result<PathBuf, Failure> {
    directory("XDG_CONFIG_HOME", "APPDATA", ".config")
}

/// Returns the directory of conversations and the history.
pub(crate) fn data_dir() -> Result<PathBuf, Failure> {
    directory("XDG_DATA_HOME", "LOCALAPPDATA", ".local/share")
}

fn directory(variable: &str, windows: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let parent = absolute(variable)
        .or_else(|| absolute(windows).filter(|_| cfg!(windows)))
        .or_else(|| env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(below_home)));
    match parent {
        Some(parent) => Ok(parent.join("openrouter")),
        None => Err(Failure::Usage(format!("the home directory is unknown; set HOME or {variable}"))),
    }
}

/// Writes a file that only its user can read, in whole or not at all.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Failure> {
    let failed = |error| Failure::io(path.display(), error);
    create_private_dir(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let written = open_private(&temporary, false)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| drop(fs::remove_file(&temporary))).map_err(failed)
}

/// Opens a file that only its user can read, empty or to append to it.
pub(crate) fn open_private(path: &Path, append: bool) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true).append(append).truncate(!append);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Creates a directory that only its user can enter, unless it exists.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_keeps_the_variant() {
        let aliases = BTreeMap::from([("mini".to_owned(), "openai/gpt-4o-mini".to_owned())]);
        let config = Config { aliases, ..Config::default() };
        assert_eq!(config.model("mini"), "openai/gpt-4o-mini");
        assert_eq!(config.model("mini:nitro"), "openai/gpt-4o-mini:nitro");
        assert_eq!(config.model("a/b:free"), "a/b:free");
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(without_keys("invalid \"sk-or-v1-abc_9\", sk-2."), "invalid \"sk-…\", sk-….");
        assert_eq!(without_keys("nothing"), "nothing");
    }
}
