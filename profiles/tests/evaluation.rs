//! From telegrams to readings: borders, tolerance, replaced meters, plausibility, exact sums.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit};
use dcnet_profiles::evaluation::{BorderReading, Collector, Missing, reading};
use dcnet_profiles::{EvaluationProfile, MeterProfile, Profile};
use dcnet_protocol::round::UnixTime;
use proptest::prelude::*;

const INTERVAL: u64 = 900_000;
const IMPORT: ObisCode = ObisCode::ACTIVE_ENERGY_IMPORT;

fn profiles() -> (MeterProfile, EvaluationProfile) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/household.yaml");
    let profile = Profile::load(&file).unwrap();
    (
        profile.meters.into_iter().next().unwrap(),
        profile.evaluation,
    )
}

fn collector() -> Collector {
    let (meter, evaluation) = profiles();
    Collector::new(&[meter], &evaluation, INTERVAL)
}

fn at(millis: u64) -> UnixTime {
    UnixTime::from_millis(millis)
}

/// Import in 10^-4 Wh, power in W.
fn telegram(device: u8, import: i128, power: i128) -> Telegram {
    Telegram {
        server_id: vec![10, 1, b'D', b'Z', b'G', 0, 0, 0, 0, device],
        sensor_time: None,
        entries: vec![
            Entry::number(IMPORT, ScaledInteger::new(import, -4), Unit::WATT_HOUR),
            Entry::number(
                ObisCode::ACTIVE_POWER,
                ScaledInteger::new(power, 0),
                Unit::WATT,
            ),
        ],
    }
}

fn border(number: u64, device: u8, import: i128) -> BorderReading {
    let mut collector = collector();
    collector
        .observe(
            0,
            at(number * INTERVAL - 1000),
            &telegram(device, import, 500),
        )
        .unwrap();
    collector.take(at(number * INTERVAL)).unwrap()
}

fn evaluate(start: Option<&BorderReading>, end: &BorderReading) -> Result<Vec<i64>, Missing> {
    reading(&profiles().1, start, end).map(|evaluated| evaluated.values)
}

#[test]
fn the_latest_telegram_not_after_the_border_counts() {
    let mut collector = collector();
    for (time, import) in [
        (869_999, 1_000),
        (870_001, 2_000),
        (899_000, 3_000),
        (900_000, 4_000),
        (900_001, 5_000),
    ] {
        collector
            .observe(0, at(time), &telegram(1, import * 1_000, 1))
            .unwrap();
    }
    let border = collector.take(at(INTERVAL)).unwrap();
    assert_eq!(border.border, at(900_000));
    assert_eq!(border.meters[0].time, at(900_000));
    assert_eq!(border.meters[0].values[0].value, 4_000);
}

#[test]
fn a_telegram_older_than_the_tolerance_does_not_count() {
    let mut collector = collector();
    collector
        .observe(0, at(870_000), &telegram(1, 0, 1))
        .unwrap();
    assert_eq!(
        collector.take(at(INTERVAL)),
        Err(Missing::Silent {
            tolerance_millis: 30_000
        })
    );
    collector
        .observe(0, at(870_001), &telegram(1, 0, 1))
        .unwrap();
    assert!(collector.take(at(INTERVAL)).is_ok());
    assert!(collector.take(at(INTERVAL)).is_err(), "taken once");
}

#[test]
fn the_difference_of_floored_registers() {
    // 10.01 Wh is 100 tenths, 12.39 Wh is 123 tenths
    let (start, end) = (border(1, 1, 100_100), border(2, 1, 123_900));
    assert_eq!(evaluate(Some(&start), &end), Ok(vec![23, 0, 500]));
}

#[test]
fn no_start_is_no_reading() {
    assert_eq!(evaluate(None, &border(2, 1, 5)), Err(Missing::NoStart));
}

