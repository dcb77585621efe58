//! Every entry that the references list, exact value and unit.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use dcnet_obis::{Entry, MeterTime, ObisCode, Telegram, Unit, Value};

use crate::support::{captures, decode, readings, recordings};

/// Where a reference does not say what the meter means.
struct Deviation {
    recording: &'static str,
    obis: ObisCode,
    /// The mantissa as a parser without knowledge of the meter reads it.
    raw: &'static str,
    /// What libsml prints, where that is wrong as well.
    libsml: Option<&'static str>,
    /// What the meter means.
    meant: &'static str,
    reason: &'static str,
}

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        recording: "DZG_DVS-7412.2_jmberg",
        obis: ObisCode::ACTIVE_POWER,
        raw: "-29912",
        libsml: None,
        meant: "356.24",
        reason: "a DVS74 with a serial number from 42000000 to 48999999 tags short unsigned powers as signed",
    },
    Deviation {
        recording: "EMH-ED300L_delivery",
        obis: ObisCode::ABSOLUTE_ACTIVE_POWER,
        raw: "1266",
        libsml: Some("126.6"),
        meant: "-126.6",
        reason: "an ED300L tells the direction in the status word only, and that is 0x1b0",
    },
    Deviation {
        recording: "EMH-ED300L_delivery",
        obis: ObisCode::ABSOLUTE_ACTIVE_POWER,
        raw: "1265",
        libsml: Some("126.5"),
        meant: "-126.5",
        reason: "an ED300L tells the direction in the status word only, and that is 0x1b0",
    },
];

#[test]
fn every_entry_that_libsml_prints() {
    let Some(folder) = captures() else { return };
    let recordings = recordings();
    assert_eq!(recordings.len(), 25);
    let mut met = 0;
    for recording in recordings {
        let reference = text(&folder, &recording.name, "libsml.txt");
        let mut expected: Vec<String> = reference.lines().map(str::to_owned).collect();
        for line in &mut expected {
            for deviation in deviations(&recording.name) {
                let Some(libsml) = deviation.libsml else {
                    continue;
                };
                let prefix = format!("{}#{libsml}#", deviation.obis);
                if let Some(unit) = line.strip_prefix(&prefix) {
                    *line = format!("{}#{}#{unit}", deviation.obis, deviation.meant);
                    met += 1;
                }
            }
        }
        let got: Vec<String> = readings(decode(&recording.bytes))
            .iter()
            .flat_map(|telegram| &telegram.entries)
            .filter_map(as_libsml_prints)
            .collect();
        assert_eq!(got, expected, "{}", recording.name);
    }
    let wrong = DEVIATIONS.iter().filter(|d| d.libsml.is_some()).count();
    assert_eq!(met, wrong, "a deviation of libsml was not met");
}

#[test]
fn every_raw_entry() {
    let Some(folder) = captures() else { return };
    let mut met = HashMap::new();
    for recording in recordings() {
        let reference = text(&folder, &recording.name, "raw.txt");
        let telegrams = readings(decode(&recording.bytes));
        let dzg = telegrams
            .first()
            .is_some_and(|telegram| telegram.maker().as_deref() == Some("DZG"));
        let expected: Vec<String> = reference
            .lines()
            .filter(|line| !line.starts_with("# file") && !line.starts_with("# transport"))
            .map(|line| raw_as_meant(line, &recording.name, dzg, &mut met))
            .collect();
        let got: Vec<String> = telegrams.iter().flat_map(lines).collect();
        assert_eq!(got, expected, "{}", recording.name);
    }
    for deviation in DEVIATIONS {
        assert_eq!(met.get(deviation.raw), Some(&1), "{}", deviation.reason);
    }
}

#[test]
fn a_recording_without_a_whole_file_gives_no_reading() {
    for recording in recordings() {
        let readings = readings(decode(&recording.bytes));
        let broken = recording.name.ends_with("_error") && !recording.name.contains("with_error");
        assert_eq!(readings.is_empty(), broken, "{}", recording.name);
    }
}

