//! Witnesses: parties other than the provider that follow its log and sign what they saw of it.
//!
//! `docs/spec/membership-log.md`, section "Witnesses". A witness cosigns checkpoints of one history
//! only; a gateway that demands some cosignatures relies on no other history, unless as many
//! witnesses lie together with the provider.

use std::io::{Read, Write};

use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use super::checkpoint::{Checkpoint, LogFault, LogFollower, Step};
use crate::codec::{list16, malformed};
use crate::descriptor::{DescriptorHash, NetDescriptor};
use crate::merkle::{MerkleRoot, Path};
use crate::names::{NetId, WitnessName};
use crate::round::UnixTime;
use crate::signature::{BadSignature, Signed, SigningKey, Statement, VerifyingKey};

/// Cosignatures in one answer, and witnesses of one quorum, at most.
pub const MOST_COSIGNATURES: usize = 32;

/// "At this time I saw this checkpoint, and it extends all of this net that I cosigned before."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Cosignature {
    /// Who saw it.
    pub witness: WitnessName,
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: MerkleRoot,
    /// When, in seconds since 1970, by the clock of the witness.
    pub time_s: u64,
}

impl Statement for Cosignature {
    const LABEL: &'static str = "dcnet/v1 cosignature";
}

impl Cosignature {
    /// Whether it is about `checkpoint`.
    pub fn is_of(&self, checkpoint: &Checkpoint) -> bool {
        self.net == checkpoint.net
            && self.descriptor == checkpoint.descriptor
            && self.size == checkpoint.size
            && self.root == checkpoint.root
    }
}

/// A witness that is known by name and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Its name.
    pub name: WitnessName,
    /// Its key.
    pub key: VerifyingKey,
}

/// Why a cosignature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// By another witness.
    #[error("the cosignature is by {got}")]
    OtherWitness {
        /// Whose name it bears.
        got: WitnessName,
    },
    /// Of another net, other parameters, another size or another root.
    #[error("the cosignature is of another checkpoint")]
    OtherCheckpoint,
    /// Not signed with the key of the witness.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

impl Witness {
    /// Checks that `cosignature` is this witness's of `checkpoint`.
    ///
    /// # Errors
    /// [`CosignatureError`] if it is not.
    pub fn verify(
        &self,
        cosignature: &Signed<Cosignature>,
        checkpoint: &Checkpoint,
    ) -> Result<(), CosignatureError> {
        let body = cosignature.unverified();
        if body.witness != self.name {
            return Err(CosignatureError::OtherWitness { got: body.witness });
        }
        if !body.is_of(checkpoint) {
            return Err(CosignatureError::OtherCheckpoint);
        }
        cosignature.verify(&self.key)?;
        Ok(())
    }
}

/// The witnesses that somebody knows, and how many of them have to have cosigned a checkpoint.
///
/// By default there are none, and none are demanded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quorum {
    witnesses: Vec<Witness>,
    needed: usize,
}

/// Why witnesses are no quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// More cosignatures than can come.
    #[error("{needed} cosignatures are demanded of {known} witnesses")]
    TooFew {
        /// Demanded.
        needed: usize,
        /// Witnesses.
        known: usize,
    },
    /// More witnesses than fit into an answer.
    #[error("{known} witnesses are listed, at most {MOST_COSIGNATURES} are possible")]
    TooMany {
        /// Witnesses.
        known: usize,
    },
    /// One name for two witnesses.
    #[error("the witness {name} is listed twice")]
    Name {
        /// The name.
        name: WitnessName,
    },
    /// One key for two witnesses: it would count twice.
    #[error("the witnesses {first} and {second} have the same key")]
    Key {
        /// One.
        first: WitnessName,
        /// The other.
        second: WitnessName,
    },
}

impl Quorum {
    /// `needed` of `witnesses`.
    ///
    /// # Errors
    /// [`QuorumError`] if a name or a key comes twice, or so many cannot cosign.
    pub fn new(witnesses: Vec<Witness>, needed: usize) -> Result<Self, QuorumError> {
        let known = witnesses.len();
        if known > MOST_COSIGNATURES {
            return Err(QuorumError::TooMany { known });
        }
        for (second, index) in witnesses.iter().zip(0..) {
            for first in witnesses.iter().take(index) {
                if first.name == second.name {
                    return Err(QuorumError::Name { name: first.name });
                }
                if first.key == second.key {
                    let (first, second) = (first.name, second.name);
                    return Err(QuorumError::Key { first, second });
                }
            }
        }
        if needed > known {
            return Err(QuorumError::TooFew { needed, known });
        }
        Ok(Self { witnesses, needed })
    }

