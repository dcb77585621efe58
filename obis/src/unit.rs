//! Units by their DLMS code.

use core::fmt;
use core::str::FromStr;

/// A unit of measurement by its DLMS code (IEC 62056-6-2, "Blue Book", enumeration of units).
///
/// A unit never carries a prefix: a thousand watt-hours are the unit `Wh` at scale 3.
///
/// ```
/// use dcnet_obis::Unit;
///
/// assert_eq!("Wh".parse(), Ok(Unit::WATT_HOUR));
/// assert_eq!(Unit::WATT_HOUR.code(), 30);
/// assert_eq!(Unit::WATT_HOUR.symbol(), "Wh");
/// assert!("kWh".parse::<Unit>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(u8);

impl Unit {
    /// Second, s.
    pub const SECOND: Self = Self(7);
    /// Degree of a phase angle, °.
    pub const DEGREE: Self = Self(8);
    /// Degree Celsius, °C.
    pub const CELSIUS: Self = Self(9);
    /// Cubic metre, m³.
    pub const CUBIC_METRE: Self = Self(13);
    /// Watt, W: active power.
    pub const WATT: Self = Self(27);
    /// Volt-ampere, VA: apparent power.
    pub const VOLT_AMPERE: Self = Self(28);
    /// Var, var: reactive power.
    pub const VAR: Self = Self(29);
    /// Watt-hour, Wh: active energy.
    pub const WATT_HOUR: Self = Self(30);
    /// Volt-ampere-hour, `VAh`: apparent energy.
    pub const VOLT_AMPERE_HOUR: Self = Self(31);
    /// Var-hour, varh: reactive energy.
    pub const VAR_HOUR: Self = Self(32);
    /// Ampere, A.
    pub const AMPERE: Self = Self(33);
    /// Volt, V.
    pub const VOLT: Self = Self(35);
    /// Hertz, Hz.
    pub const HERTZ: Self = Self(44);
    /// Percent, %.
    pub const PERCENT: Self = Self(56);
    /// A count, no unit.
    pub const COUNT: Self = Self(255);

    /// The unit with this DLMS code, whether the table has it or not.
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// The DLMS code.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Reads a symbol before which a prefix may stand; gives the unit and the power of ten for
    /// which the prefix stands.
    ///
    /// Known are kilo, mega, giga and milli. Where the table has the whole text as a symbol, there
    /// is no prefix in it (`min`, `m`).
    ///
    /// ```
    /// use dcnet_obis::Unit;
    ///
    /// assert_eq!(Unit::with_prefix("kWh"), Some((Unit::WATT_HOUR, 3)));
    /// assert_eq!(Unit::with_prefix("Wh"), Some((Unit::WATT_HOUR, 0)));
    /// ```
    pub fn with_prefix(text: &str) -> Option<(Self, i8)> {
        if let Some(unit) = by_symbol(text) {
            return Some((unit, 0));
        }
        [('k', 3), ('M', 6), ('G', 9), ('m', -3)]
            .into_iter()
            .find_map(|(prefix, scale)| {
                let unit = text.strip_prefix(prefix).and_then(by_symbol)?;
                Some((unit, scale))
            })
    }

    /// The symbol; empty for a count and for codes without an entry in the table.
    pub fn symbol(self) -> &'static str {
        SYMBOLS
            .iter()
            .find(|(code, _)| *code == self.0)
            .map_or("", |(_, symbol)| symbol)
    }
}

