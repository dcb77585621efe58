//! Every change of a single byte is refused, or changes no value.

use dcnet_obis::Telegram;
use dcnet_obis::d0::Decoder;

use crate::support::{checked, decode, one, with_crc};

fn every_change(bytes: &[u8], whole: &Telegram) -> (usize, usize) {
    let (mut refused, mut same) = (0, 0);
    for place in 0..bytes.len() {
        for change in 1..=255 {
            let mut changed = bytes.to_vec();
            changed[place] ^= change;
            // What follows must come through, whatever became of the first one.
            changed.extend(bytes);
            let got: Vec<Telegram> = decode(&changed)
                .into_iter()
                .filter_map(Result::ok)
                .collect();
            for telegram in &got {
                assert_eq!(telegram, whole, "byte {place} xor {change:02x}");
            }
            match got.len() {
                1 => refused += 1,
                2 => same += 1,
                other => panic!("byte {place} xor {change:02x}: {other} telegrams"),
            }
        }
    }
    (refused, same)
}

#[test]
fn a_changed_byte_under_a_block_check() {
    let bytes = checked();
    let (refused, same) = every_change(&bytes, &one(&bytes));
    // Bit 7 is no part of a byte, and the identification line is not under the check.
    let covered = bytes.len() - "/ITR5EM214\r\n".len();
    assert!(
        refused >= covered * 253,
        "{refused} refused, {same} the same"
    );
    assert!(same >= bytes.len());
}

#[test]
fn a_changed_byte_under_a_crc() {
    let text = "/KFM5KAIFA\r\n\r\n0-0:96.1.1(45)\r\n1-0:1.8.1(000581.161*kWh)\r\n\
        0-1:24.2.1(161129200000W)(00981.443*m3)\r\n!";
    let bytes = with_crc(text);
    let (refused, same) = every_change(&bytes, &one(&bytes));
    assert!(refused > same, "{refused} refused, {same} the same");
}

#[test]
fn a_missing_or_doubled_byte_under_a_block_check() {
    let bytes = checked();
    let whole = one(&bytes);
    for place in 0..bytes.len() {
        let missing = [&bytes[..place], &bytes[place + 1..]].concat();
        let doubled = [&bytes[..=place], &bytes[place..]].concat();
        for changed in [missing, doubled] {
            let got = Decoder::new().push(&[&changed, &bytes[..]].concat());
            for telegram in got.into_iter().flatten() {
                assert_eq!(telegram, whole, "byte {place}");
            }
        }
    }
}

/// Whatever happens to the bytes, nothing of an id gets through to a blanked recording.
#[test]
fn damaged_bytes_are_left_out_of_blanked_recordings() {
    let file = checked();
    for place in 0..file.len() {
        for bit in 0..8 {
            let mut bytes = file.clone();
            bytes[place] ^= 1 << bit;
            bytes.extend(&file);
            let blanked = dcnet_obis::d0::Blanker::new().push(&bytes);
            let text = String::from_utf8_lossy(&blanked);
            assert!(!text.contains("53965555"), "{place}.{bit}: {text}");
            assert!(
                text.contains("1.8.0(022108.7*kWh)"),
                "{place}.{bit}: {text}"
            );
        }
    }
}
