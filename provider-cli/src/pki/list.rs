//! Revocation lists (RFC 5280, section 5), read.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use dcnet_protocol::round::UnixTime;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateRevocationListDer, alg_id};
use x509_parser::prelude::FromDer as _;

use super::facts::{serial, time};

/// One authority's revocation list.
#[derive(Debug, Clone)]
pub(crate) struct RevocationList {
    /// As it stands in the file.
    pub(crate) der: CertificateRevocationListDer<'static>,
    /// DER of the name of the authority.
    pub(crate) issuer: Vec<u8>,
    pub(crate) made: UnixTime,
    /// When the next one is due at the latest.
    pub(crate) next: Option<UnixTime>,
    /// What is signed, and how.
    signed: Vec<u8>,
    signature: Vec<u8>,
    /// Since when and why, by serial numbers without leading zeros.
    revoked: HashMap<Vec<u8>, (UnixTime, &'static str)>,
}

impl RevocationList {
    /// All lists in a PEM file.
    pub(crate) fn from_file(path: &Path) -> Result<Vec<Self>, pem::Error> {
        CertificateRevocationListDer::pem_file_iter(path)?
            .map(|der| {
                let malformed = io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a revocation list in it is malformed",
                );
                Self::of(&der?).ok_or(pem::Error::Io(malformed))
            })
            .collect()
    }

    fn of(der: &CertificateRevocationListDer<'static>) -> Option<Self> {
        let (_, list) =
            x509_parser::revocation_list::CertificateRevocationList::from_der(der).ok()?;
        let revoked = list.iter_revoked_certificates().map(|entry| {
            let since = time(entry.revocation_date.timestamp());
            let reason = entry.reason_code().map_or(0, |(_, reason)| reason.0);
            (serial(entry.raw_serial()), (since, words(reason)))
        });
        Some(Self {
            issuer: list.issuer().as_raw().to_vec(),
            made: time(list.last_update().timestamp()),
            next: list.next_update().map(|next| time(next.timestamp())),
            signed: list.tbs_cert_list.as_ref().to_vec(),
            signature: list.signature_value.data.to_vec(),
            revoked: revoked.collect(),
            der: der.clone(),
        })
    }

    /// Whether an authority with this public key (the bits of a point on P-256) signed it.
    pub(crate) fn is_signed_with(&self, key: &[u8]) -> bool {
        let known = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        known.all.iter().any(|algorithm| {
            algorithm.public_key_alg_id() == alg_id::ECDSA_P256
                && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
                && algorithm
                    .verify_signature(key, &self.signed, &self.signature)
                    .is_ok()
        })
    }

    /// Since when and why the certificate with this serial number is not to be accepted.
    pub(crate) fn revocation(&self, serial: &[u8]) -> Option<(UnixTime, &'static str)> {
        self.revoked.get(serial).copied()
    }
}

/// The reasons of RFC 5280, section 5.3.1.
fn words(reason: u8) -> &'static str {
    match reason {
        1 => "its key may be known to others",
        2 | 10 => "the key of an authority may be known to others",
        3 => "name or role have changed",
        4 => "there is a newer one",
        5 => "it is out of use",
        6 => "it is on hold",
        9 => "what it allows was withdrawn",
        _ => "no reason is given",
    }
}
