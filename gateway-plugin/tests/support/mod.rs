//! What the tests share. A provider is played by the provider's state machine of the protocol crate
//! behind a small HTTPS server: the real one lives in a crate that this one never sees.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "helpers of tests; each test file uses some of them"
)]

pub mod bench;
pub mod broker;
pub mod browser;
pub mod d0;
pub mod disk;
pub mod log;
pub mod meter;
pub mod modbus;
pub mod net;
pub mod pki;
#[path = "../../../tests/src/port.rs"]
pub mod port;
pub mod probe;
pub mod rng;
pub mod rtu;
pub mod server;
