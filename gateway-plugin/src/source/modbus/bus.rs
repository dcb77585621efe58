//! A line that several units share: an RS-485 bus, or a connection to a gateway with units behind it.
//!
//! The line has one owner, and whoever has its turn asks one question and waits for the answer; who
//! waits for a turn gets it in the order of coming. So a silent unit holds up the others for its own
//! `timeout`, and not longer.
//!
//! The answer of Modbus RTU says which unit it is from, and not which registers it is about. If a unit
//! answers after its time is over, the client would take that for the answer to the next request to
//! it: a voltage would become an energy. Therefore, on a serial line:
//!
//! 1. Any error ends the unit's session ([`Link`](super::link::Link)), and what the client still has of
//!    the line is thrown away. If no other unit gets on, the port is closed and opened anew.
//! 2. At its beginning a session waits until nothing but answers that were asked for has come for the
//!    time within which an answer of this unit must come (at least 3.5 characters).
//! 3. Before each request the line has to be silent; bytes that are there are an error.
//! 4. The first readings of a session are used only if nothing that was not asked for follows them for
//!    that time. A unit works off requests one after the other. So if it owed an answer from before,
//!    each answer came for the request before its own, and one is left over at the end.
//!
//! Others may have their turn during the times of 2 and 4: an answer that is left over meets the
//! question of another unit, whose client finds the wrong unit, or more bytes than an answer has. That
//! is an error of that exchange, and it begins the waiting units' time anew.
//!
//! What stays undetected is a unit that is slow twice: it owes an answer after the silence (2), then
//! keeps up for the readings, and needs longer than `timeout` again for the one left over.
//!
//! Modbus TCP numbers its requests: an answer with another number is an error, and after any error the
//! connection is made anew.

use std::sync::Arc;
use std::time::Duration;

use dcnet_profiles::modbus::ModbusLine;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, sleep_until};

use super::fault::Fault;
use super::plan::Span;
use super::wire::{Wire, quiet};
use crate::retry::Pauses;
use crate::source::PAUSES;

/// A line with its units.
#[derive(Debug)]
pub struct Bus {
    line: ModbusLine,
    desk: Mutex<Desk>,
    condition: watch::Sender<Condition>,
}

/// What is before whoever has the turn.
#[derive(Debug)]
struct Desk {
    /// `None`: to be opened by the next who asks.
    wire: Option<Wire>,
    /// When something came last that nobody had asked for.
    stray: Instant,
    /// Units that have answered in their session.
    answering: usize,
}

/// The condition of the line, for all of its units.
#[derive(Debug)]
struct Condition {
    /// How often it was lost, or could not be opened.
    losses: u64,
    /// Why, the last time.
    fault: Option<Fault>,
    /// When a lost line is tried again; `None`: it is not lost.
    again: Option<Instant>,
    pauses: Pauses,
}

/// The lines of several sources, each once.
#[derive(Debug, Default)]
pub struct Buses(Vec<Arc<Bus>>);

impl Buses {
    /// The line: that of an earlier source which is reached the same way, or a new one.
    pub fn of(&mut self, line: &ModbusLine) -> Arc<Bus> {
        if let Some(bus) = self.0.iter().find(|bus| bus.line == *line) {
            return bus.clone();
        }
        let bus = Arc::new(Bus::new(line.clone()));
        self.0.push(bus.clone());
        bus
    }
}

impl Bus {
    /// A line that nobody has opened yet.
    pub fn new(line: ModbusLine) -> Self {
        Self {
            line,
            desk: Mutex::new(Desk {
                wire: None,
                stray: Instant::now(),
                answering: 0,
            }),
            condition: watch::Sender::new(Condition {
                losses: 0,
                fault: None,
                again: None,
                pauses: PAUSES,
            }),
        }
    }

    /// How long the line has to be silent for a unit with this `timeout`; `None`: it need not.
    pub(super) fn quiet(&self, patience: Duration) -> Option<Duration> {
        quiet(&self.line, patience)
    }

