//! The household with its provider: the daemon as a process of its own, over real HTTPS, with a meter
//! behind a real pseudo-terminal; its page, its commands, and what it tells others.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod clock;
mod daemon;
mod double_mask;
mod home;
mod manager;
mod membership;
mod page;
mod tariffs;
mod turned_away;
