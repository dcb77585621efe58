//! What a provider, with a set of corrupt members, can compute of one round.
//!
//! Everything that was on the wire is an equation over three kinds of numbers: readings, pads and
//! self-masks. Also what the provider refused, withheld or called late was on the wire, and counts.
//! [`View::verdict`] eliminates the pads and self-masks that the provider does not know and looks at
//! what is left: combinations of honest readings that are *determined*. A combination over fewer
//! than `min_size` honest members is a leak.
//!
//! The model takes the primitives for what they claim: a pad or self-mask that is not known is
//! uniform and independent of all others; shares below the threshold say nothing; nobody computes a
//! key that is not theirs. It knows nothing of the state machines. A harness fills it with what it
//! saw, so a mistake of theirs is not repeated here.
//!
//! - **Slots.** One slot is treated. Each slot has pads and masks of its own, with the same
//!   coefficients; seeds and share keys open all slots of a member or none. So what is determined
//!   of several slots together is, slot by slot, determined of one.
//! - **Rounds.** One round is treated. Pads and masks of two rounds are independent; what is
//!   learnt by comparing the sums of two rounds is a matter of the readings, not of the masking.
//! - **Keys of an edge.** They depend on the epoch, so a pad is named by the pair and the epoch. Two
//!   epochs, or two sets of neighbours, shown to different members are two sets of edges here. Where
//!   two ends of an edge mean different key packages, give the two pads different epoch numbers.
//! - **Signs.** The end with the smaller client id adds the pad, the other subtracts it
//!   (protocol.md 3.7).
//!
//! Words are integers modulo 2⁶⁴. See [`elimination`] for why two prime fields stand in for them.
//!
//! To use it from another test target: `#[path = "../view/mod.rs"] mod view;`

#![allow(
    dead_code,
    unused_imports,
    reason = "shared by several test targets, each of which uses a part"
)]

pub(crate) mod elimination;
pub(crate) mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use dcnet_protocol::names::ClientId;

pub(crate) use verdict::Verdict;

/// One equation on the wire: a superposition, and what the provider knows to be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Who sent it.
    pub(crate) member: ClientId,
    /// The epoch under which its sender derived the pads.
    pub(crate) epoch: u64,
    /// Whether the reading of `member` is in it.
    pub(crate) reading: bool,
    /// Whether the self-mask of `member` is in it.
    pub(crate) masked: bool,
    /// Those towards whom a pad is in it; the sign follows from the ids.
    pub(crate) pads: BTreeSet<ClientId>,
}

impl Seen {
    /// A frame of notification 5 with a reading and without a self-mask.
    pub(crate) fn frame(
        member: ClientId,
        epoch: u64,
        neighbours: impl IntoIterator<Item = ClientId>,
    ) -> Self {
        Self {
            member,
            epoch,
            reading: true,
            masked: false,
            pads: neighbours.into_iter().collect(),
        }
    }

    /// A frame of notification 6: nothing but the pads towards these.
    pub(crate) fn pads(
        member: ClientId,
        epoch: u64,
        towards: impl IntoIterator<Item = ClientId>,
    ) -> Self {
        Self::frame(member, epoch, towards).silent()
    }

    /// The same without a reading: transmission bit 0.
    pub(crate) fn silent(self) -> Self {
        Self {
            reading: false,
            ..self
        }
    }

    /// The same with the sender's self-mask.
    pub(crate) fn masked(self) -> Self {
        Self {
            masked: true,
            ..self
        }
    }

    /// The same without the pads towards these: a resent superposition (protocol.md 3.9).
    pub(crate) fn without<'a>(mut self, missing: impl IntoIterator<Item = &'a ClientId>) -> Self {
        for member in missing {
            self.pads.remove(member);
        }
        self
    }
}

/// An edge under one epoch: what names a pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    low: ClientId,
    high: ClientId,
    epoch: u64,
}

impl Edge {
    /// The edge of two members, in either order.
    ///
    /// # Panics
    ///
    /// If they are one.
    pub(crate) fn new(one: ClientId, other: ClientId, epoch: u64) -> Self {
        assert!(one != other, "{one:?} has an edge to itself");
        Self {
            low: one.min(other),
            high: one.max(other),
            epoch,
        }
    }

    /// Whether `own` adds the pad; otherwise it subtracts it.
    fn is_added_by(&self, own: &ClientId) -> bool {
        self.low == *own
    }
}

