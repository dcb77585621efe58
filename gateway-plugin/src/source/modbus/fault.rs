//! Why a Modbus device cannot be read, in words for the owner.

use std::fmt;

use dcnet_profiles::modbus::Function;

use super::plan::Span;
use crate::source::SourceState;
use crate::source::device::OpenError;

/// Why a Modbus device cannot be read. After each of these it is asked anew, from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The serial port cannot be opened, or was lost.
    #[error(transparent)]
    Port(#[from] OpenError),
    /// No connection.
    #[error("the meter at {address} cannot be reached ({what}): is it on, and is `tcp` right?")]
    Unreachable {
        /// As the profile has it.
        address: String,
        /// What the system said.
        what: String,
    },
    /// The connection broke.
    #[error("the connection to the meter at {address} broke ({what}); connecting again")]
    Broken {
        /// As the profile has it.
        address: String,
        /// What the system said.
        what: String,
    },
    /// Nothing, or nothing whole, came in time.
    #[error(
        "the meter has not answered within {millis} ms: check its wiring, `unit` ({unit}) and, on \
         a serial line, `baud`, `parity` and `stop_bits`; a slow meter needs a longer `timeout`"
    )]
    NoAnswer {
        /// Unit address.
        unit: u8,
        /// Patience in milliseconds.
        millis: u64,
    },
    /// The device answered with an exception.
    #[error("the meter refuses {span} ({}): does the template fit the meter?", reason(*code))]
    Refused {
        /// What was asked for.
        span: Span,
        /// The exception code.
        code: u8,
    },
    /// An answer to another question.
    #[error("the meter answered what was not asked ({what}); it is asked anew")]
    Mismatch {
        /// What differs.
        what: &'static str,
    },
    /// Bytes nobody asked for: a late answer, a second one, or another device on the line.
    #[error(
        "the meter sent more than was asked for: is its answer slower than `timeout`, or does \
         somebody else use the line? Nothing of it is used, and the meter is asked anew"
    )]
    Unsolicited,
    /// A late answer of another unit on a serial line, or somebody else on it.
    #[error(
        "another unit on the line answered instead of the meter: is that one slower than its \
         `timeout`, or does somebody else use the line? The meter is asked anew"
    )]
    OtherUnit,
    /// The line does not become silent.
    #[error("the line to the meter does not become silent: is somebody else using it?")]
    Noise,
    /// No marker.
    #[error("the device does not describe itself as SunSpec tells (no marker `SunS`)")]
    NoSunSpec,
    /// Models, but none of a meter.
    #[error("the device has no meter model of SunSpec (201 to 204, 211 to 214)")]
    NoMeterModel,
    /// A list of models that makes no sense.
    #[error("the list of SunSpec models of the device is broken at register {address}: {what}")]
    BrokenModels {
        /// Where.
        address: u16,
        /// What is wrong.
        what: &'static str,
    },
}

impl Fault {
    /// Whether the whole line is lost, with all units on it.
    pub(super) const fn is_of_line(&self) -> bool {
        matches!(
            self,
            Self::Port(_) | Self::Unreachable { .. } | Self::Broken { .. }
        )
    }
}

impl From<Fault> for SourceState {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Port(error) => Self::Unavailable(error),
            fault => Self::Modbus(fault),
        }
    }
}

/// `input registers 72 to 75`
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.function {
            Function::Holding => "holding",
            Function::Input => "input",
        };
        let last = u32::from(self.address) + u32::from(self.count.max(1)) - 1;
        write!(f, "{kind} registers {} to {last}", self.address)
    }
}

/// Exception codes of the Modbus application protocol 1.1b3, section 7.
fn reason(code: u8) -> String {
    let text = match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "device failure",
        5 => "acknowledge",
        6 => "device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target does not respond",
        _ => "unknown",
    };
    format!("exception {code}, {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_registers_and_reason() {
        let span = Span {
            function: Function::Input,
            address: 72,
            count: 4,
        };
        assert_eq!(
            Fault::Refused { span, code: 2 }.to_string(),
            "the meter refuses input registers 72 to 75 (exception 2, illegal data address): does \
             the template fit the meter?"
        );
    }
}
