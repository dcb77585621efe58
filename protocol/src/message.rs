//! What the provider says to gateways, and lists that it shows.
//!
//! Section "Messages" of `docs/spec/protocol.md`.

use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};
use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use crate::descriptor::DescriptorHash;
use crate::envelope::Envelope;
use crate::key_agreement::KeyPackageHash;
use crate::membership::edge::EdgeSet;
use crate::membership::entry::ExitStatement;
use crate::names::{ClientId, ClientSet, NetId};
use crate::notification::Notification;
use crate::round::{Epoch, Round};
use crate::signature::{Signed, Statement};

/// Which edges of one member are in force from a round on.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Manifest {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Whose edges.
    pub client: ClientId,
    /// Number of the epoch; pads depend on it.
    pub epoch: Epoch,
    /// First round of the epoch.
    pub first_round: Round,
    /// Number of active members of the net.
    pub members: u32,
    /// This member's active neighbours. None: it is not active from `first_round` on.
    pub neighbours: EdgeSet,
}

impl Statement for Manifest {
    const LABEL: &'static str = "dcnet/v1 manifest";
}

/// Notification 4 on its way to the neighbours of missing members: resend without their pads.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Correction {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// The round's epoch.
    pub epoch: Epoch,
    /// The round.
    pub round: Round,
    /// All members missing in it.
    pub missing: ClientSet,
}

impl Statement for Correction {
    const LABEL: &'static str = "dcnet/v1 correction";
}

/// One message in a gateway's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// From another gateway.
    Envelope(Envelope),
    /// The edges from some round on.
    Manifest(Signed<Manifest>),
    /// Resend.
    Correction(Signed<Correction>),
    /// A neighbour leaves.
    Exit(Signed<ExitStatement>),
}

impl Message {
    const fn kind(&self) -> u8 {
        match self {
            Self::Envelope(_) => 1,
            Self::Manifest(_) => 2,
            Self::Correction(_) => 3,
            Self::Exit(_) => 4,
        }
    }
}

impl Size for Message {
    fn tls_serialized_len(&self) -> usize {
        1 + match self {
            Self::Envelope(envelope) => envelope.tls_serialized_len(),
            Self::Manifest(manifest) => manifest.tls_serialized_len(),
            Self::Correction(correction) => correction.tls_serialized_len(),
            Self::Exit(statement) => statement.tls_serialized_len(),
        }
    }
}

impl Serialize for Message {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        let kind = self.kind().tls_serialize(writer)?;
        Ok(kind
            + match self {
                Self::Envelope(envelope) => envelope.tls_serialize(writer)?,
                Self::Manifest(manifest) => manifest.tls_serialize(writer)?,
                Self::Correction(correction) => correction.tls_serialize(writer)?,
                Self::Exit(statement) => statement.tls_serialize(writer)?,
            })
    }
}

impl Deserialize for Message {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        Ok(match u8::tls_deserialize(reader)? {
            1 => Self::Envelope(Envelope::tls_deserialize(reader)?),
            2 => Self::Manifest(Signed::tls_deserialize(reader)?),
            3 => Self::Correction(Signed::tls_deserialize(reader)?),
            4 => Self::Exit(Signed::tls_deserialize(reader)?),
            other => return Err(Error::UnknownValue(other.into())),
        })
    }
}

/// A message and its place in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Delivery {
    /// Counts this gateway's messages in this net, from 1.
    pub sequence: u64,
    /// The message.
    pub message: Message,
}

/// The answer to a look into the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Inbox {
    /// In ascending order of their sequence numbers.
    #[tls_codec(with = "crate::codec::list32")]
    pub deliveries: Vec<Delivery>,
}

/// The provider has this frame on disk.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Receipt {
    /// The net.
    pub net: NetId,
    /// Whose frame.
    pub client: ClientId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its round.
    pub round: Round,
    /// Its notification.
    pub notification: Notification,
    /// SHA-256 of its bytes.
    pub frame_hash: [u8; 32],
}

/// SHA-256 of a frame's bytes, as receipts carry it.
pub fn frame_hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// One line of the member list: enough to draw from, and to check the package fetched later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct MemberSummary {
    /// The member.
    pub client: ClientId,
    /// Serial of its key package.
    pub serial: u64,
    /// Hash of its key package.
    pub package: KeyPackageHash,
}

/// The members that a gateway may draw from, strictly ascending by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberList(Vec<MemberSummary>);

impl MemberList {
    /// Sorts the summaries; of two for one member the first stays.
    pub fn new(mut members: Vec<MemberSummary>) -> Self {
        members.sort_by_key(|summary| summary.client);
        members.dedup_by_key(|summary| summary.client);
        Self(members)
    }

    /// Ascending by name.
    pub fn as_slice(&self) -> &[MemberSummary] {
        &self.0
    }

    /// The line for `client`.
    pub fn get(&self, client: &ClientId) -> Option<&MemberSummary> {
        let index = self
            .0
            .binary_search_by_key(client, |summary| summary.client)
            .ok()?;
        self.0.get(index)
    }
}

impl Size for MemberList {
    fn tls_serialized_len(&self) -> usize {
        crate::codec::list32::tls_serialized_len(&self.0)
    }
}

impl Serialize for MemberList {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        crate::codec::list32::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for MemberList {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let members: Vec<MemberSummary> = crate::codec::list32::tls_deserialize(reader)?;
        if members.is_sorted_by(|left, right| left.client < right.client) {
            Ok(Self(members))
        } else {
            Err(crate::codec::malformed(
                "the member list is not strictly ascending",
            ))
        }
    }
}
