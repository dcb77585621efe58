//! The gateways of a region, simulated: names, key graph, seeded state, and frames masked for real.
//!
//! Every net has the same graph over its own members. Keys of edges and of shares come from a cheap
//! function of both ends instead of a million key agreements, and seeds of self-masks with their shares
//! out of a pool; everything that is made of them is made by the protocol's own code. The provider cannot
//! tell: it never sees a key of an edge, a key of a share is 16 bytes to it, and it recovers each seed
//! by itself.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::frame::{ClearFrame, Frame, FrameBody, FrameHeader};
use dcnet_protocol::key_agreement::{Agreement, EdgeKey, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::edge::{EdgeEnd, EdgeSet};
use dcnet_protocol::membership::entry::Neighbourhood;
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::parameters::{Levels, Net as Members, choose};
use dcnet_protocol::provider::{EpochMember, EpochRecord, MemberRecord};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::self_mask::{DealtMask, Place, ShareKey, SharedSeed};
use dcnet_protocol::signature::{Signed, SigningKey};
use dcnet_protocol::superposition::Reading;
use dcnet_provider::bench::Seed;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

use crate::settings::{Mode, Pace};

/// Energy drawn, energy fed in, power: as in the intake benchmark.
pub(crate) const SLOTS: usize = 3;
pub(crate) const EPOCH: Epoch = Epoch::new(1);

/// What `dcnet net create` takes in resend mode.
const RESEND_DEGREE: u16 = 52;
/// To share one takes most of what it takes to mask a frame.
const SEEDS: usize = 251;
const CORRUPT_PERMILLE: u16 = 50;
const LOSS_PERMILLE: u16 = 50;

/// Keys and certificates of the provider and its gateways.
pub(crate) struct Keys {
    pub(crate) provider: SigningKey,
    /// Certificate of the gateways' authority, DER.
    pub(crate) authority: Vec<u8>,
    /// A gateway's key for statements, and the certificate of it, DER.
    pub(crate) statement: SigningKey,
    pub(crate) certificate: Vec<u8>,
}

/// The key graph of a net, by index.
struct Graph {
    /// Ascending.
    neighbours: Vec<Vec<usize>>,
    /// Those of them that each member drew, ascending.
    drawn: Vec<Vec<usize>>,
    /// Shared among as many as each member drew.
    seeds: Vec<SharedSeed>,
}

/// All nets of a region.
pub(crate) struct Region {
    pub(crate) nets: Vec<Net>,
    pub(crate) mode: Mode,
    pub(crate) degree: u16,
    graph: Graph,
}

/// One net.
pub(crate) struct Net {
    pub(crate) descriptor: NetDescriptor,
    pub(crate) names: Vec<ClientId>,
    number: u64,
}

impl Region {
    pub(crate) fn new(size: usize, members: usize, mode: Mode, pace: &Pace, keys: &Keys) -> Self {
        let members = members.min(size);
        let (degree, threshold) = sharing(members, mode);
        let graph = Graph::draw(members, usize::from(degree), usize::from(threshold));
        let nets = (0..size / members).map(|number| {
            let id: NetId = format!("net-{number:05}").parse().unwrap();
            let parameters = parameters(id, (degree, threshold), mode, pace, keys);
            let name = |index| format!("gw-{number:05}-{index:05}").parse().unwrap();
            Net {
                descriptor: NetDescriptor::new(parameters).unwrap(),
                names: (0..members).map(name).collect(),
                number: number as u64,
            }
        });
        Self {
            nets: nets.collect(),
            mode,
            degree,
            graph,
        }
    }

    pub(crate) fn members(&self) -> usize {
        self.graph.neighbours.len()
    }

    /// The state of a net that runs since `first`. What its members signed when they came was checked
    /// then, and is not again: so one signature serves for all of them.
    pub(crate) fn seed(&self, net: &Net, first: Round, keys: &Keys) -> Seed {
        let (records, members) = self.state(net, keys);
        Seed {
            descriptor: net.descriptor.clone(),
            authority: keys.authority.clone(),
            members: records,
            epoch: EpochRecord::new(EPOCH, first, members),
            outcomes: Vec::new(),
        }
    }

    fn state(&self, net: &Net, keys: &Keys) -> (Vec<MemberRecord>, Vec<EpochMember>) {
        let signed = self.record(net, 0, keys);
        let package_end = end_of(
            &signed.package.encode(),
            &signed.package.unverified().encode(),
        );
        let named = signed.neighbourhood.as_ref().unwrap();
        let named_end = end_of(&named.encode(), &named.unverified().encode());
        let all = (0..self.members()).map(|index| {
            let package = Self::package(net, index);
            let body = self.neighbourhood(net, index, &package);
            let member = EpochMember {
                client: body.client,
                package: body.package,
                neighbours: body.neighbours.clone(),
                holders: body.holders.clone(),
            };
            let package = [package.encode(), package_end.clone()].concat();
            let named = [body.encode(), named_end.clone()].concat();
            let record = MemberRecord {
                client: body.client,
                package: SignedKeyPackage::decode(&package).unwrap(),
                neighbourhood: Some(Signed::decode(&named).unwrap()),
                ..signed.clone()
            };
            (record, member)
        });
        all.unzip()
    }

    fn record(&self, net: &Net, index: usize, keys: &Keys) -> MemberRecord {
        let package = Self::package(net, index);
        let named = self.neighbourhood(net, index, &package);
        let chain = [keys.certificate.clone()];
        MemberRecord {
            client: net.names[index],
            status: MemberStatus::Active,
            package: SignedKeyPackage::sign(package, &chain, &keys.statement),
            statement_key: keys.statement.verifying_key().to_sec1(),
            neighbourhood: Some(keys.statement.sign(named)),
            exit: None,
            exit_round: Round::default(),
        }
    }

    fn package(net: &Net, index: usize) -> KeyPackage {
        KeyPackage {
            net: net.descriptor.net(),
            descriptor: net.descriptor.hash(),
            client: net.names[index],
            serial: 1,
            public_key: [9; 32],
        }
    }

    fn neighbourhood(&self, net: &Net, index: usize, package: &KeyPackage) -> Neighbourhood {
        let end = |peer: &usize| EdgeEnd {
            client: net.names[*peer],
            agreement: Agreement::from_bytes(wide(
                net.number,
                index.min(*peer),
                index.max(*peer),
                9,
            )),
        };
        let ends: EdgeSet = self.graph.neighbours[index].iter().map(end).collect();
        let drawn = self.graph.drawn[index].iter().map(|peer| net.names[*peer]);
        Neighbourhood {
            net: package.net,
            descriptor: package.descriptor,
            client: package.client,
            package: package.hash(),
            serial: 2,
            neighbours: ends,
            holders: if self.mode == Mode::DoubleMask {
                drawn.collect()
            } else {
                ClientSet::default()
            },
        }
    }

    /// A member's frame of a round, and what it hides.
    pub(crate) fn frame(&self, net: &Net, index: usize, round: Round) -> (Frame, [u64; SLOTS]) {
        let reading = net.reading(index, round);
        let values = reading.iter().map(|value| value.cast_signed()).collect();
        let clear = ClearFrame::new(
            net.descriptor.net(),
            net.descriptor.hash(),
            net.names[index],
            EPOCH,
            round,
            Some(Reading::new(values).unwrap()),
        );
        let edges = self.edges(net, index, |_| true);
        let masked = match self.mode {
            Mode::Resend => clear.mask_under(&edges, SLOTS),
            Mode::DoubleMask => {
                let mask = self.self_mask(net, index, round);
                clear.double_mask_under(&edges, SLOTS, mask)
            }
        };
        (masked.unwrap().into_frame(), reading)
    }

    fn self_mask(&self, net: &Net, index: usize, round: Round) -> DealtMask {
        let place = Place {
            descriptor: net.descriptor.hash(),
            client: net.names[index],
            epoch: EPOCH,
            round,
        };
        let holders = self.graph.drawn[index].iter();
        let keys: Vec<ShareKey> = holders
            .map(|holder| share_key(net.number, index, *holder, round))
            .collect();
        // In each round another one.
        let number = index + usize::try_from(round.number() % SEEDS as u64).unwrap();
        let seed = &self.graph.seeds[number % SEEDS];
        DealtMask::of_for_benchmarks(seed, &place, SLOTS, &keys)
    }

    fn edges(&self, net: &Net, index: usize, with: impl Fn(usize) -> bool) -> Vec<EdgeKey> {
        let peers = self.graph.neighbours[index].iter().copied();
        peers
            .filter(|peer| with(*peer))
            .map(|peer| {
                let key = wide(net.number, index.min(peer), index.max(peer), 1);
                EdgeKey::for_benchmarks(key, net.names[index], net.names[peer])
            })
            .collect()
    }

    /// Members that have one of `missing` for a neighbour, without these.
    pub(crate) fn asked(&self, missing: &[usize]) -> Vec<usize> {
        let concerned = |index: &usize| {
            let peers = &self.graph.neighbours[*index];
            !missing.contains(index) && missing.iter().any(|gone| peers.binary_search(gone).is_ok())
        };
        (0..self.members()).filter(concerned).collect()
    }

    /// The frame of a member again, without the pads towards those who are missing: its difference to
    /// the first frame is what the protocol takes out of it.
    pub(crate) fn resend(&self, net: &Net, index: usize, round: Round, missing: &[usize]) -> Frame {
        let (frame, _) = self.frame(net, index, round);
        let edges = self.edges(net, index, |peer| missing.contains(&peer));
        let gone = missing.iter().map(|peer| net.names[*peer]).collect();
        let masked = frame.into_masked().unwrap();
        masked.resend_under(gone, &edges, SLOTS).unwrap()
    }

    /// What a member answers to a roster.
    pub(crate) fn answer(&self, net: &Net, index: usize, round: Round, roster: &Roster) -> Vec<u8> {
        let header = FrameHeader {
            net: net.descriptor.net(),
            descriptor: net.descriptor.hash(),
            client: net.names[index],
            transmission: false,
            epoch: EPOCH,
            round,
        };
        let present = roster.present();
        if !roster.reveal() {
            let edges = self.edges(net, index, |peer| !present.contains(peer));
            return Frame::pads_under(header, roster.hash(), &edges, SLOTS).encode();
        }
        let peers = self.graph.neighbours[index].iter().copied();
        let drew_me = |peer: &usize| self.graph.drawn[*peer].binary_search(&index).is_ok();
        let keys = peers
            .filter(|peer| present.contains(*peer) && drew_me(peer))
            .map(|peer| share_key(net.number, peer, index, round));
        let body = FrameBody::Reveal {
            roster: roster.hash(),
            keys: keys.collect(),
        };
        Frame::control(header, body).unwrap().encode()
    }
}

impl Graph {
    /// Each draws `degree` others at random, or all others.
    fn draw(members: usize, degree: usize, threshold: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut drawn = Vec::new();
        for own in 0..members {
            let mut mine: Vec<usize> = Vec::new();
            while mine.len() < degree.min(members - 1) {
                let peer = usize::try_from(rng.next_u64() % members as u64).unwrap();
                if peer != own && !mine.contains(&peer) {
                    mine.push(peer);
                }
            }
            mine.sort_unstable();
            drawn.push(mine);
        }
        let holders = drawn.first().map_or(0, Vec::len);
        let seeds = (0..SEEDS)
            .map(|_| SharedSeed::for_benchmarks(threshold, holders, &mut rng).unwrap())
            .collect();
        let mut neighbours = drawn.clone();
        for (own, mine) in drawn.iter().enumerate() {
            for peer in mine {
                neighbours[*peer].push(own);
            }
        }
        for peers in &mut neighbours {
            peers.sort_unstable();
            peers.dedup();
        }
        Self {
            neighbours,
            drawn,
            seeds,
        }
    }
}

/// k and t as `dcnet net create` chooses them.
fn sharing(members: usize, mode: Mode) -> (u16, u16) {
    let others = u16::try_from(members - 1).unwrap_or(u16::MAX);
    match mode {
        Mode::Resend => (RESEND_DEGREE.min(others), 3),
        Mode::DoubleMask => {
            let members = u32::try_from(members).unwrap();
            let net = Members {
                members,
                loss_permille: LOSS_PERMILLE,
                min_size: members.div_ceil(2),
            };
            let chosen = choose(net, CORRUPT_PERMILLE, Levels::default()).unwrap();
            (chosen.holders, chosen.threshold)
        }
    }
}

fn parameters(
    net: NetId,
    (degree, threshold): (u16, u16),
    mode: Mode,
    pace: &Pace,
    keys: &Keys,
) -> NetParameters {
    let slot = |c, unit, scale| SlotSpec {
        obis: [1, 0, c, 8, 0, 255],
        unit,
        scale,
    };
    NetParameters {
        version: 1,
        net,
        region: Vec::new(),
        interval_s: pace.interval,
        submit_window_s: pace.submit,
        correction_window_s: pace.correction,
        slots: vec![slot(1, 30, -1), slot(2, 30, -1), slot(16, 27, 0)],
        min_size: 4,
        out_degree: degree,
        threshold,
        max_loss_permille: LOSS_PERMILLE,
        correction_mode: match mode {
            Mode::Resend => CorrectionMode::Resend,
            Mode::DoubleMask => CorrectionMode::DoubleMask,
        },
        epoch_length: pace.epoch,
        provider_key: keys.provider.verifying_key().to_sec1(),
        ca_fingerprint: Sha256::digest(&keys.authority).into(),
    }
}

/// What of an encoding follows the encoding of its body.
fn end_of(encoding: &[u8], body: &[u8]) -> Vec<u8> {
    assert!(encoding.starts_with(body), "the body comes first");
    encoding[body.len()..].to_vec()
}

fn share_key(net: u64, dealer: usize, holder: usize, round: Round) -> ShareKey {
    let bytes = wide(net, dealer, holder, round.number());
    ShareKey::from_bytes(bytes[..16].try_into().unwrap())
}

/// 32 bytes without any pattern out of four numbers (splitmix64).
fn wide(net: u64, a: usize, b: usize, purpose: u64) -> [u8; 32] {
    let mut x = (net << 42) ^ ((a as u64) << 21) ^ (b as u64);
    x = mixed(x) ^ purpose;
    let mut bytes = [0; 32];
    for piece in bytes.chunks_exact_mut(8) {
        x = mixed(x);
        piece.copy_from_slice(&x.to_le_bytes());
    }
    bytes
}

fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Net {
    /// What a member's meter shows at the end of a round.
    pub(crate) fn reading(&self, index: usize, round: Round) -> [u64; SLOTS] {
        let bytes = wide(self.number, index, 1, round.number());
        [0, 1, 2].map(|slot| {
            u64::from(u32::from_le_bytes([
                bytes[slot * 4],
                bytes[slot * 4 + 1],
                0,
                0,
            ]))
        })
    }

    /// Whether a member has no frame in a round: by chance, and once in the region so that there is
    /// something to correct; nobody where the next round may begin an epoch, so that all come back in
    /// the one they know.
    pub(crate) fn is_missing(&self, index: usize, round: Round, per_million: u64) -> bool {
        let border = round.next().number();
        if per_million == 0 || border.is_multiple_of(self.descriptor.epoch_length()) {
            return false;
        }
        let bytes = wide(self.number, index, 2, round.number());
        let drawn = u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let chosen = self.number == 0 && (index as u64) == round.number() % self.names.len() as u64;
        drawn % 1_000_000 < per_million || chosen && border.is_multiple_of(2)
    }
}
