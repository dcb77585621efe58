//! Orders of the operator: who is barred from the net, its closing, a reminder.
//!
//! Section 7.21 of `docs/spec/protocol.md`. A round whose epoch is fixed is never touched by an order:
//! the pads of its members cancel only if all of them are in it.

use std::collections::BTreeMap;

use super::order::{Order, OrderEffect, OrderRecord, OrderRefusal, OrderTaken, Ordered};
use super::{Provider, Record, Refusal};
use crate::membership::MemberStatus;
use crate::names::{ClientId, ClientSet};
use crate::round::{Round, UnixTime};

/// Rounds within which a tenth of the members are suspended at most: a day of quarter-hours.
const SPAN: u64 = 96;
/// One in so many members.
const SHARE: usize = 10;

/// What follows from the orders so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// Since when each is barred.
    barred: BTreeMap<ClientId, Round>,
    /// When members were suspended, resumed since or not.
    suspended: Vec<Round>,
    closed: Option<Round>,
}

impl Standing {
    pub(super) fn of(orders: &[OrderRecord]) -> Self {
        let mut standing = Self::default();
        for order in orders {
            standing.note(order);
        }
        standing
    }

    fn note(&mut self, order: &OrderRecord) {
        match order.effect {
            OrderEffect::Barred(client) => {
                self.barred.insert(client, order.round);
                self.suspended.push(order.round);
            }
            OrderEffect::Lifted(client) => {
                self.barred.remove(&client);
            }
            OrderEffect::Closed => self.closed = Some(order.round),
        }
    }

    pub(super) fn is_barred(&self, client: &ClientId) -> bool {
        self.barred.contains_key(client)
    }

    /// Whether the net is to end, or has ended.
    pub(super) fn is_closing(&self) -> bool {
        self.closed.is_some()
    }
}

impl Provider {
    /// Takes an order of the operator at `now`. What is due is done before.
    pub fn order(&mut self, now: UnixTime, order: Order) -> Ordered {
        let mut records = self.due(now, false);
        let answer = match order {
            Order::Suspend(client) => self.bar(now, client),
            Order::Resume(client) => self.lift(now, client),
            Order::Close => self.end_net(now),
            Order::Remind(round) => self.remind(now, round),
        };
        let answer = answer.map(|(taken, more)| {
            records.extend(more);
            taken
        });
        Ordered { records, answer }
    }

    /// The members whom an operator has suspended, ascending, each with the round being metered then.
    pub fn barred(&self) -> impl Iterator<Item = (&ClientId, Round)> {
        let barred = self.standing.barred.iter();
        barred.map(|(client, since)| (client, *since))
    }

    /// Whether the net is closed and its last round with members is behind it.
    pub fn is_closed(&self) -> bool {
        let last = self.epochs.last();
        self.standing.is_closing() && last.is_none_or(|epoch| epoch.members.is_empty())
    }

