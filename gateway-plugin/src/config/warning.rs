//! What is allowed, but deserves a second thought.

use std::net::SocketAddr;
use std::path::PathBuf;

use dcnet_profiles::communication::DEFAULT_MIN_SIZE;

/// What is allowed, but deserves a second thought.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// What `probe` wrote was not completed.
    #[error(
        "{key} is still the placeholder that probe wrote: no net is reached until its operator's \
         stands there"
    )]
    Placeholder {
        /// Which.
        key: &'static str,
    },
    /// `accept.min_size` below the default.
    #[error(
        "communication.accept.min_size is {min_size}: in sums of fewer than {DEFAULT_MIN_SIZE} \
         households single ones can be made out. This is for test benches"
    )]
    SmallSums {
        /// As configured.
        min_size: u32,
    },
    /// `accept.allow_resend` is on.
    #[error(
        "communication.accept.allow_resend is on: a provider that does not follow the protocol \
         can learn this household's readings. This is for test benches"
    )]
    Resend,
    /// `accept.cosignatures` is not more than half of `accept.witnesses`.
    #[error(
        "communication.accept.cosignatures is {needed} of {witnesses} witnesses: with half of them or \
         fewer, a provider can show two logs and have each cosigned by honest witnesses"
    )]
    FewCosignatures {
        /// Demanded.
        needed: usize,
        /// Listed.
        witnesses: usize,
    },
    /// The page is shown to whoever uses this machine.
    #[error(
        "home.page has neither password_file nor clients: every user of this machine can see the \
         readings at {listen}"
    )]
    OpenPage {
        /// Where it is shown.
        listen: SocketAddr,
    },
    /// Nothing is plugged in.
    #[error(
        "meter {meter}: {kind}.device: {} is not there now; it will be waited for",
        device.display()
    )]
    NoDevice {
        /// Name of the meter.
        meter: String,
        /// Kind of the source.
        kind: &'static str,
        /// As configured.
        device: PathBuf,
    },
    /// A name that changes with the order of plugging in.
    #[error(
        "meter {meter}: {kind}.device: {} may be another device after the next start{}",
        device.display(),
        stable.as_ref().map_or_else(
            || "; use its name below /dev/serial/by-id/".to_owned(),
            |stable| format!("; use {}", stable.display()),
        )
    )]
    ChangingName {
        /// Name of the meter.
        meter: String,
        /// Kind of the source.
        kind: &'static str,
        /// As configured.
        device: PathBuf,
        /// A name that stays.
        stable: Option<PathBuf>,
    },
}
