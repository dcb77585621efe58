//! Time and rounds: the only way from a clock to a round number.
//!
//! Round `r` covers the metered interval `[r·T, (r+1)·T)` of UTC. At its border `b = (r+1)·T` the
//! submission window opens, then the correction window: `docs/spec/protocol.md`, section
//! "Schedule".

use std::fmt;

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch; saturates at the end of the range.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// `self` plus `millis` milliseconds, saturating.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// `self` minus `millis` milliseconds, saturating at 0.
    #[must_use]
    pub const fn minus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to `self`, 0 if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
            TlsSize, TlsSerialize, TlsDeserialize,
        )]
        pub struct $type(u64);

        impl $type {
            /// From its number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// Its number.
            pub const fn number(self) -> u64 {
                self.0
            }

            /// The one after it; saturates at the end of the range.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The one before it; saturates at 0.
            #[must_use]
            pub const fn previous(self) -> Self {
                Self(self.0.saturating_sub(1))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// Number of a metered interval: its start in Unix seconds divided by the interval.
    Round
}
counter! {
    /// Number of a stretch of rounds over which members and edges do not change.
    Epoch
}

/// Lengths from the net descriptor that lay out every round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    interval: u64,
    submit: u64,
    correction: u64,
}

impl Schedule {
    /// All three in seconds. The descriptor has checked that they fit each other.
    pub(crate) const fn new(interval_s: u32, submit_s: u32, correction_s: u32) -> Self {
        Self {
            interval: interval_s as u64 * 1000,
            submit: submit_s as u64 * 1000,
            correction: correction_s as u64 * 1000,
        }
    }

    /// Length of the metered interval in milliseconds.
    pub const fn interval_millis(&self) -> u64 {
        self.interval
    }

    /// Length of the submission window in milliseconds.
    pub const fn submit_millis(&self) -> u64 {
        self.submit
    }

    /// Length of the correction window in milliseconds.
    pub const fn correction_millis(&self) -> u64 {
        self.correction
    }

    /// The round being metered at `time`.
    pub const fn round_at(&self, time: UnixTime) -> Round {
        Round(time.0 / self.interval)
    }

    /// The latest round whose border lies at or before `time`, if any: the one to be submitted.
    pub fn submitted_at(&self, time: UnixTime) -> Option<Round> {
        self.round_at(time).0.checked_sub(1).map(Round)
    }

    /// First instant of the metered interval.
    pub const fn start(&self, round: Round) -> UnixTime {
        UnixTime(round.0.saturating_mul(self.interval))
    }

    /// Border: first instant after the metered interval; the submission window opens.
    pub const fn border(&self, round: Round) -> UnixTime {
        self.start(round.next())
    }

    /// The submission window closes; nothing that arrives at or after this instant counts.
    pub const fn submit_deadline(&self, round: Round) -> UnixTime {
        self.border(round).plus_millis(self.submit)
    }

    /// From here on a gateway sends no frame of `round` any more: an eighth of the submission window
    /// before it closes. A frame that comes too late is worse than none, since together with the
    /// answers to a correction it lays its sender's reading bare.
    pub const fn last_call(&self, round: Round) -> UnixTime {
        self.submit_deadline(round).minus_millis(self.submit / 8)
    }

    /// The correction window closes; the round is final.
    pub const fn correction_deadline(&self, round: Round) -> UnixTime {
        self.submit_deadline(round).plus_millis(self.correction)
    }

    /// From here on the provider takes frames of `round`: one submission window before the border,
    /// since clocks differ.
    pub const fn intake_opens(&self, round: Round) -> UnixTime {
        self.border(round).minus_millis(self.submit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarter_hours() {
        let schedule = Schedule::new(900, 60, 60);
        let noon = UnixTime::from_secs(1_800_000_000);
        let round = schedule.round_at(noon);
        assert_eq!(round, Round::new(2_000_000));
        assert_eq!(schedule.start(round), noon);
        assert_eq!(schedule.border(round).secs(), 1_800_000_900);
        assert_eq!(schedule.submit_deadline(round).secs(), 1_800_000_960);
        assert_eq!(schedule.correction_deadline(round).secs(), 1_800_001_020);
        assert_eq!(schedule.round_at(noon.minus_millis(1)), round.previous());
        assert_eq!(schedule.submitted_at(noon), Some(round.previous()));
        assert_eq!(schedule.submitted_at(UnixTime::from_millis(5)), None);
    }

    #[test]
    fn the_end_of_time_does_not_panic() {
        let schedule = Schedule::new(1, 1, 0);
        let last = Round::new(u64::MAX);
        assert!(schedule.correction_deadline(last) >= schedule.border(last));
    }
}
