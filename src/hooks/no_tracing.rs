//! Replaces `tracing` when the feature of that name is not enabled.

use std::future::Future;
use std::pin::Pin;

use crate::core::OpenRouterCore;

pub(crate) async fn in_agent_span<T, E>(
    _: &OpenRouterCore,
    _: &str,
    run: impl Future<Output = Result<T, E>>,
    _: impl FnOnce() -> (u64, u64),
) -> Result<T, E> {
    run.await
}

pub(crate) fn in_tool_span<T: 'static, E: 'static>(
    _: &OpenRouterCore,
    _: &str,
    _: &str,
    tool: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send>> {
    Box::pin(tool)
}
