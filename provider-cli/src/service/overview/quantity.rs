//! What a slot's sums are as a curve: energy of a round as mean power, everything else as it is.

use dcnet_obis::{ObisCode, Unit};
use dcnet_protocol::descriptor::SlotSpec;

/// Seconds of an hour.
const HOUR: i128 = 3600;

/// From sums of a slot to thousandths of `unit`, in integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quantity {
    /// OBIS code of the slot.
    pub(crate) obis: String,
    /// Of what is drawn, such as `W`.
    pub(crate) unit: &'static str,
    /// Whether it is power that is drawn, and a load profile can stand beside it.
    pub(crate) is_load: bool,
    numerator: i128,
    denominator: i128,
}

impl Quantity {
    /// Of `slot` in rounds of `interval` seconds.
    pub(crate) fn of(slot: SlotSpec, interval: u64) -> Self {
        let unit = Unit::from_code(slot.unit);
        let power = match unit {
            Unit::WATT_HOUR => Some("W"),
            Unit::VAR_HOUR => Some("var"),
            Unit::VOLT_AMPERE_HOUR => Some("VA"),
            _ => None,
        };
        // Thousandths.
        let exponent = i32::from(slot.scale) + 3;
        let ten = |exponent: i32| 10_i128.pow(exponent.unsigned_abs().min(30));
        let (mut numerator, mut denominator) = if exponent < 0 {
            (1, ten(exponent))
        } else {
            (ten(exponent), 1)
        };
        if power.is_some() {
            numerator *= HOUR;
            denominator *= i128::from(interval.max(1));
        }
        let obis = ObisCode::from(slot.obis);
        Self {
            obis: obis.to_string(),
            unit: power.unwrap_or(unit.symbol()),
            is_load: unit == Unit::WATT_HOUR && obis == ObisCode::ACTIVE_ENERGY_IMPORT
                || unit == Unit::WATT,
            numerator,
            denominator,
        }
    }

    /// What the sum of one round is, in thousandths of the unit.
    pub(crate) fn of_round(&self, sum: i128) -> Option<i64> {
        self.thousandths(sum, 1)
    }

    /// The mean of `rounds` rounds whose sums add up to `sum`, in thousandths of the unit; rounded once,
    /// half away from zero. `None` beyond what is drawn.
    pub(super) fn thousandths(&self, sum: i128, rounds: u64) -> Option<i64> {
        let dividend = sum.checked_mul(self.numerator)?;
        let divisor = self.denominator.checked_mul(i128::from(rounds))?;
        let half = divisor / 2;
        let shifted = if dividend < 0 {
            dividend.checked_sub(half)?
        } else {
            dividend.checked_add(half)?
        };
        i64::try_from(shifted.checked_div(divisor)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(unit: Unit, scale: i8, interval: u64) -> Quantity {
        let slot = SlotSpec {
            obis: [1, 0, 1, 8, 0, 255],
            unit: unit.code(),
            scale,
        };
        Quantity::of(slot, interval)
    }

    #[test]
    fn energy_of_a_round_is_mean_power() {
        // 1,234.5 Wh in a quarter of an hour are 4,938 W.
        let quarter = quantity(Unit::WATT_HOUR, -1, 900);
        assert_eq!((quarter.unit, quarter.is_load), ("W", true));
        assert_eq!(quarter.thousandths(12_345, 1), Some(4_938_000));
        assert_eq!(quarter.thousandths(-12_345, 1), Some(-4_938_000));
        // Of four rounds the mean.
        assert_eq!(quarter.thousandths(4 * 12_345, 4), Some(4_938_000));
        // A third of a watt, rounded once, away from zero at the half.
        let seconds = quantity(Unit::WATT_HOUR, -4, 1080);
        assert_eq!(seconds.thousandths(1, 1), Some(0));
        assert_eq!(seconds.thousandths(2, 1), Some(1));
        assert_eq!(seconds.thousandths(-2, 1), Some(-1));
        assert_eq!(
            quantity(Unit::WATT_HOUR, 3, 3600).thousandths(2, 1),
            Some(2_000_000)
        );
    }

    #[test]
    fn other_quantities_stay_what_they_are() {
        let power = quantity(Unit::WATT, 0, 900);
        assert_eq!((power.unit, power.thousandths(42, 1)), ("W", Some(42_000)));
        let volts = quantity(Unit::VOLT, -1, 900);
        assert_eq!((volts.unit, volts.is_load), ("V", false));
        assert_eq!(volts.thousandths(2_301, 1), Some(230_100));
    }

    #[test]
    fn what_cannot_be_drawn_is_none() {
        assert_eq!(
            quantity(Unit::WATT_HOUR, 20, 900).thousandths(i128::MAX, 1),
            None
        );
        assert_eq!(
            quantity(Unit::WATT_HOUR, 6, 1).thousandths(i64::MAX.into(), 1),
            None
        );
        assert_eq!(quantity(Unit::WATT, 0, 900).thousandths(1, 0), None);
    }
}
