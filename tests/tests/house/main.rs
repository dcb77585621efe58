//! Provider, gateways and meters as real processes on real lines, and what may happen to them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod certificates;
mod crashes;
mod demonstrator;
mod meters;
mod replicas;
mod servers;
mod stage;
mod witnesses;
