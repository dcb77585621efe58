//! From the profile to what the daemon needs: certificates and keys read, checked, and matched.

mod credentials;
mod error;
mod own;
mod page;
mod warning;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use dcnet_profiles::Profile;
use dcnet_profiles::communication::DEFAULT_MIN_SIZE;
use dcnet_profiles::meter::Source;
use dcnet_protocol::certificate::{CertificateError, Identity, TrustAnchor, Usage};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::signature::SigningKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use self::credentials::Credentials;
pub use self::error::{ConfigError, Content};
use self::own::Own;
pub(crate) use self::own::{Look, Renewal};
pub(crate) use self::page::server_config;
pub use self::page::{PageFiles, PageTlsError, Password};
pub use self::warning::Warning;
use crate::source::device;
use crate::source::quirks;
use crate::submit::TlsMaterial;

/// What `probe` writes for an address that it does not know.
pub(crate) const PLACEHOLDER_PROVIDER: &str = "https://provider.example";
/// The same for the net.
pub(crate) const PLACEHOLDER_NET: &str = "placeholder";

/// Everything that the daemon is told, checked.
#[derive(Debug)]
pub struct Config {
    /// The file that it comes from.
    pub origin: PathBuf,
    /// What the file says.
    pub profile: Profile,
    /// This gateway, as its certificates name it.
    pub client: ClientId,
    /// For TLS.
    pub tls: TlsMaterial,
    /// Signs statements.
    pub signing_key: SigningKey,
    /// Certificate of `signing_key` first, then those that lead to the authority.
    pub signing_chain: Vec<Vec<u8>>,
    /// The gateway administrator's certification authority.
    pub anchor: TrustAnchor,
    /// What the household's page needs, if it is shown.
    pub page: Option<PageFiles>,
}

impl Config {
    /// Reads the profile at `path` and all files that it names. Expiry is judged at `now`.
    ///
    /// # Errors
    ///
    /// The first thing that would keep the daemon from running.
    pub fn load(path: &Path, now: UnixTime) -> Result<Self, ConfigError> {
        let profile = Profile::load(path)?;
        let check = Files {
            origin: path,
            credentials: Credentials::of_this_process(),
        };
        for meter in &profile.meters {
            for source in &meter.sources {
                if let Source::Sml(line) = source {
                    quirks::load(line.quirks.as_deref()).map_err(|source| ConfigError::Quirks {
                        origin: path.to_owned(),
                        meter: meter.name.clone(),
                        source,
                    })?;
                }
            }
        }

        let own = Own::read(&check, &profile.communication, now)?;
        let page = profile.home.page.as_ref();
        let page = page.map(|page| check.page(page)).transpose()?;
        Ok(Self {
            origin: path.to_owned(),
            client: own.client,
            tls: own.tls,
            signing_key: own.signing_key,
            signing_chain: own.signing_chain,
            anchor: own.anchor,
            page,
            profile,
        })
    }

    /// What is allowed, but deserves a second thought.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let communication = &self.profile.communication;
        let placeholders = [
            (
                "communication.provider",
                communication.provider.as_str().trim_end_matches('/') == PLACEHOLDER_PROVIDER,
            ),
            (
                "communication.net",
                communication.net.as_str() == PLACEHOLDER_NET,
            ),
        ];
        let left = placeholders.into_iter().filter(|(_, is_left)| *is_left);
        warnings.extend(left.map(|(key, _)| Warning::Placeholder { key }));
        let accept = &communication.accept;
        if accept.min_size < DEFAULT_MIN_SIZE {
            warnings.push(Warning::SmallSums {
                min_size: accept.min_size,
            });
        }
        if accept.allow_resend {
            warnings.push(Warning::Resend);
        }
        let witnesses = accept.witnesses.witnesses().len();
        if witnesses > 0 && accept.witnesses.needed() * 2 <= witnesses {
            warnings.push(Warning::FewCosignatures {
                needed: accept.witnesses.needed(),
                witnesses,
            });
        }
        if let Some(page) = &self.profile.home.page
            && page.password_file.is_none()
            && page.clients.is_none()
        {
            warnings.push(Warning::OpenPage {
                listen: page.listen,
            });
        }
        for meter in &self.profile.meters {
            for source in &meter.sources {
                let Some(device) = source.device() else {
                    continue;
                };
                let (meter, device) = (meter.name.clone(), device.clone());
                let kind = source.key();
                if !device.exists() {
                    warnings.push(Warning::NoDevice {
                        meter: meter.clone(),
                        kind,
                        device: device.clone(),
                    });
                }
                if device::has_changing_name(&device) {
                    let stable = device::stable_name(&device);
                    warnings.push(Warning::ChangingName {
                        meter,
                        kind,
                        device,
                        stable,
                    });
                }
            }
        }
        warnings
    }
}

