//! Exporters that follow the nets as rounds become final.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use dcnet_protocol::names::NetId;

use super::config::{Config, ExportConfigError, ExporterConfig};
use super::cursor::Cursor;
use super::sink::{Delivery, Sink};
use super::{ExportError, PAGE, Value, values};
use crate::service::{Admin, Part};

/// First and longest pause before a target that failed is tried again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(5)];

/// How long exporters go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Whatever fails is tried again.
    Stopped,
    /// Until everything that is final now has arrived; what fails, fails.
    UpToDate,
}

/// The exporters of one process.
pub(crate) struct Exports {
    exporters: Vec<Exporter>,
    poll: Duration,
    /// The kernel lifts it when the process ends, however it ends.
    _lock: File,
}

struct Exporter {
    config: ExporterConfig,
    sink: Sink,
}

impl Exports {
    /// Exporters as configured, each where its cursor stands. Nothing is connected yet.
    pub(crate) fn open(config: &Config) -> Result<Self, ExportError> {
        let lock = lock(&config.state)?;
        let mut exporters = Vec::new();
        for exporter in &config.exporters {
            let cursor = Cursor::load(&config.state, &exporter.name)?;
            let sink = Sink::new(exporter, cursor).map_err(|source| ExportConfigError::Sink {
                name: exporter.name.clone(),
                source,
            })?;
            exporters.push(Exporter {
                config: exporter.clone(),
                sink,
            });
        }
        Ok(Self {
            exporters,
            poll: config.poll(),
            _lock: lock,
        })
    }

    /// Runs all exporters beside each other: one that fails holds up no other one.
    pub(crate) async fn run(self, admin: Admin, until: Until) -> Result<(), ExportError> {
        let admin = std::sync::Arc::new(admin);
        let mut tasks = tokio::task::JoinSet::new();
        for exporter in self.exporters {
            let admin = std::sync::Arc::clone(&admin);
            tasks.spawn(exporter.run(admin, until, self.poll));
        }
        let mut unfinished = 0;
        while let Some(ended) = tasks.join_next().await {
            if !ended.unwrap_or(false) {
                unfinished += 1;
            }
        }
        match unfinished {
            0 => Ok(()),
            number => Err(ExportError::Unfinished(number)),
        }
    }
}

fn lock(state: &Path) -> Result<File, ExportError> {
    let fail = |source| ExportError::State {
        path: state.to_owned(),
        source,
    };
    std::fs::create_dir_all(state).map_err(fail)?;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(state.join("lock"))
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ExportError::InUse(state.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(fail(source)),
    }
}

impl Exporter {
    /// Whether everything arrived; does not return before that unless it is to fail.
    async fn run(mut self, admin: std::sync::Arc<Admin>, until: Until, poll: Duration) -> bool {
        let [first, longest] = PAUSES;
        let (mut pause, mut told) = (first, String::new());
        let name = self.config.name.clone();
        loop {
            match self.turn(&admin).await {
                Ok(()) => {
                    if !told.is_empty() {
                        tracing::info!(exporter = name, "goes on");
                    }
                    if until == Until::UpToDate {
                        return true;
                    }
                    told.clear();
                    pause = first;
                    tokio::time::sleep(poll).await;
                }
                // Whoever read our output has had enough of it.
                Err(ExportError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
                    return true;
                }
                Err(error) if until == Until::UpToDate => {
                    tracing::error!(exporter = name, "{error}");
                    return false;
                }
                Err(error) => {
                    let text = error.to_string();
                    // Said once and not with each attempt.
                    if told.is_empty() {
                        tracing::warn!(exporter = name, "{text}; trying again");
                    } else if told != text {
                        tracing::debug!(exporter = name, "{text}; trying again");
                    }
                    told = text;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    /// Brings everything that is final to the target.
    async fn turn(&mut self, admin: &Admin) -> Result<(), ExportError> {
        let nets = match &self.config.nets {
            Some(nets) => nets.clone(),
            None => admin.net_names().await?,
        };
        for net in nets {
            while self.page(admin, net).await? {}
        }
        Ok(())
    }

    /// Delivers the next rounds of a net; whether there were any.
    async fn page(&mut self, admin: &Admin, net: NetId) -> Result<bool, ExportError> {
        let series = admin.series(net).await?;
        let reached = self.sink.reached(net).await?;
        let from = match (reached, self.config.from) {
            (Some(reached), _) => reached.saturating_add(1),
            (None, Some(from)) => series.first_from(from),
            (None, None) => 0,
        };
        let part = Part {
            from,
            goes_on: reached.is_some(),
            to: None,
        };
        let rounds = admin.final_rounds(&series, part, PAGE).await?;
        let (Some(first), Some(last)) = (rounds.first(), rounds.last()) else {
            return Ok(false);
        };
        let (first, last) = (first.round, last.round);
        let values: Vec<Value> = rounds
            .iter()
            .flat_map(|round| values(&series, round))
            .collect();
        let delivery = Delivery {
            net,
            first,
            last,
            values: &values,
        };
        self.sink.deliver(delivery).await?;
        tracing::debug!(exporter = self.config.name, %net, first, last, "delivered");
        Ok(true)
    }
}
