//! Every sample file is a profile.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dcnet_obis::{Entry, ScaledInteger, Telegram, Unit};
use dcnet_profiles::evaluation::{Absent, Collector, Method, reading};
use dcnet_profiles::tariff::{BillingState, BillingUseCase};
use dcnet_profiles::{Profile, profile};
use dcnet_protocol::round::UnixTime;

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}

#[test]
fn every_sample_is_read() {
    let samples = samples();
    assert!(samples.len() >= 3, "{samples:?}");
    for sample in samples {
        let profile = Profile::load(&sample).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            profile::load_evaluation(&sample).unwrap(),
            profile.evaluation
        );
    }
}

#[test]
fn every_use_case_has_a_sample() {
    let profiles: Vec<_> = samples()
        .iter()
        .map(|file| Profile::load(file).unwrap())
        .collect();
    let nets = profiles.iter().map(|one| one.evaluation.taf.number());
    let nets: BTreeSet<_> = nets.collect();
    assert_eq!(nets, BTreeSet::from([7, 9, 10, 14]));
    let bills = profiles.iter().flat_map(|one| &one.tariffs);
    let bills: Vec<_> = bills.map(|tariff| tariff.taf).collect();
    for taf in [
        BillingUseCase::Taf1,
        BillingUseCase::Taf2,
        BillingUseCase::Taf6,
    ] {
        assert!(bills.contains(&taf), "{taf:?}");
    }
}

/// A meter that shows all that samples ask for, four times a minute over two rounds of 15 minutes.
#[test]
fn every_sample_gives_a_reading() {
    const INTERVAL: u64 = 900_000;
    for sample in samples() {
        let profile = Profile::load(&sample).unwrap();
        let meters = &profile.meters;
        let mut evaluation = profile.evaluation.clone();
        evaluation.tolerance = evaluation.tolerance.map(|seconds| seconds.max(15));
        let mut collector = Collector::new(meters, &evaluation, INTERVAL);
        for quarter in 50..=120 {
            let time = UnixTime::from_millis(quarter * 15_000);
            let telegram = telegram(quarter);
            collector.observe(0, time, &telegram).unwrap();
        }
        let start = collector.take(UnixTime::from_millis(INTERVAL)).unwrap();
        let end = collector.take(UnixTime::from_millis(2 * INTERVAL)).unwrap();
        let result = reading(&evaluation, Some(&start), &end).unwrap();
        let expected: &[i64] = match evaluation.taf.number() {
            9 => &[300],
            10 => &[2_000, 2_600, 2_300, 7, 7, 5_001],
            14 => &[600, 0, -300],
            _ if evaluation.slots.len() == 3 => &[600, 0, -300],
            _ if evaluation.slots.len() == 2 => &[60, 0],
            _ => &[600],
        };
        assert_eq!(result.values, expected, "{}", sample.display());
        for tariff in &profile.tariffs {
            let mut collector = Collector::new(meters, &tariff.evaluation(), INTERVAL);
            let time = UnixTime::from_millis(2_000_000 * INTERVAL);
            collector.observe(0, time, &telegram(120)).unwrap();
            let border = collector.take(time).unwrap();
            let register = tariff.register(&border).unwrap();
            assert_eq!(register.value, 1_200);
            BillingState::default().advance(tariff, &register).unwrap();
        }
    }
}

/// Import 1 Wh each time, export 0, power -300 W, voltage up and down by 2 V each between 200 and
/// 260 V, frequency 50.01 Hz.
fn telegram(number: u64) -> Telegram {
    let step = (number % 60).abs_diff(30); // 0 to 30
    let number = i128::from(number);
    let entry = |obis: &str, mantissa, exponent, unit| {
        let value = ScaledInteger::new(mantissa, exponent);
        Entry::number(obis.parse().unwrap(), value, unit)
    };
    Telegram {
        server_id: vec![1],
        sensor_time: None,
        entries: vec![
            entry("1.8.0", number, 0, Unit::WATT_HOUR),
            entry("2.8.0", 0, 0, Unit::WATT_HOUR),
            entry("16.7.0", -300, 0, Unit::WATT),
            entry("32.7.0", 2_000 + i128::from(step) * 20, -1, Unit::VOLT),
            entry("14.7.0", 50_019, -3, Unit::HERTZ),
        ],
    }
}

#[test]
fn defaults_are_the_safe_side() {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let household = Profile::load(&catalog.join("household.yaml")).unwrap();
    assert_eq!(household.communication.accept.min_size, 100);
    assert!(!household.communication.accept.allow_resend);
    let methods: Vec<_> = household
        .evaluation
        .slots
        .iter()
        .map(|slot| slot.method)
        .collect();
    assert_eq!(methods, [Method::Advance, Method::Advance, Method::Value]);
    let absent: Vec<_> = household
        .evaluation
        .slots
        .iter()
        .map(|slot| slot.absent)
        .collect();
    assert_eq!(absent, [Absent::Missing, Absent::Zero, Absent::Missing]);
}

#[test]
fn relative_paths_begin_where_the_file_lies() {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let prosumer = Profile::load(&catalog.join("prosumer.yaml")).unwrap();
    assert_eq!(prosumer.state, catalog.join("state"));
    assert_eq!(
        prosumer.communication.signature.key,
        catalog.join("sig.key")
    );
    let household = Profile::load(&catalog.join("household.yaml")).unwrap();
    assert_eq!(household.state, Path::new("/var/lib/dcnet-gateway"));
}

#[test]
fn both_ends_compute_the_same_layout() {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let household = Profile::load(&catalog.join("household.yaml"))
        .unwrap()
        .evaluation;
    let net = household.layout();
    assert_eq!(household.matches(&net), Ok(()));
    let specs: Vec<_> = net
        .iter()
        .map(|slot| (slot.obis, slot.unit, slot.scale))
        .collect();
    assert_eq!(
        specs,
        [
            ([1, 0, 1, 8, 0, 255], 30, -1),
            ([1, 0, 2, 8, 0, 255], 30, -1),
            ([1, 0, 16, 7, 0, 255], 27, 0)
        ]
    );
    let prosumer = Profile::load(&catalog.join("prosumer.yaml"))
        .unwrap()
        .evaluation;
    assert_eq!(
        prosumer.matches(&net).unwrap_err().to_string(),
        "slot 1 of the net is 1-0:1.8.0*255 in Wh, scale -1, that of evaluation.slots is \
         1-0:1.8.0*255 in Wh, scale 0"
    );
    let laboratory = Profile::load(&catalog.join("laboratory.yaml"))
        .unwrap()
        .evaluation;
    assert_eq!(
        laboratory.matches(&net).unwrap_err().to_string(),
        "the net has 3 slots, evaluation.slots has 1; missing: 1-0:2.8.0*255 in Wh, scale -1, \
         1-0:16.7.0*255 in W, scale 0"
    );
    assert_eq!(
        household
            .matches(&laboratory.layout())
            .unwrap_err()
            .to_string(),
        "the net has 1 slots, evaluation.slots has 3"
    );
}
