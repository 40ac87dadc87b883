//! Replaces `tls` when no TLS feature is enabled.

/// Options that cannot be used without TLS.
#[derive(Clone, Default)]
pub(super) struct TlsOptions {
    pub(super) extra_roots: Vec<Vec<u8>>,
    pub(super) client_certificate: Option<Vec<u8>>,
}
