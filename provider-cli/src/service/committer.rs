//! Group commit: one task writes for all nets, everything that waits in one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dcnet_protocol::message::{Receipt, SignedReceipt};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::ServiceError;
use super::inbox::Board;
use super::rosters::Rosters;
use super::signer::{Given, Pending, Signer};
use crate::monitoring::{Commits, Seen};
use crate::store::{Batch, StoreError, Writer};

/// Jobs in one transaction at most.
const GROUP: usize = 4096;

/// Epochs that wait to be written at most. When many nets begin one at the same border, each comes with
/// its key graph and a manifest for every member: megabytes for a net of a thousand.
const EPOCHS: usize = 8;

/// So long after a round became final its frames leave the write-ahead log, too: rounds of many
/// nets end at the same time and share a sweep.
const SWEEP_AFTER: Duration = Duration::from_millis(500);

/// The life of a state machine between two restorations. Once one of its batches has failed, all
/// later ones rest on what is not in the store, and fail as well.
#[derive(Debug, Default)]
pub(super) struct Incarnation {
    failed: AtomicBool,
    wake: Notify,
}

impl Incarnation {
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Returns when a batch has failed. All earlier batches are in the store then, and no later
    /// one will be.
    pub(super) async fn failed(&self) {
        self.wake.notified().await;
    }

    fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// What the deliveries and rosters of a batch do once they are durable.
pub(super) struct Publish {
    pub(super) inboxes: Arc<Board>,
    /// Addressees and sequence numbers, ascending per addressee.
    pub(super) heads: Vec<(ClientId, u64)>,
    pub(super) shown: Arc<Rosters>,
    /// Round, step and encoding of each, ascending.
    pub(super) rosters: Vec<(Round, u8, Bytes)>,
    /// What monitoring is to count.
    pub(super) seen: Seen,
}

impl Publish {
    fn carry_out(self) {
        for (client, last) in self.heads {
            self.inboxes.publish(client, last);
        }
        for (round, step, roster) in self.rosters {
            self.shown.publish(round, step, roster);
        }
        self.seen.count();
    }
}

/// A way to the task that commits; cheap to clone.
#[derive(Clone)]
pub(super) struct Committer {
    jobs: mpsc::UnboundedSender<Job>,
    rooms: Arc<Semaphore>,
}

/// Leave to queue an epoch, until it is durable.
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

/// What is to be written, and what follows.
pub(super) struct Work {
    batch: Batch,
    publish: Option<Publish>,
    /// Kept for an epoch, which is large.
    _room: Option<Room>,
}

impl Work {
    pub(super) fn new(batch: Batch, publish: Option<Publish>, room: Room) -> Self {
        let is_large = !batch.epochs.is_empty();
        Self {
            batch,
            publish,
            _room: is_large.then_some(room),
        }
    }

    pub(super) fn batch_mut(&mut self) -> &mut Batch {
        &mut self.batch
    }
}

impl From<Batch> for Work {
    /// Without an epoch.
    fn from(batch: Batch) -> Self {
        Self {
            batch,
            publish: None,
            _room: None,
        }
    }
}

struct Job {
    work: Work,
    /// Whose failure fails this job, and the other way round.
    incarnation: Option<Arc<Incarnation>>,
    done: Done,
}

/// Who is told that a batch is durable.
enum Done {
    /// Whoever asked.
    Asker(oneshot::Sender<Result<(), ServiceError>>),
    /// Whoever asked, by way of the net's signer.
    Receipt(Signer, Pending),
}

impl Done {
    /// Whoever asked may have gone; the batch is as durable without it.
    fn tell(self, result: Result<(), ServiceError>, given: &mut Given) {
        match (self, result) {
            (Self::Asker(asker), result) => drop(asker.send(result)),
            (Self::Receipt(signer, pending), Ok(())) => given.add(signer, pending),
            (Self::Receipt(_, pending), Err(error)) => drop(pending.done.send(Err(error))),
        }
    }
}

/// An answer that comes when a batch is durable.
pub(super) struct Answer<T>(oneshot::Receiver<Result<T, ServiceError>>);

impl<T> Answer<T> {
    pub(super) async fn wait(self) -> Result<T, ServiceError> {
        self.0.await.unwrap_or(Err(ServiceError::ShuttingDown))
    }
}

impl Job {
    fn is_orphan(&self) -> bool {
        self.incarnation
            .as_ref()
            .is_some_and(|incarnation| incarnation.has_failed())
    }
}

impl Committer {
    fn new(jobs: mpsc::UnboundedSender<Job>) -> Self {
        let rooms = Arc::new(Semaphore::new(EPOCHS));
        Self { jobs, rooms }
    }

