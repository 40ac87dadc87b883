//! A call of a tool of a server.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest, ServerResult};
use rmcp::service::{PeerRequestOptions, RequestHandle, ServiceError};
use serde_json::{Map, Value};

use super::Connection;
use super::error::McpError;
use super::output::read_result;
use crate::agent::context::ToolContext;
use crate::agent::output::{ToolError, ToolOutput};
use crate::core::within::within;

/// How long the result of a call may wait for a new list of tools.
const REFRESH: Duration = Duration::from_secs(5);

/// Calls a tool by the name that the server gave it.
pub(super) async fn call(
    connection: Arc<Connection>,
    name: String,
    arguments: Map<String, Value>,
    context: ToolContext,
) -> Result<ToolOutput, ToolError> {
    let mut request = CallToolRequest::new(CallToolRequestParams::new(name).with_arguments(arguments));
    request.extensions.insert(context);
    let request = ClientRequest::CallToolRequest(request);
    let sent = connection.peer.send_request_with_option(request, PeerRequestOptions::no_options()).await;
    let handle = sent.map_err(|error| McpError::of_service(error).into_tool_error())?;
    let mut pending = Pending { connection: &connection, handle: Some(handle) };
    let result = pending.response().await;
    // If this call changed the tools, the next model call has the new ones. A list that is not available stays as it was.
    within(Some(REFRESH), connection.session.refresh(&connection.peer)).await.ok();
    let result = result.map_err(|error| McpError::of_service(error).into_tool_error())?;
    // As JSON, which also has the results that the types of the protocol do not know.
    read_result(&serde_json::to_value(result)?)
}

/// A call that was sent. Dropping it before its response cancels it on the server.
struct Pending<'a> {
    connection: &'a Connection,
    handle: Option<RequestHandle<RoleClient>>,
}

impl Pending<'_> {
    async fn response(&mut self) -> Result<ServerResult, ServiceError> {
        let Some(handle) = &mut self.handle else { return Err(ServiceError::TransportClosed) };
        let response = (&mut handle.rx).await.unwrap_or(Err(ServiceError::TransportClosed));
        self.connection.session.forget(&handle.progress_token);
        self.handle = None;
        response
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.connection.session.forget(&handle.progress_token);
            self.connection.runtime.spawn(handle.cancel(Some("the call was dropped".to_owned())));
        }
    }
}
