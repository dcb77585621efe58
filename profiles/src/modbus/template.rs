//! A template: what the registers of one kind of meter mean.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use dcnet_obis::Unit;
use serde::{Deserialize, Deserializer};

use crate::error::{Place, ProfileError};
use crate::meter::Code;
use crate::text;
use crate::yaml::{self, Step};

/// Most registers that one request may ask for (Modbus application protocol 1.1b3, 6.3 and 6.4).
pub const MAX_BLOCK: u16 = 125;

/// What the registers of one kind of meter mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// By which a profile names it; the name of its file without `.yaml`.
    #[serde(deserialize_with = "text::parsed")]
    pub name: TemplateName,
    /// Who makes the meter.
    pub maker: String,
    /// Which of the maker's meters.
    pub model: String,
    /// Most registers that the meter hands over at once.
    #[serde(default = "default_block", deserialize_with = "block")]
    pub block: u16,
    /// Most registers that are read along unasked to save a request.
    #[serde(default = "default_gap", deserialize_with = "gap")]
    pub gap: u16,
    /// Which integers mean that there is no value.
    #[serde(default)]
    pub not_available: NotAvailable,
    /// Where the serial number stands, if the meter tells it.
    #[serde(default)]
    pub serial: Option<Serial>,
    /// The registers that are read.
    pub registers: Vec<Register>,
}

/// One quantity in the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// What it is about.
    pub obis: Code,
    /// Zero-based address of the first register, as it goes over the line.
    pub address: u16,
    /// How it is read.
    #[serde(default)]
    pub function: Function,
    /// What the registers hold.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// In which order the words of 16 bits stand.
    #[serde(default)]
    pub word_order: WordOrder,
    /// The number counts 10^scale of the unit.
    #[serde(default)]
    pub scale: i8,
    /// Address of a register (int16, read with the same function) with a further power of ten.
    #[serde(default)]
    pub scale_register: Option<u16>,
    /// The unit, without a prefix.
    #[serde(deserialize_with = "text::parsed")]
    pub unit: Unit,
}

/// Registers with the serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serial {
    /// Zero-based address of the first register.
    pub address: u16,
    /// How they are read.
    #[serde(default)]
    pub function: Function,
    /// How many there are: at most 16, as a device id has at most 32 bytes.
    #[serde(deserialize_with = "serial_registers")]
    pub registers: u16,
    /// What they hold.
    #[serde(rename = "type")]
    pub kind: SerialKind,
}

/// How a serial number is written in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SerialKind {
    /// ASCII, filled up with spaces or zeros.
    Text,
    /// A number, whose bytes are the device id.
    Number,
}

/// The function that reads a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Function {
    /// 3: holding registers.
    #[default]
    Holding,
    /// 4: input registers.
    Input,
}

impl Function {
    /// The function code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Holding => 3,
            Self::Input => 4,
        }
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::within::<D, 3, 4>(deserializer).map(|code| match code {
            3 => Self::Holding,
            _ => Self::Input,
        })
    }
}

/// What registers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 16 bits.
    Uint16,
    /// Unsigned, 32 bits.
    Uint32,
    /// Unsigned, 64 bits.
    Uint64,
    /// IEEE 754, 32 bits. It carries 7 decimal digits: a register in kWh counts in steps above
    /// 10 Wh from 131,072 kWh on (2^17 × 1 kWh; the step there is 15.6 Wh).
    Float32,
    /// IEEE 754, 64 bits.
    Float64,
    /// A counter of `SunSpec`: unsigned, 32 bits, 0 is not available.
    Acc32,
}

impl Kind {
    /// How many registers it takes.
    pub const fn registers(self) -> u16 {
        match self {
            Self::Int16 | Self::Uint16 => 1,
            Self::Int32 | Self::Uint32 | Self::Float32 | Self::Acc32 => 2,
            Self::Int64 | Self::Uint64 | Self::Float64 => 4,
        }
    }
}

/// In which order the words of a value stand; the bytes of a word are always high before low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WordOrder {
    /// Most significant word first.
    #[default]
    Big,
    /// Least significant word first.
    Swapped,
}

/// Which integers mean that the meter has no value. What is no finite float is never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotAvailable {
    /// None: each one is a value.
    #[default]
    Never,
    /// The largest of the type: unsigned all ones, signed 0x7FFF….
    Largest,
    /// All ones if unsigned, the smallest (0x8000…) if signed.
    Smallest,
}

/// Name of a template: lower-case letters, digits and `-`, so that it is no path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateName(String);

impl TemplateName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TemplateName {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is no name of a template: use a-z, 0-9 and -")
        }
    }
}

impl Template {
    /// Reads a template from `text`; `origin` is only named in errors.
    ///
    /// # Errors
    ///
    /// It says something that no template may say: with file, line, column and key.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ProfileError> {
        let template: Self = yaml::parse(text, origin)?;
        template
            .check()
            .map_err(|(key, problem)| refused(text, origin, &key, problem))?;
        Ok(template)
    }

    fn check(&self) -> Result<(), (Vec<Step>, String)> {
        if let Some(serial) = &self.serial {
            let key = || vec![Step::Key("serial"), Step::Key("address")];
            fits(serial.address, serial.registers).map_err(|problem| (key(), problem))?;
        }
        check_registers(&self.registers, self.block)
    }
}

