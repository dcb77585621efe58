//! What was counted over stretches of time, out of the readings at borders.

use std::collections::BTreeMap;

use dcnet_profiles::evaluation::{BorderReading, EvaluationProfile, Method, Slot, reading};
use dcnet_profiles::tariff::Zone;
use dcnet_protocol::round::{Schedule, UnixTime};
use jiff::civil::Date;

use super::frame::Fault;
use crate::ledger::View;

/// A stretch of time: its beginning, and where the next one begins.
pub(super) type Span = (UnixTime, UnixTime);

/// Readings at borders, out of which the values of rounds come.
#[derive(Debug)]
pub(super) struct Series {
    schedule: Schedule,
    now: UnixTime,
    /// The oldest border that is kept.
    first: Option<UnixTime>,
    /// Ascending.
    borders: Vec<BorderReading>,
}

/// What was counted in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) span: Span,
    /// Of the rounds that have a value, in the slot's scale.
    pub(super) sum: i128,
    /// Rounds with a value.
    pub(super) known: u64,
    /// Rounds that are over, of a time from which there are records, and have no value.
    pub(super) missing: u64,
    /// What to say if neither is there.
    pub(super) is_future: bool,
}

impl Series {
    /// Reads what is kept of a span. `None` before the first contact with the net.
    pub(super) fn read(view: &View, now: UnixTime, span: Span) -> Result<Option<Self>, Fault> {
        let Some(descriptor) = view.descriptor()? else {
            return Ok(None);
        };
        // The border at the end of the last round ends the span.
        let borders = view.borders(span.0, span.1)?;
        let borders = borders
            .iter()
            .filter_map(|bytes| BorderReading::decode(bytes));
        Ok(Some(Self {
            schedule: descriptor.schedule(),
            now,
            first: view.first_border()?,
            borders: borders.collect(),
        }))
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// What a slot counted in each of `spans`.
    pub(super) fn tallies(
        &self,
        evaluation: &EvaluationProfile,
        slot: &Slot,
        spans: &[Span],
    ) -> Vec<Tally> {
        let rounds = self.rounds(evaluation, slot);
        let interval = self.schedule.interval_millis();
        // The first round that begins at or after a time.
        let from = |time: UnixTime| time.millis().div_ceil(interval);
        // A round may come in until the next one is over.
        let over = (self.now.millis() / interval).saturating_sub(1);
        let first = self.first.map_or(u64::MAX, from);
        let tally = |&(begin, end): &Span| {
            let (first_round, end_round) = (from(begin), from(end));
            let mut tally = Tally {
                span: (begin, end),
                sum: 0,
                known: 0,
                missing: 0,
                is_future: end > self.now,
            };
            let mut known_and_over = 0;
            for (round, value) in rounds.range(first_round..end_round) {
                tally.sum += i128::from(*value);
                tally.known += 1;
                known_and_over += u64::from(*round < over);
            }
            let expected = end_round.min(over).saturating_sub(first_round.max(first));
            tally.missing = expected.saturating_sub(known_and_over);
            tally
        };
        spans.iter().map(tally).collect()
    }

    /// Round to value. A round has one if both of its borders were read.
    fn rounds(&self, evaluation: &EvaluationProfile, slot: &Slot) -> BTreeMap<u64, i64> {
        let mut alone = evaluation.clone();
        // One slot without a value does not hide the others, and bounds are for what leaves the house.
        alone.slots = vec![Slot {
            clip: None,
            ..slot.clone()
        }];
        let interval = self.schedule.interval_millis();
        let pairs = self.borders.iter().zip(self.borders.iter().skip(1));
        let neighbours = pairs.filter(|(start, end)| {
            end.border.millis_since(start.border) == interval
                && start.border.millis().is_multiple_of(interval)
        });
        neighbours
            .filter_map(|(start, end)| {
                let value = reading(&alone, Some(start), end).ok()?;
                let round = self.schedule.round_at(start.border);
                Some((round.number(), value.values.first().copied()?))
            })
            .collect()
    }
}

/// The slots whose values add up over time: what registers counted.
pub(super) fn counting(evaluation: &EvaluationProfile) -> impl Iterator<Item = &Slot> {
    let slots = evaluation.slots.iter();
    slots.filter(|slot| slot.method == Method::Advance)
}

/// Most bars of a day of 24 hours.
const MOST_BARS: u64 = 96;

/// The parts of a local day that get a bar each: whole rounds, as many as keep the chart readable.
pub(super) fn parts_of(zone: &Zone, date: Date, schedule: &Schedule) -> Vec<Span> {
    let Some((midnight, end)) = day(zone, date) else {
        return Vec::new();
    };
    let length = bar_length(schedule.interval_millis());
    let mut spans = Vec::new();
    let mut begin = midnight;
    while begin < end {
        let next = begin.plus_millis(length).min(end);
        spans.push((begin, next));
        begin = next;
    }
    spans
}

/// A local day: 23, 24 or 25 hours.
pub(super) fn day(zone: &Zone, date: Date) -> Option<Span> {
    Some((zone.midnight(date)?, zone.midnight(date.tomorrow().ok()?)?))
}

/// For how long a bar of a day stands, in milliseconds.
fn bar_length(interval: u64) -> u64 {
    const MINUTE: u64 = 60_000;
    const ROUND_LENGTHS: [u64; 5] = [15, 20, 30, 60, 120];
    let least = 24 * 60 * MINUTE / MOST_BARS;
    let lengths = ROUND_LENGTHS.map(|minutes| minutes * MINUTE);
    let fits = |length: &u64| *length >= interval && length.is_multiple_of(interval);
    let fitting = lengths.into_iter().find(fits);
    fitting.unwrap_or_else(|| least.max(1).div_ceil(interval) * interval)
}

#[cfg(test)]
mod tests {
    use dcnet_obis::{ObisCode, Unit};
    use dcnet_profiles::Profile;
    use dcnet_profiles::evaluation::{BorderValue, MeterBorder};
    use dcnet_profiles::meter::DeviceId;

