//! What a certificate says of itself: serial number, validity, names.

use std::path::Path;

use dcnet_protocol::round::UnixTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::PkiError;

/// What the files of certificates and lists are compared by: the serial number without leading zeros.
pub(crate) fn serial(raw: &[u8]) -> Vec<u8> {
    let zeros = raw.iter().take_while(|byte| **byte == 0).count();
    raw.get(zeros..).unwrap_or_default().to_vec()
}

/// What is read out of a certificate; whether it is to be believed is decided elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Without leading zeros.
    pub(crate) serial: Vec<u8>,
    /// Name in words.
    pub(crate) subject: String,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    /// Uniform resource names among the subject alternative names.
    pub(crate) uris: Vec<String>,
    /// Host names and addresses among them.
    pub(crate) hosts: Vec<String>,
    /// DER of the issuer's name.
    pub(crate) issuer: Vec<u8>,
    /// DER of the name.
    pub(crate) name: Vec<u8>,
    /// The public key's bits.
    pub(crate) key: Vec<u8>,
}

impl Facts {
    /// Reads a certificate in DER; `None` if it is none.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map_or(&[][..], |names| names.value.general_names.as_slice());
        let mut hosts = Vec::new();
        let mut uris = Vec::new();
        for name in names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
                GeneralName::IPAddress(bytes) => hosts.extend(address(bytes)),
                _ => {}
            }
        }
        Some(Self {
            serial: serial(certificate.raw_serial()),
            subject: certificate.subject().to_string(),
            not_before: time(certificate.validity().not_before.timestamp()),
            not_after: time(certificate.validity().not_after.timestamp()),
            uris,
            hosts,
            issuer: certificate.issuer().as_raw().to_vec(),
            name: certificate.subject().as_raw().to_vec(),
            key: certificate.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// Of the first certificate in a PEM file.
    pub(super) fn of_file(path: &Path) -> Result<Self, PkiError> {
        let text = std::fs::read_to_string(path).map_err(|source| PkiError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::of_pem(&text).ok_or_else(|| PkiError::NoCertificate(path.to_owned()))
    }

    /// Of the first certificate in a PEM text.
    pub(super) fn of_pem(text: &str) -> Option<Self> {
        use rustls_pki_types::pem::PemObject as _;
        let der = rustls_pki_types::CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
        Self::of(&der)
    }
}

/// Seconds since 1970; earlier ones are taken for 1970.
pub(crate) fn time(seconds: i64) -> UnixTime {
    UnixTime::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from);
    v4.or(v6).ok().map(|address| address.to_string())
}
