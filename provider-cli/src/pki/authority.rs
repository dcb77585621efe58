//! An authority for gateways or operators, kept in a folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::register::{Lock, Register};
use super::{AUTHORITY_DAYS, AuthorityKind, PkiError, new_key, revocation, set_validity};
use crate::files::{self, Access, CreateFileError};

/// A certification authority, kept in a folder:
///
/// ```text
/// ca.pem, ca.key.pem       certificate and key
/// ca-2.pem, ca-2.key.pem   of the authority that took its place, and so on
/// bundle.pem               all that are trusted, once there is more than one
/// register.json            what was issued and revoked
/// crl.pem                  the revocation lists
/// ```
pub struct Authority {
    pub(super) folder: PathBuf,
}

impl Authority {
    /// Makes a new authority for gateways in `folder`.
    ///
    /// # Errors
    /// [`PkiError::Create`] if one of the files is there already or cannot be written.
    pub fn create(folder: &Path) -> Result<Self, PkiError> {
        Self::create_for(folder, AuthorityKind::Gateways)
    }

    /// Makes a new authority for `kind` in `folder`.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub fn create_for(folder: &Path, kind: AuthorityKind) -> Result<Self, PkiError> {
        let authority = Self {
            folder: folder.to_owned(),
        };
        let register = folder.join("register.json");
        refuse_existing([authority.certificate_of(1), authority.key_of(1), register])?;
        authority.make(kind, 1)?;
        Register::new(kind).write(folder)?;
        Ok(authority)
    }

    /// Opens the authority in `folder`.
    ///
    /// # Errors
    /// [`PkiError::Read`] if a file is missing, [`PkiError::Certificate`] if one is malformed,
    /// [`PkiError::Register`] if the register is.
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let authority = Self {
            folder: folder.to_owned(),
        };
        authority.issuer(authority.register()?.current)?;
        Ok(authority)
    }

    /// Where the authority with this number has its certificate.
    pub(super) fn certificate_of(&self, number: u32) -> PathBuf {
        self.folder.join(match number {
            1 => "ca.pem".to_owned(),
            number => format!("ca-{number}.pem"),
        })
    }

    fn key_of(&self, number: u32) -> PathBuf {
        self.folder.join(match number {
            1 => "ca.key.pem".to_owned(),
            number => format!("ca-{number}.key.pem"),
        })
    }

    /// The certificate of the first authority: what nets name that were made under it, and, while there
    /// is no other, what provider and gateways trust.
    pub fn certificate_path(&self) -> PathBuf {
        self.certificate_of(1)
    }

    /// What servers are to trust: all authorities in use.
    pub fn bundle_path(&self) -> PathBuf {
        let bundle = self.folder.join("bundle.pem");
        if bundle.exists() {
            bundle
        } else {
            self.certificate_of(1)
        }
    }

    /// What was issued and revoked.
    ///
    /// # Errors
    /// [`PkiError::Read`] or [`PkiError::Register`] if the register cannot be used.
    pub fn register(&self) -> Result<Register, PkiError> {
        Register::read(&self.folder)
    }

    /// Where the certificates of `name` go unless somebody says otherwise.
    ///
    /// # Errors
    /// As for [`Self::register`].
    pub fn folder_of(&self, name: &str) -> Result<PathBuf, PkiError> {
        let kind = match self.register()?.certifies {
            AuthorityKind::Gateways => "gateways",
            AuthorityKind::Operators => "operators",
        };
        Ok(self.folder.join(kind).join(name))
    }

    pub(super) fn free_folder(&self, name: &str) -> PathBuf {
        let base = self
            .folder_of(name)
            .unwrap_or_else(|_| self.folder.join(name));
        let numbered = (2_u32..).map(|number| base.join(number.to_string()));
        let mut free = numbered.filter(|folder| !folder.exists());
        free.next().unwrap_or(base)
    }

    /// Makes another authority beside those that there are. From now on it signs what is issued, and
    /// `bundle.pem` holds them all.
    ///
    /// # Errors
    /// [`PkiError::Create`] if a file cannot be written.
    pub fn rotate(&self) -> Result<PathBuf, PkiError> {
        let _lock = Lock::of(&self.folder)?;
        let mut register = self.register()?;
        let number = register.current + 1;
        // Left behind by an attempt that was broken off: nothing was signed with it.
        for left in [self.certificate_of(number), self.key_of(number)] {
            match fs::remove_file(&left) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CreateFileError::Io { path: left, source }.into());
                }
                _ => {}
            }
        }
        self.make(register.certifies, number)?;
        register.current = number;
        register.write(&self.folder)?;
        self.refresh(&mut register)?;
        Ok(self.certificate_of(number))
    }

    /// Leaves out all authorities but the newest.
    ///
    /// # Errors
    /// [`PkiError::StillNeeded`] while certificates of others are good; [`PkiError::NothingOlder`].
    pub fn finish_rotation(&self) -> Result<(), PkiError> {
        let _lock = Lock::of(&self.folder)?;
        let mut register = self.register()?;
        if register.oldest == register.current {
            return Err(PkiError::NothingOlder(self.folder.clone()));
        }
        let now = Timestamp::now();
        let mut needed = register
            .issued
            .iter()
            .filter(|issued| issued.authority < register.current && register.is_good(issued, now));
        if let Some(first) = needed.next() {
            return Err(PkiError::StillNeeded {
                count: 1 + needed.count(),
                name: first.name.clone(),
            });
        }
        register.oldest = register.current;
        register.write(&self.folder)?;
        self.refresh(&mut register)
    }

    /// Brings bundle and revocation lists to what the register says.
    fn refresh(&self, register: &mut Register) -> Result<(), PkiError> {
        let mut bundle = String::new();
        for number in register.oldest..=register.current {
            bundle.push_str(&read(&self.certificate_of(number))?);
        }
        let path = self.folder.join("bundle.pem");
        files::replace(&path, bundle.as_bytes(), Access::Everybody)?;
        if self.list_path().exists() {
            self.write_list(register, revocation::default_validity())?;
        }
        Ok(())
    }

    fn make(&self, kind: AuthorityKind, number: u32) -> Result<(), PkiError> {
        let key = new_key()?;
        let mut params = CertificateParams::default();
        let name = match kind {
            AuthorityKind::Gateways => "dcnet laboratory gateway administrator",
            AuthorityKind::Operators => "dcnet laboratory operators",
        };
        params.distinguished_name = unique_name(name, &key);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, AUTHORITY_DAYS)?;
        let certificate = params.self_signed(&key)?;
        // The key first: a certificate without its key would look like an authority.
        files::create(
            &self.key_of(number),
            key.serialize_pem().as_bytes(),
            Access::Owner,
        )?;
        files::create(
            &self.certificate_of(number),
            certificate.pem().as_bytes(),
            Access::Everybody,
        )?;
        Ok(())
    }

    pub(super) fn issuer(&self, number: u32) -> Result<Issuer<'static, KeyPair>, PkiError> {
        let path = self.key_of(number);
        let key = files::read_key(&path).map_err(|source| PkiError::Read { path, source })?;
        let key = KeyPair::from_pem(&key)?;
        let certificate = read(&self.certificate_of(number))?;
        Ok(Issuer::from_ca_cert_pem(&certificate, key)?)
    }

    pub(super) fn register_for(&self, kind: AuthorityKind) -> Result<Register, PkiError> {
        let register = self.register()?;
        if register.certifies == kind {
            return Ok(register);
        }
        Err(PkiError::OtherKind {
            folder: self.folder.clone(),
            kind: register.certifies,
        })
    }

    pub(super) fn unknown(&self, name: &str) -> PkiError {
        PkiError::UnknownName {
            folder: self.folder.clone(),
            name: name.to_owned(),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|source| PkiError::Read {
        path: path.to_owned(),
        source,
    })
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