    use super::*;

    const QUARTER: u64 = 900_000;

    fn schedule(interval: u32) -> Schedule {
        crate::testing::descriptor(interval, interval / 4, interval / 4).schedule()
    }

    fn evaluation() -> EvaluationProfile {
        let catalog = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles/catalog");
        let profile = Profile::load(&catalog.join("household-d0.yaml")).unwrap();
        let mut slot = profile.evaluation.slots[0].clone();
        (slot.obis, slot.unit, slot.scale) = (ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WATT_HOUR, -1);
        let mut evaluation = profile.evaluation;
        evaluation.slots = vec![slot];
        evaluation
    }

    fn border(time: UnixTime, value: i64) -> BorderReading {
        BorderReading {
            border: time,
            meters: vec![MeterBorder {
                meter: String::new(),
                time,
                device: DeviceId::from([1].as_slice()),
                values: vec![BorderValue {
                    obis: ObisCode::ACTIVE_ENERGY_IMPORT,
                    scale: -1,
                    value,
                    resolution: -1,
                }],
                lacking: Vec::new(),
            }],
        }
    }

    /// A register that counts 10 in each round from `from` to `to`, without the borders in `gaps`.
    fn series(from: UnixTime, to: UnixTime, now: UnixTime, gaps: &[u64]) -> Series {
        let times =
            (0..=to.millis_since(from) / QUARTER).map(|n| (n, from.plus_millis(n * QUARTER)));
        let borders = times.filter(|(n, _)| !gaps.contains(n));
        Series {
            schedule: schedule(900),
            now,
            first: Some(from),
            borders: borders
                .map(|(n, time)| border(time, i64::try_from(n).unwrap() * 10))
                .collect(),
        }
    }

    fn span(date: Date) -> Span {
        day(&Zone::berlin(), date).unwrap()
    }

