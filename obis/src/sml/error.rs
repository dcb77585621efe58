//! What can be wrong with bytes that should be SML.

#[cfg(doc)]
use super::MAX_FILE;

/// Why a file was refused. The bytes around it are not affected: the decoder goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The checksum at the end of the file is wrong.
    #[error(
        "an SML file of {length} bytes has the checksum {got:04x} instead of {expected:04x}: bytes \
         were lost or changed between meter and reader; check where the optical head sits"
    )]
    Checksum {
        /// The checksum (X.25) computed over the bytes, in the order of the wire.
        expected: u16,
        /// The checksum that the file has, in the order of the wire.
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
    #[error("an SML file has the unknown escape sequence {got:02x?}: bytes were lost or changed")]
    Escape {
        /// The four bytes after the escape.
        got: [u8; 4],
    },
    /// The padding at the end of the file cannot be.
    #[error(
        "an SML file of {length} bytes ends with {padding} padding bytes; at most 4 are allowed, \
         and a length that can be divided by four"
    )]
    Padding {
        /// The number of padding bytes that the end tells.
        padding: u8,
        /// Bytes of the file.
        length: usize,
    },
    /// The file is longer than any meter's ([`MAX_FILE`]).
    #[error("an SML file is longer than {limit} bytes: is this device a meter that sends SML?")]
    TooLong {
        /// The longest file taken, in bytes.
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

impl DecodeError {
    /// True if a checksum was wrong, of the file or of a message in it.
    pub const fn is_checksum(&self) -> bool {
        matches!(
            self,
            Self::Checksum { .. }
                | Self::Message {
                    error: MessageError::Checksum { .. } | MessageError::MixedChecksums,
                    ..
                }
        )
    }
}

/// What is wrong with a message; offsets count bytes from the beginning of the file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// An element claims more bytes than there are.
    #[error("at byte {offset}, {expected} does not fit into what is left of the file")]
    Truncated {
        /// What should have stood there.
        expected: &'static str,
        /// Where it begins.
        offset: usize,
    },
    /// An element has another type or size than the standard gives it.
    #[error("at byte {offset}, expected {expected}, got an element that begins with {got:02x}")]
    Type {
        /// What should have stood there.
        expected: &'static str,
        /// The element's first byte.
        got: u8,
        /// Where it begins.
        offset: usize,
    },
    /// A list has another number of elements than the standard gives it.
    #[error("before byte {offset}, {what} has {got} elements instead of {expected}")]
    Length {
        /// Which list.
        what: &'static str,
        /// The number of elements that it should have.
        expected: usize,
        /// The number of elements that it has.
        got: usize,
        /// Where its first element begins.
        offset: usize,
    },
    /// A type-length field that the standard does not define or that no file can hold.
    #[error("at byte {offset}, the type and length field with {got:02x} has no meaning")]
    Reserved {
        /// The byte without a meaning.
        got: u8,
        /// Where the field begins.
        offset: usize,
    },
    /// A choice has none of the values that the standard gives it.
    #[error("at byte {offset}, {what} has the unknown kind {got}")]
    Choice {
        /// Which choice.
        what: &'static str,
        /// Its value.
        got: u64,
        /// Where it stands.
        offset: usize,
    },
    /// Lists nest deeper than any message's.
    #[error("at byte {offset}, lists nest deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where the list that is one too many begins.
        offset: usize,
    },
    /// The message's own checksum is wrong.
    #[error("the message has the checksum {got:04x} instead of {expected:04x}")]
    Checksum {
        /// The checksum (X.25) computed over the bytes, in the order of the wire.
        expected: u16,
        /// The checksum that the message has, in the order of the wire.
        got: u16,
    },
    /// The messages of one file have checksums of different kinds, so one of them fits by chance.
    #[error("its checksum is of another kind than those of the messages before it")]
    MixedChecksums,
    /// The message does not end with a zero byte.
    #[error("the message ends with {got:02x} instead of 00")]
    End {
        /// The byte in its place.
        got: u8,
    },
}