#[test]
fn a_register_that_goes_back_is_no_reading() {
    let (start, end) = (border(1, 1, 50_000), border(2, 1, 49_000));
    assert_eq!(
        evaluate(Some(&start), &end),
        Err(Missing::WentBack {
            obis: IMPORT,
            before: 50,
            after: 49
        })
    );
}

#[test]
fn a_replaced_meter_is_no_reading_and_then_a_new_series() {
    let (start, end) = (border(1, 1, 50_000), border(2, 2, 51_000));
    assert!(matches!(
        evaluate(Some(&start), &end),
        Err(Missing::Replaced { .. })
    ));
    let next = border(3, 2, 61_000);
    assert_eq!(evaluate(Some(&end), &next), Ok(vec![10, 0, 500]));
}

#[test]
fn a_giant_advance_is_no_reading() {
    // 43 kW for 901 s (the start was read a second early) are 10,761 Wh and some, one step of the
    // meter's resolution and one of the slot's come on top
    let start = border(1, 1, 0);
    let most = border(2, 1, 107_612 * 1_000);
    assert_eq!(evaluate(Some(&start), &most), Ok(vec![107_612, 0, 500]));
    let more = border(2, 1, 107_623 * 1_000);
    assert!(matches!(
        evaluate(Some(&start), &more),
        Err(Missing::Implausible {
            got: 107_623,
            limit: 107_612,
            scale: -1,
            ..
        })
    ));
}

#[test]
fn a_locked_meter_counts_in_coarse_steps() {
    let coarse = |number: u64, import: i128| {
        let mut telegram = telegram(1, 0, 1);
        telegram.entries[0] = Entry::number(IMPORT, ScaledInteger::new(import, 3), Unit::WATT_HOUR);
        // an interval of 10 s: 43 kW are 120 Wh, one step of the meter is 1000 Wh
        let mut collector = Collector::new(&[profiles().0], &profiles().1, 10_000);
        collector
            .observe(0, at(number * 10_000 - 100), &telegram)
            .unwrap();
        collector.take(at(number * 10_000)).unwrap()
    };
    assert_eq!(
        evaluate(Some(&coarse(1, 7)), &coarse(2, 8)),
        Ok(vec![10_000, 0, 1])
    );
    assert!(matches!(
        evaluate(Some(&coarse(1, 7)), &coarse(2, 9)),
        Err(Missing::Implausible { .. })
    ));
}

#[test]
fn an_implausible_power_is_no_reading() {
    let mut collector = collector();
    collector
        .observe(0, at(2 * INTERVAL), &telegram(1, 0, 43_001))
        .unwrap();
    let end = collector.take(at(2 * INTERVAL)).unwrap();
    assert!(matches!(
        evaluate(Some(&border(1, 1, 0)), &end),
        Err(Missing::Implausible {
            obis: ObisCode::ACTIVE_POWER,
            ..
        })
    ));
}

#[test]
fn incomplete_telegrams_do_not_take_the_place_of_complete_ones() {
    let mut short = telegram(1, 0, 1);
    short.entries.remove(0);
    let mut collector = collector();
    let absent = Missing::Absent { obis: IMPORT };
    assert_eq!(
        collector.observe(0, at(890_000), &short),
        Err(absent.clone())
    );
    assert_eq!(collector.clone().take(at(INTERVAL)), Err(absent));
    collector
        .observe(0, at(891_000), &telegram(1, 10_000, 1))
        .unwrap();
    collector.observe(0, at(892_000), &short).unwrap_err();
    assert_eq!(
        collector.take(at(INTERVAL)).unwrap().meters[0].time,
        at(891_000)
    );
}

#[test]
fn an_absent_register_is_zero_only_where_the_owner_said_so() {
    let start = border(1, 1, 0);
    assert_eq!(start.meters[0].values[1].value, 0); // 2.8.0, absent: zero
    let mut export = telegram(1, 0, 1);
    export.entries.push(Entry::number(
        ObisCode::ACTIVE_ENERGY_EXPORT,
        ScaledInteger::new(77, -1),
        Unit::WATT_HOUR,
    ));
    let mut collector = collector();
    collector.observe(0, at(2 * INTERVAL), &export).unwrap();
    let end = collector.take(at(2 * INTERVAL)).unwrap();
    assert_eq!(evaluate(Some(&start), &end), Ok(vec![0, 77, 1]));
}