    /// Waits for the turn, and opens the line if it is not open. `known`: the losses that the unit
    /// knows of; it hears of another one instead of getting a turn.
    pub(super) async fn turn(
        &self,
        known: Option<u64>,
        patience: Duration,
    ) -> Result<Turn<'_>, Fault> {
        let mut desk = self.desk.lock().await;
        {
            let condition = self.condition.borrow();
            let waiting = condition.again.is_some_and(|again| Instant::now() < again);
            let news = known.is_some_and(|known| known != condition.losses);
            if (waiting || news)
                && let Some(fault) = &condition.fault
            {
                return Err(fault.clone());
            }
        }
        // Off the desk while it is used: if the unit's task ends meanwhile, the line is closed.
        let wire = match desk.wire.take() {
            Some(wire) => wire,
            None => Wire::open(&self.line, patience)
                .await
                .map_err(|fault| self.lose(fault))?,
        };
        self.condition
            .send_if_modified(|condition| condition.again.take().is_some());
        Ok(Turn {
            bus: self,
            desk,
            wire,
        })
    }

    /// How often the line was lost up to now.
    pub(super) fn losses(&self) -> u64 {
        self.condition.borrow().losses
    }

    /// Waits until the line is lost once more than `known`, and says why.
    pub(super) async fn lost(&self, known: u64) -> Fault {
        let mut condition = self.condition.subscribe();
        let lost = condition.wait_for(|now| now.losses != known).await;
        let fault = lost.ok().and_then(|now| now.fault.clone());
        match fault {
            Some(fault) => fault,
            // The sender is ours, and each loss has a reason.
            None => std::future::pending().await,
        }
    }

    /// Waits until a lost line is tried again.
    pub(super) async fn again(&self) {
        let again = self.condition.borrow().again;
        if let Some(again) = again {
            sleep_until(again).await;
        }
    }

    /// A unit gave readings: the line works.
    pub(super) fn works(&self) {
        self.condition.send_if_modified(|condition| {
            condition.pauses.reset();
            false
        });
    }

    /// A unit's session is over. `answered`: it had answered.
    pub(super) async fn leave(&self, answered: bool) {
        let mut desk = self.desk.lock().await;
        if answered {
            desk.answering = desk.answering.saturating_sub(1);
        }
        if desk.answering == 0 {
            desk.wire = None;
        }
    }

    fn lose(&self, fault: Fault) -> Fault {
        self.condition.send_modify(|condition| {
            condition.losses = condition.losses.wrapping_add(1);
            condition.fault = Some(fault.clone());
            condition.again = Some(Instant::now() + condition.pauses.pause());
        });
        fault
    }
}

/// The turn of one unit.
pub(super) struct Turn<'a> {
    bus: &'a Bus,
    desk: MutexGuard<'a, Desk>,
    wire: Wire,
}

impl Turn<'_> {
    /// Asks, and gives the turn back. `answered`: whether the unit has in this session.
    pub(super) async fn ask(
        mut self,
        unit: u8,
        patience: Duration,
        span: Span,
        answered: &mut bool,
    ) -> Result<Vec<u16>, Fault> {
        let asked = Instant::now();
        match self.wire.ask(unit, patience, span).await {
            Err(fault @ (Fault::OtherUnit | Fault::Mismatch { .. })) => {
                // The unit's own answer may still be under way.
                match self.wire.settle(asked + patience).await {
                    Ok(()) => Err(self.fail(fault)),
                    Err(lost) => Err(self.fail(lost)),
                }
            }
            Err(fault) if !matches!(fault, Fault::Refused { .. }) => Err(self.fail(fault)),
            answer => {
                if !std::mem::replace(answered, true) {
                    self.desk.answering = self.desk.answering.saturating_add(1);
                }
                self.give_back();
                answer
            }
        }
    }

    /// Throws away what has come while nobody asked.
    pub(super) async fn discard(mut self) -> Result<Self, Fault> {
        match self.wire.discard().await {
            Ok(anything) => {
                if anything {
                    self.desk.stray = Instant::now();
                }
                Ok(self)
            }
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// Gives the turn back, and says when something came last that nobody had asked for.
    pub(super) fn give_back(mut self) -> Instant {
        self.desk.wire = Some(self.wire);
        self.desk.stray
    }

    fn fail(mut self, fault: Fault) -> Fault {
        if fault.is_of_line() {
            return self.bus.lose(fault);
        }
        // A unit that stays silent without a byte says nothing about the others.
        if !matches!(fault, Fault::NoAnswer { .. }) || self.wire.heard() > 0 {
            self.desk.stray = Instant::now();
        }
        self.desk.wire = self.wire.renewed();
        fault
    }
}
