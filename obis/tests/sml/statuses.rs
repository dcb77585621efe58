//! The status words of real meters.

use std::collections::BTreeMap;

use dcnet_obis::{ObisCode, PtbLevel, StatusBit, StatusKind};

use crate::support::{captures, decode, readings, recordings};

#[test]
fn no_recorded_meter_failed() {
    if captures().is_none() {
        return;
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for recording in recordings() {
        for telegram in readings(decode(&recording.bytes)) {
            for entry in telegram
                .entries
                .iter()
                .filter(|entry| entry.status.is_some())
            {
                let word = entry.status_word().unwrap();
                *kinds.entry(format!("{:?}", word.kind())).or_default() += 1;
                assert_eq!(word.level(), PtbLevel::Ok, "{} {word:?}", recording.name);
            }
        }
    }
    let edl = kinds.get("Edl").copied().unwrap_or_default();
    let meter = kinds.get("Meter").copied().unwrap_or_default();
    assert!(edl > 100 && meter > 50 && kinds.len() == 2, "{kinds:?}");
}

/// The direction that the status word tells and the sign of the power agree.
#[test]
fn the_direction_fits_the_sign_of_the_power() {
    if captures().is_none() {
        return;
    }
    let (mut taking, mut giving) = (0, 0);
    for recording in recordings() {
        for telegram in readings(decode(&recording.bytes)) {
            let power = [ObisCode::ACTIVE_POWER, ObisCode::ABSOLUTE_ACTIVE_POWER]
                .into_iter()
                .find_map(|code| telegram.number(code));
            let word = telegram
                .entry(ObisCode::ACTIVE_ENERGY_IMPORT)
                .and_then(dcnet_obis::Entry::status_word);
            let (Some(power), Some(word)) = (power, word) else {
                continue;
            };
            if word.kind() != StatusKind::Meter || power.mantissa() == 0 {
                continue;
            }
            let negative = word.has(StatusBit::SumNegative);
            assert_eq!(
                power.is_negative(),
                negative,
                "{} {word:?} {power}",
                recording.name
            );
            if negative { giving += 1 } else { taking += 1 }
        }
    }
    assert!(taking > 0 && giving > 0, "{taking} taking, {giving} giving");
}

/// A month of readings that a gateway exported has levels in place of status words.
#[test]
fn an_exported_month_has_levels() {
    let Some(folder) = captures() else { return };
    let file = folder
        .parent()
        .unwrap()
        .join("trudi/TAF-7-Ablesung_Jan_2018.xml");
    let text = std::fs::read_to_string(file).unwrap();
    let levels: Vec<PtbLevel> = text
        .split("<statusPTB>")
        .skip(1)
        .map(|rest| {
            let code = rest.split('<').next().unwrap().parse().unwrap();
            PtbLevel::from_code(code).unwrap()
        })
        .collect();
    let count = |wanted| levels.iter().filter(|level| **level == wanted).count();
    assert_eq!(count(PtbLevel::Ok), 5558);
    assert_eq!(count(PtbLevel::Warning), 3);
    assert_eq!(count(PtbLevel::TemporaryError), 386);
    assert_eq!(count(PtbLevel::CriticalTemporaryError), 7);
    assert_eq!(levels.len(), 2 * 2977);
}
