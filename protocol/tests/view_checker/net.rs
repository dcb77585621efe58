//! Random nets, and what their gateways answer to whatever rosters they are shown.

use std::collections::{BTreeMap, BTreeSet};

use dcnet_protocol::names::ClientId;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::view::{Seen, View};
use crate::{EPOCH, id};

/// Random choices of a test, the same for the same seed.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + usize::try_from(self.0.next_u32()).unwrap() % (high - low + 1)
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.between(1, 100) <= percent
    }

    /// Some of these, `amount` at most.
    pub(crate) fn some<T: Clone>(
        &mut self,
        of: impl IntoIterator<Item = T>,
        amount: usize,
    ) -> Vec<T> {
        let mut left: Vec<T> = of.into_iter().collect();
        let mut taken = Vec::new();
        while taken.len() < amount && !left.is_empty() {
            let place = self.between(0, left.len() - 1);
            taken.push(left.swap_remove(place));
        }
        taken
    }
}

/// A net that corrects by double masks.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    pub(crate) members: BTreeSet<ClientId>,
    pub(crate) corrupt: BTreeSet<ClientId>,
    /// Whom each member drew itself: the holders of its shares.
    pub(crate) drawn: BTreeMap<ClientId, BTreeSet<ClientId>>,
    pub(crate) min_size: usize,
    pub(crate) k: usize,
    pub(crate) t: usize,
    pub(crate) loss_permille: usize,
}

impl Net {
    /// `n` members that draw `k` others each, the first `corrupt` of them corrupt. In a net of at
    /// most k members everybody draws everybody.
    pub(crate) fn new(dice: &mut Dice, n: usize, (k, t): (usize, usize), corrupt: usize) -> Self {
        let members: BTreeSet<ClientId> = (0..n).map(id).collect();
        let others = |own: ClientId| members.iter().copied().filter(move |other| *other != own);
        let draw = |own: &ClientId| (*own, dice.some(others(*own), k).into_iter().collect());
        Self {
            drawn: members.iter().map(draw).collect(),
            corrupt: members.iter().take(corrupt).copied().collect(),
            members,
            min_size: 2,
            k,
            t,
            loss_permille: 200,
        }
    }

    /// Small and arbitrary, within the rules 2 ≤ t ≤ k and 2t > k.
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let n = dice.between(5, 9);
        let k = dice.between(2, 9);
        let t = dice.between((k / 2 + 1).max(2), k);
        let corrupt = dice.between(0, 2);
        let mut net = Self::new(dice, n, (k, t), corrupt);
        net.min_size = dice.between(2, 4);
        net.loss_permille = dice.between(0, 5) * 100;
        net
    }

    pub(crate) fn honest(&self) -> BTreeSet<ClientId> {
        self.members.difference(&self.corrupt).copied().collect()
    }

    /// The threshold in force: scaled down in a net whose graph is complete.
    pub(crate) fn threshold(&self) -> usize {
        let n = self.members.len();
        if n > self.k {
            self.t
        } else {
            (self.t * (n - 1)).div_ceil(self.k).max(2)
        }
    }

    /// How many members may be missing in a roster.
    pub(crate) fn most_missing(&self) -> usize {
        self.members.len() * self.loss_permille / 1000
    }

    pub(crate) fn neighbours(&self, own: ClientId) -> BTreeSet<ClientId> {
        let drew = |other: &ClientId| self.drawn[other].contains(&own);
        let drew_it = self.members.iter().copied().filter(drew);
        self.drawn[&own].iter().copied().chain(drew_it).collect()
    }

    /// A view with the edges and dealings of the net, in which nothing was sent.
    pub(crate) fn view(&self) -> View {
        let mut view = View::new(self.min_size, self.corrupt.iter().copied());
        for (own, drawn) in &self.drawn {
            for other in drawn {
                view.edge(EPOCH, *own, *other);
            }
            view.deal(*own, EPOCH, self.threshold(), drawn.iter().copied());
        }
        view
    }

    /// The frame of a member of the net, masked twice.
    pub(crate) fn frame(&self, own: ClientId) -> Seen {
        Seen::frame(own, EPOCH, self.neighbours(own)).masked()
    }

    /// A gateway that has sent its frame.
    pub(crate) fn gateway(&self, own: ClientId) -> Gateway {
        Gateway {
            own,
            present: self.members.clone(),
            is_over: false,
        }
    }
}

/// An honest gateway within one round: what it refuses, and what it answers.
pub(crate) struct Gateway {
    own: ClientId,
    /// The set of the roster answered last.
    present: BTreeSet<ClientId>,
    /// It has refused, or revealed.
    is_over: bool,
}

impl Gateway {
    /// Shows it a roster. What it answers is seen; whether it answered is told.
    pub(crate) fn show(
        &mut self,
        net: &Net,
        view: &mut View,
        present: &BTreeSet<ClientId>,
        reveal: bool,
    ) -> bool {
        if self.is_over || !self.accepts(net, present) {
            self.is_over = true;
            return false;
        }
        if reveal {
            for dealer in present
                .iter()
                .filter(|one| net.drawn[*one].contains(&self.own))
            {
                view.reveal(*dealer, self.own, EPOCH);
            }
        } else {
            let neighbours = net.neighbours(self.own);
            let newly = self.present.difference(present);
            let towards: Vec<_> = newly.filter(|one| neighbours.contains(*one)).collect();
            view.see(Seen::pads(self.own, EPOCH, towards.into_iter().copied()));
        }
        self.is_over = reveal;
        self.present.clone_from(present);
        true
    }

    /// The number of contributors is the provider's word: a lying one says what is needed.
    fn accepts(&self, net: &Net, present: &BTreeSet<ClientId>) -> bool {
        let holders = net.drawn[&self.own].intersection(present).count();
        present.contains(&self.own)
            && present.is_subset(&self.present)
            && present.len() >= net.min_size
            && present.len() * 1000 >= (1000 - net.loss_permille) * net.members.len()
            && holders >= net.threshold()
    }
}
