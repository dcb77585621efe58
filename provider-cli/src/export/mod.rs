//! Sums for other programs: one shape, several formats, and sinks that are kept up to date.
//!
//! What is exported is a [`Value`]: one slot of one round that is over. Formats write values
//! ([`Format`], [`openmetrics`], [`parquet`], [`mscons`]); sinks bring them somewhere, and a cursor
//! says how far each one is ([`run`]). `docs/exports.md` is what users are told.

mod config;
mod cursor;
mod error;
mod format;
pub(crate) mod mscons;
pub(crate) mod openmetrics;
pub(crate) mod parquet;
mod pieces;
mod reading;
mod run;
mod secret;
mod sink;
mod status;
mod value;

pub(crate) use config::Config;
pub(crate) use error::ExportError;
pub(crate) use format::{Format, influx_lines};
pub(crate) use pieces::{FileFormat, PieceError, Pieces};
pub(crate) use reading::{Range, Reading};
pub(crate) use run::{Exports, Until};
pub(crate) use status::{Position, positions};
pub(crate) use value::{Line, Value, values};

/// Rounds that are read at a time: what is in memory of a year is one such page.
pub(crate) const PAGE: u32 = 256;
