//! Status words: what meters and gateways say about their own state.

mod level;

use core::fmt;

pub use level::PtbLevel;

use crate::Entry;

/// A status word, with the encoding that gives its bits their meaning.
///
/// There are three, and the same bit means something else in each of them:
///
/// | kind | who sends it | told by |
/// |---|---|---|
/// | [`Edl`](StatusKind::Edl) | meters after FNN Lastenheft EDL (2010): EMH, ISKRA, … with words like 0x182 and 0x1a2 | bit 2 is 0 |
/// | [`Meter`](StatusKind::Meter) | meters after FNN Lastenheft Basiszähler (mMe): DZG, Holley, … with words like 0x1c0104 | bit 2 is 1 |
/// | [`GatewayAndMeter`](StatusKind::GatewayAndMeter) | smart-meter gateways: 32 bits of the gateway, 32 of the meter (FNN Lastenheft Smart-Meter-Gateway) | bits 0 and 2 of the upper half are 1, bit 2 of the lower half too |
///
/// Sources: the transparency software `TRuDI` of PTB for the two newer ones and their levels,
/// FNN Lastenheft EDL 1.0 as owners quote it for the first (bits 0 to 9; direction and start-up were
/// seen in recordings, of the others only what the document says).
///
/// ```
/// use dcnet_obis::{PtbLevel, StatusBit, StatusKind, StatusWord};
///
/// let word = StatusWord::of_meter(0x001c_0104).unwrap();
/// assert_eq!(word.kind(), StatusKind::Meter);
/// assert!(word.has(StatusBit::VoltageL1) && !word.has(StatusBit::SumNegative));
/// assert_eq!(word.level(), PtbLevel::Ok);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord {
    kind: StatusKind,
    bits: u64,
}

/// Which encoding a [`StatusWord`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusKind {
    /// A meter after FNN Lastenheft EDL, 16 bits (some send more, with the tariff).
    Edl,
    /// A meter after FNN Lastenheft Basiszähler, 32 bits.
    Meter,
    /// A gateway and its meter, 64 bits.
    GatewayAndMeter,
}

/// What a bit of a status word says when it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusBit {
    /// The gateway failed; what it says must not be used.
    GatewayFatal,
    /// The gateway's clock is not right.
    GatewayTimeInvalid,
    /// A warning that does not touch the validity of values.
    GatewayWarning,
    /// A temporary error; the value is signed although it is not valid.
    GatewayTemporary,
    /// A temporary error; the value is not valid.
    GatewayCritical,
    /// The meter failed; its registers must not be used.
    MeterFatal,
    /// The load is above the threshold from which the meter counts.
    StartUp,
    /// A magnet is or was near the meter.
    Magnet,
    /// The cover of the terminals or the seal was opened.
    Manipulation,
    /// Energy flows into the grid, as a sum over the phases.
    SumNegative,
    /// Energy flows into the grid on phase 1.
    PhaseNegativeL1,
    /// Energy flows into the grid on phase 2.
    PhaseNegativeL2,
    /// Energy flows into the grid on phase 3.
    PhaseNegativeL3,
    /// The phases do not follow each other in the order 1, 2, 3.
    RotatingField,
    /// The registers are kept from counting back.
    BackStop,
    /// Phase 1 has voltage.
    VoltageL1,
    /// Phase 2 has voltage.
    VoltageL2,
    /// Phase 3 has voltage.
    VoltageL3,
}

/// Bits of the gateway, in the upper half of a word of 64.
const GATEWAY: &[(u64, StatusBit)] = &[
    (0x100 << 32, StatusBit::GatewayFatal),
    (0x200 << 32, StatusBit::GatewayTimeInvalid),
    (0x1000 << 32, StatusBit::GatewayWarning),
    (0x2000 << 32, StatusBit::GatewayTemporary),
    (0x4000 << 32, StatusBit::GatewayCritical),
];

/// Bits of a meter after Lastenheft Basiszähler, also in the lower half of a word of 64.
const METER: &[(u64, StatusBit)] = &[
    (0x100, StatusBit::StartUp),
    (0x200, StatusBit::Magnet),
    (0x400, StatusBit::Manipulation),
    (0x800, StatusBit::SumNegative),
    (0x1000, StatusBit::PhaseNegativeL1),
    (0x2000, StatusBit::PhaseNegativeL2),
    (0x4000, StatusBit::PhaseNegativeL3),
    (0x8000, StatusBit::RotatingField),
    (0x1_0000, StatusBit::BackStop),
    (0x2_0000, StatusBit::MeterFatal),
    (0x4_0000, StatusBit::VoltageL1),
    (0x8_0000, StatusBit::VoltageL2),
    (0x10_0000, StatusBit::VoltageL3),
];

