//! Files that appear whole or not at all; those of keys and certificates are never overwritten, and
//! keys that others may read are not used.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
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

/// The private key at `path`, PEM.
///
/// A key that others may read is refused: [`io::ErrorKind::PermissionDenied`], with what to do.
pub(crate) fn read_key(path: &Path) -> io::Result<String> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    read_key_of_unit(path, credentials.as_deref())
}

/// The same, where `credentials` is the folder in which systemd hands over what `LoadCredential=` of a
/// unit names.
///
/// On file systems with access control lists it grants a credential to the service's user by such a
/// list, and what `stat` shows as the group's permissions is then the list's mask.
fn read_key_of_unit(path: &Path, credentials: Option<&OsStr>) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let is_credential = path.parent().map(Path::as_os_str) == credentials;
    let exposing = if is_credential { 0o037 } else { 0o077 };
    let mut pem = String::new();
    file.read_to_string(&mut pem)?;
    // Of a file that holds something else its reader has a better word to say.
    if mode & exposing != 0 && pem.contains("PRIVATE KEY-----") {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("others may read this key (mode {mode:03o}); run: chmod 600"),
        ));
    }
    Ok(pem)
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
    fn keys_that_others_may_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let pem = "-----BEGIN PRIVATE KEY-----\n";
        fs::write(&path, pem).unwrap();
        let read = |mode, credentials: Option<&Path>| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_key_of_unit(&path, credentials.map(AsRef::as_ref))
        };
        let (here, elsewhere) = (Some(folder.path()), Some(Path::new("/elsewhere")));
        for mode in [0o600, 0o400, 0o700] {
            assert_eq!(read(mode, None).unwrap(), pem, "{mode:o}");
            assert_eq!(read(mode, here).unwrap(), pem, "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o620, 0o601, 0o440] {
            for unit in [None, elsewhere] {
                let error = read(mode, unit).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
                assert!(error.to_string().contains(&format!("{mode:o}")), "{error}");
            }
        }
        // The mask of a list of a credential.
        assert_eq!(read(0o440, here).unwrap(), pem);
        for mode in [0o444, 0o460, 0o450] {
            assert!(read(mode, here).is_err(), "{mode:o}");
        }
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