    /// Returns when an epoch may be made and queued. Whoever waits may hold its net: those who are
    /// waited for are in the queue, and need nothing of any net.
    pub(super) async fn room(&self) -> Room {
        // It is never closed.
        let permit = Arc::clone(&self.rooms).acquire_owned().await.ok();
        Room { _permit: permit }
    }

    /// Queues work behind everything queued before; the answer comes when it is durable. It is
    /// written whether or not anybody waits for the answer.
    ///
    /// The queue has no limit of its own: the number of requests that wait is limited per net, and
    /// that of epochs by [`Committer::room`].
    pub(super) fn queue(
        &self,
        work: impl Into<Work>,
        incarnation: Option<&Arc<Incarnation>>,
    ) -> Answer<()> {
        let (done, answer) = oneshot::channel();
        self.send(work.into(), incarnation, Done::Asker(done));
        Answer(answer)
    }

    /// As [`Committer::queue`]; the answer is `receipt`, which `signer` signs when the work is
    /// durable.
    pub(super) fn queue_receipt(
        &self,
        work: Work,
        incarnation: Option<&Arc<Incarnation>>,
        signer: &Signer,
        receipt: Receipt,
    ) -> Answer<SignedReceipt> {
        let (done, answer) = oneshot::channel();
        let done = Done::Receipt(signer.clone(), Pending { receipt, done });
        self.send(work, incarnation, done);
        Answer(answer)
    }

    fn send(&self, work: Work, incarnation: Option<&Arc<Incarnation>>, done: Done) {
        // If the task is gone, the job is dropped here, and its answer is that of a server that stops.
        let _ = self.jobs.send(Job {
            work,
            incarnation: incarnation.cloned(),
            done,
        });
    }
}

/// Starts the task; it ends when the last [`Committer`] is dropped.
pub(super) fn start(writer: Writer, commits: Commits) -> (Committer, JoinHandle<()>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Committer::new(sender),
        tokio::spawn(run(writer, receiver, commits)),
    )
}

/// A committer with a fault that storage has: the first `lies` batches reach the disk, and are
/// reported as failed.
#[cfg(test)]
pub(super) fn start_lying(mut writer: Writer, mut lies: u32) -> Committer {
    let (sender, mut jobs) = mpsc::unbounded_channel::<Job>();
    tokio::spawn(async move {
        while let Some(job) = jobs.recv().await {
            if lies > 0 && !job.is_orphan() && !job.work.batch.is_empty() {
                lies -= 1;
                writer.commit(&[&job.work.batch]).await.unwrap();
                answer(job, Err(&StoreError::Range(0)), &mut Given::default());
            } else {
                commit(&mut writer, &mut vec![job], &Commits::default()).await;
            }
        }
    });
    Committer::new(sender)
}

async fn run(mut writer: Writer, mut jobs: mpsc::UnboundedReceiver<Job>, commits: Commits) {
    // A server that was killed may have left frames of final rounds in the write-ahead log.
    let mut due = sweep(&mut writer).await;
    let mut group = Vec::new();
    loop {
        let received = jobs.recv_many(&mut group, GROUP);
        let received = match due {
            Some(due) => timeout_at(due, received).await.unwrap_or(usize::MAX),
            None => received.await,
        };
        if received == 0 {
            break;
        }
        if group.iter().any(|job| !job.work.batch.outcomes.is_empty()) {
            due = due.or_else(|| Some(Instant::now() + SWEEP_AFTER));
        }
        commit(&mut writer, &mut group, &commits).await;
        if due.is_some_and(|due| due <= Instant::now()) {
            due = sweep(&mut writer).await;
        }
    }
    sweep(&mut writer).await;
    writer.close().await;
}

