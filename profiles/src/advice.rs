//! What the owner can do about what a meter shows.

use std::fmt;

use dcnet_obis::{ObisCode, Telegram, Value};

/// What the owner can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The meter is locked: it shows energy in whole kWh and no power.
    Locked,
}

/// What a telegram tells about the meter's state.
pub fn advice(telegram: &Telegram) -> Option<Advice> {
    let mut registers = telegram
        .entries
        .iter()
        .filter(|entry| entry.obis.is_energy_register())
        .filter_map(|entry| match entry.value {
            Value::Number(number) => Some(number),
            _ => None,
        })
        .peekable();
    // Meters give power as 16.7.0 or as 15.7.0, or for each phase (36, 56, 76).
    let shows_power = telegram
        .entries
        .iter()
        .any(|entry| entry.obis.d == 7 && is_power(entry.obis));
    let coarse = registers.peek().is_some() && registers.all(|number| number.exponent() >= 3);
    (coarse && !shows_power).then_some(Advice::Locked)
}

fn is_power(obis: ObisCode) -> bool {
    matches!(obis.c, 1 | 2 | 15 | 16 | 36 | 56 | 76)
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str(
                "the meter is locked: it shows energy in whole kWh and no power. Enter its PIN \
                 (your metering operator gives it to you) with a torch or the button, then switch \
                 on the full data set: menu item \"INF on\"",
            ),
        }
    }
}