/// Bits of a meter after Lastenheft EDL. Bits 1 and 3 tell that its clocks were set, bits 8 and
/// above which tariff counts.
const EDL: &[(u64, StatusBit)] = &[
    (0x01, StatusBit::MeterFatal),
    (0x10, StatusBit::BackStop),
    (0x20, StatusBit::SumNegative),
    (0x40, StatusBit::Magnet),
    (0x80, StatusBit::StartUp),
];

/// The bits that mark the word of a gateway: 0 and 2.
const GATEWAY_MARK: u64 = 0x05 << 32;
/// The bit that marks the word of a meter after Lastenheft Basiszähler; Lastenheft EDL keeps it 0.
const METER_MARK: u64 = 0x04;

impl StatusWord {
    /// The word that a meter sends with a value (in SML the status of an entry); its kind is told
    /// by bit 2. `None` if it has more than 32 bits.
    pub const fn of_meter(bits: u64) -> Option<Self> {
        if bits >> 32 != 0 {
            return None;
        }
        let kind = if bits & METER_MARK == 0 {
            StatusKind::Edl
        } else {
            StatusKind::Meter
        };
        Some(Self { kind, bits })
    }

    /// The word of a gateway and its meter as a number: the gateway's half is the upper one, bit 0
    /// is the lowest of each. `None` if either half lacks the bits that mark it.
    pub const fn of_gateway(bits: u64) -> Option<Self> {
        let marks = GATEWAY_MARK | METER_MARK;
        if bits & marks == marks {
            let kind = StatusKind::GatewayAndMeter;
            Some(Self { kind, bits })
        } else {
            None
        }
    }

    /// The same word in the form in which gateways export it: 16 hexadecimal digits, the gateway's
    /// half first, in each half bit 0 first (`A000000020000000` where nothing is wrong). `None` for
    /// any other text.
    pub fn from_gateway_hex(text: &str) -> Option<Self> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let reversed = u64::from_str_radix(text, 16).ok()?.reverse_bits();
        Self::of_gateway(reversed.rotate_left(32))
    }

    /// Which encoding it has.
    pub const fn kind(self) -> StatusKind {
        self.kind
    }

    /// The word itself.
    pub const fn bits(self) -> u64 {
        self.bits
    }

    /// What the bits say that are set and known.
    pub fn set(self) -> impl Iterator<Item = StatusBit> {
        let (first, second): (&[_], &[_]) = match self.kind {
            StatusKind::Edl => (EDL, &[]),
            StatusKind::Meter => (METER, &[]),
            StatusKind::GatewayAndMeter => (GATEWAY, METER),
        };
        first
            .iter()
            .chain(second)
            .filter(move |(mask, _)| self.bits & mask != 0)
            .map(|(_, bit)| *bit)
    }

    /// True if the word says this. A word of a kind without such a bit never does.
    pub fn has(self, bit: StatusBit) -> bool {
        self.set().any(|set| set == bit)
    }

    /// The level that follows from the bits: the worst that any of them has.
    ///
    /// The map is that of the transparency software. For Lastenheft EDL, which has no levels, the
    /// bits of the same meaning get the same ones.
    pub fn level(self) -> PtbLevel {
        let level = |bit| match bit {
            StatusBit::GatewayFatal | StatusBit::MeterFatal => PtbLevel::Fatal,
            StatusBit::GatewayTimeInvalid | StatusBit::GatewayCritical => {
                PtbLevel::CriticalTemporaryError
            }
            StatusBit::GatewayTemporary | StatusBit::Manipulation | StatusBit::Magnet => {
                PtbLevel::TemporaryError
            }
            StatusBit::GatewayWarning => PtbLevel::Warning,
            _ => PtbLevel::Ok,
        };
        self.set().map(level).max().unwrap_or(PtbLevel::Ok)
    }

    /// True if the meter or the gateway failed.
    pub fn is_fatal(self) -> bool {
        self.level() == PtbLevel::Fatal
    }
}

/// The kind and the bits in hexadecimal.
impl fmt::Debug for StatusWord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}({:#x})", self.kind, self.bits)
    }
}

