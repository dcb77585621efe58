//! TAF-1 and TAF-2: registers per stage, error register, billing periods.

use dcnet_obis::ObisCode;
use dcnet_protocol::round::UnixTime;

use super::{RegisterReading, TariffProfile};

/// The state of a tariff between two readings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BillingState {
    pub(super) running: Option<Running>,
}

/// What was counted in a billing period, up to now or up to its end. The sum of `stages` and `error`
/// is exactly the difference of `to` and `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Where it begins by the calendar.
    pub begin: UnixTime,
    /// Where the next one begins by the calendar.
    pub end: UnixTime,
    /// From which reading on the registers count. It is older than `begin` after a gap across it, and
    /// later if the tariff began within the period.
    pub from: RegisterReading,
    /// The latest reading.
    pub to: RegisterReading,
    /// Names and values of the stages, in units of 10^scale.
    pub stages: Vec<(String, i64)>,
    /// What could not be assigned to a stage, or not to a period: it lay in a gap across a switch.
    pub error: i64,
}

impl Period {
    /// What the meter counted between the first and the last reading.
    pub fn total(&self) -> i64 {
        self.to.value.saturating_sub(self.from.value) // was checked when it was added up
    }
}

/// The billing period that is not over yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Register and scale of the tariff.
    pub(super) source: (ObisCode, i8),
    /// What was counted so far.
    pub period: Period,
}

/// A billing period that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// What was counted.
    pub period: Period,
    /// Why it was closed.
    pub closure: Closure,
}

/// Why a period was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closure {
    /// There was a reading at its end.
    Ended,
    /// There was none: the next reading came later. What was counted in between stands in the error
    /// register of the next period.
    Gap,
    /// Another meter, or a register that went back: what was counted since is not known.
    Replaced,
    /// The tariff's definition was changed.
    Changed,
}

/// Why a reading was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BillingError {
    /// It is not later than the one before it.
    #[error("a register value is not later than the one before it: was the clock set back?")]
    NotLater,
    /// There is no billing period at its time, before 1970 or after 9999.
    #[error("a register value lies outside of the calendar: is the clock set?")]
    OutsideOfCalendar,
}

impl BillingState {
    /// The period that is not over yet; `None` before the first reading.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The period that is not over yet, closed: the tariff's definition was changed, and the registers
    /// begin anew. `None` before the first reading.
    pub fn change(&self) -> Option<ClosedPeriod> {
        let running = self.running.clone()?;
        Some(running.close(Closure::Changed))
    }

    /// Takes a reading in; answers the new state, and the period that it closed.
    ///
    /// # Errors
    ///
    /// The reading is not later than the latest one, or lies outside of the calendar. The state stays.
    pub fn advance(
        &self,
        profile: &TariffProfile,
        reading: &RegisterReading,
    ) -> Result<(Self, Option<ClosedPeriod>), BillingError> {
        let Some(running) = &self.running else {
            return Ok((Self::open(profile, reading, reading)?, None));
        };
        if reading.time <= running.period.to.time {
            return Err(BillingError::NotLater);
        }
        if !running.fits(profile) {
            let closed = running.clone().close(Closure::Changed);
            return Ok((Self::open(profile, reading, reading)?, Some(closed)));
        }
        let Some(advance) = running.period.advance(reading) else {
            let closed = running.clone().close(Closure::Replaced);
            return Ok((Self::open(profile, reading, reading)?, Some(closed)));
        };
        if reading.time > running.period.end {
            let mut next = Self::open(profile, &running.period.to, reading)?;
            if let Some(next) = &mut next.running {
                next.period.error = advance;
            }
            return Ok((next, Some(running.clone().close(Closure::Gap))));
        }
        let mut running = running.clone();
        let period = &mut running.period;
        let stage = profile.stage_between(period.to.time, reading.time);
        // No sum exceeds the total, which was checked.
        match stage.and_then(|stage| period.stages.get_mut(stage)) {
            Some((_, register)) => *register = register.saturating_add(advance),
            None => period.error = period.error.saturating_add(advance),
        }
        period.to = period.later(reading);
        if reading.time < period.end {
            let running = Some(running);
            return Ok((Self { running }, None));
        }
        let next = Self::open(profile, &period.to, &period.to)?;
        Ok((next, Some(running.close(Closure::Ended))))
    }

    /// A period in which `to` lies and that counts from `from` on.
    fn open(
        profile: &TariffProfile,
        from: &RegisterReading,
        to: &RegisterReading,
    ) -> Result<Self, BillingError> {
        let (begin, end) = profile
            .period_at(to.time)
            .ok_or(BillingError::OutsideOfCalendar)?;
        let names = profile.registers().into_iter();
        let running = Running {
            source: (profile.obis, profile.scale),
            period: Period {
                begin,
                end,
                from: from.clone(),
                to: to.clone(),
                stages: names.map(|name| (name, 0)).collect(),
                error: 0,
            },
        };
        Ok(Self {
            running: Some(running),
        })
    }
}

impl Running {
    fn fits(&self, profile: &TariffProfile) -> bool {
        let names = self.period.stages.iter().map(|(name, _)| name);
        self.source == (profile.obis, profile.scale) && names.eq(profile.registers().iter())
    }

    fn close(self, closure: Closure) -> ClosedPeriod {
        let period = self.period;
        ClosedPeriod { period, closure }
    }
}

impl Period {
    /// What was counted since the latest reading; `None` if that is not known.
    fn advance(&self, reading: &RegisterReading) -> Option<i64> {
        let (was, is) = (self.to.device.as_bytes(), reading.device.as_bytes());
        if !was.is_empty() && !is.is_empty() && was != is {
            return None;
        }
        reading.value.checked_sub(self.from.value)?; // the total
        let advance = reading.value.checked_sub(self.to.value)?;
        (advance >= 0).then_some(advance)
    }

    /// The reading as the latest one; a source that does not tell the device does not erase it.
    fn later(&self, reading: &RegisterReading) -> RegisterReading {
        let mut later = reading.clone();
        if later.device.as_bytes().is_empty() {
            later.device = self.to.device.clone();
        }
        later
    }
}
