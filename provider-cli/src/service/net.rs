//! One net that is served: its state machine, and the order in which its changes become durable.
//!
//! Whoever holds the lock hands an input to the machine and, still under the lock, queues the
//! records for the committer. So the store sees a net's changes in the order in which the machine
//! made them, while the machine goes on. Every answer waits for the committer, those without
//! records, too: they may rest on records that are not durable yet. If a transaction fails, the
//! machine is ahead of the store: everything that its incarnation has queued is refused, and the
//! net's task builds a new one from what the store really has.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dcnet_protocol::codec::Wire;
use dcnet_protocol::envelope::Envelope;
use dcnet_protocol::message::SignedReceipt;
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::provider::{Handled, Input, Provider, Record, Refusal, Reply, Setup};
use dcnet_protocol::round::Round;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::committer::{Answer, Committer, Incarnation, Publish, Room, Work};
use super::inbox::{Board, CAPACITY};
use super::rosters::Rosters;
use super::signer::{self, Signer};
use super::{ServiceError, convert, log, now, orders};
use crate::monitoring::NetWatch;
use crate::store::{Batch, ForgetRow, Lease, OrderRow, Store};

/// Requests that may wait for one net.
const WAITING: usize = 8192;

/// The wall clock may be set: it is looked at again at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Between two attempts to rebuild the machine from a store that fails.
const RESTORE_AGAIN: Duration = Duration::from_millis(500);

/// Attempts to take the lock at once.
const SPINS: u32 = 8;

/// Attempts to take the lock before a task sleeps; in between it lets others run.
const YIELDS: u32 = 64;

/// Between two attempts after that.
const NAP: Duration = Duration::from_millis(1);

/// For so long a request waits for the machine to be restored.
const PATIENCE: Duration = Duration::from_secs(2);

/// A net that is served.
pub(super) struct Net {
    pub(super) descriptor: Bytes,
    pub(super) authority: [u8; 32],
    pub(super) inboxes: Arc<Board>,
    pub(super) rosters: Arc<Rosters>,
    id: NetId,
    setup: Setup,
    store: Store,
    committer: Committer,
    signer: Signer,
    machine: Mutex<Option<Machine>>,
    /// Changes whenever the machine has been restored.
    restored: watch::Sender<()>,
    /// Changes whenever the log has grown, or has lost its cosignatures with the machine.
    pub(super) log_changed: watch::Sender<()>,
    waiting: AtomicUsize,
    /// Under which it is served, where several servers share the store.
    lease: Option<Lease>,
    /// Set when this server does not serve the net any more: nobody has to wait for it.
    ended: watch::Sender<bool>,
    watch: Arc<NetWatch>,
}

/// The machine and what belongs to its incarnation.
pub(super) struct Machine {
    pub(super) provider: Provider,
    incarnation: Arc<Incarnation>,
    /// Last sequence number given in each inbox, durable or not.
    heads: HashMap<ClientId, u64>,
}

impl Net {
    pub(super) fn new(
        setup: Setup,
        descriptor: Bytes,
        store: Store,
        committer: Committer,
        lease: Option<Lease>,
        watch: Arc<NetWatch>,
    ) -> Self {
        Self {
            descriptor,
            authority: setup.anchor.fingerprint(),
            inboxes: Arc::default(),
            rosters: Arc::default(),
            id: setup.descriptor.net(),
            signer: signer::start(setup.descriptor.clone(), setup.key.clone()),
            setup,
            store,
            committer,
            machine: Mutex::new(None),
            restored: watch::Sender::new(()),
            log_changed: watch::Sender::new(()),
            waiting: AtomicUsize::new(0),
            lease,
            ended: watch::Sender::new(false),
            watch,
        }
    }

    /// Under which it is served.
    pub(super) fn lease(&self) -> Option<Lease> {
        self.lease
    }

