//! Why the daemon cannot run with a profile.

use std::io;
use std::path::PathBuf;

use dcnet_profiles::ProfileError;
use dcnet_protocol::certificate::CertificateError;
use dcnet_protocol::names::ClientId;

use super::page::PageTlsError;
use crate::source::quirks::QuirksError;
use crate::submit::TlsError;

/// Why the daemon cannot run with a profile, in words for the owner.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The profile itself.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A file that it names cannot be read.
    #[error("{}: {key}: {}: {source}", origin.display(), file.display())]
    Unreadable {
        /// The profile.
        origin: PathBuf,
        /// Key path in it.
        key: &'static str,
        /// The file named there.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that it names is to be among the credentials of a unit, and there are none.
    #[error(
        "{}: {key}: {}: CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with \
         LoadCredential=", origin.display(), file.display()
    )]
    NoCredentials {
        /// The profile.
        origin: PathBuf,
        /// Key path in it.
        key: &'static str,
        /// The file named there.
        file: PathBuf,
    },
    /// A file that it names does not hold what it should.
    #[error("{}: {key}: {}: {problem}", origin.display(), file.display())]
    Content {
        /// The profile.
        origin: PathBuf,
        /// Key path in it.
        key: &'static str,
        /// The file named there.
        file: PathBuf,
        /// What is wrong with it.
        problem: Box<Content>,
    },
    /// The owner's rules for a meter.
    #[error("{}: meter {meter}: sml.quirks: {source}", origin.display())]
    Quirks {
        /// The profile.
        origin: PathBuf,
        /// Name of the meter.
        meter: String,
        /// What is wrong with them.
        source: QuirksError,
    },
    /// The two certificates name different gateways.
    #[error(
        "{}: communication.tls.certificate names the gateway {tls}, \
         communication.signature.certificate names {signature}; both must be of one gateway",
        file.display()
    )]
    TwoNames {
        /// The profile.
        file: PathBuf,
        /// As in the TLS certificate.
        tls: ClientId,
        /// As in the certificate for statements.
        signature: ClientId,
    },
    /// The page cannot be shown over HTTPS.
    #[error("{}: {key}: {}: {source}", origin.display(), file.display())]
    Page {
        /// The profile.
        origin: PathBuf,
        /// Key path in it.
        key: &'static str,
        /// The file named there.
        file: PathBuf,
        /// Why.
        source: Box<PageTlsError>,
    },
    /// TLS cannot be set up.
    #[error("{}: communication.tls: {source}", file.display())]
    Tls {
        /// The profile.
        file: PathBuf,
        /// Why.
        source: TlsError,
    },
}

/// What is wrong with a certificate, key or password file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Content {
    /// Not PEM.
    #[error("is damaged: this is no PEM (-----BEGIN CERTIFICATE-----)")]
    Pem,
    /// PEM, but of something else.
    #[error("holds no certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key.
    #[error("holds no private key (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// Not the form or kind of key needed.
    #[error("is no unencrypted PKCS #8 key on the curve P-256")]
    KeyForm,
    /// Others may read it.
    #[error("others may read this key (mode {mode:03o}); run: chmod 600")]
    Exposed {
        /// Its permissions.
        mode: u32,
    },
    /// Others may read the password.
    #[error("others may read this password (mode {mode:03o}); run: chmod 600")]
    ExposedPassword {
        /// Its permissions.
        mode: u32,
    },
    /// A password that is guessed too easily, or none.
    #[error(
        "the first line is the password, and has fewer than {least} characters; choose a longer one"
    )]
    ShortPassword {
        /// The least.
        least: usize,
    },
    /// Not text.
    #[error("the password is no UTF-8 text")]
    PasswordForm,
    /// Another key than the certificate's.
    #[error("does not belong to the certificate beside it")]
    Mismatch,
    /// The chain does not verify.
    #[error("{source}")]
    Certificate {
        /// Why.
        source: CertificateError,
    },
}
