//! From the text of a readout to a telegram: data sets (IEC 62056-21, section 6.6).

use core::str;

use super::{DecodeError, address, unit};
use crate::{Entry, ObisCode, ScaledInteger, Telegram, Unit, Value};

/// What has to be known beside the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The medium of addresses without one.
    pub(super) medium: u8,
    /// Registers of active energy without a unit are in kWh.
    pub(super) kilowatt_hours: bool,
}

/// Where the `!` stands that ends the data: the first one outside of parentheses.
pub(super) fn end(text: &[u8]) -> Option<usize> {
    let mut inside = false;
    text.iter().position(|byte| {
        match byte {
            b'(' => inside = true,
            b')' | b'\n' => inside = false,
            _ => {}
        }
        *byte == b'!' && !inside
    })
}

/// Reads the data sets before the `!`.
pub(super) fn read(text: &[u8], reading: Reading) -> Result<Telegram, DecodeError> {
    let mut entries = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        read_line(line.trim_ascii(), reading, &mut entries)
            .ok_or(DecodeError::Parenthesis { line: index + 1 })?;
    }
    Ok(Telegram {
        server_id: server_id(&entries),
        sensor_time: None,
        entries,
    })
}

/// Reads the data sets of one line; `None` if a parenthesis has no other half.
fn read_line(mut line: &[u8], reading: Reading, entries: &mut Vec<Entry>) -> Option<()> {
    // Where the values of the data set begin, and how many numbers they have.
    let (mut code, mut first, mut numbers) = (None, 0, 0);
    while let Some(open) = line.iter().position(|byte| *byte == b'(') {
        let (before, rest) = line.split_at_checked(open)?;
        if before.contains(&b')') {
            return None;
        }
        let before = before.trim_ascii();
        if !before.is_empty() {
            code = str::from_utf8(before)
                .ok()
                .and_then(|text| address::parse(text, reading.medium));
            (first, numbers) = (entries.len(), 0);
        }
        let content = rest.get(1..)?;
        let close = content.iter().position(|byte| *byte == b')')?;
        let (content, rest) = content.split_at_checked(close)?;
        if content.contains(&b'(') {
            return None;
        }
        line = rest.get(1..)?;
        if let Some(code) = code {
            match number(code, content, reading) {
                Some(entry) => {
                    entries.insert(first + numbers, entry);
                    numbers += 1;
                }
                None => entries.push(Entry::bytes(code, content)),
            }
        }
    }
    (!line.contains(&b')')).then_some(())
}

/// The entry of a value that is a number with a known unit.
fn number(code: ObisCode, content: &[u8], reading: Reading) -> Option<Entry> {
    let content = str::from_utf8(content).ok()?;
    let (number, (unit, exponent)) = match content.split_once('*') {
        Some((number, text)) => (number, unit::parse(text.trim())?),
        None if reading.kilowatt_hours && is_active_energy(code) => (content, (Unit::WATT_HOUR, 3)),
        None => return None,
    };
    let number: ScaledInteger = number.trim().parse().ok()?;
    Some(Entry::number(code, number.checked_shift(exponent)?, unit))
}

/// Registers `1-b:1.8.e` and `1-b:2.8.e`, of any billing period.
fn is_active_energy(code: ObisCode) -> bool {
    code.a == 1 && matches!(code.c, 1 | 2) && code.d == 8
}

