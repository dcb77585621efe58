//! Group commit: one task writes for all nets, everything that waits in one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dcnet_protocol::message::{Receipt, SignedReceipt};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;
use tokio::sync::{Notify, mpsc, oneshot};
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
pub(super) struct Committer(mpsc::UnboundedSender<Job>);

struct Job {
    batch: Batch,
    publish: Option<Publish>,
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
    /// Queues a batch behind everything queued before; the answer comes when it is durable. The
    /// batch is written whether or not anybody waits for the answer.
    ///
    /// The queue has no limit of its own: the number of requests that wait is limited per net.
    pub(super) fn queue(
        &self,
        batch: Batch,
        publish: Option<Publish>,
        incarnation: Option<&Arc<Incarnation>>,
    ) -> Answer<()> {
        let (done, answer) = oneshot::channel();
        self.send(batch, publish, incarnation, Done::Asker(done));
        Answer(answer)
    }

    /// As [`Committer::queue`]; the answer is `receipt`, which `signer` signs when the batch is
    /// durable.
    pub(super) fn queue_receipt(
        &self,
        batch: Batch,
        publish: Option<Publish>,
        incarnation: Option<&Arc<Incarnation>>,
        signer: &Signer,
        receipt: Receipt,
    ) -> Answer<SignedReceipt> {
        let (done, answer) = oneshot::channel();
        let done = Done::Receipt(signer.clone(), Pending { receipt, done });
        self.send(batch, publish, incarnation, done);
        Answer(answer)
    }

    fn send(
        &self,
        batch: Batch,
        publish: Option<Publish>,
        incarnation: Option<&Arc<Incarnation>>,
        done: Done,
    ) {
        // If the task is gone, the job is dropped here, and its answer is that of a server that stops.
        let _ = self.0.send(Job {
            batch,
            publish,
            incarnation: incarnation.cloned(),
            done,
        });
    }
}

/// Starts the task; it ends when the last [`Committer`] is dropped.
pub(super) fn start(writer: Writer, commits: Commits) -> (Committer, JoinHandle<()>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Committer(sender),
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
            if lies > 0 && !job.is_orphan() && !job.batch.is_empty() {
                lies -= 1;
                writer.commit(&[&job.batch]).await.unwrap();
                answer(job, Err(&StoreError::Range(0)), &mut Given::default());
            } else {
                commit(&mut writer, &mut vec![job], &Commits::default()).await;
            }
        }
    });
    Committer(sender)
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
        if group.iter().any(|job| !job.batch.outcomes.is_empty()) {
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
        .filter(|job| !job.is_orphan() && !job.batch.is_empty())
        .map(|job| &job.batch)
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
        } else if job.batch.is_empty() {
            answer(job, Ok(()), &mut given);
        } else {
            match &together {
                Ok(()) => answer(job, Ok(()), &mut given),
                Err(error) if single => answer(job, Err(error), &mut given),
                Err(_) => {
                    let alone = commits.measure(1, writer.commit(&[&job.batch])).await;
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
            if let Some(publish) = job.publish {
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
