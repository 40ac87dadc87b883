//! The configuration of a client that hooks may change.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use super::hidden::{self, Headers};
use super::retry::RetryConfig;
use super::timeouts::Timeouts;
use super::transport::Transport;

/// The part of a client's configuration that a hook may change; see
/// [`Hook::sdk_init`](crate::hooks::Hook::sdk_init).
#[non_exhaustive]
pub struct ClientConfig {
    /// The URL that paths of operations are appended to.
    pub server_url: String,
    /// The headers of every request, except for the API key.
    pub headers: HeaderMap,
    /// When a failed request is retried.
    pub retry_config: RetryConfig,
    /// The time limits.
    pub timeouts: Timeouts,
    /// The transport that sends the requests.
    pub transport: Arc<dyn Transport>,
}

impl fmt::Debug for ClientConfig {
    /// Prints neither the query of the server URL nor the values of headers that may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("server_url", &hidden::url(&self.server_url))
            .field("headers", &Headers(&self.headers))
            .field("retry_config", &self.retry_config)
            .field("timeouts", &self.timeouts)
            .field("transport", &self.transport)
            .finish()
    }
}
