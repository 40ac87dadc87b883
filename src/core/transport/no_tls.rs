//! Stands in for `tls` where no TLS feature is enabled.

use super::connect::{ConnectError, Connected};
use super::hyper::TransportBuildError;
use super::socket::Socket;

/// Makes no TLS connections.
#[derive(Clone)]
pub(super) struct Tls;

impl Tls {
    pub(super) fn new(extra_roots: &[Vec<u8>]) -> Result<Self, TransportBuildError> {
        if extra_roots.is_empty() {
            Ok(Self)
        } else {
            Err(TransportBuildError::new("root_certificate", super::hyper::NO_TLS))
        }
    }

    pub(super) async fn handshake(&self, _host: &str, _socket: Socket) -> Result<Connected, ConnectError> {
        Err(ConnectError::text(super::hyper::NO_TLS))
    }
}
