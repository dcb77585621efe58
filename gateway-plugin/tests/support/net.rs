//! A net in memory: the provider's state machine and companions of the gateway under test.

use std::collections::BTreeMap;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::gateway::{self, Gateway, GatewayState, Output, Policy, Request};
use dcnet_protocol::membership::witness::Quorum;
use dcnet_protocol::message::{Delivery, Inbox, Message, Receipt, SignedReceipt};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::provider::{
    self, Order, OrderRefusal, OrderTaken, Provider, Record, Refusal, Reply, RoundOutcome,
};
use dcnet_protocol::roster::{MemberBits, Roster};
use dcnet_protocol::round::{Round, Schedule, UnixTime};
use dcnet_protocol::signature::{Signed, SigningKey};
use dcnet_protocol::superposition::Reading;

use super::pki::{Authority, new_key, signing_key};
use super::rng::Seeded;

/// What a net is like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Members beside the gateway under test.
    pub companions: usize,
    /// Interval, submission and correction window in seconds.
    pub lengths: [u32; 3],
    pub mode: CorrectionMode,
    pub epoch_length: u32,
}

impl Shape {
    pub const fn resend(companions: usize, lengths: [u32; 3]) -> Self {
        Self {
            companions,
            lengths,
            mode: CorrectionMode::Resend,
            epoch_length: 1,
        }
    }

    pub const fn double_mask(companions: usize, lengths: [u32; 3]) -> Self {
        Self {
            mode: CorrectionMode::DoubleMask,
            ..Self::resend(companions, lengths)
        }
    }
}

/// What a provider does to the house that it must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Shows it a first roster without companion 0, then the one that everybody sees.
    TwoRosters,
    /// Gives it receipts that somebody else has signed.
    ForeignReceipts,
    /// Shows it a first roster without itself, for whose frame it has given a receipt.
    WithoutTheHouse,
    /// The first member that it drew is another than the draw list has.
    ForgedLeaf,
    /// The first member that it drew is not shown to it.
    WithheldLeaf,
    /// Nothing of the list that it drew from is shown to it.
    NoList,
    /// Shows it a draw list from long ago.
    OldList,
    /// Shows it a membership log that is shorter than what it knows.
    ShorterLog,
    /// Proves nothing of the log to it but in the second quarter of a submission window and later in it:
    /// slow, and no lie.
    LateProof,
    /// Shows it another membership log than everybody else from this entry on, and does not relay what
    /// it says of it.
    Fork { at: u64 },
}

pub struct Net {
    key: SigningKey,
    pub lie: Option<Lie>,
    /// Method and path of what came in over the network, and when.
    pub requests: Vec<(UnixTime, String)>,
    pub descriptor: NetDescriptor,
    pub schedule: Schedule,
    provider: Provider,
    inboxes: BTreeMap<ClientId, Vec<Delivery>>,
    companions: Vec<Gateway>,
    pub outcomes: Vec<RoundOutcome>,
    /// Every frame of notifications 4 to 7 that came in over the network, whatever became of it.
    pub seen: Vec<(ClientId, Notification, Round, Vec<u8>)>,
    /// Companions that send nothing.
    pub dead: Vec<usize>,
    /// Time of this net, if it is not the system's.
    time: Option<UnixTime>,
    rng: Seeded,
}

/// Each companion reads this in every round: advance and power.
pub const COMPANION: [i64; 2] = [1_000_000, 1_000];

impl Net {
    pub fn new(authority: &Authority, shape: Shape) -> Self {
        Self::with_time(authority, shape, None)
    }

    /// A net whose time passes with [`Self::advance`] only.
    pub fn at(authority: &Authority, shape: Shape, start: UnixTime) -> Self {
        Self::with_time(authority, shape, Some(start))
    }

