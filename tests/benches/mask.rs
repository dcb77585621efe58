//! Masking one frame with 62 neighbours and 3 slots, against raw ChaCha20 keystream of the same
//! number of blocks in the same run.
//!
//! Every neighbour's pad is a block of its own under a key of its own, so the nearest raw work is
//! 62 blocks under 62 keys. Libraries are fastest at consecutive blocks of one key, which they
//! compute several at a time: that is printed as well. The target is at most 1.5 times either.
//!
//! `cargo bench -p dcnet-tests --bench mask`

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

use std::hint::black_box;
use std::process::ExitCode;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::frame::{ClearFrame, FrameBody};
use dcnet_protocol::key_agreement::{
    AgreementKey, EdgeKey, EdgePlace, EphemeralKey, KeyPackage, Party,
};
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::merkle::MerkleRoot;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::superposition::Reading;
use dcnet_tests::ratio::{decimal, hundredths, in_turns};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// The gateway whose frame is masked.
const OWN: &str = "gw-b";
const NEIGHBOURS: usize = 62;
const SLOTS: usize = 3;
/// Bytes of a block.
const BLOCK: usize = 64;
/// Frames in one measurement: long enough for the clock, short enough to take turns often.
const FRAMES: u64 = 200;
const TURNS: usize = 300;
/// Hundredths.
const TARGET: u128 = 150;

