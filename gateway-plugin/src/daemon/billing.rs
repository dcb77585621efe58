//! Registers for the bill: kept for the owner, whether a net is reachable or not.
//!
//! They are read at quarters of an hour, and every switch of a tariff is one: so that is when they
//! go into the ledger, all tariffs in one transaction, and after that to where the owner sees them.

use std::path::PathBuf;
use std::time::Duration;

use dcnet_profiles::evaluation::Collector;
use dcnet_profiles::meter::MeterProfile;
use dcnet_profiles::tariff::{ClosedPeriod, INTERVAL};
use dcnet_profiles::{Profile, TariffProfile};
use dcnet_protocol::round::UnixTime;

use super::status::TariffStatus;
use crate::clock::is_set;
use crate::ledger::{Change, KEEP_PERIODS, Ledger, LedgerError};
use crate::source::{MeterEvent, SourceEvent};
use crate::tariffs::{self, Kept, Registers, Shown};

/// How long telegrams of before a border are waited for, in milliseconds: some are on their way
/// through another program.
const GRACE: u64 = 2_000;

/// Borders that are taken after the daemon was held up: for more there are no telegrams.
const LATE: u64 = 2;

/// The tariffs of a profile.
#[derive(Debug)]
pub(super) struct Billing {
    tariffs: Vec<Tariff>,
    meters: Vec<MeterProfile>,
    directory: PathBuf,
    /// The last border that is done with.
    done: u64,
}

#[derive(Debug)]
struct Tariff {
    profile: TariffProfile,
    collector: Collector,
    shown: Shown,
    /// Why the last border had no reading, if so: told once.
    trouble: Option<String>,
}

/// What a border makes of a tariff.
struct Step {
    shown: Shown,
    row: Vec<u8>,
    closed: Option<(ClosedPeriod, Vec<u8>)>,
}

impl Billing {
    /// Goes on from the ledger. A tariff whose definition was changed begins anew.
    ///
    /// # Errors
    ///
    /// The ledger failed, or what stands there of a tariff is damaged.
    pub(super) fn open(
        profile: &Profile,
        ledger: &Ledger,
        now: UnixTime,
    ) -> Result<Self, LedgerError> {
        let mut billing = Self {
            tariffs: Vec::new(),
            meters: profile.meters.clone(),
            directory: profile.state.clone(),
            done: floor(now.millis()),
        };
        for tariff in &profile.tariffs {
            let shown = go_on(tariff, ledger)?;
            billing.tariffs.push(Tariff {
                profile: tariff.clone(),
                collector: collector(&profile.meters, tariff),
                shown,
                trouble: None,
            });
        }
        billing.show();
        Ok(billing)
    }

    /// Takes note of a telegram. What is wrong with it is told at the border, if none is better.
    pub(super) fn observe(&mut self, event: &MeterEvent) {
        if let SourceEvent::Telegram { time, telegram } = &event.event
            && is_set(*time)
        {
            for tariff in &mut self.tariffs {
                let _ = tariff.collector.observe(event.meter, *time, telegram);
            }
        }
    }

    /// For the status: how far each tariff is, and nothing that it counted.
    pub(super) fn status(&self, now: UnixTime) -> Vec<TariffStatus> {
        let tariffs = self.tariffs.iter();
        tariffs.map(|tariff| tariff.status(now)).collect()
    }

