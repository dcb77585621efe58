//! Modbus as a way to get readings: where the meter is reached, and which template tells what its
//! registers mean.
//!
//! ```yaml
//! modbus: { tcp: "192.168.1.5:502", unit: 1, template: eastron-sdm630 }
//! modbus: { serial: { device: /dev/serial/by-id/…, baud: 9600 }, unit: 1, template: sunspec }
//! ```

pub mod layout;
pub mod template;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, de};

use crate::meter::Parity;
use crate::schema;
use crate::text;

pub use layout::{Layout, SunSpec, TemplateError};
pub use template::{
    Function, Kind, NotAvailable, Register, Serial, SerialKind, Template, TemplateName, WordOrder,
};

/// A meter that is asked over Modbus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModbusSource {
    /// How the meter is reached.
    pub line: ModbusLine,
    /// Unit (slave) address: 1 to 247 on a serial line, any over TCP.
    pub unit: u8,
    /// What the registers mean: a template of the catalogue or of the owner, or `sunspec`.
    pub template: TemplateName,
    /// The owner's folder of templates, which is looked at before the catalogue.
    pub templates: Option<PathBuf>,
    /// Seconds between two readings.
    pub every: u64,
    /// Milliseconds within which an answer has to come.
    pub timeout: u64,
    /// What a positive power means, as the meter was built in.
    pub positive: Direction,
}

impl ModbusSource {
    /// The layout that [`Self::template`] names, out of [`Self::templates`] or the catalogue.
    ///
    /// # Errors
    ///
    /// There is no such template, or the owner's is none: with file, line, column and key.
    pub fn layout(&self) -> Result<Layout, TemplateError> {
        Layout::find(&self.template, self.templates.as_deref())
    }
}

schema::read_as!(ModbusSource, Keys);

/// How a Modbus device is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModbusLine {
    /// Modbus TCP.
    Tcp(TcpAddress),
    /// Modbus RTU on a serial line.
    Serial(ModbusSerial),
}

/// `HOST:PORT`; an IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpAddress(String);

impl TcpAddress {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TcpAddress {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "is no address; give HOST:PORT, such as \"192.168.1.5:502\"";
        let (host, port) = text.rsplit_once(':').ok_or(wrong)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let bracketed = bare.len() != host.len();
        let fine = !bare.is_empty()
            && !bare.contains(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '/'))
            && (bracketed || !bare.contains(':'));
        match port.parse::<u16>() {
            Ok(1..) if fine => Ok(Self(text.to_owned())),
            _ => Err(wrong),
        }
    }
}

/// A serial line with Modbus RTU: eight data bits, as RTU has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModbusSerial {
    /// Device file, best one below `/dev/serial/by-id/`.
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "schema::NotEmpty")]
    pub device: PathBuf,
    /// Symbols per second.
    #[serde(default = "default_baud", deserialize_with = "baud")]
    #[schemars(with = "schema::Within<300, 921_600>")]
    pub baud: u32,
    /// Parity bit.
    #[serde(default)]
    pub parity: Parity,
    /// Stop bits: 1 or 2.
    #[serde(default = "one", deserialize_with = "stop_bits")]
    #[schemars(with = "schema::Within<1, 2>")]
    pub stop_bits: u8,
}

/// What a positive power stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the grid, as OBIS 16.7.0 has it.
    #[default]
    Import,
    /// Into the grid: the signed power registers are turned, the energy registers are not.
    Export,
}

impl<'de> Deserialize<'de> for ModbusSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = ModbusSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the keys of a Modbus device")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModbusSource, A::Error> {
                // Checked here, where the parser still knows the place.
                Keys::deserialize(MapAccessDeserializer::new(map))?
                    .checked()
                    .map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(Whole)
    }
}

/// A meter that is asked over Modbus.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "modbus")]
#[schemars(extend("oneOf" = [{ "required": ["tcp"] }, { "required": ["serial"] }]))]
struct Keys {
    #[serde(default, deserialize_with = "text::parsed_option")]
    #[schemars(with = "schema::NotEmpty")]
    tcp: Option<TcpAddress>,
    serial: Option<ModbusSerial>,
    #[serde(deserialize_with = "unit")]
    #[schemars(with = "schema::Within<0, 255>")]
    unit: u8,
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::NotEmpty")]
    template: TemplateName,
    #[serde(default, deserialize_with = "text::path_option")]
    #[schemars(with = "schema::NotEmpty")]
    templates: Option<PathBuf>,
    #[serde(
        default = "default_every",
        deserialize_with = "text::within::<_, 1, 3600>"
    )]
    #[schemars(with = "schema::Within<1, 3_600>")]
    every: u64,
    #[serde(
        default = "default_timeout",
        deserialize_with = "text::within::<_, 50, 30_000>"
    )]
    #[schemars(with = "schema::Within<50, 30_000>")]
    timeout: u64,
    #[serde(default)]
    positive: Direction,
}

