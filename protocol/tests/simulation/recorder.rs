//! What reached the wire towards the provider, round by round, and what it can compute of it.
//!
//! Everything that a gateway sends counts, also what was lost on the way, came too late or was
//! refused. What is in it follows from the manifests and rosters that its sender was shown, read from
//! the messages themselves and not from the state machines.

use std::collections::{BTreeMap, BTreeSet};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor};
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::gateway::Outgoing;
use dcnet_protocol::message::{Manifest, Message, frame_hash};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::provider::{Record, RoundOutcome};
use dcnet_protocol::roster::{Roster, RosterHash};
use dcnet_protocol::round::Round;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::view::{Dealing, Seen, Verdict, View};

/// A frame of a round.
#[derive(Debug, Clone)]
struct Sight {
    notification: Notification,
    epoch: u64,
    /// The superposition in it, unless it is one of share keys.
    seen: Option<Seen>,
    dealing: Option<Dealing>,
    /// Whose share keys are in it.
    told: Vec<ClientId>,
    is_sent: bool,
    /// The provider has stored it.
    is_taken: bool,
}

#[derive(Debug, Clone, Default)]
struct Sights {
    frames: BTreeMap<(ClientId, [u8; 32]), Sight>,
    /// The rosters that each member has answered, in this order.
    chains: BTreeMap<ClientId, Vec<RosterHash>>,
}

/// How many rounds were judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) rounds: usize,
    pub(crate) with_corrupt: usize,
    /// The corrupt members alone take the net or a mask apart.
    pub(crate) hopeless: usize,
}

/// A recorder of one net.
pub(crate) struct Recorder {
    descriptor: NetDescriptor,
    manifests: BTreeMap<(ClientId, u64), Manifest>,
    rosters: Vec<Roster>,
    rounds: BTreeMap<Round, Sights>,
}

impl Recorder {
    pub(crate) fn new(descriptor: NetDescriptor) -> Self {
        Self {
            descriptor,
            manifests: BTreeMap::new(),
            rosters: Vec::new(),
            rounds: BTreeMap::new(),
        }
    }

    fn is_double_mask(&self) -> bool {
        self.descriptor.correction_mode() == CorrectionMode::DoubleMask
    }

    /// The provider has done this.
    pub(crate) fn recorded(&mut self, record: &Record) {
        match record {
            Record::Deliver { to, message } => {
                if let Ok(Message::Manifest(signed)) = Message::decode(message) {
                    assert_eq!(signed.unverified().client, *to);
                    self.announced(signed.unverified().clone());
                }
            }
            Record::Roster(roster) => self.shown(roster.roster.unverified()),
            _ => {}
        }
    }

    /// This manifest may be in force at its client.
    pub(crate) fn announced(&mut self, manifest: Manifest) {
        let key = (manifest.client, manifest.head.epoch.number());
        self.manifests.insert(key, manifest);
    }

    /// This roster may be answered.
    pub(crate) fn shown(&mut self, roster: &Roster) {
        self.rosters.push(roster.clone());
    }

    /// The manifest of `client` in an epoch.
    pub(crate) fn manifest(&self, client: ClientId, epoch: u64) -> &Manifest {
        &self.manifests[&(client, epoch)]
    }

    /// The manifests of those who are members in an epoch, ascending by client.
    pub(crate) fn members(&self, epoch: u64) -> impl Iterator<Item = &Manifest> {
        let all = self.manifests.values();
        all.filter(move |manifest| {
            manifest.head.epoch.number() == epoch && !manifest.neighbours.is_empty()
        })
    }

    fn roster(&self, hash: RosterHash) -> &Roster {
        let mut known = self.rosters.iter().rev();
        known.find(|roster| roster.hash() == hash).unwrap()
    }

    /// A gateway is about to send this.
    pub(crate) fn persisted(&mut self, client: ClientId, sending: &Outgoing) {
        let frame = Frame::decode(&sending.bytes).unwrap();
        assert_eq!(frame.header().client, client);
        assert_eq!(frame.header().round, sending.round);
        let sight = self.sight(&frame);
        let round = self.rounds.entry(sending.round).or_default();
        if let FrameBody::Pads { roster, .. } | FrameBody::Reveal { roster, .. } = frame.body() {
            let chain = round.chains.entry(client).or_default();
            assert!(!chain.contains(roster), "{client} answers a roster twice");
            chain.push(*roster);
        }
        let key = (client, frame_hash(&sending.bytes));
        round.frames.insert(key, sight);
    }

