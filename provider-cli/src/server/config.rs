//! Limits of the server and their defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::service::care::Retention;

/// Largest configuration file that is looked at, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Limits against clients that are broken, slow or hostile. Every field has a default, so that a
/// file names only what differs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at a time; further ones wait to be accepted.
    pub connections: u32,
    /// Seconds for the TLS handshake.
    pub handshake_seconds: u32,
    /// Seconds until a complete request head must have arrived, counted from the opening of the
    /// connection or from the last response: the longest that a connection may be idle, too.
    pub idle_seconds: u32,
    /// Seconds for the body of a request to arrive.
    pub body_seconds: u32,
    /// Seconds for an answer, besides what a long poll asked to wait.
    pub answer_seconds: u32,
    /// Minutes after which a connection is closed between two requests, so that a certificate is
    /// looked at again.
    pub connection_minutes: u32,
    /// Largest frame in bytes.
    pub frame_bytes: u32,
    /// Largest other body in bytes.
    pub body_bytes: u32,
    /// Largest sum of the header fields of a request in bytes, names and values.
    pub header_bytes: u32,
    /// Number of header fields of a request.
    pub header_fields: u32,
    /// Concurrent streams of one HTTP/2 connection.
    pub streams: u32,
    /// Seconds for which a shutdown waits for requests in progress.
    pub shutdown_seconds: u32,
    /// Seconds without a sign of life after which the other servers of a database take over a
    /// server's nets.
    pub lease_seconds: u32,
    /// What the server deletes by itself when it is old; nothing by default.
    pub retention: Retention,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake_seconds: 10,
            idle_seconds: 60,
            body_seconds: 10,
            answer_seconds: 10,
            connection_minutes: 60,
            frame_bytes: 64 * 1024,
            body_bytes: 256 * 1024,
            header_bytes: 8 * 1024,
            header_fields: 64,
            streams: 64,
            shutdown_seconds: 30,
            lease_seconds: 5,
            retention: Retention::default(),
        }
    }
}

/// Why a configuration file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is larger than any configuration.
    #[error("the configuration {} has more than {MAX_FILE} bytes", .0.display())]
    Size(PathBuf),
    /// It is no YAML of this shape.
    #[error("the configuration {}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        source: serde_yaml::Error,
    },
    /// A limit that would let nothing through.
    #[error("the configuration {}: {key} must not be 0", path.display())]
    Zero {
        /// The file.
        path: PathBuf,
        /// The limit.
        key: &'static str,
    },
}

impl Limits {
    /// Reads a YAML file.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, and the line and key where there is one.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > MAX_FILE {
            return Err(ConfigError::Size(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let limits: Self = if text.lines().all(is_blank) {
            Self::default()
        } else {
            serde_yaml::from_str(&text).map_err(|source| ConfigError::Syntax {
                path: path.to_owned(),
                source,
            })?
        };
        match limits.zero() {
            Some(key) => Err(ConfigError::Zero {
                path: path.to_owned(),
                key,
            }),
            None => Ok(limits),
        }
    }

    fn zero(&self) -> Option<&'static str> {
        [
            ("connections", self.connections),
            ("handshake_seconds", self.handshake_seconds),
            ("idle_seconds", self.idle_seconds),
            ("body_seconds", self.body_seconds),
            ("answer_seconds", self.answer_seconds),
            ("connection_minutes", self.connection_minutes),
            ("frame_bytes", self.frame_bytes),
            ("body_bytes", self.body_bytes),
            ("header_bytes", self.header_bytes),
            ("header_fields", self.header_fields),
            ("streams", self.streams),
            ("lease_seconds", self.lease_seconds),
        ]
        .into_iter()
        .find_map(|(key, value)| (value == 0).then_some(key))
        .or_else(|| self.retention.zero())
    }

    pub(crate) fn handshake(&self) -> Duration {
        seconds(self.handshake_seconds)
    }

    pub(crate) fn idle(&self) -> Duration {
        seconds(self.idle_seconds)
    }

    pub(crate) fn body(&self) -> Duration {
        seconds(self.body_seconds)
    }

    pub(crate) fn answer(&self) -> Duration {
        seconds(self.answer_seconds)
    }

    pub(crate) fn connection_age(&self) -> Duration {
        seconds(self.connection_minutes.saturating_mul(60))
    }

    pub(crate) fn lease(&self) -> Duration {
        seconds(self.lease_seconds)
    }

    pub(crate) fn shutdown(&self) -> Duration {
        seconds(self.shutdown_seconds)
    }
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

/// A size as a length of memory.
pub(crate) fn length(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Limits, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.yaml");
        std::fs::write(&path, text).unwrap();
        Limits::from_file(&path)
    }

    #[test]
    fn what_is_not_named_keeps_its_default() {
        assert_eq!(load("# nothing\n\n").unwrap(), Limits::default());
        let limits = load("connections: 12\n").unwrap();
        assert_eq!(
            limits,
            Limits {
                connections: 12,
                ..Limits::default()
            }
        );
    }

    #[test]
    fn unknown_keys_are_refused_with_their_place() {
        let text = load("connections: 12\nconnexions: 13\n")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("connexions") && text.contains("line 2"),
            "{text}"
        );
    }

    #[test]
    fn retention_is_off_unless_it_is_named() {
        assert!(Limits::default().retention.keeps_all());
        let limits = load("retention:\n  keep_rosters_days: 90\n").unwrap();
        assert_eq!(limits.retention.keep_rosters_days, Some(90));
        assert_eq!(limits.retention.keep_rounds_days, None);
        for (text, what) in [
            ("retention:\n  keep_rosters: 90\n", "keep_rosters"),
            (
                "retention:\n  keep_rounds_days: 0\n",
                "keep_rounds_days must not be 0",
            ),
        ] {
            let refused = load(text).unwrap_err().to_string();
            assert!(refused.contains(what), "{refused}");
        }
    }

    #[test]
    fn limits_of_zero_are_refused() {
        let text = load("idle_seconds: 0\n").unwrap_err().to_string();
        assert!(text.contains("idle_seconds must not be 0"), "{text}");
    }
}
