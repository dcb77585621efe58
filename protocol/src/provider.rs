//! The provider of one net as a state machine: messages and time in, records and replies out.
//!
//! Section "Provider" of `docs/spec/protocol.md`. Whoever drives it makes the records of an answer
//! durable before giving its reply, and rebuilds the machine from the store with
//! [`Provider::restore`] if that fails: it is ahead of the store then.

mod epochs;
mod finish;
mod in_force;
mod log;
mod masked;
mod members;
mod order;
mod orders;
mod presence;
mod record;
mod refusal;
mod rounds;

use std::collections::BTreeMap;
use std::sync::Arc;

use in_force::InForce;
pub use log::MOST_LISTED;
use log::MembershipLog;
pub use order::{Order, OrderEffect, OrderRecord, OrderRefusal, OrderTaken, Ordered};
use orders::Standing;
use presence::Presence;
pub use record::{
    Answer, AnswerRecord, CorrectionRecord, DrawListRecord, EpochMember, EpochRecord, FrameRecord,
    LogRecord, MemberRecord, Record, RosterRecord, RoundOutcome, RoundStatus, Snapshot, WrongShare,
};
pub use refusal::Refusal;
use rounds::RoundState;

use crate::certificate::TrustAnchor;
use crate::codec::Wire as _;
use crate::descriptor::NetDescriptor;
use crate::envelope::Envelope;
use crate::frame::{Frame, FrameBody};
use crate::key_agreement::SignedKeyPackage;
use crate::key_graph::Adjacency;
use crate::membership::MemberStatus;
use crate::membership::checkpoint::LogFault;
use crate::membership::log::Log;
use crate::message::{MemberList, MemberSummary, Message, Receipt, SignedReceipt, frame_hash};
use crate::names::{ClientId, NetId};
use crate::round::{Round, Schedule, UnixTime};
use crate::signature::{SigningKey, VerifyingKey};

/// What a provider is given for one net.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The net.
    pub descriptor: NetDescriptor,
    /// The provider's key for statements; its public half stands in the descriptor.
    pub key: SigningKey,
    /// The gateway administrator's certification authority.
    pub anchor: TrustAnchor,
}

/// Why a net cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Another signing key.
    #[error("the signing key is not the one that net {net} was created with")]
    Key {
        /// The net.
        net: NetId,
    },
    /// The log in the store is damaged.
    #[error(transparent)]
    Log(#[from] LogFault),
    /// Another authority.
    #[error("the gateway certification authority is not the one that net {net} was created with")]
    Authority {
        /// The net.
        net: NetId,
    },
}

/// What happens to the provider.
#[derive(Debug, Clone)]
pub enum Input {
    /// A gateway, known by its TLS certificate, posted a frame.
    Frame {
        /// Name in the certificate.
        from: ClientId,
        /// Body as received.
        bytes: Vec<u8>,
    },
    /// A gateway posted an envelope.
    Envelope {
        /// Name in the certificate.
        from: ClientId,
        /// Body as received.
        bytes: Vec<u8>,
    },
    /// [`Provider::next_deadline`] has come.
    Tick,
}

/// The answer to an input.
#[derive(Debug, Clone, Default)]
pub struct Handled {
    /// To be made durable, in this order, in one transaction.
    pub records: Vec<Record>,
    /// To be given after that; none for a tick.
    pub reply: Option<Result<Reply, Refusal>>,
}

/// A friendly reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The frame is stored.
    Receipt(Receipt),
    /// The envelope is in the addressee's inbox.
    Relayed,
}

/// The provider of one net.
#[derive(Debug, Clone)]
pub struct Provider {
    setup: Setup,
    members: BTreeMap<ClientId, MemberRecord>,
    /// Ascending by first round; the earliest is the one in force in the last final round.
    epochs: Vec<Arc<InForce>>,
    rounds: BTreeMap<Round, RoundState>,
    membership: MembershipLog,
    last_final: Option<Round>,
    /// The latest round whose epoch is fixed.
    decided: Option<Round>,
    presence: Presence,
    /// What the operator has ordered.
    standing: Standing,
    /// At the last border of an epoch the members stayed the same, and nothing that they follow from has
    /// changed since.
    is_settled: bool,
    /// From the last tick until the next deadline: nothing becomes due in between.
    idle: (UnixTime, UnixTime),
}

impl Provider {
    /// A net without members.
    ///
    /// # Errors
    /// [`SetupError`] if keys and descriptor do not belong together.
    pub fn new(setup: Setup) -> Result<Self, SetupError> {
        Self::restore(setup, Snapshot::default())
    }

