//! What a round costs one gateway: real keys with real neighbours.

use std::hint::black_box;
use std::time::Duration;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::frame::{ClearFrame, Frame, FrameBody, FrameHeader};
use dcnet_protocol::key_agreement::{
    AgreementKey, EdgeKey, EdgePlace, EphemeralKey, EpochSecret, KeyPackage, Party, ShareSecret,
};
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::merkle::MerkleRoot;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::roster::RosterHash;
use dcnet_protocol::round::Round;
use dcnet_protocol::self_mask::{DealtMask, Place, ShareKey};
use dcnet_protocol::superposition::Reading;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::net::{EPOCH, Plan, ROUND, SLOTS};
use crate::ratio::in_turns;

const DESCRIPTOR: DescriptorHash = DescriptorHash::from_bytes([7; 32]);
const THRESHOLD: usize = 44;
/// Drawn by this gateway, and drawers of it.
const HOLDERS: usize = 62;
const TURNS: usize = 200;
/// Frames in one turn.
const FRAMES: u64 = 10;

struct Gateway {
    client: ClientId,
    edges: Vec<EdgeKey>,
    dealt: Vec<ShareSecret>,
    held: Vec<ShareSecret>,
}

/// Prints the processor time of one gateway in one round, derived keys at hand.
pub(crate) fn measure() {
    let gateway = Gateway::new();
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let lost = gateway.edges.len() / 5;
    let kept = gateway.held.len() * 4 / 5;
    let rounds = || (0..FRAMES).map(Round::new);
    let [sealing, dealing, pads, reveal] = in_turns(
        TURNS,
        [
            &mut || {
                let mut rng = ChaCha20Rng::seed_from_u64(9);
                rounds().for_each(|round| drop(black_box(gateway.seal(round, &mut rng))));
            },
            &mut || {
                rounds().for_each(|round| drop(black_box(gateway.deal(round, &mut rng))));
            },
            &mut || rounds().for_each(|round| drop(black_box(gateway.pads(round, lost)))),
            &mut || rounds().for_each(|round| drop(black_box(gateway.reveal(round, kept)))),
        ],
    );
    let micros = |time: Duration| (time / u32::try_from(FRAMES).unwrap()).as_micros();
    println!(
        "a gateway with 62 holders and 62 dealers, best of {TURNS} turns, keys of the epoch at hand:"
    );
    println!(
        "sealing a frame {} us (of these dealing the self-mask {} us), pads towards {lost} lost {} us, \
         {kept} share keys {} us",
        micros(sealing),
        micros(dealing),
        micros(pads),
        micros(reveal)
    );
}

/// Bytes of a frame of a net like this. All holders are active, so all frames are of one size.
pub(crate) fn frame_size(plan: &Plan) -> usize {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let gateway = Gateway::new();
    let place = gateway.place(ROUND);
    let keys = vec![ShareKey::from_bytes([1; 16]); plan.holders];
    let mask = DealtMask::deal(&place, SLOTS, plan.threshold, &keys, &mut rng).unwrap();
    gateway
        .clear(ROUND)
        .double_mask_under(&gateway.edges, SLOTS, mask)
        .unwrap()
        .into_frame()
        .encode()
        .len()
}

impl Gateway {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let mut party = |name: String| {
            let key = AgreementKey::generate(&mut rng);
            let package = KeyPackage {
                net: "street-1".parse().unwrap(),
                descriptor: DESCRIPTOR,
                client: name.parse().unwrap(),
                serial: 1,
                public_key: key.public_key(),
            };
            (key, Party::from(&package))
        };
        let (key, own) = party("gw-005000".to_owned());
        let peers: Vec<Party> = (0..2 * HOLDERS)
            .map(|number| party(format!("gw-{:06}", number * 81)).1)
            .collect();
        let of_epoch = EpochHead {
            epoch: EPOCH,
            first_round: ROUND,
            members: 10_000,
            member_root: MerkleRoot::empty(),
        };
        let secrets: Vec<(ClientId, EpochSecret)> = peers
            .iter()
            .map(|peer| {
                let pair = key.agree(&own, peer).unwrap();
                let ephemeral = EphemeralKey::generate(1, &mut rng);
                let theirs = EphemeralKey::generate(1, &mut rng).public();
                let (_, mut chain) = pair.chain(&DESCRIPTOR, ephemeral, &theirs).unwrap();
                let place = EdgePlace::new(of_epoch, (own.client, 5_000), (peer.client, 1));
                (peer.client, chain.pass(&place).unwrap())
            })
            .collect();
        let edges = secrets
            .iter()
            .map(|(peer, secret)| secret.edge_key(own.client, *peer));
        let (drawn, drawers) = secrets.split_at(HOLDERS);
        let dealt = drawn
            .iter()
            .map(|(peer, secret)| secret.shares(own.client, *peer));
        let held = drawers
            .iter()
            .map(|(peer, secret)| secret.shares(*peer, own.client));
        Self {
            client: own.client,
            edges: edges.collect(),
            dealt: dealt.collect(),
            held: held.collect(),
        }
    }

    fn place(&self, round: Round) -> Place {
        Place {
            descriptor: DESCRIPTOR,
            client: self.client,
            epoch: EPOCH,
            round,
        }
    }

    fn clear(&self, round: Round) -> ClearFrame {
        let reading = Reading::new(vec![3_121, 0, -1_530]).unwrap();
        let net = "street-1".parse().unwrap();
        ClearFrame::new(net, DESCRIPTOR, self.client, EPOCH, round, Some(reading))
    }

    fn deal(&self, round: Round, rng: &mut ChaCha20Rng) -> DealtMask {
        let keys: Vec<ShareKey> = self.dealt.iter().map(|secret| secret.key(round)).collect();
        DealtMask::deal(&self.place(round), SLOTS, THRESHOLD, &keys, rng).unwrap()
    }

    fn seal(&self, round: Round, rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mask = self.deal(round, rng);
        let masked = self
            .clear(round)
            .double_mask_under(&self.edges, SLOTS, mask);
        masked.unwrap().into_frame().encode()
    }

    fn header(&self, round: Round) -> FrameHeader {
        FrameHeader {
            net: "street-1".parse().unwrap(),
            descriptor: DESCRIPTOR,
            client: self.client,
            transmission: false,
            epoch: EPOCH,
            round,
        }
    }

    fn pads(&self, round: Round, lost: usize) -> Vec<u8> {
        let edges = &self.edges[..lost];
        Frame::pads_under(self.header(round), roster(), edges, SLOTS).encode()
    }

    fn reveal(&self, round: Round, kept: usize) -> Vec<u8> {
        let keys = self.held.iter().take(kept).map(|secret| secret.key(round));
        let body = FrameBody::Reveal {
            roster: roster(),
            keys: keys.collect(),
        };
        Frame::control(self.header(round), body).unwrap().encode()
    }
}

/// Any: its hash is 32 bytes.
fn roster() -> RosterHash {
    RosterHash::decode(&[0; 32]).unwrap()
}
