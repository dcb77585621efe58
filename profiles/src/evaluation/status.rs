//! What the status words that come with a meter's values say of them.

use dcnet_obis::{Entry, ObisCode, PtbLevel, StatusKind, StatusWord, Telegram, Value};
use serde::Deserialize;

/// How the status words of a meter are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusWords {
    /// They are not looked at.
    #[default]
    None,
    /// FNN Lastenheft Basiszähler, or a gateway's and its meter's (FNN).
    Fnn,
    /// FNN Lastenheft EDL.
    Edl,
}

/// 1-0:96.5.0: the status of the whole telegram.
const STATUS: ObisCode = ObisCode::electricity(96, 5, 0);

impl StatusWords {
    /// The level of a status word. A word of another kind says nothing.
    pub fn level(self, bits: u64) -> PtbLevel {
        let word = StatusWord::of_meter(bits).or_else(|| StatusWord::of_gateway(bits));
        let of_kind = |word: &StatusWord| match self {
            Self::None => false,
            Self::Fnn => word.kind() != StatusKind::Edl,
            Self::Edl => word.kind() == StatusKind::Edl,
        };
        word.filter(of_kind).map_or(PtbLevel::Ok, StatusWord::level)
    }

    /// The level of `entry`: the worse of its own status word and of the telegram's.
    pub(super) fn of(self, telegram: &Telegram, entry: Option<&Entry>) -> PtbLevel {
        let own = entry.and_then(|entry| entry.status);
        let whole = telegram.entry(STATUS).and_then(|entry| word(&entry.value));
        let levels = own.into_iter().chain(whole).map(|word| self.level(word));
        levels.max().unwrap_or(PtbLevel::Ok)
    }
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
    fn words_count_for_the_kind_that_the_profile_names() {
        let gateway = 0x0000_0005_0000_0004;
        let levels = [
            (StatusWords::None, 0x2_0004, PtbLevel::Ok),
            (StatusWords::Fnn, 0x1c_0104, PtbLevel::Ok),
            (StatusWords::Fnn, 0x2_0004, PtbLevel::Fatal),
            (StatusWords::Fnn, 0x01, PtbLevel::Ok), // a word of Lastenheft EDL
            (StatusWords::Fnn, gateway, PtbLevel::Ok),
            (StatusWords::Fnn, gateway | 0x1000 << 32, PtbLevel::Warning),
            (StatusWords::Fnn, gateway | 0x100 << 32, PtbLevel::Fatal),
            (StatusWords::Edl, 0x182, PtbLevel::Ok),
            (StatusWords::Edl, 0x183, PtbLevel::Fatal),
            (StatusWords::Edl, 0x2_0004, PtbLevel::Ok),
        ];
        for (words, bits, level) in levels {
            assert_eq!(words.level(bits), level, "{words:?} {bits:x}");
        }
    }
}
