//! `skill`: the skill for coding agents, as files.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::exit::Failure;
use crate::output;

/// The directory of the skill, which agents know it by.
const NAME: &str = "openrouter-kit";

/// The files of the skill.
const FILES: &[(&str, &str)] = &[
    ("SKILL.md", include_str!("../../skills/openrouter-kit/SKILL.md")),
    ("references/errors.md", include_str!("../../skills/openrouter-kit/references/errors.md")),
    ("references/media.md", include_str!("../../skills/openrouter-kit/references/media.md")),
    ("references/migrating.md", include_str!("../../skills/openrouter-kit/references/migrating.md")),
    ("references/models-and-costs.md", include_str!("../../skills/openrouter-kit/references/models-and-costs.md")),
    ("references/streaming.md", include_str!("../../skills/openrouter-kit/references/streaming.md")),
    ("references/structured-output.md", include_str!("../../skills/openrouter-kit/references/structured-output.md")),
    ("references/testing.md", include_str!("../../skills/openrouter-kit/references/testing.md")),
    ("references/tools.md", include_str!("../../skills/openrouter-kit/references/tools.md")),
];

#[derive(Args, Debug)]
pub(crate) struct SkillArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the skill where coding agents look for it, and print the files.
    ///
    /// By default, it is written to .agents/skills of the current directory, which most agents read, and to
    /// .claude/skills if there is a .claude directory. Files that were changed are not overwritten.
    Install(InstallArgs),
}

#[derive(Args, Debug)]
struct InstallArgs {
    /// Agent to install the skill for; repeatable.
    #[arg(long, value_enum)]
    agent: Vec<Agent>,
    /// Install for all projects of this user.
    #[arg(long)]
    user: bool,
    /// Install into this directory.
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["agent", "user"])]
    dir: Option<PathBuf>,
    /// Overwrite files that were changed.
    #[arg(long)]
    force: bool,
}

/// Coding agents, by where they look for skills.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Agent {
    /// The directory that most agents read.
    Shared,
    Claude,
    Codex,
    Copilot,
    Cursor,
    Gemini,
    Opencode,
}

impl Agent {
    /// The directory of skills, below the project or the home directory.
    const fn directory(self, is_user: bool) -> &'static str {
        match (self, is_user) {
            (Self::Shared | Self::Codex, _) => ".agents/skills",
            (Self::Claude, _) => ".claude/skills",
            (Self::Copilot, false) => ".github/skills",
            (Self::Copilot, true) => ".copilot/skills",
            (Self::Cursor, _) => ".cursor/skills",
            (Self::Gemini, _) => ".gemini/skills",
            (Self::Opencode, false) => ".opencode/skills",
            (Self::Opencode, true) => ".config/opencode/skills",
        }
    }
}

pub(crate) fn run(args: SkillArgs) -> Result<(), Failure> {
    let Action::Install(args) = args.action;
    let mut files = Vec::new();
    for directory in directories(&args)? {
        files.extend(FILES.iter().map(|(name, content)| (directory.join(NAME).join(name), *content)));
    }
    let mut changed = Vec::new();
    for (path, content) in &files {
        match fs::read(path) {
            Ok(present) if present != content.as_bytes() => changed.push(path.display().to_string()),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::io(path.display(), error)),
            _ => {}
        }
    }
    if !changed.is_empty() && !args.force {
        let text = format!(
            "nothing was written: {} differ from this version; use --force to overwrite them",
            changed.join(", ")
        );
        return Err(Failure::Other(text));
    }
    for (path, content) in files {
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| Failure::io(path.display(), error))?;
        output::line(path.display())?;
    }
    Ok(())
}

/// The directories of skills to install into.
fn directories(args: &InstallArgs) -> Result<Vec<PathBuf>, Failure> {
    if let Some(directory) = &args.dir {
        return Ok(vec![directory.clone()]);
    }
    let base = match args.user {
        true => env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| {
            Failure::Usage("the home directory is unknown; set HOME, or name a directory with --dir".to_owned())
        })?,
        false => PathBuf::new(),
    };
    let mut agents = args.agent.clone();
    if agents.is_empty() {
        agents.push(Agent::Shared);
        if base.join(".claude").is_dir() {
            agents.push(Agent::Claude);
        }
    }
    let mut directories: Vec<_> = agents.iter().map(|agent| base.join(agent.directory(args.user))).collect();
    directories.dedup();
    Ok(directories)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_skill_is_installed() {
        let skill = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills").join(NAME);
        let mut names = Vec::new();
        for directory in ["", "references"] {
            for entry in fs::read_dir(skill.join(directory)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    names.push(path.strip_prefix(&skill).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        names.sort();
        assert_eq!(FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    }
}
