//! What a connection knows: its tools, and who gets the progress of which call.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientJsonRpcMessage, ClientRequest, ErrorData, GetExtensions, GetMeta,
    Implementation, JsonRpcMessage, PaginatedRequestParams, ProgressNotificationParam, ProgressToken, ProtocolVersion,
    RequestId, ServerJsonRpcMessage, ServerNotification, ServerPeerInfo, ServerResult, SubscriptionFilter,
};
use rmcp::service::{NotificationContext, Peer, RoleClient};
use rmcp::transport::Transport;
use serde_json::{Map, Value};

use super::error::McpError;
use crate::agent::context::ToolContext;
use crate::core::time::sleep;

/// How many pages a list of tools may have.
const MOST_PAGES: usize = 1000;

/// How long to wait before changes are followed again.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Session {
    tools: Mutex<Arc<[rmcp::model::Tool]>>,
    /// How often the list was said to have changed, and how many of these changes `tools` has.
    changes: AtomicU64,
    known_changes: AtomicU64,
    refreshing: tokio::sync::Mutex<()>,
    /// The calls whose progress is wanted.
    calls: Mutex<HashMap<ProgressToken, ToolContext>>,
}

impl Session {
    pub(super) fn tools(&self) -> Arc<[rmcp::model::Tool]> {
        Arc::clone(&self.tools.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn mark_stale(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Lists the tools again if they have changed. A refresh that fails or is dropped is made up for by the next one.
    pub(super) async fn refresh(&self, peer: &Peer<RoleClient>) -> Result<(), McpError> {
        let _only_one = self.refreshing.lock().await;
        let changes = self.changes.load(Ordering::Acquire);
        if self.known_changes.load(Ordering::Acquire) == changes {
            return Ok(());
        }
        let tools = list(peer).await?;
        *self.tools.lock().unwrap_or_else(PoisonError::into_inner) = tools.into();
        self.known_changes.store(changes, Ordering::Release);
        Ok(())
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<ProgressToken, ToolContext>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, token: &ProgressToken) {
        self.calls().remove(token);
    }

    fn sends(&self, message: &ClientJsonRpcMessage) {
        let JsonRpcMessage::Request(message) = message else { return };
        let ClientRequest::CallToolRequest(call) = &message.request else { return };
        if let (Some(context), Some(token)) =
            (call.extensions().get::<ToolContext>(), message.request.get_meta().get_progress_token())
        {
            self.calls().insert(token, context.clone());
        }
    }

    fn receives(&self, message: &ServerJsonRpcMessage) {
        let JsonRpcMessage::Notification(message) = message else { return };
        match &message.notification {
            ServerNotification::ProgressNotification(progress) => {
                let context = self.calls().get(&progress.params.progress_token).cloned();
                if let Some(context) = context {
                    context.progress(json_of(&progress.params));
                }
            }
            ServerNotification::ToolListChangedNotification(_) => self.mark_stale(),
            _ => {}
        }
    }
}

fn json_of(progress: &ProgressNotificationParam) -> Map<String, Value> {
    let members = [
        ("progress", Some(progress.progress.into())),
        ("total", progress.total.map(Value::from)),
        ("message", progress.message.clone().map(Value::from)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// All pages of the list of tools.
async fn list(peer: &Peer<RoleClient>) -> Result<Vec<rmcp::model::Tool>, McpError> {
    let mut tools = Vec::new();
    let mut cursor = None;
    let mut seen = HashSet::new();
    loop {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let page = peer.list_tools(Some(page)).await.map_err(McpError::of_service)?;
        tools.extend(page.tools);
        let Some(next) = page.next_cursor else { return Ok(tools) };
        if seen.len() >= MOST_PAGES || !seen.insert(next.clone()) {
            return Err(McpError::unexpected("the list of tools has no end"));
        }
        cursor = Some(next);
    }
}

/// Returns whether a server reports changes of its tools only to those that ask for it, as it is since version 2026-07-28.
pub(super) fn must_be_followed(info: &ServerPeerInfo) -> bool {
    let reports = info.capabilities.tools.as_ref().and_then(|tools| tools.list_changed).unwrap_or_default();
    reports && !info.protocol_version.has_initialize()
}

/// Follows the changes of the tools of a server until the connection is closed.
pub(super) async fn follow(session: Arc<Session>, peer: Peer<RoleClient>) {
    while let Ok(mut changes) = peer.listen(SubscriptionFilter::builder().tools_list_changed().build()).await {
        loop {
            // The list may have changed before the server listened, and another refresh may have got the cached one.
            session.mark_stale();
            session.refresh(&peer).await.ok();
            match changes.next().await {
                Ok(Some(_)) => {}
                _ => break,
            }
        }
        // Streams over HTTP do not last.
        sleep(AGAIN).await;
    }
}

/// What the server may ask of this side, which is nothing, and may tell it.
pub(super) struct Client {
    session: Arc<Session>,
}

impl Client {
    pub(super) const fn new(session: Arc<Session>) -> Self {
        Self { session }
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let client = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), client)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn on_tool_list_changed(&self, context: NotificationContext<RoleClient>) {
        // The list stays as it was if this fails; the next call tries again.
        self.session.refresh(&context.peer).await.ok();
    }
}

/// A transport whose messages the session sees in the order in which they are sent and received. (The handler of the
/// client gets each in a task of its own, so that progress could come out of order, and after the result of its call.)
pub(super) struct Tap<T> {
    transport: T,
    session: Arc<Session>,
    /// The id of the request for the versions of the server.
    discovery: Option<RequestId>,
}

impl<T> Tap<T> {
    pub(super) const fn new(transport: T, session: Arc<Session>) -> Self {
        Self { transport, session, discovery: None }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Tap<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.session.sends(&message);
        if let JsonRpcMessage::Request(request) = &message {
            self.discovery = matches!(request.request, ClientRequest::DiscoverRequest(_)).then(|| request.id.clone());
        }
        self.transport.send(message)
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        let message = self.transport.receive().await?;
        self.session.receives(&message);
        match message {
            // Some old servers respond to what they do not know with an empty result, which means the same as an error.
            JsonRpcMessage::Response(response)
                if self.discovery.as_ref() == Some(&response.id)
                    && !matches!(response.result, ServerResult::DiscoverResult(_)) =>
            {
                let error = ErrorData::invalid_request("the server has no `server/discover`", None);
                Some(ServerJsonRpcMessage::error(error, Some(response.id)))
            }
            message => Some(message),
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.transport.close().await
    }
}
