//! What turns the bytes of a line into telegrams.

use dcnet_obis::{Statistics, Telegram, d0, sml};
use dcnet_profiles::meter::{D0Line, DataBits, EnergyUnit, Medium, Parity};

use serde::{Deserialize, Serialize};

use super::device::LineMode;

/// What turns bytes into telegrams.
pub trait Protocol: Send {
    /// Its name in messages.
    fn name(&self) -> &'static str;
    /// Forgets a telegram of which only a part has come: the port was opened anew.
    fn reset(&mut self);
    /// Takes the next bytes; what they complete, or why it was refused.
    fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Result<Telegram, String>));
    /// What it has met since its beginning.
    fn counts(&self) -> Counts;
}

/// What a [`Protocol`] has met since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Bytes taken.
    pub bytes: u64,
    /// Telegrams read.
    pub telegrams: u64,
    /// Telegrams refused because a checksum was wrong.
    pub checksum_errors: u64,
    /// Telegrams refused for another reason.
    pub other_errors: u64,
    /// Bytes that belong to no telegram.
    pub discarded_bytes: u64,
}

impl From<Statistics> for Counts {
    fn from(counts: Statistics) -> Self {
        Self {
            bytes: counts.bytes,
            telegrams: counts.telegrams,
            checksum_errors: counts.checksum_errors,
            other_errors: counts.other_errors,
            discarded_bytes: counts.discarded_bytes,
        }
    }
}

/// The modes of a line that SML meters use, the usual one first.
pub const SML_MODES: &[LineMode] = &[
    LineMode::new(9_600, DataBits::Eight, Parity::None),
    LineMode::new(115_200, DataBits::Eight, Parity::None),
    LineMode::new(57_600, DataBits::Eight, Parity::None),
    LineMode::new(38_400, DataBits::Eight, Parity::None),
    LineMode::new(19_200, DataBits::Eight, Parity::None),
    LineMode::new(921_600, DataBits::Eight, Parity::None),
];

/// The modes of a line that D0 meters use which send on their own, the usual one first.
pub const D0_MODES: &[LineMode] = &[
    LineMode::new(9_600, DataBits::Seven, Parity::Even),
    LineMode::new(9_600, DataBits::Eight, Parity::None),
    LineMode::new(115_200, DataBits::Eight, Parity::None),
    LineMode::new(2_400, DataBits::Seven, Parity::Even),
    LineMode::new(300, DataBits::Seven, Parity::Even),
    LineMode::new(4_800, DataBits::Seven, Parity::Even),
    LineMode::new(19_200, DataBits::Seven, Parity::Even),
];

/// The modes of a line at this rate: seven bits and even parity up to 19,200 baud as the standard
/// has it, eight bits as some meters do.
pub fn d0_modes(baud: u32) -> Vec<LineMode> {
    let even = LineMode::new(baud, DataBits::Seven, Parity::Even);
    let none = LineMode::new(baud, DataBits::Eight, Parity::None);
    if baud > 19_200 {
        vec![none, even]
    } else {
        vec![even, none]
    }
}

/// SML (BSI TR-03109-1, annex IV b).
#[derive(Debug, Default)]
pub struct Sml(sml::Decoder);

impl Sml {
    /// With the rules of this catalogue.
    pub fn with_catalog(catalog: &sml::Catalog) -> Self {
        Self(sml::Decoder::with_catalog(catalog))
    }
}

impl Protocol for Sml {
    fn name(&self) -> &'static str {
        "SML"
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Result<Telegram, String>)) {
        self.0
            .push_with(bytes, |result| sink(result.map_err(|e| e.to_string())));
    }
    fn counts(&self) -> Counts {
        self.0.statistics().into()
    }
}

/// What has to be known to read a D0 meter beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct D0Options {
    /// The unit of energy registers without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_unit: Option<EnergyUnit>,
    /// The medium of codes without one.
    #[serde(default)]
    pub medium: Medium,
}

impl D0Options {
    /// A decoder that has seen nothing yet.
    pub fn decoder(self) -> d0::Decoder {
        let decoder = d0::Decoder::new().with_medium(self.medium.group());
        match self.energy_unit {
            Some(EnergyUnit::KilowattHour) => decoder.energy_in_kilowatt_hours(),
            None => decoder,
        }
    }
}

impl From<&D0Line> for D0Options {
    fn from(line: &D0Line) -> Self {
        Self {
            energy_unit: line.energy_unit,
            medium: line.medium,
        }
    }
}

/// D0 (IEC 62056-21).
#[derive(Debug)]
pub struct D0(d0::Decoder);

impl D0 {
    /// A decoder that has seen nothing yet.
    pub fn new(options: D0Options) -> Self {
        Self(options.decoder())
    }
}

impl Protocol for D0 {
    fn name(&self) -> &'static str {
        "D0"
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Result<Telegram, String>)) {
        self.0
            .push_with(bytes, |result| sink(result.map_err(|e| e.to_string())));
    }
    fn counts(&self) -> Counts {
        self.0.statistics().into()
    }
}
