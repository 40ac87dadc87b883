//! HTTP/2 without the feature `http2`: refused.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Shared;
use super::connection::Connection;

/// Closes the connection, as a server does that does not know the protocol.
pub(super) async fn serve<S>(connection: Connection<S>, _: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    drop(connection);
}