    fn with_time(authority: &Authority, shape: Shape, time: Option<UnixTime>) -> Self {
        let key = signing_key(&new_key());
        let [interval_s, submit_window_s, correction_window_s] = shape.lengths;
        let descriptor = NetDescriptor::new(NetParameters {
            version: 1,
            net: "bench".parse().unwrap(),
            region: b"test".to_vec(),
            interval_s,
            submit_window_s,
            correction_window_s,
            slots: vec![
                SlotSpec {
                    obis: [1, 0, 1, 8, 0, 255],
                    unit: 30,
                    scale: -1,
                },
                SlotSpec {
                    obis: [1, 0, 16, 7, 0, 255],
                    unit: 27,
                    scale: 0,
                },
            ],
            min_size: 4,
            out_degree: 8,
            threshold: 5,
            max_loss_permille: 200,
            correction_mode: shape.mode,
            epoch_length: shape.epoch_length,
            provider_key: key.verifying_key().to_sec1(),
            ca_fingerprint: authority.anchor().fingerprint(),
        })
        .unwrap();
        let setup = provider::Setup {
            descriptor: descriptor.clone(),
            key: key.clone(),
            anchor: authority.anchor(),
        };
        let mut rng = Seeded(time.map_or_else(|| now().millis(), |_| 1));
        let companions = (0..shape.companions)
            .map(|number| {
                let name = format!("companion-{number}");
                let issued = authority.statement(&name);
                let setup = gateway::Setup {
                    descriptor: descriptor.clone(),
                    client: name.parse().unwrap(),
                    key: signing_key(&issued.key),
                    chain: vec![issued.certificate.der().to_vec()],
                    anchor: authority.anchor(),
                    policy: Policy {
                        min_size: 4,
                        allow_resend: true,
                        witnesses: Quorum::default(),
                    },
                };
                let state = GatewayState::fresh(time.unwrap_or_else(now), &mut rng);
                Gateway::new(setup, state).unwrap()
            })
            .collect();
        Self {
            key,
            lie: None,
            requests: Vec::new(),
            schedule: descriptor.schedule(),
            provider: Provider::new(setup).unwrap(),
            descriptor,
            inboxes: BTreeMap::new(),
            companions,
            outcomes: Vec::new(),
            seen: Vec::new(),
            dead: Vec::new(),
            time,
            rng,
        }
    }

    pub fn now(&self) -> UnixTime {
        self.time.unwrap_or_else(now)
    }

    pub fn advance(&mut self, millis: u64) {
        self.time = self.time.map(|time| time.plus_millis(millis));
    }

    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// What a gateway posted.
    pub fn post(&mut self, input: provider::Input) -> Result<Reply, Refusal> {
        if let (Some(Lie::Fork { .. }), provider::Input::Envelope { from, .. }) = (self.lie, &input)
            && from.as_str() == "house"
        {
            return Ok(Reply::Relayed);
        }
        let handled = self.provider.handle(self.now(), input);
        self.apply(handled.records);
        handled.reply.expect("a reply to a post")
    }

    /// What the provider's operator wants.
    pub fn order(&mut self, order: Order) -> Result<OrderTaken, OrderRefusal> {
        let ordered = self.provider.order(self.now(), order);
        self.apply(ordered.records);
        ordered.answer
    }

    /// A receipt as the provider gives it.
    pub fn sign(&self, receipt: Receipt) -> SignedReceipt {
        self.provider.sign_receipts(vec![receipt]).pop().unwrap()
    }

    /// A receipt as the house is given it.
    pub fn sign_for_the_house(&self, receipt: Receipt) -> SignedReceipt {
        if self.lie == Some(Lie::ForeignReceipts) {
            let key = signing_key(&new_key());
            let mut signed = SignedReceipt::sign(vec![receipt], &self.descriptor, &key);
            return signed.pop().unwrap();
        }
        self.sign(receipt)
    }

    /// The first roster of `round` behind step `after`, as `client` is shown it.
    pub fn roster(&self, client: ClientId, round: Round, after: u8) -> Option<Signed<Roster>> {
        let genuine = self.provider.roster(round, after).cloned();
        match self.lie.filter(|_| client.as_str() == "house") {
            Some(lie @ (Lie::TwoRosters | Lie::WithoutTheHouse)) if after == 0 => {
                genuine.map(|genuine| self.forged(lie, &genuine))
            }
            Some(Lie::TwoRosters | Lie::WithoutTheHouse) => self.provider.roster(round, 0).cloned(),
            _ => genuine,
        }
    }

    /// A first roster that leaves somebody out.
    fn forged(&self, lie: Lie, genuine: &Signed<Roster>) -> Signed<Roster> {
        let roster = genuine.unverified();
        let epoch = self.provider.epoch_at(roster.round()).unwrap();
        let without = match lie {
            Lie::TwoRosters => companion(0),
            _ => "house".parse().unwrap(),
        };
        let mut present = MemberBits::none(epoch.members.len());
        for (index, member) in epoch.members.iter().enumerate() {
            if member.client != without {
                present.insert(index);
            }
        }
        let contributors = present.count();
        let (head, round) = (epoch.head(), roster.round());
        let forged = Roster::new(
            &self.descriptor,
            &head,
            round,
            (1, false),
            present,
            contributors,
        );
        self.key.sign(forged.unwrap())
    }

