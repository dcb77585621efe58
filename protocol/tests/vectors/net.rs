//! The gateway itself against the vectors: five gateways with the vectors' keys join, are told the
//! vectors' epoch, seal the vectors' round, and every word must be the reference's.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::gateway::{Gateway, GatewayState, Input, Output, Policy, Request, Setup};
use dcnet_protocol::key_agreement::{KeyPackage, SignedKeyPackage};
use dcnet_protocol::message::{
    Correction, Delivery, Manifest, MemberList, MemberSummary, Message, Receipt, frame_hash,
};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Epoch, Round, UnixTime};
use dcnet_protocol::signature::SigningKey;
use dcnet_protocol::superposition::Reading;
use rand_chacha::ChaCha20Rng;
use rand_core::{SeedableRng as _, TryCryptoRng, TryRng};
use serde_json::Value;

use crate::group::{Vector, load, numbers};

/// Gives out the bytes of one key.
struct KeyBytes(Vec<u8>);

impl TryRng for KeyBytes {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(
            self.0.drain(..4).collect::<Vec<_>>().try_into().unwrap(),
        ))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(
            self.0.drain(..8).collect::<Vec<_>>().try_into().unwrap(),
        ))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.copy_from_slice(&self.0.drain(..to.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl TryCryptoRng for KeyBytes {}

/// Five gateways and what lies between them, without a provider's rules.
struct Net {
    descriptor: NetDescriptor,
    provider_key: SigningKey,
    gateways: BTreeMap<ClientId, Gateway>,
    packages: BTreeMap<ClientId, SignedKeyPackage>,
    list: MemberList,
    sequence: u64,
    rng: ChaCha20Rng,
    /// Frames of notifications 4 and 5, as sent.
    sent: Vec<Frame>,
}

fn accepted(group: &str, name: &str) -> Vector {
    load(group)
        .into_iter()
        .find(|vector| vector.accepted && vector.name == name)
        .unwrap()
}

impl Net {
    fn new() -> Self {
        let descriptor = accepted("descriptor", "quarter hours, three slots").bytes("encoded");
        let descriptor = NetDescriptor::decode(&descriptor).unwrap();
        let provider_key = accepted("manifests", "plain").array("signing_scalar");
        let provider_key = SigningKey::from_scalar(&provider_key).unwrap();
        assert_eq!(provider_key.verifying_key(), *descriptor.provider_key());
        let mut net = Self {
            descriptor,
            provider_key,
            gateways: BTreeMap::new(),
            packages: BTreeMap::new(),
            list: MemberList::default(),
            sequence: 0,
            rng: ChaCha20Rng::from_seed([7; 32]),
            sent: Vec::new(),
        };
        for vector in load("key-packages")
            .iter()
            .filter(|v| v.accepted && v.has("agreement_secret"))
        {
            net.add(vector);
        }
        let summaries = net.packages.iter().map(|(client, package)| {
            let KeyPackage { serial, .. } = *package.unverified();
            MemberSummary {
                client: *client,
                serial,
                package: package.unverified().hash(),
            }
        });
        net.list = MemberList::new(summaries.collect());
        net
    }

    fn add(&mut self, vector: &Vector) {
        let package = SignedKeyPackage::decode(&vector.bytes("encoded")).unwrap();
        let client = package.unverified().client;
        let setup = Setup {
            descriptor: self.descriptor.clone(),
            client,
            key: SigningKey::from_scalar(&vector.array("statement_scalar")).unwrap(),
            chain: package.chain().map(<[u8]>::to_vec).collect(),
            anchor: TrustAnchor::from_der(&vector.bytes("anchor")).unwrap(),
            policy: Policy {
                min_size: 4,
                allow_resend: true,
            },
        };
        // The time becomes the package's serial, which is 1 in the vectors.
        let mut key = KeyBytes(vector.bytes("agreement_secret"));
        let state = GatewayState::fresh(UnixTime::from_millis(1), &mut key);
        self.gateways
            .insert(client, Gateway::new(setup, state).unwrap());
        self.packages.insert(client, package);
    }

    /// Gives `input` to `client` and carries out what follows from it, there and elsewhere.
    fn give(&mut self, now: UnixTime, client: ClientId, input: Input) {
        let mut inputs = VecDeque::from([(client, input)]);
        while let Some((client, input)) = inputs.pop_front() {
            let gateway = self.gateways.get_mut(&client).unwrap();
            for output in gateway.handle(now, input, &mut self.rng) {
                match output {
                    Output::Persist(_) => {}
                    Output::Report(report) => {
                        let text = format!("{report:?}");
                        assert!(
                            !text.contains("Refused") && !text.contains("Fault"),
                            "{client}: {text}"
                        );
                    }
                    Output::Send(request) => inputs.extend(self.send(client, request)),
                }
            }
        }
    }

    fn send(&mut self, from: ClientId, request: Request) -> Vec<(ClientId, Input)> {
        match request {
            Request::Members => vec![(from, Input::Members(self.list.clone()))],
            Request::Package(client) => {
                vec![(
                    from,
                    Input::Package(Box::new(self.packages[&client].clone())),
                )]
            }
            Request::Envelope(envelope) => {
                let header = envelope.header().clone();
                let delivery = self.delivery(Message::Envelope(envelope));
                vec![
                    (from, Input::Relayed(header.clone())),
                    (header.to, delivery),
                ]
            }
            Request::Frame {
                notification,
                bytes,
                ..
            } => {
                let frame = Frame::decode(&bytes).unwrap();
                let receipt = Receipt {
                    net: frame.header().net,
                    client: from,
                    epoch: frame.header().epoch,
                    round: frame.header().round,
                    notification,
                    frame_hash: frame_hash(&bytes),
                };
                if let FrameBody::Register { package, .. } = frame.body() {
                    assert_eq!(
                        **package, self.packages[&from],
                        "the package is the reference's"
                    );
                }
                if matches!(notification, Notification::Transmit | Notification::Resend) {
                    self.sent.push(frame);
                }
                vec![(from, Input::Accepted(receipt))]
            }
        }
    }

    fn delivery(&mut self, message: Message) -> Input {
        self.sequence += 1;
        Input::Delivery(Delivery {
            sequence: self.sequence,
            message,
        })
    }

    fn everybody(&self) -> ClientSet {
        self.gateways.keys().copied().collect()
    }

    /// Joins all, and puts the complete graph in force for `round`.
    fn start(&mut self, epoch: Epoch, round: Round) {
        let schedule = self.descriptor.schedule();
        let before = schedule.start(round);
        for client in &self.everybody() {
            self.give(before, *client, Input::Join);
        }
        for client in &self.everybody() {
            self.give(before, *client, Input::Poll);
            let manifest = self.provider_key.sign(Manifest {
                net: self.descriptor.net(),
                descriptor: self.descriptor.hash(),
                client: *client,
                epoch,
                first_round: round,
                members: 5,
                neighbours: self
                    .everybody()
                    .iter()
                    .filter(|peer| *peer != client)
                    .copied()
                    .collect(),
            });
            let delivery = self.delivery(Message::Manifest(manifest));
            self.give(before, *client, delivery);
        }
    }

    /// Seals what the vector's members read; those in `missing` are silent.
    fn submit(&mut self, round: Round, vector: &Vector, missing: &ClientSet) {
        let now = self.descriptor.schedule().border(round);
        for member in vector.get("members").as_array().unwrap() {
            let client = member["client"].as_str().unwrap().parse().unwrap();
            if missing.contains(&client) {
                continue;
            }
            let values = member["reading"].as_array().map(|values| {
                values
                    .iter()
                    .map(|value| value.as_str().unwrap().parse().unwrap())
                    .collect()
            });
            let reading = values.map(|values| Reading::new(values).unwrap());
            self.give(now, client, Input::Submit { round, reading });
        }
    }

    /// Compares the frames sent since the last call with the vector's `field`.
    fn compare(&mut self, vector: &Vector, field: &str) -> usize {
        let sent = std::mem::take(&mut self.sent);
        let count = sent.len();
        for frame in sent {
            let member = |member: &&Value| member["client"] == frame.header().client.as_str();
            let member = vector
                .get("members")
                .as_array()
                .unwrap()
                .iter()
                .find(member)
                .unwrap();
            assert_eq!(frame.header().epoch.number(), vector.number("epoch"));
            assert_eq!(frame.header().round.number(), vector.number("round"));
            assert_eq!(frame.header().transmission, !member["reading"].is_null());
            let (FrameBody::Transmit(words) | FrameBody::Resend { words, .. }) = frame.body()
            else {
                panic!("not a frame with words");
            };
            let name = &vector.name;
            assert_eq!(
                words.to_stored(),
                numbers(&member[field]),
                "{name}: {}",
                frame.header().client
            );
        }
        count
    }
}

/// Vectors that are nets of the five gateways above with three slots and all edges.
fn nets(group: &str) -> Vec<Vector> {
    let descriptor = accepted("descriptor", "quarter hours, three slots");
    let fits = |vector: &Vector| {
        let members = vector.get("members").as_array().unwrap();
        vector.accepted
            && vector.number("slots") == 3
            && vector.get("descriptor") == descriptor.get("hash")
            && members.len() == 5
            && members
                .iter()
                .all(|member| member["neighbours"].as_array().unwrap().len() == 4)
    };
    load(group)
        .into_iter()
        .filter(|vector| vector.has("members") && fits(vector))
        .collect()
}

#[test]
fn gateways_seal_the_frames_of_the_reference() {
    let vectors = nets("superpositions");
    assert!(vectors.len() >= 2);
    for vector in vectors {
        let (epoch, round) = (
            Epoch::new(vector.number("epoch")),
            Round::new(vector.number("round")),
        );
        let mut net = Net::new();
        net.start(epoch, round);
        net.submit(round, &vector, &ClientSet::default());
        assert_eq!(net.compare(&vector, "masked"), 5, "{}", vector.name);
    }
}

#[test]
fn gateways_correct_as_the_reference() {
    let vectors = nets("corrected-superpositions");
    assert!(vectors.len() >= 2);
    for vector in vectors {
        let (epoch, round) = (
            Epoch::new(vector.number("epoch")),
            Round::new(vector.number("round")),
        );
        let missing = names_in(vector.get("missing"));
        let mut net = Net::new();
        net.start(epoch, round);
        net.submit(round, &vector, &missing);
        assert_eq!(net.compare(&vector, "masked"), 4, "{}", vector.name);
        let request = net.provider_key.sign(Correction {
            net: net.descriptor.net(),
            descriptor: net.descriptor.hash(),
            epoch,
            round,
            missing: missing.clone(),
        });
        let now = net.descriptor.schedule().submit_deadline(round);
        for client in net
            .everybody()
            .iter()
            .filter(|client| !missing.contains(client))
        {
            let delivery = net.delivery(Message::Correction(request.clone()));
            net.give(now, *client, delivery);
        }
        assert_eq!(net.compare(&vector, "corrected"), 4, "{}", vector.name);
    }
}

fn names_in(names: &Value) -> ClientSet {
    let parse = |name: &Value| name.as_str().unwrap().parse::<ClientId>().unwrap();
    names.as_array().unwrap().iter().map(parse).collect()
}