fn deviations(recording: &str) -> impl Iterator<Item = &'static Deviation> {
    DEVIATIONS
        .iter()
        .filter(move |deviation| deviation.recording == recording)
}

fn text(folder: &Path, name: &str, kind: &str) -> String {
    let bytes = std::fs::read(folder.join(format!("{name}.{kind}"))).unwrap();
    // Octet strings of meters are in no particular character set.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The line that libsml's `sml_server` prints for an entry.
fn as_libsml_prints(entry: &Entry) -> Option<String> {
    let value = match &entry.value {
        // It leaves such entries out; the raw references have them.
        Value::Bytes(bytes) if bytes.is_empty() => return None,
        Value::Bytes(bytes) => {
            let printable = bytes
                .iter()
                .take_while(|byte| matches!(byte, 0x20..=0x7e))
                .count();
            let (text, rest) = bytes.split_at(printable);
            let mut value = String::from_utf8_lossy(text).into_owned();
            for byte in rest {
                write!(value, "{byte:02x} ").unwrap();
            }
            value
        }
        other => other.to_string(),
    };
    let unit = entry.unit.map_or("", Unit::symbol);
    Some(format!("{}#{value}#{unit}", entry.obis))
}

/// A telegram in the form of the raw references, without the types of integers.
fn lines(telegram: &Telegram) -> Vec<String> {
    let mut lines = vec![format!(
        "# act_sensor_time {:?} server {:02x?}",
        telegram.sensor_time, telegram.server_id
    )];
    lines.extend(telegram.entries.iter().map(|entry| {
        let value = match &entry.value {
            Value::Number(number) => number.to_string(),
            Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            }),
            other => panic!("the references have no {other:?}"),
        };
        let unit = entry.unit.map(Unit::code);
        line(entry.obis, unit, &value, entry.status, entry.time)
    }));
    lines
}

fn line(
    obis: ObisCode,
    unit: Option<u8>,
    value: &str,
    status: Option<u64>,
    time: Option<MeterTime>,
) -> String {
    format!("{obis} {unit:?} {value} {status:?} {time:?}")
}

/// A line of a raw reference as the meter means it.
fn raw_as_meant(
    reference: &str,
    recording: &str,
    dzg: bool,
    met: &mut HashMap<&'static str, usize>,
) -> String {
    if reference.starts_with('#') {
        return reference.to_owned();
    }
    let mut fields = reference.split('\t');
    let obis: ObisCode = fields.next().unwrap().parse().unwrap();
    let fields: HashMap<&str, &str> = fields.map(|field| field.split_once('=').unwrap()).collect();
    let some = |name: &str| {
        fields[name]
            .strip_prefix("Some(")
            .and_then(|rest| rest.strip_suffix(')'))
    };
    let deviation =
        deviations(recording).find(|d| d.obis == obis && Some(&d.raw) == fields.get("raw"));
    let value = if let Some(deviation) = deviation {
        *met.entry(deviation.raw).or_default() += 1;
        deviation.meant.to_owned()
    } else if fields["type"] == "bytes" {
        fields["raw"].to_owned()
    } else {
        let exponent = some("scaler").map_or(0, |scaler| scaler.parse().unwrap());
        dcnet_obis::ScaledInteger::new(fields["raw"].parse().unwrap(), exponent).to_string()
    };
    // Zero is no unit; and for DZG, second 0 is no time.
    let unit = some("unit").map(|unit| unit.parse().unwrap());
    let unit = unit.filter(|unit| *unit != 0);
    let status = some("status").map(|status| {
        let digits = status.split('u').next().unwrap();
        digits.parse().unwrap()
    });
    let time = some("time").map(|time| {
        let seconds = time.strip_prefix("SecIndex(").unwrap();
        MeterTime::SecIndex(seconds.strip_suffix(')').unwrap().parse().unwrap())
    });
    let time = time.filter(|time| !dzg || *time != MeterTime::SecIndex(0));
    line(obis, unit, &value, status, time)
}
