//! Which sources may be at one serial port: one, or Modbus meters with different units on one line.

use std::fmt;
use std::path::PathBuf;

use crate::meter::{MeterProfile, Parity, Source};
use crate::modbus::{ModbusLine, ModbusSerial, ModbusSource};

/// A source by its meter, as people call it: `flat 1 (modbus)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The name of the meter.
    pub meter: String,
    /// The key of the source.
    pub kind: &'static str,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.meter, self.kind)
    }
}

/// Why two sources cannot be at one port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Not both speak Modbus.
    #[error(
        "meters: the port {} is that of {first} and of {second}; a port has one reader, only Modbus \
         meters can share one", device.display()
    )]
    Taken {
        /// The port.
        device: PathBuf,
        /// Who has it.
        first: Reader,
        /// Who wants it too.
        second: Reader,
    },
    /// Two lines that are one.
    #[error(
        "meters: {first} and {second} are on one line ({}), but {difference}; all meters on a line \
         have the same", device.display()
    )]
    Line {
        /// The port.
        device: PathBuf,
        /// Who has it.
        first: Reader,
        /// Who wants it too.
        second: Reader,
        /// What is not the same.
        difference: Difference,
    },
    /// Two meters that could not be told apart.
    #[error(
        "meters: {first} and {second} are both unit {unit} on one line ({}); each meter on a line has a \
         unit address of its own", device.display()
    )]
    Unit {
        /// The port.
        device: PathBuf,
        /// Who has it.
        first: Reader,
        /// Who wants it too.
        second: Reader,
        /// The address.
        unit: u8,
    },
}

/// In what two settings of one line differ: the values of the first and of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Symbols per second.
    Baud(u32, u32),
    /// Parity bit.
    Parity(Parity, Parity),
    /// Stop bits.
    StopBits(u8, u8),
}

/// `baud is 9600 and 19200`
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Baud(first, second) => write!(f, "baud is {first} and {second}"),
            Self::Parity(first, second) => {
                write!(f, "parity is {} and {}", first.key(), second.key())
            }
            Self::StopBits(first, second) => write!(f, "stop_bits is {first} and {second}"),
        }
    }
}

/// Looks for sources that are at one port and cannot be.
pub(crate) fn check(meters: &[MeterProfile]) -> Result<(), PortError> {
    let mut seen: Vec<(&MeterProfile, &Source)> = Vec::new();
    for meter in meters {
        for source in &meter.sources {
            for (other, earlier) in &seen {
                together((other, earlier), (meter, source))?;
            }
            seen.push((meter, source));
        }
    }
    Ok(())
}

fn together(
    first: (&MeterProfile, &Source),
    second: (&MeterProfile, &Source),
) -> Result<(), PortError> {
    let device = match (first.1.device(), second.1.device()) {
        (Some(first), Some(second)) if first == second => first.clone(),
        _ => return Ok(()),
    };
    let named = |(meter, source): (&MeterProfile, &Source)| Reader {
        meter: meter.name.clone(),
        kind: source.key(),
    };
    let lines = (serial(first.1), serial(second.1));
    let (first, second) = (named(first), named(second));
    let (Some((source, line)), Some((other, other_line))) = lines else {
        return Err(PortError::Taken {
            device,
            first,
            second,
        });
    };
    if let Some(difference) = difference(line, other_line) {
        return Err(PortError::Line {
            device,
            first,
            second,
            difference,
        });
    }
    if source.unit == other.unit {
        return Err(PortError::Unit {
            device,
            first,
            second,
            unit: source.unit,
        });
    }
    Ok(())
}

fn serial(source: &Source) -> Option<(&ModbusSource, &ModbusSerial)> {
    match source {
        Source::Modbus(source) => match &source.line {
            ModbusLine::Serial(line) => Some((source, line)),
            ModbusLine::Tcp(_) => None,
        },
        _ => None,
    }
}

/// The first thing in which two lines differ.
fn difference(first: &ModbusSerial, second: &ModbusSerial) -> Option<Difference> {
    if first.baud != second.baud {
        return Some(Difference::Baud(first.baud, second.baud));
    }
    if first.parity != second.parity {
        return Some(Difference::Parity(first.parity, second.parity));
    }
    (first.stop_bits != second.stop_bits)
        .then_some(Difference::StopBits(first.stop_bits, second.stop_bits))
}