/// Commits all jobs together, or, if that fails, each for itself: one net's fault is not another's.
async fn commit(writer: &mut Writer, group: &mut Vec<Job>, commits: &Commits) {
    let batches: Vec<&Batch> = group
        .iter()
        .filter(|job| !job.is_orphan() && !job.work.batch.is_empty())
        .map(|job| &job.work.batch)
        .collect();
    let together = if batches.is_empty() {
        Ok(())
    } else {
        commits
            .measure(batches.len(), writer.commit(&batches))
            .await
    };
    let single = batches.len() == 1;
    let mut given = Given::default();
    for job in group.drain(..) {
        if job.is_orphan() {
            let refused = Err(ServiceError::StoreUnavailable);
            job.done.tell(refused, &mut given);
        } else if job.work.batch.is_empty() {
            answer(job, Ok(()), &mut given);
        } else {
            match &together {
                Ok(()) => answer(job, Ok(()), &mut given),
                Err(error) if single => answer(job, Err(error), &mut given),
                Err(_) => {
                    let alone = commits.measure(1, writer.commit(&[&job.work.batch])).await;
                    answer(job, alone.as_ref().copied(), &mut given);
                }
            }
        }
    }
    given.hand_over();
}

fn answer(job: Job, result: Result<(), &StoreError>, given: &mut Given) {
    match result {
        Ok(()) => {
            if let Some(publish) = job.work.publish {
                publish.carry_out();
            }
        }
        Err(error) => {
            tracing::error!(%error, "nothing of this transaction is acknowledged");
            if let Some(incarnation) = &job.incarnation {
                incarnation.fail();
            }
        }
    }
    let told = result.map_err(|_| ServiceError::StoreUnavailable);
    job.done.tell(told, given);
}

/// Empties the write-ahead log; when to try again if that did not work.
async fn sweep(writer: &mut Writer) -> Option<Instant> {
    let swept = writer.sweep().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "frames of final rounds may still be in the write-ahead log");
        false
    });
    (!swept).then(|| Instant::now() + SWEEP_AFTER)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use crate::store::{EpochRow, NetRow, Store};

    async fn is_full(committer: &Committer) -> bool {
        let mut room = pin!(committer.room());
        poll_fn(|context| Poll::Ready(room.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn epochs_wait_for_room_until_others_are_durable() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("store").into();
        let store = Store::create_or_open(&location).await.unwrap();
        let mut writer = store.writer().await.unwrap();
        let net = "elbe-4".parse().unwrap();
        let row = NetRow {
            net,
            descriptor: Vec::new(),
            authority: Vec::new(),
            created: 0,
        };
        writer.insert_net(&row, None).await.unwrap();
        let (committer, _) = start(writer, Commits::default());
        let mut rooms = Vec::new();
        for _ in 0..EPOCHS {
            rooms.push(committer.room().await);
        }
        assert!(is_full(&committer).await);

        // Anything else gives its room back before it is written.
        let small = Work::new(Batch::default(), None, rooms.pop().unwrap());
        assert!(!is_full(&committer).await);
        committer.queue(small, None).wait().await.unwrap();
        rooms.push(committer.room().await);

        let mut batch = Batch::default();
        batch.epochs.push(EpochRow {
            net,
            epoch: 1,
            first_round: 1,
            record: vec![1],
        });
        let epoch = Work::new(batch, None, rooms.pop().unwrap());
        assert!(is_full(&committer).await);
        committer.queue(epoch, None).wait().await.unwrap();
        let room = tokio::time::timeout(Duration::from_secs(30), committer.room());
        assert!(room.await.is_ok());
    }
}
