//! Where a store is.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a store is: a file of SQLite, or a database of a PostgreSQL server.
///
/// `Display` and `Debug` show neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// The embedded store: this file, and what SQLite keeps beside it.
    File(PathBuf),
    /// A PostgreSQL database: `postgres://USER@HOST:PORT/DATABASE`.
    Postgres(PostgresUrl),
}

/// The address of a PostgreSQL database, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// The address as it was given, a password with it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Location {
    type Err = Infallible;

    /// What begins with `postgres://` or `postgresql://` is a database, everything else a file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_database = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        Ok(if is_database {
            Self::Postgres(PostgresUrl(text.to_owned()))
        } else {
            Self::File(text.into())
        })
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(PostgresUrl(url)) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", ""));
                // What follows `?` may name a password, too, and so may all before the last `@`.
                let shown = rest.split_once('?').map_or(rest, |(before, _)| before);
                let shown = shown.rsplit_once('@').map_or(shown, |(_, host)| host);
                write!(f, "{scheme}://{shown}")
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for url in [
            "postgres://dcnet:sec@ret@db.example:5433/nets?sslmode=require",
            "postgresql://dcnet@db.example:5433/nets?password=secret",
        ] {
            let location: Location = url.parse().unwrap();
            let shown = format!("{location} {location:?}");
            assert!(shown.contains("db.example:5433/nets"), "{shown}");
            assert!(!shown.contains("ret"), "{shown}");
        }
    }

    #[test]
    fn everything_else_is_a_file() {
        let file: Location = "postgres.sqlite3".parse().unwrap();
        assert_eq!(file, Location::File("postgres.sqlite3".into()));
    }
}
