//! What libsml prints, read line by line, against the telegrams of the same recordings.

use dcnet_obis::line::{self, Line};
use dcnet_obis::{Entry, ObisCode, Value};

use crate::support::{captures, decode, readings, recordings};

/// Where libsml prints another number than the meter means: recording, what it prints, what the
/// telegram has. The direction of an ED300L is in the status word, which a line does not carry.
const WRONG: [(&str, &str, &str); 2] = [
    ("EMH-ED300L_delivery", "126.6", "-126.6"),
    ("EMH-ED300L_delivery", "126.5", "-126.5"),
];

#[test]
fn every_line_of_libsml_says_what_the_telegram_says() {
    let Some(folder) = captures() else { return };
    let (mut lines, mut numbers, mut wrong) = (0, 0, 0);
    for recording in recordings() {
        let text = std::fs::read(folder.join(format!("{}.libsml.txt", recording.name))).unwrap();
        let printed = text
            .split(|byte| *byte == b'\n')
            .map(|line| line::parse(line).unwrap())
            .filter_map(|line| match line {
                Line::Value(entry) => Some(entry),
                Line::Comment | Line::Empty => None,
            });
        let telegrams = readings(decode(&recording.bytes));
        let mut meant = telegrams
            .iter()
            .flat_map(|telegram| &telegram.entries)
            // libsml leaves out empty octet strings.
            .filter(|entry| entry.value != Value::Bytes(Vec::new()));
        for entry in printed {
            let other = meant.next().unwrap();
            lines += 1;
            assert_eq!((entry.obis, entry.unit), (other.obis, other.unit));
            if let Value::Number(number) = other.value {
                numbers += 1;
                let known = WRONG.iter().find(|(name, prints, _)| {
                    *name == recording.name
                        && entry.obis == ObisCode::ABSOLUTE_ACTIVE_POWER
                        && *prints == entry.value.to_string()
                });
                if let Some((_, _, means)) = known {
                    wrong += 1;
                    assert_eq!(number.to_string(), *means);
                } else {
                    assert_eq!(
                        entry.value, other.value,
                        "{} {}",
                        recording.name, entry.obis
                    );
                }
            } else {
                assert!(same_octets(&entry, other), "{} {other:?}", recording.name);
            }
        }
        assert_eq!(meant.next(), None, "{}", recording.name);
    }
    assert!(
        lines > 900 && numbers > 500,
        "{lines} lines, {numbers} numbers"
    );
    assert_eq!(wrong, WRONG.len());
}

/// Octets come back, unless libsml began to print them as text and went on in hexadecimal.
fn same_octets(entry: &Entry, other: &Entry) -> bool {
    let (Value::Bytes(printed), Value::Bytes(sent)) = (&entry.value, &other.value) else {
        return false;
    };
    let mixed = sent.first().is_some_and(|byte| matches!(byte, 0x20..=0x7e))
        && sent.iter().any(|byte| !matches!(byte, 0x20..=0x7e));
    printed == sent || mixed
}