    /// What is in a frame that has just been made.
    fn sight(&self, frame: &Frame) -> Sight {
        let header = frame.header();
        let (client, epoch) = (header.client, header.epoch.number());
        let manifest = self.manifest(client, epoch);
        let edges = &manifest.neighbours;
        let neighbours = edges.iter().map(|edge| edge.end.client);
        let (mut seen, mut dealing, mut told) = (None, None, Vec::new());
        match frame.body() {
            FrameBody::Transmit { mask, .. } => {
                let whole = Seen::frame(client, epoch, neighbours);
                let whole = if mask.is_some() {
                    whole.masked()
                } else {
                    whole
                };
                seen = Some(with_reading(whole, header.transmission));
                dealing = mask.as_ref().map(|mask| {
                    let holders = edges.iter().filter(|edge| edge.role.holder);
                    let holders: BTreeSet<_> = holders.map(|edge| edge.end.client).collect();
                    assert_eq!(mask.shares.len(), holders.len());
                    let threshold = mask.threshold.into();
                    Dealing { threshold, holders }
                });
            }
            FrameBody::Resend { missing, .. } => {
                let rest = Seen::frame(client, epoch, neighbours).without(missing.iter());
                let rest = if self.is_double_mask() {
                    rest.masked()
                } else {
                    rest
                };
                seen = Some(with_reading(rest, header.transmission));
            }
            FrameBody::Pads { roster, .. } => {
                let chain = self.rounds.get(&header.round);
                let chain = chain.and_then(|round| round.chains.get(&client));
                let before = chain.and_then(|chain| chain.last());
                let before = before.map(|hash| self.roster(*hash).present().clone());
                let present = self.roster(*roster).present();
                let gone = edges.iter().filter(|edge| {
                    let index = usize::try_from(edge.index).unwrap();
                    before.as_ref().is_none_or(|before| before.contains(index))
                        && !present.contains(index)
                });
                seen = Some(Seen::pads(client, epoch, gone.map(|edge| edge.end.client)));
            }
            FrameBody::Reveal { roster, keys } => {
                let present = self.roster(*roster).present();
                let dealers = edges.iter().filter(|edge| edge.role.dealer);
                told = dealers
                    .filter(|edge| present.contains(usize::try_from(edge.index).unwrap()))
                    .map(|edge| edge.end.client)
                    .collect();
                assert_eq!(told.len(), keys.len());
            }
            _ => panic!("not a frame of a round"),
        }
        Sight {
            notification: frame.notification(),
            epoch,
            seen,
            dealing,
            told,
            is_sent: false,
            is_taken: false,
        }
    }

    /// This is on the wire. Frames of rounds are on the sender's disk before.
    pub(crate) fn sent(&mut self, client: ClientId, bytes: &[u8]) {
        let frame = Frame::decode(bytes).unwrap();
        let notification = frame.notification();
        if notification < Notification::Resend {
            return;
        }
        let round = frame.header().round;
        let known = self.rounds.get_mut(&round);
        let known = known.unwrap_or_else(|| panic!("{client} sends what it has not persisted"));
        let hash = frame_hash(bytes);
        if notification != Notification::Pads {
            let mut sent = known.frames.iter();
            let other = sent.find(|((of, other), sight)| {
                let same = *of == client && sight.notification == notification;
                same && sight.is_sent && *other != hash
            });
            assert!(
                other.is_none(),
                "{client} sends two different frames of round {round}"
            );
        }
        let sight = known.frames.get_mut(&(client, hash));
        let sight = sight.unwrap_or_else(|| panic!("{client} sends what it has not persisted"));
        sight.is_sent = true;
    }

    /// Towards whom pads are said to be in a frame.
    pub(crate) fn pads_in(
        &self,
        client: ClientId,
        round: Round,
        bytes: &[u8],
    ) -> &BTreeSet<ClientId> {
        let sight = &self.rounds[&round].frames[&(client, frame_hash(bytes))];
        &sight.seen.as_ref().unwrap().pads
    }

    /// The provider has stored this.
    pub(crate) fn taken(&mut self, client: ClientId, bytes: &[u8]) {
        let frame = Frame::decode(bytes).unwrap();
        let round = self.rounds.get_mut(&frame.header().round);
        if let Some(sight) = round.and_then(|r| r.frames.get_mut(&(client, frame_hash(bytes)))) {
            sight.is_taken = true;
        }
    }

    /// What the provider and the corrupt members saw of a round: of everything on the wire, or of what
    /// was stored only.
    pub(crate) fn view(
        &self,
        round: Round,
        min_size: usize,
        corrupt: &BTreeSet<ClientId>,
        stored_only: bool,
    ) -> View {
        let mut view = View::new(min_size, corrupt.iter().copied());
        let Some(sights) = self.rounds.get(&round) else {
            return view;
        };
        let frames = sights.frames.iter();
        let frames = frames.filter(|(_, sight)| sight.is_sent && (sight.is_taken || !stored_only));
        for ((client, _), sight) in frames {
            let epoch = sight.epoch;
            for edge in &self.manifest(*client, epoch).neighbours {
                view.edge(epoch, *client, edge.end.client);
            }
            if let Some(Dealing { threshold, holders }) = &sight.dealing {
                view.deal(*client, epoch, *threshold, holders.iter().copied());
            }
            if let Some(seen) = &sight.seen {
                view.see(seen.clone());
            }
            for dealer in &sight.told {
                view.reveal(*dealer, *client, epoch);
            }
        }
        view
    }

