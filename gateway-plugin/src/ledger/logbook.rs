//! The logbooks of TR-03109-1 and for how long they are kept.

use dcnet_protocol::round::UnixTime;
use tls_codec::{
    Deserialize as _, Serialize as _, TlsByteVecU8, TlsByteVecU16, TlsDeserialize, TlsSerialize,
    TlsSize,
};

/// A logbook of lines. The third, the consumer's, is made of what leaves the house
/// ([`Dispatch`](super::Dispatch)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Book {
    /// What the daemon did and what failed.
    System = 1,
    /// What bears on whether values are right: clock, meter, tariffs, bounds, the program's version.
    Calibration = 2,
}

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum Gravity {
    /// It went as it should.
    Info = 1,
    /// Somebody should look at it.
    Warning = 2,
    /// Something does not work.
    Error = 3,
}

impl Gravity {
    /// A word that stays.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A line of a logbook. Holds no reading, no key and no pad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was written.
    pub time: UnixTime,
    /// How grave it is.
    pub gravity: Gravity,
    /// Stable name of what happened.
    pub event: String,
    /// The same in words.
    pub text: String,
}

/// Longest text of a line in bytes; more is cut off.
const MAX_TEXT: usize = 1_000;

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct Stored {
    time: u64,
    gravity: Gravity,
    event: TlsByteVecU8,
    text: TlsByteVecU16,
}

impl Line {
    pub(super) fn encode(&self) -> Vec<u8> {
        let event = self.event.get(..self.event.floor_char_boundary(64));
        let text = self.text.get(..self.text.floor_char_boundary(MAX_TEXT));
        let stored = Stored {
            time: self.time.millis(),
            gravity: self.gravity,
            event: event.unwrap_or_default().as_bytes().into(),
            text: text.unwrap_or_default().as_bytes().into(),
        };
        stored.tls_serialize_detached().unwrap_or_default()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let stored = Stored::tls_deserialize_exact(bytes).ok()?;
        Some(Self {
            time: UnixTime::from_millis(stored.time),
            gravity: stored.gravity,
            event: String::from_utf8(stored.event.into_vec()).ok()?,
            text: String::from_utf8(stored.text.into_vec()).ok()?,
        })
    }
}

/// Most lines of a logbook, whatever its age: about 4 MB.
pub(super) const MAX_LINES: u64 = 20_000;
/// Most messages that are kept byte for byte: of 3 kB each the file has about 150 MB.
pub(super) const MAX_DISPATCHES: u64 = 20_000;
