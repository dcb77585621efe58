//! What can be wrong with bytes that should be SML.

/// Why a file was refused. The bytes around it are not affected: the decoder goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The checksum at the end of the file is wrong: bytes were lost or changed on the way.
    #[error(
        "checksum of an SML file is {got:04x}, its {length} bytes give {expected:04x}: bytes were \
         lost or changed between meter and reader; check the alignment of the optical head"
    )]
    Checksum {
        /// The checksum (X.25) computed over the bytes.
        expected: u16,
        /// The checksum that the file has.
        got: u16,
        /// Bytes of the file.
        length: usize,
    },
    /// A new file began before the one before it had ended.
    #[error("an SML file broke off after {length} bytes, when the next one began")]
    BrokenOff {
        /// Bytes of the file that broke off.
        length: usize,
    },
    /// Four escape bytes are followed by something that is neither escaped data nor an end.
    #[error("unknown escape sequence {got:02x?} in an SML file")]
    Escape {
        /// The four bytes after the escape.
        got: [u8; 4],
    },
    /// The end of the file has a padding that cannot be.
    #[error(
        "end of an SML file tells {padding} padding bytes in {length} bytes, at most 4 and a length that four divides are allowed"
    )]
    Padding {
        /// The number of padding bytes that the end tells.
        padding: u8,
        /// Bytes of the file.
        length: usize,
    },
    /// The file is longer than any meter's.
    #[error("an SML file is longer than {limit} bytes")]
    TooLong {
        /// The largest file taken, in bytes.
        limit: usize,
    },
    /// The file came over intact, but its messages are not what SML allows.
    #[error("message {message} of an SML file: {error}")]
    Message {
        /// Which message of the file, from 1.
        message: usize,
        /// What is wrong with it.
        #[source]
        error: MessageError,
    },
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The bytes end within an element.
    #[error("the bytes end at {offset} within {expected}")]
    Truncated {
        /// What should have stood there.
        expected: &'static str,
        /// Where, in bytes from the beginning of the file.
        offset: usize,
    },
}
