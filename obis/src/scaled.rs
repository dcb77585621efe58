//! Exact decimal numbers.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

/// An exact decimal number: mantissa × 10^exponent.
///
/// Meters send integers with a scaler; a value keeps both as sent. The mantissa is an `i128`
/// because SML has unsigned *and* signed 64-bit integers, and one type has to hold both without
/// a case for "does not fit". Equality and order are those of the value: 1 × 10¹ equals 10 × 10⁰.
///
/// ```
/// use dcnet_obis::ScaledInteger;
///
/// let reading = ScaledInteger::new(172_436_756, -1);
/// assert_eq!(reading.to_string(), "17243675.6");
/// assert_eq!(reading.floor_to(0), Some(17_243_675)); // whole Wh
/// assert_eq!(reading.exact_to(0), None); // would lose a digit
/// assert_eq!(reading.exact_to(-2), Some(1_724_367_560));
/// ```
#[derive(Clone, Copy)]
pub struct ScaledInteger {
    mantissa: i128,
    exponent: i8,
}

impl ScaledInteger {
    /// Zero.
    pub const ZERO: Self = Self::new(0, 0);

    /// The number mantissa × 10^exponent.
    pub const fn new(mantissa: i128, exponent: i8) -> Self {
        Self { mantissa, exponent }
    }

    /// The mantissa as given (not reduced).
    pub const fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// The power of ten as given (not reduced).
    pub const fn exponent(self) -> i8 {
        self.exponent
    }

    /// True below zero.
    pub const fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// How many whole units of 10^exponent fit, rounded towards minus infinity; `None` if that
    /// does not fit into an `i64`.
    ///
    /// Rounding towards minus infinity keeps the differences of a register's readings exact over
    /// time: what one round drops, the next one has.
    pub fn floor_to(self, exponent: i8) -> Option<i64> {
        let (quotient, _) = self.divide(exponent)?;
        i64::try_from(quotient).ok()
    }

    /// The number in units of 10^exponent; `None` if it is no whole number of these or does not
    /// fit into an `i64`.
    pub fn exact_to(self, exponent: i8) -> Option<i64> {
        match self.divide(exponent)? {
            (quotient, true) => i64::try_from(quotient).ok(),
            (_, false) => None,
        }
    }

    /// The number with its sign turned; `None` if the mantissa is `i128::MIN`.
    pub const fn checked_neg(self) -> Option<Self> {
        match self.mantissa.checked_neg() {
            Some(mantissa) => Some(Self::new(mantissa, self.exponent)),
            None => None,
        }
    }

    /// The number times 10^exponent; `None` if the sum of both exponents does not fit.
    pub const fn checked_shift(self, exponent: i8) -> Option<Self> {
        match self.exponent.checked_add(exponent) {
            Some(exponent) => Some(Self::new(self.mantissa, exponent)),
            None => None,
        }
    }

    /// Quotient by 10^exponent, rounded towards minus infinity, and whether nothing remained.
    fn divide(self, exponent: i8) -> Option<(i128, bool)> {
        if self.mantissa == 0 {
            return Some((0, true));
        }
        let shift = i16::from(self.exponent) - i16::from(exponent);
        let power = 10_i128.checked_pow(u32::from(shift.unsigned_abs()));
        match (shift >= 0, power) {
            (true, Some(power)) => Some((self.mantissa.checked_mul(power)?, true)),
            (true, None) => None,
            (false, Some(power)) => Some((
                self.mantissa.div_euclid(power),
                self.mantissa.rem_euclid(power) == 0,
            )),
            // 10^39 and above exceed every mantissa: only the sign is left of the quotient.
            (false, None) => Some((if self.mantissa < 0 { -1 } else { 0 }, false)),
        }
    }

    /// The same value with no trailing zero in the mantissa; zero has exponent 0.
    fn reduced(self) -> (i128, i16) {
        let (mut mantissa, mut exponent) = (self.mantissa, i16::from(self.exponent));
        if mantissa == 0 {
            return (0, 0);
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        (mantissa, exponent)
    }
}

impl From<i64> for ScaledInteger {
    fn from(value: i64) -> Self {
        Self::new(i128::from(value), 0)
    }
}

impl PartialEq for ScaledInteger {
    fn eq(&self, other: &Self) -> bool {
        self.reduced() == other.reduced()
    }
}

impl Eq for ScaledInteger {}

impl Hash for ScaledInteger {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.reduced().hash(state);
    }
}

impl PartialOrd for ScaledInteger {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ScaledInteger {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs != Ordering::Equal || self.mantissa == 0 {
            return signs;
        }
        let magnitudes = compare_magnitudes(self.reduced(), other.reduced());
        if self.mantissa < 0 {
            magnitudes.reverse()
        } else {
            magnitudes
        }
    }
}