fn main() -> ExitCode {
    let edges = edges();
    let keys: Vec<[u8; 32]> = edges.iter().map(EdgeKey::expose_for_vectors).collect();
    check(&edges, &keys);
    let names = [
        "masking a frame",
        "masking and encoding a frame",
        "62 blocks, 62 keys, crate chacha20",
        "62 blocks, 62 keys, crate rand_chacha",
        "62 blocks, 1 key, crate chacha20",
        "62 blocks, 1 key, crate rand_chacha",
    ];
    let times = in_turns(
        TURNS,
        [
            &mut || (0..FRAMES).for_each(|round| drop(black_box(mask(&edges, round)))),
            &mut || {
                (0..FRAMES).for_each(|round| {
                    black_box(mask(&edges, round).encode());
                });
            },
            &mut || (0..FRAMES).for_each(|round| raw(&keys, round)),
            &mut || (0..FRAMES).for_each(|round| raw_rng(&keys, round)),
            &mut || (0..FRAMES).for_each(|round| consecutive(&keys, round)),
            &mut || (0..FRAMES).for_each(|round| consecutive_rng(&keys, round)),
        ],
    );
    let [ours, ..] = times;
    println!("{:<40} {:>10} {:>16}", "", "ns", "masking takes");
    for (name, time) in names.iter().zip(times) {
        let nanos = time.as_nanos() / u128::from(FRAMES);
        let ratio = decimal(hundredths(ours, time));
        println!("{name:<40} {nanos:>10} {ratio:>14} x");
    }
    let [_, _, many, many_rng, one, one_rng] = times;
    let fastest = hundredths(ours, many.min(many_rng));
    println!(
        "\nagainst the faster crate: {} x of 62 blocks under 62 keys, {} x of 62 consecutive blocks; \
         the target is {} x",
        decimal(fastest),
        decimal(hundredths(ours, one.min(one_rng))),
        decimal(TARGET),
    );
    if fastest <= TARGET {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a gateway does with a reading once it has its edge keys.
fn mask(edges: &[EdgeKey], round: u64) -> dcnet_protocol::frame::Frame {
    let reading = Reading::new(vec![3_121, 0, -1_530]).unwrap();
    ClearFrame::new(
        "demo".parse().unwrap(),
        DescriptorHash::from_bytes([7; 32]),
        OWN.parse().unwrap(),
        Epoch::new(1),
        Round::new(round),
        Some(reading),
    )
    .mask_under(edges, SLOTS)
    .unwrap()
    .into_frame()
}

fn nonce(round: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce
        .iter_mut()
        .skip(4)
        .zip(round.to_le_bytes())
        .for_each(|(to, from)| *to = from);
    nonce
}

/// A block for each key.
fn raw(keys: &[[u8; 32]], round: u64) {
    for key in keys {
        let mut block = [0; BLOCK];
        ChaCha20::new(key.into(), &nonce(round).into()).apply_keystream(&mut block);
        black_box(block);
    }
}

fn raw_rng(keys: &[[u8; 32]], round: u64) {
    for key in keys {
        let mut block = [0; BLOCK];
        let mut stream = ChaCha20Rng::from_seed(*key);
        stream.set_stream(round);
        stream.fill_bytes(&mut block);
        black_box(block);
    }
}

/// As many blocks of the first key.
fn consecutive(keys: &[[u8; 32]], round: u64) {
    let mut blocks = [0; NEIGHBOURS * BLOCK];
    for key in keys.iter().take(1) {
        ChaCha20::new(key.into(), &nonce(round).into()).apply_keystream(&mut blocks);
    }
    black_box(blocks);
}

fn consecutive_rng(keys: &[[u8; 32]], round: u64) {
    let mut blocks = [0; NEIGHBOURS * BLOCK];
    for key in keys.iter().take(1) {
        let mut stream = ChaCha20Rng::from_seed(*key);
        stream.set_stream(round);
        stream.fill_bytes(&mut blocks);
    }
    black_box(blocks);
}

/// The same work is measured: the pads of the frame are words of the raw blocks.
fn check(edges: &[EdgeKey], keys: &[[u8; 32]]) {
    let round = 5;
    let own: ClientId = OWN.parse().unwrap();
    let mut sum = [3_121, 0, -1_530_i64].map(i64::cast_unsigned);
    for (edge, key) in edges.iter().zip(keys) {
        let mut block = [0; SLOTS * 8];
        ChaCha20::new(key.into(), &nonce(round).into()).apply_keystream(&mut block);
        let (pads, _) = block.as_chunks::<8>();
        for (word, pad) in sum.iter_mut().zip(pads) {
            let pad = u64::from_le_bytes(*pad);
            *word = if own < edge.peer() {
                word.wrapping_add(pad)
            } else {
                word.wrapping_sub(pad)
            };
        }
    }
    let frame = mask(edges, round);
    let FrameBody::Transmit { words, .. } = frame.body() else {
        unreachable!("a masked reading is transmitted");
    };
    assert_eq!(words.to_stored(), sum, "not the same keystream");
}

/// One gateway's keys with its neighbours, half of which come before it by name.
fn edges() -> Vec<EdgeKey> {
    let mut random = ChaCha20Rng::from_seed([1; 32]);
    let mut party = |name: String| {
        let key = AgreementKey::generate(&mut random);
        let package = KeyPackage {
            net: "demo".parse().unwrap(),
            descriptor: DescriptorHash::from_bytes([7; 32]),
            client: name.parse().unwrap(),
            serial: 1,
            public_key: key.public_key(),
        };
        (key, Party::from(&package))
    };
    let (key, own) = party(OWN.to_owned());
    (0..NEIGHBOURS)
        .map(|number| {
            let side = if number % 2 == 0 { 'a' } else { 'c' };
            let (_, peer) = party(format!("gw-{side}{number}"));
            let pair = key.agree(&own, &peer).unwrap();
            let ephemeral = EphemeralKey::from_bytes(1, [8; 32]);
            let theirs = EphemeralKey::from_bytes(1, [9; 32]).public();
            let hash = DescriptorHash::from_bytes([7; 32]);
            let (_, mut chain) = pair.chain(&hash, ephemeral, &theirs).unwrap();
            let head = EpochHead {
                epoch: Epoch::new(1),
                first_round: Round::new(1),
                members: 10_000,
                member_root: MerkleRoot::empty(),
            };
            let place = EdgePlace::new(head, (own.client, 1), (peer.client, 2));
            let secret = chain.pass(&place).unwrap();
            secret.edge_key(own.client, peer.client)
        })
        .collect()
}
