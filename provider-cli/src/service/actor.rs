//! One task per net: it alone holds the net's state machine.
//!
//! It drains its mailbox, hands everything to the machine, writes the records of the whole turn in
//! one transaction, and answers only then. If the transaction fails the machine is ahead of the
//! store: it is dropped and rebuilt from what the store really has.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dcnet_protocol::codec::Wire;
use dcnet_protocol::envelope::Envelope;
use dcnet_protocol::message::Receipt;
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::provider::{Handled, Input, Provider, Record, Reply, Setup};
use dcnet_protocol::round::UnixTime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::committer::Committer;
use super::inbox::{Board, CAPACITY};
use super::{ServiceError, convert, now};
use crate::store::{Batch, ForgetRow, Store};

/// Mails that may wait for one net.
pub(super) const MAILBOX: usize = 8192;

/// Mails in one turn at most.
const TURN: usize = 1024;

/// The wall clock may be set: it is looked at again at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Between two attempts to rebuild the machine from a store that fails.
const RESTORE_AGAIN: Duration = Duration::from_millis(500);

type Answer<T> = oneshot::Sender<Result<T, ServiceError>>;

/// What the task of a net is asked.
pub(super) enum Mail {
    Frame {
        from: ClientId,
        bytes: Vec<u8>,
        reply: Answer<Receipt>,
    },
    Envelope {
        from: ClientId,
        bytes: Vec<u8>,
        reply: Answer<()>,
    },
    Members {
        reply: Answer<Vec<u8>>,
    },
    Package {
        member: ClientId,
        reply: Answer<Option<Vec<u8>>>,
    },
    /// Delete the messages up to `sequence`; nobody waits for it.
    Forget {
        client: ClientId,
        sequence: u64,
    },
}

/// An answer that waits for its records to be durable.
enum Pending {
    Receipt(Answer<Receipt>, Result<Receipt, ServiceError>),
    Done(Answer<()>, Result<(), ServiceError>),
    Bytes(Answer<Vec<u8>>, Vec<u8>),
    Package(Answer<Option<Vec<u8>>>, Option<Vec<u8>>),
}

impl Pending {
    /// Gives the answer; whoever asked may have gone.
    fn give(self) {
        match self {
            Self::Receipt(reply, answer) => drop(reply.send(answer)),
            Self::Done(reply, answer) => drop(reply.send(answer)),
            Self::Bytes(reply, answer) => drop(reply.send(Ok(answer))),
            Self::Package(reply, answer) => drop(reply.send(Ok(answer))),
        }
    }

    fn fail(self, error: ServiceError) {
        match self {
            Self::Receipt(reply, _) => drop(reply.send(Err(error))),
            Self::Done(reply, _) => drop(reply.send(Err(error))),
            Self::Bytes(reply, _) => drop(reply.send(Err(error))),
            Self::Package(reply, _) => drop(reply.send(Err(error))),
        }
    }
}

/// The task's state.
pub(super) struct Actor {
    net: NetId,
    setup: Setup,
    store: Store,
    committer: Committer,
    inboxes: Arc<Board>,
    mails: mpsc::Receiver<Mail>,
}

/// What one turn has gathered.
#[derive(Default)]
struct Turn {
    batch: Batch,
    pending: Vec<Pending>,
    /// Inboxes with new messages and their new last sequence numbers.
    heads: HashMap<ClientId, u64>,
}

impl Actor {
    pub(super) fn new(
        setup: Setup,
        store: Store,
        committer: Committer,
        inboxes: Arc<Board>,
        mails: mpsc::Receiver<Mail>,
    ) -> Self {
        Self {
            net: setup.descriptor.net(),
            setup,
            store,
            committer,
            inboxes,
            mails,
        }
    }

    /// Runs until nobody can send mails any more.
    pub(super) async fn run(mut self) {
        let mut mails = Vec::new();
        while !self.mails.is_closed() || !self.mails.is_empty() {
            let Some(mut machine) = self.restore().await else {
                if !self.refuse_for(RESTORE_AGAIN).await {
                    return;
                }
                continue;
            };
            let mut deadline = UnixTime::from_millis(0);
            // Until a transaction fails.
            loop {
                let due = Duration::from_millis(deadline.millis_since(now()));
                let received = self.mails.recv_many(&mut mails, TURN);
                if let Ok(0) = timeout(due.min(LONGEST_SLEEP), received).await {
                    return;
                }
                let now = now();
                if mails.is_empty() && now < deadline {
                    continue;
                }
                let turn = self.turn(&mut machine, now, &mut mails);
                deadline = machine.next_deadline(now);
                if !self.finish(turn).await {
                    break;
                }
            }
        }
    }

    /// Rebuilds the machine from the store.
    async fn restore(&self) -> Option<Provider> {
        let net = self.net;
        let restored = match self.store.restore(net).await {
            Ok(restored) => restored,
            Err(error) => {
                tracing::error!(%net, %error, "cannot restore the net");
                return None;
            }
        };
        let snapshot = convert::snapshot(&restored)
            .map_err(|error| tracing::error!(%net, %error, "cannot restore the net"))
            .ok()?;
        self.inboxes.restore(&restored.inbox_heads);
        let (members, frames) = (snapshot.members.len(), snapshot.frames.len());
        let machine = Provider::restore(self.setup.clone(), snapshot)
            .map_err(|error| tracing::error!(%net, %error, "cannot restore the net"))
            .ok()?;
        tracing::info!(%net, members, frames, "net restored from the store");
        Some(machine)
    }