    /// Ends its tasks and whatever waits for it.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Returns when this server does not serve the net any more.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    fn batch(&self) -> Batch {
        Batch {
            lease: self.lease,
            ..Batch::default()
        }
    }

    pub(super) fn id(&self) -> NetId {
        self.id
    }

    /// Takes a frame; the receipt is given when the frame is durable.
    pub(super) async fn frame(
        &self,
        from: ClientId,
        bytes: Vec<u8>,
    ) -> Result<SignedReceipt, ServiceError> {
        let receipt = self.input(Input::Frame { from, bytes }).await?;
        receipt.ok_or(ServiceError::StoreUnavailable)
    }

    /// Takes an envelope.
    pub(super) async fn envelope(
        &self,
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
        self.input(Input::Envelope { from, bytes }).await.map(drop)
    }

    /// The encoded list of members that a newcomer may draw.
    pub(super) async fn members(&self) -> Result<Vec<u8>, ServiceError> {
        self.ask(|machine, _| machine.provider.member_list().encode())
            .await
    }

    /// The encoded key package of a member.
    pub(super) async fn package(&self, member: ClientId) -> Result<Option<Vec<u8>>, ServiceError> {
        self.ask(|machine, _| machine.provider.package(&member).map(Wire::encode))
            .await
    }

    /// Deletes the messages up to `sequence`.
    pub(super) async fn forget(&self, client: ClientId, sequence: u64) -> Result<(), ServiceError> {
        let row = ForgetRow {
            net: self.id,
            client,
            sequence,
        };
        self.ask(|_, batch| batch.forgets.push(row)).await
    }

    /// Does what is due when it is due, and restores the machine when a transaction has failed;
    /// until it ends.
    pub(super) async fn run(self: Arc<Self>, incarnation: Arc<Incarnation>) {
        tokio::select! {
            () = self.work(incarnation) => {}
            () = self.ended() => {}
        }
    }

    async fn work(&self, mut incarnation: Arc<Incarnation>) {
        loop {
            let mut pause = Duration::ZERO;
            while timeout(pause, incarnation.failed()).await.is_err() {
                pause = self.tick().await;
            }
            incarnation = loop {
                match self.restore().await {
                    Some(incarnation) => break incarnation,
                    None => sleep(RESTORE_AGAIN).await,
                }
            };
        }
    }

    /// Does what is due; how long until something is due again.
    async fn tick(&self) -> Duration {
        let mut machine = self.lock().await;
        let Some(machine) = machine.as_mut() else {
            return Duration::ZERO;
        };
        let room = self.committer.room().await;
        let now = now();
        let Handled { records, .. } = machine.provider.handle(now, Input::Tick);
        if !records.is_empty() {
            let work = self.keep(machine, room, records);
            // Nobody waits for it; a failure shows in the incarnation.
            drop(self.committer.queue(work, Some(&machine.incarnation)));
        }
        let deadline = machine.provider.next_deadline(now);
        Duration::from_millis(deadline.millis_since(now)).min(LONGEST_SLEEP)
    }

    /// Hands an input to the machine; returns when its records are durable: with a receipt, if the
    /// input was a frame.
    async fn input(&self, input: Input) -> Result<Option<SignedReceipt>, ServiceError> {
        let _waiting = self.enter()?;
        match self.hand_in(input).await? {
            Queued::Receipt(answer) => answer.wait().await.map(Some),
            Queued::Other(answer, reply) => {
                answer.wait().await?;
                reply
                    .ok_or(ServiceError::StoreUnavailable)?
                    .map_err(ServiceError::from)
                    .map(|_| None)
            }
        }
    }

    async fn hand_in(&self, input: Input) -> Result<Queued, ServiceError> {
        let mut machine = self.alive().await?;
        let machine = machine.as_mut().ok_or(ServiceError::StoreUnavailable)?;
        let room = self.committer.room().await;
        let Handled { records, reply } = machine.provider.handle(now(), input);
        let work = self.keep(machine, room, records);
        let incarnation = Some(&machine.incarnation);
        Ok(match reply {
            Some(Ok(Reply::Receipt(receipt))) => Queued::Receipt(self.committer.queue_receipt(
                work,
                incarnation,
                &self.signer,
                receipt,
            )),
            reply => Queued::Other(self.committer.queue(work, incarnation), reply),
        })
    }

    /// Takes an order that waits in the store; returns when it is durable with its answer.
    pub(super) async fn take_order(&self, row: &OrderRow) -> Result<(), ServiceError> {
        let _waiting = self.enter()?;
        let durable = {
            let mut machine = self.alive().await?;
            let machine = machine.as_mut().ok_or(ServiceError::StoreUnavailable)?;
            let room = self.committer.room().await;
            let (records, answer) = orders::hand_in(machine, row);
            let mut work = self.keep(machine, room, records);
            work.batch_mut().orders.push(answer);
            self.committer.queue(work, Some(&machine.incarnation))
        };
        durable.wait().await
    }

    /// Looks at the machine; returns when everything that was seen is durable.
    pub(super) async fn ask<T>(
        &self,
        look: impl FnOnce(&Machine, &mut Batch) -> T,
    ) -> Result<T, ServiceError> {
        let _waiting = self.enter()?;
        let (seen, durable) = {
            let mut machine = self.alive().await?;
            let machine = machine.as_mut().ok_or(ServiceError::StoreUnavailable)?;
            let mut batch = self.batch();
            let seen = look(machine, &mut batch);
            (
                seen,
                self.committer.queue(batch, Some(&machine.incarnation)),
            )
        };
        durable.wait().await?;
        Ok(seen)
    }

    /// The machine, unless it is ahead of a store that failed. Waits for it to be restored, which
    /// takes some milliseconds if the store does not go on failing.
    pub(super) async fn alive(&self) -> Result<MutexGuard<'_, Option<Machine>>, ServiceError> {
        if let Some(machine) = self.try_alive().await {
            return Ok(machine);
        }
        let mut restored = self.restored.subscribe();
        if let Some(machine) = self.try_alive().await {
            return Ok(machine);
        }
        // In time or not: the machine says whether it is there.
        let _ = timeout(PATIENCE, restored.changed()).await;
        self.try_alive().await.ok_or(ServiceError::StoreUnavailable)
    }

    async fn try_alive(&self) -> Option<MutexGuard<'_, Option<Machine>>> {
        let machine = self.lock().await;
        let alive = machine
            .as_ref()
            .is_some_and(|machine| !machine.incarnation.has_failed());
        alive.then_some(machine)
    }

    /// The lock. It is held for a microsecond or two as a rule. Queueing for it would hand it to a
    /// task that has to be woken up first, while everybody else queues up behind: so nobody queues.
    /// The end of a large round takes its time; that is slept over.
    async fn lock(&self) -> MutexGuard<'_, Option<Machine>> {
        let mut attempts = 0;
        loop {
            if let Ok(machine) = self.machine.try_lock() {
                return machine;
            }
            attempts += 1;
            match attempts {
                ..SPINS => std::hint::spin_loop(),
                SPINS..YIELDS => yield_now().await,
                YIELDS.. => sleep(NAP).await,
            }
        }
    }

    fn enter(&self) -> Result<Waiting<'_>, ServiceError> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING {
            Ok(waiting)
        } else {
            Err(ServiceError::Overloaded)
        }
    }

    /// Records as rows, and what their deliveries do to inboxes once they are durable.
    fn keep(&self, machine: &mut Machine, room: Room, records: Vec<Record>) -> Work {
        let mut batch = self.batch();
        let mut seen = self.watch.look();
        for record in records {
            if let Record::Log(_) = record {
                self.log_changed.send_replace(());
            }
            log::record(self.id, &record);
            seen.add(&record);
            convert::add(&mut batch, self.id, record, |to| {
                let last = machine.heads.entry(to).or_default();
                *last += 1;
                *last
            });
        }
        let is_shown =
            !(batch.deliveries.is_empty() && batch.rosters.is_empty() && seen.is_empty());
        let publish = is_shown.then(|| Publish {
            inboxes: Arc::clone(&self.inboxes),
            heads: batch
                .deliveries
                .iter()
                .map(|row| (row.client, row.sequence))
                .collect(),
            shown: Arc::clone(&self.rosters),
            rosters: batch
                .rosters
                .iter()
                .map(|row| (Round::new(row.round), row.step, row.roster.clone().into()))
                .collect(),
            seen,
        });
        Work::new(batch, publish, room)
    }

    /// Builds a machine from the store.
    pub(super) async fn restore(&self) -> Option<Arc<Incarnation>> {
        let net = self.id;
        let restored = match self.store.restore(net).await {
            Ok(restored) => restored,
            Err(error) => {
                self.watch.restore_failed();
                tracing::error!(%net, %error, "cannot restore the net");
                return None;
            }
        };
        let snapshot = convert::snapshot(&restored)
            .map_err(|error| tracing::error!(%net, %error, "cannot restore the net"))
            .ok()?;
        let (members, frames) = (snapshot.members.len(), snapshot.frames.len());
        let provider = Provider::restore(self.setup.clone(), snapshot)
            .map_err(|error| tracing::error!(%net, %error, "cannot restore the net"))
            .ok()?;
        self.watch.restored(&provider);
        self.inboxes.restore(&restored.inbox_heads);
        let rosters = restored.rosters.iter();
        self.rosters.restore(
            rosters.map(|row| (Round::new(row.round), row.step, row.roster.clone().into())),
        );
        let heads = restored
            .inbox_heads
            .iter()
            .map(|head| (head.client, head.last))
            .collect();
        let incarnation = Arc::new(Incarnation::default());
        let machine = Machine {
            provider,
            incarnation: Arc::clone(&incarnation),
            heads,
        };
        *self.lock().await = Some(machine);
        self.restored.send_replace(());
        self.log_changed.send_replace(());
        tracing::info!(%net, members, frames, "net restored from the store");
        Some(incarnation)
    }
}

/// What a request waits for.
enum Queued {
    Receipt(Answer<SignedReceipt>),
    Other(Answer<()>, Option<Result<Reply, Refusal>>),
}

/// A request that waits for the net.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
