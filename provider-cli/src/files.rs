//! Files that appear whole or not at all; those of keys and certificates are never overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The owner alone, mode 0600: private keys.
    Owner,
    /// Everybody, mode 0644: certificates.
    Everybody,
}

/// Why a file was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateFileError {
    /// Something of that name is there; it was left as it is.
    #[error("{} exists already and is never overwritten: move it away or choose another folder", .0.display())]
    Exists(PathBuf),
    /// The operating system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Creates `path` with `contents`: written beside it, synced, then linked under its name.
///
/// A link, unlike a rename, fails when the name is taken, so that two writers cannot replace each
/// other's key.
pub(crate) fn create(path: &Path, contents: &[u8], access: Access) -> Result<(), CreateFileError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => CreateFileError::Exists(path.to_owned()),
        _ => CreateFileError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(fail)?;
    if path.symlink_metadata().is_ok() {
        return Err(CreateFileError::Exists(path.to_owned()));
    }
    let temporary = temporary_name(path);
    let result = write_synced(&temporary, contents, access)
        .and_then(|()| fs::hard_link(&temporary, path))
        .and_then(|()| fs::remove_file(&temporary))
        .and_then(|()| File::open(folder)?.sync_all());
    if result.is_err() {
        // What matters is the first failure; a temporary file that stays is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(fail)
}

/// Puts `contents` in the place of what is at `path`, or creates it: whoever reads sees the old or
/// the new. It is on the disk when this returns; after a failure either may be there.
pub(crate) fn replace(path: &Path, contents: &[u8], access: Access) -> Result<(), CreateFileError> {
    let fail = |source| CreateFileError::Io {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(fail)?;
    let temporary = temporary_name(path);
    // Left behind by a process of the same number that was killed.
    let _ = fs::remove_file(&temporary);
    write_synced(&temporary, contents, access)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(fail)
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everybody => 0o644,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key.pem");
        create(&path, b"first", Access::Owner).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(
            create(&path, b"second", Access::Owner),
            Err(CreateFileError::Exists(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        let beside: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(beside.len(), 1, "no temporary file stays: {beside:?}");
    }

    #[test]
    fn a_dangling_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(
            create(&path, b"key", Access::Owner),
            Err(CreateFileError::Exists(_))
        ));
        assert!(!folder.path().join("elsewhere").exists());
    }
}
