//! The files of the household's page: password, certificate and key, authorities of browsers.

use std::path::Path;
use std::sync::Arc;

use dcnet_profiles::home::HomePage;
use dcnet_protocol::message::frame_hash;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, server::VerifierBuilderError};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{ConfigError, Content, Files};

/// Fewest characters of a password.
const LEAST: usize = 8;

/// What the page needs out of the files that the profile names.
#[derive(Debug, Clone)]
pub struct PageFiles {
    /// What browsers are asked for.
    pub password: Option<Arc<Password>>,
    /// Authorities of which one has to have issued the browser's certificate; empty: none is asked for.
    pub clients: Vec<CertificateDer<'static>>,
    /// TLS with the certificate that the profile names.
    pub tls: Option<Arc<ServerConfig>>,
}

/// A password, of which only the hash is kept: comparisons then tell nothing, not even its length.
pub struct Password(Zeroizing<[u8; 32]>);

impl Password {
    /// Keeps the hash of `text`.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(frame_hash(text.as_bytes())))
    }

    /// Whether `guess` is it, in a time that does not depend on how much of it is right.
    pub fn is(&self, guess: &[u8]) -> bool {
        let guess = Zeroizing::new(frame_hash(guess));
        self.0.as_slice().ct_eq(guess.as_slice()).into()
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(_)")
    }
}

/// Why the page cannot be shown over HTTPS.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PageTlsError {
    /// The certificate does not belong to the key.
    #[error("does not belong to the certificate beside it")]
    Mismatch,
    /// The key or certificate is of a kind that cannot be used.
    #[error("certificate or key cannot be used: {source}")]
    Identity {
        /// What rustls said.
        source: rustls::Error,
    },
    /// One of the browsers' authorities is none.
    #[error("an authority for browsers cannot be used: {source}")]
    Authority {
        /// What rustls said.
        source: rustls::Error,
    },
    /// The authorities together are of no use.
    #[error("certificates of browsers cannot be checked: {source}")]
    Verifier {
        /// What rustls said.
        source: VerifierBuilderError,
    },
}

/// TLS 1.2 and 1.3 with AWS-LC. With `clients`, whoever connects has to show a certificate that one of
/// them issued.
///
/// # Errors
///
/// Certificate, key or authorities cannot be used, or do not belong together.
pub(crate) fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: &[CertificateDer<'static>],
) -> Result<ServerConfig, PageTlsError> {
    let identity = |source| PageTlsError::Identity { source };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = CertifiedKey::from_der(chain, key, &provider).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => PageTlsError::Mismatch,
        source => identity(source),
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(identity)?;
    let builder = if clients.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for authority in clients {
            roots
                .add(authority.clone())
                .map_err(|source| PageTlsError::Authority { source })?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|source| PageTlsError::Verifier { source })?;
        builder.with_client_cert_verifier(verifier)
    };
    let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(key));
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session would carry a certificate that was checked long ago.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

impl Files<'_> {
    /// Reads what the page needs.
    pub(super) fn page(&self, page: &HomePage) -> Result<PageFiles, ConfigError> {
        const CLIENTS: &str = "home.page.clients";
        let password = page.password_file.as_deref();
        let password = password.map(|file| self.page_password(file)).transpose()?;
        let clients = match &page.clients {
            Some(file) => self.certificates(CLIENTS, file)?,
            None => Vec::new(),
        };
        let refused = |key, file: &Path, source| ConfigError::Page {
            origin: self.origin.to_owned(),
            key,
            file: file.to_owned(),
            source: Box::new(source),
        };
        if let Some(file) = &page.clients {
            let mut roots = RootCertStore::empty();
            for authority in &clients {
                roots
                    .add(authority.clone())
                    .map_err(|source| refused(CLIENTS, file, PageTlsError::Authority { source }))?;
            }
        }
        let tls = match &page.tls {
            None => None,
            Some(tls) => {
                let chain = self.certificates("home.page.tls.certificate", &tls.certificate)?;
                let key = self.key("home.page.tls.key", &tls.key)?;
                let config = server_config(chain, key, &clients)
                    .map_err(|source| refused("home.page.tls.key", &tls.key, source))?;
                Some(Arc::new(config))
            }
        };
        Ok(PageFiles {
            password: password.map(Arc::new),
            clients,
            tls,
        })
    }

    fn page_password(&self, file: &Path) -> Result<Password, ConfigError> {
        const KEY: &str = "home.page.password_file";
        if let Some(mode) = self.exposed(KEY, file)? {
            return Err(self.content(KEY, file, Content::ExposedPassword { mode }));
        }
        let bytes = self.read(KEY, file)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| self.content(KEY, file, Content::PasswordForm))?;
        let first = text.lines().next().unwrap_or_default();
        if first.chars().count() < LEAST {
            return Err(self.content(KEY, file, Content::ShortPassword { least: LEAST }));
        }
        Ok(Password::new(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_recognised_and_never_shown() {
        let password = Password::new("correct horse");
        assert!(password.is(b"correct horse"));
        for wrong in ["", "correct", "correct horse ", "Correct horse"] {
            assert!(!password.is(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{password:?}"), "Password(_)");
    }
}
