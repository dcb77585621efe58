//! Sources other than serial ports: programs, vzlogger over HTTP and MQTT, and several at once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod command;
mod input;
mod mqtt;
mod support;
mod vzlogger;
