//! Files that appear whole or not at all; those of keys and certificates are never overwritten, and
//! keys that others may read are not used.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes of a file with a secret that are looked at.
const MAX_SECRET: u64 = 64 * 1024;

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

/// The whole file, unless it has more than `most` bytes: then none of it.
pub(crate) fn read_at_most(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    let is_all = u64::try_from(bytes.len()).unwrap_or(u64::MAX) <= most;
    Ok(is_all.then_some(bytes))
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
    let folder = folder_of(path);
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

/// A name beside `path` for a file that is to become it by [`publish`]; nothing is at `path`.
pub(crate) fn beside(path: &Path) -> Result<PathBuf, CreateFileError> {
    if path.symlink_metadata().is_ok() {
        return Err(CreateFileError::Exists(path.to_owned()));
    }
    let temporary = temporary_name(path);
    // Left behind by a process of the same number that was killed.
    let _ = fs::remove_file(&temporary);
    Ok(temporary)
}

/// Gives the complete and synced file `temporary` the name `path`, unless that is taken.
pub(crate) fn publish(temporary: &Path, path: &Path) -> Result<(), CreateFileError> {
    fs::hard_link(temporary, path)
        .and_then(|()| fs::remove_file(temporary))
        .and_then(|()| File::open(folder_of(path))?.sync_all())
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => CreateFileError::Exists(path.to_owned()),
            _ => CreateFileError::Io {
                path: path.to_owned(),
                source,
            },
        })
}

/// Puts `contents` in the place of what is at `path`, or creates it: whoever reads sees the old or
/// the new. It is on the disk when this returns; after a failure either may be there.
pub(crate) fn replace(path: &Path, contents: &[u8], access: Access) -> Result<(), CreateFileError> {
    let fail = |source| CreateFileError::Io {
        path: path.to_owned(),
        source,
    };
    let folder = folder_of(path);
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
    let mut pem = String::new();
    file.read_to_string(&mut pem)?;
    // Of a file that holds something else its reader has a better word to say.
    if is_exposed(path, mode, credentials) && pem.contains("PRIVATE KEY-----") {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("others may read this key (mode {mode:03o}); run: chmod 600"),
        ));
    }
    Ok(pem)
}

/// The first line of the file at `path`: a password or a token.
///
/// One that others may read is refused: [`io::ErrorKind::PermissionDenied`], with what to do.
pub(crate) fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if is_exposed(path, mode, credentials.as_deref()) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("others may read this secret (mode {mode:03o}); run: chmod 600"),
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_SECRET).read_to_string(&mut text)?;
    let first = text.lines().next().unwrap_or_default();
    Ok(Zeroizing::new(first.to_owned()))
}

fn is_exposed(path: &Path, mode: u32, credentials: Option<&OsStr>) -> bool {
    let is_credential = path.parent().map(Path::as_os_str) == credentials;
    mode & if is_credential { 0o037 } else { 0o077 } != 0
}

/// A file that is written piece by piece and is not there under its name before
/// [`Pending::finish`]; never in the place of another one.
pub(crate) struct Pending {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
}

impl Pending {
    /// Begins to write what will be at `path`, readable by everybody.
    pub(crate) fn begin(path: &Path) -> Result<Self, CreateFileError> {
        let fail = |source| CreateFileError::Io {
            path: path.to_owned(),
            source,
        };
        if path.symlink_metadata().is_ok() {
            return Err(CreateFileError::Exists(path.to_owned()));
        }
        fs::create_dir_all(folder_of(path)).map_err(fail)?;
        let temporary = temporary_name(path);
        // Left behind by a process of the same number that was killed.
        let _ = fs::remove_file(&temporary);
        let file = new_file(&temporary, Access::Everybody).map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            file,
        })
    }

    /// Puts all of it under its name, on the disk.
    pub(crate) fn finish(self) -> Result<(), CreateFileError> {
        let linked = self
            .file
            .sync_all()
            .and_then(|()| fs::hard_link(&self.temporary, &self.path))
            .and_then(|()| fs::remove_file(&self.temporary))
            .and_then(|()| File::open(folder_of(&self.path))?.sync_all());
        linked.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => CreateFileError::Exists(self.path.clone()),
            _ => CreateFileError::Io {
                path: self.path.clone(),
                source,
            },
        })
    }
}

impl io::Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Gone already if all went well; a temporary file that stays is only untidy.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    let mut file = new_file(path, access)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn new_file(path: &Path, access: Access) -> io::Result<File> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everybody => 0o644,
    };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
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