    /// Whether `client` may register and state its neighbourhood.
    pub(super) fn admit(&self, client: ClientId) -> Result<(), Refusal> {
        match self.turned_away(client) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// Why `client` takes part in no epoch that is not fixed yet.
    pub(super) fn turned_away(&self, client: ClientId) -> Option<Refusal> {
        if self.standing.is_closing() {
            Some(Refusal::NetClosed)
        } else if self.standing.is_barred(&client) {
            Some(Refusal::Barred { client })
        } else {
            None
        }
    }

    fn bar(
        &mut self,
        now: UnixTime,
        client: ClientId,
    ) -> Result<(OrderTaken, Vec<Record>), OrderRefusal> {
        let status = self.check_member(client)?;
        if let Some(since) = self.standing.barred.get(&client) {
            let since = *since;
            return Err(OrderRefusal::AlreadyBarred { client, since });
        }
        let round = self.schedule().round_at(now);
        self.check_pace(round)?;
        let before = self.desired_members(None).len();
        let left = self.desired_members(Some(client)).len();
        if before > 0 && left == 0 {
            let min_size = self.min_size();
            return Err(OrderRefusal::NoEpochLeft { client, min_size });
        }
        let mut records = self.keep_order(round, OrderEffect::Barred(client));
        // It is in no epoch: the next one decides nothing about it any more.
        if status == MemberStatus::Entered {
            records.extend(self.set_status(&client, MemberStatus::Suspended));
        }
        let from = self.next_border(round);
        Ok((OrderTaken::Suspended { client, from, left }, records))
    }

    fn lift(
        &mut self,
        now: UnixTime,
        client: ClientId,
    ) -> Result<(OrderTaken, Vec<Record>), OrderRefusal> {
        self.check_member(client)?;
        if !self.standing.is_barred(&client) {
            return Err(OrderRefusal::NotBarred { client });
        }
        let round = self.schedule().round_at(now);
        let records = self.keep_order(round, OrderEffect::Lifted(client));
        Ok((OrderTaken::Resumed { client }, records))
    }

    fn end_net(&mut self, now: UnixTime) -> Result<(OrderTaken, Vec<Record>), OrderRefusal> {
        self.check_open()?;
        let round = self.schedule().round_at(now);
        let records = self.keep_order(round, OrderEffect::Closed);
        let from = self.next_border(round);
        Ok((OrderTaken::Closing { from }, records))
    }

    /// The same words, signed the same way: a second request of another content would let a gateway
    /// tell the difference of two sums of pads.
    fn remind(
        &self,
        now: UnixTime,
        round: Round,
    ) -> Result<(OrderTaken, Vec<Record>), OrderRefusal> {
        if self.is_double_mask() {
            return Err(OrderRefusal::AskedFor { round });
        }
        let missing = OrderRefusal::NoCorrection { round };
        let state = self.rounds.get(&round);
        let state = state.filter(|state| state.finished.is_none());
        let open = state.and_then(|state| Some((state, state.correction.as_ref()?)));
        let (state, correction) = open.ok_or_else(|| missing.clone())?;
        if now >= self.schedule().correction_deadline(round) {
            return Err(OrderRefusal::WindowOver { round });
        }
        let epoch = self.epoch_at(round).ok_or(missing)?;
        let asked = correction.asked.iter();
        let clients: ClientSet = asked
            .filter(|client| !state.resent.contains_key(client))
            .copied()
            .collect();
        let message = self.correction_request(epoch, correction);
        let records = clients
            .iter()
            .map(|client| Self::deliver(*client, &message))
            .collect();
        Ok((OrderTaken::Reminded { round, clients }, records))
    }

    fn check_open(&self) -> Result<(), OrderRefusal> {
        match self.standing.closed {
            Some(since) => Err(OrderRefusal::Closed { since }),
            None => Ok(()),
        }
    }

    fn check_member(&self, client: ClientId) -> Result<MemberStatus, OrderRefusal> {
        self.check_open()?;
        match self.members.get(&client).map(|member| member.status) {
            None => Err(OrderRefusal::UnknownMember { client }),
            Some(MemberStatus::Exited) => Err(OrderRefusal::Exited { client }),
            Some(status) => Ok(status),
        }
    }

    /// Whether one more may be suspended in `round`. A net that does not operate has nobody who could be
    /// left alone in it.
    fn check_pace(&self, round: Round) -> Result<(), OrderRefusal> {
        let members = self.epochs.last().map_or(0, |epoch| epoch.members.len());
        let length = self.setup.descriptor.epoch_length();
        let span = SPAN.max(length);
        let ends = |since: &Round| since.number().saturating_add(span);
        let recent = self.standing.suspended.iter();
        let recent: Vec<u64> = recent.map(ends).filter(|e| *e > round.number()).collect();
        let most = (members / SHARE).max(1);
        if members == 0 || recent.len() < most {
            return Ok(());
        }
        // When so many of them are past that one more has its place.
        let next = recent.len().checked_sub(most).and_then(|i| recent.get(i));
        Err(OrderRefusal::TooMany {
            taken: recent.len(),
            members,
            span,
            next: Round::new(next.copied().unwrap_or_default()),
        })
    }

    fn keep_order(&mut self, round: Round, effect: OrderEffect) -> Vec<Record> {
        let record = OrderRecord { round, effect };
        self.is_settled = false;
        self.standing.note(&record);
        vec![Record::Order(record)]
    }

    /// The first round in which another epoch may begin.
    fn next_border(&self, round: Round) -> Round {
        let length = self.setup.descriptor.epoch_length();
        let decided = self
            .decided
            .map_or(round, |decided| decided.next().max(round));
        let first = decided.number();
        Round::new(first.next_multiple_of(length))
    }
}
