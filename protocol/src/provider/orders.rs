//! Orders of the operator: who is barred from the net, its closing, a reminder.
//!
//! Section 7.21 of `docs/spec/protocol.md`. A round whose epoch is fixed is never touched by an order:
//! the pads of its members cancel only if all of them are in it.

use std::collections::BTreeMap;

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::{Provider, Record, Refusal};
use crate::membership::MemberStatus;
use crate::names::{ClientId, ClientSet};
use crate::round::{Round, UnixTime};

/// Rounds within which a tenth of the members are suspended at most: a day of quarter-hours.
const SPAN: u64 = 96;
/// One in so many members.
const SHARE: usize = 10;

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Takes part in no epoch that is not fixed yet, until it is resumed.
    Suspend(ClientId),
    /// May take part again.
    Resume(ClientId),
    /// The net ends with the rounds whose epoch is fixed, for good.
    Close,
    /// The request to resend goes once more to those who have not answered it.
    Remind(Round),
}

/// What an order that was taken brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderTaken {
    /// Barred.
    Suspended {
        /// Who.
        client: ClientId,
        /// It is in no epoch from this round on; earlier than that it is where it was.
        from: Round,
        /// Members of the next epoch as things stand.
        left: usize,
    },
    /// Not barred any more: it comes back when it states its neighbourhood again.
    Resumed {
        /// Who.
        client: ClientId,
    },
    /// No epoch has members from this round on.
    Closing {
        /// The first round that is not held any more.
        from: Round,
    },
    /// The request was put into inboxes again.
    Reminded {
        /// The round.
        round: Round,
        /// Whose inboxes.
        clients: ClientSet,
    },
}

/// Why an order was not taken. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// Nobody of that name.
    #[error("{client} is no member of this net and never was")]
    UnknownMember {
        /// Who.
        client: ClientId,
    },
    /// It has left by itself.
    #[error("{client} has left this net by itself")]
    Exited {
        /// Who.
        client: ClientId,
    },
    /// Twice.
    #[error("{client} is suspended by an operator already, since round {since}")]
    AlreadyBarred {
        /// Who.
        client: ClientId,
        /// The round being metered when that was taken.
        since: Round,
    },
    /// Nothing to lift. One that was absent needs no order to come back.
    #[error("{client} is not suspended by an operator; who was only absent comes back by itself")]
    NotBarred {
        /// Who.
        client: ClientId,
    },
    /// The net would stand still.
    #[error(
        "without {client} the net has no epoch with {min_size} members that hold together any more: \
         close the net instead, if it is to end"
    )]
    NoEpochLeft {
        /// Who.
        client: ClientId,
        /// Fewest members of an epoch.
        min_size: usize,
    },
    /// So fast nobody is to be left alone among others.
    #[error(
        "{taken} of {members} members were suspended within {span} rounds, more are not taken before \
         round {next}: a net shrinks slowly, so that its members can see it"
    )]
    TooMany {
        /// Suspended within that time, resumed or not.
        taken: usize,
        /// Members of the epoch in force.
        members: usize,
        /// Length of that time in rounds.
        span: u64,
        /// When it may be asked for again.
        next: Round,
    },
    /// It is over.
    #[error("the net is closed since round {since}, and stays closed")]
    Closed {
        /// The round being metered when that was taken.
        since: Round,
    },
    /// Nobody is asked to resend.
    #[error(
        "no correction is open for round {round}: everybody was there, or the round is over, or not yet"
    )]
    NoCorrection {
        /// The round.
        round: Round,
    },
    /// The correction window has closed.
    #[error("the correction window of round {round} is over; what is answered later is refused")]
    WindowOver {
        /// The round.
        round: Round,
    },
    /// In a net with double masks nothing lies in inboxes.
    #[error(
        "gateways of this net ask for the rosters of round {round} themselves until they have answered: \
         there is no message that could be sent again"
    )]
    AskedFor {
        /// The round.
        round: Round,
    },
}

impl OrderRefusal {
    /// Stable name for programs.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::UnknownMember { .. } => "unknown-member",
            Self::Exited { .. } => "exited",
            Self::AlreadyBarred { .. } => "already-suspended",
            Self::NotBarred { .. } => "not-suspended",
            Self::NoEpochLeft { .. } => "no-epoch-left",
            Self::TooMany { .. } => "too-many-suspensions",
            Self::Closed { .. } => "net-closed",
            Self::NoCorrection { .. } => "no-correction",
            Self::WindowOver { .. } => "window-over",
            Self::AskedFor { .. } => "asked-for",
        }
    }
}

/// An order that changes who may take part, to be given back to [`Provider::restore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct OrderRecord {
    /// The round being metered when it was taken.
    pub round: Round,
    /// What it changes.
    pub effect: OrderEffect,
}

/// What an order changes for good, or until the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum OrderEffect {
    /// The member is barred.
    #[tls_codec(discriminant = 1)]
    Barred(ClientId),
    /// It is not any more.
    #[tls_codec(discriminant = 2)]
    Lifted(ClientId),
    /// The net is closed.
    #[tls_codec(discriminant = 3)]
    Closed,
}

/// The answer to an order.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// To be made durable, in this order, in one transaction with the answer.
    pub records: Vec<Record>,
    /// What the operator is told.
    pub answer: Result<OrderTaken, OrderRefusal>,
}

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
        orders.iter().for_each(|order| standing.note(order));
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
        let from = self.first_undecided(round);
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
        self.standing.note(&record);
        vec![Record::Order(record)]
    }

    /// The first round whose epoch is not fixed, as things stand in `round`.
    fn first_undecided(&self, round: Round) -> Round {
        self.decided
            .map_or(round, |decided| decided.next().max(round))
    }

    /// The first round in which another epoch may begin.
    fn next_border(&self, round: Round) -> Round {
        let length = self.setup.descriptor.epoch_length();
        let first = self.first_undecided(round).number();
        Round::new(first.next_multiple_of(length))
    }
}
