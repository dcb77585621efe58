//! Why the ledger could not be opened or written.

use std::io;
use std::path::{Path, PathBuf};

use dcnet_protocol::names::NetId;
use dcnet_protocol::round::Round;

/// Why the ledger could not be opened or written, in words for the owner.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The state directory cannot be made or entered.
    #[error("{}: {source}; give the gateway a directory of its own (key `state`)", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may look into the state directory.
    #[error(
        "{}: others may enter this directory (mode {mode:03o}), and the ledger holds secrets; \
         run: chmod 700 {}", path.display(), path.display()
    )]
    Permissions {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another process has the ledger.
    #[error(
        "{}: another dcnet-gateway{} uses this state directory; each gateway needs its own",
        path.display(), holder.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, if it said so.
        holder: Option<u32>,
    },
    /// The ledger file cannot be opened.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The storage failed. What was being written may or may not be there.
    #[error("{}: the ledger could not be read or written: {source}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// What the storage said.
        source: Box<redb::Error>,
    },
    /// A newer (or no) version.
    #[error(
        "{}: the ledger has version {got}, this program knows version {expected}: use the program \
         that wrote it", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Ours.
        expected: u32,
        /// The file's.
        got: u32,
    },
    /// Something in the file makes no sense.
    #[error("{}: the ledger is damaged ({what}); restore a backup or register anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: &'static str,
    },
    /// It belongs to another gateway or net.
    #[error("{}: the ledger belongs to {got}, not to {expected}; choose another `state`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// As configured.
        expected: String,
        /// As in the file.
        got: String,
    },
    /// The net's parameters changed, which no net may do.
    #[error(
        "the provider shows other parameters for {net} than at the first contact; a net never \
         changes them: do not trust this provider, ask its operator"
    )]
    DescriptorChanged {
        /// The net.
        net: NetId,
    },
    /// A change after one that failed.
    #[error("the ledger failed before; it has to be opened anew")]
    Stopped,
    /// Another frame for a round that has one.
    #[error("round {round} has a sealed frame; a second, different one would reveal both readings")]
    RoundReused {
        /// The round.
        round: Round,
    },
    /// A round at or before the last one.
    #[error(
        "round {round} is not after round {last}, the last one entered: was the clock set back?"
    )]
    RoundPassed {
        /// The round.
        round: Round,
        /// The last one entered.
        last: Round,
    },
    /// Another answer where there is one.
    #[error(
        "round {round} has an answer to this correction or roster, or its share keys were told; a \
         second, different answer is never given"
    )]
    AnswerReused {
        /// The round.
        round: Round,
    },
}

impl LedgerError {
    /// The directory's lock is held, so a file that is open still is so for a reader of this process
    /// ([`View`](super::View)) that a bad disk keeps waiting: that passes.
    pub(super) fn database(path: &Path, source: redb::DatabaseError) -> Self {
        Self::storage(path, source.into())
    }

    pub(super) fn storage(path: &Path, source: redb::Error) -> Self {
        Self::Storage {
            path: path.to_owned(),
            source: Box::new(source),
        }
    }

    /// Whether opening the ledger again may help: the disk may be back, or have kept what it
    /// reported as failed.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Storage { .. }
            | Self::File { .. }
            | Self::Stopped
            | Self::RoundReused { .. }
            | Self::RoundPassed { .. }
            | Self::AnswerReused { .. } => true,
            Self::Directory { .. }
            | Self::Permissions { .. }
            | Self::InUse { .. }
            | Self::Version { .. }
            | Self::Damaged { .. }
            | Self::Foreign { .. }
            | Self::DescriptorChanged { .. } => false,
        }
    }
}
