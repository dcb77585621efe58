//! Where readings come from: one file for each way.

pub mod device;
pub mod modbus;
pub mod sml_serial;
pub mod state;

use dcnet_obis::Telegram;
use dcnet_protocol::round::UnixTime;

pub use state::SourceState;

/// What a source tells the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// The meter sent a telegram.
    Telegram {
        /// When its last byte was here, by the gateway's clock: the meter's own is not trusted.
        time: UnixTime,
        /// What it says.
        telegram: Telegram,
    },
    /// The line is in another state than before.
    State(SourceState),
}
