//! The draw: indices out of a list that the log fixed before, with this gateway's own randomness.
//!
//! Sections 7.2 and 7.19 of `docs/spec/protocol.md`. The indices are on disk before anything about
//! them is asked. Members are taken in the order of the draw, and one that the provider does not
//! show is waited for: whoever could make a gateway skip a member would choose its neighbours.

use rand_core::CryptoRng;

use super::in_force::InForce;
use super::state::{Draw, EdgePhase, Membership, Wanted};
use super::{Fault, Gateway, Output, Report, Request};
use crate::descriptor::{CorrectionMode, MIN_DEGREE};
use crate::envelope::{EdgeReason, EnvelopeKind};
use crate::membership::epoch_head::MemberLeaf;
use crate::membership::log::{DrawList, LogEntry};
use crate::membership::proof::{DrawListView, ListedMember, ListedMembers};
use crate::names::{ClientId, ClientSet};
use crate::round::UnixTime;

/// Rounds after which a draw list is refused: a provider makes one anew after half of that.
const LIST_LIFETIME: u64 = 96;
/// Rounds between two looks after drawn neighbours that are in no epoch.
const RENEW_AFTER: u64 = 3;
/// Members of a list that are asked for at a time.
const AT_A_TIME: usize = 64;

impl Draw {
    /// Neighbours that are still to come of it.
    pub(super) fn open(&self) -> usize {
        let need = usize::try_from(self.need).unwrap_or(usize::MAX);
        need.min(self.indices.len())
    }
}

impl Gateway {
    pub(super) fn ask_draw_list(&self) -> Output {
        let from = self.state.body.follower.size();
        Output::Send(Request::DrawList { from })
    }

    /// Asks for the members drawn, in the order of the draw.
    pub(super) fn ask_listed(&self) -> Option<Output> {
        let draw = self.state.body.draw.as_ref()?;
        let at = draw.indices.iter().take(AT_A_TIME).copied().collect();
        let list = draw.entry;
        Some(Output::Send(Request::Listed { list, at }))
    }

    /// Draws out of the newest list.
    pub(super) fn draw(
        &mut self,
        now: UnixTime,
        view: &DrawListView,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        if self.state.body.draw.is_some() {
            return Vec::new();
        }
        let Some(reason) = self.drawing.take() else {
            return Vec::new();
        };
        let proof = &view.proof;
        let quorum = &self.setup.policy.witnesses;
        let follower = &mut self.state.body.follower;
        let entry = proof.verify(follower, &self.setup.descriptor, quorum);
        let list = match entry {
            Ok(LogEntry::DrawList(list)) => *list,
            Ok(_) => return vec![self.persist(None), Output::Report(Fault::NotListed.into())],
            Err(error) => return self.disproved(error),
        };
        if let Err(fault) = self.check_list(now, &list, view) {
            return vec![self.persist(None), Output::Report(fault.into())];
        }
        let have = usize::try_from(list.members).unwrap_or(usize::MAX);
        let need = self.min_size().max(MIN_DEGREE + 1);
        if have < need && reason == EdgeReason::Drawn {
            let report = Report::WaitingForMembers { have, need };
            return vec![self.persist(None), Output::Report(report)];
        }
        let amount = self.amount_to_draw(reason, have);
        let others = have - 1;
        // All of them in a random order: how many are needed until there are enough new ones is not
        // known before.
        let order =
            rand::seq::index::sample(rng, others, others.min(amount + self.known_members()));
        let own = view.own_index;
        let indices = order
            .iter()
            .filter_map(|index| u32::try_from(index).ok())
            .map(|index| index + u32::from(index >= own));
        let body = &mut self.state.body;
        body.draw = Some(Draw {
            entry: proof.index,
            list,
            reason,
            need: u32::try_from(amount).unwrap_or(u32::MAX),
            indices: indices.collect(),
            seen: ClientSet::default(),
        });
        body.drawn_at = now.millis();
        self.waiting_since = self.waiting_since.map(|_| now);
        let report = Report::Drawn {
            count: amount.min(others),
            members: have,
        };
        let mut outputs = vec![self.persist(None), Output::Report(report)];
        outputs.extend(self.ask_listed());
        outputs
    }

