//! TLS: the server's certificate, and which certificates of clients the handshake lets through.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcnet_protocol::certificate::CertificateError;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::authorities::Clients;
use crate::pki::Facts;

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
    /// An authority is none.
    #[error("the authority in {} cannot be used: {source}", path.display())]
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
    /// Gateways and operators under one authority.
    #[error(
        "one authority stands in both {} and {}: who certifies gateways must not certify operators,          and the other way round", gateways.display(), operators.display()
    )]
    SharedAuthority {
        /// `--gateway-ca`.
        gateways: PathBuf,
        /// `--operator-ca`.
        operators: PathBuf,
    },
    /// A list for operators without an authority for them.
    #[error("--operator-crl is of no use without --operator-ca")]
    NoOperators,
    /// Somebody else's list.
    #[error(
        "a revocation list in {} is not signed by the authority that it names: make it anew with \
         `dcnet pki crl`", .0.display()
    )]
    ForgedList(PathBuf),
    /// An authority without a list beside others that have one.
    #[error(
        "there is no revocation list of the authority {authority} in {}: make one with `dcnet pki crl`",
        path.display()
    )]
    NoList {
        /// Where it was sought.
        path: PathBuf,
        /// The authority's name.
        authority: String,
    },
}

/// The TLS configuration: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, client certificates of the authorities
/// of `clients`; without any, no client is asked for one.
///
/// A client without a certificate gets through the handshake and no further: under TLS 1.3 a
/// refusal in the handshake reaches it as a broken connection, so the refusal that says what is
/// missing is left to HTTP. A certificate that is shown must be valid.
pub(crate) fn config(
    certificate: &Path,
    key: &Path,
    clients: Option<&Clients>,
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
    let builder = if let Some(clients) = clients {
        let mut roots = RootCertStore::empty();
        for certificate in clients.certificates() {
            roots.add(certificate.clone())?;
        }
        // Lists are demanded of all authorities or of none when they are read, and whether an old one
        // still counts depends on who connects: both is decided in `authorities`.
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .with_crls(clients.lists())
            .allow_unknown_revocation_status()
            .allow_unauthenticated()
            .build()?;
        builder.with_client_cert_verifier(Arc::new(Named(inner)))
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

/// rustls' verifier, which writes into the log whose certificate it refused: the client itself may see
/// no more than a broken connection.
#[derive(Debug)]
struct Named(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: rustls_pki_types::UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verdict = self.0.verify_client_cert(leaf, others, now);
        if let (Err(error), Some(facts)) = (&verdict, Facts::of(leaf)) {
            let serial = crate::service::hex(&facts.serial);
            let names: String = facts.uris.join(" ").chars().take(256).collect();
            tracing::warn!(?names, serial, %error, "a client's certificate is refused");
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }
}

pub(super) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
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
