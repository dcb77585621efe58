//! Rosters: the provider's signed word on whose frames a round has.
//!
//! Section 4.12 of `docs/spec/protocol.md`. Members stand in a roster by their index in the member
//! tree of the epoch, one bit each. So nobody can stand in it twice, and nobody who is no member.

use std::fmt;

use sha2::{Digest as _, Sha256};
use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::{Wire as _, bytes16, malformed};
use crate::descriptor::{DescriptorHash, NetDescriptor};
use crate::membership::epoch_head::EpochHead;
use crate::merkle::MerkleRoot;
use crate::names::NetId;
use crate::round::{Epoch, Round};
use crate::signature::Statement;

/// Most members of an epoch: each has a bit in a roster.
pub const MAX_MEMBERS: usize = 1 << 19;

/// Which members of an epoch are meant, by their index.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MemberBits(Vec<u8>);

impl MemberBits {
    /// Nobody out of `members`.
    pub fn none(members: usize) -> Self {
        Self(vec![0; members.div_ceil(8)])
    }

    /// Includes the member with this index; beyond the last byte nothing happens.
    pub fn insert(&mut self, index: usize) {
        if let Some(byte) = self.0.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
        }
    }

    /// Whether the member with this index is meant.
    pub fn contains(&self, index: usize) -> bool {
        self.0
            .get(index / 8)
            .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// How many are meant.
    pub fn count(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether all that are meant here are meant there.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    /// The indices that are meant, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len() * 8).filter(|index| self.contains(*index))
    }

    fn fits(&self, members: usize) -> bool {
        self.0.len() == members.div_ceil(8)
            && (members..self.0.len() * 8).all(|index| !self.contains(index))
    }
}

impl fmt::Debug for MemberBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MemberBits({} of {} bits)",
            self.count(),
            self.0.len() * 8
        )
    }
}

impl Size for MemberBits {
    fn tls_serialized_len(&self) -> usize {
        bytes16::tls_serialized_len(&self.0)
    }
}

impl Serialize for MemberBits {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, Error> {
        bytes16::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for MemberBits {
    fn tls_deserialize<R: std::io::Read>(reader: &mut R) -> Result<Self, Error> {
        bytes16::tls_deserialize(reader).map(Self)
    }
}

/// Names one roster; answers carry it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct RosterHash([u8; 32]);

impl fmt::Debug for RosterHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whose frames are in the sum of a round, and what is asked of them.
///
/// Rosters of a round are counted by their step and only shrink. One made here is never below the
/// net's minimum size; one that was decoded is as long as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    net: NetId,
    descriptor: DescriptorHash,
    epoch: Epoch,
    round: Round,
    member_root: MerkleRoot,
    members: u32,
    step: u8,
    reveal: bool,
    contributors: u32,
    present: MemberBits,
}

impl Statement for Roster {
    const LABEL: &'static str = "dcnet/v1 roster";
}

/// A roster that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Below the minimum size.
    #[error("{got} members are present, the net's minimum size is {needed}")]
    TooFewMembers {
        /// Present.
        got: usize,
        /// The net's minimum.
        needed: usize,
    },
    /// Below the minimum size in readings.
    #[error("{got} members contribute a reading, the net's minimum size is {needed}")]
    TooFewReadings {
        /// Contributing.
        got: usize,
        /// The net's minimum.
        needed: usize,
    },
    /// Bits of members that there are not, or more members than a roster holds.
    #[error("the roster does not have one bit for each of {members} members, 524,288 at most")]
    Bits {
        /// Members of the epoch.
        members: usize,
    },
}

