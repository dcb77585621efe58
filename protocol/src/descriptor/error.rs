//! Rules that a descriptor may break.

use super::{MAX_REGION, MAX_SLOTS, MIN_DEGREE, MIN_SIZE_FLOOR};
use crate::codec::DecodeError;
use crate::self_mask::{MAX_HOLDERS, MIN_THRESHOLD};

/// Which rule a descriptor breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Not the encoding of one.
    #[error("the net descriptor cannot be read: {0}")]
    Encoding(#[from] DecodeError),
    /// Another version.
    #[error("the net descriptor has version {got}, this software knows version 1")]
    Version {
        /// Version found.
        got: u8,
    },
    /// Not UTF-8 or too long.
    #[error("the region is text of at most {MAX_REGION} bytes, this one has {got}")]
    Region {
        /// Length found in bytes.
        got: usize,
    },
    /// Windows do not fit.
    #[error(
        "submission and correction window ({windows} s together) must be shorter than the interval \
         ({interval} s), so that gateways hear of a new manifest in the rest; and the submission \
         window must not be 0"
    )]
    Windows {
        /// Interval in seconds.
        interval: u32,
        /// Sum of the windows in seconds.
        windows: u64,
    },
    /// None or too many.
    #[error("a net has 1 to {MAX_SLOTS} slots, this one has {got}")]
    Slots {
        /// Number found.
        got: usize,
    },
    /// The same OBIS code twice.
    #[error("slot {} repeats the OBIS code of an earlier slot", index + 1)]
    SlotTwice {
        /// Index from 0.
        index: usize,
    },
    /// Too small for the minimum degree.
    #[error("the minimum size is {got}, it must be at least {MIN_SIZE_FLOOR}")]
    MinSize {
        /// Value found.
        got: u32,
    },
    /// Below the minimum degree.
    #[error("each member draws {got} neighbours, it must be at least {MIN_DEGREE}")]
    OutDegree {
        /// Value found.
        got: u16,
    },
    /// More shares than holders.
    #[error("the threshold {t} is above the number of neighbours drawn, {k}")]
    Threshold {
        /// Threshold.
        t: u16,
        /// Out-degree.
        k: u16,
    },
    /// More holders than shares can be dealt to.
    #[error("a member of a double-mask net draws at most {MAX_HOLDERS} neighbours, not {got}")]
    Holders {
        /// Value found.
        got: u16,
    },
    /// Two sets of holders could recover a mask.
    #[error(
        "the threshold {t} of a double-mask net must be at least {MIN_THRESHOLD} and more than half of the {k} neighbours drawn"
    )]
    ThresholdTooLow {
        /// Threshold.
        t: u16,
        /// Out-degree.
        k: u16,
    },
    /// A loss of everything.
    #[error("the loss is {got} thousandths, it must be below 1000")]
    MaxLoss {
        /// Value found.
        got: u16,
    },
    /// Zero rounds.
    #[error("an epoch has at least one round")]
    EpochLength,
    /// Not a key.
    #[error("the provider key is no compressed point of P-256")]
    ProviderKey,
}
