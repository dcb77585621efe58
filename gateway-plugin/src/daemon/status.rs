//! What `dcnet-gateway status` shows: a small file that the daemon replaces when something changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcnet_profiles::meter::MeterProfile;
use serde::{Deserialize, Serialize};

use super::metrics;
use crate::source::{Counters, SourceEvent};

/// State of the daemon, for people and scripts. Holds no reading and no secret. Times are Unix
/// milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Process of the daemon.
    pub process: u32,
    /// When it was started.
    pub started: u64,
    /// When this was written.
    pub updated: u64,
    /// The net.
    pub net: String,
    /// This gateway.
    pub client: String,
    /// How far it is: registering, joining, entered, active, leaving, left. Empty as long as the net's
    /// parameters are not known.
    pub phase: String,
    /// How the net corrects for members that failed: resend, double-mask.
    pub correction_mode: String,
    /// Files that prove that the provider lied. Not empty: nothing of a reading is sent any more.
    pub evidence: Vec<PathBuf>,
    /// Number of the epoch in force.
    pub epoch: Option<u64>,
    /// Active members in it.
    pub members: Option<u64>,
    /// Own active neighbours in it.
    pub neighbours: Option<u64>,
    /// Number of entries of the membership log that the provider has proved.
    pub log_size: u64,
    /// The provider still has to show that a neighbour sees the same membership log.
    pub comparing: bool,
    /// The meters, as ordered in the profile.
    pub meters: Vec<MeterStatus>,
    /// The tariffs, as ordered in the profile.
    pub tariffs: Vec<TariffStatus>,
    /// Last trouble with the provider, if it lasts.
    pub provider_fault: Option<String>,
    /// Why the clock is not believed, if it is not.
    pub clock_fault: Option<String>,
    /// The last round sealed.
    pub last_round: Option<u64>,
    /// Whether the provider has it.
    pub last_round_acknowledged: bool,
    /// Whether it hid a reading.
    pub last_round_had_reading: bool,
    /// Why the last round had no reading or no frame, if so.
    pub last_round_fault: Option<String>,
    /// Rounds acknowledged since the start.
    pub rounds_acknowledged: u64,
    /// Rounds without a frame since the start.
    pub rounds_missed: u64,
    /// Why nothing was sealed for rounds since the start, by the reason's stable name.
    pub rounds_refused: BTreeMap<String, u64>,
    /// Corrections and rosters that were refused since the start, by the refusal's stable name.
    pub refusals: BTreeMap<String, u64>,
    /// What the provider or a member sent since the start that a correct one does not send: how often,
    /// and the last.
    pub faults: u64,
    /// See there.
    pub last_fault: Option<String>,
}

/// How a meter is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MeterStatus {
    /// The owner's name for it.
    pub name: String,
    /// The ways to it, the preferred one first.
    pub sources: Vec<SourceStatus>,
    /// The source, counted from 0, that the last telegram came from.
    pub in_use: Option<usize>,
    /// When the last telegram came, to the minute.
    pub last_telegram: Option<u64>,
    /// What the owner should do about the meter.
    pub advice: Option<String>,
}

/// A way to a meter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    /// The key of its kind in the profile: sml, d0, …
    pub kind: String,
    /// Its state, in words.
    pub state: String,
    /// Whether that is a fault.
    pub fault: bool,
    /// Telegrams read since the start.
    pub telegrams: u64,
    /// What was refused since the start: damaged on the way, or not understood.
    pub refused: u64,
}

/// How far a tariff is. Its registers are readings: they stand in the ledger and in what
/// `dcnet-gateway export` reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TariffStatus {
    /// Its name.
    pub name: String,
    /// Tariff use case: 1, 2 or 6.
    pub taf: u8,
    /// The stage that holds now, by the gateway's clock (TAF-2).
    pub stage: Option<String>,
    /// The reading from which on the billing period that runs counts; of TAF-6 the first midnight that
    /// is kept.
    pub since: Option<u64>,
    /// Billing periods that are over and kept; of TAF-6 the midnights.
    pub closed: u64,
    /// Why the last quarter of an hour had no reading of the register, if so.
    pub fault: Option<String>,
}

