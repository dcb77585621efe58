//! What the provider keeps: data for a store, none of it a reading.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::order::OrderRecord;
use crate::key_agreement::{KeyPackageHash, SignedKeyPackage};
use crate::membership::MemberStatus;
use crate::membership::edge::EdgeSet;
use crate::membership::entry::{ExitStatement, Neighbourhood};
use crate::membership::epoch_head::{EpochHead, MemberLeaf, MemberTree};
use crate::merkle::MerkleRoot;
use crate::names::{ClientId, ClientSet};
use crate::roster::Roster;
use crate::round::{Epoch, Round};
use crate::self_mask::{SelfMask, ShareKey};
use crate::signature::{KeyError, Signed, VerifyingKey};
use crate::superposition::Superposition;

/// A change that must be durable before the reply that came with it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Insert or replace by client.
    Member(Box<MemberRecord>),
    /// Insert: the graph in force from its first round on.
    Epoch(EpochRecord),
    /// Insert: one per round and client.
    Frame(FrameRecord),
    /// Insert: the corrected superposition, one per round and client, beside the original.
    Resent(FrameRecord),
    /// Append to the membership log.
    Log(LogRecord),
    /// Insert, unless it is there. Nothing in the rounds needs it: whoever audits the log does.
    KeyPackage(Box<SignedKeyPackage>),
    /// Insert, and forget the lists below `oldest`.
    DrawList(DrawListRecord),
    /// Append to the orders that were taken.
    Order(OrderRecord),
    /// Insert: one per round.
    CorrectionOpened(CorrectionRecord),
    /// Insert: one per round and step.
    Roster(RosterRecord),
    /// Insert: one per round, step and client.
    Answer(AnswerRecord),
    /// Insert, and erase every [`Record::Frame`], [`Record::Resent`], [`Record::Answer`] and
    /// [`Record::CorrectionOpened`] of its round in the same transaction. Rosters stay.
    Outcome(Box<RoundOutcome>),
    /// Append to the inbox of `to`.
    Deliver {
        /// Addressee.
        to: ClientId,
        /// Encoding of a [`crate::message::Message`].
        message: Vec<u8>,
    },
}

/// A member as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct MemberRecord {
    /// Who.
    pub client: ClientId,
    /// Where it stands.
    pub status: MemberStatus,
    /// Its key package.
    pub package: SignedKeyPackage,
    /// Key of its statements, SEC 1 compressed, from the certificate in the package.
    pub statement_key: [u8; 33],
    /// Its newest word on its neighbours.
    #[tls_codec(with = "crate::codec::option")]
    pub neighbourhood: Option<Signed<Neighbourhood>>,
    /// Its exit.
    #[tls_codec(with = "crate::codec::option")]
    pub exit: Option<Signed<ExitStatement>>,
    /// The round being metered when the exit came in.
    pub exit_round: Round,
}

impl MemberRecord {
    /// Key of its statements.
    ///
    /// # Errors
    /// [`KeyError`] if the stored bytes are no key.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::from_sec1(&self.statement_key)
    }

    /// The neighbours that it named last; nobody before it entered.
    pub fn neighbours(&self) -> ClientSet {
        self.edges().map(EdgeSet::clients).unwrap_or_default()
    }

    /// The edges that it named last, if that was with the key package in force.
    pub(crate) fn edges(&self) -> Option<&EdgeSet> {
        let named = self.neighbourhood.as_ref()?.unverified();
        (named.package == self.package_hash()).then_some(&named.neighbours)
    }

    /// Hash of its key package.
    pub fn package_hash(&self) -> KeyPackageHash {
        self.package.unverified().hash()
    }

    /// The neighbours that it drew itself, if it named them with the key package in force.
    pub(crate) fn holders(&self) -> Option<&ClientSet> {
        let named = self.neighbourhood.as_ref()?.unverified();
        (named.package == self.package_hash()).then_some(&named.holders)
    }

    /// Both as it stated them, with whatever key package.
    pub(super) fn stated(&self) -> Option<(&EdgeSet, &ClientSet)> {
        let named = self.neighbourhood.as_ref()?.unverified();
        Some((&named.neighbours, &named.holders))
    }

    /// Serial of its newest statement, 0 if there is none.
    pub(crate) fn last_serial(&self) -> u64 {
        let exit = self
            .exit
            .as_ref()
            .map_or(0, |statement| statement.unverified().serial);
        self.neighbourhood
            .as_ref()
            .map_or(0, |statement| statement.unverified().serial)
            .max(exit)
    }
}

