//! Replaces `tls` when no TLS feature is enabled.

use super::{Cryptography, Roots};

/// Options that cannot be used without TLS.
#[derive(Clone, Default)]
pub(super) struct TlsOptions {
    pub(super) roots: Option<Vec<Roots>>,
    pub(super) cryptography: Option<Cryptography>,
    pub(super) extra_roots: Vec<Vec<u8>>,
    pub(super) client_certificate: Option<Vec<u8>>,
}
