//! Rows as plain data.

use dcnet_protocol::names::{ClientId, NetId};

use super::leases::Lease;
use super::orders::{OrderAnswerRow, OrderRow};

/// A net as it was created.
#[derive(Debug, Clone)]
pub(crate) struct NetRow {
    pub(crate) net: NetId,
    pub(crate) descriptor: Vec<u8>,
    pub(crate) authority: Vec<u8>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) created: u64,
}

/// The state of one member; a later row replaces an earlier one.
#[derive(Debug, Clone)]
pub(crate) struct MemberRow {
    pub(crate) net: NetId,
    pub(crate) client: ClientId,
    pub(crate) record: Vec<u8>,
}

/// The graph in force from a round on.
#[derive(Debug, Clone)]
pub(crate) struct EpochRow {
    pub(crate) net: NetId,
    pub(crate) epoch: u64,
    pub(crate) first_round: u64,
    pub(crate) record: Vec<u8>,
}

/// An entry of the membership log.
#[derive(Debug, Clone)]
pub(crate) struct LogRow {
    pub(crate) net: NetId,
    pub(crate) index: u64,
    pub(crate) entry: Vec<u8>,
}

/// A key package as it was registered, to be kept for good.
#[derive(Debug, Clone)]
pub(crate) struct PackageRow {
    pub(crate) net: NetId,
    pub(crate) hash: [u8; 32],
    pub(crate) package: Vec<u8>,
}

/// A draw list; those whose index is below `oldest` are deleted.
#[derive(Debug, Clone)]
pub(crate) struct DrawListRow {
    pub(crate) net: NetId,
    pub(crate) index: u64,
    pub(crate) oldest: u64,
    pub(crate) record: Vec<u8>,
}

/// A local superposition of a round that is not final. Its words are never logged.
#[derive(Clone)]
pub(crate) struct FrameRow {
    pub(crate) net: NetId,
    pub(crate) round: u64,
    pub(crate) client: ClientId,
    pub(crate) epoch: u64,
    pub(crate) transmission: bool,
    pub(crate) words: Vec<u64>,
    /// In a double-mask net; never of a resent one.
    pub(crate) mask: Option<Vec<u8>>,
    pub(crate) hash: [u8; 32],
}

/// A roster.
#[derive(Debug, Clone)]
pub(crate) struct RosterRow {
    pub(crate) net: NetId,
    pub(crate) round: u64,
    pub(crate) step: u8,
    pub(crate) roster: Vec<u8>,
}

/// An answer to a roster. Its pads or share keys are never logged.
#[derive(Clone)]
pub(crate) struct AnswerRow {
    pub(crate) net: NetId,
    pub(crate) round: u64,
    pub(crate) step: u8,
    pub(crate) client: ClientId,
    pub(crate) answer: Vec<u8>,
    pub(crate) hash: [u8; 32],
}

/// A correction under way.
#[derive(Debug, Clone)]
pub(crate) struct CorrectionRow {
    pub(crate) net: NetId,
    pub(crate) round: u64,
    pub(crate) missing: Vec<u8>,
    pub(crate) asked: Vec<u8>,
}

/// A final round; erases its superpositions, its answers to rosters and its correction.
#[derive(Debug, Clone)]
pub(crate) struct OutcomeRow {
    pub(crate) net: NetId,
    pub(crate) round: u64,
    pub(crate) outcome: Vec<u8>,
}

/// A message for an inbox.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryRow {
    pub(crate) net: NetId,
    pub(crate) client: ClientId,
    pub(crate) sequence: u64,
    pub(crate) message: Vec<u8>,
}

/// Deliveries that a gateway has confirmed: up to `sequence`, inclusive.
#[derive(Debug, Clone)]
pub(crate) struct ForgetRow {
    pub(crate) net: NetId,
    pub(crate) client: ClientId,
    pub(crate) sequence: u64,
}

/// A pseudonymised reading in the clear: what the benchmark compares with, nothing else.
#[derive(Clone)]
pub(crate) struct PlainRow {
    pub(crate) net: NetId,
    pub(crate) round: u64,
    pub(crate) pseudonym: ClientId,
    pub(crate) values: Vec<u64>,
    pub(crate) hash: [u8; 32],
}

/// What is written in one transaction, kind by kind in this order.
#[derive(Default)]
pub(crate) struct Batch {
    /// Under which it is written, where several servers share a store.
    pub(crate) lease: Option<Lease>,
    pub(crate) members: Vec<MemberRow>,
    pub(crate) packages: Vec<PackageRow>,
    pub(crate) log: Vec<LogRow>,
    pub(crate) draw_lists: Vec<DrawListRow>,
    pub(crate) epochs: Vec<EpochRow>,
    pub(crate) frames: Vec<FrameRow>,
    pub(crate) resent: Vec<FrameRow>,
    pub(crate) corrections: Vec<CorrectionRow>,
    pub(crate) answers: Vec<AnswerRow>,
    pub(crate) rosters: Vec<RosterRow>,
    pub(crate) deliveries: Vec<DeliveryRow>,
    pub(crate) outcomes: Vec<OutcomeRow>,
    pub(crate) forgets: Vec<ForgetRow>,
    pub(crate) orders: Vec<OrderAnswerRow>,
    pub(crate) plain: Vec<PlainRow>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
            && self.packages.is_empty()
            && self.log.is_empty()
            && self.draw_lists.is_empty()
            && self.epochs.is_empty()
            && self.frames.is_empty()
            && self.resent.is_empty()
            && self.corrections.is_empty()
            && self.answers.is_empty()
            && self.rosters.is_empty()
            && self.deliveries.is_empty()
            && self.outcomes.is_empty()
            && self.forgets.is_empty()
            && self.orders.is_empty()
            && self.plain.is_empty()
    }
}

/// Everything from which the state of a net is rebuilt.
pub(crate) struct Restored {
    pub(crate) members: Vec<MemberRow>,
    /// All of it, ascending.
    pub(crate) log: Vec<LogRow>,
    /// Encodings of those that are kept, ascending.
    pub(crate) draw_lists: Vec<Vec<u8>>,
    /// The latest few, ascending.
    pub(crate) epochs: Vec<EpochRow>,
    pub(crate) frames: Vec<FrameRow>,
    pub(crate) resent: Vec<FrameRow>,
    pub(crate) corrections: Vec<CorrectionRow>,
    pub(crate) answers: Vec<AnswerRow>,
    /// Of rounds that are not final, and of the last one that is.
    pub(crate) rosters: Vec<RosterRow>,
    /// All of them, ascending, those that wait or were refused, too.
    pub(crate) orders: Vec<OrderRow>,
    /// The last final round.
    pub(crate) last_final: Option<u64>,
    pub(crate) inbox_heads: Vec<InboxHead>,
}

/// Where an inbox stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InboxHead {
    pub(crate) client: ClientId,
    /// The last number ever used.
    pub(crate) last: u64,
    /// Number of the newest message that is held, 0 if there is none. Behind a restored backup it is far
    /// below `last`.
    pub(crate) newest: u64,
    /// How many messages are held.
    pub(crate) held: u64,
}
