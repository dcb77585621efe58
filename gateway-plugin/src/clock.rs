//! The wall clock, and whether it may be believed.
//!
//! A round is a stretch of wall time: a gateway whose clock is wrong would seal a reading for the
//! wrong round. So a round is entered only while the clock is plausible: not before this program
//! was made, not before the latest time that the ledger has seen, and close to the provider's, as
//! told by the `Date` header of its answers. The provider can thereby keep a gateway out of a
//! round, which it can do anyway; it cannot make it use a round twice (the ledger sees to that).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use dcnet_protocol::round::{Schedule, UnixTime};

/// 2026-09-01T00:00:00Z: before the release of this program.
const RELEASE: UnixTime = UnixTime::from_secs(1_788_220_800);

/// How far the clock may run behind the ledger without being called set back, in milliseconds:
/// corrections by time synchronisation are small.
const SLACK: u64 = 2_000;

/// The system's wall clock; tests may shift it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    shift: Arc<AtomicI64>,
}

impl Clock {
    /// The system's wall clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The system's wall clock plus `shift` milliseconds, which may change while it is in use.
    pub fn shifted(shift: Arc<AtomicI64>) -> Self {
        Self { shift }
    }

    /// Now.
    pub fn now(&self) -> UnixTime {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let shifted = millis.saturating_add(self.shift.load(Ordering::Relaxed));
        UnixTime::from_millis(u64::try_from(shifted).unwrap_or(0))
    }
}

/// Judges the clock.
#[derive(Debug, Clone, Default)]
pub struct Plausibility {
    last_seen: Option<UnixTime>,
    provider: Option<Comparison>,
}

/// Our clock beside the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Comparison {
    ours: UnixTime,
    /// How far ours is certainly ahead (positive) or behind, in milliseconds.
    skew: i64,
}

impl Plausibility {
    /// `last_seen` is what the ledger has seen.
    pub fn new(last_seen: Option<UnixTime>) -> Self {
        Self {
            last_seen,
            provider: None,
        }
    }

    /// Takes note of a `Date` header, in seconds since 1970 UTC: the request left at `sent`, its
    /// answer was there at `received`.
    ///
    /// The header is cut to whole seconds, and was written somewhere between the two times; what
    /// counts is the difference that remains in the best case.
    pub fn compare(&mut self, sent: UnixTime, received: UnixTime, date_seconds: u64) {
        let earliest = i128::from(date_seconds) * 1000;
        let latest = earliest + 999;
        let (sent, arrived) = (i128::from(sent.millis()), i128::from(received.millis()));
        let skew = if sent > latest {
            sent - latest
        } else if arrived < earliest {
            arrived - earliest
        } else {
            0
        };
        let skew = i64::try_from(skew).unwrap_or(if skew > 0 { i64::MAX } else { i64::MIN });
        self.provider = Some(Comparison {
            ours: received,
            skew,
        });
    }

    /// Takes note that `now` went into the ledger.
    pub fn seen(&mut self, now: UnixTime) {
        self.last_seen = self.last_seen.max(Some(now));
    }

    /// Whether a round may be entered at `now`.
    ///
    /// # Errors
    ///
    /// Why the clock cannot be believed.
    pub fn judge(&self, now: UnixTime, schedule: &Schedule) -> Result<(), ImplausibleClock> {
        if now < RELEASE {
            return Err(ImplausibleClock::BeforeRelease);
        }
        if let Some(last_seen) = self.last_seen
            && now.plus_millis(SLACK) < last_seen
        {
            let seconds = last_seen.millis_since(now) / 1000;
            return Err(ImplausibleClock::SetBack { seconds });
        }
        let limit = schedule.submit_millis() / 2;
        let Some(Comparison { ours, skew }) = self.provider else {
            return Err(ImplausibleClock::NotCompared);
        };
        if skew.unsigned_abs() > limit {
            return Err(ImplausibleClock::Skew {
                seconds: skew.unsigned_abs().div_ceil(1000),
                direction: if skew > 0 { "ahead of" } else { "behind" },
                limit: limit.div_ceil(1000),
            });
        }
        // A comparison wears off: our clock may have been set since.
        if now.plus_millis(SLACK) < ours || now.millis_since(ours) > 3 * schedule.interval_millis()
        {
            return Err(ImplausibleClock::NotCompared);
        }
        Ok(())
    }
}

