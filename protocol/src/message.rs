//! What the provider says to gateways, and lists that it shows.
//!
//! Section "Messages" of `docs/spec/protocol.md`.

use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};
use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::{Wire as _, list32, malformed};
use crate::descriptor::{DescriptorHash, NetDescriptor};
use crate::envelope::Envelope;
use crate::key_agreement::KeyPackageHash;
use crate::membership::edge::EdgeEnd;
use crate::membership::entry::ExitStatement;
use crate::membership::epoch_head::EpochHead;
use crate::merkle::{MerkleRoot, Path, Tree, verify_inclusion};
use crate::names::{ClientId, ClientSet, NetId};
use crate::notification::Notification;
use crate::round::{Epoch, Round};
use crate::signature::{BadSignature, Signed, SigningKey, Statement};

/// Between whom and whose seeds shares were dealt: what one end of an edge is for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Role {
    /// The addressee has drawn the neighbour: it holds shares of the addressee's seeds.
    pub holder: bool,
    /// The neighbour has drawn the addressee: that holds shares of the neighbour's seeds.
    pub dealer: bool,
}

impl Size for Role {
    fn tls_serialized_len(&self) -> usize {
        1
    }
}

impl Serialize for Role {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        (u8::from(self.holder) | u8::from(self.dealer) << 1).tls_serialize(writer)
    }
}

impl Deserialize for Role {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        match u8::tls_deserialize(reader)? {
            bits @ 0..=3 => Ok(Self {
                holder: bits & 1 == 1,
                dealer: bits & 2 == 2,
            }),
            other => Err(Error::UnknownValue(other.into())),
        }
    }
}

/// An active edge of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ManifestEdge {
    /// The neighbour, and what both ends have stated that they agreed.
    pub end: EdgeEnd,
    /// Its index in the member tree.
    pub index: u32,
    /// Who drew whom.
    pub role: Role,
}

/// Which edges of one member are in force from a round on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Whose edges.
    pub client: ClientId,
    /// The epoch: pads depend on its number.
    pub head: EpochHead,
    /// Index of the head in the membership log.
    pub log_index: u64,
    /// This member's index in the member tree; 0 if it is not active.
    pub index: u32,
    /// This member's active edges, strictly ascending by neighbour. None: it is not active from the
    /// epoch's first round on.
    pub neighbours: Vec<ManifestEdge>,
}

impl Size for Manifest {
    fn tls_serialized_len(&self) -> usize {
        self.net.tls_serialized_len()
            + self.descriptor.tls_serialized_len()
            + self.client.tls_serialized_len()
            + self.head.tls_serialized_len()
            + self.log_index.tls_serialized_len()
            + self.index.tls_serialized_len()
            + list32::tls_serialized_len(&self.neighbours)
    }
}

impl Serialize for Manifest {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        Ok(self.net.tls_serialize(writer)?
            + self.descriptor.tls_serialize(writer)?
            + self.client.tls_serialize(writer)?
            + self.head.tls_serialize(writer)?
            + self.log_index.tls_serialize(writer)?
            + self.index.tls_serialize(writer)?
            + list32::tls_serialize(&self.neighbours, writer)?)
    }
}

impl Deserialize for Manifest {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let manifest = Self {
            net: NetId::tls_deserialize(reader)?,
            descriptor: DescriptorHash::tls_deserialize(reader)?,
            client: ClientId::tls_deserialize(reader)?,
            head: EpochHead::tls_deserialize(reader)?,
            log_index: u64::tls_deserialize(reader)?,
            index: u32::tls_deserialize(reader)?,
            neighbours: list32::tls_deserialize(reader)?,
        };
        let ascending = |a: &ManifestEdge, b: &ManifestEdge| a.end.client < b.end.client;
        if manifest.neighbours.is_sorted_by(ascending) {
            Ok(manifest)
        } else {
            Err(malformed(
                "the edges of a manifest are not strictly ascending",
            ))
        }
    }
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
    /// Its parameters.
    pub descriptor: DescriptorHash,
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

/// Root of a tree whose leaves are receipts: many receipts, one signature.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ReceiptBatch {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Number of receipts.
    pub size: u32,
    /// Root over their encodings.
    pub root: MerkleRoot,
}

impl Statement for ReceiptBatch {
    const LABEL: &'static str = "dcnet/v1 receipts";
}

/// A receipt with the provider's signature, given in a batch.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct SignedReceipt {
    receipt: Receipt,
    batch: Signed<ReceiptBatch>,
    index: u32,
    path: Path,
}

impl SignedReceipt {
    /// Signs `receipts`, all of one net, with one signature; they come back in the same order.
    pub fn sign(receipts: Vec<Receipt>, descriptor: &NetDescriptor, key: &SigningKey) -> Vec<Self> {
        let mut tree = Tree::new();
        for receipt in &receipts {
            tree.push(receipt.encode());
        }
        let batch = key.sign(ReceiptBatch {
            net: descriptor.net(),
            descriptor: descriptor.hash(),
            size: u32::try_from(receipts.len()).unwrap_or(u32::MAX),
            root: tree.root(),
        });
        let signed = receipts
            .into_iter()
            .zip(0_u32..)
            .filter_map(|(receipt, index)| {
                Some(Self {
                    receipt,
                    batch: batch.clone(),
                    index,
                    path: tree.inclusion(u64::from(index))?,
                })
            });
        signed.collect()
    }

    /// The receipt without a check.
    pub fn unverified(&self) -> &Receipt {
        &self.receipt
    }

    /// The receipt, if the provider of this net signed it.
    ///
    /// # Errors
    /// [`BadSignature`] otherwise.
    pub fn verify(&self, descriptor: &NetDescriptor) -> Result<&Receipt, BadSignature> {
        let batch = self.batch.verify(descriptor.provider_key())?;
        let leaf = self.receipt.encode();
        let (size, index) = (u64::from(batch.size), u64::from(self.index));
        let ours = |net, hash| net == descriptor.net() && hash == descriptor.hash();
        if ours(batch.net, batch.descriptor)
            && ours(self.receipt.net, self.receipt.descriptor)
            && verify_inclusion(&batch.root, size, index, &leaf, &self.path).is_ok()
        {
            Ok(&self.receipt)
        } else {
            Err(BadSignature {
                label: ReceiptBatch::LABEL,
            })
        }
    }
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
        list32::tls_serialized_len(&self.0)
    }
}

impl Serialize for MemberList {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        list32::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for MemberList {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let members: Vec<MemberSummary> = list32::tls_deserialize(reader)?;
        if members.is_sorted_by(|left, right| left.client < right.client) {
            Ok(Self(members))
        } else {
            Err(malformed("the member list is not strictly ascending"))
        }
    }
}
