//! The state machine of the protocol, tied to the ledger: persist, then send.

use std::collections::{HashMap, HashSet};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::envelope::{Envelope, EnvelopeKind};
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::gateway::{
    Gateway, GatewayState, Input, Outgoing, Output, Report, Request, Setup, SetupError,
};
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::signature::SigningKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::ledger::{Binding, Change, Dispatch, Hidden, Ledger, LedgerError, Matter};

/// A gateway whose steps are durable before they are seen.
#[derive(Debug)]
pub struct Machine {
    gateway: Gateway,
    ledger: Ledger,
    failed: bool,
    /// Hashes of messages that are written down as having left and are not sealed: they may be sent
    /// again and again.
    written: HashSet<[u8; 32]>,
    /// Envelopes that the provider has not taken yet, as they were sealed from the state that is in
    /// force: they say the same if they are sealed again, and need not be another message.
    owed: HashMap<(ClientId, EnvelopeKind), Envelope>,
}

/// Hashes that are remembered: a gateway has fewer messages than that on their way.
const MAX_WRITTEN: usize = 1_024;

/// What is left to do after a step: everything that had to be durable is.
#[derive(Debug)]
pub enum Effect {
    /// Send this to the provider.
    Send(Request),
    /// Tell the owner.
    Report(Report),
    /// The ledger holds evidence against the provider that it did not hold before: to be put where
    /// the owner finds it.
    Evidence,
}

