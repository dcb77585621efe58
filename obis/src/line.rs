//! Readings as lines of text, `1-0:1.8.0*255#17243675.6#Wh`: the form that `sml_server` of libsml
//! prints, and the simplest one for a program of the owner's that hands readings over.
//!
//! A line is the OBIS code, the value and the unit, separated by `#`; the unit and its `#` may be
//! missing. Numbers are exact decimals. Empty lines and lines that begin with `//` carry no value;
//! a reader may take an empty line for the end of a telegram.

use core::str;

use crate::{Entry, ObisCode, ParseObisError, ScaledInteger, Unit, Value};

/// The longest line taken, in bytes without the line break.
///
/// The longest that `sml_server` prints for known meters, a public key, has 167.
pub const MAX_LINE: usize = 1024;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A value.
    Value(Entry),
    /// A comment: its first characters are `//`.
    Comment,
    /// Nothing but blanks.
    Empty,
}

/// Reads one line, with or without its line break.
///
/// The value is a number if it is a plain decimal ([`ScaledInteger`] as text) and either has a
/// unit or an OBIS code that is not that of an id; a number without a unit never begins with a
/// superfluous zero. So `1-0:0.0.0*255#02280816#` and `1-0:96.1.0*255#12345678#` are text. A unit
/// may have a prefix (`kWh`), which goes into the number's exponent. Text stays the bytes that it
/// is, except that pairs of hexadecimal digits with a blank after each, as `sml_server` prints
/// octets that are not printable, become these octets. (It mixes both forms within one value if
/// that begins with printable octets; these stay as printed.)
///
/// ```
/// use dcnet_obis::line::{self, Line};
/// use dcnet_obis::{Entry, ObisCode, ScaledInteger, Unit};
///
/// let line = line::parse(b"1-0:1.8.0*255#17243675.6#Wh\r\n")?;
/// let energy = ScaledInteger::new(172_436_756, -1);
/// assert_eq!(
///     line,
///     Line::Value(Entry::number(ObisCode::ACTIVE_ENERGY_IMPORT, energy, Unit::WATT_HOUR))
/// );
/// # Ok::<(), dcnet_obis::line::LineError>(())
/// ```
///
/// # Errors
///
/// What is wrong with the line, as [`LineError`] says.
pub fn parse(line: &[u8]) -> Result<Line, LineError> {
    if line.len() > MAX_LINE + 2 {
        return Err(LineError::TooLong { limit: MAX_LINE });
    }
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(Line::Empty);
    }
    if line.starts_with(b"//") {
        return Ok(Line::Comment);
    }
    let mut fields = line.split(|byte| *byte == b'#');
    let (Some(code), Some(value)) = (fields.next(), fields.next()) else {
        return Err(LineError::NoValue);
    };
    let unit = fields.next().unwrap_or_default();
    if fields.next().is_some() {
        return Err(LineError::TooManyFields);
    }
    let obis: ObisCode = text(code.trim_ascii())?.parse().map_err(LineError::Code)?;
    let unit = unit.trim_ascii();
    if unit.is_empty() {
        return Ok(Line::Value(without_unit(obis, value)));
    }
    let unit = text(unit)?;
    let (unit, exponent) = Unit::with_prefix(unit).ok_or_else(|| LineError::Unit {
        got: unit.to_owned(),
    })?;
    let number = text(value.trim_ascii())?
        .parse()
        .ok()
        .and_then(|number: ScaledInteger| number.checked_shift(exponent))
        .ok_or(LineError::Number { unit })?;
    Ok(Line::Value(Entry::number(obis, number, unit)))
}

fn without_unit(obis: ObisCode, value: &[u8]) -> Entry {
    let trimmed = value.trim_ascii();
    let digits = trimmed.strip_prefix(b"-").unwrap_or(trimmed);
    let padded = matches!(digits, [b'0', second, ..] if *second != b'.');
    let number = str::from_utf8(trimmed)
        .ok()
        .and_then(|text| text.parse().ok());
    match number {
        Some(number) if !padded && !names_a_device(obis) => Entry {
            value: Value::Number(number),
            ..Entry::bytes(obis, [])
        },
        // The blank after the last pair tells octets in hexadecimal from text.
        _ => Entry::bytes(obis, octets(value).unwrap_or_else(|| trimmed.to_vec())),
    }
}

/// Codes whose value is an id even if it has digits only: the ids of value group C 0 and 96.1, and
/// the maker.
fn names_a_device(obis: ObisCode) -> bool {
    obis.c == 0 || (obis.c, obis.d) == (96, 1) || obis == ObisCode::MAKER
}

/// The octets that stand as `0a 01 44 `; `None` for any other form.
fn octets(value: &[u8]) -> Option<Vec<u8>> {
    let pairs = value.chunks_exact(3);
    if value.is_empty() || !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match *pair {
            [high, low, b' '] => {
                let digit = |byte| {
                    char::from(byte)
                        .to_digit(16)
                        .and_then(|d| u8::try_from(d).ok())
                };
                Some(digit(high)? << 4 | digit(low)?)
            }
            _ => None,
        })
        .collect()
}

fn text(bytes: &[u8]) -> Result<&str, LineError> {
    str::from_utf8(bytes).map_err(|_| LineError::NotText)
}

