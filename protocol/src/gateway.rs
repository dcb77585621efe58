//! A gateway as a state machine: messages, time and randomness in, things to do out.
//!
//! Section "Gateway" of `docs/spec/protocol.md`. Whoever drives it carries out the outputs strictly
//! in order: an [`Output::Persist`] is durable before anything behind it happens, and if it fails
//! nothing behind it happens. What must reach the provider is sent again at every
//! [`Input::Poll`] until the provider's answer came in, so no answer is lost in a crash.

mod compare;
mod double_mask;
mod drawing;
mod edges;
mod epochs;
mod in_force;
mod io;
mod joining;
mod leaving;
mod link;
mod places;
mod report;
mod rounds;
mod state;
mod turned_away;

use rand_core::CryptoRng;

pub use io::{Input, KeptEvidence, Outgoing, Output, Persist, Request};
pub use report::{Fault, Report, RoundRefusal};
pub use state::GatewayState;
use state::{EdgePhase, Membership, Neighbour};
pub use turned_away::TurnedAway;

use crate::certificate::TrustAnchor;
use crate::descriptor::{CorrectionMode, NetDescriptor};
use crate::envelope::EdgeReason;
use crate::frame::{Frame, FrameBody, FrameHeader};
use crate::key_agreement::{KeyPackage, Party, SignedKeyPackage};
use crate::membership::edge::EdgeSet;
use crate::membership::witness::Quorum;
use crate::message::{Delivery, Message};
use crate::names::{ClientId, ClientSet};
use crate::round::{Epoch, Round, UnixTime};
use crate::signature::SigningKey;

/// What the owner demands of a net.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Fewest members over which a sum that holds the reading may be formed.
    pub min_size: u32,
    /// Whether corrections by resending are taken part in.
    pub allow_resend: bool,
    /// Witnesses known to the owner, and how many of them have to have cosigned what is relied on.
    pub witnesses: Quorum,
}

/// What a gateway is given.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The net.
    pub descriptor: NetDescriptor,
    /// This gateway, as its certificates name it.
    pub client: ClientId,
    /// Key of the certificate for statements.
    pub key: SigningKey,
    /// That certificate and those between it and the authority, DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The gateway administrator's certification authority.
    pub anchor: TrustAnchor,
    /// The owner's demands.
    pub policy: Policy,
}

/// Why a gateway does not take part in a net at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The net forms smaller sums than the owner wants.
    #[error(
        "the net forms sums of {net} members and more, the communication profile demands {owner} \
         (accept.min_size)"
    )]
    MinSize {
        /// The net's.
        net: u32,
        /// The owner's.
        owner: u32,
    },
    /// The net corrects by resending.
    #[error(
        "the net corrects by resending, which is safe against a curious provider only; the \
         communication profile does not allow it (accept.allow_resend)"
    )]
    Resend,
    /// Another authority.
    #[error("the net trusts another gateway certification authority than this gateway")]
    Authority,
    /// The ledger belongs to another net.
    #[error("the ledger belongs to another net, or the net's parameters have changed")]
    OtherNet,
}

/// How far the gateway is, for status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not yet registered at the provider since the programme started.
    Registering,
    /// Registered; neighbours are not drawn or have not acknowledged.
    Joining,
    /// Has entered; no manifest names it yet.
    Entered,
    /// In the manifest in force.
    Active,
    /// In no epoch, and the provider's operator lets it into none.
    Barred,
    /// In no epoch, and the net has ended.
    Closed,
    /// Has declared its exit.
    Leaving,
    /// Has left.
    Left,
}

/// A member of a net.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that are independent of each other"
)]
pub struct Gateway {
    setup: Setup,
    own: Party,
    package: SignedKeyPackage,
    state: GatewayState,
    /// The provider knows of us since the programme started.
    registered: bool,
    /// Entered or left is acknowledged since the programme started.
    stated: bool,
    /// Why the provider lets it take part no more, and when it said so last.
    turned_away: Option<(TurnedAway, UnixTime)>,
    /// Since when it has entered and waits for a manifest that names it.
    waiting_since: Option<UnixTime>,
    /// The sealed frame, or the answer, needs not be sent again.
    frame_done: bool,
    answer_done: bool,
    /// Why the draw list was asked for, if it was.
    drawing: Option<EdgeReason>,
    /// Counts what changes the neighbourhood; the second is its value in the statement sent last.
    changes: u64,
    changes_stated: u64,
    /// Hash of the statement sent last: a receipt for an earlier one says nothing.
    stated_hash: [u8; 32],
    /// The round in which drawn neighbours that are in no epoch were looked after last.
    renewed: Option<Round>,
}

