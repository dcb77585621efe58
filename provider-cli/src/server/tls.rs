//! TLS: the server's certificate, and whom a client's certificate names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcnet_protocol::certificate::{CertificateError, TrustAnchor, Usage};
use dcnet_protocol::round::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::service::Client;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("cannot read {what} from {}: {source}", path.display())]
    Pem {
        /// What was sought.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file holds none.
    #[error("there is no certificate in {}", .0.display())]
    Empty(PathBuf),
    /// A certificate does not say when it ends.
    #[error("a certificate in {} cannot be read: it is no X.509", .0.display())]
    Dates(PathBuf),
    /// The gateways' authority is none.
    #[error("the gateway authority in {} cannot be used: {source}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The verifier of client certificates refused.
    #[error("cannot check client certificates: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// Certificate and key do not fit, or rustls does not know them.
    #[error("the server's certificate and key cannot be used: {0}")]
    Server(#[from] rustls::Error),
}

/// The authorities whose gateways may connect.
#[derive(Debug, Clone)]
pub(crate) struct Authorities {
    anchors: Arc<[TrustAnchor]>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// All certificates in a PEM file.
    pub(crate) fn from_file(path: &Path) -> Result<Self, TlsError> {
        let certificates = certificates("the gateway authority", path)?;
        let anchors = certificates
            .iter()
            .map(|certificate| TrustAnchor::from_der(certificate))
            .collect::<Result<_, _>>()
            .map_err(|source| TlsError::Authority {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            anchors,
            certificates,
        })
    }

    /// The gateway that a chain names, whichever of the authorities certified it.
    pub(crate) fn client(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Client, CertificateError> {
        let chain: Vec<_> = chain
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect();
        let mut failure = CertificateError::UnknownIssuer;
        for anchor in self.anchors.iter() {
            match anchor.verify(&chain, Usage::Tls, now) {
                Ok(identity) => {
                    return Ok(Client {
                        id: identity.client,
                        authority: anchor.fingerprint(),
                    });
                }
                // Another authority's complaint says more than "not mine".
                Err(CertificateError::UnknownIssuer) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// The TLS configuration: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, client certificates of
/// `authorities`; without any, no client is asked for one.
///
/// A client without a certificate gets through the handshake and no further: under TLS 1.3 a
/// refusal in the handshake reaches it as a broken connection, so the refusal that says what is
/// missing is left to HTTP. A certificate that is shown must be valid.
pub(crate) fn config(
    certificate: &Path,
    key: &Path,
    authorities: Option<&Authorities>,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = certificates("the server's certificate", certificate)?;
    let key = crate::files::read_key(key)
        .map_err(pem::Error::Io)
        .and_then(|text| PrivateKeyDer::from_pem_slice(text.as_bytes()))
        .map_err(|source| TlsError::Pem {
            what: "the server's key",
            path: key.to_owned(),
            source,
        })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if let Some(authorities) = authorities {
        let mut roots = RootCertStore::empty();
        for certificate in &authorities.certificates {
            roots.add(certificate.clone())?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would carry a certificate that was checked long ago.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// When the server's certificate ends, in seconds since 1970: the chain is worth as much as the one
/// of its certificates that ends first.
pub(crate) fn ends(certificate: &Path) -> Result<u64, TlsError> {
    let unreadable = |_| TlsError::Dates(certificate.to_owned());
    let mut ends = u64::MAX;
    for certificate in certificates("the server's certificate", certificate)? {
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(unreadable)?;
        let end = parsed.validity().not_after.timestamp();
        ends = ends.min(u64::try_from(end).unwrap_or(0));
    }
    Ok(ends)
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem {
        what,
        path: path.to_owned(),
        source,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(pem)?
        .collect::<Result<_, _>>()
        .map_err(pem)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(certificates)
}
