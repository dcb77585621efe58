//! What a decoder has met.

/// Counters of a decoder of telegrams, since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Bytes taken.
    pub bytes: u64,
    /// Telegrams handed out.
    pub telegrams: u64,
    /// Files or readouts refused because a checksum was wrong, theirs or that of a message in them.
    pub checksum_errors: u64,
    /// Files or readouts refused for another reason.
    pub other_errors: u64,
    /// Bytes that belong neither to a telegram nor to one under way: between files, echoes, garbage,
    /// and those of what was damaged or broke off.
    pub discarded_bytes: u64,
    /// SML only: bytes between the escape sequences of files that came over intact but whose messages
    /// were refused.
    pub refused_bytes: u64,
}
