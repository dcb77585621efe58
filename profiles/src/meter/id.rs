//! Which meter.

use std::fmt;
use std::str::FromStr;

use crate::text::{self, HexError};

/// Device id of a meter: the server id of SML, 1 to 32 bytes, written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Vec<u8>);

impl DeviceId {
    /// As the telegram carries it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for DeviceId {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl FromStr for DeviceId {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, HexError> {
        let bytes = text::hex(text)?;
        if (1..=32).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(HexError::Length {
                expected: "1 to 32",
                got: bytes.len(),
            })
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({self})")
    }
}
