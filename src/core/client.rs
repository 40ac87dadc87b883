//! The client: what all calls share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::key::Key;
use super::retry::{RetryBudget, RetryConfig};
use super::server_url::ServerUrl;
use super::timeouts::Timeouts;
use super::transport::Transport;
use crate::hooks::Hook;

/// The core of a client, which every function of [`funcs`](crate::funcs) takes: connections, API
/// key, options.
///
/// A clone is cheap and shares everything, including the connections and the retry budget. Create
/// one and keep it.
///
/// ```no_run
/// use openrouter_kit::core::OpenRouterCore;
///
/// # fn main() -> Result<(), openrouter_kit::Error> {
/// let core = OpenRouterCore::builder().env().app_title("My program").build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OpenRouterCore {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) transport: Arc<dyn Transport>,
    /// The limit for connecting that the transport keeps by itself, if it was created here.
    pub(crate) transport_limit: Option<Duration>,
    pub(crate) server: ServerUrl,
    /// The headers of every request, except for the API key.
    pub(crate) headers: HeaderMap,
    pub(crate) key: Key,
    pub(crate) retry_config: RetryConfig,
    pub(crate) budget: RetryBudget,
    pub(crate) timeouts: Timeouts,
    pub(crate) hooks: Arc<[Arc<dyn Hook>]>,
    /// The hooks including the one that creates spans, if the client has spans.
    #[cfg(feature = "tracing")]
    pub(crate) traced_hooks: Option<Arc<[Arc<dyn Hook>]>>,
    pub(crate) limits: Limits,
}

impl Inner {
    /// Returns the hooks for a call that begins now.
    pub(crate) fn hooks(&self) -> &Arc<[Arc<dyn Hook>]> {
        #[cfg(feature = "tracing")]
        if let Some(traced) = self.traced_hooks.as_ref().filter(|_| crate::hooks::Tracing::is_enabled()) {
            return traced;
        }
        &self.hooks
    }

    /// Returns whether calls of this client create spans.
    #[cfg(all(feature = "agent", feature = "tracing"))]
    pub(crate) const fn is_traced(&self) -> bool {
        self.traced_hooks.is_some()
    }
}

impl OpenRouterCore {
    pub(super) fn from_inner(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Returns the URL that requests are sent to, without a slash at the end.
    pub fn server_url(&self) -> &str {
        self.inner.server.as_str()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

impl fmt::Debug for OpenRouterCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenRouterCore")
            .field("server_url", &self.inner.server.as_str())
            .field("key", &self.inner.key)
            .field("headers", &self.inner.headers)
            .field("retry_config", &self.inner.retry_config)
            .field("timeouts", &self.inner.timeouts)
            .field("hooks", &self.inner.hooks)
            .field("transport", &self.inner.transport)
            .finish_non_exhaustive()
    }
}

/// How many bytes are kept in memory at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) error_body: usize,
    pub(crate) event: usize,
    pub(crate) body: usize,
}