    fn check_list(&self, now: UnixTime, list: &DrawList, view: &DrawListView) -> Result<(), Fault> {
        let own = MemberLeaf {
            client: self.setup.client,
            package: self.own.package,
        };
        list.verify(view.own_index, &own, &view.own_path)
            .map_err(|_| Fault::NotListed)?;
        let round = self.setup.descriptor.schedule().round_at(now);
        let age = round.number().abs_diff(list.round.number());
        if age > LIST_LIFETIME {
            return Err(Fault::OldDrawList { round: list.round });
        }
        Ok(())
    }

    /// Members of the list that was drawn from.
    pub(super) fn listed(
        &mut self,
        now: UnixTime,
        shown: ListedMembers,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let mut outputs = vec![self.persist(None)];
        let mut members = shown.members;
        let before = self.indices_drawn();
        while let Some(draw) = self.state.body.draw.as_mut() {
            if draw.entry != shown.list {
                break;
            }
            let Some(next) = draw.indices.first().copied().filter(|_| draw.need > 0) else {
                self.state.body.draw = None;
                break;
            };
            let Some(position) = members.iter().position(|member| member.index == next) else {
                break;
            };
            let member = members.swap_remove(position);
            let (list, client) = (draw.list, member.leaf.client);
            if let Err(source) = list.verify(next, &member.leaf, &member.path) {
                // Not settled: the provider is asked again.
                let fault = Fault::ForgedLeaf {
                    index: next,
                    source,
                };
                outputs.push(Output::Report(fault.into()));
                break;
            }
            let twice = client == self.setup.client || draw.seen.contains(&client);
            draw.indices.remove(0);
            draw.seen = draw.seen.iter().copied().chain([client]).collect();
            if twice {
                outputs.push(Output::Report(Fault::ListedTwice { client }.into()));
                continue;
            }
            outputs.extend(self.take_listed(now, &member, rng));
        }
        if self
            .state
            .body
            .draw
            .as_ref()
            .is_some_and(|draw| draw.open() == 0)
        {
            self.state.body.draw = None;
        }
        if let Some(first) = outputs.first_mut() {
            *first = self.persist(None);
        }
        // What is forged or missing is asked for at the next poll: no provider can make this a loop.
        if self.indices_drawn() < before {
            outputs.extend(self.ask_listed());
        }
        outputs
    }

    fn indices_drawn(&self) -> usize {
        let draw = self.state.body.draw.as_ref();
        draw.map_or(0, |draw| draw.indices.len())
    }

    /// A member that was drawn: an edge is offered, unless there is one or it was drawn before.
    fn take_listed(
        &mut self,
        now: UnixTime,
        member: &ListedMember,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let client = member.leaf.client;
        let known = self.neighbour(&client);
        let has_edge = known.is_some_and(|n| n.party.package == member.leaf.package);
        let body = &self.state.body;
        let reason = body
            .draw
            .as_ref()
            .map_or(EdgeReason::Drawn, |draw| draw.reason);
        // Who has a place is offered its edge again by `renew_edges`.
        let drawn_before = body.has_drawn(&client) && (has_edge || self.is_double_mask());
        // In a resend net it is edges that are wanted, whoever drew them.
        let skip =
            drawn_before || (has_edge && reason == EdgeReason::Emergency && !self.is_double_mask());
        if skip {
            // The two ends may have agreed on different things: offered again, they find out.
            let known = self.state.body.neighbours.iter_mut();
            for known in known.filter(|n| n.party.client == client) {
                known.owed.get_or_insert(EnvelopeKind::EdgeOffer);
            }
            return self.send_owed(Some(client), rng);
        }
        if let Some(draw) = self.state.body.draw.as_mut() {
            draw.need = draw.need.saturating_sub(1);
        }
        self.state.body.take_place(now, client);
        // What is shown is looked at even if the edge is there: a lie is told to the owner.
        let shown = match self.take_package(now, &member.package) {
            // A newer package than the list names is the member's own word, too.
            Ok(neighbour) if neighbour.party.client == client => Ok(neighbour),
            Ok(_) => Err(Fault::PackageSwapped { client }),
            Err(fault) => Err(fault),
        };
        if has_edge {
            self.statement_is_due(now);
        }
        match shown {
            Ok(_) if has_edge => Vec::new(),
            Ok(neighbour) => self.use_package(now, neighbour, Some(reason), Vec::new(), rng),
            Err(fault) => vec![Output::Report(fault.into())],
        }
    }

