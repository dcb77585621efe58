//! What a meter's status word says of its values, as one of the five levels of the PTB.

use dcnet_obis::{Entry, ObisCode, Telegram, Value};
use serde::Deserialize;

/// How the status words of a meter are read. There is no telling from the word itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusKind {
    /// They are not looked at.
    #[default]
    None,
    /// 64 bits: the meter's word above, the gateway's below (FNN).
    Fnn,
    /// The meter's word alone (EDL, basic meters).
    Edl,
}

/// The level at which a value must not be used.
pub(super) const FATAL: u8 = 4;

/// Fatal error, in a meter's word.
const METER_FATAL: u64 = 0x2_0000;
/// Fatal error, in a gateway's word.
const GATEWAY_FATAL: u64 = 0x100;
/// Temporary errors in a gateway's word: the value is invalid, the signature is.
const GATEWAY_TEMPORARY: [(u64, u8); 2] = [(0x4000, 3), (0x2000, 2)];
/// A warning in a gateway's word.
const GATEWAY_WARNING: u64 = 0x1000;

/// 1-0:96.5.0: the status of the whole telegram.
const STATUS: ObisCode = ObisCode::electricity(96, 5, 0);

impl StatusKind {
    /// The level of a status word: 0 good, 1 warning, 2 temporary error, 3 critical temporary
    /// error, 4 fatal. The only place that knows what the bits mean.
    pub fn level(self, word: u64) -> u8 {
        let (meter, gateway) = match self {
            Self::None => return 0,
            Self::Fnn => (word >> 32, word & 0xffff_ffff),
            Self::Edl => (word, 0),
        };
        if meter & METER_FATAL != 0 || gateway & GATEWAY_FATAL != 0 {
            return FATAL;
        }
        let temporary = GATEWAY_TEMPORARY.iter().find(|(bit, _)| gateway & bit != 0);
        match temporary {
            Some((_, level)) => *level,
            None => u8::from(gateway & GATEWAY_WARNING != 0),
        }
    }
}

/// The level of `entry`: the worse of its own status word and of the telegram's.
pub(super) fn ptb_level(kind: StatusKind, telegram: &Telegram, entry: Option<&Entry>) -> u8 {
    let own = entry.and_then(|entry| entry.status);
    let whole = telegram.entry(STATUS).and_then(|entry| word(&entry.value));
    own.into_iter()
        .chain(whole)
        .map(|word| kind.level(word))
        .max()
        .unwrap_or(0)
}

fn word(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.exact_to(0).map(i64::cast_unsigned),
        Value::Bytes(bytes) if bytes.len() <= 8 => Some(
            bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_have_their_levels() {
        let levels = [
            (StatusKind::None, u64::MAX, 0),
            (StatusKind::Fnn, 0, 0),
            (StatusKind::Fnn, 0x1000, 1),
            (StatusKind::Fnn, 0x3000, 2),
            (StatusKind::Fnn, 0x6000, 3),
            (StatusKind::Fnn, 0x7100, 4),
            (StatusKind::Fnn, 0x2_0000_u64 << 32, 4),
            (StatusKind::Fnn, 0x2_0000, 0), // not a gateway's bit
            (StatusKind::Edl, 0x2_0182, 4),
            (StatusKind::Edl, 0x1182, 0), // a phase runs backwards: no fault
        ];
        for (kind, word, level) in levels {
            assert_eq!(kind.level(word), level, "{kind:?} {word:x}");
        }
    }
}
