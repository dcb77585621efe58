//! The provider's own keys: TLS server certificate and signing key.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose,
};

use super::authority::{common_name, refuse_existing, unique_name};
use super::{AUTHORITY_DAYS, PkiError, new_key, set_validity};
use crate::files::{self, Access};

/// The files of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFiles {
    /// Root that gateways trust for the server's name, and for nothing else.
    pub root_certificate: PathBuf,
    /// Its private key, for renewals.
    pub root_key: PathBuf,
    /// TLS server certificate.
    pub tls_certificate: PathBuf,
    /// Its private key.
    pub tls_key: PathBuf,
    /// Private key with which the provider signs manifests and corrections (P-256, PKCS#8); its
    /// public half stands in every net descriptor.
    pub signing_key: PathBuf,
}

impl ProviderFiles {
    /// The names that [`create_provider`] uses in `folder`.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            root_certificate: folder.join("provider-ca.pem"),
            root_key: folder.join("provider-ca.key.pem"),
            tls_certificate: folder.join("provider-tls.pem"),
            tls_key: folder.join("provider-tls.key.pem"),
            signing_key: folder.join("provider-signing.key.pem"),
        }
    }
}

/// Makes a provider's keys and server certificate in `folder` for the host names or IP addresses
/// `names`.
///
/// Nothing of it is signed by the gateways' authority: the provider never certifies gateways, and
/// the gateways' authority never certifies the provider.
///
/// # Errors
/// [`PkiError::Create`] if one of the files is there already or cannot be written;
/// [`PkiError::HostName`] if a name cannot stand in a certificate.
pub fn create_provider(
    folder: &Path,
    names: &[String],
    days: u32,
) -> Result<ProviderFiles, PkiError> {
    let paths = ProviderFiles::in_folder(folder);
    refuse_existing([
        paths.root_certificate.clone(),
        paths.root_key.clone(),
        paths.tls_certificate.clone(),
        paths.tls_key.clone(),
        paths.signing_key.clone(),
    ])?;
    let Some(first) = names.first() else {
        return Err(PkiError::HostName(String::new()));
    };
    if let Some(bad) = names.iter().find(|name| !is_host(name)) {
        return Err(PkiError::HostName(bad.clone()));
    }

    let root_key = new_key()?;
    let mut root = CertificateParams::default();
    root.distinguished_name = unique_name("dcnet provider root", &root_key);
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut root, AUTHORITY_DAYS)?;
    let root_certificate = root.self_signed(&root_key)?;

    let tls_key = new_key()?;
    let mut tls = CertificateParams::new(names.to_vec())?;
    tls.distinguished_name = common_name(first);
    tls.is_ca = IsCa::ExplicitNoCa;
    tls.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    tls.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    tls.use_authority_key_identifier_extension = true;
    set_validity(&mut tls, days)?;
    let tls_certificate = tls.signed_by(&tls_key, &Issuer::from_params(&root, &root_key))?;

    let signing_key = new_key()?.serialize_pem();
    dcnet_protocol::signature::SigningKey::from_pkcs8_pem(&signing_key)
        .map_err(|error| PkiError::SigningKey(error.to_string()))?;

    let secret = |path: &Path, pem: &str| files::create(path, pem.as_bytes(), Access::Owner);
    let public = |path: &Path, pem: &str| files::create(path, pem.as_bytes(), Access::Everybody);
    secret(&paths.root_key, &root_key.serialize_pem())?;
    public(&paths.root_certificate, &root_certificate.pem())?;
    secret(&paths.tls_key, &tls_key.serialize_pem())?;
    public(&paths.tls_certificate, &tls_certificate.pem())?;
    secret(&paths.signing_key, &signing_key)?;
    Ok(paths)
}

/// Whether a text is an IP address or a host name of letters, digits, hyphens and dots.
fn is_host(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
        || (!text.is_empty()
            && text.len() <= 253
            && text.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            }))
}
