//! D0, the optical interface of IEC 62056-21 (formerly IEC 1107): text telegrams, and what is
//! said before them.
//!
//! A meter sends an *identification line*, `/EMH5----eHZ-E0018E`, and then *data sets*,
//! `1-0:1.8.0*255(032942.0231*kWh)`, up to a `!`. Many send only when they are asked
//! ([`request`], modes A, B, C and E); others push every second or two (mode D), among them the
//! P1 port of Dutch and Belgian meters (DSMR). [`Decoder`] takes the bytes of all of them in pieces
//! of any size and hands out one [`Telegram`] per readout; [`Identification`] says how to go on
//! after a request.
//!
//! ```
//! use dcnet_obis::{ObisCode, d0};
//!
//! let mut decoder = d0::Decoder::new();
//! let got = decoder.push(b"/EMH5----eHZ\r\n\r\n1-0:1.8.0*255(000285.4*kWh)\r\n!\r\n");
//! let [Ok(telegram)] = &got[..] else { panic!() };
//! let energy = telegram.number(ObisCode::ACTIVE_ENERGY_IMPORT).unwrap();
//! assert_eq!(energy.exact_to(0), Some(285_400)); // Wh
//! ```
//!
//! # What a reading has passed
//!
//! - Data between STX and ETX (modes A, B, C): the block check character after ETX, the XOR of
//!   all bytes after STX up to and with ETX, must be right. STX announces the check, so data that
//!   ends without it is refused as broken off, however complete it looks.
//! - Data of which the last line is `!` and four hexadecimal digits (DSMR): the CRC-16/ARC over
//!   everything from `/` to `!` must be right.
//! - Data without either is taken only if an empty line separates it from the identification
//!   line, as mode D has it and a readout after a request has not: a readout that lost its STX
//!   must not pass for one that never had a check. Nothing but parity protects such data on its
//!   way.
//!
//! All bytes lose bit 7 first: on a port that is set to eight bits it is the parity.
//!
//! # What becomes of the values
//!
//! Each pair of parentheses with a value makes one entry. Numbers are those with a unit that the
//! DLMS table knows, exact, prefixes folded into the exponent (`285.4*kWh` is 2854 × 10² Wh).
//! What has no unit stays text ([`Value::Bytes`]), because ids, dates, firmware versions and
//! status words look the same; where a meter leaves `*kWh` out of its energy registers, the owner
//! has to say so ([`Decoder::energy_in_kilowatt_hours`]). A unit that is unknown stays text
//! together with its value. If a data set has several values, as a largest power with its date has,
//! numbers come first, so that [`Telegram::number`] finds them. Addresses that are no OBIS code,
//! short or long, are left out.
//!
//! The server id is the first of these values that a telegram has: `0.0.9` (the id of DIN 43863-5,
//! unique in the world), `C.1`, which is `96.1.0` (the maker's number), `96.1.1` to `96.1.3` and
//! `96.1.255` (further numbers of the device), at last `0.0.0` (the grid operator's number, which
//! may be given anew). Only channel 0 counts: the others are of other meters, such as the gas meter
//! behind a P1 port. The id is the text as sent.
//!
//! # Bounds
//!
//! A decoder keeps one readout of at most [`MAX_DATA`] bytes and one identification line of at
//! most [`MAX_IDENTIFICATION`].

mod address;
mod blank;
mod data;
mod decoder;
mod error;
mod sign_on;
mod unit;

pub use blank::Blanker;
pub use decoder::Decoder;
pub use error::{DecodeError, RequestError};
pub use sign_on::{Identification, Mode, acknowledge, request};

#[cfg(doc)]
use crate::{Telegram, Value};

/// The longest readout taken, in bytes after the identification line.
///
/// Meters send 100 to 2,000 bytes; with a register for each of the last 15 months about 10,000.
pub const MAX_DATA: usize = 32 * 1024;

/// The longest identification line taken, in bytes. The standard has 21 and a line break; meters
/// send up to 30.
pub const MAX_IDENTIFICATION: usize = 80;

/// Before the data of a checked readout.
const STX: u8 = 0x02;
/// After it; the block check character follows.
const ETX: u8 = 0x03;
/// The first byte of an acknowledgement.
const ACK: u8 = 0x06;
