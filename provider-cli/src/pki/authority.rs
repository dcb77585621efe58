//! The laboratory authority of the gateway administrator.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use dcnet_protocol::certificate::STATEMENT_SIGNING_OID;
use dcnet_protocol::names::ClientId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::{AUTHORITY_DAYS, PkiError, new_key, set_validity};
use crate::files::{self, Access, CreateFileError};

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key.pem";

/// A certification authority for gateways, kept in a folder: `ca.pem` and `ca.key.pem`.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayFiles {
    /// Certificate for TLS client authentication.
    pub tls_certificate: PathBuf,
    /// Its private key.
    pub tls_key: PathBuf,
    /// Certificate for signing statements.
    pub sig_certificate: PathBuf,
    /// Its private key.
    pub sig_key: PathBuf,
}

impl GatewayFiles {
    /// The names that [`Authority::issue`] uses in `folder`.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            tls_certificate: folder.join("tls.pem"),
            tls_key: folder.join("tls.key.pem"),
            sig_certificate: folder.join("sig.pem"),
            sig_key: folder.join("sig.key.pem"),
        }
    }
}

impl Authority {
    /// Makes a new authority in `folder`.
    ///
    /// # Errors
    /// [`PkiError::Create`] if one of the two files is there already or cannot be written.
    pub fn create(folder: &Path) -> Result<Self, PkiError> {
        refuse_existing([folder.join(CERTIFICATE), folder.join(KEY)])?;
        let key = new_key()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = unique_name("dcnet laboratory gateway administrator", &key);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, AUTHORITY_DAYS)?;
        let certificate = params.self_signed(&key)?;
        // The key first: a certificate without its key would look like an authority.
        files::create(
            &folder.join(KEY),
            key.serialize_pem().as_bytes(),
            Access::Owner,
        )?;
        files::create(
            &folder.join(CERTIFICATE),
            certificate.pem().as_bytes(),
            Access::Everybody,
        )?;
        Self::open(folder)
    }

    /// Opens the authority in `folder`.
    ///
    /// # Errors
    /// [`PkiError::Read`] if a file is missing, [`PkiError::Certificate`] if one is malformed.
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let read = |name: &str, read: fn(&Path) -> io::Result<String>| {
            let path = folder.join(name);
            read(&path).map_err(|source| PkiError::Read { path, source })
        };
        let key = KeyPair::from_pem(&read(KEY, files::read_key)?)?;
        let certificate = read(CERTIFICATE, |path| fs::read_to_string(path))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key)?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer,
        })
    }

    /// The authority's certificate: what gateways and provider trust.
    pub fn certificate_path(&self) -> PathBuf {
        self.folder.join(CERTIFICATE)
    }

    /// Issues both certificates of the gateway `client` with fresh keys into `out`.
    ///
    /// # Errors
    /// [`PkiError::Create`] if one of the four files is there already or cannot be written.
    pub fn issue(
        &self,
        client: &ClientId,
        out: &Path,
        days: u32,
    ) -> Result<GatewayFiles, PkiError> {
        let paths = GatewayFiles::in_folder(out);
        refuse_existing([
            paths.tls_certificate.clone(),
            paths.tls_key.clone(),
            paths.sig_certificate.clone(),
            paths.sig_key.clone(),
        ])?;
        let tls = ExtendedKeyUsagePurpose::ClientAuth;
        let sig = ExtendedKeyUsagePurpose::Other(STATEMENT_SIGNING_OID.to_vec());
        self.certify(client, tls, days, &paths.tls_certificate, &paths.tls_key)?;
        self.certify(client, sig, days, &paths.sig_certificate, &paths.sig_key)?;
        Ok(paths)
    }

    fn certify(
        &self,
        client: &ClientId,
        purpose: ExtendedKeyUsagePurpose,
        days: u32,
        certificate_path: &Path,
        key_path: &Path,
    ) -> Result<(), PkiError> {
        let key = new_key()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(client.as_str());
        params.subject_alt_names = vec![SanType::URI(
            format!("urn:dcnet:gateway:{client}").try_into()?,
        )];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, days)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        files::create(key_path, key.serialize_pem().as_bytes(), Access::Owner)?;
        files::create(
            certificate_path,
            certificate.pem().as_bytes(),
            Access::Everybody,
        )?;
        Ok(())
    }
}

pub(super) fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// A name with a few bytes of the key: two authorities of one name would be taken for each other,
/// and refusals would speak of bad signatures instead of another issuer.
pub(super) fn unique_name(text: &str, key: &KeyPair) -> DistinguishedName {
    let mut name = format!("{text} ");
    for byte in key.public_key_raw().iter().skip(1).take(4) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    common_name(&name)
}

/// Refuses before the first file is written if any of them is there.
pub(super) fn refuse_existing(
    paths: impl IntoIterator<Item = PathBuf>,
) -> Result<(), CreateFileError> {
    match paths
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    {
        Some(path) => Err(CreateFileError::Exists(path)),
        None => Ok(()),
    }
}