/// Why a line is no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Longer than [`MAX_LINE`].
    #[error(
        "a line has more than {limit} bytes; a reading is one line like 1-0:1.8.0*255#1234.5#Wh"
    )]
    TooLong {
        /// The longest line taken, in bytes.
        limit: usize,
    },
    /// There is no `#` after the OBIS code.
    #[error("a line has no `#`; a reading is one line like 1-0:1.8.0*255#1234.5#Wh")]
    NoValue,
    /// Something follows after the unit.
    #[error("a line has more than code, value and unit, which `#` separates")]
    TooManyFields,
    /// The first field is no OBIS code.
    #[error("a line does not begin with an OBIS code: {0}")]
    Code(#[source] ParseObisError),
    /// The code, a number or a unit is not in UTF-8.
    #[error("the code, the unit or the number of a line is no text in UTF-8")]
    NotText,
    /// The unit is none of the DLMS table, with or without a prefix.
    #[error("`{got}` is no unit; known are Wh, kWh, W, var, V, A, Hz and others")]
    Unit {
        /// The text in its place.
        got: String,
    },
    /// There is a unit, but what stands before it is no decimal number.
    #[error("the value before the unit {unit} is no decimal number like 1234.5")]
    Number {
        /// The unit.
        unit: Unit,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(line: &str) -> Entry {
        match parse(line.as_bytes()) {
            Ok(Line::Value(entry)) => entry,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    fn watt_hours(mantissa: i128, exponent: i8) -> Entry {
        let number = ScaledInteger::new(mantissa, exponent);
        Entry::number(ObisCode::ACTIVE_ENERGY_IMPORT, number, Unit::WATT_HOUR)
    }

    #[test]
    fn reads_numbers_exactly() {
        for (line, mantissa, exponent) in [
            ("1-0:1.8.0*255#17243675.6#Wh", 172_436_756, -1),
            ("1-0:1.8.0*255#17243675.60#Wh\n", 1_724_367_560, -2),
            (" 1.8.0 # 17243.6756 # kWh \r\n", 172_436_756, -1),
            ("1.8.0#-5#MWh", -5, 6),
            ("1.8.0#+00005#Wh", 5, 0),
        ] {
            let entry = value(line);
            assert_eq!(entry, watt_hours(mantissa, exponent), "{line:?}");
            let Value::Number(number) = entry.value else {
                panic!("{line:?}")
            };
            let got = (number.mantissa(), number.exponent());
            assert_eq!(got, (mantissa, exponent), "{line:?}");
        }
    }

    #[test]
    fn tells_numbers_without_a_unit_from_ids() {
        let status: ObisCode = "96.5.0".parse().unwrap();
        for line in ["1-0:96.5.0*255#1835268#", "96.5.0#1835268"] {
            let entry = value(line);
            assert_eq!(entry.obis, status);
            assert_eq!(entry.value, Value::Number(1_835_268.into()));
            assert_eq!(entry.unit, None);
        }
        assert_eq!(value("1.7.0#0#").value, Value::Number(0.into()));
        assert_eq!(value("1.7.0#-0.5").value.to_string(), "-0.5");
        for (line, bytes) in [
            ("1-0:0.0.0*255#02280816#", b"02280816".as_slice()),
            ("0-0:96.1.255*255#12345678#", b"12345678"),
            ("1-0:96.5.5*255#080#", b"080"),
            ("1-0:96.50.1*1#DZG#", b"DZG"),
            ("1-0:96.1.0*255#0a 01 44 5a 47 00 #", b"\x0a\x01DZG\x00"),
            ("1-0:96.1.0*255#0a 01 44#", b"0a 01 44"),
            ("1-0:96.13.0*255##", b""),
            ("1-0:96.13.0*255#", b""),
        ] {
            assert_eq!(value(line).value, Value::Bytes(bytes.to_vec()), "{line:?}");
        }
    }

    #[test]
    fn lines_without_a_value() {
        for line in ["", "\r\n", "  \n", "\t"] {
            assert_eq!(parse(line.as_bytes()), Ok(Line::Empty), "{line:?}");
        }
        for line in ["// 1.8.0#1#Wh", " //\r\n"] {
            assert_eq!(parse(line.as_bytes()), Ok(Line::Comment), "{line:?}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong: [(&[u8], LineError); 9] = [
            (b"1.8.0", LineError::NoValue),
            (b"SML message  701", LineError::NoValue),
            (b"1.8.0#1#Wh#", LineError::TooManyFields),
            (b"1.8#1#Wh", LineError::Code(ParseObisError::TooFewGroups)),
            (b"\xff.8.0#1#Wh", LineError::NotText),
            (b"1.8.0#\xff#Wh", LineError::NotText),
            (
                b"1.8.0#1#kwh",
                LineError::Unit {
                    got: "kwh".to_owned(),
                },
            ),
            (
                b"1.8.0#1,5#Wh",
                LineError::Number {
                    unit: Unit::WATT_HOUR,
                },
            ),
            (
                b"1.8.0##Wh",
                LineError::Number {
                    unit: Unit::WATT_HOUR,
                },
            ),
        ];
        for (line, error) in wrong {
            assert_eq!(parse(line), Err(error));
        }
        let long = [b"1-0:96.13.0*255#".as_slice(), &[b'x'; MAX_LINE]].concat();
        assert_eq!(parse(&long), Err(LineError::TooLong { limit: MAX_LINE }));
        assert!(parse(&long[..MAX_LINE]).is_ok());
    }

    proptest! {
        #[test]
        fn no_line_panics(bytes: Vec<u8>, near in "[0-9.:*-]{0,12}#[0-9a-f .+-]{0,12}#[kMWhAVm]{0,3}") {
            let _ = parse(&bytes);
            let _ = parse(near.as_bytes());
        }
    }
}
