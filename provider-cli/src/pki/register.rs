//! What an authority has issued and revoked: `register.json` in its folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::{AuthorityKind, PkiError};
use crate::files::{self, Access};
use crate::service::hex;

const FILE: &str = "register.json";

/// The register, as it stands in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    version: u32,
    /// Whom the authority certifies.
    pub(super) certifies: AuthorityKind,
    /// Number of the oldest authority that is still trusted, and of the one that signs.
    pub(super) oldest: u32,
    pub(super) current: u32,
    /// Number of the revocation list made last.
    pub(super) lists: u64,
    pub(super) issued: Vec<Issued>,
    pub(super) revoked: Vec<Revoked>,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Whom it names.
    pub name: String,
    /// What it is for: `tls`, `statement`, or a role.
    pub kind: String,
    /// Nets that a consumer may read.
    pub nets: BTreeSet<String>,
    /// Number of the authority that signed it.
    pub authority: u32,
    /// Begin of its validity.
    #[serde(with = "moment")]
    pub not_before: Timestamp,
    /// End of its validity.
    #[serde(with = "moment")]
    pub not_after: Timestamp,
}

/// A certificate that is not to be accepted any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Since when.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// Why a certificate is not accepted any more: those of RFC 5280, section 5.3.1, that fit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Not told.
    Unspecified,
    /// Somebody else may have the private key.
    KeyCompromise,
    /// The name or role in it is not right any more.
    AffiliationChanged,
    /// There is a newer one.
    Superseded,
    /// The gateway or program is out of use.
    CessationOfOperation,
    /// They may not do any more what it allows.
    PrivilegeWithdrawn,
}

impl Register {
    pub(super) fn new(certifies: AuthorityKind) -> Self {
        Self {
            version: 1,
            certifies,
            oldest: 1,
            current: 1,
            lists: 0,
            issued: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// Reads the register in `folder`. An authority that was made before there were registers has an
    /// empty one and certifies gateways.
    pub(super) fn read(folder: &Path) -> Result<Self, PkiError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::new(AuthorityKind::Gateways));
            }
            Err(source) => return Err(PkiError::Read { path, source }),
        };
        let register: Self = serde_json::from_str(&text).map_err(|source| PkiError::Register {
            path: path.clone(),
            source,
        })?;
        if register.version != 1 {
            return Err(PkiError::RegisterVersion {
                path,
                version: register.version,
            });
        }
        Ok(register)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), PkiError> {
        let text = serde_json::to_string_pretty(self).map_err(|source| PkiError::Register {
            path: folder.join(FILE),
            source,
        })?;
        files::replace(
            &folder.join(FILE),
            format!("{text}\n").as_bytes(),
            Access::Everybody,
        )?;
        Ok(())
    }

    /// Whom the authority certifies.
    pub fn certifies(&self) -> AuthorityKind {
        self.certifies
    }

    /// Everything that was issued, in that order.
    pub fn issued(&self) -> &[Issued] {
        &self.issued
    }

    /// Since when and why the certificate with this serial number is revoked.
    pub fn revocation(&self, serial: &str) -> Option<&Revoked> {
        self.revoked.iter().find(|revoked| revoked.serial == serial)
    }

    /// Whether a certificate is neither over at `now` nor revoked.
    pub fn is_good(&self, issued: &Issued, now: Timestamp) -> bool {
        issued.not_after > now && self.revocation(&issued.serial).is_none()
    }

    /// Whether one was issued later for the same that is good at `now`.
    pub fn is_superseded(&self, issued: &Issued, now: Timestamp) -> bool {
        let later = self.issued.iter().rev();
        let mut later = later.take_while(|other| other.serial != issued.serial);
        later.any(|other| {
            other.name == issued.name && other.kind == issued.kind && self.is_good(other, now)
        })
    }
}

impl Issued {
    pub(super) fn new(facts: &Facts, name: &str, kind: &str, authority: u32) -> Self {
        Self {
            serial: hex(&facts.serial),
            name: name.to_owned(),
            kind: kind.to_owned(),
            nets: BTreeSet::new(),
            authority,
            not_before: timestamp(facts.not_before),
            not_after: timestamp(facts.not_after),
        }
    }
}

/// Keeps other processes from changing a folder of an authority until it is dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Lock {
    pub(super) fn of(folder: &Path) -> Result<Self, PkiError> {
        let fail = |source| PkiError::Read {
            path: PathBuf::from(folder),
            source,
        };
        let file = File::open(folder).map_err(fail)?;
        file.lock().map_err(fail)?;
        Ok(Self(file))
    }
}

/// Bytes of a serial number as people write them: hexadecimal, with or without colons.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|digit| *digit != ':').collect();
    let even = if digits.len().is_multiple_of(2) {
        digits
    } else {
        format!("0{digits}")
    };
    if even.is_empty() || even.len() > 40 || !even.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..even.len() / 2)
        .map(|at| u8::from_str_radix(even.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    bytes.map(|bytes| super::facts::serial(&bytes))
}

/// Times as RFC 3339 in UTC, as people read them.
mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

pub(super) fn timestamp(time: dcnet_protocol::round::UnixTime) -> Timestamp {
    let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}