    /// Who is known.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// How many have to have cosigned; 0 if none need to.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// How many of the witnesses have cosigned `checkpoint`. Cosignatures of others, of something
    /// else or with bad signatures do not count and do no harm.
    pub fn count(&self, checkpoint: &Checkpoint, cosignatures: &Cosignatures) -> usize {
        let has_cosigned = |witness: &&Witness| {
            let mut all = cosignatures.iter();
            all.any(|one| witness.verify(one, checkpoint).is_ok())
        };
        self.witnesses.iter().filter(has_cosigned).count()
    }
}

/// At most [`MOST_COSIGNATURES`] cosignatures that nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cosignatures(Vec<Signed<Cosignature>>);

impl Cosignatures {
    /// In the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Signed<Cosignature>> {
        self.0.iter()
    }

    /// Adds one; an earlier one of the same witness is replaced. `false` if there is no room.
    pub fn insert(&mut self, cosignature: Signed<Cosignature>) -> bool {
        let witness = cosignature.unverified().witness;
        let mut known = self.0.iter_mut();
        if let Some(known) = known.find(|known| known.unverified().witness == witness) {
            *known = cosignature;
            return true;
        }
        let has_room = self.0.len() < MOST_COSIGNATURES;
        if has_room {
            self.0.push(cosignature);
        }
        has_room
    }
}

impl Size for Cosignatures {
    fn tls_serialized_len(&self) -> usize {
        list16::tls_serialized_len(&self.0)
    }
}

impl Serialize for Cosignatures {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        list16::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for Cosignatures {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let cosignatures: Vec<_> = list16::tls_deserialize(reader)?;
        if cosignatures.len() > MOST_COSIGNATURES {
            return Err(malformed("an answer has at most 32 cosignatures"));
        }
        Ok(Self(cosignatures))
    }
}

/// What a provider asks of a witness.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct CosignRequest {
    /// Number of entries that the witness cosigned last, as the provider remembers it; 0 if none.
    pub old_size: u64,
    /// Leads from there to the checkpoint.
    pub path: Path,
    /// To be cosigned.
    pub checkpoint: Signed<Checkpoint>,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignError {
    /// The provider remembers another size than the witness: to be asked again from there.
    #[error("the last checkpoint cosigned is of {size} entries, not of {old_size}")]
    OldSize {
        /// The size that the witness knows, 0 if none.
        size: u64,
        /// What the provider said.
        old_size: u64,
    },
    /// Fewer entries than were cosigned before.
    #[error("a checkpoint of {size} entries is cosigned; one of {shown} is not any more")]
    Shrunk {
        /// Cosigned.
        size: u64,
        /// To be cosigned now.
        shown: u64,
    },
    /// Not the provider's checkpoint of this net, a fork, or no extension.
    #[error(transparent)]
    Log(#[from] LogFault),
}

/// What a witness keeps of one net. Its follower is to be persisted **before** a cosignature leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    descriptor: NetDescriptor,
    follower: LogFollower,
}

impl Witnessed {
    /// Goes on from `follower`, a new one at first.
    pub fn new(descriptor: NetDescriptor, follower: LogFollower) -> Self {
        Self {
            descriptor,
            follower,
        }
    }

    /// The net.
    pub fn descriptor(&self) -> &NetDescriptor {
        &self.descriptor
    }

    /// What was cosigned last; to be persisted.
    pub fn follower(&self) -> &LogFollower {
        &self.follower
    }

    /// Cosigns the checkpoint at `now`, if it is the one cosigned last or extends it.
    ///
    /// # Errors
    /// [`CosignError`]; then nothing has changed. [`LogFault::Fork`] holds evidence to be kept.
    pub fn cosign(
        &mut self,
        request: &CosignRequest,
        witness: WitnessName,
        key: &SigningKey,
        now: UnixTime,
    ) -> Result<Signed<Cosignature>, CosignError> {
        let size = self.follower.size();
        let old_size = request.old_size;
        let conflict = || CosignError::OldSize { size, old_size };
        let mut ahead = self.follower.clone();
        let step = ahead.accept(
            &request.checkpoint,
            &request.path,
            self.descriptor.provider_key(),
            self.descriptor.net(),
            self.descriptor.hash(),
        );
        let checkpoint = request.checkpoint.unverified();
        match step {
            // A path from elsewhere does not fit; that says nothing of the log.
            Err(LogFault::NotExtended { .. } | LogFault::Impossible(_)) if old_size != size => {
                return Err(conflict());
            }
            Err(fault) => return Err(fault.into()),
            Ok(_) if old_size != size => return Err(conflict()),
            Ok(Step::Older) => {
                let shown = checkpoint.size;
                return Err(CosignError::Shrunk { size, shown });
            }
            Ok(Step::First | Step::Extended { .. } | Step::Same) => {}
        }
        self.follower = ahead;
        Ok(key.sign(Cosignature {
            witness,
            net: checkpoint.net,
            descriptor: checkpoint.descriptor,
            size: checkpoint.size,
            root: checkpoint.root,
            time_s: now.millis() / 1000,
        }))
    }
}

#[cfg(test)]
mod tests;
