//! Ways to get readings.

use std::path::PathBuf;

use serde::Deserialize;

use super::{D0Line, SerialLine, Vzlogger};
use crate::modbus::{ModbusLine, ModbusSource};
use crate::schema;
use crate::text;

/// Most sources of one meter.
pub const MAX_SOURCES: usize = 4;

/// A way to get readings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub enum Source {
    /// SML telegrams pushed by the meter over a serial line (infrared head).
    Sml(SerialLine),
    /// A meter of IEC 62056-21 on a serial line (infrared head).
    D0(D0Line),
    /// A vzlogger that reads the meter.
    Vzlogger(Vzlogger),
    /// A device that is asked over Modbus.
    Modbus(ModbusSource),
    /// A program that prints readings.
    Command(CommandSource),
    /// Readings on the daemon's standard input.
    Input(InputSource),
}

crate::schema::read_as!(Source, Keys);

/// A program that prints readings, one `OBIS#value#unit` to the line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSource {
    /// The program and its arguments. It is started directly, not by a shell.
    pub run: Vec<String>,
    /// Seconds between two starts of a program that prints one set of readings and ends. Left out:
    /// the program goes on printing; when it ends it is started again.
    #[serde(default, deserialize_with = "every")]
    #[schemars(with = "schema::Within<1, 86_400>")]
    pub every: Option<u64>,
    /// Seconds without any line after which the program counts as silent and is started anew.
    #[serde(
        default = "default_silence",
        deserialize_with = "text::within::<_, 1, 86_400>"
    )]
    #[schemars(with = "schema::Within<1, 86_400>")]
    pub silence: u64,
    /// Working directory. Left out: the daemon's.
    #[serde(default, deserialize_with = "text::path_option")]
    #[schemars(with = "schema::NotEmpty")]
    pub directory: Option<PathBuf>,
}

/// Readings on the daemon's standard input, one `OBIS#value#unit` to the line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputSource {
    /// Seconds without any line after which the input counts as silent.
    #[serde(
        default = "default_silence",
        deserialize_with = "text::within::<_, 1, 86_400>"
    )]
    #[schemars(with = "schema::Within<1, 86_400>")]
    pub silence: u64,
}

impl Source {
    /// The key under which it stands in a profile.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Sml(_) => "sml",
            Self::D0(_) => "d0",
            Self::Vzlogger(_) => "vzlogger",
            Self::Modbus(_) => "modbus",
            Self::Command(_) => "command",
            Self::Input(_) => "stdin",
        }
    }

    /// How long it may give nothing before another source stands in for it, in seconds.
    pub const fn silence(&self) -> u64 {
        match self {
            Self::Sml(line) => line.silence,
            Self::D0(line) => match line.mode {
                super::D0Mode::Request => line.every.saturating_add(line.silence),
                super::D0Mode::Push => line.silence,
            },
            Self::Vzlogger(vzlogger) => vzlogger.silence,
            Self::Modbus(source) => source.every.saturating_add(30),
            Self::Command(command) => match command.every {
                Some(every) => every.saturating_add(command.silence),
                None => command.silence,
            },
            Self::Input(input) => input.silence,
        }
    }

    /// The files that it names, which relative paths have from the profile's folder.
    pub(crate) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let paths = match self {
            Self::Sml(line) => [Some(&mut line.device), line.quirks.as_mut()],
            Self::D0(line) => [Some(&mut line.device), None],
            Self::Modbus(source) => {
                let device = match &mut source.line {
                    ModbusLine::Serial(line) => Some(&mut line.device),
                    ModbusLine::Tcp(_) => None,
                };
                [device, source.templates.as_mut()]
            }
            Self::Vzlogger(vzlogger) => match &mut vzlogger.channel {
                super::Channel::Mqtt(address) => [address.password_file.as_mut(), None],
                super::Channel::Listen(_) | super::Channel::Http { .. } => [None, None],
            },
            Self::Command(command) => [command.directory.as_mut(), None],
            Self::Input(_) => [None, None],
        };
        paths.into_iter().flatten()
    }

    /// The serial port at which it reads. Only Modbus sources can share one.
    pub fn device(&self) -> Option<&PathBuf> {
        match self {
            Self::Sml(line) => Some(&line.device),
            Self::D0(line) => Some(&line.device),
            Self::Modbus(source) => match &source.line {
                ModbusLine::Serial(line) => Some(&line.device),
                ModbusLine::Tcp(_) => None,
            },
            _ => None,
        }
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "source")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
/// One way to get readings.
struct Keys {
    /// SML telegrams pushed by the meter over a serial line (infrared head).
    sml: Option<SerialLine>,
    /// A meter of IEC 62056-21 on a serial line (infrared head).
    d0: Option<D0Line>,
    /// A vzlogger that reads the meter.
    vzlogger: Option<Vzlogger>,
    /// A meter that is asked over Modbus.
    modbus: Option<ModbusSource>,
    /// A program that prints readings.
    command: Option<CommandSource>,
    /// Readings on the daemon's standard input.
    stdin: Option<InputSource>,
}

impl TryFrom<Keys> for Source {
    type Error = SourceError;
    fn try_from(keys: Keys) -> Result<Self, SourceError> {
        let Keys {
            sml,
            d0,
            vzlogger,
            modbus,
            command,
            stdin,
        } = keys;
        let mut given = [
            sml.map(Self::Sml),
            d0.map(Self::D0),
            vzlogger.map(Self::Vzlogger),
            modbus.map(Self::Modbus),
            command.map(Self::Command),
            stdin.map(Self::Input),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(Self::Command(command)), None) if command.run.is_empty() => {
                Err(SourceError::NoProgram)
            }
            (Some(source), None) => Ok(source),
            _ => Err(SourceError::Kinds),
        }
    }
}

/// Why the sources of a meter do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// None or several kinds in one.
    #[error(
        "a source has exactly one of the keys sml, d0, vzlogger, modbus, command, stdin; several ways \
         to one meter go into `sources`, a list"
    )]
    Kinds,
    /// Both keys.
    #[error("has `source` and `sources`; put all into `sources`, the preferred one first")]
    Twice,
    /// None or too many.
    #[error("has {got} sources; a meter has `source`, or 1 to {MAX_SOURCES} `sources`")]
    Number {
        /// Found.
        got: usize,
    },
    /// An empty command.
    #[error("command.run is empty; give the program and its arguments, as a list")]
    NoProgram,
}

fn default_silence() -> u64 {
    30
}

fn every<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text::within::<D, 1, 86_400>(deserializer).map(Some)
}
