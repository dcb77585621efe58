//! The checksums of files and messages.

use crc::{CRC_16_IBM_SDLC, CRC_16_KERMIT, Crc, Table};

static X25: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_SDLC);
static KERMIT: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_KERMIT);

/// How a meter computes its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Checksum {
    /// CRC-16/X.25 (DIN 62056-46), low byte first: what the standard says.
    #[default]
    X25,
    /// CRC-16/KERMIT, high byte first: some meters of Holley.
    Kermit,
}

impl Checksum {
    /// The two bytes that follow these bytes on the wire, read as a big-endian number.
    pub(super) fn of(self, bytes: &[u8]) -> u16 {
        match self {
            Self::X25 => X25.checksum(bytes).swap_bytes(),
            Self::Kermit => KERMIT.checksum(bytes),
        }
    }

    /// Which kind of checksum over the bytes has this value on the wire, if any.
    pub(super) fn recognise(bytes: &[u8], on_wire: u16) -> Option<Self> {
        Kinds::fitting(bytes, on_wire).first()
    }
}

/// The kinds of checksum that a value may be of. For one message in 65,536 both give the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds {
    x25: bool,
    kermit: bool,
}

impl Kinds {
    pub(super) const ALL: Self = Self {
        x25: true,
        kermit: true,
    };

    /// Those whose checksum over the bytes has this value on the wire.
    pub(super) fn fitting(bytes: &[u8], on_wire: u16) -> Self {
        Self {
            x25: Checksum::X25.of(bytes) == on_wire,
            kermit: Checksum::Kermit.of(bytes) == on_wire,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            x25: self.x25 && other.x25,
            kermit: self.kermit && other.kermit,
        }
    }

    /// The standard's if it is among them.
    pub(super) fn first(self) -> Option<Checksum> {
        match self {
            Self { x25: true, .. } => Some(Checksum::X25),
            Self { kermit: true, .. } => Some(Checksum::Kermit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values() {
        // The catalogue of parametrised CRC algorithms: X.25 906e, KERMIT 2189.
        assert_eq!(Checksum::X25.of(b"123456789"), 0x6e90);
        assert_eq!(Checksum::Kermit.of(b"123456789"), 0x2189);
        assert_eq!(
            Checksum::recognise(b"123456789", 0x2189),
            Some(Checksum::Kermit)
        );
        assert_eq!(Checksum::recognise(b"123456789", 0x2188), None);
    }
}
