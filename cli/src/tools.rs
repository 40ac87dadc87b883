//! Tools that the model may call: those of MCP servers, and web search.

use std::collections::HashSet;
use std::time::Duration;

use openrouter_kit::agent::{Agent, McpApproval, McpError, McpServer, McpTools, Tool};
use openrouter_kit::models::server_tools::OpenRouterWebSearchServerTool;
use tokio::process::Command;

use crate::approval::Approval;
use crate::client::Context;
use crate::config::McpConfig;
use crate::exit::{Failure, causes};
use crate::format::parse_duration;
use crate::output;
use crate::response::Prompt;

/// The options of a prompt that are about tools.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Tools")]
pub(crate) struct ToolArgs {
    /// Offer the tools of an MCP server: a command, a URL, or a name from the configuration; repeatable.
    #[arg(long, value_name = "COMMAND|URL|NAME")]
    mcp: Vec<String>,

    /// Ignore the MCP servers of the profile.
    #[arg(long, conflicts_with = "mcp")]
    no_mcp: bool,

    /// Offer only this tool; `read_*` is every tool that begins with `read_`; repeatable.
    #[arg(long = "tool", value_name = "NAME")]
    tools: Vec<String>,

    /// Run calls of this tool without asking; `read_*` is every tool that begins with `read_`; repeatable.
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,

    /// Run all calls without asking.
    #[arg(long)]
    yes: bool,

    /// Let the model search the web; OpenRouter runs and charges the searches.
    #[arg(long)]
    web: bool,

    /// Maximum number of requests to the model per prompt; the last one must be the response.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    max_steps: u64,

    /// Maximum time per prompt, not counting the time you take to approve calls.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    max_time: Duration,
}

/// The tools of all servers, and how far the model may go with them.
pub(crate) struct Toolbox {
    servers: Vec<Server>,
    selected: Vec<String>,
    pub(crate) approval: Approval,
    pub(crate) max_steps: u64,
    pub(crate) max_time: Duration,
}

struct Server {
    tools: McpTools,
    /// Which tools the configuration selects; empty for all.
    selected: Vec<String>,
}

/// A server to connect to.
struct Source {
    /// What the user called it.
    shown: String,
    /// Its name in the configuration.
    name: Option<String>,
    config: McpConfig,
}

impl ToolArgs {
    /// Connects to the servers; `None` if there are none.
    pub(crate) async fn open(&self, context: &Context) -> Result<Option<Toolbox>, Failure> {
        let sources = self.sources(context)?;
        if sources.is_empty() {
            let given = [(!self.tools.is_empty(), "--tool"), (!self.allow.is_empty(), "--allow"), (self.yes, "--yes")];
            return match given.iter().find(|(is_given, _)| *is_given) {
                Some((_, option)) => Err(Failure::Usage(format!("{option} needs tools; name a server with --mcp"))),
                None => Ok(None),
            };
        }
        let mut connected = Vec::new();
        for source in sources {
            let server = connect(&source, context).await?;
            connected.push((source, server));
        }
        let mut allowed = self.allow.clone();
        let (mut prefixes, has_several) = (HashSet::new(), connected.len() > 1);
        let mut servers = Vec::new();
        for (Source { name, config, .. }, server) in connected {
            let prefix = prefix(name.as_deref().unwrap_or(server.name()), &mut prefixes);
            let named = |names: Vec<String>| -> Vec<String> {
                names.into_iter().map(|name| if has_several { format!("{prefix}_{name}") } else { name }).collect()
            };
            let mut tools = server.tools().approval(if self.yes { McpApproval::Never } else { McpApproval::Always });
            if has_several {
                tools = tools.prefix(&prefix);
            }
            if let Some(limit) = context.timeout {
                tools = tools.configure(move |tool| tool.timeout(limit));
            }
            allowed.extend(named(config.allow));
            servers.push(Server { tools, selected: named(config.tools) });
        }
        let toolbox = Toolbox {
            servers,
            selected: self.tools.clone(),
            approval: Approval::new(allowed),
            max_steps: self.max_steps,
            max_time: self.max_time,
        };
        toolbox.check()?;
        Ok(Some(toolbox))
    }

    /// Adds web search to a prompt.
    pub(crate) fn add_web(&self, prompt: &mut Prompt) {
        if self.web {
            prompt.request.tools = Some(vec![OpenRouterWebSearchServerTool::new().into()]);
        }
    }

    /// The servers of the command line, or else those of the profile.
    fn sources(&self, context: &Context) -> Result<Vec<Source>, Failure> {
        if !self.mcp.is_empty() {
            return self.mcp.iter().map(|text| source(text, context)).collect();
        }
        if self.no_mcp {
            return Ok(Vec::new());
        }
        let named = context.profile.mcp.iter().map(|name| match context.config.mcp.get(name) {
            Some(_) => source(name, context),
            None => Err(Failure::Usage(format!(
                "the profile uses the MCP server {name:?}, which the configuration does not have; add [mcp.{name}]"
            ))),
        });
        named.collect()
    }
}

fn source(text: &str, context: &Context) -> Result<Source, Failure> {
    let shown = text.to_owned();
    if let Some(config) = context.config.mcp.get(text) {
        return Ok(Source { shown, name: Some(text.to_owned()), config: config.clone() });
    }
    let config = match ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme)) {
        true => McpConfig { url: Some(text.to_owned()), ..McpConfig::default() },
        false => McpConfig { command: Some(text.to_owned()), ..McpConfig::default() },
    };
    Ok(Source { shown, name: None, config })
}

