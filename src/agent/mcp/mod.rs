//! The tools of MCP servers (Model Context Protocol) as tools of agents.

mod call;
mod error;
mod http;
mod output;
mod session;
mod tools;

use std::fmt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::ProtocolVersion;
use rmcp::service::{Peer, RunningService};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ClientLifecycleMode, RoleClient, serve_client_with_lifecycle};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

pub use self::error::{McpError, McpErrorKind};
pub use self::http::McpHttp;
use self::session::{Client, Session, Tap, follow, must_be_followed};
pub use self::tools::{McpApproval, McpTools};
use crate::core::within::within;

/// How long the process of a server may take to end after its input was closed.
const GRACE: Duration = Duration::from_secs(2);

/// A connection to an MCP server, whose tools an [`Agent`](super::Agent) can use. Cloning it is cheap.
///
/// ```no_run
/// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::agent::McpServer;
/// use tokio::process::Command;
///
/// let files = McpServer::stdio(Command::new("npx").args(["-y", "@modelcontextprotocol/server-filesystem", "."])).await?;
/// let wiki = McpServer::http("https://mcp.deepwiki.com/mcp").await?;
///
/// let agent = client.agent("openai/gpt-4o-mini").mcp(files.tools().prefix("files")).mcp(&wiki);
/// println!("{}", agent.run("What is this project about?").await?.text()?);
/// # Ok(())
/// # }
/// ```
///
/// - [`Agent::mcp`](super::Agent::mcp) follows changes of the server's list of tools, also during a run.
/// - A call whose tool is destructive, by the annotations of the server, needs approval; see [`McpApproval`].
/// - Progress of a call is an [`Event::ToolProgress`](super::Event::ToolProgress) with the members `progress`, `total` and
///   `message`.
/// - Dropping a call, as a timeout or the end of a run does, cancels it on the server.
/// - An error that a tool reports is visible to the model. Any other failure is visible to the program alone; see
///   [`McpError`].
/// - Text, images, audio and embedded resources of a result become content parts. Everything else becomes its JSON.
///
/// The connection is closed when the last clone of the server, its [`McpTools`] and the agents with them is dropped.
#[derive(Clone)]
pub struct McpServer(Arc<Connection>);

struct Connection {
    name: String,
    instructions: Option<String>,
    peer: Peer<RoleClient>,
    session: Arc<Session>,
    /// `None` once the connection was closed.
    service: Mutex<Option<RunningService<RoleClient, Client>>>,
    process: Mutex<Option<Child>>,
    runtime: Handle,
}

impl McpServer {
    /// Starts a program that speaks MCP over its standard input and output, and connects to it.
    ///
    /// Its standard error goes where `command` says; by default, to that of this program. The process ends with the
    /// connection: its input is closed, and if it still runs two seconds later, it is killed.
    ///
    /// The future waits as long as the program takes to start; `npx`, for example, may download a package first.
    ///
    /// # Errors
    /// An [`McpError`] if the program cannot be started or does not speak MCP.
    pub async fn stdio(command: &mut Command) -> Result<Self, McpError> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = spawned.map_err(|error| McpError::transport(format!("cannot start {program:?}"), error))?;
        let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(McpError::transport("cannot start the MCP server", "its standard streams are not piped"));
        };
        let transport = AsyncRwTransport::new_client(stdout, stdin);
        match Self::connect(transport).await {
            Ok(mut connection) => {
                connection.process = Mutex::new(Some(child));
                Ok(Self(Arc::new(connection)))
            }
            Err(error) => Err(match child.try_wait() {
                Ok(Some(status)) => {
                    McpError::transport(format!("{program:?} ended before it spoke MCP: {status}"), error)
                }
                _ => error,
            }),
        }
    }

    /// Connects to a server over streamable HTTP. The connection is made when the result is awaited; headers can be set
    /// before.
    ///
    /// ```no_run
    /// # async fn run(token: String) -> Result<(), openrouter_kit::agent::McpError> {
    /// use openrouter_kit::agent::McpServer;
    ///
    /// let server = McpServer::http("https://api.githubcopilot.com/mcp/").bearer_token(token).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn http(url: impl Into<String>) -> McpHttp {
        McpHttp::new(url.into())
    }

    /// Connects to a server over a pair of byte streams, such as the halves of a socket, with a line per message.
    ///
    /// # Errors
    /// An [`McpError`] if the other side does not speak MCP.
    pub async fn io<R, W>(reader: R, writer: W) -> Result<Self, McpError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        Ok(Self(Arc::new(Self::connect(AsyncRwTransport::new_client(reader, writer)).await?)))
    }

    async fn connect<T: Transport<RoleClient> + 'static>(transport: T) -> Result<Connection, McpError> {
        let session = Arc::new(Session::default());
        let transport = Tap::new(transport, Arc::clone(&session));
        // A server of today answers `server/discover`, an older one refuses it and gets the handshake that it knows.
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        // The future holds all messages of the handshake.
        let client = Client::new(Arc::clone(&session));
        let service = Box::pin(serve_client_with_lifecycle(client, transport, lifecycle)).await;
        let service = service.map_err(McpError::of_handshake)?;
        let peer = service.peer().clone();
        let info = peer.peer_info();
        let info = info.as_deref();
        let name = info.and_then(|info| info.server_info.as_ref()).map(|server| server.name.clone());
        if info.is_some_and(|info| info.capabilities.tools.is_some()) {
            session.mark_stale();
            session.refresh(&peer).await?;
        }
        if info.is_some_and(must_be_followed) {
            tokio::spawn(follow(Arc::clone(&session), peer.clone()));
        }
        Ok(Connection {
            name: name.unwrap_or_default(),
            instructions: info.and_then(|info| info.instructions.clone()),
            peer,
            session,
            service: Mutex::new(Some(service)),
            process: Mutex::default(),
            runtime: Handle::current(),
        })
    }

    /// Returns the name that the server gives itself.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns what the server says about how to use it. It can be made a part of
    /// [`Agent::instructions`](super::Agent::instructions); it is not by itself, since it is text of someone else.
    pub fn instructions(&self) -> Option<&str> {
        self.0.instructions.as_deref()
    }

    /// Returns the tools of the server, with options: which of them, under which names, and which calls need approval.
    pub fn tools(&self) -> McpTools {
        McpTools::new(Arc::clone(&self.0))
    }

    /// Closes the connection, also for the clones and agents that use it, and waits until it is closed and the process of
    /// the server has ended. Calls in progress fail.
    pub async fn close(&self) {
        let service = take(&self.0.service);
        if let Some(service) = service {
            // An error would say that the task of the connection panicked; it is over in any case.
            service.cancel().await.ok();
        }
        let process = take(&self.0.process);
        if let Some(process) = process {
            end(process).await;
        }
    }
}

fn take<T>(value: &Mutex<Option<T>>) -> Option<T> {
    value.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Waits for a process whose input was closed, and kills it if it goes on.
async fn end(mut process: Child) {
    if within(Some(GRACE), process.wait()).await.is_err() {
        process.kill().await.ok();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closes the input of the process.
        drop(take(&self.service));
        if let Some(process) = take(&self.process) {
            self.runtime.spawn(end(process));
        }
    }
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools = self.0.session.tools();
        let names = tools.iter().map(|tool| tool.name.as_ref()).collect::<Vec<_>>();
        f.debug_struct("McpServer").field("name", &self.0.name).field("tools", &names).finish()
    }
}
