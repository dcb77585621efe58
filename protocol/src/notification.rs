//! The five notifications of the thesis.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

/// What a frame is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserialize,
)]
#[repr(u8)]
pub enum Notification {
    /// 1: the gateway wants to register in the net, or to come back to it.
    Register = 1,
    /// 2: it shares keys with the neighbours named, and has entered.
    Entered = 2,
    /// 3: it is exiting.
    Exiting = 3,
    /// 4: its local superposition again, without the pads of missing neighbours.
    Resend = 4,
    /// 5: its local superposition.
    Transmit = 5,
}

impl Notification {
    /// The number of the thesis.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// From the number of the thesis, if it is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Register,
            2 => Self::Entered,
            3 => Self::Exiting,
            4 => Self::Resend,
            5 => Self::Transmit,
            _ => return None,
        })
    }
}
