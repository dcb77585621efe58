//! What the meter's telegrams tell the owner to do.
#![allow(clippy::unwrap_used, reason = "a test")]

use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit};
use dcnet_profiles::advice::{Advice, advice};

fn telegram(energy_exponent: i8, power: Option<ObisCode>) -> Telegram {
    let energy = ScaledInteger::new(2324, energy_exponent);
    let mut entries = vec![
        Entry::bytes(ObisCode::MAKER, *b"HLY"),
        Entry::number(ObisCode::ACTIVE_ENERGY_IMPORT, energy, Unit::WATT_HOUR),
    ];
    entries.extend(power.map(|obis| Entry::number(obis, ScaledInteger::new(7, 0), Unit::WATT)));
    Telegram {
        server_id: vec![1],
        sensor_time: None,
        entries,
    }
}

#[test]
fn a_locked_meter_is_recognised() {
    assert_eq!(advice(&telegram(3, None)), Some(Advice::Locked));
    assert!(Advice::Locked.to_string().contains("INF on"));
}

#[test]
fn an_open_meter_is_not() {
    assert_eq!(advice(&telegram(3, Some(ObisCode::ACTIVE_POWER))), None);
    assert_eq!(
        advice(&telegram(3, Some(ObisCode::ABSOLUTE_ACTIVE_POWER))),
        None
    );
    assert_eq!(advice(&telegram(3, Some("36.7.0".parse().unwrap()))), None);
    assert_eq!(advice(&telegram(-1, None)), None);
    let mut empty = telegram(3, None);
    empty.entries.truncate(1);
    assert_eq!(advice(&empty), None);
}

/// The recordings of locked meters, if there are any at hand.
#[test]
fn recordings_of_locked_meters_are_recognised() {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED names no folder of recordings");
        return;
    };
    let folder = std::path::Path::new(&shared).join("captures/sml");
    let (mut locked, mut open) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut decoder = dcnet_obis::sml::Decoder::new();
        for telegram in decoder.push(&bytes).into_iter().flatten() {
            if name.contains("without_PIN") {
                assert_eq!(advice(&telegram), Some(Advice::Locked), "{name}");
                locked += 1;
            } else if name.contains("with_PIN") {
                assert_eq!(advice(&telegram), None, "{name}");
                open += 1;
            }
        }
    }
    assert!(locked > 3 && open > 3, "{locked} locked, {open} open");
}
