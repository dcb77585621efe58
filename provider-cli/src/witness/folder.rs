//! What a witness keeps on disk: its name and key, the nets that its owner chose, and what it
//! cosigned last of each.
//!
//! A net has a folder of its own, named by the hash of its descriptor: names of nets are unique at
//! one provider only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dcnet_protocol::codec::{DecodeError, Wire as _};
use dcnet_protocol::descriptor::{DescriptorError, DescriptorHash, NetDescriptor};
use dcnet_protocol::evidence::{Evidence, EvidenceFile};
use dcnet_protocol::membership::checkpoint::{Conflict, LogFollower};
use dcnet_protocol::membership::witness::Witnessed;
use dcnet_protocol::names::{NameError, NetId, WitnessName};
use dcnet_protocol::signature::{KeyError, SigningKey};

use crate::files::{self, Access, CreateFileError};

const NAME: &str = "name";
const KEY: &str = "witness.key.pem";
const NETS: &str = "nets";
const DESCRIPTOR: &str = "descriptor.bin";
const LOG: &str = "log.bin";
const EVIDENCE: &str = "evidence-";

/// Why a witness's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be created.
    #[error(transparent)]
    Create(#[from] CreateFileError),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no witness in the folder.
    #[error("there is no witness in {}; `dcnet witness init` makes one", .0.display())]
    NoWitness(PathBuf),
    /// No key could be made.
    #[error("cannot make a key: {0}")]
    NewKey(String),
    /// The name is none.
    #[error("{}: {source}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: NameError,
    },
    /// The key is none.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A file is no net descriptor.
    #[error("{} is no net descriptor: {source}", path.display())]
    Descriptor {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DescriptorError,
    },
    /// The descriptor of another net.
    #[error("{} is the descriptor of another net", .0.display())]
    OtherDescriptor(PathBuf),
    /// What was cosigned last is not there, or no such thing. Without it a second history might be
    /// cosigned, so nothing is.
    #[error("{} does not tell what was cosigned last: {reason}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The net is followed already.
    #[error("net {0} with these parameters is followed already")]
    Followed(NetId),
    /// Another process serves it.
    #[error("another process serves the witness in {}", .0.display())]
    InUse(PathBuf),
}

/// A witness's folder, its name and key read.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) name: WitnessName,
    pub(crate) key: SigningKey,
}

