//! Membership: who is in a net, in which state, and on whose word.

pub mod checkpoint;
pub mod edge;
pub mod entry;
pub mod epoch_head;
pub mod log;
pub mod proof;
pub mod witness;

use std::fmt;

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

/// Where a member stands, as the provider keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum MemberStatus {
    /// Sent notification 1; has named no neighbours.
    Registered = 1,
    /// Sent notification 2; waits for the next manifest.
    Entered = 2,
    /// In the manifest in force.
    Active = 3,
    /// Missed a round. Its edges are kept for when it comes back.
    Suspended = 4,
    /// Sent notification 3; stays active until its neighbours have bridged the gap.
    Exiting = 5,
    /// Has left.
    Exited = 6,
}

impl MemberStatus {
    /// Lower-case word for tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Entered => "entered",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Exiting => "exiting",
            Self::Exited => "exited",
        }
    }
}

impl fmt::Display for MemberStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
