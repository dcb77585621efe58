//! Decimal texts to exact numbers.

use core::str::FromStr;

use crate::ScaledInteger;

/// Digits that survive a double: any decimal with at most so many significant digits comes back
/// from the nearest double by rounding to so many (C calls it `DBL_DIG`).
const DOUBLE_DIGITS: usize = 15;

/// Reads a plain decimal, exactly and with all its decimals: `000285.4` is 2854 × 10⁻¹, `-1.50`
/// is -150 × 10⁻².
///
/// A sign may stand before the digits; there are no blanks, no exponent and no thousands
/// separators. A point has digits on both sides.
///
/// ```
/// use dcnet_obis::ScaledInteger;
///
/// let reading: ScaledInteger = "0008048.375".parse()?;
/// assert_eq!((reading.mantissa(), reading.exponent()), (8_048_375, -3));
/// # Ok::<(), dcnet_obis::ParseDecimalError>(())
/// ```
impl FromStr for ScaledInteger {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', ..] => (true, text.get(1..).unwrap_or_default()),
            [b'+', ..] => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            None => (digits, ""),
            Some((_, "")) => return Err(ParseDecimalError::Form),
            Some(parts) => parts,
        };
        if whole.is_empty() {
            return Err(ParseDecimalError::Form);
        }
        let mantissa = whole
            .bytes()
            .chain(fraction.bytes())
            .try_fold(0_i128, |number, byte| {
                let digit = byte
                    .is_ascii_digit()
                    .then(|| i128::from(byte - b'0'))
                    .ok_or(ParseDecimalError::Form)?;
                number
                    .checked_mul(10)
                    .and_then(|number| number.checked_add(digit))
                    .ok_or(ParseDecimalError::TooLong)
            })?;
        let decimals = i8::try_from(fraction.len()).map_err(|_| ParseDecimalError::TooLong)?;
        let mantissa = if negative { -mantissa } else { mantissa };
        Ok(Self::new(mantissa, -decimals))
    }
}

impl ScaledInteger {
    /// The decimal that was meant by a text that a program wrote from a double.
    ///
    /// Such programs print what is left of a decimal after its way through binary:
    /// `13232.900000000001` for 13232.9, `18352680.000000` for 18352680. The rule: read the text
    /// as a double, round it to 15 significant digits, drop trailing zeros. Every decimal with at
    /// most 15 significant digits comes back exactly, whether it was written with 17 significant
    /// digits (C: `%.17g`), as the shortest text that gives the same double, or with enough
    /// decimals (`%f` has six). Further digits are lost, as they already were in the double's
    /// neighbourhood: a register that counts in tenths of a watt-hour reaches 15 digits at
    /// 10¹⁴ Wh.
    ///
    /// An exponent (`1e+06`, which `%g` prints) is understood; infinities and `nan` are not
    /// numbers.
    ///
    /// ```
    /// use dcnet_obis::ScaledInteger;
    ///
    /// let reading = ScaledInteger::from_noisy_decimal("13232.900000000001")?;
    /// assert_eq!((reading.mantissa(), reading.exponent()), (132_329, -1));
    /// # Ok::<(), dcnet_obis::ParseDecimalError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ParseDecimalError::Form`] for a text that is no number,
    /// [`ParseDecimalError::TooLong`] for one of more than 400 characters or beyond the range
    /// of a double, [`ParseDecimalError::Range`] for one too small or too large for a reading.
    pub fn from_noisy_decimal(text: &str) -> Result<Self, ParseDecimalError> {
        const LONGEST: usize = 400; // %f of the largest double has 316
        if text.len() > LONGEST {
            return Err(ParseDecimalError::TooLong);
        }
        // Rust would read `inf` and `nan`.
        let known = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        if !text.bytes().all(known) {
            return Err(ParseDecimalError::Form);
        }
        let double: f64 = text.parse().map_err(|_| ParseDecimalError::Form)?;
        if !double.is_finite() {
            return Err(ParseDecimalError::TooLong);
        }
        let rounded = format!("{double:.*e}", DOUBLE_DIGITS - 1);
        let (decimal, exponent) = rounded.split_once('e').ok_or(ParseDecimalError::Form)?;
        let exponent: i16 = exponent.parse().map_err(|_| ParseDecimalError::Form)?;
        // One digit before the point stays, so zero does.
        let decimal = decimal.trim_end_matches('0').trim_end_matches('.');
        let decimal: Self = decimal.parse()?;
        if decimal.mantissa() == 0 {
            return Ok(Self::ZERO);
        }
        let exponent = i8::try_from(exponent + i16::from(decimal.exponent()))
            .map_err(|_| ParseDecimalError::Range)?;
        Ok(Self::new(decimal.mantissa(), exponent))
    }
}

