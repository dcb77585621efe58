//! What operators can ask a server for, over TLS with their certificates: who gets what, that it is what
//! the command line prints, and that the published description is true.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod lists;
mod orders;
mod oversight;
mod roles;
mod trail;
mod world;

pub(crate) use common::{Lab, on_both};
