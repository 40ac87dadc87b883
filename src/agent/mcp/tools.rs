//! The tools of a server, as an agent gets them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::call::call;
use super::{Connection, McpServer};
use crate::agent::builder::Agent;
use crate::agent::context::ToolContext;
use crate::agent::tool::Tool;
use crate::models::responses::ResponsesTool;

/// How long the name of a tool may be for all providers.
const LONGEST_NAME: usize = 64;

/// Which calls of the tools of an MCP server need approval.
///
/// It goes by what the server says about its tools (`readOnlyHint`, `destructiveHint`), which is as trustworthy as the
/// server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum McpApproval {
    /// No call does.
    Never,
    /// A call of a tool that says it is destructive does. Tools that say nothing run without it.
    #[default]
    Destructive,
    /// A call of a tool that does not say it is read-only does.
    UnlessReadOnly,
    /// Every call does.
    Always,
}

impl McpApproval {
    fn is_needed(self, tool: &rmcp::model::Tool) -> bool {
        let hint = |hint: fn(&rmcp::model::ToolAnnotations) -> Option<bool>| {
            tool.annotations.as_ref().and_then(hint).unwrap_or_default()
        };
        let is_read_only = hint(|hints| hints.read_only_hint);
        match self {
            Self::Never => false,
            Self::Destructive => !is_read_only && hint(|hints| hints.destructive_hint),
            Self::UnlessReadOnly => !is_read_only,
            Self::Always => true,
        }
    }
}

/// The tools of an [`McpServer`], for [`Agent::mcp`].
///
/// The model sees them under the names of the server. Characters that providers do not allow in names become `_`, names are
/// cut after 64 characters, and those that are then the same get a number. Iterating gives the tools as they are now, for
/// an agent that is not to follow changes.
///
/// ```no_run
/// # fn with(agent: openrouter_kit::agent::Agent, files: openrouter_kit::agent::McpServer) -> openrouter_kit::agent::Agent {
/// use std::time::Duration;
///
/// use openrouter_kit::agent::McpApproval;
///
/// let tools = files
///     .tools()
///     .exclude(["move_file"])
///     .prefix("files")
///     .approval(McpApproval::UnlessReadOnly)
///     .configure(|tool| tool.timeout(Duration::from_secs(30)));
/// agent.mcp(tools)
/// # }
/// ```
#[derive(Clone)]
pub struct McpTools {
    connection: Arc<Connection>,
    prefix: String,
    included: Option<HashSet<String>>,
    excluded: HashSet<String>,
    approval: McpApproval,
    configure: Option<Arc<dyn Fn(Tool) -> Tool + Send + Sync>>,
}

impl McpTools {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            prefix: String::new(),
            included: None,
            excluded: HashSet::new(),
            approval: McpApproval::default(),
            configure: None,
        }
    }

    /// Sets what the names begin with, for agents with several servers: with the prefix `files`, the model sees the tool
    /// `read` as `files_read`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = format!("{}_", prefix.into());
        self
    }

    /// Leaves out all tools but these, by the names that the server gives them.
    #[must_use]
    pub fn include(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.included = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves out these tools, by the names that the server gives them.
    #[must_use]
    pub fn exclude(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.excluded.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets which calls need approval. By default, those of tools that say they are destructive do.
    #[must_use]
    pub const fn approval(mut self, approval: McpApproval) -> Self {
        self.approval = approval;
        self
    }

    /// Sets options of each tool, such as [`Tool::timeout`].
    #[must_use]
    pub fn configure(mut self, configure: impl Fn(Tool) -> Tool + Send + Sync + 'static) -> Self {
        self.configure = Some(Arc::new(configure));
        self
    }

    /// The tools as of now.
    fn current(&self) -> Vec<Tool> {
        let mut names = HashSet::new();
        let listed = self.connection.session.tools();
        let wanted = listed.iter().filter(|tool| {
            let name = tool.name.as_ref();
            self.included.as_ref().is_none_or(|names| names.contains(name)) && !self.excluded.contains(name)
        });
        wanted.map(|tool| self.tool(unique(&format!("{}{}", self.prefix, tool.name), &mut names), tool)).collect()
    }

    fn tool(&self, name: String, tool: &rmcp::model::Tool) -> Tool {
        let mut parameters = Map::clone(&tool.input_schema);
        parameters.remove("$schema");
        // Some providers refuse an object without it.
        parameters.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        let description = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
        let (connection, called) = (Arc::clone(&self.connection), tool.name.clone().into_owned());
        let handler = move |arguments: Map<String, Value>, context: ToolContext| {
            call(Arc::clone(&connection), called.clone(), arguments, context)
        };
        let definition = ResponsesTool::function(name, parameters).description(description);
        let mut made = Tool::with_definition(definition, handler).strict(false);
        if self.approval.is_needed(tool) {
            made = made.needs_approval();
        }
        self.configure.as_ref().map_or_else(|| made.clone(), |configure| configure(made.clone()))
    }
}

/// A name that all providers accept, and that none of `names` is; it is added to them.
fn unique(name: &str, names: &mut HashSet<String>) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let allowed = |letter: char| if is_allowed(letter) { letter } else { '_' };
    let name: String = name.chars().map(allowed).take(LONGEST_NAME).collect();
    let numbered = (2..).map(|number: usize| {
        let end = format!("_{number}");
        name.chars().take(LONGEST_NAME - end.len()).chain(end.chars()).collect()
    });
    let free = std::iter::once(name.clone()).chain(numbered).find(|name: &String| names.insert(name.clone()));
    free.unwrap_or(name)
}

impl IntoIterator for McpTools {
    type Item = Tool;
    type IntoIter = std::vec::IntoIter<Tool>;

    fn into_iter(self) -> Self::IntoIter {
        self.current().into_iter()
    }
}

/// All tools of the server, under its names.
impl From<&McpServer> for McpTools {
    fn from(server: &McpServer) -> Self {
        server.tools()
    }
}

impl fmt::Debug for McpTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools = self.current();
        let names = tools.iter().map(Tool::name).collect::<Vec<_>>();
        f.debug_struct("McpTools").field("tools", &names).field("approval", &self.approval).finish_non_exhaustive()
    }
}

impl Agent {
    /// Adds the tools of an MCP server: all of them with `&server`, or some of [`McpServer::tools`]. When the server
    /// changes its list, the next model call has the new one.
    #[must_use]
    pub fn mcp(self, tools: impl Into<McpTools>) -> Self {
        let tools = tools.into();
        self.tool_source(move || tools.current())
    }
}
