//! The ledger, and what depends on it, on storage that fails. Nothing waits here, everything counts.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod ledger;