impl Gateway {
    /// A gateway that goes on from `state`.
    ///
    /// # Errors
    /// [`SetupError`] if the net does not meet the owner's demands or the state is of another net.
    pub fn new(setup: Setup, mut state: GatewayState) -> Result<Self, SetupError> {
        let parameters = setup.descriptor.parameters();
        if parameters.min_size < setup.policy.min_size {
            let (net, owner) = (parameters.min_size, setup.policy.min_size);
            return Err(SetupError::MinSize { net, owner });
        }
        match setup.descriptor.correction_mode() {
            CorrectionMode::Resend if !setup.policy.allow_resend => return Err(SetupError::Resend),
            CorrectionMode::Resend | CorrectionMode::DoubleMask => {}
        }
        if parameters.ca_fingerprint != setup.anchor.fingerprint() {
            return Err(SetupError::Authority);
        }
        let hash = setup.descriptor.hash();
        if *state.body.descriptor.get_or_insert(hash) != hash {
            return Err(SetupError::OtherNet);
        }
        let package = KeyPackage {
            net: setup.descriptor.net(),
            descriptor: hash,
            client: setup.client,
            serial: state.body.package_serial,
            public_key: state.agreement.public_key(),
        };
        let own = Party::from(&package);
        let package = SignedKeyPackage::sign(package, &setup.chain, &setup.key);
        Ok(Self {
            setup,
            own,
            package,
            state,
            registered: false,
            stated: false,
            turned_away: None,
            waiting_since: None,
            frame_done: false,
            answer_done: false,
            drawing: None,
            changes: 0,
            changes_stated: 0,
            stated_hash: [0; 32],
            renewed: None,
        })
    }

    /// Takes one input at `now`.
    pub fn handle(&mut self, now: UnixTime, input: Input, rng: &mut impl CryptoRng) -> Vec<Output> {
        match input {
            Input::Join => {
                self.registered = false;
                self.stated = false;
                self.turned_away = None;
                // The key package that is about to be published must not be lost.
                let mut outputs = vec![self.persist(None)];
                outputs.extend(self.retry(now));
                outputs.extend(self.poll(now, rng));
                outputs
            }
            Input::Poll => self.poll(now, rng),
            Input::Accepted(receipt) => self.accepted(now, &receipt, rng),
            Input::Refused { notification, slug } => self.refused(now, notification, &slug, rng),
            Input::Relayed(header) => self.relayed(&header),
            Input::DrawList(view) => self.draw(now, &view, rng),
            Input::Listed(members) => self.listed(now, *members, rng),
            Input::LogProof(proof) => self.proved(now, &proof, rng),
            Input::CommonLog(common) => self.compared(&common),
            Input::Package(package) => self.package(now, &package, rng),
            Input::Delivery(delivery) => self.delivery(now, delivery, rng),
            Input::Roster(roster) => self.roster(now, &roster),
            Input::Submit { round, reading } => self.submit(now, round, reading, rng),
            Input::Retry => self.retry(now),
            Input::Leave => self.leave(now, rng),
        }
    }

    /// Goes on under a renewed certificate: `chain` (leaf first, DER) certifies `key` for the same client
    /// under the same authority. What is signed from now on is signed with `key`. The key package stays
    /// the same under the new chain, so edges stay as well; [`Input::Join`] registers it anew.
    pub fn certified_anew(&mut self, key: SigningKey, chain: Vec<Vec<u8>>) {
        let package = self.package.unverified().clone();
        self.package = SignedKeyPackage::sign(package, &chain, &key);
        self.setup.key = key;
        self.setup.chain = chain;
    }

    /// How far it is at `now`.
    pub fn phase(&self, now: UnixTime) -> Phase {
        let round = self.setup.descriptor.schedule().round_at(now);
        match self.state.body.membership {
            Membership::Left => Phase::Left,
            Membership::Leaving => Phase::Leaving,
            _ if self.turned_away.is_some() => match (self.in_force(round), self.turned_away) {
                // The epoch was fixed before: it is held to its end.
                (Some(manifest), _) if manifest.is_active() => Phase::Active,
                (_, Some((TurnedAway::Closed, _))) => Phase::Closed,
                _ => Phase::Barred,
            },
            _ if !self.registered => Phase::Registering,
            Membership::Joining => Phase::Joining,
            Membership::Entered => match self.in_force(round) {
                Some(manifest) if manifest.is_active() => Phase::Active,
                _ => Phase::Entered,
            },
        }
    }

