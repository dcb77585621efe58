//! A unit's part of a line: one session, from its beginning to an error. Never hands over an answer to
//! another question; how, is told at [`super::bus`].

use std::sync::Arc;
use std::time::Duration;

use dcnet_profiles::modbus::ModbusSource;
use tokio::time::{Instant, sleep_until};

use super::bus::Bus;
use super::fault::Fault;
use super::plan::Span;
use super::wire::LONGEST_DRAIN;

/// A unit's session on a line.
pub(super) struct Link {
    bus: Arc<Bus>,
    unit: u8,
    patience: Duration,
    /// How often the line was lost before.
    losses: u64,
    /// Whether the unit has answered.
    answered: bool,
    /// Whether what comes before the next request is thrown away.
    discard: bool,
    /// Before the first request.
    begun: Instant,
}

impl Link {
    /// Opens the line if it is not open, and waits until a serial line is silent.
    pub(super) async fn open(bus: &Arc<Bus>, source: &ModbusSource) -> Result<Self, Fault> {
        let patience = Duration::from_millis(source.timeout);
        let turn = bus.turn(None, patience).await?;
        let losses = bus.losses();
        turn.give_back();
        let mut link = Self {
            bus: bus.clone(),
            unit: source.unit,
            patience,
            losses,
            answered: false,
            discard: false,
            begun: Instant::now(),
        };
        if let Err(fault) = link.drain().await {
            link.close().await;
            return Err(fault);
        }
        link.begun = Instant::now();
        Ok(link)
    }

    /// See point 2 of [`super::bus`].
    async fn drain(&self) -> Result<(), Fault> {
        let Some(quiet) = self.bus.quiet(self.patience) else {
            return Ok(());
        };
        let started = Instant::now();
        let mut silent_from = started;
        loop {
            self.wait_until(silent_from + quiet).await?;
            silent_from = self.stray().await?.max(started);
            if silent_from + quiet <= Instant::now() {
                return Ok(());
            }
            if started.elapsed() > LONGEST_DRAIN {
                return Err(Fault::Noise);
            }
        }
    }

    /// Before readings: throws away what came while nobody asked. A serial line between two readings
    /// may be noisy, and no answer is owed.
    pub(super) fn begin(&mut self) {
        self.discard = true;
    }

    /// The registers of `span`, exactly as many as asked for.
    pub(super) async fn read(&mut self, span: Span) -> Result<Vec<u16>, Fault> {
        let mut turn = self.bus.turn(Some(self.losses), self.patience).await?;
        if std::mem::take(&mut self.discard) {
            turn = turn.discard().await?;
        }
        turn.ask(self.unit, self.patience, span, &mut self.answered)
            .await
    }

    /// Waits for what follows the first readings of a session; see point 4 of [`super::bus`]. What is
    /// left over may also have come to another unit between two of this one's requests.
    pub(super) async fn confirm(&self) -> Result<(), Fault> {
        let Some(quiet) = self.bus.quiet(self.patience) else {
            return Ok(());
        };
        self.wait_until(Instant::now() + quiet).await?;
        if self.stray().await? > self.begun {
            return Err(Fault::Unsolicited);
        }
        Ok(())
    }

    /// The readings are good.
    pub(super) fn works(&self) {
        self.bus.works();
    }

    /// Waits until the line is lost, and says why.
    pub(super) async fn lost(&self) -> Fault {
        self.bus.lost(self.losses).await
    }

    /// Ends the session.
    pub(super) async fn close(self) {
        self.bus.leave(self.answered).await;
    }

    async fn stray(&self) -> Result<Instant, Fault> {
        let turn = self.bus.turn(Some(self.losses), self.patience).await?;
        Ok(turn.discard().await?.give_back())
    }

    async fn wait_until(&self, then: Instant) -> Result<(), Fault> {
        tokio::select! {
            () = sleep_until(then) => Ok(()),
            fault = self.lost() => Err(fault),
        }
    }
}