    /// Refuses whatever comes in for a while. `false`: nobody can send mails any more.
    async fn refuse_for(&mut self, pause: Duration) -> bool {
        let until = tokio::time::Instant::now() + pause;
        loop {
            match tokio::time::timeout_at(until, self.mails.recv()).await {
                Ok(Some(mail)) => refuse(mail),
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    fn turn(&self, machine: &mut Provider, now: UnixTime, mails: &mut Vec<Mail>) -> Turn {
        let mut turn = Turn::default();
        if mails.is_empty() {
            let Handled { records, .. } = machine.handle(now, Input::Tick);
            self.keep(&mut turn, records);
        }
        for mail in mails.drain(..) {
            match mail {
                Mail::Frame { from, bytes, reply } => {
                    let answer = self.hand(&mut turn, machine, now, Input::Frame { from, bytes });
                    let answer = answer.and_then(|reply| match reply {
                        Reply::Receipt(receipt) => Ok(receipt),
                        Reply::Relayed => Err(ServiceError::StoreUnavailable),
                    });
                    turn.pending.push(Pending::Receipt(reply, answer));
                }
                Mail::Envelope { from, bytes, reply } => {
                    let answer = self.envelope(&mut turn, machine, now, from, bytes);
                    turn.pending.push(Pending::Done(reply, answer));
                }
                Mail::Members { reply } => {
                    turn.pending
                        .push(Pending::Bytes(reply, machine.member_list().encode()));
                }
                Mail::Package { member, reply } => {
                    let package = machine.package(&member).map(Wire::encode);
                    turn.pending.push(Pending::Package(reply, package));
                }
                Mail::Forget { client, sequence } => {
                    turn.batch.forgets.push(ForgetRow {
                        net: self.net,
                        client,
                        sequence,
                    });
                }
            }
        }
        turn
    }

    fn envelope(
        &self,
        turn: &mut Turn,
        machine: &mut Provider,
        now: UnixTime,
        from: ClientId,
        bytes: Vec<u8>,
    ) -> Result<(), ServiceError> {
        // What does not decode is refused by the machine.
        if let Ok(envelope) = Envelope::decode(&bytes) {
            let to = envelope.header().to;
            let held = self.inboxes.held(to);
            if held >= CAPACITY {
                return Err(ServiceError::InboxFull { to, held });
            }
        }
        self.hand(turn, machine, now, Input::Envelope { from, bytes })
            .map(drop)
    }

    fn hand(
        &self,
        turn: &mut Turn,
        machine: &mut Provider,
        now: UnixTime,
        input: Input,
    ) -> Result<Reply, ServiceError> {
        let Handled { records, reply } = machine.handle(now, input);
        self.keep(turn, records);
        match reply {
            Some(reply) => reply.map_err(ServiceError::from),
            None => Err(ServiceError::StoreUnavailable),
        }
    }

    fn keep(&self, turn: &mut Turn, records: Vec<Record>) {
        for record in records {
            log(self.net, &record);
            convert::add(&mut turn.batch, self.net, record, |to| {
                let last = turn
                    .heads
                    .entry(to)
                    .or_insert_with(|| self.inboxes.last(to));
                *last += 1;
                *last
            });
        }
    }

    /// Makes the turn durable and answers. `false`: the machine is ahead of the store.
    async fn finish(&self, turn: Turn) -> bool {
        let Turn {
            batch,
            pending,
            heads,
        } = turn;
        if !batch.is_empty() && self.committer.commit(batch).await.is_err() {
            for pending in pending {
                pending.fail(ServiceError::StoreUnavailable);
            }
            return false;
        }
        for (client, last) in heads {
            self.inboxes.publish(client, last);
        }
        pending.into_iter().for_each(Pending::give);
        true
    }
}

fn refuse(mail: Mail) {
    let error = ServiceError::StoreUnavailable;
    match mail {
        Mail::Frame { reply, .. } => drop(reply.send(Err(error))),
        Mail::Envelope { reply, .. } => drop(reply.send(Err(error))),
        Mail::Members { reply } => drop(reply.send(Err(error))),
        Mail::Package { reply, .. } => drop(reply.send(Err(error))),
        Mail::Forget { .. } => {}
    }
}

/// One line per change that a person may ask about; never contents.
fn log(net: NetId, record: &Record) {
    match record {
        Record::Member(member) => {
            tracing::info!(%net, client = %member.client, status = %member.status, "member");
        }
        Record::Epoch(epoch) => {
            let (epoch, first, members) = (epoch.epoch, epoch.first_round, epoch.members.len());
            tracing::info!(%net, %epoch, first_round = %first, members, "epoch");
        }
        Record::CorrectionOpened(correction) => {
            let (round, missing) = (correction.round, correction.missing.len());
            tracing::info!(%net, %round, missing, asked = correction.asked.len(), "correction");
        }
        Record::Outcome(outcome) => {
            let (round, status) = (outcome.round, outcome.status.as_str());
            let contributors = outcome.contributors.len();
            tracing::info!(%net, %round, status, contributors, "round is final");
        }
        Record::Frame(_) | Record::Resent(_) | Record::Deliver { .. } => {}
    }
}