/// Reads a password: the first line of a file that only its owner can read.
///
/// # Errors
///
/// Others can read it, or nobody can.
pub fn password(file: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let unreadable = |source| PasswordError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PasswordError::Exposed {
            file: file.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    File::open(file)
        .map_err(unreadable)?
        .take(MAX_PEM)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let first = text.lines().next().unwrap_or_default();
    Ok(Zeroizing::new(first.to_owned()))
}

/// Why a password cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It cannot be read.
    #[error("the password file {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "the password file {} can be read by others (mode {mode:03o}); run: chmod 600",
        file.display()
    )]
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// Largest certificate or key file in bytes.
const MAX_PEM: u64 = 256 * 1024;

struct Files<'a> {
    origin: &'a Path,
    credentials: Credentials,
}

impl Files<'_> {
    fn certificates(
        &self,
        key: &'static str,
        file: &Path,
    ) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let pem = self.read(key, file)?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| self.content(key, file, Content::Pem))?;
        if certificates.is_empty() {
            return Err(self.content(key, file, Content::NoCertificate));
        }
        Ok(certificates)
    }

    fn key(&self, key: &'static str, file: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
        if let Some(mode) = self.exposed(key, file)? {
            return Err(self.content(key, file, Content::Exposed { mode }));
        }
        let pem = self.read(key, file)?;
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| self.content(key, file, Content::NoKey))
    }

    /// The permissions of `file`, if they let others read it.
    fn exposed(&self, key: &'static str, file: &Path) -> Result<Option<u32>, ConfigError> {
        let path = self.resolve(key, file)?;
        let metadata = path.metadata();
        let metadata = metadata.map_err(|source| self.unreadable(key, file, source))?;
        if metadata.is_dir() {
            // To take rights from the group would not make it a key.
            return Err(self.unreadable(key, file, io::ErrorKind::IsADirectory.into()));
        }
        let mode = metadata.mode() & 0o777;
        Ok((mode & self.credentials.exposing(&path) != 0).then_some(mode))
    }

    fn resolve<'f>(&self, key: &'static str, file: &'f Path) -> Result<Cow<'f, Path>, ConfigError> {
        self.credentials
            .resolve(file)
            .ok_or_else(|| ConfigError::NoCredentials {
                origin: self.origin.to_owned(),
                key,
                file: file.to_owned(),
            })
    }

    fn read(&self, key: &'static str, file: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let unreadable = |source| self.unreadable(key, file, source);
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(self.resolve(key, file)?)
            .map_err(unreadable)?
            .take(MAX_PEM)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Ok(bytes)
    }

    /// The authority among `authorities` that certified `chain`, and whom it names.
    fn identify(
        &self,
        key: &'static str,
        file: &Path,
        authorities: &[CertificateDer<'static>],
        chain: &[CertificateDer<'static>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<(TrustAnchor, Identity), ConfigError> {
        let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
        let refused = |source| self.content(key, file, Content::Certificate { source });
        let mut error = CertificateError::UnknownIssuer;
        for authority in authorities {
            let anchor = TrustAnchor::from_der(authority).map_err(refused)?;
            match anchor.verify(&chain, usage, now) {
                Ok(identity) => return Ok((anchor, identity)),
                Err(CertificateError::UnknownIssuer) => {}
                Err(other) => error = other,
            }
        }
        Err(refused(error))
    }

    fn unreadable(&self, key: &'static str, file: &Path, source: io::Error) -> ConfigError {
        ConfigError::Unreadable {
            origin: self.origin.to_owned(),
            key,
            file: file.to_owned(),
            source,
        }
    }

    fn content(&self, key: &'static str, file: &Path, problem: Content) -> ConfigError {
        ConfigError::Content {
            origin: self.origin.to_owned(),
            key,
            file: file.to_owned(),
            problem: Box::new(problem),
        }
    }
}