impl Keys {
    fn checked(self) -> Result<ModbusSource, &'static str> {
        let line = match (self.tcp, self.serial) {
            (Some(address), None) => ModbusLine::Tcp(address),
            (None, Some(serial)) => ModbusLine::Serial(serial),
            (Some(_), Some(_)) => return Err("has `tcp` and `serial`; give one of the two"),
            (None, None) => return Err("has neither `tcp` nor `serial`; give one of the two"),
        };
        if matches!(line, ModbusLine::Serial(_)) && !(1..=247).contains(&self.unit) {
            return Err("on a serial line, `unit` is 1 to 247");
        }
        Ok(ModbusSource {
            line,
            unit: self.unit,
            template: self.template,
            templates: self.templates,
            every: self.every,
            timeout: self.timeout,
            positive: self.positive,
        })
    }
}

fn default_baud() -> u32 {
    9600
}

fn default_every() -> u64 {
    10
}

fn default_timeout() -> u64 {
    1000
}

fn one() -> u8 {
    1
}

fn baud<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let baud = text::within::<D, 300, 921_600>(deserializer)?;
    u32::try_from(baud).map_err(de::Error::custom)
}

fn stop_bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let bits = text::within::<D, 1, 2>(deserializer)?;
    u8::try_from(bits).map_err(de::Error::custom)
}

fn unit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let unit = text::within::<D, 0, 255>(deserializer)?;
    u8::try_from(unit).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use std::path::Path;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        modbus: ModbusSource,
    }

    fn parse(text: &str) -> Result<ModbusSource, String> {
        yaml::parse::<File>(text, Path::new("p.yaml"))
            .map(|file| file.modbus)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_short_form_has_defaults() {
        let source =
            parse("modbus: { tcp: \"192.168.1.5:502\", unit: 1, template: eastron-sdm630 }")
                .unwrap();
        let ModbusLine::Tcp(address) = &source.line else {
            panic!("{source:?}");
        };
        assert_eq!(address.as_str(), "192.168.1.5:502");
        assert_eq!((source.unit, source.every, source.timeout), (1, 10, 1000));
        assert_eq!(source.positive, Direction::Import);
        assert!(source.layout().is_ok());
    }

    #[test]
    fn a_serial_line_is_described_like_others() {
        let source = parse(
            "modbus:\n  serial: { device: /dev/ttyUSB0, baud: 19200, parity: even, stop_bits: 2 }\n  \
             unit: 247\n  template: sunspec\n  every: 5\n  timeout: 300\n  positive: export\n",
        )
        .unwrap();
        assert_eq!(
            source.line,
            ModbusLine::Serial(ModbusSerial {
                device: "/dev/ttyUSB0".into(),
                baud: 19200,
                parity: Parity::Even,
                stop_bits: 2
            })
        );
        assert_eq!(source.positive, Direction::Export);
    }

    #[test]
    fn errors_name_the_place_and_the_key() {
        for (text, expected) in [
            (
                "modbus: { unit: 1, template: x }",
                "p.yaml:1:9: modbus: has neither `tcp` nor `serial`; give one of the two",
            ),
            (
                "modbus: { tcp: \"a:1\", serial: { device: x }, unit: 1, template: x }",
                "p.yaml:1:9: modbus: has `tcp` and `serial`; give one of the two",
            ),
            (
                "modbus: { serial: { device: x }, unit: 248, template: x }",
                "p.yaml:1:9: modbus: on a serial line, `unit` is 1 to 247",
            ),
            (
                "modbus: { tcp: \"192.168.1.5\", unit: 1, template: x }",
                "p.yaml:1:16: modbus.tcp: is no address; give HOST:PORT, such as \
                 \"192.168.1.5:502\"",
            ),
            (
                "modbus: { tcp: \"a:1\", unit: 256, template: x }",
                "p.yaml:1:29: modbus.unit: invalid value: integer `256`, expected a whole number \
                 from 0 to 255; correct the value",
            ),
            (
                "modbus: { tcp: \"a:1\", unit: 1, template: ../x }",
                "p.yaml:1:42: modbus.template: is no name of a template: use a-z, 0-9 and -",
            ),
            (
                "modbus: { tcp: \"a:1\", unit: 1, template: x, baud: 9600 }",
                "p.yaml:1:45: modbus: unknown field `baud`, expected one of `tcp`, `serial`, \
                 `unit`, `template`, `templates`, `every`, `timeout`, `positive`; remove this \
                 key or correct its spelling",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["a:1", "[fe80::1]:502", "meter.local:65535", "10.0.0.1:502"] {
            assert!(good.parse::<TcpAddress>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ":502",
            "a:0",
            "a:65536",
            "fe80::1:502",
            "[]:1",
            "http://a:1",
        ] {
            assert!(bad.parse::<TcpAddress>().is_err(), "{bad}");
        }
    }
}
