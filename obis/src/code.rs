//! OBIS codes: what a reading is about.

use core::fmt;
use core::str::FromStr;

/// An OBIS code (IEC 62056-61, EN 13757-1): six value groups `A-B:C.D.E*F`.
///
/// A is the medium (1 electricity), B the channel, C the measured quantity, D the kind of
/// processing (8: time integral, that is, a register), E the tariff, F the billing period
/// (255: the current one).
///
/// ```
/// use dcnet_obis::ObisCode;
///
/// let code: ObisCode = "1.8.0".parse()?;
/// assert_eq!(code, ObisCode::ACTIVE_ENERGY_IMPORT);
/// assert_eq!(code.to_string(), "1-0:1.8.0*255");
/// assert_eq!(code.short(), "1.8.0");
/// # Ok::<(), dcnet_obis::ParseObisError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObisCode {
    /// Value group A: the medium.
    pub a: u8,
    /// Value group B: the channel.
    pub b: u8,
    /// Value group C: the measured quantity.
    pub c: u8,
    /// Value group D: the processing of the quantity.
    pub d: u8,
    /// Value group E: the tariff, or a further classification.
    pub e: u8,
    /// Value group F: the billing period; 255 is the current one.
    pub f: u8,
}

impl ObisCode {
    /// `1-0:1.8.0*255`, active energy taken from the grid, sum of all tariffs.
    pub const ACTIVE_ENERGY_IMPORT: Self = Self::electricity(1, 8, 0);
    /// `1-0:2.8.0*255`, active energy fed into the grid, sum of all tariffs.
    pub const ACTIVE_ENERGY_EXPORT: Self = Self::electricity(2, 8, 0);
    /// `1-0:16.7.0*255`, active power of all phases, negative when feeding in.
    pub const ACTIVE_POWER: Self = Self::electricity(16, 7, 0);
    /// `1-0:15.7.0*255`, active power of all phases without a sign (as the standard has it).
    pub const ABSOLUTE_ACTIVE_POWER: Self = Self::electricity(15, 7, 0);
    /// `1-0:96.1.0*255`, the device's id.
    pub const DEVICE_ID: Self = Self::electricity(96, 1, 0);
    /// `1-0:96.50.1*1`, the maker's three letters.
    pub const MAKER: Self = Self::new([1, 0, 96, 50, 1, 1]);
    /// `129-129:199.130.3*255`, the maker's letters in meters before about 2013.
    pub const MAKER_OLD: Self = Self::new([129, 129, 199, 130, 3, 255]);

    /// A code from its six value groups in the order A to F, the order on the wire.
    #[expect(
        clippy::many_single_char_names,
        reason = "the standard names the value groups so"
    )]
    pub const fn new([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self { a, b, c, d, e, f }
    }

    /// The code `1-0:c.d.e*255`: electricity, no channel, current period.
    pub const fn electricity(c: u8, d: u8, e: u8) -> Self {
        Self::new([1, 0, c, d, e, 255])
    }

    /// The six value groups in the order A to F, the order on the wire.
    pub const fn to_bytes(self) -> [u8; 6] {
        [self.a, self.b, self.c, self.d, self.e, self.f]
    }

    /// True for a register that only counts up: value group D is 8 (time integral 1).
    pub const fn is_energy_register(self) -> bool {
        self.d == 8
    }

    /// The usual short form: `1.8.0` for `1-0:1.8.0*255`, the canonical form for any other
    /// medium, channel or billing period.
    pub fn short(self) -> String {
        if (self.a, self.b, self.f) == (1, 0, 255) {
            format!("{}.{}.{}", self.c, self.d, self.e)
        } else {
            self.to_string()
        }
    }
}

impl From<[u8; 6]> for ObisCode {
    fn from(bytes: [u8; 6]) -> Self {
        Self::new(bytes)
    }
}

impl From<ObisCode> for [u8; 6] {
    fn from(code: ObisCode) -> Self {
        code.to_bytes()
    }
}

/// The canonical form `A-B:C.D.E*F`, every group in decimal.
impl fmt::Display for ObisCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { a, b, c, d, e, f } = self;
        write!(out, "{a}-{b}:{c}.{d}.{e}*{f}")
    }
}

impl fmt::Debug for ObisCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Reads `A-B:C.D.E*F` and its short forms.
///
/// Groups A and B may be left out together (`1-0` is meant), and so may F (255 is meant); F may
/// also follow a dot (`1-0:1.8.0.255`).
impl FromStr for ObisCode {
    type Err = ParseObisError;

