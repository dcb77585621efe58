//! What can go wrong around a test, as opposed to in what is tested.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// The harness could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A file, a folder, a process, a pseudo-terminal.
    #[error("cannot {what} {}: {source}", path.display())]
    System {
        /// A verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Certificates and keys.
    #[error("the laboratory's keys cannot be made: {0}")]
    Pki(#[from] dcnet_provider::pki::PkiError),
    /// A name that is no name.
    #[error("{name:?} is no name of a gateway")]
    Name {
        /// As given.
        name: String,
    },
    /// An administrative command failed.
    #[error("`dcnet {arguments}` ended with {status}: {message}")]
    Command {
        /// Its arguments.
        arguments: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// A program said something else than it promises.
    #[error("{what} is not as expected: {got}")]
    Answer {
        /// Of whom, what.
        what: &'static str,
        /// As found.
        got: String,
    },
    /// Something did not happen.
    #[error("after {waited:?} still waiting for {what}{log}")]
    Waiting {
        /// For what.
        what: String,
        /// How long.
        waited: Duration,
        /// The end of a log that may say why, on lines of its own.
        log: String,
    },
    /// A process ended that should run.
    #[error("{name} ended with {status}{log}")]
    Died {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// The end of its log, on lines of its own.
        log: String,
    },
    /// A look into the store failed.
    #[error("the provider's store cannot be read: {0}")]
    Store(#[from] sqlx::Error),
    /// A recording without anything to push.
    #[error("{} holds no recordings (*.bin)", folder.display())]
    NoRecordings {
        /// The folder.
        folder: PathBuf,
    },
    /// A text that is no number in the scale expected.
    #[error("{text:?} is no whole number of 10^{scale}")]
    Number {
        /// As found.
        text: String,
        /// As expected.
        scale: i8,
    },
}

impl HarnessError {
    pub(crate) fn system(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::System { what, path, source }
    }
}
