//! SML (Smart Message Language, BSI TR-03109-1, version 1.04) over transport version 1.

mod error;

pub use error::{DecodeError, MessageError};

use crate::Telegram;

/// Turns the bytes of a meter, in pieces of any size, into telegrams.
#[derive(Debug, Default)]
pub struct Decoder {
    statistics: Statistics,
}

impl Decoder {
    /// A decoder that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes; hands back what they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Result<Telegram, DecodeError>> {
        self.statistics.discarded_bytes += bytes.len() as u64;
        Vec::new()
    }

    /// What the decoder has met so far.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Forgets a telegram of which only a part has come, for instance because the port was
    /// reopened; the statistics stay.
    pub fn reset(&mut self) {}
}

/// Counters of a [`Decoder`], from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Bytes taken.
    pub bytes: u64,
    /// Telegrams handed out.
    pub telegrams: u64,
    /// Files refused because a checksum did not fit.
    pub checksum_errors: u64,
    /// Files refused for another reason.
    pub other_errors: u64,
    /// Bytes outside of files, and those of files that were refused or broken off.
    pub discarded_bytes: u64,
}