/// Compares two reduced numbers without their signs.
fn compare_magnitudes(left: (i128, i16), right: (i128, i16)) -> Ordering {
    let parts = |(mantissa, exponent): (i128, i16)| {
        let magnitude = mantissa.unsigned_abs();
        // At most 39 digits, so no cast can cut anything off.
        let digits = i16::try_from(magnitude.checked_ilog10().unwrap_or(0)).unwrap_or(i16::MAX);
        (magnitude, exponent, exponent.saturating_add(digits))
    };
    let ((left, left_exponent, left_top), (right, right_exponent, right_top)) =
        (parts(left), parts(right));
    // Where the first digits stand decides; in the same place, align the last digits.
    left_top.cmp(&right_top).then_with(|| {
        let shift = left_exponent - right_exponent;
        let power = 10_u128.checked_pow(u32::from(shift.unsigned_abs()));
        let align = |value: u128| power.and_then(|power| value.checked_mul(power));
        // A product that overflows is larger than anything that did not have to be aligned.
        if shift >= 0 {
            align(left).map_or(Ordering::Greater, |left| left.cmp(&right))
        } else {
            align(right).map_or(Ordering::Less, |right| left.cmp(&right))
        }
    })
}

/// The exact decimal, as many decimals as the exponent says: `17243675.6`, `3000`, `-0.05`.
impl fmt::Display for ScaledInteger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let decimals = usize::from(self.exponent.unsigned_abs());
        let text = if self.exponent < 0 {
            let digits = format!("{digits:0>width$}", width = decimals + 1);
            let (whole, fraction) = digits.split_at(digits.len() - decimals);
            format!("{whole}.{fraction}")
        } else if self.mantissa == 0 {
            digits
        } else {
            format!("{digits}{}", "0".repeat(decimals))
        };
        out.pad_integral(self.mantissa >= 0, "", &text)
    }
}

impl fmt::Debug for ScaledInteger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}e{}", self.mantissa, self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_exactly() {
        let texts = [
            (ScaledInteger::new(172_436_756, -1), "17243675.6"),
            (ScaledInteger::new(-56_321_916, -4), "-5632.1916"),
            (ScaledInteger::new(-5, -2), "-0.05"),
            (ScaledInteger::new(0, -1), "0.0"),
            (ScaledInteger::new(0, 3), "0"),
            (ScaledInteger::new(3, 3), "3000"),
            (
                ScaledInteger::new(i128::MIN, 0),
                "-170141183460469231731687303715884105728",
            ),
        ];
        for (number, text) in texts {
            assert_eq!(number.to_string(), text);
        }
    }

    #[test]
    fn rounds_towards_minus_infinity() {
        assert_eq!(ScaledInteger::new(19, -1).floor_to(0), Some(1));
        assert_eq!(ScaledInteger::new(-19, -1).floor_to(0), Some(-2));
        assert_eq!(ScaledInteger::new(-20, -1).floor_to(0), Some(-2));
        assert_eq!(ScaledInteger::new(7, 3).floor_to(0), Some(7000));
        assert_eq!(ScaledInteger::new(7, -128).floor_to(127), Some(0));
        assert_eq!(ScaledInteger::new(-7, -128).floor_to(127), Some(-1));
        assert_eq!(ScaledInteger::new(0, 127).floor_to(-128), Some(0));
        assert_eq!(ScaledInteger::new(1, 127).floor_to(0), None);
        assert_eq!(
            ScaledInteger::new(i128::from(i64::MAX) + 1, 0).floor_to(0),
            None
        );
        assert_eq!(
            ScaledInteger::new(i128::from(i64::MIN), 0).floor_to(0),
            Some(i64::MIN)
        );
    }

    #[test]
    fn converts_only_what_is_exact() {
        assert_eq!(ScaledInteger::new(20, -1).exact_to(0), Some(2));
        assert_eq!(ScaledInteger::new(21, -1).exact_to(0), None);
        assert_eq!(ScaledInteger::new(-21, -1).exact_to(-1), Some(-21));
        assert_eq!(ScaledInteger::new(1, -128).exact_to(127), None);
    }

    #[test]
    fn shifts_the_point_only() {
        let kilowatt_hours = ScaledInteger::new(2854, -1);
        let watt_hours = kilowatt_hours.checked_shift(3).unwrap();
        assert_eq!((watt_hours.mantissa(), watt_hours.exponent()), (2854, 2));
        assert_eq!(ScaledInteger::new(1, 126).checked_shift(2), None);
    }

    #[test]
    fn compares_by_value() {
        assert_eq!(ScaledInteger::new(1, 1), ScaledInteger::new(10, 0));
        assert_eq!(ScaledInteger::new(0, 100), ScaledInteger::new(0, -100));
        let ascending = [
            ScaledInteger::new(i128::MIN, 127),
            ScaledInteger::new(-1, 1),
            ScaledInteger::new(-99, -1),
            ScaledInteger::new(-1, -128),
            ScaledInteger::ZERO,
            ScaledInteger::new(1, -128),
            ScaledInteger::new(11, -128),
            ScaledInteger::new(99, -1),
            ScaledInteger::new(1, 1),
            ScaledInteger::new(i128::MAX - 1, 0),
            ScaledInteger::new(i128::MAX, 0),
            ScaledInteger::new(9, 38),
            ScaledInteger::new(1, 127),
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(left.cmp(right), i.cmp(&j), "{left:?} {right:?}");
            }
        }
    }
}
