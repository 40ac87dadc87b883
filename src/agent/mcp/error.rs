//! Why a server could not be reached or a call failed.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use rmcp::model::{ErrorData, ProtocolVersion};
use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use crate::agent::output::ToolError;
use crate::core::hidden;
use crate::core::transport::TransportError;
use crate::errors::{Cause, LONGEST, OneLine};

/// Why an MCP server could not be connected to, or a call of its tool failed.
///
/// It is the [source](ToolError::source) of the error of a call, which
/// [`Event::ToolFinished`](crate::agent::Event::ToolFinished) has:
///
/// ```
/// use openrouter_kit::agent::{McpError, McpErrorKind, ToolError};
///
/// fn is_connection_lost(error: &ToolError) -> bool {
///     let error = error.source().downcast_ref::<McpError>();
///     error.is_some_and(|error| error.kind() == McpErrorKind::Transport)
/// }
/// ```
pub struct McpError {
    kind: McpErrorKind,
    message: String,
    code: Option<i32>,
    status: Option<StatusCode>,
    source: Option<Cause>,
}

/// Where an [`McpError`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum McpErrorKind {
    /// The tool ran and reported an error in its result. The model sees it.
    Tool,
    /// The server responded with an error of the protocol, as for an unknown tool, or with something that is not MCP. The
    /// model sees only the error that its arguments are invalid ([`McpError::code`] -32602).
    Server,
    /// The server could not be reached, or the connection broke. The model sees a general sentence.
    Transport,
}

/// The code of JSON-RPC for invalid parameters.
const INVALID_PARAMS: i32 = -32602;

impl McpError {
    fn new(kind: McpErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, status: None, source: None }
    }

    pub(super) fn tool(message: String) -> Self {
        Self::new(McpErrorKind::Tool, message)
    }

    pub(super) fn unexpected(message: impl Into<String>) -> Self {
        Self::new(McpErrorKind::Server, message)
    }

    pub(super) fn transport(message: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self { source: Some(source.into()), ..Self::new(McpErrorKind::Transport, message) }
    }

    fn of_server(error: ErrorData) -> Self {
        let code = error.code.0;
        let message = format!("the MCP server responded with the error {code}: {}", error.message);
        Self { code: Some(code), ..Self::new(McpErrorKind::Server, message) }
    }

    /// Why a request failed.
    pub(super) fn of_service(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => Self::of_server(error),
            ServiceError::TransportSend(error) => Self::of_transport(error),
            ServiceError::TransportClosed => {
                Self::new(McpErrorKind::Transport, "the connection to the MCP server is closed")
            }
            error => {
                Self { source: Some(error.into()), ..Self::unexpected("the response of the MCP server is invalid") }
            }
        }
    }

    /// Why the connection failed.
    pub(super) fn of_handshake(error: ClientInitializeError) -> Self {
        match error {
            ClientInitializeError::JsonRpcError(error) => Self::of_server(error),
            ClientInitializeError::TransportError { error, .. } => Self::of_transport(error),
            ClientInitializeError::ConnectionClosed(_) => {
                Self::new(McpErrorKind::Transport, "the MCP server closed the connection before it was ready")
            }
            ClientInitializeError::NoCompatibleProtocolVersion { client_supported, server_supported } => {
                let list = |versions: &[ProtocolVersion]| {
                    versions.iter().map(ProtocolVersion::as_str).collect::<Vec<_>>().join(", ")
                };
                Self::unexpected(format!(
                    "the MCP server speaks only the protocol versions {}, and this client {} and those up to {}",
                    list(&server_supported),
                    list(&client_supported),
                    ProtocolVersion::LATEST_WITH_INITIALIZE,
                ))
            }
            // What the server said to the handshake that it has to know.
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => Self::of_handshake(*fallback),
            error => Self { source: Some(error.into()), ..Self::unexpected("the other side does not speak MCP") },
        }
    }

    fn of_transport(error: DynamicTransportError) -> Self {
        let failed = "the connection to the MCP server failed";
        let status = |status: u16, advice: &str| Self {
            status: StatusCode::from_u16(status).ok(),
            ..Self::new(McpErrorKind::Transport, format!("the MCP server responded with HTTP {status}{advice}"))
        };
        match error.error.downcast::<StreamableHttpError<TransportError>>().map(|error| *error) {
            Ok(StreamableHttpError::Client(error)) => Self::transport(failed, error),
            Ok(StreamableHttpError::HttpStatus(error)) => status(error.status, ""),
            Ok(StreamableHttpError::AuthRequired(_)) => status(401, "; set a valid header or `bearer_token`"),
            Ok(error) => Self::transport(failed, error),
            Err(error) => Self::transport(failed, error),
        }
    }

    /// Makes it the error of a call.
    pub(super) fn into_tool_error(self) -> ToolError {
        match self.code {
            // The arguments are the model's.
            Some(INVALID_PARAMS) => {
                let message = self.message.clone();
                ToolError::new(self).tell_model(message)
            }
            _ => ToolError::new(self),
        }
    }

    /// Returns where the error comes from.
    pub const fn kind(&self) -> McpErrorKind {
        self.kind
    }

    /// Returns the code of JSON-RPC, if the server responded with an error of the protocol.
    pub const fn code(&self) -> Option<i32> {
        self.code
    }

    /// Returns the HTTP status, if the server responded with one that is an error.
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }
}

impl fmt::Display for McpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine::new(&hidden::text(&self.message), LONGEST, "").fmt(f)
    }
}

impl fmt::Debug for McpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        std::iter::successors(self.source(), |error| (*error).source()).try_for_each(|source| {
            let source = source.to_string();
            write!(f, ": {}", OneLine::new(&hidden::text(&source), LONGEST, ""))
        })
    }
}

impl StdError for McpError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
