//! The provider of DC nets: relay between gateways, sums of their superpositions, administration.
//!
//! `cli`, `export` and [`server`] call `service`; only `service` calls `store`. What a provider does is
//! decided by `dcnet_protocol::provider`; this crate gives it a clock, a disk and a network. The
//! HTTP interface is specified in `docs/spec/http-api.md`.

pub mod cli;
mod export;
mod files;
mod monitoring;
pub mod operator;
pub mod pki;
mod plan;
mod reason;
pub mod server;
mod service;
mod store;
pub mod witness;

pub use cli::main_with_args;
pub use files::CreateFileError;
#[doc(hidden)]
pub use service::bench;
pub use store::{Location, PostgresUrl, StoreError};
