//! Where meters say something else than they mean, as data.
//!
//! A rule stands for what the makers confirmed or many owners found (sources at each line). Not
//! in this table, because they can be told from the bytes alone and hold for every meter: a bare
//! integer in place of a time, a missing scaler, integers of 1 to 8 bytes, a checksum of another
//! kind, four padding bytes.

use core::ops::RangeInclusive;

use crate::{Entry, MeterTime, ObisCode, ScaledInteger, Telegram, Value};

/// A deviation of certain meters.
pub(super) struct Quirk {
    maker: [u8; 3],
    /// The serial numbers concerned; none means all.
    serials: &'static [RangeInclusive<u64>],
    pub(super) rule: Rule,
}

/// What these meters mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Values of the code with at most three bytes are unsigned, though tagged as signed.
    /// Negative ones always have four bytes or more.
    TaggedSigned { obis: ObisCode },
    /// Values of the code have no sign. They are negative if the bit is set in the status word of
    /// the register.
    SignInStatus {
        obis: ObisCode,
        register: ObisCode,
        bit: u64,
    },
    /// A value's time of second 0 means that there is none.
    NoValueTime,
}

pub(super) const QUIRKS: &[Quirk] = &[
    // DVS74 before firmware 1.2. The maker named the ranges: volkszaehler/libsml pull request 136.
    Quirk {
        maker: *b"DZG",
        serials: &[42_000_000..=48_999_999, 55_000_000..=58_999_999],
        rule: Rule::TaggedSigned {
            obis: ObisCode::ACTIVE_POWER,
        },
    },
    Quirk {
        maker: *b"DZG",
        serials: &[],
        rule: Rule::NoValueTime,
    },
    // ED300L, eHZ-H and others, which follow FNN Lastenheft EDL: bit 5 of the status word is set
    // while energy flows into the grid (0x182 consuming, 0x1B0 and 0x1A2 delivering).
    Quirk {
        maker: *b"EMH",
        serials: &[],
        rule: Rule::SignInStatus {
            obis: ObisCode::ABSOLUTE_ACTIVE_POWER,
            register: ObisCode::ACTIVE_ENERGY_IMPORT,
            bit: 0x20,
        },
    },
];

/// The rules for the meter that sent this.
pub(super) fn rules(telegram: &Telegram) -> impl Iterator<Item = Rule> + use<> {
    let maker = telegram.maker_letters().map(crate::Maker::letters);
    let serial = telegram.device().map(|device| device.serial);
    QUIRKS.iter().filter_map(move |quirk| {
        let concerned = maker == Some(quirk.maker)
            && (quirk.serials.is_empty()
                || serial.is_some_and(|serial| {
                    quirk.serials.iter().any(|range| range.contains(&serial))
                }));
        concerned.then_some(quirk.rule)
    })
}

/// The bytes below which [`Rule::TaggedSigned`] takes an integer for an unsigned one.
pub(super) const SHORT: usize = 3;

/// The negative integers of at most [`SHORT`] bytes in a list: entry and number of bytes.
#[derive(Default)]
pub(super) struct ShortIntegers(Vec<(usize, usize)>);

impl ShortIntegers {
    /// Remembers the entry at this index if its value is such an integer.
    pub(super) fn note(&mut self, index: usize, entry: &Entry, width: usize) {
        if (1..=SHORT).contains(&width)
            && matches!(entry.value, Value::Number(number) if number.is_negative())
        {
            self.0.push((index, width));
        }
    }
}

/// Turns what the meter said into what it means.
pub(super) fn apply(telegram: &mut Telegram, short: &ShortIntegers) {
    for rule in rules(telegram) {
        match rule {
            Rule::TaggedSigned { obis } => {
                for (index, width) in &short.0 {
                    let Some(entry) = telegram.entries.get_mut(*index) else {
                        continue;
                    };
                    if let (true, Value::Number(number)) = (entry.obis == obis, &mut entry.value) {
                        let unsigned = number.mantissa() + (1 << (8 * width));
                        *number = ScaledInteger::new(unsigned, number.exponent());
                    }
                }
            }
            Rule::SignInStatus {
                obis,
                register,
                bit,
            } => {
                let status = telegram.entry(register).and_then(|entry| entry.status);
                if status.is_some_and(|status| status & bit != 0) {
                    for entry in &mut telegram.entries {
                        negate(entry, obis);
                    }
                }
            }
            Rule::NoValueTime => {
                for entry in &mut telegram.entries {
                    if entry.time == Some(MeterTime::SecIndex(0)) {
                        entry.time = None;
                    }
                }
            }
        }
    }
}

fn negate(entry: &mut Entry, obis: ObisCode) {
    if let (true, Value::Number(number)) = (entry.obis == obis, &mut entry.value)
        && !number.is_negative()
        && let Some(negative) = number.checked_neg()
    {
        *number = negative;
    }
}
