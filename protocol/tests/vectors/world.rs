//! Five gateways with the vectors' keys, and what lies between them. Whoever uses it plays the
//! provider: nothing here checks anything.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::envelope::Envelope;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::gateway::{
    Gateway, GatewayState, Input, Output, Policy, Report, Request, Setup,
};
use dcnet_protocol::key_agreement::{Agreement, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::edge::{EdgeEnd, EdgeSet};
use dcnet_protocol::membership::epoch_head::{EpochHead, MemberLeaf, MemberTree};
use dcnet_protocol::membership::log::{Log, LogEntry};
use dcnet_protocol::membership::proof::{
    CommonLog, DrawListView, ListedMember, ListedMembers, LogProof,
};
use dcnet_protocol::membership::witness::{Cosignatures, Quorum};
use dcnet_protocol::message::{
    Correction, Delivery, Manifest, ManifestEdge, MemberList, MemberSummary, Message, Receipt,
    Role, SignedReceipt, frame_hash,
};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Epoch, Round, Schedule, UnixTime};
use dcnet_protocol::signature::{Signed, SigningKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{SeedableRng as _, TryCryptoRng, TryRng};

use crate::group::{Vector, load};

/// Gives out certain bytes first, those of one key or seed, and then a fixed stream.
pub(crate) struct TestRng {
    pub(crate) first: Vec<u8>,
    then: ChaCha20Rng,
}

impl TestRng {
    fn new(first: Vec<u8>) -> Self {
        let then = ChaCha20Rng::from_seed([7; 32]);
        Self { first, then }
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let known = self.first.len().min(to.len());
        let (head, tail) = to.split_at_mut(known);
        head.copy_from_slice(&self.first.drain(..known).collect::<Vec<_>>());
        self.then.try_fill_bytes(tail)
    }
}

impl TryCryptoRng for TestRng {}

pub(crate) struct Net {
    pub(crate) descriptor: NetDescriptor,
    pub(crate) provider_key: SigningKey,
    pub(crate) gateways: BTreeMap<ClientId, Gateway>,
    /// What the provider shows when asked for a package, and as the member list.
    pub(crate) packages: BTreeMap<ClientId, SignedKeyPackage>,
    pub(crate) list: MemberList,
    /// Keys of the gateways' statements.
    pub(crate) statement_keys: BTreeMap<ClientId, SigningKey>,
    /// What the provider makes of an envelope on its way; nothing withholds it.
    pub(crate) relay: fn(&Envelope) -> Vec<Envelope>,
    /// Frames of notifications 4 and 5 in the order in which they were sent.
    pub(crate) sent: Vec<Frame>,
    /// The edges that the gateways stated last.
    pub(crate) stated: BTreeMap<ClientId, EdgeSet>,
    /// Packages with which the gateways registered.
    pub(crate) registered: BTreeMap<ClientId, KeyPackage>,
    /// What the gateways told their owners.
    pub(crate) reports: Vec<(ClientId, Report)>,
    /// The membership log: draw lists and epochs as they are shown.
    pub(crate) log: Log,
    /// What the provider makes of members that it shows out of a draw list.
    pub(crate) show: fn(ListedMember) -> Option<ListedMember>,
    now: UnixTime,
    sequence: u64,
    /// What all gateways draw from.
    pub(crate) rng: TestRng,
}

/// The vector of that name, which must be one that is accepted.
pub(crate) fn accepted(group: &str, name: &str) -> Vector {
    let mut vectors = load(group).into_iter();
    vectors
        .find(|vector| vector.accepted && vector.name == name)
        .unwrap()
}

/// The setup of the member of a vector of key packages that gives its private keys.
pub(crate) fn setup(descriptor: &NetDescriptor, vector: &Vector) -> (Setup, SignedKeyPackage) {
    let package = SignedKeyPackage::decode(&vector.bytes("encoded")).unwrap();
    let setup = Setup {
        descriptor: descriptor.clone(),
        client: package.unverified().client,
        key: SigningKey::from_scalar(&vector.array("statement_scalar")).unwrap(),
        chain: package.chain().map(<[u8]>::to_vec).collect(),
        anchor: TrustAnchor::from_der(&vector.bytes("anchor")).unwrap(),
        policy: Policy {
            min_size: 4,
            allow_resend: true,
            witnesses: Quorum::default(),
        },
    };
    (setup, package)
}

/// State with the agreement key of the vector.
pub(crate) fn state(vector: &Vector) -> GatewayState {
    // The time becomes the package's serial, which is 1 in the vectors.
    let mut key = TestRng::new(vector.bytes("agreement_secret"));
    GatewayState::fresh(UnixTime::from_millis(1), &mut key)
}

pub(crate) fn descriptor() -> NetDescriptor {
    let vector = accepted("descriptor", "quarter hours, three slots");
    NetDescriptor::decode(&vector.bytes("encoded")).unwrap()
}

/// The vectors of key packages that give private keys: the five members.
pub(crate) fn members() -> Vec<Vector> {
    let vectors = load("key-packages").into_iter();
    vectors
        .filter(|vector| vector.accepted && vector.has("agreement_secret"))
        .collect()
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::of(descriptor())
    }

    /// The same gateways in a net with other parameters.
    pub(crate) fn of(descriptor: NetDescriptor) -> Self {
        let provider_key = accepted("manifests", "plain").array("signing_scalar");
        let provider_key = SigningKey::from_scalar(&provider_key).unwrap();
        assert_eq!(provider_key.verifying_key(), *descriptor.provider_key());
        let log = Log::new(descriptor.net(), descriptor.hash());
        let mut net = Self {
            log,
            show: Some,
            now: UnixTime::from_millis(0),
            descriptor,
            provider_key,
            gateways: BTreeMap::new(),
            packages: BTreeMap::new(),
            list: MemberList::default(),
            statement_keys: BTreeMap::new(),
            relay: |envelope| vec![envelope.clone()],
            sent: Vec::new(),
            stated: BTreeMap::new(),
            registered: BTreeMap::new(),
            reports: Vec::new(),
            sequence: 0,
            rng: TestRng::new(Vec::new()),
        };
        for vector in members() {
            let (setup, package) = setup(&net.descriptor, &vector);
            let client = setup.client;
            let package = KeyPackage {
                descriptor: net.descriptor.hash(),
                ..package.unverified().clone()
            };
            let package = SignedKeyPackage::sign(package, &setup.chain, &setup.key);
            net.statement_keys.insert(client, setup.key.clone());
            net.gateways
                .insert(client, Gateway::new(setup, state(&vector)).unwrap());
            net.packages.insert(client, package);
        }
        let summaries = net.packages.values().map(|package| {
            let body = package.unverified();
            MemberSummary {
                client: body.client,
                serial: body.serial,
                package: body.hash(),
            }
        });
        net.list = MemberList::new(summaries.collect());
        net
    }

    pub(crate) fn everybody(&self) -> ClientSet {
        self.gateways.keys().copied().collect()
    }

    pub(crate) fn others(&self, client: ClientId) -> ClientSet {
        self.gateways
            .keys()
            .filter(|peer| **peer != client)
            .copied()
            .collect()
    }

    /// The ends of `own`'s edges to `clients`: as it stated them, or else with an agreement that follows
    /// from the packages that the provider shows, at both ends the same.
    pub(crate) fn ends(&self, own: ClientId, clients: &ClientSet) -> EdgeSet {
        let end = |client: &ClientId| {
            let stated = self.stated.get(&own).and_then(|edges| edges.get(client));
            stated.unwrap_or_else(|| {
                let hash = |client| *self.packages[client].unverified().hash().as_bytes();
                let mut both = hash(&own);
                both.iter_mut().zip(hash(client)).for_each(|(x, y)| *x ^= y);
                EdgeEnd {
                    client: *client,
                    agreement: Agreement::from_bytes(both),
                }
            })
        };
        clients.iter().map(end).collect()
    }

    pub(crate) fn schedule(&self) -> Schedule {
        self.descriptor.schedule()
    }

    /// Gives `input` to `client` and carries out what follows from it, there and elsewhere.
    pub(crate) fn give(&mut self, now: UnixTime, client: ClientId, input: Input) {
        self.now = now;
        let mut inputs = VecDeque::from([(client, input)]);
        while let Some((client, input)) = inputs.pop_front() {
            let gateway = self.gateways.get_mut(&client).unwrap();
            for output in gateway.handle(now, input, &mut self.rng) {
                match output {
                    Output::Persist(_) => {}
                    Output::Report(report) => self.reports.push((client, report)),
                    Output::Send(request) => inputs.extend(self.answer(client, request)),
                }
            }
        }
    }

    fn answer(&mut self, from: ClientId, request: Request) -> Vec<(ClientId, Input)> {
        match request {
            Request::DrawList { from: size } => {
                let view = self.draw_list(from, size);
                vec![(from, Input::DrawList(Box::new(view)))]
            }
            Request::Listed { list, at } => {
                let members = self.listed(list, &at);
                vec![(from, Input::Listed(Box::new(members)))]
            }
            Request::CommonLog { small, large } => {
                let path = |size| self.log.consistency(size).unwrap();
                let common = CommonLog {
                    checkpoint: self.log.head(&self.provider_key),
                    small,
                    small_path: path(small),
                    large,
                    large_path: path(large),
                };
                vec![(from, Input::CommonLog(Box::new(common)))]
            }
            Request::LogProof { index, from: size } => {
                let proof = self.log_proof(index, size);
                vec![(from, Input::LogProof(Box::new(proof)))]
            }
            Request::Package(client) => {
                vec![(
                    from,
                    Input::Package(Box::new(self.packages[&client].clone())),
                )]
            }
            // Rosters are shown by the tests.
            Request::Roster { .. } => Vec::new(),
            Request::Envelope(envelope) => {
                let header = envelope.header().clone();
                let relayed = (from, Input::Relayed(header.clone()));
                let arrived = (self.relay)(&envelope).into_iter();
                let arrived: Vec<_> = arrived
                    .map(|envelope| (header.to, self.delivery(Message::Envelope(envelope))))
                    .collect();
                std::iter::once(relayed).chain(arrived).collect()
            }
            Request::Frame {
                notification,
                bytes,
                ..
            } => {
                let frame = Frame::decode(&bytes).unwrap();
                let header = frame.header();
                let receipt = Receipt {
                    net: header.net,
                    descriptor: header.descriptor,
                    client: from,
                    epoch: header.epoch,
                    round: header.round,
                    notification,
                    frame_hash: frame_hash(&bytes),
                };
                if let FrameBody::Register { package, .. } = frame.body() {
                    let sent = package.unverified();
                    self.registered.insert(from, sent.clone());
                }
                if let FrameBody::Entered(statement) = frame.body() {
                    let edges = statement.unverified().neighbours.clone();
                    self.stated.insert(from, edges);
                }
                if notification >= Notification::Resend {
                    self.sent.push(frame);
                }
                let mut signed =
                    SignedReceipt::sign(vec![receipt], &self.descriptor, &self.provider_key);
                vec![(from, Input::Accepted(Box::new(signed.remove(0))))]
            }
        }
    }

    /// Appends an entry, unless the last one is the same.
    pub(crate) fn append(&mut self, entry: &LogEntry) -> u64 {
        let last = self.log.len().checked_sub(1);
        let encoded = entry.encode();
        match last {
            Some(last) if self.log.entry(last) == Some(&encoded) => last,
            _ => self.log.append(entry),
        }
    }

    pub(crate) fn log_proof(&self, index: u64, from: u64) -> LogProof {
        LogProof {
            checkpoint: self.log.head(&self.provider_key),
            cosignatures: Cosignatures::default(),
            from,
            consistency: self.log.consistency(from).unwrap_or_default(),
            index,
            entry: LogEntry::decode(self.log.entry(index).unwrap()).unwrap(),
            inclusion: self.log.inclusion(index).unwrap(),
        }
    }

    pub(crate) fn tree(&self) -> MemberTree {
        let leaf = |summary: &MemberSummary| MemberLeaf {
            client: summary.client,
            package: summary.package,
        };
        MemberTree::new(self.list.as_slice().iter().map(leaf).collect()).unwrap()
    }

    pub(crate) fn draw_list(&mut self, client: ClientId, from: u64) -> DrawListView {
        let tree = self.tree();
        let round = self.schedule().round_at(self.now);
        let index = self.append(&LogEntry::DrawList(tree.draw_list(round)));
        let own_index = tree.index_of(&client).unwrap_or(0);
        DrawListView {
            proof: self.log_proof(index, from),
            own_index,
            own_path: tree.inclusion(own_index).unwrap(),
        }
    }

    pub(crate) fn listed(&self, list: u64, at: &[u32]) -> ListedMembers {
        let tree = self.tree();
        let members = at.iter().filter_map(|index| {
            let leaf = *tree.leaf(*index).unwrap();
            (self.show)(ListedMember {
                index: *index,
                leaf,
                path: tree.inclusion(*index).unwrap(),
                package: self.packages[&leaf.client].clone(),
            })
        });
        ListedMembers {
            list,
            members: members.collect(),
        }
    }

    pub(crate) fn delivery(&mut self, message: Message) -> Input {
        self.sequence += 1;
        Input::Delivery(Delivery {
            sequence: self.sequence,
            message,
        })
    }

    /// All join, in the interval metered as `round`.
    pub(crate) fn join(&mut self, round: Round) {
        let now = self.schedule().start(round);
        for client in &self.everybody() {
            self.give(now, *client, Input::Join);
        }
        for client in &self.everybody() {
            self.give(now, *client, Input::Poll);
        }
    }

    /// A manifest by the provider's key that names all others.
    pub(crate) fn manifest(&self, client: ClientId, epoch: u64, first_round: Round) -> Manifest {
        Manifest {
            net: self.descriptor.net(),
            descriptor: self.descriptor.hash(),
            client,
            head: self.head(epoch, first_round),
            log_index: 0,
            index: self.index(&client),
            neighbours: self.edges(client, &self.others(client)),
        }
    }

    pub(crate) fn head(&self, epoch: u64, first_round: Round) -> EpochHead {
        let leaf = |client: &ClientId| MemberLeaf {
            client: *client,
            package: self.packages[client].unverified().hash(),
        };
        let leaves = self.everybody().iter().map(leaf).collect();
        let tree = MemberTree::new(leaves).unwrap();
        tree.epoch_head(Epoch::new(epoch), first_round)
    }

    pub(crate) fn index(&self, client: &ClientId) -> u32 {
        let everybody = self.everybody();
        let index = everybody.iter().position(|other| other == client).unwrap();
        u32::try_from(index).unwrap()
    }

    /// Edges of `own` to `clients`, all drawn at both ends.
    pub(crate) fn edges(&self, own: ClientId, clients: &ClientSet) -> Vec<ManifestEdge> {
        let ends = self.ends(own, clients);
        let edge = |end: EdgeEnd| ManifestEdge {
            end,
            index: self.index(&end.client),
            role: Role {
                holder: true,
                dealer: true,
            },
        };
        ends.iter().map(edge).collect()
    }

    /// Signs it as it is, with its epoch in the log.
    pub(crate) fn announce(&mut self, mut manifest: Manifest) {
        manifest.log_index = self.append(&LogEntry::Epoch(manifest.head));
        let signed = self.provider_key.sign(manifest);
        self.announce_signed(signed);
    }

    pub(crate) fn announce_signed(&mut self, signed: Signed<Manifest>) {
        let Manifest {
            client,
            head: EpochHead { first_round, .. },
            ..
        } = *signed.unverified();
        let now = self.schedule().start(first_round);
        let delivery = self.delivery(Message::Manifest(signed));
        self.give(now, client, delivery);
    }

    /// A correction by the provider's key.
    pub(crate) fn correction(&self, epoch: u64, round: Round, missing: &ClientSet) -> Correction {
        Correction {
            net: self.descriptor.net(),
            descriptor: self.descriptor.hash(),
            epoch: Epoch::new(epoch),
            round,
            missing: missing.clone(),
        }
    }

    /// Asks `client` to resend when the submission window of the round has closed.
    pub(crate) fn ask(&mut self, client: ClientId, request: Correction) {
        let now = self.schedule().submit_deadline(request.round);
        let signed = self.provider_key.sign(request);
        let delivery = self.delivery(Message::Correction(signed));
        self.give(now, client, delivery);
    }
}
