//! TLS: an explicit provider of cryptography, only the configured roots, our certificate.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

/// What TLS needs.
#[derive(Debug)]
pub struct TlsMaterial {
    /// The only roots trusted for the provider.
    pub roots: Vec<CertificateDer<'static>>,
    /// Our certificate first, then those that lead to a root.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A root is no certificate.
    #[error("a certificate in provider_ca cannot be used: {source}")]
    Root {
        /// What rustls said.
        source: rustls::Error,
    },
    /// The certificate does not belong to the key.
    #[error(
        "certificate and key do not belong together; give the key that the certificate was issued for"
    )]
    Mismatch,
    /// The key or certificate is of a kind that cannot be used.
    #[error("certificate or key cannot be used: {source}")]
    Identity {
        /// What rustls said.
        source: rustls::Error,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTPS client cannot be set up: {source}")]
    Client {
        /// What it said.
        source: Box<reqwest::Error>,
    },
}

/// TLS 1.2 and 1.3 with AWS-LC, client authentication, and no other trust than `roots`.
///
/// # Errors
///
/// Roots, certificate or key cannot be used, or do not belong together.
pub fn client_config(material: &TlsMaterial) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = CertifiedKey::from_der(material.chain.clone(), material.key.clone_key(), &provider)
        .map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
        source => TlsError::Identity { source },
    })?;
    let mut roots = RootCertStore::empty();
    for root in &material.roots {
        roots
            .add(root.clone())
            .map_err(|source| TlsError::Root { source })?;
    }
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Identity { source })?
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(4); // one provider, few connections
    Ok(config)
}