    /// A net as the store has it.
    ///
    /// # Errors
    /// [`SetupError`] if keys and descriptor do not belong together.
    pub fn restore(setup: Setup, snapshot: Snapshot) -> Result<Self, SetupError> {
        let net = setup.descriptor.net();
        if setup.key.verifying_key() != *setup.descriptor.provider_key() {
            return Err(SetupError::Key { net });
        }
        if setup.anchor.fingerprint() != setup.descriptor.parameters().ca_fingerprint {
            return Err(SetupError::Authority { net });
        }
        let mut snapshot = snapshot;
        let entries = std::mem::take(&mut snapshot.log);
        let log = Log::restore(net, setup.descriptor.hash(), entries)?;
        let mut epochs = std::mem::take(&mut snapshot.epochs);
        epochs.sort_by_key(|epoch| epoch.first_round);
        let decided = epochs
            .last()
            .map(|epoch| epoch.first_round)
            .max(snapshot.last_final);
        let members: BTreeMap<ClientId, MemberRecord> = std::mem::take(&mut snapshot.members)
            .into_iter()
            .map(|member| (member.client, member))
            .collect();
        epochs::share_sets(&mut epochs, &members);
        let mut provider = Self {
            setup,
            members,
            epochs: epochs.into_iter().map(InForce::new).map(Arc::new).collect(),
            rounds: BTreeMap::new(),
            membership: MembershipLog::new(log, std::mem::take(&mut snapshot.draw_lists)),
            last_final: snapshot.last_final,
            decided,
            presence: Presence::default(),
            standing: Standing::of(&snapshot.orders),
            is_settled: false,
            idle: (UnixTime::from_millis(0), UnixTime::from_millis(0)),
        };
        provider.restore_rounds(snapshot);
        Ok(provider)
    }

    /// Takes one input at `now`.
    pub fn handle(&mut self, now: UnixTime, input: Input) -> Handled {
        let mut records = self.due(now, matches!(input, Input::Tick));
        let answer = match input {
            Input::Tick => {
                return Handled {
                    records,
                    reply: None,
                };
            }
            Input::Frame { from, bytes } => self.frame(now, from, &bytes),
            Input::Envelope { from, bytes } => self.envelope(from, &bytes),
        };
        let reply = answer.map(|(reply, more)| {
            records.extend(more);
            reply
        });
        Handled {
            records,
            reply: Some(reply),
        }
    }

    /// What is due at `now`; at a tick also if nothing should be.
    fn due(&mut self, now: UnixTime, is_tick: bool) -> Vec<Record> {
        let schedule = self.setup.descriptor.schedule();
        let trusted = self.presence.input(now, &schedule);
        let idle = self.idle.0 <= now && now < self.idle.1;
        if !trusted || (idle && !is_tick) {
            return Vec::new();
        }
        let records = self.tick(now);
        self.idle = (now, self.next_deadline(now));
        records
    }

    /// When the next [`Input::Tick`] is due.
    pub fn next_deadline(&self, now: UnixTime) -> UnixTime {
        let schedule = self.setup.descriptor.schedule();
        let current = schedule.round_at(now);
        [current.previous(), current]
            .into_iter()
            .flat_map(|round| {
                let border = schedule.border(round);
                [
                    border,
                    border.plus_millis(schedule.submit_millis() / 2),
                    schedule.submit_deadline(round),
                    self.step_deadline(round, 1),
                    self.step_deadline(round, 2),
                    self.step_deadline(round, 3),
                    schedule.correction_deadline(round),
                ]
            })
            .filter(|deadline| *deadline > now)
            .min()
            .unwrap_or_else(|| schedule.border(current))
    }

    /// Signs receipts that are durable now, with one signature for all.
    pub fn sign_receipts(&self, receipts: Vec<Receipt>) -> Vec<SignedReceipt> {
        SignedReceipt::sign(receipts, &self.setup.descriptor, &self.setup.key)
    }

    pub(super) fn schedule(&self) -> Schedule {
        self.setup.descriptor.schedule()
    }

    /// The net's parameters.
    pub fn descriptor(&self) -> &NetDescriptor {
        &self.setup.descriptor
    }

    /// All members ever, ascending by name.
    pub fn members(&self) -> impl Iterator<Item = &MemberRecord> {
        self.members.values()
    }

    /// The key package of a member.
    pub fn package(&self, client: &ClientId) -> Option<&SignedKeyPackage> {
        self.members.get(client).map(|member| &member.package)
    }

    /// The members that a newcomer may draw.
    pub fn member_list(&self) -> MemberList {
        let now = self.presence.last_input();
        let schedule = self.setup.descriptor.schedule();
        let drawable = self.members.values().filter(|member| {
            if self.turned_away(member.client).is_some() {
                return false;
            }
            match member.status {
                // Nobody is to wait for one who registered once and never came back. One who comes back
                // without its memory has to find itself in the list.
                MemberStatus::Registered | MemberStatus::Suspended => {
                    now.is_none_or(|now| self.presence.is_about(&member.client, now, &schedule))
                }
                status => matches!(status, MemberStatus::Entered | MemberStatus::Active),
            }
        });
        MemberList::new(
            drawable
                .map(|member| {
                    let package = member.package.unverified();
                    MemberSummary {
                        client: member.client,
                        serial: package.serial,
                        package: package.hash(),
                    }
                })
                .collect(),
        )
    }