    pub fn inbox(&mut self, client: ClientId, after: u64) -> Inbox {
        let inbox = self.inboxes.entry(client).or_default();
        let deliveries: Vec<_> = inbox
            .iter()
            .filter(|delivery| delivery.sequence > after)
            .cloned()
            .collect();
        Inbox { deliveries }
    }

    /// Lets time pass: deadlines of the provider, whatever is due for the companions.
    pub fn tick(&mut self) {
        let handled = self.provider.handle(self.now(), provider::Input::Tick);
        self.apply(handled.records);
        for number in 0..self.companions.len() {
            if self.dead.contains(&number) {
                continue;
            }
            let client = companion(number);
            let after = self.companions[number].inbox_position();
            for delivery in self.inbox(client, after).deliveries {
                self.step(number, gateway::Input::Delivery(delivery));
            }
            self.step(number, gateway::Input::Poll);
            self.step(number, gateway::Input::Retry);
            let Some(round) = self.schedule.submitted_at(self.now()) else {
                continue;
            };
            let sealed = self.companions[number].last_sealed();
            let open = self.now() < self.schedule.submit_deadline(round);
            if open && sealed.is_none_or(|sealed| sealed < round) {
                let reading = Reading::new(COMPANION.to_vec()).ok();
                self.step(number, gateway::Input::Submit { round, reading });
            }
        }
    }

    fn step(&mut self, number: usize, input: gateway::Input) {
        let client = companion(number);
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = self.now();
            for output in self.companions[number].handle(now, input, &mut self.rng) {
                let Output::Send(request) = output else {
                    continue;
                };
                inputs.extend(self.ask(client, request));
            }
        }
    }

    fn ask(&mut self, from: ClientId, request: Request) -> Option<gateway::Input> {
        match request {
            Request::Frame {
                notification,
                bytes,
                ..
            } => Some(match self.post(provider::Input::Frame { from, bytes }) {
                Ok(Reply::Receipt(receipt)) => {
                    gateway::Input::Accepted(Box::new(self.sign(receipt)))
                }
                Ok(Reply::Relayed) => return None,
                Err(refusal) => {
                    let slug = refusal.slug().to_owned();
                    gateway::Input::Refused { notification, slug }
                }
            }),
            Request::Envelope(envelope) => {
                let bytes = envelope.encode();
                self.post(provider::Input::Envelope { from, bytes }).ok()?;
                Some(gateway::Input::Relayed(envelope.header().clone()))
            }
            Request::DrawList { from: known } => {
                let view = self.draw_list(from, known).ok()?;
                Some(gateway::Input::DrawList(Box::new(view)))
            }
            Request::Listed { list, at } => {
                let members = self.listed(from, list, &at).ok()?;
                Some(gateway::Input::Listed(Box::new(members)))
            }
            Request::LogProof { index, from: known } => {
                let proof = self.log_proof(from, index, known).ok()?;
                Some(gateway::Input::LogProof(Box::new(proof)))
            }
            Request::CommonLog { small, large } => {
                let common = self.common_log(small, large).ok()?;
                Some(gateway::Input::CommonLog(Box::new(common)))
            }
            Request::Package(client) => {
                let package = self.provider.package(&client)?.clone();
                Some(gateway::Input::Package(Box::new(package)))
            }
            Request::Roster { round, after } => {
                let roster = self.roster(from, round, after)?;
                Some(gateway::Input::Roster(Box::new(roster)))
            }
        }
    }

    fn apply(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Deliver { to, message } => {
                    let inbox = self.inboxes.entry(to).or_default();
                    let sequence = inbox.last().map_or(1, |last| last.sequence + 1);
                    let message = Message::decode(&message).unwrap();
                    inbox.push(Delivery { sequence, message });
                }
                Record::Outcome(outcome) => self.outcomes.push(*outcome),
                _ => {} // the state machine itself remembers
            }
        }
    }
}

pub fn now() -> UnixTime {
    dcnet_gateway::clock::Clock::system().now()
}

fn companion(number: usize) -> ClientId {
    format!("companion-{number}").parse().unwrap()
}
