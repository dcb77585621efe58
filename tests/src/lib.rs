//! Tests over the whole house, and the demonstrator.
//!
//! [`harness`] runs provider, gateways and meters as the real things: processes, pseudo-terminals,
//! certificates, files. [`demo`] plays with them what the README shows; the tests in `tests/` play
//! what may go wrong. [`port`] gives out ports, and [`ratio`] compares times in one run, for the
//! benchmarks.

pub mod demo;
pub mod harness;
pub mod port;
pub mod ratio;
