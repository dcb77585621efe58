//! TAF-1, 2 and 6: billing periods, stages by local time, error register, midnights.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use dcnet_obis::{Entry, ScaledInteger, Telegram, Unit};
use dcnet_profiles::evaluation::Collector;
use dcnet_profiles::meter::DeviceId;
use dcnet_profiles::tariff::{
    BillingError, BillingState, ClosedPeriod, Closure, DailyValues, INTERVAL, RegisterReading, Zone,
};
use dcnet_profiles::{Profile, TariffProfile};
use dcnet_protocol::round::UnixTime;
use proptest::prelude::*;

fn catalogued(name: &str) -> Profile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    Profile::load(&folder.join(name)).unwrap()
}

fn monthly() -> TariffProfile {
    catalogued("tariff-monthly.yaml").tariffs.remove(0)
}

fn day_night() -> TariffProfile {
    catalogued("tariff-day-night.yaml").tariffs.remove(0)
}

fn at(text: &str) -> UnixTime {
    let time: jiff::Timestamp = text.parse().unwrap();
    UnixTime::from_millis(time.as_millisecond().try_into().unwrap())
}

fn register(time: UnixTime, value: i64) -> RegisterReading {
    RegisterReading {
        time,
        device: DeviceId::from([1].as_slice()),
        value,
    }
}

/// The state after these readings, and what was closed. Every state goes through the ledger.
fn run(tariff: &TariffProfile, readings: &[RegisterReading]) -> (BillingState, Vec<ClosedPeriod>) {
    let (mut state, mut closed) = (BillingState::default(), Vec::new());
    for reading in readings {
        let (next, period) = state.advance(tariff, reading).unwrap();
        state = BillingState::decode(&next.encode().unwrap()).unwrap();
        assert_eq!(state, next);
        if let Some(period) = period {
            let bytes = period.encode().unwrap();
            closed.extend(ClosedPeriod::decode(&bytes));
            assert_eq!(closed.last(), Some(&period));
        }
    }
    (state, closed)
}

/// Stages and error register after these readings.
fn registers(tariff: &TariffProfile, readings: &[(&str, i64)]) -> (Vec<i64>, i64) {
    let readings: Vec<_> = readings
        .iter()
        .map(|(time, value)| register(at(time), *value))
        .collect();
    let (state, closed) = run(tariff, &readings);
    assert_eq!(closed, []);
    let running = &state.running().unwrap().period;
    let stages = running.stages.iter().map(|(_, value)| *value).collect();
    (stages, running.error)
}

/// A register that counts 1 in every quarter of an hour from `from` to `to`.
fn quarters(from: &str, to: &str) -> Vec<RegisterReading> {
    let (from, to) = (at(from).millis(), at(to).millis());
    (0..)
        .zip((from..=to).step_by(usize::try_from(INTERVAL).unwrap()))
        .map(|(value, time)| register(UnixTime::from_millis(time), value))
        .collect()
}

fn day(tariff: &TariffProfile, from: &str, to: &str) -> (usize, Vec<i64>, i64) {
    let readings = quarters(from, to);
    let (state, _) = run(tariff, &readings);
    let running = &state.running().unwrap().period;
    let stages = running.stages.iter().map(|(_, value)| *value).collect();
    (readings.len() - 1, stages, running.error)
}

#[test]
fn a_month_is_closed_by_the_reading_at_its_end() {
    let readings = [
        register(at("2026-10-15T10:00:00Z"), 100),
        register(at("2026-10-31T22:45:00Z"), 900),
        register(at("2026-10-31T23:00:00Z"), 1_000), // midnight in Berlin
        register(at("2026-11-01T00:00:00Z"), 1_010),
    ];
    let (state, closed) = run(&monthly(), &readings);
    let [october] = closed.as_slice() else {
        panic!("{closed:?}")
    };
    assert_eq!(october.closure, Closure::Ended);
    let october = &october.period;
    assert_eq!(october.begin, at("2026-09-30T22:00:00Z"));
    assert_eq!(october.end, at("2026-10-31T23:00:00Z"));
    assert_eq!(october.stages, [("total".to_owned(), 900)]);
    assert_eq!((october.error, october.total()), (0, 900));
    let november = &state.running().unwrap().period;
    assert_eq!(november.from, readings[2]);
    assert_eq!(november.stages, [("total".to_owned(), 10)]);
}

#[test]
fn periods_of_several_months_begin_where_the_profile_says() {
    let mut tariff = monthly();
    (tariff.months, tariff.first_month) = (6, 4);
    let period = tariff.period_at(at("2026-02-10T00:00:00Z"));
    let expected = (at("2025-09-30T22:00:00Z"), at("2026-03-31T22:00:00Z"));
    assert_eq!(period, Some(expected));
    tariff.months = 12;
    let period = tariff.period_at(at("2026-03-31T22:00:00Z"));
    let expected = (at("2026-03-31T22:00:00Z"), at("2027-03-31T22:00:00Z"));
    assert_eq!(period, Some(expected), "a border belongs to what begins");
}