/// The key graph in force from a round on, until the next one.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EpochRecord {
    /// Its number.
    pub epoch: Epoch,
    /// Its first round.
    pub first_round: Round,
    /// Root of the member tree.
    pub member_root: MerkleRoot,
    /// Index of its head in the membership log.
    pub log_index: u64,
    /// Each active member with its active neighbours, ascending. Empty: the net does not operate.
    #[tls_codec(with = "crate::codec::list32")]
    pub members: Vec<EpochMember>,
}

/// One member of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EpochMember {
    /// Who.
    pub client: ClientId,
    /// Its key package: with another one it would be another member to its neighbours.
    pub package: KeyPackageHash,
    /// Its active neighbours, each with what was agreed: agreed anew, it is another edge.
    pub neighbours: EdgeSet,
    /// Those of them that it drew itself.
    pub holders: ClientSet,
}

impl EpochMember {
    /// Its neighbours and its holders.
    pub(super) fn sets(&self) -> (&EdgeSet, &ClientSet) {
        (&self.neighbours, &self.holders)
    }
}

impl EpochRecord {
    /// An epoch of these members, ascending.
    pub fn new(epoch: Epoch, first_round: Round, members: Vec<EpochMember>) -> Self {
        let leaves = members
            .iter()
            .map(|member| MemberLeaf {
                client: member.client,
                package: member.package,
            })
            .collect();
        Self {
            epoch,
            first_round,
            log_index: 0,
            // In order by construction; an epoch that were not would have no members' tree.
            member_root: MemberTree::new(leaves).map_or(MerkleRoot::empty(), |tree| tree.root()),
            members,
        }
    }

    /// What manifests and rosters say of it.
    pub fn head(&self) -> EpochHead {
        EpochHead {
            epoch: self.epoch,
            first_round: self.first_round,
            members: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            member_root: self.member_root,
        }
    }

    /// The index of `client` in the member tree, if it is active.
    pub fn index(&self, client: &ClientId) -> Option<usize> {
        self.members
            .binary_search_by_key(client, |member| member.client)
            .ok()
    }

    /// The line for `client`, if it is active.
    pub fn get(&self, client: &ClientId) -> Option<&EpochMember> {
        self.members.get(self.index(client)?)
    }

    /// Lets go of the memory of those sets that `known` has, for a member, as well: most edges stay from
    /// epoch to epoch, and are those that were stated.
    pub(super) fn share<'a>(
        &mut self,
        known: impl Fn(&ClientId) -> Option<(&'a EdgeSet, &'a ClientSet)>,
    ) {
        for member in &mut self.members {
            if let Some((neighbours, holders)) = known(&member.client) {
                share(&mut member.neighbours, neighbours);
                share(&mut member.holders, holders);
            }
        }
    }

    /// All active members.
    pub fn clients(&self) -> ClientSet {
        self.members.iter().map(|member| member.client).collect()
    }
}

/// Lets go of the memory of `own` if `other` is the same.
fn share<T: Clone + PartialEq>(own: &mut T, other: &T) {
    if own == other {
        own.clone_from(other);
    }
}

/// An entry of the membership log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its index, counted from 0.
    pub index: u64,
    /// Its encoding.
    pub entry: Vec<u8>,
}

/// The members of a draw list, which the log has by their root.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct DrawListRecord {
    /// Index of its entry in the log.
    pub index: u64,
    /// The round in which it was made.
    pub round: Round,
    /// Lists with a smaller index are not asked for any more.
    pub oldest: u64,
    /// Its members, ascending.
    #[tls_codec(with = "crate::codec::list32")]
    pub leaves: Vec<MemberLeaf>,
}

/// A local superposition as received.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct FrameRecord {
    /// The round.
    pub round: Round,
    /// Its epoch.
    pub epoch: Epoch,
    /// Whose.
    pub client: ClientId,
    /// Whether the words hide a reading.
    #[tls_codec(with = "crate::codec::flag")]
    pub transmission: bool,
    /// The words.
    pub words: Superposition,
    /// What takes its self-mask off, in a net that corrects by double masks.
    #[tls_codec(with = "crate::codec::option")]
    pub mask: Option<SelfMask>,
    /// SHA-256 of the frame's bytes.
    pub hash: [u8; 32],
}