impl Machine {
    /// Goes on from the ledger, or begins with a key out of `rng` that is durable before it is used.
    ///
    /// # Errors
    ///
    /// The ledger belongs to another gateway or net or fails; or the net does not meet the owner's
    /// demands.
    pub fn open(
        ledger: Ledger,
        setup: Setup,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, OpenError> {
        ledger.bind(&Binding {
            net: setup.descriptor.net(),
            client: setup.client,
            descriptor: setup.descriptor.encode(),
        })?;
        let state = if let Some(bytes) = ledger.state()? {
            let damaged = |_| LedgerError::Damaged {
                path: ledger.path().to_owned(),
                what: "state",
            };
            GatewayState::decode(&bytes).map_err(damaged)?
        } else {
            let state = GatewayState::fresh(now, rng);
            ledger.commit(&[Change::State(state.encode().expose())])?;
            state
        };
        let gateway = Gateway::new(setup, state)?;
        Ok(Self {
            gateway,
            ledger,
            failed: false,
            written: HashSet::new(),
            owed: HashMap::new(),
        })
    }

    /// Goes on under a renewed certificate for statements; [`Input::Join`] tells the provider.
    pub(super) fn certified_anew(&mut self, key: SigningKey, chain: Vec<Vec<u8>>) {
        self.gateway.certified_anew(key, chain);
    }

    /// Takes one input; what it made the gateway remember is durable when this returns.
    ///
    /// `seen` is the time to remember as plausible along with it, if it was found so.
    ///
    /// # Errors
    ///
    /// The ledger failed: nothing may be sent, and this machine takes no further step. Open the
    /// ledger anew and go on from what it holds.
    pub fn step(
        &mut self,
        now: UnixTime,
        seen: Option<UnixTime>,
        input: Input,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Effect>, LedgerError> {
        self.step_unless(now, seen, input, rng, |_| false)
    }

    /// The same, without sending what `is_under_way`: unsealed messages that would not leave, since one
    /// of their kind is on its way, and of which the consumer's log is to say nothing.
    ///
    /// # Errors
    ///
    /// As for [`Self::step`].
    pub(super) fn step_unless(
        &mut self,
        now: UnixTime,
        seen: Option<UnixTime>,
        input: Input,
        rng: &mut impl CryptoRng,
        is_under_way: impl Fn(&Request) -> bool,
    ) -> Result<Vec<Effect>, LedgerError> {
        if self.failed {
            return Err(LedgerError::Stopped);
        }
        let mut effects = Vec::new();
        let values = reading_of(&input);
        if !matches!(input, Input::Poll | Input::Retry) {
            self.owed.clear(); // what is owed may be something else from now on
        }
        let mut outputs = self.gateway.handle(now, input, rng);
        outputs.retain(|output| {
            !matches!(output, Output::Send(request) if is_unsealed(request) && is_under_way(request))
        });
        self.send_the_same(&mut outputs);
        // With the state that they follow from, so that the disk is waited for once.
        let mut unsealed = self.unwritten(now, &outputs);
        for output in outputs {
            match output {
                Output::Persist(persist) => {
                    let roster = persist.sending.as_ref().and_then(roster_of);
                    let mut changes = vec![Change::State(persist.state.expose())];
                    let sending = persist.sending.as_ref();
                    let dispatch =
                        sending.map(|outgoing| self.dispatch(now, outgoing, values.as_ref()));
                    changes.extend(dispatch.as_ref().map(Change::Dispatch));
                    let unsealed = std::mem::take(&mut unsealed);
                    changes.extend(unsealed.iter().map(Change::Dispatch));
                    changes.extend(sending.map(|outgoing| leaving(outgoing, roster.as_ref())));
                    changes.extend(persist.evidence.as_ref().map(|kept| Change::Evidence {
                        round: kept.round,
                        bytes: &kept.bytes,
                    }));
                    changes.extend(seen.map(Change::Seen));
                    self.commit(&changes)?;
                    if persist.evidence.is_some() {
                        effects.push(Effect::Evidence);
                    }
                }
                Output::Send(request) => {
                    let unsealed = std::mem::take(&mut unsealed);
                    if !unsealed.is_empty() {
                        let changes: Vec<_> = unsealed.iter().map(Change::Dispatch).collect();
                        self.commit(&changes)?;
                    }
                    effects.push(Effect::Send(request));
                }
                Output::Report(report) => effects.push(Effect::Report(report)),
            }
        }
        Ok(effects)
    }

    /// The line of the consumer's log about a frame that is about to leave. `values`: what the reading
    /// of this step was.
    fn dispatch(
        &self,
        now: UnixTime,
        outgoing: &Outgoing,
        values: Option<&Zeroizing<Vec<i64>>>,
    ) -> Dispatch {
        let Outgoing {
            notification,
            round,
            bytes,
        } = outgoing;
        let (notification, round) = (*notification, *round);
        // A round is sealed when the next one has begun, which may be of another epoch.
        let start = self.gateway.descriptor().schedule().start(round);
        let epoch = self.gateway.epoch(start);
        let (members, neighbours) = epoch.map_or((0, 0), |(_, members, neighbours)| {
            (members, neighbours.len())
        });
        let hidden = (notification == Notification::Transmit).then(|| Hidden {
            members: members.try_into().unwrap_or(u32::MAX),
            neighbours: neighbours.try_into().unwrap_or(u32::MAX),
            values: values.cloned(),
        });
        Dispatch {
            time: now,
            matter: Matter::Frame {
                notification,
                round,
            },
            bytes: bytes.clone(),
            hidden,
        }
    }

    /// Puts envelopes that were sealed before in the place of those that say the same, so that an owed
    /// one is one message however often it has to be sent.
    fn send_the_same(&mut self, outputs: &mut [Output]) {
        let is_changed = outputs
            .iter()
            .any(|output| matches!(output, Output::Persist(_)));
        if is_changed {
            self.owed.clear();
        }
        for output in outputs {
            if let Output::Send(Request::Envelope(envelope)) = output {
                let header = envelope.header();
                let key = (header.to, header.kind);
                let first = self.owed.entry(key).or_insert_with(|| envelope.clone());
                envelope.clone_from(first);
            }
        }
    }

    /// Lines of the consumer's log about messages that leave without having been sealed: each once,
    /// however often it is sent.
    fn unwritten(&mut self, now: UnixTime, outputs: &[Output]) -> Vec<Dispatch> {
        let mut found = Vec::new();
        for output in outputs {
            let Output::Send(request) = output else {
                continue;
            };
            let Some((matter, bytes)) = unsealed(request) else {
                continue;
            };
            if self.written.len() >= MAX_WRITTEN {
                self.written.clear();
            }
            // A commit that fails ends this machine: what is remembered too early does no harm.
            if self.written.insert(frame_hash(&bytes)) {
                found.push(Dispatch {
                    time: now,
                    matter,
                    bytes,
                    hidden: None,
                });
            }
        }
        found
    }

    /// Makes other changes durable.
    ///
    /// # Errors
    ///
    /// As for [`Self::step`].
    pub fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), LedgerError> {
        if self.failed {
            return Err(LedgerError::Stopped);
        }
        self.ledger
            .commit(changes)
            .inspect_err(|_| self.failed = true)
    }

    /// The state machine, to look at.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The ledger, to look at.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn is_unsealed(request: &Request) -> bool {
    match request {
        Request::Frame { notification, .. } => matches!(
            notification,
            Notification::Register | Notification::Entered | Notification::Exiting
        ),
        Request::Envelope(_) => true,
        _ => false,
    }
}

/// A message that leaves without having been sealed: everything but superpositions and answers to
/// corrections and rosters. Requests that carry nothing but a question are none.
fn unsealed(request: &Request) -> Option<(Matter, Vec<u8>)> {
    if !is_unsealed(request) {
        return None;
    }
    match request {
        Request::Frame {
            notification,
            round,
            bytes,
        } => {
            let (notification, round) = (*notification, *round);
            let matter = Matter::Frame {
                notification,
                round,
            };
            Some((matter, bytes.clone()))
        }
        Request::Envelope(envelope) => {
            let to = envelope.header().to;
            Some((Matter::Envelope { to }, envelope.encode()))
        }
        _ => None,
    }
}

/// The reading that a step is to hide, if there is one.
fn reading_of(input: &Input) -> Option<Zeroizing<Vec<i64>>> {
    match input {
        Input::Submit { reading, .. } => {
            let reading = reading.as_ref()?;
            Some(Zeroizing::new(reading.values().to_vec()))
        }
        _ => None,
    }
}

/// What the ledger remembers of a frame that is about to leave. `roster`: hash of the roster that it
/// answers.
fn leaving<'a>(outgoing: &'a Outgoing, roster: Option<&'a [u8; 32]>) -> Change<'a> {
    let Outgoing {
        notification,
        round,
        bytes,
    } = outgoing;
    let (notification, round) = (*notification, *round);
    match (notification, roster) {
        (Notification::Resend, _) => Change::Answered { round, bytes },
        (Notification::Pads | Notification::Reveal, roster) => Change::AnsweredRoster {
            round,
            notification,
            // An answer that names no roster is none; it takes the place of one, and the only one.
            roster: roster.unwrap_or(&[0; 32]),
            bytes,
        },
        _ => Change::Sealed { round, bytes },
    }
}

/// Hash of the roster that a frame answers, if it answers one.
fn roster_of(outgoing: &Outgoing) -> Option<[u8; 32]> {
    match Frame::decode(&outgoing.bytes).ok()?.body() {
        FrameBody::Pads { roster, .. } | FrameBody::Reveal { roster, .. } => {
            roster.encode().try_into().ok()
        }
        _ => None,
    }
}

/// Why a gateway cannot go on from its ledger.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The net.
    #[error(transparent)]
    Setup(#[from] SetupError),
}
