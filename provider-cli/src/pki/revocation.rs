//! Certificates are taken back: what stands in an authority's revocation lists.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use x509_parser::time::ASN1Time;

use super::PkiError;
use super::authority::Authority;
use super::list::RevocationList;
use super::register::{Lock, Reason, Register, Revoked, from_hex, timestamp};
use crate::files::{self, Access};
use crate::service::hex;

/// Days after which the next revocation list is due unless the caller says otherwise.
pub const LIST_DAYS: u32 = 30;

pub(super) fn default_validity() -> Duration {
    Duration::from_hours(24) * LIST_DAYS
}

/// What is to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Everything of that name that is still good.
    Name(String),
    /// One certificate, by its serial number in hexadecimal digits; it may be one that the register
    /// does not know.
    Serial(String),
}

impl Authority {
    /// Where the revocation lists are.
    pub fn list_path(&self) -> PathBuf {
        self.folder.join("crl.pem")
    }

    /// When the next revocation list is due; none if there is none yet.
    ///
    /// # Errors
    /// [`PkiError::Read`] if the file is no revocation list.
    pub fn list_is_due(&self) -> Result<Option<Timestamp>, PkiError> {
        let path = self.list_path();
        if !path.exists() {
            return Ok(None);
        }
        let lists = RevocationList::from_file(&path).map_err(|error| PkiError::Read {
            path,
            source: std::io::Error::other(error.to_string()),
        })?;
        Ok(lists
            .iter()
            .filter_map(|list| list.next)
            .min()
            .map(timestamp))
    }

    /// Makes the revocation lists anew; the next ones are due after `validity`.
    ///
    /// # Errors
    /// [`PkiError::ListValidity`] if that is never or at once.
    pub fn publish_list(&self, validity: Duration) -> Result<PathBuf, PkiError> {
        let _lock = Lock::of(&self.folder)?;
        let mut register = self.register()?;
        self.write_list(&mut register, validity)?;
        Ok(self.list_path())
    }

    /// Revokes what is chosen, makes the revocation lists anew, and gives the serial numbers.
    ///
    /// # Errors
    /// [`PkiError::UnknownName`] if nothing of that name is good; [`PkiError::Serial`] and
    /// [`PkiError::RevokedBefore`] for a serial number.
    pub fn revoke(
        &self,
        chosen: &Chosen,
        reason: Reason,
        validity: Duration,
    ) -> Result<Vec<String>, PkiError> {
        let _lock = Lock::of(&self.folder)?;
        let mut register = self.register()?;
        let now = Timestamp::now();
        let serials: Vec<String> = match chosen {
            Chosen::Name(name) => {
                let of_name = register.issued.iter().filter(|issued| issued.name == *name);
                let good = of_name.filter(|issued| register.is_good(issued, now));
                good.map(|issued| issued.serial.clone()).collect()
            }
            Chosen::Serial(text) => {
                let bytes = from_hex(text).ok_or_else(|| PkiError::Serial(text.clone()))?;
                vec![hex(&bytes)]
            }
        };
        match (chosen, serials.as_slice()) {
            (Chosen::Name(name), []) => return Err(self.unknown(name)),
            (Chosen::Serial(_), [serial]) if register.revocation(serial).is_some() => {
                return Err(PkiError::RevokedBefore(serial.clone()));
            }
            _ => {}
        }
        enter(&mut register, &serials, reason, now);
        self.write_list(&mut register, validity)?;
        Ok(serials)
    }

    /// Revokes those of `serials` that are still good, as superseded by what was just issued.
    pub(super) fn supersede(
        &self,
        register: &mut Register,
        serials: &[String],
    ) -> Result<(), PkiError> {
        let now = Timestamp::now();
        let issued = register.issued.iter();
        let good = issued.filter(|issued| register.is_good(issued, now));
        let good: Vec<_> = good
            .filter(|issued| serials.contains(&issued.serial))
            .map(|issued| issued.serial.clone())
            .collect();
        enter(register, &good, Reason::Superseded, now);
        self.write_list(register, default_validity())
    }

    /// Writes the register, then one list per authority in use. A revocation that is in the register and
    /// not in the lists yet gets there with the next list; the other way round it would be lost.
    pub(super) fn write_list(
        &self,
        register: &mut Register,
        validity: Duration,
    ) -> Result<(), PkiError> {
        let fail = || PkiError::ListValidity(validity);
        let now = Timestamp::now().as_second();
        let ends = i64::try_from(validity.as_secs())
            .ok()
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| now.checked_add(seconds))
            .ok_or_else(fail)?;
        let moment = |seconds| ASN1Time::from_timestamp(seconds).map_err(|_| fail());
        let (made, ends) = (moment(now)?, moment(ends)?);
        register.lists += 1;
        let mut text = String::new();
        for number in register.oldest..=register.current {
            let mut revoked_certs = Vec::new();
            for revoked in &register.revoked {
                let issued = register.issued.iter();
                let mut issued = issued.filter(|issued| issued.serial == revoked.serial);
                // One that the register does not know may be anybody's.
                if issued
                    .next()
                    .is_some_and(|issued| issued.authority != number)
                {
                    continue;
                }
                let serial = from_hex(&revoked.serial)
                    .ok_or_else(|| PkiError::Serial(revoked.serial.clone()))?;
                revoked_certs.push(RevokedCertParams {
                    serial_number: SerialNumber::from_slice(&serial),
                    revocation_time: moment(revoked.at.as_second())?.to_datetime(),
                    reason_code: code(revoked.reason),
                    invalidity_date: None,
                });
            }
            let list = CertificateRevocationListParams {
                this_update: made.to_datetime(),
                next_update: ends.to_datetime(),
                crl_number: SerialNumber::from(register.lists),
                issuing_distribution_point: None,
                revoked_certs,
                key_identifier_method: KeyIdMethod::Sha256,
            };
            text.push_str(&list.signed_by(&self.issuer(number)?)?.pem()?);
        }
        register.write(&self.folder)?;
        files::replace(&self.list_path(), text.as_bytes(), Access::Everybody)?;
        Ok(())
    }
}

fn enter(register: &mut Register, serials: &[String], reason: Reason, at: Timestamp) {
    // As lists say it: to the second.
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    let revoked = serials.iter().map(|serial| Revoked {
        serial: serial.clone(),
        at,
        reason,
    });
    register.revoked.extend(revoked);
}

/// RFC 5280 wants no code for a reason that is not told.
fn code(reason: Reason) -> Option<RevocationReason> {
    Some(match reason {
        Reason::Unspecified => return None,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
    })
}
