//! Group commit: one task writes for all nets, everything that waits in one transaction.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::store::{Batch, StoreError, Writer};

/// Jobs in one transaction at most.
const GROUP: usize = 4096;

/// Jobs that may wait.
const QUEUE: usize = 8192;

/// So long after a round became final its frames leave the write-ahead log, too: rounds of many
/// nets end at the same time and share a sweep.
const SWEEP_AFTER: Duration = Duration::from_millis(500);

/// The store did not take a batch, or may not have: look into it before going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store failed to commit")]
pub(super) struct NotCommitted;

/// A way to the task that commits; cheap to clone.
#[derive(Clone)]
pub(super) struct Committer(mpsc::Sender<Job>);

struct Job {
    batch: Batch,
    done: oneshot::Sender<Result<(), NotCommitted>>,
}

impl Committer {
    /// Writes `batch` in one transaction, possibly together with others'. Durable on `Ok`.
    pub(super) async fn commit(&self, batch: Batch) -> Result<(), NotCommitted> {
        let (done, answer) = oneshot::channel();
        self.0
            .send(Job { batch, done })
            .await
            .map_err(|_| NotCommitted)?;
        answer.await.unwrap_or(Err(NotCommitted))
    }
}

/// Starts the task; it ends when the last [`Committer`] is dropped.
pub(super) fn start(writer: Writer) -> (Committer, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Committer(sender), tokio::spawn(run(writer, receiver)))
}

async fn run(mut writer: Writer, mut jobs: mpsc::Receiver<Job>) {
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
        commit(&mut writer, &mut group).await;
        if due.is_some_and(|due| due <= Instant::now()) {
            due = sweep(&mut writer).await;
        }
    }
    sweep(&mut writer).await;
    writer.close().await;
}

/// Commits all jobs together, or, if that fails, each for itself: one net's fault is not another's.
async fn commit(writer: &mut Writer, group: &mut Vec<Job>) {
    let batches: Vec<&Batch> = group.iter().map(|job| &job.batch).collect();
    let together = writer.commit(&batches).await;
    match together {
        Ok(()) => group.drain(..).for_each(|job| answer(job, Ok(()))),
        Err(error) if group.len() == 1 => group.drain(..).for_each(|job| answer(job, Err(&error))),
        Err(_) => {
            for job in group.drain(..) {
                let alone = writer.commit(&[&job.batch]).await;
                answer(job, alone.as_ref().copied());
            }
        }
    }
}

fn answer(job: Job, result: Result<(), &StoreError>) {
    if let Err(error) = result {
        tracing::error!(%error, "nothing of this transaction is acknowledged");
    }
    // Whoever asked may have gone; the batch is as durable without it.
    let _ = job.done.send(result.map_err(|_| NotCommitted));
}

/// Empties the write-ahead log; when to try again if that did not work.
async fn sweep(writer: &mut Writer) -> Option<Instant> {
    let swept = writer.sweep().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "frames of final rounds may still be in the write-ahead log");
        false
    });
    (!swept).then(|| Instant::now() + SWEEP_AFTER)
}