impl Folder {
    /// Makes a key and a folder for the witness `name`. Nothing is overwritten.
    pub(crate) fn create(path: &Path, name: WitnessName) -> Result<Self, FolderError> {
        let pem = crate::pki::new_key()
            .map_err(|error| FolderError::NewKey(error.to_string()))?
            .serialize_pem();
        let key_path = path.join(KEY);
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|source| FolderError::Key {
            path: key_path.clone(),
            source,
        })?;
        files::create(&key_path, pem.as_bytes(), Access::Owner)?;
        let text = format!("{name}\n");
        files::create(&path.join(NAME), text.as_bytes(), Access::Everybody)?;
        Ok(Self {
            path: path.to_owned(),
            name,
            key,
        })
    }

    /// Reads name and key.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let name_path = path.join(NAME);
        let Some(name) = read(&name_path)? else {
            return Err(FolderError::NoWitness(path.to_owned()));
        };
        let name = String::from_utf8_lossy(&name);
        let name = name
            .trim_end()
            .parse()
            .map_err(|source| FolderError::Name {
                path: name_path,
                source,
            })?;
        let key_path = path.join(KEY);
        let pem = files::read_key(&key_path).map_err(|source| FolderError::Read {
            path: key_path.clone(),
            source,
        })?;
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|source| FolderError::Key {
            path: key_path,
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            name,
            key,
        })
    }

    /// Keeps other servers away as long as the file is open: two would cosign two histories.
    pub(crate) fn lock(&self) -> Result<File, FolderError> {
        let path = self.path.join("lock");
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(|source| FolderError::Read {
            path: path.clone(),
            source,
        })?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(self.path.clone())),
            Err(TryLockError::Error(source)) => Err(FolderError::Read { path, source }),
        }
    }

    /// Follows the net whose descriptor is in `file`, from the beginning of its log.
    pub(crate) fn add(&self, file: &Path) -> Result<NetDescriptor, FolderError> {
        let bytes = fs::read(file).map_err(|source| FolderError::Read {
            path: file.to_owned(),
            source,
        })?;
        let descriptor = decode(file, &bytes)?;
        let folder = self.net_folder(descriptor.hash());
        let path = folder.join(DESCRIPTOR);
        if path.exists() {
            return Err(FolderError::Followed(descriptor.net()));
        }
        // The descriptor comes last and makes the net a followed one. What is here without it is
        // of an attempt that did not end, and nothing was cosigned by it.
        files::replace(
            &folder.join(LOG),
            &LogFollower::new().encode(),
            Access::Everybody,
        )?;
        files::create(&path, &bytes, Access::Everybody)?;
        // The folders, too: a net that is lost and added again would be followed from the beginning.
        for folder in [self.path.join(NETS), self.path.clone()] {
            let synced = File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| CreateFileError::Io {
                path: folder,
                source,
            })?;
        }
        Ok(descriptor)
    }

    /// The nets followed, by hash.
    pub(crate) fn nets(&self) -> Result<Vec<DescriptorHash>, FolderError> {
        let path = self.path.join(NETS);
        let unreadable = |source| FolderError::Read {
            path: path.clone(),
            source,
        };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut nets = Vec::new();
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            let hash = name.to_str().and_then(super::from_hex);
            let hash = hash.and_then(|hash| <[u8; 32]>::try_from(hash).ok());
            nets.extend(hash.map(DescriptorHash::from_bytes));
        }
        nets.sort();
        nets.retain(|hash| self.net_folder(*hash).join(DESCRIPTOR).exists());
        Ok(nets)
    }

    /// What is kept of a net; `None` if it is not followed.
    pub(crate) fn load(&self, hash: DescriptorHash) -> Result<Option<Witnessed>, FolderError> {
        let folder = self.net_folder(hash);
        let path = folder.join(DESCRIPTOR);
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let descriptor = decode(&path, &bytes)?;
        if descriptor.hash() != hash {
            return Err(FolderError::OtherDescriptor(path));
        }
        let path = folder.join(LOG);
        let useless = |reason: String| FolderError::Log {
            path: path.clone(),
            reason,
        };
        let bytes = read(&path)?.ok_or_else(|| useless("the file is missing".to_owned()))?;
        let follower =
            LogFollower::decode(&bytes).map_err(|error: DecodeError| useless(error.to_string()))?;
        if let Some(last) = follower.last() {
            let checkpoint = last
                .verify(descriptor.provider_key())
                .map_err(|error| useless(error.to_string()))?;
            if checkpoint.net != descriptor.net() || checkpoint.descriptor != hash {
                return Err(useless("it is of another net".to_owned()));
            }
        }
        Ok(Some(Witnessed::new(descriptor, follower)))
    }

    /// Puts `follower` in the place of what was cosigned before; it is on the disk when this returns.
    pub(crate) fn store(
        &self,
        hash: DescriptorHash,
        follower: &LogFollower,
    ) -> Result<(), FolderError> {
        let path = self.net_folder(hash).join(LOG);
        Ok(files::replace(
            &path,
            &follower.encode(),
            Access::Everybody,
        )?)
    }

    /// Keeps the proof that a provider has signed two logs; the first one of each size is enough.
    pub(crate) fn keep_evidence(
        &self,
        descriptor: &NetDescriptor,
        conflict: &Conflict,
    ) -> Result<PathBuf, FolderError> {
        let size = conflict.known.unverified().size;
        let path = self.net_folder(descriptor.hash());
        let path = path.join(format!("{EVIDENCE}{size}.bin"));
        let evidence = Evidence::Checkpoints(Box::new(conflict.clone()));
        let bytes = EvidenceFile::new(descriptor.clone(), evidence).to_bytes();
        match files::create(&path, &bytes, Access::Everybody) {
            Ok(()) | Err(CreateFileError::Exists(_)) => Ok(path),
            Err(error) => Err(error.into()),
        }
    }

    /// The proofs kept of a net.
    pub(crate) fn evidence(&self, hash: DescriptorHash) -> Result<Vec<PathBuf>, FolderError> {
        let path = self.net_folder(hash);
        let unreadable = |source| FolderError::Read {
            path: path.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let is_one = name
                .to_str()
                .and_then(|name| name.strip_prefix(EVIDENCE)?.strip_suffix(".bin"))
                .is_some_and(|size| size.bytes().all(|digit| digit.is_ascii_digit()));
            if is_one {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    fn net_folder(&self, hash: DescriptorHash) -> PathBuf {
        self.path.join(NETS).join(hash.to_string())
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FolderError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn decode(path: &Path, bytes: &[u8]) -> Result<NetDescriptor, FolderError> {
    NetDescriptor::decode(bytes).map_err(|source| FolderError::Descriptor {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