/// A roster that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct RosterRecord {
    /// The round.
    pub round: Round,
    /// Counts the rosters of a round, from 1.
    pub step: u8,
    /// The roster.
    pub roster: Signed<Roster>,
}

/// A member's answer to a roster.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct AnswerRecord {
    /// The round.
    pub round: Round,
    /// The roster's step.
    pub step: u8,
    /// Whose.
    pub client: ClientId,
    /// What it tells.
    pub answer: Answer,
    /// SHA-256 of the frame's bytes.
    pub hash: [u8; 32],
}

/// What an answer to a roster tells.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum Answer {
    /// The sum of pads towards those left out.
    #[tls_codec(discriminant = 1)]
    Pads(Superposition),
    /// Keys of shares.
    #[tls_codec(discriminant = 2)]
    Reveal(#[tls_codec(with = "crate::codec::list16")] Vec<ShareKey>),
}

/// A share that does not fit what its dealer said about it: one of the two is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct WrongShare {
    /// Whose seed it is a share of.
    pub dealer: ClientId,
    /// Who told the key of it.
    pub holder: ClientId,
}

/// A correction under way.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct CorrectionRecord {
    /// The round.
    pub round: Round,
    /// Members without a frame.
    pub missing: ClientSet,
    /// Their present neighbours, all of whom must resend.
    pub asked: ClientSet,
}

/// How a round ended.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct RoundOutcome {
    /// The round.
    pub round: Round,
    /// Its epoch.
    pub epoch: Epoch,
    /// Whether there is a sum.
    pub status: RoundStatus,
    /// The global superposition: sum of the contributors' readings modulo 2⁶⁴, none if failed.
    #[tls_codec(with = "crate::codec::option")]
    pub sum: Option<Superposition>,
    /// Whose readings the sum holds.
    pub contributors: ClientSet,
    /// Members present without a reading (transmission bit 0).
    pub silent: ClientSet,
    /// Members without a frame.
    pub missing: ClientSet,
    /// Number of members active in the round.
    pub members: u32,
    /// Shares that did not fit.
    #[tls_codec(with = "crate::codec::list32")]
    pub wrong_shares: Vec<WrongShare>,
    /// Members whose self-mask was not recovered.
    pub unrecovered: ClientSet,
}

/// Whether and how a round gave a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum RoundStatus {
    /// Everybody was there.
    Complete = 1,
    /// Some were missing, their neighbours resent.
    Corrected = 2,
    /// Fewer members present than the net's minimum size.
    TooFewPresent = 3,
    /// Those present no longer form a sound key graph.
    GraphBroken = 4,
    /// A neighbour that was asked to resend did not in time.
    Unanswered = 5,
    /// Fewer readings than the net's minimum size: the sum is not formed.
    TooFewContributors = 6,
    /// The provider itself was not there during the submission window.
    Interrupted = 7,
    /// The self-mask of a member could not be recovered.
    SharesMissing = 8,
}

impl RoundStatus {
    /// Whether the round gave a sum.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Complete | Self::Corrected)
    }

    /// Word for tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Corrected => "corrected",
            Self::TooFewPresent => "failed: too few members present",
            Self::GraphBroken => "failed: key graph broken",
            Self::Unanswered => "failed: correction unanswered",
            Self::TooFewContributors => "failed: too few readings",
            Self::SharesMissing => "failed: shares of a self-mask missing",
            Self::Interrupted => "failed: provider was interrupted",
        }
    }
}

/// Everything that [`crate::provider::Provider::restore`] needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All members ever, in any order.
    pub members: Vec<MemberRecord>,
    /// The membership log: encodings of its entries, in the order of their index.
    pub log: Vec<Vec<u8>>,
    /// The draw lists that were not forgotten.
    pub draw_lists: Vec<DrawListRecord>,
    /// The latest epochs, at least the one in force in the last final round and all later ones.
    pub epochs: Vec<EpochRecord>,
    /// All orders that were taken, oldest first.
    pub orders: Vec<OrderRecord>,
    /// Frames of rounds that are not final.
    pub frames: Vec<FrameRecord>,
    /// Resent superpositions of rounds that are not final.
    pub resent: Vec<FrameRecord>,
    /// Corrections of rounds that are not final.
    pub corrections: Vec<CorrectionRecord>,
    /// Rosters of rounds that are not final.
    pub rosters: Vec<RosterRecord>,
    /// Answers of rounds that are not final.
    pub answers: Vec<AnswerRecord>,
    /// The latest round with an outcome.
    pub last_final: Option<Round>,
}
