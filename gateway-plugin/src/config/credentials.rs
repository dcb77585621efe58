//! Files that the service manager hands over: `LoadCredential=` of a systemd unit.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use dcnet_profiles::profile::CREDENTIALS_DIRECTORY;

/// The folder of the credentials of this process.
#[derive(Debug)]
pub(super) struct Credentials(Option<PathBuf>);

impl Credentials {
    /// As the environment says.
    pub(super) fn of_this_process() -> Self {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
        Self(folder.map(PathBuf::from))
    }

    /// `path` with the folder in the place of the variable's name; `None` if it is needed and not known.
    pub(super) fn resolve<'a>(&self, path: &'a Path) -> Option<Cow<'a, Path>> {
        let mut names = CREDENTIALS_DIRECTORY.iter();
        let Some(rest) = names.find_map(|name| path.strip_prefix(name).ok()) else {
            return Some(Cow::Borrowed(path));
        };
        let folder = self.0.as_ref()?;
        Some(Cow::Owned(folder.join(rest)))
    }

    /// The permissions that would let others read the key at `path`.
    ///
    /// On file systems with access control lists systemd grants a credential to the service's user by
    /// such a list, and what `stat` shows as the group's permissions is then the list's mask: mode 0440
    /// lets nobody else read it. Its folder is closed to others in any case.
    pub(super) fn exposing(&self, path: &Path) -> u32 {
        if self.0.is_some() && path.parent() == self.0.as_deref() {
            0o037
        } else {
            0o077
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_variable_is_known_and_only_as_the_whole_first_part() {
        let known = Credentials(Some("/run/credentials/unit".into()));
        for path in [
            "$CREDENTIALS_DIRECTORY/tls.key",
            "${CREDENTIALS_DIRECTORY}/tls.key",
        ] {
            let path = Path::new(path);
            let resolved = known.resolve(path).unwrap();
            assert_eq!(resolved, Path::new("/run/credentials/unit/tls.key"));
            assert!(Credentials(None).resolve(path).is_none(), "{path:?}");
        }
        for path in [
            "$HOME/tls.key",
            "$CREDENTIALS_DIRECTORY2/tls.key",
            "/x/$CREDENTIALS_DIRECTORY/y",
        ] {
            let path = Path::new(path);
            assert_eq!(known.resolve(path).unwrap(), path);
            assert_eq!(Credentials(None).resolve(path).unwrap(), path);
        }
    }

    #[test]
    fn a_mask_of_a_list_is_no_exposure_but_only_of_a_credential() {
        let known = Credentials(Some("/run/credentials/unit".into()));
        let key = Path::new("/run/credentials/unit/tls.key");
        assert_eq!(known.exposing(key) & 0o440, 0);
        assert_ne!(known.exposing(key) & 0o444, 0);
        for path in ["/etc/tls.key", "/run/credentials/unit/deeper/tls.key"] {
            assert_ne!(known.exposing(Path::new(path)) & 0o440, 0, "{path}");
        }
        assert_ne!(Credentials(None).exposing(key) & 0o440, 0);
    }
}
