//! What is read, and how: every kind of source, each at a line or connection of its own, and the commands
//! `read`, `record` and `probe`.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../support/mod.rs"]
mod support;

mod d0;
mod modbus;
mod modbus_bus;
mod modbus_peers;
mod modbus_templates;
mod probe;
mod probe_modbus;
mod read;
mod record;
mod serial;
mod sources;
