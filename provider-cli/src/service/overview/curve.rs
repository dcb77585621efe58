//! Curves over time out of the sums of rounds, beside what was yesterday, a week ago, and what a load
//! profile expects.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::tz::TimeZone;
use jiff::{Span as Length, Timestamp};

use super::quantity::Quantity;
use super::reference::Reference;

/// Points of a curve at most; beyond, each is the mean of several rounds.
const MOST_POINTS: u64 = 700;
/// Longest time that a curve shows, in seconds: a week that has an hour more.
pub(crate) const LONGEST: i64 = 7 * 86_400 + 3600;
/// Up to here yesterday stands beside it, in seconds: a day that has an hour more. Beyond it would be
/// the same curve once more.
const A_DAY: i64 = 90_000;

/// What is shown: from the first to before the second, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// What a round says for a curve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Its sum in the slot; `None` is no sum, never 0.
    pub(crate) sum: Option<i128>,
    /// Households in the sum.
    pub(crate) households: u64,
    pub(crate) is_corrected: bool,
    pub(crate) is_failed: bool,
}

/// By number of the round.
pub(crate) type Samples = BTreeMap<u64, Sample>;

/// What a curve is computed from.
#[derive(Debug)]
pub(crate) struct Basis<'a> {
    /// Seconds of a round.
    pub(crate) interval: u64,
    pub(crate) quantity: &'a Quantity,
    pub(crate) zone: &'a TimeZone,
    pub(crate) reference: Option<&'a Reference>,
    pub(crate) samples: &'a Samples,
    /// The first round that there ever was.
    pub(crate) first: Option<u64>,
    /// The last round that has to be final by now.
    pub(crate) due: Option<u64>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Curve {
    pub(crate) span: Span,
    /// Rounds of which each point is the mean.
    pub(crate) rounds_per_point: u64,
    pub(crate) points: Vec<Point>,
    /// Whether the day before is compared with, and not only the week before.
    pub(crate) has_yesterday: bool,
}

/// A stretch of time in a curve. Values are thousandths of the quantity's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// Its first instant, seconds since 1970.
    pub(crate) start: i64,
    /// Its end.
    pub(crate) end: i64,
    pub(crate) state: State,
    pub(crate) corrected: u64,
    pub(crate) failed: u64,
    pub(crate) yesterday: Option<i64>,
    pub(crate) last_week: Option<i64>,
    pub(crate) reference: Option<i64>,
}

/// What is known of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Every round of it has a sum: their mean.
    Value(i64),
    /// Some round has none.
    Gap,
    /// Not over, or not final.
    Pending,
    /// Before the first round ever.
    Before,
}

impl Span {
    /// The rounds of `interval` seconds in it, as numbers.
    fn rounds(self, interval: u64) -> RangeInclusive<u64> {
        let number = |time: i64| u64::try_from(time).unwrap_or(0) / interval.max(1);
        number(self.from)..=number(self.to.saturating_sub(1))
    }

    /// As many calendar days earlier.
    fn earlier(self, days: i64, zone: &TimeZone) -> Option<Self> {
        Some(Self {
            from: earlier(self.from, days, zone)?,
            to: earlier(self.to, days, zone)?,
        })
    }

    fn seconds(self) -> i64 {
        self.to.saturating_sub(self.from)
    }
}

