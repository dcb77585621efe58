//! The provider's own keys: TLS server certificate and signing key.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose,
};

use super::authority::{common_name, read, refuse_existing, unique_name};
use super::facts::Facts;
use super::register::Lock;
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
    let root = make_root()?;
    let (tls_certificate, tls_key) = certify(&root.issuer, names, days)?;

    let signing_key = new_key()?.serialize_pem();
    dcnet_protocol::signature::SigningKey::from_pkcs8_pem(&signing_key)
        .map_err(|error| PkiError::SigningKey(error.to_string()))?;

    let secret = |path: &Path, pem: &str| files::create(path, pem.as_bytes(), Access::Owner);
    let public = |path: &Path, pem: &str| files::create(path, pem.as_bytes(), Access::Everybody);
    secret(&paths.root_key, &root.issuer.key().serialize_pem())?;
    public(&paths.root_certificate, &root.certificate)?;
    secret(&paths.tls_key, &tls_key)?;
    public(&paths.tls_certificate, &tls_certificate)?;
    secret(&paths.signing_key, &signing_key)?;
    Ok(paths)
}

/// Whether `folder` holds the keys of a provider.
pub fn is_provider(folder: &Path) -> bool {
    ProviderFiles::in_folder(folder).root_certificate.exists()
}

/// Which of the provider's roots signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The one that signed the certificate in use.
    Same,
    /// The newest.
    Newest,
}

/// What [`renew_provider`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewedProvider {
    /// The provider's files, of which certificate and key are new.
    pub files: ProviderFiles,
    /// The root that signed the new certificate.
    pub root: PathBuf,
    /// Where the old certificate is now; its key is beside it.
    pub kept: PathBuf,
}

/// Makes another root beside those that there are, and `provider-ca-bundle.pem`, which holds them all.
/// The server's certificate stays as it is: gateways have to trust the new root first.
///
/// # Errors
/// [`PkiError::Create`] if a file cannot be written, [`PkiError::Read`] if there is no provider.
pub fn new_root(folder: &Path) -> Result<(PathBuf, PathBuf), PkiError> {
    let _lock = Lock::of(folder)?;
    let number = newest_root(folder) + 1;
    let (certificate, key) = root_paths(folder, number);
    let root = make_root()?;
    let mut bundle = String::new();
    for older in 1..number {
        bundle.push_str(&read(&root_paths(folder, older).0)?);
    }
    bundle.push_str(&root.certificate);
    let pem = root.issuer.key().serialize_pem();
    files::create(&key, pem.as_bytes(), Access::Owner)?;
    files::create(&certificate, root.certificate.as_bytes(), Access::Everybody)?;
    let path = folder.join("provider-ca-bundle.pem");
    files::replace(&path, bundle.as_bytes(), Access::Everybody)?;
    Ok((certificate, path))
}

/// Makes a new key and server certificate in the place of those that the server uses, which are kept
/// under names with a number. Without `names` it is for those of the old one.
///
/// A server that runs takes them as soon as it finds both.
///
/// # Errors
/// As for [`create_provider`]; [`PkiError::Read`] if there is no certificate to be renewed.
pub fn renew_provider(
    folder: &Path,
    names: &[String],
    days: u32,
    root: Root,
) -> Result<RenewedProvider, PkiError> {
    let _lock = Lock::of(folder)?;
    let paths = ProviderFiles::in_folder(folder);
    let old = Facts::of_file(&paths.tls_certificate)?;
    let names = if names.is_empty() { &old.hosts } else { names };
    let newest = newest_root(folder);
    let number = match root {
        Root::Newest => newest,
        Root::Same => {
            let signed = |number: &u32| {
                let facts = Facts::of_file(&root_paths(folder, *number).0);
                facts.is_ok_and(|facts| facts.name == old.issuer)
            };
            (1..=newest).find(signed).unwrap_or(newest)
        }
    };
    let (root, key) = root_paths(folder, number);
    let key = files::read_key(&key).map_err(|source| PkiError::Read { path: key, source })?;
    let issuer = Issuer::from_ca_cert_pem(&read(&root)?, rcgen::KeyPair::from_pem(&key)?)?;
    let (certificate, key) = certify(&issuer, names, days)?;
    let kept = keep(folder, &paths)?;
    files::replace(&paths.tls_key, key.as_bytes(), Access::Owner)?;
    files::replace(
        &paths.tls_certificate,
        certificate.as_bytes(),
        Access::Everybody,
    )?;
    Ok(RenewedProvider {
        files: paths,
        root,
        kept,
    })
}

/// Gives the certificate and key in use a second name, under which they stay.
fn keep(folder: &Path, paths: &ProviderFiles) -> Result<PathBuf, PkiError> {
    let names = |number: u32| {
        let certificate = folder.join(format!("provider-tls.{number}.pem"));
        (
            certificate,
            folder.join(format!("provider-tls.{number}.key.pem")),
        )
    };
    let is_free = |number: &u32| {
        let (certificate, key) = names(*number);
        !certificate.exists() && !key.exists()
    };
    let number = (1..u32::MAX).find(is_free).unwrap_or(u32::MAX);
    let (certificate, key) = names(number);
    let kept = certificate.clone();
    for (from, to) in [(&paths.tls_certificate, certificate), (&paths.tls_key, key)] {
        std::fs::hard_link(from, &to)
            .map_err(|source| files::CreateFileError::Io { path: to, source })?;
    }
    Ok(kept)
}

fn root_paths(folder: &Path, number: u32) -> (PathBuf, PathBuf) {
    let stem = match number {
        1 => "provider-ca".to_owned(),
        number => format!("provider-ca-{number}"),
    };
    let certificate = folder.join(format!("{stem}.pem"));
    (certificate, folder.join(format!("{stem}.key.pem")))
}

fn newest_root(folder: &Path) -> u32 {
    let is_there = |number: &u32| root_paths(folder, *number).0.exists();
    (2..u32::MAX).take_while(is_there).last().unwrap_or(1)
}

struct NewRoot {
    certificate: String,
    issuer: Issuer<'static, rcgen::KeyPair>,
}

fn make_root() -> Result<NewRoot, PkiError> {
    let key = new_key()?;
    let mut root = CertificateParams::default();
    root.distinguished_name = unique_name("dcnet provider root", &key);
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut root, AUTHORITY_DAYS)?;
    let certificate = root.self_signed(&key)?.pem();
    Ok(NewRoot {
        certificate,
        issuer: Issuer::new(root, key),
    })
}

/// A server certificate for `names` and its key, PEM.
fn certify(
    issuer: &Issuer<'_, rcgen::KeyPair>,
    names: &[String],
    days: u32,
) -> Result<(String, String), PkiError> {
    let Some(first) = names.first() else {
        return Err(PkiError::HostName(String::new()));
    };
    if let Some(bad) = names.iter().find(|name| !is_host(name)) {
        return Err(PkiError::HostName(bad.clone()));
    }
    let key = new_key()?;
    let mut tls = CertificateParams::new(names.to_vec())?;
    tls.distinguished_name = common_name(first);
    tls.is_ca = IsCa::ExplicitNoCa;
    tls.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    tls.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    tls.use_authority_key_identifier_extension = true;
    set_validity(&mut tls, days)?;
    let certificate = tls.signed_by(&key, issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
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