/// The id of the meter out of its values, in the order that the [module](super) explains.
fn server_id(entries: &[Entry]) -> Vec<u8> {
    // In P1 telegrams of Belgium, 96.1.4 is the version of the standard.
    let ranks = [
        [0, 0, 9],
        [96, 1, 0],
        [96, 1, 1],
        [96, 1, 2],
        [96, 1, 3],
        [96, 1, 255],
        [0, 0, 0],
    ];
    ranks
        .iter()
        .find_map(|rank| {
            entries.iter().find_map(|entry| match &entry.value {
                Value::Bytes(id)
                    if entry.obis.b == 0 && *rank == [entry.obis.c, entry.obis.d, entry.obis.e] =>
                {
                    Some(id.trim_ascii()).filter(|id| !id.is_empty())
                }
                _ => None,
            })
        })
        .unwrap_or_default()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Reading = Reading {
        medium: 1,
        kilowatt_hours: false,
    };

    fn entries(text: &str) -> Vec<String> {
        let telegram = read(text.as_bytes(), PLAIN).unwrap();
        let show = |entry: &Entry| {
            let unit = entry.unit.map_or("", Unit::symbol);
            match &entry.value {
                Value::Number(number) => format!("{} {number:?} {unit}", entry.obis.short()),
                other => format!("{} {other}", entry.obis.short()),
            }
        };
        telegram.entries.iter().map(show).collect()
    }

    #[test]
    fn reads_several_data_sets_of_a_line() {
        assert_eq!(
            entries("6.8(0029.055*MWh)6.26*01(01563.92*m3)9.21(00010213)F(0)\r\n6.8.1()"),
            [
                "6.8.0 29055e3 Wh",
                "1-0:6.26.0*1 156392e-2 m³",
                "9.21.0 00010213",
                "0-0:97.97.0*255 0",
                "6.8.1 "
            ]
        );
    }

    #[test]
    fn numbers_come_first_in_a_data_set() {
        assert_eq!(
            entries("0-1:24.2.1(101209110000W)(12785.123*m3)\r\n1.6.0(02.468*kW)(1703100930)"),
            [
                "0-1:24.2.1*255 12785123e-3 m³",
                "0-1:24.2.1*255 101209110000W",
                "1.6.0 2468e0 W",
                "1.6.0 1703100930"
            ]
        );
        assert_eq!(
            entries("1-0:99.97.0(2)(0:96.7.19)(0000000240*s)(x)(301*s)"),
            [
                "99.97.0 240e0 s",
                "99.97.0 301e0 s",
                "99.97.0 2",
                "99.97.0 0:96.7.19",
                "99.97.0 x"
            ]
        );
    }

    #[test]
    fn keeps_as_text_what_is_no_number_with_a_unit() {
        for (text, value) in [
            ("1.8.0(032942.0231)", "032942.0231"),
            ("9.4(088*C&082*C)", "088*C&082*C"),
            ("1.8.0(1.5*foo)", "1.5*foo"),
            ("1.8.0(----*kWh)", "----*kWh"),
            ("1.8.0(*kWh)", "*kWh"),
            ("1.8.0(1*2*kWh)", "1*2*kWh"),
            ("0.9.1( 12:30)", " 12:30"),
        ] {
            let telegram = read(text.as_bytes(), PLAIN).unwrap();
            let [entry] = &telegram.entries[..] else {
                panic!("{text}")
            };
            assert_eq!(entry.value, Value::Bytes(value.into()), "{text}");
            assert_eq!(entry.unit, None);
        }
        assert_eq!(entries("81.7.6(  80*Deg)"), ["81.7.6 80e0 °"]);
        assert_eq!(entries("31.7.0(+000.8*A)"), ["31.7.0 8e-1 A"]);
        assert_eq!(entries("1.7.0(-00.49*kW)"), ["1.7.0 -49e1 W"]);
        // No address, or one that is no code.
        assert!(entries("(1*kWh)\r\nERROR\r\nX.1(1*kWh)(2*kWh)\r\n").is_empty());
    }

    #[test]
    fn energy_without_a_unit_is_in_kilowatt_hours_if_the_owner_says_so() {
        let reading = Reading {
            kilowatt_hours: true,
            ..PLAIN
        };
        let text = b"1-0:1.8.1*255(032942.0231)\r\n1-0:2.8.0*01(1)\r\n3.8.0(1)\r\n1.8.2(1*foo)";
        let telegram = read(text, reading).unwrap();
        let exact: Vec<_> = telegram
            .entries
            .iter()
            .map(|entry| telegram.number(entry.obis).and_then(|n| n.exact_to(-1)))
            .collect();
        assert_eq!(exact, [Some(329_420_231), Some(10_000), None, None]);
    }

    #[test]
    fn refuses_halves_of_parentheses() {
        for text in [
            "1.8.0(1*kWh",
            "1.8.0 1)",
            "1.8.0(1)(",
            "1.8.0((1))",
            "1.8.0(1\r\n)",
            "1)2(3)",
        ] {
            let error = read(text.as_bytes(), PLAIN).unwrap_err();
            assert_eq!(error, DecodeError::Parenthesis { line: 1 }, "{text:?}");
        }
    }

    #[test]
    fn takes_the_id_that_names_the_meter_best() {
        let id = |text: &str| read(text.as_bytes(), PLAIN).unwrap().server_id;
        assert_eq!(id("0.0.0(1)C.1(2)0.0.9(3)96.1.1(4)"), b"3");
        assert_eq!(id("0.0.0(1)C.1(2)96.1.1(4)"), b"2");
        assert_eq!(id("0.0.0(1)0-0:96.1.255*255(4)"), b"4");
        assert_eq!(id("0.0.0(1)1.8.0(5)"), b"1");
        assert_eq!(id("0.0.9()0.0.0( 1 )"), b"1");
        assert_eq!(id("0-0:96.1.4(50217)0-0:96.1.1(3153)"), b"3153");
        assert_eq!(id("0-1:96.1.0(6)0-0:96.1.4(50217)"), b"");
    }

    #[test]
    fn an_exclamation_mark_within_a_value_is_no_end() {
        assert_eq!(end(b"96.13.0(!)\r\n!\r\n"), Some(12));
        assert_eq!(end(b"96.13.0(\r\n!"), Some(10));
        assert_eq!(end(b"96.13.0(!)"), None);
    }
}
