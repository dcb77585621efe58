//! Checks every vector in `docs/spec/vectors` against this crate.
//!
//! The vectors come from a Python reference that was written from the specification and shares no
//! code with this crate. A group file that no test here reads is an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a vector that does not fit is a failure"
)]

mod derivations;
mod fields;
mod formats;
mod group;
mod log;
mod masks;
mod merkle;
mod net;
mod proofs;
mod provider;
mod statements;
mod sums;
mod unmasking;
mod witnesses;
mod world;

use std::collections::BTreeSet;

/// The groups that the tests in here read, by name.
const CHECKED: &[&str] = &[
    "certificates",
    "client-lists",
    "corrected-superpositions",
    "corrections",
    "descriptor",
    "edge-keys",
    "edge-sets",
    "envelopes",
    "evidence",
    "exits",
    "frames",
    "inbox",
    "key-packages",
    "log",
    "manifests",
    "masked-superpositions",
    "member-lists",
    "merkle",
    "names",
    "neighbourhoods",
    "pads",
    "receipts",
    "rosters",
    "schedule",
    "self-masks",
    "superpositions",
    "thresholds",
    "tunnel",
    "witnesses",
];

#[test]
fn every_group_is_read() {
    let files: BTreeSet<String> = std::fs::read_dir(group::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let checked: BTreeSet<String> = CHECKED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(files, checked);
}

#[test]
fn about_half_of_the_vectors_are_refused() {
    let (mut accepted, mut refused) = (0, 0);
    for name in CHECKED {
        for vector in group::load(name) {
            *(if vector.accepted {
                &mut accepted
            } else {
                &mut refused
            }) += 1;
        }
    }
    assert!(
        accepted > 150 && refused > 150,
        "{accepted} accepted, {refused} refused"
    );
}