#[test]
fn another_unit_is_no_reading() {
    let mut telegram = telegram(1, 0, 1);
    telegram.entries[0].unit = Some(Unit::VAR_HOUR);
    assert_eq!(
        collector().observe(0, at(1), &telegram),
        Err(Missing::Unit {
            obis: IMPORT,
            expected: Unit::WATT_HOUR,
            got: Unit::VAR_HOUR
        })
    );
}

#[test]
fn another_device_than_the_profile_names_is_ignored() {
    let (mut meter, evaluation) = profiles();
    meter.device = Some("0a01445a470000000001".parse().unwrap());
    let mut collector = Collector::new(&[meter], &evaluation, INTERVAL);
    collector
        .observe(0, at(899_000), &telegram(1, 10_000, 1))
        .unwrap();
    assert!(matches!(
        collector.observe(0, at(899_500), &telegram(2, 20_000, 1)),
        Err(Missing::OtherDevice { .. })
    ));
    let border = collector.take(at(INTERVAL)).unwrap();
    assert_eq!(border.meters[0].values[0].value, 10);
}

#[test]
fn a_changed_profile_begins_a_new_series() {
    let (_, mut evaluation) = profiles();
    let start = border(1, 1, 0);
    let end = border(2, 1, 10);
    evaluation.slots[0].scale = 0;
    assert_eq!(
        reading(&evaluation, Some(&start), &end),
        Err(Missing::NoStart)
    );
}

#[test]
fn the_tolerance_stays_below_the_interval() {
    let (_, mut evaluation) = profiles();
    assert_eq!(evaluation.tolerance_millis(900_000), 30_000);
    assert_eq!(evaluation.tolerance_millis(10_000), 10_000);
    evaluation.tolerance = None;
    assert_eq!(evaluation.tolerance_millis(900_000), 30_000);
    assert_eq!(evaluation.tolerance_millis(9_000), 3_000);
}

proptest! {
    /// Whatever the meter counts, the readings add up to the difference of the outer registers.
    #[test]
    fn readings_telescope(
        first in 0_i64..1_000_000_000,
        steps in prop::collection::vec(0_i64..10_000_000, 1..40),
    ) {
        let mut register = i128::from(first);
        let mut borders = vec![border(1, 1, register)];
        for (number, step) in steps.iter().enumerate() {
            register += i128::from(*step);
            borders.push(border(number as u64 + 2, 1, register));
        }
        let sum: i64 = borders
            .windows(2)
            .map(|pair| evaluate(Some(&pair[0]), &pair[1]).unwrap()[0])
            .sum();
        let scaled = |register: i128| ScaledInteger::new(register, -4).floor_to(-1).unwrap();
        prop_assert_eq!(sum, scaled(register) - scaled(first.into()));
    }

    /// Any two registers give a reading within bounds or none.
    #[test]
    fn never_negative_never_giant(before in any::<i64>(), after in any::<i64>()) {
        let (start, end) = (border(1, 1, before.into()), border(2, 1, after.into()));
        if let Ok(reading) = evaluate(Some(&start), &end) {
            prop_assert!((0..=107_612).contains(&reading[0]));
        }
    }

    #[test]
    fn stored_borders_come_back(before in any::<i64>(), device in any::<u8>()) {
        let border = border(7, device, before.into());
        let bytes = border.encode().unwrap();
        prop_assert_eq!(BorderReading::decode(&bytes), Some(border));
        for length in 0..bytes.len() {
            prop_assert_eq!(BorderReading::decode(&bytes[..length]), None);
        }
    }
}
