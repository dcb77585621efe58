//! Passwords and tokens: they come from files or the environment, and are shown to nobody.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::files;

/// Where a secret is. It is read anew for each connection, so that it can be changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    File(PathBuf),
    Environment(String),
}

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the secret {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the secret {} is empty", .0.display())]
    Empty(PathBuf),
    #[error("the environment variable {0}, which is to hold a secret, is not set")]
    Unset(String),
}

/// `{file: PATH}` or `{env: NAME}`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Place {
    File(PathBuf),
    Env(String),
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An enum in YAML would be written with a tag; a map of one entry reads better.
        let place = serde_yaml::with::singleton_map::deserialize(deserializer)?;
        Ok(match place {
            Place::File(path) => Self::File(path),
            Place::Env(name) => Self::Environment(name),
        })
    }
}

impl Secret {
    /// Takes a relative path from `folder`.
    pub(crate) fn beside(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&path);
        }
    }

    /// Reads it.
    pub(crate) fn read(&self) -> Result<Zeroizing<String>, SecretError> {
        match self {
            Self::File(path) => {
                let secret = files::read_secret(path).map_err(|source| SecretError::Read {
                    path: path.clone(),
                    source,
                })?;
                if secret.is_empty() {
                    return Err(SecretError::Empty(path.clone()));
                }
                Ok(secret)
            }
            Self::Environment(name) => {
                let secret = std::env::var(name).ok().filter(|secret| !secret.is_empty());
                let secret = secret.ok_or_else(|| SecretError::Unset(name.clone()))?;
                Ok(Zeroizing::new(secret))
            }
        }
    }
}
