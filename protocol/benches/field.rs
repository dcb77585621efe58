//! What one report costs in three ways to learn a sum and not its parts, side by side in one run.
//!
//! They do not do the same, so the figures are not those of equals:
//!
//! - *Ours* has one server, which may lie: it learns a single reading only together with enough of
//!   a member's holders. It bears the loss of members, at the price of rosters and answers. Whether
//!   a reading is in a sensible range it does not check.
//! - *Prio3* (its `Prio3Sum`, crate `prio`) has two servers. Readings stay hidden as long as one of
//!   them is honest, the sum is right if both are. Each reading is proved to be within its range. A
//!   lost member costs nothing, and there is one message from each.
//! - *Paillier* (crate `fast-paillier`) needs somebody trusted who holds the decryption key: it can
//!   decrypt each report as well as the sum. Nothing about a reading is proved.
//!
//! Compared are processor time on one core and bytes of payload. Left out on all sides: TLS, HTTP,
//! the store, receipts, agreeing on keys, and the final step for a whole sum. Ours carries 3 values,
//! the others one of 32 bits. The time of our provider is for what a report takes of a round:
//! unpacking its frame and its two answers, checking its shares, recovering its mask;
//! `masked_round` measures whole rounds. Paillier has a modulus of 2048 bits and runs over num-bigint
//! in portable Rust; a library with assembly would be faster, by how much is not measured here.
//!
//! `cargo bench -p dcnet-protocol --bench field`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

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
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::roster::RosterHash;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::self_mask::{DealtMask, Place, ShareKey};
use dcnet_protocol::superposition::{Reading, Superposition};
use fast_paillier::backend::Integer;
use fast_paillier::{DecryptionKey, EncryptionKey};
use prio::codec::Encode as _;
use prio::vdaf::prio3::{Prio3, Prio3Sum};
use prio::vdaf::{
    Aggregatable as _, Aggregator as _, Client as _, Collector as _, VerifyTransition,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

#[path = "../../tests/src/ratio.rs"]
#[allow(
    unreachable_pub,
    unused_imports,
    reason = "shared with benchmarks of another crate"
)]
mod ratio;
use ratio::{decimal, hundredths, in_turns};

const K: usize = 62;
const T: usize = 44;
const SLOTS: usize = 3;
/// Holders that tell their share keys: 20 % are lost.
const ALIVE: usize = 50;
const TURNS: usize = 30;
const READING: u32 = 3_121;

fn main() {
    let (ours, prio, paillier) = (Ours::new(), Prio::new(), Paillier::new());
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let times = in_turns(
        TURNS,
        [
            &mut || drop(black_box(ours.seal(&mut rng))),
            &mut || drop(black_box((ours.pads(), ours.reveal()))),
            &mut || drop(black_box(ours.take())),
            &mut || drop(black_box(prio.shard())),
            &mut || drop(black_box(prio.verify())),
            &mut || drop(black_box(paillier.encrypt(&ours.random))),
            &mut || drop(black_box(paillier.add())),
        ],
    );
    let [seal, answer, take, shard, verify, encrypt, add] = times;
    println!(
        "one report, best of {TURNS} turns on one core\n\n{:<40} {:>11} {:>11} {:>9} {:>9}",
        "", "gateway us", "servers us", "sent B", "heard B"
    );
    let client = seal + answer;
    let [public, leader, helper, between] = prio.sizes();
    let rows = [
        (
            "ours, k = 62, t = 44, 20 % lost",
            client,
            take,
            ours.sent(),
            "roster".to_owned(),
        ),
        (
            "Prio3Sum up to 2^32 - 1, two servers",
            shard,
            verify,
            2 * public + leader + helper,
            "0".to_owned(),
        ),
        (
            "Paillier, 2048 bits",
            encrypt,
            add,
            paillier.first.to_bytes_msf().len(),
            "0".to_owned(),
        ),
    ];
    for (name, gateway, server, sent, heard) in &rows {
        println!(
            "{name:<40} {:>11} {:>11} {sent:>9} {heard:>9}",
            micros(*gateway),
            micros(*server)
        );
    }
    println!("\nin units of ours:");
    for (name, gateway, server, ..) in &rows {
        println!(
            "{name:<40} {:>11} {:>11}",
            decimal(hundredths(*gateway, client)),
            decimal(hundredths(*server, take))
        );
    }
    let [frame, pads, reveal] = ours.bytes.each_ref().map(Vec::len);
    println!(
        "\nours: sealing {} us, answering twice {} us; frame {frame} B, pads {pads} B, share keys \
         {reveal} B; a roster for n members has n/8 B and about 170 more, heard twice.\n\
         Prio3: to the leader {} B, to the helper {} B; the servers exchange {between} B. Both servers' \
         time is added up.\n\
         Not compared: Prio keeps readings hidden with one lying server of two and rejects those out of \
         range; Paillier's key holder can read each report; ours has one server, which may lie, \
         and checks no range. Ours hides {SLOTS} values, the others one.",
        micros(seal),
        micros(answer),
        public + leader,
        public + helper,
    );
}

