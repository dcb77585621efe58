//! A net of any size whose frames and answers are right, without a key agreement per edge.

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::key_agreement::{Agreement, KeyPackage, KeyPackageHash, SignedKeyPackage};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::edge::{EdgeEnd, EdgeSet};
use dcnet_protocol::membership::entry::Neighbourhood;
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::provider::{
    EpochMember, EpochRecord, FrameRecord, MemberRecord, Setup, Snapshot,
};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::self_mask::{DealtMask, Place, ShareKey};
use dcnet_protocol::signature::SigningKey;
use dcnet_protocol::superposition::Superposition;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

pub(crate) const SLOTS: usize = 3;
/// Not before an epoch border.
pub(crate) const ROUND: Round = Round::new(2_000_000);
pub(crate) const EPOCH: Epoch = Epoch::new(7);

/// What a net is to be.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) members: usize,
    pub(crate) holders: usize,
    pub(crate) threshold: usize,
    /// Lost before submission, in thousandths.
    pub(crate) lost: usize,
    /// Gone between pads and reveal, in thousandths.
    pub(crate) gone: usize,
    /// Whether each member draws the same part of its holders from the lost, the gone and the rest.
    pub(crate) even: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    Gone,
    Stays,
}

pub(crate) struct Net {
    pub(crate) plan: Plan,
    pub(crate) setup: Setup,
    pub(crate) snapshot: Snapshot,
    pub(crate) fates: Vec<Fate>,
    /// Sum of the readings of those whose frames are there.
    pub(crate) sum: [u64; SLOTS],
    names: Vec<ClientId>,
    drawn: Vec<Vec<u32>>,
    neighbours: Vec<Vec<u32>>,
}