/// Why the clock cannot be believed, in words for the owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImplausibleClock {
    /// Years behind: the device has no battery for its clock and no time from the network yet.
    #[error("the clock shows a time before this program was made; set it (time synchronisation)")]
    BeforeRelease,
    /// Behind the ledger.
    #[error(
        "the clock was set back by {seconds} s: rounds already entered are not entered again; it \
         goes on when that time is over"
    )]
    SetBack {
        /// By how much.
        seconds: u64,
    },
    /// The provider has not answered yet, or not for long.
    #[error("the clock could not be compared with the provider's, which has not answered")]
    NotCompared,
    /// Too far from the provider's.
    #[error(
        "the clock is {seconds} s {direction} the provider's, more than {limit} s: switch on time \
         synchronisation"
    )]
    Skew {
        /// By how much at least.
        seconds: u64,
        /// In words.
        direction: &'static str,
        /// Allowed.
        limit: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcnet_protocol::descriptor::NetDescriptor;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn schedule() -> Schedule {
        // interval 900 s, windows 60 s and 60 s
        crate::testing::descriptor(900, 60, 60).schedule()
    }

    fn compared(ours: UnixTime, date: u64) -> Plausibility {
        let mut plausibility = Plausibility::new(None);
        plausibility.compare(ours.minus_millis(20), ours, date);
        plausibility
    }

    #[test]
    fn a_clock_like_the_providers_is_believed() {
        let _: NetDescriptor = crate::testing::descriptor(900, 60, 60);
        for date in [1_800_000_000 - 30, 1_800_000_000, 1_800_000_000 + 30] {
            assert_eq!(
                compared(NOW, date).judge(NOW, &schedule()),
                Ok(()),
                "{date}"
            );
        }
    }

    #[test]
    fn half_a_submission_window_is_the_limit() {
        assert_eq!(
            compared(NOW, 1_800_000_000 - 32).judge(NOW, &schedule()),
            Err(ImplausibleClock::Skew {
                seconds: 31,
                direction: "ahead of",
                limit: 30
            })
        );
        assert_eq!(
            compared(NOW, 1_800_000_000 + 31).judge(NOW, &schedule()),
            Err(ImplausibleClock::Skew {
                seconds: 31,
                direction: "behind",
                limit: 30
            })
        );
    }

    #[test]
    fn no_comparison_no_round() {
        let plausibility = Plausibility::new(None);
        assert_eq!(
            plausibility.judge(NOW, &schedule()),
            Err(ImplausibleClock::NotCompared)
        );
        let old = compared(NOW, 1_800_000_000);
        let later = NOW.plus_millis(3 * 900_000 + 1);
        assert_eq!(
            old.judge(later, &schedule()),
            Err(ImplausibleClock::NotCompared)
        );
    }

    #[test]
    fn not_before_the_release_and_not_before_the_ledger() {
        let past = UnixTime::from_secs(1_700_000_000);
        assert_eq!(
            compared(past, 1_700_000_000).judge(past, &schedule()),
            Err(ImplausibleClock::BeforeRelease)
        );
        let mut plausibility = compared(NOW, 1_800_000_000);
        plausibility.seen(NOW.plus_millis(10_000));
        assert_eq!(
            plausibility.judge(NOW, &schedule()),
            Err(ImplausibleClock::SetBack { seconds: 10 })
        );
        plausibility.seen(NOW);
        assert!(
            plausibility.judge(NOW, &schedule()).is_err(),
            "what was seen stays seen"
        );
        let later = NOW.plus_millis(8_000);
        assert_eq!(plausibility.judge(later, &schedule()), Ok(()));
    }
}