async fn connect(source: &Source, context: &Context) -> Result<McpServer, Failure> {
    let Source { shown, config, .. } = source;
    let connecting = async {
        match (&config.command, &config.url) {
            (Some(command), None) => {
                let mut command = command_of(command, context.verbose)?;
                Ok(McpServer::stdio(&mut command).await)
            }
            (None, Some(url)) => {
                let mut server = McpServer::http(url);
                if let Some(variable) = &config.token_env {
                    let token = std::env::var(variable).map_err(|_| {
                        let text =
                            format!("the MCP server {shown:?} needs the environment variable {variable}; set it");
                        Failure::Usage(text)
                    })?;
                    server = server.bearer_token(token);
                }
                Ok(server.await)
            }
            _ => Err(Failure::Usage(format!("[mcp.{shown}] needs either `command` or `url`"))),
        }
    };
    let connected = match context.timeout {
        Some(limit) => tokio::time::timeout(limit, connecting).await.map_err(|_| {
            Failure::Other(format!("the MCP server {shown:?} did not start within {limit:?}; raise --timeout"))
        })?,
        None => connecting.await,
    };
    connected?.map_err(|error: McpError| {
        let text = causes(&error);
        let has_printed = config.command.is_some() && !text.starts_with("cannot start");
        let hint = if has_printed && !context.verbose { "; -v shows what it prints" } else { "" };
        Failure::Other(format!("the MCP server {shown:?} cannot be used: {text}{hint}"))
    })
}

/// The command of a server. It gets no signals of the terminal, so that Ctrl-C ends a response and not the server, and
/// not the key of this program.
fn command_of(text: &str, is_verbose: bool) -> Result<Command, Failure> {
    let words = shlex::split(text).filter(|words| !words.is_empty());
    let Some((program, arguments)) = words.as_ref().and_then(|words| words.split_first()) else {
        let advice = "write a program with its arguments, and close all quotes";
        return Err(Failure::Usage(format!("{text:?} is not a command; {advice}")));
    };
    let mut command = Command::new(program);
    command.args(arguments).env_remove("OPENROUTER_API_KEY");
    if !is_verbose {
        command.stderr(std::process::Stdio::null());
    }
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    }
    Ok(command)
}

/// What the names of the tools of a server begin with if there are several servers.
fn prefix(name: &str, taken: &mut HashSet<String>) -> String {
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = name.chars().map(allowed).take(20).collect();
    let name = if name.is_empty() { "mcp".to_owned() } else { name };
    let mut number = 1;
    let mut free = name.clone();
    while !taken.insert(free.clone()) {
        number += 1;
        free = format!("{name}{number}");
    }
    free
}

/// Whether a name is among these names, which may end with `*`. No name at all means every name.
fn is_selected(name: &str, selected: &[String]) -> bool {
    selected.is_empty() || matches_any(name, selected)
}

/// Whether a name is among these names, which may end with `*`.
pub(crate) fn matches_any(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    })
}

impl Toolbox {
    /// Adds the tools to an agent. It follows a server whose list of tools changes.
    pub(crate) fn add_to(&self, mut agent: Agent) -> Agent {
        for server in &self.servers {
            let (tools, own, selected) = (server.tools.clone(), server.selected.clone(), self.selected.clone());
            agent = agent.tool_source(move || current(&tools, &own, &selected));
        }
        agent
    }

    /// The names of the tools, and what they do.
    pub(crate) fn tools(&self) -> impl Iterator<Item = Tool> {
        self.servers.iter().flat_map(|server| current(&server.tools, &server.selected, &self.selected))
    }

    /// Checks that every name that the user gave names something.
    fn check(&self) -> Result<(), Failure> {
        let all: Vec<_> = self.servers.iter().flat_map(|server| server.tools.clone()).collect();
        for name in &self.selected {
            if !all.iter().any(|tool| matches_any(tool.name(), std::slice::from_ref(name))) {
                let names = all.iter().map(Tool::name).collect::<Vec<_>>().join(", ");
                return Err(Failure::Usage(format!("no tool is called {name:?}; the tools are: {names}")));
            }
        }
        if self.tools().next().is_none() {
            output::note("the MCP servers offer no tools");
        }
        Ok(())
    }
}

fn current(tools: &McpTools, own: &[String], selected: &[String]) -> Vec<Tool> {
    let is_wanted = |tool: &Tool| is_selected(tool.name(), own) && is_selected(tool.name(), selected);
    tools.clone().into_iter().filter(is_wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_selected_whole_or_by_their_beginning() {
        let names = ["read_file".to_owned(), "list_*".to_owned()];
        for (name, is_among) in [("read_file", true), ("read_files", false), ("list_", true), ("list_dir", true)] {
            assert_eq!(matches_any(name, &names), is_among, "{name}");
        }
        assert!(is_selected("anything", &[]) && !matches_any("anything", &[]));
    }

    #[test]
    fn servers_of_the_same_name_get_different_prefixes() {
        let mut taken = HashSet::new();
        let names = ["files", "files", "my files!", "", "files"].map(|name| prefix(name, &mut taken));
        assert_eq!(names, ["files", "files2", "my_files_", "mcp", "files3"]);
    }

    #[test]
    fn a_command_is_split_as_a_shell_does() {
        let Ok(command) = command_of("npx -y 'my server' \"a b\"", false) else { unreachable!("it is a command") };
        let arguments: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(arguments, ["-y", "my server", "a b"]);
        assert!(command_of("unclosed '", false).is_err() && command_of(" ", false).is_err());
    }
}
