//! Pauses before something lost is tried again.

use std::time::Duration;

/// First pause; it doubles up to [`LONGEST`].
pub(super) const SHORTEST: Duration = Duration::from_millis(250);
/// Longest pause between two attempts.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// The pause after `pause`.
pub(super) fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST)
}