impl Roster {
    /// A roster of `round` with those `present`, of whom `contributors` hide a reading.
    ///
    /// # Errors
    /// [`RosterError`] if it would be below the net's minimum size, or if `present` does not fit the
    /// epoch.
    pub fn new(
        descriptor: &NetDescriptor,
        head: &EpochHead,
        round: Round,
        (step, reveal): (u8, bool),
        present: MemberBits,
        contributors: usize,
    ) -> Result<Self, RosterError> {
        let members = usize::try_from(head.members).unwrap_or(usize::MAX);
        if !present.fits(members) || members > MAX_MEMBERS {
            return Err(RosterError::Bits { members });
        }
        let (got, needed) = (present.count(), descriptor.min_size());
        if got < needed {
            return Err(RosterError::TooFewMembers { got, needed });
        }
        if contributors < needed {
            let got = contributors;
            return Err(RosterError::TooFewReadings { got, needed });
        }
        Ok(Self {
            net: descriptor.net(),
            descriptor: descriptor.hash(),
            epoch: head.epoch,
            round,
            member_root: head.member_root,
            members: head.members,
            step,
            reveal,
            contributors: u32::try_from(contributors).unwrap_or(u32::MAX),
            present,
        })
    }

    /// The net.
    pub fn net(&self) -> NetId {
        self.net
    }

    /// Its parameters.
    pub fn descriptor(&self) -> DescriptorHash {
        self.descriptor
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The round.
    pub fn round(&self) -> Round {
        self.round
    }

    /// Root of the member tree by whose order members are meant.
    pub fn member_root(&self) -> MerkleRoot {
        self.member_root
    }

    /// Members of the epoch.
    pub fn members(&self) -> usize {
        usize::try_from(self.members).unwrap_or(usize::MAX)
    }

    /// Counts the rosters of a round, from 1.
    pub fn step(&self) -> u8 {
        self.step
    }

    /// Whether share keys are asked for; otherwise pads.
    pub fn reveal(&self) -> bool {
        self.reveal
    }

    /// How many of those present hide a reading.
    pub fn contributors(&self) -> usize {
        usize::try_from(self.contributors).unwrap_or(usize::MAX)
    }

    /// Who is present.
    pub fn present(&self) -> &MemberBits {
        &self.present
    }

    /// `SHA-256("dcnet/v1 roster hash" ‖ 0 ‖ encoding)`.
    pub fn hash(&self) -> RosterHash {
        let hash = Sha256::new()
            .chain_update(b"dcnet/v1 roster hash\0")
            .chain_update(self.encode())
            .finalize();
        RosterHash(hash.into())
    }
}

impl Size for Roster {
    fn tls_serialized_len(&self) -> usize {
        self.net.tls_serialized_len()
            + 32
            + 8
            + 8
            + 32
            + 4
            + 1
            + 1
            + 4
            + self.present.tls_serialized_len()
    }
}

impl Serialize for Roster {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, Error> {
        Ok(self.net.tls_serialize(writer)?
            + self.descriptor.tls_serialize(writer)?
            + self.epoch.tls_serialize(writer)?
            + self.round.tls_serialize(writer)?
            + self.member_root.tls_serialize(writer)?
            + self.members.tls_serialize(writer)?
            + self.step.tls_serialize(writer)?
            + crate::codec::flag::tls_serialize(&self.reveal, writer)?
            + self.contributors.tls_serialize(writer)?
            + self.present.tls_serialize(writer)?)
    }
}

impl Deserialize for Roster {
    fn tls_deserialize<R: std::io::Read>(reader: &mut R) -> Result<Self, Error> {
        let roster = Self {
            net: NetId::tls_deserialize(reader)?,
            descriptor: DescriptorHash::tls_deserialize(reader)?,
            epoch: Epoch::tls_deserialize(reader)?,
            round: Round::tls_deserialize(reader)?,
            member_root: MerkleRoot::tls_deserialize(reader)?,
            members: u32::tls_deserialize(reader)?,
            step: u8::tls_deserialize(reader)?,
            reveal: crate::codec::flag::tls_deserialize(reader)?,
            contributors: u32::tls_deserialize(reader)?,
            present: MemberBits::tls_deserialize(reader)?,
        };
        if roster.step == 0 {
            return Err(malformed("the steps of a round count from 1"));
        }
        if !roster.present.fits(roster.members()) {
            return Err(malformed("a roster has one bit for each member"));
        }
        if roster.contributors() > roster.present.count() {
            return Err(malformed("more members contribute than are present"));
        }
        Ok(roster)
    }
}
