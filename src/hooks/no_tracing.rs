//! A build without the feature `tracing` has no spans.

use std::future::Future;

use crate::core::OpenRouterCore;

pub(crate) async fn in_agent_span<T, E>(
    _: &OpenRouterCore,
    _: &str,
    run: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    run.await
}

pub(crate) async fn in_tool_span<T, E>(
    _: OpenRouterCore,
    _: String,
    _: String,
    tool: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tool.await
}
