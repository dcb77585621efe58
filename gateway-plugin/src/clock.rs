//! The wall clock, and whether it may be believed.
//!
//! A round is a stretch of wall time: a gateway whose clock is wrong would seal a reading for the
//! wrong round. So a round is entered only while the clock is plausible: not before this program
//! was made, not before the latest time that the ledger has seen, and close to the provider's, as
//! told by the `Date` header of its answers. The provider can thereby keep a gateway out of a
//! round, which it can do anyway; it cannot make it use a round twice (the ledger sees to that).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dcnet_protocol::round::{Schedule, UnixTime};

/// 2026-09-01T00:00:00Z: before the release of this program.
const RELEASE: UnixTime = UnixTime::from_secs(1_788_220_800);

/// How far the clock may run behind the ledger without being called set back, in milliseconds:
/// corrections by time synchronisation are small.
const SLACK: u64 = 2_000;

/// Longest exchange with the provider from which the clocks are compared.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(5);

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

/// Whether the clock shows a time at which this program can run: what is not for a net needs no
/// comparison with a provider, but no date of 1970 either.
pub(crate) fn is_set(now: UnixTime) -> bool {
    now >= RELEASE
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
    /// The same moment by the monotonic clock, which nobody sets.
    instant: Instant,
    /// How far ours is certainly ahead (positive) or behind, in milliseconds.
    skew: i64,
}

/// What an exchange with the provider tells about the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// When the answer was there, by our clock.
    pub received: UnixTime,
    /// The same moment by the monotonic clock.
    pub instant: Instant,
    /// How long it took, by the monotonic clock.
    pub took: Duration,
    /// The `Date` header of the answer, in seconds since 1970 UTC.
    pub date: u64,
}

impl Plausibility {
    /// `last_seen` is what the ledger has seen.
    pub fn new(last_seen: Option<UnixTime>) -> Self {
        Self {
            last_seen,
            provider: None,
        }
    }

