//! What comes from the meter: telegrams, borders, readings.

use dcnet_profiles::advice::advice;
use dcnet_profiles::evaluation::{BorderReading, Clipped, Missing, Reading, reading};
use dcnet_protocol::gateway::Phase;
use dcnet_protocol::round::{Round, UnixTime};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::session::Session;
use crate::ledger::{Change, LedgerError};
use crate::source::{MeterEvent, SourceEvent};

impl Session {
    pub(super) fn observe(&mut self, event: MeterEvent) {
        self.parts.billing.observe(&event);
        let MeterEvent {
            meter,
            source,
            event,
        } = event;
        let Some(status) = self.status.meters.get_mut(meter) else {
            return;
        };
        status.observe(source, &event);
        if let SourceEvent::Telegram { time, telegram } = event {
            let fault = self.parts.collector.observe(meter, time, &telegram).err();
            let advice = advice(&telegram)
                .map(|advice| advice.to_string())
                .or_else(|| fault.map(|fault| fault.to_string()));
            if advice != status.advice {
                let meter = status.name.as_str();
                if let Some(advice) = &advice {
                    tracing::warn!(event = "meter.advice", meter, "{advice}");
                } else {
                    tracing::info!(event = "meter.ready", meter, "the meter shows all slots");
                }
                status.advice = advice;
            }
        }
    }

    /// Reads the registers of tariffs, if it is time.
    pub(super) fn settle(
        &mut self,
        events: &mut mpsc::Receiver<MeterEvent>,
    ) -> Result<(), LedgerError> {
        let now = self.now();
        if !self.parts.billing.is_due(now) {
            return Ok(());
        }
        while let Ok(event) = events.try_recv() {
            self.observe(event);
        }
        let machine = &mut self.parts.machine;
        self.parts
            .billing
            .settle(now, |changes| machine.commit(changes))
    }

    /// Takes over what the sources have counted.
    pub(super) fn count_telegrams(&mut self) {
        for (meter, counters) in self.status.meters.iter_mut().zip(&self.parts.counters) {
            meter.count(counters);
        }
    }

    /// The border of `round` has passed: takes its reading and plans its frame.
    pub(super) fn close(&mut self, round: Round) -> Result<(), LedgerError> {
        let now = self.now();
        let in_time = now < self.schedule.last_call(round);
        let end = self.border_reading(self.schedule.border(round))?;
        let start = match self.last_border.take() {
            Some(last) if last.border == self.schedule.start(round) => Some(last),
            _ => self.stored(self.schedule.start(round))?,
        };
        let reading = end
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|end| reading(&self.parts.profile.evaluation, start.as_ref(), end))
            .map(|evaluated| {
                note_clipped(round, &evaluated.clipped);
                evaluated.values
            });
        self.last_border = end.ok();
        // While nothing is sent anyway, a missing reading is no trouble.
        let counts = in_time && self.phase == Some(Phase::Active);
        if counts && let Err(missing) = &reading {
            tracing::warn!(
                event = "round.no_reading",
                round = round.number(),
                "{missing}"
            );
        }
        let delay = self.jitter();
        // Earlier trouble with the provider does not eat the window up.
        self.not_before = Instant::now();
        self.plan.close(round, reading, now, delay);
        Ok(())
    }

    /// What the meter showed at `border`: as it came in, or as the ledger has it since before a
    /// restart.
    fn border_reading(
        &mut self,
        border: UnixTime,
    ) -> Result<Result<BorderReading, Missing>, LedgerError> {
        match self.parts.collector.take(border) {
            Ok(reading) => {
                if let Ok(bytes) = reading.encode() {
                    self.parts.machine.commit(&[Change::Border {
                        border,
                        bytes: &bytes,
                    }])?;
                }
                Ok(Ok(reading))
            }
            Err(missing) => Ok(self.stored(border)?.ok_or(missing)),
        }
    }

    fn stored(&self, border: UnixTime) -> Result<Option<BorderReading>, LedgerError> {
        let bytes = self.parts.machine.ledger().border(border)?;
        Ok(bytes.as_deref().and_then(BorderReading::decode))
    }

    /// For the status: what became of the reading of a round that is sealed now.
    pub(super) fn note_reading(&mut self, reading: &Result<Reading, Missing>) {
        self.status.last_round_had_reading = reading.is_ok();
        self.status.last_round_fault = reading.as_ref().err().map(ToString::to_string);
    }
}

/// Says which slots were clipped, but not what they were.
fn note_clipped(round: Round, clipped: &[Clipped]) {
    for one in clipped {
        tracing::warn!(
            event = "reading.clipped",
            round = round.number(),
            slot = %one.obis,
            "the value lay beyond evaluation.slots.clip and was set to the bound"
        );
    }
}