impl Net {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let setup = setup(plan);
        let fates = fates(plan, &mut rng);
        let drawn = draw(plan, &fates, &mut rng);
        let mut neighbours = drawn.clone();
        for (member, drawn) in (0..).zip(&drawn) {
            for peer in drawn {
                neighbours[*peer as usize].push(member);
            }
        }
        for list in &mut neighbours {
            list.sort_unstable();
            list.dedup();
        }
        let names: Vec<ClientId> = (0..plan.members)
            .map(|number| format!("gw-{number:06}").parse().unwrap())
            .collect();
        let mut net = Self {
            plan,
            setup,
            snapshot: Snapshot::default(),
            fates,
            sum: [0; SLOTS],
            names,
            drawn,
            neighbours,
        };
        net.fill(&mut rng);
        net
    }

    fn fill(&mut self, rng: &mut ChaCha20Rng) {
        let members = (0..self.plan.members).map(|index| EpochMember {
            client: self.names[index],
            package: KeyPackageHash::from_bytes([7; 32]),
            neighbours: self.ends(index),
            holders: self.set(&self.drawn[index]),
        });
        let epoch = EpochRecord::new(EPOCH, ROUND.previous(), members.collect());
        let mut frames = Vec::new();
        for index in 0..self.plan.members {
            if self.fates[index] != Fate::Lost {
                frames.push(self.frame(index, rng));
            }
        }
        // Those who are suspended when the round is over are the only ones that are looked up.
        let lost = (0..self.plan.members).filter(|index| self.fates[*index] == Fate::Lost);
        self.snapshot = Snapshot {
            members: lost.map(|index| self.member(index)).collect(),
            epochs: vec![epoch],
            frames,
            last_final: Some(ROUND.previous()),
            ..Snapshot::default()
        };
    }

    fn set(&self, indices: &[u32]) -> ClientSet {
        indices
            .iter()
            .map(|index| self.names[*index as usize])
            .collect()
    }

    fn ends(&self, index: usize) -> EdgeSet {
        let ends = self.neighbours[index].iter().map(|peer| EdgeEnd {
            client: self.names[*peer as usize],
            agreement: Agreement::from_bytes([7; 32]),
        });
        ends.collect()
    }

    fn member(&self, index: usize) -> MemberRecord {
        let (net, descriptor) = (self.setup.descriptor.net(), self.setup.descriptor.hash());
        let client = self.names[index];
        let body = KeyPackage {
            net,
            descriptor,
            client,
            serial: 1,
            public_key: [9; 32],
        };
        let package = body.hash();
        let named = Neighbourhood {
            net,
            descriptor,
            client,
            package,
            serial: 2,
            neighbours: self.ends(index),
            holders: self.set(&self.drawn[index]),
        };
        MemberRecord {
            client,
            status: MemberStatus::Active,
            package: SignedKeyPackage::sign(body, &[vec![0x30; 600]], &self.setup.key),
            statement_key: self.setup.key.verifying_key().to_sec1(),
            neighbourhood: Some(self.setup.key.sign(named)),
            exit: None,
            exit_round: Round::default(),
        }
    }

    fn frame(&mut self, index: usize, rng: &mut ChaCha20Rng) -> FrameRecord {
        let place = Place {
            descriptor: self.setup.descriptor.hash(),
            client: self.names[index],
            epoch: EPOCH,
            round: ROUND,
        };
        let holders = self.drawn[index].iter();
        let keys: Vec<ShareKey> = holders
            .map(|holder| share_key(index, *holder as usize))
            .collect();
        let dealt = DealtMask::deal(&place, SLOTS, self.plan.threshold, &keys, rng).unwrap();
        let (mut words, mask) = dealt.expose_for_benchmarks();
        let pads = self.pads(index, |_| true);
        for ((word, pad), sum) in words.iter_mut().zip(pads).zip(&mut self.sum) {
            let reading = rng.next_u64() % 1_000_000;
            *sum += reading;
            *word = word.wrapping_add(pad).wrapping_add(reading);
        }
        FrameRecord {
            round: ROUND,
            epoch: EPOCH,
            client: self.names[index],
            transmission: true,
            words: Superposition::from_stored(&words),
            mask: Some(mask),
            hash: [0; 32],
        }
    }

    /// Sum of the pads towards neighbours: the lower index adds, the higher one subtracts.
    fn pads(&self, index: usize, with: impl Fn(usize) -> bool) -> [u64; SLOTS] {
        let mut sum = [0_u64; SLOTS];
        let peers = self.neighbours[index].iter().map(|peer| *peer as usize);
        for peer in peers.filter(|peer| with(*peer)) {
            let (low, high) = (index.min(peer), index.max(peer));
            for (slot, word) in (1..).zip(&mut sum) {
                let pad = mixed(low as u64, high as u64, slot);
                let pad = if index == low {
                    pad
                } else {
                    pad.wrapping_neg()
                };
                *word = word.wrapping_add(pad);
            }
        }
        sum
    }

    /// What a member answers to a roster.
    pub(crate) fn answer(&self, index: usize, roster: &Roster) -> (ClientId, Vec<u8>) {
        let client = self.names[index];
        let header = FrameHeader {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            client,
            transmission: false,
            epoch: EPOCH,
            round: ROUND,
        };
        let present = roster.present();
        let frame = if roster.reveal() {
            let dealers = self.neighbours[index].iter().map(|peer| *peer as usize);
            let drew_me = |peer: &usize| self.drawn[*peer].binary_search(&(index as u32)).is_ok();
            let keys = dealers
                .filter(|peer| present.contains(*peer) && drew_me(peer))
                .map(|peer| share_key(peer, index));
            let body = FrameBody::Reveal {
                roster: roster.hash(),
                keys: keys.collect(),
            };
            Frame::control(header, body).unwrap()
        } else {
            let words = self.pads(index, |peer| !present.contains(peer));
            let words = Superposition::from_stored(&words);
            Frame::pads_for_benchmarks(header, roster.hash(), words)
        };
        (client, frame.encode())
    }
}

