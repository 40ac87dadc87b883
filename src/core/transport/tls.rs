//! TLS for `https://`: the cryptography, the trusted roots, the handshake.

use std::io;
use std::sync::Arc;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::Connection;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, PeerIncompatible, RootCertStore};
use tower_service::Service;

use super::error::{Cause, ConnectError, TransportBuildError};
use super::stream::{Connected, Link};

/// The protocols offered to a server, in order of preference.
pub(super) const ALPN: &[&[u8]] = if cfg!(feature = "http2") { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };

/// Which certificates to trust, and the client's own.
#[derive(Clone, Default)]
pub(super) struct TlsOptions {
    /// Trusted in addition to the roots of the enabled features; each is PEM (any number of certificates) or DER.
    pub(super) extra_roots: Vec<Vec<u8>>,
    /// The client certificate with its chain and private key, in PEM form.
    pub(super) client_certificate: Option<Vec<u8>>,
    /// Replaces everything above.
    #[cfg(feature = "rustls-config")]
    pub(super) config: Option<Arc<ClientConfig>>,
}

impl TlsOptions {
    /// Returns a connector that makes connections over `inner` and offers these protocols.
    pub(super) fn connector<C>(&self, inner: C, protocols: &[&[u8]]) -> Result<Tls<C>, TransportBuildError> {
        let mut config = self.config()?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Tls(HttpsConnector::from((inner, config))))
    }

    fn config(&self) -> Result<ClientConfig, TransportBuildError> {
        #[cfg(feature = "rustls-config")]
        if let Some(config) = &self.config {
            return Ok(ClientConfig::clone(config));
        }
        let provider = provider().ok_or_else(|| {
            TransportBuildError::new(
                "tls",
                "no cryptography for TLS is built in: enable the feature `tls-ring` or `tls-aws-lc-rs`, or install a \
                 process default of rustls before the client is built",
            )
        })?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                TransportBuildError::new("tls", "the process default of rustls cannot be used").caused_by(error)
            })?
            .with_root_certificates(roots(&self.extra_roots)?);
        let Some(pem) = &self.client_certificate else { return Ok(config.with_no_client_auth()) };
        let invalid = |reason| TransportBuildError::new("client_certificate", reason);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid("the PEM text cannot be read").caused_by(error))?;
        if chain.is_empty() {
            return Err(invalid("the PEM text contains no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|error| invalid("the PEM text contains no private key; append it").caused_by(error))?;
        config
            .with_client_auth_cert(chain, key)
            .map_err(|error| invalid("the certificate and the private key cannot be used together").caused_by(error))
    }
}

/// Makes TLS connections over those of `C`. Certificates are always verified; this cannot be disabled.
pub(super) struct Tls<C>(HttpsConnector<C>);

impl<C> Tls<C>
where
    C: Service<Uri, Response = Link> + Clone,
    C::Future: Send + 'static,
    C::Error: Into<Cause>,
{
    /// Makes a connection to the host of `uri`, whose scheme must be `https`.
    pub(super) async fn connect(&self, uri: &Uri) -> Result<Connected, ConnectError> {
        match self.0.clone().call(uri.clone()).await {
            Ok(stream) => {
                let socket = match &stream {
                    MaybeHttpsStream::Http(link) => link.socket.clone(),
                    MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().socket.clone(),
                };
                let is_http2 = stream.connected().is_negotiated_h2();
                Ok(Connected { stream: Box::new(stream), socket, is_http2, is_proxied: false })
            }
            Err(error) => Err(connect_error(uri.host().unwrap_or_default(), error)),
        }
    }
}

/// Distinguishes a failed connection from a failed handshake.
fn connect_error(host: &str, error: Cause) -> ConnectError {
    let error = match error.downcast::<ConnectError>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    if error.is::<InvalidDnsNameError>() {
        return ConnectError::new(format!("`{host}` is not a name that TLS can verify"), error);
    }
    let cause = innermost(error);
    let advice = cause.downcast_ref().and_then(advice);
    let error = ConnectError::new(format!("the TLS handshake with {host} failed"), cause);
    match advice {
        Some(advice) => error.advising(advice),
        None => error,
    }
}

/// Unwraps a TLS error from I/O errors that only wrap it, so that a program finds it in the chain of sources.
fn innermost(mut error: Cause) -> Cause {
    loop {
        error = match error.downcast::<io::Error>() {
            Ok(envelope) => match envelope.downcast::<rustls::Error>() {
                Ok(error) => return Box::new(error),
                Err(envelope) => match envelope.downcast::<io::Error>() {
                    Ok(inner) => Box::new(inner),
                    Err(error) => return Box::new(error),
                },
            },
            Err(error) => return error,
        }
    }
}

/// Returns advice for a failed handshake.
const fn advice(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Some("the certificate of the server is not valid at this time; check the clock of this machine"),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("the certificate belongs to another server; check the server URL"),
        rustls::Error::InvalidCertificate(_) => Some(
            "the certificate of the server is not trusted. If a company signed it, enable the feature `roots-platform`, \
             which trusts what the operating system trusts, or set `root_certificate` of `HyperTransport`",
        ),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => Some(
            "the server and this program have no TLS version in common; for a server without TLS 1.3, enable the feature \
             `tls12`",
        ),
        rustls::Error::InvalidMessage(_) => Some("the server does not speak TLS on this port; check the server URL"),
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
    let begin = b"-----BEGIN ";
    let found: Vec<CertificateDer<'_>> = if certificate.windows(begin.len()).any(|text| text == begin) {
        CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid("the PEM text cannot be read").caused_by(error))?
    } else {
        vec![CertificateDer::from(certificate)]
    };
    if found.is_empty() {
        return Err(invalid("the PEM text contains no certificate"));
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
