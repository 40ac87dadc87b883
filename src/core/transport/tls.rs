//! TLS for `https://`: the cryptography, the trusted roots, the handshake.

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::connect::{ConnectError, Connected};
use super::hyper::TransportBuildError;
use super::proxy::bare_host;
use super::socket::Socket;

/// Makes TLS connections. Certificates are always verified; nothing switches that off.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the roots of the enabled features and `extra_roots`, each PEM (any number of certificates) or DER.
    pub(super) fn new(extra_roots: &[Vec<u8>]) -> Result<Self, TransportBuildError> {
        let provider = provider().ok_or_else(|| {
            TransportBuildError::new(
                "tls",
                "no cryptography for TLS is built in: enable the feature `tls-ring` or `tls-aws-lc-rs`, or install a \
                 process default of rustls before the client is built",
            )
        })?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                TransportBuildError::new("tls", "the process default of rustls cannot be used").caused_by(error)
            })?
            .with_root_certificates(roots(extra_roots)?)
            .with_no_client_auth();
        config.alpn_protocols = if cfg!(feature = "http2") {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Starts TLS with `host`, as written in the URL.
    pub(super) async fn handshake(&self, host: &str, socket: Socket) -> Result<Connected, ConnectError> {
        let name = ServerName::try_from(bare_host(host).to_owned())
            .map_err(|error| ConnectError::new(format!("`{host}` is not a name that TLS can verify"), error))?;
        let state = socket.state().clone();
        let stream = self.0.connect(name, socket).await.map_err(|error| {
            let advice = advice(&error);
            let error = ConnectError::new(format!("the TLS handshake with {host} failed"), innermost(error));
            match advice {
                Some(advice) => error.advising(advice),
                None => error,
            }
        })?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connected { stream: Box::new(TokioIo::new(stream)), socket: state, is_http2, is_proxied: false })
    }
}

/// The TLS error itself where an I/O error is only its envelope, so that a program finds it in the chain of sources.
fn innermost(error: io::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error.downcast::<rustls::Error>() {
        Ok(error) => Box::new(error),
        Err(error) => Box::new(error),
    }
}

/// Returns what can be done about a handshake that failed.
fn advice(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Some("the certificate of the server is not valid at this time; check the clock of this machine"),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("the certificate is one of another server; check the server URL"),
        rustls::Error::InvalidCertificate(_) => Some(
            "the certificate of the server is not trusted. If a company signed it, enable the feature `roots-platform`, \
             which trusts what the operating system trusts, or set `root_certificate` of `HyperTransport`",
        ),
        rustls::Error::InvalidMessage(_) => Some("the server does not speak TLS at this port; check the server URL"),
        _ => None,
    }
}

/// The process default where the program installed one, else what is built in. It is handed to rustls explicitly: rustls
/// by itself refuses to choose where features of other crates bring in a second one.
fn provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned().or_else(built_in_provider)
}

#[cfg(feature = "tls-ring")]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring")))]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc-rs")))]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    None
}

fn roots(extra: &[Vec<u8>]) -> Result<RootCertStore, TransportBuildError> {
    let mut roots = RootCertStore::empty();
    for certificate in extra {
        add_extra(&mut roots, certificate)?;
    }
    #[cfg(feature = "roots-bundled")]
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    #[cfg(feature = "roots-platform")]
    add_platform(&mut roots)?;
    if roots.is_empty() {
        return Err(TransportBuildError::new(
            "root_certificate",
            "no root certificate is trusted: enable the feature `roots-bundled` or `roots-platform`, or give a root \
             certificate",
        ));
    }
    Ok(roots)
}

fn add_extra(roots: &mut RootCertStore, certificate: &[u8]) -> Result<(), TransportBuildError> {
    let invalid = |reason| TransportBuildError::new("root_certificate", reason);
    let found: Vec<CertificateDer<'_>> = if memchr::memmem::find(certificate, b"-----BEGIN ").is_some() {
        CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid("the PEM text cannot be read").caused_by(error))?
    } else {
        vec![CertificateDer::from(certificate)]
    };
    if found.is_empty() {
        return Err(invalid("the PEM text holds no certificate"));
    }
    for certificate in found {
        roots
            .add(certificate)
            .map_err(|error| invalid("it is not a certificate in PEM or DER form").caused_by(error))?;
    }
    Ok(())
}

/// Adds the roots of the operating system. A certificate that cannot be read is passed over as long as another one can:
/// old systems carry some.
#[cfg(feature = "roots-platform")]
fn add_platform(roots: &mut RootCertStore) -> Result<(), TransportBuildError> {
    let mut loaded = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let error = TransportBuildError::new(
            "root_certificate",
            "the operating system gave no root certificate (feature `roots-platform`): install its package of CA \
             certificates, or enable the feature `roots-bundled`",
        );
        return Err(match loaded.errors.pop() {
            Some(cause) => error.caused_by(cause),
            None => error,
        });
    }
    Ok(())
}
