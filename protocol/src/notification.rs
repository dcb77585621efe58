//! The five notifications of the thesis, and two of the double-mask correction.

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
    /// 6: the sum of its pads towards members outside a roster.
    Pads = 6,
    /// 7: keys of the shares that it holds for the members of a roster.
    Reveal = 7,
}

impl Notification {
    /// Its number: 1 to 5 are those of the thesis.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// From its number, if it is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Register,
            2 => Self::Entered,
            3 => Self::Exiting,
            4 => Self::Resend,
            5 => Self::Transmit,
            6 => Self::Pads,
            7 => Self::Reveal,
            _ => return None,
        })
    }
}