fn micros(time: Duration) -> String {
    decimal(time.as_nanos() / 10)
}

/// A gateway with k holders and k dealers, and what the provider does for its report.
struct Ours {
    client: ClientId,
    edges: Vec<EdgeKey>,
    dealt: Vec<ShareSecret>,
    held: Vec<ShareSecret>,
    /// As the holders tell them.
    told: Vec<ShareKey>,
    /// Frame, pads, share keys.
    bytes: [Vec<u8>; 3],
    random: [u8; 255],
}

const DESCRIPTOR: DescriptorHash = DescriptorHash::from_bytes([7; 32]);
const EPOCH: Epoch = Epoch::new(1);
const ROUND: Round = Round::new(2_000_000);

impl Ours {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
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
        let peers: Vec<Party> = (0..2 * K)
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
        let (drawn, drawers) = secrets.split_at(K);
        let edges = secrets
            .iter()
            .map(|(peer, secret)| secret.edge_key(own.client, *peer));
        let dealt = drawn
            .iter()
            .map(|(peer, secret)| secret.shares(own.client, *peer));
        let held = drawers
            .iter()
            .map(|(peer, secret)| secret.shares(*peer, own.client));
        let mut ours = Self {
            client: own.client,
            edges: edges.collect(),
            dealt: dealt.collect(),
            held: held.collect(),
            told: Vec::new(),
            bytes: [const { Vec::new() }; 3],
            random: [0; 255],
        };
        rng.fill_bytes(&mut ours.random);
        ours.told = ours.keys();
        ours.bytes = [ours.seal(&mut rng), ours.pads(), ours.reveal()];
        ours
    }

    fn keys(&self) -> Vec<ShareKey> {
        self.dealt.iter().map(|secret| secret.key(ROUND)).collect()
    }

    fn place(&self) -> Place {
        Place {
            descriptor: DESCRIPTOR,
            client: self.client,
            epoch: EPOCH,
            round: ROUND,
        }
    }

    fn header(&self) -> FrameHeader {
        FrameHeader {
            net: "street-1".parse().unwrap(),
            descriptor: DESCRIPTOR,
            client: self.client,
            transmission: false,
            epoch: EPOCH,
            round: ROUND,
        }
    }

    fn seal(&self, rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mask = DealtMask::deal(&self.place(), SLOTS, T, &self.keys(), rng).unwrap();
        let reading = Reading::new(vec![READING.into(), 0, -1_530]).unwrap();
        let net = "street-1".parse().unwrap();
        ClearFrame::new(net, DESCRIPTOR, self.client, EPOCH, ROUND, Some(reading))
            .double_mask_under(&self.edges, SLOTS, mask)
            .unwrap()
            .into_frame()
            .encode()
    }

    fn pads(&self) -> Vec<u8> {
        let lost = &self.edges[..2 * (K - ALIVE)];
        Frame::pads_under(self.header(), roster(), lost, SLOTS).encode()
    }

    fn reveal(&self) -> Vec<u8> {
        let keys = self.held.iter().take(ALIVE).map(|secret| secret.key(ROUND));
        let body = FrameBody::Reveal {
            roster: roster(),
            keys: keys.collect(),
        };
        Frame::control(self.header(), body).unwrap().encode()
    }

    /// Unpacks the three frames, takes mask and pads off and adds.
    fn take(&self) -> Superposition {
        let [frame, pads, reveal] = &self.bytes;
        black_box([frame_hash(frame), frame_hash(pads), frame_hash(reveal)]);
        let mut sum = Superposition::zero(SLOTS);
        let bodies =
            [frame, pads, reveal].map(|bytes| Frame::decode(bytes).unwrap().into_parts().1);
        for body in &bodies {
            match body {
                FrameBody::Transmit {
                    words,
                    mask: Some(mask),
                } => {
                    // In a net each of these keys comes with another member's answer.
                    let keys = self.told.iter().copied().enumerate().take(ALIVE);
                    let recovery = mask.recover(&self.place(), SLOTS, keys);
                    assert!(recovery.words.is_ok() && recovery.wrong.is_empty());
                    black_box(recovery);
                    sum.add(words).unwrap();
                }
                FrameBody::Pads { words, .. } => sum.add(words).unwrap(),
                _ => {}
            }
        }
        sum
    }

    fn sent(&self) -> usize {
        self.bytes.iter().map(Vec::len).sum()
    }
}

/// Any: its hash is 32 bytes.
fn roster() -> RosterHash {
    RosterHash::decode(&[0; 32]).unwrap()
}

type PublicShare = <Prio3Sum as prio::vdaf::Vdaf>::PublicShare;
type InputShare = <Prio3Sum as prio::vdaf::Vdaf>::InputShare;
type OutputShare = <Prio3Sum as prio::vdaf::Vdaf>::OutputShare;

const CONTEXT: &[u8] = b"dcnet benchmark";
const NONCE: [u8; 16] = [5; 16];
const VERIFY_KEY: [u8; 32] = [6; 32];

/// Two aggregators that verify that a reading is below 2³².
struct Prio {
    vdaf: Prio3Sum,
    report: (PublicShare, Vec<InputShare>),
}

