//! From the bytes of a meter to readings: OBIS codes, units, exact decimals, SML, D0.
//!
//! The leaf of the house on the meter's side. It takes bytes and gives values; it opens no files
//! or devices, asks no clock and draws no randomness, so everything in it can be tested with
//! plain data.
//!
//! - [`ObisCode`]: what a reading is about, `1-0:1.8.0*255` or short `1.8.0`; its name for people
//!   in a [`Language`].
//! - [`Unit`]: in what it is measured, by DLMS code.
//! - [`ScaledInteger`]: how much, exactly as the meter sent it. Energy is never a float.
//! - [`Telegram`]: a list of such values with the meter's id; [`Device`] reads the id.
//! - [`StatusWord`]: what a meter or a gateway says about its own state.
//! - [`sml`]: a push decoder for SML that survives what optical heads deliver, and an encoder for
//!   simulated meters.
//! - [`d0`]: a push decoder for the text telegrams of IEC 62056-21 and P1 ports, and what is said
//!   before them.
//! - [`mod@line`]: readings as lines of text, as `sml_server` of libsml prints them.
//!
//! ```
//! use dcnet_obis::{ObisCode, sml};
//!
//! # fn serial_port() -> Vec<Vec<u8>> { vec![] }
//! let mut decoder = sml::Decoder::new();
//! for piece in serial_port() {
//!     for result in decoder.push(&piece) {
//!         match result {
//!             Ok(telegram) => {
//!                 // Whole watt-hours, or nothing: a missing reading is not 0.
//!                 let import = telegram
//!                     .number(ObisCode::ACTIVE_ENERGY_IMPORT)
//!                     .and_then(|energy| energy.floor_to(0));
//!                 println!("{:?}: {import:?} Wh", telegram.device());
//!             }
//!             Err(error) => eprintln!("{error}"),
//!         }
//!     }
//! }
//! ```
//!
//! Meters deviate from the standard in ways that would give wrong readings. What is known of
//! that stands as data in a catalogue ([`sml::Catalog`]), which an owner can extend; a telegram has
//! the values that its meter meant, not those that it wrote.

mod blank;
mod code;
pub mod d0;
mod decimal;
mod device;
pub mod line;
mod name;
mod scaled;
pub mod sml;
mod statistics;
mod status;
mod telegram;
mod unit;

pub use code::{ObisCode, ParseObisError};
pub use decimal::ParseDecimalError;
pub use device::{Device, Maker};
pub use name::Language;
pub use scaled::ScaledInteger;
pub use statistics::Statistics;
pub use status::{PtbLevel, StatusBit, StatusKind, StatusWord};
pub use telegram::{Entry, MeterTime, Telegram, Value};
pub use unit::{ParseUnitError, Unit};