    #[test]
    fn days_have_23_24_or_25_hours() {
        let zone = Zone::berlin();
        for (date, rounds) in [
            (Date::constant(2026, 3, 29), 92),
            (Date::constant(2026, 10, 25), 100),
            (Date::constant(2026, 11, 26), 96),
        ] {
            let spans = parts_of(&zone, date, &schedule(900));
            assert_eq!(spans.len(), rounds, "{date}");
            assert!(
                spans
                    .iter()
                    .zip(&spans[1..])
                    .all(|(one, two)| one.1 == two.0)
            );
            assert_eq!((spans[0].0, spans[rounds - 1].1), span(date));
            let whole = span(date);
            let series = series(whole.0, whole.1, whole.1.plus_millis(10 * QUARTER), &[]);
            let evaluation = evaluation();
            let slot = &evaluation.slots[0];
            let tallies = series.tallies(&evaluation, slot, &[whole]);
            let rounds = u64::try_from(rounds).unwrap();
            assert_eq!(
                (tallies[0].known, tallies[0].missing),
                (rounds, 0),
                "{date}"
            );
            assert_eq!(tallies[0].sum, i128::from(rounds) * 10);
            let parts = series.tallies(&evaluation, slot, &spans);
            assert!(parts.iter().all(|part| (part.sum, part.known) == (10, 1)));
        }
    }

    #[test]
    fn a_border_that_was_not_read_makes_two_gaps_and_no_zero() {
        let date = Date::constant(2026, 11, 26);
        let (begin, end) = span(date);
        let series = series(begin, end, end.plus_millis(10 * QUARTER), &[8]);
        let evaluation = evaluation();
        let spans = parts_of(&Zone::berlin(), date, &schedule(900));
        let parts = series.tallies(&evaluation, &evaluation.slots[0], &spans);
        let gaps: Vec<_> = parts.iter().map(|part| part.missing).collect();
        assert_eq!(gaps.iter().sum::<u64>(), 2);
        assert_eq!((gaps[7], gaps[8]), (1, 1));
        let day = series.tallies(&evaluation, &evaluation.slots[0], &[(begin, end)])[0];
        assert_eq!((day.sum, day.known, day.missing), (940, 94, 2));
    }

    #[test]
    fn what_is_not_over_and_what_was_before_is_no_gap() {
        let date = Date::constant(2026, 11, 26);
        let (begin, end) = span(date);
        // Records begin at 06:00; it is 12:05.
        let from = begin.plus_millis(24 * QUARTER);
        let now = begin.plus_millis(48 * QUARTER + 300_000);
        let series = series(from, begin.plus_millis(47 * QUARTER), now, &[]);
        let evaluation = evaluation();
        let spans = parts_of(&Zone::berlin(), date, &schedule(900));
        let parts = series.tallies(&evaluation, &evaluation.slots[0], &spans);
        assert_eq!(parts.len(), 96);
        assert!(parts.iter().all(|part| part.missing == 0));
        assert_eq!(parts.iter().map(|part| part.known).sum::<u64>(), 23);
        assert!(!parts[0].is_future && parts[95].is_future);
        let before = date.yesterday().unwrap();
        let yesterday = series.tallies(&evaluation, &evaluation.slots[0], &[span(before)])[0];
        assert_eq!(
            (yesterday.known, yesterday.missing, end > now),
            (0, 0, true)
        );
    }

    #[test]
    fn bars_of_short_rounds_stand_for_many() {
        for (interval, length) in [
            (900, 900),
            (60, 900),
            (10, 900),
            (7, 903),
            (3_600, 3_600),
            (1_200, 1_200),
        ] {
            assert_eq!(bar_length(interval * 1_000), length * 1_000, "{interval}");
        }
        let spans = parts_of(&Zone::berlin(), Date::constant(2026, 10, 25), &schedule(10));
        assert_eq!(spans.len(), 100);
    }
}
