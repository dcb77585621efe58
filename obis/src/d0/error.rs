//! What can be wrong with bytes that should be D0.

#[cfg(doc)]
use super::MAX_DATA;

/// Why a readout was refused. The bytes around it are not affected: the decoder goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The block check character after ETX is wrong.
    #[error(
        "a D0 readout of {length} bytes has the block check {got:02x} instead of {expected:02x}: \
         bytes were lost or changed between meter and reader; check where the optical head sits"
    )]
    BlockCheck {
        /// The XOR of the bytes after STX up to and with ETX.
        expected: u8,
        /// The block check character that came.
        got: u8,
        /// Bytes of the data.
        length: usize,
    },
    /// The CRC after `!` is wrong.
    #[error(
        "a P1 telegram of {length} bytes has the checksum {got:04X} instead of {expected:04X}: \
         bytes were lost or changed on the way"
    )]
    Crc {
        /// The CRC-16/ARC of the bytes from `/` to `!`.
        expected: u16,
        /// The CRC that came.
        got: u16,
        /// Bytes of the data.
        length: usize,
    },
    /// The next readout began before this one had ended, or before its block check had come.
    #[error("a D0 readout broke off after {length} bytes, when the next one began")]
    BrokenOff {
        /// Bytes of the data.
        length: usize,
    },
    /// The data has neither a check nor the empty line of mode D.
    #[error(
        "a D0 readout of {length} bytes has no block check, and no empty line before its data, as \
         a meter has that sends without a check: its first byte was lost, or it is no D0 meter"
    )]
    Unchecked {
        /// Bytes of the data.
        length: usize,
    },
    /// A control character stands in the data.
    #[error("a D0 readout has the control character {got:02x} after {length} bytes: bytes changed")]
    Control {
        /// The character.
        got: u8,
        /// Bytes of the data before it.
        length: usize,
    },
    /// The data is longer than any meter's ([`MAX_DATA`]).
    #[error("a D0 readout is longer than {limit} bytes: is this device a meter that sends D0?")]
    TooLong {
        /// The longest readout taken, in bytes.
        limit: usize,
    },
    /// What stands after the `!` is neither nothing nor a checksum; or, in data without a block
    /// check, something stands before it in its line.
    #[error("line {line} of a D0 readout has something else than a checksum beside its `!`")]
    End {
        /// The line, from 1.
        line: usize,
    },
    /// A parenthesis is missing.
    #[error("line {line} of a D0 readout has a parenthesis without its other half")]
    Parenthesis {
        /// The line, from 1.
        line: usize,
    },
    /// The data between STX and ETX has no `!`.
    #[error("a D0 readout of {length} bytes has no `!` at its end")]
    NoEnd {
        /// Bytes of the data.
        length: usize,
    },
}

impl DecodeError {
    /// True if a check over the bytes failed.
    pub const fn is_checksum(&self) -> bool {
        matches!(self, Self::BlockCheck { .. } | Self::Crc { .. })
    }
}

/// Why a device address cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// More than 32 characters.
    #[error("a device address has at most 32 characters, this one has {got}")]
    TooLong {
        /// Its characters.
        got: usize,
    },
    /// Something else than letters, digits and blanks.
    #[error("a device address has letters of ASCII, digits and blanks only")]
    Character,
}