    #[expect(
        clippy::many_single_char_names,
        reason = "the standard names the value groups so"
    )]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (a, b, rest) = match text.split_once(':') {
            None => (1, 0, text),
            Some((medium, rest)) => {
                let (a, b) = medium.split_once('-').ok_or(ParseObisError::MediumForm)?;
                (group('A', a)?, group('B', b)?, rest)
            }
        };
        let (quantity, star) = match rest.split_once('*') {
            None => (rest, None),
            Some((quantity, f)) => (quantity, Some(group('F', f)?)),
        };
        let mut parts = quantity.split('.');
        let mut next = |name| match parts.next() {
            Some(part) => group(name, part).map(Some),
            None => Ok(None),
        };
        let (c, d, e, dotted) = (next('C')?, next('D')?, next('E')?, next('F')?);
        if parts.next().is_some() {
            return Err(ParseObisError::TooManyGroups);
        }
        let (Some(c), Some(d), Some(e)) = (c, d, e) else {
            return Err(ParseObisError::TooFewGroups);
        };
        let f = match (star, dotted) {
            (Some(_), Some(_)) => return Err(ParseObisError::TooManyGroups),
            (Some(f), None) | (None, Some(f)) => f,
            (None, None) => 255,
        };
        Ok(Self { a, b, c, d, e, f })
    }
}

fn group(name: char, text: &str) -> Result<u8, ParseObisError> {
    // `u8::from_str` would take a plus sign.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseObisError::NotANumber { group: name });
    }
    text.parse()
        .map_err(|_| ParseObisError::GroupTooLarge { group: name })
}

/// Why a text is no OBIS code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseObisError {
    /// Before the colon stands something else than `A-B`.
    #[error("an OBIS code has A-B before the colon, as in 1-0:1.8.0")]
    MediumForm,
    /// Fewer groups than C, D and E.
    #[error("an OBIS code has at least the groups C.D.E, as in 1.8.0")]
    TooFewGroups,
    /// More groups than C, D, E and F.
    #[error("an OBIS code has no groups beyond A-B:C.D.E*F, as in 1-0:1.8.0*255")]
    TooManyGroups,
    /// A group is empty or has something else than digits.
    #[error("group {group} of an OBIS code is a decimal number from 0 to 255")]
    NotANumber {
        /// The group's letter, A to F.
        group: char,
    },
    /// A group does not fit into one byte.
    #[error("group {group} of an OBIS code is at most 255")]
    GroupTooLarge {
        /// The group's letter, A to F.
        group: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_prints_the_canonical_one() {
        let forms = [
            ("1-0:1.8.0*255", [1, 0, 1, 8, 0, 255]),
            ("1-0:1.8.0", [1, 0, 1, 8, 0, 255]),
            ("1-0:1.8.0.255", [1, 0, 1, 8, 0, 255]),
            ("1.8.0", [1, 0, 1, 8, 0, 255]),
            ("1.8.0*01", [1, 0, 1, 8, 0, 1]),
            ("96.50.1*1", [1, 0, 96, 50, 1, 1]),
            ("129-129:199.130.3*255", [129, 129, 199, 130, 3, 255]),
            ("0-0:96.1.255*255", [0, 0, 96, 1, 255, 255]),
        ];
        for (text, bytes) in forms {
            let code: ObisCode = text.parse().unwrap();
            assert_eq!(code.to_bytes(), bytes, "{text}");
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(code.short().parse(), Ok(code));
        }
        assert_eq!(ObisCode::ACTIVE_POWER.to_string(), "1-0:16.7.0*255");
        assert_eq!(ObisCode::ACTIVE_POWER.short(), "16.7.0");
        assert_eq!(ObisCode::MAKER.short(), "1-0:96.50.1*1");
    }

    #[test]
    fn refuses_what_is_no_code() {
        use ParseObisError as E;
        let wrong = [
            ("", E::NotANumber { group: 'C' }),
            ("1.8", E::TooFewGroups),
            ("1", E::TooFewGroups),
            ("1.8.", E::NotANumber { group: 'E' }),
            ("1.8.0.255.1", E::TooManyGroups),
            ("1.8.0.255*255", E::TooManyGroups),
            ("1.8.+1", E::NotANumber { group: 'E' }),
            ("1.8.0*256", E::GroupTooLarge { group: 'F' }),
            ("1:1.8.0", E::MediumForm),
            ("1-:1.8.0", E::NotANumber { group: 'B' }),
            (" 1.8.0", E::NotANumber { group: 'C' }),
            ("1.8.0 ", E::NotANumber { group: 'E' }),
            ("kWh", E::NotANumber { group: 'C' }),
        ];
        for (text, error) in wrong {
            assert_eq!(text.parse::<ObisCode>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn knows_registers() {
        assert!(ObisCode::ACTIVE_ENERGY_IMPORT.is_energy_register());
        assert!(ObisCode::ACTIVE_ENERGY_EXPORT.is_energy_register());
        assert!(!ObisCode::ACTIVE_POWER.is_energy_register());
    }
}
