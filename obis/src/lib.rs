//! OBIS codes, units, scaled integers; SML telegrams to readings.

mod code;
mod device;
mod scaled;
pub mod sml;
mod telegram;
mod unit;

pub use code::{ObisCode, ParseObisError};
pub use device::{Device, Maker};
pub use scaled::ScaledInteger;
pub use telegram::{Entry, MeterTime, Telegram, Value};
pub use unit::{ParseUnitError, Unit};
