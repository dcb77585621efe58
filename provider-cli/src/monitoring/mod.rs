//! What the operator's monitoring sees: numbers about the server and its nets, and never about a
//! household. `docs/monitoring.md` lists them; a test holds that list against a running server.
//!
//! `server` and `service` count here; nothing here knows of them.

mod commits;
mod nets;
mod requests;
mod traces;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use dcnet_protocol::round::UnixTime;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub(crate) use commits::{Commits, StoreFailure};
pub(crate) use nets::{NetWatch, Nets, Seen};
pub(crate) use requests::{Handshake, Requests, Served};
pub use traces::TracesError;
pub(crate) use traces::{Exporter, Traces, url as collector_url};

/// Nets that have series of their own, unless the operator says otherwise.
pub(crate) const DEFAULT_NETS: usize = 200;

/// A counter for each value of one label out of a small set.
type ByWord = Family<[(&'static str, &'static str); 1], Counter>;

/// All metrics of one server.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: Requests,
    pub(crate) commits: Commits,
    pub(crate) nets: Arc<Nets>,
    certificate_ends: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Metrics in which at most `labelled` nets have series of their own, without traces.
    pub(crate) fn new(labelled: usize) -> Self {
        Self::with_traces(labelled, &Traces::default())
    }

    /// As [`Metrics::new`]; what takes its time goes to `traces`, too.
    pub(crate) fn with_traces(labelled: usize, traces: &Traces) -> Self {
        let mut registry = Registry::default();
        let started: Gauge<u64, AtomicU64> = Gauge::default();
        started.set(now().secs());
        // Prometheus' own name for it, so without our prefix.
        registry.register(
            "process_start_time_seconds",
            "When the server was started, in seconds since 1970",
            started,
        );
        let own = registry.sub_registry_with_prefix("dcnet_provider");
        let build: Family<[(&'static str, &'static str); 1], Gauge> = Family::default();
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        own.register("build_info", "Version of the program; always 1", build);
        let certificate_ends = Gauge::default();
        own.register(
            "certificate_expiry_timestamp_seconds",
            "When the server's certificate ends, or the first of its chain to end",
            certificate_ends.clone(),
        );
        let requests = Requests::new(own, traces.clone());
        let commits = Commits::new(traces.clone());
        commits.register(own);
        let nets = Arc::new(Nets::new(labelled, commits.clone(), traces.clone()));
        nets.register(own);
        Self {
            registry,
            requests,
            commits,
            nets,
            certificate_ends,
        }
    }

    /// Notes when the server's certificate ends, in seconds since 1970.
    pub(crate) fn certificate_ends(&self, seconds: u64) {
        self.certificate_ends.set(seconds);
    }

    /// All metrics in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// [`fmt::Error`] if the encoder fails, which it does not for a string.
    pub(crate) fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }

    /// All metrics in the text format of Prometheus, version 0.0.4, for those who do not ask for
    /// `OpenMetrics`.
    ///
    /// # Errors
    /// [`fmt::Error`] if the encoder fails, which it does not for a string.
    pub(crate) fn prometheus_text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        prometheus_text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// The clock: monitoring may ask for it, since nothing is decided by what it says.
fn now() -> UnixTime {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// A number that nobody had before and nobody can guess: a keyed hash of a counter.
pub(crate) fn unique() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    KEY.hash_one(NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A histogram with these upper bounds.
fn histogram(bounds: &[f64]) -> Histogram {
    Histogram::new(bounds.iter().copied())
}
