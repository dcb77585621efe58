//! Blanked recordings say the same, and do not say of whom.

use dcnet_obis::sml::{Blanker, Catalog};
use dcnet_obis::{ObisCode, Telegram, Value};

use crate::support::{Random, decode, encoders, readings, telegrams};

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

fn without_ids(telegram: &Telegram) -> Vec<String> {
    let entries = telegram.entries.iter();
    entries
        .filter(|entry| entry.obis != ObisCode::DEVICE_ID)
        .map(|entry| format!("{entry:?}"))
        .collect()
}

#[test]
fn every_form_of_a_file_keeps_its_values() {
    for (form, mut encoder) in encoders() {
        for (name, telegram) in telegrams() {
            let file = encoder.encode(&telegram).unwrap();
            let mut blanker = Blanker::new(Catalog::built_in());
            let without = blanker.push(&file);
            let (before, after) = (readings(decode(&file)), readings(decode(&without)));
            if before.is_empty() {
                // A form that the decoder refuses.
                assert_eq!(without, b"", "{form}, {name}");
                continue;
            }
            assert_eq!(after.len(), 1, "{form}, {name}");
            assert_eq!(
                without_ids(&after[0]),
                without_ids(&before[0]),
                "{form}, {name}"
            );
            assert_ne!(after[0].server_id, telegram.server_id);
            assert_eq!(after[0].maker(), telegram.maker());
            assert!(!contains(&without, &telegram.server_id), "{form}, {name}");
            let id = telegram
                .entry(ObisCode::DEVICE_ID)
                .map(|entry| &entry.value);
            if let Some(Value::Bytes(id)) = id {
                assert!(!contains(&without, id), "{form}, {name}");
            }
        }
    }
}

/// The serial number that this kind of meter has must not tell which one it is, but in which range.
#[test]
fn a_serial_number_stays_in_the_range_of_its_rule() {
    let (_, mut telegram) = telegrams().remove(0);
    for (serial, stays) in [
        (48_999_999_u32, true),
        (41_999_999, false),
        (55_000_000, true),
    ] {
        telegram.server_id[6..].copy_from_slice(&serial.to_be_bytes());
        let file = dcnet_obis::sml::encode::file(&telegram).unwrap();
        let blanked = Blanker::new(Catalog::built_in()).push(&file);
        let device = readings(decode(&blanked))[0].device().unwrap();
        assert_ne!(device.serial, u64::from(serial));
        let in_range = |serial| {
            (42_000_000..=48_999_999).contains(&serial)
                || (55_000_000..=58_999_999).contains(&serial)
        };
        assert_eq!(in_range(device.serial), stays, "{device}");
    }
}

/// Whatever happens to the bytes, nothing of an id gets through.
#[test]
fn damaged_bytes_are_left_out() {
    let mut random = Random(7);
    for (_, telegram) in telegrams() {
        let serial = &telegram.server_id[telegram.server_id.len() - 3..];
        let file = dcnet_obis::sml::encode::file(&telegram).unwrap();
        for _ in 0..2_000 {
            let mut bytes = file.repeat(2);
            let place = random.below(bytes.len());
            if random.below(2) == 0 {
                bytes[place] ^= 1 << random.below(8);
            } else {
                bytes.remove(place);
            }
            let mut blanker = Blanker::new(Catalog::built_in());
            let without = blanker.push(&bytes);
            assert!(readings(decode(&without)).len() <= 2);
            assert_eq!(
                without.len() as u64 + blanker.left_out(),
                bytes.len() as u64
            );
            // Three bytes of zeros and a one are found anywhere.
            if serial != [0, 0, 1] {
                assert!(!contains(&without, serial), "{place}");
            }
            assert!(!contains(&without, &telegram.server_id), "{place}");
        }
    }
}
