//! Sources other than serial ports: programs, vzlogger over HTTP and MQTT, and several at once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../support/broker.rs"]
#[allow(unreachable_pub, reason = "a module that several test programs share")]
mod broker;
mod command;
mod input;
mod mqtt;
mod support;
mod vzlogger;