/// The rounds that a curve over `span` needs, ascending, no two of which overlap.
pub(crate) fn needed(span: Span, interval: u64, zone: &TimeZone) -> Vec<RangeInclusive<u64>> {
    let mut spans = vec![span];
    let days: &[i64] = if span.seconds() <= A_DAY {
        &[1, 7]
    } else {
        &[7]
    };
    spans.extend(days.iter().filter_map(|days| span.earlier(*days, zone)));
    // A point may begin before the span, and end behind it; where clocks are moved local times move by
    // an hour against its ends.
    let mut ranges: Vec<_> = spans
        .into_iter()
        .map(|Span { from, to }| {
            Span {
                from: from - 3600,
                to: to + 3600,
            }
            .rounds(interval)
        })
        .collect();
    ranges.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

impl Curve {
    /// Computes the curve over `span`.
    pub(crate) fn over(span: Span, basis: &Basis<'_>) -> Self {
        let rounds = span.rounds(basis.interval);
        let count = rounds
            .end()
            .saturating_sub(*rounds.start())
            .saturating_add(1);
        let each = count.div_ceil(MOST_POINTS).max(1);
        let has_yesterday = span.seconds() <= A_DAY;
        let mut households = basis.first_households(*rounds.start());
        let mut points = Vec::new();
        let mut round = *rounds.start();
        while round <= *rounds.end() && points.len() < usize::try_from(MOST_POINTS).unwrap_or(0) {
            let all = || round..round.saturating_add(each);
            let start = basis.start_of(round);
            if let Some(known) = all().rev().find_map(|round| basis.households(round)) {
                households = Some(known);
            }
            let samples = || all().filter_map(|round| basis.samples.get(&round));
            let count = |is: fn(&Sample) -> bool| {
                u64::try_from(samples().filter(|sample| is(sample)).count()).unwrap_or(0)
            };
            points.push(Point {
                start,
                end: basis.start_of(round.saturating_add(each)),
                state: basis.state(round, each),
                corrected: count(|sample| sample.is_corrected),
                failed: count(|sample| sample.is_failed),
                yesterday: has_yesterday
                    .then(|| basis.earlier(start, 1, each))
                    .flatten(),
                last_week: basis.earlier(start, 7, each),
                reference: households.and_then(|count| basis.expected(start, each, count)),
            });
            round = round.saturating_add(each);
        }
        Self {
            span,
            rounds_per_point: each,
            points,
            has_yesterday,
        }
    }
}

impl Basis<'_> {
    fn start_of(&self, round: u64) -> i64 {
        i64::try_from(round.saturating_mul(self.interval)).unwrap_or(i64::MAX)
    }

    fn households(&self, round: u64) -> Option<u64> {
        let sample = self.samples.get(&round)?;
        sample.sum.is_some().then_some(sample.households)
    }

    /// Of the last sum up to `round`, or else of the first one behind it.
    fn first_households(&self, round: u64) -> Option<u64> {
        let known = |(_, sample): (&u64, &Sample)| sample.sum.map(|_| sample.households);
        let before = self.samples.range(..=round).rev().find_map(known);
        before.or_else(|| self.samples.range(round..).find_map(known))
    }

    /// The mean of `each` rounds; `None` if one of them has no sum.
    fn mean(&self, round: u64, each: u64) -> Option<i64> {
        let mut total = 0_i128;
        for round in round..round.saturating_add(each) {
            total = total.checked_add(self.samples.get(&round)?.sum?)?;
        }
        self.quantity.thousandths(total, each)
    }

    fn state(&self, round: u64, each: u64) -> State {
        let last = round.saturating_add(each.saturating_sub(1));
        match (self.mean(round, each), self.first) {
            (Some(value), _) => State::Value(value),
            (None, Some(first)) if last < first => State::Before,
            (None, None) => State::Before,
            (None, Some(_)) if self.due.is_none_or(|due| last > due) => State::Pending,
            (None, Some(_)) => State::Gap,
        }
    }

    /// The same local time so many days before.
    fn earlier(&self, start: i64, days: i64, each: u64) -> Option<i64> {
        let then = u64::try_from(earlier(start, days, self.zone)?).ok()?;
        self.mean(then / self.interval.max(1), each)
    }

    /// What the load profile expects, as the mean over the quarters of an hour.
    fn expected(&self, start: i64, each: u64, households: u64) -> Option<i64> {
        const QUARTER: i64 = 900;
        let reference = self.reference.filter(|_| self.quantity.is_load)?;
        let length = i64::try_from(each.saturating_mul(self.interval)).ok()?;
        let quarters = (length / QUARTER).clamp(1, 96);
        let mut total = 0;
        for quarter in 0..quarters {
            let time = Timestamp::from_second(start + quarter * QUARTER).ok()?;
            total += reference.power(time, self.zone, households)?;
        }
        i64::try_from(total / i128::from(quarters)).ok()
    }
}

/// The instant that shows the same local time `days` calendar days before; the earlier one if there are
/// two, `None` if there is none because clocks were put forward.
fn earlier(time: i64, days: i64, zone: &TimeZone) -> Option<i64> {
    let local = zone.to_datetime(Timestamp::from_second(time).ok()?);
    let then = local.checked_sub(Length::new().days(days)).ok()?;
    let then = zone.to_ambiguous_timestamp(then);
    if matches!(then.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
        return None;
    }
    Some(then.earlier().ok()?.as_second())
}

#[cfg(test)]
mod tests;
