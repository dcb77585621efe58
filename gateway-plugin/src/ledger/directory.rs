//! The state directory: private, and of one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::LedgerError;

/// A state directory held by this process.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    lock: File,
}

const LOCK: &str = "lock";

impl StateDirectory {
    /// Makes the directory if there is none, and takes its lock.
    ///
    /// # Errors
    ///
    /// It cannot be made, others may enter it, or another process has it.
    pub fn acquire(path: &Path) -> Result<Self, LedgerError> {
        let fault = |source| LedgerError::Directory {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(fault)?;
        let mode = path.metadata().map_err(fault)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(LedgerError::Permissions {
                path: path.to_owned(),
                mode,
            });
        }
        let mut lock = open_private(&path.join(LOCK)).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::InUse {
                    path: path.to_owned(),
                    holder: holder(&lock),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
        // Only told to people: the lock itself is what counts.
        lock.set_len(0).map_err(fault)?;
        writeln!(lock, "{}", std::process::id()).map_err(fault)?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file in the directory for reading and writing, mode 0600.
    pub(super) fn open_private(&self, name: &str) -> io::Result<File> {
        open_private(&self.path.join(name))
    }

    /// Removes a file in the directory, if it is there.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes new names in the directory durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    pub(super) fn into_lock(self) -> File {
        self.lock
    }
}

/// Whether a daemon has the state directory at `path`, and which process it is.
///
/// # Errors
///
/// The directory cannot be looked into.
pub fn is_running(path: &Path) -> io::Result<Option<u32>> {
    let lock = match File::open(path.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(holder(&lock).unwrap_or(0))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn holder(mut lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.rewind().ok()?;
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
