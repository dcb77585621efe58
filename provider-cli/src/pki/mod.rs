//! Laboratory certificates: the authorities of the gateway administrator and of the operators, and the
//! provider's own keys.
//!
//! Three separate hierarchies that never sign for each other. One authority certifies gateways and
//! nothing else, one certifies who uses the provider's own interface and nothing else; the provider's
//! certificate authenticates the server and nothing else. In the field the SM-PKI of BSI TR-03109-4
//! takes the place of the gateways' [`Authority`].

mod authority;
mod facts;
mod issue;
mod list;
mod provider;
mod register;
mod revocation;

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use authority::Authority;
pub(crate) use facts::Facts;
pub use issue::{GatewayFiles, OperatorFiles, Renewed};
pub(crate) use list::RevocationList;
pub use provider::{
    ProviderFiles, RenewedProvider, Root, create_provider, is_provider, new_root, renew_provider,
};
pub use register::{Issued, Reason, Register, Revoked};
pub use revocation::{Chosen, LIST_DAYS};

use crate::files::CreateFileError;
use crate::operator::OperatorError;

/// Days for which a certificate is valid unless the caller says otherwise.
pub const DEFAULT_DAYS: u32 = 730;

/// Days for which an authority is valid.
const AUTHORITY_DAYS: u32 = 3650;

/// Whom an authority certifies.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityKind {
    /// Gateways: the gateway administrator's authority.
    Gateways,
    /// People and programs that use the provider's own interface.
    Operators,
}

/// Why keys or certificates were not made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be created.
    #[error(transparent)]
    Create(#[from] CreateFileError),
    /// A file of the authority could not be read.
    #[error("cannot read {}: {source}; `dcnet pki init` makes an authority", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is no certificate.
    #[error("there is no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    /// The register is not as it was written.
    #[error("the register {} cannot be used: {source}; restore it from a copy", path.display())]
    Register {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The register is of another version of the program.
    #[error("the register {} has version {version}, this program knows 1", path.display())]
    RegisterVersion {
        /// The file.
        path: PathBuf,
        /// As it stands there.
        version: u32,
    },
    /// The authority certifies others.
    #[error(
        "the authority in {} certifies {}: {}", folder.display(), match kind {
            AuthorityKind::Gateways => "gateways",
            AuthorityKind::Operators => "operators",
        }, match kind {
            AuthorityKind::Gateways =>
                "leave out --role, or make one with `dcnet pki init DIR --for operators`",
            AuthorityKind::Operators => "say as what: --role administrator, auditor or consumer",
        }
    )]
    OtherKind {
        /// Its folder.
        folder: PathBuf,
        /// Whom it certifies.
        kind: AuthorityKind,
    },
    /// Role and nets.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// Nobody of that name.
    #[error(
        "the authority in {} has issued nothing to {name:?} that is still good: \
         `dcnet pki list` shows what it issued", folder.display()
    )]
    UnknownName {
        /// Its folder.
        folder: PathBuf,
        /// As asked for.
        name: String,
    },
    /// No serial number.
    #[error(
        "{0:?} is no serial number: up to 40 hexadecimal digits, as `dcnet pki list` shows them"
    )]
    Serial(String),
    /// Revoked before.
    #[error("the certificate {0} is revoked already")]
    RevokedBefore(String),
    /// The old authority is still needed.
    #[error(
        "{count} certificates of older authorities are still good (such as {name}): renew or revoke \
         them before the authorities are left out"
    )]
    StillNeeded {
        /// How many.
        count: usize,
        /// Whose one of them is.
        name: String,
    },
    /// There is no older authority.
    #[error("there is but one authority in {}: `dcnet pki rotate` makes another", .0.display())]
    NothingOlder(PathBuf),
    /// The library that writes certificates refused.
    #[error("cannot make the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The signing key that was just made does not load.
    #[error("the new signing key does not load: {0}")]
    SigningKey(String),
    /// A host name that no certificate can hold.
    #[error("{0:?} is neither a host name nor an IP address")]
    HostName(String),
    /// The validity leaves the calendar.
    #[error("a validity of {0} days leaves the calendar: use a smaller number")]
    Validity(u32),
    /// A moment that leaves the calendar.
    #[error("a list that is good for {} s leaves the calendar or is over at once", .0.as_secs())]
    ListValidity(Duration),
}

/// Sets the validity of `params`: from yesterday, so that a clock that is behind does no harm, to
/// `days` from today.
fn set_validity(params: &mut rcgen::CertificateParams, days: u32) -> Result<(), PkiError> {
    let today = jiff::tz::Offset::UTC
        .to_datetime(jiff::Timestamp::now())
        .date();
    let moment = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    let first = today.yesterday().map_err(|_| PkiError::Validity(days))?;
    let last = today
        .checked_add(
            jiff::Span::new()
                .try_days(days)
                .map_err(|_| PkiError::Validity(days))?,
        )
        .map_err(|_| PkiError::Validity(days))?;
    params.not_before = moment(first);
    params.not_after = moment(last);
    Ok(())
}

pub(crate) fn new_key() -> Result<rcgen::KeyPair, PkiError> {
    Ok(rcgen::KeyPair::generate_for(
        &rcgen::PKCS_ECDSA_P256_SHA256,
    )?)
}