impl MeterStatus {
    /// Before anything was heard of the meter.
    pub(super) fn of(meter: &MeterProfile) -> Self {
        let sources = meter.sources.iter().map(|source| SourceStatus {
            kind: source.key().to_owned(),
            ..SourceStatus::default()
        });
        Self {
            name: meter.name.clone(),
            sources: sources.collect(),
            ..Self::default()
        }
    }

    /// Takes over what a source, counted from 0, tells of itself.
    pub(super) fn observe(&mut self, source: usize, event: &SourceEvent) {
        match event {
            SourceEvent::State(state) => {
                if let Some(source) = self.sources.get_mut(source) {
                    source.state = state.to_string();
                    source.fault = state.is_fault();
                }
            }
            SourceEvent::Telegram { time, .. } => {
                self.in_use = Some(source);
                self.last_telegram = Some(time.millis() / 60_000 * 60_000);
            }
        }
    }

    /// Takes over what its sources have counted.
    pub(super) fn count(&mut self, counters: &[Arc<Counters>]) {
        for (source, counters) in self.sources.iter_mut().zip(counters) {
            source.telegrams = counters.telegrams();
            source.refused = counters.refused();
        }
    }

    /// What is wrong with it, if nothing comes from any source: the state of the preferred one.
    fn trouble(&self) -> Option<String> {
        let all = self.sources.iter().all(|source| source.fault);
        let first = self.sources.first().filter(|_| all)?;
        Some(format!("{}: {}", self.name, first.state))
    }
}

impl Status {
    /// The whole in one line: what the owner has to know first. Changes with what happens, not with
    /// the time.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{} in {}: {}", self.client, self.net, self.phase);
        if let Some(round) = self.last_round {
            let state = if self.last_round_acknowledged {
                "acknowledged"
            } else {
                "sealed"
            };
            // Writing to a string cannot fail.
            let _ = write!(line, ", round {round} {state}");
        }
        let caught = (!self.evidence.is_empty())
            .then_some("the provider was caught lying, nothing of a reading is sent any more");
        let troubles = [
            caught,
            self.clock_fault.as_deref(),
            self.provider_fault.as_deref(),
        ];
        let troubles = troubles.into_iter().flatten().map(str::to_owned);
        for trouble in troubles.chain(self.meters.iter().filter_map(MeterStatus::trouble)) {
            line.push_str("; ");
            line.push_str(&trouble);
        }
        line
    }
}

/// Writes the status when it has changed, for people and as metrics.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    written: Option<Status>,
}

const NAME: &str = "status.json";
const METRICS: &str = "metrics.prom";

impl StatusFile {
    /// In the state directory.
    pub fn new(directory: &Path) -> Self {
        Self {
            path: directory.join(NAME),
            written: None,
        }
    }

    /// Replaces the file if `status` differs from what stands there. Only for show: no fsync, and a
    /// failure is no reason to stop.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn write(&mut self, status: &Status, now: u64) -> io::Result<()> {
        let stands = self.written.as_ref().is_some_and(|written| {
            Status {
                updated: written.updated,
                ..status.clone()
            } == *written
        });
        if stands {
            return Ok(());
        }
        let status = Status {
            updated: now,
            ..status.clone()
        };
        let text = serde_json::to_vec_pretty(&status).map_err(io::Error::other)?;
        replace(&self.path, &text, 0o600)?;
        let metrics = metrics::text(&status).map_err(io::Error::other)?;
        // For the group, too: another program collects it.
        replace(
            &self.path.with_file_name(METRICS),
            metrics.as_bytes(),
            0o640,
        )?;
        self.written = Some(status);
        Ok(())
    }
}

/// Replaces a file by one with this content, at once: whoever reads it sees the old or the new one.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&new)?;
    file.write_all(text)?;
    fs::rename(&new, path)
}

/// Reads the status that a daemon left in `directory`.
///
/// # Errors
///
/// There is none, or it is damaged.
pub fn read(directory: &Path) -> io::Result<Status> {
    let text = fs::read(directory.join(NAME))?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}