impl Prio {
    fn new() -> Self {
        let vdaf = Prio3::new_sum(2, u32::MAX.into()).unwrap();
        let report = vdaf.shard(CONTEXT, &READING.into(), &NONCE).unwrap();
        let prio = Self { vdaf, report };
        let (shares, _) = prio.verified();
        let shares = shares.into_iter().map(|share| {
            let mut aggregate = prio.vdaf.aggregate_init(&());
            aggregate.accumulate(&share).unwrap();
            aggregate
        });
        let sum = prio.vdaf.unshard(&(), shares, 1).unwrap();
        assert_eq!(sum, u64::from(READING), "not the reading");
        prio
    }

    /// Shares and proof, encoded as for the wire.
    fn shard(&self) -> Vec<Vec<u8>> {
        let report = self.vdaf.shard(CONTEXT, &READING.into(), &NONCE).unwrap();
        let mut bytes = vec![report.0.get_encoded().unwrap()];
        bytes.extend(report.1.iter().map(|share| share.get_encoded().unwrap()));
        bytes
    }

    fn verify(&self) -> Vec<OutputShare> {
        self.verified().0
    }

    /// Both servers' work, and the bytes that they exchange.
    fn verified(&self) -> (Vec<OutputShare>, usize) {
        let (public, inputs) = &self.report;
        let (mut states, mut shares) = (Vec::new(), Vec::new());
        for (server, input) in inputs.iter().enumerate() {
            let prepared =
                self.vdaf
                    .verify_init(&VERIFY_KEY, CONTEXT, server, &(), &NONCE, public, input);
            let (state, share) = prepared.unwrap();
            states.push(state);
            shares.push(share);
        }
        let mut exchanged: usize = shares.iter().map(|s| s.get_encoded().unwrap().len()).sum();
        let message = self
            .vdaf
            .verifier_shares_to_message(CONTEXT, &(), shares)
            .unwrap();
        exchanged += message.get_encoded().unwrap().len();
        let finish = |state| match self.vdaf.verify_next(CONTEXT, state, message.clone()) {
            Ok(VerifyTransition::Finish(share)) => share,
            _ => unreachable!("an honest report is accepted in one round"),
        };
        (states.into_iter().map(finish).collect(), exchanged)
    }

    /// Bytes: public share, leader's share, helper's share, between the servers.
    fn sizes(&self) -> [usize; 4] {
        let bytes = self.shard();
        [
            bytes[0].len(),
            bytes[1].len(),
            bytes[2].len(),
            self.verified().1,
        ]
    }
}

/// Two ciphertexts under one key.
struct Paillier {
    key: EncryptionKey,
    first: Integer,
    second: Integer,
}

/// Fixed safe primes: the time is the same with all of this length, and finding them takes minutes.
const PRIMES: [&str; 2] = [
    "EAFD9115C792C283BA8A3C79AA0A0F7705E9898CE4FD8695894BF3A1ED070D67F9AC3CE78F898C21\
     ABDB64D7B40F25A1991DB8415650D9E3EEEF596043F95701666DA82656DD0171085D684C83159E2F\
     66203A70EBA5118030F03ED1F212B917F898811257C4FC70279649F3868B82932EB7244E73FC9FEA\
     ADAD5F6D70AF0353",
    "D2E91F3DD5F3FE5A822EB779168AB191DD1300726BECF5905B8C1517C209EA80AFF1962882C47B82\
     3B4E81D29DC67AE439A21A540D7806A990923C47C5256770C181B0C7695569121E40168FC6460EA6\
     988F9B4E4030CBFD3EA5C700C128DCD899C6328613C4372DCADB05BE737C4C7237D420DE3C32D263\
     90FC63D284FE8D2F",
];

impl Paillier {
    fn new() -> Self {
        let [p, q] = PRIMES.map(|prime| Integer::from_str_radix(prime, 16).unwrap());
        let decryption = DecryptionKey::from_primes(p, q).unwrap();
        let key = decryption.encryption_key().clone();
        let value = Integer::from_bytes_msf(&READING.to_be_bytes());
        let encrypt = |random: u8| {
            let nonce = Integer::from_bytes_msf(&[random; 255]);
            key.encrypt_with(&value, &nonce).unwrap()
        };
        let (first, second) = (encrypt(17), encrypt(19));
        let sum = decryption.decrypt(&key.oadd(&first, &second).unwrap());
        let expected = Integer::from_bytes_msf(&(2 * READING).to_be_bytes());
        assert_eq!(sum.unwrap(), expected, "not the sum of the readings");
        Self { key, first, second }
    }

    /// Without the key's secret, which a gateway must not have.
    fn encrypt(&self, random: &[u8]) -> Integer {
        let value = Integer::from_bytes_msf(&READING.to_be_bytes());
        let nonce = Integer::from_bytes_msf(random);
        self.key.encrypt_with(&value, &nonce).unwrap()
    }

    fn add(&self) -> Integer {
        self.key.oadd(&self.first, &self.second).unwrap()
    }
}
