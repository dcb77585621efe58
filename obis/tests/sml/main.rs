//! The SML decoder and encoder against recordings of real meters, against the parser of sml-rs
//! and against damage.
//!
//! The recordings are not part of the project: the tests that need them take the folder from the
//! environment variable `DCNET_SHARED` and skip without it. The same tests also run over
//! generated files, with every deviation that the encoder can write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and its helpers are a part of it"
)]

mod blank;
mod catalog;
mod damage;
mod doubles;
mod hostile;
mod lines;
mod oracle;
mod pieces;
mod quirks;
mod recordings;
mod round_trip;
mod statuses;
mod support;
