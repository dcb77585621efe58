//! SML, the Smart Message Language of German meters: decoding and encoding.
//!
//! Sources: BSI TR-03109-1 annex IV b (SML 1.04: messages, TLV encoding, transport version 1)
//! and what meters really send. A meter pushes one *file* every one to four seconds: an escape
//! sequence, a few messages (open, list of values, close), a checksum. [`Decoder`] takes the
//! bytes in pieces of any size and hands out one [`Telegram`] per list of values:
//!
//! ```
//! use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit, sml};
//!
//! let sent = Telegram {
//!     server_id: b"\x0a\x01XYZ\x00\x00\x00\x00\x01".to_vec(),
//!     sensor_time: None,
//!     entries: vec![Entry::number(
//!         ObisCode::ACTIVE_ENERGY_IMPORT,
//!         ScaledInteger::new(172_436_756, -1),
//!         Unit::WATT_HOUR,
//!     )],
//! };
//! let bytes = sml::encode::file(&sent)?;
//!
//! let mut decoder = sml::Decoder::new();
//! assert!(decoder.push(b"the end of an earlier file").is_empty());
//! let (first, second) = bytes.split_at(50);
//! assert!(decoder.push(first).is_empty());
//! let got = decoder.push(second);
//! assert_eq!(got, [Ok(sent)]);
//! # Ok::<(), sml::encode::EncodeError>(())
//! ```
//!
//! # What a reading has passed
//!
//! A telegram is handed out only if the checksum of its file and those of all messages in it are
//! right and the messages have exactly the form of the standard. Two checksums over the same
//! bytes, with different ends, are what lets the decoder accept a second kind of checksum (some
//! meters compute CRC-16/KERMIT) without weakening the first: all messages of a file must agree
//! on the kind.
//!
//! # Bounds
//!
//! Whatever comes in, a decoder keeps less than 80 KiB: one file as it came, one without its
//! escape bytes, the buffer of sml-rs. No memory is reserved for lengths that the bytes only claim,
//! lists nest at most [`MAX_DEPTH`] deep, and the work per byte is bounded. A telegram that is
//! handed out has at most a fourteenth as many entries as its file has bytes.
//!
//! # Layers
//!
//! Framing is that of sml-rs, which is fed from the first start sequence on only (its own search
//! for a start overflows a 16-bit counter on long garbage, and misses a start after a stray
//! escape byte). Files that it refuses because of a KERMIT checksum or four padding bytes get a
//! second look of our own. Messages are read by our own parser: that of sml-rs trusts lengths
//! from the wire.

mod blank;
mod catalog;
mod checksum;
mod decoder;
pub mod encode;
mod error;
mod frame;
mod message;
mod quirk;
mod tlv;

pub use blank::Blanker;
pub use catalog::{Catalog, CatalogError, CatalogProblem, MAX_RULES};
pub use checksum::Checksum;
pub use decoder::Decoder;
pub use error::{DecodeError, MessageError};

#[cfg(doc)]
use crate::Telegram;

/// The longest file taken, in bytes between the transport's escape sequences.
///
/// Meters send 200 to 1,000 bytes; a list with all the values that a meter has stays below 4,000.
pub const MAX_FILE: usize = 8192;

/// How deep lists may nest within a message; the deepest in a list of values is 4.
pub const MAX_DEPTH: usize = 16;

/// Four of these announce that the next four bytes are not data.
const ESCAPE: u8 = 0x1b;

/// The first bytes of a file in transport version 1.
const START: [u8; 8] = [ESCAPE, ESCAPE, ESCAPE, ESCAPE, 1, 1, 1, 1];

/// The first byte after the escape sequence that ends a file.
const END: u8 = 0x1a;