    /// The epoch in force in `round`.
    pub fn epoch_at(&self, round: Round) -> Option<&EpochRecord> {
        self.in_force(round).map(|epoch| &***epoch)
    }

    fn in_force(&self, round: Round) -> Option<&Arc<InForce>> {
        self.epochs
            .iter()
            .rev()
            .find(|epoch| epoch.first_round <= round)
    }

    /// The edges that both ends name with the key packages in force, among all who have entered and
    /// not left.
    pub fn named_graph(&self) -> Adjacency {
        let named = self.members.values().filter(|member| {
            !matches!(
                member.status,
                MemberStatus::Registered | MemberStatus::Exited
            )
        });
        Self::edges_among(named)
    }

    /// The latest round that is final.
    pub fn last_final(&self) -> Option<Round> {
        self.last_final
    }

    fn frame(
        &mut self,
        now: UnixTime,
        from: ClientId,
        bytes: &[u8],
    ) -> Result<(Reply, Vec<Record>), Refusal> {
        let frame = Frame::decode(bytes)?;
        let header = frame.header().clone();
        self.check_net(header.net, header.descriptor.as_bytes())?;
        if header.client != from {
            return Err(Refusal::WrongClient {
                expected: from,
                got: header.client,
            });
        }
        let receipt = Receipt {
            net: header.net,
            descriptor: header.descriptor,
            client: from,
            epoch: header.epoch,
            round: header.round,
            notification: frame.notification(),
            frame_hash: frame_hash(bytes),
        };
        let hash = receipt.frame_hash;
        self.presence.heard_of(from, now);
        let records = match frame.into_parts().1 {
            FrameBody::Register { package, .. } => {
                self.admit(from)?;
                self.register(now, from, *package)?
            }
            FrameBody::Entered(statement) => {
                self.admit(from)?;
                self.enter(now, from, statement)?
            }
            FrameBody::Exiting(statement) => self.exit(now, from, statement)?,
            FrameBody::Resend { missing, words } => {
                self.resend(now, &header, &missing, words, hash)?
            }
            FrameBody::Transmit { words, mask } => {
                self.transmit(now, &header, words, mask, hash)?
            }
            FrameBody::Pads { roster, words } => {
                self.answer_to_roster(now, &header, roster, Answer::Pads(words), hash)?
            }
            FrameBody::Reveal { roster, keys } => {
                self.answer_to_roster(now, &header, roster, Answer::Reveal(keys), hash)?
            }
        };
        Ok((Reply::Receipt(receipt), records))
    }

    fn envelope(&mut self, from: ClientId, bytes: &[u8]) -> Result<(Reply, Vec<Record>), Refusal> {
        let envelope = Envelope::decode(bytes)?;
        let header = envelope.header();
        self.check_net(header.net, header.descriptor.as_bytes())?;
        if header.from != from {
            return Err(Refusal::WrongClient {
                expected: from,
                got: header.from,
            });
        }
        match self.members.get(&from).map(|member| member.status) {
            None => return Err(Refusal::NotRegistered { client: from }),
            Some(MemberStatus::Exited) => return Err(Refusal::Exited { client: from }),
            Some(_) if self.is_closed() => return Err(Refusal::NetClosed),
            // Who is barred may still warn its neighbours of what it was shown.
            Some(_) => {}
        }
        let to = header.to;
        let unknown = || Refusal::UnknownAddressee { client: to };
        let addressee = self.members.get(&to).filter(|_| to != from);
        let addressee = addressee.ok_or_else(unknown)?;
        let record = if addressee.status == MemberStatus::Exited {
            // Who waits for an answer of a leaver is told by the leaver's own word that there is none.
            let exit = addressee.exit.clone();
            Self::deliver(from, &Message::Exit(exit.ok_or_else(unknown)?))
        } else {
            Self::deliver(to, &Message::Envelope(envelope))
        };
        if !self.presence.relay(from, to) {
            return Err(Refusal::TooManyEnvelopes { to });
        }
        Ok((Reply::Relayed, vec![record]))
    }

    fn check_net(&self, net: NetId, descriptor: &[u8; 32]) -> Result<(), Refusal> {
        let own = &self.setup.descriptor;
        if net == own.net() && descriptor == own.hash().as_bytes() {
            Ok(())
        } else {
            Err(Refusal::WrongNet {
                expected: own.net(),
                got: net,
            })
        }
    }

    fn statement_key(&self, client: &ClientId) -> Result<VerifyingKey, Refusal> {
        self.members
            .get(client)
            .and_then(|member| member.verifying_key().ok())
            .ok_or(Refusal::NotRegistered { client: *client })
    }

    fn deliver(to: ClientId, message: &Message) -> Record {
        Record::Deliver {
            to,
            message: message.encode(),
        }
    }
}
