//! Evidence: what proves to a third party that a provider has broken the protocol.
//!
//! Section 4.13 of `docs/spec/protocol.md`. Everything in it is signed by the provider itself; whoever
//! checks it needs the net descriptor, which holds the provider's key, and trusts neither side.

use std::io::{Read, Write};

use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::{DecodeError, Wire as _, malformed};
use crate::correction::double_mask::contradict;
use crate::descriptor::{DescriptorError, NetDescriptor, NetParameters};
use crate::membership::checkpoint::{Checkpoint, Conflict};
use crate::message::{Manifest, SignedReceipt};
use crate::notification::Notification;
use crate::roster::Roster;
use crate::round::Round;
use crate::signature::{BadSignature, Signed};

/// First bytes of every evidence file: `DCNE` and the version.
pub const MAGIC: [u8; 5] = *b"DCNE\x01";

/// Statements of a provider that cannot all be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Two rosters of one round that contradict each other.
    Rosters(Box<(Signed<Roster>, Signed<Roster>)>),
    /// Two checkpoints of one size with different roots: the provider keeps two logs.
    Checkpoints(Box<Conflict>),
    /// A receipt for a frame, and the first roster of its round without the sender.
    Receipt(Box<ReceiptEvidence>),
}

/// A receipt, a roster that leaves its owner out, and the manifest that says which bit is its own.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ReceiptEvidence {
    /// For a frame of notification 5.
    pub receipt: SignedReceipt,
    /// Of the same round, with step 1.
    pub roster: Signed<Roster>,
    /// Of the same epoch, for the same member.
    pub manifest: Signed<Manifest>,
}

/// Evidence with the descriptor of the net that it is about: the content of an evidence file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceFile {
    descriptor: NetDescriptor,
    evidence: Evidence,
}

/// What evidence proves; its `Display` is a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Proof {
    /// Two rosters.
    #[error("the provider signed two rosters of round {round} that contradict each other")]
    Rosters {
        /// The round.
        round: Round,
    },
    /// Two logs.
    #[error("the provider signed two different membership logs of {size} entries")]
    Checkpoints {
        /// Number of entries.
        size: u64,
    },
    /// A receipt and a roster.
    #[error(
        "the provider signed a receipt for a frame of round {round} and a roster that calls its sender missing"
    )]
    Receipt {
        /// The round.
        round: Round,
    },
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Not an evidence file.
    #[error("this is no evidence file of this version")]
    Magic,
    /// Cut off, or not the encoding of evidence.
    #[error("the evidence cannot be read: {0}")]
    Encoding(#[from] DecodeError),
    /// The descriptor in it is not sound.
    #[error("the net descriptor in it is not sound: {0}")]
    Descriptor(#[from] DescriptorError),
    /// Something in it is not the provider's word.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// All of it can be true.
    #[error("the statements are the provider's, and they do not contradict each other")]
    NoContradiction,
}

impl EvidenceFile {
    /// Evidence about the provider of `descriptor`.
    pub fn new(descriptor: NetDescriptor, evidence: Evidence) -> Self {
        Self {
            descriptor,
            evidence,
        }
    }

    /// The net that it is about.
    pub fn descriptor(&self) -> &NetDescriptor {
        &self.descriptor
    }

    /// The content of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.descriptor.encode());
        bytes.extend(self.evidence.encode());
        bytes
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// [`EvidenceError`] if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or(EvidenceError::Magic)?;
        let parameters = NetParameters::tls_deserialize(&mut rest).map_err(DecodeError::from)?;
        Ok(Self {
            descriptor: NetDescriptor::new(parameters)?,
            evidence: Evidence::decode(rest)?,
        })
    }

    /// What it proves.
    ///
    /// # Errors
    /// [`EvidenceError`] if it proves nothing.
    pub fn verify(&self) -> Result<Proof, EvidenceError> {
        let key = self.descriptor.provider_key();
        let ours = |roster: &Roster| {
            roster.net() == self.descriptor.net() && roster.descriptor() == self.descriptor.hash()
        };
        match &self.evidence {
            Evidence::Rosters(both) => {
                let (one, other) = (both.0.verify(key)?, both.1.verify(key)?);
                if ours(one) && contradict(one, other) {
                    let round = one.round();
                    return Ok(Proof::Rosters { round });
                }
            }
            Evidence::Checkpoints(both) => {
                let (one, other) = (both.known.verify(key)?, both.shown.verify(key)?);
                let ours = |checkpoint: &Checkpoint| {
                    checkpoint.net == self.descriptor.net()
                        && checkpoint.descriptor == self.descriptor.hash()
                };
                if ours(one) && ours(other) && one.size == other.size && one.root != other.root {
                    let size = one.size;
                    return Ok(Proof::Checkpoints { size });
                }
            }
            Evidence::Receipt(all) => {
                let receipt = all.receipt.verify(&self.descriptor)?;
                let roster = all.roster.verify(key)?;
                let manifest = all.manifest.verify(key)?;
                let round = receipt.round;
                let index = usize::try_from(manifest.index).unwrap_or(usize::MAX);
                let contradicts = ours(roster)
                    && roster.step() == 1
                    && roster.round() == round
                    && receipt.notification == Notification::Transmit
                    && receipt.epoch == roster.epoch()
                    && manifest.net == roster.net()
                    && manifest.descriptor == roster.descriptor()
                    && manifest.client == receipt.client
                    && manifest.head.epoch == roster.epoch()
                    && manifest.head.member_root == roster.member_root()
                    && !manifest.neighbours.is_empty()
                    && index < roster.members()
                    && !roster.present().contains(index);
                if contradicts {
                    return Ok(Proof::Receipt { round });
                }
            }
        }
        Err(EvidenceError::NoContradiction)
    }
}

impl Size for Evidence {
    fn tls_serialized_len(&self) -> usize {
        1 + match self {
            Self::Rosters(both) => both.0.tls_serialized_len() + both.1.tls_serialized_len(),
            Self::Receipt(all) => all.tls_serialized_len(),
            Self::Checkpoints(both) => {
                both.known.tls_serialized_len() + both.shown.tls_serialized_len()
            }
        }
    }
}

impl Serialize for Evidence {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        Ok(match self {
            Self::Rosters(both) => {
                1_u8.tls_serialize(writer)?
                    + both.0.tls_serialize(writer)?
                    + both.1.tls_serialize(writer)?
            }
            Self::Receipt(all) => 2_u8.tls_serialize(writer)? + all.tls_serialize(writer)?,
            Self::Checkpoints(both) => {
                3_u8.tls_serialize(writer)?
                    + both.known.tls_serialize(writer)?
                    + both.shown.tls_serialize(writer)?
            }
        })
    }
}

impl Deserialize for Evidence {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        match u8::tls_deserialize(reader)? {
            1 => {
                let one = Signed::tls_deserialize(reader)?;
                Ok(Self::Rosters(Box::new((
                    one,
                    Signed::tls_deserialize(reader)?,
                ))))
            }
            2 => Ok(Self::Receipt(Box::new(ReceiptEvidence::tls_deserialize(
                reader,
            )?))),
            3 => {
                let known = Signed::tls_deserialize(reader)?;
                let shown = Signed::tls_deserialize(reader)?;
                Ok(Self::Checkpoints(Box::new(Conflict { known, shown })))
            }
            _ => Err(malformed("evidence of an unknown kind")),
        }
    }
}