    /// Whether a border has passed.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        !self.tariffs.is_empty() && is_set(now) && (due(now) > self.done || self.was_set_back(now))
    }

    fn was_set_back(&self, now: UnixTime) -> bool {
        floor(now.millis()) < self.done
    }

    /// How long until a border has passed.
    pub(super) fn until_due(&self, now: UnixTime) -> Duration {
        if self.is_due(now) {
            return Duration::ZERO;
        }
        if self.tariffs.is_empty() || !is_set(now) {
            return Duration::MAX;
        }
        let next = UnixTime::from_millis(self.done).plus_millis(INTERVAL + GRACE);
        Duration::from_millis(next.millis_since(now))
    }

    /// Takes the readings of the borders that have passed. `commit` makes changes durable; nothing is
    /// shown before it did.
    ///
    /// # Errors
    ///
    /// Those of `commit`: the registers are as they were.
    pub(super) fn settle(
        &mut self,
        now: UnixTime,
        mut commit: impl FnMut(&[Change<'_>]) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        if self.was_set_back(now) {
            // Telegrams of the future are none of the borders that come now.
            for tariff in &mut self.tariffs {
                tariff.collector = collector(&self.meters, &tariff.profile);
            }
            self.done = floor(now.millis());
            return Ok(());
        }
        let last = due(now);
        let mut border = self.done.saturating_add(INTERVAL);
        border = border.max(last.saturating_sub(LATE * INTERVAL));
        while border <= last {
            self.take(UnixTime::from_millis(border), &mut commit)?;
            self.done = border;
            border = border.saturating_add(INTERVAL);
        }
        Ok(())
    }

    fn take(
        &mut self,
        border: UnixTime,
        commit: &mut impl FnMut(&[Change<'_>]) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let steps: Vec<_> = self
            .tariffs
            .iter_mut()
            .map(|tariff| tariff.step(border))
            .collect();
        let mut changes = Vec::new();
        for step in steps.iter().flatten() {
            let name = step.shown.name.as_str();
            let closed = step.closed.as_ref();
            changes.extend(closed.map(|(_, bytes)| Change::TariffPeriod { name, bytes }));
            changes.push(Change::Tariff {
                name,
                bytes: &step.row,
            });
        }
        if changes.is_empty() {
            return Ok(());
        }
        commit(&changes)?;
        for (tariff, step) in self.tariffs.iter_mut().zip(steps) {
            let Some(step) = step else { continue };
            tariff.shown = step.shown;
            if let Some((closed, _)) = step.closed {
                note_closed(&tariff.profile.name, &closed);
            }
        }
        self.show();
        Ok(())
    }

    /// Puts what is durable where the owner sees it. That this fails is no reason to stop.
    fn show(&self) {
        let shown = self.tariffs.iter().map(|tariff| &tariff.shown);
        if let Err(error) = tariffs::write(&self.directory, shown) {
            tracing::warn!(
                event = "tariff.file",
                "the registers cannot be shown: {error}"
            );
        }
    }
}

impl Tariff {
    fn status(&self, now: UnixTime) -> TariffStatus {
        let (since, closed) = match &self.shown.kept.registers {
            Registers::Billing(state) => {
                let running = state.running();
                (
                    running.map(|running| running.period.from.time),
                    self.shown.closed.len(),
                )
            }
            Registers::Daily(values) => {
                let first = values.values().next();
                (first.map(|first| first.time), values.values().count())
            }
        };
        let stage = is_set(now).then(|| self.profile.stage_at(now)).flatten();
        TariffStatus {
            name: self.profile.name.clone(),
            taf: self.profile.taf.number(),
            stage: stage.and_then(|stage| self.profile.stages.get(stage).cloned()),
            since: since.map(UnixTime::millis),
            closed: closed.try_into().unwrap_or(u64::MAX),
            fault: self.trouble.clone(),
        }
    }

    /// What the register at `border` makes of the tariff, if that is anything.
    fn step(&mut self, border: UnixTime) -> Option<Step> {
        match self.evaluate(border) {
            Ok(step) => {
                if self.trouble.take().is_some() {
                    let tariff = self.profile.name.as_str();
                    tracing::info!(
                        event = "tariff.reading",
                        tariff,
                        "the register is read again"
                    );
                }
                step
            }
            Err(trouble) => {
                if self.trouble.as_ref() != Some(&trouble) {
                    let tariff = self.profile.name.as_str();
                    tracing::warn!(event = "tariff.no_reading", tariff, "{trouble}");
                }
                self.trouble = Some(trouble);
                None
            }
        }
    }

    fn evaluate(&mut self, border: UnixTime) -> Result<Option<Step>, String> {
        let taken = self.collector.take(border);
        let taken = taken.map_err(|missing| missing.to_string())?;
        let Some(reading) = self.profile.register(&taken) else {
            return Err("the reading lacks the register".to_owned());
        };
        let mut shown = self.shown.clone();
        let mut over = None;
        shown.kept.registers = match &self.shown.kept.registers {
            Registers::Billing(state) => {
                let advanced = state.advance(&self.profile, &reading);
                let (next, closed) = advanced.map_err(|error| error.to_string())?;
                over = closed;
                Registers::Billing(next)
            }
            Registers::Daily(values) => Registers::Daily(values.advance(&self.profile, &reading)),
        };
        if shown == self.shown {
            return Ok(None);
        }
        let row = encoded(shown.kept.encode())?;
        let closed = match over {
            None => None,
            Some(period) => {
                let bytes = encoded(period.encode())?;
                shown.closed.push(period.clone());
                let surplus = shown.closed.len().saturating_sub(KEEP_PERIODS);
                shown.closed.drain(..surplus);
                Some((period, bytes))
            }
        };
        Ok(Some(Step { shown, row, closed }))
    }
}

fn encoded(bytes: Result<Vec<u8>, tls_codec::Error>) -> Result<Vec<u8>, String> {
    bytes.map_err(|error| format!("the registers cannot be written down: {error}"))
}

/// What the ledger has of a tariff, in its present definition: begun anew if that is another one.
fn go_on(tariff: &TariffProfile, ledger: &Ledger) -> Result<Shown, LedgerError> {
    let name = tariff.name.as_str();
    let damaged = || LedgerError::Damaged {
        path: ledger.path().to_owned(),
        what: "tariff",
    };
    let fresh = Kept {
        definition: tariff.definition(),
        registers: Registers::of(tariff),
    };
    let stored = ledger.tariff(name)?;
    let stored = stored.map(|row| Kept::decode(&row).ok_or_else(damaged));
    let kept = match stored.transpose()? {
        None => fresh,
        Some(kept) if kept.definition == fresh.definition => kept,
        Some(kept) => {
            let closed = match &kept.registers {
                Registers::Billing(state) => state.change(),
                Registers::Daily(_) => None,
            };
            let closed = closed.map(|period| period.encode());
            let closed = closed.transpose().map_err(|_| damaged())?;
            let row = fresh.encode().map_err(|_| damaged())?;
            let closed = closed.as_deref();
            let mut changes: Vec<_> = closed
                .map(|bytes| Change::TariffPeriod { name, bytes })
                .into_iter()
                .collect();
            changes.push(Change::Tariff { name, bytes: &row });
            ledger.commit(&changes)?;
            tracing::warn!(
                event = "tariff.changed",
                tariff = name,
                "the tariff was changed: its registers begin anew with the next reading"
            );
            fresh
        }
    };
    let closed = ledger.tariff_periods(name)?;
    let closed = closed
        .iter()
        .map(|bytes| ClosedPeriod::decode(bytes).ok_or_else(damaged));
    Ok(Shown {
        name: name.to_owned(),
        kept,
        closed: closed.collect::<Result<_, _>>()?,
    })
}

/// Says that a period is over, but not what it counted.
fn note_closed(tariff: &str, closed: &ClosedPeriod) {
    tracing::info!(
        event = "tariff.closed",
        tariff,
        begin = closed.period.begin.millis() / 1000,
        end = closed.period.end.millis() / 1000,
        "a billing period was closed ({:?})",
        closed.closure
    );
}

fn collector(meters: &[MeterProfile], tariff: &TariffProfile) -> Collector {
    Collector::new(meters, &tariff.evaluation(), INTERVAL)
}

fn floor(millis: u64) -> u64 {
    millis / INTERVAL * INTERVAL
}

/// The last border whose telegrams have all come.
fn due(now: UnixTime) -> u64 {
    floor(now.millis().saturating_sub(GRACE))
}

#[cfg(test)]
mod tests;
