//! Laboratory certificates: the gateway administrator's authority, and the provider's own keys.
//!
//! Two separate hierarchies that never sign for each other. The authority certifies gateways and
//! nothing else; the provider's certificate authenticates the server towards gateways and nothing
//! else. In the field the SM-PKI of BSI TR-03109-4 takes the place of [`Authority`].

mod authority;
mod provider;

use std::path::PathBuf;

pub use authority::{Authority, GatewayFiles};
pub use provider::{ProviderFiles, create_provider};

use crate::files::CreateFileError;

/// Days for which a certificate is valid unless the caller says otherwise.
pub const DEFAULT_DAYS: u32 = 730;

/// Days for which an authority is valid.
const AUTHORITY_DAYS: u32 = 3650;

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
