//! TLS for `https://`: the cryptography, the trusted roots, the handshake.
//!
//! All choices are made once, when the transport is built, so that an invalid certificate is an
//! error of the option and not of the first call. Certificates are always verified; there is no
//! option to disable that.

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
use super::{Cryptography, Roots};

/// Which certificates to trust, the client's own, and the cryptography.
#[derive(Clone, Default)]
pub(super) struct TlsOptions {
    /// The trusted authorities; `None` for the bundled ones.
    pub(super) roots: Option<Vec<Roots>>,
    /// `None` for the process default of rustls, or else ring.
    pub(super) cryptography: Option<Cryptography>,
    /// Trusted in addition to `roots`; each is PEM (any number of certificates) or DER.
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
        let provider = provider(self.cryptography)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                TransportBuildError::new("cryptography", "the process default of rustls is not usable").caused_by(error)
            })?
            .with_root_certificates(self.trusted()?);
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

impl TlsOptions {
    /// Returns the trusted roots. Features do not change the choice: another crate may have enabled
    /// them.
    fn trusted(&self) -> Result<RootCertStore, TransportBuildError> {
        let mut trusted = RootCertStore::empty();
        for certificate in &self.extra_roots {
            add_extra(&mut trusted, certificate)?;
        }
        for roots in self.roots.as_deref().unwrap_or(&[Roots::Bundled]) {
            match roots {
                #[cfg(feature = "roots-bundled")]
                Roots::Bundled => trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
                #[cfg(feature = "roots-platform")]
                Roots::Platform => add_platform(&mut trusted)?,
                #[cfg(not(feature = "roots-bundled"))]
                Roots::Bundled => {
                    return Err(TransportBuildError::new(
                        "roots",
                        "Mozilla's list is the default and not built in: enable the feature `roots-bundled`, or choose \
                         with `roots`",
                    ));
                }
                #[cfg(not(feature = "roots-platform"))]
                Roots::Platform => {
                    return Err(TransportBuildError::new(
                        "roots",
                        "reading the roots of the operating system is not built in: enable the feature `roots-platform`",
                    ));
                }
            }
        }
        if trusted.is_empty() {
            return Err(TransportBuildError::new(
                "roots",
                "no root certificate is trusted: choose others with `roots`, or add one with `root_certificate`",
            ));
        }
        Ok(trusted)
    }
}

/// Makes TLS connections over those of `C`. Certificates are always verified; this cannot be
/// disabled.
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

/// Unwraps a TLS error from I/O errors that only wrap it, so that a program finds it in the chain
/// of sources.
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
            "the certificate of the server is not trusted; if a company signed it, trust what the operating \
             system trusts (`roots`, with the feature `roots-platform`), or set `root_certificate` of `HyperTransport`",
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

/// The chosen cryptography; by default that of the process if the program installed one, or else
/// ring. Features do not change the choice: another crate may have enabled them.
fn provider(chosen: Option<Cryptography>) -> Result<Arc<CryptoProvider>, TransportBuildError> {
    let default = CryptoProvider::get_default().filter(|_| chosen.is_none());
    let built_in = || match chosen.unwrap_or(Cryptography::Ring) {
        #[cfg(feature = "tls-ring")]
        Cryptography::Ring => Ok(rustls::crypto::ring::default_provider()),
        #[cfg(feature = "tls-aws-lc-rs")]
        Cryptography::AwsLcRs => Ok(rustls::crypto::aws_lc_rs::default_provider()),
        #[cfg(not(feature = "tls-ring"))]
        Cryptography::Ring => Err(if chosen.is_none() {
            "the default is ring, which is not built in: enable the feature `tls-ring`, choose another one that is built \
             in, or install a process default of rustls before the client is built"
        } else {
            "ring is not built in: enable the feature `tls-ring`"
        }),
        #[cfg(not(feature = "tls-aws-lc-rs"))]
        Cryptography::AwsLcRs => Err("AWS-LC is not built in: enable the feature `tls-aws-lc-rs`"),
    };
    match default {
        Some(default) => Ok(default.clone()),
        None => built_in().map(Arc::new).map_err(|reason| TransportBuildError::new("cryptography", reason)),
    }
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
            .map_err(|error| invalid("the certificate is in neither PEM nor DER form").caused_by(error))?;
    }
    Ok(())
}

/// Adds the roots of the operating system. A certificate that cannot be read is skipped as long as
/// another one can be read: old systems carry some.
#[cfg(feature = "roots-platform")]
fn add_platform(roots: &mut RootCertStore) -> Result<(), TransportBuildError> {
    let mut loaded = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let error = TransportBuildError::new(
            "roots",
            "the operating system has no root certificates: install its package of CA certificates, or choose the bundled \
             ones",
        );
        return Err(match loaded.errors.pop() {
            Some(cause) => error.caused_by(cause),
            None => error,
        });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use super::*;

    /// No test of this crate installs a process default.
    #[cfg(feature = "tls-ring")]
    #[test]
    fn the_cryptography_is_ring_unless_another_one_is_chosen() {
        let name = |chosen| format!("{:?}", provider(chosen).unwrap().key_provider);
        assert_eq!(name(None), name(Some(Cryptography::Ring)));
        assert!(name(None).contains("Ring"), "{}", name(None));
        #[cfg(feature = "tls-aws-lc-rs")]
        assert!(name(Some(Cryptography::AwsLcRs)).contains("AwsLc"), "{}", name(Some(Cryptography::AwsLcRs)));
    }

    #[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring")))]
    #[test]
    fn without_ring_the_cryptography_must_be_chosen() {
        assert!(provider(None).unwrap_err().to_string().contains("`tls-ring`"));
        provider(Some(Cryptography::AwsLcRs)).unwrap();
    }
}