/// A descriptor with the plan's numbers, and keys for it.
fn setup(plan: Plan) -> Setup {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key);
    let anchor = TrustAnchor::from_der(certificate.unwrap().der()).unwrap();
    let key = SigningKey::from_pkcs8_der(&key.serialize_der()).unwrap();
    let slot = |c: u8| SlotSpec {
        obis: [1, 0, c, 8, 0, 255],
        unit: 30,
        scale: -1,
    };
    let descriptor = NetDescriptor::new(NetParameters {
        version: 1,
        net: "street-1".parse().unwrap(),
        region: b"bench".to_vec(),
        interval_s: 900,
        submit_window_s: 60,
        correction_window_s: 60,
        slots: [1, 2, 16].map(slot).to_vec(),
        min_size: 4,
        out_degree: plan.holders.try_into().unwrap(),
        threshold: plan.threshold.try_into().unwrap(),
        max_loss_permille: plan.lost.try_into().unwrap(),
        correction_mode: CorrectionMode::DoubleMask,
        epoch_length: 96,
        provider_key: key.verifying_key().to_sec1(),
        ca_fingerprint: anchor.fingerprint(),
    })
    .unwrap();
    Setup {
        descriptor,
        key,
        anchor,
    }
}

fn fates(plan: Plan, rng: &mut ChaCha20Rng) -> Vec<Fate> {
    let part = |permille: usize| plan.members * permille / 1000;
    let mut fates = vec![Fate::Stays; plan.members];
    fates[..part(plan.lost)].fill(Fate::Lost);
    fates[part(plan.lost)..part(plan.lost + plan.gone)].fill(Fate::Gone);
    for index in (1..plan.members).rev() {
        fates.swap(index, below(rng, index + 1));
    }
    fates
}

/// Ascending, distinct, never oneself.
fn draw(plan: Plan, fates: &[Fate], rng: &mut ChaCha20Rng) -> Vec<Vec<u32>> {
    let of = |fate: Fate| -> Vec<usize> {
        let all = 0..plan.members;
        all.filter(|index| fates[*index] == fate).collect()
    };
    let groups = if plan.even {
        let part = |permille: usize| plan.holders * permille / 1000;
        let (lost, gone) = (part(plan.lost), part(plan.gone));
        vec![
            (of(Fate::Lost), lost),
            (of(Fate::Gone), gone),
            (of(Fate::Stays), plan.holders - lost - gone),
        ]
    } else {
        vec![((0..plan.members).collect(), plan.holders)]
    };
    let complete = plan.holders == plan.members - 1;
    let one = |own: usize| -> Vec<u32> {
        let mut drawn: Vec<u32> = Vec::new();
        if complete {
            drawn.extend((0..plan.members as u32).filter(|peer| *peer as usize != own));
        }
        for (group, wanted) in groups.iter().filter(|_| !complete) {
            let end = drawn.len() + wanted;
            while drawn.len() < end {
                let peer = group[below(rng, group.len())];
                if peer != own && !drawn.contains(&(peer as u32)) {
                    drawn.push(peer as u32);
                }
            }
        }
        drawn.sort_unstable();
        drawn
    };
    (0..plan.members).map(one).collect()
}

fn below(rng: &mut ChaCha20Rng, bound: usize) -> usize {
    (rng.next_u64() % bound as u64) as usize
}

/// In place of X25519, HKDF and ChaCha20 for each edge.
fn mixed(a: u64, b: u64, c: u64) -> u64 {
    let mut x = (a << 40) ^ (b << 8) ^ c;
    for _ in 0..2 {
        x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
    }
    x
}

fn share_key(dealer: usize, holder: usize) -> ShareKey {
    let half = |c| mixed(dealer as u64, holder as u64, c).to_le_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&half(101));
    bytes[8..].copy_from_slice(&half(102));
    ShareKey::from_bytes(bytes)
}
