//! The view checker: does it see the leaks that are there, and none where there are none?
//!
//! It is also where the double-mask mode is attacked on paper: a provider that shows each member
//! another chain of rosters, against members that follow the rules of the spec and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "view_checker/attacks.rs"]
mod attacks;
#[path = "view_checker/liar.rs"]
mod liar;
#[path = "view_checker/net.rs"]
mod net;
#[path = "view_checker/oracle.rs"]
mod oracle;
#[path = "view_checker/rounds.rs"]
mod rounds;
#[path = "view/mod.rs"]
mod view;

use std::collections::BTreeSet;

use dcnet_protocol::names::ClientId;

/// The epoch of nearly everything.
const EPOCH: u64 = 7;

fn id(number: usize) -> ClientId {
    format!("m{number:04}").parse().unwrap()
}

fn ids(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<ClientId> {
    numbers.into_iter().map(id).collect()
}
