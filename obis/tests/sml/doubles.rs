//! What vzlogger prints for the doubles that it makes of a meter's values, against the values.

use std::collections::BTreeSet;

use dcnet_obis::{ObisCode, ScaledInteger};

use crate::support::{captures, decode, readings, recordings};

#[test]
fn the_values_behind_the_doubles_of_vzlogger() {
    let Some(folder) = captures() else { return };
    let folder = folder.parent().unwrap().join("vzlogger");
    let recording = recordings()
        .into_iter()
        .find(|recording| recording.name == "DZG_DVS-7412.2_jmberg")
        .unwrap();
    let telegrams = readings(decode(&recording.bytes));
    let meant: BTreeSet<ScaledInteger> = [
        ObisCode::ACTIVE_ENERGY_IMPORT,
        ObisCode::ACTIVE_ENERGY_EXPORT,
        ObisCode::ACTIVE_POWER,
    ]
    .into_iter()
    .filter_map(|code| telegrams[0].number(code))
    .collect();
    assert_eq!(meant.len(), 3);

    // It was fed with that recording; each of its tuples is `[ms, value]`.
    let text = std::fs::read_to_string(folder.join("http-local.json")).unwrap();
    let mut noisy = 0;
    let printed: BTreeSet<ScaledInteger> = text
        .split('[')
        .filter_map(|tuple| tuple.split_once(']')?.0.split_once(','))
        .map(|(_, value)| {
            let value = value.trim();
            noisy += usize::from(value.len() >= 17);
            ScaledInteger::from_noisy_decimal(value).unwrap()
        })
        .collect();
    assert_eq!(printed, meant);
    assert_eq!(noisy, 9);
}