/// The table of the standard. Where two codes share a symbol, text is read as the first.
const SYMBOLS: &[(u8, &str)] = &[
    (1, "a"),
    (2, "mo"),
    (3, "wk"),
    (4, "d"),
    (5, "h"),
    (6, "min"),
    (7, "s"),
    (8, "°"),
    (9, "°C"),
    (10, "currency"),
    (11, "m"),
    (12, "m/s"),
    (13, "m³"),
    (14, "m³"), // corrected volume
    (15, "m³/h"),
    (16, "m³/h"), // corrected
    (17, "m³/d"),
    (18, "m³/d"), // corrected
    (19, "l"),
    (20, "kg"),
    (21, "N"),
    (22, "Nm"),
    (23, "Pa"),
    (24, "bar"),
    (25, "J"),
    (26, "J/h"),
    (27, "W"),
    (28, "VA"),
    (29, "var"),
    (30, "Wh"),
    (31, "VAh"),
    (32, "varh"),
    (33, "A"),
    (34, "C"),
    (35, "V"),
    (36, "V/m"),
    (37, "F"),
    (38, "Ω"),
    (39, "Ωm²/m"),
    (40, "Wb"),
    (41, "T"),
    (42, "A/m"),
    (43, "H"),
    (44, "Hz"),
    (45, "1/Wh"),
    (46, "1/varh"),
    (47, "1/VAh"),
    (48, "V²h"),
    (49, "A²h"),
    (50, "kg/s"),
    (51, "S"),
    (52, "K"),
    (53, "1/V²h"),
    (54, "1/A²h"),
    (55, "1/m³"),
    (56, "%"),
    (57, "Ah"),
    (60, "Wh/m³"),
    (61, "J/m³"),
    (62, "mol%"),
    (63, "g/m³"),
    (64, "Pa·s"),
    (65, "J/kg"),
    (70, "dBm"),
    (71, "dBµV"),
    (72, "dB"),
];

/// The symbol, or `unit N` for a code without one (nothing for a count).
impl fmt::Display for Unit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.symbol() {
            "" if *self != Self::COUNT => write!(out, "unit {}", self.0),
            symbol => out.pad(symbol),
        }
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Unit({} {:?})", self.0, self.symbol())
    }
}

/// Reads a symbol, exactly as [`Unit::symbol`] has it.
impl FromStr for Unit {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(unit) = by_symbol(text) {
            return Ok(unit);
        }
        let got = text.to_owned();
        Err(match Self::with_prefix(text) {
            Some((unit, scale)) => ParseUnitError::Prefixed { unit, scale, got },
            None => ParseUnitError::Unknown { got },
        })
    }
}

fn by_symbol(text: &str) -> Option<Unit> {
    SYMBOLS
        .iter()
        .find(|(_, symbol)| *symbol == text)
        .map(|(code, _)| Unit(*code))
}

/// Why a text is no unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseUnitError {
    /// A unit with a prefix such as kilo.
    #[error("`{got}` has a prefix: name the unit `{unit}` and give the scale {scale}")]
    Prefixed {
        /// The unit without the prefix.
        unit: Unit,
        /// The power of ten for which the prefix stands.
        scale: i8,
        /// The text.
        got: String,
    },
    /// No unit of the DLMS table.
    #[error(
        "`{got}` is no unit of the DLMS table; known are Wh, W, varh, var, VA, V, A, Hz and others"
    )]
    Unknown {
        /// The text.
        got: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_symbols_fit() {
        let known = [
            (Unit::WATT_HOUR, 30, "Wh"),
            (Unit::WATT, 27, "W"),
            (Unit::VAR_HOUR, 32, "varh"),
            (Unit::AMPERE, 33, "A"),
            (Unit::VOLT, 35, "V"),
            (Unit::HERTZ, 44, "Hz"),
            (Unit::DEGREE, 8, "°"),
        ];
        for (unit, code, symbol) in known {
            assert_eq!((unit.code(), unit.symbol()), (code, symbol));
            assert_eq!(symbol.parse(), Ok(unit));
            assert_eq!(unit.to_string(), symbol);
        }
        assert_eq!(Unit::COUNT.to_string(), "");
        assert_eq!(Unit::from_code(99).to_string(), "unit 99");
        assert!(SYMBOLS.is_sorted_by_key(|(code, _)| *code));
    }

    #[test]
    fn a_prefix_is_no_unit() {
        let error = "kWh".parse::<Unit>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`kWh` has a prefix: name the unit `Wh` and give the scale 3"
        );
        // Not every leading m is milli.
        assert_eq!("min".parse(), Ok(Unit::from_code(6)));
        for wrong in ["", "wh", "Wh ", "unit 99", "W h"] {
            assert!(matches!(
                wrong.parse::<Unit>(),
                Err(ParseUnitError::Unknown { .. })
            ));
        }
    }
}