    /// Takes note of an exchange, if it was quick enough to tell something.
    ///
    /// The header is cut to whole seconds, and was written at some moment of the exchange; what
    /// counts is the difference that remains in the best case.
    pub fn compare(&mut self, exchange: Exchange) {
        let Exchange {
            received,
            instant,
            took,
            date,
        } = exchange;
        if took > LONGEST_EXCHANGE {
            return;
        }
        let (earliest, latest) = (i128::from(date) * 1000, i128::from(date) * 1000 + 999);
        let arrived = i128::from(received.millis());
        let sent = arrived - i128::try_from(took.as_millis()).unwrap_or(i128::MAX / 2);
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
            instant,
            skew,
        });
    }

    /// Takes note that `now` went into the ledger.
    pub fn seen(&mut self, now: UnixTime) {
        self.last_seen = self.last_seen.max(Some(now));
    }

    /// Whether a round may be entered at `now`, which is `instant` by the monotonic clock.
    ///
    /// # Errors
    ///
    /// Why the clock cannot be believed.
    pub fn judge(
        &self,
        now: UnixTime,
        instant: Instant,
        schedule: &Schedule,
    ) -> Result<(), ImplausibleClock> {
        if !is_set(now) {
            return Err(ImplausibleClock::BeforeRelease);
        }
        if let Some(last_seen) = self.last_seen
            && now.plus_millis(SLACK) < last_seen
        {
            let seconds = last_seen.millis_since(now) / 1000;
            return Err(ImplausibleClock::SetBack { seconds });
        }
        let limit = schedule.submit_millis() / 2;
        let Some(Comparison {
            ours,
            instant: compared,
            skew,
        }) = self.provider
        else {
            return Err(ImplausibleClock::NotCompared);
        };
        if skew.unsigned_abs() > limit {
            return Err(ImplausibleClock::Skew {
                seconds: skew.unsigned_abs().div_ceil(1000),
                direction: if skew > 0 { "ahead of" } else { "behind" },
                limit: limit.div_ceil(1000),
            });
        }
        // A comparison counts as long as nobody sets our clock, and not for ever.
        let passed = instant.saturating_duration_since(compared).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let expected = ours.plus_millis(passed);
        let set = now.millis_since(expected).max(expected.millis_since(now));
        if set > SLACK || passed > 3 * schedule.interval_millis() {
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

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn schedule() -> Schedule {
        // interval 900 s, windows 60 s and 60 s
        crate::testing::descriptor(900, 60, 60).schedule()
    }

    fn exchange(ours: UnixTime, instant: Instant, took: u64, date: u64) -> Exchange {
        Exchange {
            received: ours,
            instant,
            took: Duration::from_millis(took),
            date,
        }
    }

    /// Just compared, and asked at once.
    fn judged(ours: UnixTime, date: u64) -> Result<(), ImplausibleClock> {
        let (mut plausibility, instant) = (Plausibility::new(None), Instant::now());
        plausibility.compare(exchange(ours, instant, 20, date));
        plausibility.judge(ours, instant, &schedule())
    }

    #[test]
    fn a_clock_like_the_providers_is_believed() {
        for date in [1_800_000_000 - 30, 1_800_000_000, 1_800_000_000 + 30] {
            assert_eq!(judged(NOW, date), Ok(()), "{date}");
        }
    }

    #[test]
    fn half_a_submission_window_is_the_limit() {
        assert_eq!(
            judged(NOW, 1_800_000_000 - 32),
            Err(ImplausibleClock::Skew {
                seconds: 31,
                direction: "ahead of",
                limit: 30
            })
        );
        assert_eq!(
            judged(NOW, 1_800_000_000 + 31),
            Err(ImplausibleClock::Skew {
                seconds: 31,
                direction: "behind",
                limit: 30
            })
        );
    }

    #[test]
    fn no_comparison_no_round() {
        let mut plausibility = Plausibility::new(None);
        let instant = Instant::now();
        let refused = Err(ImplausibleClock::NotCompared);
        assert_eq!(plausibility.judge(NOW, instant, &schedule()), refused);
        // An answer that was held back tells nothing.
        plausibility.compare(exchange(NOW, instant, 25_000, 1_800_000_000));
        assert_eq!(plausibility.judge(NOW, instant, &schedule()), refused);
        plausibility.compare(exchange(NOW, instant, 4_000, 1_800_000_000));
        assert_eq!(plausibility.judge(NOW, instant, &schedule()), Ok(()));
        let long = 3 * 900_000 + 1;
        let later = instant + Duration::from_millis(long);
        assert_eq!(
            plausibility.judge(NOW.plus_millis(long), later, &schedule()),
            refused
        );
    }

    #[test]
    fn a_clock_that_is_set_has_to_be_compared_again() {
        let (mut plausibility, instant) = (Plausibility::new(None), Instant::now());
        plausibility.compare(exchange(NOW, instant, 20, 1_800_000_000));
        let later = instant + Duration::from_mins(1);
        for (now, believed) in [
            (60_000, true),
            (58_500, true),
            (61_500, true),
            (57_000, false),
            (90_000, false),
        ] {
            let judged = plausibility.judge(NOW.plus_millis(now), later, &schedule());
            assert_eq!(judged.is_ok(), believed, "{now}");
        }
    }

    #[test]
    fn not_before_the_release_and_not_before_the_ledger() {
        let past = UnixTime::from_secs(1_700_000_000);
        assert_eq!(
            judged(past, 1_700_000_000),
            Err(ImplausibleClock::BeforeRelease)
        );
        let (mut plausibility, instant) = (Plausibility::new(None), Instant::now());
        plausibility.compare(exchange(NOW, instant, 20, 1_800_000_000));
        plausibility.seen(NOW.plus_millis(10_000));
        let refused = Err(ImplausibleClock::SetBack { seconds: 10 });
        assert_eq!(plausibility.judge(NOW, instant, &schedule()), refused);
        plausibility.seen(NOW);
        assert_eq!(
            plausibility.judge(NOW, instant, &schedule()),
            refused,
            "what was seen stays"
        );
        let later = instant + Duration::from_secs(8);
        assert_eq!(
            plausibility.judge(NOW.plus_millis(8_000), later, &schedule()),
            Ok(())
        );
    }
}
