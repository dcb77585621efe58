//! TAF-9, 10 and 14, several meters, bounds and status words: from telegrams to readings.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit};
use dcnet_profiles::evaluation::{
    BorderReading, Clipped, Collector, Evaluated, Missing, StatusWords, reading,
};
use dcnet_profiles::{EvaluationProfile, MeterProfile, Profile};
use dcnet_protocol::round::UnixTime;
use proptest::prelude::*;

const INTERVAL: u64 = 60_000;
const POWER: ObisCode = ObisCode::ACTIVE_POWER;
const IMPORT: ObisCode = ObisCode::ACTIVE_ENERGY_IMPORT;
const VOLTAGE: ObisCode = ObisCode::electricity(32, 7, 0);

/// The evaluation section of a profile of this use case; tolerance 20 s.
fn evaluation(taf: u8, slots: &str) -> EvaluationProfile {
    let text = format!("evaluation:\n  taf: {taf}\n  tolerance: 20\n  slots:\n{slots}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    dcnet_profiles::profile::load_evaluation(file.path()).unwrap()
}

fn meter(name: &str) -> MeterProfile {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/household.yaml");
    let mut meter = Profile::load(&file).unwrap().meters.remove(0);
    name.clone_into(&mut meter.name);
    meter
}

fn at(millis: u64) -> UnixTime {
    UnixTime::from_millis(millis)
}

fn telegram(device: &[u8], entries: Vec<Entry>) -> Telegram {
    Telegram {
        server_id: device.to_vec(),
        sensor_time: None,
        entries,
    }
}

fn power(value: i128, exponent: i8) -> Telegram {
    let number = ScaledInteger::new(value, exponent);
    telegram(&[1], vec![Entry::number(POWER, number, Unit::WATT)])
}

fn volts(tenths: i128) -> Telegram {
    let number = ScaledInteger::new(tenths, -1);
    telegram(&[1], vec![Entry::number(VOLTAGE, number, Unit::VOLT)])
}

fn import(device: &[u8], value: i128) -> Telegram {
    let number = ScaledInteger::new(value, 0);
    telegram(device, vec![Entry::number(IMPORT, number, Unit::WATT_HOUR)])
}

/// Telegrams of one meter, each with its time in seconds, and the reading of the second minute.
fn second_minute(
    profile: &EvaluationProfile,
    telegrams: &[(u64, Telegram)],
) -> Result<Vec<i64>, Missing> {
    let mut collector = Collector::new(&[meter("m")], profile, INTERVAL);
    for (seconds, telegram) in telegrams {
        let _ = collector.observe(0, at(seconds * 1000), telegram);
    }
    let end = collector.take(at(2 * INTERVAL))?;
    let end = BorderReading::decode(&end.encode().unwrap()).unwrap();
    reading(profile, None, &end).map(|evaluated| evaluated.values)
}

const GRID: &str = "
    - { obis: 32.7.0, unit: V, scale: 0, method: minimum }
    - { obis: 32.7.0, unit: V, scale: 0, method: maximum }
    - { obis: 32.7.0, unit: V, scale: -1, method: mean }
    - { obis: 32.7.0, unit: V, scale: 0, method: count, above: 230 }
    - { obis: 32.7.0, unit: V, scale: 0, method: count, below: 230 }
    - { obis: 32.7.0, unit: V, scale: 0 }
";

/// 230.0, 230.1, 229.9, 231.7 and 229.4 V in the second minute, 100 V before it.
fn minute() -> Vec<(u64, Telegram)> {
    let values = [1000, 2300, 2301, 2299, 2317, 2294];
    let times = [55, 70, 85, 100, 110, 120];
    times.into_iter().zip(values.map(volts)).collect()
}

#[test]
fn feed_in_is_the_negative_part_of_power() {
    let profile = evaluation(9, "    - { obis: 16.7.0, unit: W, scale: 0 }\n");
    let reading = |value, exponent| second_minute(&profile, &[(110, power(value, exponent))]);
    assert_eq!(reading(-5_000, 0), Ok(vec![5_000]));
    assert_eq!(reading(5_000, 0), Ok(vec![0]));
    assert_eq!(reading(-59, -1), Ok(vec![5]), "floored after turning");
    assert_eq!(reading(1, -1), Ok(vec![0]));
    assert!(matches!(
        reading(-100_001, 0),
        Err(Missing::Implausible { .. })
    ));
}

#[test]
fn feed_in_of_an_export_power_keeps_its_sign() {
    let profile = evaluation(9, "    - { obis: 2.7.0, unit: W, scale: 0 }\n");
    let export = ObisCode::electricity(2, 7, 0);
    let reading = |value| {
        let entry = Entry::number(export, ScaledInteger::new(value, 0), Unit::WATT);
        second_minute(&profile, &[(110, telegram(&[1], vec![entry]))])
    };
    assert_eq!(reading(700), Ok(vec![700]));
    assert_eq!(reading(-700), Ok(vec![0]));
}

#[test]
fn values_over_a_round_take_every_telegram_of_it() {
    let profile = evaluation(10, GRID);
    // mean of 230.0, 230.1, 229.9, 231.7, 229.4: 1151.1 / 5 = 230.22
    let expected = vec![229, 231, 2302, 2, 2, 229];
    assert_eq!(second_minute(&profile, &minute()), Ok(expected));
}

#[test]
fn the_code_of_a_word_tells_its_method() {
    let layout = evaluation(10, GRID).layout();
    let words: Vec<_> = layout
        .iter()
        .map(dcnet_profiles::layout::describe)
        .collect();
    assert_eq!(words[0], "1-0:32.3.0*255 in V, scale 0");
    assert_eq!(words[1], "1-0:32.6.0*255 in V, scale 0");
    assert_eq!(words[2], "1-0:32.5.0*255 in V, scale -1");
    assert_eq!(words[3], "1-0:32.32.0*255 as a count, scale 0");
    let code = |number: usize| ObisCode::from(layout[number].obis);
    assert_eq!(code(3), ObisCode::electricity(32, 32, 0));
    assert_eq!(code(4), ObisCode::electricity(32, 36, 0));
    assert_eq!((layout[3].unit, layout[3].scale), (255, 0));
}

#[test]
fn a_daemon_that_started_within_the_round_has_no_value_over_it() {
    let profile = evaluation(10, GRID);
    let late = &minute()[1..];
    assert!(matches!(
        second_minute(&profile, late),
        Err(Missing::Partial { .. })
    ));
}

#[test]
fn a_silent_meter_leaves_the_round_partial() {
    let profile = evaluation(10, GRID);
    let mut gap = minute();
    gap.remove(2); // 30 s without a telegram, the tolerance is 20 s
    assert!(matches!(
        second_minute(&profile, &gap),
        Err(Missing::Partial { .. })
    ));
    let mut back = minute();
    back.swap(2, 3); // the clock was set back
    assert!(matches!(
        second_minute(&profile, &back),
        Err(Missing::Partial { .. })
    ));
}

#[test]
fn a_partial_round_still_gives_the_next_one_its_start() {
    let profile = evaluation(
        14,
        "    - { obis: 1.8.0, unit: Wh, scale: 0 }\n    \
         - { obis: 1.8.0, unit: Wh, scale: 0, method: mean }\n",
    );
    let mut collector = Collector::new(&[meter("m")], &profile, INTERVAL);
    for seconds in (50..=120).step_by(10) {
        let telegram = import(&[1], seconds.into());
        collector.observe(0, at(seconds * 1000), &telegram).unwrap();
    }
    let start = collector.take(at(INTERVAL)).unwrap();
    let end = collector.take(at(2 * INTERVAL)).unwrap();
    assert_eq!(
        reading(&profile, Some(&start), &end).unwrap().values,
        [60, 95]
    );
    assert!(matches!(
        reading(&profile, Some(&start), &start),
        Err(Missing::Partial { .. })
    ));
}

const SUM: &str = "    - { obis: 1.8.0, unit: Wh, scale: 0, meters: [house, pump] }\n    \
                   - { obis: 16.7.0, unit: W, scale: 0, absent: zero, meter: pump }\n";

fn two(profile: &EvaluationProfile, borders: &[(i128, i128)]) -> Vec<BorderReading> {
    let mut collector = Collector::new(&[meter("house"), meter("pump")], profile, INTERVAL);
    let mut taken = Vec::new();
    for (number, (house, pump)) in (1_u64..).zip(borders) {
        let time = at(number * INTERVAL - 5_000);
        collector.observe(0, time, &import(&[1], *house)).unwrap();
        collector.observe(1, time, &import(&[2], *pump)).unwrap();
        taken.push(collector.take(at(number * INTERVAL)).unwrap());
    }
    taken
}

#[test]
fn several_meters_are_added_up() {
    let profile = evaluation(7, SUM);
    let borders = two(&profile, &[(100, 1_000), (110, 1_007)]);
    let result = reading(&profile, Some(&borders[0]), &borders[1]);
    assert_eq!(result.unwrap().values, [17, 0]);
    assert_eq!(borders[1].meters.len(), 2);
}

#[test]
fn another_first_meter_is_not_taken_for_the_one_before() {
    let slot = "    - { obis: 1.8.0, unit: Wh, scale: 0 }\n";
    let profile = evaluation(7, slot);
    // Sources that do not tell device ids.
    let border = |meters: &[MeterProfile], number: u64, value| {
        let mut collector = Collector::new(meters, &profile, INTERVAL);
        let time = at(number * INTERVAL);
        collector.observe(0, time, &import(&[], value)).unwrap();
        collector.take(time).unwrap()
    };
    let start = border(&[meter("pump"), meter("house")], 1, 100);
    let end = border(&[meter("house"), meter("pump")], 2, 110);
    assert_eq!(reading(&profile, Some(&start), &end), Err(Missing::NoStart));
}

#[test]
fn one_silent_meter_of_two_is_no_reading() {
    let profile = evaluation(7, SUM);
    let mut collector = Collector::new(&[meter("house"), meter("pump")], &profile, INTERVAL);
    collector
        .observe(0, at(INTERVAL), &import(&[1], 5))
        .unwrap();
    assert_eq!(
        collector.take(at(INTERVAL)),
        Err(Missing::Silent {
            tolerance_millis: 20_000
        })
    );
}

#[test]
fn a_meter_that_no_slot_reads_does_not_matter() {
    let profile = evaluation(7, "    - { obis: 1.8.0, unit: Wh, scale: 0 }\n");
    let mut collector = Collector::new(&[meter("house"), meter("pump")], &profile, INTERVAL);
    let empty = telegram(&[2], vec![]);
    assert_eq!(collector.observe(1, at(INTERVAL), &empty), Ok(()));
    collector
        .observe(0, at(INTERVAL), &import(&[1], 5))
        .unwrap();
    assert_eq!(collector.take(at(INTERVAL)).unwrap().meters.len(), 1);
}

#[test]
fn a_meter_that_the_profile_lacks_gives_no_reading() {
    let profile = evaluation(7, SUM);
    let mut collector = Collector::new(&[meter("house")], &profile, INTERVAL);
    collector
        .observe(0, at(INTERVAL), &import(&[1], 5))
        .unwrap();
    let missing = Missing::NoMeter {
        meter: "pump".to_owned(),
    };
    assert_eq!(collector.take(at(INTERVAL)), Err(missing));
}

#[test]
fn clipped_values_are_told() {
    let profile = evaluation(
        14,
        "    - { obis: 16.7.0, unit: W, scale: 0, clip: { min: -10, max: 20 } }\n",
    );
    let evaluate = |value| {
        let mut collector = Collector::new(&[meter("m")], &profile, INTERVAL);
        collector.observe(0, at(INTERVAL), &power(value, 0)).ok()?;
        let end = collector.take(at(INTERVAL)).ok()?;
        reading(&profile, None, &end).ok()
    };
    let clipped = |value, limit| {
        Some(Evaluated {
            values: vec![limit],
            clipped: vec![Clipped {
                obis: POWER,
                got: value,
                limit,
            }],
        })
    };
    assert_eq!(evaluate(21), clipped(21, 20));
    assert_eq!(evaluate(-11), clipped(-11, -10));
    let within = evaluate(20).unwrap();
    assert_eq!((within.values, within.clipped), (vec![20], vec![]));
}

#[test]
fn a_telegram_without_id_is_of_the_same_meter() {
    let profile = evaluation(7, "    - { obis: 1.8.0, unit: Wh, scale: 0 }\n");
    let mut named = meter("m");
    named.device = Some("01".parse().unwrap());
    let mut collector = Collector::new(&[named], &profile, INTERVAL);
    let mut border = |number: u64, device: &[u8], value| {
        let time = at(number * INTERVAL);
        collector.observe(0, time, &import(device, value)).unwrap();
        collector.take(time).unwrap()
    };
    let borders = [border(1, &[1], 5), border(2, &[], 7), border(3, &[1], 10)];
    let advance = |number: usize| {
        let pair = (Some(&borders[number]), &borders[number + 1]);
        reading(&profile, pair.0, pair.1).unwrap().values
    };
    assert_eq!((advance(0), advance(1)), (vec![2], vec![3]));
}

#[test]
fn a_fatal_status_never_enters_a_sum() {
    let fatal = |kind: StatusWords, status| {
        let mut profile = evaluation(10, GRID);
        for slot in &mut profile.slots {
            slot.status = kind;
        }
        let mut telegrams = minute();
        let entry = telegrams[3].1.entries[0].clone().with_status(status);
        telegrams[3].1.entries[0] = entry;
        second_minute(&profile, &telegrams)
    };
    let missing = Err(Missing::FatalStatus { obis: VOLTAGE });
    assert_eq!(fatal(StatusWords::Edl, 0x183), missing);
    assert_eq!(fatal(StatusWords::Fnn, 0x2_0004), missing);
    assert!(fatal(StatusWords::Edl, 0x182).is_ok());
    assert!(fatal(StatusWords::None, 0x2_0004).is_ok());
}

#[test]
fn the_status_of_the_telegram_counts_for_its_entries() {
    let slot = "    - { obis: 1.8.0, unit: Wh, scale: 0, status: edl }\n";
    let mut collector = Collector::new(&[meter("m")], &evaluation(7, slot), INTERVAL);
    let mut telegram = import(&[1], 5);
    let status = ObisCode::electricity(96, 5, 0);
    telegram.entries.push(Entry::bytes(status, [0x01, 0x83]));
    let fatal = Missing::FatalStatus { obis: IMPORT };
    assert_eq!(
        collector.observe(0, at(INTERVAL), &telegram),
        Err(fatal.clone())
    );
    assert_eq!(collector.take(at(INTERVAL)), Err(fatal));
}

#[test]
fn what_was_stored_for_one_meter_is_still_read() {
    // version 1, border 60000, time 55000, device 01, one value: 1.8.0, scale 0, 100, resolution 0
    let stored = b"\x01\0\0\0\0\0\0\xea\x60\0\0\0\0\0\0\xd6\xd8\x01\x01\0\x10\
                   \x01\0\x01\x08\0\xff\0\0\0\0\0\0\0\0\x64\0";
    let start = BorderReading::decode(stored).unwrap();
    let profile = evaluation(
        7,
        "    - { obis: 1.8.0, unit: Wh, scale: 0, meter: house }\n",
    );
    let end = two(&evaluation(7, SUM), &[(0, 0), (110, 0)]).remove(1);
    assert_eq!(
        reading(&profile, Some(&start), &end).unwrap().values,
        [10],
        "with a name and without it"
    );
}

proptest! {
    /// The mean is exact whatever the scales of the telegrams, and its floor lies between the
    /// extremes' floors.
    #[test]
    fn the_mean_is_exact(values in prop::collection::vec((-1_000_000_i128..1_000_000, -4_i8..3), 1..20)) {
        let profile = evaluation(14, "
    - { obis: 32.7.0, unit: V, scale: -1, method: mean }
    - { obis: 32.7.0, unit: V, scale: -1, method: minimum }
    - { obis: 32.7.0, unit: V, scale: -1, method: maximum }
");
        let telegrams: Vec<_> = (0..).zip(&values).map(|(number, (value, exponent))| {
            let number_ = ScaledInteger::new(*value, *exponent);
            let entry = Entry::number(VOLTAGE, number_, Unit::VOLT);
            let first = if number == 0 { 60 } else { 100 + number };
            (first, telegram(&[1], vec![entry]))
        }).collect();
        let mut all = telegrams.clone();
        // No longer than the tolerance between the first, which is of the round before, and the others.
        all.splice(1..1, [75, 90, 100].map(|time| (time, telegrams[0].1.clone())));
        all.push((120, telegrams[0].1.clone()));
        let counted: Vec<_> = all[1..].iter()
            .map(|(_, telegram)| telegram.number(VOLTAGE).unwrap().exact_to(-4).unwrap())
            .map(i128::from)
            .collect();
        let exact = counted.iter().sum::<i128>().div_euclid(counted.len() as i128 * 1_000);
        let values = second_minute(&profile, &all).unwrap();
        prop_assert_eq!(i128::from(values[0]), exact);
        prop_assert!(values[1] <= values[0] && values[0] <= values[2]);
    }

    #[test]
    fn several_meters_telescope_too(steps in prop::collection::vec((0_i128..1_000, 0_i128..1_000), 2..20)) {
        let profile = evaluation(7, SUM);
        let mut total = (7, 9);
        let registers: Vec<_> = steps.iter().map(|step| {
            total = (total.0 + step.0, total.1 + step.1);
            total
        }).collect();
        let borders = two(&profile, &registers);
        let sum: i64 = borders.windows(2)
            .map(|pair| reading(&profile, Some(&pair[0]), &pair[1]).unwrap().values[0])
            .sum();
        let outer = total.0 + total.1 - registers[0].0 - registers[0].1;
        prop_assert_eq!(i128::from(sum), outer);
    }
}