#[test]
fn a_gap_across_the_end_of_a_period_goes_to_the_error_register() {
    let readings = [
        register(at("2026-10-31T22:45:00Z"), 900),
        register(at("2026-10-31T23:15:00Z"), 1_000),
    ];
    let (state, closed) = run(&monthly(), &readings);
    assert_eq!(closed[0].closure, Closure::Gap);
    assert_eq!(closed[0].period.total(), 0);
    let november = &state.running().unwrap().period;
    assert_eq!(
        (november.begin, november.error),
        (closed[0].period.end, 100)
    );
    assert_eq!(november.from, readings[0], "nothing is lost in between");
}

#[test]
fn a_gap_within_a_stage_is_none() {
    // Monday; 06:00 in Berlin is 05:00 UTC
    let readings = [("2026-11-23T05:00:00Z", 0), ("2026-11-23T21:00:00Z", 700)];
    assert_eq!(registers(&day_night(), &readings), (vec![700, 0], 0));
}

#[test]
fn a_reading_missing_at_a_switch_goes_to_the_error_register() {
    let readings = [
        ("2026-11-23T04:30:00Z", 0),
        ("2026-11-23T04:45:00Z", 10), // low
        ("2026-11-23T05:15:00Z", 35), // across 06:00
        ("2026-11-23T05:30:00Z", 42), // high
    ];
    assert_eq!(registers(&day_night(), &readings), (vec![7, 10], 25));
}

#[test]
fn a_long_gap_across_switches_is_not_guessed_even_if_its_ends_are_alike() {
    let readings = [("2026-11-23T04:45:00Z", 0), ("2026-11-24T04:45:00Z", 99)];
    assert_eq!(registers(&day_night(), &readings), (vec![0, 0], 99));
    // From Friday evening to Monday morning it is low all the time.
    let readings = [("2026-11-20T21:00:00Z", 0), ("2026-11-23T05:00:00Z", 99)];
    assert_eq!(registers(&day_night(), &readings), (vec![0, 99], 0));
}

#[test]
fn special_days_come_before_the_week() {
    let tariff = day_night();
    // Good Friday of 2027, and the Friday before it; the 1st of May 2028 is a Monday
    let noon = |date| tariff.stage_at(at(&format!("{date}T11:00:00Z")));
    assert_eq!(noon("2027-03-26"), Some(1));
    assert_eq!(noon("2027-03-19"), Some(0));
    assert_eq!(noon("2028-05-01"), Some(1));
    assert_eq!(noon("2028-05-02"), Some(0));
}

#[test]
fn seasons_go_on_over_the_new_year() {
    let mut tariff = day_night();
    tariff.seasons[0].from = "04-01".parse().unwrap();
    let mut winter = tariff.seasons[0].clone();
    winter.from = "10-01".parse().unwrap();
    winter.week = std::array::from_fn(|_| "rest".to_owned());
    tariff.seasons.push(winter);
    let noon = |date| tariff.stage_at(at(&format!("{date}T11:00:00Z")));
    assert_eq!(noon("2026-09-30"), Some(0));
    assert_eq!(noon("2026-10-01"), Some(1));
    assert_eq!(noon("2027-03-31"), Some(1));
    assert_eq!(noon("2027-04-01"), Some(0));
}

#[test]
fn days_have_92_96_and_100_quarters() {
    // Without Sundays, so that there is something to switch.
    let mut tariff = day_night();
    tariff.seasons[0].week = std::array::from_fn(|_| "workday".to_owned());
    let days = [
        ("2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", 96, 32),
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 92, 28),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 100, 36),
    ];
    for (from, to, count, low) in days {
        assert_eq!(day(&tariff, from, to), (count, vec![64, low], 0), "{from}");
    }
}

