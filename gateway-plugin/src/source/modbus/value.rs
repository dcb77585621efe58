//! Numbers out of registers, exactly.
//!
//! A float becomes the shortest decimal that stands for it alone (what `{:e}` writes), never a
//! longer one: nothing is claimed that the format does not carry. So 123456.78 kWh as a 32-bit float
//! is 12345678 × 10⁻² kWh, and not 123456.78125.

use dcnet_obis::ScaledInteger;
use dcnet_profiles::modbus::{Kind, NotAvailable, WordOrder};

/// The number in `words`, counted in 10^scale; `None` if the meter says that it has none, or if
/// there are not as many words as the type takes, or the number is outside what 10^-128 to 10^127
/// can scale (no quantity of a meter is).
pub(super) fn decode(
    words: &[u16],
    kind: Kind,
    order: WordOrder,
    absent: NotAvailable,
    scale: i8,
) -> Option<ScaledInteger> {
    let bits = bits(words, kind, order)?;
    let bytes = bits.to_be_bytes();
    let [_, _, _, _, b4, b5, b6, b7] = bytes;
    let number = match kind {
        Kind::Int16 => signed(
            i16::from_be_bytes([b6, b7]).into(),
            (i16::MIN.into(), i16::MAX.into()),
            absent,
        )?,
        Kind::Int32 => signed(
            i32::from_be_bytes([b4, b5, b6, b7]).into(),
            (i32::MIN.into(), i32::MAX.into()),
            absent,
        )?,
        Kind::Int64 => signed(i64::from_be_bytes(bytes), (i64::MIN, i64::MAX), absent)?,
        Kind::Uint16 => unsigned(bits, u16::MAX.into(), absent)?,
        Kind::Uint32 => unsigned(bits, u32::MAX.into(), absent)?,
        Kind::Uint64 => unsigned(bits, u64::MAX, absent)?,
        Kind::Acc32 if bits == 0 => return None,
        Kind::Acc32 => ScaledInteger::new(bits.into(), 0),
        Kind::Float32 => {
            let float = f32::from_be_bytes([b4, b5, b6, b7]);
            float
                .is_finite()
                .then(|| decimal(&format!("{float:e}")))??
        }
        Kind::Float64 => {
            let float = f64::from_be_bytes(bytes);
            float
                .is_finite()
                .then(|| decimal(&format!("{float:e}")))??
        }
    };
    if number.mantissa() == 0 {
        return Some(ScaledInteger::new(0, scale));
    }
    let exponent = number.exponent().checked_add(scale)?;
    Some(ScaledInteger::new(number.mantissa(), exponent))
}

/// A scale factor of `SunSpec`: −10 to 10; anything else is none.
pub(super) fn scale_factor(words: &[u16]) -> Option<i8> {
    let [word] = *words else { return None };
    let [high, low] = word.to_be_bytes();
    let factor = i16::from_be_bytes([high, low]);
    i8::try_from(factor)
        .ok()
        .filter(|factor| (-10..=10).contains(factor))
}

/// The words as one number, most significant first.
fn bits(words: &[u16], kind: Kind, order: WordOrder) -> Option<u64> {
    if words.len() != usize::from(kind.registers()) {
        return None;
    }
    let append = |bits: u64, word: &u16| bits << 16 | u64::from(*word);
    Some(match order {
        WordOrder::Big => words.iter().fold(0, append),
        WordOrder::Swapped => words.iter().rev().fold(0, append),
    })
}

fn signed(number: i64, (min, max): (i64, i64), absent: NotAvailable) -> Option<ScaledInteger> {
    let none = match absent {
        NotAvailable::Never => false,
        NotAvailable::Largest => number == max,
        NotAvailable::Smallest => number == min,
    };
    (!none).then(|| ScaledInteger::from(number))
}

fn unsigned(number: u64, max: u64, absent: NotAvailable) -> Option<ScaledInteger> {
    let none = absent != NotAvailable::Never && number == max;
    (!none).then(|| ScaledInteger::new(number.into(), 0))
}