    /// The rounds of which something was on the wire.
    pub(crate) fn rounds(&self) -> impl Iterator<Item = Round> {
        self.rounds.keys().copied()
    }

    /// Decides for each round of an honest provider: no reading and no sum below the minimum size is
    /// determined, neither for the provider alone nor with one or two corrupt members, where these
    /// cannot do it without the provider.
    ///
    /// In a `resend` net a frame that was not stored counts as forgotten: that is what an honest
    /// provider is trusted with there; and so is a sum that silent members make too small, which it can
    /// form and does not publish.
    pub(crate) fn judge(&self, outcomes: &[RoundOutcome]) -> Judged {
        let mut judged = Judged::default();
        let min_size = self.descriptor.min_size();
        let stored_only = !self.is_double_mask();
        for round in self.rounds() {
            let outcome = outcomes.iter().find(|outcome| outcome.round == round);
            let mut view = self.view(round, min_size, &BTreeSet::new(), stored_only);
            let silent = view.seen.iter().filter(|seen| !seen.reading && stored_only);
            let silent: BTreeSet<ClientId> = silent.map(|seen| seen.member).collect();
            let min_size = min_size.saturating_sub(silent.len());
            view.min_size = min_size;
            let verdict = view.verdict();
            let Verdict::Safe { sums } = &verdict else {
                panic!("round {round}: {verdict:?} of {outcome:?}");
            };
            if let Some(outcome) = outcome.filter(|outcome| outcome.status.is_success()) {
                let contributors: Vec<ClientId> = outcome.contributors.iter().copied().collect();
                assert_eq!(*sums, [contributors], "round {round}");
            }
            judged.rounds += 1;
            let corrupt = pick(&view, round);
            let min_size = min_size.saturating_sub(corrupt.len());
            let view = self.view(round, min_size, &corrupt, stored_only);
            if !self.is_bearable(round, &view) {
                judged.hopeless += 1;
                continue;
            }
            let verdict = view.verdict();
            assert!(verdict.is_safe(), "round {round}: {verdict:?}, {corrupt:?}");
            judged.with_corrupt += 1;
        }
        println!("views: {judged:?}");
        judged
    }

    /// Whether the corrupt members alone neither recover a mask nor part the graph of those whose sum
    /// the round is to be.
    fn is_bearable(&self, round: Round, view: &View) -> bool {
        let masks = view.dealings.values().all(|dealing| {
            let corrupt = dealing.holders.intersection(&view.corrupt);
            corrupt.count() < dealing.threshold
        });
        let mut members: BTreeSet<ClientId> = view.seen.iter().map(|seen| seen.member).collect();
        let rosters = self.rosters.iter().filter(|roster| roster.round() == round);
        if let Some(last) = rosters.max_by_key(|roster| roster.step()) {
            let epoch = last.epoch().number();
            members.retain(|member| {
                let manifest = self.manifests.get(&(*member, epoch));
                let index = manifest.map(|manifest| usize::try_from(manifest.index).unwrap());
                index.is_some_and(|index| last.present().contains(index))
            });
        }
        let honest: BTreeSet<ClientId> = members.difference(&view.corrupt).copied().collect();
        masks && is_connected(view, &honest)
    }
}

fn with_reading(seen: Seen, transmission: bool) -> Seen {
    if transmission { seen } else { seen.silent() }
}

/// One or two of those that have sent something, the same for the same round.
fn pick(view: &View, round: Round) -> BTreeSet<ClientId> {
    let members: BTreeSet<ClientId> = view.seen.iter().map(|seen| seen.member).collect();
    let mut members: Vec<ClientId> = members.into_iter().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(round.number() ^ members.len() as u64);
    let amount = 1 + rng.next_u32() % 2;
    let mut corrupt = BTreeSet::new();
    for _ in 0..amount {
        if !members.is_empty() {
            let place = rng.next_u64() % members.len() as u64;
            corrupt.insert(members.swap_remove(usize::try_from(place).unwrap()));
        }
    }
    corrupt
}

fn is_connected(view: &View, members: &BTreeSet<ClientId>) -> bool {
    let epochs: BTreeSet<u64> = view.seen.iter().map(|seen| seen.epoch).collect();
    let Some(first) = members.first() else {
        return true;
    };
    let (mut reached, mut ahead) = (BTreeSet::from([*first]), vec![*first]);
    while let Some(member) = ahead.pop() {
        for epoch in &epochs {
            for peer in view.neighbours(member, *epoch).intersection(members) {
                if reached.insert(*peer) {
                    ahead.push(*peer);
                }
            }
        }
    }
    reached.len() == members.len()
}