impl Entry {
    /// The status word that came with the value, read as that of a meter or, if it has more than
    /// 32 bits, as that of a gateway and its meter.
    pub fn status_word(&self) -> Option<StatusWord> {
        let bits = self.status?;
        StatusWord::of_meter(bits).or_else(|| StatusWord::of_gateway(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(bits: u64) -> StatusWord {
        StatusWord::of_meter(bits).unwrap()
    }

    #[test]
    fn gateways_have_levels() {
        for (bits, level) in [
            (0x0005_0000_0004, PtbLevel::Ok),
            (0x1005_0000_0004, PtbLevel::Warning),
            (0x2005_0000_0004, PtbLevel::TemporaryError),
            (0x0005_0000_0204, PtbLevel::TemporaryError),
            (0x0005_0000_0404, PtbLevel::TemporaryError),
            (0x4005_0000_0004, PtbLevel::CriticalTemporaryError),
            (0x0205_0000_0004, PtbLevel::CriticalTemporaryError),
            (0x2105_0000_0004, PtbLevel::Fatal),
            (0x0005_0002_0004, PtbLevel::Fatal),
            (0x7005_0000_0004, PtbLevel::CriticalTemporaryError),
            (0x0005_001d_f904, PtbLevel::Ok),
        ] {
            let word = StatusWord::of_gateway(bits).unwrap();
            assert_eq!(word.level(), level, "{word:?}");
            assert_eq!(word.is_fatal(), level == PtbLevel::Fatal);
            assert_eq!(word.bits(), bits);
        }
        for unmarked in [
            0,
            0x0005_0000_0000,
            0x0004_0000_0004,
            0x0001_0000_0004,
            0x1c_0104,
        ] {
            assert_eq!(StatusWord::of_gateway(unmarked), None, "{unmarked:x}");
        }
    }

    #[test]
    fn gateways_write_the_lowest_bit_first() {
        let word = StatusWord::from_gateway_hex("A084000020000000").unwrap();
        assert_eq!(word.bits(), 0x2105_0000_0004);
        let fine = StatusWord::from_gateway_hex("a000000020000000").unwrap();
        assert_eq!((fine.bits(), fine.set().count()), (0x0005_0000_0004, 0));
        for text in [
            "",
            "A00000002000000",
            "A0000000200000000",
            "G000000020000000",
            "+000000020000000",
            "0000000000000000",
        ] {
            assert_eq!(StatusWord::from_gateway_hex(text), None, "{text}");
        }
    }

    #[test]
    fn meters_are_told_apart_by_bit_2() {
        use StatusBit as B;
        // All that the recordings have.
        let known: [(u64, StatusKind, &[StatusBit]); 8] = [
            (0x82, StatusKind::Edl, &[B::StartUp]),
            (0x182, StatusKind::Edl, &[B::StartUp]),
            (
                0x1b0,
                StatusKind::Edl,
                &[B::BackStop, B::SumNegative, B::StartUp],
            ),
            (0x1_01a2, StatusKind::Edl, &[B::SumNegative, B::StartUp]),
            (0x100, StatusKind::Edl, &[]),
            (0x10_0104, StatusKind::Meter, &[B::StartUp, B::VoltageL3]),
            (
                0x1c_0104,
                StatusKind::Meter,
                &[B::StartUp, B::VoltageL1, B::VoltageL2, B::VoltageL3],
            ),
            (
                0x1c_7904,
                StatusKind::Meter,
                &[
                    B::StartUp,
                    B::SumNegative,
                    B::PhaseNegativeL1,
                    B::PhaseNegativeL2,
                    B::PhaseNegativeL3,
                    B::VoltageL1,
                    B::VoltageL2,
                    B::VoltageL3,
                ],
            ),
        ];
        for (bits, kind, set) in known {
            let word = meter(bits);
            assert_eq!(word.kind(), kind, "{bits:x}");
            assert_eq!(word.set().collect::<Vec<_>>(), set, "{bits:x}");
            assert_eq!(word.level(), PtbLevel::Ok, "{bits:x}");
        }
        assert_eq!(StatusWord::of_meter(1 << 32), None);
    }

    #[test]
    fn a_bit_means_something_else_in_each_kind() {
        // The start-up bit of one is a bit of the tariff in the other, and no gateway failed.
        assert!(meter(0x104).has(StatusBit::StartUp));
        assert!(!meter(0x100).has(StatusBit::StartUp));
        assert!(!meter(0x100).has(StatusBit::GatewayFatal));
        assert_eq!(meter(0x2_0004).level(), PtbLevel::Fatal);
        assert_eq!(meter(0x2_0000).level(), PtbLevel::Ok);
        assert_eq!(meter(0x01).level(), PtbLevel::Fatal);
        assert_eq!(meter(0x40).level(), PtbLevel::TemporaryError);
        assert!(meter(0x40).has(StatusBit::Magnet));
    }

    #[test]
    fn entries_have_status_words() {
        let entry = Entry::bytes(crate::ObisCode::ACTIVE_ENERGY_IMPORT, []);
        assert_eq!(entry.status_word(), None);
        let word = |status| entry.clone().with_status(status).status_word();
        assert_eq!(word(0x182).unwrap().kind(), StatusKind::Edl);
        assert_eq!(word(0x2105_0000_0004).unwrap().level(), PtbLevel::Fatal);
        assert_eq!(word(1 << 40), None);
    }
}