/// Why a text is no decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDecimalError {
    /// Something else than digits, at most one point, and a sign before them.
    #[error("a number has digits, at most one decimal point and at most a sign before them")]
    Form,
    /// More digits than a [`ScaledInteger`] or a double can hold.
    #[error("the number has more digits than can be held")]
    TooLong,
    /// The power of ten does not fit.
    #[error("the number is too small or too large for a reading")]
    Range,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Result<(i128, i8), ParseDecimalError> {
        text.parse()
            .map(|number: ScaledInteger| (number.mantissa(), number.exponent()))
    }

    #[test]
    fn reads_decimals_as_they_stand() {
        assert_eq!(parts("000285.4"), Ok((2854, -1)));
        assert_eq!(parts("+000.80"), Ok((80, -2)));
        assert_eq!(parts("-0.05"), Ok((-5, -2)));
        assert_eq!(parts("0000000.000"), Ok((0, -3)));
        assert_eq!(parts("40"), Ok((40, 0)));
        assert_eq!(parts(&i128::MAX.to_string()), Ok((i128::MAX, 0)));
        for text in [
            "", "-", "+", ".", "1.", ".5", "1.2.3", "1,2", " 1", "1 ", "--1", "1e3", "0x1", "²",
            "-²",
        ] {
            assert_eq!(parts(text), Err(ParseDecimalError::Form), "{text:?}");
        }
        let long = "1".repeat(40);
        assert_eq!(parts(&long), Err(ParseDecimalError::TooLong));
        let small = format!("0.{}", "0".repeat(128));
        assert_eq!(parts(&small), Err(ParseDecimalError::TooLong));
    }

    #[test]
    fn finds_what_a_program_meant() {
        let noisy = |text: &str| {
            ScaledInteger::from_noisy_decimal(text)
                .map(|number| (number.mantissa(), number.exponent()))
        };
        // As vzlogger 0.8.10 printed them.
        assert_eq!(noisy("13232.900000000001"), Ok((132_329, -1)));
        assert_eq!(noisy("5430157.7000000002"), Ok((54_301_577, -1)));
        assert_eq!(noisy("26244572.600000001"), Ok((262_445_726, -1)));
        assert_eq!(noisy("356.24000000000001"), Ok((35_624, -2)));
        assert_eq!(noisy("18352680.000000"), Ok((1_835_268, 1)));
        assert_eq!(noisy("-5632.1916000000001"), Ok((-56_321_916, -4)));
        assert_eq!(noisy("1e+06"), Ok((1, 6)));
        assert_eq!(noisy("-0.0"), Ok((0, 0)));
        assert_eq!(noisy("0.1"), Ok((1, -1)));
        for text in [
            "", "nan", "inf", "-inf", "infinity", "1 ", "1_0", "e5", "-", "1e",
        ] {
            assert_eq!(noisy(text), Err(ParseDecimalError::Form), "{text:?}");
        }
        assert_eq!(noisy("1e309"), Err(ParseDecimalError::TooLong));
        assert_eq!(noisy(&"0".repeat(401)), Err(ParseDecimalError::TooLong));
        assert_eq!(noisy("1e200"), Err(ParseDecimalError::Range));
        assert_eq!(noisy("1e-200"), Err(ParseDecimalError::Range));
    }

    /// The text that C prints for a double with `%.17g`.
    fn with_17_digits(double: f64) -> String {
        let text = format!("{double:.16e}");
        let exponent: i32 = text.split_once('e').unwrap().1.parse().unwrap();
        if !(-4..17).contains(&exponent) {
            return text;
        }
        let decimals = usize::try_from(16 - exponent).unwrap();
        let text = format!("{double:.decimals$}");
        if text.contains('.') {
            let text = text.trim_end_matches('0').trim_end_matches('.');
            return text.to_owned();
        }
        text
    }

    proptest! {
        #[test]
        fn fifteen_digits_come_back_from_17_significant_ones(
            mantissa in -999_999_999_999_999_i64..=999_999_999_999_999,
            exponent in -20_i8..=10,
        ) {
            let meant = ScaledInteger::new(i128::from(mantissa), exponent);
            let double: f64 = meant.to_string().parse().unwrap();
            for text in [with_17_digits(double), double.to_string(), format!("{double:e}")] {
                prop_assert_eq!(ScaledInteger::from_noisy_decimal(&text), Ok(meant), "{}", text);
            }
        }

        #[test]
        fn fifteen_digits_come_back_from_six_decimals(
            mantissa in -999_999_999_999_999_i64..=999_999_999_999_999,
            exponent in -6_i8..=6,
        ) {
            let meant = ScaledInteger::new(i128::from(mantissa), exponent);
            let double: f64 = meant.to_string().parse().unwrap();
            let text = format!("{double:.6}");
            prop_assert_eq!(ScaledInteger::from_noisy_decimal(&text), Ok(meant), "{}", text);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", near in "[+-]?[0-9]{0,9}[.]?[0-9]{0,40}([eE][+-]?[0-9]{0,4})?") {
            for text in [text, near] {
                let _ = text.parse::<ScaledInteger>();
                let _ = ScaledInteger::from_noisy_decimal(&text);
            }
        }

        #[test]
        fn a_number_reads_what_it_prints(mantissa: i64, exponent in -30_i8..=0) {
            let number = ScaledInteger::new(i128::from(mantissa), exponent);
            prop_assert_eq!(parts(&number.to_string()), Ok((number.mantissa(), exponent)));
        }
    }
}
