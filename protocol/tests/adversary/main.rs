//! Gateways against a provider that lies, and a provider against members that lie: each test is a
//! row of `docs/threat-model.md`. Some show what is *not* withstood, so that nobody believes it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: what does not fit is a failure"
)]

mod answers;
mod corrections;
mod edges;
mod evidence;
mod fixture;
#[path = "../vectors/group.rs"]
#[allow(
    dead_code,
    reason = "shared with the test of the vectors, which uses all of it"
)]
mod group;
mod joining;
mod log;
mod log_manifests;
mod log_provider;
mod log_views;
mod manifests;
mod masked_manifests;
#[path = "../simulation/pki.rs"]
mod pki;
mod provider;
#[path = "../simulation/recorder.rs"]
#[allow(dead_code, reason = "shared with the simulation, which judges by it")]
mod recorder;
mod rosters;
mod rounds;
mod secrets;
#[path = "../simulation/store.rs"]
mod store;
#[path = "../simulation/world.rs"]
#[allow(
    dead_code,
    reason = "shared with the simulation, which has all kinds of trouble"
)]
mod street;
#[path = "../view/mod.rs"]
mod view;
mod witnesses;
#[path = "../vectors/world.rs"]
#[allow(
    dead_code,
    reason = "shared with the test of the vectors, which uses other parts"
)]
mod world;

use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::gateway::{Fault, Input, Report};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::round::Round;
use dcnet_protocol::superposition::Reading;

use world::Net;

/// The round that most tests are about.
const ROUND: Round = Round::new(2_000_005);
const EPOCH: u64 = 12;

/// A net of five, joined, with the complete graph in force.
fn running() -> Net {
    let mut net = Net::new();
    net.join(ROUND);
    for client in &net.everybody() {
        let manifest = net.manifest(*client, EPOCH, ROUND);
        net.announce(manifest);
    }
    assert!(faults(&mut net).is_empty());
    net
}

/// Everybody seals a reading of its own for `round`.
fn submit_all(net: &mut Net, round: Round) {
    let now = net.schedule().border(round);
    for (number, client) in net.everybody().iter().enumerate() {
        let reading = Some(reading(number));
        net.give(now, *client, Input::Submit { round, reading });
    }
}

fn reading(number: usize) -> Reading {
    let number = i64::try_from(number).unwrap();
    Reading::new(vec![1000 + number, 20 * number, -number]).unwrap()
}

fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

fn set(names: &[&str]) -> ClientSet {
    names.iter().map(|name| id(name)).collect()
}

/// The reports since the last call that are faults.
fn faults(net: &mut Net) -> Vec<(ClientId, Fault)> {
    let reports = net.reports.drain(..);
    let faults = reports.filter_map(|(client, report)| match report {
        Report::Fault(fault) => Some((client, fault)),
        _ => None,
    });
    faults.collect()
}

fn words(frame: &Frame) -> Vec<u64> {
    match frame.body() {
        FrameBody::Transmit { words, .. }
        | FrameBody::Resend { words, .. }
        | FrameBody::Pads { words, .. } => words.to_stored(),
        _ => panic!("not a frame with words"),
    }
}

/// The frame of `client` among those sent.
fn frame_of(net: &Net, client: ClientId) -> &Frame {
    net.sent
        .iter()
        .find(|frame| frame.header().client == client)
        .unwrap()
}
