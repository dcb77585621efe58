//! The owner's rules for meters that mean something else than they say.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use dcnet_obis::sml::{Catalog, CatalogError};

/// Largest file in bytes: [`dcnet_obis::sml::MAX_RULES`] lines of a common length.
const MAX_FILE: u64 = 256 * 1024;

/// The built-in rules and, to be followed after them, those of the file.
///
/// # Errors
///
/// The file cannot be read, or a line of it is no rule.
pub fn load(file: Option<&Path>) -> Result<Catalog, QuirksError> {
    let Some(file) = file else {
        return Ok(Catalog::built_in().clone());
    };
    let unreadable = |source| QuirksError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let mut text = String::new();
    let read = File::open(file)
        .map_err(unreadable)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if read as u64 > MAX_FILE {
        return Err(QuirksError::TooLarge {
            file: file.to_owned(),
            limit: MAX_FILE,
        });
    }
    Catalog::built_in()
        .extended(&text)
        .map_err(|source| QuirksError::Rule {
            file: file.to_owned(),
            source,
        })
}

/// Why the owner's rules cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum QuirksError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too large for a list of rules.
    #[error("{}: has more than {limit} bytes; is this a list of rules?", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The most bytes.
        limit: u64,
    },
    /// A line is no rule.
    #[error("{}:{}: {}", file.display(), source.line, source.problem)]
    Rule {
        /// The file.
        file: PathBuf,
        /// Where, and what is wrong.
        source: CatalogError,
    },
}