/// Checks the registers under the key `registers`.
pub(super) fn check_registers(
    registers: &[Register],
    block: u16,
) -> Result<(), (Vec<Step>, String)> {
    let at = |number, key| vec![Step::Key("registers"), Step::Item(number), Step::Key(key)];
    if registers.is_empty() {
        return Err((
            vec![Step::Key("registers")],
            "is empty; give at least one register".into(),
        ));
    }
    for (number, register) in registers.iter().enumerate() {
        let earlier = registers.iter().take(number);
        if earlier.into_iter().any(|other| other.obis == register.obis) {
            let problem = format!("{} stands here twice", register.obis.0.short());
            return Err((at(number, "obis"), problem));
        }
        fits(register.address, register.kind.registers())
            .map_err(|problem| (at(number, "address"), problem))?;
        if register.kind.registers() > block {
            let problem = format!("takes more registers than `block` allows ({block})");
            return Err((at(number, "type"), problem));
        }
    }
    Ok(())
}

fn fits(address: u16, registers: u16) -> Result<(), String> {
    match address.checked_add(registers.saturating_sub(1)) {
        Some(_) => Ok(()),
        None => Err("reaches beyond the last register (65535)".into()),
    }
}

pub(super) fn refused(text: &str, origin: &Path, key: &[Step], problem: String) -> ProfileError {
    ProfileError::Content {
        place: Place {
            file: origin.to_owned(),
            position: yaml::locate(text, key),
        },
        key: yaml::path_text(key),
        problem,
    }
}

fn default_block() -> u16 {
    MAX_BLOCK
}

fn default_gap() -> u16 {
    8
}

fn narrow<'de, D: Deserializer<'de>>(number: u64) -> Result<u16, D::Error> {
    u16::try_from(number).map_err(serde::de::Error::custom)
}

fn block<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    narrow::<D>(text::within::<D, 1, 125>(deserializer)?)
}

fn gap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    narrow::<D>(text::within::<D, 0, 124>(deserializer)?)
}

fn serial_registers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    narrow::<D>(text::within::<D, 1, 16>(deserializer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Template::parse(text, Path::new("t.yaml"))
            .unwrap_err()
            .to_string()
    }

    const HEAD: &str = "name: t\nmaker: M\nmodel: X\n";

    #[test]
    fn a_template_is_read_with_its_defaults() {
        let text = format!(
            "{HEAD}registers:\n  - {{ obis: 1.8.0, address: 0x0048, type: float32, scale: 3, unit: Wh }}\n"
        );
        let template = Template::parse(&text, Path::new("t.yaml")).unwrap();
        assert_eq!((template.block, template.gap), (125, 8));
        let register = template.registers[0];
        assert_eq!(register.address, 0x48);
        assert_eq!(register.function, Function::Holding);
        assert_eq!(register.word_order, WordOrder::Big);
        assert_eq!((register.scale, register.unit), (3, Unit::WATT_HOUR));
    }

    #[test]
    fn what_no_template_may_say_is_refused_with_place_and_key() {
        let register = |keys: &str| format!("{HEAD}registers:\n  - {{ {keys} }}\n");
        for (text, expected) in [
            (
                register("obis: 1.8.0, address: 1, type: float32, unit: kWh"),
                "t.yaml:5:53: registers[0].unit: `kWh` has a prefix",
            ),
            (
                register("obis: 1.8.0, address: 65535, type: float32, unit: Wh"),
                "t.yaml:5:29: registers[0].address: reaches beyond the last register",
            ),
            (
                register("obis: 1.8.0, address: 65536, type: int16, unit: Wh"),
                "t.yaml:5:29: registers[0].address: invalid value",
            ),
            (
                register("obis: 1.8.0, address: 1, type: int48, unit: Wh"),
                "t.yaml:5:38: registers[0].type: unknown variant `int48`",
            ),
            (
                register("obis: 1.8.0, address: 1, function: 5, type: int16, unit: Wh"),
                "t.yaml:5:42: registers[0].function: invalid value: integer `5`",
            ),
            (
                register("obis: 1.8.0, address: 1, type: int16, divisor: 10, unit: Wh"),
                "t.yaml:5:45: registers[0]: unknown field `divisor`",
            ),
            (
                format!("{HEAD}registers: []\n"),
                "t.yaml:4:12: registers: is empty",
            ),
            (
                format!(
                    "{HEAD}block: 2\nregisters:\n  - {{ obis: 1.8.0, address: 1, type: int64, unit: Wh }}\n"
                ),
                "t.yaml:6:38: registers[0].type: takes more registers",
            ),
            (
                format!(
                    "{HEAD}registers:\n  - {{ obis: 1.8.0, address: 1, type: int16, unit: Wh }}\n  \
                     - {{ obis: 1-0:1.8.0*255, address: 2, type: int16, unit: Wh }}\n"
                ),
                "t.yaml:6:13: registers[1].obis: 1.8.0 stands here twice",
            ),
            (
                format!(
                    "{HEAD}serial: {{ address: 65530, registers: 16, type: text }}\nregisters: []\n"
                ),
                "t.yaml:4:20: serial.address: reaches beyond the last register",
            ),
            (
                format!(
                    "{HEAD}serial: {{ address: 1, registers: 17, type: text }}\nregisters: []\n"
                ),
                "t.yaml:4:34: serial.registers: invalid value: integer `17`",
            ),
        ] {
            let got = error(&text);
            assert!(got.starts_with(expected), "{text}\n{got}");
        }
    }
}
