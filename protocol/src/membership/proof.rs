//! What a provider shows of its log: entries, members of a list, and why they are to be believed.
//!
//! `docs/spec/membership-log.md`, section "Showing the log". Everything in one answer is proved under
//! one checkpoint, which in turn is proved to extend the one that the gateway knows.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::checkpoint::{Checkpoint, LogFault, LogFollower, Step};
use super::epoch_head::MemberLeaf;
use super::log::LogEntry;
use super::witness::{Cosignatures, Quorum};
use crate::descriptor::NetDescriptor;
use crate::key_agreement::SignedKeyPackage;
use crate::merkle::{Path, ProofError, verify_consistency};
use crate::signature::Signed;

/// An entry of the log with its proofs.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct LogProof {
    /// Of the log as it is.
    pub checkpoint: Signed<Checkpoint>,
    /// Of the checkpoint, by witnesses.
    pub cosignatures: Cosignatures,
    /// Number of entries known to the gateway that asked.
    pub from: u64,
    /// Leads from there to the checkpoint.
    pub consistency: Path,
    /// Index of the entry.
    pub index: u64,
    /// The entry.
    pub entry: LogEntry,
    /// Proves it under the checkpoint.
    pub inclusion: Path,
}

/// Why an entry that was shown is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// The checkpoint.
    #[error(transparent)]
    Log(#[from] LogFault),
    /// The entry is not in the log, or the logs are two.
    #[error("what is shown does not follow from the log: {0}")]
    Entry(#[from] ProofError),
    /// For another number of known entries, or older than what is known: to be asked for again.
    #[error("the answer does not start from what is known by now")]
    Crossed,
    /// Too few witnesses have cosigned the checkpoint. Some may be away, so that is no lie: to be asked
    /// for again.
    #[error("{cosigned} of {needed} witnesses have cosigned the checkpoint of {size} entries")]
    Cosignatures {
        /// Known witnesses that have.
        cosigned: usize,
        /// How many are demanded.
        needed: usize,
        /// Number of entries.
        size: u64,
    },
}

impl LogProof {
    /// Checks everything and lets `follower` take the checkpoint, if enough of `quorum` have cosigned it.
    ///
    /// # Errors
    /// [`LogProofError`]; then `follower` has not changed.
    pub fn verify(
        &self,
        follower: &mut LogFollower,
        descriptor: &NetDescriptor,
        quorum: &Quorum,
    ) -> Result<&LogEntry, LogProofError> {
        let size = self.checkpoint.unverified().size;
        if self.from != follower.size() && size != follower.size() {
            return Err(LogProofError::Crossed);
        }
        let mut ahead = follower.clone();
        let key = descriptor.provider_key();
        let (net, hash) = (descriptor.net(), descriptor.hash());
        match ahead.accept(&self.checkpoint, &self.consistency, key, net, hash)? {
            Step::First | Step::Extended { .. } | Step::Same => {}
            Step::Older => return Err(LogProofError::Crossed),
        }
        let checkpoint = self.checkpoint.unverified();
        checkpoint.verify_entry(self.index, &self.entry, &self.inclusion)?;
        let (cosigned, needed) = (
            quorum.count(checkpoint, &self.cosignatures),
            quorum.needed(),
        );
        if cosigned < needed {
            return Err(LogProofError::Cosignatures {
                cosigned,
                needed,
                size,
            });
        }
        *follower = ahead;
        Ok(&self.entry)
    }
}

/// That the log as it is extends it at two earlier sizes: so these are two sizes of one log.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct CommonLog {
    /// Of the log as it is.
    pub checkpoint: Signed<Checkpoint>,
    /// The smaller size.
    pub small: u64,
    /// Leads from there to the checkpoint.
    pub small_path: Path,
    /// The larger size.
    pub large: u64,
    /// Leads from there to the checkpoint.
    pub large_path: Path,
}

impl CommonLog {
    /// Whether two checkpoints are of the log that this is about.
    ///
    /// # Errors
    /// [`LogProofError`] if they are not, or if this is about other sizes.
    pub fn verify(
        &self,
        small: &Checkpoint,
        large: &Checkpoint,
        descriptor: &NetDescriptor,
    ) -> Result<(), LogProofError> {
        if (self.small, self.large) != (small.size, large.size) {
            return Err(LogProofError::Crossed);
        }
        let now = self.checkpoint.verify(descriptor.provider_key());
        let now = now.map_err(LogFault::from)?;
        if now.net != descriptor.net() || now.descriptor != descriptor.hash() {
            return Err(LogFault::WrongNet { got: now.net }.into());
        }
        verify_consistency(
            &small.root,
            small.size,
            &now.root,
            now.size,
            &self.small_path,
        )?;
        verify_consistency(
            &large.root,
            large.size,
            &now.root,
            now.size,
            &self.large_path,
        )?;
        Ok(())
    }
}

/// The newest draw list, and the place in it of the gateway that asked.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct DrawListView {
    /// The list's entry.
    pub proof: LogProof,
    /// Index of the gateway that asked.
    pub own_index: u32,
    /// Proves its leaf under the list's root.
    pub own_path: Path,
}

/// A member out of a list.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ListedMember {
    /// Its index.
    pub index: u32,
    /// Its leaf.
    pub leaf: MemberLeaf,
    /// Proves the leaf under the list's root.
    pub path: Path,
    /// The key package that the leaf names.
    pub package: SignedKeyPackage,
}

/// Members out of a list that was drawn from.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ListedMembers {
    /// Index of the list's entry in the log.
    pub list: u64,
    /// In any order.
    #[tls_codec(with = "crate::codec::list32")]
    pub members: Vec<ListedMember>,
}