    /// Members with whom a key is shared, suspended ones included.
    pub fn neighbours(&self) -> ClientSet {
        self.confirmed().collect()
    }

    /// Epoch, active members and active neighbours in force in the round metered at `now`.
    pub fn epoch(&self, now: UnixTime) -> Option<(Epoch, usize, ClientSet)> {
        let round = self.setup.descriptor.schedule().round_at(now);
        let manifest = self.in_force(round)?;
        Some((
            manifest.head().epoch,
            manifest.members(),
            manifest.neighbours(),
        ))
    }

    /// The round sealed last.
    pub fn last_sealed(&self) -> Option<Round> {
        self.state.body.sealed.as_ref().map(|sealed| sealed.round)
    }

    /// Whether a manifest for `round` waits for the proof that its epoch is in the log: the round is
    /// not to be sealed before.
    pub fn waits_for_proof(&self, round: Round) -> bool {
        let announced = self.state.body.announced.as_ref();
        announced.is_some_and(|manifest| manifest.unverified().head.first_round <= round)
    }

    /// Number of entries of the membership log that this gateway has seen proved.
    pub fn log_size(&self) -> u64 {
        self.state.body.follower.size()
    }

    /// Whether the provider still has to show that a neighbour sees the same membership log.
    pub fn is_comparing(&self) -> bool {
        !self.state.body.compare.is_empty()
    }

    /// Whether there is evidence against the provider; nothing of a reading leaves then.
    pub fn is_distrusting(&self) -> bool {
        self.state.body.distrusted
    }

    /// Whether the frame of the round sealed last was answered and needs not be sent again.
    pub fn is_acknowledged(&self) -> bool {
        self.frame_done
    }

    /// Sequence number of the last delivery taken in: ask for what is behind it.
    pub fn inbox_position(&self) -> u64 {
        self.state.body.inbox_position
    }

    /// The net.
    pub fn descriptor(&self) -> &NetDescriptor {
        &self.setup.descriptor
    }

    fn delivery(
        &mut self,
        now: UnixTime,
        delivery: Delivery,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        if delivery.sequence <= self.state.body.inbox_position {
            return Vec::new();
        }
        self.state.body.inbox_position = delivery.sequence;
        let mut outputs = match delivery.message {
            Message::Envelope(envelope) => self.envelope(envelope, now, rng),
            Message::Manifest(manifest) => self.announced(&manifest),
            Message::Correction(correction) => self.correct(now, &correction),
            Message::Exit(statement) => self.neighbour_exits(now, &statement),
        };
        if !outputs
            .iter()
            .any(|output| matches!(output, Output::Persist(_)))
        {
            outputs.insert(0, self.persist(None));
        }
        outputs
    }

    fn persist(&self, sending: Option<Outgoing>) -> Output {
        Output::Persist(Persist {
            state: self.state.encode(),
            sending,
            evidence: None,
        })
    }

    fn persist_evidence(&self, round: Round, bytes: Vec<u8>) -> Output {
        Output::Persist(Persist {
            state: self.state.encode(),
            sending: None,
            evidence: Some(KeptEvidence { round, bytes }),
        })
    }

    /// A frame of notifications 1 to 3 for the round metered at `now`.
    fn control_frame(&self, now: UnixTime, body: FrameBody) -> Option<Output> {
        let round = self.setup.descriptor.schedule().round_at(now);
        let header = FrameHeader {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            client: self.setup.client,
            transmission: false,
            epoch: self
                .in_force(round)
                .map_or(Epoch::default(), |manifest| manifest.head().epoch),
            round,
        };
        let frame = Frame::control(header, body)?;
        Some(Output::Send(Request::Frame {
            notification: frame.notification(),
            round,
            bytes: crate::codec::Wire::encode(&frame),
        }))
    }

    /// The edges as the next statement has to name them.
    fn edges_held(&self) -> EdgeSet {
        let neighbours = self.state.body.neighbours.iter();
        neighbours
            .filter(|neighbour| neighbour.phase == EdgePhase::Confirmed)
            .filter_map(Neighbour::end)
            .collect()
    }

    fn confirmed(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.state
            .body
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.phase == EdgePhase::Confirmed)
            .map(|neighbour| neighbour.party.client)
    }
}