/// `-1.234567e3`, as Rust writes floats.
fn decimal(text: &str) -> Option<ScaledInteger> {
    let (digits, exponent) = text.split_once('e')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = exponent.parse::<i16>().ok()?;
    let exponent = exponent.checked_sub(i16::try_from(fraction.len()).ok()?)?;
    if mantissa == 0 {
        return Some(ScaledInteger::ZERO);
    }
    Some(ScaledInteger::new(mantissa, i8::try_from(exponent).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(words: &[u16], kind: Kind) -> Option<ScaledInteger> {
        decode(words, kind, WordOrder::Big, NotAvailable::Never, 0)
    }

    fn float32(value: f32) -> [u16; 2] {
        let bits = value.to_bits();
        [
            u16::try_from(bits >> 16).unwrap(),
            u16::try_from(bits & 0xffff).unwrap(),
        ]
    }

    fn words(bits: u64, count: u16) -> Vec<u16> {
        (0..count)
            .rev()
            .map(|number| u16::try_from(bits >> (16 * number) & 0xffff).unwrap())
            .collect()
    }

    #[test]
    fn floats_are_the_shortest_decimal_that_stands_for_them() {
        let scaled = |value: f32, scale| {
            decode(
                &float32(value),
                Kind::Float32,
                WordOrder::Big,
                NotAvailable::Never,
                scale,
            )
            .map(|number| (number.mantissa(), number.exponent()))
        };
        assert_eq!(scaled(1234.567, 3), Some((1_234_567, 0)), "Wh out of kWh");
        assert_eq!(scaled(123_456.78, 3), Some((12_345_678, 1)), "tens of Wh");
        assert_eq!(scaled(-50.75, 0), Some((-5075, -2)));
        assert_eq!(scaled(0.1, 0), Some((1, -1)));
        assert_eq!(scaled(-0.0, 3), Some((0, 3)));
        assert_eq!(scaled(1e7, 3), Some((1, 10)));
        assert_eq!(scaled(f32::MAX, 0), Some((34_028_235, 31)));
        assert_eq!(scaled(f32::MIN_POSITIVE, 0), Some((11_754_944, -45)));
        for none in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(scaled(none, 0), None);
        }
    }

    /// What the documentation says about registers in kWh: 128 steps in a kWh below, 64 above.
    #[test]
    fn a_float32_in_kwh_counts_in_steps_above_ten_wh_from_131072_kwh_on() {
        for (kwh, steps) in [(131_071_f32, 128), (131_072_f32, 64)] {
            let mut numbers: Vec<_> = (0..=steps)
                .map(|step| {
                    plain(
                        &float32(f32::from_bits(kwh.to_bits() + step)),
                        Kind::Float32,
                    )
                })
                .map(Option::unwrap)
                .collect();
            let kwh = |number: usize| numbers[number].exact_to(-3).unwrap();
            assert_eq!(kwh(numbers.len() - 1) - kwh(0), 1000);
            assert!(numbers.is_sorted(), "{numbers:?}");
            numbers.dedup();
            assert_eq!(numbers.len(), usize::try_from(steps).unwrap() + 1);
        }
    }

    #[test]
    fn what_no_meter_means_is_no_number() {
        let tiny = 1e-300_f64.to_bits();
        assert_eq!(plain(&words(tiny, 4), Kind::Float64), None);
        assert_eq!(plain(&[1], Kind::Int32), None);
        assert_eq!(plain(&[1, 2, 3], Kind::Int32), None);
        let largest = decode(
            &[1],
            Kind::Int16,
            WordOrder::Big,
            NotAvailable::Never,
            i8::MAX,
        );
        assert_eq!(
            largest.map(ScaledInteger::exponent),
            Some(i8::MAX),
            "the scale alone is no reason"
        );
    }

    #[test]
    fn integers_that_mean_nothing_depend_on_the_meter() {
        use NotAvailable::{Largest, Never, Smallest};
        let rows: [(&[u16], Kind, [bool; 3]); 9] = [
            (&[0xffff], Kind::Uint16, [true, false, false]),
            (&[0x7fff], Kind::Int16, [true, false, true]),
            (&[0x8000], Kind::Int16, [true, true, false]),
            (&[0xffff], Kind::Int16, [true, true, true]),
            (&[0x7fff, 0xffff], Kind::Int32, [true, false, true]),
            (&[0x8000, 0], Kind::Int32, [true, true, false]),
            (&[0xffff, 0xffff], Kind::Uint32, [true, false, false]),
            (&[0xffff; 4], Kind::Uint64, [true, false, false]),
            (&[0x8000, 0, 0, 0], Kind::Int64, [true, true, false]),
        ];
        for (words, kind, expected) in rows {
            let got = [Never, Largest, Smallest]
                .map(|absent| decode(words, kind, WordOrder::Big, absent, 0).is_some());
            assert_eq!(got, expected, "{words:x?} as {kind:?}");
        }
        assert_eq!(plain(&[0, 0], Kind::Acc32), None);
        assert_eq!(plain(&[0, 1], Kind::Acc32), Some(1.into()));
    }

    #[test]
    fn scale_factors_end_at_ten() {
        for (word, expected) in [
            (0, Some(0)),
            (10, Some(10)),
            (11, None),
            (0xfff6, Some(-10)),
            (0xfff5, None),
            (0x8000, None),
        ] {
            assert_eq!(scale_factor(&[word]), expected, "{word:#x}");
        }
        assert_eq!(scale_factor(&[]), None);
    }

    #[derive(Debug, Clone, Copy)]
    struct Case {
        kind: Kind,
        bits: u64,
        value: i128,
    }

    fn integers() -> impl Strategy<Value = Case> {
        let case = |kind, bits, value| Case { kind, bits, value };
        prop_oneof![
            any::<i16>().prop_map(move |v| case(
                Kind::Int16,
                u16::from_ne_bytes(v.to_ne_bytes()).into(),
                v.into()
            )),
            any::<i32>().prop_map(move |v| case(
                Kind::Int32,
                u32::from_ne_bytes(v.to_ne_bytes()).into(),
                v.into()
            )),
            any::<i64>().prop_map(move |v| case(
                Kind::Int64,
                u64::from_ne_bytes(v.to_ne_bytes()),
                v.into()
            )),
            any::<u16>().prop_map(move |v| case(Kind::Uint16, v.into(), v.into())),
            any::<u32>().prop_map(move |v| case(Kind::Uint32, v.into(), v.into())),
            any::<u64>().prop_map(move |v| case(Kind::Uint64, v, v.into())),
            (1..=u32::MAX).prop_map(move |v| case(Kind::Acc32, v.into(), v.into())),
        ]
    }

    proptest! {
        /// Value to registers to value is exact, in both word orders and with every scale.
        #[test]
        fn integers_come_back_exactly(case in integers(), scale in -20_i8..=20) {
            let big = words(case.bits, case.kind.registers());
            let swapped: Vec<u16> = big.iter().rev().copied().collect();
            for (words, order) in [(big, WordOrder::Big), (swapped, WordOrder::Swapped)] {
                let number = decode(&words, case.kind, order, NotAvailable::Never, scale).unwrap();
                prop_assert_eq!((number.mantissa(), number.exponent()), (case.value, scale));
            }
        }

        /// The decimal of a float is read back as that very float, and no digit of it is spare.
        #[test]
        fn float32_comes_back_exactly(bits in any::<u32>()) {
            let float = f32::from_bits(bits);
            prop_assume!(float.is_finite() && bits << 1 != 0);
            let number = plain(&words(bits.into(), 2), Kind::Float32).unwrap();
            let text = format!("{}e{}", number.mantissa(), number.exponent());
            prop_assert_eq!(text.parse::<f32>().unwrap().to_bits(), bits);
            prop_assert!(number.mantissa().unsigned_abs() < 1_000_000_000);
        }

        #[test]
        fn float64_comes_back_exactly(bits in any::<u64>()) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite() && bits << 1 != 0);
            let Some(number) = plain(&words(bits, 4), Kind::Float64) else {
                prop_assert!(!(1e-100..1e100).contains(&float.abs()));
                return Ok(());
            };
            let text = format!("{}e{}", number.mantissa(), number.exponent());
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(number.mantissa().unsigned_abs() < 100_000_000_000_000_000);
        }

        /// A decimal with at most six digits survives the float: what a meter shows is what is read.
        #[test]
        fn six_digits_survive_a_float32(mantissa in -999_999_i32..=999_999, decimals in 0_u8..=4) {
            let text = format!("{mantissa}e-{decimals}");
            let float: f32 = text.parse().unwrap();
            let number = plain(&float32(float), Kind::Float32).unwrap();
            let exponent = -i8::try_from(decimals).unwrap();
            prop_assert_eq!(number, ScaledInteger::new(mantissa.into(), exponent));
        }
    }
}
