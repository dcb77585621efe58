//! Daemon on the metering gateway: reads meters, masks readings, submits superpositions.
//!
//! `source` → evaluation (`dcnet-profiles`) → [`ledger`] → [`submit`], held together by [`daemon`];
//! `home` shows the household what its meters say and what the daemon does.
//! The protocol itself is the state machine of `dcnet-protocol`; nothing here decides what is safe
//! to send, it only sees to it that what must be remembered is on the disk first.

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
mod hex;
mod home;
pub mod ledger;
mod log;
mod logbook;
mod mqtt;
pub mod recording;
pub mod retry;
pub mod source;
pub mod submit;
pub mod tariffs;
#[cfg(test)]
mod testing;

pub use cli::{EXIT_CONFIG, main_with_args};