/// How one member shared the seed of its self-mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dealing {
    /// How many shares give the seed.
    pub(crate) threshold: usize,
    /// Who holds one share each.
    pub(crate) holders: BTreeSet<ClientId>,
}

/// What the provider and the corrupt members saw of one round.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// A combination of fewer honest readings than this is a leak.
    pub(crate) min_size: usize,
    /// Those whose readings, seeds, pads and share keys are known.
    pub(crate) corrupt: BTreeSet<ClientId>,
    /// All edges that somebody used.
    pub(crate) edges: BTreeSet<Edge>,
    /// Everything on the wire.
    pub(crate) seen: Vec<Seen>,
    /// Dealer and epoch of each self-mask, and how its seed was shared.
    pub(crate) dealings: BTreeMap<(ClientId, u64), Dealing>,
    /// Share keys that were revealed: dealer, holder, epoch.
    pub(crate) revealed: BTreeSet<(ClientId, ClientId, u64)>,
}

impl View {
    /// A view in which nothing was seen yet.
    pub(crate) fn new(min_size: usize, corrupt: impl IntoIterator<Item = ClientId>) -> Self {
        Self {
            min_size,
            corrupt: corrupt.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Two members have a key under this epoch.
    ///
    /// # Panics
    ///
    /// If the two are one.
    pub(crate) fn edge(&mut self, epoch: u64, one: ClientId, other: ClientId) {
        self.edges.insert(Edge::new(one, other, epoch));
    }

    /// Those with whom `member` has a key under this epoch.
    pub(crate) fn neighbours(&self, member: ClientId, epoch: u64) -> BTreeSet<ClientId> {
        let of_epoch = self.edges.iter().filter(|edge| edge.epoch == epoch);
        of_epoch
            .filter_map(|edge| match (edge.low == member, edge.high == member) {
                (true, _) => Some(edge.high),
                (_, true) => Some(edge.low),
                _ => None,
            })
            .collect()
    }

    /// This was on the wire.
    ///
    /// # Panics
    ///
    /// If it has a pad of an edge that the view does not know: then the harness is wrong.
    pub(crate) fn see(&mut self, seen: Seen) {
        for peer in &seen.pads {
            let edge = Edge::new(seen.member, *peer, seen.epoch);
            assert!(self.edges.contains(&edge), "no such edge: {edge:?}");
        }
        self.seen.push(seen);
    }

    /// `dealer` shared the seed of its self-mask of this epoch.
    ///
    /// # Panics
    ///
    /// If it did so before in another way: one mask has one dealing.
    pub(crate) fn deal(
        &mut self,
        dealer: ClientId,
        epoch: u64,
        threshold: usize,
        holders: impl IntoIterator<Item = ClientId>,
    ) {
        let holders = holders.into_iter().collect();
        let dealing = Dealing { threshold, holders };
        let before = self.dealings.insert((dealer, epoch), dealing);
        let same = before.is_none() || before.as_ref() == self.dealings.get(&(dealer, epoch));
        assert!(same, "{dealer:?} dealt twice in epoch {epoch}");
    }

    /// `holder` revealed the key of its share of `dealer`'s seed.
    pub(crate) fn reveal(&mut self, dealer: ClientId, holder: ClientId, epoch: u64) {
        self.revealed.insert((dealer, holder, epoch));
    }

    /// Whether the self-mask of `dealer` under this epoch is known: it is corrupt, or at least as
    /// many of its holders as the threshold says revealed their key or are corrupt.
    pub(crate) fn is_mask_known(&self, dealer: ClientId, epoch: u64) -> bool {
        let is_known = |holder: &&ClientId| {
            self.corrupt.contains(holder) || self.revealed.contains(&(dealer, **holder, epoch))
        };
        self.corrupt.contains(&dealer)
            || self.dealings.get(&(dealer, epoch)).is_some_and(|dealing| {
                dealing.holders.iter().filter(is_known).count() >= dealing.threshold
            })
    }

    /// Whether the pad is known, because one end is corrupt.
    pub(crate) fn is_pad_known(&self, edge: &Edge) -> bool {
        self.corrupt.contains(&edge.low) || self.corrupt.contains(&edge.high)
    }

    /// What is determined, and whether that is a leak.
    pub(crate) fn verdict(&self) -> Verdict {
        verdict::decide(self)
    }
}