#[test]
fn an_hour_that_is_shown_twice_is_switched_twice() {
    let mut tariff = day_night();
    for day in &mut tariff.days {
        day.switches.truncate(1);
        let mut switch = day.switches[0].clone();
        switch.at = "02:30".parse().unwrap();
        switch.stage = "high".to_owned();
        day.switches.push(switch);
    }
    // low until 02:30, high until 03:00, low again until 02:30, then high
    let (count, stages, error) = day(&tariff, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    assert_eq!((count, stages, error), (100, vec![88, 12], 0));
    // An hour that is not shown takes its switch along: 03:00 follows 02:00.
    let (count, stages, error) = day(&tariff, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    assert_eq!((count, stages, error), (92, vec![84, 8], 0));
    // Nobody looked while the clocks were set back: low, high, low, high.
    let gap = [("2026-10-25T00:15:00Z", 0), ("2026-10-25T01:15:00Z", 5)];
    assert_eq!(registers(&tariff, &gap), (vec![0, 0], 5));
}

#[test]
fn another_zone_has_other_days() {
    let mut tariff = monthly();
    tariff.zone = "America/New_York".parse().unwrap();
    let period = tariff.period_at(at("2026-11-01T03:00:00Z")).unwrap();
    assert_eq!(period.1, at("2026-11-01T04:00:00Z"));
    assert_eq!(Zone::berlin().name(), "Europe/Berlin");
    assert!("Mars/Olympus".parse::<Zone>().is_err());
}

#[test]
fn a_replaced_meter_closes_the_period() {
    let other = RegisterReading {
        device: DeviceId::from([2].as_slice()),
        ..register(at("2026-11-03T00:00:00Z"), 5)
    };
    let readings = [
        register(at("2026-11-01T23:00:00Z"), 100),
        register(at("2026-11-02T23:00:00Z"), 150),
        other.clone(),
    ];
    let (state, closed) = run(&monthly(), &readings);
    assert_eq!(closed[0].closure, Closure::Replaced);
    assert_eq!(closed[0].period.total(), 50);
    assert_eq!(state.running().unwrap().period.from, other);
    // A register that went back is another one, whatever id it shows.
    let back = register(at("2026-11-03T00:00:00Z"), 149);
    let (_, closed) = run(
        &monthly(),
        &[readings[0].clone(), readings[1].clone(), back],
    );
    assert_eq!(closed[0].closure, Closure::Replaced);
}

#[test]
fn a_source_without_ids_goes_on_with_the_meter_that_was_there() {
    let nameless = RegisterReading {
        device: DeviceId::from([].as_slice()),
        ..register(at("2026-11-02T23:00:00Z"), 150)
    };
    let readings = [
        register(at("2026-11-01T23:00:00Z"), 100),
        nameless,
        register(at("2026-11-03T23:00:00Z"), 160),
    ];
    let (state, closed) = run(&monthly(), &readings);
    assert_eq!(closed, []);
    assert_eq!(state.running().unwrap().period.stages[0].1, 60);
}

#[test]
fn a_changed_tariff_begins_anew() {
    let first = register(at("2026-11-23T05:00:00Z"), 0);
    let (state, _) = run(&day_night(), std::slice::from_ref(&first));
    let mut tariff = day_night();
    tariff.stages.push("middle".to_owned());
    let next = register(at("2026-11-23T05:15:00Z"), 5);
    let (state, closed) = state.advance(&tariff, &next).unwrap();
    assert_eq!(closed.unwrap().closure, Closure::Changed);
    assert_eq!(state.running().unwrap().period.stages.len(), 3);
}

#[test]
fn stored_states_and_periods_are_whole_or_nothing() {
    let readings = [
        register(at("2026-10-31T22:45:00Z"), 900),
        register(at("2026-10-31T23:15:00Z"), 1_000),
    ];
    let (state, closed) = run(&day_night(), &readings);
    let (mut state, mut period) = (state.encode().unwrap(), closed[0].encode().unwrap());
    for length in 1..state.len() {
        assert_eq!(BillingState::decode(&state[..length]), None);
    }
    for length in 0..period.len() {
        assert_eq!(ClosedPeriod::decode(&period[..length]), None);
    }
    state.push(0);
    period.push(0);
    assert_eq!(BillingState::decode(&state), None);
    assert_eq!(ClosedPeriod::decode(&period), None);
    period.pop();
    period[1] = 5; // no such closure
    assert_eq!(ClosedPeriod::decode(&period), None);
}

#[test]
fn a_reading_that_is_not_later_changes_nothing() {
    let reading = register(at("2026-11-23T05:00:00Z"), 0);
    let (state, _) = run(&day_night(), std::slice::from_ref(&reading));
    let advanced = state.advance(&day_night(), &reading);
    assert_eq!(advanced, Err(BillingError::NotLater));
    let unset = register(UnixTime::from_millis(0), 0); // before 1970 in the period's first month
    let advanced = BillingState::default().advance(&day_night(), &unset);
    assert_eq!(advanced, Err(BillingError::OutsideOfCalendar));
}

#[test]
fn six_weeks_of_midnights_are_kept() {
    let tariff = catalogued("tariff-daily.yaml").tariffs.remove(0);
    let mut days = DailyValues::default();
    // Over the day of 25 hours; the midnight of the 20th of November was not read.
    for reading in quarters("2026-10-01T00:00:00Z", "2026-11-25T12:00:00Z") {
        if reading.time != at("2026-11-19T23:00:00Z") {
            days = days.advance(&tariff, &reading);
        }
    }
    let times: Vec<_> = days.values().map(|value| value.time).collect();
    assert_eq!(times.len(), 42);
    assert_eq!(times.first(), Some(&at("2026-10-13T22:00:00Z")));
    assert_eq!(times.last(), Some(&at("2026-11-24T23:00:00Z")));
    let values: Vec<_> = days.values().map(|value| value.value).collect();
    let longest = values.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert_eq!(longest, Some(192), "two days");
    assert!(values.windows(2).any(|pair| pair[1] - pair[0] == 100));
    let bytes = days.encode().unwrap();
    assert_eq!(DailyValues::decode(&bytes), Some(days));
    for length in 0..bytes.len() {
        assert_eq!(DailyValues::decode(&bytes[..length]), None);
    }
}

#[test]
fn the_register_is_read_like_a_slot() {
    let profile = catalogued("tariff-monthly.yaml");
    let tariff = &profile.tariffs[0];
    let mut collector = Collector::new(&profile.meters, &tariff.evaluation(), INTERVAL);
    let border = at("2026-10-31T23:00:00Z");
    let telegram = Telegram {
        server_id: vec![1],
        sensor_time: None,
        entries: vec![Entry::number(
            tariff.obis,
            ScaledInteger::new(123_456, -2),
            Unit::WATT_HOUR,
        )],
    };
    collector.observe(0, border, &telegram).unwrap();
    let border = collector.take(border).unwrap();
    assert_eq!(
        tariff.register(&border),
        Some(register(border.border, 12_345))
    );
}

proptest! {
    /// Whatever is missing: stages and error register are exactly what the meter counted, over
    /// every period and over all of them; and no stage has more than really fell into it.
    #[test]
    fn nothing_is_lost_and_nothing_guessed(
        start in 0_u64..40_000,
        steps in prop::collection::vec((0_i64..1_000, prop::bool::weighted(0.9)), 1..400),
    ) {
        let tariff = day_night();
        // From 2026 on, over both changes of the clocks.
        let start = at("2026-01-01T00:00:00Z").millis() + start * INTERVAL;
        let (mut value, mut truth, mut readings) = (1_000, [0; 2], Vec::new());
        let last = steps.len() - 1;
        for (number, (step, seen)) in steps.iter().enumerate() {
            let time = UnixTime::from_millis(start + number as u64 * INTERVAL);
            if *seen || number == 0 || number == last {
                readings.push(register(time, value));
            }
            if number < last {
                value += step;
                truth[tariff.stage_at(time).unwrap()] += step;
            }
        }
        let (state, closed) = run(&tariff, &readings);
        let running = &state.running().unwrap().period;
        let sum = |stages: &[(String, i64)]| stages.iter().map(|(_, value)| value).sum::<i64>();
        let mut stages = [running.stages[0].1, running.stages[1].1];
        let mut error = running.error;
        let mut from = &readings[0];
        for ClosedPeriod { period, .. } in &closed {
            prop_assert_eq!(sum(&period.stages) + period.error, period.total());
            prop_assert_eq!(&period.from, from);
            from = &period.to;
            stages = [stages[0] + period.stages[0].1, stages[1] + period.stages[1].1];
            error += period.error;
        }
        prop_assert_eq!(&running.from, from);
        prop_assert_eq!(stages[0] + stages[1] + error, value - 1_000);
        prop_assert!(stages[0] <= truth[0] && stages[1] <= truth[1] && error >= 0);
        if readings.len() == steps.len() {
            prop_assert_eq!((stages, error), (truth, 0));
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(state) = BillingState::decode(&bytes) {
            prop_assert_eq!(state.encode().unwrap(), bytes.clone());
        }
        if let Some(period) = ClosedPeriod::decode(&bytes) {
            prop_assert_eq!(period.encode().unwrap(), bytes);
        }
    }

    /// Any values of registers: a sum or a new series, never a wrong total.
    #[test]
    fn giant_registers_do_no_harm(values in prop::collection::vec(any::<i64>(), 1..20)) {
        let readings: Vec<_> = (0..).zip(&values).map(|(number, value)| {
            register(UnixTime::from_millis((2_000_000 + number * 7) * INTERVAL), *value)
        }).collect();
        let (_, closed) = run(&day_night(), &readings);
        for ClosedPeriod { period, .. } in closed {
            let sum = period.stages.iter().map(|(_, value)| i128::from(*value)).sum::<i128>();
            let total = i128::from(period.to.value) - i128::from(period.from.value);
            prop_assert_eq!(sum + i128::from(period.error), total);
        }
    }
}
