//! Transactions of the store.

use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::traces::{Kind, Span, Traces};
use super::{ByWord, histogram};

/// Seconds; a commit waits for the disk at least once.
const DURATIONS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

/// Jobs in one transaction.
const JOBS: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];

/// What the store was asked for and did not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreFailure {
    /// To commit a transaction.
    Commit,
    /// To read.
    Read,
    /// To read all of a net, in order to serve it.
    Restore,
}

impl StoreFailure {
    const ALL: [Self; 3] = [Self::Commit, Self::Read, Self::Restore];

    /// The label.
    fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Read => "read",
            Self::Restore => "restore",
        }
    }
}

/// Counters of what the store does; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Commits {
    durations: Histogram,
    jobs: Histogram,
    failures: ByWord,
    traces: Traces,
}

impl Default for Commits {
    fn default() -> Self {
        Self::new(Traces::default())
    }
}

impl Commits {
    pub(super) fn new(traces: Traces) -> Self {
        let failures = ByWord::default();
        for failure in StoreFailure::ALL {
            // There from the start: a rate needs a first value.
            drop(failures.get_or_create(&[("operation", failure.as_str())]));
        }
        Self {
            durations: histogram(&DURATIONS),
            jobs: histogram(&JOBS),
            failures,
            traces,
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "commit_duration_seconds",
            "How long transactions took, those that failed included",
            self.durations.clone(),
        );
        registry.register(
            "commit_jobs",
            "Jobs (frames, envelopes, ends of rounds) in one transaction",
            self.jobs.clone(),
        );
        registry.register(
            "store_failures",
            "What the store was asked for and did not do, by operation",
            self.failures.clone(),
        );
    }

    /// Carries out a transaction of `jobs` jobs, and counts it.
    pub(crate) async fn measure<T, E>(
        &self,
        jobs: usize,
        transaction: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let result = transaction.await;
        let took = started.elapsed();
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        self.durations.observe(took.as_secs_f64());
        self.jobs.observe(f64::from(jobs));
        self.traces.record(|| {
            Span::ending("commit", Kind::Internal, took)
                .failed(result.is_err())
                .number("dcnet.jobs", jobs.into())
        });
        if result.is_err() {
            self.failed(StoreFailure::Commit);
        }
        result
    }

    /// Counts what the store did not do.
    pub(crate) fn failed(&self, failure: StoreFailure) {
        self.failures
            .get_or_create(&[("operation", failure.as_str())])
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;

    #[tokio::test]
    async fn a_transaction_that_fails_is_counted_as_both() {
        let metrics = Metrics::new(0);
        let commits = &metrics.commits;
        assert_eq!(commits.measure(3, async { Ok::<_, ()>(7) }).await, Ok(7));
        assert_eq!(commits.measure(9, async { Err::<(), _>(8) }).await, Err(8));
        let text = metrics.open_metrics().unwrap();
        for line in [
            "dcnet_provider_commit_duration_seconds_count 2",
            "dcnet_provider_commit_jobs_sum 12.0",
            "dcnet_provider_store_failures_total{operation=\"commit\"} 1",
            "dcnet_provider_store_failures_total{operation=\"read\"} 0",
        ] {
            assert!(
                text.lines().any(|printed| printed == line),
                "{line}\n{text}"
            );
        }
    }
}
