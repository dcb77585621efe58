//! Units as D0 meters write them.

use crate::Unit;

/// Spellings that the DLMS table does not have: ASCII for its special characters, and habits.
///
/// `C` is left out: heat meters mean degrees Celsius by it, the table coulomb.
const HABITS: &[(&str, Unit, i8)] = &[
    ("m3", Unit::CUBIC_METRE, 0),
    ("m3/h", CUBIC_METRE_PER_HOUR, 0),
    ("m3ph", CUBIC_METRE_PER_HOUR, 0),
    ("dm3", Unit::CUBIC_METRE, -3),
    ("Deg", Unit::DEGREE, 0),
    ("deg", Unit::DEGREE, 0),
    ("sec", Unit::SECOND, 0),
    ("secs", Unit::SECOND, 0),
    ("KWH", Unit::WATT_HOUR, 3),
    ("kWH", Unit::WATT_HOUR, 3),
    ("kwh", Unit::WATT_HOUR, 3),
    ("KW", Unit::WATT, 3),
    ("kw", Unit::WATT, 3),
    ("kVAr", Unit::VAR, 3),
    ("kVArh", Unit::VAR_HOUR, 3),
    ("kvArh", Unit::VAR_HOUR, 3),
    ("VAr", Unit::VAR, 0),
    ("VArh", Unit::VAR_HOUR, 0),
];

const CUBIC_METRE_PER_HOUR: Unit = Unit::from_code(15);

/// The unit and the power of ten for which its prefix stands; `None` for an unknown one.
pub(super) fn parse(text: &str) -> Option<(Unit, i8)> {
    HABITS
        .iter()
        .find(|(habit, _, _)| *habit == text)
        .map(|(_, unit, exponent)| (*unit, *exponent))
        .or_else(|| Unit::with_prefix(text).filter(|(unit, _)| *unit != COULOMB))
}

const COULOMB: Unit = Unit::from_code(34);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_prefixes_into_the_exponent() {
        for (text, unit, exponent) in [
            ("Wh", Unit::WATT_HOUR, 0),
            ("kWh", Unit::WATT_HOUR, 3),
            ("MWh", Unit::WATT_HOUR, 6),
            ("GWh", Unit::WATT_HOUR, 9),
            ("kW", Unit::WATT, 3),
            ("kvar", Unit::VAR, 3),
            ("kvarh", Unit::VAR_HOUR, 3),
            ("kVA", Unit::VOLT_AMPERE, 3),
            ("mA", Unit::AMPERE, -3),
            ("V", Unit::VOLT, 0),
            ("Hz", Unit::HERTZ, 0),
            ("m3", Unit::CUBIC_METRE, 0),
            ("m", Unit::from_code(11), 0),
            ("h", Unit::from_code(5), 0),
            ("GJ", Unit::from_code(25), 9),
            ("Deg", Unit::DEGREE, 0),
        ] {
            assert_eq!(parse(text), Some((unit, exponent)), "{text}");
        }
        for unknown in ["", "C", "mC", "foo", "C&082*C", "K W h", "kkWh"] {
            assert_eq!(parse(unknown), None, "{unknown}");
        }
    }
}
