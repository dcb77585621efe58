//! Why a profile was refused, in words for the owner of the gateway.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where in which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The profile.
    pub file: PathBuf,
    /// Line and column, counted from 1, when known.
    pub position: Option<Position>,
}

/// Line and column, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(f)?;
        match self.position {
            Some(Position { line, column }) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// Why a profile was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; give the path of a profile (YAML)", file.display())]
    Unreadable {
        /// The profile.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any profile.
    #[error("{}: is larger than {limit} bytes: this is no profile", file.display())]
    TooLarge {
        /// The profile.
        file: PathBuf,
        /// Largest allowed size in bytes.
        limit: u64,
    },
    /// Brackets nested deeper than in any profile.
    #[error("{place}: brackets are nested more than {limit} deep: this is no profile")]
    TooDeep {
        /// Where the limit is passed.
        place: Place,
        /// Deepest allowed nesting.
        limit: usize,
    },
    /// No YAML, or YAML that does not have the shape of a profile.
    #[error("{place}: {problem}{}", hint(problem))]
    Syntax {
        /// Where.
        place: Place,
        /// Key path and problem.
        problem: String,
    },
    /// The parts of the profile contradict each other.
    #[error("{place}: {key}: {problem}")]
    Content {
        /// Where.
        place: Place,
        /// Key path.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// What to do about the parser's own messages; ours say it themselves.
fn hint(problem: &str) -> &'static str {
    if problem.contains("unknown field") {
        "; remove this key or correct its spelling"
    } else if problem.contains("missing field") {
        "; add this key, the samples in the catalogue show each one"
    } else if problem.contains("duplicate field") {
        "; remove one of the two"
    } else if problem.contains("invalid type") || problem.contains("invalid value") {
        "; correct the value"
    } else {
        ""
    }
}
