//! What the rules of the [catalogue](super::Catalog) do.

use super::Catalog;
use crate::{Entry, MeterTime, ObisCode, ScaledInteger, Telegram, Value};

/// What the meters of a rule mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
pub(super) fn apply(catalog: &Catalog, telegram: &mut Telegram, short: &ShortIntegers) {
    for rule in catalog.concerning(telegram) {
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