    /// Looks after drawn neighbours that are in no epoch with this gateway: they may have a new key
    /// package, or not hold the edge. They stay who was drawn; the edge is agreed anew.
    pub(super) fn renew_edges(&mut self, now: UnixTime) -> Vec<Output> {
        let round = self.setup.descriptor.schedule().round_at(now);
        let due = self
            .renewed
            .is_none_or(|last| round.number().saturating_sub(last.number()) >= RENEW_AFTER);
        if !due || !self.is_double_mask() {
            return Vec::new();
        }
        let first = self.renewed.is_none();
        self.renewed = Some(round);
        if first {
            return Vec::new();
        }
        let active = self
            .in_force(round)
            .map(InForce::neighbours)
            .unwrap_or_default();
        let is_leaving = |client: &ClientId| {
            let neighbour = self.neighbour(client);
            neighbour.is_some_and(|neighbour| neighbour.phase == EdgePhase::Leaving)
        };
        let drawn = self.state.body.places.iter().map(|place| place.client);
        let lost: Vec<_> = drawn
            .filter(|client| !is_leaving(client) && !active.contains(client))
            .take(AT_A_TIME)
            .collect();
        for client in &lost {
            self.want(Wanted {
                client: *client,
                offer: Some(EdgeReason::Drawn),
            });
        }
        let asked = lost
            .iter()
            .map(|client| Output::Send(Request::Package(*client)));
        asked.collect()
    }

    /// How many neighbours to draw in a net of so many. Holders of shares are never more than k: with
    /// each that a provider could bring about, more of them would be corrupt.
    fn amount_to_draw(&self, reason: EdgeReason, members: usize) -> usize {
        let out_degree = self.setup.descriptor.out_degree();
        let edges = self.edges_held();
        let amount = match reason {
            EdgeReason::Emergency if self.is_double_mask() => {
                out_degree.saturating_sub(self.state.body.places.len())
            }
            EdgeReason::Emergency => out_degree.saturating_sub(edges.len()).max(MIN_DEGREE),
            EdgeReason::Drawn | EdgeReason::Bridge => out_degree.max(MIN_DEGREE),
        };
        amount.min(members.saturating_sub(1))
    }

    /// Members that a draw may hit without bringing a new neighbour.
    fn known_members(&self) -> usize {
        self.state.body.neighbours.len() + self.state.body.places.len()
    }

    pub(super) fn is_double_mask(&self) -> bool {
        self.setup.descriptor.correction_mode() == CorrectionMode::DoubleMask
    }

    /// How many neighbours this gateway's own draw is to have in an epoch of so many members. A provider
    /// that calls the net smaller than it is does not make that fewer than are there.
    pub(super) fn to_be_drawn(&self, members: usize) -> usize {
        let have = self.holders_of(&self.edges_held()).len();
        self.setup.descriptor.drawn_of(members).max(have)
    }

    /// In a double-mask net: how many places of its own draw are taken, and how many it should have
    /// in a net as large as it can see by its own edges and the size announced last. A net that grows,
    /// and neighbours that leave, make for more draws, never for more than k.
    pub(super) fn lacking_holders(&self) -> Option<(usize, usize)> {
        if !self.is_double_mask() || self.state.body.membership != Membership::Entered {
            return None;
        }
        let edges = self.edges_held();
        let members = self.state.body.manifests.last().map_or(0, InForce::members);
        let wanted = self.setup.descriptor.drawn_of(members.max(edges.len() + 1));
        let have = self.state.body.places.len();
        (have < wanted).then_some((have, wanted))
    }
}
